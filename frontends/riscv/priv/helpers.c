/* SPDX-License-Identifier: Apache-2.0 */
/* Functions of helpers.def that only a machine's code calls.  `desc` is the instruction in its low
 * half and in its high half the row of csr.def, where there is one. */
#include <time.h>

#include "frontends/riscv/priv/state.h"

enum { ROW_SHIFT = 32, INSN_SIZE = 4 };

_Noreturn static void illegal(Vcpu *vcpu, uint64_t desc)
{
    vcpu_raise(vcpu, IR_TRAP_illegal, (uint32_t)desc);
}

/* The instruction is done and what comes next needs other code, or an interrupt. */
_Noreturn static void leave(Vcpu *vcpu, uint64_t next)
{
    vcpu->pc = next;
    vcpu_raise(vcpu, IR_TRAP_mode, 0);
}

/* ---- CSRs ---- */

static const RvCsr *legal_row(Vcpu *vcpu, uint64_t desc, bool write)
{
    const RvCsr *csr = rv_csr_row((unsigned)(desc >> ROW_SHIFT));

    if (!rv_csr_is_legal(vcpu, csr, rv_field_csr((uint32_t)desc), write)) {
        illegal(vcpu, desc);
    }
    return csr;
}

uint64_t rv_helper_csr_read(Vcpu *vcpu, uint64_t desc, uint64_t b, uint64_t c)
{
    (void)b, (void)c;
    return rv_csr_read(vcpu, legal_row(vcpu, desc, false), rv_field_csr((uint32_t)desc));
}

/* The bits in mask become those of value; returns the value before. */
uint64_t rv_helper_csr_write(Vcpu *vcpu, uint64_t desc, uint64_t value, uint64_t mask)
{
    const RvCsr *csr = legal_row(vcpu, desc, true);
    unsigned number = rv_field_csr((uint32_t)desc), rd = rv_field_rd((uint32_t)desc);
    uint64_t old = rd ? rv_csr_read(vcpu, csr, number) : 0;

    rv_csr_write(vcpu, csr, number, value, mask);
    if (rv_system(vcpu)->changed && rv_changed(vcpu)) {
        if (rd) {
            vcpu->slot[rd] = old;
        }
        leave(vcpu, vcpu->pc + INSN_SIZE);
    }
    return old;
}

/* ---- Floating point ---- */

uint64_t rv_helper_fp_begin(Vcpu *vcpu, uint64_t desc, uint64_t b, uint64_t c)
{
    (void)b, (void)c;
    if (!(rv_status(vcpu) & RV_STATUS_FS)) {
        illegal(vcpu, desc);
    }
    vcpu->slot[RV_SLOT_status] |= RV_STATUS_FS | RV_STATUS_SD;
    return 0;
}

/* ---- Calls, returns, waiting.  The result is where it goes on ---- */

uint64_t rv_helper_ecall(Vcpu *vcpu, uint64_t desc, uint64_t b, uint64_t c)
{
    (void)desc, (void)b, (void)c;
    rv_enter(vcpu, RV_EXC_ECALL + rv_system(vcpu)->privilege, 0);
    vcpu->switched(vcpu);
    return vcpu->pc;
}

static uint64_t return_from(Vcpu *vcpu, RvPrivilege privilege)
{
    rv_return(vcpu, privilege);
    vcpu->switched(vcpu);
    if (vcpu->slot[RV_SLOT_irqs] && rv_interrupts(vcpu)) {
        atomic_store(&vcpu->exit_req, 1);
    }
    return vcpu->pc;
}

uint64_t rv_helper_mret(Vcpu *vcpu, uint64_t desc, uint64_t b, uint64_t c)
{
    (void)desc, (void)b, (void)c;
    return return_from(vcpu, RV_M);
}

static bool forbidden(const Vcpu *vcpu, uint64_t status_bit)
{
    return rv_system(vcpu)->privilege != RV_M && (rv_status(vcpu) & status_bit);
}

