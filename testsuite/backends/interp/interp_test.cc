/* SPDX-License-Identifier: Apache-2.0 */
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/mman.h>
#include <ucontext.h>

#include "testsuite/ir/run.h"

using namespace ketch_test;

namespace
{

class Interp : public testing::Test
{
  protected:
    Interp() : arena_(NewArena()), machine_(be_interp)
    {
    }

    const IrFunc *Parse(const std::string &body)
    {
        const char *error = nullptr;
        std::string text = "func test 0x1000\n" + body;
        IrFunc *f = ir_parse(text.c_str(), &TestGuest(), arena_.get(), &error);

        EXPECT_NE(nullptr, f) << error;
        EXPECT_TRUE(ir_verify(f, &error)) << error;
        return f;
    }

    void Run(const std::string &body)
    {
        ASSERT_TRUE(machine_.Run(Parse(body), &state_));
    }

    ArenaPtr arena_;
    Machine machine_;
    State state_;
};

TEST_F(Interp, RegistersAndDirectExit)
{
    state_.slot[1] = 40;
    Run(R"(block 0 0x1000 {
  insn 0x1000 4
  %1:i64 = getreg x1
  %2:i64 = const 2
  %3:i64 = add %1, %2
  setreg x2, %3
  exit 0x1004
})");
    EXPECT_EQ(IR_TRAP_none, state_.trap);
    EXPECT_EQ(0x1004u, state_.pc);
    EXPECT_EQ(42u, state_.slot[2]);
    EXPECT_EQ(40u, state_.slot[1]);
    EXPECT_EQ(nullptr, machine_.vcpu()->exit_site);
}

TEST_F(Interp, LoopWithParametersThatSwap)
{
    state_.slot[1] = 5;
    Run(R"(block 0 0x1000 {
  %1:i64 = getreg x1
  %2:i64 = const 1
  %3:i64 = const 100
  br 1(%1, %2, %3)
}
block 1 0x1004 depth 1 {
  %4:i64 = param 0
  %5:i64 = param 1
  %6:i64 = param 2
  %7:i64 = const -1
  %8:i64 = add %4, %7
  %9:i64 = const 0
  %10:i1 = ne %8, %9
  brif %10, 1(%8, %6, %5), 2
}
block 2 0x1008 {
  setreg x2, %5
  setreg x3, %6
  exit_ind %5
})");
    EXPECT_EQ(IR_TRAP_lookup, state_.trap);
    EXPECT_EQ(1u, state_.slot[2]); /* four swaps */
    EXPECT_EQ(100u, state_.slot[3]);
    EXPECT_EQ(1u, state_.pc);
}

TEST_F(Interp, MemoryWidthsAndExtension)
{
    state_.memory.assign(64, 0);
    state_.slot[1] = machine_.Memory(64) + 8;
    state_.slot[2] = UINT64_C(0x8877665544332281);
    Run(R"(block 0 0x1000 {
  %1:i64 = getreg x1
  %2:i64 = getreg x2
  store.8 %1, 0, %2
  store.2 %1, 9, %2
  %3:i64 = load.s1 %1, 0
  setreg x3, %3
  %4:i64 = load.s4 %1, 4
  setreg x4, %4
  %5:i64 = load.4 %1, 4
  setreg x5, %5
  %6:i32 = load.s2 %1, 6
  %7:i64 = zext %6
  setreg x6, %7
  %8:i64 = load.8 %1, 2
  setreg x7, %8
  exit 0x1004
})");
    EXPECT_EQ(UINT64_C(0xffffffffffffff81), state_.slot[3]);
    EXPECT_EQ(UINT64_C(0xffffffff88776655), state_.slot[4]);
    EXPECT_EQ(UINT64_C(0x88776655), state_.slot[5]);
    EXPECT_EQ(UINT64_C(0xffff8877), state_.slot[6]);
    EXPECT_EQ(UINT64_C(0x8100887766554433), state_.slot[7]);
}

