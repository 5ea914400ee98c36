/* SPDX-License-Identifier: Apache-2.0 */
/* Zifencei (RISC-V unprivileged spec, "Zifencei" Extension for Instruction-Fetch Fence). */
#include "frontends/riscv/riscv.h"

bool rv_fence_i(Rv *c, const RvFenceI *a)
{
    (void)a;
    fe_trap(c->fe, IR_TRAP_fence_i, c->fe->next_pc);
    return true;
}
