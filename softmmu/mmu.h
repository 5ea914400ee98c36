/* SPDX-License-Identifier: Apache-2.0 */
/*
 * softmmu/mmu.h - guest virtual to host address for one vcpu, the fast way.
 *
 * A *context* is one way to see memory: a page table root, a privilege, and what modifies it.  Each
 * vcpu keeps several, so that changing between them is changing a pointer; what a context has
 * learned stays until it is flushed.  The page walk is the frontend's (FeSystem.walk).
 *
 * Owns:       the tables of every vcpu; generated code reads them through Vcpu.mmu_*, nobody else.
 * Invariant:  an entry is a subset of the page tables as of the last flush that named it, and of
 *             the physical map.  Read entries exist for RAM and ROM; write entries for RAM that
 *             holds no translated code (or whose code was found to be written since); device
 *             registers never have one.
 * Threading:  a vcpu's tables are touched by its own thread only; mmu_flush_other() posts a request
 *             that its run loop takes at the next safepoint.
 */
#ifndef KETCH_SOFTMMU_MMU_H
#define KETCH_SOFTMMU_MMU_H

#include <stdbool.h>
#include <stdint.h>

#include "ir/vcpu.h"
#include "softmmu/physmem.h"

/* How generated code gets from a guest address to the host's: SCHEME(name, meaning) */
#define MMU_SCHEMES(SCHEME)                                                       \
    SCHEME(flat, "one entry for every page of the address space, in reserved memory") \
    SCHEME(tlb, "a small table of the pages used last")

typedef enum MmuScheme {
#define SCHEME(name, meaning) MMU_SCHEME_##name,
    MMU_SCHEMES(SCHEME)
#undef SCHEME
    MMU_SCHEME_COUNT
} MmuScheme;

typedef enum MmuAccess { MMU_read, MMU_write, MMU_exec } MmuAccess;

/* Names a context.  Equal keys see the same memory, apart from what a flush is owed for. */
typedef struct MmuKey {
    uint64_t root;   /* the frontend's: page table, ASID, paging mode; 0: addresses are physical */
    uint32_t rights; /* the frontend's: privilege, SUM, MXR, ... */
    bool shared;     /* the context is one for all roots: entries that are not global go when the
                        root changes (a kernel's view, all of it global) */
} MmuKey;

/* What a walk found: [vaddr, vaddr + size) is at [paddr, ...).  The size is that of the page table's
 * entry, a power of two >= 4096: flushing one address of it flushes all.  It is smaller only where
 * physical protection changes within 4 KiB: nothing is remembered then.  What is allowed is so for
 * the 4 KiB in which the access was. */
typedef struct MmuPage {
    uint64_t vaddr, paddr, size;
    bool read, write, exec; /* allowed to this context, with no further action of the walk */
    bool global;
} MmuPage;

/* Makes `key` the vcpu's context for data (and for fetches, `fetch`, when they differ: MPRV). */
void mmu_switch(Vcpu *vcpu, const MmuKey *data, const MmuKey *fetch);

/* Forgets.  `asid_match` of mmu_flush_root(): roots for which it is true, global entries stay. */
void mmu_flush_all(Vcpu *vcpu);
void mmu_flush_page(Vcpu *vcpu, uint64_t vaddr); /* in every context */
void mmu_flush_root(Vcpu *vcpu, bool (*match)(uint64_t root, uint64_t arg), uint64_t arg);

/* ---- For the translator ---- */

typedef struct FeSystem FeSystem; /* frontends/system.h */
typedef struct CodePages CodePages;

typedef struct MmuConfig {
    const FeSystem *fe;
    PhysMem *mem;
    CodePages *code;
    MmuScheme scheme;
} MmuConfig;

/* Gives the vcpu an MMU, which is in a context of physical addresses.  False: no address space. */
MUST_USE bool mmu_attach(Vcpu *vcpu, const MmuConfig *config);
void mmu_detach(Vcpu *vcpu);

/* Why mmu_access() or mmu_fetch() has said false. */
typedef struct MmuFault {
    uint64_t vaddr;
    MmuAccess access;
    uint64_t cause;
} MmuFault;

const MmuFault *mmu_fault(const Vcpu *vcpu);

/* Vcpu.access: makes the access, as often as needed by pages, or for VCPU_rmw finds its memory.  What
 * can be remembered is.  False: it faults, nothing was done. */
MUST_USE bool mmu_access(Vcpu *vcpu, VcpuAccess *access);

/* The host's memory at vaddr, to read or write the rest of its page, when the tables have it in the context
 * for data: to read, whatever was loaded or stored last.  NULL: they have not. */
uint8_t *mmu_host(const Vcpu *vcpu, uint64_t vaddr, bool write);

/* The physical address of code at `pc`, which is in RAM or ROM. */
MUST_USE bool mmu_fetch(Vcpu *vcpu, uint64_t pc, uint64_t *paddr);

/* The number of the context for fetches: another one after pages of it have been flushed, never 0. */
uint64_t mmu_fetch_number(const Vcpu *vcpu);

/* No vcpu has write entries for the page at physical address `paddr` any more.  No vcpu runs. */
void mmu_protect(Vcpu *vcpu, uint64_t paddr);

#endif
