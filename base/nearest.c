/* SPDX-License-Identifier: Apache-2.0 */
#include "base/nearest.h"

#include <limits.h>
#include <stdio.h>
#include <string.h>

enum {
    WORD_MOST = 40,     /* letters; nothing is near to a longer word */
    BEGINNING_LEAST = 3 /* letters that say which word begins with them */
};

static unsigned least(unsigned a, unsigned b)
{
    return a < b ? a : b;
}

/* Optimal string alignment: the fewest insertions, deletions, replacements and swaps of neighbours.
 * row[i % 3][j] is the distance of the first i letters of a and the first j of b. */
static unsigned distance(const char *a, size_t a_length, const char *b, size_t b_length)
{
    unsigned row[3][WORD_MOST + 1];

    for (size_t j = 0; j <= b_length; j++) {
        row[0][j] = (unsigned)j;
    }
    for (size_t i = 1; i <= a_length; i++) {
        unsigned *now = row[i % 3], *before = row[(i + 2) % 3];

        now[0] = (unsigned)i;
        for (size_t j = 1; j <= b_length; j++) {
            now[j] = least(before[j - 1] + (a[i - 1] != b[j - 1]), least(before[j], now[j - 1]) + 1);
            if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1]) {
                now[j] = least(now[j], row[(i + 1) % 3][j - 2] + 1);
            }
        }
    }
    return row[a_length % 3][b_length];
}

Nearest nearest_begin(const char *wanted)
{
    return (Nearest){ .wanted = wanted, .distance = UINT_MAX };
}

void nearest_offer(Nearest *n, const char *word)
{
    const char *wanted = n->wanted + strspn(n->wanted, "-");
    const char *known = word + strspn(word, "-");
    size_t wanted_length = strlen(wanted), length = strlen(known);
    unsigned d;

    if (wanted_length == 0 || wanted_length > WORD_MOST || length > WORD_MOST) {
        return;
    }
    d = distance(wanted, wanted_length, known, length);
    if (d > length / 3) {
        if (wanted_length < BEGINNING_LEAST || strncmp(known, wanted, wanted_length)) {
            return;
        }
        /* A typing error in a whole word is likelier than one that breaks off. */
        d += WORD_MOST;
    }
    if (d < n->distance) {
        n->word = word;
        n->distance = d;
    }
}

void nearest_hint(const Nearest *n, char out[NEAREST_HINT])
{
    if (n->word) {
        snprintf(out, NEAREST_HINT, "; did you mean '%s'?", n->word);
    } else {
        out[0] = '\0';
    }
}
