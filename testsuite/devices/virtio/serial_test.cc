/* SPDX-License-Identifier: Apache-2.0 */
#include <fcntl.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "testsuite/devices/virtio/machine.h"

extern "C" {
#include "devices/host/chardev.h"
}

using namespace virtio_test;

namespace
{

/* A ring buffer takes what the guest writes; a UNIX socket talks both ways. */
class Serial : public testing::TestWithParam<virtio_test::Setup>
{
  protected:
    void SetUp() override
    {
        GError *error = nullptr;

        signal(SIGPIPE, SIG_IGN); /* as in ketch vm */
        path = std::string(mkdtemp(folder)) + "/socket";
        loop = io_new();
        chars[0] = chardev_new(loop, "a", "ringbuf,size=65536", false, nullptr, &error);
        ASSERT_NE(chars[0], nullptr) << error->message;
        chars[1] = chardev_new(loop, "b", ("socket,path=" + path + ",server=on,wait=off").c_str(),
                               false, nullptr, &error);
        ASSERT_NE(chars[1], nullptr) << error->message;
        m = std::make_unique<Machine>(
            GetParam(), "virtio-serial", "",
            std::map<std::string, void *>{ { "a", chars[0] }, { "b", chars[1] } });
        ASSERT_NE(dev_plug(m->bus, "virtserialport,chardev=b,name=org.example", &error), nullptr);
        ASSERT_NE(dev_plug(m->bus, "virtconsole,chardev=a", &error), nullptr);
    }
    void TearDown() override
    {
        m.reset();
        for (Chardev *c : chars) {
            chardev_free(c);
        }
        io_free(loop);
        unlink(path.c_str());
        rmdir(folder);
    }
    int connect_socket()
    {
        sockaddr_un a = {};
        int s = socket(AF_UNIX, SOCK_STREAM, 0);

        a.sun_family = AF_UNIX;
        strcpy(a.sun_path, path.c_str());
        EXPECT_EQ(connect(s, (sockaddr *)&a, sizeof(a)), 0);
        return s;
    }
    std::string from_ringbuf()
    {
        char buffer[70000];
        return std::string(buffer, chardev_ringbuf_read(chars[0], buffer, sizeof(buffer)));
    }
    void control(uint32_t port, uint16_t event, uint16_t value)
    {
        uint64_t a = m->ram.alloc(8);

        m->ram.put<uint32_t>(a, port);
        m->ram.put<uint16_t>(a + 4, event);
        m->ram.put<uint16_t>(a + 6, value);
        m->request(3, { { a, 8 } }, {});
    }
    void give(unsigned queue, uint32_t size = 64)
    {
        uint64_t a = m->ram.alloc(size);
        buffers[queue][m->submit(queue, {}, { { a, size } })] = a;
    }
    std::string next(unsigned queue, int line = __builtin_LINE())
    {
        auto u = m->wait(queue);
        EXPECT_TRUE(u) << "line " << line;
        return u ? std::string((char *)m->ram.at(buffers[queue][u->id]), u->written) : "";
    }
    static std::string message(uint8_t port, uint8_t event, uint8_t value, const std::string &more = "")
    {
        return std::string({ (char)port, 0, 0, 0, (char)event, 0, (char)value, 0 }) + more;
    }
    void start()
    {
        m->start(6);
        for (int i = 0; i < 8; i++) {
            give(2);
        }
        control(0, 0, 1);
        EXPECT_EQ(next(2), message(0, 1, 1));
        EXPECT_EQ(next(2), message(1, 1, 1));
    }

