/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Internal snapshots are copies of the L1 table; what one refers to has a reference more.  While
 * refcounts and the flags in entries are changed the image is marked dirty, so that whoever opens
 * it after a crash makes them anew.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "devices/host/block/qcow2.h"

/* ---- everything that an L1 table refers to ---- */

typedef struct Walk {
    int delta;
    uint64_t done, most; /* references changed; where to stop */
} Walk;

static int change(Qcow2 *q, Walk *w, uint64_t offset)
{
    uint64_t cluster = offset >> q->h.cluster_bits;
    int r;

    if (w->done == w->most) {
        return 0;
    }
    r = qcow2_refcount_add_locked(q, cluster, w->delta);
    if (r == 0) {
        w->done++;
        q->free_hint = w->delta < 0 ? MIN(q->free_hint, cluster) : q->free_hint;
    }
    return r;
}

static int change_entry(Qcow2 *q, Walk *w, Qcow2Entry e)
{
    uint64_t host, end;
    uint32_t bytes;
    int r = 0;

    if (e.descriptor & QCOW2_COMPRESSED_FLAG) {
        qcow2_compressed_place(q, e.descriptor, &host, &bytes);
        end = host + bytes;
        for (uint64_t at = host & ~(uint64_t)(q->cluster_size - 1); r == 0 && at < end;
             at += q->cluster_size) {
            r = change(q, w, at);
        }
    } else if (e.descriptor & QCOW2_OFFSET_MASK) {
        r = change(q, w, e.descriptor & QCOW2_OFFSET_MASK);
    }
    return r;
}

static int change_table(Qcow2 *q, Walk *w, uint64_t table, uint64_t first)
{
    uint32_t step = MIN(q->cluster_size, QCOW2_SLICE);
    int r = qcow2_table_check(q, table);

    r = r < 0 ? r : change(q, w, table);
    for (uint32_t at = 0; r == 0 && at < q->cluster_size; at += step) {
        uint8_t *slice;

        r = qcow2_cache_get(q->l2_cache, table + at, &slice);
        for (unsigned i = 0; r == 0 && i < step / q->entry_bytes; i++) {
            Qcow2Entry e = qcow2_entry_load(q, slice, i);

            r = qcow2_entry_check(q, e, first + at / q->entry_bytes + i);
            r = r < 0 ? r : change_entry(q, w, e);
        }
    }
    return r;
}

static int walk(Qcow2 *q, const uint64_t *l1, uint64_t n, Walk *w)
{
    int r = 0;

    for (uint64_t i = 0; r == 0 && i < n; i++) {
        uint64_t table = l1[i] & QCOW2_OFFSET_MASK;

        r = table ? change_table(q, w, table, i << q->l2_bits) : 0;
    }
    return r;
}

/* All or nothing. */
static int add_references(Qcow2 *q, const uint64_t *l1, uint64_t n)
{
    Walk up = { 1, 0, UINT64_MAX };
    int r = walk(q, l1, n, &up);

    if (r < 0) {
        Walk down = { -1, 0, up.done };
        int undone = walk(q, l1, n, &down);

        r = undone < 0 ? undone : r;
    }
    return r;
}

static int drop_references(Qcow2 *q, const uint64_t *l1, uint64_t n)
{
    Walk w = { -1, 0, UINT64_MAX };

    q->compress_next = 0;
    return walk(q, l1, n, &w);
}

/* ---- the flags of the active tables ---- */

static int flag_for(Qcow2 *q, uint64_t offset, uint64_t *flag)
{
    uint64_t refcount = 0;
    int r = qcow2_refcount_get_locked(q, offset >> q->h.cluster_bits, &refcount);

    *flag = refcount == 1 ? QCOW2_COPIED : 0;
    return r;
}

static int flag_table(Qcow2 *q, uint64_t table)
{
    uint32_t step = MIN(q->cluster_size, QCOW2_SLICE);
    int r = 0;

    for (uint32_t at = 0; r == 0 && at < q->cluster_size; at += step) {
        uint8_t *slice;

        r = qcow2_cache_get(q->l2_cache, table + at, &slice);
        for (unsigned i = 0; r == 0 && i < step / q->entry_bytes; i++) {
            Qcow2Entry e = qcow2_entry_load(q, slice, i);
            uint64_t host = e.descriptor & QCOW2_OFFSET_MASK, flag = 0;

            if (e.descriptor & QCOW2_COMPRESSED_FLAG || !host) {
                continue;
            }
            r = flag_for(q, host, &flag);
            if (r == 0 && flag != (e.descriptor & QCOW2_COPIED)) {
                e.descriptor ^= QCOW2_COPIED;
                qcow2_entry_store(q, slice, i, e);
                qcow2_cache_dirty(q->l2_cache, table + at);
            }
        }
    }
    return r;
}

