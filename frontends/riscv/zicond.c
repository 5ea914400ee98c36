/* SPDX-License-Identifier: Apache-2.0 */
/* Zicond (RISC-V unprivileged spec, "Zicond" Extension for Integer Conditional Operations). */
#include "frontends/riscv/riscv.h"

/* rd = rs1, but 0 when rs2 `op` 0 */
static bool conditional_zero(Rv *c, const RvRdRs1Rs2 *a, IrOp op)
{
    IrRef zero = rv_imm(c, 0), x = rv_get(c, a->rs1);
    IrRef cond = ir_op2(c->b, op, IR_I1, rv_get(c, a->rs2), zero);

    rv_set(c, a->rd, ir_op3(c->b, IR_OP_sel, IR_I64, cond, zero, x));
    return true;
}

bool rv_czero_eqz(Rv *c, const RvCzeroEqz *a)
{
    return conditional_zero(c, a, IR_OP_eq);
}

bool rv_czero_nez(Rv *c, const RvCzeroNez *a)
{
    return conditional_zero(c, a, IR_OP_ne);
}
