/* SPDX-License-Identifier: Apache-2.0 */
/* Loads, stores, atomics and fetches: RAM, pages, devices, faults. */
#include <cstdlib>
#include <string>

#include "testsuite/translator/system.h"

namespace
{

TEST_F(System, LoadsAndStoresOfAllSizes)
{
    Asm c = code();
    for (unsigned n = 0; n < 4; n++) {
        c.store(n, a0, s0, static_cast<int>(16 * n));
    }
    c.load(0, t0, s0, 0);
    c.load(1, t1, s0, 16);
    c.load(2, t2, s0, 32);
    c.load(3, a1, s0, 48);
    c.load(4, a2, s0, 0);
    c.load(5, a3, s0, 16);
    c.load(6, a4, s0, 32);
    c.ecall();
    for (int round = 0; round < 3; round++) {
        x(a0) = 0xfedcba9887868584 + round;
        x(s0) = DATA + 8;
        EXPECT_EQ(IR_TRAP_syscall, run(CODE).trap);
        EXPECT_EQ(0x84u + round, peek(DATA_PHYS + 8));
        EXPECT_EQ(x(a0) & 0xffff, peek(DATA_PHYS + 24));
        EXPECT_EQ(x(a0) & 0xffffffff, peek(DATA_PHYS + 40));
        EXPECT_EQ(x(a0), peek(DATA_PHYS + 56));
        EXPECT_EQ(0xffffffffffffff84u + round, x(t0));
        EXPECT_EQ(0xffffffffffff8584u + round, x(t1));
        EXPECT_EQ(0xffffffff87868584u + round, x(t2));
        EXPECT_EQ(x(a0), x(a1));
        EXPECT_EQ(0x84u + round, x(a2));
        EXPECT_EQ(0x8584u + round, x(a3));
        EXPECT_EQ(0x87868584u + round, x(a4));
    }
}

/* In two pages that are not neighbours. */
TEST_F(System, MisalignedAndAcrossPages)
{
    map(DATA, DATA_PHYS + 0x5000);
    map(DATA + 0x1000, DATA_PHYS + 0x2000);
    Asm c = code();
    c.sd(a0, s0, 0);
    c.ld(a1, s0, 0);
    c.load(2, a2, s0, 2);
    c.ecall();
    for (uint64_t at = 0xff0; at <= 0x1000; at++) {
        x(s0) = DATA + at;
        x(a0) = 0x1122334455667788 + at;
        EXPECT_EQ(IR_TRAP_syscall, run(CODE).trap);
        EXPECT_EQ(x(a0), x(a1));
        EXPECT_EQ(static_cast<uint64_t>(static_cast<int32_t>(x(a0) >> 16)), x(a2));
        for (uint64_t k = 0; k < 8; k++) {
            uint64_t p = at + k < 0x1000 ? DATA_PHYS + 0x5000 + at + k : DATA_PHYS + 0x1000 + at + k;
            EXPECT_EQ(x(a0) >> 8 * k & 0xff, peek(p) & 0xff) << at;
        }
    }
}

/* The second page faults: nothing is stored. */
TEST_F(System, AStoreIsMadeAsAWholeOrNotAtAll)
{
    map(DATA + 0x1000, DATA_PHYS + 0x1000, false);
    Asm c = code();
    c.li(a1, 5);
    uint64_t at = c.sd(a0, s0, 4);
    c.ecall();
    x(s0) = DATA + 0xff8;
    x(a0) = UINT64_MAX;
    EXPECT_EQ(IR_TRAP_fault, run(CODE).trap);
    EXPECT_EQ(at, vcpu->pc);
    EXPECT_EQ(DATA + 0x1000, mmu_fault(vcpu)->vaddr);
    EXPECT_EQ(MMU_write, mmu_fault(vcpu)->access);
    EXPECT_EQ(FAULT, mmu_fault(vcpu)->cause);
    EXPECT_EQ(0u, peek(DATA_PHYS + 0xff8));
    EXPECT_EQ(5u, x(a1));
}

TEST_F(System, FaultsHaveExactRegisters)
{
    Asm c = code();
    c.li(a0, 1);
    c.li(a1, 2);
    c.add(a2, a0, a1);
    c.ld(t0, s0, 0);
    c.addi(a2, a2, 10);
    uint64_t at = c.ld(a2, s1, 8);
    c.li(a0, 9);
    c.ecall();
    x(s0) = DATA;
    x(s1) = NOTHING;
    poke(DATA_PHYS, 321);
    TrStop stop = run(CODE);
    EXPECT_EQ(IR_TRAP_fault, stop.trap);
    EXPECT_EQ(NOTHING + 8, stop.arg);
    EXPECT_EQ(at, vcpu->pc);
    EXPECT_EQ(1u, x(a0));
    EXPECT_EQ(13u, x(a2));
    EXPECT_EQ(321u, x(t0));
    EXPECT_EQ(MMU_read, mmu_fault(vcpu)->access);
    map(NOTHING, DATA_PHYS + 0x3000);
    poke(DATA_PHYS + 0x3008, 55);
    EXPECT_EQ(IR_TRAP_syscall, tr_run(vcpu).trap);
    EXPECT_EQ(55u, x(a2));
    EXPECT_EQ(9u, x(a0));
}

/* An address that has the index of a mapped one, but other bits above, is another address. */
TEST_F(System, AddressesThatDifferInTheirUpperBitsOnly)
{
    Asm c = code();
    c.ld(a0, s0, 0);
    c.addi(a0, a0, 1);
    uint64_t at = c.ld(a0, s1, 0);
    c.ecall();
    x(s0) = DATA;
    x(s1) = DATA ^ UINT64_C(1) << 60;
    poke(DATA_PHYS, 4);
    EXPECT_EQ(IR_TRAP_fault, run(CODE).trap);
    EXPECT_EQ(at, vcpu->pc);
    EXPECT_EQ(5u, x(a0));
    EXPECT_EQ(x(s1), mmu_fault(vcpu)->vaddr);
}

/* Registers of a device in the middle of a loop, each access once and in order. */
TEST_F(System, DevicesInALoop)
{
    Asm c = code();
    uint64_t loop = c.load(2, a0, s0, 4);
    c.load(2, a3, s0, 4);
    c.add(a2, a2, a0);
    c.add(a2, a2, a3);
    c.sw(a2, s0, 8);
    c.sd(a2, s1, 0);
    c.addi(a1, a1, -1);
    c.bne(a1, zero, loop);
    c.ecall();
    x(s0) = IO;
    x(s1) = DATA;
    x(a1) = 40;
    EXPECT_EQ(IR_TRAP_syscall, run(CODE).trap);
    ASSERT_EQ(120u, device_log.size());
    uint64_t sum = 0;
    for (uint64_t k = 0; k < 40; k++) {
        sum += 100 + 2 * k + 101 + 2 * k;
        EXPECT_EQ(4u, device_log[3 * k].first);
        EXPECT_EQ(4u, device_log[3 * k].second);
        EXPECT_EQ(4u, device_log[3 * k + 1].first);
        EXPECT_EQ(8u, device_log[3 * k + 2].first);
        EXPECT_EQ(sum, device_log[3 * k + 2].second);
    }
    EXPECT_EQ(sum, x(a2));
    EXPECT_EQ(sum, peek(DATA_PHYS));
}

TEST_F(System, ADeviceThatDoesNotAnswer)
{
    Asm c = code();
    c.li(a0, 3);
    uint64_t at = c.ld(a0, s0, 0);
    c.ecall();
    x(s0) = IO + 0x800;
    EXPECT_EQ(IR_TRAP_fault, run(CODE).trap);
    EXPECT_EQ(at, vcpu->pc);
    EXPECT_EQ(BUS, mmu_fault(vcpu)->cause);
    EXPECT_EQ(3u, x(a0));
}

TEST_F(System, Atomics)
{
    Asm c = code();
    c.amoadd_d(a0, a1, s0);
    uint64_t retry = c.lr_d(t0, s0);
    c.addi(t0, t0, 1);
    c.sc_d(t1, t0, s0);
    c.bne(t1, zero, retry);
    uint64_t at = c.amoadd_d(a2, a1, s1);
    c.ecall();
    for (int round = 0; round < 3; round++) {
        poke(DATA_PHYS + 0x10, 7);
        x(s0) = DATA + 0x10;
        x(s1) = IO;
        x(a1) = 5;
        x(a2) = 1;
        EXPECT_EQ(IR_TRAP_fault, run(CODE).trap);
        EXPECT_EQ(at, vcpu->pc);
        EXPECT_EQ(BUS, mmu_fault(vcpu)->cause);
        EXPECT_EQ(7u, x(a0));
        EXPECT_EQ(13u, peek(DATA_PHYS + 0x10));
        EXPECT_EQ(1u, x(a2));
    }
}

/* amocas.q is a helper's access: to a page that no table has yet, to one with code, to none. */
TEST_F(System, AnAtomicOfSixteenBytes)
{
    Asm c = code();
    c.amocas_q(a0, a2, s0);
    c.amocas_q(a4, a6, s1);
    uint64_t at = c.amocas_q(a0, a2, t0);
    c.ecall();
    for (int round = 0; round < 3; round++) {
        poke(DATA_PHYS + 0x10, 7);
        poke(DATA_PHYS + 0x18, 8);
        poke(RAM + code_at + 0xff0, 9);
        poke(RAM + code_at + 0xff8, 10);
        x(s0) = DATA + 0x10;
        x(s1) = CODE + 0xff0;
        x(t0) = IO;
        x(a0) = 7, x(a1) = 8, x(a2) = 70, x(a3) = 80;
        x(a4) = 9, x(a5) = 11, x(a6) = 90, x(a7) = 100;
        EXPECT_EQ(IR_TRAP_fault, run(CODE).trap);
        EXPECT_EQ(at, vcpu->pc);
        EXPECT_EQ(BUS, mmu_fault(vcpu)->cause);
        EXPECT_EQ(70u, peek(DATA_PHYS + 0x10));
        EXPECT_EQ(80u, peek(DATA_PHYS + 0x18));
        EXPECT_EQ(9u, peek(RAM + code_at + 0xff0));
        EXPECT_EQ(10u, peek(RAM + code_at + 0xff8));
        EXPECT_EQ(7u, x(a0));
        EXPECT_EQ(8u, x(a1));
        EXPECT_EQ(9u, x(a4));
        EXPECT_EQ(10u, x(a5));
    }
}

TEST_F(System, CodeInADevicesMemory)
{
    map(FLASH, FLASH);
    Asm c(FLASH);
    c.host = (uint64_t)flash - FLASH;
    c.li(a0, 1);
    c.ld(a1, s0, 0);
    c.ecall();
    Asm d(FLASH); /* what the first instruction becomes */
    uint8_t other[64];
    d.host = (uint64_t)other - FLASH;
    d.li(a0, 2);
    Asm w = code();
    w.sw(a2, s1, 0);
    w.ecall();
    memset(flash + 0x800, 0x55, 16);
    for (int round = 1; round <= 2; round++) {
        x(s0) = FLASH + 0x801; /* data beside it may be misaligned, as in other memory */
        EXPECT_EQ(IR_TRAP_syscall, run(FLASH).trap);
        EXPECT_EQ((uint64_t)round, x(a0));
        EXPECT_EQ(0x5555555555555555u, x(a1));
        uint32_t insn;
        memcpy(&insn, other, 4);
        x(a2) = insn;
        x(s1) = FLASH;
        EXPECT_EQ(IR_TRAP_syscall, run(CODE).trap);
    }
}

TEST_F(System, OneAddressInTwoContexts)
{
    Asm c = code();
    c.li(a0, 1);
    c.ld(a1, s0, 0);
    c.ecall();
    map(CODE, RAM + code_at + 0x4000, true, 2);
    map(DATA, DATA_PHYS + 0x1000, true, 2);
    poke(DATA_PHYS, 10);
    poke(DATA_PHYS + 0x1000, 20);
    Asm d(CODE);
    d.host = c.host + 0x4000;
    d.li(a0, 2);
    d.ld(a1, s0, 0);
    d.ecall();
    x(s0) = DATA;
    for (int round = 0; round < 4; round++) {
        uint64_t r = 1 + round % 2;
        use_root(vcpu, r);
        EXPECT_EQ(IR_TRAP_syscall, run(CODE).trap);
        EXPECT_EQ(r, x(a0));
        EXPECT_EQ(10 * r, x(a1));
    }
}

TEST_F(System, FetchWhereNothingIs)
{
    x(a0) = 1;
    EXPECT_EQ(IR_TRAP_fetch, run(NOTHING + 0x10).trap);
    EXPECT_EQ(NOTHING + 0x10, mmu_fault(vcpu)->vaddr);
    EXPECT_EQ(MMU_exec, mmu_fault(vcpu)->access);
    EXPECT_EQ(IR_TRAP_fetch, run(IO).trap);
    EXPECT_EQ(BUS, mmu_fault(vcpu)->cause);
}

} // namespace
