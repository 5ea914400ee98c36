/* SPDX-License-Identifier: Apache-2.0 */
/* setjmp and longjmp. */
#include <setjmp.h>
#include <stdio.h>

#include "kernel.h"

static jmp_buf place;

/* Never returns by itself: only the depth of the stack is of interest. */
static __attribute__((noinline)) void dive(int depth, int value)
{
    if (depth > 0) {
        dive(depth - 1, value);
        __asm__ volatile("" ::: "memory"); /* no tail call */
        return;
    }
    longjmp(place, value);
}

int main(int argc, char **argv)
{
    const volatile long n = kernel_amount(argc, argv, 20000000);
    volatile long total = 0;

    for (volatile long i = 0; i < n; i++) {
        int got = setjmp(place);

        if (got == 0) {
            dive((int)(i & 3), (int)(i & 255) + 1);
        }
        total += got;
    }
    printf("%ld\n", (long)total);
    return 0;
}
