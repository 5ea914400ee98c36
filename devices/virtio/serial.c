/* SPDX-License-Identifier: Apache-2.0 */
/* "Console Device": a bus of ports, each a stream of bytes.  Port 0 is a console for drivers that
 * know of no others.  `virtconsole` and `virtserialport` plug into it. */
#include <string.h>

#include "devices/host/chardev.h"
#include "devices/virtio/virtio.h"

enum {
    QUEUE_SIZE = 128,
    CONTROL_RX = 2,
    CONTROL_TX = 3,
    MAX_PORTS = (VIRTIO_QUEUES - 2) / 2,
    CHUNK = 4096, /* bytes copied at a time */
};

/* "Feature bits" */
#define SERIAL_MULTIPORT   (UINT64_C(1) << 1)
#define SERIAL_EMERG_WRITE (UINT64_C(1) << 2)

/* "Device configuration layout" */
typedef struct SerialConfig {
    uint16_t columns, rows;
    uint32_t max_ports, emergency;
} SerialConfig;

/* "Multiport Device Operation" */
enum {
    EVENT_DEVICE_READY = 0,
    EVENT_PORT_ADD = 1,
    EVENT_PORT_READY = 3,
    EVENT_CONSOLE_PORT = 4,
    EVENT_PORT_OPEN = 6,
    EVENT_PORT_NAME = 7,
};

typedef struct Message {
    uint32_t port;
    uint16_t event, value;
} Message;

typedef struct VirtioSerial VirtioSerial;

/* The lock of the control queue for the driver guards what is said there about ports. */
typedef struct Port {
    Dev dev;
    Chardev *chardev;
    char *name;
    bool attached;
    ChardevPort chars;
    size_t sent; /* bytes of the transmit queue's next request that are written already */
    bool host_open, guest_open, ready;
    uint8_t pending; /* events to tell the driver, a bit each */
} Port;

struct VirtioSerial {
    Virtio v;
    Port *port[MAX_PORTS]; /* changes with the locks of its queues and of the control queue */
};

/* "Virtqueues": a port's receive queue; its transmit queue is the next one. */
static unsigned rx_of(unsigned port)
{
    return port == 0 ? 0 : 2 + 2 * port;
}

static unsigned port_of(unsigned queue)
{
    return queue < 2 ? 0 : (queue - 2) / 2;
}

static VirtioSerial *serial_of(const Port *p)
{
    return (VirtioSerial *)p->dev.parent;
}

static VirtioQueue *rx_queue(const Port *p)
{
    return &serial_of(p)->v.queue[rx_of(p->dev.slot)];
}

static VirtioQueue *tx_queue(const Port *p)
{
    return rx_queue(p) + 1;
}

static bool is_console(const Port *p)
{
    return p->dev.type == &dev_virtconsole;
}

/* ---- Events for the driver: with the control queue's lock ---- */

/* False: the driver has left no buffer. */
static bool tell(VirtioQueue *q, const Port *p, unsigned event)
{
    Message m = { p->dev.slot, (uint16_t)event, event == EVENT_PORT_OPEN ? p->host_open : 1 };
    size_t name = event == EVENT_PORT_NAME ? strlen(p->name) : 0, size = sizeof(m) + name;

    if (!virtio_pop(q, q->chain)) {
        return false;
    }
    if (!chain_write(q->chain, 0, &m, sizeof(m)) ||
        !chain_write(q->chain, sizeof(m), p->name, name)) {
        virtio_broken(q->v, "buffer too small for a message");
        size = 0;
    }
    virtio_push(q, q->chain, (uint32_t)size);
    virtio_signal(q);
    return true;
}

/* In the order of their numbers: a port is a console before it opens. */
static bool tell_some(VirtioSerial *s, VirtioQueue *q)
{
    for (unsigned i = 0; i < MAX_PORTS; i++) {
        Port *p = s->port[i];

        while (p && p->pending) {
            unsigned event = (unsigned)__builtin_ctz(p->pending);

            if (!tell(q, p, event)) {
                return false;
            }
            p->pending &= (uint8_t) ~(1u << event);
        }
    }
    return true;
}

