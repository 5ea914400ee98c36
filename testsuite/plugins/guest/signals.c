/* SPDX-License-Identifier: Apache-2.0 */
/* Signals that wait, blocked, until they are fetched: none gets lost, and none ends the program. */
#include "start.h"

enum { SIGUSR1 = 10, TIMES = 200 };

int run(const char *argument)
{
    unsigned long set = 1ul << (SIGUSR1 - 1);
    long patience[2] = { 10, 0 };

    (void)argument;
    sys6(SYS_rt_sigprocmask, 0, (long)&set, 0, sizeof(set), 0, 0);
    for (int i = 0; i < TIMES; i++) {
        sys3(SYS_kill, sys3(SYS_getpid, 0, 0, 0), SIGUSR1, 0);
        if (sys6(SYS_rt_sigtimedwait, (long)&set, 0, (long)patience, sizeof(set), 0, 0) != SIGUSR1) {
            return 1;
        }
    }
    return 0;
}
