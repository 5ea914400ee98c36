/* SPDX-License-Identifier: Apache-2.0 */
/* Going on, and saying why the target has stopped. */
#include <errno.h>
#include <string.h>

#include "ui/gdb/signals.h"
#include "ui/gdb/stub.h"

enum { RESUMES = 64, TRAP = 5 };

/* ---- Going on ---- */

static void resume(GdbSession *s, const GdbResume *list, size_t n)
{
    if (s->child) { /* it would wait for ever */
        gdb_refuse(s, "only one process of a fork can be debugged: detach from the other one (detach inferiors 2), "
                      "and see `set detach-on-fork on`");
        return;
    }
    s->running = true;
    s->no_reply = true;
    s->target->resume(list, n);
}

void gdb_vcont_query(GdbSession *s, const char *args)
{
    (void)args;
    gdb_put(&s->out, "vCont;c;C;s;S;t;r");
}

/* The action without its thread, as in "S05". */
static bool parse_action(const char **p, GdbResume *r)
{
    char letter = **p;
    uint64_t number;

    *r = (GdbResume){ .tid = -1 };
    ++*p;
    switch (letter) {
    case 'c':
    case 'C':
        r->move = GDB_MOVE_run;
        break;
    case 's':
    case 'S':
        r->move = GDB_MOVE_step;
        break;
    case 'r':
        r->move = GDB_MOVE_range;
        return gdb_number_then(p, &r->lo, ',') && gdb_number(p, &r->hi);
    case 't':
        r->move = GDB_MOVE_stay;
        return true;
    default:
        return false;
    }
    if (letter == 'C' || letter == 'S') {
        if (!gdb_number(p, &number)) {
            return false;
        }
        r->sig = gdb_signal_to_linux((int)number);
    }
    return true;
}

void gdb_vcont(GdbSession *s, const char *args)
{
    GdbResume list[RESUMES];
    GdbId id = { -1, -1 };
    size_t n = 0;

    for (const char *p = args; *p; n++) {
        if (n == RESUMES || !parse_action(&p, &list[n])) {
            gdb_error(s, EINVAL);
            return;
        }
        if (*p == ':') {
            p++;
            if (!gdb_thread_id(&p, &id)) {
                gdb_error(s, EINVAL);
                return;
            }
            list[n].tid = id.tid ? id.tid : s->last.tid;
        }
        if (*p && *p++ != ';') {
            gdb_error(s, EINVAL);
            return;
        }
    }
    resume(s, list, n);
}

/* The requests of before vCont: an optional address to go on at. */
static void old_resume(GdbSession *s, const char *args, GdbResume r, bool has_signal)
{
    const FeRegister *pc = fe_register(s->target->guest, "pc");
    uint64_t number;

    if (has_signal) {
        if (!gdb_number(&args, &number)) {
            gdb_error(s, EINVAL);
            return;
        }
        r.sig = gdb_signal_to_linux((int)number);
        args += *args == ';';
    }
    r.tid = r.move == GDB_MOVE_step || s->moved > 0 ? (s->moved > 0 ? s->moved : s->general) : -1;
    if (gdb_number(&args, &number) && pc) {
        s->target->set_register(s->general, pc, number);
    }
    resume(s, &r, 1);
}

void gdb_go_on(GdbSession *s, const char *args)
{
    old_resume(s, args, (GdbResume){ .move = GDB_MOVE_run }, false);
}

void gdb_go_on_signal(GdbSession *s, const char *args)
{
    old_resume(s, args, (GdbResume){ .move = GDB_MOVE_run }, true);
}

void gdb_step(GdbSession *s, const char *args)
{
    old_resume(s, args, (GdbResume){ .move = GDB_MOVE_step }, false);
}

void gdb_step_signal(GdbSession *s, const char *args)
{
    old_resume(s, args, (GdbResume){ .move = GDB_MOVE_step }, true);
}

/* ---- Why it has stopped ---- */

static void put_end(GdbSession *s)
{
    const GdbEvent *e = &s->last;

    if (e->kind == GDB_EVENT_exited) {
        gdb_putf(&s->out, "W%02x", e->status & 0xff);
    } else {
        gdb_putf(&s->out, "X%02x", gdb_signal_from_linux(e->sig));
    }
    if (s->multiprocess) {
        gdb_putf(&s->out, ";process:%x", (unsigned)s->target->pid());
    }
}

static void put_child(GdbSession *s)
{
    s->child = s->last.child;
    gdb_put(&s->out, "fork:");
    gdb_put_thread(s, &s->out, s->child);
    gdb_put(&s->out, ";");
}

static void put_reason(GdbSession *s)
{
    static const char *const watches[] = { [GDB_POINT_break] = "swbreak",
                                           [GDB_POINT_write] = "watch",
                                           [GDB_POINT_read] = "rwatch",
                                           [GDB_POINT_access] = "awatch" };
    const GdbEvent *e = &s->last;

    switch (e->kind) {
    case GDB_EVENT_breakpoint:
        gdb_put(&s->out, "swbreak:;");
        break;
    case GDB_EVENT_watch:
        gdb_putf(&s->out, "%s:%llx;", watches[e->point], (unsigned long long)e->addr);
        break;
    case GDB_EVENT_syscall_entry:
        gdb_putf(&s->out, "syscall_entry:%x;", (unsigned)e->number);
        break;
    case GDB_EVENT_syscall_return:
        gdb_putf(&s->out, "syscall_return:%x;", (unsigned)e->number);
        break;
    case GDB_EVENT_fork:
        put_child(s);
        break;
    case GDB_EVENT_exec:
        gdb_put(&s->out, "exec:");
        gdb_put_hex(&s->out, e->path, strlen(e->path));
        gdb_put(&s->out, ";");
        break;
    case GDB_EVENT_signal:
    case GDB_EVENT_step:
    case GDB_EVENT_request:
    case GDB_EVENT_exited:
    case GDB_EVENT_killed:
        break;
    }
}

static int signal_of(const GdbEvent *e)
{
    return e->kind == GDB_EVENT_signal    ? gdb_signal_from_linux(e->sig)
           : e->kind == GDB_EVENT_request ? e->sig
                                          : TRAP;
}

/* What gdb asks for after every stop comes along with it. */
static void put_registers(GdbSession *s)
{
    static const char *const names[] = { "pc", "sp", "fp" };
    uint64_t value;

    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        const FeRegister *r = fe_register(s->target->guest, names[i]);

        if (r && s->target->get_register(s->last.tid, r, &value)) {
            gdb_putf(&s->out, "%x:", r->number);
            gdb_put_hex(&s->out, &value, r->bits / 8);
            gdb_put(&s->out, ";");
        }
    }
}

void gdb_put_stop(GdbSession *s)
{
    if (s->last.kind == GDB_EVENT_exited || s->last.kind == GDB_EVENT_killed) {
        put_end(s);
        return;
    }
    gdb_putf(&s->out, "T%02x", signal_of(&s->last));
    put_registers(s);
    gdb_put(&s->out, "thread:");
    gdb_put_thread(s, &s->out, s->last.tid);
    gdb_put(&s->out, ";");
    put_reason(s);
}
