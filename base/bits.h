/* SPDX-License-Identifier: Apache-2.0 */
/*
 * base/bits.h - bit fields and extension of integers.  Pure functions, total:
 * a width of 0 gives 0, 64 gives the value itself.
 */
#ifndef KETCH_BASE_BITS_H
#define KETCH_BASE_BITS_H

#include <stdbool.h>
#include <stdint.h>

static inline uint64_t bits_zext(uint64_t v, unsigned width)
{
    return width >= 64 ? v : v & ((UINT64_C(1) << width) - 1);
}

static inline int64_t bits_sext(uint64_t v, unsigned width)
{
    return width == 0 ? 0 : (int64_t)(v << (64 - width)) >> (64 - width);
}

/* `width` bits of `v` from bit `lo` up. */
static inline uint64_t bits_get(uint64_t v, unsigned lo, unsigned width)
{
    return bits_zext(v >> lo, width);
}

static inline bool bits_fits_s(int64_t v, unsigned width)
{
    return bits_sext((uint64_t)v, width) == v;
}

static inline uint64_t bits_align_down(uint64_t v, uint64_t align)
{
    return v & ~(align - 1);
}

static inline uint64_t bits_align_up(uint64_t v, uint64_t align)
{
    return (v + align - 1) & ~(align - 1);
}

#endif
