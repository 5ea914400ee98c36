/* SPDX-License-Identifier: Apache-2.0 */
/*
 * softmmu/tables.h - the layout of the tables that generated code reads through Vcpu.mmu_read and
 * mmu_write.  With MMU_SCHEME_flat these are arrays of addends; with MMU_SCHEME_tlb both are the
 * same array of MmuTlbEntry.
 */
#ifndef KETCH_SOFTMMU_TABLES_H
#define KETCH_SOFTMMU_TABLES_H

#include <stdint.h>

enum {
    MMU_PAGE = 4096,
    MMU_FLAT_SHIFT = 16, /* bits of an address that an index has not, at the upper end */
    MMU_TLB_ENTRIES = 1024,
    MMU_RECENT = 2048,
    MMU_RECENT_ROW = 16,
};

#define MMU_FLAT_ENTRIES (UINT64_C(1) << (64 - MMU_FLAT_SHIFT - 12))

/* The address of a page, or: */
#define MMU_TLB_NONE UINT64_MAX

typedef struct MmuTlbEntry {
    uint64_t read, write; /* the page that may be read, written */
    uint64_t addend;
    uint64_t unused;
} MmuTlbEntry;

/* The page that an instruction of a region accessed the last time: a guess that needs no look into the tables,
 * of which all this is a part.  Each such instruction has a place, which others may share; what stores, one
 * in the upper half.  Generated code fills it.  What is all ones is no page: the sum of its addend and an
 * address of that page makes the host fault. */
typedef struct MmuRecent {
    uint64_t page, addend;
} MmuRecent;

typedef struct MmuRecents {
    MmuRecent place[MMU_RECENT];
    uint8_t used[MMU_RECENT / MMU_RECENT_ROW]; /* 1: some of so many in a row have been filled */
} MmuRecents;

#endif
