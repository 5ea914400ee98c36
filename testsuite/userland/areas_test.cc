// SPDX-License-Identifier: Apache-2.0
// The map of areas against a plain table of pages.
#include <sys/mman.h>

#include <algorithm>
#include <map>
#include <random>
#include <vector>

#include <gtest/gtest.h>

extern "C" {
#include "userland/areas.h"
}

namespace {

constexpr uint64_t kPage = 4096;
constexpr uint64_t kPages = 400;
constexpr uint32_t kFlag = 1 << 29;

struct Page {
    int prot;
    uint16_t file;
    uint64_t offset;
    bool marked;
    bool operator==(const Page &o) const
    {
        return prot == o.prot && file == o.file && offset == o.offset && marked == o.marked;
    }
};

class Model {
  public:
    ~Model() { areas_free_all(&map_); }

    void Insert(uint64_t first, uint64_t n, int prot, uint16_t file)
    {
        Area a = {};
        a.start = first * kPage;
        a.end = (first + n) * kPage;
        a.prot = static_cast<uint8_t>(prot);
        a.file = file;
        a.flags = MAP_PRIVATE | (file ? 0 : MAP_ANONYMOUS);
        a.offset = file ? a.start : 0;
        ASSERT_TRUE(areas_reserve(&map_));
        areas_insert(&map_, &a);
        for (uint64_t p = first; p < first + n; p++) {
            pages_[p] = Page{prot, file, file ? p * kPage : 0, false};
        }
    }

    void Remove(uint64_t first, uint64_t n)
    {
        ASSERT_TRUE(areas_reserve(&map_));
        areas_remove(&map_, first * kPage, (first + n) * kPage);
        for (uint64_t p = first; p < first + n; p++) {
            pages_.erase(p);
        }
    }

    void Protect(uint64_t first, uint64_t n, int prot)
    {
        ASSERT_TRUE(areas_reserve(&map_));
        areas_protect(&map_, first * kPage, (first + n) * kPage, prot);
        for (uint64_t p = first; p < first + n; p++) {
            if (auto it = pages_.find(p); it != pages_.end()) {
                it->second.prot = prot;
            }
        }
    }

    void Mark(uint64_t first, uint64_t n)
    {
        ASSERT_TRUE(areas_reserve(&map_));
        areas_mark(&map_, first * kPage, (first + n) * kPage, kFlag);
        for (uint64_t p = first; p < first + n; p++) {
            if (auto it = pages_.find(p); it != pages_.end()) {
                it->second.marked = true;
            }
        }
    }

    void Check() const
    {
        for (uint64_t p = 0; p < kPages; p++) {
            const Area *a = areas_at(&map_, p * kPage + 7);
            auto it = pages_.find(p);

            ASSERT_EQ(a != nullptr, it != pages_.end()) << "page " << p;
            if (a) {
                Page got{a->prot, a->file,
                         a->file ? a->offset + (p * kPage - a->start) : 0,
                         (a->flags & kFlag) != 0};
                ASSERT_TRUE(got == it->second) << "page " << p;
            }
        }
        ASSERT_EQ(map_.total, pages_.size() * kPage);
        size_t count = 0;
        uint64_t end = 0;
        for (size_t c = 0; c < map_.n_chunks; c++) {
            ASSERT_GT(map_.chunk[c]->count, 0u);
            for (unsigned i = 0; i < map_.chunk[c]->count; i++, count++) {
                ASSERT_LE(end, map_.chunk[c]->area[i].start);
                end = map_.chunk[c]->area[i].end;
                ASSERT_LT(map_.chunk[c]->area[i].start, end);
            }
        }
        ASSERT_EQ(map_.count, count);
    }

    // The highest hole of n pages in [lo, hi), page by page.
    uint64_t Hole(uint64_t n, uint64_t lo, uint64_t hi) const
    {
        for (uint64_t at = hi - n; at >= lo && at <= hi; at--) {
            bool free = true;

            for (uint64_t p = at; p < at + n; p++) {
                free &= pages_.count(p) == 0;
            }
            if (free) {
                return at * kPage;
            }
        }
        return 0;
    }

    Areas *map() { return &map_; }

