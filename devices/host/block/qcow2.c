/* SPDX-License-Identifier: Apache-2.0 */
/* Opening and closing a qcow2 image; what it is. */
#include "devices/host/block/qcow2.h"

#include <errno.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "base/bits.h"
#include "base/log.h"

enum { L2_SLICES = 4096, REFCOUNT_SLICES = 1024 };

/* ---- what is wrong ---- */

static void warn_once(Qcow2 *q, const char *fmt, va_list args)
{
    char *text;

    if (!atomic_exchange(&q->warned, true)) {
        text = g_strdup_vprintf(fmt, args);
        log_warn("%s is damaged: %s", q->block->name, text);
        g_free(text);
    }
}

int qcow2_corrupt(Qcow2 *q, const char *fmt, ...)
{
    va_list args;

    va_start(args, fmt);
    warn_once(q, fmt, args);
    va_end(args);
    if (!q->block->read_only && !q->failed && !q->block->check) {
        int r = qcow2_set_incompatible(q, QCOW2_CORRUPT, 0);

        (void)r; /* marking it is a courtesy to the next who opens it */
        q->failed = true;
    }
    return -EIO;
}

int qcow2_damaged(Qcow2 *q, const char *fmt, ...)
{
    va_list args;

    va_start(args, fmt);
    warn_once(q, fmt, args);
    va_end(args);
    return -EIO;
}

static int put_field(Qcow2 *q, uint64_t at, uint64_t value)
{
    uint64_t field;

    qcow2_put64(&field, value);
    return block_file_write(q->file, at, &field, 8);
}

int qcow2_set_incompatible(Qcow2 *q, uint64_t set, uint64_t clear)
{
    uint64_t value = (q->h.incompatible | set) & ~clear;
    int r;

    if (q->h.version < 3 || value == q->h.incompatible) {
        return 0;
    }
    r = put_field(q, QCOW2_AT_INCOMPATIBLE, value);
    r = r < 0 ? r : block_file_sync(q->file);
    if (r == 0) {
        q->h.incompatible = value;
    }
    return r;
}

/* ---- opening ---- */

static int qcow2_probe(const uint8_t *head, size_t n)
{
    uint32_t version = n >= 8 && qcow2_get32(head) == QCOW2_MAGIC ? qcow2_get32(head + 4) : 0;

    return version == 2 || version == 3 ? 100 : 0;
}

static void set_geometry(Qcow2 *q)
{
    bool extended = q->h.incompatible & QCOW2_EXTENDED_L2;

    q->cluster_size = 1u << q->h.cluster_bits;
    q->entry_bytes = extended ? 16 : 8;
    q->l2_bits = q->h.cluster_bits - (extended ? 4 : 3);
    q->sub_bits = q->h.cluster_bits - (extended ? QCOW2_SUBCLUSTER_BITS : 0);
    q->refblock_bits = q->h.cluster_bits + 3 - q->h.refcount_order;
    q->refcount_max = bits_zext(UINT64_MAX, 1u << q->h.refcount_order);
}

/* A table of 64-bit numbers; NULL with -errno in *r. */
static uint64_t *load_table(Qcow2 *q, uint64_t offset, uint64_t n, int *r)
{
    uint64_t *table = g_malloc(8 * MAX(n, 1));

    *r = block_file_read(q->file, offset, table, 8 * n);
    for (uint64_t i = 0; *r == 0 && i < n; i++) {
        table[i] = be64toh(table[i]);
    }
    if (*r < 0) {
        g_free(table);
        return NULL;
    }
    return table;
}

static bool load_l1(Qcow2 *q, GError **error)
{
    uint64_t end = q->h.l1_offset + UINT64_C(8) * q->h.l1_size, size = 0;
    int r = block_file_size(q->file, &size);

    if (r == 0 && q->h.l1_size > 0 && end > size && !q->block->check) {
        g_set_error(error, BLOCK_ERROR, 0, "%s is cut off: its L1 table is behind its end",
                    q->block->name);
        return false;
    }
    g_free(q->l1);
    q->l1 = r < 0 ? NULL : load_table(q, q->h.l1_offset, q->h.l1_size, &r);
    if (r < 0) {
        g_set_error(error, BLOCK_ERROR, 0, "%s: %s", q->block->name, g_strerror(-r));
    }
    return r == 0;
}

