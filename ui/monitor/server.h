/* SPDX-License-Identifier: Apache-2.0 */
/*
 * ui/monitor/server.h - where clients of a monitor connect.
 *
 * Trust:      a monitor controls the machine and can write files, so only the user who started
 *             Ketch (or root) may connect: a UNIX socket of mode 0600 whose peers are asked who they
 *             are, or the terminal.  TCP is refused: there is no way to tell who it is.
 * Threading:  each server has a thread; one client at a time, the next waits.
 */
#ifndef KETCH_UI_MONITOR_SERVER_H
#define KETCH_UI_MONITOR_SERVER_H

#include "ui/monitor/monitor.h"

typedef struct MonitorServer MonitorServer;

/* `spec` as QEMU spells it: "stdio", "none" or "unix:PATH[,server=on|off][,wait=on|off]" (wait is
 * taken as off).  NULL and error for anything else; "none" gives NULL without error. */
MonitorServer *monitor_listen(Monitor *m, MonitorKind kind, const char *spec, GError **error);

/* Ends its thread and removes the socket. */
void monitor_server_free(MonitorServer *server);

#endif
