/* SPDX-License-Identifier: Apache-2.0 */
/*
 * devices/host/net/net.h - networks of Ethernet frames outside of the machine.
 *
 *     Netdev *nd = netdev_new("n0", "user,hostfwd=tcp::2222-:22", &error);
 *     netdev_connect(nd, &peer);  netdev_send(nd, frame, size);  netdev_free(nd);
 *
 * Owns:      its thread, descriptors and frames that wait for the device.
 * Threading: netdev_send(), netdev_ready() by any thread; making, connecting and freeing by one.
 * The peer's functions are called by the netdev's thread or from netdev_send(), one at a time; they
 * take no lock under which netdev_send() or netdev_connect() is called.
 */
#ifndef KETCH_DEVICES_HOST_NET_NET_H
#define KETCH_DEVICES_HOST_NET_NET_H

#include <glib.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/check.h"

#define NETDEV_ERROR g_quark_from_static_string("ketch-netdev")

/* The longest frame: an IPv4 packet of 64 KiB and its header. */
enum { NETDEV_FRAME = 65536 + 14 };

typedef struct Netdev Netdev;

/* What is left to do on a frame: "struct virtio_net_hdr" without num_buffers. */
typedef struct NetHeader {
    uint8_t flags, segments; /* segments: NET_GSO_... */
    uint16_t header_size, segment_size;
    uint16_t sum_start, sum_offset; /* with NET_NEEDS_CSUM */
} NetHeader;

/* Flags and kinds of segmentation, as virtio has them. */
enum {
    NET_NEEDS_CSUM = 1, /* the checksum of the bytes from sum_start on belongs at sum_offset of them */
    NET_DATA_VALID = 2, /* checksums are right */
    NET_GSO_none = 0,
    NET_GSO_tcp4 = 1,
    NET_GSO_tcp6 = 4,
    NET_GSO_ecn = 0x80,
};

/* What one side takes from the other. */
enum {
    NET_OFFLOAD_csum = 1, /* frames with NET_NEEDS_CSUM, or NET_DATA_VALID */
    NET_OFFLOAD_tso4 = 2, /* TCP segments longer than the network's */
    NET_OFFLOAD_tso6 = 4,
    NET_OFFLOAD_ecn = 8, /* such with ECN */
};

/* The device at a netdev. */
typedef struct NetPeer {
    /* False: there is no room; the frame waits until netdev_ready().  `h` has what the peer takes. */
    bool (*receive)(void *opaque, const NetHeader *h, const uint8_t *frame, size_t size);
    void (*link)(void *opaque, bool up);
    void *opaque;
} NetPeer;

/* `text` is "KIND[,NAME=VALUE...]" as in QEMU's -netdev, without an id; netdevs.def lists the kinds
 * and their options.  Descriptors named by fd= are the netdev's from then on.  NULL and error. */
Netdev *netdev_new(const char *id, const char *text, GError **error);
/* It has no peer any more.  NULL is fine. */
void netdev_free(Netdev *nd);

/* One line for each kind and its options: -netdev help. */
void netdev_help(void);

const char *netdev_id(const Netdev *nd);
const char *netdev_kind(const Netdev *nd);

/* NULL: none; its functions are not called any more.  False: there is one already. */
MUST_USE bool netdev_connect(Netdev *nd, const NetPeer *peer);

/* The cable, as the monitor's set_link has it. */
void netdev_set_link(Netdev *nd, bool up);
bool netdev_link(Netdev *nd);

/* From the device.  Frames that find no room, or whose header does not fit, are dropped.  The frame's
 * checksum is filled in when the network needs it. */
void netdev_send(Netdev *nd, const NetHeader *h, uint8_t *frame, size_t size);

/* NET_OFFLOAD_...: what the network takes; what the device takes from now on (nothing at first). */
unsigned netdev_offloads(Netdev *nd);
void netdev_set_offloads(Netdev *nd, unsigned taken);

/* The device has room again. */
void netdev_ready(Netdev *nd);

/* What goes through it now, as lines of text; to be freed.  NULL: this kind does not know. */
char *netdev_connections(Netdev *nd);

/* Forwards one more port of the host, as hostfwd= does, or (`add` false) one less: "tcp|udp:[ADDR]:PORT".
 * False and error. */
MUST_USE bool netdev_forward(Netdev *nd, const char *text, bool add, GError **error);

#endif
