/* SPDX-License-Identifier: Apache-2.0 */
/* -drive and -device. */
#include <stdio.h>
#include <string.h>

#include "ui/vm/keys.h"
#include "ui/vm/vm.h"

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

static bool image_options(Keys *k, BlockOptions *o, bool *virtio, GError **error)
{
    const char *interface = keys_take(k, "if"), *cache = keys_take(k, "cache");
    const char *discard = keys_take(k, "discard");
    bool backing = false;

    o->path = keys_take(k, "file");
    o->format = keys_take(k, "format");
    *virtio = !interface || !strcmp(interface, "virtio");
    if (interface && strcmp(interface, "virtio") && strcmp(interface, "none")) {
        g_set_error(error, VM_ERROR, 0, "-drive: if is virtio or none, not '%s'", interface);
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
    bool virtio, ok = image_options(&k, &options, &virtio, error);
    char *name = id ? g_strdup(id) : g_strdup_printf("virtio%u", vm->drives->len);

    if (ok && find_drive(vm, name)) {
        g_set_error(error, VM_ERROR, 0, "there are two drives '%s'", name);
        ok = false;
    }
    drive.block = ok ? block_open(&options, error) : NULL;
    if (!keys_end(&k, "-drive", drive.block ? error : NULL) || !drive.block) {
        if (drive.block) {
            block_close(drive.block);
        }
        g_free(name);
        return false;
    }
    drive.id = name;
    drive.device = virtio ? "" : NULL;
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
        if (!e->path || (addr && !keys_number(addr, &e->addr))) {
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
