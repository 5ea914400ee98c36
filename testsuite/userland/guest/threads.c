/* SPDX-License-Identifier: Apache-2.0 */
/* 200 threads at once: mutex, atomics, thread-local storage, barrier, exit values. */
#include <pthread.h>
#include <stdatomic.h>
#include <stdint.h>

#include "check.h"

enum { N = 200, ROUNDS = 200 };

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_barrier_t barrier;
static long plain;
static atomic_long atomic_sum;
static _Thread_local long mine;

static void *work(void *arg)
{
    long id = (long)(intptr_t)arg;

    mine = id;
    pthread_barrier_wait(&barrier);
    for (int i = 0; i < ROUNDS; i++) {
        pthread_mutex_lock(&lock);
        plain += 1;
        pthread_mutex_unlock(&lock);
        atomic_fetch_add(&atomic_sum, id);
    }
    CHECK_EQ(mine, id);
    return (void *)(intptr_t)(id * 3);
}

int main(void)
{
    static pthread_t t[N];

    pthread_barrier_init(&barrier, NULL, N);
    for (long i = 0; i < N; i++) {
        CHECK_EQ(pthread_create(&t[i], NULL, work, (void *)(intptr_t)i), 0);
    }
    for (long i = 0; i < N; i++) {
        void *r;

        CHECK_EQ(pthread_join(t[i], &r), 0);
        CHECK_EQ((intptr_t)r, i * 3);
    }
    CHECK_EQ(plain, N * ROUNDS);
    CHECK_EQ(atomic_sum, (long)ROUNDS * N * (N - 1) / 2);
    return passed();
}
