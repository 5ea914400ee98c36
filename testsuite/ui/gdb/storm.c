/* SPDX-License-Identifier: Apache-2.0 */
/* A program that never rests: threads that compute, sleep and wait for signals; the first one forks,
 * makes threads, takes signals.  It ends with status 6 when `stop` is set and nothing went wrong. */
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

volatile int stop;
long total[4];

static void count_signal(int sig)
{
    (void)sig;
    total[3]++;
}

static void wait_for_signal(void)
{
    const struct timespec limit = { 0, 20000 };
    sigset_t set;

    sigemptyset(&set);
    sigaddset(&set, SIGUSR1);
    sigtimedwait(&set, NULL, &limit);
}

static void *work(void *opaque)
{
    long id = (long)opaque;

    while (!stop) {
        total[id]++;
        if (id == 1) {
            usleep(50);
        } else if (id == 2) {
            wait_for_signal();
        }
    }
    return NULL;
}

static void *nap(void *opaque)
{
    usleep(100);
    return opaque;
}

static int fork_once(void)
{
    pid_t pid = fork();
    int status;

    if (pid == 0) {
        _exit(3);
    }
    return waitpid(pid, &status, 0) == pid && WEXITSTATUS(status) == 3;
}

static int read_once(void)
{
    int end[2], good;
    char c;

    good = pipe(end) == 0 && write(end[1], "x", 1) == 1 && read(end[0], &c, 1) == 1;
    close(end[0]);
    close(end[1]);
    return good;
}

int main(void)
{
    struct sigaction action = { .sa_handler = count_signal, .sa_flags = SA_RESTART };
    pthread_t thread[3], other;
    int good = 1;
    sigset_t set;

    sigaction(SIGALRM, &action, NULL);
    sigemptyset(&set);
    sigaddset(&set, SIGUSR1);
    sigprocmask(SIG_BLOCK, &set, NULL);
    for (long i = 0; i < 3; i++) {
        pthread_create(&thread[i], NULL, work, (void *)i);
    }
    for (int i = 0; !stop && good; i++) {
        ualarm(300, 0);
        good = (i % 50 || fork_once()) && read_once();
        good = good && pthread_create(&other, NULL, nap, NULL) == 0 && pthread_join(other, NULL) == 0;
    }
    stop = 1;
    for (int i = 0; i < 3; i++) {
        pthread_join(thread[i], NULL);
    }
    return good ? 6 : 1;
}
