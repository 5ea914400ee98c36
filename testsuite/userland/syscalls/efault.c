/* SPDX-License-Identifier: Apache-2.0 */
/* Bad pointers in every place where a call takes one: the error is the kernel's, in its order. */
#include "show.h"

#include <fcntl.h>
#include <linux/aio_abi.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <sys/epoll.h>
#include <sys/ipc.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/sem.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/uio.h>

#define CALL(name, ...) SHOW(syscall(SYS_##name, __VA_ARGS__))

/* The places that a pointer may wrongly lead to. */
static void *bad[3];

static void files(void *p, int fd, char *path)
{
    CALL(openat, AT_FDCWD, p, O_RDONLY, 0);
    CALL(openat2, AT_FDCWD, p, p, 24);
    CALL(openat2, AT_FDCWD, path, p, 24);
    CALL(mkdirat, AT_FDCWD, p, 0700);
    CALL(mknodat, AT_FDCWD, p, 0700, 0);
    CALL(unlinkat, AT_FDCWD, p, 0);
    CALL(symlinkat, p, AT_FDCWD, path);
    CALL(symlinkat, path, AT_FDCWD, p);
    CALL(linkat, AT_FDCWD, p, AT_FDCWD, path, 0);
    CALL(linkat, AT_FDCWD, path, AT_FDCWD, p, 0);
    CALL(renameat2, AT_FDCWD, p, AT_FDCWD, path, 0);
    CALL(renameat2, AT_FDCWD, path, AT_FDCWD, p, 0);
    CALL(readlinkat, AT_FDCWD, p, path, 10);
    CALL(readlinkat, AT_FDCWD, "/proc/self/exe", p, 10);
    CALL(readlinkat, AT_FDCWD, "/proc/self/cwd", p, 10);
    CALL(newfstatat, AT_FDCWD, p, path, 0);
    CALL(newfstatat, AT_FDCWD, "/", p, 0);
    CALL(fstat, 0, p);
    CALL(fstat, 999, p);
    CALL(statx, AT_FDCWD, p, 0, 0, p);
    CALL(statx, AT_FDCWD, "/", 0, 0x7ff, p);
    CALL(statfs, p, p);
    CALL(statfs, "/", p);
    CALL(fstatfs, fd, p);
    CALL(faccessat, AT_FDCWD, p, 0);
    CALL(faccessat2, AT_FDCWD, p, 0, 0);
    CALL(fchmodat, AT_FDCWD, p, 0);
    CALL(fchownat, AT_FDCWD, p, -1, -1, 0);
    CALL(truncate, p, 0);
    CALL(chdir, p);
    CALL(getcwd, p, 100);
    CALL(utimensat, AT_FDCWD, p, NULL, 0);
    CALL(utimensat, AT_FDCWD, "/", p, 0);
    CALL(getdents64, fd, p, 100);
    CALL(setxattr, p, "user.x", "v", 1, 0);
    CALL(setxattr, path, p, "v", 1, 0);
    CALL(setxattr, path, "user.x", p, 1, 0);
    CALL(getxattr, path, p, p, 1);
    CALL(listxattr, path, p, 100);
    CALL(removexattr, p, "user.x");
    CALL(memfd_create, p, 0);
    CALL(inotify_add_watch, fd, p, 1);
    CALL(name_to_handle_at, AT_FDCWD, path, p, p, 0);
}