TEST_F(Interp, Atomics)
{
    state_.memory.assign(16, 0);
    uint64_t minus_two = ~UINT64_C(1);
    memcpy(&state_.memory[0], &minus_two, 8);
    memcpy(&state_.memory[8], &minus_two, 8);
    state_.slot[1] = machine_.Memory(16);
    Run(R"(block 0 0x1000 {
  %1:i64 = getreg x1
  %2:i64 = const 3
  %3:i64 = amo.max %1, %2
  setreg x2, %3
  %4:i64 = amo.maxu %1, %3
  setreg x3, %4
  %5:i64 = const 8
  %6:i64 = add %1, %5
  %7:i32 = const -2
  %8:i32 = const 77
  %9:i32 = cas %6, %7, %8
  %10:i64 = sext %9
  setreg x4, %10
  %11:i32 = cas %6, %7, %7
  %12:i64 = sext %11
  setreg x5, %12
  fence.sl
  exit 0x1004
})");
    EXPECT_EQ(~UINT64_C(1), state_.slot[2]);
    EXPECT_EQ(3u, state_.slot[3]);
    EXPECT_EQ(~UINT64_C(1), state_.slot[4]);
    EXPECT_EQ(77u, state_.slot[5]);
    uint64_t now[2];
    memcpy(now, state_.memory.data(), 16);
    EXPECT_EQ(~UINT64_C(1), now[0]);
    EXPECT_EQ(UINT64_C(0xffffffff0000004d), now[1]);
}

TEST_F(Interp, TrapsKeepThePcOfTheInstruction)
{
    state_.slot[1] = 1;
    Run(R"(block 0 0x1000 {
  insn 0x1000 4
  %1:i64 = getreg x1
  setreg x2, %1
  insn 0x1004 4
  %2:i1 = trunc %1
  trap_if.misaligned %2, 0x55
  setreg x3, %1
  exit 0x1008
})");
    EXPECT_EQ(IR_TRAP_misaligned, state_.trap);
    EXPECT_EQ(0x55u, state_.arg);
    EXPECT_EQ(0x1004u, state_.pc);
    EXPECT_EQ(1u, state_.slot[2]);
    EXPECT_EQ(0u, state_.slot[3]);
}

TEST_F(Interp, HelpersAndRaise)
{
    state_.slot[3] = 9;
    Run(R"(block 0 0x1000 {
  insn 0x1000 4
  %1:i64 = const 3
  %2:i64 = call peek, %1
  %3:i64 = const 4
  call poke, %3, %2
  %4:i64 = call raise, %1
  setreg x5, %4
  exit 0x1004
})");
    EXPECT_EQ(IR_TRAP_illegal, state_.trap);
    EXPECT_EQ(3u, state_.arg);
    EXPECT_EQ(9u, state_.slot[4]);
    EXPECT_EQ(0u, state_.slot[5]);
    EXPECT_EQ(0x1000u, state_.pc);
}

TEST_F(Interp, FloatingPointFlagsAndRounding)
{
    double one = 1, three = 3;
    memcpy(&state_.slot[kGprs], &one, 8);
    memcpy(&state_.slot[kGprs + 1], &three, 8);
    state_.fp_rm = IR_RM_RUP;
    state_.fp_flags = IR_FP_DZ;
    Run(R"(block 0 0x1000 {
  %1:f64 = getreg f0
  %2:f64 = getreg f1
  %3:f64 = fdiv.dyn %1, %2
  setreg f2, %3
  %4:f64 = fdiv.rdn %1, %2
  setreg f3, %4
  %5:i32 = fpflags_get
  %6:i64 = zext %5
  setreg x1, %6
  exit 0x1004
})");
    EXPECT_EQ(UINT64_C(0x3fd5555555555556), state_.slot[kGprs + 2]);
    EXPECT_EQ(UINT64_C(0x3fd5555555555555), state_.slot[kGprs + 3]);
    EXPECT_EQ(uint64_t{ IR_FP_DZ | IR_FP_NX }, state_.slot[1]);
    EXPECT_EQ(uint32_t{ IR_FP_DZ | IR_FP_NX }, state_.fp_flags);
}

