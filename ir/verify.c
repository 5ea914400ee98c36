/* SPDX-License-Identifier: Apache-2.0 */
/*
 * ir/verify.c - the rules of ir.h and ops.def, checked.
 *
 * Structure first (links, terminators, edges), since the rest walks along it; then the types of
 * each insn by its row; then that definitions dominate uses, which needs the graph.
 */
#include <string.h>

#include "base/bits.h"
#include "ir/cfg.h"
#include "ir/guest.h"
#include "ir/ir.h"

typedef struct Verify {
    const IrFunc *f;
    const IrCfg *cfg;
    IrBlockId *block_of; /* of each value; IR_NO_BLOCK when it is in none */
    uint32_t *place;     /* of each insn within its block */
    const char *error;
} Verify;

static bool bad(Verify *v, IrBlockId block, IrRef ref, const char *what)
{
    const IrInsn *i = &v->f->insn[ref];

    if (ref) {
        v->error = arena_printf(v->f->arena, "block %u, %s (%%%u): %s", block,
                                ir_op_info[i->op].name, ref, what);
    } else {
        v->error = arena_printf(v->f->arena, "block %u: %s", block, what);
    }
    return false;
}

/* ---- Structure ---- */

static bool check_links(Verify *v, IrBlockId id)
{
    const IrFunc *f = v->f;
    IrRef prev = 0;
    uint32_t place = 0;

    for (IrRef ref = f->block[id].first; ref; prev = ref, ref = f->insn[ref].next) {
        if (ref >= f->n_insns || v->block_of[ref] != IR_NO_BLOCK) {
            return bad(v, id, 0, "the list of insns is broken");
        }
        if (f->insn[ref].prev != prev) {
            return bad(v, id, ref, "prev does not match");
        }
        if (f->insn[ref].op == IR_OP_none || f->insn[ref].op >= IR_OP_COUNT) {
            return bad(v, id, 0, "an insn without an op");
        }
        if (!(ir_op_info[f->insn[ref].op].effects & IR_TERM) != (f->insn[ref].next != 0)) {
            return bad(v, id, ref, "a block has one terminator, at its end");
        }
        v->block_of[ref] = id;
        v->place[ref] = place++;
    }
    return prev && prev == f->block[id].last ? true : bad(v, id, 0, "has no end");
}

static bool check_edges(Verify *v, uint32_t *n_preds)
{
    const IrFunc *f = v->f;

    for (IrBlockId id = 0; id < f->n_blocks; id++) {
        for (unsigned e = 0; e < ir_n_succs(f, id); e++) {
            const IrEdge *edge = ir_succ(f, id, e);

            if ((uint64_t)f->insn[f->block[id].last].imm + e >= f->n_edges ||
                edge->block >= f->n_blocks) {
                return bad(v, id, f->block[id].last, "goes to no block");
            }
            if (edge->n_args != f->block[edge->block].n_params ||
                edge->first_arg + edge->n_args > f->n_edge_args) {
                return bad(v, id, f->block[id].last, "arguments are not the block's parameters");
            }
            n_preds[edge->block]++;
        }
    }
    for (IrBlockId id = 0; id < f->n_blocks; id++) {
        if (n_preds[id] != f->block[id].n_preds) {
            return bad(v, id, 0, "n_preds is wrong");
        }
    }
    return n_preds[0] == 0 || bad(v, 0, 0, "the entry has a predecessor");
}

/* ---- Types ---- */

static bool is_float(unsigned type)
{
    return ir_type_info[type].is_float;
}

static bool is_int(unsigned type)
{
    return type != IR_VOID && !is_float(type);
}

static bool row_types(Verify *v, IrBlockId id, IrRef ref, const IrInsn *i, const uint8_t *arg)
{
    const IrOpInfo *info = &ir_op_info[i->op];
    unsigned u = IR_VOID;

    for (unsigned k = 0; k < info->n_args; k++) {
        unsigned want = info->arg[k];

        if (arg[k] == IR_VOID) {
            return i->op == IR_OP_call || bad(v, id, ref, "an operand is missing");
        }
        if (want == IR_U) {
            want = u = u == IR_VOID ? arg[k] : u;
        }
        if (want != IR_ANY && arg[k] != (want == IR_T ? i->type : want)) {
            return bad(v, id, ref, "operand type does not match");
        }
    }
    if (info->result < IR_TYPE_COUNT && info->result != IR_VOID && i->type != info->result) {
        return bad(v, id, ref, "result type does not match");
    }
    if ((info->result == IR_T || (info->result == IR_ANY && i->op != IR_OP_call)) &&
        i->type == IR_VOID) {
        return bad(v, id, ref, "result has no type");
    }
    return true;
}

