/* SPDX-License-Identifier: Apache-2.0 */
/*
 * ir/opt/trips.c - how often a loop's body is executed.
 *
 * A forward walk finds what each guest register is at the end of each block: a constant, or an
 * unknown number that has a name plus a constant.  Names are registers at the entry, registers at a
 * block where different values meet, and insns that are not looked into.  Registers that nothing sets
 * keep their name; those that nothing reads do not matter.  From what holds in front
 * of it a loop is then executed with these values until the branch at its end leaves it.
 *
 * Terminates: a register gets a name at a block once, and each walk but the last gives one.
 */
#include "ir/opt/trips.h"

#include <string.h>

#include "base/bits.h"
#include "ir/eval.h"
#include "ir/guest.h"
#include "ir/opt/slots.h"

enum { KEPT = 255 }; /* of IrTrips.index */

enum { UNKNOWN, CONSTANT, NAMES }; /* of Known.name; other names from NAMES on */

typedef struct Known {
    uint32_t name;
    uint64_t v; /* the constant; of a name: what is added to it */
} Known;

struct IrTrips {
    const IrFunc *f;
    const IrCfg *cfg;
    uint32_t n;    /* slots that are set and read: rows below have one Known for each */
    uint8_t index[256]; /* of a slot in a row; KEPT: it is not set */
    uint32_t values, kept; /* the first names of insns, and of slots that are not set */
    bool *named;   /* by block: the register has a name of its own at its start */
    Known *in;     /* by block */
    Known *out;
    Known *value;  /* by value */
    bool executing; /* an insn that is not looked into is another number in each iteration */
};

static Known constant(uint64_t v)
{
    return (Known){ CONSTANT, v };
}

/* The register of a row's entry `k`. */
static Known name_of_slot(const IrTrips *t, IrBlockId b, unsigned k)
{
    return (Known){ NAMES + b * t->n + k, 0 };
}

static Known name_of_kept(const IrTrips *t, unsigned slot)
{
    return (Known){ t->kept + slot, 0 };
}

static Known name_of_value(const IrTrips *t, IrRef ref)
{
    return t->executing ? (Known){ UNKNOWN, 0 } : (Known){ t->values + ref, 0 };
}

static bool equal(Known a, Known b)
{
    return a.name == b.name && a.v == b.v && a.name != UNKNOWN;
}

/* ---- One insn ---- */

static bool constants(const IrTrips *t, const IrInsn *i, Known *result)
{
    uint8_t type[3] = { 0 };
    uint64_t arg[3] = { 0 }, v;

    for (unsigned k = 0; k < ir_op_info[i->op].n_args; k++) {
        if (t->value[i->arg[k]].name != CONSTANT) {
            return false;
        }
        type[k] = t->f->insn[i->arg[k]].type;
        arg[k] = t->value[i->arg[k]].v;
    }
    if (!ir_eval(i, type, arg, IR_RM_RNE, NULL, &v)) {
        return false;
    }
    *result = constant(v);
    return true;
}

/* x + c, and whether x + c equals x + d */
static bool named(const IrTrips *t, const IrInsn *i, Known *result)
{
    Known a = t->value[i->arg[0]], b = t->value[i->arg[1]];

    if (i->op == IR_OP_add && i->type == IR_I64 && a.name >= NAMES && b.name == CONSTANT) {
        *result = (Known){ a.name, a.v + b.v };
        return true;
    }
    if ((i->op == IR_OP_eq || i->op == IR_OP_ne) && a.name >= NAMES && a.name == b.name) {
        *result = constant((a.v == b.v) == (i->op == IR_OP_eq));
        return true;
    }
    return false;
}

static void forget_changed(const IrTrips *t, const IrInsn *call, Known *now)
{
    IrSlotSet changed = ir_slots_changed(t->f, call);

    for (unsigned s = 0; s < t->f->guest->n_slots; s++) {
        if (t->index[s] != KEPT && ir_slots_has(&changed, s)) {
            now[t->index[s]] = (Known){ UNKNOWN, 0 };
        }
    }
}

