/* SPDX-License-Identifier: Apache-2.0 */
/* A deep recursion, and coroutines that go to and fro between their stacks. */
#include <stdio.h>
#include <stdlib.h>
#include <ucontext.h>

enum { DEPTH = 400, SWITCHES = 5000 };

static ucontext_t here, there;
static volatile long work;

__attribute__((noipa)) static long deep(int n)
{
    return n ? deep(n - 1) + work : work;
}

__attribute__((noipa)) static void work_there(int n)
{
    work += n;
    swapcontext(&there, &here);
    work -= n / 2;
}

static void coroutine(void)
{
    for (int i = 0;; i++) {
        work_there(i);
    }
}

__attribute__((noipa)) static void work_here(void)
{
    work++;
    swapcontext(&here, &there);
    work++;
}

int main(void)
{
    getcontext(&there);
    there.uc_stack.ss_size = 64 << 10;
    there.uc_stack.ss_sp = malloc(there.uc_stack.ss_size);
    makecontext(&there, coroutine, 0);
    for (int i = 0; i < SWITCHES; i++) {
        work_here();
    }
    deep(DEPTH);
    puts("done");
    return 0;
}
