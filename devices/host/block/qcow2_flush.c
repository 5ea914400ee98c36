/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Making changes durable, in the order that keeps the image consistent:
 *
 *   1. refcounts are written (a sync first when the refcount table gets new blocks), L2 slices
 *      that are dirty are frozen; sync: data, refcounts and new (empty or copied) tables are durable
 *   2. the frozen slices and changed L1 entries are written; sync: what refers to them is
 *   3. the references that this dropped no longer count; their clusters may be used again
 *
 * `meta` is not held during the syncs.
 */
#include <errno.h>

#include "devices/host/block/qcow2.h"

enum { FREES_MOST = 1 << 16 };

static int write_l1_locked(Qcow2 *q, const GArray *indices)
{
    int r = 0;

    for (unsigned i = 0; i < indices->len && r == 0; i++) {
        uint32_t index = g_array_index(indices, uint32_t, i);
        uint64_t entry;

        qcow2_put64(&entry, q->l1[index]);
        r = block_file_write(q->file, q->h.l1_offset + UINT64_C(8) * index, &entry, 8);
    }
    return r;
}

/* Every cluster that is in use ends up inside of the file.  Requests in flight write below
 * file_end, so nothing of theirs is cut off. */
static int extend_file_locked(Qcow2 *q)
{
    uint64_t size;
    int r = q->failed ? -EIO : block_file_size(q->file, &size);

    return r < 0 || size >= q->file_end ? r : block_file_truncate(q->file, q->file_end);
}

int qcow2_write_back_locked(void *qcow2)
{
    Qcow2 *q = qcow2;
    int r = extend_file_locked(q);

    r = r < 0 ? r : qcow2_write_refcounts_locked(q);
    if (r < 0 || qcow2_cache_dirty_count(q->l2_cache) == 0) {
        return r;
    }
    r = block_file_sync(q->file);
    return r < 0 ? r : qcow2_cache_write(q->l2_cache);
}

static void give_back(Qcow2 *q, uint64_t first, uint64_t n)
{
    if (n > 0 && q->block->discard) {
        int r = block_file_punch(q->file, first << q->h.cluster_bits, n << q->h.cluster_bits);

        (void)r; /* it was only a wish */
    }
}

/* `io` is held exclusively: no request still uses the clusters. */
static int apply_free_locked(Qcow2 *q, Qcow2Free f)
{
    uint64_t run = 0;

    for (uint64_t c = f.first; c < f.first + f.count; c++) {
        uint64_t left;
        int r = qcow2_refcount_add_locked(q, c, -1);

        r = r < 0 ? r : qcow2_refcount_get_locked(q, c, &left);
        if (r < 0) {
            return r;
        }
        if (left == 0) {
            q->free_hint = MIN(q->free_hint, c);
            run++;
        } else {
            give_back(q, c - run, run);
            run = 0;
        }
    }
    give_back(q, f.first + f.count - run, run);
    return 0;
}

static int apply_frees_locked(Qcow2 *q, const GArray *frees)
{
    int r = 0;

    for (unsigned i = 0; i < frees->len && r == 0; i++) {
        r = apply_free_locked(q, g_array_index(frees, Qcow2Free, i));
    }
    q->compress_next = 0;
    qcow2_inflated_clear(q);
    return r;
}

/* What one flush makes durable. */
typedef struct Batch {
    GArray *l1, *frees;
    bool tables;
} Batch;

static int begin_locked(Qcow2 *q, Batch *batch)
{
    int r = extend_file_locked(q);

    r = r < 0 ? r : qcow2_write_refcounts_locked(q);
    batch->l1 = q->l1_dirty;
    batch->frees = q->frees;
    batch->tables = qcow2_cache_dirty_count(q->l2_cache) || q->l1_dirty->len;
    q->l1_dirty = g_array_new(FALSE, FALSE, sizeof(uint32_t));
    q->frees = g_array_new(FALSE, FALSE, sizeof(Qcow2Free));
    q->frees_clusters = 0;
    qcow2_cache_freeze(q->l2_cache);
    return r;
}

/* The second half; `r`: how the sync between the two went.  What failed stays to be done. */
static int finish_locked(Qcow2 *q, Batch *batch, int r)
{
    int thawed = qcow2_cache_thaw(q->l2_cache, r == 0);

    r = r < 0 ? r : thawed;
    r = r < 0 ? r : write_l1_locked(q, batch->l1);
    if (r < 0) {
        g_array_append_vals(q->l1_dirty, batch->l1->data, batch->l1->len);
    }
    pthread_cond_broadcast(&q->changed);
    return r;
}

/* Without `meta`; with `io` if it is exclusive. */
static int end(Qcow2 *q, Batch *batch, int r, bool exclusive)
{
    bool apply = r == 0 && batch->frees->len;

    if (apply && !exclusive) {
        pthread_rwlock_wrlock(&q->io);
    }
    pthread_mutex_lock(&q->meta);
    if (apply) {
        r = apply_frees_locked(q, batch->frees);
    } else {
        g_array_append_vals(q->frees, batch->frees->data, batch->frees->len);
    }
    pthread_mutex_unlock(&q->meta);
    if (apply && !exclusive) {
        pthread_rwlock_unlock(&q->io);
    }
    g_array_free(batch->l1, TRUE);
    g_array_free(batch->frees, TRUE);
    return r;
}

/* `flushing` is held. */
static int flush(Qcow2 *q, bool exclusive)
{
    Batch batch;
    int r;

    pthread_mutex_lock(&q->meta);
    r = begin_locked(q, &batch);
    pthread_mutex_unlock(&q->meta);
    r = r < 0 ? r : block_file_sync(q->file);
    pthread_mutex_lock(&q->meta);
    r = finish_locked(q, &batch, r);
    pthread_mutex_unlock(&q->meta);
    if (r == 0 && batch.tables) {
        r = block_file_sync(q->file);
    }
    return end(q, &batch, r, exclusive);
}

int qcow2_flush(Qcow2 *q)
{
    int r;

    pthread_mutex_lock(&q->flushing);
    r = flush(q, false);
    pthread_mutex_unlock(&q->flushing);
    return r;
}

void qcow2_exclusive_begin(Qcow2 *q)
{
    pthread_mutex_lock(&q->flushing);
    pthread_rwlock_wrlock(&q->io);
}

void qcow2_exclusive_end(Qcow2 *q)
{
    pthread_rwlock_unlock(&q->io);
    pthread_mutex_unlock(&q->flushing);
}

/* Twice: the first drops references, the second makes that durable. */
int qcow2_flush_exclusive(Qcow2 *q)
{
    int r = flush(q, true);

    return r < 0 ? r : flush(q, true);
}

int qcow2_relieve(Qcow2 *q)
{
    bool full;

    pthread_mutex_lock(&q->meta);
    full = q->frees_clusters > FREES_MOST;
    pthread_mutex_unlock(&q->meta);
    return full ? qcow2_flush(q) : 0;
}
