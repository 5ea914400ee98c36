/* SPDX-License-Identifier: Apache-2.0 */
/* Robust mutexes whose owner ends: a thread, a process that exits, one that is killed. */
#define _GNU_SOURCE
#include <pthread.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/wait.h>

#include "check.h"

static pthread_mutex_t *lock;
static volatile int locked;

static void init(int pshared)
{
    pthread_mutexattr_t attr;

    pthread_mutexattr_init(&attr);
    pthread_mutexattr_setrobust(&attr, PTHREAD_MUTEX_ROBUST);
    pthread_mutexattr_setpshared(&attr, pshared);
    CHECK_EQ(pthread_mutex_init(lock, &attr), 0);
}

static void *lock_and_end(void *arg)
{
    CHECK_EQ(pthread_mutex_lock(lock), 0);
    locked = 1;
    if (arg) {
        usleep(50000);
    }
    return NULL;
}

static void expect_owner_died(void)
{
    CHECK_EQ(pthread_mutex_lock(lock), EOWNERDEAD);
    CHECK_EQ(pthread_mutex_consistent(lock), 0);
    CHECK_EQ(pthread_mutex_unlock(lock), 0);
    CHECK_EQ(pthread_mutex_lock(lock), 0);
    CHECK_EQ(pthread_mutex_unlock(lock), 0);
}

static void thread_ends(int waits)
{
    pthread_t t;

    init(PTHREAD_PROCESS_PRIVATE);
    locked = 0;
    CHECK_EQ(pthread_create(&t, NULL, lock_and_end, waits ? "" : NULL), 0);
    if (waits) {
        while (!locked) { /* the lock below sleeps then, and must be woken */
            usleep(1000);
        }
    } else {
        CHECK_EQ(pthread_join(t, NULL), 0);
    }
    expect_owner_died();
    if (waits) {
        CHECK_EQ(pthread_join(t, NULL), 0);
    }
}

static void process_ends(int by_signal)
{
    pid_t pid;

    init(PTHREAD_PROCESS_SHARED);
    pid = fork();
    if (pid == 0) {
        CHECK_EQ(pthread_mutex_lock(lock), 0);
        if (by_signal) {
            kill(getpid(), SIGKILL);
        }
        _exit(0);
    }
    CHECK_EQ(waitpid(pid, NULL, 0), pid);
    expect_owner_died();
}

int main(void)
{
    lock = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    CHECK(lock != MAP_FAILED);
    thread_ends(0);
    thread_ends(1);
    process_ends(0);
    process_ends(1);
    return passed();
}
