/* SPDX-License-Identifier: Apache-2.0 */
/*
 * frontends/frontend.h - what a guest ISA is: bytes in, IR out, one instruction at a time.
 *
 * The translator decides which instructions make a unit (it asks shape() for the control flow);
 * the frontend says what each one means.  Where an instruction may go next is reported through
 * the fe_* calls below, which make an edge inside the unit when the target is part of it and an
 * exit otherwise.  Nothing here knows a backend.
 *
 * Threading: everything is per FeContext; the tables are constant.
 */
#ifndef KETCH_FRONTENDS_FRONTEND_H
#define KETCH_FRONTENDS_FRONTEND_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "ir/guest.h"
#include "ir/ir.h"

typedef enum FeKind {
    FE_PLAIN,    /* goes on with the next instruction */
    FE_BRANCH,   /* to `target` or the next */
    FE_JUMP,     /* to `target` */
    FE_CALL,     /* to `target`, expected to come back to the next */
    FE_INDIRECT, /* computed */
    FE_ICALL,    /* computed, expected to come back */
    FE_RETURN,   /* computed, back to a caller */
    FE_STOP,     /* system call, fence.i, trap, illegal: the unit ends here */
} FeKind;

typedef struct FeShape {
    uint8_t length; /* bytes; 0: more bytes are needed than were given */
    FeKind kind : 7;
    bool begins : 1; /* ask Frontend.sequence() */
    uint16_t insn;  /* these two: what the frontend has decoded */
    uint32_t bits;
    uint64_t target;
} FeShape;

typedef struct FeContext FeContext;

struct FeContext {
    IrBuild b;
    uint64_t pc;          /* of the instruction being translated */
    uint64_t next_pc;     /* after it */
    const uint8_t *bytes; /* the instruction and what follows it, as far as it is readable */
    size_t n_bytes;
    const FeShape *shape; /* what shape() says of it, so that it is decoded once; or NULL */
    uint32_t mode;        /* translation mode, a constant of the unit */
    bool ended;           /* set by fe_*: the current block has its terminator */
    bool threads;         /* the guest has had more than one thread: LR/SC must be exact */
    bool asked_threads;   /* set by the frontend when what it made depends on `threads` */
    bool poll_at_head;    /* safepoints are at the start of blocks that jumps lead back to, made by the
                             translator: fe_poll() does nothing */
    uint32_t page_last;   /* pages, of PHYS_PAGE bytes, may come from anywhere: the last offset in one at
                             which an instruction does not reach the next; 0: no pages */
    bool one_insn;        /* each unit is one instruction (-one-insn-per-tb, exclusive stepping) */

    /* The block of this unit that starts at `pc`; false when none does.  Set by the translator. */
    bool (*block_at)(FeContext *c, uint64_t pc, IrBlockId *block);
    /* The k-th pc that the computed jump at the end of the current block is expected to lead to, a
     * block of this unit; false when there are no more.  NULL: there are none. */
    bool (*expected)(FeContext *c, unsigned k, uint64_t *pc);
    void *opaque;
};

/* A register as debuggers and plugins see it, numbered as gdb does for this architecture. */
typedef struct FeRegister {
    const char *name;
    const char *feature; /* of a target description: "org.gnu.gdb.riscv.cpu" */
    const char *type;    /* there: "int", "code_ptr", "data_ptr", "ieee_double" */
    uint16_t number;
    uint8_t bits;        /* 32 or 64 */
    uint8_t slot;        /* for get and set */

    /* The vcpu is in C code (ir/vcpu.h, "Invariant").  set() changes what hardware would. */
    uint64_t (*get)(const Vcpu *vcpu, unsigned slot);
    void (*set)(Vcpu *vcpu, unsigned slot, uint64_t value);
} FeRegister;

/* Semihosting, calls to whoever runs the guest: a breakpoint among these instructions. */
enum { FE_SEMIHOSTING_CODE = 12 };

