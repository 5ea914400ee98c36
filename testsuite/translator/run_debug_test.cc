/* SPDX-License-Identifier: Apache-2.0 */
/* What a debugger asks for: breakpoints, steps, watchpoints. */
#include "testsuite/translator/run.h"

namespace
{

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

} // namespace