uint64_t rv_helper_sret(Vcpu *vcpu, uint64_t desc, uint64_t b, uint64_t c)
{
    (void)b, (void)c;
    if (forbidden(vcpu, RV_STATUS_TSR)) {
        illegal(vcpu, desc);
    }
    return return_from(vcpu, RV_S);
}

/* Waiting is up to the run loop. */
uint64_t rv_helper_wfi(Vcpu *vcpu, uint64_t desc, uint64_t b, uint64_t c)
{
    (void)b, (void)c;
    if (forbidden(vcpu, RV_STATUS_TW)) {
        illegal(vcpu, desc);
    }
    return 0;
}

/* Waits for another hart: for long, so that the thread of that one is perhaps waiting for a processor
 * of the host. */
uint64_t rv_helper_pause(Vcpu *vcpu, uint64_t a, uint64_t b, uint64_t c)
{
    enum { PAUSES = 100, NS = 20000 };
    const struct timespec rest = { 0, NS };

    (void)a, (void)b, (void)c;
    if (++rv_system(vcpu)->pauses % PAUSES == 0) {
        nanosleep(&rest, NULL);
    }
    return 0;
}

/* SIE has been set, and there are interrupts. */
uint64_t rv_helper_enabled(Vcpu *vcpu, uint64_t a, uint64_t b, uint64_t c)
{
    (void)a, (void)b, (void)c;
    if (rv_interrupts(vcpu)) {
        atomic_store(&vcpu->exit_req, 1);
        leave(vcpu, vcpu->pc + INSN_SIZE);
    }
    return 0;
}

/* ---- Address translation ---- */

static bool has_asid(uint64_t root, uint64_t asid)
{
    return (root >> RV_SATP_ASID_SHIFT & RV_SATP_ASID) == asid;
}

/* sfence.vma and sinval.vma; the operands are x0 or not by their numbers.  The result is where it goes
 * on: what is fetched there may be something else now. */
uint64_t rv_helper_sfence_vma(Vcpu *vcpu, uint64_t desc, uint64_t vaddr, uint64_t asid)
{
    if (forbidden(vcpu, RV_STATUS_TVM)) {
        illegal(vcpu, desc);
    }
    if (rv_field_rs1((uint32_t)desc)) {
        mmu_flush_page(vcpu, vaddr);
    } else if (rv_field_rs2((uint32_t)desc)) {
        mmu_flush_root(vcpu, has_asid, asid & RV_SATP_ASID);
    } else {
        mmu_flush_all(vcpu);
    }
    vcpu->switched(vcpu);
    return vcpu->pc + INSN_SIZE;
}

/* ---- Cache blocks ---- */

/* Unprivileged spec, "Control and Status Register State" of the cache-block extensions. */
static bool cbo_is_on(const RvSystem *s, uint64_t bits)
{
    return s->options.zicbom &&
           (s->privilege == RV_M ||
            ((s->menvcfg & bits) && (s->privilege == RV_S || (s->senvcfg & bits))));
}

/* cbo.inval, cbo.clean, cbo.flush: memory is coherent, so that what remains is whether the block may
 * be accessed; where it may not, that is a store's fault. */
uint64_t rv_helper_cbo(Vcpu *vcpu, uint64_t desc, uint64_t vaddr, uint64_t inval)
{
    FeWalk walk;

    if (!cbo_is_on(rv_system(vcpu), inval ? RV_ENVCFG_CBIE : RV_ENVCFG_CBCFE)) {
        illegal(vcpu, desc);
    }
    walk = rv_walk(vcpu, vaddr, MMU_read, RV_CBO_BLOCK);
    if (!walk.ok) {
        rv_enter(vcpu,
                 walk.cause == RV_EXC_LOAD_PAGE ? RV_EXC_STORE_PAGE : RV_EXC_STORE_ACCESS, vaddr);
        leave(vcpu, vcpu->pc);
    }
    return 0;
}
