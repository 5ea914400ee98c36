/* SPDX-License-Identifier: Apache-2.0 */
/* ui/vm/daemon.h - -daemonize and -pidfile: a machine without a terminal, and how it is found. */
#ifndef KETCH_UI_VM_DAEMON_H
#define KETCH_UI_VM_DAEMON_H

#include <glib.h>
#include <stdbool.h>

#include "base/check.h"

/* Goes on in a child, before there is any other thread.  Its parent waits for vm_daemon_ready() and ends
 * with status 0, or with that of vm_daemon_failed().  False and error: there is no child. */
MUST_USE bool vm_daemonize(GError **error);
/* The machine is there: the terminal is left.  Both do nothing without vm_daemonize(). */
void vm_daemon_ready(void);
void vm_daemon_failed(int status);

/* Writes the process's number to a file, which stays locked.  False and error: another machine has it. */
MUST_USE bool vm_pidfile(const char *path, GError **error);
/* Removes it again, when vm_pidfile() has made it. */
void vm_pidfile_remove(void);

#endif
