/* SPDX-License-Identifier: Apache-2.0 */
#include "devices/host/block/qcow2_cache.h"

#include <errno.h>
#include <stdlib.h>

enum { BUCKETS = 1024 };

typedef struct Slice {
    uint64_t offset;
    uint8_t *data;
    struct Slice *next; /* in its bucket */
    bool valid, dirty, frozen, recent;
} Slice;

struct Qcow2Cache {
    BlockFile *file;
    size_t bytes;
    unsigned most;
    unsigned hand;     /* of the clock that looks for one to reuse */
    unsigned n_dirty;
    GPtrArray *slices; /* Slice */
    Slice *buckets[BUCKETS];
    Slice *last; /* found last */
    int (*write_back)(void *opaque);
    void *opaque;
};

Qcow2Cache *qcow2_cache_new(BlockFile *file, size_t bytes, unsigned most,
                            int (*write_back)(void *opaque), void *opaque)
{
    Qcow2Cache *c = g_new0(Qcow2Cache, 1);

    c->file = file;
    c->bytes = bytes;
    c->most = most;
    c->write_back = write_back;
    c->opaque = opaque;
    c->slices = g_ptr_array_new();
    return c;
}

void qcow2_cache_free(Qcow2Cache *c)
{
    if (c) {
        for (unsigned i = 0; i < c->slices->len; i++) {
            Slice *s = c->slices->pdata[i];

            free(s->data);
            g_free(s);
        }
        g_ptr_array_free(c->slices, TRUE);
        g_free(c);
    }
}

static Slice **bucket(Qcow2Cache *c, uint64_t offset)
{
    return &c->buckets[offset / c->bytes % BUCKETS];
}

static Slice *find(const Qcow2Cache *c, uint64_t offset)
{
    Slice *s = c->last;

    if (s && s->valid && s->offset == offset) {
        return s;
    }
    for (s = *bucket((Qcow2Cache *)(uintptr_t)c, offset); s && s->offset != offset; s = s->next) {
    }
    return s;
}

static void set_dirty(Qcow2Cache *c, Slice *s, bool dirty)
{
    c->n_dirty += (unsigned)dirty - (unsigned)s->dirty;
    s->dirty = dirty;
}

static void forget(Qcow2Cache *c, Slice *s)
{
    Slice **at = bucket(c, s->offset);

    while (*at != s) {
        at = &(*at)->next;
    }
    *at = s->next;
    set_dirty(c, s, false);
    s->valid = s->frozen = false;
}

/* One that was not used lately and is clean; NULL: none after two rounds. */
static Slice *reusable(Qcow2Cache *c)
{
    for (unsigned i = 0; i < 2 * c->slices->len; i++) {
        Slice *s = c->slices->pdata[c->hand];

        c->hand = (c->hand + 1) % c->slices->len;
        if (!s->dirty && !s->frozen && !s->recent) {
            return s;
        }
        s->recent = false;
    }
    return NULL;
}

static Slice *add(Qcow2Cache *c)
{
    uint8_t *data = aligned_alloc(c->bytes, c->bytes);
    Slice *s;

    if (!data) {
        return NULL;
    }
    s = g_new0(Slice, 1);
    s->data = data;
    g_ptr_array_add(c->slices, s);
    return s;
}

static int room_for_one(Qcow2Cache *c, Slice **slice)
{
    Slice *s = c->slices->len < c->most ? add(c) : reusable(c);

    if (!s && c->slices->len > 0) {
        int r = c->write_back(c->opaque);

        if (r < 0) {
            return r;
        }
        s = reusable(c);
        s = s ? s : reusable(c); /* the first call only made them old */
    }
    s = s ? s : add(c);
    if (s && s->valid) {
        forget(c, s);
    }
    *slice = s;
    return s ? 0 : -ENOMEM;
}

int qcow2_cache_get(Qcow2Cache *c, uint64_t offset, uint8_t **data)
{
    Slice *s = find(c, offset);
    int r;

    if (!s) {
        r = room_for_one(c, &s);
        r = r < 0 ? r : block_file_read(c->file, offset, s->data, c->bytes);
        if (r < 0) {
            return r;
        }
        s->offset = offset;
        s->valid = true;
        s->next = *bucket(c, offset);
        *bucket(c, offset) = s;
    }
    s->recent = true;
    c->last = s;
    *data = s->data;
    return 0;
}

void qcow2_cache_dirty(Qcow2Cache *c, uint64_t offset)
{
    Slice *s = find(c, offset);

    CHECK(s && !s->frozen, "a slice is changed that is not there or frozen");
    set_dirty(c, s, true);
}

bool qcow2_cache_frozen(const Qcow2Cache *c, uint64_t offset)
{
    const Slice *s = find(c, offset);

    return s && s->frozen;
}

void qcow2_cache_drop(Qcow2Cache *c, uint64_t offset, uint64_t bytes)
{
    for (uint64_t at = offset; at < offset + bytes; at += c->bytes) {
        Slice *s = find(c, at);

        if (s) {
            forget(c, s);
        }
    }
}

void qcow2_cache_drop_all(Qcow2Cache *c)
{
    for (unsigned i = 0; i < c->slices->len; i++) {
        Slice *s = c->slices->pdata[i];

        if (s->valid) {
            forget(c, s);
        }
    }
}

unsigned qcow2_cache_dirty_count(const Qcow2Cache *c)
{
    return c->n_dirty;
}

static int compare(const void *a, const void *b)
{
    uint64_t x = (*(Slice *const *)a)->offset, y = (*(Slice *const *)b)->offset;

    return x < y ? -1 : x > y;
}

/* Writes the dirty ones that are frozen, or are not, in the order of the file. */
static int write_those(Qcow2Cache *c, bool frozen)
{
    GPtrArray *those;
    int r = 0;

    if (c->n_dirty == 0) {
        return 0;
    }
    those = g_ptr_array_new();
    for (unsigned i = 0; i < c->slices->len; i++) {
        Slice *s = c->slices->pdata[i];

        if (s->valid && s->dirty && s->frozen == frozen) {
            g_ptr_array_add(those, s);
        }
    }
    if (those->len > 0) {
        qsort(those->pdata, those->len, sizeof(void *), compare);
    }
    for (unsigned i = 0; i < those->len && r == 0; i++) {
        Slice *s = those->pdata[i];

        r = block_file_write(c->file, s->offset, s->data, c->bytes);
        set_dirty(c, s, r < 0);
    }
    g_ptr_array_free(those, TRUE);
    return r;
}

int qcow2_cache_write(Qcow2Cache *c)
{
    return write_those(c, false);
}

void qcow2_cache_freeze(Qcow2Cache *c)
{
    for (unsigned i = 0; i < c->slices->len; i++) {
        Slice *s = c->slices->pdata[i];

        s->frozen = s->valid && s->dirty;
    }
}

int qcow2_cache_thaw(Qcow2Cache *c, bool write)
{
    int r = write ? write_those(c, true) : 0;

    for (unsigned i = 0; i < c->slices->len; i++) {
        ((Slice *)c->slices->pdata[i])->frozen = false;
    }
    return r;
}
