/* SPDX-License-Identifier: Apache-2.0 */
/*
 * userland/userland.h - runs one Linux program for another processor: what ui/cli calls.
 */
#ifndef KETCH_USERLAND_USERLAND_H
#define KETCH_USERLAND_USERLAND_H

#include <stdbool.h>
#include <stdint.h>

#include "base/check.h"
#include "translator/translator.h"

/* Results of system calls as an observer is told of them: it will be done again; there is none. */
enum { USER_SYSCALL_AGAIN = -512, USER_SYSCALL_NO_RESULT = -513 };

/* What an observer is told; in the thread concerned, outside of translated code.  Any may be NULL. */
typedef struct UserEvents {
    void (*vcpu_start)(Vcpu *vcpu); /* its registers are set; before its first instruction */
    void (*vcpu_end)(Vcpu *vcpu);   /* the thread ends, but not the process */
    void (*syscall)(Vcpu *vcpu, uint64_t nr, const uint64_t args[6]);
    /* Not when it does not return.  `result` is the kernel's, or one of the following. */
    void (*syscall_done)(Vcpu *vcpu, uint64_t nr, int64_t result);
    void (*exit)(void);             /* the process ends; no vcpu runs */
    void (*crash)(int sig, const siginfo_t *info); /* a host fault that is not the guest's; returns
                                                      when it is not the observer's either */
} UserEvents;

/* The debugger that may connect (ui/gdb/server.h). */
struct GdbTarget; /* ui/gdb/target.h */

typedef struct UserDebugger {
    bool suspend; /* the first thread waits for it */
    bool session; /* it was there before the execve() that started this program */
    bool (*start)(const struct GdbTarget *target);
    bool (*forked)(const struct GdbTarget *target, bool followed);
    void (*end)(void);

    /* The arguments of -g for a program that is started by execve(), in this process or in a
     * child of it; and of --gdb-session, when the debugger's session goes on there.  What
     * exec_session() has prepared, exec_failed() takes back. */
    void (*exec_address)(bool child, char *text, size_t size);
    void (*exec_session)(char *text, size_t size);
    void (*exec_failed)(void);
} UserDebugger;

typedef struct UserOptions {
    const Frontend *guest;   /* &fe_riscv64 */
    const char *program;     /* file to run; searched as execve() does: no PATH */
    int program_fd;          /* open file of it (binfmt_misc 'O'), or -1 */
    const char *argv0;       /* -0; NULL: argv[0] */
    char **argv;             /* of the guest, argv[0] first, NULL at the end */
    char **envp;             /* of the guest, -E and -U applied, NULL at the end */
    const char *sysroot;     /* -L; NULL: KETCH_LD_PREFIX, QEMU_LD_PREFIX, else none */
    uint64_t stack_size;     /* -s; 0: from RLIMIT_STACK */
    uint64_t reserve;        /* -R; 0: the architecture's default */
    const char *after_exec;  /* what the guest program that executes this one handed over as --after-exec;
                                NULL: none has */
    const char *release;     /* -r: kernel release that uname() tells; NULL: the host's */
    const uint64_t *seed;    /* -seed: of AT_RANDOM; NULL: from the kernel */
    bool strace;             /* -strace */
    TrConfig translator;     /* tier, checks, dumps; the fields that userland knows are set by it */
    bool stats;              /* --stats at the end */
    const UserEvents *events; /* NULL: nobody watches */
    const UserDebugger *debugger; /* -g; NULL: none */

    /* What to put before "PROGRAM ARGS" so that the same options hold in a program that the guest
     * starts: execve() runs /proc/self/exe with it, --after-exec, and -L, -0 and --program-fd as they
     * are needed (so they must not be in it, nor -E and -U).  NULL at the end. */
    char **self_argv;
} UserOptions;

/* Runs the program; returns only when it could not be started, with the exit status to give
 * (a sentence has been printed): 127 not found, 126 not executable, 1 otherwise. */
MUST_USE int userland_main(const UserOptions *options);

/* Profile and statistics of a process that ends. */
void userland_report(void);

/* The program ends: reports, then _exit.  For the system calls exit_group and fatal signals. */
_Noreturn void userland_exit(int status);

#endif
