/* SPDX-License-Identifier: Apache-2.0 */
/* What the debugger sees of a stopped guest: threads, registers, memory, files, points. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/log.h"
#include "ui/gdb/points.h"
#include "userland/debug_state.h"
#include "userland/abi.h"
#include "userland/linkmap.h"
#include "userland/mem.h"
#include "userland/proc.h"

/* ---- Points.  Set at once, put into the translator when threads go on: gdb removes all of them
 * whenever the guest has stopped, and inserts them again. ---- */

static TrPoints points;

GdbPoint debug_watch_point(uint64_t addr)
{
    return gdb_watch_at(&points, addr);
}

bool debug_event_holds(const Task *t, const GdbEvent *event)
{
    return gdb_event_holds(&points, event, t->vcpu->pc);
}

static bool set_point(GdbPoint point, uint64_t addr, uint64_t size, bool on)
{
    return tr_points_set(&points, gdb_watch_kind(point), addr, size, on);
}

void debug_clear_points(void)
{
    tr_points_clear(&points);
}

void debug_apply_points(void)
{
    if (!tr_points_apply(&points)) {
        log_warn("gdb: out of memory for breakpoints");
    }
}

/* ---- Threads ---- */

static int compare_tids(const void *a, const void *b)
{
    return *(const int *)a - *(const int *)b;
}

static size_t threads(int *tid, size_t max)
{
    size_t n = 0;

    pthread_mutex_lock(&process.lock);
    for (const Task *t = process.tasks; t; t = t->next, n++) {
        if (n < max) {
            tid[n] = t->tid;
        }
    }
    pthread_mutex_unlock(&process.lock);
    qsort(tid, n < max ? n : max, sizeof(*tid), compare_tids);
    return n;
}

/* It stays while everybody is stopped.  A child of a fork is still what its parent is. */
static Task *find_task(int tid)
{
    Task *found = NULL;

    pthread_mutex_lock(&process.lock);
    for (Task *t = process.tasks; t; t = t->next) {
        if (t->tid == tid || (debug.child && tid == debug.child && t->debug &&
                              t->debug->event.child == tid)) {
            found = t;
        }
    }
    pthread_mutex_unlock(&process.lock);
    return found;
}

static void thread_name(int tid, char *name, size_t size)
{
    char path[64];
    ssize_t n;
    int fd;

    snprintf(path, sizeof(path), "/proc/self/task/%d/comm", tid);
    fd = open(path, O_RDONLY | O_CLOEXEC);
    n = fd < 0 ? 0 : read(fd, name, size - 1);
    name[n > 0 ? n - 1 : 0] = '\0'; /* without its newline */
    if (fd >= 0) {
        close(fd);
    }
}

static bool get_register(int tid, const FeRegister *r, uint64_t *value)
{
    const Task *t = find_task(tid);

    if (t) {
        *value = r->get(t->vcpu, r->slot);
    }
    return t;
}

static bool set_register(int tid, const FeRegister *r, uint64_t value)
{
    Task *t = find_task(tid);

    if (t) {
        r->set(t->vcpu, r->slot, value);
        t->restart = t->vcpu->pc == t->syscall_pc ? t->restart : 0;
    }
    return t;
}

/* What a thread has on hardware that a debugger has stopped otherwise than by a signal of the guest. */
static siginfo_t stop_info(const TaskDebug *d)
{
    siginfo_t info = { .si_signo = SIGSTOP, .si_code = SI_TKILL };

    switch (d && d->has_event ? d->event.kind : GDB_EVENT_request) {
    case GDB_EVENT_breakpoint:
        return (siginfo_t){ .si_signo = SIGTRAP, .si_code = TRAP_BRKPT };
    case GDB_EVENT_step:
        return (siginfo_t){ .si_signo = SIGTRAP, .si_code = TRAP_TRACE };
    case GDB_EVENT_watch:
        info = (siginfo_t){ .si_signo = SIGTRAP, .si_code = TRAP_HWBKPT };
        info.si_addr = (void *)(uintptr_t)d->event.addr;
        return info;
    case GDB_EVENT_syscall_entry: case GDB_EVENT_syscall_return: case GDB_EVENT_fork: case GDB_EVENT_exec:
        return (siginfo_t){ .si_signo = SIGTRAP, .si_code = SI_KERNEL };
    case GDB_EVENT_signal: case GDB_EVENT_request: case GDB_EVENT_exited: case GDB_EVENT_killed:
        break;
    }
    return info;
}

static bool siginfo(int tid, uint8_t info[GDB_SIGINFO])
{
    const Task *t = find_task(tid);
    siginfo_t from;

    if (!t) {
        return false;
    }
    from = t->debug && t->debug->has_info ? t->debug->info : stop_info(t->debug);
    memcpy(info, &from, GDB_SIGINFO);
    return true;
}

/* Of a stop without a signal nothing is delivered. */
static bool set_siginfo(int tid, const uint8_t info[GDB_SIGINFO])
{
    const Task *t = find_task(tid);

    if (t && t->debug && t->debug->has_info) {
        memcpy(&t->debug->info, info, GDB_SIGINFO);
    }
    return t != NULL;
}

/* ---- Memory: /proc/self/mem, which minds no protection ---- */

static int open_memory(int flags)
{
    return open("/proc/self/mem", flags | O_CLOEXEC);
}

