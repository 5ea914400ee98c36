/* SPDX-License-Identifier: Apache-2.0 */
/* devices/virtio/pci.h - the PCI transport: a virtio device as a function on a PCI bus.  Modern
 * only; interrupts by its pin. */
#ifndef KETCH_DEVICES_VIRTIO_PCI_H
#define KETCH_DEVICES_VIRTIO_PCI_H

#include "devices/virtio/virtio.h"

/* Fills the configuration space of v->pci. */
void virtio_pci_init(Virtio *v);

/* The registers, for the generic tests. */
extern const DevBank virtio_pci_common;

#endif
