// SPDX-License-Identifier: Apache-2.0
// Every type of devices.def: registers behave as their rows say, no access does harm.
#include <cstdlib>
#include <cstring>
#include <functional>
#include <map>
#include <random>
#include <string>

#include "testsuite/devices/reach.h"

namespace {

std::vector<const DevType *> all_types()
{
  std::vector<const DevType *> types;
  for (const DevType *const *t = dev_types; *t; t++)
    types.push_back(*t);
  return types;
}

// A type that has the bus that `type` plugs into; null: none.
const DevType *bus_for(const DevType *type)
{
  for (const DevType *t : all_types())
    if (type->bus && t->provides && !strcmp(t->provides, type->bus))
      return t;
  return nullptr;
}

// As -device has it, with what the type needs from outside.
std::string spec_of(const DevType *type)
{
  std::string spec = type->name;
  for (unsigned i = 0; i < type->n_props; i++)
    if (type->props[i].kind == DEV_PROP_drive || type->props[i].kind == DEV_PROP_netdev)
      spec += std::string(",") + type->props[i].name + "=test";
    else if (!strcmp(type->props[i].name, "path"))
      spec += ",path=/proc/self/fdinfo";  // a folder that is always there
    else if (!strcmp(type->props[i].name, "mount_tag"))
      spec += ",mount_tag=test";
  return spec;
}

class EveryDevice : public testing::TestWithParam<const DevType *> {
protected:
  void SetUp() override
  {
    dev = make(GetParam());
    ASSERT_NE(nullptr, dev);
    dev_reset(h.root);
  }

  // With the buses that it needs; what boards give to it is there, too.
  Dev *make(const DevType *type)
  {
    GError *error = nullptr;
    const DevType *bus = bus_for(type);
    if (!bus)
      return h.add(type, [&](Dev *d) {
        for (unsigned i = 0; i < type->n_props; i++)
          if (type->props[i].kind == DEV_PROP_drive || type->props[i].kind == DEV_PROP_chardev) {
            EXPECT_TRUE(dev_set(d, type->props[i].name, "test", nullptr));
          }
      });
    Dev *made = dev_plug(make(bus), spec_of(type).c_str(), &error);
    EXPECT_NE(nullptr, made) << error->message;
    if (made)
      h.map(made);
    return made;
  }

  // The registers of a device with a table, each element of an array a register of its own.
  void each_register(const std::function<void(const DevReg &, unsigned, uint64_t, uint8_t *)> &fn)
  {
    for (unsigned b = 0; b < dev->type->n_banks; b++) {
      const DevBank &bank = dev->type->banks[b];
      for (unsigned i = 0; i < bank.n_regs; i++) {
        const DevReg &r = bank.regs[i];
        for (unsigned n = 0; n < (r.count ? r.count : 1u); n++)
          fn(r, n, dev->region[b]->base + r.offset + uint64_t(n) * (r.stride ? r.stride : r.size),
             reinterpret_cast<uint8_t *>(dev) + r.field + n * r.size);
      }
    }
  }

  static uint64_t stored(const DevReg &r, const uint8_t *at)
  {
    uint64_t v = 0;
    memcpy(&v, at, r.size);
    return v;
  }

