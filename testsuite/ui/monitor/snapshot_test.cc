/* SPDX-License-Identifier: Apache-2.0 */
/* savevm and loadvm without disks; files that are damaged or of other machines. */
#include "testsuite/ui/monitor/harness.h"

#include <cstring>
#include <glib.h>
#include <unistd.h>
#include <zlib.h>

namespace
{

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

} // namespace
