// SPDX-License-Identifier: Apache-2.0
// Images that were made to do harm: an error, never a crash, a hang or a byte outside of the image.
// Built with --config=asan and --config=ubsan it finds what a plain build survives.
#include <sys/stat.h>

#include <chrono>
#include <filesystem>
#include <random>

#include "testsuite/devices/host/block/disk.h"

namespace
{

constexpr uint64_t KiB = 1024, MiB = 1024 * KiB;
constexpr auto Forever = std::chrono::seconds(120); // a hang, not a slow machine

void Put(Bytes &image, uint64_t at, uint64_t value, unsigned bytes)
{
    for (unsigned i = 0; i < bytes; i++) {
        image[at + i] = (uint8_t)(value >> 8 * (bytes - 1 - i));
    }
}

uint64_t Get(const Bytes &image, uint64_t at, unsigned bytes)
{
    uint64_t value = 0;
    for (unsigned i = 0; i < bytes; i++) {
        value = value << 8 | image[at + i];
    }
    return value;
}

// An image with one of everything.
Bytes Rich(const Folder &folder, unsigned version, uint64_t cluster, bool extended)
{
    std::string path = folder / "rich.qcow2";
    ImageCreate c = {};
    GError *error = nullptr;
    c.path = path.c_str();
    c.format = "qcow2";
    c.size = 2 * MiB;
    c.version = version;
    c.cluster_size = cluster;
    c.extended_l2 = extended;
    EXPECT_TRUE(image_create(&c, &error)) << Take(error);
    Disk d(path, "qcow2");
    EXPECT_TRUE(d) << d.error;
    EXPECT_EQ(0, d.Fill(0, 300 * KiB, 1));
    ImageSnapshot s = {};
    s.name = "first";
    EXPECT_EQ(0, image_snapshot_create(d, &s));
    EXPECT_EQ(0, d.Fill(100 * KiB, 100 * KiB, 2));
    s.name = "second";
    EXPECT_EQ(0, image_snapshot_create(d, &s));
    EXPECT_EQ(0, block_write_zeroes(d, 512 * KiB, 128 * KiB, false));
    Bytes data(cluster, 7), out(cluster);
    size_t n = image_compress(IMAGE_COMPRESSION_ZLIB, data.data(), cluster, out.data(), cluster - 1);
    EXPECT_GT(n, 0u);
    EXPECT_EQ(0, image_write_compressed(d, MiB, out.data(), n));
    EXPECT_EQ(0, d.Close());
    return ReadFile(path);
}

// The same made by QEMU's tools; empty where they are not installed.
Bytes QemuRich(const Folder &folder, const std::string &options)
{
    std::string path = folder / "qemu.qcow2";
    std::string commands = "cd " + (folder / "") + " && qemu-img create -q -f qcow2 -o " + options + " qemu.qcow2 2M && "
                           "qemu-io -c 'write -P 1 0 300k' qemu.qcow2 && qemu-img snapshot -c first qemu.qcow2 && "
                           "qemu-io -c 'write -P 2 100k 100k' -c 'write -z 512k 128k' qemu.qcow2 && "
                           "qemu-img snapshot -c second qemu.qcow2 && qemu-io -c 'discard 1M 256k' qemu.qcow2";

    return system(("(" + commands + ") > /dev/null 2>&1").c_str()) == 0 ? ReadFile(path) : Bytes();
}

class Hostile : public testing::Test
{
  protected:
    // Opens, reads, writes, checks, repairs: each may fail, none may do harm.
    void Use(const Bytes &image)
    {
        auto started = std::chrono::steady_clock::now();
        WriteFile(path_, image);
        ReadAll();
        WriteSome();
        Check(IMAGE_REPAIR_NONE);
        WriteFile(path_, image);
        Check(IMAGE_REPAIR_ALL);
        WriteSome();
        EXPECT_LT(std::chrono::steady_clock::now() - started, Forever);
    }

    void ReadAll()
    {
        Disk d(path_, "qcow2", true);
        if (!d) {
            EXPECT_NE("", d.error);
            return;
        }
        Bytes data(64 * KiB);
        iovec iov = {data.data(), data.size()};
        uint64_t size = std::min<uint64_t>(block_size(d), 3 * MiB);
        for (uint64_t at = 0; at + data.size() <= size; at += data.size()) {
            (void)!block_read(d, at, &iov, 1);
        }
        BlockExtent e;
        for (uint64_t at = 0, n = 0; at < size && n < 1000 && block_status(d, at, size, &e) == 0;
             at += e.length, n++) {
            ASSERT_GT(e.length, 0u);
        }
        (void)!image_snapshot_show(d, "first");
        (void)!block_read(d, 0, &iov, 1);
    }

