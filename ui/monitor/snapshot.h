/* SPDX-License-Identifier: Apache-2.0 */
/*
 * ui/monitor/snapshot.h - a whole machine to a file and back: RAM, harts, devices, time, disks.
 *
 * What is on the disks stays in them, as a snapshot of the file's name in each disk that can be
 * written; these must be qcow2 images.  The file has the name and the time of each, so that it finds
 * its own.  A machine that is saved without its disks needs them to be as they were.
 *
 * A file fits a machine of the same board, harts, RAM, devices and disks, each with the same named
 * fields; anything else, and a damaged file, is refused before anything of the machine is changed.
 *
 * Format: "KETCHVM\n", version, then sections {kind, length of name, size, CRC-32, 0, name, data}:
 *   about   lines "key=value": board, harts, ram, isolation
 *   clock   nanoseconds
 *   disk DRIVE  "TIME NAME" of its snapshot
 *   hart N  fields       device ID  fields; a field is {length of name, size, count, name, data}
 *   ram ADDRESS, memory DEVICE:OFFSET  one zstd frame: CHUNK bytes; chunks of zeros are left out
 *   end     the number of sections before it
 * Integers are little-endian.
 */
#ifndef KETCH_UI_MONITOR_SNAPSHOT_H
#define KETCH_UI_MONITOR_SNAPSHOT_H

#include "ui/monitor/monitor.h"

/* An error of snapshot_load(): the machine was changed, and is not whole. */
#define SNAPSHOT_ERROR g_quark_from_static_string("ketch-snapshot")
enum { SNAPSHOT_HALF };

/* The machine and its clock are paused, by the caller.  The file, and the snapshots of the disks, are
 * complete or not there; a file and snapshots of that name that were there before are replaced. */
MUST_USE bool snapshot_save(const MonitorVm *vm, const char *path, bool with_disks, GError **error);
MUST_USE bool snapshot_load(const MonitorVm *vm, const char *path, GError **error);

/* The same for a caller that makes the snapshots of the disks itself.  then() is called when the file
 * is there, before any device goes on; `disks` (snapshot_disks.h) are taken back with the machine. */
MUST_USE bool snapshot_save_then(const MonitorVm *vm, const char *path,
                                 bool (*then)(void *opaque, GError **error), void *opaque, GError **error);
MUST_USE bool snapshot_load_disks(const MonitorVm *vm, const char *path, const GArray *disks, GError **error);

/* Deletes the file, and before it the snapshots of this machine's disks that belong to it; those that
 * are gone already are not missed.  A file that is no whole snapshot is left alone. */
MUST_USE bool snapshot_delete(const MonitorVm *vm, const char *path, GError **error);

#endif
