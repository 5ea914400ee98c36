/* SPDX-License-Identifier: Apache-2.0 */
#include "translator/layout.h"

#include <string.h>

#define BIT(i) (UINT64_C(1) << (i))

/* ---- Reachability and order ---- */

typedef struct Walk {
    Layout *l;
    uint64_t seen, open; /* open: on the path from the entry */
    int post[LAYOUT_BLOCKS];
    int n_post;
} Walk;

/* Depth first; at most LAYOUT_BLOCKS deep. */
static void visit(Walk *w, int b)
{
    w->seen |= BIT(b);
    for (int k = 0; k < LAYOUT_SUCCS; k++) {
        int s = w->l->block[b].succ[k];

        if (s != LAYOUT_NONE && !(w->seen & BIT(s))) {
            visit(w, s);
        }
    }
    w->post[w->n_post++] = b;
}

static void find_preds(Layout *l)
{
    for (int b = 0; b < l->n; b++) {
        l->block[b].preds = 0;
    }
    for (int b = 0; b < l->n; b++) {
        for (int k = 0; k < LAYOUT_SUCCS && l->block[b].reached; k++) {
            if (l->block[b].succ[k] != LAYOUT_NONE) {
                l->block[l->block[b].succ[k]].preds |= BIT(b);
            }
        }
    }
}

/* Fills w->post and what is reached. */
static void walk(Walk *w, Layout *l)
{
    *w = (Walk){ .l = l };
    visit(w, 0);
    for (int b = 0; b < l->n; b++) {
        l->block[b].reached = w->seen >> b & 1;
    }
    find_preds(l);
}

static void find_dominators(Layout *l, const Walk *w)
{
    bool changed = true;

    for (int b = 0; b < l->n; b++) {
        l->block[b].doms = b == 0 ? BIT(0) : ~UINT64_C(0);
    }
    while (changed) {
        changed = false;
        for (int k = w->n_post - 1; k >= 0; k--) {
            LayoutBlock *x = &l->block[w->post[k]];
            uint64_t doms = ~UINT64_C(0);

            if (w->post[k] == 0) {
                continue;
            }
            for (uint64_t p = x->preds; p; p &= p - 1) {
                doms &= l->block[__builtin_ctzll(p)].doms;
            }
            doms |= BIT(w->post[k]);
            changed |= doms != x->doms;
            x->doms = doms;
        }
    }
}

/* Edges that go back in reverse postorder must go to a dominator; true when one was cut. */
static bool cut_side_entries(Layout *l, const Walk *w)
{
    int number[LAYOUT_BLOCKS] = { 0 };
    bool cut = false;

    for (int k = 0; k < w->n_post; k++) {
        number[w->post[k]] = k;
    }
    for (int b = 0; b < l->n; b++) {
        for (int k = 0; k < LAYOUT_SUCCS && l->block[b].reached; k++) {
            int s = l->block[b].succ[k];

            if (s != LAYOUT_NONE && number[s] >= number[b] && !(l->block[b].doms & BIT(s))) {
                l->block[b].succ[k] = LAYOUT_NONE;
                cut = true;
            }
        }
    }
    return cut;
}

/* ---- Loops ---- */

/* The blocks that reach `latch` without passing `header`, and these two. */
static uint64_t loop_body(const Layout *l, int header, int latch)
{
    uint64_t body = BIT(header) | BIT(latch), todo = body & ~BIT(header);

    while (todo) {
        uint64_t more = l->block[__builtin_ctzll(todo)].preds & ~body;

        todo &= todo - 1;
        body |= more;
        todo |= more;
    }
    return body;
}

static void find_loops(Layout *l)
{
    l->loops = false;
    for (int b = 0; b < l->n; b++) {
        LayoutBlock *h = &l->block[b];

        h->body = 0;
        h->depth = 0;
        for (uint64_t p = h->preds; p && h->reached; p &= p - 1) {
            int latch = __builtin_ctzll(p);

            if (l->block[latch].doms & BIT(b)) {
                h->body |= loop_body(l, b, latch);
                l->loops = true;
            }
        }
    }
    for (int b = 0; b < l->n; b++) {
        for (uint64_t in = l->block[b].body; in; in &= in - 1) {
            l->block[__builtin_ctzll(in)].depth++;
        }
    }
}

/* ---- Order ---- */

/* The smallest loop with a block that is placed and one that is not; all blocks when none. */
static uint64_t open_loop(const Layout *l, uint64_t placed)
{
    uint64_t best = ~UINT64_C(0);

    for (int b = 0; b < l->n; b++) {
        uint64_t body = l->block[b].body;

        if ((body & placed) && (body & ~placed) &&
            __builtin_popcountll(body) < __builtin_popcountll(best)) {
            best = body;
        }
    }
    return best;
}

/* All ways into it that do not come from its own loop are placed. */
static bool is_ready(const Layout *l, int b, uint64_t placed)
{
    return l->block[b].reached && !(placed & BIT(b)) &&
           !(l->block[b].preds & ~placed & ~l->block[b].body);
}

/* The next block: within the open loop, and if possible the one that follows the last in memory. */
static int choose(const Layout *l, int last, uint64_t placed)
{
    uint64_t loop = open_loop(l, placed);

    for (int k = 0; k < LAYOUT_SUCCS; k++) {
        int s = l->block[last].succ[k ^ 1]; /* 1 first */

        if (s != LAYOUT_NONE && (loop & BIT(s)) && is_ready(l, s, placed)) {
            return s;
        }
    }
    for (int b = 0; b < l->n; b++) {
        if ((loop & BIT(b)) && is_ready(l, b, placed)) {
            return b;
        }
    }
    for (int b = 0; b < l->n; b++) {
        if (is_ready(l, b, placed)) {
            return b;
        }
    }
    return LAYOUT_NONE;
}

static void find_order(Layout *l)
{
    uint64_t placed = BIT(0);
    int next = 0;

    l->n_order = 0;
    while (next != LAYOUT_NONE) {
        l->order[l->n_order++] = next;
        placed |= BIT(next);
        next = choose(l, next, placed);
    }
}

void layout_make(Layout *l)
{
    Walk w;

    do {
        walk(&w, l);
        find_dominators(l, &w);
    } while (cut_side_entries(l, &w));
    find_loops(l);
    find_order(l);
}
