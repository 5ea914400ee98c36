/* SPDX-License-Identifier: Apache-2.0 */
/*
 * ir/opt/early.c - a load moves up to where its address begins to be computed in the register that
 * the load then overwrites.
 *
 *     slli a5, a5, 3
 *     add  a5, a5, a0
 *     ld   a5, 0(a5)
 *
 * The address shows in a5 when the load faults, so it would have to be in a host register.  In front
 * of the first setreg of a5 the state is the one before these instructions, from which they are
 * executed one by one after a fault (see opt.h); the setregs of the address are then overwritten
 * before anyone can see them, and the address is an operand of the load.
 *
 * Preserved: the order of accesses; the state that the load sees is one before its own, and nothing
 * but pure ops and setregs stands between.
 * Terminates: each load moves once.
 */
#include "ir/opt/opt.h"

enum {
    INSNS = 8,  /* guest instructions that a load passes, */
    MOVES = 16, /* and ops that move with it */
};

/* The slot that the guest instruction of load `ref` sets to its result, extended or not. */
static bool result_slot(const IrFunc *f, IrRef ref, int64_t *slot)
{
    for (IrRef at = f->insn[ref].next; at && f->insn[at].op != IR_OP_insn; at = f->insn[at].next) {
        const IrInsn *i = &f->insn[at];

        if (i->op == IR_OP_setreg) {
            IrRef v = i->arg[0];

            *slot = i->imm;
            return v == ref || (ir_is_calc(f->insn[v].op) && f->insn[v].arg[0] == ref);
        }
        if (!(ir_op_info[i->op].effects & IR_PURE)) {
            return false;
        }
    }
    return false;
}

/* The insn marker behind which load `ref` can stand, with a setreg of `slot` between; 0: none. */
static IrRef find_place(const IrFunc *f, IrRef ref, int64_t slot)
{
    IrRef place = 0;
    bool passed = false;
    unsigned n = 0;

    for (IrRef at = f->insn[ref].prev; at && n < INSNS; at = f->insn[at].prev) {
        const IrInsn *i = &f->insn[at];

        if (i->op == IR_OP_insn) {
            place = passed ? at : place;
            n++;
        } else if (i->op == IR_OP_setreg && i->imm == slot) {
            passed = true;
        } else if (!(ir_op_info[i->op].effects & IR_PURE)) {
            break;
        }
    }
    return place;
}

/* The pure ops between `place` and load `ref` that its address needs, the last one first, after the
 * load itself.  0: too many. */
static unsigned find_moves(const IrFunc *f, IrRef place, IrRef ref, IrRef move[MOVES])
{
    unsigned n = 0;

    move[n++] = ref;
    for (IrRef at = f->insn[ref].prev; at != place; at = f->insn[at].prev) {
        bool needed = false;

        for (unsigned k = 0; k < n; k++) {
            const IrInsn *i = &f->insn[move[k]];

            needed |= i->arg[0] == at || i->arg[1] == at || i->arg[2] == at;
        }
        if (needed && n == MOVES) {
            return 0;
        }
        if (needed) {
            move[n++] = at;
        }
    }
    return n;
}

static bool move_up(IrFunc *f, IrBlockId b, IrRef ref)
{
    IrRef move[MOVES], place;
    int64_t slot;
    unsigned n;

    if (!result_slot(f, ref, &slot) || !(place = find_place(f, ref, slot))) {
        return false;
    }
    n = find_moves(f, place, ref, move);
    while (n > 0) {
        IrRef next = f->insn[place].next;

        if (move[--n] != next) {
            ir_move_before(f, b, move[n], b, next);
        }
        place = move[n];
    }
    return true;
}

bool ir_opt_early(IrFunc *f)
{
    bool changed = false;

    if (f->watched) {
        return false;
    }
    for (IrBlockId b = 0; b < f->n_blocks; b++) {
        IR_FOR_EACH (f, b, ref) {
            changed |= f->insn[ref].op == IR_OP_load && move_up(f, b, ref);
        }
    }
    return changed;
}
