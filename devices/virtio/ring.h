/* SPDX-License-Identifier: Apache-2.0 */
/*
 * devices/virtio/ring.h - virtqueues, split and packed: the only code that reads or writes a
 * driver's rings and finds the memory that a descriptor names.
 *
 * Invariant:  whatever a driver writes, every access stays within the guest's RAM, every loop ends
 *             after RING_MAX steps, and every word of the guest is read once, so that it cannot
 *             change between its check and its use.  A ring that breaks the rules stays broken
 *             (ring_broken() says why) until it is set up again.
 *             The *contents* of a chain can change at any time: copy a header before checking it.
 * Threading:  one thread at a time for each ring: its user has a lock.
 * Hosts are little-endian, as virtio is.
 */
#ifndef KETCH_DEVICES_VIRTIO_RING_H
#define KETCH_DEVICES_VIRTIO_RING_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/uio.h>

#include "base/check.h"
#include "softmmu/physmem.h"

/* The largest queue, and the most parts of one chain. */
enum { RING_MAX = 256 };

/* Where the driver put the three parts of a queue, and what was negotiated. */
typedef struct RingLayout {
    uint64_t desc;   /* descriptors: the table, or the packed ring */
    uint64_t driver; /* the driver's part: available ring, or its event suppression */
    uint64_t device; /* the device's: used ring, or its event suppression */
    uint16_t size;
    bool packed, indirect, event_index;
} RingLayout;

/* What has to be kept over a snapshot. */
typedef struct RingState {
    uint16_t avail;             /* next to be taken; packed: an index below the size */
    uint16_t used;              /* next to be given back */
    bool avail_wrap, used_wrap; /* packed */
} RingState;

typedef struct Ring {
    PhysMem *mem;
    RingLayout layout;
    uint8_t *desc, *driver, *device; /* NULL: not set up */
    RingState state;
    uint32_t taken;       /* descriptors that the device has */
    uint32_t unsignalled; /* given back since the driver was last told */
    const char *broken;
} Ring;

/* A request: parts that the device reads, then parts that it writes. */
typedef struct RingChain {
    uint16_t id;    /* the driver's name for it */
    uint16_t slots; /* descriptors of the ring that it takes */
    unsigned n_out, n_in;
    size_t out_size, in_size;    /* bytes; both together fit in 32 bits */
    struct iovec part[RING_MAX]; /* host memory: n_out, then n_in */
    uint64_t addr[RING_MAX];     /* the same in the guest */
} RingChain;

typedef enum RingResult { RING_chain, RING_empty, RING_broken } RingResult;

/* False: the driver's addresses or size are not fit for a queue; then the ring is broken. */
MUST_USE bool ring_setup(Ring *r, PhysMem *mem, const RingLayout *layout);
void ring_reset(Ring *r);

/* After ring_setup(): goes on where a snapshot was taken. */
MUST_USE bool ring_resume(Ring *r, const RingState *state);

/* NULL: it is fine. */
const char *ring_broken(const Ring *r);

/* The next request.  `chain` is filled when RING_chain, else undefined. */
RingResult ring_pop(Ring *r, RingChain *chain);

/* Makes the last ring_pop() that is left undone: the chain comes again. */
void ring_unpop(Ring *r, const RingChain *chain);

/* Gives a chain back, of whose writable parts the first `written` bytes are now filled. */
void ring_push(Ring *r, const RingChain *chain, uint32_t written);

/* The same for `n` chains that the driver sees all at once. */
void ring_push_many(Ring *r, const RingChain *chains, const uint32_t *written, unsigned n);

/* Whether the driver wants an interrupt for what was given back since the last call. */
bool ring_must_signal(Ring *r);

/* Tells the driver whether to ring the doorbell for new requests.  When it shall: true if one is
 * there already, for which it perhaps did not. */
bool ring_ask_doorbell(Ring *r, bool wanted);

/* ---- The contents of a chain ---- */

/* Copy `size` bytes at `offset` of the readable (writable) parts; false, and nothing copied, when
 * they are not that long.  */
MUST_USE bool chain_read(const RingChain *c, size_t offset, void *to, size_t size);
MUST_USE bool chain_write(const RingChain *c, size_t offset, const void *from, size_t size);

/* The parts for [offset, offset + size) of the readable (writable) bytes, cut to fit; the number of
 * entries of `iov`, which has RING_MAX.  0: not that long, or size is 0. */
unsigned chain_readable(const RingChain *c, size_t offset, size_t size, struct iovec *iov);
unsigned chain_writable(const RingChain *c, size_t offset, size_t size, struct iovec *iov);

#endif
