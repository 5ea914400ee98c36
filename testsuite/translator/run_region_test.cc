/* SPDX-License-Identifier: Apache-2.0 */
/* Regions: which are made, loops larger than one, calls that they take in. */
#include <thread>
#include <unistd.h>

#include "testsuite/translator/run.h"

namespace
{

/* An outer loop around `n` blocks, each of which may be left out; a1 counts, a0 is the sum. */
uint64_t long_loop(Asm &c, int n)
{
    uint64_t start = c.li(a0, 0), loop = c.pc;
    for (int k = 0; k < n; k++) {
        c.beq(a2, zero, c.pc + 8);
        c.addi(a0, a0, 1);
    }
    c.addi(a1, a1, -1);
    c.bne(a1, zero, loop);
    c.ecall();
    return start;
}

TEST(Region, WhatTakesTooLongIsMadeSmallerOrNotTriedAgain)
{
    if (!work) {
        GTEST_SKIP() << "without --work there is time enough";
    }
    Asm c(fresh_code());
    uint64_t start = long_loop(c, 25), regions = counter("regions"), slow = counter("slow_regions");
    Cpu cpu(start);

    cpu[a1] = 2000;
    cpu[a2] = 1;
    EXPECT_EQ(IR_TRAP_syscall, cpu.run().trap);
    EXPECT_EQ(50000u, cpu[a0]);
    EXPECT_LT(slow, counter("slow_regions"));
    EXPECT_EQ(work > 1, counter("regions") > regions) << "half of it takes half the time";
    slow = counter("slow_regions");
    cpu[a1] = 2000;
    EXPECT_EQ(IR_TRAP_syscall, cpu.run(start).trap);
    EXPECT_EQ(slow, counter("slow_regions"));
}

/* Two units in a circle: once warm, only the one that is jumped back to goes on counting. */
TEST(Region, JumpsOnwardAreNotCountedForLong)
{
    if (threshold < 64) {
        GTEST_SKIP() << "counters run out at once";
    }
    Asm c(fresh_code());
    uint64_t start = c.pc, before = counter("enters");
    for (int k = 0; k < 40; k++) {
        c.addi(a0, a0, 1);
    }
    c.addi(a1, a1, -1);
    c.bne(a1, zero, start);
    c.ecall();

    Cpu cpu(start);
    cpu[a1] = threshold - 2;
    EXPECT_EQ(IR_TRAP_syscall, cpu.run().trap);
    EXPECT_EQ(40u * (threshold - 2), cpu[a0]);
    EXPECT_LT(counter("enters") - before, 24u) << "15 for one, 1 for the other, and links";
    EXPECT_LT(15u, counter("enters") - before);
}

/* fib(a0) = a0 < 2 ? a0 : fib(a0 - 1) + fib(a0 - 2); a1 has 2, the stack is at sp. */
uint64_t fib(Asm &c)
{
    uint64_t start = c.pc;
    c.branch(5, a0, a1, start + 8); /* bge */
    c.ret();
    c.addi(sp, sp, -24);
    c.sd(ra, sp, 0);
    c.sd(a0, sp, 8);
    c.addi(a0, a0, -1);
    c.jal(ra, start);
    c.ld(a2, sp, 8);
    c.sd(a0, sp, 16);
    c.addi(a0, a2, -2);
    c.jal(ra, start);
    c.ld(a2, sp, 16);
    c.ld(ra, sp, 0);
    c.add(a0, a0, a2);
    c.addi(sp, sp, 24);
    c.ret();
    return start;
}

/* The returns of a region's own function lead to behind its calls of itself, mostly. */
TEST(Region, RecursionReturnsWhereItWasCalled)
{
    Asm c(fresh_code());
    uint64_t function = fib(c), start = c.pc;
    c.addi(a3, zero, 0);
    uint64_t loop = c.addi(a0, zero, 12);
    c.jal(ra, function);
    c.add(a3, a3, a0);
    c.addi(a0, zero, 7); /* another caller */
    c.jal(ra, function);
    c.add(a3, a3, a0);
    c.addi(a4, a4, -1);
    c.bne(a4, zero, loop);
    c.ecall();
    Cpu cpu(start);

    cpu[sp] = DATA + 0x8000;
    cpu[a1] = 2;
    cpu[a4] = 20;
    EXPECT_EQ(IR_TRAP_syscall, cpu.run().trap);
    EXPECT_EQ(20u * (144 + 13), cpu[a3]);
    EXPECT_EQ(DATA + 0x8000, cpu[sp]);
}

/* ---- A loop larger than a region ---- */

/* It becomes three regions in a row, the last of which leads to the first. */
TEST(Region, LoopThatIsLargerComesBackToTheFirst)
{
    Asm c(fresh_code());
    uint64_t start = c.pc, before = counter("regions");

    for (int k = 0; k < 1300; k++) {
        c.addi(a0, a0, 1);
    }
    c.addi(a1, a1, -1);
    c.beq(a1, zero, c.pc + 8);
    c.jal(zero, start);
    c.ecall();

    Cpu cpu(start);
    cpu[a1] = 5000;
    EXPECT_EQ(IR_TRAP_syscall, cpu.run().trap);
    EXPECT_EQ(5000u * 1300, cpu[a0]);
    if (hot && !work) {
        EXPECT_EQ(3u, counter("regions") - before);
    }
}

/* ---- Calls in loops, which regions take in ---- */

/* a1 rounds of a call to start + 0x400. */
uint64_t loop_of_calls(uint64_t start)
{
    Asm c(start);
    c.jal(ra, start + 0x400);
    c.addi(a1, a1, -1);
    c.bne(a1, zero, start);
    c.ecall();
    return start + 0x400;
}

/* The callee adds 1 to s0 and returns; in the round where a1 is s1 it returns to the ecall. */
TEST(Call, MayReturnElsewhere)
{
    uint64_t start = fresh_code();
    Asm f(loop_of_calls(start));
    f.addi(s0, s0, 1);
    f.bne(a1, s1, f.pc + 8);
    f.addi(ra, ra, 8);
    f.ret();

    Cpu cpu(start);
    cpu[a1] = 5000;
    cpu[s1] = 700;
    EXPECT_EQ(IR_TRAP_syscall, cpu.run().trap);
    EXPECT_EQ(5000u - 700 + 1, cpu[s0]);
    EXPECT_EQ(700u, cpu[a1]);
    EXPECT_EQ(start + 12, cpu.vcpu->pc);
}

/* Its registers and pc are exact at a load that faults, with the return address on the stack. */
TEST(Call, FaultInTheCalleeIsExact)
{
    uint64_t start = fresh_code();
    Asm f(loop_of_calls(start));
    f.sd(ra, sp, -8);
    f.addi(s0, s0, 1);
    f.add(a2, a2, a3);
    uint64_t load = f.ld(a0, a2, 0);
    f.ld(ra, sp, -8);
    f.ret();

    Cpu cpu(start);
    cpu[a1] = 100000;
    cpu[sp] = DATA + DATA_SIZE;
    cpu[a2] = DATA + DATA_SIZE - 8 * 3001;
    cpu[a3] = 8;
    TrStop stop = cpu.run();
    EXPECT_EQ(IR_TRAP_fault, stop.trap);
    EXPECT_EQ(DATA + DATA_SIZE, stop.arg);
    EXPECT_EQ(load, cpu.vcpu->pc);
    EXPECT_EQ(3001u, cpu[s0]);
    EXPECT_EQ(100000u - 3000, cpu[a1]);
    EXPECT_EQ(start + 4, cpu[ra]);
}

/* A function pointer that leads to one place for long, then to two, in a loop. */
TEST(Call, ThroughAPointer)
{
    Asm c(fresh_code());
    uint64_t start = c.pc, one = start + 0x400, other = start + 0x800;
    uint64_t loop = c.jalr(ra, a2, 0);
    c.addi(a1, a1, -1);
    c.bne(a1, zero, loop);
    c.ecall();
    Asm f(one);
    f.addi(s0, s0, 1);
    f.bne(a1, s1, f.pc + 8);
    f.add(a2, a3, zero);
    f.ret();
    Asm g(other);
    g.addi(s0, s0, 100);
    g.add(a2, a4, zero);
    g.ret();

    Cpu cpu(start);
    cpu[s0] = 0;
    cpu[a1] = 5000;
    cpu[a2] = cpu[a4] = one;
    cpu[a3] = other;
    cpu[s1] = 2000;
    EXPECT_EQ(IR_TRAP_syscall, cpu.run().trap);
    EXPECT_EQ(4999u + 100, cpu[s0]);
    EXPECT_EQ(one, cpu[a2]);
}

TEST(Call, ChangeOfTheCalleeIsSeen)
{
    uint64_t start = fresh_code(), function = loop_of_calls(start);
    for (int by = 1; by < 6; by++) {
        Asm f(function);
        f.addi(s0, s0, by);
        f.ret();
        if (by % 2) {
            tr_code_changed(function, 4);
        } else {
            tr_invalidate(function, 4);
        }
        Cpu cpu(start);
        cpu[a1] = 1000;
        EXPECT_EQ(IR_TRAP_syscall, cpu.run().trap);
        EXPECT_EQ(1000u * static_cast<unsigned>(by), cpu[s0]);
    }
}

/* A loop whose only way back in memory is a call, or a return. */
TEST(Call, EndlessRecursionComesBack)
{
    Asm f(fresh_code());
    uint64_t start = f.pc + 0x100;
    f.addi(a0, a0, 1);
    f.jal(zero, start);
    Asm c(start);
    c.addi(a1, a1, 1);
    c.jal(ra, start - 0x100);
    Cpu cpu(start);
    cpu[a1] = 0;
    for (int i = 0; i < 100 && cpu[a0] < 10000; i++) {
        std::thread other([&] {
            usleep(20000);
            tr_interrupt(cpu.vcpu);
        });
        EXPECT_EQ(IR_TRAP_interrupt, cpu.run().trap);
        other.join();
    }
    EXPECT_GT(cpu[a0], 0u);
    EXPECT_LE(cpu[a1] - cpu[a0], 1u);
}

} // namespace
