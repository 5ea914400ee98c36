/* SPDX-License-Identifier: Apache-2.0 */
/* devices/boards/virt.h - the memory map and the wiring of virt, for the board and its device tree. */
#ifndef KETCH_DEVICES_BOARDS_VIRT_H
#define KETCH_DEVICES_BOARDS_VIRT_H

#include "devices/boards/board.h"

#define VIRT_MROM          UINT64_C(0x1000)
#define VIRT_MROM_BYTES    UINT64_C(0xf000)
#define VIRT_TEST          UINT64_C(0x100000)
#define VIRT_RTC           UINT64_C(0x101000)
#define VIRT_CLINT         UINT64_C(0x2000000)
#define VIRT_CLINT_BYTES   UINT64_C(0x10000)
#define VIRT_SSWI          UINT64_C(0x2f00000)
#define VIRT_PCIE_PIO      UINT64_C(0x3000000)
#define VIRT_PCIE_PIO_BYTES UINT64_C(0x10000)
#define VIRT_PLATFORM      UINT64_C(0x4000000)
#define VIRT_PLATFORM_BYTES UINT64_C(0x2000000)
#define VIRT_PLIC          UINT64_C(0xc000000)
#define VIRT_UART          UINT64_C(0x10000000)
#define VIRT_UART_BYTES    UINT64_C(0x100)
#define VIRT_VIRTIO        UINT64_C(0x10001000)
#define VIRT_VIRTIO_BYTES  UINT64_C(0x1000)
#define VIRT_FW_CFG        UINT64_C(0x10100000)
#define VIRT_FW_CFG_BYTES  UINT64_C(0x18)
#define VIRT_FLASH         UINT64_C(0x20000000)
#define VIRT_FLASH_BYTES   UINT64_C(0x2000000)
#define VIRT_PCIE_ECAM     UINT64_C(0x30000000)
#define VIRT_PCIE_ECAM_BYTES UINT64_C(0x10000000)
#define VIRT_PCIE_MMIO     UINT64_C(0x40000000)
#define VIRT_PCIE_MMIO_BYTES UINT64_C(0x40000000)
#define VIRT_PCIE_HIGH     UINT64_C(0x400000000)
#define VIRT_DRAM          UINT64_C(0x80000000)

/* Lines of a hart: the privileged architecture's interrupt numbers. */
enum {
    VIRT_LINE_SSI = 1,
    VIRT_LINE_MSI = 3,
    VIRT_LINE_MTI = 7,
    VIRT_LINE_SEI = 9,
    VIRT_LINE_MEI = 11,
};

enum {
    VIRT_VIRTIO_SLOTS = 8,
    VIRT_VIRTIO_IRQ = 1, /* and on */
    VIRT_UART_IRQ = 10,
    VIRT_RTC_IRQ = 11,
    VIRT_PCIE_IRQ = 32, /* to 35 */
    VIRT_PLIC_NDEV = 96,
};

/* What the tree says of what was loaded. */
typedef struct VirtTree {
    uint64_t initrd_start, initrd_end; /* 0, 0: there is none */
} VirtTree;

GBytes *virt_tree(const Board *b, const BoardImages *images, const VirtTree *tree);

/* The user's own (-dtb), with the same additions to /chosen; NULL and error. */
GBytes *virt_tree_from(const Board *b, const BoardImages *images, const VirtTree *tree,
                       GError **error);

#endif
