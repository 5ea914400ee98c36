/* SPDX-License-Identifier: Apache-2.0 */
/* userland/path.c - file names of the guest that are looked up: sysroot, /proc/self/exe. */
#include "userland/path.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "userland/syscall.h"

/* An O_PATH descriptor of the file that `path` names inside the sysroot. */
static int open_in_root(const char *path)
{
    const struct open_how how = { .flags = O_PATH | O_CLOEXEC, .resolve = RESOLVE_IN_ROOT };
    int root = open(process.sysroot, O_PATH | O_DIRECTORY | O_CLOEXEC);
    int64_t fd;

    if (root < 0) {
        return -1;
    }
    fd = HOST_CALL4(SYS_openat2, root, path, &how, sizeof(how));
    close(root);
    return fd < 0 ? -1 : (int)fd;
}

void path_follow(char *path)
{
    char name[64], target[PATH_MAX];
    struct stat st;
    ssize_t n;
    int fd;

    if (lstat(path, &st) < 0 || !S_ISLNK(st.st_mode)) {
        return;
    }
    fd = open_in_root(path + strlen(process.sysroot));
    if (fd < 0) {
        return;
    }
    snprintf(name, sizeof(name), "/proc/self/fd/%d", fd);
    n = readlink(name, target, sizeof(target) - 1);
    close(fd);
    if (n > 0) {
        memcpy(path, target, (size_t)n);
        path[n] = '\0';
    }
}

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
    found_at(found, follow ? proc_path(found->text, found->root)
                           : proc_path_link(found->text, found->root));
    return 0;
}
