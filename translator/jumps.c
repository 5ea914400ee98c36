/* SPDX-License-Identifier: Apache-2.0 */
#include "translator/jumps.h"

#include <stddef.h>

enum {
    JUMPS = 4096,
    TARGETS = 8, /* remembered for each jump; others only count */
};

typedef struct Seen {
    uint64_t target;
    uint32_t samples; /* 0: free */
} Seen;

typedef struct Jump {
    uint32_t pc;
    uint32_t samples; /* all of them */
    Seen seen[TARGETS]; /* the most frequent first */
} Jump;

/* In the order in which they were seen, so that few of them are on few pages. */
static Jump jumps[JUMPS];
static unsigned n_jumps;

/* By a hash of the pc: number of the last jump seen there, + 1; 0: none. */
static uint16_t places[JUMPS];

static uint16_t *place_of(uint32_t pc)
{
    return &places[(pc >> 1) * UINT32_C(0x9e3779b1) >> 20];
}

_Static_assert(JUMPS == 1 << (32 - 20), "place_of() gives twelve bits");

static Jump *find_or_add(uint32_t pc)
{
    uint16_t *place = place_of(pc);
    Jump *j;

    if (!*place) {
        *place = (uint16_t)++n_jumps;
    }
    j = &jumps[*place - 1];
    if (j->pc != pc) {
        *j = (Jump){ .pc = pc };
    }
    return j;
}

void jumps_note_locked(uint32_t pc, uint64_t target)
{
    Jump *j = find_or_add(pc);
    unsigned k = 0;
    Seen now;

    j->samples++;
    while (k < TARGETS - 1 && j->seen[k].samples && j->seen[k].target != target) {
        k++;
    }
    now = j->seen[k].target == target ? j->seen[k] : (Seen){ target, 0 };
    now.samples++;
    for (; k && j->seen[k - 1].samples < now.samples; k--) {
        j->seen[k] = j->seen[k - 1];
    }
    j->seen[k] = now;
}

unsigned jumps_get_locked(uint32_t pc, unsigned share, uint64_t *target, unsigned max)
{
    uint16_t place = *place_of(pc);
    const Jump *j = place ? &jumps[place - 1] : NULL;
    unsigned n = 0;

    while (j && j->pc == pc && n < max && n < TARGETS && j->seen[n].samples &&
           j->seen[n].samples * share >= j->samples) {
        target[n] = j->seen[n].target;
        n++;
    }
    return n;
}
