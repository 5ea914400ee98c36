/* SPDX-License-Identifier: Apache-2.0 */
/* The snapshot table of the file: "Snapshots". */
#include <errno.h>
#include <string.h>

#include "base/bits.h"
#include "devices/host/block/qcow2.h"

enum { FIXED = 40, EXTRA = 24 }; /* bytes of an entry before the extra data; of that, those we know */

static void clear(gpointer snapshot)
{
    Qcow2Snapshot *s = snapshot;

    g_free(s->id);
    g_free(s->name);
    g_free(s->unknown_extra);
}

void qcow2_snapshots_free(GArray *snapshots)
{
    if (snapshots) {
        g_array_free(snapshots, TRUE);
    }
}

GArray *qcow2_snapshots_new(void)
{
    GArray *table = g_array_new(FALSE, TRUE, sizeof(Qcow2Snapshot));

    g_array_set_clear_func(table, clear);
    return table;
}

/* ---- reading ---- */

/* The variable part: extra data, id, name. */
static int read_strings(Qcow2 *q, uint64_t at, const uint8_t *fixed, Qcow2Snapshot *s)
{
    uint32_t extra = qcow2_get32(fixed + 36);
    uint16_t id = qcow2_get16(fixed + 12), name = qcow2_get16(fixed + 14);
    size_t bytes = (size_t)extra + id + name;
    uint8_t *p = g_malloc0(MAX(bytes, EXTRA));
    int r = block_file_read(q->file, at + FIXED, p, bytes);

    if (r == 0) {
        s->vm_state_size = extra >= 8 ? qcow2_get64(p) : s->vm_state_size;
        s->disk_size = extra >= 16 ? qcow2_get64(p + 8) : q->h.size;
        s->icount = extra >= 24 ? qcow2_get64(p + 16) : UINT64_MAX;
        if (extra > EXTRA) {
            s->unknown_extra_size = extra - EXTRA;
            s->unknown_extra = g_memdup2(p + EXTRA, extra - EXTRA);
        }
        s->id = g_strndup((char *)p + extra, id);
        s->name = g_strndup((char *)p + extra + id, name);
    }
    g_free(p);
    return r;
}

static int read_entry(Qcow2 *q, uint64_t *at, Qcow2Snapshot *s)
{
    uint8_t p[FIXED];
    uint32_t extra;
    int r = block_file_read(q->file, *at, p, FIXED);

    if (r < 0) {
        return r;
    }
    extra = qcow2_get32(p + 36);
    *s = (Qcow2Snapshot){ .l1_offset = qcow2_get64(p),
                          .l1_size = qcow2_get32(p + 8),
                          .date_s = qcow2_get32(p + 16),
                          .date_ns = qcow2_get32(p + 20),
                          .vm_clock_ns = qcow2_get64(p + 24),
                          .vm_state_size = qcow2_get32(p + 32) };
    if (extra > QCOW2_MAX_SNAPSHOT_EXTRA || s->l1_size > QCOW2_MAX_L1 / 8 ||
        s->l1_offset & (q->cluster_size - 1) || s->l1_offset >= QCOW2_OFFSET_MOST) {
        return -EINVAL;
    }
    r = read_strings(q, *at, p, s);
    *at += bits_align_up(FIXED + extra + qcow2_get16(p + 12) + qcow2_get16(p + 14), 8);
    return r == 0 && s->disk_size > INT64_MAX ? -EINVAL : r;
}

int qcow2_snapshots_load(Qcow2 *q, GError **error)
{
    GArray *table = qcow2_snapshots_new();
    uint64_t at = q->h.snapshots_offset, size = 0;
    int r = block_file_size(q->file, &size);

    for (uint32_t i = 0; r == 0 && i < q->h.n_snapshots; i++) {
        Qcow2Snapshot s = { 0 };

        r = at >= size || at - q->h.snapshots_offset > QCOW2_MAX_SNAPSHOT_TABLE
                ? -EINVAL
                : read_entry(q, &at, &s);
        g_array_append_val(table, s);
    }
    if (r < 0) {
        g_set_error(error, BLOCK_ERROR, 0, "%s: its snapshot table is damaged: %s", q->block->name,
                    g_strerror(-r));
        g_array_free(table, TRUE);
        return r;
    }
    qcow2_snapshots_free(q->snapshots);
    q->snapshots = table;
    q->snapshots_bytes = at - q->h.snapshots_offset;
    return 0;
}

