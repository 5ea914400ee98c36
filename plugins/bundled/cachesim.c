/* SPDX-License-Identifier: Apache-2.0 */
/*
 * plugins/bundled/cachesim.c - hits and misses in a model of a processor's caches.
 *
 * Each vcpu has a first-level cache for instructions and one for data; all share a second level, which
 * the first-level misses go to.  Set-associative, least recently used, write-allocate, no prefetcher.
 * An access that crosses a line counts as two.  Instructions are fetched by lines, once for each run of
 * a block.  The report shows which instructions miss most in the first-level data cache.
 */
#include <inttypes.h>
#include <pthread.h>
#include <string.h>

#include <glib.h>

#include "plugins/bundled/bundled.h"
#include "plugins/qemu-plugin.h"

#define MAX_SIZE (UINT64_C(1) << 30)

typedef struct Shape {
    uint64_t size; /* bytes */
    uint64_t ways;
    uint64_t line; /* bytes, of all levels */
} Shape;

/* tags[set * ways + way], the most recently used way first; line numbers + 1, 0 for an empty way. */
typedef struct Cache {
    uint64_t *tags;
    uint64_t sets;
    uint64_t ways;
    uint64_t accesses;
    uint64_t misses;
} Cache;

typedef struct Cpu {
    Cache insns;
    Cache data;
} Cpu;

/* An instruction that was translated; misses are counted with relaxed atomics, in no order. */
typedef struct Site {
    uint64_t vaddr;
    const char *symbol;
    char *disas;
    _Atomic uint64_t misses;
    struct Site *next;
} Site;

/* The lines of code of a block. */
typedef struct Fetch {
    uint64_t first;
    uint64_t last;
} Fetch;

static const char name[] = "cachesim";
static uint64_t line_size = 64;
static Shape insns = { 32 << 10, 8, 0 };
static Shape data = { 32 << 10, 8, 0 };
static Shape second = { 1 << 20, 16, 0 };
static uint64_t top = 20;
static const char *out;
static struct qemu_plugin_scoreboard *cpus; /* Cpu, by vcpu */
static Cache shared;
static pthread_mutex_t shared_lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_mutex_t sites_lock = PTHREAD_MUTEX_INITIALIZER;
static Site *sites;

static const PluginArg args[] = {
    { "line", PLUGIN_ARG_NUMBER, &line_size, "bytes in a line, of all caches (64)" },
    { "isize", PLUGIN_ARG_NUMBER, &insns.size, "bytes of the instruction cache (32768)" },
    { "iways", PLUGIN_ARG_NUMBER, &insns.ways, "its associativity (8)" },
    { "dsize", PLUGIN_ARG_NUMBER, &data.size, "bytes of the data cache (32768)" },
    { "dways", PLUGIN_ARG_NUMBER, &data.ways, "its associativity (8)" },
    { "l2size", PLUGIN_ARG_NUMBER, &second.size, "bytes of the second level (1048576)" },
    { "l2ways", PLUGIN_ARG_NUMBER, &second.ways, "its associativity (16)" },
    { "top", PLUGIN_ARG_NUMBER, &top, "how many instructions the report lists (20)" },
    { "out", PLUGIN_ARG_FILE, &out, "file for the report, %p: process id (standard error)" },
    { 0 },
};

static bool is_power_of_two(uint64_t n)
{
    return n && !(n & (n - 1));
}

static bool has_sets(const Shape *s)
{
    return is_power_of_two(s->line) && s->line <= s->size && s->ways && s->ways <= s->size / s->line &&
           s->size % (s->line * s->ways) == 0 && is_power_of_two(s->size / (s->line * s->ways));
}

static bool shape_check(Shape *s, const char *which)
{
    s->line = line_size;
    if (s->size > MAX_SIZE) {
        fprintf(stderr, "plugin cachesim: the %s cache has %" PRIu64 " bytes, more than %" PRIu64 "\n", which, s->size,
                MAX_SIZE);
        return false;
    }
    if (!has_sets(s)) {
        fprintf(stderr,
                "plugin cachesim: the %s cache has no power of two of sets: %" PRIu64
                " bytes in lines of %" PRIu64 ", %" PRIu64 " ways\n",
                which, s->size, s->line, s->ways);
        return false;
    }
    return true;
}

static void cache_init(Cache *c, const Shape *s)
{
    c->sets = s->size / (s->line * s->ways);
    c->ways = s->ways;
    c->tags = g_new0(uint64_t, c->sets * c->ways);
}

/* Whether the line is there; it is, and is the newest of its set, afterwards. */
static bool cache_access(Cache *c, uint64_t line)
{
    uint64_t *set = &c->tags[(line & (c->sets - 1)) * c->ways];
    uint64_t way = 0;
    bool hit;

    c->accesses++;
    while (way < c->ways - 1 && set[way] != line + 1) {
        way++;
    }
    hit = set[way] == line + 1;
    memmove(set + 1, set, way * sizeof(*set));
    set[0] = line + 1;
    c->misses += !hit;
    return hit;
}

/* Accesses lines first to last through both levels; how many missed the first. */
static uint64_t access_lines(Cache *c, uint64_t first, uint64_t last)
{
    uint64_t misses = 0;

    for (uint64_t line = first; line <= last; line++) {
        if (cache_access(c, line)) {
            continue;
        }
        misses++;
        pthread_mutex_lock(&shared_lock);
        cache_access(&shared, line);
        pthread_mutex_unlock(&shared_lock);
    }
    return misses;
}

static void fetched(unsigned vcpu, void *fetch)
{
    Cpu *cpu = qemu_plugin_scoreboard_find(cpus, vcpu);
    const Fetch *f = fetch;

    access_lines(&cpu->insns, f->first, f->last);
}

