/* SPDX-License-Identifier: Apache-2.0 */
/*
 * userland/symtab.h - the functions of an ELF file, by address: .symtab, or .dynsym of a stripped file,
 * through libelf.
 *
 * Owns:       what was read; the file is closed.  A Symtab and its strings stay for the life of the process.
 * Threading:  constant once read.
 */
#ifndef KETCH_USERLAND_SYMTAB_H
#define KETCH_USERLAND_SYMTAB_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef struct Symtab Symtab;

/* A function or label; addresses as in the file. */
typedef struct SymtabEntry {
    const char *name;
    uint64_t start, size;
} SymtabEntry;

/* Of a file that is no ELF file, cannot be read or is NULL: an empty one.  NULL: out of memory. */
Symtab *symtab_read(const char *path);

/* The entry around addr.  False: there is none. */
bool symtab_find(const Symtab *s, uint64_t addr, SymtabEntry *out);

/* The address of the byte at `offset` of the file.  False: it is in no segment. */
bool symtab_address(const Symtab *s, uint64_t offset, uint64_t *addr);

/* Bytes of the file are at addr. */
bool symtab_has(const Symtab *s, uint64_t addr);

/* NULL: the file has none. */
const uint8_t *symtab_build_id(const Symtab *s, size_t *size);

#endif
