/* SPDX-License-Identifier: Apache-2.0 */
#include "ir/eval.h"

#include "ir/arith.h"

bool ir_eval(const IrInsn *i, const uint8_t arg_type[3], const uint64_t arg[3], IrRm dyn_rm,
             uint32_t *flags, uint64_t *value)
{
    const IrOpInfo *info = &ir_op_info[i->op];
    unsigned bits = info->n_args ? ir_bits(arg_type[0]) : 64;
    unsigned out = ir_bits(i->type);
    uint64_t a = info->n_args > 0 ? bits_zext(arg[0], bits) : 0;
    uint64_t b = info->n_args > 1 ? bits_zext(arg[1], ir_bits(arg_type[1])) : 0;
    uint64_t c = info->n_args > 2 ? bits_zext(arg[2], ir_bits(arg_type[2])) : 0;
    int64_t imm = i->imm;
    IrFp env = { .rm = i->aux == IR_RM_DYN ? dyn_rm : i->aux };
    IrFp *fp = &env;
    uint64_t r = 0;
    bool known = true;

    switch ((IrOp)i->op) {
#define NO_EVAL (known = false, 0)
#define OP(name, result, sig, effects, eval, summary)                                              \
    case IR_OP_##name:                                                                             \
        r = (uint64_t)(eval);                                                                      \
        break;
#include "ir/ops.def"
    case IR_OP_none:
    case IR_OP_COUNT:
        return false;
    }
    if (!known) {
        return false;
    }
    if (flags) {
        *flags |= env.flags;
    }
    *value = bits_zext(r, out);
    return true;
}
