/* SPDX-License-Identifier: Apache-2.0 */
/* Recursive calls. */
#include <stdio.h>

#include "kernel.h"

static __attribute__((noinline)) long fib(long n)
{
    return n < 2 ? n : fib(n - 1) + fib(n - 2);
}

int main(int argc, char **argv)
{
    printf("%ld\n", fib(kernel_amount(argc, argv, 41)));
    return 0;
}
