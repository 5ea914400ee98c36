/* SPDX-License-Identifier: Apache-2.0 */
/* Opening and closing; the checks that all formats share. */
#include "devices/host/block/block.h"

#include <errno.h>
#include <stdatomic.h>
#include <string.h>

#include "devices/host/block/driver.h"

enum { PROBE_BYTES = 1024, CHAIN_MOST = 64, DETECT_MOST = 1 << 20 };

static const BlockDriver *const drivers[] = {
#define DRIVER(name) &block_driver_##name,
#include "devices/host/block/drivers.def"
};

GQuark block_error_quark(void)
{
    return g_quark_from_static_string("ketch-block");
}

/* ---- opening ---- */

const BlockDriver *block_driver_find(const char *name, GError **error)
{
    for (size_t i = 0; i < G_N_ELEMENTS(drivers); i++) {
        if (!strcmp(name, drivers[i]->name)) {
            return drivers[i];
        }
    }
    g_set_error(error, BLOCK_ERROR, 0, "unknown image format '%s'; there are raw and qcow2", name);
    return NULL;
}

static const BlockDriver *driver_probe(BlockFile *file, const char *name, GError **error)
{
    uint8_t head[PROBE_BYTES];
    const BlockDriver *best = NULL;
    int most = 0, r = block_file_read(file, 0, head, sizeof(head));

    for (size_t i = 0; r == 0 && i < G_N_ELEMENTS(drivers); i++) {
        int score = drivers[i]->probe(head, sizeof(head));

        best = score > most ? drivers[i] : best;
        most = MAX(most, score);
    }
    if (!best) {
        g_set_error(error, BLOCK_ERROR, 0, "%s: %s", name, g_strerror(-r));
    }
    return best;
}

static bool choose_driver(Block *b, const char *format, GError **error)
{
    if (format) {
        b->driver = block_driver_find(format, error);
    } else if (b->read_only) {
        b->driver = driver_probe(b->file, b->name, error);
        b->probed = true;
    } else {
        g_set_error(error, BLOCK_ERROR, 0,
                    "%s: the format of an image that is written must be given (raw or qcow2), "
                    "it is not guessed", b->name);
    }
    return b->driver;
}

static Block *open_layer(const BlockOptions *o, unsigned depth, GError **error);

static BlockOptions backing_options(const Block *b, const BlockOptions *o)
{
    return (BlockOptions){ .path = b->backing_full, .format = b->backing_format,
                           .read_only = true, .no_lock = o->no_lock, .cache = o->cache,
                           .backing = b->backing_format ? BLOCK_BACKING_FOLLOW
                                                        : BLOCK_BACKING_REFUSE };
}

/* Whoever writes a disk whose format is guessed could make it name any file of the host: so only a
 * format that somebody stated is trusted to have a backing file. */
static bool backing_allowed(const Block *b, const BlockOptions *o, GError **error)
{
    if (o->backing == BLOCK_BACKING_REFUSE || b->probed) {
        g_set_error(error, BLOCK_ERROR, 0, "%s names the backing file '%s', which is followed only "
                    "when asked for%s", b->name, b->backing_path,
                    b->probed ? ": the format of an image that names one has to be given (-f qcow2), not guessed"
                              : " (backing=on)");
        return false;
    }
    if (b->depth >= CHAIN_MOST) {
        g_set_error(error, BLOCK_ERROR, 0, "%s: a chain of more than %d backing files", b->name,
                    CHAIN_MOST);
        return false;
    }
    return true;
}

static bool open_backing(Block *b, const BlockOptions *o, GError **error)
{
    BlockOptions below;

    if (!b->backing_path || o->backing == BLOCK_BACKING_IGNORE) {
        return true;
    }
    if (!backing_allowed(b, o, error)) {
        return false;
    }
    below = backing_options(b, o);
    b->backing = open_layer(&below, b->depth + 1, error);
    if (!b->backing) {
        g_prefix_error(error, "backing file of %s: ", b->name);
    }
    return b->backing;
}

static BlockFile *open_file(const BlockOptions *o, GError **error)
{
    BlockFileOptions file = {
        .path = o->path,
        .fd = o->fd,
        .read_only = o->read_only,
        .no_lock = o->no_lock,
        .direct = o->cache == BLOCK_CACHE_NONE || o->cache == BLOCK_CACHE_DIRECTSYNC,
        .no_sync = o->cache == BLOCK_CACHE_UNSAFE,
    };

    return block_file_open(&file, error);
}

