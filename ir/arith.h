/* SPDX-License-Identifier: Apache-2.0 */
/*
 * ir/arith.h - the integer functions that the rows of ops.def name.
 *
 * Operands are zero-extended from `bits` (1 to 64); bits of a result above that are garbage.
 */
#ifndef KETCH_IR_ARITH_H
#define KETCH_IR_ARITH_H

#include <stdint.h>

#include "base/bits.h"

static inline uint64_t ir_mulhu(uint64_t a, uint64_t b, unsigned bits)
{
    return (uint64_t)((unsigned __int128)a * b >> bits);
}

static inline uint64_t ir_mulhs(uint64_t a, uint64_t b, unsigned bits)
{
    return (uint64_t)((__int128)bits_sext(a, bits) * bits_sext(b, bits) >> bits);
}

static inline uint64_t ir_mulhsu(uint64_t a, uint64_t b, unsigned bits)
{
    return (uint64_t)((__int128)bits_sext(a, bits) * (__int128)b >> bits);
}

static inline uint64_t ir_div(uint64_t a, uint64_t b, unsigned bits)
{
    int64_t x = bits_sext(a, bits), y = bits_sext(b, bits);

    if (y == 0) {
        return ~UINT64_C(0);
    }
    return y == -1 ? -(uint64_t)x : (uint64_t)(x / y);
}

static inline uint64_t ir_rem(uint64_t a, uint64_t b, unsigned bits)
{
    int64_t x = bits_sext(a, bits), y = bits_sext(b, bits);

    if (y == 0) {
        return a;
    }
    return y == -1 ? 0 : (uint64_t)(x % y);
}

static inline uint64_t ir_rotl(uint64_t a, uint64_t b, unsigned bits)
{
    unsigned n = (unsigned)b & (bits - 1);

    return n == 0 ? a : a << n | a >> (bits - n);
}

static inline uint64_t ir_clz(uint64_t a, unsigned bits)
{
    return a ? (uint64_t)__builtin_clzll(a) - (64 - bits) : bits;
}

static inline uint64_t ir_ctz(uint64_t a, unsigned bits)
{
    return a ? (uint64_t)__builtin_ctzll(a) : bits;
}

static inline uint64_t ir_bswap(uint64_t a, unsigned bits)
{
    return bits < 8 ? a : __builtin_bswap64(a) >> (64 - bits);
}

static inline uint64_t ir_clmul(uint64_t a, uint64_t b)
{
    uint64_t r = 0;

    for (; b; b &= b - 1) {
        r ^= a << __builtin_ctzll(b);
    }
    return r;
}

static inline uint64_t ir_clmulh(uint64_t a, uint64_t b)
{
    uint64_t r = 0;

    for (b &= ~UINT64_C(1); b; b &= b - 1) {
        r ^= a >> (64 - __builtin_ctzll(b));
    }
    return r;
}

#endif
