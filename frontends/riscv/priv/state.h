/* SPDX-License-Identifier: Apache-2.0 */
/*
 * frontends/riscv/priv/state.h - the privileged state of a hart and its bits.
 *
 * Owns:       RvSystem, Vcpu.system of a machine.  What translated code touches often is in slots
 *             of the vcpu instead: mstatus, sscratch, sepc, scause, stval (regs.def).
 * Invariant:  SD of the status slot is what FS says.  RvSystem.keys are those of the last
 *             mmu_switch(), pmp_range is made from pmpcfg and pmpaddr.
 * Threading:  the vcpu's own thread; `lines` and `soft_ip` any.
 */
#ifndef KETCH_FRONTENDS_RISCV_PRIV_STATE_H
#define KETCH_FRONTENDS_RISCV_PRIV_STATE_H

#include <stdatomic.h>

#include "frontends/riscv/options.h"
#include "frontends/riscv/riscv.h"
#include "frontends/system.h"

typedef enum RvPrivilege { RV_U = 0, RV_S = 1, RV_M = 3 } RvPrivilege;

#define RV_ALL UINT64_MAX
#define RV_PC (~UINT64_C(1)) /* IALIGN is 16 */
#define RV_BIT(n) (UINT64_C(1) << (n))

/* mstatus (privileged spec, "Machine Status Registers") */
#define RV_STATUS_SIE RV_BIT(1)
#define RV_STATUS_MIE RV_BIT(3)
#define RV_STATUS_SPIE RV_BIT(5)
#define RV_STATUS_MPIE RV_BIT(7)
#define RV_STATUS_SPP RV_BIT(8)
#define RV_STATUS_MPP (RV_BIT(11) | RV_BIT(12))
#define RV_STATUS_FS (RV_BIT(13) | RV_BIT(14))
#define RV_STATUS_MPRV RV_BIT(17)
#define RV_STATUS_SUM RV_BIT(18)
#define RV_STATUS_MXR RV_BIT(19)
#define RV_STATUS_TVM RV_BIT(20)
#define RV_STATUS_TW RV_BIT(21)
#define RV_STATUS_TSR RV_BIT(22)
#define RV_STATUS_UXL (RV_BIT(32) | RV_BIT(33))
#define RV_STATUS_XL (RV_BIT(33) | RV_BIT(35)) /* UXL and SXL: 64 bits */
#define RV_STATUS_SD RV_BIT(63)
#define RV_SSTATUS_W \
    (RV_STATUS_SIE | RV_STATUS_SPIE | RV_STATUS_SPP | RV_STATUS_FS | RV_STATUS_SUM | RV_STATUS_MXR)
#define RV_SSTATUS (RV_SSTATUS_W | RV_STATUS_UXL | RV_STATUS_SD)
#define RV_MSTATUS_W                                                                  \
    (RV_SSTATUS_W | RV_STATUS_MIE | RV_STATUS_MPIE | RV_STATUS_MPP | RV_STATUS_MPRV | \
     RV_STATUS_TVM | RV_STATUS_TW | RV_STATUS_TSR)

enum { RV_STATUS_MPP_SHIFT = 11, RV_STATUS_FS_SHIFT = 13 };
enum { RV_FS_OFF, RV_FS_INITIAL, RV_FS_CLEAN, RV_FS_DIRTY };

/* Interrupts: numbers, and sets of them */
enum { RV_IRQ_SSI = 1, RV_IRQ_MSI = 3, RV_IRQ_STI = 5, RV_IRQ_MTI = 7, RV_IRQ_SEI = 9, RV_IRQ_MEI = 11 };
#define RV_SSIP RV_BIT(RV_IRQ_SSI)
#define RV_S_INTERRUPTS (RV_SSIP | RV_BIT(RV_IRQ_STI) | RV_BIT(RV_IRQ_SEI))
#define RV_MIP_W RV_S_INTERRUPTS
#define RV_LINES \
    (RV_BIT(RV_IRQ_MSI) | RV_BIT(RV_IRQ_MTI) | RV_BIT(RV_IRQ_SEI) | RV_BIT(RV_IRQ_MEI))
#define RV_INTERRUPTS (RV_LINES | RV_S_INTERRUPTS)

