/* SPDX-License-Identifier: Apache-2.0 */
#include "devices/virtio/virtio.h"

#include <inttypes.h>
#include <poll.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "base/log.h"
#include "devices/virtio/pci.h"

/* ---- Interrupts and the configuration: what is published ---- */

static void raise_locked(Virtio *v, uint8_t reason)
{
    v->isr |= reason;
    irq_set(&v->pci.dev.irq[0], v->isr != 0);
}

static void config_changed_locked(Virtio *v)
{
    v->generation++;
    if (v->status & VIRTIO_DRIVER_OK) {
        raise_locked(v, VIRTIO_ISR_config);
    }
}

void virtio_config_set(Virtio *v, unsigned at, const void *from, size_t size)
{
    CHECK(at + size <= VIRTIO_CONFIG, "at %u", at);
    pthread_mutex_lock(&v->publish);
    memcpy(v->config + at, from, size);
    config_changed_locked(v);
    pthread_mutex_unlock(&v->publish);
}

void virtio_config_get(Virtio *v, unsigned at, void *to, size_t size)
{
    CHECK(at + size <= VIRTIO_CONFIG, "at %u", at);
    pthread_mutex_lock(&v->publish);
    memcpy(to, v->config + at, size);
    pthread_mutex_unlock(&v->publish);
}

void virtio_broken(Virtio *v, const char *why)
{
    static uint32_t site;

    log_limited(LOG_guest_errors, &site, "%s: needs a reset: %s\n", v->pci.dev.id, why);
    pthread_mutex_lock(&v->publish);
    if (!(v->status & VIRTIO_NEEDS_RESET)) {
        v->status |= VIRTIO_NEEDS_RESET;
        config_changed_locked(v);
    }
    pthread_mutex_unlock(&v->publish);
}

uint8_t virtio_status(Virtio *v)
{
    uint8_t status;

    pthread_mutex_lock(&v->publish);
    status = v->status;
    pthread_mutex_unlock(&v->publish);
    return status;
}

uint8_t virtio_isr(Virtio *v)
{
    uint8_t isr;

    pthread_mutex_lock(&v->publish);
    isr = v->isr;
    pthread_mutex_unlock(&v->publish);
    return isr;
}

void virtio_isr_clear(Virtio *v, uint8_t bits)
{
    pthread_mutex_lock(&v->publish);
    v->isr &= (uint8_t)~bits;
    irq_set(&v->pci.dev.irq[0], v->isr != 0);
    pthread_mutex_unlock(&v->publish);
}

uint32_t virtio_generation(Virtio *v)
{
    uint32_t generation;

    pthread_mutex_lock(&v->publish);
    generation = v->generation;
    pthread_mutex_unlock(&v->publish);
    return generation;
}

/* Reads past the end are zero. */
uint64_t virtio_config_read(Virtio *v, uint64_t offset, unsigned size)
{
    uint64_t value = 0;

    if (offset < v->kind->config_size && size <= v->kind->config_size - offset) {
        virtio_config_get(v, (unsigned)offset, &value, size);
    }
    return value;
}

void virtio_config_write(Virtio *v, uint64_t offset, unsigned size, uint64_t value)
{
    const VirtioKind *k = v->kind;
    static uint32_t site;

    if (offset < k->rw_at || offset + size > k->rw_at + k->rw_size) {
        log_limited(LOG_guest_errors, &site, "%s: configuration at %" PRIu64 " is read-only\n",
                    v->pci.dev.id, offset);
        return;
    }
    pthread_mutex_lock(&v->publish);
    memcpy(v->config + offset, &value, size);
    pthread_mutex_unlock(&v->publish);
    if (k->configured) {
        k->configured(v);
    }
}

/* ---- Queues ---- */

bool virtio_live(const VirtioQueue *q)
{
    return q->ring.desc && !atomic_load(&q->v->paused) && !atomic_load(&q->v->stopping);
}

static void ring_doorbell(const VirtioQueue *q)
{
    CHECK(eventfd_write(q->doorbell, 1) == 0, "eventfd");
}

