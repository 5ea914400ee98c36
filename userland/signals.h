/* SPDX-License-Identifier: Apache-2.0 */
/*
 * userland/signals.h - the guest's signals: from the host to a frame on the guest's stack.
 *
 * See userland/task.h for the idea.  While a signal waits in a Task, all others (but the reserved
 * ones) are blocked on that host thread.
 */
#ifndef KETCH_USERLAND_SIGNALS_H
#define KETCH_USERLAND_SIGNALS_H

#include "userland/task.h"

#ifndef SS_AUTODISARM
#define SS_AUTODISARM (1U << 31)
#endif

#define SIG_BIT(sig) (UINT64_C(1) << ((sig) - 1))

/* Reads the dispositions and the mask that the program inherits; installs Ketch's handlers. */
void sig_init(Task *first);

/* This host thread's own signal stack, for reports of Ketch's own faults. */
void sig_thread_init(Task *t);
void sig_thread_end(Task *t);

/* First in a host thread that pthread_create() made: holds what it lets in, and takes back from it
 * the signal that the guest's own C library, too, sends for setuid() and the like. */
void sig_own_thread(Task *t);

/* Delivers what waits; on return the host's mask is the guest's.  `t` is between instructions. */
void sig_deliver(Task *t);

/* A fault of the current instruction: cannot be blocked or ignored. */
void sig_fault(Task *t, int sig, int code, uint64_t addr);
void sig_fault_info(Task *t, const siginfo_t *fault);

/* Blocks everything on the host.  False: a signal waits already, and the system call must be
 * restarted with -TASK_ERESTARTNOINTR. */
MUST_USE bool sig_hold(Task *t);

/* Undoes sig_hold(). */
void sig_release(Task *t);

/* The guest's mask becomes `mask`; the host follows, unless a signal waits. */
void sig_set_mask(Task *t, uint64_t mask);

/* Applies `action` on the host. */
int64_t sig_install(int sig, const SigAction *action);

/* A vfork child begins, with `t->sighand`: `clear`: handlers of its parent are none of its. */
void sig_vfork_child(const Task *t, bool clear);

/* Before execve(): signals that are ignored and held as the new program shall inherit them; and
 * back when it failed. */
void sig_before_exec(Task *t);
void sig_after_exec(Task *t);

SigHand *sig_hand_copy(const SigHand *hand, bool clear);

#endif
