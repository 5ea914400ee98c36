/* SPDX-License-Identifier: Apache-2.0 */
/* Every row of the .isa files: random encodings decode to their row, print, have a shape that
 * agrees with the translation, and become IR that follows the rules. */
#include <gtest/gtest.h>

#include <random>

#include "testsuite/frontends/riscv/code.h"

namespace
{

using std::string;

uint64_t rnd(void *opaque)
{
    return (*static_cast<std::mt19937_64 *>(opaque))();
}

class EveryInsn : public testing::TestWithParam<unsigned>
{
  protected:
    const RvInsn &info() const
    {
        return rv_insns[GetParam()];
    }

    template <typename Fn> void for_each_encoding(Fn fn)
    {
        std::mt19937_64 engine(GetParam());

        for (int i = 0; i < 50; i++) {
            uint32_t bits = 0;

            ASSERT_TRUE(rv_fuzz_encode(GetParam(), rnd, &engine, &bits));
            fn(bits);
        }
    }
};

TEST_P(EveryInsn, RandomEncodingsAreItsOwn)
{
    for_each_encoding([&](uint32_t bits) {
        EXPECT_EQ(rv_decode(bits), GetParam()) << std::hex << bits;
        EXPECT_EQ(bits & info().mask, info().match) << std::hex << bits;
        EXPECT_EQ((bits & 3) == 3, info().width == 32) << std::hex << bits;
    });
}

TEST_P(EveryInsn, PrintsItsName)
{
    for_each_encoding([&](uint32_t bits) {
        EXPECT_EQ(Code({ bits }).text().rfind(info().name, 0), 0u) << Code({ bits }).text();
    });
}

/* In all three translation modes. */
TEST_P(EveryInsn, BecomesWellFormedIr)
{
    for_each_encoding([&](uint32_t bits) {
        for (uint32_t mode = 0; mode < 3; mode++) {
            Code code({ bits });

            code.c.mode = mode;
            EXPECT_NE(code.translate(), "") << code.text() << ": " << code.error();
        }
    });
}

TEST_P(EveryInsn, ShapeAgreesWithTranslation)
{
    for_each_encoding([&](uint32_t bits) {
        Code code({ bits });
        FeShape shape = code.shape();
        string ir = code.translate();
        bool illegal = ir.find("exit_trap.illegal") != string::npos;

        EXPECT_EQ(shape.length, info().width / 8);
        EXPECT_EQ(code.c.next_pc, Code::kPc + shape.length);
        if (!illegal) {
            bool goes_on = shape.kind == FE_PLAIN || shape.kind == FE_BRANCH;
            EXPECT_EQ(code.c.ended, !goes_on) << code.text();
        }
        if (shape.target) {
            char exit[64];
            snprintf(exit, sizeof(exit), " 0x%llx", (unsigned long long)shape.target);
            EXPECT_NE(ir.find(exit), string::npos) << exit << " in " << ir;
        }
    });
}

INSTANTIATE_TEST_SUITE_P(Rv, EveryInsn, testing::Range(1u, unsigned(RV_COUNT)),
                         [](const testing::TestParamInfo<unsigned> &info) {
                             string name = rv_insns[info.param].name;
                             for (char &ch : name)
                                 ch = isalnum(ch) ? ch : '_';
                             return name;
                         });

TEST(Decode, WhatNoRowHasIsIllegal)
{
    for (uint32_t bits : { 0x0000u, 0x2001u, 0x4002u, 0x8002u, 0x9c41u, 0xffffffffu, 0x00500073u })
        EXPECT_EQ(Code({ bits }).shape().kind, FE_STOP) << std::hex << bits;
    EXPECT_NE(Code({ 0 }).translate().find("illegal"), string::npos);
    EXPECT_EQ(Code({ 0 }).text(), ".short 0x0000");
    EXPECT_EQ(Code({ 0xffffffff }).text(), ".word 0xffffffff");
}

TEST(Decode, TruncatedInstructionHasNoLength)
{
    const uint8_t bytes[] = { 0x13, 0x05, 0x15 };

    EXPECT_EQ(fe_riscv64.shape(0, bytes, 1).length, 0);
    EXPECT_EQ(fe_riscv64.shape(0, bytes, 3).length, 0);
    EXPECT_EQ(fe_riscv64.disassemble(0, bytes, 3, nullptr, 0), 0u);
}

struct Hint {
    uint32_t bits;
    FeKind kind;
};

/* The manual's table of return-address stack hints. */
TEST(Shape, ReturnAddressStackHints)
{
    const Hint hints[] = {
        { 0x010000ef, FE_CALL },     /* jal ra */
        { 0x010002ef, FE_CALL },     /* jal t0 */
        { 0x0100006f, FE_JUMP },     /* j */
        { 0x0100036f, FE_JUMP },     /* jal t1 */
        { 0x00008067, FE_RETURN },   /* ret */
        { 0x00028067, FE_RETURN },   /* jr t0 */
        { 0x00050067, FE_INDIRECT }, /* jr a0 */
        { 0x000500e7, FE_ICALL },    /* jalr a0 */
        { 0x000080e7, FE_ICALL },    /* jalr ra, 0(ra) */
        { 0x000080e7 | 5 << 7, FE_ICALL },
        { 0x8082, FE_RETURN },   /* c.jr ra */
        { 0x8502, FE_INDIRECT }, /* c.jr a0 */
        { 0x9502, FE_ICALL },    /* c.jalr a0 */
    };

    for (const Hint &h : hints)
        EXPECT_EQ(Code({ h.bits }).shape().kind, h.kind) << Code({ h.bits }).text();
}

enum : uint32_t {
    kLrW = 0x1005252f,     /* lr.w a0, (a0) */
    kScW = 0x18b5252f,     /* sc.w a0, a1, (a0) */
    kAddi = 0x00158593,    /* addi a1, a1, 1 */
    kLd = 0x0005b583,      /* ld a1, 0(a1) */
    kBneOut = 0x02b51063,  /* bne a0, a1, +32 */
    kBneBack = 0xfeb51ee3, /* bne a0, a1, -4 */
    kWrsNto = 0x00d00073,  /* wrs.nto */
    kWrsSto = 0x01d00073,  /* wrs.sto */
};

bool asks_to_be_alone(std::vector<uint32_t> insns, bool threads, bool one_insn)
{
    Code code(insns);

    code.c.threads = threads;
    code.c.one_insn = one_insn;
    return code.translate().find("exclusive") != string::npos;
}

TEST(Reservation, PlainBetweenThreadsWhenNothingElseHappensBetween)
{
    EXPECT_FALSE(asks_to_be_alone({ kLrW, kAddi, kBneOut, kScW }, true, false));
    EXPECT_TRUE(asks_to_be_alone({ kLrW, kLd, kScW }, true, false));
    EXPECT_TRUE(asks_to_be_alone({ kLrW, kBneBack, kScW }, true, false));
    EXPECT_TRUE(asks_to_be_alone({ kLrW, kAddi }, true, false));
    EXPECT_FALSE(asks_to_be_alone({ kLrW, kLd, kScW }, false, false));
    EXPECT_FALSE(asks_to_be_alone({ kLrW, kLd, kScW }, true, true));
}

/* Linux' spinlocks: a hart that waits does not stop the others. */
TEST(Reservation, WaitingForTheSetEndsIt)
{
    for (uint32_t wait : { kWrsNto, kWrsSto }) {
        EXPECT_FALSE(asks_to_be_alone({ kLrW, kBneOut, wait }, true, false));
        EXPECT_TRUE(asks_to_be_alone({ kLrW, kLd, wait }, true, false));
        EXPECT_NE(Code({ wait }).translate().find("setreg resaddr"), string::npos)
            << Code({ wait }).translate();
    }
}

TEST(Reservation, SaysThatItDependsOnThreads)
{
    Code simple({ kLrW, kScW }), odd({ kLrW, kLd, kScW });

    simple.translate();
    odd.translate();
    EXPECT_FALSE(simple.c.asked_threads);
    EXPECT_TRUE(odd.c.asked_threads);
}

enum : uint32_t {
    kLr = 0x100527af,   /* lr.w a5, (a0) */
    kLrD = 0x160537af,  /* lr.d.aqrl a5, (a0) */
    kOut = 0x00b79663,  /* bne a5, a1, +12 */
    kSc = 0x18c5272f,   /* sc.w a4, a2, (a0) */
    kScD = 0x1a05372f,  /* sc.d.rl a4, zero, (a0) */
    kBack8 = 0xfe071ce3,  /* bnez a4, -8 */
    kBack12 = 0xfe071ae3, /* bnez a4, -12 */
    kAdd = 0x00b78633,  /* add a2, a5, a1 */
    kAddBase = 0x00b78533, /* add a0, a5, a1 */
    kMul = 0x02b78633,  /* mul a2, a5, a1 */
};

unsigned sequence(const std::vector<uint32_t> &insns)
{
    return Code(insns).sequence();
}

TEST(LrLoop, IsFoundWhole)
{
    EXPECT_TRUE(Code({ kLr }).shape().begins);
    EXPECT_FALSE(Code({ kSc }).shape().begins);
    EXPECT_EQ(16u, sequence({ kLr, kOut, kSc, kBack12 }));
    EXPECT_EQ(12u, sequence({ kLr, kSc, kBack8 }));
    EXPECT_EQ(12u, sequence({ kLrD, kScD, kBack8 }));
    EXPECT_EQ(16u, sequence({ kLr, kAdd, kSc, kBack12 }));
    EXPECT_EQ(20u, sequence({ kLr, kAdd, kOut, kSc, 0xfe0718e3 /* bnez a4, -16 */ }));
    EXPECT_EQ(12u, sequence({ kLrD, 0xe781 /* bnez a5, +8 */, kScD, 0xfb7d /* bnez a4, -10 */ }));
    EXPECT_EQ(12u, sequence({ kLr, 0x0785 /* addi a5, a5, 1 */, kSc, 0xfb7d }));
}

TEST(LrLoop, IsNoneWhenAnythingIsOdd)
{
    EXPECT_EQ(0u, sequence({ kLr, kOut, kSc })) << "cut off";
    EXPECT_EQ(0u, sequence({ kLr, kOut, kSc, kBack8 })) << "goes back elsewhere";
    EXPECT_EQ(0u, sequence({ kLr, kOut, kAdd, kSc, 0xfe0718e3 /* -16 */ })) << "leaves to the way back";
    EXPECT_EQ(0u, sequence({ kLr, kAddBase, kSc, kBack12 })) << "changes the address";
    EXPECT_EQ(0u, sequence({ kLr, kMul, kSc, kBack12 })) << "more than plain arithmetic";
    EXPECT_EQ(0u, sequence({ kLr, kScD, kBack8 })) << "two widths";
    EXPECT_EQ(0u, sequence({ kLr, 0x1805a72f /* sc.w a4, zero, (a1) */, kBack8 })) << "two addresses";
    EXPECT_EQ(0u, sequence({ 0x1005202f /* lr.w zero */, kSc, kBack8 })) << "nothing is read";
    EXPECT_EQ(0u, sequence({ kLr, kAdd, kAdd, kAdd, kAdd, kAdd, kAdd, kAdd, kAdd, kAdd, kSc,
                             0xfc071ae3 /* -44 */ }))
        << "too long";
}

TEST(LrLoop, IsNotTakenInWholeMachines)
{
    EXPECT_EQ(nullptr, fe_riscv64_machine.sequence);
}

TEST(Call, FarCallHasAKnownTarget)
{
    /* auipc ra, 0x1; jalr ra, 16(ra) */
    Code code({ 0x00001097, 0x010080e7 });
    string ir = code.translate();

    EXPECT_NE(ir.find(" 0x11010"), string::npos) << ir;
    EXPECT_EQ(ir.find("exit_ind"), string::npos) << ir;
}

/* The builder goes on in the expected block, which the block of the exit does not dominate; whatever
 * the target's number, so that constants fall out of the builder's table. */
TEST(Call, ExpectedTargetUsesNothingOfTheExit)
{
    std::unique_ptr<Arena, void (*)(Arena *)> arena(arena_new(1 << 24), arena_free);

    for (uint64_t pc = 0x20000; pc < 0x20800; pc += 2) {
        IrFunc *f = ir_func_new(arena.get(), fe_riscv64.guest, Code::kPc);
        IrBlockId first = ir_block_new(f, Code::kPc), callee = ir_block_new(f, pc);
        const char *error = nullptr;
        FeContext c = {};

        ASSERT_EQ(1u, callee);
        c.opaque = &pc;
        c.expected = [](FeContext *at, unsigned k, uint64_t *to) {
            *to = *static_cast<uint64_t *>(at->opaque);
            return k == 0;
        };
        c.block_at = [](FeContext *at, uint64_t to, IrBlockId *block) {
            *block = 1;
            return to == *static_cast<uint64_t *>(at->opaque);
        };
        ir_build_at(&c.b, f, first);
        ir_set(&c.b, 1, ir_const(&c.b, IR_I64, Code::kPc + 4));
        fe_indirect(&c, ir_get(&c.b, 10), IR_EXIT_CALL, Code::kPc + 4);
        ir_build_follow(&c.b, callee);
        ir_set(&c.b, 2, ir_const(&c.b, IR_I64, Code::kPc + 4));
        ir_exit(&c.b, pc, 0, 0);
        EXPECT_TRUE(ir_verify(f, &error)) << error << "\n" << ir_print(f, arena.get());
    }
}

} // namespace
