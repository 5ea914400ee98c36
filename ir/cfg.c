/* SPDX-License-Identifier: Apache-2.0 */
#include "ir/cfg.h"

#include <string.h>

void ir_keep_blocks(IrFunc *f, const IrBlockId *order, uint32_t n)
{
    IrBlock *block = ARENA_RAW(f->arena, IrBlock, f->cap_blocks);
    IrBlockId *now = ARENA_NEW(f->arena, IrBlockId, f->n_blocks);

    for (uint32_t k = 0; k < n; k++) {
        now[order[k]] = k;
        block[k] = f->block[order[k]];
    }
    f->block = block;
    f->n_blocks = n;
    for (uint32_t e = 0; e < f->n_edges; e++) {
        f->edge[e].block = now[f->edge[e].block];
    }
}

bool ir_only_forward_edges(const IrFunc *f)
{
    for (IrBlockId b = 0; b < f->n_blocks; b++) {
        for (unsigned e = 0; e < ir_n_succs(f, b); e++) {
            if (ir_succ(f, b, e)->block <= b) {
                return false;
            }
        }
    }
    return true;
}

/* Depth-first from the entry, without recursion; position[] holds the next edge to follow. */
static void order_blocks(const IrFunc *f, IrCfg *cfg)
{
    IrBlockId *stack = ARENA_NEW(f->arena, IrBlockId, cfg->n_blocks + 1);
    uint32_t *next = ARENA_NEW(f->arena, uint32_t, cfg->n_blocks);
    bool *seen = ARENA_NEW(f->arena, bool, cfg->n_blocks);
    uint32_t depth = 0, at = cfg->n_blocks;

    stack[depth++] = 0;
    seen[0] = true;
    while (depth) {
        IrBlockId b = stack[depth - 1];

        if (next[b] < ir_n_succs(f, b)) {
            IrBlockId to = ir_succ(f, b, next[b]++)->block;

            if (!seen[to]) {
                seen[to] = true;
                stack[depth++] = to;
            }
        } else {
            cfg->order[--at] = b;
            depth--;
        }
    }
    cfg->n_order = cfg->n_blocks - at;
    memmove(cfg->order, cfg->order + at, cfg->n_order * sizeof(IrBlockId));
    memset(cfg->position, 0xff, cfg->n_blocks * sizeof(uint32_t));
    for (uint32_t k = 0; k < cfg->n_order; k++) {
        cfg->position[cfg->order[k]] = k;
    }
}

static void find_preds(const IrFunc *f, IrCfg *cfg)
{
    uint32_t *fill = ARENA_NEW(f->arena, uint32_t, cfg->n_blocks);
    uint32_t n = 0;

    for (uint32_t k = 0; k < cfg->n_order; k++) {
        for (unsigned e = 0; e < ir_n_succs(f, cfg->order[k]); e++) {
            cfg->first_pred[ir_succ(f, cfg->order[k], e)->block + 1]++;
            n++;
        }
    }
    for (uint32_t b = 0; b < cfg->n_blocks; b++) {
        cfg->first_pred[b + 1] += cfg->first_pred[b];
    }
    cfg->preds = ARENA_NEW(f->arena, IrBlockId, n + 1);
    for (uint32_t k = 0; k < cfg->n_order; k++) {
        for (unsigned e = 0; e < ir_n_succs(f, cfg->order[k]); e++) {
            IrBlockId to = ir_succ(f, cfg->order[k], e)->block;

            cfg->preds[cfg->first_pred[to] + fill[to]++] = cfg->order[k];
        }
    }
}

static IrBlockId common(const IrCfg *cfg, IrBlockId a, IrBlockId b)
{
    while (a != b) {
        if (cfg->position[a] > cfg->position[b]) {
            a = cfg->idom[a];
        } else {
            b = cfg->idom[b];
        }
    }
    return a;
}

/* Cooper, Harvey and Kennedy: intersect the predecessors' dominators until nothing changes. */
static void find_dominators(IrCfg *cfg)
{
    bool changed = true;

    memset(cfg->idom, 0xff, cfg->n_blocks * sizeof(IrBlockId));
    cfg->idom[0] = 0;
    while (changed) {
        changed = false;
        for (uint32_t k = 1; k < cfg->n_order; k++) {
            IrBlockId b = cfg->order[k], dom = IR_NO_BLOCK;

            for (uint32_t p = cfg->first_pred[b]; p < cfg->first_pred[b + 1]; p++) {
                IrBlockId pred = cfg->preds[p];

                if (cfg->idom[pred] != IR_NO_BLOCK) {
                    dom = dom == IR_NO_BLOCK ? pred : common(cfg, dom, pred);
                }
            }
            changed |= cfg->idom[b] != dom;
            cfg->idom[b] = dom;
        }
    }
    cfg->idom[0] = IR_NO_BLOCK;
}

IrCfg *ir_cfg(const IrFunc *f)
{
    IrCfg *cfg = ARENA_NEW(f->arena, IrCfg, 1);

    cfg->n_blocks = f->n_blocks;
    cfg->order = ARENA_NEW(f->arena, IrBlockId, f->n_blocks);
    cfg->position = ARENA_NEW(f->arena, uint32_t, f->n_blocks);
    cfg->idom = ARENA_NEW(f->arena, IrBlockId, f->n_blocks);
    cfg->first_pred = ARENA_NEW(f->arena, uint32_t, f->n_blocks + 1);
    order_blocks(f, cfg);
    find_preds(f, cfg);
    find_dominators(cfg);
    return cfg;
}

bool ir_dominates(const IrCfg *cfg, IrBlockId a, IrBlockId b)
{
    while (b != IR_NO_BLOCK && cfg->position[b] > cfg->position[a]) {
        b = cfg->idom[b];
    }
    return a == b;
}
