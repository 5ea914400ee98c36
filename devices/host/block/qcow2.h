/* SPDX-License-Identifier: Apache-2.0 */
/*
 * devices/host/block/qcow2.h - one open qcow2 image.  Section titles in comments are those of
 * "Qcow2 Image File Format" in QEMU's documentation.
 *
 * On the disk, always: what is referenced has a refcount.  So increments are written (and synced)
 * before the references to what they count, decrements after the references are gone.  A process
 * that dies in between leaves clusters that nobody uses (leaks), nothing worse.
 *
 * Threading:  `io` is held shared by requests in flight, exclusively by what lets clusters be used
 *             for something else or changes the tables as a whole.  Order: flushing, io, meta.
 *             `meta` guards all the rest of the state and is not held while data moves.  `changed`
 *             is signalled when a request in `writers` ends or slices are no longer frozen.
 * Suffixes:   _locked: the caller holds `meta`.
 */
#ifndef KETCH_DEVICES_HOST_BLOCK_QCOW2_H
#define KETCH_DEVICES_HOST_BLOCK_QCOW2_H

#include <pthread.h>

#include "devices/host/block/driver.h"
#include "devices/host/block/qcow2_cache.h"
#include "devices/host/block/qcow2_format.h"

/* What a cluster of the file is known to hold, besides data. */
typedef enum Qcow2Owner {
    QCOW2_OWNER_NONE,
    QCOW2_OWNER_HEADER,
    QCOW2_OWNER_L1,
    QCOW2_OWNER_L2,
    QCOW2_OWNER_REFCOUNT_TABLE,
    QCOW2_OWNER_REFCOUNT_BLOCK,
    QCOW2_OWNER_SNAPSHOT_TABLE,
    QCOW2_OWNER_SNAPSHOT_L1,
} Qcow2Owner;

/* An L2 entry; `bitmap` only with extended L2 entries. */
typedef struct Qcow2Entry {
    uint64_t descriptor;
    uint64_t bitmap;
} Qcow2Entry;

typedef enum Qcow2Type {
    QCOW2_UNALLOCATED,
    QCOW2_ZERO,
    QCOW2_DATA,
    QCOW2_COMPRESSED,
} Qcow2Type;

/* A run of guest bytes that are alike. */
typedef struct Qcow2Run {
    Qcow2Type type;
    uint64_t length;
    uint64_t host;       /* QCOW2_DATA: of the first byte; QCOW2_COMPRESSED: of the compressed data */
    uint32_t compressed; /* bytes of it at most */
} Qcow2Run;

/* A write that is giving guest clusters [first, last] a new place: others wait for it. */
typedef struct Qcow2Writer {
    uint64_t first, last;
    struct Qcow2Writer *next;
} Qcow2Writer;

typedef struct Qcow2Snapshot {
    char *id, *name;
    uint64_t l1_offset;
    uint32_t l1_size;
    uint64_t vm_state_size, disk_size, date_s, vm_clock_ns, icount;
    uint32_t date_ns;
    uint8_t *unknown_extra; /* behind the fields that are known */
    uint32_t unknown_extra_size;
} Qcow2Snapshot;

/* Clusters [first, first + count) lose a reference once the change that dropped it is durable. */
typedef struct Qcow2Free {
    uint64_t first, count;
} Qcow2Free;

enum { QCOW2_INFLATED = 4 };

/* The last compressed clusters that were read; under its own lock. */
typedef struct Qcow2Inflated {
    pthread_mutex_t lock;
    uint64_t host[QCOW2_INFLATED]; /* 0: none */
    uint8_t *data[QCOW2_INFLATED];
    unsigned next;
    uint64_t generation; /* of clear() */
} Qcow2Inflated;

typedef struct Qcow2 {
    Block *block;
    BlockFile *file;
    Qcow2Header h;
    uint32_t cluster_size;
    unsigned l2_bits;      /* log2 of the entries of a table */
    unsigned entry_bytes;  /* 8, or 16 with extended L2 entries */
    unsigned sub_bits;     /* log2 of the bytes that can be allocated by themselves */
    unsigned refblock_bits; /* log2 of the refcounts of a block */
    uint64_t refcount_max;

    pthread_rwlock_t io;
    pthread_mutex_t meta;
    pthread_cond_t changed;
    pthread_mutex_t flushing; /* one flush at a time */

    uint64_t *l1;        /* h.l1_size entries, as numbers of the host */
    GArray *l1_dirty;    /* uint32_t: entries that differ from the file */
    uint64_t *refcount_table;
    uint64_t refcount_entries;
    GArray *refcount_dirty; /* uint64_t: entries of it that the file does not have yet */
    Qcow2Cache *l2_cache, *refcount_cache;
    Qcow2Writer *writers;
    GArray *frees;          /* Qcow2Free */
    uint64_t frees_clusters;
    uint64_t free_hint;     /* no cluster below is free */
    uint64_t file_end;      /* the file reads as zeros from here on */
    uint64_t compress_next; /* where the next compressed cluster may start; 0: in a new one */
    GHashTable *owners;     /* cluster + 1 -> Qcow2Owner; NULL: read-only */
    GArray *snapshots;      /* Qcow2Snapshot */
    uint64_t snapshots_bytes; /* of their table in the file */
    Qcow2Inflated inflated;
    bool failed;            /* found corrupt while open: nothing is written any more */
    _Atomic bool warned;
} Qcow2;

