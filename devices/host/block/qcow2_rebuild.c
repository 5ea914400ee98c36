/* SPDX-License-Identifier: Apache-2.0 */
/* Refcounts made anew from what was counted, in a place that nothing can be using. */
#include <errno.h>
#include <string.h>

#include "devices/host/block/qcow2_check.h"

/* Whether block i would count anything. */
static bool block_used(const Qcow2Count *c, uint64_t i)
{
    uint64_t first = i << c->q->refblock_bits, end = (i + 1) << c->q->refblock_bits;

    for (uint64_t cluster = first; cluster < end;) {
        uint64_t chunk = cluster / COUNT_CHUNK, stop = MIN(end, (chunk + 1) * COUNT_CHUNK);

        if (chunk >= c->n_chunks) {
            return false;
        }
        for (; c->chunks[chunk] && cluster < stop; cluster++) {
            if (c->chunks[chunk][cluster % COUNT_CHUNK]) {
                return true;
            }
        }
        cluster = stop;
    }
    return false;
}

/* Marks clusters for the table and the blocks behind the file until they count themselves; the
 * blocks that are needed are *blocks. */
static int reserve(Qcow2Count *c, uint64_t *table_clusters, GArray *blocks)
{
    uint64_t per_cluster = c->q->cluster_size / 8, reserved = 0;

    for (;;) {
        uint64_t last = (c->clusters + reserved) >> c->q->refblock_bits, needed;

        g_array_set_size(blocks, 0);
        *table_clusters = last / per_cluster + 1;
        if (*table_clusters * c->q->cluster_size > MAX(QCOW2_MAX_REFTABLE, c->q->cluster_size)) {
            return -EFBIG;
        }
        for (uint64_t i = 0; i <= last; i++) {
            if (block_used(c, i)) {
                g_array_append_val(blocks, i);
            }
        }
        needed = *table_clusters + blocks->len;
        if (needed <= reserved) {
            return 0;
        }
        for (; reserved < needed; reserved++) {
            qcow2_count_set(c, c->clusters + reserved, 1);
        }
    }
}

static int write_block(const Qcow2Count *c, uint64_t i, uint64_t offset)
{
    const Qcow2 *q = c->q;
    uint8_t *block = g_malloc0(q->cluster_size);
    int r = 0;

    for (uint64_t k = 0; r == 0 && k < UINT64_C(1) << q->refblock_bits; k++) {
        uint64_t value = qcow2_count_get(c, (i << q->refblock_bits) + k);

        r = value > q->refcount_max ? -ERANGE : 0;
        qcow2_refcount_store(block, q->h.refcount_order, k, value);
    }
    r = r < 0 ? r : block_file_write(q->file, offset, block, q->cluster_size);
    g_free(block);
    return r;
}

static int write_all(const Qcow2Count *c, uint64_t table_clusters, const GArray *blocks)
{
    const Qcow2 *q = c->q;
    uint64_t start = c->clusters << q->h.cluster_bits, bytes = table_clusters << q->h.cluster_bits;
    uint8_t *table = g_malloc0(bytes), fields[12];
    int r = 0;

    for (guint k = 0; r == 0 && k < blocks->len; k++) {
        uint64_t i = g_array_index(blocks, uint64_t, k), at = start + bytes + k * q->cluster_size;

        qcow2_put64(table + 8 * i, at);
        r = write_block(c, i, at);
    }
    r = r < 0 ? r : block_file_write(q->file, start, table, bytes);
    r = r < 0 ? r : block_file_sync(q->file);
    qcow2_put64(fields, start);
    qcow2_put32(fields + 8, (uint32_t)table_clusters);
    r = r < 0 ? r : block_file_write(q->file, QCOW2_AT_REFTABLE, fields, sizeof(fields));
    g_free(table);
    return r < 0 ? r : block_file_sync(q->file);
}

int qcow2_rebuild(Qcow2Count *c)
{
    GArray *blocks = g_array_new(FALSE, FALSE, sizeof(uint64_t));
    uint64_t table_clusters;
    int r = reserve(c, &table_clusters, blocks);

    r = r < 0 ? r : write_all(c, table_clusters, blocks);
    if (r == 0) {
        c->q->h.refcount_table_offset = c->clusters << c->q->h.cluster_bits;
        c->q->h.refcount_table_clusters = (uint32_t)table_clusters;
    }
    g_array_free(blocks, TRUE);
    return r;
}
