/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <gtest/gtest.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

extern "C" {
#include "backends/common/codebuf.h"
}

namespace
{

struct Buf {
    explicit Buf(size_t size) : b(codebuf_new(size))
    {
    }
    ~Buf()
    {
        codebuf_free(b);
    }
    CodeBuf *b;
};

const void *Emit(CodeBuf *b, const char *bytes, size_t n)
{
    uint8_t *p = codebuf_reserve(b, 0, n);
    EXPECT_NE(nullptr, p);
    memcpy(p, bytes, n);
    return codebuf_commit(b, n);
}

std::string Permissions(const void *address)
{
    FILE *f = fopen("/proc/self/maps", "r");
    char line[512], perms[8];
    unsigned long lo, hi;
    std::string found;
    while (fgets(line, sizeof(line), f)) {
        if (sscanf(line, "%lx-%lx %7s", &lo, &hi, perms) == 3 && lo <= (unsigned long)address &&
            (unsigned long)address < hi)
            found = perms;
    }
    fclose(f);
    return found;
}

TEST(CodeBuf, SizeIsRoundedUpAndBounded)
{
    Buf buf(1);
    EXPECT_EQ(2u << 20, codebuf_size(buf.b));
    errno = 0;
    EXPECT_EQ(nullptr, codebuf_new((size_t{ 1 } << 30) + 1));
    EXPECT_EQ(EINVAL, errno);
}

TEST(CodeBuf, NeverWritableAndExecutableAtOneAddress)
{
    Buf buf(1 << 20);
    uint8_t *rw = codebuf_reserve(buf.b, 0, 1);
    *rw = 0xc3;
    const void *rx = codebuf_commit(buf.b, 1);
    EXPECT_EQ("rw-s", Permissions(rw));
    EXPECT_EQ("r-xs", Permissions(rx));
    EXPECT_EQ(0xc3, *(const uint8_t *)rx);
    EXPECT_EQ(rw, codebuf_rw(buf.b, rx));
    EXPECT_EQ(rx, codebuf_rx(buf.b, rw));
    EXPECT_TRUE(codebuf_contains(buf.b, rx));
    EXPECT_FALSE(codebuf_contains(buf.b, rw));
}

TEST(CodeBuf, FillsUpAndCanBeEmptied)
{
    Buf buf(2 << 20);
    const size_t piece = 1000, padded = 1008;
    size_t n = 0;
    while (codebuf_reserve(buf.b, 0, piece)) {
        EXPECT_EQ(0u, (uintptr_t)codebuf_commit(buf.b, piece) % 16);
        n++;
    }
    EXPECT_EQ((2u << 20) / padded, n);
    EXPECT_EQ((n - 1) * padded + piece, codebuf_used(buf.b));
    codebuf_reset(buf.b);
    EXPECT_EQ(0u, codebuf_used(buf.b));
    EXPECT_NE(nullptr, codebuf_reserve(buf.b, 0, 2 << 20));
}

TEST(CodeBuf, ReservationWithoutCommitTakesNothing)
{
    Buf buf(2 << 20);
    uint8_t *first = codebuf_reserve(buf.b, 0, 100);
    EXPECT_EQ(first, codebuf_reserve(buf.b, 0, 100));
    EXPECT_EQ(0u, codebuf_used(buf.b));
}

TEST(CodeBuf, ChildOfForkHasItsOwnCopy)
{
    Buf buf(2 << 20);
    const void *code = Emit(buf.b, "first", 6);
    codebuf_fork_prepare(buf.b, false);
    pid_t pid = fork();
    if (pid == 0) {
        bool same = codebuf_fork_child(buf.b) && strcmp((const char *)code, "first") == 0;
        strcpy((char *)codebuf_rw(buf.b, code), "child");
        bool changed = strcmp((const char *)code, "child") == 0;
        bool exact = Permissions(code) == "r-xs";
        _exit(same && changed && exact ? 0 : 1);
    }
    codebuf_fork_parent(buf.b);
    int status = -1;
    ASSERT_EQ(pid, waitpid(pid, &status, 0));
    EXPECT_EQ(0, status);
    EXPECT_STREQ("first", (const char *)code);
}

TEST(CodeBuf, ChildStartsEmptyWhenTheCopyIsNotAllowed)
{
    Buf buf(2 << 20);
    const void *code = Emit(buf.b, "first", 6);
    struct rlimit old, small;

    getrlimit(RLIMIT_FSIZE, &old);
    small = old;
    small.rlim_cur = 4096;
    setrlimit(RLIMIT_FSIZE, &small);
    codebuf_fork_prepare(buf.b, false);
    setrlimit(RLIMIT_FSIZE, &old);
    pid_t pid = fork();
    if (pid == 0) {
        bool empty = !codebuf_fork_child(buf.b) && codebuf_used(buf.b) == 0;
        bool again = Emit(buf.b, "child", 6) == code && strcmp((const char *)code, "child") == 0;
        _exit(empty && again ? 0 : 1);
    }
    codebuf_fork_parent(buf.b);
    int status = -1;
    ASSERT_EQ(pid, waitpid(pid, &status, 0));
    EXPECT_EQ(0, status);
    EXPECT_STREQ("first", (const char *)code);
}

} // namespace
