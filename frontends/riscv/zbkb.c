/* SPDX-License-Identifier: Apache-2.0 */
/* Zbkb (RISC-V unprivileged spec, "Zbkb: Bit-manipulation for Cryptography"). */
#include "frontends/riscv/riscv.h"

/* The low halves of two values of `type`, rs1's below. */
static IrRef pack(Rv *c, const RvRdRs1Rs2 *a, IrType type, unsigned half)
{
    IrRef x = rv_get(c, a->rs1), y = rv_get(c, a->rs2);

    if (type != IR_I64) {
        x = ir_op1(c->b, IR_OP_trunc, type, x);
        y = ir_op1(c->b, IR_OP_trunc, type, y);
    }
    x = ir_op2(c->b, IR_OP_and, type, x, ir_const(c->b, type, (UINT64_C(1) << half) - 1));
    y = ir_op2(c->b, IR_OP_shl, type, y, ir_const(c->b, type, half));
    return ir_op2(c->b, IR_OP_or, type, x, y);
}

bool rv_pack(Rv *c, const RvPack *a)
{
    rv_set(c, a->rd, pack(c, a, IR_I64, 32));
    return true;
}

bool rv_packw(Rv *c, const RvPackw *a)
{
    rv_set32(c, a->rd, pack(c, a, IR_I32, 16));
    return true;
}

bool rv_packh(Rv *c, const RvPackh *a)
{
    rv_setu(c, a->rd, pack(c, a, IR_I16, 8));
    return true;
}

/* Neighbouring groups of `shift` bits, the lower ones selected by `mask`, change places. */
static IrRef swap(Rv *c, IrRef x, unsigned shift, int64_t mask)
{
    IrRef low = rv_op2(c, IR_OP_and, x, rv_imm(c, mask));
    IrRef high = rv_op2(c, IR_OP_and, rv_op2(c, IR_OP_shr, x, rv_imm(c, shift)), rv_imm(c, mask));

    return rv_op2(c, IR_OP_or, rv_op2(c, IR_OP_shl, low, rv_imm(c, shift)), high);
}

bool rv_brev8(Rv *c, const RvBrev8 *a)
{
    IrRef x = rv_get(c, a->rs1);

    x = swap(c, x, 1, 0x5555555555555555);
    x = swap(c, x, 2, 0x3333333333333333);
    x = swap(c, x, 4, 0x0f0f0f0f0f0f0f0f);
    rv_set(c, a->rd, x);
    return true;
}
