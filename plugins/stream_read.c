/* SPDX-License-Identifier: Apache-2.0 */
#include "plugins/stream_read.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <zstd.h>

#include "plugins/stream_code.h"

#define STREAM_ERROR g_quark_from_static_string("ketch-stream")

/* What a chunk may hold: records whose code did not make them smaller. */
enum { MAX_CODED = STREAM_CHUNK / 8 * STREAM_MAX_CODE };

struct StreamReader {
    FILE *file;
    char *path;
    StreamFileHeader header;
    GByteArray *notes;
    uint64_t file_size;
    uint64_t raw_size;
    char *compressed; /* of one chunk */
    StreamCode code;
    uint8_t content[MAX_CODED];
    uint64_t words[STREAM_CHUNK / sizeof(uint64_t)];
};

static bool damaged(const StreamReader *r, GError **error, const char *what)
{
    g_set_error(error, STREAM_ERROR, 0, "%s: %s at byte %ld", r->path, what, ftell(r->file));
    return false;
}

static bool check_header(StreamReader *r, GError **error)
{
    StreamFileHeader *h = &r->header;

    if (fread(h, sizeof(*h), 1, r->file) != 1 || memcmp(h->magic, STREAM_MAGIC, sizeof(h->magic))) {
        g_set_error(error, STREAM_ERROR, 0, "%s is not a trace of Ketch", r->path);
        return false;
    }
    h->kind[sizeof(h->kind) - 1] = '\0';
    if (h->record_words != 1 && h->record_words != 2 && h->record_words != 4) {
        return damaged(r, error, "the header is damaged");
    }
    if (h->key_bits == 1 || h->key_bits > 32) {
        return damaged(r, error, "the header is damaged");
    }
    r->code.words = h->record_words;
    r->code.key_bits = h->key_bits;
    return true;
}

/* The content of the next chunk of that type; *size is 0 at the end of the file. */
static bool read_chunk(StreamReader *r, uint16_t type, StreamChunk *c, size_t *size,
                       GError **error)
{
    *size = 0;
    while (fread(c, sizeof(*c), 1, r->file) == 1) {
        if (c->size > MAX_CODED || c->compressed > ZSTD_compressBound(MAX_CODED)) {
            return damaged(r, error, "a damaged chunk");
        }
        if (c->type != type) {
            if (fseek(r->file, (long)c->compressed, SEEK_CUR) != 0) {
                return damaged(r, error, g_strerror(errno));
            }
            continue;
        }
        if (fread(r->compressed, 1, c->compressed, r->file) != c->compressed) {
            return damaged(r, error, "the file was cut short");
        }
        if (ZSTD_decompress(r->content, sizeof(r->content), r->compressed, c->compressed) != c->size) {
            return damaged(r, error, "a damaged chunk");
        }
        *size = c->size;
        return true;
    }
    return true;
}

static bool read_notes(StreamReader *r, GError **error)
{
    StreamChunk c;
    size_t size;

    do {
        if (!read_chunk(r, STREAM_NOTES, &c, &size, error)) {
            return false;
        }
        g_byte_array_append(r->notes, r->content, (guint)size);
    } while (size);
    r->file_size = (uint64_t)ftell(r->file);
    rewind(r->file);
    return fseek(r->file, sizeof(r->header), SEEK_SET) == 0 ||
           damaged(r, error, g_strerror(errno));
}

StreamReader *stream_open(const char *path, GError **error)
{
    StreamReader *r = g_new0(StreamReader, 1);

    r->path = g_strdup(path);
    r->notes = g_byte_array_new();
    r->compressed = g_malloc(ZSTD_compressBound(MAX_CODED));
    r->file = fopen(path, "rbe");
    if (!r->file) {
        g_set_error(error, STREAM_ERROR, errno, "cannot read %s: %s", path, g_strerror(errno));
    }
    if (!r->file || !check_header(r, error) || !read_notes(r, error)) {
        stream_reader_free(r);
        return NULL;
    }
    return r;
}

void stream_reader_free(StreamReader *r)
{
    if (r->file) {
        fclose(r->file);
    }
    g_byte_array_free(r->notes, TRUE);
    g_free(r->compressed);
    g_free(r->path);
    g_free(r);
}

const StreamFileHeader *stream_header(const StreamReader *r)
{
    return &r->header;
}

const uint8_t *stream_notes(const StreamReader *r, size_t *size)
{
    *size = r->notes->len;
    return r->notes->data;
}

void stream_sizes(const StreamReader *r, uint64_t *file, uint64_t *raw)
{
    *file = r->file_size;
    *raw = r->raw_size;
}

size_t stream_next(StreamReader *r, unsigned *vcpu, const uint64_t **words, GError **error)
{
    size_t record = r->header.record_words * sizeof(uint64_t), size, n;
    StreamChunk c;

    if (!read_chunk(r, STREAM_RECORDS, &c, &size, error) || size == 0) {
        return 0;
    }
    if (!stream_decode(&r->code, r->content, size, r->words, STREAM_CHUNK / record, &n)) {
        (void)damaged(r, error, "a chunk with damaged records");
        return 0;
    }
    r->raw_size += n * record;
    *vcpu = c.vcpu;
    *words = r->words;
    return n;
}
