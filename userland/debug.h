/* SPDX-License-Identifier: Apache-2.0 */
/*
 * userland/debug.h - a debugger's view of the guest process: the GdbTarget of user mode.
 *
 * The debugger runs on a thread of its own (TrConfig and Task know nothing of it).  A guest thread
 * that has something to say *reports* it: it waits until the debugger lets it go on.  All others are
 * then asked to wait too: a host signal that no guest can send gets them out of translated code and
 * out of system calls, which begin again later.
 *
 * Every hook returns at once while no debugger is connected.  A vfork child, which runs on its
 * parent's Task, is not debugged.
 */
#ifndef KETCH_USERLAND_DEBUG_H
#define KETCH_USERLAND_DEBUG_H

#include "translator/translator.h"
#include "ui/gdb/target.h"
#include "userland/task.h"

/* What the debugger knows of a thread: Task.debug, made when it is first needed. */
typedef struct TaskDebug {
    volatile sig_atomic_t kicked; /* shall wait; set by the signal handler of this thread */
    bool parked, go;              /* waits; may wake up.  Under the debugger's lock */
    bool has_event, reported;
    bool held;                    /* was not resumed with the others: its event has time */
    GdbEvent event;
    uint64_t sequence;            /* of the event */
    siginfo_t info;               /* of a signal */
    bool has_info;
    GdbMove move;                 /* what it was resumed with */
    int sig;
    int given;                    /* a signal from the debugger, of which it wants to hear no more */
    uint64_t lo, hi;
    bool moved;                   /* the first instruction of its steps is done */
    unsigned resumes;             /* counts */
    bool again;                   /* the system call begins again: its entry has been reported */
} TaskDebug;

/* ---- Hooks of the guest's threads ---- */

/* Before the first instruction: waits for the debugger when it is to be there from the start. */
void debug_start(Task *t);

/* A debugger is connected. */
extern _Atomic bool debug_attached;

static inline bool debug_is_attached(void)
{
    return atomic_load_explicit(&debug_attached, memory_order_relaxed);
}

/* tr_run(), or a step. */
TrStop debug_run_slow(Task *t);

static inline TrStop debug_run(Task *t)
{
    return t->debug ? debug_run_slow(t) : tr_run(t->vcpu);
}

static inline unsigned debug_resumes(const Task *t)
{
    return t->debug ? t->debug->resumes : 0;
}

/* After debug_run(), and after what it stopped for has been dealt with; `resumes` was taken
 * before. */
void debug_stepped_slow(Task *t, unsigned resumes);

static inline void debug_stepped(Task *t, unsigned resumes)
{
    if (t->debug) {
        debug_stepped_slow(t, resumes);
    }
}

/* tr_run() returned with one of the debugger's traps. */
void debug_trap(Task *t, const TrStop *stop);

/* A signal is about to be delivered: the one to deliver instead, 0 for none.  The debugger may write to
 * *info. */
int debug_signal(Task *t, int sig, siginfo_t *info);

/* Around a system call, when a debugger is connected. */
void debug_syscall_entry(Task *t, uint64_t nr);
void debug_syscall_return(Task *t, uint64_t nr, bool again);

/* The thread is at a place where it may wait. */
void debug_checkpoint(Task *t);

/* In the host's signal handler: is it the signal that asks to wait? */
bool debug_is_kick(const siginfo_t *info);

/* A system call that waits for signals has got this one in place of the handler; true: it is the one that
 * asks to wait, and the call is to fail with -EINTR. */
bool debug_took_kick(Task *t, const siginfo_t *info);

/* The process ends, by exit or by a signal (the other one 0). */
void debug_end(Task *t, int status, int sig);

/* The thread ends; it is in no list any more, so nobody could let it go on. */
void debug_task_end(Task *t);

/* The debugger is told of forks, and may go over to the child.  A vfork has to be a fork then: who shares
 * its parent's memory, and this stub, cannot be debugged. */
bool debug_wants_forks(const Task *t);

/* Around fork(2).  In the parent the child's id, or -errno. */
void debug_fork_prepare(const Task *t);
void debug_fork_parent(Task *t, int64_t pid);
void debug_fork_child(Task *t);

/* For the command line of the program that an execve() starts: -g and --gdb-session, "" when they
 * are not needed. */
typedef struct DebugExec {
    char address[560];
    char session[64];
} DebugExec;

void debug_exec_prepare(const Task *t, DebugExec *e);
void debug_exec_failed(const DebugExec *e);

/* Signals at their default have to reach us, too. */
bool debug_wants_signals(void);

/* ---- The debugger's side ---- */

/* The first thread is there.  False: the debugger cannot listen, which has been said. */
MUST_USE bool debug_init(const UserOptions *options);

#endif
