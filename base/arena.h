/* SPDX-License-Identifier: Apache-2.0 */
/*
 * base/arena.h - region memory: allocate forward, release everything at once.
 *
 * Owns:       one reserved address range; pages are touched as they are used.
 * Invariant:  memory from arena_alloc() is zeroed, 16-byte aligned, and valid until
 *             arena_reset() to a mark taken before it, or arena_free().  That from arena_raw() is
 *             the same with any content.
 * Capacity:   fixed at arena_new().  Whoever fills an arena bounds its input first (a
 *             translation unit has a maximal size), so running out is our bug: CHECK.
 * Threading:  an arena belongs to one thread.
 */
#ifndef KETCH_BASE_ARENA_H
#define KETCH_BASE_ARENA_H

#include <stddef.h>
#include <stdint.h>

typedef struct Arena Arena;

/* `reserve` bytes of address space; NULL when the host has none left. */
Arena *arena_new(size_t reserve);
void arena_free(Arena *arena);

/* Pages of 2 MiB where the host has them, behind the first 2 MiB. */
void arena_large_pages(Arena *arena);

void *arena_alloc(Arena *arena, size_t size);
void *arena_raw(Arena *arena, size_t size);
char *arena_printf(Arena *arena, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

/* The end of what is allocated now, to come back to. */
size_t arena_mark(const Arena *arena);
void arena_reset(Arena *arena, size_t mark);

#define ARENA_NEW(arena, type, count) ((type *)arena_alloc((arena), sizeof(type) * (size_t)(count)))

/* A larger array of `*cap` elements of `size` bytes when all are used, with the old ones in front
 * (the old array stays in the arena); else `old` itself.  Not cleared behind them. */
void *arena_grow(Arena *arena, void *old, uint32_t used, uint32_t *cap, size_t size);

#define ARENA_RAW(arena, type, count) ((type *)arena_raw((arena), sizeof(type) * (size_t)(count)))

#endif
