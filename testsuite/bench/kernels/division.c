/* SPDX-License-Identifier: Apache-2.0 */
/* Dependent 64-bit and 32-bit divisions and remainders. */
#include <stdio.h>

#include "kernel.h"

int main(int argc, char **argv)
{
    long n = kernel_amount(argc, argv, 60000000);
    uint64_t x = 0x123456789abcdef1u, sum = 0;

    for (long i = 1; i <= n; i++) {
        uint64_t d = (uint64_t)i | 1;

        x = x / d * 2862933555777941757u + x % d + 3037000493u;
        sum += (uint32_t)x / ((uint32_t)d | 3u);
    }
    printf("%016lx\n", (unsigned long)(sum ^ x));
    return 0;
}
