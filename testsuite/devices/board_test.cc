// SPDX-License-Identifier: Apache-2.0
// Boards as a whole: their memory map under random accesses, and what is loaded into them when it is
// broken.  KETCH_DEVICE_FUZZ: how many accesses, KETCH_LOAD_FUZZ: how many broken files of a kind, KETCH_SEED: of
// which sequence.
#include <elf.h>
#include <gtest/gtest.h>
#include <unistd.h>
#include <zlib.h>
#include <zstd.h>

#include <functional>
#include <random>
#include <string>
#include <vector>

extern "C" {
#include "devices/boards/board.h"
#include "devices/host/net/net.h"
}

namespace {

uint64_t Number(const char *name, uint64_t otherwise)
{
  const char *text = getenv(name);
  return text ? strtoull(text, nullptr, 0) : otherwise;
}

class BoardTest : public testing::TestWithParam<const BoardType *> {
protected:
  void SetUp() override
  {
    char name[] = "/tmp/ketch-board-XXXXXX";
    folder = mkdtemp(name);
    env.clock = clock_new();
    env.link = [](void *opaque, DevPropKind, const char *, GError **) -> void * {
      return static_cast<BoardTest *>(opaque)->netdev;
    };
    env.request = [](void *, DevRequest, int) {};
    env.opaque = this;
    netdev = netdev_new("n", "null", nullptr);
  }

  void TearDown() override
  {
    board_free(board);
    netdev_free(netdev);
    clock_free(env.clock);
    EXPECT_EQ(0, system(("rm -r " + folder).c_str()));
  }

  // With two harts whose lines lead nowhere.
  void Build()
  {
    BoardConfig config = {};
    BoardWiring wiring = {};
    GError *error = nullptr;
    config.ram_size = 32 << 20;
    config.n_harts = 2;
    config.env = &env;
    wiring.hart_irq = [](void *, unsigned, unsigned) -> Irq { return {}; };
    wiring.hart_timer = [](void *, unsigned) {};
    wiring.isa = "rv64imac";
    wiring.mmu = "riscv,sv39";
    board_free(board);
    board = board_new(GetParam(), &config, &error);
    ASSERT_NE(nullptr, board) << error->message;
    ASSERT_TRUE(board_build(board, &wiring, &error)) << error->message;
  }

  std::string Write(const std::string &name, const std::string &bytes)
  {
    std::string path = folder + "/" + name;
    EXPECT_TRUE(g_file_set_contents(path.c_str(), bytes.data(), gssize(bytes.size()), nullptr));
    return path;
  }

  // "": it was loaded.
  std::string Load(const BoardImages &images)
  {
    GError *error = nullptr;
    std::string why;
    Build();
    if (board_load(board, &images, &error)) {
      board_reset(board);
    } else {
      why = error->message;
      EXPECT_NE("", why);
      g_error_free(error);
    }
    return why;
  }

