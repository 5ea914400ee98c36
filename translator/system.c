/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Whole machines: units are found by their physical page too, code is fetched from physical memory,
 * and pages with code are guarded (softmmu/codepages.h), so that an instruction fence looks only at
 * what was written.
 */
#include "translator/state.h"

#include <stdlib.h>
#include <string.h>

enum { TAGS = 126 };

static uint64_t address_of(uint32_t half)
{
    return (uint64_t)(half - 1) << PHYS_PAGE_BITS;
}

static uint32_t half_of(uint64_t paddr)
{
    return (uint32_t)(paddr >> PHYS_PAGE_BITS) + 1;
}

/* ---- Where code is ---- */

bool system_page(TrVcpu *v, uint64_t pc, TrPage *page)
{
    uint64_t paddr;

    if (!mmu_fetch(&v->vcpu, pc, &paddr)) {
        v->fail = (TrFail){ IR_TRAP_fetch, mmu_fault(&v->vcpu)->vaddr };
        return false;
    }
    *page = half_of(paddr);
    if (pc % PHYS_PAGE > PHYS_PAGE - tr.frontend->max_insn &&
        mmu_fetch(&v->vcpu, (pc | (PHYS_PAGE - 1)) + 1, &paddr)) {
        *page |= (uint64_t)half_of(paddr) << 32;
    }
    return true;
}

size_t system_copy(uint32_t half, uint64_t offset, uint8_t *buf, size_t want, bool *writable)
{
    const PhysRegion *r = half ? phys_find(tr.system->mem, address_of(half)) : NULL;
    size_t n = want < PHYS_PAGE - offset ? want : PHYS_PAGE - offset;

    if (!r || (!r->host && !r->code)) {
        return 0;
    }
    if (r->code) {
        phys_executed(tr.system->mem, r->base);
    }
    memcpy(buf, (r->host ? r->host : r->code) + (address_of(half) - r->base) + offset, n);
    *writable |= r->kind == PHYS_ram;
    return n;
}

const uint8_t *system_host(TrPage page, uint64_t pc)
{
    uint64_t paddr = address_of((uint32_t)page);
    const PhysRegion *r = (uint32_t)page ? phys_find(tr.system->mem, paddr) : NULL;

    return r && r->host ? r->host + (paddr - r->base) + pc % PHYS_PAGE : NULL;
}

uint32_t system_code_page(TrVcpu *v, uint64_t number)
{
    uint64_t paddr;

    if (!mmu_fetch(&v->vcpu, number << PHYS_PAGE_BITS, &paddr) ||
        !codepages_has(tr.code_pages, paddr)) {
        return 0;
    }
    return half_of(paddr);
}

TrPage system_page_in(const TrUnit *unit, uint64_t pc)
{
    uint64_t number = pc >> PHYS_PAGE_BITS;

    if (number == unit->pc >> PHYS_PAGE_BITS) {
        return (uint32_t)unit->page;
    }
    for (unsigned k = 0; unit->guard && k < unit->guard->n; k++) {
        if (unit->guard->page[k].number == number) {
            return unit->guard->page[k].half;
        }
    }
    return 0;
}

static bool is_as_it_was(TrVcpu *v, const TrGuard *guard)
{
    for (unsigned k = 0; k < guard->n; k++) {
        if (system_code_page(v, guard->page[k].number) != guard->page[k].half) {
            return false;
        }
    }
    return v->vcpu.index < TR_GUARD_VCPUS;
}

static bool is_unit(const TrUnit *unit, void *wanted)
{
    return unit == wanted;
}

/* Another region, of what is there now, will have to earn its place. */
static void drop_region(TrUnit *region)
{
    TrFilter filter = { is_unit, region, false };

    exclusive_begin();
    pthread_mutex_lock(&tr.lock);
    cache_drop_locked(&filter);
    pthread_mutex_unlock(&tr.lock);
    exclusive_end();
}

void system_check_guard(TrVcpu *v)
{
    TrUnit *unit;
    TrPage page;
    bool good = true;

    if (!run_page(v, &page)) {
        return; /* the next fetch fails */
    }
    pthread_mutex_lock(&tr.lock);
    unit = cache_find(v->vcpu.pc, v->vcpu.mode, page);
    if (unit && unit->region && unit->guard) {
        good = is_as_it_was(v, unit->guard);
        if (good) {
            unit->guard->stamp[v->vcpu.index] = v->vcpu.fetch_stamp;
        }
    }
    pthread_mutex_unlock(&tr.lock);
    if (!good) {
        drop_region(unit);
    }
}

/* ---- Jump cache ---- */

static bool is_tag(const TrVcpu *v, unsigned k, const TrTag *tag)
{
    return v->tags[k - 1].context == tag->context && v->tags[k - 1].mode == tag->mode;
}

/* The number of a tag, from 1 on. */
static unsigned tag_number(TrVcpu *v, const TrTag *tag)
{
    unsigned k = v->n_tags;

    while (k > 0 && !is_tag(v, k, tag)) {
        k--;
    }
    if (!k) {
        if (v->n_tags == TAGS) {
            run_forget(v);
            v->n_tags = 0;
        }
        v->tags[v->n_tags] = *tag;
        k = ++v->n_tags;
    }
    return k;
}

