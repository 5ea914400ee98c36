/* SPDX-License-Identifier: Apache-2.0 */
#include "backends/x86_64/gen.h"

#include "base/bits.h"

/*
 * Before emission: use counts, liveness, use lists.  All of it is linear but the liveness of values
 * that cross blocks, which iterates until nothing changes; distances only shrink, so it ends.
 */

/* ---- Counting uses ---- */

static unsigned const_zbits(uint64_t v)
{
    return v ? 64 - (unsigned)__builtin_clzll(v) : 1;
}

/* How many low bits of the value's register may be nonzero; 64: nothing is known. */
static unsigned zero_bits(const X64Gen *g, const IrInsn *i)
{
    uint64_t c;
    unsigned z = 64, a = i->arg[0] ? g->val[g->val[i->arg[0]].rep].zbits : 64;
    unsigned bits = ir_bits(i->type);

    switch (i->op) {
    case IR_OP_load:
        if (!(i->aux & IR_MEM_SIGN)) {
            return 8u << (i->aux & IR_MEM_SIZE);
        }
        return i->type == IR_I32 ? 32 : 64;
    case IR_OP_zext:
        return ir_bits(x64_insn(g, i->arg[0])->type);
    case IR_OP_and:
        if (x64_const(g, i->arg[1], &c) && (bits >= 32)) {
            return const_zbits(c) < a ? const_zbits(c) : a;
        }
        return i->type == IR_I32 ? 32 : i->type == IR_I1 ? a : 64;
    case IR_OP_shr:
        if (bits >= 32 && x64_const(g, i->arg[1], &c)) {
            return bits - (unsigned)(c & (bits - 1));
        }
        return i->type == IR_I32 ? 32 : 64;
    case IR_OP_or: case IR_OP_xor:
        z = g->val[g->val[i->arg[1]].rep].zbits;
        z = z > a ? z : a;
        return i->type == IR_I32 && z > 32 ? 32 : z;
    case IR_OP_not:
        return i->type == IR_I1 && a == 1 ? 1 : i->type == IR_I32 ? 32 : 64;
    case IR_OP_eq: case IR_OP_ne: case IR_OP_lt: case IR_OP_le: case IR_OP_ltu: case IR_OP_leu:
    case IR_OP_feq: case IR_OP_flt: case IR_OP_fle: case IR_OP_fltq: case IR_OP_fleq:
        return 1;
    case IR_OP_param: case IR_OP_call: case IR_OP_trunc:
        return 64;
    default:
        return i->type == IR_I32 ? 32 : 64;
    }
}

/* The value whose register also holds this one; itself when it needs one of its own. */
static IrRef representative(const X64Gen *g, const IrInsn *i, IrRef ref, IrBlockId b)
{
    IrRef a = i->arg[0] ? g->val[i->arg[0]].rep : 0;

    if (i->op == IR_OP_trunc || (i->op == IR_OP_fcanon && x64_insn(g, a)->op == IR_OP_fma)) {
        return a; /* lower_fma() looks for NaNs anyway, and makes them canonical */
    }
    if (i->op == IR_OP_param && g->block[b].n_preds == 1) {
        return g->val[g->f->edge_args[g->block[b].pred->first_arg + (uint64_t)i->imm]].rep;
    }
    if ((i->op == IR_OP_zext || i->op == IR_OP_sext) && !g->val[a].is_const &&
        g->val[a].zbits + (i->op == IR_OP_sext ? 1u : 0) <= ir_bits(x64_insn(g, i->arg[0])->type)) {
        return a;
    }
    return ref;
}

static inline void count_use(X64Gen *g, IrRef ref, IrBlockId b, bool set)
{
    X64Val *v = &g->val[g->val[ref].rep];

    if (v->n_uses < UINT16_MAX) {
        v->n_uses++;
        v->n_sets += set && v->block == b;
    }
    if (v->block != b && !v->global && !v->is_const) {
        v->global = (uint16_t)++g->n_globals;
        g->global[v->global] = g->val[ref].rep;
    }
}

