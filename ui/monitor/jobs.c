/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Jobs of QMP: snapshot-save, snapshot-load, snapshot-delete.  The state of the machine is kept inside of an
 * image, with a snapshot of it; those of the other disks have the same name.  A job is over when its
 * command returns, and stays to be looked at until job-dismiss.
 */
#include <errno.h>
#include <glib/gstdio.h>
#include <string.h>
#include <unistd.h>

#include "devices/host/block/image.h"
#include "ui/monitor/build.h"
#include "ui/monitor/snapshot.h"
#include "ui/monitor/snapshot_disks.h"
#include "ui/monitor/state.h"

/* What a job is to do. */
typedef struct Task {
    Monitor *m;
    const char *tag;
    const MonitorDrive *vmstate; /* NULL: of snapshot-delete */
    GPtrArray *drives;           /* of const MonitorDrive *, with vmstate */
} Task;

static bool fail(GError **error, const char *what, const char *name, int r)
{
    g_set_error(error, MONITOR_ERROR, MONITOR_GenericError, "%s '%s': %s", what, name, g_strerror(-r));
    return false;
}

/* ---- Which disks ---- */

const MonitorDrive *monitor_drive(const Monitor *m, const char *name, GError **error)
{
    for (size_t i = 0; i < m->vm.n_drives; i++) {
        const MonitorDrive *d = &m->vm.drives[i];

        if (!strcmp(d->id, name) || !g_strcmp0(d->node, name)) {
            return d;
        }
    }
    g_set_error(error, MONITOR_ERROR, MONITOR_DeviceNotFound, "Cannot find device='%s' nor node-name='%s'", name,
                name);
    return NULL;
}

static bool has_snapshot(const MonitorDrive *d, const char *tag)
{
    ImageSnapshot s;

    for (unsigned i = 0; image_snapshot(d->block, i, &s); i++) {
        if (!strcmp(s.name, tag)) {
            return true;
        }
    }
    return false;
}

static bool find_drives(Task *t, JsonObject *args, GError **error)
{
    JsonArray *names = json_object_get_array_member(args, "devices");
    const char *vmstate = json_object_get_string_member_with_default(args, "vmstate", NULL);

    for (guint i = 0; i < json_array_get_length(names); i++) {
        const MonitorDrive *d = monitor_drive(t->m, json_array_get_string_element(names, i), error);
        ImageQcow2Info info;

        if (!d) {
            return false;
        }
        if (block_read_only(d->block) || !image_qcow2_info(d->block, &info)) {
            g_set_error(error, MONITOR_ERROR, MONITOR_GenericError, "Device '%s' is writable but does not support "
                        "snapshots", d->id);
            return false;
        }
        g_ptr_array_add(t->drives, (void *)(uintptr_t)d);
    }
    if (!t->drives->len) {
        g_set_error(error, MONITOR_ERROR, MONITOR_GenericError, "At least one device is required for snapshot");
        return false;
    }
    if (vmstate) {
        t->vmstate = monitor_drive(t->m, vmstate, error);
        if (t->vmstate && !g_ptr_array_find(t->drives, t->vmstate, NULL)) {
            g_set_error(error, MONITOR_ERROR, MONITOR_GenericError, "vmstate block device '%s' is not one of the "
                        "devices", vmstate);
            return false;
        }
    }
    return !vmstate || t->vmstate;
}

/* All of them have the snapshot, or none. */
static bool check_tag(const Task *t, bool there, GError **error)
{
    for (unsigned i = 0; i < t->drives->len; i++) {
        const MonitorDrive *d = t->drives->pdata[i];

        if (has_snapshot(d, t->tag) != there) {
            g_set_error(error, MONITOR_ERROR, MONITOR_GenericError, there ? "Snapshot '%s' does not exist in device '%s'"
                        : "Snapshot '%s' already exists in device '%s'", t->tag, d->id);
            return false;
        }
    }
    return true;
}

/* ---- The state, between a file and an image ---- */

enum { CHUNK = 1 << 20 };

static bool state_into_image(const Task *t, const char *path, uint64_t *size, GError **error)
{
    GMappedFile *file = g_mapped_file_new(path, FALSE, error);
    struct iovec iov;
    int r;

    if (!file) {
        return false;
    }
    *size = g_mapped_file_get_length(file);
    iov = (struct iovec){ g_mapped_file_get_contents(file), *size };
    r = image_vm_state_write(t->vmstate->block, 0, &iov, 1);
    g_mapped_file_unref(file);
    return r == 0 || fail(error, "The state of the machine cannot be written into", t->vmstate->id, r);
}

