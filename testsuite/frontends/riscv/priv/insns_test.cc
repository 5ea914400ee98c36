/* SPDX-License-Identifier: Apache-2.0 */
/* Code of a machine: every row of the .isa files in every translation mode, what is legal for which
 * privilege, and the IR of what kernels do often. */
#include <random>

#include "testsuite/frontends/riscv/code.h"
#include "testsuite/frontends/riscv/priv/hart.h"

namespace
{

using std::string;

uint64_t rnd(void *opaque)
{
    return (*static_cast<std::mt19937_64 *>(opaque))();
}

constexpr uint32_t kModes[] = {
    RV_M << 2 | RV_MODE_fp_ask | RV_MODE_cbo_zero,
    RV_S << 2 | RV_MODE_fp_ask,
    RV_U << 2 | RV_MODE_fp_clean | RV_MODE_rmm,
    RV_U << 2 | RV_MODE_fp_ready,
    RV_U << 2 | RV_MODE_fp_ready | RV_MODE_bad_rm | RV_MODE_cbo_zero,
};

string ir_of(std::vector<uint32_t> insns, uint32_t mode)
{
    Code code(insns, &fe_riscv64_machine);

    code.c.mode = mode;
    string text = code.translate();
    EXPECT_NE(text, "") << code.text() << ": " << code.error();
    return text;
}

bool is_illegal(const string &ir)
{
    return ir.find("exit_trap.illegal") != string::npos;
}

bool legal(uint32_t bits, RvPrivilege privilege)
{
    return !is_illegal(ir_of({ bits }, privilege << 2 | RV_MODE_fp_ready));
}

class EveryInsn : public testing::TestWithParam<unsigned>
{
};

TEST_P(EveryInsn, BecomesWellFormedIrInAllModes)
{
    std::mt19937_64 engine(GetParam());

    for (int i = 0; i < 20; i++) {
        uint32_t bits = 0;

        ASSERT_TRUE(rv_fuzz_encode(GetParam(), rnd, &engine, &bits));
        for (uint32_t mode : kModes)
            ir_of({ bits }, mode);
    }
}

/* In a user program the rows of a machine are what they were before: illegal. */
TEST_P(EveryInsn, PrivilegedOnesAreIllegalInUserPrograms)
{
    std::mt19937_64 engine(GetParam());
    uint32_t bits = 0;

    ASSERT_TRUE(rv_fuzz_encode(GetParam(), rnd, &engine, &bits));
    if (rv_insns[GetParam()].privileged) {
        EXPECT_TRUE(is_illegal(Code({ bits }).translate()));
        EXPECT_FALSE(legal(bits, RV_U));
        EXPECT_TRUE(legal(bits, RV_M));
        EXPECT_EQ(legal(bits, RV_S), string(rv_insns[GetParam()].name) != "mret");
    }
}

INSTANTIATE_TEST_SUITE_P(Rv, EveryInsn, testing::Range(1u, unsigned(RV_COUNT)),
                         [](const testing::TestParamInfo<unsigned> &info) {
                             string name = rv_insns[info.param].name;
                             for (char &ch : name)
                                 ch = isalnum(ch) ? ch : '_';
                             return name;
                         });

/* ---- Floating point by mstatus.FS ---- */

enum : uint32_t {
    kFadd = 0x00b50553 | 1 << 25, /* fadd.d fa0, fa0, fa1 */
    kFld = 0x00053507,            /* fld fa0, (a0) */
    kCFld = 0x2100,               /* c.fld fs0, (a0) */
    kCFsdsp = 0xa022,             /* c.fsdsp fs0, (sp) */
    kFrcsr = 0x00302573,
    kCsrwSstatus = 0x10059073,    /* csrw sstatus, a1 */
};

TEST(Fp, CleanBecomesDirtyFirst)
{
    for (uint32_t insn : { kFadd, kFld, kCFld, kCFsdsp, kFrcsr }) {
        string clean = ir_of({ insn }, RV_MODE_fp_clean);
        EXPECT_NE(clean.find("fp_begin"), string::npos) << clean;
        EXPECT_NE(clean.find("exit_trap.mode 0x10000"), string::npos) << clean;
        EXPECT_EQ(ir_of({ insn }, RV_MODE_fp_ready).find("fp_begin"), string::npos);
    }
}

unsigned count(const string &text, const string &what)
{
    unsigned n = 0;

    for (size_t at = text.find(what); at != string::npos; at = text.find(what, at + 1))
        n++;
    return n;
}

TEST(Fp, KernelsAskOnceUntilACallMayChangeIt)
{
    EXPECT_EQ(count(ir_of({ kFld, kFadd, kFld }, kModes[1]), "fp_begin"), 1u);
    EXPECT_EQ(count(ir_of({ kFld, kCsrwSstatus, kFld }, kModes[1]), "fp_begin"), 2u);
}

/* ---- CSRs that code has in slots ---- */

enum : uint32_t {
    kCsrwSscratch = 0x14021273, /* csrrw tp, sscratch, tp */
    kCsrrScause = 0x142026f3,   /* csrr a3, scause */
    kCsrciSie = 0x10017573,     /* csrrci a0, sstatus, 2 */
    kCsrsiSie = 0x10016073,     /* csrrsi zero, sstatus, 2 */
    kCsrsiSieRd = 0x10016573,   /* csrrsi a0, sstatus, 2 */
    kCsrrSstatus = 0x10002573,  /* csrr a0, sstatus */
};

TEST(Slots, KernelEntryCallsNothing)
{
    for (uint32_t insn : { kCsrwSscratch, kCsrrScause, kCsrciSie, kCsrrSstatus }) {
        string ir = ir_of({ insn }, kModes[1]);
        EXPECT_EQ(ir.find("call"), string::npos) << ir;
    }
    EXPECT_EQ(count(ir_of({ kCsrsiSie }, kModes[1]), "call enabled"), 1u);
    EXPECT_EQ(count(ir_of({ kCsrsiSieRd }, kModes[1]), "csr_write"), 1u);
}

TEST(Slots, AreTheSupervisors)
{
    for (uint32_t insn : { kCsrwSscratch, kCsrrScause, kCsrciSie, kCsrrSstatus }) {
        EXPECT_FALSE(legal(insn, RV_U));
        EXPECT_TRUE(is_illegal(Code({ insn }).translate()));
    }
}

TEST(Cbo, ZeroIsUpToTheMode)
{
    constexpr uint32_t kCboZero = 0x0045200f;

    EXPECT_TRUE(is_illegal(ir_of({ kCboZero }, RV_MODE_fp_ready)));
    EXPECT_FALSE(is_illegal(ir_of({ kCboZero }, RV_MODE_fp_ready | RV_MODE_cbo_zero)));
}

} // namespace
