/* SPDX-License-Identifier: Apache-2.0 */
/*
 * ui/vm/gdb.h - a debugger on a whole machine: a thread for each hart, addresses as the hart sees them.
 *
 * Threading: the stub's thread asks; vm_gdb_stopped() and vm_gdb_end() are the main thread's.
 */
#ifndef KETCH_UI_VM_GDB_H
#define KETCH_UI_VM_GDB_H

#include "ui/monitor/monitor.h"

/* -gdb: where vm_gdb_start() shall listen, "tcp:[HOST]:PORT" or what `ketch run -g` takes; `spec` stays
 * the caller's.  False and error. */
MUST_USE bool vm_gdb_set(const char *spec, GError **error);

/* Listens, if vm_gdb_set() has said where: from here on a debugger sees the machine and moves its harts, so
 * it has been reset and has its memory.  It runs or waits as without a debugger, until one connects.  False
 * and error. */
MUST_USE bool vm_gdb_start(const MonitorVm *vm, Monitor *monitor, GError **error);

/* A hart has stopped for the debugger (MACHINE_debug). */
void vm_gdb_stopped(void);

/* The machine ends with this exit status, which a debugger is told; from here on none looks at it.  What
 * follows the first call has no effect. */
void vm_gdb_end(int status);

#endif
