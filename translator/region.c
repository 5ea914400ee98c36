/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Tier 1+: a region.  When a unit has been entered often, the control flow that can be reached
 * from its start inside the function becomes one IrFunc with its loops whole, so that guest
 * registers stay in host registers around them.
 *
 * Policy.  Blocks are taken nearest first, within the bounds below.  Calls, returns, computed
 * jumps and stops are exits.  The taken side of a branch is followed only when the counters of
 * tier 1 say that it is warm: code that has hardly run would cost compile time and registers.  The
 * side that follows in memory is always taken, since tier 1 does not count it by itself.
 *
 * The region replaces the unit at its start; links to that lead to the region from then on.
 */
#include "translator/layout.h"
#include "translator/source.h"

enum {
    REGION_BLOCKS = LAYOUT_BLOCKS, /* sets of blocks are one word */
    REGION_INSNS = SOURCE_INSNS,   /* a region of 512 takes the backend about half a millisecond */
    REGION_SMALLEST = 16,          /* instructions; when a smaller one is too big, give up */
    WARM_SHARE = 64,          /* warm: entered at least once for so many entries of the hot one */
    NEVER_AGAIN = UINT32_MAX, /* counter of a unit that no region can be made from */
};

typedef struct Block {
    uint64_t pc;
    uint32_t size;
    unsigned n_insns;
    const TrBlock *seen; /* instrumentation: what the client was shown; else NULL */
    uint64_t target[2]; /* where it goes, when inside() allows; [1] follows in memory */
    bool goes[2];
    IrBlockId ir;
} Block;

static struct {
    Block block[REGION_BLOCKS];
    int n;
    unsigned n_insns, max_insns;
    uint32_t mode;
    Layout layout;
    int current; /* being translated */
} r;

/* ---- Finding blocks ---- */

static bool is_warm(uint64_t pc)
{
    const TrUnit *unit = cache_find(pc, r.mode);
    uint32_t hot = tr.config.hot_threshold;

    return unit && (unit->region || unit->counter > hot || hot - unit->counter >= hot / WARM_SHARE);
}

static int find_start(uint64_t pc)
{
    for (int b = 0; b < r.n; b++) {
        if (r.block[b].pc == pc) {
            return b;
        }
    }
    return LAYOUT_NONE;
}

static int find_inside(uint64_t pc)
{
    for (int b = 0; b < r.n; b++) {
        if (pc > r.block[b].pc && pc - r.block[b].pc < r.block[b].size) {
            return b;
        }
    }
    return LAYOUT_NONE;
}

/* In the middle of a block, which is then split; with instrumentation blocks overlap instead. */
static bool is_inside(uint64_t pc)
{
    return !tr.config.instrument && find_inside(pc) != LAYOUT_NONE;
}

static void set_target(Block *b, int k, uint64_t pc)
{
    b->target[k] = pc;
    b->goes[k] = true;
}

/* How the last instruction of `b` goes on. */
static void set_targets(Block *b, const FeShape *s, uint64_t next)
{
    switch (s->kind) {
    case FE_PLAIN:
        set_target(b, 1, next);
        break;
    case FE_BRANCH:
        set_target(b, 1, next);
        if (find_start(s->target) != LAYOUT_NONE || is_inside(s->target) || is_warm(s->target)) {
            set_target(b, 0, s->target);
        }
        break;
    case FE_JUMP:
        set_target(b, 0, s->target);
        break;
    case FE_CALL:
    case FE_INDIRECT:
    case FE_ICALL:
    case FE_RETURN:
    case FE_STOP:
        break;
    }
}

/* From `pc` to the next jump or the next block's start. */
static void scan(uint64_t pc)
{
    Block *b = &r.block[r.n++];
    uint64_t at = pc;

    *b = (Block){ .pc = pc };
    while (r.n_insns < r.max_insns) {
        FeShape s = source_look(at);

        if (!s.length || (at != pc && find_start(at) != LAYOUT_NONE)) {
            s.kind = FE_PLAIN;
            set_targets(b, &s, at);
            break;
        }
        at += s.length;
        b->size += s.length;
        b->n_insns++;
        r.n_insns++;
        if (s.kind != FE_PLAIN) {
            set_targets(b, &s, at);
            break;
        }
    }
}

/* The same with instrumentation: a block of the client's. */
static void scan_seen(uint64_t pc)
{
    const TrBlock *seen = instrument_block_locked(pc, r.max_insns - r.n_insns);
    FeShape s;
    Block *b;

    if (!seen) {
        return;
    }
    b = &r.block[r.n++];
    *b = (Block){ .pc = pc, .size = seen->size, .n_insns = seen->n_insns, .seen = seen };
    r.n_insns += seen->n_insns;
    s = source_look(seen->insn[seen->n_insns - 1].pc);
    set_targets(b, &s, pc + seen->size);
}

/* A jump into the middle of block `b`: two blocks, when an instruction starts at `pc`. */
static void split(int b, uint64_t pc)
{
    Block *old = &r.block[b], *new;
    uint64_t at = old->pc;
    unsigned n = 0;

    while (at < pc) {
        at += source_look(at).length;
        n++;
    }
    if (at != pc || r.n == REGION_BLOCKS) {
        return;
    }
    new = &r.block[r.n++];
    *new = *old;
    new->pc = pc;
    new->size = old->size - (uint32_t)(pc - old->pc);
    new->n_insns = old->n_insns - n;
    old->size -= new->size;
    old->n_insns = n;
    old->goes[0] = false;
    set_target(old, 1, pc);
}

