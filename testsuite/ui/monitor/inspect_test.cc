/* SPDX-License-Identifier: Apache-2.0 */
/* Looking at a machine: expressions, memory, registers, devices, core files. */
#include "testsuite/ui/monitor/harness.h"

#include <array>
#include <cstring>
#include <json-glib/json-glib.h>
#include <sys/stat.h>
#include <unistd.h>
#include <vector>

namespace
{

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

TEST_F(MonitorTest, MemoryIsSaved)
{
    std::string path = testing::TempDir() + "saved", text;
    struct stat st;

    open(MONITOR_hmp);
    EXPECT_EQ("", human("pmemsave 0x80001000 8 " + path));
    gchar *got;
    gsize n;
    ASSERT_TRUE(g_file_get_contents(path.c_str(), &got, &n, nullptr));
    EXPECT_EQ(std::string("\x11\x22\x33\x44\x55\x66\x77\x88"), std::string(got, n));
    g_free(got);
    ASSERT_EQ(0, stat(path.c_str(), &st));
    EXPECT_EQ(0600u, st.st_mode & 0777) << "memory is nobody else's";
    unlink(path.c_str());
    EXPECT_NE(std::string::npos, human("memsave 0 8 " + path).find("Invalid addr"));
    unlink(path.c_str());
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
    EXPECT_EQ("{\"return\":[{\"name\":\"tcg-accel\",\"parent\":\"accel\"}]}\r\n",
              object("qom-list-types", "\"implements\":\"accel\""));
    EXPECT_EQ("{\"return\":[{\"name\":\"filename\",\"type\":\"str\"}]}\r\n",
              object("qom-list-properties", "\"typename\":\"rng-random\""));
    EXPECT_EQ("{\"return\":[]}\r\n", object("qom-list-properties", "\"typename\":\"iothread\""));
}

/* libvirt asks for events of migrations before it starts a guest. */
TEST_F(MonitorTest, CapabilitiesOfMigrations)
{
    qmp();
    auto set = [&](const std::string &list) {
        return ask("{\"execute\":\"migrate-set-capabilities\",\"arguments\":{\"capabilities\":[" + list + "]}}");
    };
    EXPECT_EQ("{\"return\":{}}\r\n", set("{\"capability\":\"events\",\"state\":true},{\"capability\":\"xbzrle\",\"state\":false}"));
    EXPECT_EQ(error_of("GenericError", "machines do not migrate, so 'xbzrle' cannot be set"),
              set("{\"capability\":\"xbzrle\",\"state\":true}"));
    for (const char *wrong : { "1", "\"events\"", "{\"capability\":\"events\"}", "{\"capability\":1,\"state\":true}" }) {
        EXPECT_EQ(error_of("GenericError", "Invalid parameter type for 'capabilities', expected: array of MigrationCapabilityStatus"),
                  set(wrong));
    }
    EXPECT_EQ("{\"return\":[]}\r\n", ask("{\"execute\":\"query-migrate-capabilities\"}"));
}

} // namespace
