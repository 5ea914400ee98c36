/* SPDX-License-Identifier: Apache-2.0 */
#include "backends/x86_64/gen.h"

/* The order in which blocks are emitted, and what it says of loops. */

/* Layout order will do when each block that can be reached has a predecessor before it. */
static bool layout_order(X64Gen *g)
{
    const IrFunc *f = g->f;
    bool *seen = ARENA_NEW(g->arena, bool, f->n_blocks);

    g->n_order = 0;
    seen[0] = true;
    for (IrBlockId b = 0; b < f->n_blocks; b++) {
        const IrEdge *edge;
        unsigned n;

        if (!seen[b] && f->block[b].n_preds) {
            return false;
        }
        if (!seen[b]) {
            continue;
        }
        n = x64_successors(f, b, &edge);
        for (unsigned k = 0; k < n; k++) {
            seen[edge[k].block] = true;
        }
        g->order[g->n_order++] = b;
    }
    return true;
}

/* Reverse postorder, reachable blocks only. */
static void postorder(X64Gen *g)
{
    const IrFunc *f = g->f;
    bool *seen = ARENA_NEW(g->arena, bool, f->n_blocks);
    uint8_t *at = ARENA_NEW(g->arena, uint8_t, f->n_blocks);
    IrBlockId *stack = ARENA_NEW(g->arena, IrBlockId, f->n_blocks);
    uint32_t depth = 1, n = f->n_blocks;

    seen[0] = true;
    stack[0] = 0;
    while (depth) {
        IrBlockId b = stack[depth - 1];
        const IrEdge *edge;
        unsigned n_succ = x64_successors(f, b, &edge);

        if (at[b] < n_succ) {
            IrBlockId s = edge[n_succ - 1 - at[b]++].block;

            if (!seen[s]) {
                seen[s] = true;
                stack[depth++] = s;
            }
        } else {
            g->order[--n] = b;
            depth--;
        }
    }
    g->n_order = f->n_blocks - n;
    memmove(g->order, g->order + n, g->n_order * sizeof(*g->order));
}

/* Depth from back edges when nobody has said it: each adds one to the blocks that it spans. */
static void loop_depths(X64Gen *g)
{
    const IrFunc *f = g->f;
    bool given = false;

    for (uint32_t k = 0; k < g->n_order; k++) {
        g->block[g->order[k]].depth = f->block[g->order[k]].depth;
        given |= f->block[g->order[k]].depth != 0;
    }
    for (uint32_t k = 0; k < g->n_order && !given; k++) {
        const IrEdge *edge;
        unsigned n = x64_successors(f, g->order[k], &edge);

        for (unsigned s = 0; s < n; s++) {
            for (uint32_t j = g->block[edge[s].block].order; j <= k; j++) {
                g->block[g->order[j]].depth++;
            }
        }
    }
}

static void count_preds(X64Gen *g)
{
    const IrFunc *f = g->f;

    for (uint32_t k = 0; k < g->n_order; k++) {
        const IrEdge *edge;
        unsigned n = x64_successors(f, g->order[k], &edge);

        for (unsigned s = 0; s < n; s++) {
            X64Block *to = &g->block[edge[s].block];

            to->pred = &edge[s];
            to->other = n == 2 ? edge[!s].block : 0;
            to->taken = s == 0;
            if (++to->n_preds == 2) {
                to->merge = ++g->n_merges;
            }
        }
    }
}

/* The way out of straight code: better not between its blocks.  A way back to a loop is hot. */
static bool is_side_exit(const X64Gen *g, IrBlockId b)
{
    const IrFunc *f = g->f;
    const X64Block *block = &g->block[b];
    const IrInsn *last = &f->insn[f->block[b].last];
    const IrInsn *other = &f->insn[f->block[block->other].last];
    bool leaves = last->op != IR_OP_br && last->op != IR_OP_brif;

    return leaves && block->n_preds == 1 && block->other &&
           !(last->op == IR_OP_exit && (last->aux & IR_EXIT_POLL)) &&
           (other->op == IR_OP_br || other->op == IR_OP_brif || block->taken);
}

/* Side exits go to the end. */
static void postpone_exits(X64Gen *g)
{
    IrBlockId *late = ARENA_NEW(g->arena, IrBlockId, g->n_order);
    uint32_t n = 0, n_late = 0;

    for (uint32_t k = 0; k < g->n_order; k++) {
        if (is_side_exit(g, g->order[k])) {
            late[n_late++] = g->order[k];
        } else {
            g->order[n++] = g->order[k];
        }
    }
    memcpy(g->order + n, late, n_late * sizeof(*late));
}

/* A block that does nothing but leave the unit for a known place. */
static bool only_leaves(const IrFunc *f, IrBlockId b)
{
    const IrInsn *first = &f->insn[f->block[b].first];

    return f->block[b].n_preds == 1 && first->op == IR_OP_exit && !first->arg[0];
}

/* Where a superblock goes on after block `b`; 0: nowhere, or it is none (*ok is false then). */
static IrBlockId chain_next(const IrFunc *f, IrBlockId b, bool *ok)
{
    const IrEdge *edge;
    unsigned n = x64_successors(f, b, &edge);

    if (n == 0) {
        return 0;
    }
    if (n == 2 && only_leaves(f, edge[0].block)) {
        edge++;
    } else if (n == 2 && !only_leaves(f, edge[1].block)) {
        *ok = false;
        return 0;
    }
    *ok = f->block[edge->block].n_preds == 1 && edge->n_args == 0;
    return *ok ? edge->block : 0;
}

/* The blocks of a superblock in a row; its exits are left to the branches that lead there. */
static bool chain_order(X64Gen *g)
{
    IrBlockId b = 0;
    bool ok = true;

    do {
        g->block[b].order = g->n_order;
        g->order[g->n_order++] = b;
        b = chain_next(g->f, b, &ok);
    } while (b);
    return ok;
}

void x64_find_order(X64Gen *g)
{
    const IrFunc *f = g->f;

    g->order = ARENA_NEW(g->arena, IrBlockId, f->n_blocks);
    g->block = ARENA_NEW(g->arena, X64Block, f->n_blocks);
    g->chain = chain_order(g);
    if (g->chain) {
        return;
    }
    if (!layout_order(g)) {
        postorder(g);
    }
    count_preds(g);
    postpone_exits(g);
    for (uint32_t k = 0; k < g->n_order; k++) {
        g->block[g->order[k]].order = k;
    }
    for (uint32_t k = 0; k < g->n_order; k++) {
        const IrEdge *edge;
        unsigned n = x64_successors(f, g->order[k], &edge);

        for (unsigned s = 0; s < n; s++) {
            g->block[edge[s].block].header |= g->block[edge[s].block].order <= k;
        }
    }
    loop_depths(g);
}
