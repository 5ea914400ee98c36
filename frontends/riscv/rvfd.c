/* SPDX-License-Identifier: Apache-2.0 */
/*
 * F and D (RISC-V unprivileged spec, "'F' Extension for Single-Precision Floating-Point" and "'D'
 * Extension for Double-Precision Floating-Point"): the same instructions in two formats.
 */
#include "frontends/riscv/fp.h"

FP_INSN(flw, FrdImmIRs1, load, IR_F32)
FP_INSN(fld, FrdImmIRs1, load, IR_F64)
FP_INSN(fsw, Frs2ImmSRs1, store, IR_F32)
FP_INSN(fsd, Frs2ImmSRs1, store, IR_F64)

FP_BOTH(fmadd, FrdFrs1Frs2Frs3Rm, fma, false, false)
FP_BOTH(fmsub, FrdFrs1Frs2Frs3Rm, fma, false, true)
FP_BOTH(fnmsub, FrdFrs1Frs2Frs3Rm, fma, true, false)
FP_BOTH(fnmadd, FrdFrs1Frs2Frs3Rm, fma, true, true)

FP_BOTH(fadd, FrdFrs1Frs2Rm, arith2, IR_OP_fadd)
FP_BOTH(fsub, FrdFrs1Frs2Rm, arith2, IR_OP_fsub)
FP_BOTH(fmul, FrdFrs1Frs2Rm, arith2, IR_OP_fmul)
FP_BOTH(fdiv, FrdFrs1Frs2Rm, arith2, IR_OP_fdiv)
FP_BOTH(fsqrt, FrdFrs1Rm, arith1, IR_OP_fsqrt)
FP_BOTH(fsgnj, FrdFrs1Frs2, sign, RV_SIGN_OF)
FP_BOTH(fsgnjn, FrdFrs1Frs2, sign, RV_SIGN_NOT_OF)
FP_BOTH(fsgnjx, FrdFrs1Frs2, sign, RV_SIGN_TIMES)
FP_BOTH(fmin, FrdFrs1Frs2, minmax, IR_OP_fmin)
FP_BOTH(fmax, FrdFrs1Frs2, minmax, IR_OP_fmax)
FP_BOTH(fle, RdFrs1Frs2, compare, IR_OP_fle)
FP_BOTH(flt, RdFrs1Frs2, compare, IR_OP_flt)
FP_BOTH(feq, RdFrs1Frs2, compare, IR_OP_feq)

FP_BOTH(fcvt_w, RdFrs1Rm, to_int, IR_OP_f2i, IR_I32)
FP_BOTH(fcvt_wu, RdFrs1Rm, to_int, IR_OP_f2u, IR_I32)
FP_BOTH(fcvt_l, RdFrs1Rm, to_int, IR_OP_f2i, IR_I64)
FP_BOTH(fcvt_lu, RdFrs1Rm, to_int, IR_OP_f2u, IR_I64)
FP_INSN(fcvt_s_w, FrdRs1Rm, from_int, IR_OP_i2f, IR_I32, IR_F32)
FP_INSN(fcvt_s_wu, FrdRs1Rm, from_int, IR_OP_u2f, IR_I32, IR_F32)
FP_INSN(fcvt_s_l, FrdRs1Rm, from_int, IR_OP_i2f, IR_I64, IR_F32)
FP_INSN(fcvt_s_lu, FrdRs1Rm, from_int, IR_OP_u2f, IR_I64, IR_F32)
FP_INSN(fcvt_d_w, FrdRs1RmExact, from_int_exact, IR_OP_i2f, IR_I32, IR_F64)
FP_INSN(fcvt_d_wu, FrdRs1RmExact, from_int_exact, IR_OP_u2f, IR_I32, IR_F64)
FP_INSN(fcvt_d_l, FrdRs1Rm, from_int, IR_OP_i2f, IR_I64, IR_F64)
FP_INSN(fcvt_d_lu, FrdRs1Rm, from_int, IR_OP_u2f, IR_I64, IR_F64)
FP_INSN(fcvt_s_d, FrdFrs1Rm, convert, IR_F32, IR_F64)
FP_INSN(fcvt_d_s, FrdFrs1RmExact, widen, IR_F64, IR_F32)

FP_INSN(fmv_x_w, RdFrs1, to_x, IR_F32)
FP_INSN(fmv_x_d, RdFrs1, to_x, IR_F64)
FP_INSN(fmv_w_x, FrdRs1, from_x, IR_F32)
FP_INSN(fmv_d_x, FrdRs1, from_x, IR_F64)
FP_INSN(fclass_s, RdFrs1, class, IR_F32)
FP_INSN(fclass_d, RdFrs1, class, IR_F64)
