/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What observe.py looks at: functions with known names.
 *   target           hot_sum() for a moment, then hot_store()
 *   target fork      the same again in a child
 *   target long      hot_sum() for a second or so
 *   target calls     hot_calls()
 *   target atomic    hot_atomic()
 *   target abort     abort()
 *   target spin      hot_sum() until killed
 *   target beside    the same in threads, for a moment
 */
#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

static uint64_t table[512];

__attribute__((noinline)) uint64_t hot_sum(uint64_t n)
{
    uint64_t sum = 1;

    for (uint64_t i = 0; i < n; i++) {
        sum = sum * 6364136223846793005u + i;
        sum ^= sum >> 29;
    }
    return sum;
}

__attribute__((noinline)) void hot_store(uint64_t n)
{
    for (uint64_t i = 0; i < n; i++) {
        table[i & 511] += i ^ table[(i + 1) & 511];
    }
}

__attribute__((noinline)) uint64_t in_child(uint64_t n)
{
    return hot_sum(n) + n;
}

/* More callees than a region would guess. */
#define CALLEES(C) C(0) C(1) C(2) C(3) C(4) C(5) C(6) C(7)
#define CALLEE(n)                                              \
    __attribute__((noinline)) uint64_t callee##n(uint64_t v)   \
    {                                                          \
        return v * (n + 3);                                    \
    }
CALLEES(CALLEE)
#define NAME(n) callee##n,
uint64_t (*volatile callees[8])(uint64_t) = { CALLEES(NAME) };

__attribute__((noinline)) uint64_t hot_calls(uint64_t n)
{
    uint64_t sum = 0;

    for (uint64_t i = 0; i < n; i++) {
        sum += callees[i & 7](i);
    }
    return sum;
}

/* A loop of LR and SC, which is one operation. */
__attribute__((noinline)) uint64_t hot_atomic(uint64_t n)
{
    for (uint64_t i = 0, seen; i < n; i++) {
        seen = i;
        __atomic_compare_exchange_n(&table[0], &seen, i + 1, 0, __ATOMIC_RELAXED, __ATOMIC_RELAXED);
    }
    return table[0];
}

static void *beside(void *opaque)
{
    for (;;) {
        table[0] += hot_sum(1000);
    }
    return opaque;
}

int main(int argc, char **argv)
{
    uint64_t sum = hot_sum(300000), n = 300000;

    hot_store(300000);
    printf("%d\n", sum != 0);
    fflush(stdout);
    if (argc > 1 && !strcmp(argv[1], "fork")) {
        if (fork() == 0) {
            _exit(in_child(300000) == 0);
        }
        wait(NULL);
    }
    if (argc > 1 && !strcmp(argv[1], "long")) {
        sum += hot_sum(200000000);
    }
    if (argc > 1 && !strcmp(argv[1], "calls")) {
        sum += hot_calls(50000000);
    }
    if (argc > 1 && !strcmp(argv[1], "atomic")) {
        sum += hot_atomic(50000000);
    }
    for (int i = 0; i < 8 && argc > 1 && !strcmp(argv[1], "beside"); i++) {
        pthread_t thread;

        pthread_create(&thread, NULL, beside, NULL);
        sum += hot_sum(3000000);
    }
    if (argc > 1 && !strcmp(argv[1], "abort")) {
        abort();
    }
    while (argc > 1 && !strcmp(argv[1], "spin")) {
        sum += hot_sum(n *= 2);
    }
    return sum == 0;
}
