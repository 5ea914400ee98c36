/* SPDX-License-Identifier: Apache-2.0 */
/* What programs ask before and while they use a machine: which options, types, models there are; the tree of
 * objects, which here is that of the devices. */
#include <stdio.h>
#include <string.h>

#include "ui/monitor/build.h"
#include "ui/monitor/state.h"

#define COMMAND(name)                                                     \
    JsonNode *name(MonitorSession *s, JsonObject *args, GError **error)

/* ---- What there is none of ---- */

COMMAND(query_none)
{
    (void)s, (void)args, (void)error;
    return build_end_array(build_array());
}

COMMAND(query_migrate)
{
    (void)s, (void)args, (void)error;
    return build_end_object(build_object());
}

/* libvirt asks for events of migrations in advance. */
COMMAND(qmp_migrate_set_capabilities)
{
    JsonArray *list = json_object_get_array_member(args, "capabilities");

    (void)s;
    for (unsigned i = 0; i < json_array_get_length(list); i++) {
        JsonObject *c = json_array_get_object_element(list, i);
        const char *name = json_object_get_string_member(c, "capability");

        if (json_object_get_boolean_member(c, "state") && strcmp(name, "events")) {
            g_set_error(error, MONITOR_ERROR, MONITOR_GenericError, "machines do not migrate, so '%s' cannot be set", name);
            break;
        }
    }
    return NULL;
}

COMMAND(query_display)
{
    JsonBuilder *b = build_object();

    (void)s, (void)args, (void)error;
    build_str(b, "type", "none");
    return build_end_object(b);
}

COMMAND(query_vnc)
{
    JsonBuilder *b = build_object();

    (void)s, (void)args, (void)error;
    build_bool(b, "enabled", false);
    return build_end_object(b);
}

COMMAND(query_current_machine)
{
    JsonBuilder *b = build_object();

    (void)s, (void)args, (void)error;
    build_bool(b, "wakeup-suspend-support", false);
    return build_end_object(b);
}

COMMAND(query_replay)
{
    JsonBuilder *b = build_object();

    (void)s, (void)args, (void)error;
    build_str(b, "mode", "none");
    build_num(b, "icount", 0);
    return build_end_object(b);
}

/* ---- What Ketch has ---- */

COMMAND(query_options)
{
    const char *wanted = json_object_get_string_member_with_default(args, "option", NULL);
    JsonBuilder *b = build_array();

    (void)error;
    for (const char *const *name = s->monitor->vm.options; name && *name; name++) {
        if (wanted && strcmp(wanted, *name)) {
            continue;
        }
        json_builder_begin_object(b);
        build_str(b, "option", *name);
        json_builder_set_member_name(b, "parameters");
        json_builder_begin_array(b);
        json_builder_end_array(b);
        json_builder_end_object(b);
    }
    return build_end_array(b);
}

COMMAND(query_cpu_definitions)
{
    JsonBuilder *b = build_array();

    (void)args, (void)error;
    for (const char *const *name = s->monitor->vm.cpu_models; name && *name; name++) {
        char *type = g_strconcat(*name, "-riscv-cpu", NULL);

        json_builder_begin_object(b);
        build_str(b, "name", *name);
        build_str(b, "typename", type);
        build_bool(b, "static", false);
        build_bool(b, "deprecated", false);
        json_builder_end_object(b);
        g_free(type);
    }
    return build_end_array(b);
}

static void add_named(JsonBuilder *b, const char *name, const char *type)
{
    json_builder_begin_object(b);
    build_str(b, "name", name);
    if (type) {
        build_str(b, "type", type);
    }
    json_builder_end_object(b);
}

COMMAND(query_chardev_backends)
{
    char *kinds = chardev_kind_names();
    char **names = g_strsplit(kinds, ", ", -1);
    JsonBuilder *b = build_array();

    (void)s, (void)args, (void)error;
    for (char **name = names; *name; name++) {
        add_named(b, *name, NULL);
    }
    g_strfreev(names);
    g_free(kinds);
    return build_end_array(b);
}

/* ---- Types ---- */

static const char *kind_name(DevPropKind kind)
{
    static const char *const names[] = {
        [DEV_PROP_bool] = "bool",  [DEV_PROP_u32] = "uint32",  [DEV_PROP_u64] = "uint64",  [DEV_PROP_string] = "str",
        [DEV_PROP_chardev] = "str", [DEV_PROP_drive] = "str",  [DEV_PROP_netdev] = "str",
    };

    return names[kind];
}

