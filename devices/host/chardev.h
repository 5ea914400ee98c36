/* SPDX-License-Identifier: Apache-2.0 */
/*
 * devices/host/chardev.h - streams of bytes to the outside: a terminal, a socket, a file, memory.
 *
 * A Chardev is made from QEMU's text ("stdio", "pty", "socket,path=P,server=on", ...; chardevs.def
 * lists the kinds).  Devices and monitors are *ports* on it: one, or several that share it when it
 * is a mux, where Ctrl-a c goes from one to the next.
 *
 * Owns:      the file descriptors; all reading and writing is done by the IoLoop's thread.
 * Threading: chardev_write() and chardev_accept() by any thread, with the port's own lock held or
 *            not; a port's functions are called by the loop's thread without any lock.
 */
#ifndef KETCH_DEVICES_HOST_CHARDEV_H
#define KETCH_DEVICES_HOST_CHARDEV_H

#include <glib.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/check.h"
#include "devices/host/ioloop.h"

typedef struct Chardev Chardev;

typedef enum ChardevEvent {
    CHARDEV_opened,    /* somebody is at the other end */
    CHARDEV_closed,
    CHARDEV_break,     /* Ctrl-a b */
    CHARDEV_focus_in,  /* mux: input comes here from now on */
    CHARDEV_focus_out,
} ChardevEvent;

typedef struct ChardevOps {
    size_t (*room)(void *opaque); /* how many bytes receive() may be given now */
    void (*receive)(void *opaque, const uint8_t *data, size_t n);
    void (*event)(void *opaque, ChardevEvent event); /* NULL: not interested */
    void (*sent)(void *opaque); /* there is room again after chardev_write() took less; may be NULL */
} ChardevOps;

/* Embedded in its user; filled by chardev_attach(). */
typedef struct ChardevPort {
    Chardev *chardev;
    const ChardevOps *ops;
    void *opaque;
    uint8_t queue[1024]; /* arrived, but the port had no room */
    unsigned queued;
} ChardevPort;

/* What the mux's keys ask of the machine; any of them may be NULL. */
typedef struct ChardevHost {
    void (*quit)(void *opaque);   /* Ctrl-a x */
    void (*commit)(void *opaque); /* Ctrl-a s */
    void *opaque;
    uint8_t escape;               /* instead of Ctrl-a; 0: that */
} ChardevHost;

/* `text` is "KIND[,NAME=VALUE...]", without an id; "NAME" and "noNAME" are NAME=on and NAME=off.  With `mux` (or mux=on) it has the Ctrl-a keys.
 * NULL and error.  `host` outlives it. */
Chardev *chardev_new(IoLoop *loop, const char *id, const char *text, bool mux,
                     const ChardevHost *host, GError **error);
/* What was written goes out first, within a second.  No ports are left. */
void chardev_free(Chardev *chardev);

const char *chardev_id(const Chardev *chardev);
/* For the monitor: kind and place, as text. */
const char *chardev_label(const Chardev *chardev);
bool chardev_is_mux(const Chardev *chardev);
/* Somebody is at the other end, as far as that can be known. */
bool chardev_is_connected(Chardev *chardev);

/* False: it has a port and is no mux. */
MUST_USE bool chardev_attach(ChardevPort *port, Chardev *chardev, const ChardevOps *ops,
                             void *opaque);
/* Its functions are not called any more.  Without the port's lock. */
void chardev_detach(ChardevPort *port);

/* How many bytes were taken: all, unless 64 KiB wait to be written (then sent() is called later).
 * A port that is not attached drops everything. */
size_t chardev_write(ChardevPort *port, const void *data, size_t n);
/* The port has room again. */
void chardev_accept(ChardevPort *port);

/* A line of text for each kind: -chardev help. */
void chardev_help(void);

/* "stdio, pty, ...": the kinds that there are; to be freed. */
char *chardev_kind_names(void);

/* Takes what a "ringbuf" holds, oldest first; other kinds: 0. */
size_t chardev_ringbuf_read(Chardev *chardev, void *to, size_t n);
/* Appends to it, as a port does.  False: it is of another kind. */
MUST_USE bool chardev_ringbuf_write(Chardev *chardev, const void *data, size_t n);

/* The port with the focus gets a break, soon. */
void chardev_send_break(Chardev *chardev);

/* Puts the terminal back as it was before "stdio"; from a signal handler, too. */
void chardev_restore_terminal(void);

#endif
