/* SPDX-License-Identifier: Apache-2.0 */
/* Loads that fault in the middle of blocks; the handler goes on behind them.  Illegal instructions. */
#include "start.h"

enum { SIGILL = 4, SIGSEGV = 11, SA_SIGINFO = 4, PC_IN_CONTEXT = 176 };

typedef struct Action {
    void (*handler)(int, void *, char *);
    unsigned long flags, mask;
} Action;

static volatile long n_faults;

static void on_fault(int sig, void *info, char *context)
{
    n_faults++;
    *(unsigned long *)(context + PC_IN_CONTEXT) += 4;
}

/* A block of some length with a fault at its third, fifth or last access. */
__attribute__((noinline)) static long block(const long *a, const long *b, const long *c, long n)
{
    long s;

    __asm__ volatile("addi %0, %4, 1\n"
                     ".option push\n.option norvc\n"
                     "ld t0, 0(%1)\n add %0, %0, t0\n"
                     "ld t0, 8(%1)\n add %0, %0, t0\n"
                     "ld t1, 0(%2)\n add %0, %0, t1\n"
                     "ld t0, 0(%1)\n slli %0, %0, 1\n"
                     "ld t1, 0(%3)\n add %0, %0, t1\n"
                     "sd t0, 8(%1)\n xori %0, %0, 5\n"
                     "ld t1, 0(%2)\n add %0, %0, t1\n"
                     ".option pop\n"
                     : "=&r"(s)
                     : "r"(a), "r"(b), "r"(c), "r"(n)
                     : "t0", "t1", "memory");
    return s;
}

__attribute__((noinline)) static long loop(const long *p, int n)
{
    long s = 0;

    for (int i = 0; i < n; i++) {
        long v = i;

        __asm__ volatile(".option push\n.option norvc\nld %0, 0(%1)\n.option pop"
                         : "+r"(v) : "r"(i % 500 == 499 ? (const long *)64 : p + i % 8));
        s += v;
    }
    return s;
}

int run(const char *argument)
{
    static Action action = { on_fault, SA_SIGINFO, 0 };
    static long good[8] = { 1, 2, 3, 4, 5, 6, 7, 8 };
    const long *bad = (const long *)64;
    long s = 0;

    sys6(SYS_rt_sigaction, SIGSEGV, (long)&action, 0, 8, 0, 0);
    sys6(SYS_rt_sigaction, SIGILL, (long)&action, 0, 8, 0, 0);
    for (int i = 0; i < 300; i++) {
        s += block(good, i % 3 == 0 ? bad : good, i % 7 == 0 ? bad : good, i);
        __asm__ volatile(".word 0xffffffff"); /* illegal, four bytes */
    }
    s += loop(good, 20000);
    return s == 0 || n_faults != 300 + 100 * 2 + 43 + 40;
}
