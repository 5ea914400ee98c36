/* SPDX-License-Identifier: Apache-2.0 */
/*
 * devices/virtio/virtio.h - what all virtio devices are, whichever bus they are on: status,
 * features, configuration, queues.  docs/virtio.md says how a device is written.
 *
 *   static bool realize(Dev *dev, GError **error)
 *   {
 *       return virtio_init(v, &rng_kind, error) && virtio_add_queue(v, 64, serve, false, error);
 *   }
 *
 * Owns:       queues with their doorbells (eventfds) and I/O threads.
 * Threading:  registers are accessed with the device's lock held (Dev.lock).  A queue has a lock of
 *             its own, held while a request is served; `publish` guards what I/O threads tell the
 *             driver.  Order: device, queue, publish, interrupt controller.  A device's serve()
 *             takes no lock of a device.
 *
 * Sections cited are those of "Virtual I/O Device (VIRTIO) Version 1.2".
 */
#ifndef KETCH_DEVICES_VIRTIO_VIRTIO_H
#define KETCH_DEVICES_VIRTIO_VIRTIO_H

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

#include "devices/device.h"
#include "devices/host/ioloop.h"
#include "devices/pci/pci.h"
#include "devices/virtio/ring.h"

enum { VIRTIO_QUEUES = 16, VIRTIO_CONFIG = 256 };

/* "Device Status Field" */
enum {
    VIRTIO_ACKNOWLEDGE = 1,
    VIRTIO_DRIVER = 2,
    VIRTIO_DRIVER_OK = 4,
    VIRTIO_FEATURES_OK = 8,
    VIRTIO_NEEDS_RESET = 64,
    VIRTIO_FAILED = 128,
};

/* "Reserved Feature Bits" */
#define VIRTIO_F_INDIRECT    (UINT64_C(1) << 28)
#define VIRTIO_F_EVENT_INDEX (UINT64_C(1) << 29)
#define VIRTIO_F_VERSION_1   (UINT64_C(1) << 32)
#define VIRTIO_F_PACKED      (UINT64_C(1) << 34)
#define VIRTIO_F_IN_ORDER    (UINT64_C(1) << 35)
#define VIRTIO_F_RING_RESET  (UINT64_C(1) << 40)

/* Reasons of an interrupt, as in the transports' interrupt status. */
enum { VIRTIO_ISR_queue = 1, VIRTIO_ISR_config = 2 };

typedef struct Virtio Virtio;
typedef struct VirtioQueue VirtioQueue;

/* Carries out one request and returns how many bytes of its writable parts are filled.  In an I/O
 * thread, with the queue's lock. */
typedef uint32_t VirtioServe(Virtio *v, VirtioQueue *q, const RingChain *c);

/* What one kind of device is.  Functions may be NULL. */
typedef struct VirtioKind {
    const char *name;
    uint16_t id; /* "Device Types" */
    uint32_t pci_class;
    uint64_t features; /* of the kind; realize() may add to Virtio.offered */
    uint16_t config_size;
    uint16_t rw_at, rw_size;       /* the bytes of the configuration that the driver may write */
    void (*negotiated)(Virtio *v); /* the features are settled */
    void (*started)(Virtio *v);    /* the driver is ready; queues are served from now on */
    void (*stopped)(Virtio *v);    /* it was reset; no queue is served any more */
    void (*configured)(Virtio *v); /* the driver has written to the configuration */
    void (*filled)(Virtio *v,
                   VirtioQueue *q); /* buffers in a queue that has no serve(); q locked */
    void (*dropped)(Virtio *v,
                    VirtioQueue *q); /* it was reset with all that is in it; q locked */
} VirtioKind;

struct VirtioQueue {
    Virtio *v;
    unsigned index;
    VirtioServe *serve; /* NULL: the device takes buffers when it has something */
    IoLoop *io;
    bool own_io;
    int doorbell;
    uint16_t max_size;
    pthread_mutex_t lock; /* all below */
    uint16_t size;
    bool ready;
    uint64_t desc, driver, device;
    Ring ring;
    RingChain *chain; /* the one being served */
};

struct Virtio {
    PciDev pci; /* as a PciDev only on that bus */
    const VirtioKind *kind;
    IoLoop *io;
    bool packed; /* property: offer packed rings */
    uint64_t offered;
    uint64_t accepted;
    uint32_t offered_select, accepted_select, queue_select; /* registers of the transport */
    uint32_t pci_window[3];                                 /* the transport's, on PCI */
    unsigned n_queues;
    VirtioQueue queue[VIRTIO_QUEUES];
    _Atomic bool stopping; /* somebody waits for the queues' locks */
    _Atomic bool paused;   /* set, then each queue's lock taken once: none is served after that */
    pthread_mutex_t publish; /* all below */
    uint8_t status;
    uint8_t isr;
    uint32_t generation;
    uint8_t config[VIRTIO_CONFIG];
};

/* Rows of a type whose struct starts with `Virtio v`. */
#define VIRTIO_PROPS(Type)                                                                         \
    {                                                                                              \
        "packed", DEV_PROP_bool, offsetof(Type, v.packed), "offer packed rings", 0                 \
    }
