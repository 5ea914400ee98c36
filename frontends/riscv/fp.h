/* SPDX-License-Identifier: Apache-2.0 */
/*
 * frontends/riscv/fp.h - what the floating-point instructions of all formats share.
 *
 * A format is an IR type: F16, F32 or F64.  In a register (an F64 slot) narrower ones are
 * NaN-boxed; in IR they are values of their own type, and only rv_setf*() boxes.  A result of
 * arithmetic is made canonical when it becomes a register, which a backend may put off until
 * someone looks; further arithmetic takes the value from before.
 */
#ifndef KETCH_FRONTENDS_RISCV_FP_H
#define KETCH_FRONTENDS_RISCV_FP_H

#include "frontends/riscv/riscv.h"

/* f[reg] as a value of `type`; the canonical NaN when it is not boxed for it. */
IrRef rv_getf(Rv *c, unsigned reg, IrType type);

/* The low bits of f[reg], whatever they mean: an integer of the width of `type`. */
IrRef rv_getf_bits(Rv *c, unsigned reg, IrType type);

/* f[reg] = value, bit for bit. */
void rv_setf(Rv *c, unsigned reg, IrRef value);

/* f[reg] = value, a result of arithmetic: a NaN becomes the canonical one. */
void rv_setf_result(Rv *c, unsigned reg, IrRef value);

/* The IR's rounding mode for the field `rm` (5 and 6 excluded); false when it is illegal now. */
bool rv_rounding(const Rv *c, unsigned rm, IrRm *out);

/* The instructions, by shape; `type` is the format of the operands, and comes last. */
bool rv_fp_load(Rv *c, const RvFrdImmIRs1 *a, IrType type);
bool rv_fp_store(Rv *c, const RvFrs2ImmSRs1 *a, IrType type);
bool rv_fp_arith1(Rv *c, const RvFrdFrs1Rm *a, IrOp op, IrType type);
bool rv_fp_arith2(Rv *c, const RvFrdFrs1Frs2Rm *a, IrOp op, IrType type);
bool rv_fp_minmax(Rv *c, const RvFrdFrs1Frs2 *a, IrOp op, IrType type);
bool rv_fp_compare(Rv *c, const RvRdFrs1Frs2 *a, IrOp op, IrType type);

/* frs1 * frs2 + frs3, with the product and the addend negated as said. */
bool rv_fp_fma(Rv *c, const RvFrdFrs1Frs2Frs3Rm *a, bool neg_product, bool neg_addend, IrType type);

/* frs1 with the sign of frs2 (copysign), of its opposite, or both signs multiplied. */
typedef enum RvSign { RV_SIGN_OF, RV_SIGN_NOT_OF, RV_SIGN_TIMES } RvSign;
bool rv_fp_sign(Rv *c, const RvFrdFrs1Frs2 *a, RvSign sign, IrType type);

/* Conversions: op is f2i or f2u to I32 or I64; i2f or u2f from I32 or I64; between formats. */
bool rv_fp_to_int(Rv *c, const RvRdFrs1Rm *a, IrOp op, IrType to, IrType type);
bool rv_fp_from_int(Rv *c, const RvFrdRs1Rm *a, IrOp op, IrType from, IrType type);
bool rv_fp_convert(Rv *c, const RvFrdFrs1Rm *a, IrType to, IrType type);

/* The same where nothing is ever rounded: the mode need only be legal. */
bool rv_fp_from_int_exact(Rv *c, const RvFrdRs1RmExact *a, IrOp op, IrType from, IrType type);
bool rv_fp_widen(Rv *c, const RvFrdFrs1RmExact *a, IrType to, IrType type);

/* Bits between register files, and the class of a number. */
bool rv_fp_to_x(Rv *c, const RvRdFrs1 *a, IrType type);
bool rv_fp_from_x(Rv *c, const RvFrdRs1 *a, IrType type);
bool rv_fp_class(Rv *c, const RvRdFrs1 *a, IrType type);

/* One line makes one translator: rv_fp_<fn>() with what follows. */
#define FP_INSN(name, Shape, fn, ...)         \
    bool rv_##name(Rv *c, const Rv##Shape *a) \
    {                                         \
        return rv_fp_##fn(c, a, __VA_ARGS__); \
    }

/* Or two, in single and in double precision. */
#define FP_BOTH(name, Shape, fn, ...)                  \
    FP_INSN(name##_s, Shape, fn, __VA_ARGS__, IR_F32) \
    FP_INSN(name##_d, Shape, fn, __VA_ARGS__, IR_F64)

#endif