static const X64Val blank = { .next = X64_NEVER, .reg = X64_NONE, .home = X64_SLOT_NONE,
                              .hint = X64_NONE, .fwd_slot = X64_SLOT_NONE, .zbits = 64 };

static inline X64Val *new_value(X64Gen *g, IrRef ref, unsigned type, IrBlockId b)
{
    X64Val *v = &g->val[ref];

    *v = blank;
    v->rep = ref;
    v->block = (uint16_t)b;
    v->type = (uint8_t)type;
    return v;
}

static void define(X64Gen *g, const IrInsn *i, IrRef ref, IrBlockId b)
{
    X64Val *v = new_value(g, ref, i->type, b);

    switch (i->op) {
    case IR_OP_const:
        v->is_const = true;
        if (!x64_is_float(i->type)) {
            v->zbits = (uint8_t)const_zbits(bits_zext((uint64_t)i->imm, ir_bits(i->type)));
        }
        break;
    case IR_OP_getreg:
        break;
    case IR_OP_trunc: case IR_OP_zext: case IR_OP_sext: case IR_OP_fcanon: case IR_OP_param:
        v->rep = representative(g, i, ref, b);
        v->zbits = (uint8_t)zero_bits(g, i);
        break;
    default:
        v->zbits = (uint8_t)zero_bits(g, i);
        break;
    }
}

static void note_written(X64Gen *g, const IrInsn *i)
{
    if (i->op == IR_OP_setreg) {
        const IrInsn *v = x64_insn(g, g->val[i->arg[0]].rep);

        if (v->op != IR_OP_getreg || v->imm != i->imm) {
            g->written[i->imm / 64] |= UINT64_C(1) << i->imm % 64;
        }
    } else if (i->op == IR_OP_call && ir_effects(g->f, i) & (IR_STATE_W | IR_WORDS)) {
        g->written[0] = g->written[1] = UINT64_MAX;
    }
}

static void count_block(X64Gen *g, IrBlockId b, uint32_t *pos)
{
    const IrFunc *f = g->f;
    const IrInsn *insn = f->insn, *i;
    const IrEdge *edge;
    IrBlockId home = x64_home(g, b);
    uint32_t at = *pos;

    g->block[b].start = at;
    for (IrRef ref = f->block[b].first; ref; ref = i->next) {
        i = &insn[ref];
        at++;
        if (i->op == IR_OP_insn) {
            continue;
        }
        if (ir_op_info[i->op].result != IR_VOID) {
            define(g, i, ref, home);
            if (g->val[ref].rep != ref) {
                continue;
            }
        }
        note_written(g, i);
        for (unsigned k = 0; k < 3 && i->arg[k]; k++) {
            count_use(g, i->arg[k], home, i->op == IR_OP_setreg);
        }
    }
    *pos = at;
    g->block[b].end = at - 1;
    for (unsigned n = x64_successors(f, b, &edge); n-- > 0;) {
        for (uint32_t k = 0; k < edge[n].n_args && g->block[edge[n].block].n_preds > 1; k++) {
            count_use(g, f->edge_args[edge[n].first_arg + k], b, false);
        }
    }
}

void x64_pins_prepare(void)
{
    for (unsigned p = 0; p < X64_PINS; p++) {
        X64Val *v = &x64_pins.val[p];

        *v = blank;
        v->type = x64_pins.reg[p] < 16 ? IR_I64 : IR_F64;
        if (x64_pins.slot[p] != X64_SLOT_NONE) {
            v->reg = x64_pins.reg[p];
            v->n_pend = v->n_dirty = 1;
        }
    }
}

/* Those of the unit's start are in their registers already, those of a merge nowhere yet. */
static void define_pins(X64Gen *g, IrBlockId b)
{
    IrRef ref = x64_pin_ref(g, b, 0);
    X64Val *v = &g->val[ref];

    memcpy(v, x64_pins.val, sizeof(x64_pins.val));
    for (unsigned p = 0; p < X64_PINS; p++, v++) {
        v->rep = ref++;
        if (b) {
            v->reg = X64_NONE;
            v->n_pend = v->n_dirty = 0;
        }
    }
}

