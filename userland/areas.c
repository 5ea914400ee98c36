/* SPDX-License-Identifier: Apache-2.0 */
#include "userland/areas.h"

#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "base/bits.h"

/* Where an area is, or the end: chunk == n_chunks. */
typedef struct Pos {
    size_t chunk;
    unsigned slot;
} Pos;

/* What one of the calls that change the map may need: each border that it makes may fill a chunk. */
static bool reserve_chunks(Areas *map)
{
    for (unsigned i = 0; i < AREAS_SPARE; i++) {
        if (!map->spare[i]) {
            map->spare[i] = malloc(sizeof(AreaChunk));
        }
        if (!map->spare[i]) {
            return false;
        }
    }
    return true;
}

bool areas_reserve(Areas *map)
{
    if (map->n_chunks + AREAS_SPARE > map->capacity) {
        size_t capacity = map->capacity ? 2 * map->capacity : 64;
        AreaChunk **moved = realloc(map->chunk, capacity * sizeof(map->chunk[0]));

        if (!moved) {
            return false;
        }
        map->chunk = moved;
        map->capacity = capacity;
    }
    return reserve_chunks(map);
}

void areas_free_all(Areas *map)
{
    for (size_t i = 0; i < map->n_chunks; i++) {
        free(map->chunk[i]);
    }
    for (unsigned i = 0; i < AREAS_SPARE; i++) {
        free(map->spare[i]);
    }
    free(map->chunk);
    *map = (Areas){ 0 };
}

/* ---- Positions ---- */

static uint64_t chunk_end(const AreaChunk *c)
{
    return c->area[c->count - 1].end;
}

static Pos find(const Areas *map, uint64_t addr)
{
    size_t lo = 0, hi = map->n_chunks;
    unsigned first = 0, last;

    while (lo < hi) {
        size_t mid = lo + (hi - lo) / 2;

        if (chunk_end(map->chunk[mid]) > addr) {
            hi = mid;
        } else {
            lo = mid + 1;
        }
    }
    last = lo < map->n_chunks ? map->chunk[lo]->count - 1 : 0;
    while (first < last) {
        unsigned mid = first + (last - first) / 2;

        if (map->chunk[lo]->area[mid].end > addr) {
            last = mid;
        } else {
            first = mid + 1;
        }
    }
    return (Pos){ lo, first };
}

static Area *at(const Areas *map, Pos p)
{
    return p.chunk < map->n_chunks ? &map->chunk[p.chunk]->area[p.slot] : NULL;
}

static Pos next(const Areas *map, Pos p)
{
    return p.slot + 1 < map->chunk[p.chunk]->count ? (Pos){ p.chunk, p.slot + 1 }
                                                   : (Pos){ p.chunk + 1, 0 };
}

/* The one before; false: there is none. */
static bool step_back(const Areas *map, Pos *p)
{
    if (p->slot > 0) {
        p->slot--;
        return true;
    }
    if (p->chunk == 0) {
        return false;
    }
    p->chunk--;
    p->slot = map->chunk[p->chunk]->count - 1;
    return true;
}

/* ---- Chunks ---- */

static void add_chunk(Areas *map, size_t where)
{
    AreaChunk *c = NULL;

    for (unsigned i = 0; i < AREAS_SPARE && !c; i++) {
        c = map->spare[i];
        map->spare[i] = NULL;
    }
    CHECK(c && map->n_chunks < map->capacity, "areas_reserve() was forgotten");
    c->count = 0;
    memmove(&map->chunk[where + 1], &map->chunk[where],
            (map->n_chunks++ - where) * sizeof(map->chunk[0]));
    map->chunk[where] = c;
}

static void drop_chunk(Areas *map, size_t where)
{
    free(map->chunk[where]);
    memmove(&map->chunk[where], &map->chunk[where + 1],
            (--map->n_chunks - where) * sizeof(map->chunk[0]));
}

