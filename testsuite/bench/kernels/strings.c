/* SPDX-License-Identifier: Apache-2.0 */
/* libc's strlen, strcmp, strchr, memcpy, memset and memcmp on short and long strings. */
#include <stdio.h>
#include <string.h>

#include "kernel.h"

enum { SIZE = 4096 };

static char a[SIZE + 16], b[SIZE + 16];

/* Called through pointers that the compiler cannot see through, so that libc does the work. */
static size_t (*volatile length)(const char *) = strlen;
static int (*volatile compare)(const char *, const char *) = strcmp;
static void *(*volatile copy)(void *, const void *, size_t) = memcpy;
static void *(*volatile fill)(void *, int, size_t) = memset;
static int (*volatile same)(const void *, const void *, size_t) = memcmp;

int main(int argc, char **argv)
{
    long rounds = kernel_amount(argc, argv, 8000000);
    uint64_t sum = 0;

    for (long r = 0; r < rounds; r++) {
        size_t n = r % 16 == 0 ? SIZE - 64 : (size_t)(r * 37) % 200;
        size_t offset = (size_t)r & 7;

        fill(a + offset, 'a' + (int)(r & 15), n);
        a[offset + n] = '\0';
        sum += length(a + offset);
        copy(b + 3, a + offset, n + 1);
        sum += (uint64_t)(compare(b + 3, a + offset) == 0);
        sum += (uint64_t)(same(b + 3, a + offset, n) == 0);
    }
    printf("%lu\n", (unsigned long)sum);
    return 0;
}