static bool copy_state(Block *image, uint64_t size, FILE *out, GError **error)
{
    uint8_t *chunk = g_malloc(CHUNK);
    int r = 0;

    for (uint64_t at = 0; at < size && r == 0; at += CHUNK) {
        struct iovec iov = { chunk, MIN(size - at, CHUNK) };

        r = image_vm_state_read(image, at, &iov, 1);
        r = r == 0 && fwrite(chunk, 1, iov.iov_len, out) != iov.iov_len ? -errno : r;
    }
    g_free(chunk);
    return r == 0 || fail(error, "The state of the machine cannot be read:", "vmstate", r);
}

/* The disk itself stays as it is: a second look at its image shows the snapshot. */
static bool state_out_of_image(const Task *t, const char *path, GError **error)
{
    BlockInfo info;
    BlockOptions o = { .format = "qcow2", .read_only = true, .no_lock = true, .backing = BLOCK_BACKING_IGNORE };
    uint64_t size = 0;
    ImageSnapshot s;
    Block *image;
    FILE *out;
    bool ok;

    for (unsigned i = 0; image_snapshot(t->vmstate->block, i, &s); i++) {
        size = strcmp(s.name, t->tag) ? size : s.vm_state_size;
    }
    if (!size) {
        g_set_error(error, MONITOR_ERROR, MONITOR_GenericError, "Snapshot '%s' of device '%s' has no state of a "
                    "machine", t->tag, t->vmstate->id);
        return false;
    }
    ok = block_flush(t->vmstate->block) == 0 && block_info(t->vmstate->block, &info) == 0;
    o.path = ok ? info.path : NULL;
    image = ok ? block_open(&o, error) : NULL;
    out = image && image_snapshot_show(image, t->tag) == 0 ? g_fopen(path, "wbe") : NULL;
    ok = out && copy_state(image, size, out, error);
    ok = (!out || fclose(out) == 0) && ok;
    block_close(image);
    if (!ok && error && !*error) {
        g_set_error(error, MONITOR_ERROR, MONITOR_GenericError, "The state of the machine cannot be read from '%s'",
                    t->vmstate->id);
    }
    return ok;
}

/* ---- The three jobs ---- */

static bool snapshot_disks(const Task *t, uint64_t state_size, GError **error)
{
    gint64 now = g_get_real_time();
    unsigned made = 0;

    for (; made < t->drives->len; made++) {
        const MonitorDrive *d = t->drives->pdata[made];
        ImageSnapshot s = { .name = t->tag, .vm_state_size = d == t->vmstate ? state_size : 0,
                            .date_s = (uint64_t)(now / G_USEC_PER_SEC),
                            .date_ns = (uint32_t)(now % G_USEC_PER_SEC) * 1000,
                            .vm_clock_ns = clock_ns(t->m->vm.clock), .icount = UINT64_MAX };
        int r = image_snapshot_create(d->block, &s);

        if (r < 0) {
            while (made--) {
                (void)!image_snapshot_delete(((const MonitorDrive *)t->drives->pdata[made])->block, t->tag);
            }
            return fail(error, "No snapshot can be made of device", d->id, r);
        }
    }
    return true;
}

typedef struct Saving {
    const Task *task;
    const char *path;
} Saving;

static bool keep_state_and_disks(void *opaque, GError **error)
{
    const Saving *s = opaque;
    uint64_t size;

    return state_into_image(s->task, s->path, &size, error) && snapshot_disks(s->task, size, error);
}

static bool save_held(const Task *t, const char *path, GError **error)
{
    Saving s = { t, path };

    return snapshot_save_then(&t->m->vm, path, keep_state_and_disks, &s, error);
}

/* An array of DiskSnapshot: the ones of that name. */
static GArray *named_snapshots(const Task *t)
{
    GArray *all = disk_snapshots_new();

    for (unsigned i = 0; i < t->drives->len; i++) {
        const MonitorDrive *d = t->drives->pdata[i];
        ImageSnapshot s;

        for (unsigned k = 0; image_snapshot(d->block, k, &s); k++) {
            if (!strcmp(s.name, t->tag)) {
                DiskSnapshot found = { d, g_strdup(s.id), g_strdup(s.name) };

                g_array_append_val(all, found);
                break;
            }
        }
    }
    return all;
}

static bool load_held(const Task *t, const char *path, GError **error)
{
    GArray *disks = named_snapshots(t);
    bool ok = state_out_of_image(t, path, error) && snapshot_load_disks(&t->m->vm, path, disks, error);

    g_array_free(disks, TRUE);
    return ok;
}

/* `fn` with a file for the state that is gone afterwards. */
static bool with_file(const Task *t, bool (*fn)(const Task *t, const char *path, GError **error), GError **error)
{
    char *path = NULL;
    int fd = g_file_open_tmp("ketch-state-XXXXXX", &path, error);
    bool ok = false;

    if (fd >= 0) {
        MonitorHold hold = monitor_hold(t->m);

        close(fd);
        ok = fn(t, path, error);
        monitor_release(hold);
        unlink(path);
    }
    g_free(path);
    return ok;
}