/* ---- writing ---- */

static void put_entry(GByteArray *out, const Qcow2Snapshot *s)
{
    static const uint8_t padding[8];
    uint8_t p[FIXED + EXTRA] = { 0 };

    qcow2_put64(p, s->l1_offset);
    qcow2_put32(p + 8, s->l1_size);
    qcow2_put16(p + 12, (uint16_t)strlen(s->id));
    qcow2_put16(p + 14, (uint16_t)strlen(s->name));
    qcow2_put32(p + 16, (uint32_t)s->date_s);
    qcow2_put32(p + 20, s->date_ns);
    qcow2_put64(p + 24, s->vm_clock_ns);
    qcow2_put32(p + 32, (uint32_t)MIN(s->vm_state_size, UINT32_MAX));
    qcow2_put32(p + 36, EXTRA + s->unknown_extra_size);
    qcow2_put64(p + FIXED, s->vm_state_size);
    qcow2_put64(p + FIXED + 8, s->disk_size);
    qcow2_put64(p + FIXED + 16, s->icount);
    g_byte_array_append(out, p, sizeof(p));
    if (s->unknown_extra_size) {
        g_byte_array_append(out, s->unknown_extra, s->unknown_extra_size);
    }
    g_byte_array_append(out, (const uint8_t *)s->id, (guint)strlen(s->id));
    g_byte_array_append(out, (const uint8_t *)s->name, (guint)strlen(s->name));
    g_byte_array_append(out, padding, (guint)(-out->len % 8));
}

/* The table in a new place; *offset is 0 when there is nothing to store. */
static int write_table(Qcow2 *q, const GByteArray *bytes, uint64_t *offset)
{
    uint64_t clusters = qcow2_clusters(q, bytes->len), got;
    bool fresh;
    int r;

    *offset = 0;
    if (bytes->len == 0) {
        return 0;
    }
    r = bytes->len > QCOW2_MAX_SNAPSHOT_TABLE
            ? -EFBIG
            : qcow2_alloc_locked(q, clusters, clusters, offset, &got, &fresh);
    if (r < 0) {
        return r;
    }
    r = block_file_write(q->file, *offset, bytes->data, bytes->len);
    r = r < 0 ? r : qcow2_write_back_locked(q);
    r = r < 0 ? r : block_file_sync(q->file);
    if (r < 0) {
        qcow2_unalloc_locked(q, *offset, clusters);
    }
    return r;
}

/* The header refers to the new table; that is the moment when it counts. */
static int switch_table(Qcow2 *q, uint32_t n, uint64_t offset)
{
    uint8_t fields[12];
    int r;

    qcow2_put32(fields, n);
    qcow2_put64(fields + 4, offset);
    r = block_file_write(q->file, QCOW2_AT_SNAPSHOTS, fields, sizeof(fields));
    return r < 0 ? r : block_file_sync(q->file);
}

int qcow2_snapshots_store(Qcow2 *q, GArray *snapshots)
{
    GByteArray *bytes = g_byte_array_new();
    uint64_t old = q->h.snapshots_offset, old_bytes = q->snapshots_bytes, offset, n;
    int r;

    for (unsigned i = 0; i < snapshots->len; i++) {
        put_entry(bytes, &g_array_index(snapshots, Qcow2Snapshot, i));
    }
    n = bytes->len;
    r = snapshots->len > QCOW2_MAX_SNAPSHOTS ? -EFBIG : write_table(q, bytes, &offset);
    g_byte_array_free(bytes, TRUE);
    r = r < 0 ? r : switch_table(q, snapshots->len, offset);
    if (r < 0) {
        return r;
    }
    qcow2_owners_set(q, old, old_bytes, QCOW2_OWNER_NONE);
    qcow2_owners_set(q, offset, n, QCOW2_OWNER_SNAPSHOT_TABLE);
    if (old_bytes > 0) {
        qcow2_free_locked(q, old, qcow2_clusters(q, old_bytes));
    }
    q->h.snapshots_offset = offset;
    q->h.n_snapshots = snapshots->len;
    q->snapshots_bytes = n;
    qcow2_snapshots_free(q->snapshots);
    q->snapshots = snapshots;
    return 0;
}
