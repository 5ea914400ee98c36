/* SPDX-License-Identifier: Apache-2.0 */
/* "Virtio Over MMIO": one slot, empty or with a device on it.  Version 2 only. */
#include <inttypes.h>

#include "base/log.h"
#include "devices/virtio/virtio.h"

enum {
    MAGIC = 0x74726976, /* "virt" */
    VERSION = 2,
    VENDOR = 0x4854454b, /* "KETH" */
    CONFIG = 0x100,
    SIZE = 0x1000,
};

static Virtio *of(Dev *dev)
{
    return (Virtio *)dev->first_child;
}

static uint64_t read_magic(Dev *dev, unsigned i, uint64_t stored)
{
    (void)dev, (void)i, (void)stored;
    return MAGIC;
}

static uint64_t read_version(Dev *dev, unsigned i, uint64_t stored)
{
    (void)dev, (void)i, (void)stored;
    return VERSION;
}

/* 0: a placeholder. */
static uint64_t read_device_id(Dev *dev, unsigned i, uint64_t stored)
{
    (void)i, (void)stored;
    return of(dev) ? of(dev)->kind->id : 0;
}

static uint64_t read_vendor(Dev *dev, unsigned i, uint64_t stored)
{
    (void)dev, (void)i, (void)stored;
    return VENDOR;
}

static uint64_t read_offered(Dev *dev, unsigned i, uint64_t stored)
{
    (void)i, (void)stored;
    return of(dev) ? virtio_offered_half(of(dev)) : 0;
}

static void wrote_offered_select(Dev *dev, unsigned i, uint64_t value)
{
    (void)i;
    if (of(dev)) {
        of(dev)->offered_select = (uint32_t)value;
    }
}

static void wrote_accepted(Dev *dev, unsigned i, uint64_t value)
{
    (void)i;
    if (of(dev)) {
        virtio_accept_half(of(dev), (uint32_t)value);
    }
}

static void wrote_accepted_select(Dev *dev, unsigned i, uint64_t value)
{
    (void)i;
    if (of(dev)) {
        of(dev)->accepted_select = (uint32_t)value;
    }
}

static VirtioQueue *selected(Dev *dev)
{
    return of(dev) ? virtio_selected(of(dev)) : NULL;
}

static void wrote_queue_select(Dev *dev, unsigned i, uint64_t value)
{
    (void)i;
    if (of(dev)) {
        of(dev)->queue_select = (uint32_t)value;
    }
}

static uint64_t read_queue_max(Dev *dev, unsigned i, uint64_t stored)
{
    (void)i, (void)stored;
    return selected(dev) ? selected(dev)->max_size : 0;
}

static void wrote_queue_size(Dev *dev, unsigned i, uint64_t value)
{
    (void)i;
    if (selected(dev) && !selected(dev)->ready) {
        selected(dev)->size = value > UINT16_MAX ? 0 : (uint16_t)value;
    }
}

static uint64_t read_queue_ready(Dev *dev, unsigned i, uint64_t stored)
{
    (void)i, (void)stored;
    return selected(dev) && selected(dev)->ready;
}

static void wrote_queue_ready(Dev *dev, unsigned i, uint64_t value)
{
    (void)i;
    if (selected(dev)) {
        virtio_queue_enable(selected(dev), value & 1);
    }
}

static void wrote_notify(Dev *dev, unsigned i, uint64_t value)
{
    (void)i;
    if (of(dev)) {
        virtio_notify(of(dev), value);
    }
}

static uint64_t read_isr(Dev *dev, unsigned i, uint64_t stored)
{
    (void)i, (void)stored;
    return of(dev) ? virtio_isr(of(dev)) : 0;
}

static void wrote_isr_ack(Dev *dev, unsigned i, uint64_t value)
{
    (void)i;
    if (of(dev)) {
        virtio_isr_clear(of(dev), (uint8_t)value);
    }
}

static uint64_t read_status(Dev *dev, unsigned i, uint64_t stored)
{
    (void)i, (void)stored;
    return of(dev) ? virtio_status(of(dev)) : 0;
}

static void wrote_status(Dev *dev, unsigned i, uint64_t value)
{
    (void)i;
    if (of(dev)) {
        virtio_set_status(of(dev), (uint8_t)value);
    }
}

static void set_half(Dev *dev, uint64_t *address, unsigned half, uint64_t value)
{
    if (!selected(dev)->ready) {
        *address &= ~(UINT64_C(0xffffffff) << 32 * half);
        *address |= value << 32 * half;
    }
}

static void wrote_desc(Dev *dev, unsigned i, uint64_t value)
{
    if (selected(dev)) {
        set_half(dev, &selected(dev)->desc, i, value);
    }
}

