/* SPDX-License-Identifier: Apache-2.0 */
/* `ketch trace cat|stat FILE`: what the memtrace plugin has written, as text and as figures. */
#include <glib.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "plugins/stream_read.h"
#include "ui/cli/commands.h"

enum { PAGE_BITS = 12, SIZES = 5, TOP = 10 };

typedef struct Trace {
    StreamReader *reader;
    const StreamSite *sites;
    size_t n_sites;
} Trace;

typedef void AccessFn(void *opaque, unsigned vcpu, const StreamSite *site, uint64_t vaddr);

static bool trace_open(Trace *t, const char *path, GError **error)
{
    const StreamFileHeader *h;

    t->reader = stream_open(path, error);
    if (!t->reader) {
        return false;
    }
    h = stream_header(t->reader);
    if (strcmp(h->kind, STREAM_MEMORY) != 0) {
        g_set_error(error, g_quark_from_static_string("ketch-trace"), 0,
                    "%s is a trace of '%s', not of memory accesses", path, h->kind);
        return false;
    }
    t->sites = stream_sites(t->reader, &t->n_sites);
    return true;
}

static unsigned bytes_of(const StreamSite *site)
{
    return 1u << (site->what & STREAM_SIZE_SHIFT);
}

static bool is_store(const StreamSite *site)
{
    return site->what & STREAM_IS_STORE;
}

/* Calls fn for each access, until the end or something is wrong. */
static bool for_each_access(const Trace *t, AccessFn *fn, void *opaque, GError **error)
{
    GError *wrong = NULL;
    const StreamRecord *records;
    unsigned vcpu;
    size_t n;

    while ((n = stream_next(t->reader, &vcpu, &records, &wrong)) != 0) {
        for (size_t i = 0; i < n; i++) {
            fn(opaque, vcpu, &t->sites[records[i].number], records[i].value);
        }
    }
    if (wrong) {
        g_propagate_error(error, wrong);
    }
    return !wrong;
}

/* ---- cat ---- */

static void print_access(void *opaque, unsigned vcpu, const StreamSite *site, uint64_t vaddr)
{
    (void)opaque;
    printf("%u 0x%" PRIx64 " %s%u 0x%" PRIx64 "\n", vcpu, site->pc,
           is_store(site) ? "store" : "load", bytes_of(site), vaddr);
}

static bool cat(const Trace *t, GError **error)
{
    puts("# vcpu pc access-and-bytes address");
    return for_each_access(t, print_access, NULL, error);
}

/* ---- stat ---- */

typedef struct Counts {
    uint64_t by_size[2][SIZES]; /* loads, stores */
    uint64_t total[2];
    Trace trace;
    uint64_t *by_site; /* of those with the same pc and kind, at the first of them */
    uint32_t *first;   /* the first that is the same */
    unsigned n_different;
    GHashTable *pages;
    uint64_t last_page;
} Counts;

static void count_access(void *opaque, unsigned vcpu, const StreamSite *site, uint64_t vaddr)
{
    Counts *c = opaque;
    uint64_t page = vaddr >> PAGE_BITS;

    (void)vcpu;
    c->total[is_store(site)]++;
    c->by_size[is_store(site)][(site->what & STREAM_SIZE_SHIFT) % SIZES]++;
    c->by_site[c->first[site - c->trace.sites]]++;
    if (page != c->last_page) {
        c->last_page = page;
        g_hash_table_add(c->pages, GSIZE_TO_POINTER(page));
    }
}

static guint site_hash(gconstpointer site)
{
    const StreamSite *s = site;

    return (guint)(s->pc ^ s->pc >> 32) * 16 + s->what;
}

static gboolean site_equal(gconstpointer a, gconstpointer b)
{
    const StreamSite *x = a, *y = b;

    return x->pc == y->pc && x->what == y->what;
}

