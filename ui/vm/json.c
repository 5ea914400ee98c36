/* SPDX-License-Identifier: Apache-2.0 */
#include "ui/vm/json.h"

#include <json-glib/json-glib.h>
#include <string.h>

static char *value_text(JsonNode *node)
{
    GType type = json_node_get_value_type(node);
    char *text = type == G_TYPE_BOOLEAN ? g_strdup(json_node_get_boolean(node) ? "on" : "off")
                 : type == G_TYPE_INT64 ? g_strdup_printf("%" G_GINT64_FORMAT, json_node_get_int(node))
                                        : g_strdup(json_node_get_string(node));
    char **parts = g_strsplit(text ? text : "", ",", -1);
    char *escaped = g_strjoinv(",,", parts);

    g_strfreev(parts);
    g_free(text);
    return escaped;
}

static void add(GString *out, const char *name, JsonNode *value)
{
    char *text = value_text(value);

    g_string_append_printf(out, ",%s=%s", name, text);
    g_free(text);
}

static void add_list(GString *out, const char *name, JsonArray *list)
{
    for (unsigned i = 0; i < json_array_get_length(list); i++) {
        JsonNode *node = json_array_get_element(list, i);
        JsonObject *object = JSON_NODE_HOLDS_OBJECT(node) ? json_node_get_object(node) : NULL;
        JsonNode *text = object && json_object_get_size(object) == 1 ? json_object_get_member(object, "str") : NULL;

        if (text && JSON_NODE_HOLDS_VALUE(text)) {
            add(out, name, text);
        } else {
            g_string_append_printf(out, ",%s=[]", name); /* is refused by its name */
        }
    }
}

static void flatten(GString *out, const char *before, JsonObject *object, const char *skip)
{
    GList *names = json_object_get_members(object);

    for (GList *n = names; n; n = n->next) {
        char *name = g_strconcat(before, *before ? "." : "", n->data, NULL);
        JsonNode *node = json_object_get_member(object, n->data);

        if (!strcmp(name, skip)) {
            /* it stands in front */
        } else if (JSON_NODE_HOLDS_OBJECT(node)) {
            flatten(out, name, json_node_get_object(node), skip);
        } else if (JSON_NODE_HOLDS_VALUE(node)) {
            add(out, name, node);
        } else if (JSON_NODE_HOLDS_ARRAY(node)) {
            add_list(out, name, json_node_get_array(node));
        }
        g_free(name);
    }
    g_list_free(names);
}

/* NULL and error: there is none that is a value. */
static char *first_text(JsonObject *object, const char *first, GError **error)
{
    JsonNode *node = json_object_get_member(object, first);

    if (!node || !JSON_NODE_HOLDS_VALUE(node)) {
        g_set_error(error, JSON_PARSER_ERROR, JSON_PARSER_ERROR_UNKNOWN, "it needs \"%s\"", first);
        return NULL;
    }
    return value_text(node);
}

const char *json_plain(const char *text, const char *first, GError **error)
{
    JsonParser *parser;
    const char *plain = NULL;
    char *start = NULL;

    if (*text != '{') {
        return text;
    }
    parser = json_parser_new();
    if (json_parser_load_from_data(parser, text, -1, error)) {
        JsonObject *object = json_node_get_object(json_parser_get_root(parser));

        start = first_text(object, first, error);
        if (start) {
            GString *out = g_string_new(start);

            flatten(out, "", object, first);
            plain = g_intern_string(out->str);
            g_string_free(out, TRUE);
        }
    }
    g_free(start);
    g_object_unref(parser);
    return plain;
}
