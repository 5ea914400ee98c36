/* SPDX-License-Identifier: Apache-2.0 */
/* Control and status registers: who may access which (all 4096 numbers), what a write leaves there
 * (WARL), and the conditions that other registers make. */
#include "testsuite/frontends/riscv/priv/hart.h"

namespace
{

using std::string;

constexpr uint64_t kNone = 0, kAll = UINT64_MAX;

/* As the manual lists them ("CSR Listing"), by hand: the first letter is the lowest privilege. */
struct Listed {
    unsigned first, last;
    const char *rights;
    uint64_t ones; /* RW: what reads after all ones were written to the register after reset */
};

const Listed kListed[] = {
    { 0x001, 0x001, "URW", 0x1f },
    { 0x002, 0x002, "URW", 7 },
    { 0x003, 0x003, "URW", 0xff },
    { 0x100, 0x100, "SRW", 0x80000002000c6122 },
    { 0x104, 0x104, "SRW", kNone }, /* nothing is delegated */
    { 0x105, 0x105, "SRW", kNone }, /* mode 3 is reserved: no effect */
    { 0x106, 0x106, "SRW", 0xffffffff },
    { 0x10a, 0x10a, "SRW", 0xf1 },
    { 0x140, 0x140, "SRW", kAll },
    { 0x141, 0x141, "SRW", kAll - 1 },
    { 0x142, 0x142, "SRW", kAll },
    { 0x143, 0x143, "SRW", kAll },
    { 0x144, 0x144, "SRW", kNone },
    { 0x180, 0x180, "SRW", kNone }, /* mode 15 is reserved: no effect */
    { 0x14d, 0x14d, "MRW", kAll },  /* for S only with STCE */
    { 0x300, 0x300, "MRW", 0x8000000a007e79aa },
    { 0x301, 0x301, "MRW", 0x800000000014112d },
    { 0x302, 0x302, "MRW", 0xb3ff },
    { 0x303, 0x303, "MRW", 0x222 },
    { 0x304, 0x304, "MRW", 0xaaa },
    { 0x305, 0x305, "MRW", kNone },
    { 0x306, 0x306, "MRW", 0xffffffff },
    { 0x30a, 0x30a, "MRW", 0xe0000000000000f1 },
    { 0x320, 0x320, "MRW", 5 },
    { 0x323, 0x33f, "MRW", kNone },
    { 0x340, 0x340, "MRW", kAll },
    { 0x341, 0x341, "MRW", kAll - 1 },
    { 0x342, 0x342, "MRW", kAll },
    { 0x343, 0x343, "MRW", kAll },
    { 0x344, 0x344, "MRW", 0x222 },
    { 0x3a0, 0x3a0, "MRW", 0x9f9f9f9f9f9f9f9f },
    { 0x3a2, 0x3a2, "MRW", 0x9f9f9f9f9f9f9f9f },
    { 0x3b0, 0x3bf, "MRW", 0x3fffffffffffff },
    { 0xb00, 0xb00, "MRW", kAll },
    { 0xb02, 0xb02, "MRW", kAll },
    { 0xb03, 0xb1f, "MRW", kNone },
    { 0xc00, 0xc1f, "MRO", 0 }, /* for S and U only with counteren */
    { 0xf11, 0xf15, "MRO", 0 },
};

const Listed *listed(unsigned number)
{
    for (const Listed &l : kListed)
        if (l.first <= number && number <= l.last)
            return &l;
    return nullptr;
}

RvPrivilege lowest(const Listed &l)
{
    return l.rights[0] == 'U' ? RV_U : l.rights[0] == 'S' ? RV_S : RV_M;
}

class EveryNumber : public testing::TestWithParam<RvPrivilege>
{
};

TEST_P(EveryNumber, CanBeAccessedAsTheManualSays)
{
    Hart hart;

    hart.status() |= RV_STATUS_FS;
    hart.privilege(GetParam());
    for (unsigned number = 0; number < 4096; number++) {
        const Listed *l = listed(number);
        bool read = l && lowest(*l) <= GetParam(), write = read && l->rights[2] == 'W';

        EXPECT_EQ(hart.read_csr(number) != IR_TRAP_illegal, read) << std::hex << number;
        if (number != 0x300 && number != 0x100) { /* these would change the privilege's rights */
            EXPECT_EQ(hart.write_csr(number, 0) != IR_TRAP_illegal, write) << std::hex << number;
        }
    }
}

INSTANTIATE_TEST_SUITE_P(Privileges, EveryNumber, testing::Values(RV_U, RV_S, RV_M));

TEST(Csr, AWriteOfOnesLeavesWhatTheRegisterHas)
{
    for (const Listed &l : kListed) {
        for (unsigned number = l.first; number <= l.last; number++) {
            Hart hart;

            if (l.rights[2] != 'W')
                continue;
            hart.status() |= RV_STATUS_FS;
            EXPECT_NE(hart.write_csr(number, kAll), IR_TRAP_illegal);
            ASSERT_NE(hart.read_csr(number), IR_TRAP_illegal);
            if (number == 0xb00 || number == 0xb02) { /* they run */
                EXPECT_LT(hart.result + 1, 1000000000u);
            } else {
                EXPECT_EQ(hart.result, l.ones) << std::hex << number;
            }
        }
    }
}

/* No bit that a write cannot set can be cleared by one, and the reverse. */
TEST(Csr, BitsAreIndependentOrReserved)
{
    for (unsigned i = 0; rv_csr_row(i); i++) {
        const RvCsr *row = rv_csr_row(i);
        Hart hart;

        if (row->number >> 10 == 3 || row->number == 0xb00 || row->number == 0xb02 ||
            row->number == 0x100 || row->number == 0x300)
            continue;
        for (int bit = 0; bit < 64; bit++) {
            rv_csr_write(hart.vcpu, row, row->number, 0, kAll);
            uint64_t zero = rv_csr_read(hart.vcpu, row, row->number);
            rv_csr_write(hart.vcpu, row, row->number, UINT64_C(1) << bit, UINT64_C(1) << bit);
            uint64_t one = rv_csr_read(hart.vcpu, row, row->number);
            EXPECT_EQ((zero ^ one) & ~(UINT64_C(1) << bit), 0u) << row->name << " " << bit;
        }
    }
}

TEST(Csr, RowsAreInOrderAndApart)
{
    for (unsigned i = 1; rv_csr_row(i); i++)
        EXPECT_LE(rv_csr_row(i - 1)->number + (rv_csr_row(i - 1)->count ? rv_csr_row(i - 1)->count : 1),
                  rv_csr_row(i)->number)
            << rv_csr_row(i)->name;
}

TEST(Csr, DebuggersSeeThemUnderTheirNames)
{
    Hart hart;

    hart.set("mscratch", 77);
    hart.set("sscratch", 78);
    EXPECT_EQ(hart.system()->mscratch, 77u);
    EXPECT_EQ(hart.vcpu->slot[RV_SLOT_sscratch], 78u);
    EXPECT_EQ(hart.get("mhartid"), 3u);
    EXPECT_EQ(hart.get("priv"), uint64_t(RV_M));
    hart.set("priv", 2);
    EXPECT_EQ(hart.get("priv"), uint64_t(RV_M));
    hart.set("priv", RV_S);
    EXPECT_EQ(hart.system()->privilege, uint64_t(RV_S));
    for (unsigned i = 1; i < fe_riscv64_machine.n_registers; i++)
        EXPECT_LT(fe_riscv64_machine.registers[i - 1].number, fe_riscv64_machine.registers[i].number)
            << fe_riscv64_machine.registers[i].name;
}

TEST(Csr, SnapshotFieldsNameEveryWord)
{
    Hart hart;
    const char *name = nullptr;
    uint64_t *word = nullptr;
    std::vector<string> names;

    for (unsigned i = 0; fe_riscv64_system.field(hart.vcpu, i, &name, &word); i++) {
        names.push_back(name);
        *word = 0;
    }
    std::sort(names.begin(), names.end());
    EXPECT_EQ(std::unique(names.begin(), names.end()), names.end());
    for (const char *want : { "mstatus", "satp", "pmpaddr15", "privilege", "soft_ip", "stval" })
        EXPECT_TRUE(std::binary_search(names.begin(), names.end(), want)) << want;
}

TEST(Csr, ASnapshotCannotMakeAStateThatNoGuestCan)
{
    Hart hart;
    const char *name = nullptr;
    uint64_t *word = nullptr;

    for (unsigned i = 0; fe_riscv64_system.field(hart.vcpu, i, &name, &word); i++)
        *word = UINT64_MAX;
    hart.vcpu->slot[RV_SLOT_frm] = 1000;
    hart.vcpu->fp_rm = 1000;
    hart.vcpu->fp_flags = 1000;
    fe_riscv64_system.loaded(hart.vcpu);
    EXPECT_EQ(hart.get("priv"), uint64_t(RV_M));
    EXPECT_EQ(hart.get("satp"), 0u);
    EXPECT_EQ(hart.get("mstatus"), 0x8000000a007e79aau);
    EXPECT_LE(hart.vcpu->slot[RV_SLOT_frm], 7u);
    EXPECT_LE(hart.vcpu->fp_rm, unsigned(IR_RM_RMM));
    EXPECT_LE(hart.vcpu->fp_flags, 31u);
    for (RvPrivilege p : { RV_U, RV_S, RV_M }) {
        hart.privilege(p);
        for (uint64_t vaddr : { UINT64_C(0), Hart::kRam, UINT64_MAX - 7 })
            hart.walk(vaddr, MMU_write);
    }
}

/* ---- WARL rules of single registers ---- */

TEST(Warl, MppHasNoReservedPrivilege)
{
    Hart hart;

    for (uint64_t mpp : { 0, 1, 3 }) {
        hart.write_csr(RV_CSR_mstatus, mpp << 11);
        EXPECT_EQ(hart.get("mstatus") >> 11 & 3, mpp);
        hart.write_csr(RV_CSR_mstatus, 2 << 11);
        EXPECT_EQ(hart.get("mstatus") >> 11 & 3, mpp);
    }
}

TEST(Warl, SdSaysThatFsIsDirty)
{
    Hart hart;

    for (uint64_t fs = 0; fs < 4; fs++) {
        hart.write_csr(RV_CSR_sstatus, fs << 13);
        EXPECT_EQ(hart.get("sstatus") >> 63, fs == 3);
        EXPECT_EQ(hart.get("sstatus") >> 13 & 3, fs);
    }
}

TEST(Warl, TrapVectorModes)
{
    for (unsigned number : { unsigned(RV_CSR_mtvec), unsigned(RV_CSR_stvec) }) {
        Hart hart;

        for (uint64_t mode = 0; mode < 4; mode++) {
            hart.write_csr(number, 0x1000 | mode);
            hart.read_csr(number);
            EXPECT_EQ(hart.result, 0x1000 | (mode < 2 ? mode : 1));
        }
    }
}

struct PagingCase {
    const char *options;
    bool sv39, sv48, sv57;
};

class Paging : public testing::TestWithParam<PagingCase>
{
};

TEST_P(Paging, SatpTakesTheModesThatThereAre)
{
    const PagingCase &p = GetParam();
    Hart hart(p.options);

    for (uint64_t mode = 0; mode < 16; mode++) {
        bool have = mode == 0 || (mode == 8 && p.sv39) || (mode == 9 && p.sv48) || (mode == 10 && p.sv57);
        uint64_t value = mode << 60 | UINT64_C(0xabc) << 44 | 0x80123;

        hart.write_csr(RV_CSR_satp, 0);
        hart.write_csr(RV_CSR_satp, value);
        EXPECT_EQ(hart.get("satp"), have ? value : 0) << mode;
    }
}

INSTANTIATE_TEST_SUITE_P(Options, Paging,
                         testing::Values(PagingCase{ nullptr, true, true, false },
                                         PagingCase{ "rv64", true, true, false },
                                         PagingCase{ "rv64,sv57=on", true, true, true },
                                         PagingCase{ "sv48=off", true, false, false },
                                         PagingCase{ "sv39=off", false, false, false }));

TEST(Warl, EnvcfgHasWhatTheOptionsHave)
{
    Hart hart("zicbom=off,zicboz=off,svadu=off,svpbmt=off,sstc=off");

    hart.write_csr(RV_CSR_menvcfg, UINT64_MAX);
    EXPECT_EQ(hart.get("menvcfg"), 1u);
}

TEST(Warl, CbieHasNoValue2)
{
    Hart hart;

    for (uint64_t cbie : { 1, 3, 0 }) {
        hart.write_csr(RV_CSR_menvcfg, cbie << 4);
        EXPECT_EQ(hart.get("menvcfg") >> 4 & 3, cbie);
        hart.write_csr(RV_CSR_menvcfg, 2 << 4);
        EXPECT_EQ(hart.get("menvcfg") >> 4 & 3, cbie);
    }
}

TEST(Warl, SieAndSipShowWhatIsDelegated)
{
    Hart hart;

    hart.write_csr(RV_CSR_mie, 0xaaa);
    hart.write_csr(RV_CSR_mideleg, 0x202);
    EXPECT_EQ(hart.get("sie"), 0x202u);
    hart.write_csr(RV_CSR_sie, 0);
    EXPECT_EQ(hart.get("mie"), 0x8a8u);
    hart.write_csr(RV_CSR_mip, 0x222);
    EXPECT_EQ(hart.get("sip"), 0x202u);
    hart.write_csr(RV_CSR_sip, 0);
    EXPECT_EQ(hart.get("mip"), 0x220u); /* of sip only SSIP can be written */
}

TEST(Warl, LockedPmpEntriesStay)
{
    Hart hart;

    hart.write_csr(RV_CSR_pmpaddr0, 0x1000);
    hart.write_csr(RV_CSR_pmpaddr1, 0x2000);
    hart.write_csr(RV_CSR_pmpcfg0, 0x8f00); /* entry 1: locked, TOR */
    hart.write_csr(RV_CSR_pmpaddr0, 0);
    hart.write_csr(RV_CSR_pmpaddr1, 0);
    hart.write_csr(RV_CSR_pmpcfg0, 0x1f);
    EXPECT_EQ(hart.get("pmpaddr0"), 0x1000u);
    EXPECT_EQ(hart.get("pmpaddr1"), 0x2000u);
    EXPECT_EQ(hart.get("pmpcfg0"), 0x8f1fu);
}

TEST(Warl, WriteOnlyPmpIsReserved)
{
    Hart hart;

    hart.write_csr(RV_CSR_pmpcfg0, 0x1f);
    hart.write_csr(RV_CSR_pmpcfg0, 0x1a);
    EXPECT_EQ(hart.get("pmpcfg0"), 0x1fu);
}

/* ---- Conditions ---- */

bool reads(Hart &hart, unsigned number, RvPrivilege privilege)
{
    hart.privilege(privilege);
    bool ok = hart.read_csr(number) == IR_TRAP_none;
    hart.privilege(RV_M);
    return ok;
}

TEST(Condition, CountersAreEnabledLevelByLevel)
{
    for (unsigned bit : { 0, 1, 2, 17 }) {
        Hart hart;
        unsigned number = 0xc00 + bit;

        EXPECT_TRUE(reads(hart, number, RV_M));
        EXPECT_FALSE(reads(hart, number, RV_S));
        hart.write_csr(RV_CSR_scounteren, 1 << bit);
        EXPECT_FALSE(reads(hart, number, RV_U));
        hart.write_csr(RV_CSR_mcounteren, 1 << bit);
        EXPECT_TRUE(reads(hart, number, RV_S));
        EXPECT_TRUE(reads(hart, number, RV_U));
        hart.write_csr(RV_CSR_scounteren, 0);
        EXPECT_TRUE(reads(hart, number, RV_S));
        EXPECT_FALSE(reads(hart, number, RV_U));
    }
}

TEST(Condition, TvmHidesSatpFromS)
{
    Hart hart;

    EXPECT_TRUE(reads(hart, RV_CSR_satp, RV_S));
    hart.write_csr(RV_CSR_mstatus, RV_STATUS_TVM);
    EXPECT_FALSE(reads(hart, RV_CSR_satp, RV_S));
    EXPECT_TRUE(reads(hart, RV_CSR_satp, RV_M));
}

TEST(Condition, StimecmpNeedsStceAndTm)
{
    Hart hart;

    hart.write_csr(RV_CSR_menvcfg, RV_ENVCFG_STCE);
    EXPECT_FALSE(reads(hart, RV_CSR_stimecmp, RV_S));
    hart.write_csr(RV_CSR_mcounteren, 2);
    EXPECT_TRUE(reads(hart, RV_CSR_stimecmp, RV_S));
    hart.write_csr(RV_CSR_menvcfg, 0);
    EXPECT_FALSE(reads(hart, RV_CSR_stimecmp, RV_S));
    Hart without("sstc=off");
    EXPECT_FALSE(reads(without, RV_CSR_stimecmp, RV_M));
}

TEST(Condition, FpRegistersNeedFs)
{
    Hart hart;

    EXPECT_FALSE(reads(hart, RV_CSR_fcsr, RV_M));
    hart.write_csr(RV_CSR_mstatus, 1 << 13);
    EXPECT_TRUE(reads(hart, RV_CSR_fcsr, RV_M));
}

TEST(Condition, SmstateenGatesSenvcfgAndItself)
{
    Hart hart("smstateen=on");

    EXPECT_FALSE(reads(hart, RV_CSR_senvcfg, RV_S));
    EXPECT_FALSE(reads(hart, RV_CSR_sstateen0, RV_S));
    EXPECT_FALSE(reads(hart, 0x10e, RV_S));
    hart.write_csr(RV_CSR_mstateen0, UINT64_MAX);
    hart.write_csr(RV_CSR_mstateen2, UINT64_MAX);
    EXPECT_EQ(hart.get("mstateen0"), UINT64_C(3) << 62);
    EXPECT_TRUE(reads(hart, RV_CSR_senvcfg, RV_S));
    EXPECT_TRUE(reads(hart, RV_CSR_sstateen0, RV_S));
    EXPECT_TRUE(reads(hart, 0x10e, RV_S));
    EXPECT_FALSE(reads(hart, 0x10d, RV_S));
}

TEST(Condition, NoPmpNoRegisters)
{
    Hart hart("pmp=off");

    EXPECT_FALSE(reads(hart, RV_CSR_pmpcfg0, RV_M));
    EXPECT_FALSE(reads(hart, RV_CSR_pmpaddr3, RV_M));
}

/* ---- Counters ---- */

TEST(Counter, CanBeSetAndStopped)
{
    Hart hart;

    hart.write_csr(RV_CSR_mcountinhibit, 1);
    hart.write_csr(RV_CSR_mcycle, 1000);
    EXPECT_EQ(hart.get("mcycle"), 1000u);
    EXPECT_EQ(hart.get("cycle"), 1000u);
    uint64_t before = hart.get("minstret");
    EXPECT_LE(before, hart.get("minstret"));
    hart.write_csr(RV_CSR_mcountinhibit, 0);
    uint64_t running = hart.get("mcycle");
    EXPECT_GE(running, 1000u);
    EXPECT_LT(running, 1000000000u);
}

TEST(Counter, TimeIsTheMachines)
{
    Hart hart;

    hart.clock = 4711;
    EXPECT_EQ(hart.get("time"), 4711u);
}

/* ---- Options ---- */

TEST(Options, MistakesAreNamed)
{
    struct {
        const char *options, *says;
    } const cases[] = {
        { "sv49=on", "Unknown CPU property 'sv49'; there are m, a, c, zicbom" },
        { "rv64,sv57", "write sv57=on or sv57=off" },
        { "sstc=maybe", "write sstc=on or sstc=off" },
        { "sv57=on,sv48=off", "smaller paging modes" },
        { "rv65", "Unknown CPU model 'rv65'; there are rv64, max" },
        { "rv64,rv64", "Unknown CPU property 'rv64'" },
        { "v=on", "no processor with v" },
        { "rva22u64,d=off", "no processor without d" },
        { "a=off,zacas=on", "A CPU with zacas has a too" },
        { "=on", "Unknown CPU property ''" },
    };

    for (const auto &c : cases) {
        RvOptions options = {};
        char text[1024] = "";

        EXPECT_FALSE(rv_options_parse(c.options, &options, text, sizeof(text))) << c.options;
        EXPECT_NE(string(text).find(c.says), string::npos) << text;
    }
}

TEST(Options, IsaStringSaysWhatIsOn)
{
    Hart hart("sstc=off,svade=true");
    FeCpu cpu = {};

    fe_riscv64_system.describe(hart.vcpu, &cpu);
    EXPECT_EQ(string(cpu.isa).find("rv64imafdc_zicbom_zicboz_"), 0u) << cpu.isa;
    EXPECT_EQ(string(cpu.isa).find("sstc"), string::npos) << cpu.isa;
    EXPECT_NE(string(cpu.isa).find("_svade_svadu_svinval"), string::npos) << cpu.isa;
    EXPECT_STREQ(cpu.mmu, "riscv,sv48");
    EXPECT_EQ(cpu.zicboz_block, 64u);
}

TEST(Options, WhatIsOnAnywayAndWhatIsNeverThereMayBeSaid)
{
    RvOptions options = {};
    char text[1024] = "";

    EXPECT_TRUE(rv_options_parse("max,d=true,zicsr=yes,v=false,h=no", &options, text, sizeof(text))) << text;
    EXPECT_TRUE(options.zba && options.c);
}

TEST(Options, ModelsHaveWhatTheyAre)
{
    Hart hart("sifive-u54,zba=on");
    FeCpu cpu = {};

    fe_riscv64_system.describe(hart.vcpu, &cpu);
    EXPECT_STREQ(cpu.isa, "rv64imafdc_zicntr_zicsr_zifencei_zihintpause_zba_svade");
    EXPECT_STREQ(cpu.mmu, "riscv,sv39");
}

/* The instruction in `bits` with these options. */
bool legal_with(const char *options, uint32_t bits)
{
    Hart hart(options);
    FeShape shape = rv_shape(0x1000, reinterpret_cast<const uint8_t *>(&bits), 4);

    (void)Hart(); /* all of them are there again */
    return shape.insn != RV_none;
}

TEST(Options, InstructionsOfWhatIsOffAreIllegal)
{
    struct {
        const char *off;
        uint32_t bits;
    } const cases[] = {
        { "m=off", 0x02b50533 },      /* mul a0, a0, a1 */
        { "a=off", 0x1005252f },      /* lr.w a0, (a0) */
        { "a=off", 0x28b5252f },      /* amocas.w a0, a1, (a0): needs A */
        { "c=off", 0x00000001 },      /* c.nop */
        { "c=off", 0x00002100 },      /* c.fld fs0, 0(a0) */
        { "zba=off", 0x20b52533 },    /* sh1add a0, a0, a1 */
        { "zicboz=off", 0x0045200f }, /* cbo.zero (a0) */
        { "zicbom=off", 0x0015200f }, /* cbo.clean (a0) */
    };

    for (const auto &c : cases) {
        EXPECT_TRUE(legal_with(nullptr, c.bits)) << c.off;
        EXPECT_FALSE(legal_with(c.off, c.bits)) << c.off;
        EXPECT_TRUE(legal_with(c.off, 0x00b50533)) << c.off; /* add a0, a0, a1 */
    }
}

TEST(Options, MisaHasTheLettersThatAreOn)
{
    EXPECT_EQ(Hart("c=off,m=off").get("misa"), 0x8000000000140129u);
}

TEST(Options, WithoutCompressedInstructionsReturnAddressesAreMultiplesOf4)
{
    Hart hart("c=off");

    hart.set("mepc", 0x80000007);
    hart.set("sepc", 0x80000006);
    EXPECT_EQ(hart.get("mepc"), 0x80000004u);
    EXPECT_EQ(hart.get("sepc"), 0x80000004u);
    rv_return(hart.vcpu, RV_M);
    EXPECT_EQ(hart.vcpu->pc, 0x80000004u);
}

} // namespace
