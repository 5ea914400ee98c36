/* SPDX-License-Identifier: Apache-2.0 */
/* Devices that are told something while the machine runs: the balloon, the cables of networks. */
#include <inttypes.h>
#include <string.h>

#include "base/size.h"
#include "devices/virtio/balloon.h"
#include "ui/monitor/state.h"

/* ---- Balloon ---- */

static Dev *find_balloon(Monitor *m, GError **error)
{
    Dev *dev = virtio_balloon_find(m->vm.root);

    if (!dev) {
        g_set_error(error, MONITOR_ERROR, MONITOR_DeviceNotActive, "No balloon device has been activated");
    }
    return dev;
}

bool monitor_balloon_set(Monitor *m, uint64_t bytes, GError **error)
{
    Dev *dev = find_balloon(m, error);

    if (dev) {
        virtio_balloon_set(dev, bytes);
    }
    return dev;
}

bool monitor_balloon_get(Monitor *m, uint64_t *bytes, GError **error)
{
    Dev *dev = find_balloon(m, error);

    if (dev) {
        *bytes = virtio_balloon_get(dev);
    }
    return dev;
}

/* ---- Networks ---- */

static Netdev *netdev_named(const MonitorVm *vm, const char *name)
{
    for (size_t i = 0; i < vm->n_netdevs; i++) {
        if (!strcmp(vm->netdevs[i].id, name)) {
            return vm->netdevs[i].netdev;
        }
    }
    return NULL;
}

static Netdev *netdev_of(const Dev *dev)
{
    for (unsigned i = 0; dev && i < dev->type->n_props; i++) {
        const DevProp *p = &dev->type->props[i];

        if (p->kind == DEV_PROP_netdev) {
            return *(Netdev *const *)(const void *)((const char *)dev + p->offset);
        }
    }
    return NULL;
}

bool monitor_set_link(Monitor *m, const char *name, bool up, GError **error)
{
    Netdev *nd = netdev_named(&m->vm, name);

    nd = nd ? nd : netdev_of(dev_find(m->vm.root, name));
    if (nd) {
        netdev_set_link(nd, up);
    } else {
        g_set_error(error, MONITOR_ERROR, MONITOR_DeviceNotFound, "Device '%s' not found", name);
    }
    return nd;
}

/* ---- Chardevs ---- */

enum { RINGBUF_MOST = 64 << 20 };

static Chardev *chardev_named(Monitor *m, const char *name, GError **error)
{
    const MonitorVm *vm = &m->vm;

    for (size_t i = 0; i < vm->n_chardevs; i++) {
        if (!strcmp(vm->chardevs[i].id, name)) {
            return vm->chardevs[i].chardev;
        }
    }
    g_set_error(error, MONITOR_ERROR, MONITOR_DeviceNotFound, "Device '%s' not found", name);
    return NULL;
}

uint8_t *monitor_ringbuf_read(Monitor *m, const char *name, size_t size, size_t *n, GError **error)
{
    Chardev *c = chardev_named(m, name, error);
    uint8_t *bytes = c ? g_malloc(MIN(size, RINGBUF_MOST)) : NULL;

    if (c) {
        *n = chardev_ringbuf_read(c, bytes, MIN(size, RINGBUF_MOST));
    }
    return bytes;
}

JsonNode *qmp_ringbuf_write(MonitorSession *s, JsonObject *args, GError **error)
{
    const char *name = json_object_get_string_member(args, "device"), *data = json_object_get_string_member(args, "data");
    const char *format = json_object_get_string_member_with_default(args, "format", "utf8");
    Chardev *c = chardev_named(s->monitor, name, error);
    gsize n = strlen(data);
    guchar *bytes;

    if (c && strcmp(format, "utf8") && strcmp(format, "base64")) {
        g_set_error(error, MONITOR_ERROR, MONITOR_GenericError, "Parameter 'format' is utf8 or base64, not '%s'", format);
    } else if (c) {
        bytes = strcmp(format, "utf8") ? g_base64_decode(data, &n) : (guchar *)g_strdup(data);
        if (!chardev_ringbuf_write(c, bytes, n)) {
            g_set_error(error, MONITOR_ERROR, MONITOR_GenericError, "'%s' is no ringbuf", name);
        }
        g_free(bytes);
    }
    return NULL;
}

static void send_break(Monitor *m, const char *name, GError **error)
{
    Chardev *c = chardev_named(m, name, error);

    if (c) {
        chardev_send_break(c);
    }
}

JsonNode *qmp_send_break(MonitorSession *s, JsonObject *args, GError **error)
{
    send_break(s->monitor, json_object_get_string_member(args, "id"), error);
    return NULL;
}

/* ---- The device tree ---- */

