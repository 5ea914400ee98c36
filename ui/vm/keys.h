/* SPDX-License-Identifier: Apache-2.0 */
/*
 * ui/vm/keys.h - values of options of the form "NAME=VALUE,NAME=VALUE"; ",," is a comma.
 *
 *     Keys k = keys_split("disk.img,format=raw", "file");
 *     path = keys_take(&k, "file"); format = keys_take(&k, "format");
 *     ok = keys_end(&k, "-drive", &error);      false: something was not taken
 *
 * What keys_take() returns lives until keys_end().
 */
#ifndef KETCH_UI_VM_KEYS_H
#define KETCH_UI_VM_KEYS_H

#include <glib.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/check.h"

typedef struct Keys {
    char **part;      /* owned */
    bool *taken;
    GString *known;   /* names asked for, for the message */
} Keys;

/* `first` names a first part without "="; NULL: it is like the others. */
Keys keys_split(const char *text, const char *first);
const char *keys_take(Keys *k, const char *name); /* NULL: not given */
/* False and error: given, and not on or off. */
MUST_USE bool keys_take_bool(Keys *k, const char *name, bool *value, GError **error);
/* False and error: given, and not `only`, which is how it is here. */
MUST_USE bool keys_take_only(Keys *k, const char *name, const char *only, GError **error);
MUST_USE bool keys_end(Keys *k, const char *option, GError **error);

#define VM_ERROR g_quark_from_static_string("ketch-vm")

#endif
