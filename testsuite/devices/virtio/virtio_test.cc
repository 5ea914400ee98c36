/* SPDX-License-Identifier: Apache-2.0 */
/* What all virtio devices share, on both buses; the entropy device is the example. */
#include "testsuite/devices/virtio/machine.h"

using namespace virtio_test;

namespace
{

class Core : public testing::TestWithParam<Setup>
{
  protected:
    Machine m{ GetParam(), "virtio-rng" };
};

TEST_P(Core, IsThere)
{
    if (GetParam().pci) {
        EXPECT_EQ(m.read_config(0), 0x10441af4u);
        EXPECT_EQ(m.read_config(0x06, 2) & 0x10, 0x10u) << "capabilities";
        EXPECT_EQ(m.read_config(0x3d, 1), 1u) << "pin INTA";
        EXPECT_EQ(m.read(0x20000000 + (2 << 15)), 0xffffffffu) << "slot 2 is empty";
        EXPECT_EQ(m.read(0x20000000 + (1 << 15) + (1 << 12)), 0xffffffffu) << "function 1";
    } else {
        EXPECT_EQ(m.read(Machine::kBase), 0x74726976u);
        EXPECT_EQ(m.read(Machine::kBase + 4), 2u);
        EXPECT_EQ(m.read(Machine::kBase + 8), 4u);
    }
    EXPECT_TRUE(m.offered() & VIRTIO_F_VERSION_1);
    EXPECT_EQ(!!(m.offered() & VIRTIO_F_PACKED), GetParam().packed);
}

TEST_P(Core, FeaturesMustBeOnesOffered)
{
    EXPECT_FALSE(m.negotiate(VIRTIO_F_VERSION_1)) << "legacy drivers";
    m.set_status(0);
    m.set_status(VIRTIO_ACKNOWLEDGE | VIRTIO_DRIVER);
    m.accept(VIRTIO_F_VERSION_1 | UINT64_C(1) << 60);
    m.set_status(VIRTIO_ACKNOWLEDGE | VIRTIO_DRIVER | VIRTIO_FEATURES_OK);
    EXPECT_FALSE(m.status() & VIRTIO_FEATURES_OK);
    m.set_status(0xf);
    EXPECT_FALSE(m.status() & VIRTIO_DRIVER_OK) << "without features";
    ASSERT_TRUE(m.negotiate());
    m.accept(UINT64_C(1) << 60);
    EXPECT_EQ(m.virtio()->accepted, m.accepted) << "they are fixed now";
}

/* "Device Status Field": bits are cleared by a reset alone. */
TEST_P(Core, StatusBitsStay)
{
    ASSERT_TRUE(m.negotiate());
    m.set_status(VIRTIO_DRIVER);
    EXPECT_EQ(m.status(), VIRTIO_ACKNOWLEDGE | VIRTIO_DRIVER | VIRTIO_FEATURES_OK);
    m.set_status(0x80);
    EXPECT_EQ(m.status(), 0x80 | VIRTIO_ACKNOWLEDGE | VIRTIO_DRIVER | VIRTIO_FEATURES_OK) << "FAILED";
    m.set_status(0);
    EXPECT_EQ(m.status(), 0);
}

/* "Common configuration structure layout", "MMIO Device Register Layout": no features beyond bit 63. */
TEST_P(Core, SelectorsBeyondTheFeaturesReadZero)
{
    for (uint32_t select : { 2u, 3u, 0x80000000u, 0xffffffffu }) {
        m.write(GetParam().pci ? Machine::kBar : Machine::kBase + 0x14, select);
        EXPECT_EQ(m.read(GetParam().pci ? Machine::kBar + 4 : Machine::kBase + 0x10), 0u) << select;
        m.write(GetParam().pci ? Machine::kBar + 8 : Machine::kBase + 0x24, select);
        m.write(GetParam().pci ? Machine::kBar + 0xc : Machine::kBase + 0x20, 0xffffffff);
        EXPECT_EQ(m.virtio()->accepted, 0u) << select;
    }
}

TEST_P(Core, AQueueThatIsNotThereHasNoSize)
{
    for (unsigned index : { 1u, 7u, 0xffffu }) {
        m.select_queue(index);
        EXPECT_EQ(0u, GetParam().pci ? m.read(Machine::kBar + 0x18, 2) : m.read(Machine::kBase + 0x34));
        GetParam().pci ? m.write(Machine::kBar + 0x1c, 1, 2) : m.write(Machine::kBase + 0x44, 1);
        EXPECT_EQ(0u, GetParam().pci ? m.read(Machine::kBar + 0x1c, 2) : m.read(Machine::kBase + 0x44));
    }
    m.start(1);
    m.kick(3);
    uint64_t to = m.ram.alloc(16);
    EXPECT_EQ(m.request(0, {}, { { to, 16 } }), 16u);
    EXPECT_FALSE(m.status() & VIRTIO_NEEDS_RESET);
}

/* "Driver Requirements: Device Initialization", "Device Reset": nothing is left of what was set, and the
 * memory of the queues is the driver's again. */
TEST_P(Core, AResetTakesEverythingBack)
{
    m.start(1);
    uint64_t to = m.ram.alloc(16);
    m.interrupting_request(0, { { to, 16 } });
    EXPECT_TRUE(m.line());
    m.set_status(0);
    EXPECT_EQ(m.status(), 0);
    EXPECT_FALSE(m.line());
    EXPECT_EQ(m.take_isr(), 0);
    EXPECT_EQ(m.virtio()->accepted, 0u);
    m.select_queue(0);
    if (GetParam().pci) {
        EXPECT_EQ(m.read(Machine::kBar + 0x1c, 2), 0u) << "queue_enable";
        EXPECT_EQ(m.read(Machine::kBar + 0x3a, 2), 0u) << "queue_reset";
        EXPECT_EQ(m.read(Machine::kBar + 0x18, 2), 64u) << "queue_size";
        EXPECT_EQ(m.read(Machine::kBar + 0x0c), 0u) << "driver_feature";
        for (unsigned at = 0x20; at < 0x38; at += 4) {
            EXPECT_EQ(m.read(Machine::kBar + at), 0u) << at;
        }
    } else {
        EXPECT_EQ(m.read(Machine::kBase + 0x44), 0u) << "QueueReady";
        EXPECT_EQ(m.read(Machine::kBase + 0xc0), 0u) << "QueueReset";
    }
    memset(m.ram.at(to), 0, 16);
    m.queues[0]->add({}, { { to, 16 } });
    m.kick(0);
    std::this_thread::sleep_for(std::chrono::milliseconds(5));
    EXPECT_FALSE(m.queues[0]->take());
    EXPECT_EQ(std::string((char *)m.ram.at(to), 16), std::string(16, '\0'));
}

/* "Common configuration structure layout": what was accepted can be read. */
TEST(PciBus, AcceptedFeaturesAreShown)
{
    Machine m({ true, true, true, true }, "virtio-rng");

    ASSERT_TRUE(m.negotiate());
    for (unsigned half = 0; half < 3; half++) {
        m.write(Machine::kBar + 8, half);
        EXPECT_EQ(m.read(Machine::kBar + 0xc), half < 2 ? (uint32_t)(m.accepted >> 32 * half) : 0u);
    }
}

/* "Interrupt status": one event is acknowledged, the other stays. */
TEST(MmioBus, EventsAreAcknowledgedOneByOne)
{
    Machine m({ false, false, false, false }, "virtio-rng");

    m.start(1);
    uint64_t to = m.ram.alloc(16);
    m.interrupting_request(0, { { to, 16 } });
    virtio_broken(m.virtio(), "for a test");
    EXPECT_EQ(m.read(Machine::kBase + 0x60), 3u);
    m.write(Machine::kBase + 0x64, 1);
    EXPECT_EQ(m.read(Machine::kBase + 0x60), 2u);
    EXPECT_TRUE(m.line());
    m.write(Machine::kBase + 0x64, 2);
    EXPECT_EQ(m.read(Machine::kBase + 0x60), 0u);
    EXPECT_FALSE(m.line());
}

TEST_P(Core, RequestsAreServedAndInterrupt)
{
    m.start(1);
    uint64_t to = m.ram.alloc(256);
    for (int i = 0; i < 40; i++) {
        memset(m.ram.at(to), 0, 256);
        EXPECT_EQ(m.interrupting_request(0, { { to, 100 }, { to + 100, 156 } }), 256u);
        unsigned zeros = 0;
        for (unsigned k = 0; k < 256; k++) {
            zeros += *m.ram.at(to + k) == 0;
        }
        EXPECT_LT(zeros, 30u);
        EXPECT_EQ(m.take_isr(), VIRTIO_ISR_queue);
        EXPECT_FALSE(m.line());
        EXPECT_EQ(m.take_isr(), 0);
    }
}

TEST_P(Core, NothingHappensBeforeDriverOk)
{
    ASSERT_TRUE(m.negotiate());
    m.add_queue(0, 16);
    uint64_t to = m.ram.alloc(16);
    m.queues[0]->add({}, { { to, 16 } });
    m.kick(0);
    std::this_thread::sleep_for(std::chrono::milliseconds(20));
    EXPECT_FALSE(m.queues[0]->take());
    m.set_status(0xf);
    EXPECT_TRUE(m.wait(0)) << "the doorbell is not needed: it was rung before";
}

TEST_P(Core, ABrokenRingNeedsAReset)
{
    m.start(1);
    m.submit(0, {}, { { 0x1234, 16 } });
    ASSERT_TRUE(m.eventually([&] { return m.status() & VIRTIO_NEEDS_RESET; }));
    ASSERT_TRUE(m.eventually([&] { return m.line(); }));
    EXPECT_TRUE(m.take_isr() & VIRTIO_ISR_config);
    m.queues.clear();
    m.start(1);
    EXPECT_FALSE(m.status() & VIRTIO_NEEDS_RESET);
    uint64_t to = m.ram.alloc(16);
    EXPECT_EQ(m.request(0, {}, { { to, 16 } }), 16u);
}

TEST_P(Core, BadQueueAddressesNeedAReset)
{
    ASSERT_TRUE(m.negotiate());
    auto keep = m.ram.next;
    m.ram.next = 0x1000;
    m.add_queue(0, 16);
    m.ram.next = keep;
    m.set_status(0xf);
    EXPECT_TRUE(m.status() & VIRTIO_NEEDS_RESET);
}

TEST_P(Core, PauseHoldsRequestsBack)
{
    m.start(1);
    uint64_t to = m.ram.alloc(16);
    virtio_pause(m.virtio(), true);
    m.submit(0, {}, { { to, 16 } });
    std::this_thread::sleep_for(std::chrono::milliseconds(20));
    EXPECT_FALSE(m.queues[0]->take());
    virtio_pause(m.virtio(), false);
    EXPECT_TRUE(m.wait(0));
}

void reset_queue(Machine &m, unsigned index)
{
    m.select_queue(index);
    m.setup.pci ? m.write(Machine::kBar + 0x3a, 1, 2) : m.write(Machine::kBase + 0xc0, 1);
    EXPECT_EQ(0u, m.setup.pci ? m.read(Machine::kBar + 0x3a, 2) : m.read(Machine::kBase + 0xc0));
}

bool is_enabled(Machine &m)
{
    return m.setup.pci ? m.read(Machine::kBar + 0x1c, 2) : m.read(Machine::kBase + 0x44);
}

/* One queue starts anew, with another size and elsewhere, while the device goes on. */
TEST_P(Core, AQueueIsResetByItself)
{
    m.start(1, 16);
    uint64_t to = m.ram.alloc(16);
    EXPECT_EQ(m.request(0, {}, { { to, 16 } }), 16u);
    reset_queue(m, 0);
    EXPECT_FALSE(is_enabled(m));
    EXPECT_EQ(64u, m.setup.pci ? m.read(Machine::kBar + 0x18, 2) : m.read(Machine::kBase + 0x34));
    m.queues[0]->add({}, { { to, 16 } });
    m.kick(0);
    std::this_thread::sleep_for(std::chrono::milliseconds(5));
    EXPECT_FALSE(m.queues[0]->take()) << "it belongs to the driver";
    m.add_queue(0, 32);
    EXPECT_EQ(m.request(0, {}, { { to, 16 } }), 16u);
    EXPECT_FALSE(m.status() & VIRTIO_NEEDS_RESET);
}

TEST_P(Core, AQueueIsNotResetWithoutTheFeature)
{
    m.start(1, 16, VIRTIO_F_RING_RESET);
    uint64_t to = m.ram.alloc(16);
    m.select_queue(0);
    m.setup.pci ? m.write(Machine::kBar + 0x3a, 1, 2) : m.write(Machine::kBase + 0xc0, 1);
    EXPECT_TRUE(is_enabled(m));
    EXPECT_EQ(m.request(0, {}, { { to, 16 } }), 16u);
}

/* A broken ring, too: the other queues need not stop for it. */
TEST_P(Core, AResetQueueStartsCleanly)
{
    m.start(1, 16);
    m.submit(0, {}, { { 0x1234, 16 } });
    ASSERT_TRUE(m.eventually([&] { return m.status() & VIRTIO_NEEDS_RESET; }));
    reset_queue(m, 0);
    m.add_queue(0, 16);
    uint64_t to = m.ram.alloc(16);
    EXPECT_EQ(m.request(0, {}, { { to, 16 } }), 16u);
}

/* State goes over a snapshot by its named fields alone. */
TEST_P(Core, SnapshotsGoOn)
{
    m.start(1);
    uint64_t to = m.ram.alloc(64);
    for (int i = 0; i < 21; i++) {
        std::map<std::string, std::string> state;

        EXPECT_EQ(m.interrupting_request(0, { { to, 16 } }), 16u);
        dev_each_field(m.dev, [](void *s, const DevField *f, void *data) {
            auto &bytes = (*(decltype(state) *)s)[f->name];
            for (unsigned n = 0; n < f->count; n++) {
                bytes.append((char *)data + n * (f->stride ? f->stride : f->size), f->size);
            }
        }, &state);
        EXPECT_GT(state.size(), 10u);
        dev_reset(m.bus);
        EXPECT_FALSE(m.line());
        dev_each_field(m.dev, [](void *s, const DevField *f, void *data) {
            auto &bytes = (*(decltype(state) *)s)[f->name];
            for (unsigned n = 0; n < f->count; n++) {
                memcpy((char *)data + n * (f->stride ? f->stride : f->size),
                       bytes.data() + n * f->size, f->size);
            }
        }, &state);
        m.virtio()->pci.dev.type->loaded(m.dev);
        EXPECT_TRUE(m.line()) << "the interrupt is pending still";
        m.take_isr();
    }
}

TEST_P(Core, Fuzz)
{
    uint64_t to = 0;
    fuzz_device(
        m, 1, 300,
        [&] {
            m.start(1);
            to = m.ram.alloc(16);
            EXPECT_EQ(m.request(0, {}, { { to, 16 } }), 16u);
        },
        [](std::mt19937_64 &, uint8_t *, size_t) {});
}

/* All registers of the transport, at random. */
TEST_P(Core, FuzzRegisters)
{
    std::mt19937_64 random(5);
    uint64_t base = GetParam().pci ? Machine::kBar : Machine::kBase;

    for (int i = 0; i < 60000; i++) {
        unsigned size = 1u << random() % 4;
        uint64_t v, addr = base + random() % (GetParam().pci ? 0x40 : 0x110) / size * size;

        if (GetParam().pci && random() % 8 == 0) {
            addr = Machine::kBar + random() % 0x4000 / size * size;
        } else if (GetParam().pci && random() % 4 == 0) {
            addr = 0x20000000 + (1 << 15) + 0x40 + random() % 0xc0 / size * size;
        }
        if (random() % 3) {
            uint64_t value = random() % 4 ? random() % 32 : kRam + random() % kRamSize / 4096 * 4096;
            (void)!phys_store(m.ram.mem, addr, size, value);
        } else {
            (void)!phys_load(m.ram.mem, addr, size, &v);
        }
    }
    m.ram.next = kRam + 0x100000;
    m.queues.clear();
    if (GetParam().pci) {
        m.write_config(0x10, Machine::kBar);
        m.write_config(0x04, 2, 2);
    }
    m.start(1);
    uint64_t to = m.ram.alloc(16);
    EXPECT_EQ(m.request(0, {}, { { to, 16 } }), 16u);
}

INSTANTIATE_TEST_SUITE_P(Setups, Core, testing::ValuesIn(all_setups()), setup_name);

TEST(PciBus, BarsTellTheirSizeAndMove)
{
    Machine m({ true, false, false, false }, "virtio-rng");
    EXPECT_EQ(m.read(Machine::kBar + 0x12, 2), 1u) << "queues";
    m.write_config(0x10, 0xffffffff);
    EXPECT_EQ(m.read_config(0x10), 0xffffc000u);
    EXPECT_EQ(m.read(Machine::kBar + 0x12, 2), 0xffffu) << "nothing there";
    m.write_config(0x10, 0x50000000);
    EXPECT_EQ(m.read(0x50000012, 2), 1u);
    m.write_config(0x04, 0, 2);
    EXPECT_EQ(m.read(0x50000012, 2), 0xffffu) << "memory is off";
    m.write_config(0x00, 0xdeadbeef);
    EXPECT_EQ(m.read_config(0), 0x10441af4u) << "read-only";
}

TEST(PciBus, AResetLeavesNothingOfWhatWasWritten)
{
    Machine m({ true, false, false, false }, "virtio-rng");
    std::string fresh, after;
    dev_reset(m.bus);
    for (unsigned at = 0; at < 256; at++) {
        fresh += (char)m.read_config(at, 1);
    }
    for (unsigned at = 0; at < 256; at++) {
        m.write_config(at, 0xff, 1);
    }
    dev_reset(m.bus);
    for (unsigned at = 0; at < 256; at++) {
        after += (char)m.read_config(at, 1);
    }
    EXPECT_EQ(fresh, after);
}

TEST(PciBus, ConfigurationAccessCapability)
{
    Machine m({ true, false, false, false }, "virtio-rng");
    unsigned cap = (unsigned)m.read_config(0x34, 1);
    while (m.read_config(cap + 3, 1) != 5) {
        cap = (unsigned)m.read_config(cap + 1, 1);
        ASSERT_NE(cap, 0u);
    }
    m.write_config(cap + 4, 0, 1);
    m.write_config(cap + 8, 0x12);
    m.write_config(cap + 12, 2);
    EXPECT_EQ(m.read_config(cap + 16, 2), 1u) << "queues";
    m.write_config(cap + 8, 0x14);
    m.write_config(cap + 12, 1);
    m.write_config(cap + 16, 3, 1);
    EXPECT_EQ(m.status(), 3u);
}

/* The entropy device has none, and Linux refuses an empty one. */
TEST(PciBus, NoCapabilityForAConfigurationThatIsNotThere)
{
    for (bool balloon : { false, true }) {
        Machine m({ true, false, false, false }, balloon ? "virtio-balloon" : "virtio-rng");
        bool found = false;
        for (unsigned cap = (unsigned)m.read_config(0x34, 1); cap;
             cap = (unsigned)m.read_config(cap + 1, 1)) {
            found |= m.read_config(cap + 3, 1) == 4;
        }
        EXPECT_EQ(found, balloon);
    }
}

TEST(PciBus, PinsAreDistributedAndCanBeDisabled)
{
    Machine m({ true, false, false, false }, "virtio-rng");
    uint64_t to = m.ram.alloc(16);
    m.start(1);
    m.interrupting_request(0, { { to, 16 } });
    EXPECT_TRUE(m.read_config(6, 2) & 8) << "interrupt status";
    m.write_config(4, 2 | 1 << 10, 2);
    EXPECT_FALSE(m.line());
    m.write_config(4, 2, 2);
    EXPECT_TRUE(m.line());
    for (unsigned i = 0; i < 4; i++) {
        EXPECT_EQ(m.lines[i], i == 1);
    }
    EXPECT_EQ(m.take_isr(), VIRTIO_ISR_queue);
    EXPECT_FALSE(m.line());
}

} // namespace