    void WriteSome()
    {
        BlockOptions o = {};
        o.path = path_.c_str();
        o.format = "qcow2";
        o.discard = true;
        o.backing = BLOCK_BACKING_IGNORE;
        o.cache = BLOCK_CACHE_UNSAFE;
        Disk d(o);
        if (!d) {
            return;
        }
        uint64_t size = std::min<uint64_t>(block_size(d), 3 * MiB);
        Bytes data(20 * KiB, 0xaa);
        iovec iov = {data.data(), data.size()};
        for (uint64_t at = 1000; at + data.size() <= size; at += 70 * KiB) {
            (void)!block_write(d, at, &iov, 1);
        }
        (void)!block_write_zeroes(d, 0, size / 2, true);
        (void)!block_discard(d, size / 2, size / 4);
        (void)!block_flush(d);
        ImageSnapshot s = {};
        s.name = "third";
        (void)!image_snapshot_create(d, &s);
        (void)!image_snapshot_apply(d, "first");
        (void)!image_snapshot_delete(d, "second");
        (void)!block_resize(d, size + MiB);
        (void)!block_write(d, size, &iov, 1);
        (void)!d.Close();
        // A refcount block that has everything as used sends what is new behind all that it counts; the hole
        // takes no space.
        struct stat st;
        ASSERT_EQ(0, stat(path_.c_str(), &st));
        EXPECT_LT((uint64_t)st.st_blocks * 512, 64 * MiB);
    }

    void Check(ImageRepair repair)
    {
        BlockOptions o = {};
        o.path = path_.c_str();
        o.format = "qcow2";
        o.check = true;
        o.read_only = repair == IMAGE_REPAIR_NONE;
        o.backing = BLOCK_BACKING_IGNORE;
        o.cache = BLOCK_CACHE_UNSAFE;
        Disk d(o);
        if (d) {
            ImageCheck result = {};
            (void)!image_check(d, repair, &result);
        }
    }

    // What opening it for reading says.
    std::string Refusal(const Bytes &image)
    {
        WriteFile(path_, image);
        Disk d(path_, "qcow2", true);
        return d.error;
    }

