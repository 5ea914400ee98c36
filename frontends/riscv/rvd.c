/* SPDX-License-Identifier: Apache-2.0 */
/* D (RISC-V unprivileged spec, "'D' Extension for Double-Precision Floating-Point"). */
#include "frontends/riscv/fp.h"

#define INSN(name, Shape, fn, ...)            \
    bool rv_##name(Rv *c, const Rv##Shape *a) \
    {                                         \
        return rv_fp_##fn(c, a, __VA_ARGS__); \
    }

INSN(fld, FrdImmIRs1, load, IR_F64)
INSN(fsd, Frs2ImmSRs1, store, IR_F64)

INSN(fmadd_d, FrdFrs1Frs2Frs3Rm, fma, IR_F64, false, false)
INSN(fmsub_d, FrdFrs1Frs2Frs3Rm, fma, IR_F64, false, true)
INSN(fnmsub_d, FrdFrs1Frs2Frs3Rm, fma, IR_F64, true, false)
INSN(fnmadd_d, FrdFrs1Frs2Frs3Rm, fma, IR_F64, true, true)

INSN(fadd_d, FrdFrs1Frs2Rm, arith2, IR_OP_fadd, IR_F64)
INSN(fsub_d, FrdFrs1Frs2Rm, arith2, IR_OP_fsub, IR_F64)
INSN(fmul_d, FrdFrs1Frs2Rm, arith2, IR_OP_fmul, IR_F64)
INSN(fdiv_d, FrdFrs1Frs2Rm, arith2, IR_OP_fdiv, IR_F64)
INSN(fsqrt_d, FrdFrs1Rm, arith1, IR_OP_fsqrt, IR_F64)
INSN(fsgnj_d, FrdFrs1Frs2, sign, IR_F64)
INSN(fsgnjn_d, FrdFrs1Frs2, sign_not, IR_F64)
INSN(fsgnjx_d, FrdFrs1Frs2, sign_xor, IR_F64)
INSN(fmin_d, FrdFrs1Frs2, minmax, IR_OP_fmin, IR_F64)
INSN(fmax_d, FrdFrs1Frs2, minmax, IR_OP_fmax, IR_F64)
INSN(fle_d, RdFrs1Frs2, compare, IR_OP_fle, IR_F64)
INSN(flt_d, RdFrs1Frs2, compare, IR_OP_flt, IR_F64)
INSN(feq_d, RdFrs1Frs2, compare, IR_OP_feq, IR_F64)

INSN(fcvt_s_d, FrdFrs1Rm, convert, IR_F64, IR_F32)
INSN(fcvt_d_s, FrdFrs1RmExact, widen, IR_F32, IR_F64)
INSN(fcvt_w_d, RdFrs1Rm, to_int, IR_OP_f2i, IR_F64, IR_I32)
INSN(fcvt_wu_d, RdFrs1Rm, to_int, IR_OP_f2u, IR_F64, IR_I32)
INSN(fcvt_l_d, RdFrs1Rm, to_int, IR_OP_f2i, IR_F64, IR_I64)
INSN(fcvt_lu_d, RdFrs1Rm, to_int, IR_OP_f2u, IR_F64, IR_I64)
INSN(fcvt_d_w, FrdRs1RmExact, from_int_exact, IR_OP_i2f, IR_F64, IR_I32)
INSN(fcvt_d_wu, FrdRs1RmExact, from_int_exact, IR_OP_u2f, IR_F64, IR_I32)
INSN(fcvt_d_l, FrdRs1Rm, from_int, IR_OP_i2f, IR_F64, IR_I64)
INSN(fcvt_d_lu, FrdRs1Rm, from_int, IR_OP_u2f, IR_F64, IR_I64)

INSN(fmv_x_d, RdFrs1, to_x, IR_F64)
INSN(fmv_d_x, FrdRs1, from_x, IR_F64)
INSN(fclass_d, RdFrs1, class, IR_F64)