typedef struct FeSemihosting {
    uint8_t code[FE_SEMIHOSTING_CODE]; /* the instructions */
    uint8_t at, length;                /* of the breakpoint, in bytes */
    uint8_t slot_number;               /* register of the call's number, then of its result */
    uint8_t slot_argument;
} FeSemihosting;

/* Which processor of its kind the guest has: -cpu. */
typedef struct FeCpuChoice {
    const char *const *models;      /* names, NULL at the end */
    /* Before anything is translated.  False: text[0, size) has a sentence.  A whole machine's processors are
     * chosen by FeSystem.create(). */
    bool (*choose)(const char *words, char *text, size_t size);
    void (*help)(void);             /* on standard output */
    bool (*has)(const char *name);  /* an extension, by the name that choose() takes */
    bool (*isa)(char *text, size_t size); /* as programs are told it; true when it fits */
} FeCpuChoice;

typedef struct Frontend {
    const char *name;      /* "riscv64" */
    const IrGuest *guest;
    uint16_t elf_machine;  /* EM_RISCV */
    unsigned max_insn;     /* bytes */
    const char *gdb_name;  /* gdb's name of the architecture: "riscv:rv64" */
    const FeRegister *registers; /* by number */
    unsigned n_registers;
    const FeSemihosting *semihosting;
    const FeCpuChoice *cpu;
    unsigned pc_align;     /* a pc that is not a multiple of it is IR_TRAP_misaligned_fetch */

    /* Control flow of the instruction in bytes[0, n). */
    FeShape (*shape)(uint64_t pc, const uint8_t *bytes, size_t n);

    /* Bytes of the instructions in bytes[0, n) that are best taken as one; 0: there are none.  For a shape
     * that says `begins`, whose length then becomes this one; translate() takes all of them.  What an
     * access does is that of the last one, so a fault is none before each has been executed alone.
     * NULL: there are no such sequences. */
    unsigned (*sequence)(const uint8_t *bytes, size_t n);

    /* Appends the IR of the instruction at c->pc (the marker included) and sets c->next_pc.
     * An unknown instruction becomes exit_trap(IR_TRAP_illegal). */
    void (*translate)(FeContext *c);

    /* Text of the instruction in `text`; returns its length in bytes, 0 when truncated. */
    unsigned (*disassemble)(uint64_t pc, const uint8_t *bytes, size_t n, char *text, size_t size);

    /* The translation mode that the vcpu's state asks for now. */
    uint32_t (*mode)(const Vcpu *vcpu);

    /* After IR_TRAP_exclusive the vcpu runs alone, by single instructions, while this holds (and
     * the translator's limit): true between LR and SC. */
    bool (*reserved)(const Vcpu *vcpu);

    void (*reset)(Vcpu *vcpu);

    /* Registers as text, several lines, for -d cpu and crash reports. */
    void (*dump)(const Vcpu *vcpu, char *text, size_t size);
} Frontend;

extern const Frontend fe_riscv64;         /* user programs */
extern const Frontend fe_riscv64_machine; /* whole machines: with fe_riscv64_system */

/* The register of that name, or with that number; NULL when there is none. */
const FeRegister *fe_register(const Frontend *fe, const char *name);
const FeRegister *fe_register_number(const Frontend *fe, unsigned number);

/* For translators: how the current instruction goes on.  Each ends the block, except fe_branch,
 * after which the builder stands on the not-taken side when that is not a block of its own.
 * fe_poll() or fe_poll_indirect(), before any effect of a jump or branch, is the safepoint of a
 * loop inside the unit; the exits have theirs in their flags. */
void fe_poll(FeContext *c, uint64_t target);
void fe_poll_indirect(FeContext *c);
void fe_jump(FeContext *c, uint64_t target);
void fe_call(FeContext *c, uint64_t target, uint64_t return_pc);
void fe_branch(FeContext *c, IrRef cond, uint64_t target);
void fe_indirect(FeContext *c, IrRef target, unsigned flags, uint64_t return_pc);
void fe_trap(FeContext *c, IrTrap trap, uint64_t pc);

#endif
