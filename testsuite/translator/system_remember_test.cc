/* SPDX-License-Identifier: Apache-2.0 */
/* What hot code remembers of the accesses before, and what makes it forget. */
#include <cstring>
#include <string>

#include "testsuite/translator/system.h"

namespace
{

TEST_F(System, FlushingAnAddressOfALargePage)
{
    enum : uint64_t { FAR = DATA + (1ull << 40) + 0x10000 };
    auto map_large = [](uint64_t paddr) {
        for (uint64_t at = 0; at < 0x4000; at += 0x1000)
            tables[1][(DATA + at) >> 12] = { paddr + at, true, 0x4000 };
    };

    Asm c = code();
    c.ld(a0, s0, 0);
    c.ld(a1, s1, 0);
    c.ld(a2, a3, 0);
    c.ecall();
    map_large(DATA_PHYS);
    map(FAR, DATA_PHYS + 0x8000);
    for (uint64_t at = 0; at < 0x10000; at += 0x1000)
        poke(DATA_PHYS + at, at);
    x(s0) = DATA;
    x(s1) = DATA + 0x2000;
    x(a3) = FAR;
    EXPECT_EQ(IR_TRAP_syscall, run(CODE).trap);
    EXPECT_EQ(0x2000u, x(a1));
    EXPECT_EQ(0x8000u, x(a2));
    map_large(DATA_PHYS + 0x4000);
    map(FAR, DATA_PHYS + 0x9000);
    mmu_flush_page(vcpu, DATA + 0x3000);
    EXPECT_EQ(IR_TRAP_syscall, run(CODE).trap);
    EXPECT_EQ(0x4000u, x(a0));
    EXPECT_EQ(0x6000u, x(a1));
    map(FAR, DATA_PHYS + 0x8000);
    mmu_flush_page(vcpu, FAR); /* does not forget the large page */
    map_large(DATA_PHYS);
    EXPECT_EQ(IR_TRAP_syscall, run(CODE).trap);
    EXPECT_EQ(0x4000u, x(a0));
    EXPECT_EQ(0x8000u, x(a2));
}

/* 32 TiB: as Sv57 has them, and more. */
TEST_F(System, FlushingAnAddressOfAPageLargerThanFilters)
{
    Asm c = code();
    c.ld(a0, s0, 0);
    c.ecall();
    x(s0) = DATA;
    for (uint64_t round = 0; round < 4; round++) {
        uint64_t paddr = DATA_PHYS + round * 0x1000;
        poke(paddr, round);
        tables[1][DATA >> 12] = { paddr, true, 1ull << 45 };
        mmu_flush_page(vcpu, DATA - (round << 34));
        EXPECT_EQ(IR_TRAP_syscall, run(CODE).trap);
        EXPECT_EQ(round, x(a0));
    }
}

/* Loads and stores of one insn that go from page to page, to and fro. */
TEST_F(System, OneInsnOnManyPages)
{
    Asm c = code();
    uint64_t loop = c.ld(a0, s0, 0);
    c.add(a1, a1, a0);
    c.sd(a1, s0, 8);
    c.add(s0, s0, s1);
    c.addi(a2, a2, -1);
    c.bne(a2, zero, loop);
    c.ecall();
    for (uint64_t k = 0; k < 4; k++) {
        poke(DATA_PHYS + k * 0x1000, k + 1);
    }
    for (int round = 0; round < 40; round++) {
        uint64_t n = 1 + (unsigned)round % 4;
        x(s0) = round % 2 ? DATA + 0x3000 : DATA;
        x(s1) = round % 2 ? -0x1000 : 0x1000;
        x(a1) = 0;
        x(a2) = n;
        ASSERT_EQ(IR_TRAP_syscall, run(CODE).trap);
        ASSERT_EQ(round % 2 ? n * (9 - n) / 2 : n * (n + 1) / 2, x(a1));
        ASSERT_EQ(x(a1), peek(DATA_PHYS + (round % 2 ? 4 - n : n - 1) * 0x1000 + 8));
    }
}

/* A load, a store, a load and a store nearby, in a loop, which makes a region of it. */
struct Nearby {
    uint64_t first_store, second_load, second_store;
};

Nearby emit_nearby(Asm c)
{
    Nearby n;
    uint64_t loop;

    c.li(t2, 2);
    loop = c.ld(a0, s0, 0);
    n.first_store = c.sd(a1, s0, 8);
    n.second_load = c.ld(a2, s0, 16);
    n.second_store = c.sd(a3, s0, 24);
    c.addi(t2, t2, -1);
    c.bne(t2, zero, loop);
    c.ecall();
    return n;
}

TEST_F(System, RememberedPagesThatAreFlushed)
{
    emit_nearby(code());
    x(s0) = DATA;
    for (uint64_t round = 0; round < 60; round++) {
        uint64_t page = DATA_PHYS + round / 20 * 0x1000;
        poke(page, round);
        poke(page + 16, round + 1);
        x(a1) = round + 2;
        x(a3) = round + 3;
        ASSERT_EQ(IR_TRAP_syscall, run(CODE).trap);
        ASSERT_EQ(round, x(a0));
        ASSERT_EQ(round + 1, x(a2));
        ASSERT_EQ(round + 2, peek(page + 8));
        ASSERT_EQ(round + 3, peek(page + 24));
        if (round == 19) {
            map(DATA, DATA_PHYS + 0x1000);
            mmu_flush_page(vcpu, DATA + 0xff8);
        } else if (round == 39) {
            map(DATA, DATA_PHYS + 0x2000);
            mmu_flush_root(vcpu, [](uint64_t r, uint64_t arg) { return r == arg; }, 1);
        }
    }
    tables[1].erase(DATA >> 12);
    mmu_flush_all(vcpu);
    EXPECT_EQ(IR_TRAP_fault, run(CODE).trap);
    EXPECT_EQ(CODE + 4, vcpu->pc);
    EXPECT_EQ(DATA, mmu_fault(vcpu)->vaddr);
}

TEST_F(System, RememberedPagesAreOfOneContext)
{
    emit_nearby(code());
    map(CODE, RAM + code_at, true, 2);
    map(DATA, DATA_PHYS + 0x1000, true, 2);
    x(s0) = DATA;
    for (uint64_t round = 0; round < 60; round++) {
        uint64_t r = 1 + round / 3 % 2, page = DATA_PHYS + (r - 1) * 0x1000;
        use_root(vcpu, r);
        poke(page, round);
        x(a1) = round + 1;
        ASSERT_EQ(IR_TRAP_syscall, run(CODE).trap);
        ASSERT_EQ(round, x(a0));
        ASSERT_EQ(round + 1, peek(page + 8));
    }
}

/* A kernel's view, with a page of code and one of data for each process beside what is global. */
TEST_F(System, OneContextForAllRoots)
{
    enum : uint64_t { OWN_CODE = CODE + 0x10000, OWN_DATA = DATA + 0x10000 };
    const uint64_t first = code_at;
    for (uint64_t r = 1; r <= 2; r++) {
        Asm own(OWN_CODE);
        own.host = reinterpret_cast<uint64_t>(ram) + first + r * 0x1000 - OWN_CODE;
        own.li(a0, static_cast<int>(r));
        own.ecall();
        map(OWN_CODE, RAM + first + r * 0x1000, false, r);
        map(OWN_DATA, DATA_PHYS + r * 0x1000, true, r);
        poke(DATA_PHYS + r * 0x1000, 100 + r);
        tables[r][CODE >> 12] = { RAM + first, true, 4096, true };
        tables[r][DATA >> 12] = { DATA_PHYS, true, 4096, true };
    }
    Asm c = code();
    c.ld(a1, s0, 0);
    c.ecall();
    auto load = [&](uint64_t at) {
        x(s0) = at;
        EXPECT_EQ(IR_TRAP_syscall, run(CODE).trap);
        return x(a1);
    };
    poke(DATA_PHYS, 99);
    use_root(vcpu, 1, true);
    EXPECT_EQ(99u, load(DATA));
    for (uint64_t round = 0; round < 30; round++) {
        uint64_t r = 1 + round % 2, before = mmu_fetch_number(vcpu);
        use_root(vcpu, r, true);
        bool own_code = round % 10 > 4, had_own_code = (round + 9) % 10 > 4 && round;
        EXPECT_EQ(had_own_code, before != mmu_fetch_number(vcpu)) << round;
        EXPECT_EQ(99u, load(DATA));
        EXPECT_EQ(100 + r, load(OWN_DATA));
        if (own_code) {
            EXPECT_EQ(IR_TRAP_syscall, run(OWN_CODE).trap);
            EXPECT_EQ(r, x(a0));
        }
    }
}

/* A store asks for itself: pages that were only loaded from, and such that a load has found for it. */
TEST_F(System, RememberedPagesThatMustNotBeWritten)
{
    Nearby n = emit_nearby(code());
    map(DATA + 0x1000, DATA_PHYS + 0x1000, false);
    for (int round = 0; round < 60; round++) {
        poke(DATA_PHYS + 0x1000, 5);
        poke(DATA_PHYS + 0x1008, 5);
        x(s0) = DATA;
        ASSERT_EQ(IR_TRAP_syscall, run(CODE).trap);
        x(s0) = DATA + 0x1000;
        x(a1) = 6;
        ASSERT_EQ(IR_TRAP_fault, run(CODE).trap);
        ASSERT_EQ(n.first_store, vcpu->pc);
        ASSERT_EQ(DATA + 0x1008, mmu_fault(vcpu)->vaddr);
        x(s0) = DATA + 0x1000 - 16; /* the store finds a page, the load another one, where no store may go */
        x(a2) = 0;
        x(a3) = 6;
        ASSERT_EQ(IR_TRAP_fault, run(CODE).trap);
        ASSERT_EQ(n.second_store, vcpu->pc);
        ASSERT_EQ(DATA + 0x1008, mmu_fault(vcpu)->vaddr);
        ASSERT_EQ(5u, x(a2));
        x(s0) = NOTHING - 16;
        map(NOTHING - 0x1000, DATA_PHYS + 0x2000);
        ASSERT_EQ(IR_TRAP_fault, run(CODE).trap);
        ASSERT_EQ(n.second_load, vcpu->pc);
        ASSERT_EQ(NOTHING, mmu_fault(vcpu)->vaddr);
        ASSERT_EQ(5u, peek(DATA_PHYS + 0x1008));
    }
}

/* On the way from one page to the other and back registers get short. */
TEST_F(System, RememberedPagesUnderPressure)
{
    const Reg busy[] = { ra, sp, gp, tp, t0, t1, a3, a4, a5, a6, a7, s1 };
    const unsigned n_busy = sizeof(busy) / sizeof(busy[0]);

    map(DATA, DATA_PHYS + 0x2000);
    map(DATA + 0x1000, DATA_PHYS);
    poke(DATA_PHYS + 0x2ff8, 1);
    poke(DATA_PHYS, 2);
    poke(DATA_PHYS + 0xff8, 3);
    for (unsigned n = 0; n <= n_busy; n++) {
        Asm c = code(n * 0x100);
        c.li(t2, 2);
        uint64_t loop = c.ld(a0, s0, 0);
        c.ld(a1, s0, 8);
        for (unsigned k = 0; k < n; k++) {
            c.mul(busy[k], k ? busy[k - 1] : a1, a1);
        }
        c.ld(a2, s0, 0);
        for (unsigned k = 0; k < n; k++) {
            c.add(a2, a2, busy[k]);
        }
        c.addi(t2, t2, -1);
        c.bne(t2, zero, loop);
        c.ecall();
        for (int round = 0; round < 40; round++) {
            x(s0) = DATA + 0xff8;
            x(a0) = x(a1) = x(a2) = 0;
            ASSERT_EQ(IR_TRAP_syscall, run(CODE + n * 0x100).trap);
            ASSERT_EQ(1u, x(a0)) << n;
            ASSERT_EQ(2u, x(a1)) << n;
            ASSERT_EQ(1 + (4u << n) - 4, x(a2)) << n; /* 4 + 8 + 16 ... */
        }
    }
}

/* An address of another page with the same low 48 bits. */
TEST_F(System, RememberedPagesByAllBits)
{
    emit_nearby(code());
    for (int round = 0; round < 40; round++) {
        x(s0) = DATA;
        ASSERT_EQ(IR_TRAP_syscall, run(CODE).trap);
        x(s0) = DATA & 0xffffffffffff;
        ASSERT_EQ(IR_TRAP_fault, run(CODE).trap);
        ASSERT_EQ(CODE + 4, vcpu->pc);
        x(s0) = -0x1000;
        ASSERT_EQ(IR_TRAP_fault, run(CODE).trap);
        ASSERT_EQ(CODE + 4, vcpu->pc);
    }
}

/* Stores to a page that gets code afterwards, by this vcpu and by another one. */
TEST_F(System, RememberedPagesThatGetCode)
{
    Vcpu *other = tr_vcpu_new(nullptr);
    Asm c = code(), f = code(0x1000), g = code(0x2000);
    c.li(t2, 2);
    uint64_t loop = c.sw(a2, s0, 0);
    c.addi(t2, t2, -1);
    c.bne(t2, zero, loop);
    c.fence_i();
    c.ecall();
    f.li(a0, 1);
    f.ecall();
    g.li(a0, 1);
    g.ecall();
    map(DATA, RAM + code_at + 0x1000);
    map(DATA + 0x1000, RAM + code_at + 0x2000);
    use_root(other, 1);
    for (uint64_t page = 0; page < 2; page++) { /* the first one has one writer, the second one two */
        std::vector<Vcpu *> writers = { vcpu, other };
        writers.resize(page + 1);
        auto write = [&](Vcpu *v, uint64_t offset) {
            v->slot[s0] = DATA + page * 0x1000 + offset;
            v->pc = CODE;
            ASSERT_EQ(IR_TRAP_syscall, tr_run(v).trap);
        };
        for (int round = 0; round < 40; round++) { /* no code is there yet */
            for (Vcpu *v : writers) {
                write(v, 0x100);
            }
        }
        for (unsigned k = 2; k < 20; k++) {
            for (Vcpu *v : writers) {
                ASSERT_EQ(IR_TRAP_syscall, run(CODE + 0x1000 + page * 0x1000).trap);
                v->slot[a2] = k << 20 | 10 << 7 | 0x13; /* li a0, k */
                write(v, 0);
                ASSERT_EQ(IR_TRAP_syscall, run(CODE + 0x1000 + page * 0x1000).trap);
                ASSERT_EQ(k, x(a0));
            }
        }
    }
    tr_vcpu_free(other);
}

/* The extension Svvptc: no fence. */
TEST_F(System, APageThatIsThereLater)
{
    Asm c = code();
    uint64_t at = c.sd(a0, s0, 8);
    c.ld(a1, s0, 8);
    c.jalr(zero, s1, 0);
    Asm later = code(0x2000);
    later.ecall();
    for (uint64_t round = 0; round < 30; round++) {
        uint64_t page = NOTHING + round * 0x2000, target = page + 0x1000;
        x(s0) = page;
        x(s1) = target;
        x(a0) = round + 1;
        EXPECT_EQ(IR_TRAP_fault, run(CODE).trap);
        EXPECT_EQ(at, vcpu->pc);
        map(page, DATA_PHYS, false);
        EXPECT_EQ(IR_TRAP_fault, run(CODE).trap) << "it may not be written";
        map(page, DATA_PHYS);
        EXPECT_EQ(IR_TRAP_fetch, run(CODE).trap);
        EXPECT_EQ(target, vcpu->pc);
        EXPECT_EQ(round + 1, x(a1));
        map(target, RAM + code_at + 0x2000);
        EXPECT_EQ(IR_TRAP_syscall, run(CODE).trap);
        EXPECT_EQ(target, vcpu->pc);
    }
}

} // namespace