bool virtio_lock(VirtioQueue *q)
{
    pthread_mutex_lock(&q->lock);
    if (virtio_live(q)) {
        return true;
    }
    pthread_mutex_unlock(&q->lock);
    return false;
}

void virtio_unlock(VirtioQueue *q)
{
    pthread_mutex_unlock(&q->lock);
}

bool virtio_pop(VirtioQueue *q, RingChain *c)
{
    RingResult result = ring_pop(&q->ring, c);

    if (result == RING_broken) {
        virtio_broken(q->v, ring_broken(&q->ring));
    }
    return result == RING_chain;
}

void virtio_unpop(VirtioQueue *q, const RingChain *c)
{
    ring_unpop(&q->ring, c);
}

void virtio_push(VirtioQueue *q, const RingChain *c, uint32_t written)
{
    ring_push(&q->ring, c, written);
}

void virtio_push_many(VirtioQueue *q, const RingChain *chains, const uint32_t *written, unsigned n)
{
    ring_push_many(&q->ring, chains, written, n);
}

void virtio_signal(VirtioQueue *q)
{
    if (ring_must_signal(&q->ring)) {
        pthread_mutex_lock(&q->v->publish);
        raise_locked(q->v, VIRTIO_ISR_queue);
        pthread_mutex_unlock(&q->v->publish);
    }
}

bool virtio_ask_doorbell(VirtioQueue *q, bool wanted)
{
    return ring_ask_doorbell(&q->ring, wanted);
}

static void serve_all(VirtioQueue *q)
{
    do {
        ring_ask_doorbell(&q->ring, false);
        while (virtio_live(q) && virtio_pop(q, q->chain)) {
            virtio_push(q, q->chain, q->serve(q->v, q, q->chain));
            virtio_signal(q);
        }
    } while (virtio_live(q) && ring_ask_doorbell(&q->ring, true));
}

/* The doorbell of a queue, in its I/O thread. */
static void answer(void *opaque, short ready)
{
    VirtioQueue *q = opaque;
    eventfd_t count;

    (void)ready;
    if (eventfd_read(q->doorbell, &count) < 0 || !virtio_lock(q)) {
        return;
    }
    if (q->serve) {
        serve_all(q);
    } else if (q->v->kind->filled) {
        q->v->kind->filled(q->v, q);
    }
    virtio_unlock(q);
}

/* With the queue's lock. */
static void set_up_ring(VirtioQueue *q)
{
    const Virtio *v = q->v;
    RingLayout layout = { q->desc,
                          q->driver,
                          q->device,
                          q->size,
                          v->accepted & VIRTIO_F_PACKED,
                          v->accepted & VIRTIO_F_INDIRECT,
                          v->accepted & VIRTIO_F_EVENT_INDEX };

    if (!ring_setup(&q->ring, v->pci.dev.env->mem, &layout)) {
        virtio_broken(q->v, ring_broken(&q->ring));
    }
}

/* "Device Initialization": queues are set up by then; their buffers are used from now on. */
static void start(Virtio *v)
{
    for (unsigned i = 0; i < v->n_queues; i++) {
        VirtioQueue *q = &v->queue[i];

        pthread_mutex_lock(&q->lock);
        if (q->ready && !q->ring.mem) {
            set_up_ring(q);
        }
        pthread_mutex_unlock(&q->lock);
        ring_doorbell(q);
    }
    if (v->kind->started) {
        v->kind->started(v);
    }
}

VirtioQueue *virtio_selected(Virtio *v)
{
    return v->queue_select < v->n_queues ? &v->queue[v->queue_select] : NULL;
}

/* With the queue's lock. */
static void clear_queue(VirtioQueue *q)
{
    q->ready = false;
    q->size = q->max_size;
    q->desc = q->driver = q->device = 0;
    ring_reset(&q->ring);
    if (q->v->kind->dropped) {
        q->v->kind->dropped(q->v, q);
    }
}

