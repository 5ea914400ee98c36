/* SPDX-License-Identifier: Apache-2.0 */
/*
 * plugins/bundled/memtrace.c - every memory access, into a compressed file; `ketch trace` reads it.
 *
 * The address of each access is appended inline; what is known when it is translated (instruction, size,
 * load or store) is in a table of the file.
 */
#include <stdio.h>

#include "plugins/bundled/bundled.h"
#include "plugins/ketch-plugin.h"
#include "plugins/stream_file.h"

static const char name[] = "memtrace";
static const char *out = "%p.memtrace";
static const char *filter_text;
static bool loads = true;
static bool stores = true;
static KetchFilter *filter;
static KetchStream *stream;

static const PluginArg args[] = {
    { "out", PLUGIN_ARG_STRING, &out, "file to write, %p: process id (%p.memtrace)" },
    { "loads", PLUGIN_ARG_BOOL, &loads, "whether loads are recorded (on)" },
    { "stores", PLUGIN_ARG_BOOL, &stores, "whether stores are recorded (on)" },
    { "filter", PLUGIN_ARG_STRING, &filter_text, "only this code, as symbol=mem*:!module=libc*" },
    { 0 },
};

static void append(KetchIr *ir, const KetchAccess *access, void *unused)
{
    uint32_t what = access->size_shift | (access->is_store ? STREAM_IS_STORE : 0);

    (void)unused;
    ketch_ir_append(ir, stream, access->pc, what, access->address);
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
    if (filter_text && !(filter = ketch_plugin_filter_new(filter_text, error))) {
        return false;
    }
    return (stream = ketch_plugin_stream_new(out, STREAM_MEMORY, error)) != NULL;
}

static bool begin(qemu_plugin_id_t id, const qemu_info_t *info)
{
    char *error;

    (void)id;
    (void)info;
    if (!loads && !stores) {
        fprintf(stderr, "plugin memtrace: neither loads nor stores are to be recorded\n");
        return false;
    }
    if (!start(&error)) {
        fprintf(stderr, "plugin memtrace: %s\n", error);
        return false;
    }
    return true;
}

const Bundled bundled = {
    .name = name,
    .args = args,
    .begin = begin,
    .translated = translated,
    .finish = finish,
};
