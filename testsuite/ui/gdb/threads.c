/* SPDX-License-Identifier: Apache-2.0 */
/* A program to be debugged: calls, a signal, threads that share a word of the heap, a long wait. */
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define CALLED __attribute__((noipa))

long *word;
volatile int go_on;
volatile unsigned long spins;
__thread long mine = 7;

CALLED int add(int a, int b)
{
    return a + b;
}

CALLED int twice(int x)
{
    int sum = add(x, x);
    return sum;
}

CALLED double half(double x)
{
    return x / 2;
}

CALLED void handler(int sig)
{
    printf("signal %d\n", sig);
}

static void on_value(int sig, siginfo_t *info, void *context)
{
    (void)context;
    printf("signal %d code %d value %d\n", sig, info->si_code, info->si_value.sival_int);
}

/* A signal with a value. */
static void queue(void)
{
    struct sigaction action = { .sa_sigaction = on_value, .sa_flags = SA_SIGINFO };

    sigaction(SIGUSR2, &action, NULL);
    sigqueue(getpid(), SIGUSR2, (union sigval){ .sival_int = 3 });
}

static void *work(void *opaque)
{
    long id = (long)opaque;

    for (int i = 0; i < 2000; i++) {
        if (id == 2 && i == 1000) {
            *word = 42;
        } else if (i % 500 == 499) {
            __atomic_fetch_add(word, 0, __ATOMIC_SEQ_CST); /* no change */
        }
        __atomic_fetch_add(&word[1], 1, __ATOMIC_SEQ_CST);
    }
    return NULL;
}

static void run_threads(void)
{
    pthread_t thread[3];

    for (long i = 0; i < 3; i++) {
        pthread_create(&thread[i], NULL, work, (void *)(i + 1));
    }
    for (int i = 0; i < 3; i++) {
        pthread_join(thread[i], NULL);
    }
}

/* Takes the signal that comes, whichever it is. */
static void wait_for_any(void)
{
    sigset_t all;
    int sig;

    sigfillset(&all);
    sigprocmask(SIG_BLOCK, &all, NULL);
    printf("waits\n");
    sigwait(&all, &sig);
    printf("waited for %d\n", sig);
    sigprocmask(SIG_UNBLOCK, &all, NULL);
}

int main(int argc, char **argv)
{
    setvbuf(stdout, NULL, _IONBF, 0);
    word = calloc(2, sizeof(*word));
    *word = 7;
    if (argc > 1 && strcmp(argv[1], "spin") == 0) {
        spins = 1;
        printf("waits\n");
        while (!go_on) {
            spins++;
        }
    } else if (argc > 1 && strcmp(argv[1], "read") == 0) {
        char c;
        printf("waits\n");
        printf("read %zd\n", read(0, &c, 1));
    } else if (argc > 1 && strcmp(argv[1], "queue") == 0) {
        queue();
    } else if (argc > 1 && strcmp(argv[1], "sigwait") == 0) {
        wait_for_any();
    }
    signal(SIGUSR1, handler);
    raise(SIGUSR1);
    printf("twice %d\n", twice(21));
    printf("half %g\n", half(5));
    run_threads();
    printf("word %ld count %ld\n", word[0], word[1]);
    return add(2, 3);
}
