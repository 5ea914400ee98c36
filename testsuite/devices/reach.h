// SPDX-License-Identifier: Apache-2.0
// Random accesses that reach a device wherever it is - its own banks, a slot of its bus, its function
// and BAR on PCI - while the outside acts on it, too.  Counts which registers were reached.
#ifndef KETCH_TESTSUITE_DEVICES_REACH_H
#define KETCH_TESTSUITE_DEVICES_REACH_H

#include <endian.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/un.h>

#include <map>
#include <random>

#include "testsuite/devices/harness.h"

extern "C" {
#include "devices/aclint.h"
#include "devices/fw_cfg.h"
#include "devices/host/chardev.h"
#include "devices/pci/pci.h"
#include "devices/plic.h"
#include "devices/virtio/pci.h"
}

class Reach {
public:
  struct Count {
    uint64_t loads = 0, stores = 0;
  };

  // `outside`: others act on it, too, and time passes.
  Reach(Harness &h, Dev *dev, uint64_t seed, bool outside) : h(h), dev(dev), rng(seed), outside(outside)
  {
    find(dev);
    if (dev->type == &dev_aclint_mtimer)
      aclint_on_alarm(dev, [](void *, unsigned) {}, nullptr);
    if (dev->type == &dev_fw_cfg)
      (void)!fw_cfg_add_file(dev, "opt/test", g_bytes_new_static("some text", 9));
    if (outside)
      clock_resume(h.env.clock);
    enable_bar();
  }

  // One access, or something from outside; now and then a reset.
  void step()
  {
    if (outside && rng() % 16 == 0)
      act();
    if (!places.empty())
      access();
    if (rng() % 4096 == 0)
      dev_reset(h.root);
    if (rng() % 1024 == 0)
      enable_bar();
  }

  // By register, of all places.
  std::map<const DevReg *, Count> counts;

private:
  struct Place {
    uint64_t base, size;
    const DevReg *regs;
    unsigned n_regs;
  };

  void find(Dev *d)
  {
    for (unsigned b = 0; b < d->type->n_banks; b++)
      if (d->region[b])
        add({d->region[b]->base, d->type->banks[b].size, d->type->banks[b].regs, d->type->banks[b].n_regs});
    if (d->parent && d->parent->type == &dev_pci_host_ecam)
      find_function(d);
    else if (d->parent)
      find(d->parent);
  }

  void find_function(Dev *d)
  {
    function = d->parent->region[PCI_BANK_ecam]->base + (uint64_t(d->slot + 1) << 15);
    bar = d->parent->region[PCI_BANK_memory]->base + 0x4000;
    add({function, 0x1000, nullptr, 0});
    add({bar, 0x1000, virtio_pci_common.regs, virtio_pci_common.n_regs});
    add({bar + 0x1000, 0x3000, nullptr, 0});
  }

  void add(const Place &p)
  {
    places.push_back(p);
    for (unsigned i = 0; i < p.n_regs; i++)
      counts[&p.regs[i]];
  }

  // As firmware does; the guest may have moved it.
  void enable_bar()
  {
    if (function) {
      (void)!phys_store(h.mem, function + PCI_BAR0, 4, bar);
      (void)!phys_store(h.mem, function + PCI_COMMAND, 2, PCI_COMMAND_MEMORY);
    }
  }

  void access()
  {
    const Place &p = places[rng() % places.size()];
    const DevReg *reg = p.n_regs && rng() % 8 ? &p.regs[rng() % p.n_regs] : nullptr;
    unsigned size = 1u << rng() % 4;
    uint64_t v, offset = rng() % p.size;

    if (reg)
      offset = reg->offset + rng() % (reg->count ? reg->count : 1) * (reg->stride ? reg->stride : reg->size);
    else if (rng() % 2)
      offset %= 0x100;
    offset = rng() % 8 ? offset & ~UINT64_C(0) * size : offset;
    if (rng() % 2) {
      bool ok = phys_load(h.mem, p.base + offset, size, &v);
      if (reg)
        counts[reg].loads += ok;
    } else {
      bool ok = phys_store(h.mem, p.base + offset, size, value());
      if (reg)
        counts[reg].stores += ok;
    }
  }