static void tell_pending(VirtioSerial *s, VirtioQueue *q)
{
    while (virtio_live(q) && !tell_some(s, q) && virtio_ask_doorbell(q, true)) {
    }
}

/* "Device Initialization" of multiport devices */
static void port_ready(Port *p)
{
    p->ready = true;
    p->pending |= (uint8_t)((is_console(p) ? 1u << EVENT_CONSOLE_PORT : 0) |
                            (p->name ? 1u << EVENT_PORT_NAME : 0) |
                            (p->host_open ? 1u << EVENT_PORT_OPEN : 0));
}

static void device_ready(VirtioSerial *s)
{
    for (unsigned i = 0; i < MAX_PORTS; i++) {
        if (s->port[i]) {
            s->port[i]->pending = 1u << EVENT_PORT_ADD;
        }
    }
}

/* What the driver says.  Its port: NULL when the message is about none. */
static Port *heard(VirtioSerial *s, const Message *m)
{
    Port *p = m->port < MAX_PORTS ? s->port[m->port] : NULL;

    if (m->event == EVENT_DEVICE_READY && m->value == 1) {
        device_ready(s);
    } else if (p && m->event == EVENT_PORT_READY && m->value == 1) {
        port_ready(p);
    } else if (p && m->event == EVENT_PORT_OPEN) {
        p->guest_open = m->value;
    }
    return p;
}

static uint32_t control(Virtio *v, VirtioQueue *q, const RingChain *c)
{
    VirtioSerial *s = (VirtioSerial *)v;
    VirtioQueue *to_driver = &v->queue[CONTROL_RX];
    Message m;

    (void)q;
    if (!chain_read(c, 0, &m, sizeof(m))) {
        virtio_broken(v, "message too short");
        return 0;
    }
    pthread_mutex_lock(&to_driver->lock);
    if (heard(s, &m) && m.event == EVENT_PORT_OPEN && s->port[m.port]->attached) {
        chardev_accept(&s->port[m.port]->chars);
    }
    tell_pending(s, to_driver);
    pthread_mutex_unlock(&to_driver->lock);
    return 0;
}

/* ---- Bytes from the driver ---- */

/* False: the chardev has no room; p->sent says how far it came. */
static bool write_out(Port *p, const RingChain *c)
{
    uint8_t bytes[CHUNK];

    while (p->sent < c->out_size) {
        size_t left = c->out_size - p->sent, n = left < CHUNK ? left : CHUNK, took;
        bool ok = chain_read(c, p->sent, bytes, n);

        took = ok && p->attached ? chardev_write(&p->chars, bytes, n) : n;
        p->sent += took;
        if (took < n) {
            return false;
        }
    }
    p->sent = 0;
    return true;
}

/* With the transmit queue's lock.  A request that is written in part stays in the ring. */
static void transmit(Port *p, VirtioQueue *q)
{
    do {
        while (virtio_live(q) && virtio_pop(q, q->chain)) {
            if (!write_out(p, q->chain)) {
                virtio_unpop(q, q->chain);
                return;
            }
            virtio_push(q, q->chain, 0);
            virtio_signal(q);
        }
    } while (virtio_live(q) && virtio_ask_doorbell(q, true));
}

static void sent(void *opaque)
{
    Port *p = opaque;

    if (virtio_lock(tx_queue(p))) {
        transmit(p, tx_queue(p));
        virtio_unlock(tx_queue(p));
    }
}

/* ---- Bytes for the driver ---- */

static bool listens(const Port *p)
{
    VirtioQueue *q = &serial_of(p)->v.queue[CONTROL_RX];
    bool open;

    pthread_mutex_lock(&q->lock);
    open = p->guest_open || is_console(p);
    pthread_mutex_unlock(&q->lock);
    return open;
}

/* The size of the next buffer. */
static size_t next_room(VirtioQueue *q)
{
    size_t size;

    if (!virtio_pop(q, q->chain)) {
        return 0;
    }
    size = q->chain->in_size;
    virtio_unpop(q, q->chain);
    if (size == 0) {
        virtio_broken(q->v, "receive buffer that cannot be written");
    }
    return size;
}

