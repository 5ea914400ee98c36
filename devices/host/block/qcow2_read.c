/* SPDX-License-Identifier: Apache-2.0 */
/* Reading: runs of clusters that are alike, one request of the file each. */
#include <errno.h>
#include <string.h>

#include "devices/host/block/qcow2.h"

/* ---- compressed clusters ---- */

void qcow2_inflated_clear(Qcow2 *q)
{
    Qcow2Inflated *f = &q->inflated;

    pthread_mutex_lock(&f->lock);
    for (int i = 0; i < QCOW2_INFLATED; i++) {
        f->host[i] = 0;
    }
    f->generation++;
    pthread_mutex_unlock(&f->lock);
}

/* Copies from a cluster that was read before.  If there is none, the caller gets a buffer for one, with
 * room for the compressed data behind it. */
static uint8_t *inflated_find(Qcow2 *q, const Qcow2Run *run, uint64_t in_cluster,
                              const struct iovec *iov, int n, uint64_t *generation)
{
    Qcow2Inflated *f = &q->inflated;
    uint8_t *buffer = NULL;
    bool found = false;

    pthread_mutex_lock(&f->lock);
    for (int i = 0; i < QCOW2_INFLATED && !found; i++) {
        found = run->host != 0 && f->host[i] == run->host; /* 0: an empty place */
        if (found) {
            block_iov_from(iov, n, 0, f->data[i] + in_cluster, (size_t)run->length);
        }
    }
    if (!found) { /* the oldest makes room */
        unsigned i = f->next % QCOW2_INFLATED;

        buffer = f->data[i];
        f->data[i] = NULL;
        f->host[i] = 0;
    }
    *generation = f->generation;
    pthread_mutex_unlock(&f->lock);
    return found || buffer ? buffer : g_malloc(3 * (size_t)q->cluster_size);
}

/* Takes the buffer back; what it holds counts if nothing was freed since it was handed out. */
static void inflated_keep(Qcow2 *q, uint64_t host, uint8_t *buffer, uint64_t generation)
{
    Qcow2Inflated *f = &q->inflated;
    unsigned i;

    pthread_mutex_lock(&f->lock);
    i = f->next++ % QCOW2_INFLATED;
    f->host[i] = generation == f->generation ? host : 0;
    g_free(f->data[i]);
    f->data[i] = buffer;
    pthread_mutex_unlock(&f->lock);
}

static int read_compressed(Qcow2 *q, uint64_t in_cluster, const Qcow2Run *run,
                           const struct iovec *iov, int n)
{
    uint8_t *data, *packed;
    uint64_t generation;
    int r;

    data = inflated_find(q, run, in_cluster, iov, n, &generation);
    if (!data) {
        return 0;
    }
    packed = data + q->cluster_size; /* at most twice the size of a cluster */
    r = block_file_read(q->file, run->host, packed, run->compressed);
    if (r == 0 && !qcow2_decompress(q->h.compression, packed, run->compressed, data,
                                    q->cluster_size)) {
        r = qcow2_damaged(q, "the compressed cluster at 0x%" G_GINT64_MODIFIER "x", run->host);
    }
    if (r == 0) {
        block_iov_from(iov, n, 0, data + in_cluster, (size_t)run->length);
    }
    inflated_keep(q, r == 0 ? run->host : 0, data, generation);
    return r;
}

/* ---- all kinds ---- */

static int read_run(Qcow2 *q, uint64_t offset, const Qcow2Run *run, const struct iovec *iov, int n)
{
    switch (run->type) {
    case QCOW2_UNALLOCATED:
        return block_read_padded(q->block->backing, offset, run->length, iov, n);
    case QCOW2_ZERO:
        block_iov_zero(iov, n, 0, run->length);
        return 0;
    case QCOW2_DATA:
        return block_file_readv(q->file, run->host, iov, n);
    case QCOW2_COMPRESSED:
        return read_compressed(q, offset & (q->cluster_size - 1), run, iov, n);
    }
    return -EIO;
}

int qcow2_read_range(Qcow2 *q, uint64_t offset, uint64_t bytes, const struct iovec *iov, int n)
{
    struct iovec *part = NULL;
    uint64_t done = 0;
    int r = 0;

    while (done < bytes && r == 0) {
        Qcow2Run run;

        pthread_mutex_lock(&q->meta);
        r = qcow2_map_locked(q, offset + done, bytes - done, &run);
        pthread_mutex_unlock(&q->meta);
        if (r == 0 && run.length == bytes) {
            r = read_run(q, offset, &run, iov, n);
        } else if (r == 0) {
            part = part ? part : g_new(struct iovec, (size_t)n);
            r = read_run(q, offset + done, &run, part,
                         block_iov_part(part, iov, n, done, run.length));
        }
        done += r == 0 ? run.length : 0;
    }
    g_free(part);
    return r;
}

int qcow2_read(Block *b, uint64_t offset, uint64_t bytes, const struct iovec *iov, int n)
{
    Qcow2 *q = b->state;
    int r;

    pthread_rwlock_rdlock(&q->io);
    r = qcow2_read_range(q, offset, bytes, iov, n);
    pthread_rwlock_unlock(&q->io);
    return r;
}