    Folder folder_;
    std::string path_ = folder_ / "hostile.qcow2";
};

TEST_F(Hostile, HeadersAreRefusedByName)
{
    const Bytes good = Rich(folder_, 3, 4096, false);
    const struct {
        uint64_t at, value;
        unsigned bytes;
        const char *says;
    } cases[] = {
        {0, 0, 4, "not a qcow2"},
        {4, 4, 4, "version 4"},
        {4, 1, 4, "version 1"},
        {20, 8, 4, "clusters of"},
        {20, 22, 4, "clusters of"},
        {20, 0xffffffff, 4, "clusters of"},
        {24, 1ull << 63, 8, "a disk of"},
        {24, 1ull << 50, 8, "too small for its disk"},
        {32, 1, 4, "encrypted (AES)"},
        {32, 2, 4, "encrypted (LUKS)"},
        {36, 0x7fffffff, 4, "L1 table"},
        {40, 100, 8, "L1 table cannot be at"},
        {40, 1ull << 56, 8, "L1 table cannot be at"},
        {40, 1ull << 40, 8, "cut off"},
        {48, 3, 8, "refcount table cannot be at"},
        {56, 0x7fffffff, 4, "refcount table has"},
        {56, 0, 4, "no refcount table"},
        {60, 0x10001, 4, "snapshot table"},
        {64, 1, 8, "snapshot table"},
        {64, 1ull << 40, 8, "snapshot table is damaged"},
        {72, 4, 8, "external data file"},
        {72, 1ull << 10, 8, "incompatible feature 10"},
        {72, 8, 8, "compression type"},
        {72, 16, 8, "16 KiB"},
        {96, 7, 4, "refcounts of"},
        {100, 8, 4, "a header of"},
        {100, 108, 4, "a header of"},
        {100, 1 << 20, 4, "a header of"},
        {8, 1ull << 30, 8, nullptr},
        {112, 0x123456780000ffff, 8, "longer than the header"},
    };
    for (const auto &c : cases) {
        Bytes image = good;
        Put(image, c.at, c.value, c.bytes);
        if (c.at == 8) {
            Put(image, 16, 10, 4);
        }
        EXPECT_NE(std::string::npos, Refusal(image).find(c.says ? c.says : "backing file"))
            << "byte " << c.at << ": " << Refusal(image);
        Use(image);
    }
    EXPECT_EQ("", Refusal(good));
}

TEST_F(Hostile, UnknownFeaturesAreCalledWhatTheImageCallsThem)
{
    Bytes image = Rich(folder_, 3, 4096, false);
    ASSERT_EQ(0x6803f857u, Get(image, 112, 4));
    Put(image, 120, 0, 1);  // the first row of the table: incompatible,
    Put(image, 121, 40, 1); // bit 40
    memcpy(&image[122], "time travel\0", 12);
    Put(image, 72, 1ull << 40, 8);
    EXPECT_NE(std::string::npos, Refusal(image).find("'time travel'")) << Refusal(image);
}

TEST_F(Hostile, CorruptIsReadOnly)
{
    Bytes image = Rich(folder_, 3, 4096, false);
    Put(image, 72, 2, 8);
    EXPECT_EQ("", Refusal(image));
    Disk d(path_, "qcow2");
    EXPECT_NE(std::string::npos, d.error.find("marked as corrupt")) << d.error;
}

TEST_F(Hostile, DirtyIsRepaired)
{
    Bytes image = Rich(folder_, 3, 4096, false);
    Put(image, 72, 1, 8);
    uint64_t block = Get(image, Get(image, 48, 8), 8);
    for (int i = 10; i < 40; i++) {
        Put(image, block + 2 * (uint64_t)i, 0, 2); // refcounts that were never written
    }
    WriteFile(path_, image);
    EXPECT_NE("", QemuImg("check -q " + path_) + "-");
    Disk d(path_, "qcow2");
    ASSERT_TRUE(d) << d.error;
    EXPECT_EQ(0, d.Fill(0, MiB, 9));
    EXPECT_EQ(0, d.Close());
    EXPECT_EQ("", QemuImg("check " + path_));
    EXPECT_EQ(0u, ReadFile(path_)[79]);
}

// An L2 entry that points at metadata: a write through it is refused, the image marked corrupt.
TEST_F(Hostile, DataNeverOverwritesMetadata)
{
    const Bytes good = Rich(folder_, 3, 4096, false);
    uint64_t l1 = Get(good, 40, 8), l2 = Get(good, l1, 8) & 0x00fffffffffffe00;
    const uint64_t targets[] = {0, l1, l2, Get(good, 48, 8), Get(good, Get(good, 48, 8), 8),
                                Get(good, 64, 8), Get(good, Get(good, 64, 8), 8)};
    for (uint64_t target : targets) {
        Bytes image = good;
        // Guest cluster 30 is written in place; a zero offset means "unallocated": cluster 0 of the
        // file cannot be named at all.
        Put(image, l2 + 8 * 30, target | 1ull << 63, 8);
        WriteFile(path_, image);
        Disk d(path_, "qcow2");
        ASSERT_TRUE(d) << d.error;
        EXPECT_EQ(target ? -EIO : 0, d.Fill(30 * 4096, 4096, 0xee)) << std::hex << target;
        d.Close();
        Bytes after = ReadFile(path_);
        for (uint64_t i = 0; i < 4096; i++) {
            ASSERT_FALSE(after[target + i] == 0xee && target) << std::hex << target;
        }
        EXPECT_EQ(target ? 2 : 0, after[79] & 2) << std::hex << target;
    }
}

// Sparse files have room everywhere: tables and data behind the end of the file are errors as well.
TEST_F(Hostile, NothingIsWrittenBehindTheEnd)
{
    const Bytes good = Rich(folder_, 3, 4096, false);
    uint64_t l1 = Get(good, 40, 8), l2 = Get(good, l1, 8) & 0x00fffffffffffe00;
    for (uint64_t at : {l1, l2 + 8 * 30}) {
        Bytes image = good;
        Put(image, at, 1ull << 63 | 0xca000b0000, 8);
        Use(image);
        WriteFile(path_, image);
        Disk d(path_, "qcow2");
        if (d) {
            EXPECT_EQ(-EIO, d.Fill(30 * 4096, 4096, 0xee));
        }
        d.Close();
        EXPECT_LT(std::filesystem::file_size(path_), MiB * 4);
    }
}

// A compressed cluster at offset 0 is the header: an error, not what was inflated last.
TEST_F(Hostile, CompressedHeader)
{
    Bytes image = Rich(folder_, 3, 4096, false);
    uint64_t l2 = Get(image, Get(image, 40, 8), 8) & 0x00fffffffffffe00;
    Put(image, l2 + 8 * 30, 1ull << 62, 8);
    Use(image);
    WriteFile(path_, image);
    Disk d(path_, "qcow2", true);
    ASSERT_TRUE(d) << d.error;
    d.Read(30 * 4096, 4096, -EIO);
}

TEST_F(Hostile, TablesThatOverlapAreNotWritten)
{
    Bytes image = Rich(folder_, 3, 4096, false);
    uint64_t l1 = Get(image, 40, 8);
    Put(image, l1, Get(image, 48, 8) | 1ull << 63, 8);
    WriteFile(path_, image);
    Disk d(path_, "qcow2");
    EXPECT_NE(std::string::npos, d.error.find("both at offset")) << d.error;
}

// A chain that comes back to itself, or never ends.
TEST_F(Hostile, EndlessChains)
{
    ImageCreate c = {};
    GError *error = nullptr;
    c.path = path_.c_str();
    c.format = "qcow2";
    c.size = MiB;
    c.backing_path = "hostile.qcow2";
    c.backing_format = "qcow2";
    ASSERT_TRUE(image_create(&c, &error)) << Take(error);
    Disk d(path_, "qcow2", true);
    EXPECT_NE(std::string::npos, d.error.find("more than")) << d.error;
    // A backing file without a format may not name another one.
    c.backing_format = nullptr;
    ASSERT_TRUE(image_create(&c, &error)) << Take(error);
    Disk guessed(path_, "qcow2", true);
    EXPECT_NE(std::string::npos, guessed.error.find("not guessed")) << guessed.error;
}

// Every byte that means something, changed at random.  KETCH_IMAGE_FUZZ: how many images, however long it
// takes; KETCH_SEED: of which sequence.
TEST_F(Hostile, RandomDamage)
{
    const char *rounds = getenv("KETCH_IMAGE_FUZZ"), *seed = getenv("KETCH_SEED");
    std::mt19937_64 random(seed ? strtoull(seed, nullptr, 0) : 99);
    const uint64_t odd[] = {0, 1, 511, 4096, 1ull << 31, 1ull << 56, 1ull << 62, 1ull << 63, ~0ull};
    struct {
        unsigned version;
        uint64_t cluster;
        bool extended;
    } kinds[] = {{3, 4096, false}, {2, 65536, false}, {3, 16384, true}, {3, 512, false}};
    auto until = std::chrono::steady_clock::now() + std::chrono::seconds(8);
    std::vector<Bytes> good;
    for (const auto &kind : kinds) {
        good.push_back(Rich(folder_, kind.version, kind.cluster, kind.extended));
    }
    for (const auto &kind : kinds) {
        Bytes theirs = QemuRich(folder_, "compat=" + std::string(kind.version == 2 ? "0.10" : "1.1") + ",cluster_size=" +
                                             std::to_string(kind.cluster) + (kind.extended ? ",extended_l2=on" : ""));
        good.push_back(theirs.empty() ? good[good.size() - 4] : theirs);
    }
    int done = 0, most = rounds ? atoi(rounds) : 400;
    for (; done < most && (rounds || std::chrono::steady_clock::now() < until); done++) {
        const auto &kind = kinds[done % 4];
        Bytes image = good[(size_t)done % good.size()];
        std::vector<uint64_t> tables = {0, Get(image, 40, 8), Get(image, 48, 8), Get(image, 64, 8)};
        tables.push_back(Get(image, tables[1], 8) & 0x00fffffffffffe00);
        tables.push_back(Get(image, tables[2], 8));
        tables.push_back(Get(image, tables[3], 8));
        for (uint64_t n = 1 + random() % 4; n > 0; n--) {
            uint64_t table = tables[random() % tables.size()];
            uint64_t at = table + (table == 0 ? random() % 112 : random() % std::min<uint64_t>(kind.cluster, 640));
            at = std::min<uint64_t>(at, image.size() - 8);
            switch (random() % 4) {
            case 0:
                image[at] = (uint8_t)random();
                break;
            case 1:
                Put(image, at & ~7ull, odd[random() % 9], 8);
                break;
            case 2:
                Put(image, at & ~7ull, random(), 8);
                break;
            default: // an offset of this very file
                Put(image, at & ~7ull, random() % image.size() / kind.cluster * kind.cluster | (random() % 2) << 63, 8);
            }
        }
        if (random() % 8 == 0) {
            image.resize(random() % image.size());
            image.resize(std::max<size_t>(image.size(), 512));
        }
        Use(image);
        if (HasFailure()) {
            std::string kept = testing::TempDir() + "/ketch-hostile.qcow2";
            WriteFile(kept, image);
            FAIL() << "case " << done << " is in " << kept;
        }
    }
    EXPECT_GT(done, 8);
}

} // namespace
