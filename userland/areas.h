/* SPDX-License-Identifier: Apache-2.0 */
/*
 * userland/areas.h - which addresses are mapped, and how: disjoint areas in the order of addresses,
 * in chunks, so that a change moves few of them, however many there are.
 *
 * Pure bookkeeping, no system calls and no lock: mem.c keeps it equal to what the host has.
 * Invariant:  areas are sorted, page-aligned, not empty and do not overlap; neighbours that are
 *             alike are one area; no chunk is empty.
 */
#ifndef KETCH_USERLAND_AREAS_H
#define KETCH_USERLAND_AREAS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/check.h"

typedef struct Area {
    uint64_t start, end;
    uint64_t offset;  /* of start in its file; 0 for anonymous memory */
    uint32_t flags;   /* MAP_SHARED, MAP_PRIVATE, MAP_ANONYMOUS, MAP_GROWSDOWN */
    uint16_t file;    /* tells neighbouring mappings of different files apart */
    uint8_t prot;     /* the guest's */
    bool has_code;    /* some of it may have been translated */
    bool flushed;     /* the guest has called riscv_flush_icache() for some of it */
} Area;

enum {
    AREAS_CHUNK = 64, /* areas in a chunk, at most */
    AREAS_SPARE = 3,  /* a change makes so many borders, each of which may fill a chunk */
};

typedef struct AreaChunk {
    unsigned count;
    Area area[AREAS_CHUNK];
} AreaChunk;

/* All zero: empty. */
typedef struct Areas {
    AreaChunk **chunk;
    size_t n_chunks, capacity;
    AreaChunk *spare[AREAS_SPARE]; /* for the next change */
    size_t count;                  /* areas */
    uint64_t total;                /* bytes in all areas */
    /* What areas_hole() has seen: no hole in [from, below) is larger than `largest`. */
    struct {
        uint64_t below, from, largest;
    } seen;
} Areas;

/* Room for one change, so that it cannot fail; false when out of memory. */
MUST_USE bool areas_reserve(Areas *map);

void areas_free_all(Areas *map);

/* The first area that ends above addr, or NULL: of areas_find(map, a->end) the one behind `a`.
 * Areas stay where they are until the next change. */
Area *areas_find(const Areas *map, uint64_t addr);

/* The area that holds addr, or NULL. */
Area *areas_at(const Areas *map, uint64_t addr);

/* Nothing is mapped in [start, end). */
bool areas_free(const Areas *map, uint64_t start, uint64_t end);

/* All of [start, end) is mapped. */
bool areas_full(const Areas *map, uint64_t start, uint64_t end);

/* Some of [start, end) may have been translated. */
bool areas_have_code(const Areas *map, uint64_t start, uint64_t end);

/* The highest start of a hole of `len` bytes in [lo, hi); 0 when there is none. */
uint64_t areas_hole(Areas *map, uint64_t len, uint64_t lo, uint64_t hi);

/* Bytes of private writable memory: what RLIMIT_DATA counts. */
uint64_t areas_data(const Areas *map);

void areas_remove(Areas *map, uint64_t start, uint64_t end);
void areas_insert(Areas *map, const Area *area); /* replaces what is there */
void areas_protect(Areas *map, uint64_t start, uint64_t end, int prot);
void areas_mark(Areas *map, uint64_t start, uint64_t end, uint32_t flag); /* sets it */

#endif
