/* SPDX-License-Identifier: Apache-2.0 */
/* SIGALRM at 1 kHz in a hot loop; the handler jumps out of it, 500 times. */
#include <setjmp.h>
#include <signal.h>
#include <stdint.h>
#include <sys/time.h>

#include "check.h"

static sigjmp_buf env;
static volatile uint64_t sink;
static volatile int jumps;

static void on_alarm(int sig)
{
    (void)sig;
    jumps++;
    siglongjmp(env, jumps);
}

static void hot_loop(void)
{
    uint64_t x = 88172645463325252u, sum = 0;
    uint32_t words[64] = { 0 };

    for (;;) {
        x ^= x << 13;
        x ^= x >> 7;
        x ^= x << 17;
        words[x & 63] += (uint32_t)x;
        sum += words[(x >> 8) & 63];
        if (sum == 1) {
            sink = sum;
        }
    }
}

int main(void)
{
    struct itimerval tick = { { 0, 1000 }, { 0, 1000 } }, stop = { { 0, 0 }, { 0, 0 } };
    struct sigaction sa = { .sa_handler = on_alarm };
    volatile int last = 0;
    int n;

    CHECK_EQ(sigaction(SIGALRM, &sa, NULL), 0);
    n = sigsetjmp(env, 1);
    if (n == 0) {
        CHECK_EQ(setitimer(ITIMER_REAL, &tick, NULL), 0);
    }
    CHECK(n == 0 || n > last);
    last = n;
    if (n < 500) {
        hot_loop();
    }
    CHECK_EQ(setitimer(ITIMER_REAL, &stop, NULL), 0);
    return passed();
}
