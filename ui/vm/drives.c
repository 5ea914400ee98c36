/* SPDX-License-Identifier: Apache-2.0 */
/* -drive, -device, -fw_cfg. */
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/size.h"
#include "devices/fw_cfg.h"
#include "devices/host/block/image.h"
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

        if (!strcmp(d->id, id) || !g_strcmp0(d->node, id)) {
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
        g_set_error(error, VM_ERROR, 0, "if is virtio, none or pflash, not '%s'", text);
    }
    return !text;
}

/* Where flash memory `unit` (NULL: the first that is free) keeps its contents. */
static bool set_flash(Vm *vm, Block *block, const char *unit, GError **error)
{
    uint64_t n = vm->flash[0] ? 1 : 0;

    if ((unit && !size_parse(unit, &n)) || n >= BOARD_FLASHES || vm->flash[n]) {
        g_set_error(error, VM_ERROR, 0, "the board has flash memories 0 and 1, each for one drive");
        return false;
    }
    vm->flash[n] = block;
    return true;
}

static bool parse_cache(Keys *k, BlockCache *cache, GError **error)
{
    const char *name = keys_take(k, "cache");

    if (name && !block_cache_parse(name, cache)) {
        g_set_error(error, VM_ERROR, 0, "there is no cache mode '%s'; there are: writeback, none, writethrough, "
                    "directsync, unsafe", name);
        return false;
    }
    return true;
}

bool vm_image_options(Keys *k, BlockOptions *o, GError **error)
{
    const char *discard = keys_take(k, "discard"), *aio = keys_take(k, "aio");
    bool backing = false;

    if (discard && strcmp(discard, "unmap") && strcmp(discard, "on") && strcmp(discard, "ignore") &&
        strcmp(discard, "off")) {
        g_set_error(error, VM_ERROR, 0, "discard is unmap or ignore, not '%s'", discard);
        return false;
    }
    /* Threads serve the requests, whatever the kernel offers besides. */
    if (aio && strcmp(aio, "threads") && strcmp(aio, "native") && strcmp(aio, "io_uring")) {
        g_set_error(error, VM_ERROR, 0, "aio is threads, native or io_uring, not '%s'", aio);
        return false;
    }
    o->discard = discard && (!strcmp(discard, "unmap") || !strcmp(discard, "on"));
    if (!keys_take_only(k, "detect-zeroes", "off", error) || !keys_take_bool(k, "backing", &backing, error)) {
        return false;
    }
    o->backing = backing ? BLOCK_BACKING_FOLLOW : BLOCK_BACKING_REFUSE;
    return true;
}

/* An empty image before the one that stays as it is; it has no name any more when it is open. */
static Block *open_overlay(const BlockOptions *base, GError **error)
{
    BlockOptions look = *base, o = { .format = "qcow2", .backing = BLOCK_BACKING_FOLLOW, .cache = BLOCK_CACHE_UNSAFE,
                                     .discard = true };
    char *path = NULL, *whole = NULL;
    Block *block, *overlay = NULL;
    BlockInfo info;
    int fd;

    look.read_only = true;
    block = block_open(&look, error);
    fd = block ? g_file_open_tmp("ketch-disk-XXXXXX", &path, error) : -1;
    if (fd >= 0 && block_info(block, &info) == 0) {
        ImageCreate c = { .path = path, .format = "qcow2", .size = info.virtual_size, .backing_format = info.format };

        c.backing_path = whole = g_canonicalize_filename(base->path, NULL);
        o.path = path;
        block_close(block);
        block = NULL;
        overlay = image_create(&c, error) ? block_open(&o, error) : NULL;
        close(fd);
        unlink(path);
    }
    block_close(block);
    g_free(whole);
    g_free(path);
    return overlay;
}

/* What -drive says besides the image's own options. */
typedef struct DriveSpec {
    const char *id, *node, *unit;
    Interface interface;
    bool snapshot;
} DriveSpec;

