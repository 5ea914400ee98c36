/* SPDX-License-Identifier: Apache-2.0 */
/* userland/poll_calls.c - waiting for descriptors: poll, select, epoll, and aio's events. */
#include <errno.h>
#include <linux/aio_abi.h>
#include <poll.h>
#include <string.h>
#include <sys/syscall.h>

#include "userland/convert.h"
#include "userland/iovec.h"
#include "userland/syscall.h"

_Static_assert(sizeof(struct epoll_event) < sizeof(GuestEpollEvent), "spread_events()");

/* A signal mask that holds during one call. */
typedef struct NapMask {
    bool given;
    uint64_t guest, host;
} NapMask;

static uint64_t host_address(const void *p)
{
    return (uint64_t)(uintptr_t)p;
}

static int read_mask(NapMask *mask, uint64_t gaddr, uint64_t size)
{
    *mask = (NapMask){ .given = gaddr != 0 };
    if (!mask->given) {
        return 0;
    }
    if (size != sizeof(mask->guest)) {
        return -EINVAL;
    }
    if (!mem_read_u64(gaddr, &mask->guest)) {
        return -EFAULT;
    }
    mask->host = sig_host_mask(mask->guest);
    return 0;
}

static uint64_t mask_address(const NapMask *mask)
{
    return mask->given ? host_address(&mask->host) : 0;
}

static int64_t nap(Task *t, const NapMask *mask, long nr, const uint64_t args[SYSCALL_ARGS])
{
    int64_t r = task_block(t, nr, args);

    if (r == -EINTR && mask->given && t->pending) {
        sig_was_masked(t, mask->guest);
    }
    return r;
}

int64_t sys_ppoll(Task *t, const uint64_t *a)
{
    NapMask mask;
    int r = read_mask(&mask, a[3], a[4]);
    uint64_t fds = host_address(mem_host(a[0], (uint32_t)a[1] * sizeof(struct pollfd)));

    return r ? r
             : nap(t, &mask, SYS_ppoll,
                   (uint64_t[SYSCALL_ARGS]){ fds, a[1], host_address(mem_host(a[2], 16)),
                                             mask_address(&mask), sizeof(mask.host) });
}

/* A mask given as a pair of address and size at `gaddr`; the host's such pair in `pair`. */
static int read_mask_pair(NapMask *mask, uint64_t gaddr, uint64_t pair[2])
{
    uint64_t given[2] = { 0 };
    int r;

    if (gaddr && !mem_read(given, gaddr, sizeof(given))) {
        return -EFAULT;
    }
    r = read_mask(mask, given[0], given[1]);
    if (r) {
        return r;
    }
    pair[0] = mask_address(mask);
    pair[1] = sizeof(mask->host);
    return 0;
}

int64_t sys_pselect6(Task *t, const uint64_t *a)
{
    uint64_t bytes = (int32_t)a[0] > 0 ? ((uint32_t)a[0] + UINT64_C(63)) / 64 * 8 : 0;
    uint64_t with_mask[2];
    NapMask mask;
    int r = read_mask_pair(&mask, a[5], with_mask);

    if (r) {
        return r;
    }
    return nap(t, &mask, SYS_pselect6,
               (uint64_t[SYSCALL_ARGS]){
                   a[0], host_address(mem_host(a[1], bytes)), host_address(mem_host(a[2], bytes)),
                   host_address(mem_host(a[3], bytes)), host_address(mem_host(a[4], 16)),
                   host_address(with_mask) });
}

int64_t sys_epoll_ctl(Task *t, const uint64_t *a)
{
    GuestEpollEvent guest;
    struct epoll_event host;
    uint64_t event = 0;

    (void)t;
    if ((uint32_t)a[1] != EPOLL_CTL_DEL) {
        event = host_address(MEM_BAD);
        if (mem_read(&guest, a[3], sizeof(guest))) {
            host = convert_epoll_to_host(&guest);
            event = host_address(&host);
        }
    }
    return HOST_CALL4(SYS_epoll_ctl, a[0], a[1], a[2], event);
}

/* The kernel has put `count` of the host's events at gaddr, which are smaller: from the last to the
 * first, each goes to its place.  As in the kernel, what does not fit is not counted. */