void system_tag(TrVcpu *v)
{
    TrTag tag = { mmu_fetch_number(&v->vcpu), v->vcpu.mode };
    uint8_t *recent = &v->recent_tag[(tag.context + tag.mode) % TR_RECENT_TAGS];

    if (!*recent || *recent > v->n_tags || !is_tag(v, *recent, &tag)) {
        *recent = (uint8_t)tag_number(v, &tag);
    }
    v->vcpu.jump_tag = (uint64_t)*recent << VCPU_JUMP_TAG_SHIFT;
}

/* ---- Code that is written ---- */

static void protect(Vcpu *vcpu, void *paddr)
{
    mmu_protect(vcpu, *(uint64_t *)paddr);
}

static void protect_all(uint64_t paddr)
{
    if (codepages_writer(tr.code_pages, paddr)) {
        tr_for_each_vcpu(protect, &paddr);
        codepages_forget_writer(tr.code_pages, paddr);
    }
}

static void guard(uint32_t half)
{
    uint64_t paddr = address_of(half);

    if (!half || codepages_has(tr.code_pages, paddr)) {
        return;
    }
    exclusive_begin();
    codepages_add(tr.code_pages, paddr);
    protect_all(paddr);
    exclusive_end();
}

void system_guard(TrPage page)
{
    guard((uint32_t)page);
    guard((uint32_t)(page >> 32));
}

static void look_at(uint64_t paddr)
{
    TrRange all = { 0, UINT64_MAX };
    TrFilter filter = { change_is_changed, &all, true };
    bool left;

    cache_drop_page_locked(half_of(paddr), &filter, &left);
    if (left) {
        protect_all(paddr);
    } else {
        codepages_remove(tr.code_pages, paddr);
    }
}

void system_code_changed(void)
{
    uint64_t paddr;

    if (!codepages_any_written(tr.code_pages)) {
        return;
    }
    exclusive_begin();
    pthread_mutex_lock(&tr.lock);
    while (codepages_take(tr.code_pages, &paddr)) {
        look_at(paddr);
    }
    tr.stats.fences++;
    pthread_mutex_unlock(&tr.lock);
    exclusive_end();
}

static void on_write(void *opaque, uint64_t paddr, size_t size)
{
    const PhysRegion *r = phys_find(tr.system->mem, paddr);

    codepages_written(opaque, paddr, size);
    if (r && r->code) {
        tr_flush_soon(); /* flash memory is seldom programmed */
    }
}

/* ---- Coming and going ---- */

/* Vcpu.access with instrumentation: of an access that faults the unit is noted, for counts_undo() when the
 * registers are true. */
static bool access_noting(Vcpu *vcpu, VcpuAccess *a)
{
    TrVcpu *v = vcpu->owner;
    bool done = v->access(vcpu, a);

    if (!done && a->site && codebuf_contains(tr.code, a->site)) {
        v->faulted = cache_find_host(a->site);
    }
    return done;
}

static bool attach_mmu(TrVcpu *v, const MmuConfig *config)
{
    if (!mmu_attach(&v->vcpu, config)) {
        return false;
    }
    v->access = v->vcpu.access;
    if (tr.oracle) {
        v->vcpu.access = check_access;
    } else if (tr.config.instrument && tr.code) {
        v->vcpu.access = access_noting;
    }
    return true;
}

bool system_attach(TrVcpu *v)
{
    MmuConfig config = { .fe = tr.system->fe, .mem = tr.system->mem, .scheme = tr.system->scheme };

    if (!tr.code_pages) {
        tr.code_pages = codepages_new(tr.system->mem);
        phys_on_write(tr.system->mem, on_write, tr.code_pages);
    }
    config.code = tr.code_pages;
    v->tags = calloc(TAGS, sizeof(*v->tags));
    return tr.code_pages && v->tags && attach_mmu(v, &config);
}

void system_detach(TrVcpu *v)
{
    if (v->vcpu.mmu) {
        mmu_detach(&v->vcpu);
    }
    free(v->tags);
}

/* ---- Guest-virtual memory, for debuggers ---- */

/* Physical address of vaddr, and in *n how much of it is in a row, at most what *n was. */
static bool locate(Vcpu *vcpu, uint64_t vaddr, uint64_t *paddr, size_t *n)
{
    size_t room = PHYS_PAGE - vaddr % PHYS_PAGE;

    *n = *n < room ? *n : room;
    return tr.system->fe->locate(vcpu, vaddr, paddr);
}

bool system_read(Vcpu *vcpu, uint64_t vaddr, void *to, size_t size)
{
    for (size_t at = 0, n; at < size; at += n) {
        uint64_t paddr;

        n = size - at;
        if (!locate(vcpu, vaddr + at, &paddr, &n) ||
            !phys_read(tr.system->mem, paddr, (char *)to + at, n)) {
            return false;
        }
    }
    return true;
}

bool system_write(Vcpu *vcpu, uint64_t vaddr, const void *from, size_t size)
{
    for (size_t at = 0, n; at < size; at += n) {
        const PhysRegion *r;
        uint64_t paddr;

        n = size - at;
        r = locate(vcpu, vaddr + at, &paddr, &n) ? phys_find(tr.system->mem, paddr) : NULL;
        if (!r || !r->host) {
            return false;
        }
        memcpy(r->host + (paddr - r->base), (const char *)from + at, n);
        phys_written(tr.system->mem, paddr, n);
    }
    system_code_changed();
    return true;
}
