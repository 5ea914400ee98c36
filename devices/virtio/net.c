/* SPDX-License-Identifier: Apache-2.0 */
/* "Network Device": one pair of queues, buffers of the driver merged when a frame is longer.  What the
 * network takes (netdev_offloads()) is offered: checksums that are not made yet, long segments. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "devices/host/net/net.h"
#include "devices/virtio/virtio.h"

enum {
    QUEUE_SIZE = 256,
    RX = 0,
    TX = 1,
    HEADER = 12, /* "struct virtio_net_hdr", with num_buffers */
    NUM_BUFFERS_AT = 10,
    MAX_MERGED = 64, /* buffers for one frame: of 1 KiB, for the longest */
    MAC_BYTES = 6,
    LINK_UP = 1,
};

/* "Feature bits" */
#define NET_CSUM      (UINT64_C(1) << 0)
#define NET_GUEST_CSUM (UINT64_C(1) << 1)
#define NET_MAC       (UINT64_C(1) << 5)
#define NET_GUEST_TSO4 (UINT64_C(1) << 7)
#define NET_GUEST_TSO6 (UINT64_C(1) << 8)
#define NET_GUEST_ECN (UINT64_C(1) << 9)
#define NET_HOST_TSO4 (UINT64_C(1) << 11)
#define NET_HOST_TSO6 (UINT64_C(1) << 12)
#define NET_HOST_ECN  (UINT64_C(1) << 13)
#define NET_MERGEABLE (UINT64_C(1) << 15)
#define NET_STATUS    (UINT64_C(1) << 16)

/* "Device configuration layout" */
typedef struct __attribute__((packed)) NetConfig {
    uint8_t mac[MAC_BYTES];
    uint16_t status;
} NetConfig;

typedef struct VirtioNet {
    Virtio v;
    Netdev *netdev;
    char *mac;
    bool connected;
    RingChain *merged; /* MAX_MERGED, for a frame being received */
    uint8_t *frame;    /* NETDEV_FRAME, for one being sent */
} VirtioNet;

/* ---- From the driver ---- */

/* "Packet Transmission": what was not negotiated means nothing. */
static bool header_fits(const Virtio *v, NetHeader *h)
{
    unsigned kind = h->segments & (unsigned)~NET_GSO_ecn;

    h->flags &= virtio_has(v, NET_CSUM) ? NET_NEEDS_CSUM : 0;
    return h->segments == NET_GSO_none ||
           ((h->flags & NET_NEEDS_CSUM) && h->segment_size &&
            ((kind == NET_GSO_tcp4 && virtio_has(v, NET_HOST_TSO4)) ||
             (kind == NET_GSO_tcp6 && virtio_has(v, NET_HOST_TSO6))) &&
            (!(h->segments & NET_GSO_ecn) || virtio_has(v, NET_HOST_ECN)));
}

/* A frame whose header asks for what is not there is dropped. */
static uint32_t send_frame(Virtio *v, VirtioQueue *q, const RingChain *c)
{
    VirtioNet *n = (VirtioNet *)v;
    size_t size = c->out_size - HEADER;
    NetHeader h;

    (void)q;
    if (c->out_size < HEADER || size > NETDEV_FRAME || !chain_read(c, 0, &h, sizeof(h)) ||
        !chain_read(c, HEADER, n->frame, size)) {
        virtio_broken(v, "frame without a header, or too long");
    } else if (size && header_fits(v, &h)) {
        netdev_send(n->netdev, &h, n->frame, size);
    }
    return 0;
}

/* ---- To the driver ---- */

/* Takes buffers for `need` bytes; how many.  0: there are not enough, and none is taken. */
static unsigned take_buffers(VirtioNet *n, VirtioQueue *q, size_t need)
{
    unsigned most = virtio_has(&n->v, NET_MERGEABLE) ? MAX_MERGED : 1, count = 0;
    size_t room = 0;

    while (room < need && count < most && virtio_pop(q, &n->merged[count])) {
        room += n->merged[count++].in_size;
    }
    if (room >= need) {
        return count;
    }
    while (count) {
        virtio_unpop(q, &n->merged[--count]);
    }
    return 0;
}

