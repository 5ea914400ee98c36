/* SPDX-License-Identifier: Apache-2.0 */
/* userland/debug_state.h - what debug.c and debug_target.c share; nobody else includes it. */
#ifndef KETCH_USERLAND_DEBUG_STATE_H
#define KETCH_USERLAND_DEBUG_STATE_H

#include <pthread.h>

#include "userland/debug.h"

typedef struct Debug {
    const UserDebugger *user;  /* NULL: there is no debugger */
    const char *exec_path;     /* of the exec event */
    int event_fd;
    int handover[2];           /* to a child of fork that waits; [0] is the child's */
    pid_t child;               /* which; 0: none */

    pthread_mutex_t lock;      /* everything below, and TaskDebug but `kicked` */
    pthread_cond_t parked;     /* a thread waits now */
    pthread_cond_t resumed;
    bool stopping;             /* all threads shall wait */
    bool stop_asked;           /* that is an event of its own */
    uint64_t sequence;
    GdbCatch catch;
    int *numbers;              /* of catch, our copy */
} Debug;

extern Debug debug;

/* debug.c */
void debug_attach(GdbEvent *event);
void debug_detach(void);
void debug_resume(const GdbResume *list, size_t n);
void debug_stop(void);
bool debug_next_event(GdbEvent *event);
void debug_set_catch(const GdbCatch *wanted);
void debug_leave_child(int pid);
bool debug_follow_child(int pid);

/* debug_target.c: the points that resume() shall put into the translator. */
void debug_apply_points(void);
void debug_clear_points(void);

/* What kind of point the watch at that address is. */
GdbPoint debug_watch_point(uint64_t addr);

/* gdb_event_holds(), when the thread is to go on. */
bool debug_event_holds(const Task *t, const GdbEvent *event);

extern const GdbTarget debug_target;

#endif