static bool drive_options(Vm *vm, Keys *k, BlockOptions *o, DriveSpec *d, GError **error)
{
    const char *media = keys_take(k, "media"), *format = keys_take(k, "format"), *index = keys_take(k, "index");
    uint64_t number;

    d->id = keys_take(k, "id");
    d->node = keys_take(k, "node-name");
    d->unit = keys_take(k, "unit");
    o->path = keys_take(k, "file");
    o->format = format ? format : keys_take(k, "driver");
    d->snapshot = vm->options->snapshot;
    if (!parse_interface(keys_take(k, "if"), &d->interface, error) || !parse_cache(k, &o->cache, error) ||
        !vm_image_options(k, o, error) || !keys_take_bool(k, "readonly", &o->read_only, error) ||
        !keys_take_bool(k, "read-only", &o->read_only, error) ||
        !keys_take_bool(k, "snapshot", &d->snapshot, error) || !keys_take_only(k, "werror", "report", error) ||
        !keys_take_only(k, "rerror", "report", error) || !keys_take_only(k, "copy-on-read", "off", error)) {
        return false;
    }
    if (media && strcmp(media, "disk") && strcmp(media, "cdrom")) {
        g_set_error(error, VM_ERROR, 0, "media is disk or cdrom, not '%s'", media);
        return false;
    }
    o->read_only = o->read_only || !g_strcmp0(media, "cdrom");
    if (index && d->interface == IF_pflash) {
        d->unit = index;
    } else if (index && (!size_parse(index, &number) || number != vm->drives->len)) {
        g_set_error(error, VM_ERROR, 0, "disks are in the order in which they are given, so index is %u here, not '%s'",
                    vm->drives->len, index);
        return false;
    }
    if (!o->path) {
        g_set_error(error, VM_ERROR, 0, "it needs file=PATH");
    }
    return o->path != NULL;
}

bool vm_add_drive(Vm *vm, const char *id, const char *node, const BlockOptions *o, bool snapshot, GError **error)
{
    MonitorDrive drive = { 0 };

    if (find_drive(vm, id) || (node && find_drive(vm, node))) {
        g_set_error(error, VM_ERROR, 0, "there are two drives '%s'", find_drive(vm, id) ? id : node);
        return false;
    }
    drive.block = snapshot && !o->read_only ? open_overlay(o, error) : block_open(o, error);
    if (drive.block) {
        drive.id = g_intern_string(id);
        drive.node = node ? g_intern_string(node) : NULL;
        g_array_append_val(vm->drives, drive);
    }
    return drive.block;
}

/* `device` of the new drive is "" until it has one: then a disk is made for it. */
static bool add_drive(Vm *vm, const char *text, GError **error)
{
    Keys k = keys_split(text, "file");
    BlockOptions options = { 0 };
    DriveSpec d = { 0 };
    bool ok = drive_options(vm, &k, &options, &d, error);
    char *name = d.id ? g_strdup(d.id) : g_strdup_printf("virtio%u", vm->drives->len);

    ok = ok && vm_add_drive(vm, name, d.node, &options, d.snapshot, error);
    g_free(name);
    if (ok) {
        MonitorDrive *drive = &g_array_index(vm->drives, MonitorDrive, vm->drives->len - 1);

        drive->device = d.interface == IF_virtio ? "" : d.interface == IF_pflash ? "cfi-flash" : NULL;
        ok = d.interface != IF_pflash || set_flash(vm, drive->block, d.unit, error);
    }
    if (!ok) {
        g_prefix_error(error, "-drive: ");
    }
    return keys_end(&k, "-drive", ok ? error : NULL) && ok;
}

