/* SPDX-License-Identifier: Apache-2.0 */
/*
 * ir/opt/safepoints.c - one safepoint for each way around a loop is enough.
 *
 * Frontends put one at each backward jump.  With instrumentation a jump must not be left half done, and
 * they stand where it leads, at the start of a block.  There they show the registers of the iteration
 * before, which would have to be kept until then: they move to behind the jump, on its way to the block.
 * Not so behind a branch without float arithmetic: values of integers that only the guest's state needs are
 * not computed, but they would be for another block.
 *
 * Where every way to a safepoint has passed another one since it last came around any loop that it is
 * in, it goes.
 *
 * Preserved: no cycle, within the function or by way of other units, is without a safepoint: each jump
 * back has its own, and what has passed one that goes has passed another one.
 * Terminates: each safepoint moves once, and is looked at once.
 */
#include "ir/cfg.h"
#include "ir/opt/loops.h"
#include "ir/opt/opt.h"

/* ---- To the jumps ---- */

/* Does block `b` end at `pc` or behind it?  The entry has no guest instruction to come from. */
static bool jumps_back(const IrFunc *f, IrBlockId b, uint64_t pc)
{
    for (IrRef ref = f->block[b].last; ref; ref = f->insn[ref].prev) {
        if (f->insn[ref].op == IR_OP_insn) {
            return (uint64_t)f->insn[ref].imm >= pc;
        }
    }
    return f->block[b].n_preds > 0;
}

/* The safepoint that block `b` starts with, or 0. */
static IrRef safepoint_of(const IrFunc *f, IrBlockId b)
{
    IrRef ref = f->block[b].first;
    const IrInsn *i = &f->insn[ref];

    return b && i->op == IR_OP_safepoint && (uint64_t)i->imm == f->block[b].pc ? ref : 0;
}

/* A block on the edge, which ends with it. */
static IrBlockId split(IrFunc *f, IrBlockId from, unsigned which)
{
    IrEdge old = *ir_succ(f, from, which), *edge;
    IrBlockId between = ir_block_new(f, f->block[old.block].pc);
    uint32_t rest = ir_edge_new(f, old.block);
    uint32_t from_depth = f->block[from].depth, to_depth = f->block[old.block].depth;

    f->edge[rest] = old;
    f->block[between].depth = from_depth < to_depth ? from_depth : to_depth;
    f->block[old.block].n_preds--;
    f->block[between].n_preds++;
    edge = ir_succ(f, from, which);
    edge->block = between;
    edge->n_args = 0;
    ir_append(f, between, (IrInsn){ .op = IR_OP_br, .imm = rest });
    return between;
}

static bool has_floats(const IrFunc *f, IrBlockId b)
{
    IR_FOR_EACH (f, b, ref) {
        if (ir_op_info[f->insn[ref].op].effects & IR_FP) {
            return true;
        }
    }
    return false;
}

/* Safepoints for the jumps back at the end of `b`; first[]: the one that each block starts with. */
static void put_on_jumps(IrFunc *f, IrBlockId b, const IrRef *first)
{
    for (unsigned e = 0; e < ir_n_succs(f, b); e++) {
        IrBlockId to = ir_succ(f, b, e)->block, at;

        if (first[to] && jumps_back(f, b, f->block[to].pc)) {
            at = ir_n_succs(f, b) == 1 ? b : split(f, b, e);
            ir_insert_before(f, at, f->block[at].last, f->insn[first[to]]);
        }
    }
}

/* Those that the ends of `b` want to stay where they are do not move. */
static void keep_some(const IrFunc *f, IrBlockId b, IrRef *first)
{
    for (unsigned e = 0; e < ir_n_succs(f, b); e++) {
        IrBlockId to = ir_succ(f, b, e)->block;

        if (first[to] && ir_n_succs(f, b) > 1 && jumps_back(f, b, f->block[to].pc) && !has_floats(f, b)) {
            first[to] = 0;
        }
    }
}

/* False: there are none. */
static bool find_moving(const IrFunc *f, IrRef *first)
{
    bool found = false;

    for (IrBlockId b = 0; b < f->n_blocks; b++) {
        first[b] = safepoint_of(f, b);
    }
    for (IrBlockId b = 0; b < f->n_blocks; b++) {
        keep_some(f, b, first);
    }
    for (IrBlockId b = 0; b < f->n_blocks; b++) {
        found |= first[b] != 0;
    }
    return found;
}

static bool move_to_jumps(IrFunc *f)
{
    IrRef *first = ARENA_NEW(f->arena, IrRef, f->n_blocks);
    IrBlockId *order;
    uint32_t n_blocks = f->n_blocks, n = 0;

    if (!find_moving(f, first)) {
        return false;
    }
    order = ARENA_RAW(f->arena, IrBlockId, 3 * n_blocks);
    for (IrBlockId b = 0; b < n_blocks; b++) {
        uint32_t made = f->n_blocks;

        order[n++] = b;
        put_on_jumps(f, b, first);
        for (; made < f->n_blocks; made++) {
            order[n++] = made;
        }
    }
    for (IrBlockId b = 0; b < n_blocks; b++) {
        if (first[b]) {
            ir_remove(f, b, first[b]);
        }
    }
    ir_keep_blocks(f, order, n);
    return true;
}

/* ---- One for each way around ---- */

enum { KEPT = 32 }; /* safepoints that are remembered */

typedef struct Safepoints {
    const IrCfg *cfg;
    IrLoops loops;
    IrBlockId kept[KEPT]; /* their blocks */
    unsigned n;
} Safepoints;

/* Is block `q` passed in front of block `b`, and in every loop around `b`? */
static bool covers(const Safepoints *s, IrBlockId q, IrBlockId b)
{
    if (!ir_dominates(s->cfg, q, b)) {
        return false;
    }
    for (uint32_t k = 0; k < s->loops.n; k++) {
        if (s->loops.loop[k].has[b] && !s->loops.loop[k].has[q]) {
            return false;
        }
    }
    return true;
}

static bool is_covered(const Safepoints *s, IrBlockId b)
{
    for (unsigned k = 0; k < s->n; k++) {
        if (covers(s, s->kept[k], b)) {
            return true;
        }
    }
    return false;
}

/* Every cycle is a loop with a header. */
static bool is_reducible(const IrFunc *f, const IrCfg *cfg)
{
    for (uint32_t k = 0; k < cfg->n_order; k++) {
        for (unsigned e = 0; e < ir_n_succs(f, cfg->order[k]); e++) {
            IrBlockId to = ir_succ(f, cfg->order[k], e)->block;

            if (cfg->position[to] <= k && !ir_dominates(cfg, to, cfg->order[k])) {
                return false;
            }
        }
    }
    return true;
}

bool ir_opt_safepoints(IrFunc *f)
{
    Safepoints s = { .n = 0 };
    bool changed;

    if (f->n_blocks == 1) {
        return false;
    }
    changed = move_to_jumps(f);
    s.cfg = ir_cfg(f);
    if (!is_reducible(f, s.cfg)) {
        return changed;
    }
    s.loops = ir_loops(f, s.cfg);
    for (uint32_t k = 0; k < s.cfg->n_order; k++) {
        IrBlockId b = s.cfg->order[k];

        IR_FOR_EACH (f, b, ref) {
            if (f->insn[ref].op != IR_OP_safepoint) {
                continue;
            }
            if (is_covered(&s, b)) {
                ir_remove(f, b, ref);
                changed = true;
            } else if (s.n < KEPT) {
                s.kept[s.n++] = b;
            }
        }
    }
    return changed;
}
