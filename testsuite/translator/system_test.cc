/* SPDX-License-Identifier: Apache-2.0 */
/* Guest code in a machine with a page table of the test's own.  `--tier=interp|jit`, `--hot=N`,
 * `--mmu=flat|tlb`. */
#include <cstdlib>
#include <cstring>
#include <gtest/gtest.h>
#include <map>
#include <string>
#include <sys/mman.h>
#include <unistd.h>
#include <vector>

extern "C" {
#include "translator/machine.h"
#include "translator/translator.h"
}

#include "testsuite/translator/asm.h"

namespace
{

enum : uint64_t {
    RAM = 0x80000000, /* physical */
    RAM_SIZE = 16 << 20,
    DEVICE = 0x10000000,
    FLASH = 0x20000000, /* device memory that programs run from; also virtual */
    CODE = 0x40000000, /* virtual, at RAM */
    DATA = 0xffffffc000000000, /* virtual, at RAM + 8 MiB */
    IO = 0x50000000,   /* virtual, at DEVICE */
    NOTHING = 0x60000000,
    DATA_PHYS = RAM + (8 << 20),
    FAULT = 77, /* the cause of all faults */
    BUS = 78,
};

uint8_t *ram;
PhysMem *mem;

struct Entry {
    uint64_t paddr;
    bool write;
    uint64_t size = 4096; /* of the page that this is in */
    bool global = false;
};

/* By root, then page. */
std::map<uint64_t, std::map<uint64_t, Entry>> tables;
uint64_t root = 1;
std::vector<std::pair<uint64_t, uint64_t>> device_log;
uint64_t device_value;

FeWalk walk(Vcpu *, uint64_t vaddr, MmuAccess access, unsigned)
{
    auto e = tables[root].find(vaddr >> 12);
    FeWalk w = {};

    w.cause = FAULT;
    if (e != tables[root].end() && (access != MMU_write || e->second.write)) {
        w.ok = true;
        uint64_t size = e->second.size, in_page = vaddr & (size - 1) & ~0xfffull;
        w.page = { vaddr & ~(size - 1), e->second.paddr - in_page, size, true, e->second.write, true,
                   e->second.global };
    }
    return w;
}

bool pending(Vcpu *, bool)
{
    return false;
}

void map(uint64_t vaddr, uint64_t paddr, bool write = true, uint64_t in = 1)
{
    tables[in][vaddr >> 12] = { paddr, write };
}

void use_root(Vcpu *vcpu, uint64_t r, bool shared = false)
{
    MmuKey key = { r, 0, shared };

    root = r;
    mmu_switch(vcpu, &key, &key);
}

bool device_read(void *, uint64_t offset, unsigned size, uint64_t *value)
{
    device_log.emplace_back(offset, size);
    *value = device_value++;
    return offset < 0x800;
}

bool device_write(void *, uint64_t offset, unsigned, uint64_t value)
{
    device_log.emplace_back(offset, value);
    return offset < 0x800;
}

const PhysOps device_ops = { device_read, device_write };

uint8_t flash[0x1000];

bool flash_read(void *, uint64_t offset, unsigned size, uint64_t *value)
{
    memcpy(value, flash + offset, size);
    return true;
}

bool flash_write(void *, uint64_t offset, unsigned size, uint64_t value)
{
    memcpy(flash + offset, &value, size);
    return true;
}

const PhysOps flash_ops = { flash_read, flash_write };

void *host(uint64_t paddr)
{
    return ram + (paddr - RAM);
}

uint64_t peek(uint64_t paddr)
{
    uint64_t v;
    memcpy(&v, host(paddr), 8);
    return v;
}

void poke(uint64_t paddr, uint64_t v)
{
    memcpy(host(paddr), &v, 8);
}

class System : public testing::Test
{
  protected:
    Vcpu *vcpu = nullptr;

    void SetUp() override
    {
        tables.clear();
        device_log.clear();
        device_value = 100;
        memset(ram, 0, RAM_SIZE);
        for (uint64_t at = 0; at < 0x10000; at += 0x1000) {
            map(CODE + at, RAM + code_at + at);
        }
        for (uint64_t at = 0; at < 0x4000; at += 0x1000) {
            map(DATA + at, DATA_PHYS + at);
        }
        map(IO, DEVICE);
        vcpu = tr_vcpu_new(nullptr);
        ASSERT_NE(nullptr, vcpu);
        use_root(vcpu, 1);
        /* Other tests have left units for the same physical pages. */
        phys_written(mem, RAM, RAM_SIZE);
        fence();
    }
    void TearDown() override
    {
        tr_vcpu_free(vcpu);
        code_at += 0x10000;
    }
    void fence()
    {
        Asm c = code(0xf000);
        c.fence_i();
        c.ecall();
        run(CODE + 0xf000);
    }
    Asm code(uint64_t at = 0)
    {
        Asm c(CODE + at);
        c.host = reinterpret_cast<uint64_t>(ram) + code_at - CODE;
        return c;
    }
    TrStop run(uint64_t pc)
    {
        vcpu->pc = pc;
        return tr_run(vcpu);
    }
    uint64_t &x(Reg r)
    {
        return vcpu->slot[r];
    }
    static uint64_t code_at;
};

uint64_t System::code_at;

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

/* ---- What hot code remembers of the accesses before ---- */

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

int main(int argc, char **argv)
{
    static FeSystem fe;
    static TrSystem system;
    TrConfig config = {};
    PhysRegion region = {};
    const char *error = "";

    testing::InitGoogleTest(&argc, argv);
    fe.walk = walk;
    fe.pending = pending;
    fe.bus_error = BUS;
    mem = phys_new();
    ram = phys_alloc("ram", RAM_SIZE);
    region = { "ram", PHYS_ram, RAM, RAM_SIZE, ram, nullptr, nullptr, nullptr, true, nullptr, false };
    phys_add(mem, &region);
    region = { "device", PHYS_mmio, DEVICE, 0x1000, nullptr, &device_ops, nullptr, nullptr, true, nullptr, false };
    phys_add(mem, &region);
    region = { "flash", PHYS_mmio, FLASH, 0x1000, nullptr, &flash_ops, nullptr, nullptr, true, flash, false };
    phys_add(mem, &region);
    system = { &fe, mem, MMU_SCHEME_flat };
    config.frontend = &fe_riscv64;
    config.system = &system;
    config.cache_size = 2 << 20;
    config.tier = TR_TIER_jit;
    for (int i = 1; i < argc; i++) {
        std::string arg = argv[i];
        if (arg == "--tier=interp") {
            config.tier = TR_TIER_interp;
        } else if (arg == "--mmu=tlb" || arg == "--mmu=flat") {
            system.scheme = arg == "--mmu=tlb" ? MMU_SCHEME_tlb : MMU_SCHEME_flat;
        } else if (arg.rfind("--hot=", 0) == 0) {
            config.hot_threshold = static_cast<uint32_t>(atoi(arg.c_str() + 6));
        } else {
            fprintf(stderr, "unknown option %s\n", argv[i]);
            return 1;
        }
    }
    if (!tr_start(&config, &error)) {
        fprintf(stderr, "%s\n", error);
        return 1;
    }
    struct sigaction action = {};
    action.sa_sigaction = [](int sig, siginfo_t *info, void *context) {
        if (!tr_host_fault(sig, info, context)) {
            signal(sig, SIG_DFL);
        }
    };
    action.sa_flags = SA_SIGINFO;
    sigaction(SIGSEGV, &action, nullptr);
    sigaction(SIGFPE, &action, nullptr);
    return RUN_ALL_TESTS();
}
