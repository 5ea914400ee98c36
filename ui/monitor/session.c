/* SPDX-License-Identifier: Apache-2.0 */
/* Monitors, their sessions, and commands out of a stream of bytes: for QMP an object (JSON need not
 * come in lines), for HMP a line. */
#include "ui/monitor/state.h"

#include <string.h>

/* What the recursive parser and printer of JSON are handed; QEMU's limit. */
enum { NESTING_MOST = 1024 };

static const char *const event_text[] = {
#define EVENT(name, text, members) text,
#include "ui/monitor/events.def"
};

Monitor *monitor_new(const MonitorVm *vm)
{
    Monitor *m = g_new0(Monitor, 1);
    pthread_mutexattr_t recursive;

    m->vm = *vm;
    m->jobs = g_ptr_array_new_with_free_func(monitor_job_free);
    m->status = vm->started ? "running" : "prelaunch";
    pthread_mutex_init(&m->command, NULL);
    pthread_mutexattr_init(&recursive);
    pthread_mutexattr_settype(&recursive, PTHREAD_MUTEX_RECURSIVE);
    pthread_mutex_init(&m->control, &recursive);
    pthread_mutexattr_destroy(&recursive);
    pthread_mutex_init(&m->lock, NULL);
    return m;
}

void monitor_free(Monitor *m)
{
    pthread_mutex_destroy(&m->command);
    pthread_mutex_destroy(&m->control);
    pthread_mutex_destroy(&m->lock);
    g_ptr_array_free(m->jobs, TRUE);
    g_free(m);
}

const char *monitor_uuid(const Monitor *m)
{
    return m->vm.uuid ? m->vm.uuid : "00000000-0000-0000-0000-000000000000";
}

MonitorSession *monitor_open(Monitor *m, MonitorKind kind, MonitorSend *send, void *opaque)
{
    MonitorSession *s = g_new0(MonitorSession, 1);

    s->monitor = m;
    s->kind = kind;
    s->send = send;
    s->opaque = opaque;
    s->in = g_string_new(NULL);
    pthread_mutex_lock(&m->lock);
    s->next = m->sessions;
    m->sessions = s;
    if (kind != MONITOR_hmp) {
        qmp_greet(s);
    } else {
        hmp_prompt(s);
    }
    pthread_mutex_unlock(&m->lock);
    return s;
}

void monitor_close(MonitorSession *s)
{
    Monitor *m = s->monitor;
    MonitorSession **at = &m->sessions;

    pthread_mutex_lock(&m->lock);
    while (*at != s) {
        at = &(*at)->next;
    }
    *at = s->next;
    pthread_mutex_unlock(&m->lock);
    g_string_free(s->in, TRUE);
    g_free(s);
}

void monitor_event(Monitor *m, MonitorEvent event, const char *data)
{
    pthread_mutex_lock(&m->lock);
    for (MonitorSession *s = m->sessions; s; s = s->next) {
        if (s->kind != MONITOR_hmp && s->negotiated) {
            qmp_event(s, event_text[event], data);
        }
    }
    pthread_mutex_unlock(&m->lock);
}

void monitor_human(Monitor *m, unsigned hart, const char *line, GString *out)
{
    pthread_mutex_lock(&m->command);
    hmp_human(m, hart, line, out);
    pthread_mutex_unlock(&m->command);
}

/* ---- Framing ---- */

static void execute_line(MonitorSession *s, const char *line)
{
    GString *out = g_string_new(NULL);

    hmp_execute(s, line, out);
    pthread_mutex_lock(&s->monitor->lock);
    if (out->len) {
        s->send(s->opaque, out->str, out->len);
    }
    if (!s->over) {
        hmp_prompt(s);
    }
    pthread_mutex_unlock(&s->monitor->lock);
    g_string_free(out, TRUE);
}

static void complete(MonitorSession *s)
{
    bool too_deep = s->too_deep;
    GString *text = s->in;

    s->in = g_string_new(NULL);
    s->depth = 0;
    s->in_string = s->escaped = s->too_deep = false;
    pthread_mutex_lock(&s->monitor->command);
    if (too_deep) {
        qmp_refuse(s, "JSON parse error, more than 1024 levels of nesting");
    } else if (s->kind != MONITOR_hmp) {
        qmp_execute(s, text->str);
    } else {
        execute_line(s, text->str);
    }
    pthread_mutex_unlock(&s->monitor->command);
    g_string_free(text, TRUE);
}

static bool ends_line(MonitorSession *s, char c)
{
    if (c == '\n' || c == '\r') {
        return true;
    }
    g_string_append_c(s->in, c);
    return false;
}

/* True when `c` ends a command.  Text outside of an object is one too, up to the end of its line,
 * so that it is answered with an error.  What is nested too deeply is followed to its end, but not kept. */
static bool ends_object(MonitorSession *s, char c)
{
    if (s->in->len == 0 && g_ascii_isspace(c)) {
        return false;
    }
    if (s->depth == 0 && (c == '\n' || c == '\r')) {
        return true;
    }
    if (!s->too_deep) {
        g_string_append_c(s->in, c);
    }
    if (s->in_string) {
        s->in_string = s->escaped || c != '"';
        s->escaped = !s->escaped && c == '\\';
        return false;
    }
    s->in_string = c == '"';
    if (c == '{' || c == '[') {
        s->too_deep |= ++s->depth > NESTING_MOST;
    } else if ((c == '}' || c == ']') && s->depth > 0) {
        return --s->depth == 0;
    }
    return false;
}

bool monitor_input(MonitorSession *s, const char *bytes, size_t n)
{
    for (size_t i = 0; i < n && !s->over; i++) {
        bool done = s->kind != MONITOR_hmp ? ends_object(s, bytes[i]) : ends_line(s, bytes[i]);

        if (done) {
            complete(s);
        } else if (s->in->len > MONITOR_LINE) {
            s->over = true;
        }
    }
    return !s->over;
}
