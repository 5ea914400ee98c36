/* SPDX-License-Identifier: Apache-2.0 */
/* `ketch image check`: refcounts against references, flags against refcounts; repairs of both. */
#include "devices/host/block/qcow2_check.h"

#include <errno.h>

typedef struct Check {
    Qcow2Count count;
    ImageRepair repair;
    ImageCheck *result;
    bool rebuild; /* refcounts cannot be corrected where they are */
} Check;

/* ---- refcounts ---- */

static bool has_block(const Qcow2 *q, uint64_t cluster)
{
    uint64_t i = cluster >> q->refblock_bits;

    return i < q->refcount_entries && q->refcount_table[i] & QCOW2_REFTABLE_MASK;
}

static int compare_cluster(Check *k, uint64_t cluster)
{
    Qcow2 *q = k->count.q;
    uint64_t want = qcow2_count_get(&k->count, cluster), have = 0;
    bool leak, fix;
    int r = qcow2_refcount_get_locked(q, cluster, &have);

    if (r < 0) {
        return r;
    }
    if (have) {
        k->result->image_end_offset =
            MAX(k->result->image_end_offset, (cluster + 1) << q->h.cluster_bits);
    }
    if (have == want) {
        return 0;
    }
    leak = have > want;
    fix = leak ? k->repair != IMAGE_REPAIR_NONE : k->repair == IMAGE_REPAIR_ALL;
    qcow2_count_say(&k->count, "%s cluster %" G_GUINT64_FORMAT " refcount=%" G_GUINT64_FORMAT
                    " reference=%" G_GUINT64_FORMAT,
                    fix ? "Repairing" : leak ? "Leaked" : "ERROR", cluster, have, want);
    *(leak ? &k->result->leaks : &k->result->corruptions) += 1;
    if (fix && !has_block(q, cluster)) {
        k->rebuild = true;
    } else if (fix) {
        r = qcow2_refcount_set_locked(q, cluster, want);
        *(leak ? &k->result->leaks_fixed : &k->result->corruptions_fixed) += r == 0;
    }
    return r;
}

/* Every cluster that is counted, or has a block of refcounts. */
static int compare_refcounts(Check *k)
{
    Qcow2 *q = k->count.q;
    uint64_t last = MAX(q->refcount_entries << q->refblock_bits, k->count.n_chunks * COUNT_CHUNK);
    int r = 0;

    for (uint64_t c = 0; r == 0 && c < last;) {
        uint64_t chunk_end = (c / COUNT_CHUNK + 1) * COUNT_CHUNK;
        uint64_t block_end = ((c >> q->refblock_bits) + 1) << q->refblock_bits;
        uint64_t end = MIN(chunk_end, block_end);
        bool behind = c / COUNT_CHUNK >= k->count.n_chunks;

        if (!has_block(q, c) && (behind || !k->count.chunks[c / COUNT_CHUNK])) {
            c = behind ? block_end : end;
            continue;
        }
        for (; r == 0 && c < end; c++) {
            r = compare_cluster(k, c);
        }
    }
    return r;
}

/* ---- flags ---- */

static bool flag_is_wrong(Check *k, uint64_t value, uint64_t offset, const char *what)
{
    uint64_t n = qcow2_count_get(&k->count, offset >> k->count.q->h.cluster_bits);
    bool fix = k->repair == IMAGE_REPAIR_ALL;

    if (!offset || (n == 1) == ((value & QCOW2_COPIED) != 0)) {
        return false;
    }
    qcow2_count_say(&k->count, "%s OFLAG_COPIED %s: entry=%" G_GINT64_MODIFIER "x refcount=%"
                    G_GUINT64_FORMAT, fix ? "Repairing" : "ERROR", what, value, n);
    k->result->corruptions++;
    k->result->corruptions_fixed += fix;
    return fix;
}

static int check_l2_flags(Check *k, uint64_t offset)
{
    Qcow2 *q = k->count.q;
    bool changed = false;
    uint8_t *table;
    int r = qcow2_count_load_l2(&k->count, offset, &table);

    for (uint32_t i = 0; table && i < 1u << q->l2_bits; i++) {
        Qcow2Entry e = qcow2_entry_load(q, table, i);

        if (!(e.descriptor & QCOW2_COMPRESSED_FLAG) &&
            flag_is_wrong(k, e.descriptor, e.descriptor & QCOW2_OFFSET_MASK, "data cluster")) {
            e.descriptor ^= QCOW2_COPIED;
            qcow2_entry_store(q, table, i, e);
            changed = true;
        }
    }
    if (changed) {
        r = block_file_write(q->file, offset, table, q->cluster_size);
    }
    g_free(table);
    return r;
}

