// SPDX-License-Identifier: Apache-2.0
// qcow2 against a plain array of bytes, in every geometry; snapshots, chains, resizing.
#include <map>
#include <random>
#include <thread>

#include "testsuite/devices/host/block/disk.h"

namespace
{

constexpr uint64_t KiB = 1024, MiB = 1024 * KiB;

void Create(const ImageCreate &c)
{
    GError *error = nullptr;
    ASSERT_TRUE(image_create(&c, &error)) << Take(error);
}

ImageCreate Options(const std::string &path, uint64_t size)
{
    ImageCreate c = {};
    c.path = path.c_str();
    c.format = "qcow2";
    c.size = size;
    return c;
}

void Append(void *text, const char *line)
{
    static_cast<std::string *>(text)->append(line).append("\n");
}

// The image has neither errors nor leaks.
void ExpectClean(const std::string &path, uint64_t leaks = 0)
{
    BlockOptions o = {};
    o.path = path.c_str();
    o.format = "qcow2";
    o.read_only = o.check = true;
    o.backing = BLOCK_BACKING_IGNORE;
    Disk d(o);
    ASSERT_TRUE(d) << d.error;
    ImageCheck result = {};
    std::string said;
    result.message = Append;
    result.opaque = &said;
    ASSERT_EQ(0, image_check(d, IMAGE_REPAIR_NONE, &result)) << said;
    EXPECT_EQ(0u, result.corruptions) << said;
    EXPECT_LE(result.leaks, leaks) << said;
    if (leaks == 0) {
        EXPECT_EQ("", QemuImg("check " + path));
    }
}

Block *Open(const std::string &path, GError **error)
{
    BlockOptions o = {};
    o.path = path.c_str();
    o.format = "qcow2";
    o.backing = BLOCK_BACKING_FOLLOW;
    o.discard = true;
    return block_open(&o, error);
}

struct Geometry {
    unsigned version;
    uint64_t cluster_size;
    unsigned refcount_bits;
    bool extended;
    ImageCompression compression;
    bool backing;
};

void PrintTo(const Geometry &g, std::ostream *out)
{
    *out << "v" << g.version << " clusters of " << g.cluster_size << ", refcounts of "
         << g.refcount_bits << (g.extended ? ", extended" : "") << (g.backing ? ", backing" : "");
}

// Does the same to an image and to an array.
class Lockstep : public testing::TestWithParam<Geometry>
{
  protected:
    void SetUp() override
    {
        const Geometry &g = GetParam();
        size_ = std::max<uint64_t>(4 * MiB, g.cluster_size * 7) - 512 * 3;
        model_.assign(size_, 0);
        if (g.backing) {
            Bytes base(size_ / 2 + 700);
            for (size_t i = 0; i < base.size(); i++) {
                base[i] = model_[i] = (uint8_t)(i / 777 + 1);
            }
            WriteFile(folder_ / "base", base);
        }
        ImageCreate c = Options(path_, size_);
        c.version = g.version;
        c.cluster_size = g.cluster_size;
        c.refcount_bits = g.refcount_bits;
        c.extended_l2 = g.extended;
        c.compression = g.compression;
        if (g.backing) {
            c.backing_path = "base";
            c.backing_format = "raw";
        }
        Create(c);
        Reopen();
    }

    void Reopen()
    {
        disk_.reset();
        disk_ = std::make_unique<Disk>(path_, "qcow2");
        ASSERT_TRUE(*disk_) << disk_->error;
    }

    uint64_t Random(uint64_t n)
    {
        return n ? random_() % n : 0;
    }

    // A range: small, a few clusters, or whole clusters.
    void Range(uint64_t *offset, uint64_t *bytes)
    {
        uint64_t cluster = GetParam().cluster_size;
        switch (Random(4)) {
        case 0:
            *offset = Random(size_);
            *bytes = 1 + Random(std::min<uint64_t>(8192, size_ - *offset));
            break;
        case 1:
            *offset = Random(size_ / cluster) * cluster;
            *bytes = std::min(cluster * (1 + Random(3)), size_ - *offset);
            break;
        default:
            *offset = Random(size_ / 512) * 512;
            *bytes = std::min<uint64_t>(512 * (1 + Random(300)), size_ - *offset);
        }
    }

