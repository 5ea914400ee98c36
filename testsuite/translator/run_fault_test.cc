/* SPDX-License-Identifier: Apache-2.0 */
/* Exact registers and pc at faults. */
#include "testsuite/translator/run.h"

namespace
{

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

} // namespace
