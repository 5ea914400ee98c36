/* SPDX-License-Identifier: Apache-2.0 */
/*
 * ir/opt/rebase.c - what is computed from p or from p + n, in loops, is computed from the one that
 * lives on.
 *
 * Accesses behind p + n, at a displacement from p, take p + n as their base.
 * The builder folds additions into displacements, so that a loop that steps a pointer accesses
 * memory by the old pointer and passes the new one on: both live, each in a register of its own.
 * Where accesses are all that is left of the old pointer, it ends at the addition instead, and
 * that is done in place.
 *
 * p + n == c becomes p == c - n where nothing else but the guest's state needs the sum.
 *
 * An access at p + (i + n << k) is one at p + (i << k), with n << k in its displacement, where p and i
 * are there anyway: so the copies of an unrolled body count in displacements.
 *
 * Preserved: every address, every outcome.
 * Terminates: each addition, comparison and access is looked at once; a base is only ever replaced by a
 * later value.
 */
#include "base/bits.h"
#include "ir/cfg.h"
#include "ir/opt/opt.h"

typedef struct Rebase {
    IrFunc *f;
    uint32_t *uses;  /* of each value, by insns and edges */
    uint32_t *needed; /* ... by anything but a setreg: it is in a register anyway */
    bool *here;      /* defined in the block being looked at, */
    uint32_t n;      /* of these values; later ones are constants */
} Rebase;

static void count_uses(Rebase *r, IrBlockId b)
{
    const IrFunc *f = r->f;

    IR_FOR_EACH (f, b, ref) {
        for (unsigned k = 0; k < 3; k++) {
            r->uses[f->insn[ref].arg[k]]++;
            r->needed[f->insn[ref].arg[k]] += f->insn[ref].op != IR_OP_setreg;
        }
    }
    for (unsigned e = 0; e < ir_n_succs(f, b); e++) {
        const IrEdge *edge = ir_succ(f, b, e);

        for (uint32_t k = 0; k < edge->n_args; k++) {
            r->uses[f->edge_args[edge->first_arg + k]]++;
            r->needed[f->edge_args[edge->first_arg + k]]++;
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

    if (!r->here[old] || !r->needed[sum] || !only_accesses(r, b, old, sum, step)) {
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

/* Comparison `ref` of a sum with a constant */
static bool compare_before(Rebase *r, IrBlockId b, IrRef ref)
{
    IrFunc *f = r->f;
    IrInsn sum = f->insn[f->insn[ref].arg[0]], c = f->insn[f->insn[ref].arg[1]];
    unsigned bits = ir_bits(sum.type);
    IrRef before;

    if (sum.op != IR_OP_add || c.op != IR_OP_const || f->insn[sum.arg[1]].op != IR_OP_const ||
        r->needed[f->insn[ref].arg[0]] != 1) {
        return false;
    }
    c.imm = bits_sext((uint64_t)c.imm - (uint64_t)f->insn[sum.arg[1]].imm, bits);
    if (!bits_fits_s(c.imm, 32)) {
        return false;
    }
    before = ir_insert_before(f, b, ref, c);
    f->insn[ref].arg[0] = sum.arg[0];
    f->insn[ref].arg[1] = before;
    return true;
}

/* The shift of i + n that sum `sum` adds to something; 0: there is none. */
static IrRef shifted_sum(const Rebase *r, IrRef sum)
{
    const IrFunc *f = r->f;

    for (unsigned k = 0; k < 2; k++) {
        IrRef shl = f->insn[sum].arg[k];
        const IrInsn *i = &f->insn[shl], *add = &f->insn[i->arg[0]];

        if (i->op == IR_OP_shl && i->type == IR_I64 && f->insn[i->arg[1]].op == IR_OP_const &&
            r->needed[shl] == 1 && add->op == IR_OP_add && f->insn[add->arg[1]].op == IR_OP_const &&
            f->insn[add->arg[0]].op == IR_OP_param && r->needed[add->arg[0]] > 1) {
            return shl;
        }
    }
    return 0;
}

static IrRef insert(Rebase *r, IrBlockId b, IrRef before, IrOp op, IrRef a, IrRef c)
{
    return ir_insert_before(
        r->f, b, before,
        (IrInsn){ .op = (uint8_t)op, .type = IR_I64, .arg = { a, c } });
}

static bool access_by_index(Rebase *r, IrBlockId b, IrRef ref)
{
    IrFunc *f = r->f;
    IrRef sum = f->insn[ref].arg[0], shl, add, base;
    int64_t n;

    if (sum >= r->n || f->insn[sum].op != IR_OP_add || f->insn[sum].type != IR_I64 ||
        r->needed[sum] != 1 || !(shl = shifted_sum(r, sum))) {
        return false;
    }
    add = f->insn[shl].arg[0];
    n = (int64_t)((uint64_t)f->insn[f->insn[add].arg[1]].imm << (f->insn[f->insn[shl].arg[1]].imm & 63));
    if (!bits_fits_s(n, 31) || !bits_fits_s(f->insn[ref].imm + n, 31)) {
        return false;
    }
    base = f->insn[sum].arg[f->insn[sum].arg[0] == shl];
    shl = insert(r, b, ref, IR_OP_shl, f->insn[add].arg[0], f->insn[shl].arg[1]);
    sum = insert(r, b, ref, IR_OP_add, base, shl);
    f->insn[ref].arg[0] = sum;
    f->insn[ref].imm += n;
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
        } else if (i->op == IR_OP_eq || i->op == IR_OP_ne) {
            changed |= compare_before(r, b, ref);
        } else if (i->op == IR_OP_load || i->op == IR_OP_store) {
            changed |= access_by_index(r, b, ref);
        }
    }
    IR_FOR_EACH (f, b, ref) {
        if (ref < r->n) {
            r->here[ref] = false;
        }
    }
    return changed;
}

bool ir_opt_rebase(IrFunc *f)
{
    Rebase r = { .f = f,
                 .uses = ARENA_NEW(f->arena, uint32_t, f->n_insns),
                 .needed = ARENA_NEW(f->arena, uint32_t, f->n_insns),
                 .here = ARENA_NEW(f->arena, bool, f->n_insns),
                 .n = f->n_insns };
    bool changed = false;

    for (IrBlockId b = 0; b < f->n_blocks; b++) {
        count_uses(&r, b);
    }
    for (IrBlockId b = 0; b < f->n_blocks; b++) {
        changed |= f->block[b].depth && rebase_block(&r, b);
    }
    return changed;
}
