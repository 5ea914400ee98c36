/* SPDX-License-Identifier: Apache-2.0 */
/* userland/system_calls.c - calls that ask the kernel about itself and about the process. */
#include <errno.h>
#include <linux/keyctl.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/utsname.h>
#include <time.h>

#include "userland/syscall.h"

enum {
    GET_AUXV = 0x41555856,  /* PR_GET_AUXV, newer than the host's headers */
    ICACHE_FLUSH_CTX = 71,  /* PR_RISCV_SET_ICACHE_FLUSH_CTX */
};

int64_t sys_uname(Task *t, const uint64_t *a)
{
    struct utsname name;
    int64_t r = HOST_CALL1(SYS_uname, &name);

    (void)t;
    if (r < 0) {
        return r;
    }
    memset(name.machine, 0, sizeof(name.machine));
    strcpy(name.machine, process.options->guest->name);
    if (process.options->release) {
        memset(name.release, 0, sizeof(name.release));
        strncpy(name.release, process.options->release, sizeof(name.release) - 1);
    }
    return mem_write(a[0], &name, sizeof(name)) ? 0 : -EFAULT;
}

/* Through the host's vDSO: the most frequent call of many programs. */
int64_t sys_clock_gettime(Task *t, const uint64_t *a)
{
    struct timespec now;

    (void)t;
    if (clock_gettime((clockid_t)a[0], &now) < 0) {
        return -errno;
    }
    return mem_write(a[1], &now, sizeof(now)) ? 0 : -EFAULT;
}

int64_t sys_gettimeofday(Task *t, const uint64_t *a)
{
    struct timeval now;
    struct timezone zone;

    (void)t;
    if (gettimeofday(&now, &zone) < 0) {
        return -errno;
    }
    if (a[0] && !mem_write(a[0], &now, sizeof(now))) {
        return -EFAULT;
    }
    return a[1] && !mem_write(a[1], &zone, sizeof(zone)) ? -EFAULT : 0;
}

static int64_t get_auxv(const uint64_t *a)
{
    uint64_t size = process.auxv_end - process.auxv_start;
    uint8_t auxv[1024];
    uint64_t n = size < sizeof(auxv) ? size : sizeof(auxv);

    if (a[3] || a[4]) {
        return -EINVAL;
    }
    if (!mem_read(auxv, process.auxv_start, n) || !mem_write(a[1], auxv, n < a[2] ? n : a[2])) {
        return -EFAULT;
    }
    return (int64_t)size;
}

/* PR_SET_VMA: a name for anonymous memory.  The host's kernel may not know it; then nothing
 * depends on it either. */
static int64_t set_vma(const uint64_t *a)
{
    char name[80];
    ssize_t length = a[4] ? mem_strcpy_in(name, a[4], sizeof(name)) : 0;

    if (a[1] != PR_SET_VMA_ANON_NAME || length == -ENAMETOOLONG || !mem_in_guest(a[2], a[3])) {
        return -EINVAL;
    }
    if (length < 0) {
        return length;
    }
    return host_call(SYS_prctl, PR_SET_VMA, a[1], a[2], a[3],
                     a[4] ? (uint64_t)(uintptr_t)name : 0, 0);
}

static int64_t prctl_numbers(const uint64_t *a)
{
    return host_call(SYS_prctl, a[0], a[1], a[2], a[3], a[4], 0);
}

static int64_t prctl_pointer(const uint64_t *a, unsigned size)
{
    return host_call(SYS_prctl, a[0], (uint64_t)(uintptr_t)mem_host(a[1], size), a[2], a[3], a[4],
                     0);
}

int64_t sys_prctl(Task *t, const uint64_t *a)
{
    switch ((uint32_t)a[0]) {
#define NUMBERS(name) case name: return prctl_numbers(a);
#define POINTER(name, size) case name: return prctl_pointer(a, size);
#include "userland/prctls.def"
    case PR_GET_TID_ADDRESS:
        return mem_write_u64(a[1], t->clear_child_tid) ? 0 : -EFAULT;
    case PR_GET_SECCOMP:
        return 0;
    case PR_SET_VMA:
        return set_vma(a);
    case GET_AUXV:
        return get_auxv(a);
    case ICACHE_FLUSH_CTX:
        return a[1] <= 1 && a[2] <= 1 ? 0 : -EINVAL; /* fence.i is always enough here */
    default:
        return -EINVAL;
    }
}

/* The arguments of a keyctl() operation after the first: v a number, s a string or a struct,
 * b bytes whose number comes next. */
static const char *keyctl_pattern(uint32_t op)
{
    switch (op) {
    case KEYCTL_JOIN_SESSION_KEYRING:
        return "s";
    case KEYCTL_UPDATE:
    case KEYCTL_DESCRIBE:
    case KEYCTL_READ:
    case KEYCTL_GET_SECURITY:
    case KEYCTL_INSTANTIATE:
        return "vb";
    case KEYCTL_SEARCH:
    case KEYCTL_RESTRICT_KEYRING:
        return "vss";
    case KEYCTL_DH_COMPUTE:
        return "sbvs";
    default:
        return "";
    }
}

/* Operations with more nested pointers than a pattern can say are not offered. */
static bool keyctl_is_known(uint32_t op)
{
    return op <= KEYCTL_RESTRICT_KEYRING && op != KEYCTL_INSTANTIATE_IOV &&
           !(op >= KEYCTL_PKEY_QUERY && op <= KEYCTL_PKEY_VERIFY);
}

int64_t sys_keyctl(Task *t, const uint64_t *a)
{
    uint32_t op = (uint32_t)a[0];
    const char *pattern = keyctl_pattern(op);
    uint64_t host[SYSCALL_ARGS] = { a[0], a[1], a[2], a[3], a[4] };

    (void)t;
    if (!keyctl_is_known(op)) {
        return -EOPNOTSUPP;
    }
    for (unsigned i = 1; pattern[i - 1]; i++) {
        if (pattern[i - 1] != 'v') {
            uint64_t length = pattern[i - 1] == 'b' ? a[i + 1] : 1;

            host[i] = (uint64_t)(uintptr_t)mem_host(a[i], length);
        }
    }
    return host_call(SYS_keyctl, host[0], host[1], host[2], host[3], host[4], 0);
}
