/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Finding units: by guest pc and mode (open addressing, read without a lock), by host address
 * (units in the order of their code, with an index by page of it), by guest page (for invalidation).
 *
 * A reader that is `running` may look at the table while it grows: a full table is replaced by a
 * larger copy, and the old one stays until the next eviction, unless there is no other thread.
 * Units leave the tables in exclusive sections only, or by being replaced in place.
 */
#include "translator/state.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

enum {
    TABLE_FIRST = 1024, /* slots */
    PAGES_FIRST = 256,  /* slots */
    PAGE_SHIFT = 12,
    CODE_PAGE = 512, /* of the code cache: a few units, since they are searched */
    UNIT_MIN_HOST = 64,      /* bytes of host code that a unit takes at least, for sizing */
    UNIT_MEMORY_RATIO = 4,   /* memory for units, in sizes of the code cache */
    UNIT_RESERVE = 64 << 10, /* what one unit may take at most */
};

/* A slot is the unit's name and, above, bits of its pc; 0: free. */
struct TrTable {
    TrTable *older; /* replaced by this one; freed at eviction */
    size_t mask;
    _Atomic uint64_t slot[];
};

/* What a slot names whose unit was dropped: probing goes on.  Nothing of the arena's has it. */
enum { REMOVED = 1 };

/* The units with bytes on one guest page. */
typedef struct PageUnit {
    TrUnit *unit;
    struct PageUnit *next;
} PageUnit;

typedef struct Page {
    uint64_t key; /* page number + 1; 0: free */
    PageUnit *units;
} Page;

static _Atomic(TrTable *) table;
static size_t table_used; /* slots that are not free, removed ones included */

static Page *pages;
static size_t pages_mask, pages_used;

/* All units in the order of their host code; reserved memory, touched as it grows. */
static TrUnit **units;
static _Atomic size_t n_units;
static size_t max_units, unit_memory;

/* TrUnit.counter of each of them: in a row, near the code, since every entry counts. */
static int32_t *counters;

/* Per page of the code cache: number of the first unit that starts there or later, + 1; 0: there is
 * none. */
static _Atomic uint32_t *host_page;
static size_t n_host_pages; /* filled */

/* Those with a copy of their guest bytes; reserved memory of the same size. */
static TrUnit **writable;
static size_t n_writable, n_dead_writable;

static void *named(TrName name)
{
    return (char *)tr.units + (size_t)name * 16;
}

static TrName name_of(const void *p)
{
    return (TrName)((size_t)((const char *)p - (const char *)tr.units) / 16);
}

static uint64_t hash(uint64_t n)
{
    uint64_t h = n * UINT64_C(0x9e3779b97f4a7c15);

    return h >> 32 ^ h;
}

/* What a slot has of the pc; what it lacks is compared in the unit. */
static uint32_t tag_of(uint64_t pc)
{
    return (uint32_t)(pc >> 1);
}

static uint64_t slot_of(const TrUnit *unit)
{
    return (uint64_t)tag_of(unit->pc) << 32 | name_of(unit);
}

static size_t table_size(size_t slots)
{
    return sizeof(TrTable) + slots * sizeof(_Atomic uint64_t);
}

/* All of it is used soon, in no order: otherwise most pages would fault twice, when they are read and
 * when they are written. */
static TrTable *table_new(size_t slots)
{
    TrTable *t = mmap(NULL, table_size(slots), PROT_READ | PROT_WRITE,
                      MAP_PRIVATE | MAP_ANONYMOUS | MAP_POPULATE, -1, 0);

    CHECK(t != MAP_FAILED, "out of memory for the unit table");
    t->mask = slots - 1;
    return t;
}

static void *reserve(size_t size)
{
    void *p = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE,
                   -1, 0);

    return p == MAP_FAILED ? NULL : p;
}

bool cache_start(const char **error)
{
    size_t code = tr.code ? codebuf_size(tr.code) : tr.config.cache_size;

    max_units = code / UNIT_MIN_HOST;
    units = reserve(max_units * sizeof(*units));
    writable = reserve(max_units * sizeof(*writable));
    counters = reserve(max_units * sizeof(*counters));
    host_page = reserve((code / CODE_PAGE + 1) * sizeof(*host_page));
    pages = calloc(PAGES_FIRST, sizeof(*pages));
    unit_memory = code * UNIT_MEMORY_RATIO;
    tr.units = arena_new(unit_memory);
    if (!units || !writable || !counters || !host_page || !pages || !tr.units) {
        *error = "No memory for the tables of translated code.";
        return false;
    }
    tr.units_empty = arena_mark(tr.units);
    pages_mask = PAGES_FIRST - 1;
    atomic_store(&table, table_new(TABLE_FIRST));
    return true;
}

