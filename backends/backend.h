/* SPDX-License-Identifier: Apache-2.0 */
/*
 * backends/backend.h - what a backend is: IR in, something that runs out.
 *
 * A backend compiles an IrFunc into a BeCode and enters it for a vcpu.  It knows nothing of
 * guests beyond IrGuest, and nothing of units, tiers or threads beyond what it is told here.
 * The interpreter is a backend like any other.
 *
 * Threading: compile(), link() and unlink() are called by one thread at a time (the translator's
 * lock); enter() and restore() by any vcpu thread, also while another thread compiles or links.
 */
#ifndef KETCH_BACKENDS_BACKEND_H
#define KETCH_BACKENDS_BACKEND_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "ir/ir.h"
#include "ir/vcpu.h"

typedef enum BeStatus {
    BE_OK,
    BE_FULL, /* no room in the code cache: evict and try again */
    BE_BIG,  /* the function is too large for this backend: split it */
} BeStatus;

/* BeOptions.where of an insn without code of its own. */
#define BE_NOWHERE UINT32_MAX

/* An instruction of the host as text; `size` bytes at `offset` in the code. */
typedef void BeTextFn(void *opaque, uint32_t offset, unsigned size, const char *text);

/* Compiled code.  The struct is the caller's; what it points at lives in the code cache and the
 * backend's side memory until release(). */
typedef struct BeCode {
    const void *entry; /* enter() and links go here */
    void *side;    /* backend's own: exits, stack maps, IR of the interpreter */
    uint32_t size; /* host bytes from entry on, cold part included */
    uint32_t side_size;
    uint32_t n_exits; /* direct ones, each of which link() can point at another unit's code */
    uint32_t counter_size; /* bytes at the entry that count it; who leaves them out is not counted */
} BeCode;

/* Host registers at a fault, from the signal frame. */
typedef struct BeHostRegs {
    uint64_t pc;
    uint64_t gpr[32]; /* numbered as the host's instruction encoding does */
    uint64_t fpr[32]; /* low 64 bits */
} BeHostRegs;

/* How guest memory is reached. */
typedef enum BeMemory {
    BE_MEM_host, /* at Vcpu.mem_base + address: user mode */
    BE_MEM_flat, /* by softmmu/tables.h, and Vcpu.access() for what is not there */
    BE_MEM_tlb,
    BE_MEM_call, /* by Vcpu.access() only */
} BeMemory;

typedef struct BeOptions {
    BeMemory memory;
    int32_t *counter;  /* not NULL: *counter is decremented at each entry, and the unit is left
                          with IR_TRAP_hot (nothing executed) when it gets negative */
    const uint64_t *guard; /* not NULL: the unit is left with IR_TRAP_guard (pc = its start, nothing
                          executed) when guard[Vcpu.index] is not Vcpu.fetch_stamp */
    bool hot;          /* worth a little more code: with BE_MEM_flat and BE_MEM_tlb an access first guesses
                          that its page is that of the last time (MmuRecents) */
    bool note_jumps;   /* computed jumps say where they come from, see Vcpu.from */
    bool alone;        /* there is no other vcpu: what is atomic need not be so for other threads */
    bool no_link;      /* exits always leave to the run loop (-d nochain, --check, single steps) */
    bool show_registers; /* log what lives where (-d ra) */
    uint32_t *where;     /* not NULL: one for each of IrFunc.insn, BE_NOWHERE before: gets the offset
                            of the insn's code, [0] that of the rarely taken paths at the end */
} BeOptions;

typedef struct CodeBuf CodeBuf;

/* The stack frame in which all compiled code runs, for debuggers; registers by their DWARF number.
 * Below the return address lie those that enter() has saved, in this order. */
typedef struct BeFrame {
    uint32_t size; /* from the stack pointer to where the return address ends */
    uint8_t sp, ra;
    uint8_t n_saved, saved[8];
} BeFrame;

typedef struct Backend {
    const char *name; /* "x86_64", "interp" */

    /* Once, before anything else: emits entry and exit stubs into the code cache, which may be
     * NULL for a backend that makes no host code.  False when this host cannot run it. */
    bool (*start)(CodeBuf *code, const IrGuest *guest);

    /* After the code cache was emptied: emits the stubs again. */
    void (*restart)(CodeBuf *code);

    /* Compiles `f` (verified, passes done).  On anything but BE_OK nothing was changed. */
    BeStatus (*compile)(CodeBuf *code, const IrFunc *f, const BeOptions *options, BeCode *out);

    void (*release)(BeCode *code);

    /* Runs from `entry` until the guest leaves translated code.  On return the vcpu's slots, pc
     * and FP state are complete; the trap is also in vcpu->exit_trap, its argument in exit_arg.
     * With IR_TRAP_none, vcpu->exit_site is what exit_index() takes.  With IR_TRAP_hot it may be the
     * entry of the unit that is hot; then pc has not been set. */
    IrTrap (*enter)(Vcpu *vcpu, const BeCode *unit);

    /* Points exit `exit` of `code` at `target` (NULL: back at its stub); atomic for other
     * threads that run the code.  The entries are counted; a `warm` target's only when the exit leads
     * back or is a call. */
    void (*link)(CodeBuf *buf, BeCode *code, unsigned exit, const BeCode *target, bool warm);

    /* Which exit of `code` vcpu->exit_site names. */
    unsigned (*exit_index)(const BeCode *code, const void *site);

    /* Host pc inside `code` at a faulting access: puts the guest's state, pc included, into
     * `vcpu`.  False when pc is not one that may fault. */
    bool (*restore)(const BeCode *code, const BeHostRegs *regs, Vcpu *vcpu);

    /* After vcpu_raise() jumped out of enter() to *vcpu->raise, which the caller of enter() has set:
     * takes the FP environment out of the host's registers, as the end of enter() does.  NULL when
     * there is nothing to do. */
    void (*raised)(Vcpu *vcpu);

    /* A host FP exception (SIGFPE) in code that enter() runs, when Vcpu.fp_traps was not 0: *csr is
     * the host's FP control register, to be changed so that the code can go on.  False when it is
     * not the backend's doing.  May be NULL. */
    bool (*fp_trap)(Vcpu *vcpu, uint32_t *csr);

    /* Where a signal handler sends the host pc (state already restored, vcpu->exit_trap set) so
     * that enter() returns.  Host register that must hold the vcpu's state pointer is unchanged. */
    const void *(*leave)(void);

    const BeFrame *frame; /* NULL: there is none */

    /* Host code as text, for -d out; NULL when there is none. */
    void (*dump)(const BeCode *code, int fd);

    /* The same instruction by instruction.  False: there is no disassembler.  May be NULL. */
    bool (*disassemble)(const BeCode *code, BeTextFn *fn, void *opaque);
} Backend;

extern const Backend be_interp;
extern const Backend be_x86_64;

#endif
