/* SPDX-License-Identifier: Apache-2.0 */
/* userland/file_calls.c - descriptors, names and status of files. */
#include <errno.h>
#include <fcntl.h>
#include <linux/close_range.h>
#include <linux/openat2.h>
#include <string.h>
#include <sys/syscall.h>

#include "base/ownfd.h"
#include "userland/convert.h"
#include "userland/syscall.h"

static bool is_proc(const FoundPath *found)
{
    return strncmp(found->text, "/proc/", 6) == 0;
}

int64_t sys_openat(Task *t, const uint64_t *a)
{
    FoundPath found;
    int64_t result;

    if (path_find(&found, a[1], !(a[2] & O_NOFOLLOW)) == 0 && is_proc(&found) &&
        proc_open(found.text, (int)a[2], &result)) {
        return result;
    }
    return syscall_wait(t, true, SYS_openat,
                        (uint64_t[SYSCALL_ARGS]){ a[0], found.host, a[2], a[3] });
}

int64_t sys_openat2(Task *t, const uint64_t *a)
{
    FoundPath found;
    struct open_how how = { 0 };
    bool known = a[3] >= sizeof(how) && mem_read(&how, a[2], sizeof(how));
    int64_t result;

    if (path_find(&found, a[1], !(how.flags & O_NOFOLLOW)) == 0 && is_proc(&found) && known &&
        how.resolve == 0 && proc_open(found.text, (int)how.flags, &result)) {
        return result;
    }
    return syscall_wait(t, true, SYS_openat2,
                        (uint64_t[SYSCALL_ARGS]){
                            a[0], found.host, (uint64_t)(uintptr_t)mem_host(a[2], a[3]), a[3] });
}

int64_t sys_close(Task *t, const uint64_t *a)
{
    (void)t;
    return ownfd_is(a[0]) ? -EBADF : HOST_CALL1(SYS_close, a[0]);
}

int64_t sys_dup3(Task *t, const uint64_t *a)
{
    (void)t;
    return ownfd_is(a[1]) ? -EBADF : HOST_CALL3(SYS_dup3, a[0], a[1], a[2]);
}

/* Around the descriptors that the guest does not have. */
int64_t sys_close_range(Task *t, const uint64_t *a)
{
    uint32_t first = (uint32_t)a[0], last = (uint32_t)a[1], own = ownfd_next(first);
    int64_t result = 0;

    (void)t;
    while (result == 0 && own != OWNFD_NONE && own <= last) {
        if (own > first) {
            result = HOST_CALL3(SYS_close_range, first, own - 1, a[2]);
        }
        first = own + 1;
        own = ownfd_next(first);
    }
    return result || (first > last && last >= (uint32_t)a[0])
               ? result
               : HOST_CALL3(SYS_close_range, first, last, a[2]);
}

int64_t sys_readlinkat(Task *t, const uint64_t *a)
{
    FoundPath found;
    int64_t result;

    (void)t;
    if (path_find(&found, a[1], false) == 0 && is_proc(&found) &&
        proc_readlink(found.text, found.root, sizeof(found.root), &result)) {
        if (result < 0) {
            return result;
        }
        if ((int32_t)a[3] <= 0) {
            return -EINVAL;
        }
        result = result < (int32_t)a[3] ? result : (int32_t)a[3];
        return mem_write(a[2], found.root, (size_t)result) ? result : -EFAULT;
    }
    return HOST_CALL4(SYS_readlinkat, a[0], found.host,
                      mem_host(a[2], (int32_t)a[3] > 0 ? (uint32_t)a[3] : 0), a[3]);
}

static int64_t give_stat(int64_t result, const struct stat *host, uint64_t gaddr)
{
    GuestStat guest;

    if (result < 0) {
        return result;
    }
    guest = convert_stat(host);
    return mem_write(gaddr, &guest, sizeof(guest)) ? 0 : -EFAULT;
}

int64_t sys_newfstatat(Task *t, const uint64_t *a)
{
    FoundPath found;
    struct stat st;

    (void)t;
    (void)path_find(&found, a[1], !(a[3] & AT_SYMLINK_NOFOLLOW));
    return give_stat(HOST_CALL4(SYS_newfstatat, a[0], found.host, &st, a[3]), &st, a[2]);
}

int64_t sys_fstat(Task *t, const uint64_t *a)
{
    struct stat st;

    (void)t;
    return give_stat(HOST_CALL2(SYS_fstat, a[0], &st), &st, a[1]);
}

int64_t sys_statx(Task *t, const uint64_t *a)
{
    FoundPath found;

    (void)t;
    (void)path_find(&found, a[1], !(a[2] & AT_SYMLINK_NOFOLLOW));
    return host_call(SYS_statx, a[0], found.host, a[2], a[3],
                     (uint64_t)(uintptr_t)mem_host(a[4], sizeof(struct statx)), 0);
}

/* What the third argument of fcntl() points at, in bytes; 0 when it is a number. */
static unsigned fcntl_size(uint32_t cmd)
{
    switch (cmd) {
    case F_GETLK:
    case F_SETLK:
    case F_SETLKW:
    case F_OFD_GETLK:
    case F_OFD_SETLK:
    case F_OFD_SETLKW:
        return sizeof(struct flock);
    case F_SETOWN_EX:
    case F_GETOWN_EX:
    case F_GET_RW_HINT:
    case F_SET_RW_HINT:
    case F_GET_FILE_RW_HINT:
    case F_SET_FILE_RW_HINT:
        return 8;
    default:
        return 0;
    }
}

int64_t sys_fcntl(Task *t, const uint64_t *a)
{
    uint32_t cmd = (uint32_t)a[1];
    unsigned size = fcntl_size(cmd);
    uint64_t arg = size ? (uint64_t)(uintptr_t)mem_host(a[2], size) : a[2];

    if (cmd == F_SETLKW || cmd == F_OFD_SETLKW) {
        return syscall_wait(t, true, SYS_fcntl, (uint64_t[SYSCALL_ARGS]){ a[0], cmd, arg });
    }
    return HOST_CALL3(SYS_fcntl, a[0], cmd, arg);
}
