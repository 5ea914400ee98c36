/* SPDX-License-Identifier: Apache-2.0 */
/*
 * ir/opt/derive.c - a parameter that only the guest's state needs, and that can be computed from
 * others, is computed.
 *
 * A temporary of a loop is dead for the program when the next iteration begins, but shows until it
 * is set again.  Where every way into a block passes the same chain of ops with constants on what
 * it passes for another parameter, the chain stands in the head of the block instead, where it is
 * computed only when somebody looks.  Parameters that get the same values are one.
 *
 * Preserved: every value.
 * Terminates: each parameter is looked at once; what another one is computed from stays.
 */
#include <string.h>

#include "base/bits.h"
#include "ir/cfg.h"
#include "ir/opt/opt.h"
#include "ir/opt/replace.h"
#include "ir/opt/slots.h"

enum {
    WAYS = 16,  /* into a block, at most */
    LINKS = 6,  /* of a chain */
    PARAMS = 512,
};

typedef struct Derive {
    IrFunc *f;
    bool *needed; /* by value: by more than the guest's state, */
    bool *shown;  /* or by an exit */
    IrRef *work;
    uint32_t n_work;
    IrReplace replace;

    /* Of the block being looked at */
    IrBlockId b;
    bool is_header;
    unsigned n_ways;
    const IrRef *args[WAYS]; /* of each way */
    IrRef behind; /* what comes behind the parameters */
    IrRef param[PARAMS];
    bool gone[PARAMS];  /* computed from others, */
    bool stays[PARAMS + 1]; /* others are computed from it */
} Derive;

/* ---- What the program needs ---- */

static void mark(Derive *d, bool *needed, IrRef ref)
{
    if (ref && !needed[ref]) {
        needed[ref] = true;
        d->work[d->n_work++] = ref;
    }
}

static void mark_operands(Derive *d, bool *needed)
{
    while (d->n_work) {
        const IrInsn *i = &d->f->insn[d->work[--d->n_work]];

        for (unsigned k = 0; k < 3; k++) {
            mark(d, needed, i->arg[k]);
        }
    }
}

/* Arguments of needed parameters are needed; true when that marked something. */
static bool mark_arguments(Derive *d, bool *needed)
{
    const IrFunc *f = d->f;
    bool changed = false;

    for (IrBlockId b = 0; b < f->n_blocks; b++) {
        for (unsigned e = 0; e < ir_n_succs(f, b); e++) {
            const IrEdge *edge = ir_succ(f, b, e);
            IrRef param = f->block[edge->block].first;

            for (uint32_t k = 0; k < edge->n_args; k++, param = f->insn[param].next) {
                IrRef arg = f->edge_args[edge->first_arg + k];

                changed |= needed[param] && !needed[arg];
                mark(d, needed, needed[param] ? arg : 0);
            }
        }
    }
    mark_operands(d, needed);
    return changed;
}

/* What ops with effects need. */
static void find_needed(Derive *d)
{
    const IrFunc *f = d->f;

    for (IrBlockId b = 0; b < f->n_blocks; b++) {
        IR_FOR_EACH (f, b, ref) {
            const IrInsn *i = &f->insn[ref];

            if (i->op != IR_OP_setreg && i->op != IR_OP_param && !(ir_effects(f, i) & IR_PURE)) {
                mark(d, d->needed, ref);
            }
        }
    }
    mark_operands(d, d->needed);
    while (mark_arguments(d, d->needed)) {
    }
}

/* What they need, or registers that an exit shows. */
static void find_shown(Derive *d, const IrCfg *cfg)
{
    const IrFunc *f = d->f;
    const IrSlotSet *used_in = ir_slots_used_in(f, cfg);

    memcpy(d->shown, d->needed, f->n_insns * sizeof(bool));
    for (uint32_t k = 0; k < cfg->n_order; k++) {
        IrBlockId b = cfg->order[k];
        IrSlotSet used = ir_slots_live_out(f, used_in, b);

        for (IrRef ref = f->block[b].last; ref; ref = f->insn[ref].prev) {
            const IrInsn *i = &f->insn[ref];

            if (i->op == IR_OP_setreg && ir_slots_has(&used, (unsigned)i->imm)) {
                mark(d, d->shown, i->arg[0]);
            }
            ir_slots_used_before(f, i, &used);
        }
    }
    mark_operands(d, d->shown);
    while (mark_arguments(d, d->shown)) {
    }
}

/* ---- Chains ---- */

static bool is_link(const IrFunc *f, const IrInsn *i)
{
    const IrInsn *second = &f->insn[i->arg[1]];

    return ir_is_calc(i->op) && i->type >= IR_I32 && f->insn[i->arg[0]].type >= IR_I8 &&
           (!i->arg[1] || (second->op == IR_OP_const && bits_fits_s(second->imm, 32)));
}

/* Do the ways pass ops that differ in their first operand only? */
static bool same_link(const Derive *d, const IrRef *value)
{
    const IrFunc *f = d->f;
    const IrInsn *first = &f->insn[value[0]];

    for (unsigned w = 0; w < d->n_ways; w++) {
        const IrInsn *i = &f->insn[value[w]];

        if (!is_link(f, i) || i->op != first->op || i->type != first->type ||
            f->insn[i->arg[0]].type != f->insn[first->arg[0]].type ||
            (first->arg[1] && f->insn[i->arg[1]].imm != f->insn[first->arg[1]].imm)) {
            return false;
        }
    }
    return true;
}

