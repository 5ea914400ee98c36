/* SPDX-License-Identifier: Apache-2.0 */
/*
 * plugins/bundled/memtrace.c - every memory access, into a compressed file; `ketch trace` reads it.
 *
 * One word for each access, appended inline: the address, and the number of the access in a table of
 * what is known when it is translated (instruction, size, load or store).
 */
#include <inttypes.h>
#include <pthread.h>
#include <string.h>

#include "plugins/bundled/args.h"
#include "plugins/ketch-plugin.h"
#include "plugins/stream_file.h"

static const char name[] = "memtrace";
static const char *out = "%p.memtrace";
static const char *filter_text;
static bool loads = true;
static bool stores = true;
static KetchFilter *filter;
static KetchStream *stream;
static GHashTable *sites; /* StreamSite -> its number */
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;

static const PluginArg args[] = {
    { "out", PLUGIN_ARG_STRING, &out, "file to write, %p: process id (%p.memtrace)" },
    { "loads", PLUGIN_ARG_BOOL, &loads, "whether loads are recorded (on)" },
    { "stores", PLUGIN_ARG_BOOL, &stores, "whether stores are recorded (on)" },
    { "filter", PLUGIN_ARG_STRING, &filter_text, "only this code, as symbol=mem*:!module=libc*" },
    { 0 },
};

static guint site_hash(gconstpointer site)
{
    const StreamSite *s = site;

    return (guint)(s->pc ^ s->pc >> 32) * 8 + s->size_shift;
}

static gboolean site_equal(gconstpointer a, gconstpointer b)
{
    return memcmp(a, b, sizeof(StreamSite)) == 0;
}

/* The number of a site; a new one is noted in the file. */
static uint32_t number_of(const StreamSite *site)
{
    gpointer number;

    pthread_mutex_lock(&lock);
    if (!g_hash_table_lookup_extended(sites, site, NULL, &number)) {
        number = GSIZE_TO_POINTER(g_hash_table_size(sites));
        g_hash_table_insert(sites, g_memdup2(site, sizeof(*site)), number);
        ketch_plugin_stream_note(stream, site, sizeof(*site));
    }
    pthread_mutex_unlock(&lock);
    return GPOINTER_TO_UINT(number);
}

static void append(KetchIr *ir, const KetchAccess *access, void *unused)
{
    StreamSite site = { .pc = access->pc, .size_shift = (uint8_t)access->size_shift,
                        .is_store = access->is_store };

    (void)unused;
    ketch_ir_append(ir, stream, number_of(&site), access->address);
}

static void translated(qemu_plugin_id_t id, struct qemu_plugin_tb *tb)
{
    enum qemu_plugin_mem_rw rw = (loads ? QEMU_PLUGIN_MEM_R : 0) | (stores ? QEMU_PLUGIN_MEM_W : 0);

    (void)id;
    ketch_plugin_tb_stream(tb, stream);
    for (size_t i = 0; i < qemu_plugin_tb_n_insns(tb); i++) {
        struct qemu_plugin_insn *insn = qemu_plugin_tb_get_insn(tb, i);

        if (!filter || ketch_plugin_filter_match(filter, qemu_plugin_insn_vaddr(insn))) {
            ketch_plugin_mem_ir(insn, rw, append, NULL);
        }
    }
}

static void finish(qemu_plugin_id_t id, void *unused)
{
    char *error;

    (void)id;
    (void)unused;
    if (!ketch_plugin_stream_close(stream, &error)) {
        fprintf(stderr, "plugin memtrace: %s\n", error);
    }
}

static bool start(char **error)
{
    sites = g_hash_table_new(site_hash, site_equal);
    if (filter_text && !(filter = ketch_plugin_filter_new(filter_text, error))) {
        return false;
    }
    return (stream = ketch_plugin_stream_new(out, STREAM_MEMORY, error)) != NULL;
}

QEMU_PLUGIN_EXPORT int qemu_plugin_version = QEMU_PLUGIN_VERSION;

QEMU_PLUGIN_EXPORT int qemu_plugin_install(qemu_plugin_id_t id, const qemu_info_t *info, int argc,
                                           char **argv)
{
    char *error;

    (void)info;
    if (!plugin_args_parse(name, args, argc, argv)) {
        return -1;
    }
    if (!loads && !stores) {
        fprintf(stderr, "plugin memtrace: neither loads nor stores are to be recorded\n");
        return -1;
    }
    if (!start(&error)) {
        fprintf(stderr, "plugin memtrace: %s\n", error);
        return -1;
    }
    qemu_plugin_register_vcpu_tb_trans_cb(id, translated);
    qemu_plugin_register_atexit_cb(id, finish, NULL);
    return 0;
}
