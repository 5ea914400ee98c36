/* SPDX-License-Identifier: Apache-2.0 */
/*
 * ir/opt/trips.h - how often a loop's body is executed, where that is known beforehand.
 *
 * For functions as frontends make them, where values do not cross iterations: what a loop counts
 * in is a guest register.  A snapshot like IrCfg; what may change is where edges out of a loop lead.
 */
#ifndef KETCH_IR_OPT_TRIPS_H
#define KETCH_IR_OPT_TRIPS_H

#include "ir/opt/loops.h"

typedef struct IrTrips IrTrips;

IrTrips *ir_trips(const IrFunc *f, const IrCfg *cfg);

/*
 * How often the body of innermost loop `loop` is executed when it is left by its last block, of
 * which *tail becomes the number; ways out before that may make it less.  0: not known, or more
 * than `max`.
 */
uint32_t ir_trips_of(IrTrips *t, const IrLoop *loop, uint32_t max, IrBlockId *tail);

#endif
