/* SPDX-License-Identifier: Apache-2.0 */
/* userland/ioctl.h - ioctl commands: ioctls.def as a table. */
#ifndef KETCH_USERLAND_IOCTL_H
#define KETCH_USERLAND_IOCTL_H

#include <stdint.h>

typedef struct IoctlInfo {
    const char *name;
    uint32_t command;
    uint32_t size; /* bytes that the argument points at; 0: it is a number */
} IoctlInfo;

/* NULL when ioctls.def has no row for it. */
const IoctlInfo *ioctl_find(uint32_t command);

#endif
