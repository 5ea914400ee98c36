// SPDX-License-Identifier: Apache-2.0
// Chardevs, and the serial port on one.
#include <fcntl.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <atomic>
#include <cstring>
#include <string>
#include <thread>

#include "testsuite/devices/harness.h"

extern "C" {
#include "devices/host/chardev.h"
}

namespace {

constexpr uint64_t kBase = Harness::kDeviceBase;
enum { DATA, IER, IIR, FCR = 2, LCR, MCR, LSR, MSR, SCR };

// Waits up to a minute for what should be at once.
template <typename F> bool soon(F f)
{
  for (int i = 0; i < 60000; i++) {
    if (f())
      return true;
    std::this_thread::sleep_for(std::chrono::milliseconds(1));
  }
  return false;
}

struct Loop {
  IoLoop *loop = io_new();
  ~Loop() { io_free(loop); }
};

// Takes what comes, up to `limit` bytes in all.
struct Sink {
  ChardevPort port = {};
  std::string got;
  std::atomic<size_t> limit{1 << 20}, count{0};
  std::atomic<int> breaks{0}, opened{0}, closed{0}, in{0}, out{0};
  static const ChardevOps ops;
};

const ChardevOps Sink::ops = {
    [](void *s) { return static_cast<Sink *>(s)->limit - static_cast<Sink *>(s)->count; },
    [](void *s, const uint8_t *data, size_t n) {
      static_cast<Sink *>(s)->got.append(reinterpret_cast<const char *>(data), n);
      static_cast<Sink *>(s)->count += n;
    },
    [](void *opaque, ChardevEvent e) {
      Sink *s = static_cast<Sink *>(opaque);
      s->breaks += e == CHARDEV_break;
      s->opened += e == CHARDEV_opened;
      s->closed += e == CHARDEV_closed;
      s->in += e == CHARDEV_focus_in;
      s->out += e == CHARDEV_focus_out;
    },
    nullptr,
};

struct SocketTest : testing::Test {
  Loop l;
  Chardev *c = nullptr;
  char folder[32] = "/tmp/ketch-chardev-XXXXXX"; /* the name of a socket must be short */
  std::string path = std::string(mkdtemp(folder)) + "/socket";
  int fd = -1;
  std::atomic<int> quits{0};
  ChardevHost host = {[](void *o) { static_cast<SocketTest *>(o)->quits++; }, nullptr, this, 0};

