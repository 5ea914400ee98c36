/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A host signal in the middle of guest code.  In a unit's code the stack map of the access gives
 * the guest's registers, and the host goes on at the backend's way out.  An access of a region may
 * stand for several instructions (ir/opt/opt.h), and so may one of a sequence that was taken as one
 * (Frontend.sequence): they are executed once more, one by one, and the
 * one that faults is what the guest sees.  In C code called from
 * there (the interpreter, a helper) the vcpu is already exact, and vcpu_raise() goes back to the
 * run loop.
 */
#include "translator/state.h"

#include <ucontext.h>

#include "base/check.h"

#ifdef __x86_64__

/* Host registers in the order in which instructions encode them. */
static const int gpr_index[16] = {
    REG_RAX, REG_RCX, REG_RDX, REG_RBX, REG_RSP, REG_RBP, REG_RSI, REG_RDI,
    REG_R8,  REG_R9,  REG_R10, REG_R11, REG_R12, REG_R13, REG_R14, REG_R15,
};

static void get_regs(const ucontext_t *uc, BeHostRegs *regs)
{
    *regs = (BeHostRegs){ .pc = (uint64_t)uc->uc_mcontext.gregs[REG_RIP] };
    for (unsigned i = 0; i < 16; i++) {
        const uint32_t *xmm = uc->uc_mcontext.fpregs->_xmm[i].element;

        regs->gpr[i] = (uint64_t)uc->uc_mcontext.gregs[gpr_index[i]];
        regs->fpr[i] = xmm[0] | (uint64_t)xmm[1] << 32;
    }
}

static void set_pc(ucontext_t *uc, const void *pc)
{
    uc->uc_mcontext.gregs[REG_RIP] = (greg_t)(uintptr_t)pc;
}

uint64_t fault_pc(const void *ucontext)
{
    const ucontext_t *uc = ucontext;

    return (uint64_t)uc->uc_mcontext.gregs[REG_RIP];
}

#else
#error "fault.c does not know this host's signal frame"
#endif

static void note(TrVcpu *v, const siginfo_t *info)
{
    uint64_t addr = (uint64_t)(uintptr_t)info->si_addr - v->vcpu.mem_base;

    v->info = *info;
    v->info.si_addr = (void *)(uintptr_t)addr;
    v->has_info = true;
    v->vcpu.exit_trap = IR_TRAP_fault;
    v->vcpu.exit_arg = addr;
}

bool tr_host_fault(int sig, siginfo_t *info, void *ucontext)
{
    ucontext_t *uc = ucontext;
    TrVcpu *v = tr_self;
    BeHostRegs regs;

    /* si_code <= 0: sent by a process, not caused by the code that was interrupted. */
    if (!v || !v->entered || info->si_code <= 0) {
        return false;
    }
    if (v->action) {
        if (sig == SIGFPE) {
            instrument_fp_trap(v, &uc->uc_mcontext.fpregs->mxcsr);
        }
        return sig == SIGFPE;
    }
    if (sig == SIGFPE && tr.backend->fp_trap) {
        return tr.backend->fp_trap(&v->vcpu, &uc->uc_mcontext.fpregs->mxcsr);
    }
    if (sig != SIGSEGV && sig != SIGBUS) {
        return false;
    }
    get_regs(uc, &regs);
    if (tr.code && codebuf_contains(tr.code, (const void *)(uintptr_t)regs.pc)) {
        const TrUnit *unit = cache_find_host((const void *)(uintptr_t)regs.pc);

        if (!unit || !tr.backend->restore(&unit->code, &regs, &v->vcpu)) {
            return false;
        }
        counts_undo(unit, &v->vcpu);
        note(v, info);
        if (tr.system || unit->fused || (unit->region && !tr.config.instrument)) {
            v->vcpu.exit_trap = IR_TRAP_again;
        }
        set_pc(uc, tr.backend->leave());
        return true;
    }
    if (tr.system) {
        return false;
    }
    note(v, info);
    /* The jump skips the return from this handler, which would bring the signal mask back. */
    pthread_sigmask(SIG_SETMASK, &uc->uc_sigmask, NULL);
    vcpu_raise(&v->vcpu, IR_TRAP_fault, v->vcpu.exit_arg);
}
