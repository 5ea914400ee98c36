/* SPDX-License-Identifier: Apache-2.0 */
#include "backends/x86_64/gen.h"

#include "backends/x86_64/host.h"
#include "base/bits.h"

/*
 * Before emission: block order, use counts, liveness, use lists, folding.
 *
 * Folding must preserve: a folded insn is pure (or a comparison whose flags nobody can miss) and
 * has one user, in its block.  All of it is linear but the liveness of values that cross blocks,
 * which iterates until nothing changes; distances only shrink, so it ends.
 */

bool x64_const(const X64Gen *g, IrRef ref, uint64_t *v)
{
    const IrInsn *i = x64_insn(g, ref);
    IrRef rep = g->val[ref].rep;

    if (i->op != IR_OP_const) {
        if (rep == ref || !g->val[rep].is_const) {
            return false;
        }
        *v = bits_zext((uint64_t)g->f->insn[rep].imm, ir_bits(i->type));
        return true;
    }
    *v = bits_zext((uint64_t)i->imm, ir_bits(i->type));
    return true;
}

bool x64_imm32_of(const X64Gen *g, IrRef ref, int32_t *v)
{
    uint64_t c;
    int64_t s;

    if (!x64_const(g, ref, &c) || x64_is_float(x64_insn(g, ref)->type)) {
        return false;
    }
    s = bits_sext(c, ir_bits(x64_insn(g, ref)->type));
    if (s != (int32_t)s) {
        return false;
    }
    *v = (int32_t)s;
    return true;
}

static unsigned successors(const IrFunc *f, IrBlockId b, const IrEdge **edge)
{
    const IrInsn *last = &f->insn[f->block[b].last];

    if (last->op != IR_OP_br && last->op != IR_OP_brif) {
        return 0;
    }
    *edge = &f->edge[last->imm];
    return last->op == IR_OP_br ? 1 : 2;
}

/* ---- Order ---- */

/* Layout order will do when each block has a predecessor before it. */
static bool layout_order(X64Gen *g)
{
    const IrFunc *f = g->f;
    bool *seen = ARENA_NEW(g->arena, bool, f->n_blocks);

    seen[0] = true;
    for (IrBlockId b = 0; b < f->n_blocks; b++) {
        const IrEdge *edge;
        unsigned n;

        if (!seen[b]) {
            return false;
        }
        n = successors(f, b, &edge);
        for (unsigned k = 0; k < n; k++) {
            seen[edge[k].block] = true;
        }
        g->order[b] = b;
    }
    g->n_order = f->n_blocks;
    return true;
}

/* Reverse postorder, reachable blocks only. */
static void postorder(X64Gen *g)
{
    const IrFunc *f = g->f;
    bool *seen = ARENA_NEW(g->arena, bool, f->n_blocks);
    uint8_t *at = ARENA_NEW(g->arena, uint8_t, f->n_blocks);
    IrBlockId *stack = ARENA_NEW(g->arena, IrBlockId, f->n_blocks);
    uint32_t depth = 1, n = f->n_blocks;

    seen[0] = true;
    stack[0] = 0;
    while (depth) {
        IrBlockId b = stack[depth - 1];
        const IrEdge *edge;
        unsigned n_succ = successors(f, b, &edge);

        if (at[b] < n_succ) {
            IrBlockId s = edge[n_succ - 1 - at[b]++].block;

            if (!seen[s]) {
                seen[s] = true;
                stack[depth++] = s;
            }
        } else {
            g->order[--n] = b;
            depth--;
        }
    }
    g->n_order = f->n_blocks - n;
    memmove(g->order, g->order + n, g->n_order * sizeof(*g->order));
}

/* Depth from back edges when nobody has said it: each adds one to the blocks that it spans. */
static void loop_depths(X64Gen *g)
{
    const IrFunc *f = g->f;
    bool given = false;

    for (uint32_t k = 0; k < g->n_order; k++) {
        g->block[g->order[k]].depth = f->block[g->order[k]].depth;
        given |= f->block[g->order[k]].depth != 0;
    }
    for (uint32_t k = 0; k < g->n_order && !given; k++) {
        const IrEdge *edge;
        unsigned n = successors(f, g->order[k], &edge);

        for (unsigned s = 0; s < n; s++) {
            for (uint32_t j = g->block[edge[s].block].order; j <= k; j++) {
                g->block[g->order[j]].depth++;
            }
        }
    }
}

static void count_preds(X64Gen *g)
{
    const IrFunc *f = g->f;

    for (uint32_t k = 0; k < g->n_order; k++) {
        const IrEdge *edge;
        unsigned n = successors(f, g->order[k], &edge);

        for (unsigned s = 0; s < n; s++) {
            X64Block *to = &g->block[edge[s].block];

            to->pred = &edge[s];
            to->other = n == 2 ? edge[!s].block : 0;
            to->taken = s == 0;
            if (++to->n_preds == 2) {
                to->merge = ++g->n_merges;
            }
        }
    }
}