/* A chunk and the one behind it become one, when little is in them. */
static void join_chunks(Areas *map, size_t where)
{
    AreaChunk *a = map->chunk[where], *b;

    if (where + 1 < map->n_chunks) {
        b = map->chunk[where + 1];
        if (a->count + b->count <= AREAS_CHUNK / 2) {
            memcpy(&a->area[a->count], b->area, b->count * sizeof(Area));
            a->count += b->count;
            drop_chunk(map, where + 1);
        }
    }
}

/* Moves the areas of a full chunk from `from` on to a new one behind it. */
static void split_chunk(Areas *map, size_t where, unsigned from)
{
    AreaChunk *a, *b;

    add_chunk(map, where + 1);
    a = map->chunk[where];
    b = map->chunk[where + 1];
    b->count = a->count - from;
    memcpy(b->area, &a->area[from], b->count * sizeof(Area));
    a->count = from;
}

/* Puts *area in front of `p`. */
static void put(Areas *map, Pos p, const Area *area)
{
    AreaChunk *c;

    if (p.chunk == map->n_chunks) { /* behind the last one */
        if (p.chunk == 0) {
            add_chunk(map, 0);
        } else {
            p.chunk--;
        }
        p.slot = map->chunk[p.chunk]->count;
    }
    if (map->chunk[p.chunk]->count == AREAS_CHUNK) {
        split_chunk(map, p.chunk, AREAS_CHUNK / 2);
        if (p.slot > AREAS_CHUNK / 2) {
            p = (Pos){ p.chunk + 1, p.slot - AREAS_CHUNK / 2 };
        }
    }
    c = map->chunk[p.chunk];
    memmove(&c->area[p.slot + 1], &c->area[p.slot], (c->count++ - p.slot) * sizeof(Area));
    c->area[p.slot] = *area;
    map->count++;
}

static void take_out(Areas *map, Pos p)
{
    AreaChunk *c = map->chunk[p.chunk];

    memmove(&c->area[p.slot], &c->area[p.slot + 1], (--c->count - p.slot) * sizeof(Area));
    map->count--;
    if (c->count == 0) {
        drop_chunk(map, p.chunk);
    } else {
        join_chunks(map, p.chunk);
    }
}

/* ---- Looking ---- */

Area *areas_find(const Areas *map, uint64_t addr)
{
    return at(map, find(map, addr));
}

Area *areas_at(const Areas *map, uint64_t addr)
{
    Area *a = areas_find(map, addr);

    return a && a->start <= addr ? a : NULL;
}

bool areas_free(const Areas *map, uint64_t start, uint64_t end)
{
    const Area *a = areas_find(map, start);

    return !a || a->start >= end;
}

bool areas_full(const Areas *map, uint64_t start, uint64_t end)
{
    while (start < end) {
        const Area *a = areas_at(map, start);

        if (!a) {
            return false;
        }
        start = a->end;
    }
    return true;
}

bool areas_have_code(const Areas *map, uint64_t start, uint64_t end)
{
    for (Pos p = find(map, start); at(map, p) && at(map, p)->start < end; p = next(map, p)) {
        if (at(map, p)->has_code) {
            return true;
        }
    }
    return false;
}

/* The same without what was seen before.  *largest: at least as large as every hole that was too
 * small; *end: of the one that was found. */
static uint64_t search_hole(const Areas *map, uint64_t len, uint64_t lo, uint64_t *end,
                            uint64_t *largest)
{
    uint64_t hi = *end;
    Pos p = find(map, hi - 1);
    bool any = at(map, p) || step_back(map, &p);

    /* Downwards: `p` is the area below the hole being looked at, which ends at `hi`. */
    for (;; any = step_back(map, &p)) {
        uint64_t below = any ? at(map, p)->end : 0;

        if (hi < lo || hi - lo < len) {
            return 0;
        }
        if (hi >= below && hi - below >= len) {
            *end = hi;
            return hi - len;
        }
        if (!any) {
            return 0;
        }
        if (hi > below && hi - below > *largest) {
            *largest = hi - below;
        }
        hi = at(map, p)->start < hi ? at(map, p)->start : hi;
    }
}

