/* SPDX-License-Identifier: Apache-2.0 */
/*
 * plugins/stream_code.h - a buffer of records in fewer bytes, before it is compressed.
 *
 * Words.  A buffer is 64-bit words: ~number, which is negative, and behind it the values of that number,
 * the next one and so on, up to the next negative word: a run.
 *
 * Code.  Each run is coded by what an earlier run of the same number, its model, looks like; behind a
 * model comes the model of the next run, as in a match of LZ77.  For each run a byte: STREAM_BYTES is b,
 * how many bytes a value takes, and STREAM_MODEL where the model is.
 *
 *   STREAM_NEXT      behind the last one
 *   STREAM_BACK      as many words back as the 2 bytes that follow say
 *   STREAM_NEW       there is none: 4 bytes of the number follow, 2 bytes of how many words the run has
 *
 * Then b bytes for each value: its difference to that of the model (of a new run: to 0), shifted left,
 * the sign in the lowest bit, all bits inverted when it is set.  With b = STREAM_LINE 2 bytes are there
 * instead, a number of words that go on in whole runs as from the model's model to the model: each is as
 * far from the one of the model as that was from the one as far before it.
 * All numbers have their lowest byte first.  A loop with a stride takes some bytes for thousands of words;
 * where the way through the code and the addresses change all the time it is one or two bytes a record.
 */
#ifndef KETCH_PLUGINS_STREAM_CODE_H
#define KETCH_PLUGINS_STREAM_CODE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/check.h"

enum {
    STREAM_BYTES = 0x0f,
    STREAM_LINE = 0x0f,
    STREAM_MODEL = 0x30,
    STREAM_NEXT = 0x00,
    STREAM_BACK = 0x10,
    STREAM_NEW = 0x20,
};

enum {
    STREAM_MAX_WORDS = (256 + 20) << 7, /* that are coded at once */
    STREAM_NUMBERS = 1 << 14,
};

/* The bytes that n words need at most, and some that are written besides. */
#define STREAM_MAX_CODE(n) (8 * (n) + 8)

typedef struct StreamEncoder {
    uint16_t last[STREAM_NUMBERS]; /* by number: where a run of it began; checked before use */
} StreamEncoder;

/* Encodes n words, which begin with a number, to the bytes at `out`; how many.  Overwrites words[n]. */
size_t stream_encode(StreamEncoder *e, uint64_t *words, size_t n, uint8_t *out);

/* Decodes exactly `size` bytes to at most `max` words; false when they are not that. */
MUST_USE bool stream_decode(const uint8_t *in, size_t size, uint64_t *words, size_t max, size_t *n);

#endif
