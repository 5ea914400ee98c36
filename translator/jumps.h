/* SPDX-License-Identifier: Apache-2.0 */
/*
 * translator/jumps.h - where computed jumps were seen to lead.
 *
 * A sample each time the counter of a unit runs out, taken from the jump that led there: targets that
 * are entered often have more.  A hint, not a fact: jumps are named by the low half of their pc, and
 * of two that share a place in the table the newer one stays.
 */
#ifndef KETCH_TRANSLATOR_JUMPS_H
#define KETCH_TRANSLATOR_JUMPS_H

#include <stdint.h>

void jumps_note_locked(uint32_t jump, uint64_t target);

/* The targets with at least 1/share of the jump's samples, at most `max`, the most frequent first;
 * returns how many. */
unsigned jumps_get_locked(uint32_t jump, unsigned share, uint64_t *target, unsigned max);

#endif
