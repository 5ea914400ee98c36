/* SPDX-License-Identifier: Apache-2.0 */
/* System calls that a signal interrupts: which go on after the handler, which say EINTR. */
#define _GNU_SOURCE
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <sys/epoll.h>
#include <sys/select.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <time.h>

#include "check.h"

static volatile int handled;
static int wake_fd[2];

/* The third signal lets go who reads from the pipe. */
static void on_alarm(int sig)
{
    (void)sig;
    if (++handled == 3) {
        CHECK_EQ(write(wake_fd[1], "x", 1), 1);
    }
}

static void set_handler(int flags)
{
    struct sigaction sa = { .sa_handler = on_alarm, .sa_flags = flags };

    CHECK_EQ(sigaction(SIGALRM, &sa, NULL), 0);
    handled = 0;
}

/* Again and again: the first one may come before the call that it is to interrupt.  0: no more. */
static void alarm_every_ms(int ms)
{
    struct itimerval t = { { 0, ms * 1000 }, { 0, ms * 1000 } };

    CHECK_EQ(setitimer(ITIMER_REAL, &t, NULL), 0);
}

static void block_alarm(int how)
{
    sigset_t set;

    sigemptyset(&set);
    sigaddset(&set, SIGALRM);
    CHECK_EQ(pthread_sigmask(how, &set, NULL), 0);
}

static void read_restarts(void)
{
    char c;

    set_handler(SA_RESTART);
    alarm_every_ms(20);
    CHECK_EQ(read(wake_fd[0], &c, 1), 1);
    alarm_every_ms(0);
    CHECK(handled >= 3);
}

static void wait_restarts(void)
{
    int status;
    char c;
    pid_t pid = fork();

    if (pid == 0) {
        CHECK_EQ(read(wake_fd[0], &c, 1), 1);
        _exit(3);
    }
    set_handler(SA_RESTART);
    alarm_every_ms(20);
    CHECK_EQ(waitpid(pid, &status, 0), pid);
    alarm_every_ms(0);
    CHECK(handled >= 3);
    CHECK_EQ(WEXITSTATUS(status), 3);
}

#define INTERRUPTED(call)                                                                      \
    do {                                                                                       \
        handled = 3; /* nobody is to be let go */                                              \
        alarm_every_ms(20);                                                                    \
        CHECK_ERRNO(call, EINTR);                                                              \
        alarm_every_ms(0);                                                                     \
        CHECK(handled > 3);                                                                    \
    } while (0)

static void never_restart(void)
{
    struct timespec long_one = { 500, 0 }, left = { 0, 0 };
    struct pollfd p = { .fd = wake_fd[0], .events = POLLIN };
    struct epoll_event ev = { .events = EPOLLIN };
    int ep = epoll_create1(0);
    sigset_t none;
    fd_set set;

    set_handler(SA_RESTART);
    sigemptyset(&none);
    FD_ZERO(&set);
    FD_SET(wake_fd[0], &set);
    CHECK_EQ(epoll_ctl(ep, EPOLL_CTL_ADD, wake_fd[0], &ev), 0);
    INTERRUPTED(nanosleep(&long_one, &left));
    CHECK(left.tv_sec > 0 && left.tv_sec < 500);
    INTERRUPTED(poll(&p, 1, 500000));
    INTERRUPTED(ppoll(&p, 1, &long_one, &none));
    INTERRUPTED(select(wake_fd[0] + 1, &set, NULL, NULL, NULL));
    INTERRUPTED(epoll_wait(ep, &ev, 1, 500000));
    INTERRUPTED(pause());
    INTERRUPTED(sigsuspend(&none));
    close(ep);
}

static void without_flag(void)
{
    char c;

    set_handler(0);
    INTERRUPTED(read(wake_fd[0], &c, 1));
    INTERRUPTED(usleep(500000000));
}

/* An ignored signal interrupts nothing. */
static void ignored(void)
{
    struct timespec t = { 0, 50000000 };

    signal(SIGALRM, SIG_IGN);
    alarm_every_ms(10);
    CHECK_EQ(nanosleep(&t, NULL), 0);
    alarm_every_ms(0);
}

/* sigsuspend and ppoll open the mask for their own time only. */
static void masks(void)
{
    struct pollfd p = { .fd = wake_fd[0], .events = POLLIN };
    struct timespec zero = { 0, 0 }, long_one = { 500, 0 };
    sigset_t none, now;

    set_handler(0);
    block_alarm(SIG_BLOCK);
    sigemptyset(&none);
    CHECK_EQ(raise(SIGALRM), 0);
    CHECK_EQ(handled, 0);
    CHECK_EQ(ppoll(&p, 1, &zero, NULL), 0);
    CHECK_EQ(handled, 0);
    CHECK_ERRNO(ppoll(&p, 1, &long_one, &none), EINTR);
    CHECK_EQ(handled, 1);
    CHECK_EQ(raise(SIGALRM), 0);
    CHECK_EQ(handled, 1);
    CHECK_ERRNO(sigsuspend(&none), EINTR);
    CHECK_EQ(handled, 2);
    CHECK_EQ(sigprocmask(SIG_BLOCK, NULL, &now), 0);
    CHECK(sigismember(&now, SIGALRM));
    block_alarm(SIG_UNBLOCK);
}

int main(void)
{
    CHECK_EQ(pipe(wake_fd), 0);
    read_restarts();
    wait_restarts();
    never_restart();
    without_flag();
    ignored();
    masks();
    return passed();
}