/* ---- By pc ---- */

TrUnit *cache_find(uint64_t pc, uint32_t mode, TrPage page)
{
    TrTable *t = atomic_load_explicit(&table, memory_order_acquire);

    for (size_t i = hash(tag_of(pc));; i++) {
        uint64_t slot = atomic_load_explicit(&t->slot[i & t->mask], memory_order_acquire);

        if (!slot) {
            return NULL;
        }
        if (slot >> 32 == tag_of(pc) && (TrName)slot != REMOVED) {
            TrUnit *u = named((TrName)slot);

            if (u->pc == pc && u->mode == mode && u->page == page && !u->dead) {
                return u;
            }
        }
    }
}

void cache_expect(uint64_t pc)
{
    const TrTable *t = atomic_load_explicit(&table, memory_order_acquire);

    __builtin_prefetch(&t->slot[hash(tag_of(pc)) & t->mask]);
}

/* Of no unit; whoever looks for one goes on behind a slot that was in use. */
static bool slot_is_free(uint64_t slot)
{
    return !slot || (TrName)slot == REMOVED;
}

/* True when the slot had never been used. */
static bool put(TrTable *t, uint64_t slot)
{
    size_t i = hash(slot >> 32);
    uint64_t before;

    while (before = atomic_load_explicit(&t->slot[i & t->mask], memory_order_relaxed),
           !slot_is_free(before)) {
        i++;
    }
    atomic_store_explicit(&t->slot[i & t->mask], slot, memory_order_release);
    return !before;
}

static void free_older(TrTable *t)
{
    while (t->older) {
        TrTable *older = t->older;

        t->older = older->older;
        munmap(older, table_size(older->mask + 1));
    }
}

static void grow_table(void)
{
    TrTable *old = atomic_load_explicit(&table, memory_order_relaxed);
    TrTable *new = table_new((old->mask + 1) * 2);

    table_used = 0;
    for (size_t i = 0; i <= old->mask; i++) {
        uint64_t slot = atomic_load_explicit(&old->slot[i], memory_order_relaxed);

        if (!slot_is_free(slot)) {
            table_used += put(new, slot);
        }
    }
    new->older = old;
    atomic_store_explicit(&table, new, memory_order_release);
    if (!atomic_load_explicit(&tr.threads, memory_order_relaxed)) {
        free_older(new);
    }
}

static void table_insert(TrUnit *unit)
{
    if ((table_used + 1) * 2 > atomic_load_explicit(&table, memory_order_relaxed)->mask) {
        grow_table();
    }
    table_used += put(atomic_load_explicit(&table, memory_order_relaxed), slot_of(unit));
}

/* Puts `to` where `from` is; NULL: nothing. */
static void table_exchange(const TrUnit *from, const TrUnit *to)
{
    TrTable *t = atomic_load_explicit(&table, memory_order_relaxed);
    size_t i = hash(tag_of(from->pc));

    while (atomic_load_explicit(&t->slot[i & t->mask], memory_order_relaxed) != slot_of(from)) {
        i++;
    }
    atomic_store_explicit(&t->slot[i & t->mask], to ? slot_of(to) : REMOVED, memory_order_release);
}

/* ---- By host address ---- */

static size_t host_page_of(const void *host)
{
    return (size_t)((const char *)host - (const char *)codebuf_base(tr.code)) / CODE_PAGE;
}

static void units_append(TrUnit *unit)
{
    size_t n = atomic_load_explicit(&n_units, memory_order_relaxed);

    units[n] = unit;
    for (; tr.code && n_host_pages <= host_page_of(unit->code.entry); n_host_pages++) {
        atomic_store_explicit(&host_page[n_host_pages], (uint32_t)n + 1, memory_order_relaxed);
    }
    atomic_store_explicit(&n_units, n + 1, memory_order_release);
}

/* Number of the first of `n` units that starts on page `page` or later. */
static size_t first_on(size_t page, size_t n)
{
    uint32_t first = atomic_load_explicit(&host_page[page], memory_order_relaxed);

    return first && first <= n ? first - 1 : n;
}

