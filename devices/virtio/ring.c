/* SPDX-License-Identifier: Apache-2.0 */
/* Sections cited are those of "Virtual I/O Device (VIRTIO) Version 1.2". */
#include "devices/virtio/ring.h"

#include <stdatomic.h>
#include <string.h>

/* "The Virtqueue Descriptor Table", "Packed Virtqueues" */
enum {
    DESC_NEXT = 1 << 0,
    DESC_WRITE = 1 << 1,
    DESC_INDIRECT = 1 << 2,
    DESC_AVAIL = 1 << 7,
    DESC_USED = 1 << 15,
    DESC_BYTES = 16,
    AVAIL_NO_INTERRUPT = 1,
    USED_NO_NOTIFY = 1,
    PACKED_MAX = 1 << 15,
    /* "Event Suppression Structure Format" */
    EVENT_ENABLE = 0,
    EVENT_DISABLE = 1,
    EVENT_DESC = 2,
};

typedef struct Desc {
    uint64_t addr;
    uint32_t len;
    uint16_t flags;
    uint16_t next; /* split: index; packed: the buffer's id */
} Desc;

/* ---- Words of the guest, each read or written once ---- */

static uint16_t load16(const uint8_t *p)
{
    return atomic_load_explicit((_Atomic uint16_t *)p, memory_order_acquire);
}

static uint32_t load32(const uint8_t *p)
{
    return atomic_load_explicit((_Atomic uint32_t *)p, memory_order_acquire);
}

static uint64_t load64(const uint8_t *p)
{
    return atomic_load_explicit((_Atomic uint64_t *)p, memory_order_acquire);
}

/* Release: what the device did before is seen by a driver that sees the new value. */
static void store16(uint8_t *p, uint16_t value)
{
    atomic_store_explicit((_Atomic uint16_t *)p, value, memory_order_release);
}

static void store32(uint8_t *p, uint32_t value)
{
    atomic_store_explicit((_Atomic uint32_t *)p, value, memory_order_release);
}

static void store64(uint8_t *p, uint64_t value)
{
    atomic_store_explicit((_Atomic uint64_t *)p, value, memory_order_release);
}

static void put_device16(const Ring *r, size_t offset, uint16_t value)
{
    store16(r->device + offset, value);
    phys_written(r->mem, r->layout.device + offset, 2);
}

static void put_device32(const Ring *r, size_t offset, uint32_t value)
{
    store32(r->device + offset, value);
    phys_written(r->mem, r->layout.device + offset, 4);
}

static Desc split_desc(uint64_t addr, uint64_t word)
{
    return (Desc){ addr, (uint32_t)word, (uint16_t)(word >> 32), (uint16_t)(word >> 48) };
}

static Desc packed_desc(uint64_t addr, uint64_t word)
{
    return (Desc){ addr, (uint32_t)word, (uint16_t)(word >> 48), (uint16_t)(word >> 32) };
}

static Desc make_desc(const Ring *r, uint64_t addr, uint64_t word)
{
    return r->layout.packed ? packed_desc(addr, word) : split_desc(addr, word);
}

/* The second word first: it has the flags that make a packed descriptor available. */
static Desc load_desc(const Ring *r, unsigned index)
{
    const uint8_t *p = r->desc + index * DESC_BYTES;
    uint64_t word = load64(p + 8);

    return make_desc(r, load64(p), word);
}

/* ---- Setting up ---- */

static bool fail(Ring *r, const char *why)
{
    r->broken = why;
    return false;
}

static uint8_t *map_part(Ring *r, uint64_t addr, size_t size, unsigned align)
{
    return addr % align ? NULL : phys_map(r->mem, addr, size);
}

static bool map_split(Ring *r, const RingLayout *l)
{
    r->desc = map_part(r, l->desc, (size_t)l->size * DESC_BYTES, 16);
    r->driver = map_part(r, l->driver, 6 + (size_t)l->size * 2, 2);
    r->device = map_part(r, l->device, 6 + (size_t)l->size * 8, 4);
    return r->desc && r->driver && r->device;
}

