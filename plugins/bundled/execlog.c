/* SPDX-License-Identifier: Apache-2.0 */
/*
 * plugins/bundled/execlog.c - every instruction executed, with what it accessed and changed.
 *
 * A line is written when the next instruction of the vcpu starts: what an instruction changed is
 * known only then.
 */
#include <inttypes.h>
#include <pthread.h>
#include <string.h>

#include <glib.h>

#include "plugins/bundled/bundled.h"
#include "plugins/qemu-plugin.h"

/* Longest value of a register, in bytes. */
#define MAX_REG 32

typedef struct Watch {
    struct qemu_plugin_register *handle;
    const char *name;
    uint8_t value[MAX_REG];
    guint size;
} Watch;

typedef struct Log {
    GString *line;  /* of the last instruction; NULL before the first */
    GArray *watches; /* Watch: registers whose changes are shown */
} Log;

static const char name[] = "execlog";
static const char *out;
static const char *regs;
static uint64_t from;
static uint64_t to = UINT64_MAX;
static uint64_t limit = UINT64_MAX;
static FILE *file;
static uint64_t written;
static struct qemu_plugin_scoreboard *logs; /* Log, by vcpu */
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;

static const PluginArg args[] = {
    { "regs", PLUGIN_ARG_STRING, &regs, "shows changes of registers that match, as a*:sp (none)" },
    { "from", PLUGIN_ARG_NUMBER, &from, "only instructions at this address or above" },
    { "to", PLUGIN_ARG_NUMBER, &to, "only instructions below this address" },
    { "limit", PLUGIN_ARG_NUMBER, &limit, "stops writing after so many lines" },
    { "out", PLUGIN_ARG_FILE, &out, "file for the log, %p: process id (standard error)" },
    { 0 },
};

static void read_watch(const Watch *w, GByteArray *value)
{
    g_byte_array_set_size(value, 0);
    qemu_plugin_read_register(w->handle, value);
    if (value->len > MAX_REG) {
        g_byte_array_set_size(value, MAX_REG);
    }
}

/* Appends the registers that differ from what they were; none to the line of no instruction. */
static void append_changes(Log *log)
{
    GByteArray *value = g_byte_array_new();

    for (guint i = 0; i < log->watches->len; i++) {
        Watch *w = &g_array_index(log->watches, Watch, i);

        read_watch(w, value);
        if (value->len == w->size && memcmp(w->value, value->data, w->size) == 0) {
            continue;
        }
        w->size = value->len;
        memcpy(w->value, value->data, w->size);
        if (log->line->len == 0) {
            continue;
        }
        g_string_append_printf(log->line, "  %s=0x", w->name);
        for (guint b = w->size; b-- > 0;) {
            g_string_append_printf(log->line, "%02x", w->value[b]);
        }
    }
    g_byte_array_free(value, TRUE);
}

static void write_line(Log *log)
{
    pthread_mutex_lock(&lock);
    if (written < limit) {
        written++;
        fprintf(file, "%s\n", log->line->str);
    }
    pthread_mutex_unlock(&lock);
    g_string_truncate(log->line, 0);
}

static void executed(unsigned vcpu, void *text)
{
    Log *log = qemu_plugin_scoreboard_find(logs, vcpu);

    if (!log->line) {
        log->line = g_string_new(NULL);
    }
    if (log->watches) {
        append_changes(log);
    }
    if (log->line->len) {
        write_line(log);
    }
    g_string_append_printf(log->line, "%u  %s", vcpu, (const char *)text);
}

static void append_value(GString *line, qemu_plugin_mem_value v)
{
    switch (v.type) {
    case QEMU_PLUGIN_MEM_VALUE_U8:
        g_string_append_printf(line, "0x%02x", v.data.u8);
        break;
    case QEMU_PLUGIN_MEM_VALUE_U16:
        g_string_append_printf(line, "0x%04x", v.data.u16);
        break;
    case QEMU_PLUGIN_MEM_VALUE_U32:
        g_string_append_printf(line, "0x%08x", v.data.u32);
        break;
    case QEMU_PLUGIN_MEM_VALUE_U64:
        g_string_append_printf(line, "0x%016" PRIx64, v.data.u64);
        break;
    case QEMU_PLUGIN_MEM_VALUE_U128:
        g_string_append_printf(line, "0x%016" PRIx64 "%016" PRIx64, v.data.u128.high,
                               v.data.u128.low);
        break;
    }
}

