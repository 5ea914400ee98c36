/* SPDX-License-Identifier: Apache-2.0 */
#include "devices/host/block/qcow2_check.h"

#include <errno.h>
#include <string.h>

enum { MOST_CHUNKS = 1 << 24, BITMAP_FIXED = 24, MOST_BITMAP_DIRECTORY = 64 << 20,
       MOST_BITMAP_TABLE = 8 << 20 };

bool qcow2_count_init(Qcow2Count *c, Qcow2 *q, ImageCheck *result)
{
    uint64_t size = 0, n;

    if (block_file_size(q->file, &size) < 0) {
        return false;
    }
    n = qcow2_clusters(q, size);
    if (n / COUNT_CHUNK >= MOST_CHUNKS) {
        return false;
    }
    *c = (Qcow2Count){ .q = q, .result = result, .clusters = n, .n_chunks = n / COUNT_CHUNK + 1 };
    c->chunks = g_new0(uint32_t *, c->n_chunks);
    return true;
}

void qcow2_count_fini(Qcow2Count *c)
{
    for (uint64_t i = 0; i < c->n_chunks; i++) {
        g_free(c->chunks[i]);
    }
    g_free(c->chunks);
}

void qcow2_count_say(const Qcow2Count *c, const char *fmt, ...)
{
    va_list args;
    char *text;

    if (c->result->message) {
        va_start(args, fmt);
        text = g_strdup_vprintf(fmt, args);
        va_end(args);
        c->result->message(c->result->opaque, text);
        g_free(text);
    }
}

uint64_t qcow2_count_get(const Qcow2Count *c, uint64_t cluster)
{
    uint64_t i = cluster / COUNT_CHUNK;

    return i < c->n_chunks && c->chunks[i] ? c->chunks[i][cluster % COUNT_CHUNK] : 0;
}

void qcow2_count_set(Qcow2Count *c, uint64_t cluster, uint32_t value)
{
    uint64_t i = cluster / COUNT_CHUNK;

    if (i >= c->n_chunks) {
        c->chunks = g_renew(uint32_t *, c->chunks, i + 1);
        memset(c->chunks + c->n_chunks, 0, (i + 1 - c->n_chunks) * sizeof(*c->chunks));
        c->n_chunks = i + 1;
    }
    if (!c->chunks[i]) {
        c->chunks[i] = g_new0(uint32_t, COUNT_CHUNK);
    }
    c->chunks[i][cluster % COUNT_CHUNK] = value;
}

/* Counts what the range touches. */
static void add(Qcow2Count *c, uint64_t offset, uint64_t bytes, const char *what)
{
    uint64_t first = offset >> c->q->h.cluster_bits, last;

    if (bytes == 0) {
        return;
    }
    last = (offset + bytes - 1) >> c->q->h.cluster_bits;
    if (last >= c->clusters || offset + bytes < offset) {
        qcow2_count_say(c, "ERROR %s at 0x%" G_GINT64_MODIFIER "x is behind the end of the file",
                        what, offset);
        c->result->corruptions++;
        return;
    }
    for (uint64_t i = first; i <= last; i++) {
        uint64_t now = qcow2_count_get(c, i);

        qcow2_count_set(c, i, (uint32_t)MIN(now + 1, UINT32_MAX));
    }
}

/* ---- L1 and L2 ---- */

static bool misplaced(Qcow2Count *c, uint64_t offset, const char *what)
{
    if (!(offset & (c->q->cluster_size - 1))) {
        return false;
    }
    qcow2_count_say(c, "ERROR %s at 0x%" G_GINT64_MODIFIER "x is not at the start of a cluster",
                    what, offset);
    c->result->corruptions++;
    return true;
}

int qcow2_count_load_l2(Qcow2Count *c, uint64_t offset, uint8_t **table)
{
    Qcow2 *q = c->q;
    int r;

    *table = NULL;
    if (offset & (q->cluster_size - 1) || offset >> q->h.cluster_bits >= c->clusters) {
        return 0;
    }
    *table = g_malloc(q->cluster_size);
    r = block_file_read(q->file, offset, *table, q->cluster_size);
    if (r < 0) {
        g_free(*table);
        *table = NULL;
    }
    return r;
}

static void count_compressed(Qcow2Count *c, uint64_t descriptor, bool active)
{
    uint64_t host;
    uint32_t bytes;

    if (descriptor & QCOW2_COPIED) {
        qcow2_count_say(c, "ERROR a compressed cluster is marked as this disk's alone: "
                        "0x%" G_GINT64_MODIFIER "x", descriptor);
        c->result->corruptions++;
    }
    qcow2_compressed_place(c->q, descriptor, &host, &bytes);
    /* The last sector may be cut off where the file ends. */
    add(c, host & ~(uint64_t)511, bytes + (host & 511), "a compressed cluster");
    if (active) {
        c->result->allocated_clusters++;
        c->result->compressed_clusters++;
        c->result->fragmented_clusters++;
    }
}

static void count_entry(Qcow2Count *c, Qcow2Entry e, bool active, uint64_t *next)
{
    uint64_t host = e.descriptor & QCOW2_OFFSET_MASK;

    if (e.descriptor & QCOW2_COMPRESSED_FLAG) {
        count_compressed(c, e.descriptor, active);
        return;
    }
    if (c->q->entry_bytes == 16 &&
        ((e.bitmap & e.bitmap >> 32 & UINT32_MAX) || (!host && (uint32_t)e.bitmap))) {
        qcow2_count_say(c, "ERROR subclusters contradict each other: 0x%" G_GINT64_MODIFIER "x",
                        e.bitmap);
        c->result->corruptions++;
    }
    if (!host || misplaced(c, host, "a data cluster")) {
        return;
    }
    add(c, host, c->q->cluster_size, "a data cluster");
    if (active) {
        c->result->allocated_clusters++;
        c->result->fragmented_clusters += *next && host != *next;
        *next = host + c->q->cluster_size;
    }
}

