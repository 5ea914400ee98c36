/* SPDX-License-Identifier: Apache-2.0 */
/* The host's network through libslirp, which is used by one thread at a time: the netdev's lock is
 * held around every call. */
#include <arpa/inet.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <libslirp.h>

#include "base/log.h"
#include "devices/host/net/net_impl.h"

enum { MAX_TIMERS = 4 };

typedef struct Timer {
    SlirpTimerCb fn;
    void *opaque;
    int64_t when; /* milliseconds; -1: not set */
    bool used;
} Timer;

typedef struct User {
    Slirp *slirp;
    struct in_addr dhcp_start; /* the guest's usual address */
    Timer timer[MAX_TIMERS];
} User;

/* ---- What libslirp asks for ---- */

static int64_t now_ns(void *opaque)
{
    struct timespec t;

    (void)opaque;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return t.tv_sec * INT64_C(1000000000) + t.tv_nsec;
}

static ssize_t to_guest(const void *frame, size_t size, void *opaque)
{
    /* The checksums are libslirp's own. */
    static const NetHeader header = { .flags = NET_DATA_VALID };

    netdev_deliver(opaque, &header, frame, size);
    return (ssize_t)size;
}

static void guest_error(const char *text, void *opaque)
{
    static uint32_t site;

    log_limited(LOG_guest_errors, &site, "netdev '%s': %s\n", netdev_id(opaque), text);
}

static void *timer_new(SlirpTimerCb fn, void *fn_opaque, void *opaque)
{
    User *u = netdev_state(opaque);

    for (unsigned i = 0; i < MAX_TIMERS; i++) {
        if (!u->timer[i].used) {
            u->timer[i] = (Timer){ fn, fn_opaque, -1, true };
            return &u->timer[i];
        }
    }
    CHECK(false, "libslirp has more timers than known");
    return NULL;
}

static void timer_free(void *timer, void *opaque)
{
    (void)opaque;
    ((Timer *)timer)->used = false;
}

static void timer_set(void *timer, int64_t when, void *opaque)
{
    (void)opaque;
    ((Timer *)timer)->when = when;
}

/* The thread asks anew for all descriptors before it waits, and is woken after each frame. */
static void nothing_fd(int fd, void *opaque)
{
    (void)fd, (void)opaque;
}

static void notify(void *opaque)
{
    netdev_ready(opaque);
}

static const SlirpCb callbacks = {
    .send_packet = to_guest,
    .guest_error = guest_error,
    .clock_get_ns = now_ns,
    .timer_new = timer_new,
    .timer_free = timer_free,
    .timer_mod = timer_set,
    .register_poll_fd = nothing_fd,
    .unregister_poll_fd = nothing_fd,
    .notify = notify,
};

/* ---- Options ---- */

static bool bad(const char *name, const char *value, const char *wants, GError **error)
{
    g_set_error(error, NETDEV_ERROR, 0, "%s=%s: %s", name, value, wants);
    return false;
}

static bool parse_address(char **options, const char *name, struct in_addr *address, GError **error)
{
    const char *text = netdev_option(options, name);

    return !text || inet_pton(AF_INET, text, address) == 1 ||
           bad(name, text, "not an IPv4 address", error);
}

/* ADDR[/BITS], with room for the addresses that have a meaning. */
static bool parse_net(char **options, SlirpConfig *c, GError **error)
{
    const char *text = netdev_option(options, "net");
    char **parts = g_strsplit(text ? text : "10.0.2.0/24", "/", 2);
    char *end = NULL;
    unsigned long bits = parts[1] ? strtoul(parts[1], &end, 10) : 24;
    bool good = inet_pton(AF_INET, parts[0], &c->vnetwork) == 1 && (!end || (*parts[1] && !*end)) &&
                bits >= 8 && bits <= 27;

    g_strfreev(parts);
    if (!good) {
        return bad("net", text, "not an IPv4 address with 8 to 27 bits of network", error);
    }
    c->vnetmask.s_addr = htonl(UINT32_MAX << (32 - bits));
    c->vnetwork.s_addr &= c->vnetmask.s_addr;
    return true;
}

