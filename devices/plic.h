/* SPDX-License-Identifier: Apache-2.0 */
/*
 * devices/plic.h - RISC-V's platform-level interrupt controller, of the size that QEMU's virt has.
 *
 * Lines: irq[2 * hart] is the hart's MEI, irq[2 * hart + 1] its SEI.
 */
#ifndef KETCH_DEVICES_PLIC_H
#define KETCH_DEVICES_PLIC_H

#include "devices/device.h"

enum {
    PLIC_HARTS = 8,
    PLIC_CONTEXTS = 2 * PLIC_HARTS,
    PLIC_SOURCES = 97, /* of which 0 is none */
    PLIC_MAX_PRIORITY = 7,
    PLIC_BYTES = 0x600000,
};

/* The line that is source `source`. */
Irq plic_irq(Dev *plic, unsigned source);

#endif
