/* SPDX-License-Identifier: Apache-2.0 */
/* "Block Device".  Each queue has its thread, so requests of several queues are carried out beside
 * each other; those of one queue one after the other. */
#include <string.h>

#include "devices/host/block/block.h"
#include "devices/virtio/blk.h"
#include "devices/virtio/virtio.h"

enum {
    SECTOR = 512,
    QUEUE_SIZE = 256,
    MAX_SEGMENTS = RING_MAX - 2, /* of data: a header and a status are with them */
    MAX_RANGES = 32,             /* of a discard */
    ID_BYTES = 20,
    HEADER = 16,
    RANGE = 16,
};

/* "Feature bits" */
#define BLK_SEG_MAX      (UINT64_C(1) << 2)
#define BLK_READ_ONLY    (UINT64_C(1) << 5)
#define BLK_BLOCK_SIZE   (UINT64_C(1) << 6)
#define BLK_FLUSH        (UINT64_C(1) << 9)
#define BLK_CONFIG_CACHE (UINT64_C(1) << 11)
#define BLK_MULTI_QUEUE  (UINT64_C(1) << 12)
#define BLK_DISCARD      (UINT64_C(1) << 13)
#define BLK_WRITE_ZEROES (UINT64_C(1) << 14)

/* "Device Operation" */
enum {
    BLK_IN = 0,
    BLK_OUT = 1,
    BLK_FLUSH_CACHE = 4,
    BLK_GET_ID = 8,
    BLK_DISCARD_RANGES = 11,
    BLK_ZERO_RANGES = 13,
};

enum { STATUS_ok = 0, STATUS_io_error = 1, STATUS_unsupported = 2 };

/* "Device configuration layout" */
typedef struct __attribute__((packed)) BlkConfig {
    uint64_t capacity;
    uint32_t size_max, seg_max;
    uint8_t geometry[4];
    uint32_t block_size;
    uint8_t topology[8];
    uint8_t writeback, unused0;
    uint16_t queues;
    uint32_t max_discard_sectors, max_discard_ranges, discard_alignment;
    uint32_t max_zero_sectors, max_zero_ranges;
    uint8_t zero_may_unmap, unused1[3];
} BlkConfig;

typedef struct VirtioBlk {
    Virtio v;
    Block *block;
    char *serial;
    uint32_t queues;
} VirtioBlk;

typedef struct Header {
    uint32_t type, reserved;
    uint64_t sector;
} Header;

typedef struct Range {
    uint64_t sector;
    uint32_t sectors, flags;
} Range;

static uint8_t status_of(int result)
{
    return result == 0 ? STATUS_ok : STATUS_io_error;
}

/* False: [sector, sector + bytes) is not on the disk. */
static bool on_disk(const VirtioBlk *b, uint64_t sector, uint64_t bytes)
{
    uint64_t size = block_size(b->block);

    return sector <= size / SECTOR && bytes <= size - sector * SECTOR;
}

/* Without a cache that the driver knows to flush, a write is durable when it is done. */
static bool write_through(VirtioBlk *b)
{
    uint8_t writeback;

    if (!virtio_has(&b->v, BLK_CONFIG_CACHE)) {
        return !virtio_has(&b->v, BLK_FLUSH);
    }
    virtio_config_get(&b->v, offsetof(BlkConfig, writeback), &writeback, 1);
    return !writeback;
}

static uint8_t read_data(const VirtioBlk *b, const RingChain *c, uint64_t sector)
{
    struct iovec iov[RING_MAX];
    size_t bytes = c->in_size - 1;
    unsigned n = chain_writable(c, 0, bytes, iov);

    if (bytes % SECTOR || !on_disk(b, sector, bytes)) {
        return STATUS_io_error;
    }
    return bytes ? status_of(block_read(b->block, sector * SECTOR, iov, (int)n)) : STATUS_ok;
}

static uint8_t write_data(VirtioBlk *b, const RingChain *c, uint64_t sector)
{
    struct iovec iov[RING_MAX];
    size_t bytes = c->out_size - HEADER;
    unsigned n = chain_readable(c, HEADER, bytes, iov);
    int result = 0;

    if (block_read_only(b->block) || bytes % SECTOR || !on_disk(b, sector, bytes)) {
        return STATUS_io_error;
    }
    if (bytes) {
        result = block_write(b->block, sector * SECTOR, iov, (int)n);
    }
    if (result == 0 && write_through(b)) {
        result = block_flush(b->block);
    }
    return status_of(result);
}

static uint8_t get_id(const VirtioBlk *b, const RingChain *c)
{
    char id[ID_BYTES] = { 0 };
    size_t room = c->in_size - 1 < ID_BYTES ? c->in_size - 1 : ID_BYTES;

    if (b->serial) {
        memcpy(id, b->serial, strnlen(b->serial, ID_BYTES));
    }
    return chain_write(c, 0, id, room) ? STATUS_ok : STATUS_io_error;
}

/* One flag: a range of zeros may be unmapped. */
static uint8_t change_range(const VirtioBlk *b, uint32_t type, const Range *r)
{
    uint64_t at = r->sector * SECTOR, bytes = (uint64_t)r->sectors * SECTOR;

    if (r->flags & (type == BLK_ZERO_RANGES ? ~1u : ~0u)) {
        return STATUS_unsupported;
    }
    if (!on_disk(b, r->sector, bytes)) {
        return STATUS_io_error;
    }
    if (type == BLK_DISCARD_RANGES) {
        return status_of(block_discard(b->block, at, bytes));
    }
    return status_of(block_write_zeroes(b->block, at, bytes, r->flags & 1));
}

