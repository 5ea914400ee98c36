/* SPDX-License-Identifier: Apache-2.0 */
/*
 * devices/boards/board.h - machines as a whole: which devices are where, what the firmware is told.
 *
 *     b = board_new(board_type("virt"), &config, &error);      RAM is there; env->mem is set
 *     board_build(b, &wiring, &error)                          devices; then dev_plug(b->root, ...)
 *     board_load(b, &images, &error)                           files are read, the device tree made
 *     board_reset(b);                                          before the harts run, and at resets
 *     board_free(b);
 *
 * Owns:      the physical memory, the tree of devices, what was loaded.
 * Threading: one thread, while no hart runs.
 */
#ifndef KETCH_DEVICES_BOARDS_BOARD_H
#define KETCH_DEVICES_BOARDS_BOARD_H

#include <glib.h>

#include "devices/device.h"
#include "devices/host/block/block.h"
#include "devices/host/chardev.h"

#define BOARD_ERROR g_quark_from_static_string("ketch-board")

typedef struct Board Board;
typedef struct BoardType BoardType;

enum { BOARD_SERIALS = 1, BOARD_FLASHES = 2 };

typedef struct BoardConfig {
    uint64_t ram_size;
    const char *ram_file;            /* RAM is this file (phys_alloc_file()); NULL: nobody's */
    bool ram_shared;                 /* with who else has the file */
    unsigned n_harts;
    DevEnv *env;                     /* mem is the board's to set */
    Chardev *serial[BOARD_SERIALS];  /* NULL: nobody listens */
    Block *flash[BOARD_FLASHES];     /* contents of flash memory; NULL: none, it is lost */
    int64_t rtc_offset;              /* seconds from the host's time to the real-time clock's at a reset */
    bool rtc_stands;                 /* while the machine does */
    bool aclint;                     /* an ACLINT where there would be a CLINT */
} BoardConfig;

/* The harts, as whoever runs them gives them. */
typedef struct BoardWiring {
    Irq (*hart_irq)(void *opaque, unsigned hart, unsigned line);
    void (*hart_timer)(void *opaque, unsigned hart); /* board_set_timer()'s tick has come */
    void *opaque;
    const char *isa, *mmu; /* for the device tree: "rv64imafdc...", "riscv,sv48" */
    uint32_t zicbom_block, zicboz_block; /* bytes; 0: it has none */
} BoardWiring;

/* A file at an address of the user's: -device loader. */
typedef struct BoardExtra {
    const char *path; /* NULL: the low bytes of `data` */
    uint64_t addr;
    bool has_addr;    /* false: an ELF file says where */
    uint64_t data;
    unsigned size;    /* of data: 1 to 8 */
} BoardExtra;

typedef struct BoardImages {
    const char *bios;   /* NULL: the board's usual one; "none" */
    const char *kernel, *initrd, *append, *dtb; /* NULL: not given */
    const BoardExtra *extra;
    unsigned n_extra;
} BoardImages;

/* Bytes to be in memory after each reset. */
typedef struct BoardBlob {
    uint64_t addr;
    GBytes *bytes;
    char *name;
} BoardBlob;

struct Board {
    const BoardType *type;
    BoardConfig config;
    BoardWiring wiring;
    Dev *root;
    Dev *timer;         /* keeps the machine's time */
    Dev *fw_cfg;
    GPtrArray *blobs;   /* of BoardBlob */
    GBytes *device_tree; /* as it was loaded */
};

struct BoardType {
    const char *name, *summary;
    unsigned max_harts;
    uint64_t ram_base, min_ram, max_ram;
    uint64_t reset_pc;
    DevIsolation isolation;
    bool (*build)(Board *b, GError **error);
    bool (*load)(Board *b, const BoardImages *images, GError **error);
};

#define BOARD(name) extern const BoardType board_##name;
#include "devices/boards/boards.def"

extern const BoardType *const board_types[]; /* NULL ends it */
const BoardType *board_type(const char *name); /* NULL: there is none */

/* NULL and error. */
Board *board_new(const BoardType *type, const BoardConfig *config, GError **error);
MUST_USE bool board_build(Board *b, const BoardWiring *wiring, GError **error);
MUST_USE bool board_load(Board *b, const BoardImages *images, GError **error);
void board_reset(Board *b);
/* Before what the devices' lines lead to (the harts) goes; board_free() does it else. */
void board_remove_devices(Board *b);
void board_free(Board *b); /* NULL: nothing */

/* Ticks of the machine's timer, and BoardWiring.hart_timer at one of them.  Any thread; 0 and nothing
 * while there are no devices. */
uint64_t board_time(const Board *b);
void board_set_timer(Board *b, unsigned hart, uint64_t tick);

/* ---- For boards ---- */

/* A device at a place, with line 0 connected to `irq`; NULL and error.  The Dev is realized. */
Dev *board_add(Board *b, const DevType *type, const char *id, uint64_t base, Irq irq,
               GError **error);

/* Takes the bytes.  False: they do not lie in RAM or ROM, or meet another blob. */
MUST_USE bool board_add_blob(Board *b, const char *name, uint64_t addr, GBytes *bytes,
                             GError **error);

#endif
