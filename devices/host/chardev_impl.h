/* SPDX-License-Identifier: Apache-2.0 */
/* devices/host/chardev_impl.h - between chardev.c (streams), chardev_open.c (kinds) and mux.c (keys). */
#ifndef KETCH_DEVICES_HOST_CHARDEV_IMPL_H
#define KETCH_DEVICES_HOST_CHARDEV_IMPL_H

#include <pthread.h>

#include "devices/host/chardev.h"

enum { CHARDEV_PORTS = 4, CHARDEV_OUT = 65536 };

#define CHARDEV_ERROR g_quark_from_static_string("ketch-chardev")

typedef struct ChardevKind {
    const char *name;
    bool (*open)(Chardev *c, char **options, GError **error);
    bool lossy;
    const char *options, *help;
} ChardevKind;

struct Chardev {
    const ChardevKind *kind;
    char *id, *label;
    IoLoop *loop;
    const ChardevHost *host;
    pthread_mutex_t lock;       /* all below; never held while a port's function runs */

    int in, out;                /* -1: none (now); the same one is closed once */
    int listening;              /* -1: no server */
    char *unlink_path;          /* socket file to remove at the end */
    IoWatch *watch_in, *watch_out, *watch_listen;

    uint8_t *buffer;            /* ring of CHARDEV_OUT, or a ringbuf's */
    size_t size, start, used;
    bool owes_sent;             /* a writer was given less than it wanted */
    bool keeps;                 /* ringbuf: the buffer is the destination */

    bool mux;
    ChardevPort *port[CHARDEV_PORTS];
    unsigned n_ports, focus;
    bool escape;                /* the last byte was Ctrl-a */
    bool starved;               /* input waits for chardev_accept() */
    bool restore_terminal;
    int log;                    /* a file that gets all output, too; -1: none */
};

/* Loop thread: the byte as it came in; true: it is for the port with the focus. */
bool chardev_mux_key(Chardev *c, uint8_t byte);
/* Loop thread or set-up: text straight to the outside. */
void chardev_print(Chardev *c, const char *text);
/* Loop thread: tells the port with the focus, or all. */
void chardev_tell(Chardev *c, ChardevEvent event, bool all);
/* Somebody is connected: begins to watch `fd`. */
bool chardev_connect(Chardev *c, int in, int out, GError **error);
/* Watches the listening socket. */
bool chardev_listen(Chardev *c, int fd);

const ChardevKind *chardev_kind(const char *name);

/* The value of NAME=VALUE among `options`, or NULL. */
const char *chardev_option(char **options, const char *name);

#endif