static size_t room(void *opaque)
{
    Port *p = opaque;
    VirtioQueue *q = rx_queue(p);
    size_t size;

    if (!listens(p) || !virtio_lock(q)) {
        return 0;
    }
    size = next_room(q);
    if (size == 0 && virtio_ask_doorbell(q, true)) {
        size = next_room(q);
    }
    virtio_unlock(q);
    return size;
}

static void receive(void *opaque, const uint8_t *data, size_t n)
{
    Port *p = opaque;
    VirtioQueue *q = rx_queue(p);

    if (!virtio_lock(q)) {
        return;
    }
    while (n && virtio_pop(q, q->chain)) {
        size_t here = n < q->chain->in_size ? n : q->chain->in_size;

        if (!chain_write(q->chain, 0, data, here)) {
            here = 0;
        }
        virtio_push(q, q->chain, (uint32_t)here);
        data += here;
        n -= here;
    }
    virtio_signal(q);
    virtio_unlock(q);
}

static void event(void *opaque, ChardevEvent what)
{
    Port *p = opaque;
    VirtioSerial *s = serial_of(p);
    VirtioQueue *q = &s->v.queue[CONTROL_RX];

    if (what != CHARDEV_opened && what != CHARDEV_closed) {
        return;
    }
    pthread_mutex_lock(&q->lock);
    p->host_open = what == CHARDEV_opened;
    p->pending |= p->ready ? 1u << EVENT_PORT_OPEN : 0;
    tell_pending(s, q);
    pthread_mutex_unlock(&q->lock);
}

static const ChardevOps chardev_ops = { room, receive, event, sent };

/* ---- The device ---- */

static void filled(Virtio *v, VirtioQueue *q)
{
    VirtioSerial *s = (VirtioSerial *)v;
    Port *p = s->port[port_of(q->index)];

    if (q->index == CONTROL_RX) {
        tell_pending(s, q);
    } else if (p && q->index % 2 == 0) {
        if (p->attached) {
            chardev_accept(&p->chars);
        }
    } else if (p) {
        transmit(p, q);
    }
}

/* What of a request was written belongs to that request. */
static void dropped(Virtio *v, VirtioQueue *q)
{
    Port *p = ((VirtioSerial *)v)->port[port_of(q->index)];

    if (p && q == tx_queue(p)) {
        p->sent = 0;
    }
}

static void stopped(Virtio *v)
{
    VirtioSerial *s = (VirtioSerial *)v;
    VirtioQueue *q = &v->queue[CONTROL_RX];

    pthread_mutex_lock(&q->lock);
    for (unsigned i = 0; i < MAX_PORTS; i++) {
        if (s->port[i]) {
            s->port[i]->guest_open = s->port[i]->ready = false;
            s->port[i]->pending = 0;
        }
    }
    pthread_mutex_unlock(&q->lock);
}

/* A byte by the configuration space, before there are queues. */
static void configured(Virtio *v)
{
    VirtioSerial *s = (VirtioSerial *)v;
    uint8_t byte;

    virtio_config_get(v, offsetof(SerialConfig, emergency), &byte, 1);
    if (s->port[0] && s->port[0]->attached) {
        chardev_write(&s->port[0]->chars, &byte, 1);
    }
}

static const VirtioKind kind = {
    .name = "virtio-serial",
    .id = 3,
    .pci_class = 0x078000,
    .features = SERIAL_MULTIPORT | SERIAL_EMERG_WRITE,
    .config_size = sizeof(SerialConfig),
    .rw_at = offsetof(SerialConfig, emergency),
    .rw_size = sizeof(uint32_t),
    .stopped = stopped,
    .configured = configured,
    .filled = filled,
    .dropped = dropped,
};

static bool realize(Dev *dev, GError **error)
{
    VirtioSerial *s = (VirtioSerial *)dev;
    SerialConfig config = { .max_ports = MAX_PORTS };

    if (!virtio_init(&s->v, &kind, error)) {
        return false;
    }
    virtio_config_set(&s->v, 0, &config, sizeof(config));
    for (unsigned i = 0; i < 2 + 2 * MAX_PORTS; i++) {
        if (!virtio_add_queue(&s->v, QUEUE_SIZE, i == CONTROL_TX ? control : NULL, false, error)) {
            return false;
        }
    }
    return true;
}

