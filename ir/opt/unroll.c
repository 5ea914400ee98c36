/* SPDX-License-Identifier: Apache-2.0 */
/*
 * ir/opt/unroll.c - the body of a small innermost loop several times in a row.
 *
 * A loop of a dozen instructions spends a third of its time on stepping pointers, on moves that
 * bring values where the next iteration expects them, and on its safepoint: a longer body needs
 * each of those once.  Runs before promote, while values do not cross iterations; the copies of
 * the header have one predecessor then, and cost nothing.  Short ways out of the loop are copied
 * too, others become merges.  Where it is known how often the loop is executed, and that is not
 * often, no loop is left.
 *
 * Preserved: what is executed, but for safepoints, of which the first iteration keeps its own; what
 * is left of a loop that is none any more needs none.
 * Terminates: each loop is copied once, and only so far that the function stays below INSNS.
 */
#include "ir/cfg.h"
#include "ir/opt/loops.h"
#include "ir/opt/opt.h"
#include "ir/opt/slots.h"
#include "ir/opt/trips.h"

enum {
    WHOLE = 64,  /* guest instructions of all iterations of a loop of which none is left, */
    BODY = 40,   /* and of the unrolled body of one that remains, */
    TIMES = 4,   /* at most so many iterations */
    WAY_OUT = 4, /* guest instructions of a way out that is copied */
    INSNS = 512, /* of the function */
    PEEL = 100,      /* guest instructions of a loop whose first iteration is copied in front of it */
    TEMPORARIES = 4, /* it has at least so many */
};

typedef struct Unroll {
    IrFunc *f;
    const IrCfg *cfg;
    uint32_t n_blocks; /* before any copy */
    uint32_t n_guest;  /* guest instructions of the function */
    IrBlockId *home;   /* of each value */
    IrRef *value;      /* of each value, in the latest copy; 0: itself */
    IrBlockId *block;  /* of each block, in the latest copy; 0: none */
    IrBlockId *behind; /* of a loop's last block: the first of its copies, */
    uint32_t *n_behind; /* and how many there are */
    IrBlockId *before;  /* of a header: the first block of the iteration in front of the loop, */
    uint32_t *n_before; /* and how many there are */
    IrTrips *trips;     /* once they are needed */
} Unroll;

static uint32_t guest_insns(const IrFunc *f, IrBlockId b)
{
    uint32_t n = 0;

    IR_FOR_EACH (f, b, ref) {
        n += f->insn[ref].op == IR_OP_insn;
    }
    return n;
}

static uint32_t guest_insns_of(const Unroll *u, const IrLoop *loop)
{
    uint32_t n = 0;

    for (IrBlockId b = 0; b < u->n_blocks; b++) {
        n += loop->has[b] ? guest_insns(u->f, b) : 0;
    }
    return n;
}

/* ---- Which loops ---- */

static bool is_innermost(const IrLoops *loops, const IrLoop *loop)
{
    for (uint32_t k = 0; k < loops->n; k++) {
        if (loops->loop[k].header != loop->header && loop->has[loops->loop[k].header]) {
            return false;
        }
    }
    return true;
}

/* Float arithmetic is what such a loop waits for: a longer body gains nothing. */
static bool has_floats(const Unroll *u, const IrLoop *loop)
{
    for (IrBlockId b = 0; b < u->n_blocks; b++) {
        for (IrRef ref = loop->has[b] ? u->f->block[b].first : 0; ref; ref = u->f->insn[ref].next) {
            if (ir_op_info[u->f->insn[ref].op].effects & IR_FP) {
                return true;
            }
        }
    }
    return false;
}

/* Does block `b` use a value of the loop? */
static bool uses_value_of(const Unroll *u, const IrLoop *loop, IrBlockId b)
{
    const IrFunc *f = u->f;

    IR_FOR_EACH (f, b, ref) {
        for (unsigned k = 0; k < 3; k++) {
            if (f->insn[ref].arg[k] && loop->has[u->home[f->insn[ref].arg[k]]]) {
                return true;
            }
        }
    }
    for (unsigned e = 0; e < ir_n_succs(f, b); e++) {
        const IrEdge *edge = ir_succ(f, b, e);

        for (uint32_t k = 0; k < edge->n_args; k++) {
            if (loop->has[u->home[f->edge_args[edge->first_arg + k]]]) {
                return true;
            }
        }
    }
    return false;
}

