/* SPDX-License-Identifier: Apache-2.0 */
/* From guest clusters to clusters of the file: "Cluster mapping", "Extended L2 Entries". */
#include <errno.h>
#include <string.h>

#include "base/bits.h"
#include "devices/host/block/qcow2.h"

/* ---- one entry ---- */

Qcow2Entry qcow2_entry_load(const Qcow2 *q, const uint8_t *slice, unsigned i)
{
    const uint8_t *p = slice + (size_t)i * q->entry_bytes;

    return (Qcow2Entry){ qcow2_get64(p), q->entry_bytes == 16 ? qcow2_get64(p + 8) : 0 };
}

void qcow2_entry_store(const Qcow2 *q, uint8_t *slice, unsigned i, Qcow2Entry e)
{
    uint8_t *p = slice + (size_t)i * q->entry_bytes;

    qcow2_put64(p, e.descriptor);
    if (q->entry_bytes == 16) {
        qcow2_put64(p + 8, e.bitmap);
    }
}

Qcow2Type qcow2_entry_type(const Qcow2 *q, Qcow2Entry e, unsigned sub)
{
    if (e.descriptor & QCOW2_COMPRESSED_FLAG) {
        return QCOW2_COMPRESSED;
    }
    if (q->entry_bytes == 16) {
        return e.bitmap >> (32 + sub) & 1 ? QCOW2_ZERO
               : e.bitmap >> sub & 1      ? QCOW2_DATA
                                          : QCOW2_UNALLOCATED;
    }
    return e.descriptor & QCOW2_ZERO_FLAG     ? QCOW2_ZERO
           : e.descriptor & QCOW2_OFFSET_MASK ? QCOW2_DATA
                                              : QCOW2_UNALLOCATED;
}

bool qcow2_inside(Qcow2 *q, uint64_t host)
{
    uint64_t size;

    if (host > q->file_end && q->block->read_only && block_file_size(q->file, &size) == 0) {
        q->file_end = MAX(q->file_end, bits_align_up(size, q->cluster_size)); /* -U: it grows */
    }
    return host <= q->file_end;
}

int qcow2_entry_check(Qcow2 *q, Qcow2Entry e, uint64_t cluster)
{
    bool standard = !(e.descriptor & QCOW2_COMPRESSED_FLAG);
    uint64_t host = e.descriptor & QCOW2_OFFSET_MASK;
    uint32_t bytes;

    if (!standard) {
        qcow2_compressed_place(q, e.descriptor, &host, &bytes);
    }
    if (!qcow2_inside(q, host)) {
        return qcow2_corrupt(q, "guest cluster %" G_GUINT64_FORMAT " is behind the end of the file, at "
                             "0x%" G_GINT64_MODIFIER "x", cluster, host);
    }
    if (standard && (host & (q->cluster_size - 1))) {
        return qcow2_corrupt(q, "guest cluster %" G_GUINT64_FORMAT " is at the unaligned offset "
                             "0x%" G_GINT64_MODIFIER "x", cluster, host);
    }
    if (standard && q->entry_bytes == 16 &&
        ((e.bitmap & e.bitmap >> 32 & UINT32_MAX) || (!host && (uint32_t)e.bitmap))) {
        return qcow2_corrupt(q, "the subclusters of guest cluster %" G_GUINT64_FORMAT
                             " contradict each other", cluster);
    }
    return 0;
}

void qcow2_compressed_place(const Qcow2 *q, uint64_t descriptor, uint64_t *host, uint32_t *bytes)
{
    unsigned offset_bits = 62 - (q->h.cluster_bits - 8);
    uint64_t sectors = bits_get(descriptor, offset_bits, 62 - offset_bits) + 1;

    *host = bits_get(descriptor, 0, MIN(offset_bits, 56));
    *bytes = (uint32_t)(sectors * 512 - (*host & 511));
}

/* ---- L2 tables ---- */

static void set_l1_locked(Qcow2 *q, uint32_t index, uint64_t value)
{
    q->l1[index] = value;
    g_array_append_val(q->l1_dirty, index);
}

/* Fills a new table with `old`, or with zeros when that is 0. */
static int fill_table(Qcow2 *q, uint64_t table, uint64_t old, bool fresh)
{
    uint32_t step = MIN(q->cluster_size, QCOW2_SLICE);
    uint8_t *copy;
    int r = 0;

    qcow2_cache_drop(q->l2_cache, table, q->cluster_size);
    if (!old) {
        return fresh ? 0 : block_file_zero(q->file, table, q->cluster_size, false);
    }
    copy = g_malloc(q->cluster_size);
    for (uint32_t at = 0; at < q->cluster_size && r == 0; at += step) {
        uint8_t *slice;

        r = qcow2_cache_get(q->l2_cache, old + at, &slice);
        if (r == 0) {
            memcpy(copy + at, slice, step);
        }
    }
    r = r < 0 ? r : block_file_write(q->file, table, copy, q->cluster_size);
    g_free(copy);
    return r;
}

