/* SPDX-License-Identifier: Apache-2.0 */
/* A cheap system call in a loop. */
#include <stdio.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "kernel.h"

int main(int argc, char **argv)
{
    long n = kernel_amount(argc, argv, 3000000);
    long sum = 0;

    for (long i = 0; i < n; i++) {
        sum += syscall(SYS_getppid) > 0;
    }
    printf("%ld\n", sum);
    return 0;
}
