/* SPDX-License-Identifier: Apache-2.0 */
/* Commands about one disk: its nodes, its size, snapshots inside of its image alone. */
#include <errno.h>
#include <string.h>

#include "base/size.h"
#include "devices/host/block/image.h"
#include "devices/virtio/blk.h"
#include "ui/monitor/build.h"
#include "ui/monitor/state.h"

static bool fail(GError **error, const char *what, const MonitorDrive *d, int r)
{
    g_set_error(error, MONITOR_ERROR, MONITOR_GenericError, "%s '%s': %s", what, d->id, g_strerror(-r));
    return false;
}

/* ---- Size ---- */

static bool resize(Monitor *m, const char *name, uint64_t size, GError **error)
{
    const MonitorDrive *d = monitor_drive(m, name, error);
    MonitorHold hold;
    int r;

    if (!d) {
        return false;
    }
    hold = monitor_hold(m);
    dev_pause(m->vm.root, true); /* no request is on its way to what goes */
    r = block_resize(d->block, size);
    dev_pause(m->vm.root, false);
    monitor_release(hold);
    if (r < 0) {
        return fail(error, "The size cannot be changed of", d, r);
    }
    virtio_blk_resized(m->vm.root, d->block);
    return true;
}

JsonNode *qmp_block_resize(MonitorSession *s, JsonObject *args, GError **error)
{
    const char *name = json_object_get_string_member_with_default(args, "node-name", NULL);
    gint64 size = json_object_get_int_member(args, "size");

    name = name ? name : json_object_get_string_member_with_default(args, "device", NULL);
    if (!name || size <= 0 || size % 512) {
        g_set_error(error, MONITOR_ERROR, MONITOR_GenericError, !name ? "Parameter 'device' is missing" :
                    "Parameter 'size' expects a multiple of 512");
    } else {
        (void)!resize(s->monitor, name, (uint64_t)size, error);
    }
    return NULL;
}

/* ---- Snapshots ---- */

static bool snapshot(Monitor *m, const MonitorDrive *d, const char *name, GError **error)
{
    gint64 now = g_get_real_time();
    ImageSnapshot s = { .name = name, .date_s = (uint64_t)(now / G_USEC_PER_SEC),
                        .date_ns = (uint32_t)(now % G_USEC_PER_SEC) * 1000,
                        .vm_clock_ns = clock_ns(m->vm.clock), .icount = UINT64_MAX };
    ImageSnapshot other;
    int r;

    for (unsigned i = 0; image_snapshot(d->block, i, &other); i++) {
        if (!strcmp(other.name, name)) {
            g_set_error(error, MONITOR_ERROR, MONITOR_GenericError, "Snapshot with name '%s' already exists on device "
                        "'%s'", name, d->id);
            return false;
        }
    }
    r = block_read_only(d->block) ? -EROFS : image_snapshot_create(d->block, &s);
    return r == 0 || fail(error, "No snapshot can be made of", d, r);
}

static bool take_snapshot(Monitor *m, const char *drive, const char *name, GError **error)
{
    const MonitorDrive *d = monitor_drive(m, drive, error);

    return d && snapshot(m, d, name, error);
}

JsonNode *qmp_snapshot_internal(MonitorSession *s, JsonObject *args, GError **error)
{
    (void)!take_snapshot(s->monitor, json_object_get_string_member(args, "device"),
                         json_object_get_string_member(args, "name"), error);
    return NULL;
}

/* Deletes the one with that id and name (either may be NULL), and tells which it was. */
static JsonNode *delete_snapshot(Monitor *m, const char *drive, const char *id, const char *name, GError **error)
{
    const MonitorDrive *d = monitor_drive(m, drive, error);
    ImageSnapshot s;
    bool found = false;
    char *which;
    JsonBuilder *b;
    int r;

    for (unsigned i = 0; d && !found && image_snapshot(d->block, i, &s); i++) {
        found = (!id || !strcmp(s.id, id)) && (!name || !strcmp(s.name, name));
    }
    if (!found) {
        if (d) {
            g_set_error(error, MONITOR_ERROR, MONITOR_GenericError, "Snapshot with id '%s' and name '%s' does not exist on "
                        "device '%s'", id ? id : "null", name ? name : "null", drive);
        }
        return NULL;
    }
    b = build_object();
    monitor_build_snapshot(b, &s);
    which = g_strdup(s.id);
    r = block_read_only(d->block) ? -EROFS : image_snapshot_delete(d->block, which);
    g_free(which);
    if (r < 0) {
        g_object_unref(b);
        fail(error, "The snapshot cannot be deleted of", d, r);
        return NULL;
    }
    return build_end_object(b);
}

JsonNode *qmp_snapshot_delete_internal(MonitorSession *s, JsonObject *args, GError **error)
{
    const char *id = json_object_get_string_member_with_default(args, "id", NULL);
    const char *name = json_object_get_string_member_with_default(args, "name", NULL);

    if (!id && !name) {
        g_set_error(error, MONITOR_ERROR, MONITOR_GenericError, "Name or id must be provided");
        return NULL;
    }
    return delete_snapshot(s->monitor, json_object_get_string_member(args, "device"), id, name, error);
}

/* ---- For people ---- */

static void say(Hmp *h, GError *error)
{
    if (error) {
        g_string_append_printf(h->out, "%s\n", error->message);
        g_error_free(error);
    }
}

void hmp_block_resize(Hmp *h)
{
    const char *name = h->argv[0], *text = name ? h->argv[1] : NULL;
    GError *error = NULL;
    uint64_t size;

    if (!text || h->argv[2] || !size_parse(text, &size) || !size || size > UINT64_MAX >> 20) {
        g_string_append(h->out, "block_resize takes the NAME of a drive and its new size, in megabytes unless it has a "
                        "suffix\n");
        return;
    }
    size = g_ascii_isdigit(text[strlen(text) - 1]) ? size << 20 : size;
    (void)!resize(h->monitor, name, size / 512 * 512, &error);
    say(h, error);
}

void hmp_snapshot_internal(Hmp *h)
{
    GError *error = NULL;

    if (!h->argv[0] || !h->argv[1] || h->argv[2]) {
        g_string_append(h->out, "snapshot_blkdev_internal takes the NAME of a drive and of the snapshot\n");
        return;
    }
    (void)!take_snapshot(h->monitor, h->argv[0], h->argv[1], &error);
    say(h, error);
}

void hmp_snapshot_delete_internal(Hmp *h)
{
    GError *error = NULL;
    JsonNode *node;

    if (!h->argv[0] || !h->argv[1]) {
        g_string_append(h->out, "snapshot_delete_blkdev_internal takes the NAME of a drive and of the snapshot\n");
        return;
    }
    node = delete_snapshot(h->monitor, h->argv[0], h->argv[2], h->argv[1], &error);
    if (node) {
        json_node_unref(node);
    }
    say(h, error);
}
