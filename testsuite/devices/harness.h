// SPDX-License-Identifier: Apache-2.0
// What a machine is to its devices, for tests: some RAM, a clock, a record of what was requested.
#ifndef KETCH_TESTSUITE_DEVICES_HARNESS_H
#define KETCH_TESTSUITE_DEVICES_HARNESS_H

#include <gtest/gtest.h>

#include <functional>

extern "C" {
#include "devices/device.h"
}

class Harness {
public:
  static constexpr uint64_t kRamBase = 0x80000000, kRamSize = 1 << 20, kDeviceBase = 0x10000000;

  Harness()
  {
    PhysRegion ram = {};
    ram.name = "ram";
    ram.kind = PHYS_ram;
    ram.base = kRamBase;
    ram.size = kRamSize;
    ram.host = phys_alloc("test", kRamSize);
    ram.enabled = true;
    mem = phys_new();
    EXPECT_NE(nullptr, phys_add(mem, &ram));
    env.mem = mem;
    env.clock = clock_new();
    env.link = no_link;
    env.request = record;
    env.opaque = this;
  }

  ~Harness()
  {
    dev_free(root);
    clock_free(env.clock);
    phys_free(mem);
  }

  Harness(const Harness &) = delete;
  Harness &operator=(const Harness &) = delete;

  // Makes the device, lets `set` set members, maps its banks one after the other from kDeviceBase.
  Dev *add(const DevType *type, const std::function<void(Dev *)> &set = nullptr)
  {
    GError *error = nullptr;
    Dev *dev = dev_new(type, &env, root, nullptr);
    if (!root)
      root = dev;
    if (set)
      set(dev);
    EXPECT_TRUE(dev_realize(dev, &error)) << (error ? error->message : "");
    g_clear_error(&error);
    map(dev);
    dev_reset(dev);
    return dev;
  }

  void map(Dev *dev)
  {
    for (unsigned b = 0; b < dev->type->n_banks; b++) {
      if (dev->region[b])
        continue;
      EXPECT_TRUE(dev_map(dev, b, next, nullptr));
      next += (dev->type->banks[b].size + 0xffff) & ~UINT64_C(0xffff);
    }
  }

  // Bus accesses; a fault is a failed test.
  uint64_t read(uint64_t addr, unsigned size = 4)
  {
    uint64_t v = 0;
    EXPECT_TRUE(phys_load(mem, addr, size, &v)) << std::hex << addr;
    return v;
  }

  void write(uint64_t addr, uint64_t v, unsigned size = 4)
  {
    EXPECT_TRUE(phys_store(mem, addr, size, v)) << std::hex << addr;
  }

  // The device's line drives levels[number].
  void connect(Dev *dev, unsigned line, unsigned number)
  {
    dev->irq[line] = {set_level, this, number};
  }

  PhysMem *mem;
  DevEnv env = {};
  Dev *root = nullptr;
  uint64_t next = kDeviceBase;
  bool level[128] = {};
  int powered_off = 0, resets = 0, status = 0;

private:
  static void set_level(void *opaque, unsigned number, bool level)
  {
    static_cast<Harness *>(opaque)->level[number] = level;
  }

  static void *no_link(void *, DevPropKind, const char *id, GError **error)
  {
    g_set_error(error, DEV_ERROR, 0, "there is no '%s'", id);
    return nullptr;
  }

  static void record(void *opaque, DevRequest request, int status)
  {
    Harness *h = static_cast<Harness *>(opaque);
    h->powered_off += request == DEV_REQUEST_poweroff;
    h->resets += request == DEV_REQUEST_reset;
    h->status = status;
  }
};

#endif
