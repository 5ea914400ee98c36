/* SPDX-License-Identifier: Apache-2.0 */
/*
 * ir/opt/safepoints.c - one safepoint for each way around a loop is enough.
 *
 * Frontends put one at each backward jump.  Where every way to it has passed another one since it
 * last came around any loop that it is in, it goes.
 *
 * Preserved: no cycle, within the function or by way of other units, is without a safepoint: what
 * has passed the one that goes has passed the other one.
 * Terminates: each safepoint is looked at once.
 */
#include "ir/cfg.h"
#include "ir/opt/loops.h"
#include "ir/opt/opt.h"

enum { KEPT = 32 }; /* safepoints that are remembered */

typedef struct Safepoints {
    const IrCfg *cfg;
    IrLoops loops;
    IrBlockId kept[KEPT]; /* their blocks */
    unsigned n;
} Safepoints;

/* Is block `q` passed in front of block `b`, and in every loop around `b`? */
static bool covers(const Safepoints *s, IrBlockId q, IrBlockId b)
{
    if (!ir_dominates(s->cfg, q, b)) {
        return false;
    }
    for (uint32_t k = 0; k < s->loops.n; k++) {
        if (s->loops.loop[k].has[b] && !s->loops.loop[k].has[q]) {
            return false;
        }
    }
    return true;
}

static bool is_covered(const Safepoints *s, IrBlockId b)
{
    for (unsigned k = 0; k < s->n; k++) {
        if (covers(s, s->kept[k], b)) {
            return true;
        }
    }
    return false;
}

/* Every cycle is a loop with a header. */
static bool is_reducible(const IrFunc *f, const IrCfg *cfg)
{
    for (uint32_t k = 0; k < cfg->n_order; k++) {
        for (unsigned e = 0; e < ir_n_succs(f, cfg->order[k]); e++) {
            IrBlockId to = ir_succ(f, cfg->order[k], e)->block;

            if (cfg->position[to] <= k && !ir_dominates(cfg, to, cfg->order[k])) {
                return false;
            }
        }
    }
    return true;
}

bool ir_opt_safepoints(IrFunc *f)
{
    Safepoints s = { .n = 0 };
    bool changed = false;

    if (f->n_blocks == 1) {
        return false;
    }
    s.cfg = ir_cfg(f);
    if (!is_reducible(f, s.cfg)) {
        return false;
    }
    s.loops = ir_loops(f, s.cfg);
    for (uint32_t k = 0; k < s.cfg->n_order; k++) {
        IrBlockId b = s.cfg->order[k];

        IR_FOR_EACH (f, b, ref) {
            if (f->insn[ref].op != IR_OP_safepoint) {
                continue;
            }
            if (is_covered(&s, b)) {
                ir_remove(f, b, ref);
                changed = true;
            } else if (s.n < KEPT) {
                s.kept[s.n++] = b;
            }
        }
    }
    return changed;
}
