/* SPDX-License-Identifier: Apache-2.0 */
/* Options of QEMU that name something for devices - -object, -fsdev - or stand for several others - -virtfs,
 * -nic - and what -device says of these. */
#include <string.h>

#include "base/size.h"
#include "ui/vm/keys.h"
#include "ui/vm/vm.h"

typedef enum ObjectKind { OBJECT_rng, OBJECT_iothread, OBJECT_memory, OBJECT_secret, OBJECT_fsdev } ObjectKind;

typedef struct VmObject {
    ObjectKind kind;
    const char *id, *path; /* interned; path: of OBJECT_fsdev, or of OBJECT_memory, where NULL is none */
    bool writable;         /* of OBJECT_memory: the file gets what is written */
} VmObject;

static VmObject *find_object(Vm *vm, const char *id, ObjectKind kind)
{
    for (unsigned i = 0; i < vm->objects->len; i++) {
        VmObject *o = &g_array_index(vm->objects, VmObject, i);

        if (o->kind == kind && !strcmp(o->id, id)) {
            return o;
        }
    }
    return NULL;
}

static bool add_object(Vm *vm, ObjectKind kind, const char *id, const char *path, bool writable, GError **error)
{
    VmObject o = { kind, id ? g_intern_string(id) : NULL, path ? g_intern_string(path) : NULL, writable };

    if (!id || !*id) {
        g_set_error(error, VM_ERROR, 0, "it needs id=ID");
    } else if (find_object(vm, id, kind)) {
        g_set_error(error, VM_ERROR, 0, "there are two '%s'", id);
    } else {
        g_array_append_val(vm->objects, o);
        return true;
    }
    return false;
}

/* ---- -object ---- */

/* The guest's random numbers are the host's getrandom(2), whichever file would show them. */
static bool make_rng(Vm *vm, Keys *k, const char *id, GError **error)
{
    const char *file = keys_take(k, "filename");

    if (file && strcmp(file, "/dev/urandom") && strcmp(file, "/dev/random") && strcmp(file, "/dev/hwrng")) {
        g_set_error(error, VM_ERROR, 0, "random numbers are the host's (/dev/urandom), not those of '%s'", file);
        return false;
    }
    return add_object(vm, OBJECT_rng, id, NULL, false, error);
}

static bool make_memory_at(Vm *vm, Keys *k, const char *id, const char *path, GError **error)
{
    const char *text = keys_take(k, "size");
    uint64_t size = 0;
    bool share = false; /* without a path there are no processes that could ask for it */

    if (!text || !size_parse(text, &size) || size != vm->options->memory) {
        g_set_error(error, VM_ERROR, 0, "all memory is one object, so that its size is that of -m: %" G_GUINT64_FORMAT
                    " bytes", vm->options->memory);
        return false;
    }
    return keys_take_bool(k, "share", &share, error) && keys_take_only(k, "prealloc", "off", error) &&
           add_object(vm, OBJECT_memory, id, path, share, error);
}

static bool make_memory(Vm *vm, Keys *k, const char *id, GError **error)
{
    return make_memory_at(vm, k, id, NULL, error);
}

static bool make_memory_file(Vm *vm, Keys *k, const char *id, GError **error)
{
    const char *path = keys_take(k, "mem-path");

    if (!path) {
        g_set_error(error, VM_ERROR, 0, "it needs mem-path=FILE or FOLDER");
    }
    return path && make_memory_at(vm, k, id, path, error);
}

static bool make_iothread(Vm *vm, Keys *k, const char *id, GError **error)
{
    (void)k;
    return add_object(vm, OBJECT_iothread, id, NULL, false, error);
}

/* For disks that are encrypted, which there are not: nobody looks into it. */
static bool make_secret(Vm *vm, Keys *k, const char *id, GError **error)
{
    static const char *const keys[] = { "data", "file", "format", "keyid", "iv" };

    for (size_t i = 0; i < G_N_ELEMENTS(keys); i++) {
        (void)keys_take(k, keys[i]);
    }
    return add_object(vm, OBJECT_secret, id, NULL, false, error);
}

static const struct {
    const char *name;
    bool (*make)(Vm *vm, Keys *k, const char *id, GError **error);
} object_kinds[] = {
    { "rng-random", make_rng },        { "rng-builtin", make_rng },         { "iothread", make_iothread },
    { "memory-backend-ram", make_memory }, { "memory-backend-memfd", make_memory },
    { "memory-backend-file", make_memory_file }, { "secret", make_secret },
};

