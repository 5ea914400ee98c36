/* SPDX-License-Identifier: Apache-2.0 */
/*
 * translator/layout.h - the control-flow graph of a region: dominators, loops, block order.
 *
 * At most 64 blocks, so that a set of blocks is one word.
 */
#ifndef KETCH_TRANSLATOR_LAYOUT_H
#define KETCH_TRANSLATOR_LAYOUT_H

#include <stdbool.h>
#include <stdint.h>

enum { LAYOUT_BLOCKS = 64, LAYOUT_SUCCS = 4, LAYOUT_NONE = -1 };

typedef struct LayoutBlock {
    /* Block numbers or LAYOUT_NONE; succ[1] is the one that follows in memory. */
    int succ[LAYOUT_SUCCS];

    uint64_t preds; /* set of blocks */
    uint64_t doms;  /* set of blocks that dominate it, itself included */
    uint64_t body;  /* when it is a loop header: the blocks of its loop; else 0 */
    unsigned depth; /* number of loops that it is in */
    bool reached;
} LayoutBlock;

typedef struct Layout {
    LayoutBlock block[LAYOUT_BLOCKS]; /* 0 is the entry */
    int n;
    int order[LAYOUT_BLOCKS]; /* the reached blocks: after their dominators, loops in one piece */
    int n_order;
    bool loops; /* there is a loop */
} Layout;

/* From n and succ[] of each block, everything else.  A jump back to a block that does not dominate
 * it (a loop with two entries) is cut: its succ becomes LAYOUT_NONE. */
void layout_make(Layout *l);

#endif
