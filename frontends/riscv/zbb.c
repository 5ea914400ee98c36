/* SPDX-License-Identifier: Apache-2.0 */
/* Zbb (RISC-V unprivileged spec, "Zbb: Basic bit-manipulation"). */
#include "frontends/riscv/forms.h"

REG_FORM(clz, clz)
REG_FORM(ctz, ctz)
REG_FORM(cpop, popcnt)
REG_FORM(rev8, bswap)
REG_FORM_W(clzw, clz)
REG_FORM_W(ctzw, ctz)
REG_FORM_W(cpopw, popcnt)
REG_REG(rol, rotl)
REG_REG(ror, rotr)
REG_REG_W(rolw, rotl)
REG_REG_W(rorw, rotr)
REG_IMM(rori, RvRori, shamt, rotr)
REG_IMM_W(roriw, RvRoriw, shamt_w, rotr)

static IrRef complement(Rv *c, IrRef x)
{
    return ir_op1(c->b, IR_OP_not, IR_I64, x);
}

bool rv_andn(Rv *c, const RvAndn *a)
{
    rv_set(c, a->rd, rv_op2(c, IR_OP_and, rv_get(c, a->rs1), complement(c, rv_get(c, a->rs2))));
    return true;
}

bool rv_orn(Rv *c, const RvOrn *a)
{
    rv_set(c, a->rd, rv_op2(c, IR_OP_or, rv_get(c, a->rs1), complement(c, rv_get(c, a->rs2))));
    return true;
}

bool rv_xnor(Rv *c, const RvXnor *a)
{
    rv_set(c, a->rd, complement(c, rv_op2(c, IR_OP_xor, rv_get(c, a->rs1), rv_get(c, a->rs2))));
    return true;
}

/* rd = rs1 when rs1 less rs2 is `first`, else rs2 */
static bool choose(Rv *c, const RvRdRs1Rs2 *a, IrOp less, bool first)
{
    IrRef x = rv_get(c, a->rs1), y = rv_get(c, a->rs2);
    IrRef cond = ir_op2(c->b, less, IR_I1, x, y);

    rv_set(c, a->rd, ir_op3(c->b, IR_OP_sel, IR_I64, cond, first ? x : y, first ? y : x));
    return true;
}

#define CHOICE(name, less, first)                                                                  \
    bool rv_##name(Rv *c, const RvRdRs1Rs2 *a)                                                     \
    {                                                                                              \
        return choose(c, a, IR_OP_##less, first);                                                  \
    }

CHOICE(min, lt, true)
CHOICE(minu, ltu, true)
CHOICE(max, lt, false)
CHOICE(maxu, ltu, false)

/* rd = the low bits of rs1, extended */
#define EXTEND(name, narrow, op)                                                                   \
    bool rv_##name(Rv *c, const RvRdRs1 *a)                                                        \
    {                                                                                              \
        IrRef low = ir_op1(c->b, IR_OP_trunc, IR_##narrow, rv_get(c, a->rs1));                     \
                                                                                                   \
        rv_set(c, a->rd, ir_op1(c->b, IR_OP_##op, IR_I64, low));                                   \
        return true;                                                                               \
    }

EXTEND(sext_b, I8, sext)
EXTEND(sext_h, I16, sext)
EXTEND(zext_h, I16, zext)

/* Adding 0x7f carries into bit 7 of each byte whose low bits are not zero; bit 7 itself is or-ed
 * in.  Those bits, moved down, times 255 fill their bytes. */
bool rv_orc_b(Rv *c, const RvOrcB *a)
{
    IrRef low = rv_imm(c, 0x7f7f7f7f7f7f7f7f), x = rv_get(c, a->rs1);
    IrRef carry = rv_op2(c, IR_OP_add, rv_op2(c, IR_OP_and, x, low), low);
    IrRef bit7 = rv_op2(c, IR_OP_and, rv_op2(c, IR_OP_or, carry, x), complement(c, low));
    IrRef bit0 = rv_op2(c, IR_OP_shr, bit7, rv_imm(c, 7));

    rv_set(c, a->rd, rv_op2(c, IR_OP_sub, rv_op2(c, IR_OP_shl, bit0, rv_imm(c, 8)), bit0));
    return true;
}
