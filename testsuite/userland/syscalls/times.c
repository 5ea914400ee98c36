/* SPDX-License-Identifier: Apache-2.0 */
/* Clocks and timers. */
#include "show.h"

#include <signal.h>
#include <sys/resource.h>
#include <sys/time.h>
#include <sys/times.h>
#include <sys/timex.h>
#include <time.h>

static volatile sig_atomic_t handled, value;

static void on_timer(int sig, siginfo_t *info, void *context)
{
    (void)sig;
    (void)context;
    handled++;
    value = info->si_code == SI_TIMER ? info->si_value.sival_int : -1;
}

static void clocks(void)
{
    static const int ids[] = { 0, 1, 2, 3, 4, 5, 6, 7, 11, 20, 99, -5 };
    struct timespec a, b;
    struct timeval tv;
    struct timezone tz;

    for (unsigned i = 0; i < sizeof(ids) / sizeof(ids[0]); i++) {
        SHOW(syscall(SYS_clock_gettime, ids[i], &a));
        SHOW(syscall(SYS_clock_gettime, ids[i], &b));
        HOLDS(b.tv_sec > a.tv_sec || (b.tv_sec == a.tv_sec && b.tv_nsec >= a.tv_nsec));
    }
    SHOW(clock_getres(CLOCK_MONOTONIC, &a));
    printf("%ld %ld\n", (long)a.tv_sec, a.tv_nsec);
    SHOW(clock_getres(CLOCK_MONOTONIC, NULL));
    SHOW(syscall(SYS_clock_gettime, CLOCK_REALTIME, WILD));
    SHOW(syscall(SYS_clock_gettime, CLOCK_REALTIME, NULL));
    SHOW(syscall(SYS_gettimeofday, &tv, &tz));
    SHOW(clock_gettime(CLOCK_REALTIME, &a));
    HOLDS(a.tv_sec - tv.tv_sec <= 100);
    SHOW(syscall(SYS_gettimeofday, WILD, NULL));
    SHOW(syscall(SYS_gettimeofday, NULL, NULL));
    SHOW(clock_settime(CLOCK_MONOTONIC, &a));
}

static void sleeping(void)
{
    struct timespec ts = { 0, 2000000 }, bad = { 0, 1000000000 }, now, later;

    clock_gettime(CLOCK_MONOTONIC, &now);
    SHOW(nanosleep(&ts, NULL));
    SHOW(nanosleep(&bad, NULL));
    SHOW(clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &now, NULL));
    SHOW(clock_nanosleep(CLOCK_THREAD_CPUTIME_ID, 0, &ts, NULL));
    SHOW(syscall(SYS_nanosleep, WILD, NULL));
    clock_gettime(CLOCK_MONOTONIC, &later);
    HOLDS((later.tv_sec - now.tv_sec) * 1000000000 + later.tv_nsec - now.tv_nsec >= 2000000);
}

static void timers(void)
{
    struct sigaction sa = { .sa_sigaction = on_timer, .sa_flags = SA_SIGINFO };
    struct sigevent ev = { .sigev_notify = SIGEV_SIGNAL, .sigev_signo = SIGUSR2,
                           .sigev_value.sival_int = 1234 };
    struct itimerspec it = { { 0, 0 }, { 0, 1000000 } }, now;
    struct itimerval old, real = { { 0, 0 }, { 1000, 5 } };
    timer_t t;

    sigaction(SIGUSR2, &sa, NULL);
    SHOW(timer_create(CLOCK_MONOTONIC, &ev, &t));
    SHOW(timer_settime(t, 0, &it, NULL));
    while (!handled) {
        usleep(1000);
    }
    printf("%d %d\n", (int)handled, (int)value);
    SHOW(timer_getoverrun(t));
    SHOW(timer_gettime(t, &now));
    printf("%ld %ld\n", (long)now.it_value.tv_sec, now.it_value.tv_nsec);
    SHOW(timer_delete(t));
    ev.sigev_notify = SIGEV_NONE;
    SHOW(timer_create(CLOCK_REALTIME, &ev, &t));
    SHOW(timer_delete(t));
    SHOW(syscall(SYS_timer_delete, 12345));
    ev.sigev_signo = 99;
    ev.sigev_notify = SIGEV_SIGNAL;
    SHOW(syscall(SYS_timer_create, CLOCK_REALTIME, &ev, &t));
    SHOW(syscall(SYS_timer_create, CLOCK_REALTIME, WILD, &t));
    SHOW(setitimer(ITIMER_REAL, &real, NULL));
    SHOW(getitimer(ITIMER_REAL, &old));
    HOLDS(old.it_value.tv_sec > 500 && old.it_value.tv_sec <= 1000);
    real.it_value.tv_sec = 0;
    real.it_value.tv_usec = 0;
    SHOW(setitimer(ITIMER_REAL, &real, &old));
    HOLDS(old.it_value.tv_sec > 500);
    SHOW(setitimer(77, &real, &old));
    SHOW(setitimer(ITIMER_REAL, WILD, &old));
    SHOW(alarm(1000));
    HOLDS(alarm(0) > 500);
}

static void usage(void)
{
    struct rusage ru;
    struct tms tms;
    struct timex tx = { 0 };

    SHOW(getrusage(RUSAGE_SELF, &ru));
    HOLDS(ru.ru_maxrss > 0);
    SHOW(getrusage(RUSAGE_THREAD, &ru));
    SHOW(getrusage(RUSAGE_CHILDREN, &ru));
    printf("%ld\n", ru.ru_maxrss);
    SHOW(getrusage(77, &ru));
    SHOW(getrusage(RUSAGE_SELF, WILD));
    WORKS(times(&tms));
    WORKS(adjtimex(&tx));
    HOLDS(tx.tick > 9000 && tx.tick < 11000);
}

int main(void)
{
    clocks();
    sleeping();
    timers();
    usage();
    return 0;
}
