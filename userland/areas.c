/* SPDX-License-Identifier: Apache-2.0 */
#include "userland/areas.h"

#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "base/bits.h"

bool areas_reserve(Areas *map)
{
    size_t front = (size_t)(map->area - map->store), capacity = map->capacity;
    Area *store = map->store;

    if (map->count + 2 <= capacity && front >= 2) {
        return true;
    }
    if (map->count >= capacity / 4 * 3) {
        capacity = capacity ? capacity * 2 : 256;
        store = malloc(capacity * sizeof(Area));
    }
    if (!store) {
        return false;
    }
    front = (capacity - map->count) / 4 * 3;
    if (map->count) {
        memmove(store + front, map->area, map->count * sizeof(Area));
    }
    if (store != map->store) {
        free(map->store);
    }
    map->store = store;
    map->area = store + front;
    map->capacity = capacity;
    return true;
}

size_t areas_find(const Areas *map, uint64_t addr)
{
    size_t lo = 0, hi = map->count;

    while (lo < hi) {
        size_t mid = lo + (hi - lo) / 2;

        if (map->area[mid].end > addr) {
            hi = mid;
        } else {
            lo = mid + 1;
        }
    }
    return lo;
}

Area *areas_at(const Areas *map, uint64_t addr)
{
    size_t i = areas_find(map, addr);

    return i < map->count && map->area[i].start <= addr ? &map->area[i] : NULL;
}

bool areas_free(const Areas *map, uint64_t start, uint64_t end)
{
    size_t i = areas_find(map, start);

    return i == map->count || map->area[i].start >= end;
}

bool areas_full(const Areas *map, uint64_t start, uint64_t end)
{
    for (size_t i = areas_find(map, start); start < end; i++) {
        if (i == map->count || map->area[i].start > start) {
            return false;
        }
        start = map->area[i].end;
    }
    return true;
}

bool areas_have_code(const Areas *map, uint64_t start, uint64_t end)
{
    for (size_t i = areas_find(map, start); i < map->count && map->area[i].start < end; i++) {
        if (map->area[i].has_code) {
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
    size_t i = areas_find(map, *end - 1);
    uint64_t hi = *end;

    /* Downwards from hi: i areas lie below the hole being looked at. */
    for (i = i < map->count ? i + 1 : i;; i--) {
        uint64_t below = i ? map->area[i - 1].end : 0;

        if (i < map->count && map->area[i].start < hi) {
            hi = map->area[i].start;
        }
        if (hi < lo || hi - lo < len) {
            return 0;
        }
        if (hi >= below && hi - below >= len) {
            *end = hi;
            return hi - len;
        }
        if (i == 0) {
            return 0;
        }
        if (hi > below && hi - below > *largest) {
            *largest = hi - below;
        }
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

/* Areas have gone: the hole in front of area[i] may be larger than those that were seen. */
static void note_hole(Areas *map, size_t i)
{
    uint64_t start = i ? map->area[i - 1].end : 0;
    uint64_t end = i < map->count ? map->area[i].start : UINT64_MAX;

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

    for (size_t i = 0; i < map->count; i++) {
        const Area *a = &map->area[i];

        if (!(a->flags & MAP_SHARED) && (a->prot & PROT_WRITE)) {
            sum += a->end - a->start;
        }
    }
    return sum;
}

static void delete_areas(Areas *map, size_t from, size_t to)
{
    if (from < map->count - to) {
        memmove(&map->area[to - from], &map->area[0], from * sizeof(Area));
        map->area += to - from;
    } else {
        memmove(&map->area[from], &map->area[to], (map->count - to) * sizeof(Area));
    }
    map->count -= to - from;
}

static void open_gap(Areas *map, size_t at)
{
    bool front = map->area > map->store;
    bool back = map->area + map->count < map->store + map->capacity;

    CHECK(front || back, "areas_reserve() was forgotten");
    if (front && (!back || at < map->count / 2)) {
        memmove(&map->area[-1], &map->area[0], at * sizeof(Area));
        map->area--;
    } else {
        memmove(&map->area[at + 1], &map->area[at], (map->count - at) * sizeof(Area));
    }
    map->count++;
}

/* Makes `addr` a border between areas. */
static void split(Areas *map, uint64_t addr)
{
    size_t i = areas_find(map, addr);
    Area *a;

    if (i == map->count || map->area[i].start >= addr) {
        return;
    }
    open_gap(map, i);
    a = &map->area[i];
    a[0] = a[1];
    a[0].end = addr;
    if (!(a->flags & MAP_ANONYMOUS)) {
        a[1].offset += addr - a[1].start;
    }
    a[1].start = addr;
}

static bool alike(const Area *a, const Area *b)
{
    bool follows = (a->flags & MAP_ANONYMOUS) || a->offset + (a->end - a->start) == b->offset;

    return a->end == b->start && a->prot == b->prot && a->flags == b->flags &&
           a->file == b->file && follows;
}

static void merge(Areas *map, size_t first, size_t last)
{
    for (size_t i = last; i > first; i--) {
        Area *a = &map->area[i - 1];

        if (i < map->count && alike(&a[0], &a[1])) {
            a->end = a[1].end;
            a->has_code |= a[1].has_code;
            a->flushed |= a[1].flushed;
            delete_areas(map, i, i + 1);
        }
    }
}

/* Makes [start, end) whole areas: the first one's index; *last: of the one behind them. */
static size_t cut(Areas *map, uint64_t start, uint64_t end, size_t *last)
{
    size_t first, i;

    split(map, start);
    split(map, end);
    first = areas_find(map, start);
    for (i = first; i < map->count && map->area[i].start < end; i++) {
    }
    *last = i;
    return first;
}

void areas_remove(Areas *map, uint64_t start, uint64_t end)
{
    size_t last, first = cut(map, start, end, &last);

    for (size_t i = first; i < last; i++) {
        map->total -= map->area[i].end - map->area[i].start;
    }
    if (last > first) {
        delete_areas(map, first, last);
        note_hole(map, first);
    }
}

void areas_insert(Areas *map, const Area *area)
{
    size_t i;

    areas_remove(map, area->start, area->end);
    i = areas_find(map, area->start);
    open_gap(map, i);
    map->area[i] = *area;
    map->total += area->end - area->start;
    merge(map, i ? i - 1 : 0, i + 1);
}

void areas_protect(Areas *map, uint64_t start, uint64_t end, int prot)
{
    size_t last, first = cut(map, start, end, &last);

    for (size_t i = first; i < last; i++) {
        map->area[i].prot = (uint8_t)prot;
    }
    merge(map, first ? first - 1 : 0, last);
}

void areas_mark(Areas *map, uint64_t start, uint64_t end, uint32_t flag)
{
    size_t last, first = cut(map, start, end, &last);

    for (size_t i = first; i < last; i++) {
        map->area[i].flags |= flag;
    }
    merge(map, first ? first - 1 : 0, last);
}
