/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Scoreboards.  One is an offset into every vcpu's memory (translator/instrument.h), so that
 * translated code adds to an element in one instruction, nothing moves when vcpus start, and
 * elements are zero before their vcpu does.  Offsets are not used twice: translated code may still
 * hold that of a scoreboard that was freed.
 */
#include <stdlib.h>

#include "base/log.h"
#include "plugins/plugin.h"

struct qemu_plugin_scoreboard {
    uint32_t offset;
};

struct qemu_plugin_scoreboard *qemu_plugin_scoreboard_new(size_t element_size)
{
    struct qemu_plugin_scoreboard *s = g_new(struct qemu_plugin_scoreboard, 1);

    s->offset = tr_vcpu_reserve(element_size);
    if (s->offset == UINT32_MAX) {
        log_warn("plugin %s: its scoreboards need more than %d MiB for each vcpu",
                 plugin_running.plugin ? plugin_running.plugin->path : "", PLUGIN_VCPU_MEMORY >> 20);
        exit(1);
    }
    return s;
}

void qemu_plugin_scoreboard_free(struct qemu_plugin_scoreboard *score)
{
    g_free(score);
}

void *qemu_plugin_scoreboard_find(struct qemu_plugin_scoreboard *score, unsigned int vcpu_index)
{
    char *memory = tr_vcpu_memory(vcpu_index);

    return memory ? memory + score->offset : NULL;
}

uint32_t plugin_word(qemu_plugin_u64 entry)
{
    return entry.score->offset + (uint32_t)entry.offset;
}

/* NULL when the vcpu has never been. */
static uint64_t *word(qemu_plugin_u64 entry, unsigned vcpu_index)
{
    char *memory = tr_vcpu_memory(vcpu_index);

    return memory ? (uint64_t *)(void *)(memory + plugin_word(entry)) : NULL;
}

void qemu_plugin_u64_add(qemu_plugin_u64 entry, unsigned int vcpu_index, uint64_t added)
{
    *word(entry, vcpu_index) += added;
}

uint64_t qemu_plugin_u64_get(qemu_plugin_u64 entry, unsigned int vcpu_index)
{
    return *word(entry, vcpu_index);
}

void qemu_plugin_u64_set(qemu_plugin_u64 entry, unsigned int vcpu_index, uint64_t val)
{
    *word(entry, vcpu_index) = val;
}

uint64_t qemu_plugin_u64_sum(qemu_plugin_u64 entry)
{
    uint64_t sum = 0;

    for (unsigned i = 0; i < tr_vcpu_count(); i++) {
        sum += qemu_plugin_u64_get(entry, i);
    }
    return sum;
}
