/* SPDX-License-Identifier: Apache-2.0 */
/*
 * ir/opt/branches.c - a branch whose outcome is known becomes a jump; a trap_if that cannot trap goes.
 *
 * Known are constants, and conditions that a branch further up, on every way here, has asked already.
 * Behind a trap_if its condition is false.
 *
 * Preserved: the path taken.  A block that nothing leads to any more stays, unreachable.
 * Terminates: one walk; each branch changes at most once.
 */
#include "ir/cfg.h"
#include "ir/opt/opt.h"

enum {
    LOOK_UP = 16, /* dominating branches that are looked at */
    TRAPS = 16,   /* trap_ifs that are remembered */
};

typedef struct Passed {
    IrRef cond;
    IrBlockId block;
} Passed;

/* `a` is true exactly when `b` is false. */
static bool is_inverse(const IrInsn *a, const IrInsn *b)
{
    switch (a->op) {
    case IR_OP_eq:
        return b->op == IR_OP_ne && a->arg[0] == b->arg[0] && a->arg[1] == b->arg[1];
    case IR_OP_lt:
        return b->op == IR_OP_le && a->arg[0] == b->arg[1] && a->arg[1] == b->arg[0];
    case IR_OP_ltu:
        return b->op == IR_OP_leu && a->arg[0] == b->arg[1] && a->arg[1] == b->arg[0];
    default:
        return false;
    }
}

/* What condition `asked` tells of condition `ref`: *same, or the opposite. */
static bool decides(const IrFunc *f, IrRef asked, IrRef ref, bool *same)
{
    *same = asked == ref;
    return *same || is_inverse(&f->insn[asked], &f->insn[ref]) ||
           is_inverse(&f->insn[ref], &f->insn[asked]);
}

/* The branch at the end of `b` always goes one way, *taken or not. */
static bool is_known(const IrFunc *f, const IrCfg *cfg, IrBlockId b, bool *taken)
{
    IrRef cond = f->insn[f->block[b].last].arg[0];
    IrBlockId at = b, up = cfg->idom[b];
    bool same;

    if (f->insn[cond].op == IR_OP_const) {
        *taken = f->insn[cond].imm != 0;
        return true;
    }
    for (unsigned n = 0; n < LOOK_UP && up != IR_NO_BLOCK; n++, at = up, up = cfg->idom[up]) {
        const IrInsn *last = &f->insn[f->block[up].last];
        bool yes;

        if (last->op != IR_OP_brif || f->block[at].n_preds != 1 ||
            !decides(f, last->arg[0], cond, &same)) {
            continue;
        }
        yes = ir_edge(f, last, 0)->block == at;
        if (yes || ir_edge(f, last, 1)->block == at) {
            *taken = yes == same;
            return true;
        }
    }
    return false;
}

/* Removes the trap_ifs of `b` whose condition another one on every way here has asked; passed[]
 * has those that were met. */
static bool drop_traps(IrFunc *f, const IrCfg *cfg, IrBlockId b, Passed passed[TRAPS], unsigned *n)
{
    bool changed = false;

    IR_FOR_EACH (f, b, ref) {
        IrRef cond = f->insn[ref].arg[0];
        unsigned k = 0;

        if (f->insn[ref].op != IR_OP_trap_if) {
            continue;
        }
        while (k < *n && !(passed[k].cond == cond && ir_dominates(cfg, passed[k].block, b))) {
            k++;
        }
        if (k < *n) {
            ir_remove(f, b, ref);
            changed = true;
        } else if (*n < TRAPS) {
            passed[(*n)++] = (Passed){ cond, b };
        }
    }
    return changed;
}

bool ir_opt_branches(IrFunc *f)
{
    const IrCfg *cfg = ir_cfg(f);
    Passed passed[TRAPS];
    unsigned n = 0;
    bool changed = false, taken;

    for (uint32_t k = 0; k < cfg->n_order; k++) {
        IrInsn *last = &f->insn[f->block[cfg->order[k]].last];

        changed |= drop_traps(f, cfg, cfg->order[k], passed, &n);
        if (last->op == IR_OP_brif && is_known(f, cfg, cfg->order[k], &taken)) {
            f->block[ir_edge(f, last, taken)->block].n_preds--;
            *last = (IrInsn){ .op = IR_OP_br, .prev = last->prev, .imm = last->imm + !taken };
            changed = true;
        }
    }
    return changed;
}
