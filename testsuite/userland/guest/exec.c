/* SPDX-License-Identifier: Apache-2.0 */
/* execve of a guest program, a script, a native program, and of what cannot be executed. */
#define _GNU_SOURCE
#include <fcntl.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include "check.h"

static char self[4096], dir[] = "/tmp/ketch-exec-XXXXXX", name[4200];

static const char *file(const char *leaf, const char *text, int mode)
{
    int fd;

    snprintf(name, sizeof(name), "%s/%s", dir, leaf);
    fd = open(name, O_CREAT | O_TRUNC | O_WRONLY, 0700);
    CHECK(fd >= 0);
    CHECK_EQ(write(fd, text, strlen(text)), strlen(text));
    CHECK_EQ(fchmod(fd, mode), 0);
    close(fd);
    return name;
}

/* Runs path with argv in a child; what it writes, in `out`, and its status. */
static int run(const char *path, char *const argv[], char *const envp[], char *out)
{
    int fd[2], status;
    ssize_t n;
    pid_t pid;

    CHECK_EQ(pipe(fd), 0);
    pid = fork();
    if (pid == 0) {
        dup2(fd[1], 1);
        close(fd[0]);
        close(fd[1]);
        execve(path, argv, envp);
        _exit(100 + errno);
    }
    close(fd[1]);
    n = 0;
    for (ssize_t r; (r = read(fd[0], out + n, 4000 - (size_t)n)) > 0; n += r) {
    }
    out[n] = '\0';
    close(fd[0]);
    CHECK_EQ(waitpid(pid, &status, 0), pid);
    return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

static void expect(const char *path, char *const argv[], const char *want)
{
    static char out[4096], line[4300];
    char *envp[] = { "KEY=value", NULL };

    CHECK_EQ(run(path, argv, envp, out), 5);
    snprintf(line, sizeof(line), "%s\n", want);
    if (strcmp(out, line) != 0) {
        fprintf(stderr, "got  %swant %s", out, line);
        _exit(1);
    }
}

static void failing(const char *path, int error)
{
    char *argv[] = { "x", NULL };

    CHECK_ERRNO(execve(path, argv, argv + 1), error);
}

static int child(int argc, char **argv)
{
    printf("%d", argc);
    for (int i = 0; i < argc; i++) {
        printf(" <%s>", argv[i]);
    }
    printf(" KEY=%s\n", getenv("KEY") ? getenv("KEY") : "");
    return 5;
}

static void guest_programs(void)
{
    char text[8400], want[8400];

    expect(self, (char *[]){ "other name", "child", "a b", "", NULL },
           "4 <other name> <child> <a b> <> KEY=value");
    snprintf(text, sizeof(text), "#!%s child\nrest\n", self);
    snprintf(want, sizeof(want), "4 <%s> <child> <%s/script> <arg> KEY=value", self, dir);
    expect(file("script", text, 0700), (char *[]){ "gone", "arg", NULL }, want);
    /* A script whose interpreter is a script. */
    snprintf(text, sizeof(text), "#! %s/script  extra \n", dir);
    snprintf(want, sizeof(want), "5 <%s> <child> <%s/script> <extra> <%s/second> KEY=value", self,
             dir, dir);
    expect(file("second", text, 0700), (char *[]){ "gone", NULL }, want);
}

static void native_programs(void)
{
    static char out[4096];
    char *envp[] = { "X=1", NULL };

    CHECK_EQ(run("/bin/echo", (char *[]){ "echo", "native", NULL }, envp, out), 0);
    CHECK(strcmp(out, "native\n") == 0);
    CHECK_EQ(run(file("sh", "#!/bin/sh\necho $X $1; exit 9\n", 0700),
                 (char *[]){ "sh", "two", NULL }, envp, out), 9);
    CHECK(strcmp(out, "1 two\n") == 0);
}

static void failures(void)
{
    char *many[] = { "x", NULL };
    int fd;

    failing("/no/such/file", ENOENT);
    failing("/etc/passwd/x", ENOTDIR);
    failing("/tmp", EACCES);
    failing(file("plain", "text\n", 0700), ENOEXEC);
    failing(file("empty", "", 0700), ENOEXEC);
    failing(file("not-x", "#!/bin/sh\n", 0600), EACCES);
    failing(file("no-interp", "#!/no/interpreter\n", 0700), ENOENT);
    failing(file("half-elf", "\177ELF\2\1\1", 0700), ENOEXEC);
    failing("", ENOENT);
    snprintf(name, sizeof(name), "%s/loop", dir);
    fd = open(name, O_CREAT | O_WRONLY, 0700);
    dprintf(fd, "#!%s/loop\n", dir);
    close(fd);
    failing(name, ELOOP);
    (void)many;
}

static void too_long(void)
{
    char *big = malloc(300000);
    char *argv[40] = { "x" };

    memset(big, 'a', 299999);
    big[299999] = '\0';
    argv[1] = big; /* longer than one string may be */
    CHECK_ERRNO(execve(self, argv, argv + 2), E2BIG);
    free(big);
}

/* Descriptors, signals and limits across exec: close-on-exec, ignored, handled, blocked. */
static void inheritance(void)
{
    const struct rlimit data = { 64 << 20, 512 << 20 }, more = { 512 << 20, 512 << 20 };
    static char out[4096];
    int keep = open("/dev/null", O_RDONLY), drop = open("/dev/null", O_RDONLY | O_CLOEXEC);
    char a[16], b[16];
    sigset_t set;

    snprintf(a, sizeof(a), "%d", keep);
    snprintf(b, sizeof(b), "%d", drop);
    signal(SIGUSR1, SIG_IGN);
    signal(SIGSEGV, SIG_IGN);
    signal(SIGUSR2, (void (*)(int))failures);
    sigemptyset(&set);
    sigaddset(&set, SIGRTMIN + 3);
    sigaddset(&set, SIGBUS);
    sigprocmask(SIG_BLOCK, &set, NULL);
    CHECK_EQ(setrlimit(RLIMIT_DATA, &data), 0);
    CHECK_EQ(run(self, (char *[]){ self, "inherit", a, b, NULL }, environ, out), 6);
    CHECK(strcmp(out, "good\n") == 0);
    CHECK_EQ(setrlimit(RLIMIT_DATA, &more), 0);
}

static int inherit(char **argv)
{
    struct sigaction sa;
    struct rlimit data;
    sigset_t set;

    CHECK_EQ(getrlimit(RLIMIT_DATA, &data), 0);
    CHECK_EQ(data.rlim_cur, 64 << 20);
    CHECK_EQ(data.rlim_max, 512 << 20);
    CHECK(malloc(100 << 20) == NULL);
    CHECK(fcntl(atoi(argv[2]), F_GETFD) >= 0);
    CHECK_ERRNO(fcntl(atoi(argv[3]), F_GETFD), EBADF);
    sigaction(SIGUSR1, NULL, &sa);
    CHECK(sa.sa_handler == SIG_IGN);
    sigaction(SIGSEGV, NULL, &sa);
    CHECK(sa.sa_handler == SIG_IGN);
    sigaction(SIGUSR2, NULL, &sa);
    CHECK(sa.sa_handler == SIG_DFL);
    sigprocmask(SIG_BLOCK, NULL, &set);
    CHECK(sigismember(&set, SIGRTMIN + 3) && sigismember(&set, SIGBUS));
    CHECK(!sigismember(&set, SIGTERM));
    puts("good");
    return 6;
}

/* A copy of this program without a name. */
static int nameless(void)
{
    int fd = memfd_create("copy", MFD_CLOEXEC), from = open(self, O_RDONLY);
    ssize_t n;
    static char buf[65536];

    CHECK(fd >= 0 && from >= 0);
    while ((n = read(from, buf, sizeof(buf))) > 0) {
        CHECK_EQ(write(fd, buf, (size_t)n), n);
    }
    close(from);
    return fd;
}

static void by_descriptor(int fd)
{
    int status;
    pid_t pid = fork();

    if (pid == 0) {
        char *argv[] = { "byfd", "child", NULL };

        dup2(open("/dev/null", O_WRONLY), 1);
        syscall(SYS_execveat, fd, "", argv, environ, AT_EMPTY_PATH);
        _exit(100 + errno);
    }
    CHECK_EQ(waitpid(pid, &status, 0), pid);
    CHECK_EQ(WEXITSTATUS(status), 5);
}

/* The interpreter opens a script by its name, which must be there after exec. */
static void script_by_descriptor(void)
{
    char want[64], out[64] = "";
    const char *path = file("by-fd", "#!/bin/sh\necho $0\n", 0700);
    int fd = open(path, O_RDONLY), cloexec = open(path, O_RDONLY | O_CLOEXEC), ends[2];
    int folder = open(dir, O_RDONLY | O_CLOEXEC);
    char *argv[] = { "gone", NULL };

    CHECK_ERRNO(syscall(SYS_execveat, cloexec, "", argv, environ, AT_EMPTY_PATH), ENOENT);
    CHECK_ERRNO(syscall(SYS_execveat, folder, "by-fd", argv, environ, 0), ENOENT);
    CHECK_EQ(pipe(ends), 0);
    if (fork() == 0) {
        dup2(ends[1], 1);
        syscall(SYS_execveat, fd, "", argv, environ, AT_EMPTY_PATH);
        _exit(100 + errno);
    }
    CHECK(read(ends[0], out, sizeof(out) - 1) > 0);
    snprintf(want, sizeof(want), "/dev/fd/%d\n", fd);
    CHECK(strcmp(out, want) == 0);
    CHECK(wait(NULL) > 0);
}

int main(int argc, char **argv)
{
    ssize_t n;
    char command[64];

    if (argc > 1 && strcmp(argv[1], "child") == 0) {
        return child(argc, argv);
    }
    if (argc > 1 && strcmp(argv[1], "inherit") == 0) {
        return inherit(argv);
    }
    n = readlink("/proc/self/exe", self, sizeof(self) - 1);
    CHECK(n > 0);
    self[n] = '\0';
    CHECK(mkdtemp(dir) != NULL);
    guest_programs();
    native_programs();
    failures();
    too_long();
    inheritance();
    by_descriptor(open(self, O_RDONLY));
    by_descriptor(open(self, O_RDONLY | O_CLOEXEC));
    by_descriptor(nameless());
    script_by_descriptor();
    snprintf(command, sizeof(command), "rm -r %s", dir);
    CHECK_EQ(system(command), 0);
    return passed();
}