static bool map_packed(Ring *r, const RingLayout *l)
{
    r->desc = map_part(r, l->desc, (size_t)l->size * DESC_BYTES, 16);
    r->driver = map_part(r, l->driver, 4, 4);
    r->device = map_part(r, l->device, 4, 4);
    return r->desc && r->driver && r->device;
}

bool ring_setup(Ring *r, PhysMem *mem, const RingLayout *l)
{
    ring_reset(r);
    r->mem = mem;
    r->layout = *l;
    if (l->size == 0 || l->size > RING_MAX || (!l->packed && (l->size & (l->size - 1)))) {
        return fail(r, "queue size is not valid");
    }
    if (!(l->packed ? map_packed(r, l) : map_split(r, l))) {
        return fail(r, "queue is not in RAM or not aligned");
    }
    if (!l->packed && l->event_index) {
        put_device16(r, 0, 0); /* "the device MUST set flags to 0" */
    }
    return true;
}

void ring_reset(Ring *r)
{
    *r = (Ring){ .state = { .avail_wrap = true, .used_wrap = true } };
}

bool ring_resume(Ring *r, const RingState *state)
{
    if (r->layout.packed && (state->avail >= r->layout.size || state->used >= r->layout.size)) {
        return fail(r, "queue position is not valid");
    }
    r->state = *state;
    return true;
}

const char *ring_broken(const Ring *r)
{
    return r->broken;
}

/* ---- Chains ---- */

static bool add_part(Ring *r, RingChain *c, const Desc *d)
{
    unsigned n = c->n_out + c->n_in;
    bool in = d->flags & DESC_WRITE;
    uint8_t *host;

    if (!in && c->n_in) {
        return fail(r, "readable part behind a writable one");
    }
    if (d->len == 0) {
        return true;
    }
    if (n == RING_MAX || c->out_size + c->in_size + d->len > UINT32_MAX) {
        return fail(r, "chain too long");
    }
    host = phys_map(r->mem, d->addr, d->len);
    if (!host) {
        return fail(r, "part is not in RAM");
    }
    c->part[n] = (struct iovec){ host, d->len };
    c->addr[n] = d->addr;
    *(in ? &c->n_in : &c->n_out) += 1;
    *(in ? &c->in_size : &c->out_size) += d->len;
    return true;
}

/* "Indirect Descriptors".  The table is copied first: the guest can change it meanwhile. */
static bool add_indirect(Ring *r, RingChain *c, const Desc *d)
{
    uint64_t table[RING_MAX][2];
    unsigned n = d->len / DESC_BYTES, index = 0;

    if (!r->layout.indirect || (d->flags & DESC_NEXT)) {
        return fail(r, "indirect descriptor where none may be");
    }
    if (n == 0 || n > RING_MAX || d->len % DESC_BYTES ||
        !phys_read(r->mem, d->addr, table, d->len)) {
        return fail(r, "indirect table is not valid");
    }
    for (unsigned step = 0; step < n; step++) {
        Desc e = make_desc(r, table[index][0], table[index][1]);

        if (e.flags & DESC_INDIRECT) {
            return fail(r, "indirect descriptor in an indirect table");
        }
        if (!add_part(r, c, &e)) {
            return false;
        }
        if (r->layout.packed) {
            index = step + 1; /* all of the table, in order; NEXT means nothing */
        } else if (!(e.flags & DESC_NEXT)) {
            return true;
        } else if (e.next >= n) {
            return fail(r, "descriptor index out of range");
        } else {
            index = e.next;
        }
    }
    return r->layout.packed || fail(r, "chain is a loop");
}

static bool add_desc(Ring *r, RingChain *c, const Desc *d)
{
    return d->flags & DESC_INDIRECT ? add_indirect(r, c, d) : add_part(r, c, d);
}

