/* SPDX-License-Identifier: Apache-2.0 */
/* "Entropy Device": each buffer is filled from the host's generator. */
#include <errno.h>
#include <sys/random.h>

#include "devices/virtio/virtio.h"

/* A request for more gets this much: it would keep the thread for long. */
enum { QUEUE_SIZE = 64, MOST = 64 << 10 };

typedef struct VirtioRng {
    Virtio v;
} VirtioRng;

static uint32_t serve(Virtio *v, VirtioQueue *q, const RingChain *c)
{
    struct iovec iov[RING_MAX];
    size_t size = c->in_size < MOST ? c->in_size : MOST;
    unsigned n = chain_writable(c, 0, size, iov);
    uint32_t done = 0;

    (void)v, (void)q;
    for (unsigned i = 0; i < n; i++) {
        size_t filled = 0;

        while (filled < iov[i].iov_len) {
            ssize_t got =
                getrandom((uint8_t *)iov[i].iov_base + filled, iov[i].iov_len - filled, 0);

            if (got < 0 && errno != EINTR) {
                return done;
            }
            filled += got > 0 ? (size_t)got : 0;
        }
        done += (uint32_t)filled;
    }
    return done;
}

static const VirtioKind kind = {
    .name = "virtio-rng",
    .id = 4,
    .pci_class = 0x00ff00,
    .features = VIRTIO_F_IN_ORDER,
};

static bool realize(Dev *dev, GError **error)
{
    VirtioRng *rng = (VirtioRng *)dev;

    return virtio_init(&rng->v, &kind, error) &&
           virtio_add_queue(&rng->v, QUEUE_SIZE, serve, false, error);
}

static void unrealize(Dev *dev)
{
    virtio_fini((Virtio *)dev);
}

static const DevProp props[] = { VIRTIO_PROPS(VirtioRng) };
static const DevField fields[] = { VIRTIO_FIELDS(VirtioRng) };

VIRTIO_TYPES(virtio_rng, "rng", VirtioRng, "random numbers of the host", yes)
