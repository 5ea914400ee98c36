/* SPDX-License-Identifier: Apache-2.0 */
#include "ui/monitor/server.h"

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/log.h"
#include "base/unix_socket.h"

struct MonitorServer {
    Monitor *monitor;
    MonitorKind kind;
    int listener; /* -1: the terminal */
    int stop;     /* eventfd: the thread shall end */
    char *path;   /* of the socket; NULL: none */
    int out;      /* of the session */
    bool stuck;   /* its client does not read */
    pthread_t thread;
};

enum { PATIENCE_MS = 2000 };

/* A client that does not read must not stop the machine: after a while nothing is sent any more. */
static void send_bytes(void *opaque, const char *bytes, size_t n)
{
    MonitorServer *server = opaque;

    while (n && !server->stuck) {
        struct pollfd ready = { .fd = server->out, .events = POLLOUT };
        ssize_t done;

        if (poll(&ready, 1, PATIENCE_MS) <= 0) {
            server->stuck = true;
            return;
        }
        done = server->listener < 0 ? write(server->out, bytes, n)
                                    : send(server->out, bytes, n, MSG_NOSIGNAL | MSG_DONTWAIT);
        if (done < 0 && errno != EINTR && errno != EAGAIN) {
            return;
        }
        if (done > 0) {
            bytes += done;
            n -= (size_t)done;
        }
    }
}

/* False: the server shall end. */
static bool wait_for(const MonitorServer *server, int fd)
{
    struct pollfd fds[2] = { { .fd = fd, .events = POLLIN },
                             { .fd = server->stop, .events = POLLIN } };

    while (poll(fds, 2, -1) < 0 && errno == EINTR) {
    }
    return !fds[1].revents;
}

static void serve(MonitorServer *server, int in, int out)
{
    MonitorSession *session;
    char bytes[4096];
    ssize_t n;

    server->out = out;
    server->stuck = false;
    session = monitor_open(server->monitor, server->kind, send_bytes, server);
    while (wait_for(server, in) && (n = read(in, bytes, sizeof(bytes))) > 0) {
        if (!monitor_input(session, bytes, (size_t)n) || server->stuck) {
            break;
        }
    }
    monitor_close(session);
}

static void *serve_socket(void *opaque)
{
    MonitorServer *server = opaque;

    while (wait_for(server, server->listener)) {
        int fd = accept4(server->listener, NULL, NULL, SOCK_CLOEXEC);

        if (fd < 0) {
            continue;
        }
        if (unix_peer_is_ours(fd)) {
            serve(server, fd, fd);
        } else {
            log_warn("monitor: a client of another user was refused");
        }
        close(fd);
    }
    return NULL;
}

static void *serve_terminal(void *opaque)
{
    serve(opaque, STDIN_FILENO, STDOUT_FILENO);
    return NULL;
}

/* ---- Set up ---- */

static bool bind_socket(MonitorServer *server, GError **error)
{
    server->listener = unix_listen(server->path, 4);
    if (server->listener < 0) {
        g_set_error(error, g_quark_from_static_string("ketch-monitor"), 0,
                    "the monitor cannot listen at %s: %s", server->path,
                    g_strerror(-server->listener));
    }
    return server->listener >= 0;
}

static bool check_option(const char *option, GError **error)
{
    static const char *const known[] = {
        "server", "server=on", "nowait", "wait=off", "wait=on", NULL,
    };

    if (g_strv_contains(known, option)) {
        return true;
    }
    g_set_error(error, g_quark_from_static_string("ketch-monitor"), 0,
                "unknown option '%s' of a monitor's socket: server=on and wait=off are known",
                option);
    return false;
}

static bool parse(MonitorServer *server, const char *spec, GError **error)
{
    char **words = g_strsplit(spec, ",", -1); /* of "": none */
    const char *place = words[0] ? words[0] : "";
    bool good = true;

    if (g_str_has_prefix(place, "unix:") && place[5]) {
        server->path = g_strdup(place + 5);
    } else if (strcmp(place, "stdio") != 0) {
        g_set_error(error, g_quark_from_static_string("ketch-monitor"), 0,
                    g_str_has_prefix(spec, "tcp:") || g_str_has_prefix(spec, "telnet:")
                        ? "a monitor is not served over TCP, where anybody could control the "
                          "machine ('%s'): use unix:PATH"
                        : "'%s' is no place for a monitor: use unix:PATH, stdio or none",
                    spec);
        good = false;
    }
    for (unsigned i = 1; good && words[i]; i++) {
        good = check_option(words[i], error);
    }
    g_strfreev(words);
    return good;
}

MonitorServer *monitor_listen(Monitor *m, MonitorKind kind, const char *spec, GError **error)
{
    MonitorServer *server;

    if (strcmp(spec, "none") == 0) {
        return NULL;
    }
    server = g_new0(MonitorServer, 1);
    *server = (MonitorServer){ .monitor = m, .kind = kind, .listener = -1,
                               .stop = eventfd(0, EFD_CLOEXEC) };
    if (!parse(server, spec, error) || (server->path && !bind_socket(server, error)) ||
        pthread_create(&server->thread, NULL, server->path ? serve_socket : serve_terminal,
                       server) != 0) {
        if (!*error) {
            g_set_error(error, g_quark_from_static_string("ketch-monitor"), 0,
                        "there is no thread for the monitor");
        }
        close(server->stop);
        if (server->listener >= 0) {
            close(server->listener);
        }
        g_free(server->path);
        g_free(server);
        return NULL;
    }
    return server;
}

void monitor_server_free(MonitorServer *server)
{
    uint64_t one = 1;

    if (!server) {
        return;
    }
    while (write(server->stop, &one, sizeof(one)) < 0 && errno == EINTR) {
    }
    pthread_join(server->thread, NULL);
    close(server->stop);
    if (server->path) {
        close(server->listener);
        unlink(server->path);
    }
    g_free(server->path);
    g_free(server);
}
