/* SPDX-License-Identifier: Apache-2.0 */
/* userland/riscv64/riscv64.h - the parts of user_riscv64 (userland/abi.h). */
#ifndef KETCH_USERLAND_RISCV64_RISCV64_H
#define KETCH_USERLAND_RISCV64_RISCV64_H

#include "userland/abi.h"

/* Register slots of the vcpu (frontends/riscv). */
enum {
    RV_RA = 1,
    RV_SP = 2,
    RV_TP = 4,
    RV_A0 = 10,
    RV_A1 = 11,
    RV_A2 = 12,
    RV_A7 = 17,
    RV_F0 = 32,
    RV_RESERVATION = 64,
    RV_FRM = 66,
};

enum {
    RV_FRAME_SIZE = 1088,
    RV_VDSO_SIGRETURN = 0x400, /* offset of the return trampoline in the vDSO */
};

void riscv64_vdso(uint8_t page[4096], uint64_t addr);
bool riscv64_push_frame(Task *t, const SigCall *call);
bool riscv64_pop_frame(Task *t, uint64_t *mask);
bool riscv64_signal_caller(uint64_t *pc, uint64_t *reg);

#endif
