/* SPDX-License-Identifier: Apache-2.0 */
#include "base/arena.h"

#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>

#include "base/check.h"

/* The header lives at the start of the range that it describes. */
struct Arena {
    size_t used;    /* next free byte, from the start of the range */
    size_t dirty;   /* bytes below this may hold old data */
    size_t reserve; /* size of the range */
};

enum { ARENA_ALIGN = 16, ARENA_FIRST = 64, LARGE_FROM = 2 << 20 };

Arena *arena_new(size_t reserve)
{
    Arena *arena = mmap(NULL, reserve, PROT_READ | PROT_WRITE,
                        MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

    if (arena == MAP_FAILED) {
        return NULL;
    }
    *arena = (Arena){ .used = ARENA_FIRST, .dirty = ARENA_FIRST, .reserve = reserve };
    return arena;
}

void arena_large_pages(Arena *arena)
{
    if (arena->reserve > LARGE_FROM) {
        (void)madvise((char *)arena + LARGE_FROM, arena->reserve - LARGE_FROM, MADV_HUGEPAGE);
    }
}

void arena_free(Arena *arena)
{
    if (arena) {
        munmap(arena, arena->reserve);
    }
}

void *arena_raw(Arena *arena, size_t size)
{
    size_t start = arena->used;
    size_t end = start + ((size + ARENA_ALIGN - 1) & ~(size_t)(ARENA_ALIGN - 1));

    CHECK(size <= arena->reserve && end <= arena->reserve, "arena of %zu bytes is full",
          arena->reserve);
    arena->used = end;
    return (char *)arena + start;
}

void *arena_alloc(Arena *arena, size_t size)
{
    size_t start = arena->used;
    char *p = arena_raw(arena, size);

    if (start < arena->dirty) {
        memset(p, 0, (arena->used < arena->dirty ? arena->used : arena->dirty) - start);
    }
    return p;
}

void *arena_grow(Arena *arena, void *old, uint32_t used, uint32_t *cap, size_t size)
{
    void *more;

    if (used < *cap) {
        return old;
    }
    *cap = *cap * 2 + 16;
    more = arena_raw(arena, *cap * size);
    if (used) {
        memcpy(more, old, used * size);
    }
    return more;
}

char *arena_printf(Arena *arena, const char *fmt, ...)
{
    va_list ap, again;
    int length;
    char *text;

    va_start(ap, fmt);
    va_copy(again, ap);
    length = vsnprintf(NULL, 0, fmt, ap);
    va_end(ap);
    CHECK(length >= 0, "bad format");
    text = arena_alloc(arena, (size_t)length + 1);
    vsnprintf(text, (size_t)length + 1, fmt, again);
    va_end(again);
    return text;
}

size_t arena_mark(const Arena *arena)
{
    return arena->used;
}

void arena_reset(Arena *arena, size_t mark)
{
    CHECK(mark >= ARENA_FIRST && mark <= arena->used, "mark is not of this arena");
    if (arena->used > arena->dirty) {
        arena->dirty = arena->used;
    }
    arena->used = mark;
}