    char folder[32] = "/tmp/ketch-serial-XXXXXX"; /* the name of a socket must be short */
    std::string path;
    IoLoop *loop;
    Chardev *chars[2];
    std::unique_ptr<Machine> m;
    std::map<uint16_t, uint64_t> buffers[16];
};

TEST_P(Serial, ConsoleWritesWithoutMultiport)
{
    m->start(2, 16, 2);
    m->request(1, { { m->ram.text("hello "), 6 }, { m->ram.text("world\n"), 6 } }, {});
    EXPECT_EQ(from_ringbuf(), "hello world\n");
    std::string big(5000, 'x');
    for (int i = 0; i < 5; i++) {
        m->request(1, { { m->ram.text(big), 5000 } }, {});
    }
    EXPECT_TRUE(m->eventually([&] {
        static size_t sum = 0;
        return (sum += from_ringbuf().size()) >= 25000;
    }));
}

TEST_P(Serial, PortsIntroduceThemselves)
{
    start();
    control(0, 3, 1);
    EXPECT_EQ(next(2), message(0, 4, 1)) << "a console";
    control(1, 3, 1);
    EXPECT_EQ(next(2), message(1, 7, 1, "org.example"));
}

TEST_P(Serial, SocketBothWays)
{
    start();
    control(1, 3, 1);
    EXPECT_EQ(next(2), message(1, 7, 1, "org.example"));
    int s = connect_socket();
    EXPECT_EQ(next(2), message(1, 6, 1)) << "somebody is at the other end";
    control(1, 6, 1);
    ASSERT_EQ(write(s, "ping", 4), 4);
    give(4);
    EXPECT_EQ(next(4), "ping");
    give(4, 2);
    give(4, 64);
    ASSERT_EQ(write(s, "longer", 6), 6);
    std::string got = next(4);
    got += next(4);
    while (got.size() < 6) {
        give(4);
        got += next(4);
    }
    EXPECT_EQ(got, "longer");
    m->request(5, { { m->ram.text("pong"), 4 } }, {});
    char buffer[8] = {};
    EXPECT_EQ(read(s, buffer, 8), 4);
    EXPECT_STREQ(buffer, "pong");
    close(s);
    EXPECT_EQ(next(2), message(1, 6, 0));
}

TEST_P(Serial, EmergencyWrite)
{
    EXPECT_EQ(m->config(4), 7u) << "ports";
    m->set_config(8, 'E');
    EXPECT_EQ(from_ringbuf(), "E");
}

TEST_P(Serial, Fuzz)
{
    int s = connect_socket();
    fuzz_device(
        *m, 6, 250,
        [&] {
            char sink[65536];
            while (recv(s, sink, sizeof(sink), MSG_DONTWAIT) > 0) {
            }
            (void)!write(s, "noise", 5);
            from_ringbuf();
            m->start(2, 16, 2);
            m->request(1, { { m->ram.text("hi"), 2 } }, {});
        },
        [](std::mt19937_64 &random, uint8_t *p, size_t n) {
            if (n >= 8) {
                memset(p, 0, 8);
                p[0] = (uint8_t)(random() % 3);
                p[4] = (uint8_t)(random() % 8);
                p[6] = (uint8_t)(random() % 2);
            }
        });
    close(s);
}

INSTANTIATE_TEST_SUITE_P(Setups, Serial, testing::ValuesIn(all_setups()), setup_name);

TEST(SerialFlow, ASlowReaderHoldsTheGuestBack)
{
    std::string path = testing::TempDir() + "slow-reader-" + std::to_string(getpid());
    IoLoop *loop = io_new();
    GError *error = nullptr;

    ASSERT_EQ(mkfifo(path.c_str(), 0600), 0);
    int s = open(path.c_str(), O_RDONLY | O_NONBLOCK);
    Chardev *c = chardev_new(loop, "f", ("file,path=" + path).c_str(), false, nullptr, &error);
    ASSERT_NE(c, nullptr) << error->message;
    {
        Machine m({ false, true, true, true }, "virtio-serial", "", { { "f", c } });
        ASSERT_NE(dev_plug(m.bus, "virtconsole,chardev=f", &error), nullptr);
        m.start(2, 16, 2);
        std::string big(60000, 0), got;
        unsigned submitted = 0, done = 0;
        for (size_t i = 0; i < big.size(); i++) {
            big[i] = (char)(i * 7 + i / 256);
        }
        uint64_t a = m.ram.text(big);
        for (int i = 0; i < 8; i++, submitted++) {
            m.submit(1, { { a, 60000 } }, {});
        }
        std::this_thread::sleep_for(std::chrono::milliseconds(50));
        while (m.queues[1]->take()) {
            done++;
        }
        EXPECT_LT(done, submitted);
        m.eventually([&] {
            char buffer[65536];
            ssize_t n = read(s, buffer, sizeof(buffer));
            got.append(buffer, n > 0 ? (size_t)n : 0);
            return got.size() >= submitted * big.size();
        });
        ASSERT_EQ(got.size(), submitted * big.size());
        for (unsigned i = 0; i < submitted; i++) {
            EXPECT_EQ(got.substr(i * big.size(), big.size()), big) << i;
        }
        while (done < submitted) {
            ASSERT_TRUE(m.wait(1));
            done++;
        }
    }
    chardev_free(c);
    io_free(loop);
    close(s);
    unlink(path.c_str());
}

/* A snapshot says that the name of a port without one is to be told. */
TEST(SerialSnapshot, OnlyEventsThatThePortHasAreTold)
{
    Machine m({ false, false, true, false }, "virtio-serial");
    GError *error = nullptr;
    Dev *port = dev_plug(m.bus, "virtserialport", &error);
    ASSERT_NE(port, nullptr);
    m.start(4, 16);
    dev_each_field(port, [](void *, const DevField *f, void *data) {
        if (!strcmp(f->name, "pending")) {
            memset(data, 0xff, f->size);
        }
    }, nullptr);
    port->type->loaded(port);
    std::vector<unsigned> events;
    for (int i = 0; i < 3; i++) {
        uint64_t a = m.ram.alloc(64);
        EXPECT_EQ(m.request(2, {}, { { a, 64 } }), 8u);
        events.push_back(m.ram.get<uint16_t>(a + 4));
    }
    EXPECT_EQ(events, (std::vector<unsigned>{ 1, 4, 6 }));
    m.submit(2, {}, { { m.ram.alloc(64), 64 } });
    EXPECT_FALSE(m.wait(2, 0));
}

TEST(SerialOptions, PortZeroIsAConsole)
{
    Machine m({ false, false, false, false }, "virtio-serial");
    GError *error = nullptr;
    for (int i = 1; i < 7; i++) {
        Dev *p = dev_plug(m.bus, "virtserialport", &error);
        ASSERT_NE(p, nullptr) << error->message;
        EXPECT_EQ(p->slot, (unsigned)i);
    }
    EXPECT_EQ(dev_plug(m.bus, "virtserialport", &error), nullptr);
    EXPECT_NE(std::string(error->message).find("virtconsole"), std::string::npos);
    g_clear_error(&error);
    EXPECT_NE(dev_plug(m.bus, "virtconsole", &error), nullptr);
}

} // namespace
