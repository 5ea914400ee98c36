/* SPDX-License-Identifier: Apache-2.0 */
/*
 * ir/cfg.h - the control-flow graph of a function as passes look at it.
 *
 * A snapshot in the function's arena: it is void once edges or blocks change.
 */
#ifndef KETCH_IR_CFG_H
#define KETCH_IR_CFG_H

#include "ir/ir.h"

#define IR_NO_BLOCK UINT32_MAX

typedef struct IrCfg {
    uint32_t n_blocks;
    uint32_t n_order;     /* reachable blocks */
    IrBlockId *order;     /* in reverse postorder: the entry first */
    uint32_t *position;   /* of a block in order[]; IR_NO_BLOCK when it is unreachable */
    IrBlockId *idom;      /* immediate dominator; IR_NO_BLOCK for the entry and unreachable ones */
    uint32_t *first_pred; /* preds[first_pred[b], first_pred[b + 1]), reachable ones only */
    IrBlockId *preds;
} IrCfg;

IrCfg *ir_cfg(const IrFunc *f);

/* Edges that leave a block: 0, 1 or 2. */
static inline unsigned ir_n_succs(const IrFunc *f, IrBlockId block)
{
    const IrInsn *last = &f->insn[f->block[block].last];

    return last->op == IR_OP_brif ? 2 : last->op == IR_OP_br;
}

static inline IrEdge *ir_succ(const IrFunc *f, IrBlockId block, unsigned which)
{
    return ir_edge(f, &f->insn[f->block[block].last], which);
}

/* Blocks get new numbers: order[k] becomes k.  Blocks that are not named there go; no edge of those
 * that stay leads to one. */
void ir_keep_blocks(IrFunc *f, const IrBlockId *order, uint32_t n);

/* Every edge leads to a block with a greater number: no loops, and dominators come first. */
bool ir_only_forward_edges(const IrFunc *f);

/* Every path from the entry to `b` goes through `a`.  Both are reachable. */
bool ir_dominates(const IrCfg *cfg, IrBlockId a, IrBlockId b);

#endif
