/* SPDX-License-Identifier: Apache-2.0 */
/* The system calls about memory and limits, and that of RISC-V about caches. */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/syscall.h>

#include "base/bits.h"
#include "userland/mem.h"
#include "userland/proc.h"
#include "userland/run.h"

int64_t sys_mmap(Task *t, const uint64_t a[6])
{
    (void)t;
    return mem_mmap(a[0], a[1], (int)a[2], (int)a[3], (int)a[4], a[5]);
}

int64_t sys_munmap(Task *t, const uint64_t a[6])
{
    (void)t;
    return mem_munmap(a[0], a[1]);
}

int64_t sys_mprotect(Task *t, const uint64_t a[6])
{
    (void)t;
    return mem_mprotect(a[0], a[1], (int)a[2]);
}

int64_t sys_mremap(Task *t, const uint64_t a[6])
{
    (void)t;
    return mem_mremap(a[0], a[1], a[2], (int)a[3], a[4]);
}

int64_t sys_mseal(Task *t, const uint64_t a[6])
{
    (void)t;
    return mem_mseal(a[0], a[1], a[2]);
}

int64_t sys_madvise(Task *t, const uint64_t a[6])
{
    (void)t;
    return mem_madvise(a[0], a[1], (int)a[2]);
}

/* Calls on a range of pages that change nothing that Ketch keeps. */
static int64_t range_call(Task *t, long nr, const uint64_t a[6])
{
    if (a[1] > mem_limit || !mem_in_guest(a[0], bits_align_up(a[1], MEM_PAGE))) {
        return a[0] % MEM_PAGE && nr != SYS_mlock && nr != SYS_munlock ? -EINVAL : -ENOMEM;
    }
    return task_block(t, nr, a);
}

int64_t sys_mincore(Task *t, const uint64_t a[6])
{
    uint64_t args[6] = { a[0], a[1],
                         (uint64_t)(uintptr_t)mem_host(a[2], (a[1] + MEM_PAGE - 1) / MEM_PAGE) };

    return range_call(t, SYS_mincore, args);
}

int64_t sys_msync(Task *t, const uint64_t a[6])
{
    return range_call(t, SYS_msync, a);
}

int64_t sys_mlock(Task *t, const uint64_t a[6])
{
    return range_call(t, SYS_mlock, a);
}

int64_t sys_mlock2(Task *t, const uint64_t a[6])
{
    return range_call(t, SYS_mlock2, a);
}

int64_t sys_munlock(Task *t, const uint64_t a[6])
{
    return range_call(t, SYS_munlock, a);
}

int64_t sys_mlockall(Task *t, const uint64_t a[6])
{
    (void)t;
    return HOST_CALL1(SYS_mlockall, a[0]);
}

int64_t sys_munlockall(Task *t, const uint64_t a[6])
{
    (void)t;
    (void)a;
    return HOST_CALL0(SYS_munlockall);
}

int64_t sys_brk(Task *t, const uint64_t a[6])
{
    (void)t;
    return mem_brk(a[0]);
}

int64_t sys_shmat(Task *t, const uint64_t a[6])
{
    (void)t;
    return mem_shmat((int)a[0], a[1], (int)a[2]);
}

int64_t sys_shmdt(Task *t, const uint64_t a[6])
{
    (void)t;
    return mem_shmdt(a[0]);
}

int64_t sys_remap_file_pages(Task *t, const uint64_t a[6])
{
    (void)t;
    return mem_remap_file_pages(a[0], a[1], (int)a[2], a[3], (int)a[4]);
}

int64_t sys_membarrier(Task *t, const uint64_t a[6])
{
    (void)t;
    return HOST_CALL3(SYS_membarrier, a[0], a[1], a[2]);
}

/* ---- Limits.  RLIMIT_AS and RLIMIT_DATA would hit Ketch's own memory: they are kept here. ---- */

enum { OWN_LIMITS = 2 };

static const int own_resource[OWN_LIMITS] = { RLIMIT_AS, RLIMIT_DATA };
static struct rlimit own_limit[OWN_LIMITS];
static bool own_limit_set[OWN_LIMITS];

