/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Output goes into a ring that the loop's thread writes out; input is read when the port that has
 * the focus has room for it in its queue.
 */
#include "devices/host/chardev_impl.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "base/unix_socket.h"

enum { LAST_WORDS_MS = 1000 };

static void can_write(void *opaque, short ready);
static void can_read(void *opaque, short ready);

/* ---- Output ---- */

static size_t append_locked(Chardev *c, const uint8_t *data, size_t n)
{
    size_t room = c->size - c->used;

    if (n > room && c->keeps) { /* the oldest goes */
        size_t drop = n > c->size ? c->used : n - room;

        data += n > c->size ? n - c->size : 0;
        n = n > c->size ? c->size : n;
        drop = drop > c->used ? c->used : drop;
        c->start = (c->start + drop) % c->size;
        c->used -= drop;
        room = c->size - c->used;
    }
    n = n > room ? room : n;
    for (size_t i = 0; i < n; i++) {
        c->buffer[(c->start + c->used + i) % c->size] = data[i];
    }
    c->used += n;
    return n;
}

/* What goes nowhere counts as written. */
static size_t pass_locked(Chardev *c, const uint8_t *data, size_t n)
{
    bool was_empty = c->used == 0;
    size_t taken;

    if (!c->keeps && c->out < 0) {
        return n;
    }
    taken = append_locked(c, data, n);
    if (was_empty && c->used && c->watch_out) {
        io_set_events(c->watch_out, POLLOUT);
    }
    if (taken < n && !c->kind->lossy) {
        c->owes_sent = true;
        return taken;
    }
    return n;
}

static size_t write_locked(Chardev *c, const uint8_t *data, size_t n)
{
    size_t taken = pass_locked(c, data, n);

    for (size_t done = 0; c->log >= 0 && done < taken;) {
        ssize_t r = write(c->log, data + done, taken - done);

        if (r < 0 && errno != EINTR) {
            break;
        }
        done += r > 0 ? (size_t)r : 0;
    }
    return taken;
}

size_t chardev_write(ChardevPort *port, const void *data, size_t n)
{
    Chardev *c = port->chardev;
    size_t taken;

    if (!c) {
        return n;
    }
    pthread_mutex_lock(&c->lock);
    taken = write_locked(c, data, n);
    pthread_mutex_unlock(&c->lock);
    return taken;
}

void chardev_print(Chardev *c, const char *text)
{
    pthread_mutex_lock(&c->lock);
    write_locked(c, (const uint8_t *)text, strlen(text));
    pthread_mutex_unlock(&c->lock);
}

/* One write(2) of what lies together.  False: no more can be written, for now or ever. */
static bool flush_some_locked(Chardev *c)
{
    size_t n = c->used < c->size - c->start ? c->used : c->size - c->start;
    ssize_t done;

    if (c->out < 0 || !n) {
        return false;
    }
    /* A descriptor that blocks is given no more than it has promised room for. */
    done = write(c->out, c->buffer + c->start, n > 512 ? 512 : n);
    if (done < 0 && errno != EINTR) {
        if (errno != EAGAIN) {
            c->used = 0;
        }
        return false;
    }
    if (done > 0) {
        c->start = (c->start + (size_t)done) % c->size;
        c->used -= (size_t)done;
    }
    return c->used > 0;
}

static void tell_sent(Chardev *c)
{
    ChardevPort *port[CHARDEV_PORTS];
    unsigned n;

    pthread_mutex_lock(&c->lock);
    n = c->n_ports;
    memcpy(port, c->port, sizeof(port));
    pthread_mutex_unlock(&c->lock);
    for (unsigned i = 0; i < n; i++) {
        if (port[i]->ops->sent) {
            port[i]->ops->sent(port[i]->opaque);
        }
    }
}

static void can_write(void *opaque, short ready)
{
    Chardev *c = opaque;
    bool tell;

    (void)ready;
    pthread_mutex_lock(&c->lock);
    flush_some_locked(c);
    if (!c->used && c->watch_out) {
        io_set_events(c->watch_out, 0);
    }
    tell = c->owes_sent && c->used < c->size / 2;
    c->owes_sent = c->owes_sent && !tell;
    pthread_mutex_unlock(&c->lock);
    if (tell) {
        tell_sent(c);
    }
}

static void flush_last_words(Chardev *c)
{
    struct pollfd p = { .events = POLLOUT };

    pthread_mutex_lock(&c->lock);
    p.fd = c->out;
    while (c->used && c->out >= 0 && !c->keeps && poll(&p, 1, LAST_WORDS_MS) > 0 &&
           (p.revents & POLLOUT) && (flush_some_locked(c) || c->used)) {
    }
    pthread_mutex_unlock(&c->lock);
}

