/* SPDX-License-Identifier: Apache-2.0 */
/* Random functions, the x86-64 backend against the interpreter: all ends, with and without a
 * fault in the middle.  Regions also as the passes leave them, and asked to leave at the first
 * safepoint.  KETCH_TEST_SEED and KETCH_TEST_COUNT choose other cases. */
#include <cstdlib>
#include <gtest/gtest.h>
#include <signal.h>
#include <ucontext.h>

#include "testsuite/backends/pair.h"
#include "testsuite/ir/gen.h"

extern "C" {
#include "ir/opt/opt.h"
}

namespace ketch_test
{
namespace
{

struct Shape {
    const char *name;
    unsigned blocks, insns;
    bool params;
    unsigned seeds;
    bool region = false, floats = false;
};

const Shape kShapes[] = {
    { "OneBlock", 1, 12, false, 1500 },    { "LongBlock", 1, 120, false, 200 },
    { "Branches", 5, 8, false, 1500 },     { "Parameters", 6, 10, true, 1500 },
    { "ManyBlocks", 24, 12, true, 200 },   { "SmallRegion", 6, 12, true, 300, true },
    { "Region", 30, 12, true, 200, true }, { "LongRegion", 12, 60, true, 100, true },
    { "FloatRegion", 16, 20, true, 200, true, true },
};

/* ---- Faults ---- */

Pair *pair;
const Backend *running;
const BeCode *unit;
bool fault_unknown;
unsigned faults_seen; /* in host code */

/* In host code the state comes from the stack map; the interpreter's is always complete. */
void OnFault(int, siginfo_t *, void *context)
{
    greg_t *gregs = static_cast<ucontext_t *>(context)->uc_mcontext.gregs;
    static const int order[16] = { REG_RAX, REG_RCX, REG_RDX, REG_RBX, REG_RSP, REG_RBP,
                                   REG_RSI, REG_RDI, REG_R8,  REG_R9,  REG_R10, REG_R11,
                                   REG_R12, REG_R13, REG_R14, REG_R15 };
    const auto *fp = static_cast<ucontext_t *>(context)->uc_mcontext.fpregs;
    BeHostRegs regs = {};

    pair->vcpu()->exit_trap = IR_TRAP_fault;
    if (running != &be_x86_64) {
        siglongjmp(*pair->raise(), 1);
    }
    regs.pc = static_cast<uint64_t>(gregs[REG_RIP]);
    for (unsigned k = 0; k < 16; k++) {
        regs.gpr[k] = static_cast<uint64_t>(gregs[order[k]]);
        memcpy(&regs.fpr[k], &fp->_xmm[k], 8);
    }
    faults_seen++;
    if (!running->restore(unit, &regs, pair->vcpu())) {
        fault_unknown = true;
        siglongjmp(*pair->raise(), 1);
    }
    gregs[REG_RIP] = reinterpret_cast<greg_t>(running->leave());
}

class Random : public testing::TestWithParam<std::tuple<Shape, uint32_t, bool, bool>>
{
  protected:
    void SetUp() override
    {
        struct sigaction action = {};

        pair = &pair_;
        action.sa_sigaction = OnFault;
        action.sa_flags = SA_SIGINFO;
        sigaction(SIGSEGV, &action, &old_);
        sigaction(SIGBUS, &action, nullptr);
        pages_ = static_cast<uint8_t *>(mmap(nullptr, 8192, PROT_READ | PROT_WRITE,
                                             MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));
    }

    void TearDown() override
    {
        munmap(pages_, 8192);
        sigaction(SIGSEGV, &old_, nullptr);
    }

    /* With faults, only the first half of the memory that the function uses is there. */
    uint8_t *Memory(bool faults)
    {
        mprotect(pages_ + 4096, 4096, faults ? PROT_NONE : PROT_READ | PROT_WRITE);
        return pages_ + 4096 - kGenMemory / 2;
    }

    std::string Compare(const IrFunc *f, State want, bool faults)
    {
        uint8_t *memory = Memory(faults);
        State got;
        BeCode host;

        want.memory.resize(faults ? kGenMemory / 2 : kGenMemory);
        got = want;
        Run(be_interp, f, &want, memory);
        if (pair_.Compile(be_x86_64, f, &host) != BE_OK) {
            return "not compiled";
        }
        running = &be_x86_64;
        unit = &host;
        pair_.Enter(be_x86_64, &host, &got, memory);
        be_x86_64.release(&host);
        return fault_unknown ? "no stack map at the fault" : Difference(want, got);
    }

    void Run(const Backend &backend, const IrFunc *f, State *state, uint8_t *memory)
    {
        BeCode code;

        running = &backend;
        ASSERT_EQ(pair_.Compile(backend, f, &code), BE_OK);
        pair_.Enter(backend, &code, state, memory);
        backend.release(&code);
    }

    Pair pair_;
    uint8_t *pages_;
    struct sigaction old_;
};

uint64_t FromEnv(const char *name, uint64_t otherwise)
{
    const char *text = getenv(name);

    return text ? strtoull(text, nullptr, 0) : otherwise;
}

TEST_P(Random, AgreesWithInterpreter)
{
    const auto [shape, mask, faults, poison] = GetParam();
    uint64_t first = FromEnv("KETCH_TEST_SEED", 1), count = FromEnv("KETCH_TEST_COUNT", shape.seeds);
    ArenaPtr arena = NewArena();
    size_t mark = arena_mark(arena.get());
    GenOptions o;

    o.blocks = shape.blocks;
    o.insns_per_block = shape.insns;
    o.params = shape.params;
    o.wide = shape.region;
    o.floats = shape.floats;
    ir_opt_verifies = true;
    pair_.Features(mask);
    pair_.Poison(poison);
    faults_seen = 0;
    for (uint64_t seed = first; seed < first + count; seed++) {
        arena_reset(arena.get(), mark);
        pair_.Alone(seed % 2);
        Gen gen(seed, o);
        IrFunc *f = gen.Function(arena.get());

        if (shape.region && seed % 4) {
            ir_opt_run(f, 2, UINT64_MAX);
        }
        for (unsigned run = 0; run < 2; run++) {
            State state = gen.RandomState(reinterpret_cast<uint64_t>(Memory(faults)));

            pair_.vcpu()->exit_req = shape.region && run && seed % 2;
            ASSERT_EQ(Compare(f, state, faults), "") << "seed " << seed << " run " << run << "\n"
                                                     << ir_print(f, arena.get());
        }
    }
    EXPECT_EQ(faults, faults_seen > 0);
}

std::string Name(const testing::TestParamInfo<std::tuple<Shape, uint32_t, bool, bool>> &info)
{
    const auto [shape, mask, faults, poison] = info.param;
    return std::string(shape.name) + (mask ? "AllFeatures" : "NoFeatures") +
           (faults ? "Faults" : "") + (poison ? "Poison" : "");
}

INSTANTIATE_TEST_SUITE_P(X86_64, Random,
                         testing::Combine(testing::ValuesIn(kShapes), testing::Values(~0u, 0u),
                                          testing::Bool(), testing::Bool()),
                         Name);

} // namespace
} // namespace ketch_test