static void accessed(unsigned vcpu, qemu_plugin_meminfo_t access, uint64_t vaddr, void *unused)
{
    Log *log = qemu_plugin_scoreboard_find(logs, vcpu);

    (void)unused;
    g_string_append_printf(log->line, "  %s 0x%" PRIx64 " = ",
                           qemu_plugin_mem_is_store(access) ? "store" : "load", vaddr);
    append_value(log->line, qemu_plugin_mem_get_value(access));
}

static void translated(qemu_plugin_id_t id, struct qemu_plugin_tb *tb)
{
    enum qemu_plugin_cb_flags flags = regs ? QEMU_PLUGIN_CB_R_REGS : QEMU_PLUGIN_CB_NO_REGS;

    (void)id;
    for (size_t i = 0; i < qemu_plugin_tb_n_insns(tb); i++) {
        struct qemu_plugin_insn *insn = qemu_plugin_tb_get_insn(tb, i);
        uint64_t vaddr = qemu_plugin_insn_vaddr(insn);
        char *disas;
        char *text;

        if (vaddr < from || vaddr >= to) {
            continue;
        }
        disas = qemu_plugin_insn_disas(insn);
        text = g_strdup_printf("0x%08" PRIx64 "  %-28s", vaddr, disas);
        g_free(disas);
        qemu_plugin_register_vcpu_insn_exec_cb(insn, executed, flags, text);
        qemu_plugin_register_vcpu_mem_cb(insn, accessed, QEMU_PLUGIN_CB_NO_REGS,
                                         QEMU_PLUGIN_MEM_RW, NULL);
    }
}

/* Whether a register's name matches one of the patterns of the option `regs`. */
static bool is_watched(char **patterns, const char *reg)
{
    for (; *patterns; patterns++) {
        if (g_pattern_match_simple(*patterns, reg)) {
            return true;
        }
    }
    return false;
}

static void find_watches(Log *log)
{
    GArray *all = qemu_plugin_get_registers();
    char **patterns = g_strsplit(regs, ":", -1);

    log->watches = g_array_new(FALSE, FALSE, sizeof(Watch));
    for (guint i = 0; i < all->len; i++) {
        qemu_plugin_reg_descriptor *d = &g_array_index(all, qemu_plugin_reg_descriptor, i);

        if (is_watched(patterns, d->name)) {
            Watch w = { .handle = d->handle, .name = g_intern_string(d->name) };

            g_array_append_val(log->watches, w);
        }
    }
    if (log->watches->len == 0) {
        fprintf(stderr, "plugin execlog: no register matches '%s'\n", regs);
    }
    g_strfreev(patterns);
    g_array_free(all, TRUE);
}

static void vcpu_started(qemu_plugin_id_t id, unsigned vcpu)
{
    (void)id;
    if (regs) {
        find_watches(qemu_plugin_scoreboard_find(logs, vcpu));
    }
}

static void finish(qemu_plugin_id_t id, void *unused)
{
    (void)id;
    (void)unused;
    for (int i = 0; i < qemu_plugin_num_vcpus(); i++) {
        Log *log = qemu_plugin_scoreboard_find(logs, (unsigned)i);

        if (log->line && log->line->len) {
            write_line(log);
        }
    }
    plugin_report_close(name, file);
}

static bool begin(qemu_plugin_id_t id, const qemu_info_t *info)
{
    (void)id;
    (void)info;
    file = plugin_report_open(name, out);
    logs = qemu_plugin_scoreboard_new(sizeof(Log));
    return true;
}

const Bundled bundled = {
    .name = name,
    .args = args,
    .begin = begin,
    .vcpu_started = vcpu_started,
    .translated = translated,
    .finish = finish,
};
