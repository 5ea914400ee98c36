/* SPDX-License-Identifier: Apache-2.0 */
/* ui/monitor/snapshot_disks.h - what a machine's disks hold, as snapshots inside of their images. */
#ifndef KETCH_UI_MONITOR_SNAPSHOT_DISKS_H
#define KETCH_UI_MONITOR_SNAPSHOT_DISKS_H

#include "ui/monitor/monitor.h"

/* One snapshot of a disk: drive and id of the snapshot in its image. */
typedef struct DiskSnapshot {
    const MonitorDrive *drive;
    char *id, *text; /* text: its name and time, which a machine's file has, too */
} DiskSnapshot;

/* An empty array of DiskSnapshot, which owns what is in it. */
GArray *disk_snapshots_new(void);

/* Makes one named `name` in every disk that can be written: all or none.  NULL and error, which names
 * the disk that cannot have one. */
GArray *disk_snapshots_make(const MonitorVm *vm, const char *name, GError **error);

/* Removes those that were made; or instead all others of that name. */
void disk_snapshots_undo(const GArray *made);
void disk_snapshots_keep(const GArray *made, const char *name);

/* Adds the one that `text` says.  False and error: the machine has no such drive, or it no such
 * snapshot. */
MUST_USE bool disk_snapshots_find(const MonitorVm *vm, const char *drive, const char *text,
                                  GArray *found, GError **error);

/* Deletes the one that `text` says, when the disk has it (still).  False and error: the machine has no
 * such drive that can be written, or it cannot be deleted. */
MUST_USE bool disk_snapshots_delete(const MonitorVm *vm, const char *drive, const char *text,
                                    GError **error);

/* False and error: a disk that can be written is not among them. */
MUST_USE bool disk_snapshots_complete(const MonitorVm *vm, const GArray *found, GError **error);

/* Takes the disks back.  How many were; if not all, error. */
unsigned disk_snapshots_apply(const GArray *found, GError **error);

#endif