static int flag_active(Qcow2 *q)
{
    int r = 0;

    for (uint32_t i = 0; r == 0 && i < q->h.l1_size; i++) {
        uint64_t table = q->l1[i] & QCOW2_OFFSET_MASK, flag = 0;

        if (!table) {
            continue;
        }
        r = flag_for(q, table, &flag);
        r = r < 0 ? r : flag_table(q, table);
        if (r == 0 && q->l1[i] != (table | flag)) {
            q->l1[i] = table | flag;
            g_array_append_val(q->l1_dirty, i);
        }
    }
    return r;
}

/* ---- names ---- */

static int find(const Qcow2 *q, const char *id_or_name)
{
    for (int by_name = 0; by_name < 2; by_name++) {
        for (unsigned i = 0; i < q->snapshots->len; i++) {
            const Qcow2Snapshot *s = &g_array_index(q->snapshots, Qcow2Snapshot, i);

            if (!strcmp(by_name ? s->name : s->id, id_or_name)) {
                return (int)i;
            }
        }
    }
    return -ENOENT;
}

static char *new_id(const Qcow2 *q)
{
    unsigned long most = 0;

    for (unsigned i = 0; i < q->snapshots->len; i++) {
        most = MAX(most, strtoul(g_array_index(q->snapshots, Qcow2Snapshot, i).id, NULL, 10));
    }
    return g_strdup_printf("%lu", most + 1);
}

/* The table without one entry (-1: all), copied. */
static GArray *copy_but(const Qcow2 *q, int without)
{
    GArray *copy = qcow2_snapshots_new();

    for (unsigned i = 0; i < q->snapshots->len; i++) {
        Qcow2Snapshot s = g_array_index(q->snapshots, Qcow2Snapshot, i);

        if ((int)i != without) {
            s.id = g_strdup(s.id);
            s.name = g_strdup(s.name);
            s.unknown_extra = g_memdup2(s.unknown_extra, s.unknown_extra_size);
            g_array_append_val(copy, s);
        }
    }
    return copy;
}

bool qcow2_snapshot(Block *b, unsigned i, ImageSnapshot *snapshot)
{
    const Qcow2 *q = b->state;
    const Qcow2Snapshot *s;

    if (i >= q->snapshots->len) {
        return false;
    }
    s = &g_array_index(q->snapshots, Qcow2Snapshot, i);
    *snapshot = (ImageSnapshot){ .id = s->id, .name = s->name, .vm_state_size = s->vm_state_size,
                                 .disk_size = s->disk_size, .date_s = s->date_s,
                                 .date_ns = s->date_ns, .vm_clock_ns = s->vm_clock_ns,
                                 .icount = s->icount };
    return true;
}

/* ---- changes, between which nothing else happens ---- */

typedef int ChangeFn(Qcow2 *q, const void *what);

/* Calls fn under all locks, everything flushed before and after. */
static int exclusively(Qcow2 *q, ChangeFn *fn, const void *what)
{
    int r, flushed;

    qcow2_exclusive_begin(q);
    r = qcow2_flush_exclusive(q);
    r = r < 0 ? r : qcow2_set_incompatible(q, QCOW2_DIRTY, 0);
    if (r == 0) {
        pthread_mutex_lock(&q->meta);
        r = fn(q, what);
        qcow2_inflated_clear(q);
        pthread_mutex_unlock(&q->meta);
    }
    flushed = qcow2_flush_exclusive(q);
    r = r < 0 ? r : flushed;
    if (flushed == 0) {
        int cleared = qcow2_set_incompatible(q, 0, QCOW2_DIRTY);

        r = r < 0 ? r : cleared;
    }
    qcow2_exclusive_end(q);
    return r;
}

/* A copy of the active L1 table in the file. */
static int copy_l1(Qcow2 *q, uint64_t *offset)
{
    uint64_t bytes = UINT64_C(8) * q->h.l1_size, clusters = qcow2_clusters(q, bytes), got;
    uint8_t *image;
    bool fresh;
    int r;

    *offset = 0;
    if (bytes == 0) {
        return 0;
    }
    r = qcow2_alloc_locked(q, clusters, clusters, offset, &got, &fresh);
    if (r < 0) {
        return r;
    }
    image = g_malloc0(clusters << q->h.cluster_bits);
    for (uint32_t i = 0; i < q->h.l1_size; i++) {
        qcow2_put64(image + UINT64_C(8) * i, q->l1[i] & QCOW2_OFFSET_MASK);
    }
    r = block_file_write(q->file, *offset, image, clusters << q->h.cluster_bits);
    g_free(image);
    if (r < 0) {
        qcow2_unalloc_locked(q, *offset, clusters);
    }
    return r;
}

