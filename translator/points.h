/* SPDX-License-Identifier: Apache-2.0 */
/*
 * translator/points.h - the breakpoints and watchpoints that a debugger has set, one by one, until they
 * are put into the translator together.
 *
 * Threading: one thread at a time.
 */
#ifndef KETCH_TRANSLATOR_POINTS_H
#define KETCH_TRANSLATOR_POINTS_H

#include "translator/translator.h"

/* All zero: none. */
typedef struct TrPoints {
    uint64_t *pc;
    size_t n_pc, cap_pc;
    TrWatch watch[TR_WATCHES];
    unsigned n_watch;
} TrPoints;

/* `kind`: TrWatchKind, or 0 for a breakpoint (whose size does not matter).  What is there already, or
 * not there to be removed, is fine.  False: too many, too large or out of memory. */
MUST_USE bool tr_points_set(TrPoints *points, unsigned kind, uint64_t addr, uint64_t size, bool on);
void tr_points_clear(TrPoints *points);

/* The kind of the watchpoint at `addr`; 0: there is none. */
unsigned tr_points_watch(const TrPoints *points, uint64_t addr);

bool tr_points_breaks(const TrPoints *points, uint64_t pc);

/* tr_set_breakpoints() and tr_set_watches(), under their conditions. */
MUST_USE bool tr_points_apply(const TrPoints *points);

#endif
