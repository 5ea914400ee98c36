/* SPDX-License-Identifier: Apache-2.0 */
/* Four threads that execute the same three instructions for ever (testsuite/rsp.py has their bytes), once a
 * debugger has set `go`. */
#include <pthread.h>
#include <stddef.h>

volatile int go;

__attribute__((noinline)) void ready(void)
{
    __asm__ volatile("");
}

static void *run(void *opaque)
{
    while (!go) {
    }
    __asm__ volatile("li s1, 0\n"
                     "li s2, 0\n"
                     "1: addi s1, s1, 1\n"
                     ".globl spot\n"
                     "spot: addi s2, s2, 1\n"
                     "j 1b\n" ::: "s1", "s2");
    return opaque;
}

int main(void)
{
    pthread_t thread;

    for (int i = 0; i < 3; i++) {
        pthread_create(&thread, NULL, run, NULL);
    }
    ready();
    run(NULL);
    return 0;
}
