/* SPDX-License-Identifier: Apache-2.0 */
/* A session: input to packets, packets to handlers; threads' names; the end. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "ui/gdb/stub.h"

static const struct {
    const char *prefix;
    GdbHandler *handler;
} packets[] = {
#define PACKET(prefix, handler) { prefix, gdb_##handler },
#include "ui/gdb/packets.def"
};

/* ---- Replies and arguments ---- */

void gdb_ok(GdbSession *s)
{
    gdb_put(&s->out, "OK");
}

void gdb_error(GdbSession *s, int number)
{
    s->out.n = 0;
    gdb_putf(&s->out, "E%02x", number & 0xff);
}

void gdb_refuse(GdbSession *s, const char *why)
{
    s->out.n = 0;
    gdb_putf(&s->out, "E.%s", why);
}

void gdb_reply(GdbSession *s)
{
    char frame[GDB_PACKET + 5];
    size_t n = gdb_out_frame(&s->out, frame);

    if (!s->send(s->opaque, frame, n)) {
        s->over = true;
    }
}

bool gdb_number(const char **p, uint64_t *value)
{
    const char *start = *p;
    uint64_t v = 0;

    for (int digit; (digit = gdb_hex_digit(**p)) >= 0; ++*p) {
        v = v << 4 | (uint64_t)digit;
    }
    if (*p == start) {
        return false;
    }
    *value = v;
    return true;
}

bool gdb_number_then(const char **p, uint64_t *value, char c)
{
    if (!gdb_number(p, value) || **p != c) {
        return false;
    }
    ++*p;
    return true;
}

static bool id_part(const char **p, int *id)
{
    uint64_t value;

    if ((*p)[0] == '-' && (*p)[1] == '1') {
        *p += 2;
        *id = -1;
        return true;
    }
    if (!gdb_number(p, &value)) {
        return false;
    }
    *id = (int)value;
    return true;
}

bool gdb_thread_id(const char **p, GdbId *id)
{
    GdbId found = { 0, 0 };

    if (**p != 'p') {
        found.pid = 0;
        if (!id_part(p, &found.tid)) {
            return false;
        }
        *id = found;
        return true;
    }
    ++*p;
    if (!id_part(p, &found.pid)) {
        return false;
    }
    found.tid = -1;
    if (**p == '.') {
        ++*p;
        if (!id_part(p, &found.tid)) {
            return false;
        }
    }
    *id = found;
    return true;
}

void gdb_put_thread(GdbSession *s, GdbOut *out, int tid)
{
    if (s->multiprocess) {
        gdb_putf(out, "p%x.%x", (unsigned)(tid == s->child ? tid : s->target->pid()),
                 (unsigned)tid);
    } else {
        gdb_putf(out, "%x", (unsigned)tid);
    }
}

/* ---- Threads ---- */

static bool has_thread(GdbSession *s, int tid)
{
    size_t n = s->target->threads(s->threads, GDB_THREADS);

    for (size_t i = 0; i < n && i < GDB_THREADS; i++) {
        if (s->threads[i] == tid) {
            return true;
        }
    }
    return tid != 0 && tid == s->child;
}

void gdb_set_thread(GdbSession *s, const char *args)
{
    const char *p = args + (*args != '\0');
    GdbId id;

    if (!gdb_thread_id(&p, &id) || *p) {
        gdb_error(s, EINVAL);
        return;
    }
    if (s->child && id.pid == s->child) {
        id.tid = s->child;
    }
    id.tid = id.tid == -1 && *args == 'g' ? s->last.tid : id.tid;
    if (id.tid > 0 && !has_thread(s, id.tid)) {
        gdb_error(s, ESRCH);
    } else if (*args == 'g') {
        s->general = id.tid ? id.tid : s->last.tid;
        gdb_ok(s);
    } else if (*args == 'c') {
        s->moved = id.tid ? id.tid : s->last.tid;
        gdb_ok(s);
    }
}

void gdb_thread_alive(GdbSession *s, const char *args)
{
    GdbId id;

    if (gdb_thread_id(&args, &id) && has_thread(s, id.tid)) {
        gdb_ok(s);
    } else {
        gdb_error(s, ESRCH);
    }
}

/* ---- The end ---- */

void gdb_let_go(GdbSession *s)
{
    if (!s->detached) {
        s->detached = true;
        s->target->detach();
    }
}

static bool is_ended(const GdbSession *s)
{
    return s->last.kind == GDB_EVENT_exited || s->last.kind == GDB_EVENT_killed;
}

/* D, or D;pid where there are several: the other process of a fork. */
void gdb_detach(GdbSession *s, const char *args)
{
    uint64_t pid = (uint64_t)s->target->pid();

    if (*args == ';') {
        args++;
        if (!gdb_number(&args, &pid)) {
            gdb_error(s, EINVAL);
            return;
        }
    }
    if (s->child && (int)pid == s->child) {
        s->target->leave_child(s->child);
        s->child = 0;
        gdb_ok(s);
    } else if ((int)pid != s->target->pid()) {
        gdb_error(s, ESRCH);
    } else if (s->child) {
        /* The child answers. */
        s->no_reply = s->target->follow_child(s->child);
        s->over = s->detached = s->no_reply;
        if (!s->no_reply) {
            gdb_refuse(s, "the child is gone");
        }
    } else {
        gdb_ok(s);
        gdb_let_go(s);
        s->over = true;
    }
}