  void open(bool mux)
  {
    GError *error = nullptr;
    c = chardev_new(l.loop, "c", ("socket,server=on,wait=off,path=" + path).c_str(), mux, &host,
                    &error);
    ASSERT_TRUE(c) << error->message;
    connect();
  }
  void connect()
  {
    sockaddr_un addr = {};
    addr.sun_family = AF_UNIX;
    strcpy(addr.sun_path, path.c_str());
    fd = socket(AF_UNIX, SOCK_STREAM, 0);
    ASSERT_EQ(0, ::connect(fd, reinterpret_cast<sockaddr *>(&addr), sizeof(addr)));
  }
  void TearDown() override
  {
    close(fd);
    chardev_free(c);
    EXPECT_EQ(0, rmdir(folder)) << "the socket's file is left over";
  }
  void send(const std::string &s) { EXPECT_EQ(ssize_t(s.size()), ::write(fd, s.data(), s.size())); }
  std::string receive(size_t n)
  {
    std::string s(n, 0);
    size_t got = 0;
    pollfd p = {fd, POLLIN, 0};
    while (got < n && poll(&p, 1, 60000) > 0) {
      ssize_t r = ::read(fd, &s[got], n - got);
      if (r <= 0)
        break;
      got += size_t(r);
    }
    return s.substr(0, got);
  }
};

TEST_F(SocketTest, BothWaysAndOnlyForItsOwner)
{
  Sink s;
  struct stat st;
  open(false);
  ASSERT_EQ(0, stat(path.c_str(), &st));
  EXPECT_EQ(0600u, st.st_mode & 0777);
  ASSERT_TRUE(chardev_attach(&s.port, c, &Sink::ops, &s));
  ASSERT_FALSE(chardev_attach(&s.port, c, &Sink::ops, &s)) << "no mux";
  send("hello");
  EXPECT_TRUE(soon([&] { return s.count == 5; }));
  EXPECT_EQ(5u, chardev_write(&s.port, "world", 5));
  EXPECT_EQ("world", receive(5));
  chardev_detach(&s.port);
  EXPECT_EQ("hello", s.got);
}

TEST_F(SocketTest, InputWaitsForRoomAndNothingIsLost)
{
  Sink s;
  s.limit = 3;
  open(false);
  ASSERT_TRUE(chardev_attach(&s.port, c, &Sink::ops, &s));
  std::string text;
  for (int i = 0; i < 5000; i++)
    text += char('a' + i % 26);
  send(text);
  EXPECT_TRUE(soon([&] { return s.count == 3; }));
  while (s.limit < text.size()) {
    s.limit = std::min(s.limit + 997, text.size());
    chardev_accept(&s.port);
    EXPECT_TRUE(soon([&] { return s.count == s.limit; }));
  }
  chardev_detach(&s.port);
  EXPECT_EQ(text, s.got);
}

// Gets room while it is telling that it has none.
TEST_F(SocketTest, RoomThatComesWhileItIsAskedForIsSeen)
{
  struct Late {
    ChardevPort port = {};
    std::atomic<size_t> count{0};
    bool has_room = false;
  } late;
  static const ChardevOps ops = {
      [](void *opaque) {
        Late *l = static_cast<Late *>(opaque);
        size_t room = l->has_room ? 100 : 0;
        l->has_room = true;
        chardev_accept(&l->port);
        return room;
      },
      [](void *opaque, const uint8_t *, size_t n) { static_cast<Late *>(opaque)->count += n; },
      nullptr, nullptr};
  open(false);
  ASSERT_TRUE(chardev_attach(&late.port, c, &ops, &late));
  send("abc");
  EXPECT_TRUE(soon([&] { return late.count == 3; }));
  chardev_detach(&late.port);
}

TEST_F(SocketTest, SecondClientAfterTheFirst)
{
  Sink s;
  open(false);
  ASSERT_TRUE(chardev_attach(&s.port, c, &Sink::ops, &s));
  send("1");
  EXPECT_TRUE(soon([&] { return s.count == 1; }));
  close(fd);
  EXPECT_TRUE(soon([&] { return s.closed == 1; }));
  EXPECT_EQ(4u, chardev_write(&s.port, "lost", 4)) << "nobody listens: dropped, not kept";
  connect();
  send("2");
  EXPECT_TRUE(soon([&] { return s.count == 2; }));
  chardev_detach(&s.port);
}

TEST_F(SocketTest, MuxKeys)
{
  Sink a, b;
  open(true);
  ASSERT_TRUE(chardev_attach(&a.port, c, &Sink::ops, &a));
  ASSERT_TRUE(chardev_attach(&b.port, c, &Sink::ops, &b));
  send("x\001bq");
  EXPECT_TRUE(soon([&] { return a.count == 2 && a.breaks == 1; }));
  send("\001cy\001\001");
  EXPECT_TRUE(soon([&] { return b.count == 2; }));
  send("\001cz\001x\001k");
  EXPECT_TRUE(soon([&] { return a.count == 3 && quits == 1; }));
  send("\001h");
  EXPECT_NE(std::string::npos, receive(60).find("C-a h"));
  chardev_detach(&a.port);
  chardev_detach(&b.port);
  EXPECT_EQ("xqz", a.got);
  EXPECT_EQ("y\001", b.got);
  EXPECT_EQ(1, b.in);
  EXPECT_EQ(1, b.out);
  EXPECT_EQ(0, b.breaks);
}

TEST(Chardev, UnknownKindsAndOptionsAreNamed)
{
  Loop l;
  GError *error = nullptr;
  EXPECT_EQ(nullptr, chardev_new(l.loop, "c", "telepathy", false, nullptr, &error));
  EXPECT_NE(nullptr, strstr(error->message, "'telepathy'"));
  EXPECT_NE(nullptr, strstr(error->message, "stdio, pty"));
  g_clear_error(&error);
  EXPECT_EQ(nullptr, chardev_new(l.loop, "c", "file,colour=red", false, nullptr, &error));
  EXPECT_NE(nullptr, strstr(error->message, "'colour=red'"));
  g_clear_error(&error);
  EXPECT_EQ(nullptr, chardev_new(l.loop, "c", "file,path=/nowhere/x", false, nullptr, &error));
  g_clear_error(&error);
}

TEST(Chardev, FileHoldsAllThatWasWritten)
{
  std::string path = testing::TempDir() + "ketch-file-" + std::to_string(getpid());
  std::string text(50000, 'k');
  {
    Loop l;
    Sink s;
    Chardev *c = chardev_new(l.loop, "c", ("file,path=" + path).c_str(), false, nullptr, nullptr);
    ASSERT_TRUE(c);
    ASSERT_TRUE(chardev_attach(&s.port, c, &Sink::ops, &s));
    EXPECT_EQ(text.size(), chardev_write(&s.port, text.data(), text.size()));
    chardev_detach(&s.port);
    chardev_free(c);
  }
  struct stat st;
  ASSERT_EQ(0, stat(path.c_str(), &st));
  EXPECT_EQ(off_t(text.size()), st.st_size);
  unlink(path.c_str());
}

// As the monitor's chardev-send-break has it.
TEST_F(SocketTest, ABreakCanBeSentFromHere)
{
  Sink a;
  open(false);
  ASSERT_TRUE(chardev_attach(&a.port, c, &Sink::ops, &a));
  chardev_send_break(c);
  EXPECT_TRUE(soon([&] { return a.breaks == 1; }));
  chardev_detach(&a.port);
}

// As old scripts write them: "server,nowait".
TEST_F(SocketTest, SwitchesHaveShortForms)
{
  GError *error = nullptr;
  c = chardev_new(l.loop, "c", ("socket,path=" + path + ",server,nowait,nomux").c_str(), false, &host, &error);
  ASSERT_TRUE(c) << error->message;
  connect();
  EXPECT_FALSE(chardev_is_mux(c));
  EXPECT_EQ(nullptr, chardev_new(l.loop, "d", "socket,path=x,telnet", false, nullptr, &error));
  EXPECT_NE(nullptr, strstr(error->message, "'telnet=on'"));
  g_clear_error(&error);
}

TEST_F(SocketTest, AnotherKeyMayBeTheOne)
{
  Sink a, b;
  host.escape = 0x14;  // Ctrl-t
  open(true);
  ASSERT_TRUE(chardev_attach(&a.port, c, &Sink::ops, &a));
  ASSERT_TRUE(chardev_attach(&b.port, c, &Sink::ops, &b));
  send("\001x\024cy");
  EXPECT_TRUE(soon([&] { return b.count == 1; }));
  send("\024h");
  EXPECT_NE(std::string::npos, receive(60).find("C-t h"));
  chardev_detach(&a.port);
  chardev_detach(&b.port);
  EXPECT_EQ("\001x", a.got);
  EXPECT_EQ("y", b.got);
  EXPECT_EQ(0, quits);
}

TEST(Chardev, AllOutputIsInTheLogFile)
{
  std::string path = testing::TempDir() + "ketch-log-" + std::to_string(getpid());
  for (const char *more : {"", ",logappend=on"}) {
    Loop l;
    Sink s;
    Chardev *c = chardev_new(l.loop, "c", ("null,logfile=" + path + more).c_str(), false, nullptr, nullptr);
    ASSERT_TRUE(c && chardev_attach(&s.port, c, &Sink::ops, &s));
    chardev_write(&s.port, "hello ", 6);
    chardev_write(&s.port, "log\n", 4);
    chardev_detach(&s.port);
    chardev_free(c);
  }
  gchar *text = nullptr;
  ASSERT_TRUE(g_file_get_contents(path.c_str(), &text, nullptr, nullptr));
  EXPECT_STREQ("hello log\nhello log\n", text);
  g_free(text);
  unlink(path.c_str());
  Loop l;
  GError *error = nullptr;
  EXPECT_EQ(nullptr, chardev_new(l.loop, "c", "null,logfile=/nowhere/x", false, nullptr, &error));
  EXPECT_NE(nullptr, strstr(error->message, "/nowhere/x"));
  g_clear_error(&error);
}

TEST(Chardev, RingbufKeepsTheLast)
{
  Loop l;
  Sink s;
  char got[32];
  Chardev *c = chardev_new(l.loop, "c", "ringbuf,size=8", false, nullptr, nullptr);
  ASSERT_TRUE(c && chardev_attach(&s.port, c, &Sink::ops, &s));
  chardev_write(&s.port, "0123456", 7);
  chardev_write(&s.port, "789", 3);
  EXPECT_EQ(8u, chardev_ringbuf_read(c, got, sizeof(got)));
  EXPECT_EQ("23456789", std::string(got, 8));
  chardev_write(&s.port, "abcdefghijklmnop", 16);
  EXPECT_EQ(3u, chardev_ringbuf_read(c, got, 3));
  EXPECT_EQ("ijk", std::string(got, 3));
  chardev_detach(&s.port);
  chardev_free(c);
}

TEST(Chardev, PtyCarriesBytes)
{
  Loop l;
  Sink s;
  Chardev *c = chardev_new(l.loop, "c", "pty", false, nullptr, nullptr);
  ASSERT_TRUE(c && chardev_attach(&s.port, c, &Sink::ops, &s));
  int fd = open(chardev_label(c) + strlen("pty:"), O_RDWR | O_NOCTTY);
  ASSERT_GE(fd, 0);
  EXPECT_EQ(2, write(fd, "ab", 2));
  EXPECT_TRUE(soon([&] { return s.count == 2; }));
  chardev_write(&s.port, "cd", 2);
  char got[2] = {};
  EXPECT_EQ(2, read(fd, got, 2));
  EXPECT_EQ("cd", std::string(got, 2));
  close(fd);
  chardev_detach(&s.port);
  chardev_free(c);
}

// ---- NS16550A ----

struct UartTest : testing::Test {
  Loop l;
  Harness h;
  Dev *uart = h.add(&dev_ns16550a);
  UartTest() { h.connect(uart, 0, 0); }
  uint64_t in(unsigned r) { return h.read(kBase + r, 1); }
  void out(unsigned r, uint64_t v) { h.write(kBase + r, v, 1); }
};

TEST_F(UartTest, LoopbackFifoTriggerAndOverrun)
{
  out(FCR, 0x41);  // enabled, trigger at 4
  out(MCR, 0x10);
  out(IER, 1);
  EXPECT_EQ(0xc1u, in(IIR));
  out(DATA, 'a');
  EXPECT_EQ(0xccu, in(IIR)) << "below the trigger: timed out";
  for (char c : {'b', 'c', 'd'})
    out(DATA, uint64_t(c));
  EXPECT_EQ(0xc4u, in(IIR));
  EXPECT_TRUE(h.level[0]);
  for (int i = 0; i < 13; i++)
    out(DATA, 'e');
  EXPECT_EQ(0x63u, in(LSR)) << "ready, overrun, transmitter empty";
  EXPECT_EQ(0x61u, in(LSR)) << "reading it clears the overrun";
  EXPECT_EQ(uint64_t('a'), in(DATA));
  out(FCR, 0x43);
  EXPECT_EQ(0x60u, in(LSR));
  EXPECT_FALSE(h.level[0]);
}

TEST_F(UartTest, WithoutFifoOneByte)
{
  out(MCR, 0x10);
  out(DATA, 'a');
  out(DATA, 'b');
  EXPECT_EQ(0x63u, in(LSR));
  EXPECT_EQ(uint64_t('a'), in(DATA));
  EXPECT_EQ(0x60u, in(LSR));
  EXPECT_EQ(0x01u, in(IIR)) << "no FIFO bits";
}

TEST_F(UartTest, TransmitterInterruptComesWhenEnabledAndGoesWhenSeen)
{
  EXPECT_FALSE(h.level[0]);
  out(IER, 2);
  EXPECT_TRUE(h.level[0]);
  EXPECT_EQ(0x02u, in(IIR));
  EXPECT_FALSE(h.level[0]);
  EXPECT_EQ(0x01u, in(IIR));
  out(DATA, 'x');
  EXPECT_TRUE(h.level[0]);
}

TEST_F(UartTest, DivisorLatchHidesDataAndEnable)
{
  out(IER, 1);
  out(LCR, 0x83);
  out(DATA, 0x34);
  out(IER, 0x12);
  EXPECT_EQ(0x34u, in(DATA));
  EXPECT_EQ(0x12u, in(IER));
  out(LCR, 3);
  EXPECT_EQ(1u, in(IER));
  EXPECT_EQ(0x60u, in(LSR)) << "nothing was sent";
}

TEST_F(UartTest, ModemLinesInLoopback)
{
  EXPECT_EQ(0xb0u, in(MSR));
  out(MCR, 0x10 | 0x2);
  EXPECT_EQ(0x10u, in(MSR));
  out(MCR, 0x10 | 0xd);
  EXPECT_EQ(0xe0u, in(MSR));
}

TEST_F(UartTest, WideAccessesAreOfOneRegister)
{
  out(SCR, 0x5a);
  h.write(kBase + MCR, 0xffffff08, 4);
  EXPECT_EQ(0x08u, h.read(kBase + MCR, 4)) << "neighbours are not read along";
  EXPECT_EQ(0x5au, in(SCR)) << "nor written";
}

TEST(Uart, BytesGoOutAndComeInThroughAChardev)
{
  Loop l;
  Harness h;
  Chardev *c = chardev_new(l.loop, "c", "pty", false, nullptr, nullptr);
  ASSERT_TRUE(c);
  Dev *uart = h.add(&dev_ns16550a, [&](Dev *dev) {
    const DevProp &p = dev->type->props[0];
    memcpy(reinterpret_cast<char *>(dev) + p.offset, &c, sizeof(c));
  });
  h.connect(uart, 0, 0);
  int fd = open(chardev_label(c) + strlen("pty:"), O_RDWR | O_NOCTTY);
  ASSERT_GE(fd, 0);
  h.write(kBase + FCR, 1, 1);
  h.write(kBase + IER, 1, 1);
  std::string text = "all of these arrive, more than fit into the FIFO at a time";
  EXPECT_EQ(ssize_t(text.size()), write(fd, text.data(), text.size()));
  std::string got;
  EXPECT_TRUE(soon([&] {
    while (h.read(kBase + LSR, 1) & 1)
      got += char(h.read(kBase + DATA, 1));
    return got.size() == text.size();
  }));
  EXPECT_EQ(text, got);
  for (char ch : text)
    h.write(kBase + DATA, uint64_t(ch), 1);
  got.resize(text.size());
  size_t n = 0;
  while (n < got.size())
    n += size_t(read(fd, &got[n], got.size() - n));
  EXPECT_EQ(text, got);
  close(fd);
  dev_free(h.root);
  h.root = nullptr;
  chardev_free(c);
}

}  // namespace
