/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Contexts and their tables.  An entry is what has to be added to a guest address to get the host's;
 * 0 says that there is none, and so does, wrongly but harmlessly, a page at its own address.
 *
 *   flat  read[] and write[] have an entry for each page of 48 bits of address.  They are reserved
 *         memory, touched where the guest is.  An address that equals one of these in its low 48
 *         bits only gets a host address that is not canonical, and the host faults.
 *   tlb   one table of TLB_ENTRIES, by the low bits of the page number, with the page that is there.
 *
 * What a context has is also in a list, so that flushing it costs what was filled.
 */
#include "softmmu/mmu.h"

#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "frontends/system.h"
#include "softmmu/codepages.h"
#include "softmmu/tables.h"

enum {
    CONTEXTS = 8,
    EXECS = 256,        /* pages that a context remembers for fetches */
    FILLED_MAX = 1 << 17, /* then the context is flushed: a list does not grow for ever */
    FILTER_BITS = 4096,
    LARGE_BITS = 30,
};

/* A set of page numbers that may say yes too often. */
typedef struct Filter {
    uint64_t word[FILTER_BITS / 64];
    unsigned n; /* bits that are set */
    uint64_t first, last; /* when there are any */
} Filter;

typedef struct Exec {
    uint64_t vpage; /* page number + 1; 0: none */
    uint64_t paddr;
    bool global;
} Exec;

typedef struct Filled {
    uint64_t vpage : 63;
    uint64_t global : 1;
} Filled;

typedef struct Context {
    MmuKey key;
    bool used;
    uint64_t last;   /* use */
    uint64_t number; /* these two for fetches */
    uint64_t stamp;
    uint64_t *read, *write;
    Filled *filled;
    size_t n_filled, cap_filled;
    bool any_local, any_local_exec; /* there may be entries, pages for fetches, that are not global */
    Filter touched;      /* pages filled, in steps of what one page of the table says */
    Filter large;        /* where pages are larger than the table's, in steps of LARGE_BITS */
    Exec exec[EXECS];
    Filter fetched; /* all pages that were fetched from under this number */
    MmuRecents recent;
} Context;

typedef struct Mmu {
    MmuConfig config;
    Context context[CONTEXTS];
    Context *data, *fetch;
    uint64_t uses, numbers;
    MmuFault fault;
} Mmu;

static Mmu *mmu_of(const Vcpu *vcpu)
{
    return vcpu->mmu;
}

static uint64_t vpage_of(uint64_t vaddr)
{
    return vaddr >> PHYS_PAGE_BITS;
}

/* ---- Filters ---- */

static unsigned filter_bit(uint64_t n)
{
    return (unsigned)(n * UINT64_C(0x9e3779b97f4a7c15) >> 52) % FILTER_BITS;
}

static void filter_add(Filter *f, uint64_t n)
{
    unsigned bit = filter_bit(n);
    uint64_t one = UINT64_C(1) << bit % 64;

    f->first = f->n && f->first < n ? f->first : n;
    f->last = f->n && f->last > n ? f->last : n;
    f->n += !(f->word[bit / 64] & one);
    f->word[bit / 64] |= one;
}

static bool filter_may_have(const Filter *f, uint64_t n)
{
    unsigned bit = filter_bit(n);

    return n >= f->first && n <= f->last && (f->word[bit / 64] >> bit % 64 & 1);
}

/* ---- Entries ---- */

static bool is_flat(const Mmu *mmu)
{
    return mmu->config.scheme == MMU_SCHEME_flat;
}

static void *reserve(size_t size)
{
    void *p = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE,
                   -1, 0);

    if (p == MAP_FAILED) {
        return NULL;
    }
    madvise(p, size, MADV_NOHUGEPAGE); /* few of its pages are touched */
    return p;
}

static bool has_tables(const Context *c)
{
    return c->read != NULL;
}

