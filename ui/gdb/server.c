/* SPDX-License-Identifier: Apache-2.0 */
#include "ui/gdb/server.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#include "base/log.h"
#include "base/ownfd.h"
#include "base/unix_socket.h"
#include "ui/gdb/session.h"

enum { CLOSE_SECONDS = 2 };

typedef union Address {
    struct sockaddr any;
    struct sockaddr_in in;
    struct sockaddr_in6 in6;
} Address;

static struct {
    const char *spec;
    char where[512];     /* it, without its options */
    bool suspend;
    bool per_process;    /* has a %d */
    char socket_path[sizeof(((struct sockaddr_un *)NULL)->sun_path)]; /* "" for TCP */
    pid_t owner;         /* of the socket's file */
    const GdbTarget *target;
    int listener;
    _Atomic int connection;
    _Atomic bool closing;  /* set before gdb_server_close() looks at `connection` */
    pthread_t thread;
    GdbSession *session;
    const char *inherited; /* what --gdb-session says of it */
} server = { .suspend = true, .listener = -1, .connection = -1 };

bool gdb_server_has_session(void)
{
    return server.inherited;
}

bool gdb_server_suspends(void)
{
    return server.suspend;
}

/* ---- What -g says ---- */

static bool is_port(const char *text)
{
    return *text && strspn(text, "0123456789") == strlen(text) && strlen(text) <= 5 &&
           atoi(text) > 0 && atoi(text) <= UINT16_MAX;
}

static const char *unix_path(void)
{
    if (strncmp(server.where, "unix:", 5) == 0) {
        return server.where + 5;
    }
    return strchr(server.where, '/') ? server.where : NULL;
}

/* Options of the address, "" or ",NAME=VALUE..."; those of QEMU's sockets that say what the server does anyway
 * change nothing. */
static bool take_options(const char *options)
{
    static const char *const usual[] = { "server=on", "server", "wait=off", "nowait" };

    while (*options) {
        const char *option = options + 1;
        size_t n = strcspn(option, ","), known = 0;

        options = option + n;
        if (n == 9 && (strncmp(option, "suspend=n", n) == 0 || strncmp(option, "suspend=y", n) == 0)) {
            server.suspend = option[8] == 'y';
            continue;
        }
        while (known < sizeof(usual) / sizeof(usual[0]) &&
               (strlen(usual[known]) != n || strncmp(option, usual[known], n) != 0)) {
            known++;
        }
        if (known == sizeof(usual) / sizeof(usual[0])) {
            return false;
        }
    }
    return true;
}

/* The address without its options; QEMU's "unix:path=PATH" is "unix:PATH". */
static void take_address(const char *spec, size_t n)
{
    const char *qemu = "unix:path=";

    if (strncmp(spec, qemu, strlen(qemu)) == 0) {
        snprintf(server.where, sizeof(server.where), "unix:%.*s", (int)(n - strlen(qemu)), spec + strlen(qemu));
    } else {
        snprintf(server.where, sizeof(server.where), "%.*s", (int)n, spec);
    }
}

/* HOST or PORT may be missing: 127.0.0.1, or every address for "*". */
static bool tcp_address(Address *a, socklen_t *size)
{
    const char *colon = strrchr(server.where, ':'), *port = colon ? colon + 1 : server.where;
    char host[128];

    snprintf(host, sizeof(host), "%.*s", colon ? (int)(colon - server.where) : 0, server.where);
    memset(a, 0, sizeof(*a));
    if (!is_port(port)) {
        return false;
    }
    if (!host[0] || strcmp(host, "localhost") == 0) {
        strcpy(host, "127.0.0.1");
    } else if (strcmp(host, "*") == 0) {
        strcpy(host, "0.0.0.0");
    } else if (host[0] == '[' && host[strlen(host) - 1] == ']') {
        host[strlen(host) - 1] = '\0';
        a->in6.sin6_family = AF_INET6;
        a->in6.sin6_port = htons((uint16_t)atoi(port));
        *size = sizeof(a->in6);
        return inet_pton(AF_INET6, host + 1, &a->in6.sin6_addr) == 1;
    }
    a->in.sin_family = AF_INET;
    a->in.sin_port = htons((uint16_t)atoi(port));
    *size = sizeof(a->in);
    return inet_pton(AF_INET, host, &a->in.sin_addr) == 1;
}

