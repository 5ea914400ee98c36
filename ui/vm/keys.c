/* SPDX-License-Identifier: Apache-2.0 */
#include "ui/vm/keys.h"

#include <stdlib.h>
#include <string.h>

static void add(GPtrArray *parts, GString *part, const char *first)
{
    if (first && parts->len == 0 && !strchr(part->str, '=')) {
        g_string_prepend_c(part, '=');
        g_string_prepend(part, first);
    }
    g_ptr_array_add(parts, g_string_free(part, FALSE));
}

Keys keys_split(const char *text, const char *first)
{
    GPtrArray *parts = g_ptr_array_new();
    GString *part = g_string_new(NULL);
    Keys k;

    for (const char *p = text; *p; p++) {
        if (*p == ',' && p[1] != ',') {
            add(parts, part, first);
            part = g_string_new(NULL);
        } else {
            g_string_append_c(part, *p);
            p += *p == ',';
        }
    }
    add(parts, part, first);
    k.taken = g_new0(bool, parts->len);
    g_ptr_array_add(parts, NULL);
    k.part = (char **)g_ptr_array_free(parts, FALSE);
    k.known = g_string_new(NULL);
    return k;
}

const char *keys_take(Keys *k, const char *name)
{
    size_t length = strlen(name);
    const char *value = NULL;

    g_string_append_printf(k->known, "%s%s", k->known->len ? ", " : "", name);
    for (unsigned i = 0; k->part[i]; i++) {
        if (!strncmp(k->part[i], name, length) && k->part[i][length] == '=') {
            k->taken[i] = true;
            value = k->part[i] + length + 1;
        }
    }
    return value;
}

bool keys_take_bool(Keys *k, const char *name, bool *value, GError **error)
{
    const char *text = keys_take(k, name);

    if (!text) {
        return true;
    }
    if (strcmp(text, "on") && strcmp(text, "off")) {
        g_set_error(error, VM_ERROR, 0, "%s is on or off, not '%s'", name, text);
        return false;
    }
    *value = !strcmp(text, "on");
    return true;
}

bool keys_take_only(Keys *k, const char *name, const char *only, GError **error)
{
    const char *value = keys_take(k, name);

    if (value && strcmp(value, only)) {
        g_set_error(error, VM_ERROR, 0, "%s is %s, not '%s'", name, only, value);
        return false;
    }
    return true;
}

bool keys_end(Keys *k, const char *option, GError **error)
{
    bool ok = true;

    for (unsigned i = 0; k->part[i] && ok; i++) {
        ok = k->taken[i];
        if (!ok) {
            g_set_error(error, VM_ERROR, 0, "%s does not know '%s'; it knows %s", option,
                        k->part[i], k->known->str);
        }
    }
    g_strfreev(k->part);
    g_free(k->taken);
    g_string_free(k->known, TRUE);
    return ok;
}