static bool walk_split(Ring *r, RingChain *c)
{
    unsigned index = c->id;

    for (unsigned step = 0; step < r->layout.size; step++) {
        Desc d;

        if (index >= r->layout.size) {
            return fail(r, "descriptor index out of range");
        }
        d = load_desc(r, index);
        if (!add_desc(r, c, &d)) {
            return false;
        }
        if (!(d.flags & DESC_NEXT)) {
            return true;
        }
        index = d.next;
    }
    return fail(r, "chain is a loop");
}

/* "Packed Virtqueues": the id is in the last descriptor of a chain. */
static bool walk_packed(Ring *r, RingChain *c)
{
    unsigned index = r->state.avail;

    for (unsigned step = 1; step <= r->layout.size; step++) {
        Desc d = load_desc(r, index);

        if (!add_desc(r, c, &d)) {
            return false;
        }
        if (!(d.flags & DESC_NEXT)) {
            c->id = d.next;
            c->slots = (uint16_t)step;
            return true;
        }
        index = (index + 1) % r->layout.size;
    }
    return fail(r, "chain is a loop");
}

/* ---- Positions ---- */

/* "The Virtqueue Available Ring", "The Virtqueue Used Ring": flags, index, entries, event index. */
static size_t avail_offset(unsigned entry)
{
    return 4 + (size_t)entry * 2;
}

static size_t used_offset(unsigned entry)
{
    return 4 + (size_t)entry * 8;
}

static void advance(uint16_t *index, bool *wrap, unsigned by, unsigned size)
{
    unsigned next = *index + by;

    *wrap ^= next >= size;
    *index = (uint16_t)(next % size);
}

static void retreat(uint16_t *index, bool *wrap, unsigned by, unsigned size)
{
    *wrap ^= *index < by;
    *index = (uint16_t)((*index + size - by) % size);
}

/* "Packed Virtqueues", "Driver and Device Ring Wrap Counters" */
static bool packed_available(const Ring *r)
{
    uint64_t word = load64(r->desc + r->state.avail * DESC_BYTES + 8);
    uint16_t flags = (uint16_t)(word >> 48);

    return !!(flags & DESC_AVAIL) == r->state.avail_wrap &&
           !!(flags & DESC_USED) != r->state.avail_wrap;
}

static bool available(const Ring *r)
{
    return r->layout.packed ? packed_available(r) : load16(r->driver + 2) != r->state.avail;
}

/* ---- Taking ---- */

static RingResult pop_split(Ring *r, RingChain *c)
{
    uint16_t waiting = (uint16_t)(load16(r->driver + 2) - r->state.avail);

    if (waiting == 0) {
        return RING_empty;
    }
    if (waiting + r->taken > r->layout.size) {
        fail(r, "more requests than the queue has places");
        return RING_broken;
    }
    c->id = load16(r->driver + avail_offset(r->state.avail % r->layout.size));
    c->slots = 1;
    if (!walk_split(r, c)) {
        return RING_broken;
    }
    r->state.avail++;
    return RING_chain;
}

static RingResult pop_packed(Ring *r, RingChain *c)
{
    if (!packed_available(r)) {
        return RING_empty;
    }
    if (!walk_packed(r, c)) {
        return RING_broken;
    }
    if (c->slots + r->taken > r->layout.size) {
        fail(r, "more requests than the queue has places");
        return RING_broken;
    }
    advance(&r->state.avail, &r->state.avail_wrap, c->slots, r->layout.size);
    return RING_chain;
}

RingResult ring_pop(Ring *r, RingChain *c)
{
    RingResult result;

    if (r->broken) {
        return RING_broken;
    }
    if (!r->desc) {
        return RING_empty;
    }
    c->n_out = c->n_in = 0;
    c->out_size = c->in_size = 0;
    result = r->layout.packed ? pop_packed(r, c) : pop_split(r, c);
    if (result == RING_chain) {
        r->taken += c->slots;
    }
    return result;
}

