/* SPDX-License-Identifier: Apache-2.0 */
#include <gtest/gtest.h>

extern "C" {
#include "base/size.h"
}

TEST(Size, NumbersInAllSpellings)
{
    const struct {
        const char *text;
        uint64_t value;
    } rows[] = { { "0", 0 }, { "4096", 4096 }, { "0x10", 16 }, { "010", 8 }, { "64K", 65536 },
                 { "1m", 1 << 20 }, { "3G", 3ull << 30 }, { "2T", 2ull << 40 },
                 { "1.5k", 1536 }, { "1.9G", 2040109465 }, { "0.25T", 1ull << 38 },
                 { "18446744073709551615", UINT64_MAX } };

    for (auto &row : rows) {
        uint64_t value = 1;
        EXPECT_TRUE(size_parse(row.text, &value)) << row.text;
        EXPECT_EQ(row.value, value) << row.text;
    }
}

TEST(Size, AnythingElseIsRefusedAndLeavesTheValue)
{
    for (const char *text : { "", "K", "-1", " -1", "+1", " 1", "1KB", "1 K", "12q", "18446744073709551616", "99999999T",
                              "0x", "1e3", "1.5", "1.", "1.G", ".5G", "1.5.5G" }) {
        uint64_t value = 7;
        EXPECT_FALSE(size_parse(text, &value)) << text;
        EXPECT_EQ(7u, value) << text;
    }
}
