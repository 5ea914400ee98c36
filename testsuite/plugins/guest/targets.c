/* SPDX-License-Identifier: Apache-2.0 */
/* What checks.c looks at and changes, by the first letters of the argument. */
#include "start.h"

enum { SYS_wait4 = 260, SIGCHLD = 17 };

static struct {
    unsigned long word;
    unsigned char bytes[8];
    double number;
    int counter;
} data = { 0, { 0xfe, 0xfd }, 123.456, 5 };

static char text[8] = "seven";

/* Its first instruction is the one with callbacks; returns a0. */
__attribute__((noinline)) static long target(long a)
{
    __asm__ volatile("" : "+r"(a));
    return a;
}

/* 5 + 1; callbacks of the load write both registers, of which it writes one itself. */
__attribute__((noinline)) static long rewritten(void)
{
    static long five = 5;
    long sum;

    __asm__ volatile("li t1, 1\n"
                     "ld t0, 0(%1)\n"
                     "add %0, t0, t1"
                     : "=r"(sum)
                     : "r"(&five)
                     : "t0", "t1", "memory");
    return sum;
}

__attribute__((noinline)) static void accesses(void)
{
    __asm__ volatile("sd %1, 0(%0)\n"
                     "lb t0, 8(%0)\n"
                     "lhu t0, 8(%0)\n"
                     "amoadd.w t0, %2, (%3)\n"
                     "fld ft0, 16(%0)"
                     :
                     : "r"(&data), "r"(0x1122334455667788), "r"(7), "r"(&data.counter)
                     : "t0", "ft0", "memory");
}

static int forked(void)
{
    long child = sys6(SYS_clone, SIGCHLD, 0, 0, 0, 0, 0);

    return child ? sys6(SYS_wait4, child, 0, 0, 0, 0, 0) != child : 0;
}

int run(const char *argument)
{
    switch (argument[0]) {
    case 'r': /* registers */
        return target(5) != 42;
    case 'm': /* memory */
        target((long)text);
        return text[0] != 'e' || text[4] != 't';
    case 'g': /* gone */
        target(0);
        for (int i = 0; i < 100; i++) {
            sys6(SYS_getpid, 0, 0, 0, 0, 0, 0);
        }
        return target(0);
    case 'w': /* writes */
        return rewritten() != 47;
    case 'v': /* values */
        accesses();
        return 0;
    case 'f': /* fork */
        return forked();
    default:
        return target(0);
    }
}
