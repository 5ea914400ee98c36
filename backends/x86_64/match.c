/* SPDX-License-Identifier: Apache-2.0 */
#include "backends/x86_64/gen.h"

#include "backends/x86_64/host.h"
#include "base/bits.h"

/*
 * What an insn computes for its operands itself: addresses, comparisons, negations, and what a
 * setreg leaves to the store.
 *
 * Folding must preserve: a folded insn is pure (or a comparison whose flags nobody can miss) and
 * has one user, in its block.
 */

bool x64_const(const X64Gen *g, IrRef ref, uint64_t *v)
{
    IrRef rep = g->val[ref].rep;

    if (!g->val[rep].is_const) {
        return false;
    }
    *v = bits_zext((uint64_t)x64_insn(g, rep)->imm, ir_bits(x64_insn(g, ref)->type));
    return true;
}

bool x64_imm32_of(const X64Gen *g, IrRef ref, int32_t *v)
{
    unsigned type = x64_insn(g, ref)->type;
    uint64_t c;
    int64_t s;

    if (!x64_const(g, ref, &c) || x64_is_float(type)) {
        return false;
    }
    s = bits_sext(c, ir_bits(type));
    if (s != (int32_t)s) {
        return false;
    }
    *v = (int32_t)s;
    return true;
}

bool x64_fold(X64Gen *g, IrRef ref)
{
    X64Val *v = &g->val[ref];

    if (g->selecting && v->mode == X64_M_EMIT && v->rep == ref && v->n_uses == 1 &&
        v->block == g->now && !v->is_const) {
        v->mode = X64_M_FOLD;
    }
    return v->mode == X64_M_FOLD;
}

/* x << k of the address's own width, k at most 3 */
static bool match_scaled(X64Gen *g, IrRef ref, unsigned type, IrRef *x, uint8_t *scale)
{
    const IrInsn *i = x64_insn(g, ref);
    uint64_t c;

    if (i->op != IR_OP_shl || i->type != type || !x64_const(g, i->arg[1], &c) || c > 3 || !c ||
        g->val[g->val[i->arg[0]].rep].is_const || !x64_fold(g, ref)) {
        return false;
    }
    *x = g->val[i->arg[0]].rep;
    *scale = (uint8_t)c;
    return true;
}

static bool disp_fits(int64_t disp, int64_t more)
{
    return bits_fits_s(more, 32) && bits_fits_s(disp + more, 32);
}

/* The sum `i` as an address; constant terms go to the displacement. */
static X64Addr match_sum(X64Gen *g, const IrInsn *i, int64_t disp)
{
    X64Addr a = { .disp = disp };
    IrRef x = g->val[i->arg[0]].rep, y = g->val[i->arg[1]].rep;
    uint64_t c;

    if (g->val[x].is_const && !g->val[y].is_const && x64_const(g, i->arg[0], &c) &&
        disp_fits(disp, bits_sext(c, ir_bits(i->type)))) {
        return (X64Addr){ .base = y, .disp = disp + bits_sext(c, ir_bits(i->type)) };
    }
    if (x64_const(g, i->arg[1], &c) &&
        disp_fits(disp, bits_sext(c, ir_bits(i->type))) && !g->val[x].is_const) {
        const IrInsn *t = x64_insn(g, x);

        a.disp += bits_sext(c, ir_bits(i->type));
        if (t->op == IR_OP_add && t->type == i->type && x64_fold(g, x)) {
            return match_sum(g, t, a.disp);
        }
        a.base = x;
        return a;
    }
    if (match_scaled(g, y, i->type, &a.index, &a.scale)) {
        a.base = x;
    } else if (match_scaled(g, x, i->type, &a.index, &a.scale)) {
        a.base = y;
    } else {
        const IrInsn *t = x64_insn(g, x);

        a.index = y;
        a.base = x;
        if (t->op == IR_OP_add && t->type == i->type && x64_const(g, t->arg[1], &c) &&
            disp_fits(a.disp, bits_sext(c, ir_bits(i->type))) &&
            !g->val[g->val[t->arg[0]].rep].is_const && x64_fold(g, x)) {
            a.disp += bits_sext(c, ir_bits(i->type));
            a.base = g->val[t->arg[0]].rep;
        }
    }
    return a;
}

