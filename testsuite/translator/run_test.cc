/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What tr_run() promises, with code written by hand.
 * `--tier=interp|jit`, `--check`, `--hot=N`, `--work=N`.
 */
#include <atomic>
#include <cstdlib>
#include <sys/wait.h>
#include <thread>
#include <unistd.h>

#include "testsuite/translator/machine.h"

namespace
{

TrTier tier = TR_TIER_jit;
bool checking, hot; /* hot: regions are made soon */
uint32_t work; /* TrConfig.region_work */
uint32_t threshold; /* TrConfig.hot_threshold */

/* sum = 1 + ... + n in a0, n in a1. */
uint64_t sum_loop(Asm &c)
{
    uint64_t start = c.li(a0, 0);
    uint64_t loop = c.add(a0, a0, a1);
    c.addi(a1, a1, -1);
    c.bne(a1, zero, loop);
    c.ecall();
    return start;
}

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

/* Another thread takes the right to execute away while a unit or region is being made: what had
 * been looked at before was translated from nothing, and stayed. */
TEST(Invalidate, CodeThatVanishesWhileItIsTranslated)
{
    if (checking) {
        GTEST_SKIP() << "its two translations would be of different code";
    }
    const uint64_t start = fresh_code() + 0x1000 - 8, second = start + 8;
    Asm c(start);

    c.addi(a0, a0, 1);
    c.addi(a3, a3, 1);
    c.addi(a4, a4, 1); /* on the second page */
    c.bne(a0, a1, start);
    c.ecall();
    for (int n = 1; n < 16; n++) {
        Cpu cpu(start);

        cpu[a1] = 300;
        fetch_end_later = second;
        fetches_left = n;
        TrStop stop = cpu.run();
        if (stop.trap != IR_TRAP_syscall) {
            EXPECT_EQ(IR_TRAP_fetch, stop.trap) << n;
            EXPECT_EQ(second, cpu.vcpu->pc) << n;
        }
        fetches_left = 0;
        fetch_end = second; /* what the announcement is about */
        tr_invalidate(second, 0x1000);
        fetch_end = CODE + CODE_SIZE;
        if (stop.trap != IR_TRAP_syscall) {
            EXPECT_EQ(IR_TRAP_syscall, cpu.run().trap) << n;
        }
        EXPECT_EQ(300u, cpu[a0]) << n;
        EXPECT_EQ(300u, cpu[a4]) << n;
        tr_invalidate(start, 0x1000);
    }
}

/* All of it, before a region of it is made: the region was of the code looked at last. */
TEST(Invalidate, HotCodeThatVanishesIsNotTakenForOther)
{
    if (checking) {
        GTEST_SKIP() << "its two translations would be of different code";
    }
    Asm other(fresh_code());
    uint64_t first = other.addi(a5, a5, 1);
    other.addi(a1, a1, -1);
    other.bne(a1, zero, first);
    other.ecall();
    for (int n = 1; n < 8; n++) {
        Asm c(fresh_code());
        uint64_t start = c.addi(a4, a4, 1);
        c.addi(a1, a1, -1);
        c.bne(a1, zero, start);
        c.ecall();
        Cpu before(first), cpu(start);

        before[a1] = cpu[a1] = 300;
        EXPECT_EQ(IR_TRAP_syscall, before.run().trap);
        fetch_end_later = start;
        fetches_left = n;
        TrStop stop = cpu.run();
        fetches_left = 0;
        fetch_end = start;
        tr_invalidate(start, 0x1000);
        fetch_end = CODE + CODE_SIZE;
        if (stop.trap != IR_TRAP_syscall) {
            EXPECT_EQ(IR_TRAP_fetch, stop.trap) << n;
            EXPECT_EQ(IR_TRAP_syscall, cpu.run().trap) << n;
        }
        EXPECT_EQ(300u, cpu[a4]) << n;
        EXPECT_EQ(0u, cpu[a5]) << n;
        tr_invalidate(first, 0x1000);
    }
}

/* ---- Faults ---- */

/* Every store of a loop that walks off the end of DATA, with values in flight. */
TEST(Fault, RegistersAreExactInALoop)
{
    Asm c(fresh_code());
    uint64_t start = c.li(a0, 0);
    uint64_t loop = c.addi(a0, a0, 1);
    c.add(t0, a0, a0);
    c.addi(s1, t0, 7);
    uint64_t store = c.sd(s1, a2, 0);
    c.addi(a2, a2, 8);
    c.addi(t0, t0, 100); /* dead when the store faults */
    c.jal(zero, loop);

    for (uint64_t n : { 0, 1, 2, 100, 5000 }) {
        Cpu cpu(start);
        cpu[a2] = DATA + DATA_SIZE - 8 * n;
        cpu[s0] = 0x1234;
        TrStop stop = cpu.run();
        EXPECT_EQ(IR_TRAP_fault, stop.trap);
        EXPECT_EQ(DATA + DATA_SIZE, stop.arg);
        EXPECT_EQ(reinterpret_cast<void *>(DATA + DATA_SIZE), stop.info.si_addr);
        EXPECT_EQ(SIGSEGV, stop.info.si_signo);
        EXPECT_EQ(store, cpu.vcpu->pc);
        EXPECT_EQ(n + 1, cpu[a0]);
        EXPECT_EQ(2 * (n + 1), cpu[t0]);
        EXPECT_EQ(2 * (n + 1) + 7, cpu[s1]);
        EXPECT_EQ(0x1234u, cpu[s0]);
        EXPECT_EQ(DATA + DATA_SIZE, cpu[a2]);
    }
}

/* The check for alignment splits an atomic: the access is in a block that begins without an
 * instruction of its own, and that is laid out behind the end of the loop. */
TEST(Fault, PcOfAnAtomicInALoop)
{
    Asm c(fresh_code());
    uint64_t start = c.li(a0, 0);
    uint64_t loop = c.addi(a0, a0, 1);
    c.slli(a4, a0, 63);
    c.beq(a4, zero, c.pc + 12); /* every other time */
    uint64_t atomic = c.amoadd_d(a3, a0, a2);
    c.addi(a2, a2, 8);
    c.bne(a0, a1, loop);
    c.addi(a3, a3, 1);
    c.ecall();

    for (uint64_t n : { 0, 1, 2, 100, 5000 }) {
        Cpu cpu(start);
        cpu[a2] = DATA + DATA_SIZE - 8 * n;
        cpu[a1] = 100000;
        TrStop stop = cpu.run();
        EXPECT_EQ(IR_TRAP_fault, stop.trap);
        EXPECT_EQ(DATA + DATA_SIZE, stop.arg);
        EXPECT_EQ(atomic, cpu.vcpu->pc);
        EXPECT_EQ(2 * n + 1, cpu[a0]);
    }
}

/* A loop that puts a number together from four bytes, and whose last one begins in DATA and ends
 * behind it: whichever byte is missing, the registers are those before its load. */
TEST(Fault, BytesPutTogetherFaultOneByOne)
{
    static const int order[] = { 1, 0, 2, 3 };
    Asm c(fresh_code());
    uint64_t start = c.li(a0, 0), load[4];
    uint64_t loop = load[order[0]] = c.lbu(a4, a2, order[0]);
    c.slli(a4, a4, 8);
    load[order[1]] = c.lbu(a5, a2, order[1]);
    c.or_(a4, a4, a5);
    load[order[2]] = c.lbu(a5, a2, order[2]);
    c.slli(a5, a5, 16);
    load[order[3]] = c.lbu(a3, a2, order[3]);
    c.or_(a4, a4, a5);
    c.slli(a3, a3, 24);
    c.or_(a4, a4, a3);
    c.add(a0, a0, a4);
    c.addi(a2, a2, 4);
    c.jal(zero, loop);

    for (uint64_t in = 0; in < 4; in++) { /* bytes of the last number that are there */
        uint64_t end = DATA + DATA_SIZE, from = end - 4 * 1000 - in, sum = 0;
        unsigned missing = in > 1 ? static_cast<unsigned>(in) : 0; /* in order[] */
        Cpu cpu(start);

        for (uint64_t k = 0; k < 4 * 1000 + in; k++) {
            reinterpret_cast<uint8_t *>(from)[k] = static_cast<uint8_t>(0x90 + k);
        }
        for (uint64_t k = 0; k < 1000; k++) {
            uint32_t number;
            memcpy(&number, reinterpret_cast<void *>(from + 4 * k), 4);
            sum += number;
        }
        cpu[a2] = from;
        TrStop stop = cpu.run();
        const auto *last = reinterpret_cast<const uint8_t *>(end - in);
        EXPECT_EQ(IR_TRAP_fault, stop.trap);
        EXPECT_EQ(end - in + static_cast<uint64_t>(order[missing]), stop.arg);
        EXPECT_EQ(load[order[missing]], cpu.vcpu->pc);
        EXPECT_EQ(sum, cpu[a0]);
        EXPECT_EQ(end - in, cpu[a2]);
        if (in == 2) {
            EXPECT_EQ(last[0] | last[1] << 8, static_cast<int>(cpu[a4]));
            EXPECT_EQ(last[0], cpu[a5]);
        } else if (in == 3) {
            EXPECT_EQ(last[0] | last[1] << 8, static_cast<int>(cpu[a4]));
            EXPECT_EQ(static_cast<uint64_t>(last[2]) << 16, cpu[a5]);
        }
    }
}

TEST(Fault, ContinuesAfterTheRegisterIsMended)
{
    Asm c(fresh_code());
    uint64_t start = c.ld(a0, a1, 0);
    c.addi(a0, a0, 1);
    c.ecall();
    Cpu cpu(start);
    cpu[a1] = NOWHERE + 64;
    cpu[a0] = 77;
    TrStop stop = cpu.run();
    EXPECT_EQ(IR_TRAP_fault, stop.trap);
    EXPECT_EQ(NOWHERE + 64, stop.arg);
    EXPECT_EQ(start, cpu.vcpu->pc);
    EXPECT_EQ(77u, cpu[a0]);
    cpu[a1] = DATA;
    *reinterpret_cast<uint64_t *>(DATA) = 41;
    EXPECT_EQ(IR_TRAP_syscall, cpu.run().trap);
    EXPECT_EQ(42u, cpu[a0]);
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

/* ---- Interrupts ---- */

TEST(Interrupt, EndlessLoopComesBack)
{
    Asm c(fresh_code());
    uint64_t start = c.addi(a0, a0, 1);
    c.addi(a1, a1, 2);
    c.jal(zero, start);
    Cpu cpu(start);
    uint64_t done = 0;
    /* On a busy machine the request may come before the first instruction: again then. */
    for (int i = 0; i < 100 && done == 0; i++) {
        std::thread other([&] {
            usleep(20000);
            tr_interrupt(cpu.vcpu);
        });
        TrStop stop = cpu.run();
        other.join();
        EXPECT_EQ(IR_TRAP_interrupt, stop.trap);
        done = cpu[a1] / 2;
    }
    uint64_t behind = (cpu.vcpu->pc - start) / 4;
    EXPECT_GT(done, 0u);
    EXPECT_EQ(cpu[a0], done + (behind == 1)) << "pc is where the registers say";
}

TEST(Interrupt, BeforeRunIsNotLost)
{
    Asm c(fresh_code());
    uint64_t start = c.ecall();
    Cpu cpu(start);
    tr_interrupt(cpu.vcpu);
    EXPECT_EQ(IR_TRAP_interrupt, cpu.run().trap);
    EXPECT_EQ(start, cpu.vcpu->pc);
    EXPECT_EQ(IR_TRAP_syscall, cpu.run().trap);
}

/* ---- Code that changes ---- */

TEST(Change, FenceSeesNewCode)
{
    Asm c(fresh_code());
    uint64_t start = c.pc, patched = start + 0x200;
    /* calls `patched` with the old code, writes the word in a2 over it, fences, calls again */
    c.jal(ra, patched);
    c.addi(s0, a0, 0);
    c.la(a1, patched);
    c.sw(a2, a1, 0);
    c.fence_i();
    c.jal(ra, patched);
    c.ecall();
    Asm p(patched);
    p.li(a0, 1);
    p.ret();
    Asm scratch(start + 0x300);
    scratch.li(a0, 2);

    Cpu cpu(start);
    cpu[a2] = *reinterpret_cast<uint32_t *>(start + 0x300);
    EXPECT_EQ(IR_TRAP_syscall, cpu.run().trap);
    EXPECT_EQ(1u, cpu[s0]);
    EXPECT_EQ(2u, cpu[a0]);
}

TEST(Change, FenceKeepsUnchangedCode)
{
    Asm c(fresh_code());
    uint64_t start = c.fence_i();
    c.ecall();
    Cpu cpu(start);
    cpu.run();
    uint64_t units = counter("units");
    EXPECT_EQ(IR_TRAP_syscall, cpu.run(start).trap);
    EXPECT_EQ(units, counter("units"));
}

TEST(Change, InvalidateOnlyWhatIsThere)
{
    Asm c(fresh_code());
    uint64_t start = c.li(a0, 1);
    c.ecall();
    Cpu cpu(start);
    cpu.run();
    uint64_t dropped = counter("invalidated");
    tr_invalidate(start + 8, 4096 - 8);
    tr_invalidate(start - 4096, 4096);
    EXPECT_EQ(dropped, counter("invalidated"));
    tr_invalidate(start + 7, 1);
    EXPECT_EQ(dropped + 1, counter("invalidated"));
    tr_invalidate(0, UINT64_MAX);
    Asm(start).li(a0, 9);
    EXPECT_EQ(IR_TRAP_syscall, cpu.run(start).trap);
    EXPECT_EQ(9u, cpu[a0]);
}

TEST(Change, InvalidateWhileAnotherThreadRunsIt)
{
    Asm c(fresh_code());
    uint64_t start = c.pc, function = start + 0x1000;
    uint64_t loop = c.jal(ra, function);
    c.beq(a0, zero, loop);
    c.ecall();
    Asm f(function);
    f.li(a0, 0);
    f.ret();

    Cpu cpu(start);
    TrStop stop = {};
    std::thread runner([&] { stop = cpu.run(); });
    for (int i = 0; i < 200; i++) {
        usleep(100);
        tr_invalidate(function, 4);
    }
    Asm(function).li(a0, 5);
    tr_invalidate(function, 4);
    runner.join();
    EXPECT_EQ(IR_TRAP_syscall, stop.trap);
    EXPECT_EQ(5u, cpu[a0]);
}

/* ---- Full cache ---- */

/* More code than the cache holds, at CODE + 1 MiB; returns how often it adds 1 to a0. */
uint64_t much_code()
{
    const uint64_t area = CODE + (1 << 20), size = 5 << 19;
    Asm c(area);
    uint64_t blocks = 0;

    while (c.pc < area + size - 64) {
        c.addi(a0, a0, 1);
        c.mul(t0, a0, a0);
        c.add(s0, s0, t0);
        c.jal(zero, c.pc + 12); /* over the next two words */
        c.word(0);
        c.word(0);
        blocks++;
    }
    c.ecall();
    return blocks;
}

TEST(Evict, FullCacheIsEmptiedAndTheGuestGoesOn)
{
    uint64_t blocks = much_code();
    Cpu cpu;

    for (int round = 0; round < 2; round++) {
        cpu[a0] = 0;
        EXPECT_EQ(IR_TRAP_syscall, cpu.run(CODE + (1 << 20)).trap);
        EXPECT_EQ(blocks, cpu[a0]);
    }
    EXPECT_GT(counter("evictions"), 0u);
}

TEST(Evict, OtherThreadsSurviveIt)
{
    const uint64_t area = CODE + (1 << 20), blocks = much_code();
    Asm c(fresh_code());
    uint64_t start = c.pc, function = start + 0x100;
    uint64_t loop = c.jal(ra, function);
    c.bne(a1, zero, loop);
    c.ecall();
    Asm f(function);
    f.addi(a0, a0, 1);
    f.ld(a1, a2, 0);
    f.ret();

    auto *flag = reinterpret_cast<std::atomic<uint64_t> *>(DATA);
    flag->store(1);
    Cpu one(start), two(area);
    one[a2] = DATA;
    TrStop stop = {};
    std::thread runner([&] { stop = one.run(); });
    for (int round = 0; round < 2; round++) {
        two[a0] = 0;
        EXPECT_EQ(IR_TRAP_syscall, two.run(area).trap);
        EXPECT_EQ(blocks, two[a0]);
    }
    flag->store(0);
    runner.join();
    EXPECT_EQ(IR_TRAP_syscall, stop.trap);
    EXPECT_GT(one[a0], 0u);
}

/* ---- Threads ---- */

TEST(Exclusive, OthersAreOutsideMeanwhile)
{
    Asm c(fresh_code());
    uint64_t start = c.pc;
    uint64_t loop = c.addi(a0, a0, 1);
    c.sd(a0, a2, 0);
    c.ld(a1, a2, 8);
    c.bne(a1, zero, loop);
    c.ecall();
    auto *count = reinterpret_cast<std::atomic<uint64_t> *>(DATA);
    auto *go = reinterpret_cast<std::atomic<uint64_t> *>(DATA + 8);
    count->store(0);
    go->store(1);

    Cpu cpu(start), me;
    cpu[a2] = DATA;
    std::thread runner([&] { cpu.run(); });
    while (count->load() == 0) {
    }
    for (int i = 0; i < 50; i++) {
        tr_exclusive_begin(me.vcpu);
        tr_exclusive_begin(me.vcpu); /* nests */
        tr_exclusive_end(me.vcpu);
        uint64_t seen = count->load();
        usleep(200);
        EXPECT_EQ(seen, count->load());
        tr_exclusive_end(me.vcpu);
        while (count->load() == seen) {
        }
    }
    go->store(0);
    runner.join();
}

/* Under --check each entry of each thread is an exclusive section: one that looped went in again
 * and again, and another thread that wanted one waited for seconds. */
TEST(Exclusive, EverybodyGetsATurn)
{
    std::atomic<unsigned> rounds = 0;
    std::atomic<bool> over = false;
    std::thread greedy([&] {
        Cpu cpu;
        while (!over) {
            tr_exclusive_begin(cpu.vcpu);
            rounds++;
            for (volatile int i = 0; i < 20000; i++) {
            }
            tr_exclusive_end(cpu.vcpu);
        }
    });
    Cpu me;
    unsigned long_waits = 0;
    while (rounds == 0) {
    }
    for (int i = 0; i < 400; i++) {
        unsigned before = rounds;
        tr_exclusive_begin(me.vcpu);
        long_waits += rounds - before > 2;
        tr_exclusive_end(me.vcpu);
        usleep(200);
    }
    over = true;
    greedy.join();
    EXPECT_LE(long_waits, 40u) << "of 400";
}

/*
 * A lock-free stack's pop as the manual warns of it: LR of the head, a load through it, SC.  The
 * load keeps it from being a plain compare-and-swap.  One thread pops and pushes nodes so that the
 * same head comes back with another successor (ABA); the other must never install the old one.
 */
TEST(Exclusive, StoreConditionalIsNotFooledByABA)
{
    tr_guest_has_threads();
    Asm c(fresh_code());
    uint64_t start = c.pc;
    /* a2: &head.  pop into a0: head -> a0, a0->next -> a1; counts in s0; until a4 rounds */
    uint64_t pop = c.lr_d(a0, a2);
    c.ld(a1, a0, 0);
    c.ld(t1, a0, 0); /* more time between */
    c.sc_d(t0, a1, a2);
    c.bne(t0, zero, pop);
    /* swap the two top nodes: pop the second, push the first, push the second */
    uint64_t pop2 = c.lr_d(a3, a2);
    c.ld(a1, a3, 0);
    c.sc_d(t0, a1, a2);
    c.bne(t0, zero, pop2);
    for (Reg node : { a0, a3 }) {
        uint64_t push = c.lr_d(a1, a2);
        c.sd(a1, node, 0);
        c.sc_d(t0, node, a2);
        c.bne(t0, zero, push);
    }
    c.addi(a4, a4, -1);
    c.bne(a4, zero, pop);
    c.ecall();

    const int nodes = 8, threads = 2;
    uint64_t head = DATA + 0x100;
    for (int i = 0; i < nodes; i++) {
        uint64_t node = DATA + 0x200 + 16 * static_cast<uint64_t>(i);
        *reinterpret_cast<uint64_t *>(node) = i + 1 < nodes ? node + 16 : 0;
    }
    *reinterpret_cast<uint64_t *>(head) = DATA + 0x200;

    auto work = [&] {
        Cpu cpu(start);
        cpu[a2] = head;
        cpu[a4] = 3000;
        EXPECT_EQ(IR_TRAP_syscall, cpu.run().trap);
    };
    std::thread other[threads];
    for (auto &t : other) {
        t = std::thread(work);
    }
    for (auto &t : other) {
        t.join();
    }
    EXPECT_GT(counter("steps"), 0u) << "nothing ran alone";
    int left = 0;
    for (uint64_t n = *reinterpret_cast<uint64_t *>(head); n && left <= nodes;
         n = *reinterpret_cast<uint64_t *>(n)) {
        left++;
    }
    EXPECT_EQ(nodes, left) << "nodes were lost or are linked in a circle";
}

/* ---- What a debugger asks for ---- */

TEST(Debug, BreakpointInARunningLoop)
{
    Asm c(fresh_code());
    uint64_t start = sum_loop(c), loop = start + 4;
    Cpu cpu(start);
    cpu[a1] = 1000;
    EXPECT_EQ(IR_TRAP_syscall, cpu.run().trap);
    ASSERT_TRUE(tr_set_breakpoints(&loop, 1));
    cpu[a1] = 1000;
    for (uint64_t n = 1000; n > 990; n--) {
        EXPECT_EQ(IR_TRAP_debug, cpu.run(n == 1000 ? start : cpu.vcpu->pc).trap);
        EXPECT_EQ(loop, cpu.vcpu->pc);
        EXPECT_EQ(n, cpu[a1]);
        EXPECT_EQ(IR_TRAP_debug, cpu.run().trap) << "it stays until it is removed";
        ASSERT_TRUE(tr_set_breakpoints(nullptr, 0));
        EXPECT_EQ(IR_TRAP_interrupt, tr_step(cpu.vcpu, false).trap);
        EXPECT_EQ(loop + 4, cpu.vcpu->pc);
        ASSERT_TRUE(tr_set_breakpoints(&loop, 1));
    }
    ASSERT_TRUE(tr_set_breakpoints(nullptr, 0));
    EXPECT_EQ(IR_TRAP_syscall, cpu.run().trap);
    EXPECT_EQ(500500u, cpu[a0]);
}

TEST(Debug, StepsStopWithTheTrapOfTheirInstruction)
{
    Asm c(fresh_code());
    uint64_t start = c.li(a0, 3);
    uint64_t load = c.ld(a1, a2, 0);
    uint64_t call = c.ecall();
    Cpu cpu(start);
    cpu[a2] = NOWHERE;
    EXPECT_EQ(IR_TRAP_interrupt, tr_step(cpu.vcpu, false).trap);
    EXPECT_EQ(3u, cpu[a0]);
    TrStop stop = tr_step(cpu.vcpu, false);
    EXPECT_EQ(IR_TRAP_fault, stop.trap);
    EXPECT_EQ(NOWHERE, stop.arg);
    EXPECT_EQ(load, cpu.vcpu->pc);
    cpu[a2] = DATA;
    EXPECT_EQ(IR_TRAP_interrupt, tr_step(cpu.vcpu, false).trap);
    EXPECT_EQ(IR_TRAP_syscall, tr_step(cpu.vcpu, false).trap);
    EXPECT_EQ(call, cpu.vcpu->pc);
}

/* a0: address; a1 counts down to 0 and is stored each time. */
uint64_t store_loop(Asm &c)
{
    uint64_t loop = c.addi(a1, a1, -1);
    c.sd(a1, a0, 0);
    c.bne(a1, zero, loop);
    c.ecall();
    return loop;
}

TEST(Debug, WatchpointStopsAfterAChange)
{
    Asm c(fresh_code());
    uint64_t start = store_loop(c), word = DATA + 0x400;
    TrWatch watch = { word + 1, 2, TR_WATCH_write };
    Cpu cpu(start);
    cpu[a0] = word;
    cpu[a1] = 1000;
    *reinterpret_cast<uint64_t *>(word) = 0x300; /* bytes 1 and 2: changes are 0x2ff, 0x1ff, 0xff */
    tr_set_watches(&watch, 1);
    for (uint64_t value : { 0x2ff, 0x1ff, 0xff }) {
        TrStop stop = cpu.run();
        EXPECT_EQ(IR_TRAP_watch, stop.trap);
        EXPECT_EQ(watch.addr, stop.arg);
        EXPECT_EQ(value, cpu[a1]);
        EXPECT_EQ(value, *reinterpret_cast<uint64_t *>(word));
        EXPECT_EQ(start + 8, cpu.vcpu->pc) << "behind the store";
    }
    EXPECT_EQ(IR_TRAP_syscall, cpu.run().trap);
    tr_set_watches(nullptr, 0);
    cpu[a1] = 1000;
    EXPECT_EQ(IR_TRAP_syscall, cpu.run(start).trap);
}

TEST(Debug, WatchpointsOfReadsAndNeighbours)
{
    Asm c(fresh_code());
    uint64_t start = c.ld(a1, a0, 0);
    c.ld(a2, a0, 8);
    c.sd(a1, a0, 8);
    c.ecall();
    TrWatch watch[] = { { DATA + 0x508, 1, TR_WATCH_read }, { DATA + 0x510, 8, TR_WATCH_access } };
    Cpu cpu(start);
    cpu[a0] = DATA + 0x500;
    tr_set_watches(watch, 2);
    EXPECT_EQ(IR_TRAP_watch, cpu.run().trap);
    EXPECT_EQ(start + 8, cpu.vcpu->pc);
    EXPECT_EQ(IR_TRAP_syscall, cpu.run().trap) << "a store is no read";
    watch[0].kind = TR_WATCH_access;
    tr_set_watches(watch, 1);
    EXPECT_EQ(IR_TRAP_watch, cpu.run(start).trap);
    EXPECT_EQ(IR_TRAP_watch, cpu.run().trap) << "also when the value stays";
    EXPECT_EQ(start + 12, cpu.vcpu->pc);
    tr_set_watches(nullptr, 0);
}

TEST(Debug, WatchedStoreThatFaultsIsAFault)
{
    Asm c(fresh_code());
    uint64_t start = c.sd(a1, a0, 0);
    TrWatch watch = { NOWHERE, 8, TR_WATCH_access };
    Cpu cpu(start);
    cpu[a0] = NOWHERE;
    tr_set_watches(&watch, 1);
    EXPECT_EQ(IR_TRAP_fault, cpu.run().trap);
    EXPECT_EQ(start, cpu.vcpu->pc);
    tr_set_watches(nullptr, 0);
    EXPECT_EQ(IR_TRAP_fault, cpu.run().trap);
}

TEST(Debug, WatchpointInAStoreConditional)
{
    Asm c(fresh_code());
    uint64_t again = c.lr_d(a1, a0);
    c.ld(a2, a0, 8); /* makes it one that runs alone, once there are threads */
    c.addi(a1, a1, 1);
    c.sc_d(t0, a1, a0);
    c.bne(t0, zero, again);
    uint64_t end = c.ecall();
    TrWatch watch = { DATA + 0x600, 8, TR_WATCH_write };
    Cpu cpu(again);
    cpu[a0] = DATA + 0x600;
    *reinterpret_cast<uint64_t *>(DATA + 0x600) = 41;
    tr_set_watches(&watch, 1);
    EXPECT_EQ(IR_TRAP_watch, cpu.run().trap);
    EXPECT_EQ(end - 4, cpu.vcpu->pc);
    EXPECT_EQ(42u, *reinterpret_cast<uint64_t *>(DATA + 0x600));
    EXPECT_EQ(IR_TRAP_syscall, cpu.run().trap);
    tr_set_watches(nullptr, 0);
}

TEST(Fork, ChildGoesOnAlone)
{
    Asm c(fresh_code());
    uint64_t start = sum_loop(c), spin = c.pc;
    c.addi(a0, a0, 1);
    c.jal(zero, spin);
    Cpu cpu(start), other(spin);
    std::thread runner([&] { other.run(); });
    usleep(1000);
    tr_fork_prepare(cpu.vcpu, false);
    pid_t pid = fork();
    if (pid == 0) {
        tr_fork_child(cpu.vcpu);
        cpu[a1] = 1000;
        bool good = cpu.run(start).trap == IR_TRAP_syscall && cpu[a0] == 500500;
        tr_invalidate(start, 64);
        cpu[a1] = 10;
        good = good && cpu.run(start).trap == IR_TRAP_syscall && cpu[a0] == 55;
        _exit(good ? 0 : 1);
    }
    tr_fork_parent(cpu.vcpu);
    int status = -1;
    waitpid(pid, &status, 0);
    EXPECT_EQ(0, status);
    cpu[a1] = 4;
    EXPECT_EQ(IR_TRAP_syscall, cpu.run(start).trap);
    EXPECT_EQ(10u, cpu[a0]);
    tr_interrupt(other.vcpu);
    runner.join();
}

} // namespace

int main(int argc, char **argv)
{
    TrConfig config = {};

    testing::InitGoogleTest(&argc, argv);
    config.cache_size = 2 << 20;
    for (int i = 1; i < argc; i++) {
        std::string arg = argv[i];
        if (arg == "--tier=interp") {
            tier = config.tier = TR_TIER_interp;
        } else if (arg == "--tier=jit") {
            config.tier = TR_TIER_jit;
        } else if (arg == "--check") {
            config.tier = TR_TIER_jit;
            config.check = checking = true;
        } else if (arg.rfind("--work=", 0) == 0) {
            config.region_work = work = static_cast<uint32_t>(atoi(arg.c_str() + 7));
        } else if (arg.rfind("--hot=", 0) == 0) {
            config.hot_threshold = threshold = static_cast<uint32_t>(atoi(arg.c_str() + 6));
            hot = true;
        } else {
            fprintf(stderr, "unknown option %s\n", argv[i]);
            return 1;
        }
    }
    start_machine(config);
    return testing::Test::HasFatalFailure() ? 1 : RUN_ALL_TESTS();
}
