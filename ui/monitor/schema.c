/* SPDX-License-Identifier: Apache-2.0 */
/* query-qmp-schema: the tables, in the form that QEMU's "Introspection" chapter describes. */
#include <string.h>

#include "ui/monitor/state.h"

static const struct {
    const char *name, *members;
} types[] = {
#define TYPE(name, members) { name, members },
#include "ui/monitor/types.def"
}, events[] = {
#define EVENT(name, text, members) { text, members },
#include "ui/monitor/events.def"
};

static const struct {
    const char *name, *json;
} builtin[] = {
    { "str", "string" }, { "int", "int" }, { "bool", "boolean" }, { "any", "value" },
};

/* Copies up to one of `ends`; returns what comes after. */
static const char *copy_word(const char *text, const char *ends, char *to, size_t size)
{
    size_t n = strcspn(text, ends);

    g_strlcpy(to, text, MIN(size, n + 1));
    return text + n;
}

static const char *take_type(const char *t, SchemaMember *out)
{
    out->array = *t == '[';
    t = copy_word(t + out->array, "],?", out->type, sizeof(out->type));
    return t + out->array;
}

bool schema_member(const char **text, SchemaMember *out)
{
    const char *t = *text;

    if (!*t) {
        return false;
    }
    t = copy_word(t, ":", out->name, sizeof(out->name));
    t = take_type(t + 1, out);
    out->optional = *t == '?';
    t += out->optional;
    *text = *t == ',' ? t + 1 : t;
    return true;
}

const char *schema_members(const char *type)
{
    for (size_t i = 0; i < G_N_ELEMENTS(types); i++) {
        if (strcmp(types[i].name, type) == 0) {
            return types[i].members;
        }
    }
    return NULL;
}

static void begin(JsonBuilder *b, const char *name, const char *meta)
{
    json_builder_begin_object(b);
    json_builder_set_member_name(b, "name");
    json_builder_add_string_value(b, name);
    json_builder_set_member_name(b, "meta-type");
    json_builder_add_string_value(b, meta);
}

static void add_string(JsonBuilder *b, const char *name, const char *value)
{
    json_builder_set_member_name(b, name);
    json_builder_add_string_value(b, value);
}

static void add_type_name(JsonBuilder *b, const SchemaMember *m)
{
    char *name = m->array ? g_strdup_printf("[%s]", m->type) : g_strdup(m->type);

    json_builder_add_string_value(b, name);
    g_free(name);
}

static void add_object(JsonBuilder *b, const char *name, const char *members)
{
    SchemaMember m;

    begin(b, name, "object");
    json_builder_set_member_name(b, "members");
    json_builder_begin_array(b);
    while (schema_member(&members, &m)) {
        json_builder_begin_object(b);
        add_string(b, "name", m.name);
        json_builder_set_member_name(b, "type");
        add_type_name(b, &m);
        if (m.optional) {
            json_builder_set_member_name(b, "default");
            json_builder_add_null_value(b);
        }
        json_builder_end_object(b);
    }
    json_builder_end_array(b);
    json_builder_end_object(b);
}

static void add_array(JsonBuilder *b, const char *element)
{
    char *name = g_strdup_printf("[%s]", element);

    begin(b, name, "array");
    add_string(b, "element-type", element);
    json_builder_end_object(b);
    g_free(name);
}

static void add_builtins(JsonBuilder *b)
{
    for (size_t i = 0; i < G_N_ELEMENTS(builtin); i++) {
        begin(b, builtin[i].name, "builtin");
        add_string(b, "json-type", builtin[i].json);
        json_builder_end_object(b);
        add_array(b, builtin[i].name);
    }
}

/* Names of argument objects as QEMU forms them: q_obj_NAME-arg. */
static char *argument_type(const char *name, const char *members)
{
    return *members ? g_strdup_printf("q_obj_%s-arg", name) : g_strdup("q_empty");
}

static void add_command(JsonBuilder *b, const QmpCommand *c)
{
    char *args = argument_type(c->name, c->args);

    begin(b, c->name, "command");
    add_string(b, "arg-type", args);
    add_string(b, "ret-type", *c->result ? c->result : "q_empty");
    json_builder_end_object(b);
    if (*c->args) {
        add_object(b, args, c->args);
    }
    g_free(args);
}

static void add_event(JsonBuilder *b, const char *name, const char *members)
{
    char *args = argument_type(name, members);

    begin(b, name, "event");
    add_string(b, "arg-type", args);
    json_builder_end_object(b);
    if (*members) {
        add_object(b, args, members);
    }
    g_free(args);
}

JsonNode *query_schema(MonitorSession *s, JsonObject *args, GError **error)
{
    JsonBuilder *b = json_builder_new_immutable();
    JsonNode *root;

    (void)s, (void)args, (void)error;
    json_builder_begin_array(b);
    add_builtins(b);
    add_object(b, "q_empty", "");
    for (size_t i = 0; i < G_N_ELEMENTS(types); i++) {
        add_object(b, types[i].name, types[i].members);
        add_array(b, types[i].name);
    }
    for (const QmpCommand *c = qmp_commands; c->name; c++) {
        add_command(b, c);
    }
    for (size_t i = 0; i < G_N_ELEMENTS(events); i++) {
        add_event(b, events[i].name, events[i].members);
    }
    json_builder_end_array(b);
    root = json_builder_get_root(b);
    g_object_unref(b);
    return root;
}
