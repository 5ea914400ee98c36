/* SPDX-License-Identifier: Apache-2.0 */
/* Zbs (RISC-V unprivileged spec, "Zbs: Single-bit instructions"). */
#include "frontends/riscv/riscv.h"

/* rd = x with the bit numbered `index` cleared, inverted or set; the index counts modulo 64 as
 * shifts do */
static bool change_bit(Rv *c, unsigned rd, IrOp op, IrRef x, IrRef index)
{
    IrRef bit = rv_op2(c, IR_OP_shl, rv_imm(c, 1), index);

    if (op == IR_OP_and) {
        bit = ir_op1(c->b, IR_OP_not, IR_I64, bit);
    }
    rv_set(c, rd, rv_op2(c, op, x, bit));
    return true;
}

static bool extract_bit(Rv *c, unsigned rd, IrRef x, IrRef index)
{
    rv_set(c, rd, rv_op2(c, IR_OP_and, rv_op2(c, IR_OP_shr, x, index), rv_imm(c, 1)));
    return true;
}

#define CHANGE(name, op)                                                                           \
    bool rv_##name(Rv *c, const RvRdRs1Rs2 *a)                                                     \
    {                                                                                              \
        return change_bit(c, a->rd, IR_OP_##op, rv_get(c, a->rs1), rv_get(c, a->rs2));             \
    }                                                                                              \
    bool rv_##name##i(Rv *c, const RvRdRs1Shamt *a)                                                \
    {                                                                                              \
        return change_bit(c, a->rd, IR_OP_##op, rv_get(c, a->rs1), rv_imm(c, a->shamt));           \
    }

CHANGE(bclr, and)
CHANGE(binv, xor)
CHANGE(bset, or)

bool rv_bext(Rv *c, const RvBext *a)
{
    return extract_bit(c, a->rd, rv_get(c, a->rs1), rv_get(c, a->rs2));
}

bool rv_bexti(Rv *c, const RvBexti *a)
{
    return extract_bit(c, a->rd, rv_get(c, a->rs1), rv_imm(c, a->shamt));
}
