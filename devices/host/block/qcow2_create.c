/* SPDX-License-Identifier: Apache-2.0 */
/* Making an empty image: header, refcount table, refcount blocks, L1 table, in this order. */
#include <errno.h>
#include <string.h>

#include "base/bits.h"
#include "devices/host/block/qcow2.h"

enum { DEFAULT_CLUSTER = 65536, DEFAULT_REFCOUNT_BITS = 16 };

/* Where everything is, in clusters. */
typedef struct Layout {
    uint64_t table, blocks, l1; /* how many */
    uint64_t total;
} Layout;

static bool fail(GError **error, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

static bool fail(GError **error, const char *fmt, ...)
{
    va_list args;
    char *text;

    va_start(args, fmt);
    text = g_strdup_vprintf(fmt, args);
    va_end(args);
    g_set_error_literal(error, BLOCK_ERROR, 0, text);
    g_free(text);
    return false;
}

static bool power_of_two(uint64_t v)
{
    return v && !(v & (v - 1));
}

static bool check_numbers(const ImageCreate *c, GError **error)
{
    uint64_t cluster = c->cluster_size;

    if (c->version != 0 && c->version != 2 && c->version != 3) {
        return fail(error, "version %u of qcow2; there are 2 (compat=0.10) and 3 (compat=1.1)",
                    c->version);
    }
    if (cluster && (!power_of_two(cluster) || cluster < 1 << QCOW2_MIN_CLUSTER_BITS ||
                    cluster > 1 << QCOW2_MAX_CLUSTER_BITS)) {
        return fail(error, "cluster_size must be a power of two from 512 to 2M");
    }
    if (c->refcount_bits && (!power_of_two(c->refcount_bits) || c->refcount_bits > 64)) {
        return fail(error, "refcount_bits must be a power of two, 64 at most");
    }
    return true;
}

static bool check_features(const ImageCreate *c, GError **error)
{
    const char *newer = c->lazy_refcounts                       ? "lazy_refcounts=on"
                        : c->extended_l2                        ? "extended_l2=on"
                        : c->compression != IMAGE_COMPRESSION_ZLIB ? "compression_type=zstd"
                        : c->refcount_bits && c->refcount_bits != DEFAULT_REFCOUNT_BITS
                            ? "another width of refcounts than 16"
                            : NULL;

    if (c->version == 2 && newer) {
        return fail(error, "%s needs version 3 (compat=1.1)", newer);
    }
    if (c->extended_l2 && c->cluster_size && c->cluster_size < 1 << QCOW2_MIN_EXTENDED_BITS) {
        return fail(error, "extended_l2=on needs clusters of 16K at least");
    }
    if (c->backing_path && strlen(c->backing_path) > QCOW2_MAX_BACKING_NAME) {
        return fail(error, "the name of a backing file has at most %d bytes",
                    QCOW2_MAX_BACKING_NAME);
    }
    if (c->backing_path && c->preallocation != IMAGE_PREALLOCATE_OFF && !c->extended_l2) {
        return fail(error, "preallocation would hide the backing file; with extended_l2=on it "
                    "would not");
    }
    return true;
}

static Qcow2Header make_header(const ImageCreate *c)
{
    Qcow2Header h = { .version = c->version ? c->version : 3 };

    h.cluster_bits = (unsigned)__builtin_ctzll(c->cluster_size ? c->cluster_size : DEFAULT_CLUSTER);
    h.refcount_order =
        (unsigned)__builtin_ctz(c->refcount_bits ? c->refcount_bits : DEFAULT_REFCOUNT_BITS);
    h.size = bits_align_up(c->size, 512);
    h.compression = (uint8_t)c->compression;
    h.incompatible = (c->compression ? QCOW2_COMPRESSION : 0) |
                     (c->extended_l2 ? QCOW2_EXTENDED_L2 : 0);
    h.compatible = c->lazy_refcounts ? QCOW2_LAZY_REFCOUNTS : 0;
    h.length = h.version == 2 ? QCOW2_V2_HEADER : QCOW2_V3_HEADER + 8;
    h.backing_path = (char *)(uintptr_t)c->backing_path;
    h.backing_format = (char *)(uintptr_t)c->backing_format;
    return h;
}

static Layout lay_out(Qcow2Header *h)
{
    uint64_t cluster = UINT64_C(1) << h->cluster_bits;
    uint64_t per_block = cluster * 8 >> h->refcount_order;
    uint64_t per_l1 = cluster * cluster / (h->incompatible & QCOW2_EXTENDED_L2 ? 16 : 8);
    Layout l = { .table = 1, .blocks = 1 };

    h->l1_size = (uint32_t)MIN(h->size / per_l1 + (h->size % per_l1 != 0), UINT32_MAX);
    l.l1 = (UINT64_C(8) * h->l1_size + cluster - 1) / cluster;
    for (;;) {
        uint64_t blocks, table;

        l.total = 1 + l.table + l.blocks + l.l1;
        blocks = (l.total + per_block - 1) / per_block;
        table = (blocks * 8 + cluster - 1) / cluster;
        if (blocks <= l.blocks && table <= l.table) {
            break;
        }
        l.blocks = MAX(blocks, l.blocks);
        l.table = MAX(table, l.table);
    }
    h->refcount_table_offset = cluster;
    h->refcount_table_clusters = (uint32_t)l.table;
    h->l1_offset = h->l1_size ? (1 + l.table + l.blocks) * cluster : 0;
    return l;
}

/* The refcount table and its blocks: the first clusters are used, all others are not. */
static int write_refcounts(BlockFile *file, const Qcow2Header *h, const Layout *l)
{
    uint64_t cluster = UINT64_C(1) << h->cluster_bits, per_block = cluster * 8 >> h->refcount_order;
    uint8_t *buffer = g_malloc(cluster), entry[8];
    int r = 0;

    for (uint64_t i = 0; i < l->blocks && r == 0; i++) {
        uint64_t at = (1 + l->table + i) * cluster;

        memset(buffer, 0, cluster);
        for (uint64_t c = 0; c < per_block && i * per_block + c < l->total; c++) {
            qcow2_refcount_store(buffer, h->refcount_order, c, 1);
        }
        qcow2_put64(entry, at);
        r = block_file_write(file, at, buffer, cluster);
        r = r < 0 ? r : block_file_write(file, cluster + 8 * i, entry, 8);
    }
    g_free(buffer);
    return r;
}

static int write_image(BlockFile *file, const Qcow2Header *h, const Layout *l, bool *room)
{
    uint64_t cluster = UINT64_C(1) << h->cluster_bits;
    uint8_t *first = g_malloc(cluster);
    int r = block_file_truncate(file, l->total * cluster);

    *room = qcow2_header_make(h, first);
    r = r < 0 || !*room ? r : write_refcounts(file, h, l);
    r = r < 0 || !*room ? r : block_file_zero(file, (1 + l->table + l->blocks) * cluster,
                                              MAX(l->l1, 1) * cluster, false);
    r = r < 0 || !*room ? r : block_file_write(file, 0, first, cluster);
    r = r < 0 ? r : block_file_sync(file);
    g_free(first);
    return r;
}

/* ---- preallocation ---- */

static int preallocate_some(Qcow2 *q, uint64_t cluster, uint64_t most, uint64_t *n,
                            uint64_t *host)
{
    unsigned index, left;
    uint8_t *slice;
    bool fresh;
    int r = qcow2_slice_locked(q, cluster, true, &slice, &index, &left);

    r = r < 0 ? r : qcow2_alloc_locked(q, MIN(most, left), 1, host, n, &fresh);
    for (uint64_t i = 0; r == 0 && i < *n; i++) {
        Qcow2Entry e = { (*host + (i << q->h.cluster_bits)) | QCOW2_COPIED, 0 };

        e.bitmap = q->entry_bytes == 16 && !q->block->backing_path ? UINT32_MAX : 0;
        qcow2_entry_store(q, slice, index + (unsigned)i, e);
    }
    return r;
}

static int fill_space(Qcow2 *q, ImagePreallocation how, uint64_t host, uint64_t bytes)
{
    void *zeros;
    int r;

    if (how == IMAGE_PREALLOCATE_FALLOC) {
        return block_file_allocate(q->file, host, bytes);
    }
    if (how != IMAGE_PREALLOCATE_FULL) {
        return 0;
    }
    zeros = g_malloc0(bytes);
    r = block_file_write(q->file, host, zeros, bytes);
    g_free(zeros);
    return r;
}

/* Every guest cluster gets a place, in order. */
static int preallocate(Block *b, ImagePreallocation how)
{
    Qcow2 *q = b->state;
    uint64_t clusters = qcow2_clusters(q, q->h.size), n, host;
    int r = 0;

    for (uint64_t c = 0; c < clusters && r == 0; c += n) {
        pthread_mutex_lock(&q->meta);
        r = preallocate_some(q, c, MIN(clusters - c, MAX(1, (64u << 20) >> q->h.cluster_bits)), &n,
                             &host);
        pthread_mutex_unlock(&q->meta);
        r = r < 0 ? r : fill_space(q, how, host, n << q->h.cluster_bits);
    }
    return r;
}

static bool preallocate_file(const ImageCreate *c, GError **error)
{
    BlockOptions o = { .path = c->path, .format = "qcow2", .backing = BLOCK_BACKING_IGNORE,
                       .no_lock = true };
    Block *b = block_open(&o, error);
    int r, closed;

    if (!b) {
        return false;
    }
    r = preallocate(b, c->preallocation);
    closed = block_close(b);
    r = r < 0 ? r : closed;
    return r == 0 || fail(error, "%s: %s", c->path, g_strerror(-r));
}

bool qcow2_create(BlockFile *file, const ImageCreate *c, GError **error)
{
    Qcow2Header h;
    Layout layout;
    bool room;
    int r;

    if (!check_numbers(c, error) || !check_features(c, error)) {
        return false;
    }
    h = make_header(c);
    layout = lay_out(&h);
    if (UINT64_C(8) * h.l1_size > QCOW2_MAX_L1) {
        return fail(error, "a disk of %" G_GUINT64_FORMAT " bytes needs larger clusters", h.size);
    }
    r = write_image(file, &h, &layout, &room);
    if (r < 0 || !room) {
        return fail(error, "%s: %s", c->path,
                    r < 0 ? g_strerror(-r) : "no room in a cluster for the name of the backing file");
    }
    return c->preallocation == IMAGE_PREALLOCATE_OFF || preallocate_file(c, error);
}
