/* SPDX-License-Identifier: Apache-2.0 */
/* "Virtio Over PCI Bus".  BAR 0 has four pages: common, interrupt status, configuration, doorbells.
 */
#include "devices/virtio/pci.h"

#include <string.h>

enum {
    VENDOR = 0x1af4,
    DEVICE_BASE = 0x1040, /* "PCI Device Discovery" */
    SUBSYSTEM = 0x1100,
    CAPABILITY_VENDOR = 0x09,
    PAGE = 0x1000,
    BAR_SIZE = 4 * PAGE,
    DOORBELL_BYTES = 4,
    NO_VECTOR = 0xffff,
};

/* "Virtio Structure PCI Capabilities" */
enum { CFG_COMMON = 1, CFG_NOTIFY = 2, CFG_ISR = 3, CFG_DEVICE = 4, CFG_PCI = 5 };

static Virtio *of(Dev *dev)
{
    return (Virtio *)dev;
}

/* ---- "Common configuration structure layout" ---- */

static uint64_t read_offered_select(Dev *dev, unsigned i, uint64_t stored)
{
    (void)i, (void)stored;
    return of(dev)->offered_select;
}

static void wrote_offered_select(Dev *dev, unsigned i, uint64_t value)
{
    (void)i;
    of(dev)->offered_select = (uint32_t)value;
}

static uint64_t read_offered(Dev *dev, unsigned i, uint64_t stored)
{
    (void)i, (void)stored;
    return virtio_offered_half(of(dev));
}

static uint64_t read_accepted_select(Dev *dev, unsigned i, uint64_t stored)
{
    (void)i, (void)stored;
    return of(dev)->accepted_select;
}

static void wrote_accepted_select(Dev *dev, unsigned i, uint64_t value)
{
    (void)i;
    of(dev)->accepted_select = (uint32_t)value;
}

static uint64_t read_accepted(Dev *dev, unsigned i, uint64_t stored)
{
    (void)i, (void)stored;
    return virtio_accepted_half(of(dev));
}

static void wrote_accepted(Dev *dev, unsigned i, uint64_t value)
{
    (void)i;
    virtio_accept_half(of(dev), (uint32_t)value);
}

static uint64_t read_no_vector(Dev *dev, unsigned i, uint64_t stored)
{
    (void)dev, (void)i, (void)stored;
    return NO_VECTOR;
}

static uint64_t read_num_queues(Dev *dev, unsigned i, uint64_t stored)
{
    (void)i, (void)stored;
    return of(dev)->n_queues;
}

static uint64_t read_status(Dev *dev, unsigned i, uint64_t stored)
{
    (void)i, (void)stored;
    return virtio_status(of(dev));
}

static void wrote_status(Dev *dev, unsigned i, uint64_t value)
{
    (void)i;
    virtio_set_status(of(dev), (uint8_t)value);
}

static uint64_t read_generation(Dev *dev, unsigned i, uint64_t stored)
{
    (void)i, (void)stored;
    return virtio_generation(of(dev)) & 0xff;
}

static uint64_t read_queue_select(Dev *dev, unsigned i, uint64_t stored)
{
    (void)i, (void)stored;
    return of(dev)->queue_select;
}

static void wrote_queue_select(Dev *dev, unsigned i, uint64_t value)
{
    (void)i;
    of(dev)->queue_select = (uint32_t)value;
}

static uint64_t read_queue_size(Dev *dev, unsigned i, uint64_t stored)
{
    const VirtioQueue *q = virtio_selected(of(dev));

    (void)i, (void)stored;
    return q ? q->size : 0;
}

static void wrote_queue_size(Dev *dev, unsigned i, uint64_t value)
{
    VirtioQueue *q = virtio_selected(of(dev));

    (void)i;
    if (q && !q->ready) {
        q->size = (uint16_t)value;
    }
}

static uint64_t read_queue_enable(Dev *dev, unsigned i, uint64_t stored)
{
    const VirtioQueue *q = virtio_selected(of(dev));

    (void)i, (void)stored;
    return q && q->ready;
}

