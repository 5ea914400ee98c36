/* SPDX-License-Identifier: Apache-2.0 */
/*
 * ir/opt/sweep.c - dead_state and dce at once, for code without loops: one backward walk.
 *
 * Preserved: what those two preserve.  Without parameters and backward edges uses come after
 * definitions in the order of blocks, and the slots that a block's successors look at are known
 * before the block.  A function with either is left to the two.
 * Terminates: each insn is visited once.
 */
#include "ir/cfg.h"
#include "ir/guest.h"
#include "ir/opt/opt.h"
#include "ir/opt/slots.h"

typedef struct Sweep {
    IrFunc *f;
    IrBlockId block;
    IrSlotSet all;  /* slots that the guest has */
    IrSlotSet live; /* those that somebody may look at after the insn */
    bool changed;
} Sweep;

static inline void mark_operands(IrInsn *insn, const IrInsn *i)
{
    insn[i->arg[0]].mark = 1; /* insn[0] is for operands that are not there */
    insn[i->arg[1]].mark = 1;
    insn[i->arg[2]].mark = 1;
}

static void drop(Sweep *s, IrRef ref)
{
    ir_remove(s->f, s->block, ref);
    s->changed = true;
}

static void sweep_effects(Sweep *s, IrRef ref, uint32_t effects)
{
    IrInsn *i = &s->f->insn[ref];
    const uint32_t harmless = IR_PURE | IR_COMM | IR_STATE_R;

    if (effects & IR_CALL) {
        effects = ir_effects(s->f, i);
    }
    if (!i->mark && effects && !(effects & ~harmless)) {
        drop(s, ref);
        return;
    }
    i->mark = 0;
    mark_operands(s->f->insn, i);
    ir_slots_before(s->f, i, &s->live);
}

static void sweep_insn(Sweep *s, IrRef ref)
{
    IrInsn *i = &s->f->insn[ref];
    uint32_t effects = ir_op_info[i->op].effects;

    if (effects & IR_PURE) {
        if (!i->mark) {
            drop(s, ref);
            return;
        }
        i->mark = 0;
        mark_operands(s->f->insn, i);
    } else if (i->op == IR_OP_setreg) {
        if (!ir_slots_has(&s->live, (unsigned)i->imm)) {
            drop(s, ref);
            return;
        }
        ir_slots_remove(&s->live, (unsigned)i->imm);
        mark_operands(s->f->insn, i);
    } else if (effects & (IR_TRAPS | IR_TERM) && i->op != IR_OP_br && i->op != IR_OP_brif) {
        s->live = s->all;
        i->mark = 0;
        mark_operands(s->f->insn, i);
    } else if (i->op != IR_OP_insn) {
        sweep_effects(s, ref, effects);
    }
}

static bool is_straight(const IrFunc *f)
{
    return f->n_edge_args == 0 && ir_only_forward_edges(f);
}

bool ir_opt_sweep(IrFunc *f)
{
    Sweep s = { .f = f, .all = ir_slots_all(f) };
    IrSlotSet *live_in;

    if (!is_straight(f)) {
        s.changed = ir_opt_dead_state(f);
        return ir_opt_dce(f) || s.changed;
    }
    live_in = ARENA_RAW(f->arena, IrSlotSet, f->n_blocks);
    for (s.block = f->n_blocks; s.block-- > 0;) {
        IrRef prev;

        s.live = ir_slots_live_out(f, live_in, s.block);
        for (IrRef ref = f->block[s.block].last; ref; ref = prev) {
            prev = f->insn[ref].prev;
            sweep_insn(&s, ref);
        }
        live_in[s.block] = s.live;
    }
    f->insn[0].mark = 0;
    return s.changed;
}
