/* SPDX-License-Identifier: Apache-2.0 */
/* Code on several pages, and code that is written. */
#include <cstring>

#include "testsuite/translator/system.h"

namespace
{

/* A loop of a1 rounds that calls `f`, a page behind it, which adds 1 to a0; `g`, to be put there, adds 2. */
void emit_calls_of_a_page(Asm c, Asm f, Asm g)
{
    uint64_t loop = c.jal(ra, CODE + 0x1000);
    c.addi(a1, a1, -1);
    c.bne(a1, zero, loop);
    c.ecall();
    f.addi(a0, a0, 1);
    f.ret();
    g.addi(a0, a0, 2);
    g.ret();
}

/* Calls and jumps between pages, to and fro, many times; then one page is another. */
TEST_F(System, JumpsToOtherPages)
{
    emit_calls_of_a_page(code(), code(0x1000), code(0x2000));
    x(a1) = 100;
    x(a0) = 0;
    EXPECT_EQ(IR_TRAP_syscall, run(CODE).trap);
    EXPECT_EQ(100u, x(a0));
    map(CODE + 0x1000, RAM + code_at + 0x2000);
    mmu_flush_page(vcpu, CODE + 0x1000);
    x(a1) = 100;
    EXPECT_EQ(IR_TRAP_syscall, run(CODE).trap);
    EXPECT_EQ(300u, x(a0));
    map(CODE + 0x1000, RAM + code_at + 0x1000);
    mmu_flush_all(vcpu);
    x(a1) = 100;
    EXPECT_EQ(IR_TRAP_syscall, run(CODE).trap);
    EXPECT_EQ(400u, x(a0));
}

/* Hot code goes to another page, which is another one after some code was dropped. */
TEST_F(System, AnotherPageAfterCodeWasDropped)
{
    emit_calls_of_a_page(code(), code(0x1000), code(0x2000));
    for (int round = 0; round < 4; round++) {
        Asm other = code(0x3000);
        other.li(a2, round);
        other.ecall();
        phys_written(mem, RAM + code_at + 0x3000, 8);
        fence();
        run(CODE + 0x3000);
        EXPECT_EQ(static_cast<uint64_t>(round), x(a2));
        if (round == 3) {
            map(CODE + 0x1000, RAM + code_at + 0x2000);
            mmu_flush_page(vcpu, CODE + 0x1000);
        }
        x(a0) = 0;
        x(a1) = 100;
        EXPECT_EQ(IR_TRAP_syscall, run(CODE).trap);
        EXPECT_EQ(round == 3 ? 200u : 100u, x(a0));
    }
}

/* An instruction on two pages that are not neighbours, and what comes when the second changes. */
TEST_F(System, InstructionsOnTwoPages)
{
    auto half = [&](uint64_t at, uint16_t v) { memcpy(host(RAM + code_at + at), &v, 2); };
    map(CODE + 0x1000, RAM + code_at + 0x2000);
    Asm c = code(0xff8);
    c.li(a0, 1);
    half(0xffc, 0x0505);     /* c.addi a0, 1 */
    half(0xffe, 0x0513);     /* addi a0, a0, ... */
    half(0x2000, 0x0145);    /* ... 20 */
    half(0x2002, 0x15fd);    /* c.addi a1, -1 */
    half(0x3000, 0x01e5);    /* ... 30 */
    half(0x3002, 0x15fd);
    Asm d(CODE + 0x1004), e(CODE + 0x1004);
    d.host = c.host + 0x1000;
    e.host = c.host + 0x2000;
    d.bne(a1, zero, CODE + 0xffe);
    d.ecall();
    e.bne(a1, zero, CODE + 0xffe);
    e.ecall();
    x(a1) = 10;
    EXPECT_EQ(IR_TRAP_syscall, run(CODE + 0xff8).trap);
    EXPECT_EQ(202u, x(a0));
    map(CODE + 0x1000, RAM + code_at + 0x3000);
    mmu_flush_page(vcpu, CODE + 0x1000);
    x(a1) = 10;
    EXPECT_EQ(IR_TRAP_syscall, run(CODE + 0xff8).trap);
    EXPECT_EQ(302u, x(a0));
    tables[1].erase((CODE + 0x1000) >> 12);
    mmu_flush_page(vcpu, CODE + 0x1000);
    x(a1) = 10;
    TrStop stop = run(CODE + 0xff8);
    EXPECT_EQ(IR_TRAP_fetch, stop.trap);
    EXPECT_EQ(CODE + 0xffe, vcpu->pc);
    EXPECT_EQ(CODE + 0x1000, mmu_fault(vcpu)->vaddr);
    EXPECT_EQ(2u, x(a0));
}

/* Stores to code are seen after fence.i, wherever they come from. */
TEST_F(System, CodeThatIsWritten)
{
    Asm c = code(), f = code(0x1000);
    c.sw(a2, s0, 0);
    c.fence_i();
    c.jal(ra, CODE + 0x1000);
    c.ecall();
    f.li(a0, 1);
    f.ret();
    map(DATA, RAM + code_at + 0x1000);
    x(s0) = DATA;
    for (uint32_t k = 1; k < 6; k++) {
        x(a2) = k << 20 | 10 << 7 | 0x13; /* li a0, k */
        EXPECT_EQ(IR_TRAP_syscall, run(CODE).trap);
        EXPECT_EQ(k, x(a0));
    }
    uint32_t insn = 99 << 20 | 10 << 7 | 0x13;
    ASSERT_TRUE(phys_write(mem, RAM + code_at + 0x1000, &insn, 4));
    EXPECT_EQ(IR_TRAP_syscall, run(CODE + 4).trap);
    EXPECT_EQ(99u, x(a0));
}

TEST_F(System, DataThatChangesPlaces)
{
    Asm c = code();
    c.ld(a0, s0, 0);
    c.sd(a1, s0, 8);
    c.ecall();
    x(s0) = DATA;
    poke(DATA_PHYS, 1);
    poke(DATA_PHYS + 0x1000, 2);
    x(a1) = 11;
    run(CODE);
    EXPECT_EQ(1u, x(a0));
    map(DATA, DATA_PHYS + 0x1000);
    mmu_flush_page(vcpu, DATA + 0x123);
    x(a1) = 12;
    run(CODE);
    EXPECT_EQ(2u, x(a0));
    EXPECT_EQ(11u, peek(DATA_PHYS + 8));
    EXPECT_EQ(12u, peek(DATA_PHYS + 0x1008));
}

} // namespace
