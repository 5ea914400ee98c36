/* SPDX-License-Identifier: Apache-2.0 */
/* The signal frame of Linux on RISC-V: struct rt_sigframe, to the byte. */
#include <stddef.h>
#include <string.h>

#include "base/bits.h"
#include "userland/mem.h"
#include "userland/riscv64/riscv64.h"

typedef struct RvFpState {
    uint64_t f[32];
    uint32_t fcsr;
    uint32_t pad[64];    /* the union's largest member is the quad-precision state */
    uint32_t reserved;
    uint32_t end_magic;  /* header that ends the list of extensions: 0, 0 */
    uint32_t end_size;
} RvFpState;

typedef struct RvSigFrame {
    siginfo_t info;
    uint64_t uc_flags, uc_link;
    uint64_t stack_sp;
    uint32_t stack_flags, stack_pad;
    uint64_t stack_size;
    uint64_t sigmask;
    uint8_t unused[120];
    uint64_t align;
    uint64_t gpr[32];    /* pc in place of x0 */
    RvFpState fp;
} RvSigFrame;

_Static_assert(offsetof(RvSigFrame, gpr) == 128 + 176, "uc_mcontext");
_Static_assert(offsetof(RvFpState, reserved) == 516, "extension header");
_Static_assert(sizeof(RvSigFrame) == RV_FRAME_SIZE, "struct rt_sigframe");

bool riscv64_push_frame(Task *t, const SigCall *call)
{
    uint64_t sp = bits_align_down(call->stack - sizeof(RvSigFrame), 16);
    SigStack alt = sig_altstack(t, t->vcpu->slot[RV_SP]);
    Vcpu *v = t->vcpu;
    RvSigFrame f;

    memset(&f, 0, sizeof(f));
    f.info = *call->info;
    f.stack_sp = alt.sp;
    f.stack_flags = alt.flags;
    f.stack_size = alt.size;
    f.sigmask = call->saved_mask;
    memcpy(f.gpr, v->slot, sizeof(f.gpr));
    f.gpr[0] = v->pc;
    memcpy(f.fp.f, &v->slot[RV_F0], sizeof(f.fp.f));
    f.fp.fcsr = (uint32_t)(v->slot[RV_FRM] & 7) << 5 | (v->fp_flags & 31);
    if (!mem_write(sp, &f, sizeof(f))) {
        return false;
    }
    v->slot[RV_RA] = process.vdso + RV_VDSO_SIGRETURN;
    v->slot[RV_SP] = sp;
    v->slot[RV_A0] = (uint64_t)call->sig;
    v->slot[RV_A1] = sp;
    v->slot[RV_A2] = sp + offsetof(RvSigFrame, uc_flags);
    v->slot[RV_RESERVATION] = VCPU_NO_PC;
    v->pc = call->action->handler;
    return true;
}

bool riscv64_pop_frame(Task *t, uint64_t *mask)
{
    Vcpu *v = t->vcpu;
    SigStack alt;
    RvSigFrame f;

    if (!mem_read(&f, v->slot[RV_SP], sizeof(f)) || f.fp.reserved || f.fp.end_magic) {
        return false;
    }
    memcpy(&v->slot[1], &f.gpr[1], sizeof(f.gpr) - sizeof(f.gpr[0]));
    v->pc = f.gpr[0];
    memcpy(&v->slot[RV_F0], f.fp.f, sizeof(f.fp.f));
    v->slot[RV_FRM] = f.fp.fcsr >> 5 & 7;
    v->fp_flags = f.fp.fcsr & 31;
    v->fp_rm = v->slot[RV_FRM] <= IR_RM_RMM ? (uint32_t)v->slot[RV_FRM] : IR_RM_RNE;
    v->slot[RV_RESERVATION] = VCPU_NO_PC;
    alt = (SigStack){ f.stack_sp, f.stack_size, f.stack_flags };
    /* As in the kernel, a bad alternate stack is not an error here. */
    (void)sig_set_altstack(t, &alt, v->slot[RV_SP]);
    *mask = f.sigmask;
    return true;
}

bool riscv64_signal_caller(uint64_t *pc, uint64_t *reg)
{
    RvSigFrame f;

    if (*pc != process.vdso + RV_VDSO_SIGRETURN || !mem_read(&f, reg[RV_SP], sizeof(f))) {
        return false;
    }
    memcpy(&reg[1], &f.gpr[1], sizeof(f.gpr) - sizeof(f.gpr[0]));
    *pc = f.gpr[0];
    return true;
}
