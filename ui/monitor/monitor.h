/* SPDX-License-Identifier: Apache-2.0 */
/*
 * ui/monitor/monitor.h - control of a running machine: QMP for programs, HMP for people.
 *
 * A monitor belongs to one machine and serves any number of sessions.  A session is free of I/O:
 * bytes go in through monitor_input(), replies and events come out through its `send`; server.h
 * connects it to a socket or the terminal.
 *
 * Trust:      whoever talks to a monitor controls the machine; see server.h for who may.
 * Threading:  any thread that is no hart's and holds no device's lock.  One command runs at a time.
 *             `send` is called with the session's lock held, also from the thread of an event.
 */
#ifndef KETCH_UI_MONITOR_MONITOR_H
#define KETCH_UI_MONITOR_MONITOR_H

#include <glib.h>
#include <stdbool.h>
#include <stddef.h>

#include "devices/clock.h"
#include "devices/device.h"
#include "devices/host/block/block.h"
#include "devices/host/chardev.h"
#include "devices/host/net/net.h"
#include "softmmu/physmem.h"
#include "translator/machine.h"

/* A drive, as the command line named it. */
typedef struct MonitorDrive {
    const char *id;
    Block *block;
    const char *device; /* id of the device that uses it; NULL: none */
    const char *node;   /* its node-name in QMP; NULL: its id */
} MonitorDrive;

/* What else a person may ask about: "network" and "user,restrict=off". */
typedef struct MonitorPeer {
    const char *id, *kind, *text;
    Netdev *netdev;   /* of a network, else NULL */
    Chardev *chardev; /* of a chardev, else NULL */
} MonitorPeer;

/* Why the machine gives no isolation: kind of component, which one, a sentence. */
typedef struct MonitorReason {
    const char *kind, *type, *why;
} MonitorReason;

/* What is put into memory at each reset. */
typedef struct MonitorRom {
    const char *name;
    uint64_t addr, size;
} MonitorRom;

/* The machine that is controlled.  All of it lives longer than the monitor. */
typedef struct MonitorVm {
    const char *name; /* -name; NULL: none */
    const char *uuid; /* -uuid; NULL: none */
    const char *board;
    const char *policy; /* of isolation: "require", "none" */
    const MonitorReason *reasons; /* none: the machine provides isolation */
    size_t n_reasons;
    uint64_t ram_size;
    Machine *machine;
    Dev *root;
    PhysMem *mem;
    Clock *clock;
    const Frontend *frontend;
    const FeSystem *system;
    const MonitorDrive *drives;
    size_t n_drives;
    const MonitorPeer *netdevs, *chardevs;
    size_t n_netdevs, n_chardevs;
    const MonitorRom *roms;
    size_t n_roms;
    GBytes *device_tree; /* NULL: none */
    const char *const *options, *const *cpu_models; /* of ketch vm, NULL at the end; NULL: none */
    bool started; /* false: -S, nothing runs until `cont` */
} MonitorVm;

typedef struct Monitor Monitor;
typedef struct MonitorSession MonitorSession;

Monitor *monitor_new(const MonitorVm *vm);
void monitor_free(Monitor *m); /* there are no sessions any more */

/* ---- Sessions ---- */

typedef enum MonitorKind { MONITOR_qmp, MONITOR_qmp_pretty, MONITOR_hmp } MonitorKind; /* pretty: indented */

typedef void MonitorSend(void *opaque, const char *bytes, size_t n);

/* Sends the greeting or the first prompt. */
MonitorSession *monitor_open(Monitor *m, MonitorKind kind, MonitorSend *send, void *opaque);
void monitor_close(MonitorSession *s);

/* Whole commands in the bytes are executed before it returns.  False: the session is over, by its
 * own wish or because what came in is no command at all and too long. */
MUST_USE bool monitor_input(MonitorSession *s, const char *bytes, size_t n);

/* ---- What the machine does ---- */

typedef enum MonitorEvent {
#define EVENT(name, text, members) MONITOR_EVENT_##name,
#include "ui/monitor/events.def"
    MONITOR_EVENTS
} MonitorEvent;

/* Tells every QMP session.  `data`: a JSON object as text, or NULL. */
void monitor_event(Monitor *m, MonitorEvent event, const char *data);

/* A command for people, its answer appended to `out`; `hart` is what it speaks of. */
void monitor_human(Monitor *m, unsigned hart, const char *line, GString *out);

/* ---- Stop and go, for all who control the machine (gdb too) ---- */

void monitor_stop(Monitor *m);
void monitor_cont(Monitor *m);

/* The guest has switched the machine off, and it stays there (-no-shutdown): it does not go on before it
 * was reset. */
void monitor_switched_off(Monitor *m);

/* Calls reset(), which resets devices and harts, while the machine and its time stand still; then a machine
 * that was running goes on. */
void monitor_reset(Monitor *m, void (*reset)(void *opaque), void *opaque);

/* Harts that were only asked to pause (machine_request()) go on, if the machine is running. */
void monitor_let_run(Monitor *m);

/* The same for harts that only make steps: clocks stand still until the next stop and cont. */
void monitor_cont_timeless(Monitor *m);

/* What they have said last, whatever the machine does at the moment. */
bool monitor_is_running(Monitor *m);

#endif
