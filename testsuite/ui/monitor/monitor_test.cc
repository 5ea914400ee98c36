/* SPDX-License-Identifier: Apache-2.0 */
/* The monitor of a machine with one hart, which counts a0 up, and no page tables. */
#include <algorithm>
#include <array>
#include <cstring>
#include <gtest/gtest.h>
#include <json-glib/json-glib.h>
#include <string>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>
#include <vector>

#include <zlib.h>

extern "C" {
#include "devices/host/block/image.h"
#include "translator/translator.h"
#include "ui/monitor/monitor.h"
#include "ui/monitor/server.h"
}

namespace
{

enum : uint64_t { RAM = 0x80000000, RAM_SIZE = 1 << 20 };

uint8_t *ram;
PhysMem *mem;
FeSystem fe;

FeWalk walk(Vcpu *, uint64_t vaddr, MmuAccess, unsigned)
{
    FeWalk w = {};

    w.ok = vaddr >= RAM && vaddr < RAM + RAM_SIZE;
    w.page = { vaddr & ~0xfffull, vaddr & ~0xfffull, 4096, true, true, true, true };
    return w;
}

void reset(Vcpu *vcpu, uint64_t pc, uint64_t, uint64_t)
{
    MmuKey key = { 0, 0, false };

    vcpu->pc = pc;
    mmu_switch(vcpu, &key, &key);
}

void start_translator()
{
    static TrSystem system;
    static TrConfig config;
    PhysRegion region = { "ram", PHYS_ram, RAM, RAM_SIZE, nullptr, nullptr, nullptr, nullptr, true,
                          nullptr, false };
    const char *error = "";

    fe.create = [](Vcpu *, const FeSystemConfig *, const char **) { return true; };
    fe.destroy = [](Vcpu *) {};
    fe.reset = reset;
    fe.walk = walk;
    fe.locate = [](Vcpu *vcpu, uint64_t vaddr, uint64_t *paddr) {
        *paddr = vaddr;
        return walk(vcpu, vaddr, MMU_read, 1).ok;
    };
    fe.interrupt = [](Vcpu *) { return false; };
    fe.pending = [](Vcpu *, bool) { return false; };
    fe.timer = [](Vcpu *) {};
    mem = phys_new();
    ram = region.host = phys_alloc("ram", RAM_SIZE);
    phys_add(mem, &region);
    memcpy(ram, "\x05\x05\xfd\xbf", 4); /* addi a0, a0, 1; j -2 */
    memcpy(ram + 0x1000, "\x11\x22\x33\x44\x55\x66\x77\x88", 8);
    system = { &fe, mem, MMU_SCHEME_flat };
    config.frontend = &fe_riscv64;
    config.system = &system;
    config.tier = TR_TIER_jit;
    ASSERT_TRUE(tr_start(&config, &error)) << error;
}

class MonitorTest : public testing::Test
{
  public:
    static void free()
    {
        machine_free(machine);
        clock_free(clock);
    }

  protected:
    static Machine *machine;
    static Clock *clock;
    static Dev *root;
    DevEnv env = {};
    Monitor *monitor = nullptr;
    MonitorSession *session = nullptr;
    std::string out;

