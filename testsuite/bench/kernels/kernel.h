/* SPDX-License-Identifier: Apache-2.0 */
/*
 * kernels/kernel.h - what every benchmark kernel shares.
 *
 * A kernel takes one argument, how much work to do (its own unit; the standard amount when it is
 * missing), and prints one line that depends on all of the work.
 */
#ifndef KETCH_BENCH_KERNEL_H
#define KETCH_BENCH_KERNEL_H

#include <stdint.h>
#include <stdlib.h>

static inline long kernel_amount(int argc, char **argv, long standard)
{
    return argc > 1 ? atol(argv[1]) : standard;
}

/* The next number of a fixed pseudo-random sequence (xorshift). */
static inline uint32_t kernel_random(uint32_t *state)
{
    *state ^= *state << 13;
    *state ^= *state >> 17;
    *state ^= *state << 5;
    return *state;
}

#endif
