/* SPDX-License-Identifier: Apache-2.0 */
/*
 * ir/opt/dce.c - removes values that nobody uses.
 *
 * Preserved: every op with an effect, which includes loads (they may fault) and FP arithmetic (it
 * raises flags).  A block parameter goes, with its arguments, when only itself uses it.
 * Terminates: each value is marked once.
 */
#include <string.h>

#include "ir/cfg.h"
#include "ir/opt/opt.h"

static bool removable(const IrFunc *f, const IrInsn *i)
{
    uint32_t effects = ir_op_info[i->op].effects;

    if (effects & IR_CALL) {
        effects = ir_effects(f, i);
    }
    return effects != 0 && !(effects & ~(uint32_t)(IR_PURE | IR_COMM | IR_STATE_R));
}

typedef struct Dce {
    IrFunc *f;
    bool *live;
    IrRef *work;
    uint32_t n_work;
} Dce;

static void mark(Dce *d, IrRef ref)
{
    if (ref && !d->live[ref]) {
        d->live[ref] = true;
        d->work[d->n_work++] = ref;
    }
}

static void mark_operands(Dce *d)
{
    while (d->n_work) {
        const IrInsn *i = &d->f->insn[d->work[--d->n_work]];

        for (unsigned k = 0; k < 3; k++) {
            mark(d, i->arg[k]);
        }
    }
}

static void mark_roots(Dce *d)
{
    IrFunc *f = d->f;

    for (IrBlockId b = 0; b < f->n_blocks; b++) {
        IR_FOR_EACH (f, b, ref) {
            if (f->insn[ref].op != IR_OP_param && !removable(f, &f->insn[ref])) {
                mark(d, ref);
            }
        }
    }
    mark_operands(d);
}

/* Arguments of live parameters are live; true when that marked something. */
static bool mark_arguments(Dce *d)
{
    IrFunc *f = d->f;
    bool changed = false;

    for (uint32_t e = 0; e < f->n_edges; e++) {
        const IrEdge *edge = &f->edge[e];
        IrRef param = f->block[edge->block].first;

        for (uint32_t k = 0; k < edge->n_args; k++, param = f->insn[param].next) {
            if (d->live[param] && !d->live[f->edge_args[edge->first_arg + k]]) {
                mark(d, f->edge_args[edge->first_arg + k]);
                changed = true;
            }
        }
    }
    mark_operands(d);
    return changed;
}

/* Takes dead parameters out of the edges first, then out of the blocks. */
static bool drop_params(Dce *d)
{
    IrFunc *f = d->f;
    bool changed = false;

    for (uint32_t e = 0; e < f->n_edges; e++) {
        IrEdge *edge = &f->edge[e];
        IrRef param = f->block[edge->block].first;
        uint32_t n = 0;

        for (uint32_t k = 0; k < edge->n_args; k++, param = f->insn[param].next) {
            if (d->live[param]) {
                f->edge_args[edge->first_arg + n++] = f->edge_args[edge->first_arg + k];
            }
        }
        edge->n_args = n;
    }
    for (IrBlockId b = 0; b < f->n_blocks; b++) {
        uint32_t n = 0;

        IR_FOR_EACH (f, b, ref) {
            if (f->insn[ref].op != IR_OP_param) {
                break;
            }
            if (d->live[ref]) {
                f->insn[ref].imm = n++;
            } else {
                ir_remove(f, b, ref);
                changed = true;
            }
        }
        f->block[b].n_params = n;
    }
    return changed;
}

bool ir_opt_dce(IrFunc *f)
{
    Dce d = { .f = f };
    bool changed;

    d.live = ARENA_NEW(f->arena, bool, f->n_insns);
    d.work = ARENA_NEW(f->arena, IrRef, f->n_insns);
    mark_roots(&d);
    while (mark_arguments(&d)) {
    }
    changed = drop_params(&d);
    for (IrBlockId b = 0; b < f->n_blocks; b++) {
        IR_FOR_EACH (f, b, ref) {
            if (!d.live[ref]) {
                ir_remove(f, b, ref);
                changed = true;
            }
        }
    }
    return changed;
}
