/* SPDX-License-Identifier: Apache-2.0 */
/* The format `raw`: byte N of the disk is byte N of the file. */
#include <errno.h>
#include <string.h>

#include "devices/host/block/driver.h"

enum { FULL_CHUNK = 1 << 20 };

static int raw_probe(const uint8_t *head, size_t n)
{
    (void)head;
    (void)n;
    return 1;
}

static bool raw_open(Block *b, GError **error)
{
    uint64_t size = 0;
    int r = block_file_size(b->file, &size);

    if (r < 0) {
        g_set_error(error, BLOCK_ERROR, 0, "%s: %s", b->name, g_strerror(-r));
        return false;
    }
    b->size = size;
    return true;
}

static int raw_close(Block *b)
{
    return b->read_only ? 0 : block_file_sync(b->file);
}

static int raw_read(Block *b, uint64_t offset, uint64_t bytes, const struct iovec *iov, int n)
{
    (void)bytes;
    return block_file_readv(b->file, offset, iov, n);
}

static int raw_write(Block *b, uint64_t offset, uint64_t bytes, const struct iovec *iov, int n)
{
    (void)bytes;
    return block_file_writev(b->file, offset, iov, n);
}

static int raw_flush(Block *b)
{
    return block_file_sync(b->file);
}

static int raw_discard(Block *b, uint64_t offset, uint64_t bytes)
{
    return block_file_punch(b->file, offset, bytes);
}

static int raw_write_zeroes(Block *b, uint64_t offset, uint64_t bytes, bool may_unmap)
{
    return block_file_zero(b->file, offset, bytes, may_unmap);
}

static int raw_status(Block *b, uint64_t offset, uint64_t bytes, BlockExtent *extent)
{
    bool hole;
    uint64_t length;
    int r = block_file_hole(b->file, offset, bytes, &hole, &length);

    if (r == 0) {
        *extent = (BlockExtent){ .length = length, .allocated = true, .zero = hole, .data = !hole,
                                 .has_host_offset = true, .host_offset = offset };
    }
    return r;
}

static int raw_resize(Block *b, uint64_t size)
{
    int r = block_file_truncate(b->file, size);

    if (r == 0) {
        b->size = size;
    }
    return r;
}

static int raw_info(Block *b, BlockInfo *info)
{
    (void)b;
    (void)info;
    return 0;
}

static int write_all(BlockFile *file, uint64_t size)
{
    char *zeros = g_malloc0(FULL_CHUNK);
    int r = 0;

    for (uint64_t at = 0; at < size && r == 0; at += FULL_CHUNK) {
        r = block_file_write(file, at, zeros, (size_t)MIN(size - at, FULL_CHUNK));
    }
    g_free(zeros);
    return r < 0 ? r : block_file_sync(file);
}

static bool raw_create(BlockFile *file, const ImageCreate *c, GError **error)
{
    int r = -EINVAL;

    if (c->backing_path || c->preallocation == IMAGE_PREALLOCATE_METADATA) {
        g_set_error(error, BLOCK_ERROR, 0, "a raw image has no %s",
                    c->backing_path ? "backing file" : "metadata to preallocate");
        return false;
    }
    r = block_file_truncate(file, c->size);
    if (r == 0 && c->size > 0 && c->preallocation == IMAGE_PREALLOCATE_FALLOC) {
        r = block_file_allocate(file, 0, c->size);
    } else if (r == 0 && c->preallocation == IMAGE_PREALLOCATE_FULL) {
        r = write_all(file, c->size);
    }
    if (r < 0) {
        g_set_error(error, BLOCK_ERROR, 0, "%s: %s", c->path, g_strerror(-r));
    }
    return r == 0;
}

const BlockDriver block_driver_raw = {
    .name = "raw",
    .probe = raw_probe,
    .open = raw_open,
    .close = raw_close,
    .read = raw_read,
    .write = raw_write,
    .flush = raw_flush,
    .discard = raw_discard,
    .write_zeroes = raw_write_zeroes,
    .status = raw_status,
    .resize = raw_resize,
    .info = raw_info,
    .create = raw_create,
};
