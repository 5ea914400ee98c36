/* SPDX-License-Identifier: Apache-2.0 */
#include "plugins/stream_read.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <zstd.h>

#include "plugins/stream_code.h"

#define STREAM_ERROR g_quark_from_static_string("ketch-stream")

enum {
    VERSION_AT = sizeof(STREAM_MAGIC) - 2,
    MAX_CODED = STREAM_MAX_CODE(STREAM_MAX_WORDS), /* bytes of a chunk */
};

struct StreamReader {
    FILE *file;
    char *path;
    StreamFileHeader header;
    GByteArray *notes;
    uint64_t file_size;
    uint64_t raw_size;
    char *compressed; /* of one chunk */
    uint8_t content[MAX_CODED];
    uint64_t words[STREAM_MAX_WORDS];
    StreamRecord records[STREAM_MAX_WORDS];
};

static bool damaged(const StreamReader *r, GError **error, const char *what)
{
    g_set_error(error, STREAM_ERROR, 0, "%s: %s at byte %ld", r->path, what, ftell(r->file));
    return false;
}

static bool check_header(StreamReader *r, GError **error)
{
    StreamFileHeader *h = &r->header;

    if (fread(h, sizeof(*h), 1, r->file) != 1 || memcmp(h->magic, STREAM_MAGIC, VERSION_AT)) {
        g_set_error(error, STREAM_ERROR, 0, "%s is not a trace of Ketch", r->path);
        return false;
    }
    if (h->magic[VERSION_AT] != STREAM_MAGIC[VERSION_AT]) {
        g_set_error(error, STREAM_ERROR, 0, "%s has format %c of traces, this is a reader of format %c",
                    r->path, h->magic[VERSION_AT], STREAM_MAGIC[VERSION_AT]);
        return false;
    }
    h->kind[sizeof(h->kind) - 1] = '\0';
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

/* The records that n words are. */
static size_t split(const uint64_t *words, size_t n, StreamRecord *records)
{
    uint32_t number = 0;
    size_t m = 0;

    for (size_t i = 0; i < n; i++) {
        if ((int64_t)words[i] < 0) {
            number = (uint32_t)~words[i];
        } else {
            records[m++] = (StreamRecord){ words[i], number++ };
        }
    }
    return m;
}

size_t stream_next(StreamReader *r, unsigned *vcpu, const StreamRecord **records, GError **error)
{
    size_t size, n;
    StreamChunk c;

    if (!read_chunk(r, STREAM_RECORDS, &c, &size, error) || size == 0) {
        return 0;
    }
    if (!stream_decode(r->content, size, r->words, STREAM_MAX_WORDS, &n)) {
        (void)damaged(r, error, "a chunk with damaged records");
        return 0;
    }
    r->raw_size += n * sizeof(uint64_t);
    *vcpu = c.vcpu;
    *records = r->records;
    return split(r->words, n, r->records);
}
