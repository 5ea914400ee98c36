/* SPDX-License-Identifier: Apache-2.0 */
/* Atomic additions, exchanges and compare-and-swap loops; the second argument is the number of
 * threads. */
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>

#include "kernel.h"

static _Atomic uint64_t sum, highest, last;
static _Atomic uint32_t words[64];
static long rounds;

static void *worker(void *arg)
{
    uint64_t x = (uint64_t)(uintptr_t)arg;

    for (long i = 0; i < rounds; i++) {
        uint64_t seen = atomic_load(&highest);

        x = x * 6364136223846793005u + 1442695040888963407u;
        atomic_fetch_add(&sum, (uint64_t)i);
        atomic_fetch_or(&words[x >> 58], 1u << (i & 31));
        while (seen < (x >> 8) && !atomic_compare_exchange_weak(&highest, &seen, x >> 8)) {
        }
        atomic_store(&last, x);
    }
    return NULL;
}

int main(int argc, char **argv)
{
    int threads = argc > 2 ? atoi(argv[2]) : 1;
    pthread_t id[16];

    rounds = kernel_amount(argc, argv, 40000000) / threads;
    for (int i = 0; i < threads; i++) {
        pthread_create(&id[i], NULL, worker, (void *)(uintptr_t)(i + 1));
    }
    for (int i = 0; i < threads; i++) {
        pthread_join(id[i], NULL);
    }
    printf("%lu %lu\n", (unsigned long)sum, (unsigned long)highest);
    return 0;
}
