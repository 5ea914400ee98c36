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

#endif