static int store_new(Qcow2 *q, const ImageSnapshot *what, uint64_t l1)
{
    GArray *table = copy_but(q, -1);
    Qcow2Snapshot s = { .id = new_id(q),
                        .name = g_strdup(what->name),
                        .l1_offset = l1,
                        .l1_size = q->h.l1_size,
                        .vm_state_size = what->vm_state_size,
                        .disk_size = q->h.size,
                        .date_s = what->date_s,
                        .date_ns = what->date_ns,
                        .vm_clock_ns = what->vm_clock_ns,
                        .icount = what->icount };
    int r;

    g_array_append_val(table, s);
    r = qcow2_snapshots_store(q, table);
    if (r < 0) {
        g_array_free(table, TRUE);
    } else {
        qcow2_owners_set(q, l1, UINT64_C(8) * q->h.l1_size, QCOW2_OWNER_SNAPSHOT_L1);
    }
    return r;
}

static int create(Qcow2 *q, const void *what)
{
    uint64_t l1;
    int r = copy_l1(q, &l1);

    if (r < 0) {
        return r;
    }
    r = add_references(q, q->l1, q->h.l1_size);
    if (r == 0) {
        r = flag_active(q);
        r = r < 0 ? r : store_new(q, what, l1);
        if (r < 0) {
            int undone = drop_references(q, q->l1, q->h.l1_size);

            r = undone < 0 ? undone : r;
            undone = flag_active(q);
            r = undone < 0 ? undone : r;
        }
    }
    if (r < 0) {
        qcow2_unalloc_locked(q, l1, qcow2_clusters(q, UINT64_C(8) * q->h.l1_size));
    }
    return r;
}

static int load_l1(Qcow2 *q, const Qcow2Snapshot *s, uint64_t entries, uint64_t **l1)
{
    uint64_t *table = g_malloc0(8 * MAX(entries, 1));
    int r = block_file_read(q->file, s->l1_offset, table, UINT64_C(8) * s->l1_size);

    for (uint64_t i = 0; i < s->l1_size; i++) {
        table[i] = be64toh(table[i]) & QCOW2_OFFSET_MASK;
    }
    if (r < 0) {
        g_free(table);
        return r;
    }
    *l1 = table;
    return 0;
}

static int write_active_l1(Qcow2 *q, const uint64_t *l1)
{
    uint64_t bytes = UINT64_C(8) * q->h.l1_size, size;
    uint8_t *image = g_malloc(MAX(bytes, 1));
    int r = qcow2_write_back_locked(q);

    for (uint32_t i = 0; i < q->h.l1_size; i++) {
        qcow2_put64(image + UINT64_C(8) * i, l1[i]);
    }
    r = r < 0 ? r : block_file_sync(q->file);
    r = r < 0 ? r : block_file_write(q->file, q->h.l1_offset, image, bytes);
    qcow2_put64(&size, q->h.size);
    r = r < 0 ? r : block_file_write(q->file, QCOW2_AT_SIZE, &size, 8);
    r = r < 0 ? r : block_file_sync(q->file);
    g_free(image);
    return r;
}

/* The active table becomes `l1`; what it was loses its references. */
static int switch_l1(Qcow2 *q, uint64_t *l1, uint64_t disk_size)
{
    uint64_t *old = q->l1, old_size = q->h.size;
    int r = add_references(q, l1, q->h.l1_size);

    if (r < 0) {
        g_free(l1);
        return r;
    }
    q->h.size = disk_size;
    r = write_active_l1(q, l1);
    if (r < 0) {
        q->h.size = old_size;
        g_free(l1);
        return r;
    }
    q->block->size = disk_size;
    q->l1 = l1;
    r = drop_references(q, old, q->h.l1_size);
    g_free(old);
    r = r < 0 ? r : flag_active(q);
    if (r == 0 && !qcow2_owners_build(q, NULL)) {
        r = qcow2_corrupt(q, "tables overlap after a snapshot was applied");
    }
    return r;
}

static int apply(Qcow2 *q, const void *what)
{
    int i = find(q, what), r;
    const Qcow2Snapshot *s;
    uint64_t *l1, disk_size;

    if (i < 0) {
        return i;
    }
    s = &g_array_index(q->snapshots, Qcow2Snapshot, i);
    disk_size = s->disk_size;
    r = qcow2_l1_grow_locked(q, MAX(s->l1_size, qcow2_l1_entries(q, disk_size)));
    r = r < 0 ? r : load_l1(q, s, q->h.l1_size, &l1);
    return r < 0 ? r : switch_l1(q, l1, disk_size);
}

