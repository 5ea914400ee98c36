/* SPDX-License-Identifier: Apache-2.0 */
/*
 * ui/monitor/snapshot.h - a whole machine to a file and back: RAM, harts, devices, time.
 *
 * What is on its disks is not part of it: the disks must be as they were (`ketch image snapshot`).
 * A file fits a machine of the same board, harts, RAM and devices, each with the same named fields;
 * anything else, and a damaged file, is refused before anything of the machine is changed.
 *
 * Format: "KETCHVM\n", version, then sections {kind, length of name, size, name, data}:
 *   about   lines "key=value": board, harts, ram, isolation
 *   clock   nanoseconds
 *   hart N  fields       device ID  fields; a field is {length of name, size, count, name, data}
 *   ram ADDRESS          one zstd frame with a checksum: CHUNK bytes; chunks of zeros are left out
 *   end     the number of sections before it
 * Integers are little-endian.
 */
#ifndef KETCH_UI_MONITOR_SNAPSHOT_H
#define KETCH_UI_MONITOR_SNAPSHOT_H

#include "ui/monitor/monitor.h"

/* The machine and its clock are paused, by the caller.  The file is complete or not there. */
MUST_USE bool snapshot_save(const MonitorVm *vm, const char *path, GError **error);
MUST_USE bool snapshot_load(const MonitorVm *vm, const char *path, GError **error);

#endif
