/* SPDX-License-Identifier: Apache-2.0 */
/*
 * devices/host/block/file.h - the file or block device that an image lives in.
 *
 * Owns:       its descriptors and the lock.  The lock is QEMU's: bytes 100 to 299 of the file say
 *             which rights somebody has and which nobody else may have, so that QEMU and Ketch see
 *             each other.
 * Errors:     0 or -errno.  Short reads and writes are finished; reading past the end gives zeros.
 * Threading:  any thread.
 */
#ifndef KETCH_DEVICES_HOST_BLOCK_FILE_H
#define KETCH_DEVICES_HOST_BLOCK_FILE_H

#include <glib.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/uio.h>

#include "base/check.h"

typedef struct BlockFile BlockFile;

typedef struct BlockFileOptions {
    const char *path; /* NULL: fd */
    int fd;
    bool read_only;
    bool no_lock;
    bool direct;  /* O_DIRECT for requests that are aligned to 4096 bytes */
    bool no_sync; /* block_file_sync() does nothing */
    bool create;  /* made, or emptied if it is there and nobody uses it */
} BlockFileOptions;

/* NULL and error: not there, in use (its lock), or neither a file nor a block device. */
BlockFile *block_file_open(const BlockFileOptions *options, GError **error);
void block_file_close(BlockFile *f);

/* Offsets and sizes are bytes; writing past the end makes the file longer. */
MUST_USE int block_file_readv(BlockFile *f, uint64_t offset, const struct iovec *iov, int n);
MUST_USE int block_file_writev(BlockFile *f, uint64_t offset, const struct iovec *iov, int n);
MUST_USE int block_file_read(BlockFile *f, uint64_t offset, void *data, size_t bytes);
MUST_USE int block_file_write(BlockFile *f, uint64_t offset, const void *data, size_t bytes);

/* fdatasync() */
MUST_USE int block_file_sync(BlockFile *f);

/* Zeros, cheaply where the file system can: with or without giving the space back.  A range past
 * the end reads as zeros anyway: the file need not become longer. */
MUST_USE int block_file_zero(BlockFile *f, uint64_t offset, uint64_t bytes, bool unmap);

/* Gives space back; what cannot be is kept, without an error. */
MUST_USE int block_file_punch(BlockFile *f, uint64_t offset, uint64_t bytes);
/* Space for the range, so that writing there cannot fail for want of it. */
MUST_USE int block_file_allocate(BlockFile *f, uint64_t offset, uint64_t bytes);
/* What lies past `size` is lost: nobody may be writing there. */
MUST_USE int block_file_truncate(BlockFile *f, uint64_t size);

/* Of a regular file or a block device. */
MUST_USE int block_file_size(BlockFile *f, uint64_t *size);
/* Bytes that it takes on the host. */
uint64_t block_file_disk_size(BlockFile *f);

/* Whether `offset` is in a hole, and for how long that stays so, at most `bytes`. */
MUST_USE int block_file_hole(BlockFile *f, uint64_t offset, uint64_t bytes, bool *hole,
                             uint64_t *length);

#endif
