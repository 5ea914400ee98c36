/* SPDX-License-Identifier: Apache-2.0 */
/* Straight code, loops, calls and jumps; what cannot be fetched or decoded. */
#include "testsuite/translator/run.h"

namespace
{

TEST(Run, LoopEndsAtTheSystemCall)
{
    Asm c(fresh_code());
    uint64_t start = sum_loop(c);
    Cpu cpu(start);

    cpu[a1] = 100000;
    EXPECT_EQ(IR_TRAP_syscall, cpu.run().trap);
    EXPECT_EQ(100000u * 100001ull / 2, cpu[a0]);
    EXPECT_EQ(c.pc - 4, cpu.vcpu->pc);
}

TEST(Run, ChainedUnitsDoNotComeBackToTheRunLoop)
{
    if (tier != TR_TIER_jit || checking) {
        GTEST_SKIP() << "nothing is chained";
    }
    Asm c(fresh_code());
    Cpu cpu(sum_loop(c));
    cpu[a1] = 100;
    cpu.run();
    uint64_t before = counter("enters");
    cpu[a1] = 100000;
    cpu.run(cpu.vcpu->pc - 16);
    EXPECT_LT(counter("enters") - before, 10u);
}

/* Quotient and remainder of the same operands, in both orders, where RISC-V says what comes. */
TEST(Run, QuotientAndRemainder)
{
    Asm c(fresh_code());
    uint64_t start = c.divide(4, a2, a0, a1);
    c.divide(6, a3, a0, a1);
    c.divide(7, a4, a0, a1);
    c.divide(5, a5, a0, a1);
    c.ecall();
    Cpu cpu(start);
    const int64_t values[] = { 0, 1, -1, 7, -7, 100, INT64_MIN, INT64_MAX };
    for (int64_t a : values) {
        for (int64_t b : values) {
            uint64_t ua = static_cast<uint64_t>(a), ub = static_cast<uint64_t>(b);
            bool overflow = a == INT64_MIN && b == -1;
            cpu[a0] = ua;
            cpu[a1] = ub;
            cpu.run(start);
            EXPECT_EQ(overflow ? ua : b ? static_cast<uint64_t>(a / b) : UINT64_MAX, cpu[a2]);
            EXPECT_EQ(overflow ? 0 : b ? static_cast<uint64_t>(a % b) : ua, cpu[a3]);
            EXPECT_EQ(b ? ua % ub : ua, cpu[a4]);
            EXPECT_EQ(b ? ua / ub : UINT64_MAX, cpu[a5]);
        }
    }
}

/* A unit that ended right behind a jump it had followed jumped to itself: for every number of
 * branches that a unit may pass. */
TEST(Run, UnitMayEndAfterAJumpThatItFollowed)
{
    for (int branches = 0; branches < 12; branches++) {
        Asm c(fresh_code());
        uint64_t start = c.li(a0, 1);

        for (int i = 0; i < branches; i++) {
            c.bne(zero, zero, start);
        }
        c.jal(zero, c.pc + 8);
        c.ecall();
        c.bne(a0, zero, c.pc + 8);
        c.ecall();
        c.li(a0, 2);
        c.ecall();
        Cpu cpu(start);
        EXPECT_EQ(IR_TRAP_syscall, cpu.run().trap);
        EXPECT_EQ(2u, cpu[a0]) << branches << " branches";
    }
}

TEST(Run, CallsAndReturns)
{
    Asm c(fresh_code());
    uint64_t start = c.pc;
    uint64_t function = start + 0x400;
    c.li(s0, 0);
    uint64_t loop = c.jal(ra, function);
    c.addi(a1, a1, -1);
    c.bne(a1, zero, loop);
    c.ecall();
    Asm f(function);
    f.addi(s0, s0, 3);
    f.ret();

    Cpu cpu(start);
    cpu[a1] = 5000;
    EXPECT_EQ(IR_TRAP_syscall, cpu.run().trap);
    EXPECT_EQ(15000u, cpu[s0]);
}

/* Recursive: a0 calls deep. */
TEST(Run, DeepRecursion)
{
    Asm c(fresh_code());
    uint64_t start = c.pc, down = start + 0x100;
    c.jal(ra, down);
    c.ecall();
    Asm f(down);
    uint64_t skip = f.beq(a0, zero, f.pc); /* patched below */
    f.addi(sp, sp, -16);
    f.sd(ra, sp, 0);
    f.addi(a0, a0, -1);
    f.jal(ra, down);
    f.addi(a0, a0, 2);
    f.ld(ra, sp, 0);
    f.addi(sp, sp, 16);
    uint64_t end = f.ret();
    Asm(skip).beq(a0, zero, end);

    Cpu cpu(start);
    cpu[sp] = DATA + DATA_SIZE;
    cpu[a0] = 1000;
    EXPECT_EQ(IR_TRAP_syscall, cpu.run().trap);
    EXPECT_EQ(2000u, cpu[a0]);
    EXPECT_EQ(DATA + DATA_SIZE, cpu[sp]);
}

TEST(Run, ComputedJumpsThroughATable)
{
    Asm c(fresh_code());
    uint64_t start = c.pc, targets = start + 0x1000;
    /* a3 counts rounds; jumps to targets + 64 * (a3 % 8 by wrapping a2) */
    uint64_t loop = c.jalr(zero, a2, 0);
    uint64_t back = c.addi(a3, a3, -1);
    c.bne(a3, zero, loop);
    c.ecall();
    for (int i = 0; i < 8; i++) {
        Asm t(targets + 64 * static_cast<uint64_t>(i));
        t.addi(a0, a0, i + 1);
        t.addi(a2, a2, i == 7 ? -7 * 64 : 64);
        t.jal(zero, back);
    }
    Cpu cpu(start);
    cpu[a0] = 0;
    cpu[a2] = targets;
    cpu[a3] = 8 * 1000;
    EXPECT_EQ(IR_TRAP_syscall, cpu.run().trap);
    EXPECT_EQ(36u * 1000, cpu[a0]);
}

TEST(Run, ComputedJumpsByTurnsToPcsWithOnePlaceInTheJumpCache)
{
    if (tier != TR_TIER_jit || checking) {
        GTEST_SKIP() << "nothing is chained";
    }
    Asm c(fresh_code());
    fresh_code();
    uint64_t start = c.pc, near = start + 0x1000, far = near + 2 * VCPU_JUMP_CACHE;
    fresh_code();
    uint64_t loop = c.jalr(zero, a2, 0);
    uint64_t back = c.addi(a3, a3, -1);
    c.bne(a3, zero, loop);
    c.ecall();
    for (uint64_t target : { near, far }) {
        Asm t(target);
        t.addi(a0, a0, 1);
        t.sub(a2, a4, a2); /* the other one */
        t.jal(zero, back);
    }
    Cpu cpu(start);
    cpu[a0] = 0;
    cpu[a2] = near;
    cpu[a4] = near + far;
    cpu[a3] = 10000;
    uint64_t before = counter("misses");
    EXPECT_EQ(IR_TRAP_syscall, cpu.run().trap);
    EXPECT_EQ(10000u, cpu[a0]);
    EXPECT_LT(counter("misses") - before, 10u);
}

/* An empty place of the jump cache is not one for them. */
TEST(Run, ComputedJumpToTheFirstPcs)
{
    for (uint64_t target : { 0, 2 }) {
        Asm c(fresh_code());
        Cpu cpu(c.jalr(zero, a2, 0));
        cpu[a2] = target;
        TrStop stop = cpu.run();
        EXPECT_EQ(IR_TRAP_fetch, stop.trap);
        EXPECT_EQ(target, stop.arg);
    }
}

TEST(Run, FetchOfNothingStopsWithTheAddress)
{
    Cpu cpu(NOWHERE);
    TrStop stop = cpu.run();
    EXPECT_EQ(IR_TRAP_fetch, stop.trap);
    EXPECT_EQ(+NOWHERE, stop.arg);
    EXPECT_EQ(+NOWHERE, cpu.vcpu->pc);
}

TEST(Run, InstructionThatSticksOutOfExecutableMemory)
{
    uint64_t end = CODE + CODE_SIZE;
    *reinterpret_cast<uint16_t *>(end - 4) = 0x0505; /* c.addi a0, 1 */
    *reinterpret_cast<uint16_t *>(end - 2) = 0x0513; /* first half of an addi */
    Cpu cpu(end - 4);
    cpu[a0] = 5;
    TrStop stop = cpu.run();
    EXPECT_EQ(IR_TRAP_fetch, stop.trap);
    EXPECT_EQ(end, stop.arg);
    EXPECT_EQ(end - 2, cpu.vcpu->pc);
    EXPECT_EQ(6u, cpu[a0]);
}

TEST(Run, OddPcIsMisaligned)
{
    Cpu cpu(CODE + 1);
    EXPECT_EQ(IR_TRAP_misaligned_fetch, cpu.run().trap);
    EXPECT_EQ(CODE + 1, cpu.vcpu->pc);
}

TEST(Run, IllegalInstructionHasItsPc)
{
    Asm c(fresh_code());
    c.li(a0, 1);
    uint64_t bad = c.word(0xffffffff);
    Cpu cpu(bad - 4);
    EXPECT_EQ(IR_TRAP_illegal, cpu.run().trap);
    EXPECT_EQ(bad, cpu.vcpu->pc);
    EXPECT_EQ(1u, cpu[a0]);
}

} // namespace