/* An instruction has a site in each block that it was translated in. */
static void find_first(Counts *c)
{
    GHashTable *seen = g_hash_table_new(site_hash, site_equal);

    for (uint32_t i = 0; i < c->trace.n_sites; i++) {
        gpointer key = (gpointer)&c->trace.sites[i], first;

        if (g_hash_table_lookup_extended(seen, key, &first, NULL)) {
            c->first[i] = (uint32_t)((const StreamSite *)first - c->trace.sites);
        } else {
            g_hash_table_add(seen, key);
            c->first[i] = i;
            c->n_different++;
        }
    }
    g_hash_table_destroy(seen);
}

static void print_sizes(const Counts *c)
{
    printf("%-8s %15s", "", "all");
    for (int s = 0; s < SIZES; s++) {
        printf(" %10d bytes", 1 << s);
    }
    for (int store = 0; store < 2; store++) {
        printf("\n%-8s %15" PRIu64, store ? "stores" : "loads", c->total[store]);
        for (int s = 0; s < SIZES; s++) {
            printf(" %16" PRIu64, c->by_size[store][s]);
        }
    }
    puts("");
}

/* The instructions with the most accesses, found one after the other. */
static void print_top(const Trace *t, const Counts *c)
{
    puts("\n       accesses  instruction");
    for (int row = 0; row < TOP; row++) {
        size_t best = 0;

        for (size_t i = 1; i < t->n_sites; i++) {
            best = c->by_site[i] > c->by_site[best] ? i : best;
        }
        if (!t->n_sites || !c->by_site[best]) {
            return;
        }
        printf("%15" PRIu64 "  0x%" PRIx64 " %s%u\n", c->by_site[best], t->sites[best].pc,
               is_store(&t->sites[best]) ? "store" : "load", bytes_of(&t->sites[best]));
        c->by_site[best] = 0;
    }
}

/* Of a damaged file, what there is before the damage. */
static bool statistics(const Trace *t, GError **error)
{
    Counts c = { .trace = *t,
                 .by_site = g_new0(uint64_t, t->n_sites + 1),
                 .first = g_new(uint32_t, t->n_sites + 1),
                 .pages = g_hash_table_new(g_direct_hash, g_direct_equal),
                 .last_page = UINT64_MAX };
    uint64_t file, raw;
    bool ok;

    find_first(&c);
    ok = for_each_access(t, count_access, &c, error);

    stream_sizes(t->reader, &file, &raw);
    printf("%" PRIu64 " accesses by %u instructions to %u pages of %d bytes; "
           "%" PRIu64 " bytes of records in a file of %" PRIu64 "\n\n",
           c.total[0] + c.total[1], c.n_different, g_hash_table_size(c.pages), 1 << PAGE_BITS, raw, file);
    print_sizes(&c);
    print_top(t, &c);
    g_hash_table_destroy(c.pages);
    g_free(c.by_site);
    g_free(c.first);
    return ok;
}

/* What was printed has been written; else *error, unless it is something earlier. */
static bool end_output(GError **error)
{
    bool failed = ferror(stdout);

    if (fflush(stdout) == 0 && !failed) {
        return true;
    }
    if (!*error) {
        g_set_error(error, g_quark_from_static_string("ketch-trace"), 0, "standard output: a write has failed");
    }
    return false;
}

int command_trace(int argc, char **argv)
{
    static const struct {
        const char *name;
        bool (*fn)(const Trace *t, GError **error);
    } actions[] = { { "cat", cat }, { "stat", statistics } };
    GError *error = NULL;
    Trace t = { 0 };
    bool ok = false;

    for (size_t i = 0; argc == 3 && i < G_N_ELEMENTS(actions); i++) {
        if (strcmp(argv[1], actions[i].name) == 0) {
            ok = trace_open(&t, argv[2], &error) && actions[i].fn(&t, &error);
            ok = end_output(&error) && ok;
            if (!ok) {
                fprintf(stderr, "ketch trace: %s\n", error->message);
            }
            return !ok;
        }
    }
    return command_usage(argc, argv,
                         "usage: ketch trace cat FILE     each access of a memory trace, one a line\n"
                         "       ketch trace stat FILE    how many, of what size, by which instructions\n"
                         "`ketch run -plugin memtrace,out=FILE PROGRAM` writes one.\n");
}
