/* SPDX-License-Identifier: Apache-2.0 */
#include <random>

#include "testsuite/devices/virtio/driver.h"

extern "C" {
#include "devices/virtio/ring.h"
}

using namespace virtio_test;

namespace
{

struct Format {
    bool packed, event;
};

class Rings : public testing::TestWithParam<Format>
{
  protected:
    void start(uint16_t size)
    {
        q = make_queue(ram, GetParam().packed, size, GetParam().event);
        layout = { q->desc, q->driver, q->device, size, GetParam().packed, true, GetParam().event };
        ASSERT_TRUE(ring_setup(&ring, ram.mem, &layout));
        q->ask_signal(true);
    }

    GuestRam ram;
    std::unique_ptr<DriverQueue> q;
    RingLayout layout;
    Ring ring;
    RingChain chain;
};

TEST_P(Rings, AChainHasItsPartsInOrder)
{
    start(8);
    uint64_t a = ram.text("abc"), b = ram.text("defgh"), in = ram.alloc(16);
    for (bool indirect : { false, true }) {
        uint16_t id = q->add({ { a, 3 }, { b, 5 } }, { { in, 4 }, { in + 4, 12 } }, indirect);
        char text[9] = {};

        ASSERT_EQ(ring_pop(&ring, &chain), RING_chain);
        EXPECT_EQ(chain.n_out, 2u);
        EXPECT_EQ(chain.n_in, 2u);
        EXPECT_EQ(chain.in_size, 16u);
        EXPECT_TRUE(chain_read(&chain, 0, text, 8));
        EXPECT_STREQ(text, "abcdefgh");
        EXPECT_TRUE(chain_read(&chain, 2, text, 3));
        EXPECT_STREQ(text, "cdedefgh");
        EXPECT_FALSE(chain_read(&chain, 6, text, 3));
        EXPECT_TRUE(chain_write(&chain, 2, "wxyz", 4));
        EXPECT_FALSE(chain_write(&chain, 13, "wxyz", 4));
        EXPECT_EQ(memcmp(ram.at(in + 2), "wxyz", 4), 0);
        EXPECT_FALSE(q->take());
        ring_push(&ring, &chain, 6);
        auto used = q->take();
        ASSERT_TRUE(used);
        EXPECT_EQ(used->id, id);
        EXPECT_EQ(used->written, 6u);
        EXPECT_EQ(ring_pop(&ring, &chain), RING_empty);
    }
}

TEST_P(Rings, ManyRoundsInAnyOrder)
{
    std::mt19937 random(1);
    uint64_t data = ram.alloc(64);
    start(16);
    std::vector<RingChain> held;
    unsigned given = 0, back = 0;

    for (int round = 0; round < 20000; round++) {
        /* Three descriptors at most for each of five. */
        if (random() % 2 && given - back < 5) {
            bool indirect = random() % 3 == 0;
            q->add({ { data, 8 }, { data + 8, 8 } }, { { data + 16, 8 } }, indirect);
            given++;
        }
        if (random() % 2 && ring_pop(&ring, &chain) == RING_chain) {
            ASSERT_EQ(chain.out_size, 16u);
            held.push_back(chain);
        }
        if (random() % 4 == 0 && !held.empty()) {
            size_t i = random() % held.size();
            ring_push(&ring, &held[i], (uint32_t)(random() % 9));
            held.erase(held.begin() + (long)i);
        }
        if (q->take()) {
            back++;
        }
        ASSERT_EQ(ring_broken(&ring), nullptr);
    }
    EXPECT_GT(back, 4000u);
}

TEST_P(Rings, UnpopGivesTheSameChainAgain)
{
    uint64_t data = ram.alloc(64);
    start(4);
    for (int i = 0; i < 50; i++) {
        uint16_t id = q->add({ { data, 8 } }, { { data + 16, 8 } });

        ASSERT_EQ(ring_pop(&ring, &chain), RING_chain);
        ring_unpop(&ring, &chain);
        ASSERT_EQ(ring_pop(&ring, &chain), RING_chain);
        EXPECT_EQ(chain.id, id);
        EXPECT_EQ(ring_pop(&ring, &chain), RING_empty);
        ASSERT_EQ(chain.id, id);
        chain.slots = GetParam().packed ? 2 : 1;
        chain.in_size = 8;
        ring_push(&ring, &chain, 0);
        ASSERT_TRUE(q->take());
    }
}

/* No chain is ever left without one side having been told. */
TEST_P(Rings, NobodyIsForgotten)
{
    std::mt19937 random(2);
    uint64_t data = ram.alloc(64);
    start(8);
    bool signal = false, kick = false, driver_sleeps = true, device_sleeps = true;
    unsigned in_queue = 0, given_back = 0, done = 0;

    ASSERT_FALSE(ring_ask_doorbell(&ring, true));
    for (int round = 0; round < 50000; round++) {
        if (random() % 2) { /* the driver */
            if (signal || !driver_sleeps) {
                signal = false;
                driver_sleeps = false;
                q->ask_signal(false);
                while (q->take()) {
                    given_back--;
                    done++;
                }
                if (random() % 2) {
                    q->ask_signal(true);
                    driver_sleeps = true;
                }
            }
            if (in_queue + given_back < 6 && random() % 2) {
                q->add({ { data, 4 } }, {});
                in_queue++;
                kick |= q->must_kick();
            }
        } else { /* the device */
            if (kick || !device_sleeps) {
                kick = false;
                device_sleeps = false;
                ring_ask_doorbell(&ring, false);
                while (random() % 4 && ring_pop(&ring, &chain) == RING_chain) {
                    ring_push(&ring, &chain, 0);
                    in_queue--;
                    given_back++;
                }
                signal |= ring_must_signal(&ring);
                device_sleeps = !ring_ask_doorbell(&ring, true);
            }
        }
        ASSERT_FALSE(device_sleeps && in_queue && !kick) << round;
        ASSERT_FALSE(driver_sleeps && given_back && !signal) << round;
    }
    EXPECT_GT(done, 5000u);
}

/* "If VIRTIO_F_EVENT_IDX is negotiated, the device MUST set flags to 0." */
TEST_P(Rings, FlagsAreZeroWhenThereAreEventIndexes)
{
    start(8);
    if (GetParam().packed || !GetParam().event) {
        GTEST_SKIP() << "only split rings have these";
    }
    ram.put<uint16_t>(q->device, 0xffff);
    ASSERT_TRUE(ring_setup(&ring, ram.mem, &layout));
    EXPECT_EQ(0, ram.get<uint16_t>(q->device));
}

TEST_P(Rings, SuppressedSignalsAreNotSent)
{
    uint64_t data = ram.alloc(64);
    start(8);
    q->ask_signal(false);
    q->add({ { data, 4 } }, {});
    ASSERT_EQ(ring_pop(&ring, &chain), RING_chain);
    ring_push(&ring, &chain, 0);
    EXPECT_FALSE(ring_must_signal(&ring));
    ASSERT_TRUE(q->take());
    q->ask_signal(true);
    EXPECT_FALSE(ring_must_signal(&ring)) << "nothing new";
    q->add({ { data, 4 } }, {});
    ASSERT_EQ(ring_pop(&ring, &chain), RING_chain);
    ring_push(&ring, &chain, 0);
    EXPECT_TRUE(ring_must_signal(&ring));
}

TEST_P(Rings, ResumeGoesOnWhereItWas)
{
    uint64_t data = ram.alloc(64);
    start(4);
    for (int i = 0; i < 11; i++) {
        Ring other;

        q->add({ { data, 4 } }, {});
        ASSERT_TRUE(ring_setup(&other, ram.mem, &layout));
        ASSERT_TRUE(ring_resume(&other, &ring.state));
        ring = other;
        ASSERT_EQ(ring_pop(&ring, &chain), RING_chain);
        ring_push(&ring, &chain, 0);
        ASSERT_TRUE(q->take());
    }
}

void expect_broken(Ring *ring, RingChain *chain, const char *why)
{
    EXPECT_EQ(ring_pop(ring, chain), RING_broken);
    ASSERT_NE(ring_broken(ring), nullptr);
    EXPECT_STREQ(ring_broken(ring), why);
    EXPECT_EQ(ring_pop(ring, chain), RING_broken) << "it stays broken";
    EXPECT_FALSE(ring_must_signal(ring));
    EXPECT_FALSE(ring_ask_doorbell(ring, true));
}

TEST_P(Rings, RulesThatDriversBreak)
{
    uint64_t data = ram.alloc(64);

    start(8);
    q->add({ { 0x1000, 8 } }, {});
    expect_broken(&ring, &chain, "part is not in RAM");
    start(8);
    q->add({ { kRam + kRamSize - 4, 8 } }, {});
    expect_broken(&ring, &chain, "part is not in RAM");
    start(8);
    q->add({ { UINT64_MAX - 3, 8 } }, {});
    expect_broken(&ring, &chain, "part is not in RAM");
    start(8);
    q->add({}, { { data, 8 } });
    q->add({ { data, 8 } }, {});
    ram.put<uint16_t>(q->desc + (GetParam().packed ? 14 : 12),
                      ram.get<uint16_t>(q->desc + (GetParam().packed ? 14 : 12)) | kNext);
    ram.put<uint16_t>(q->desc + 14, GetParam().packed ? ram.get<uint16_t>(q->desc + 14) : 1);
    expect_broken(&ring, &chain, "readable part behind a writable one");
    start(8);
    q->add({ { data, 8 } }, {}, true);
    ram.put<uint32_t>(q->desc + 8, 17);
    expect_broken(&ring, &chain, "indirect table is not valid");
    start(8);
    q->add({ { data, 8 } }, {}, true);
    ring.layout.indirect = false;
    expect_broken(&ring, &chain, "indirect descriptor where none may be");
}

TEST_P(Rings, BadQueuesAreRefused)
{
    start(8);
    for (auto change : std::vector<void (*)(RingLayout &)>{
             [](RingLayout &l) { l.size = 0; },
             [](RingLayout &l) { l.size = RING_MAX + 1; },
             [](RingLayout &l) { l.desc += 8; },
             [](RingLayout &l) { l.device += 2; },
             [](RingLayout &l) { l.driver += 1; },
             [](RingLayout &l) { l.desc = 0; },
             [](RingLayout &l) { l.desc = kRam + kRamSize - 64; },
             [](RingLayout &l) { l.device = UINT64_MAX - 15; },
         }) {
        RingLayout bad = layout;

        change(bad);
        EXPECT_FALSE(ring_setup(&ring, ram.mem, &bad));
        EXPECT_NE(ring_broken(&ring), nullptr);
        EXPECT_EQ(ring_pop(&ring, &chain), RING_broken);
    }
    layout.size = 6;
    EXPECT_EQ(ring_setup(&ring, ram.mem, &layout), GetParam().packed);
}

/* Rings of random words, changed all the time: no report of a sanitizer, no endless loop. */
TEST_P(Rings, RandomRings)
{
    std::mt19937_64 random(3);
    uint64_t results[3] = {};

    for (int i = 0; i < 20000; i++) {
        ram.next = kRam + 0x1000;
        start(1 << random() % 6);
        uint64_t end = ram.next;
        for (uint64_t at = q->desc; at + 8 <= end; at += 8) {
            uint64_t word = random();
            uint64_t small = kRam + 0x1000 + random() % 0x2000;

            /* Mostly what gets far: addresses in RAM, short lengths, few flags. */
            if (random() % 8) {
                word = at % 16 ? random() % 64 | (random() & UINT64_C(0x8087000700070000)) << 0
                               : small;
            }
            ram.put<uint64_t>(at, word);
        }
        ram.put<uint16_t>(q->driver + 2, (uint16_t)(random() % 4));
        for (int n = 0; n < 8; n++) {
            RingResult r = ring_pop(&ring, &chain);

            results[r]++;
            if (r != RING_chain) {
                break;
            }
            uint8_t byte = 1;
            if (chain.out_size) {
                EXPECT_TRUE(chain_read(&chain, chain.out_size - 1, &byte, 1));
            }
            if (chain.in_size) {
                EXPECT_TRUE(chain_write(&chain, chain.in_size - 1, &byte, 1));
            }
            ring_push(&ring, &chain, (uint32_t)chain.in_size);
            ring_must_signal(&ring);
            ring_ask_doorbell(&ring, random() % 2);
        }
    }
    for (uint64_t n : results) {
        EXPECT_GT(n, 100u);
    }
}

INSTANTIATE_TEST_SUITE_P(Formats, Rings,
                         testing::Values(Format{ false, false }, Format{ false, true },
                                         Format{ true, false }, Format{ true, true }),
                         [](const auto &p) {
                             return std::string(p.param.packed ? "packed" : "split") +
                                    (p.param.event ? "_event" : "");
                         });

/* "Indirect Descriptors": a table may be the end of a chain, and WRITE of the descriptor that leads to it
 * means nothing. */
TEST(SplitRing, PlainDescriptorsMayLeadToATable)
{
    GuestRam ram;
    SplitDriver q(ram, 4, false);
    RingLayout layout = { q.desc, q.driver, q.device, 4, false, true, false };
    uint64_t data = ram.alloc(64), table = ram.alloc(32, 16);
    Ring ring;
    RingChain chain;

    ASSERT_TRUE(ring_setup(&ring, ram.mem, &layout));
    q.add({ { data, 8 }, { table, 32 } }, {}, false);
    ram.put<uint16_t>(q.desc + 16 + 12, kIndirect | kWrite);
    ram.put<uint64_t>(table, data + 8);
    ram.put<uint32_t>(table + 8, 4);
    ram.put<uint16_t>(table + 12, kNext);
    ram.put<uint16_t>(table + 14, 1);
    ram.put<uint64_t>(table + 16, data + 16);
    ram.put<uint32_t>(table + 24, 16);
    ram.put<uint16_t>(table + 28, kWrite);
    ASSERT_EQ(RING_chain, ring_pop(&ring, &chain));
    EXPECT_EQ(2u, chain.n_out);
    EXPECT_EQ(1u, chain.n_in);
    EXPECT_EQ(12u, chain.out_size);
    EXPECT_EQ(16u, chain.in_size);
    EXPECT_EQ(ram.at(data + 16), chain.part[2].iov_base);
}

/* "Packed Virtqueues", indirect descriptors: of their flags only WRITE counts, they have no buffer id, and
 * all of the table is used in its order. */
TEST(PackedRing, FlagsOfATableMeanNothingButWrite)
{
    GuestRam ram;
    PackedDriver q(ram, 4, false);
    RingLayout layout = { q.desc, q.driver, q.device, 4, true, true, false };
    uint64_t data = ram.alloc(64);
    Ring ring;
    RingChain chain;

    ASSERT_TRUE(ring_setup(&ring, ram.mem, &layout));
    uint16_t id = q.add({ { data, 8 }, { data + 8, 4 } }, { { data + 16, 16 } }, true);
    uint64_t table = ram.get<uint64_t>(q.desc);
    ram.put<uint16_t>(q.desc + 14, ram.get<uint16_t>(q.desc + 14) | kWrite);
    for (unsigned i = 0; i < 3; i++) {
        ram.put<uint16_t>(table + 16 * i + 12, 0xffff); /* a buffer id */
        uint16_t others = i == 1 ? kAvail : kNext | kAvail | kUsed;
        ram.put<uint16_t>(table + 16 * i + 14, others | (i == 2 ? kWrite : 0));
    }
    ASSERT_EQ(RING_chain, ring_pop(&ring, &chain));
    EXPECT_EQ(2u, chain.n_out);
    EXPECT_EQ(1u, chain.n_in);
    EXPECT_EQ(12u, chain.out_size);
    ring_push(&ring, &chain, 5);
    auto used = q.take();
    ASSERT_TRUE(used);
    EXPECT_EQ(id, used->id);
    EXPECT_EQ(5u, used->written);
}

TEST(SplitRing, LoopsAndIndexes)
{
    GuestRam ram;
    SplitDriver q(ram, 4, false);
    RingLayout layout = { q.desc, q.driver, q.device, 4, false, true, false };
    uint64_t data = ram.alloc(64);
    Ring ring;
    RingChain chain;

    ASSERT_TRUE(ring_setup(&ring, ram.mem, &layout));
    q.add({ { data, 8 }, { data, 8 } }, {}, false);
    ram.put<uint16_t>(q.desc + 16 + 12, kNext);
    ram.put<uint16_t>(q.desc + 16 + 14, 0);
    expect_broken(&ring, &chain, "chain is a loop");

    ASSERT_TRUE(ring_setup(&ring, ram.mem, &layout));
    ram.put<uint16_t>(q.desc + 16 + 14, 4);
    expect_broken(&ring, &chain, "descriptor index out of range");

    ASSERT_TRUE(ring_setup(&ring, ram.mem, &layout));
    ram.put<uint16_t>(q.driver + 4, 0xffff);
    expect_broken(&ring, &chain, "descriptor index out of range");

    ASSERT_TRUE(ring_setup(&ring, ram.mem, &layout));
    ram.put<uint16_t>(q.driver + 2, 5);
    expect_broken(&ring, &chain, "more requests than the queue has places");
}

} // namespace
