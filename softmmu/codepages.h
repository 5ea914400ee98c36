/* SPDX-License-Identifier: Apache-2.0 */
/*
 * softmmu/codepages.h - which pages of RAM hold translated code, and which of those were written.
 *
 * A page is plain, or has code, or has code and was written since somebody looked.  Stores to a page
 * that has code and was not written take the slow path (softmmu/mmu.c), which says so here.
 *
 * Threading: any thread.  Adding and taking happen while no vcpu runs, so that no vcpu is between
 * asking and storing; a device's write that is under way is seen by whoever reads the page after.
 */
#ifndef KETCH_SOFTMMU_CODEPAGES_H
#define KETCH_SOFTMMU_CODEPAGES_H

#include <stdbool.h>
#include <stdint.h>

#include "softmmu/physmem.h"

typedef struct CodePages CodePages;

CodePages *codepages_new(PhysMem *mem); /* NULL: out of memory */

/* Stores to the page must be noticed. */
bool codepages_guarded(const CodePages *code, uint64_t paddr);

/* The page has code from now on. */
bool codepages_has(const CodePages *code, uint64_t paddr);
void codepages_add(CodePages *code, uint64_t paddr);

/* [paddr, paddr + size) has been written. */
void codepages_written(CodePages *code, uint64_t paddr, uint64_t size);

/* Some page was written. */
bool codepages_any_written(const CodePages *code);

/* One of the written pages, which is taken to be unwritten again.  False: no more. */
bool codepages_take(CodePages *code, uint64_t *paddr);

/* The page has no code any more. */
void codepages_remove(CodePages *code, uint64_t paddr);

/* ---- Who has write entries for a page: a name that is the MMU's own, 0 for nobody, or MANY ---- */

#define CODEPAGES_MANY UINT64_MAX

void codepages_note_writer(CodePages *code, uint64_t paddr, uint64_t who);
uint64_t codepages_writer(const CodePages *code, uint64_t paddr);

/* No vcpu runs. */
void codepages_forget_writer(CodePages *code, uint64_t paddr);

#endif
