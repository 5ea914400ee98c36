/* SPDX-License-Identifier: Apache-2.0 */
#include "plugins/stream_code.h"

#include <emmintrin.h>
#include <string.h>

enum {
    MIN_LINE = 16, /* words that are worth a search */
    AHEAD = 96,    /* words */
    MAX_FAILS = 6, /* after n searches in vain 2^n - 1 runs are coded without one */
};

static bool is_number(uint64_t word)
{
    return (int64_t)word < 0;
}

/* ---- Encoding ---- */

/* All of it is one loop to the compiler, and this is in registers. */
#define INLINE static inline __attribute__((always_inline))

typedef struct Encoding {
    uint16_t *last;
    const uint64_t *words;
    size_t n;
    size_t at;    /* where the run begins */
    size_t model; /* where its model begins; not below `at`: there is none */
    uint8_t *out;
    unsigned fails, wait; /* see MAX_FAILS */
} Encoding;

INLINE uint64_t fold_sign(uint64_t difference)
{
    return difference << 1 ^ (uint64_t)((int64_t)difference >> 63);
}

/* The lowest bytes of v; what is behind them is written next. */
INLINE uint8_t *put(uint8_t *out, uint64_t v, unsigned bytes)
{
    memcpy(out, &v, sizeof(v));
    return out + bytes;
}

INLINE unsigned bytes_of(uint64_t v)
{
    return v ? (71 - (unsigned)__builtin_clzll(v)) / 8 : 0;
}

/* Finds the run's model and writes where it is; what the run's byte says of that. */
INLINE unsigned put_model(Encoding *c)
{
    uint64_t number = c->words[c->at];
    uint16_t *last = &c->last[~number % STREAM_NUMBERS];
    unsigned where = STREAM_NEXT;

    if (c->model >= c->at || c->words[c->model] != number) {
        where = STREAM_BACK;
        c->model = *last;
        if (c->model < c->at && c->words[c->model] == number) {
            c->out = put(c->out, c->at - c->model, 2);
        } else {
            where = STREAM_NEW;
        }
    }
    *last = (uint16_t)c->at;
    return where;
}

/* How many words from `at` to n, in whole runs, each differ from the one `step` before as that does from
 * the one before it. */
static size_t line_length(const uint64_t *w, size_t at, size_t n, size_t step)
{
    size_t end = at;

    for (; end + 2 <= n; end += 2) {
        __m128i a = _mm_loadu_si128((const __m128i *)(const void *)(w + end));
        __m128i b = _mm_loadu_si128((const __m128i *)(const void *)(w + end - step));
        __m128i d = _mm_loadu_si128((const __m128i *)(const void *)(w + end - 2 * step));
        __m128i same = _mm_cmpeq_epi32(_mm_sub_epi64(a, b), _mm_sub_epi64(b, d));

        if (_mm_movemask_epi8(same) != 0xffff) {
            break;
        }
    }
    while (!is_number(w[end])) {
        end--;
    }
    return end - at;
}

INLINE bool put_line(Encoding *c, uint8_t *run, unsigned where)
{
    size_t step = c->at - c->model, length;

    if (c->wait) {
        c->wait--;
        return false;
    }
    if (step > c->model || c->words[c->model - step] != c->words[c->at]) {
        return false;
    }
    length = line_length(c->words, c->at, c->n, step);
    if (length < MIN_LINE) {
        c->fails += c->fails < MAX_FAILS;
        c->wait = (1u << c->fails) - 1;
        return false;
    }
    *run = (uint8_t)(where | STREAM_LINE);
    c->out = put(c->out, length, 2);
    c->at += length;
    c->model += length;
    c->fails = 0;
    return true;
}

INLINE void put_value(Encoding *c, uint8_t *run, unsigned where)
{
    uint64_t difference = fold_sign(c->words[c->at + 1] - c->words[c->model + 1]);
    unsigned bytes = bytes_of(difference);

    *run = (uint8_t)(where | bytes);
    c->out = put(c->out, difference, bytes);
    c->at += 2;
    c->model += 2;
}

INLINE void put_two_values(Encoding *c, uint8_t *run, unsigned where)
{
    const uint64_t *w = c->words + c->at, *model = c->words + c->model;
    uint64_t first = fold_sign(w[1] - model[1]), second = fold_sign(w[2] - model[2]);
    unsigned bytes = bytes_of(first | second);

    *run = (uint8_t)(where | bytes);
    c->out = put(put(c->out, first, bytes), second, bytes);
    c->at += 3;
    c->model += 3;
}

