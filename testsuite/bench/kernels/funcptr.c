/* SPDX-License-Identifier: Apache-2.0 */
/* Calls through a table of function pointers. */
#include <stdio.h>

#include "kernel.h"

typedef uint64_t Step(uint64_t);

#define STEP(name, expr)                                          static __attribute__((noinline)) uint64_t name(uint64_t x)     {                                                                 return expr;                                              }

STEP(rotate, x << 7 | x >> 57)
STEP(mix, (x ^ x >> 29) * 0xbf58476d1ce4e5b9u)
STEP(count, x + 0x9e3779b97f4a7c15u)
STEP(fold, x ^ x >> 31)
STEP(odd, x | 1)
STEP(triple, x + (x << 1))
STEP(invert, ~x)
STEP(swap, __builtin_bswap64(x))

static Step *volatile steps[8] = { rotate, mix, count, fold, odd, triple, invert, swap };

int main(int argc, char **argv)
{
    long n = kernel_amount(argc, argv, 60000000);
    uint64_t x = 1;

    for (long i = 0; i < n; i++) {
        x = steps[(i ^ i >> 3) & 7](x);
    }
    printf("%016lx\n", (unsigned long)x);
    return 0;
}
