/* SPDX-License-Identifier: Apache-2.0 */
/*
 * LR/SC loops that are taken as one operation, against the same instructions one by one.
 * `--tier=interp|jit|check`, `--hot=N`, `--seed=N`.
 */
#include <array>
#include <cstdlib>
#include <random>
#include <thread>
#include <vector>

#include "testsuite/translator/machine.h"

namespace
{

bool fuses; /* this way of executing takes loops as one */
uint64_t seed = 1;

enum Width { W = 2, D = 3 };

/* The instructions of LR/SC loops, on top of the assembler. */
struct LoopAsm : Asm {
    using Asm::Asm;

    uint64_t lr(Width w, Reg d, Reg a, unsigned aqrl = 0)
    {
        return r_type(0x2f, w, 0x08 | aqrl, d, a, zero);
    }
    uint64_t sc(Width w, Reg d, Reg v, Reg a)
    {
        return r_type(0x2f, w, 0x0c, d, a, v);
    }
    uint64_t r_type(uint32_t op, uint32_t f3, uint32_t f7, unsigned d, unsigned a, unsigned b)
    {
        return word(f7 << 25 | b << 20 | a << 15 | f3 << 12 | d << 7 | op);
    }
};

struct Alu {
    uint32_t op, f3, f7;
};

const Alu kAlu[] = {
    { 0x33, 0, 0 }, { 0x33, 0, 0x20 }, { 0x33, 7, 0 },    { 0x33, 6, 0 }, { 0x33, 4, 0 },
    { 0x33, 1, 0 }, { 0x33, 5, 0x20 }, { 0x3b, 0, 0 },    { 0x3b, 0, 0x20 }, { 0x33, 7, 0x20 },
    { 0x33, 5, 5 }, { 0x33, 6, 5 },    { 0x33, 3, 0 },    { 0x3b, 5, 0 },
};

/* Registers that loops use; a0 has the address. */
const std::vector<unsigned> kRegs = { t0, t1, a1, a2, a3, a4, a5 };

class Random
{
  public:
    explicit Random(uint64_t s) : bits_(s)
    {
    }
    unsigned below(unsigned n)
    {
        return unsigned(bits_() % n);
    }
    unsigned reg(bool may_be_zero)
    {
        unsigned k = below(unsigned(kRegs.size()) + may_be_zero);
        return k < kRegs.size() ? kRegs[k] : 0u;
    }
    /* Few different ones, so that comparisons hold now and then; words mostly sign-extended. */
    uint64_t value()
    {
        switch (below(4)) {
        case 0:
            return below(3);
        case 1:
            return uint64_t(int64_t(int32_t(bits_())));
        case 2:
            return bits_();
        default:
            return ~uint64_t(below(3));
        }
    }

  private:
    std::mt19937_64 bits_;
};

/* A loop and an ecall; returns where it starts. */
uint64_t random_loop(LoopAsm &c, Random &rnd)
{
    Width w = rnd.below(2) ? W : D;
    unsigned n = rnd.below(5), branch = rnd.below(2) ? rnd.below(n + 1) : 99;
    unsigned old = rnd.reg(false), failed = rnd.reg(false);
    uint64_t start = c.lr(w, Reg(old), a0, rnd.below(4));
    unsigned result = old;

    for (unsigned k = 0; k <= n; k++) {
        if (k == branch) {
            uint64_t out = c.pc + 4 * (n - k) + 12;
            uint32_t f3[] = { 0, 1, 1, 1, 4, 5, 6, 7 };
            c.branch(f3[rnd.below(8)], Reg(old), Reg(rnd.reg(true)), out);
        }
        if (k < n) {
            const Alu &alu = kAlu[rnd.below(sizeof(kAlu) / sizeof(*kAlu))];
            unsigned from = rnd.below(3) ? result : rnd.reg(true);
            result = rnd.reg(false);
            c.r_type(alu.op, alu.f3, alu.f7, result, from, rnd.reg(true));
        }
    }
    c.sc(w, Reg(failed), Reg(rnd.below(4) ? result : rnd.reg(true)), a0);
    c.bne(Reg(failed), zero, start);
    c.ecall();
    return start;
}

struct State {
    std::array<uint64_t, 32> x;
    uint64_t pc, memory;