static bool is_closed(const Unroll *u, const IrLoop *loop)
{
    for (IrBlockId b = 0; b < u->n_blocks; b++) {
        if (!loop->has[b] && uses_value_of(u, loop, b)) {
            return false;
        }
    }
    return true;
}

/* Ways out that only this loop takes, and that end the unit, are copied like its blocks. */
static void add_ways_out(const Unroll *u, IrLoop *loop)
{
    const IrFunc *f = u->f;

    for (IrBlockId b = 0; b < u->n_blocks; b++) {
        if (u->cfg->position[b] != IR_NO_BLOCK && f->block[b].n_preds == 1 && !loop->has[b] &&
            loop->has[u->cfg->preds[u->cfg->first_pred[b]]] && !ir_n_succs(f, b) &&
            guest_insns(f, b) <= WAY_OUT) {
            loop->has[b] = true;
        }
    }
}

/* How many iterations of `n` guest instructions make one; 1: leave it. */
static uint32_t times(const Unroll *u, uint32_t n)
{
    uint32_t t = n ? BODY / n : 0;

    t = t < TIMES ? t : TIMES;
    while (t > 1 && u->n_guest + (t - 1) * n > INSNS) {
        t--;
    }
    return t;
}

/* ---- Copying ---- */

static void copy_insns(Unroll *u, IrBlockId b)
{
    IrFunc *f = u->f;

    IR_FOR_EACH (f, b, ref) {
        IrInsn i = f->insn[ref];

        if (i.op != IR_OP_safepoint) {
            IrRef copy = ir_append(f, u->block[b], i);

            u->value[ref] = copy;
        }
    }
}

static IrRef copied(const Unroll *u, IrRef ref)
{
    return u->value[ref] ? u->value[ref] : ref;
}

/* The edges of `b` may lead to copies already: of the first iteration of a loop that comes next. */
static void copy_edges(Unroll *u, const IrLoop *loop, IrBlockId b)
{
    IrFunc *f = u->f;
    uint32_t first = f->n_edges;
    unsigned n = ir_n_succs(f, b);

    for (unsigned e = 0; e < n; e++) {
        const IrEdge *old = ir_succ(f, b, e);
        uint32_t n_args = old->n_args, from = old->first_arg;
        bool inside = old->block < u->n_blocks && loop->has[old->block] &&
                      old->block != loop->header;
        uint32_t edge = ir_edge_new(f, inside ? u->block[old->block] : old->block);
        IrRef *args = ARENA_NEW(f->arena, IrRef, n_args);

        for (uint32_t k = 0; k < n_args; k++) {
            args[k] = copied(u, f->edge_args[from + k]);
        }
        ir_edge_set_args(f, &f->edge[edge], args, n_args);
    }
    if (n) {
        f->insn[f->block[u->block[b]].last].imm = first;
    }
}

/* Appends one more iteration; its back edges lead to the header. */
static void copy_body(Unroll *u, const IrLoop *loop)
{
    IrFunc *f = u->f;

    for (IrBlockId b = 0; b < u->n_blocks; b++) {
        if (loop->has[b]) {
            u->block[b] = ir_block_new(f, f->block[b].pc);
            f->block[u->block[b]].depth = f->block[b].depth;
            f->block[u->block[b]].n_params = f->block[b].n_params;
            copy_insns(u, b);
        }
    }
    for (IrBlockId b = 0; b < u->n_blocks; b++) {
        if (loop->has[b]) {
            IR_FOR_EACH (f, u->block[b], ref) {
                for (unsigned k = 0; k < 3; k++) {
                    f->insn[ref].arg[k] = copied(u, f->insn[ref].arg[k]);
                }
            }
            copy_edges(u, loop, b);
        }
    }
}

/* What leads back to the header from block `b` leads to `next`. */
static void turn_back_edges(IrFunc *f, IrBlockId b, IrBlockId header, IrBlockId next)
{
    for (unsigned e = 0; e < ir_n_succs(f, b); e++) {
        IrEdge *edge = ir_succ(f, b, e);

        if (edge->block == header) {
            edge->block = next;
            f->block[header].n_preds--;
            f->block[next].n_preds++;
        }
    }
}

