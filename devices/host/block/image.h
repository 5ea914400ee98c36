/* SPDX-License-Identifier: Apache-2.0 */
/*
 * devices/host/block/image.h - what is done to images besides reading and writing them: made,
 * checked, snapshots.  `ketch image` and savevm use it; devices need block.h alone.
 *
 * Errors:     as block.h.  -ENOTSUP where the format has no such thing.
 * Threading:  any thread; image_check() and snapshots wait for requests in flight and hold up new
 *             ones.
 */
#ifndef KETCH_DEVICES_HOST_BLOCK_IMAGE_H
#define KETCH_DEVICES_HOST_BLOCK_IMAGE_H

#include "devices/host/block/block.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef enum ImagePreallocation {
    IMAGE_PREALLOCATE_OFF,
    IMAGE_PREALLOCATE_METADATA,  /* maps everything, leaves the space sparse */
    IMAGE_PREALLOCATE_FALLOC,    /* takes the space too */
    IMAGE_PREALLOCATE_FULL,      /* writes it */
} ImagePreallocation;

typedef enum ImageCompression {
    IMAGE_COMPRESSION_ZLIB,
    IMAGE_COMPRESSION_ZSTD,
    IMAGE_COMPRESSION_COUNT
} ImageCompression;

typedef struct ImageCreate {
    const char *path;
    const char *format;
    uint64_t size;
    ImagePreallocation preallocation;
    /* qcow2; 0 or NULL is what QEMU does */
    unsigned version;             /* 2, 3 */
    uint64_t cluster_size;
    unsigned refcount_bits;
    ImageCompression compression;
    bool lazy_refcounts;
    bool extended_l2;
    const char *backing_path, *backing_format;
} ImageCreate;

/* Makes the file, or replaces one that nobody has open. */
MUST_USE bool image_create(const ImageCreate *c, GError **error);

/* "1.5 KiB", to be freed. */
char *image_size_text(uint64_t size);

const char *image_compression_name(ImageCompression c);
MUST_USE bool image_compression_parse(const char *name, ImageCompression *c);

/* What qcow2 says beyond BlockInfo; false for another format. */
typedef struct ImageQcow2Info {
    unsigned version;
    ImageCompression compression;
    bool lazy_refcounts, extended_l2, corrupt;
    unsigned refcount_bits;
} ImageQcow2Info;

MUST_USE bool image_qcow2_info(Block *b, ImageQcow2Info *info);

/* ---- check ---- */

typedef enum ImageRepair {
    IMAGE_REPAIR_NONE,
    IMAGE_REPAIR_LEAKS,
    IMAGE_REPAIR_ALL
} ImageRepair;

typedef struct ImageCheck {
    uint64_t corruptions, leaks, corruptions_fixed, leaks_fixed;
    uint64_t total_clusters, allocated_clusters, compressed_clusters, fragmented_clusters;
    uint64_t image_end_offset;
    void (*message)(void *opaque, const char *text); /* each finding; may be NULL */
    void *opaque;
} ImageCheck;

/* -errno when it could not be finished; what is wrong with the image is in `result`. */
MUST_USE int image_check(Block *b, ImageRepair repair, ImageCheck *result);

/* ---- internal snapshots ---- */

typedef struct ImageSnapshot {
    const char *id, *name; /* id: given by image_snapshot_create() */
    uint64_t vm_state_size;
    uint64_t disk_size;
    uint64_t date_s;
    uint32_t date_ns;
    uint64_t vm_clock_ns;
    uint64_t icount; /* UINT64_MAX: none */
} ImageSnapshot;

/* The i-th, valid until snapshots change; false past the last. */
MUST_USE bool image_snapshot(Block *b, unsigned i, ImageSnapshot *snapshot);

/* Appends all as a table with a heading; nothing when there are none. */
void image_snapshot_table(Block *b, GString *out);

/* By id, else by name; -ENOENT.  apply() takes the disk and its size back to what they were. */
MUST_USE int image_snapshot_create(Block *b, const ImageSnapshot *snapshot);
MUST_USE int image_snapshot_apply(Block *b, const char *id_or_name);
MUST_USE int image_snapshot_delete(Block *b, const char *id_or_name);

/* A read-only image shows what the disk was then, until it is closed. */
MUST_USE int image_snapshot_show(Block *b, const char *id_or_name);

/* State of the machine that belongs to the next snapshot, or to the one last applied: bytes from
 * `position` on, kept behind the disk. */
MUST_USE int image_vm_state_write(Block *b, uint64_t position, const struct iovec *iov, int n);
MUST_USE int image_vm_state_read(Block *b, uint64_t position, const struct iovec *iov, int n);

/* ---- compressed clusters ---- */

/* Compresses `bytes` bytes; 0 when they do not get smaller than `room`.  Any thread. */
size_t image_compress(ImageCompression c, const void *data, size_t bytes, void *out, size_t room);

/* Writes one whole cluster that image_compress() made `compressed` bytes of; in order of offsets
 * is best.  The cluster must not be allocated. */
MUST_USE int image_write_compressed(Block *b, uint64_t offset, const void *data, size_t compressed);

/* The functions above for one format: each may be NULL. */
typedef struct ImageDriver {
    bool (*qcow2_info)(Block *b, ImageQcow2Info *info);
    int (*check)(Block *b, ImageRepair repair, ImageCheck *result);
    bool (*snapshot)(Block *b, unsigned i, ImageSnapshot *snapshot);
    int (*snapshot_create)(Block *b, const ImageSnapshot *snapshot);
    int (*snapshot_apply)(Block *b, const char *id_or_name);
    int (*snapshot_delete)(Block *b, const char *id_or_name);
    int (*snapshot_show)(Block *b, const char *id_or_name);
    int (*vm_state)(Block *b, uint64_t position, uint64_t bytes, const struct iovec *iov, int n,
                    bool write);
    int (*write_compressed)(Block *b, uint64_t offset, const void *data, size_t compressed);
} ImageDriver;

#ifdef __cplusplus
}
#endif

#endif