static int64_t spread_events(int64_t count, uint64_t gaddr)
{
    int64_t fit = count;

    for (int64_t i = count - 1; i >= 0; i--) {
        struct epoll_event host;
        GuestEpollEvent guest;

        if (mem_read(&host, gaddr + (uint64_t)i * sizeof(host), sizeof(host))) {
            guest = convert_epoll_to_guest(&host);
            if (mem_write(gaddr + (uint64_t)i * sizeof(guest), &guest, sizeof(guest))) {
                continue;
            }
        }
        fit = i;
    }
    return fit ? fit : -EFAULT;
}

static int64_t epoll_nap(Task *t, long nr, const uint64_t *a, uint64_t timeout)
{
    int32_t max = (int32_t)a[2];
    NapMask mask;
    int64_t r = read_mask(&mask, a[4], a[5]);

    if (r) {
        return r;
    }
    if (max > (int32_t)(INT32_MAX / sizeof(GuestEpollEvent))) {
        return -EINVAL;
    }
    if (max > 0 && (!a[1] || !mem_in_guest(a[1], (uint64_t)max * sizeof(GuestEpollEvent)))) {
        return -EFAULT;
    }
    r = nap(t, &mask, nr,
            (uint64_t[SYSCALL_ARGS]){ a[0], a[1], (uint64_t)max, timeout, mask_address(&mask),
                                      sizeof(mask.host) });
    return r > 0 ? spread_events(r, a[1]) : r;
}

int64_t sys_epoll_pwait(Task *t, const uint64_t *a)
{
    return epoll_nap(t, SYS_epoll_pwait, a, a[3]);
}

int64_t sys_epoll_pwait2(Task *t, const uint64_t *a)
{
    return epoll_nap(t, SYS_epoll_pwait2, a, host_address(mem_host(a[3], 16)));
}

int64_t sys_io_pgetevents(Task *t, const uint64_t *a)
{
    uint64_t with_mask[2];
    uint64_t bytes = (int64_t)a[2] > 0 && a[2] < UINT32_MAX ? a[2] * 32 : 0;
    NapMask mask;
    int r = read_mask_pair(&mask, a[5], with_mask);

    if (r) {
        return r;
    }
    return nap(t, &mask, SYS_io_pgetevents,
               (uint64_t[SYSCALL_ARGS]){ a[0], a[1], a[2], host_address(mem_host(a[3], bytes)),
                                         host_address(mem_host(a[4], 16)),
                                         host_address(with_mask) });
}

/* The start of struct iocb, up to the buffer. */
typedef struct AioRequest {
    uint64_t data;
    uint32_t key, rw_flags;
    uint16_t opcode;
    int16_t priority;
    uint32_t fd;
    uint64_t buf, bytes; /* PREADV, PWRITEV: `bytes` struct iovec */
} AioRequest;

/* Whether all that a request points to is the guest's. */
static bool aio_in_guest(const AioRequest *r)
{
    IoVec vec;

    switch (r->opcode) {
    case IOCB_CMD_PREAD:
    case IOCB_CMD_PWRITE:
        return mem_in_guest(r->buf, r->bytes);
    case IOCB_CMD_PREADV:
    case IOCB_CMD_PWRITEV:
        return r->bytes > IOV_MAX || iovec_in_guest(&vec, r->buf, r->bytes);
    default:
        return true; /* no buffer */
    }
}

/* io_submit() stops at the first bad request and says how many went before. */
int64_t sys_io_submit(Task *t, const uint64_t *a)
{
    int64_t done = 0, r = 0;

    (void)t;
    if ((int64_t)a[1] <= 0) {
        return HOST_CALL3(SYS_io_submit, a[0], a[1], 0);
    }
    while (done < (int64_t)a[1] && r >= 0) {
        AioRequest request;
        uint64_t pointer;

        r = -EFAULT;
        if (mem_read_u64(a[2] + (uint64_t)done * 8, &pointer) &&
            mem_read(&request, pointer, sizeof(request)) &&
            aio_in_guest(&request)) {
            r = HOST_CALL3(SYS_io_submit, a[0], 1, &pointer);
        }
        done += r > 0;
    }
    return done ? done : r;
}