/* Makes `n` iterations one. */
static void copy_loop(Unroll *u, const IrLoop *loop, uint32_t n)
{
    IrFunc *f = u->f;
    IrBlockId first = f->n_blocks, size, next;

    copy_body(u, loop);
    size = f->n_blocks - first;
    next = u->block[loop->header];
    for (uint32_t k = 2; k < n; k++) {
        copy_body(u, loop);
    }
    for (IrBlockId b = 0; b < u->n_blocks; b++) {
        if (loop->has[b]) {
            turn_back_edges(f, b, loop->header, next);
        }
    }
    for (IrBlockId b = first; b + size < f->n_blocks; b++) {
        turn_back_edges(f, b, loop->header, next + (b - first) / size * size + size);
    }
}

static IrBlockId last_block(const Unroll *u, const IrLoop *loop)
{
    IrBlockId last = loop->header;

    for (IrBlockId b = 0; b < u->n_blocks; b++) {
        last = loop->has[b] ? b : last;
    }
    return last;
}

static bool unroll(Unroll *u, IrLoop *loop, uint32_t n)
{
    uint32_t first = u->f->n_blocks, t = times(u, n);
    IrBlockId last = last_block(u, loop);

    add_ways_out(u, loop);
    if (t < 2 || has_floats(u, loop) || !is_closed(u, loop)) {
        return false;
    }
    copy_loop(u, loop, t);
    u->behind[last] = first;
    u->n_behind[last] = u->f->n_blocks - first;
    u->n_guest += (t - 1) * n;
    return true;
}

/* ---- The first iteration ---- */

/* How many registers the loop begins to set, after something that may trap, before it reads them, as
 * a chain of ops on others. */
static uint32_t temporaries(const Unroll *u, const IrLoop *loop)
{
    const IrFunc *f = u->f;
    IrSlotSet known = { { 0 } };
    bool visible = false;
    uint32_t n = 0;

    IR_FOR_EACH (f, loop->header, ref) {
        const IrInsn *i = &f->insn[ref];

        if (i->op == IR_OP_getreg || i->op == IR_OP_setreg) {
            const IrInsn *value = &f->insn[i->arg[0]];

            n += i->op == IR_OP_setreg && visible && !ir_slots_has(&known, (unsigned)i->imm) &&
                 ir_is_calc(value->op);
            ir_slots_add(&known, (unsigned)i->imm);
        }
        visible |= (ir_op_info[i->op].effects & IR_TRAPS) != 0;
    }
    return n;
}

/* Puts a copy of one iteration in front of the loop, so that all ways to its header come out of it:
 * what only the guest's state has of the iteration before can then be computed (derive). */
static void peel(Unroll *u, const IrLoop *loop)
{
    IrFunc *f = u->f;
    IrBlockId first = f->n_blocks;

    copy_body(u, loop);
    for (IrBlockId b = 0; b < first; b++) {
        if (b >= u->n_blocks || !loop->has[b]) {
            turn_back_edges(f, b, loop->header, u->block[loop->header]);
        }
    }
    u->before[loop->header] = first;
    u->n_before[loop->header] = f->n_blocks - first;
}

static bool peel_one(Unroll *u, IrLoop *loop, uint32_t n)
{
    if (n > PEEL || temporaries(u, loop) < TEMPORARIES || u->n_guest + n > INSNS) {
        return false;
    }
    add_ways_out(u, loop);
    if (!is_closed(u, loop)) {
        return false;
    }
    peel(u, loop);
    u->n_guest += n;
    return true;
}

/* ---- Loops of which nothing is left ---- */

/* The branch at the end of `b` becomes a jump along edge `which`. */
static void decide(IrFunc *f, IrBlockId b, unsigned which)
{
    IrInsn *last = &f->insn[f->block[b].last];

    f->block[ir_succ(f, b, !which)->block].n_preds--;
    last->op = IR_OP_br;
    last->arg[0] = 0;
    last->imm += which;
}

