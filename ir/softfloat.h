/* SPDX-License-Identifier: Apache-2.0 */
/*
 * ir/softfloat.h - IEEE 754-2019 arithmetic on bit patterns, all five rounding modes, exact
 * flags; RISC-V's choices where the standard leaves one (canonical NaN results, tininess after
 * rounding, saturating conversions).
 *
 * `bits` is 16, 32 or 64 and names the format of the operands; `out` that of the result.
 * Values are in the low bits, the rest zero.  Pure but for fp->flags.  Slow and exact: the
 * reference for every backend, and the path for what the host's unit cannot do.
 */
#ifndef KETCH_IR_SOFTFLOAT_H
#define KETCH_IR_SOFTFLOAT_H

#include <stdbool.h>
#include <stdint.h>

/* Environment of an operation. */
typedef struct IrFp {
    uint32_t rm;    /* IrRm, not DYN */
    uint32_t flags; /* IrFpFlag; operations add to it */
} IrFp;

uint64_t ir_fp_add(IrFp *fp, unsigned bits, uint64_t a, uint64_t b);
uint64_t ir_fp_sub(IrFp *fp, unsigned bits, uint64_t a, uint64_t b);
uint64_t ir_fp_mul(IrFp *fp, unsigned bits, uint64_t a, uint64_t b);
uint64_t ir_fp_div(IrFp *fp, unsigned bits, uint64_t a, uint64_t b);
uint64_t ir_fp_sqrt(IrFp *fp, unsigned bits, uint64_t a);
uint64_t ir_fp_fma(IrFp *fp, unsigned bits, uint64_t a, uint64_t b, uint64_t c);
uint64_t ir_fp_min(IrFp *fp, unsigned bits, uint64_t a, uint64_t b);
uint64_t ir_fp_max(IrFp *fp, unsigned bits, uint64_t a, uint64_t b);
uint64_t ir_fp_minm(IrFp *fp, unsigned bits, uint64_t a, uint64_t b);
uint64_t ir_fp_maxm(IrFp *fp, unsigned bits, uint64_t a, uint64_t b);
bool ir_fp_eq(IrFp *fp, unsigned bits, uint64_t a, uint64_t b);
bool ir_fp_lt(IrFp *fp, unsigned bits, uint64_t a, uint64_t b);
bool ir_fp_le(IrFp *fp, unsigned bits, uint64_t a, uint64_t b);
bool ir_fp_ltq(IrFp *fp, unsigned bits, uint64_t a, uint64_t b);
bool ir_fp_leq(IrFp *fp, unsigned bits, uint64_t a, uint64_t b);
/* Integers: `out` (or `bits`, for the from_ pair) is the integer's width, 32 or 64. */
uint64_t ir_fp_to_int(IrFp *fp, unsigned bits, uint64_t a, unsigned out);
uint64_t ir_fp_to_uint(IrFp *fp, unsigned bits, uint64_t a, unsigned out);
uint64_t ir_fp_to_int_mod(IrFp *fp, uint64_t a);
uint64_t ir_fp_from_int(IrFp *fp, unsigned bits, uint64_t a, unsigned out);
uint64_t ir_fp_from_uint(IrFp *fp, unsigned bits, uint64_t a, unsigned out);
uint64_t ir_fp_convert(IrFp *fp, unsigned bits, uint64_t a, unsigned out);
uint64_t ir_fp_round(IrFp *fp, unsigned bits, uint64_t a, bool inexact);

uint64_t ir_fp_copysign(unsigned bits, uint64_t a, uint64_t b);
uint64_t ir_fp_canon(unsigned bits, uint64_t a);
uint64_t ir_fp_class(unsigned bits, uint64_t a);
uint64_t ir_fp_box(unsigned bits, uint64_t a);
uint64_t ir_fp_unbox(uint64_t a, unsigned out);

#endif
