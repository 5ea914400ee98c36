/* SPDX-License-Identifier: Apache-2.0 */
#include "userland/flags.h"

#include <fcntl.h>
#include <linux/falloc.h>
#include <linux/futex.h>
#include <linux/membarrier.h>
#include <netinet/in.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/file.h>
#include <sys/inotify.h>
#include <sys/ipc.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/random.h>
#include <sys/resource.h>
#include <sys/shm.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <sys/timerfd.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "userland/show.h"

typedef struct FlagName {
    FlagSet set;
    uint32_t mask, value;
    const char *name;
} FlagName;

static const FlagName names[] = {
#define NAMED_ENUM(set, name, value) { FS_##set, UINT32_MAX, (uint32_t)(value), #name },
#define NAMED_BIT(set, name, value) { FS_##set, (uint32_t)(value), (uint32_t)(value), #name },
#define ENUM(set, name) { FS_##set, UINT32_MAX, (uint32_t)name, #name },
#define BIT(set, name) { FS_##set, (uint32_t)name, (uint32_t)name, #name },
#define PART(set, mask, name) { FS_##set, (uint32_t)(mask), (uint32_t)name, #name },
#include "userland/sysflags.def"
};

void flags_text(unsigned set, uint32_t value, char *text, size_t size)
{
    uint32_t seen = 0; /* bits that a row has spoken about */
    size_t at = 0;

    text[0] = 0;
    for (unsigned i = 0; i < sizeof(names) / sizeof(names[0]) && at < size; i++) {
        const FlagName *n = &names[i];

        if (n->set == set && (value & n->mask) == n->value && n->mask & ~seen) {
            at += (size_t)snprintf(text + at, size - at, "%s%s", at ? "|" : "", n->name);
            seen |= n->mask;
        }
    }
    if (at == 0 || (at < size && value & ~seen)) {
        snprintf(text + at, size - at, value & ~seen ? "%s0x%x" : "%s%x", at ? "|" : "",
                 value & ~seen);
    }
}