void ring_unpop(Ring *r, const RingChain *c)
{
    r->taken -= c->slots;
    if (r->layout.packed) {
        retreat(&r->state.avail, &r->state.avail_wrap, c->slots, r->layout.size);
    } else {
        r->state.avail--;
    }
}

/* ---- Giving back ---- */

static void tell_written(const Ring *r, const RingChain *c, size_t written)
{
    for (unsigned i = c->n_out; i < c->n_out + c->n_in && written; i++) {
        size_t n = c->part[i].iov_len < written ? c->part[i].iov_len : written;

        phys_written(r->mem, c->addr[i], n);
        written -= n;
    }
}

/* "The Virtqueue Used Ring": the entries, then the index. */
static void push_split(Ring *r, const RingChain *c, const uint32_t *written, unsigned n)
{
    for (unsigned i = 0; i < n; i++) {
        size_t entry = used_offset((uint16_t)(r->state.used + i) % r->layout.size);

        put_device32(r, entry, c[i].id);
        put_device32(r, entry + 4, written[i]);
    }
    r->state.used += (uint16_t)n;
    r->unsignalled += n;
    put_device16(r, 2, r->state.used);
}

/* One descriptor for the chain, all but the address in one store. */
static void put_used(Ring *r, uint16_t index, bool wrap, uint16_t id, uint32_t written)
{
    uint16_t flags = (wrap ? DESC_AVAIL | DESC_USED : 0) | (written ? DESC_WRITE : 0);
    uint64_t offset = index * DESC_BYTES + 8;

    store64(r->desc + offset, written | (uint64_t)id << 32 | (uint64_t)flags << 48);
    phys_written(r->mem, r->layout.desc + offset, 8);
}

/* "Multi-buffer requests": the first one last. */
static void push_packed(Ring *r, const RingChain *c, const uint32_t *written, unsigned n)
{
    uint16_t index = r->state.used;
    bool wrap = r->state.used_wrap;

    for (unsigned i = 0; i < n; i++) {
        if (i > 0) {
            put_used(r, index, wrap, c[i].id, written[i]);
        }
        advance(&index, &wrap, c[i].slots, r->layout.size);
        r->unsignalled += c[i].slots;
    }
    put_used(r, r->state.used, r->state.used_wrap, c[0].id, written[0]);
    r->state.used = index;
    r->state.used_wrap = wrap;
}

void ring_push_many(Ring *r, const RingChain *c, const uint32_t *written, unsigned n)
{
    if (r->broken || !r->desc || n == 0) {
        return;
    }
    for (unsigned i = 0; i < n; i++) {
        CHECK(written[i] <= c[i].in_size && r->taken >= c[i].slots, "%u of %zu bytes", written[i],
              c[i].in_size);
        tell_written(r, &c[i], written[i]);
        r->taken -= c[i].slots;
    }
    if (r->layout.packed) {
        push_packed(r, c, written, n);
    } else {
        push_split(r, c, written, n);
    }
}

void ring_push(Ring *r, const RingChain *c, uint32_t written)
{
    ring_push_many(r, c, &written, 1);
}

/* ---- Who tells whom ---- */

/* "Used Buffer Notification Suppression", "Virtqueue Interrupt Suppression": an event index is
 * reached when the entry it names is among those given back since. */
static bool split_wants_signal(const Ring *r, uint32_t given)
{
    if (r->layout.event_index) {
        uint16_t event = load16(r->driver + avail_offset(r->layout.size));

        return (uint16_t)(r->state.used - event - 1) < given;
    }
    return !(load16(r->driver) & AVAIL_NO_INTERRUPT);
}

/* "Event Suppression Structure Format" */
static bool packed_wants_signal(const Ring *r, uint32_t given)
{
    uint32_t word = load32(r->driver);
    unsigned flags = word >> 16 & 3, event = word & 0x7fff;
    bool wrap = word & 0x8000;
    unsigned used = r->state.used + (wrap == r->state.used_wrap ? 0 : r->layout.size);

    if (flags == EVENT_DESC && r->layout.event_index) {
        return event < used && used - event <= given;
    }
    return flags != EVENT_DISABLE;
}