static struct in_addr in_net(const SlirpConfig *c, uint32_t number)
{
    return (struct in_addr){ c->vnetwork.s_addr | htonl(number) };
}

static bool belongs(const char *name, const SlirpConfig *c, struct in_addr a, GError **error)
{
    char text[INET_ADDRSTRLEN];

    return (a.s_addr & c->vnetmask.s_addr) == c->vnetwork.s_addr ||
           bad(name, inet_ntop(AF_INET, &a, text, sizeof(text)), "not in the guest's network",
               error);
}

static bool parse_address6(char **options, const char *name, struct in6_addr *address, GError **error)
{
    const char *text = netdev_option(options, name);

    return !text || inet_pton(AF_INET6, text, address) == 1 || bad(name, text, "not an IPv6 address", error);
}

/* PREFIX[/64]; the host and the name server are its 2 and 3. */
static bool parse_net6(char **options, SlirpConfig *c, GError **error)
{
    const char *text = netdev_option(options, "ipv6-net");
    char **parts = g_strsplit(text ? text : "fec0::", "/", 2);
    bool good = inet_pton(AF_INET6, parts[0], &c->vprefix_addr6) == 1 && (!parts[1] || !strcmp(parts[1], "64"));

    g_strfreev(parts);
    if (!good) {
        return bad("ipv6-net", text, "not an IPv6 prefix of 64 bits", error);
    }
    c->vprefix_len = 64;
    memset(&c->vprefix_addr6.s6_addr[8], 0, 8);
    c->vhost6 = c->vnameserver6 = c->vprefix_addr6;
    c->vhost6.s6_addr[15] = 2;
    c->vnameserver6.s6_addr[15] = 3;
    return parse_address6(options, "ipv6-host", &c->vhost6, error) &&
           parse_address6(options, "ipv6-dns", &c->vnameserver6, error);
}

static bool parse_tftp(char **options, SlirpConfig *c, GError **error)
{
    c->tftp_path = netdev_option(options, "tftp");
    c->tftp_server_name = netdev_option(options, "tftp-server-name");
    c->bootfile = netdev_option(options, "bootfile");
    return !c->tftp_path || g_file_test(c->tftp_path, G_FILE_TEST_IS_DIR) ||
           bad("tftp", c->tftp_path, "not a folder", error);
}

/* dnssearch=, as an array that ends with NULL; to be freed, the names not. */
static const char **search_list(char **options)
{
    GPtrArray *names = g_ptr_array_new();
    const char *name;

    while ((name = netdev_option_next(&options, "dnssearch"))) {
        g_ptr_array_add(names, (void *)(uintptr_t)name);
    }
    g_ptr_array_add(names, NULL);
    return (const char **)g_ptr_array_free(names, FALSE);
}

static bool parse_config(char **options, SlirpConfig *c, GError **error)
{
    bool restricted;

    c->version = 1;
    if (!parse_net(options, c, error)) {
        return false;
    }
    c->vhost = in_net(c, 2);
    c->vnameserver = in_net(c, 3);
    c->vdhcp_start = in_net(c, 15);
    c->vhostname = netdev_option(options, "hostname");
    c->vdomainname = netdev_option(options, "domainname");
    if (!parse_net6(options, c, error) || !parse_tftp(options, c, error) || !parse_address(options, "host", &c->vhost, error) ||
        !parse_address(options, "dns", &c->vnameserver, error) ||
        !parse_address(options, "dhcpstart", &c->vdhcp_start, error) ||
        !belongs("host", c, c->vhost, error) || !belongs("dns", c, c->vnameserver, error) ||
        !belongs("dhcpstart", c, c->vdhcp_start, error) ||
        !netdev_option_bool(options, "ipv4", true, &c->in_enabled, error) ||
        !netdev_option_bool(options, "ipv6", true, &c->in6_enabled, error) ||
        !netdev_option_bool(options, "restrict", false, &restricted, error)) {
        return false;
    }
    c->restricted = restricted;
    return true;
}

static bool parse_port(const char *text, int *port)
{
    char *end;
    unsigned long n = strtoul(text, &end, 10);

    *port = (int)n;
    return end != text && !*end && n > 0 && n < 65536;
}

