/* SPDX-License-Identifier: Apache-2.0 */
/* The header, its limits and its extensions, read and made. */
#include <string.h>

#include "devices/host/block/driver.h"
#include "devices/host/block/qcow2_format.h"

enum {
    EXTENSION_END = 0,
    EXTENSION_BACKING_FORMAT = (int)0xe2792aca,
    EXTENSION_FEATURES = 0x6803f857,
    EXTENSION_BITMAPS = 0x23852875,
    FEATURE_BYTES = 48,
    FEATURE_NAME = 46,
};

typedef struct Feature {
    uint8_t kind; /* 0 incompatible, 1 compatible, 2 autoclear */
    uint8_t bit;
    const char *name;
} Feature;

/* Written into new images, as QEMU does; so an older program can name what it does not know. */
static const Feature features[] = {
    { 0, 0, "dirty bit" },        { 0, 1, "corrupt bit" },      { 0, 2, "external data file" },
    { 0, 3, "compression type" }, { 0, 4, "extended L2 entries" }, { 1, 0, "lazy refcounts" },
    { 2, 0, "bitmaps" },          { 2, 1, "raw external data" },
};

static bool fail(GError **error, const char *name, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));

static bool fail(GError **error, const char *name, const char *fmt, ...)
{
    va_list args;
    char *text;

    va_start(args, fmt);
    text = g_strdup_vprintf(fmt, args);
    va_end(args);
    g_set_error(error, BLOCK_ERROR, 0, "%s: %s", name, text);
    g_free(text);
    return false;
}

/* ---- reading ---- */

static void read_fields(const uint8_t *p, Qcow2Header *h)
{
    h->version = qcow2_get32(p + 4);
    h->backing_offset = qcow2_get64(p + 8);
    h->backing_size = qcow2_get32(p + 16);
    h->cluster_bits = qcow2_get32(p + 20);
    h->size = qcow2_get64(p + QCOW2_AT_SIZE);
    h->crypt = qcow2_get32(p + 32);
    h->l1_size = qcow2_get32(p + QCOW2_AT_L1);
    h->l1_offset = qcow2_get64(p + 40);
    h->refcount_table_offset = qcow2_get64(p + QCOW2_AT_REFTABLE);
    h->refcount_table_clusters = qcow2_get32(p + 56);
    h->n_snapshots = qcow2_get32(p + QCOW2_AT_SNAPSHOTS);
    h->snapshots_offset = qcow2_get64(p + 64);
    h->refcount_order = 4;
    h->length = QCOW2_V2_HEADER;
    if (h->version >= 3) {
        h->incompatible = qcow2_get64(p + QCOW2_AT_INCOMPATIBLE);
        h->compatible = qcow2_get64(p + 80);
        h->autoclear = qcow2_get64(p + QCOW2_AT_AUTOCLEAR);
        h->refcount_order = qcow2_get32(p + 96);
        h->length = qcow2_get32(p + 100);
        h->compression = h->length > QCOW2_V3_HEADER ? p[QCOW2_V3_HEADER] : 0;
    }
}

/* The name of a feature that we do not know, from the image's own table, or its number. */
static char *feature_name(const uint8_t *table, size_t bytes, unsigned bit)
{
    for (size_t i = 0; i + FEATURE_BYTES <= bytes; i += FEATURE_BYTES) {
        if (table[i] == 0 && table[i + 1] == bit) {
            char *name = g_strndup((const char *)table + i + 2, FEATURE_NAME);
            char *shown = g_strescape(name, NULL);

            g_free(name);
            return shown;
        }
    }
    return g_strdup_printf("incompatible feature %u", bit);
}

