/* SPDX-License-Identifier: Apache-2.0 */
/*
 * ui/vm/gdb.h - a debugger on a whole machine: a thread for each hart, addresses as the hart sees them.
 *
 * Threading: the stub's thread asks; vm_gdb_event() is the main thread's.
 */
#ifndef KETCH_UI_VM_GDB_H
#define KETCH_UI_VM_GDB_H

#include "ui/monitor/monitor.h"

/* -gdb: listens where `spec` says, "tcp:[HOST]:PORT" or what `ketch run -g` takes.  The machine
 * runs or waits as without a debugger, until one connects.  False and error. */
MUST_USE bool vm_gdb_start(const MonitorVm *vm, Monitor *monitor, const char *spec, GError **error);

/* MACHINE_debug of a hart.  False: no debugger waits for it. */
bool vm_gdb_event(unsigned hart);

/* The machine ends with this exit status. */
void vm_gdb_end(int status);

#endif