static int count_l2(Qcow2Count *c, uint64_t offset, bool active, uint64_t *next)
{
    Qcow2 *q = c->q;
    uint8_t *table;
    int r;

    if (misplaced(c, offset, "an L2 table")) {
        return 0;
    }
    add(c, offset, q->cluster_size, "an L2 table");
    r = qcow2_count_load_l2(c, offset, &table);
    for (uint32_t i = 0; table && i < 1u << q->l2_bits; i++) {
        count_entry(c, qcow2_entry_load(q, table, i), active, next);
    }
    g_free(table);
    return r;
}

static int count_l1(Qcow2Count *c, uint64_t offset, uint32_t entries, bool active)
{
    uint64_t *l1, next = 0;
    int r;

    if (entries == 0 || misplaced(c, offset, "an L1 table")) {
        return 0;
    }
    add(c, offset, UINT64_C(8) * entries, "an L1 table");
    l1 = g_malloc(UINT64_C(8) * entries);
    r = block_file_read(c->q->file, offset, l1, UINT64_C(8) * entries);
    for (uint32_t i = 0; r == 0 && i < entries; i++) {
        uint64_t l2 = be64toh(l1[i]) & QCOW2_OFFSET_MASK;

        r = l2 ? count_l2(c, l2, active, &next) : 0;
    }
    g_free(l1);
    return r;
}

/* ---- bitmaps ---- */

static int count_bitmap(Qcow2Count *c, const uint8_t *entry)
{
    uint64_t offset = qcow2_get64(entry), bytes = UINT64_C(8) * qcow2_get32(entry + 8);
    uint64_t *table;
    int r;

    if (bytes > MOST_BITMAP_TABLE || misplaced(c, offset, "a bitmap table")) {
        return bytes > MOST_BITMAP_TABLE ? -EFBIG : 0;
    }
    add(c, offset, bytes, "a bitmap table");
    table = g_malloc(MAX(bytes, 1));
    r = block_file_read(c->q->file, offset, table, bytes);
    for (uint64_t i = 0; r == 0 && i < bytes / 8; i++) {
        uint64_t data = be64toh(table[i]) & QCOW2_OFFSET_MASK;

        if (data && !misplaced(c, data, "a bitmap")) {
            add(c, data, c->q->cluster_size, "a bitmap");
        }
    }
    g_free(table);
    return r;
}

/* What the bitmaps extension refers to, as long as somebody vouches for it. */
static int count_bitmaps(Qcow2Count *c)
{
    const Qcow2Header *h = &c->q->h;
    uint64_t at = 0, bytes = h->bitmap_directory_size;
    uint8_t *directory;
    int r;

    if (!(h->autoclear & QCOW2_BITMAPS) || h->n_bitmaps == 0) {
        return 0;
    }
    if (bytes > MOST_BITMAP_DIRECTORY) {
        return -EFBIG;
    }
    add(c, h->bitmap_directory_offset, bytes, "the bitmap directory");
    directory = g_malloc(MAX(bytes, 1));
    r = block_file_read(c->q->file, h->bitmap_directory_offset, directory, bytes);
    while (r == 0 && at + BITMAP_FIXED <= bytes) {
        const uint8_t *entry = directory + at;

        r = count_bitmap(c, entry);
        at += (BITMAP_FIXED + (uint64_t)qcow2_get16(entry + 18) + qcow2_get32(entry + 20) + 7) /
              8 * 8;
    }
    g_free(directory);
    return r;
}

/* ---- all ---- */

int qcow2_count_tables(Qcow2Count *c)
{
    Qcow2 *q = c->q;
    int r;

    add(c, 0, q->cluster_size, "the header");
    r = count_l1(c, q->h.l1_offset, q->h.l1_size, true);
    add(c, q->h.snapshots_offset, q->snapshots_bytes, "the snapshot table");
    for (unsigned i = 0; r == 0 && i < q->snapshots->len; i++) {
        const Qcow2Snapshot *s = &g_array_index(q->snapshots, Qcow2Snapshot, i);

        r = count_l1(c, s->l1_offset, s->l1_size, false);
    }
    return r < 0 ? r : count_bitmaps(c);
}

int qcow2_count_refcounts(Qcow2Count *c)
{
    Qcow2 *q = c->q;

    add(c, q->h.refcount_table_offset, 8 * q->refcount_entries, "the refcount table");
    for (uint64_t i = 0; i < q->refcount_entries; i++) {
        uint64_t offset = q->refcount_table[i] & QCOW2_REFTABLE_MASK;
        uint64_t before = c->result->corruptions;

        if (offset && !misplaced(c, offset, "a refcount block")) {
            add(c, offset, q->cluster_size, "a refcount block");
        }
        if (offset && before == c->result->corruptions &&
            qcow2_count_get(c, offset >> q->h.cluster_bits) != 1) {
            qcow2_count_say(c, "ERROR refcount block %" G_GUINT64_FORMAT " at 0x%" G_GINT64_MODIFIER
                            "x is used for something else, too", i, offset);
            c->result->corruptions++;
        }
        c->broken |= before != c->result->corruptions;
    }
    return 0;
}
