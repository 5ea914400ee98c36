/* SPDX-License-Identifier: Apache-2.0 */
/* Processes made by clone() itself, with what fork() and vfork() do not ask for. */
#define _GNU_SOURCE
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdint.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include "check.h"

static int wait_for(pid_t pid)
{
    int status;

    CHECK_EQ(waitpid(pid, &status, __WALL), pid);
    CHECK(WIFEXITED(status));
    return WEXITSTATUS(status);
}

static pid_t raw_clone(unsigned long flags)
{
    return (pid_t)syscall(SYS_clone, flags, 0, 0, 0, 0);
}

/* Parent and child run at once; what the child does to its descriptors the parent sees. */
static void shared_files(void)
{
    for (int i = 0; i < 20; i++) {
        int ends[2], fd = -1;
        pid_t pid;

        CHECK_EQ(pipe(ends), 0);
        pid = raw_clone(CLONE_FILES | SIGCHLD);
        if (pid == 0) {
            fd = open("/dev/null", O_RDONLY);
            _exit(write(ends[1], &fd, sizeof(fd)) != sizeof(fd));
        }
        CHECK(pid > 0);
        CHECK_EQ(read(ends[0], &fd, sizeof(fd)), sizeof(fd));
        CHECK_EQ(wait_for(pid), 0);
        CHECK_EQ(close(fd), 0);
        close(ends[0]);
        close(ends[1]);
    }
}

/* No signal at the child's end: only __WALL and __WCLONE see it. */
static void silent_end(void)
{
    pid_t pid = raw_clone(CLONE_FS);

    if (pid == 0) {
        _exit(chdir("/proc") != 0);
    }
    CHECK(pid > 0);
    CHECK_EQ(wait_for(pid), 0);
    CHECK_EQ(access("self", F_OK), 0);
    CHECK_EQ(chdir("/"), 0);
}

enum { STACK = 64 << 10, ROUNDS = 2000 };

static char stack[STACK] __attribute__((aligned(16)));
static _Atomic int turn, stop;
static _Atomic long sum;
static _Atomic pid_t child_tid;

static void on_usr1(int sig)
{
    sum += sig;
}

/* Runs beside its parent: each waits for what the other writes. */
static int ping(void *arg)
{
    struct sigaction act = { .sa_handler = SIG_DFL };

    sigaction(SIGUSR1, &act, NULL);
    close(*(int *)arg);
    for (int i = 0; i < ROUNDS; i++) {
        while (turn != 1) {
            sched_yield();
        }
        sum += i;
        turn = 0;
    }
    return 17;
}

static void shared_memory(void)
{
    int fd = open("/dev/null", O_RDONLY);
    pid_t tid = 0, pid;

    CHECK(signal(SIGUSR1, on_usr1) != SIG_ERR);
    child_tid = 1;
    pid = clone(ping, stack + STACK, CLONE_VM | CLONE_PARENT_SETTID | CLONE_CHILD_CLEARTID | SIGCHLD,
                &fd, &tid, NULL, &child_tid);
    CHECK(pid > 0);
    CHECK_EQ(tid, pid);
    for (int i = 0; i < ROUNDS; i++) {
        turn = 1;
        while (turn != 0) {
            sched_yield();
        }
    }
    CHECK_EQ(wait_for(pid), 17);
    CHECK_EQ(child_tid, 0);
    CHECK_EQ(sum, (long)ROUNDS * (ROUNDS - 1) / 2);
    CHECK_EQ(close(fd), 0); /* the child's descriptors and handlers were its own */
    sum = 0;
    CHECK_EQ(raise(SIGUSR1), 0);
    CHECK_EQ(sum, SIGUSR1);
}

static int spin(void *arg)
{
    (void)arg;
    while (!stop) {
        sum++;
    }
    return 0;
}

/* It dies in the middle of a loop; the parent maps and forks meanwhile and afterwards. */
static void killed_sharer(void)
{
    int status;
    pid_t pid, other;

    sum = 0;
    pid = clone(spin, stack + STACK, CLONE_VM | CLONE_FILES | CLONE_FS | CLONE_SIGHAND | SIGCHLD,
                NULL);
    CHECK(pid > 0);
    while (sum < 1000) {
    }
    for (int i = 0; i < 10; i++) {
        other = fork();
        if (other == 0) {
            _exit(3);
        }
        CHECK_EQ(wait_for(other), 3);
    }
    CHECK_EQ(kill(pid, SIGKILL), 0);
    CHECK_EQ(waitpid(pid, &status, 0), pid);
    CHECK(WIFSIGNALED(status));
    other = fork();
    if (other == 0) {
        _exit(4);
    }
    CHECK_EQ(wait_for(other), 4);
}

static int exec_true(void *arg)
{
    (void)arg;
    execl("/proc/self/exe", "clones", "child", NULL);
    return 1;
}

static void sharer_execs(void)
{
    pid_t pid = clone(exec_true, stack + STACK, CLONE_VM | SIGCHLD, NULL);

    CHECK(pid > 0);
    CHECK_EQ(wait_for(pid), 23);
}

static void refused(void)
{
    CHECK_ERRNO(raw_clone(CLONE_SIGHAND | SIGCHLD), EINVAL);
    CHECK_ERRNO(raw_clone(CLONE_THREAD | CLONE_SIGHAND | SIGCHLD), EINVAL);
    CHECK_ERRNO(clone(spin, stack + STACK, CLONE_VM | CLONE_FS | CLONE_NEWNS | SIGCHLD, NULL),
                EINVAL);
}

/* The arguments of clone3() as far as Linux 5.7 knows them, and what a newer kernel might add. */
typedef struct Args {
    uint64_t flags, pidfd, child_tid, parent_tid, exit_signal, stack, stack_size, tls;
    uint64_t set_tid, set_tid_size, cgroup, more;
} Args;

static pid_t clone3(const Args *args, size_t size)
{
    return (pid_t)syscall(SYS_clone3, args, size);
}

static void chosen_number(void)
{
    pid_t pid = fork(), tid = pid;
    Args args = { .exit_signal = SIGCHLD, .set_tid = (uint64_t)(uintptr_t)&tid, .set_tid_size = 1 };

    if (pid == 0) {
        _exit(0);
    }
    CHECK_EQ(wait_for(pid), 0);
    pid = clone3(&args, sizeof(args));
    if (pid == 0) {
        _exit(getpid() == tid ? 7 : 8);
    }
    if (pid < 0) {
        CHECK(errno == EPERM || errno == EEXIST); /* for root only; somebody else has it */
    } else {
        CHECK_EQ(pid, tid);
        CHECK_EQ(wait_for(pid), 7);
    }
    tid = getpid();
    CHECK(clone3(&args, sizeof(args)) == -1 && (errno == EPERM || errno == EEXIST));
    args.set_tid_size = 0;
    CHECK_ERRNO(clone3(&args, sizeof(args)), EINVAL);
    args.set_tid_size = 33;
    CHECK_ERRNO(clone3(&args, sizeof(args)), EINVAL);
    args = (Args){ .exit_signal = SIGCHLD, .more = 1 };
    CHECK_ERRNO(clone3(&args, sizeof(args)), E2BIG);
}

int main(int argc, char **argv)
{
    (void)argv;
    if (argc > 1) {
        return 23;
    }
    shared_files();
    silent_end();
    shared_memory();
    killed_sharer();
    sharer_execs();
    refused();
    chosen_number();
    return passed();
}
