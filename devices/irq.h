/* SPDX-License-Identifier: Apache-2.0 */
/*
 * devices/irq.h - an interrupt line: one end raises or lowers it, the other is a function.
 *
 * Threading: irq_set() by any thread, with the lock of the device that raises it held; a controller
 * takes its own lock inside and calls on.  Order: device, then controller, then vcpu.
 */
#ifndef KETCH_DEVICES_IRQ_H
#define KETCH_DEVICES_IRQ_H

#include <stdbool.h>
#include <stddef.h>

typedef struct Irq {
    void (*set)(void *opaque, unsigned number, bool level); /* NULL: not connected */
    void *opaque;
    unsigned number;
} Irq;

static inline void irq_set(const Irq *irq, bool level)
{
    if (irq->set) {
        irq->set(irq->opaque, irq->number, level);
    }
}

#endif