bool gdb_server_set(const char *spec, const char **error)
{
    size_t n = strcspn(spec, ",");
    Address address;
    socklen_t size;

    take_address(spec, n);
    if (!take_options(spec + n)) {
        *error = "the options behind the address are suspend=y, suspend=n, server=on and wait=off";
        return false;
    }
    if (unix_path() ? !*unix_path() : !tcp_address(&address, &size)) {
        *error = "wanted PORT, HOST:PORT with a numeric HOST, or unix:PATH";
        return false;
    }
    server.per_process = unix_path() && strstr(server.where, "%d");
    server.spec = spec;
    return true;
}

/* ---- Listening ---- */

/* The %d of a path is the process. */
static int listen_unix(void)
{
    const char *path = unix_path(), *percent = strstr(path, "%d");
    size_t room = sizeof(server.socket_path);
    int n = percent ? snprintf(server.socket_path, room, "%.*s%d%s", (int)(percent - path), path,
                               (int)getpid(), percent + 2)
                    : snprintf(server.socket_path, room, "%s", path);
    int fd = n > 0 && (size_t)n < room ? unix_listen(server.socket_path, 1) : -ENAMETOOLONG;

    if (fd < 0) {
        server.socket_path[0] = '\0';
    }
    server.owner = getpid();
    return fd;
}

static int listen_tcp(void)
{
    Address a;
    socklen_t size;
    int one = 1, fd = tcp_address(&a, &size) ? socket(a.any.sa_family, SOCK_STREAM | SOCK_CLOEXEC, 0) : -1;

    if (fd < 0) {
        return -errno;
    }
    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
    if (bind(fd, &a.any, size) < 0 || listen(fd, 1) < 0) {
        int error = errno;

        close(fd);
        return -error;
    }
    return fd;
}

static bool start_listening(void)
{
    int fd = unix_path() ? listen_unix() : listen_tcp();

    if (fd < 0 && server.session) {
        return true; /* the process that this one was forked from may have the address */
    }
    if (fd < 0) {
        log_warn("-g %s: cannot listen: %s", server.spec, strerror(-fd));
        return false;
    }
    server.listener = ownfd_take(fd);
    return true;
}

void gdb_server_end(void)
{
    if (server.socket_path[0] && server.owner == getpid()) {
        unlink(server.socket_path);
    }
}

/* ---- Serving ---- */

static bool send_all(void *opaque, const void *bytes, size_t n)
{
    const char *from = bytes;

    (void)opaque;
    while (n > 0) {
        ssize_t done = send(server.connection, from, n, MSG_NOSIGNAL);

        if (done < 0 && errno == EINTR) {
            continue;
        }
        if (done <= 0) {
            return false;
        }
        from += done;
        n -= (size_t)done;
    }
    return true;
}

/* What the target has to say while it is stopped has time.  False: the debugger has hung up. */
static bool serve_once(void)
{
    int target_fd = gdb_session_waits(server.session) ? server.target->event_fd() : -1;
    struct pollfd fds[2] = { { .fd = server.connection, .events = POLLIN },
                             { .fd = target_fd, .events = POLLIN } };
    char bytes[4096];
    ssize_t n;

    if (poll(fds, 2, -1) < 0) {
        return errno == EINTR;
    }
    if (fds[1].revents) {
        gdb_session_event(server.session);
    }
    if (!fds[0].revents) {
        return true;
    }
    n = recv(server.connection, bytes, sizeof(bytes), 0);
    if (n > 0) {
        gdb_session_input(server.session, bytes, (size_t)n);
    }
    return n > 0 || (n < 0 && errno == EINTR);
}

