/* SPDX-License-Identifier: Apache-2.0 */
/*
 * ui/gdb/server.h - where gdb connects: the socket and the thread that serves it.
 *
 * One connection at a time; after it has gone the next one is awaited.  A UNIX socket is for its
 * owner only, TCP listens on 127.0.0.1 unless a host is named.
 */
#ifndef KETCH_UI_GDB_SERVER_H
#define KETCH_UI_GDB_SERVER_H

#include <stdbool.h>

#include "ui/gdb/target.h"

/* What -g says: PORT, HOST:PORT, unix:PATH (or unix:path=PATH) or a path with a slash, and ",suspend=n".  "%d" in a
 * path stands for the process id.  False, and *error a sentence, when it is none of these. */
bool gdb_server_set(const char *spec, const char **error);

/* A connection that was there before execve() started this program: FD and what
 * gdb_session_save() says. */
bool gdb_server_inherit(const char *text, const char **error);
bool gdb_server_has_session(void);

/* The same for the program that an execve() from here starts; see UserDebugger. */
void gdb_server_exec_address(bool child, char *text, size_t size);
void gdb_server_exec_session(char *text, size_t size);
void gdb_server_exec_failed(void);

/* ",suspend=n" was not given: the target waits for its debugger. */
bool gdb_server_suspends(void);

/* Listens and serves, on a thread of its own.  False: it cannot, which has been said. */
bool gdb_server_start(const GdbTarget *target);

/* In the child of a fork.  `followed`: the debugger's session goes on here.  Else all that was
 * open for it is closed, and true means that a debugger may connect at an address of its own. */
bool gdb_server_forked(const GdbTarget *target, bool followed);

/* The process ends. */
void gdb_server_end(void);

/* The target ends before the process does: its last event is handed over, and when this returns, nothing
 * of it is used any more.  Once, after gdb_server_start(), in a thread that the stub waits for nowhere. */
void gdb_server_close(void);

#endif
