/* SPDX-License-Identifier: Apache-2.0 */
/*
 * frontends/riscv/forms.h - translators of whole families: registers and immediates in, one IR
 * op, a register out.  One line makes one translator.
 */
#ifndef KETCH_FRONTENDS_RISCV_FORMS_H
#define KETCH_FRONTENDS_RISCV_FORMS_H

#include "frontends/riscv/riscv.h"

/* rd = op rs1 */
#define REG_FORM(name, op)                                                                         \
    bool rv_##name(Rv *c, const RvRdRs1 *a)                                                        \
    {                                                                                              \
        rv_set(c, a->rd, ir_op1(c->b, IR_OP_##op, IR_I64, rv_get(c, a->rs1)));                     \
        return true;                                                                               \
    }

/* rd = op of the low 32 bits of rs1, sign-extended */
#define REG_FORM_W(name, op)                                                                       \
    bool rv_##name(Rv *c, const RvRdRs1 *a)                                                        \
    {                                                                                              \
        rv_set32(c, a->rd, ir_op1(c->b, IR_OP_##op, IR_I32, rv_get32(c, a->rs1)));                 \
        return true;                                                                               \
    }

/* rd = rs1 op rs2 */
#define REG_REG(name, op)                                                                          \
    bool rv_##name(Rv *c, const RvRdRs1Rs2 *a)                                                     \
    {                                                                                              \
        IrRef x = rv_get(c, a->rs1), y = rv_get(c, a->rs2);                                        \
                                                                                                   \
        rv_set(c, a->rd, rv_op2(c, IR_OP_##op, x, y));                                             \
        return true;                                                                               \
    }

/* The same over the low 32 bits, sign-extended */
#define REG_REG_W(name, op)                                                                        \
    bool rv_##name(Rv *c, const RvRdRs1Rs2 *a)                                                     \
    {                                                                                              \
        IrRef x = rv_get32(c, a->rs1), y = rv_get32(c, a->rs2);                                    \
                                                                                                   \
        rv_set32(c, a->rd, ir_op2(c->b, IR_OP_##op, IR_I32, x, y));                                \
        return true;                                                                               \
    }

/* rd = rs1 op imm; `Args` has the operands, `field` is the immediate */
#define REG_IMM(name, Args, field, op)                                                             \
    bool rv_##name(Rv *c, const Args *a)                                                           \
    {                                                                                              \
        rv_set(c, a->rd, rv_op2(c, IR_OP_##op, rv_get(c, a->rs1), rv_imm(c, a->field)));           \
        return true;                                                                               \
    }

/* The same over the low 32 bits, sign-extended */
#define REG_IMM_W(name, Args, field, op)                                                           \
    bool rv_##name(Rv *c, const Args *a)                                                           \
    {                                                                                              \
        IrRef x = rv_get32(c, a->rs1), y = ir_const(c->b, IR_I32, (uint32_t)a->field);             \
                                                                                                   \
        rv_set32(c, a->rd, ir_op2(c->b, IR_OP_##op, IR_I32, x, y));                                \
        return true;                                                                               \
    }

#endif