static uint8_t change_ranges(VirtioBlk *b, const RingChain *c, uint32_t type)
{
    size_t bytes = c->out_size - HEADER;
    uint8_t status = STATUS_ok;

    if (block_read_only(b->block) || bytes % RANGE || bytes / RANGE > MAX_RANGES) {
        return STATUS_io_error;
    }
    for (size_t at = HEADER; at < c->out_size && status == STATUS_ok; at += RANGE) {
        Range r;

        status = chain_read(c, at, &r, sizeof(r)) ? change_range(b, type, &r) : STATUS_io_error;
    }
    if (status == STATUS_ok && write_through(b)) {
        status = status_of(block_flush(b->block));
    }
    return status;
}

static uint8_t carry_out(VirtioBlk *b, const RingChain *c, const Header *h)
{
    switch (h->type) {
    case BLK_IN:
        return read_data(b, c, h->sector);
    case BLK_OUT:
        return write_data(b, c, h->sector);
    case BLK_FLUSH_CACHE:
        return status_of(block_flush(b->block));
    case BLK_GET_ID:
        return get_id(b, c);
    case BLK_DISCARD_RANGES:
    case BLK_ZERO_RANGES:
        return change_ranges(b, c, h->type);
    default:
        return STATUS_unsupported;
    }
}

/* The status is the last byte. */
static uint32_t serve(Virtio *v, VirtioQueue *q, const RingChain *c)
{
    VirtioBlk *b = (VirtioBlk *)v;
    Header h;
    uint8_t status;

    (void)q;
    if (c->in_size == 0 || !chain_read(c, 0, &h, sizeof(h))) {
        virtio_broken(v, "request without a header or a status");
        return 0;
    }
    status = carry_out(b, c, &h);
    return chain_write(c, c->in_size - 1, &status, 1) ? (uint32_t)c->in_size : 0;
}

static void set_writeback(Virtio *v, bool on)
{
    uint8_t byte = on;

    virtio_config_set(v, offsetof(BlkConfig, writeback), &byte, 1);
}

/* "If VIRTIO_BLK_F_FLUSH is not negotiated", the cache starts as one that needs none. */
static void negotiated(Virtio *v)
{
    set_writeback(v, virtio_has(v, BLK_FLUSH));
}

static void stopped(Virtio *v)
{
    set_writeback(v, true);
}

static const VirtioKind kind = {
    .name = "virtio-blk",
    .id = 2,
    .pci_class = 0x010000,
    .features = BLK_SEG_MAX | BLK_BLOCK_SIZE | BLK_FLUSH | BLK_CONFIG_CACHE,
    .config_size = sizeof(BlkConfig),
    .rw_at = offsetof(BlkConfig, writeback),
    .rw_size = 1,
    .negotiated = negotiated,
    .stopped = stopped,
};

static void configure(VirtioBlk *b)
{
    BlkConfig config = {
        .capacity = block_size(b->block) / SECTOR,
        .seg_max = MAX_SEGMENTS,
        .block_size = SECTOR,
        .writeback = 1,
        .queues = (uint16_t)b->queues,
        .max_discard_sectors = UINT32_MAX / SECTOR,
        .max_discard_ranges = MAX_RANGES,
        .discard_alignment = 1,
        .max_zero_sectors = UINT32_MAX / SECTOR,
        .max_zero_ranges = MAX_RANGES,
        .zero_may_unmap = 1,
    };

    b->v.offered |= block_read_only(b->block) ? BLK_READ_ONLY : BLK_DISCARD | BLK_WRITE_ZEROES;
    b->v.offered |= b->queues > 1 ? BLK_MULTI_QUEUE : 0;
    virtio_config_set(&b->v, 0, &config, sizeof(config));
}

static bool realize(Dev *dev, GError **error)
{
    VirtioBlk *b = (VirtioBlk *)dev;

    if (!b->block) {
        g_set_error(error, DEV_ERROR, 0, "needs drive=ID, the id of a -drive or -blockdev");
        return false;
    }
    b->queues = b->queues ? b->queues : 1;
    if (!virtio_init(&b->v, &kind, error)) {
        return false;
    }
    configure(b);
    for (unsigned i = 0; i < b->queues; i++) {
        if (!virtio_add_queue(&b->v, QUEUE_SIZE, serve, true, error)) {
            return false;
        }
    }
    return true;
}

static void unrealize(Dev *dev)
{
    virtio_fini((Virtio *)dev);
}

static const DevProp props[] = {
    VIRTIO_PROPS(VirtioBlk),
    { "drive", DEV_PROP_drive, offsetof(VirtioBlk, block), "the disk", 0 },
    { "serial", DEV_PROP_string, offsetof(VirtioBlk, serial), "its serial number, 20 bytes", 0 },
    { "num-queues", DEV_PROP_u32, offsetof(VirtioBlk, queues),
      "queues, each with its own thread (default: 1)", VIRTIO_QUEUES },
};
static const DevField fields[] = { VIRTIO_FIELDS(VirtioBlk) };

VIRTIO_TYPES(virtio_blk, "blk", VirtioBlk, "disk", yes)

/* ---- For the monitor ---- */

static void tell_size(void *block, Dev *dev, unsigned depth)
{
    VirtioBlk *b = (VirtioBlk *)dev;

    (void)depth;
    if ((dev->type == &dev_virtio_blk_device || dev->type == &dev_virtio_blk_pci) && b->block == block) {
        uint64_t capacity = block_size(block) / SECTOR;

        virtio_config_set(&b->v, offsetof(BlkConfig, capacity), &capacity, sizeof(capacity));
    }
}

void virtio_blk_resized(Dev *root, const Block *block)
{
    dev_for_each(root, tell_size, (void *)(uintptr_t)block);
}
