/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>

#include "userland/guard.h"
#include "userland/host.h"
#include "userland/mem.h"

uint64_t mem_limit = UINT64_C(1) << 38;

bool mem_read(void *dst, uint64_t gaddr, size_t n)
{
    return mem_in_guest(gaddr, n) && host_copy(dst, (const void *)(uintptr_t)gaddr, n);
}

bool mem_write(uint64_t gaddr, const void *src, size_t n)
{
    size_t sets;
    bool done;

    if (!mem_in_guest(gaddr, n)) {
        return false;
    }
    do {
        sets = guard_sets;
        mem_open(gaddr, n);
        done = host_copy((void *)(uintptr_t)gaddr, src, n);
    } while (!done && sets != guard_sets);
    return done;
}

bool mem_zero(uint64_t gaddr, size_t n)
{
    size_t sets;
    bool done;

    if (!mem_in_guest(gaddr, n)) {
        return false;
    }
    do {
        sets = guard_sets;
        mem_open(gaddr, n);
        done = host_zero((void *)(uintptr_t)gaddr, n);
    } while (!done && sets != guard_sets);
    return done;
}

ssize_t mem_strlen(uint64_t gaddr, size_t max)
{
    size_t len;

    if (!mem_in_guest(gaddr, 1)) {
        return -EFAULT;
    }
    if (max > mem_limit - gaddr) {
        max = mem_limit - gaddr;
    }
    return host_strnlen((const char *)(uintptr_t)gaddr, max, &len) ? (ssize_t)len : -EFAULT;
}

ssize_t mem_strcpy_in(char *dst, uint64_t gaddr, size_t size)
{
    ssize_t len = mem_strlen(gaddr, size);

    if (len < 0) {
        return len;
    }
    if ((size_t)len >= size) {
        return -ENAMETOOLONG;
    }
    /* Another thread may have changed the string: the NUL is ours. */
    if (!mem_read(dst, gaddr, (size_t)len)) {
        return -EFAULT;
    }
    dst[len] = '\0';
    return len;
}

bool mem_cas_u32(uint64_t gaddr, uint32_t expected, uint32_t desired, uint32_t *old)
{
    size_t sets;
    bool done;

    if (!mem_in_guest(gaddr, 4)) {
        return false;
    }
    do {
        sets = guard_sets;
        mem_open(gaddr, 4);
        done = host_cas_u32((void *)(uintptr_t)gaddr, expected, desired, old);
    } while (!done && sets != guard_sets);
    return done;
}

uintptr_t mem_fixup(uintptr_t pc)
{
    bool inside = pc >= (uintptr_t)host_access_begin && pc < (uintptr_t)host_access_end;

    return inside ? (uintptr_t)host_access_failed : 0;
}
