// SPDX-License-Identifier: Apache-2.0
// What a machine is to its devices, for tests: some RAM, a clock, a record of what was requested.
#ifndef KETCH_TESTSUITE_DEVICES_HARNESS_H
#define KETCH_TESTSUITE_DEVICES_HARNESS_H

#include <gtest/gtest.h>

#include <functional>

extern "C" {
#include "devices/device.h"
#include "devices/host/block/block.h"
#include "devices/host/chardev.h"
#include "devices/host/net/net.h"
}

#include <stdlib.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <string>

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
    mem = phys_new();
    EXPECT_NE(nullptr, phys_add(mem, &ram));
    env.mem = mem;
    env.clock = clock_new();
    env.link = find;
    env.request = record;
    env.opaque = this;
  }

  ~Harness()
  {
    dev_free(root);
    if (serial)
      chardev_free(serial);
    if (loop)
      io_free(loop);
    if (peer >= 0)
      close(peer);
    block_close(drive);
    netdev_free(netdev);
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

  // The serial port's other end.
  int serial_peer() const { return peer; }

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

  // "test" is a disk of a megabyte, a network where nobody is, a chardev whose other end is
  // serial_peer().
  static void *find(void *opaque, DevPropKind kind, const char *id, GError **error)
  {
    Harness *h = static_cast<Harness *>(opaque);
    if (kind == DEV_PROP_drive && !strcmp(id, "test"))
      return h->drive ? h->drive : (h->drive = make_drive());
    if (kind == DEV_PROP_netdev && !strcmp(id, "test"))
      return h->netdev ? h->netdev : (h->netdev = netdev_new("test", "null", error));
    if (kind == DEV_PROP_chardev && !strcmp(id, "test"))
      return h->serial ? h->serial : (h->serial = h->make_serial());
    g_set_error(error, DEV_ERROR, 0, "there is no '%s'", id);
    return nullptr;
  }

  static Block *make_drive()
  {
    std::string path = testing::TempDir() + "ketch-drive-XXXXXX";
    int fd = mkstemp(&path[0]);
    EXPECT_EQ(0, ftruncate(fd, 1 << 20));
    BlockOptions options = {};
    options.fd = fd;
    options.format = "raw";
    Block *block = block_open(&options, nullptr);
    EXPECT_NE(nullptr, block);
    unlink(path.c_str());
    return block;
  }

  Chardev *make_serial()
  {
    std::string path = "/tmp/ketch-serial-" + std::to_string(getpid());  // short: the address of a socket
    sockaddr_un a = {};
    loop = io_new();
    Chardev *c = chardev_new(loop, "test", ("socket,server=on,wait=off,path=" + path).c_str(), true, nullptr,
                             nullptr);
    EXPECT_NE(nullptr, c);
    a.sun_family = AF_UNIX;
    strcpy(a.sun_path, path.c_str());
    peer = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    EXPECT_EQ(0, ::connect(peer, reinterpret_cast<sockaddr *>(&a), sizeof(a)));
    return c;
  }

  IoLoop *loop = nullptr;
  Chardev *serial = nullptr;
  int peer = -1;
  Block *drive = nullptr;
  Netdev *netdev = nullptr;

  static void record(void *opaque, DevRequest request, int status)
  {
    Harness *h = static_cast<Harness *>(opaque);
    h->powered_off += request == DEV_REQUEST_poweroff;
    h->resets += request == DEV_REQUEST_reset;
    h->status = status;
  }
};

#endif
