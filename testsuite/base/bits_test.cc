/* SPDX-License-Identifier: Apache-2.0 */
#include <gtest/gtest.h>

extern "C" {
#include "base/bits.h"
}

namespace
{

TEST(Bits, ZeroExtendsEveryWidth)
{
    EXPECT_EQ(0u, bits_zext(~UINT64_C(0), 0));
    EXPECT_EQ(1u, bits_zext(~UINT64_C(0), 1));
    EXPECT_EQ(0xffffffffu, bits_zext(~UINT64_C(0), 32));
    EXPECT_EQ(~UINT64_C(0), bits_zext(~UINT64_C(0), 64));
}

TEST(Bits, SignExtendsEveryWidth)
{
    EXPECT_EQ(0, bits_sext(~UINT64_C(0), 0));
    EXPECT_EQ(-1, bits_sext(1, 1));
    EXPECT_EQ(-2048, bits_sext(0x800, 12));
    EXPECT_EQ(2047, bits_sext(0xf7ff, 12));
    EXPECT_EQ(INT64_MIN, bits_sext(UINT64_C(1) << 63, 64));
}

TEST(Bits, GetsAField)
{
    EXPECT_EQ(0xbcu, bits_get(0xabcd, 4, 8));
    EXPECT_EQ(1u, bits_get(UINT64_C(1) << 63, 63, 1));
}

TEST(Bits, KnowsWhatFits)
{
    EXPECT_TRUE(bits_fits_s(-2048, 12));
    EXPECT_TRUE(bits_fits_s(2047, 12));
    EXPECT_FALSE(bits_fits_s(2048, 12));
    EXPECT_FALSE(bits_fits_s(-2049, 12));
    EXPECT_TRUE(bits_fits_s(INT64_MIN, 64));
}

TEST(Bits, Aligns)
{
    EXPECT_EQ(0x1000u, bits_align_down(0x1fff, 0x1000));
    EXPECT_EQ(0x2000u, bits_align_up(0x1001, 0x1000));
    EXPECT_EQ(0x1000u, bits_align_up(0x1000, 0x1000));
}

} // namespace
