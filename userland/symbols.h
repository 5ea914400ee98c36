/* SPDX-License-Identifier: Apache-2.0 */
/*
 * userland/symbols.h - names of guest functions, from the files that are mapped, for dumps.
 *
 * Files are read on first use and kept.  Threading: any thread.
 */
#ifndef KETCH_USERLAND_SYMBOLS_H
#define KETCH_USERLAND_SYMBOLS_H

#include <stdint.h>

/* The function that holds pc and how far into it pc is; NULL when unknown. */
const char *symbols_find(uint64_t pc, uint64_t *offset);

#endif
