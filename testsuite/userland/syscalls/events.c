/* SPDX-License-Identifier: Apache-2.0 */
/* Waiting: poll, select, epoll, event descriptors, and what signals do to it. */
#include "show.h"

#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/inotify.h>
#include <sys/select.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/timerfd.h>
#include <sys/wait.h>

static volatile sig_atomic_t handled;
static int go[2];

/* The third SIGALRM lets go who reads from the pipe. */
static void on_signal(int sig)
{
    handled++;
    if (sig == SIGALRM && handled == 3) {
        write(go[1], "g", 1);
    }
}

static void set_handler(int sig, int flags)
{
    struct sigaction sa = { .sa_handler = on_signal, .sa_flags = flags };

    SHOW(sigaction(sig, &sa, NULL));
}

/* One call tells of all that are ready. */
static void many_events(void)
{
    enum { MANY = 700 };
    struct epoll_event ev = { EPOLLIN | EPOLLET }, got[MANY + 1];
    int ep = epoll_create1(0), p[2], copy[MANY];
    long sum = 0, n = 0;

    SHOW(pipe(p));
    SHOW(write(p[1], "x", 1));
    for (int i = 0; i < MANY; i++) {
        copy[i] = dup(p[0]);
        ev.data.u64 = (uint64_t)i << 33 | 1;
        n += epoll_ctl(ep, EPOLL_CTL_ADD, copy[i], &ev);
    }
    HOLDS(n == 0);
    SHOW(n = epoll_wait(ep, got, MANY + 1, 1000));
    for (long i = 0; i < n; i++) {
        sum += (long)got[i].data.u64 * got[i].events;
    }
    HOLDS(sum == ((MANY * (MANY - 1L) / 2) << 33) + MANY);
    SHOW(epoll_wait(ep, got, MANY + 1, 0));
    for (int i = 0; i < MANY; i++) {
        close(copy[i]);
    }
    close(p[0]);
    close(p[1]);
    close(ep);
}

static void event_descriptors(void)
{
    uint64_t v = 5;
    int fd = eventfd(3, EFD_NONBLOCK | EFD_SEMAPHORE | EFD_CLOEXEC);
    struct itimerspec t = { { 0, 0 }, { 0, 1000000 } }, old;
    sigset_t set;
    struct signalfd_siginfo si;

    SHOW(write(fd, &v, 8));
    SHOW(read(fd, &v, 8));
    printf("%d\n", (int)v);
    SHOW(read(fd, &v, 4));
    close(fd);
    fd = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC);
    SHOW(timerfd_settime(fd, 0, &t, &old));
    SHOW(read(fd, &v, 8));
    printf("%d\n", (int)v);
    SHOW(timerfd_gettime(fd, &old));
    printf("%ld %ld\n", (long)old.it_value.tv_sec, old.it_value.tv_nsec);
    SHOW(timerfd_settime(fd, 99, &t, &old));
    SHOW(timerfd_create(77, 0));
    close(fd);
    sigemptyset(&set);
    sigaddset(&set, SIGUSR1);
    sigaddset(&set, SIGRTMIN + 3);
    SHOW(sigprocmask(SIG_BLOCK, &set, NULL));
    fd = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
    SHOW(read(fd, &si, sizeof(si)));
    SHOW(raise(SIGUSR1));
    SHOW(sigqueue(getpid(), SIGRTMIN + 3, (union sigval){ .sival_int = 42 }));
    SHOW(read(fd, &si, sizeof(si)));
    printf("%u %d %d\n", si.ssi_signo, si.ssi_code, si.ssi_pid == (uint32_t)getpid());
    SHOW(read(fd, &si, sizeof(si)));
    printf("%d %d\n", si.ssi_signo == (uint32_t)SIGRTMIN + 3, si.ssi_int);
    SHOW(sigprocmask(SIG_UNBLOCK, &set, NULL));
    close(fd);
}

