/* SPDX-License-Identifier: Apache-2.0 */
/*
 * translator/source.h - guest code on its way into IR: what is common to units and regions.
 *
 * Under tr.lock.  source_begin(), then for each instruction source_look() and source_translate(),
 * then source_end().
 */
#ifndef KETCH_TRANSLATOR_SOURCE_H
#define KETCH_TRANSLATOR_SOURCE_H

#include <string.h>

#include "translator/state.h"

enum {
    SOURCE_WINDOW = 256,    /* bytes of guest code fetched at once */
    SOURCE_LOOK_AHEAD = 72, /* bytes that the frontend may want to see from an instruction on */
    SOURCE_INSNS = 512,     /* most instructions of a unit or region */
    SOURCE_SPANS = 64,
    SOURCE_INSN_BYTES = 48, /* or of a sequence of them that is taken as one */
};

typedef struct Source {
    FeContext c;
    uint64_t window_pc;
    size_t window_size;
    uint8_t window[SOURCE_WINDOW];
    bool writable; /* something of what was fetched may be changed by the guest */
    bool bare;     /* TR_MODE_BARE */
    bool whole;    /* sequences of instructions may be taken as one */
    bool fused;    /* one was */
    uint64_t start; /* these two: what source_place() was told */
    TrPage page;
    TrVcpu *across; /* code on other pages is taken too, as this vcpu sees it; NULL: not */
    TrGuard other;  /* these pages */

    const TrBlock *block; /* instrumentation: the block being translated; NULL: none */
    unsigned n_block;     /* instructions of it translated */
    bool instrumented;    /* the client does something */
    bool again;           /* its extent was wrong: make the IR anew */

    unsigned n_insns;
    unsigned n_spans;
    TrSpan span[SOURCE_SPANS];
    size_t n_copy;
    uint8_t copy[SOURCE_INSNS * SOURCE_INSN_BYTES]; /* bytes of the spans, one after the other */
} Source;

extern Source source;

/* Code that begins at `pc`, in `page`, will be looked at. */
void source_place(uint64_t pc, TrPage page);

/* Code on other pages than that of its start: as `v` sees it, and what is in `known` already.  Both NULL:
 * none is taken. */
void source_across(TrVcpu *v, const TrGuard *known);

/* The page of `pc`, to find a unit. */
TrPage source_page_of(uint64_t pc);

/* The other pages that the spans are on, for a new region; NULL: none. */
TrGuard *source_guard(void);

/* Bytes of the code of `unit` at `pc`; returns how many. */
size_t source_bytes(const TrUnit *unit, uint64_t pc, uint8_t *buf, size_t want);

/* An empty function for `mode`; c.block_at is set by the caller. */
IrFunc *source_begin(uint64_t pc, uint32_t mode, TrPage page);

/* Shows the frontend the code at `pc`; returns the instruction's shape, length 0 when it is not
 * all executable. */
FeShape source_look(uint64_t pc);

/* The same for the next instruction of `block`, which may have been looked at already. */
FeShape source_look_again(uint64_t pc);

/* The next instruction is not where the last one ended. */
void source_open_span(uint64_t pc);

/* Instrumentation: the block at `pc` begins; not when there is none or no client. */
void source_open_block(const TrBlock *block);

/* memcpy() of an instruction's bytes: most have 2 or 4. */
static inline void source_copy_insn(uint8_t *to, const uint8_t *from, size_t size)
{
    if (size == 4) {
        memcpy(to, from, 4);
    } else if (size == 2) {
        memcpy(to, from, 2);
    } else {
        memcpy(to, from, size);
    }
}

/* Translates the instruction at `pc` that was looked at last; returns where the next one is. */
uint64_t source_translate(uint64_t pc, const FeShape *shape);

/* The spans are complete, and so is the IR. */
void source_end(IrFunc *f);

#endif
