/* SPDX-License-Identifier: Apache-2.0 */
/* Synchronous signals: exact pc, address, code and registers; handlers that change them. */
#define _GNU_SOURCE
#include <fcntl.h>
#include <signal.h>
#include <stdint.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <ucontext.h>

#include "check.h"

static volatile struct {
    int count, sig, code;
    uint64_t addr, pc, a0, a1, s2, t3;
    double fs2;
} seen;

static uint64_t new_a0;

static unsigned insn_size(uint64_t pc)
{
    return (*(uint16_t *)pc & 3) == 3 ? 4 : 2;
}

static void handler(int sig, siginfo_t *info, void *context)
{
    mcontext_t *m = &((ucontext_t *)context)->uc_mcontext;

    seen.count++;
    seen.sig = sig;
    seen.code = info->si_code;
    seen.addr = (uint64_t)info->si_addr;
    seen.pc = m->__gregs[0];
    seen.a0 = m->__gregs[10];
    seen.a1 = m->__gregs[11];
    seen.s2 = m->__gregs[18];
    seen.t3 = m->__gregs[28];
    seen.fs2 = *(double *)&m->__fpregs.__d.__f[18];
    m->__gregs[10] = new_a0;
    m->__gregs[0] += insn_size(m->__gregs[0]);
}

static void want(int sig, int code, uint64_t addr)
{
    CHECK_EQ(seen.sig, sig);
    CHECK_EQ(seen.code, code);
    CHECK_EQ(seen.addr, addr);
}

/* A load in the middle of code that has values in registers only. */
static void load_fault(uint64_t bad, int code)
{
    uint64_t result, label;

    new_a0 = 0x1234;
    __asm__ volatile("la %1, 1f\n"
                     "mv a1, %2\n"
                     "li s2, 1000\n"
                     "li t3, 7\n"
                     "fcvt.d.l fs2, t3\n"
                     "li a0, 55\n"
                     "addi s2, s2, 23\n"
                     "slli t3, t3, 4\n"
                     "1: ld a0, 8(a1)\n"
                     "addi s2, s2, 1\n"
                     "add %0, a0, s2\n"
                     : "=&r"(result), "=&r"(label)
                     : "r"(bad)
                     : "a0", "a1", "s2", "t3", "fs2", "memory");
    want(SIGSEGV, code, bad + 8);
    CHECK_EQ(seen.pc, label);
    CHECK_EQ(seen.a0, 55);
    CHECK_EQ(seen.a1, bad);
    CHECK_EQ(seen.s2, 1023);
    CHECK_EQ(seen.t3, 7 << 4);
    CHECK(seen.fs2 == 7.0);
    CHECK_EQ(result, 0x1234 + 1024);
}

/* The base may be in any register; with so many in use, on the host in its frame pointer, too. */
static void every_base(uint64_t bad)
{
    new_a0 = bad; /* which the compiler may have there */
#define BASE(reg, n)                                                                        \
    __asm__ volatile("xori a1, %0, 0x10\n xori a2, %0, 0x20\n xori a3, %0, 0x30\n"          \
                     "xori a4, %0, 0x40\n xori a5, %0, 0x50\n xori a6, %0, 0x60\n"          \
                     "xori a7, %0, 0x70\n xori s2, %0, 0x80\n xori s3, %0, 0x90\n"          \
                     "xori s4, %0, 0xa0\n xori s5, %0, 0xb0\n xori s6, %0, 0xc0\n"          \
                     "xori s7, %0, 0xd0\n xori s8, %0, 0xe0\n xori s9, %0, 0xf0\n"          \
                     "lw t3, 8(" reg ")"                                                    \
                     :                                                                      \
                     : "r"(bad)                                                             \
                     : "a1", "a2", "a3", "a4", "a5", "a6", "a7", "s2", "s3", "s4", "s5",    \
                       "s6", "s7", "s8", "s9", "t3", "memory");                             \
    want(SIGSEGV, SEGV_MAPERR, bad + 8 + 0x10 * n);
    BASE("a1", 1) BASE("a2", 2) BASE("a3", 3) BASE("a4", 4) BASE("a5", 5) BASE("a6", 6) BASE("a7", 7)
    BASE("s2", 8) BASE("s3", 9) BASE("s4", 10) BASE("s5", 11) BASE("s6", 12) BASE("s7", 13)
    BASE("s8", 14) BASE("s9", 15)
#undef BASE
}

static volatile char *volatile page;