/* The run as differences to its model; false when that has not as many words. */
INLINE bool put_values(Encoding *c, uint8_t *run, unsigned where)
{
    const uint64_t *w = c->words + c->at, *model = c->words + c->model;
    uint64_t any = 0;
    uint8_t *out = c->out;
    unsigned bytes;
    size_t n = 1;

    if (!is_number(w[1] | model[1])) { /* most runs are short */
        if (is_number(w[2] & model[2])) {
            put_value(c, run, where);
            return true;
        }
        if (!is_number(w[2] | model[2]) && is_number(w[3] & model[3])) {
            put_two_values(c, run, where);
            return true;
        }
    }
    for (; !is_number(w[n] | model[n]); n++) {
        any |= fold_sign(w[n] - model[n]);
    }
    if (!is_number(w[n] & model[n])) {
        return false;
    }
    bytes = bytes_of(any);
    *run = (uint8_t)(where | bytes);
    for (size_t k = 1; k < n && bytes; k++) {
        out = put(out, fold_sign(w[k] - model[k]), bytes);
    }
    c->out = out;
    c->at += n;
    c->model += n;
    return true;
}

static uint8_t *put_new(const uint64_t *w, uint8_t *run, size_t *n)
{
    uint8_t *out = run + 1;
    uint64_t any = 0;
    unsigned bytes;

    for (*n = 1; !is_number(w[*n]); ++*n) {
        any |= fold_sign(w[*n]);
    }
    bytes = bytes_of(any);
    *run = (uint8_t)(STREAM_NEW | bytes);
    out = put(out, ~w[0], 4);
    out = put(out, *n, 2);
    for (size_t k = 1; k < *n; k++) {
        out = put(out, fold_sign(w[k]), bytes);
    }
    return out;
}

size_t stream_encode(StreamEncoder *e, uint64_t *words, size_t n, uint8_t *out)
{
    Encoding c = { .last = e->last, .words = words, .n = n, .model = n, .out = out };

    words[n] = ~UINT64_C(0);
    while (c.at < n) {
        uint8_t *run = c.out++;
        unsigned where = put_model(&c);
        size_t length;

        __builtin_prefetch(words + c.at + AHEAD); /* another processor has it */
        if (where == STREAM_NEW ||
            (!put_line(&c, run, where) && !put_values(&c, run, where))) {
            c.out = put_new(words + c.at, run, &length);
            c.at += length;
            c.model = c.at;
        }
    }
    return (size_t)(c.out - out);
}

/* ---- Decoding ---- */

typedef struct Decoding {
    const uint8_t *in, *end;
    uint64_t *words;
    size_t max;
    size_t at, model;
} Decoding;

static uint64_t unfold_sign(uint64_t v)
{
    return v >> 1 ^ -(v & 1);
}

static bool get(Decoding *c, unsigned bytes, uint64_t *v)
{
    *v = 0;
    if ((size_t)(c->end - c->in) < bytes) {
        return false;
    }
    memcpy(v, c->in, bytes);
    c->in += bytes;
    return true;
}

static bool get_line(Decoding *c)
{
    size_t step = c->at - c->model;
    uint64_t length;

    if (!get(c, 2, &length) || length == 0 || length > c->max - c->at || step > c->model) {
        return false;
    }
    for (; length > 0; length--, c->at++, c->model++) {
        c->words[c->at] = 2 * c->words[c->model] - c->words[c->model - step];
    }
    return true;
}

static bool get_value(Decoding *c, unsigned bytes, uint64_t model)
{
    uint64_t difference;

    if (c->at == c->max || !get(c, bytes, &difference)) {
        return false;
    }
    c->words[c->at++] = model + unfold_sign(difference);
    return true;
}

static bool get_new(Decoding *c, unsigned bytes)
{
    uint64_t number, n;

    if (!get(c, 4, &number) || !get(c, 2, &n) || n == 0 || c->at == c->max) {
        return false;
    }
    c->words[c->at++] = ~number;
    while (--n > 0) {
        if (!get_value(c, bytes, 0)) {
            return false;
        }
    }
    c->model = c->at;
    return true;
}

static bool get_values(Decoding *c, unsigned bytes)
{
    if (c->at == c->max) {
        return false;
    }
    c->words[c->at++] = c->words[c->model++];
    for (; c->model < c->at && !is_number(c->words[c->model]); c->model++) {
        if (!get_value(c, bytes, c->words[c->model])) {
            return false;
        }
    }
    return true;
}

static bool get_run(Decoding *c)
{
    unsigned byte = *c->in++, bytes = byte & STREAM_BYTES, where = byte & STREAM_MODEL;
    uint64_t back;

    if (where == STREAM_NEW) {
        return bytes <= 8 && get_new(c, bytes);
    }
    if (where == STREAM_BACK) {
        if (!get(c, 2, &back) || back > c->at) {
            return false;
        }
        c->model = c->at - back;
    }
    if (c->model >= c->at) {
        return false;
    }
    return bytes == STREAM_LINE ? get_line(c) : bytes <= 8 && get_values(c, bytes);
}

bool stream_decode(const uint8_t *in, size_t size, uint64_t *words, size_t max, size_t *n)
{
    Decoding c = { .in = in, .end = in + size, .words = words, .max = max };

    while (c.in < c.end) {
        if (!get_run(&c)) {
            return false;
        }
    }
    *n = c.at;
    return true;
}