/* ---- The backward walk ---- */

/* The fcanon, fbox and sext that a setreg does lazily are no insns any more. */
static void fold_set(X64Gen *g, IrRef ref, IrRef leaf)
{
    for (IrRef r = g->val[ref].rep; r != leaf; r = g->val[x64_insn(g, r)->arg[0]].rep) {
        g->val[r].mode = X64_M_FOLD;
    }
}

/* A float for which no entry of a block provides */
static bool in_block_only(const X64Gen *g, IrRef ref)
{
    const X64Val *v = &g->val[ref];

    return x64_is_float(v->type) && !v->global && !v->is_const &&
           x64_insn(g, ref)->op != IR_OP_param;
}

static void push_use(X64Gen *g, IrRef ref, uint32_t pos, uint32_t *first_use)
{
    IrRef r = g->val[ref].rep;
    X64Val *v = &g->val[r];

    if (v->is_const && bits_fits_s(x64_insn(g, r)->imm, 32)) {
        return;
    }
    if (!v->uses && in_block_only(g, r)) {
        X64Block *block = &g->block[g->now];

        g->floats++;
        block->floats = block->floats > g->floats ? block->floats : g->floats;
    }
    g->use[++g->n_uses] = (X64Use){ pos, v->uses };
    v->uses = g->n_uses;
    if (v->global) {
        first_use[v->global] = pos;
    }
}

static void set_hint(X64Gen *g, IrRef ref, unsigned reg)
{
    X64Val *v = &g->val[g->val[ref].rep];

    if (v->hint == X64_NONE && (reg >= 16) == x64_is_float(v->type)) {
        v->hint = (uint8_t)reg;
    }
}

static void select_set(X64Gen *g, const IrInsn *i, uint32_t pos, uint32_t *first_use)
{
    uint8_t flags;
    IrRef leaf = x64_match_set(g, i->arg[0], &flags);
    X64Val *v = &g->val[leaf];

    fold_set(g, i->arg[0], leaf);
    push_use(g, leaf, pos, first_use);
    if (x64_pins.reg_of[i->imm] != X64_NONE && !(flags & X64_CALC)) {
        set_hint(g, leaf, x64_pins.reg_of[i->imm]);
    }
    v->fwd_slot = (uint8_t)i->imm;
    v->fwd_epoch = g->epoch;
}

static void push_addr(X64Gen *g, X64Addr a, uint32_t pos, uint32_t *first_use)
{
    if (a.base) {
        push_use(g, a.base, pos, first_use);
    }
    if (a.index) {
        push_use(g, a.index, pos, first_use);
    }
}

static void push_compare(X64Gen *g, const IrInsn *i, uint32_t pos, uint32_t *first_use)
{
    const IrInsn *t = x64_match_test(g, i);

    push_use(g, t->arg[0], pos, first_use);
    push_use(g, t->arg[1], pos, first_use);
}

static void push_cond(X64Gen *g, IrRef ref, uint32_t pos, uint32_t *first_use)
{
    bool negate, folded;
    IrRef r = x64_match_cond(g, ref, &negate, &folded);
    const IrInsn *i = x64_insn(g, r);

    if (folded) {
        push_compare(g, i, pos, first_use);
    } else {
        push_use(g, r, pos, first_use);
    }
}

static void push_args(X64Gen *g, const IrInsn *i, unsigned from, uint32_t pos, uint32_t *first_use)
{
    for (unsigned k = from; k < 3 && i->arg[k]; k++) {
        push_use(g, i->arg[k], pos, first_use);
    }
}

/* fma does the negations of its operands itself. */
static void push_negated(X64Gen *g, const IrInsn *i, uint32_t pos, uint32_t *first_use)
{
    for (unsigned k = 0; k < 3; k++) {
        bool negate;

        push_use(g, x64_match_neg(g, i->arg[k], &negate), pos, first_use);
    }
}

