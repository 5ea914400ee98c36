/* SPDX-License-Identifier: Apache-2.0 */
/*
 * devices/virtio/p9.h - a server of one folder for the protocol 9P2000.L.
 *
 * Nothing outside of the folder is reached: names are single components, looked up with openat2(2)
 * beneath a folder that was reached the same way, and symbolic links are never followed, only read.
 * Only regular files and folders are opened; no device files are made.  Files belong to the user who
 * runs Ketch.
 * Threading: one thread at a time.
 */
#ifndef KETCH_DEVICES_VIRTIO_P9_H
#define KETCH_DEVICES_VIRTIO_P9_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* The longest message either way. */
enum { P9_MESSAGE = 128 << 10 };

typedef struct P9 P9;

/* NULL and errno: `path` is no folder that can be read, or out of memory. */
P9 *p9_new(const char *path, bool writable);
void p9_free(P9 *s); /* NULL is fine */

/* Forgets what the client has open. */
void p9_reset(P9 *s);

/* Carries out one message; the reply's size, at most `room`, which is 11 or more.  0: the request is
 * no message. */
size_t p9_serve(P9 *s, const uint8_t *request, size_t size, uint8_t *reply, size_t room);

#endif
