/* SPDX-License-Identifier: Apache-2.0 */
/* Refcounts, and finding clusters whose refcount is 0: "Host cluster management". */
#include <errno.h>
#include <string.h>

#include "base/bits.h"
#include "devices/host/block/qcow2.h"

/* ---- one refcount in a block ---- */

uint64_t qcow2_refcount_load(const void *block, unsigned order, uint64_t i)
{
    const uint8_t *p = block;

    switch (order) {
    case 4:
        return qcow2_get16(p + 2 * i);
    case 5:
        return qcow2_get32(p + 4 * i);
    case 6:
        return qcow2_get64(p + 8 * i);
    default: { /* 1 to 8 bits: the first is the least significant of its byte */
        unsigned bits = 1u << order, per_byte = 8 / bits;

        return bits_get(p[i / per_byte], (unsigned)(i % per_byte) * bits, bits);
    }
    }
}

void qcow2_refcount_store(void *block, unsigned order, uint64_t i, uint64_t value)
{
    uint8_t *p = block;

    switch (order) {
    case 4:
        qcow2_put16(p + 2 * i, (uint16_t)value);
        break;
    case 5:
        qcow2_put32(p + 4 * i, (uint32_t)value);
        break;
    case 6:
        qcow2_put64(p + 8 * i, value);
        break;
    default: {
        unsigned bits = 1u << order, per_byte = 8 / bits, at = (unsigned)(i % per_byte) * bits;
        unsigned mask = ((1u << bits) - 1) << at;

        p[i / per_byte] = (uint8_t)((p[i / per_byte] & ~mask) | (value << at & mask));
    }
    }
}

/* ---- slices of blocks ---- */

/* A part of a refcount block in the cache. */
typedef struct Part {
    uint8_t *data; /* NULL: there is no block, all refcounts are 0 */
    uint64_t offset;
    uint64_t index; /* of the cluster's refcount in it */
    uint64_t left;  /* refcounts from there to its end */
} Part;

static unsigned slice_bytes(const Qcow2 *q)
{
    return MIN(q->cluster_size, QCOW2_SLICE);
}

static int find_part(Qcow2 *q, uint64_t cluster, Part *part)
{
    uint64_t block = cluster >> q->refblock_bits;
    uint64_t in_block = bits_get(cluster, 0, q->refblock_bits);
    unsigned slice_bits = q->refblock_bits - (q->h.cluster_bits - (unsigned)__builtin_ctz(slice_bytes(q)));
    uint64_t per_slice = UINT64_C(1) << slice_bits, offset;

    offset = block < q->refcount_entries ? q->refcount_table[block] & QCOW2_REFTABLE_MASK : 0;
    part->index = in_block & (per_slice - 1);
    part->left = per_slice - part->index;
    part->data = NULL;
    if (!offset) {
        return 0;
    }
    part->offset = offset + (in_block >> slice_bits) * slice_bytes(q);
    return qcow2_cache_get(q->refcount_cache, part->offset, &part->data);
}

int qcow2_refcount_get_locked(Qcow2 *q, uint64_t cluster, uint64_t *value)
{
    Part part;
    int r = find_part(q, cluster, &part);

    if (r == 0) {
        *value = part.data ? qcow2_refcount_load(part.data, q->h.refcount_order, part.index) : 0;
    }
    return r;
}

int qcow2_refcount_add_locked(Qcow2 *q, uint64_t cluster, int delta)
{
    Part part;
    uint64_t value;
    int r = find_part(q, cluster, &part);

    if (r < 0) {
        return r;
    }
    value = part.data ? qcow2_refcount_load(part.data, q->h.refcount_order, part.index) : 0;
    if (!part.data || (delta < 0 && value < (uint64_t)-delta)) {
        return qcow2_corrupt(q, "cluster 0x%" G_GINT64_MODIFIER "x is used and has refcount "
                             "%" G_GUINT64_FORMAT, cluster << q->h.cluster_bits, value);
    }
    if (delta > 0 && value > q->refcount_max - (uint64_t)delta) {
        return -ERANGE;
    }
    qcow2_refcount_store(part.data, q->h.refcount_order, part.index,
                         value + (uint64_t)(int64_t)delta);
    qcow2_cache_dirty(q->refcount_cache, part.offset);
    return 0;
}

int qcow2_refcount_set_locked(Qcow2 *q, uint64_t cluster, uint64_t value)
{
    Part part;
    int r = find_part(q, cluster, &part);

    if (r < 0 || !part.data || value > q->refcount_max) {
        return r < 0 ? r : -ERANGE;
    }
    qcow2_refcount_store(part.data, q->h.refcount_order, part.index, value);
    qcow2_cache_dirty(q->refcount_cache, part.offset);
    return 0;
}

