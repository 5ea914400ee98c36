/* SPDX-License-Identifier: Apache-2.0 */
/*
 * userland/core.h - the core file of a guest that dies by a signal, as its own Linux would write it.
 *
 * core.c decides what of the memory is in it and writes the file; core_notes.c makes the notes:
 * registers of each thread, signal, auxiliary vector, mapped files.
 */
#ifndef KETCH_USERLAND_CORE_H
#define KETCH_USERLAND_CORE_H

#include <signal.h>

#include "userland/task.h"

/* Writes ketch_PROGRAM_PID.core in the current folder, when RLIMIT_CORE and the dumpable flag
 * allow it; `t` is the thread that dies. */
void core_dump(Task *t, int sig, const siginfo_t *info);

/* A growing buffer; failed: out of memory, all since then is lost. */
typedef struct CoreText {
    char *bytes;
    size_t n, cap;
    bool failed;
} CoreText;

/* The PT_NOTE segment.  The caller runs alone and holds process.lock. */
void core_notes(CoreText *text, const Task *t, int sig, const siginfo_t *info);

#endif
