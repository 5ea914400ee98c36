/* SPDX-License-Identifier: Apache-2.0 */
/* -drive, -device, -fw_cfg. */
#include <stdio.h>
#include <string.h>

#include "base/size.h"
#include "devices/fw_cfg.h"
#include "ui/vm/keys.h"
#include "ui/vm/vm.h"

/* -fw_cfg: "[name=]NAME,file=PATH" or ",string=TEXT". */
static bool add_fw_cfg(Vm *vm, const char *text, GError **error)
{
    Keys k = keys_split(text, "name");
    const char *name = keys_take(&k, "name"), *path = keys_take(&k, "file");
    const char *string = keys_take(&k, "string");
    gchar *data = NULL;
    gsize size = string ? strlen(string) : 0;
    bool ok = name && !path != !string;

    if (!ok) {
        g_set_error(error, VM_ERROR, 0, "-fw_cfg needs name= and one of file= and string=");
    } else if (path) {
        ok = g_file_get_contents(path, &data, &size, error);
    } else {
        data = g_strdup(string);
    }
    if (ok && !fw_cfg_add_file(vm->board->fw_cfg, name, g_bytes_new_take(data, size))) {
        g_set_error(error, VM_ERROR, 0, "-fw_cfg %s: the name is there already or has more than 55 "
                    "characters", name);
        ok = false;
    }
    return keys_end(&k, "-fw_cfg", ok ? error : NULL) && ok;
}

static MonitorDrive *find_drive(Vm *vm, const char *id)
{
    for (unsigned i = 0; i < vm->drives->len; i++) {
        MonitorDrive *d = &g_array_index(vm->drives, MonitorDrive, i);

        if (!strcmp(d->id, id)) {
            return d;
        }
    }
    return NULL;
}

/* if=: what a drive is for. */
typedef enum Interface { IF_virtio, IF_none, IF_pflash, IF_COUNT } Interface;

static bool parse_interface(const char *text, Interface *out, GError **error)
{
    static const char *const names[IF_COUNT] = { "virtio", "none", "pflash" };

    *out = IF_virtio;
    for (int i = 0; text && i < IF_COUNT; i++) {
        if (!strcmp(text, names[i])) {
            *out = (Interface)i;
            return true;
        }
    }
    if (text) {
        g_set_error(error, VM_ERROR, 0, "-drive: if is virtio, none or pflash, not '%s'", text);
    }
    return !text;
}

/* Where flash memory `unit` (NULL: the first that is free) keeps its contents. */
static bool set_flash(Vm *vm, Block *block, const char *unit, GError **error)
{
    uint64_t n = vm->flash[0] ? 1 : 0;

    if ((unit && !size_parse(unit, &n)) || n >= BOARD_FLASHES || vm->flash[n]) {
        g_set_error(error, VM_ERROR, 0, "-drive: the board has flash memories 0 and 1, each for one "
                    "drive");
        return false;
    }
    vm->flash[n] = block;
    return true;
}

static bool image_options(Keys *k, BlockOptions *o, Interface *interface, GError **error)
{
    const char *cache = keys_take(k, "cache");
    const char *discard = keys_take(k, "discard");
    bool backing = false;

    o->path = keys_take(k, "file");
    o->format = keys_take(k, "format");
    if (!parse_interface(keys_take(k, "if"), interface, error)) {
        return false;
    }
    if (cache && !block_cache_parse(cache, &o->cache)) {
        g_set_error(error, VM_ERROR, 0, "-drive: there is no cache mode '%s'; there are: writeback, "
                    "none, writethrough, directsync, unsafe", cache);
        return false;
    }
    if (discard && strcmp(discard, "unmap") && strcmp(discard, "ignore")) {
        g_set_error(error, VM_ERROR, 0, "-drive: discard is unmap or ignore, not '%s'", discard);
        return false;
    }
    o->discard = !g_strcmp0(discard, "unmap");
    if (!keys_take_bool(k, "readonly", &o->read_only, error) ||
        !keys_take_bool(k, "backing", &backing, error)) {
        return false;
    }
    o->backing = backing ? BLOCK_BACKING_FOLLOW : BLOCK_BACKING_REFUSE;
    if (!o->path) {
        g_set_error(error, VM_ERROR, 0, "-drive needs file=PATH");
    }
    return o->path != NULL;
}

