/* SPDX-License-Identifier: Apache-2.0 */
/* Sockets: local and over the loopback interface, messages with control data. */
#include "show.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <signal.h>
#include <stddef.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <sys/un.h>
#include <sys/wait.h>

static void options(int fd)
{
    int v = 1;
    struct linger linger = { 1, 5 };
    struct timeval tv = { 1, 500000 };
    struct ucred cred = { 0 };
    socklen_t len = sizeof(v);

    SHOW(setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &v, sizeof(v)));
    SHOW(getsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &v, &len));
    printf("%d %d\n", v, (int)len);
    SHOW(getsockopt(fd, SOL_SOCKET, SO_TYPE, &v, &len));
    printf("%d\n", v);
    SHOW(setsockopt(fd, SOL_SOCKET, SO_LINGER, &linger, sizeof(linger)));
    len = sizeof(linger);
    SHOW(getsockopt(fd, SOL_SOCKET, SO_LINGER, &linger, &len));
    printf("%d %d %d\n", linger.l_onoff, linger.l_linger, (int)len);
    SHOW(setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &tv, sizeof(tv)));
    len = sizeof(tv);
    SHOW(getsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &tv, &len));
    printf("%ld %ld\n", (long)tv.tv_sec, (long)tv.tv_usec);
    tv = (struct timeval){ 0, 0 };
    SHOW(setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &tv, sizeof(tv)));
    len = sizeof(cred);
    SHOW(getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &cred, &len));
    printf("%d\n", (int)len);
    len = 0;
    SHOW(getsockopt(fd, SOL_SOCKET, SO_TYPE, &v, &len));
    len = -1;
    SHOW(getsockopt(fd, SOL_SOCKET, SO_TYPE, &v, &len));
    SHOW(getsockopt(fd, SOL_SOCKET, 9999, &v, &len));
    SHOW(getsockopt(fd, SOL_SOCKET, SO_TYPE, &v, WILD));
    SHOW(setsockopt(fd, 77, 1, &v, sizeof(v)));
    SHOW(setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, WILD, 4));
}

static void tcp(void)
{
    int server = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    int client = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0), peer, v = 1;
    struct sockaddr_in at = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
    struct sockaddr_in name;
    socklen_t len = sizeof(name);
    struct pollfd fd = { client, POLLOUT, 0 };
    char buf[100] = "";

    options(server);
    SHOW(bind(server, (struct sockaddr *)&at, sizeof(at)));
    SHOW(listen(server, 5));
    SHOW(getsockname(server, (struct sockaddr *)&at, &len));
    printf("%d %s\n", (int)len, inet_ntoa(at.sin_addr));
    SHOW(connect(client, (struct sockaddr *)&at, sizeof(at)));
    SHOW(poll(&fd, 1, 500000));
    len = sizeof(v);
    SHOW(getsockopt(client, SOL_SOCKET, SO_ERROR, &v, &len));
    len = sizeof(name);
    WORKS(peer = accept4(server, (struct sockaddr *)&name, &len, SOCK_CLOEXEC));
    HOLDS(name.sin_family == AF_INET && name.sin_addr.s_addr == htonl(INADDR_LOOPBACK));
    SHOW(fcntl(peer, F_GETFD));
    SHOW(getpeername(client, (struct sockaddr *)&name, &len));
    HOLDS(name.sin_port == at.sin_port);
    SHOW(setsockopt(client, IPPROTO_TCP, TCP_NODELAY, &v, sizeof(v)));
    SHOW(recv(client, buf, 10, 0));
    SHOW(send(client, "hello tcp", 9, MSG_NOSIGNAL));
    SHOW(recv(peer, buf, 5, MSG_PEEK));
    SHOW(recv(peer, buf, 9, MSG_WAITALL));
    printf("%s\n", buf);
    SHOW(shutdown(client, SHUT_WR));
    SHOW(recv(peer, buf, 5, 0));
    SHOW(shutdown(server, 77));
    SHOW(send(client, "x", 1, MSG_NOSIGNAL));
    close(peer);
    close(client);
    close(server);
}

static void udp(void)
{
    int a = socket(AF_INET, SOCK_DGRAM, 0), b = socket(AF_INET, SOCK_DGRAM, 0);
    struct sockaddr_in at = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
    struct sockaddr_in from;
    socklen_t len = sizeof(at);
    char buf[4][8];
    struct iovec parts[4];
    struct mmsghdr many[4];
    struct timespec wait = { 500, 0 };

    SHOW(bind(a, (struct sockaddr *)&at, sizeof(at)));
    SHOW(getsockname(a, (struct sockaddr *)&at, &len));
    SHOW(sendto(b, "datagram", 8, 0, (struct sockaddr *)&at, sizeof(at)));
    SHOW(recvfrom(a, buf, 3, MSG_TRUNC, (struct sockaddr *)&from, &len));
    printf("%d %.3s\n", (int)len, buf[0]);
    SHOW(connect(b, (struct sockaddr *)&at, sizeof(at)));
    memset(many, 0, sizeof(many));
    for (int i = 0; i < 4; i++) {
        memcpy(buf[i], "abcdefg", 8);
        parts[i] = (struct iovec){ buf[i], (size_t)i + 1 };
        many[i].msg_hdr = (struct msghdr){ .msg_iov = &parts[i], .msg_iovlen = 1 };
    }
    SHOW(sendmmsg(b, many, 4, 0));
    printf("%d %d\n", many[0].msg_len, many[3].msg_len);
    for (int i = 0; i < 4; i++) {
        parts[i].iov_len = 8;
        many[i].msg_len = 0;
    }
    SHOW(recvmmsg(-1, NULL, 0, 0, NULL));
    SHOW(sendmmsg(-1, NULL, 0, 0));
    SHOW(recvmmsg(a, NULL, 0, 0, NULL));
    SHOW(sendmmsg(a, NULL, 0, 0));
    SHOW(recvmmsg(a, many, 3, 0, NULL));
    printf("%d %d %d\n", many[0].msg_len, many[1].msg_len, many[2].msg_len);
    SHOW(recvmmsg(a, many, 4, MSG_WAITFORONE, &wait));
    SHOW(recvmmsg(a, many, 4, MSG_DONTWAIT, NULL));
    wait.tv_nsec = -1;
    SHOW(recvmmsg(a, many, 4, 0, &wait));
    SHOW(sendto(b, "x", 1, 0, WILD, 16));
    SHOW(sendto(b, WILD, 1, 0, NULL, 0));
    SHOW(bind(a, (struct sockaddr *)&at, 3));
    close(a);
    close(b);
}