/* Is `low` argument `arg`, or its low bits? */
static bool is_low(const IrFunc *f, IrRef low, IrRef arg)
{
    const IrInsn *i = &f->insn[arg];

    return low == arg || (f->insn[low].op == IR_OP_trunc && f->insn[low].arg[0] == arg) ||
           ((i->op == IR_OP_sext || i->op == IR_OP_zext) && i->arg[0] == low);
}

/* What the block's start has where each way has value[], or what has that in its low bits; 0:
 * nothing.  *from: the parameter that it is, but not `self`, or PARAMS. */
static IrRef known(const Derive *d, const IrRef *value, unsigned self, unsigned *from)
{
    const IrBlock *block = &d->f->block[d->b];
    unsigned same = 1;

    while (same < d->n_ways && value[same] == value[0]) {
        same++;
    }
    *from = PARAMS;
    if (same == d->n_ways) {
        return value[0];
    }
    for (unsigned k = 0; k < block->n_params; k++) {
        unsigned w = 0;

        while (w < d->n_ways && is_low(d->f, value[w], d->args[w][k])) {
            w++;
        }
        if (w == d->n_ways && k != self && !d->gone[k]) {
            *from = k;
            return d->param[k];
        }
    }
    return 0;
}

static IrRef append(Derive *d, IrInsn i)
{
    return ir_insert_before(d->f, d->b, d->behind, i);
}

/* The chain of which `top` is one instance, on `leaf`, behind what is in the block's head already. */
static IrRef make(Derive *d, IrRef top, IrRef leaf, unsigned links)
{
    IrInsn i = d->f->insn[top];

    if (!links) {
        return i.type == d->f->insn[leaf].type
                   ? leaf
                   : append(d, (IrInsn){ .op = IR_OP_trunc, .type = i.type, .arg = { leaf } });
    }
    i.arg[0] = make(d, i.arg[0], leaf, links - 1);
    if (i.arg[1]) {
        i.arg[1] = append(d, d->f->insn[i.arg[1]]);
    }
    return append(d, i);
}

/* At the header of a loop what an exit shows is not needed: the exit is taken once. */
static bool is_needed(const Derive *d, IrRef param)
{
    return d->is_header ? d->needed[param] : d->shown[param];
}

/* What parameter `k` can be computed from, as a value of the block's head; 0: nothing. */
static IrRef derive(Derive *d, unsigned k)
{
    IrRef value[WAYS], leaf, param = d->param[k];
    unsigned links = 0, from;

    for (unsigned w = 0; w < d->n_ways; w++) {
        value[w] = d->args[w][k];
    }
    while (!(leaf = known(d, value, k, &from)) && links < LINKS && same_link(d, value)) {
        for (unsigned w = 0; w < d->n_ways; w++) {
            value[w] = d->f->insn[value[w]].arg[0];
        }
        links++;
    }
    if (!leaf || (!links && from == PARAMS) ||
        (is_needed(d, param) && (links || d->f->insn[leaf].type != d->f->insn[param].type))) {
        return 0;
    }
    d->stays[from] = true;
    return make(d, d->args[0][k], leaf, links);
}

/* ---- Blocks ---- */

static bool look_at(Derive *d, const IrCfg *cfg, IrBlockId b)
{
    const IrFunc *f = d->f;
    IrRef param = f->block[b].first;

    d->b = b;
    d->n_ways = 0;
    d->is_header = false;
    for (uint32_t p = cfg->first_pred[b]; p < cfg->first_pred[b + 1]; p++) {
        IrBlockId from = cfg->preds[p];
        bool again = p > cfg->first_pred[b] && cfg->preds[p - 1] == from;
        unsigned which = again || ir_succ(f, from, 0)->block != b;

        if (d->n_ways == WAYS) {
            return false;
        }
        d->is_header |= ir_dominates(cfg, b, from);
        d->args[d->n_ways++] = &f->edge_args[ir_succ(f, from, which)->first_arg];
    }
    for (uint32_t k = 0; k < f->block[b].n_params; k++, param = f->insn[param].next) {
        d->param[k] = param;
        d->gone[k] = d->stays[k] = false;
    }
    d->behind = param;
    return d->n_ways > 1;
}

static bool derive_block(Derive *d, const IrCfg *cfg, IrBlockId b)
{
    bool changed = false;

    if (d->f->block[b].n_params < 2 || d->f->block[b].n_params > PARAMS || !look_at(d, cfg, b)) {
        return false;
    }
    for (uint32_t k = 0; k < d->f->block[b].n_params; k++) {
        IrRef by = d->stays[k] ? 0 : derive(d, k);

        if (by) {
            d->replace.by[d->param[k]] = by;
            d->gone[k] = changed = true;
        }
    }
    return changed;
}

bool ir_opt_derive(IrFunc *f)
{
    Derive d = { .f = f };
    const IrCfg *cfg;
    bool changed = false;

    if (f->n_blocks == 1) {
        return false;
    }
    cfg = ir_cfg(f);
    d.needed = ARENA_NEW(f->arena, bool, f->n_insns);
    d.shown = ARENA_NEW(f->arena, bool, f->n_insns);
    d.work = ARENA_NEW(f->arena, IrRef, f->n_insns);
    d.replace = ir_replace_new(f);
    find_needed(&d);
    find_shown(&d, cfg);
    for (uint32_t k = 0; k < cfg->n_order; k++) {
        changed |= derive_block(&d, cfg, cfg->order[k]);
    }
    for (IrBlockId b = 0; b < f->n_blocks && changed; b++) {
        IR_FOR_EACH (f, b, ref) {
            ir_replace_operands(&d.replace, &f->insn[ref]);
        }
    }
    ir_replace_edges(&d.replace, f);
    return changed;
}
