/* SPDX-License-Identifier: Apache-2.0 */
#include "plugins/bundled/blocks.h"

#include <pthread.h>

/* Longest instruction of any guest, in bytes. */
#define MAX_INSN 16

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static GHashTable *table; /* set of Block */

static guint block_hash(gconstpointer key)
{
    const Block *b = key;

    return (guint)(b->vaddr ^ b->vaddr >> 32) * 31 + b->n_insns;
}

static gboolean block_equal(gconstpointer x, gconstpointer y)
{
    const Block *a = x;
    const Block *b = y;

    return a->vaddr == b->vaddr && g_bytes_equal(a->bytes, b->bytes);
}

static GBytes *bytes_of(const struct qemu_plugin_tb *tb)
{
    GByteArray *all = g_byte_array_new();

    for (size_t i = 0; i < qemu_plugin_tb_n_insns(tb); i++) {
        uint8_t bytes[MAX_INSN];
        size_t size =
            qemu_plugin_insn_data(qemu_plugin_tb_get_insn(tb, i), bytes, sizeof(bytes));

        g_byte_array_append(all, bytes, (guint)size);
    }
    return g_byte_array_free_to_bytes(all);
}

static Block *new_block(const Block *key, const struct qemu_plugin_tb *tb, BlockNew on_new)
{
    Block *b = g_memdup2(key, sizeof(*key));

    g_bytes_ref(b->bytes);
    b->size = (uint32_t)g_bytes_get_size(b->bytes);
    b->symbol = qemu_plugin_insn_symbol(qemu_plugin_tb_get_insn(tb, 0));
    b->runs = qemu_plugin_scoreboard_u64(qemu_plugin_scoreboard_new(sizeof(uint64_t)));
    if (on_new) {
        b->data = on_new(b, tb);
    }
    g_hash_table_add(table, b);
    return b;
}

Block *blocks_count(struct qemu_plugin_tb *tb, BlockNew on_new)
{
    Block key = { .vaddr = qemu_plugin_tb_vaddr(tb),
                  .n_insns = (uint32_t)qemu_plugin_tb_n_insns(tb),
                  .bytes = bytes_of(tb) };
    Block *b;

    pthread_mutex_lock(&lock);
    if (!table) {
        table = g_hash_table_new(block_hash, block_equal);
    }
    b = g_hash_table_lookup(table, &key);
    if (!b) {
        b = new_block(&key, tb, on_new);
    }
    pthread_mutex_unlock(&lock);
    g_bytes_unref(key.bytes);
    qemu_plugin_register_vcpu_tb_exec_inline_per_vcpu(tb, QEMU_PLUGIN_INLINE_ADD_U64, b->runs, 1);
    return b;
}

GPtrArray *blocks_all(void)
{
    GPtrArray *all = g_ptr_array_new();
    GHashTableIter i;
    gpointer block;

    pthread_mutex_lock(&lock);
    if (table) {
        g_hash_table_iter_init(&i, table);
        while (g_hash_table_iter_next(&i, &block, NULL)) {
            g_ptr_array_add(all, block);
        }
    }
    pthread_mutex_unlock(&lock);
    return all;
}

uint64_t block_runs(const Block *block)
{
    return qemu_plugin_u64_sum(block->runs);
}
