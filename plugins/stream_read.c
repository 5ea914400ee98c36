/* SPDX-License-Identifier: Apache-2.0 */
#include "plugins/stream_read.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <zstd.h>

#include "plugins/stream_code.h"

#define STREAM_ERROR g_quark_from_static_string("ketch-stream")

static const char cut_short[] = "the file was cut short";

enum {
    VERSION_AT = sizeof(STREAM_MAGIC) - 2,
    MAX_CODED = STREAM_MAX_CODE(STREAM_MAX_WORDS), /* bytes of a chunk */
};

struct StreamReader {
    FILE *file;
    char *path;
    StreamFileHeader header;
    GByteArray *sites;
    uint64_t file_size;
    uint64_t raw_size;
    uint64_t at;   /* where the chunk begins that is read */
    GError *wrong; /* what ended the sites, and where; NULL: the end of the file */
    uint64_t wrong_at;
    char *packed; /* of one chunk */
    uint8_t content[MAX_CODED];
    uint64_t words[STREAM_MAX_WORDS];
    GArray *records; /* StreamRecord */
};

static bool damaged(const StreamReader *r, GError **error, const char *what)
{
    g_set_error(error, STREAM_ERROR, 0, "%s: %s at byte %" PRIu64, r->path, what, r->at);
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

static bool unpack(StreamReader *r, const StreamChunk *c)
{
    if (c->packed == c->size) {
        memcpy(r->content, r->packed, c->size);
        return true;
    }
    return ZSTD_decompress(r->content, sizeof(r->content), r->packed, c->packed) == c->size;
}

/* Behind a chunk that is not wanted. */
static bool skip(StreamReader *r, const StreamChunk *c, GError **error)
{
    if (r->at + sizeof(*c) + c->packed > r->file_size) {
        return damaged(r, error, cut_short);
    }
    return fseek(r->file, (long)c->packed, SEEK_CUR) == 0 || damaged(r, error, g_strerror(errno));
}

static bool read_content(StreamReader *r, const StreamChunk *c, GError **error)
{
    if (fread(r->packed, 1, c->packed, r->file) != c->packed) {
        return damaged(r, error, cut_short);
    }
    return unpack(r, c) || damaged(r, error, "a damaged chunk");
}

/* False at the end of the file, where nothing of a chunk is, or with *error. */
static bool read_chunk_header(StreamReader *r, StreamChunk *c, GError **error)
{
    size_t n;

    r->at = (uint64_t)ftell(r->file);
    n = fread(c, 1, sizeof(*c), r->file);
    if (n != sizeof(*c)) {
        return n && damaged(r, error, cut_short);
    }
    return (c->size <= MAX_CODED && c->packed <= ZSTD_compressBound(MAX_CODED)) ||
           damaged(r, error, "a damaged chunk");
}

/* The content of the next chunk of that type; false at the end of the file, or with *error. */
static bool read_chunk(StreamReader *r, uint16_t type, StreamChunk *c, GError **error)
{
    while (read_chunk_header(r, c, error)) {
        if (c->type == type) {
            return read_content(r, c, error);
        }
        if (!skip(r, c, error)) {
            return false;
        }
    }
    return false;
}

/* Up to the end, or to what is damaged. */
static bool read_sites(StreamReader *r, GError **error)
{
    StreamChunk c;

    while (read_chunk(r, STREAM_SITES, &c, &r->wrong)) {
        g_byte_array_append(r->sites, r->content, c.size);
    }
    r->wrong_at = r->at;
    rewind(r->file);
    return fseek(r->file, sizeof(r->header), SEEK_SET) == 0 || damaged(r, error, g_strerror(errno));
}

static bool open_file(StreamReader *r, GError **error)
{
    struct stat st;

    r->file = fopen(r->path, "rbe");
    if (!r->file || fstat(fileno(r->file), &st) != 0 || fseek(r->file, 0, SEEK_SET) != 0) {
        g_set_error(error, STREAM_ERROR, errno, "cannot read %s: %s", r->path, g_strerror(errno));
        return false;
    }
    r->file_size = (uint64_t)st.st_size;
    return true;
}

StreamReader *stream_open(const char *path, GError **error)
{
    StreamReader *r = g_new0(StreamReader, 1);

    r->path = g_strdup(path);
    r->sites = g_byte_array_new();
    r->records = g_array_new(FALSE, FALSE, sizeof(StreamRecord));
    r->packed = g_malloc(ZSTD_compressBound(MAX_CODED));
    if (!open_file(r, error) || !check_header(r, error) || !read_sites(r, error)) {
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
    g_clear_error(&r->wrong);
    g_byte_array_free(r->sites, TRUE);
    g_array_free(r->records, TRUE);
    g_free(r->packed);
    g_free(r->path);
    g_free(r);
}

const StreamFileHeader *stream_header(const StreamReader *r)
{
    return &r->header;
}

const StreamSite *stream_sites(const StreamReader *r, size_t *n)
{
    *n = r->sites->len / sizeof(StreamSite);
    return (const StreamSite *)(const void *)r->sites->data;
}

void stream_sizes(const StreamReader *r, uint64_t *file, uint64_t *raw)
{
    *file = r->file_size;
    *raw = r->raw_size;
}

/* ---- From words to records ---- */

/* On the way through the words of a chunk. */
typedef struct Run {
    GArray *records;
    const StreamSite *sites;
    size_t n_sites;
    size_t first;  /* record of the run */
    size_t known;  /* records up to the last one that has a word, or the run's first */
    uint32_t next; /* number */
} Run;

static StreamRecord *record_of(const Run *run, size_t index)
{
    return &g_array_index(run->records, StreamRecord, index);
}

static void add(Run *run, uint64_t value)
{
    StreamRecord record = { value, run->next++ };

    g_array_append_val(run->records, record);
}

static bool is_too_long(const Run *run)
{
    return run->records->len - run->first > STREAM_MAX_RUN;
}

/* Those that are made of constants or from the run's. */
static bool add_made(Run *run)
{
    const StreamSite *site;

    while (run->next < run->n_sites && (site = &run->sites[run->next])->back && site->back != STREAM_FIRST) {
        size_t n = run->records->len;
        uint64_t from = 0;

        if (is_too_long(run)) {
            return false;
        }
        if (site->back != STREAM_CONSTANT) {
            if (site->back > n - run->first) {
                return false;
            }
            from = record_of(run, n - site->back)->value;
        }
        add(run, from + (uint64_t)site->offset);
    }
    return true;
}

/* A value of the stream. */
static bool add_values(Run *run, uint64_t value)
{
    if (run->next >= run->n_sites || is_too_long(run)) {
        return false;
    }
    add(run, value);
    run->known = run->records->len;
    return add_made(run);
}

/* What has no word by now is made of constants. */
static bool begin(Run *run, uint32_t number)
{
    run->next = number;
    run->first = run->records->len;
    run->known = run->first + 1;
    if (number >= run->n_sites || run->sites[number].back != STREAM_FIRST) {
        return true;
    }
    add(run, (uint64_t)run->sites[number].offset);
    return add_made(run);
}

/* The run has ended before the instruction at pc; `address`: see stream_file.h. */
static void stop(Run *run, uint64_t pc, uint64_t address)
{
    for (size_t k = run->known; k < run->records->len; k++) {
        const StreamRecord *r = record_of(run, k);
        bool there = address == STREAM_MAX_VALUE || ((address - r->value) & STREAM_MAX_VALUE) < 16;

        if (run->sites[r->number].pc == pc && there) {
            g_array_set_size(run->records, (guint)k);
        }
    }
}

/* The 64 bits of a word that is no number. */
static uint64_t value_of(uint64_t word)
{
    return (uint64_t)((int64_t)(word << 1) >> 1);
}

static bool split(Run *run, const uint64_t *words, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        if (words[i] == ~(uint64_t)STREAM_STOP && i + 2 < n) {
            stop(run, value_of(words[i + 1]), words[i + 2]);
            run->next = (uint32_t)run->n_sites;
            i += 2;
        } else if ((int64_t)words[i] < 0) {
            if (!begin(run, (uint32_t)~words[i])) {
                return false;
            }
        } else if (!add_values(run, value_of(words[i]))) {
            return false;
        }
    }
    return true;
}

/* The next chunk of records; nothing behind what is damaged. */
static bool read_words(StreamReader *r, StreamChunk *c, GError **error)
{
    bool there = read_chunk(r, STREAM_RECORDS, c, error);

    if (r->wrong && r->at >= r->wrong_at) {
        g_clear_error(error);
        g_propagate_error(error, g_error_copy(r->wrong));
        return false;
    }
    return there;
}

/* The records of the next chunk that has words; false at the end, or with *error. */
static bool read_records(StreamReader *r, unsigned *vcpu, GError **error)
{
    Run run = { .records = r->records };
    StreamChunk c;
    size_t n;

    if (!read_words(r, &c, error)) {
        return false;
    }
    run.sites = stream_sites(r, &run.n_sites);
    g_array_set_size(r->records, 0);
    if (!stream_decode(r->content, c.size, r->words, STREAM_MAX_WORDS, &n) || !split(&run, r->words, n)) {
        return damaged(r, error, "a chunk with damaged records");
    }
    r->raw_size += n * sizeof(uint64_t);
    *vcpu = c.vcpu;
    return true;
}

size_t stream_next(StreamReader *r, unsigned *vcpu, const StreamRecord **records, GError **error)
{
    do {
        if (!read_records(r, vcpu, error)) {
            return 0;
        }
    } while (r->records->len == 0); /* nothing but stops */
    *records = (const StreamRecord *)(const void *)r->records->data;
    return r->records->len;
}
