/* SPDX-License-Identifier: Apache-2.0 */
/*
 * ir/opt/join.c - a block that only a jump leads to becomes the end of the block before it.
 *
 * What looks at one block at a time then sees more: folded addresses, values that only the guest's
 * state needs.
 *
 * Preserved: what is executed, and the pc of everything that may trap: what traps before its block's
 * first insn marker belongs to the block's pc, so such a block stays.
 * Terminates: each step takes a block away.
 */
#include "ir/cfg.h"
#include "ir/opt/opt.h"

/* Nothing in front of the first guest instruction can leave. */
static bool begins_insn(const IrFunc *f, IrBlockId b)
{
    IR_FOR_EACH (f, b, ref) {
        const IrInsn *i = &f->insn[ref];

        if (i->op == IR_OP_insn || i->op == IR_OP_br || i->op == IR_OP_brif) {
            return true;
        }
        if (!(i->op == IR_OP_getreg || i->op == IR_OP_setreg || ir_effects(f, i) & IR_PURE)) {
            return false;
        }
    }
    return false;
}

/* The block that can become the end of `b`, or `b`. */
static IrBlockId next_of(const IrFunc *f, IrBlockId b)
{
    const IrInsn *last = &f->insn[f->block[b].last];
    IrBlockId to = last->op == IR_OP_br ? ir_edge(f, last, 0)->block : b;

    return to != b && f->block[to].n_preds == 1 && !f->block[to].n_params && begins_insn(f, to)
               ? to
               : b;
}

static void append(IrFunc *f, IrBlockId b, IrBlockId next)
{
    IrBlock *block = &f->block[b], *end = &f->block[next];

    ir_remove(f, b, block->last);
    if (block->last) {
        f->insn[block->last].next = end->first;
        f->insn[end->first].prev = block->last;
    } else {
        block->first = end->first;
    }
    block->last = end->last;
    *end = (IrBlock){ 0 };
}

bool ir_opt_join(IrFunc *f)
{
    IrBlockId *order = ARENA_RAW(f->arena, IrBlockId, f->n_blocks);
    uint32_t n = 0;

    for (IrBlockId b = 0; b < f->n_blocks; b++) {
        IrBlockId next;

        while (f->block[b].first && (next = next_of(f, b)) != b) {
            append(f, b, next);
        }
    }
    for (IrBlockId b = 0; b < f->n_blocks; b++) {
        if (f->block[b].first) {
            order[n++] = b;
        }
    }
    if (n == f->n_blocks) {
        return false;
    }
    ir_keep_blocks(f, order, n);
    return true;
}