static uint64_t inside(uint64_t addr, size_t n)
{
    return addr >= mem_limit ? 0 : n < mem_limit - addr ? n : mem_limit - addr;
}

static size_t read_memory(int tid, uint64_t addr, void *bytes, size_t n)
{
    int fd = open_memory(O_RDONLY);
    ssize_t done;

    (void)tid; /* all threads share it */
    n = inside(addr, n);
    if (fd < 0) {
        return mem_read(bytes, addr, n) ? n : 0;
    }
    done = pread(fd, bytes, n, (off_t)addr);
    close(fd);
    return done < 0 ? 0 : (size_t)done;
}

static size_t write_memory(int tid, uint64_t addr, const void *bytes, size_t n)
{
    int fd = open_memory(O_WRONLY);
    ssize_t done;

    (void)tid;
    n = inside(addr, n);
    if (fd < 0) {
        done = mem_write(addr, bytes, n) ? (ssize_t)n : 0;
    } else {
        done = pwrite(fd, bytes, n, (off_t)addr);
        close(fd);
    }
    tr_invalidate(addr, n);
    return done < 0 ? 0 : (size_t)done;
}

/* ---- The process ---- */

static int pid(void)
{
    return getpid();
}

static int event_fd(void)
{
    return debug.event_fd;
}

static bool is_started(void)
{
    return debug.user->suspend;
}

static void kill_process(void)
{
    debug.user->end();
    HOST_CALL2(SYS_kill, getpid(), SIGKILL);
}

static size_t auxv(void *bytes, size_t max)
{
    size_t n = process.auxv_end - process.auxv_start;

    n = n < max ? n : max;
    return mem_read(bytes, process.auxv_start, n) ? n : 0;
}

static bool tls_address(const GdbTls *tls, uint64_t *addr)
{
    const Task *t = find_task(tls->tid);

    return t && linkmap_tls(t->vcpu->slot[process.abi->slot_tls], tls, addr);
}

static void exec_file(char path[GDB_PATH])
{
    snprintf(path, GDB_PATH, "%s", process.exe);
}

/* What a system call has returned as a function of the C library does it. */
static int64_t with_errno(int64_t result)
{
    errno = result < 0 ? (int)-result : errno;
    return result < 0 ? -1 : result;
}

static int open_file(const char *path, int flags, int mode)
{
    char buf[PATH_MAX];
    int64_t fd;

    return proc_open(path, flags, &fd) ? (int)with_errno(fd) : open(proc_path(path, buf), flags, mode);
}

static ssize_t read_link(const char *path, char *target, size_t size)
{
    char buf[PATH_MAX];
    int64_t n;

    return proc_readlink(path, target, size, &n) ? with_errno(n)
                                                 : readlink(proc_path_link(path, buf), target, size);
}

static int remove_file(const char *path)
{
    char buf[PATH_MAX];

    return unlink(proc_path_link(path, buf));
}

/* ---- monitor ---- */

static void show_maps(char *text, size_t size)
{
    char *maps = mem_maps_text();

    snprintf(text, size, "%s", maps ? maps : "");
    free(maps);
}

static void show_stats(char *text, size_t size)
{
    int fd = memfd_create("stats", MFD_CLOEXEC);
    ssize_t n = 0;

    if (fd >= 0) {
        tr_stats_print(fd);
        n = pread(fd, text, size - 1, 0);
        close(fd);
    }
    text[n < 0 ? 0 : n] = '\0';
}

static void show_help(char *text, size_t size);

static const struct {
    const char *name;
    void (*show)(char *text, size_t size);
    const char *help;
} commands[] = {
    { "help", show_help, "these lines" },
    { "maps", show_maps, "the guest's memory, as /proc/self/maps there" },
    { "stats", show_stats, "counters of the translator" },
};

static void show_help(char *text, size_t size)
{
    size_t at = 0;

    for (size_t i = 0; i < sizeof(commands) / sizeof(commands[0]) && at < size; i++) {
        at += (size_t)snprintf(text + at, size - at, "%-8s %s\n", commands[i].name,
                               commands[i].help);
    }
}

static bool monitor(const char *command, char *text, size_t size)
{
    for (size_t i = 0; i < sizeof(commands) / sizeof(commands[0]); i++) {
        if (strcmp(command, commands[i].name) == 0) {
            commands[i].show(text, size);
            return true;
        }
    }
    return false;
}

const GdbTarget debug_target = {
    .guest = &fe_riscv64,
    .os = "GNU/Linux",
    .event_fd = event_fd,
    .is_started = is_started,
    .pid = pid,
    .attach = debug_attach,
    .detach = debug_detach,
    .kill = kill_process,
    .resume = debug_resume,
    .stop = debug_stop,
    .next_event = debug_next_event,
    .threads = threads,
    .thread_name = thread_name,
    .get_register = get_register,
    .set_register = set_register,
    .siginfo = siginfo,
    .set_siginfo = set_siginfo,
    .read = read_memory,
    .write = write_memory,
    .set_point = set_point,
    .set_catch = debug_set_catch,
    .auxv = auxv,
    .exec_file = exec_file,
    .libraries = linkmap_each,
    .tls_address = tls_address,
    .tls_symbol = LINKMAP_TLS_SYMBOL,
    .open_file = open_file,
    .read_link = read_link,
    .remove_file = remove_file,
    .leave_child = debug_leave_child,
    .follow_child = debug_follow_child,
    .monitor = monitor,
};