    bool operator==(const State &o) const
    {
        return x == o.x && pc == o.pc && memory == o.memory;
    }
};

std::ostream &operator<<(std::ostream &out, const State &s)
{
    out << std::hex << "pc " << s.pc << " memory " << s.memory;
    for (unsigned r : kRegs)
        out << " x" << std::dec << r << " " << std::hex << s.x[r];
    return out;
}

uint64_t &word_at(uint64_t address)
{
    return *reinterpret_cast<uint64_t *>(address);
}

State take_state(Cpu &cpu, uint64_t address)
{
    State s = {};

    std::copy(cpu.vcpu->slot, cpu.vcpu->slot + 32, s.x.begin());
    s.pc = cpu.vcpu->pc;
    s.memory = word_at(address);
    return s;
}

TEST(LrLoop, LeavesWhatItsInstructionsLeave)
{
    Random rnd(seed);

    for (unsigned round = 0; round < 1500; round++) {
        static uint64_t code;
        if (round % 64 == 0)
            code = fresh_code();
        LoopAsm c(code);
        uint64_t start = random_loop(c, rnd), address = DATA + 0x1000;
        code = c.pc;
        for (unsigned run = 0; run < 12; run++) {
            Cpu whole(start), steps(start);
            uint64_t memory = rnd.value();
            for (unsigned r : kRegs)
                whole[Reg(r)] = steps[Reg(r)] = rnd.below(3) ? rnd.value() : memory;
            whole[a0] = steps[a0] = address;
            word_at(address) = memory;
            TrStop stop = tr_step(steps.vcpu, false);
            for (unsigned n = 0; n < 20 && stop.trap == IR_TRAP_interrupt; n++)
                stop = tr_step(steps.vcpu, false);
            ASSERT_EQ(IR_TRAP_syscall, stop.trap);
            State want = take_state(steps, address);
            word_at(address) = memory;
            ASSERT_EQ(IR_TRAP_syscall, whole.run().trap);
            State got = take_state(whole, address);
            ASSERT_EQ(want, got) << "seed " << seed << " round " << round << " run " << run;
        }
    }
}

/* ---- Threads ---- */

constexpr unsigned kThreads = 3, kTurns = 100000;

/* Adds a2 to the word at a0, a4 times, in one of several ways. */
using MakeAdd = uint64_t (*)(LoopAsm &, Width);

void end_turn(LoopAsm &c, uint64_t start)
{
    c.addi(a4, a4, -1);
    c.bne(a4, zero, start);
    c.ecall();
}

uint64_t add_by_cas(LoopAsm &c, Width w)
{
    uint64_t start = c.load(w, a1, a0, 0);
    c.r_type(w == W ? 0x3b : 0x33, 0, 0, a3, a1, a2);
    uint64_t again = c.lr(w, a5, a0, 3);
    c.bne(a5, a1, again + 16);
    c.sc(w, t0, a3, a0);
    c.bne(t0, zero, again);
    c.bne(a5, a1, start);
    end_turn(c, start);
    return start;
}

uint64_t add_by_sum(LoopAsm &c, Width w)
{
    uint64_t again = c.lr(w, a5, a0);
    c.add(a5, a5, a2);
    c.sc(w, t0, a5, a0);
    c.bne(t0, zero, again);
    end_turn(c, again);
    return again;
}

/* Never when the sum would be 0, which it is not. */
uint64_t add_unless_zero(LoopAsm &c, Width w)
{
    uint64_t again = c.lr(w, a5, a0);
    c.add(a3, a5, a2);
    c.beq(a3, zero, again + 20);
    c.sc(w, t0, a3, a0);
    c.bne(t0, zero, again);
    end_turn(c, again);
    return again;
}

/* As gcc does it for a byte: a7 is its mask, a6 that of the others. */
uint64_t add_masked(LoopAsm &c, Width w)
{
    uint64_t again = c.lr(w, a5, a0, 3);
    c.add(a3, a5, a2);
    c.r_type(0x33, 7, 0, a3, a3, a7);
    c.r_type(0x33, 7, 0, t1, a5, a6);
    c.or_(a3, a3, t1);
    c.sc(w, t0, a3, a0);
    c.bne(t0, zero, again);
    end_turn(c, again);
    return again;
}

class Threads : public testing::TestWithParam<std::tuple<MakeAdd, Width>>
{
};

TEST_P(Threads, NoAdditionIsLost)
{
    LoopAsm c(fresh_code());
    auto [make, w] = GetParam();
    uint64_t start = make(c, w), address = DATA + 0x2000;
    std::vector<std::thread> threads;

    tr_guest_has_threads();
    word_at(address) = 0;
    for (unsigned k = 0; k < kThreads; k++)
        threads.emplace_back([=] {
            Cpu cpu(start);
            cpu[a0] = address;
            cpu[a2] = k + 1;
            cpu[a4] = kTurns;
            cpu[a7] = 0xffffff;
            cpu[a6] = ~cpu[a7];
            EXPECT_EQ(IR_TRAP_syscall, cpu.run().trap);
        });
    for (std::thread &t : threads)
        t.join();
    EXPECT_EQ(uint64_t(kTurns) * kThreads * (kThreads + 1) / 2, word_at(address));
}

INSTANTIATE_TEST_SUITE_P(LrLoop, Threads,
                         testing::Combine(testing::Values(add_by_cas, add_by_sum, add_unless_zero,
                                                          add_masked),
                                          testing::Values(W, D)));

/* ---- What is not one operation ---- */

/* a5 = word at a0; a2 when it was a1.  The SC is at start + 8. */
uint64_t cas_loop(LoopAsm &c)
{
    uint64_t start = c.lr(W, a5, a0);
    c.bne(a5, a1, start + 16);
    c.sc(W, t0, a2, a0);
    c.bne(t0, zero, start);
    c.ecall();
    return start;
}

void protect(uint64_t page, int how)
{
    ASSERT_EQ(0, mprotect(reinterpret_cast<void *>(page), 4096, how));
}

TEST(LrLoop, OnAPageThatCanOnlyBeReadThePCOfAFaultIsThatOfTheSC)
{
    LoopAsm c(fresh_code());
    uint64_t start = cas_loop(c), page = DATA + 0x3000;
    Cpu cpu(start);

    word_at(page) = 7;
    protect(page, PROT_READ);
    cpu[a0] = page;
    cpu[a1] = 8;
    cpu[t0] = 55;
    EXPECT_EQ(IR_TRAP_syscall, cpu.run().trap) << "nothing is stored";
    EXPECT_EQ(7u, cpu[a5]);
    EXPECT_EQ(55u, cpu[t0]);
    cpu[a1] = 7;
    cpu[a2] = 9;
    cpu[a5] = 0;
    TrStop stop = cpu.run(start);
    EXPECT_EQ(IR_TRAP_fault, stop.trap);
    EXPECT_EQ(page, stop.arg);
    EXPECT_EQ(start + 8, cpu.vcpu->pc);
    EXPECT_EQ(7u, cpu[a5]);
    protect(page, PROT_READ | PROT_WRITE);
    EXPECT_EQ(IR_TRAP_syscall, cpu.run().trap);
    EXPECT_EQ(9u, word_at(page));
    EXPECT_EQ(0u, cpu[t0]);
}

TEST(LrLoop, FaultsOfTheLoadHaveThePCOfTheLR)
{
    LoopAsm c(fresh_code());
    uint64_t start = cas_loop(c);
    Cpu cpu(start);

    cpu[a0] = NOWHERE;
    EXPECT_EQ(IR_TRAP_fault, cpu.run().trap);
    EXPECT_EQ(start, cpu.vcpu->pc);
    cpu[a0] = DATA + 2;
    EXPECT_EQ(IR_TRAP_misaligned, cpu.run().trap);
    EXPECT_EQ(start, cpu.vcpu->pc);
}

TEST(LrLoop, EnteredInTheMiddleTheSCFailsFirst)
{
    LoopAsm c(fresh_code());
    uint64_t start = cas_loop(c), address = DATA + 0x4000;
    Cpu cpu(start);

    word_at(address) = 1;
    cpu[a0] = address;
    cpu[a1] = 1;
    cpu[a2] = 2;
    EXPECT_EQ(IR_TRAP_syscall, cpu.run(start + 8).trap);
    EXPECT_EQ(1u, cpu[a5]) << "LR was executed after all";
    EXPECT_EQ(2u, word_at(address));
}

TEST(LrLoop, AnOlderReservationEndsWithIt)
{
    LoopAsm c(fresh_code());
    uint64_t first = c.lr(W, t1, a3);
    c.addi(a4, t1, 0);
    c.bne(a4, zero, c.pc + 4); /* the LR and the next one are no loop */
    uint64_t start = cas_loop(c);
    c.pc -= 4;
    c.sc(W, t0, a2, a3);
    c.ecall();
    Cpu cpu(first);

    word_at(DATA + 0x5000) = 0;
    word_at(DATA + 0x5100) = 3;
    cpu[a3] = DATA + 0x5000;
    cpu[a0] = DATA + 0x5100;
    cpu[a1] = 4; /* its branch leaves */
    cpu[a2] = 77;
    EXPECT_EQ(IR_TRAP_syscall, cpu.run().trap);
    EXPECT_EQ(1u, cpu[t0]);
    EXPECT_EQ(0u, word_at(DATA + 0x5000));
    EXPECT_EQ(start + 20, cpu.vcpu->pc);
}

TEST(LrLoop, BreakpointAtTheSC)
{
    LoopAsm c(fresh_code());
    uint64_t start = cas_loop(c), address = DATA + 0x6000, sc = start + 8;
    Cpu cpu(start);

    word_at(address) = 1;
    cpu[a0] = address;
    cpu[a1] = 1;
    cpu[a2] = 2;
    EXPECT_EQ(IR_TRAP_syscall, cpu.run().trap);
    word_at(address) = 1;
    ASSERT_TRUE(tr_set_breakpoints(&sc, 1));
    EXPECT_EQ(IR_TRAP_debug, cpu.run(start).trap);
    EXPECT_EQ(sc, cpu.vcpu->pc);
    EXPECT_EQ(1u, word_at(address));
    ASSERT_TRUE(tr_set_breakpoints(nullptr, 0));
    EXPECT_EQ(IR_TRAP_syscall, cpu.run().trap);
    EXPECT_EQ(2u, word_at(address));
}

TEST(LrLoop, IsTakenAsOne)
{
    if (!fuses) {
        GTEST_SKIP() << "the interpreter takes instructions one by one";
    }
    LoopAsm c(fresh_code());
    uint64_t start = cas_loop(c), before = counter("insns");
    Cpu cpu(start);

    cpu[a0] = DATA;
    EXPECT_EQ(IR_TRAP_syscall, cpu.run().trap);
    EXPECT_EQ(before + 2, counter("insns")) << "the loop and the ecall";
}

} // namespace

int main(int argc, char **argv)
{
    TrConfig config = {};

    testing::InitGoogleTest(&argc, argv);
    config.cache_size = 2 << 20;
    fuses = true;
    for (int i = 1; i < argc; i++) {
        std::string arg = argv[i];
        if (arg == "--tier=interp") {
            config.tier = TR_TIER_interp;
            fuses = false;
        } else if (arg == "--tier=jit") {
            config.tier = TR_TIER_jit;
        } else if (arg == "--check") {
            config.tier = TR_TIER_jit;
            config.check = true;
        } else if (arg.rfind("--hot=", 0) == 0) {
            config.hot_threshold = static_cast<uint32_t>(atoi(arg.c_str() + 6));
        } else if (arg.rfind("--seed=", 0) == 0) {
            seed = strtoull(arg.c_str() + 7, nullptr, 0);
        } else {
            fprintf(stderr, "unknown option %s\n", argv[i]);
            return 1;
        }
    }
    start_machine(config);
    return RUN_ALL_TESTS();
}
