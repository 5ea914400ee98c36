/* SPDX-License-Identifier: Apache-2.0 */
/*
 * ir/opt/fences.c - a fence between stores and loads goes when nothing was stored since the last one.
 *
 * Only that order costs anything on a host whose loads and stores keep all others.  Atomic ops are
 * sequentially consistent, so they are such fences too.
 *
 * Preserved: the fence's other orders.  Helpers may store.
 * Terminates: blocks only change from drained to not drained.
 */
#include "ir/cfg.h"
#include "ir/opt/opt.h"

/* Has every store before been seen by all, after `i`? */
static bool drained_after(const IrFunc *f, const IrInsn *i, bool drained)
{
    switch (i->op) {
    case IR_OP_amo:
    case IR_OP_cas:
        return true;
    case IR_OP_fence:
        return drained || i->aux & IR_FENCE_SL;
    default:
        return drained && !(ir_effects(f, i) & IR_MEM_W);
    }
}

static bool drained_at(const IrCfg *cfg, IrBlockId b, const bool *end)
{
    for (uint32_t p = cfg->first_pred[b]; p < cfg->first_pred[b + 1]; p++) {
        if (!end[cfg->preds[p]]) {
            return false;
        }
    }
    return b != 0;
}

/* At the end of each block */
static bool *flow(const IrFunc *f, const IrCfg *cfg)
{
    bool *end = ARENA_NEW(f->arena, bool, f->n_blocks), changed = true;

    for (IrBlockId b = 0; b < f->n_blocks; b++) {
        end[b] = true;
    }
    while (changed) {
        changed = false;
        for (uint32_t k = 0; k < cfg->n_order; k++) {
            IrBlockId b = cfg->order[k];
            bool drained = drained_at(cfg, b, end);

            IR_FOR_EACH (f, b, ref) {
                drained = drained_after(f, &f->insn[ref], drained);
            }
            changed |= drained != end[b];
            end[b] = drained;
        }
    }
    return end;
}

static bool clean_block(IrFunc *f, IrBlockId b, bool drained)
{
    bool changed = false;

    IR_FOR_EACH (f, b, ref) {
        IrInsn *i = &f->insn[ref];

        if (i->op == IR_OP_fence && i->aux & IR_FENCE_SL && drained) {
            i->aux &= (uint8_t)~IR_FENCE_SL;
            changed = true;
        }
        drained = drained_after(f, i, drained);
    }
    return changed;
}

bool ir_opt_fences(IrFunc *f)
{
    const IrCfg *cfg;
    const bool *end;
    bool changed = false, any = false;

    for (IrRef ref = 1; ref < f->n_insns; ref++) {
        any |= f->insn[ref].op == IR_OP_fence;
    }
    if (!any) {
        return false;
    }
    cfg = ir_cfg(f);
    end = flow(f, cfg);
    for (uint32_t k = 0; k < cfg->n_order; k++) {
        changed |= clean_block(f, cfg->order[k], drained_at(cfg, cfg->order[k], end));
    }
    return changed;
}
