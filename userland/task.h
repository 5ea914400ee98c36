/* SPDX-License-Identifier: Apache-2.0 */
/*
 * userland/task.h - a guest process and its threads, as every file of userland sees them.
 *
 * A Task is a guest thread: one host thread, one Vcpu.  `process` is the guest process.
 *
 * Signals are kept by the host kernel for as long as possible: a signal that the guest blocks is
 * blocked on the host (except the four that Ketch needs for faults), one that it ignores or
 * leaves at its default is so on the host (except those that write a core file, and all while a
 * debugger is connected).  A signal with a guest handler reaches Ketch's handler,
 * which notes it in the Task, blocks all others and makes translated code and task_block() come
 * back; userland_run() then delivers it.  So sigpending, signalfd, sigtimedwait, real-time order
 * and queue limits are the kernel's own.
 *
 * Threading: a Task belongs to its thread; other threads find it only under process.lock.
 */
#ifndef KETCH_USERLAND_TASK_H
#define KETCH_USERLAND_TASK_H

#include <limits.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "ir/vcpu.h"
#include "userland/userland.h"

typedef struct Task Task;
typedef struct TaskDebug TaskDebug; /* userland/debug.h */
typedef struct UserAbi UserAbi; /* userland/abi.h: what differs between guest architectures */

enum {
    TASK_SIGNALS = 64,
    TASK_RESERVED = 4, /* SIGSEGV, SIGBUS, SIGILL, SIGFPE: never blocked on the host */
};

/* The guest's signal actions, one set per process (a vfork child has its own copy). */
typedef struct SigAction {
    uint64_t handler; /* 0: default, 1: ignore */
    uint64_t flags;
    uint64_t mask;
} SigAction;

typedef struct SigHand {
    pthread_mutex_t lock; /* action[] and the host's actions change together */
    SigAction action[TASK_SIGNALS + 1];
} SigHand;

typedef struct SigStack {
    uint64_t sp, size;
    uint32_t flags;
} SigStack;

struct Task {
    Vcpu *vcpu;
    pid_t tid;
    Task *prev, *next; /* process.tasks, under process.lock */

    /* Nonzero: a signal waits in this Task.  Set by the host's handler on this thread (so plain
     * program order is enough), read by task_block(). */
    _Atomic uint32_t pending;
    int async_sig;          /* the one that arrived; 0: none.  Host signals stay blocked until it is
                               delivered */
    siginfo_t async_info;
    uint64_t held;          /* of the signals that Ketch cannot block: sent while the guest blocks
                               them */
    siginfo_t held_info[TASK_RESERVED];

    uint64_t sigmask;       /* the guest's, bit sig - 1 */
    uint64_t saved_mask;    /* with restore_mask: what sigmask goes back to (sigsuspend & co.) */
    bool restore_mask;
    SigStack altstack;
    SigHand *sighand;

    int restart;            /* TASK_ERESTART*: the call just done waits to be restarted */
    bool exiting;           /* the thread ends: userland_run() returns */
    uint64_t syscall_pc;    /* of the system call being done; vcpu->pc is already the next */
    uint64_t syscall_arg0;  /* its first argument, for a restart */

    uint64_t clear_child_tid;
    uint64_t robust_list;
    uint64_t robust_len;
    bool in_vfork;          /* runs as a vfork child on its parent's Task */
    void *exec_memory;      /* what an execve() in a vfork child leaves to be freed */
    void *host_altstack;
    TaskDebug *debug;       /* NULL: no debugger has cared */
};

typedef struct Process {
    const UserAbi *abi;
    const UserOptions *options;
    char *exe;              /* absolute path of the guest program, as /proc/self/exe says */
    char **argv;            /* of the guest */
    char sysroot[PATH_MAX]; /* "" when none; no slash at the end */
    uint64_t stack_lo, stack_hi;
    uint64_t arg_start, arg_end, env_start, env_end; /* of the strings on the stack */
    uint64_t auxv_start, auxv_end;
    uint64_t code_start, code_end, entry, load_bias, vdso;

    pthread_mutex_t lock;   /* the fields below */
    Task *tasks;
    unsigned n_tasks;
    int leader_status;      /* exit status of the first thread when it ended before the others */
} Process;

extern Process process;

/* The Task of this host thread. */
Task *task_self(void);

/* ---- Host system calls.  All return the kernel's value: a result or -errno. ---- */

/* For calls that do not sleep. */
int64_t host_call(long nr, uint64_t a, uint64_t b, uint64_t c, uint64_t d, uint64_t e, uint64_t f);
#define HOST_CALL0(nr) host_call((nr), 0, 0, 0, 0, 0, 0)
#define HOST_CALL1(nr, a) host_call((nr), (uint64_t)(a), 0, 0, 0, 0, 0)
#define HOST_CALL2(nr, a, b) host_call((nr), (uint64_t)(a), (uint64_t)(b), 0, 0, 0, 0)
#define HOST_CALL3(nr, a, b, c) \
    host_call((nr), (uint64_t)(a), (uint64_t)(b), (uint64_t)(c), 0, 0, 0)
#define HOST_CALL4(nr, a, b, c, d) \
    host_call((nr), (uint64_t)(a), (uint64_t)(b), (uint64_t)(c), (uint64_t)(d), 0, 0)

/* For calls that may sleep: other threads need not wait for this one meanwhile, and a signal for
 * the guest interrupts it without a race.  -TASK_ERESTARTNOINTR when a signal was there before the
 * call began: pass it on as the result of the system call.  -EINTR when it interrupted the call:
 * turn it into -TASK_ERESTARTSYS where Linux restarts that call after a handler with SA_RESTART
 * (read, write, wait4, accept, futex, flock, ...), or leave it (poll, epoll_wait, nanosleep, ...). */
int64_t task_block(Task *t, long nr, const uint64_t args[6]);

/* ---- Guest system calls ---- */

/* Results of syscall_dispatch() beyond values and -errno; negative, the kernel's own numbers. */
enum {
    TASK_ERESTARTSYS = 512,    /* again, unless a handler without SA_RESTART runs: then EINTR */
    TASK_ERESTARTNOINTR = 513, /* again, always */
    TASK_ERESTARTNOHAND = 514, /* again, unless a handler runs: then EINTR */
    TASK_DONE = 1024,          /* all registers are as they should be: store no result */
};

/* userland/syscall.c.  Does guest call `nr`; -ENOSYS and one log line when it is unknown. */
int64_t syscall_dispatch(Task *t, uint64_t nr, const uint64_t args[6]);

/* userland/strace.c.  A line in the strace log for a signal that is being delivered. */
void syscall_trace_signal(const Task *t, const siginfo_t *info);

/* What every row of the system call table points at. */
typedef int64_t SyscallFn(Task *t, const uint64_t a[6]);

#endif