    /* For all suites: a process has one machine. */
    static void SetUpTestSuite()
    {
        MachineConfig config = {};
        const char *error = "";

        if (machine) {
            return;
        }
        start_translator();
        config.n_harts = 1;
        config.reset_pc = RAM;
        machine = machine_new(&config, &error);
        ASSERT_NE(nullptr, machine) << error;
        clock = clock_new();
    }
    void SetUp() override
    {
        static const MonitorReason reasons[] = { { "accel", "tcg", "translation" } };
        MonitorVm vm = {};

        env.mem = mem;
        env.clock = clock;
        root = dev_new(&dev_sifive_test, &env, nullptr, "test0");
        vm.name = "toy";
        vm.board = "virt";
        vm.policy = "none";
        vm.reasons = reasons;
        vm.n_reasons = 1;
        vm.ram_size = RAM_SIZE;
        vm.machine = machine;
        vm.root = root;
        vm.mem = mem;
        vm.clock = clock;
        vm.frontend = &fe_riscv64;
        vm.system = &fe;
        add_drives(vm);
        monitor = monitor_new(&vm);
    }
    virtual void add_drives(MonitorVm &)
    {
    }
    void TearDown() override
    {
        monitor_stop(monitor);
        if (session) {
            monitor_close(session);
        }
        monitor_free(monitor);
        dev_free(root);
    }
    static void send(void *opaque, const char *bytes, size_t n)
    {
        static_cast<MonitorTest *>(opaque)->out.append(bytes, n);
    }
    void open(MonitorKind kind)
    {
        session = monitor_open(monitor, kind, send, this);
    }
    /* What is sent back for it. */
    std::string ask(const std::string &text)
    {
        out.clear();
        EXPECT_TRUE(monitor_input(session, text.data(), text.size()));
        return out;
    }
    void qmp()
    {
        open(MONITOR_qmp);
        EXPECT_EQ("{\"return\":{}}\r\n", ask("{\"execute\": \"qmp_capabilities\"}"));
    }
    std::string human(const std::string &line)
    {
        std::string text = ask(line + "\n");
        size_t prompt = text.rfind("(ketch) ");

        return prompt == std::string::npos ? text : text.substr(0, prompt);
    }
};

Machine *MonitorTest::machine;
Clock *MonitorTest::clock;
Dev *MonitorTest::root;

std::string error_of(const char *kind, const std::string &text)
{
    return std::string("{\"error\":{\"class\":\"") + kind + "\",\"desc\":\"" + text + "\"}}\r\n";
}

TEST_F(MonitorTest, GreetsAndNegotiates)
{
    open(MONITOR_qmp);
    EXPECT_EQ(0u, out.find("{\"QMP\": {\"version\": {\"qemu\": {\"major\": "));
    EXPECT_EQ(error_of("CommandNotFound",
                       "Expecting capabilities negotiation with 'qmp_capabilities'"),
              ask("{\"execute\": \"query-status\"}"));
    EXPECT_EQ("{\"return\":{}}\r\n", ask("{\"execute\": \"qmp_capabilities\"}"));
    EXPECT_NE(std::string::npos, ask("{\"execute\": \"qmp_capabilities\"}").find("CommandNotFound"));
}

TEST_F(MonitorTest, WrongRequestsAreNamed)
{
    qmp();
    EXPECT_EQ(error_of("CommandNotFound", "The command fly has not been found"),
              ask("{\"execute\": \"fly\"}"));
    EXPECT_EQ(error_of("GenericError", "Parameter 'speed' is unexpected"),
              ask("{\"execute\": \"stop\", \"arguments\": {\"speed\": 1}}"));
    EXPECT_EQ(error_of("GenericError", "Parameter 'command-line' is missing"),
              ask("{\"execute\": \"human-monitor-command\"}"));
    EXPECT_EQ(error_of("GenericError", "Invalid parameter type for 'command-line', expected: str"),
              ask("{\"execute\": \"human-monitor-command\", \"arguments\": {\"command-line\": 1}}"));
    EXPECT_EQ(error_of("GenericError", "QMP input member 'run' is unexpected"),
              ask("{\"run\": 1}"));
    EXPECT_EQ(error_of("GenericError", "QMP input lacks member 'execute'"), ask("{}"));
    EXPECT_NE(std::string::npos, ask("{\"execute\": }").find("JSON parse error"));
    EXPECT_NE(std::string::npos, ask("nonsense\n").find("GenericError"));
    EXPECT_EQ(error_of("GenericError", "QMP input must be a JSON object"), ask("[1]"));
    EXPECT_EQ(error_of("GenericError", "QMP input member 'arguments' must be an object"),
              ask("{\"execute\": \"stop\", \"arguments\": 3}"));
}

TEST_F(MonitorTest, RequestsMayComeInPiecesOrTogether)
{
    qmp();
    for (char c : std::string("{ \"execute\": \"query-name\", \"id\": \"}{\\\"[\" ")) {
        EXPECT_EQ("", ask(std::string(1, c)));
    }
    EXPECT_EQ("{\"return\":{\"name\":\"toy\"},\"id\":\"}{\\\"[\"}\r\n", ask("}"));
    EXPECT_EQ("{\"return\":{\"name\":\"toy\"},\"id\":1}\r\n{\"return\":{\"name\":\"toy\"},\"id\":2}\r\n",
              ask("{\"execute\":\"query-name\",\"id\":1}{\"execute\":\"query-name\",\"id\":2}"));
}

TEST_F(MonitorTest, WhatNeverEndsIsCutOff)
{
    std::string much(1 << 20, ' ');

    qmp();
    much[0] = '{';
    EXPECT_TRUE(monitor_input(session, much.data(), much.size()));
    EXPECT_FALSE(monitor_input(session, "  ", 2));
}

TEST_F(MonitorTest, StopAndContAreToldToAll)
{
    uint64_t before = 0;

    qmp();
    EXPECT_NE(std::string::npos, ask("{\"execute\":\"query-status\"}").find("\"prelaunch\""));
    for (int k = 0; k < 1000 && before == 0; k++) {
        EXPECT_NE(std::string::npos, ask("{\"execute\":\"cont\"}").find("\"event\": \"RESUME\""));
        EXPECT_EQ("{\"return\":{\"running\":true,\"status\":\"running\"}}\r\n",
                  ask("{\"execute\":\"query-status\"}"));
        EXPECT_TRUE(clock_running(clock));
        usleep(20000);
        EXPECT_NE(std::string::npos, ask("{\"execute\":\"stop\"}").find("\"event\": \"STOP\""));
        before = machine_hart(machine, 0)->slot[10];
    }
    EXPECT_GT(before, 0u);
    usleep(5000);
    EXPECT_EQ(before, machine_hart(machine, 0)->slot[10]);
    EXPECT_EQ("{\"return\":{\"running\":false,\"status\":\"paused\"}}\r\n",
              ask("{\"execute\":\"query-status\"}"));
    EXPECT_FALSE(clock_running(clock));
}

TEST_F(MonitorTest, ResetAndQuitReachTheMachine)
{
    MachineEvent event;

    qmp();
    EXPECT_EQ("{\"return\":{}}\r\n", ask("{\"execute\":\"system_reset\"}"));
    EXPECT_EQ("{\"return\":{}}\r\n", ask("{\"execute\":\"quit\"}"));
    machine_wait(machine, &event);
    EXPECT_EQ(MACHINE_restart, event.kind);
    EXPECT_STREQ("host-qmp-system-reset", event.reason);
    machine_wait(machine, &event);
    EXPECT_EQ(MACHINE_shutdown, event.kind);
    EXPECT_STREQ("host-qmp-quit", event.reason);
    machine_pause(machine);
}

TEST_F(MonitorTest, TimersOfHartsThatAreNotThereDoNothing)
{
    machine_timer(machine, MACHINE_HARTS - 1);
    EXPECT_EQ(1u, machine_harts(machine));
}

/* ---- The tables ---- */

const struct {
    const char *name, *args, *result;
} commands[] = {
#define QMP(name, fn, args, result, help) { name, args, result },
#include "ui/monitor/qmp.def"
};

const struct {
    const char *name, *members;
} types[] = {
#define TYPE(name, members) { name, members },
#include "ui/monitor/types.def"
};

void check(JsonNode *node, std::string type);

void check_object(JsonNode *node, const std::string &type)
{
    std::string members;
    size_t known = 0;

    for (auto &t : types) {
        members = type == t.name ? t.members : members;
    }
    ASSERT_NE("", members) << type << " has no row";
    ASSERT_TRUE(JSON_NODE_HOLDS_OBJECT(node)) << type;
    for (size_t at = 0; at < members.size();) {
        size_t colon = members.find(':', at), end = std::min(members.find(',', at), members.size());
        std::string name = members.substr(at, colon - at);
        std::string of = members.substr(colon + 1, end - colon - 1);
        JsonNode *member = json_object_get_member(json_node_get_object(node), name.c_str());

        if (of.back() == '?') {
            of.pop_back();
        } else {
            EXPECT_NE(nullptr, member) << type << " has no " << name;
        }
        if (member) {
            check(member, of);
            known++;
        }
        at = end + 1;
    }
    if (type != "SchemaInfo") { /* which depends on its meta-type */
        EXPECT_EQ(known, json_object_get_size(json_node_get_object(node))) << type;
    }
}

void check(JsonNode *node, std::string type)
{
    if (type[0] == '[') {
        ASSERT_TRUE(JSON_NODE_HOLDS_ARRAY(node)) << type;
        JsonArray *array = json_node_get_array(node);
        for (guint i = 0; i < json_array_get_length(array); i++) {
            check(json_array_get_element(array, i), type.substr(1, type.size() - 2));
        }
    } else if (type == "str") {
        EXPECT_EQ(G_TYPE_STRING, json_node_get_value_type(node));
    } else if (type == "int") {
        EXPECT_EQ(G_TYPE_INT64, json_node_get_value_type(node));
    } else if (type == "bool") {
        EXPECT_EQ(G_TYPE_BOOLEAN, json_node_get_value_type(node));
    } else if (!type.empty()) {
        check_object(node, type);
    }
}

TEST_F(MonitorTest, QueriesReturnWhatTheirRowsSay)
{
    qmp();
    for (auto &c : commands) {
        if (strncmp(c.name, "query-", 6) != 0) {
            continue;
        }
        JsonNode *reply =
            json_from_string(ask(std::string("{\"execute\":\"") + c.name + "\"}").c_str(), nullptr);
        ASSERT_NE(nullptr, reply) << c.name;
        if (std::string("query-balloon") == c.name) {
            EXPECT_NE(std::string::npos, out.find("DeviceNotActive")) << out;
            json_node_unref(reply);
            continue; /* the machine has none */
        }
        JsonNode *value = json_object_get_member(json_node_get_object(reply), "return");
        ASSERT_NE(nullptr, value) << c.name;
        check(value, c.result);
        json_node_unref(reply);
    }
}

TEST_F(MonitorTest, TheSchemaNamesNothingThatItLacks)
{
    qmp();
    JsonNode *reply = json_from_string(ask("{\"execute\":\"query-qmp-schema\"}").c_str(), nullptr);
    JsonArray *array =
        json_object_get_array_member(json_node_get_object(reply), "return");
    std::vector<std::string> names;

    for (guint i = 0; i < json_array_get_length(array); i++) {
        names.push_back(
            json_object_get_string_member(json_array_get_object_element(array, i), "name"));
    }
    auto has = [&](const char *name) {
        return std::find(names.begin(), names.end(), name) != names.end();
    };
    for (guint i = 0; i < json_array_get_length(array); i++) {
        JsonObject *info = json_array_get_object_element(array, i);
        for (const char *member : { "arg-type", "ret-type", "element-type" }) {
            if (json_object_has_member(info, member)) {
                EXPECT_TRUE(has(json_object_get_string_member(info, member)))
                    << json_object_get_string_member(info, member);
            }
        }
        if (json_object_has_member(info, "members")) {
            JsonArray *members = json_object_get_array_member(info, "members");
            for (guint k = 0; k < json_array_get_length(members); k++) {
                const char *type = json_object_get_string_member(
                    json_array_get_object_element(members, k), "type");
                EXPECT_TRUE(has(type)) << type;
            }
        }
    }
    for (auto &c : commands) {
        EXPECT_TRUE(has(c.name)) << c.name;
    }
    EXPECT_TRUE(has("SHUTDOWN"));
    json_node_unref(reply);
}

/* ---- For people ---- */

TEST_F(MonitorTest, ExpressionsFollowC)
{
    open(MONITOR_hmp);
    EXPECT_EQ("(ketch) ", out);
    EXPECT_EQ("0xe\n", human("p 2 + 3 * 4"));
    EXPECT_EQ("20\n", human("p/d (2+3)*4"));
    EXPECT_EQ("-1\n", human("p/d ~0"));
    EXPECT_EQ("0x13\n", human("p 1 << 4 | 3"));
    EXPECT_EQ("1\n", human("print /d 7 % 4 - 2 & 1"));
    EXPECT_EQ("0x80000000\n", human("p $pc & ~3"));
    EXPECT_EQ("division by zero\n", human("p 1/0"));
    EXPECT_EQ("a ')' is missing\n", human("p (1"));
    EXPECT_EQ("there is no such register (info registers shows them)\n", human("p $eax"));
    EXPECT_EQ("the expression goes on after its end\n", human("p 1 2"));
    EXPECT_EQ("the expression is nested too deeply\n", human("p " + std::string(100, '-') + "1"));
    EXPECT_EQ("an expression is missing\n", human("p"));
}

TEST_F(MonitorTest, MemoryIsShown)
{
    open(MONITOR_hmp);
    EXPECT_EQ("0000000080001000: 0x8877665544332211\n", human("x/gx 0x80001000"));
    EXPECT_EQ("0000000080001000: 0x11 0x22\n", human("xp /2xb 0x80001000"));
    EXPECT_EQ("0000000080001000: 8721\n", human("x/uh 0x80001000"));
    EXPECT_EQ("0000000000001000: Cannot access memory\n", human("x 0x1000"));
    EXPECT_EQ("unknown format 'z': use x d u o c i and b h w g\n", human("x/z 0"));
    EXPECT_NE(std::string::npos, human("x/2i 0x80000000").find("addi"));
    EXPECT_EQ("gpa: 0x80000123\n", human("gva2gpa 0x80000123"));
    EXPECT_EQ("Unmapped\n", human("gva2gpa 0"));
}

TEST_F(MonitorTest, EverySubjectAnswers)
{
    open(MONITOR_hmp);
    EXPECT_EQ("VM status: paused (prelaunch)\n", human("info status"));
    EXPECT_EQ("  0000000080000000-00000000800fffff (ram): ram\n",
              human("info mtree").substr(strlen("address-space: physical\n")));
    EXPECT_EQ("dev: sifive-test, id \"test0\"\n", human("info qtree").substr(0, 30));
    EXPECT_NE(std::string::npos, human("info registers -a").find("CPU#0"));
    EXPECT_NE(std::string::npos, human("info jit").find("units"));
    EXPECT_EQ("No translation: addresses are physical\n", human("info tlb"));
    EXPECT_EQ("No translation: addresses are physical\n", human("info mem"));
    EXPECT_EQ("kvm support: disabled\n", human("info kvm"));
    EXPECT_EQ("00000000-0000-0000-0000-000000000000\n", human("info uuid"));
    EXPECT_EQ("", human("info snapshots") + human("info pci") + human("info usernet") + human("info roms"));
    EXPECT_NE(std::string::npos, human("info isolation").find("accel tcg: translation"));
    EXPECT_NE(std::string::npos, human("help").find("gva2gpa ADDRESS"));
    EXPECT_NE(std::string::npos, human("help info").find("info mtree"));
    EXPECT_EQ("unknown command: 'fly' (help lists them)\n", human("fly"));
    EXPECT_EQ("unknown subject: 'fly' (info lists them)\n", human("info fly"));
    EXPECT_EQ("cpu takes a number from 0 to 0\n", human("cpu 7"));
    EXPECT_EQ("", human("cpu 0"));
}

TEST_F(MonitorTest, HartsHaveTheNumbersOfTheirThreads)
{
    qmp();
    JsonNode *reply = json_from_string(ask("{\"execute\":\"query-cpus-fast\"}").c_str(), nullptr);
    JsonObject *hart = json_array_get_object_element(
        json_object_get_array_member(json_node_get_object(reply), "return"), 0);
    std::string task = "/proc/self/task/" + std::to_string(json_object_get_int_member(hart, "thread-id"));

    EXPECT_EQ(0, access(task.c_str(), F_OK)) << task;
    EXPECT_NE(getpid(), json_object_get_int_member(hart, "thread-id"));
    json_node_unref(reply);
}

class RingbufTest : public MonitorTest
{
  protected:
    IoLoop *loop = io_new();
    Chardev *ring = chardev_new(loop, "ring", "ringbuf,size=64", false, nullptr, nullptr);
    ChardevPort port = {};
    MonitorPeer peer = { "ring", "chardev", "ringbuf", nullptr, ring };