/* ---- Input ---- */

static ChardevPort *focus_locked(Chardev *c)
{
    return c->n_ports ? c->port[c->focus % c->n_ports] : NULL;
}

void chardev_tell(Chardev *c, ChardevEvent event, bool all)
{
    ChardevPort *port[CHARDEV_PORTS];
    ChardevPort *focus;
    unsigned n;

    pthread_mutex_lock(&c->lock);
    focus = focus_locked(c);
    n = c->n_ports;
    memcpy(port, c->port, sizeof(port));
    pthread_mutex_unlock(&c->lock);
    for (unsigned i = 0; i < n; i++) {
        if ((all || port[i] == focus) && port[i]->ops->event) {
            port[i]->ops->event(port[i]->opaque, event);
        }
    }
}

/* Hands on what is queued, as far as the port has room. */
static void deliver(ChardevPort *port)
{
    size_t room;

    while (port->queued && (room = port->ops->room(port->opaque)) > 0) {
        size_t n = room < port->queued ? room : port->queued;

        port->ops->receive(port->opaque, port->queue, n);
        port->queued -= (unsigned)n;
        memmove(port->queue, port->queue + n, port->queued);
    }
}

static ChardevPort *focus_of(Chardev *c)
{
    ChardevPort *port;

    pthread_mutex_lock(&c->lock);
    port = focus_locked(c);
    pthread_mutex_unlock(&c->lock);
    return port;
}

/* All ports: what came for one before the focus went on is still its own.  True: some have no room. */
static bool deliver_all(Chardev *c)
{
    bool queued = false;

    for (unsigned i = 0;; i++) {
        ChardevPort *port;

        pthread_mutex_lock(&c->lock);
        port = i < c->n_ports ? c->port[i] : NULL;
        pthread_mutex_unlock(&c->lock);
        if (!port) {
            return queued;
        }
        deliver(port);
        queued = queued || port->queued;
    }
}

/* Whether to read on depends on the queue of the focus; the ports' queues are this thread's. */
static void pump(Chardev *c)
{
    ChardevPort *port = focus_of(c);
    bool queued;

    /* Said before the ports are asked: room that they get meanwhile brings us here again. */
    pthread_mutex_lock(&c->lock);
    c->starved = true;
    pthread_mutex_unlock(&c->lock);
    queued = deliver_all(c);
    pthread_mutex_lock(&c->lock);
    c->starved = c->starved && (!port || queued);
    if (c->watch_in) {
        io_set_events(c->watch_in, port && port->queued < sizeof(port->queue) ? POLLIN : 0);
    }
    pthread_mutex_unlock(&c->lock);
}

static void pump_once(void *opaque, short ready)
{
    (void)ready;
    pump(opaque);
}

void chardev_accept(ChardevPort *port)
{
    Chardev *c = port->chardev;
    bool starved;

    if (!c) {
        return;
    }
    pthread_mutex_lock(&c->lock);
    starved = c->starved;
    c->starved = false;
    pthread_mutex_unlock(&c->lock);
    if (starved) {
        io_run_once(c->loop, pump_once, c);
    }
}

static void arrived(Chardev *c, uint8_t byte)
{
    ChardevPort *port;

    if (c->mux && !chardev_mux_key(c, byte)) {
        return;
    }
    port = focus_of(c);
    if (port && port->queued < sizeof(port->queue)) {
        port->queue[port->queued++] = byte;
    }
}

static void close_ends(Chardev *c)
{
    IoWatch *in, *out;
    int in_fd, out_fd;

    pthread_mutex_lock(&c->lock);
    in = c->watch_in;
    out = c->watch_out;
    in_fd = c->in;
    out_fd = c->out;
    c->watch_in = c->watch_out = NULL;
    c->in = c->out = -1;
    c->used = c->keeps ? c->used : 0;
    pthread_mutex_unlock(&c->lock);
    io_remove(in);
    io_remove(out);
    if (in_fd > STDERR_FILENO) {
        close(in_fd);
    }
    if (out_fd > STDERR_FILENO && out_fd != in_fd) {
        close(out_fd);
    }
}

/* The end of input; of a terminal or pipe, output may go on. */
static void hang_up(Chardev *c)
{
    IoWatch *in = NULL;

    if (c->listening >= 0 || c->in == c->out) {
        close_ends(c);
        chardev_tell(c, CHARDEV_closed, true);
    } else {
        pthread_mutex_lock(&c->lock);
        in = c->watch_in;
        c->watch_in = NULL;
        pthread_mutex_unlock(&c->lock);
        io_remove(in);
    }
    if (c->watch_listen) {
        io_set_events(c->watch_listen, POLLIN);
    }
}

