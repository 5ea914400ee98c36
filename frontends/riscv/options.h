/* SPDX-License-Identifier: Apache-2.0 */
/*
 * frontends/riscv/options.h - what -cpu says of a RISC-V processor.
 *
 * Which instructions there are is one choice for the process, made before anything is translated
 * (rv_options_choose()); the rest is of a hart.
 * Threading: none needed.
 */
#ifndef KETCH_FRONTENDS_RISCV_OPTIONS_H
#define KETCH_FRONTENDS_RISCV_OPTIONS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef struct RvOptions {
#define OPTION(name, default_value, letters, needs, help) bool name;
#include "frontends/riscv/options.def"
} RvOptions;

/* Reads "MODEL,name=on|off|true|false,..." or the same without MODEL (NULL: nothing).  False: text[0, size)
 * has a sentence, *options is unchanged.  A paging mode implies the smaller ones, and one that is
 * off the larger ones off, unless they are asked for, which is an error. */
bool rv_options_parse(const char *words, RvOptions *options, char *text, size_t size);

/* Instructions whose extension is off become illegal. */
void rv_options_choose(const RvOptions *options);

/* Is this extension there ("zba")?  By what was chosen. */
bool rv_options_has(const char *name);

/* The ISA string for a device tree; true when it fits. */
bool rv_options_isa(const RvOptions *options, char *text, size_t size);

/* The same of what was chosen, without the extensions that only system software sees (sstc, svinval...). */
bool rv_options_user_isa(char *text, size_t size);

/* "riscv,sv48" or its like. */
const char *rv_options_mmu(const RvOptions *options);

extern const char *const rv_options_models[]; /* names, NULL at the end */

/* Models and properties, on standard output. */
void rv_options_help(void);

/* What was chosen: whether some instructions are illegal; is this one, a RvInsnId? */
extern bool rv_options_restrict;
bool rv_options_forbid(unsigned insn);

/* The bits of an address that an instruction's can have: IALIGN is 16, or 32 without C. */
uint64_t rv_options_pc(void);

#endif
