/* SPDX-License-Identifier: Apache-2.0 */
/* QMP: requests, replies, errors, events (QEMU's "Machine Protocol Specification"). */
#include "ui/monitor/state.h"

#include <string.h>
#include <sys/time.h>

#include "ui/cli/version.h"

const QmpCommand qmp_commands[] = {
#define QMP(name, fn, args, result, help) { name, fn, args, result, help },
#include "ui/monitor/qmp.def"
    { NULL, NULL, NULL, NULL, NULL },
};

static void send_node(MonitorSession *s, JsonNode *node)
{
    char *text = json_to_string(node, s->kind == MONITOR_qmp_pretty);
    char *line = g_strconcat(text, "\r\n", NULL);

    s->send(s->opaque, line, strlen(line));
    g_free(line);
    g_free(text);
    json_node_unref(node);
}

void qmp_greet(MonitorSession *s)
{
    char *text = g_strdup_printf("{\"QMP\": {\"version\": {\"qemu\": {\"major\": %d, "
                                 "\"minor\": %d, \"micro\": %d}, \"package\": \"ketch " KETCH_VERSION
                                 "\"}, \"capabilities\": []}}\r\n",
                                 QMP_MAJOR, QMP_MINOR, QMP_MICRO);

    s->send(s->opaque, text, strlen(text));
    g_free(text);
}

void qmp_event(MonitorSession *s, const char *name, const char *data)
{
    struct timeval now;
    char *text;

    gettimeofday(&now, NULL);
    text = g_strdup_printf("{\"timestamp\": {\"seconds\": %lld, \"microseconds\": %ld}, "
                           "\"event\": \"%s\"%s%s}\r\n",
                           (long long)now.tv_sec, (long)now.tv_usec, name,
                           data ? ", \"data\": " : "", data ? data : "");
    s->send(s->opaque, text, strlen(text));
    g_free(text);
}

/* ---- Arguments ---- */

static bool fits(JsonNode *node, const SchemaMember *m);

/* An object with the members of a row of types.def. */
static bool has_members(JsonNode *node, const char *members)
{
    JsonObject *object = JSON_NODE_HOLDS_OBJECT(node) ? json_node_get_object(node) : NULL;
    bool good = object != NULL;
    SchemaMember m;

    while (good && schema_member(&members, &m)) {
        JsonNode *value = json_object_get_member(object, m.name);

        good = value ? fits(value, &m) : m.optional;
    }
    return good;
}

static bool has_type(JsonNode *node, const char *type)
{
    const char *members = schema_members(type);
    GType value;

    if (members) {
        return has_members(node, members);
    }
    if (!JSON_NODE_HOLDS_VALUE(node)) {
        return false;
    }
    value = json_node_get_value_type(node);
    return strcmp(type, "str") == 0   ? value == G_TYPE_STRING
           : strcmp(type, "int") == 0 ? value == G_TYPE_INT64
                                      : value == G_TYPE_BOOLEAN;
}

static bool fits(JsonNode *node, const SchemaMember *m)
{
    JsonArray *array;

    if (!m->array) {
        return has_type(node, m->type);
    }
    if (!JSON_NODE_HOLDS_ARRAY(node)) {
        return false;
    }
    array = json_node_get_array(node);
    for (guint i = 0; i < json_array_get_length(array); i++) {
        if (!has_type(json_array_get_element(array, i), m->type)) {
            return false;
        }
    }
    return true;
}

static bool is_expected(const QmpCommand *c, const char *name)
{
    const char *text = c->args;
    SchemaMember m;

    while (schema_member(&text, &m)) {
        if (strcmp(m.name, name) == 0) {
            return true;
        }
    }
    return false;
}

static bool check_arguments(const QmpCommand *c, JsonObject *args, GError **error)
{
    const char *text = c->args;
    GList *names = json_object_get_members(args);
    bool good = true;
    SchemaMember m;

    for (GList *n = names; n && good; n = n->next) {
        if (!is_expected(c, n->data)) {
            g_set_error(error, MONITOR_ERROR, MONITOR_GenericError, "Parameter '%s' is unexpected",
                        (const char *)n->data);
            good = false;
        }
    }
    g_list_free(names);
    while (good && schema_member(&text, &m)) {
        JsonNode *node = json_object_get_member(args, m.name);

        if (!node && !m.optional) {
            g_set_error(error, MONITOR_ERROR, MONITOR_GenericError, "Parameter '%s' is missing", m.name);
            good = false;
        } else if (node && !fits(node, &m)) {
            g_set_error(error, MONITOR_ERROR, MONITOR_GenericError,
                        "Invalid parameter type for '%s', expected: %s%s", m.name,
                        m.array ? "array of " : "", m.type);
            good = false;
        }
    }
    return good;
}

/* ---- Requests ---- */

static const QmpCommand *find(const char *name)
{
    for (const QmpCommand *c = qmp_commands; c->name; c++) {
        if (strcmp(c->name, name) == 0) {
            return c;
        }
    }
    return NULL;
}

static const struct {
    const char *names, *why;
} refused[] = {
#define REFUSED(names, why) { names, why },
#include "ui/monitor/refused.def"
};

