/* SPDX-License-Identifier: Apache-2.0 */
/* Snapshots of a machine with disks: in a file of their own, and in an image. */
#include "testsuite/ui/monitor/harness.h"

#include <array>
#include <glib.h>
#include <unistd.h>
#include <vector>

extern "C" {
#include "devices/host/block/image.h"
}

namespace
{

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
    std::string good = slurp(path), changed = good;

    changed[good.size() / 2] ^= 1;
    for (const std::string &bytes : { std::string("text"), good.substr(0, good.size() - 1), changed }) {
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

} // namespace
