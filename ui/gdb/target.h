/* SPDX-License-Identifier: Apache-2.0 */
/*
 * ui/gdb/target.h - what a debugger works on: threads with registers, memory, places to stop at.
 *
 * The gdb stub asks through this interface and knows nothing else of what it debugs.  Whoever runs
 * guest code implements it once.  Guest addresses, Linux signal numbers, thread ids as the guest's
 * kernel has them.
 *
 * All-stop:   resume() lets threads go on; when next_event() has returned an event, no thread runs
 *             until the next resume().  Threads, registers, memory and points may be looked at and
 *             changed only between the two.
 * Only one:   an event is of a thread that the last resume() has let go.  What others have stopped for
 *             at the same time is kept until they are to go on; then it is the next event, unless
 *             gdb_event_holds() (points.h) says that it has become void, and nobody moves before.
 * Threading:  one thread of the debugger calls everything.
 */
#ifndef KETCH_UI_GDB_TARGET_H
#define KETCH_UI_GDB_TARGET_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "frontends/frontend.h"

enum {
    GDB_PATH = 4096,
    GDB_SIGINFO = 128, /* bytes of siginfo_t */
    GDB_SIGNALS = 64,
};

typedef enum GdbEventKind {
    GDB_EVENT_signal,         /* sig, about to be delivered */
    GDB_EVENT_breakpoint,     /* addr */
    GDB_EVENT_step,           /* what resume() asked for is done */
    GDB_EVENT_watch,          /* addr, point */
    GDB_EVENT_request,        /* stop() */
    GDB_EVENT_syscall_entry,  /* number */
    GDB_EVENT_syscall_return, /* number */
    GDB_EVENT_fork,           /* child */
    GDB_EVENT_exec,           /* path */
    GDB_EVENT_exited,         /* status; there are no threads any more */
    GDB_EVENT_killed,         /* sig; the same */
} GdbEventKind;

typedef enum GdbPoint {
    GDB_POINT_break,
    GDB_POINT_write,
    GDB_POINT_read,
    GDB_POINT_access,
} GdbPoint;

typedef struct GdbEvent {
    GdbEventKind kind;
    int tid;
    int sig;
    int status;
    int number;
    int child; /* process id, which is its thread's id too */
    uint64_t addr;
    GdbPoint point;
    const char *path; /* valid until the next resume() */
} GdbEvent;

typedef enum GdbMove { GDB_MOVE_stay, GDB_MOVE_run, GDB_MOVE_step, GDB_MOVE_range } GdbMove;

/* What a thread does after resume(). */
typedef struct GdbResume {
    int tid;         /* -1: every thread that no entry before names */
    GdbMove move;
    int sig;         /* to be delivered first; 0: none, what it had stopped for is dropped */
    uint64_t lo, hi; /* GDB_MOVE_range: steps while pc is in [lo, hi) */
} GdbResume;

/* QEMU's numbers. */
enum {
    GDB_STEP_enable = 1,
    GDB_STEP_no_interrupts = 2,
    GDB_STEP_no_time = 4, /* clocks stand still meanwhile */
    GDB_STEP_bits = 7,
};

/* Which events are wanted that no point stands for. */
typedef struct GdbCatch {
    uint64_t pass_signals;  /* bit sig - 1: delivered without an event */
    bool syscalls;
    const int *numbers;     /* of system calls; only those, when n_numbers */
    size_t n_numbers;
    bool forks, execs; /* a vfork that is told of is a fork */
} GdbCatch;

/* An object that the guest's dynamic linker has loaded. */
typedef struct GdbLibrary {
    uint64_t map;     /* its struct link_map */
    uint64_t bias;    /* where it is, minus where its file says */
    uint64_t dynamic; /* its dynamic section */
    char name[GDB_PATH];
} GdbLibrary;

/* What GdbTarget.tls_address() is asked for. */
typedef struct GdbTls {
    int tid;
    uint64_t symbol, map, offset;
} GdbTls;

typedef struct GdbTarget GdbTarget;

struct GdbTarget {
    const Frontend *guest;
    const char *os; /* gdb's name of what the guest's programs run on: "GNU/Linux", or "none" */
    /* By the debugger: gdb ends it when it quits, instead of leaving it running. */
    bool (*is_started)(void);
    /* Readable when next_event() should be called. */
    int (*event_fd)(void);
    int (*pid)(void);

    /* Before anything else, at each connection: stops all threads; the event says where. */
    void (*attach)(GdbEvent *event);
    /* Removes every point, lets all threads go on. */
    void (*detach)(void);
    void (*kill)(void);

    void (*resume)(const GdbResume *list, size_t n);
    void (*stop)(void);
    /* False: nothing happened. */
    bool (*next_event)(GdbEvent *event);

    /* The threads; returns how many there are, of which at most `max` are stored. */
    size_t (*threads)(int *tid, size_t max);
    void (*thread_name)(int tid, char *name, size_t size);
    bool (*get_register)(int tid, const FeRegister *r, uint64_t *value);
    bool (*set_register)(int tid, const FeRegister *r, uint64_t value);
    /* The signal that the thread has stopped for, or what it would be; false: no such thread. */
    bool (*siginfo)(int tid, uint8_t info[GDB_SIGINFO]);
    /* What is to be delivered in its place, if it was one of the guest; false as above. */
    bool (*set_siginfo)(int tid, const uint8_t info[GDB_SIGINFO]);

    /* Bytes done before the first address that is not mapped, as the thread sees memory.  Protections do not
     * matter in user mode. */
    size_t (*read)(int tid, uint64_t addr, void *bytes, size_t n);
    size_t (*write)(int tid, uint64_t addr, const void *bytes, size_t n);

    /* False: cannot be. */
    bool (*set_point)(GdbPoint point, uint64_t addr, uint64_t size, bool on);
    void (*set_catch)(const GdbCatch *wanted);

    /* The auxiliary vector; returns its size. */
    size_t (*auxv)(void *bytes, size_t max);
    void (*exec_file)(char path[GDB_PATH]);
    /* Calls fn for each object that the dynamic linker has loaded, the program first.  NULL: the
     * debugger must look itself. */
    void (*libraries)(void (*fn)(void *opaque, const GdbLibrary *library), void *opaque);
    /* Where the thread has its copy of a thread-local variable: `offset` is in the block of the object whose
     * link_map is at `map` (0: of a static program).  `symbol` is the address of tls_symbol, which a library
     * of the guest has; 0: not found.  False: not known, or the thread has none yet.  NULL: never known. */
    bool (*tls_address)(const GdbTls *tls, uint64_t *addr);
    const char *tls_symbol;

    /* Files as the guest finds them: open(2), readlink(2), unlink(2).  NULL: the debugger gets at none. */
    int (*open_file)(const char *path, int flags, int mode);
    ssize_t (*read_link)(const char *path, char *target, size_t size);
    int (*remove_file)(const char *path);

    /* A child that a fork event told of: it goes on without debugger, or the debugger goes over to
     * it and leaves this process to itself. */
    void (*leave_child)(int pid);
    bool (*follow_child)(int pid);

    /* Whole machines: addresses of read() and write() are physical (1) or virtual (0); -1 only asks.
     * Returns what holds now.  NULL: there are no physical ones. */
    int (*physical)(int on);

    /* Whole machines: what a step is, GDB_STEP_* with GDB_STEP_enable; 0 only asks.  Returns what holds
     * now.  NULL: there is nothing to choose. */
    unsigned (*step_mode)(unsigned bits);

    /* Text for a command of `monitor`; false: no such command. */
    bool (*monitor)(const char *command, char *text, size_t size);
};

#endif
