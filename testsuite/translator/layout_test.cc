/* SPDX-License-Identifier: Apache-2.0 */
#include <gtest/gtest.h>
#include <initializer_list>
#include <random>
#include <utility>
#include <vector>

extern "C" {
#include "translator/layout.h"
}

namespace
{

/* Blocks by their successors: { taken, next in memory }. */
Layout Make(std::initializer_list<std::pair<int, int>> blocks)
{
    Layout l = {};
    for (auto &[taken, next] : blocks) {
        l.block[l.n].succ[0] = taken;
        l.block[l.n].succ[1] = next;
        l.block[l.n].succ[2] = l.block[l.n].succ[3] = LAYOUT_NONE;
        l.n++;
    }
    layout_make(&l);
    return l;
}

std::vector<int> Order(const Layout &l)
{
    return std::vector<int>(l.order, l.order + l.n_order);
}

TEST(Layout, StraightLineFollowsMemory)
{
    Layout l = Make({ { -1, 2 }, { -1, -1 }, { -1, 1 } });
    EXPECT_EQ((std::vector<int>{ 0, 2, 1 }), Order(l));
    EXPECT_FALSE(l.loops);
}

TEST(Layout, JoinComesAfterBothSides)
{
    Layout l = Make({ { 2, 1 }, { 3, -1 }, { -1, 3 }, { -1, -1 } });
    EXPECT_EQ(3, l.order[3]);
    EXPECT_EQ(0b1001u, l.block[3].doms);
}

TEST(Layout, LoopStaysInOnePieceThoughItsExitComesFirst)
{
    /* 0 -> 1 (header): exit to 3, body 2 -> 1 */
    Layout l = Make({ { -1, 1 }, { 2, 3 }, { 1, -1 }, { -1, -1 } });
    EXPECT_EQ((std::vector<int>{ 0, 1, 2, 3 }), Order(l));
    EXPECT_TRUE(l.loops);
    EXPECT_EQ(0b0110u, l.block[1].body);
    EXPECT_EQ(1u, l.block[2].depth);
    EXPECT_EQ(0u, l.block[3].depth);
}

TEST(Layout, EntryMayBeALoopHeader)
{
    Layout l = Make({ { 0, 1 }, { -1, -1 } });
    EXPECT_EQ(1u, l.block[0].body);
    EXPECT_EQ(1u, l.block[0].depth);
}

TEST(Layout, NestedLoopsAddDepth)
{
    /* outer 1..4, inner 2..3 */
    Layout l = Make({ { -1, 1 }, { -1, 2 }, { -1, 3 }, { 2, 4 }, { 1, 5 }, { -1, -1 } });
    EXPECT_EQ((std::vector<int>{ 0, 1, 2, 3, 4, 5 }), Order(l));
    EXPECT_EQ(1u, l.block[1].depth);
    EXPECT_EQ(2u, l.block[2].depth);
    EXPECT_EQ(2u, l.block[3].depth);
    EXPECT_EQ(1u, l.block[4].depth);
}

TEST(Layout, LoopWithTwoEntriesIsCut)
{
    /* 0 -> 1 and 2, which jump to each other */
    Layout l = Make({ { 2, 1 }, { -1, 2 }, { 1, -1 } });
    int back = l.block[1].succ[1] == 2, forth = l.block[2].succ[0] == 1;
    EXPECT_EQ(1, back + forth);
    EXPECT_FALSE(l.loops);
    EXPECT_EQ(3, l.n_order);
}

TEST(Layout, UnreachedBlocksAreLeftOut)
{
    Layout l = Make({ { -1, -1 }, { 0, 1 } });
    EXPECT_EQ((std::vector<int>{ 0 }), Order(l));
}

TEST(Layout, RandomGraphsKeepTheRules)
{
    std::mt19937 random(7);

    for (int round = 0; round < 3000; round++) {
        Layout l = {};
        l.n = 1 + static_cast<int>(random() % LAYOUT_BLOCKS);
        for (int b = 0; b < l.n; b++) {
            for (int &s : l.block[b].succ) {
                s = random() % 4 ? static_cast<int>(random() % static_cast<unsigned>(l.n)) : -1;
            }
        }
        layout_make(&l);
        uint64_t placed = 0, reached = 0;
        for (int b = 0; b < l.n; b++) {
            reached |= static_cast<uint64_t>(l.block[b].reached) << b;
        }
        for (int k = 0; k < l.n_order; k++) {
            int b = l.order[k];
            uint64_t bit = UINT64_C(1) << b, body = l.block[b].body;
            ASSERT_EQ(0u, placed & bit) << "twice";
            ASSERT_EQ(0u, l.block[b].doms & ~bit & ~placed) << "before its dominator";
            placed |= bit;
            if (body) { /* the next blocks are exactly the loop's */
                uint64_t piece = 0;
                for (int n = 0; n < __builtin_popcountll(body); n++) {
                    ASSERT_LT(k + n, l.n_order);
                    piece |= UINT64_C(1) << l.order[k + n];
                }
                ASSERT_EQ(body, piece) << "loop in pieces, round " << round;
            }
            for (int s : l.block[b].succ) {
                ASSERT_TRUE(s < 0 || !(placed >> s & 1) || (l.block[b].doms >> s & 1))
                    << "goes back to a block that is not a dominator";
            }
        }
        ASSERT_EQ(reached, placed);
    }
}

} // namespace
