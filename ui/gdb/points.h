/* SPDX-License-Identifier: Apache-2.0 */
/* ui/gdb/points.h - the protocol's kinds of points in the translator's words, for targets. */
#ifndef KETCH_UI_GDB_POINTS_H
#define KETCH_UI_GDB_POINTS_H

#include "translator/points.h"
#include "ui/gdb/target.h"

/* For tr_points_set(): 0 is a breakpoint. */
static inline unsigned gdb_watch_kind(GdbPoint point)
{
    static const unsigned kind[] = { [GDB_POINT_break] = 0,
                                     [GDB_POINT_write] = TR_WATCH_write,
                                     [GDB_POINT_read] = TR_WATCH_read,
                                     [GDB_POINT_access] = TR_WATCH_access };

    return kind[point];
}

/* The watchpoint at `addr`, as it is reported; one that has just been removed counts as of writes. */
static inline GdbPoint gdb_watch_at(const TrPoints *points, uint64_t addr)
{
    unsigned kind = tr_points_watch(points, addr);

    return kind == TR_WATCH_read     ? GDB_POINT_read
           : kind == TR_WATCH_access ? GDB_POINT_access
                                     : GDB_POINT_write;
}

#endif
