/* SPDX-License-Identifier: Apache-2.0 */
/*
 * devices/aclint.h - timers and software interrupts of RISC-V harts (ACLINT; its first two parts side
 * by side are SiFive's CLINT).
 *
 * Lines: aclint-mswi irq[h] is hart h's MSI, aclint-mtimer irq[h] its MTI, aclint-sswi irq[h] its
 *        SSI (a pulse).
 */
#ifndef KETCH_DEVICES_ACLINT_H
#define KETCH_DEVICES_ACLINT_H

#include "devices/device.h"

enum {
    ACLINT_HARTS = 8,
    ACLINT_MSWI_BYTES = 0x4000,
    ACLINT_MTIMER_BYTES = 0x8000,
    ACLINT_MTIME = 0x7ff8, /* among them */
    ACLINT_NS_PER_TICK = 100, /* 10 MHz */
};

/* mtime.  Any thread. */
uint64_t aclint_time(Dev *mtimer);

/* fn(opaque, hart) is called when the tick that aclint_alarm() asked for has come, or may have: the
 * hart's own comparators (Sstc).  Once, before the harts run. */
void aclint_on_alarm(Dev *mtimer, void (*fn)(void *opaque, unsigned hart), void *opaque);
void aclint_alarm(Dev *mtimer, unsigned hart, uint64_t tick); /* UINT64_MAX: none */

#endif
