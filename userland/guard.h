/* SPDX-License-Identifier: Apache-2.0 */
/*
 * userland/guard.h - code that changes without an instruction fence.
 *
 * A page that the guest may write and execute is read-only on the host from when code is fetched
 * from it until it is written.  Not where the guest has called riscv_flush_icache(), and nowhere
 * once it has executed fence.i: whoever knows fences is not made to pay for page faults.
 * A page on which code and data are neighbours would fault for ever; after GUARD_WRITES faults
 * it is left alone.
 *
 * Owns:       the table of such pages and their host protection.
 * Threading:  under the lock of the memory map; guard_count and guard_sets may be read without.
 */
#ifndef KETCH_USERLAND_GUARD_H
#define KETCH_USERLAND_GUARD_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { GUARD_WRITES = 256 };

/* Pages that are read-only now. */
extern _Atomic size_t guard_count;

/* How often a page has become one.  Who had a range opened, and was refused it while this has changed, may
 * have met a guard that another thread has set since: it tries again. */
extern _Atomic size_t guard_sets;

/* Code is about to be fetched from this page, which the guest may write. */
void guard_code(uint64_t page);

/* The guest may write [start, end) again; true when some of it was guarded: then its units must go. */
bool guard_open(uint64_t start, uint64_t end);

/* [start, end) is about to be unmapped, replaced, moved or protected. */
void guard_forget(uint64_t start, uint64_t end);

#endif
