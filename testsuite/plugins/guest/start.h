/* SPDX-License-Identifier: Apache-2.0 */
/* Freestanding programs: what they execute depends on nothing but themselves. */
#ifndef KETCH_TESTSUITE_PLUGINS_START_H
#define KETCH_TESTSUITE_PLUGINS_START_H

enum { SYS_write = 64, SYS_exit = 93, SYS_kill = 129, SYS_rt_sigaction = 134, SYS_rt_sigprocmask = 135,
       SYS_rt_sigtimedwait = 137, SYS_getpid = 172, SYS_futex = 98,
       SYS_clone = 220, SYS_mmap = 222 };

static inline long sys6(long n, long a, long b, long c, long d, long e, long f)
{
    register long a0 __asm__("a0") = a, a1 __asm__("a1") = b, a2 __asm__("a2") = c;
    register long a3 __asm__("a3") = d, a4 __asm__("a4") = e, a5 __asm__("a5") = f;
    register long a7 __asm__("a7") = n;

    __asm__ volatile("ecall"
                     : "+r"(a0)
                     : "r"(a1), "r"(a2), "r"(a3), "r"(a4), "r"(a5), "r"(a7)
                     : "memory");
    return a0;
}

static inline long sys3(long n, long a, long b, long c)
{
    return sys6(n, a, b, c, 0, 0, 0);
}

int run(const char *argument);

__attribute__((used, noreturn)) static void start(const long *sp)
{
    sys3(SYS_exit, run(sp[0] > 1 ? (const char *)sp[2] : ""), 0, 0);
    __builtin_unreachable();
}

__asm__(".globl _start\n_start:\n"
        ".option push\n.option norelax\nla gp, __global_pointer$\n.option pop\n"
        "mv a0, sp\ntail start");

#endif
