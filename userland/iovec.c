/* SPDX-License-Identifier: Apache-2.0 */
#include "userland/iovec.h"

#include <sys/syscall.h>

#include "userland/syscall.h"

uint64_t iovec_host(IoVec *vec, uint64_t gaddr, uint64_t count)
{
    if (count == 0 || count > IOV_MAX) {
        return (uint64_t)(uintptr_t)vec->part; /* the kernel looks at the count first */
    }
    if (!mem_read(vec->part, gaddr, count * sizeof(vec->part[0]))) {
        return (uint64_t)(uintptr_t)MEM_BAD;
    }
    for (uint64_t i = 0; i < count; i++) {
        struct iovec *part = &vec->part[i];

        part->iov_base = mem_host(mem_guest(part->iov_base), part->iov_len);
    }
    return (uint64_t)(uintptr_t)vec->part;
}

bool iovec_in_guest(IoVec *vec, uint64_t gaddr, uint64_t count)
{
    if (count > IOV_MAX || !mem_read(vec->part, gaddr, count * sizeof(vec->part[0]))) {
        return false;
    }
    for (uint64_t i = 0; i < count; i++) {
        if (!mem_in_guest(mem_guest(vec->part[i].iov_base), vec->part[i].iov_len)) {
            return false;
        }
    }
    return true;
}

static int64_t on_vec(Task *t, long nr, const uint64_t *a)
{
    IoVec vec;
    uint64_t host[SYSCALL_ARGS] = { a[0], iovec_host(&vec, a[1], a[2]), a[2], a[3], a[4], a[5] };

    return syscall_wait(t, true, nr, host);
}

/* The calls that differ only in their number. */
#define ON_VEC(name)                               \
    int64_t sys_##name(Task *t, const uint64_t *a) \
    {                                              \
        return on_vec(t, SYS_##name, a);           \
    }
ON_VEC(readv)
ON_VEC(writev)
ON_VEC(preadv)
ON_VEC(pwritev)
ON_VEC(preadv2)
ON_VEC(pwritev2)
ON_VEC(vmsplice)
ON_VEC(process_madvise)

/* The remote addresses are another process's: that of a guest has the same ones as its host. */
static int64_t on_process(long nr, const uint64_t *a)
{
    IoVec local;
    uint64_t remote_len = a[4] <= IOV_MAX ? a[4] * sizeof(struct iovec) : 0;

    return host_call(nr, a[0], iovec_host(&local, a[1], a[2]), a[2],
                     (uint64_t)(uintptr_t)mem_host(a[3], remote_len), a[4], a[5]);
}

int64_t sys_process_vm_readv(Task *t, const uint64_t *a)
{
    (void)t;
    return on_process(SYS_process_vm_readv, a);
}

int64_t sys_process_vm_writev(Task *t, const uint64_t *a)
{
    (void)t;
    return on_process(SYS_process_vm_writev, a);
}
