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

static Jump jumps[JUMPS];

static Jump *place_of(uint32_t pc)
{
    return &jumps[(pc >> 1) * UINT32_C(0x9e3779b1) >> 20];
}

_Static_assert(JUMPS == 1 << (32 - 20), "place_of() gives twelve bits");

void jumps_note_locked(uint32_t pc, uint64_t target)
{
    Jump *j = place_of(pc);
    unsigned k = 0;
    Seen now;

    if (j->pc != pc || !j->samples) {
        *j = (Jump){ .pc = pc };
    }
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
    const Jump *j = place_of(pc);
    unsigned n = 0;

    while (j->pc == pc && n < max && n < TARGETS && j->seen[n].samples &&
           j->seen[n].samples * share >= j->samples) {
        target[n] = j->seen[n].target;
        n++;
    }
    return n;
}
