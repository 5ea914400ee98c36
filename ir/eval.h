/* SPDX-License-Identifier: Apache-2.0 */
/*
 * ir/eval.h - the value of one op, from its row in ops.def: the reference for the folder, the
 * interpreter and every backend's tests.
 *
 * Floating point comes from ir/softfloat.h, which shares nothing with the host's unit.
 */
#ifndef KETCH_IR_EVAL_H
#define KETCH_IR_EVAL_H

#include "ir/ir.h"
#include "ir/softfloat.h"

/*
 * *out = value of `i` for the operands a, b, c (any bits above their widths are ignored), whose
 * types are `arg_type[]`.  `dyn_rm` stands for IR_RM_DYN; flags go to *flags (may be NULL for ops
 * without IR_FP).  False when the op has no eval.
 */
MUST_USE bool ir_eval(const IrInsn *i, const uint8_t arg_type[3], const uint64_t arg[3],
                      IrRm dyn_rm, uint32_t *flags, uint64_t *out);

#endif