static bool check_features(const Qcow2Header *h, const char *name, const uint8_t *table,
                           size_t bytes, GError **error)
{
    uint64_t known = QCOW2_DIRTY | QCOW2_CORRUPT | QCOW2_COMPRESSION | QCOW2_EXTENDED_L2;
    uint64_t unknown = h->incompatible & ~known;

    if (h->crypt != 0) {
        return fail(error, name, "it is encrypted (%s), which is not supported",
                    h->crypt == 1 ? "AES" : h->crypt == 2 ? "LUKS" : "in an unknown way");
    }
    if (unknown & QCOW2_DATA_FILE) {
        return fail(error, name, "its data is in an external data file, which is not supported");
    }
    if (unknown) {
        char *feature = feature_name(table, bytes, (unsigned)__builtin_ctzll(unknown));

        fail(error, name, "it needs the feature '%s', which is not supported", feature);
        g_free(feature);
        return false;
    }
    return true;
}

static bool check_geometry(const Qcow2Header *h, const char *name, GError **error)
{
    if (h->cluster_bits < QCOW2_MIN_CLUSTER_BITS || h->cluster_bits > QCOW2_MAX_CLUSTER_BITS) {
        return fail(error, name, "clusters of 2^%u bytes; 512 bytes to 2 MiB are possible",
                    h->cluster_bits);
    }
    if (h->refcount_order > QCOW2_MAX_REFCOUNT_ORDER) {
        return fail(error, name, "refcounts of 2^%u bits; at most 64 are possible",
                    h->refcount_order);
    }
    if (h->version >= 3 && (h->length < QCOW2_V3_HEADER || h->length % 8 ||
                            h->length > 1u << h->cluster_bits)) {
        return fail(error, name, "a header of %u bytes", h->length);
    }
    if (h->size > INT64_MAX) {
        return fail(error, name, "a disk of %" G_GUINT64_FORMAT " bytes", h->size);
    }
    if ((h->incompatible & QCOW2_EXTENDED_L2) && h->cluster_bits < QCOW2_MIN_EXTENDED_BITS) {
        return fail(error, name, "extended L2 entries need clusters of 16 KiB at least");
    }
    return true;
}

/* A table of the file: aligned, not too large, not past where offsets end. */
static bool check_table(const Qcow2Header *h, const char *name, const char *what, uint64_t offset,
                        uint64_t bytes, uint64_t most, GError **error)
{
    if (bytes > most) {
        return fail(error, name, "its %s has %" G_GUINT64_FORMAT " bytes; at most %" G_GUINT64_FORMAT
                    " are possible", what, bytes, most);
    }
    if (bytes > 0 && (offset & ((1u << h->cluster_bits) - 1) || offset == 0 ||
                      offset >= QCOW2_OFFSET_MOST)) {
        return fail(error, name, "its %s cannot be at offset %" G_GUINT64_FORMAT, what, offset);
    }
    return true;
}

static bool check_tables(const Qcow2Header *h, const char *name, GError **error)
{
    unsigned entry = h->incompatible & QCOW2_EXTENDED_L2 ? 16 : 8;
    uint64_t cluster = UINT64_C(1) << h->cluster_bits;
    uint64_t per_l1 = cluster / entry * cluster;
    uint64_t needed = h->size / per_l1 + (h->size % per_l1 != 0);

    if (!check_table(h, name, "L1 table", h->l1_offset, UINT64_C(8) * h->l1_size, QCOW2_MAX_L1,
                     error) ||
        !check_table(h, name, "refcount table", h->refcount_table_offset,
                     h->refcount_table_clusters * cluster, MAX(QCOW2_MAX_REFTABLE, cluster),
                     error) ||
        !check_table(h, name, "snapshot table", h->snapshots_offset, h->n_snapshots,
                     QCOW2_MAX_SNAPSHOTS, error)) {
        return false;
    }
    if (h->l1_size < needed) {
        return fail(error, name, "its L1 table of %u entries is too small for its disk of "
                    "%" G_GUINT64_FORMAT " bytes", h->l1_size, h->size);
    }
    if (h->refcount_table_clusters == 0) {
        return fail(error, name, "it has no refcount table");
    }
    return true;
}