    void add_drives(MonitorVm &vm) override
    {
        vm.chardevs = &peer;
        vm.n_chardevs = 1;
    }
    void put(const std::string &text)
    {
        static const ChardevOps ops = { [](void *) -> size_t { return 0; },
                                        [](void *, const uint8_t *, size_t) {}, nullptr, nullptr };

        ASSERT_TRUE(chardev_attach(&port, ring, &ops, nullptr));
        EXPECT_EQ(text.size(), chardev_write(&port, text.data(), text.size()));
        chardev_detach(&port);
    }
    void TearDown() override
    {
        MonitorTest::TearDown();
        chardev_free(ring);
        io_free(loop);
    }
};

TEST_F(RingbufTest, IsWrittenByPrograms)
{
    qmp();
    EXPECT_EQ("{\"return\":{}}\r\n",
              ask("{\"execute\":\"ringbuf-write\",\"arguments\":{\"device\":\"ring\",\"data\":\"one \"}}"));
    EXPECT_EQ("{\"return\":{}}\r\n", ask("{\"execute\":\"ringbuf-write\",\"arguments\":{\"device\":\"ring\",\"data\":"
                                         "\"dHdv\",\"format\":\"base64\"}}"));
    EXPECT_EQ("{\"return\":\"one two\"}\r\n",
              ask("{\"execute\":\"ringbuf-read\",\"arguments\":{\"device\":\"ring\",\"size\":9}}"));
    EXPECT_EQ(error_of("DeviceNotFound", "Device 'none' not found"),
              ask("{\"execute\":\"chardev-send-break\",\"arguments\":{\"id\":\"none\"}}"));
}

TEST_F(RingbufTest, IsReadByProgramsAndPeople)
{
    put("one\ntwo\xff");
    qmp();
    EXPECT_EQ("{\"return\":\"one\"}\r\n",
              ask("{\"execute\":\"ringbuf-read\",\"arguments\":{\"device\":\"ring\",\"size\":3}}"));
    EXPECT_EQ("{\"return\":\"CnR3b/8=\"}\r\n",
              ask("{\"execute\":\"ringbuf-read\",\"arguments\":{\"device\":\"ring\",\"size\":1000000000000,"
                  "\"format\":\"base64\"}}"));
    EXPECT_EQ("{\"return\":\"\"}\r\n",
              ask("{\"execute\":\"ringbuf-read\",\"arguments\":{\"device\":\"ring\",\"size\":9}}"));
    EXPECT_EQ(error_of("DeviceNotFound", "Device 'none' not found"),
              ask("{\"execute\":\"ringbuf-read\",\"arguments\":{\"device\":\"none\",\"size\":9}}"));
    EXPECT_EQ(error_of("GenericError", "Parameter 'size' expects a number of bytes"),
              ask("{\"execute\":\"ringbuf-read\",\"arguments\":{\"device\":\"ring\",\"size\":-1}}"));
    EXPECT_EQ(error_of("GenericError", "Parameter 'format' is utf8 or base64, not 'rot13'"),
              ask("{\"execute\":\"ringbuf-read\",\"arguments\":{\"device\":\"ring\",\"size\":1,"
                  "\"format\":\"rot13\"}}"));
    monitor_close(session);
    out.clear();
    open(MONITOR_hmp);
    put("three");
    EXPECT_EQ("thr\n", human("ringbuf_read ring 3"));
    EXPECT_EQ("ee\n", human("ringbuf_read ring 3"));
    EXPECT_NE(std::string::npos, human("ringbuf_read ring").find("NAME of a chardev"));
    EXPECT_NE(std::string::npos, human("ringbuf_read ring 0").find("NAME of a chardev"));
    EXPECT_EQ("Device 'none' not found\n", human("ringbuf_read none 1"));
}

TEST_F(MonitorTest, MemoryIsSaved)
{
    std::string path = testing::TempDir() + "saved", text;

    open(MONITOR_hmp);
    EXPECT_EQ("", human("pmemsave 0x80001000 8 " + path));
    gchar *got;
    gsize n;
    ASSERT_TRUE(g_file_get_contents(path.c_str(), &got, &n, nullptr));
    EXPECT_EQ(std::string("\x11\x22\x33\x44\x55\x66\x77\x88"), std::string(got, n));
    g_free(got);
    unlink(path.c_str());
    EXPECT_NE(std::string::npos, human("memsave 0 8 " + path).find("Invalid addr"));
    unlink(path.c_str());
}

/* ---- Snapshots ---- */

std::string slurp(const std::string &path)
{
    gchar *bytes;
    gsize n;

    if (!g_file_get_contents(path.c_str(), &bytes, &n, nullptr)) {
        return "";
    }
    std::string text(bytes, n);
    g_free(bytes);
    return text;
}

class Snapshot : public MonitorTest
{
  protected:
    std::string path = testing::TempDir() + "snapshot";

