/* SPDX-License-Identifier: Apache-2.0 */
#include <fcntl.h>
#include <unistd.h>

#include "testsuite/devices/virtio/machine.h"

extern "C" {
#include "devices/host/block/block.h"
}

using namespace virtio_test;

namespace
{

constexpr uint64_t kSectors = 4096;
enum { kIn = 0, kOut = 1, kFlush = 4, kGetId = 8, kDiscard = 11, kZeroes = 13 };
enum { kOk = 0, kIoError = 1, kUnsupported = 2 };

class Disk
{
  public:
    explicit Disk(bool read_only = false)
    {
        char path[] = "/tmp/virtio-blk-XXXXXX";
        int fd = mkstemp(path);
        BlockOptions o = {};
        GError *error = nullptr;

        EXPECT_EQ(ftruncate(fd, kSectors * 512), 0);
        close(fd);
        o.path = path;
        o.format = "raw";
        o.read_only = read_only;
        o.discard = true;
        block = block_open(&o, &error);
        EXPECT_NE(block, nullptr) << error->message;
        unlink(path);
    }
    ~Disk()
    {
        EXPECT_EQ(block_close(block), 0);
    }
    Block *block;
};

class Blk : public testing::TestWithParam<Setup>
{
  protected:
    /* The status byte; 0xff: none was written. */
    unsigned request(unsigned type, uint64_t sector, const std::vector<Buffer> &out,
                     const std::vector<Buffer> &in, unsigned queue = 0)
    {
        uint64_t keep = m.ram.next, header = m.ram.alloc(16), status = m.ram.alloc(1);
        std::vector<Buffer> o = { { header, 16 } }, i(in);

        m.ram.put<uint32_t>(header, type);
        m.ram.put<uint64_t>(header + 8, sector);
        m.ram.put<uint8_t>(status, 0xff);
        o.insert(o.end(), out.begin(), out.end());
        i.push_back({ status, 1 });
        m.request(queue, o, i);
        unsigned result = m.ram.get<uint8_t>(status);
        m.ram.next = keep;
        return result;
    }