bool ring_must_signal(Ring *r)
{
    uint32_t given = r->unsignalled;

    if (given == 0 || r->broken || !r->desc) {
        return false;
    }
    r->unsignalled = 0;
    /* What was given back is seen before the driver's wish is read: a driver changes its wish, then
     * looks at the ring again. */
    atomic_thread_fence(memory_order_seq_cst);
    return r->layout.packed ? packed_wants_signal(r, given) : split_wants_signal(r, given);
}

static void split_doorbell(Ring *r, bool wanted)
{
    if (!r->layout.event_index) {
        put_device16(r, 0, wanted ? 0 : USED_NO_NOTIFY);
    } else if (wanted) {
        put_device16(r, used_offset(r->layout.size), r->state.avail);
    }
}

static void packed_doorbell(Ring *r, bool wanted)
{
    uint32_t flags = !wanted ? EVENT_DISABLE : r->layout.event_index ? EVENT_DESC : EVENT_ENABLE;
    uint32_t where = r->state.avail | (uint32_t)r->state.avail_wrap << 15;

    put_device32(r, 0, (flags == EVENT_DESC ? where : 0) | flags << 16);
}

bool ring_ask_doorbell(Ring *r, bool wanted)
{
    if (r->broken || !r->desc) {
        return false;
    }
    if (r->layout.packed) {
        packed_doorbell(r, wanted);
    } else {
        split_doorbell(r, wanted);
    }
    if (!wanted) {
        return false;
    }
    /* The wish is seen before the ring is looked at: a driver adds, then reads the wish. */
    atomic_thread_fence(memory_order_seq_cst);
    return available(r);
}

/* ---- The contents of a chain ---- */

static unsigned cut(const struct iovec *part, unsigned n, size_t offset, size_t size,
                    struct iovec *iov)
{
    unsigned count = 0;

    for (unsigned i = 0; i < n && size; i++) {
        size_t here;

        if (offset >= part[i].iov_len) {
            offset -= part[i].iov_len;
            continue;
        }
        here = part[i].iov_len - offset < size ? part[i].iov_len - offset : size;
        iov[count++] = (struct iovec){ (uint8_t *)part[i].iov_base + offset, here };
        size -= here;
        offset = 0;
    }
    return count;
}

static bool inside(size_t total, size_t offset, size_t size)
{
    return offset <= total && size <= total - offset;
}

unsigned chain_readable(const RingChain *c, size_t offset, size_t size, struct iovec *iov)
{
    return inside(c->out_size, offset, size) ? cut(c->part, c->n_out, offset, size, iov) : 0;
}

unsigned chain_writable(const RingChain *c, size_t offset, size_t size, struct iovec *iov)
{
    return inside(c->in_size, offset, size) ? cut(c->part + c->n_out, c->n_in, offset, size, iov)
                                            : 0;
}

bool chain_read(const RingChain *c, size_t offset, void *to, size_t size)
{
    struct iovec iov[RING_MAX];
    unsigned n = chain_readable(c, offset, size, iov);
    uint8_t *p = to;

    for (unsigned i = 0; i < n; i++) {
        memcpy(p, iov[i].iov_base, iov[i].iov_len);
        p += iov[i].iov_len;
    }
    return inside(c->out_size, offset, size);
}

bool chain_write(const RingChain *c, size_t offset, const void *from, size_t size)
{
    struct iovec iov[RING_MAX];
    unsigned n = chain_writable(c, offset, size, iov);
    const uint8_t *p = from;

    for (unsigned i = 0; i < n; i++) {
        memcpy(iov[i].iov_base, p, iov[i].iov_len);
        p += iov[i].iov_len;
    }
    return inside(c->in_size, offset, size);
}
