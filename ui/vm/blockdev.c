/* SPDX-License-Identifier: Apache-2.0 */
/* -blockdev: images by node-name, as programs write them: "driver=qcow2,node-name=d,file.filename=PATH", the
 * same as JSON, or a node of its own for the file. */
#include <json-glib/json-glib.h>
#include <string.h>

#include "ui/vm/vm.h"

/* A node with driver=file: a name for others, opened when one needs it. */
typedef struct VmFile {
    const char *node, *path; /* interned */
    bool read_only;
} VmFile;

static VmFile *find_file(Vm *vm, const char *node)
{
    for (unsigned i = 0; vm->files && i < vm->files->len; i++) {
        VmFile *f = &g_array_index(vm->files, VmFile, i);

        if (!strcmp(f->node, node)) {
            return f;
        }
    }
    return NULL;
}

/* ---- JSON, as "a.b=VALUE" ---- */

static void add_value(GString *out, const char *name, JsonNode *node)
{
    GType type = json_node_get_value_type(node);
    char *text = type == G_TYPE_BOOLEAN ? g_strdup(json_node_get_boolean(node) ? "on" : "off")
                 : type == G_TYPE_INT64 ? g_strdup_printf("%" G_GINT64_FORMAT, json_node_get_int(node))
                                        : g_strdup(json_node_get_string(node));
    char **parts = g_strsplit(text ? text : "", ",", -1);
    char *escaped = g_strjoinv(",,", parts);

    g_string_append_printf(out, "%s%s=%s", out->len ? "," : "", name, escaped);
    g_free(escaped);
    g_strfreev(parts);
    g_free(text);
}

static void flatten(GString *out, const char *before, JsonObject *object)
{
    GList *names = json_object_get_members(object);

    for (GList *n = names; n; n = n->next) {
        char *name = g_strconcat(before, *before ? "." : "", n->data, NULL);
        JsonNode *node = json_object_get_member(object, n->data);

        if (JSON_NODE_HOLDS_OBJECT(node)) {
            flatten(out, name, json_node_get_object(node));
        } else if (JSON_NODE_HOLDS_VALUE(node)) {
            add_value(out, name, node);
        } else if (!JSON_NODE_HOLDS_NULL(node)) {
            g_string_append_printf(out, "%s%s=[]", out->len ? "," : "", name); /* is refused by its name */
        }
        g_free(name);
    }
    g_list_free(names);
}

/* The text as keys; NULL and error: it is no JSON. */
static char *plain(const char *text, GError **error)
{
    JsonParser *parser;
    GString *out;
    bool ok;

    if (*text != '{') {
        return g_strdup(text);
    }
    parser = json_parser_new();
    out = g_string_new(NULL);
    ok = json_parser_load_from_data(parser, text, -1, error);
    if (ok) {
        flatten(out, "", json_node_get_object(json_parser_get_root(parser)));
    } else {
        g_prefix_error(error, "-blockdev: ");
    }
    g_object_unref(parser);
    return g_string_free(out, !ok);
}

/* ---- Nodes ---- */

static bool take_cache(Keys *k, BlockCache *cache, GError **error)
{
    bool direct = false, unsafe = false;

    if (!keys_take_bool(k, "cache.direct", &direct, error) || !keys_take_bool(k, "cache.no-flush", &unsafe, error)) {
        return false;
    }
    *cache = unsafe ? BLOCK_CACHE_UNSAFE : direct ? BLOCK_CACHE_NONE : BLOCK_CACHE_WRITEBACK;
    return true;
}

/* The file of a format: named in place, or a node. */
static bool take_file(Vm *vm, Keys *k, BlockOptions *o, GError **error)
{
    const char *node = keys_take(k, "file"), *path = keys_take(k, "file.filename");
    const VmFile *file = node ? find_file(vm, node) : NULL;

    (void)keys_take(k, "file.aio");
    (void)keys_take(k, "file.locking");
    if (!keys_take_only(k, "file.driver", "file", error) ||
        !keys_take_bool(k, "file.read-only", &o->read_only, error)) {
        return false;
    }
    if (node && !file) {
        g_set_error(error, VM_ERROR, 0, "there is no node '%s' with driver=file before it", node);
    } else if (!file && !path) {
        g_set_error(error, VM_ERROR, 0, "it needs file.filename=PATH, or file= the name of a node with driver=file");
    }
    o->path = file ? file->path : path;
    o->read_only = o->read_only || (file && file->read_only);
    return o->path;
}

static bool add_file(Vm *vm, Keys *k, const char *node, bool read_only, GError **error)
{
    const char *path = keys_take(k, "filename");
    BlockCache cache;
    VmFile file;

    (void)keys_take(k, "locking");
    if (!path) {
        g_set_error(error, VM_ERROR, 0, "it needs filename=PATH");
    }
    if (!path || !take_cache(k, &cache, error)) {
        return false;
    }
    file = (VmFile){ g_intern_string(node), g_intern_string(path), read_only };
    vm->files = vm->files ? vm->files : g_array_new(FALSE, FALSE, sizeof(VmFile));
    g_array_append_val(vm->files, file);
    return true;
}

static bool add_node(Vm *vm, Keys *k, GError **error)
{
    const char *driver = keys_take(k, "driver"), *node = keys_take(k, "node-name");
    BlockOptions o = { .format = driver };
    bool automatic = false;

    if (!driver || !node || !*node) {
        g_set_error(error, VM_ERROR, 0, "it needs driver= and node-name=");
        return false;
    }
    if (strcmp(driver, "file") && strcmp(driver, "raw") && strcmp(driver, "qcow2")) {
        g_set_error(error, VM_ERROR, 0, "driver is file, raw or qcow2, not '%s'", driver);
        return false;
    }
    if (find_file(vm, node)) {
        g_set_error(error, VM_ERROR, 0, "there are two nodes '%s'", node);
        return false;
    }
    if (!vm_image_options(k, &o, error) || !keys_take_bool(k, "read-only", &o.read_only, error) ||
        !keys_take_bool(k, "auto-read-only", &automatic, error)) {
        return false;
    }
    if (!strcmp(driver, "file")) {
        return add_file(vm, k, node, o.read_only, error);
    }
    return take_file(vm, k, &o, error) && take_cache(k, &o.cache, error) &&
           vm_add_drive(vm, node, node, &o, vm->options->snapshot, error);
}

static bool add_blockdev(Vm *vm, const char *text, GError **error)
{
    char *keys = plain(text, error);
    Keys k;
    bool ok;

    if (!keys) {
        return false;
    }
    k = keys_split(keys, "driver");
    ok = add_node(vm, &k, error);
    if (!ok) {
        g_prefix_error(error, "-blockdev: ");
    }
    ok = keys_end(&k, "-blockdev", ok ? error : NULL) && ok;
    g_free(keys);
    return ok;
}

bool vm_blockdevs(Vm *vm, GError **error)
{
    for (unsigned i = 0; i < vm->options->blockdevs->len; i++) {
        if (!add_blockdev(vm, vm->options->blockdevs->pdata[i], error)) {
            return false;
        }
    }
    return true;
}

bool vm_blockdev_file(Vm *vm, const char *id, GError **error)
{
    const VmFile *file = find_file(vm, id);
    BlockOptions o = { .format = "raw" };

    if (!file) {
        return true;
    }
    o.path = file->path;
    o.read_only = file->read_only;
    return vm_add_drive(vm, id, id, &o, vm->options->snapshot, error);
}