static void select_uses(X64Gen *g, const IrInsn *i, IrRef ref, uint32_t pos, uint32_t *first_use)
{
    switch (i->op) {
    case IR_OP_setreg:
        select_set(g, i, pos, first_use);
        break;
    case IR_OP_load: case IR_OP_store: case IR_OP_amo: case IR_OP_cas: case IR_OP_sthost:
        push_args(g, i, 1, pos, first_use);
        push_addr(g, x64_match_addr(g, i->arg[0], i->imm), pos, first_use);
        break;
    case IR_OP_add:
        if (i->type >= IR_I32) {
            push_addr(g, x64_match_lea(g, i), pos, first_use);
            break;
        }
        push_args(g, i, 0, pos, first_use);
        break;
    case IR_OP_refill:
        push_use(g, i->arg[0], pos, first_use);
        break;
    case IR_OP_eq: case IR_OP_ne:
        push_compare(g, i, pos, first_use);
        break;
    case IR_OP_brif: case IR_OP_trap_if:
        push_cond(g, i->arg[0], pos, first_use);
        break;
    case IR_OP_sel:
        push_args(g, i, 1, pos, first_use);
        push_cond(g, i->arg[0], pos, first_use);
        break;
    case IR_OP_fma:
        if (x64_fma_inline(i)) {
            push_negated(g, i, pos, first_use);
            break;
        }
        push_args(g, i, 0, pos, first_use);
        break;
    default:
        push_args(g, i, 0, pos, first_use);
        break;
    }
    /* A two-address op wants its first operand where its result shall be. */
    if (ref && g->val[ref].hint != X64_NONE && i->arg[0] && i->op != IR_OP_load) {
        set_hint(g, i->arg[0], g->val[ref].hint);
    }
}

/* May anything look at the state at an op of these effects, or does it read a slot? */
static bool looks_at_state(uint32_t effects)
{
    return effects & (IR_TRAPS | IR_CALL | IR_STATE_R | IR_TERM);
}

/* Is the value of `ref` computed where it stands? */
static bool select_result(X64Gen *g, IrRef ref, uint32_t effects)
{
    X64Val *v = &g->val[ref];

    if (v->rep != ref) {
        v->mode = X64_M_FOLD;
        return false;
    }
    if (v->mode == X64_M_EMIT && v->n_uses == 0 && (effects & IR_PURE)) {
        v->mode = X64_M_DEAD;
    }
    if (v->mode != X64_M_EMIT || x64_match_remainder(g, ref)) {
        return false;
    }
    if (v->fwd_epoch != g->epoch) {
        v->fwd_slot = X64_SLOT_NONE;
    }
    g->floats -= v->uses && in_block_only(g, ref);
    return true;
}

static void select_insn(X64Gen *g, const IrInsn *i, IrRef ref, uint32_t pos, uint32_t *first_use)
{
    const IrOpInfo *info = &ir_op_info[i->op];

    if (info->result == IR_VOID) {
        select_uses(g, i, 0, pos, first_use);
    } else if (select_result(g, ref, info->effects)) {
        select_uses(g, i, ref, pos, first_use);
    } else {
        return;
    }
    g->epoch += looks_at_state(info->effects);
}

static void select_block(X64Gen *g, IrBlockId b)
{
    const IrFunc *f = g->f;
    const IrInsn *insn = f->insn, *i;
    const IrEdge *edge;
    uint32_t pos = g->block[b].end;
    uint32_t *first_use = g->dist_in ? g->dist_in + (size_t)b * (g->n_globals + 1) : NULL;

    g->now = x64_home(g, b);
    g->floats = 0;
    g->epoch++;
    for (unsigned n = x64_successors(f, b, &edge); n-- > 0;) {
        for (uint32_t k = 0; k < edge[n].n_args && g->block[edge[n].block].n_preds > 1; k++) {
            push_use(g, f->edge_args[edge[n].first_arg + k], pos, first_use);
        }
    }
    for (IrRef ref = f->block[b].last; ref; ref = i->prev, pos--) {
        i = &insn[ref];
        if (i->op != IR_OP_insn && i->op != IR_OP_const) {
            g->user = ref;
            select_insn(g, i, ref, pos, first_use);
        }
    }
}

