/* SPDX-License-Identifier: Apache-2.0 */
/* Zicbom and Zicboz (RISC-V unprivileged spec, Cache-Block Management, Cache-Block Zero). */
#include "frontends/riscv/riscv.h"

/* Bytes in a cache block; hwprobe tells programs. */
enum { BLOCK = 64 };

static IrRef block_start(Rv *c, unsigned rs1)
{
    return rv_op2(c, IR_OP_and, rv_get(c, rs1), rv_imm(c, -BLOCK));
}

bool rv_cbo_zero(Rv *c, const RvCboZero *a)
{
    IrRef start = block_start(c, a->rs1), zero = rv_imm(c, 0);

    for (int at = 0; at < BLOCK; at += 8) {
        ir_store(c->b, 3, start, at, zero);
    }
    return true;
}

/* Linux leaves this to the kernel: a program could uncover stale memory with it. */
bool rv_cbo_inval(Rv *c, const RvCboInval *a)
{
    (void)c, (void)a;
    return false;
}

/* User programs share one coherent memory: what remains is that the block must be accessible. */
static bool manage(Rv *c, unsigned rs1)
{
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
