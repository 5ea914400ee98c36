/* SPDX-License-Identifier: Apache-2.0 */
/* userland/flags.h - sysflags.def: numbers to names. */
#ifndef KETCH_USERLAND_FLAGS_H
#define KETCH_USERLAND_FLAGS_H

#include <stddef.h>
#include <stdint.h>

/* Names in `value` joined by '|', what has no name as a number; "0" when there is nothing. */
void flags_text(unsigned set, uint32_t value, char *text, size_t size);

#endif