static bool check_compression(const Qcow2Header *h, const char *name, GError **error)
{
    if (!!(h->incompatible & QCOW2_COMPRESSION) != (h->compression != 0)) {
        return fail(error, name, "its compression type contradicts its feature bits");
    }
    if (h->compression >= IMAGE_COMPRESSION_COUNT) {
        return fail(error, name, "it is compressed in an unknown way (type %u)", h->compression);
    }
    return true;
}

static bool read_backing(Qcow2Header *h, const char *name, const uint8_t *cluster, GError **error)
{
    uint64_t size = UINT64_C(1) << h->cluster_bits;

    if (h->backing_offset == 0 || h->backing_size == 0) {
        return true;
    }
    if (h->backing_size > QCOW2_MAX_BACKING_NAME || h->backing_offset >= size ||
        h->backing_size > size - h->backing_offset) {
        return fail(error, name, "the name of its backing file is not inside of its header");
    }
    h->backing_path = g_strndup((const char *)cluster + h->backing_offset, h->backing_size);
    return true;
}

static bool read_bitmaps(Qcow2Header *h, const char *name, const uint8_t *data, uint32_t bytes,
                         GError **error)
{
    if (bytes < 24) {
        return fail(error, name, "its bitmaps extension is too short");
    }
    h->n_bitmaps = qcow2_get32(data);
    h->bitmap_directory_size = qcow2_get64(data + 8);
    h->bitmap_directory_offset = qcow2_get64(data + 16);
    return true;
}

typedef struct Table {
    const uint8_t *data;
    size_t bytes;
} Table;

static bool read_extensions(Qcow2Header *h, const char *name, const uint8_t *cluster, Table *names,
                            GError **error)
{
    uint64_t end = UINT64_C(1) << h->cluster_bits, at = h->length;

    /* The name of the backing file is behind the extensions. */
    end = h->backing_offset > at && h->backing_offset < end ? h->backing_offset : end;
    while (at + 8 <= end) {
        uint32_t type = qcow2_get32(cluster + at), bytes = qcow2_get32(cluster + at + 4);
        const uint8_t *data = cluster + at + 8;

        if (type == EXTENSION_END) {
            return true;
        }
        if (bytes > end - at - 8) {
            return fail(error, name, "header extension 0x%08x is longer than the header", type);
        }
        if (type == (uint32_t)EXTENSION_BACKING_FORMAT && !h->backing_format) {
            h->backing_format = g_strndup((const char *)data, MIN(bytes, 64));
        } else if (type == EXTENSION_FEATURES) {
            *names = (Table){ data, bytes };
        } else if (type == EXTENSION_BITMAPS && !read_bitmaps(h, name, data, bytes, error)) {
            return false;
        }
        at += 8 + ((uint64_t)bytes + 7) / 8 * 8;
    }
    return true;
}

static bool read_cluster(BlockFile *file, const char *name, Qcow2Header *h, GError **error)
{
    size_t size = (size_t)1 << h->cluster_bits;
    uint8_t *cluster = g_malloc(size);
    Table names = { NULL, 0 };
    int r = block_file_read(file, 0, cluster, size);
    bool ok = r == 0 || fail(error, name, "%s", g_strerror(-r));

    ok = ok && read_backing(h, name, cluster, error) &&
         read_extensions(h, name, cluster, &names, error) &&
         check_features(h, name, names.data, names.bytes, error) &&
         check_compression(h, name, error) && check_tables(h, name, error);
    g_free(cluster);
    return ok;
}

