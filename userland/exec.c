/* SPDX-License-Identifier: Apache-2.0 */
/*
 * execve: a guest program runs under Ketch again, with the same options; native programs and
 * everything that the host's kernel knows run as they are.  Scripts are resolved here, since their
 * interpreter may be a guest program.
 */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/auxv.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "userland/debug.h"
#include "base/ownfd.h"
#include "userland/elf.h"
#include "userland/mem.h"
#include "userland/proc.h"
#include "userland/run.h"
#include "userland/script.h"
#include "userland/signals.h"

enum {
    SELF_ARGS = 14,    /* that exec_self() puts in front, beyond self_argv */
    ARGS_MOST = 1 << 21,
};

/* What to run.  argv holds guest addresses of strings (that is, pointers) and strings of ours. */
typedef struct Exec {
    char path[PATH_MAX];          /* the file, after proc_path() */
    char script[SCRIPT_DEPTH][2][SCRIPT_HEAD]; /* interpreter and its argument */
    char script_path[SCRIPT_DEPTH][PATH_MAX];
    unsigned depth;
    char **argv;                  /* room for everything in front of argv[0] is before it */
    size_t argc;
    char **memory;                /* what argv points into */
    const char *through;          /* the kernel's name for a path that begins at a descriptor */
    bool closes;                  /* which exec closes */
} Exec;

static size_t self_argc(void)
{
    size_t n = 0;

    while (process.options->self_argv && process.options->self_argv[n]) {
        n++;
    }
    return n;
}

/* Number of pointers in a NULL-terminated array of the guest; -EFAULT or -E2BIG. */
static int64_t count_args(uint64_t addr)
{
    uint64_t p;

    for (int64_t n = 0; addr && n < ARGS_MOST; n++) {
        if (!mem_read_u64(addr + (uint64_t)n * 8, &p)) {
            return -EFAULT;
        }
        if (p == 0) {
            return n;
        }
    }
    return addr ? -E2BIG : 0;
}

static int64_t read_args(Exec *e, uint64_t addr)
{
    size_t front = self_argc() + SELF_ARGS + 3 * SCRIPT_DEPTH;
    int64_t n = count_args(addr);

    if (n < 0) {
        return n;
    }
    e->memory = calloc(front + (size_t)n + 2, sizeof(char *));
    if (!e->memory) {
        return -ENOMEM;
    }
    e->argv = e->memory + front;
    if (n && !mem_read(e->argv, addr, (size_t)n * 8)) {
        return -EFAULT;
    }
    e->argv[n] = NULL;
    for (int64_t i = 0; i < n; i++) {
        e->argv[i] = mem_host((uint64_t)(uintptr_t)e->argv[i], 1);
    }
    if (n == 0) {
        e->argv[n++] = (char *)"";
    }
    e->argc = (size_t)n;
    return 0;
}

static void prepend(Exec *e, const char *arg)
{
    *--e->argv = (char *)arg;
}

static int64_t use_script(Exec *e, const char *head)
{
    unsigned d = e->depth;
    char *interp, *arg, buf[PATH_MAX];

    if (d == SCRIPT_DEPTH) {
        return -ELOOP;
    }
    e->depth++;
    interp = e->script[d][0];
    arg = e->script[d][1];
    if (!script_parse(head, interp, arg)) {
        return -ENOEXEC;
    }
    memcpy(e->script_path[d], e->path, sizeof(e->path));
    e->argv[0] = d == 0 && e->through ? (char *)e->through : e->script_path[d];
    if (arg[0]) {
        prepend(e, arg);
    }
    prepend(e, interp);
    snprintf(e->path, sizeof(e->path), "%s", proc_path(interp, buf));
    return 1;
}

/* Where a filter of system calls forbids faccessat2(), as some that are older than it do: access(),
 * which goes by the real user. */
static int may_execute(const char *path)
{
    int r = faccessat(AT_FDCWD, path, X_OK, AT_EACCESS);

    return r < 0 && errno == EPERM ? access(path, X_OK) : r;
}

/* The file at e->path: its first bytes, NUL-terminated; its kind; -errno as execve() says. */
static int64_t look_at(const char *path, char head[SCRIPT_HEAD + 1], ElfKind *kind)
{
    char interp[PATH_MAX], buf[PATH_MAX];
    struct stat st;
    ssize_t n;
    int fd;

    if (may_execute(path) < 0) {
        return -errno;
    }
    if (stat(path, &st) < 0) {
        return -errno;
    }
    if (!S_ISREG(st.st_mode)) {
        return -EACCES;
    }
    *kind = ELF_NONE;
    fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0) {
        return 0; /* executable but not readable: only the kernel can run it */
    }
    n = pread(fd, head, SCRIPT_HEAD, 0);
    n = n < 0 ? 0 : n;
    head[n] = '\0';
    *kind = elf_kind_of(process.abi, (const uint8_t *)head, (size_t)n);
    elf_interp(fd, interp, *kind == ELF_GUEST ? sizeof(interp) : 1);
    close(fd);
    if (*kind == ELF_GUEST && interp[0] && access(proc_path(interp, buf), F_OK) < 0) {
        return -ENOENT;
    }
    return 0;
}