static void can_read(void *opaque, short ready)
{
    Chardev *c = opaque;
    ChardevPort *port = focus_of(c);
    uint8_t bytes[sizeof(port->queue)];
    size_t room = port ? sizeof(bytes) - port->queued : 0;
    ssize_t n;

    if (!room && !(ready & POLLHUP)) {
        pump(c);
        return;
    }
    n = room ? read(c->in, bytes, room) : 0;
    if (n == 0 || (n < 0 && errno != EAGAIN && errno != EINTR)) {
        hang_up(c);
        return;
    }
    for (ssize_t i = 0; i < n; i++) {
        arrived(c, bytes[i]);
    }
    pump(c);
}

/* ---- Connections ---- */

bool chardev_connect(Chardev *c, int in, int out, GError **error)
{
    IoWatch *watch_in = in < 0 ? NULL : io_add(c->loop, in, 0, can_read, c);
    IoWatch *watch_out = out < 0 ? NULL : io_add(c->loop, out, 0, can_write, c);

    if ((in >= 0 && !watch_in) || (out >= 0 && !watch_out)) {
        io_remove(watch_in);
        io_remove(watch_out);
        g_set_error(error, CHARDEV_ERROR, 0, "out of memory");
        return false;
    }
    pthread_mutex_lock(&c->lock);
    c->in = in;
    c->out = out;
    c->watch_in = watch_in;
    c->watch_out = watch_out;
    pthread_mutex_unlock(&c->lock);
    io_run_once(c->loop, pump_once, c);
    return true;
}

/* Only the same user (or root) may connect: a console is as good as the machine. */
static void can_accept(void *opaque, short ready)
{
    Chardev *c = opaque;
    int fd = accept4(c->listening, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);

    (void)ready;
    if (fd < 0) {
        return;
    }
    if (!unix_peer_is_ours(fd) || !chardev_connect(c, fd, fd, NULL)) {
        close(fd);
        return;
    }
    io_set_events(c->watch_listen, 0); /* one at a time; the others wait */
    chardev_tell(c, CHARDEV_opened, true);
}

bool chardev_listen(Chardev *c, int fd)
{
    c->listening = fd;
    c->watch_listen = io_add(c->loop, fd, c->in < 0 ? POLLIN : 0, can_accept, c);
    return c->watch_listen != NULL;
}

/* ---- Life ---- */

const char *chardev_option(char **options, const char *name)
{
    size_t length = strlen(name);

    for (char **o = options; o && *o; o++) {
        if (!strncmp(*o, name, length) && (*o)[length] == '=') {
            return *o + length + 1;
        }
    }
    return NULL;
}

/* `known` is "NAME=on|off", or "NAME=WORD" with any value. */
static bool option_fits(const char *option, const char *known)
{
    static const char *const switches[] = { "on", "off", "yes", "no", NULL };
    size_t length = strcspn(known, "=") + 1;

    return !strncmp(option, known, length) &&
           (strcmp(known + length, "on|off") != 0 || g_strv_contains(switches, option + length));
}

/* Every option is one that the kind has. */
static bool check_options(const ChardevKind *kind, char **options, GError **error)
{
    char **known = g_strsplit(kind->options, ",", -1);
    bool ok = true;

    for (char **o = options; *o && ok; o++) {
        ok = option_fits(*o, "mux=on|off") || g_str_has_prefix(*o, "id=") || option_fits(*o, "logfile=PATH") ||
             option_fits(*o, "logappend=on|off");
        for (char **k = known; *k && !ok; k++) {
            ok = option_fits(*o, *k);
        }
        if (!ok) {
            g_set_error(error, CHARDEV_ERROR, 0, "chardev %s has no option '%s'; it has: %s",
                        kind->name, *o, *kind->options ? kind->options : "none");
        }
    }
    g_strfreev(known);
    return ok;
}

/* "server" is server=on, "nowait" wait=off. */
static void write_out(char **options)
{
    for (char **o = options; *o; o++) {
        if (!strchr(*o, '=') && **o) {
            bool no = g_str_has_prefix(*o, "no");
            char *whole = g_strconcat(*o + (no ? 2 : 0), no ? "=off" : "=on", NULL);

            g_free(*o);
            *o = whole;
        }
    }
}

static bool open_log(Chardev *c, char **options, GError **error)
{
    const char *path = chardev_option(options, "logfile");
    bool append = !g_strcmp0(chardev_option(options, "logappend"), "on");

    if (path) {
        c->log = open(path, O_WRONLY | O_CREAT | O_CLOEXEC | O_NOCTTY | (append ? O_APPEND : O_TRUNC), 0666);
    }
    if (path && c->log < 0) {
        g_set_error(error, CHARDEV_ERROR, 0, "log file '%s': %s", path, g_strerror(errno));
    }
    return !path || c->log >= 0;
}