  std::string folder;
  DevEnv env = {};
  Netdev *netdev;
  Board *board = nullptr;
};

// ---- The memory map ----

TEST_P(BoardTest, SurvivesRandomAccesses)
{
  std::vector<PhysRegion> regions;
  std::mt19937_64 rng(Number("KETCH_SEED", 1));
  uint64_t faults = 0, n = Number("KETCH_DEVICE_FUZZ", 200000);

  Build();
  for (const char *spec : {"virtio-rng-device", "virtio-rng-pci", "virtio-balloon-device", "virtio-serial-pci",
                           "virtio-serial-device", "virtconsole", "virtserialport", "virtio-net-pci,netdev=n"}) {
    GError *error = nullptr;
    ASSERT_NE(nullptr, dev_plug(board->root, spec, &error)) << error->message;
  }
  board_reset(board);
  for (const PhysRegion *r; (r = phys_region(env.mem, unsigned(regions.size())));)
    regions.push_back(*r);
  for (uint64_t i = 0; i < n; i++) {
    const PhysRegion &r = regions[rng() % regions.size()];
    unsigned size = 1u << rng() % 4;
    uint64_t v = rng() % 2 ? rng() : rng() % 2 ? rng() % 16 : GetParam()->ram_base + rng() % (32 << 20);
    // The starts of regions have the registers; a few accesses go just past the ends.
    uint64_t span = rng() % 2 ? std::min<uint64_t>(r.size, 0x400) : r.size + 16;
    uint64_t addr = r.base + rng() % span;
    addr = rng() % 8 ? addr & ~uint64_t(size - 1) : addr;
    if ((addr & 0xfff) + size > 0x1000)
      continue;
    faults += !(rng() % 2 ? phys_load(env.mem, addr, size, &v) : phys_store(env.mem, addr, size, v));
    if (rng() % 100000 == 0)
      board_reset(board);
  }
  EXPECT_GT(faults, n / 100);
  EXPECT_LT(faults, n / 2);
}

// ---- What is loaded ----

std::string Gzip(const std::string &data)
{
  std::string out(data.size() + 1000, 0);
  z_stream z = {};
  EXPECT_EQ(Z_OK, deflateInit2(&z, 6, Z_DEFLATED, 16 + MAX_WBITS, 8, Z_DEFAULT_STRATEGY));
  z.next_in = (Bytef *)data.data();
  z.avail_in = uInt(data.size());
  z.next_out = (Bytef *)&out[0];
  z.avail_out = uInt(out.size());
  EXPECT_EQ(Z_STREAM_END, deflate(&z, Z_FINISH));
  out.resize(z.total_out);
  deflateEnd(&z);
  return out;
}

std::string Zstd(const std::string &data)
{
  std::string out(ZSTD_compressBound(data.size()), 0);
  out.resize(ZSTD_compress(&out[0], out.size(), data.data(), data.size(), 3));
  return out;
}

// Linux, Documentation/arch/riscv/boot-image-header.rst
std::string LinuxImage()
{
  std::string image(5000, '\x13');
  uint64_t text_offset = 0x200000, size = 8192;
  memcpy(&image[8], &text_offset, 8);
  memcpy(&image[16], &size, 8);
  memcpy(&image[48], "RISCV\0\0\0RSC\x05", 12);
  return image;
}

std::string Elf()
{
  std::string file(1000, '\x13');
  Elf64_Ehdr e = {};
  Elf64_Phdr p[2] = {};
  memcpy(e.e_ident, ELFMAG, SELFMAG);
  e.e_ident[EI_CLASS] = ELFCLASS64;
  e.e_ident[EI_DATA] = ELFDATA2LSB;
  e.e_ident[EI_VERSION] = EV_CURRENT;
  e.e_type = ET_EXEC;
  e.e_machine = EM_RISCV;
  e.e_version = EV_CURRENT;
  e.e_entry = 0x80200000;
  e.e_phoff = sizeof(e);
  e.e_ehsize = sizeof(e);
  e.e_phentsize = sizeof(p[0]);
  e.e_phnum = 2;
  for (unsigned i = 0; i < 2; i++) {
    p[i].p_type = PT_LOAD;
    p[i].p_offset = 200 + 400 * i;
    p[i].p_vaddr = p[i].p_paddr = 0x80200000 + 0x1000 * i;
    p[i].p_filesz = 400;
    p[i].p_memsz = 500;
  }
  memcpy(&file[0], &e, sizeof(e));
  memcpy(&file[sizeof(e)], p, sizeof(p));
  return file;
}

std::string ZbootImage()
{
  std::string payload = Gzip(LinuxImage()), image(64, 0);
  uint32_t offset = 64, size = uint32_t(payload.size());
  memcpy(&image[0], "MZ\0\0zimg", 8);
  memcpy(&image[8], &offset, 4);
  memcpy(&image[12], &size, 4);
  memcpy(&image[24], "gzip", 4);
  return image + payload;
}

// Each damage is refused with the file's name, or does no harm.
TEST_P(BoardTest, DamagedProgramsAreRefusedByName)
{
  const std::pair<const char *, std::string> programs[] = {
      {"elf", Elf()},          {"Image", LinuxImage()}, {"gzip", Gzip(Elf())}, {"zstd", Zstd(LinuxImage())},
      {"zboot", ZbootImage()},
  };
  std::mt19937_64 rng(Number("KETCH_SEED", 1));

  for (const auto &[name, good] : programs) {
    unsigned refused = 0;
    BoardImages images = {};
    images.bios = "none";
    auto use = [&](const std::string &bytes) {
      std::string path = Write(name, bytes);
      images.kernel = path.c_str();
      std::string why = Load(images);
      EXPECT_TRUE(why == "" || why.find(path) != std::string::npos || why.find("overlap") != std::string::npos)
          << name << ": " << why;
      refused += why != "";
      return why;
    };
    EXPECT_EQ("", use(good)) << name;
    EXPECT_NE("", use("")) << name;
    for (size_t cut = 1; cut < good.size(); cut += 1 + good.size() / 30)
      use(good.substr(0, cut));
    for (uint64_t i = 0; i < Number("KETCH_LOAD_FUZZ", 60); i++) {
      std::string bad = good;
      for (unsigned k = 0; k < 1 + rng() % 3; k++)
        bad[rng() % std::min<size_t>(bad.size(), 220)] = char(rng() % 2 ? rng() : ~0u);
      use(bad);
    }
    EXPECT_GT(refused, strcmp(name, "Image") ? 20u : 1u) << name;
  }
}

TEST_P(BoardTest, DamagedDeviceTreesAreRefusedByName)
{
  std::mt19937_64 rng(Number("KETCH_SEED", 1));
  BoardImages images = {};
  unsigned refused = 0;
  gsize size;

  images.bios = "none";
  images.append = "console=ttyS0";
  ASSERT_EQ("", Load(images));
  auto data = static_cast<const char *>(g_bytes_get_data(board->device_tree, &size));
  std::string good(data, size);
  auto use = [&](const std::string &bytes) {
    std::string path = Write("tree.dtb", bytes);
    images.dtb = path.c_str();
    std::string why = Load(images);
    EXPECT_TRUE(why == "" || why.find("tree") != std::string::npos) << why;
    refused += why != "";
    return why;
  };
  EXPECT_EQ("", use(good));
  for (size_t cut = 0; cut < good.size(); cut += 1 + good.size() / 100)
    EXPECT_NE("", use(good.substr(0, cut))) << cut;
  for (uint64_t i = 0; i < Number("KETCH_LOAD_FUZZ", 200); i++) {
    std::string bad = good;
    for (unsigned k = 0; k < 1 + rng() % 4; k++)
      bad[rng() % 2 ? rng() % 64 : rng() % bad.size()] = char(rng());
    use(bad);
  }
  EXPECT_GT(refused, 110u);
}

// Files that are not there, or not files.
TEST_P(BoardTest, WhatCannotBeReadIsNamed)
{
  const char *BoardImages::*const members[] = {&BoardImages::bios, &BoardImages::kernel, &BoardImages::initrd,
                                               &BoardImages::dtb};
  std::string kernel = Write("kernel", LinuxImage());

  for (auto member : members)
    for (const char *path : {"/nowhere/file", "/dev/zero", "/tmp"}) {
      BoardImages images = {};
      images.bios = "none";
      images.kernel = kernel.c_str();
      images.*member = path;
      EXPECT_NE(std::string::npos, Load(images).find(path)) << path;
    }
}

std::vector<const BoardType *> AllBoards()
{
  std::vector<const BoardType *> all;
  for (const BoardType *const *b = board_types; *b; b++)
    all.push_back(*b);
  return all;
}

INSTANTIATE_TEST_SUITE_P(Boards, BoardTest, testing::ValuesIn(AllBoards()),
                         [](const auto &info) { return std::string(info.param->name); });

}  // namespace
