/* SPDX-License-Identifier: Apache-2.0 */
/* What is done to images: checks that all formats share, then the format's own function. */
#include "devices/host/block/image.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "devices/host/block/driver.h"

static const char *const compressions[IMAGE_COMPRESSION_COUNT] = { "zlib", "zstd" };

const char *image_compression_name(ImageCompression c)
{
    return compressions[c];
}

bool image_compression_parse(const char *name, ImageCompression *c)
{
    for (int i = 0; i < IMAGE_COMPRESSION_COUNT; i++) {
        if (!strcmp(name, compressions[i])) {
            *c = (ImageCompression)i;
            return true;
        }
    }
    return false;
}

bool image_create(const ImageCreate *c, GError **error)
{
    const BlockDriver *driver = block_driver_find(c->format, error);
    BlockFileOptions options = { .path = c->path, .create = true };
    BlockFile *file;
    bool ok;

    if (!driver) {
        return false;
    }
    if (c->size > INT64_MAX) {
        g_set_error(error, BLOCK_ERROR, 0, "%s: a disk has at most 2^63 - 1 bytes", c->path);
        return false;
    }
    file = block_file_open(&options, error);
    ok = file && driver->create(file, c, error);
    block_file_close(file);
    return ok;
}

bool image_qcow2_info(Block *b, ImageQcow2Info *info)
{
    return b->driver->image && b->driver->image->qcow2_info(b, info);
}

int image_check(Block *b, ImageRepair repair, ImageCheck *result)
{
    if (!b->driver->image) {
        return -ENOTSUP;
    }
    return repair != IMAGE_REPAIR_NONE && b->read_only ? -EROFS
                                                       : b->driver->image->check(b, repair, result);
}

bool image_snapshot(Block *b, unsigned i, ImageSnapshot *snapshot)
{
    return b->driver->image && b->driver->image->snapshot(b, i, snapshot);
}

static int may_change(const Block *b)
{
    return !b->driver->image ? -ENOTSUP : b->read_only ? -EROFS : 0;
}

int image_snapshot_create(Block *b, const ImageSnapshot *snapshot)
{
    int r = may_change(b);

    return r < 0 ? r : b->driver->image->snapshot_create(b, snapshot);
}

int image_snapshot_apply(Block *b, const char *id_or_name)
{
    int r = may_change(b);

    return r < 0 ? r : b->driver->image->snapshot_apply(b, id_or_name);
}

int image_snapshot_delete(Block *b, const char *id_or_name)
{
    int r = may_change(b);

    return r < 0 ? r : b->driver->image->snapshot_delete(b, id_or_name);
}

int image_snapshot_show(Block *b, const char *id_or_name)
{
    return !b->driver->image ? -ENOTSUP
           : !b->read_only   ? -EINVAL
                             : b->driver->image->snapshot_show(b, id_or_name);
}

int image_vm_state_write(Block *b, uint64_t position, const struct iovec *iov, int n)
{
    int r = may_change(b);

    return r < 0 ? r
                 : b->driver->image->vm_state(b, position, block_iov_bytes(iov, n), iov, n, true);
}

int image_vm_state_read(Block *b, uint64_t position, const struct iovec *iov, int n)
{
    return !b->driver->image
               ? -ENOTSUP
               : b->driver->image->vm_state(b, position, block_iov_bytes(iov, n), iov, n, false);
}

int image_write_compressed(Block *b, uint64_t offset, const void *data, size_t compressed)
{
    int r = may_change(b);

    return r < 0 ? r : b->driver->image->write_compressed(b, offset, data, compressed);
}
