/* SPDX-License-Identifier: Apache-2.0 */
/*
 * plugins/stream.h - records on their way from translated code to a compressed file.
 *
 * Each vcpu fills a buffer of its own, inline; a full one is exchanged for an empty one here.  A thread
 * of the stream compresses full buffers and writes them; when it cannot keep up, vcpus wait.
 *
 * Owns:       the buffers, the file, the thread.
 * fork:       the child has an empty stream of its own; what it forks with in its buffers is the
 *             parent's and is dropped.  It needs a file of its own: without `%p` in the name it
 *             writes nothing.
 * Threading:  any thread.
 */
#ifndef KETCH_PLUGINS_STREAM_H
#define KETCH_PLUGINS_STREAM_H

#include <glib.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/check.h"
#include "plugins/qemu-plugin.h"
#include "plugins/stream_file.h"
#include "translator/translator.h"

typedef struct Stream Stream;

/*
 * Creates the file; `%p` in `path` is the process id.  NULL with *error when that fails.  Closed with
 * stream_close().
 */
MUST_USE Stream *stream_new(const char *path, const char *kind, GError **error);

/*
 * Scoreboard entry: the host address of a vcpu's next word (see stream_code.h).  While it has the bit
 * STREAM_HAS_ROOM there are STREAM_ROOM bytes from there on.  Else - it is 0 at first - the vcpu gets an
 * empty buffer from stream_exchange(), which returns its position.
 */
enum { STREAM_HAS_ROOM = 256 << 10, STREAM_ROOM = 20 << 10 };

qemu_plugin_u64 stream_position(const Stream *s);
uint64_t stream_exchange(Stream *s, unsigned vcpu, uint64_t position);

/* A new site; sites are numbered in order, from 0. */
void stream_site(Stream *s, const StreamSite *site);

/* TrInstrument.stopped: the vcpu's streams get a STREAM_STOP. */
void stream_stopped(Vcpu *vcpu, uint64_t vaddr);

/* Waits until all is written.  False with *error when not everything was.  Vcpus may still be running:
 * what they add now is lost, and the stream stays in memory for them. */
MUST_USE bool stream_close(Stream *s, GError **error);

#endif
