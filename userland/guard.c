/* SPDX-License-Identifier: Apache-2.0 */
#include "userland/guard.h"

#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>

#include "userland/mem.h"
#include "userland/task.h"

typedef struct Guard {
    uint64_t page;
    uint32_t writes; /* how often it was opened */
    bool on;
} Guard;

_Atomic size_t guard_count, guard_sets;

/* Sorted by page. */
static Guard *guards;
static size_t n_guards, capacity;

/* Index of the first one at or above `page`. */
static size_t find(uint64_t page)
{
    size_t lo = 0, hi = n_guards;

    while (lo < hi) {
        size_t mid = lo + (hi - lo) / 2;

        if (guards[mid].page >= page) {
            hi = mid;
        } else {
            lo = mid + 1;
        }
    }
    return lo;
}

/* NULL: out of memory. */
static Guard *guard_at(uint64_t page)
{
    size_t i = find(page);

    if (i < n_guards && guards[i].page == page) {
        return &guards[i];
    }
    if (n_guards == capacity) {
        size_t more = capacity ? 2 * capacity : 64;
        Guard *moved = realloc(guards, more * sizeof(Guard));

        if (!moved) {
            return NULL;
        }
        guards = moved;
        capacity = more;
    }
    memmove(&guards[i + 1], &guards[i], (n_guards++ - i) * sizeof(Guard));
    guards[i] = (Guard){ .page = page };
    return &guards[i];
}

void guard_code(uint64_t page)
{
    Guard *g = guard_at(page);

    if (g && !g->on && g->writes < GUARD_WRITES &&
        HOST_CALL3(SYS_mprotect, page, MEM_PAGE, PROT_READ) == 0) {
        g->on = true;
        guard_count++;
        guard_sets++;
    }
}

bool guard_open(uint64_t start, uint64_t end)
{
    bool any = false;

    for (size_t i = find(start); i < n_guards && guards[i].page < end; i++) {
        Guard *g = &guards[i];

        if (g->on && HOST_CALL3(SYS_mprotect, g->page, MEM_PAGE, PROT_READ | PROT_WRITE) == 0) {
            g->on = false;
            g->writes++;
            guard_count--;
            any = true;
        }
    }
    return any;
}

void guard_forget(uint64_t start, uint64_t end)
{
    size_t first = find(start), last = find(end);

    (void)guard_open(start, end);
    memmove(&guards[first], &guards[last], (n_guards - last) * sizeof(Guard));
    n_guards -= last - first;
}