/* Whenever the tables have something no more. */
static void forget_recent(Context *c)
{
    MmuRecents *r = &c->recent;
    uint8_t *used = r->used;

    while ((used = memchr(used, 1, sizeof(r->used) - (size_t)(used - r->used)))) {
        memset(r->place + (used - r->used) * MMU_RECENT_ROW, 0xff, MMU_RECENT_ROW * sizeof(MmuRecent));
        *used = 0;
    }
}

static bool make_tables(const Mmu *mmu, Context *c)
{
    size_t size = is_flat(mmu) ? MMU_FLAT_ENTRIES * sizeof(uint64_t) * 2
                               : MMU_TLB_ENTRIES * sizeof(MmuTlbEntry);

    c->read = reserve(size);
    if (!c->read) {
        return false;
    }
    c->write = is_flat(mmu) ? c->read + MMU_FLAT_ENTRIES : c->read;
    memset(c->recent.used, 1, sizeof(c->recent.used));
    forget_recent(c);
    if (!is_flat(mmu)) {
        memset(c->read, 0xff, size);
    }
    return true;
}

static MmuTlbEntry *tlb_entry(const Context *c, uint64_t vpage)
{
    return (MmuTlbEntry *)c->read + vpage % MMU_TLB_ENTRIES;
}

/* What to add to addresses of the page; 0: not known. */
static uint64_t get_entry(const Mmu *mmu, const Context *c, uint64_t vaddr, bool write)
{
    uint64_t vpage = vpage_of(vaddr);
    const MmuTlbEntry *e;

    if (is_flat(mmu)) {
        uint64_t addend = (write ? c->write : c->read)[vpage % MMU_FLAT_ENTRIES];

        return (vaddr + addend) >> 47 ? 0 : addend; /* of the page that has the same index */
    }
    e = tlb_entry(c, vpage);
    return (write ? e->write : e->read) == vpage << PHYS_PAGE_BITS ? e->addend : 0;
}

static void set_entry(const Mmu *mmu, const Context *c, uint64_t vpage, uint64_t addend, bool write)
{
    MmuTlbEntry *e;

    if (is_flat(mmu)) {
        c->read[vpage % MMU_FLAT_ENTRIES] = addend;
        c->write[vpage % MMU_FLAT_ENTRIES] = write ? addend : 0;
        return;
    }
    e = tlb_entry(c, vpage);
    e->read = vpage << PHYS_PAGE_BITS;
    e->write = write ? vpage << PHYS_PAGE_BITS : MMU_TLB_NONE;
    e->addend = addend;
}

static void clear_entry(const Mmu *mmu, const Context *c, uint64_t vpage)
{
    MmuTlbEntry *e;

    if (is_flat(mmu)) {
        c->read[vpage % MMU_FLAT_ENTRIES] = 0;
        c->write[vpage % MMU_FLAT_ENTRIES] = 0;
        return;
    }
    e = tlb_entry(c, vpage);
    if (e->read == vpage << PHYS_PAGE_BITS) {
        e->read = e->write = MMU_TLB_NONE;
    }
}

/* ---- Flushing ---- */

static uint64_t chunk_of(uint64_t vpage)
{
    return vpage % MMU_FLAT_ENTRIES * sizeof(uint64_t) / PHYS_PAGE;
}

static void forget_exec(Mmu *mmu, Context *c, bool global)
{
    for (unsigned i = 0; i < EXECS; i++) {
        if (global || !c->exec[i].global) {
            c->exec[i].vpage = 0;
        }
    }
    c->any_local_exec = false;
    c->fetched = (Filter){ .n = 0 };
    c->number = c->stamp = ++mmu->numbers;
}

static void forget_entries(const Mmu *mmu, Context *c, bool global)
{
    size_t kept = 0;

    forget_recent(c);
    for (size_t i = 0; i < c->n_filled; i++) {
        if (!global && c->filled[i].global) {
            c->filled[kept++] = c->filled[i];
        } else {
            clear_entry(mmu, c, c->filled[i].vpage);
        }
    }
    c->n_filled = kept;
    c->any_local = false;
    if (!kept) {
        c->touched = (Filter){ .n = 0 };
    }
    if (global) { /* else pages for fetches remain, too */
        c->large = (Filter){ .n = 0 };
    }
}

