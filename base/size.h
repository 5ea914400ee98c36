/* SPDX-License-Identifier: Apache-2.0 */
/* base/size.h - numbers that a user writes: "4096", "0x1000", "64K". */
#ifndef KETCH_BASE_SIZE_H
#define KETCH_BASE_SIZE_H

#include <stdbool.h>
#include <stdint.h>

#include "base/check.h"

/* Decimal, or with the prefix 0x or 0, and an optional suffix K, M, G or T (powers of 1024, either
 * case).  False: it is no such number, or does not fit. */
MUST_USE bool size_parse(const char *text, uint64_t *out);

#endif
