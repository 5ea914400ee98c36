/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Blocks are taken nearest first, within the bounds of policy.h.  The taken side of a branch is
 * followed only when the counters of tier 1 say that it is warm: code that has hardly run would cost
 * compile time and registers.  The side that follows in memory is always taken, since tier 1 does
 * not count it by itself.
 *
 * A call to a small warm function is followed into a frame of its own; its return is expected to
 * lead back behind the call.  Other calls, computed jumps and stops are exits.
 */
#include "translator/extent.h"

#include <string.h>

#include "translator/jumps.h"
#include "translator/policy.h"
#include "translator/source.h"

Extent extent;

/* ---- What tier 1 knows ---- */

static bool is_warm(uint64_t pc)
{
    const TrUnit *unit = cache_find(pc, extent.mode, source_page_of(pc));

    return unit && region_entries(unit) >= tr.config.hot_threshold / WARM_SHARE;
}

static bool is_region(uint64_t pc)
{
    const TrUnit *unit = cache_find(pc, extent.mode, source_page_of(pc));

    return unit && unit->region;
}

/* ---- Blocks that are there already ---- */

static bool same_place(ExtPlace a, ExtPlace b)
{
    return a.pc == b.pc && a.frame == b.frame;
}

static int find_start(ExtPlace at)
{
    for (int b = 0; b < extent.n; b++) {
        if (same_place(extent.block[b].at, at)) {
            return b;
        }
    }
    return LAYOUT_NONE;
}

static int find_inside(ExtPlace at)
{
    for (int b = 0; b < extent.n; b++) {
        const ExtBlock *x = &extent.block[b];

        if (x->at.frame == at.frame && at.pc > x->at.pc && at.pc - x->at.pc < x->size) {
            return b;
        }
    }
    return LAYOUT_NONE;
}

/* In the middle of a block, which is then split; with instrumentation blocks overlap instead. */
static bool is_inside(ExtPlace at)
{
    return !tr.config.instrument && find_inside(at) != LAYOUT_NONE;
}

static bool is_known(ExtPlace at)
{
    return find_start(at) != LAYOUT_NONE || is_inside(at);
}

/* ---- Inlining ---- */

/* Blocks of a function that are still to be looked at. */
typedef struct Walk {
    uint64_t start[INLINE_STARTS];
    int n;
    unsigned n_insns;
    bool returns;
} Walk;

static void walk_to(Walk *w, uint64_t pc)
{
    for (int k = 0; k < w->n; k++) {
        if (w->start[k] == pc) {
            return;
        }
    }
    if (w->n < INLINE_STARTS) {
        w->start[w->n++] = pc;
    } else {
        w->n_insns = INLINE_INSNS + 1;
    }
}

/* One block; calls come back. */
static void walk_block(Walk *w, uint64_t pc)
{
    while (w->n_insns <= INLINE_INSNS) {
        FeShape s = source_look(pc);

        if (!s.length) {
            return;
        }
        w->n_insns++;
        pc += s.length;
        if (s.kind == FE_BRANCH && is_warm(s.target)) {
            walk_to(w, s.target);
        }
        if (s.kind == FE_BRANCH) {
            walk_to(w, pc);
            return;
        }
        if (s.kind == FE_JUMP) {
            walk_to(w, s.target);
            return;
        }
        w->returns |= s.kind == FE_RETURN;
        if (s.kind == FE_RETURN || s.kind == FE_INDIRECT || s.kind == FE_STOP) {
            return;
        }
    }
}

/* What is warm of the function at `pc` is small, and returns. */
static bool is_small(uint64_t pc)
{
    Walk w = { .start = { pc }, .n = 1 };

    for (int k = 0; k < w.n && w.n_insns <= INLINE_INSNS; k++) {
        walk_block(&w, w.start[k]);
    }
    return w.returns && w.n_insns <= INLINE_INSNS;
}

/* How often `callee` is being called in `frame`. */
static int count_active(int frame, uint64_t callee)
{
    int n = 0;

    for (; frame; frame = extent.frame[frame].back.frame) {
        n += extent.frame[frame].callee == callee;
    }
    return n + (extent.frame[0].callee == callee);
}