/* ---- new refcount blocks and a larger table ---- */

static int write_block(Qcow2 *q, uint64_t offset, uint64_t first_used, uint64_t n_used)
{
    uint8_t *block = g_malloc0(q->cluster_size);
    int r;

    for (uint64_t i = 0; i < n_used; i++) {
        qcow2_refcount_store(block, q->h.refcount_order, first_used + i, 1);
    }
    qcow2_cache_drop(q->refcount_cache, offset, q->cluster_size);
    r = block_file_write(q->file, offset, block, q->cluster_size);
    g_free(block);
    return r;
}

/* The block with index i, in the first of the clusters that it counts.  The table in the file gets
 * it with the next flush, before anything that it counts is referred to. */
static int add_block(Qcow2 *q, uint64_t i)
{
    uint64_t offset = i << q->refblock_bits << q->h.cluster_bits;
    int r = qcow2_owners_check(q, offset, q->cluster_size);

    r = r < 0 ? r : write_block(q, offset, 0, 1);
    if (r == 0) {
        q->refcount_table[i] = offset;
        g_array_append_val(q->refcount_dirty, i);
        qcow2_owners_set(q, offset, q->cluster_size, QCOW2_OWNER_REFCOUNT_BLOCK);
        q->file_end = MAX(q->file_end, offset + q->cluster_size);
    }
    return r;
}

int qcow2_write_refcounts_locked(void *qcow2)
{
    Qcow2 *q = qcow2;
    int r = q->failed ? -EIO : qcow2_cache_write(q->refcount_cache);

    if (r < 0 || q->refcount_dirty->len == 0) {
        return r;
    }
    r = block_file_sync(q->file);
    for (unsigned k = 0; r == 0 && k < q->refcount_dirty->len; k++) {
        uint64_t i = g_array_index(q->refcount_dirty, uint64_t, k), entry;

        qcow2_put64(&entry, q->refcount_table[i]);
        r = block_file_write(q->file, q->h.refcount_table_offset + 8 * i, &entry, 8);
    }
    if (r == 0) {
        g_array_set_size(q->refcount_dirty, 0);
    }
    return r;
}

/* Where a larger table and the blocks that count it go: behind all that the old one counts. */
typedef struct Growth {
    uint64_t start; /* cluster: the blocks, then the table */
    uint64_t blocks, table; /* clusters */
    uint64_t entries;
} Growth;

/* Blocks that count themselves and `clusters` more behind them. */
static uint64_t blocks_for(const Qcow2 *q, uint64_t clusters)
{
    uint64_t per_block = UINT64_C(1) << q->refblock_bits, blocks = 1, needed;

    while ((needed = (blocks + clusters + per_block - 1) / per_block) > blocks) {
        blocks = needed;
    }
    return blocks;
}

static Growth plan_growth(const Qcow2 *q, uint64_t least)
{
    uint64_t per_cluster = q->cluster_size / 8, blocks = 0;
    Growth g = { .start = q->refcount_entries << q->refblock_bits, .blocks = 1 };

    while (g.blocks > blocks) {
        uint64_t entries = MAX(least, q->refcount_entries + q->refcount_entries / 2);

        blocks = g.blocks;
        entries = MAX(entries, q->refcount_entries + blocks);
        g.table = (entries + per_cluster - 1) / per_cluster;
        g.entries = g.table * per_cluster;
        g.blocks = MAX(blocks, blocks_for(q, g.table));
    }
    return g;
}

/* Blocks from the cluster `start` on, the first that they count; `used` clusters of these are in use,
 * the blocks among them.  They are in `table` then. */
static int write_blocks(Qcow2 *q, uint64_t *table, uint64_t start, uint64_t blocks, uint64_t used)
{
    uint64_t per_block = UINT64_C(1) << q->refblock_bits, at = start << q->h.cluster_bits;
    int r = qcow2_owners_check(q, at, used << q->h.cluster_bits);

    for (uint64_t i = 0; i < blocks && r == 0; i++) {
        uint64_t counted = used > i * per_block ? MIN(per_block, used - i * per_block) : 0;

        table[(start >> q->refblock_bits) + i] = at + i * q->cluster_size;
        r = write_block(q, at + i * q->cluster_size, 0, counted);
    }
    return r;
}

