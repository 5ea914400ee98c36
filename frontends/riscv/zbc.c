/* SPDX-License-Identifier: Apache-2.0 */
/* Zbc (RISC-V unprivileged spec, "Zbc: Carry-less multiplication"). */
#include "frontends/riscv/forms.h"

REG_REG(clmul, clmul)
REG_REG(clmulh, clmulh)

/* Bits 126 to 63 of the product. */
bool rv_clmulr(Rv *c, const RvClmulr *a)
{
    IrRef x = rv_get(c, a->rs1), y = rv_get(c, a->rs2);
    IrRef high = rv_op2(c, IR_OP_shl, rv_op2(c, IR_OP_clmulh, x, y), rv_imm(c, 1));
    IrRef low = rv_op2(c, IR_OP_shr, rv_op2(c, IR_OP_clmul, x, y), rv_imm(c, 63));

    rv_set(c, a->rd, rv_op2(c, IR_OP_or, high, low));
    return true;
}
