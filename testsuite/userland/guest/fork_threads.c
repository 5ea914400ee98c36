/* SPDX-License-Identifier: Apache-2.0 */
/* fork() while other threads allocate, compute and lock. */
#include <pthread.h>
#include <sys/wait.h>

#include "check.h"

static volatile int stop;

static void *busy(void *arg)
{
    unsigned seed = (unsigned)(long)arg;

    while (!stop) {
        char *p = malloc(rand_r(&seed) % 5000 + 1);

        memset(p, 1, 1);
        free(p);
    }
    return NULL;
}

static void child(int n)
{
    pthread_t t;
    char *p = malloc(100000);
    volatile long sum = 0;

    memset(p, n, 100000);
    for (int i = 0; i < 100000; i++) {
        sum += p[i];
    }
    free(p);
    stop = 1;
    CHECK_EQ(pthread_create(&t, NULL, busy, NULL), 0);
    CHECK_EQ(pthread_join(t, NULL), 0);
    _exit(sum == (long)n * 100000 ? n : 127);
}

int main(void)
{
    pthread_t t[4];

    for (long i = 0; i < 4; i++) {
        CHECK_EQ(pthread_create(&t[i], NULL, busy, (void *)i), 0);
    }
    for (int n = 1; n <= 30; n++) {
        int status;
        pid_t pid = fork();

        CHECK(pid >= 0);
        if (pid == 0) {
            child(n);
        }
        CHECK_EQ(waitpid(pid, &status, 0), pid);
        CHECK(WIFEXITED(status));
        CHECK_EQ(WEXITSTATUS(status), n);
    }
    stop = 1;
    for (int i = 0; i < 4; i++) {
        CHECK_EQ(pthread_join(t[i], NULL), 0);
    }
    return passed();
}
