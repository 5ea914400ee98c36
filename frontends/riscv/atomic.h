/* SPDX-License-Identifier: Apache-2.0 */
/* frontends/riscv/atomic.h - what AMOs and LR/SC share. */
#ifndef KETCH_FRONTENDS_RISCV_ATOMIC_H
#define KETCH_FRONTENDS_RISCV_ATOMIC_H

#include "frontends/riscv/riscv.h"

enum { RV_W = 4, RV_D = 8, RV_Q = 16 }; /* bytes that an atomic instruction accesses */

/* The address in rs1; leaves with IR_TRAP_misaligned when it is not a multiple of `size`. */
IrRef rv_aligned_address(Rv *c, unsigned rs1, unsigned size);

static inline IrType rv_atomic_type(unsigned size)
{
    return size == RV_W ? IR_I32 : IR_I64;
}

/* x[reg] as a value of `size` bytes. */
static inline IrRef rv_get_sized(Rv *c, unsigned reg, unsigned size)
{
    return size == RV_W ? rv_get32(c, reg) : rv_get(c, reg);
}

/* What a register gets when a value of `size` bytes is read. */
static inline IrRef rv_widen(Rv *c, IrRef value, unsigned size)
{
    return size == RV_W ? ir_op1(c->b, IR_OP_sext, IR_I64, value) : value;
}

#endif
