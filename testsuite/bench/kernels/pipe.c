/* SPDX-License-Identifier: Apache-2.0 */
/* A byte to and fro between two processes through pipes. */
#include <stdio.h>
#include <sys/wait.h>
#include <unistd.h>

#include "kernel.h"

static void echo(int in, int out)
{
    char c;

    while (read(in, &c, 1) == 1) {
        c ^= 0x55;
        if (write(out, &c, 1) != 1) {
            break;
        }
    }
    _exit(0);
}

int main(int argc, char **argv)
{
    long n = kernel_amount(argc, argv, 50000);
    int there[2], back[2];
    long sum = 0;

    if (pipe(there) || pipe(back)) {
        return 1;
    }
    if (fork() == 0) {
        close(there[1]);
        echo(there[0], back[1]);
    }
    for (long i = 0; i < n; i++) {
        char c = (char)i;

        if (write(there[1], &c, 1) != 1 || read(back[0], &c, 1) != 1) {
            return 1;
        }
        sum += c == (char)(i ^ 0x55);
    }
    close(there[1]);
    wait(NULL);
    printf("%ld\n", sum);
    return 0;
}