static void unrealize(Dev *dev)
{
    virtio_fini((Virtio *)dev);
}

/* Port 0 is a console: a port of another kind gets the next free number. */
static bool plug(Dev *bus, Dev *child, GError **error)
{
    const VirtioSerial *s = (VirtioSerial *)bus;

    (void)error;
    while (child->type != &dev_virtconsole && child->slot < MAX_PORTS &&
           (child->slot == 0 || s->port[child->slot])) {
        child->slot++;
    }
    if (child->slot >= MAX_PORTS) {
        g_set_error(error, DEV_ERROR, 0, "only port 0 is left, which is for a virtconsole");
    }
    return child->slot < MAX_PORTS;
}

static const DevProp props[] = { VIRTIO_PROPS(VirtioSerial) };
static const DevField fields[] = { VIRTIO_FIELDS(VirtioSerial) };

VIRTIO_TYPES(virtio_serial, "serial", VirtioSerial, "bus of consoles and serial ports", yes,
             .provides = "virtio-serial-bus", .slots = MAX_PORTS, .plug = plug)

/* ---- Ports ---- */

static void set_port(Port *p, Port *value)
{
    VirtioSerial *s = serial_of(p);
    pthread_mutex_t *locks[] = { &rx_queue(p)->lock, &tx_queue(p)->lock,
                                 &s->v.queue[CONTROL_RX].lock };

    for (unsigned i = 0; i < 3; i++) {
        pthread_mutex_lock(locks[i]);
    }
    s->port[p->dev.slot] = value;
    for (unsigned i = 0; i < 3; i++) {
        pthread_mutex_unlock(locks[i]);
    }
}

static bool port_realize(Dev *dev, GError **error)
{
    Port *p = (Port *)dev;

    if (p->chardev) {
        p->attached = chardev_attach(&p->chars, p->chardev, &chardev_ops, p);
        if (!p->attached) {
            g_set_error(error, DEV_ERROR, 0, "chardev '%s' is in use", chardev_id(p->chardev));
            return false;
        }
    }
    set_port(p, p);
    return true;
}

static void port_unrealize(Dev *dev)
{
    Port *p = (Port *)dev;

    if (p->attached) {
        chardev_detach(&p->chars);
        p->attached = false;
    }
    if (dev->realized) {
        set_port(p, NULL);
    }
}

/* A snapshot may say anything: what is pending must be events that the port has. */
static void port_loaded(Dev *dev)
{
    Port *p = (Port *)dev;
    unsigned events = 1u << EVENT_PORT_ADD | 1u << EVENT_CONSOLE_PORT | 1u << EVENT_PORT_OPEN |
                      (p->name ? 1u << EVENT_PORT_NAME : 0);

    p->pending &= (uint8_t)events;
}

static const DevProp port_props[] = {
    { "chardev", DEV_PROP_chardev, offsetof(Port, chardev), "where its bytes go", 0 },
    { "name", DEV_PROP_string, offsetof(Port, name), "its name for the guest", 0 },
};
static const DevField port_fields[] = {
    DEV_FIELD(Port, sent),
    DEV_FIELD(Port, guest_open),
    DEV_FIELD(Port, ready),
    DEV_FIELD(Port, pending),
};

#define PORT_TYPE(ident, help)                                                                     \
    const DevType dev_##ident = {                                                                  \
        .name = #ident,                                                                            \
        .summary = help,                                                                           \
        .size = sizeof(Port),                                                                      \
        .isolation = DEV_ISOLATION_yes,                                                            \
        .bus = "virtio-serial-bus",                                                                \
        .fields = port_fields,                                                                     \
        .n_fields = G_N_ELEMENTS(port_fields),                                                     \
        .props = port_props,                                                                       \
        .n_props = G_N_ELEMENTS(port_props),                                                       \
        .realize = port_realize,                                                                   \
        .unrealize = port_unrealize,                                                               \
        .loaded = port_loaded,                                                                     \
    };
PORT_TYPE(virtconsole, "console: hvc0 and on")
PORT_TYPE(virtserialport, "stream of bytes with a name")
