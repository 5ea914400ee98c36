/* SPDX-License-Identifier: Apache-2.0 */
/* userland/path.c - file names of the guest that are looked up: sysroot, /proc/self/exe. */
#include <errno.h>
#include <string.h>

#include "userland/syscall.h"

static void found_at(FoundPath *found, const char *path)
{
    found->host = (uint64_t)(uintptr_t)path;
}

int path_find(FoundPath *found, uint64_t gaddr, bool follow)
{
    ssize_t length;
    int64_t proc;

    found->host = (uint64_t)(uintptr_t)mem_host(gaddr, 1);
    length = mem_strcpy_in(found->text, gaddr, sizeof(found->text));
    if (length < 0) {
        found->text[0] = 0;
        return (int)length;
    }
    found_at(found, found->text);
    if (found->text[0] != '/') {
        return 0;
    }
    if (follow && strncmp(found->text, "/proc/", 6) == 0 &&
        proc_readlink(found->text, found->root, sizeof(found->root) - 1, &proc) && proc > 0) {
        found->root[proc] = 0;
        found_at(found, found->root);
        return 0;
    }
    found_at(found, proc_path(found->text, found->root));
    return 0;
}
