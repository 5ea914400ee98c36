/* SPDX-License-Identifier: Apache-2.0 */
/*
 * devices/host/block/qcow2_format.h - the header of a qcow2 file, and the limits that hold for
 * every image, however hostile.
 * Threading:  pure.
 */
#ifndef KETCH_DEVICES_HOST_BLOCK_QCOW2_FORMAT_H
#define KETCH_DEVICES_HOST_BLOCK_QCOW2_FORMAT_H

#include <endian.h>
#include <glib.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#include "base/check.h"
#include "devices/host/block/file.h"

#define QCOW2_MAGIC UINT32_C(0x514649fb)

#define QCOW2_COPIED (UINT64_C(1) << 63)
#define QCOW2_COMPRESSED_FLAG (UINT64_C(1) << 62)
#define QCOW2_ZERO_FLAG UINT64_C(1)
#define QCOW2_OFFSET_MASK UINT64_C(0x00fffffffffffe00)
#define QCOW2_REFTABLE_MASK (~UINT64_C(0x1ff))
#define QCOW2_OFFSET_MOST (UINT64_C(1) << 56) /* where clusters may not be any more */

enum {
    QCOW2_V2_HEADER = 72,
    QCOW2_V3_HEADER = 104,
    QCOW2_MIN_CLUSTER_BITS = 9,
    QCOW2_MAX_CLUSTER_BITS = 21,
    QCOW2_MIN_EXTENDED_BITS = 14,
    QCOW2_SUBCLUSTER_BITS = 5,
    QCOW2_MAX_REFCOUNT_ORDER = 6,
    QCOW2_MAX_L1 = 32 << 20,             /* bytes */
    QCOW2_MAX_REFTABLE = 8 << 20,        /* bytes */
    QCOW2_MAX_SNAPSHOTS = 65536,
    QCOW2_MAX_SNAPSHOT_TABLE = 64 << 20, /* bytes */
    QCOW2_MAX_SNAPSHOT_EXTRA = 1024,
    QCOW2_MAX_BACKING_NAME = 1023,
    QCOW2_SLICE = 4096, /* bytes of a table that are cached together, or a cluster */
};

/* incompatible_features */
#define QCOW2_DIRTY (UINT64_C(1) << 0)
#define QCOW2_CORRUPT (UINT64_C(1) << 1)
#define QCOW2_DATA_FILE (UINT64_C(1) << 2)
#define QCOW2_COMPRESSION (UINT64_C(1) << 3)
#define QCOW2_EXTENDED_L2 (UINT64_C(1) << 4)
/* compatible_features */
#define QCOW2_LAZY_REFCOUNTS (UINT64_C(1) << 0)
/* autoclear_features */
#define QCOW2_BITMAPS (UINT64_C(1) << 0)

/* Where fields are that are changed by themselves. */
enum {
    QCOW2_AT_SIZE = 24,
    QCOW2_AT_L1 = 36,        /* size, offset */
    QCOW2_AT_REFTABLE = 48,  /* offset, clusters */
    QCOW2_AT_SNAPSHOTS = 60, /* number, offset */
    QCOW2_AT_INCOMPATIBLE = 72,
    QCOW2_AT_AUTOCLEAR = 88,
};

typedef struct Qcow2Header {
    uint32_t version;
    uint64_t backing_offset;
    uint32_t backing_size;
    uint32_t cluster_bits;
    uint64_t size;
    uint32_t crypt;
    uint32_t l1_size; /* entries */
    uint64_t l1_offset;
    uint64_t refcount_table_offset;
    uint32_t refcount_table_clusters;
    uint32_t n_snapshots;
    uint64_t snapshots_offset;
    uint64_t incompatible, compatible, autoclear;
    uint32_t refcount_order;
    uint32_t length;
    uint8_t compression;
    /* from the header extensions */
    char *backing_path, *backing_format;
    uint32_t n_bitmaps;
    uint64_t bitmap_directory_size, bitmap_directory_offset;
} Qcow2Header;

static inline uint64_t qcow2_get64(const void *p)
{
    uint64_t v;

    memcpy(&v, p, 8);
    return be64toh(v);
}

static inline uint32_t qcow2_get32(const void *p)
{
    uint32_t v;

    memcpy(&v, p, 4);
    return be32toh(v);
}

static inline uint16_t qcow2_get16(const void *p)
{
    uint16_t v;

    memcpy(&v, p, 2);
    return be16toh(v);
}

static inline void qcow2_put64(void *p, uint64_t v)
{
    v = htobe64(v);
    memcpy(p, &v, 8);
}

static inline void qcow2_put32(void *p, uint32_t v)
{
    v = htobe32(v);
    memcpy(p, &v, 4);
}

static inline void qcow2_put16(void *p, uint16_t v)
{
    v = htobe16(v);
    memcpy(p, &v, 2);
}

/* Reads and checks it: every field is within its limits, no feature is unknown.  The strings of
 * *h are to be freed.  `name` is for messages. */
MUST_USE bool qcow2_header_read(BlockFile *file, const char *name, Qcow2Header *h, GError **error);
void qcow2_header_fini(Qcow2Header *h);

/* A first cluster: the header, extensions, the name of the backing file; false: no room. */
MUST_USE bool qcow2_header_make(const Qcow2Header *h, uint8_t *cluster);

#endif
