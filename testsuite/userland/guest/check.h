/* SPDX-License-Identifier: Apache-2.0 */
/* What the guest programs here share.  A program passes when it prints "passed" and ends with
 * status 0; a failed CHECK says where. */
#ifndef CHECK_H
#define CHECK_H

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define CHECK(cond)                                                                            \
    do {                                                                                       \
        if (!(cond)) {                                                                         \
            fprintf(stderr, "%s:%d: %s (errno %d)\n", __FILE__, __LINE__, #cond, errno);       \
            _exit(1);                                                                          \
        }                                                                                      \
    } while (0)

#define CHECK_EQ(a, b)                                                                         \
    do {                                                                                       \
        long long a_ = (long long)(a), b_ = (long long)(b);                                    \
        if (a_ != b_) {                                                                        \
            fprintf(stderr, "%s:%d: %s is %lld (%#llx), not %lld (%#llx) (errno %d)\n",        \
                    __FILE__, __LINE__, #a, a_, a_, b_, b_, errno);                            \
            _exit(1);                                                                          \
        }                                                                                      \
    } while (0)

/* `call` fails with errno `e`. */
#define CHECK_ERRNO(call, e)                                                                   \
    do {                                                                                       \
        errno = 0;                                                                             \
        CHECK_EQ((long)(call), -1);                                                            \
        CHECK_EQ(errno, (e));                                                                  \
    } while (0)

static inline int passed(void)
{
    puts("passed");
    return 0;
}

#endif
