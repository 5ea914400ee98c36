/* SPDX-License-Identifier: Apache-2.0 */
/* mmap and relatives: placement, protection, holes, remapping, limits, the heap. */
#define _GNU_SOURCE
#include <setjmp.h>
#include <signal.h>
#include <stdint.h>
#include <sys/ipc.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/shm.h>

#include "check.h"

enum { PAGE = 4096 };

static sigjmp_buf env;
static volatile int code;

static void on_segv(int sig, siginfo_t *info, void *context)
{
    (void)sig;
    (void)context;
    code = info->si_code;
    siglongjmp(env, 1);
}

/* 0 when the access works, else the signal's code. */
static int try_read(volatile char *p)
{
    code = 0;
    if (!sigsetjmp(env, 1)) {
        (void)*p;
    }
    return code;
}

static int try_write(volatile char *p)
{
    code = 0;
    if (!sigsetjmp(env, 1)) {
        *p = 1;
    }
    return code;
}

static char *map(void *at, size_t pages, int prot, int flags)
{
    return mmap(at, pages * PAGE, prot, flags | MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
}

static void placement(void)
{
    char *p = map(NULL, 10, PROT_READ | PROT_WRITE, 0);
    char *hint = (char *)0x1800000000;

    CHECK(p != MAP_FAILED);
    CHECK(map(hint, 1, PROT_READ, 0) == hint);                       /* free: as wished */
    CHECK(map(hint, 1, PROT_READ, 0) != hint);                       /* taken: elsewhere */
    CHECK(map(hint, 1, PROT_READ, MAP_FIXED_NOREPLACE) == MAP_FAILED && errno == EEXIST);
    CHECK(map(hint, 1, PROT_READ | PROT_WRITE, MAP_FIXED) == hint);
    CHECK_EQ(try_write(hint), 0);
    CHECK(map(p + 1, 1, PROT_READ, MAP_FIXED) == MAP_FAILED && errno == EINVAL);
    CHECK(map((void *)(1L << 47), 1, PROT_READ, MAP_FIXED) == MAP_FAILED && errno == ENOMEM);
    CHECK(map(NULL, 1L << 40, PROT_READ, 0) == MAP_FAILED && errno == ENOMEM);
    CHECK(mmap(NULL, 0, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0) == MAP_FAILED);
    CHECK_EQ(errno, EINVAL);
    CHECK(mmap(NULL, PAGE, PROT_READ, MAP_PRIVATE, 999, 0) == MAP_FAILED && errno == EBADF);
    CHECK_ERRNO(munmap(p + 1, PAGE), EINVAL);
    CHECK_EQ(munmap(p, 10 * PAGE), 0);
    CHECK_EQ(munmap(p, 10 * PAGE), 0); /* nothing there: fine */
    CHECK_EQ(try_read(p), SEGV_MAPERR);
}

static void protection(void)
{
    char *p = map(NULL, 8, PROT_READ | PROT_WRITE, 0);

    for (int i = 0; i < 8; i++) {
        CHECK_EQ(mprotect(p + i * PAGE, PAGE, i & 1 ? PROT_READ : PROT_NONE), 0);
    }
    for (int i = 0; i < 8; i++) {
        CHECK_EQ(try_read(p + i * PAGE), i & 1 ? 0 : SEGV_ACCERR);
        CHECK_EQ(try_write(p + i * PAGE), SEGV_ACCERR);
    }
    CHECK_EQ(mprotect(p, 8 * PAGE, PROT_READ | PROT_WRITE), 0);
    CHECK_EQ(try_write(p + 5 * PAGE), 0);
    CHECK_EQ(munmap(p + 3 * PAGE, PAGE), 0);
    CHECK_ERRNO(mprotect(p, 8 * PAGE, PROT_READ), ENOMEM); /* a hole */
    CHECK_EQ(try_write(p), SEGV_ACCERR);                   /* what comes before it is changed */
    CHECK_EQ(try_write(p + 3 * PAGE), SEGV_MAPERR);
    CHECK_ERRNO(mprotect(p + 1, PAGE, PROT_READ), EINVAL);
    CHECK_ERRNO(msync(p, 8 * PAGE, MS_ASYNC), ENOMEM);
    CHECK_EQ(munmap(p, 8 * PAGE), 0);
}

static void remapping(void)
{
    char *p = map(NULL, 4, PROT_READ | PROT_WRITE, 0), *q, *r;

    memset(p, 'a', 4 * PAGE);
    q = mremap(p, 4 * PAGE, 2 * PAGE, 0);
    CHECK(q == p);
    CHECK_EQ(try_read(p + 2 * PAGE), SEGV_MAPERR);
    q = mremap(p, 2 * PAGE, 4 * PAGE, 0); /* in place: the hole is ours */
    CHECK(q == p);
    CHECK(p[0] == 'a' && p[2 * PAGE] == 0);
    r = map(p + 4 * PAGE, 1, PROT_READ, MAP_FIXED_NOREPLACE);
    if (r != MAP_FAILED) {
        CHECK(mremap(p, 4 * PAGE, 8 * PAGE, 0) == MAP_FAILED && errno == ENOMEM);
    }
    q = mremap(p, 4 * PAGE, 64 * PAGE, MREMAP_MAYMOVE);
    CHECK(q != MAP_FAILED && q[0] == 'a' && q[63 * PAGE] == 0);
    if (q != p) {
        CHECK_EQ(try_read(p), SEGV_MAPERR);
    }
    r = map(NULL, 64, PROT_NONE, 0);
    CHECK(mremap(q, 64 * PAGE, 64 * PAGE, MREMAP_MAYMOVE | MREMAP_FIXED, r) == r);
    CHECK_EQ(r[0], 'a');
    CHECK_EQ(try_write(r), 0);
    CHECK_EQ(try_read(q), SEGV_MAPERR);
    CHECK(mremap((void *)0x3000000000, PAGE, 2 * PAGE, MREMAP_MAYMOVE) == MAP_FAILED);
    CHECK_EQ(errno, EFAULT);
}

static void advice(void)
{
    char *p = map(NULL, 2, PROT_READ | PROT_WRITE, 0);
    unsigned char in[2];

    p[0] = p[PAGE] = 'x';
    CHECK_EQ(mincore(p, 2 * PAGE, in), 0);
    CHECK(in[0] & 1);
    CHECK_EQ(madvise(p, PAGE, MADV_DONTNEED), 0);
    CHECK(p[0] == 0 && p[PAGE] == 'x');
    CHECK_ERRNO(madvise((void *)0x3000000000, PAGE, MADV_DONTNEED), ENOMEM);
    CHECK_ERRNO(mincore((void *)0x3000000000, PAGE, in), ENOMEM);
    munmap(p, 2 * PAGE);
}

static void heap(void)
{
    char *start = sbrk(0);

    CHECK(sbrk(1 << 20) == start);
    memset(start, 1, 1 << 20);
    CHECK(sbrk(-(1 << 20)) == start + (1 << 20));
    CHECK(sbrk(0) == start);
    CHECK(sbrk(1L << 45) == (void *)-1);
}

static void limits(void)
{
    struct rlimit old, lim;
    char *p;

    CHECK_EQ(getrlimit(RLIMIT_AS, &old), 0);
    lim = old;
    lim.rlim_cur = 256 << 20;
    CHECK_EQ(setrlimit(RLIMIT_AS, &lim), 0);
    p = map(NULL, (300 << 20) / PAGE, PROT_READ, 0);
    CHECK(p == MAP_FAILED && errno == ENOMEM);
    p = map(NULL, 100, PROT_READ, 0);
    CHECK(p != MAP_FAILED);
    CHECK_EQ(getrlimit(RLIMIT_AS, &lim), 0);
    CHECK_EQ(lim.rlim_cur, 256 << 20);
    CHECK_EQ(setrlimit(RLIMIT_AS, &old), 0);
    p = map(NULL, (300 << 20) / PAGE, PROT_READ, MAP_NORESERVE);
    CHECK(p != MAP_FAILED);
    munmap(p, 300 << 20);
}

static void grows_down(void)
{
    char *p = map(NULL, 64, PROT_NONE, 0), *top = p + 60 * PAGE;

    CHECK_EQ(munmap(p, 64 * PAGE), 0);
    CHECK(map(top, 1, PROT_READ | PROT_WRITE, MAP_GROWSDOWN | MAP_FIXED_NOREPLACE) == top);
    for (int i = 1; i < 20; i++) {
        CHECK_EQ(try_write(top - i * PAGE), 0);
    }
}

static void segments(void)
{
    int id = shmget(IPC_PRIVATE, 3 * PAGE, 0600);
    char *a, *b;

    if (id < 0 && errno == ENOSYS) {
        return;
    }
    CHECK(id >= 0);
    a = shmat(id, NULL, 0);
    b = shmat(id, NULL, SHM_RDONLY);
    CHECK(a != (char *)-1 && b != (char *)-1 && a != b);
    a[0] = 'z';
    CHECK_EQ(b[0], 'z');
    CHECK_EQ(try_write(b), SEGV_ACCERR);
    CHECK_EQ(shmdt(a), 0);
    CHECK_EQ(try_read(a), SEGV_MAPERR);
    CHECK_ERRNO(shmdt(a), EINVAL);
    CHECK_EQ(shmdt(b), 0);
    CHECK_EQ(shmctl(id, IPC_RMID, NULL), 0);
}

int main(void)
{
    struct sigaction sa = { .sa_sigaction = on_segv, .sa_flags = SA_SIGINFO };

    CHECK_EQ(sigaction(SIGSEGV, &sa, NULL), 0);
    placement();
    protection();
    remapping();
    advice();
    heap();
    limits();
    grows_down();
    segments();
    return passed();
}
