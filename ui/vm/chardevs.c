/* SPDX-License-Identifier: Apache-2.0 */
/* -chardev, -serial, -monitor, -qmp: QEMU's spellings of where bytes go. */
#include <string.h>

#include "ui/vm/keys.h"
#include "ui/vm/vm.h"

Chardev *vm_chardev(Vm *vm, const char *id)
{
    for (unsigned i = 0; i < vm->chardevs->len; i++) {
        if (!strcmp(chardev_id(vm->chardevs->pdata[i]), id)) {
            return vm->chardevs->pdata[i];
        }
    }
    return NULL;
}

static Chardev *add(Vm *vm, const char *id, const char *text, bool mux, GError **error)
{
    Chardev *c;

    if (vm_chardev(vm, id)) {
        g_set_error(error, VM_ERROR, 0, "there are two chardevs '%s'", id);
        return NULL;
    }
    if (vm->options->daemonize && g_str_has_prefix(text, "stdio")) {
        g_set_error(error, VM_ERROR, 0, "-daemonize leaves the terminal, so nothing can be at stdio");
        return NULL;
    }
    c = chardev_new(vm->loop, id, text, mux, &vm->host, error);
    if (c) {
        g_ptr_array_add(vm->chardevs, c);
    }
    return c;
}

bool vm_split_id(const char *option, const char *text, char **rest, char **id, GError **error)
{
    const char *at = strstr(text, ",id=");
    const char *name = at ? at + strlen(",id=") : NULL;
    size_t length = name ? strcspn(name, ",") : 0;

    if (!length) {
        g_set_error(error, VM_ERROR, 0, "%s %s has no id=", option, text);
        return false;
    }
    *id = g_strndup(name, length);
    *rest = g_strdup_printf("%.*s%s", (int)(at - text), text, name + length);
    return true;
}

/* "path=/dev/fdset/SET" as the path of what was passed on; owned. */
static char *resolve_fdset(const VmOptions *o, char *text)
{
    static const char start[] = "path=/dev/fdset/";
    char *at = strstr(text, start), *end, *resolved;
    guint64 set = at ? g_ascii_strtoull(at + strlen(start), &end, 10) : 0;

    for (unsigned i = 0; at && i < o->fdsets->len; i++) {
        const VmFdset *f = &g_array_index(o->fdsets, VmFdset, i);

        if (f->set == set) {
            resolved = g_strdup_printf("%.*spath=/proc/self/fd/%d%s", (int)(at - text), text, f->fd, end);
            g_free(text);
            return resolved;
        }
    }
    return text;
}

static bool add_named(Vm *vm, const char *text, GError **error)
{
    char *id, *rest;
    bool ok;

    if (!vm_split_id("-chardev", text, &rest, &id, error)) {
        return false;
    }
    rest = resolve_fdset(vm->options, rest);
    ok = add(vm, id, rest, false, error) != NULL;
    g_free(id);
    g_free(rest);
    return ok;
}

/* "unix:PATH,..." and "file:PATH" as -chardev has them; others are the same in both. */
static char *modern(const char *text)
{
    if (g_str_has_prefix(text, "unix:")) {
        return g_strconcat("socket,path=", text + strlen("unix:"), NULL);
    }
    if (g_str_has_prefix(text, "file:")) {
        return g_strconcat("file,path=", text + strlen("file:"), NULL);
    }
    return g_strdup(text);
}

/* NULL without error: "none". */
static bool open_end(Vm *vm, const char *option, const char *id, const char *text, bool mux,
                     Chardev **c, GError **error)
{
    char *spec;

    *c = NULL;
    if (!strcmp(text, "none")) {
        return true;
    }
    if (g_str_has_prefix(text, "tcp:") || g_str_has_prefix(text, "telnet:")) {
        g_set_error(error, VM_ERROR, 0, "%s %s: TCP is not offered, as anybody could connect; use "
                    "unix:PATH,server=on", option, text);
        return false;
    }
    if (g_str_has_prefix(text, "chardev:")) {
        *c = vm_chardev(vm, text + strlen("chardev:"));
        if (!*c) {
            g_set_error(error, VM_ERROR, 0, "%s %s: there is no such -chardev", option, text);
        }
        return *c != NULL;
    }
    spec = modern(text);
    *c = add(vm, id, spec, mux, error);
    g_free(spec);
    if (!*c) {
        g_prefix_error(error, "%s %s: ", option, text);
    }
    return *c != NULL;
}

