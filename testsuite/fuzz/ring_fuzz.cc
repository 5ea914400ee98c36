// SPDX-License-Identifier: Apache-2.0
// A driver that puts anything into its rings: the device's side stays within RAM and comes to an end.
// Input: format, size and addresses of the queue, then RAM from its start.
#include <cstdlib>
#include <cstring>

extern "C" {
#include "devices/virtio/ring.h"
}

namespace {

constexpr uint64_t kRam = 0x80000000, kRamSize = 64 << 10;
constexpr unsigned kRequests = 64;

uint8_t *ram;

PhysMem *machine()
{
  PhysMem *mem = phys_new();
  PhysRegion r = {};

  r.name = "ram";
  r.kind = PHYS_ram;
  r.base = kRam;
  r.size = kRamSize;
  r.host = ram = phys_alloc("ram", kRamSize);
  if (!ram || !phys_add(mem, &r))
    abort();
  return mem;
}

struct Head {
  uint8_t flags;
  uint16_t size, desc, driver, device;
} __attribute__((packed));

void use(Ring *ring, RingChain *chain)
{
  uint8_t bytes[64] = {};
  size_t out = chain->out_size < sizeof(bytes) ? chain->out_size : sizeof(bytes);
  size_t in = chain->in_size < sizeof(bytes) ? chain->in_size : sizeof(bytes);

  if (!chain_read(chain, 0, bytes, out) || !chain_write(chain, 0, bytes, in))
    abort();
  ring_push(ring, chain, uint32_t(in));
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
  static PhysMem *mem = machine();
  static RingChain chain;
  RingLayout layout = {};
  Head head;
  Ring ring;

  if (size < sizeof(head) || size > sizeof(head) + kRamSize)
    return -1;
  memcpy(&head, data, sizeof(head));
  memset(ram, 0, kRamSize);
  memcpy(ram, data + sizeof(head), size - sizeof(head));
  layout.desc = kRam + head.desc;
  layout.driver = kRam + head.driver;
  layout.device = kRam + head.device;
  layout.size = head.size;
  layout.packed = head.flags & 1;
  layout.indirect = head.flags & 2;
  layout.event_index = head.flags & 4;
  if (!ring_setup(&ring, mem, &layout))
    return 0;
  for (unsigned n = 0; n < kRequests && ring_pop(&ring, &chain) == RING_chain; n++) {
    if (n % 8 == 7) {
      ring_unpop(&ring, &chain);
    } else {
      use(&ring, &chain);
      ring_must_signal(&ring);
    }
    ring_ask_doorbell(&ring, n % 2);
  }
  return 0;
}