static bool load_refcount_table(Qcow2 *q, GError **error)
{
    int r = 0;

    if (q->block->read_only && !q->block->check) {
        return true;
    }
    g_free(q->refcount_table);
    q->refcount_entries = (uint64_t)q->h.refcount_table_clusters << (q->h.cluster_bits - 3);
    q->refcount_table = load_table(q, q->h.refcount_table_offset, q->refcount_entries, &r);
    if (r < 0) {
        g_set_error(error, BLOCK_ERROR, 0, "%s: %s", q->block->name, g_strerror(-r));
    }
    return r == 0;
}

bool qcow2_load_tables(Qcow2 *q, GError **error)
{
    uint64_t size = 0;

    if (block_file_size(q->file, &size) < 0) {
        size = 0;
    }
    q->file_end = bits_align_up(size, q->cluster_size);
    q->free_hint = 0;
    q->compress_next = 0;
    return load_l1(q, error) && load_refcount_table(q, error) &&
           qcow2_snapshots_load(q, error) == 0;
}

static bool repair_dirty(Qcow2 *q, GError **error)
{
    ImageCheck result = { 0 };
    int r = 0;

    if (q->h.incompatible & QCOW2_DIRTY) {
        log_warn("%s was not closed: its refcounts are made anew", q->block->name);
        r = qcow2_check(q->block, IMAGE_REPAIR_ALL, &result);
    }
    if (r < 0 || result.corruptions > result.corruptions_fixed) {
        g_set_error(error, BLOCK_ERROR, 0, "%s was not closed and cannot be repaired: %s",
                    q->block->name, r < 0 ? g_strerror(-r) : "`ketch image check` says why");
        return false;
    }
    return true;
}

/* What a writable image needs besides. */
static bool prepare_writing(Qcow2 *q, GError **error)
{
    int r = 0;

    if (q->h.incompatible & QCOW2_CORRUPT) {
        g_set_error(error, BLOCK_ERROR, 0, "%s is marked as corrupt: it can be read, or repaired "
                    "(`ketch image check -r all`)", q->block->name);
        return false;
    }
    if (!repair_dirty(q, error)) {
        return false;
    }
    if (q->h.autoclear) { /* what is not known cannot be kept up to date */
        r = put_field(q, QCOW2_AT_AUTOCLEAR, 0);
        q->h.autoclear = 0;
    }
    if (r < 0) {
        g_set_error(error, BLOCK_ERROR, 0, "%s: %s", q->block->name, g_strerror(-r));
        return false;
    }
    return qcow2_owners_build(q, error);
}

static void init_locks(Qcow2 *q)
{
    pthread_rwlockattr_t attr;

    pthread_rwlockattr_init(&attr);
    pthread_rwlockattr_setkind_np(&attr, PTHREAD_RWLOCK_PREFER_WRITER_NONRECURSIVE_NP);
    pthread_rwlock_init(&q->io, &attr);
    pthread_rwlockattr_destroy(&attr);
    pthread_mutex_init(&q->meta, NULL);
    pthread_mutex_init(&q->flushing, NULL);
    pthread_mutex_init(&q->inflated.lock, NULL);
    pthread_cond_init(&q->changed, NULL);
}

static void qcow2_free(Qcow2 *q)
{
    pthread_rwlock_destroy(&q->io);
    pthread_mutex_destroy(&q->meta);
    pthread_mutex_destroy(&q->flushing);
    pthread_mutex_destroy(&q->inflated.lock);
    pthread_cond_destroy(&q->changed);
    qcow2_header_fini(&q->h);
    g_free(q->l1);
    g_free(q->refcount_table);
    g_array_free(q->l1_dirty, TRUE);
    g_array_free(q->refcount_dirty, TRUE);
    g_array_free(q->frees, TRUE);
    qcow2_cache_free(q->l2_cache);
    qcow2_cache_free(q->refcount_cache);
    qcow2_snapshots_free(q->snapshots);
    if (q->owners) {
        g_hash_table_destroy(q->owners);
    }
    for (int i = 0; i < QCOW2_INFLATED; i++) {
        g_free(q->inflated.data[i]);
    }
    g_free(q);
}

/* A relative name is relative to the folder of the image that has it. */
static char *resolve(const Block *b, const char *name)
{
    char *folder, *full;

    if (g_path_is_absolute(name)) {
        return g_strdup(name);
    }
    folder = g_path_get_dirname(b->name);
    full = !strcmp(folder, ".") ? g_strdup(name) : g_build_filename(folder, name, NULL);
    g_free(folder);
    return full;
}

static void take_backing(Block *b, const Qcow2Header *h)
{
    if (h->backing_path) {
        b->backing_path = g_strdup(h->backing_path);
        b->backing_full = resolve(b, h->backing_path);
        b->backing_format = g_strdup(h->backing_format);
    }
}