static void data(void *p, int fd)
{
    struct iovec v[2] = { { "ok", 2 }, { p, 5 } };
    int q[2];

    pipe(q);
    CALL(read, fd, p, 10);
    CALL(read, 999, p, 10);
    CALL(write, q[1], p, 10);
    CALL(write, 999, p, 10);
    CALL(pread64, fd, p, 10, 0);
    CALL(pwrite64, fd, p, 10, 0);
    CALL(pwrite64, q[1], p, 10, 0);
    CALL(readv, fd, p, 2);
    CALL(readv, 999, p, 2);
    CALL(writev, q[1], p, 2);
    CALL(writev, q[1], p, 2000);
    v[0] = v[1];
    CALL(writev, q[1], v, 2);
    CALL(writev, 999, v, 2);
    CALL(vmsplice, q[1], p, 1, 0);
    CALL(splice, fd, p, q[1], NULL, 1, 0);
    CALL(sendfile, q[1], fd, p, 1);
    CALL(copy_file_range, fd, p, fd, NULL, 1, 0);
    CALL(pipe2, p, 0);
    CALL(fcntl, fd, F_GETLK, p);
    CALL(fcntl, fd, F_SETLK, p);
    CALL(fcntl, fd, F_SETLKW, p);
    CALL(fcntl, fd, F_OFD_GETLK, p);
    CALL(fcntl, fd, F_GETOWN_EX, p);
    CALL(fcntl, 999, F_GETLK, p);
    CALL(ioctl, q[0], 0x541b, p);
    CALL(getrandom, p, 10, 0);
    close(q[0]);
    close(q[1]);
}

static void waits(void *p, int fd)
{
    int ep = epoll_create1(0);
    struct epoll_event ev = { 0 };

    CALL(epoll_ctl, ep, EPOLL_CTL_ADD, 0, p);
    CALL(epoll_ctl, 999, EPOLL_CTL_ADD, 0, p);
    CALL(epoll_pwait, ep, p, 1, 0, NULL, 8);
    CALL(epoll_pwait, ep, &ev, 1, 0, p, 8);
    CALL(epoll_pwait, ep, &ev, 1, 0, p, 4);
    CALL(epoll_pwait2, ep, &ev, 1, p, NULL, 8);
    CALL(ppoll, p, 1, NULL, NULL, 0);
    CALL(ppoll, NULL, 0, p, NULL, 0);
    CALL(ppoll, NULL, 0, NULL, p, 8);
    CALL(ppoll, NULL, 0, NULL, p, 5);
    CALL(pselect6, 1, p, NULL, NULL, NULL, NULL);
    CALL(pselect6, 0, NULL, NULL, NULL, p, NULL);
    CALL(pselect6, 0, NULL, NULL, NULL, NULL, p);
    CALL(signalfd4, -1, p, 8, 0);
    CALL(timerfd_settime, fd, 0, p, NULL);
    CALL(nanosleep, p, NULL);
    CALL(clock_nanosleep, 0, 0, p, NULL);
    CALL(clock_gettime, 0, p);
    CALL(clock_getres, 0, p);
    CALL(clock_gettime, 99, p);
    CALL(clock_settime, 1, p);
    CALL(gettimeofday, p, NULL);
    CALL(getitimer, 0, p);
    CALL(setitimer, 0, p, NULL);
    CALL(timer_create, 0, p, p);
    CALL(timer_create, 0, NULL, p);
    CALL(times, p);
    CALL(adjtimex, p);
    CALL(io_setup, 1, p);
    CALL(futex, p, 0, 0, NULL, NULL, 0);
    CALL(futex, p, 1, 1, NULL, NULL, 0);
    close(ep);
}

