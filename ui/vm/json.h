/* SPDX-License-Identifier: Apache-2.0 */
/* ui/vm/json.h - arguments of options that may be JSON, as programs write them. */
#ifndef KETCH_UI_VM_JSON_H
#define KETCH_UI_VM_JSON_H

#include <glib.h>

/* `text`, or what the object in it says as "VALUE-OF-FIRST,NAME=VALUE,A.B=VALUE", interned.  A list of objects
 * that have only "str" is its member several times.  NULL and error: it begins with a brace and is no object. */
const char *json_plain(const char *text, const char *first, GError **error);

#endif