TrUnit *cache_find_host(const void *host)
{
    size_t n = atomic_load_explicit(&n_units, memory_order_acquire), page = host_page_of(host);
    size_t lo = first_on(page, n), hi = first_on(page + 1, n);

    lo -= lo > 0; /* it may begin on an earlier page */
    while (lo < hi) {
        size_t mid = lo + (hi - lo) / 2;
        TrUnit *u = units[mid];
        uintptr_t offset = (uintptr_t)host - (uintptr_t)u->code.entry;

        if (offset < u->code.size) {
            return u;
        }
        if ((uintptr_t)host < (uintptr_t)u->code.entry) {
            hi = mid;
        } else {
            lo = mid + 1;
        }
    }
    return NULL;
}

/* ---- By guest page ---- */

static Page *page_find(uint64_t page)
{
    for (size_t i = hash(page);; i++) {
        Page *p = &pages[i & pages_mask];

        if (!p->key || p->key == page + 1) {
            return p;
        }
    }
}

static void grow_pages(void)
{
    Page *old = pages;
    size_t n = pages_mask + 1;

    pages = calloc(n * 2, sizeof(*pages));
    CHECK(pages, "out of memory for the page index");
    pages_mask = n * 2 - 1;
    for (size_t i = 0; i < n; i++) {
        if (old[i].key) {
            *page_find(old[i].key - 1) = old[i];
        }
    }
    free(old);
}

static void page_add(uint64_t page, TrUnit *unit)
{
    Page *p = page_find(page);
    PageUnit *pu;

    if (p->units && p->units->unit == unit) {
        return;
    }
    if (!p->key) {
        if ((pages_used + 1) * 2 > pages_mask) {
            grow_pages();
            p = page_find(page);
        }
        p->key = page + 1;
        pages_used++;
    }
    pu = ARENA_NEW(tr.units, PageUnit, 1);
    *pu = (PageUnit){ unit, p->units };
    p->units = pu;
}

/* Whole machines: by physical page. */
static void pages_add_physical(TrUnit *unit)
{
    uint32_t second = (uint32_t)(unit->page >> 32);

    page_add((uint32_t)unit->page, unit);
    if (second) {
        page_add(second, unit);
    }
    for (unsigned k = 0; unit->guard && k < unit->guard->n; k++) {
        page_add(unit->guard->page[k].half, unit);
    }
}

static void pages_add(TrUnit *unit)
{
    if (unit->page) {
        pages_add_physical(unit);
        return;
    }
    for (unsigned i = 0; i < unit->n_spans; i++) {
        const TrSpan *s = &unit->spans[i];

        for (uint64_t p = s->pc >> PAGE_SHIFT; p <= (s->pc + s->size - 1) >> PAGE_SHIFT; p++) {
            page_add(p, unit);
        }
    }
}

static bool unit_overlaps(const TrUnit *unit, uint64_t start, uint64_t last)
{
    for (unsigned i = 0; i < unit->n_spans; i++) {
        const TrSpan *s = &unit->spans[i];

        if (s->pc <= last && s->pc + s->size - 1 >= start) {
            return true;
        }
    }
    return false;
}

/* ---- Links ---- */

static void link_remove(TrLink *l)
{
    if (l->next) {
        ((TrLink *)named(l->next))->prev = l->prev;
    }
    if (l->prev) {
        ((TrLink *)named(l->prev))->next = l->next;
    } else {
        ((TrUnit *)named(l->to))->incoming = l->next;
    }
    l->to = 0;
}

static void link_add(TrLink *l, TrUnit *to)
{
    l->to = name_of(to);
    l->prev = 0;
    l->next = to->incoming;
    to->incoming = name_of(l);
    if (l->next) {
        ((TrLink *)named(l->next))->prev = to->incoming;
    }
}

/* Units that run in a circle have a jump back, a call or a computed jump among them.  Counting these
 * finds what is hot, once a unit is known to be warm; what comes out of a region is not in it. */
static void point(const TrLink *l, const TrUnit *to)
{
    TrUnit *from = named(l->from);
    bool warm = to && to->samples && !from->region;

    tr.backend->link(tr.code, &from->code, (unsigned)(l - from->links), to ? &to->code : NULL, warm);
}

void cache_link_locked(TrUnit *from, unsigned exit, TrUnit *to)
{
    TrLink *l = &from->links[exit];

    if (l->to) {
        link_remove(l);
    }
    link_add(l, to);
    point(l, to);
    tr.stats.links++;
}

void cache_relink_locked(const TrUnit *unit)
{
    const TrLink *l;

    for (TrName name = unit->incoming; name; name = l->next) {
        l = named(name);
        point(l, unit);
    }
}

