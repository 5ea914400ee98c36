/* SPDX-License-Identifier: Apache-2.0 */
/* What the files of run_*_test share: how these tests were started, and a program that several run. */
#ifndef KETCH_TESTSUITE_TRANSLATOR_RUN_H
#define KETCH_TESTSUITE_TRANSLATOR_RUN_H

#include "testsuite/translator/machine.h"

inline TrTier tier = TR_TIER_jit;
inline bool checking, hot; /* hot: regions are made soon */
inline uint32_t work;      /* TrConfig.region_work */
inline uint32_t threshold; /* TrConfig.hot_threshold */

/* sum = 1 + ... + n in a0, n in a1. */
inline uint64_t sum_loop(Asm &c)
{
    uint64_t start = c.li(a0, 0);
    uint64_t loop = c.add(a0, a0, a1);
    c.addi(a1, a1, -1);
    c.bne(a1, zero, loop);
    c.ecall();
    return start;
}

#endif