    Disk disk;
    Machine m{ GetParam(), "virtio-blk", ",drive=d,serial=KETCH-1,num-queues=3",
               { { "d", disk.block } } };
};

TEST_P(Blk, WritesAreRead)
{
    m.start(3, 64);
    EXPECT_EQ(m.config(0, 4), kSectors);
    EXPECT_EQ(m.config(34, 2), 3u);
    uint64_t a = m.ram.alloc(8192), b = m.ram.alloc(8192);
    for (int i = 0; i < 8192; i++) {
        *m.ram.at(a + i) = (uint8_t)(i * 7 + i / 256);
    }
    EXPECT_EQ(request(kOut, 100, { { a, 512 }, { a + 512, 3584 + 4096 } }, {}, 1), kOk);
    EXPECT_EQ(request(kFlush, 0, {}, {}), kOk);
    EXPECT_EQ(request(kIn, 100, {}, { { b, 100 }, { b + 100, 8092 } }, 2), kOk);
    EXPECT_EQ(memcmp(m.ram.at(a), m.ram.at(b), 8192), 0);
}

TEST_P(Blk, EndsOfTheDisk)
{
    m.start(1);
    uint64_t a = m.ram.alloc(1024);
    EXPECT_EQ(request(kIn, kSectors - 1, {}, { { a, 512 } }), kOk);
    EXPECT_EQ(request(kIn, kSectors - 1, {}, { { a, 1024 } }), kIoError);
    EXPECT_EQ(request(kOut, kSectors, { { a, 512 } }, {}), kIoError);
    EXPECT_EQ(request(kOut, UINT64_MAX, { { a, 512 } }, {}), kIoError);
    EXPECT_EQ(request(kOut, UINT64_C(1) << 55, { { a, 512 } }, {}), kIoError);
    EXPECT_EQ(request(kIn, 0, {}, { { a, 100 } }), kIoError) << "part of a sector";
    EXPECT_EQ(request(99, 0, {}, {}), kUnsupported);
    EXPECT_EQ(m.status() & VIRTIO_NEEDS_RESET, 0);
}

TEST_P(Blk, DiscardAndZeroes)
{
    m.start(1);
    EXPECT_TRUE(m.accepted >> 13 & 1);
    uint64_t a = m.ram.alloc(4096), r = m.ram.alloc(64 * 16);
    memset(m.ram.at(a), 0xaa, 4096);
    auto range = [&](int i, uint64_t sector, uint32_t n, uint32_t flags) {
        m.ram.put<uint64_t>(r + 16 * i, sector);
        m.ram.put<uint32_t>(r + 16 * i + 8, n);
        m.ram.put<uint32_t>(r + 16 * i + 12, flags);
    };
    EXPECT_EQ(request(kOut, 8, { { a, 4096 } }, {}), kOk);
    range(0, 8, 2, 0);
    range(1, 11, 1, 1);
    EXPECT_EQ(request(kZeroes, 0, { { r, 32 } }, {}), kOk);
    EXPECT_EQ(request(kIn, 8, {}, { { a, 4096 } }), kOk);
    for (int i = 0; i < 4096; i++) {
        EXPECT_EQ(*m.ram.at(a + i), i < 1024 || i / 512 == 3 ? 0 : 0xaa) << i;
    }
    range(0, 0, 8, 0);
    EXPECT_EQ(request(kDiscard, 0, { { r, 16 } }, {}), kOk);
    range(0, 0, 8, 1);
    EXPECT_EQ(request(kDiscard, 0, { { r, 16 } }, {}), kUnsupported);
    range(0, 0, 8, 2);
    EXPECT_EQ(request(kZeroes, 0, { { r, 16 } }, {}), kUnsupported);
    range(0, kSectors - 4, 8, 0);
    EXPECT_EQ(request(kZeroes, 0, { { r, 16 } }, {}), kIoError);
    EXPECT_EQ(request(kZeroes, 0, { { r, 15 } }, {}), kIoError);
    EXPECT_EQ(request(kDiscard, 0, { { r, 33 * 16 } }, {}), kIoError) << "more than the limit";
}

TEST_P(Blk, Id)
{
    m.start(1);
    uint64_t a = m.ram.alloc(32);
    memset(m.ram.at(a), 'x', 32);
    EXPECT_EQ(request(kGetId, 0, {}, { { a, 20 } }), kOk);
    EXPECT_EQ(memcmp(m.ram.at(a), "KETCH-1\0\0\0\0\0\0\0\0\0\0\0\0\0xxx", 23), 0);
}

TEST_P(Blk, ARequestWithoutHeaderOrStatusBreaksTheDevice)
{
    m.start(1);
    uint64_t a = m.ram.alloc(32);
    m.submit(0, { { a, 15 } }, { { a + 16, 1 } });
    EXPECT_TRUE(m.eventually([&] { return m.status() & VIRTIO_NEEDS_RESET; }));
}

TEST_P(Blk, QueuesAtTheSameTime)
{
    m.start(3, 64);
    uint64_t a = m.ram.alloc(3 * 65536);
    for (int round = 0; round < 30; round++) {
        std::vector<uint64_t> status;
        for (unsigned q = 0; q < 3; q++) {
            for (int i = 0; i < 8; i++) {
                uint64_t h = m.ram.alloc(16), s = m.ram.alloc(1), d = a + q * 65536 + i * 4096;

                m.ram.put<uint32_t>(h, round % 2 ? kIn : kOut);
                m.ram.put<uint64_t>(h + 8, (q * 8 + i) * 8);
                m.ram.put<uint8_t>(s, 0xff);
                if (round % 2) {
                    memset(m.ram.at(d), 0, 4096);
                    m.submit(q, { { h, 16 } }, { { d, 4096 }, { s, 1 } });
                } else {
                    memset(m.ram.at(d), round + (int)q, 4096);
                    m.submit(q, { { h, 16 }, { d, 4096 } }, { { s, 1 } });
                }
                status.push_back(s);
            }
        }
        for (unsigned q = 0; q < 3; q++) {
            for (int i = 0; i < 8; i++) {
                ASSERT_TRUE(m.wait(q));
            }
        }
        for (uint64_t s : status) {
            EXPECT_EQ(m.ram.get<uint8_t>(s), kOk);
        }
        if (round % 2) {
            for (unsigned q = 0; q < 3; q++) {
                EXPECT_EQ(*m.ram.at(a + q * 65536 + 5000), (uint8_t)(round - 1 + (int)q));
            }
        }
        m.ram.next = a + 3 * 65536;
    }
}

TEST_P(Blk, Fuzz)
{
    fuzz_device(
        m, 3, 250,
        [&] {
            m.start(1);
            uint64_t a = m.ram.alloc(512);
            EXPECT_EQ(request(kIn, 1, {}, { { a, 512 } }), kOk);
        },
        [](std::mt19937_64 &random, uint8_t *p, size_t n) {
            static const uint32_t types[] = { 0, 1, 4, 8, 11, 13, 2, 0xffffffff };
            if (n >= 16) {
                memcpy(p, &types[random() % 8], 4);
                uint64_t sector = random() % 4 ? random() % kSectors : random();
                memcpy(p + 8, &sector, 8);
            }
        });
}

/* "5.2.5.2": writeback starts as 0 for a driver that cannot flush, and anew after a reset. */
TEST_P(Blk, TheCacheStartsAsTheDriverCanUseIt)
{
    EXPECT_EQ(m.config(32, 1), 1u);
    ASSERT_TRUE(m.negotiate(UINT64_C(1) << 9));
    EXPECT_EQ(m.config(32, 1), 0u);
    m.set_status(0);
    EXPECT_EQ(m.config(32, 1), 1u);
    ASSERT_TRUE(m.negotiate());
    EXPECT_EQ(m.config(32, 1), 1u);
    m.set_config(32, 0, 1);
    EXPECT_EQ(m.config(32, 1), 0u);
    m.set_status(0);
    EXPECT_EQ(m.config(32, 1), 1u);
}

INSTANTIATE_TEST_SUITE_P(Setups, Blk, testing::ValuesIn(all_setups()), setup_name);

TEST(BlkReadOnly, RefusesWrites)
{
    Disk disk(true);
    Machine m({ false, false, false, false }, "virtio-blk", ",drive=d", { { "d", disk.block } });
    m.start(1);
    EXPECT_TRUE(m.accepted >> 5 & 1);
    EXPECT_FALSE(m.accepted >> 13 & 1);
    uint64_t a = m.ram.alloc(1024);
    m.ram.put<uint32_t>(a, kOut);
    m.request(0, { { a, 16 }, { a + 16, 512 } }, { { a + 600, 1 } });
    EXPECT_EQ(m.ram.get<uint8_t>(a + 600), kIoError);
}

TEST(BlkOptions, NeedsADrive)
{
    Machine m({ true, false, false, false }, "virtio-blk");
    EXPECT_NE(m.refusal.find("drive=ID"), std::string::npos) << m.refusal;
    Machine n({ true, false, false, false }, "virtio-blk", ",drive=nope");
    EXPECT_NE(n.refusal.find("'nope'"), std::string::npos) << n.refusal;
}

} // namespace