TEST_F(Interp, LeavesWhenAskedTo)
{
    machine_.vcpu()->exit_req = 1;
    Run("block 0 0x1000 {\n  exit.poll 0x2000\n}");
    EXPECT_EQ(IR_TRAP_interrupt, state_.trap);
    EXPECT_EQ(0x2000u, state_.pc);
    Run("block 0 0x1000 {\n  exit 0x2000\n}");
    EXPECT_EQ(IR_TRAP_none, state_.trap);
    Run("block 0 0x1000 {\n  safepoint 0x1230\n  exit 0x2000\n}");
    EXPECT_EQ(IR_TRAP_interrupt, state_.trap);
    EXPECT_EQ(0x1230u, state_.pc);
}

TEST_F(Interp, CounterRunsOut)
{
    int32_t counter = 1;
    BeOptions options = {};
    BeCode code;

    options.counter = &counter;
    ASSERT_EQ(BE_OK,
              be_interp.compile(nullptr, Parse("block 0 0x1000 {\n  exit_trap.syscall 0x1000\n}"),
                                &options, &code));
    machine_.Enter(&code, &state_);
    EXPECT_EQ(IR_TRAP_syscall, state_.trap);
    machine_.Enter(&code, &state_);
    EXPECT_EQ(IR_TRAP_hot, state_.trap);
    EXPECT_EQ(0x1000u, state_.pc);
    be_interp.release(&code);
}

/* The handler's part of the contract in backends/interp/interp.h. */
Machine *faulting;

void OnFault(int, siginfo_t *info, void *context)
{
    auto *uc = static_cast<ucontext_t *>(context);
    BeHostRegs regs = {};

#ifdef __x86_64__
    regs.pc = static_cast<uint64_t>(uc->uc_mcontext.gregs[REG_RIP]);
#else
    regs.pc = uc->uc_mcontext.pc;
#endif
    if (!be_interp.restore(nullptr, &regs, faulting->vcpu())) {
        abort();
    }
    faulting->vcpu()->exit_trap = IR_TRAP_fault;
    faulting->vcpu()->exit_arg = reinterpret_cast<uint64_t>(info->si_addr);
    siglongjmp(*faulting->vcpu()->raise, 1);
}

TEST_F(Interp, HostFaultsArePrecise)
{
    struct sigaction action = {}, old;
    void *page = mmap(nullptr, 4096, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

    ASSERT_NE(MAP_FAILED, page);
    action.sa_sigaction = OnFault;
    action.sa_flags = SA_SIGINFO | SA_NODEFER;
    sigaction(SIGSEGV, &action, &old);
    faulting = &machine_;
    state_.slot[1] = reinterpret_cast<uint64_t>(page);
    for (const char *access :
         { "%9:i64 = load.s2 %1, 16", "store.4 %1, 16, %1", "%9:i64 = amo.xor %2, %1",
           "%9:i64 = amo.minu %2, %1", "%9:i64 = cas %2, %1, %1" }) {
        state_.slot[2] = state_.slot[3] = 0;
        Run(std::string(R"(block 0 0x1000 {
  insn 0x1000 4
  %1:i64 = getreg x1
  %3:i64 = const 16
  %2:i64 = add %1, %3
  setreg x2, %1
  insn 0x1004 4
  )") + access +
            R"(
  setreg x3, %1
  exit 0x1008
})");
        EXPECT_EQ(IR_TRAP_fault, state_.trap);
        EXPECT_EQ(0x1004u, state_.pc) << access;
        EXPECT_EQ(state_.slot[1], state_.slot[2]) << access;
        EXPECT_EQ(0u, state_.slot[3]) << access;
        EXPECT_EQ(state_.slot[1] + 16, state_.arg) << access;
    }
    sigaction(SIGSEGV, &old, nullptr);
    munmap(page, 4096);
}

} // namespace
