/* SPDX-License-Identifier: Apache-2.0 */
/*
 * devices/host/ioloop.h - a thread that waits for file descriptors and calls functions.
 *
 * Threading: any thread.  Functions of watches run on the loop's thread, one at a time, without
 *            locks; after io_remove() has returned, the watch's does not run any more (so it is
 *            called without any lock that the function takes).
 */
#ifndef KETCH_DEVICES_HOST_IOLOOP_H
#define KETCH_DEVICES_HOST_IOLOOP_H

#include <stdbool.h>

typedef struct IoLoop IoLoop;
typedef struct IoWatch IoWatch;

/* `events` and `ready` are poll(2)'s.  A descriptor that poll() says is always ready (a file) is. */
typedef void IoFn(void *opaque, short ready);

IoLoop *io_new(void); /* NULL and errno */
void io_free(IoLoop *loop);

/* NULL: out of memory.  `events` 0: not now. */
IoWatch *io_add(IoLoop *loop, int fd, short events, IoFn *fn, void *opaque);
void io_set_events(IoWatch *watch, short events);
void io_remove(IoWatch *watch); /* NULL: nothing */

/* While it holds, descriptors are not looked at; what io_run_once() was given runs. */
void io_hold(IoLoop *loop, bool hold);

/* Runs fn once on the loop's thread, soon. */
void io_run_once(IoLoop *loop, IoFn *fn, void *opaque);

/* Returns when no function runs that ran when it was called; at once on the loop's own thread. */
void io_sync(IoLoop *loop);

#endif
