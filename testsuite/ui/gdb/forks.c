/* SPDX-License-Identifier: Apache-2.0 */
/* A program to be debugged: fork, vfork (in posix_spawn) and exec, of itself. */
#include <spawn.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

extern char **environ;
volatile int go_on;

__attribute__((noipa)) int child_work(int x)
{
    return x * 2;
}

__attribute__((noipa)) int parent_work(int x)
{
    return x * 3;
}

static int status_of(pid_t pid)
{
    int status;

    waitpid(pid, &status, 0);
    return WEXITSTATUS(status);
}

int main(int argc, char **argv)
{
    char *spawned[] = { argv[0], "spawned", NULL }, *execed[] = { argv[0], "execed", NULL };
    pid_t pid;

    setvbuf(stdout, NULL, _IONBF, 0);
    if (argc > 1 && strcmp(argv[1], "wait") == 0) {
        pid = fork();
        while (pid == 0 && !go_on) {
            usleep(1000);
        }
        return pid == 0 ? 4 : status_of(pid);
    }
    if (argc > 1) {
        printf("now %s\n", argv[1]);
        return 9;
    }
    pid = fork();
    if (pid == 0) {
        int result = child_work(21);
        printf("child %d\n", result);
        return result;
    }
    printf("child's status %d\n", status_of(pid));
    if (posix_spawn(&pid, "/proc/self/exe", NULL, NULL, spawned, environ) == 0) {
        printf("spawned status %d\n", status_of(pid));
    }
    printf("parent %d\n", parent_work(5));
    execv("/proc/self/exe", execed);
    return 1;
}
