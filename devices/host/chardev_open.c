/* SPDX-License-Identifier: Apache-2.0 */
/* How each kind of chardevs.def is opened. */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <termios.h>
#include <unistd.h>

#include "base/unix_socket.h"
#include "devices/host/chardev_impl.h"

static bool fail(GError **error, const char *what, const char *name)
{
    g_set_error(error, CHARDEV_ERROR, 0, "%s '%s': %s", what, name, g_strerror(errno));
    return false;
}

static bool option_on(char **options, const char *name, bool otherwise)
{
    const char *value = chardev_option(options, name);

    return value ? !strcmp(value, "on") || !strcmp(value, "yes") : otherwise;
}

/* ---- stdio ---- */

static struct termios saved_terminal;
static volatile sig_atomic_t terminal_is_raw;

void chardev_restore_terminal(void)
{
    if (terminal_is_raw) {
        terminal_is_raw = 0;
        tcsetattr(STDIN_FILENO, TCSADRAIN, &saved_terminal);
    }
}

/* A crash: the terminal is put right, then it happens again as by default. */
static void crashed(int number)
{
    chardev_restore_terminal();
    signal(number, SIG_DFL);
    raise(number);
}

static void make_raw(bool signals)
{
    struct termios t = saved_terminal;

    cfmakeraw(&t);
    t.c_oflag |= OPOST;
    t.c_lflag |= signals ? ISIG : 0;
    terminal_is_raw = 1;
    atexit(chardev_restore_terminal);
    signal(SIGABRT, crashed);
    tcsetattr(STDIN_FILENO, TCSANOW, &t);
}

static bool open_stdio(Chardev *c, char **options, GError **error)
{
    static bool taken;

    if (taken) {
        g_set_error(error, CHARDEV_ERROR, 0, "stdio is in use by another chardev");
        return false;
    }
    taken = true;
    if (isatty(STDIN_FILENO) && tcgetattr(STDIN_FILENO, &saved_terminal) == 0) {
        make_raw(option_on(options, "signal", !c->mux));
        c->restore_terminal = true;
    }
    return chardev_connect(c, STDIN_FILENO, STDOUT_FILENO, error);
}

/* ---- pty ---- */

/* Our own slave stays open: without one, the master only ever reports that it was hung up. */
static bool open_pty(Chardev *c, char **options, GError **error)
{
    int master = posix_openpt(O_RDWR | O_NOCTTY | O_CLOEXEC);
    struct termios t;
    int slave;

    (void)options;
    if (master < 0 || grantpt(master) || unlockpt(master)) {
        return fail(error, "pseudo-terminal", "pty");
    }
    slave = open(ptsname(master), O_RDWR | O_NOCTTY | O_CLOEXEC);
    if (slave < 0 || tcgetattr(slave, &t)) {
        close(master);
        return fail(error, "pseudo-terminal", "pty");
    }
    cfmakeraw(&t);
    tcsetattr(slave, TCSANOW, &t);
    fcntl(master, F_SETFL, O_NONBLOCK);
    c->label = g_strdup_printf("pty:%s", ptsname(master));
    c->listening = slave;
    fprintf(stderr, "char device redirected to %s (label %s)\n", ptsname(master), c->id);
    return chardev_connect(c, master, master, error);
}

/* ---- socket ---- */

