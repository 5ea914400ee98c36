/* SPDX-License-Identifier: Apache-2.0 */
/*
 * devices/pci/pci.h - functions on a PCI bus: configuration space, BARs, the interrupt pin.
 *
 * A type on bus "pci" has a struct that starts with a PciDev.  Its realize() fills the
 * configuration (pci_identify(), pci_add_capability(), pci_set_bar()); the host bridge does the
 * rest.
 *
 * Threading:  everything with the lock of the bus, which is the lock of the devices on it, but
 *             interrupts: Dev.irq[0] is pin INTA and driven like any line.
 * Sections cited are those of the PCI Local Bus Specification 3.0.
 */
#ifndef KETCH_DEVICES_PCI_PCI_H
#define KETCH_DEVICES_PCI_PCI_H

#include <stdbool.h>
#include <stdint.h>

#include "devices/device.h"

enum { PCI_CONFIG_SIZE = 256, PCI_BARS = 6, PCI_SLOTS = 32, PCI_PINS = 4 };

/* "Configuration Space Header" */
enum {
    PCI_VENDOR = 0x00,
    PCI_DEVICE = 0x02,
    PCI_COMMAND = 0x04,
    PCI_STATUS = 0x06,
    PCI_REVISION = 0x08,
    PCI_CLASS = 0x09, /* three bytes */
    PCI_HEADER_TYPE = 0x0e,
    PCI_BAR0 = 0x10,
    PCI_SUBSYSTEM_VENDOR = 0x2c,
    PCI_SUBSYSTEM = 0x2e,
    PCI_CAPABILITIES = 0x34,
    PCI_INTERRUPT_LINE = 0x3c,
    PCI_INTERRUPT_PIN = 0x3d,

    PCI_COMMAND_MEMORY = 1 << 1,
    PCI_COMMAND_NO_INTX = 1 << 10,
    PCI_STATUS_INTERRUPT = 1 << 3,
    PCI_STATUS_CAPABILITIES = 1 << 4,
};

typedef struct PciBar {
    uint32_t size;      /* a power of two, 4096 or more; 0: no BAR */
    const PhysOps *ops; /* opaque: the PciDev; offsets are from the start of the BAR */
} PciBar;

typedef struct PciDev {
    Dev dev;
    uint8_t config[PCI_CONFIG_SIZE], writable[PCI_CONFIG_SIZE];
    uint8_t next_capability; /* where there is room */
    PciBar bar[PCI_BARS];
    /* May be NULL: around an access to the configuration, to make it live and to act on it. */
    void (*reading)(struct PciDev *p, unsigned at, unsigned size);
    void (*written)(struct PciDev *p, unsigned at, unsigned size);
} PciDev;

void pci_identify(PciDev *p, uint16_t vendor, uint16_t device, uint8_t revision,
                  uint32_t class_code);
/* Copies `size` bytes of a capability, the first of them its id; where it lies. */
unsigned pci_add_capability(PciDev *p, const uint8_t *bytes, unsigned size);
/* Memory of 32-bit addresses. */
void pci_set_bar(PciDev *p, unsigned index, uint32_t size, const PhysOps *ops);
/* What a reset of the bus leaves of the configuration. */
void pci_reset(PciDev *p);

uint32_t pci_config_get(const PciDev *p, unsigned at, unsigned size);
void pci_config_put(PciDev *p, unsigned at, unsigned size, uint32_t value);

/* The BAR's address when the function answers there, else 0. */
uint32_t pci_bar_base(const PciDev *p, unsigned index);

/*
 * The host bridge, type "pci-host-ecam": `pci-host-ecam-generic` of device trees.
 * Banks: 0 the configuration space (ECAM, bus 0 only), 1 the window for memory BARs, whose PCI
 * addresses are the bus's own.  Lines: irq[0..3] are INTA to INTD of slot 0; a device of slot s
 * drives line (s + pin) % 4.  Slot 0 is the bridge itself.
 */
enum { PCI_BANK_ecam, PCI_BANK_memory };

/* The function in a slot; NULL: there is none.  With the lock of the bus. */
PciDev *pci_function(Dev *host, unsigned slot);

#define PCI_ECAM_SIZE   (UINT64_C(1) << 28)
#define PCI_MEMORY_SIZE (UINT64_C(1) << 30)

#endif