static int write_growth(Qcow2 *q, const Growth *g, uint64_t *table)
{
    uint8_t *image = g_malloc(8 * g->entries), fields[12];
    uint64_t at = (g->start + g->blocks) << q->h.cluster_bits;
    int r = write_blocks(q, table, g->start, g->blocks, g->blocks + g->table);

    for (uint64_t i = 0; i < g->entries; i++) {
        qcow2_put64(image + 8 * i, table[i]);
    }
    r = r < 0 ? r : block_file_write(q->file, at, image, 8 * g->entries);
    r = r < 0 ? r : block_file_sync(q->file);
    qcow2_put64(fields, at);
    qcow2_put32(fields + 8, (uint32_t)g->table);
    r = r < 0 ? r : block_file_write(q->file, QCOW2_AT_REFTABLE, fields, sizeof(fields));
    r = r < 0 ? r : block_file_sync(q->file);
    g_free(image);
    return r;
}

static int grow_table(Qcow2 *q, uint64_t least)
{
    Growth g = plan_growth(q, least);
    uint64_t *table, start = g.start << q->h.cluster_bits;
    uint64_t old = q->h.refcount_table_offset, old_clusters = q->h.refcount_table_clusters;
    int r;

    if (g.table * q->cluster_size > MAX(QCOW2_MAX_REFTABLE, q->cluster_size)) {
        return -EFBIG;
    }
    table = g_malloc0_n(g.entries, 8);
    memcpy(table, q->refcount_table, 8 * q->refcount_entries);
    r = write_growth(q, &g, table);
    if (r < 0) {
        g_free(table);
        return r;
    }
    g_array_set_size(q->refcount_dirty, 0);
    g_free(q->refcount_table);
    q->refcount_table = table;
    q->refcount_entries = g.entries;
    q->h.refcount_table_offset = start + g.blocks * q->cluster_size;
    q->h.refcount_table_clusters = (uint32_t)g.table;
    q->file_end = MAX(q->file_end, start + (g.blocks + g.table) * q->cluster_size);
    qcow2_owners_set(q, old, old_clusters * q->cluster_size, QCOW2_OWNER_NONE);
    qcow2_owners_set(q, start, g.blocks * q->cluster_size, QCOW2_OWNER_REFCOUNT_BLOCK);
    qcow2_owners_set(q, q->h.refcount_table_offset, 8 * g.entries, QCOW2_OWNER_REFCOUNT_TABLE);
    qcow2_free_locked(q, old, old_clusters);
    return 0;
}

/* Makes the block that counts `cluster`, if there is none; 1: it took clusters for that. */
static int need_block(Qcow2 *q, uint64_t cluster)
{
    uint64_t i = cluster >> q->refblock_bits;
    int r;

    if (i >= q->refcount_entries) {
        r = grow_table(q, i + 1);
    } else if (!(q->refcount_table[i] & QCOW2_REFTABLE_MASK)) {
        r = add_block(q, i);
    } else {
        return 0;
    }
    return r < 0 ? r : 1;
}

/* ---- allocation ---- */

/* As long a run as a refcount block counts, or longer: behind everything, where no cluster is counted
 * yet, the blocks first.  1: the table was made larger for it, look again. */
static int take_long_run(Qcow2 *q, uint64_t clusters, uint64_t *first)
{
    uint64_t blocks = blocks_for(q, clusters), i = q->refcount_entries, start, end;
    int r;

    while (i > 0 && !(q->refcount_table[i - 1] & QCOW2_REFTABLE_MASK)) {
        i--;
    }
    i = MAX(i, ((q->file_end >> q->h.cluster_bits) >> q->refblock_bits) + 1);
    start = i << q->refblock_bits;
    end = start + blocks + clusters;
    if (end > QCOW2_OFFSET_MOST >> q->h.cluster_bits) {
        return -ENOSPC;
    }
    if (i + blocks > q->refcount_entries) {
        r = grow_table(q, i + blocks);
        return r < 0 ? r : 1;
    }
    r = write_blocks(q, q->refcount_table, start, blocks, blocks + clusters);
    if (r < 0) {
        memset(q->refcount_table + i, 0, 8 * blocks);
        return r;
    }
    for (uint64_t k = i; k < i + blocks; k++) {
        g_array_append_val(q->refcount_dirty, k);
    }
    qcow2_owners_set(q, start << q->h.cluster_bits, blocks << q->h.cluster_bits,
                     QCOW2_OWNER_REFCOUNT_BLOCK);
    *first = start + blocks;
    return 0;
}

/* How many refcounts from `cluster` on are 0 (*free) or are not, at most `most`. */
static int scan(Qcow2 *q, uint64_t cluster, uint64_t most, bool *is_free, uint64_t *n)
{
    Part part;
    uint64_t count = 0;
    int r = find_part(q, cluster, &part);

    if (r < 0) {
        return r;
    }
    most = MIN(most, part.left);
    *is_free = !part.data || !qcow2_refcount_load(part.data, q->h.refcount_order, part.index);
    if (!part.data) {
        count = most;
    }
    while (count < most &&
           *is_free == !qcow2_refcount_load(part.data, q->h.refcount_order, part.index + count)) {
        count++;
    }
    *n = count;
    return 0;
}

