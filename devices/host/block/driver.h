/* SPDX-License-Identifier: Apache-2.0 */
/*
 * devices/host/block/driver.h - what a format is to block.c, and what block.c is to a format.
 *
 * block.c has checked ranges and rights before a function here is called; `bytes` is never 0.
 * Threading:  as block.h: read to status at the same time, from any thread.
 */
#ifndef KETCH_DEVICES_HOST_BLOCK_DRIVER_H
#define KETCH_DEVICES_HOST_BLOCK_DRIVER_H

#include "devices/host/block/block.h"
#include "devices/host/block/file.h"
#include "devices/host/block/image.h"

typedef struct BlockDriver {
    const char *name;

    /* How sure it is that an image begins so; 0: it is not.  raw is 1. */
    int (*probe)(const uint8_t *head, size_t n);

    /* Sets b->state, b->size and b->backing_*; false with the state undone. */
    bool (*open)(Block *b, GError **error);
    int (*close)(Block *b);

    int (*read)(Block *b, uint64_t offset, uint64_t bytes, const struct iovec *iov, int n);
    int (*write)(Block *b, uint64_t offset, uint64_t bytes, const struct iovec *iov, int n);
    int (*flush)(Block *b);
    int (*discard)(Block *b, uint64_t offset, uint64_t bytes);
    int (*write_zeroes)(Block *b, uint64_t offset, uint64_t bytes, bool may_unmap);

    /* Of this layer alone: depth is 0, `allocated` false where the backing file shows through. */
    int (*status)(Block *b, uint64_t offset, uint64_t bytes, BlockExtent *extent);
    int (*resize)(Block *b, uint64_t size);
    int (*info)(Block *b, BlockInfo *info);

    bool (*create)(BlockFile *file, const ImageCreate *c, GError **error);

    /* NULL where the format has no such thing. */
    const ImageDriver *image;
} BlockDriver;

struct Block {
    const BlockDriver *driver;
    BlockFile *file;
    void *state; /* of the driver */
    char *name;  /* for messages: the path */
    bool read_only;
    bool probed;
    bool discard;
    bool detect_zeroes;
    bool writethrough;
    bool check;
    BlockBacking backing_wanted;
    BlockCache cache;
    unsigned depth; /* in the chain it was opened in */
    Block *backing;
    char *backing_path, *backing_full, *backing_format;
    _Atomic uint64_t size; /* the driver changes it in resize() */
    struct {
        _Atomic uint64_t read_bytes, read_operations, write_bytes, write_operations,
            flush_operations, unmap_bytes, unmap_operations, errors;
    } stats;
};

#define DRIVER(name) extern const BlockDriver block_driver_##name;
#include "devices/host/block/drivers.def"

/* The row of that name; NULL with a sentence. */
const BlockDriver *block_driver_find(const char *name, GError **error);

/* Iovecs: the total, or UINT64_MAX when it does not fit; the part [from, from + bytes) of one into
 * `out`, which has room for `n`, and how many that takes. */
uint64_t block_iov_bytes(const struct iovec *iov, int n);
int block_iov_part(struct iovec *out, const struct iovec *iov, int n, uint64_t from, uint64_t bytes);
void block_iov_zero(const struct iovec *iov, int n, uint64_t from, uint64_t bytes);
void block_iov_from(const struct iovec *iov, int n, uint64_t from, const void *data, size_t bytes);

/* Reads [offset, offset + bytes) of a layer that may be shorter, or NULL: zeros past its end. */
int block_read_padded(Block *b, uint64_t offset, uint64_t bytes, const struct iovec *iov, int n);

bool block_is_zero(const void *data, size_t bytes);

GQuark block_error_quark(void);
#define BLOCK_ERROR (block_error_quark())

#endif