void vm_objects_help(void)
{
    for (size_t i = 0; i < G_N_ELEMENTS(object_kinds); i++) {
        g_print("%s\n", object_kinds[i].name);
    }
}

static bool make_object(Vm *vm, Keys *k, GError **error)
{
    const char *name = keys_take(k, "qom-type"), *id = keys_take(k, "id");
    GString *known = g_string_new(NULL);
    bool ok = false, found = false;

    for (size_t i = 0; i < G_N_ELEMENTS(object_kinds); i++) {
        g_string_append_printf(known, "%s%s", i ? ", " : "", object_kinds[i].name);
        if (!g_strcmp0(name, object_kinds[i].name)) {
            found = true;
            ok = object_kinds[i].make(vm, k, id, error);
        }
    }
    if (!found) {
        g_set_error(error, VM_ERROR, 0, "there is no object '%s'; there are: %s", name ? name : "", known->str);
    }
    g_string_free(known, TRUE);
    return ok;
}

/* ---- Folders ---- */

/* What -fsdev and -virtfs have in common: a folder, with the owners of files as they are. */
static bool take_folder(Keys *k, const char **path, bool *writable, GError **error)
{
    const char *model = keys_take(k, "security_model");
    bool read_only = true;

    *path = keys_take(k, "path");
    if (model && strcmp(model, "none") && strcmp(model, "passthrough")) {
        g_set_error(error, VM_ERROR, 0, "files keep the owners that they have on the host, so security_model is none or "
                    "passthrough, not '%s'", model);
        return false;
    }
    if (!keys_take_only(k, "fsdriver", "local", error) || !keys_take_bool(k, "readonly", &read_only, error) ||
        !keys_take_only(k, "multidevs", "remap", error)) {
        return false;
    }
    if (!*path) {
        g_set_error(error, VM_ERROR, 0, "it needs path=FOLDER");
    }
    *writable = !read_only;
    return *path;
}

static bool make_fsdev(Vm *vm, Keys *k, GError **error)
{
    const char *id = keys_take(k, "id"), *path;
    bool writable;

    return take_folder(k, &path, &writable, error) && add_object(vm, OBJECT_fsdev, id, path, writable, error);
}

static char *escaped(const char *text)
{
    char **parts = g_strsplit(text, ",", -1);
    char *all = g_strjoinv(",,", parts);

    g_strfreev(parts);
    return all;
}

static void add_device(Vm *vm, char *spec)
{
    g_ptr_array_add(vm->devices, spec);
}

static bool make_virtfs(Vm *vm, Keys *k, GError **error)
{
    const char *tag = keys_take(k, "mount_tag"), *path;
    char *folder, *name;
    bool writable;

    (void)keys_take(k, "id");
    if (!take_folder(k, &path, &writable, error)) {
        return false;
    }
    if (!tag) {
        g_set_error(error, VM_ERROR, 0, "it needs mount_tag=NAME");
        return false;
    }
    folder = escaped(path);
    name = escaped(tag);
    add_device(vm, g_strdup_printf("virtio-9p-device,path=%s,mount_tag=%s,writable=%s", folder, name,
                                   writable ? "on" : "off"));
    g_free(folder);
    g_free(name);
    return true;
}

/* ---- -nic: a network and its device ---- */

/* The rest of `text` without what is the device's. */
static char *network_text(const char *text, const char *id)
{
    char **parts = g_strsplit(text, ",", -1);
    GString *out = g_string_new(NULL);

    for (char **p = parts; *p; p++) {
        if (!g_str_has_prefix(*p, "model=") && !g_str_has_prefix(*p, "mac=") && !g_str_has_prefix(*p, "id=")) {
            g_string_append_printf(out, "%s%s", out->len ? "," : "", *p);
        }
    }
    g_string_append_printf(out, ",id=%s", id);
    g_strfreev(parts);
    return g_string_free(out, FALSE);
}

