/* SPDX-License-Identifier: Apache-2.0 */
#include <cstdint>
#include <cstring>
#include <gtest/gtest.h>

extern "C" {
#include "base/arena.h"
}

namespace
{

class ArenaTest : public testing::Test
{
  protected:
    Arena *arena = arena_new(1 << 20);
    ~ArenaTest() override
    {
        arena_free(arena);
    }
};

TEST_F(ArenaTest, AlignsAndKeepsAllocationsApart)
{
    auto *a = static_cast<char *>(arena_alloc(arena, 1));
    auto *b = static_cast<char *>(arena_alloc(arena, 17));
    auto *c = static_cast<char *>(arena_alloc(arena, 0));

    EXPECT_EQ(0u, reinterpret_cast<uintptr_t>(a) % 16);
    EXPECT_EQ(0u, reinterpret_cast<uintptr_t>(b) % 16);
    EXPECT_GE(b, a + 1);
    EXPECT_GE(c, b + 17);
}

TEST_F(ArenaTest, MemoryIsZeroAgainAfterReset)
{
    size_t mark = arena_mark(arena);
    void *first = arena_alloc(arena, 4096);

    memset(first, 0xa5, 4096);
    arena_reset(arena, mark);
    auto *again = static_cast<unsigned char *>(arena_alloc(arena, 8192));
    ASSERT_EQ(first, again);
    for (int i = 0; i < 8192; i++) {
        ASSERT_EQ(0, again[i]) << "byte " << i;
    }
}

TEST_F(ArenaTest, ResetKeepsWhatWasAllocatedBeforeTheMark)
{
    char *kept = arena_printf(arena, "%d-%s", 42, "kept");
    size_t mark = arena_mark(arena);

    memset(arena_alloc(arena, 100), 1, 100);
    arena_reset(arena, mark);
    memset(arena_alloc(arena, 100), 2, 100);
    EXPECT_STREQ("42-kept", kept);
}

TEST_F(ArenaTest, OverflowAndForeignMarksAreOurBugs)
{
    EXPECT_DEATH(arena_alloc(arena, 2 << 20), "arena of 1048576 bytes is full");
    EXPECT_DEATH(arena_alloc(arena, SIZE_MAX - 8), "is full");
    EXPECT_DEATH(arena_reset(arena, 1 << 19), "mark is not of this arena");
}

} // namespace