typedef struct Forward {
    bool udp;
    struct in_addr host, guest;
    int host_port, guest_port;
} Forward;

/* tcp|udp:[ADDR]:PORT-[GUESTADDR]:PORT */
static bool parse_forward(const char *text, struct in_addr guest_default, Forward *f)
{
    char **ends = g_strsplit(text, "-", 2);
    char **host = g_strsplit(ends[0] ? ends[0] : "", ":", 3);
    char **guest = g_strsplit(ends[0] && ends[1] ? ends[1] : "", ":", 2);
    bool good = g_strv_length(host) == 3 && g_strv_length(guest) == 2;

    if (good) {
        f->udp = !strcmp(host[0], "udp");
        f->host.s_addr = htonl(INADDR_LOOPBACK);
        f->guest = guest_default;
        good = (f->udp || !strcmp(host[0], "tcp") || !*host[0]) &&
               (!*host[1] || inet_pton(AF_INET, host[1], &f->host) == 1) &&
               parse_port(host[2], &f->host_port) &&
               (!*guest[0] || inet_pton(AF_INET, guest[0], &f->guest) == 1) &&
               parse_port(guest[1], &f->guest_port);
    }
    g_strfreev(ends);
    g_strfreev(host);
    g_strfreev(guest);
    return good;
}

static bool add_forward(User *u, const char *text, GError **error)
{
    Forward f;

    if (!parse_forward(text, u->dhcp_start, &f)) {
        return bad("hostfwd", text, "not tcp|udp:[ADDR]:PORT-[GUESTADDR]:PORT", error);
    }
    return slirp_add_hostfwd(u->slirp, f.udp, f.host, f.host_port, f.guest, f.guest_port) == 0 ||
           bad("hostfwd", text, "the host's port is taken or not allowed", error);
}

static bool add_forwards(User *u, char **options, GError **error)
{
    const char *text;

    while ((text = netdev_option_next(&options, "hostfwd"))) {
        if (!add_forward(u, text, error)) {
            return false;
        }
    }
    return true;
}

/* tcp:ADDR:PORT-cmd:COMMAND */
static bool add_command(User *u, const char *text, GError **error)
{
    const char *command = strstr(text, "-cmd:");
    char *place = g_strndup(text, command ? (size_t)(command - text) : 0);
    char **parts = g_strsplit(place, ":", 3);
    struct in_addr address;
    bool good;
    int port;

    good = command && command[strlen("-cmd:")] && g_strv_length(parts) == 3 && !strcmp(parts[0], "tcp") &&
           inet_pton(AF_INET, parts[1], &address) == 1 && parse_port(parts[2], &port);
    g_strfreev(parts);
    g_free(place);
    if (!good) {
        return bad("guestfwd", text, "not tcp:ADDR:PORT-cmd:COMMAND", error);
    }
    return slirp_add_exec(u->slirp, command + strlen("-cmd:"), &address, port) == 0 ||
           bad("guestfwd", text, "the address is not free in the guest's network", error);
}

static bool add_commands(User *u, char **options, GError **error)
{
    const char *text;

    while ((text = netdev_option_next(&options, "guestfwd"))) {
        if (!add_command(u, text, error)) {
            return false;
        }
    }
    return true;
}

/* ---- The kind ---- */

static void user_close(Netdev *nd)
{
    User *u = netdev_state(nd);

    if (u->slirp) {
        slirp_cleanup(u->slirp);
    }
    g_free(u);
}

static bool user_open(Netdev *nd, char **options, GError **error)
{
    SlirpConfig c = { 0 };
    const char **search;
    User *u;

    if (!parse_config(options, &c, error)) {
        return false;
    }
    u = g_new0(User, 1);
    netdev_set_state(nd, u);
    u->dhcp_start = c.vdhcp_start;
    c.vdnssearch = search = search_list(options);
    u->slirp = slirp_new(&c, &callbacks, nd);
    g_free(search);
    if (!u->slirp) {
        g_set_error(error, NETDEV_ERROR, 0, "libslirp does not accept these options");
    } else if (add_forwards(u, options, error) && add_commands(u, options, error)) {
        return true;
    }
    user_close(nd);
    return false;
}

