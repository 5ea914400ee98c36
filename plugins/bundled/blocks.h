/* SPDX-License-Identifier: Apache-2.0 */
/*
 * plugins/bundled/blocks.h - every translated block, and how often it ran.
 *
 * A block that is translated again (after the code cache was emptied, or as part of a region) is the
 * same Block as before, if it has the same bytes.
 *
 * Threading: translation callbacks come from all vcpus; the table has a lock of its own.  Counters
 * are per vcpu.
 */
#ifndef KETCH_PLUGINS_BUNDLED_BLOCKS_H
#define KETCH_PLUGINS_BUNDLED_BLOCKS_H

#include <stdint.h>

#include <glib.h>

#include "plugins/qemu-plugin.h"

typedef struct Block {
    uint64_t vaddr;
    uint32_t n_insns;
    uint32_t size;        /* bytes */
    const char *symbol;   /* of the function it is in, or NULL */
    qemu_plugin_u64 runs; /* times it was entered, by vcpu */
    void *data;           /* the plugin's own, from BlockNew */
    GBytes *bytes;        /* the code */
} Block;

/* Called once for each new block, with the translation that showed it; gives Block.data. */
typedef void *(*BlockNew)(const Block *block, const struct qemu_plugin_tb *tb);

/*
 * The block of a translation, counted from now on wherever it runs.  Called from the translation
 * callback.  `on_new` may be NULL.
 */
Block *blocks_count(struct qemu_plugin_tb *tb, BlockNew on_new);

/* All blocks, as an array of Block *, in no order.  g_ptr_array_free() it. */
GPtrArray *blocks_all(void);

/* How often a block was entered, on all vcpus. */
uint64_t block_runs(const Block *block);

#endif