/* -M virt,pflash0=ID */
static bool take_flash(Vm *vm, GError **error)
{
    for (unsigned i = 0; i < BOARD_FLASHES; i++) {
        const char *id = vm->options->pflash[i];
        MonitorDrive *d;

        if (!id) {
            continue;
        }
        if (vm->flash[i]) {
            g_set_error(error, VM_ERROR, 0, "-M: flash memory %u has a drive already", i);
            return false;
        }
        vm->flash[i] = vm_take_drive(vm, id, error);
        d = vm->flash[i] ? find_drive(vm, id) : NULL;
        if (!d) {
            g_prefix_error(error, "-M: ");
            return false;
        }
        d->device = "cfi-flash";
    }
    return true;
}

bool vm_drives(Vm *vm, GError **error)
{
    for (unsigned i = 0; i < vm->options->drives->len; i++) {
        if (!add_drive(vm, vm->options->drives->pdata[i], error)) {
            return false;
        }
    }
    return vm_blockdevs(vm, error) && take_flash(vm, error);
}

Block *vm_take_drive(Vm *vm, const char *id, GError **error)
{
    MonitorDrive *d = find_drive(vm, id);

    if (!d && !vm_blockdev_file(vm, id, error)) {
        return NULL;
    }
    d = d ? d : find_drive(vm, id);
    if (!d) {
        g_set_error(error, VM_ERROR, 0, "there is no -drive with id=%s", id);
    } else if (d->device && *d->device) {
        g_set_error(error, VM_ERROR, 0, "the drive '%s' is in use already", id);
    } else {
        d->device = d->id; /* until plug() */
        return d->block;
    }
    return NULL;
}

/* data=NUMBER,data-len=BYTES: what is in memory without a file. */
static bool take_data(Keys *k, BoardExtra *e, GError **error)
{
    const char *data = keys_take(k, "data"), *size = keys_take(k, "data-len");
    uint64_t n = 0;
    bool ok = e->has_addr && data && size_parse(data, &e->data) && size && size_parse(size, &n) && n >= 1 && n <= 8;

    if (!ok) {
        g_set_error(error, VM_ERROR, 0, "-device loader needs file=PATH, or addr=ADDRESS,data=NUMBER,data-len=1 to 8");
    }
    e->size = (unsigned)n;
    return ok;
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
        if (addr && !size_parse(addr, &e->addr)) {
            g_set_error(error, VM_ERROR, 0, "-device loader: addr is a number, not '%s'", addr);
            ok = false;
        }
        ok = ok && (e->path || take_data(&k, e, error));
        if (!keys_end(&k, "-device loader", ok ? error : NULL) || !ok) {
            return false;
        }
        (*n)++;
    }
    return true;
}

/* Plugs it in; the drive that it takes knows its name. */
static bool plug(Vm *vm, const char *spec, GError **error)
{
    const Dev *dev = dev_plug(vm->board->root, spec, error);

    for (unsigned i = 0; dev && i < vm->drives->len; i++) {
        MonitorDrive *d = &g_array_index(vm->drives, MonitorDrive, i);

        if (d->device == d->id) {
            d->device = g_intern_string(dev->id);
        }
    }
    return dev;
}

bool vm_devices(Vm *vm, GError **error)
{
    const VmOptions *o = vm->options;

    for (unsigned i = 0; i < o->fw_cfgs->len; i++) {
        if (!add_fw_cfg(vm, o->fw_cfgs->pdata[i], error)) {
            return false;
        }
    }
    for (unsigned i = 0; i < vm->devices->len; i++) {
        const char *text = vm->devices->pdata[i];

        if (strcmp(text, "loader") && !g_str_has_prefix(text, "loader,") &&
            !plug(vm, text, error)) {
            g_prefix_error(error, "-device %s: ", text);
            return false;
        }
    }
    for (unsigned i = 0; i < vm->drives->len; i++) {
        MonitorDrive *d = &g_array_index(vm->drives, MonitorDrive, i);
        char spec[256];

        if (d->device && !*d->device) {
            snprintf(spec, sizeof(spec), "virtio-blk-device,drive=%s", d->id);
            if (!plug(vm, spec, error)) {
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
    }
}
