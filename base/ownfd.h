/* SPDX-License-Identifier: Apache-2.0 */
/*
 * base/ownfd.h - file descriptors that Ketch keeps for itself (log, sockets, profiles).
 *
 * A guest shares the numbers with us and expects the lowest free one from open(), so ours are moved
 * to 1000 and above, and the system calls that close or replace one leave them alone.
 * Threading:  any thread.
 */
#ifndef KETCH_BASE_OWNFD_H
#define KETCH_BASE_OWNFD_H

#include <stdbool.h>
#include <stdint.h>

#define OWNFD_NONE UINT32_MAX

/* Moves `fd` up, close-on-exec, and returns its new number; the old one is closed.  Where the limit
 * on numbers is too low it stays where it is.  -1 stays -1. */
int ownfd_take(int fd);

void ownfd_close(int fd);

/* Whether a number of the guest's is one of ours. */
bool ownfd_is(uint64_t fd);

/* The lowest of ours that is at least `from`; OWNFD_NONE when there is none. */
uint32_t ownfd_next(uint32_t from);

#endif