/* The terminal is one end: of the serial port, unless a monitor has it. */
static const char *serial_text(const VmOptions *o, GError **error)
{
    unsigned taken = 0;
    const char *usual, *text;

    for (unsigned i = 0; i < o->monitors->len; i++) {
        taken += !strcmp(g_array_index(o->monitors, VmMonitor, i).place, "stdio");
    }
    usual = taken || o->nodefaults || o->daemonize ? "null" : "stdio";
    text = o->serial ? o->serial : o->nographic && !o->nodefaults && !taken ? "mon:stdio" : usual;
    if (taken + g_str_has_suffix(text, "stdio") > 1) {
        g_set_error(error, VM_ERROR, 0, "stdio is wanted by two of -serial, -monitor and -qmp; "
                    "-serial mon:stdio shares it with a monitor");
        return NULL;
    }
    if (taken && o->daemonize) {
        g_set_error(error, VM_ERROR, 0, "-daemonize leaves the terminal, so no monitor can be at stdio");
        return NULL;
    }
    return text;
}

bool vm_chardevs(Vm *vm, GError **error)
{
    const VmOptions *o = vm->options;
    const char *serial = serial_text(o, error);

    if (!serial) {
        return false;
    }
    for (unsigned i = 0; i < o->chardevs->len; i++) {
        if (!add_named(vm, o->chardevs->pdata[i], error)) {
            return false;
        }
    }
    vm->serial_has_monitor = g_str_has_prefix(serial, "mon:");
    return open_end(vm, "-serial", "serial0", serial + (vm->serial_has_monitor ? 4 : 0),
                    vm->serial_has_monitor, &vm->serial, error);
}

/* ---- A monitor on a chardev ---- */

static void console_send(void *opaque, const char *bytes, size_t n)
{
    chardev_write(opaque, bytes, n);
}

static size_t console_room(void *opaque)
{
    (void)opaque;
    return sizeof(((ChardevPort *)0)->queue);
}

static void begin_session(VmConsole *c)
{
    if (!c->session) {
        c->session = monitor_open(c->monitor, c->kind, console_send, &c->port);
    }
}

static void end_session(VmConsole *c)
{
    if (c->session) {
        monitor_close(c->session);
    }
    c->session = NULL;
}

static void console_receive(void *opaque, const uint8_t *data, size_t n)
{
    VmConsole *c = opaque;

    begin_session(c);
    if (!monitor_input(c->session, (const char *)data, n)) {
        end_session(c);
    }
}

static void console_event(void *opaque, ChardevEvent event)
{
    VmConsole *c = opaque;

    switch (event) {
    case CHARDEV_focus_in:
        chardev_write(&c->port, "\r\n", 2);
        begin_session(c);
        break;
    case CHARDEV_opened:
        begin_session(c);
        break;
    case CHARDEV_closed:
        end_session(c);
        break;
    case CHARDEV_break:
    case CHARDEV_focus_out:
        break;
    }
}

static const ChardevOps console_ops = { console_room, console_receive, console_event, NULL };

/* The loop does not run yet, so that sessions are this thread's still. */
static bool attach_console(Vm *vm, MonitorKind kind, Chardev *chardev, GError **error)
{
    VmConsole *c = g_new0(VmConsole, 1);

    c->monitor = vm->monitor;
    c->kind = kind;
    if (!chardev_attach(&c->port, chardev, &console_ops, c)) {
        g_set_error(error, VM_ERROR, 0, "the monitor cannot share chardev '%s': it is no mux",
                    chardev_id(chardev));
        g_free(c);
        return false;
    }
    g_ptr_array_add(vm->consoles, c);
    if (!chardev_is_mux(chardev) && chardev_is_connected(chardev)) {
        begin_session(c);
    }
    return true;
}

static bool add_monitor(Vm *vm, const VmMonitor *m, GError **error)
{
    MonitorServer *server;
    Chardev *c;

    if (g_str_has_prefix(m->place, "chardev:")) {
        return open_end(vm, m->kind == MONITOR_hmp ? "-monitor" : "-qmp", "monitor", m->place, false, &c, error) &&
               attach_console(vm, m->kind, c, error);
    }
    server = monitor_listen(vm->monitor, m->kind, m->place, error);
    if (server) {
        g_ptr_array_add(vm->servers, server);
    }
    return server;
}

bool vm_monitors(Vm *vm, GError **error)
{
    const GArray *monitors = vm->options->monitors;
    bool ok = !vm->serial_has_monitor || attach_console(vm, MONITOR_hmp, vm->serial, error);

    for (unsigned i = 0; i < monitors->len && ok; i++) {
        ok = add_monitor(vm, &g_array_index(monitors, VmMonitor, i), error);
    }
    return ok;
}

void vm_monitors_end(Vm *vm)
{
    for (unsigned i = 0; i < vm->servers->len; i++) {
        monitor_server_free(vm->servers->pdata[i]);
    }
    for (unsigned i = 0; i < vm->consoles->len; i++) {
        VmConsole *c = vm->consoles->pdata[i];

        chardev_detach(&c->port);
        end_session(c);
        g_free(c);
    }
    if (vm->monitor) {
        monitor_free(vm->monitor);
    }
}
