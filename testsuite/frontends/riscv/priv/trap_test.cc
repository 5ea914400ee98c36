/* SPDX-License-Identifier: Apache-2.0 */
/* Traps and returns for every privilege and delegation, interrupts, waiting, the instructions of
 * priv.isa, and what changes of state mean for contexts and translation modes. */
#include "testsuite/frontends/riscv/priv/hart.h"

namespace
{

constexpr uint64_t kPc = Hart::kRam + 0x100, kMtvec = 0x80001000, kStvec = 0x80002000;

struct Entry {
    RvPrivilege from;
    bool delegated;
};

class EveryEntry : public testing::TestWithParam<Entry>
{
  protected:
    bool to_s() const
    {
        return GetParam().delegated && GetParam().from != RV_M;
    }
};

/* Privileged spec, "Privilege and Global Interrupt-Enable Stack in mstatus register". */
TEST_P(EveryEntry, SavesTheStateAndReturns)
{
    for (uint64_t enabled : { 0, 1 }) {
        Hart hart;
        RvPrivilege from = GetParam().from;

        hart.set("mtvec", kMtvec);
        hart.set("stvec", kStvec);
        hart.set("medeleg", GetParam().delegated ? 1 << RV_EXC_LOAD_PAGE : 0);
        hart.status() |= enabled ? RV_STATUS_MIE | RV_STATUS_SIE : RV_STATUS_MPIE | RV_STATUS_SPIE;
        hart.privilege(from);
        hart.vcpu->pc = kPc;
        fe_riscv64_system.fault(hart.vcpu, 0x1234, MMU_read, RV_EXC_LOAD_PAGE);

        const char *cause = to_s() ? "scause" : "mcause", *epc = to_s() ? "sepc" : "mepc";
        const char *other = to_s() ? "mcause" : "scause";
        EXPECT_EQ(hart.get("priv"), uint64_t(to_s() ? RV_S : RV_M));
        EXPECT_EQ(hart.vcpu->pc, to_s() ? kStvec : kMtvec);
        EXPECT_EQ(hart.get(cause), uint64_t(RV_EXC_LOAD_PAGE));
        EXPECT_EQ(hart.get(other), 0u);
        EXPECT_EQ(hart.get(epc), kPc);
        EXPECT_EQ(hart.get(to_s() ? "stval" : "mtval"), 0x1234u);
        uint64_t status = hart.get("mstatus");
        if (to_s()) {
            EXPECT_EQ(status & RV_STATUS_SIE, 0u);
            EXPECT_EQ(!!(status & RV_STATUS_SPIE), enabled);
            EXPECT_EQ(!!(status & RV_STATUS_SPP), from == RV_S);
            EXPECT_EQ(!!(status & RV_STATUS_MIE), enabled);
        } else {
            EXPECT_EQ(status & RV_STATUS_MIE, 0u);
            EXPECT_EQ(!!(status & RV_STATUS_MPIE), enabled);
            EXPECT_EQ((status & RV_STATUS_MPP) >> 11, uint64_t(from));
            EXPECT_EQ(!!(status & RV_STATUS_SIE), enabled);
        }

        EXPECT_EQ(hart.call(to_s() ? rv_helper_sret : rv_helper_mret, 0), IR_TRAP_none);
        EXPECT_EQ(hart.result, kPc);
        EXPECT_EQ(hart.vcpu->mode, rv_machine_mode(hart.vcpu));
        EXPECT_EQ(hart.get("priv"), uint64_t(from));
        EXPECT_EQ(hart.vcpu->pc, kPc);
        status = hart.get("mstatus");
        EXPECT_EQ(!!(status & (to_s() ? RV_STATUS_SIE : RV_STATUS_MIE)), enabled);
        EXPECT_NE(status & (to_s() ? RV_STATUS_SPIE : RV_STATUS_MPIE), 0u);
        EXPECT_EQ(status & (to_s() ? RV_STATUS_SPP : RV_STATUS_MPP), 0u);
    }
}

INSTANTIATE_TEST_SUITE_P(All, EveryEntry,
                         testing::Values(Entry{ RV_U, false }, Entry{ RV_U, true },
                                         Entry{ RV_S, false }, Entry{ RV_S, true },
                                         Entry{ RV_M, false }, Entry{ RV_M, true }));

struct Stop {
    IrTrap trap;
    uint64_t arg, cause, tval;
};

TEST(Trap, EveryStopHasItsCause)
{
    const Stop stops[] = {
        { IR_TRAP_syscall, 0, 8, 0 },
        { IR_TRAP_breakpoint, 0, 3, 0 },
        { IR_TRAP_illegal, 0xdead, 2, 0xdead },
        { IR_TRAP_misaligned_fetch, 0x1001, 0, 0x1001 },
        { IR_TRAP_fetch, 0x1000, 1, 0x1000 }, /* no PMP entry lets U in */
    };

    for (const Stop &s : stops) {
        Hart hart;

        hart.privilege(RV_U);
        fe_riscv64_system.trap(hart.vcpu, s.trap, s.arg);
        EXPECT_EQ(hart.get("mcause"), s.cause);
        EXPECT_EQ(hart.get("mtval"), s.tval);
    }
    for (RvPrivilege from : { RV_S, RV_M }) {
        Hart hart;

        hart.privilege(from);
        fe_riscv64_system.trap(hart.vcpu, IR_TRAP_syscall, 0);
        EXPECT_EQ(hart.get("mcause"), 8u + from);
    }
}

TEST(Trap, EcallGoesOnInTheHandler)
{
    for (RvPrivilege from : { RV_U, RV_S, RV_M }) {
        Hart hart;

        hart.set("mtvec", kMtvec);
        hart.privilege(from);
        hart.vcpu->pc = kPc;
        EXPECT_EQ(hart.call(rv_helper_ecall, 0), IR_TRAP_none);
        EXPECT_EQ(hart.result, kMtvec);
        EXPECT_EQ(hart.get("mcause"), 8u + from);
        EXPECT_EQ(hart.get("mepc"), kPc);
        EXPECT_EQ(rv_mode_privilege(hart.vcpu->mode), unsigned(RV_M));
    }
}

TEST(Trap, MisalignedAtomicsSayWhere)
{
    struct {
        uint32_t insn;
        uint64_t cause;
    } const cases[] = { { 0x1005a52f, 4 }, { 0x18c5a52f, 6 }, { 0x00c5a52f, 6 } }; /* lr sc amoadd */

    for (const auto &c : cases) {
        Hart hart;

        hart.vcpu->pc = kPc;
        hart.ram(kPc) = c.insn;
        hart.vcpu->slot[RV_SLOT_a1] = 0x80000001;
        fe_riscv64_system.trap(hart.vcpu, IR_TRAP_misaligned, 0);
        EXPECT_EQ(hart.get("mcause"), c.cause);
        EXPECT_EQ(hart.get("mtval"), 0x80000001u);
    }
}

TEST(Trap, BusErrorsAreAccessFaults)
{
    const uint64_t causes[] = { 5, 7, 1 };

    for (MmuAccess access : { MMU_read, MMU_write, MMU_exec }) {
        Hart hart;

        fe_riscv64_system.fault(hart.vcpu, 0x10, access, fe_riscv64_system.bus_error);
        EXPECT_EQ(hart.get("mcause"), causes[access]);
        EXPECT_EQ(hart.get("mtval"), 0x10u);
    }
}

TEST(Trap, ForgetsTheReservation)
{
    Hart hart;

    hart.vcpu->slot[RV_SLOT_resaddr] = 0x80000000;
    fe_riscv64_system.trap(hart.vcpu, IR_TRAP_syscall, 0);
    EXPECT_FALSE(fe_riscv64_machine.reserved(hart.vcpu));
}

TEST(Trap, OnlyInterruptsAreVectored)
{
    Hart hart;

    hart.set("mtvec", kMtvec | 1);
    fe_riscv64_system.trap(hart.vcpu, IR_TRAP_syscall, 0);
    EXPECT_EQ(hart.vcpu->pc, kMtvec);
    hart.set("mie", 0xaaa);
    hart.status() |= RV_STATUS_MIE;
    fe_riscv64_system.set_line(hart.vcpu, RV_IRQ_MTI, true);
    EXPECT_TRUE(fe_riscv64_system.interrupt(hart.vcpu));
    EXPECT_EQ(hart.vcpu->pc, kMtvec + 4 * RV_IRQ_MTI);
}

/* ---- Returns ---- */

TEST(Return, ToLessThanMEndsMprv)
{
    for (uint64_t mpp : { 0, 1, 3 }) {
        Hart hart;

        hart.status() |= RV_STATUS_MPRV | mpp << 11;
        hart.call(rv_helper_mret, 0);
        EXPECT_EQ(!!(hart.status() & RV_STATUS_MPRV), mpp == 3) << mpp;
    }
}

TEST(Return, TsrForbidsSretToS)
{
    Hart hart;

    hart.status() |= RV_STATUS_TSR;
    EXPECT_EQ(hart.call(rv_helper_sret, 0x10200073), IR_TRAP_none); /* M may */
    hart.status() |= RV_STATUS_TSR;
    hart.privilege(RV_S);
    EXPECT_EQ(hart.call(rv_helper_sret, 0x10200073), IR_TRAP_illegal);
    EXPECT_EQ(hart.vcpu->exit_arg, 0x10200073u);
}

TEST(Return, AsksForTheInterruptThatItEnables)
{
    Hart hart;

    hart.set("mideleg", 0x222);
    hart.set("mie", 0x222);
    hart.set("mip", RV_SSIP);
    hart.privilege(RV_S);
    hart.status() |= RV_STATUS_SPP | RV_STATUS_SPIE;
    EXPECT_FALSE(fe_riscv64_system.interrupt(hart.vcpu));
    hart.vcpu->exit_req = 0;
    hart.call(rv_helper_sret, 0);
    EXPECT_EQ(hart.vcpu->exit_req, 1u);
    EXPECT_TRUE(fe_riscv64_system.interrupt(hart.vcpu));
    EXPECT_EQ(hart.get("scause"), RV_CAUSE_INTERRUPT | RV_IRQ_SSI);
}

/* ---- Interrupts ---- */

constexpr uint64_t kLines = 0xaaa;

/* Makes exactly these pending. */
void pend(Hart &hart, uint64_t set)
{
    for (unsigned line : { RV_IRQ_MSI, RV_IRQ_MTI, RV_IRQ_SEI, RV_IRQ_MEI })
        fe_riscv64_system.set_line(hart.vcpu, line, set >> line & 1);
    hart.system()->soft_ip = set & 0x22;
}

bool enabled(RvPrivilege target, RvPrivilege now, bool mie, bool sie)
{
    return target == RV_M ? now < RV_M || mie : now < RV_S || (now == RV_S && sie);
}

/* Every set of pending interrupts, every privilege, delegation on and off, each enable. */
TEST(Interrupt, PriorityAndMaskingOverAllStates)
{
    const unsigned order[] = { 11, 3, 7, 9, 1, 5 };
    Hart hart;

    hart.set("mie", kLines);
    for (unsigned bits = 0; bits < 64 * 3 * 2 * 2 * 2; bits++) {
        const RvPrivilege privileges[] = { RV_U, RV_S, RV_M };
        RvPrivilege now = privileges[bits / 64 % 3];
        bool delegated = bits / 192 % 2, mie = bits / 384 % 2, sie = bits / 768 % 2;
        uint64_t pending = 0, want = 0;

        for (unsigned k = 0; k < 6; k++)
            pending |= uint64_t(bits >> k & 1) << (2 * k + 1);
        for (RvPrivilege target : { RV_S, RV_M }) {
            for (unsigned k = 6; k-- > 0;) {
                bool to_s = delegated && (0x222 >> order[k] & 1);
                if ((pending >> order[k] & 1) && to_s == (target == RV_S) && enabled(target, now, mie, sie))
                    want = order[k];
            }
        }
        hart.set("mideleg", delegated ? 0x222 : 0);
        hart.status() = RV_STATUS_XL | (mie ? RV_STATUS_MIE : 0) | (sie ? RV_STATUS_SIE : 0);
        hart.privilege(now);
        pend(hart, pending);
        EXPECT_EQ(fe_riscv64_system.pending(hart.vcpu, false), want != 0);
        EXPECT_EQ(fe_riscv64_system.pending(hart.vcpu, true), pending != 0);
        hart.set("mcause", 0);
        hart.set("scause", 0);
        ASSERT_EQ(fe_riscv64_system.interrupt(hart.vcpu), want != 0) << std::hex << pending << " " << now;
        uint64_t cause = hart.get(delegated && want && (0x222 >> want & 1) ? "scause" : "mcause");
        ASSERT_EQ(cause, want ? RV_CAUSE_INTERRUPT | want : 0) << std::hex << pending << " " << now;
    }
}

TEST(Interrupt, OnlyWhatMieHas)
{
    Hart hart;

    hart.status() |= RV_STATUS_MIE;
    pend(hart, kLines);
    EXPECT_FALSE(fe_riscv64_system.interrupt(hart.vcpu));
    EXPECT_FALSE(fe_riscv64_system.pending(hart.vcpu, true));
    hart.set("mie", 1 << RV_IRQ_STI);
    EXPECT_TRUE(fe_riscv64_system.interrupt(hart.vcpu));
    EXPECT_EQ(hart.get("mcause"), RV_CAUSE_INTERRUPT | RV_IRQ_STI);
}

/* The controller's line and the software's bit are one to readers, two to writers. */
TEST(Interrupt, SeipIsAnOrOfTwo)
{
    Hart hart;

    fe_riscv64_system.set_line(hart.vcpu, RV_IRQ_SEI, true);
    EXPECT_EQ(hart.get("mip"), 0x200u);
    hart.call(rv_helper_csr_write, uint64_t(rv_csr_find(0x344) - rv_csr_row(0)) << 32 | 0x34402573, 0x20,
              0x20); /* csrrs a0, mip, STIP */
    EXPECT_EQ(hart.result, 0x200u);
    fe_riscv64_system.set_line(hart.vcpu, RV_IRQ_SEI, false);
    EXPECT_EQ(hart.get("mip"), 0x20u);
    hart.set("mip", 0x200);
    EXPECT_EQ(hart.get("mip"), 0x200u);
}

TEST(Interrupt, OtherLinesDoNotExist)
{
    Hart hart;

    for (unsigned line = 0; line < 64; line++)
        fe_riscv64_system.set_line(hart.vcpu, line, true);
    EXPECT_EQ(hart.get("mip"), 0xa8au);
}

/* ACLINT, "Supervisor-level Software Interrupt Device": it sets the bit, software clears it. */
TEST(Interrupt, SsiSetsABitThatSoftwareClears)
{
    Hart hart;

    hart.set("mie", 2);
    fe_riscv64_system.set_line(hart.vcpu, RV_IRQ_SSI, true);
    fe_riscv64_system.set_line(hart.vcpu, RV_IRQ_SSI, false);
    EXPECT_EQ(hart.get("mip"), 2u);
    EXPECT_TRUE(fe_riscv64_system.pending(hart.vcpu, true));
    hart.set("mideleg", 2);
    hart.set("sip", 0);
    EXPECT_EQ(hart.get("mip"), 0u);
    fe_riscv64_system.set_line(hart.vcpu, RV_IRQ_SSI, true);
    fe_riscv64_system.reset(hart.vcpu, 0, 0, 0);
    EXPECT_EQ(hart.get("mip"), 0u);
}

TEST(Sstc, TimerIsPendingFromItsTickOn)
{
    Hart hart;

    hart.set("menvcfg", RV_ENVCFG_STCE);
    hart.set("mip", 0x20); /* STIP is not software's any more */
    EXPECT_EQ(hart.get("mip"), 0u);
    hart.clock = 100;
    hart.set("stimecmp", 200);
    EXPECT_EQ(hart.timer, 200u);
    EXPECT_EQ(hart.get("mip"), 0u);
    hart.clock = 200;
    hart.set("mie", 0x20);
    EXPECT_FALSE(fe_riscv64_system.pending(hart.vcpu, true)); /* until timer() says that it is time */
    EXPECT_EQ(hart.get("mip"), 0x20u);
    EXPECT_TRUE(fe_riscv64_system.pending(hart.vcpu, true));
    hart.set("stimecmp", 300);
    EXPECT_EQ(hart.get("mip"), 0u);
    hart.clock = 300;
    hart.set("mideleg", 0x20);
    hart.privilege(RV_U);
    fe_riscv64_system.timer(hart.vcpu);
    EXPECT_TRUE(fe_riscv64_system.interrupt(hart.vcpu));
    EXPECT_EQ(hart.get("scause"), RV_CAUSE_INTERRUPT | RV_IRQ_STI);
    hart.set("stimecmp", UINT64_MAX);
    EXPECT_EQ(hart.get("mip"), 0u);
}

TEST(Sstc, ATimerThatComesTooEarlyIsSetAgain)
{
    Hart hart;

    hart.set("menvcfg", RV_ENVCFG_STCE);
    hart.set("stimecmp", 200);
    hart.clock = 199;
    hart.timer = 0;
    fe_riscv64_system.timer(hart.vcpu);
    EXPECT_EQ(hart.timer, 200u);
    EXPECT_EQ(hart.get("mip"), 0u);
}

TEST(CsrWrite, LeavesForAnInterruptThatItEnables)
{
    Hart hart;

    hart.status() |= RV_STATUS_MIE;
    fe_riscv64_system.set_line(hart.vcpu, RV_IRQ_MTI, true);
    hart.vcpu->exit_req = 0;
    hart.vcpu->pc = kPc;
    EXPECT_EQ(hart.write_csr(RV_CSR_mie, 1 << RV_IRQ_STI), IR_TRAP_none);
    EXPECT_EQ(hart.write_csr(RV_CSR_mie, 1 << RV_IRQ_MTI), IR_TRAP_mode);
    EXPECT_EQ(hart.vcpu->pc, kPc + 4);
    EXPECT_EQ(hart.vcpu->slot[RV_SLOT_a0], uint64_t(1 << RV_IRQ_STI));
    EXPECT_EQ(hart.vcpu->exit_req, 1u);
}

/* ---- Fences, waiting ---- */

TEST(Fence, SaysWhatIsForgotten)
{
    enum : uint32_t { kAll = 0x12000073, kPage = 0x12058073, kAsid = 0x12c00073, kBoth = 0x12c58073 };
    Hart hart;

    hart.mmu = {};
    hart.call(rv_helper_sfence_vma, kAll, 0, 0);
    EXPECT_EQ(hart.mmu.flushes, 1u);
    hart.call(rv_helper_sfence_vma, kPage, 0x5000, 0);
    hart.call(rv_helper_sfence_vma, kBoth, 0x6000, 9);
    EXPECT_EQ(hart.mmu.pages, (std::vector<uint64_t>{ 0x5000, 0x6000 }));
    hart.call(rv_helper_sfence_vma, kAsid, 0, 0x10009);
    EXPECT_EQ(hart.mmu.asids, std::vector<uint64_t>{ 9 });
    EXPECT_EQ(hart.mmu.flushes, 1u);
}

TEST(Fence, TvmForbidsItToS)
{
    Hart hart;

    hart.status() |= RV_STATUS_TVM;
    EXPECT_EQ(hart.call(rv_helper_sfence_vma, 0x12000073), IR_TRAP_none);
    hart.privilege(RV_S);
    EXPECT_EQ(hart.call(rv_helper_sfence_vma, 0x12000073), IR_TRAP_illegal);
}

TEST(Wait, TwForbidsItToS)
{
    Hart hart;

    hart.status() |= RV_STATUS_TW;
    EXPECT_EQ(hart.call(rv_helper_wfi, 0x10500073), IR_TRAP_none);
    hart.privilege(RV_S);
    EXPECT_EQ(hart.call(rv_helper_wfi, 0x10500073), IR_TRAP_illegal);
    hart.status() &= ~RV_STATUS_TW;
    EXPECT_EQ(hart.call(rv_helper_wfi, 0x10500073), IR_TRAP_none);
}

/* ---- Cache blocks ---- */

TEST(Cbo, IsEnabledLevelByLevel)
{
    for (bool inval : { false, true }) {
        Hart hart;
        uint64_t bits = inval ? 0x30 : 0x40;

        hart.set("pmpaddr0", RV_PMPADDR);
        hart.set("pmpcfg0", 0x1f);
        auto allowed = [&](RvPrivilege privilege) {
            hart.privilege(privilege);
            return hart.call(rv_helper_cbo, 0, Hart::kRam, inval) == IR_TRAP_none;
        };
        EXPECT_TRUE(allowed(RV_M));
        EXPECT_FALSE(allowed(RV_S));
        hart.set("senvcfg", bits);
        EXPECT_FALSE(allowed(RV_U));
        hart.set("menvcfg", bits);
        EXPECT_TRUE(allowed(RV_S));
        EXPECT_TRUE(allowed(RV_U));
        hart.set("senvcfg", 0);
        EXPECT_FALSE(allowed(RV_U));
    }
}

TEST(Cbo, FaultsAsAStoreDoes)
{
    Hart hart;

    hart.set("menvcfg", 0x40);
    hart.set("mtvec", kMtvec);
    hart.privilege(RV_S);
    EXPECT_EQ(hart.call(rv_helper_cbo, 0, 0x4000, 0), IR_TRAP_mode);
    EXPECT_EQ(hart.get("mcause"), uint64_t(RV_EXC_STORE_ACCESS));
    EXPECT_EQ(hart.get("mtval"), 0x4000u);
    EXPECT_EQ(hart.vcpu->pc, kMtvec);
}

/* ---- Translation mode and contexts ---- */

TEST(Mode, KnowsPrivilegeFpAndCboZero)
{
    Hart hart;

    auto mode = [&](RvPrivilege privilege, uint64_t fs) {
        hart.status() = RV_STATUS_XL | fs << 13;
        hart.privilege(privilege);
        return rv_machine_mode(hart.vcpu);
    };
    EXPECT_EQ(mode(RV_U, 0) & RV_MODE_FP, uint32_t(RV_MODE_fp_clean));
    EXPECT_EQ(mode(RV_U, 1) & RV_MODE_FP, uint32_t(RV_MODE_fp_clean));
    EXPECT_EQ(mode(RV_U, 2) & RV_MODE_FP, uint32_t(RV_MODE_fp_clean));
    EXPECT_EQ(mode(RV_U, 3) & RV_MODE_FP, uint32_t(RV_MODE_fp_ready));
    EXPECT_EQ(mode(RV_S, 0), mode(RV_S, 3)); /* FS does not matter to a kernel's code */
    for (RvPrivilege p : { RV_U, RV_S, RV_M })
        EXPECT_EQ(rv_mode_privilege(mode(p, 0)), unsigned(p));
    EXPECT_TRUE(mode(RV_M, 0) & RV_MODE_cbo_zero);
    EXPECT_FALSE(mode(RV_S, 0) & RV_MODE_cbo_zero);
    hart.set("menvcfg", 0x80);
    EXPECT_TRUE(mode(RV_S, 0) & RV_MODE_cbo_zero);
    EXPECT_FALSE(mode(RV_U, 0) & RV_MODE_cbo_zero);
    hart.set("senvcfg", 0x80);
    EXPECT_TRUE(mode(RV_U, 0) & RV_MODE_cbo_zero);
    Hart without("zicboz=off");
    EXPECT_FALSE(rv_machine_mode(without.vcpu) & RV_MODE_cbo_zero);
}

TEST(Fp, FirstUseMakesTheStateDirty)
{
    Hart hart;

    EXPECT_EQ(hart.call(rv_helper_fp_begin, 0x53), IR_TRAP_illegal);
    hart.status() |= 1 << 13;
    EXPECT_EQ(hart.call(rv_helper_fp_begin, 0x53), IR_TRAP_none);
    EXPECT_EQ(hart.get("sstatus") & (RV_STATUS_FS | RV_STATUS_SD), RV_STATUS_FS | RV_STATUS_SD);
}

constexpr uint64_t kSatp = UINT64_C(8) << 60 | UINT64_C(5) << 44 | 0x80123;

TEST(Context, SatpSumAndMxrMakeOne)
{
    Hart hart;

    hart.privilege(RV_S);
    EXPECT_EQ(hart.mmu.data.root, 0u);
    EXPECT_EQ(hart.write_csr(RV_CSR_satp, kSatp), IR_TRAP_mode);
    EXPECT_EQ(hart.mmu.data.root, kSatp);
    EXPECT_TRUE(hart.mmu.data.shared);
    uint32_t plain = hart.mmu.data.rights;
    EXPECT_EQ(hart.write_csr(RV_CSR_sstatus, RV_STATUS_SUM), IR_TRAP_none); /* code goes on */
    EXPECT_NE(hart.mmu.data.rights, plain);
    EXPECT_EQ(hart.mmu.fetch.rights, plain);
    unsigned switches = hart.mmu.switches;
    EXPECT_EQ(hart.write_csr(RV_CSR_sstatus, RV_STATUS_SUM | RV_STATUS_FS), IR_TRAP_none);
    EXPECT_EQ(hart.write_csr(RV_CSR_satp, kSatp), IR_TRAP_none);
    EXPECT_EQ(hart.mmu.switches, switches);
    hart.privilege(RV_U);
    EXPECT_FALSE(hart.mmu.data.shared);
    hart.privilege(RV_M);
    EXPECT_EQ(hart.mmu.data.root, 0u);
}

TEST(Context, MprvIsForDataOnly)
{
    Hart hart;

    hart.set("satp", kSatp);
    hart.set("mstatus", RV_STATUS_MPRV | RV_S << 11);
    EXPECT_EQ(hart.mmu.data.root, kSatp);
    EXPECT_EQ(hart.mmu.fetch.root, 0u);
}

TEST(Context, PmpChangesForgetAll)
{
    Hart hart;

    EXPECT_EQ(hart.write_csr(RV_CSR_pmpaddr0, 1), IR_TRAP_mode);
    EXPECT_EQ(hart.write_csr(RV_CSR_pmpcfg0, 1), IR_TRAP_mode);
    EXPECT_EQ(hart.mmu.flushes, 2u);
}

} // namespace