    void Write(uint64_t offset, uint64_t bytes)
    {
        Bytes data(bytes, (uint8_t)(1 + Random(255)));
        for (size_t i = 0; i < data.size(); i += 97) {
            data[i] = (uint8_t)i;
        }
        ASSERT_EQ(0, disk_->Write(offset, data));
        std::copy(data.begin(), data.end(), model_.begin() + (long)offset);
    }

    void WriteCompressed(uint64_t offset)
    {
        uint64_t cluster = GetParam().cluster_size;
        Bytes data(cluster, (uint8_t)Random(256)), out(cluster);
        offset = offset / cluster * cluster;
        for (size_t i = 0; i < data.size(); i += 3 + Random(60)) {
            data[i] = (uint8_t)Random(256);
        }
        size_t n = image_compress(GetParam().compression, data.data(), cluster, out.data(),
                                  cluster - 1);
        if (n == 0) {
            return;
        }
        ASSERT_EQ(0, image_write_compressed(*disk_, offset, out.data(), n));
        size_t bytes = std::min<uint64_t>(cluster, size_ - offset);
        std::copy(data.begin(), data.begin() + (long)bytes, model_.begin() + (long)offset);
    }

    // A discarded range may read as anything it was or as zeros; ours is defined for whole clusters.
    void Discard(uint64_t offset, uint64_t bytes)
    {
        ASSERT_EQ(0, block_discard(*disk_, offset, bytes));
        Bytes now = disk_->Read(offset, bytes);
        for (size_t i = 0; i < bytes; i++) {
            ASSERT_TRUE(now[i] == 0 || now[i] == model_[offset + i]) << i;
        }
        std::copy(now.begin(), now.end(), model_.begin() + (long)offset);
    }

    void One()
    {
        uint64_t offset, bytes;
        Range(&offset, &bytes);
        switch (Random(12)) {
        case 0:
            ASSERT_EQ(0, block_write_zeroes(*disk_, offset, bytes, Random(2)));
            std::fill_n(model_.begin() + (long)offset, bytes, 0);
            break;
        case 1:
            Discard(offset, bytes);
            break;
        case 2:
            WriteCompressed(offset);
            break;
        case 3:
            ASSERT_EQ(0, block_flush(*disk_));
            break;
        case 4:
        case 5:
        case 6:
            ASSERT_EQ(-1, Difference(Bytes(model_.begin() + (long)offset,
                                           model_.begin() + (long)(offset + bytes)),
                                     disk_->Read(offset, bytes)));
            break;
        default:
            Write(offset, bytes);
        }
    }

    void Compare()
    {
        ASSERT_EQ(-1, Difference(model_, disk_->Read(0, size_)));
    }

    // What block_status() says is zero is; its lengths cover the disk.
    void CompareStatus()
    {
        BlockExtent e;
        for (uint64_t at = 0; at < size_; at += e.length) {
            ASSERT_EQ(0, block_status(*disk_, at, size_ - at, &e));
            ASSERT_GT(e.length, 0u);
            for (uint64_t i = 0; e.zero && i < e.length; i++) {
                ASSERT_EQ(0, model_[at + i]);
            }
        }
    }

