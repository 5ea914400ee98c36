/* SPDX-License-Identifier: Apache-2.0 */
/* Pointer chasing through a random cycle that fits in the second-level cache. */
#include <stdio.h>

#include "kernel.h"

enum { N = 1 << 15 };

static void *cell[N];

int main(int argc, char **argv)
{
    static uint32_t order[N];
    long steps = kernel_amount(argc, argv, 150000000);
    uint32_t seed = 4711;
    void **p;

    for (uint32_t i = 0; i < N; i++) {
        order[i] = i;
    }
    for (uint32_t i = N - 1; i > 0; i--) {
        uint32_t j = kernel_random(&seed) % (i + 1), t = order[i];

        order[i] = order[j];
        order[j] = t;
    }
    for (uint32_t i = 0; i < N; i++) {
        cell[order[i]] = &cell[order[(i + 1) % N]];
    }
    p = &cell[0];
    for (long i = 0; i < steps; i++) {
        p = *p;
    }
    printf("%ld\n", (long)(p - cell));
    return 0;
}
