/* SPDX-License-Identifier: Apache-2.0 */
/* Bad pointers to system calls give EFAULT, also those that lie where Ketch itself does. */
#define _GNU_SOURCE
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdint.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/uio.h>
#include <sys/utsname.h>
#include <sys/wait.h>
#include <time.h>

#include "check.h"

static void all_calls(uint64_t bad)
{
    int fd[2], file = open("/proc/self/exe", O_RDONLY), zero = open("/dev/zero", O_RDONLY);
    sigset_t set;

    CHECK(file >= 0 && zero >= 0);
    CHECK_EQ(pipe(fd), 0);
    CHECK_EQ(write(fd[1], "x", 1), 1);
    sigemptyset(&set);
    CHECK_ERRNO(syscall(SYS_read, fd[0], bad, 1), EFAULT);
    CHECK_ERRNO(syscall(SYS_write, fd[1], bad, 8), EFAULT);
    CHECK_ERRNO(syscall(SYS_readv, fd[0], bad, 1), EFAULT);
    CHECK_ERRNO(syscall(SYS_writev, fd[1], bad, 1), EFAULT);
    CHECK_ERRNO(syscall(SYS_pread64, file, bad, 8, 0), EFAULT);
    CHECK_ERRNO(syscall(SYS_openat, AT_FDCWD, bad, O_RDONLY), EFAULT);
    CHECK_ERRNO(syscall(SYS_faccessat, AT_FDCWD, bad, R_OK), EFAULT);
    CHECK_ERRNO(syscall(SYS_newfstatat, AT_FDCWD, bad, 0, 0), EFAULT);
    CHECK_ERRNO(syscall(SYS_newfstatat, AT_FDCWD, "/", bad, 0), EFAULT);
    CHECK_ERRNO(syscall(SYS_fstat, file, bad), EFAULT);
    CHECK_ERRNO(syscall(SYS_statx, AT_FDCWD, "/", 0, 0, bad), EFAULT);
    CHECK_ERRNO(syscall(SYS_readlinkat, AT_FDCWD, "/proc/self/exe", bad, 100), EFAULT);
    CHECK_ERRNO(syscall(SYS_getcwd, bad, 100), EFAULT);
    CHECK_ERRNO(syscall(SYS_chdir, bad), EFAULT);
    CHECK_ERRNO(syscall(SYS_mkdirat, AT_FDCWD, bad, 0700), EFAULT);
    CHECK_ERRNO(syscall(SYS_unlinkat, AT_FDCWD, bad, 0), EFAULT);
    CHECK_ERRNO(syscall(SYS_pipe2, bad, 0), EFAULT);
    CHECK_ERRNO(syscall(SYS_uname, bad), EFAULT);
    CHECK_ERRNO(syscall(SYS_clock_gettime, CLOCK_REALTIME, bad), EFAULT);
    CHECK_ERRNO(syscall(SYS_clock_getres, CLOCK_REALTIME, bad), EFAULT);
    CHECK_ERRNO(syscall(SYS_gettimeofday, bad, 0), EFAULT);
    CHECK_ERRNO(syscall(SYS_nanosleep, bad, 0), EFAULT);
    CHECK_ERRNO(syscall(SYS_getrusage, RUSAGE_SELF, bad), EFAULT);
    CHECK_ERRNO(syscall(SYS_prlimit64, 0, RLIMIT_NOFILE, 0, bad), EFAULT);
    CHECK_ERRNO(syscall(SYS_prlimit64, 0, RLIMIT_AS, 0, bad), EFAULT);
    CHECK_ERRNO(syscall(SYS_prlimit64, 0, RLIMIT_AS, bad, 0), EFAULT);
    CHECK_ERRNO(syscall(SYS_rt_sigaction, SIGUSR1, bad, 0, 8), EFAULT);
    CHECK_ERRNO(syscall(SYS_rt_sigaction, SIGUSR1, 0, bad, 8), EFAULT);
    CHECK_ERRNO(syscall(SYS_rt_sigprocmask, SIG_BLOCK, bad, 0, 8), EFAULT);
    CHECK_ERRNO(syscall(SYS_rt_sigprocmask, SIG_BLOCK, 0, bad, 8), EFAULT);
    CHECK_ERRNO(syscall(SYS_rt_sigpending, bad, 8), EFAULT);
    CHECK_ERRNO(syscall(SYS_rt_sigsuspend, bad, 8), EFAULT);
    CHECK_ERRNO(syscall(SYS_rt_sigtimedwait, bad, 0, 0, 8), EFAULT);
    CHECK_ERRNO(syscall(SYS_rt_sigqueueinfo, getpid(), SIGUSR1, bad), EFAULT);
    CHECK_ERRNO(syscall(SYS_sigaltstack, bad, 0), EFAULT);
    CHECK_ERRNO(syscall(SYS_sigaltstack, 0, bad), EFAULT);
    CHECK_ERRNO(syscall(SYS_ppoll, bad, 1, 0, 0, 8), EFAULT);
    CHECK_ERRNO(syscall(SYS_pselect6, 4, bad, 0, 0, 0, 0), EFAULT);
    CHECK_ERRNO(syscall(SYS_execve, bad, 0, 0), EFAULT);
    CHECK_ERRNO(syscall(SYS_execve, "/proc/self/exe", bad, 0), EFAULT);
    CHECK_ERRNO(syscall(SYS_execve, "/proc/self/exe", 0, bad), EFAULT);
    CHECK_ERRNO(syscall(SYS_getrandom, bad, 8, 0), EFAULT);
    CHECK_ERRNO(syscall(SYS_futex, bad, 0, 0, 0, 0, 0), EFAULT);
    CHECK_ERRNO(syscall(SYS_clone3, bad, 88), EFAULT);
    CHECK_ERRNO(syscall(258, bad, 1, 0, 0, 0), EFAULT); /* riscv_hwprobe */
    CHECK_ERRNO(syscall(SYS_getdents64, open("/", O_RDONLY | O_DIRECTORY), bad, 100), EFAULT);
    CHECK_ERRNO(syscall(SYS_ioctl, fd[0], 0x541b, bad), EFAULT); /* FIONREAD */
    CHECK_ERRNO(syscall(SYS_getsockname, socket(AF_UNIX, SOCK_STREAM, 0), bad, bad), EFAULT);
    CHECK_ERRNO(syscall(SYS_socketpair, AF_UNIX, SOCK_STREAM, 0, bad), EFAULT);
    CHECK_ERRNO(syscall(SYS_setitimer, ITIMER_REAL, bad, 0), EFAULT);
    CHECK_ERRNO(syscall(SYS_sendmsg, socket(AF_UNIX, SOCK_DGRAM, 0), bad, 0), EFAULT);
    CHECK_ERRNO(syscall(SYS_epoll_ctl, epoll_create1(0), EPOLL_CTL_ADD, fd[0], bad), EFAULT);
    for (int i = 3; i < 200; i++) {
        close(i);
    }
}

/* The pointers inside a good iovec are bad. */
static void inner_pointers(uint64_t bad)
{
    struct iovec iov = { (void *)bad, 4 };
    struct msghdr msg = { .msg_iov = &iov, .msg_iovlen = 1 };
    int fd[2];

    CHECK_EQ(socketpair(AF_UNIX, SOCK_STREAM, 0, fd), 0);
    CHECK_ERRNO(writev(fd[0], &iov, 1), EFAULT);
    CHECK_ERRNO(sendmsg(fd[0], &msg, 0), EFAULT);
    CHECK_EQ(write(fd[1], "abcd", 4), 4);
    CHECK_ERRNO(readv(fd[0], &iov, 1), EFAULT);
    CHECK_ERRNO(recvmsg(fd[0], &msg, 0), EFAULT);
    close(fd[0]);
    close(fd[1]);
}

int main(void)
{
    static const uint64_t bad[] = {
        8, 0x3000000000, 0x3fffffffff, 0x5555555555555, 0x555555554000, 0x7ffff7a00000,
        0x7fffffffe000, 0x0123456789abcdef, 0xffffffffffff0000, 0xfffffffffffffff8,
    };

    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        all_calls(bad[i]);
        inner_pointers(bad[i]);
    }
    return passed();
}