static void block_free(Block *b)
{
    if (b) {
        block_free(b->backing);
        block_file_close(b->file);
        g_free(b->backing_path);
        g_free(b->backing_full);
        g_free(b->backing_format);
        g_free(b->name);
        g_free(b);
    }
}

static void close_driver(Block *b, int *result)
{
    if (b) {
        int r = b->driver->close(b);

        *result = *result < 0 ? *result : r;
        close_driver(b->backing, result);
    }
}

static Block *open_layer(const BlockOptions *o, unsigned depth, GError **error)
{
    Block *b = g_new0(Block, 1);
    int ignored = 0;

    b->name = o->path ? g_strdup(o->path) : g_strdup_printf("fd:%d", o->fd);
    b->read_only = o->read_only;
    b->discard = o->discard;
    b->detect_zeroes = o->detect_zeroes;
    b->check = o->check;
    b->cache = o->cache;
    b->writethrough = o->cache == BLOCK_CACHE_WRITETHROUGH || o->cache == BLOCK_CACHE_DIRECTSYNC;
    b->backing_wanted = o->backing;
    b->depth = depth;
    b->file = open_file(o, error);
    if (!b->file || !choose_driver(b, o->format, error) || !b->driver->open(b, error)) {
        block_free(b);
        return NULL;
    }
    if (!open_backing(b, o, error)) {
        close_driver(b, &ignored);
        block_free(b);
        return NULL;
    }
    return b;
}

Block *block_open(const BlockOptions *options, GError **error)
{
    return open_layer(options, 0, error);
}

int block_close(Block *b)
{
    int result = 0;

    close_driver(b, &result);
    block_free(b);
    return result;
}

bool block_cache_parse(const char *name, BlockCache *cache)
{
    static const char *const names[] = {
        [BLOCK_CACHE_WRITEBACK] = "writeback",       [BLOCK_CACHE_NONE] = "none",
        [BLOCK_CACHE_WRITETHROUGH] = "writethrough", [BLOCK_CACHE_DIRECTSYNC] = "directsync",
        [BLOCK_CACHE_UNSAFE] = "unsafe",
    };

    for (size_t i = 0; i < G_N_ELEMENTS(names); i++) {
        if (!strcmp(name, names[i])) {
            *cache = (BlockCache)i;
            return true;
        }
    }
    return false;
}

/* ---- data ---- */

static bool in_range(const Block *b, uint64_t offset, uint64_t bytes)
{
    uint64_t size = b->size;

    return offset <= size && bytes <= size - offset;
}

static int count(Block *b, int r, _Atomic uint64_t *operations, _Atomic uint64_t *total,
                 uint64_t bytes)
{
    if (r < 0) {
        atomic_fetch_add_explicit(&b->stats.errors, 1, memory_order_relaxed);
        return r;
    }
    atomic_fetch_add_explicit(operations, 1, memory_order_relaxed);
    atomic_fetch_add_explicit(total, bytes, memory_order_relaxed);
    return r;
}

int block_read(Block *b, uint64_t offset, const struct iovec *iov, int n)
{
    uint64_t bytes = block_iov_bytes(iov, n);
    int r = !in_range(b, offset, bytes) ? -EINVAL
            : bytes == 0                ? 0
                                        : b->driver->read(b, offset, bytes, iov, n);

    return count(b, r, &b->stats.read_operations, &b->stats.read_bytes, bytes);
}

/* What every change of the disk has in common. */
static int may_change(const Block *b, uint64_t offset, uint64_t bytes)
{
    return !in_range(b, offset, bytes) ? -EINVAL : b->read_only ? -EROFS : 0;
}

static int written(Block *b, int r)
{
    return r == 0 && b->writethrough ? b->driver->flush(b) : r;
}

static bool all_zero(const struct iovec *iov, int n)
{
    for (int i = 0; i < n; i++) {
        if (!block_is_zero(iov[i].iov_base, iov[i].iov_len)) {
            return false;
        }
    }
    return true;
}

