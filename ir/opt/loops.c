/* SPDX-License-Identifier: Apache-2.0 */
/*
 * ir/opt/loops.c - finds natural loops and sets IrBlock.depth.
 *
 * A loop belongs to a header that dominates the source of an edge to it.  Cycles without such a
 * header (jumps into the middle) count as no loop: nothing is moved out of them.
 */
#include "ir/opt/loops.h"

#include "ir/opt/opt.h"

static void add_block(IrLoop *loop, IrBlockId b, IrBlockId *work, uint32_t *n_work)
{
    if (!loop->has[b]) {
        loop->has[b] = true;
        loop->n_blocks++;
        work[(*n_work)++] = b;
    }
}

/* Everything that reaches the back edge from `tail` without passing the header. */
static void add_body(const IrCfg *cfg, IrLoop *loop, IrBlockId tail, IrBlockId *work)
{
    uint32_t n_work = 0;

    add_block(loop, tail, work, &n_work);
    while (n_work) {
        IrBlockId b = work[--n_work];

        for (uint32_t p = cfg->first_pred[b]; p < cfg->first_pred[b + 1]; p++) {
            add_block(loop, cfg->preds[p], work, &n_work);
        }
    }
}

static bool find_loop(const IrFunc *f, const IrCfg *cfg, IrBlockId header, IrLoop *loop)
{
    IrBlockId *work = ARENA_NEW(f->arena, IrBlockId, f->n_blocks);
    bool found = false;

    for (uint32_t p = cfg->first_pred[header]; p < cfg->first_pred[header + 1]; p++) {
        if (!ir_dominates(cfg, header, cfg->preds[p])) {
            continue;
        }
        if (!found) {
            *loop = (IrLoop){ header, 1, ARENA_NEW(f->arena, bool, f->n_blocks) };
            loop->has[header] = true;
            found = true;
        }
        add_body(cfg, loop, cfg->preds[p], work);
    }
    return found;
}

IrLoops ir_loops(const IrFunc *f, const IrCfg *cfg)
{
    IrLoops loops = { 0, ARENA_NEW(f->arena, IrLoop, f->n_blocks) };

    /* An inner header comes later in reverse postorder than the one around it. */
    for (uint32_t k = cfg->n_order; k-- > 0;) {
        loops.n += find_loop(f, cfg, cfg->order[k], &loops.loop[loops.n]);
    }
    return loops;
}

bool ir_opt_loops(IrFunc *f)
{
    IrLoops loops;
    bool changed = false;

    if (f->n_blocks == 1) {
        return false;
    }
    loops = ir_loops(f, ir_cfg(f));
    for (IrBlockId b = 0; b < f->n_blocks; b++) {
        uint32_t depth = 0;

        for (uint32_t k = 0; k < loops.n; k++) {
            depth += loops.loop[k].has[b];
        }
        changed |= depth != f->block[b].depth;
        f->block[b].depth = depth;
    }
    return changed;
}
