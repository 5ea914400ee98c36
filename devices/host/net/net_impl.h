/* SPDX-License-Identifier: Apache-2.0 */
/* devices/host/net/net_impl.h - what a kind of netdev has to do. */
#ifndef KETCH_DEVICES_HOST_NET_NET_IMPL_H
#define KETCH_DEVICES_HOST_NET_NET_IMPL_H

#include <poll.h>

#include "devices/host/net/net.h"

/* Descriptors to wait for.  The first one is the netdev's own. */
typedef struct NetPoll {
    struct pollfd *fds;
    unsigned n, room;
    int timeout; /* milliseconds; -1: none */
} NetPoll;

/* All functions are called with the netdev's lock. */
typedef struct NetdevKind {
    /* `options` are "NAME=VALUE", NULL at the end, with known names only. */
    bool (*open)(Netdev *nd, char **options, GError **error);
    void (*close)(Netdev *nd);
    void (*send)(Netdev *nd, const NetHeader *h, const uint8_t *frame, size_t size);
    void (*wait)(Netdev *nd, NetPoll *p); /* adds descriptors and lowers the timeout */
    void (*act)(Netdev *nd, const NetPoll *p);
    /* NET_OFFLOAD_... besides checksums, which net.c makes for all; NULL: none. */
    unsigned (*offloads)(Netdev *nd);
    /* What the device takes; NULL: it does not matter.  True: send() gets headers with
     * NET_NEEDS_CSUM. */
    bool (*set_offloads)(Netdev *nd, unsigned taken);
    /* See netdev_forward(); NULL: nothing is forwarded. */
    bool (*add_forward)(Netdev *nd, const char *text, GError **error);
    bool (*remove_forward)(Netdev *nd, const char *text, GError **error);
    char *(*connections)(Netdev *nd); /* see netdev_connections(); NULL: it does not know */
} NetdevKind;

#define NETDEV(kind, help) extern const NetdevKind netdev_kind_##kind;
#define OPTION(...)
#include "devices/host/net/netdevs.def"

/* The kind's own state. */
void *netdev_state(Netdev *nd);
void netdev_set_state(Netdev *nd, void *state);

/* The value of the first, or next after `after`, option of that name; NULL. */
const char *netdev_option(char **options, const char *name);
const char *netdev_option_next(char ***options, const char *name);
/* False and error: it is neither on nor off. */
MUST_USE bool netdev_option_bool(char **options, const char *name, bool otherwise, bool *value,
                                 GError **error);

/* Which entry it got; -1: out of memory. */
int netpoll_add(NetPoll *p, int fd, short events);

/* A frame for the device, with what it takes in the header; false when so many wait that it was
 * dropped. */
bool netdev_deliver(Netdev *nd, const NetHeader *h, const uint8_t *frame, size_t size);
/* Whether frames wait for the device: the kind need not read more. */
bool netdev_backlog(const Netdev *nd);

#endif
