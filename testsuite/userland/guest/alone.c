/* SPDX-License-Identifier: Apache-2.0 */
/* A reservation that is left by a computed jump, into a loop that waits for another thread. */
#define _GNU_SOURCE
#include <pthread.h>
#include <stdatomic.h>
#include <time.h>

#include "check.h"

#define CALL_CHANGES                                                                           \
    "ra", "memory", "a0", "a1", "a2", "a3", "a4", "a5", "a6", "a7", "t0", "t1", "t2", "t3",    \
        "t4", "t5", "t6"

static atomic_int go, spinning;
static atomic_long limit;

__attribute__((noinline)) static void spin(void)
{
    for (long n = 0; n < atomic_load_explicit(&limit, memory_order_relaxed); n++) {
        atomic_store_explicit(&spinning, 1, memory_order_relaxed);
        if (atomic_load_explicit(&go, memory_order_relaxed)) {
            break;
        }
    }
}

static void *run(void *opaque)
{
    int word = 0;

    (void)opaque;
    atomic_store(&limit, 100);
    for (int i = 0; i < 1000; i++) { /* the loop is linked to itself, and the jump remembered */
        __asm__ volatile("jalr %0" : : "r"(spin) : CALL_CHANGES);
    }
    atomic_store(&limit, __LONG_MAX__);
    atomic_store(&spinning, 0);
    __asm__ volatile("lr.w t0, (%0)\n\tjalr %1" : : "r"(&word), "r"(spin) : CALL_CHANGES);
    return NULL;
}

int main(void)
{
    const struct timespec soon = { .tv_nsec = 1000000 };
    pthread_t thread;

    for (int i = 0; i < 5; i++) {
        atomic_store(&go, 0);
        atomic_store(&limit, 0);
        atomic_store(&spinning, 0);
        CHECK_EQ(pthread_create(&thread, NULL, run, NULL), 0);
        do {
            nanosleep(&soon, NULL);
        } while (!atomic_load(&spinning) || atomic_load(&limit) != __LONG_MAX__);
        atomic_store(&go, 1);
        CHECK_EQ(pthread_join(thread, NULL), 0);
    }
    return passed();
}
