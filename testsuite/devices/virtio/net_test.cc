/* SPDX-License-Identifier: Apache-2.0 */
/* The network device and the netdevs behind it. */
#include <arpa/inet.h>
#include <fcntl.h>
#include <linux/if.h>
#include <linux/if_packet.h>
#include <linux/if_tun.h>
#include <poll.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "testsuite/devices/virtio/machine.h"

extern "C" {
#include "devices/host/net/net.h"
}

using namespace virtio_test;

namespace
{

constexpr unsigned kHeader = 12;

struct NetdevPtr {
    explicit NetdevPtr(const std::string &text)
    {
        GError *error = nullptr;
        nd = netdev_new("n", text.c_str(), &error);
        if (!nd) {
            refusal = error->message;
            g_clear_error(&error);
        }
    }
    ~NetdevPtr()
    {
        netdev_free(nd);
    }
    Netdev *nd;
    std::string refusal;
};

/* A socket pair whose one end is the netdev's. */
struct Wire {
    explicit Wire(int type)
    {
        EXPECT_EQ(socketpair(AF_UNIX, type, 0, fds), 0);
    }
    ~Wire()
    {
        close(fds[0]);
    }
    std::string text() const
    {
        return "socket,fd=" + std::to_string(fds[1]);
    }
    std::string read_frame(int ms = 60000)
    {
        char buffer[70000];
        pollfd p = { fds[0], POLLIN, 0 };
        ssize_t n = poll(&p, 1, ms) == 1 ? recv(fds[0], buffer, sizeof(buffer), 0) : -1;
        return n < 0 ? "" : std::string(buffer, (size_t)n);
    }
    int fds[2];
};

std::string hex(const char *text)
{
    std::string out;
    for (; *text; text++) {
        if (*text != ' ') {
            out += (char)strtol(std::string(text, 2).c_str(), nullptr, 16);
            text++;
        }
    }
    return out;
}


class Net : public testing::TestWithParam<Setup>
{
  protected:
    void send(const std::string &frame)
    {
        send(NetHeader{}, frame);
    }
    /* With a header of its own. */
    void send(const NetHeader &header, const std::string &frame)
    {
        uint64_t h = m.ram.alloc(kHeader), a = m.ram.text(frame);
        m.ram.put<uint16_t>(h + 10, 0);
        memcpy(m.ram.at(h), &header, sizeof(header));
        m.request(1, { { h, kHeader }, { a, (uint32_t)frame.size() } }, {});
    }
    void give(uint32_t size)
    {
        uint64_t a = m.ram.alloc(size);
        buffers[m.submit(0, {}, { { a, size } })] = a;
    }
    std::string data(const Used &u)
    {
        return std::string((char *)m.ram.at(buffers[u.id]), u.written);
    }

