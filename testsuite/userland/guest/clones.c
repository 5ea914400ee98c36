/* SPDX-License-Identifier: Apache-2.0 */
/* Processes made by clone() itself, with what fork() and vfork() do not ask for. */
#define _GNU_SOURCE
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
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

int main(void)
{
    shared_files();
    silent_end();
    return passed();
}
