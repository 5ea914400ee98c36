/* SPDX-License-Identifier: Apache-2.0 */
/* A without LR and SC (lrsc.c), and Zacas (RISC-V unprivileged spec, "A" Extension for Atomic
 * Instructions). */
#include "frontends/riscv/atomic.h"

IrRef rv_aligned_address(Rv *c, unsigned rs1, unsigned size)
{
    IrRef address = rv_get(c, rs1);
    IrRef low = rv_op2(c, IR_OP_and, address, rv_imm(c, size - 1));
    uint64_t known;

    if (!rv_is_const(c, low, &known) || known != 0) {
        ir_trap_if(c->b, ir_op2(c->b, IR_OP_ne, IR_I1, low, rv_imm(c, 0)), IR_TRAP_misaligned, 0);
    }
    return address;
}

/* ---- Atomic Memory Operations ---- */

static bool amo(Rv *c, const RvAmoaddW *a, IrRmw op, unsigned size)
{
    IrRef address = rv_aligned_address(c, a->rs1, size);
    IrRef old = ir_amo(c->b, op, rv_atomic_type(size), address, rv_get_sized(c, a->rs2, size));

    rv_set(c, a->rd, rv_widen(c, old, size));
    return true;
}

#define AMO(name, op)                                                                              \
    bool rv_amo##name##_w(Rv *c, const RvAmoaddW *a)                                               \
    {                                                                                              \
        return amo(c, a, IR_RMW_##op, RV_W);                                                       \
    }                                                                                              \
    bool rv_amo##name##_d(Rv *c, const RvAmoaddW *a)                                               \
    {                                                                                              \
        return amo(c, a, IR_RMW_##op, RV_D);                                                       \
    }

AMO(swap, swap)
AMO(add, add)
AMO(xor, xor)
AMO(and, and)
AMO(or, or)
AMO(min, min)
AMO(max, max)
AMO(minu, minu)
AMO(maxu, maxu)

static bool amocas(Rv *c, const RvAmocasW *a, unsigned size)
{
    IrRef address = rv_aligned_address(c, a->rs1, size);
    IrRef expected = rv_get_sized(c, a->rd, size), desired = rv_get_sized(c, a->rs2, size);
    IrRef old = ir_cas(c->b, rv_atomic_type(size), address, expected, desired);

    rv_set(c, a->rd, rv_widen(c, old, size));
    return true;
}

bool rv_amocas_w(Rv *c, const RvAmocasW *a)
{
    return amocas(c, a, RV_W);
}

bool rv_amocas_d(Rv *c, const RvAmocasD *a)
{
    return amocas(c, a, RV_D);
}

/* The or with 0 faults if the helper would. */
bool rv_amocas_q(Rv *c, const RvAmocasQ *a)
{
    IrRef address = rv_aligned_address(c, a->rs1, RV_Q);

    ir_amo(c->b, IR_RMW_or, IR_I64, address, rv_imm(c, 0));
    ir_call(c->b, RV_HELPER_amocas_q, address, ir_const(c->b, IR_I32, a->rd_even),
            ir_const(c->b, IR_I32, a->rs2_even));
    return true;
}