static void accessed(unsigned vcpu, qemu_plugin_meminfo_t access, uint64_t vaddr, void *userdata)
{
    Cpu *cpu = qemu_plugin_scoreboard_find(cpus, vcpu);
    uint64_t end = vaddr + (UINT64_C(1) << qemu_plugin_mem_size_shift(access)) - 1;
    uint64_t misses = access_lines(&cpu->data, vaddr / line_size, end / line_size);
    Site *site = userdata;

    if (misses) {
        __atomic_fetch_add(&site->misses, misses, __ATOMIC_RELAXED);
    }
}

static void vcpu_started(qemu_plugin_id_t id, unsigned vcpu)
{
    Cpu *cpu = qemu_plugin_scoreboard_find(cpus, vcpu);

    (void)id;
    if (!cpu->data.tags) { /* a later thread may get the number of one that ended */
        cache_init(&cpu->insns, &insns);
        cache_init(&cpu->data, &data);
    }
}

static Site *site_new(const struct qemu_plugin_insn *insn)
{
    Site *s = g_new0(Site, 1);

    s->vaddr = qemu_plugin_insn_vaddr(insn);
    s->symbol = qemu_plugin_insn_symbol(insn);
    s->disas = qemu_plugin_insn_disas(insn);
    pthread_mutex_lock(&sites_lock);
    s->next = sites;
    sites = s;
    pthread_mutex_unlock(&sites_lock);
    return s;
}

static void translated(qemu_plugin_id_t id, struct qemu_plugin_tb *tb)
{
    size_t n = qemu_plugin_tb_n_insns(tb);
    struct qemu_plugin_insn *last = qemu_plugin_tb_get_insn(tb, n - 1);
    uint64_t end = qemu_plugin_insn_vaddr(last) + qemu_plugin_insn_size(last) - 1;
    Fetch *f = g_new(Fetch, 1);

    (void)id;
    *f = (Fetch){ qemu_plugin_tb_vaddr(tb) / line_size, end / line_size };
    qemu_plugin_register_vcpu_tb_exec_cb(tb, fetched, QEMU_PLUGIN_CB_NO_REGS, f);
    for (size_t i = 0; i < n; i++) {
        struct qemu_plugin_insn *insn = qemu_plugin_tb_get_insn(tb, i);

        qemu_plugin_register_vcpu_mem_cb(insn, accessed, QEMU_PLUGIN_CB_NO_REGS,
                                         QEMU_PLUGIN_MEM_RW, site_new(insn));
    }
}

static int by_misses(const void *x, const void *y)
{
    const Site *a = *(Site *const *)x;
    const Site *b = *(Site *const *)y;

    if (a->misses != b->misses) {
        return a->misses < b->misses ? 1 : -1;
    }
    return (a->vaddr > b->vaddr) - (a->vaddr < b->vaddr);
}

/* The instructions that missed, worst first; translations of the same one are one. */
static GPtrArray *worst(void)
{
    GHashTable *by_address = g_hash_table_new(g_int64_hash, g_int64_equal);
    GPtrArray *list = g_ptr_array_new();

    for (Site *s = sites; s; s = s->next) {
        Site *first = g_hash_table_lookup(by_address, &s->vaddr);

        if (first) {
            first->misses += s->misses;
        } else {
            g_hash_table_insert(by_address, &s->vaddr, s);
            g_ptr_array_add(list, s);
        }
    }
    g_hash_table_destroy(by_address);
    g_ptr_array_sort(list, by_misses);
    return list;
}

static void print_cache(FILE *f, const char *which, const Cache *c)
{
    fprintf(f, "%-20s %15" PRIu64 " %15" PRIu64 " %8.3f%%\n", which, c->accesses, c->misses,
            c->accesses ? 100.0 * (double)c->misses / (double)c->accesses : 0);
}

static void report(qemu_plugin_id_t id, void *unused)
{
    FILE *f = plugin_report_open(name, out);
    GPtrArray *list = worst();

    (void)id;
    (void)unused;
    fprintf(f, "%-20s %15s %15s %9s\n", "cachesim", "accesses", "misses", "rate");
    for (int i = 0; i < qemu_plugin_num_vcpus(); i++) {
        const Cpu *cpu = qemu_plugin_scoreboard_find(cpus, (unsigned)i);
        char label[40];

        snprintf(label, sizeof(label), "vcpu %d instructions", i);
        print_cache(f, label, &cpu->insns);
        snprintf(label, sizeof(label), "vcpu %d data", i);
        print_cache(f, label, &cpu->data);
    }
    print_cache(f, "second level", &shared);
    fprintf(f, "%15s  %-16s %-28s %s\n", "data misses", "address", "instruction", "function");
    for (guint i = 0; i < list->len && i < top; i++) {
        const Site *s = list->pdata[i];

        if (s->misses) {
            fprintf(f, "%15" PRIu64 "  %-16" PRIx64 " %-28s %s\n", s->misses, s->vaddr, s->disas,
                    s->symbol ? s->symbol : "-");
        }
    }
    g_ptr_array_free(list, TRUE);
    plugin_report_close(name, f);
}

static bool begin(qemu_plugin_id_t id, const qemu_info_t *info)
{
    (void)id;
    (void)info;
    if (!shape_check(&insns, "instruction") || !shape_check(&data, "data") ||
        !shape_check(&second, "second-level")) {
        return false;
    }
    cache_init(&shared, &second);
    cpus = qemu_plugin_scoreboard_new(sizeof(Cpu));
    return true;
}

const Bundled bundled = {
    .name = name,
    .args = args,
    .begin = begin,
    .vcpu_started = vcpu_started,
    .translated = translated,
    .finish = report,
};
