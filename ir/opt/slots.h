/* SPDX-License-Identifier: Apache-2.0 */
/* ir/opt/slots.h - sets of guest register slots, and which are live where. */
#ifndef KETCH_IR_OPT_SLOTS_H
#define KETCH_IR_OPT_SLOTS_H

#include "ir/cfg.h"

typedef struct IrSlotSet {
    uint64_t w[4];
} IrSlotSet;

static inline bool ir_slots_has(const IrSlotSet *s, unsigned slot)
{
    return s->w[slot / 64] >> (slot % 64) & 1;
}

static inline void ir_slots_add(IrSlotSet *s, unsigned slot)
{
    s->w[slot / 64] |= UINT64_C(1) << (slot % 64);
}

static inline void ir_slots_remove(IrSlotSet *s, unsigned slot)
{
    s->w[slot / 64] &= ~(UINT64_C(1) << (slot % 64));
}

/* *a becomes the union; true when it grew. */
static inline bool ir_slots_join(IrSlotSet *a, const IrSlotSet *b)
{
    uint64_t grew = 0;

    for (unsigned k = 0; k < 4; k++) {
        grew |= b->w[k] & ~a->w[k];
        a->w[k] |= b->w[k];
    }
    return grew != 0;
}

/* *a becomes what both have. */
static inline void ir_slots_meet(IrSlotSet *a, const IrSlotSet *b)
{
    for (unsigned k = 0; k < 4; k++) {
        a->w[k] &= b->w[k];
    }
}

/* The slots that call `i` may change. */
IrSlotSet ir_slots_changed(const IrFunc *f, const IrInsn *i);

IrSlotSet ir_slots_all(const IrFunc *f);

/* Goes backward over `i`: *live are the slots whose value somebody may still see after it, then
 * before it.  Traps, exits and helpers that read state see all. */
void ir_slots_before(const IrFunc *f, const IrInsn *i, IrSlotSet *live);

/* For each block the slots whose value at its start somebody may still see. */
IrSlotSet *ir_slots_live_in(const IrFunc *f, const IrCfg *cfg);

/* The same when nothing traps on the way: what exits, calls and getregs see. */
void ir_slots_used_before(const IrFunc *f, const IrInsn *i, IrSlotSet *live);
IrSlotSet *ir_slots_used_in(const IrFunc *f, const IrCfg *cfg);

/* The slots that are live at the end of `block`, from what its successors say. */
IrSlotSet ir_slots_live_out(const IrFunc *f, const IrSlotSet *live_in, IrBlockId block);

#endif
