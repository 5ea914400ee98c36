/* SPDX-License-Identifier: Apache-2.0 */
/*
 * devices/host/block/block.h - a disk of bytes, whatever format holds it.
 *
 *     BlockOptions o = { .path = "disk.qcow2", .format = "qcow2" };
 *     Block *b = block_open(&o, &error);
 *     block_write(b, 4096, &iov, 1);  block_flush(b);  block_close(b);
 *
 * Owns:       the file descriptors, the lock on the image, the backing files below it.
 * Errors:     opening explains itself with a GError; everything after it returns 0 or -errno, and
 *             nothing that an image holds makes it abort, hang or write outside of the image.
 * Durability: what block_flush() returned for is on the disk.  A write that was not flushed may be
 *             lost, but never damages what was: the image stays consistent after SIGKILL.
 * Threading:  every call from any thread, several at a time, but block_open() and block_close().
 *             Calls block; an I/O thread per queue makes them.  Requests in flight at the same time
 *             that overlap have the effect of some order per sector, as with a disk.
 */
#ifndef KETCH_DEVICES_HOST_BLOCK_BLOCK_H
#define KETCH_DEVICES_HOST_BLOCK_BLOCK_H

#include <glib.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/uio.h>

#include "base/check.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef struct Block Block;

/* An image that names a backing file is ... */
typedef enum BlockBacking {
    BLOCK_BACKING_REFUSE, /* not opened */
    BLOCK_BACKING_FOLLOW, /* opened with it, read-only, and so on down the chain */
    BLOCK_BACKING_IGNORE, /* opened without it: to show and check, clusters of it read as zeros */
} BlockBacking;

typedef enum BlockCache {
    BLOCK_CACHE_WRITEBACK,    /* a flush makes writes durable */
    BLOCK_CACHE_NONE,         /* the same, past the host's page cache where requests are aligned */
    BLOCK_CACHE_WRITETHROUGH, /* every write is durable */
    BLOCK_CACHE_DIRECTSYNC,   /* both of these */
    BLOCK_CACHE_UNSAFE,       /* a flush waits for nothing: for images that may be thrown away */
} BlockCache;

typedef struct BlockOptions {
    const char *path;      /* or NULL: `fd` is the image, and belongs to the block from then on */
    int fd;
    const char *format;    /* a row of drivers.def; NULL: probed, only with read_only */
    bool read_only;
    bool no_lock;          /* `qemu-img -U`: others may write meanwhile */
    bool discard;          /* discards free space; else they are ignored */
    bool detect_zeroes;    /* writes of zeros become block_write_zeroes() */
    BlockBacking backing;
    BlockCache cache;
    bool check;            /* opened for image_check(): damage is no reason to refuse */
} BlockOptions;

/* NULL with `error` set when the image is not there, in use, damaged or needs what was not asked
 * for.  A writable image whose format is not given is refused: guessing would let whoever writes
 * the disk choose it. */
Block *block_open(const BlockOptions *options, GError **error);

/* Writes metadata back and closes; returns -errno when that failed.  NULL is fine. */
int block_close(Block *b);

/* Names for `cache=`, as in QEMU; false for an unknown one. */
MUST_USE bool block_cache_parse(const char *name, BlockCache *cache);

/* ---- data: [offset, offset + sum of the iovecs) must be below block_size(), else -EINVAL ---- */

MUST_USE int block_read(Block *b, uint64_t offset, const struct iovec *iov, int n);

/* -EROFS on a read-only image. */
MUST_USE int block_write(Block *b, uint64_t offset, const struct iovec *iov, int n);

/* Everything that was written before the call is durable when it returns 0. */
MUST_USE int block_flush(Block *b);

/* The range need not be kept; it reads as zeros, as before, or a mixture.  Only with the option
 * `discard`, else it does nothing. */
MUST_USE int block_discard(Block *b, uint64_t offset, uint64_t bytes);

/* The range reads as zeros.  may_unmap: its space may be given back. */
MUST_USE int block_write_zeroes(Block *b, uint64_t offset, uint64_t bytes, bool may_unmap);

/* ---- geometry ---- */

uint64_t block_size(const Block *b);
bool block_read_only(const Block *b);

/* Reads zeros in what is added.  Shrinking loses data without asking. */
MUST_USE int block_resize(Block *b, uint64_t size);

/* What the bytes from `offset` on are; they are alike for at least `length` bytes. */
typedef struct BlockExtent {
    uint64_t length;
    bool allocated;         /* by some layer; else nothing of the chain holds it */
    bool zero;              /* reads as zeros, known without reading */
    bool data;              /* has space in a file */
    bool compressed;
    unsigned depth;         /* 0: this image, 1: its backing file, ... */
    bool has_host_offset;
    uint64_t host_offset;   /* in the file of that layer */
} BlockExtent;

/* Of at most `bytes` bytes; -EINVAL past the end. */
MUST_USE int block_status(Block *b, uint64_t offset, uint64_t bytes, BlockExtent *extent);

/* For `query-block` and `ketch image info`.  Strings live as long as the block. */
typedef struct BlockInfo {
    const char *path;        /* "fd:N" when it was passed */
    const char *format;
    uint64_t virtual_size;
    uint64_t disk_size;      /* allocated on the host */
    uint64_t cluster_size;   /* 0: the format has none */
    bool read_only;
    bool encrypted;
    bool dirty;
    bool corrupt;
    const char *backing_path;    /* as the image has it, or NULL */
    const char *backing_full;    /* found from the image's folder */
    const char *backing_format;  /* or NULL */
    BlockCache cache;
} BlockInfo;

MUST_USE int block_info(Block *b, BlockInfo *info);

/* The layer below (depth 1), or NULL; belongs to `b`. */
Block *block_backing(const Block *b);

/* Counters since it was opened, for `query-blockstats`. */
typedef struct BlockStats {
    uint64_t read_bytes, read_operations;
    uint64_t write_bytes, write_operations;
    uint64_t flush_operations;
    uint64_t unmap_bytes, unmap_operations;
    uint64_t errors;
} BlockStats;

void block_stats(const Block *b, BlockStats *stats);

#ifdef __cplusplus
}
#endif

#endif