/* The L2 table of an L1 entry gets a place that is this disk's alone. */
static int own_table_locked(Qcow2 *q, uint32_t index)
{
    uint64_t old = q->l1[index] & QCOW2_OFFSET_MASK, table, got;
    bool fresh;
    int r = qcow2_alloc_locked(q, 1, 1, &table, &got, &fresh);

    if (r < 0) {
        return r;
    }
    r = fill_table(q, table, old, fresh);
    if (r < 0) {
        qcow2_unalloc_locked(q, table, 1);
        return r;
    }
    if (old) {
        qcow2_cache_drop(q->l2_cache, old, q->cluster_size);
        qcow2_owners_set(q, old, q->cluster_size, QCOW2_OWNER_NONE);
        qcow2_free_locked(q, old, 1);
    }
    qcow2_owners_set(q, table, q->cluster_size, QCOW2_OWNER_L2);
    set_l1_locked(q, index, table | QCOW2_COPIED);
    return 0;
}

int qcow2_table_check(Qcow2 *q, uint64_t table)
{
    return table & (q->cluster_size - 1) || !qcow2_inside(q, table)
               ? qcow2_corrupt(q, "an L2 table cannot be at 0x%" G_GINT64_MODIFIER "x", table)
               : 0;
}

int qcow2_own_table_locked(Qcow2 *q, uint64_t cluster)
{
    uint64_t index = cluster >> q->l2_bits;

    if (index >= q->h.l1_size) {
        return -EIO;
    }
    return q->l1[index] & QCOW2_COPIED ? 0 : own_table_locked(q, (uint32_t)index);
}

int qcow2_slice_locked(Qcow2 *q, uint64_t cluster, bool write, uint8_t **slice, unsigned *index,
                       unsigned *left)
{
    uint64_t l1_index = cluster >> q->l2_bits;
    unsigned per_slice = MIN(q->cluster_size, QCOW2_SLICE) / q->entry_bytes;
    uint64_t in_table = bits_get(cluster, 0, q->l2_bits), table, offset;
    int r;

    if (l1_index >= q->h.l1_size) {
        return -EIO;
    }
    *index = (unsigned)(in_table % per_slice);
    *left = per_slice - *index;
    r = write ? qcow2_own_table_locked(q, cluster) : 0;
    table = q->l1[l1_index] & QCOW2_OFFSET_MASK;
    r = r < 0 ? r : qcow2_table_check(q, table);
    if (r < 0 || !table) {
        *slice = NULL;
        return r < 0 || !write ? r : qcow2_corrupt(q, "an L1 entry is marked as used and empty");
    }
    offset = table + in_table / per_slice * per_slice * q->entry_bytes;
    while (write && qcow2_cache_frozen(q->l2_cache, offset)) {
        pthread_cond_wait(&q->changed, &q->meta);
    }
    r = qcow2_cache_get(q->l2_cache, offset, slice);
    if (r == 0 && write) {
        qcow2_cache_dirty(q->l2_cache, offset);
    }
    return r;
}

/* ---- runs ---- */

/* What one subcluster is, as a run without a length. */
static Qcow2Run describe(const Qcow2 *q, Qcow2Entry e, uint64_t in_cluster)
{
    unsigned sub = (unsigned)(in_cluster >> q->sub_bits);
    Qcow2Run run = { .type = qcow2_entry_type(q, e, sub) };

    if (run.type == QCOW2_DATA) {
        run.host = (e.descriptor & QCOW2_OFFSET_MASK) + in_cluster;
    } else if (run.type == QCOW2_COMPRESSED) {
        qcow2_compressed_place(q, e.descriptor, &run.host, &run.compressed);
    }
    return run;
}

static bool continues(const Qcow2Run *run, const Qcow2Run *next)
{
    return run->type == next->type && run->type != QCOW2_COMPRESSED &&
           (run->type != QCOW2_DATA || run->host + run->length == next->host);
}

/* The bytes from `in_cluster` to the end of what the entry describes alike. */
static uint64_t unit_left(const Qcow2 *q, Qcow2Entry e, uint64_t in_cluster)
{
    unsigned bits = e.descriptor & QCOW2_COMPRESSED_FLAG ? q->h.cluster_bits : q->sub_bits;
    uint64_t unit = UINT64_C(1) << bits;

    return unit - (in_cluster & (unit - 1));
}

/* Adds what [at, end) has that continues the run, within one slice; false: the run is over. */
static int extend(Qcow2 *q, uint64_t *at, uint64_t end, Qcow2Run *run, bool *more)
{
    uint64_t cluster = *at >> q->h.cluster_bits;
    unsigned index, left;
    uint8_t *slice;
    int r = qcow2_slice_locked(q, cluster, false, &slice, &index, &left);

    for (unsigned i = 0; r == 0 && *more && i < left && *at < end; i++) {
        uint64_t stop = (cluster + i + 1) << q->h.cluster_bits;
        Qcow2Entry e = slice ? qcow2_entry_load(q, slice, index + i) : (Qcow2Entry){ 0, 0 };

        r = qcow2_entry_check(q, e, cluster + i);
        while (r == 0 && *more && *at < MIN(stop, end)) {
            uint64_t in_cluster = *at & (q->cluster_size - 1);
            uint64_t step = unit_left(q, e, in_cluster);
            Qcow2Run next = describe(q, e, in_cluster);

            *more = run->length == 0 || continues(run, &next);
            if (*more) {
                next.length = run->length;
                *run = run->length == 0 ? next : *run;
                run->length += step;
                *at += step;
            }
        }
    }
    return r;
}