/* ---- Values that cross blocks ---- */

/* One step of the data flow for block b; false when nothing changed. */
static bool flow_block(X64Gen *g, IrBlockId b)
{
    size_t row = g->n_globals + 1;
    uint32_t *in = g->dist_in + b * row, *out = g->dist_out + b * row;
    uint32_t length = g->block[b].end + 1 - g->block[b].start;
    const IrEdge *edge;
    bool changed = false;

    for (unsigned n = x64_successors(g->f, b, &edge); n-- > 0;) {
        const X64Block *succ = &g->block[edge[n].block];
        const uint32_t *next = g->dist_in + edge[n].block * row;
        uint32_t far = succ->depth < g->block[b].depth ? X64_LOOP_FAR : 0;

        for (uint32_t k = 1; k < row; k++) {
            if (next[k] != X64_NEVER && next[k] + far < out[k]) {
                out[k] = next[k] + far;
                if (out[k] + length < in[k] && g->val[g->global[k]].block != b) {
                    in[k] = out[k] + length;
                }
                changed = true;
            }
        }
    }
    return changed;
}

static void flow(X64Gen *g)
{
    bool changed = true;

    for (uint32_t k = 0; k < g->n_order; k++) {
        IrBlockId b = g->order[k];
        uint32_t *in = g->dist_in + (size_t)b * (g->n_globals + 1);

        for (uint32_t v = 1; v <= g->n_globals; v++) {
            if (g->val[g->global[v]].block == b) {
                in[v] = X64_NEVER;
            } else if (in[v] != X64_NEVER) {
                in[v] -= g->block[b].start;
            }
        }
    }
    while (changed) {
        changed = false;
        for (uint32_t k = g->n_order; k-- > 0;) {
            changed |= flow_block(g, g->order[k]);
        }
    }
}

static bool new_distances(X64Gen *g)
{
    size_t n = (size_t)g->f->n_blocks * (g->n_globals + 1);

    if (g->chain) {
        return true;
    }
    if (n > 1u << 20) {
        return false;
    }
    g->dist_in = ARENA_RAW(g->arena, uint32_t, n);
    g->dist_out = ARENA_RAW(g->arena, uint32_t, n);
    memset(g->dist_in, 0xff, n * sizeof(uint32_t));
    memset(g->dist_out, 0xff, n * sizeof(uint32_t));
    return true;
}

bool x64_select(X64Gen *g)
{
    const IrFunc *f = g->f;
    uint32_t pos = 1;

    if (f->n_blocks >= UINT16_MAX || f->n_insns >= UINT16_MAX) {
        return false;
    }
    x64_find_order(g);
    g->n_vals = f->n_insns + (1 + g->n_merges) * X64_PINS;
    g->val = ARENA_RAW(g->arena, X64Val, g->n_vals);
    g->val[0] = (X64Val){ .rep = 0 };
    g->global = ARENA_RAW(g->arena, IrRef, g->chain ? 1 : f->n_insns);
    define_pins(g, 0);
    for (uint32_t k = 0; k < g->n_order; k++) {
        count_block(g, g->order[k], &pos);
        if (g->block[g->order[k]].n_preds > 1) {
            define_pins(g, g->order[k]);
        }
    }
    if (!new_distances(g)) {
        return false;
    }
    g->use = ARENA_RAW(g->arena, X64Use, 3 * f->n_insns + f->n_edge_args + 1);
    g->selecting = true;
    for (uint32_t k = g->n_order; k-- > 0;) {
        select_block(g, g->order[k]);
    }
    g->selecting = false;
    if (g->dist_in) {
        flow(g);
    }
    return true;
}
