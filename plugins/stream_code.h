/* SPDX-License-Identifier: Apache-2.0 */
/*
 * plugins/stream_code.h - a chunk of records in fewer bytes, before it is compressed.
 *
 * The low `key_bits` of a record's first word are its key, the rest is a value like its other words.
 * For each record: a number (7 bits a byte, lowest first, the top bit says that more come) with the
 * value's difference to the last one of the same key, sign in the lowest bit; with keys, shifted left
 * once more and 1 added when the key is not the one that came after the record before it the last time,
 * and then the key's difference to that.  Then the same of each other word.  Keys count modulo
 * STREAM_KEYS here, everything starts at 0 in each chunk.  In a loop most records take one byte.
 */
#ifndef KETCH_PLUGINS_STREAM_CODE_H
#define KETCH_PLUGINS_STREAM_CODE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/check.h"

enum { STREAM_KEYS = 1 << 14, STREAM_MAX_WORDS = 4, STREAM_MAX_CODE = 20 /* bytes of a word */ };

typedef struct StreamCode {
    unsigned words;    /* in a record: 1, 2 or 4 */
    unsigned key_bits; /* 0, or 2 to 32 */
    uint64_t last[STREAM_KEYS][STREAM_MAX_WORDS];
    uint32_t next[STREAM_KEYS];
} StreamCode;

/* Encodes n records; `out` has room for STREAM_MAX_CODE bytes for each word.  The bytes used. */
size_t stream_encode(StreamCode *c, const uint64_t *records, size_t n, uint8_t *out);

/* Decodes exactly `size` bytes to at most `max` records; false when they are not that. */
MUST_USE bool stream_decode(StreamCode *c, const uint8_t *in, size_t size, uint64_t *records,
                            size_t max, size_t *n);

#endif
