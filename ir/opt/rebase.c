/* SPDX-License-Identifier: Apache-2.0 */
/*
 * ir/opt/rebase.c - accesses behind p + n, at a displacement from p, take p + n as their base.
 *
 * The builder folds additions into displacements, so that a loop that steps a pointer accesses
 * memory by the old pointer and passes the new one on: both live, each in a register of its own.
 * Where accesses are all that is left of the old pointer, it ends at the addition instead, and
 * that is done in place.
 *
 * Preserved: every address.
 * Terminates: each addition is looked at once; a base is only ever replaced by a later value.
 */
#include "base/bits.h"
#include "ir/cfg.h"
#include "ir/opt/opt.h"

typedef struct Rebase {
    IrFunc *f;
    uint32_t *uses;  /* of each value, by insns and edges */
    bool *computed;  /* something but a setreg uses it: it is in a register anyway */
    bool *here;      /* defined in the block being looked at */
} Rebase;

static void count_uses(Rebase *r, IrBlockId b)
{
    const IrFunc *f = r->f;

    IR_FOR_EACH (f, b, ref) {
        for (unsigned k = 0; k < 3; k++) {
            r->uses[f->insn[ref].arg[k]]++;
            r->computed[f->insn[ref].arg[k]] |= f->insn[ref].op != IR_OP_setreg;
        }
    }
    for (unsigned e = 0; e < ir_n_succs(f, b); e++) {
        const IrEdge *edge = ir_succ(f, b, e);

        for (uint32_t k = 0; k < edge->n_args; k++) {
            r->uses[f->edge_args[edge->first_arg + k]]++;
            r->computed[f->edge_args[edge->first_arg + k]] = true;
        }
    }
}

/* May access `i` of `old` be one of old + step? */
static bool is_access(const IrInsn *i, IrRef old, int64_t step)
{
    return (i->op == IR_OP_load || i->op == IR_OP_store) && i->arg[0] == old &&
           bits_fits_s(i->imm - step, 32);
}

static unsigned uses_in(const IrInsn *i, IrRef ref)
{
    return (i->arg[0] == ref) + (i->arg[1] == ref) + (i->arg[2] == ref);
}

/* Are all uses of `old` in this block, up to addition `sum` or by accesses behind it, of which
 * there is one? */
static bool only_accesses(const Rebase *r, IrBlockId b, IrRef old, IrRef sum, int64_t step)
{
    const IrFunc *f = r->f;
    uint32_t known = 0, accesses = 0;
    bool behind = false;

    IR_FOR_EACH (f, b, ref) {
        const IrInsn *i = &f->insn[ref];

        if (!behind) {
            known += uses_in(i, old);
        } else if (is_access(i, old, step)) {
            accesses++;
        }
        behind |= ref == sum;
    }
    return accesses && known + accesses == r->uses[old];
}

static bool rebase(Rebase *r, IrBlockId b, IrRef sum)
{
    IrFunc *f = r->f;
    IrRef old = f->insn[sum].arg[0];
    int64_t step = f->insn[f->insn[sum].arg[1]].imm;

    if (!r->here[old] || !r->computed[sum] || !only_accesses(r, b, old, sum, step)) {
        return false;
    }
    for (IrRef ref = f->insn[sum].next; ref; ref = f->insn[ref].next) {
        if (is_access(&f->insn[ref], old, step)) {
            f->insn[ref].arg[0] = sum;
            f->insn[ref].imm -= step;
        }
    }
    return true;
}

static bool rebase_block(Rebase *r, IrBlockId b)
{
    IrFunc *f = r->f;
    bool changed = false;

    IR_FOR_EACH (f, b, ref) {
        const IrInsn *i = &f->insn[ref];

        r->here[ref] = true;
        if (i->op == IR_OP_add && i->type == IR_I64 && f->insn[i->arg[1]].op == IR_OP_const) {
            changed |= rebase(r, b, ref);
        }
    }
    IR_FOR_EACH (f, b, ref) {
        r->here[ref] = false;
    }
    return changed;
}

bool ir_opt_rebase(IrFunc *f)
{
    Rebase r = { .f = f,
                 .uses = ARENA_NEW(f->arena, uint32_t, f->n_insns),
                 .computed = ARENA_NEW(f->arena, bool, f->n_insns),
                 .here = ARENA_NEW(f->arena, bool, f->n_insns) };
    bool changed = false;

    for (IrBlockId b = 0; b < f->n_blocks; b++) {
        count_uses(&r, b);
    }
    for (IrBlockId b = 0; b < f->n_blocks; b++) {
        changed |= f->block[b].depth && rebase_block(&r, b);
    }
    return changed;
}
