/* SPDX-License-Identifier: Apache-2.0 */
/* "Traditional Memory Balloon Device": pages that the guest gives up are given back to the host;
 * they are zero when it uses them again.  RAM is a memory object, so MADV_REMOVE frees it. */
#include "devices/virtio/balloon.h"

#include <string.h>
#include <sys/mman.h>

#include "devices/virtio/virtio.h"

enum {
    QUEUE_SIZE = 128,
    PAGE = 4096,
    PAGE_BITS = 12,
    MOST = 65536, /* page numbers taken of one request */
};

/* "Feature bits" */
#define BALLOON_DEFLATE_ON_OOM (UINT64_C(1) << 2)
#define BALLOON_REPORTING      (UINT64_C(1) << 5)

/* "Device configuration layout" */
typedef struct BalloonConfig {
    uint32_t num_pages; /* that the guest shall give up */
    uint32_t actual;    /* that it has given up */
} BalloonConfig;

typedef struct VirtioBalloon {
    Virtio v;
    bool deflate_on_oom, reporting;
} VirtioBalloon;

/* Whole pages of [addr, addr + size). */
static void give_back(PhysMem *mem, uint64_t addr, uint64_t size)
{
    uint64_t start = (addr + PAGE - 1) & ~(uint64_t)(PAGE - 1);
    uint64_t end = (addr + size) & ~(uint64_t)(PAGE - 1);
    uint8_t *host = start < end ? phys_map(mem, start, end - start) : NULL;

    if (host && madvise(host, end - start, MADV_REMOVE) == 0) {
        phys_written(mem, start, end - start);
    }
}

/* Page numbers; neighbours are given back in one go. */
static uint32_t inflate(Virtio *v, VirtioQueue *q, const RingChain *c)
{
    PhysMem *mem = v->pci.dev.env->mem;
    uint64_t start = 0, n = 0;
    uint32_t page;

    (void)q;
    for (size_t i = 0; i < MOST && chain_read(c, i * sizeof(page), &page, sizeof(page)); i++) {
        if (n && page == start + n) {
            n++;
            continue;
        }
        give_back(mem, start << PAGE_BITS, n << PAGE_BITS);
        start = page;
        n = 1;
    }
    give_back(mem, start << PAGE_BITS, n << PAGE_BITS);
    return 0;
}

/* The guest uses them again: they come when they are touched. */
static uint32_t deflate(Virtio *v, VirtioQueue *q, const RingChain *c)
{
    (void)v, (void)q, (void)c;
    return 0;
}

/* "Free Page Reporting": the writable parts of a request are free. */
static uint32_t report(Virtio *v, VirtioQueue *q, const RingChain *c)
{
    (void)q;
    for (unsigned i = c->n_out; i < c->n_out + c->n_in; i++) {
        give_back(v->pci.dev.env->mem, c->addr[i], c->part[i].iov_len);
    }
    return 0;
}

static void stopped(Virtio *v)
{
    uint32_t none = 0;

    virtio_config_set(v, offsetof(BalloonConfig, actual), &none, sizeof(none));
}

static const VirtioKind kind = {
    .name = "virtio-balloon",
    .id = 5,
    .pci_class = 0x00ff00,
    .config_size = sizeof(BalloonConfig),
    .rw_at = offsetof(BalloonConfig, actual),
    .rw_size = sizeof(uint32_t),
    .stopped = stopped,
};

static bool realize(Dev *dev, GError **error)
{
    VirtioBalloon *b = (VirtioBalloon *)dev;

    if (!virtio_init(&b->v, &kind, error)) {
        return false;
    }
    b->v.offered |= b->deflate_on_oom ? BALLOON_DEFLATE_ON_OOM : 0;
    b->v.offered |= b->reporting ? BALLOON_REPORTING : 0;
    return virtio_add_queue(&b->v, QUEUE_SIZE, inflate, false, error) &&
           virtio_add_queue(&b->v, QUEUE_SIZE, deflate, false, error) &&
           (!b->reporting || virtio_add_queue(&b->v, QUEUE_SIZE, report, false, error));
}

static void unrealize(Dev *dev)
{
    virtio_fini((Virtio *)dev);
}

static const DevProp props[] = {
    VIRTIO_PROPS(VirtioBalloon),
    { "deflate-on-oom", DEV_PROP_bool, offsetof(VirtioBalloon, deflate_on_oom),
      "the guest takes pages back rather than killing programs", 0 },
    { "free-page-reporting", DEV_PROP_bool, offsetof(VirtioBalloon, reporting),
      "the guest's free pages are given back to the host", 0 },
};
static const DevField fields[] = { VIRTIO_FIELDS(VirtioBalloon) };

VIRTIO_TYPES(virtio_balloon, "balloon", VirtioBalloon, "memory that the guest does without", yes)

/* ---- For the monitor ---- */

static void find(void *opaque, Dev *dev, unsigned depth)
{
    Dev **found = opaque;

    (void)depth;
    if (dev->type == &dev_virtio_balloon_device || dev->type == &dev_virtio_balloon_pci) {
        *found = *found ? *found : dev;
    }
}

Dev *virtio_balloon_find(Dev *root)
{
    Dev *found = NULL;

    dev_for_each(root, find, &found);
    return found;
}

static uint64_t ram_pages(const PhysMem *mem)
{
    const PhysRegion *r;
    uint64_t pages = 0;

    for (unsigned i = 0; (r = phys_region(mem, i)); i++) {
        pages += r->kind == PHYS_ram ? r->size >> PAGE_BITS : 0;
    }
    return pages;
}

void virtio_balloon_set(Dev *balloon, uint64_t bytes)
{
    uint64_t all = ram_pages(balloon->env->mem), keep = bytes >> PAGE_BITS;
    uint32_t target = keep < all ? (uint32_t)(all - keep) : 0;

    virtio_config_set((Virtio *)balloon, offsetof(BalloonConfig, num_pages), &target,
                      sizeof(target));
}

uint64_t virtio_balloon_get(Dev *balloon)
{
    uint64_t all = ram_pages(balloon->env->mem);
    uint32_t actual;

    virtio_config_get((Virtio *)balloon, offsetof(BalloonConfig, actual), &actual, sizeof(actual));
    return (actual < all ? all - actual : 0) << PAGE_BITS;
}