static void add(uint64_t pc)
{
    int inside = is_inside(pc) ? find_inside(pc) : LAYOUT_NONE;

    if (find_start(pc) != LAYOUT_NONE) {
        return;
    }
    if (inside != LAYOUT_NONE) {
        split(inside, pc);
    } else if (r.n < REGION_BLOCKS && r.n_insns < r.max_insns && pc % tr.frontend->pc_align == 0 &&
               source_look(pc).length) {
        if (tr.config.instrument) {
            scan_seen(pc);
        } else {
            scan(pc);
        }
    }
}

static void find_blocks(uint64_t pc, uint32_t mode, unsigned max_insns)
{
    r.n = 0;
    r.n_insns = 0;
    r.max_insns = max_insns;
    r.mode = mode;
    add(pc);
    for (int b = 0; b < r.n; b++) {
        for (int k = 1; k >= 0; k--) {
            if (r.block[b].goes[k]) {
                add(r.block[b].target[k]);
            }
        }
    }
}

static void find_layout(void)
{
    Layout *l = &r.layout;

    l->n = r.n;
    for (int b = 0; b < r.n; b++) {
        for (int k = 0; k < 2; k++) {
            l->block[b].succ[k] =
                r.block[b].goes[k] ? find_start(r.block[b].target[k]) : LAYOUT_NONE;
        }
    }
    layout_make(l);
}

/* ---- IR ---- */

static bool block_at(FeContext *c, uint64_t pc, IrBlockId *block)
{
    const LayoutBlock *from = &r.layout.block[r.current];

    (void)c;
    for (int k = 0; k < 2; k++) {
        int to = from->succ[k];

        if (to != LAYOUT_NONE && r.block[to].pc == pc) {
            *block = r.block[to].ir;
            return true;
        }
    }
    return false;
}

/* Goes on with what is known of registers when the block before is the only way in. */
static void start_block(IrFunc *f, int b, int before)
{
    IrBuild *build = &source.c.b;
    const LayoutBlock *l = &r.layout.block[b];

    if (before != LAYOUT_NONE && l->preds == UINT64_C(1) << before && b != 0) {
        ir_build_follow(build, r.block[b].ir);
    } else {
        ir_build_at(build, f, r.block[b].ir);
    }
    r.current = b;
    source.c.ended = false;
    source_open_span(r.block[b].pc);
    if (r.block[b].seen) {
        if (l->body) {
            ir_safepoint(build, r.block[b].pc); /* FeContext.poll_at_head */
        }
        source_open_block(r.block[b].seen);
    }
}

static void translate_block(int b)
{
    FeContext *c = &source.c;
    uint64_t pc = r.block[b].pc, end = pc + r.block[b].size;

    while (pc < end && !c->ended) {
        FeShape s = source_look(pc);

        pc = source_translate(pc, &s);
    }
    if (!c->ended) {
        fe_jump(c, end);
    }
}

/* The entry is a block of its own, since a loop may lead back to the first one. */
static IrFunc *make_ir(void)
{
    IrFunc *f = source_begin(r.block[0].pc, r.mode);
    IrBuild *build = &source.c.b;
    IrBlockId entry = ir_block_new(f, r.block[0].pc);
    int before = LAYOUT_NONE;

    source.c.block_at = block_at;
    for (int k = 0; k < r.layout.n_order; k++) {
        int b = r.layout.order[k];

        r.block[b].ir = ir_block_new(f, r.block[b].pc);
        f->block[r.block[b].ir].depth = r.layout.block[b].depth;
    }
    ir_build_at(build, f, entry);
    ir_br(build, r.block[0].ir);
    for (int k = 0; k < r.layout.n_order; k++) {
        start_block(f, r.layout.order[k], before);
        before = r.layout.order[k];
        translate_block(before);
    }
    source_end(f);
    return f;
}

IrFunc *region_ir(const TrUnit *unit)
{
    find_blocks(unit->pc, unit->mode, unit->n_insns);
    find_layout();
    return make_ir();
}

/* ---- Making it ---- */

/* What tier 1 has already is not made again. */
static bool is_worth(void)
{
    return r.layout.loops || r.layout.n_order > 1;
}

/* A debugger stops here now and then: tier 1 will do. */
static bool has_breakpoint(void)
{
    bool found = false;

    for (int b = 0; b < r.n && !found; b++) {
        found = debug_breaks_locked(r.block[b].pc, r.block[b].size);
    }
    return found;
}

static BeStatus make(const TrUnit *hot, unsigned max_insns, TrUnit **out)
{
    TrUnit *unit;
    IrFunc *f;
    BeStatus status;

    *out = NULL;
    source.window_size = 0;
    find_blocks(hot->pc, hot->mode, max_insns);
    find_layout();
    if (!is_worth() || has_breakpoint()) {
        return BE_OK;
    }
    f = make_ir();
    if (source.again) {
        return make(hot, max_insns, out);
    }
    unit = unit_new_locked(hot->pc, hot->mode);
    if (!unit) {
        return BE_FULL;
    }
    unit->region = true;
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
        max = r.n_insns / 2;
    } while (status == BE_BIG && max >= REGION_SMALLEST);
    if (region) {
        cache_replace_locked(hot, region);
        count(region, since);
    } else {
        bool later = status == BE_FULL || has_breakpoint();

        hot->counter = later ? tr.config.hot_threshold : NEVER_AGAIN;
    }
}

void region_hot(TrVcpu *v)
{
    TrUnit *unit;

    pthread_mutex_lock(&tr.lock);
    v->translating = 1;
    unit = cache_find(v->vcpu.pc, v->vcpu.mode);
    if (unit && !unit->region) {
        form(unit);
    }
    v->translating = 0;
    pthread_mutex_unlock(&tr.lock);
}
