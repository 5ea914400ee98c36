/* SPDX-License-Identifier: Apache-2.0 */
/* What counts_test sees of a region: the translator's own headers are C. */
#ifndef KETCH_TESTSUITE_TRANSLATOR_COUNTS_H
#define KETCH_TESTSUITE_TRANSLATOR_COUNTS_H

#include <stdbool.h>
#include <stdint.h>

typedef struct RegionCount {
    unsigned guest; /* instructions */
    unsigned host;  /* instructions before the rarely taken paths */
    unsigned loop;  /* of these, in the blocks of loops */
    char text[1 << 16]; /* the host code, a line each; '*' marks those in loops */
} RegionCount;

/* The region that starts at `pc` as it would be made now, for a host of x86-64-v3; it is not run.
 * False: there is no disassembler here. */
bool count_region(uint64_t pc, RegionCount *out);

#endif
