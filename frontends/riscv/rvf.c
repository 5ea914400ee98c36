/* SPDX-License-Identifier: Apache-2.0 */
/* F (RISC-V unprivileged spec, "'F' Extension for Single-Precision Floating-Point"). */
#include "frontends/riscv/fp.h"

#define INSN(name, Shape, fn, ...)            \
    bool rv_##name(Rv *c, const Rv##Shape *a) \
    {                                         \
        return rv_fp_##fn(c, a, __VA_ARGS__); \
    }

INSN(flw, FrdImmIRs1, load, IR_F32)
INSN(fsw, Frs2ImmSRs1, store, IR_F32)

INSN(fmadd_s, FrdFrs1Frs2Frs3Rm, fma, IR_F32, false, false)
INSN(fmsub_s, FrdFrs1Frs2Frs3Rm, fma, IR_F32, false, true)
INSN(fnmsub_s, FrdFrs1Frs2Frs3Rm, fma, IR_F32, true, false)
INSN(fnmadd_s, FrdFrs1Frs2Frs3Rm, fma, IR_F32, true, true)

INSN(fadd_s, FrdFrs1Frs2Rm, arith2, IR_OP_fadd, IR_F32)
INSN(fsub_s, FrdFrs1Frs2Rm, arith2, IR_OP_fsub, IR_F32)
INSN(fmul_s, FrdFrs1Frs2Rm, arith2, IR_OP_fmul, IR_F32)
INSN(fdiv_s, FrdFrs1Frs2Rm, arith2, IR_OP_fdiv, IR_F32)
INSN(fsqrt_s, FrdFrs1Rm, arith1, IR_OP_fsqrt, IR_F32)
INSN(fsgnj_s, FrdFrs1Frs2, sign, IR_F32)
INSN(fsgnjn_s, FrdFrs1Frs2, sign_not, IR_F32)
INSN(fsgnjx_s, FrdFrs1Frs2, sign_xor, IR_F32)
INSN(fmin_s, FrdFrs1Frs2, minmax, IR_OP_fmin, IR_F32)
INSN(fmax_s, FrdFrs1Frs2, minmax, IR_OP_fmax, IR_F32)
INSN(fle_s, RdFrs1Frs2, compare, IR_OP_fle, IR_F32)
INSN(flt_s, RdFrs1Frs2, compare, IR_OP_flt, IR_F32)
INSN(feq_s, RdFrs1Frs2, compare, IR_OP_feq, IR_F32)

INSN(fcvt_w_s, RdFrs1Rm, to_int, IR_OP_f2i, IR_F32, IR_I32)
INSN(fcvt_wu_s, RdFrs1Rm, to_int, IR_OP_f2u, IR_F32, IR_I32)
INSN(fcvt_l_s, RdFrs1Rm, to_int, IR_OP_f2i, IR_F32, IR_I64)
INSN(fcvt_lu_s, RdFrs1Rm, to_int, IR_OP_f2u, IR_F32, IR_I64)
INSN(fcvt_s_w, FrdRs1Rm, from_int, IR_OP_i2f, IR_F32, IR_I32)
INSN(fcvt_s_wu, FrdRs1Rm, from_int, IR_OP_u2f, IR_F32, IR_I32)
INSN(fcvt_s_l, FrdRs1Rm, from_int, IR_OP_i2f, IR_F32, IR_I64)
INSN(fcvt_s_lu, FrdRs1Rm, from_int, IR_OP_u2f, IR_F32, IR_I64)

INSN(fmv_x_w, RdFrs1, to_x, IR_F32)
INSN(fmv_w_x, FrdRs1, from_x, IR_F32)
INSN(fclass_s, RdFrs1, class, IR_F32)