static bool run_save(const Task *t, GError **error)
{
    return check_tag(t, false, error) && with_file(t, save_held, error);
}

static bool run_load(const Task *t, GError **error)
{
    bool ok, checked = check_tag(t, true, error);

    ok = checked && with_file(t, load_held, error);
    if (checked && !ok && g_error_matches(*error, SNAPSHOT_ERROR, SNAPSHOT_HALF)) {
        monitor_stop(t->m); /* a machine that is not whole does not go on */
    }
    return ok;
}

static bool run_delete(const Task *t, GError **error)
{
    for (unsigned i = 0; i < t->drives->len; i++) {
        const MonitorDrive *d = t->drives->pdata[i];
        int r = has_snapshot(d, t->tag) ? image_snapshot_delete(d->block, t->tag) : 0;

        if (r < 0) {
            return fail(error, "The snapshot cannot be deleted in device", d->id, r);
        }
    }
    return true;
}

/* ---- Jobs ---- */

static MonitorJob *find_job(Monitor *m, const char *id)
{
    for (unsigned i = 0; i < m->jobs->len; i++) {
        if (!strcmp(((MonitorJob *)m->jobs->pdata[i])->id, id)) {
            return m->jobs->pdata[i];
        }
    }
    return NULL;
}

static void tell(Monitor *m, const MonitorJob *job, const char *status)
{
    JsonBuilder *b = build_object();
    JsonNode *node;
    char *text;

    build_str(b, "status", status);
    build_str(b, "id", job->id);
    node = build_end_object(b);
    text = json_to_string(node, FALSE);
    monitor_event(m, MONITOR_EVENT_job_status_change, text);
    g_free(text);
    json_node_unref(node);
}

void monitor_job_free(void *job)
{
    MonitorJob *j = job;

    g_free(j->id);
    g_free(j->error);
    g_free(j);
}

static JsonNode *run_job(Monitor *m, JsonObject *args, const char *type,
                         bool (*run)(const Task *t, GError **error), GError **error)
{
    Task t = { m, json_object_get_string_member(args, "tag"), NULL, NULL };
    const char *id = json_object_get_string_member(args, "job-id");
    GError *why = NULL;
    MonitorJob *job;

    if (find_job(m, id)) {
        g_set_error(error, MONITOR_ERROR, MONITOR_GenericError, "Job ID '%s' already in use", id);
        return NULL;
    }
    job = g_new0(MonitorJob, 1);
    *job = (MonitorJob){ .id = g_strdup(id), .type = type };
    g_ptr_array_add(m->jobs, job);
    tell(m, job, "created");
    tell(m, job, "running");
    t.drives = g_ptr_array_new();
    if (!find_drives(&t, args, &why) || !run(&t, &why)) {
        job->error = g_strdup(why->message);
        g_error_free(why);
    }
    g_ptr_array_free(t.drives, TRUE);
    tell(m, job, "concluded");
    return NULL;
}

JsonNode *qmp_snapshot_save(MonitorSession *s, JsonObject *args, GError **error)
{
    return run_job(s->monitor, args, "snapshot-save", run_save, error);
}

JsonNode *qmp_snapshot_load(MonitorSession *s, JsonObject *args, GError **error)
{
    return run_job(s->monitor, args, "snapshot-load", run_load, error);
}

JsonNode *qmp_snapshot_delete(MonitorSession *s, JsonObject *args, GError **error)
{
    return run_job(s->monitor, args, "snapshot-delete", run_delete, error);
}

JsonNode *query_jobs(MonitorSession *s, JsonObject *args, GError **error)
{
    JsonBuilder *b = build_array();

    (void)args, (void)error;
    for (unsigned i = 0; i < s->monitor->jobs->len; i++) {
        const MonitorJob *job = s->monitor->jobs->pdata[i];

        json_builder_begin_object(b);
        build_str(b, "id", job->id);
        build_str(b, "type", job->type);
        build_str(b, "status", "concluded");
        build_num(b, "current-progress", 1);
        build_num(b, "total-progress", 1);
        if (job->error) {
            build_str(b, "error", job->error);
        }
        json_builder_end_object(b);
    }
    return build_end_array(b);
}

JsonNode *qmp_job_dismiss(MonitorSession *s, JsonObject *args, GError **error)
{
    const char *id = json_object_get_string_member(args, "id");
    MonitorJob *job = find_job(s->monitor, id);

    if (!job) {
        g_set_error(error, MONITOR_ERROR, MONITOR_DeviceNotActive, "Job not found");
        return NULL;
    }
    tell(s->monitor, job, "null");
    g_ptr_array_remove(s->monitor->jobs, job);
    return NULL;
}