static const struct {
    const char *name, *parent, *properties;
} other_types[] = {
#define QOM(name, parent, properties) { name, parent, properties },
#include "ui/monitor/qom.def"
};

static void add_type(JsonBuilder *b, const char *wanted, const char *name, const char *parent)
{
    if (wanted && strcmp(wanted, "object") && strcmp(wanted, name) && strcmp(wanted, parent)) {
        return;
    }
    json_builder_begin_object(b);
    build_str(b, "name", name);
    build_str(b, "parent", parent);
    json_builder_end_object(b);
}

COMMAND(qom_list_types)
{
    const char *wanted = json_object_get_string_member_with_default(args, "implements", NULL);
    JsonBuilder *b = build_array();

    (void)s, (void)error;
    for (const DevType *const *t = dev_types; *t; t++) {
        add_type(b, wanted, (*t)->name, "device");
    }
    for (size_t i = 0; i < G_N_ELEMENTS(other_types); i++) {
        add_type(b, wanted, other_types[i].name, other_types[i].parent);
    }
    return build_end_array(b);
}

static void add_properties(JsonBuilder *b, const char *properties)
{
    char **each = g_strsplit(properties, ",", -1);

    for (char **p = each; *p; p++) {
        char **part = g_strsplit(*p, ":", 2);

        add_named(b, part[0], part[1]);
        g_strfreev(part);
    }
    g_strfreev(each);
}

/* Those of a type that is no device; NULL: there is no such type. */
static JsonNode *other_properties(const char *name)
{
    for (size_t i = 0; i < G_N_ELEMENTS(other_types); i++) {
        if (!strcmp(name, other_types[i].name)) {
            JsonBuilder *b = build_array();

            add_properties(b, other_types[i].properties);
            return build_end_array(b);
        }
    }
    return NULL;
}

COMMAND(qom_type_properties)
{
    const char *name = json_object_get_string_member(args, "typename");
    const DevType *type = dev_type(name);
    JsonNode *other = type ? NULL : other_properties(name);
    JsonBuilder *b;

    (void)s;
    if (other) {
        return other;
    }
    if (!type) {
        g_set_error(error, MONITOR_ERROR, MONITOR_DeviceNotFound, "Device '%s' not found", name);
        return NULL;
    }
    b = build_array();
    for (unsigned i = 0; i < type->n_props; i++) {
        json_builder_begin_object(b);
        build_str(b, "name", type->props[i].name);
        build_str(b, "type", kind_name(type->props[i].kind));
        build_str(b, "description", type->props[i].help);
        json_builder_end_object(b);
    }
    return build_end_array(b);
}

/* ---- The tree of objects: /machine and its devices, /machine/peripheral those of -device ---- */

typedef enum NodeKind { NODE_root, NODE_machine, NODE_peripheral, NODE_empty, NODE_hart, NODE_device } NodeKind;

typedef struct Node {
    NodeKind kind;
    Dev *dev; /* of NODE_machine and NODE_device */
} Node;

static const char *node_type(const Node *n)
{
    switch (n->kind) {
    case NODE_root:
    case NODE_peripheral:
    case NODE_empty:
        return "container";
    case NODE_machine:
        return "virt-machine";
    case NODE_hart:
        return "rv64-riscv-cpu";
    case NODE_device:
        return n->dev->type->name;
    }
    return NULL;
}

static bool is_hart(const Monitor *m, const char *name)
{
    unsigned n;
    int end = 0;

    return sscanf(name, "hart[%u]%n", &n, &end) == 1 && !name[end] && n < machine_harts(m->vm.machine);
}

static bool child_device(Dev *dev, const char *name, Node *out)
{
    for (Dev *child = dev ? dev->first_child : NULL; child; child = child->next) {
        if (!strcmp(child->id, name)) {
            *out = (Node){ NODE_device, child };
            return true;
        }
    }
    return false;
}

static bool child_of(const Monitor *m, const Node *n, const char *name, Node *out)
{
    Dev *dev;

    switch (n->kind) {
    case NODE_root:
        *out = (Node){ strcmp(name, "machine") ? NODE_empty : NODE_machine, m->vm.root };
        return !strcmp(name, "machine") || !strcmp(name, "chardevs") || !strcmp(name, "objects");
    case NODE_machine:
        if (!strcmp(name, "peripheral") || is_hart(m, name)) {
            *out = (Node){ is_hart(m, name) ? NODE_hart : NODE_peripheral, NULL };
            return true;
        }
        return child_device(n->dev, name, out);
    case NODE_peripheral:
        dev = dev_find(m->vm.root, name);
        *out = (Node){ NODE_device, dev };
        return dev && dev->type->bus;
    case NODE_device:
        return child_device(n->dev, name, out);
    case NODE_empty:
    case NODE_hart:
        break;
    }
    return false;
}

