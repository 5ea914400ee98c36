/* SPDX-License-Identifier: Apache-2.0 */
/*
 * devices/host/block/qcow2_cache.h - parts of tables of a file in memory, written back later.
 *
 * Owns:       at most `most` slices of `bytes` bytes (more only while all are frozen), by their
 *             offset in the file.  A frozen slice is being made durable: nobody changes it.
 * Threading:  the caller's lock.
 */
#ifndef KETCH_DEVICES_HOST_BLOCK_QCOW2_CACHE_H
#define KETCH_DEVICES_HOST_BLOCK_QCOW2_CACHE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/check.h"
#include "devices/host/block/file.h"

typedef struct Qcow2Cache Qcow2Cache;

/* `write_back` makes the slices that are not frozen clean when one must go. */
Qcow2Cache *qcow2_cache_new(BlockFile *file, size_t bytes, unsigned most,
                            int (*write_back)(void *opaque), void *opaque);
void qcow2_cache_free(Qcow2Cache *c);

/* The slice at `offset`, a multiple of its size; valid until the next call of this. */
MUST_USE int qcow2_cache_get(Qcow2Cache *c, uint64_t offset, uint8_t **data);
/* The slice there has been changed. */
void qcow2_cache_dirty(Qcow2Cache *c, uint64_t offset);
bool qcow2_cache_frozen(const Qcow2Cache *c, uint64_t offset);
/* What is cached of the range is no longer so, and not written any more. */
void qcow2_cache_drop(Qcow2Cache *c, uint64_t offset, uint64_t bytes);
void qcow2_cache_drop_all(Qcow2Cache *c);

/* How many are dirty. */
unsigned qcow2_cache_dirty_count(const Qcow2Cache *c);
/* Writes those that are dirty and not frozen. */
MUST_USE int qcow2_cache_write(Qcow2Cache *c);
/* Freezes the dirty ones; writes and thaws them (`write` false: they stay dirty). */
void qcow2_cache_freeze(Qcow2Cache *c);
MUST_USE int qcow2_cache_thaw(Qcow2Cache *c, bool write);

#endif