static void wrote_driver(Dev *dev, unsigned i, uint64_t value)
{
    if (selected(dev)) {
        set_half(dev, &selected(dev)->driver, i, value);
    }
}

static void wrote_device(Dev *dev, unsigned i, uint64_t value)
{
    if (selected(dev)) {
        set_half(dev, &selected(dev)->device, i, value);
    }
}

static uint64_t read_ones(Dev *dev, unsigned i, uint64_t stored)
{
    (void)dev, (void)i, (void)stored;
    return UINT32_MAX; /* "there is no shared memory region": length -1 */
}

static void wrote_queue_reset(Dev *dev, unsigned i, uint64_t value)
{
    (void)i;
    if (selected(dev) && value == 1) {
        virtio_queue_reset(selected(dev));
    }
}

static uint64_t read_generation(Dev *dev, unsigned i, uint64_t stored)
{
    (void)i, (void)stored;
    return of(dev) ? virtio_generation(of(dev)) : 0;
}

/* "MMIO Device Register Layout" */
static const DevReg regs[] = {
    { "MagicValue", 0x000, 4, 4, .read = read_magic },
    { "Version", 0x004, 4, 4, .read = read_version },
    { "DeviceID", 0x008, 4, 4, .read = read_device_id },
    { "VendorID", 0x00c, 4, 4, .read = read_vendor },
    { "DeviceFeatures", 0x010, 4, 4, .read = read_offered },
    { "DeviceFeaturesSel", 0x014, 4, 4, .wrote = wrote_offered_select },
    { "DriverFeatures", 0x020, 4, 4, .wrote = wrote_accepted },
    { "DriverFeaturesSel", 0x024, 4, 4, .wrote = wrote_accepted_select },
    { "QueueSel", 0x030, 4, 4, .wrote = wrote_queue_select },
    { "QueueNumMax", 0x034, 4, 4, .read = read_queue_max },
    { "QueueNum", 0x038, 4, 4, .wrote = wrote_queue_size },
    { "QueueReady", 0x044, 4, 4, .read = read_queue_ready, .wrote = wrote_queue_ready },
    { "QueueNotify", 0x050, 4, 4, .wrote = wrote_notify },
    { "InterruptStatus", 0x060, 4, 4, .read = read_isr },
    { "InterruptACK", 0x064, 4, 4, .wrote = wrote_isr_ack },
    { "Status", 0x070, 4, 4, .read = read_status, .wrote = wrote_status },
    { "QueueDesc", 0x080, 4, 4, 2, .wrote = wrote_desc },
    { "QueueDriver", 0x090, 4, 4, 2, .wrote = wrote_driver },
    { "QueueDevice", 0x0a0, 4, 4, 2, .wrote = wrote_device },
    { "SHMSel", 0x0ac, 4, 4, .rw = 0 },
    { "SHMLen", 0x0b0, 4, 4, 2, .read = read_ones },
    { "SHMBase", 0x0b8, 4, 4, 2, .read = read_ones },
    { "QueueReset", 0x0c0, 4, 4, .wrote = wrote_queue_reset },
    { "ConfigGeneration", 0x0fc, 4, 4, .read = read_generation },
};

static const PhysOps ops;
static const DevBank banks[] = { { "mmio", SIZE, regs, G_N_ELEMENTS(regs), &ops } };

static bool slot_read(void *opaque, uint64_t offset, unsigned size, uint64_t *value)
{
    Dev *dev = opaque;

    if (offset < CONFIG) {
        return dev_bank_read(dev, &banks[0], offset, size, value);
    }
    *value = of(dev) ? virtio_config_read(of(dev), offset - CONFIG, size) : 0;
    return true;
}

static bool slot_write(void *opaque, uint64_t offset, unsigned size, uint64_t value)
{
    Dev *dev = opaque;

    if (offset < CONFIG) {
        return dev_bank_write(dev, &banks[0], offset, size, value);
    }
    if (of(dev)) {
        virtio_config_write(of(dev), offset - CONFIG, size, value);
    }
    return true;
}

static const PhysOps ops = { slot_read, slot_write };

static void set_line(void *opaque, unsigned number, bool level)
{
    Dev *dev = opaque;

    irq_set(&dev->irq[number], level);
}

static bool plug(Dev *bus, Dev *child, GError **error)
{
    (void)error;
    child->lock = bus->lock;
    child->irq[0] = (Irq){ set_line, bus, 0 };
    return true;
}

const DevType dev_virtio_mmio = {
    .name = "virtio-mmio",
    .summary = "place for a virtio device in memory",
    .size = sizeof(Dev),
    .isolation = DEV_ISOLATION_yes,
    .provides = "virtio-mmio",
    .slots = 1,
    .banks = banks,
    .n_banks = 1,
    .n_irqs = 1,
    .plug = plug,
};