    Wire wire{ SOCK_DGRAM };
    NetdevPtr netdev{ wire.text() };
    Machine m{ GetParam(), "virtio-net", ",netdev=n,mac=52:54:00:aa:bb:cc", { { "n", netdev.nd } } };
    std::map<uint16_t, uint64_t> buffers;
};

TEST_P(Net, HasItsAddressAndALink)
{
    EXPECT_EQ(m.config(0, 4), 0xaa005452u);
    EXPECT_EQ(m.config(4, 2), 0xccbbu);
    EXPECT_EQ(m.config(6, 2), 1u);
    m.start(2);
    netdev_set_link(netdev.nd, false);
    EXPECT_EQ(m.config(6, 2), 0u);
    EXPECT_TRUE(m.line());
    EXPECT_EQ(m.take_isr(), VIRTIO_ISR_config);
}

TEST_P(Net, SendsFrames)
{
    m.start(2);
    for (int i = 0; i < 50; i++) {
        std::string frame(60 + i * 20, (char)('a' + i % 26));
        send(frame);
        EXPECT_EQ(wire.read_frame(), frame);
    }
}

TEST_P(Net, ReceivesFrames)
{
    m.start(2);
    for (int i = 0; i < 50; i++) {
        std::string frame(60 + i * 20, (char)('a' + i % 26));
        give(2048);
        ASSERT_EQ(write(wire.fds[0], frame.data(), frame.size()), (ssize_t)frame.size());
        auto u = m.wait(0);
        ASSERT_TRUE(u);
        EXPECT_EQ(data(*u).substr(kHeader), frame);
        EXPECT_EQ(data(*u)[10], 1) << "buffers";
        m.ram.next -= 2048;
    }
}

TEST_P(Net, FramesWaitForBuffersInOrder)
{
    m.start(2);
    for (int i = 0; i < 20; i++) {
        std::string frame(100, (char)('A' + i));
        ASSERT_EQ(write(wire.fds[0], frame.data(), frame.size()), 100);
    }
    std::this_thread::sleep_for(std::chrono::milliseconds(20));
    for (int i = 0; i < 20; i++) {
        give(256);
        auto u = m.wait(0);
        ASSERT_TRUE(u) << i;
        EXPECT_EQ(data(*u).substr(kHeader), std::string(100, (char)('A' + i)));
    }
}

TEST_P(Net, LongFramesTakeSeveralBuffers)
{
    m.start(2);
    std::string frame(1400, 0), got;
    for (size_t i = 0; i < frame.size(); i++) {
        frame[i] = (char)(i * 31);
    }
    for (int i = 0; i < 3; i++) {
        give(500);
    }
    ASSERT_EQ(write(wire.fds[0], frame.data(), frame.size()), 1400);
    auto u = m.wait(0);
    ASSERT_TRUE(u);
    EXPECT_EQ(data(*u)[10], 3);
    got = data(*u).substr(kHeader);
    for (int i = 0; i < 2; i++) {
        u = m.queues[0]->take();
        ASSERT_TRUE(u) << "all are used when the first is seen";
        got += data(*u);
    }
    EXPECT_EQ(got, frame);
}

TEST_P(Net, WithoutMergingTooLongFramesAreDropped)
{
    m.start(2, 16, UINT64_C(1) << 15);
    give(200);
    give(2048);
    ASSERT_EQ(write(wire.fds[0], std::string(1000, 'x').data(), 1000), 1000);
    ASSERT_EQ(write(wire.fds[0], std::string(100, 'y').data(), 100), 100);
    auto u = m.wait(0);
    ASSERT_TRUE(u);
    EXPECT_EQ(data(*u).substr(kHeader), std::string(100, 'y'));
}

constexpr uint64_t kCsum = 1, kTso4 = 1 << 11, kTso6 = 1 << 12, kGuestTso4 = 1 << 7;

/* A socket's other end may be any machine: it gets whole checksums, and no long segments. */
TEST_P(Net, ChecksumsAreMadeForTheNetwork)
{
    m.start(2);
    EXPECT_TRUE(m.accepted & kCsum);
    EXPECT_FALSE(m.accepted & (kTso4 | kTso6 | kGuestTso4));
    std::string frame = std::string(20, 'h') + std::string("\x01\x02\x03\x04\x00\x00\xff\xfe\x05", 9);
    NetHeader h = { NET_NEEDS_CSUM, 0, 0, 0, 20, 4 };
    send(h, frame);
    /* 0102 + 0304 + 0000 + fffe + 0500 = 10904: 0905, and inverted f6fa */
    EXPECT_EQ(wire.read_frame(), frame.substr(0, 24) + "\xf6\xfa" + frame.substr(26));
    for (NetHeader bad : { NetHeader{ NET_NEEDS_CSUM, 0, 0, 0, 28, 0 }, NetHeader{ NET_NEEDS_CSUM, 0, 0, 0, 65535, 65535 },
                           NetHeader{ NET_NEEDS_CSUM, 0, 0, 0, 0, 65535 }, NetHeader{ NET_NEEDS_CSUM, 1, 0, 100, 20, 4 },
                           NetHeader{ 0, 1, 0, 100, 0, 0 }, NetHeader{ 0, 77, 0, 0, 0, 0 } }) {
        send(bad, frame);
    }
    send("the next one");
    EXPECT_EQ(wire.read_frame(), "the next one") << "what does not fit is dropped";
    EXPECT_FALSE(m.status() & VIRTIO_NEEDS_RESET);
}

TEST_P(Net, HeadersMeanNothingThatWasNotNegotiated)
{
    m.start(2, 16, kCsum);
    NetHeader h = { NET_NEEDS_CSUM, 0, 0, 0, 2, 0 };
    send(h, "as it is");
    EXPECT_EQ(wire.read_frame(), "as it is");
}

TEST(NetOffloads, LibslirpTakesLongSegmentsAndVouchesForItsChecksums)
{
    for (bool takes : { true, false }) {
        NetdevPtr n("user,ipv6=off");
        Machine m({ false, false, true, false }, "virtio-net", ",netdev=n", { { "n", n.nd } });
        m.start(2, 16, takes ? 0 : 2);
        EXPECT_EQ(m.accepted & (kTso4 | kTso6), kTso4 | kTso6);
        uint64_t a = m.ram.alloc(2048), h = m.ram.alloc(kHeader);
        std::string arp = hex("ffffffffffff 525400123456 0806 0001 0800 06 04 0001 525400123456 0a00020f "
                              "000000000000 0a000202");
        m.submit(0, {}, { { a, 2048 } });
        m.ram.put<uint64_t>(h, 0);
        m.ram.put<uint32_t>(h + 8, 0);
        m.request(1, { { h, kHeader }, { m.ram.text(arp), (uint32_t)arp.size() } }, {});
        ASSERT_TRUE(m.wait(0));
        EXPECT_EQ(*m.ram.at(a), takes ? NET_DATA_VALID : 0);
    }
}

/* The kernel's own network, if this user may make a TAP device. */
TEST(NetOffloads, TapWithHeaders)
{
    int tap = open("/dev/net/tun", O_RDWR | O_CLOEXEC), control = socket(AF_INET, SOCK_DGRAM, 0);
    ifreq r = {};
    r.ifr_flags = IFF_TAP | IFF_NO_PI | IFF_VNET_HDR;
    if (tap < 0 || ioctl(tap, TUNSETIFF, &r) < 0) {
        GTEST_SKIP() << "no TAP device can be made: " << strerror(errno);
    }
    r.ifr_flags = IFF_UP;
    ASSERT_EQ(ioctl(control, SIOCSIFFLAGS, &r), 0);
    ASSERT_EQ(ioctl(control, SIOCGIFINDEX, &r), 0);
    int packets = socket(AF_PACKET, SOCK_RAW, htons(0x88b5)); /* an experimental protocol */
    sockaddr_ll at = {};
    at.sll_family = AF_PACKET;
    at.sll_protocol = htons(0x88b5);
    at.sll_ifindex = r.ifr_ifindex;
    ASSERT_EQ(bind(packets, (sockaddr *)&at, sizeof(at)), 0);
    NetdevPtr n("tap,fd=" + std::to_string(tap));
    ASSERT_NE(n.nd, nullptr) << n.refusal;
    Machine m({ false, true, true, true }, "virtio-net", ",netdev=n", { { "n", n.nd } });
    m.start(2);
    EXPECT_EQ(m.accepted & (kTso4 | kGuestTso4), kTso4 | kGuestTso4);
    std::string frame = hex("ffffffffffff 525400123456 88b5") + std::string(60, 'x');
    uint64_t h = m.ram.alloc(kHeader), a = m.ram.alloc(2048);
    m.ram.put<uint64_t>(h, 0);
    m.ram.put<uint32_t>(h + 8, 0);
    m.request(1, { { h, kHeader }, { m.ram.text(frame), (uint32_t)frame.size() } }, {});
    char got[2048];
    pollfd p = { packets, POLLIN, 0 };
    ASSERT_EQ(poll(&p, 1, 60000), 1);
    ssize_t size = recv(packets, got, sizeof(got), 0);
    EXPECT_EQ(std::string(got, size > 0 ? (size_t)size : 0), frame);
    frame = hex("525400123456 0a0000000001 88b5") + std::string(60, 'y');
    m.submit(0, {}, { { a, 2048 } });
    ASSERT_EQ(::send(packets, frame.data(), frame.size(), 0), (ssize_t)frame.size());
    for (;;) { /* the kernel says things of its own on a new link */
        auto u = m.wait(0);
        ASSERT_TRUE(u);
        std::string text((char *)m.ram.at(a) + kHeader, u->written - kHeader);
        m.submit(0, {}, { { a, 2048 } });
        if (text == frame) {
            break;
        }
    }
    close(packets);
    close(control);
}

TEST_P(Net, AFrameWithoutHeaderBreaksTheDevice)
{
    m.start(2);
    m.submit(1, { { m.ram.alloc(8), 8 } }, {});
    EXPECT_TRUE(m.eventually([&] { return m.status() & VIRTIO_NEEDS_RESET; }));
}

TEST_P(Net, Fuzz)
{
    std::atomic<bool> stop{ false };
    std::thread noise([&] {
        std::string frame(3000, 'n');
        for (unsigned i = 0; !stop; i++) {
            (void)!::send(wire.fds[0], frame.data(), 14 + i * 37 % 2900, MSG_DONTWAIT);
            char sink[4096];
            while (recv(wire.fds[0], sink, sizeof(sink), MSG_DONTWAIT) > 0) {
            }
            std::this_thread::sleep_for(std::chrono::microseconds(100));
        }
    });
    fuzz_device(
        m, 2, 250,
        [&] {
            m.start(2);
            give(4096);
            EXPECT_TRUE(m.wait(0));
        },
        [](std::mt19937_64 &, uint8_t *, size_t) {});
    stop = true;
    noise.join();
}

INSTANTIATE_TEST_SUITE_P(Setups, Net, testing::ValuesIn(all_setups()), setup_name);

TEST(NetOptions, Errors)
{
    const struct {
        const char *text, *say;
    } cases[] = {
        { "tun", "user, tap, socket, null" },
        { "user,nett=1", "hostfwd=" },
        { "null,fd=1", "it has: none" },
        { "user,net=10.0.2.0/40", "8 to 27 bits" },
        { "user,net=10.0.2/24", "8 to 27 bits" },
        { "user,host=10.1.2.2", "not in the guest's network" },
        { "user,dns=x", "not an IPv4 address" },
        { "user,restrict=maybe", "on or off" },
        { "user,hostfwd=tcp::80", "PORT-[GUESTADDR]" },
        { "user,hostfwd=sctp::8080-:80", "PORT-[GUESTADDR]" },
        { "user,hostfwd=tcp::99999-:80", "PORT-[GUESTADDR]" },
        { "tap,fd=99", "not an open descriptor" },
        { "tap,fd=x", "not an open descriptor" },
        { "tap", "not an open descriptor" },
        { "tap,fd=0", "not a TAP device" },
        { "socket,fd=0", "not a socket" },
    };
    int zero = dup(0);
    int null = open("/dev/null", O_RDWR);
    dup2(null, 0);
    for (const auto &c : cases) {
        NetdevPtr n(c.text);
        EXPECT_EQ(n.nd, nullptr) << c.text;
        EXPECT_NE(n.refusal.find(c.say), std::string::npos) << c.text << ": " << n.refusal;
        EXPECT_EQ(n.refusal.find("netdev 'n': "), 0u);
    }
    dup2(zero, 0);
    close(zero);
    close(null);
}

TEST(NetOptions, OneDevicePerNetdev)
{
    NetdevPtr n("null");
    virtio_test::Setup s = { false, false, false, false };
    Machine a(s, "virtio-net", ",netdev=n", { { "n", n.nd } });
    EXPECT_EQ(a.config(4, 2), 0x5634u);
    Machine b(s, "virtio-net", ",netdev=n", { { "n", n.nd } });
    EXPECT_NE(b.refusal.find("has a device already"), std::string::npos) << b.refusal;
    Machine c(s, "virtio-net", ",netdev=n,mac=01:02:03:04:05:06", { { "n", n.nd } });
    EXPECT_NE(c.refusal.find("station's address"), std::string::npos) << c.refusal;
    Machine d(s, "virtio-net", "");
    EXPECT_NE(d.refusal.find("netdev=ID"), std::string::npos) << d.refusal;
}

void send_to(Netdev *nd, std::string frame)
{
    NetHeader none = {};

    netdev_send(nd, &none, (uint8_t *)&frame[0], frame.size());
}

/* A peer that keeps what it gets. */
struct Peer {
    explicit Peer(Netdev *nd) : nd(nd)
    {
        NetPeer p = { receive, nullptr, this };
        EXPECT_TRUE(netdev_connect(nd, &p));
    }
    ~Peer()
    {
        EXPECT_TRUE(netdev_connect(nd, nullptr));
    }
    static bool receive(void *opaque, const NetHeader *, const uint8_t *frame, size_t size)
    {
        Peer *p = static_cast<Peer *>(opaque);
        std::lock_guard<std::mutex> hold(p->lock);
        p->frames.emplace_back((const char *)frame, size);
        return true;
    }
    /* The first frame that `wanted` likes. */
    std::string wait(const std::function<bool(const std::string &)> &wanted)
    {
        for (int i = 0; i < 60000; i++) {
            {
                std::lock_guard<std::mutex> hold(lock);
                while (!frames.empty()) {
                    std::string f = frames.front();
                    frames.erase(frames.begin());
                    if (wanted(f)) {
                        return f;
                    }
                }
            }
            std::this_thread::sleep_for(std::chrono::milliseconds(1));
        }
        return "";
    }
    Netdev *nd;
    std::mutex lock;
    std::vector<std::string> frames;
};

TEST(SocketStream, FramesOfAnyLength)
{
    Wire wire(SOCK_STREAM);
    NetdevPtr n(wire.text());
    ASSERT_NE(n.nd, nullptr) << n.refusal;
    Peer peer(n.nd);
    std::string out;
    for (unsigned i = 0; i < 40; i++) {
        uint32_t length = htonl(20 + i * 300);
        out += std::string((char *)&length, 4) + std::string(20 + i * 300, (char)('a' + i % 26));
    }
    for (size_t at = 0; at < out.size(); at += 777) {
        std::string part = out.substr(at, 777);
        ASSERT_EQ(write(wire.fds[0], part.data(), part.size()), (ssize_t)part.size());
    }
    for (unsigned i = 0; i < 40; i++) {
        EXPECT_EQ(peer.wait([](const std::string &) { return true; }),
                  std::string(20 + i * 300, (char)('a' + i % 26)));
    }
    send_to(n.nd, "hello");
    EXPECT_EQ(wire.read_frame(), std::string("\0\0\0\5hello", 9));
}

TEST(SocketStream, ALyingLengthEndsIt)
{
    Wire wire(SOCK_STREAM);
    NetdevPtr n(wire.text());
    Peer peer(n.nd);
    ASSERT_EQ(write(wire.fds[0], "\xff\xff\xff\xffxxxx", 8), 8);
    bool over = false;
    for (int i = 0; i < 60000 && !over; i++) {
        std::this_thread::sleep_for(std::chrono::milliseconds(1));
        send_to(n.nd, "hello");
        over = wire.read_frame(50).empty();
    }
    EXPECT_TRUE(over);
}

/* ---- libslirp ---- */

const char kArp[] = "ffffffffffff 525400123456 0806 0001 0800 06 04 0001 525400123456 0a00020f "
                    "000000000000 0a000202";

TEST(User, AnswersArp)
{
    NetdevPtr n("user");
    ASSERT_NE(n.nd, nullptr) << n.refusal;
    Peer peer(n.nd);
    send_to(n.nd, hex(kArp));
    std::string reply = peer.wait([](const std::string &f) {
        return f.size() >= 42 && f.substr(12, 2) == hex("0806") && f[21] == 2;
    });
    ASSERT_GE(reply.size(), 42u);
    EXPECT_EQ(reply.substr(28, 4), hex("0a000202")) << "10.0.2.2 is the host";
    EXPECT_EQ(reply.substr(0, 6), hex("525400123456"));
}

uint16_t checksum(const std::string &s)
{
    uint32_t sum = 0;
    for (size_t i = 0; i < s.size(); i += 2) {
        sum += (uint8_t)s[i] << 8 | (i + 1 < s.size() ? (uint8_t)s[i + 1] : 0);
    }
    sum = (sum & 0xffff) + (sum >> 16);
    return (uint16_t)~((sum & 0xffff) + (sum >> 16));
}

/* A UDP packet to the host's own port by 10.0.2.2, and the answer back. */
TEST(User, UdpReachesTheHostAndComesBack)
{
    int s = socket(AF_INET, SOCK_DGRAM, 0);
    sockaddr_in a = {};
    socklen_t size = sizeof(a);
    a.sin_family = AF_INET;
    a.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    ASSERT_EQ(bind(s, (sockaddr *)&a, sizeof(a)), 0);
    ASSERT_EQ(getsockname(s, (sockaddr *)&a, &size), 0);
    unsigned port = ntohs(a.sin_port);

    NetdevPtr n("user,ipv6=off");
    Peer peer(n.nd);
    send_to(n.nd, hex(kArp));
    std::string host_mac = peer.wait([](const std::string &f) { return f[13] == 6; }).substr(6, 6);
    ASSERT_EQ(host_mac.size(), 6u);
    std::string ip = hex("4500 0021 0001 0000 40 11 0000 0a00020f 0a000202");
    uint16_t sum = checksum(ip);
    ip[10] = (char)(sum >> 8);
    ip[11] = (char)sum;
    std::string udp = hex("1234 0000 000d 0000") + "hello";
    udp[2] = (char)(port >> 8);
    udp[3] = (char)port;
    send_to(n.nd, host_mac + hex("525400123456 0800") + ip + udp);
    char buffer[16] = {};
    pollfd p = { s, POLLIN, 0 };
    ASSERT_EQ(poll(&p, 1, 60000), 1);
    EXPECT_EQ(recvfrom(s, buffer, sizeof(buffer), 0, (sockaddr *)&a, &size), 5);
    EXPECT_STREQ(buffer, "hello");
    ASSERT_EQ(sendto(s, "world!", 6, 0, (sockaddr *)&a, size), 6);
    std::string back = peer.wait([](const std::string &f) {
        return f.size() >= 48 && f.substr(12, 2) == hex("0800") && f[23] == 17;
    });
    ASSERT_GE(back.size(), 48u);
    EXPECT_EQ(back.substr(42, 6), "world!");
    close(s);
}

/* Someone connects to the forwarded port: the guest sees a SYN for its own. */
TEST(User, ForwardsAPort)
{
    int port = 0;
    std::unique_ptr<NetdevPtr> n;
    for (int i = 0; i < 50 && !port; i++) {
        int p = 20000 + (getpid() * 7 + i * 131) % 30000;
        n = std::make_unique<NetdevPtr>("user,ipv6=off,hostfwd=tcp::" + std::to_string(p) + "-:22");
        port = n->nd ? p : 0;
    }
    ASSERT_NE(port, 0) << n->refusal;
    NetdevPtr second("user,hostfwd=tcp:127.0.0.1:" + std::to_string(port) + "-:22");
    EXPECT_NE(second.refusal.find("taken"), std::string::npos) << second.refusal;
    Peer peer(n->nd);
    send_to(n->nd, hex(kArp)); /* so that it knows 10.0.2.15 */
    int s = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
    sockaddr_in a = {};
    a.sin_family = AF_INET;
    a.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    a.sin_port = htons((uint16_t)port);
    (void)!connect(s, (sockaddr *)&a, sizeof(a));
    std::string syn = peer.wait([](const std::string &f) {
        return f.size() >= 54 && f.substr(12, 2) == hex("0800") && f[23] == 6 && (f[47] & 2);
    });
    ASSERT_GE(syn.size(), 54u);
    EXPECT_EQ(syn.substr(30, 4), hex("0a00020f"));
    EXPECT_EQ(syn.substr(36, 2), hex("0016"));
    close(s);
}

} // namespace
