/* SPDX-License-Identifier: Apache-2.0 */
/*
 * ui/gdb/stub.h - what the files of a session share; nobody else includes it.
 *
 * A packet's handler has a row in packets.def.  It finds its arguments in s->in.data behind the
 * row's prefix and puts its reply into s->out; a reply that is left empty says "not supported".
 */
#ifndef KETCH_UI_GDB_STUB_H
#define KETCH_UI_GDB_STUB_H

#include "ui/gdb/packet.h"
#include "ui/gdb/session.h"

enum {
    GDB_THREADS = 4096, /* that are listed */
    GDB_FILES = 64,     /* that vFile has open */
    GDB_OBJECT = 1 << 20,
};

/* A thread as the protocol names it. */
typedef struct GdbId {
    int pid, tid; /* 0: any; -1: all */
} GdbId;

struct GdbSession {
    const GdbTarget *target;
    GdbSend *send;
    void *opaque;
    GdbParser in;
    GdbOut out;
    bool no_reply;   /* of the packet that is being handled */
    bool running;    /* a stop reply is owed */
    bool over;       /* the connection may go */
    bool detached;   /* the target is no longer ours */
    bool no_ack;     /* negotiated, from here on */
    bool multiprocess;
    GdbCatch catch;
    int *catch_numbers;
    GdbEvent last;   /* what the target has stopped for */
    int general;     /* thread of `g`, `m` and so on */
    int moved;       /* of `c` and `s`; -1: all */
    int child;       /* of the fork that the target has stopped at; 0: none */
    uint64_t tls_symbol; /* address of the target's; 0: not known */
    int threads[GDB_THREADS];
    size_t n_threads, next_thread;
    int file[GDB_FILES]; /* host descriptor + 1 */
    char *object;    /* of qXfer, while it is read in pieces */
    size_t object_size;
    char object_key[64];
};

typedef void GdbHandler(GdbSession *s, const char *args);

#define PACKET(prefix, handler) GdbHandler gdb_##handler;
#include "ui/gdb/packets.def"

/* E and two digits, or a sentence for those who can show it. */
void gdb_error(GdbSession *s, int number);
void gdb_refuse(GdbSession *s, const char *why);
void gdb_ok(GdbSession *s);

/* Numbers in hexadecimal; *p moves behind them.  False: there is none. */
bool gdb_number(const char **p, uint64_t *value);

/* A number and then `c`. */
bool gdb_number_then(const char **p, uint64_t *value, char c);

/* p<pid>.<tid>, or <tid>. */
bool gdb_thread_id(const char **p, GdbId *id);
void gdb_put_thread(GdbSession *s, GdbOut *out, int tid);

/* The stop reply for s->last. */
void gdb_put_stop(GdbSession *s);

/* Sends s->out. */
void gdb_reply(GdbSession *s);

/* Lets the target go, once. */
void gdb_let_go(GdbSession *s);

void gdb_close_files(GdbSession *s);

#endif
