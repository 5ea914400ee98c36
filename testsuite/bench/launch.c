/* SPDX-License-Identifier: Apache-2.0 */
/*
 * bench/launch.c - runs a command some times and reports what it took: launch FD LOOP COMMAND...
 *
 * Standard output is that of the last run; the descriptor FD gets one line: CPU seconds of all
 * runs with their waited-for children, peak resident KiB, exit status of the first run that
 * failed (128 + signal when it was killed), else 0.  Small and static, because a
 * child's peak includes what its parent had when it was forked.
 */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

static double seconds(struct timeval t)
{
    return (double)t.tv_sec + (double)t.tv_usec * 1e-6;
}

static int run(char **command, struct rusage *usage)
{
    int status;
    pid_t child = vfork();

    if (child == 0) {
        execvp(command[0], command);
        _exit(127);
    }
    if (child < 0 || wait4(child, &status, 0, usage) != child) {
        return 127;
    }
    return WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
}

int main(int argc, char **argv)
{
    double cpu = 0;
    long peak = 0;
    int status = 0, report;

    if (argc < 4) {
        return 2;
    }
    report = atoi(argv[1]);
    fcntl(report, F_SETFD, FD_CLOEXEC);
    for (int i = atoi(argv[2]); i > 0 && status == 0; i--) {
        struct rusage usage = { 0 };

        lseek(STDIN_FILENO, 0, SEEK_SET);
        lseek(STDOUT_FILENO, 0, SEEK_SET);
        if (ftruncate(STDOUT_FILENO, 0)) {
            return 2;
        }
        status = run(argv + 3, &usage);
        cpu += seconds(usage.ru_utime) + seconds(usage.ru_stime);
        peak = usage.ru_maxrss > peak ? usage.ru_maxrss : peak;
    }
    dprintf(report, "%.6f %ld %d\n", cpu, peak, status);
    return 0;
}
