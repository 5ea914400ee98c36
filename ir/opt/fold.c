/* SPDX-License-Identifier: Apache-2.0 */
/*
 * ir/opt/fold.c - the builder's simplification once more, now that values cross blocks.
 *
 * Preserved: everything; an op becomes an equal one (see ir/simplify.h for why that ends).
 * New ops go where the old one was.
 */
#include "ir/cfg.h"
#include "ir/opt/opt.h"
#include "ir/opt/replace.h"
#include "ir/simplify.h"

typedef struct Fold {
    IrBuild b;
    IrReplace replace;
    bool changed;
} Fold;

static void fold_pure(Fold *d, IrRef ref)
{
    IrFunc *f = d->b.f;
    IrInsn i = f->insn[ref];
    IrRef value;

    d->b.before = ref;
    value = ir_simplify(&d->b, &i);
    if (value) {
        d->replace.by[ref] = value;
        ir_remove(f, d->b.block, ref);
        d->changed = true;
        return;
    }
    i.prev = f->insn[ref].prev;
    i.next = f->insn[ref].next;
    f->insn[ref] = i;
}

static void fold_fp(Fold *d, IrInsn *i)
{
    for (unsigned k = 0; k < 3; k++) {
        IrRef raw = ir_raw(d->b.f, i->arg[k]);

        d->changed |= raw != i->arg[k];
        i->arg[k] = raw;
    }
}

static void fold_access(Fold *d, IrInsn *i)
{
    IrRef base = ir_fold_address(d->b.f, i->arg[0], &i->imm);

    d->changed |= base != i->arg[0];
    i->arg[0] = base;
}

static void fold_branch(Fold *d, IrInsn *i)
{
    IrFunc *f = d->b.f;
    const IrInsn *cond = &f->insn[i->arg[0]];
    IrEdge *edge = ir_edge(f, i, 0), yes = edge[0];

    if (cond->op == IR_OP_const) {
        f->block[edge[cond->imm].block].n_preds--;
        i->op = IR_OP_br;
        i->imm += !cond->imm;
        i->arg[0] = 0;
        d->changed = true;
    } else if (cond->op == IR_OP_not) {
        edge[0] = edge[1];
        edge[1] = yes;
        i->arg[0] = cond->arg[0];
        d->changed = true;
    }
}

static void fold_insn(Fold *d, IrRef ref)
{
    IrFunc *f = d->b.f;
    IrInsn *i = &f->insn[ref];

    ir_replace_operands(&d->replace, i);
    if (ir_op_info[i->op].effects & IR_PURE) {
        fold_pure(d, ref);
    } else if (ir_op_info[i->op].effects & IR_FP) {
        fold_fp(d, i);
    } else if (i->op == IR_OP_load || i->op == IR_OP_store) {
        fold_access(d, i);
    } else if (i->op == IR_OP_brif) {
        fold_branch(d, i);
    } else if (i->op == IR_OP_trap_if && f->insn[i->arg[0]].op == IR_OP_const &&
               f->insn[i->arg[0]].imm == 0) {
        ir_remove(f, d->b.block, ref);
        d->changed = true;
    }
}

bool ir_opt_fold(IrFunc *f)
{
    Fold d = { .replace = ir_replace_new(f) };
    const IrCfg *cfg = ir_cfg(f);

    for (uint32_t k = 0; k < cfg->n_order; k++) {
        ir_build_at(&d.b, f, cfg->order[k]);
        IR_FOR_EACH (f, cfg->order[k], ref) {
            fold_insn(&d, ref);
        }
    }
    ir_replace_edges(&d.replace, f);
    return d.changed;
}
