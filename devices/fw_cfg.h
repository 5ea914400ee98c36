/* SPDX-License-Identifier: Apache-2.0 */
/*
 * devices/fw_cfg.h - QEMU's firmware configuration device: named items that firmware reads.
 *
 * Items are added before the harts run.
 */
#ifndef KETCH_DEVICES_FW_CFG_H
#define KETCH_DEVICES_FW_CFG_H

#include "devices/device.h"

/* Numbers of items, see QEMU's docs/specs/fw_cfg. */
enum { FW_CFG_RAM_SIZE = 0x03, FW_CFG_NB_CPUS = 0x05, FW_CFG_MAX_CPUS = 0x0f };

/* Both take `bytes`.  A file's name has at most 55 characters; false: it has more, there is one of
 * that name, or no room. */
void fw_cfg_add_item(Dev *fw_cfg, uint16_t key, GBytes *bytes);
MUST_USE bool fw_cfg_add_file(Dev *fw_cfg, const char *name, GBytes *bytes);

#endif