/* "The driver MUST NOT write a 0 to queue_enable." */
static void wrote_queue_enable(Dev *dev, unsigned i, uint64_t value)
{
    VirtioQueue *q = virtio_selected(of(dev));

    (void)i;
    if (q && value == 1) {
        virtio_queue_enable(q, true);
    }
}

/* The reset is over when the register is read next. */
static void wrote_queue_reset(Dev *dev, unsigned i, uint64_t value)
{
    VirtioQueue *q = virtio_selected(of(dev));

    (void)i;
    if (q && value == 1) {
        virtio_queue_reset(q);
    }
}

static uint64_t read_notify_off(Dev *dev, unsigned i, uint64_t stored)
{
    (void)i, (void)stored;
    return of(dev)->queue_select;
}

/* Halves of the three addresses: 0 and 1 the descriptors', and so on. */
static uint64_t *address(VirtioQueue *q, unsigned i)
{
    return i < 2 ? &q->desc : i < 4 ? &q->driver : &q->device;
}

static uint64_t read_address(Dev *dev, unsigned i, uint64_t stored)
{
    VirtioQueue *q = virtio_selected(of(dev));

    (void)stored;
    return q ? *address(q, i) >> 32 * (i & 1) : 0;
}

static void wrote_address(Dev *dev, unsigned i, uint64_t value)
{
    VirtioQueue *q = virtio_selected(of(dev));
    unsigned shift = 32 * (i & 1);

    if (q && !q->ready) {
        *address(q, i) &= ~(UINT64_C(0xffffffff) << shift);
        *address(q, i) |= value << shift;
    }
}

static const DevReg common_regs[] = {
    { "DEVICE_FEATURE_SELECT", 0x00, 4, 4, .read = read_offered_select,
      .wrote = wrote_offered_select },
    { "DEVICE_FEATURE", 0x04, 4, 4, .read = read_offered },
    { "DRIVER_FEATURE_SELECT", 0x08, 4, 4, .read = read_accepted_select,
      .wrote = wrote_accepted_select },
    { "DRIVER_FEATURE", 0x0c, 4, 4, .read = read_accepted, .wrote = wrote_accepted },
    { "CONFIG_MSIX_VECTOR", 0x10, 2, 2, .read = read_no_vector },
    { "NUM_QUEUES", 0x12, 2, 2, .read = read_num_queues },
    { "DEVICE_STATUS", 0x14, 1, 1, .read = read_status, .wrote = wrote_status },
    { "CONFIG_GENERATION", 0x15, 1, 1, .read = read_generation },
    { "QUEUE_SELECT", 0x16, 2, 2, .read = read_queue_select, .wrote = wrote_queue_select },
    { "QUEUE_SIZE", 0x18, 2, 2, .read = read_queue_size, .wrote = wrote_queue_size },
    { "QUEUE_MSIX_VECTOR", 0x1a, 2, 2, .read = read_no_vector },
    { "QUEUE_ENABLE", 0x1c, 2, 2, .read = read_queue_enable, .wrote = wrote_queue_enable },
    { "QUEUE_NOTIFY_OFF", 0x1e, 2, 2, .read = read_notify_off },
    { "QUEUE_ADDRESS", 0x20, 4, 4, 6, .read = read_address, .wrote = wrote_address },
    { "QUEUE_NOTIFY_DATA", 0x38, 2, 2, .rw = 0 },
    { "QUEUE_RESET", 0x3a, 2, 2, .wrote = wrote_queue_reset },
};

const DevBank virtio_pci_common = { "common", PAGE, common_regs, G_N_ELEMENTS(common_regs), NULL };

/* ---- The BAR ---- */

/* "ISR status capability": reading clears. */
static uint64_t take_isr(Virtio *v)
{
    uint8_t isr = virtio_isr(v);

    virtio_isr_clear(v, isr);
    return isr;
}

