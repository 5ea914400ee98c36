/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Writing.  A range is cut into steps: clusters that are this disk's alone are written in place;
 * others get a new place, together with what the step does not write of them (copy on write).  The
 * L2 entries change when the data is in the file.
 */
#include <errno.h>
#include <string.h>

#include "base/bits.h"
#include "devices/host/block/qcow2.h"

/* One step, for guest bytes [offset, offset + bytes). */
typedef struct Step {
    uint64_t offset, bytes;
    uint64_t host;          /* of `offset` */
    bool in_place;          /* nothing but the data changes */
    bool moved;             /* the clusters are new ones */
    bool fresh;             /* and read as zeros */
    uint64_t from, to;      /* guest range that is written: the step, and what is copied around it */
    bool whole_first, whole_last; /* all of that cluster is copied, not single subclusters */
    Qcow2Writer writer;
} Step;

/* ---- who is writing ---- */

static bool busy(const Qcow2 *q, uint64_t first, uint64_t last)
{
    for (const Qcow2Writer *w = q->writers; w; w = w->next) {
        if (first <= w->last && w->first <= last) {
            return true;
        }
    }
    return false;
}

bool qcow2_busy_locked(const Qcow2 *q, uint64_t cluster)
{
    return busy(q, cluster, cluster);
}

void qcow2_wait_locked(Qcow2 *q, uint64_t first, uint64_t last)
{
    while (busy(q, first, last)) {
        pthread_cond_wait(&q->changed, &q->meta);
    }
}

void qcow2_enter_locked(Qcow2 *q, Qcow2Writer *w)
{
    w->next = q->writers;
    q->writers = w;
}

void qcow2_leave_locked(Qcow2 *q, Qcow2Writer *w)
{
    Qcow2Writer **at = &q->writers;

    while (*at != w) {
        at = &(*at)->next;
    }
    *at = w->next;
    pthread_cond_broadcast(&q->changed);
}

/* ---- planning ---- */

/* A cluster that is this disk's alone: it may be written where it is. */
static bool owned(Qcow2Entry e)
{
    return !(e.descriptor & QCOW2_COMPRESSED_FLAG) && (e.descriptor & QCOW2_COPIED) &&
           (e.descriptor & QCOW2_OFFSET_MASK);
}

/* Whether [from, to) of the cluster is data already. */
static bool all_data(const Qcow2 *q, Qcow2Entry e, uint64_t from, uint64_t to)
{
    for (uint64_t sub = from >> q->sub_bits; sub <= (to - 1) >> q->sub_bits; sub++) {
        if (qcow2_entry_type(q, e, (unsigned)sub) != QCOW2_DATA) {
            return false;
        }
    }
    return true;
}

static bool has_data(const Qcow2 *q, Qcow2Entry e)
{
    return e.descriptor & QCOW2_COMPRESSED_FLAG ||
           (q->entry_bytes == 16 ? (uint32_t)e.bitmap != 0
                                 : qcow2_entry_type(q, e, 0) == QCOW2_DATA);
}

typedef enum Way {
    IN_PLACE,
    REUSE, /* the cluster has its place, the bytes are not data there yet */
    MOVE,
} Way;

static Way way_of(const Qcow2 *q, Qcow2Entry e, uint64_t from, uint64_t to)
{
    return !owned(e) ? MOVE : all_data(q, e, from, to) ? IN_PLACE : REUSE;
}

/* How many clusters from the first go the same way, in a row on the host when they are in place. */
static int count_alike(Qcow2 *q, const Step *s, Way way, Qcow2Entry first, uint64_t *n)
{
    uint64_t cluster = s->offset >> q->h.cluster_bits, end = s->offset + s->bytes;
    uint64_t last = (end - 1) >> q->h.cluster_bits, at = cluster;

    while (at <= last) {
        unsigned index, left;
        uint8_t *slice;
        int r = qcow2_slice_locked(q, at, false, &slice, &index, &left);

        for (unsigned i = 0; r == 0 && i < left && at <= last; i++, at++) {
            Qcow2Entry e = slice ? qcow2_entry_load(q, slice, index + i) : (Qcow2Entry){ 0, 0 };
            uint64_t start = at << q->h.cluster_bits, place = at - cluster;
            uint64_t from = MAX(start, s->offset) - start;
            uint64_t to = MIN(start + q->cluster_size, end) - start;

            r = qcow2_entry_check(q, e, at);
            if (r == 0 && (way_of(q, e, from, to) != way || (way == REUSE && place > 0) ||
                           qcow2_busy_locked(q, at) ||
                           (way == IN_PLACE &&
                            (e.descriptor & QCOW2_OFFSET_MASK) !=
                                (first.descriptor & QCOW2_OFFSET_MASK) +
                                    (place << q->h.cluster_bits)))) {
                *n = place;
                return 0;
            }
        }
        if (r < 0) {
            return r;
        }
    }
    *n = at - cluster;
    return 0;
}

