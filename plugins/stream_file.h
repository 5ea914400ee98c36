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

#define STREAM_MAGIC "KETCHST1"

typedef struct StreamFileHeader {
    char magic[8];
    char kind[16];         /* what the records are, "memory"; zero-padded */
    uint32_t record_words; /* 64-bit words in a record: 1, 2 or 4 */
    uint32_t key_bits;     /* see stream_code.h */
} StreamFileHeader;

enum { STREAM_RECORDS, STREAM_NOTES };

typedef struct StreamChunk {
    uint16_t type; /* STREAM_RECORDS, STREAM_NOTES */
    uint16_t unused;
    uint32_t vcpu;
    uint32_t size;       /* bytes of the frame's content: notes, or coded records */
    uint32_t compressed; /* bytes that follow */
} StreamChunk;

/* Bytes of notes, or of records as they were, in a chunk. */
enum { STREAM_CHUNK = 256 << 10 };

/* Kind "memory": records of one word, notes that describe what made them. */
#define STREAM_MEMORY "memory"

enum { STREAM_SITE_BITS = 24 };

/* A record is the address and, as its key of STREAM_SITE_BITS, the number of its site: an instruction's
 * access.  Sites are numbered in the order of their notes. */
typedef struct StreamSite {
    uint64_t pc;
    uint8_t size_shift; /* log2 of the bytes accessed */
    uint8_t is_store;
    uint8_t unused[6];
} StreamSite;

#endif