const char *monitor_refusal(const char *name)
{
    const char *why = NULL;

    for (size_t i = 0; i < G_N_ELEMENTS(refused) && !why; i++) {
        char **names = g_strsplit(refused[i].names, "|", -1);

        why = g_strv_contains((const gchar *const *)names, name) ? refused[i].why : NULL;
        g_strfreev(names);
    }
    return why;
}

static void not_found(const char *name, GError **error)
{
    const char *why = monitor_refusal(name);

    g_set_error(error, MONITOR_ERROR, MONITOR_CommandNotFound, "The command %s has not been found%s%s", name,
                why ? ": " : "", why ? why : "");
}

static const QmpCommand *find_allowed(MonitorSession *s, const char *name, GError **error)
{
    const QmpCommand *c = find(name);
    bool negotiates = c && c->fn == qmp_capabilities;

    if (!s->negotiated && !negotiates) {
        g_set_error(error, MONITOR_ERROR, MONITOR_CommandNotFound,
                    "Expecting capabilities negotiation with 'qmp_capabilities'");
        return NULL;
    }
    if (!c) {
        not_found(name, error);
    } else if (s->negotiated && negotiates) {
        g_set_error(error, MONITOR_ERROR, MONITOR_CommandNotFound, "Capabilities negotiation is already complete, "
                    "command '%s' ignored", name);
        return NULL;
    }
    return c;
}

static const char *const request_members[] = { "execute", "arguments", "id", NULL };

static bool check_request(JsonObject *request, GError **error)
{
    GList *names = json_object_get_members(request);
    bool good = true;

    for (GList *n = names; n && good; n = n->next) {
        good = g_strv_contains(request_members, n->data);
        if (!good) {
            g_set_error(error, MONITOR_ERROR, MONITOR_GenericError,
                        "QMP input member '%s' is unexpected", (const char *)n->data);
        }
    }
    g_list_free(names);
    return good;
}

/* The reply's value; NULL without an error: nothing. */
static JsonNode *execute(MonitorSession *s, JsonObject *request, GError **error)
{
    JsonNode *name = json_object_get_member(request, "execute");
    JsonNode *args = json_object_get_member(request, "arguments");
    JsonObject *given;
    const QmpCommand *c;
    JsonNode *result = NULL;

    if (!check_request(request, error)) {
        return NULL;
    }
    if (!name || !has_type(name, "str")) {
        g_set_error(error, MONITOR_ERROR, MONITOR_GenericError, name ? "QMP input member 'execute' must be "
                    "a string" : "QMP input lacks member 'execute'");
        return NULL;
    }
    if (args && !JSON_NODE_HOLDS_OBJECT(args)) {
        g_set_error(error, MONITOR_ERROR, MONITOR_GenericError,
                    "QMP input member 'arguments' must be an object");
        return NULL;
    }
    given = args ? json_object_ref(json_node_get_object(args)) : json_object_new();
    c = find_allowed(s, json_node_get_string(name), error);
    if (c && check_arguments(c, given, error)) {
        result = c->fn(s, given, error);
    }
    json_object_unref(given);
    return result;
}

static const char *class_of(const GError *error)
{
    static const char *const names[] = {
        [MONITOR_GenericError] = "GenericError",
        [MONITOR_CommandNotFound] = "CommandNotFound",
        [MONITOR_DeviceNotActive] = "DeviceNotActive",
        [MONITOR_DeviceNotFound] = "DeviceNotFound",
    };

    return names[error->domain == MONITOR_ERROR ? error->code : MONITOR_GenericError];
}

static void reply(MonitorSession *s, JsonNode *result, const GError *error, JsonNode *id)
{
    JsonObject *object = json_object_new();
    JsonNode *node = json_node_new(JSON_NODE_OBJECT);

    if (error) {
        JsonObject *what = json_object_new();

        json_object_set_string_member(what, "class", class_of(error));
        json_object_set_string_member(what, "desc", error->message);
        json_object_set_object_member(object, "error", what);
    } else if (result) {
        json_object_set_member(object, "return", result);
    } else {
        json_object_set_object_member(object, "return", json_object_new());
    }
    if (id) {
        json_object_set_member(object, "id", json_node_copy(id));
    }
    json_node_take_object(node, object);
    pthread_mutex_lock(&s->monitor->lock);
    send_node(s, node);
    pthread_mutex_unlock(&s->monitor->lock);
}

void qmp_refuse(MonitorSession *s, const char *why)
{
    GError *error = g_error_new_literal(MONITOR_ERROR, MONITOR_GenericError, why);

    reply(s, NULL, error, NULL);
    g_error_free(error);
}

void qmp_execute(MonitorSession *s, const char *text)
{
    JsonParser *parser = json_parser_new();
    GError *error = NULL;
    JsonNode *root = NULL, *result = NULL, *id = NULL;

    if (json_parser_load_from_data(parser, text, -1, &error)) {
        root = json_parser_get_root(parser);
    } else {
        g_prefix_error(&error, "JSON parse error, ");
    }
    if (!error && (!root || !JSON_NODE_HOLDS_OBJECT(root))) {
        g_set_error(&error, MONITOR_ERROR, MONITOR_GenericError, "QMP input must be a JSON object");
    }
    if (!error) {
        id = json_object_get_member(json_node_get_object(root), "id");
        result = execute(s, json_node_get_object(root), &error);
    }
    reply(s, result, error, id);
    g_clear_error(&error);
    g_object_unref(parser);
}
