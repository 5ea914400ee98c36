/* SPDX-License-Identifier: Apache-2.0 */
/* userland/syscall.c - from a guest's call number to what does it. */
#include "userland/syscall.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/time.h>

#include "base/log.h"
#include "userland/guard.h"

/* Says once per number that a call is not there.  Numbers beyond the set share its last bit. */
static bool first_time(uint64_t nr)
{
    static _Atomic uint64_t seen[16]; /* relaxed: each bit stands for itself */
    uint64_t bit = nr < 1023 ? nr : 1023;
    uint64_t mask = UINT64_C(1) << (bit & 63);

    return !(atomic_fetch_or_explicit(&seen[bit >> 6], mask, memory_order_relaxed) & mask);
}

static int64_t unknown(Task *t, uint64_t nr)
{
    if (first_time(nr)) {
        log_warn("unknown system call %" PRIu64 " at pc 0x%" PRIx64, nr, t->syscall_pc);
    }
    return -ENOSYS;
}

static int64_t denied(Task *t, const SysRow *row)
{
    if (first_time((uint64_t)(row - syscall_rows))) {
        log_line(LOG_unimp, "system call %s is refused, at pc 0x%" PRIx64 "\n", row->name,
                 t->syscall_pc);
    }
    return -row->error;
}

/* The option with the time limit of a socket for this call; 0 when it is none of these calls. */
static int time_limit_option(long nr)
{
    switch (nr) {
    case SYS_read:
    case SYS_readv:
    case SYS_recvfrom:
    case SYS_recvmsg:
    case SYS_accept:
    case SYS_accept4:
        return SO_RCVTIMEO;
    case SYS_write:
    case SYS_writev:
    case SYS_sendto:
    case SYS_sendmsg:
    case SYS_connect:
        return SO_SNDTIMEO;
    default:
        return 0;
    }
}

/* Linux does not begin a call on a socket again that has a time limit (signal(7)). */
static bool has_time_limit(long nr, uint64_t fd)
{
    int option = time_limit_option(nr);
    struct timeval limit = { 0 };
    socklen_t length = sizeof(limit);

    return option &&
           host_call(SYS_getsockopt, fd, SOL_SOCKET, (uint64_t)option, (uint64_t)(uintptr_t)&limit,
                     (uint64_t)(uintptr_t)&length, 0) == 0 &&
           (limit.tv_sec || limit.tv_usec);
}

int64_t syscall_wait(Task *t, bool restart, long nr, const uint64_t args[SYSCALL_ARGS])
{
    int64_t r = task_block(t, nr, args);

    return r == -EINTR && restart && !has_time_limit(nr, args[0]) ? -TASK_ERESTARTSYS : r;
}

/* A count as the kernel's own prototype has it: int and unsigned are the low half. */
static uint64_t count_of(SysKind kind, uint64_t value)
{
    if (syscall_kinds[kind].direction != SD_VALUE || kind == SK_size || kind == SK_ulong) {
        return value;
    }
    return kind == SK_uint ? (uint32_t)value : (int32_t)value < 0 ? 0 : (uint32_t)value;
}

static uint64_t saturating_mul(uint64_t a, uint64_t b)
{
    uint64_t r;

    return __builtin_mul_overflow(a, b, &r) ? UINT64_MAX : r;
}

uint64_t syscall_span(const SysRow *row, const uint64_t args[SYSCALL_ARGS], unsigned i)
{
    const SysKindInfo *kind = &syscall_kinds[row->arg[i]];
    int32_t len;

    switch (kind->span) {
    case SPAN_ONE:
        return kind->size;
    case SPAN_NEXT:
        return saturating_mul(kind->size, count_of(row->arg[i + 1], args[i + 1]));
    case SPAN_PREV:
        return saturating_mul(kind->size, count_of(row->arg[i - 1], args[i - 1]));
    case SPAN_LEN:
        return mem_read(&len, args[i + 1], sizeof(len)) && len > 0 ? (uint32_t)len : 0;
    case SPAN_TEXT:
    case SPAN_PATH:
    case SPAN_FIND:
        return 1;
    }
    return 0;
}

static int64_t pass_host(Task *t, const SysRow *row, const uint64_t *host)
{
    if (row->how == SYS_PASS) {
        return host_call(row->host, host[0], host[1], host[2], host[3], host[4], host[5]);
    }
    return syscall_wait(t, row->how == SYS_WAIT, row->host, host);
}

static int64_t pass_found(Task *t, const SysRow *row, uint64_t *host, unsigned i)
{
    FoundPath found;

    (void)path_find(&found, host[i], true);
    host[i] = found.host;
    return pass_host(t, row, host);
}

static int64_t pass_once(Task *t, const SysRow *row, const uint64_t *args)
{
    uint64_t host[SYSCALL_ARGS] = { 0 };
    unsigned find = SYSCALL_ARGS;

    for (unsigned i = 0; i < row->n_args; i++) {
        const SysKindInfo *kind = &syscall_kinds[row->arg[i]];

        host[i] = args[i];
        if (kind->direction == SD_VALUE || kind->direction == SD_REF) {
            continue;
        }
        if (kind->span == SPAN_FIND) {
            find = i;
        } else {
            host[i] = (uint64_t)(uintptr_t)mem_host(args[i], syscall_span(row, args, i));
        }
    }
    return find < SYSCALL_ARGS ? pass_found(t, row, host, find) : pass_host(t, row, host);
}

/* What the kernel was about to write may have become guarded code again before it came to that. */
static int64_t pass(Task *t, const SysRow *row, const uint64_t *args)
{
    size_t sets;
    int64_t r;

    do {
        sets = guard_sets;
        r = pass_once(t, row, args);
    } while (r == -EFAULT && sets != guard_sets);
    return r;
}

int64_t syscall_run(Task *t, const SysRow *row, const uint64_t args[SYSCALL_ARGS])
{
    switch (row->how) {
    case SYS_PASS:
    case SYS_WAIT:
    case SYS_NAPS:
        return pass(t, row, args);
    case SYS_CALL:
        return row->fn(t, args);
    case SYS_DENY:
        return denied(t, row);
    case SYS_HOLE:
        break;
    }
    return -ENOSYS;
}

int64_t syscall_dispatch(Task *t, uint64_t nr, const uint64_t args[SYSCALL_ARGS])
{
    const SysRow *row = nr < SYSCALL_LIMIT ? &syscall_rows[nr] : NULL;

    if (!row || row->how == SYS_HOLE) {
        return unknown(t, nr);
    }
    if (log_enabled(LOG_strace) || log_enabled(LOG_strace_json)) {
        return syscall_traced(t, row, args);
    }
    return syscall_run(t, row, args);
}