/* Everything, or what is not global: a kernel has nothing of that when the process changes. */
static void flush(Mmu *mmu, Context *c, bool global)
{
    if (global || c->any_local) {
        forget_entries(mmu, c, global);
    }
    if (global || c->any_local_exec) {
        forget_exec(mmu, c, global);
    }
}

static bool in_large(const Context *c, uint64_t vaddr)
{
    return filter_may_have(&c->large, vaddr >> LARGE_BITS);
}

static bool was_fetched(const Mmu *mmu, uint64_t vpage)
{
    bool any = false;

    for (unsigned i = 0; i < CONTEXTS && !any; i++) {
        any = mmu->context[i].used && filter_may_have(&mmu->context[i].fetched, vpage);
    }
    return any;
}

/* The pcs of one page are a row of slots, which others have, too; the last one before it may be of an
 * instruction that lies on both. */
static void forget_jumps(const Mmu *mmu, Vcpu *vcpu, uint64_t vpage)
{
    enum { TAG_BITS = 64 - VCPU_JUMP_TAG_SHIFT };
    uint64_t pc = vpage << PHYS_PAGE_BITS;
    VcpuJump *row = &vcpu->jump_cache[vcpu_jump_index(pc)];
    unsigned last = vcpu_jump_index(pc - 2);

    if (!was_fetched(mmu, vpage) && !was_fetched(mmu, vpage - 1)) {
        return;
    }
    for (unsigned i = 0; i < PHYS_PAGE / 2; i++) {
        if ((row[i].pc ^ pc) << TAG_BITS >> TAG_BITS < PHYS_PAGE) {
            row[i] = (VcpuJump){ 0, NULL };
        }
    }
    vcpu->jump_cache[last] = vcpu->jump_cache[vcpu_jump_second(last)] = (VcpuJump){ 0, NULL };
    vcpu_jumps_zeroed(vcpu);
}

static void flush_page(Mmu *mmu, Context *c, uint64_t vaddr)
{
    uint64_t vpage = vpage_of(vaddr);
    Exec *exec = &c->exec[vpage % EXECS];

    if (in_large(c, vaddr)) {
        flush(mmu, c, true);
        return;
    }
    if (filter_may_have(&c->touched, chunk_of(vpage))) {
        clear_entry(mmu, c, vpage);
        forget_recent(c);
    }
    if (exec->vpage == vpage + 1) {
        exec->vpage = 0;
    }
    if (c->fetched.n > FILTER_BITS / 2) {
        forget_exec(mmu, c, true); /* it would say yes to much that was not fetched from */
    } else if (filter_may_have(&c->fetched, vpage)) {
        c->stamp = ++mmu->numbers;
    }
}

static void update_stamp(Vcpu *vcpu)
{
    vcpu->fetch_stamp = mmu_of(vcpu)->fetch->stamp;
}

void mmu_flush_page(Vcpu *vcpu, uint64_t vaddr)
{
    Mmu *mmu = mmu_of(vcpu);

    for (unsigned i = 0; i < CONTEXTS; i++) {
        if (mmu->context[i].used) {
            flush_page(mmu, &mmu->context[i], vaddr);
        }
    }
    forget_jumps(mmu, vcpu, vpage_of(vaddr));
    update_stamp(vcpu);
}

void mmu_flush_all(Vcpu *vcpu)
{
    Mmu *mmu = mmu_of(vcpu);

    for (unsigned i = 0; i < CONTEXTS; i++) {
        if (mmu->context[i].used) {
            flush(mmu, &mmu->context[i], true);
        }
    }
    update_stamp(vcpu);
}