    void SetUp() override
    {
        MonitorTest::SetUp();
        open(MONITOR_hmp);
        human("cont");
        usleep(5000);
        human("stop");
        vcpu()->slot[5] = 0x1234;
        memcpy(ram + 0x2000, "here", 4);
        EXPECT_EQ("", human("savevm " + path));
        change();
    }
    void TearDown() override
    {
        memset(ram + 0x2000, 0, 4);
        unlink(path.c_str());
        MonitorTest::TearDown();
    }
    static Vcpu *vcpu()
    {
        return machine_hart(machine, 0);
    }
    void change()
    {
        vcpu()->slot[5] = 1;
        memcpy(ram + 0x2000, "gone", 4);
        memset(ram + 0x80000, 7, 100);
    }
    void expect_unchanged()
    {
        EXPECT_EQ(1u, vcpu()->slot[5]);
        EXPECT_EQ(0, memcmp(ram + 0x2000, "gone", 4));
        EXPECT_EQ(7, ram[0x80000]);
    }
    std::string load(const std::string &bytes)
    {
        EXPECT_TRUE(g_file_set_contents(path.c_str(), bytes.data(), (gssize)bytes.size(), nullptr));
        return human("loadvm " + path);
    }
};

TEST_F(Snapshot, BringsBackWhatWasAndTheMachineGoesOn)
{
    uint64_t before;

    EXPECT_EQ("", human("loadvm " + path));
    EXPECT_EQ(0x1234u, vcpu()->slot[5]);
    EXPECT_EQ(0, memcmp(ram + 0x2000, "here", 4));
    EXPECT_EQ(0, ram[0x80000]);
    before = vcpu()->slot[10];
    for (int k = 0; k < 1000 && vcpu()->slot[10] <= before; k++) {
        human("cont");
        usleep(5000);
        human("stop");
    }
    EXPECT_GT(vcpu()->slot[10], before);
}

/* The code of before is not executed: it would count by two. */
TEST_F(Snapshot, CodeThatItBringsBackIsTranslatedAnew)
{
    memcpy(ram, "\x09\x05\xfd\xbf", 4); /* addi a0, a0, 2; j -2 */
    phys_written(mem, RAM, 4);
    machine_replaced(machine);
    vcpu()->slot[10] = 0;
    human("cont");
    usleep(5000);
    human("stop");
    EXPECT_EQ(0u, vcpu()->slot[10] % 2);
    EXPECT_EQ("", human("loadvm " + path));
    for (int i = 0; i < 1000 && vcpu()->slot[10] % 2 == 0; i++) {
        vcpu()->slot[10] = 0;
        human("cont");
        usleep(2000);
        human("stop");
    }
    EXPECT_EQ(1u, vcpu()->slot[10] % 2);
}

TEST_F(Snapshot, DamageIsFoundBeforeAnythingIsChanged)
{
    std::string good = slurp(path);

    ASSERT_GT(good.size(), 100u);
    for (size_t cut : { size_t(0), size_t(5), size_t(10), size_t(20), good.size() / 2, good.size() - 1 }) {
        EXPECT_NE("", load(good.substr(0, cut))) << cut;
        expect_unchanged();
    }
    for (size_t at = 0; at < good.size(); at++) {
        std::string bad = good;
        bad[at] = static_cast<char>(bad[at] ^ 1 << at % 8);
        EXPECT_NE("", load(bad)) << at;
        expect_unchanged();
    }
    EXPECT_EQ("", load(good));
}

/* A section's check made right again after a change of its data. */
void mend(std::string &file)
{
    for (size_t at = 12; at + 24 <= file.size();) {
        uint32_t name, zero = 0, check;
        uint64_t size;

        memcpy(&name, &file[at + 4], 4);
        memcpy(&size, &file[at + 8], 8);
        memcpy(&file[at + 16], &zero, 4);
        check = (uint32_t)crc32(0, (const Bytef *)&file[at], (uInt)(24 + name + size));
        memcpy(&file[at + 16], &check, 4);
        at += 24 + name + size;
    }
}

TEST_F(Snapshot, AnotherMachineIsRefused)
{
    std::string good = slurp(path), other = good;

    other.replace(other.find("harts=1"), 7, "harts=2");
    mend(other);
    EXPECT_NE(std::string::npos, load(other).find("does not fit this machine: it is of board=virt harts=2"));
    other = good;
    other.replace(other.find("ram=1048576"), 11, "ram=2097152");
    mend(other);
    EXPECT_NE(std::string::npos, load(other).find("ram=2097152"));
    other = good;
    other.replace(other.find("test0"), 5, "test1");
    mend(other);
    EXPECT_NE(std::string::npos, load(other).find("it has no device test1"));
    other = good;
    other[8] = 9;
    EXPECT_NE(std::string::npos, load(other).find("snapshot of version 9"));
    EXPECT_NE(std::string::npos, load("PK").find("no snapshot"));
    EXPECT_NE("", human("loadvm /nowhere/at/all"));
    EXPECT_NE(std::string::npos, human("savevm /nowhere/at/all").find("cannot be written"));
    expect_unchanged();
}

/* A machine with a qcow2 disk and one that is read-only. */
class SnapshotDisks : public MonitorTest
{
  protected:
    std::string path = testing::TempDir() + "with-disks", image = path + ".qcow2";
    MonitorDrive drives[2] = {};

