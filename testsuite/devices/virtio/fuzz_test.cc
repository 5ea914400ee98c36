/* SPDX-License-Identifier: Apache-2.0 */
/* Every virtio device against a driver that breaks every rule, on both buses and with both formats of
 * rings.  KETCH_RING_FUZZ: how many events for each (the long run: 10000000 in all is 420000 each);
 * KETCH_SEED: of which sequence.  With --config=asan, ubsan and tsan. */
#include <fcntl.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/xattr.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>

#include "testsuite/devices/virtio/attacker.h"

extern "C" {
#include "devices/host/block/block.h"
#include "devices/host/chardev.h"
#include "devices/host/net/net.h"
#include "devices/virtio/balloon.h"
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
    /* What is plugged into the device itself, before it is reset. */
    virtual void plug(Machine &)
    {
    }
    virtual void act(Machine &, std::mt19937_64 &)
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
    void act(Machine &, std::mt19937_64 &r) override
    {
        char frame[9000];

        while (recv(fds[0], frame, sizeof(frame), 0) > 0) {
        }
        (void)!send(fds[0], frame, 1 + count++ * 37 % sizeof(frame), 0);
        if (r() % 8 == 0) {
            netdev_set_link(net, r() % 2);
        }
    }
    int fds[2];
    size_t count = 0;
    Netdev *net;
};

/* Two ports: a console whose bytes are kept, and a socket where somebody comes, talks and goes. */
struct PortsOutside : Outside {
    PortsOutside()
    {
        signal(SIGPIPE, SIG_IGN); /* as in ketch vm */
        path = "/tmp/virtio-fuzz-" + std::to_string(getpid());
        loop = io_new();
        chars[0] = chardev_new(loop, "a", ("socket,server=on,wait=off,path=" + path).c_str(), false, nullptr,
                               nullptr);
        chars[1] = chardev_new(loop, "b", "ringbuf,size=64", false, nullptr, nullptr);
        links = { { "a", chars[0] }, { "b", chars[1] } };
    }
    ~PortsOutside() override
    {
        hang_up();
        for (Chardev *c : chars) {
            chardev_free(c);
        }
        io_free(loop);
        unlink(path.c_str());
    }
    void plug(Machine &m) override
    {
        EXPECT_NE(dev_plug(m.bus, "virtserialport,chardev=a,name=org.example", nullptr), nullptr);
        EXPECT_NE(dev_plug(m.bus, "virtconsole,chardev=b", nullptr), nullptr);
    }
    void act(Machine &, std::mt19937_64 &r) override
    {
        char bytes[3000] = "hello";

        if (peer < 0) {
            sockaddr_un a = {};

            a.sun_family = AF_UNIX;
            strcpy(a.sun_path, path.c_str());
            peer = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
            (void)!connect(peer, (sockaddr *)&a, sizeof(a));
        }
        while (r() % 4 && recv(peer, bytes, sizeof(bytes), 0) > 0) {
        }
        (void)!send(peer, bytes, 1 + r() % sizeof(bytes), 0);
        if (r() % 16 == 0) {
            hang_up();
        }
    }
    void hang_up()
    {
        if (peer >= 0) {
            close(peer);
        }
        peer = -1;
    }
    std::string path;
    IoLoop *loop;
    Chardev *chars[2];
    int peer = -1;
};

struct BalloonOutside : Outside {
    void act(Machine &m, std::mt19937_64 &r) override
    {
        virtio_balloon_set(m.dev, r());
        (void)virtio_balloon_get(m.dev);
    }
};

struct FolderOutside : Outside {
    FolderOutside()
    {
        char name[] = "/tmp/virtio-fuzz-XXXXXX";

        path = mkdtemp(name);
        fill();
        props = ",path=" + path + ",mount_tag=t,writable=on";
    }
    ~FolderOutside() override
    {
        std::filesystem::remove_all(path);
    }
    /* The guest has moved and removed what was there. */
    void act(Machine &, std::mt19937_64 &r) override
    {
        if (r() % 4 == 0) {
            fill();
        }
    }
    void fill()
    {
        std::error_code ignored;

        chmod(path.c_str(), 0755);
        std::filesystem::create_directories(path + "/a/b", ignored);
        chmod((path + "/a").c_str(), 0755);
        std::ofstream(path + "/c") << "contents";
        std::filesystem::create_symlink("c", path + "/x", ignored);
        (void)!setxattr((path + "/c").c_str(), "user.k", "value", 5, 0);
    }
    std::string path;
};

/* ---- The beginnings of requests ---- */

size_t any_header(std::mt19937_64 &, uint8_t *, size_t)
{
    return 0;
}

size_t blk_header(std::mt19937_64 &r, uint8_t *p, size_t)
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
    return r() % 4 ? 0 : 16 + 16 * (r() % 4);
}