static void unlink_incoming(TrUnit *unit)
{
    while (unit->incoming) {
        TrLink *l = named(unit->incoming);

        link_remove(l);
        point(l, NULL);
        tr.stats.unlinks++;
    }
}

static void unlink_outgoing(TrUnit *unit)
{
    for (unsigned i = 0; i < unit->code.n_exits; i++) {
        if (unit->links[i].to) {
            link_remove(&unit->links[i]);
        }
    }
}

/* ---- Coming and going ---- */

TrUnit *cache_unit_new(uint64_t pc, uint32_t mode, TrPage page, const TrSpan *spans,
                       unsigned n_spans)
{
    size_t n = atomic_load_explicit(&n_units, memory_order_relaxed);
    TrUnit *unit;

    if (n == max_units ||
        arena_mark(tr.units) + UNIT_RESERVE > unit_memory ||
        (!tr.code && tr.side_used > tr.config.cache_size)) {
        return NULL;
    }
    unit = arena_raw(tr.units, sizeof(*unit) + n_spans * sizeof(TrSpan));
    *unit = (TrUnit){ .pc = pc, .mode = mode, .page = page, .counter = &counters[n] };
    unit->n_spans = (uint16_t)n_spans;
    for (unsigned i = 0; i < n_spans; i++) {
        unit->spans[i] = spans[i];
        if (spans[i].bytes) {
            unit->spans[i].bytes = arena_alloc(tr.units, spans[i].size);
            memcpy(unit->spans[i].bytes, spans[i].bytes, spans[i].size);
            unit->writable = true;
        }
    }
    return unit;
}

static void add(TrUnit *unit)
{
    unit->links = ARENA_NEW(tr.units, TrLink, unit->code.n_exits);
    for (unsigned i = 0; i < unit->code.n_exits; i++) {
        unit->links[i].from = name_of(unit);
    }
    tr.side_used += unit->code.side_size;
    units_append(unit);
    if (unit->writable) {
        writable[n_writable++] = unit;
    }
    pages_add(unit);
}

void cache_insert_locked(TrUnit *unit)
{
    add(unit);
    table_insert(unit);
}

/* The old unit can still be entered from jump caches; its counter then brings the vcpu here. */
void cache_replace_locked(TrUnit *from, TrUnit *to)
{
    add(to);
    table_exchange(from, to);
    from->replaced = true;
    *from->counter = 0;
    while (from->incoming) {
        TrLink *l = named(from->incoming);

        link_remove(l);
        link_add(l, to);
        point(l, to);
    }
}

/* Its code stays until eviction, but nothing leads there once the jump caches are cleared. */
static void drop(TrUnit *unit)
{
    unlink_incoming(unit);
    unlink_outgoing(unit);
    if (!unit->replaced) {
        table_exchange(unit, NULL);
    }
    unit->dead = true;
    n_dead_writable += unit->writable;
    tr.stats.invalidated++;
    log_line(LOG_smc, "drop unit %#llx\n", (unsigned long long)unit->pc);
}

/* The living unit that `filter` wants and that comes at or after *at; NULL at the end. */
static TrUnit *next_wanted(const TrFilter *filter, size_t *at)
{
    TrUnit **list = filter->writable ? writable : units;
    size_t n = filter->writable ? n_writable : atomic_load_explicit(&n_units, memory_order_relaxed);

    while (*at < n) {
        TrUnit *u = list[(*at)++];

        if (!u->dead && filter->wanted(u, filter->opaque)) {
            return u;
        }
    }
    return NULL;
}

/* Not each time: the list may be long. */
static void forget_dead_writable(void)
{
    size_t kept = 0;

    if (n_dead_writable <= n_writable / 2) {
        return;
    }
    for (size_t i = 0; i < n_writable; i++) {
        if (!writable[i]->dead) {
            writable[kept++] = writable[i];
        }
    }
    n_writable = kept;
    n_dead_writable = 0;
}

unsigned cache_drop_locked(const TrFilter *filter)
{
    unsigned dropped = 0;
    TrUnit *u;

    for (size_t at = 0; (u = next_wanted(filter, &at)) != NULL; dropped++) {
        drop(u);
    }
    if (dropped) {
        forget_dead_writable();
        exclusive_for_each(run_forget);
    }
    return dropped;
}

bool cache_any_locked(const TrFilter *filter)
{
    size_t at = 0;

    return next_wanted(filter, &at) != NULL;
}

/* Drops (or only counts) the units of one page that overlap and that `filter` wants, and forgets
 * dead ones. */