static void evaluate(IrTrips *t, IrRef ref, Known *now)
{
    const IrInsn *i = &t->f->insn[ref];
    Known *value = &t->value[ref];

    *value = name_of_value(t, ref);
    if (i->op == IR_OP_getreg && i->type == t->f->guest->slots[i->imm].type) {
        *value = t->index[i->imm] == KEPT ? name_of_kept(t, (unsigned)i->imm) : now[t->index[i->imm]];
    } else if (i->op == IR_OP_setreg) {
        if (t->index[i->imm] != KEPT) {
            now[t->index[i->imm]] = t->value[i->arg[0]];
        }
    } else if (i->op == IR_OP_call) {
        forget_changed(t, i, now);
    } else if (ir_op_info[i->op].effects & IR_PURE && !constants(t, i, value)) {
        (void)named(t, i, value);
    }
}

static void walk(IrTrips *t, IrBlockId b, Known *slot)
{
    IR_FOR_EACH (t->f, b, ref) {
        evaluate(t, ref, slot);
    }
}

/* ---- What is known at each block ---- */

static Known *row(const IrTrips *t, Known *table, IrBlockId b)
{
    return &table[(size_t)b * t->n];
}

/* Gives a register a name where predecessors disagree, of which those behind `b` count only with
 * `back`.  True: it is a new one. */
static bool meet(IrTrips *t, IrBlockId b, unsigned slot, bool back)
{
    Known *in = &row(t, t->in, b)[slot];
    bool first = !back, *own = &t->named[(size_t)b * t->n + slot], is_new = false;

    for (uint32_t p = t->cfg->first_pred[b]; p < t->cfg->first_pred[b + 1] && !*own; p++) {
        IrBlockId from = t->cfg->preds[p];
        Known out = row(t, t->out, from)[slot];

        if ((t->cfg->position[from] >= t->cfg->position[b]) != back) {
            continue;
        }
        if (first) {
            *in = out;
        } else if (!equal(*in, out)) {
            *own = is_new = true;
        }
        first = false;
    }
    if (*own) {
        *in = name_of_slot(t, b, slot);
    }
    return is_new;
}

/* A walk that believes what comes forward, then asks the ways back. */
static bool find_names(IrTrips *t)
{
    bool changed = false;

    for (uint32_t k = 0; k < t->cfg->n_order; k++) {
        IrBlockId b = t->cfg->order[k];

        for (unsigned slot = 0; slot < t->n; slot++) {
            changed |= meet(t, b, slot, false);
            row(t, t->out, b)[slot] = row(t, t->in, b)[slot];
        }
        walk(t, b, row(t, t->out, b));
    }
    for (uint32_t k = 0; k < t->cfg->n_order; k++) {
        for (unsigned slot = 0; slot < t->n; slot++) {
            changed |= meet(t, t->cfg->order[k], slot, true);
        }
    }
    return changed;
}

/* Fills `index`. */
static void find_slots(IrTrips *t)
{
    const IrFunc *f = t->f;
    IrSlotSet set = { { 0 } }, read = { { 0 } };

    for (IrRef ref = 1; ref < f->n_insns; ref++) {
        const IrInsn *i = &f->insn[ref];

        if (i->op == IR_OP_setreg) {
            ir_slots_add(&set, (unsigned)i->imm);
        } else if (i->op == IR_OP_getreg) {
            ir_slots_add(&read, (unsigned)i->imm);
        } else if (i->op == IR_OP_call) {
            IrSlotSet changed = ir_slots_changed(f, i);

            ir_slots_join(&set, &changed);
        }
    }
    memset(t->index, KEPT, sizeof(t->index));
    for (unsigned s = 0; s < f->guest->n_slots; s++) {
        if (ir_slots_has(&set, s) && ir_slots_has(&read, s)) {
            t->index[s] = (uint8_t)t->n++;
        }
    }
}