/* The way out of straight code: better not between its blocks.  A way back to a loop is hot. */
static bool is_side_exit(const X64Gen *g, IrBlockId b)
{
    const IrFunc *f = g->f;
    const X64Block *block = &g->block[b];
    const IrInsn *last = &f->insn[f->block[b].last];
    const IrInsn *other = &f->insn[f->block[block->other].last];
    bool leaves = last->op != IR_OP_br && last->op != IR_OP_brif;

    return leaves && block->n_preds == 1 && block->other &&
           !(last->op == IR_OP_exit && (last->aux & IR_EXIT_POLL)) &&
           (other->op == IR_OP_br || other->op == IR_OP_brif || block->taken);
}

/* Side exits go to the end. */
static void postpone_exits(X64Gen *g)
{
    IrBlockId *late = ARENA_NEW(g->arena, IrBlockId, g->n_order);
    uint32_t n = 0, n_late = 0;

    for (uint32_t k = 0; k < g->n_order; k++) {
        if (is_side_exit(g, g->order[k])) {
            late[n_late++] = g->order[k];
        } else {
            g->order[n++] = g->order[k];
        }
    }
    memcpy(g->order + n, late, n_late * sizeof(*late));
}

static void find_order(X64Gen *g)
{
    const IrFunc *f = g->f;

    g->order = ARENA_NEW(g->arena, IrBlockId, f->n_blocks);
    g->block = ARENA_NEW(g->arena, X64Block, f->n_blocks);
    if (!layout_order(g)) {
        postorder(g);
    }
    if (g->n_order == 1) {
        return;
    }
    count_preds(g);
    postpone_exits(g);
    for (uint32_t k = 0; k < g->n_order; k++) {
        g->block[g->order[k]].order = k;
    }
    for (uint32_t k = 0; k < g->n_order; k++) {
        const IrEdge *edge;
        unsigned n = successors(f, g->order[k], &edge);

        for (unsigned s = 0; s < n; s++) {
            g->block[edge[s].block].header |= g->block[edge[s].block].order <= k;
        }
    }
    loop_depths(g);
}

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
    case IR_OP_const:
        return x64_is_float(i->type) ? 64 : const_zbits(bits_zext((uint64_t)i->imm, bits));
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
    case IR_OP_param: case IR_OP_getreg: case IR_OP_call: case IR_OP_trunc:
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

static void count_use(X64Gen *g, IrRef ref, IrBlockId b, bool set)
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

static void define(X64Gen *g, const IrInsn *i, IrRef ref, IrBlockId b)
{
    X64Val *v = &g->val[ref];

    *v = (X64Val){ .rep = representative(g, i, ref, b), .next = X64_NEVER, .reg = X64_NONE,
                   .home = X64_SLOT_NONE, .hint = X64_NONE, .fwd_slot = X64_SLOT_NONE,
                   .block = (uint16_t)b, .type = i->type, .is_const = i->op == IR_OP_const };
    v->zbits = (uint8_t)zero_bits(g, i);
}

static void count_block(X64Gen *g, IrBlockId b, uint32_t *pos)
{
    const IrFunc *f = g->f;
    const IrEdge *edge;

    g->block[b].start = *pos;
    for (IrRef ref = f->block[b].first; ref; ref = f->insn[ref].next) {
        const IrInsn *i = &f->insn[ref];
        const IrOpInfo *info = &ir_op_info[i->op];

        ++*pos;
        if (info->result != IR_VOID) {
            define(g, i, ref, b);
            if (g->val[ref].rep != ref) {
                continue;
            }
        }
        for (unsigned k = 0; k < 3; k++) {
            if (i->arg[k]) {
                count_use(g, i->arg[k], b, i->op == IR_OP_setreg);
            }
        }
    }
    g->block[b].end = *pos - 1;
    for (unsigned n = successors(f, b, &edge); n-- > 0;) {
        for (uint32_t k = 0; k < edge[n].n_args && g->block[edge[n].block].n_preds > 1; k++) {
            count_use(g, f->edge_args[edge[n].first_arg + k], b, false);
        }
    }
}

static void define_pins(X64Gen *g, IrBlockId b)
{
    for (unsigned p = 0; p < X64_PINS; p++) {
        IrRef ref = x64_pin_ref(g, b, p);

        g->val[ref] = (X64Val){ .rep = ref, .next = X64_NEVER, .reg = X64_NONE,
                                .home = X64_SLOT_NONE, .hint = X64_NONE,
                                .fwd_slot = X64_SLOT_NONE, .zbits = 64,
                                .type = p < IR_PIN_GPRS ? IR_I64 : IR_F64 };
    }
}