/* `device` of the new drive is "" until it has one: then a disk is made for it. */
static bool add_drive(Vm *vm, const char *text, GError **error)
{
    Keys k = keys_split(text, "file");
    BlockOptions options = { 0 };
    MonitorDrive drive = { 0 };
    const char *id = keys_take(&k, "id");
    const char *unit = keys_take(&k, "unit");
    Interface interface;
    bool ok = image_options(&k, &options, &interface, error);
    char *name = id ? g_strdup(id) : g_strdup_printf("virtio%u", vm->drives->len);

    if (ok && find_drive(vm, name)) {
        g_set_error(error, VM_ERROR, 0, "there are two drives '%s'", name);
        ok = false;
    }
    drive.block = ok ? block_open(&options, error) : NULL;
    ok = drive.block && (interface != IF_pflash || set_flash(vm, drive.block, unit, error));
    if (!keys_end(&k, "-drive", ok ? error : NULL) || !ok) {
        if (drive.block) {
            block_close(drive.block);
        }
        g_free(name);
        return false;
    }
    drive.id = name;
    drive.device = interface == IF_virtio ? "" : interface == IF_pflash ? "cfi-flash" : NULL;
    g_array_append_val(vm->drives, drive);
    return true;
}

bool vm_drives(Vm *vm, GError **error)
{
    for (unsigned i = 0; i < vm->options->drives->len; i++) {
        if (!add_drive(vm, vm->options->drives->pdata[i], error)) {
            return false;
        }
    }
    return true;
}

Block *vm_take_drive(Vm *vm, const char *id, GError **error)
{
    MonitorDrive *d = find_drive(vm, id);

    if (!d) {
        g_set_error(error, VM_ERROR, 0, "there is no -drive with id=%s", id);
    } else if (d->device && *d->device) {
        g_set_error(error, VM_ERROR, 0, "the drive '%s' is in use already", id);
    } else {
        d->device = d->id;
        return d->block;
    }
    return NULL;
}

bool vm_loaders(const VmOptions *o, BoardExtra **extra, unsigned *n, GError **error)
{
    *extra = g_new0(BoardExtra, o->devices->len + 1);
    *n = 0;
    for (unsigned i = 0; i < o->devices->len; i++) {
        BoardExtra *e = &(*extra)[*n];
        const char *text = o->devices->pdata[i], *addr;
        bool ok = true;
        Keys k;

        if (strcmp(text, "loader") && !g_str_has_prefix(text, "loader,")) {
            continue;
        }
        k = keys_split(text, "driver");
        keys_take(&k, "driver");
        e->path = g_intern_string(keys_take(&k, "file"));
        addr = keys_take(&k, "addr");
        e->has_addr = addr != NULL;
        if (!e->path || (addr && !size_parse(addr, &e->addr))) {
            g_set_error(error, VM_ERROR, 0, "-device loader needs file=PATH, and addr= a number");
            ok = false;
        }
        if (!keys_end(&k, "-device loader", ok ? error : NULL) || !ok) {
            return false;
        }
        (*n)++;
    }
    return true;
}

bool vm_devices(Vm *vm, GError **error)
{
    const VmOptions *o = vm->options;

    for (unsigned i = 0; i < o->fw_cfgs->len; i++) {
        if (!add_fw_cfg(vm, o->fw_cfgs->pdata[i], error)) {
            return false;
        }
    }
    for (unsigned i = 0; i < o->devices->len; i++) {
        const char *text = o->devices->pdata[i];

        if (strcmp(text, "loader") && !g_str_has_prefix(text, "loader,") &&
            !dev_plug(vm->board->root, text, error)) {
            g_prefix_error(error, "-device %s: ", text);
            return false;
        }
    }
    for (unsigned i = 0; i < vm->drives->len; i++) {
        MonitorDrive *d = &g_array_index(vm->drives, MonitorDrive, i);
        char spec[256];

        if (d->device && !*d->device) {
            snprintf(spec, sizeof(spec), "virtio-blk-device,drive=%s", d->id);
            if (!dev_plug(vm->board->root, spec, error)) {
                g_prefix_error(error, "-drive %s: ", d->id);
                return false;
            }
        }
    }
    return true;
}

void vm_drives_close(Vm *vm)
{
    for (unsigned i = 0; i < vm->drives->len; i++) {
        MonitorDrive *d = &g_array_index(vm->drives, MonitorDrive, i);
        int r = block_close(d->block);

        if (r) {
            fprintf(stderr, "ketch vm: drive '%s': %s\n", d->id, g_strerror(-r));
        }
        g_free((char *)(uintptr_t)d->id);
    }
}
