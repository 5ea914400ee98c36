/* SPDX-License-Identifier: Apache-2.0 */
/*
 * frontends/system.h - what a frontend does for a whole machine, beyond frontend.h: privileged
 * state, page walk, traps, interrupts.
 *
 * The run loop of a hart (translator/machine.c) is: tr_run(); then by its stop trap(), or wait; and
 * before going on, interrupt().  Nothing here knows a device: interrupts are numbered lines, time
 * is a function.
 *
 * Threading: everything by the vcpu's own thread with the vcpu in C code (ir/vcpu.h, "Invariant"),
 * but set_line(), which any thread may call.
 */
#ifndef KETCH_FRONTENDS_SYSTEM_H
#define KETCH_FRONTENDS_SYSTEM_H

#include "frontends/frontend.h"
#include "softmmu/mmu.h"

/* What a hart is told at its start; constant. */
typedef struct FeSystemConfig {
    uint32_t hart;            /* number, as the guest sees it */
    PhysMem *mem;
    uint64_t (*time)(void *opaque);                /* ticks of the machine's timer (RISC-V: mtime) */
    void (*set_timer)(void *opaque, uint32_t hart, uint64_t when); /* fire at that tick: the hart's
                                                      timer line of the frontend's own kind (Sstc)
                                                      is then to be looked at: FeSystem.timer() */
    void *opaque;
    const char *options;      /* of -cpu, "name=value,..." or NULL */
} FeSystemConfig;

/* What a device tree says of a hart. */
typedef struct FeCpu {
    char isa[256];         /* "rv64imafdc_zicbom_..." */
    const char *mmu;       /* "riscv,sv48" */
    uint32_t zicbom_block, zicboz_block; /* bytes; 0: it has none */
} FeCpu;

/* How an access ended that the tables did not have. */
typedef struct FeWalk {
    bool ok;
    MmuPage page;   /* ok */
    uint64_t cause; /* not ok: the frontend's number of the exception, for fault() */
} FeWalk;

/* An entry of the page tables, for people. */
typedef struct FeMapping {
    uint64_t vaddr, paddr, size;
    char attributes[16]; /* in the ISA's letters */
} FeMapping;

struct FeSystem {
    /* Allocates Vcpu.system.  False and *error, a sentence. */
    bool (*create)(Vcpu *vcpu, const FeSystemConfig *config, const char **error);
    void (*destroy)(Vcpu *vcpu);

    /* What a board tells the guest of the hart. */
    void (*describe)(const Vcpu *vcpu, FeCpu *cpu);

    /* Reset: the hart starts at `pc` in its highest mode with arg0, arg1 where firmware expects them
     * (RISC-V: a0 = hart, a1 = device tree). */
    void (*reset)(Vcpu *vcpu, uint64_t pc, uint64_t arg0, uint64_t arg1);

    /* Page walk in the vcpu's current context for data (read, write) or fetches (exec): protection,
     * accessed and dirty bits included (they are set, when the ISA has hardware do that). */
    FeWalk (*walk)(Vcpu *vcpu, uint64_t vaddr, MmuAccess access, unsigned size);

    /* The physical address of vaddr in the vcpu's current context, for a look from outside (a debugger,
     * a monitor): whatever the protection, and nothing is changed.  False: it is not mapped. */
    bool (*locate)(Vcpu *vcpu, uint64_t vaddr, uint64_t *paddr);

    /* The first entry of the page tables in use that maps something at or above `from`, whatever the
     * privilege; changes nothing.  False: there is none, or addresses are physical. */
    bool (*mapping)(Vcpu *vcpu, uint64_t from, FeMapping *out);

    /* The instruction at vcpu->pc has stopped as `stop` says (syscall, breakpoint, illegal, fetch,
     * misaligned...): the guest's handler is entered; vcpu->pc is there. */
    void (*trap)(Vcpu *vcpu, IrTrap trap, uint64_t arg);

    /* An access or fetch at vcpu->pc to vaddr failed: with FeWalk.cause, or (bus) at a physical
     * address where nothing answers. */
    void (*fault)(Vcpu *vcpu, uint64_t vaddr, MmuAccess access, uint64_t cause);
    uint64_t bus_error; /* a cause: "access fault", fault() turns it into the one for `access` */

    /* Enters the handler of the most important interrupt that is pending and enabled.  False: there
     * is none. */
    bool (*interrupt)(Vcpu *vcpu);

    /* Would it?  Also in a wait for interrupts, where the global enable does not count.  Guest code
     * that may have enabled one sets Vcpu.exit_req: the run loop then asks at the next safepoint. */
    bool (*pending)(Vcpu *vcpu, bool waiting);

    /* Any thread: level of an input line (RISC-V: 3 MSI, 7 MTI, 9 SEI, 11 MEI).  The caller calls
     * tr_interrupt() after it. */
    void (*set_line)(Vcpu *vcpu, unsigned line, bool level);

    /* The tick that set_timer() asked for has come (or may have). */
    void (*timer)(Vcpu *vcpu);

    /* Named fields for snapshots: every word of privileged state.  False: no more. */
    bool (*field)(Vcpu *vcpu, unsigned index, const char **name, uint64_t **value);

    /* Fields were changed: what is derived from them is made again. */
    void (*loaded)(Vcpu *vcpu);
};

extern const FeSystem fe_riscv64_system;

#endif
