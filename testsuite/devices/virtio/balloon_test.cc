/* SPDX-License-Identifier: Apache-2.0 */
#include <sys/mman.h>

#include "testsuite/devices/virtio/machine.h"

extern "C" {
#include "devices/virtio/balloon.h"
}

using namespace virtio_test;

namespace
{

class Balloon : public testing::TestWithParam<virtio_test::Setup>
{
  protected:
    bool resident(uint64_t addr)
    {
        unsigned char r = 0;
        EXPECT_EQ(mincore(m.ram.at(addr), 4096, &r), 0);
        return r & 1;
    }
    Machine m{ GetParam(), "virtio-balloon", ",free-page-reporting=on" };
};

TEST_P(Balloon, PagesAreGivenBack)
{
    m.start(3);
    uint64_t pages = m.ram.alloc(4 * 4096, 4096), list = m.ram.alloc(64);
    memset(m.ram.at(pages), 0xaa, 4 * 4096);
    /* The first two, in this order, one that does not exist, the last. */
    m.ram.put<uint32_t>(list, (uint32_t)(pages >> 12));
    m.ram.put<uint32_t>(list + 4, (uint32_t)(pages >> 12) + 1);
    m.ram.put<uint32_t>(list + 8, 0xffffffff);
    m.ram.put<uint32_t>(list + 12, (uint32_t)(pages >> 12) + 3);
    m.request(0, { { list, 16 } }, {});
    for (int i = 0; i < 4; i++) {
        EXPECT_EQ(resident(pages + i * 4096), i == 2) << i;
    }
    EXPECT_EQ(m.ram.get<uint8_t>(pages), 0) << "it is zero again";
    EXPECT_EQ(m.ram.get<uint8_t>(pages + 2 * 4096), 0xaa);
    EXPECT_EQ(m.status() & VIRTIO_NEEDS_RESET, 0);
    m.request(1, { { list, 16 } }, {});
}

TEST_P(Balloon, FreePagesAreReported)
{
    m.start(3);
    uint64_t pages = m.ram.alloc(3 * 4096, 4096);
    memset(m.ram.at(pages), 0xaa, 3 * 4096);
    m.request(2, {}, { { pages + 100, 2 * 4096 } });
    EXPECT_TRUE(resident(pages)) << "only whole pages";
    EXPECT_FALSE(resident(pages + 4096));
    EXPECT_EQ(m.ram.get<uint8_t>(pages + 2 * 4096), 0xaa);
}

TEST_P(Balloon, TheMonitorAsksForMemory)
{
    m.start(3);
    ASSERT_EQ(virtio_balloon_find(m.bus), m.dev);
    EXPECT_EQ(virtio_balloon_get(m.dev), kRamSize);
    virtio_balloon_set(m.dev, kRamSize - 100 * 4096);
    EXPECT_EQ(m.config(0), 100u);
    EXPECT_TRUE(m.line());
    EXPECT_EQ(m.take_isr(), VIRTIO_ISR_config);
    m.set_config(4, 40);
    EXPECT_EQ(virtio_balloon_get(m.dev), kRamSize - 40 * 4096);
    virtio_balloon_set(m.dev, UINT64_MAX);
    EXPECT_EQ(m.config(0), 0u);
    m.set_config(4, 0xffffffff);
    EXPECT_EQ(virtio_balloon_get(m.dev), 0u);
    m.set_config(0, 5);
    EXPECT_EQ(m.config(0), 0u) << "read-only";
}

/* "Device Configuration Space": it is there before the driver is, each change of it is another generation,
 * and only a driver that is ready is told. */
TEST_P(Balloon, TheConfigurationHasGenerations)
{
    auto generation = [&] {
        return GetParam().pci ? m.read(Machine::kBar + 0x15, 1) : m.read(Machine::kBase + 0xfc);
    };
    uint64_t before = generation();

    EXPECT_EQ(m.config(0), 0u);
    EXPECT_EQ(generation(), before) << "reading changes nothing";
    virtio_balloon_set(m.dev, kRamSize - 100 * 4096);
    EXPECT_NE(m.config(0), 0u);
    EXPECT_NE(generation(), before);
    EXPECT_EQ(m.take_isr(), 0);
    EXPECT_FALSE(m.line());
    m.start(3);
    before = generation();
    virtio_balloon_set(m.dev, kRamSize - 50 * 4096);
    EXPECT_NE(generation(), before);
    EXPECT_TRUE(m.line());
    EXPECT_EQ(m.take_isr(), VIRTIO_ISR_config);
}

TEST_P(Balloon, Fuzz)
{
    fuzz_device(
        m, 3, 200,
        [&] {
            m.start(3);
            m.request(1, { { m.ram.alloc(16), 16 } }, {});
        },
        [](std::mt19937_64 &random, uint8_t *p, size_t n) {
            for (size_t i = 0; i + 4 <= n; i += 4) {
                /* Not the pages of the rings: what is given back there is the driver's fault. */
                uint32_t page = random() % 2 ? (uint32_t)random() : 0x80800 + random() % 0x700;
                memcpy(p + i, &page, 4);
            }
        });
}

INSTANTIATE_TEST_SUITE_P(Setups, Balloon, testing::ValuesIn(all_setups()), setup_name);

} // namespace
