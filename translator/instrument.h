/* SPDX-License-Identifier: Apache-2.0 */
/*
 * translator/instrument.h - things to do at points of guest code, added while it is translated.
 *
 * One client (TrConfig.instrument) is shown every guest block before it is translated and says
 * what to do at its start, before an instruction, or at an instruction's memory accesses: call a
 * function, add to a word, store to one.  Each becomes IR, in front of all passes.  Code at which
 * nothing is done is the code of a run without a client, up to where units end.
 *
 * Blocks are QEMU's translation blocks: from where execution arrives to the first jump or branch
 * of any kind, the end of the guest page, or 512 instructions.  Code that is reached in its middle
 * is a second block, which overlaps the first.  Units and regions are made of whole blocks, and a
 * block is shown once until the code cache is emptied, however many units contain it (in a machine: once
 * for each physical page that it is found in).
 *
 * Words.  Each vcpu has TrInstrument.vcpu_memory bytes, zero at first, which generated code
 * addresses in one instruction.  The first few words that are reserved are registers to the
 * compiler, the very first stays in a host register: in memory they are exact in calls of their own
 * vcpu and while it is not in translated code.  Vcpus are numbered from 0; the number of one that has
 * ended, and its memory, go to the next that starts when it was the highest.
 *
 * Threading: block() runs under the translator's lock, so it must not translate, flush or wait for
 * a vcpu.  Calls run in their vcpu's thread, inside translated code: nothing may stop all vcpus
 * there, see tr_flush_soon().
 */
#ifndef KETCH_TRANSLATOR_INSTRUMENT_H
#define KETCH_TRANSLATOR_INSTRUMENT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "ir/ir.h"
#include "translator/translator.h"

typedef struct TrBlock TrBlock;
typedef struct TrInsn TrInsn;

typedef void TrCallFn(unsigned vcpu, void *data);
typedef void TrAccessFn(unsigned vcpu, uint32_t access, uint64_t vaddr, void *data);

typedef enum TrWhat { TR_CALL, TR_ADD, TR_STORE, TR_IR } TrWhat;

/* TR_IR: the client appends IR of its own, each time the code is translated. */
typedef struct TrEmit TrEmit;

typedef struct TrEmitAccess {
    uint64_t pc;
    uint32_t bits;  /* as TrAccessFn's `access` */
    IrRef address;  /* I64 */
    IrRef value;    /* I64, zero-extended; of a store also when a compare-and-swap fails */
} TrEmitAccess;

/* `access` is NULL at blocks and instructions. */
typedef void TrEmitFn(TrEmit *e, const TrEmitAccess *access, void *data);

/* What a call needs of the guest's registers: nothing, to see them, or to change them, too. */
typedef enum TrRegs { TR_REGS_none, TR_REGS_read, TR_REGS_write, TR_REGS_COUNT } TrRegs;

/* Bits of `access`: log2 of the size, then these.  A mask of the last two selects accesses. */
enum { TR_ACCESS_SIZE = 7, TR_ACCESS_SIGN = 8, TR_ACCESS_LOAD = 16, TR_ACCESS_STORE = 32 };

/* A 64-bit word: at `offset`, inside what tr_vcpu_reserve() gave, or one of the host when `host` is
 * set. */
typedef struct TrWord {
    uint64_t *host;
    uint64_t offset;
} TrWord;

/* Equal ones, one after the other, are kept once. */
typedef struct TrAction {
    TrWhat what;
    TrRegs regs;     /* call */
    uint32_t mask;   /* at accesses: TR_ACCESS_LOAD, TR_ACCESS_STORE */
    uint16_t only_when; /* IrOp, eq ne ltu leu: call only when if_word only_when if_imm; 0: always */
    uint16_t if_not;    /* the opposite */
    TrWord word;     /* add, store */
    uint64_t imm;
    TrCallFn *call;  /* at blocks and instructions */
    TrAccessFn *access;
    TrEmitFn *emit;  /* IR */
    void *data;
    TrWord if_word;
    uint64_t if_imm;
    void *owner;     /* for the client, see tr_running_action() */
} TrAction;

typedef struct TrStep {
    struct TrStep *next; /* of the last one: the first */
    const TrAction *action;
} TrStep;

/* What is to be done at a place, in order.  A single step may be that of other places, too. */
typedef struct TrActions {
    TrStep *last;
} TrActions;

struct TrInsn {
    TrBlock *block;
    uint64_t pc;
    uint32_t bytes_at; /* in the block's */
    uint32_t size;
    TrActions before, accesses;
};

