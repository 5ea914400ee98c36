/* SPDX-License-Identifier: Apache-2.0 */
#include "ir/opt/slots.h"

#include <string.h>

#include "ir/guest.h"

IrSlotSet ir_slots_all(const IrFunc *f)
{
    IrSlotSet all = { { 0 } };
    unsigned n = f->guest->n_slots;

    for (unsigned k = 0; k < 4 && n > 64 * k; k++) {
        all.w[k] = n - 64 * k >= 64 ? UINT64_MAX : (UINT64_C(1) << (n - 64 * k)) - 1;
    }
    return all;
}

static IrSlotSet word_slots(const IrFunc *f)
{
    IrSlotSet words = { { 0 } };

    for (unsigned s = f->guest->first_word; s && s < f->guest->n_slots; s++) {
        ir_slots_add(&words, s);
    }
    return words;
}

IrSlotSet ir_slots_changed(const IrFunc *f, const IrInsn *i)
{
    uint32_t effects = ir_effects(f, i);

    if (effects & IR_STATE_W) {
        return ir_slots_all(f);
    }
    return effects & IR_WORDS ? word_slots(f) : (IrSlotSet){ { 0 } };
}

void ir_slots_before(const IrFunc *f, const IrInsn *i, IrSlotSet *live)
{
    uint32_t effects;

    if (i->op == IR_OP_setreg) {
        ir_slots_remove(live, (unsigned)i->imm);
        return;
    }
    if (i->op == IR_OP_getreg) {
        ir_slots_add(live, (unsigned)i->imm);
        return;
    }
    effects = ir_op_info[i->op].effects;
    if (!(effects & (IR_TRAPS | IR_STATE_R | IR_STATE_W | IR_TERM | IR_CALL)) ||
        i->op == IR_OP_ldstate || i->op == IR_OP_ststate) {
        return;
    }
    effects = ir_effects(f, i);
    if (effects & (IR_TRAPS | IR_STATE_R | IR_STATE_W) ||
        (effects & IR_TERM && i->op != IR_OP_br && i->op != IR_OP_brif)) {
        *live = ir_slots_all(f);
    } else if (effects & IR_WORDS) {
        IrSlotSet words = word_slots(f);

        ir_slots_join(live, &words);
    }
}

IrSlotSet ir_slots_live_out(const IrFunc *f, const IrSlotSet *live_in, IrBlockId block)
{
    IrSlotSet live = { { 0 } };

    for (unsigned e = 0; e < ir_n_succs(f, block); e++) {
        ir_slots_join(&live, &live_in[ir_succ(f, block, e)->block]);
    }
    return live;
}

void ir_slots_used_before(const IrFunc *f, const IrInsn *i, IrSlotSet *live)
{
    if (!(ir_op_info[i->op].effects & IR_TRAPS)) {
        ir_slots_before(f, i, live);
    }
}

typedef void BeforeFn(const IrFunc *f, const IrInsn *i, IrSlotSet *live);

/* What a block makes of the slots that are live at its end: at its start they are seen | live & kept. */
typedef struct Through {
    IrSlotSet seen, kept;
} Through;

static Through through(const IrFunc *f, IrBlockId b, const IrSlotSet *all, BeforeFn *before)
{
    Through t = { .kept = *all };

    IR_FOR_EACH (f, b, ref) {
        const IrInsn *i = &f->insn[ref];
        IrSlotSet seen = { { 0 } };

        if (i->op == IR_OP_setreg) {
            ir_slots_remove(&t.kept, (unsigned)i->imm);
            continue;
        }
        if (ir_op_info[i->op].effects & IR_PURE) {
            continue;
        }
        before(f, i, &seen);
        ir_slots_meet(&seen, &t.kept);
        ir_slots_join(&t.seen, &seen);
        if (!memcmp(&seen, &t.kept, sizeof(seen))) {
            return (Through){ .seen = t.seen }; /* all that it has not set is seen here */
        }
    }
    return t;
}

/* At each block, by `before`, which goes backward over one insn. */
static IrSlotSet *find_in(const IrFunc *f, const IrCfg *cfg, BeforeFn *before)
{
    IrSlotSet *live_in = ARENA_NEW(f->arena, IrSlotSet, f->n_blocks), all = ir_slots_all(f);
    Through *block = ARENA_RAW(f->arena, Through, f->n_blocks);
    bool changed = true;

    for (uint32_t k = 0; k < cfg->n_order; k++) {
        block[cfg->order[k]] = through(f, cfg->order[k], &all, before);
        live_in[cfg->order[k]] = block[cfg->order[k]].seen;
    }
    while (changed) {
        changed = false;
        for (uint32_t k = cfg->n_order; k-- > 0;) {
            IrBlockId b = cfg->order[k];
            IrSlotSet live = ir_slots_live_out(f, live_in, b);

            ir_slots_meet(&live, &block[b].kept);
            changed |= ir_slots_join(&live_in[b], &live);
        }
    }
    return live_in;
}

IrSlotSet *ir_slots_live_in(const IrFunc *f, const IrCfg *cfg)
{
    return find_in(f, cfg, ir_slots_before);
}

IrSlotSet *ir_slots_used_in(const IrFunc *f, const IrCfg *cfg)
{
    return find_in(f, cfg, ir_slots_used_before);
}
