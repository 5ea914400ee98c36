/* SPDX-License-Identifier: Apache-2.0 */
#include "ui/monitor/snapshot_disks.h"

#include <inttypes.h>
#include <string.h>

#include "devices/host/block/image.h"
#include "ui/monitor/state.h"

static void clear(void *one)
{
    DiskSnapshot *d = one;

    g_free(d->id);
    g_free(d->text);
}

GArray *disk_snapshots_new(void)
{
    GArray *all = g_array_new(FALSE, FALSE, sizeof(DiskSnapshot));

    g_array_set_clear_func(all, clear);
    return all;
}

/* Another snapshot of the same name has another time. */
static char *text_of(const ImageSnapshot *s)
{
    return g_strdup_printf("%" PRIu64 ".%09" PRIu32 " %s", s->date_s, s->date_ns, s->name);
}

/* Appends it when the disk has it. */
static bool find(const MonitorDrive *drive, const char *text, GArray *found)
{
    ImageSnapshot s;

    for (unsigned i = 0; image_snapshot(drive->block, i, &s); i++) {
        DiskSnapshot d = { drive, NULL, text_of(&s) };

        if (!strcmp(d.text, text)) {
            d.id = g_strdup(s.id);
            g_array_append_val(found, d);
            return true;
        }
        g_free(d.text);
    }
    return false;
}

/* ---- Saving ---- */

static bool can_all(const MonitorVm *vm, GError **error)
{
    for (size_t i = 0; i < vm->n_drives; i++) {
        ImageQcow2Info info;
        Block *block = vm->drives[i].block;

        if (!block_read_only(block) && !image_qcow2_info(block, &info)) {
            g_set_error(error, MONITOR_ERROR, 0, "drive '%s' can be written, but its format holds no "
                        "snapshots (qcow2 does); savevm -m saves the machine without its disks",
                        vm->drives[i].id);
            return false;
        }
    }
    return true;
}

GArray *disk_snapshots_make(const MonitorVm *vm, const char *name, GError **error)
{
    gint64 now = g_get_real_time();
    ImageSnapshot s = { .name = name, .date_s = (uint64_t)(now / G_USEC_PER_SEC),
                        .date_ns = (uint32_t)(now % G_USEC_PER_SEC) * 1000,
                        .vm_clock_ns = clock_ns(vm->clock), .icount = UINT64_MAX };
    GArray *made = disk_snapshots_new();
    char *text = text_of(&s);
    bool ok = can_all(vm, error);

    for (size_t i = 0; ok && i < vm->n_drives; i++) {
        const MonitorDrive *drive = &vm->drives[i];
        int r = block_read_only(drive->block) ? 0 : image_snapshot_create(drive->block, &s);

        ok = r == 0;
        if (!ok) {
            g_set_error(error, MONITOR_ERROR, 0, "drive '%s': no snapshot can be made: %s", drive->id,
                        g_strerror(-r));
        } else if (!block_read_only(drive->block)) {
            ok = find(drive, text, made);
            CHECK(ok, "%s", text);
        }
    }
    g_free(text);
    if (!ok) {
        disk_snapshots_undo(made);
        g_array_free(made, TRUE);
        return NULL;
    }
    return made;
}

void disk_snapshots_undo(const GArray *made)
{
    for (unsigned i = 0; i < made->len; i++) {
        const DiskSnapshot *d = &g_array_index(made, DiskSnapshot, i);

        (void)!image_snapshot_delete(d->drive->block, d->id);
    }
}

/* The id of one with that name that is not `but`; to be freed.  NULL: there is none. */
static char *another(Block *block, const char *name, const char *but)
{
    ImageSnapshot s;

    for (unsigned i = 0; image_snapshot(block, i, &s); i++) {
        if (!strcmp(s.name, name) && strcmp(s.id, but) != 0) {
            return g_strdup(s.id);
        }
    }
    return NULL;
}

void disk_snapshots_keep(const GArray *made, const char *name)
{
    for (unsigned i = 0; i < made->len; i++) {
        const DiskSnapshot *d = &g_array_index(made, DiskSnapshot, i);
        char *id;
        int r = 0;

        while (r == 0 && (id = another(d->drive->block, name, d->id))) {
            r = image_snapshot_delete(d->drive->block, id);
            g_free(id);
        }
    }
}

/* ---- Loading ---- */

static const MonitorDrive *find_drive(const MonitorVm *vm, const char *id)
{
    for (size_t i = 0; i < vm->n_drives; i++) {
        if (!strcmp(vm->drives[i].id, id)) {
            return &vm->drives[i];
        }
    }
    return NULL;
}

/* NULL and error: there is none, or it is read-only. */
static const MonitorDrive *find_writable(const MonitorVm *vm, const char *id, GError **error)
{
    const MonitorDrive *d = find_drive(vm, id);

    if (!d) {
        g_set_error(error, MONITOR_ERROR, 0, "this machine has no drive '%s'", id);
    } else if (block_read_only(d->block)) {
        g_set_error(error, MONITOR_ERROR, 0, "drive '%s' is read-only here", id);
        return NULL;
    }
    return d;
}

bool disk_snapshots_find(const MonitorVm *vm, const char *drive, const char *text, GArray *found,
                         GError **error)
{
    const MonitorDrive *d = find_writable(vm, drive, error);

    if (d && !find(d, text, found)) {
        g_set_error(error, MONITOR_ERROR, 0, "drive '%s' has no snapshot \"%s\" of that time", drive,
                    strchr(text, ' ') ? strchr(text, ' ') + 1 : text);
        return false;
    }
    return d != NULL;
}

bool disk_snapshots_delete(const MonitorVm *vm, const char *drive, const char *text, GError **error)
{
    const MonitorDrive *d = find_writable(vm, drive, error);
    GArray *found = disk_snapshots_new();
    int r = 0;

    if (d && find(d, text, found)) {
        r = image_snapshot_delete(d->block, g_array_index(found, DiskSnapshot, 0).id);
    }
    if (r < 0) {
        g_set_error(error, MONITOR_ERROR, 0, "drive '%s': its snapshot cannot be deleted: %s", drive,
                    g_strerror(-r));
    }
    g_array_free(found, TRUE);
    return d && r >= 0;
}

bool disk_snapshots_complete(const MonitorVm *vm, const GArray *found, GError **error)
{
    for (size_t i = 0; i < vm->n_drives; i++) {
        bool in = block_read_only(vm->drives[i].block);

        for (unsigned k = 0; k < found->len && !in; k++) {
            in = g_array_index(found, DiskSnapshot, k).drive == &vm->drives[i];
        }
        if (!in) {
            g_set_error(error, MONITOR_ERROR, 0, "drive '%s' was not part of the machine",
                        vm->drives[i].id);
            return false;
        }
    }
    return true;
}

unsigned disk_snapshots_apply(const GArray *found, GError **error)
{
    for (unsigned i = 0; i < found->len; i++) {
        const DiskSnapshot *d = &g_array_index(found, DiskSnapshot, i);
        int r = image_snapshot_apply(d->drive->block, d->id);

        if (r < 0) {
            g_set_error(error, MONITOR_ERROR, 0, "drive '%s' cannot be taken back: %s", d->drive->id,
                        g_strerror(-r));
            return i;
        }
    }
    return found->len;
}
