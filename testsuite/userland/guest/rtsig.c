/* SPDX-License-Identifier: Apache-2.0 */
/* Real-time signals: queueing, order, values; all 64 numbers; waiting for signals. */
#define _GNU_SOURCE
#include <pthread.h>
#include <signal.h>
#include <sys/signalfd.h>
#include <sys/syscall.h>
#include <time.h>

#include "check.h"

static volatile int order[64], value[64], n;

static void note(int sig, siginfo_t *info, void *context)
{
    (void)context;
    order[n] = sig;
    value[n++] = info->si_value.sival_int;
}

static void queue(int sig, int v)
{
    union sigval val = { .sival_int = v };

    CHECK_EQ(sigqueue(getpid(), sig, val), 0);
}

static void queue_order(void)
{
    struct sigaction sa = { .sa_sigaction = note, .sa_flags = SA_SIGINFO };
    sigset_t set, old;

    sigfillset(&sa.sa_mask); /* one handler after the other, not nested */
    sigemptyset(&set);
    for (int i = 0; i < 3; i++) {
        CHECK_EQ(sigaction(SIGRTMIN + i, &sa, NULL), 0);
        sigaddset(&set, SIGRTMIN + i);
    }
    CHECK_EQ(sigprocmask(SIG_BLOCK, &set, &old), 0);
    queue(SIGRTMIN + 2, 1);
    queue(SIGRTMIN + 1, 2);
    queue(SIGRTMIN + 2, 3);
    queue(SIGRTMIN, 4);
    queue(SIGRTMIN + 1, 5);
    queue(SIGRTMIN, 6);
    CHECK_EQ(n, 0);
    CHECK_EQ(sigprocmask(SIG_SETMASK, &old, NULL), 0);
    CHECK_EQ(n, 6);
    static const int want_order[] = { 0, 0, 1, 1, 2, 2 }, want_value[] = { 4, 6, 2, 5, 1, 3 };
    for (int i = 0; i < 6; i++) {
        CHECK_EQ(order[i], SIGRTMIN + want_order[i]);
        CHECK_EQ(value[i], want_value[i]);
    }
}

/* struct sigaction of the kernel, to reach the numbers that the C library keeps for itself. */
struct KernelAction {
    void (*handler)(int);
    unsigned long flags, mask;
};

static volatile int last;

static void note_number(int sig)
{
    last = sig;
}

static void all_numbers(void)
{
    for (int sig = 1; sig <= 64; sig++) {
        struct KernelAction a = { note_number, 0, 0 }, old, now;

        if (sig == SIGKILL || sig == SIGSTOP) {
            CHECK_ERRNO(syscall(SYS_rt_sigaction, sig, &a, NULL, 8), EINVAL);
            continue;
        }
        CHECK_EQ(syscall(SYS_rt_sigaction, sig, &a, &old, 8), 0);
        CHECK_EQ(syscall(SYS_tgkill, getpid(), syscall(SYS_gettid), sig), 0);
        CHECK_EQ(last, sig);
        CHECK_EQ(syscall(SYS_rt_sigaction, sig, &old, &now, 8), 0);
        CHECK(now.handler == note_number);
    }
}

static void waiting(void)
{
    struct timespec soon = { 0, 10000000 };
    struct signalfd_siginfo si;
    siginfo_t info;
    sigset_t set, pending;
    int fd;

    sigemptyset(&set);
    sigaddset(&set, SIGRTMIN + 5);
    sigaddset(&set, SIGUSR2);
    sigaddset(&set, SIGSEGV);
    CHECK_EQ(sigprocmask(SIG_BLOCK, &set, NULL), 0);
    CHECK_ERRNO(sigtimedwait(&set, &info, &soon), EAGAIN);
    queue(SIGRTMIN + 5, 77);
    CHECK_EQ(sigpending(&pending), 0);
    CHECK(sigismember(&pending, SIGRTMIN + 5));
    CHECK_EQ(sigtimedwait(&set, &info, &soon), SIGRTMIN + 5);
    CHECK_EQ(info.si_value.sival_int, 77);
    CHECK_EQ(info.si_code, SI_QUEUE);
    CHECK_EQ(info.si_pid, getpid());
    CHECK_EQ(raise(SIGSEGV), 0);
    CHECK_EQ(sigpending(&pending), 0);
    CHECK(sigismember(&pending, SIGSEGV));
    CHECK_EQ(sigwaitinfo(&set, &info), SIGSEGV);
    CHECK(info.si_code == SI_TKILL || info.si_code == SI_USER); /* the C library hides it */
    fd = signalfd(-1, &set, 0);
    CHECK(fd >= 0);
    CHECK_EQ(kill(getpid(), SIGUSR2), 0);
    CHECK_EQ(read(fd, &si, sizeof(si)), sizeof(si));
    CHECK_EQ(si.ssi_signo, SIGUSR2);
}

static volatile int nested, deepest, count;

static void nest(int sig)
{
    count++;
    nested++;
    deepest = nested > deepest ? nested : deepest;
    if (count < 3) {
        raise(sig);
    }
    nested--;
}

static void flags(void)
{
    struct sigaction sa = { .sa_handler = nest }, old;

    CHECK_EQ(sigaction(SIGUSR1, &sa, NULL), 0);
    raise(SIGUSR1);
    CHECK_EQ(count, 3);
    CHECK_EQ(deepest, 1);
    count = deepest = 0;
    sa.sa_flags = SA_NODEFER;
    CHECK_EQ(sigaction(SIGUSR1, &sa, NULL), 0);
    raise(SIGUSR1);
    CHECK_EQ(count, 3);
    CHECK_EQ(deepest, 3);
    count = 10;
    sa.sa_flags = SA_RESETHAND;
    CHECK_EQ(sigaction(SIGUSR1, &sa, NULL), 0);
    raise(SIGUSR1);
    CHECK_EQ(count, 11);
    CHECK_EQ(sigaction(SIGUSR1, NULL, &old), 0);
    CHECK(old.sa_handler == SIG_DFL);
}

static volatile pthread_t who;

static void note_thread(int sig)
{
    (void)sig;
    who = pthread_self();
}

static void *wait_signal(void *arg)
{
    while (!who) {
        usleep(1000);
    }
    return arg;
}

/* A signal for one thread reaches that one; one for the process reaches one that lets it in. */
static void direction(void)
{
    struct sigaction sa = { .sa_handler = note_thread };
    pthread_t t;
    sigset_t set;

    CHECK_EQ(sigaction(SIGUSR1, &sa, NULL), 0);
    CHECK_EQ(pthread_create(&t, NULL, wait_signal, NULL), 0);
    CHECK_EQ(pthread_kill(t, SIGUSR1), 0);
    CHECK_EQ(pthread_join(t, NULL), 0);
    CHECK(who == t);
    who = 0;
    CHECK_EQ(pthread_create(&t, NULL, wait_signal, NULL), 0);
    sigemptyset(&set);
    sigaddset(&set, SIGUSR1);
    CHECK_EQ(pthread_sigmask(SIG_BLOCK, &set, NULL), 0);
    CHECK_EQ(kill(getpid(), SIGUSR1), 0);
    CHECK_EQ(pthread_join(t, NULL), 0);
    CHECK(who == t);
}

int main(void)
{
    queue_order();
    all_numbers();
    waiting();
    flags();
    direction();
    return passed();
}
