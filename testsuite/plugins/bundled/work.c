/* SPDX-License-Identifier: Apache-2.0 */
/* A guest with calls, a signal handler, longjmp, loads and stores; unless ALONE a thread and a child. */
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#define KEEP __attribute__((noinline, noclone))

static volatile uint64_t cells[512];
static jmp_buf out;

KEEP void innermost(int n)
{
    cells[n % 512]++;
}

KEEP void middle(int n)
{
    innermost(n + 1);
    cells[0] += (uint64_t)n;
}

KEEP static void handler(int sig)
{
    middle(sig);
    cells[1]++;
}

KEEP void fill(void)
{
    for (int i = 0; i < 100000; i++) {
        cells[i % 512] = (uint64_t)i;
    }
}

KEEP void jumps(int depth)
{
    if (depth == 0) {
        longjmp(out, 1);
    }
    jumps(depth - 1);
    cells[2]++;
}

#ifndef ALONE
static void *thread(void *unused)
{
    (void)unused;
    fill();
    return NULL;
}
#endif

int main(void)
{
#ifndef ALONE
    pthread_t other;
    pid_t child;
#endif

    signal(SIGUSR1, handler);
    for (int i = 0; i < 10; i++) {
        middle(i);
    }
    raise(SIGUSR1);
    if (setjmp(out) == 0) {
        jumps(20);
    }
    fill();
#ifndef ALONE
    pthread_create(&other, NULL, thread, NULL);
    pthread_join(other, NULL);
    child = fork();
    if (child == 0) {
        fill();
        _exit(0);
    }
    waitpid(child, NULL, 0);
#endif
    printf("done %d\n", (int)cells[3]);
    return 0;
}
