/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Threads in hot loops of code that another one rewrites, protects and maps anew, with signals in the
 * middle: storm_code [SEED [MILLISECONDS]].  What a loop has counted agrees with its registers at each
 * signal, and with its result.
 */
#define _GNU_SOURCE
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdint.h>
#include <sys/mman.h>
#include <time.h>
#include <ucontext.h>

#include "check.h"

enum { WORKERS = 3, SLOTS = 6, PAGE = 4096, LEAST = 3, MOST = 5, STEP = 6, LOOP = 4 };
enum { RA = 1, T1 = 6, T2 = 7, A1 = 11, A2 = 12 };

/* a0: two words of memory, a1 = a2: how often.  Counts in t2, adds up in t1, calls a function that
 * counts in t5. */
static const uint32_t loop_code[] = {
    0x00008e93, /* mv t4, ra */
    0x00000393, /* li t2, 0 */
    0x00000313, /* li t1, 0 */
    0x00000f13, /* li t5, 0 */
    0x00138393, /* LOOP: addi t2, t2, 1 */
    0x00653023, /* sd t1, 0(a0) */
    0x00330313, /* STEP: addi t1, t1, 3 */
    0x024000ef, /* jal ra, 16 */
    0x00053283, /* ld t0, 0(a0) */
    0xfff58593, /* addi a1, a1, -1 */
    0x0262d463, /* bge t0, t1, 20 */
    0xfe0592e3, /* bnez a1, LOOP */
    0x01e53423, /* sd t5, 8(a0) */
    0x00030513, /* mv a0, t1 */
    0x000e8093, /* mv ra, t4 */
    0x00008067, /* ret */
    0x001f0f13, /* 16: addi t5, t5, 1 */
    0x00008067, /* ret */
    0x00000000,
    0x00000000,
    0x00000000, /* 20 */
};
enum { CODE = sizeof(loop_code) / 4 };

static uint32_t *slots;
static volatile int stop;
static volatile long runs, signals;
static pthread_t worker[WORKERS];
static __thread sigjmp_buf env;
static __thread volatile int inside;

static uint64_t next(uint64_t *state)
{
    *state ^= *state << 13;
    *state ^= *state >> 7;
    *state ^= *state << 17;
    return *state;
}

/* Where in a slot; -1: elsewhere. */
static long place(uint64_t pc)
{
    uint64_t at = pc - (uint64_t)slots;

    return at < SLOTS * PAGE ? (long)(at % PAGE / 4) : -1;
}

static void on_fault(int sig, siginfo_t *info, void *context)
{
    ucontext_t *uc = context;

    (void)info;
    CHECK(inside);
    CHECK(sig == SIGSEGV || sig == SIGILL);
    CHECK(place(uc->uc_mcontext.__gregs[0]) >= 0);
    siglongjmp(env, 1);
}

static void on_signal(int sig, siginfo_t *info, void *context)
{
    const unsigned long *x = ((ucontext_t *)context)->uc_mcontext.__gregs;
    long at = place(x[0]);
    uint64_t begun, added;

    (void)sig, (void)info;
    __atomic_fetch_add(&signals, 1, __ATOMIC_RELAXED);
    if (at < LOOP || at > 17 || (at > 11 && at < 16)) {
        return;
    }
    begun = x[A2] - x[A1] + (at != LOOP && at < 10) + (at >= 16);
    CHECK_EQ(x[T2], begun);
    added = begun - (at > LOOP && at <= STEP);
    CHECK(x[T1] >= LEAST * added && x[T1] <= MOST * added);
}

static void *work(void *arg)
{
    uint64_t random = (uint64_t)arg;
    volatile uint64_t memory[2];

    while (!stop) {
        uint64_t slot = next(&random) % SLOTS, n = 1 + next(&random) % 3000, result;

        if (!sigsetjmp(env, 1)) {
            inside = 1;
            result = ((uint64_t(*)(volatile uint64_t *, uint64_t, uint64_t))(slots + slot * PAGE / 4))(
                memory, n, n);
            CHECK_EQ(memory[1], n);
            CHECK(result >= LEAST * n && result <= MOST * n);
            __atomic_fetch_add(&runs, 1, __ATOMIC_RELAXED);
        }
        inside = 0;
    }
    return NULL;
}

static void flush(void *at)
{
    __builtin___clear_cache((char *)at, (char *)at + PAGE);
}

static void write_code(uint32_t *at)
{
    for (int k = 0; k < CODE; k++) {
        __atomic_store_n(&at[k], loop_code[k], __ATOMIC_RELAXED);
    }
    flush(at);
}

static void map(uint32_t *at)
{
    CHECK_EQ(mmap(at, PAGE, PROT_READ | PROT_WRITE | PROT_EXEC,
                  MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0), at);
}

static void disturb(uint64_t random)
{
    uint32_t *at = slots + random / 64 % SLOTS * PAGE / 4;
    uint32_t step = LEAST + random / 4096 % (MOST - LEAST + 1);

    switch (random % 8) {
    case 0:
        map(at);
        write_code(at);
        break;
    case 1:
        CHECK_EQ(munmap(at, PAGE), 0);
        map(at);
        write_code(at);
        break;
    case 2:
        CHECK_EQ(mprotect(at, PAGE, random & 1024 ? PROT_NONE : PROT_READ | PROT_WRITE), 0);
        CHECK_EQ(mprotect(at, PAGE, PROT_READ | PROT_WRITE | PROT_EXEC), 0);
        break;
    case 3:
        __atomic_store_n(&at[STEP], (loop_code[STEP] & 0xfffff) | step << 20, __ATOMIC_RELAXED);
        flush(at);
        break;
    case 4:
        usleep(1000);
        break;
    default:
        pthread_kill(worker[random / 1024 % WORKERS], SIGUSR1);
        break;
    }
}

static uint64_t now(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000 + (uint64_t)t.tv_nsec / 1000000;
}

int main(int argc, char **argv)
{
    uint64_t random = (argc > 1 ? strtoull(argv[1], NULL, 0) : 1) * 0x9e3779b97f4a7c15;
    uint64_t end = now() + (argc > 2 ? strtoull(argv[2], NULL, 0) : 500);
    struct sigaction fault = { .sa_sigaction = on_fault, .sa_flags = SA_SIGINFO };
    struct sigaction sig = { .sa_sigaction = on_signal, .sa_flags = SA_SIGINFO };

    slots = mmap(NULL, SLOTS * PAGE, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    CHECK(slots != MAP_FAILED);
    for (int k = 0; k < SLOTS; k++) {
        map(slots + k * PAGE / 4);
        write_code(slots + k * PAGE / 4);
    }
    CHECK_EQ(sigaction(SIGSEGV, &fault, NULL), 0);
    CHECK_EQ(sigaction(SIGILL, &fault, NULL), 0);
    CHECK_EQ(sigaction(SIGUSR1, &sig, NULL), 0);
    for (uint64_t k = 0; k < WORKERS; k++) {
        CHECK_EQ(pthread_create(&worker[k], NULL, work, (void *)(random + k + 1)), 0);
    }
    do {
        disturb(next(&random));
    } while (now() < end || !runs || !signals);
    stop = 1;
    for (int k = 0; k < WORKERS; k++) {
        CHECK_EQ(pthread_join(worker[k], NULL), 0);
    }
    if (argc > 2) {
        fprintf(stderr, "%ld runs, %ld signals\n", runs, signals);
    }
    return passed();
}
