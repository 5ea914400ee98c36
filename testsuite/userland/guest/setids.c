/* SPDX-License-Identifier: Apache-2.0 */
/* setuid() of a process: the C library sends a signal of its own to every thread, also in a child
 * that had no thread before. */
#define _GNU_SOURCE
#include <pthread.h>
#include <sys/wait.h>

#include "check.h"

enum { THREADS = 3, USER = 54321 };

static int gate[2];

static void *look(void *arg)
{
    char c;

    CHECK_EQ(read(gate[0], &c, 1), 1);
    return (void *)(long)geteuid();
}

static void change(uid_t user)
{
    pthread_t t[THREADS];
    void *r;

    CHECK_EQ(pipe(gate), 0);
    for (int i = 0; i < THREADS; i++) {
        CHECK_EQ(pthread_create(&t[i], NULL, look, NULL), 0);
    }
    CHECK_EQ(setuid(user), 0);
    CHECK_EQ(write(gate[1], "123", THREADS), THREADS);
    for (int i = 0; i < THREADS; i++) {
        CHECK_EQ(pthread_join(t[i], &r), 0);
        CHECK_EQ((long)r, user);
    }
    CHECK_EQ(close(gate[0]) | close(gate[1]), 0);
}

static int status_of(void (*fn)(uid_t), uid_t user)
{
    int status;
    pid_t pid = fork();

    if (pid == 0) {
        fn(user);
        _exit(0);
    }
    CHECK_EQ(waitpid(pid, &status, 0), pid);
    return status;
}

/* Not everybody may be another one, nor has each user namespace that one. */
static void become(uid_t user)
{
    _exit(setuid(user) != 0);
}

int main(void)
{
    uid_t user = status_of(become, USER) == 0 ? USER : geteuid();

    CHECK_EQ(status_of(change, user), 0);
    change(user);
    change(user);
    return passed();
}
