// SPDX-License-Identifier: Apache-2.0
// What firmware talks to: fw_cfg and flash memory.
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cstring>
#include <string>

#include "testsuite/devices/harness.h"

extern "C" {
#include "devices/fw_cfg.h"
#include "devices/host/block/block.h"
}

namespace {

constexpr uint64_t kBase = Harness::kDeviceBase, kRam = Harness::kRamBase;

// ---- fw_cfg ----

struct FwCfgTest : testing::Test {
  Harness h;
  Dev *dev = h.add(&dev_fw_cfg);

  void select(uint16_t key) { h.write(kBase + 8, __builtin_bswap16(key), 2); }
  std::string data(size_t n)
  {
    std::string s;
    while (s.size() < n)
      s += char(h.read(kBase, 1));
    return s;
  }
  void put(uint64_t addr, uint64_t v, unsigned size)
  {
    h.write(addr, size == 8 ? __builtin_bswap64(v) : __builtin_bswap32(uint32_t(v)), size);
  }
  uint32_t dma(uint32_t control, uint32_t length, uint64_t to)
  {
    put(kRam, control, 4);
    put(kRam + 4, length, 4);
    put(kRam + 8, to, 8);
    put(kBase + 16, kRam >> 32, 4);
    put(kBase + 20, kRam, 4);
    return __builtin_bswap32(uint32_t(h.read(kRam)));
  }
};

TEST_F(FwCfgTest, ItemsByKeyAndWidth)
{
  select(0);
  EXPECT_EQ("QEMU", data(4));
  EXPECT_EQ(std::string(3, '\0'), data(3)) << "zero behind the end";
  select(1);
  EXPECT_EQ(3u, h.read(kBase, 4));
  select(0);
  EXPECT_EQ(0x554d4551u, h.read(kBase, 4)) << "bytes keep their order";
  select(0x3333);
  EXPECT_EQ(0u, h.read(kBase, 8));
  EXPECT_EQ(__builtin_bswap64(0x51454d5520434647), h.read(kBase + 16, 8));
}

TEST_F(FwCfgTest, FilesAreInTheDirectory)
{
  ASSERT_TRUE(fw_cfg_add_file(dev, "opt/a", g_bytes_new("hello", 5)));
  ASSERT_FALSE(fw_cfg_add_file(dev, "opt/a", g_bytes_new("again", 5)));
  ASSERT_FALSE(fw_cfg_add_file(dev, std::string(56, 'x').c_str(), g_bytes_new("", 0)));
  select(0x19);
  std::string dir = data(4 + 64);
  EXPECT_EQ(std::string("\0\0\0\1\0\0\0\5\0\x20\0\0opt/a", 17), dir.substr(0, 17));
  select(0x20);
  EXPECT_EQ("hello", data(5));
}

TEST_F(FwCfgTest, DmaReadsSkipsAndFails)
{
  fw_cfg_add_item(dev, 5, g_bytes_new("abcdefgh", 8));
  EXPECT_EQ(0u, dma(5 << 16 | 8 | 2, 3, kRam + 0x100));
  EXPECT_EQ(0x636261u, h.read(kRam + 0x100));
  EXPECT_EQ(0u, dma(4, 2, 0));
  EXPECT_EQ(0u, dma(2, 4, kRam + 0x100));
  EXPECT_EQ(0x686766u, h.read(kRam + 0x100)) << "fgh and a zero";
  EXPECT_EQ(1u, dma(2, 4, 0x1234)) << "no RAM there";
  EXPECT_EQ(1u, dma(2, 0xffffffff, kRam + 0x1000)) << "more than there is RAM";
  EXPECT_EQ(1u, dma(5 << 16 | 8 | 16, 4, kRam + 0x100)) << "nothing is writable";
}

// ---- Flash ----

struct FlashTest : testing::Test {
  Harness h;
  uint64_t word(uint64_t at) { return h.read(kBase + at); }
  void cmd(uint64_t at, uint64_t c) { h.write(kBase + at, c); }
  void erase(uint64_t at)
  {
    cmd(at, 0x00200020);
    cmd(at, 0x00d000d0);
    EXPECT_EQ(0x00800080u, word(at));
    cmd(at, 0x00ff00ff);
  }
};

TEST_F(FlashTest, QueryTellsItsShape)
{
  h.add(&dev_flash);
  cmd(0x55 * 4, 0x98);
  EXPECT_EQ('Q' | uint32_t('Q') << 16, word(0x10 * 4));
  EXPECT_EQ('Y' | uint32_t('Y') << 16, word(0x12 * 4));
  EXPECT_EQ(24u | 24u << 16, word(0x27 * 4));
  cmd(0, 0x90);
  EXPECT_EQ(0x00890089u, word(0));
  cmd(0, 0xff);
  EXPECT_EQ(0u, word(0));
}

TEST_F(FlashTest, ProgrammingClearsBitsErasureSetsThem)
{
  h.add(&dev_flash);
  erase(0x40000);
  EXPECT_EQ(0xffffffffu, word(0x7fffc));
  EXPECT_EQ(0u, word(0x80000)) << "the next sector is as it was";
  cmd(0x40010, 0x00400040);
  cmd(0x40010, 0x12345678);
  EXPECT_EQ(0x00800080u, word(0x40010));
  cmd(0, 0xff);
  EXPECT_EQ(0x12345678u, word(0x40010));
  cmd(0x40010, 0x00400040);
  cmd(0x40010, 0xffff0000);
  cmd(0, 0xff);
  EXPECT_EQ(0x12340000u, word(0x40010));
}

TEST_F(FlashTest, BufferedProgramming)
{
  h.add(&dev_flash);
  erase(0);
  cmd(0x100, 0x00e800e8);
  EXPECT_EQ(0x00800080u, word(0x100));
  cmd(0x100, 0x00030003);
  for (uint64_t i = 0; i < 4; i++)
    cmd(0x100 + 4 * i, 0x11111111 * (i + 1));
  cmd(0x100, 0x00d000d0);
  cmd(0, 0xff);
  EXPECT_EQ(0x11111111u, word(0x100));
  EXPECT_EQ(0x44444444u, word(0x10c));
  EXPECT_EQ(0xffffffffu, word(0x110));
}

TEST_F(FlashTest, ADriveKeepsWhatIsWritten)
{
  std::string path = testing::TempDir() + "ketch-flash-" + std::to_string(getpid());
  int fd = open(path.c_str(), O_RDWR | O_CREAT | O_TRUNC, 0600);
  ASSERT_EQ(0, ftruncate(fd, 32 << 20));
  ASSERT_EQ(4, pwrite(fd, "boot", 4, 0));
  BlockOptions options = {};
  options.path = path.c_str();
  options.format = "raw";
  Block *block = block_open(&options, nullptr);
  ASSERT_TRUE(block);
  h.add(&dev_flash, [&](Dev *dev) { dev_set_link(dev, DEV_PROP_drive, block); });
  EXPECT_EQ(0x746f6f62u, word(0));
  erase(0x1fc0000);
  cmd(0x1fffffc, 0x40);
  cmd(0x1fffffc, 0xcafef00d);
  uint32_t got = 0;
  EXPECT_EQ(4, pread(fd, &got, 4, 0x1fffffc));
  EXPECT_EQ(0xcafef00du, got);
  dev_free(h.root);
  h.root = nullptr;
  block_close(block);
  close(fd);
  unlink(path.c_str());
}

}  // namespace
