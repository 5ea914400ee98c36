/* SPDX-License-Identifier: Apache-2.0 */
/*
 * translator/policy.h - what becomes a region, when, and how large: all its constants.
 *
 * The measurements behind them are in docs/decisions.md, "What becomes a region".
 */
#ifndef KETCH_TRANSLATOR_POLICY_H
#define KETCH_TRANSLATOR_POLICY_H

#include "translator/layout.h"
#include "translator/source.h"

enum {
    /* Bounds of a region. */
    REGION_BLOCKS = LAYOUT_BLOCKS,
    REGION_INSNS = SOURCE_INSNS,

    /* ... and of the time that one takes: IR insns and blocks that the passes look at, all together. A
     * unit of this work takes 25 to 40 ns, the backend's share included: 3 ms. What
     * would take longer, or is too big for the backend, is tried with half of the guest instructions;
     * when so few are too many, its start stays a unit for good. */
    REGION_WORK = 100000,
    REGION_SMALLEST = 16,

    LINE_UNITS = 2,       /* code without branches is worth one when it is so many units of tier 1 */

    /* A block is warm, and worth its place, when it was entered at least once for so many entries
     * of the hot one. */
    WARM_SHARE = 64,

    /* The counter of tier 1 runs out so often before the unit is hot; each time says which computed
     * jump led there. */
    SAMPLES = 16,

    /* A computed jump is compared with the targets that had at least one of so many samples; a call
     * with the small ones. */
    TARGET_SHARE = 2,
    CALLEE_SHARE = 8,

    /* A call is inlined when what is warm of the callee, calls in it not counted, has at most so
     * many instructions, and at most so deep; a function that calls itself so often in itself. */
    INLINE_INSNS = 64,
    INLINE_DEPTH = 4,
    INLINE_RECURSION = 1,
    INLINE_STARTS = 16, /* blocks of the callee that are looked at */

    /* A return is followed to behind a call of the function that returns, when that begins at most so
     * many bytes before both. */
    RECURSION_REACH = 4096,
};

#endif
