/* SPDX-License-Identifier: Apache-2.0 */
/*
 * plugins/stream_file.h - the files that streams of records are kept in.
 *
 * A StreamFileHeader, then chunks until the end: a StreamChunk and its bytes, a zstd frame or the content itself.
 *
 * A record is a number and a value of 63 bits, signed: the two highest bits of an address are the same.
 * Numbers are those of sites, places of the guest's code as it was translated: StreamSite, in the order of
 * all chunks of sites put together.  A chunk of records belongs to one vcpu, oldest first, in the code of
 * stream_code.h.  Chunks of one vcpu are in order.
 *
 * What is known when code is translated is not in the chunks: where a run begins, and behind each record of
 * it, come those of the sites that follow and have `back`, with values that are constants or known from an
 * earlier one of the same run.  So a run may be a number and no value.
 * Where a vcpu has stopped in the middle of that, there is the number STREAM_STOP next, with two values: the
 * pc before which it has, and the address of the access if that has faulted, else STREAM_MAX_VALUE.  The
 * first record of the run before that has this pc, no word, and a value up to 15 below the address, and all
 * behind it, are not what happened; the very first one of a run always did.
 */
#ifndef KETCH_PLUGINS_STREAM_FILE_H
#define KETCH_PLUGINS_STREAM_FILE_H

#include <stdint.h>

/* The last character is the version of the format. */
#define STREAM_MAGIC "KETCHST3"

typedef struct StreamFileHeader {
    char magic[8];
    char kind[16]; /* what the records are, "memory"; zero-padded */
} StreamFileHeader;

enum { STREAM_RECORDS, STREAM_SITES };

typedef struct StreamChunk {
    uint16_t type; /* STREAM_RECORDS, STREAM_SITES */
    uint16_t unused;
    uint32_t vcpu;
    uint32_t size;   /* bytes of the content: sites, or coded records */
    uint32_t packed; /* bytes that follow; as many as `size`: the content as it is */
} StreamChunk;

typedef struct StreamSite {
    uint64_t pc;    /* of the instruction */
    int64_t offset; /* with `back`: the value is this more than that of the site so many before */
    uint32_t back;  /* or STREAM_CONSTANT: it is this; STREAM_FIRST: the same, where a run begins */
    uint32_t what;  /* as the kind says */
} StreamSite;

enum { STREAM_STOP = 0x7fffffff, STREAM_STOP_WORDS = 3, STREAM_MAX_RUN = 2048 /* records */ };

#define STREAM_CONSTANT UINT32_MAX
#define STREAM_FIRST (UINT32_MAX - 1)
#define STREAM_MAX_VALUE (UINT64_MAX >> 1)

/* Kind "memory": values are addresses; `what` is log2 of the bytes accessed and the bit STREAM_IS_STORE. */
#define STREAM_MEMORY "memory"

enum { STREAM_SIZE_SHIFT = 7, STREAM_IS_STORE = 8 };

#endif