static int load_entry(Qcow2 *q, uint64_t cluster, Qcow2Entry *e)
{
    unsigned index, left;
    uint8_t *slice;
    int r = qcow2_slice_locked(q, cluster, false, &slice, &index, &left);

    if (r == 0) {
        *e = slice ? qcow2_entry_load(q, slice, index) : (Qcow2Entry){ 0, 0 };
        r = qcow2_entry_check(q, *e, cluster);
    }
    return r;
}

/* How far the copied part reaches at one end: `at` is where the step begins or ends. */
static uint64_t copy_unit(const Qcow2 *q, Qcow2Entry e, bool moved, bool *whole)
{
    *whole = moved && has_data(q, e);
    return *whole ? q->cluster_size : UINT64_C(1) << q->sub_bits;
}

/* Which bytes around the step are copied along. */
static int plan_copy(Qcow2 *q, Step *s)
{
    uint64_t end = s->offset + s->bytes;
    Qcow2Entry first, last;
    uint64_t unit;
    int r = load_entry(q, s->offset >> q->h.cluster_bits, &first);

    r = r < 0 ? r : load_entry(q, (end - 1) >> q->h.cluster_bits, &last);
    if (r < 0) {
        return r;
    }
    unit = copy_unit(q, first, s->moved, &s->whole_first);
    s->from = bits_align_down(s->offset, unit);
    unit = copy_unit(q, last, s->moved, &s->whole_last);
    s->to = bits_align_up(end, unit);
    if (!s->moved) { /* what is data stays as it is */
        uint64_t mask = q->cluster_size - 1;

        if (all_data(q, first, s->from & mask, (s->from & mask) + 1)) {
            s->from = s->offset;
        }
        if (all_data(q, last, (end - 1) & mask, ((end - 1) & mask) + 1)) {
            s->to = end;
        }
    }
    return 0;
}

static int place_step(Qcow2 *q, Step *s, Way way, Qcow2Entry first, uint64_t n)
{
    uint64_t in_cluster = s->offset & (q->cluster_size - 1), got = n;
    int r;

    s->in_place = way == IN_PLACE;
    s->moved = way == MOVE;
    if (s->moved) {
        r = qcow2_own_table_locked(q, s->offset >> q->h.cluster_bits);
        r = r < 0 ? r : qcow2_alloc_locked(q, n, 1, &s->host, &got, &s->fresh);
    } else {
        s->host = first.descriptor & QCOW2_OFFSET_MASK;
        r = qcow2_owners_check(q, s->host, n << q->h.cluster_bits);
    }
    s->host += in_cluster;
    s->bytes = MIN(s->bytes, (got << q->h.cluster_bits) - in_cluster);
    return r;
}

/* Decides about as much of the step as goes one way. */
static int plan_locked(Qcow2 *q, Step *s)
{
    uint64_t cluster = s->offset >> q->h.cluster_bits, in_cluster = s->offset & (q->cluster_size - 1);
    Qcow2Entry first;
    uint64_t n;
    Way way;
    int r;

    qcow2_wait_locked(q, cluster, cluster);
    r = q->failed ? -EIO : load_entry(q, cluster, &first);
    if (r < 0) {
        return r;
    }
    way = way_of(q, first, in_cluster, MIN(in_cluster + s->bytes, q->cluster_size));
    r = count_alike(q, s, way, first, &n);
    r = r < 0 ? r : place_step(q, s, way, first, n);
    if (r < 0 || s->in_place) {
        return r;
    }
    r = plan_copy(q, s);
    if (r < 0) {
        return r;
    }
    s->writer.first = cluster;
    s->writer.last = (s->offset + s->bytes - 1) >> q->h.cluster_bits;
    qcow2_enter_locked(q, &s->writer);
    return 0;
}

/* ---- the data ---- */

/* The old bytes [from, to), or nothing when they are zeros and the new place reads as zeros. */
static int old_bytes(Qcow2 *q, const Step *s, uint64_t from, uint64_t to, struct iovec *out,
                     int *n)
{
    size_t bytes = (size_t)(to - from);
    struct iovec iov = { NULL, bytes };
    int r;

    if (bytes == 0) {
        return 0;
    }
    iov.iov_base = g_malloc(bytes);
    r = qcow2_read_range(q, from, bytes, &iov, 1);
    if (r < 0 || (s->fresh && block_is_zero(iov.iov_base, bytes))) {
        g_free(iov.iov_base);
        return r;
    }
    out[(*n)++] = iov;
    return 0;
}

