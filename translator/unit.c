/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Tier 1: a superblock.  It goes on past conditional branches that are not taken and along short
 * jumps forward, and ends at calls, returns, computed jumps and what the frontend stops at.  No
 * block of it has two predecessors: what is known of a register stays known to the end.  A jump to
 * its own start is an exit like any other, so that the entry counter sees every iteration.
 */
#include <time.h>

#include "ir/opt/opt.h"
#include "translator/source.h"

enum {
    UNIT_INSNS = 32,   /* guest instructions; more make code that seldom runs to its end */
    UNIT_BRANCHES = 2, /* conditional ones passed */
    UNIT_JUMPS = 3,    /* followed */
    JUMP_REACH = 512,  /* bytes forward that a jump is followed */
    IR_MEMORY = 256 << 20,
    MEASURE_EVERY = 16, /* units */
};

static uint64_t follow;        /* target of the jump being translated, when it is followed */
static IrBlockId follow_block; /* made for it; 0: not followed */

static bool block_at(FeContext *c, uint64_t pc, IrBlockId *block)
{
    if (pc != follow || !follow) {
        return false;
    }
    if (!follow_block) {
        follow_block = ir_block_new(c->b.f, pc);
    }
    *block = follow_block;
    return true;
}

bool unit_start(const char **error)
{
    tr.ir = arena_new(IR_MEMORY);
    if (!tr.ir) {
        *error = "No memory for translation.";
        return false;
    }
    return true;
}

uint64_t unit_clock(void)
{
    struct timespec t;

    if (!tr.config.timed) {
        return 0;
    }
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
    return (uint64_t)t.tv_sec * 1000000000 + (uint64_t)t.tv_nsec;
}

/* ---- IR ---- */

static bool may_follow(const FeShape *s, uint64_t pc, unsigned max)
{
    return s->kind == FE_JUMP && s->target > pc && s->target - pc <= JUMP_REACH &&
           source.n_spans <= UNIT_JUMPS && source.n_insns + 1 < max &&
           s->target % tr.frontend->pc_align == 0;
}

/* Returns where to go on. */
static uint64_t translate_insn(uint64_t pc, const FeShape *s, unsigned max)
{
    FeContext *c = &source.c;
    uint64_t next;

    follow = may_follow(s, pc, max) ? s->target : 0;
    follow_block = 0;
    next = source_translate(pc, s);
    if (follow_block) {
        c->ended = false;
        ir_build_follow(&c->b, follow_block);
        source_open_span(follow);
        next = follow;
    }
    follow = 0; /* the jump that ends the unit may have the same target */
    return next;
}

/* The block at `pc` becomes part of the unit; false when the unit ends in front of it. */
static bool add_block(uint64_t pc, unsigned max, unsigned branches)
{
    const TrBlock *block;

    if (source.n_insns && (source.n_insns >= UNIT_INSNS || branches >= UNIT_BRANCHES)) {
        return false;
    }
    block = instrument_block_locked(pc, max - source.n_insns);
    if (source.n_insns && block && source.n_insns + block->n_insns > UNIT_INSNS) {
        return false;
    }
    source_open_block(block);
    return true;
}

/* make_ir() with instrumentation: whole blocks. */
static IrFunc *make_blocks(IrFunc *f, uint64_t pc, unsigned max, TrFail *fail)
{
    FeContext *c = &source.c;
    unsigned branches = 0;

    while (!c->ended) {
        bool goes_on = source.block || (source.n_insns < max && add_block(pc, max, branches));
        FeShape s = source.block ? source_look_again(pc) : source_look(pc);

        if (!s.length && source.n_insns == 0) {
            *fail = (TrFail){ IR_TRAP_fetch, pc + c->n_bytes };
            return NULL;
        }
        if (!s.length || !goes_on) {
            fe_jump(c, pc);
            break;
        }
        branches += s.kind == FE_BRANCH;
        pc = translate_insn(pc, &s, max);
    }
    source_end(f);
    return f;
}

/* The IR of the unit at `pc`; NULL when there is no instruction to fetch. */
static IrFunc *make_ir(uint64_t pc, uint32_t mode, TrPage page, unsigned max, TrFail *fail)
{
    FeContext *c = &source.c;
    IrFunc *f = source_begin(pc, mode, page);
    unsigned branches = 0;

    c->block_at = block_at;
    ir_build_at(&c->b, f, ir_block_new(f, pc));
    source_open_span(pc);
    if (tr.config.instrument) {
        return make_blocks(f, pc, max, fail);
    }
    while (!c->ended) {
        FeShape s = source_look(pc);

        if (!s.length && source.n_insns == 0) {
            *fail = (TrFail){ IR_TRAP_fetch, pc + c->n_bytes };
            return NULL;
        }
        branches += s.kind == FE_BRANCH;
        if (!s.length || source.n_insns == max || branches > UNIT_BRANCHES) {
            fe_jump(c, pc);
            break;
        }
        pc = translate_insn(pc, &s, max);
    }
    source_end(f);
    return f;
}

/* ---- Host code ---- */

static BeMemory memory_of(bool step)
{
    if (!tr.system) {
        return BE_MEM_host;
    }
    return step ? BE_MEM_call : tr.system->scheme == MMU_SCHEME_flat ? BE_MEM_flat : BE_MEM_tlb;
}