X64Addr x64_match_addr(X64Gen *g, IrRef addr, int64_t disp)
{
    IrRef r = g->val[addr].rep;
    const IrInsn *i = x64_insn(g, r);
    uint64_t c;

    if (g->val[r].is_const) {
        if (x64_const(g, addr, &c) && disp_fits(disp, (int64_t)c)) {
            return (X64Addr){ .disp = disp + (int64_t)c };
        }
    } else if (r < g->f->n_insns && i->op == IR_OP_add && i->type == IR_I64 &&
               bits_fits_s(disp, 32) && x64_fold(g, r)) {
        return match_sum(g, i, disp);
    }
    return (X64Addr){ .base = r, .disp = disp };
}

X64Addr x64_match_lea(X64Gen *g, const IrInsn *i)
{
    return match_sum(g, i, 0);
}

/* May the floating point comparison `ref` be done at its user instead?  Its flags must not be
 * missed by anything between. */
static bool may_sink(const X64Gen *g, IrRef ref)
{
    IrRef at = g->f->insn[ref].next;

    for (unsigned n = 0; n < 16 && at && at != g->user; n++, at = g->f->insn[at].next) {
        if (ir_op_info[g->f->insn[at].op].effects & (IR_TRAPS | IR_CALL | IR_FPENV)) {
            return false;
        }
    }
    return at == g->user;
}

static bool is_compare(const X64Gen *g, IrRef ref)
{
    const IrInsn *i = x64_insn(g, ref);

    switch (i->op) {
    case IR_OP_eq: case IR_OP_ne: case IR_OP_lt: case IR_OP_le: case IR_OP_ltu: case IR_OP_leu:
        return true;
    case IR_OP_feq: case IR_OP_flt: case IR_OP_fle: case IR_OP_fltq: case IR_OP_fleq:
        return x64_insn(g, i->arg[0])->type != IR_F16 && (!g->selecting || may_sink(g, ref));
    default:
        return false;
    }
}

IrRef x64_match_cond(X64Gen *g, IrRef ref, bool *negate, bool *folded)
{
    IrRef r = g->val[ref].rep;

    *negate = *folded = false;
    for (;;) {
        const IrInsn *i = x64_insn(g, r);
        uint64_t c;
        IrRef a = i->arg[0] ? g->val[i->arg[0]].rep : 0;

        if ((i->op == IR_OP_eq || i->op == IR_OP_ne) && x64_const(g, i->arg[1], &c) && c == 0 &&
            !g->val[a].is_const && x64_insn(g, a)->type == IR_I1 && x64_fold(g, r)) {
            *negate ^= i->op == IR_OP_eq;
            r = a;
        } else if (i->type == IR_I1 && !g->val[a].is_const &&
                   (i->op == IR_OP_not ||
                    (i->op == IR_OP_xor && x64_const(g, i->arg[1], &c) && c == 1)) &&
                   x64_fold(g, r)) {
            *negate ^= true;
            r = a;
        } else {
            *folded = is_compare(g, r) && x64_fold(g, r);
            return r;
        }
    }
}

const IrInsn *x64_match_test(X64Gen *g, const IrInsn *i)
{
    IrRef a = g->val[i->arg[0]].rep;
    const IrInsn *t = x64_insn(g, a);
    uint64_t c;

    return (i->op == IR_OP_eq || i->op == IR_OP_ne) && x64_const(g, i->arg[1], &c) && c == 0 &&
                   t->op == IR_OP_and && t->type >= IR_I32 &&
                   t->type == x64_insn(g, i->arg[0])->type &&
                   !g->val[g->val[t->arg[0]].rep].is_const && x64_fold(g, a)
               ? t
               : i;
}

/* Results of arithmetic are never signalling NaNs, so that a quiet comparison finds NaNs without
 * raising anything. */
bool x64_quiet(const X64Gen *g, IrRef ref)
{
    IrRef r = g->val[ref].rep;

    return ir_is_quiet(g->f, r) && x64_insn(g, r)->type != IR_F16;
}

static bool only_set(const X64Gen *g, IrRef ref)
{
    const X64Val *v = &g->val[ref];

    return v->n_uses == v->n_sets && v->n_uses < UINT16_MAX;
}

static bool lazy_canon(const X64Gen *g, const IrInsn *i)
{
    return i->op == IR_OP_fcanon && x64_quiet(g, i->arg[0]);
}

