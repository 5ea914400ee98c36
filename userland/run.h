/* SPDX-License-Identifier: Apache-2.0 */
/* userland/run.h - the loop of a guest thread. */
#ifndef KETCH_USERLAND_RUN_H
#define KETCH_USERLAND_RUN_H

#include "userland/task.h"

/* Runs the guest thread `t` on this host thread until it ends (t->exiting).  The host's signals
 * are held on entry. */
void userland_run(Task *t);

/* The end of a guest thread after userland_run(): does not return for the first thread of a
 * process and the last one. */
void task_end(Task *t);

/* What an execve() that succeeded in a vfork child has left in Task.exec_memory. */
void exec_free(void *memory);

void task_set_self(Task *t);

/* RLIMIT_AS and RLIMIT_DATA, which only Ketch knows, as a word that the next program takes up. */
enum { LIMITS_TEXT = 112 };
void limits_print(char *text, size_t size);
void limits_take(const char *text);

/* UserOptions.after_exec */
void exec_take_over(const char *text);

#endif
