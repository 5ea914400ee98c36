/* SPDX-License-Identifier: Apache-2.0 */
/* The bridge dispatches to BARs itself: its window is one region of the machine's map, so a guest
 * that moves BARs about changes nothing but a register. */
#include <string.h>

#include "devices/pci/pci.h"

enum { BRIDGE_VENDOR = 0x1b36, BRIDGE_DEVICE = 0x0008 };

typedef struct PciHost {
    PciDev pci; /* the bridge's own function, slot 0; its Dev is the bus */
    pthread_mutex_t pins;
    uint32_t asserted; /* slots whose pin is active */
    uint32_t masked;   /* slots whose command register disables it */
} PciHost;

/* ---- Interrupt pins ---- */

static void update_line_locked(PciHost *h, unsigned line)
{
    uint32_t slots = 0x11111111u << line; /* every fourth; all functions use INTA */

    irq_set(&h->pci.dev.irq[line], h->asserted & ~h->masked & slots);
}

static void set_pin(void *opaque, unsigned slot, bool level)
{
    PciHost *h = opaque;
    uint32_t bit = UINT32_C(1) << slot;

    pthread_mutex_lock(&h->pins);
    h->asserted = level ? h->asserted | bit : h->asserted & ~bit;
    update_line_locked(h, slot % PCI_PINS);
    pthread_mutex_unlock(&h->pins);
}

static void update_command(PciHost *h, const PciDev *p, unsigned slot)
{
    uint32_t bit = UINT32_C(1) << slot;
    bool masked = pci_config_get(p, PCI_COMMAND, 2) & PCI_COMMAND_NO_INTX;

    pthread_mutex_lock(&h->pins);
    h->masked = masked ? h->masked | bit : h->masked & ~bit;
    update_line_locked(h, slot % PCI_PINS);
    pthread_mutex_unlock(&h->pins);
}

static bool pin_active(PciHost *h, unsigned slot)
{
    bool active;

    pthread_mutex_lock(&h->pins);
    active = h->asserted >> slot & 1;
    pthread_mutex_unlock(&h->pins);
    return active;
}

/* ---- Configuration space ---- */

PciDev *pci_function(Dev *host, unsigned slot)
{
    if (slot == 0) {
        return (PciDev *)host;
    }
    for (Dev *child = host->first_child; child; child = child->next) {
        if (child->slot == slot && child->realized) {
            return (PciDev *)child;
        }
    }
    return NULL;
}

/* "PCI Express Enhanced Configuration Access Mechanism" (PCI Express): bus, device, function. */
static PciDev *addressed(PciHost *h, uint64_t offset, unsigned *slot)
{
    *slot = offset >> 15 & 31;
    return offset >> 20 == 0 && (offset >> 12 & 7) == 0 ? pci_function(&h->pci.dev, *slot) : NULL;
}

static bool ecam_read(void *opaque, uint64_t offset, unsigned size, uint64_t *value)
{
    PciHost *h = opaque;
    unsigned slot, at = offset & 0xfff;
    PciDev *p = addressed(h, offset, &slot);

    if (size > 4) {
        return false;
    }
    if (!p) {
        *value = UINT32_MAX >> (32 - 8 * size);
        return true;
    }
    if (at >= PCI_CONFIG_SIZE) {
        *value = 0;
        return true;
    }
    p->config[PCI_STATUS] &= (uint8_t)~PCI_STATUS_INTERRUPT;
    p->config[PCI_STATUS] |= pin_active(h, slot) ? PCI_STATUS_INTERRUPT : 0;
    if (p->reading) {
        p->reading(p, at, size);
    }
    *value = pci_config_get(p, at, size);
    return true;
}

static bool ecam_write(void *opaque, uint64_t offset, unsigned size, uint64_t value)
{
    PciHost *h = opaque;
    unsigned slot, at = offset & 0xfff;
    PciDev *p = addressed(h, offset, &slot);

    if (size > 4) {
        return false;
    }
    if (!p || at >= PCI_CONFIG_SIZE) {
        return true;
    }
    for (unsigned i = 0; i < size; i++) {
        uint8_t mask = p->writable[at + i], byte = (uint8_t)(value >> 8 * i);

        p->config[at + i] = (p->config[at + i] & (uint8_t)~mask) | (byte & mask);
    }
    update_command(h, p, slot);
    if (p->written) {
        p->written(p, at, size);
    }
    return true;
}

/* ---- The window ---- */