    static Block *open_block(const std::string &file, const char *format, bool read_only)
    {
        BlockOptions o = {};
        GError *error = nullptr;

        o.path = file.c_str();
        o.format = format;
        o.read_only = read_only;
        Block *b = block_open(&o, &error);
        EXPECT_NE(nullptr, b) << error->message;
        return b;
    }
    void add_drives(MonitorVm &vm) override
    {
        ImageCreate c = {};

        c.path = image.c_str();
        c.format = "qcow2";
        c.size = 1 << 20;
        EXPECT_TRUE(image_create(&c, nullptr));
        drives[0] = { "disk0", open_block(image, "qcow2", false), nullptr, "node0" };
        drives[1] = { "cd", open_block("/proc/self/exe", "raw", true), nullptr, nullptr };
        vm.drives = drives;
        vm.n_drives = 2;
    }
    void SetUp() override
    {
        MonitorTest::SetUp();
        open(MONITOR_hmp);
        put('a');
        EXPECT_EQ("", human("savevm " + path));
        put('b');
    }
    void TearDown() override
    {
        MonitorTest::TearDown();
        EXPECT_EQ(0, block_close(drives[0].block));
        EXPECT_EQ(0, block_close(drives[1].block));
        unlink(path.c_str());
        unlink(image.c_str());
    }
    void put(char c)
    {
        struct iovec iov = { &c, 1 };

        EXPECT_EQ(0, block_write(drives[0].block, 512, &iov, 1));
    }
    char get()
    {
        char c = 0;
        struct iovec iov = { &c, 1 };

        EXPECT_EQ(0, block_read(drives[0].block, 512, &iov, 1));
        return c;
    }
    /* "NAME NAME" */
    std::string snapshots()
    {
        std::string all;
        ImageSnapshot s;

        for (unsigned i = 0; image_snapshot(drives[0].block, i, &s); i++) {
            all += std::string(i ? " " : "") + s.name;
        }
        return all;
    }
};

TEST_F(SnapshotDisks, GoBackWithTheMachine)
{
    EXPECT_EQ("with-disks", snapshots());
    EXPECT_EQ("", human("loadvm " + path));
    EXPECT_EQ('a', get());
    put('c');
    EXPECT_EQ("", human("loadvm " + path));
    EXPECT_EQ('a', get()) << "the snapshot is not written to";
}

TEST_F(SnapshotDisks, OneOfThatNameIsReplaced)
{
    EXPECT_EQ("", human("savevm " + path));
    EXPECT_EQ("with-disks", snapshots());
    put('c');
    EXPECT_EQ("", human("loadvm " + path));
    EXPECT_EQ('b', get());
}

TEST_F(SnapshotDisks, AnotherSnapshotOfThatNameIsNotTaken)
{
    std::string good = slurp(path);

    EXPECT_EQ("", human("savevm " + path));
    EXPECT_TRUE(g_file_set_contents(path.c_str(), good.data(), (gssize)good.size(), nullptr));
    EXPECT_NE(std::string::npos,
              human("loadvm " + path).find("drive 'disk0' has no snapshot \"with-disks\" of that time"));
    EXPECT_EQ('b', get());
}

TEST_F(SnapshotDisks, AreShown)
{
    EXPECT_EQ(0u, human("info snapshots").find("disk0: Snapshot list:\nID        TAG "));
    EXPECT_NE(std::string::npos, out.find("\n1         with-disks "));
    EXPECT_EQ(std::string::npos, out.find("cd: "));
    monitor_close(session);
    qmp();
    EXPECT_NE(std::string::npos,
              ask("{\"execute\":\"query-block\"}").find("\"snapshots\":[{\"id\":\"1\",\"name\":\"with-disks\","));
}

TEST_F(SnapshotDisks, AreDeletedWithTheirFile)
{
    ImageSnapshot other = {};

    other.name = "other";
    other.icount = UINT64_MAX;
    ASSERT_EQ(0, image_snapshot_create(drives[0].block, &other));
    EXPECT_EQ("with-disks other", snapshots());
    EXPECT_EQ("", human("delvm " + path));
    EXPECT_EQ("other", snapshots());
    EXPECT_NE(0, access(path.c_str(), F_OK));
    EXPECT_EQ('b', get());
    EXPECT_NE(std::string::npos, human("delvm " + path).find("No such file"));
    EXPECT_NE(std::string::npos, human("delvm").find("one FILE"));
}

/* Somebody has deleted that of the disk already. */
TEST_F(SnapshotDisks, AFileWithoutItsDisksIsDeleted)
{
    ASSERT_EQ(0, image_snapshot_delete(drives[0].block, "with-disks"));
    EXPECT_EQ("", human("delvm " + path));
    EXPECT_NE(0, access(path.c_str(), F_OK));
}

TEST_F(SnapshotDisks, WhatIsNoWholeSnapshotIsNotDeleted)
{
    std::string good = slurp(path);

    for (const std::string &bytes : { std::string("text"), good.substr(0, good.size() - 1),
                                      good.substr(0, good.size() / 2) + "x" +
                                          good.substr(good.size() / 2 + 1) }) {
        EXPECT_TRUE(g_file_set_contents(path.c_str(), bytes.data(), (gssize)bytes.size(), nullptr));
        EXPECT_NE("", human("delvm " + path));
        EXPECT_EQ(bytes, slurp(path));
        EXPECT_EQ("with-disks", snapshots());
    }
}

TEST_F(SnapshotDisks, NothingIsLeftWhenTheFileCannotBeWritten)
{
    EXPECT_NE("", human("savevm /nowhere/x"));
    EXPECT_EQ("with-disks", snapshots());
}

TEST_F(SnapshotDisks, CanBeLeftOut)
{
    EXPECT_EQ("", human("savevm -m " + path));
    put('c');
    EXPECT_EQ("", human("loadvm " + path));
    EXPECT_EQ('c', get());
    EXPECT_EQ("with-disks", snapshots()) << "that of the other savevm";
    EXPECT_NE(std::string::npos, human("savevm -m").find("one FILE"));
}

/* ---- Jobs: the machine inside of an image ---- */

class SnapshotJobs : public SnapshotDisks
{
  protected:
    void SetUp() override
    {
        MonitorTest::SetUp();
        qmp();
    }
    /* What query-jobs says of it afterwards; the job is gone then. */
    std::string job(const std::string &command, const std::string &tag, const std::string &vmstate = "node0",
                    const std::string &devices = "\"node0\"")
    {
        std::string where = command == "snapshot-delete" ? "" : ",\"vmstate\":\"" + vmstate + "\"";
        std::string said = ask("{\"execute\":\"" + command + "\",\"arguments\":{\"job-id\":\"j\",\"tag\":\"" + tag +
                               "\"" + where + ",\"devices\":[" + devices + "]}}");

        EXPECT_NE(std::string::npos, said.find("{\"return\":{}}")) << said;
        for (const char *status : { "created", "running", "concluded" }) {
            EXPECT_NE(std::string::npos, said.find("\"event\": \"JOB_STATUS_CHANGE\", \"data\": {\"status\":\"" +
                                                   std::string(status) + "\",\"id\":\"j\"}")) << said;
        }
        std::string jobs = ask("{\"execute\":\"query-jobs\"}");
        ask("{\"execute\":\"job-dismiss\",\"arguments\":{\"id\":\"j\"}}");
        EXPECT_EQ("{\"return\":[]}\r\n", ask("{\"execute\":\"query-jobs\"}"));
        return jobs;
    }
    static std::string done(const std::string &type)
    {
        return "{\"return\":[{\"id\":\"j\",\"type\":\"" + type + "\",\"status\":\"concluded\"," +
               "\"current-progress\":1,\"total-progress\":1}]}\r\n";
    }
};

TEST_F(SnapshotJobs, KeepTheMachineInAnImage)
{
    ram[0x3000] = 7;
    put('a');
    EXPECT_EQ(done("snapshot-save"), job("snapshot-save", "one"));
    EXPECT_EQ("one", snapshots());
    ImageSnapshot s;
    ASSERT_TRUE(image_snapshot(drives[0].block, 0, &s));
    EXPECT_GT(s.vm_state_size, 100u);
    ram[0x3000] = 8;
    put('b');
    EXPECT_EQ(done("snapshot-save"), job("snapshot-save", "two"));
    ram[0x3000] = 9;
    put('c');
    EXPECT_EQ(done("snapshot-load"), job("snapshot-load", "one"));
    EXPECT_EQ(7, ram[0x3000]);
    EXPECT_EQ('a', get());
    EXPECT_EQ(done("snapshot-load"), job("snapshot-load", "two", "disk0", "\"disk0\""));
    EXPECT_EQ(8, ram[0x3000]);
    EXPECT_EQ('b', get());
    EXPECT_EQ(done("snapshot-delete"), job("snapshot-delete", "one"));
    EXPECT_EQ("two", snapshots());
    EXPECT_EQ(done("snapshot-delete"), job("snapshot-delete", "one")) << "it is gone already";
}

TEST_F(SnapshotJobs, FailWithASentenceAndChangeNothing)
{
    ImageSnapshot foreign = {};

    put('a');
    EXPECT_EQ(done("snapshot-save"), job("snapshot-save", "one"));
    foreign.name = "theirs";
    foreign.icount = UINT64_MAX;
    ASSERT_EQ(0, image_snapshot_create(drives[0].block, &foreign));
    foreign.name = "damaged";
    foreign.vm_state_size = 5;
    struct iovec iov = { (void *)"state", 5 };
    ASSERT_EQ(0, image_vm_state_write(drives[0].block, 0, &iov, 1));
    ASSERT_EQ(0, image_snapshot_create(drives[0].block, &foreign));
    put('b');
    for (auto [command, tag, vmstate, devices, why] : std::vector<std::array<const char *, 5>>{
             { "snapshot-save", "one", "node0", "\"node0\"", "Snapshot 'one' already exists in device 'disk0'" },
             { "snapshot-save", "x", "node0", "", "At least one device is required" },
             { "snapshot-save", "x", "node9", "\"node0\"", "Cannot find device='node9'" },
             { "snapshot-save", "x", "node0", "\"node9\"", "Cannot find device='node9'" },
             { "snapshot-save", "x", "cd", "\"node0\"", "is not one of the devices" },
             { "snapshot-save", "x", "node0", "\"node0\",\"cd\"", "Device 'cd' is writable but does not support" },
             { "snapshot-load", "x", "node0", "\"node0\"", "Snapshot 'x' does not exist in device 'disk0'" },
             { "snapshot-load", "theirs", "node0", "\"node0\"", "has no state of a machine" },
             { "snapshot-load", "damaged", "node0", "\"node0\"", "is no snapshot of a machine" },
         }) {
        std::string said = job(command, tag, vmstate, devices);
        EXPECT_NE(std::string::npos, said.find(why)) << said;
        EXPECT_EQ("one theirs damaged", snapshots());
        EXPECT_EQ('b', get());
    }
    EXPECT_NE(std::string::npos, ask("{\"execute\":\"job-dismiss\",\"arguments\":{\"id\":\"j\"}}").find("Job not found"));
}

TEST_F(SnapshotJobs, AnIdIsUsedOnce)
{
    const std::string text = "{\"execute\":\"snapshot-delete\",\"arguments\":{\"job-id\":\"j\",\"tag\":\"x\","
                             "\"devices\":[\"node0\"]}}";

    EXPECT_NE(std::string::npos, ask(text).find("{\"return\":{}}"));
    EXPECT_EQ(error_of("GenericError", "Job ID 'j' already in use"), ask(text));
}

TEST_F(SnapshotJobs, OneDiskAlone)
{
    put('a');
    EXPECT_EQ("{\"return\":{}}\r\n", ask("{\"execute\":\"blockdev-snapshot-internal-sync\",\"arguments\":"
                                         "{\"device\":\"disk0\",\"name\":\"s\"}}"));
    EXPECT_NE(std::string::npos, ask("{\"execute\":\"blockdev-snapshot-internal-sync\",\"arguments\":"
                                     "{\"device\":\"disk0\",\"name\":\"s\"}}").find("already exists"));
    EXPECT_NE(std::string::npos, ask("{\"execute\":\"blockdev-snapshot-internal-sync\",\"arguments\":"
                                     "{\"device\":\"cd\",\"name\":\"s\"}}").find("Read-only"));
    EXPECT_EQ("s", snapshots());
    EXPECT_EQ(0u, ask("{\"execute\":\"blockdev-snapshot-delete-internal-sync\",\"arguments\":"
                      "{\"device\":\"node0\",\"name\":\"s\"}}").find("{\"return\":{\"id\":\"1\",\"name\":\"s\","));
    EXPECT_EQ("", snapshots());
    EXPECT_NE(std::string::npos, ask("{\"execute\":\"blockdev-snapshot-delete-internal-sync\",\"arguments\":"
                                     "{\"device\":\"node0\",\"id\":\"1\"}}").find("does not exist"));
}

TEST_F(SnapshotJobs, ADiskGrowsAndIsNamedByItsNode)
{
    EXPECT_EQ("{\"return\":{}}\r\n", ask("{\"execute\":\"block_resize\",\"arguments\":{\"node-name\":\"node0\","
                                         "\"size\":2097152}}"));
    EXPECT_EQ(2u << 20, block_size(drives[0].block));
    std::string nodes = ask("{\"execute\":\"query-named-block-nodes\"}");
    EXPECT_NE(std::string::npos, nodes.find("\"node-name\":\"node0\"")) << nodes;
    EXPECT_NE(std::string::npos, nodes.find("\"virtual-size\":2097152")) << nodes;
    EXPECT_NE(std::string::npos, nodes.find("\"node-name\":\"cd\"")) << nodes;
    EXPECT_NE(std::string::npos, ask("{\"execute\":\"block_resize\",\"arguments\":{\"size\":1024}}").find("'device' is missing"));
    EXPECT_NE(std::string::npos, ask("{\"execute\":\"block_resize\",\"arguments\":{\"device\":\"disk0\",\"size\":1000}}")
                                     .find("multiple of 512"));
    EXPECT_NE(std::string::npos, ask("{\"execute\":\"block_resize\",\"arguments\":{\"device\":\"cd\",\"size\":1024}}")
                                     .find("cannot be changed of 'cd'"));
}

TEST_F(MonitorTest, CommandsOfQemuThatThereAreNotSayWhatToDo)
{
    qmp();
    std::string said = ask("{\"execute\":\"device_add\",\"arguments\":{\"driver\":\"x\"}}");
    EXPECT_EQ(0u, said.find("{\"error\":{\"class\":\"CommandNotFound\",\"desc\":\"The command device_add has not been found: "
                            "devices are not plugged in")) << said;
    EXPECT_NE(std::string::npos, ask("{\"execute\":\"migrate\"}").find("do not migrate"));
    EXPECT_EQ(error_of("CommandNotFound", "The command fly has not been found"), ask("{\"execute\":\"fly\"}"));
    monitor_close(session);
    open(MONITOR_hmp);
    EXPECT_EQ(0u, human("device_add virtio-rng-pci").find("device_add: devices are not plugged in"));
    EXPECT_EQ(0u, human("eject cd").find("eject: no disk can be taken out"));
}

/* An ELF core file: the hart's pc in its note, RAM as it is, zeros as holes. */
TEST_F(MonitorTest, MemoryAndRegistersGoToACoreFile)
{
    std::string path = testing::TempDir() + "ketch-core";
    auto dump = [&](const std::string &more) {
        return ask("{\"execute\":\"dump-guest-memory\",\"arguments\":{\"paging\":false,\"protocol\":\"file:" + path + "\"" +
                   more + "}}");
    };
    qmp();
    EXPECT_EQ("{\"return\":{}}\r\n", dump(""));
    std::string core = slurp(path);
    EXPECT_EQ(0u, core.find("\x7f" "ELF\x02\x01\x01"));
    auto word = [&](size_t at) {
        uint64_t v = 0;
        memcpy(&v, &core[at], 8);
        return v;
    };
    EXPECT_EQ(RAM_SIZE, word(64 + 56 + 32)) << "p_filesz of the second segment";
    EXPECT_EQ((uint64_t)RAM, word(64 + 56 + 24));
    uint64_t at = word(64 + 56 + 8);
    ASSERT_EQ(at + RAM_SIZE, core.size());
    EXPECT_EQ(0, memcmp(ram, &core[at], RAM_SIZE));
    EXPECT_EQ(machine_hart(machine, 0)->pc, word(word(64 + 8) + 20 + 112));

    EXPECT_EQ("{\"return\":{}}\r\n", dump(",\"begin\":2147487744,\"length\":8"));
    core = slurp(path);
    EXPECT_EQ(std::string("\x11\x22\x33\x44\x55\x66\x77\x88"), core.substr(core.size() - 8));
    for (auto [more, why] : std::vector<std::array<const char *, 2>>{
             { ",\"begin\":5", "begin and length" }, { ",\"begin\":4096,\"length\":8", "no RAM is there" },
             { ",\"format\":\"kdump-zlib\"", "format is elf" }, { ",\"detach\":true", "detach: false" } }) {
        std::string said = dump(more);
        EXPECT_NE(std::string::npos, said.find(why)) << said;
    }
    path = "/nowhere/x";
    EXPECT_NE(std::string::npos, dump("").find("No such file"));
    EXPECT_EQ(error_of("GenericError", "This machine doesn't have an FDT"),
              ask("{\"execute\":\"dumpdtb\",\"arguments\":{\"filename\":\"/nowhere/x\"}}"));
    unlink((testing::TempDir() + "ketch-core").c_str());
}

/* The tree of devices as QEMU's clients look at it. */
TEST_F(MonitorTest, ObjectsAreListedAndRead)
{
    qmp();
    auto object = [&](const std::string &command, const std::string &args) {
        return ask("{\"execute\":\"" + command + "\",\"arguments\":{" + args + "}}");
    };
    EXPECT_EQ("{\"return\":[{\"name\":\"type\",\"type\":\"string\"},{\"name\":\"machine\",\"type\":\"child<virt-machine>\"},"
              "{\"name\":\"chardevs\",\"type\":\"child<container>\"},{\"name\":\"objects\",\"type\":\"child<container>\"}]}\r\n",
              object("qom-list", "\"path\":\"/\""));
    EXPECT_NE(std::string::npos, object("qom-list", "\"path\":\"/machine\"").find("{\"name\":\"hart[0]\",\"type\":\"child<rv64-riscv-cpu>\"}"));
    EXPECT_EQ("{\"return\":\"sifive-test\"}\r\n", object("qom-get", "\"path\":\"test0\",\"property\":\"type\""));
    EXPECT_EQ("{\"return\":\"rv64-riscv-cpu\"}\r\n", object("qom-get", "\"path\":\"/machine/hart[0]\",\"property\":\"type\""));
    EXPECT_EQ(error_of("DeviceNotFound", "Device '/machine/hart[1]' not found"),
              object("qom-get", "\"path\":\"/machine/hart[1]\",\"property\":\"type\""));
    EXPECT_EQ(error_of("GenericError", "Property 'sifive-test.colour' not found"),
              object("qom-get", "\"path\":\"test0\",\"property\":\"colour\""));
    EXPECT_NE(std::string::npos, object("device-list-properties", "\"typename\":\"virtio-blk-pci\"")
                                     .find("{\"name\":\"num-queues\",\"type\":\"uint32\",\"description\":"));
    EXPECT_EQ(error_of("DeviceNotFound", "Device 'toaster' not found"), object("device-list-properties", "\"typename\":\"toaster\""));
    EXPECT_EQ("{\"return\":[{\"name\":\"virtio-rng-pci\",\"parent\":\"device\"}]}\r\n",
              object("qom-list-types", "\"implements\":\"virtio-rng-pci\""));
}

class SnapshotRaw : public SnapshotDisks
{
  protected:
    std::string raw = path + ".raw";