static bool qcow2_open(Block *b, GError **error)
{
    Qcow2Header h;
    size_t slice;
    Qcow2 *q;

    if (!qcow2_header_read(b->file, b->name, &h, error)) {
        return false;
    }
    q = g_new0(Qcow2, 1);
    q->block = b;
    q->file = b->file;
    q->h = h;
    set_geometry(q);
    init_locks(q);
    slice = MIN(q->cluster_size, QCOW2_SLICE);
    q->l2_cache = qcow2_cache_new(b->file, slice, L2_SLICES, qcow2_write_back_locked, q);
    q->refcount_cache = qcow2_cache_new(b->file, slice, REFCOUNT_SLICES, qcow2_write_refcounts_locked,
                                        q);
    q->l1_dirty = g_array_new(FALSE, FALSE, sizeof(uint32_t));
    q->refcount_dirty = g_array_new(FALSE, FALSE, sizeof(uint64_t));
    q->frees = g_array_new(FALSE, FALSE, sizeof(Qcow2Free));
    b->state = q;
    b->size = h.size;
    if (!qcow2_load_tables(q, error) ||
        (!b->read_only && !b->check && !prepare_writing(q, error))) {
        qcow2_free(q);
        b->state = NULL;
        return false;
    }
    take_backing(b, &h);
    return true;
}

static int qcow2_close(Block *b)
{
    Qcow2 *q = b->state;
    int r = 0;

    if (!b->read_only && !b->check && !q->failed) {
        qcow2_exclusive_begin(q);
        r = qcow2_flush_exclusive(q);
        qcow2_exclusive_end(q);
    }
    qcow2_free(q);
    return r;
}

/* ---- what it is ---- */

static int qcow2_flush_block(Block *b)
{
    return qcow2_flush(b->state);
}

static int qcow2_status(Block *b, uint64_t offset, uint64_t bytes, BlockExtent *extent)
{
    Qcow2 *q = b->state;
    Qcow2Run run;
    int r;

    pthread_rwlock_rdlock(&q->io);
    pthread_mutex_lock(&q->meta);
    r = qcow2_map_locked(q, offset, bytes, &run);
    pthread_mutex_unlock(&q->meta);
    pthread_rwlock_unlock(&q->io);
    if (r < 0) {
        return r;
    }
    *extent = (BlockExtent){
        .length = run.length,
        .allocated = run.type != QCOW2_UNALLOCATED,
        .zero = run.type == QCOW2_ZERO,
        .data = run.type == QCOW2_DATA || run.type == QCOW2_COMPRESSED,
        .compressed = run.type == QCOW2_COMPRESSED,
        .has_host_offset = run.type == QCOW2_DATA,
        .host_offset = run.type == QCOW2_DATA ? run.host : 0,
    };
    return 0;
}

static int qcow2_info(Block *b, BlockInfo *info)
{
    const Qcow2 *q = b->state;

    info->cluster_size = q->cluster_size;
    info->dirty = q->h.incompatible & QCOW2_DIRTY;
    info->corrupt = q->h.incompatible & QCOW2_CORRUPT;
    return 0;
}

static bool qcow2_details(Block *b, ImageQcow2Info *info)
{
    const Qcow2 *q = b->state;

    *info = (ImageQcow2Info){
        .version = q->h.version,
        .compression = q->h.compression,
        .lazy_refcounts = q->h.compatible & QCOW2_LAZY_REFCOUNTS,
        .extended_l2 = q->entry_bytes == 16,
        .corrupt = q->h.incompatible & QCOW2_CORRUPT,
        .refcount_bits = 1u << q->h.refcount_order,
    };
    return true;
}

static const ImageDriver image = {
    .qcow2_info = qcow2_details,
    .check = qcow2_check,
    .snapshot = qcow2_snapshot,
    .snapshot_create = qcow2_snapshot_create,
    .snapshot_apply = qcow2_snapshot_apply,
    .snapshot_delete = qcow2_snapshot_delete,
    .snapshot_show = qcow2_snapshot_show,
    .vm_state = qcow2_vm_state,
    .write_compressed = qcow2_write_compressed,
};

const BlockDriver block_driver_qcow2 = {
    .name = "qcow2",
    .probe = qcow2_probe,
    .open = qcow2_open,
    .close = qcow2_close,
    .read = qcow2_read,
    .write = qcow2_write,
    .flush = qcow2_flush_block,
    .discard = qcow2_discard,
    .write_zeroes = qcow2_write_zeroes,
    .status = qcow2_status,
    .resize = qcow2_resize,
    .info = qcow2_info,
    .create = qcow2_create,
    .image = &image,
};
