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

/* Copies from a cluster that was read before. */
static bool inflated_find(Qcow2 *q, const Qcow2Run *run, uint64_t in_cluster,
                          const struct iovec *iov, int n, uint64_t *generation)
{
    Qcow2Inflated *f = &q->inflated;
    bool found = false;

    pthread_mutex_lock(&f->lock);
    for (int i = 0; i < QCOW2_INFLATED && !found; i++) {
        found = f->host[i] == run->host;
        if (found) {
            block_iov_from(iov, n, 0, f->data[i] + in_cluster, (size_t)run->length);
        }
    }
    *generation = f->generation;
    pthread_mutex_unlock(&f->lock);
    return found;
}

/* Takes `data` over, if nothing was freed since it was looked for. */
static void inflated_keep(Qcow2 *q, uint64_t host, uint8_t *data, uint64_t generation)
{
    Qcow2Inflated *f = &q->inflated;
    unsigned i;

    pthread_mutex_lock(&f->lock);
    if (generation == f->generation) {
        i = f->next++ % QCOW2_INFLATED;
        f->host[i] = host;
        g_free(f->data[i]);
        f->data[i] = data;
        data = NULL;
    }
    pthread_mutex_unlock(&f->lock);
    g_free(data);
}

static int read_compressed(Qcow2 *q, uint64_t in_cluster, const Qcow2Run *run,
                           const struct iovec *iov, int n)
{
    uint8_t *raw, *data;
    uint64_t generation;
    int r;

    if (inflated_find(q, run, in_cluster, iov, n, &generation)) {
        return 0;
    }
    raw = g_malloc(run->compressed);
    data = g_malloc(q->cluster_size);
    r = block_file_read(q->file, run->host, raw, run->compressed);
    if (r == 0 && !qcow2_decompress(q->h.compression, raw, run->compressed, data,
                                    q->cluster_size)) {
        r = qcow2_damaged(q, "the compressed cluster at 0x%" G_GINT64_MODIFIER "x", run->host);
    }
    g_free(raw);
    if (r == 0) {
        block_iov_from(iov, n, 0, data + in_cluster, (size_t)run->length);
        inflated_keep(q, run->host, data, generation);
    } else {
        g_free(data);
    }
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
