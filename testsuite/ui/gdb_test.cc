/* SPDX-License-Identifier: Apache-2.0 */
/* The stub's protocol, against a target that only remembers what it was asked. */
#include <algorithm>
#include <cerrno>
#include <cstring>
#include <deque>
#include <gtest/gtest.h>
#include <map>
#include <random>
#include <string>
#include <vector>

extern "C" {
#include "ui/gdb/packet.h"
#include "ui/gdb/points.h"
#include "ui/gdb/session.h"
#include "ui/gdb/signals.h"
}

/* Events name the fields that they have. */
#pragma GCC diagnostic ignored "-Wmissing-field-initializers"

namespace
{

/* ---- A target ---- */

const int PID = 0x4d2;
const uint64_t MEMORY = 0x1000, MEMORY_SIZE = 256;

struct Fake {
    std::map<std::pair<int, int>, uint64_t> registers; /* by thread and number */
    uint8_t memory[MEMORY_SIZE];
    uint8_t siginfo[GDB_SIGINFO];
    std::vector<int> threads{ PID, PID + 1 };
    std::vector<std::string> points;
    std::vector<GdbResume> resumed;
    std::deque<GdbEvent> events;
    GdbCatch caught;
    std::vector<int> numbers;
    int detached = 0, killed = 0, stopped = 0, left = 0, followed = 0;
};

Fake fake;

void attach(GdbEvent *event)
{
    *event = GdbEvent{};
    event->kind = GDB_EVENT_request;
    event->sig = 5;
    event->tid = PID;
}

size_t list_threads(int *tid, size_t max)
{
    for (size_t i = 0; i < fake.threads.size() && i < max; i++) {
        tid[i] = fake.threads[i];
    }
    return fake.threads.size();
}

bool has(int tid)
{
    return std::count(fake.threads.begin(), fake.threads.end(), tid) > 0;
}

size_t inside(uint64_t addr, size_t n)
{
    return addr < MEMORY || addr >= MEMORY + MEMORY_SIZE
               ? 0
               : std::min<size_t>(n, MEMORY + MEMORY_SIZE - addr);
}

GdbTarget make_target()
{
    GdbTarget t{};
    t.guest = &fe_riscv64;
    t.os = "GNU/Linux";
    t.is_started = [] { return true; };
    t.event_fd = [] { return -1; };
    t.pid = [] { return PID; };
    t.attach = attach;
    t.detach = [] { fake.detached++; };
    t.kill = [] { fake.killed++; };
    t.resume = [](const GdbResume *list, size_t n) { fake.resumed.assign(list, list + n); };
    t.stop = [] { fake.stopped++; };
    t.next_event = [](GdbEvent *event) {
        if (fake.events.empty()) {
            return false;
        }
        *event = fake.events.front();
        fake.events.pop_front();
        return true;
    };
    t.threads = list_threads;
    t.thread_name = [](int tid, char *name, size_t size) { snprintf(name, size, "<t&%d>", tid); };
    t.get_register = [](int tid, const FeRegister *r, uint64_t *value) {
        *value = fake.registers[{ tid, r->number }];
        return has(tid);
    };
    t.set_register = [](int tid, const FeRegister *r, uint64_t value) {
        fake.registers[{ tid, r->number }] = value;
        return has(tid);
    };
    t.siginfo = [](int tid, uint8_t info[GDB_SIGINFO]) {
        memcpy(info, fake.siginfo, GDB_SIGINFO);
        return tid == PID;
    };
    t.set_siginfo = [](int tid, const uint8_t info[GDB_SIGINFO]) {
        memcpy(fake.siginfo, info, GDB_SIGINFO);
        return tid == PID;
    };
    t.read = [](int, uint64_t addr, void *bytes, size_t n) {
        n = inside(addr, n);
        memcpy(bytes, fake.memory + (n ? addr - MEMORY : 0), n);
        return n;
    };
    t.write = [](int, uint64_t addr, const void *bytes, size_t n) {
        n = inside(addr, n);
        memcpy(fake.memory + (n ? addr - MEMORY : 0), bytes, n);
        return n;
    };
    t.set_point = [](GdbPoint point, uint64_t addr, uint64_t size, bool on) {
        fake.points.push_back(std::to_string(point) + (on ? "+" : "-") + std::to_string(addr) + "," +
                              std::to_string(size));
        return addr != 0;
    };
    t.set_catch = [](const GdbCatch *c) {
        fake.caught = *c;
        fake.numbers.assign(c->numbers, c->numbers + c->n_numbers);
    };
    t.auxv = [](void *bytes, size_t max) {
        memset(bytes, 'a', max < 64 ? max : 64);
        return max < 64 ? max : size_t{ 64 };
    };
    t.exec_file = [](char path[GDB_PATH]) { strcpy(path, "/bin/guest"); };
    t.libraries = [](void (*fn)(void *, const GdbLibrary *), void *opaque) {
        static GdbLibrary l;
        l = { 0x1000, 0, 0x1800, "" };
        fn(opaque, &l);
        l = { 0x2000, 0x40000, 0x41000, "/lib/<libx>.so" };
        fn(opaque, &l);
    };
    t.open_file = [](const char *, int, int) {
        errno = ENOENT;
        return -1;
    };
    t.read_link = [](const char *path, char *target, size_t size) {
        return ssize_t{ snprintf(target, size, "to%s", path) };
    };
    t.remove_file = [](const char *path) {
        errno = ENOTDIR;
        return strcmp(path, "/a") == 0 ? 0 : -1;
    };
    t.leave_child = [](int pid) { fake.left = pid; };
    t.follow_child = [](int pid) {
        fake.followed = pid;
        return true;
    };
    t.monitor = [](const char *command, char *text, size_t size) {
        if (strcmp(command, "long") == 0) {
            snprintf(text, size, "%s", std::string(100000, 'x').c_str());
            return true;
        }
        snprintf(text, size, "%s!", command);
        return strcmp(command, "help") == 0;
    };
    return t;
}

/* ---- The other end of the line ---- */

std::string framed(const std::string &data)
{
    uint8_t sum = 0;
    char tail[4];
    for (char c : data) {
        sum = static_cast<uint8_t>(sum + static_cast<uint8_t>(c));
    }
    snprintf(tail, sizeof(tail), "#%02x", sum);
    return "$" + data + tail;
}

class Gdb : public testing::Test
{
  protected:
    GdbTarget target = make_target();
    GdbSession *s = nullptr;
    std::string raw; /* what came and was not taken yet */