void mmu_flush_root(Vcpu *vcpu, bool (*match)(uint64_t root, uint64_t arg), uint64_t arg)
{
    Mmu *mmu = mmu_of(vcpu);

    for (unsigned i = 0; i < CONTEXTS; i++) {
        Context *c = &mmu->context[i];

        if (c->used && match(c->key.root, arg)) {
            flush(mmu, c, false);
        }
    }
    update_stamp(vcpu);
}

/* ---- Contexts ---- */

static bool is_for(const Context *c, const MmuKey *key)
{
    return c->used && c->key.rights == key->rights && c->key.shared == key->shared &&
           (key->shared || c->key.root == key->root);
}

/* The context that was not used for the longest time and can have tables. */
static Context *find_victim(Mmu *mmu)
{
    Context *victim = NULL;

    for (unsigned i = 0; i < CONTEXTS; i++) {
        Context *c = &mmu->context[i];

        if (!c->used && (has_tables(c) || make_tables(mmu, c))) {
            return c;
        }
        if (c->used && c != mmu->data && c != mmu->fetch && (!victim || c->last < victim->last)) {
            victim = c;
        }
    }
    CHECK(victim, "no address space for the guest's address spaces: use another --mmu");
    return victim;
}

static Context *find_context(Mmu *mmu, const MmuKey *key)
{
    Context *c = NULL;

    for (unsigned i = 0; i < CONTEXTS && !c; i++) {
        c = is_for(&mmu->context[i], key) ? &mmu->context[i] : NULL;
    }
    if (!c) {
        c = find_victim(mmu);
        flush(mmu, c, true);
        c->used = true;
        c->key = *key;
    } else if (c->key.root != key->root) {
        flush(mmu, c, false);
        c->key.root = key->root;
    }
    c->last = ++mmu->uses;
    return c;
}

void mmu_switch(Vcpu *vcpu, const MmuKey *data, const MmuKey *fetch)
{
    Mmu *mmu = mmu_of(vcpu);

    mmu->data = find_context(mmu, data);
    mmu->fetch = find_context(mmu, fetch);
    vcpu->mmu_read = mmu->data->read;
    vcpu->mmu_write = mmu->data->write;
    vcpu->mmu_recent = &mmu->data->recent;
    update_stamp(vcpu);
}

bool mmu_attach(Vcpu *vcpu, const MmuConfig *config)
{
    const MmuKey physical = { .root = 0 };
    Mmu *mmu = calloc(1, sizeof(*mmu));

    if (!mmu) {
        return false;
    }
    mmu->config = *config;
    if (!make_tables(mmu, &mmu->context[0])) {
        free(mmu);
        return false;
    }
    vcpu->mmu = mmu;
    vcpu->access = mmu_access;
    mmu_switch(vcpu, &physical, &physical);
    return true;
}

void mmu_detach(Vcpu *vcpu)
{
    Mmu *mmu = mmu_of(vcpu);
    size_t size = is_flat(mmu) ? MMU_FLAT_ENTRIES * sizeof(uint64_t) * 2
                               : MMU_TLB_ENTRIES * sizeof(MmuTlbEntry);

    for (unsigned i = 0; i < CONTEXTS; i++) {
        if (has_tables(&mmu->context[i])) {
            munmap(mmu->context[i].read, size);
        }
        free(mmu->context[i].filled);
    }
    free(mmu);
    vcpu->mmu = NULL;
}

/* ---- Filling ---- */

static bool fault(Mmu *mmu, uint64_t vaddr, MmuAccess access, uint64_t cause)
{
    mmu->fault = (MmuFault){ vaddr, access, cause };
    return false;
}

const MmuFault *mmu_fault(const Vcpu *vcpu)
{
    return &mmu_of(vcpu)->fault;
}

/* The physical address of vaddr, or a fault. */
static bool walk(Vcpu *vcpu, uint64_t vaddr, MmuAccess access, unsigned size, MmuPage *page,
                 uint64_t *paddr)
{
    Mmu *mmu = mmu_of(vcpu);
    FeWalk w = mmu->config.fe->walk(vcpu, vaddr, access, size);

    if (!w.ok) {
        return fault(mmu, vaddr, access, w.cause);
    }
    *page = w.page;
    *paddr = w.page.paddr + (vaddr - w.page.vaddr);
    return true;
}