static void processes(void *p)
{
    CALL(rt_sigaction, SIGUSR1, p, NULL, 8);
    CALL(rt_sigaction, SIGUSR1, NULL, p, 8);
    CALL(rt_sigprocmask, SIG_BLOCK, p, NULL, 8);
    CALL(rt_sigprocmask, SIG_BLOCK, NULL, p, 8);
    CALL(rt_sigpending, p, 8);
    CALL(rt_sigtimedwait, p, NULL, NULL, 8);
    CALL(rt_sigsuspend, p, 8);
    CALL(rt_sigqueueinfo, getpid(), SIGCHLD, p);
    CALL(sigaltstack, p, NULL);
    CALL(sigaltstack, NULL, p);
    CALL(wait4, -1, p, 0, NULL);
    CALL(waitid, 0, 0, p, 4, NULL);
    CALL(execve, p, NULL, NULL);
    CALL(execve, "/bin/true", p, NULL);
    CALL(execve, "/bin/true", NULL, p);
    CALL(execveat, AT_FDCWD, p, NULL, NULL, 0);
    CALL(getrlimit, 0, p);
    CALL(setrlimit, 0, p);
    CALL(prlimit64, 0, 0, p, NULL);
    CALL(getrusage, 0, p);
    CALL(uname, p);
    CALL(sysinfo, p);
    CALL(prctl, 15, p, 0, 0, 0);
    CALL(prctl, 16, p, 0, 0, 0);
    CALL(getcpu, p, NULL, NULL);
    CALL(getresuid, p, p, p);
    CALL(getgroups, 100, p);
    CALL(capget, p, p);
    CALL(sched_getparam, 0, p);
    CALL(sched_setparam, 0, p);
    CALL(sched_getaffinity, 0, 128, p);
    CALL(sched_setaffinity, 0, 128, p);
    CALL(sched_getattr, 0, p, 48, 0);
    CALL(sched_setattr, 0, p, 0);
    CALL(sched_rr_get_interval, 0, p);
    CALL(clone3, p, 64);
    CALL(clone3, p, 8);
    CALL(get_robust_list, 0, p, p);
    CALL(process_vm_readv, getpid(), p, 1, p, 1, 0);
    CALL(pidfd_send_signal, 0, 0, p, 0);
    CALL(add_key, p, "d", "p", 1, -2);
    CALL(mincore, p, 4096, p);
}

static void sockets(void *p)
{
    int s[2];
    struct msghdr m = { 0 };

    socketpair(AF_UNIX, SOCK_STREAM, 0, s);
    CALL(socketpair, AF_UNIX, SOCK_STREAM, 0, p);
    CALL(bind, s[0], p, 16);
    CALL(connect, s[0], p, 16);
    CALL(accept4, s[0], p, p, 0);
    CALL(getsockname, s[0], p, p);
    CALL(getpeername, s[0], p, p);
    CALL(sendto, s[0], p, 5, 0, NULL, 0);
    CALL(sendto, s[0], "x", 1, 0, p, 10);
    CALL(recvfrom, s[0], p, 5, MSG_DONTWAIT, NULL, NULL);
    CALL(setsockopt, s[0], SOL_SOCKET, SO_REUSEADDR, p, 4);
    CALL(getsockopt, s[0], SOL_SOCKET, SO_TYPE, p, p);
    CALL(sendmsg, s[0], p, 0);
    CALL(recvmsg, s[0], p, MSG_DONTWAIT);
    CALL(sendmmsg, s[0], p, 1, 0);
    CALL(recvmmsg, s[0], p, 1, MSG_DONTWAIT, NULL);
    m.msg_iov = p;
    m.msg_iovlen = 1;
    CALL(sendmsg, s[0], &m, 0);
    m.msg_iovlen = 0;
    m.msg_control = p;
    m.msg_controllen = 100;
    CALL(sendmsg, s[0], &m, 0);
    m.msg_controllen = 0;
    m.msg_name = p;
    m.msg_namelen = 5;
    CALL(sendmsg, s[0], &m, 0);
    CALL(mq_open, p, 0, 0, NULL);
    CALL(mq_timedsend, 0, p, 1, 0, p);
    CALL(msgsnd, 123456789, p, 1, 0);
    CALL(semop, 123456789, p, 1);
    CALL(semctl, 123456789, 0, IPC_STAT, p);
    close(s[0]);
    close(s[1]);
}

int main(void)
{
    int fd = open("/", O_RDONLY);

    bad[0] = mmap(NULL, 4096, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    bad[1] = WILD;
    bad[2] = (void *)-64L;
    for (int i = 0; i < 3; i++) {
        printf("place %d\n", i);
        files(bad[i], fd, "/tmp/ketch-no-such-name");
        data(bad[i], fd);
        waits(bad[i], fd);
        processes(bad[i]);
        sockets(bad[i]);
    }
    return 0;
}
