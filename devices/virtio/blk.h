/* SPDX-License-Identifier: Apache-2.0 */
/* devices/virtio/blk.h - a disk whose image got another size; for the monitor. */
#ifndef KETCH_DEVICES_VIRTIO_BLK_H
#define KETCH_DEVICES_VIRTIO_BLK_H

#include "devices/device.h"
#include "devices/host/block/block.h"

/* Tells the drivers of all disks below `root` that are on `block`. */
void virtio_blk_resized(Dev *root, const Block *block);

#endif