static void fill_buffers(VirtioNet *n, VirtioQueue *q, unsigned count, const NetHeader *h,
                         const uint8_t *frame, size_t size)
{
    uint8_t header[HEADER] = { [NUM_BUFFERS_AT] = (uint8_t)count };
    uint32_t written[MAX_MERGED] = { 0 };
    size_t done = 0;

    memcpy(header, h, sizeof(*h));
    for (unsigned i = 0; i < count; i++) {
        RingChain *c = &n->merged[i];
        size_t skip = i == 0 ? HEADER : 0, room = c->in_size - skip;
        size_t here = size - done < room ? size - done : room;
        bool ok =
            (i || chain_write(c, 0, header, HEADER)) && chain_write(c, skip, frame + done, here);

        CHECK(ok, "%zu bytes of %zu", here, room);
        written[i] = (uint32_t)(skip + here);
        done += here;
    }
    virtio_push_many(q, n->merged, written, count);
    virtio_signal(q);
}

/* Buffers that can never hold it: the first one too small for the header, or too many needed. */
static bool hopeless(VirtioNet *n, VirtioQueue *q)
{
    unsigned most = virtio_has(&n->v, NET_MERGEABLE) ? MAX_MERGED : 1, count = 0;

    while (count < most && virtio_pop(q, &n->merged[count])) {
        count++;
    }
    for (unsigned i = count; i; i--) {
        virtio_unpop(q, &n->merged[i - 1]);
    }
    return count == most;
}

static bool place_frame(VirtioNet *n, VirtioQueue *q, const NetHeader *h, const uint8_t *frame,
                        size_t size)
{
    unsigned count = take_buffers(n, q, HEADER + size);

    if (count && n->merged[0].in_size >= HEADER) {
        fill_buffers(n, q, count, h, frame, size);
        return true;
    }
    for (; count; count--) {
        virtio_unpop(q, &n->merged[count - 1]);
    }
    return false;
}

/* A machine that does not listen, or never makes room enough, loses frames. */
static bool receive(void *opaque, const NetHeader *h, const uint8_t *frame, size_t size)
{
    VirtioNet *n = opaque;
    VirtioQueue *q = &n->v.queue[RX];
    bool done;

    if (!virtio_lock(q)) {
        return true;
    }
    virtio_ask_doorbell(q, false);
    done = place_frame(n, q, h, frame, size) || hopeless(n, q) ||
           (virtio_ask_doorbell(q, true) && place_frame(n, q, h, frame, size)) ||
           ring_broken(&q->ring);
    virtio_unlock(q);
    return done;
}

static void filled(Virtio *v, VirtioQueue *q)
{
    (void)q;
    netdev_ready(((VirtioNet *)v)->netdev);
}

static void set_link(void *opaque, bool up)
{
    VirtioNet *n = opaque;
    uint16_t status = up ? LINK_UP : 0;

    virtio_config_set(&n->v, offsetof(NetConfig, status), &status, sizeof(status));
}

/* ---- Offloads ---- */

static const struct {
    unsigned offload;
    uint64_t host, guest; /* the network takes it, the driver does */
} offloads[] = {
    { NET_OFFLOAD_csum, NET_CSUM, NET_GUEST_CSUM },
    { NET_OFFLOAD_tso4, NET_HOST_TSO4, NET_GUEST_TSO4 },
    { NET_OFFLOAD_tso6, NET_HOST_TSO6, NET_GUEST_TSO6 },
    { NET_OFFLOAD_ecn, NET_HOST_ECN, NET_GUEST_ECN },
};

static void offer_offloads(VirtioNet *n)
{
    unsigned has = netdev_offloads(n->netdev);

    for (size_t i = 0; i < G_N_ELEMENTS(offloads); i++) {
        n->v.offered |= has & offloads[i].offload ? offloads[i].host | offloads[i].guest : 0;
    }
}

static void negotiated(Virtio *v)
{
    unsigned taken = 0;

    for (size_t i = 0; i < G_N_ELEMENTS(offloads); i++) {
        taken |= virtio_has(v, offloads[i].guest) ? offloads[i].offload : 0;
    }
    /* Segments come with checksums that are not made yet. */
    netdev_set_offloads(((VirtioNet *)v)->netdev, taken & NET_OFFLOAD_csum ? taken : 0);
}

