/* SPDX-License-Identifier: Apache-2.0 */
/*
 * ui/vm/vm.h - one machine with everything around it, from the command line to its end.
 *
 * Owns:      all parts, in the order of their making; vm_free() takes them down backwards.
 * Threading: vm.c's functions run on the main thread, which is no hart's; the loop's thread does
 *            chardevs and signals.
 */
#ifndef KETCH_UI_VM_VM_H
#define KETCH_UI_VM_VM_H

#include <pthread.h>

#include "devices/boards/board.h"
#include "devices/host/block/block.h"
#include "devices/host/chardev.h"
#include "devices/host/net/net.h"
#include "userland/semihosting/semihosting.h"
#include "translator/machine.h"
#include "ui/monitor/monitor.h"
#include "ui/monitor/server.h"
#include "ui/vm/keys.h"
#include "ui/vm/options.h"

/* A monitor on a chardev, which it may share with the serial port. */
typedef struct VmConsole {
    ChardevPort port;
    Monitor *monitor;
    MonitorKind kind;
    MonitorSession *session; /* NULL: nobody is there, or the focus of a mux has not come yet */
} VmConsole;

/* Semihosting: the console's end, and what has arrived there. */
typedef struct VmSemihost {
    Semihost *host; /* NULL: no calls */
    ChardevPort port;
    pthread_mutex_t lock; /* of the next three */
    uint8_t input[256];
    unsigned first, n;
} VmSemihost;

typedef struct Vm {
    const VmOptions *options;
    DevEnv env;
    IoLoop *loop;
    ChardevHost host;
    GPtrArray *chardevs;  /* of Chardev */
    Block *flash[BOARD_FLASHES]; /* drives with if=pflash */
    GArray *drives;       /* of MonitorDrive; blocks are owned */
    GArray *objects;      /* of VmObject, see objects.c */
    GPtrArray *devices, *nets; /* -device and -netdev as they are plugged in, with those of -virtfs and -nic; owned */
    GArray *files;        /* of VmFile, see blockdev.c; NULL: none */
    GPtrArray *netdevs;   /* of Netdev */
    Chardev *serial;
    bool serial_has_monitor; /* "mon:" */
    Board *board;
    Machine *machine;
    bool warned; /* that nothing is isolated */
    const TrInstrument *instrument; /* of plugins; NULL: there are none */
    FeCpu cpu;            /* of each hart */
    MonitorVm controlled;  /* what the monitor and the debugger see of it */
    Monitor *monitor;
    GPtrArray *servers;   /* of MonitorServer */
    GPtrArray *consoles;  /* of VmConsole */
    VmSemihost semihost;
    GArray *peers, *net_peers; /* of MonitorPeer: chardevs, netdevs */
    GArray *roms;         /* of MonitorRom */
    GArray *reasons;      /* of MonitorReason */
    int signals;          /* signalfd; -1: none */
    IoWatch *signal_watch;
} Vm;

/* ---- chardevs.c ---- */

/* The text without its ",id=ID", and ID; both owned.  False and error: it has none. */
MUST_USE bool vm_split_id(const char *option, const char *text, char **rest, char **id,
                          GError **error);
/* -chardev, -serial, -nographic.  False and error. */
MUST_USE bool vm_chardevs(Vm *vm, GError **error);
Chardev *vm_chardev(Vm *vm, const char *id); /* NULL: there is none */
/* -monitor, -qmp and -mon, when the machine is there. */
MUST_USE bool vm_monitors(Vm *vm, GError **error);
void vm_monitors_end(Vm *vm);

/* ---- semihost.c ---- */

/* -semihosting-config, when the chardevs are there; nothing where it is off. */
MUST_USE bool vm_semihost(Vm *vm, GError **error);
void vm_semihost_end(Vm *vm);
/* MachineConfig.breakpoint; `vm` is the Vm. */
MachineCall vm_semihost_call(void *vm, unsigned hart, Vcpu *vcpu);

/* ---- drives.c ---- */

/* -drive: opens the images. */
MUST_USE bool vm_drives(Vm *vm, GError **error);
/* Takes what the options of all images are: discard=, aio=, backing=.  False and error. */
MUST_USE bool vm_image_options(Keys *k, BlockOptions *o, GError **error);
/* Opens an image as one more drive, without a device.  `snapshot`: what is written to it is lost. */
MUST_USE bool vm_add_drive(Vm *vm, const char *id, const char *node, const BlockOptions *o, bool snapshot,
                           GError **error);
/* A device takes the drive `id`, once; NULL and error. */
Block *vm_take_drive(Vm *vm, const char *id, GError **error);
/* -fw_cfg, -device, and a disk for each drive with if=virtio. */
MUST_USE bool vm_devices(Vm *vm, GError **error);
/* The files of -device loader; *extra is an array, to be freed. */
MUST_USE bool vm_loaders(const VmOptions *o, BoardExtra **extra, unsigned *n, GError **error);
void vm_drives_close(Vm *vm);

/* ---- objects.c ---- */

/* -object, -fsdev, -virtfs, -nic, and what -device says of them: Vm.devices and Vm.nets. */
MUST_USE bool vm_objects(Vm *vm, GError **error);
void vm_objects_free(Vm *vm);
/* The file that RAM is in, by -M memory-backend; NULL: none. */
const char *vm_ram_file(Vm *vm, bool *shared);
void vm_objects_help(void); /* -object help */
/* What -device means for dev_plug(), to be freed.  NULL and error. */
char *vm_device_spec(Vm *vm, const char *text, GError **error);

/* ---- blockdev.c ---- */

/* -blockdev: opens those that have a format. */
MUST_USE bool vm_blockdevs(Vm *vm, GError **error);
/* Opens the file that is a node `id` as a drive of that name, when there is one.  False and error: it cannot
 * be opened. */
MUST_USE bool vm_blockdev_file(Vm *vm, const char *id, GError **error);

#endif
