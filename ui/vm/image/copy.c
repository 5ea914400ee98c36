/* SPDX-License-Identifier: Apache-2.0 */
#include "ui/vm/image/copy.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

enum { CHUNK = 2 << 20, THREADS_MOST = 16 };

/* A part of a chunk that is written in one go, or becomes zeros. */
typedef struct Part {
    uint32_t at, bytes;
    uint32_t compressed; /* bytes of it in `packed`, 0: it is not */
    bool zero;
} Part;

typedef struct Shared {
    const Copy *c;
    uint64_t chunk; /* bytes */
    pthread_mutex_t lock;
    pthread_cond_t turn;
    uint64_t next;    /* chunk to be read */
    uint64_t written; /* chunks */
    int result;
} Shared;

typedef struct Worker {
    Shared *s;
    pthread_t thread;
    uint8_t *data, *packed; /* a chunk each */
    GArray *parts;
    uint64_t offset;
    uint32_t bytes;
} Worker;

static bool is_zero(const uint8_t *p, size_t n)
{
    return n == 0 || (p[0] == 0 && memcmp(p, p + 1, n - 1) == 0);
}

static void add_part(Worker *w, uint32_t at, uint32_t bytes, bool zero)
{
    Part part = { at, bytes, 0, zero };
    Part *last = w->parts->len ? &g_array_index(w->parts, Part, w->parts->len - 1) : NULL;

    if (last && last->zero == zero && !last->compressed && last->at + last->bytes == at) {
        last->bytes += bytes;
    } else {
        g_array_append_val(w->parts, part);
    }
}

/* Data that has been read: what is worth writing of it. */
static void look_for_zeros(Worker *w, uint32_t at, uint32_t bytes)
{
    uint64_t sparse = w->s->c->sparse;

    if (!sparse) {
        add_part(w, at, bytes, false);
    }
    while (sparse && bytes > 0) {
        /* up to the next border, so that zeros end where clusters end */
        uint32_t n = (uint32_t)MIN(bytes, sparse - at % sparse);

        add_part(w, at, n, is_zero(w->data + at, n));
        at += n;
        bytes -= n;
    }
}

/* What the layers say about the chunk; data is read. */
static int read_chunk(Worker *w)
{
    const Copy *c = w->s->c;
    uint32_t at = 0;

    while (at < w->bytes) {
        struct iovec iov;
        uint32_t n;
        BlockExtent e;
        int r = block_status(c->from, w->offset + at, w->bytes - at, &e);

        if (r < 0) {
            return r;
        }
        n = (uint32_t)e.length;
        if (c->only_top && e.depth > 0) {
            at += n;
            continue;
        }
        if (e.zero) {
            memset(w->data + at, 0, n);
            add_part(w, at, n, true);
        } else {
            iov = (struct iovec){ w->data + at, n };
            r = block_read(c->from, w->offset + at, &iov, 1);
            if (r < 0) {
                return r;
            }
            look_for_zeros(w, at, n);
        }
        at += n;
    }
    return 0;
}

/* Clusters of the chunk, each compressed, zeros, or as it is when it does not get smaller. */
static void compress_chunk(Worker *w)
{
    const Copy *c = w->s->c;
    uint32_t cluster = (uint32_t)c->cluster;

    g_array_set_size(w->parts, 0);
    for (uint32_t at = 0; at < w->bytes; at += cluster) {
        uint32_t n = MIN(cluster, w->bytes - at);
        Part part = { at, n, 0, is_zero(w->data + at, n) };

        if (!part.zero) {
            memset(w->data + at + n, 0, cluster - n);
            part.compressed = (uint32_t)image_compress(c->compression, w->data + at, cluster,
                                                       w->packed + at, cluster - 1);
        }
        g_array_append_val(w->parts, part);
    }
}

static int write_part(Worker *w, const Part *p)
{
    const Copy *c = w->s->c;
    struct iovec iov = { w->data + p->at, p->bytes };

    if (p->compressed) {
        return image_write_compressed(c->to, w->offset + p->at, w->packed + p->at, p->compressed);
    }
    if (!p->zero) {
        return block_write(c->to, w->offset + p->at, &iov, 1);
    }
    return c->to_is_zero ? 0 : block_write_zeroes(c->to, w->offset + p->at, p->bytes, true);
}

static int write_chunk(Worker *w)
{
    int r = 0;

    for (unsigned i = 0; r == 0 && i < w->parts->len; i++) {
        r = write_part(w, &g_array_index(w->parts, Part, i));
    }
    return r;
}

/* The chunk to do next; false: there is none any more. */
static bool take_chunk(Worker *w, uint64_t *index)
{
    Shared *s = w->s;
    bool more;

    pthread_mutex_lock(&s->lock);
    *index = s->next;
    w->offset = *index * s->chunk;
    more = s->result == 0 && w->offset < s->c->bytes;
    s->next += more;
    pthread_mutex_unlock(&s->lock);
    w->bytes = more ? (uint32_t)MIN(s->chunk, s->c->bytes - w->offset) : 0;
    g_array_set_size(w->parts, 0);
    return more;
}

/* Waits for the chunks before, whose writers hand over the turn even when they fail. */
static void await_turn(Shared *s, uint64_t index, int *r)
{
    pthread_mutex_lock(&s->lock);
    while (s->written != index) {
        pthread_cond_wait(&s->turn, &s->lock);
    }
    *r = s->result < 0 ? s->result : *r;
    pthread_mutex_unlock(&s->lock);
}

static void *work(void *worker)
{
    Worker *w = worker;
    Shared *s = w->s;
    uint64_t index;

    while (take_chunk(w, &index)) {
        int r = read_chunk(w);

        if (r == 0 && s->c->compress) {
            compress_chunk(w);
        }
        await_turn(s, index, &r);
        r = r < 0 ? r : write_chunk(w);
        pthread_mutex_lock(&s->lock);
        s->written++;
        s->result = s->result < 0 ? s->result : r;
        image_progress(s->c->progress, w->offset + w->bytes, s->c->bytes);
        pthread_cond_broadcast(&s->turn);
        pthread_mutex_unlock(&s->lock);
    }
    return NULL;
}

/* Aligned as large pages are: the kernel copies in half the time that it takes with malloc(). */
static uint8_t *new_buffer(uint64_t bytes)
{
    void *p = aligned_alloc(CHUNK, bytes);

    CHECK(p, "no memory for %" G_GUINT64_FORMAT " bytes", bytes);
    return p;
}

int copy_run(const Copy *c)
{
    Shared s = { .c = c, .chunk = MAX(CHUNK, c->cluster), .lock = PTHREAD_MUTEX_INITIALIZER,
                 .turn = PTHREAD_COND_INITIALIZER };
    unsigned n = CLAMP(c->threads, 1, THREADS_MOST), started = 0;
    Worker workers[THREADS_MOST];

    for (unsigned i = 0; i < n; i++) {
        workers[i] = (Worker){ .s = &s, .data = new_buffer(s.chunk),
                               .packed = c->compress ? new_buffer(s.chunk) : NULL,
                               .parts = g_array_new(FALSE, FALSE, sizeof(Part)) };
    }
    while (started < n && pthread_create(&workers[started].thread, NULL, work,
                                         &workers[started]) == 0) {
        started++;
    }
    if (started == 0) {
        s.result = -EAGAIN;
    }
    for (unsigned i = 0; i < n; i++) {
        if (i < started) {
            pthread_join(workers[i].thread, NULL);
        }
        free(workers[i].data);
        free(workers[i].packed);
        g_array_free(workers[i].parts, TRUE);
    }
    return s.result;
}