static void serve_session(void)
{
    while (!server.closing && !gdb_session_is_over(server.session) && serve_once()) {
    }
    if (server.closing && !gdb_session_is_over(server.session)) {
        gdb_session_event(server.session); /* the target's end */
    }
    gdb_session_free(server.session);
    server.session = NULL;
    ownfd_close(server.connection);
    server.connection = -1;
}

static bool await_connection(void)
{
    int one = 1, fd;

    do {
        fd = accept4(server.listener, NULL, NULL, SOCK_CLOEXEC);
    } while (fd < 0 && (errno == EINTR || errno == ECONNABORTED));
    if (fd < 0) {
        return false;
    }
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
    server.connection = ownfd_take(fd);
    server.session = gdb_session_new(server.target, send_all, NULL);
    return server.session;
}

static void *serve(void *opaque)
{
    (void)opaque;
    if (server.session) {
        if (!server.inherited) {
            gdb_session_take_over(server.session);
        }
        server.inherited = NULL;
        serve_session();
    }
    while (server.listener >= 0 && !server.closing && await_connection()) {
        serve_session();
    }
    return NULL;
}

/* The thread takes none of the guest's signals; faults of its own are not blocked. */
static bool start_thread(void)
{
    sigset_t all, old;
    bool ok;

    sigfillset(&all);
    sigdelset(&all, SIGSEGV);
    sigdelset(&all, SIGBUS);
    sigdelset(&all, SIGILL);
    sigdelset(&all, SIGFPE);
    pthread_sigmask(SIG_SETMASK, &all, &old);
    ok = pthread_create(&server.thread, NULL, serve, NULL) == 0;
    pthread_sigmask(SIG_SETMASK, &old, NULL);
    return ok;
}

bool gdb_server_start(const GdbTarget *target)
{
    server.target = target;
    if (server.inherited) {
        server.session = gdb_session_restore(target, send_all, NULL, server.inherited);
    }
    return start_listening() && start_thread();
}

/* A debugger that reads nothing shall not keep the thread for ever. */
void gdb_server_close(void)
{
    struct timespec end;

    server.closing = true;
    shutdown(server.listener, SHUT_RDWR);
    shutdown(server.connection, SHUT_RD);
    clock_gettime(CLOCK_REALTIME, &end);
    end.tv_sec += CLOSE_SECONDS;
    if (pthread_timedjoin_np(server.thread, NULL, &end) != 0) {
        shutdown(server.connection, SHUT_RDWR);
        pthread_join(server.thread, NULL);
    }
    gdb_server_end();
}

/* ---- execve ---- */

bool gdb_server_inherit(const char *text, const char **error)
{
    char *end;
    long fd = strtol(text, &end, 10);

    if (end == text || *end != ':' || fcntl((int)fd, F_GETFD) < 0) {
        *error = "only execve() can hand over a session";
        return false;
    }
    server.connection = ownfd_take((int)fd);
    server.inherited = end + 1;
    return true;
}

/* Who has no debugger shall not wait for one. */
void gdb_server_exec_address(bool child, char *text, size_t size)
{
    if (child && !server.per_process) {
        snprintf(text, size, "none");
    } else {
        snprintf(text, size, "%s,suspend=%c", server.where,
                 !child && server.connection >= 0 ? 'y' : 'n');
    }
}

void gdb_server_exec_session(char *text, size_t size)
{
    int n;

    if (server.session && fcntl(server.connection, F_SETFD, 0) == 0) {
        n = snprintf(text, size, "%d:", server.connection);
        gdb_session_save(server.session, text + n, size - (size_t)n);
    }
}

void gdb_server_exec_failed(void)
{
    fcntl(server.connection, F_SETFD, FD_CLOEXEC);
}

bool gdb_server_forked(const GdbTarget *target, bool followed)
{
    ownfd_close(server.listener);
    server.listener = -1;
    if (followed) {
        server.socket_path[0] = '\0';
        return (!server.per_process || start_listening()) && start_thread();
    }
    ownfd_close(server.connection);
    server.connection = -1;
    server.session = NULL; /* its memory is the parent's copy, whose files it had open */
    server.suspend = false;
    server.socket_path[0] = '\0';
    return server.per_process && gdb_server_start(target);
}
