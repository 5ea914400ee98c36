/* SPDX-License-Identifier: Apache-2.0 */
/*
 * userland/semihosting/semihosting.h - calls that a program without an operating system makes to whoever runs it:
 * a console, files, the time, the end (Semihosting for AArch32 and AArch64; RISC-V Semihosting).
 *
 * A call is a breakpoint among instructions that no program has otherwise (FeSemihosting); its number
 * and its argument, usually the address of a block of words, are in registers.  Who runs guests asks at
 * each breakpoint:
 *
 *     switch (semihost_breakpoint(s, vcpu, thread, &status)) {
 *     case SEMIHOST_none:  a breakpoint like any other
 *     case SEMIHOST_done:  the vcpu goes on behind it
 *     case SEMIHOST_again: nothing has been done: the same instruction again, after a short while
 *     case SEMIHOST_exit:  the guest ends, with that exit status
 *     }
 *
 * Owns:      the files that the guest has opened, which no guest sees among its own.
 * Isolation: none.  Who may make calls can do with files and programs what the user may.
 * Threading: semihost_breakpoint() any thread; the target's functions are called by that thread.
 */
#ifndef KETCH_SEMIHOSTING_SEMIHOSTING_H
#define KETCH_SEMIHOSTING_SEMIHOSTING_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "frontends/frontend.h"

typedef struct Semihost Semihost;

/* Memory that the program may use: heap upwards from heap_base, stack downwards from stack_base.  A limit
 * of 0 is none. */
typedef struct SemihostMemory {
    uint64_t heap_base, heap_limit, stack_base, stack_limit;
} SemihostMemory;

/* What semihost_console_read() of a target says when there is no byte. */
enum { SEMIHOST_LATER = -1, SEMIHOST_END = -2 };

/* Who has the guest.  `thread` is what semihost_breakpoint() was given. */
typedef struct SemihostTarget {
    /* The guest's memory.  False: not all of it is there. */
    bool (*read)(void *thread, uint64_t addr, void *to, size_t n);
    bool (*write)(void *thread, uint64_t addr, const void *from, size_t n);
    /* The console: sends all bytes; gives the next one, or SEMIHOST_LATER, or SEMIHOST_END. */
    void (*console_write)(void *thread, const void *bytes, size_t n);
    int (*console_read)(void *thread);
    void (*memory)(void *thread, SemihostMemory *memory);
    /* Arguments, the program's name first, NULL ends them. */
    const char *const *argv;
} SemihostTarget;

typedef enum SemihostResult {
    SEMIHOST_none,
    SEMIHOST_done,
    SEMIHOST_again,
    SEMIHOST_exit,
} SemihostResult;

/* For guests of this kind, which have calls.  `target` outlives it.  NULL: out of memory. */
Semihost *semihost_new(const Frontend *guest, const SemihostTarget *target);
/* Closes the files.  NULL: nothing. */
void semihost_free(Semihost *s);

/* The vcpu has stopped at a breakpoint (IR_TRAP_breakpoint). */
SemihostResult semihost_breakpoint(Semihost *s, Vcpu *vcpu, void *thread, int *status);

/* For who has no other console than the process's: a byte of standard input, as console_read() gives it;
 * bytes for standard error. */
int semihost_stdin(void);
void semihost_stderr(const void *bytes, size_t n);

#endif
