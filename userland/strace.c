/* SPDX-License-Identifier: Apache-2.0 */
/*
 * userland/strace.c - a line of the strace log for each system call.
 *
 * A call that may sleep shows its first half before it is made, so that one sees where a program
 * hangs.  When another thread or process writes meanwhile, the line is closed with "<unfinished>"
 * and taken up again with "<... resumed>".
 */
#include <errno.h>
#include <inttypes.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/log.h"
#include "userland/show.h"
#include "userland/syscall.h"

typedef struct KindShow {
    ShowFn *show;
    unsigned set;
} KindShow;

static const KindShow shows[SK_COUNT] = {
#define VALUE(id, printer, set) [SK_##id] = { show_##printer, FS_##set },
#define POINTER(id, direction, span, size, printer, set) [SK_##id] = { show_##printer, ST_##set },
#include "userland/syskinds.def"
};

/* The thread whose line is not finished; shared with forked processes.  Relaxed: it only decides
 * how lines look. */
static _Atomic pid_t *open_line(void)
{
    static _Atomic(_Atomic pid_t *) shared;
    _Atomic pid_t *page = atomic_load(&shared), *none = NULL;

    if (page) {
        return page;
    }
    page = mmap(NULL, MEM_PAGE, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    CHECK(page != MAP_FAILED, "no page for the strace log");
    if (!atomic_compare_exchange_strong(&shared, &none, page)) {
        munmap(page, MEM_PAGE);
        page = none;
    }
    return page;
}

static bool is_out(const SysRow *row, unsigned i)
{
    return syscall_kinds[row->arg[i]].direction == SD_OUT;
}

static void add_arg(Text *text, const SysRow *row, const uint64_t *args, unsigned i,
                    int64_t result)
{
    const KindShow *k = &shows[row->arg[i]];
    Shown s = { .value = args[i],
                .first = args[0],
                .previous = i ? args[i - 1] : 0,
                .span = syscall_span(row, args, i),
                .set = k->set,
                .result = result };

    k->show(text, &s);
}

/* Shows arguments from `i` on, before the call as far as they are known then; returns how far. */
static unsigned add_args(Text *text, const SysRow *row, const uint64_t *args, unsigned i,
                         int64_t result)
{
    for (; i < row->n_args && (result != INT64_MAX || !is_out(row, i)); i++) {
        text_add(text, i ? ", " : "");
        add_arg(text, row, args, i, result);
    }
    return i;
}

/* What the call changed in a list or cell that was shown before it. */
static void add_changes(Text *text, const SysRow *row, const uint64_t *args, int64_t r)
{
    for (unsigned i = 0; i < row->n_args; i++) {
        const KindShow *k = &shows[row->arg[i]];

        if (args[i] && (row->arg[i] == SK_io_pollfds || row->arg[i] == SK_io_fdset ||
                        row->arg[i] == SK_io_off)) {
            text_add(text, " ");
            k->show(text, &(Shown){ .value = args[i],
                                    .first = args[0],
                                    .span = syscall_span(row, args, i),
                                    .set = k->set,
                                    .result = r });
        }
    }
}

static bool is_restart(int64_t r)
{
    return r <= -TASK_ERESTARTSYS && r >= -TASK_ERESTARTNOHAND;
}

static void add_result(Text *text, const SysRow *row, const uint64_t *args, int64_t r)
{
    if (r == -TASK_DONE) {
        text_add(text, ") = ?\n");
    } else if (is_restart(r)) {
        text_add(text, ") = ? ERESTART (interrupted by a signal)\n");
    } else if (r < 0 && r >= -4095) {
        const char *name = strerrorname_np((int)-r);

        text_add(text, ") = -1 %s (%s)\n", name ? name : "?", strerror((int)-r));
    } else {
        Shown value = { .value = (uint64_t)r, .set = shows[row->result].set };

        text_add(text, ") = ");
        shows[row->result].show(text, &value);
        if (r > 0) {
            add_changes(text, row, args, r);
        }
        text_add(text, "\n");
    }
}

/* Calls of which there may be no return: a new program, or no program at all. */
static bool may_not_return(const SysRow *row)
{
    return row->result == SK_none || row->fn == sys_execve || row->fn == sys_execveat;
}

/* Starts a line, ending one that another thread has left open. */
static void begin(Text *text, pid_t open, pid_t tid)
{
    text_add(text, "%s%d ", open && open != tid ? " <unfinished ...>\n" : "", tid);
}

static pid_t set_open(pid_t tid)
{
    return atomic_exchange_explicit(open_line(), tid, memory_order_relaxed);
}

static unsigned first_half(Text *text, Task *t, const SysRow *row, const uint64_t *args)
{
    bool early = row->how != SYS_PASS && row->how != SYS_DENY;
    bool last = may_not_return(row);
    pid_t open = set_open(early && !last ? t->tid : 0);
    unsigned shown;

    begin(text, open, t->tid);
    text_add(text, "%s(", row->name);
    shown = add_args(text, row, args, 0, INT64_MAX);
    if (last) {
        text_add(text, row->result == SK_none ? ") = ?\n" : " <unfinished ...>\n");
    }
    if (early) {
        log_line(LOG_strace, "%s", text->bytes);
        text->length = 0;
        text->bytes[0] = 0;
    }
    return shown;
}

/* ---- -d strace_json ---- */

static void add_json_string(Text *text, const char *s)
{
    text_add(text, "\"");
    for (; *s; s++) {
        if (*s == '"' || *s == '\\') {
            text_add(text, "\\%c", *s);
        } else if ((unsigned char)*s < 32 || (unsigned char)*s > 126) {
            text_add(text, "\\u%04x", (unsigned char)*s);
        } else {
            text_add(text, "%c", *s);
        }
    }
    text_add(text, "\"");
}

static void add_json_args(Text *text, const SysRow *row, const uint64_t *args, int64_t result)
{
    for (unsigned i = 0; i < row->n_args; i++) {
        Text arg = { .length = 0 };

        add_arg(&arg, row, args, i, result);
        text_add(text, i ? "," : "");
        if (text->length + 2 * arg.length + 256 > sizeof(text->bytes)) {
            snprintf(arg.bytes, sizeof(arg.bytes), "..."); /* the line stays an object */
        }
        add_json_string(text, arg.bytes);
    }
}

/* One object a line, when the call is over; for a call without return, when it begins. */
static void json_line(const Task *t, const SysRow *row, const uint64_t *args, int64_t r)
{
    Text text = { .length = 0 };
    const char *error = r < 0 && r >= -4095 ? strerrorname_np((int)-r) : NULL;

    text_add(&text, "{\"tid\":%d,\"call\":\"%s\",\"args\":[", t->tid, row->name);
    add_json_args(&text, row, args, r);
    text_add(&text, "]");
    if (error) {
        text_add(&text, ",\"errno\":\"%s\"", error);
    } else if (is_restart(r)) {
        text_add(&text, ",\"interrupted\":true");
    } else if (row->result != SK_none && r != -TASK_DONE) {
        text_add(&text, ",\"result\":%" PRId64, r);
    }
    text_add(&text, "}\n");
    log_line(LOG_strace_json, "%s", text.bytes);
}

static int64_t traced_json(Task *t, const SysRow *row, const uint64_t *args)
{
    int64_t r;

    if (row->result == SK_none) {
        json_line(t, row, args, INT64_MAX);
        return syscall_run(t, row, args);
    }
    r = syscall_run(t, row, args);
    json_line(t, row, args, r);
    return r;
}

int64_t syscall_traced(Task *t, const SysRow *row, const uint64_t args[SYSCALL_ARGS])
{
    Text text = { .length = 0 };
    unsigned shown;
    int64_t r;

    if (!log_enabled(LOG_strace)) {
        return traced_json(t, row, args);
    }
    shown = first_half(&text, t, row, args);
    r = syscall_run(t, row, args);
    if (row->result == SK_none) {
        return r; /* a thread has ended, which is on its line already */
    }
    if (text.length == 0) {
        pid_t open = set_open(0);

        if (open != t->tid) {
            begin(&text, open, t->tid);
            text_add(&text, "<... %s resumed>", row->name);
        }
    }
    add_args(&text, row, args, shown, r);
    add_result(&text, row, args, r);
    log_line(LOG_strace, "%s", text.bytes);
    return r;
}

static bool is_fault(const siginfo_t *info)
{
    return info->si_code > 0 && (info->si_signo == SIGSEGV || info->si_signo == SIGBUS ||
                                 info->si_signo == SIGILL || info->si_signo == SIGFPE);
}

void syscall_trace_signal(const Task *t, const siginfo_t *info)
{
    Text text = { .length = 0 };

    if (!log_enabled(LOG_strace)) {
        return;
    }
    begin(&text, set_open(0), t->tid);
    text_add(&text, "--- ");
    show_signal(&text, &(Shown){ .value = (uint64_t)info->si_signo });
    text_add(&text, " code=");
    show_flags(&text, &(Shown){ .value = (unsigned)info->si_code, .set = FS_si_code });
    if (is_fault(info)) {
        text_add(&text, " addr=%p", info->si_addr);
    } else if (info->si_code <= 0) {
        text_add(&text, " pid=%d", info->si_pid);
    }
    text_add(&text, " pc=0x%" PRIx64 " ---\n", t->vcpu->pc);
    log_line(LOG_strace, "%s", text.bytes);
}
