/* SPDX-License-Identifier: Apache-2.0 */
/* ui/vm/options.h - the command line of `ketch vm`; rows in options.def. */
#ifndef KETCH_UI_VM_OPTIONS_H
#define KETCH_UI_VM_OPTIONS_H

#include <glib.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/check.h"
#include "devices/boards/board.h"
#include "translator/translator.h"
#include "ui/monitor/monitor.h"

typedef enum VmAction {
    VM_RUN, VM_HELP, VM_VERSION, VM_LOG_HELP, VM_MACHINE_HELP, VM_CPU_HELP, VM_DEVICE_HELP,
    VM_NETDEV_HELP, VM_CHARDEV_HELP, VM_OBJECT_HELP, VM_PRINT,
} VmAction;

/* -semihosting-config. */
typedef struct VmSemihostOptions {
    bool on, user; /* user: the lowest privilege may make calls, too */
    const char *chardev; /* owned; NULL: none */
    GPtrArray *args;     /* of char *, owned */
} VmSemihostOptions;

/* One of -monitor, -qmp, -mon. */
typedef struct VmMonitor {
    MonitorKind kind;
    const char *place; /* as -monitor has it */
} VmMonitor;

/* -add-fd: "/dev/fdset/SET" is this descriptor. */
typedef struct VmFdset {
    unsigned set;
    int fd;
} VmFdset;

/* Strings are argv's. */
typedef struct VmOptions {
    VmAction action;
    const char *print;             /* the text of VM_PRINT */
    const char *board, *dump_tree; /* those that are no part of argv are interned */
    bool aclint;
    const char *accel;             /* the best of what was asked for; NULL: not given */
    const char *cpu;               /* the model and its properties; NULL: not given */
    uint64_t memory;               /* bytes */
    unsigned harts;
    const char *name, *process; /* process: for ps; NULL: none */
    char uuid[37];                 /* lower case; "": none */
    int64_t rtc_offset;            /* seconds from the host's time at the start */
    bool rtc_stands;               /* while the machine does */
    const char *bios, *kernel, *initrd, *append, *dtb;
    GPtrArray *drives, *blockdevs, *devices, *chardevs, *netdevs, *nics, *nets, *fsdevs, *virtfs, *objects, *fw_cfgs; /* of const char *, in order; owned, the strings not */
    const char *pflash[BOARD_FLASHES];      /* ids of drives; NULL: not given */
    const char *memory_backend;             /* id of an -object; NULL: not given */
    bool snapshot;                          /* disks keep nothing */
    GArray *monitors;                       /* of VmMonitor; owned */
    GArray *fdsets;                         /* of VmFdset; owned */
    bool leave_out_ram;                     /* of Ketch's own core dumps */
    const char *serial;                     /* NULL: not given */
    const char *gdb, *loadvm;               /* likewise */
    const char *device_help;                /* VM_DEVICE_HELP: of this type; NULL: of all */
    VmSemihostOptions semihosting;
    uint8_t escape;                         /* of consoles; 0: Ctrl-a */
    bool nographic;
    MmuScheme mmu;
    TrTier tier;
    uint32_t threshold;
    uint64_t cache_size;
    bool accept_no_isolation;
    const char *pidfile;           /* NULL: none */
    bool daemonize, nodefaults;
    bool no_reboot, no_shutdown, stopped, stats, one_insn, check, no_chain, gdb_jit;
    unsigned perf;                          /* TR_PERF_... */
    const char *profile;                    /* file, "" for the log; NULL: none */
    GArray *dfilter;                        /* of TrRange; owned */
    const char *log_file;
} VmOptions;

MUST_USE bool vm_options_parse(VmOptions *o, int argc, char **argv, GError **error);
void vm_options_fini(VmOptions *o);
void vm_options_help(void);

/* Names without dashes; NULL at the end. */
const char *const *vm_option_names(void);

#endif
