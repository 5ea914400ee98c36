/* SPDX-License-Identifier: Apache-2.0 */
/* Networks behind a descriptor that somebody else has opened: a TAP device, a socket. */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/if.h>
#include <linux/if_tun.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

#include "base/log.h"
#include "devices/host/net/net_impl.h"

/* Frames read in one go, so that others get the lock; how long a stream may take for one frame. */
enum { BURST = 64, STREAM_SECONDS = 5, LENGTH_BYTES = 4 };

typedef struct FdState {
    int fd;
    bool stream;
    bool headers; /* TAP: each frame has a header in front */
    bool ended;
    size_t have; /* of a stream: bytes of the next length and frame */
    uint8_t bytes[sizeof(NetHeader) + NETDEV_FRAME]; /* or the length, and a frame */
} FdState;

static bool parse_fd(char **options, int *fd, GError **error)
{
    const char *text = netdev_option(options, "fd");
    char *end;
    long n = text ? strtol(text, &end, 10) : -1;

    if (!text || end == text || *end || n < 0 || n > INT_MAX || fcntl((int)n, F_GETFD) < 0) {
        g_set_error(error, NETDEV_ERROR, 0, "fd=%s is not an open descriptor", text ? text : "");
        return false;
    }
    *fd = (int)n;
    return true;
}

static FdState *adopt(Netdev *nd, int fd, bool stream)
{
    FdState *s = g_new0(FdState, 1);

    fcntl(fd, F_SETFD, FD_CLOEXEC);
    fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) | O_NONBLOCK);
    s->fd = fd;
    s->stream = stream;
    netdev_set_state(nd, s);
    return s;
}

static bool tap_open(Netdev *nd, char **options, GError **error)
{
    struct ifreq request = { 0 };
    int fd, size = sizeof(NetHeader);
    bool headers;

    if (!parse_fd(options, &fd, error)) {
        return false;
    }
    if (ioctl(fd, TUNGETIFF, &request) < 0 || !(request.ifr_flags & IFF_TAP)) {
        g_set_error(error, NETDEV_ERROR, 0, "fd=%d is not a TAP device", fd);
        return false;
    }
    headers = request.ifr_flags & IFF_VNET_HDR;
    if (headers && (ioctl(fd, TUNSETVNETHDRSZ, &size) < 0 || ioctl(fd, TUNSETOFFLOAD, 0) < 0)) {
        g_set_error(error, NETDEV_ERROR, 0, "fd=%d has virtio headers that cannot be set up: %s", fd,
                    g_strerror(errno));
        return false;
    }
    adopt(nd, fd, false)->headers = headers;
    return true;
}

static bool socket_open(Netdev *nd, char **options, GError **error)
{
    int fd, type;
    socklen_t size = sizeof(type);

    if (!parse_fd(options, &fd, error)) {
        return false;
    }
    if (getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &size) < 0) {
        g_set_error(error, NETDEV_ERROR, 0, "fd=%d is not a socket", fd);
        return false;
    }
    adopt(nd, fd, type == SOCK_STREAM);
    return true;
}

static void fd_close(Netdev *nd)
{
    FdState *s = netdev_state(nd);

    close(s->fd);
    g_free(s);
}

static void end(FdState *s, const char *why)
{
    if (!s->ended) {
        s->ended = true;
        log_warn("a network's descriptor %d is not used any more: %s", s->fd, why);
    }
}

/* ---- Out ---- */

/* The rest of a frame that was sent in part: it must follow. */
static void finish_stream(FdState *s, const uint8_t *bytes, size_t size)
{
    while (size && !s->ended) {
        struct pollfd p = { s->fd, POLLOUT, 0 };
        ssize_t n =
            poll(&p, 1, STREAM_SECONDS * 1000) == 1 ? send(s->fd, bytes, size, MSG_NOSIGNAL) : 0;

        if (n == 0 || (n < 0 && errno != EAGAIN && errno != EINTR)) {
            end(s, n == 0 ? "nobody reads" : g_strerror(errno));
        } else if (n > 0) {
            bytes += n;
            size -= (size_t)n;
        }
    }
}

static void send_stream(FdState *s, const uint8_t *frame, size_t size)
{
    uint32_t length = htonl((uint32_t)size);
    struct iovec iov[2] = { { &length, LENGTH_BYTES }, { (uint8_t *)(uintptr_t)frame, size } };
    struct msghdr m = { .msg_iov = iov, .msg_iovlen = 2 };
    ssize_t n = sendmsg(s->fd, &m, MSG_NOSIGNAL);

    if (n < 0 && errno != EAGAIN && errno != EINTR) {
        end(s, g_strerror(errno));
    }
    if (n > 0 && n < LENGTH_BYTES) {
        finish_stream(s, (uint8_t *)&length + n, LENGTH_BYTES - (size_t)n);
        n = LENGTH_BYTES;
    }
    if (n > 0) {
        size_t sent = (size_t)n - LENGTH_BYTES;

        finish_stream(s, frame + sent, size - sent);
    }
}

