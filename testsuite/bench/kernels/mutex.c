/* SPDX-License-Identifier: Apache-2.0 */
/* A pthread mutex around a counter; the second argument is the number of threads. */
#include <pthread.h>
#include <stdio.h>

#include "kernel.h"

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static long counter;
static long rounds;

static void *worker(void *arg)
{
    (void)arg;
    for (long i = 0; i < rounds; i++) {
        pthread_mutex_lock(&lock);
        counter += i & 3;
        pthread_mutex_unlock(&lock);
    }
    return NULL;
}

int main(int argc, char **argv)
{
    int threads = argc > 2 ? atoi(argv[2]) : 1;
    pthread_t id[16];

    rounds = kernel_amount(argc, argv, 50000000) / threads;
    for (int i = 0; i < threads; i++) {
        pthread_create(&id[i], NULL, worker, NULL);
    }
    for (int i = 0; i < threads; i++) {
        pthread_join(id[i], NULL);
    }
    printf("%ld\n", counter);
    return 0;
}