/* ---- This program's own file, for roots that have no /proc ---- */

static int self_fd = -1;

static int open_self(void)
{
    int fd = open("/proc/self/exe", O_PATH | O_CLOEXEC);

    return fd >= 0 ? fd : open((const char *)getauxval(AT_EXECFN), O_PATH | O_CLOEXEC);
}

/* Before what may take /proc away.  Not in a vfork child: self_fd is its parent's as well, the
 * descriptor would not be. */
static void keep_self(const Task *t)
{
    pthread_mutex_lock(&process.lock);
    if (self_fd < 0 && !t->in_vfork) {
        self_fd = ownfd_take(open_self());
    }
    pthread_mutex_unlock(&process.lock);
}

int64_t sys_chroot(Task *t, const uint64_t a[6])
{
    keep_self(t);
    return HOST_CALL1(SYS_chroot, mem_host(a[0], 1));
}

int64_t sys_pivot_root(Task *t, const uint64_t a[6])
{
    keep_self(t);
    return HOST_CALL2(SYS_pivot_root, mem_host(a[0], 1), mem_host(a[1], 1));
}

int64_t sys_umount2(Task *t, const uint64_t a[6])
{
    keep_self(t);
    return HOST_CALL2(SYS_umount2, mem_host(a[0], 1), a[1]);
}

/* The result of an execve() for a path that leads nowhere: debootstrap makes a /proc that is a link
 * to itself. */
static bool is_missing(int64_t r)
{
    return r == -ENOENT || r == -ENOTDIR || r == -ELOOP;
}

/* What --after-exec says: the kept file (-1: none), then the limits. */
static void print_handover(char text[LIMITS_TEXT], int fd)
{
    int n = snprintf(text, LIMITS_TEXT, "%d;", fd);

    limits_print(text + n, LIMITS_TEXT - (size_t)n);
}

void exec_take_over(const char *text)
{
    const char *limits = strchr(text, ';');

    if (limits) {
        self_fd = ownfd_take(atoi(text));
        limits_take(limits + 1);
    }
}

/* Ketch from its own file; the program that it becomes keeps the descriptor. */
static int64_t execve_fd(Task *t, int fd, char **argv, uint64_t envp)
{
    int64_t r;

    if (fd < 0) {
        return -ENOENT;
    }
    sig_before_exec(t);
    fcntl(fd, F_SETFD, 0);
    r = host_call(SYS_execveat, (uint64_t)fd, (uint64_t)(uintptr_t) "", (uint64_t)(uintptr_t)argv,
                  (uint64_t)(uintptr_t)mem_host(envp, 8), AT_EMPTY_PATH, 0);
    fcntl(fd, F_SETFD, FD_CLOEXEC);
    sig_after_exec(t);
    return r;
}

static int64_t exec_without_proc(Task *t, char **argv, uint64_t envp, char *handover)
{
    int fd = self_fd >= 0 ? self_fd : open_self();
    int64_t r;

    print_handover(handover, fd);
    r = execve_fd(t, fd, argv, envp);
    if (fd >= 0 && fd != self_fd) {
        close(fd);
    }
    return r;
}

static int64_t host_execve(Task *t, const char *path, char **argv, uint64_t envp)
{
    int64_t r;

    sig_before_exec(t);
    r = HOST_CALL3(SYS_execve, path, argv, mem_host(envp, 8));
    sig_after_exec(t);
    return r;
}

/* A file that is only reached through a descriptor may be closed by exec: another one that is
 * not, or -1. */
static int keep_open(const char *path)
{
    static const char folder[] = "/proc/self/fd/";

    return strncmp(path, folder, sizeof(folder) - 1) == 0 ? open(path, O_RDONLY) : -1;
}

/* ketch OPTIONS --after-exec HANDOVER [-L SYSROOT] [--program-fd FD] -0 ARGV0 -- PATH ARGS... */
static int64_t exec_self(Task *t, Exec *e, uint64_t envp)
{
    char *argv0 = e->argv[0], **args = e->argv;
    int fd = keep_open(e->path);
    char number[16], handover[LIMITS_TEXT];
    DebugExec debugger;
    int64_t r;

    print_handover(handover, -1);
    debug_exec_prepare(t, &debugger);
    e->argv[0] = e->path;
    prepend(e, "--");
    prepend(e, argv0);
    prepend(e, "-0");
    if (fd >= 0) {
        snprintf(number, sizeof(number), "%d", fd);
        prepend(e, number);
        prepend(e, "--program-fd");
    }
    if (process.sysroot[0] && access(process.sysroot, F_OK) == 0) {
        prepend(e, process.sysroot);
        prepend(e, "-L");
    }
    if (debugger.session[0]) {
        prepend(e, debugger.session);
        prepend(e, "--gdb-session");
    }
    if (debugger.address[0]) {
        prepend(e, debugger.address);
        prepend(e, "-g");
    }
    prepend(e, handover);
    prepend(e, "--after-exec");
    for (size_t i = self_argc(); i-- > 0;) {
        prepend(e, process.options->self_argv[i]);
    }
    r = host_execve(t, "/proc/self/exe", e->argv, envp);
    if (is_missing(r)) {
        r = exec_without_proc(t, e->argv, envp, handover);
    }
    if (is_missing(r)) {
        /* No /proc in this root: the kernel may know what to do (binfmt_misc). */
        args[0] = argv0;
        r = host_execve(t, e->path, args, envp);
    }
    if (fd >= 0) {
        close(fd);
    }
    debug_exec_failed(&debugger);
    return r;
}

