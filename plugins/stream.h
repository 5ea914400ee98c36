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

typedef struct Stream Stream;

/*
 * Creates the file; `%p` in `path` is the process id.  `record_words` and `key_bits`: see
 * stream_code.h.  NULL with *error when the file cannot be made.  Closed with stream_close().
 */
MUST_USE Stream *stream_new(const char *path, const char *kind, unsigned record_words,
                            unsigned key_bits, GError **error);

unsigned stream_record_words(const Stream *s);

/*
 * Scoreboard entries: where a vcpu's buffer ends, and how many bytes before that its next record goes.
 * When the room is too small (it is 0 at first), stream_exchange() gives the vcpu an empty buffer.
 */
qemu_plugin_u64 stream_end(const Stream *s);
qemu_plugin_u64 stream_room(const Stream *s);
void stream_exchange(Stream *s, unsigned vcpu);

/* Adds to the notes. */
void stream_note(Stream *s, const void *data, size_t size);

/* Waits until all is written.  False with *error when not everything was.  Vcpus may still be running:
 * what they add now is lost, and the stream stays in memory for them. */
MUST_USE bool stream_close(Stream *s, GError **error);

#endif