int qcow2_map_locked(Qcow2 *q, uint64_t offset, uint64_t bytes, Qcow2Run *run)
{
    uint64_t at = offset, end = offset + bytes;
    Qcow2Run found = { 0 };
    bool more = true;
    int r = 0;

    while (r == 0 && more && at < end) {
        r = extend(q, &at, end, &found, &more);
    }
    if (r == 0) {
        found.length = MIN(found.length, bytes);
        *run = found;
    }
    return r;
}

/* ---- the size ---- */

int qcow2_l1_grow_locked(Qcow2 *q, uint64_t entries)
{
    uint64_t clusters = qcow2_clusters(q, 8 * entries), offset, got;
    uint64_t old = q->h.l1_offset, old_clusters = qcow2_clusters(q, UINT64_C(8) * q->h.l1_size);
    uint8_t *image, fields[12];
    bool fresh;
    int r;

    if (entries <= q->h.l1_size) {
        return 0;
    }
    if (8 * entries > QCOW2_MAX_L1) {
        return -EFBIG;
    }
    r = qcow2_alloc_locked(q, clusters, clusters, &offset, &got, &fresh);
    if (r < 0) {
        return r;
    }
    image = g_malloc0(clusters << q->h.cluster_bits);
    for (uint32_t i = 0; i < q->h.l1_size; i++) {
        qcow2_put64(image + UINT64_C(8) * i, q->l1[i]);
    }
    r = block_file_write(q->file, offset, image, clusters << q->h.cluster_bits);
    g_free(image);
    r = r < 0 ? r : qcow2_write_back_locked(q);
    r = r < 0 ? r : block_file_sync(q->file);
    qcow2_put32(fields, (uint32_t)entries);
    qcow2_put64(fields + 4, offset);
    r = r < 0 ? r : block_file_write(q->file, QCOW2_AT_L1, fields, sizeof(fields));
    if (r < 0) {
        qcow2_unalloc_locked(q, offset, clusters);
        return r;
    }
    q->l1 = g_renew(uint64_t, q->l1, entries);
    memset(q->l1 + q->h.l1_size, 0, 8 * (entries - q->h.l1_size));
    qcow2_owners_set(q, old, old_clusters * q->cluster_size, QCOW2_OWNER_NONE);
    qcow2_owners_set(q, offset, clusters * q->cluster_size, QCOW2_OWNER_L1);
    qcow2_free_locked(q, old, old_clusters);
    q->h.l1_size = (uint32_t)entries;
    q->h.l1_offset = offset;
    return 0;
}

static int set_size_locked(Qcow2 *q, uint64_t size)
{
    uint64_t field;
    int r = qcow2_l1_grow_locked(q, qcow2_l1_entries(q, size));

    qcow2_put64(&field, size);
    r = r < 0 ? r : block_file_write(q->file, QCOW2_AT_SIZE, &field, 8);
    if (r == 0) {
        q->h.size = size;
        q->block->size = size;
    }
    return r;
}

/* What is cut off is gone: it reads as zeros when the disk grows again. */
static int shrink(Qcow2 *q, uint64_t size)
{
    uint64_t first = qcow2_clusters(q, size), last = qcow2_clusters(q, q->h.size);
    uint64_t tail = (first << q->h.cluster_bits) - size, n = MIN(tail, q->h.size - size);
    int r = 0;

    if (n > 0) {
        void *zeros = g_malloc0(n);
        struct iovec iov = { zeros, n };

        r = qcow2_write_range(q, size, n, &iov, 1);
        g_free(zeros);
    }
    return r < 0 || last <= first ? r : qcow2_drop_range(q, first, last - first);
}

int qcow2_resize(Block *b, uint64_t size)
{
    Qcow2 *q = b->state;
    int r = 0;

    size = bits_align_up(size, 512);
    qcow2_exclusive_begin(q);
    if (q->snapshots->len > 0 && (size < q->h.size || q->h.version < 3)) {
        r = -ENOTSUP; /* snapshots of version 2 do not say how large the disk was */
    } else if (size < q->h.size) {
        r = shrink(q, size);
    }
    if (r == 0) {
        pthread_mutex_lock(&q->meta);
        r = set_size_locked(q, size);
        pthread_mutex_unlock(&q->meta);
    }
    r = r < 0 ? r : qcow2_flush_exclusive(q);
    qcow2_exclusive_end(q);
    return r;
}
