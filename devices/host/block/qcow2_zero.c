/* SPDX-License-Identifier: Apache-2.0 */
/* Ranges that become zeros or are given up: entries change, no data moves. */
#include <errno.h>

#include "base/bits.h"
#include "devices/host/block/qcow2.h"

typedef enum Mode {
    ZERO_KEEP,  /* reads as zeros, keeps its place */
    ZERO_UNMAP, /* reads as zeros, gives its place up */
    DISCARD,    /* gives its place up; zeros rather than what a backing file has */
    DROP,       /* as if never written */
} Mode;

enum { ALL_ZERO_SHIFT = 32 };

static bool has_backing(const Qcow2 *q)
{
    return q->block->backing_path != NULL;
}

static Qcow2Entry zero_entry(const Qcow2 *q, uint64_t place)
{
    bool extended = q->entry_bytes == 16;

    return (Qcow2Entry){ place | (extended ? 0 : QCOW2_ZERO_FLAG),
                         extended ? (uint64_t)UINT32_MAX << ALL_ZERO_SHIFT : 0 };
}

/* What becomes of an entry.  Version 2 has no zero flag: there nothing comes here that would have
 * to hide a backing file. */
static Qcow2Entry changed(const Qcow2 *q, Qcow2Entry e, Mode mode)
{
    const Qcow2Entry nothing = { 0, 0 };
    bool empty = !(e.descriptor & (QCOW2_OFFSET_MASK | QCOW2_COMPRESSED_FLAG));
    bool own = !(e.descriptor & QCOW2_COMPRESSED_FLAG) && (e.descriptor & QCOW2_COPIED);

    if (mode == DROP || q->h.version < 3 || (!has_backing(q) && (empty || mode != ZERO_KEEP))) {
        return nothing;
    }
    if (mode == ZERO_KEEP && own) {
        return zero_entry(q, e.descriptor & (QCOW2_OFFSET_MASK | QCOW2_COPIED));
    }
    return has_backing(q) ? zero_entry(q, 0) : nothing;
}

static void change_entry(Qcow2 *q, uint8_t *slice, unsigned i, Mode mode)
{
    Qcow2Entry e = qcow2_entry_load(q, slice, i), to = changed(q, e, mode);

    if (e.descriptor == to.descriptor && e.bitmap == to.bitmap) {
        return;
    }
    qcow2_entry_store(q, slice, i, to);
    if (!(to.descriptor & QCOW2_OFFSET_MASK)) {
        qcow2_free_entry_locked(q, e.descriptor);
    }
}

/* As many clusters from `first` as one slice has and no writer is at. */
static int change_some(Qcow2 *q, uint64_t first, uint64_t most, Mode mode, uint64_t *n)
{
    unsigned index, left;
    uint8_t *slice;
    bool absent_is_right = !has_backing(q) || mode == DROP;
    int r;

    qcow2_wait_locked(q, first, first);
    r = qcow2_slice_locked(q, first, false, &slice, &index, &left);
    *n = MIN(most, left);
    if (r < 0 || (!slice && absent_is_right)) {
        return r;
    }
    r = qcow2_slice_locked(q, first, true, &slice, &index, &left);
    if (r < 0) {
        return r;
    }
    /* That may have let go of the lock: look for writers again, from the first on. */
    for (unsigned i = 0; i < *n; i++) {
        if (qcow2_busy_locked(q, first + i)) {
            *n = i;
            return 0;
        }
        r = qcow2_entry_check(q, qcow2_entry_load(q, slice, index + i), first + i);
        if (r < 0) {
            return r;
        }
        change_entry(q, slice, index + i, mode);
    }
    return 0;
}

static int change_range(Qcow2 *q, uint64_t first, uint64_t clusters, Mode mode)
{
    int r = 0;

    while (clusters > 0 && r == 0) {
        uint64_t n = 0;

        pthread_mutex_lock(&q->meta);
        r = q->failed ? -EIO : change_some(q, first, clusters, mode, &n);
        pthread_mutex_unlock(&q->meta);
        first += n;
        clusters -= n;
    }
    return r;
}

int qcow2_drop_range(Qcow2 *q, uint64_t first, uint64_t clusters)
{
    return change_range(q, first, clusters, DROP);
}

/* The whole clusters of a range; the end of the disk is the end of a cluster. */
static bool whole_clusters(const Qcow2 *q, uint64_t offset, uint64_t bytes, uint64_t *first,
                           uint64_t *n)
{
    uint64_t end = offset + bytes, last;

    *first = qcow2_clusters(q, offset);
    last = end == q->h.size ? qcow2_clusters(q, end) : end >> q->h.cluster_bits;
    *n = last > *first ? last - *first : 0;
    return *n > 0;
}

int qcow2_discard(Block *b, uint64_t offset, uint64_t bytes)
{
    Qcow2 *q = b->state;
    uint64_t first, n;
    int r = qcow2_relieve(q);

    if (r < 0 || (q->h.version < 3 && has_backing(q))) {
        return r; /* dropping a cluster would show the backing file's */
    }
    pthread_rwlock_rdlock(&q->io);
    if (whole_clusters(q, offset, bytes, &first, &n)) {
        r = change_range(q, first, n, DISCARD);
    }
    pthread_rwlock_unlock(&q->io);
    return r;
}

/* ---- write zeroes ---- */

/* Whether the range reads as zeros already, as far as the tables say. */
static int known_zero(Qcow2 *q, uint64_t offset, uint64_t bytes, bool *zero)
{
    Qcow2Run run;
    int r;

    pthread_mutex_lock(&q->meta);
    r = qcow2_map_locked(q, offset, bytes, &run);
    pthread_mutex_unlock(&q->meta);
    if (r == 0) {
        *zero = run.length == bytes && (run.type == QCOW2_ZERO ||
                                        (run.type == QCOW2_UNALLOCATED && !has_backing(q)));
    }
    return r;
}

/* Zeros that are written: parts of clusters, and what version 2 has no flag for. */
static int write_zeros(Qcow2 *q, uint64_t offset, uint64_t bytes)
{
    size_t room = (size_t)MIN(bytes, MAX(q->cluster_size, 1u << 20));
    void *zeros = NULL;
    int r = 0;

    while (bytes > 0 && r == 0) {
        uint64_t n = MIN(bytes, room);
        bool zero = false;

        r = known_zero(q, offset, n, &zero);
        if (r == 0 && !zero) {
            struct iovec iov = { zeros ? zeros : (zeros = g_malloc0(room)), n };

            r = qcow2_write_range(q, offset, n, &iov, 1);
        }
        offset += n;
        bytes -= n;
    }
    g_free(zeros);
    return r;
}

int qcow2_write_zeroes(Block *b, uint64_t offset, uint64_t bytes, bool may_unmap)
{
    Qcow2 *q = b->state;
    uint64_t first, n, start, end;
    int r = qcow2_relieve(q);

    if (r < 0) {
        return r;
    }
    pthread_rwlock_rdlock(&q->io);
    if (!whole_clusters(q, offset, bytes, &first, &n) || (q->h.version < 3 && has_backing(q))) {
        r = write_zeros(q, offset, bytes);
    } else {
        start = first << q->h.cluster_bits;
        end = MIN((first + n) << q->h.cluster_bits, offset + bytes);
        r = write_zeros(q, offset, start - offset);
        r = r < 0 ? r : change_range(q, first, n, may_unmap ? ZERO_UNMAP : ZERO_KEEP);
        r = r < 0 ? r : write_zeros(q, end, offset + bytes - end);
    }
    pthread_rwlock_unlock(&q->io);
    return r;
}