static bool bar_read(void *opaque, uint64_t offset, unsigned size, uint64_t *value)
{
    Virtio *v = opaque;
    uint64_t at = offset % PAGE;

    switch (offset / PAGE) {
    case 0:
        return dev_bank_read(&v->pci.dev, &virtio_pci_common, at, size, value);
    case 1:
        *value = at == 0 ? take_isr(v) : 0;
        return true;
    case 2:
        *value = virtio_config_read(v, at, size);
        return true;
    default:
        *value = 0;
        return true;
    }
}

static bool bar_write(void *opaque, uint64_t offset, unsigned size, uint64_t value)
{
    Virtio *v = opaque;
    uint64_t at = offset % PAGE;

    switch (offset / PAGE) {
    case 0:
        return dev_bank_write(&v->pci.dev, &virtio_pci_common, at, size, value);
    case 2:
        virtio_config_write(v, at, size, value);
        return true;
    case 3:
        virtio_notify(v, at / DOORBELL_BYTES);
        return true;
    default:
        return true;
    }
}

static const PhysOps bar_ops = { bar_read, bar_write };

/* ---- "PCI configuration access capability": the BAR through the configuration space ---- */

typedef struct Window {
    unsigned data; /* where its bytes are in the configuration space */
    uint32_t offset, size;
} Window;

/* False: the driver has not pointed it at anything. */
static bool window(const PciDev *p, unsigned at, Window *w)
{
    unsigned cap = p->next_capability - 20u; /* the last one */

    *w = (Window){ cap + 16, pci_config_get(p, cap + 8, 4), pci_config_get(p, cap + 12, 4) };
    return at == w->data && p->config[cap + 4] == 0 &&
           (w->size == 1 || w->size == 2 || w->size == 4) && w->offset % w->size == 0 &&
           w->offset < BAR_SIZE;
}

static void reading(PciDev *p, unsigned at, unsigned size)
{
    uint64_t value;
    Window w;

    (void)size;
    if (window(p, at, &w) && bar_read(p, w.offset, w.size, &value)) {
        pci_config_put(p, w.data, w.size, (uint32_t)value);
    }
}

static void written(PciDev *p, unsigned at, unsigned size)
{
    Window w;

    (void)size;
    if (window(p, at, &w)) {
        (void)!bar_write(p, w.offset, w.size, pci_config_get(p, w.data, w.size));
    }
}

/* ---- Capabilities ---- */

static void add_structure(PciDev *p, uint8_t type, uint32_t offset, uint32_t length, uint8_t extra)
{
    uint8_t cap[20] = { CAPABILITY_VENDOR, 0, (uint8_t)(16 + extra), type };
    uint32_t multiplier = type == CFG_NOTIFY ? DOORBELL_BYTES : 0;

    memcpy(cap + 8, &offset, 4);
    memcpy(cap + 12, &length, 4);
    memcpy(cap + 16, &multiplier, 4);
    pci_add_capability(p, cap, 16u + extra);
}

void virtio_pci_init(Virtio *v)
{
    PciDev *p = &v->pci;
    unsigned last;

    pci_identify(p, VENDOR, (uint16_t)(DEVICE_BASE + v->kind->id), 1, v->kind->pci_class);
    pci_config_put(p, PCI_SUBSYSTEM_VENDOR, 2, VENDOR);
    pci_config_put(p, PCI_SUBSYSTEM, 2, SUBSYSTEM);
    pci_set_bar(p, 0, BAR_SIZE, &bar_ops);
    add_structure(p, CFG_COMMON, 0, 0x3c, 0);
    add_structure(p, CFG_ISR, PAGE, 1, 0);
    if (v->kind->config_size) { /* an empty one would be an error for drivers */
        add_structure(p, CFG_DEVICE, 2 * PAGE, v->kind->config_size, 0);
    }
    add_structure(p, CFG_NOTIFY, 3 * PAGE, VIRTIO_QUEUES * DOORBELL_BYTES, 4);
    add_structure(p, CFG_PCI, 0, 0, 4);
    last = p->next_capability - 20u;
    p->writable[last + 4] = 0xff;             /* BAR */
    memset(p->writable + last + 8, 0xff, 12); /* offset, length, data */
    p->reading = reading;
    p->written = written;
}
