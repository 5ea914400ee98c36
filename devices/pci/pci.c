/* SPDX-License-Identifier: Apache-2.0 */
#include "devices/pci/pci.h"

#include <string.h>

enum { FIRST_CAPABILITY = 0x40 };

uint32_t pci_config_get(const PciDev *p, unsigned at, unsigned size)
{
    uint32_t value = 0;

    CHECK(at + size <= PCI_CONFIG_SIZE && size <= 4, "at %u", at);
    memcpy(&value, p->config + at, size);
    return value;
}

void pci_config_put(PciDev *p, unsigned at, unsigned size, uint32_t value)
{
    CHECK(at + size <= PCI_CONFIG_SIZE && size <= 4, "at %u", at);
    memcpy(p->config + at, &value, size);
}

static void make_writable(PciDev *p, unsigned at, unsigned size, uint32_t mask)
{
    memcpy(p->writable + at, &mask, size);
}

void pci_identify(PciDev *p, uint16_t vendor, uint16_t device, uint8_t revision,
                  uint32_t class_code)
{
    pci_config_put(p, PCI_VENDOR, 2, vendor);
    pci_config_put(p, PCI_DEVICE, 2, device);
    pci_config_put(p, PCI_REVISION, 1, revision);
    pci_config_put(p, PCI_CLASS, 3, class_code);
    pci_config_put(p, PCI_INTERRUPT_PIN, 1, 1);
    make_writable(p, PCI_COMMAND, 2, 0x0007 | PCI_COMMAND_NO_INTX);
    make_writable(p, PCI_INTERRUPT_LINE, 1, 0xff);
    p->next_capability = FIRST_CAPABILITY;
}

/* The list is in order of the address; the last one's "next" is filled in by its successor. */
unsigned pci_add_capability(PciDev *p, const uint8_t *bytes, unsigned size)
{
    unsigned at = p->next_capability, link = PCI_CAPABILITIES;

    CHECK(at + size <= PCI_CONFIG_SIZE && size >= 2, "at %u", at);
    while (p->config[link]) {
        link = p->config[link] + 1u;
    }
    memcpy(p->config + at, bytes, size);
    p->config[at + 1] = 0;
    p->config[link] = (uint8_t)at;
    p->config[PCI_STATUS] |= PCI_STATUS_CAPABILITIES;
    p->next_capability = (uint8_t)((at + size + 3) & ~3u);
    return at;
}

/* "Base Addresses": the low bits that are zero tell the size. */
void pci_set_bar(PciDev *p, unsigned index, uint32_t size, const PhysOps *ops)
{
    CHECK(index < PCI_BARS && size >= 4096 && !(size & (size - 1)), "BAR %u", index);
    p->bar[index] = (PciBar){ size, ops };
    make_writable(p, PCI_BAR0 + 4 * index, 4, ~(size - 1));
}

/* What can be written is zero. */
void pci_reset(PciDev *p)
{
    for (unsigned i = 0; i < PCI_CONFIG_SIZE; i++) {
        p->config[i] &= (uint8_t)~p->writable[i];
    }
}

uint32_t pci_bar_base(const PciDev *p, unsigned index)
{
    if (!p->bar[index].size || !(pci_config_get(p, PCI_COMMAND, 2) & PCI_COMMAND_MEMORY)) {
        return 0;
    }
    return pci_config_get(p, PCI_BAR0 + 4 * index, 4) & ~(p->bar[index].size - 1);
}