static int own_index(uint64_t resource)
{
    return resource == RLIMIT_AS ? 0 : resource == RLIMIT_DATA ? 1 : -1;
}

static int64_t get_own_limit(int i, uint64_t resource, struct rlimit *lim)
{
    if (own_limit_set[i]) {
        *lim = own_limit[i];
        return 0;
    }
    return HOST_CALL4(SYS_prlimit64, 0, resource, 0, lim);
}

static int64_t set_own_limit(int i, uint64_t resource, const struct rlimit *lim)
{
    struct rlimit old;
    int64_t r = get_own_limit(i, resource, &old);

    if (r < 0) {
        return r;
    }
    if (lim->rlim_cur > lim->rlim_max) {
        return -EINVAL;
    }
    if (lim->rlim_max > old.rlim_max && HOST_CALL0(SYS_geteuid) != 0) {
        return -EPERM;
    }
    own_limit[i] = *lim;
    own_limit_set[i] = true;
    mem_set_limit((int)resource, lim->rlim_cur);
    return 0;
}

static int64_t own_prlimit(int i, uint64_t resource, uint64_t new_addr, uint64_t old_addr)
{
    struct rlimit old, lim;
    int64_t r = get_own_limit(i, resource, &old);

    if (r == 0 && new_addr) {
        r = mem_read(&lim, new_addr, sizeof(lim)) ? set_own_limit(i, resource, &lim) : -EFAULT;
    }
    if (r == 0 && old_addr && !mem_write(old_addr, &old, sizeof(old))) {
        r = -EFAULT;
    }
    return r;
}

int64_t sys_prlimit64(Task *t, const uint64_t a[6])
{
    int i = own_index(a[1]);

    (void)t;
    if (i >= 0 && (a[0] == 0 || (int64_t)a[0] == HOST_CALL0(SYS_getpid))) {
        return own_prlimit(i, a[1], a[2], a[3]);
    }
    return HOST_CALL4(SYS_prlimit64, a[0], a[1], mem_host(a[2], 16), mem_host(a[3], 16));
}

void limits_print(char *text, size_t size)
{
    size_t n = 0;

    text[0] = '\0';
    for (int i = 0; i < OWN_LIMITS; i++) {
        if (own_limit_set[i]) {
            n += (size_t)snprintf(text + n, size - n, "%d:%llu:%llu,", i,
                                  (unsigned long long)own_limit[i].rlim_cur,
                                  (unsigned long long)own_limit[i].rlim_max);
        }
    }
}

void limits_take(const char *text)
{
    unsigned long long soft, hard;
    unsigned i;

    for (; sscanf(text, "%u:%llu:%llu,", &i, &soft, &hard) == 3; text = strchr(text, ',') + 1) {
        if (i >= OWN_LIMITS || !strchr(text, ',')) {
            return;
        }
        own_limit[i] = (struct rlimit){ soft, hard };
        own_limit_set[i] = true;
        mem_set_limit(own_resource[i], soft);
    }
}

int64_t sys_getrlimit(Task *t, const uint64_t a[6])
{
    return a[1] ? sys_prlimit64(t, (uint64_t[6]){ 0, a[0], 0, a[1] }) : -EFAULT;
}

int64_t sys_setrlimit(Task *t, const uint64_t a[6])
{
    return a[1] ? sys_prlimit64(t, (uint64_t[6]){ 0, a[0], a[1], 0 }) : -EFAULT;
}

/* ---- RISC-V ---- */

int64_t sys_riscv_flush_icache(Task *t, const uint64_t a[6])
{
    (void)t;
    if (a[2] & ~UINT64_C(1)) {
        return -EINVAL;
    }
    /* The kernel flushes everything, whatever the range; callers give the right one. */
    if (a[1] > a[0] && mem_in_guest(a[0], a[1] - a[0])) {
        mem_code_changed(a[0], a[1]);
    } else {
        mem_code_changed(0, mem_limit);
    }
    return 0;
}