static bool add_nic(Vm *vm, const char *text, GError **error)
{
    Keys k = keys_split(text, "type");
    const char *model = keys_take(&k, "model"), *mac = keys_take(&k, "mac"), *id = keys_take(&k, "id");
    char *name = id ? g_strdup(id) : g_strdup_printf("nic%u", vm->nets->len);
    bool pci = !g_strcmp0(model, "virtio-net-pci");
    bool ok = !model || pci || !strcmp(model, "virtio") || !strcmp(model, "virtio-net-device");

    if (!ok) {
        g_set_error(error, VM_ERROR, 0, "-nic: model is virtio, virtio-net-device or virtio-net-pci, not '%s'", model);
    } else if (strcmp(text, "none")) {
        g_ptr_array_add(vm->nets, network_text(text, name));
        add_device(vm, g_strdup_printf("virtio-net-%s,netdev=%s%s%s", pci ? "pci" : "device", name, mac ? ",mac=" : "",
                                       mac ? mac : ""));
    }
    g_free(name);
    (void)!keys_end(&k, "-nic", NULL); /* -netdev checks the others */
    return ok;
}

/* ---- -net: the device and its network apart, joined by a hub ---- */

static bool add_pair(Vm *vm, const char *card, const char *network, GError **error)
{
    Keys k = keys_split(card, "type");
    const char *model = keys_take(&k, "model"), *mac = keys_take(&k, "macaddr");
    char *text = g_strconcat(network, model ? ",model=" : "", model ? model : "", mac ? ",mac=" : "", mac ? mac : "", NULL);
    bool ok;

    (void)keys_take(&k, "type");
    (void)keys_take(&k, "name");
    ok = keys_end(&k, "-net nic", error) && add_nic(vm, text, error);
    g_free(text);
    return ok;
}

static bool is_kind(const char *text, const char *kind)
{
    size_t length = strlen(kind);

    return !strncmp(text, kind, length) && (!text[length] || text[length] == ',');
}

static bool add_nets(Vm *vm, const GPtrArray *texts, GError **error)
{
    const char *card = NULL, *network = NULL;

    for (unsigned i = 0; i < texts->len; i++) {
        const char *text = texts->pdata[i], **which = is_kind(text, "nic") ? &card : &network;

        if (!strcmp(text, "none")) {
            continue;
        }
        if (*which) {
            g_set_error(error, VM_ERROR, 0, "-net %s: there is '-net %s' already; several networks are -nic user", text,
                        *which);
            return false;
        }
        *which = text;
    }
    if (card && network) {
        return add_pair(vm, card, network, error);
    }
    if (network) {
        g_ptr_array_add(vm->nets, network_text(network, "net")); /* nobody uses it, but it is right */
    }
    return true;
}

/* ---- All of them ---- */

static bool make_all(Vm *vm, const char *option, const GPtrArray *texts, const char *first,
                     bool (*make)(Vm *vm, Keys *k, GError **error), GError **error)
{
    bool ok = true;

    for (unsigned i = 0; i < texts->len && ok; i++) {
        Keys k = keys_split(texts->pdata[i], first);

        ok = make(vm, &k, error);
        if (!ok) {
            g_prefix_error(error, "%s: ", option);
        }
        ok = keys_end(&k, option, ok ? error : NULL) && ok;
    }
    return ok;
}

bool vm_objects(Vm *vm, GError **error)
{
    const VmOptions *o = vm->options;
    bool ok;

    vm->objects = g_array_new(FALSE, FALSE, sizeof(VmObject));
    vm->devices = g_ptr_array_new_with_free_func(g_free);
    vm->nets = g_ptr_array_new_with_free_func(g_free);
    for (unsigned i = 0; i < o->netdevs->len; i++) {
        g_ptr_array_add(vm->nets, g_strdup(o->netdevs->pdata[i]));
    }
    ok = make_all(vm, "-object", o->objects, "qom-type", make_object, error) &&
         make_all(vm, "-fsdev", o->fsdevs, "fsdriver", make_fsdev, error) &&
         make_all(vm, "-virtfs", o->virtfs, "fsdriver", make_virtfs, error);
    for (unsigned i = 0; i < o->nics->len && ok; i++) {
        ok = add_nic(vm, o->nics->pdata[i], error);
    }
    ok = ok && add_nets(vm, o->nets, error);
    if (ok && o->memory_backend && !find_object(vm, o->memory_backend, OBJECT_memory)) {
        g_set_error(error, VM_ERROR, 0, "-M: there is no memory-backend-ram with id=%s", o->memory_backend);
        ok = false;
    }
    for (unsigned i = 0; i < o->devices->len && ok; i++) {
        char *spec = vm_device_spec(vm, o->devices->pdata[i], error);

        ok = spec;
        if (spec) {
            add_device(vm, spec);
        }
    }
    return ok;
}

