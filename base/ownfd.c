/* SPDX-License-Identifier: Apache-2.0 */
#include "base/ownfd.h"

#include <fcntl.h>
#include <stdatomic.h>
#include <unistd.h>

#include "base/check.h"

enum { OWNFD_FIRST = 1000, OWNFD_MOST = 128 };

/* Descriptor + 1; 0: free. */
static _Atomic uint32_t own[OWNFD_MOST];

static void exchange(uint32_t from, uint32_t to)
{
    for (unsigned i = 0; i < OWNFD_MOST; i++) {
        uint32_t expected = from;

        if (atomic_compare_exchange_strong(&own[i], &expected, to)) {
            return;
        }
    }
    CHECK(from, "more than %d file descriptors of our own", OWNFD_MOST);
}

int ownfd_take(int fd)
{
    int high;

    if (fd < 0) {
        return fd;
    }
    high = fcntl(fd, F_DUPFD_CLOEXEC, OWNFD_FIRST);
    if (high >= 0) {
        close(fd);
        fd = high;
    }
    exchange(0, (uint32_t)fd + 1);
    return fd;
}

void ownfd_close(int fd)
{
    if (fd >= 0) {
        exchange((uint32_t)fd + 1, 0);
        close(fd);
    }
}

bool ownfd_is(uint64_t fd)
{
    return ownfd_next((uint32_t)fd) == (uint32_t)fd;
}

uint32_t ownfd_next(uint32_t from)
{
    uint32_t best = OWNFD_NONE;

    for (unsigned i = 0; i < OWNFD_MOST; i++) {
        uint32_t fd = atomic_load_explicit(&own[i], memory_order_relaxed) - 1;

        if (fd != OWNFD_NONE && fd >= from && fd < best) {
            best = fd;
        }
    }
    return best;
}
