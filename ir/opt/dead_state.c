/* SPDX-License-Identifier: Apache-2.0 */
/*
 * ir/opt/dead_state.c - removes setregs that nobody can see.
 *
 * Preserved: the guest state at every trap, exit and helper that looks at it.  A setreg goes only
 * when on every path the same slot is set again before any of those.  An entry marker stays, or the
 * edges would have to store the slot: it sets a constant then, since any value does.
 * Terminates: one backward walk per block, after a fixed point over a finite lattice when there are
 * loops.
 */
#include "ir/guest.h"
#include "ir/opt/opt.h"
#include "ir/opt/slots.h"

/* Where the entry markers of `b` end. */
static IrRef markers_end(const IrFunc *f, IrBlockId b)
{
    IrRef ref = f->block[b].first;

    while (f->block[b].n_preds > 1 && ir_is_entry(f, ref)) {
        ref = f->insn[ref].next;
    }
    return ref;
}

/* Marker `ref` no longer needs a value; false when it did not. */
static bool set_anything(IrFunc *f, IrBlockId b, IrRef ref)
{
    IrInsn any = { .op = IR_OP_const, .type = f->guest->slots[f->insn[ref].imm].type };

    if (f->insn[f->insn[ref].arg[0]].op == IR_OP_const) {
        return false;
    }
    IrRef value = ir_insert_before(f, b, ref, any);
    f->insn[ref].arg[0] = value;
    return true;
}

/* Removes dead setregs of `b`; *live is what is live after it, then before it. */
static bool clean_block(IrFunc *f, IrBlockId b, IrSlotSet *live)
{
    bool changed = false, marker = false;
    IrRef end = markers_end(f, b), prev;

    for (IrRef ref = f->block[b].last; ref; ref = prev) {
        const IrInsn *i = &f->insn[ref];

        prev = i->prev;
        if (i->op != IR_OP_setreg || ir_slots_has(live, (unsigned)i->imm)) {
            ir_slots_before(f, i, live);
        } else if (marker) {
            changed |= set_anything(f, b, ref);
        } else {
            ir_remove(f, b, ref);
            changed = true;
        }
        marker |= ref == end;
    }
    return changed;
}

bool ir_opt_dead_state(IrFunc *f)
{
    bool known = !ir_only_forward_edges(f), changed = false;
    IrSlotSet *live_in = known ? ir_slots_live_in(f, ir_cfg(f))
                               : ARENA_NEW(f->arena, IrSlotSet, f->n_blocks);

    for (IrBlockId b = f->n_blocks; b-- > 0;) {
        IrSlotSet live = ir_slots_live_out(f, live_in, b);

        changed |= clean_block(f, b, &live);
        if (!known) {
            live_in[b] = live; /* its predecessors come before it */
        }
    }
    return changed;
}
