/* SPDX-License-Identifier: Apache-2.0 */
/* SHA-256 of a buffer, from FIPS 180-4. */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "kernel.h"

static uint32_t k[64];
static uint32_t h[8];

/* The first 32 bits of the fractional part of x. */
static uint32_t fraction(long double x)
{
    return (uint32_t)((x - floorl(x)) * 4294967296.0L);
}

/* "SHA-256 Constants": roots of the first primes. */
static void constants(void)
{
    int found = 0;

    for (int n = 2; found < 64; n++) {
        int prime = 1;

        for (int d = 2; d * d <= n; d++) {
            prime &= n % d != 0;
        }
        if (prime) {
            if (found < 8) {
                h[found] = fraction(sqrtl(n));
            }
            k[found++] = fraction(cbrtl(n));
        }
    }
}

static inline uint32_t rotr(uint32_t x, int n)
{
    return x >> n | x << (32 - n);
}

static __attribute__((noinline)) void block(const uint8_t *p)
{
    uint32_t w[64], s[8];

    for (int i = 0; i < 16; i++) {
        w[i] = (uint32_t)p[4 * i] << 24 | (uint32_t)p[4 * i + 1] << 16 |
               (uint32_t)p[4 * i + 2] << 8 | p[4 * i + 3];
    }
    for (int i = 16; i < 64; i++) {
        uint32_t a = w[i - 15], b = w[i - 2];

        w[i] = w[i - 16] + (rotr(a, 7) ^ rotr(a, 18) ^ a >> 3) + w[i - 7] +
               (rotr(b, 17) ^ rotr(b, 19) ^ b >> 10);
    }
    memcpy(s, h, sizeof(s));
    for (int i = 0; i < 64; i++) {
        uint32_t t1 = s[7] + (rotr(s[4], 6) ^ rotr(s[4], 11) ^ rotr(s[4], 25)) +
                      ((s[4] & s[5]) ^ (~s[4] & s[6])) + k[i] + w[i];
        uint32_t t2 = (rotr(s[0], 2) ^ rotr(s[0], 13) ^ rotr(s[0], 22)) +
                      ((s[0] & s[1]) ^ (s[0] & s[2]) ^ (s[1] & s[2]));

        s[7] = s[6], s[6] = s[5], s[5] = s[4], s[4] = s[3] + t1;
        s[3] = s[2], s[2] = s[1], s[1] = s[0], s[0] = t1 + t2;
    }
    for (int i = 0; i < 8; i++) {
        h[i] += s[i];
    }
}

int main(int argc, char **argv)
{
    static uint8_t data[1 << 16];
    long rounds = kernel_amount(argc, argv, 2400);

    constants();
    for (size_t i = 0; i < sizeof(data); i++) {
        data[i] = (uint8_t)(i * 7 + (i >> 8));
    }
    for (long r = 0; r < rounds; r++) {
        for (size_t i = 0; i < sizeof(data); i += 64) {
            block(data + i);
        }
    }
    for (int i = 0; i < 8; i++) {
        printf("%08x", h[i]);
    }
    printf("\n");
    return 0;
}
