/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Exception flags, each raised by what raises it and by nothing else, thousands of times: with all
 * signals blocked, with SIGFPE ignored or handled (the guest never gets one that it did not send
 * itself), in threads, in a forked child.
 */
#include <fenv.h>
#include <math.h>
#include <pthread.h>
#include <signal.h>
#include <sys/wait.h>

#include "check.h"

static volatile double zero, one = 1, three = 3, big = 1e308, small = 0x1p-1022, least = 0x1p-1074;
static volatile sig_atomic_t fpe;

static void on_fpe(int sig)
{
    (void)sig;
    fpe++;
}

/* The flags of `expression`, with none set before */
#define FLAGS(expression)            \
    ({                               \
        volatile double r_;          \
        feclearexcept(FE_ALL_EXCEPT); \
        r_ = (expression);           \
        (void)r_;                    \
        fetestexcept(FE_ALL_EXCEPT); \
    })

static void each_flag(void)
{
    CHECK_EQ(FLAGS(one + one), 0);
    CHECK_EQ(FLAGS(one / three), FE_INEXACT);
    CHECK_EQ(FLAGS(one / zero), FE_DIVBYZERO);
    CHECK_EQ(FLAGS(zero / zero), FE_INVALID);
    CHECK_EQ(FLAGS(big * big), FE_OVERFLOW | FE_INEXACT);
    CHECK_EQ(FLAGS(small * small), FE_UNDERFLOW | FE_INEXACT);
    CHECK_EQ(FLAGS(small * 0.5), 0); /* tiny but exact */
    CHECK_EQ(FLAGS(least * one), 0);
    CHECK_EQ(FLAGS(least * 0.5), FE_UNDERFLOW | FE_INEXACT);
    CHECK_EQ(FLAGS((double)(int)(one / 3)), FE_INEXACT);
    CHECK_EQ(FLAGS((double)(int)big), FE_INVALID);
    CHECK_EQ(FLAGS((double)isless(one, three)), 0);
    CHECK_EQ(FLAGS((double)isless(one, (double)NAN)), 0);
    CHECK_EQ(FLAGS(floor(three / 2)), 0);
    feraiseexcept(FE_DIVBYZERO);
    CHECK_EQ(fetestexcept(FE_ALL_EXCEPT), FE_DIVBYZERO);
    CHECK(sqrt(three) > 1.7);
    CHECK_EQ(fetestexcept(FE_ALL_EXCEPT), FE_DIVBYZERO | FE_INEXACT);
}

static void *many(void *arg)
{
    for (int i = 0; i < 300; i++) {
        each_flag();
    }
    return arg;
}

int main(void)
{
    pthread_t thread[4];
    sigset_t all;
    pid_t child;
    int status;

    each_flag();
    sigfillset(&all);
    sigprocmask(SIG_BLOCK, &all, NULL);
    many(NULL);
    sigprocmask(SIG_UNBLOCK, &all, NULL);
    signal(SIGFPE, on_fpe);
    raise(SIGFPE);
    many(NULL);
    CHECK_EQ(fpe, 1);
    signal(SIGFPE, SIG_IGN);
    raise(SIGFPE);
    many(NULL);
    for (int i = 0; i < 4; i++) {
        CHECK_EQ(pthread_create(&thread[i], NULL, many, NULL), 0);
    }
    for (int i = 0; i < 4; i++) {
        CHECK_EQ(pthread_join(thread[i], NULL), 0);
    }
    child = fork();
    if (child == 0) {
        many(NULL);
        _exit(0);
    }
    CHECK_EQ(waitpid(child, &status, 0), child);
    CHECK_EQ(status, 0);
    return passed();
}