static void note_filled(Mmu *mmu, Context *c, uint64_t vpage, bool global)
{
    if (c->n_filled == FILLED_MAX) {
        flush(mmu, c, true);
    }
    if (c->n_filled == c->cap_filled) {
        c->cap_filled = c->cap_filled ? c->cap_filled * 2 : 256;
        c->filled = realloc(c->filled, c->cap_filled * sizeof(*c->filled));
        CHECK(c->filled, "out of memory for the MMU");
    }
    c->filled[c->n_filled++] = (Filled){ vpage, global };
    c->any_local |= !global;
    filter_add(&c->touched, chunk_of(vpage));
}

static void note_large(Context *c, const MmuPage *page)
{
    uint64_t n = page->vaddr >> LARGE_BITS, last = (page->vaddr + page->size - 1) >> LARGE_BITS;

    if (page->size <= PHYS_PAGE) {
        return;
    }
    if (last - n >= FILTER_BITS) {
        c->large = (Filter){ .n = FILTER_BITS, .first = 0, .last = UINT64_MAX };
        memset(c->large.word, 0xff, sizeof(c->large.word));
        return;
    }
    for (; n <= last; n++) {
        filter_add(&c->large, n);
    }
}

/* The name of a write entry: vcpu, context, page */
static uint64_t writer_name(const Vcpu *vcpu, const Context *c, uint64_t vpage)
{
    const Mmu *mmu = mmu_of(vcpu);

    return vpage << 12 | (uint64_t)(c - mmu->context) << 8 | (vcpu->index + 1);
}

static bool writer_is(const Vcpu *vcpu, uint64_t who)
{
    return (who & 0xff) == vcpu->index + 1;
}

static unsigned writer_context(uint64_t who)
{
    return who >> 8 & 15;
}

static uint64_t writer_vpage(uint64_t who)
{
    return who >> 12;
}

/* Remembers where the page of vaddr is, in RAM or ROM at `host`. */
static void fill(Vcpu *vcpu, uint64_t vaddr, const MmuPage *page, const PhysRegion *r,
                 uint64_t paddr)
{
    Mmu *mmu = mmu_of(vcpu);
    Context *c = mmu->data;
    uint64_t in_page = vaddr % PHYS_PAGE;
    uint64_t host = (uintptr_t)(r->host + (paddr - r->base)) - in_page;
    uint64_t addend = host - (vaddr - in_page), old = get_entry(mmu, c, vaddr, false);
    bool write = page->write && r->kind == PHYS_ram &&
                 !codepages_guarded(mmu->config.code, paddr);

    if (page->size < PHYS_PAGE || !page->read) {
        return;
    }
    if (!old) {
        note_filled(mmu, c, vpage_of(vaddr), page->global);
    } else if (old != addend) {
        forget_recent(c);
    }
    note_large(c, page);
    if (write) {
        codepages_note_writer(mmu->config.code, paddr, writer_name(vcpu, c, vpage_of(vaddr)));
    }
    set_entry(mmu, c, vpage_of(vaddr), addend, write);
}

/* ---- Accesses ---- */

/* Memory shared with other vcpus: one access of the host where it is aligned. */
static uint64_t load_host(const void *p, unsigned size)
{
    uint64_t v = 0;

    if ((uintptr_t)p % size) {
        memcpy(&v, p, size);
        return v;
    }
    switch (size) {
    case 1:
        return __atomic_load_n((const uint8_t *)p, __ATOMIC_RELAXED);
    case 2:
        return __atomic_load_n((const uint16_t *)p, __ATOMIC_RELAXED);
    case 4:
        return __atomic_load_n((const uint32_t *)p, __ATOMIC_RELAXED);
    default:
        return __atomic_load_n((const uint64_t *)p, __ATOMIC_RELAXED);
    }
}