static void dump_tree(Monitor *m, const char *path, GError **error)
{
    gsize size = 0;
    const char *data = m->vm.device_tree ? g_bytes_get_data(m->vm.device_tree, &size) : NULL;

    if (!data) {
        g_set_error(error, MONITOR_ERROR, MONITOR_GenericError, "This machine doesn't have an FDT");
    } else {
        (void)!g_file_set_contents(path, data, (gssize)size, error);
    }
}

JsonNode *qmp_dumpdtb(MonitorSession *s, JsonObject *args, GError **error)
{
    dump_tree(s->monitor, json_object_get_string_member(args, "filename"), error);
    return NULL;
}

/* ---- For people ---- */

static void say(Hmp *h, GError *error)
{
    if (error) {
        g_string_append_printf(h->out, "%s\n", error->message);
        g_error_free(error);
    }
}

/* The one argument; NULL, and told: there is none, or more. */
static const char *one_argument(Hmp *h, const char *what)
{
    if (h->argv[0] && !h->argv[1]) {
        return h->argv[0];
    }
    g_string_append_printf(h->out, "%s is expected\n", what);
    return NULL;
}

void hmp_dumpdtb(Hmp *h)
{
    const char *path = one_argument(h, "the name of one FILE");
    GError *error = NULL;

    if (path) {
        dump_tree(h->monitor, path, &error);
        say(h, error);
    }
}

void hmp_send_break(Hmp *h)
{
    const char *name = one_argument(h, "the id of one chardev");
    GError *error = NULL;

    if (name) {
        send_break(h->monitor, name, &error);
        say(h, error);
    }
}

void hmp_balloon(Hmp *h)
{
    GError *error = NULL;
    uint64_t megabytes;

    if (!h->argv[0] || h->argv[1] || !size_parse(h->argv[0], &megabytes) || !megabytes ||
        megabytes > UINT64_MAX >> 20) {
        g_string_append(h->out, "balloon takes a number of megabytes\n");
        return;
    }
    (void)!monitor_balloon_set(h->monitor, megabytes << 20, &error);
    say(h, error);
}

void info_balloon(Hmp *h)
{
    GError *error = NULL;
    uint64_t bytes;

    if (monitor_balloon_get(h->monitor, &bytes, &error)) {
        g_string_append_printf(h->out, "balloon: actual=%" PRIu64 "\n", bytes >> 20);
    }
    say(h, error);
}

void hmp_set_link(Hmp *h)
{
    const char *name = h->argv[0], *how = name ? h->argv[1] : NULL;
    bool up = how && !strcmp(how, "on");
    GError *error = NULL;

    if (!how || h->argv[2] || (!up && strcmp(how, "off"))) {
        g_string_append(h->out, "set_link takes the NAME of a network, and on or off\n");
        return;
    }
    (void)!monitor_set_link(h->monitor, name, up, &error);
    say(h, error);
}

/* Without a name: the first network that forwards ports at all. */
static Netdev *forwarding_netdev(Hmp *h, const char *name)
{
    const MonitorVm *vm = &h->monitor->vm;
    Netdev *nd = name ? netdev_named(vm, name) : NULL;

    for (size_t i = 0; i < vm->n_netdevs && !name && !nd; i++) {
        nd = strcmp(vm->netdevs[i].kind, "user") ? NULL : vm->netdevs[i].netdev;
    }
    return nd;
}

static void forward(Hmp *h, bool add)
{
    const char *first = h->argv[0], *second = first ? h->argv[1] : NULL;
    Netdev *nd = forwarding_netdev(h, second ? first : NULL);
    GError *error = NULL;

    if (!first || (second && h->argv[2])) {
        g_string_append(h->out, "it takes the id of a -netdev, which may be left out, and a port\n");
    } else if (!nd) {
        g_string_append_printf(h->out, "there is no network '%s' of the kind user\n", second ? first : "");
    } else {
        (void)!netdev_forward(nd, second ? second : first, add, &error);
        say(h, error);
    }
}

void hmp_hostfwd_add(Hmp *h)
{
    forward(h, true);
}

void hmp_hostfwd_remove(Hmp *h)
{
    forward(h, false);
}

void hmp_ringbuf_read(Hmp *h)
{
    const char *name = h->argv[0], *text = name ? h->argv[1] : NULL;
    GError *error = NULL;
    uint64_t size;
    uint8_t *bytes;
    size_t n;

    if (!text || h->argv[2] || !size_parse(text, &size) || !size) {
        g_string_append(h->out, "ringbuf_read takes the NAME of a chardev and a number of bytes\n");
        return;
    }
    bytes = monitor_ringbuf_read(h->monitor, name, size, &n, &error);
    if (bytes) {
        g_string_append_len(h->out, (const char *)bytes, (gssize)n);
        g_string_append(h->out, n && bytes[n - 1] == '\n' ? "" : "\n");
    }
    g_free(bytes);
    say(h, error);
}