  private:
    Areas map_ = {};
    std::map<uint64_t, Page> pages_;
};

TEST(Areas, RandomChangesAgreeWithATableOfPages)
{
    std::mt19937 random(20261124);
    Model m;

    for (int i = 0; i < 3000; i++) {
        uint64_t first = 1 + random() % (kPages - 9), n = 1 + random() % (i % 2 ? 3 : 8);

        switch (random() % 5) {
        case 4:
            m.Mark(first, n);
            break;
        case 0:
            m.Remove(first, n);
            break;
        case 1:
            m.Protect(first, n, static_cast<int>(random() % 4));
            break;
        default:
            m.Insert(first, n, static_cast<int>(random() % 4),
                     static_cast<uint16_t>(random() % 3));
        }
        m.Check();
        // Mostly below the same end, so that what was seen before is used.
        for (int k = 0; k < 3; k++) {
            uint64_t want = 1 + random() % 6, lo = 1 + random() % 2;
            ASSERT_EQ(areas_hole(m.map(), want * kPage, lo * kPage, kPages * kPage),
                      m.Hole(want, lo, kPages));
        }
        if (random() % 16 == 0) {
            uint64_t want = 1 + random() % 6;
            ASSERT_EQ(areas_hole(m.map(), want * kPage, 20 * kPage, 40 * kPage),
                      m.Hole(want, 20, 40));
        }
    }
}

// A map with tens of thousands of areas, as programs with as many threads make them.
TEST(Areas, MappingsDownwardsStayCheap)
{
    constexpr uint64_t kCount = 200000, kTop = 4 * kCount * kPage;
    Areas map = {};

    for (uint64_t i = 0; i < kCount; i++) {
        uint64_t at = areas_hole(&map, 2 * kPage, kPage, kTop);
        Area a = {};

        ASSERT_EQ(at, kTop - 2 * (i + 1) * kPage);
        a.start = at;
        a.end = at + 2 * kPage;
        a.prot = i % 2;
        a.flags = MAP_PRIVATE | MAP_ANONYMOUS;
        ASSERT_TRUE(areas_reserve(&map));
        areas_insert(&map, &a);
    }
    EXPECT_EQ(map.count, kCount);
    areas_free_all(&map);
}

// Borders in any order, and away again: so many that there are many chunks.
TEST(Areas, ChangesInTheMiddleStayCheap)
{
    constexpr uint64_t kCount = 100000;
    std::mt19937 random(7);
    Areas map = {};
    Area all = {};

    all.start = kPage;
    all.end = (2 * kCount + 1) * kPage;
    all.prot = PROT_READ;
    all.flags = MAP_PRIVATE | MAP_ANONYMOUS;
    ASSERT_TRUE(areas_reserve(&map));
    areas_insert(&map, &all);
    std::vector<uint64_t> pages(kCount);
    for (uint64_t i = 0; i < kCount; i++) {
        pages[i] = 2 * i + 1;
    }
    for (int prot : {PROT_NONE, PROT_READ}) {
        std::shuffle(pages.begin(), pages.end(), random);
        for (uint64_t p : pages) {
            ASSERT_TRUE(areas_reserve(&map));
            areas_protect(&map, p * kPage, (p + 1) * kPage, prot);
        }
        EXPECT_EQ(map.count, prot == PROT_NONE ? 2 * kCount : 1);
    }
    EXPECT_EQ(map.n_chunks, 1u);
    EXPECT_EQ(map.total, 2 * kCount * kPage);
    areas_free_all(&map);
}

TEST(Areas, LikeNeighboursBecomeOne)
{
    Model m;

    m.Insert(2, 2, PROT_READ, 0);
    m.Insert(6, 2, PROT_READ, 0);
    m.Insert(4, 2, PROT_READ, 0);
    EXPECT_EQ(m.map()->count, 1u);
    m.Protect(4, 1, PROT_NONE);
    EXPECT_EQ(m.map()->count, 3u);
    m.Protect(4, 1, PROT_READ);
    EXPECT_EQ(m.map()->count, 1u);
}

TEST(Areas, FreeAndFull)
{
    Model m;

    m.Insert(2, 2, PROT_READ, 0);
    m.Insert(4, 2, PROT_NONE, 0);
    EXPECT_TRUE(areas_full(m.map(), 2 * kPage, 6 * kPage));
    EXPECT_FALSE(areas_full(m.map(), 1 * kPage, 6 * kPage));
    EXPECT_FALSE(areas_full(m.map(), 2 * kPage, 7 * kPage));
    EXPECT_TRUE(areas_free(m.map(), 0, 2 * kPage));
    EXPECT_FALSE(areas_free(m.map(), 0, 3 * kPage));
    EXPECT_TRUE(areas_free(m.map(), 6 * kPage, 9 * kPage));
}

TEST(Areas, CodeIsRememberedThroughSplitsAndMerges)
{
    Model m;

    m.Insert(2, 4, PROT_EXEC, 0);
    areas_at(m.map(), 2 * kPage)->has_code = true;
    m.Protect(3, 1, PROT_READ);
    EXPECT_TRUE(areas_have_code(m.map(), 5 * kPage, 6 * kPage));
    m.Remove(2, 4);
    EXPECT_FALSE(areas_have_code(m.map(), 0, 9 * kPage));
}

} // namespace
