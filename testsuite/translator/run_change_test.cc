/* SPDX-License-Identifier: Apache-2.0 */
/* Code that vanishes or changes; a full cache. */
#include <atomic>
#include <thread>
#include <unistd.h>

#include "testsuite/translator/run.h"

namespace
{

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

} // namespace
