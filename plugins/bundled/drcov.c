/* SPDX-License-Identifier: Apache-2.0 */
/*
 * plugins/bundled/drcov.c - which blocks ran, in DynamoRIO's drcov format (version 2), which coverage
 * viewers read.
 *
 * The modules are the files that the guest had mapped when their blocks were translated.  Code in no
 * file (a just-in-time compiler's) has no module and is left out.
 */
#include <inttypes.h>
#include <string.h>

#include "plugins/bundled/blocks.h"
#include "plugins/bundled/bundled.h"
#include "plugins/ketch-plugin.h"

/* A row of the basic block table; the format is little-endian. */
typedef struct BlockRow {
    uint32_t start; /* from the module's base */
    uint16_t size;
    uint16_t module;
} BlockRow;

typedef struct Module {
    const char *file;
    uint64_t base;
    uint64_t end; /* of the last block seen in it */
} Module;

static const char name[] = "drcov";
static const char *out = "%p.drcov";

static const PluginArg args[] = {
    { "out", PLUGIN_ARG_FILE, &out, "file to write, %p: process id (%p.drcov)" },
    { 0 },
};

/* Block.data: where it is, a KetchPlace; NULL when in no file. */
static void *locate(const Block *block, const struct qemu_plugin_tb *tb)
{
    KetchPlace place;

    (void)tb;
    return ketch_plugin_place(block->vaddr, &place) ? g_memdup2(&place, sizeof(place)) : NULL;
}

static void translated(qemu_plugin_id_t id, struct qemu_plugin_tb *tb)
{
    (void)id;
    blocks_count(tb, locate);
}

/* The number of the module that a block is in; added when it is the first of it. */
static guint module_of(GArray *modules, const Block *block)
{
    const KetchPlace *place = block->data;
    uint64_t far = (block->vaddr - place->bias) & ~(uint64_t)UINT32_MAX; /* a kernel is: rows have 32 bits */
    Module new = { place->file, place->bias + far, block->vaddr + block->size };

    for (guint i = 0; i < modules->len; i++) {
        Module *m = &g_array_index(modules, Module, i);

        if (m->base == new.base && strcmp(m->file, new.file) == 0) {
            m->end = MAX(m->end, new.end);
            return i;
        }
    }
    g_array_append_val(modules, new);
    return modules->len - 1;
}

static void write_modules(FILE *f, const GArray *modules)
{
    fprintf(f, "DRCOV VERSION: 2\nDRCOV FLAVOR: ketch\n");
    fprintf(f, "Module Table: version 2, count %u\n", modules->len);
    fprintf(f, "Columns: id, base, end, entry, path\n");
    for (guint i = 0; i < modules->len; i++) {
        const Module *m = &g_array_index(modules, Module, i);

        fprintf(f, "%3u, 0x%016" PRIx64 ", 0x%016" PRIx64 ", 0x%016x, %s\n", i, m->base, m->end, 0,
                m->file);
    }
}

static void finish(qemu_plugin_id_t id, void *unused)
{
    GArray *modules = g_array_new(FALSE, FALSE, sizeof(Module));
    GArray *rows = g_array_new(FALSE, FALSE, sizeof(BlockRow));
    GPtrArray *all = blocks_all();
    FILE *f = plugin_report_open(name, out);

    (void)id;
    (void)unused;
    for (guint i = 0; i < all->len; i++) {
        const Block *b = all->pdata[i];

        if (b->data && block_runs(b)) {
            guint module = module_of(modules, b);
            uint64_t base = g_array_index(modules, Module, module).base;
            BlockRow row = { (uint32_t)(b->vaddr - base), (uint16_t)b->size, (uint16_t)module };

            g_array_append_val(rows, row);
        }
    }
    write_modules(f, modules);
    fprintf(f, "BB Table: %u bbs\n", rows->len);
    fwrite(rows->data, sizeof(BlockRow), rows->len, f);
    g_ptr_array_free(all, TRUE);
    g_array_free(rows, TRUE);
    g_array_free(modules, TRUE);
    plugin_report_close(name, f);
}

const Bundled bundled = {
    .name = name,
    .args = args,
    .translated = translated,
    .finish = finish,
};
