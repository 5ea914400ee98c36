/* SPDX-License-Identifier: Apache-2.0 */
#include "base/size.h"

#include <ctype.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

bool size_parse(const char *text, uint64_t *out)
{
    static const char suffixes[] = "kmgt";
    char *end;
    unsigned shift = 0;
    unsigned long long v;

    if (!isdigit((unsigned char)*text)) {
        return false; /* strtoull() would take spaces and a sign */
    }
    errno = 0;
    v = strtoull(text, &end, 0);
    if (errno) {
        return false;
    }
    if (*end) {
        const char *s = strchr(suffixes, tolower((unsigned char)*end));

        if (!s || end[1]) {
            return false;
        }
        shift = 10 * (unsigned)(s - suffixes + 1);
    }
    if (v << shift >> shift != v) {
        return false;
    }
    *out = v << shift;
    return true;
}
