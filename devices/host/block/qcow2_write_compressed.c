/* SPDX-License-Identifier: Apache-2.0 */
/* Compressed clusters are put one after the other, across the borders of clusters of the file. */
#include <errno.h>

#include "devices/host/block/qcow2.h"

/* Behind the last one, if there is room and its cluster may have another reference; else at the
 * start of a new cluster. */
static int place_locked(Qcow2 *q, size_t bytes, uint64_t *at)
{
    uint64_t next = q->compress_next, mask = q->cluster_size - 1, got, cluster;
    uint64_t left = next & mask ? q->cluster_size - (next & mask) : 0;
    bool fresh;
    int r = -ERANGE;

    if (left >= bytes) {
        r = qcow2_refcount_add_locked(q, next >> q->h.cluster_bits, 1);
        *at = next;
    }
    if (r == -ERANGE) {
        r = qcow2_alloc_locked(q, 1, 1, &cluster, &got, &fresh);
        *at = cluster;
        if (r == 0 && left > 0 && left < bytes && cluster == next + left &&
            qcow2_refcount_add_locked(q, next >> q->h.cluster_bits, 1) == 0) {
            *at = next;
        }
    }
    if (r == 0) {
        q->compress_next = (*at + bytes) & mask ? *at + bytes : 0;
    }
    return r;
}

static int link_locked(Qcow2 *q, uint64_t cluster, uint64_t at, size_t bytes)
{
    unsigned offset_bits = 62 - (q->h.cluster_bits - 8), index, left;
    uint64_t sectors = ((at + bytes - 1) >> 9) - (at >> 9);
    Qcow2Entry e = { QCOW2_COMPRESSED_FLAG | sectors << offset_bits | at, 0 };
    uint8_t *slice;
    int r = qcow2_slice_locked(q, cluster, true, &slice, &index, &left);

    if (r == 0) {
        qcow2_free_entry_locked(q, qcow2_entry_load(q, slice, index).descriptor);
        qcow2_entry_store(q, slice, index, e);
    }
    return r;
}

int qcow2_write_compressed(Block *b, uint64_t offset, const void *data, size_t compressed)
{
    Qcow2 *q = b->state;
    uint64_t cluster = offset >> q->h.cluster_bits, at;
    Qcow2Writer writer = { cluster, cluster, NULL };
    int r;

    if (offset & (q->cluster_size - 1) || offset >= q->h.size || compressed == 0 ||
        compressed >= q->cluster_size) {
        return -EINVAL;
    }
    pthread_rwlock_rdlock(&q->io);
    pthread_mutex_lock(&q->meta);
    qcow2_wait_locked(q, cluster, cluster);
    qcow2_enter_locked(q, &writer);
    r = q->failed ? -EIO : place_locked(q, compressed, &at);
    if (r == 0 && (at + compressed) >> (62 - (q->h.cluster_bits - 8))) {
        r = -EFBIG;
    }
    pthread_mutex_unlock(&q->meta);
    r = r < 0 ? r : block_file_write(q->file, at, data, compressed);
    pthread_mutex_lock(&q->meta);
    r = r < 0 ? r : link_locked(q, cluster, at, compressed);
    qcow2_leave_locked(q, &writer);
    pthread_mutex_unlock(&q->meta);
    pthread_rwlock_unlock(&q->io);
    return r;
}