/* Exceptions (privileged spec, "Machine Cause Register") */
enum {
    RV_EXC_FETCH_MISALIGNED = 0,
    RV_EXC_FETCH_ACCESS = 1,
    RV_EXC_ILLEGAL = 2,
    RV_EXC_BREAKPOINT = 3,
    RV_EXC_LOAD_MISALIGNED = 4,
    RV_EXC_LOAD_ACCESS = 5,
    RV_EXC_STORE_MISALIGNED = 6,
    RV_EXC_STORE_ACCESS = 7,
    RV_EXC_ECALL = 8, /* plus the privilege */
    RV_EXC_FETCH_PAGE = 12,
    RV_EXC_LOAD_PAGE = 13,
    RV_EXC_STORE_PAGE = 15,
    RV_EXC_COUNT,
};
#define RV_MEDELEG UINT64_C(0xb3ff) /* all but an ecall from M */
#define RV_CAUSE_INTERRUPT RV_BIT(63)

/* menvcfg, senvcfg */
#define RV_ENVCFG_FIOM RV_BIT(0)
#define RV_ENVCFG_CBIE (RV_BIT(4) | RV_BIT(5))
#define RV_ENVCFG_CBCFE RV_BIT(6)
#define RV_ENVCFG_CBZE RV_BIT(7)
#define RV_ENVCFG_ADUE RV_BIT(61)
#define RV_ENVCFG_PBMTE RV_BIT(62)
#define RV_ENVCFG_STCE RV_BIT(63)
#define RV_SENVCFG (RV_ENVCFG_FIOM | RV_ENVCFG_CBIE | RV_ENVCFG_CBCFE | RV_ENVCFG_CBZE)
#define RV_MENVCFG (RV_SENVCFG | RV_ENVCFG_ADUE | RV_ENVCFG_PBMTE | RV_ENVCFG_STCE)

/* mstateen0-3 */
#define RV_STATEEN_ENVCFG RV_BIT(62)
#define RV_STATEEN_SE RV_BIT(63)
#define RV_MSTATEEN0 (RV_STATEEN_ENVCFG | RV_STATEEN_SE)

/* mcountinhibit, counteren */
enum { RV_COUNTER_CY, RV_COUNTER_TM, RV_COUNTER_IR };
#define RV_COUNTERS (RV_BIT(RV_COUNTER_CY) | RV_BIT(RV_COUNTER_IR))

/* satp */
enum { RV_SATP_MODE_SHIFT = 60, RV_SATP_ASID_SHIFT = 44 };
enum { RV_SATP_BARE = 0, RV_SATP_SV39 = 8, RV_SATP_SV48 = 9, RV_SATP_SV57 = 10 };
#define RV_SATP_PPN (RV_BIT(44) - 1)
#define RV_SATP_ASID UINT64_C(0xffff)

enum { RV_PMP_ENTRIES = 16, RV_PA_BITS = 56 };
#define RV_PMPADDR (RV_BIT(54) - 1)

/* One active PMP entry: bytes [lo, hi] with these rights. */
typedef struct RvPmpRange {
    uint64_t lo, hi;
    uint8_t cfg; /* R, W, X, L as in pmpcfg */
} RvPmpRange;

/* What a CSR write may have changed: dealt with when it is done. */
enum { RV_CHANGED_CONTEXT = 1, RV_CHANGED_INTERRUPTS = 2, RV_CHANGED_MAP = 4 };

typedef struct RvSystem {
    FeSystemConfig config;
    RvOptions options;
    uint64_t privilege; /* RvPrivilege */

    uint64_t stvec, scounteren, senvcfg, sstateen0, stimecmp, satp;
    uint64_t medeleg, mideleg, mie, mtvec, mcounteren, menvcfg, mstateen0, mstateen[3];
    uint64_t mcountinhibit, mscratch, mepc, mcause, mtval;
    uint64_t mcycle, minstret; /* what to add to the host's clock; while inhibited the value */
    uint64_t pmpcfg[2], pmpaddr[RV_PMP_ENTRIES];
    bool timer_due;   /* stimecmp had come when rv_look_at_timer() was called last */

    _Atomic uint64_t lines;   /* interrupt inputs: RV_LINES */
    _Atomic uint64_t soft_ip; /* SSIP, STIP, SEIP as written; the input of SSI sets SSIP */

    RvPmpRange pmp_range[RV_PMP_ENTRIES];
    unsigned n_pmp_ranges;
    MmuKey data, fetch;
    unsigned changed; /* RV_CHANGED_... */
    unsigned pauses;
} RvSystem;

