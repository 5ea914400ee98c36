/* SPDX-License-Identifier: Apache-2.0 */
/*
 * ir/opt/licm.c - pure ops whose operands do not change in a loop move in front of it.
 *
 * Preserved: pure ops are total, so computing one that the loop might not have reached is
 * harmless; slow ones move only when the loop is certain to be entered.  Entry markers, constants
 * and what a memory access, a register file or a branch does for free (x + constant, truncation,
 * comparison) stay.
 * Terminates: an op moves out of each loop at most once, inner loops first.
 */
#include "ir/cfg.h"
#include "ir/opt/loops.h"
#include "ir/opt/opt.h"

typedef struct Licm {
    IrFunc *f;
    const IrCfg *cfg;
    IrBlockId *block_of;
} Licm;

static bool is_slow(const IrInsn *i)
{
    return i->op == IR_OP_div || i->op == IR_OP_divu || i->op == IR_OP_rem || i->op == IR_OP_remu ||
           i->op == IR_OP_call;
}

static bool is_free(const IrFunc *f, const IrInsn *i)
{
    return i->op == IR_OP_const || i->op == IR_OP_trunc || i->type == IR_I1 ||
           (i->op == IR_OP_add && f->insn[i->arg[1]].op == IR_OP_const);
}

static bool invariant(const Licm *l, const IrLoop *loop, const IrInsn *i)
{
    for (unsigned k = 0; k < 3; k++) {
        if (i->arg[k] && loop->has[l->block_of[i->arg[k]]] &&
            l->f->insn[i->arg[k]].op != IR_OP_const) {
            return false;
        }
    }
    return true;
}

static void move(Licm *l, IrRef ref, IrBlockId to)
{
    ir_move_before(l->f, l->block_of[ref], ref, to, l->f->block[to].last);
    l->block_of[ref] = to;
}

static bool hoist(Licm *l, const IrLoop *loop, IrRef ref, IrBlockId to)
{
    const IrInsn *i = &l->f->insn[ref];

    if (!(ir_effects(l->f, i) & IR_PURE) || is_free(l->f, i) || !invariant(l, loop, i) ||
        (is_slow(i) && l->f->insn[l->f->block[to].last].op != IR_OP_br)) {
        return false;
    }
    for (unsigned k = 0; k < 3; k++) {
        if (i->arg[k] && loop->has[l->block_of[i->arg[k]]]) {
            move(l, i->arg[k], to); /* a constant */
        }
    }
    move(l, ref, to);
    return true;
}

static bool hoist_from(Licm *l, const IrLoop *loop)
{
    IrBlockId to = l->cfg->idom[loop->header];
    bool changed = false;

    for (uint32_t k = 0; k < l->cfg->n_order; k++) {
        IrBlockId b = l->cfg->order[k];
        bool head = l->f->block[b].n_preds > 1;

        if (!loop->has[b]) {
            continue;
        }
        IR_FOR_EACH (l->f, b, ref) {
            head = head && ir_is_entry(l->f, ref);
            changed |= !head && hoist(l, loop, ref, to);
        }
    }
    return changed;
}

bool ir_opt_licm(IrFunc *f)
{
    Licm l = { .f = f };
    bool changed = false;
    IrLoops loops;

    if (f->n_blocks == 1) {
        return false;
    }
    l.cfg = ir_cfg(f);
    loops = ir_loops(f, l.cfg);
    l.block_of = ARENA_NEW(f->arena, IrBlockId, f->n_insns);
    for (IrBlockId b = 0; b < f->n_blocks; b++) {
        IR_FOR_EACH (f, b, ref) {
            l.block_of[ref] = b;
        }
    }
    for (uint32_t k = 0; k < loops.n; k++) {
        changed |= hoist_from(&l, &loops.loop[k]);
    }
    return changed;
}