static void store_host(void *p, unsigned size, uint64_t v)
{
    if ((uintptr_t)p % size) {
        memcpy(p, &v, size);
        return;
    }
    switch (size) {
    case 1:
        __atomic_store_n((uint8_t *)p, (uint8_t)v, __ATOMIC_RELAXED);
        break;
    case 2:
        __atomic_store_n((uint16_t *)p, (uint16_t)v, __ATOMIC_RELAXED);
        break;
    case 4:
        __atomic_store_n((uint32_t *)p, (uint32_t)v, __ATOMIC_RELAXED);
        break;
    default:
        __atomic_store_n((uint64_t *)p, v, __ATOMIC_RELAXED);
        break;
    }
}

static void access_host(VcpuAccess *a, uint64_t addend)
{
    void *p = (void *)(uintptr_t)(a->addr + addend);

    switch (a->kind) {
    case VCPU_load:
        a->value = load_host(p, a->size);
        break;
    case VCPU_store:
        store_host(p, a->size, a->value);
        break;
    case VCPU_rmw:
        a->addend = addend;
        break;
    }
}

/* For the next access to the page. */
static void note_addend(VcpuAccess *a, uint64_t addend)
{
    if (addend) {
        a->addend = addend;
    }
}

static bool access_ram(Vcpu *vcpu, VcpuAccess *a, const MmuPage *page, const PhysRegion *r,
                       uint64_t paddr)
{
    Mmu *mmu = mmu_of(vcpu);
    uint64_t host = (uintptr_t)(r->host + (paddr - r->base));
    bool write = a->kind != VCPU_load;

    if (write && r->kind == PHYS_rom) {
        return a->kind == VCPU_store || fault(mmu, a->addr, MMU_write, mmu->config.fe->bus_error);
    }
    access_host(a, host - a->addr);
    if (write) {
        codepages_written(mmu->config.code, paddr, a->size);
    }
    fill(vcpu, a->addr, page, r, paddr);
    note_addend(a, get_entry(mmu, mmu->data, a->addr, write));
    return true;
}

static bool access_device(Mmu *mmu, VcpuAccess *a, uint64_t paddr)
{
    bool done = false;

    switch (a->kind) {
    case VCPU_load:
        done = phys_load(mmu->config.mem, paddr, a->size, &a->value);
        break;
    case VCPU_store:
        done = phys_store(mmu->config.mem, paddr, a->size, a->value);
        break;
    case VCPU_rmw:
        break;
    }
    return done || fault(mmu, a->addr, a->kind == VCPU_load ? MMU_read : MMU_write,
                         mmu->config.fe->bus_error);
}

static bool access_in_page(Vcpu *vcpu, VcpuAccess *a)
{
    Mmu *mmu = mmu_of(vcpu);
    bool write = a->kind != VCPU_load;
    uint64_t addend = get_entry(mmu, mmu->data, a->addr, write), paddr;
    const PhysRegion *r;
    MmuPage page;

    if (addend) {
        access_host(a, addend);
        note_addend(a, addend);
        return true;
    }
    if (!walk(vcpu, a->addr, write ? MMU_write : MMU_read, a->size, &page, &paddr)) {
        return false;
    }
    r = phys_find(mmu->config.mem, paddr);
    if (r && r->host && a->size <= r->size - (paddr - r->base)) {
        return access_ram(vcpu, a, &page, r, paddr);
    }
    return access_device(mmu, a, paddr);
}

/* Byte by byte.  Both pages are looked at first, so that a store is made as a whole or not at all. */
static bool access_two_pages(Vcpu *vcpu, VcpuAccess *a)
{
    MmuAccess access = a->kind == VCPU_load ? MMU_read : MMU_write;
    uint64_t second = (a->addr | (PHYS_PAGE - 1)) + 1, paddr, v = 0;
    unsigned first = (unsigned)(second - a->addr);
    MmuPage page;

    if (!walk(vcpu, a->addr, access, first, &page, &paddr) ||
        !walk(vcpu, second, access, a->size - first, &page, &paddr)) {
        return false;
    }
    for (unsigned k = 0; k < a->size; k++) {
        VcpuAccess byte = { .addr = a->addr + k, .kind = a->kind, .size = 1,
                            .value = a->value >> 8 * k & 0xff };

        if (!access_in_page(vcpu, &byte)) {
            return false;
        }
        v |= byte.value << 8 * k;
    }
    a->value = v;
    return true;
}

