/* SPDX-License-Identifier: Apache-2.0 */
/* The page walk and physical protection: all paging modes, every reason for a fault, accessed and
 * dirty bits, large pages, Svnapot, Svpbmt; PMP ranges against a model byte by byte. */
#include "testsuite/frontends/riscv/priv/hart.h"

#include <unistd.h>

#include <fstream>
#include <random>
#include <sstream>

extern "C" {
#include "base/log.h"
}

namespace
{

constexpr uint64_t V = 1, R = 2, W = 4, X = 8, U = 16, G = 32, A = 64, D = 128, AD = A | D;

constexpr uint64_t kTables = Hart::kRam + 0x10000, kPage = Hart::kRam + 0x200000;

/* A hart in S with `levels` of tables, made as mapped. */
class Paged
{
  public:
    Hart hart;
    unsigned levels;

    explicit Paged(unsigned n_levels, const char *options = "sv57=on") : hart(options), levels(n_levels)
    {
        hart.set("pmpaddr0", RV_PMPADDR);
        hart.set("pmpcfg0", 0x1f);
        hart.set("satp", uint64_t(8 + levels - 3) << 60 | kTables >> 12);
        hart.privilege(RV_S);
    }

    /* Physical address of the entry at `level` for vaddr; the tables above it are made. */
    uint64_t entry(uint64_t vaddr, unsigned level = 0)
    {
        uint64_t table = kTables;

        for (unsigned k = levels - 1;; k--) {
            uint64_t at = table + (vaddr >> (12 + 9 * k) & 511) * 8;

            if (k == level)
                return at;
            if (!hart.ram(at)) {
                next_ += 4096;
                hart.ram(at) = next_ >> 2 | V;
            }
            table = hart.ram(at) >> 10 << 12;
        }
    }

    void map(uint64_t vaddr, uint64_t flags, unsigned level = 0, uint64_t paddr = kPage)
    {
        hart.ram(entry(vaddr, level)) = paddr >> 2 | flags;
    }

    /* 0, or the cause. */
    uint64_t fault(uint64_t vaddr, MmuAccess access)
    {
        FeWalk walk = hart.walk(vaddr, access);

        return walk.ok ? 0 : walk.cause;
    }

