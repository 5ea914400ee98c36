/* SPDX-License-Identifier: Apache-2.0 */
#include "translator/points.h"

#include <stdlib.h>

static bool add_break(TrPoints *points, uint64_t pc)
{
    if (points->n_pc == points->cap_pc) {
        size_t cap = points->cap_pc ? 2 * points->cap_pc : 16;
        uint64_t *new = realloc(points->pc, cap * sizeof(*new));

        if (!new) {
            return false;
        }
        points->pc = new;
        points->cap_pc = cap;
    }
    points->pc[points->n_pc++] = pc;
    return true;
}

static bool set_break(TrPoints *points, uint64_t pc, bool on)
{
    for (size_t i = 0; i < points->n_pc; i++) {
        if (points->pc[i] == pc) {
            if (!on) {
                points->pc[i] = points->pc[--points->n_pc];
            }
            return true;
        }
    }
    return on ? add_break(points, pc) : true;
}

static bool set_watch(TrPoints *points, const TrWatch *watch, bool on)
{
    for (unsigned i = 0; i < points->n_watch; i++) {
        const TrWatch *w = &points->watch[i];

        if (w->addr == watch->addr && w->size == watch->size && w->kind == watch->kind) {
            if (!on) {
                points->watch[i] = points->watch[--points->n_watch];
            }
            return true;
        }
    }
    if (!on) {
        return true;
    }
    if (points->n_watch == TR_WATCHES || watch->size == 0 || watch->size > TR_WATCH_SIZE) {
        return false;
    }
    points->watch[points->n_watch++] = *watch;
    return true;
}

bool tr_points_set(TrPoints *points, unsigned kind, uint64_t addr, uint64_t size, bool on)
{
    TrWatch watch = { addr, size > TR_WATCH_SIZE ? 0 : (uint32_t)size, (TrWatchKind)kind };

    return kind ? set_watch(points, &watch, on) : set_break(points, addr, on);
}

void tr_points_clear(TrPoints *points)
{
    points->n_pc = 0;
    points->n_watch = 0;
}

unsigned tr_points_watch(const TrPoints *points, uint64_t addr)
{
    for (unsigned i = 0; i < points->n_watch; i++) {
        if (points->watch[i].addr == addr) {
            return points->watch[i].kind;
        }
    }
    return 0;
}

bool tr_points_breaks(const TrPoints *points, uint64_t pc)
{
    for (size_t i = 0; i < points->n_pc; i++) {
        if (points->pc[i] == pc) {
            return true;
        }
    }
    return false;
}

bool tr_points_apply(const TrPoints *points)
{
    tr_set_watches(points->watch, points->n_watch);
    return tr_set_breakpoints(points->pc, points->n_pc);
}