/* A header with work left to do, and a frame of TCP over IPv4 or IPv6 behind it; or anything. */
size_t net_header(std::mt19937_64 &r, uint8_t *p, size_t n)
{
    static const uint8_t segments[] = { NET_GSO_none, NET_GSO_tcp4, NET_GSO_tcp6, NET_GSO_ecn | NET_GSO_tcp4, 3 };
    uint16_t words[4] = { (uint16_t)(r() % 128), (uint16_t)(r() % 8 ? 536 : r()), (uint16_t)(r() % 8 ? 34 : r()),
                          (uint16_t)(r() % 8 ? 16 : r()) };

    p[0] = (uint8_t)(r() % 3);
    p[1] = segments[r() % 5];
    memcpy(p + 2, words, sizeof(words));
    for (size_t i = 10; i < n; i++) {
        p[i] = (uint8_t)(r() % 4 ? i : r());
    }
    p[12 + 12] = r() % 4 ? 8 : 0x86;
    p[12 + 13] = p[12 + 12] == 8 ? 0 : 0xdd;
    p[12 + 14] = p[12 + 12] == 8 ? 0x45 : 0x60;
    /* What is asked of the control queue: class, command, a word. */
    if (r() % 4 == 0) {
        p[0] = (uint8_t)(r() % 6);
        p[1] = (uint8_t)(r() % 4);
    }
    return r() % 2 ? 0 : 12 + r() % (n - 12);
}

size_t serial_header(std::mt19937_64 &r, uint8_t *p, size_t)
{
    memset(p, 0, 8);
    p[0] = (uint8_t)(r() % 3);
    p[4] = (uint8_t)(r() % 9);
    p[6] = (uint8_t)(r() % 2);
    return r() % 2 ? 8 : 0;
}

/* Pages above the rings: what is given back there is the driver's fault, not worth a test. */
size_t balloon_header(std::mt19937_64 &r, uint8_t *p, size_t n)
{
    for (size_t i = 0; i + 4 <= n; i += 4) {
        uint32_t page = r() % 4 ? (uint32_t)((kRam >> 12) + 0x400 + r() % 0xc00) : (uint32_t)r();

        memcpy(p + i, &page, 4);
    }
    return 0;
}

/* The messages of 9P2000.L: type and fields, "f" a fid, digits an integer of so many bytes, "s" a string,
 * "w" a number of names, "b" bytes with their number before them. */
const struct {
    uint8_t type;
    const char *fields;
} p9_messages[] = {
    { 8, "f" },        { 12, "f4" },       { 14, "fs444" },   { 16, "fss4" },  { 18, "fs4444" }, { 20, "ffs" },
    { 22, "f" },       { 24, "f8" },       { 26, "f444488888" }, { 30, "ffs" }, { 32, "fs84" },  { 40, "f84" },
    { 50, "f4" },      { 52, "f14884s" },  { 54, "f1884s" },  { 70, "ffs" },   { 72, "fs44" },   { 74, "fsfs" },
    { 76, "fs4" },     { 100, "4s" },      { 102, "fss4" },   { 104, "ffss4" }, { 108, "2" },    { 110, "ffw" },
    { 116, "f84" },    { 118, "f8b" },     { 120, "f" },
    /* Once more: without these, the others do not get far. */
    { 104, "ffss4" },  { 104, "ffss4" },   { 110, "ffw" },    { 110, "ffw" },  { 110, "ffw" },   { 12, "f4" },
    { 12, "f4" },      { 116, "f84" },     { 40, "f84" },     { 118, "f8b" },
};

struct P9Writer {
    std::mt19937_64 &r;
    uint8_t *p;
    size_t n, at;

    void number(uint64_t v, size_t size)
    {
        if (at + size <= n) {
            memcpy(p + at, &v, size);
            at += size;
        }
    }
    void name()
    {
        static const char *const names[] = { "a", "b", "c", "x", "..", ".", "a/b", "", "user.k", "user." };
        std::string text = names[r() % (r() % 4 ? 4 : 10)];

        number(r() % 64 ? text.size() : r() % 300, 2);
        for (char c : text) {
            number((uint8_t)c, 1);
        }
    }
    void field(char kind)
    {
        switch (kind) {
        case 'f':
            number(r() % 32 ? r() % 4 : r(), 4);
            break;
        case 's':
            name();
            break;
        case 'w': {
            unsigned names = (unsigned)(r() % 3);

            number(r() % 64 ? names : r(), 2);
            for (unsigned i = 0; i < names; i++) {
                name();
            }
            break;
        }
        case 'b': {
            unsigned size = (unsigned)(r() % 32);

            number(r() % 64 ? size : r(), 4);
            for (unsigned i = 0; i < size; i++) {
                number(r(), 1);
            }
            break;
        }
        default:
            number(r() % 8 ? r() % 4 : r() % 2 ? r() % 0x10000 : r(), (size_t)(kind - '0'));
        }
    }
};

size_t p9_header(std::mt19937_64 &r, uint8_t *p, size_t n)
{
    auto &message = p9_messages[r() % std::size(p9_messages)];
    P9Writer w = { r, p, n, 7 };

    for (const char *f = message.fields; *f; f++) {
        w.field(*f);
    }
    n = r() % 32 ? w.at : r() % 128;
    memcpy(p, &n, 4);
    p[4] = r() % 64 ? message.type : (uint8_t)r();
    return w.at;
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
    { "net", "virtio-net", "", 2, net_header, std::make_unique<NetOutside> },
    { "serial", "virtio-serial", "", 6, serial_header, std::make_unique<PortsOutside> },
    { "balloon", "virtio-balloon", ",free-page-reporting=on", 3, balloon_header,
      std::make_unique<BalloonOutside> },
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
        outside->plug(m);
        dev_reset(m.bus);
        m.enable_bus();
        {
            std::mt19937_64 random(seed);
            Attacker a(m, t.n_queues, t.header, seed);

            a.scribble_beside(threads);
            while (a.events < events) {
                a.step();
                if (a.events % 256 == 0) {
                    outside->act(m, random);
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