static int check_flags(Check *k)
{
    Qcow2 *q = k->count.q;
    int r = 0;

    for (uint32_t i = 0; r == 0 && i < q->h.l1_size; i++) {
        uint64_t table = q->l1[i] & QCOW2_OFFSET_MASK;

        if (!table) {
            continue;
        }
        if (flag_is_wrong(k, q->l1[i], table, "L2 cluster")) {
            uint64_t entry;

            q->l1[i] ^= QCOW2_COPIED;
            qcow2_put64(&entry, q->l1[i]);
            r = block_file_write(q->file, q->h.l1_offset + UINT64_C(8) * i, &entry, 8);
        }
        r = r < 0 ? r : check_l2_flags(k, table);
    }
    return r;
}

/* ---- all ---- */

/* Counts again without the refcounts' own tables, and makes new ones. */
static int rebuild(Check *k)
{
    ImageCheck ignored = { 0 };
    uint64_t wrong = k->result->corruptions - k->result->corruptions_fixed;
    uint64_t before;
    Qcow2Count c;
    int r;

    if (!qcow2_count_init(&c, k->count.q, &ignored)) {
        return -EFBIG;
    }
    r = qcow2_count_tables(&c);
    before = ignored.corruptions; /* of the tables themselves: these stay */
    r = r < 0 ? r : qcow2_rebuild(&c);
    qcow2_count_fini(&c);
    if (r == 0) {
        qcow2_count_say(&k->count, "Repairing: the refcounts are made anew");
        k->result->corruptions_fixed += wrong > before ? wrong - before : 0;
        k->result->leaks_fixed = k->result->leaks;
    }
    return r;
}

static int run(Check *k)
{
    int r = qcow2_count_tables(&k->count);

    r = r < 0 ? r : qcow2_count_refcounts(&k->count);
    if (r < 0) {
        return r;
    }
    if (k->count.broken) {
        k->rebuild = k->repair == IMAGE_REPAIR_ALL;
    } else {
        r = compare_refcounts(k);
    }
    if (r == 0 && k->rebuild) {
        r = rebuild(k);
    }
    r = r < 0 || k->repair == IMAGE_REPAIR_NONE ? r : qcow2_cache_write(k->count.q->refcount_cache);
    return r < 0 ? r : check_flags(k);
}

/* What is in memory is read again after a repair. */
static int finish(Qcow2 *q, const ImageCheck *result)
{
    GError *error = NULL;
    int r = block_file_sync(q->file);

    qcow2_cache_drop_all(q->l2_cache);
    qcow2_cache_drop_all(q->refcount_cache);
    if (r == 0 && result->corruptions == result->corruptions_fixed) {
        r = qcow2_set_incompatible(q, 0, QCOW2_DIRTY | QCOW2_CORRUPT);
    }
    if (r == 0 && (!qcow2_load_tables(q, &error) ||
                   (q->owners && !qcow2_owners_build(q, &error)))) {
        g_clear_error(&error);
        r = -EIO;
    }
    return r;
}

int qcow2_check(Block *b, ImageRepair repair, ImageCheck *result)
{
    Qcow2 *q = b->state;
    Check k = { .repair = repair, .result = result };
    int r;

    qcow2_exclusive_begin(q);
    r = b->read_only ? 0 : qcow2_flush_exclusive(q);
    if (r == 0 && !q->refcount_table) {
        r = -EINVAL; /* opened neither for writing nor for this */
    } else if (r == 0 && !qcow2_count_init(&k.count, q, result)) {
        r = -EFBIG;
    }
    if (r == 0) {
        result->total_clusters = qcow2_clusters(q, q->h.size);
        pthread_mutex_lock(&q->meta);
        r = run(&k);
        r = r < 0 || repair == IMAGE_REPAIR_NONE ? r : finish(q, result);
        pthread_mutex_unlock(&q->meta);
        qcow2_count_fini(&k.count);
    }
    qcow2_exclusive_end(q);
    return r;
}