#define VIRTIO_FIELDS(Type)                                                                        \
    DEV_FIELD_ARRAY(Type, v.pci.config), DEV_FIELD(Type, v.status), DEV_FIELD(Type, v.isr),        \
        DEV_FIELD(Type, v.generation), DEV_FIELD_ARRAY(Type, v.config),                            \
        DEV_FIELD(Type, v.accepted), DEV_FIELD(Type, v.offered_select),                            \
        DEV_FIELD(Type, v.accepted_select), DEV_FIELD(Type, v.queue_select),                       \
        DEV_FIELD_EACH(Type, v.queue, size), DEV_FIELD_EACH(Type, v.queue, ready),                 \
        DEV_FIELD_EACH(Type, v.queue, desc), DEV_FIELD_EACH(Type, v.queue, driver),                \
        DEV_FIELD_EACH(Type, v.queue, device), DEV_FIELD_EACH(Type, v.queue, ring.state.avail),    \
        DEV_FIELD_EACH(Type, v.queue, ring.state.used),                                            \
        DEV_FIELD_EACH(Type, v.queue, ring.state.avail_wrap),                                      \
        DEV_FIELD_EACH(Type, v.queue, ring.state.used_wrap)

/* The two types of a kind: `virtio-NAME-device` for a virtio-mmio slot, `virtio-NAME-pci`.  The
 * file has the tables `props` and `fields`, and the functions realize() and unrealize(). */
#define VIRTIO_TYPE(ident, text, on, Type, help, yes_no, ...) \
    const DevType dev_##ident = {                             \
        .name = text,                                         \
        .summary = help,                                      \
        .size = sizeof(Type),                                 \
        .isolation = DEV_ISOLATION_##yes_no,                  \
        .bus = on,                                            \
        .n_irqs = 1,                                          \
        .fields = fields,                                     \
        .n_fields = G_N_ELEMENTS(fields),                     \
        .props = props,                                       \
        .n_props = G_N_ELEMENTS(props),                       \
        .realize = realize,                                   \
        .unrealize = unrealize,                               \
        .reset = virtio_dev_reset,                            \
        .loaded = virtio_dev_loaded,                          \
        .pause = virtio_dev_pause,                            \
        __VA_ARGS__                                           \
    };
/* More members of a DevType may follow. */
#define VIRTIO_TYPES(ident, text, Type, help, ...)                                                \
    VIRTIO_TYPE(ident##_device, "virtio-" text "-device", "virtio-mmio", Type, help, __VA_ARGS__) \
    VIRTIO_TYPE(ident##_pci, "virtio-" text "-pci", "pci", Type, help, __VA_ARGS__)

/* ---- For devices: making ---- */

/* First in realize(); `offered` has the kind's and the core's features then. */
MUST_USE bool virtio_init(Virtio *v, const VirtioKind *kind, GError **error);
/* The next queue.  own_thread: served beside the device's other queues. */
MUST_USE bool virtio_add_queue(Virtio *v, uint16_t max_size, VirtioServe *serve, bool own_thread,
                               GError **error);
/* First in unrealize(), also after a realize() that failed: no serve() runs any more. */
void virtio_fini(Virtio *v);

void virtio_dev_reset(Dev *dev);
void virtio_dev_loaded(Dev *dev);
void virtio_dev_pause(Dev *dev, bool paused);

/* ---- For devices: running ---- */

/* Locks a queue for taking buffers from it; false, and not locked, when it is not to be served. */
MUST_USE bool virtio_lock(VirtioQueue *q);
void virtio_unlock(VirtioQueue *q);

/* With its lock: whether that is still so. */
bool virtio_live(const VirtioQueue *q);

/* Between the two.  A broken ring has no more requests, and its device needs a reset. */
MUST_USE bool virtio_pop(VirtioQueue *q, RingChain *c);
void virtio_push(VirtioQueue *q, const RingChain *c, uint32_t written);
void virtio_push_many(VirtioQueue *q, const RingChain *chains, const uint32_t *written, unsigned n);
void virtio_unpop(VirtioQueue *q, const RingChain *c);
void virtio_signal(VirtioQueue *q);

/* Whether filled() shall be called for new buffers.  When it shall: true if one is there already.
 */
bool virtio_ask_doorbell(VirtioQueue *q, bool wanted);

/* A request that breaks the device's rules: it needs a reset. */
void virtio_broken(Virtio *v, const char *why);

static inline bool virtio_has(const Virtio *v, uint64_t feature)
{
    return v->accepted & feature;
}

/* Changes bytes of the configuration and tells the driver.  Any thread. */
void virtio_config_set(Virtio *v, unsigned at, const void *from, size_t size);
void virtio_config_get(Virtio *v, unsigned at, void *to, size_t size);

/* No queue is served while paused.  Any thread that has no lock. */
void virtio_pause(Virtio *v, bool paused);

/* ---- For transports: all with the device's lock ---- */

uint32_t virtio_offered_half(const Virtio *v);
void virtio_accept_half(Virtio *v, uint32_t bits);
uint32_t virtio_accepted_half(const Virtio *v);
uint8_t virtio_status(Virtio *v);
void virtio_set_status(Virtio *v, uint8_t status);
uint8_t virtio_isr(Virtio *v);
void virtio_isr_clear(Virtio *v, uint8_t bits);
uint32_t virtio_generation(Virtio *v);
uint64_t virtio_config_read(Virtio *v, uint64_t offset, unsigned size);
void virtio_config_write(Virtio *v, uint64_t offset, unsigned size, uint64_t value);
/* The selected queue; NULL: there is none of that number. */
VirtioQueue *virtio_selected(Virtio *v);
void virtio_queue_enable(VirtioQueue *q, bool ready);
/* "Virtqueue Reset": nothing without the feature. */
void virtio_queue_reset(VirtioQueue *q);
void virtio_notify(Virtio *v, uint64_t index);

#endif
