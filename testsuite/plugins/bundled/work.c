/* SPDX-License-Identifier: Apache-2.0 */
/* A guest with calls, a signal handler, longjmp, loads and stores; unless ALONE a thread and a child.  With
 * FAULTS accesses in the middle of blocks that fault, at an address known from others of the block. */
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
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

#ifdef FAULTS
static sigjmp_buf after_fault;

static void on_fault(int sig)
{
    siglongjmp(after_fault, sig);
}

/* The accesses at n and behind it fault. */
KEEP void six(const char *p, long n)
{
    p -= 8 * n;
    __asm__ volatile("ld t0, 0(%0)\n ld t1, 8(%0)\n add t0, t0, t1\n sd t0, -64(%0)\n ld t1, 16(%0)\n"
                     "ld t2, -64(%0)\n ld t1, 24(%0)\n"
                     : : "r"(p) : "t0", "t1", "t2", "memory");
}

KEEP void faults(void)
{
    char *pages = mmap(NULL, 8192, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

    mprotect(pages + 4096, 4096, PROT_NONE);
    signal(SIGSEGV, on_fault);
    for (volatile int i = 0; i < 300; i++) {
        if (sigsetjmp(after_fault, 1) == 0) {
            six(pages + 4096, i % 5);
        }
        cells[i]++;
    }
}
#endif

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

#ifdef FAULTS
    faults();
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