static inline uint64_t qcow2_clusters(const Qcow2 *q, uint64_t bytes)
{
    return (bytes >> q->h.cluster_bits) + ((bytes & (q->cluster_size - 1)) != 0);
}

/* The L1 entries that a disk of this size needs. */
static inline uint64_t qcow2_l1_entries(const Qcow2 *q, uint64_t bytes)
{
    uint64_t clusters = qcow2_clusters(q, bytes);

    return (clusters >> q->l2_bits) + ((clusters & ((UINT64_C(1) << q->l2_bits) - 1)) != 0);
}

/* Metadata that cannot be: says so, once, and if the image is writable marks it as corrupt and
 * writes nothing any more; -EIO.  Under `meta`. */
int qcow2_corrupt(Qcow2 *q, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
/* Data that cannot be: says so, once; -EIO. */
int qcow2_damaged(Qcow2 *q, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

/* ---- qcow2_owner.c: overlap checks ---- */

/* From the tables in memory; false: two of them overlap. */
bool qcow2_owners_build(Qcow2 *q, GError **error);
void qcow2_owners_set(Qcow2 *q, uint64_t offset, uint64_t bytes, Qcow2Owner owner);
/* 0 when no cluster of the range holds metadata, else as qcow2_corrupt(). */
MUST_USE int qcow2_owners_check(Qcow2 *q, uint64_t offset, uint64_t bytes);

/* ---- qcow2_refcount.c ---- */

uint64_t qcow2_refcount_load(const void *block, unsigned order, uint64_t i);
void qcow2_refcount_store(void *block, unsigned order, uint64_t i, uint64_t value);

MUST_USE int qcow2_refcount_get_locked(Qcow2 *q, uint64_t cluster, uint64_t *value);
/* -ERANGE: it would not fit.  Decrements only when the reference is gone from the disk. */
MUST_USE int qcow2_refcount_add_locked(Qcow2 *q, uint64_t cluster, int delta);
/* For repairs; its block must be there. */
MUST_USE int qcow2_refcount_set_locked(Qcow2 *q, uint64_t cluster, uint64_t value);

/* Writes them all back; for the cache, too. */
MUST_USE int qcow2_write_refcounts_locked(void *qcow2);

/* `min` to `want` clusters in a row with a refcount of 1.  *fresh: they read as zeros. */
MUST_USE int qcow2_alloc_locked(Qcow2 *q, uint64_t want, uint64_t min, uint64_t *offset,
                                uint64_t *got, bool *fresh);
/* Undoes qcow2_alloc_locked(): nothing has referred to it yet. */
void qcow2_unalloc_locked(Qcow2 *q, uint64_t offset, uint64_t clusters);
/* A reference goes; it counts until a flush has made that durable. */
void qcow2_free_locked(Qcow2 *q, uint64_t offset, uint64_t clusters);
/* What a descriptor refers to. */
void qcow2_free_entry_locked(Qcow2 *q, uint64_t descriptor);

/* ---- qcow2_flush.c ---- */

MUST_USE int qcow2_flush(Qcow2 *q);
/* No request is in flight between the two. */
void qcow2_exclusive_begin(Qcow2 *q);
void qcow2_exclusive_end(Qcow2 *q);
/* Between them, without `meta`: a flush after which no free is pending. */
MUST_USE int qcow2_flush_exclusive(Qcow2 *q);
/* Writes back what can be, for the caches; holds `meta` all the time. */
MUST_USE int qcow2_write_back_locked(void *qcow2);
/* A flush when too many frees are pending; without locks. */
MUST_USE int qcow2_relieve(Qcow2 *q);

/* ---- qcow2_map.c ---- */

Qcow2Entry qcow2_entry_load(const Qcow2 *q, const uint8_t *slice, unsigned i);
void qcow2_entry_store(const Qcow2 *q, uint8_t *slice, unsigned i, Qcow2Entry e);
Qcow2Type qcow2_entry_type(const Qcow2 *q, Qcow2Entry e, unsigned sub);
/* Whether something of the file can start there: nothing is behind its end. */
bool qcow2_inside(Qcow2 *q, uint64_t host);
/* -EIO: an offset that no image may have. */
MUST_USE int qcow2_table_check(Qcow2 *q, uint64_t table);
MUST_USE int qcow2_entry_check(Qcow2 *q, Qcow2Entry e, uint64_t cluster);
/* Where the compressed data of a descriptor is, and how many bytes it has at most. */
void qcow2_compressed_place(const Qcow2 *q, uint64_t descriptor, uint64_t *host, uint32_t *bytes);

/* The L2 table for `cluster` is made or copied as needed, so that it comes before its data. */
MUST_USE int qcow2_own_table_locked(Qcow2 *q, uint64_t cluster);

/* Part of the L2 table that describes guest cluster `cluster`: `index` of its entry, `left` entries
 * from there on.  *slice is NULL where there is no table, and valid until the next call.  For
 * writing, the table is made or copied as needed, not frozen and dirty; that may let go of `meta`
 * for a while. */
MUST_USE int qcow2_slice_locked(Qcow2 *q, uint64_t cluster, bool write, uint8_t **slice,
                                unsigned *index, unsigned *left);
MUST_USE int qcow2_map_locked(Qcow2 *q, uint64_t offset, uint64_t bytes, Qcow2Run *run);
/* A larger L1 table; `io` held exclusively. */
MUST_USE int qcow2_l1_grow_locked(Qcow2 *q, uint64_t entries);
MUST_USE int qcow2_resize(Block *b, uint64_t size);

/* ---- qcow2_read.c, qcow2_write.c ---- */

/* Without regard to the size of the disk; `io` is held. */
MUST_USE int qcow2_read_range(Qcow2 *q, uint64_t offset, uint64_t bytes, const struct iovec *iov,
                              int n);
MUST_USE int qcow2_write_range(Qcow2 *q, uint64_t offset, uint64_t bytes, const struct iovec *iov,
                               int n);
void qcow2_inflated_clear(Qcow2 *q);

int qcow2_read(Block *b, uint64_t offset, uint64_t bytes, const struct iovec *iov, int n);
int qcow2_write(Block *b, uint64_t offset, uint64_t bytes, const struct iovec *iov, int n);
int qcow2_write_compressed(Block *b, uint64_t offset, const void *data, size_t compressed);
/* Waits until no writer has a cluster of [first, last]; from enter to leave, *w has those of its. */
void qcow2_wait_locked(Qcow2 *q, uint64_t first, uint64_t last);
bool qcow2_busy_locked(const Qcow2 *q, uint64_t cluster);
void qcow2_enter_locked(Qcow2 *q, Qcow2Writer *w);
void qcow2_leave_locked(Qcow2 *q, Qcow2Writer *w);

/* ---- qcow2_zero.c ---- */

int qcow2_discard(Block *b, uint64_t offset, uint64_t bytes);
int qcow2_write_zeroes(Block *b, uint64_t offset, uint64_t bytes, bool may_unmap);
/* Drops whole guest clusters; `io` is held. */
MUST_USE int qcow2_drop_range(Qcow2 *q, uint64_t first, uint64_t clusters);

/* ---- qcow2_snapshot.c, qcow2_snapshots.c ---- */

MUST_USE int qcow2_snapshots_load(Qcow2 *q, GError **error);
/* Of Qcow2Snapshot, whose strings it owns. */
GArray *qcow2_snapshots_new(void);
void qcow2_snapshots_free(GArray *snapshots);
/* Writes a table of these, switches to it and frees the old one; takes them over on success. */
MUST_USE int qcow2_snapshots_store(Qcow2 *q, GArray *snapshots);
bool qcow2_snapshot(Block *b, unsigned i, ImageSnapshot *snapshot);
int qcow2_snapshot_create(Block *b, const ImageSnapshot *snapshot);
int qcow2_snapshot_apply(Block *b, const char *id_or_name);
int qcow2_snapshot_delete(Block *b, const char *id_or_name);
int qcow2_snapshot_show(Block *b, const char *id_or_name);
int qcow2_vm_state(Block *b, uint64_t position, uint64_t bytes, const struct iovec *iov, int n,
                   bool write);

/* ---- qcow2_check.c, qcow2_create.c, qcow2_compress.c, qcow2.c ---- */

int qcow2_check(Block *b, ImageRepair repair, ImageCheck *result);
bool qcow2_create(BlockFile *file, const ImageCreate *c, GError **error);
/* Exactly `room` bytes come out; false: damaged. */
bool qcow2_decompress(ImageCompression c, const void *data, size_t bytes, void *out, size_t room);
/* The tables, read again from the file after it was repaired. */
MUST_USE bool qcow2_load_tables(Qcow2 *q, GError **error);
MUST_USE int qcow2_set_incompatible(Qcow2 *q, uint64_t set, uint64_t clear);

#endif