  uint64_t value()
  {
    uint64_t v = rng();
    switch (rng() % 4) {
    case 0: return v & 0xff;
    case 1: return Harness::kRamBase + v % Harness::kRamSize;
    case 2: return UINT64_C(1) << v % 64;
    default: return v;
    }
  }

  // ---- What only this type has ----

  void act()
  {
    const DevType *t = dev->type;
    if (t == &dev_plic)
      raise();
    else if (t == &dev_fw_cfg)
      transfer();
    else if (t == &dev_ns16550a)
      talk();
    else if (t == &dev_flash)
      program();
    else if (t == &dev_aclint_mtimer)
      set_alarm();
    else if (t == &dev_sifive_test)
      (void)!phys_store(h.mem, dev->region[0]->base, 4, 0x1111 * (rng() % 8) + (rng() % 4 << 16));
  }

  void raise()
  {
    Irq line = plic_irq(dev, unsigned(1 + rng() % (PLIC_SOURCES - 1)));
    irq_set(&line, rng() % 2);
  }

  // The structure that fw_cfg's DMA takes: control, length, address; big-endian.
  void transfer()
  {
    struct {
      uint32_t control, length;
      uint64_t address;
    } d;
    uint64_t at = Harness::kRamBase + rng() % (Harness::kRamSize - sizeof(d));
    static const uint32_t items[] = {0, 1, FW_CFG_RAM_SIZE, FW_CFG_NB_CPUS, 0x19, 0x20, 0xffff};
    uint32_t what = uint32_t(rng() % 32);

    d.control = htobe32(items[rng() % 7] << 16 | (rng() % 64 ? what : uint32_t(rng())));
    d.length = htobe32(uint32_t(rng() % 64 ? rng() % 10000 : rng()));
    d.address = htobe64(rng() % 8 ? Harness::kRamBase + rng() % Harness::kRamSize : rng());
    (void)!phys_write(h.mem, at, &d, sizeof(d));
    (void)!phys_store(h.mem, dev->region[0]->base + 16, 8, htobe64(at));
  }

  // Somebody at the serial port's other end; Ctrl-a b is a break.
  void talk()
  {
    char bytes[200] = "\001bhello";

    while (rng() % 4 && recv(h.serial_peer(), bytes, sizeof(bytes), MSG_DONTWAIT) > 0) {
    }
    (void)!send(h.serial_peer(), bytes, 1 + rng() % sizeof(bytes), MSG_DONTWAIT | MSG_NOSIGNAL);
  }

  void write_flash(uint64_t offset, uint64_t v) { (void)!phys_store(h.mem, dev->region[0]->base + offset, 4, v); }

  // Commands of flash memory that take several writes: a buffer, an erasure.
  void program()
  {
    uint64_t sector = rng() % 4 * (256 << 10), words = rng() % 16;

    write_flash(0, 0xff);
    if (rng() % 4 == 0) {
      write_flash(sector, 0x20);
      write_flash(sector, rng() % 4 ? 0xd0 : rng());
      return;
    }
    write_flash(sector, 0xe8);
    write_flash(sector, words);
    for (uint64_t i = 0; i <= words; i++)
      write_flash(sector + (rng() % 64 ? 4 * i : rng() % (32 << 20)), rng());
    write_flash(sector, rng() % 4 ? 0xd0 : rng());
  }

  // In a moment, or just now.
  void set_alarm()
  {
    uint64_t when = aclint_time(dev) + rng() % 100, hart = rng() % ACLINT_HARTS;

    if (rng() % 2)
      aclint_alarm(dev, unsigned(hart), when);
    else
      (void)!phys_store(h.mem, dev->region[0]->base + 8 * hart, 8, when);
  }

  Harness &h;
  Dev *dev;
  std::mt19937_64 rng;
  bool outside;
  std::vector<Place> places;
  uint64_t function = 0, bar = 0; // of a PCI device
};

#endif
