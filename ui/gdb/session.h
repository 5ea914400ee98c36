/* SPDX-License-Identifier: Apache-2.0 */
/*
 * ui/gdb/session.h - one debugger's connection, without the socket: bytes in, bytes out.
 *
 * gdb_session_input() answers what arrives, gdb_session_event() reports what the target has to say
 * while it runs.  No input makes a session fail; what is not understood gets the empty reply that
 * the protocol has for it, what cannot be done an error with its reason.
 */
#ifndef KETCH_UI_GDB_SESSION_H
#define KETCH_UI_GDB_SESSION_H

#include <stdbool.h>
#include <stddef.h>

#include "ui/gdb/target.h"

typedef struct GdbSession GdbSession;

/* Hands bytes to the debugger; false when it is gone. */
typedef bool GdbSend(void *opaque, const void *bytes, size_t n);

/* Attaches to the target.  NULL: out of memory. */
GdbSession *gdb_session_new(const GdbTarget *target, GdbSend *send, void *opaque);

/* Detaches, unless that has been done. */
void gdb_session_free(GdbSession *s);

void gdb_session_input(GdbSession *s, const void *bytes, size_t n);
void gdb_session_event(GdbSession *s);

/* The target runs, so that it may have something to say (GdbTarget.event_fd). */
bool gdb_session_waits(const GdbSession *s);

/* The debugger has detached, killed the target, or seen its end. */
bool gdb_session_is_over(const GdbSession *s);

/* Across an execve(): what has been negotiated, as text; and a session in the new program that owes
 * gdb a stop reply.  NULL: `text` is none, or out of memory. */
void gdb_session_save(const GdbSession *s, char *text, size_t size);
GdbSession *gdb_session_restore(const GdbTarget *target, GdbSend *send, void *opaque,
                                const char *text);

/* In the child of a fork, which has a copy of its parent's session: the debugger now talks to this
 * process. */
void gdb_session_take_over(GdbSession *s);

#endif
