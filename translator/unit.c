/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Tier 1: a superblock.  It goes on past conditional branches that are not taken and along short
 * jumps forward, and ends at calls, returns, computed jumps and what the frontend stops at.  No
 * block of it has two predecessors: what is known of a register stays known to the end.  A jump to
 * its own start is an exit like any other, so that the entry counter sees every iteration.
 */
#include "translator/state.h"

#include <string.h>
#include <time.h>

enum {
    UNIT_INSNS = 32,   /* guest instructions; more make code that seldom runs to its end */
    UNIT_BRANCHES = 6, /* conditional ones passed */
    UNIT_JUMPS = 3,    /* followed */
    JUMP_REACH = 512,  /* bytes forward that a jump is followed */
    FETCH_SIZE = 256,  /* bytes of guest code copied at once */
    LOOK_AHEAD = 72,   /* bytes that the frontend may want to see from an instruction on */
    IR_MEMORY = 256 << 20,
};

static struct {
    FeContext c;
    uint8_t bytes[FETCH_SIZE]; /* guest code at fetched_pc */
    uint64_t fetched_pc;
    size_t n_fetched;
    bool writable;

    TrSpan span[UNIT_JUMPS + 1];
    unsigned n_spans;
    uint8_t copy[UNIT_INSNS * 16]; /* bytes of the spans, one after the other */
    size_t n_copy;

    unsigned n_insns;
    uint64_t follow;        /* target of the jump being translated, when it is followed */
    IrBlockId follow_block; /* made for it; 0: not followed */
} m;

static bool block_at(FeContext *c, uint64_t pc, IrBlockId *block)
{
    if (pc != m.follow || !m.follow) {
        return false;
    }
    if (!m.follow_block) {
        m.follow_block = ir_block_new(c->b.f, pc);
    }
    *block = m.follow_block;
    return true;
}

bool unit_start(const char **error)
{
    tr.ir = arena_new(IR_MEMORY);
    if (!tr.ir) {
        *error = "No memory for translation.";
        return false;
    }
    m.c.block_at = block_at;
    return true;
}

uint64_t unit_clock(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000000000 + (uint64_t)t.tv_nsec;
}

/* ---- Guest code ---- */

size_t unit_fetch(uint64_t pc, uint8_t *buf, size_t want, bool *writable)
{
    *writable = false;
    return tr.config.fetch(tr.config.opaque, pc, buf, want, writable);
}

/* Shows the frontend the code at `pc`; returns the instruction's shape, length 0 when it is not
 * all executable. */
static FeShape look(uint64_t pc)
{
    FeContext *c = &m.c;
    size_t at = pc - m.fetched_pc;

    if (at >= m.n_fetched || m.n_fetched - at < LOOK_AHEAD) {
        bool writable;

        m.n_fetched = unit_fetch(pc, m.bytes, sizeof(m.bytes), &writable);
        m.fetched_pc = pc;
        m.writable |= writable;
        at = 0;
    }
    c->bytes = m.bytes + at;
    c->n_bytes = m.n_fetched - at;
    return c->n_bytes ? tr.frontend->shape(pc, c->bytes, c->n_bytes) : (FeShape){ .length = 0 };
}

static void open_span(uint64_t pc)
{
    m.span[m.n_spans++] = (TrSpan){ .pc = pc, .bytes = m.copy + m.n_copy };
}

static void keep_bytes(size_t n)
{
    memcpy(m.copy + m.n_copy, m.c.bytes, n);
    m.n_copy += n;
    m.span[m.n_spans - 1].size += (uint32_t)n;
}

/* ---- IR ---- */

static bool may_follow(const FeShape *s, uint64_t pc, unsigned max)
{
    return s->kind == FE_JUMP && s->target > pc && s->target - pc <= JUMP_REACH &&
           m.n_spans <= UNIT_JUMPS && m.n_insns + 1 < max && s->target % tr.frontend->pc_align == 0;
}

/* Translates the instruction at c->pc, whose shape is `s`; returns where to go on. */
static uint64_t translate_insn(const FeShape *s, unsigned max)
{
    FeContext *c = &m.c;

    m.follow = may_follow(s, c->pc, max) ? s->target : 0;
    m.follow_block = 0;
    keep_bytes(s->length);
    tr.frontend->translate(c);
    m.n_insns++;
    if (m.follow_block) {
        c->ended = false;
        ir_build_follow(&c->b, m.follow_block);
        open_span(m.follow);
        return m.follow;
    }
    return c->next_pc;
}

