/* SPDX-License-Identifier: Apache-2.0 */
#include "translator/settings.h"

#include <string.h>

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
