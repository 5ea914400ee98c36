/* SPDX-License-Identifier: Apache-2.0 */
/* posix_spawn, vfork, system, popen: what the parent sees of the child's failure. */
#define _GNU_SOURCE
#include <pthread.h>
#include <signal.h>
#include <spawn.h>
#include <sys/wait.h>

#include "check.h"

extern char **environ;

static int wait_for(pid_t pid)
{
    int status;

    CHECK_EQ(waitpid(pid, &status, 0), pid);
    CHECK(WIFEXITED(status));
    return WEXITSTATUS(status);
}

static void spawn_failure(void)
{
    char *argv[] = { "none", NULL };
    pid_t pid = -5;

    CHECK_EQ(posix_spawn(&pid, "/no/such/program", NULL, NULL, argv, environ), ENOENT);
    CHECK_EQ(posix_spawn(&pid, "/tmp", NULL, NULL, argv, environ), EACCES);
    CHECK_EQ(posix_spawnp(&pid, "surely-not-on-the-path", NULL, NULL, argv, environ), ENOENT);
    CHECK_ERRNO(waitpid(-1, NULL, 0), ECHILD);
}

static void spawn_self(const char *self)
{
    char *argv[] = { (char *)self, "child", "23", NULL };
    posix_spawn_file_actions_t actions;
    posix_spawnattr_t attr;
    sigset_t all;
    int fd[2];
    char text[64];
    pid_t pid;

    CHECK_EQ(pipe(fd), 0);
    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_adddup2(&actions, fd[1], 1);
    posix_spawn_file_actions_addclose(&actions, fd[0]);
    posix_spawnattr_init(&attr);
    sigfillset(&all);
    posix_spawnattr_setsigdefault(&attr, &all);
    posix_spawnattr_setflags(&attr, POSIX_SPAWN_SETSIGDEF);
    CHECK_EQ(posix_spawn(&pid, self, &actions, &attr, argv, environ), 0);
    close(fd[1]);
    memset(text, 0, sizeof(text));
    CHECK(read(fd[0], text, sizeof(text) - 1) > 0);
    CHECK(strcmp(text, "child says 23\n") == 0);
    close(fd[0]);
    CHECK_EQ(wait_for(pid), 23);
}

static void on_usr1(int sig)
{
    (void)sig;
}

/* The child shares memory; its signal actions, files and end are its own. */
static void vfork_shares(void)
{
    static volatile int seen;
    struct sigaction old;
    volatile int local = 1;
    pid_t pid;

    CHECK(signal(SIGUSR1, on_usr1) != SIG_ERR);
    pid = vfork();
    CHECK(pid >= 0);
    if (pid == 0) {
        seen = getpid();
        local = 2;
        signal(SIGUSR1, SIG_IGN);
        close(0);
        _exit(5);
    }
    CHECK_EQ(seen, pid);
    CHECK_EQ(local, 2);
    CHECK_EQ(wait_for(pid), 5);
    CHECK_EQ(sigaction(SIGUSR1, NULL, &old), 0);
    CHECK(old.sa_handler == on_usr1);
    CHECK_EQ(raise(SIGUSR1), 0);
    CHECK(lseek(0, 0, SEEK_CUR) != -1 || errno == ESPIPE);
}

static void vfork_killed(void)
{
    int status;
    pid_t pid = vfork();

    CHECK(pid >= 0);
    if (pid == 0) {
        kill(getpid(), SIGKILL);
        _exit(1);
    }
    CHECK_EQ(waitpid(pid, &status, 0), pid);
    CHECK(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
}

static volatile pid_t spinner;

static void *kill_spinner(void *arg)
{
    while (!spinner) {
        usleep(1000);
    }
    usleep(20000);
    kill(spinner, SIGTERM);
    return arg;
}

/* Killed in the middle of a hot loop, while another thread runs. */
static void vfork_killed_spinning(void)
{
    pthread_t t;
    int status;
    pid_t pid;

    spinner = 0;
    CHECK_EQ(pthread_create(&t, NULL, kill_spinner, NULL), 0);
    pid = vfork();
    CHECK(pid >= 0);
    if (pid == 0) {
        spinner = getpid();
        for (volatile long n = 0;; n++) {
        }
    }
    CHECK_EQ(pthread_join(t, NULL), 0);
    CHECK_EQ(waitpid(pid, &status, 0), pid);
    CHECK(WIFSIGNALED(status) && WTERMSIG(status) == SIGTERM);
}

/* A process that a vfork child forks, and that has threads. */
static void fork_in_vfork(void)
{
    pid_t pid = vfork();

    CHECK(pid >= 0);
    if (pid == 0) {
        pid_t inner = fork();
        int status;

        if (inner == 0) {
            vfork_killed_spinning();
            _exit(17);
        }
        waitpid(inner, &status, 0);
        _exit(WIFEXITED(status) ? WEXITSTATUS(status) : 1);
    }
    CHECK_EQ(wait_for(pid), 17);
}

static volatile int stop;

static void *busy(void *arg)
{
    while (!stop) {
        free(malloc(100));
    }
    return arg;
}

static void with_threads(const char *self)
{
    pthread_t t;

    CHECK_EQ(pthread_create(&t, NULL, busy, NULL), 0);
    for (int i = 0; i < 10; i++) {
        spawn_failure();
        spawn_self(self);
        vfork_shares();
    }
    stop = 1;
    pthread_join(t, NULL);
}

int main(int argc, char **argv)
{
    char text[64];
    FILE *p;
    int s;

    if (argc > 1 && strcmp(argv[1], "child") == 0) {
        printf("child says %s\n", argv[2]);
        return atoi(argv[2]);
    }
    spawn_failure();
    spawn_self("/proc/self/exe");
    vfork_shares();
    vfork_killed();
    vfork_killed_spinning();
    fork_in_vfork();
    with_threads("/proc/self/exe");
    s = system("exit 7");
    CHECK(WIFEXITED(s) && WEXITSTATUS(s) == 7);
    p = popen("echo from the shell", "r");
    CHECK(p != NULL);
    CHECK(fgets(text, sizeof(text), p) != NULL);
    CHECK(strcmp(text, "from the shell\n") == 0);
    CHECK_EQ(pclose(p), 0);
    return passed();
}
