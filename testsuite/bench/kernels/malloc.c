/* SPDX-License-Identifier: Apache-2.0 */
/* Many small allocations with mixed lifetimes. */
#include <stdio.h>
#include <string.h>

#include "kernel.h"

enum { SLOTS = 4096 };

int main(int argc, char **argv)
{
    static uint8_t *slot[SLOTS];
    long n = kernel_amount(argc, argv, 12000000);
    uint32_t seed = 99;
    uint64_t sum = 0;

    for (long i = 0; i < n; i++) {
        uint32_t r = kernel_random(&seed);
        uint8_t **s = &slot[r % SLOTS];
        size_t size = 16 + (r >> 12) % (r & 0x800 ? 2000 : 120);

        if (*s) {
            sum += **s;
            free(*s);
        }
        *s = malloc(size);
        (*s)[0] = (uint8_t)i;
        (*s)[size - 1] = (uint8_t)r;
    }
    printf("%lu\n", (unsigned long)sum);
    return 0;
}
