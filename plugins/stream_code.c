/* SPDX-License-Identifier: Apache-2.0 */
#include "plugins/stream_code.h"

#include <string.h>

static uint64_t fold_sign(uint64_t difference)
{
    return difference << 1 ^ (uint64_t)((int64_t)difference >> 63);
}

static uint64_t unfold_sign(uint64_t v)
{
    return v >> 1 ^ -(v & 1);
}

static void start(StreamCode *c)
{
    memset(c->last, 0, sizeof(c->last));
    memset(c->next, 0, sizeof(c->next));
}

static uint64_t key_mask(const StreamCode *c)
{
    return (UINT64_C(1) << c->key_bits) - 1;
}

/* ---- Encoding ---- */

static uint8_t *put(uint8_t *out, uint64_t v)
{
    while (v >= 0x80) {
        *out++ = (uint8_t)v | 0x80;
        v >>= 7;
    }
    *out++ = (uint8_t)v;
    return out;
}

static uint64_t replace(uint64_t *last, uint64_t v)
{
    uint64_t difference = fold_sign(v - *last);

    *last = v;
    return difference;
}

static uint8_t *put_first(StreamCode *c, uint64_t word, uint32_t *next, uint64_t *last,
                          uint8_t *out)
{
    uint64_t difference = replace(last, word >> c->key_bits), wrong;
    uint32_t key = (uint32_t)(word & key_mask(c));

    if (!c->key_bits) {
        return put(out, difference);
    }
    wrong = fold_sign((uint64_t)key - *next);
    *next = key;
    out = put(out, difference << 1 | (wrong != 0));
    return wrong ? put(out, wrong) : out;
}

size_t stream_encode(StreamCode *c, const uint64_t *records, size_t n, uint8_t *out)
{
    uint64_t mask = key_mask(c);
    const uint8_t *begin = out;
    uint32_t *next = &c->next[0];

    start(c);
    for (size_t i = 0; i < n; i++, records += c->words) {
        size_t key = (size_t)(records[0] & mask) % STREAM_KEYS;
        uint64_t *last = c->last[key];

        out = put_first(c, records[0], next, last, out);
        for (unsigned k = 1; k < c->words; k++) {
            out = put(out, replace(&last[k], records[k]));
        }
        next = &c->next[key];
    }
    return (size_t)(out - begin);
}

/* ---- Decoding ---- */

static bool get(const uint8_t **in, const uint8_t *end, uint64_t *v)
{
    *v = 0;
    for (unsigned shift = 0; shift < 64 && *in < end; shift += 7) {
        uint8_t byte = *(*in)++;

        *v |= (uint64_t)(byte & 0x7f) << shift;
        if (!(byte & 0x80)) {
            return true;
        }
    }
    return false;
}

static bool get_key(const StreamCode *c, const uint8_t **in, const uint8_t *end, uint32_t *next,
                    uint64_t *difference)
{
    bool wrong = *difference & 1;
    uint64_t v;

    *difference >>= 1;
    if (wrong) {
        if (!get(in, end, &v)) {
            return false;
        }
        *next = (uint32_t)((*next + unfold_sign(v)) & key_mask(c));
    }
    return true;
}

static bool get_record(StreamCode *c, const uint8_t **in, const uint8_t *end, uint32_t **next,
                       uint64_t *record)
{
    uint64_t v, *last, key;

    if (!get(in, end, &v) || (c->key_bits && !get_key(c, in, end, *next, &v))) {
        return false;
    }
    key = **next;
    last = c->last[key % STREAM_KEYS];
    last[0] += unfold_sign(v);
    record[0] = last[0] << c->key_bits | key;
    for (unsigned k = 1; k < c->words; k++) {
        if (!get(in, end, &v)) {
            return false;
        }
        record[k] = last[k] += unfold_sign(v);
    }
    *next = &c->next[key % STREAM_KEYS];
    return true;
}

bool stream_decode(StreamCode *c, const uint8_t *in, size_t size, uint64_t *records, size_t max,
                   size_t *n)
{
    const uint8_t *end = in + size;
    uint32_t *next = &c->next[0];

    start(c);
    for (*n = 0; in < end; ++*n, records += c->words) {
        if (*n == max || !get_record(c, &in, end, &next, records)) {
            return false;
        }
    }
    return true;
}
