/* SPDX-License-Identifier: Apache-2.0 */
/* Threads that each do their own work: what each vcpu but the first executes is always the same. */
#include "start.h"

enum { THREADS = 4, STACK = 1 << 16, CLONE = 0x50f00, CHILD_CLEARTID = 0x200000, FUTEX_WAIT = 0 };

static char stacks[THREADS][STACK] __attribute__((aligned(16)));
static volatile int alive[THREADS];
static volatile long shared;

__attribute__((noinline, used)) static void work(long number)
{
    for (long i = 0; i < 20000 * (number + 1); i++) {
        __atomic_fetch_add(&shared, i & 3, __ATOMIC_RELAXED);
    }
    sys3(SYS_exit, 0, 0, 0);
}

/* clone() returns twice: in the child on an empty stack. */
__attribute__((noinline)) static void start_thread(long number)
{
    register long a0 __asm__("a0") = CLONE | CHILD_CLEARTID;
    register long a1 __asm__("a1") = (long)stacks[number] + STACK;
    register long a4 __asm__("a4") = (long)&alive[number];
    register long a7 __asm__("a7") = SYS_clone;
    register long s1 __asm__("s1") = number;

    __asm__ volatile("li a2, 0\nli a3, 0\necall\nbnez a0, 1f\nmv a0, s1\ncall work\n1:"
                     : "+r"(a0)
                     : "r"(a1), "r"(a4), "r"(a7), "r"(s1)
                     : "a2", "a3", "ra", "t0", "t1", "t2", "t3", "t4", "t5", "t6", "a5", "a6", "memory");
}

int run(const char *argument)
{
    for (long i = 0; i < THREADS; i++) {
        alive[i] = 1;
    }
    for (long i = 0; i < THREADS; i++) {
        start_thread(i);
    }
    for (int i = 0; i < THREADS; i++) {
        while (alive[i]) {
            sys6(SYS_futex, (long)&alive[i], FUTEX_WAIT, 1, 0, 0, 0);
        }
    }
    return shared == 0;
}