/* libslirp takes TCP segments of any length: the data goes to a socket. */
static unsigned user_offloads(Netdev *nd)
{
    (void)nd;
    return NET_OFFLOAD_tso4 | NET_OFFLOAD_tso6;
}

static void user_send(Netdev *nd, const NetHeader *h, const uint8_t *frame, size_t size)
{
    const User *u = netdev_state(nd);

    (void)h;
    slirp_input(u->slirp, frame, (int)size);
}

static short to_poll(int events)
{
    return (short)((events & SLIRP_POLL_IN ? POLLIN : 0) | (events & SLIRP_POLL_OUT ? POLLOUT : 0) |
                   (events & SLIRP_POLL_PRI ? POLLPRI : 0) |
                   (events & SLIRP_POLL_ERR ? POLLERR : 0) |
                   (events & SLIRP_POLL_HUP ? POLLHUP : 0));
}

static int add_poll(int fd, int events, void *opaque)
{
    return netpoll_add(opaque, fd, to_poll(events));
}

static int get_revents(int index, void *opaque)
{
    const NetPoll *p = opaque;
    short r = index >= 0 && (unsigned)index < p->n ? p->fds[index].revents : 0;

    return (r & POLLIN ? SLIRP_POLL_IN : 0) | (r & POLLOUT ? SLIRP_POLL_OUT : 0) |
           (r & POLLPRI ? SLIRP_POLL_PRI : 0) | (r & POLLERR ? SLIRP_POLL_ERR : 0) |
           (r & POLLHUP ? SLIRP_POLL_HUP : 0);
}

static void user_wait(Netdev *nd, NetPoll *p)
{
    User *u = netdev_state(nd);
    uint32_t timeout = INT32_MAX;
    int64_t now = now_ns(NULL) / 1000000;

    slirp_pollfds_fill(u->slirp, &timeout, add_poll, p);
    for (unsigned i = 0; i < MAX_TIMERS; i++) {
        const Timer *t = &u->timer[i];

        if (t->used && t->when >= 0 && t->when - now < timeout) {
            timeout = t->when > now ? (uint32_t)(t->when - now) : 0;
        }
    }
    p->timeout = timeout >= INT32_MAX ? -1 : (int)timeout;
}

static void user_act(Netdev *nd, const NetPoll *p)
{
    User *u = netdev_state(nd);
    int64_t now = now_ns(NULL) / 1000000;

    slirp_pollfds_poll(u->slirp, 0, get_revents, (void *)(uintptr_t)p);
    for (unsigned i = 0; i < MAX_TIMERS; i++) {
        Timer *t = &u->timer[i];

        if (t->used && t->when >= 0 && t->when <= now) {
            t->when = -1;
            t->fn(t->opaque);
        }
    }
}

static char *user_connections(Netdev *nd)
{
    const User *u = netdev_state(nd);

    return slirp_connection_info(u->slirp);
}

static bool user_add_forward(Netdev *nd, const char *text, GError **error)
{
    return add_forward(netdev_state(nd), text, error);
}

/* tcp|udp:[ADDR]:PORT, as it was added. */
static bool user_remove_forward(Netdev *nd, const char *text, GError **error)
{
    const User *u = netdev_state(nd);
    char *whole = g_strconcat(text, "-:1", NULL);
    Forward f;
    bool good = parse_forward(whole, u->dhcp_start, &f);

    g_free(whole);
    if (!good) {
        return bad("hostfwd", text, "not tcp|udp:[ADDR]:PORT", error);
    }
    return slirp_remove_hostfwd(u->slirp, f.udp, f.host, f.host_port) == 0 ||
           bad("hostfwd", text, "this port is not forwarded", error);
}

const NetdevKind netdev_kind_user = {
    .open = user_open,
    .close = user_close,
    .send = user_send,
    .wait = user_wait,
    .act = user_act,
    .offloads = user_offloads,
    .connections = user_connections,
    .add_forward = user_add_forward,
    .remove_forward = user_remove_forward,
};
