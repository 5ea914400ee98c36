/* SPDX-License-Identifier: Apache-2.0 */
/*
 * softmmu/physmem.h - the guest-physical address space of one machine.
 *
 * Owns:       the RAM and the list of regions: RAM, ROM and registers of devices (MMIO).
 * Invariant:  regions do not overlap.  RAM and ROM are host memory for as long as the map lives.
 * Threading:  regions are added before the first vcpu runs.  All else by any thread.  An access to a
 *             device runs under the region's lock, so a device sees one access at a time.
 */
#ifndef KETCH_SOFTMMU_PHYSMEM_H
#define KETCH_SOFTMMU_PHYSMEM_H

#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/check.h"

enum { PHYS_PAGE_BITS = 12, PHYS_PAGE = 1 << PHYS_PAGE_BITS };

typedef struct PhysMem PhysMem;

/* Registers of a device.  Offsets are from the start of the region; `size` is 1, 2, 4 or 8 and the
 * access naturally aligned within the region.  False: the bus has no such access (access fault). */
typedef struct PhysOps {
    bool (*read)(void *opaque, uint64_t offset, unsigned size, uint64_t *value);
    bool (*write)(void *opaque, uint64_t offset, unsigned size, uint64_t value);
} PhysOps;

typedef enum PhysKind { PHYS_ram, PHYS_rom, PHYS_mmio } PhysKind;

typedef struct PhysRegion {
    const char *name; /* for the monitor; the caller's, lives as long as the map */
    PhysKind kind;
    uint64_t base, size; /* bytes, multiples of PHYS_PAGE for RAM and ROM */
    uint8_t *host;       /* RAM and ROM */
    const PhysOps *ops;  /* MMIO */
    void *opaque;
    pthread_mutex_t *lock; /* MMIO: held around ops; NULL: ops need none */
    const uint8_t *code; /* MMIO: `size` bytes that instruction fetches read; NULL: no programs there */
    bool executed;       /* phys_executed() */
} PhysRegion;

PhysMem *phys_new(void); /* NULL: out of memory */
void phys_free(PhysMem *mem);

/* Memory for RAM: a sealed memory object, so that it can be shared; zero, and only what is touched
 * is resident.  NULL and errno. */
uint8_t *phys_alloc(const char *name, uint64_t size);

/* The same in the file `path`, which is made, or made longer, as needed; of a folder, in a file there that
 * nobody else sees.  `shared`: what is written to RAM is in the file, and the other way round. */
uint8_t *phys_alloc_file(const char *path, bool shared, uint64_t size);

/* Adds a region; what it names is copied.  NULL: it overlaps another, or too many. */
PhysRegion *phys_add(PhysMem *mem, const PhysRegion *region);

/* The region that contains `addr`; NULL: nothing is there. */
const PhysRegion *phys_find(const PhysMem *mem, uint64_t addr);

/* The address of a byte of the host's memory of RAM or ROM.  False: it is neither. */
MUST_USE bool phys_of_host(const PhysMem *mem, const uint8_t *host, uint64_t *addr);

/* Regions in order of their base; NULL behind the last. */
const PhysRegion *phys_region(const PhysMem *mem, unsigned index);

/* Programs run from the device's memory at `addr`: from now on a write to it counts as one to memory
 * (phys_on_write()). */
void phys_executed(PhysMem *mem, uint64_t addr);

/* ---- For devices (DMA): RAM only, bounded; false when any of it is not RAM (writes: nor ROM) ---- */

MUST_USE bool phys_read(PhysMem *mem, uint64_t addr, void *to, size_t size);
MUST_USE bool phys_write(PhysMem *mem, uint64_t addr, const void *from, size_t size);

/* Host memory of [addr, addr + size), all of it in one region; NULL when it is not RAM.  Whoever
 * writes there calls phys_written() after it, before the guest can know. */
uint8_t *phys_map(PhysMem *mem, uint64_t addr, size_t size);
void phys_written(PhysMem *mem, uint64_t addr, size_t size);

/* ---- For vcpus: RAM, ROM and devices ---- */

/* False: an access fault.  `size` is 1, 2, 4 or 8; may be misaligned in RAM and ROM only, and must
 * not cross a page. Writes to ROM are ignored. */
MUST_USE bool phys_load(PhysMem *mem, uint64_t addr, unsigned size, uint64_t *value);
MUST_USE bool phys_store(PhysMem *mem, uint64_t addr, unsigned size, uint64_t value);

/* Called by phys_written() and phys_store() after RAM has changed; NULL: by nobody.  Set once, by
 * whoever keeps translations of guest code. */
void phys_on_write(PhysMem *mem, void (*fn)(void *opaque, uint64_t addr, size_t size),
                   void *opaque);

#endif