static void pass_descriptors(void)
{
    int s[2], p[2], got[2] = { -1, -1 };
    char data[8] = "", control[CMSG_SPACE(sizeof(got)) + CMSG_SPACE(sizeof(struct ucred))];
    struct iovec part = { "fds", 3 };
    struct msghdr m = { .msg_iov = &part, .msg_iovlen = 1 };
    struct cmsghdr *c;
    int on = 1;

    SHOW(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, s));
    SHOW(setsockopt(s[1], SOL_SOCKET, SO_PASSCRED, &on, sizeof(on)));
    SHOW(pipe(p));
    memset(control, 0, sizeof(control));
    m.msg_control = control;
    m.msg_controllen = CMSG_SPACE(sizeof(p));
    c = CMSG_FIRSTHDR(&m);
    *c = (struct cmsghdr){ CMSG_LEN(sizeof(p)), SOL_SOCKET, SCM_RIGHTS };
    memcpy(CMSG_DATA(c), p, sizeof(p));
    SHOW(sendmsg(s[0], &m, 0));
    part = (struct iovec){ data, sizeof(data) };
    memset(control, 0, sizeof(control));
    m.msg_controllen = sizeof(control);
    SHOW(recvmsg(s[1], &m, MSG_CMSG_CLOEXEC));
    printf("%s flags %x\n", data, m.msg_flags & ~MSG_CMSG_CLOEXEC);
    for (c = CMSG_FIRSTHDR(&m); c; c = CMSG_NXTHDR(&m, c)) {
        printf("level %d type %d len %d\n", c->cmsg_level, c->cmsg_type, (int)c->cmsg_len);
        if (c->cmsg_type == SCM_RIGHTS) {
            memcpy(got, CMSG_DATA(c), sizeof(got));
        } else {
            struct ucred u;

            memcpy(&u, CMSG_DATA(c), sizeof(u));
            HOLDS(u.pid == getpid() && u.uid == getuid());
        }
    }
    SHOW(fcntl(got[0], F_GETFD));
    SHOW(write(got[1], "through", 7));
    SHOW(read(p[0], data, sizeof(data)));
    m.msg_iov = WILD;
    SHOW(sendmsg(s[0], &m, 0));
    m.msg_iovlen = 5000;
    SHOW(sendmsg(s[0], &m, 0));
    SHOW(sendmsg(s[0], WILD, 0));
    SHOW(recvmsg(s[0], WILD, MSG_DONTWAIT));
    SHOW(socketpair(AF_UNIX, SOCK_STREAM, 0, WILD));
    SHOW(socketpair(AF_INET, SOCK_STREAM, 0, s));
    SHOW(socket(AF_UNIX, 99, 0));
}

static void local_names(void)
{
    int server = socket(AF_UNIX, SOCK_STREAM, 0), client = socket(AF_UNIX, SOCK_STREAM, 0), peer;
    struct sockaddr_un at = { AF_UNIX, "local.sock" }, name;
    socklen_t len = offsetof(struct sockaddr_un, sun_path) + strlen(at.sun_path) + 1;
    socklen_t room = sizeof(name);
    pid_t child;
    char buf[16] = "";
    int status;

    own_directory();
    SHOW(bind(server, (struct sockaddr *)&at, len));
    SHOW(bind(client, (struct sockaddr *)&at, len));
    SHOW(connect(client, (struct sockaddr *)&at, len));
    SHOW(listen(server, 1));
    child = fork();
    if (child == 0) {
        if (connect(client, (struct sockaddr *)&at, len) < 0 || write(client, "child", 5) != 5) {
            _exit(1);
        }
        _exit(0);
    }
    close(client);
    peer = accept(server, (struct sockaddr *)&name, &room);
    WORKS(peer);
    printf("%d\n", (int)room);
    SHOW(read(peer, buf, sizeof(buf)));
    printf("%s\n", buf);
    SHOW(read(peer, buf, sizeof(buf)));
    SHOW(waitpid(child, &status, 0) == child);
    printf("%d\n", status);
    room = sizeof(name);
    SHOW(getsockname(server, (struct sockaddr *)&name, &room));
    printf("%d %s\n", (int)room, name.sun_path);
    room = 4;
    SHOW(getsockname(server, (struct sockaddr *)&name, &room));
    printf("%d\n", (int)room);
    unlink("local.sock");
    leave_directory();
}

int main(void)
{
    signal(SIGPIPE, SIG_IGN);
    tcp();
    udp();
    pass_descriptors();
    local_names();
    return 0;
}