int block_write(Block *b, uint64_t offset, const struct iovec *iov, int n)
{
    uint64_t bytes = block_iov_bytes(iov, n);
    int r = may_change(b, offset, bytes);

    if (r == 0 && bytes > 0) {
        r = b->detect_zeroes && bytes <= DETECT_MOST && all_zero(iov, n)
                ? b->driver->write_zeroes(b, offset, bytes, b->discard)
                : b->driver->write(b, offset, bytes, iov, n);
        r = written(b, r);
    }
    return count(b, r, &b->stats.write_operations, &b->stats.write_bytes, bytes);
}

int block_flush(Block *b)
{
    _Atomic uint64_t none = 0;
    int r = b->read_only ? 0 : b->driver->flush(b);

    return count(b, r, &b->stats.flush_operations, &none, 0);
}

int block_discard(Block *b, uint64_t offset, uint64_t bytes)
{
    int r = may_change(b, offset, bytes);

    if (r == 0 && bytes > 0 && b->discard) {
        r = written(b, b->driver->discard(b, offset, bytes));
    }
    return count(b, r, &b->stats.unmap_operations, &b->stats.unmap_bytes, bytes);
}

int block_write_zeroes(Block *b, uint64_t offset, uint64_t bytes, bool may_unmap)
{
    int r = may_change(b, offset, bytes);

    if (r == 0 && bytes > 0) {
        r = written(b, b->driver->write_zeroes(b, offset, bytes, may_unmap && b->discard));
    }
    return count(b, r, &b->stats.write_operations, &b->stats.write_bytes, bytes);
}

int block_read_padded(Block *b, uint64_t offset, uint64_t bytes, const struct iovec *iov, int n)
{
    uint64_t size = b ? (uint64_t)b->size : 0;
    uint64_t inside = offset < size ? MIN(bytes, size - offset) : 0;
    struct iovec *part;
    int r, count_in;

    if (inside < bytes) {
        block_iov_zero(iov, n, inside, bytes - inside);
    }
    if (inside == 0) {
        return 0;
    }
    part = g_new(struct iovec, (size_t)n);
    count_in = block_iov_part(part, iov, n, 0, inside);
    r = b->driver->read(b, offset, inside, part, count_in);
    g_free(part);
    return r;
}

/* ---- geometry ---- */

uint64_t block_size(const Block *b)
{
    return b->size;
}

bool block_read_only(const Block *b)
{
    return b->read_only;
}

int block_resize(Block *b, uint64_t size)
{
    if (b->read_only) {
        return -EROFS;
    }
    return size > INT64_MAX ? -EFBIG : size == b->size ? 0 : b->driver->resize(b, size);
}

int block_status(Block *b, uint64_t offset, uint64_t bytes, BlockExtent *extent)
{
    BlockExtent e = { 0 };
    int r;

    if (bytes == 0 || offset >= b->size) {
        return -EINVAL;
    }
    bytes = MIN(bytes, b->size - offset);
    r = b->driver->status(b, offset, bytes, &e);
    e.length = MIN(e.length, bytes);
    if (r == 0 && !e.allocated && b->backing && offset < b->backing->size) {
        r = block_status(b->backing, offset, e.length, &e);
        e.depth++;
    } else if (r == 0 && !e.allocated) {
        e.zero = true;
    }
    if (r == 0) {
        *extent = e;
    }
    return r;
}

int block_info(Block *b, BlockInfo *info)
{
    BlockInfo i = {
        .path = b->name,
        .format = b->driver->name,
        .virtual_size = b->size,
        .disk_size = block_file_disk_size(b->file),
        .read_only = b->read_only,
        .backing_path = b->backing_path,
        .backing_full = b->backing_full,
        .backing_format = b->backing_format,
        .cache = b->cache,
    };
    int r = b->driver->info(b, &i);

    if (r == 0) {
        *info = i;
    }
    return r;
}

Block *block_backing(const Block *b)
{
    return b->backing;
}

void block_stats(const Block *b, BlockStats *stats)
{
    *stats = (BlockStats){
        .read_bytes = b->stats.read_bytes,
        .read_operations = b->stats.read_operations,
        .write_bytes = b->stats.write_bytes,
        .write_operations = b->stats.write_operations,
        .flush_operations = b->stats.flush_operations,
        .unmap_bytes = b->stats.unmap_bytes,
        .unmap_operations = b->stats.unmap_operations,
        .errors = b->stats.errors,
    };
}
