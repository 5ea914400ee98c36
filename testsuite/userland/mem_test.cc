// SPDX-License-Identifier: Apache-2.0
// Safe access to guest memory, with a fault handler as userland installs it.
#include <signal.h>
#include <sys/mman.h>
#include <ucontext.h>

#include <cerrno>
#include <cstring>

#include <gtest/gtest.h>

extern "C" {
#include "translator/translator.h"
#include "userland/mem.h"
}

namespace {

constexpr uint64_t kBase = 0x200000000;

void OnFault(int sig, siginfo_t *, void *context)
{
    auto *uc = static_cast<ucontext_t *>(context);
    auto pc = static_cast<uintptr_t>(uc->uc_mcontext.gregs[REG_RIP]);
    uintptr_t next = mem_fixup(pc);

    if (!next) {
        signal(sig, SIG_DFL);
        return;
    }
    uc->uc_mcontext.gregs[REG_RIP] = static_cast<greg_t>(next);
}

class Mem : public testing::Test {
  protected:
    static void SetUpTestSuite()
    {
        struct sigaction sa = {};

        sa.sa_sigaction = OnFault;
        sa.sa_flags = SA_SIGINFO;
        sigaction(SIGSEGV, &sa, nullptr);
        sigaction(SIGBUS, &sa, nullptr);
        mem_init(0);
        // The map tells the translator when code goes.
        TrConfig config = {};
        const char *error = nullptr;

        config.frontend = &fe_riscv64;
        config.tier = TR_TIER_interp;
        config.fetch = mem_fetch;
        ASSERT_TRUE(tr_start(&config, &error)) << error;
    }

    // Two pages that can be written, at kBase, and nothing after them.
    void SetUp() override
    {
        ASSERT_EQ(mem_mmap(kBase, 2 * MEM_PAGE, PROT_READ | PROT_WRITE,
                           MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0),
                  static_cast<int64_t>(kBase));
    }

