/* SPDX-License-Identifier: Apache-2.0 */
/*
 * devices/iothread.h - a thread that waits for file descriptors and calls a function for each that
 * can be read: doorbells of queues, packets of a network.
 *
 * Threading: iothread_watch() by any thread; iothread_free() by the one that made it.
 */
#ifndef KETCH_DEVICES_IOTHREAD_H
#define KETCH_DEVICES_IOTHREAD_H

#include <stdbool.h>

#include "base/check.h"

typedef struct IoThread IoThread;

/* `name` is the thread's, cut to 15 bytes.  NULL: no thread or no descriptor was to be had. */
IoThread *iothread_new(const char *name);

/* Ends the thread; functions that run have returned then.  NULL is fine. */
void iothread_free(IoThread *io);

/* Calls fn(opaque) whenever `fd` can be read or is at its end, one function at a time, until
 * iothread_free() or the descriptor is closed.  False: the kernel refused. */
MUST_USE bool iothread_watch(IoThread *io, int fd, void (*fn)(void *opaque), void *opaque);

#endif
