/* SPDX-License-Identifier: Apache-2.0 */
/* Zfhmin (RISC-V unprivileged spec, "'Zfh' and 'Zfhmin' Extensions for Half-Precision
 * Floating-Point"). */
#include "frontends/riscv/fp.h"

FP_INSN(flh, FrdImmIRs1, load, IR_F16)
FP_INSN(fsh, Frs2ImmSRs1, store, IR_F16)
FP_INSN(fcvt_s_h, FrdFrs1RmExact, widen, IR_F32, IR_F16)
FP_INSN(fcvt_h_s, FrdFrs1Rm, convert, IR_F16, IR_F32)
FP_INSN(fcvt_d_h, FrdFrs1RmExact, widen, IR_F64, IR_F16)
FP_INSN(fcvt_h_d, FrdFrs1Rm, convert, IR_F16, IR_F64)
FP_INSN(fmv_x_h, RdFrs1, to_x, IR_F16)
FP_INSN(fmv_h_x, FrdRs1, from_x, IR_F16)