static void remove_safepoints(const Unroll *u, const IrLoop *loop)
{
    IrFunc *f = u->f;

    for (IrBlockId b = 0; b < u->n_blocks; b++) {
        for (IrRef ref = loop->has[b] ? f->block[b].first : 0, next; ref; ref = next) {
            next = f->insn[ref].next;
            if (f->insn[ref].op == IR_OP_safepoint) {
                ir_remove(f, b, ref);
            }
        }
    }
}

/* All `t` iterations of a loop of `n` guest instructions in a row, which block `tail` ends. */
static void copy_all(Unroll *u, const IrLoop *loop, uint32_t t, IrBlockId tail)
{
    uint32_t first = u->f->n_blocks;
    unsigned stay = ir_succ(u->f, tail, 0)->block == loop->header ? 0 : 1;
    IrBlockId last = last_block(u, loop);

    if (t > 1) {
        copy_loop(u, loop, t);
        decide(u->f, tail, stay);
        for (uint32_t k = 2; k < t; k++) {
            decide(u->f, u->block[tail] - (t - k) * loop->n_blocks, stay);
        }
        tail = u->block[tail];
    }
    decide(u->f, tail, !stay);
    remove_safepoints(u, loop);
    u->behind[last] = first;
    u->n_behind[last] = u->f->n_blocks - first;
}

static bool unroll_all(Unroll *u, const IrLoop *loop, uint32_t n)
{
    IrBlockId tail;
    uint32_t t;

    if (!n || n > WHOLE || !is_closed(u, loop)) {
        return false;
    }
    u->trips = u->trips ? u->trips : ir_trips(u->f, u->cfg);
    t = ir_trips_of(u->trips, loop, WHOLE / n, &tail);
    if (!t || u->n_guest + (t - 1) * n > INSNS) {
        return false;
    }
    copy_all(u, loop, t, tail);
    u->n_guest += (t - 1) * n;
    return true;
}

/* ---- Order ---- */

/* Gives the blocks new numbers, the copies of a loop those behind it. */
static void renumber(const Unroll *u)
{
    IrBlockId *order = ARENA_RAW(u->f->arena, IrBlockId, u->f->n_blocks);
    uint32_t n = 0;

    for (IrBlockId b = 0; b < u->n_blocks; b++) {
        for (uint32_t k = 0; k < u->n_before[b]; k++) {
            order[n++] = u->before[b] + k;
        }
        order[n++] = b;
        for (uint32_t k = 0; k < u->n_behind[b]; k++) {
            order[n++] = u->behind[b] + k;
        }
    }
    ir_keep_blocks(u->f, order, n);
}

static Unroll prepare(IrFunc *f)
{
    Unroll u = {
        .f = f,
        .cfg = ir_cfg(f),
        .n_blocks = f->n_blocks,
        .home = ARENA_NEW(f->arena, IrBlockId, f->n_insns),
        .value = ARENA_NEW(f->arena, IrRef, f->n_insns),
        .block = ARENA_NEW(f->arena, IrBlockId, f->n_blocks),
        .behind = ARENA_NEW(f->arena, IrBlockId, f->n_blocks),
        .n_behind = ARENA_NEW(f->arena, uint32_t, f->n_blocks),
        .before = ARENA_NEW(f->arena, IrBlockId, f->n_blocks),
        .n_before = ARENA_NEW(f->arena, uint32_t, f->n_blocks),
    };

    for (IrBlockId b = 0; b < f->n_blocks; b++) {
        u.n_guest += guest_insns(f, b);
        IR_FOR_EACH (f, b, ref) {
            u.home[ref] = b;
        }
    }
    return u;
}

bool ir_opt_unroll(IrFunc *f)
{
    bool changed = false;
    IrLoops loops;
    Unroll u;

    if (f->n_blocks == 1) {
        return false;
    }
    u = prepare(f);
    loops = ir_loops(f, u.cfg);
    for (uint32_t k = 0; k < loops.n; k++) {
        IrLoop *loop = &loops.loop[k];
        uint32_t n = guest_insns_of(&u, loop);

        if (!is_innermost(&loops, loop)) {
            continue;
        }
        if (unroll_all(&u, loop, n)) {
            changed = true;
        } else {
            changed |= peel_one(&u, loop, n);
            changed |= unroll(&u, loop, n);
        }
    }
    if (changed) {
        renumber(&u);
    }
    return changed;
}