static bool may_inline(int frame, uint64_t callee)
{
    return extent.frame[frame].depth < INLINE_DEPTH && extent.n_frames < LAYOUT_BLOCKS &&
           count_active(frame, callee) <= INLINE_RECURSION && is_warm(callee) && is_small(callee);
}

static int new_frame(int caller, uint64_t callee, uint64_t return_pc)
{
    int frame = extent.n_frames++;

    extent.frame[frame] = (ExtFrame){
        .callee = callee,
        .back = { return_pc, caller },
        .depth = caller == LAYOUT_NONE ? 0 : extent.frame[caller].depth + 1,
    };
    return frame;
}

/* ---- Finding blocks ---- */

static void set_target(ExtBlock *b, int k, uint64_t pc, int frame)
{
    b->target[k] = (ExtPlace){ pc, frame };
    b->goes[k] = true;
}

/* The computed jump at `pc` goes on where it was seen to lead. */
static void set_seen_targets(ExtBlock *b, const FeShape *s, uint64_t pc)
{
    uint64_t target[LAYOUT_SUCCS];
    unsigned share = s->kind == FE_ICALL ? CALLEE_SHARE : TARGET_SHARE;
    unsigned n = jumps_get_locked((uint32_t)pc, share, target, LAYOUT_SUCCS);
    int frame = b->at.frame, at = 0;

    for (unsigned k = 0; k < n; k++) {
        if (s->kind == FE_INDIRECT && is_warm(target[k])) {
            set_target(b, at++, target[k], frame);
        } else if (s->kind == FE_ICALL && may_inline(frame, target[k])) {
            set_target(b, at++, target[k], new_frame(frame, target[k], pc + s->length));
        }
    }
}

/* Does the function around `back` and `ret` call itself in front of `back`?  It begins at the call's
 * target, not far before either. */
static bool is_recursion(uint64_t back, uint64_t ret)
{
    FeShape call = source_look(back - tr.frontend->max_insn);

    return call.kind == FE_CALL && call.length == tr.frontend->max_insn &&
           back - call.target < RECURSION_REACH && ret - call.target < RECURSION_REACH;
}

/* A return of the region's own function leaves; but from a function that calls itself it mostly leads
 * to behind one of its calls. */
static void set_recursion(ExtBlock *b, uint64_t pc)
{
    uint64_t target;

    if (jumps_get_locked((uint32_t)pc, TARGET_SHARE, &target, 1) && is_warm(target) &&
        is_recursion(target, pc)) {
        set_target(b, 0, target, 0);
    }
}

/* How the last instruction of `b` goes on. */
static void set_targets(ExtBlock *b, const FeShape *s, uint64_t next)
{
    int frame = b->at.frame;

    b->computed = s->kind == FE_RETURN || s->kind == FE_INDIRECT || s->kind == FE_ICALL;
    switch (s->kind) {
    case FE_PLAIN:
        set_target(b, 1, next, frame);
        break;
    case FE_BRANCH:
        set_target(b, 1, next, frame);
        if (is_known((ExtPlace){ s->target, frame }) || is_warm(s->target)) {
            set_target(b, 0, s->target, frame);
        }
        break;
    case FE_JUMP:
        set_target(b, 0, s->target, frame);
        break;
    case FE_CALL:
        if (may_inline(frame, s->target)) {
            set_target(b, 0, s->target, new_frame(frame, s->target, next));
        }
        break;
    case FE_RETURN:
        if (frame) {
            set_target(b, 0, extent.frame[frame].back.pc, extent.frame[frame].back.frame);
        } else {
            set_recursion(b, next - s->length);
        }
        break;
    case FE_INDIRECT:
    case FE_ICALL:
        set_seen_targets(b, s, next - s->length);
        break;
    case FE_STOP:
        break;
    }
}

/* Another region begins here, and this one is not to go on in it. */
static bool is_beyond(ExtPlace at)
{
    return extent.ends_at_regions && !at.frame && is_region(at.pc);
}

/* From `at` to the next jump or the next block's start. */
static void scan(ExtPlace at)
{
    ExtBlock *b = &extent.block[extent.n++];
    ExtPlace start = at;

    *b = (ExtBlock){ .at = at };
    while (extent.n_insns < extent.max_insns) {
        FeShape s = source_look(at.pc);

        if (!s.length || (at.pc != start.pc && (find_start(at) != LAYOUT_NONE || is_beyond(at)))) {
            s.kind = FE_PLAIN;
            set_targets(b, &s, at.pc);
            break;
        }
        at.pc += s.length;
        b->size += s.length;
        b->n_insns++;
        extent.n_insns++;
        if (s.kind != FE_PLAIN) {
            set_targets(b, &s, at.pc);
            break;
        }
    }
}