static bool set_up(Chardev *c, char **parts, GError **error)
{
    c->kind = chardev_kind(parts[0]);
    if (!c->kind) {
        char *known = chardev_kind_names();

        g_set_error(error, CHARDEV_ERROR, 0, "there is no chardev '%s'; there are: %s", parts[0],
                    known);
        g_free(known);
        return false;
    }
    write_out(parts + 1);
    c->mux = c->mux || !g_strcmp0(chardev_option(parts + 1, "mux"), "on");
    return check_options(c->kind, parts + 1, error) && open_log(c, parts + 1, error) &&
           c->kind->open(c, parts + 1, error);
}

Chardev *chardev_new(IoLoop *loop, const char *id, const char *text, bool mux,
                     const ChardevHost *host, GError **error)
{
    Chardev *c = g_new0(Chardev, 1);
    char **parts = g_strsplit(text, ",", -1);
    bool ok;

    *c = (Chardev){ .id = g_strdup(id), .loop = loop, .host = host, .in = -1, .out = -1,
                    .listening = -1, .log = -1, .size = CHARDEV_OUT, .mux = mux, .starved = true };
    pthread_mutex_init(&c->lock, NULL);
    c->buffer = g_malloc(c->size);
    ok = parts[0] && set_up(c, parts, error);
    if (ok && !c->label) {
        c->label = g_strdup(text);
    }
    g_strfreev(parts);
    if (!ok) {
        chardev_free(c);
        return NULL;
    }
    return c;
}

void chardev_free(Chardev *c)
{
    if (!c) {
        return;
    }
    flush_last_words(c);
    io_remove(c->watch_listen);
    close_ends(c);
    io_sync(c->loop);
    if (c->listening >= 0) {
        close(c->listening);
    }
    if (c->unlink_path) {
        unlink(c->unlink_path);
    }
    if (c->restore_terminal) {
        chardev_restore_terminal();
    }
    if (c->log >= 0) {
        close(c->log);
    }
    pthread_mutex_destroy(&c->lock);
    g_free(c->unlink_path);
    g_free(c->buffer);
    g_free(c->label);
    g_free(c->id);
    g_free(c);
}

const char *chardev_id(const Chardev *c)
{
    return c->id;
}

const char *chardev_label(const Chardev *c)
{
    return c->label;
}

bool chardev_is_mux(const Chardev *c)
{
    return c->mux;
}

bool chardev_is_connected(Chardev *c)
{
    bool connected;

    pthread_mutex_lock(&c->lock);
    connected = c->in >= 0 || c->out >= 0;
    pthread_mutex_unlock(&c->lock);
    return connected;
}

bool chardev_attach(ChardevPort *port, Chardev *c, const ChardevOps *ops, void *opaque)
{
    bool ok;

    pthread_mutex_lock(&c->lock);
    ok = c->n_ports < (c->mux ? CHARDEV_PORTS : 1);
    if (ok) {
        port->chardev = c;
        port->ops = ops;
        port->opaque = opaque;
        port->queued = 0;
        c->port[c->n_ports++] = port;
    }
    pthread_mutex_unlock(&c->lock);
    if (ok) {
        io_run_once(c->loop, pump_once, c);
    }
    return ok;
}

void chardev_detach(ChardevPort *port)
{
    Chardev *c = port->chardev;
    unsigned at = 0;

    if (!c) {
        return;
    }
    pthread_mutex_lock(&c->lock);
    while (c->port[at] != port) {
        at++;
    }
    c->n_ports--;
    memmove(&c->port[at], &c->port[at + 1], (c->n_ports - at) * sizeof(c->port[0]));
    if (c->focus >= c->n_ports) {
        c->focus = 0;
    }
    pthread_mutex_unlock(&c->lock);
    io_sync(c->loop);
    port->chardev = NULL;
}

size_t chardev_ringbuf_read(Chardev *c, void *to, size_t n)
{
    size_t i = 0;

    pthread_mutex_lock(&c->lock);
    for (; c->keeps && i < n && c->used; i++, c->used--) {
        ((uint8_t *)to)[i] = c->buffer[c->start];
        c->start = (c->start + 1) % c->size;
    }
    pthread_mutex_unlock(&c->lock);
    return i;
}

bool chardev_ringbuf_write(Chardev *c, const void *data, size_t n)
{
    pthread_mutex_lock(&c->lock);
    if (c->keeps) {
        write_locked(c, data, n);
    }
    pthread_mutex_unlock(&c->lock);
    return c->keeps;
}

static void break_once(void *opaque, short ready)
{
    (void)ready;
    chardev_tell(opaque, CHARDEV_break, false);
}

void chardev_send_break(Chardev *c)
{
    io_run_once(c->loop, break_once, c);
}