static inline RvSystem *rv_system(const Vcpu *vcpu)
{
    return (RvSystem *)vcpu->system;
}

static inline uint64_t rv_status(const Vcpu *vcpu)
{
    return vcpu->slot[RV_SLOT_status];
}

/* ---- csr.c ---- */

typedef enum RvWhere { RV_NOWHERE, RV_IN_SYSTEM, RV_IN_SLOTS } RvWhere;

typedef struct RvCsr {
    const char *name;
    uint16_t number, first, count; /* count: registers name<first>, ... from number on; 0: name */
    uint64_t mask;
    RvWhere where;
    uint32_t at; /* offset in RvSystem, or a slot */
    uint64_t (*read)(const Vcpu *vcpu, unsigned number);
    void (*write)(Vcpu *vcpu, unsigned number, uint64_t value, uint64_t mask);
    bool (*when)(const Vcpu *vcpu, unsigned number);
} RvCsr;

/* The rows of csr.def, in its order; NULL behind the last. */
const RvCsr *rv_csr_row(unsigned index);

/* The row of register `number`; NULL when there is none. */
const RvCsr *rv_csr_find(unsigned number);

/* Where the register's value is; NULL when it is made by functions. */
uint64_t *rv_csr_storage(Vcpu *vcpu, const RvCsr *csr);

/* Access without regard to privilege.  After a write rv_changed() is to be called. */
uint64_t rv_csr_read(const Vcpu *vcpu, const RvCsr *csr, unsigned number);
void rv_csr_write(Vcpu *vcpu, const RvCsr *csr, unsigned number, uint64_t value, uint64_t mask);

/* The privilege and the conditions allow the access. */
bool rv_csr_is_legal(const Vcpu *vcpu, const RvCsr *csr, unsigned number, bool write);

/* mip, with the inputs as they are now and the timer as it was seen last. */
uint64_t rv_mip(const Vcpu *vcpu);
void rv_look_at_timer(const Vcpu *vcpu);

/* ---- trap.c ---- */

/* Enters the handler of exception or interrupt (RV_CAUSE_INTERRUPT) `cause`. */
void rv_enter(Vcpu *vcpu, uint64_t cause, uint64_t tval);

/* What follows from RvSystem.changed: contexts, interrupts.  True: translated code must be left
 * (Vcpu.exit_req is set when an interrupt can be taken). */
bool rv_changed(Vcpu *vcpu);

/* mret and sret, legal ones. */
void rv_return(Vcpu *vcpu, RvPrivilege from);

void rv_set_privilege(Vcpu *vcpu, RvPrivilege privilege);

/* Notes mip & mie in its slot; returns those that would be taken now. */
uint64_t rv_interrupts(Vcpu *vcpu);

/* ---- walk.c, pmp.c ---- */

FeWalk rv_walk(Vcpu *vcpu, uint64_t vaddr, MmuAccess access, unsigned size);
bool rv_locate(Vcpu *vcpu, uint64_t vaddr, uint64_t *paddr);
bool rv_mapping(Vcpu *vcpu, uint64_t from, FeMapping *out);

/* Makes RvSystem.pmp_range. */
void rv_pmp_update(RvSystem *s);

typedef struct RvRights {
    bool read, write, exec;
} RvRights;

/* Of [paddr, paddr + size) for `privilege`; nothing when only part of it matches. */
RvRights rv_pmp_rights(const RvSystem *s, RvPrivilege privilege, uint64_t paddr, uint64_t size);

/* All bytes of [paddr, paddr + size) match the same entry, or none. */
bool rv_pmp_is_uniform(const RvSystem *s, uint64_t paddr, uint64_t size);

/* "access fault", "page fault" by kind of access. */
uint64_t rv_access_fault(MmuAccess access);

/* The instruction at the vcpu's pc; false when it cannot be fetched. */
bool rv_fetch_at_pc(Vcpu *vcpu, uint32_t *bits);

#endif