static unsigned scan_page(Page *p, const TrRange *range, const TrFilter *filter, bool dry)
{
    unsigned found = 0;

    for (PageUnit **at = &p->units; *at;) {
        TrUnit *u = (*at)->unit;

        if (!u->dead && unit_overlaps(u, range->lo, range->hi) &&
            (!filter || filter->wanted(u, filter->opaque))) {
            found++;
            if (!dry) {
                drop(u);
            }
        }
        if (u->dead) {
            *at = (*at)->next;
        } else {
            at = &(*at)->next;
        }
    }
    return found;
}

static unsigned scan_range(const TrRange *range, const TrFilter *filter, bool dry)
{
    uint64_t first = range->lo >> PAGE_SHIFT, last = range->hi >> PAGE_SHIFT;
    unsigned found = 0;

    if (last - first > pages_mask) {
        for (size_t i = 0; i <= pages_mask; i++) {
            uint64_t page = pages[i].key - 1;

            if (pages[i].key && page >= first && page <= last) {
                found += scan_page(&pages[i], range, filter, dry);
            }
        }
        return found;
    }
    for (uint64_t page = first; page <= last; page++) {
        found += scan_page(page_find(page), range, filter, dry);
    }
    return found;
}

unsigned cache_drop_page_locked(uint64_t page, const TrFilter *filter, bool *left)
{
    Page *p = page_find(page);
    unsigned dropped = 0;

    *left = false;
    for (PageUnit **at = &p->units; *at;) {
        TrUnit *u = (*at)->unit;

        if (!u->dead && filter->wanted(u, filter->opaque)) {
            drop(u);
            dropped++;
        }
        *left |= !u->dead;
        if (u->dead) {
            *at = (*at)->next;
        } else {
            at = &(*at)->next;
        }
    }
    if (dropped) {
        forget_dead_writable();
        exclusive_for_each(run_forget);
    }
    return dropped;
}

unsigned cache_drop_range_locked(const TrRange *range, const TrFilter *filter)
{
    unsigned dropped = scan_range(range, filter, false);

    if (dropped) {
        forget_dead_writable();
        exclusive_for_each(run_forget);
    }
    return dropped;
}

bool cache_has_range_locked(const TrRange *range, const TrFilter *filter)
{
    return scan_range(range, filter, true) != 0;
}

void cache_for_each_locked(void (*fn)(const TrUnit *unit))
{
    size_t n = atomic_load_explicit(&n_units, memory_order_relaxed);

    for (size_t i = 0; i < n; i++) {
        fn(units[i]);
    }
}

size_t cache_memory(void)
{
    size_t n = atomic_load_explicit(&n_units, memory_order_relaxed) + n_writable;

    return arena_mark(tr.units) + tr.side_used + (tr.code ? codebuf_used(tr.code) : 0) +
           n * sizeof(*units) + (pages_mask + 1) * sizeof(*pages) +
           (atomic_load_explicit(&table, memory_order_relaxed)->mask + 1) * sizeof(uint64_t);
}

static void table_clear(void)
{
    TrTable *t = atomic_load_explicit(&table, memory_order_relaxed);

    free_older(t);
    memset(t->slot, 0, (t->mask + 1) * sizeof(t->slot[0]));
    table_used = 0;
}

void cache_evict_locked(void)
{
    size_t n = atomic_load_explicit(&n_units, memory_order_relaxed);

    log_line(LOG_cache, "evict %zu units, %zu bytes of host code\n", n,
             tr.code ? codebuf_used(tr.code) : 0);
    profile_evict_locked();
    gdbjit_evict_locked();
    for (size_t i = 0; i < n; i++) {
        tr.backend->release(&units[i]->code);
        if (units[i]->oracle) {
            tr.oracle->release(units[i]->oracle);
        }
    }
    atomic_store_explicit(&n_units, 0, memory_order_release);
    memset((void *)host_page, 0, n_host_pages * sizeof(*host_page));
    n_host_pages = 0;
    n_writable = n_dead_writable = 0;
    table_clear();
    memset(pages, 0, (pages_mask + 1) * sizeof(*pages));
    pages_used = 0;
    arena_reset(tr.units, tr.units_empty);
    tr.side_used = 0;
    if (tr.code) {
        codebuf_reset(tr.code);
        tr.backend->restart(tr.code);
    }
    if (tr.config.instrument) {
        instrument_forget();
    }
    tr.generation++;
    tr.stats.evictions++;
    exclusive_for_each(run_forget);
}
