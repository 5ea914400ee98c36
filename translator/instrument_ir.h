/* SPDX-License-Identifier: Apache-2.0 */
/*
 * translator/instrument_ir.h - what the IR of instrumentation names and its calls are made with.
 *
 * All of it lives in the memory of the blocks, until the code cache is emptied.
 */
#ifndef KETCH_TRANSLATOR_INSTRUMENT_IR_H
#define KETCH_TRANSLATOR_INSTRUMENT_IR_H

#include "base/arena.h"
#include "translator/instrument.h"

/* What a call at a memory access is told, besides the address. */
typedef struct InstrumentAccess {
    const TrAction *action;
    uint32_t access;
} InstrumentAccess;

/* What a refill does: the owner and data of an action, and a function. */
typedef struct InstrumentRefill {
    TrAction action;
    TrRefillFn *fn;
} InstrumentRefill;

Arena *instrument_memory(void);

#endif