static int64_t exec_file(Task *t, Exec *e, uint64_t envp)
{
    char head[SCRIPT_HEAD + 1];
    ElfKind kind;
    int64_t r;

    do {
        r = look_at(e->path, head, &kind);
        if (r == 0 && kind == ELF_SCRIPT) {
            r = e->closes ? -ENOENT : use_script(e, head);
        }
    } while (r == 1);
    if (r < 0) {
        return r;
    }
    switch (kind) {
    case ELF_GUEST:
        return exec_self(t, e, envp);
    case ELF_BROKEN:
        return -ENOEXEC;
    case ELF_OTHER: case ELF_NONE: case ELF_SCRIPT:
        return host_execve(t, e->path, e->argv, envp);
    }
    return -ENOEXEC;
}

void exec_free(void *memory)
{
    Exec *e = memory;

    if (e) {
        free(e->memory);
        free(e);
    }
}

/* `dirfd`: where the guest's path begins, which is `at`; AT_FDCWD: at the root or in its folder. */
static int64_t do_exec(Task *t, const char *path, int dirfd, const char *at, const uint64_t args[2])
{
    Exec *e = calloc(1, sizeof(*e));
    char through[PATH_MAX + 32];
    char buf[PATH_MAX];
    int64_t r;

    if (!e) {
        return -ENOMEM;
    }
    if (dirfd != AT_FDCWD) {
        snprintf(through, sizeof(through), at[0] ? "/dev/fd/%d/%s" : "/dev/fd/%d", dirfd, at);
        e->through = through;
        e->closes = fcntl(dirfd, F_GETFD) > 0;
    }
    snprintf(e->path, sizeof(e->path), "%s", proc_path(path, buf));
    r = read_args(e, args[0]);
    if (r == 0 && count_args(args[1]) < 0) {
        r = count_args(args[1]);
    }
    if (r == 0 && !sig_hold(t)) {
        r = -TASK_ERESTARTNOINTR;
    }
    if (r == 0) {
        t->exec_memory = e;
        r = exec_file(t, e, args[1]);
        t->exec_memory = NULL;
        sig_release(t);
    }
    exec_free(e);
    return r;
}

int64_t sys_execve(Task *t, const uint64_t a[6])
{
    char path[PATH_MAX];
    ssize_t n = mem_strcpy_in(path, a[0], sizeof(path));

    return n < 0 ? n : n == 0 ? -ENOENT : do_exec(t, path, AT_FDCWD, "", &a[1]);
}

/* A name for the file that dirfd and path mean. */
static int64_t at_path(int dirfd, const char *path, int flags, char *out)
{
    char link[64];
    ssize_t n;

    if (path[0] == '/' || (dirfd == AT_FDCWD && path[0])) {
        snprintf(out, PATH_MAX, "%s", path);
        return 0;
    }
    if (!path[0] && !(flags & AT_EMPTY_PATH)) {
        return -ENOENT;
    }
    snprintf(link, sizeof(link), "/proc/self/fd/%d", dirfd);
    n = readlink(link, out, PATH_MAX - 1);
    if (n < 0) {
        return -EBADF;
    }
    out[n] = '\0';
    if (!path[0]) {
        /* A file without a name any more is reached through the descriptor. */
        if (access(out, F_OK) < 0) {
            snprintf(out, PATH_MAX, "%s", link);
        }
        return 0;
    }
    return snprintf(out + n, (size_t)(PATH_MAX - n), "/%s", path) < PATH_MAX - n ? 0
                                                                                : -ENAMETOOLONG;
}

int64_t sys_execveat(Task *t, const uint64_t a[6])
{
    char path[PATH_MAX], file[PATH_MAX];
    ssize_t n = mem_strcpy_in(path, a[1], sizeof(path));
    int flags = (int)a[4];
    struct stat st;
    int64_t r;

    if (n < 0) {
        return n;
    }
    if (flags & ~(AT_EMPTY_PATH | AT_SYMLINK_NOFOLLOW)) {
        return -EINVAL;
    }
    r = at_path((int)a[0], path, flags, file);
    if (r < 0) {
        return r;
    }
    if ((flags & AT_SYMLINK_NOFOLLOW) && lstat(file, &st) == 0 && S_ISLNK(st.st_mode)) {
        return -ELOOP;
    }
    return do_exec(t, file, path[0] == '/' ? AT_FDCWD : (int)a[0], path, &a[2]);
}
