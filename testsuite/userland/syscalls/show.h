/* SPDX-License-Identifier: Apache-2.0 */
/*
 * show.h - for guest programs whose output is compared with that of the same program built for
 * the host: a line per call, with nothing in it that differs from run to run.
 */
#ifndef TEST_SHOW_H
#define TEST_SHOW_H

#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

/* The call's value when it succeeds. */
#define SHOW(expr)                                                    \
    do {                                                              \
        errno = 0;                                                    \
        long show_r = (long)(expr);                                   \
        show_line(__LINE__, #expr, show_r, show_r == -1 ? errno : 0); \
    } while (0)

/* Only whether it succeeds: for descriptors, addresses, process ids. */
#define WORKS(expr)                                                            \
    do {                                                                       \
        errno = 0;                                                             \
        long show_r = (long)(expr);                                            \
        show_line(__LINE__, #expr, show_r == -1 ? -1 : 0, show_r == -1 ? errno : 0); \
    } while (0)

/* A condition that must hold. */
#define HOLDS(cond) printf("%d: %s: %s\n", __LINE__, #cond, (cond) ? "yes" : "NO")

static inline void show_line(int line, const char *text, long r, int error)
{
    if (error) {
        printf("%d: %s = %s\n", line, text, strerrorname_np(error));
    } else {
        printf("%d: %s = %ld\n", line, text, r);
    }
    fflush(stdout);
}

/* An address that no program has. */
#define BAD ((void *)0x3ffffffff0)
#define WILD ((void *)0xdead0000dead0000)

/* A directory of its own, current and empty. */
static inline void own_directory(void)
{
    char name[] = "/tmp/ketch-test-XXXXXX";

    if (!mkdtemp(name) || chdir(name) < 0) {
        perror("own_directory");
        exit(1);
    }
}

static inline void leave_directory(void)
{
    char name[256];

    if (getcwd(name, sizeof(name)) && chdir("/") == 0 && rmdir(name) < 0) {
        printf("the directory is not empty: %s\n", strerrorname_np(errno));
    }
}

#endif
