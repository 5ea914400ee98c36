/* SPDX-License-Identifier: Apache-2.0 */
/*
 * translator/extent.h - which guest code a region takes in.
 *
 * A block is guest code up to a jump, in a *frame*: the region's own function, or one call inlined
 * into another frame.  The same code in two frames is two blocks, since it returns to two places.
 *
 * Under tr.lock; one extent at a time, in `extent`.
 */
#ifndef KETCH_TRANSLATOR_EXTENT_H
#define KETCH_TRANSLATOR_EXTENT_H

#include "translator/layout.h"
#include "translator/state.h"

typedef struct ExtPlace {
    uint64_t pc;
    int frame;
} ExtPlace;

typedef struct ExtBlock {
    ExtPlace at;
    uint32_t size; /* bytes */
    unsigned n_insns;
    /* Where it goes inside the region; [1] follows in memory. */
    ExtPlace target[LAYOUT_SUCCS];
    bool goes[LAYOUT_SUCCS];
    const TrBlock *seen; /* instrumentation: what the client was shown; else NULL */
    bool computed; /* ends with a computed jump: the targets are what is expected */
    IrBlockId ir; /* for the user of the extent */
} ExtBlock;

/* Frame 0 is the region's function, whose caller is not known. */
typedef struct ExtFrame {
    uint64_t callee;
    ExtPlace back; /* where it returns to */
    int depth;
} ExtFrame;

typedef struct Extent {
    ExtBlock block[LAYOUT_BLOCKS];
    int n;
    ExtFrame frame[LAYOUT_BLOCKS];
    int n_frames;
    unsigned n_insns, max_insns;
    bool ends_at_regions;
    uint32_t mode;
    TrPage page;
    Layout layout; /* of the same blocks */
} Extent;

extern Extent extent;

/* The region that starts at `pc`, of at most `max_insns` instructions.  Where it would be larger, and
 * has no loop, it ends where other regions begin: what runs through code that is larger than a region
 * comes back to the same ones.  False: there is no instruction to fetch at `pc` any more. */
MUST_USE bool extent_find(uint64_t pc, uint32_t mode, TrPage page, unsigned max_insns);

/* The block that block `from` goes to at `pc`; LAYOUT_NONE when that is outside. */
int extent_next(int from, uint64_t pc);

#endif
