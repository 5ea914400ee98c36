/* SPDX-License-Identifier: Apache-2.0 */
/* Zba (RISC-V unprivileged spec, "Zba: Address generation"). */
#include "frontends/riscv/riscv.h"

/* The low half of x[reg], zero-extended. */
static IrRef get_uw(Rv *c, unsigned reg)
{
    return ir_op1(c->b, IR_OP_zext, IR_I64, rv_get32(c, reg));
}

/* rd = rs2 + (rs1 << shift); with `uw` only the low half of rs1 counts */
static bool shift_add(Rv *c, const RvRdRs1Rs2 *a, unsigned shift, bool uw)
{
    IrRef x = uw ? get_uw(c, a->rs1) : rv_get(c, a->rs1);
    IrRef shifted = rv_op2(c, IR_OP_shl, x, rv_imm(c, shift));

    rv_set(c, a->rd, rv_op2(c, IR_OP_add, rv_get(c, a->rs2), shifted));
    return true;
}

#define SHIFT_ADD(name, shift, uw)                                                                 \
    bool rv_##name(Rv *c, const RvRdRs1Rs2 *a)                                                     \
    {                                                                                              \
        return shift_add(c, a, shift, uw);                                                         \
    }

SHIFT_ADD(add_uw, 0, true)
SHIFT_ADD(sh1add, 1, false)
SHIFT_ADD(sh2add, 2, false)
SHIFT_ADD(sh3add, 3, false)
SHIFT_ADD(sh1add_uw, 1, true)
SHIFT_ADD(sh2add_uw, 2, true)
SHIFT_ADD(sh3add_uw, 3, true)

bool rv_slli_uw(Rv *c, const RvSlliUw *a)
{
    rv_set(c, a->rd, rv_op2(c, IR_OP_shl, get_uw(c, a->rs1), rv_imm(c, a->shamt)));
    return true;
}
