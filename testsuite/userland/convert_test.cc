// SPDX-License-Identifier: Apache-2.0
// Structs of the guest's layout, byte by byte, and the names that -strace shows.
#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>

#include <string>

#include <gtest/gtest.h>

extern "C" {
#include "userland/convert.h"
#include "userland/flags.h"
#include "userland/ioctl.h"
#include "userland/show.h"
}

namespace {

template <typename T, typename S> T At(const S &s, size_t offset)
{
    T v;
    memcpy(&v, reinterpret_cast<const char *>(&s) + offset, sizeof(v));
    return v;
}

// Offsets of asm-generic/stat.h, written down by hand.
TEST(Convert, StatHasTheGenericLayout)
{
    struct stat host = {};
    host.st_dev = 0x1122334455667788;
    host.st_ino = 0x0123456789abcdef;
    host.st_mode = 0100644;
    host.st_nlink = 3;
    host.st_uid = 1000;
    host.st_gid = 1001;
    host.st_rdev = 0x501;
    host.st_size = INT64_C(1) << 40;
    host.st_blksize = 4096;
    host.st_blocks = 77;
    host.st_atim = {1, 2};
    host.st_mtim = {-3, 4};
    host.st_ctim = {5, 6};
    GuestStat g = convert_stat(&host);
    EXPECT_EQ(At<uint64_t>(g, 0), 0x1122334455667788u);
    EXPECT_EQ(At<uint64_t>(g, 8), 0x0123456789abcdefu);
    EXPECT_EQ(At<uint32_t>(g, 16), 0100644u);
    EXPECT_EQ(At<uint32_t>(g, 20), 3u);
    EXPECT_EQ(At<uint32_t>(g, 24), 1000u);
    EXPECT_EQ(At<uint32_t>(g, 28), 1001u);
    EXPECT_EQ(At<uint64_t>(g, 32), 0x501u);
    EXPECT_EQ(At<int64_t>(g, 48), INT64_C(1) << 40);
    EXPECT_EQ(At<int32_t>(g, 56), 4096);
    EXPECT_EQ(At<int64_t>(g, 64), 77);
    EXPECT_EQ(At<int64_t>(g, 72), 1);
    EXPECT_EQ(At<uint64_t>(g, 80), 2u);
    EXPECT_EQ(At<int64_t>(g, 88), -3);
    EXPECT_EQ(At<uint64_t>(g, 96), 4u);
    EXPECT_EQ(At<int64_t>(g, 104), 5);
    EXPECT_EQ(At<uint64_t>(g, 112), 6u);
}

TEST(Convert, EpollEventIsNotPackedOnTheGuest)
{
    GuestEpollEvent g = {};
    g.events = EPOLLIN | EPOLLET;
    g.data = 0xfeedfacecafebeef;
    EXPECT_EQ(At<uint64_t>(g, 8), 0xfeedfacecafebeefu);
    struct epoll_event host = convert_epoll_to_host(&g);
    EXPECT_EQ(sizeof(host), 12u);
    EXPECT_EQ(At<uint64_t>(host, 4), 0xfeedfacecafebeefu);
    GuestEpollEvent back = convert_epoll_to_guest(&host);
    EXPECT_EQ(back.events, g.events);
    EXPECT_EQ(back.data, g.data);
}

TEST(Convert, SemidHasNoSpareWordsAfterTheTimes)
{
    HostSemid host = {};
    memset(host.perm, 0x5a, sizeof(host.perm));
    host.otime = 11;
    host.ctime = 22;
    host.nsems = 33;
    host.unused1 = host.unused2 = ~UINT64_C(0);
    GuestSemid g = convert_semid_to_guest(&host);
    EXPECT_EQ(At<uint8_t>(g, 47), 0x5a);
    EXPECT_EQ(At<int64_t>(g, 48), 11);
    EXPECT_EQ(At<int64_t>(g, 56), 22);
    EXPECT_EQ(At<uint64_t>(g, 64), 33u);
    HostSemid back = convert_semid_to_host(&g);
    EXPECT_EQ(back.otime, 11);
    EXPECT_EQ(back.ctime, 22);
    EXPECT_EQ(back.nsems, 33u);
    EXPECT_EQ(memcmp(back.perm, host.perm, sizeof(host.perm)), 0);
}

std::string Flags(unsigned set, uint32_t value, size_t size = 256)
{
    char text[256];
    flags_text(set, value, text, size);
    return text;
}

TEST(Flags, NamesAndRest)
{
    EXPECT_EQ(Flags(FS_open, O_RDONLY), "O_RDONLY");
    EXPECT_EQ(Flags(FS_open, O_WRONLY | O_CREAT | O_TRUNC), "O_WRONLY|O_CREAT|O_TRUNC");
    EXPECT_EQ(Flags(FS_open, O_RDWR | O_SYNC), "O_RDWR|O_SYNC");
    EXPECT_EQ(Flags(FS_open, O_RDWR | O_DSYNC), "O_RDWR|O_DSYNC");
    EXPECT_EQ(Flags(FS_open, 0x80000000), "O_RDONLY|0x80000000");
    EXPECT_EQ(Flags(FS_prot, 0), "PROT_NONE");
    EXPECT_EQ(Flags(FS_prot, 7), "PROT_READ|PROT_WRITE|PROT_EXEC");
    EXPECT_EQ(Flags(FS_af, 1234), "0x4d2");
    EXPECT_EQ(Flags(FS_at, 0), "0");
    EXPECT_EQ(Flags(FS_futex, 128 | 9), "FUTEX_PRIVATE_FLAG|FUTEX_WAIT_BITSET");
}

TEST(Flags, ASmallBufferIsCutNotOverrun)
{
    char text[8] = "_______";
    flags_text(FS_open, ~0u, text, 4);
    EXPECT_EQ(strlen(text), 3u);
    EXPECT_EQ(text[4], '_');
}

TEST(Ioctl, NamesAndSizes)
{
    const IoctlInfo *info = ioctl_find(TIOCGWINSZ);
    ASSERT_NE(info, nullptr);
    EXPECT_STREQ(info->name, "TIOCGWINSZ");
    EXPECT_EQ(info->size, sizeof(struct winsize));
    EXPECT_EQ(ioctl_find(0xdeadbeef), nullptr);
}

std::string Show(ShowFn *fn, uint64_t value, unsigned set = 0)
{
    Text text = {};
    Shown s = { value, 0, 0, 0, set, 0 };
    fn(&text, &s);
    return text.bytes;
}

TEST(Show, Values)
{
    EXPECT_EQ(Show(show_int, 0xffffffff), "-1");
    EXPECT_EQ(Show(show_dirfd, static_cast<uint64_t>(AT_FDCWD)), "AT_FDCWD");
    EXPECT_EQ(Show(show_octal, 0644), "0644");
    EXPECT_EQ(Show(show_ptr, 0), "NULL");
    EXPECT_EQ(Show(show_ptr, 0x1000), "0x1000");
    EXPECT_EQ(Show(show_signal, SIGCHLD), "SIGCHLD");
    EXPECT_EQ(Show(show_signal, 34), "SIGRT_2");
    EXPECT_EQ(Show(show_mask, 1u << (SIGINT - 1)), "[SIGINT]");
    EXPECT_EQ(Show(show_mask, ~UINT64_C(0)), "~[]");
    EXPECT_EQ(Show(show_limit, ~UINT64_C(0)), "RLIM_INFINITY");
    EXPECT_EQ(Show(show_handler, 1), "SIG_IGN");
}

TEST(Show, TextNeverOverflows)
{
    Text text = {};
    for (int i = 0; i < 10000; i++) {
        text_add(&text, "%s", "0123456789");
    }
    EXPECT_EQ(text.length, static_cast<size_t>(TEXT_SIZE - 1));
    EXPECT_EQ(strlen(text.bytes), text.length);
}

}  // namespace
