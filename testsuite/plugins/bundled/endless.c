/* SPDX-License-Identifier: Apache-2.0 */
/* Never ends by itself: a thread that sleeps in a system call, one that stores, and the first, which does either. */
#include <pthread.h>
#include <stdio.h>
#include <unistd.h>

static volatile long cells[64];

static void *store(void *unused)
{
    for (unsigned long i = 0;; i++) {
        cells[i % 64] = (long)i;
    }
    return unused;
}

static void *wait_for_ever(void *unused)
{
    for (;;) {
        pause();
    }
    return unused;
}

int main(int argc, char **argv)
{
    pthread_t threads[2];

    (void)argv;
    pthread_create(&threads[0], NULL, store, NULL);
    pthread_create(&threads[1], NULL, wait_for_ever, NULL);
    while (cells[63] == 0) {
    }
    puts("runs");
    fflush(stdout);
    argc > 1 ? store(NULL) : wait_for_ever(NULL);
    return 0;
}
