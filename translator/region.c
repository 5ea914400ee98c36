/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Tier 1+: a region.  When a unit has been entered often, the control flow that can be reached
 * from its start becomes one IrFunc with its loops whole, so that guest registers stay in host
 * registers around them.  extent.c says what belongs to it, policy.h when and how much.
 *
 * The region replaces the unit at its start; links to that lead to the region from then on.
 */
#include "translator/extent.h"
#include "translator/jumps.h"
#include "translator/policy.h"
#include "translator/source.h"

enum { NEVER_AGAIN = INT32_MAX }; /* counter of a unit that no region can be made from */

static int current; /* block being translated */

/* ---- IR ---- */

static bool block_at(FeContext *c, uint64_t pc, IrBlockId *block)
{
    int to = extent_next(current, pc);

    (void)c;
    if (to != LAYOUT_NONE) {
        *block = extent.block[to].ir;
    }
    return to != LAYOUT_NONE;
}

/* Blocks that end with a computed jump go on only where that is expected to lead. */
static bool expected(FeContext *c, unsigned k, uint64_t *pc)
{
    int to = k < LAYOUT_SUCCS ? extent.layout.block[current].succ[k] : LAYOUT_NONE;

    (void)c;
    if (to != LAYOUT_NONE) {
        *pc = extent.block[to].at.pc;
    }
    return to != LAYOUT_NONE;
}

/* The builder still knows what holds at the end of block `b`, and nothing else: of several
 * comparisons with expected targets it would know the later ones, too. */
static bool is_followed(int b)
{
    return !extent.block[b].computed || extent.layout.block[b].succ[1] == LAYOUT_NONE;
}

/* A jump leads back to block `b`, or into it. */
static bool is_jumped_back_to(int b)
{
    for (uint64_t p = extent.layout.block[b].preds; p; p &= p - 1) {
        const ExtBlock *from = &extent.block[__builtin_ctzll(p)];

        if (from->at.pc + from->size > extent.block[b].at.pc) {
            return true;
        }
    }
    return false;
}

/* Goes on with what is known of registers when the block before is the only way in, and in the
 * same loops: those can be copied then, since values do not leave them. */
static void start_block(IrFunc *f, int b, int before)
{
    IrBuild *build = &source.c.b;
    const LayoutBlock *l = &extent.layout.block[b];

    if (before != LAYOUT_NONE && l->preds == UINT64_C(1) << before && b != 0 &&
        is_followed(before) && l->depth == extent.layout.block[before].depth) {
        ir_build_follow(build, extent.block[b].ir);
    } else {
        ir_build_at(build, f, extent.block[b].ir);
    }
    current = b;
    source.c.ended = false;
    source_open_span(extent.block[b].at.pc);
    if (extent.block[b].seen) {
        if (is_jumped_back_to(b)) {
            ir_safepoint(build, extent.block[b].at.pc); /* FeContext.poll_at_head */
        }
        source_open_block(extent.block[b].seen);
    }
}

/* Other threads may have changed the code, or its protection, since its blocks were found: what is
 * not there any more is an exit, and what ends elsewhere goes on from there. */
static void translate_block(int b)
{
    FeContext *c = &source.c;
    uint64_t pc = extent.block[b].at.pc, end = pc + extent.block[b].size;

    while (pc < end && !c->ended) {
        FeShape s = source_look(pc);

        if (!s.length) {
            ir_exit(&c->b, pc, IR_EXIT_POLL, 0);
            c->ended = true;
            return;
        }
        pc = source_translate(pc, &s);
    }
    if (!c->ended) {
        fe_jump(c, pc);
    }
}

/* The entry is a block of its own, since a loop may lead back to the first one. */
static IrFunc *make_ir(void)
{
    IrFunc *f = source_begin(extent.block[0].at.pc, extent.mode, extent.page);
    IrBuild *build = &source.c.b;
    IrBlockId entry = ir_block_new(f, extent.block[0].at.pc);
    int before = LAYOUT_NONE;

    source.c.block_at = block_at;
    source.c.expected = expected;
    for (int k = 0; k < extent.layout.n_order; k++) {
        int b = extent.layout.order[k];

        extent.block[b].ir = ir_block_new(f, extent.block[b].at.pc);
        f->block[extent.block[b].ir].depth = extent.layout.block[b].depth;
    }
    ir_build_at(build, f, entry);
    ir_br(build, extent.block[0].ir);
    for (int k = 0; k < extent.layout.n_order; k++) {
        start_block(f, extent.layout.order[k], before);
        before = extent.layout.order[k];
        translate_block(before);
    }
    source_end(f);
    return f;
}

