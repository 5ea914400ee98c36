/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Values that only the guest's state needs, and that are a chain of ops with constants on another
 * value: not computed, but worked out when somebody looks (X64_CALC).  A stack map has the ops.
 */
#include "backends/x86_64/gen.h"

#include "base/bits.h"
#include "ir/eval.h"

enum { CALC_OPS = 6 };

static const uint8_t alu_digit[IR_OP_COUNT] = {
    [IR_OP_add] = X64_ADD, [IR_OP_and] = X64_AND, [IR_OP_or] = X64_OR, [IR_OP_xor] = X64_XOR,
};

static const uint8_t shift_digit[IR_OP_COUNT] = {
    [IR_OP_shl] = X64_SHL,  [IR_OP_shr] = X64_SHR,  [IR_OP_sar] = X64_SAR,
    [IR_OP_rotl] = X64_ROL, [IR_OP_rotr] = X64_ROR,
};

/* One operand, or a second one that is an immediate of the host's insn */
static bool is_link(const X64Gen *g, const IrInsn *i)
{
    int32_t imm;

    return ir_is_calc(i->op) && i->op != IR_OP_trunc && i->type >= IR_I32 &&
           x64_insn(g, i->arg[0])->type >= IR_I8 &&
           (!i->arg[1] || x64_imm32_of(g, i->arg[1], &imm));
}

static IrRef below(const X64Gen *g, IrRef ref)
{
    return g->val[x64_insn(g, ref)->arg[0]].rep;
}

IrRef x64_calc_leaf(const X64Gen *g, IrRef top)
{
    IrRef ref = top;

    for (unsigned n = 0; n < CALC_OPS && is_link(g, x64_insn(g, ref)); n++) {
        if (ref != top && (g->val[ref].n_uses != 1 || g->val[ref].block != g->val[top].block)) {
            break;
        }
        if (g->val[below(g, ref)].is_const) {
            break;
        }
        ref = below(g, ref);
    }
    return ref;
}

/* The ops from the leaf up to the top; returns how many. */
static unsigned links(const X64Gen *g, IrRef top, IrRef link[CALC_OPS])
{
    IrRef leaf = x64_calc_leaf(g, top);
    unsigned n = 0, k;

    for (IrRef ref = top; ref != leaf; ref = below(g, ref)) {
        n++;
    }
    k = n;
    for (IrRef ref = top; ref != leaf; ref = below(g, ref)) {
        link[--k] = ref;
    }
    return n;
}

static void emit_link(X64Gen *g, const IrInsn *i, X64Reg r)
{
    bool w = i->type == IR_I64;
    int32_t imm = 0;

    (void)x64_imm32_of(g, i->arg[1], &imm);
    switch (i->op) {
    case IR_OP_not: case IR_OP_neg:
        x64_rr(&g->e, 0xf7, w, i->op == IR_OP_not ? 2 : 3, r);
        break;
    case IR_OP_zext:
        x64_emit_zext(g, r, r, ir_bits(x64_arg_type(g, i, 0)));
        break;
    case IR_OP_sext:
        x64_rr(&g->e, x64_sext_op(x64_arg_type(g, i, 0)), w, r, r);
        break;
    case IR_OP_shl: case IR_OP_shr: case IR_OP_sar: case IR_OP_rotl: case IR_OP_rotr:
        x64_shift_ri(&g->e, shift_digit[i->op], w, r, (unsigned)imm & (ir_bits(i->type) - 1));
        break;
    default:
        x64_alu_ri(&g->e, alu_digit[i->op], w, r, imm);
        break;
    }
}

void x64_calc_emit(X64Gen *g, IrRef top, X64Reg r)
{
    IrRef link[CALC_OPS];
    unsigned n = links(g, top, link);

    for (unsigned k = 0; k < n; k++) {
        emit_link(g, x64_insn(g, link[k]), r);
    }
}

/* ---- In stack maps ---- */

/* An op as its bytes: op, type, type of the operand, immediate */
enum { LINK_BYTES = 7 };

_Static_assert(1 + CALC_OPS * LINK_BYTES == X64_CALC_BYTES, "room that stackmap.c reserves");

uint8_t *x64_calc_put(const X64Gen *g, IrRef top, uint8_t *p)
{
    IrRef link[CALC_OPS];
    unsigned n = links(g, top, link);

    *p++ = (uint8_t)n;
    for (unsigned k = 0; k < n; k++) {
        const IrInsn *i = x64_insn(g, link[k]);
        int32_t imm = 0;

        (void)x64_imm32_of(g, i->arg[1], &imm);
        *p++ = i->op;
        *p++ = i->type;
        *p++ = (uint8_t)x64_arg_type(g, i, 0);
        memcpy(p, &imm, 4);
        p += 4;
    }
    return p;
}

const uint8_t *x64_calc_skip(const uint8_t *p)
{
    return p + 1 + *p * LINK_BYTES;
}

uint64_t x64_calc_eval(const uint8_t *p, uint64_t v)
{
    for (unsigned n = *p++; n > 0; n--, p += LINK_BYTES) {
        IrInsn i = { .op = p[0], .type = p[1] };
        uint8_t type[3] = { p[2], p[2] };
        uint64_t arg[3] = { v };
        int32_t imm;

        memcpy(&imm, p + 3, 4);
        arg[1] = (uint64_t)(int64_t)imm;
        CHECK(ir_eval(&i, type, arg, IR_RM_RNE, NULL, &v), "not an op of a chain");
    }
    return v;
}