    void SetUp() override
    {
        fake = Fake{};
        for (size_t i = 0; i < MEMORY_SIZE; i++) {
            fake.memory[i] = static_cast<uint8_t>(i);
        }
        memset(fake.siginfo, '#', GDB_SIGINFO);
        s = gdb_session_new(&target, take, this);
        ASSERT_NE(nullptr, s);
    }
    void TearDown() override
    {
        gdb_session_free(s);
    }
    static bool take(void *self, const void *bytes, size_t n)
    {
        static_cast<Gdb *>(self)->raw.append(static_cast<const char *>(bytes), n);
        return true;
    }
    void send(const std::string &bytes)
    {
        gdb_session_input(s, bytes.data(), bytes.size());
    }
    /* The next packet's data, run lengths and escapes undone; "none" when there is none, "bad"
     * when it is not well-formed. */
    std::string packet()
    {
        raw.erase(0, raw.find_first_not_of("+"));
        if (raw.empty()) {
            return "none";
        }
        size_t end = raw.find('#');
        if (raw[0] != '$' || end == std::string::npos || end + 3 > raw.size() ||
            framed(raw.substr(1, end - 1)) != raw.substr(0, end + 3)) {
            return "bad";
        }
        std::string data = raw.substr(1, end - 1), out;
        raw.erase(0, end + 3);
        for (size_t i = 0; i < data.size(); i++) {
            if (data[i] == '*') {
                out.append(static_cast<size_t>(data[++i] - 29), out.back());
            } else {
                out += data[i];
            }
        }
        std::string plain;
        for (size_t i = 0; i < out.size(); i++) {
            plain += out[i] == '}' ? static_cast<char>(out[++i] ^ 0x20) : out[i];
        }
        return plain;
    }
    std::string ask(const std::string &data)
    {
        send(framed(data));
        return packet();
    }
    void event(GdbEvent e)
    {
        e.tid = e.tid ? e.tid : PID;
        fake.events.push_back(e);
        gdb_session_event(s);
    }
};

/* ---- Framing ---- */

TEST_F(Gdb, AcknowledgesAndAsksAgain)
{
    send(framed("qAttached"));
    EXPECT_EQ("+" + framed("0"), raw);
    raw.clear();
    send("-");
    EXPECT_EQ(framed("0"), raw) << "once more";
    raw.clear();
    send("$qAttached#00");
    EXPECT_EQ("-", raw);
    raw.clear();
    send("$qAtta" + framed("qAttached"));
    EXPECT_EQ("+" + framed("0"), raw) << "a packet whose end was lost";
}

TEST_F(Gdb, NoAckMode)
{
    EXPECT_EQ("OK", ask("QStartNoAckMode"));
    raw.clear();
    send(framed("qAttached"));
    EXPECT_EQ(framed("0"), raw);
    raw.clear();
    send("$qAttached#00-");
    EXPECT_EQ("", raw);
}

TEST_F(Gdb, UnknownAndOverlongPacketsGetTheEmptyReply)
{
    for (const char *text : { "", "y", "qNothing", "vNothing", "Hx0", "Z9,0,0", "QNothing:1" }) {
        EXPECT_EQ("", ask(text)) << text;
    }
    EXPECT_EQ("", ask("M1000,8:" + std::string(3 * GDB_PACKET, '0')));
    EXPECT_EQ("0", ask("qAttached"));
}

TEST_F(Gdb, EscapesInBothDirections)
{
    EXPECT_EQ("OK", ask(std::string("X1000,4:}\x03}\x04}]}\x0a")));
    EXPECT_EQ(0, memcmp(fake.memory, "#$}*", 4));
    EXPECT_EQ("E16", ask("X1000,5:abcd"));
    EXPECT_EQ("l" + std::string(GDB_SIGINFO, '#'), ask("qXfer:siginfo:read::0,200"));
}

TEST_F(Gdb, SiginfoCanBeWritten)
{
    ASSERT_NE(std::string::npos, ask("qSupported").find(";qXfer:siginfo:write+;"));
    EXPECT_EQ("4", ask("qXfer:siginfo:write::2:ab}\x03:"));
    EXPECT_EQ("l##ab#:" + std::string(GDB_SIGINFO - 6, '#'), ask("qXfer:siginfo:read::0,200"));
    EXPECT_EQ("1", ask("qXfer:siginfo:write::7f:z"));
    EXPECT_EQ("E16", ask("qXfer:siginfo:write::80:z"));
    EXPECT_EQ("E16", ask("qXfer:siginfo:write::ffffffffffffffff:z"));
    EXPECT_EQ("E16", ask("qXfer:siginfo:write::7f:zz"));
    EXPECT_EQ("E16", ask("qXfer:siginfo:write:7f"));
    EXPECT_EQ('z', fake.siginfo[GDB_SIGINFO - 1]);
}

TEST_F(Gdb, RunLengths)
{
    for (size_t n : { 1, 3, 4, 5, 6, 7, 8, 9, 97, 98, 99, 100, 120 }) {
        GdbOut out{};
        char frame[GDB_PACKET + 5];
        gdb_put(&out, std::string(n, '0').c_str());
        raw.assign(frame, gdb_out_frame(&out, frame));
        EXPECT_LE(raw.size(), n + 4);
        EXPECT_EQ(std::string(n, '0'), packet()) << n;
    }
}

/* ---- State ---- */

TEST_F(Gdb, RegistersOfTheChosenThread)
{
    std::string pc = "7856341200000000";
    EXPECT_EQ("OK", ask("Hg4d3"));
    EXPECT_EQ("OK", ask("P20=" + pc));
    EXPECT_EQ(0x12345678u, (fake.registers[{ PID + 1, 32 }]));
    EXPECT_EQ(pc, ask("p20"));
    std::string all = ask("g");
    EXPECT_EQ(65 * 16 + 3 * 8u, all.size());
    EXPECT_EQ(pc, all.substr(32 * 16, 16));
    EXPECT_EQ("OK", ask("G" + std::string(15, '0') + "1" + all.substr(16)));
    EXPECT_EQ(UINT64_C(1) << 56, (fake.registers[{ PID + 1, 0 }]));
    for (const char *wrong : { "P20=12", "P20", "p999", "G00", "P999=0000000000000000", "p" }) {
        EXPECT_EQ("E16", ask(wrong)) << wrong;
    }
    EXPECT_EQ("E03", ask("Hg77"));
    EXPECT_EQ("OK", ask("T4d3"));
    EXPECT_EQ("E03", ask("T77"));
}

TEST_F(Gdb, MemoryUpToWhereItEnds)
{
    EXPECT_EQ("00010203", ask("m1000,4"));
    EXPECT_EQ("feff", ask("m10fe,8"));
    EXPECT_EQ("E0e", ask("m2000,4"));
    EXPECT_EQ("OK", ask("M1001,2:aabb"));
    EXPECT_EQ("00aabb03", ask("m1000,4"));
    EXPECT_EQ("E0e", ask("M10ff,2:aabb"));
    EXPECT_EQ(512u, ask("m1000,ffffffffffffffff").size());
    for (const char *wrong : { "m", "m1000", "m,4", "M1000,2:a", "M1000:aa", "X1000" }) {
        EXPECT_EQ("E16", ask(wrong)) << wrong;
    }
}

/* gdb's values for "123456789" and for nothing. */
TEST_F(Gdb, ChecksumOfMemory)
{
    memcpy(fake.memory, "123456789", 9);
    EXPECT_EQ("C0376e6e7", ask("qCRC:1000,9"));
    EXPECT_EQ("Cffffffff", ask("qCRC:1000,0"));
    EXPECT_EQ("E0e", ask("qCRC:1000,ffffffff"));
    EXPECT_EQ("E16", ask("qCRC:1000"));
}

TEST_F(Gdb, Points)
{
    for (const char *text : { "Z0,10,2", "Z1,10,4", "Z2,20,8", "Z3,20,8", "z4,20,8" }) {
        EXPECT_EQ("OK", ask(text)) << text;
    }
    EXPECT_EQ("E1c", ask("Z2,0,8"));
    EXPECT_EQ("E16", ask("Z0,10"));
    EXPECT_EQ((std::vector<std::string>{ "0+16,2", "0+16,4", "1+32,8", "2+32,8", "3-32,8",
                                         "1+0,8" }),
              fake.points);
}

/* ---- Going on ---- */

TEST_F(Gdb, StopReplies)
{
    EXPECT_EQ("T0520:0000000000000000;2:0000000000000000;8:0000000000000000;thread:4d2;", ask("?"));
    EXPECT_EQ("none", ask("vCont;c"));
    event({ .kind = GDB_EVENT_breakpoint, .tid = PID + 1 });
    std::string reply = packet();
    EXPECT_NE(std::string::npos, reply.find("thread:4d3;swbreak:;")) << reply;
    struct {
        GdbEvent event;
        const char *head, *tail;
    } all[] = {
        { { .kind = GDB_EVENT_signal, .sig = 10 }, "T1e", "thread:4d2;" },
        { { .kind = GDB_EVENT_request, .sig = 2 }, "T02", "thread:4d2;" },
        { { .kind = GDB_EVENT_step }, "T05", "thread:4d2;" },
        { { .kind = GDB_EVENT_watch, .addr = 0x1234, .point = GDB_POINT_access }, "T05",
          "awatch:1234;" },
        { { .kind = GDB_EVENT_syscall_entry, .number = 64 }, "T05", "syscall_entry:40;" },
        { { .kind = GDB_EVENT_syscall_return, .number = 64 }, "T05", "syscall_return:40;" },
        { { .kind = GDB_EVENT_exec, .path = "/a" }, "T05", "exec:2f61;" },
    };
    for (const auto &one : all) {
        EXPECT_EQ("none", ask("c"));
        event(one.event);
        reply = packet();
        EXPECT_EQ(one.head, reply.substr(0, 3));
        EXPECT_EQ(one.tail, reply.substr(reply.size() - strlen(one.tail)));
        EXPECT_EQ(reply, ask("?"));
    }
}

TEST_F(Gdb, ContinueOfSomeThreads)
{
    EXPECT_EQ("none", ask("vCont;S1e:4d3;r1000,1010:4d2;t"));
    ASSERT_EQ(3u, fake.resumed.size());
    EXPECT_EQ(GDB_MOVE_step, fake.resumed[0].move);
    EXPECT_EQ(10, fake.resumed[0].sig);
    EXPECT_EQ(PID + 1, fake.resumed[0].tid);
    EXPECT_EQ(GDB_MOVE_range, fake.resumed[1].move);
    EXPECT_EQ(0x1010u, fake.resumed[1].hi);
    EXPECT_EQ(-1, fake.resumed[2].tid);
    EXPECT_EQ(GDB_MOVE_stay, fake.resumed[2].move);
    send("\x03");
    EXPECT_EQ(1, fake.stopped);
    EXPECT_EQ("none", ask("g")) << "nothing is answered while it runs";
    EXPECT_TRUE(gdb_session_waits(s));
    event({ .kind = GDB_EVENT_request, .sig = 2 });
    EXPECT_FALSE(gdb_session_waits(s)) << "events of those that stay have time";
    EXPECT_EQ("T02", packet().substr(0, 3));
    send("\x03");
    EXPECT_EQ(1, fake.stopped);
    for (const char *wrong : { "vCont;x", "vCont;C", "vCont;c:q", "vCont;r10", "vCont;c,", "C" }) {
        EXPECT_EQ("E16", ask(wrong)) << wrong;
    }
}

TEST(Points, EventsThatHaveBecomeVoid)
{
    TrPoints points{};
    GdbEvent step = { .kind = GDB_EVENT_step }, hit = { .kind = GDB_EVENT_breakpoint, .addr = 0x1000 },
             watch = { .kind = GDB_EVENT_watch, .addr = 0x2000 }, signal = { .kind = GDB_EVENT_signal, .sig = 10 };
    ASSERT_TRUE(tr_points_set(&points, 0, 0x1000, 4, true));
    ASSERT_TRUE(tr_points_set(&points, TR_WATCH_write, 0x2000, 8, true));
    EXPECT_FALSE(gdb_event_holds(&points, &step, 0x1000));
    EXPECT_TRUE(gdb_event_holds(&points, &signal, 0x1000));
    EXPECT_TRUE(gdb_event_holds(&points, &hit, 0x1000));
    EXPECT_FALSE(gdb_event_holds(&points, &hit, 0x1004)) << "the debugger has moved it";
    EXPECT_TRUE(gdb_event_holds(&points, &watch, 0x1234));
    tr_points_clear(&points);
    EXPECT_FALSE(gdb_event_holds(&points, &hit, 0x1000));
    EXPECT_FALSE(gdb_event_holds(&points, &watch, 0x1234));
    free(points.pc);
}

TEST_F(Gdb, TheEndOfTheProcess)
{
    ask("vCont;c");
    event({ .kind = GDB_EVENT_exited, .status = 7 });
    EXPECT_EQ("W07", packet());
    EXPECT_TRUE(gdb_session_is_over(s));
}

TEST_F(Gdb, DetachAndKill)
{
    EXPECT_EQ("OK", ask("D"));
    EXPECT_EQ(1, fake.detached);
    EXPECT_TRUE(gdb_session_is_over(s));
    gdb_session_free(s);
    EXPECT_EQ(1, fake.detached) << "once";
    s = gdb_session_new(&target, take, this);
    EXPECT_EQ("E03", ask("vKill;1"));
    EXPECT_EQ("OK", ask("vKill;4d2"));
    EXPECT_EQ(1, fake.killed);
}

/* ---- Negotiation, processes ---- */

TEST_F(Gdb, FollowingAFork)
{
    std::string reply = ask("qSupported:multiprocess+;fork-events+;vfork-events+;swbreak+");
    EXPECT_NE(std::string::npos, reply.find(";fork-events+"));
    EXPECT_EQ(std::string::npos, reply.find("exec-events+"));
    EXPECT_TRUE(fake.caught.forks && !fake.caught.execs);
    EXPECT_EQ("none", ask("vCont;c:p4d2.-1"));
    event({ .kind = GDB_EVENT_fork, .child = 0x500 });
    reply = packet();
    EXPECT_NE(std::string::npos, reply.find("thread:p4d2.4d2;fork:p500.500;")) << reply;
    EXPECT_EQ("OK", ask("Hgp500.500"));
    EXPECT_EQ("OK", ask("z0,10,2"));
    EXPECT_TRUE(fake.points.empty()) << "the parent's stay";
    EXPECT_EQ(0u, ask("vCont;c:p4d2.-1").find("E.only one process of a fork")) << "the child would wait for ever";
    EXPECT_EQ(0, fake.left);
    EXPECT_EQ("OK", ask("D;500"));
    EXPECT_EQ(0x500, fake.left);
    ask("vCont;c");
    event({ .kind = GDB_EVENT_fork, .child = 0x501 });
    packet();
    EXPECT_EQ("none", ask("D;4d2")) << "the child answers";
    EXPECT_EQ(0x501, fake.followed);
    gdb_session_take_over(s);
    EXPECT_EQ("OK", packet());
}

TEST_F(Gdb, SignalsAndSystemCalls)
{
    EXPECT_EQ("OK", ask("QPassSignals:e;14;1e"));
    EXPECT_EQ(UINT64_C(1) << 13 | UINT64_C(1) << 16 | UINT64_C(1) << 9, fake.caught.pass_signals);
    EXPECT_EQ("OK", ask("QCatchSyscalls:1;40;5d"));
    EXPECT_EQ((std::vector<int>{ 64, 93 }), fake.numbers);
    EXPECT_EQ("OK", ask("QCatchSyscalls:0"));
    EXPECT_FALSE(fake.caught.syscalls);
    EXPECT_EQ("E.", ask("QNonStop:1").substr(0, 2));
    EXPECT_EQ("E.", ask("vRun;00").substr(0, 2));
    for (int sig = 1; sig <= 64; sig++) {
        int number = gdb_signal_from_linux(sig);
        EXPECT_EQ(sig == 16 ? 0 : sig, gdb_signal_to_linux(number)) << sig;
    }
}

TEST_F(Gdb, Threads)
{
    ask("qSupported:multiprocess+");
    EXPECT_EQ("mp4d2.4d2,p4d2.4d3", ask("qfThreadInfo"));
    EXPECT_EQ("l", ask("qsThreadInfo"));
    EXPECT_EQ("3c7426313233353e", ask("qThreadExtraInfo,p4d2.4d3"));
    EXPECT_EQ("QCp4d2.4d2", ask("qC"));
    EXPECT_NE(std::string::npos,
              ask("qXfer:threads:read::0,fff").find("<thread id=\"p4d2.4d3\" name=\"t1235\"/>"));
}

TEST_F(Gdb, ObjectsInPieces)
{
    std::string whole = ask("qXfer:features:read:target.xml:0,ffff"), pieces;
    EXPECT_EQ('l', whole[0]);
    for (std::string piece = "m"; piece[0] == 'm'; pieces += piece.substr(1)) {
        char range[64];
        snprintf(range, sizeof(range), "%zx,123", pieces.size());
        piece = ask(std::string("qXfer:features:read:target.xml:") + range);
        ASSERT_LE(piece.size(), 0x124u);
    }
    EXPECT_EQ(whole.substr(1), pieces);
    EXPECT_NE(std::string::npos, pieces.find("<architecture>riscv:rv64</architecture><osabi>GNU/Linux</osabi>"));
    EXPECT_NE(std::string::npos,
              pieces.find("<reg name=\"fa0\" bitsize=\"64\" type=\"ieee_double\" regnum=\"43\"/>"));
    EXPECT_NE(std::string::npos, pieces.find("<reg name=\"fcsr\" bitsize=\"32\""));
    EXPECT_EQ("l/bin/guest", ask("qXfer:exec-file:read:4d2:0,100"));
    EXPECT_EQ("l", ask("qXfer:exec-file:read:4d2:100,100"));
    EXPECT_EQ("l<library-list-svr4 version=\"1.0\" main-lm=\"0x1000\">"
              "<library name=\"/lib/libx.so\" lm=\"0x2000\" l_addr=\"0x40000\" l_ld=\"0x41000\" "
              "lmid=\"0x0\"/></library-list-svr4>",
              ask("qXfer:libraries-svr4:read::0,400"));
    EXPECT_EQ("E02", ask("qXfer:features:read:other.xml:0,100"));
    EXPECT_EQ("E16", ask("qXfer:auxv:read::0"));
}

TEST_F(Gdb, FilesAndMonitor)
{
    EXPECT_EQ("F0", ask("vFile:setfs:0"));
    EXPECT_EQ("F-1,2", ask("vFile:open:2f61,0,0"));
    EXPECT_EQ("F-1,9", ask("vFile:pread:5,10,0"));
    EXPECT_EQ("F-1,9", ask("vFile:close:ffffffff"));
    EXPECT_EQ("F-1,16", ask("vFile:open:zz,0,0"));
    EXPECT_EQ("F4;to/a", ask("vFile:readlink:2f61"));
    EXPECT_EQ("F0", ask("vFile:unlink:2f61"));
    EXPECT_EQ("F-1,14", ask("vFile:unlink:2f62"));
    EXPECT_EQ("O68656c7021", ask("qRcmd,68656c70"));
    EXPECT_EQ("OK", packet());
    EXPECT_EQ("O756e6b6e", ask("qRcmd,78").substr(0, 9)) << "unkn...";
    EXPECT_EQ("OK", packet());
    std::string text;
    for (std::string piece = ask("qRcmd,6c6f6e67"); piece != "OK"; piece = packet()) {
        ASSERT_EQ('O', piece[0]);
        ASSERT_LE(piece.size(), size_t{ GDB_PACKET });
        text += piece.substr(1);
    }
    EXPECT_EQ(2u * 100000, text.size()) << "more than a packet";
}

TEST_F(Gdb, ThreadLocalVariables)
{
    EXPECT_EQ("", ask("qGetTLSAddr:4d2,10,1000")) << "not supported";
    EXPECT_EQ("OK", ask("qSymbol::"));
    target.tls_symbol = "sym";
    target.tls_address = [](const GdbTls *tls, uint64_t *addr) {
        *addr = tls->symbol + tls->map + tls->offset + static_cast<uint64_t>(tls->tid - PID);
        return tls->symbol != 0;
    };
    EXPECT_EQ("E03", ask("qGetTLSAddr:4d2,10,1000"));
    EXPECT_EQ("qSymbol:73796d", ask("qSymbol::"));
    EXPECT_EQ("OK", ask("qSymbol:20000:73796d"));
    EXPECT_EQ("21011", ask("qGetTLSAddr:p4d2.4d3,10,1000"));
    EXPECT_EQ("E16", ask("qGetTLSAddr:4d2,10"));
    EXPECT_EQ("OK", ask("qSymbol::73796d")) << "gone";
    EXPECT_EQ("E03", ask("qGetTLSAddr:4d2,10,1000"));
}

TEST_F(Gdb, WhatAStepIs)
{
    EXPECT_EQ("", ask("qqemu.sstepbits")) << "not supported";
    EXPECT_EQ("", ask("Qqemu.sstep=1"));
    target.step_mode = [](unsigned bits) {
        static unsigned mode = 3;
        return mode = bits ? bits : mode;
    };
    EXPECT_EQ("ENABLE=1,NOIRQ=2,NOTIMER=4", ask("qqemu.sstepbits"));
    EXPECT_EQ("0x3", ask("qqemu.sstep"));
    EXPECT_EQ("OK", ask("Qqemu.sstep=0x5"));
    EXPECT_EQ("0x5", ask("qqemu.sstep"));
    for (const char *wrong : { "Qqemu.sstep=", "Qqemu.sstep=8", "Qqemu.sstep=2", "Qqemu.sstep=1x" }) {
        EXPECT_EQ("E16", ask(wrong)) << wrong;
    }
    EXPECT_EQ("0x5", ask("qqemu.sstep"));
}

TEST_F(Gdb, AMachineHasNoFiles)
{
    target.open_file = nullptr;
    for (const char *all : { "vFile:setfs:0", "vFile:open:2f61,0,0", "vFile:readlink:2f61", "vFile:unlink:2f61" }) {
        EXPECT_EQ("", ask(all)) << "not supported";
    }
}

/* Requests that are cut, doubled and damaged in every way: the session lives on. */
TEST_F(Gdb, NothingThatComesInDoesHarm)
{
    const std::vector<std::string> seeds = {
        "?", "g", "G0011", "p20", "P20=00", "m1000,40", "M1000,2:aabb", "X1000,2:ab", "Z0,10,2",
        "z2,10,8", "Hg4d3", "Hcp4d2.-1", "T4d2", "qC", "qfThreadInfo", "qThreadExtraInfo,4d2",
        "qSupported:multiprocess+;fork-events+", "QPassSignals:1;2", "QCatchSyscalls:1;2;3",
        "qXfer:features:read:target.xml:0,10", "qXfer:threads:read::0,fff", "qRcmd,68",
        "vFile:pread:0,ffff,0", "vFile:open:2f,0,0", "vFile:fstat:0", "vFile:readlink:2f",
        "qXfer:siginfo:read::0,80", "vCont?", "vCont;c:4d2;s", "QNonStop:1", "qAttached",
    };
    std::mt19937 random(12345);
    auto below = [&](size_t n) { return std::uniform_int_distribution<size_t>(0, n - 1)(random); };
    for (int round = 0; round < 20000; round++) {
        std::string text = seeds[below(seeds.size())];
        for (size_t changes = below(4); changes > 0 && !text.empty(); changes--) {
            size_t at = below(text.size());
            switch (below(3)) {
            case 0:
                text[at] = static_cast<char>(below(256));
                break;
            case 1:
                text.resize(at);
                break;
            default:
                text.insert(at, text.substr(below(text.size())));
                break;
            }
        }
        std::string bytes = framed(text);
        if (below(10) == 0) {
            bytes[below(bytes.size())] = static_cast<char>(below(256));
        }
        send(bytes);
        event({ .kind = GDB_EVENT_step });
        while (!raw.empty() && raw[0] != '-') {
            ASSERT_NE("bad", packet()) << "after " << text;
        }
        raw.clear();
        if (gdb_session_is_over(s)) {
            gdb_session_free(s);
            s = gdb_session_new(&target, take, this);
        }
    }
    send(framed("") + framed(""));
    raw.clear();
    event({ .kind = GDB_EVENT_step });
    raw.clear();
    EXPECT_EQ("0", ask("qAttached"));
}

} // namespace