static void begin(IrFunc *f, uint64_t pc, uint32_t mode)
{
    FeContext *c = &m.c;

    f->mode = mode & ~(uint32_t)TR_MODE_STEP;
    c->mode = f->mode;
    c->ended = false;
    c->threads = atomic_load_explicit(&tr.threads, memory_order_relaxed);
    c->asked_threads = false;
    c->one_insn = mode & TR_MODE_STEP;
    m.n_fetched = 0;
    m.writable = false;
    m.n_spans = 0;
    m.n_copy = 0;
    m.n_insns = 0;
    ir_build_at(&c->b, f, ir_block_new(f, pc));
    open_span(pc);
}

/* The IR of the unit at `pc`; NULL when there is no instruction to fetch. */
static IrFunc *make_ir(uint64_t pc, uint32_t mode, unsigned max, TrFail *fail)
{
    FeContext *c = &m.c;
    IrFunc *f = ir_func_new(tr.ir, tr.frontend->guest, pc);
    unsigned branches = 0;

    begin(f, pc, mode);
    while (!c->ended) {
        FeShape s = look(pc);

        if (!s.length && m.n_insns == 0) {
            *fail = (TrFail){ IR_TRAP_fetch, pc + c->n_bytes };
            return NULL;
        }
        branches += s.kind == FE_BRANCH;
        if (!s.length || m.n_insns == max || branches > UNIT_BRANCHES) {
            fe_jump(c, pc);
            break;
        }
        c->pc = pc;
        pc = translate_insn(&s, max);
    }
    for (unsigned i = 0; i < m.n_spans && !m.writable; i++) {
        m.span[i].bytes = NULL;
    }
    return f;
}

/* ---- Host code ---- */

static void verify(const IrFunc *f)
{
#ifdef KETCH_DEBUG
    const char *error;

    CHECK(ir_verify(f, &error), "%s", error);
#else
    (void)f;
#endif
}

BeStatus unit_compile_locked(IrFunc *f, TrUnit *unit, int level)
{
    bool counted = tr.config.hot_threshold && level < 2 && !(unit->mode & TR_MODE_STEP);
    BeOptions options = {
        .counter = counted ? &unit->counter : NULL,
        .no_link = tr.no_chain || (unit->mode & TR_MODE_STEP),
    };
    BeStatus status;

    unit->counter = tr.config.hot_threshold;
    verify(f);
    dump_ir(LOG_ir, f);
    verify(f);
    dump_ir(LOG_opt, f);
    status = tr.backend->compile(tr.code, f, &options, &unit->code);
    if (status == BE_OK) {
        tr.stats.host_bytes += unit->code.size;
        tr.stats.side_bytes += unit->code.side_size;
        dump_host(unit);
    }
    return status;
}

/* At most `max` instructions.  BE_OK: *out is findable, or NULL and *fail set. */
static BeStatus make_unit(uint64_t pc, uint32_t mode, unsigned max, TrFail *fail, TrUnit **out)
{
    IrFunc *f = make_ir(pc, mode, max, fail);
    TrUnit *unit;
    BeStatus status;

    *out = NULL;
    if (!f) {
        return BE_OK;
    }
    unit = cache_unit_new(pc, mode, m.span, m.n_spans);
    if (!unit) {
        return BE_FULL;
    }
    unit->n_insns = (uint16_t)m.n_insns;
    unit->asked_threads = m.c.asked_threads;
    dump_guest(unit);
    if (tr.oracle && !(mode & TR_MODE_STEP)) {
        check_compile_locked(make_ir(pc, mode, max, fail), unit);
    }
    status = unit_compile_locked(f, unit, 1);
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
    f = make_ir(unit->pc, unit->mode, unit->n_insns, &fail);
    if (f) {
        dump_ir(LOG_ir, f);
    }
    pthread_mutex_unlock(&tr.lock);
}

static void count(const TrUnit *unit, uint64_t since)
{
    tr.stats.units++;
    tr.stats.insns += unit->n_insns;
    tr.stats.guest_bytes += m.n_copy;
    tr.stats.translate_ns += unit_clock() - since;
}

TrUnit *unit_translate_locked(uint64_t pc, uint32_t mode, TrFail *fail)
{
    unsigned max = tr.config.one_insn || (mode & TR_MODE_STEP) ? 1 : UNIT_INSNS;
    size_t mark = arena_mark(tr.ir);
    uint64_t since = unit_clock();
    TrUnit *unit = NULL;
    BeStatus status;

    if (pc % tr.frontend->pc_align) {
        *fail = (TrFail){ IR_TRAP_misaligned_fetch, pc };
        return NULL;
    }
    *fail = (TrFail){ IR_TRAP_none, 0 };
    do {
        status = make_unit(pc, mode, max, fail, &unit);
        arena_reset(tr.ir, mark);
        if (status == BE_BIG) {
            CHECK(m.n_insns > 1, "the backend finds one instruction too large");
            max = m.n_insns / 2;
            tr.stats.split++;
        }
    } while (status == BE_BIG);
    if (unit) {
        count(unit, since);
    }
    return unit;
}
