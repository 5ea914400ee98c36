/* SPDX-License-Identifier: Apache-2.0 */
/* Zicbom and Zicboz (RISC-V unprivileged spec, Cache-Block Management, Cache-Block Zero). */
#include "frontends/riscv/riscv.h"

static IrRef block_start(Rv *c, unsigned rs1)
{
    return rv_op2(c, IR_OP_and, rv_get(c, rs1), rv_imm(c, -RV_CBO_BLOCK));
}

bool rv_cbo_zero(Rv *c, const RvCboZero *a)
{
    IrRef start, zero;

    if (c->machine && !(c->fe->mode & RV_MODE_cbo_zero)) {
        return false;
    }
    start = block_start(c, a->rs1), zero = rv_imm(c, 0);
    for (int at = 0; at < RV_CBO_BLOCK; at += 8) {
        ir_store(c->b, 3, start, at, zero);
    }
    return true;
}

static bool manage_machine(Rv *c, unsigned rs1, bool inval)
{
    ir_call(c->b, RV_HELPER_cbo, ir_const(c->b, IR_I64, c->bits), block_start(c, rs1),
            rv_imm(c, inval));
    return true;
}

/* Linux leaves this to the kernel: a program could uncover stale memory with it. */
bool rv_cbo_inval(Rv *c, const RvCboInval *a)
{
    return c->machine && manage_machine(c, a->rs1, true);
}

/* User programs share one coherent memory: what remains is that the block must be accessible. */
static bool manage(Rv *c, unsigned rs1)
{
    if (c->machine) {
        return manage_machine(c, rs1, false);
    }
    ir_load(c->b, IR_I64, 3, block_start(c, rs1), 0);
    return true;
}

bool rv_cbo_clean(Rv *c, const RvCboClean *a)
{
    return manage(c, a->rs1);
}

bool rv_cbo_flush(Rv *c, const RvCboFlush *a)
{
    return manage(c, a->rs1);
}
