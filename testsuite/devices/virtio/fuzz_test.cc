/* SPDX-License-Identifier: Apache-2.0 */
/* Every virtio device against a driver that breaks every rule, on both buses and with both formats of
 * rings.  KETCH_RING_FUZZ: how many events for each (the long run: 10000000 in all is 420000 each);
 * KETCH_SEED: of which sequence.  With --config=asan, ubsan and tsan. */
#include <fcntl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>

#include "testsuite/devices/virtio/attacker.h"

extern "C" {
#include "devices/host/block/block.h"
#include "devices/host/chardev.h"
#include "devices/host/net/net.h"
}

using namespace virtio_test;

/* Memory of a guest may change at any time: that a device copies what the guest is writing is no
 * race of ours.  Everything else that two threads touch is. */
extern "C" const char *__tsan_default_suppressions()
{
    return "race:virtio_test::Attacker\nrace:chain_write\nrace:block_read\nrace:phys_read\n";
}

namespace
{

/* ---- What a device needs from outside ---- */

struct Outside {
    virtual ~Outside() = default;
    virtual void act()
    {
    }
    std::string props;
    std::map<std::string, void *> links;
};

struct DiskOutside : Outside {
    DiskOutside()
    {
        char path[] = "/tmp/virtio-fuzz-XXXXXX";
        BlockOptions o = {};

        o.fd = mkstemp(path);
        o.format = "raw";
        o.discard = true;
        EXPECT_EQ(ftruncate(o.fd, 1 << 20), 0);
        block = block_open(&o, nullptr);
        EXPECT_NE(block, nullptr);
        unlink(path);
        props = ",drive=d,serial=FUZZ,num-queues=3";
        links["d"] = block;
    }
    ~DiskOutside() override
    {
        (void)!block_close(block);
    }
    Block *block;
};

/* Somebody at the other end reads and sends. */
struct NetOutside : Outside {
    NetOutside()
    {
        EXPECT_EQ(socketpair(AF_UNIX, SOCK_DGRAM | SOCK_NONBLOCK, 0, fds), 0);
        net = netdev_new("n", ("socket,fd=" + std::to_string(fds[1])).c_str(), nullptr);
        EXPECT_NE(net, nullptr);
        props = ",netdev=n";
        links["n"] = net;
    }
    ~NetOutside() override
    {
        netdev_free(net);
        close(fds[0]);
    }
    void act() override
    {
        char frame[9000];

        while (recv(fds[0], frame, sizeof(frame), 0) > 0) {
        }
        (void)!send(fds[0], frame, 1 + count++ * 37 % sizeof(frame), 0);
    }
    int fds[2];
    size_t count = 0;
    Netdev *net;
};

struct FolderOutside : Outside {
    FolderOutside()
    {
        char name[] = "/tmp/virtio-fuzz-XXXXXX";

        path = mkdtemp(name);
        std::filesystem::create_directories(path + "/a/b");
        std::ofstream(path + "/c") << "contents";
        props = ",path=" + path + ",mount_tag=t,writable=on";
    }
    ~FolderOutside() override
    {
        std::filesystem::remove_all(path);
    }
    std::string path;
};

/* ---- The beginnings of requests ---- */

void any_header(std::mt19937_64 &, uint8_t *, size_t)
{
}

void blk_header(std::mt19937_64 &r, uint8_t *p, size_t)
{
    static const uint32_t types[] = { 0, 1, 4, 8, 11, 13, 2, 0xffffffff };
    uint64_t sector = r() % 8 ? r() % 2048 : r();

    memcpy(p, &types[r() % 8], 4);
    memcpy(p + 8, &sector, 8);
    for (unsigned at = 16; at < 64; at += 16) {
        uint32_t sectors = (uint32_t)(r() % 32), flags = (uint32_t)(r() % 3);

        sector = r() % 2100;
        memcpy(p + at, &sector, 8);
        memcpy(p + at + 8, &sectors, 4);
        memcpy(p + at + 12, &flags, 4);
    }
}

void serial_header(std::mt19937_64 &r, uint8_t *p, size_t)
{
    memset(p, 0, 8);
    p[0] = (uint8_t)(r() % 3);
    p[4] = (uint8_t)(r() % 9);
    p[6] = (uint8_t)(r() % 2);
}

/* Pages above the rings: what is given back there is the driver's fault, not worth a test. */
void balloon_header(std::mt19937_64 &r, uint8_t *p, size_t n)
{
    for (size_t i = 0; i + 4 <= n; i += 4) {
        uint32_t page = r() % 4 ? (uint32_t)((kRam >> 12) + 0x400 + r() % 0xc00) : (uint32_t)r();

        memcpy(p + i, &page, 4);
    }
}

/* A message whose size fits, with small numbers for the fids and short names. */
void p9_header(std::mt19937_64 &r, uint8_t *p, size_t n)
{
    static const uint8_t types[] = { 8, 12, 14, 22, 24, 26, 30, 40, 50, 72, 74, 76, 100, 104, 108,
                                     110, 116, 118, 120 };
    uint32_t size = (uint32_t)(7 + r() % (n - 7));

    for (size_t i = 7; i < n; i++) {
        p[i] = (uint8_t)(r() % 4 ? r() % 3 : "ab./c"[r() % 5]);
    }
    memcpy(p, &size, 4);
    p[4] = types[r() % sizeof(types)];
}

struct Target {
    const char *name, *type, *props;
    unsigned n_queues;
    Header header;
    std::function<std::unique_ptr<Outside>()> outside;
};

const std::vector<Target> targets = {
    { "rng", "virtio-rng", "", 1, any_header, std::make_unique<Outside> },
    { "blk", "virtio-blk", "", 3, blk_header, std::make_unique<DiskOutside> },
    { "net", "virtio-net", "", 2, any_header, std::make_unique<NetOutside> },
    { "serial", "virtio-serial", "", 6, serial_header, std::make_unique<Outside> },
    { "balloon", "virtio-balloon", ",free-page-reporting=on", 3, balloon_header,
      std::make_unique<Outside> },
    { "9p", "virtio-9p", "", 1, p9_header, std::make_unique<FolderOutside> },
};

uint64_t number(const char *name, uint64_t otherwise)
{
    const char *text = getenv(name);

    return text ? strtoull(text, nullptr, 0) : otherwise;
}

class Fuzz : public testing::TestWithParam<std::tuple<size_t, bool, bool>>
{
  protected:
    void run(bool threads)
    {
        const Target &t = targets[std::get<0>(GetParam())];
        bool pci = std::get<1>(GetParam()), packed = std::get<2>(GetParam());
        uint64_t events = number("KETCH_RING_FUZZ", 6000), seed = number("KETCH_SEED", 1);
        std::unique_ptr<Outside> outside = t.outside();
        Machine m({ pci, packed, (seed + pci) % 2 == 1, true }, t.type, t.props + outside->props,
                  outside->links);
        uint64_t used, needed_resets;

        ASSERT_EQ(m.refusal, "");
        {
            Attacker a(m, t.n_queues, t.header, seed);

            a.scribble_beside(threads);
            while (a.events < events) {
                a.step();
                if (a.events % 256 == 0) {
                    outside->act();
                }
                if (a.events % 8192 == 0) {
                    dev_reset(m.bus);
                    m.enable_bus();
                }
            }
            used = a.used;
            needed_resets = a.needed_resets;
        }
        /* Requests got through, and rules were broken. */
        EXPECT_GT(used, 0u);
        EXPECT_GT(needed_resets, 0u);
        m.queues.clear();
        EXPECT_TRUE(m.negotiate());
        EXPECT_EQ(m.status() & VIRTIO_NEEDS_RESET, 0);
    }
};

TEST_P(Fuzz, OneThread)
{
    run(false);
}

TEST_P(Fuzz, RingsChangeWhileTheyAreRead)
{
    run(true);
}

INSTANTIATE_TEST_SUITE_P(Devices, Fuzz,
                         testing::Combine(testing::Range<size_t>(0, targets.size()),
                                          testing::Bool(), testing::Bool()),
                         [](const auto &p) {
                             return std::string(targets[std::get<0>(p.param)].name) +
                                    (std::get<1>(p.param) ? "_pci" : "_mmio") +
                                    (std::get<2>(p.param) ? "_packed" : "_split");
                         });

} // namespace