static void stopped(Virtio *v)
{
    netdev_set_offloads(((VirtioNet *)v)->netdev, 0);
}

/* ---- The device ---- */

static const VirtioKind kind = {
    .name = "virtio-net",
    .id = 1,
    .pci_class = 0x020000,
    .features = NET_MAC | NET_MERGEABLE | NET_STATUS | VIRTIO_F_IN_ORDER,
    .config_size = sizeof(NetConfig),
    .negotiated = negotiated,
    .started = negotiated, /* after a snapshot was loaded */
    .stopped = stopped,
    .filled = filled,
};

static void count_earlier(void *opaque, Dev *dev, unsigned depth)
{
    (void)depth;
    *(uint8_t *)opaque += strstr(dev->type->name, "virtio-net") != NULL;
}

/* By default QEMU's: 52:54:00:12:34:56, and one more for each further device. */
static bool parse_mac(VirtioNet *n, uint8_t *mac, GError **error)
{
    static const uint8_t first[MAC_BYTES] = { 0x52, 0x54, 0x00, 0x12, 0x34, 0x55 };
    Dev *root = &n->v.pci.dev;
    char end;

    memcpy(mac, first, MAC_BYTES);
    while (root->parent) {
        root = root->parent;
    }
    dev_for_each(root, count_earlier, &mac[MAC_BYTES - 1]);
    if (n->mac && (sscanf(n->mac, "%2hhx:%2hhx:%2hhx:%2hhx:%2hhx:%2hhx%c", &mac[0], &mac[1],
                          &mac[2], &mac[3], &mac[4], &mac[5], &end) != MAC_BYTES ||
                   (mac[0] & 1))) {
        g_set_error(error, DEV_ERROR, 0, "mac=%s is not a station's address like 52:54:00:12:34:56",
                    n->mac);
        return false;
    }
    return true;
}

static bool connect_netdev(VirtioNet *n, GError **error)
{
    NetPeer peer = { receive, set_link, n };

    n->connected = netdev_connect(n->netdev, &peer);
    if (!n->connected) {
        g_set_error(error, DEV_ERROR, 0, "netdev '%s' has a device already", netdev_id(n->netdev));
    }
    return n->connected;
}

static bool realize(Dev *dev, GError **error)
{
    VirtioNet *n = (VirtioNet *)dev;
    NetConfig config = { .status = LINK_UP };

    if (!n->netdev) {
        g_set_error(error, DEV_ERROR, 0, "needs netdev=ID, the id of a -netdev");
        return false;
    }
    if (!parse_mac(n, config.mac, error) || !virtio_init(&n->v, &kind, error)) {
        return false;
    }
    offer_offloads(n);
    n->merged = g_new(RingChain, MAX_MERGED);
    n->frame = g_malloc(NETDEV_FRAME);
    virtio_config_set(&n->v, 0, &config, sizeof(config));
    return virtio_add_queue(&n->v, QUEUE_SIZE, NULL, false, error) &&
           virtio_add_queue(&n->v, QUEUE_SIZE, send_frame, false, error) &&
           connect_netdev(n, error);
}

static void unrealize(Dev *dev)
{
    VirtioNet *n = (VirtioNet *)dev;

    if (n->connected && !netdev_connect(n->netdev, NULL)) {
        CHECK(false, "a netdev did not let go");
    }
    virtio_fini(&n->v);
    g_free(n->merged);
    g_free(n->frame);
}

static const DevProp props[] = {
    VIRTIO_PROPS(VirtioNet),
    { "netdev", DEV_PROP_netdev, offsetof(VirtioNet, netdev), "the network", 0 },
    { "mac", DEV_PROP_string, offsetof(VirtioNet, mac),
      "its address (default: 52:54:00:12:34:56 and on)", 0 },
};
static const DevField fields[] = { VIRTIO_FIELDS(VirtioNet) };

VIRTIO_TYPES(virtio_net, "net", VirtioNet, "network card", yes)
