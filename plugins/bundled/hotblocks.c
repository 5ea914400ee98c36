/* SPDX-License-Identifier: Apache-2.0 */
/*
 * plugins/bundled/hotblocks.c - which blocks of code the program spends its instructions in.
 *
 * One inline counter for each block; the report ranks blocks by instructions executed in them.
 */
#include <inttypes.h>

#include "plugins/bundled/blocks.h"
#include "plugins/bundled/bundled.h"

static const char name[] = "hotblocks";
static uint64_t top = 20;
static bool disas;
static const char *out;

static const PluginArg args[] = {
    { "top", PLUGIN_ARG_NUMBER, &top, "how many blocks the report lists (20)" },
    { "disas", PLUGIN_ARG_BOOL, &disas, "with the instructions of each" },
    { "out", PLUGIN_ARG_FILE, &out, "file for the report, %p: process id (standard error)" },
    { 0 },
};

/* Block.data: its disassembly, one line for each instruction; NULL when none is wanted. */
static void *disassemble(const Block *block, const struct qemu_plugin_tb *tb)
{
    GString *text = g_string_new(NULL);

    (void)block;
    for (size_t i = 0; i < qemu_plugin_tb_n_insns(tb); i++) {
        struct qemu_plugin_insn *insn = qemu_plugin_tb_get_insn(tb, i);
        char *line = qemu_plugin_insn_disas(insn);

        g_string_append_printf(text, "%24" PRIx64 "  %s\n", qemu_plugin_insn_vaddr(insn), line);
        g_free(line);
    }
    return g_string_free(text, FALSE);
}

static void translated(qemu_plugin_id_t id, struct qemu_plugin_tb *tb)
{
    (void)id;
    blocks_count(tb, disas ? disassemble : NULL);
}

typedef struct Rank {
    const Block *block;
    uint64_t runs;
    uint64_t insns;
} Rank;

static int by_insns(const void *x, const void *y)
{
    const Rank *a = x;
    const Rank *b = y;

    if (a->insns != b->insns) {
        return a->insns < b->insns ? 1 : -1;
    }
    return (a->block->vaddr > b->block->vaddr) - (a->block->vaddr < b->block->vaddr);
}

/* All blocks, the hottest first; `total` is the sum of their instructions. */
static GArray *rank(uint64_t *total)
{
    GArray *ranks = g_array_new(FALSE, FALSE, sizeof(Rank));
    GPtrArray *all = blocks_all();

    *total = 0;
    for (guint i = 0; i < all->len; i++) {
        const Block *b = all->pdata[i];
        Rank r = { b, block_runs(b), block_runs(b) * b->n_insns };

        *total += r.insns;
        g_array_append_val(ranks, r);
    }
    g_ptr_array_free(all, TRUE);
    g_array_sort(ranks, by_insns);
    return ranks;
}

static void report(qemu_plugin_id_t id, void *unused)
{
    FILE *f = plugin_report_open(name, out);
    uint64_t total;
    GArray *ranks = rank(&total);

    (void)id;
    (void)unused;
    fprintf(f, "hotblocks: %" PRIu64 " instructions in %u blocks\n", total, ranks->len);
    fprintf(f, "%7s %15s %13s %6s  %-16s %s\n", "share", "instructions", "runs", "insns", "address",
            "function");
    for (guint i = 0; i < ranks->len && i < top; i++) {
        const Rank *r = &g_array_index(ranks, Rank, i);

        fprintf(f, "%6.2f%% %15" PRIu64 " %13" PRIu64 " %6u  %-16" PRIx64 " %s\n",
                total ? 100.0 * (double)r->insns / (double)total : 0, r->insns, r->runs,
                r->block->n_insns, r->block->vaddr, r->block->symbol ? r->block->symbol : "-");
        if (r->block->data) {
            fputs(r->block->data, f);
        }
    }
    g_array_free(ranks, TRUE);
    plugin_report_close(name, f);
}

const Bundled bundled = {
    .name = name,
    .args = args,
    .translated = translated,
    .finish = report,
};