static void epoll(void)
{
    int ep = epoll_create1(EPOLL_CLOEXEC), p[2], q[2];
    struct epoll_event ev = { EPOLLIN, { .u64 = 0x1122334455667788 } }, got[4];
    struct timespec ts = { 0, 1000000 };

    SHOW(pipe(p));
    SHOW(pipe(q));
    SHOW(epoll_ctl(ep, EPOLL_CTL_ADD, p[0], &ev));
    SHOW(epoll_ctl(ep, EPOLL_CTL_ADD, p[0], &ev));
    ev.data.u64 = 0x99aabbccddeeff00;
    ev.events = EPOLLIN | EPOLLONESHOT;
    SHOW(epoll_ctl(ep, EPOLL_CTL_ADD, q[0], &ev));
    SHOW(epoll_ctl(ep, EPOLL_CTL_DEL, p[1], NULL));
    SHOW(epoll_ctl(ep, EPOLL_CTL_MOD, p[0], WILD));
    SHOW(epoll_wait(ep, got, 4, 0));
    SHOW(write(p[1], "x", 1));
    SHOW(write(q[1], "x", 1));
    SHOW(epoll_wait(ep, got, 4, -1));
    HOLDS((got[0].data.u64 ^ got[1].data.u64) == (0x1122334455667788 ^ 0x99aabbccddeeff00));
    SHOW(epoll_wait(ep, got, 4, 100));
    printf("%x %lx\n", got[0].events, (long)got[0].data.u64);
    SHOW(epoll_ctl(ep, EPOLL_CTL_DEL, p[0], NULL));
    SHOW(syscall(SYS_epoll_pwait2, ep, got, 4, &ts, NULL, 0));
    SHOW(epoll_wait(ep, got, 0, 0));
    SHOW(epoll_wait(ep, got, -5, 0));
    SHOW(epoll_wait(p[0], got, 1, 0));
    SHOW(epoll_wait(ep, WILD, 1, 0));
    close(ep);
    close(p[0]);
    close(p[1]);
    close(q[0]);
    close(q[1]);
}

static void poll_and_select(void)
{
    int p[2];
    struct pollfd fds[3];
    struct timespec ts = { 0, 1000 };
    struct timeval tv = { 0, 1000 };
    fd_set r, w;

    SHOW(pipe(p));
    fds[0] = (struct pollfd){ p[0], POLLIN, 0 };
    fds[1] = (struct pollfd){ p[1], POLLOUT, 0 };
    fds[2] = (struct pollfd){ 999, POLLIN, 0 };
    SHOW(poll(fds, 3, 0));
    printf("%d %d %d\n", fds[0].revents, fds[1].revents, fds[2].revents);
    SHOW(poll(fds, 1, 10));
    SHOW(ppoll(fds, 1, &ts, NULL));
    SHOW(ppoll(NULL, 0, &ts, NULL));
    SHOW(syscall(SYS_ppoll, fds, 1, &ts, &r, 4));
    FD_ZERO(&r);
    FD_ZERO(&w);
    FD_SET(p[0], &r);
    FD_SET(p[1], &w);
    SHOW(select(p[1] + 1, &r, &w, NULL, NULL));
    printf("%d %d\n", FD_ISSET(p[0], &r), FD_ISSET(p[1], &w));
    FD_ZERO(&r);
    FD_SET(p[0], &r);
    SHOW(select(p[0] + 1, &r, NULL, NULL, &tv));
    SHOW(pselect(0, NULL, NULL, NULL, &ts, NULL));
    FD_ZERO(&r);
    FD_SET(900, &r);
    SHOW(select(901, &r, NULL, NULL, &tv));
    SHOW(select(-1, NULL, NULL, NULL, &tv));
    close(p[1]);
    SHOW(poll(fds, 1, 0));
    printf("%d\n", fds[0].revents);
    close(p[0]);
}

/* Again and again: the first one may come before the call that it is to interrupt.  0: no more. */
static void alarm_every(long usec)
{
    struct itimerval it = { { 0, usec }, { 0, usec } };

    setitimer(ITIMER_REAL, &it, NULL);
}

#define DISTURBED(call)        \
    do {                       \
        handled = 3;           \
        alarm_every(20000);    \
        SHOW(call);            \
        alarm_every(0);        \
        HOLDS(handled > 3);    \
    } while (0)

/* A signal that is blocked outside and let through inside. */
static void masks(void)
{
    sigset_t block, open, now;
    struct timespec ts = { 500, 0 };
    int ep = epoll_create1(0);
    struct epoll_event ev;

    sigemptyset(&block);
    sigaddset(&block, SIGUSR1);
    sigemptyset(&open);
    set_handler(SIGUSR1, SA_RESTART);
    SHOW(sigprocmask(SIG_SETMASK, &block, NULL));
    handled = 0;
    raise(SIGUSR1);
    SHOW(handled);
    SHOW(ppoll(NULL, 0, &ts, &open));
    SHOW(handled);
    SHOW(sigprocmask(SIG_SETMASK, NULL, &now));
    HOLDS(sigismember(&now, SIGUSR1) == 1);
    raise(SIGUSR1);
    SHOW(pselect(0, NULL, NULL, NULL, &ts, &open));
    SHOW(handled);
    raise(SIGUSR1);
    SHOW(epoll_pwait(ep, &ev, 1, 500000, &open));
    SHOW(handled);
    raise(SIGUSR1);
    SHOW(sigsuspend(&open));
    SHOW(handled);
    SHOW(sigpending(&now));
    HOLDS(!sigismember(&now, SIGUSR1));
    SHOW(sigprocmask(SIG_SETMASK, &open, NULL));
    close(ep);
}

