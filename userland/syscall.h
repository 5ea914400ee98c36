/* SPDX-License-Identifier: Apache-2.0 */
/*
 * userland/syscall.h - the system call table, as code: rows, kinds of arguments, pass-through.
 *
 * The rows are userland/syscalls.def, the kinds userland/syskinds.def; see there.
 *
 * Pointers:   a pointer handed to the host lies in the guest's space or is one that the kernel
 *             refuses, so the kernel itself reports EFAULT, in its own order among other errors.
 *             Ketch follows guest pointers only through mem_read() and mem_write().
 * Threading:  the tables are constant; everything may be called from any guest thread.
 */
#ifndef KETCH_USERLAND_SYSCALL_H
#define KETCH_USERLAND_SYSCALL_H

#include <limits.h>
#include <stdint.h>
#include <stdio.h>

#include "userland/mem.h"
#include "userland/proc.h"
#include "userland/task.h"

enum {
    SYSCALL_LIMIT = 463, /* above every number of the table */
    SYSCALL_ARGS = 6,
};

typedef enum SysHow { SYS_HOLE, SYS_PASS, SYS_WAIT, SYS_NAPS, SYS_CALL, SYS_DENY } SysHow;

typedef enum SysDirection { SD_VALUE, SD_IN, SD_OUT, SD_INOUT, SD_REF } SysDirection;

typedef enum SysSpan {
    SPAN_ONE,
    SPAN_NEXT,
    SPAN_PREV,
    SPAN_LEN,
    SPAN_TEXT,
    SPAN_PATH,
    SPAN_FIND,
} SysSpan;

typedef enum SysKind {
#define VALUE(id, printer, set) SK_##id,
#define POINTER(id, direction, span, size, printer, set) SK_##id,
#include "userland/syskinds.def"
    SK_COUNT
} SysKind;

typedef struct SysKindInfo {
    const char *name;
    SysDirection direction;
    SysSpan span;
    uint32_t size;
} SysKindInfo;

typedef struct SysRow {
    const char *name; /* NULL: no such call */
    SysHow how;
    SysKind result;
    int host;         /* number on the host, when it is handed on */
    int error;        /* for SYS_DENY */
    SyscallFn *fn;    /* for SYS_CALL */
    unsigned n_args;
    uint8_t arg[SYSCALL_ARGS]; /* SysKind */
} SysRow;

extern const SysRow syscall_rows[SYSCALL_LIMIT];
extern const SysKindInfo syscall_kinds[SK_COUNT];

#define PASS(...)
#define WAIT(...)
#define NAPS(...)
#define DENY(...)
#define CALL(number, name, result, ...) SyscallFn sys_##name;
#include "userland/syscalls.def"

/* Does the call of a row without tracing. */
int64_t syscall_run(Task *t, const SysRow *row, const uint64_t args[SYSCALL_ARGS]);

/* userland/strace.c: the same, with a line in the strace log. */
int64_t syscall_traced(Task *t, const SysRow *row, const uint64_t args[SYSCALL_ARGS]);

/* How many bytes the pointer args[i] covers, as far as its kind says. */
uint64_t syscall_span(const SysRow *row, const uint64_t args[SYSCALL_ARGS], unsigned i);

/* A host call that may sleep.  restart: it begins again after a handler with SA_RESTART. */
int64_t syscall_wait(Task *t, bool restart, long nr, const uint64_t args[SYSCALL_ARGS]);

/* For a guest path that is looked up: where the host finds it. */
typedef struct FoundPath {
    char text[PATH_MAX]; /* the guest's, valid when path_find() returns 0 */
    char root[PATH_MAX];
    uint64_t host;       /* what to hand to the kernel */
} FoundPath;

/* Reads the path at gaddr and looks for it below the sysroot when it is absolute; `follow`: a last
 * /proc/self/exe is the guest's program.  0, or -errno, after which `host` is still set to what
 * makes the kernel report the same error. */
int path_find(FoundPath *found, uint64_t gaddr, bool follow);

#endif
