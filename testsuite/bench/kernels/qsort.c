/* SPDX-License-Identifier: Apache-2.0 */
/* libc's qsort with a callback. */
#include <stdio.h>

#include "kernel.h"

enum { N = 100000 };

static int by_value(const void *a, const void *b)
{
    uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;

    return x < y ? -1 : x > y;
}

int main(int argc, char **argv)
{
    static uint32_t v[N];
    long rounds = kernel_amount(argc, argv, 40);
    uint32_t seed = 2463534242u;
    uint64_t sum = 0;

    for (long r = 0; r < rounds; r++) {
        for (int i = 0; i < N; i++) {
            v[i] = kernel_random(&seed);
        }
        qsort(v, N, sizeof(v[0]), by_value);
        for (int i = 0; i < N; i += 100) {
            sum = sum * 31 + v[i];
        }
    }
    printf("%016lx\n", (unsigned long)sum);
    return 0;
}