static bool serve(Chardev *c, const char *path, bool wait, GError **error)
{
    int fd = unix_listen(path, 8), peer = -1;

    if (fd < 0) {
        errno = -fd;
        return fail(error, "socket", path);
    }
    c->listening = fd;
    c->unlink_path = g_strdup(path);
    if (wait) {
        fprintf(stderr, "ketch: waiting for a connection to %s\n", path);
        do {
            peer = accept4(fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
        } while (peer < 0 && errno == EINTR);
        if (peer < 0) {
            return fail(error, "socket", path);
        }
        if (!chardev_connect(c, peer, peer, error)) {
            return false;
        }
    }
    fcntl(fd, F_SETFL, O_NONBLOCK);
    return chardev_listen(c, fd);
}

/* A socket that whoever has started Ketch has made; a server's listens already. */
static bool open_passed(Chardev *c, const char *text, bool server, GError **error)
{
    char *end;
    guint64 fd = g_ascii_strtoull(text, &end, 10);
    int domain = -1;
    socklen_t length = sizeof(domain);

    if (end == text || *end || fd > INT_MAX ||
        getsockopt((int)fd, SOL_SOCKET, SO_DOMAIN, &domain, &length) != 0 || domain != AF_UNIX) {
        g_set_error(error, CHARDEV_ERROR, 0, "fd is the number of a UNIX socket that was passed on, not '%s'", text);
        return false;
    }
    fcntl((int)fd, F_SETFD, FD_CLOEXEC);
    fcntl((int)fd, F_SETFL, O_NONBLOCK);
    if (server) {
        c->listening = (int)fd;
        return chardev_listen(c, (int)fd);
    }
    return chardev_connect(c, (int)fd, (int)fd, error);
}

static bool open_socket(Chardev *c, char **options, GError **error)
{
    const char *path = chardev_option(options, "path"), *passed = chardev_option(options, "fd");
    int fd;

    if (passed) {
        return open_passed(c, passed, option_on(options, "server", false), error);
    }
    if (!path || !*path) {
        g_set_error(error, CHARDEV_ERROR, 0, "a socket needs path=PATH, or fd=NUMBER: it is a UNIX socket; TCP, "
                    "which anybody could connect to, is not offered");
        return false;
    }
    if (option_on(options, "server", false)) {
        return serve(c, path, option_on(options, "wait", true), error);
    }
    fd = unix_connect(path);
    if (fd < 0) {
        errno = -fd;
        return fail(error, "socket", path);
    }
    fcntl(fd, F_SETFL, O_NONBLOCK);
    return chardev_connect(c, fd, fd, error);
}

/* ---- The others ---- */

static bool open_file(Chardev *c, char **options, GError **error)
{
    const char *path = chardev_option(options, "path");
    int flags = O_WRONLY | O_CREAT | O_CLOEXEC | O_NOCTTY;
    int fd;

    if (!path) {
        g_set_error(error, CHARDEV_ERROR, 0, "a file needs path=PATH");
        return false;
    }
    fd = open(path, flags | (option_on(options, "append", false) ? O_APPEND : O_TRUNC), 0666);
    return fd < 0 ? fail(error, "file", path) : chardev_connect(c, -1, fd, error);
}

static bool open_ringbuf(Chardev *c, char **options, GError **error)
{
    const char *size = chardev_option(options, "size");
    guint64 bytes = 65536;
    char *end = NULL;

    if (size) {
        bytes = g_ascii_strtoull(size, &end, 0);
        bytes *= end && g_ascii_tolower(*end) == 'k' ? 1024 : 1;
    }
    if (!bytes || bytes > (64 << 20)) {
        g_set_error(error, CHARDEV_ERROR, 0, "a ringbuf has a size from 1 to 65536K, not '%s'",
                    size);
        return false;
    }
    c->size = bytes;
    c->buffer = g_realloc(c->buffer, bytes);
    c->keeps = true;
    return true;
}

static bool open_null(Chardev *c, char **options, GError **error)
{
    (void)c;
    (void)options;
    (void)error;
    return true;
}

static const ChardevKind kinds[] = {
#define CHARDEV(name, function, lossy, options, help) { #name, open_##function, lossy, options, help },
#include "devices/host/chardevs.def"
};

const ChardevKind *chardev_kind(const char *name)
{
    for (size_t i = 0; i < G_N_ELEMENTS(kinds); i++) {
        if (!strcmp(kinds[i].name, name)) {
            return &kinds[i];
        }
    }
    return NULL;
}

void chardev_help(void)
{
    for (size_t i = 0; i < G_N_ELEMENTS(kinds); i++) {
        g_print("%-8s %s%s%s%s\n", kinds[i].name, kinds[i].help, *kinds[i].options ? " (" : "", kinds[i].options,
                *kinds[i].options ? ")" : "");
    }
}

char *chardev_kind_names(void)
{
    GString *text = g_string_new(NULL);

    for (size_t i = 0; i < G_N_ELEMENTS(kinds); i++) {
        g_string_append_printf(text, "%s%s", i ? ", " : "", kinds[i].name);
    }
    return g_string_free(text, FALSE);
}
