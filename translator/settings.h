/* SPDX-License-Identifier: Apache-2.0 */
/*
 * translator/settings.h - what a user may say of the translator, from text.
 *
 * Each returns NULL and sets *out, or a sentence's beginning that says what is wanted, for "...: 'ARG'".
 */
#ifndef KETCH_TRANSLATOR_SETTINGS_H
#define KETCH_TRANSLATOR_SETTINGS_H

#include <stdint.h>

#include "base/check.h"
#include "translator/translator.h"

MUST_USE const char *tr_parse_tier(const char *arg, TrTier *out);
MUST_USE const char *tr_parse_threshold(const char *arg, uint32_t *out);
MUST_USE const char *tr_parse_cache_size(const char *arg, uint64_t *out); /* bytes */
MUST_USE const char *tr_parse_perf(const char *arg, unsigned *out); /* TR_PERF_..., added; NULL: map */
MUST_USE const char *tr_parse_range(const char *arg, TrRange *out); /* of -dfilter */

/* Turns on an item of -d, also by QEMU's name; "nochain" is TrConfig.no_chain.  False: there is none such. */
MUST_USE bool tr_parse_log(const char *item, bool *no_chain);

#endif
