/* SPDX-License-Identifier: Apache-2.0 */
/*
 * plugins/stream_file.h - the files that streams of records are kept in.
 *
 * A StreamFileHeader, then chunks until the end: a StreamChunk and its bytes, a zstd frame.  A chunk of
 * records belongs to one vcpu and holds whole records, oldest first, in the code of stream_code.h.
 * Chunks of one vcpu are in order.  Chunks of notes, put together, are what the kind of stream says,
 * whatever chunks of records are between them.
 */
#ifndef KETCH_PLUGINS_STREAM_FILE_H
#define KETCH_PLUGINS_STREAM_FILE_H

#include <stdint.h>

/* The last character is the version of the format. */
#define STREAM_MAGIC "KETCHST2"

typedef struct StreamFileHeader {
    char magic[8];
    char kind[16]; /* what the records are, "memory"; zero-padded */
} StreamFileHeader;

enum { STREAM_RECORDS, STREAM_NOTES };

typedef struct StreamChunk {
    uint16_t type; /* STREAM_RECORDS, STREAM_NOTES */
    uint16_t unused;
    uint32_t vcpu;
    uint32_t size;       /* bytes of the frame's content: notes, or coded records */
    uint32_t compressed; /* bytes that follow */
} StreamChunk;

/* Kind "memory": values are addresses, notes describe what made them. */
#define STREAM_MEMORY "memory"

/* An instruction's access.  The number of a record is that of its site, in the order of the notes. */
typedef struct StreamSite {
    uint64_t pc;
    uint8_t size_shift; /* log2 of the bytes accessed */
    uint8_t is_store;
    uint8_t unused[6];
} StreamSite;

#endif
