/* SPDX-License-Identifier: Apache-2.0 */
/* Overlap checks: which clusters of a writable image hold metadata, so that nothing else is ever
 * written there, whatever a damaged table says. */
#include <errno.h>

#include "devices/host/block/qcow2.h"

static const char *const owner_names[] = {
    [QCOW2_OWNER_NONE] = "data",
    [QCOW2_OWNER_HEADER] = "the header",
    [QCOW2_OWNER_L1] = "the L1 table",
    [QCOW2_OWNER_L2] = "an L2 table",
    [QCOW2_OWNER_REFCOUNT_TABLE] = "the refcount table",
    [QCOW2_OWNER_REFCOUNT_BLOCK] = "a refcount block",
    [QCOW2_OWNER_SNAPSHOT_TABLE] = "the snapshot table",
    [QCOW2_OWNER_SNAPSHOT_L1] = "the L1 table of a snapshot",
};

static gpointer key(uint64_t cluster)
{
    return GSIZE_TO_POINTER(cluster + 1);
}

static Qcow2Owner owner_of(const Qcow2 *q, uint64_t cluster)
{
    return (Qcow2Owner)GPOINTER_TO_UINT(g_hash_table_lookup(q->owners, key(cluster)));
}

void qcow2_owners_set(Qcow2 *q, uint64_t offset, uint64_t bytes, Qcow2Owner owner)
{
    uint64_t first = offset >> q->h.cluster_bits, n = qcow2_clusters(q, bytes);

    for (uint64_t c = first; q->owners && c < first + n; c++) {
        if (owner == QCOW2_OWNER_NONE) {
            g_hash_table_remove(q->owners, key(c));
        } else {
            g_hash_table_insert(q->owners, key(c), GUINT_TO_POINTER(owner));
        }
    }
}

int qcow2_owners_check(Qcow2 *q, uint64_t offset, uint64_t bytes)
{
    uint64_t first = offset >> q->h.cluster_bits, last = (offset + bytes - 1) >> q->h.cluster_bits;

    for (uint64_t c = first; c <= last; c++) {
        Qcow2Owner owner = owner_of(q, c);

        if (owner != QCOW2_OWNER_NONE) {
            return qcow2_corrupt(q, "data would overwrite %s at offset 0x%" G_GINT64_MODIFIER "x",
                                 owner_names[owner], c << q->h.cluster_bits);
        }
    }
    return 0;
}

static bool claim(Qcow2 *q, uint64_t offset, uint64_t bytes, Qcow2Owner owner, GError **error)
{
    uint64_t first = offset >> q->h.cluster_bits, n = qcow2_clusters(q, bytes);

    for (uint64_t c = first; c < first + n; c++) {
        Qcow2Owner other = owner_of(q, c);

        if (other != QCOW2_OWNER_NONE) {
            g_set_error(error, BLOCK_ERROR, 0, "%s is damaged: %s and %s are both at offset "
                        "0x%" G_GINT64_MODIFIER "x (`ketch image check -r all` repairs)",
                        q->block->name, owner_names[other], owner_names[owner],
                        c << q->h.cluster_bits);
            return false;
        }
    }
    qcow2_owners_set(q, offset, bytes, owner);
    return true;
}

static bool claim_entries(Qcow2 *q, const uint64_t *table, uint64_t n, uint64_t mask,
                          Qcow2Owner owner, GError **error)
{
    for (uint64_t i = 0; i < n; i++) {
        uint64_t offset = table[i] & mask;

        if (!offset) {
            continue;
        }
        if (offset & (q->cluster_size - 1) || !qcow2_inside(q, offset)) {
            g_set_error(error, BLOCK_ERROR, 0, "%s is damaged: %s cannot be at offset "
                        "0x%" G_GINT64_MODIFIER "x", q->block->name, owner_names[owner], offset);
            return false;
        }
        if (!claim(q, offset, q->cluster_size, owner, error)) {
            return false;
        }
    }
    return true;
}

bool qcow2_owners_build(Qcow2 *q, GError **error)
{
    if (q->owners) {
        g_hash_table_destroy(q->owners);
    }
    q->owners = g_hash_table_new(g_direct_hash, g_direct_equal);
    if (!claim(q, 0, q->cluster_size, QCOW2_OWNER_HEADER, error) ||
        !claim(q, q->h.refcount_table_offset, 8 * q->refcount_entries, QCOW2_OWNER_REFCOUNT_TABLE,
               error) ||
        !claim(q, q->h.l1_offset, UINT64_C(8) * q->h.l1_size, QCOW2_OWNER_L1, error) ||
        !claim(q, q->h.snapshots_offset, q->snapshots_bytes, QCOW2_OWNER_SNAPSHOT_TABLE,
               error) ||
        !claim_entries(q, q->refcount_table, q->refcount_entries, QCOW2_REFTABLE_MASK,
                       QCOW2_OWNER_REFCOUNT_BLOCK, error) ||
        !claim_entries(q, q->l1, q->h.l1_size, QCOW2_OFFSET_MASK, QCOW2_OWNER_L2, error)) {
        return false;
    }
    for (unsigned i = 0; i < q->snapshots->len; i++) {
        const Qcow2Snapshot *s = &g_array_index(q->snapshots, Qcow2Snapshot, i);

        if (!claim(q, s->l1_offset, UINT64_C(8) * s->l1_size, QCOW2_OWNER_SNAPSHOT_L1, error)) {
            return false;
        }
    }
    return true;
}
