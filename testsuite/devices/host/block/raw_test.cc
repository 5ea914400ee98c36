// SPDX-License-Identifier: Apache-2.0
// The format raw, and what block.c does for all formats: ranges, rights, locks, options.
#include <fcntl.h>

#include "testsuite/devices/host/block/disk.h"

namespace
{

constexpr uint64_t KiB = 1024;

class Raw : public testing::Test
{
  protected:
    void SetUp() override
    {
        WriteFile(path_, Bytes(64 * KiB, 0x11));
    }
    Folder folder_;
    std::string path_ = folder_ / "disk.raw";
};

TEST_F(Raw, WritesAreReadBackAndInTheFile)
{
    Disk d(path_, "raw");
    ASSERT_TRUE(d) << d.error;
    EXPECT_EQ(64 * KiB, block_size(d));
    EXPECT_EQ(0, d.Fill(1000, 3000, 0x22));
    EXPECT_EQ(-1, Difference(Bytes(3000, 0x22), d.Read(1000, 3000)));
    EXPECT_EQ(0, block_flush(d));
    EXPECT_EQ(0, d.Close());
    Bytes file = ReadFile(path_);
    EXPECT_EQ(0x11, file[999]);
    EXPECT_EQ(0x22, file[1000]);
    EXPECT_EQ(0x22, file[3999]);
    EXPECT_EQ(0x11, file[4000]);
}

TEST_F(Raw, ListsOfBuffersAreOneRange)
{
    Disk d(path_, "raw");
    std::vector<uint8_t> data(300 * 7);
    std::vector<iovec> iov;
    for (size_t i = 0; i < data.size(); i++) {
        data[i] = (uint8_t)(i * 31);
    }
    for (int i = 0; i < 300; i++) {
        iov.push_back({data.data() + 7 * i, 7});
        iov.push_back({nullptr, 0});
    }
    EXPECT_EQ(0, block_write(d, 13, iov.data(), (int)iov.size()));
    EXPECT_EQ(-1, Difference(data, d.Read(13, data.size())));
}

TEST_F(Raw, NothingPastTheEnd)
{
    Disk d(path_, "raw");
    d.Read(64 * KiB - 1, 2, -EINVAL);
    d.Read(UINT64_MAX, 1, -EINVAL);
    EXPECT_EQ(-EINVAL, d.Fill(64 * KiB, 1, 0));
    EXPECT_EQ(-EINVAL, block_discard(d, 64 * KiB, 1));
    EXPECT_EQ(-EINVAL, block_write_zeroes(d, 1, UINT64_MAX, true));
    EXPECT_EQ(0, d.Fill(64 * KiB - 1, 1, 3));
    BlockStats stats;
    block_stats(d, &stats);
    EXPECT_EQ(5u, stats.errors);
    EXPECT_EQ(1u, stats.write_bytes);
}

TEST_F(Raw, ReadOnlyMeansIt)
{
    Disk d(path_, "raw", true);
    EXPECT_EQ(-EROFS, d.Fill(0, 1, 0));
    EXPECT_EQ(-EROFS, block_write_zeroes(d, 0, 1, false));
    EXPECT_EQ(-EROFS, block_discard(d, 0, 1));
    EXPECT_EQ(-EROFS, block_resize(d, 1));
    EXPECT_EQ(0, block_flush(d));
}

TEST_F(Raw, AFormatIsNeverGuessedForWriting)
{
    Disk d(path_, nullptr);
    EXPECT_FALSE(d);
    EXPECT_NE(std::string::npos, d.error.find("must be given")) << d.error;
    Disk unknown(path_, "vmdk");
    EXPECT_NE(std::string::npos, unknown.error.find("'vmdk'")) << unknown.error;
    Disk guessed(path_, nullptr, true);
    ASSERT_TRUE(guessed) << guessed.error;
    BlockInfo info;
    ASSERT_EQ(0, block_info(guessed, &info));
    EXPECT_STREQ("raw", info.format);
}

TEST_F(Raw, OneWriterOrManyReaders)
{
    {
        Disk writer(path_, "raw");
        ASSERT_TRUE(writer) << writer.error;
        Disk second(path_, "raw"), reader(path_, "raw", true);
        EXPECT_NE(std::string::npos, second.error.find("in use")) << second.error;
        EXPECT_NE(std::string::npos, reader.error.find("in use")) << reader.error;
        BlockOptions o = {};
        o.path = path_.c_str();
        o.format = "raw";
        o.read_only = o.no_lock = true;
        Disk careless(o);
        EXPECT_TRUE(careless) << careless.error;
    }
    Disk one(path_, "raw", true), two(path_, "raw", true);
    EXPECT_TRUE(one && two) << one.error << two.error;
    Disk writer(path_, "raw");
    EXPECT_FALSE(writer);
}

TEST_F(Raw, ZeroesAndDiscard)
{
    Disk d(path_, "raw");
    EXPECT_EQ(0, block_write_zeroes(d, 100, 20 * KiB, false));
    EXPECT_EQ(0x11, d.Read(99, 1)[0]);
    EXPECT_EQ(-1, Difference(Bytes(20 * KiB, 0), d.Read(100, 20 * KiB)));
    EXPECT_EQ(0x11, d.Read(100 + 20 * KiB, 1)[0]);
    EXPECT_EQ(0, block_write_zeroes(d, 32 * KiB, 16 * KiB, true));
    EXPECT_EQ(-1, Difference(Bytes(16 * KiB, 0), d.Read(32 * KiB, 16 * KiB)));
    EXPECT_EQ(0, block_discard(d, 48 * KiB, 16 * KiB));
    EXPECT_EQ(64 * KiB, block_size(d));
}

TEST_F(Raw, DiscardIsIgnoredUnlessWanted)
{
    BlockOptions o = {};
    o.path = path_.c_str();
    o.format = "raw";
    Disk d(o);
    EXPECT_EQ(0, block_discard(d, 0, 64 * KiB));
    EXPECT_EQ(-1, Difference(Bytes(64 * KiB, 0x11), d.Read(0, 64 * KiB)));
}

TEST_F(Raw, HolesShow)
{
    Disk d(path_, "raw");
    BlockExtent e;
    ASSERT_EQ(0, block_resize(d, 1024 * KiB));
    ASSERT_EQ(0, block_status(d, 0, UINT64_MAX, &e));
    EXPECT_TRUE(e.data && e.allocated && !e.zero && e.has_host_offset);
    EXPECT_EQ(64 * KiB, e.length);
    ASSERT_EQ(0, block_status(d, 64 * KiB, UINT64_MAX, &e));
    EXPECT_TRUE(e.zero && !e.data);
    EXPECT_EQ(960 * KiB, e.length);
    EXPECT_EQ(-EINVAL, block_status(d, 1024 * KiB, 1, &e));
}

TEST_F(Raw, EveryCacheMode)
{
    for (const char *name : {"writeback", "none", "writethrough", "directsync", "unsafe"}) {
        BlockOptions o = {};
        o.path = path_.c_str();
        o.format = "raw";
        ASSERT_TRUE(block_cache_parse(name, &o.cache));
        Disk d(o);
        ASSERT_TRUE(d) << d.error;
        void *page = nullptr;
        ASSERT_EQ(0, posix_memalign(&page, 4096, 8192));
        memset(page, name[0], 8192);
        iovec iov = {page, 8192};
        EXPECT_EQ(0, block_write(d, 4096, &iov, 1)) << name;
        EXPECT_EQ(0, d.Fill(4097, 5, 0x77)) << name;
        EXPECT_EQ(0, block_read(d, 4096, &iov, 1)) << name;
        EXPECT_EQ(0x77, ((uint8_t *)page)[5]);
        EXPECT_EQ(name[0], ((char *)page)[6]);
        EXPECT_EQ(0, block_flush(d)) << name;
        free(page);
    }
    BlockCache cache;
    EXPECT_FALSE(block_cache_parse("fast", &cache));
}

TEST_F(Raw, ZerosAreDetected)
{
    BlockOptions o = {};
    o.path = path_.c_str();
    o.format = "raw";
    o.detect_zeroes = o.discard = true;
    Disk d(o);
    BlockExtent e;
    EXPECT_EQ(0, d.Fill(0, 32 * KiB, 0));
    ASSERT_EQ(0, block_status(d, 0, UINT64_MAX, &e));
    EXPECT_TRUE(e.zero);
    EXPECT_EQ(32 * KiB, e.length);
}

TEST_F(Raw, APassedDescriptor)
{
    BlockOptions o = {};
    o.fd = open(path_.c_str(), O_RDWR | O_CLOEXEC);
    o.format = "raw";
    Disk d(o);
    ASSERT_TRUE(d) << d.error;
    EXPECT_EQ(0, d.Fill(0, 10, 5));
    EXPECT_EQ(0, d.Close());
    EXPECT_EQ(5, ReadFile(path_)[9]);
    o.fd = open(path_.c_str(), O_RDONLY | O_CLOEXEC);
    Disk wrong(o);
    EXPECT_NE(std::string::npos, wrong.error.find("not opened for")) << wrong.error;
    o.fd = open("/dev/null", O_RDWR | O_CLOEXEC);
    Disk device(o);
    EXPECT_NE(std::string::npos, device.error.find("neither")) << device.error;
    Disk missing(folder_ / "nothing", "raw");
    EXPECT_NE(std::string::npos, missing.error.find("No such file")) << missing.error;
}

TEST_F(Raw, Create)
{
    for (auto preallocation : {IMAGE_PREALLOCATE_OFF, IMAGE_PREALLOCATE_FALLOC,
                               IMAGE_PREALLOCATE_FULL}) {
        ImageCreate c = {};
        GError *error = nullptr;
        c.path = path_.c_str();
        c.format = "raw";
        c.size = 100 * KiB;
        c.preallocation = preallocation;
        ASSERT_TRUE(image_create(&c, &error)) << Take(error);
        EXPECT_EQ(-1, Difference(Bytes(100 * KiB, 0), ReadFile(path_)));
    }
}

} // namespace