bool mmu_access(Vcpu *vcpu, VcpuAccess *a)
{
    bool two = a->addr % PHYS_PAGE + a->size > PHYS_PAGE, done;

    a->addend = VCPU_NO_ADDEND;
    done = two ? access_two_pages(vcpu, a) : access_in_page(vcpu, a);
    if (!done) {
        vcpu->exit_trap = IR_TRAP_fault;
        vcpu->exit_arg = mmu_of(vcpu)->fault.vaddr;
    }
    return done;
}

uint8_t *mmu_host(const Vcpu *vcpu, uint64_t vaddr, bool write)
{
    const Mmu *mmu = mmu_of(vcpu);
    uint64_t addend = get_entry(mmu, mmu->data, vaddr, write);

    return addend ? (uint8_t *)(uintptr_t)(vaddr + addend) : NULL;
}

/* ---- Fetches ---- */

bool mmu_fetch(Vcpu *vcpu, uint64_t pc, uint64_t *paddr)
{
    Mmu *mmu = mmu_of(vcpu);
    uint64_t vpage = vpage_of(pc);
    Exec *exec = &mmu->fetch->exec[vpage % EXECS];
    const PhysRegion *r;
    MmuPage page;

    filter_add(&mmu->fetch->fetched, vpage);
    if (exec->vpage == vpage + 1) {
        *paddr = exec->paddr + pc % PHYS_PAGE;
        return true;
    }
    if (!walk(vcpu, pc, MMU_exec, 2, &page, paddr)) {
        return false;
    }
    r = phys_find(mmu->config.mem, *paddr);
    if (!r || (!r->host && !r->code)) {
        return fault(mmu, pc, MMU_exec, mmu->config.fe->bus_error);
    }
    mmu->fetch->any_local_exec |= !page.global;
    if (page.size >= PHYS_PAGE) {
        *exec = (Exec){ vpage + 1, *paddr - pc % PHYS_PAGE, page.global };
        note_large(mmu->fetch, &page);
    }
    return true;
}

uint64_t mmu_fetch_number(const Vcpu *vcpu)
{
    return mmu_of(vcpu)->fetch->number;
}

/* ---- Write entries of pages with code ---- */

static void unwrite(const Mmu *mmu, const Context *c, uint64_t vpage, uint64_t host)
{
    uint64_t vaddr = vpage << PHYS_PAGE_BITS, addend = get_entry(mmu, c, vaddr, true);

    if (addend && vaddr + addend == host) {
        set_entry(mmu, c, vpage, addend, false);
    }
}

void mmu_protect(Vcpu *vcpu, uint64_t paddr)
{
    Mmu *mmu = mmu_of(vcpu);
    uint64_t who = codepages_writer(mmu->config.code, paddr);
    const PhysRegion *r = phys_find(mmu->config.mem, paddr);
    uint64_t host = (uintptr_t)r->host + (paddr - r->base) / PHYS_PAGE * PHYS_PAGE;

    if (who != CODEPAGES_MANY) {
        if (writer_is(vcpu, who)) {
            Context *c = &mmu->context[writer_context(who)];

            unwrite(mmu, c, writer_vpage(who), host);
            forget_recent(c);
        }
        return;
    }
    for (unsigned i = 0; i < CONTEXTS; i++) {
        Context *c = &mmu->context[i];

        forget_recent(c);
        for (size_t k = 0; k < c->n_filled; k++) {
            unwrite(mmu, c, c->filled[k].vpage, host);
        }
    }
}
