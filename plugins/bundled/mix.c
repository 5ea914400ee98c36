/* SPDX-License-Identifier: Apache-2.0 */
/*
 * plugins/bundled/mix.c - how many instructions the program executes, and which.
 *
 * Costs one inline counter for each block: what is in a block is known when it is translated.  A block
 * that faults in the middle counts as a whole.
 */
#include <inttypes.h>
#include <string.h>

#include "plugins/bundled/blocks.h"
#include "plugins/bundled/bundled.h"

static const char name[] = "mix";
static uint64_t top = 30;
static bool memory;
static const char *out;
static qemu_plugin_u64 loads;
static qemu_plugin_u64 stores;

static const PluginArg args[] = {
    { "top", PLUGIN_ARG_NUMBER, &top, "how many kinds of instructions the report lists (30)" },
    { "memory", PLUGIN_ARG_BOOL, &memory, "counts loads and stores as well" },
    { "out", PLUGIN_ARG_FILE, &out, "file for the report, %p: process id (standard error)" },
    { 0 },
};

/* Block.data: the mnemonics of its instructions, n_insns interned strings. */
static void *mnemonics(const Block *block, const struct qemu_plugin_tb *tb)
{
    const char **list = g_new(const char *, block->n_insns);

    for (size_t i = 0; i < block->n_insns; i++) {
        char *text = qemu_plugin_insn_disas(qemu_plugin_tb_get_insn(tb, i));

        text[strcspn(text, " \t")] = '\0';
        list[i] = g_intern_string(text);
        g_free(text);
    }
    return list;
}

static void translated(qemu_plugin_id_t id, struct qemu_plugin_tb *tb)
{
    (void)id;
    blocks_count(tb, mnemonics);
    for (size_t i = 0; memory && i < qemu_plugin_tb_n_insns(tb); i++) {
        struct qemu_plugin_insn *insn = qemu_plugin_tb_get_insn(tb, i);

        qemu_plugin_register_vcpu_mem_inline_per_vcpu(insn, QEMU_PLUGIN_MEM_R,
                                                      QEMU_PLUGIN_INLINE_ADD_U64, loads, 1);
        qemu_plugin_register_vcpu_mem_inline_per_vcpu(insn, QEMU_PLUGIN_MEM_W,
                                                      QEMU_PLUGIN_INLINE_ADD_U64, stores, 1);
    }
}

typedef struct Kind {
    const char *mnemonic;
    uint64_t executed;
    uint64_t places; /* instructions in the program that ran at least once */
} Kind;

static int by_count(const void *x, const void *y)
{
    const Kind *a = x;
    const Kind *b = y;

    return a->executed != b->executed ? (a->executed < b->executed ? 1 : -1)
                                      : strcmp(a->mnemonic, b->mnemonic);
}

static void add_block(GHashTable *kinds, const Block *b, uint64_t runs)
{
    const char **list = b->data;

    for (uint32_t i = 0; i < b->n_insns; i++) {
        Kind *k = g_hash_table_lookup(kinds, list[i]);

        if (!k) {
            k = g_new0(Kind, 1);
            k->mnemonic = list[i];
            g_hash_table_insert(kinds, (gpointer)list[i], k);
        }
        k->executed += runs;
        k->places++;
    }
}

/* All kinds that ran, the most frequent first; sums of instructions and blocks executed. */
static GArray *count(uint64_t *insns, uint64_t *entered)
{
    GHashTable *kinds = g_hash_table_new_full(g_direct_hash, g_direct_equal, NULL, g_free);
    GArray *sorted = g_array_new(FALSE, FALSE, sizeof(Kind));
    GPtrArray *all = blocks_all();
    GHashTableIter i;
    gpointer kind;

    *insns = *entered = 0;
    for (guint n = 0; n < all->len; n++) {
        const Block *b = all->pdata[n];
        uint64_t runs = block_runs(b);

        *insns += runs * b->n_insns;
        *entered += runs;
        if (runs) {
            add_block(kinds, b, runs);
        }
    }
    g_hash_table_iter_init(&i, kinds);
    while (g_hash_table_iter_next(&i, NULL, &kind)) {
        g_array_append_vals(sorted, kind, 1);
    }
    g_array_sort(sorted, by_count);
    g_hash_table_destroy(kinds);
    g_ptr_array_free(all, TRUE);
    return sorted;
}

static void report(qemu_plugin_id_t id, void *unused)
{
    FILE *f = plugin_report_open(name, out);
    uint64_t insns;
    uint64_t entered;
    GArray *kinds = count(&insns, &entered);

    (void)id;
    (void)unused;
    fprintf(f, "mix: %" PRIu64 " instructions, %" PRIu64 " blocks, %.1f instructions a block\n",
            insns, entered, entered ? (double)insns / (double)entered : 0);
    if (memory) {
        fprintf(f, "mix: %" PRIu64 " loads, %" PRIu64 " stores\n", qemu_plugin_u64_sum(loads),
                qemu_plugin_u64_sum(stores));
    }
    fprintf(f, "%7s %15s %8s  %s\n", "share", "executed", "places", "instruction");
    for (guint i = 0; i < kinds->len && i < top; i++) {
        const Kind *k = &g_array_index(kinds, Kind, i);

        fprintf(f, "%6.2f%% %15" PRIu64 " %8" PRIu64 "  %s\n",
                100.0 * (double)k->executed / (double)insns, k->executed, k->places, k->mnemonic);
    }
    g_array_free(kinds, TRUE);
    plugin_report_close(name, f);
}

static bool begin(qemu_plugin_id_t id, const qemu_info_t *info)
{
    (void)id;
    (void)info;
    loads = qemu_plugin_scoreboard_u64(qemu_plugin_scoreboard_new(sizeof(uint64_t)));
    stores = qemu_plugin_scoreboard_u64(qemu_plugin_scoreboard_new(sizeof(uint64_t)));
    return true;
}

const Bundled bundled = {
    .name = name,
    .args = args,
    .begin = begin,
    .translated = translated,
    .finish = report,
};