  Harness h;
  Dev *dev = nullptr;
};

// All state, by name.
std::map<std::string, std::string> state_of(Dev *dev)
{
  std::map<std::string, std::string> state;
  dev_each_field(dev, [](void *opaque, const DevField *f, void *data) {
    auto *all = static_cast<std::map<std::string, std::string> *>(opaque);
    std::string bytes;
    for (unsigned i = 0; i < f->count; i++)
      bytes.append(static_cast<char *>(data) + size_t(i) * f->stride, f->size);
    EXPECT_TRUE(all->emplace(f->name, bytes).second) << f->name << " is there twice";
  }, &state);
  return state;
}

TEST_P(EveryDevice, DeclaresItself)
{
  const DevType *t = GetParam();
  EXPECT_TRUE(t->summary && *t->summary);
  EXPECT_NE(DEV_ISOLATION_undeclared, t->isolation);
  EXPECT_GE(t->size, sizeof(Dev));
  EXPECT_EQ(t, dev_type(t->name));
  for (unsigned i = 0; i < t->n_props; i++)
    EXPECT_LT(t->props[i].offset, t->size) << t->props[i].name;
}

TEST_P(EveryDevice, RowsOfRegistersFit)
{
  for (unsigned b = 0; b < dev->type->n_banks; b++) {
    std::map<uint64_t, std::string> owner;
    uint64_t base = dev->region[b]->base;
    for (unsigned i = 0; i < dev->type->banks[b].n_regs; i++)
      EXPECT_EQ(0, dev->type->banks[b].regs[i].offset % dev->type->banks[b].regs[i].size);
    each_register([&](const DevReg &r, unsigned, uint64_t addr, uint8_t *) {
      if (addr < base || addr >= base + dev->type->banks[b].size)
        return;
      EXPECT_LE(addr + r.size, base + dev->type->banks[b].size) << r.name;
      for (unsigned byte = 0; byte < r.size; byte++)
        EXPECT_TRUE(owner.emplace(addr + byte, r.name).second)
            << r.name << " overlaps " << owner[addr + byte];
      EXPECT_EQ(0u, r.rw & r.w1c) << r.name;
      EXPECT_TRUE(r.access & r.size) << r.name << " cannot be accessed whole";
    });
  }
}

TEST_P(EveryDevice, RegistersResetAndKeepReadOnlyBits)
{
  each_register([&](const DevReg &r, unsigned, uint64_t addr, uint8_t *at) {
    if (!r.field || r.read || r.wrote)
      return;  // live: the device's own tests
    uint64_t ones = r.size == 8 ? ~UINT64_C(0) : (UINT64_C(1) << 8 * r.size) - 1;
    EXPECT_EQ(r.reset, h.read(addr, r.size)) << r.name;
    h.write(addr, ~UINT64_C(0), r.size);
    EXPECT_EQ(((r.reset | r.rw) & ~r.w1c) & ones, h.read(addr, r.size)) << r.name;
    h.write(addr, 0, r.size);
    EXPECT_EQ(r.reset & ~r.rw & ~r.w1c, h.read(addr, r.size)) << r.name;
    EXPECT_EQ(h.read(addr, r.size), stored(r, at)) << r.name;
  });
  dev_reset(h.root);
  each_register([&](const DevReg &r, unsigned, uint64_t, uint8_t *at) {
    if (r.field && !r.read && !r.wrote) {
      EXPECT_EQ(r.reset, stored(r, at)) << r.name;
    }
  });
}

// Registers with hooks as well: bits that the row has as read-only stay.
TEST_P(EveryDevice, NarrowAccessesTouchTheirBytesOnly)
{
  each_register([&](const DevReg &r, unsigned, uint64_t addr, uint8_t *at) {
    for (unsigned size = 1; size < r.size; size *= 2) {
      if (!(r.access & size) || !r.field || r.wrote)
        continue;
      uint64_t before = stored(r, at), mask = ((UINT64_C(1) << 8 * size) - 1) << 8 * size;
      h.write(addr + size, ~UINT64_C(0), size);
      EXPECT_EQ(before & ~mask, stored(r, at) & ~mask) << r.name;
    }
  });
}

TEST_P(EveryDevice, OddWidthsAndPlacesAreAnswered)
{
  for (unsigned b = 0; b < dev->type->n_banks; b++) {
    uint64_t base = dev->region[b]->base, size = dev->type->banks[b].size, v;
    for (uint64_t offset : {UINT64_C(0), UINT64_C(1), UINT64_C(3), size / 2, size - 8, size - 1,
                            size, size + 1})
      for (unsigned width : {1, 2, 4, 8}) {
        (void)!phys_load(h.mem, base + offset, width, &v);
        (void)!phys_store(h.mem, base + offset, width, ~UINT64_C(0));
      }
    EXPECT_FALSE(phys_load(h.mem, base + size - 1, 8, &v));
  }
}

// KETCH_DEVICE_FUZZ: how many accesses, KETCH_SEED: of which sequence.
TEST_P(EveryDevice, SurvivesRandomAccessesToEachRegister)
{
  const char *count = getenv("KETCH_DEVICE_FUZZ"), *seed = getenv("KETCH_SEED");
  uint64_t n = count ? strtoull(count, nullptr, 0) : 20000;
  Reach reach(h, dev, seed ? strtoull(seed, nullptr, 0) : 1, true);

  for (uint64_t i = 0; i < n; i++)
    reach.step();
  for (const auto &[reg, count] : reach.counts) {
    EXPECT_GT(count.loads, n / 10000) << reg->name;
    EXPECT_GT(count.stores, n / 10000) << reg->name;
  }
}

TEST_P(EveryDevice, ResetRestoresAllState)
{
  auto fresh = state_of(dev);
  Reach reach(h, dev, 7, false);
  for (int i = 0; i < 4000; i++)
    reach.step();
  dev_reset(h.root);
  for (const auto &[name, bytes] : state_of(dev)) {
    if (name != "v.generation") {  // of virtio's configuration: a reset is one more change
      EXPECT_EQ(fresh[name], bytes) << name;
    }
  }
}

// A snapshot may say anything: whatever the fields hold, a device goes on without harm.
TEST_P(EveryDevice, SurvivesAnyLoadedState)
{
  std::mt19937_64 rng(11);
  Reach reach(h, dev, 12, true);
  for (int round = 0; round < 300; round++) {
    dev_pause(h.root, true);
    pthread_mutex_lock(dev->lock);
    dev_each_field(dev, [](void *opaque, const DevField *f, void *data) {
      auto &rng = *static_cast<std::mt19937_64 *>(opaque);
      for (unsigned i = 0; i < f->count; i++) {
        uint64_t v = rng() % 2 ? rng() : rng() % 2 ? rng() % 4 : ~UINT64_C(0);
        v = f->is_bool ? v % 2 : v;
        memcpy(static_cast<char *>(data) + size_t(i) * f->stride, &v, f->size);
      }
    }, &rng);
    if (dev->type->loaded)
      dev->type->loaded(dev);
    pthread_mutex_unlock(dev->lock);
    dev_pause(h.root, false);
    for (int i = 0; i < 40; i++)
      reach.step();
    if (round % 8 == 7)
      dev_reset(h.root);
  }
}

std::string type_name(const testing::TestParamInfo<const DevType *> &info)
{
  std::string name = info.param->name;
  for (char &c : name)
    c = isalnum(static_cast<unsigned char>(c)) ? c : '_';
  return name;
}

INSTANTIATE_TEST_SUITE_P(Devices, EveryDevice, testing::ValuesIn(all_types()), type_name);

TEST(Device, UnknownTypeIsRefusedWithTheKnownOnes)
{
  Harness h;
  GError *error = nullptr;
  Dev *root = h.add(&dev_sifive_test);
  EXPECT_EQ(nullptr, dev_plug(root, "toaster,slots=2", &error));
  EXPECT_NE(nullptr, strstr(error->message, "'toaster'")) << error->message;
  g_clear_error(&error);
}

TEST(Device, IdsAreUnique)
{
  Harness h;
  Dev *root = h.add(&dev_sifive_test), *second = h.add(&dev_sifive_test);
  EXPECT_STREQ("sifive-test", root->id);
  EXPECT_STREQ("sifive-test-1", second->id);
  EXPECT_EQ(second, dev_find(root, "sifive-test-1"));
}

TEST(SifiveTest, WordsPowerOffAndReset)
{
  Harness h;
  h.add(&dev_sifive_test);
  h.write(Harness::kDeviceBase, 0x1234);
  EXPECT_EQ(0, h.powered_off + h.resets);
  h.write(Harness::kDeviceBase, 0x7777);
  EXPECT_EQ(1, h.resets);
  h.write(Harness::kDeviceBase, 0x5555);
  EXPECT_EQ(1, h.powered_off);
  EXPECT_EQ(0, h.status);
  h.write(Harness::kDeviceBase, 0x3333 | 5 << 16);
  EXPECT_EQ(5, h.status);
}

}  // namespace