/* "/machine/uart", or a device's id alone.  False and error: there is no such object. */
static bool find_node(const Monitor *m, const char *path, Node *out, GError **error)
{
    char **parts = g_strsplit(path, "/", -1);
    bool ok = true;

    *out = (Node){ NODE_root, NULL };
    if (*path != '/') {
        *out = (Node){ NODE_device, dev_find(m->vm.root, path) };
        ok = out->dev;
    }
    for (char **p = parts; *path == '/' && *p && ok; p++) {
        ok = !**p || child_of(m, out, *p, out);
    }
    g_strfreev(parts);
    if (!ok) {
        g_set_error(error, MONITOR_ERROR, MONITOR_DeviceNotFound, "Device '%s' not found", path);
    }
    return ok;
}

static void add_child(JsonBuilder *b, const char *name, const char *type)
{
    char *text = g_strdup_printf("child<%s>", type);

    add_named(b, name, text);
    g_free(text);
}

static void add_children(JsonBuilder *b, const Dev *dev)
{
    for (const Dev *child = dev->first_child; child; child = child->next) {
        add_child(b, child->id, child->type->name);
    }
}

static void add_peripheral(void *opaque, Dev *dev, unsigned depth)
{
    (void)depth;
    if (dev->type->bus) {
        add_child(opaque, dev->id, dev->type->name);
    }
}

static void add_harts(JsonBuilder *b, const Monitor *m)
{
    for (unsigned i = 0; i < machine_harts(m->vm.machine); i++) {
        char *name = g_strdup_printf("hart[%u]", i);

        add_child(b, name, "rv64-riscv-cpu");
        g_free(name);
    }
}

static void add_members(JsonBuilder *b, const Monitor *m, const Node *n)
{
    switch (n->kind) {
    case NODE_root:
        add_child(b, "machine", "virt-machine");
        add_child(b, "chardevs", "container");
        add_child(b, "objects", "container");
        break;
    case NODE_machine:
        add_child(b, "peripheral", "container");
        add_harts(b, m);
        add_children(b, n->dev);
        break;
    case NODE_peripheral:
        dev_for_each(m->vm.root, add_peripheral, b);
        break;
    case NODE_device:
        for (unsigned i = 0; i < n->dev->type->n_props; i++) {
            add_named(b, n->dev->type->props[i].name, kind_name(n->dev->type->props[i].kind));
        }
        add_children(b, n->dev);
        break;
    case NODE_empty:
    case NODE_hart:
        break;
    }
}

COMMAND(qom_list)
{
    JsonBuilder *b;
    Node n;

    if (!find_node(s->monitor, json_object_get_string_member(args, "path"), &n, error)) {
        return NULL;
    }
    b = build_array();
    add_named(b, "type", "string");
    add_members(b, s->monitor, &n);
    return build_end_array(b);
}

static JsonNode *prop_value(const Dev *dev, const DevProp *p)
{
    char *text = dev_prop_text(dev, p);
    JsonNode *node = json_node_alloc();

    if (p->kind == DEV_PROP_bool) {
        json_node_init_boolean(node, !strcmp(text, "on"));
    } else if (p->kind == DEV_PROP_u32 || p->kind == DEV_PROP_u64) {
        json_node_init_int(node, (gint64)g_ascii_strtoull(text, NULL, 10));
    } else {
        json_node_init_string(node, text);
    }
    g_free(text);
    return node;
}

COMMAND(qom_get)
{
    const char *path = json_object_get_string_member(args, "path");
    const char *name = json_object_get_string_member(args, "property");
    Node n;

    if (!find_node(s->monitor, path, &n, error)) {
        return NULL;
    }
    if (!strcmp(name, "type")) {
        return json_node_init_string(json_node_alloc(), node_type(&n));
    }
    for (unsigned i = 0; n.kind == NODE_device && i < n.dev->type->n_props; i++) {
        if (!strcmp(n.dev->type->props[i].name, name)) {
            return prop_value(n.dev, &n.dev->type->props[i]);
        }
    }
    g_set_error(error, MONITOR_ERROR, MONITOR_GenericError, "Property '%s.%s' not found", node_type(&n), name);
    return NULL;
}
