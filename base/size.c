/* SPDX-License-Identifier: Apache-2.0 */
#include "base/size.h"

#include <ctype.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* The decimals at `text`, of a unit of 1 << shift; *end: behind them. */
static uint64_t parse_fraction(const char *text, char **end, unsigned shift)
{
    double place = (double)(UINT64_C(1) << shift), value = 0;

    for (; isdigit((unsigned char)*text); text++) {
        place /= 10;
        value += place * (*text - '0');
    }
    *end = (char *)(uintptr_t)text;
    return (uint64_t)value;
}

bool size_parse(const char *text, uint64_t *out)
{
    static const char suffixes[] = "kmgt";
    char *end;
    const char *point;
    unsigned shift = 0;
    unsigned long long v;
    uint64_t fraction = 0;

    if (!isdigit((unsigned char)*text)) {
        return false; /* strtoull() would take spaces and a sign */
    }
    errno = 0;
    v = strtoull(text, &end, 0);
    if (errno) {
        return false;
    }
    point = *end == '.' && isdigit((unsigned char)end[1]) ? end + 1 : NULL;
    if (point) {
        parse_fraction(point, &end, 0);
        if (!*end) {
            return false; /* there are no parts of a byte */
        }
    }
    if (*end) {
        const char *s = strchr(suffixes, tolower((unsigned char)*end));

        if (!s || end[1]) {
            return false;
        }
        shift = 10 * (unsigned)(s - suffixes + 1);
        fraction = point ? parse_fraction(point, &end, shift) : 0;
    }
    if (v << shift >> shift != v) {
        return false;
    }
    *out = (v << shift) + fraction;
    return true;
}
