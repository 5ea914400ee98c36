/* SPDX-License-Identifier: Apache-2.0 */
/* userland/net_calls.c - messages with their nested pointers. */
#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <time.h>

#include "userland/iovec.h"
#include "userland/syscall.h"

/* struct msghdr and its list of buffers, made of the guest's. */
typedef struct Message {
    struct msghdr header;
    IoVec vec;
} Message;

/* Offset of what recvmsg() writes back: the rest of the header stays. */
enum { MMSG_SIZE = sizeof(struct mmsghdr) };

static uint64_t host_address(const void *p)
{
    return (uint64_t)(uintptr_t)p;
}

/* What to hand to the kernel for the guest's struct msghdr at gaddr. */
static uint64_t message_host(Message *message, uint64_t gaddr)
{
    struct msghdr *h = &message->header;

    if (!mem_read(h, gaddr, sizeof(*h))) {
        return host_address(MEM_BAD);
    }
    h->msg_name = mem_host(mem_guest(h->msg_name),
                           (int32_t)h->msg_namelen > 0 ? h->msg_namelen : 0);
    h->msg_iov = (struct iovec *)(uintptr_t)iovec_host(&message->vec, mem_guest(h->msg_iov),
                                                       h->msg_iovlen);
    h->msg_control = mem_host(mem_guest(h->msg_control), h->msg_controllen);
    return host_address(h);
}

static int64_t send_one(Task *t, uint64_t fd, uint64_t gaddr, uint64_t flags)
{
    Message message;

    return syscall_wait(
        t, true, SYS_sendmsg,
        (uint64_t[SYSCALL_ARGS]){ fd, message_host(&message, gaddr), flags });
}

static int64_t receive_one(Task *t, uint64_t fd, uint64_t gaddr, uint64_t flags)
{
    Message message;
    struct msghdr *h = &message.header;
    int64_t r = syscall_wait(
        t, true, SYS_recvmsg,
        (uint64_t[SYSCALL_ARGS]){ fd, message_host(&message, gaddr), flags });

    if (r < 0) {
        return r;
    }
    if (!mem_write_u32(gaddr + offsetof(struct msghdr, msg_namelen), h->msg_namelen) ||
        !mem_write_u64(gaddr + offsetof(struct msghdr, msg_controllen), h->msg_controllen) ||
        !mem_write_u32(gaddr + offsetof(struct msghdr, msg_flags), (uint32_t)h->msg_flags)) {
        return -EFAULT;
    }
    return r;
}

int64_t sys_sendmsg(Task *t, const uint64_t *a)
{
    return send_one(t, a[0], a[1], a[2]);
}

int64_t sys_recvmsg(Task *t, const uint64_t *a)
{
    return receive_one(t, a[0], a[1], a[2]);
}

static unsigned message_count(uint64_t given)
{
    return (uint32_t)given < IOV_MAX ? (uint32_t)given : IOV_MAX;
}

static bool give_length(uint64_t gaddr, int64_t length)
{
    return mem_write_u32(gaddr + offsetof(struct mmsghdr, msg_len), (uint32_t)length);
}

int64_t sys_sendmmsg(Task *t, const uint64_t *a)
{
    unsigned count = message_count(a[2]), done = 0;
    /* Of no message at all the host says what is wrong with the socket. */
    int64_t r = count ? 0 : HOST_CALL4(SYS_sendmmsg, a[0], NULL, 0, a[3]);

    while (done < count) {
        uint64_t gaddr = a[1] + done * (uint64_t)MMSG_SIZE;

        r = send_one(t, a[0], gaddr, a[3]);
        if (r >= 0 && !give_length(gaddr, r)) {
            r = -EFAULT;
        }
        if (r < 0) {
            break;
        }
        done++;
    }
    return done ? (int64_t)done : r;
}

static bool is_over(const struct timespec *end)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return now.tv_sec > end->tv_sec ||
           (now.tv_sec == end->tv_sec && now.tv_nsec >= end->tv_nsec);
}

/* The moment that lies `gaddr`'s timespec ahead. */
static int64_t read_timeout(uint64_t gaddr, struct timespec *end)
{
    struct timespec wait;

    if (!mem_read(&wait, gaddr, sizeof(wait))) {
        return -EFAULT;
    }
    if (wait.tv_sec < 0 || wait.tv_nsec < 0 || wait.tv_nsec >= 1000000000) {
        return -EINVAL;
    }
    clock_gettime(CLOCK_MONOTONIC, end);
    if (__builtin_add_overflow(end->tv_sec, wait.tv_sec, &end->tv_sec)) {
        end->tv_sec = INT64_MAX;
    }
    end->tv_nsec += wait.tv_nsec;
    if (end->tv_nsec >= 1000000000 && end->tv_sec < INT64_MAX) {
        end->tv_sec++;
        end->tv_nsec -= 1000000000;
    }
    return 0;
}

/* As in Linux the timeout is looked at after each message only. */
int64_t sys_recvmmsg(Task *t, const uint64_t *a)
{
    unsigned count = message_count(a[2]), done = 0;
    uint64_t flags = a[3] & ~(uint64_t)MSG_WAITFORONE;
    struct timespec end;
    int64_t r = a[4] ? read_timeout(a[4], &end) : 0;

    if (r >= 0 && !count) {
        r = host_call(SYS_recvmmsg, a[0], 0, 0, a[3], 0, 0);
    }

    while (r >= 0 && done < count) {
        uint64_t gaddr = a[1] + done * (uint64_t)MMSG_SIZE;

        r = receive_one(t, a[0], gaddr, flags);
        if (r < 0 || !give_length(gaddr, r)) {
            r = r < 0 ? r : -EFAULT;
            break;
        }
        done++;
        if (a[3] & MSG_WAITFORONE) {
            flags |= MSG_DONTWAIT;
        }
        if (a[4] && is_over(&end)) {
            break;
        }
    }
    return done ? (int64_t)done : r;
}
