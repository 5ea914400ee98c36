/* SPDX-License-Identifier: Apache-2.0 */
/* frontends/riscv/priv/options.h - what -cpu says of a RISC-V hart.  Threading: none needed. */
#ifndef KETCH_FRONTENDS_RISCV_PRIV_OPTIONS_H
#define KETCH_FRONTENDS_RISCV_PRIV_OPTIONS_H

#include <stdbool.h>
#include <stddef.h>

typedef struct RvOptions {
#define OPTION(name, default_value, letters, help) bool name;
#include "frontends/riscv/priv/options.def"
} RvOptions;

/* Reads "[rv64,]name=on|off|true|false,..." (NULL: nothing) over the defaults.  False: text[0, size)
 * has a sentence, *options is unchanged.  A paging mode implies the smaller ones, and one that is
 * off the larger ones off, unless they are asked for, which is an error. */
bool rv_options_parse(const char *words, RvOptions *options, char *text, size_t size);

/* The ISA string for a device tree; true when it fits. */
bool rv_options_isa(const RvOptions *options, char *text, size_t size);

/* "riscv,sv48" or its like. */
const char *rv_options_mmu(const RvOptions *options);

#endif
