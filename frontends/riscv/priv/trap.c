/* SPDX-License-Identifier: Apache-2.0 */
/* Traps, returns from them, interrupts, and what depends on the privilege (RISC-V privileged spec,
 * "Machine-Level ISA", "Supervisor-Level ISA"). */
#include "base/log.h"
#include "frontends/riscv/priv/state.h"

/* ---- Translation mode and contexts ---- */

/* Kernels switch FP on and off at every entry and use it rarely: for them FS is not part of the
 * mode. */
static unsigned fp_mode(RvPrivilege privilege, uint64_t status)
{
    return privilege != RV_U                          ? RV_MODE_fp_ask
           : (status & RV_STATUS_FS) == RV_STATUS_FS ? RV_MODE_fp_ready
                                                      : RV_MODE_fp_clean;
}

static bool cbo_zero_is_on(const RvSystem *s)
{
    return s->options.zicboz &&
           (s->privilege == RV_M || ((s->menvcfg & RV_ENVCFG_CBZE) &&
                                     (s->privilege == RV_S || (s->senvcfg & RV_ENVCFG_CBZE))));
}

uint32_t rv_machine_mode(const Vcpu *vcpu)
{
    const RvSystem *s = rv_system(vcpu);
    uint32_t mode = rv_mode(vcpu);

    if (!s) { /* not a whole hart yet */
        return mode | RV_M << RV_MODE_PRIVILEGE_SHIFT | RV_MODE_fp_ask;
    }
    mode |= (uint32_t)s->privilege << RV_MODE_PRIVILEGE_SHIFT;
    mode |= fp_mode((RvPrivilege)s->privilege, rv_status(vcpu));
    return mode | (cbo_zero_is_on(s) ? RV_MODE_cbo_zero : 0);
}

static MmuKey fetch_key(const RvSystem *s, RvPrivilege privilege)
{
    bool paged = privilege != RV_M && s->satp >> RV_SATP_MODE_SHIFT != RV_SATP_BARE;

    return (MmuKey){ .root = paged ? s->satp : 0, .rights = privilege,
                     .shared = paged && privilege == RV_S };
}

/* With SUM or MXR it is another context than that for fetches, which stays as it is. */
static MmuKey data_key(const RvSystem *s, RvPrivilege privilege, uint64_t status)
{
    MmuKey key = fetch_key(s, privilege);

    if (key.root) {
        key.rights |= (uint32_t)(status & (RV_STATUS_MXR | (privilege == RV_S ? RV_STATUS_SUM : 0)));
    }
    return key;
}

static bool same(const MmuKey *a, const MmuKey *b)
{
    return a->root == b->root && a->rights == b->rights && a->shared == b->shared;
}

/* Makes the vcpu's contexts those of its state; true when that changes the one for fetches. */
static bool update_contexts(Vcpu *vcpu)
{
    RvSystem *s = rv_system(vcpu);
    uint64_t status = rv_status(vcpu), mpp = (status & RV_STATUS_MPP) >> RV_STATUS_MPP_SHIFT;
    RvPrivilege privilege = (RvPrivilege)(status & RV_STATUS_MPRV ? mpp : s->privilege);
    MmuKey fetch = fetch_key(s, (RvPrivilege)s->privilege), data = data_key(s, privilege, status);
    bool elsewhere = !same(&fetch, &s->fetch);

    if (elsewhere || !same(&data, &s->data)) {
        s->data = data;
        s->fetch = fetch;
        mmu_switch(vcpu, &data, &fetch);
    }
    return elsewhere;
}

void rv_set_privilege(Vcpu *vcpu, RvPrivilege privilege)
{
    rv_system(vcpu)->privilege = privilege;
    update_contexts(vcpu);
}

/* ---- Interrupts ---- */

uint64_t rv_interrupts(Vcpu *vcpu)
{
    const RvSystem *s = rv_system(vcpu);
    uint64_t status = rv_status(vcpu), take = 0, ready = s->mie ? s->mie & rv_mip(vcpu) : 0;

    vcpu->slot[RV_SLOT_irqs] = ready;
    if (s->privilege < RV_M || (status & RV_STATUS_MIE)) {
        take |= ready & ~s->mideleg;
    }
    if (s->privilege < RV_S || (s->privilege == RV_S && (status & RV_STATUS_SIE))) {
        take |= ready & s->mideleg;
    }
    return take;
}

bool rv_changed(Vcpu *vcpu)
{
    RvSystem *s = rv_system(vcpu);
    unsigned changed = s->changed;
    bool leave = false;

    s->changed = 0;
    if (changed & RV_CHANGED_MAP) {
        mmu_flush_all(vcpu);
        leave = true;
    }
    if (changed & RV_CHANGED_CONTEXT) {
        leave |= update_contexts(vcpu);
        leave |= rv_machine_mode(vcpu) != vcpu->mode;
    }
    if (((changed & RV_CHANGED_INTERRUPTS) || vcpu->slot[RV_SLOT_irqs]) && rv_interrupts(vcpu)) {
        atomic_store(&vcpu->exit_req, 1);
        leave = true;
    }
    return leave;
}

/* ---- Traps ---- */