    Folder folder_;
    std::string path_ = folder_ / "disk.qcow2";
    uint64_t size_ = 0;
    Bytes model_;
    std::unique_ptr<Disk> disk_;
    std::mt19937 random_{1234};
};

TEST_P(Lockstep, RandomOperations)
{
    int steps = GetParam().cluster_size > MiB ? 15 : 60;
    for (int round = 0; round < 4; round++) {
        for (int i = 0; i < steps; i++) {
            ASSERT_NO_FATAL_FAILURE(One()) << "round " << round << ", step " << i;
        }
        ASSERT_NO_FATAL_FAILURE(Compare());
        ASSERT_NO_FATAL_FAILURE(CompareStatus());
        ASSERT_EQ(0, disk_->Close());
        ExpectClean(path_);
        WriteFile(folder_ / "model", model_);
        EXPECT_EQ("", QemuImg("compare -f raw -F qcow2 " + (folder_ / "model") + " " + path_));
        ASSERT_NO_FATAL_FAILURE(Reopen());
        ASSERT_NO_FATAL_FAILURE(Compare());
    }
}

TEST_P(Lockstep, Snapshots)
{
    std::map<std::string, Bytes> saved;
    if (GetParam().refcount_bits == 1) {
        ImageSnapshot s = {};
        s.name = "no";
        Write(0, 1000);
        EXPECT_EQ(-ERANGE, image_snapshot_create(*disk_, &s));
        Compare();
        disk_->Close();
        ExpectClean(path_);
        return;
    }
    for (int i = 0; i < 90; i++) {
        std::string name = "s" + std::to_string(i);
        ASSERT_NO_FATAL_FAILURE(One()) << i;
        if (i % 11 == 5 && saved.size() < 3) {
            ImageSnapshot s = {};
            s.name = name.c_str();
            s.icount = UINT64_MAX;
            int r = image_snapshot_create(*disk_, &s);
            if (r == -ERANGE && GetParam().refcount_bits < 8) {
                continue; // many compressed clusters in one
            }
            ASSERT_EQ(0, r);
            saved[name] = model_;
        } else if (i % 17 == 16 && !saved.empty()) {
            auto one = std::next(saved.begin(), (long)Random(saved.size()));
            int r = image_snapshot_apply(*disk_, one->first.c_str());
            if (r == -ERANGE && GetParam().refcount_bits < 8) {
                continue;
            }
            ASSERT_EQ(0, r);
            model_ = one->second;
            ASSERT_NO_FATAL_FAILURE(Compare());
        } else if (i % 29 == 28 && !saved.empty()) {
            ASSERT_EQ(0, image_snapshot_delete(*disk_, saved.begin()->first.c_str()));
            saved.erase(saved.begin());
        } else if (i % 31 == 30) {
            ASSERT_EQ(0, disk_->Close());
            ExpectClean(path_);
            ASSERT_NO_FATAL_FAILURE(Reopen());
        }
    }
    ASSERT_NO_FATAL_FAILURE(Compare());
    while (saved.size() > 1) {
        ASSERT_EQ(0, image_snapshot_delete(*disk_, saved.begin()->first.c_str()));
        saved.erase(saved.begin());
    }
    for (const auto &[name, data] : saved) {
        ASSERT_EQ(0, image_snapshot_apply(*disk_, name.c_str()));
        ASSERT_EQ(-1, Difference(data, disk_->Read(0, size_)));
        ASSERT_EQ(0, image_snapshot_delete(*disk_, name.c_str()));
    }
    EXPECT_EQ(-ENOENT, image_snapshot_apply(*disk_, "s5"));
    ASSERT_EQ(0, disk_->Close());
    ExpectClean(path_);
}

const Geometry geometries[] = {
    {2, 65536, 16, false, IMAGE_COMPRESSION_ZLIB, false},
    {2, 4096, 16, false, IMAGE_COMPRESSION_ZLIB, true},
    {3, 512, 16, false, IMAGE_COMPRESSION_ZLIB, false},
    {3, 1024, 1, false, IMAGE_COMPRESSION_ZSTD, true},
    {3, 2048, 2, false, IMAGE_COMPRESSION_ZSTD, false},
    {3, 4096, 4, false, IMAGE_COMPRESSION_ZLIB, true},
    {3, 8192, 8, false, IMAGE_COMPRESSION_ZSTD, false},
    {3, 16384, 32, true, IMAGE_COMPRESSION_ZLIB, true},
    {3, 32768, 64, false, IMAGE_COMPRESSION_ZSTD, true},
    {3, 65536, 16, false, IMAGE_COMPRESSION_ZSTD, true},
    {3, 65536, 16, true, IMAGE_COMPRESSION_ZSTD, true},
    {3, 131072, 1, true, IMAGE_COMPRESSION_ZLIB, false},
    {3, 2097152, 16, false, IMAGE_COMPRESSION_ZLIB, false},
    {3, 512, 64, false, IMAGE_COMPRESSION_ZSTD, true},
};

INSTANTIATE_TEST_SUITE_P(Geometries, Lockstep, testing::ValuesIn(geometries));

class Qcow2 : public testing::Test
{
  protected:
    Folder folder_;
    std::string path_ = folder_ / "disk.qcow2";
};

// Small refcount blocks and a small table: both must grow many times.
TEST_F(Qcow2, RefcountTableGrows)
{
    ImageCreate c = Options(path_, 64 * MiB);
    c.cluster_size = 512;
    c.refcount_bits = 64;
    Create(c);
    Disk d(path_, "qcow2");
    ASSERT_TRUE(d) << d.error;
    for (uint64_t at = 0; at < 24 * MiB; at += MiB) {
        ASSERT_EQ(0, d.Fill(at, MiB, (uint8_t)(at / MiB + 1)));
    }
    for (uint64_t at = 0; at < 24 * MiB; at += MiB) {
        ASSERT_EQ(-1, Difference(Bytes(MiB, (uint8_t)(at / MiB + 1)), d.Read(at, MiB)));
    }
    ASSERT_EQ(0, d.Close());
    ExpectClean(path_);
}

TEST_F(Qcow2, ChainsOfThree)
{
    WriteFile(folder_ / "a.raw", Bytes(128 * KiB, 1));
    ImageCreate b = Options(folder_ / "b.qcow2", MiB);
    std::string b_path = folder_ / "b.qcow2";
    b.path = b_path.c_str();
    b.backing_path = "a.raw";
    b.backing_format = "raw";
    Create(b);
    {
        Disk d(b_path, "qcow2");
        ASSERT_TRUE(d) << d.error;
        ASSERT_EQ(0, d.Fill(100 * KiB, 100 * KiB, 2));
    }
    ImageCreate c = Options(path_, 2 * MiB);
    c.backing_path = "b.qcow2";
    c.backing_format = "qcow2";
    Create(c);
    {
        Disk d(path_, "qcow2");
        ASSERT_TRUE(d) << d.error;
        ASSERT_EQ(0, d.Fill(150 * KiB, 10, 3));
        EXPECT_EQ(1, d.Read(0, 1)[0]);
        EXPECT_EQ(2, d.Read(149 * KiB, 1)[0]);
        EXPECT_EQ(3, d.Read(150 * KiB, 1)[0]);
        EXPECT_EQ(2, d.Read(150 * KiB + 10, 1)[0]);
        EXPECT_EQ(0, d.Read(300 * KiB, 1)[0]);
        EXPECT_EQ(0, d.Read(MiB + 5, 1)[0]);
        BlockExtent e;
        ASSERT_EQ(0, block_status(d, 0, MiB, &e));
        EXPECT_EQ(2u, e.depth);
        ASSERT_EQ(0, block_status(d, 128 * KiB, MiB, &e));
        EXPECT_EQ(0u, e.depth);
        ASSERT_EQ(0, block_status(d, 192 * KiB, MiB, &e));
        EXPECT_EQ(1u, e.depth);
        EXPECT_STREQ("b.qcow2", [&] { BlockInfo i; EXPECT_EQ(0, block_info(d, &i)); return i.backing_path; }());
    }
    BlockOptions o = {};
    o.path = path_.c_str();
    o.format = "qcow2";
    Disk refused(o);
    EXPECT_NE(std::string::npos, refused.error.find("only when asked for")) << refused.error;
    o.format = nullptr;
    o.read_only = true;
    o.backing = BLOCK_BACKING_FOLLOW;
    Disk guessed(o);
    EXPECT_NE(std::string::npos, guessed.error.find("not guessed")) << guessed.error;
    ASSERT_EQ(0, unlink((folder_ / "a.raw").c_str()));
    Disk missing(path_, "qcow2");
    EXPECT_NE(std::string::npos, missing.error.find("backing file of")) << missing.error;
}

TEST_F(Qcow2, Resize)
{
    ImageCreate c = Options(path_, MiB);
    c.cluster_size = 4096;
    Create(c);
    Disk d(path_, "qcow2");
    ASSERT_EQ(0, d.Fill(0, MiB, 9));
    ASSERT_EQ(0, block_resize(d, 100 * MiB));
    EXPECT_EQ(9, d.Read(MiB - 1, 1)[0]);
    EXPECT_EQ(0, d.Read(MiB, 1)[0]);
    ASSERT_EQ(0, d.Fill(99 * MiB, MiB, 8));
    ASSERT_EQ(0, block_resize(d, MiB / 2 + 512));
    EXPECT_EQ(9, d.Read(MiB / 2 + 511, 1)[0]);
    d.Read(MiB / 2 + 512, 1, -EINVAL);
    ASSERT_EQ(0, block_resize(d, 100 * MiB));
    EXPECT_EQ(-1, Difference(Bytes(MiB, 0), d.Read(MiB / 2 + 512, MiB)));
    EXPECT_EQ(0, d.Read(99 * MiB, 1)[0]);
    ASSERT_EQ(0, d.Close());
    ExpectClean(path_);
}

// L1 tables that are longer than a refcount block counts: made, enlarged, copied for snapshots.
TEST_F(Qcow2, TablesLongerThanOneRefcountBlockCounts)
{
    for (unsigned bits : {16, 64, 1}) {
        ImageCreate c = Options(path_, MiB);
        ImageSnapshot s = {};
        c.cluster_size = 512;
        c.refcount_bits = bits;
        Create(c);
        Disk d(path_, "qcow2");
        ASSERT_EQ(0, block_resize(d, 500 * MiB));
        ASSERT_EQ(0, d.Fill(400 * MiB, MiB, 1));
        ASSERT_EQ(0, block_resize(d, 600 * MiB));
        ASSERT_EQ(0, d.Fill(599 * MiB, MiB, 2));
        ASSERT_EQ(0, block_resize(d, 3000 * MiB));
        ASSERT_EQ(0, d.Fill(2999 * MiB, MiB, 3));
        if (bits > 1) { // the copy of a cluster needs a refcount of 2
            s.name = "long";
            ASSERT_EQ(0, image_snapshot_create(d, &s));
            ASSERT_EQ(0, d.Fill(400 * MiB, 2 * MiB, 4));
            ASSERT_EQ(0, image_snapshot_apply(d, "long"));
            EXPECT_EQ(-1, Difference(Bytes(MiB, 0), d.Read(401 * MiB, MiB)));
            ASSERT_EQ(0, image_snapshot_delete(d, "long"));
        }
        EXPECT_EQ(-1, Difference(Bytes(MiB, 1), d.Read(400 * MiB, MiB)));
        EXPECT_EQ(-1, Difference(Bytes(MiB, 2), d.Read(599 * MiB, MiB)));
        EXPECT_EQ(-1, Difference(Bytes(MiB, 3), d.Read(2999 * MiB, MiB)));
        ASSERT_EQ(0, d.Close());
        ExpectClean(path_);
    }
}

TEST_F(Qcow2, Preallocation)
{
    for (auto how : {IMAGE_PREALLOCATE_METADATA, IMAGE_PREALLOCATE_FALLOC, IMAGE_PREALLOCATE_FULL}) {
        for (bool extended : {false, true}) {
            ImageCreate c = Options(path_, 5 * MiB);
            c.preallocation = how;
            c.extended_l2 = extended;
            Create(c);
            ExpectClean(path_);
            Disk d(path_, "qcow2");
            ASSERT_TRUE(d) << d.error;
            EXPECT_EQ(-1, Difference(Bytes(5 * MiB, 0), d.Read(0, 5 * MiB)));
            uint64_t before = ReadFile(path_).size();
            EXPECT_EQ(0, d.Fill(0, 5 * MiB, 1));
            EXPECT_EQ(0, d.Close());
            EXPECT_EQ(before, ReadFile(path_).size());
        }
    }
}

TEST_F(Qcow2, VmState)
{
    Create(Options(path_, MiB));
    Disk d(path_, "qcow2");
    Bytes state(3 * MiB, 0x5a), got(3 * MiB);
    iovec out = {state.data(), state.size()}, in = {got.data(), got.size()};
    ASSERT_EQ(0, d.Fill(0, MiB, 1));
    ASSERT_EQ(0, image_vm_state_write(d, 0, &out, 1));
    ImageSnapshot s = {}, listed;
    s.name = "running";
    s.vm_state_size = state.size();
    s.date_s = 1700000000;
    s.vm_clock_ns = 123456789;
    s.icount = UINT64_MAX;
    ASSERT_EQ(0, image_snapshot_create(d, &s));
    ASSERT_EQ(0, d.Fill(0, MiB, 2));
    ASSERT_EQ(0, image_vm_state_read(d, 0, &in, 1));
    EXPECT_EQ(-1, Difference(Bytes(3 * MiB, 0), got));
    ASSERT_EQ(0, image_snapshot_apply(d, "1"));
    ASSERT_EQ(0, image_vm_state_read(d, 0, &in, 1));
    EXPECT_EQ(-1, Difference(state, got));
    EXPECT_EQ(1, d.Read(MiB - 1, 1)[0]);
    ASSERT_TRUE(image_snapshot(d, 0, &listed));
    EXPECT_STREQ("running", listed.name);
    EXPECT_EQ(3 * MiB, listed.vm_state_size);
    EXPECT_EQ(123456789u, listed.vm_clock_ns);
    EXPECT_FALSE(image_snapshot(d, 1, &listed));
    ASSERT_EQ(0, d.Close());
    ExpectClean(path_);
}

// What a flush returned for is in the file, whatever comes later.
TEST_F(Qcow2, FlushedIsInTheFile)
{
    Create(Options(path_, 64 * MiB));
    GError *error = nullptr;
    Block *b = Open(path_, &error);
    ASSERT_NE(nullptr, b) << Take(error);
    Bytes data(MiB, 7);
    iovec iov = {data.data(), data.size()};
    ASSERT_EQ(0, block_write(b, 10 * MiB, &iov, 1));
    ASSERT_EQ(0, block_flush(b));
    ASSERT_EQ(0, block_write(b, 30 * MiB, &iov, 1));
    std::string copy = folder_ / "copy.qcow2";
    WriteFile(copy, ReadFile(path_)); // as after SIGKILL
    ASSERT_EQ(0, block_close(b));
    ExpectClean(copy);
    Disk d(copy, "qcow2");
    EXPECT_EQ(-1, Difference(data, d.Read(10 * MiB, MiB)));
    EXPECT_EQ(0, d.Read(30 * MiB, 1)[0]);
}

// Discarded space is used again, and given back to the file system.
TEST_F(Qcow2, SpaceIsReused)
{
    Create(Options(path_, 64 * MiB));
    Disk d(path_, "qcow2");
    for (int i = 0; i < 20; i++) {
        ASSERT_EQ(0, d.Fill(0, 8 * MiB, (uint8_t)(i + 1)));
        ASSERT_EQ(0, block_discard(d, 0, 8 * MiB));
        ASSERT_EQ(0, block_flush(d));
    }
    EXPECT_LT(ReadFile(path_).size(), 12 * MiB);
    BlockInfo info;
    ASSERT_EQ(0, block_info(d, &info));
    EXPECT_LT(info.disk_size, 2 * MiB);
    ASSERT_EQ(0, d.Close());
    ExpectClean(path_);
}

TEST_F(Qcow2, ThreadsAtTheSameTime)
{
    constexpr int threads = 4;
    constexpr uint64_t stripe = 3000; // several threads in each cluster
    for (bool extended : {false, true}) {
        ImageCreate c = Options(path_, 8 * MiB);
        c.extended_l2 = extended;
        c.cluster_size = 16384;
        Create(c);
        Disk d(path_, "qcow2");
        ASSERT_TRUE(d) << d.error;
        std::vector<Bytes> models(threads, Bytes(8 * MiB, 0));
        std::vector<std::thread> running;
        for (int t = 0; t < threads; t++) {
            running.emplace_back([&, t] {
                std::mt19937 random((unsigned)t);
                for (int i = 0; i < 400; i++) {
                    uint64_t n = 8 * MiB / stripe / threads, at = (random() % n * threads + (unsigned)t) * stripe;
                    uint8_t value = (uint8_t)(random() % 255 + 1);
                    switch (random() % 8) {
                    case 0:
                        EXPECT_EQ(0, block_flush(d));
                        break;
                    case 1:
                        EXPECT_EQ(0, block_write_zeroes(d, at, stripe, random() % 2));
                        std::fill_n(models[(size_t)t].begin() + (long)at, stripe, 0);
                        break;
                    case 2:
                        EXPECT_EQ(models[(size_t)t][at], d.Read(at, stripe)[0]);
                        break;
                    default:
                        EXPECT_EQ(0, d.Fill(at, stripe, value));
                        std::fill_n(models[(size_t)t].begin() + (long)at, stripe, value);
                    }
                    if (t == 0 && i % 100 == 50) {
                        ImageSnapshot s = {};
                        s.name = "x";
                        EXPECT_EQ(0, image_snapshot_create(d, &s));
                    }
                }
            });
        }
        for (auto &thread : running) {
            thread.join();
        }
        Bytes all = d.Read(0, 8 * MiB), want(8 * MiB, 0);
        for (uint64_t i = 0; i < want.size(); i++) {
            want[i] = models[i / stripe % threads][i];
        }
        EXPECT_EQ(-1, Difference(want, all));
        ASSERT_EQ(0, d.Close());
        ExpectClean(path_);
    }
}

} // namespace
