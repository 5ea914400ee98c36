/* SPDX-License-Identifier: Apache-2.0 */
/*
 * ui/monitor/client.h - `ketch monitor SOCKET [COMMAND]`: a person at the other end of a QMP socket.
 *
 * A line is a command of the monitor for people, or a QMP request when it begins with a brace.
 * History is kept in $XDG_DATA_HOME/ketch/monitor-history; the tab key completes commands and
 * what `info` shows.
 */
#ifndef KETCH_UI_MONITOR_CLIENT_H
#define KETCH_UI_MONITOR_CLIENT_H

#include <glib.h>

/* With a command: executes it, prints its answer.  Returns 0, or 1 with error set. */
int monitor_client(const char *path, char *const *command, GError **error);

#endif