struct TrBlock {
    uint64_t pc;
    uint64_t page; /* of a machine: where it is, for tr_insn_host() */
    uint32_t n_insns;
    uint32_t size;   /* bytes of the guest's */
    uint8_t *bytes;  /* of all instructions, each in whole words, zeroes behind it */
    TrInsn *insn;
    TrActions start;
};

/* Zeroes follow up to whole words. */
static inline const uint8_t *tr_insn_bytes(const TrInsn *insn)
{
    return insn->block->bytes + insn->bytes_at;
}

#define TR_NO_ADDRESS UINT64_MAX

struct TrInstrument {
    size_t vcpu_memory;             /* bytes for each vcpu */
    void (*block)(TrBlock *block);  /* a block is about to be translated */
    void (*flushed)(void);          /* all blocks and actions are gone; no vcpu runs */
    /* A vcpu has stopped before the instruction at vcpu->pc, maybe inside a block: a fault at vaddr, or the
     * like (TR_NO_ADDRESS).  What comes behind it in the block was not executed. */
    void (*stopped)(Vcpu *vcpu, uint64_t vaddr);
};

/* Where the instruction is in the memory of this process; NULL: nowhere any more.  Not executable. */
const uint8_t *tr_insn_host(const TrInsn *insn);

/* Appends a copy of `action`.  Only from TrInstrument.block(), for its block. */
void tr_do_at_block(TrBlock *block, const TrAction *action);
void tr_do_at_insn(TrInsn *insn, const TrAction *action);
void tr_do_at_accesses(TrInsn *insn, const TrAction *action);

/* For a TrEmitFn.  Appends an insn that is neither a terminator nor may fault; its result. */
IrRef tr_emit(TrEmit *e, IrInsn insn);

/* Whether what is appended here may be skipped while the rest of the block is executed. */
bool tr_emit_conditional(const TrEmit *e);

/* Whether the instruction is translated for itself, the rest of its block having been executed: one that
 * has been begun and is done again. */
bool tr_emit_alone(const TrEmit *e);
IrType tr_emit_type(const TrEmit *e, IrRef value);

/* The value that an I64 one is a constant more than; 0 for a constant.  *more: how much more. */
IrRef tr_emit_root(const TrEmit *e, IrRef value, int64_t *more);

/* `word` while it has a bit of `mask`, below 2^31, else what fn(vcpu, word, data) returns.  A test and a
 * jump that is not taken; like a call with TR_REGS_none. */
typedef uint64_t TrRefillFn(unsigned vcpu, uint64_t word, void *data);
IrRef tr_emit_refill(TrEmit *e, IrRef word, uint32_t mask, TrRefillFn *fn, void *data, void *owner);

/* Not at accesses, which are inside an instruction: the value of a register slot; a call of
 * `action` when the I1 `condition` holds. */
bool tr_emit_between_insns(const TrEmit *e);
IrRef tr_emit_register(TrEmit *e, unsigned slot);
void tr_emit_call_if(TrEmit *e, IrRef condition, const TrAction *action);

/* Bytes in every vcpu's memory, aligned as by malloc(), zero in vcpus to come: their offset.  UINT32_MAX when
 * there are no more.  Before the first one: tr_vcpu_memory_start(). */
uint32_t tr_vcpu_reserve(size_t size);
void tr_vcpu_memory_start(const IrGuest *guest, const TrInstrument *client);

/* Where the offsets of vcpu `index` begin, also of one that has ended; NULL when there was none of
 * that number. */
void *tr_vcpu_memory(unsigned index);

/* One more than the highest number that a vcpu ever had. */
unsigned tr_vcpu_count(void);

/* Calls fn for each vcpu that exists. */
void tr_for_each_vcpu(void (*fn)(Vcpu *vcpu, void *opaque), void *opaque);

/* Inside TrAction.access of this thread: the bits that were loaded or stored, zero-extended. */
void tr_access_value(uint64_t *low, uint64_t *high);

/* Empties the code cache as soon as no vcpu runs, so that all code is translated anew, and calls
 * TrInstrument.flushed().  Any thread, also inside a call. */
void tr_flush_soon(void);

/* The action whose call this thread is in; NULL when none.  Async-signal-safe. */
const TrAction *tr_running_action(void);

/* Whether the registers of this thread's vcpu are exact now: always outside of translated code,
 * inside a call when it said so. */
bool tr_registers_readable(void);
bool tr_registers_writable(void);

#endif