  private:
    uint64_t next_ = kTables;
};

constexpr MmuAccess kAccesses[] = { MMU_read, MMU_write, MMU_exec };
constexpr uint64_t kPageFault[] = { 13, 15, 12 }, kAccessFault[] = { 5, 7, 1 };
constexpr uint64_t kAddress = 0x12345678;

class EveryMode : public testing::TestWithParam<unsigned>
{
};

INSTANTIATE_TEST_SUITE_P(Levels, EveryMode, testing::Values(3, 4, 5));

TEST_P(EveryMode, FindsPagesOfAllSizes)
{
    for (unsigned level = 0; level < 3 && level < GetParam(); level++) {
        Paged p(GetParam());
        uint64_t size = UINT64_C(4096) << 9 * level, paddr = level == 2 ? 0x80000000 : kPage;

        p.map(kAddress, V | R | W | AD | G, level, paddr & ~(size - 1));
        FeWalk walk = p.hart.walk(kAddress, MMU_read);
        ASSERT_TRUE(walk.ok) << walk.cause;
        EXPECT_EQ(walk.page.size, size);
        EXPECT_EQ(walk.page.vaddr, kAddress & ~(size - 1));
        EXPECT_EQ(walk.page.paddr, paddr & ~(size - 1));
        EXPECT_TRUE(walk.page.read && walk.page.write && walk.page.global);
        EXPECT_FALSE(walk.page.exec);
    }
}

TEST_P(EveryMode, AddressesAreSignExtended)
{
    Paged p(GetParam());
    unsigned bits = 12 + 9 * GetParam();
    uint64_t low_end = (UINT64_C(1) << (bits - 1)) - 4096, high = ~UINT64_C(0) << (bits - 1);

    p.map(low_end, V | R | AD);
    p.map(high, V | R | AD);
    EXPECT_EQ(p.fault(low_end, MMU_read), 0u);
    EXPECT_EQ(p.fault(high, MMU_read), 0u);
    for (MmuAccess access : kAccesses) {
        EXPECT_EQ(p.fault(low_end + 4096, access), kPageFault[access]);
        EXPECT_EQ(p.fault(high - 4096, access), kPageFault[access]);
        EXPECT_EQ(p.fault(low_end | UINT64_C(1) << 63, access), kPageFault[access]);
    }
}

TEST_P(EveryMode, LargePagesAreAligned)
{
    for (unsigned level = 1; level < GetParam(); level++) {
        for (unsigned bit = 0; bit < 9 * level; bit += 4) {
            Paged p(GetParam());

            p.map(kAddress, V | R | AD, level, UINT64_C(4096) << bit);
            EXPECT_EQ(p.fault(kAddress, MMU_read), 13u) << level << " " << bit;
        }
    }
}

TEST_P(EveryMode, TablesHaveNoLeafBits)
{
    for (uint64_t bad : { U, A, D, UINT64_C(1) << 61, UINT64_C(1) << 62, UINT64_C(1) << 63, W }) {
        Paged p(GetParam());

        p.map(kAddress, V | R | AD);
        EXPECT_EQ(p.fault(kAddress, MMU_read), 0u);
        p.hart.ram(p.entry(kAddress, 1)) |= bad;
        EXPECT_EQ(p.fault(kAddress, MMU_read), 13u) << std::hex << bad;
    }
    Paged p(GetParam());
    p.map(kAddress, V); /* a table below the last level */
    EXPECT_EQ(p.fault(kAddress, MMU_read), 13u);
}

TEST_P(EveryMode, GlobalIsInherited)
{
    Paged p(GetParam());

    p.map(kAddress, V | R | AD);
    EXPECT_FALSE(p.hart.walk(kAddress, MMU_read).page.global);
    p.hart.ram(p.entry(kAddress, GetParam() - 1)) |= G;
    EXPECT_TRUE(p.hart.walk(kAddress, MMU_read).page.global);
}

TEST_P(EveryMode, TablesOutsideOfRamAreAccessFaults)
{
    for (unsigned level = 1; level < GetParam(); level++) {
        Paged p(GetParam());

        p.hart.ram(p.entry(kAddress, level)) = 0x1000 >> 2 | V;
        for (MmuAccess access : kAccesses)
            EXPECT_EQ(p.fault(kAddress, access), kAccessFault[access]);
    }
}

TEST(Walk, IsLogged)
{
    std::string path = testing::TempDir() + "/ketch-walk-" + std::to_string(getpid());
    std::stringstream text;
    Paged p(3);

    p.map(kAddress & ~UINT64_C(0xfff), V | R | AD);
    ASSERT_TRUE(log_open(path.c_str(), false));
    ASSERT_TRUE(log_enable("mmu", nullptr));
    p.hart.walk(kAddress, MMU_read);
    p.hart.walk(kAddress, MMU_write);
    log_mask = 0;
    text << std::ifstream(path).rdbuf();
    unlink(path.c_str());
    EXPECT_NE(text.str().find("hart:3, read 0000000012345678, page:0000000012345000, physical:"), std::string::npos)
        << text.str();
    EXPECT_NE(text.str().find("size:1000, rights:r--\n"), std::string::npos) << text.str();
    EXPECT_NE(text.str().find("hart:3, write 0000000012345678, cause:15\n"), std::string::npos) << text.str();
}

TEST(Walk, BitsThatMakeALeafInvalid)
{
    for (uint64_t bad = 54; bad < 64; bad++) {
        Paged p(3, "svpbmt=off,svnapot=off");

        p.map(kAddress, V | R | W | X | AD | UINT64_C(1) << bad);
        for (MmuAccess access : kAccesses)
            EXPECT_EQ(p.fault(kAddress, access), kPageFault[access]) << bad;
    }
    Paged p(3);
    for (uint64_t flags : { R | AD, V | W | AD, V | W | X | AD }) {
        p.map(kAddress, flags);
        for (MmuAccess access : kAccesses)
            EXPECT_EQ(p.fault(kAddress, access), kPageFault[access]) << flags;
    }
}

/* Every combination of R W X U, privilege, SUM, MXR, MPRV against the manual's rules. */
TEST(Walk, RightsOverAllStates)
{
    Paged p(3);
    const RvPrivilege privileges[] = { RV_U, RV_S, RV_M };

    for (unsigned bits = 0; bits < 16 * 3 * 4 * 3; bits++) {
        uint64_t flags = (bits & 15) << 1;
        RvPrivilege now = privileges[bits / 16 % 3], previous = privileges[bits / 192 % 3];
        bool sum = bits / 48 & 1, mxr = bits / 96 & 1;

        p.map(kAddress, V | flags | AD);
        p.hart.status() = RV_STATUS_XL | (sum ? RV_STATUS_SUM : 0) | (mxr ? RV_STATUS_MXR : 0) |
                          (now == RV_M ? RV_STATUS_MPRV | uint64_t(previous) << 11 : 0);
        p.hart.privilege(now);
        RvPrivilege data = now == RV_M ? previous : now;
        bool user = flags & U, leaf = flags & (R | X), valid = leaf && (flags & (R | W)) != W;
        bool data_ok = valid && (data == RV_U ? user : !user || sum);
        bool can[3] = {
            data_ok && ((flags & R) || (mxr && (flags & X))),
            data_ok && (flags & W),
            valid && (flags & X) && (now == RV_U) == user,
        };
        for (MmuAccess access : kAccesses) {
            RvPrivilege effective = access == MMU_exec ? now : data;
            if (effective == RV_M)
                continue;
            EXPECT_EQ(p.fault(kAddress, access), can[access] ? 0 : kPageFault[access])
                << "flags " << flags << " now " << now << " data " << data << " access " << access;
            FeWalk walk = p.hart.walk(kAddress, access);
            if (walk.ok && access != MMU_exec && now == data) {
                EXPECT_EQ(walk.page.read, can[0]);
                EXPECT_EQ(walk.page.write, can[1]);
            }
        }
    }
}

TEST(Walk, MIsBare)
{
    Paged p(3);

    p.hart.privilege(RV_M);
    FeWalk walk = p.hart.walk(Hart::kRam + 0x123, MMU_write);
    ASSERT_TRUE(walk.ok);
    EXPECT_EQ(walk.page.paddr, Hart::kRam);
    EXPECT_TRUE(walk.page.read && walk.page.write && walk.page.exec);
    EXPECT_EQ(p.fault(UINT64_C(1) << 56, MMU_read), 5u);
}

/* ---- Accessed and dirty ---- */

TEST(AccessedDirty, HardwareSetsWhatTheAccessNeeds)
{
    for (MmuAccess access : kAccesses) {
        Paged p(3);

        p.map(kAddress, V | R | W | X);
        FeWalk walk = p.hart.walk(kAddress, access);
        ASSERT_TRUE(walk.ok);
        uint64_t pte = p.hart.ram(p.entry(kAddress));
        EXPECT_EQ(pte & AD, access == MMU_write ? AD : A);
        EXPECT_EQ(walk.page.write, access == MMU_write); /* else D is still to be set */
    }
}

TEST(AccessedDirty, AFaultSetsNothing)
{
    Paged p(3);

    p.map(kAddress, V | R);
    EXPECT_EQ(p.fault(kAddress, MMU_write), 15u);
    EXPECT_EQ(p.hart.ram(p.entry(kAddress)) & AD, 0u);
}

TEST(AccessedDirty, SoftwareSetsThemWithoutAdue)
{
    for (const char *options : { "svade=on", "svadu=off" }) {
        Paged p(3, options);

        p.map(kAddress, V | R | W | X | D);
        for (MmuAccess access : kAccesses)
            EXPECT_EQ(p.fault(kAddress, access), kPageFault[access]);
        p.map(kAddress, V | R | W | X | A);
        EXPECT_EQ(p.fault(kAddress, MMU_read), 0u);
        EXPECT_EQ(p.fault(kAddress, MMU_write), 15u);
        EXPECT_EQ(p.fault(kAddress, MMU_exec), 0u);
    }
}

TEST(AccessedDirty, TablesThatSMayNotWriteAreAccessFaults)
{
    Paged p(3);

    p.map(kAddress, V | R);
    p.hart.privilege(RV_M);
    p.hart.set("pmpaddr1", RV_PMPADDR);
    p.hart.set("pmpaddr0", (p.entry(kAddress) >> 12 << 10) | 511);
    p.hart.set("pmpcfg0", 0x1f19);
    p.hart.privilege(RV_S);
    EXPECT_EQ(p.fault(kAddress, MMU_read), 5u);
    p.map(kAddress, V | R | A);
    EXPECT_EQ(p.fault(kAddress, MMU_read), 0u);
}

/* ---- From outside ---- */

TEST(Locate, ProtectionDoesNotCountAndNothingChanges)
{
    Paged p(3);
    uint64_t paddr = 0, n = UINT64_C(1) << 63;

    p.map(kAddress, V | X | U);
    for (RvPrivilege privilege : { RV_S, RV_U }) {
        p.hart.privilege(privilege);
        ASSERT_TRUE(fe_riscv64_system.locate(p.hart.vcpu, kAddress, &paddr));
        EXPECT_EQ(paddr, kPage + kAddress % 4096);
        EXPECT_EQ(p.hart.ram(p.entry(kAddress)) & AD, 0u);
        EXPECT_FALSE(fe_riscv64_system.locate(p.hart.vcpu, kAddress + 0x200000, &paddr));
        EXPECT_FALSE(fe_riscv64_system.locate(p.hart.vcpu, UINT64_C(1) << 45, &paddr)) << "not canonical";
    }
    p.map(0x40005000, V | R | n, 0, kPage + 0x8000);
    ASSERT_TRUE(fe_riscv64_system.locate(p.hart.vcpu, 0x40005678, &paddr));
    EXPECT_EQ(paddr, kPage + 0x5678);
    p.hart.privilege(RV_M);
    ASSERT_TRUE(fe_riscv64_system.locate(p.hart.vcpu, Hart::kRam + 0x123, &paddr));
    EXPECT_EQ(paddr, Hart::kRam + 0x123);
}

/* ---- Svnapot, Svpbmt ---- */

TEST(Svnapot, PagesOf64K)
{
    Paged p(3);
    uint64_t vaddr = 0x40005000, n = UINT64_C(1) << 63;

    p.map(vaddr, V | R | AD | n, 0, kPage + 0x8000);
    FeWalk walk = p.hart.walk(vaddr, MMU_read);
    ASSERT_TRUE(walk.ok);
    EXPECT_EQ(walk.page.size, 0x10000u);
    EXPECT_EQ(walk.page.vaddr, 0x40000000u);
    EXPECT_EQ(walk.page.paddr, kPage);
    for (uint64_t low = 0; low < 16; low++) {
        p.map(vaddr, V | R | AD | n, 0, kPage + low * 0x1000);
        EXPECT_EQ(p.fault(vaddr, MMU_read), low == 8 ? 0 : 13u) << low;
    }
    p.map(vaddr + 0x200000, V | R | AD | n, 1, kPage);
    EXPECT_EQ(p.fault(vaddr + 0x200000, MMU_read), 13u);
}

TEST(Svpbmt, NeedsPbmteAndHasNoType3)
{
    Paged p(3);

    for (uint64_t type = 0; type < 4; type++) {
        p.map(kAddress, V | R | AD | type << 61);
        p.hart.set("menvcfg", RV_ENVCFG_PBMTE);
        EXPECT_EQ(p.fault(kAddress, MMU_read), type < 3 ? 0 : 13u) << type;
        p.hart.set("menvcfg", 0);
        EXPECT_EQ(p.fault(kAddress, MMU_read), type == 0 ? 0 : 13u) << type;
    }
}

/* ---- Physical memory protection ---- */

struct Pmp {
    uint8_t cfg[16];
    uint64_t addr[16];
};

/* What one byte may, by the manual: the first entry that matches it. */
unsigned model_entry(const Pmp &pmp, uint64_t byte)
{
    for (unsigned i = 0; i < 16; i++) {
        uint64_t addr = pmp.addr[i], low = i ? pmp.addr[i - 1] : 0, size = 8;

        switch (pmp.cfg[i] >> 3 & 3) {
        case 1:
            if (low << 2 <= byte && byte < addr << 2)
                return i;
            break;
        case 2:
            if (byte >> 2 == addr)
                return i;
            break;
        case 3:
            for (uint64_t ones = addr; ones & 1; ones >>= 1)
                size *= 2;
            if (byte / size == (addr << 2) / size)
                return i;
            break;
        default:
            break;
        }
    }
    return 16;
}

unsigned model_rights(const Pmp &pmp, RvPrivilege privilege, uint64_t paddr, unsigned size)
{
    unsigned entry = 16;

    /* The lowest entry that matches any byte must match all. */
    for (unsigned k = 0; k < size; k++)
        entry = std::min(entry, model_entry(pmp, paddr + k));
    for (unsigned k = 0; k < size; k++)
        if (model_entry(pmp, paddr + k) != entry)
            return 0;
    if (entry == 16)
        return privilege == RV_M ? 7 : 0;
    return privilege == RV_M && !(pmp.cfg[entry] & 0x80) ? 7 : pmp.cfg[entry] & 7;
}

TEST(Pmp, RandomEntriesAgreeWithAModelByteByByte)
{
    std::mt19937_64 rnd(7);

    for (int round = 0; round < 300; round++) {
        Hart hart;
        Pmp pmp = {};

        for (unsigned i = 0; i < 16; i++) {
            uint64_t addr = 0x100 + rnd() % 64;

            pmp.cfg[i] = uint8_t(rnd() & (round % 3 ? 0x1f : 0x9f));
            if ((pmp.cfg[i] & 3) == 2 || rnd() % 3 == 0)
                pmp.cfg[i] = 0;
            pmp.addr[i] = (pmp.cfg[i] >> 3 & 3) == 3 ? addr | ((1 << rnd() % 5) - 1) : addr;
            hart.system()->pmpaddr[i] = pmp.addr[i];
            hart.system()->pmpcfg[i / 8] |= uint64_t(pmp.cfg[i]) << i % 8 * 8;
        }
        rv_pmp_update(hart.system());
        for (int k = 0; k < 200; k++) {
            uint64_t paddr = 0x3c0 + rnd() % 0x180;
            unsigned size = 1u << rnd() % 4;

            for (RvPrivilege privilege : { RV_S, RV_M }) {
                RvRights r = rv_pmp_rights(hart.system(), privilege, paddr, size);
                unsigned got = (r.read ? 1u : 0) | (r.write ? 2u : 0) | (r.exec ? 4u : 0);

                ASSERT_EQ(got, model_rights(pmp, privilege, paddr, size))
                    << std::hex << paddr << " size " << size << " round " << round;
            }
        }
    }
}

TEST(Pmp, CutsPagesWhereRightsChange)
{
    Paged p(3);

    /* 4 KiB and then 8 bytes within the large page have no rights. */
    p.hart.privilege(RV_M);
    p.hart.set("pmpaddr0", (kPage >> 2) | 511);
    p.hart.set("pmpaddr1", (kPage + 0x5000) >> 2);
    p.hart.set("pmpaddr2", RV_PMPADDR);
    p.hart.set("pmpcfg0", 0x1f1018);
    p.hart.privilege(RV_S);
    p.map(0x40000000, V | R | W | AD, 1, kPage);
    EXPECT_EQ(p.fault(0x40000000, MMU_read), 5u);
    FeWalk walk = p.hart.walk(0x40001000, MMU_read);
    ASSERT_TRUE(walk.ok);
    EXPECT_EQ(walk.page.size, 0x200000u); /* of the entry: what a flush is about */
    EXPECT_EQ(walk.page.paddr, kPage);
    EXPECT_EQ(p.hart.walk(0x40005000, MMU_read, 4).cause, 5u);
    EXPECT_LT(p.hart.walk(0x40005008, MMU_read).page.size, 0x1000u);
}

TEST(Pmp, ProtectsTheTablesToo)
{
    Paged p(3);

    p.map(kAddress, V | R | AD);
    p.hart.privilege(RV_M);
    p.hart.set("pmpaddr0", (kTables >> 2) | 511);
    p.hart.set("pmpaddr1", RV_PMPADDR);
    p.hart.set("pmpcfg0", 0x1f18);
    p.hart.privilege(RV_S);
    for (MmuAccess access : kAccesses)
        EXPECT_EQ(p.fault(kAddress, access), kAccessFault[access]);
}

TEST(Pmp, WithoutEntriesOnlyMHasAccess)
{
    Hart hart;

    EXPECT_TRUE(hart.walk(Hart::kRam, MMU_read).ok);
    hart.privilege(RV_S);
    EXPECT_EQ(hart.walk(Hart::kRam, MMU_read).cause, 5u);
    Hart without("pmp=off");
    without.privilege(RV_S);
    EXPECT_TRUE(without.walk(Hart::kRam, MMU_read).ok);
}

} // namespace