uint64_t areas_hole(Areas *map, uint64_t len, uint64_t lo, uint64_t hi)
{
    bool known = map->seen.below == hi;
    bool skips = known && len > map->seen.largest;
    uint64_t end = skips ? map->seen.from : hi;
    uint64_t largest = skips ? map->seen.largest : 0;
    uint64_t at = search_hole(map, len, lo, &end, &largest);

    if (at && (skips || !known)) {
        map->seen.below = hi;
        map->seen.from = end;
        map->seen.largest = largest;
    }
    return at;
}

/* Areas have gone: the hole at `addr` may be larger than those that were seen. */
static void note_hole(Areas *map, uint64_t addr)
{
    Pos p = find(map, addr);
    uint64_t end = at(map, p) ? at(map, p)->start : UINT64_MAX;
    uint64_t start = step_back(map, &p) ? at(map, p)->end : 0;

    if (end <= map->seen.from) {
        return;
    }
    if (start < map->seen.from || end > map->seen.below) {
        map->seen.below = 0;
    } else if (end - start > map->seen.largest) {
        map->seen.largest = end - start;
    }
}

uint64_t areas_data(const Areas *map)
{
    uint64_t sum = 0;

    for (Pos p = { 0 }; at(map, p); p = next(map, p)) {
        const Area *a = at(map, p);

        if (!(a->flags & MAP_SHARED) && (a->prot & PROT_WRITE)) {
            sum += a->end - a->start;
        }
    }
    return sum;
}

/* ---- Changing ---- */

/* Makes `addr` a border between areas. */
static void split(Areas *map, uint64_t addr)
{
    Pos p = find(map, addr);
    Area *a = at(map, p), low;

    if (!a || a->start >= addr) {
        return;
    }
    low = *a;
    low.end = addr;
    if (!(a->flags & MAP_ANONYMOUS)) {
        a->offset += addr - a->start;
    }
    a->start = addr;
    put(map, p, &low);
}

static bool alike(const Area *a, const Area *b)
{
    bool follows = (a->flags & MAP_ANONYMOUS) || a->offset + (a->end - a->start) == b->offset;

    return a->end == b->start && a->prot == b->prot && a->flags == b->flags &&
           a->file == b->file && follows;
}

/* Neighbours that are alike become one, from the area before `start` to the one behind `end`. */
static void merge(Areas *map, uint64_t start, uint64_t end)
{
    Pos p = find(map, start ? start - 1 : 0);

    while (at(map, p) && at(map, p)->end <= end) {
        Pos behind = next(map, p);
        Area *a = at(map, p), *b = at(map, behind);

        if (b && alike(a, b)) {
            a->end = b->end;
            a->has_code |= b->has_code;
            a->flushed |= b->flushed;
            take_out(map, behind);
        } else {
            p = behind;
        }
    }
}

void areas_remove(Areas *map, uint64_t start, uint64_t end)
{
    bool any = false;
    Pos p;

    split(map, start);
    split(map, end);
    for (p = find(map, start); at(map, p) && at(map, p)->start < end; p = find(map, start)) {
        map->total -= at(map, p)->end - at(map, p)->start;
        take_out(map, p);
        any = true;
    }
    if (any) {
        note_hole(map, start);
    }
}

void areas_insert(Areas *map, const Area *area)
{
    areas_remove(map, area->start, area->end);
    put(map, find(map, area->start), area);
    map->total += area->end - area->start;
    merge(map, area->start, area->end);
}

void areas_protect(Areas *map, uint64_t start, uint64_t end, int prot)
{
    split(map, start);
    split(map, end);
    for (Pos p = find(map, start); at(map, p) && at(map, p)->start < end; p = next(map, p)) {
        at(map, p)->prot = (uint8_t)prot;
    }
    merge(map, start, end);
}

void areas_mark(Areas *map, uint64_t start, uint64_t end, uint32_t flag)
{
    split(map, start);
    split(map, end);
    for (Pos p = find(map, start); at(map, p) && at(map, p)->start < end; p = next(map, p)) {
        at(map, p)->flags |= flag;
    }
    merge(map, start, end);
}