    void add_drives(MonitorVm &vm) override
    {
        SnapshotDisks::add_drives(vm);
        EXPECT_TRUE(g_file_set_contents(raw.c_str(), std::string(4096, 'x').c_str(), 4096, nullptr));
        EXPECT_EQ(0, block_close(drives[1].block));
        drives[1] = { "raw1", open_block(raw, "raw", false), nullptr, nullptr };
    }
    void SetUp() override
    {
        MonitorTest::SetUp();
        open(MONITOR_hmp);
    }
    void TearDown() override
    {
        SnapshotDisks::TearDown();
        unlink(raw.c_str());
    }
};

TEST_F(SnapshotRaw, AFormatWithoutSnapshotsIsRefused)
{
    EXPECT_NE(std::string::npos, human("savevm " + path).find("drive 'raw1' can be written"));
    EXPECT_NE(0, access(path.c_str(), F_OK));
    EXPECT_EQ("", snapshots());
    EXPECT_EQ("", human("savevm -m " + path));
    EXPECT_EQ("", human("loadvm " + path));
}

/* ---- Who may connect, and where ---- */

TEST_F(MonitorTest, TcpIsRefusedAndUnknownPlacesAreNamed)
{
    for (const char *spec : { "tcp:127.0.0.1:4444,server", "pigeon", "unix:", "unix:/tmp/a,color=red" }) {
        GError *error = nullptr;

        EXPECT_EQ(nullptr, monitor_listen(monitor, MONITOR_qmp, spec, &error)) << spec;
        ASSERT_NE(nullptr, error) << spec;
        g_error_free(error);
    }
}

TEST_F(MonitorTest, TheSocketIsItsOwners)
{
    char folder[] = "/tmp/ketch-monitor-XXXXXX"; /* the name of a socket must be short */
    ASSERT_NE(nullptr, mkdtemp(folder));
    std::string path = std::string(folder) + "/sock";
    GError *error = nullptr;
    struct sockaddr_un a = {};
    struct stat st;
    char bytes[256];

    MonitorServer *server = monitor_listen(
        monitor, MONITOR_qmp, ("unix:" + path + ",server=on,wait=off").c_str(), &error);
    ASSERT_NE(nullptr, server) << error->message;
    ASSERT_EQ(0, stat(path.c_str(), &st));
    EXPECT_EQ(0600u, st.st_mode & 0777);
    int fd = socket(AF_UNIX, SOCK_STREAM, 0);
    a.sun_family = AF_UNIX;
    strcpy(a.sun_path, path.c_str());
    ASSERT_EQ(0, connect(fd, reinterpret_cast<struct sockaddr *>(&a), sizeof(a)));
    ASSERT_GT(read(fd, bytes, sizeof(bytes)), 10);
    EXPECT_EQ(0, memcmp(bytes, "{\"QMP\"", 6));
    monitor_server_free(server);
    EXPECT_EQ(0, read(fd, bytes, sizeof(bytes)));
    close(fd);
    EXPECT_NE(0, stat(path.c_str(), &st));
    rmdir(folder);
}

class End : public testing::Environment
{
    void TearDown() override
    {
        MonitorTest::free();
    }
};

testing::Environment *const end_of_all = testing::AddGlobalTestEnvironment(new End);

} // namespace
