/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The integer rows of ops.def at their edges.  Expected values are written by hand, since an error
 * in a row is shared by folder, interpreter and the tests of backends.
 */
#include <gtest/gtest.h>

extern "C" {
#include "ir/eval.h"
}

namespace
{

constexpr uint64_t kMin64 = UINT64_C(1) << 63;
constexpr uint64_t kMax64 = kMin64 - 1;
constexpr uint64_t kAll = ~UINT64_C(0);

/* Three operands of `type`; `out` is the type of the result. */
uint64_t Eval(IrOp op, IrType type, uint64_t a, uint64_t b = 0, uint64_t c = 0,
              IrType out = IR_VOID)
{
    IrInsn i = {};
    uint8_t types[3] = { type, type, type };
    uint64_t args[3] = { a, b, c }, value = 0xdead;

    i.op = op;
    i.type = out == IR_VOID ? type : out;
    if (op == IR_OP_sel) {
        types[0] = IR_I1;
    }
    EXPECT_TRUE(ir_eval(&i, types, args, IR_RM_RNE, nullptr, &value));
    return value;
}

uint64_t Compare(IrOp op, IrType type, uint64_t a, uint64_t b)
{
    return Eval(op, type, a, b, 0, IR_I1);
}

TEST(Eval, SumsWrapAtTheWidth)
{
    EXPECT_EQ(0u, Eval(IR_OP_add, IR_I64, kAll, 1));
    EXPECT_EQ(0u, Eval(IR_OP_add, IR_I32, 0xffffffff, 1));
    EXPECT_EQ(0xffu, Eval(IR_OP_sub, IR_I8, 0, 1));
    EXPECT_EQ(0x80000000u, Eval(IR_OP_neg, IR_I32, 0x80000000));
    EXPECT_EQ(0xfffeu, Eval(IR_OP_mul, IR_I16, 0xffff, 2));
    /* Bits above the width do not matter. */
    EXPECT_EQ(3u, Eval(IR_OP_add, IR_I32, UINT64_C(0x500000001), UINT64_C(0x700000002)));
    EXPECT_EQ(1u, Eval(IR_OP_divu, IR_I32, UINT64_C(0x100000005), 4));
}

TEST(Eval, HighHalves)
{
    EXPECT_EQ(kAll - 1, Eval(IR_OP_mulhu, IR_I64, kAll, kAll));
    EXPECT_EQ(0u, Eval(IR_OP_mulhs, IR_I64, kAll, kAll));
    EXPECT_EQ(UINT64_C(1) << 62, Eval(IR_OP_mulhs, IR_I64, kMin64, kMin64));
    EXPECT_EQ(kAll, Eval(IR_OP_mulhs, IR_I64, kAll, 1));
    EXPECT_EQ(kAll, Eval(IR_OP_mulhsu, IR_I64, kAll, kAll));
    EXPECT_EQ(kMax64 - 1 + 0, Eval(IR_OP_mulhsu, IR_I64, kMax64, kAll));
    EXPECT_EQ(0xfffffffeu, Eval(IR_OP_mulhu, IR_I32, 0xffffffff, 0xffffffff));
    EXPECT_EQ(0xffffffffu, Eval(IR_OP_mulhsu, IR_I32, 0xffffffff, 0xffffffff));
    EXPECT_EQ(0x40u, Eval(IR_OP_mulhs, IR_I8, 0x80, 0x80));
}

TEST(Eval, DivisionIsTotal)
{
    EXPECT_EQ(kAll, Eval(IR_OP_div, IR_I64, 7, 0));
    EXPECT_EQ(0xffffffffu, Eval(IR_OP_div, IR_I32, 7, 0));
    EXPECT_EQ(kAll, Eval(IR_OP_divu, IR_I64, 0, 0));
    EXPECT_EQ(0xffffffffu, Eval(IR_OP_divu, IR_I32, 9, 0));
    EXPECT_EQ(kMin64, Eval(IR_OP_div, IR_I64, kMin64, kAll));
    EXPECT_EQ(0x80000000u, Eval(IR_OP_div, IR_I32, 0x80000000, 0xffffffff));
    EXPECT_EQ(0u, Eval(IR_OP_rem, IR_I64, kMin64, kAll));
    EXPECT_EQ(0u, Eval(IR_OP_rem, IR_I32, 0x80000000, 0xffffffff));
    EXPECT_EQ(7u, Eval(IR_OP_rem, IR_I64, 7, 0));
    EXPECT_EQ(0xfffffff9u, Eval(IR_OP_rem, IR_I32, 0xfffffff9, 0));
    EXPECT_EQ(7u, Eval(IR_OP_remu, IR_I64, 7, 0));
    EXPECT_EQ(static_cast<uint64_t>(-3), Eval(IR_OP_div, IR_I64, static_cast<uint64_t>(-7), 2));
    EXPECT_EQ(static_cast<uint64_t>(-1), Eval(IR_OP_rem, IR_I64, static_cast<uint64_t>(-7), 2));
    EXPECT_EQ(1u, Eval(IR_OP_rem, IR_I64, 7, static_cast<uint64_t>(-2)));
}

TEST(Eval, ShiftCountsAreModuloWidth)
{
    EXPECT_EQ(1u, Eval(IR_OP_shl, IR_I64, 1, 64));
    EXPECT_EQ(2u, Eval(IR_OP_shl, IR_I32, 1, 33));
    EXPECT_EQ(0u, Eval(IR_OP_shl, IR_I32, 0x80000000, 1));
    EXPECT_EQ(1u, Eval(IR_OP_shr, IR_I32, 0x80000000, 31));
    EXPECT_EQ(0x80000000u, Eval(IR_OP_shr, IR_I32, 0x80000000, 32));
    EXPECT_EQ(0xffffffffu, Eval(IR_OP_sar, IR_I32, 0x80000000, 31));
    EXPECT_EQ(0xc0u, Eval(IR_OP_sar, IR_I8, 0x80, 1));
    EXPECT_EQ(0x40u, Eval(IR_OP_shr, IR_I8, 0x80, 9));
    EXPECT_EQ(0x00000003u, Eval(IR_OP_rotl, IR_I32, 0x80000001, 1));
    EXPECT_EQ(0xc0000000u, Eval(IR_OP_rotr, IR_I32, 0x80000001, 1));
    EXPECT_EQ(kMin64, Eval(IR_OP_rotr, IR_I64, 1, 65));
    EXPECT_EQ(0x81u, Eval(IR_OP_rotl, IR_I8, 0x81, 8));
    EXPECT_EQ(0x81u, Eval(IR_OP_rotr, IR_I8, 0x81, 0));
}

TEST(Eval, CountsAndReversal)
{
    EXPECT_EQ(64u, Eval(IR_OP_clz, IR_I64, 0));
    EXPECT_EQ(32u, Eval(IR_OP_clz, IR_I32, 0));
    EXPECT_EQ(8u, Eval(IR_OP_ctz, IR_I8, 0));
    EXPECT_EQ(7u, Eval(IR_OP_clz, IR_I8, 1));
    EXPECT_EQ(31u, Eval(IR_OP_ctz, IR_I32, 0x80000000));
    EXPECT_EQ(32u, Eval(IR_OP_popcnt, IR_I32, kAll));
    EXPECT_EQ(0x0102u, Eval(IR_OP_bswap, IR_I16, 0x0201));
    EXPECT_EQ(0x44332211u, Eval(IR_OP_bswap, IR_I32, 0x11223344));
    EXPECT_EQ(UINT64_C(0x8877665544332211),
              Eval(IR_OP_bswap, IR_I64, UINT64_C(0x1122334455667788)));
    EXPECT_EQ(0xabu, Eval(IR_OP_bswap, IR_I8, 0xab));
    EXPECT_EQ(0xfeu, Eval(IR_OP_not, IR_I8, 1));
    EXPECT_EQ(0u, Eval(IR_OP_not, IR_I1, 1));
}

TEST(Eval, CarrylessProduct)
{
    EXPECT_EQ(5u, Eval(IR_OP_clmul, IR_I64, 3, 3));
    EXPECT_EQ(UINT64_C(0x5555555555555555), Eval(IR_OP_clmul, IR_I64, kAll, kAll));
    EXPECT_EQ(UINT64_C(0x5555555555555555), Eval(IR_OP_clmulh, IR_I64, kAll, kAll));
    EXPECT_EQ(UINT64_C(1) << 62, Eval(IR_OP_clmulh, IR_I64, kMin64, kMin64));
    EXPECT_EQ(0u, Eval(IR_OP_clmulh, IR_I64, kAll, 1));
    EXPECT_EQ(kAll, Eval(IR_OP_clmul, IR_I64, kAll, 1));
}

TEST(Eval, Comparisons)
{
    EXPECT_EQ(1u, Compare(IR_OP_lt, IR_I64, kMin64, 0));
    EXPECT_EQ(0u, Compare(IR_OP_ltu, IR_I64, kMin64, 0));
    EXPECT_EQ(1u, Compare(IR_OP_lt, IR_I32, 0x80000000, 0x7fffffff));
    EXPECT_EQ(1u, Compare(IR_OP_lt, IR_I8, 0xff, 0));
    EXPECT_EQ(1u, Compare(IR_OP_le, IR_I32, 5, 5));
    EXPECT_EQ(1u, Compare(IR_OP_leu, IR_I32, 0, 0xffffffff));
    EXPECT_EQ(1u, Compare(IR_OP_eq, IR_I8, 0x1ff, 0xff));
    EXPECT_EQ(0u, Compare(IR_OP_ne, IR_I16, 0x10000, 0));
    EXPECT_EQ(2u, Eval(IR_OP_sel, IR_I32, 0, 1, 2));
    EXPECT_EQ(1u, Eval(IR_OP_sel, IR_I32, 3, 1, 2));
}

TEST(Eval, WidthChanges)
{
    EXPECT_EQ(UINT64_C(0xffffffff80000000), Eval(IR_OP_sext, IR_I32, 0x80000000, 0, 0, IR_I64));
    EXPECT_EQ(UINT64_C(0x80000000), Eval(IR_OP_zext, IR_I32, kAll << 31, 0, 0, IR_I64));
    EXPECT_EQ(0xffffu, Eval(IR_OP_sext, IR_I1, 1, 0, 0, IR_I16));
    EXPECT_EQ(0x34u, Eval(IR_OP_trunc, IR_I64, 0x1234, 0, 0, IR_I8));
    EXPECT_EQ(0u, Eval(IR_OP_trunc, IR_I64, 2, 0, 0, IR_I1));
}

TEST(Eval, FloatBits)
{
    const uint64_t one = UINT64_C(0x3ff0000000000000), nan = UINT64_C(0x7ff8000000000000);

    EXPECT_EQ(one | kMin64, Eval(IR_OP_fneg, IR_F64, one));
    EXPECT_EQ(0x3f800000u, Eval(IR_OP_fabs, IR_F32, 0xbf800000));
    EXPECT_EQ(one | kMin64, Eval(IR_OP_fcopysign, IR_F64, one, kMin64));
    EXPECT_EQ(nan, Eval(IR_OP_fcanon, IR_F64, UINT64_C(0xfff0000000000001)));
    EXPECT_EQ(0x7fc00000u, Eval(IR_OP_fcanon, IR_F32, 0xffc12345));
    EXPECT_EQ(UINT64_C(0xffffffff3f800000), Eval(IR_OP_fbox, IR_F32, 0x3f800000, 0, 0, IR_F64));
    EXPECT_EQ(0x7fc00000u, Eval(IR_OP_funbox, IR_F64, one, 0, 0, IR_F32));
    EXPECT_EQ(0x3f800000u, Eval(IR_OP_funbox, IR_F64, UINT64_C(0xffffffff3f800000), 0, 0, IR_F32));
    EXPECT_EQ(0x7e00u, Eval(IR_OP_funbox, IR_F64, UINT64_C(0xffffffff3f800000), 0, 0, IR_F16));
    EXPECT_EQ(1u << 9, Eval(IR_OP_fclass, IR_F64, nan, 0, 0, IR_I64));
}

TEST(Eval, FloatArithmeticUsesTheModeAndAddsFlags)
{
    IrInsn i = {};
    uint8_t types[3] = { IR_F64, IR_F64, IR_VOID };
    uint64_t args[3] = { UINT64_C(0x3ff0000000000000), UINT64_C(0x4008000000000000), 0 }, value;
    uint32_t flags = IR_FP_DZ;

    i.op = IR_OP_fdiv;
    i.type = IR_F64;
    i.aux = IR_RM_DYN;
    EXPECT_TRUE(ir_eval(&i, types, args, IR_RM_RUP, &flags, &value));
    EXPECT_EQ(UINT64_C(0x3fd5555555555556), value);
    EXPECT_EQ(uint32_t{ IR_FP_DZ | IR_FP_NX }, flags);
    i.aux = IR_RM_RTZ;
    EXPECT_TRUE(ir_eval(&i, types, args, IR_RM_RUP, &flags, &value));
    EXPECT_EQ(UINT64_C(0x3fd5555555555555), value);
}

TEST(Eval, OpsWithEffectsHaveNoValue)
{
    uint8_t types[3] = { IR_I64, IR_I64, IR_I64 };
    uint64_t args[3] = { 1, 2, 3 }, value = 99;

    for (unsigned op = IR_OP_none; op < IR_OP_COUNT; op++) {
        uint32_t effects = ir_op_info[op].effects;
        IrInsn i = {};

        i.op = static_cast<uint8_t>(op);
        i.type = IR_I64;
        if (!(effects & (IR_PURE | IR_FP))) {
            EXPECT_FALSE(ir_eval(&i, types, args, IR_RM_RNE, nullptr, &value))
                << ir_op_info[op].name;
        }
    }
    EXPECT_EQ(99u, value);
}

} // namespace
