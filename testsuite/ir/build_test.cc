/* SPDX-License-Identifier: Apache-2.0 */
#include <gtest/gtest.h>

#include "testsuite/ir/guest.h"

using namespace ketch_test;

namespace
{

class Build : public testing::Test
{
  protected:
    Build() : arena_(NewArena()), f_(ir_func_new(arena_.get(), &TestGuest(), 0x1000))
    {
        ir_build_at(&b_, f_, ir_block_new(f_, 0x1000));
    }

    IrOp OpOf(IrRef ref)
    {
        return static_cast<IrOp>(ir_insn(f_, ref)->op);
    }

    IrRef Binary(IrOp op, IrRef a, IrRef b)
    {
        return ir_op2(&b_, op, IR_I64, a, b);
    }

    ArenaPtr arena_;
    IrFunc *f_;
    IrBuild b_;
};

TEST_F(Build, RegistersAreForwarded)
{
    IrRef a = ir_get(&b_, 1);

    EXPECT_EQ(a, ir_get(&b_, 1));
    IrRef sum = Binary(IR_OP_add, a, a);
    ir_set(&b_, 1, sum);
    EXPECT_EQ(sum, ir_get(&b_, 1));
    uint32_t n = f_->n_insns;
    ir_set(&b_, 1, sum);
    EXPECT_EQ(n, f_->n_insns) << "setting what is there already";
}

TEST_F(Build, HelpersThatWriteStateAndNewBlocksForget)
{
    IrRef a = ir_get(&b_, 1);

    ir_call(&b_, kHelperPeek, a, 0, 0);
    EXPECT_EQ(a, ir_get(&b_, 1));
    ir_call(&b_, kHelperPoke, a, a, 0);
    IrRef again = ir_get(&b_, 1);
    EXPECT_NE(a, again);
    ir_build_follow(&b_, ir_block_new(f_, 0x1004));
    EXPECT_EQ(again, ir_get(&b_, 1));
    ir_build_at(&b_, f_, ir_block_new(f_, 0x1008));
    EXPECT_NE(again, ir_get(&b_, 1));
}

TEST_F(Build, ConstantsAreFoldedAndShared)
{
    IrRef five = ir_const(&b_, IR_I64, 5), three = ir_const(&b_, IR_I64, 3);

    EXPECT_EQ(five, ir_const(&b_, IR_I64, 5));
    IrRef eight = Binary(IR_OP_add, five, three);
    EXPECT_EQ(IR_OP_const, OpOf(eight));
    EXPECT_EQ(8, ir_insn(f_, eight)->imm);
    EXPECT_NE(five, ir_const(&b_, IR_I32, 5));
    /* The form of constants: sign-extended, but I1 and floats zero-extended. */
    EXPECT_EQ(-1, ir_insn(f_, ir_const(&b_, IR_I32, 0xffffffff))->imm);
    EXPECT_EQ(1, ir_insn(f_, ir_const(&b_, IR_I1, 1))->imm);
    EXPECT_EQ(0xbf800000, ir_insn(f_, ir_const(&b_, IR_F32, 0xbf800000))->imm);
}

TEST_F(Build, EqualOpsAreOne)
{
    IrRef a = ir_get(&b_, 1), b = ir_get(&b_, 2);

    EXPECT_EQ(Binary(IR_OP_add, a, b), Binary(IR_OP_add, b, a));
    EXPECT_NE(Binary(IR_OP_sub, a, b), Binary(IR_OP_sub, b, a));
    EXPECT_NE(Binary(IR_OP_add, a, b), Binary(IR_OP_xor, a, b));
}

TEST_F(Build, QuotientAndRemainderAreOneDivision)
{
    const IrOp pairs[][2] = { { IR_OP_div, IR_OP_rem }, { IR_OP_divu, IR_OP_remu } };

    for (const auto &pair : pairs) {
        for (bool remainder_first : { false, true }) {
            IrRef a = ir_get(&b_, remainder_first ? 1 : 2), b = ir_get(&b_, 3);
            IrRef first = Binary(pair[remainder_first], a, b);
            IrRef second = Binary(pair[!remainder_first], a, b);
            IrRef q = remainder_first ? second : first, r = remainder_first ? first : second;
            EXPECT_EQ(pair[0], OpOf(q));
            ASSERT_EQ(IR_OP_sub, OpOf(r));
            EXPECT_EQ(a, ir_insn(f_, r)->arg[0]);
            const IrInsn *product = ir_insn(f_, ir_insn(f_, r)->arg[1]);
            EXPECT_EQ(IR_OP_mul, product->op);
            EXPECT_EQ(q, product->arg[product->arg[0] == b]);
            EXPECT_EQ(b, product->arg[product->arg[0] == q]);
            EXPECT_EQ(r, Binary(pair[1], a, b)) << "the same again";
        }
    }
    EXPECT_EQ(IR_OP_remu, OpOf(Binary(IR_OP_remu, ir_get(&b_, 4), ir_get(&b_, 3))));
}

TEST_F(Build, IdentitiesNeedNoOp)
{
    IrRef x = ir_get(&b_, 1), zero = ir_const(&b_, IR_I64, 0), ones = ir_const(&b_, IR_I64, ~0ull);

    EXPECT_EQ(x, Binary(IR_OP_add, x, zero));
    EXPECT_EQ(x, Binary(IR_OP_add, zero, x));
    EXPECT_EQ(x, Binary(IR_OP_sub, x, zero));
    EXPECT_EQ(x, Binary(IR_OP_and, x, ones));
    EXPECT_EQ(zero, Binary(IR_OP_and, x, zero));
    EXPECT_EQ(x, Binary(IR_OP_or, x, zero));
    EXPECT_EQ(zero, Binary(IR_OP_xor, x, x));
    EXPECT_EQ(x, Binary(IR_OP_shl, x, ir_const(&b_, IR_I64, 64)));
    EXPECT_EQ(x, ir_op3(&b_, IR_OP_sel, IR_I64, ir_const(&b_, IR_I1, 1), x, zero));
    IrRef word = ir_op1(&b_, IR_OP_trunc, IR_I32, x);
    IrRef wide = ir_op1(&b_, IR_OP_sext, IR_I64, word);
    EXPECT_EQ(word, ir_op1(&b_, IR_OP_trunc, IR_I32, wide));
    EXPECT_EQ(wide, ir_op1(&b_, IR_OP_sext, IR_I64, word));
}

TEST_F(Build, AddressesTakeTheConstant)
{
    IrRef x = ir_get(&b_, 1);
    IrRef addr = Binary(IR_OP_add, x, ir_const(&b_, IR_I64, 0x7fffffff));
    const IrInsn *load = ir_insn(f_, ir_load(&b_, IR_I64, 3, addr, -16));

    EXPECT_EQ(x, load->arg[0]);
    EXPECT_EQ(0x7fffffef, load->imm);
    load = ir_insn(f_, ir_load(&b_, IR_I64, 3, addr, 1));
    EXPECT_EQ(addr, load->arg[0]) << "the sum is no 32-bit number";
    EXPECT_EQ(1, load->imm);
}

TEST_F(Build, FloatingPointSeesRawValues)
{
    IrRef x = ir_get(&b_, kGprs), sum = ir_fp2(&b_, IR_OP_fadd, IR_F64, IR_RM_DYN, x, x);
    IrRef canon = ir_op1(&b_, IR_OP_fcanon, IR_F64, sum);
    IrRef loaded = ir_op1(&b_, IR_OP_fcanon, IR_F64, x);

    EXPECT_EQ(sum, ir_insn(f_, ir_fp1(&b_, IR_OP_fsqrt, IR_F64, IR_RM_DYN, canon))->arg[0]);
    EXPECT_EQ(loaded, ir_insn(f_, ir_fp1(&b_, IR_OP_fsqrt, IR_F64, IR_RM_DYN, loaded))->arg[0])
        << "it may be a signalling NaN";
    EXPECT_EQ(canon, ir_insn(f_, ir_op1(&b_, IR_OP_fneg, IR_F64, canon))->arg[0]);
}

TEST_F(Build, BranchesOnNegationsTurn)
{
    IrRef x = ir_get(&b_, 1), y = ir_get(&b_, 2);
    IrRef less = ir_op2(&b_, IR_OP_lt, IR_I1, x, y), flag = ir_op1(&b_, IR_OP_trunc, IR_I1, x);
    IrRef not_less = ir_op1(&b_, IR_OP_not, IR_I1, less);
    IrBlockId yes = ir_block_new(f_, 0x1010), no = ir_block_new(f_, 0x1020);

    EXPECT_EQ(IR_OP_le, OpOf(not_less));
    EXPECT_EQ(y, ir_insn(f_, not_less)->arg[0]);
    ir_brif(&b_, ir_op1(&b_, IR_OP_not, IR_I1, flag), yes, no);
    const IrInsn *branch = ir_insn(f_, f_->block[0].last);
    EXPECT_EQ(flag, branch->arg[0]);
    EXPECT_EQ(no, ir_edge(f_, branch, 0)->block);
    EXPECT_EQ(yes, ir_edge(f_, branch, 1)->block);
    EXPECT_EQ(1u, f_->block[yes].n_preds);
}

TEST_F(Build, GrowsWithoutLoss)
{
    IrRef x = ir_get(&b_, 1);

    for (uint64_t k = 1; k < 5000; k++) {
        x = Binary(IR_OP_xor, x, ir_const(&b_, IR_I64, k * 0x10001));
        x = Binary(IR_OP_mul, x, x);
    }
    ir_set(&b_, 1, x);
    ir_exit(&b_, 0x1004, IR_EXIT_CALL, 0x1008);
    const char *error = nullptr;
    EXPECT_TRUE(ir_verify(f_, &error)) << error;
    EXPECT_GT(f_->n_insns, 14000u);
}

} // namespace