/* The same with instrumentation: a block of the client's. */
static void scan_seen(ExtPlace at)
{
    const TrBlock *seen = instrument_block_locked(at.pc, extent.max_insns - extent.n_insns);
    FeShape s;
    ExtBlock *b;

    if (!seen) {
        return;
    }
    b = &extent.block[extent.n++];
    *b = (ExtBlock){ .at = at, .size = seen->size, .n_insns = seen->n_insns, .seen = seen };
    extent.n_insns += seen->n_insns;
    s = source_look(seen->insn[seen->n_insns - 1].pc);
    set_targets(b, &s, at.pc + seen->size);
}

/* A jump into the middle of block `b`: two blocks, when an instruction starts at `pc`. */
static void split(int b, uint64_t pc)
{
    ExtBlock *old = &extent.block[b], *new;
    uint64_t at = old->at.pc;
    unsigned n = 0;

    while (at < pc) {
        unsigned length = source_look(at).length;

        if (!length) {
            return; /* gone in the meantime */
        }
        at += length;
        n++;
    }
    if (at != pc || extent.n == REGION_BLOCKS) {
        return;
    }
    new = &extent.block[extent.n++];
    *new = *old;
    new->at.pc = pc;
    new->size = old->size - (uint32_t)(pc - old->at.pc);
    new->n_insns = old->n_insns - n;
    old->size -= new->size;
    old->n_insns = n;
    old->computed = false;
    memset(old->goes, 0, sizeof(old->goes));
    set_target(old, 1, pc, old->at.frame);
}

static void add(ExtPlace at)
{
    int inside = is_inside(at) ? find_inside(at) : LAYOUT_NONE;

    if (find_start(at) != LAYOUT_NONE) {
        return;
    }
    if (inside != LAYOUT_NONE) {
        split(inside, at.pc);
    } else if (extent.n < REGION_BLOCKS && extent.n_insns < extent.max_insns &&
               at.pc % tr.frontend->pc_align == 0 && source_look(at.pc).length &&
               !(extent.n && is_beyond(at))) {
        if (tr.config.instrument) {
            scan_seen(at);
        } else {
            scan(at);
        }
    }
}

static void find_layout(void)
{
    Layout *l = &extent.layout;

    l->n = extent.n;
    for (int b = 0; b < extent.n; b++) {
        const ExtBlock *x = &extent.block[b];

        for (int k = 0; k < LAYOUT_SUCCS; k++) {
            l->block[b].succ[k] = x->goes[k] ? find_start(x->target[k]) : LAYOUT_NONE;
        }
    }
    layout_make(l);
}

static void find(uint64_t pc, uint32_t mode, TrPage page, unsigned max_insns)
{
    source_place(pc, page);
    extent.n = 0;
    extent.n_frames = 0;
    extent.n_insns = 0;
    extent.max_insns = max_insns;
    extent.mode = mode;
    extent.page = page;
    add((ExtPlace){ pc, new_frame(LAYOUT_NONE, pc, 0) });
    for (int b = 0; b < extent.n; b++) {
        for (int k = LAYOUT_SUCCS - 1; k >= 0; k--) {
            if (extent.block[b].goes[k]) {
                add(extent.block[b].target[k]);
            }
        }
    }
    if (extent.n) {
        find_layout();
    }
}

bool extent_find(uint64_t pc, uint32_t mode, TrPage page, unsigned max_insns)
{
    extent.ends_at_regions = false;
    find(pc, mode, page, max_insns);
    if (extent.n && !extent.layout.loops && extent.n_insns >= max_insns) {
        extent.ends_at_regions = true;
        find(pc, mode, page, max_insns);
    }
    return extent.n != 0;
}

int extent_next(int from, uint64_t pc)
{
    for (int k = 0; k < LAYOUT_SUCCS; k++) {
        int to = extent.layout.block[from].succ[k];

        if (to != LAYOUT_NONE && extent.block[to].at.pc == pc) {
            return to;
        }
    }
    return LAYOUT_NONE;
}
