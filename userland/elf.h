/* SPDX-License-Identifier: Apache-2.0 */
/*
 * userland/elf.h - loads the guest's program and its interpreter, and makes its first stack.
 *
 * Errors are one sentence about the file in `error` (ELF_ERROR bytes) and a shell's exit status.
 */
#ifndef KETCH_USERLAND_ELF_H
#define KETCH_USERLAND_ELF_H

#include <limits.h>
#include <stdbool.h>
#include <stdint.h>

#include "userland/abi.h"

enum { ELF_ERROR = PATH_MAX + 256 };

typedef struct ElfImage {
    uint64_t entry;
    uint64_t bias;               /* what was added to the addresses in the file */
    uint64_t phdr, phnum;        /* where the program headers lie in memory */
    uint64_t code_start, code_end, data_start, data_end;
    uint64_t end;                /* first address after it */
    bool exec_stack;
    char interp[PATH_MAX];       /* "" when static */
} ElfImage;

/* What the file is, from its first bytes.  (elf_kind() is libelf's.) */
typedef enum ElfKind {
    ELF_GUEST,      /* a program for `abi` */
    ELF_OTHER,      /* a well-formed ELF for something else */
    ELF_BROKEN,     /* an ELF that cannot run */
    ELF_SCRIPT,     /* starts with "#!" */
    ELF_NONE,       /* no ELF at all */
} ElfKind;

ElfKind elf_kind_of(const UserAbi *abi, const uint8_t *bytes, size_t n);

/* Maps the program in `fd`.  `program`: it is the main program, not the interpreter. */
MUST_USE bool elf_load(int fd, const char *path, bool program, ElfImage *image, char *error);

/* The interpreter that the guest program in `fd` asks for; "" when none. */
void elf_interp(int fd, char *interp, size_t size);

/* Maps the stack; mappings without a wish go below it from then on. */
MUST_USE bool elf_map_stack(const ElfImage *program, char *error);

/* Maps the vDSO, puts arguments, environment and auxiliary vector on the stack.  `interp`: NULL
 * when static.  Gives the initial stack pointer; 0, and an error, when they do not fit. */
uint64_t elf_stack(const ElfImage *program, const ElfImage *interp, const char *execfn,
                   char *error);

#endif
