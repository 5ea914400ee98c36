/* SPDX-License-Identifier: Apache-2.0 */
/* Zfa (RISC-V unprivileged spec, "'Zfa' Extension for Additional Floating-Point
 * Instructions"). */
#include "frontends/riscv/fp.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

FP_BOTH(fminm, FrdFrs1Frs2, minmax, IR_OP_fminm)
FP_BOTH(fmaxm, FrdFrs1Frs2, minmax, IR_OP_fmaxm)
FP_BOTH(fround, FrdFrs1Rm, arith1, IR_OP_fround)
FP_BOTH(froundnx, FrdFrs1Rm, arith1, IR_OP_froundnx)
FP_BOTH(fleq, RdFrs1Frs2, compare, IR_OP_fleq)
FP_BOTH(fltq, RdFrs1Frs2, compare, IR_OP_fltq)

bool rv_fcvtmod_w_d(Rv *c, const RvFcvtmodWD *a)
{
    IrRef value = rv_getf(c, a->frs1, IR_F64);

    rv_set32(c, a->rd, ir_fp1(c->b, IR_OP_f2imod, IR_I32, IR_RM_RTZ, value));
    return true;
}

/* ---- Load-immediate: the operand is an index into this ---- */

enum { FLI_MIN = 1, FLI_NAN = 31 };

static const double values[32] = {
    -1.0, 0 /* min */, 0x1p-16, 0x1p-15, 0x1p-8, 0x1p-7, 0.0625, 0.125,
    0.25, 0.3125, 0.375, 0.4375, 0.5, 0.625, 0.75, 0.875,
    1.0, 1.25, 1.5, 1.75, 2.0, 2.5, 3.0, 4.0,
    8.0, 16.0, 128.0, 256.0, 0x1p15, 0x1p16, INFINITY, 0 /* NaN */,
};

bool rv_fli_s(Rv *c, const RvFliS *a)
{
    float value = (float)values[a->fli_imm];
    uint32_t bits;

    memcpy(&bits, &value, sizeof(bits));
    bits = a->fli_imm == FLI_MIN ? 0x00800000 : a->fli_imm == FLI_NAN ? 0x7fc00000 : bits;
    rv_setf(c, a->frd, ir_const(c->b, IR_F32, bits));
    return true;
}

bool rv_fli_d(Rv *c, const RvFliD *a)
{
    uint64_t bits;

    memcpy(&bits, &values[a->fli_imm], sizeof(bits));
    bits = a->fli_imm == FLI_MIN   ? UINT64_C(0x0010000000000000)
           : a->fli_imm == FLI_NAN ? UINT64_C(0x7ff8000000000000)
                                   : bits;
    rv_setf(c, a->frd, ir_const(c->b, IR_F64, bits));
    return true;
}

int rv_print_fli(char *text, size_t size, int64_t value)
{
    if (value == FLI_MIN || value == FLI_NAN) {
        return snprintf(text, size, "%s", value == FLI_MIN ? "min" : "nan");
    }
    return isinf(values[value]) ? snprintf(text, size, "inf")
                                : snprintf(text, size, "%a", values[value]);
}