/* ---- Folding ---- */

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

    if (x64_const(g, addr, &c) && disp_fits(disp, (int64_t)c)) {
        return (X64Addr){ .disp = disp + (int64_t)c };
    }
    if (bits_fits_s(disp, 32) && r < g->f->n_insns && i->op == IR_OP_add && i->type == IR_I64 &&
        x64_fold(g, r)) {
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
    if (lazy_sext(g, i, r)) {
        *flags = X64_SEXT;
        return g->val[i->arg[0]].rep;
    }
    return r;
}

/* The fcanon, fbox and sext that a setreg does lazily are no insns any more. */
static void fold_set(X64Gen *g, IrRef ref, IrRef leaf)
{
    for (IrRef r = g->val[ref].rep; r != leaf; r = g->val[x64_insn(g, r)->arg[0]].rep) {
        g->val[r].mode = X64_M_FOLD;
    }
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

/* ---- The backward walk ---- */

static void push_use(X64Gen *g, IrRef ref, uint32_t pos, uint32_t *first_use)
{
    IrRef r = g->val[ref].rep;
    X64Val *v = &g->val[r];

    if (v->is_const && bits_fits_s(x64_insn(g, r)->imm, 32)) {
        return;
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
    if (x64_pins.reg_of[i->imm] != X64_NONE) {
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

static void push_cond(X64Gen *g, IrRef ref, uint32_t pos, uint32_t *first_use)
{
    bool negate, folded;
    IrRef r = x64_match_cond(g, ref, &negate, &folded);
    const IrInsn *i = x64_insn(g, r);

    if (folded) {
        push_use(g, i->arg[0], pos, first_use);
        push_use(g, i->arg[1], pos, first_use);
    } else {
        push_use(g, r, pos, first_use);
    }
}

static void push_args(X64Gen *g, const IrInsn *i, unsigned from, uint32_t pos, uint32_t *first_use)
{
    for (unsigned k = from; k < 3; k++) {
        if (i->arg[k]) {
            push_use(g, i->arg[k], pos, first_use);
        }
    }
}

bool x64_fma_inline(const IrInsn *i)
{
    return i->aux == IR_RM_DYN && i->type != IR_F16 && x64_has(X64_F_fma);
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
    case IR_OP_load: case IR_OP_store: case IR_OP_amo: case IR_OP_cas:
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

/* May anything look at the state here, or does it read a slot? */
static bool looks_at_state(const IrInsn *i)
{
    return ir_op_info[i->op].effects & (IR_TRAPS | IR_CALL | IR_STATE_R | IR_TERM);
}

static void select_insn(X64Gen *g, const IrInsn *i, IrRef ref, uint32_t pos, uint32_t *first_use)
{
    uint32_t effects = ir_op_info[i->op].effects;
    bool result = ir_op_info[i->op].result != IR_VOID;
    X64Val *v = &g->val[ref];

    if (result && v->rep != ref) {
        v->mode = X64_M_FOLD;
        return;
    }
    if (result && (effects & IR_PURE) && v->mode == X64_M_EMIT && v->n_uses == 0) {
        v->mode = X64_M_DEAD;
    }
    if (result && v->mode != X64_M_EMIT) {
        return;
    }
    if (result && v->fwd_slot != X64_SLOT_NONE && v->fwd_epoch != g->epoch) {
        v->fwd_slot = X64_SLOT_NONE;
    }
    select_uses(g, i, result ? ref : 0, pos, first_use);
    g->epoch += looks_at_state(i);
}

static void select_block(X64Gen *g, IrBlockId b)
{
    const IrFunc *f = g->f;
    const IrEdge *edge;
    uint32_t pos = g->block[b].end;
    uint32_t *first_use = g->dist_in ? g->dist_in + (size_t)b * (g->n_globals + 1) : NULL;

    g->now = b;
    g->epoch++;
    for (unsigned n = successors(f, b, &edge); n-- > 0;) {
        for (uint32_t k = 0; k < edge[n].n_args && g->block[edge[n].block].n_preds > 1; k++) {
            push_use(g, f->edge_args[edge[n].first_arg + k], pos, first_use);
        }
    }
    for (IrRef ref = f->block[b].last; ref; ref = f->insn[ref].prev) {
        g->user = ref;
        select_insn(g, &f->insn[ref], ref, pos--, first_use);
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

    for (unsigned n = successors(g->f, b, &edge); n-- > 0;) {
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

    if (g->n_order == 1) {
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
    find_order(g);
    g->n_vals = f->n_insns + (1 + g->n_merges) * X64_PINS;
    g->val = ARENA_RAW(g->arena, X64Val, g->n_vals);
    g->val[0] = (X64Val){ .rep = 0 };
    g->global = ARENA_RAW(g->arena, IrRef, g->n_order > 1 ? f->n_insns : 1);
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
