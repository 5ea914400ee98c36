/* SPDX-License-Identifier: Apache-2.0 */
/* -blockdev: images by node-name, as programs write them: "driver=qcow2,node-name=d,file.filename=PATH", or a
 * node of its own for the file. */
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
    Keys k = keys_split(text, "driver");
    bool ok = add_node(vm, &k, error);

    if (!ok) {
        g_prefix_error(error, "-blockdev: ");
    }
    return keys_end(&k, "-blockdev", ok ? error : NULL) && ok;
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