bool qcow2_header_read(BlockFile *file, const char *name, Qcow2Header *h, GError **error)
{
    uint8_t p[QCOW2_V3_HEADER + 8];
    Qcow2Header read = { 0 };
    int r = block_file_read(file, 0, p, sizeof(p));

    if (r < 0) {
        return fail(error, name, "%s", g_strerror(-r));
    }
    if (qcow2_get32(p) != QCOW2_MAGIC) {
        return fail(error, name, "this is not a qcow2 image");
    }
    read_fields(p, &read);
    if (read.version != 2 && read.version != 3) {
        return fail(error, name, "version %u of qcow2; there are 2 and 3", read.version);
    }
    if (!check_geometry(&read, name, error) || !read_cluster(file, name, &read, error)) {
        qcow2_header_fini(&read);
        return false;
    }
    *h = read;
    return true;
}

void qcow2_header_fini(Qcow2Header *h)
{
    g_free(h->backing_path);
    g_free(h->backing_format);
    h->backing_path = h->backing_format = NULL;
}

/* ---- making ---- */

static void put_fields(const Qcow2Header *h, uint8_t *p)
{
    qcow2_put32(p, QCOW2_MAGIC);
    qcow2_put32(p + 4, h->version);
    qcow2_put32(p + 20, h->cluster_bits);
    qcow2_put64(p + QCOW2_AT_SIZE, h->size);
    qcow2_put32(p + QCOW2_AT_L1, h->l1_size);
    qcow2_put64(p + 40, h->l1_offset);
    qcow2_put64(p + QCOW2_AT_REFTABLE, h->refcount_table_offset);
    qcow2_put32(p + 56, h->refcount_table_clusters);
    if (h->version >= 3) {
        qcow2_put64(p + QCOW2_AT_INCOMPATIBLE, h->incompatible);
        qcow2_put64(p + 80, h->compatible);
        qcow2_put32(p + 96, h->refcount_order);
        qcow2_put32(p + 100, h->length);
        p[QCOW2_V3_HEADER] = h->compression;
    }
}

/* Returns what follows it, NULL when there is no room before `end`. */
static uint8_t *put_extension(uint8_t *at, const uint8_t *end, uint32_t type, const void *data,
                              uint32_t bytes)
{
    size_t room = 8 + ((size_t)bytes + 7) / 8 * 8;

    if (!at || room + 8 > (size_t)(end - at)) { /* the end of the area takes 8 bytes, too */
        return NULL;
    }
    qcow2_put32(at, type);
    qcow2_put32(at + 4, bytes);
    memcpy(at + 8, data, bytes);
    return at + room;
}

static uint8_t *put_features(uint8_t *at, const uint8_t *end)
{
    uint8_t table[G_N_ELEMENTS(features) * FEATURE_BYTES] = { 0 };

    for (size_t i = 0; i < G_N_ELEMENTS(features); i++) {
        uint8_t *row = table + i * FEATURE_BYTES;

        row[0] = features[i].kind;
        row[1] = features[i].bit;
        strncpy((char *)row + 2, features[i].name, FEATURE_NAME);
    }
    return put_extension(at, end, EXTENSION_FEATURES, table, sizeof(table));
}

bool qcow2_header_make(const Qcow2Header *h, uint8_t *cluster)
{
    const uint8_t *end = cluster + ((size_t)1 << h->cluster_bits);
    uint8_t *at = cluster + h->length, *names;
    size_t length = h->backing_path ? strlen(h->backing_path) : 0;

    memset(cluster, 0, (size_t)1 << h->cluster_bits);
    put_fields(h, cluster);
    if (h->backing_format) {
        at = put_extension(at, end, (uint32_t)EXTENSION_BACKING_FORMAT, h->backing_format,
                           (uint32_t)strlen(h->backing_format));
    }
    /* The names are a courtesy: left out where small clusters have no room. */
    names = at && h->version >= 3 ? put_features(at, end - length) : NULL;
    at = names ? names : at;
    if (!at || length + 8 > (size_t)(end - at)) {
        return false;
    }
    if (length > 0) {
        at += 8;
        memcpy(at, h->backing_path, length);
        qcow2_put64(cluster + 8, (uint64_t)(at - cluster));
        qcow2_put32(cluster + 16, (uint32_t)length);
    }
    return true;
}