void gdb_session_take_over(GdbSession *s)
{
    s->over = s->detached = false;
    s->child = 0;
    s->running = false;
    s->general = s->moved = s->target->pid();
    s->last = (GdbEvent){ .kind = GDB_EVENT_step, .tid = s->target->pid() };
    s->out.n = 0;
    gdb_ok(s);
    gdb_reply(s);
}

static void end_target(GdbSession *s)
{
    s->over = s->detached = true;
    if (!is_ended(s)) {
        s->target->kill();
    }
}

void gdb_kill(GdbSession *s, const char *args)
{
    (void)args;
    s->no_reply = true;
    end_target(s);
}

/* The reply has to be out before this process ends. */
void gdb_vkill(GdbSession *s, const char *args)
{
    uint64_t pid;

    if (!gdb_number(&args, &pid) || (int)pid != s->target->pid()) {
        gdb_error(s, ESRCH);
        return;
    }
    gdb_ok(s);
    gdb_reply(s);
    s->no_reply = true;
    end_target(s);
}

void gdb_vrun(GdbSession *s, const char *args)
{
    (void)args;
    gdb_refuse(s, "the program runs already; start Ketch again for another one");
}

void gdb_vattach(GdbSession *s, const char *args)
{
    (void)args;
    gdb_refuse(s, "this stub has one process and is attached to it");
}

void gdb_empty(GdbSession *s, const char *args)
{
    (void)s;
    (void)args;
}

void gdb_why_stopped(GdbSession *s, const char *args)
{
    (void)args;
    gdb_put_stop(s);
}

/* ---- Input ---- */

/* A machine has no files that a debugger could ask for; the host's are none of its business. */
static bool is_served(const GdbSession *s, const char *data)
{
    return s->target->open_file || strncmp(data, "vFile:", 6) != 0;
}

static void dispatch(GdbSession *s)
{
    const char *data = s->in.data;

    s->out.n = 0;
    s->out.overflow = false;
    s->no_reply = false;
    for (size_t i = 0; i < sizeof(packets) / sizeof(packets[0]); i++) {
        size_t n = strlen(packets[i].prefix);

        if (is_served(s, data) && strncmp(data, packets[i].prefix, n) == 0) {
            packets[i].handler(s, data + n);
            break;
        }
    }
    if (s->out.overflow) {
        gdb_error(s, EMSGSIZE);
    }
    if (!s->no_reply) {
        gdb_reply(s);
    }
}

static void acknowledge(GdbSession *s, const char *sign)
{
    if (!s->no_ack && !s->send(s->opaque, sign, 1)) {
        s->over = true;
    }
}

static void input(GdbSession *s, uint8_t byte)
{
    switch (gdb_parse(&s->in, byte)) {
    case GDB_IN_packet:
        acknowledge(s, "+");
        if (!s->running) {
            dispatch(s);
        }
        break;
    case GDB_IN_damaged:
        acknowledge(s, "-");
        break;
    case GDB_IN_nak:
        if (!s->no_ack && s->out.n) {
            gdb_reply(s);
        }
        break;
    case GDB_IN_break:
        if (s->running) {
            s->target->stop();
        }
        break;
    case GDB_IN_more:
    case GDB_IN_ack:
        break;
    }
}

void gdb_session_input(GdbSession *s, const void *bytes, size_t n)
{
    const uint8_t *from = bytes;

    for (size_t i = 0; i < n && !s->over; i++) {
        input(s, from[i]);
    }
}

void gdb_session_event(GdbSession *s)
{
    if (!s->running || !s->target->next_event(&s->last)) {
        return;
    }
    s->running = false;
    s->general = s->last.tid;
    s->moved = -1;
    s->out.n = 0;
    gdb_put_stop(s);
    gdb_reply(s);
    s->over = s->over || is_ended(s);
}

bool gdb_session_waits(const GdbSession *s)
{
    return s->running;
}

bool gdb_session_is_over(const GdbSession *s)
{
    return s->over;
}

static GdbSession *session_new(const GdbTarget *target, GdbSend *send, void *opaque)
{
    GdbSession *s = calloc(1, sizeof(*s));

    if (s) {
        s->target = target;
        s->send = send;
        s->opaque = opaque;
        s->moved = -1;
    }
    return s;
}

GdbSession *gdb_session_new(const GdbTarget *target, GdbSend *send, void *opaque)
{
    GdbSession *s = session_new(target, send, opaque);

    if (s) {
        target->attach(&s->last);
        s->general = s->last.tid;
    }
    return s;
}

void gdb_session_save(const GdbSession *s, char *text, size_t size)
{
    snprintf(text, size, "%x%x%x%x:%llx", s->no_ack, s->multiprocess, s->catch.forks,
             s->catch.execs, (unsigned long long)s->catch.pass_signals);
}

GdbSession *gdb_session_restore(const GdbTarget *target, GdbSend *send, void *opaque,
                                const char *text)
{
    GdbSession *s = strlen(text) > 5 ? session_new(target, send, opaque) : NULL;

    if (s) {
        s->no_ack = text[0] == '1';
        s->multiprocess = text[1] == '1';
        s->catch.forks = text[2] == '1';
        s->catch.execs = text[3] == '1';
        s->catch.pass_signals = strtoull(text + 5, NULL, 16);
        s->running = true;
        target->set_catch(&s->catch);
    }
    return s;
}

void gdb_session_free(GdbSession *s)
{
    if (s) {
        gdb_let_go(s);
        gdb_close_files(s);
        free(s->object);
        free(s->catch_numbers);
        free(s);
    }
}
