/* SPDX-License-Identifier: Apache-2.0 */
/* Default actions seen by the parent: terminated, core, stopped, continued, ignored. */
#define _GNU_SOURCE
#include <signal.h>
#include <sys/wait.h>

#include "check.h"

static void sleep_for_ever(void)
{
    for (;;) {
        pause();
    }
}

static void spin(void)
{
    for (volatile unsigned long i = 0;; i++) {
    }
}

static pid_t start(void (*fn)(void))
{
    int fd[2];
    char c;
    pid_t pid;

    CHECK_EQ(pipe(fd), 0);
    pid = fork();
    CHECK(pid >= 0);
    if (pid == 0) {
        setpgid(0, 0); /* SIGTSTP does not stop a process of an orphaned group */
        CHECK_EQ(write(fd[1], "r", 1), 1);
        fn();
        _exit(0);
    }
    CHECK_EQ(read(fd[0], &c, 1), 1);
    close(fd[0]);
    close(fd[1]);
    return pid;
}

static int status_after(void (*fn)(void), int sig)
{
    int status;
    pid_t pid = start(fn);

    CHECK_EQ(kill(pid, sig), 0);
    CHECK_EQ(waitpid(pid, &status, 0), pid);
    return status;
}

static void stop_and_go(void (*fn)(void))
{
    int status;
    pid_t pid = start(fn);

    CHECK_EQ(kill(pid, SIGTSTP), 0);
    CHECK_EQ(waitpid(pid, &status, WUNTRACED), pid);
    CHECK(WIFSTOPPED(status));
    CHECK_EQ(WSTOPSIG(status), SIGTSTP);
    CHECK_EQ(kill(pid, SIGCONT), 0);
    CHECK_EQ(waitpid(pid, &status, WCONTINUED), pid);
    CHECK(WIFCONTINUED(status));
    CHECK_EQ(kill(pid, SIGWINCH), 0); /* ignored */
    CHECK_EQ(kill(pid, SIGTERM), 0);
    CHECK_EQ(waitpid(pid, &status, 0), pid);
    CHECK(WIFSIGNALED(status));
    CHECK_EQ(WTERMSIG(status), SIGTERM);
}

static void do_abort(void)
{
    abort();
}

static void do_trap(void)
{
    __asm__ volatile("ebreak");
}

static void do_illegal(void)
{
    __asm__ volatile(".4byte 0xffffffff");
}

int main(void)
{
    static const int deadly[] = { SIGHUP, SIGINT, SIGQUIT, SIGILL, SIGABRT, SIGBUS, SIGFPE,
                                  SIGKILL, SIGUSR1, SIGSEGV, SIGPIPE, SIGALRM, SIGTERM, SIGXCPU,
                                  SIGSYS, SIGPROF, 34, 64 };

    for (size_t i = 0; i < sizeof(deadly) / sizeof(deadly[0]); i++) {
        int s = status_after(sleep_for_ever, deadly[i]);

        CHECK(WIFSIGNALED(s));
        CHECK_EQ(WTERMSIG(s), deadly[i]);
        s = status_after(spin, deadly[i]);
        CHECK(WIFSIGNALED(s));
        CHECK_EQ(WTERMSIG(s), deadly[i]);
    }
    stop_and_go(sleep_for_ever);
    stop_and_go(spin);
    CHECK_EQ(WTERMSIG(status_after(do_abort, 0)), SIGABRT);
    CHECK_EQ(WTERMSIG(status_after(do_trap, 0)), SIGTRAP);
    CHECK_EQ(WTERMSIG(status_after(do_illegal, 0)), SIGILL);
    return passed();
}
