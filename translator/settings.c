/* SPDX-License-Identifier: Apache-2.0 */
#include "translator/settings.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "base/size.h"

const char *tr_parse_tier(const char *arg, TrTier *out)
{
    if (!strcmp(arg, "interp")) {
        *out = TR_TIER_interp;
    } else if (!strcmp(arg, "jit")) {
        *out = TR_TIER_jit;
    } else {
        return "--tier is interp or jit, not";
    }
    return NULL;
}

const char *tr_parse_threshold(const char *arg, uint32_t *out)
{
    uint64_t n;

    if (!size_parse(arg, &n) || n > INT32_MAX) {
        return "--tier-threshold needs a number of entries";
    }
    *out = (uint32_t)n;
    return NULL;
}

const char *tr_parse_cache_size(const char *arg, uint64_t *out)
{
    uint64_t n;

    if (!size_parse(arg, &n) || n < (1 << 20) || n > (1 << 30)) {
        return "--cache-size needs a size from 1M to 1G";
    }
    *out = n;
    return NULL;
}

const char *tr_parse_perf(const char *arg, unsigned *out)
{
    static const struct {
        const char *name;
        unsigned bits;
    } kinds[] = { { "map", TR_PERF_map },
                  { "jitdump", TR_PERF_jitdump },
                  { "both", TR_PERF_map | TR_PERF_jitdump } };

    for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++) {
        if (!arg || !strcmp(arg, kinds[i].name)) {
            *out |= kinds[i].bits;
            return NULL;
        }
    }
    return "--perf is map, jitdump or both, not";
}

/* A..B (inclusive), A+N, A-N, or A alone. */
static bool parse_range(const char *text, TrRange *range)
{
    char *end;
    const char *second;
    uint64_t a, b;

    errno = 0;
    a = strtoull(text, &end, 0);
    if (end == text || errno) {
        return false;
    }
    if (!*end) {
        *range = (TrRange){ a, a };
        return true;
    }
    second = end + (end[0] == '.' && end[1] == '.' ? 2 : 1);
    b = strtoull(second, &end, 0);
    if (end == second || *end || errno) {
        return false;
    }
    switch (second[-1]) {
    case '+':
        *range = (TrRange){ a, a + b - 1 };
        return b > 0;
    case '-':
        *range = (TrRange){ a - b + 1, a };
        return b > 0 && b <= a + 1;
    case '.':
        *range = (TrRange){ a, b };
        return second[-2] == '.' && a <= b;
    default:
        return false;
    }
}

const char *tr_parse_range(const char *arg, TrRange *out)
{
    return parse_range(arg, out) ? NULL : "-dfilter: not a range (A..B, A+N or A-N)";
}

/* QEMU's names for what has another name here, or is part of something else. */
static const struct {
    const char *qemu;
    const char *ketch;
} log_aliases[] = {
    { "in_asm", "in" }, { "op", "ir" },           { "op_opt", "opt" },
    { "out_asm", "out" }, { "guest_error", "guest_errors" }, { "nochain", NULL },
    { "op_ind", "ir" },   { "invalid_mem", "guest_errors" }, { "fpu", "cpu" },
};

bool tr_parse_log(const char *name, bool *no_chain)
{
    for (size_t i = 0; i < sizeof(log_aliases) / sizeof(log_aliases[0]); i++) {
        if (!strcmp(name, log_aliases[i].qemu)) {
            if (log_aliases[i].ketch) {
                return log_enable(log_aliases[i].ketch, NULL);
            }
            *no_chain = true;
            return true;
        }
    }
    return log_enable(name, NULL);
}
