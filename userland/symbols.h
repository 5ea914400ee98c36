/* SPDX-License-Identifier: Apache-2.0 */
/*
 * userland/symbols.h - which file and which symbol a guest address belongs to.
 *
 * Owns:       what was read of the files that the guest has mapped.  A file is read when an
 *             address in it is first asked for, and kept for the life of the process: strings
 *             handed out stay valid.  .symtab, or .dynsym of a stripped file, through libelf.
 * Answers are about what is mapped at the time of the call, also after munmap() and mmap() of
 *             something else at the same place.
 * Threading:  any thread, also with the translator's lock held; not from signal handlers.
 */
#ifndef KETCH_USERLAND_SYMBOLS_H
#define KETCH_USERLAND_SYMBOLS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef struct SymbolPlace {
    const char *file;        /* absolute host path, or "[vdso]" and the like; never NULL */
    uint64_t bias;           /* address in memory = address in the ELF file + bias */
    const uint8_t *build_id; /* of the file; NULL: none */
    size_t build_id_size;
    const char *name;        /* of the function (or label) around the address; NULL: unknown */
    uint64_t start, size;    /* of the function, in memory */
} SymbolPlace;

/* False when pc is not in a file.  *place is valid only with true. */
bool symbols_at(uint64_t pc, SymbolPlace *place);

/* Around fork(2): above the lock of the memory map. */
void symbols_fork_prepare(void);
void symbols_fork_done(void);

#endif
