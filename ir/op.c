/* SPDX-License-Identifier: Apache-2.0 */
/* ir/op.c - the tables that ops.def and the lists of ir.h expand to. */
#include "ir/guest.h"
#include "ir/ir.h"

/* Short names, valid only while the table is expanded. */
enum {
    PURE = IR_PURE,
    COMM = IR_COMM,
    FP = IR_FP,
    FPENV = IR_FPENV,
    STATE_R = IR_STATE_R,
    STATE_W = IR_STATE_W,
    MEM_R = IR_MEM_R,
    MEM_W = IR_MEM_W,
    TRAPS = IR_TRAPS,
    TERM = IR_TERM,
    CALL = IR_CALL,
    MARK = IR_MARK,
    PARAM = IR_PARAM,
};

/* clang-format off */
#define SIG0()        0, { IR_VOID }
#define SIG1(x)       1, { IR_##x }
#define SIG2(x, y)    2, { IR_##x, IR_##y }
#define SIG3(x, y, z) 3, { IR_##x, IR_##y, IR_##z }

const IrOpInfo ir_op_info[IR_OP_COUNT] = {
    [IR_OP_none] = { "none", "no operation; never in a block", IR_VOID, 0, { IR_VOID }, 0 },
#define OP(name, result, sig, effects, eval, summary) \
    [IR_OP_##name] = { #name, summary, IR_##result, sig, effects },
#include "ir/ops.def"
};

const IrTypeInfo ir_type_info[IR_TYPE_COUNT] = {
#define TYPE(name, text, bits) \
    [IR_##name] = { #text, bits, IR_##name == IR_F16 || IR_##name == IR_F32 || IR_##name == IR_F64 },
    IR_TYPES(TYPE)
#undef TYPE
};
/* clang-format on */

uint32_t ir_effects(const IrFunc *f, const IrInsn *i)
{
    uint32_t effects = ir_op_info[i->op].effects;

    return effects & IR_CALL ? f->guest->helpers[i->imm].effects : effects;
}