static int write_data(Qcow2 *q, const Step *s, const struct iovec *iov, int n)
{
    struct iovec *all = g_new(struct iovec, (size_t)n + 2);
    int before = 0, count;
    uint64_t from;
    int r = old_bytes(q, s, s->from, s->offset, all, &before);

    from = before ? s->from : s->offset;
    memcpy(all + before, iov, (size_t)n * sizeof(*iov));
    count = before + n;
    r = r < 0 ? r : old_bytes(q, s, s->offset + s->bytes, s->to, all, &count);
    r = r < 0 ? r : block_file_writev(q->file, s->host - (s->offset - from), all, count);
    if (before) {
        g_free(all[0].iov_base);
    }
    if (count > before + n) {
        g_free(all[count - 1].iov_base);
    }
    g_free(all);
    return r;
}

/* ---- the entries ---- */

/* What becomes of an extended entry's bitmap: the step's subclusters are data. */
static uint64_t new_bitmap(const Qcow2 *q, const Step *s, Qcow2Entry old, uint64_t cluster)
{
    uint64_t start = cluster << q->h.cluster_bits, first, last, mask;
    bool whole = (s->whole_first && cluster == s->writer.first) ||
                 (s->whole_last && cluster == s->writer.last);

    if (q->entry_bytes != 16) {
        return 0;
    }
    if (whole) {
        return UINT32_MAX;
    }
    first = (MAX(start, s->from) - start) >> q->sub_bits;
    last = (MIN(start + q->cluster_size, s->to) - start - 1) >> q->sub_bits;
    mask = bits_zext(UINT64_MAX, (unsigned)(last + 1)) & ~bits_zext(UINT64_MAX, (unsigned)first);
    old.bitmap = s->moved ? old.bitmap & ~(uint64_t)UINT32_MAX : old.bitmap;
    return (old.bitmap | mask) & ~(mask << 32);
}

static int link_locked(Qcow2 *q, const Step *s)
{
    uint64_t host = s->host & ~(uint64_t)(q->cluster_size - 1);

    for (uint64_t c = s->writer.first; c <= s->writer.last; c++) {
        unsigned index, left;
        Qcow2Entry old, e;
        uint8_t *slice;
        int r = qcow2_slice_locked(q, c, true, &slice, &index, &left);

        if (r < 0) {
            /* Those before have been linked; the rest leaks at worst. */
            return r;
        }
        for (unsigned i = 0; i < left && c + i <= s->writer.last; i++) {
            old = qcow2_entry_load(q, slice, index + i);
            e.descriptor = (host + ((c + i - s->writer.first) << q->h.cluster_bits)) | QCOW2_COPIED;
            e.bitmap = new_bitmap(q, s, old, c + i);
            qcow2_entry_store(q, slice, index + i, e);
            if (s->moved) {
                qcow2_free_entry_locked(q, old.descriptor);
            }
        }
        c += left - 1;
    }
    return 0;
}

static int finish_locked(Qcow2 *q, Step *s, int r)
{
    uint64_t clusters = s->writer.last - s->writer.first + 1;

    if (r == 0) {
        r = link_locked(q, s);
    } else if (s->moved) {
        qcow2_unalloc_locked(q, s->host & ~(uint64_t)(q->cluster_size - 1), clusters);
    }
    qcow2_leave_locked(q, &s->writer);
    return r;
}

static int write_step(Qcow2 *q, Step *s, const struct iovec *iov, int n, uint64_t done)
{
    struct iovec *part = NULL;
    uint64_t whole = s->bytes;
    int r;

    pthread_mutex_lock(&q->meta);
    r = plan_locked(q, s);
    pthread_mutex_unlock(&q->meta);
    if (r < 0) {
        return r;
    }
    if (done > 0 || s->bytes != whole) {
        part = g_new(struct iovec, (size_t)n);
        n = block_iov_part(part, iov, n, done, s->bytes);
    }
    if (s->in_place) {
        r = block_file_writev(q->file, s->host, part ? part : iov, n);
    } else {
        r = write_data(q, s, part ? part : iov, n);
        pthread_mutex_lock(&q->meta);
        r = finish_locked(q, s, r);
        pthread_mutex_unlock(&q->meta);
    }
    g_free(part);
    return r;
}

int qcow2_write_range(Qcow2 *q, uint64_t offset, uint64_t bytes, const struct iovec *iov, int n)
{
    uint64_t done = 0;
    int r = 0;

    while (done < bytes && r == 0) {
        Step s = { .offset = offset + done, .bytes = bytes - done };

        r = write_step(q, &s, iov, n, done);
        done += s.bytes;
    }
    return r;
}

int qcow2_write(Block *b, uint64_t offset, uint64_t bytes, const struct iovec *iov, int n)
{
    Qcow2 *q = b->state;
    int r = qcow2_relieve(q);

    if (r < 0) {
        return r;
    }
    pthread_rwlock_rdlock(&q->io);
    r = qcow2_write_range(q, offset, bytes, iov, n);
    pthread_rwlock_unlock(&q->io);
    return r;
}
