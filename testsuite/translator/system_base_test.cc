/* SPDX-License-Identifier: Apache-2.0 */
/* Accesses that share their base. */
#include <cstdlib>
#include <cstring>
#include <string>
#include <sys/mman.h>
#include <unistd.h>

#include "testsuite/translator/system.h"

namespace
{

/* Accesses that share a base register may share a look into the tables, but not a page. */
TEST_F(System, AccessesWithOneBase)
{
    auto at = [](uint64_t vaddr) { /* two pages, in the other order */
        return (uint8_t *)host(DATA_PHYS + (vaddr < DATA + 0x1000 ? 0x2000 : 0) + vaddr % 0x1000);
    };
    auto read = [&](uint64_t vaddr) {
        uint64_t v = 0;
        for (int k = 7; k >= 0; k--)
            v = v << 8 | *at(vaddr + (uint64_t)k);
        return v;
    };

    map(DATA, DATA_PHYS + 0x2000);
    map(DATA + 0x1000, DATA_PHYS);
    Asm c = code();
    c.li(t2, 2);
    uint64_t loop = c.ld(a0, s0, 0);
    c.ld(a1, s0, 8);
    c.sd(a2, s0, 16);
    c.ld(a3, s0, 16);
    c.sd(a4, s0, -8);
    c.ld(a5, s0, -8);
    c.sw(a4, s0, 28);
    c.ld(a6, s0, 24);
    c.addi(t2, t2, -1);
    c.bne(t2, zero, loop);
    c.ecall();
    for (uint64_t base = DATA + 0x1000 - 56; base < DATA + 0x1000 + 24; base++) {
        for (int round = 0; round < 2; round++) {
            for (uint64_t k = DATA + 0xf00; k < DATA + 0x1100; k++)
                *at(k) = (uint8_t)(k * 31 + base);
            uint64_t first = read(base), second = read(base + 8), last = read(base + 24);
            mmu_flush_all(vcpu);
            x(s0) = base;
            x(a2) = 0x1122334455667788 + base;
            x(a4) = 0x99aabbccddeeff00 + base;
            ASSERT_EQ(IR_TRAP_syscall, run(CODE).trap);
            ASSERT_EQ(first, x(a0)) << base;
            ASSERT_EQ(second, x(a1)) << base;
            ASSERT_EQ(x(a2), x(a3)) << base;
            ASSERT_EQ(x(a4), x(a5)) << base;
            ASSERT_EQ((uint32_t)last | x(a4) << 32, x(a6)) << base;
            ASSERT_EQ(x(a2), read(base + 16)) << base;
            ASSERT_EQ(x(a4), read(base - 8)) << base;
        }
    }
}

uint64_t counter(const char *name)
{
    char text[8192] = "";
    int fd = memfd_create("stats", 0);

    tr_stats_print(fd);
    EXPECT_LT(0, pread(fd, text, sizeof(text) - 1, 0));
    close(fd);
    const char *row = strstr(text, name);
    return row ? strtoull(row + strlen(name), nullptr, 10) : UINT64_MAX;
}

/* They are slow, but do not fault. */
TEST_F(System, NeighboursThatAreNotAligned)
{
    Asm c = code();
    c.ld(a0, s0, 3);
    c.ld(a1, s0, 11);
    c.sd(a1, s0, 19);
    c.ecall();
    for (int round = 0; round < 10; round++) {
        x(s0) = DATA + 0x100;
        EXPECT_EQ(IR_TRAP_syscall, run(CODE).trap);
    }
    uint64_t before = counter("\nsteps");
    x(s0) = DATA + 0x100;
    EXPECT_EQ(IR_TRAP_syscall, run(CODE).trap);
    EXPECT_EQ(before, counter("\nsteps"));
}

/* The first load may read, so the second does not ask; a store still does. */
TEST_F(System, AccessesWithOneBaseFault)
{
    map(DATA + 0x1000, DATA_PHYS + 0x1000, false);
    Asm c = code();
    c.ld(a0, s0, 0);
    c.ld(a1, s0, 8);
    uint64_t store = c.sd(a2, s0, 16);
    c.ecall();
    poke(DATA_PHYS + 0x1008, 8);
    for (int round = 0; round < 3; round++) {
        x(s0) = DATA + 0x1000;
        x(a1) = 0;
        EXPECT_EQ(IR_TRAP_fault, run(CODE).trap);
        EXPECT_EQ(store, vcpu->pc);
        EXPECT_EQ(8u, x(a1));
        EXPECT_EQ(MMU_write, mmu_fault(vcpu)->access);
        x(s0) = DATA + 0x1000 - 16;
        EXPECT_EQ(IR_TRAP_fault, run(CODE).trap);
        EXPECT_EQ(store, vcpu->pc);
        x(s0) = DATA + 0x1000 - 24;
        EXPECT_EQ(IR_TRAP_syscall, run(CODE).trap);
    }
}

TEST_F(System, AccessesWithOneBaseToADevice)
{
    Asm c = code();
    c.ld(a0, s0, 0);
    c.ld(a1, s0, 8);
    c.sd(a0, s0, 16);
    c.ld(a2, s0, 24);
    c.ecall();
    for (int round = 0; round < 3; round++) {
        device_log.clear();
        x(s0) = IO;
        EXPECT_EQ(IR_TRAP_syscall, run(CODE).trap);
        EXPECT_EQ((std::vector<std::pair<uint64_t, uint64_t>>{ { 0, 8 }, { 8, 8 }, { 16, x(a0) }, { 24, 8 } }),
                  device_log);
        EXPECT_EQ(x(a0) + 1, x(a1));
        EXPECT_EQ(x(a0) + 2, x(a2));
        x(s0) = DATA;
        EXPECT_EQ(IR_TRAP_syscall, run(CODE).trap);
    }
}

} // namespace
