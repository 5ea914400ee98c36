/* SPDX-License-Identifier: Apache-2.0 */
/*
 * devices/host/block/qcow2_check.h - how often each cluster of a file is referred to, counted from
 * the tables that refer, and what was found on the way.
 * Threading:  one thread, with the image to itself.
 */
#ifndef KETCH_DEVICES_HOST_BLOCK_QCOW2_CHECK_H
#define KETCH_DEVICES_HOST_BLOCK_QCOW2_CHECK_H

#include "devices/host/block/qcow2.h"

enum { COUNT_CHUNK = 4096 };

typedef struct Qcow2Count {
    Qcow2 *q;
    ImageCheck *result;
    uint64_t clusters;  /* of the file */
    uint32_t **chunks;  /* of COUNT_CHUNK counters; NULL: all 0 */
    uint64_t n_chunks;
    bool broken;        /* the refcount table or a block cannot be where it is */
} Qcow2Count;

/* false: too large to count. */
MUST_USE bool qcow2_count_init(Qcow2Count *c, Qcow2 *q, ImageCheck *result);
void qcow2_count_fini(Qcow2Count *c);

/* One line for the user. */
void qcow2_count_say(const Qcow2Count *c, const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));

uint64_t qcow2_count_get(const Qcow2Count *c, uint64_t cluster);
void qcow2_count_set(Qcow2Count *c, uint64_t cluster, uint32_t value);

/* All but the refcounts' own tables; then these. */
MUST_USE int qcow2_count_tables(Qcow2Count *c);
MUST_USE int qcow2_count_refcounts(Qcow2Count *c);

/* A whole L2 table of the file, checked for being inside; *table is NULL when it is not. */
MUST_USE int qcow2_count_load_l2(Qcow2Count *c, uint64_t offset, uint8_t **table);

/* New refcount blocks and a new table for what was counted, behind everything else. */
MUST_USE int qcow2_rebuild(Qcow2Count *c);

#endif
