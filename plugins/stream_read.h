/* SPDX-License-Identifier: Apache-2.0 */
/*
 * plugins/stream_read.h - reads the files of plugins/stream_file.h, which may come from anywhere: what
 * is in them is checked.
 */
#ifndef KETCH_PLUGINS_STREAM_READ_H
#define KETCH_PLUGINS_STREAM_READ_H

#include <glib.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/check.h"
#include "plugins/stream_file.h"

typedef struct StreamReader StreamReader;

typedef struct StreamRecord {
    uint64_t value;
    uint32_t number; /* of its site, which there is */
} StreamRecord;

/* Opens a file and reads its sites.  NULL with *error when it is not a stream. */
MUST_USE StreamReader *stream_open(const char *path, GError **error);
void stream_reader_free(StreamReader *r);

const StreamFileHeader *stream_header(const StreamReader *r);

const StreamSite *stream_sites(const StreamReader *r, size_t *n);

/* Bytes of the file, and of what is in it when uncompressed. */
void stream_sizes(const StreamReader *r, uint64_t *file, uint64_t *raw);

/*
 * The next chunk of records: how many records, 0 at the end or, with *error, where the file is
 * damaged.  `*records` is valid until the next call.
 */
MUST_USE size_t stream_next(StreamReader *r, unsigned *vcpu, const StreamRecord **records,
                            GError **error);

#endif