static void fd_send(Netdev *nd, const NetHeader *h, const uint8_t *frame, size_t size)
{
    FdState *s = netdev_state(nd);
    struct iovec iov[2] = { { (void *)(uintptr_t)h, sizeof(*h) }, { (void *)(uintptr_t)frame, size } };
    bool headers = s->headers;

    if (s->ended) {
        return;
    }
    if (s->stream) {
        send_stream(s, frame, size);
    } else if (writev(s->fd, iov + !headers, 1 + headers) < 0 && errno == EPIPE) {
        end(s, g_strerror(errno));
    }
}

/* ---- Offloads: the kernel's, through a TAP device's headers ---- */

static unsigned tap_offloads(Netdev *nd)
{
    const FdState *s = netdev_state(nd);

    return s->headers ? NET_OFFLOAD_tso4 | NET_OFFLOAD_tso6 | NET_OFFLOAD_ecn : 0;
}

static bool tap_set_offloads(Netdev *nd, unsigned taken)
{
    const FdState *s = netdev_state(nd);
    unsigned long flags = (taken & NET_OFFLOAD_csum ? TUN_F_CSUM : 0) |
                          (taken & NET_OFFLOAD_tso4 ? TUN_F_TSO4 : 0) |
                          (taken & NET_OFFLOAD_tso6 ? TUN_F_TSO6 : 0) |
                          (taken & NET_OFFLOAD_ecn ? TUN_F_TSO_ECN : 0);

    if (s->headers && ioctl(s->fd, TUNSETOFFLOAD, flags) < 0) {
        log_warn("a TAP device does not take offloads: %s", strerror(errno));
    }
    return s->headers;
}

/* ---- In ---- */

static const NetHeader no_header = { 0 };

static void fd_wait(Netdev *nd, NetPoll *p)
{
    const FdState *s = netdev_state(nd);

    if (!s->ended && !netdev_backlog(nd)) {
        (void)!netpoll_add(p, s->fd, POLLIN);
    }
}

/* Takes the frames that are whole off the start; false: the stream is broken. */
static bool split_stream(Netdev *nd, FdState *s)
{
    size_t at = 0;

    while (s->have - at >= LENGTH_BYTES) {
        uint32_t length;

        memcpy(&length, s->bytes + at, LENGTH_BYTES);
        length = ntohl(length);
        if (length > NETDEV_FRAME) {
            return false;
        }
        if (s->have - at < LENGTH_BYTES + length) {
            break;
        }
        netdev_deliver(nd, &no_header, s->bytes + at + LENGTH_BYTES, length);
        at += LENGTH_BYTES + length;
    }
    memmove(s->bytes, s->bytes + at, s->have - at);
    s->have -= at;
    return true;
}

/* False: nothing more for now. */
static bool read_some(Netdev *nd, FdState *s)
{
    ssize_t n = read(s->fd, s->bytes + s->have, sizeof(s->bytes) - s->have);
    NetHeader h;

    if (n < 0 && (errno == EAGAIN || errno == EINTR)) {
        return false;
    }
    if (n <= 0 && (n < 0 || s->stream)) {
        end(s, n == 0 ? "its other end was closed" : g_strerror(errno));
        return false;
    }
    if (s->headers) {
        memcpy(&h, s->bytes, sizeof(h));
        if ((size_t)n >= sizeof(h)) {
            netdev_deliver(nd, &h, s->bytes + sizeof(h), (size_t)n - sizeof(h));
        }
        return true;
    }
    if (!s->stream) {
        netdev_deliver(nd, &no_header, s->bytes, (size_t)n);
        return true;
    }
    s->have += (size_t)n;
    if (!split_stream(nd, s)) {
        end(s, "a frame is too long");
    }
    return !s->ended;
}

static void fd_act(Netdev *nd, const NetPoll *p)
{
    FdState *s = netdev_state(nd);

    if (p->n < 2 || !p->fds[1].revents) {
        return;
    }
    for (unsigned i = 0; i < BURST && !netdev_backlog(nd) && read_some(nd, s); i++) {
    }
}

const NetdevKind netdev_kind_tap = {
    .open = tap_open,
    .close = fd_close,
    .send = fd_send,
    .wait = fd_wait,
    .act = fd_act,
    .offloads = tap_offloads,
    .set_offloads = tap_set_offloads,
};
const NetdevKind netdev_kind_socket = {
    .open = socket_open,
    .close = fd_close,
    .send = fd_send,
    .wait = fd_wait,
    .act = fd_act,
};