/* The BAR of `p` that has all of the access; the offset in it. */
static const PciBar *find_bar(const PciDev *p, uint64_t addr, unsigned size, uint64_t *offset)
{
    for (unsigned i = 0; i < PCI_BARS; i++) {
        uint64_t base = pci_bar_base(p, i);

        if (base && addr >= base && addr + size <= base + p->bar[i].size) {
            *offset = addr - base;
            return &p->bar[i];
        }
    }
    return NULL;
}

static const PciBar *find_target(PciHost *h, uint64_t addr, unsigned size, PciDev **p,
                                 uint64_t *offset)
{
    const PciBar *bar = NULL;

    for (Dev *child = h->pci.dev.first_child; child && !bar; child = child->next) {
        *p = (PciDev *)child;
        bar = child->realized ? find_bar(*p, addr, size, offset) : NULL;
    }
    return bar;
}

/* Nobody claims it: reads are all ones, as on a PC; writes go nowhere. */
static bool window_read(void *opaque, uint64_t offset, unsigned size, uint64_t *value)
{
    PciHost *h = opaque;
    PciDev *p;
    uint64_t base = h->pci.dev.region[PCI_BANK_memory]->base, in_bar;
    const PciBar *bar = find_target(h, base + offset, size, &p, &in_bar);

    if (!bar) {
        *value = UINT64_MAX >> (64 - 8 * size);
        return true;
    }
    return bar->ops->read(p, in_bar, size, value);
}

static bool window_write(void *opaque, uint64_t offset, unsigned size, uint64_t value)
{
    PciHost *h = opaque;
    PciDev *p;
    uint64_t base = h->pci.dev.region[PCI_BANK_memory]->base, in_bar;
    const PciBar *bar = find_target(h, base + offset, size, &p, &in_bar);

    return !bar || bar->ops->write(p, in_bar, size, value);
}

/* ---- The device ---- */

static bool realize(Dev *dev, GError **error)
{
    PciHost *h = (PciHost *)dev;

    (void)error;
    pthread_mutex_init(&h->pins, NULL);
    pci_identify(&h->pci, BRIDGE_VENDOR, BRIDGE_DEVICE, 0, 0x060000);
    pci_config_put(&h->pci, PCI_INTERRUPT_PIN, 1, 0);
    return true;
}

static void unrealize(Dev *dev)
{
    PciHost *h = (PciHost *)dev;

    if (dev->realized) {
        pthread_mutex_destroy(&h->pins);
    }
}

static bool plug(Dev *bus, Dev *child, GError **error)
{
    (void)error;
    child->lock = bus->lock;
    child->irq[0] = (Irq){ set_pin, bus, child->slot };
    return true;
}

static void reset(Dev *dev)
{
    PciHost *h = (PciHost *)dev;

    pci_reset(&h->pci);
    pthread_mutex_lock(&h->pins);
    h->masked = 0;
    pthread_mutex_unlock(&h->pins);
}

static void loaded(Dev *dev)
{
    PciHost *h = (PciHost *)dev;

    for (unsigned slot = 0; slot < PCI_SLOTS; slot++) {
        const PciDev *p = pci_function(&h->pci.dev, slot);

        if (p) {
            update_command(h, p, slot);
        }
    }
}

static const PhysOps ecam_ops = { ecam_read, ecam_write };
static const PhysOps window_ops = { window_read, window_write };

static const DevBank banks[] = {
    [PCI_BANK_ecam] = { "ecam", PCI_ECAM_SIZE, NULL, 0, &ecam_ops },
    [PCI_BANK_memory] = { "memory", PCI_MEMORY_SIZE, NULL, 0, &window_ops },
};

static const DevField fields[] = {
    DEV_FIELD_ARRAY(PciHost, pci.config),
};

const DevType dev_pci_host_ecam = {
    .name = "pci-host-ecam",
    .summary = "PCI Express host bridge, configured through memory",
    .size = sizeof(PciHost),
    .isolation = DEV_ISOLATION_yes,
    .provides = "pci",
    .slots = PCI_SLOTS,
    .first_slot = 1,
    .banks = banks,
    .n_banks = G_N_ELEMENTS(banks),
    .n_irqs = PCI_PINS,
    .fields = fields,
    .n_fields = G_N_ELEMENTS(fields),
    .realize = realize,
    .unrealize = unrealize,
    .reset = reset,
    .loaded = loaded,
    .plug = plug,
};
