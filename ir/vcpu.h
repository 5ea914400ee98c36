/* SPDX-License-Identifier: Apache-2.0 */
/*
 * ir/vcpu.h - the part of a virtual processor that translated code and every tier touch.
 *
 * Owns:       guest registers (slot[]), pc, FP environment, the way out of translated code.
 * Layout:     host code addresses it through one register that points at slot[16]
 *             (VCPU_BIAS), so that slots 0-31 are within a signed byte of it.
 * Invariant:  while a vcpu is in C code, slot[], pc and fp_flags are the guest's state, complete.
 *             Inside a unit they are stale; a stack map (or the interpreter) makes them true
 *             before anyone looks.
 * Threading:  a Vcpu is touched by its own thread; others only set exit_req.
 */
#ifndef KETCH_IR_VCPU_H
#define KETCH_IR_VCPU_H

#include <setjmp.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "ir/guest.h"
#include "ir/ir.h"

enum {
    VCPU_SLOTS = 80,
    VCPU_BIAS = 128,            /* bytes from the Vcpu to where the host's state register points */
    VCPU_JUMP_CACHE = 16384,    /* entries; a power of two */
    VCPU_JUMP_TAG_SHIFT = 57,   /* Vcpu.jump_tag has bits from here on, and no pc more than its sign */
};

/* One guest pc and the host code for it; `host` is where an unmatched pc must not jump. */
typedef struct VcpuJump {
    uint64_t pc; /* VCPU_NO_PC when empty */
    const void *host;
} VcpuJump;

#define VCPU_NO_PC UINT64_MAX

/* An access of a whole machine that generated code does not make itself. */
typedef enum VcpuAccessKind { VCPU_load, VCPU_store, VCPU_rmw } VcpuAccessKind;

/* An access with this addend makes the host fault: wherever the guest has memory, the sum is no
 * canonical address. */
#define VCPU_NO_ADDEND (UINT64_C(1) << 63)

typedef struct VcpuAccess {
    uint64_t addr;
    uint64_t value;   /* store: what; load: gets it, zero-extended */
    uint64_t addend;  /* gets host address - guest address of this page for accesses of this kind, or
                         VCPU_NO_ADDEND; a rmw's access itself is the caller's */
    VcpuAccessKind kind;
    uint8_t size;     /* bytes: 1, 2, 4 or 8 */
    const void *site; /* the place in host code, or NULL */
} VcpuAccess;

struct Vcpu {
    uint64_t slot[VCPU_SLOTS];
    uint64_t pc;

    /* Nonzero: leave translated code at the next safepoint.  Set by any thread (release), read by
     * generated code, cleared by the run loop (acquire). */
    _Atomic uint32_t exit_req;

    uint32_t exit_trap;  /* IrTrap: why the unit was left */
    uint64_t exit_arg;   /* with it: what the trap says of its argument */
    void *exit_site;     /* direct exits not linked yet: the backend's name of the exit, else NULL */
    uint64_t mem_base;   /* host address of guest address 0 (user mode); often 0 */

    /* FP environment while in C code.  In a unit the host's own register holds it. */
    uint32_t fp_flags;   /* IrFpFlag, sticky */
    uint32_t fp_rm;      /* IrRm: the dynamic mode */
    /* Translation mode of this vcpu: part of a unit's key.  After a reset only the owner changes it,
     * together with the jump cache; others change the state that it is computed from.  Other threads
     * may look at it, and learn nothing else from that. */
    _Atomic uint32_t mode;
    uint32_t fp_traps;   /* host FP exceptions that may still trap, see Backend.fp_trap; 0: none */
    uint32_t fp_unmask;  /* a backend's own: which of them do */

    /* With IR_TRAP_hot: the low half of the pc of the computed jump that led here, and the index of
     * the target in the jump cache times two.  Something else, when that is not how it came. */
    uint64_t from, from_index;

    uint64_t host_sp;    /* stack pointer of the C code that entered the unit */
    IrHelperFn *const *helpers; /* indexed by helper number */
    const void *const *backend_fns;   /* the backend's own C functions, indexed by it */

    uint32_t index;      /* its number in the process, from 0 */
    const IrGuest *guest;

    /* Host code for `pc`, which was not in the jump cache; NULL: leave with IR_TRAP_lookup.  Called
     * from translated code, all slots in memory; does not look at pc and FP state.  May be NULL. */
    const void *(*find)(Vcpu *vcpu, uint64_t pc);
    /* The result of a `refill` of `word`.  Called from translated code, whose state is not complete. */
    uint64_t (*refill)(Vcpu *vcpu, uint64_t what, uint64_t word);
    void *owner;         /* whoever runs the vcpu (translator) */
    void *user;          /* whoever owns the run loop (userland thread, board) */
    sigjmp_buf *raise;   /* where vcpu_raise() goes */

    VcpuJump jump_cache[VCPU_JUMP_CACHE]; /* a pc has two places: vcpu_jump_index() and the one beside it */

    /* Whole machines only.  Data: tables of the current context (softmmu/tables.h), and what they do not
     * have.  Fetches: what pc is xored with in the jump cache, by context and mode. */
    const uint64_t *mmu_read, *mmu_write;
    struct MmuRecents *mmu_recent;
    bool (*access)(Vcpu *vcpu, VcpuAccess *access); /* false: it faults, exit_trap and exit_arg set */
    void (*switched)(Vcpu *vcpu); /* a helper has changed the translation mode or the context for
                                     fetches: makes mode and jump_tag right; the unit ends with exit_ind */
    uint64_t jump_tag;
    uint64_t fetch_stamp; /* changes with what any fetch may find */
    void *mmu;           /* softmmu/mmu.c */
    void *system;        /* the frontend's privileged state (frontends/system.h) */
};

/* Where translated code looks for `pc` first. */
static inline unsigned vcpu_jump_index(uint64_t pc)
{
    return (unsigned)(pc >> 1) & (VCPU_JUMP_CACHE - 1);
}

/* ... and then: programs jump to pcs that have the first place in common, by turns. */
static inline unsigned vcpu_jump_second(unsigned index)
{
    return index ^ 1;
}

/* After entries were zeroed: where pc 0 is looked for, 0 would match. */
static inline void vcpu_jumps_zeroed(Vcpu *vcpu)
{
    for (unsigned i = 0; i < 2; i++) {
        if (!vcpu->jump_cache[i].host) {
            vcpu->jump_cache[i].pc = VCPU_NO_PC;
        }
    }
}

/* From a helper with IR_TRAPS: leaves the unit with `trap` at the current instruction, whose pc
 * the backend has put in vcpu->pc.  Does not return. */
_Noreturn void vcpu_raise(Vcpu *vcpu, IrTrap trap, uint64_t arg);

#endif
