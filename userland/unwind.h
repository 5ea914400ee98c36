/* SPDX-License-Identifier: Apache-2.0 */
/*
 * userland/unwind.h - the calls that a guest thread is in.
 *
 * By the call frame information (.eh_frame, .debug_frame) of the files that are mapped, read with
 * elfutils' libdw, which is loaded when the first stack is asked for; through signal frames; by the
 * return address register alone in a function without such information.
 *
 * Owns:       what libdw keeps of each file, for the life of the process.
 * Threading:  any thread, for a vcpu that stands still; not from signal handlers.
 */
#ifndef KETCH_USERLAND_UNWIND_H
#define KETCH_USERLAND_UNWIND_H

#include <stddef.h>
#include <stdint.h>

#include "ir/vcpu.h"

/*
 * Fills pc[] from the inside out: the vcpu's pc, then return addresses, at most `max`; how many.
 * 1 when nothing is known of the function at the pc, or without libdw (logged once); 0 when max is 0.
 */
size_t unwind(const Vcpu *vcpu, uint64_t *pc, size_t max);

/* Around fork(2): above the lock of symbols. */
void unwind_fork_prepare(void);
void unwind_fork_done(void);

#endif
