/* SPDX-License-Identifier: Apache-2.0 */
/* Sieve of Eratosthenes over one byte a number. */
#include <stdio.h>
#include <string.h>

#include "kernel.h"

enum { LIMIT = 1 << 20 };

static uint8_t composite[LIMIT];

static __attribute__((noinline)) long sieve(void)
{
    long primes = 0;

    memset(composite, 0, sizeof(composite));
    for (long i = 2; i < LIMIT; i++) {
        if (!composite[i]) {
            primes++;
            for (long j = i * i; j < LIMIT; j += i) {
                composite[j] = 1;
            }
        }
    }
    return primes;
}

int main(int argc, char **argv)
{
    long total = 0;

    for (long r = kernel_amount(argc, argv, 200); r > 0; r--) {
        total += sieve();
    }
    printf("%ld\n", total);
    return 0;
}
