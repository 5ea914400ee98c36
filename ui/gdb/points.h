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

/* A thread at `pc`, whose event the debugger has not been told of, shall go on.  Is the event still to be
 * reported before that?  Not a step, which was an earlier resume()'s; nor what has stopped for a point that
 * is not there any more. */
static inline bool gdb_event_holds(const TrPoints *points, const GdbEvent *event, uint64_t pc)
{
    switch (event->kind) {
    case GDB_EVENT_breakpoint:
        return event->addr == pc && tr_points_breaks(points, pc);
    case GDB_EVENT_watch:
        return tr_points_watch(points, event->addr);
    case GDB_EVENT_step:
        return false;
    case GDB_EVENT_signal:
    case GDB_EVENT_request:
    case GDB_EVENT_syscall_entry:
    case GDB_EVENT_syscall_return:
    case GDB_EVENT_fork:
    case GDB_EVENT_exec:
    case GDB_EVENT_exited:
    case GDB_EVENT_killed:
        break;
    }
    return true;
}

#endif