static const char *const exception_names[RV_EXC_COUNT] = {
    [RV_EXC_FETCH_MISALIGNED] = "fetch misaligned",
    [RV_EXC_FETCH_ACCESS] = "fetch access fault",
    [RV_EXC_ILLEGAL] = "illegal instruction",
    [RV_EXC_BREAKPOINT] = "breakpoint",
    [RV_EXC_LOAD_MISALIGNED] = "load misaligned",
    [RV_EXC_LOAD_ACCESS] = "load access fault",
    [RV_EXC_STORE_MISALIGNED] = "store misaligned",
    [RV_EXC_STORE_ACCESS] = "store access fault",
    [RV_EXC_ECALL + RV_U] = "ecall from U",
    [RV_EXC_ECALL + RV_S] = "ecall from S",
    [RV_EXC_ECALL + RV_M] = "ecall from M",
    [RV_EXC_FETCH_PAGE] = "fetch page fault",
    [RV_EXC_LOAD_PAGE] = "load page fault",
    [RV_EXC_STORE_PAGE] = "store page fault",
};

static void log_trap(const Vcpu *vcpu, uint64_t cause, uint64_t tval)
{
    bool async = cause & RV_CAUSE_INTERRUPT;
    uint64_t number = cause & ~RV_CAUSE_INTERRUPT;
    const char *name = async ? "interrupt"
                       : number < RV_EXC_COUNT && exception_names[number] ? exception_names[number]
                                                                          : "?";

    log_line(LOG_int, "hart:%u, async:%d, cause:%016llx, epc:0x%016llx, tval:0x%016llx, desc=%s\n",
             rv_system(vcpu)->config.hart, async, (unsigned long long)number,
             (unsigned long long)vcpu->pc, (unsigned long long)tval, name);
}

/* Where the handler is: vectored interrupts have one each. */
static uint64_t handler(uint64_t tvec, uint64_t cause)
{
    bool vectored = (tvec & 3) == 1 && (cause & RV_CAUSE_INTERRUPT);

    return (tvec & ~UINT64_C(3)) + (vectored ? 4 * (cause & ~RV_CAUSE_INTERRUPT) : 0);
}

static uint64_t moved(uint64_t status, uint64_t from, uint64_t to)
{
    return (status & ~(from | to)) | (status & from ? to : 0);
}

static void enter_s(Vcpu *vcpu, uint64_t cause, uint64_t tval)
{
    RvSystem *s = rv_system(vcpu);
    uint64_t status = moved(rv_status(vcpu), RV_STATUS_SIE, RV_STATUS_SPIE) & ~RV_STATUS_SPP;

    vcpu->slot[RV_SLOT_status] = status | (s->privilege == RV_S ? RV_STATUS_SPP : 0);
    vcpu->slot[RV_SLOT_scause] = cause;
    vcpu->slot[RV_SLOT_sepc] = vcpu->pc;
    vcpu->slot[RV_SLOT_stval] = tval;
    vcpu->pc = handler(s->stvec, cause);
    rv_set_privilege(vcpu, RV_S);
}

static void enter_m(Vcpu *vcpu, uint64_t cause, uint64_t tval)
{
    RvSystem *s = rv_system(vcpu);
    uint64_t status = moved(rv_status(vcpu), RV_STATUS_MIE, RV_STATUS_MPIE) & ~RV_STATUS_MPP;

    vcpu->slot[RV_SLOT_status] = status | s->privilege << RV_STATUS_MPP_SHIFT;
    s->mcause = cause;
    s->mepc = vcpu->pc;
    s->mtval = tval;
    vcpu->pc = handler(s->mtvec, cause);
    rv_set_privilege(vcpu, RV_M);
}

void rv_enter(Vcpu *vcpu, uint64_t cause, uint64_t tval)
{
    const RvSystem *s = rv_system(vcpu);
    uint64_t delegated = cause & RV_CAUSE_INTERRUPT ? s->mideleg : s->medeleg;

    if (log_enabled(LOG_int)) {
        log_trap(vcpu, cause, tval);
    }
    vcpu->slot[RV_SLOT_resaddr] = VCPU_NO_PC;
    if (s->privilege != RV_M && (delegated >> (cause & 63) & 1)) {
        enter_s(vcpu, cause, tval);
    } else {
        enter_m(vcpu, cause, tval);
    }
}

void rv_return(Vcpu *vcpu, RvPrivilege from)
{
    const RvSystem *s = rv_system(vcpu);
    uint64_t status = rv_status(vcpu);
    RvPrivilege to;

    if (from == RV_M) {
        to = (RvPrivilege)((status & RV_STATUS_MPP) >> RV_STATUS_MPP_SHIFT);
        status = (moved(status, RV_STATUS_MPIE, RV_STATUS_MIE) & ~RV_STATUS_MPP) | RV_STATUS_MPIE;
        vcpu->pc = s->mepc & rv_options_pc();
    } else {
        to = status & RV_STATUS_SPP ? RV_S : RV_U;
        status = (moved(status, RV_STATUS_SPIE, RV_STATUS_SIE) & ~RV_STATUS_SPP) | RV_STATUS_SPIE;
        vcpu->pc = vcpu->slot[RV_SLOT_sepc] & rv_options_pc();
    }
    if (to != RV_M) {
        status &= ~RV_STATUS_MPRV;
    }
    vcpu->slot[RV_SLOT_status] = status;
    vcpu->slot[RV_SLOT_resaddr] = VCPU_NO_PC;
    rv_set_privilege(vcpu, to);
}
