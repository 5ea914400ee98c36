/* SPDX-License-Identifier: Apache-2.0 */
/* Floating-point registers, rounding mode and flags across signal handlers that change them all. */
#include <fenv.h>
#include <math.h>
#include <signal.h>
#include <stdint.h>
#include <sys/time.h>

#include "check.h"

static volatile int handled;
static volatile double zero;

static void on_alarm(int sig)
{
    volatile double x = 1.0;

    (void)sig;
    handled++;
    fesetround(FE_TOWARDZERO);
    feclearexcept(FE_ALL_EXCEPT);
    for (int i = 1; i < 50; i++) {
        x = x * 1.1 / 3.7 + (double)i;
    }
    (void)(x / zero);
}

__attribute__((noipa)) static double series(int n)
{
    double a = 1.0, b = 0.5, sum = 0.0;

    for (int i = 1; i <= n; i++) {
        a = a * 0.999 + 1.0 / i;
        b = b / 1.0001 + a * 0.25;
        sum += a * b - sum * 0.01;
    }
    return sum;
}

int main(void)
{
    struct sigaction sa = { .sa_handler = on_alarm };
    struct itimerval tick = { { 0, 1000 }, { 0, 1000 } };
    int rounding[] = { FE_TONEAREST, FE_UPWARD, FE_DOWNWARD, FE_TOWARDZERO };
    double want[4];

    for (int i = 0; i < 4; i++) {
        fesetround(rounding[i]);
        want[i] = series(20000);
    }
    CHECK(want[1] != want[2]);
    CHECK_EQ(sigaction(SIGALRM, &sa, NULL), 0);
    CHECK_EQ(setitimer(ITIMER_REAL, &tick, NULL), 0);
    for (int n = 0; n < 40 || handled < 20; n++) {
        int i = n & 3;

        fesetround(rounding[i]);
        feclearexcept(FE_ALL_EXCEPT);
        CHECK(series(20000) == want[i]);
        CHECK_EQ(fegetround(), rounding[i]);
        CHECK_EQ(fetestexcept(FE_ALL_EXCEPT), FE_INEXACT);
    }
    return passed();
}
