/* SPDX-License-Identifier: Apache-2.0 */
/* userland/iovec.h - lists of buffers that the guest hands over. */
#ifndef KETCH_USERLAND_IOVEC_H
#define KETCH_USERLAND_IOVEC_H

#include <limits.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/uio.h>

/* A checked copy: the kernel reads this one, so the guest cannot change it in between. */
typedef struct IoVec {
    struct iovec part[IOV_MAX];
} IoVec;

/* What to hand to the kernel for the guest's `count` buffers at gaddr: vec->part, or an address
 * that makes it report the error.  Buffers outside the guest's space become MEM_BAD. */
uint64_t iovec_host(IoVec *vec, uint64_t gaddr, uint64_t count);

/* Whether the list can be read and all of its buffers are in the guest's space; `vec` is scratch.
 * For calls where the kernel must see the guest's own list. */
bool iovec_in_guest(IoVec *vec, uint64_t gaddr, uint64_t count);

#endif