/* The first run of at least `min` free clusters from the hint on. */
static int find_run(Qcow2 *q, uint64_t want, uint64_t min, uint64_t *first, uint64_t *n)
{
    uint64_t at = q->free_hint, start = at, run = 0;
    bool seen_free = false;

    for (;;) {
        bool is_free;
        uint64_t count;
        int r = scan(q, at, MAX(want - run, 1u << 12), &is_free, &count);

        if (r < 0) {
            return r;
        }
        if (is_free && !seen_free) {
            q->free_hint = at;
            seen_free = true;
        }
        if (!is_free && run >= min) {
            break;
        }
        start = !is_free ? at + count : start;
        run = is_free ? run + count : 0;
        at += count;
        if (run >= want) {
            break;
        }
        if (at >= QCOW2_OFFSET_MOST >> q->h.cluster_bits) {
            return -ENOSPC;
        }
    }
    *first = start;
    *n = MIN(run, want);
    return 0;
}

/* 1: what was found was used for refcount blocks instead, look again. */
static int take_run(Qcow2 *q, uint64_t first, uint64_t n)
{
    for (uint64_t c = first; c < first + n;) {
        int r = need_block(q, c);

        if (r != 0) {
            return r;
        }
        c = ((c >> q->refblock_bits) + 1) << q->refblock_bits;
    }
    for (uint64_t i = 0; i < n; i++) {
        int r = qcow2_refcount_add_locked(q, first + i, 1);

        if (r < 0) {
            qcow2_unalloc_locked(q, first << q->h.cluster_bits, i);
            return r;
        }
    }
    return 0;
}

int qcow2_alloc_locked(Qcow2 *q, uint64_t want, uint64_t min, uint64_t *offset, uint64_t *got,
                       bool *fresh)
{
    /* A new refcount block is the first cluster of those that it counts. */
    bool is_long = min >= UINT64_C(1) << q->refblock_bits;
    uint64_t first = 0, n = min, end;
    int r;

    do {
        r = q->failed ? -EIO : is_long ? take_long_run(q, min, &first) : find_run(q, want, min, &first, &n);
        if (r == 0 && !is_long) {
            r = qcow2_owners_check(q, first << q->h.cluster_bits, n << q->h.cluster_bits);
            r = r < 0 ? r : take_run(q, first, n);
        }
    } while (r == 1);
    if (r < 0) {
        return r;
    }
    if (first == q->free_hint) {
        q->free_hint = first + n;
    }
    end = (first + n) << q->h.cluster_bits;
    *offset = first << q->h.cluster_bits;
    *got = n;
    *fresh = *offset >= q->file_end;
    q->file_end = MAX(q->file_end, end);
    return 0;
}

void qcow2_unalloc_locked(Qcow2 *q, uint64_t offset, uint64_t clusters)
{
    uint64_t first = offset >> q->h.cluster_bits;

    for (uint64_t i = 0; i < clusters; i++) {
        /* A failure leaves a leak, no more. */
        if (qcow2_refcount_add_locked(q, first + i, -1) == 0) {
            q->free_hint = MIN(q->free_hint, first + i);
        }
    }
}

void qcow2_free_locked(Qcow2 *q, uint64_t offset, uint64_t clusters)
{
    Qcow2Free f = { offset >> q->h.cluster_bits, clusters };
    Qcow2Free *last = q->frees->len ? &g_array_index(q->frees, Qcow2Free, q->frees->len - 1) : NULL;

    q->frees_clusters += clusters;
    if (last && last->first + last->count == f.first) {
        last->count += clusters;
    } else {
        g_array_append_val(q->frees, f);
    }
}

void qcow2_free_entry_locked(Qcow2 *q, uint64_t descriptor)
{
    uint64_t host;
    uint32_t bytes;

    if (descriptor & QCOW2_COMPRESSED_FLAG) {
        qcow2_compressed_place(q, descriptor, &host, &bytes);
        qcow2_free_locked(q, host & ~(uint64_t)(q->cluster_size - 1),
                          ((host + bytes - 1) >> q->h.cluster_bits) -
                              (host >> q->h.cluster_bits) + 1);
    } else if (descriptor & QCOW2_OFFSET_MASK) {
        qcow2_free_locked(q, descriptor & QCOW2_OFFSET_MASK, 1);
    }
}