const char *vm_ram_file(Vm *vm, bool *shared)
{
    const VmObject *o = vm->options->memory_backend ? find_object(vm, vm->options->memory_backend, OBJECT_memory) : NULL;

    *shared = o && o->writable;
    return o ? o->path : NULL;
}

void vm_objects_free(Vm *vm)
{
    g_clear_pointer(&vm->objects, g_array_unref);
    g_clear_pointer(&vm->devices, g_ptr_array_unref);
    g_clear_pointer(&vm->nets, g_ptr_array_unref);
}

/* ---- -device ---- */

/* Properties of QEMU's devices that are as they are here; the value they have to have, or NULL: any. */
static const struct {
    const char *name, *only;
} fixed[] = {
    { "disable-legacy", "on" }, { "disable-modern", "off" }, { "romfile", "" }, { "rombar", "0" }, { "vectors", NULL },
    { "bootindex", NULL },      { "iommu_platform", "off" }, { "ats", "off" },  { "scsi", "off" },
    { "multifunction", "off" },
};

/* 1: taken; 0: it is none of these; -1: error. */
static int take_fixed(const char *part, GError **error)
{
    for (size_t i = 0; i < G_N_ELEMENTS(fixed); i++) {
        size_t length = strlen(fixed[i].name);

        if (strncmp(part, fixed[i].name, length) || part[length] != '=') {
            continue;
        }
        if (!fixed[i].only || !strcmp(part + length + 1, fixed[i].only)) {
            return 1;
        }
        g_set_error(error, VM_ERROR, 0, "%s is %s, not '%s'", fixed[i].name, fixed[i].only, part + length + 1);
        return -1;
    }
    return 0;
}

/* Appends what a property that names an object means.  False and error: there is no such object. */
static bool add_object_property(Vm *vm, GString *out, const char *part, GError **error)
{
    const char *id = strchr(part, '=') + 1;
    ObjectKind kind = g_str_has_prefix(part, "rng=") ? OBJECT_rng : *part == 'i' ? OBJECT_iothread : OBJECT_fsdev;
    const VmObject *o = find_object(vm, id, kind);

    if (!o) {
        g_set_error(error, VM_ERROR, 0, "there is no %s with id=%s", kind == OBJECT_fsdev ? "-fsdev" : "-object", id);
        return false;
    }
    if (kind == OBJECT_fsdev) {
        char *path = escaped(o->path);

        g_string_append_printf(out, ",path=%s,writable=%s", path, o->writable ? "on" : "off");
        g_free(path);
    }
    return true;
}

static bool is_object_property(const char *part)
{
    return g_str_has_prefix(part, "rng=") || g_str_has_prefix(part, "iothread=") || g_str_has_prefix(part, "fsdev=");
}

/* "virtio-blk" is QEMU's other name of virtio-blk-pci, and so on; to be freed. */
static char *type_name(const char *name)
{
    char *pci = g_strconcat(name, "-pci", NULL);

    if (dev_type(name) || !dev_type(pci)) {
        g_free(pci);
        return g_strdup(name);
    }
    return pci;
}

/* As dev_plug() has it. */
static char *plain_part(const char *part, bool first)
{
    return first ? type_name(part) : escaped(strcmp(part, "bus=pcie.0") ? part : "bus=pcie");
}

char *vm_device_spec(Vm *vm, const char *text, GError **error)
{
    Keys k = keys_split(text, NULL);
    GString *out = g_string_new(NULL);
    bool ok = true;

    for (char **p = k.part; *p && ok; p++) {
        int found = take_fixed(*p, error);

        ok = found >= 0;
        if (found == 0 && is_object_property(*p)) {
            ok = add_object_property(vm, out, *p, error);
        } else if (found == 0) {
            char *part = plain_part(*p, p == k.part);

            g_string_append_printf(out, "%s%s", p == k.part ? "" : ",", part);
            g_free(part);
        }
    }
    (void)!keys_end(&k, "-device", NULL); /* dev_plug() checks them */
    if (!ok) {
        g_prefix_error(error, "-device %s: ", text);
    }
    return g_string_free(out, !ok);
}
