/* SPDX-License-Identifier: Apache-2.0 */
/*
 * base/nearest.h - which of some known words a user is likely to have meant.
 *
 *   Nearest n = nearest_begin("--stat");
 *   for each known word:  nearest_offer(&n, word);
 *   nearest_hint(&n, hint);
 *   printf("unknown option '--stat'%s", hint);
 */
#ifndef KETCH_BASE_NEAREST_H
#define KETCH_BASE_NEAREST_H

enum { NEAREST_HINT = 80 /* bytes of the longest hint */ };

typedef struct Nearest {
    const char *wanted;
    const char *word;  /* the best so far, as it was offered; NULL: none is near enough */
    unsigned distance; /* of `word`; only less than this is better */
} Nearest;

/* `wanted` stays the caller's and has to live as long as the result is used. */
Nearest nearest_begin(const char *wanted);

/* A word is near when a third of its letters or fewer have to be typed, left out, replaced or swapped
 * with their neighbour, or when `wanted` is the beginning of it.  Dashes in front do not count. */
void nearest_offer(Nearest *n, const char *word);

/* Writes "; did you mean 'WORD'?" for the end of an error message, or "" when no word is near. */
void nearest_hint(const Nearest *n, char out[NEAREST_HINT]);

#endif