void virtio_queue_reset(VirtioQueue *q)
{
    if (virtio_has(q->v, VIRTIO_F_RING_RESET)) {
        pthread_mutex_lock(&q->lock);
        clear_queue(q);
        pthread_mutex_unlock(&q->lock);
    }
}

void virtio_queue_enable(VirtioQueue *q, bool ready)
{
    Virtio *v = q->v;
    bool started = virtio_status(v) & VIRTIO_DRIVER_OK;

    pthread_mutex_lock(&q->lock);
    if (ready != q->ready) {
        q->ready = ready;
        ring_reset(&q->ring);
        if (ready && started) {
            set_up_ring(q);
        } else if (!ready && v->kind->dropped) {
            v->kind->dropped(v, q);
        }
    }
    pthread_mutex_unlock(&q->lock);
}

void virtio_notify(Virtio *v, uint64_t index)
{
    static uint32_t site;

    if (index < v->n_queues) {
        ring_doorbell(&v->queue[index]);
    } else {
        log_limited(LOG_guest_errors, &site, "%s: has no queue %" PRIu64 "\n", v->pci.dev.id,
                    index);
    }
}

/* ---- Features and status ---- */

static uint32_t half(uint64_t bits, uint32_t select)
{
    return select < 2 ? (uint32_t)(bits >> 32 * select) : 0;
}

uint32_t virtio_offered_half(const Virtio *v)
{
    return half(v->offered, v->offered_select);
}

uint32_t virtio_accepted_half(const Virtio *v)
{
    return half(v->accepted, v->accepted_select);
}

void virtio_accept_half(Virtio *v, uint32_t bits)
{
    unsigned shift = 32 * (v->accepted_select & 1);

    if (v->accepted_select < 2 && !(virtio_status(v) & VIRTIO_FEATURES_OK)) {
        v->accepted &= ~(UINT64_C(0xffffffff) << shift);
        v->accepted |= (uint64_t)bits << shift;
    }
}

/* With the device's lock: after it no queue is served and no memory of the guest changed. */
static void stop(Virtio *v)
{
    atomic_store(&v->stopping, true);
    for (unsigned i = 0; i < v->n_queues; i++) {
        VirtioQueue *q = &v->queue[i];

        pthread_mutex_lock(&q->lock);
        clear_queue(q);
        pthread_mutex_unlock(&q->lock);
    }
    if (v->kind->stopped) {
        v->kind->stopped(v);
    }
    v->accepted = 0;
    v->offered_select = v->accepted_select = v->queue_select = 0;
    pthread_mutex_lock(&v->publish);
    v->status = 0;
    v->isr = 0;
    irq_set(&v->pci.dev.irq[0], false);
    pthread_mutex_unlock(&v->publish);
    atomic_store(&v->stopping, false);
}

/* "Feature negotiation": a set that does not work leaves FEATURES_OK clear. */
static bool features_work(const Virtio *v)
{
    return !(v->accepted & ~v->offered) && (v->accepted & VIRTIO_F_VERSION_1);
}

/* Bits are only added, but by a reset. */
void virtio_set_status(Virtio *v, uint8_t status)
{
    uint8_t old = virtio_status(v), added = status & (uint8_t)~old & (uint8_t)~VIRTIO_NEEDS_RESET;

    if (status == 0) {
        stop(v);
        return;
    }
    if ((added & VIRTIO_FEATURES_OK) && !features_work(v)) {
        added &= (uint8_t)~VIRTIO_FEATURES_OK;
    }
    if (!((old | added) & VIRTIO_FEATURES_OK)) {
        added &= (uint8_t)~VIRTIO_DRIVER_OK;
    }
    if ((added & VIRTIO_FEATURES_OK) && v->kind->negotiated) {
        v->kind->negotiated(v);
    }
    pthread_mutex_lock(&v->publish);
    v->status |= added;
    pthread_mutex_unlock(&v->publish);
    if (added & VIRTIO_DRIVER_OK) {
        start(v);
    }
}

/* ---- Life ---- */