/* The disk is what it was then, in memory alone. */
static int show(Qcow2 *q, const char *id_or_name)
{
    int i = find(q, id_or_name), r;
    const Qcow2Snapshot *s;
    uint64_t *l1, entries;

    if (i < 0) {
        return i;
    }
    s = &g_array_index(q->snapshots, Qcow2Snapshot, i);
    entries = MAX(s->l1_size, qcow2_l1_entries(q, s->disk_size));
    r = 8 * entries > QCOW2_MAX_L1 ? -EFBIG : load_l1(q, s, entries, &l1);
    if (r == 0) {
        g_free(q->l1);
        q->l1 = l1;
        q->h.l1_size = (uint32_t)entries;
        q->h.size = s->disk_size;
        q->block->size = s->disk_size;
    }
    return r;
}

static int remove_one(Qcow2 *q, const void *what)
{
    int i = find(q, what), r;
    Qcow2Snapshot s;
    GArray *rest;
    uint64_t *l1;

    if (i < 0) {
        return i;
    }
    s = g_array_index(q->snapshots, Qcow2Snapshot, i);
    r = load_l1(q, &s, s.l1_size, &l1);
    if (r < 0) {
        return r;
    }
    rest = copy_but(q, i);
    r = qcow2_snapshots_store(q, rest);
    if (r < 0) {
        g_array_free(rest, TRUE);
        g_free(l1);
        return r;
    }
    qcow2_owners_set(q, s.l1_offset, UINT64_C(8) * s.l1_size, QCOW2_OWNER_NONE);
    r = drop_references(q, l1, s.l1_size);
    qcow2_unalloc_locked(q, s.l1_offset, qcow2_clusters(q, UINT64_C(8) * s.l1_size));
    g_free(l1);
    return r < 0 ? r : flag_active(q);
}

/* ---- state of a machine, behind the disk ---- */

static uint64_t vm_state_start(const Qcow2 *q)
{
    return qcow2_l1_entries(q, q->h.size) << (q->l2_bits + q->h.cluster_bits);
}

static int make_room(Qcow2 *q, uint64_t end)
{
    int r = 0;

    qcow2_exclusive_begin(q);
    pthread_mutex_lock(&q->meta);
    if (qcow2_l1_entries(q, end) > q->h.l1_size) {
        r = qcow2_l1_grow_locked(q, qcow2_l1_entries(q, end) + 1);
    }
    pthread_mutex_unlock(&q->meta);
    qcow2_exclusive_end(q);
    return r;
}

int qcow2_vm_state(Block *b, uint64_t position, uint64_t bytes, const struct iovec *iov, int n,
                   bool write)
{
    Qcow2 *q = b->state;
    uint64_t start = vm_state_start(q), most = (uint64_t)INT64_MAX / 2;
    int r;

    if (position > most || bytes > most - position) {
        return -EFBIG;
    }
    r = write ? make_room(q, start + position + bytes) : 0;
    if (r < 0 || bytes == 0) {
        return r;
    }
    pthread_rwlock_rdlock(&q->io);
    r = write ? qcow2_write_range(q, start + position, bytes, iov, n)
              : qcow2_read_range(q, start + position, bytes, iov, n);
    pthread_rwlock_unlock(&q->io);
    return r;
}

/* What belongs to the snapshot now is not the disk's any more. */
static int drop_vm_state(Qcow2 *q, uint64_t bytes)
{
    uint64_t first = vm_state_start(q) >> q->h.cluster_bits;
    int r;

    pthread_rwlock_rdlock(&q->io);
    r = qcow2_drop_range(q, first, qcow2_clusters(q, bytes));
    pthread_rwlock_unlock(&q->io);
    return r;
}

int qcow2_snapshot_create(Block *b, const ImageSnapshot *snapshot)
{
    Qcow2 *q = b->state;
    int r;

    if (strlen(snapshot->name) > UINT16_MAX) {
        return -ENAMETOOLONG;
    }
    r = exclusively(q, create, snapshot);
    return r < 0 || !snapshot->vm_state_size ? r : drop_vm_state(q, snapshot->vm_state_size);
}

int qcow2_snapshot_apply(Block *b, const char *id_or_name)
{
    return exclusively(b->state, apply, id_or_name);
}

int qcow2_snapshot_delete(Block *b, const char *id_or_name)
{
    return exclusively(b->state, remove_one, id_or_name);
}

int qcow2_snapshot_show(Block *b, const char *id_or_name)
{
    Qcow2 *q = b->state;
    int r;

    qcow2_exclusive_begin(q);
    r = show(q, id_or_name);
    qcow2_exclusive_end(q);
    return r;
}