/* What an op asks of its operands' kind beyond the row. */
static bool kinds_match(const IrInsn *i, const uint8_t *arg)
{
    const IrOpInfo *info = &ir_op_info[i->op];

    switch (i->op) {
    case IR_OP_zext:
    case IR_OP_sext:
        return is_int(i->type) && is_int(arg[0]) && ir_bits(i->type) > ir_bits(arg[0]);
    case IR_OP_trunc:
        return is_int(i->type) && is_int(arg[0]) && ir_bits(i->type) < ir_bits(arg[0]);
    case IR_OP_bitcast:
        return ir_bits(i->type) == ir_bits(arg[0]) && i->type != arg[0];
    case IR_OP_f2i:
    case IR_OP_f2u:
        return is_float(arg[0]) && (i->type == IR_I32 || i->type == IR_I64);
    case IR_OP_i2f:
    case IR_OP_u2f:
        return is_float(i->type) && (arg[0] == IR_I32 || arg[0] == IR_I64);
    case IR_OP_f2f:
        return is_float(i->type) && is_float(arg[0]) && i->type != arg[0];
    case IR_OP_fneg:
    case IR_OP_fabs:
    case IR_OP_fcopysign:
    case IR_OP_fcanon:
    case IR_OP_fclass:
        return is_float(arg[0]);
    case IR_OP_fbox:
        return arg[0] == IR_F16 || arg[0] == IR_F32;
    case IR_OP_funbox:
        return i->type == IR_F16 || i->type == IR_F32;
    case IR_OP_clmul:
    case IR_OP_clmulh:
        return i->type == IR_I64;
    case IR_OP_sel:
        return true;
    default:
        break;
    }
    if (info->arg[0] == IR_T || info->arg[0] == IR_U) {
        return info->effects & IR_FP ? is_float(arg[0]) : is_int(arg[0]);
    }
    return true;
}

static bool memory_matches(const IrInsn *i)
{
    unsigned bits = 8u << (i->aux & IR_MEM_SIZE);

    if (i->op == IR_OP_amo || i->op == IR_OP_cas) {
        return (i->type == IR_I32 || i->type == IR_I64) &&
               (i->op == IR_OP_cas || i->aux < IR_RMW_COUNT);
    }
    if (i->aux > (IR_MEM_SIZE | IR_MEM_SIGN) || i->type == IR_I1) {
        return false;
    }
    if (is_float(i->type)) {
        return bits == ir_bits(i->type) && !(i->aux & IR_MEM_SIGN);
    }
    return bits <= ir_bits(i->type) && !(i->op == IR_OP_store && i->aux & IR_MEM_SIGN);
}

static bool call_matches(const IrFunc *f, const IrInsn *i, const uint8_t *arg)
{
    const IrHelper *row;

    if ((uint64_t)i->imm >= f->guest->n_helpers) {
        return false;
    }
    row = &f->guest->helpers[i->imm];
    for (unsigned k = 0; k < 3; k++) {
        if (arg[k] != (k < row->n_args ? row->arg[k] : IR_VOID)) {
            return false;
        }
    }
    return i->type == row->result;
}

static bool imm_matches(const IrFunc *f, const IrInsn *i, const uint8_t *arg)
{
    switch (i->op) {
    case IR_OP_const:
        return ir_bits(i->type) == 64 ||
               (is_float(i->type) || i->type == IR_I1
                    ? i->imm == (int64_t)bits_zext((uint64_t)i->imm, ir_bits(i->type))
                    : i->imm == bits_sext((uint64_t)i->imm, ir_bits(i->type)));
    case IR_OP_getreg:
        return (uint64_t)i->imm < f->guest->n_slots && f->guest->slots[i->imm].type == i->type;
    case IR_OP_setreg:
        return (uint64_t)i->imm < f->guest->n_slots && f->guest->slots[i->imm].type == arg[0];
    case IR_OP_load:
    case IR_OP_store:
    case IR_OP_amo:
    case IR_OP_cas:
        return memory_matches(i);
    case IR_OP_refill:
        return i->imm > 0 && i->imm <= INT32_MAX && f->insn[i->arg[1]].op == IR_OP_const;
    case IR_OP_call:
        return call_matches(f, i, arg);
    case IR_OP_exit_trap:
    case IR_OP_trap_if:
        return i->aux < IR_TRAP_COUNT;
    case IR_OP_exit:
        return arg[0] == (i->aux & IR_EXIT_CALL ? IR_I64 : IR_VOID);
    case IR_OP_exit_ind:
        return arg[1] == (i->aux & IR_EXIT_CALL ? IR_I64 : IR_VOID);
    default:
        return true;
    }
}