    void TearDown() override { EXPECT_EQ(mem_munmap(kBase, 2 * MEM_PAGE), 0); }
};

TEST_F(Mem, CopiesOfEverySizeAndAlignment)
{
    char in[64], out[64];

    for (size_t i = 0; i < sizeof(in); i++) {
        in[i] = static_cast<char>(i + 1);
    }
    for (size_t n = 0; n <= 33; n++) {
        for (uint64_t at = kBase; at < kBase + 9; at++) {
            memset(out, 0, sizeof(out));
            ASSERT_TRUE(mem_write(at, in, n));
            ASSERT_TRUE(mem_read(out, at, n));
            ASSERT_EQ(memcmp(in, out, n), 0);
            ASSERT_EQ(out[n], 0);
        }
    }
}

TEST_F(Mem, BadAddressesAreFalseNotFatal)
{
    uint64_t v = 0;
    uint64_t end = kBase + 2 * MEM_PAGE;

    EXPECT_FALSE(mem_read_u64(end, &v));
    EXPECT_FALSE(mem_read_u64(end - 4, &v));
    EXPECT_FALSE(mem_write_u32(end, 1));
    EXPECT_FALSE(mem_zero(end - 1, 2));
    EXPECT_FALSE(mem_read_u64(0, &v));
    EXPECT_FALSE(mem_read_u64(~UINT64_C(0) - 3, &v));
    // Ketch's own memory is none of the guest's.
    EXPECT_FALSE(mem_read_u64(mem_guest(&v), &v));
    EXPECT_FALSE(mem_read(&v, mem_limit, 1));
    EXPECT_EQ(mem_host(mem_guest(&v), 8), MEM_BAD);
    EXPECT_EQ(mem_host(mem_limit - 4, 8), MEM_BAD);
    EXPECT_EQ(mem_host(0, 8), nullptr);
    ASSERT_EQ(mem_mprotect(kBase, MEM_PAGE, PROT_READ), 0);
    EXPECT_FALSE(mem_write_u32(kBase, 1));
    EXPECT_TRUE(mem_read_u64(kBase, &v));
}

TEST_F(Mem, Strings)
{
    uint64_t end = kBase + 2 * MEM_PAGE;
    char text[8];

    ASSERT_TRUE(mem_write(end - 6, "hello", 6));
    EXPECT_EQ(mem_strcpy_in(text, end - 6, sizeof(text)), 5);
    EXPECT_STREQ(text, "hello");
    EXPECT_EQ(mem_strcpy_in(text, end - 6, 5), -ENAMETOOLONG);
    EXPECT_EQ(mem_strlen(end - 6, 100), 5);
    ASSERT_TRUE(mem_write(end - 1, "x", 1));
    EXPECT_EQ(mem_strlen(end - 3, 100), -EFAULT);
    EXPECT_EQ(mem_strcpy_in(text, end - 3, sizeof(text)), -EFAULT);
    EXPECT_EQ(mem_strcpy_in(text, end, sizeof(text)), -EFAULT);
}

TEST_F(Mem, CompareAndExchange)
{
    uint32_t old = 0, v;

    ASSERT_TRUE(mem_write_u32(kBase, 5));
    EXPECT_TRUE(mem_cas_u32(kBase, 6, 7, &old));
    EXPECT_EQ(old, 5u);
    EXPECT_TRUE(mem_cas_u32(kBase, 5, 7, &old));
    ASSERT_TRUE(mem_read_u32(kBase, &v));
    EXPECT_EQ(v, 7u);
    EXPECT_FALSE(mem_cas_u32(kBase + 2 * MEM_PAGE, 5, 7, &old));
}

TEST_F(Mem, FetchSeesOnlyWhatIsExecutable)
{
    uint8_t buf[32];
    bool writable = false;

    EXPECT_EQ(mem_fetch(nullptr, kBase, buf, sizeof(buf), &writable), 0u);
    ASSERT_EQ(mem_mprotect(kBase, MEM_PAGE, PROT_READ | PROT_EXEC), 0);
    EXPECT_EQ(mem_fetch(nullptr, kBase, buf, sizeof(buf), &writable), sizeof(buf));
    EXPECT_FALSE(writable);
    // The next page is not executable: cut there.
    EXPECT_EQ(mem_fetch(nullptr, kBase + MEM_PAGE - 6, buf, sizeof(buf), &writable), 6u);
    // Executable only: readable for the translator all the same.
    ASSERT_EQ(mem_mprotect(kBase, MEM_PAGE, PROT_EXEC), 0);
    EXPECT_EQ(mem_fetch(nullptr, kBase, buf, sizeof(buf), &writable), sizeof(buf));
}

TEST_F(Mem, AreasSayTheGuestsProtection)
{
    MemArea a;

    ASSERT_TRUE(mem_area(kBase + 5, &a));
    EXPECT_EQ(a.start, kBase);
    EXPECT_EQ(a.end, kBase + 2 * MEM_PAGE);
    EXPECT_EQ(a.prot, PROT_READ | PROT_WRITE);
    EXPECT_FALSE(mem_area(kBase + 2 * MEM_PAGE, &a));
    EXPECT_FALSE(mem_area(kBase - 1, &a));
}

TEST_F(Mem, BrkGrowsAndShrinks)
{
    const int64_t start = 0x300000000;

    mem_set_brk(start);
    EXPECT_EQ(mem_brk(0), start);
    EXPECT_EQ(mem_brk(start + 100), start + 100);
    EXPECT_TRUE(mem_write_u32(start + 90, 1));
    EXPECT_EQ(mem_brk(start + 3 * MEM_PAGE), start + 3 * MEM_PAGE);
    EXPECT_TRUE(mem_write_u32(start + 2 * MEM_PAGE, 1));
    EXPECT_EQ(mem_brk(start), start);
    EXPECT_FALSE(mem_write_u32(start, 1));
    EXPECT_EQ(mem_brk(start - 1), start); // below its start: no change
    // Something is in the way.
    ASSERT_GE(mem_mmap(start + MEM_PAGE, MEM_PAGE, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED,
                       -1, 0), 0);
    EXPECT_EQ(mem_brk(start + 3 * MEM_PAGE), start);
}

} // namespace