static BeStatus compile(IrFunc *f, TrUnit *unit)
{
    unsigned level = unit->region ? 2 : 1;
    bool step = unit->mode & TR_MODE_STEP;
    BeOptions options = {
        .counter = tr.config.hot_threshold && !unit->region && !step ? unit->counter : NULL,
        .hot = unit->region,
        .note_jumps = tr.config.hot_threshold && !tr.no_chain,
        .alone = tr.config.one_vcpu,
        .no_link = tr.no_chain || step,
        .show_registers = dump_wanted(LOG_ra, unit->pc),
        .memory = memory_of(step),
        .guard = tr.system && unit->guard ? unit->guard->stamp : NULL,
    };
    BeStatus status;

    *unit->counter = region_interval();
    dump_ir(LOG_ir, f);
    if (source.instrumented && tr.code) {
        counts_merge_locked(f, unit);
    }
    if (!ir_opt_run(f, level, unit->region ? region_work() : UINT64_MAX)) {
        tr.stats.slow_regions++;
        return BE_BIG;
    }
    dump_ir(LOG_opt, f);
    profile_before(f, unit, &options);
    status = tr.backend->compile(tr.code, f, &options, &unit->code);
    if (status == BE_OK) {
        tr.stats.host_bytes += unit->code.size;
        tr.stats.side_bytes += unit->code.side_size;
        dump_host(unit);
        perf_unit(unit);
        gdbjit_unit(unit);
        profile_after(f, unit);
    }
    return status;
}

BeStatus unit_compile_locked(IrFunc *f, TrUnit *unit)
{
    DumpWork work = { f, unit };
    BeStatus status;

    check_set_context(dump_work, &work);
    status = compile(f, unit);
    check_set_context(NULL, NULL);
    return status;
}

TrUnit *unit_new_locked(uint64_t pc, uint32_t mode, TrPage page)
{
    TrUnit *unit = cache_unit_new(pc, mode, page, source.span, source.n_spans);

    if (unit) {
        unit->n_insns = (uint16_t)source.n_insns;
        unit->asked_threads = source.c.asked_threads;
        unit->fused = source.fused;
        dump_guest(unit);
    }
    return unit;
}

/* make_ir() of what has been looked at whole. */
static IrFunc *make_settled(uint64_t pc, uint32_t mode, TrPage page, unsigned max, TrFail *fail)
{
    IrFunc *f;

    do {
        f = make_ir(pc, mode, page, max, fail);
    } while (f && source.again);
    return f;
}

/* At most `max` instructions.  BE_OK: *out is findable, or NULL and *fail set. */
static BeStatus make_unit(uint64_t pc, uint32_t mode, TrPage page, unsigned max, TrFail *fail,
                          TrUnit **out)
{
    bool checks = tr.oracle && !(mode & TR_MODE_STEP);
    IrFunc *f = make_settled(pc, mode, page, max, fail), *unchanged = f;
    TrUnit *unit;
    BeStatus status;

    *out = NULL;
    if (f && checks) {
        f = make_settled(pc, mode, page, max, fail);
    }
    if (!f) {
        return BE_OK;
    }
    unit = unit_new_locked(pc, mode, page);
    if (!unit) {
        return BE_FULL;
    }
    if (checks) {
        check_compile_locked(unchanged, unit);
    }
    status = unit_compile_locked(f, unit);
    if (status == BE_OK) {
        cache_insert_locked(unit);
        *out = unit;
    }
    return status;
}

void unit_show_ir(const TrUnit *unit)
{
    TrFail fail;
    IrFunc *f;

    pthread_mutex_lock(&tr.lock);
    f = unit->region ? region_ir(unit) : make_ir(unit->pc, unit->mode, unit->page, unit->n_insns, &fail);
    if (f) {
        dump_ir(LOG_ir, f);
    }
    pthread_mutex_unlock(&tr.lock);
}

/* Reading the clock takes a system call: few units are measured, and stand for the others. */
static bool is_measured(void)
{
    return tr.stats.units % MEASURE_EVERY == 0;
}

static void count(const TrUnit *unit, uint64_t since)
{
    if (is_measured()) {
        tr.stats.translate_ns += (unit_clock() - since) * MEASURE_EVERY;
    }
    tr.stats.units++;
    tr.stats.insns += unit->n_insns;
    tr.stats.guest_bytes += source.n_copy;
}

/* Or could be: the unit is that instruction. */
static bool is_on_two_pages(uint64_t pc, TrPage page)
{
    return page && pc % PHYS_PAGE > PHYS_PAGE - tr.frontend->max_insn;
}

TrUnit *unit_translate_locked(uint64_t pc, uint32_t mode, TrPage page, TrFail *fail)
{
    unsigned most = tr.config.instrument ? SOURCE_INSNS : UNIT_INSNS;
    bool one = tr.config.one_insn || (mode & TR_MODE_STEP) || is_on_two_pages(pc, page);
    unsigned max = one ? 1 : most;
    size_t mark = arena_mark(tr.ir);
    uint64_t since = is_measured() ? unit_clock() : 0;
    TrUnit *unit = NULL;
    BeStatus status;

    if (pc % tr.frontend->pc_align) {
        *fail = (TrFail){ IR_TRAP_misaligned_fetch, pc };
        return NULL;
    }
    *fail = (TrFail){ IR_TRAP_none, 0 };
    if (tr.config.instrument && instrument_is_full_locked()) {
        return NULL;
    }
    do {
        status = make_unit(pc, mode, page, max, fail, &unit);
        arena_reset(tr.ir, mark);
        if (status == BE_BIG) {
            CHECK(source.n_insns > 1, "the backend finds one instruction too large");
            max = source.n_insns / 2;
            tr.stats.split++;
        }
    } while (status == BE_BIG);
    if (unit) {
        count(unit, since);
    }
    return unit;
}