bool virtio_init(Virtio *v, const VirtioKind *kind, GError **error)
{
    v->kind = kind;
    v->offered = kind->features | VIRTIO_F_VERSION_1 | VIRTIO_F_INDIRECT | VIRTIO_F_EVENT_INDEX |
                 VIRTIO_F_RING_RESET | (v->packed ? VIRTIO_F_PACKED : 0);
    pthread_mutex_init(&v->publish, NULL);
    v->io = io_new();
    if (!v->io) {
        g_set_error(error, DEV_ERROR, 0, "no I/O thread could be made");
        return false;
    }
    if (!strcmp(v->pci.dev.type->bus, "pci")) {
        virtio_pci_init(v);
    }
    return true;
}

bool virtio_add_queue(Virtio *v, uint16_t max_size, VirtioServe *serve, bool own_thread,
                      GError **error)
{
    VirtioQueue *q = &v->queue[v->n_queues];

    CHECK(v->n_queues < VIRTIO_QUEUES && max_size <= RING_MAX, "%u", v->n_queues);
    *q = (VirtioQueue){ .v = v,
                        .index = v->n_queues,
                        .serve = serve,
                        .own_io = own_thread,
                        .max_size = max_size,
                        .size = max_size };
    q->doorbell = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    q->io = own_thread ? io_new() : v->io;
    q->chain = malloc(sizeof(*q->chain));
    pthread_mutex_init(&q->lock, NULL);
    v->n_queues++;
    if (q->doorbell < 0 || !q->io || !q->chain || !io_add(q->io, q->doorbell, POLLIN, answer, q)) {
        g_set_error(error, DEV_ERROR, 0, "no queue could be made");
        return false;
    }
    return true;
}

void virtio_fini(Virtio *v)
{
    if (!v->kind) {
        return;
    }
    atomic_store(&v->stopping, true);
    for (unsigned i = 0; i < v->n_queues; i++) {
        VirtioQueue *q = &v->queue[i];

        if (q->own_io) {
            io_free(q->io);
        }
    }
    io_free(v->io);
    for (unsigned i = 0; i < v->n_queues; i++) {
        VirtioQueue *q = &v->queue[i];

        if (q->doorbell >= 0) {
            close(q->doorbell);
        }
        free(q->chain);
        pthread_mutex_destroy(&q->lock);
    }
    pthread_mutex_destroy(&v->publish);
}

void virtio_dev_reset(Dev *dev)
{
    Virtio *v = (Virtio *)dev;

    stop(v);
    if (!strcmp(dev->type->bus, "pci")) {
        pci_reset(&v->pci);
    }
}

static void resume_queue(VirtioQueue *q)
{
    RingState state = q->ring.state;

    ring_reset(&q->ring);
    if (q->ready && (q->v->status & VIRTIO_DRIVER_OK)) {
        set_up_ring(q);
        if (!ring_broken(&q->ring) && !ring_resume(&q->ring, &state)) {
            virtio_broken(q->v, ring_broken(&q->ring));
        }
    }
}

void virtio_dev_loaded(Dev *dev)
{
    Virtio *v = (Virtio *)dev;

    for (unsigned i = 0; i < v->n_queues; i++) {
        pthread_mutex_lock(&v->queue[i].lock);
        resume_queue(&v->queue[i]);
        pthread_mutex_unlock(&v->queue[i].lock);
        ring_doorbell(&v->queue[i]);
    }
    virtio_isr_clear(v, 0);
    if ((v->status & VIRTIO_DRIVER_OK) && v->kind->started) {
        v->kind->started(v);
    }
}

/* One lock at a time: what serves one queue may wait for the lock of another. */
void virtio_pause(Virtio *v, bool paused)
{
    atomic_store(&v->paused, paused);
    for (unsigned i = 0; i < v->n_queues; i++) {
        pthread_mutex_lock(&v->queue[i].lock);
        pthread_mutex_unlock(&v->queue[i].lock);
        ring_doorbell(&v->queue[i]);
    }
}

void virtio_dev_pause(Dev *dev, bool paused)
{
    virtio_pause((Virtio *)dev, paused);
}