/* What a handler does to calls that sleep, with and without SA_RESTART. */
static void interruptions(void)
{
    int p[2], status;
    char c;
    struct timespec ts = { 500, 0 }, rest = { 0, 0 };
    struct pollfd fd;
    pid_t child;

    SHOW(pipe(p));
    SHOW(pipe(go));
    fd = (struct pollfd){ p[0], POLLIN, 0 };
    set_handler(SIGALRM, 0);
    DISTURBED(read(p[0], &c, 1));
    DISTURBED(poll(&fd, 1, 500000));
    DISTURBED(nanosleep(&ts, &rest));
    HOLDS(rest.tv_sec > 0 && rest.tv_sec < 500);
    DISTURBED(clock_nanosleep(CLOCK_MONOTONIC, 0, &ts, &rest));
    DISTURBED(select(0, NULL, NULL, NULL, NULL));
    DISTURBED(pause());
    child = fork();
    if (child == 0) {
        read(go[0], &c, 1);
        _exit(write(p[1], "y", 1) == 1 ? 7 : 8);
    }
    DISTURBED(wait4(child, &status, 0, NULL) == child);
    set_handler(SIGALRM, SA_RESTART);
    handled = 0;
    alarm_every(10000);
    SHOW(read(p[0], &c, 1));
    SHOW(waitpid(child, &status, 0) == child);
    printf("%d\n", WEXITSTATUS(status));
    alarm_every(0);
    child = fork();
    if (child == 0) {
        read(go[0], &c, 1);
        _exit(9);
    }
    handled = 0;
    alarm_every(20000);
    SHOW(waitpid(child, &status, 0) == child);
    printf("%d\n", WEXITSTATUS(status));
    DISTURBED(poll(&fd, 1, 500000));
    signal(SIGPIPE, SIG_IGN);
    close(p[0]);
    SHOW(write(p[1], "z", 1));
    close(p[1]);
}

/* A socket with a time limit is not read again. */
static void time_limits(void)
{
    int s[2];
    struct timeval limit = { 500, 0 }, none = { 0, 0 };
    char c;

    set_handler(SIGALRM, SA_RESTART);
    SHOW(socketpair(AF_UNIX, SOCK_STREAM, 0, s));
    SHOW(setsockopt(s[0], SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit)));
    DISTURBED(recv(s[0], &c, 1, 0));
    DISTURBED(read(s[0], &c, 1));
    limit = (struct timeval){ 0, 20000 };
    SHOW(setsockopt(s[0], SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit)));
    SHOW(read(s[0], &c, 1));
    SHOW(setsockopt(s[0], SOL_SOCKET, SO_RCVTIMEO, &none, sizeof(none)));
    close(s[0]);
    close(s[1]);
}

static void watches(void)
{
    char buf[4096];
    int fd = inotify_init1(IN_NONBLOCK | IN_CLOEXEC), wd, file;
    ssize_t n;

    own_directory();
    wd = inotify_add_watch(fd, ".", IN_CREATE | IN_DELETE | IN_MODIFY);
    SHOW(wd);
    SHOW(inotify_add_watch(fd, "none", IN_CREATE));
    SHOW(read(fd, buf, sizeof(buf)));
    file = open("watched", O_CREAT | O_WRONLY, 0600);
    SHOW(write(file, "x", 1));
    close(file);
    unlink("watched");
    n = read(fd, buf, sizeof(buf));
    for (char *at = buf; at < buf + n;) {
        struct inotify_event *e = (struct inotify_event *)at;

        printf("%d %x %s\n", e->wd, e->mask, e->name);
        at += sizeof(*e) + e->len;
    }
    SHOW(inotify_rm_watch(fd, wd));
    SHOW(inotify_rm_watch(fd, 99));
    close(fd);
    leave_directory();
}

int main(void)
{
    many_events();
    event_descriptors();
    epoll();
    poll_and_select();
    masks();
    interruptions();
    time_limits();
    watches();
    return 0;
}