static void every_access(void)
{
    uint64_t p = (uint64_t)page;
    int before = seen.count;

    new_a0 = 0;
    __asm__ volatile("sb zero, 1(%0)\n" ::"r"(p) : "a0", "memory");
    want(SIGSEGV, SEGV_ACCERR, p + 1);
    __asm__ volatile("sd zero, -8(%0)\n" ::"r"(p + 64) : "a0", "memory");
    want(SIGSEGV, SEGV_ACCERR, p + 56);
    __asm__ volatile("fsd fa0, 16(%0)\n" ::"r"(p) : "a0", "memory");
    want(SIGSEGV, SEGV_ACCERR, p + 16);
    __asm__ volatile("mv a1, %0\n amoadd.w zero, zero, (a1)\n" ::"r"(p + 4) : "a0", "a1", "memory");
    want(SIGSEGV, SEGV_ACCERR, p + 4);
    __asm__ volatile("lr.d a0, (%0)\n sc.d a0, a0, (%0)\n" ::"r"(p) : "a0", "memory");
    CHECK_EQ(seen.addr, p);
    CHECK(seen.count - before >= 5);
}

/* In a loop that is hot when it faults. */
static void hot_loop_fault(void)
{
    size_t size = 1 << 20;
    char *area = mmap(NULL, size + 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    uint64_t end = (uint64_t)area + size, p = (uint64_t)area, count = 0, sum = 0;

    CHECK(area != MAP_FAILED);
    CHECK_EQ(mprotect(area + size, 4096, PROT_READ), 0);
    new_a0 = 0;
    __asm__ volatile("1: mv a0, %0\n"
                     "sd %1, 0(a0)\n"
                     "addi %1, %1, 1\n"
                     "add %2, %2, %1\n"
                     "addi %0, %0, 8\n"
                     "bnez a0, 1b\n"
                     : "+r"(p), "+r"(count), "+r"(sum)
                     :
                     : "a0", "memory");
    want(SIGSEGV, SEGV_ACCERR, end);
    CHECK_EQ(p, end + 8);
    CHECK_EQ(count, size / 8 + 1);
    CHECK_EQ(sum, count * (count + 1) / 2);
    munmap(area, size + 4096);
}

static void other_signals(void)
{
    uint64_t label;
    char *map;
    int fd;

    new_a0 = 0;
    __asm__ volatile("la %0, 1f\n1: .4byte 0xffffffff\n" : "=r"(label)::"a0");
    want(SIGILL, ILL_ILLOPC, label);
    CHECK_EQ(seen.pc, label);
    __asm__ volatile("la %0, 1f\n1: .2byte 0\n" : "=r"(label)::"a0");
    want(SIGILL, ILL_ILLOPC, label);
    __asm__ volatile("la %0, 1f\n1: ebreak\n" : "=r"(label)::"a0");
    want(SIGTRAP, TRAP_BRKPT, label);
    CHECK_EQ(seen.pc, label);
    fd = memfd_create("short", 0);
    CHECK_EQ(ftruncate(fd, 10), 0);
    map = mmap(NULL, 8192, PROT_READ, MAP_PRIVATE, fd, 0);
    CHECK(map != MAP_FAILED);
    __asm__ volatile("lbu a0, 0(%0)\n" ::"r"(map + 4096) : "a0", "memory");
    want(SIGBUS, BUS_ADRERR, (uint64_t)map + 4096);
}

/* Blocked or ignored, a fault kills. */
static void killed_by_fault(int how)
{
    int status;
    pid_t pid = fork();

    if (pid == 0) {
        if (how == 0) {
            sigset_t set;

            sigemptyset(&set);
            sigaddset(&set, SIGSEGV);
            sigprocmask(SIG_BLOCK, &set, NULL);
        } else {
            signal(SIGSEGV, how == 1 ? SIG_IGN : SIG_DFL);
        }
        *(volatile int *)8 = 1;
        _exit(0);
    }
    CHECK_EQ(waitpid(pid, &status, 0), pid);
    CHECK(WIFSIGNALED(status));
    CHECK_EQ(WTERMSIG(status), SIGSEGV);
}

int main(void)
{
    struct sigaction sa = { .sa_sigaction = handler, .sa_flags = SA_SIGINFO };

    CHECK_EQ(sigaction(SIGSEGV, &sa, NULL), 0);
    CHECK_EQ(sigaction(SIGBUS, &sa, NULL), 0);
    CHECK_EQ(sigaction(SIGILL, &sa, NULL), 0);
    CHECK_EQ(sigaction(SIGTRAP, &sa, NULL), 0);
    page = mmap(NULL, 4096, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    load_fault(0x100, SEGV_MAPERR);
    load_fault(0x3000000000, SEGV_MAPERR);
    load_fault(0x0123456789abcdef, SEGV_MAPERR); /* no address at all on the host */
    load_fault(0xffffffffffff0000, SEGV_MAPERR);
    every_base(0x8000000000000000);
    every_base(0x3000000000);
    mprotect((void *)page, 4096, PROT_NONE);
    load_fault((uint64_t)page, SEGV_ACCERR);
    mprotect((void *)page, 4096, PROT_READ);
    for (int i = 0; i < 100; i++) {
        every_access();
    }
    hot_loop_fault();
    other_signals();
    for (int how = 0; how < 3; how++) {
        killed_by_fault(how);
    }
    return passed();
}
