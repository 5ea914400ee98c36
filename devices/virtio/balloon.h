/* SPDX-License-Identifier: Apache-2.0 */
/* devices/virtio/balloon.h - how much memory a guest shall do without; for the monitor. */
#ifndef KETCH_DEVICES_VIRTIO_BALLOON_H
#define KETCH_DEVICES_VIRTIO_BALLOON_H

#include "devices/device.h"

/* The first balloon below `root`; NULL: the machine has none. */
Dev *virtio_balloon_find(Dev *root);

/* The guest shall use `bytes` of its RAM, cut to what it has. */
void virtio_balloon_set(Dev *balloon, uint64_t bytes);

/* What it uses. */
uint64_t virtio_balloon_get(Dev *balloon);

#endif
