/* SPDX-License-Identifier: Apache-2.0 */
/* The 9P transport of virtio (device 9): a folder of the host, shared by the protocol 9P2000.L.
 * Each request is a message and has room for its reply. */
#include <errno.h>
#include <string.h>

#include "devices/virtio/p9.h"
#include "devices/virtio/virtio.h"

enum { QUEUE_SIZE = 128, MAX_TAG = 32 };

#define P9_MOUNT_TAG (UINT64_C(1) << 0)

typedef struct P9Config {
    uint16_t length;
    char tag[MAX_TAG];
} P9Config;

typedef struct Virtio9p {
    Virtio v;
    char *path, *tag;
    bool writable;
    P9 *server;
    uint8_t *request, *reply; /* P9_MESSAGE bytes each */
} Virtio9p;

static uint32_t serve(Virtio *v, VirtioQueue *q, const RingChain *c)
{
    Virtio9p *d = (Virtio9p *)v;
    size_t size = c->out_size < P9_MESSAGE ? c->out_size : P9_MESSAGE;
    size_t room = c->in_size < P9_MESSAGE ? c->in_size : P9_MESSAGE, n = 0;

    (void)q;
    if (chain_read(c, 0, d->request, size)) {
        n = p9_serve(d->server, d->request, size, d->reply, room);
    }
    if (n == 0 || !chain_write(c, 0, d->reply, n)) {
        virtio_broken(v, "request that is no message, or has no room for a reply");
        return 0;
    }
    return (uint32_t)n;
}

static void stopped(Virtio *v)
{
    p9_reset(((Virtio9p *)v)->server);
}

static const VirtioKind kind = {
    .name = "virtio-9p",
    .id = 9,
    .pci_class = 0x000200,
    .features = P9_MOUNT_TAG,
    .config_size = sizeof(P9Config),
    .stopped = stopped,
};

static bool realize(Dev *dev, GError **error)
{
    Virtio9p *d = (Virtio9p *)dev;
    P9Config config = { 0 };

    if (!d->path || !d->tag || !*d->tag || strlen(d->tag) > MAX_TAG) {
        g_set_error(error, DEV_ERROR, 0,
                    "needs path=FOLDER and mount_tag=NAME, of at most %d bytes", MAX_TAG);
        return false;
    }
    d->server = p9_new(d->path, d->writable);
    if (!d->server) {
        g_set_error(error, DEV_ERROR, 0, "path=%s: %s", d->path, g_strerror(errno));
        return false;
    }
    if (!virtio_init(&d->v, &kind, error)) {
        return false;
    }
    d->request = g_malloc(P9_MESSAGE);
    d->reply = g_malloc(P9_MESSAGE);
    config.length = (uint16_t)strlen(d->tag);
    memcpy(config.tag, d->tag, config.length);
    virtio_config_set(&d->v, 0, &config, sizeof(config));
    return virtio_add_queue(&d->v, QUEUE_SIZE, serve, false, error);
}

static void unrealize(Dev *dev)
{
    Virtio9p *d = (Virtio9p *)dev;

    virtio_fini(&d->v);
    p9_free(d->server);
    g_free(d->request);
    g_free(d->reply);
}

static const DevProp props[] = {
    VIRTIO_PROPS(Virtio9p),
    { "path", DEV_PROP_string, offsetof(Virtio9p, path), "the folder", 0 },
    { "mount_tag", DEV_PROP_string, offsetof(Virtio9p, tag), "its name for the guest's mount", 0 },
    { "writable", DEV_PROP_bool, offsetof(Virtio9p, writable),
      "the guest may change it (default: off)", 0 },
};
static const DevField fields[] = { VIRTIO_FIELDS(Virtio9p) };

VIRTIO_TYPES(virtio_9p, "9p", Virtio9p, "folder of the host", no)