IrFunc *region_ir(const TrUnit *unit)
{
    IrFunc *f;

    source_across(NULL, tr.system ? unit->guard : NULL);
    f = extent_find(unit->pc, unit->mode, unit->page, unit->n_insns) ? make_ir() : NULL;
    source_across(NULL, NULL);
    return f;
}

/* ---- Making it ---- */

/* What tier 1 has already is not made again, unless it needs several units. */
static bool is_worth(const TrUnit *hot)
{
    return extent.layout.loops || extent.layout.n_order > 1 ||
           extent.n_insns >= LINE_UNITS * hot->n_insns;
}

/* A debugger stops here now and then: tier 1 will do. */
static bool has_breakpoint(void)
{
    bool found = false;

    for (int b = 0; b < extent.n && !found; b++) {
        found = debug_breaks_locked(extent.block[b].at.pc, extent.block[b].size);
    }
    return found;
}

static BeStatus make(const TrUnit *hot, unsigned max_insns, TrUnit **out)
{
    TrUnit *unit;
    IrFunc *f;
    BeStatus status;

    *out = NULL;
    if (!extent_find(hot->pc, hot->mode, hot->page, max_insns) || !is_worth(hot) || has_breakpoint()) {
        return BE_OK;
    }
    f = make_ir();
    if (source.again) {
        return make(hot, max_insns, out);
    }
    if (!source.n_insns) {
        return BE_OK; /* all of it is gone since it was found */
    }
    unit = unit_new_locked(hot->pc, hot->mode, hot->page);
    if (!unit) {
        return BE_FULL;
    }
    unit->region = true;
    if (tr.system) {
        unit->guard = source_guard();
    }
    if (tr.oracle) {
        check_compile_locked(make_ir(), unit);
    }
    status = unit_compile_locked(f, unit);
    if (status == BE_OK) {
        *out = unit;
    }
    return status;
}

static void count(const TrUnit *unit, uint64_t since)
{
    tr.stats.regions++;
    tr.stats.region_insns += unit->n_insns;
    tr.stats.translate_ns += unit_clock() - since;
}

static void form(TrUnit *hot)
{
    size_t mark = arena_mark(tr.ir);
    uint64_t since = unit_clock();
    unsigned max = REGION_INSNS;
    TrUnit *region = NULL;
    BeStatus status;

    do {
        status = make(hot, max, &region);
        arena_reset(tr.ir, mark);
        max = extent.n_insns / 2;
    } while (status == BE_BIG && max >= REGION_SMALLEST);
    if (region) {
        cache_replace_locked(hot, region);
        count(region, since);
    } else {
        bool later = status == BE_FULL || has_breakpoint();

        *hot->counter = later ? region_interval() : NEVER_AGAIN;
    }
}

int32_t region_interval(void)
{
    uint32_t samples = tr.config.hot_threshold < SAMPLES ? 1 : SAMPLES;

    return (int32_t)((tr.config.hot_threshold + samples - 1) / samples);
}

uint64_t region_work(void)
{
    return tr.config.region_work ? tr.config.region_work : REGION_WORK;
}

uint32_t region_entries(const TrUnit *unit)
{
    int32_t left = *unit->counter, interval = region_interval();

    if (unit->region || left < 0 || left > interval) {
        return UINT32_MAX;
    }
    return (unit->samples + 1u) * (uint32_t)interval - (uint32_t)left;
}

/* The vcpu has just got to its pc: by a computed jump? */
static void note_jump(const Vcpu *vcpu)
{
    if (vcpu->from == (uint32_t)vcpu->from &&
        vcpu->from_index == vcpu_jump_index(vcpu->pc) * UINT64_C(2)) {
        jumps_note_locked((uint32_t)vcpu->from, vcpu->pc);
    }
}

void region_hot(TrVcpu *v)
{
    TrUnit *unit;
    TrPage page;

    if (!run_page(v, &page)) {
        return; /* the next fetch fails */
    }
    pthread_mutex_lock(&tr.lock);
    v->translating = 1;
    unit = cache_find(v->vcpu.pc, v->vcpu.mode, page);
    if (unit && !unit->region) {
        note_jump(&v->vcpu);
        if (unit->samples < 255) {
            unit->samples++;
        }
        if (unit->samples * (uint32_t)region_interval() >= tr.config.hot_threshold) {
            source_across(tr.system && tr.code ? v : NULL, NULL);
            form(unit);
            source_across(NULL, NULL);
        } else {
            *unit->counter = region_interval();
            if (unit->samples == 1) {
                cache_relink_locked(unit);
            }
        }
    }
    v->translating = 0;
    pthread_mutex_unlock(&tr.lock);
}
