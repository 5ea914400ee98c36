/* SPDX-License-Identifier: Apache-2.0 */
#include "translator/state.h"

#include <stdio.h>

static TrVcpuStats total;

void stats_fold(TrVcpu *v)
{
#define STAT(name, help)
#define VCPU_STAT(name, help)                                                                      \
    total.name += v->stats.name;                                                                   \
    v->stats.name = 0;
#include "translator/stats.def"
}

/* Per unit of something that may be zero. */
static double ratio(uint64_t a, uint64_t b)
{
    return b ? (double)a / (double)b : 0;
}

void tr_stats_print(int fd)
{
    const TrStats *s = &tr.stats;

    exclusive_for_each(stats_fold);
#define STAT(name, help)                                                                           \
    dprintf(fd, "%-20s %12llu  %s\n", #name, (unsigned long long)s->name, help);
#define VCPU_STAT(name, help)                                                                      \
    dprintf(fd, "%-20s %12llu  %s\n", #name, (unsigned long long)total.name, help);
#include "translator/stats.def"
    dprintf(fd, "%-20s %12.1f  translation time for one guest instruction\n", "ns_per_insn",
            ratio(s->translate_ns, s->insns + s->region_insns));
    dprintf(fd, "%-20s %12.1f  host bytes for one guest instruction\n", "host_per_insn",
            ratio(s->host_bytes, s->insns + s->region_insns));
    dprintf(fd, "%-20s %12.1f  bytes of memory in use for one guest instruction translated\n",
            "memory_per_insn", ratio(cache_memory(), s->insns + s->region_insns));
    dprintf(fd, "%-20s %12zu  bytes of the code cache in use\n", "cache_used",
            tr.code ? codebuf_used(tr.code) : 0);
}
