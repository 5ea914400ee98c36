/* SPDX-License-Identifier: Apache-2.0 */
/* How threads end: detached ones, cancelled ones, the first one before the others. */
#define _GNU_SOURCE
#include <pthread.h>
#include <signal.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include "check.h"

static volatile int started, cleaned;

static void cleanup(void *arg)
{
    (void)arg;
    cleaned++;
}

static void *sleeper(void *arg)
{
    pthread_cleanup_push(cleanup, NULL);
    started = 1;
    for (;;) {
        pause();
    }
    pthread_cleanup_pop(0);
    return arg;
}

static void *spinner(void *arg)
{
    pthread_setcanceltype(PTHREAD_CANCEL_ASYNCHRONOUS, NULL);
    pthread_cleanup_push(cleanup, NULL);
    started = 1;
    for (;;) {
    }
    pthread_cleanup_pop(0);
    return arg;
}

static void cancel(void *(*fn)(void *))
{
    pthread_t t;
    void *r;

    started = 0;
    CHECK_EQ(pthread_create(&t, NULL, fn, NULL), 0);
    while (!started) {
        usleep(1000);
    }
    CHECK_EQ(pthread_cancel(t), 0);
    CHECK_EQ(pthread_join(t, &r), 0);
    CHECK(r == PTHREAD_CANCELED);
}

static void *outlive(void *arg)
{
    usleep(20000);
    return arg;
}

static void *short_one(void *arg)
{
    return arg;
}

static int status_of(void (*fn)(void))
{
    int status;
    pid_t pid = fork();

    if (pid == 0) {
        fn();
        _exit(99);
    }
    CHECK_EQ(waitpid(pid, &status, 0), pid);
    return status;
}

static void first_ends_first(void)
{
    pthread_t t;

    CHECK_EQ(pthread_create(&t, NULL, outlive, NULL), 0);
    syscall(SYS_exit, 42);
}

static void *group_exit(void *arg)
{
    _exit(7);
    return arg;
}

static void exit_from_thread(void)
{
    pthread_t t;

    CHECK_EQ(pthread_create(&t, NULL, group_exit, NULL), 0);
    pause();
}

int main(void)
{
    pthread_attr_t attr;
    int s;

    cancel(sleeper);
    cancel(spinner);
    CHECK_EQ(cleaned, 2);
    pthread_attr_init(&attr);
    pthread_attr_setdetachstate(&attr, PTHREAD_CREATE_DETACHED);
    for (int i = 0; i < 1000; i++) {
        pthread_t t;
        int r;

        while ((r = pthread_create(&t, &attr, short_one, NULL)) == EAGAIN) {
            usleep(1000);
        }
        CHECK_EQ(r, 0);
    }
    s = status_of(first_ends_first);
    CHECK(WIFEXITED(s) && WEXITSTATUS(s) == 42);
    s = status_of(exit_from_thread);
    CHECK(WIFEXITED(s) && WEXITSTATUS(s) == 7);
    return passed();
}