IrTrips *ir_trips(const IrFunc *f, const IrCfg *cfg)
{
    IrTrips *t = ARENA_NEW(f->arena, IrTrips, 1);
    size_t n;

    t->f = f;
    t->cfg = cfg;
    find_slots(t);
    n = (size_t)f->n_blocks * t->n;
    t->values = NAMES + (uint32_t)n;
    t->kept = t->values + f->n_insns;
    t->named = ARENA_NEW(f->arena, bool, n);
    t->in = ARENA_NEW(f->arena, Known, n);
    t->out = ARENA_NEW(f->arena, Known, n);
    t->value = ARENA_NEW(f->arena, Known, f->n_insns);
    for (unsigned slot = 0; slot < t->n; slot++) {
        t->named[slot] = true; /* of the entry block */
    }
    while (find_names(t)) {
    }
    return t;
}

/* ---- Executing a loop ---- */

/* What holds in front of the loop, for each register. */
static Known *at_entry(const IrTrips *t, const IrLoop *loop)
{
    Known *slot = ARENA_NEW(t->f->arena, Known, t->n);
    bool first = true;

    for (uint32_t p = t->cfg->first_pred[loop->header]; p < t->cfg->first_pred[loop->header + 1];
         p++) {
        Known *out = row(t, t->out, t->cfg->preds[p]);

        for (unsigned s = 0; s < t->n && !loop->has[t->cfg->preds[p]]; s++) {
            slot[s] = first || equal(slot[s], out[s]) ? out[s] : (Known){ UNKNOWN, 0 };
        }
        first = first && loop->has[t->cfg->preds[p]];
    }
    return slot;
}

/* An edge may lead to a block that was not there when `t` was made: to the copied first iteration of
 * the loop that comes next (unroll.c). */
static bool is_inside(const IrTrips *t, const IrLoop *loop, IrBlockId b)
{
    return b < t->cfg->n_blocks && loop->has[b];
}

/* Where the loop goes on behind block `b`: the one successor that it has, when the branch is known
 * that one, or when the other leads out and it is not the last.  IR_NO_BLOCK: out of the loop.
 * False: not known. */
static bool go_on(const IrTrips *t, const IrLoop *loop, IrBlockId b, IrBlockId *next)
{
    const IrInsn *last = &t->f->insn[t->f->block[b].last];
    IrBlockId yes = ir_n_succs(t->f, b) ? ir_succ(t->f, b, 0)->block : b, no;
    Known cond;

    if (last->op == IR_OP_br) {
        *next = yes;
        return true;
    }
    if (last->op != IR_OP_brif) {
        return false;
    }
    no = ir_succ(t->f, b, 1)->block;
    cond = t->value[last->arg[0]];
    if (is_inside(t, loop, yes) == is_inside(t, loop, no)) {
        return false;
    }
    *next = is_inside(t, loop, yes) ? yes : no;
    if (cond.name != CONSTANT) {
        return *next != loop->header;
    }
    if (!is_inside(t, loop, cond.v & 1 ? yes : no)) {
        if (*next != loop->header) {
            return false;
        }
        *next = IR_NO_BLOCK;
    }
    return true;
}

/* Executes one iteration; *next is the header, or IR_NO_BLOCK when it leaves behind block *tail. */
static bool iterate(IrTrips *t, const IrLoop *loop, Known *slot, IrBlockId *tail, IrBlockId *next)
{
    IrBlockId b = loop->header;

    for (uint32_t n = 0; n < loop->n_blocks; n++) {
        walk(t, b, slot);
        if (!go_on(t, loop, b, next)) {
            return false;
        }
        if (*next == loop->header || *next == IR_NO_BLOCK) {
            *tail = b;
            return n + 1 == loop->n_blocks;
        }
        b = *next;
    }
    return false;
}

uint32_t ir_trips_of(IrTrips *t, const IrLoop *loop, uint32_t max, IrBlockId *tail)
{
    Known *slot = at_entry(t, loop);
    IrBlockId next = loop->header;
    uint32_t n = 0;

    t->executing = true;
    while (next != IR_NO_BLOCK && n <= max && iterate(t, loop, slot, tail, &next)) {
        n++;
    }
    t->executing = false;
    return next == IR_NO_BLOCK && n <= max ? n : 0;
}