static bool check_insn(Verify *v, IrBlockId id, IrRef ref)
{
    const IrFunc *f = v->f;
    const IrInsn *i = &f->insn[ref];
    uint8_t arg[3];

    for (unsigned k = 0; k < 3; k++) {
        if (i->arg[k] >= f->n_insns) {
            return bad(v, id, ref, "operand is no value");
        }
        arg[k] = i->arg[k] ? f->insn[i->arg[k]].type : (uint8_t)IR_VOID;
        if (i->arg[k] && arg[k] == IR_VOID) {
            return bad(v, id, ref, "operand has no value");
        }
        if (i->arg[k] && k >= ir_op_info[i->op].n_args &&
            !(i->aux & IR_EXIT_CALL && (i->op == IR_OP_exit || i->op == IR_OP_exit_ind))) {
            return bad(v, id, ref, "too many operands");
        }
    }
    if (i->type >= IR_TYPE_COUNT) {
        return bad(v, id, ref, "unknown type");
    }
    if (i->mark) {
        return bad(v, id, ref, "mark is not 0");
    }
    if (!row_types(v, id, ref, i, arg)) {
        return false;
    }
    if (!kinds_match(i, arg)) {
        return bad(v, id, ref, "operand is of the wrong kind");
    }
    return imm_matches(f, i, arg) || bad(v, id, ref, "immediate or suffix does not match");
}

static bool check_params(Verify *v, IrBlockId id)
{
    const IrFunc *f = v->f;
    uint32_t n = 0;
    bool may_param = true;

    IR_FOR_EACH (f, id, ref) {
        if (f->insn[ref].op != IR_OP_param) {
            may_param = false;
        } else if (!may_param || f->insn[ref].imm != n++) {
            return bad(v, id, ref, "parameters come first, in order");
        }
    }
    return n == f->block[id].n_params || bad(v, id, 0, "n_params is wrong");
}

/* A register has one value at the start of a block: no second marker for it. */
static bool check_markers(Verify *v, IrBlockId id)
{
    const IrFunc *f = v->f;
    bool seen[256] = { false };

    if (f->block[id].n_preds < 2) {
        return true;
    }
    for (IrRef ref = f->block[id].first; ref && ir_is_entry(f, ref); ref = f->insn[ref].next) {
        const IrInsn *i = &f->insn[ref];

        if (i->op == IR_OP_setreg && seen[i->imm]) {
            return bad(v, id, ref, "a second entry marker for the register");
        }
        if (i->op == IR_OP_setreg) {
            seen[i->imm] = true;
        }
    }
    return true;
}

/* ---- Dominance ---- */

static bool is_available(const Verify *v, IrRef value, IrBlockId at, uint32_t place)
{
    IrBlockId from = v->block_of[value];

    if (from == IR_NO_BLOCK) {
        return false;
    }
    return from == at ? v->place[value] < place : ir_dominates(v->cfg, from, at);
}

static bool check_uses(Verify *v, IrBlockId id)
{
    const IrFunc *f = v->f;

    IR_FOR_EACH (f, id, ref) {
        for (unsigned k = 0; k < 3; k++) {
            IrRef a = f->insn[ref].arg[k];

            if (a && !is_available(v, a, id, v->place[ref])) {
                return bad(v, id, ref, "operand does not dominate its use");
            }
        }
    }
    for (unsigned e = 0; e < ir_n_succs(f, id); e++) {
        const IrEdge *edge = ir_succ(f, id, e);
        IrRef param = f->block[edge->block].first;

        for (unsigned k = 0; k < edge->n_args; k++, param = f->insn[param].next) {
            IrRef a = f->edge_args[edge->first_arg + k];

            if (!a || a >= f->n_insns || !is_available(v, a, id, UINT32_MAX)) {
                return bad(v, id, f->block[id].last, "edge argument does not dominate the edge");
            }
            if (f->insn[a].type != f->insn[param].type) {
                return bad(v, id, f->block[id].last, "edge argument type does not match");
            }
        }
    }
    return true;
}

static bool check_graph(Verify *v)
{
    const IrFunc *f = v->f;

    v->cfg = ir_cfg(f);
    for (uint32_t k = 0; k < v->cfg->n_order; k++) {
        if (!check_uses(v, v->cfg->order[k])) {
            return false;
        }
    }
    return true;
}

static bool verify(Verify *v)
{
    const IrFunc *f = v->f;

    if (f->n_blocks == 0) {
        v->error = "no blocks";
        return false;
    }
    for (IrBlockId id = 0; id < f->n_blocks; id++) {
        if (!check_links(v, id)) {
            return false;
        }
    }
    if (!check_edges(v, ARENA_NEW(f->arena, uint32_t, f->n_blocks))) {
        return false;
    }
    for (IrBlockId id = 0; id < f->n_blocks; id++) {
        IR_FOR_EACH (f, id, ref) {
            if (!check_insn(v, id, ref)) {
                return false;
            }
        }
        if (!check_params(v, id) || !check_markers(v, id)) {
            return false;
        }
    }
    return check_graph(v);
}

bool ir_verify(const IrFunc *f, const char **error)
{
    Verify v = { .f = f };

    v.block_of = ARENA_NEW(f->arena, IrBlockId, f->n_insns);
    v.place = ARENA_NEW(f->arena, uint32_t, f->n_insns);
    memset(v.block_of, 0xff, f->n_insns * sizeof(IrBlockId));
    if (verify(&v)) {
        return true;
    }
    *error = v.error;
    return false;
}