/* Worth it around loops only, where the store may never happen. */
static bool lazy_sext(const X64Gen *g, const IrInsn *i, IrRef ref)
{
    return i->op == IR_OP_sext && x64_insn(g, i->arg[0])->type == IR_I32 &&
           !g->val[g->val[i->arg[0]].rep].is_const && g->block[g->val[ref].block].depth &&
           x64_has(X64_F_sse41);
}

IrRef x64_match_set(const X64Gen *g, IrRef ref, uint8_t *flags)
{
    IrRef r = g->val[ref].rep;
    const IrInsn *i = x64_insn(g, r);
    IrRef leaf;

    *flags = 0;
    if (!only_set(g, r)) {
        return r;
    }
    if (i->op == IR_OP_fbox && x64_insn(g, i->arg[0])->type == IR_F32) {
        IrRef a = g->val[i->arg[0]].rep;
        const IrInsn *t = x64_insn(g, a);

        *flags = X64_BOX;
        if (!g->val[a].is_const && lazy_canon(g, t) && g->val[a].n_uses == 1 &&
            g->val[a].block == g->val[r].block) {
            *flags |= X64_CANON;
            a = g->val[t->arg[0]].rep;
        }
        return a;
    }
    if (lazy_canon(g, i)) {
        *flags = X64_CANON;
        return g->val[i->arg[0]].rep;
    }
    leaf = g->n_merges ? x64_calc_leaf(g, r) : r;
    if (lazy_sext(g, i, r) && (leaf == r || leaf == g->val[i->arg[0]].rep)) {
        *flags = X64_SEXT;
        return g->val[i->arg[0]].rep;
    }
    *flags = leaf != r ? X64_CALC : 0;
    return leaf;
}

IrRef x64_remainder_of(const X64Gen *g, IrRef ref)
{
    for (uint32_t k = 0; k < g->n_pairs; k++) {
        if (g->pair[k].quotient == ref) {
            return g->pair[k].remainder;
        }
    }
    return 0;
}

/* The a / b that is factor `k` of `product`, when the other factor is b; else 0. */
static IrRef quotient_in(const X64Gen *g, const IrInsn *product, unsigned k, IrRef a)
{
    IrRef q = g->val[product->arg[k]].rep, b = g->val[product->arg[!k]].rep;
    const IrInsn *i = x64_insn(g, q);

    return (i->op == IR_OP_div || i->op == IR_OP_divu) && i->type == product->type &&
                   i->type >= IR_I32 && g->val[q].block == g->now && g->val[q].mode == X64_M_EMIT &&
                   g->val[i->arg[0]].rep == a && g->val[i->arg[1]].rep == b
               ? q
               : 0;
}

bool x64_match_remainder(X64Gen *g, IrRef ref)
{
    const IrInsn *i = x64_insn(g, ref);
    IrRef product, a, q;

    if (i->op != IR_OP_sub || g->n_pairs == sizeof(g->pair) / sizeof(*g->pair)) {
        return false;
    }
    product = g->val[i->arg[1]].rep;
    a = g->val[i->arg[0]].rep;
    if (x64_insn(g, product)->op != IR_OP_mul || x64_insn(g, product)->type != i->type) {
        return false;
    }
    q = quotient_in(g, x64_insn(g, product), 0, a);
    q = q ? q : quotient_in(g, x64_insn(g, product), 1, a);
    if (!q || x64_remainder_of(g, q) || !x64_fold(g, product)) {
        return false;
    }
    g->val[ref].mode = X64_M_PAIR;
    g->pair[g->n_pairs++] = (X64Pair){ q, ref };
    return true;
}

IrRef x64_match_neg(X64Gen *g, IrRef ref, bool *negate)
{
    IrRef r = g->val[ref].rep;

    *negate = false;
    while (x64_insn(g, r)->op == IR_OP_fneg && !g->val[g->val[x64_insn(g, r)->arg[0]].rep].is_const &&
           x64_fold(g, r)) {
        *negate ^= true;
        r = g->val[x64_insn(g, r)->arg[0]].rep;
    }
    return r;
}

bool x64_fma_inline(const IrInsn *i)
{
    return i->aux != IR_RM_RMM && i->type != IR_F16 && x64_has(X64_F_fma);
}
