/* SPDX-License-Identifier: Apache-2.0 */
#include "devices/boards/board.h"

#include <errno.h>
#include <inttypes.h>
#include <string.h>

#include "devices/aclint.h"

const BoardType *const board_types[] = {
#define BOARD(name) &board_##name,
#include "devices/boards/boards.def"
    NULL,
};

const BoardType *board_type(const char *name)
{
    for (const BoardType *const *t = board_types; *t; t++) {
        if (!strcmp((*t)->name, name)) {
            return *t;
        }
    }
    return NULL;
}

/* ---- Memory ---- */

static bool check_size(const BoardType *type, const BoardConfig *config, GError **error)
{
    if (config->ram_size < type->min_ram || config->ram_size > type->max_ram ||
        config->ram_size % PHYS_PAGE) {
        g_set_error(error, BOARD_ERROR, 0, "a %s has from %" PRIu64 "M to %" PRIu64 "M of memory, "
                    "in pages of 4K; not %" PRIu64 " bytes", type->name, type->min_ram >> 20,
                    type->max_ram >> 20, config->ram_size);
        return false;
    }
    if (config->n_harts < 1 || config->n_harts > type->max_harts) {
        g_set_error(error, BOARD_ERROR, 0, "a %s has from 1 to %u processors, not %u", type->name,
                    type->max_harts, config->n_harts);
        return false;
    }
    return true;
}

static bool add_ram(Board *b, GError **error)
{
    PhysRegion ram = { .name = "ram", .kind = PHYS_ram, .base = b->type->ram_base,
                       .size = b->config.ram_size };

    b->config.env->mem = phys_new();
    if (b->config.env->mem) {
        ram.host = b->config.ram_file ? phys_alloc_file(b->config.ram_file, b->config.ram_shared, ram.size)
                                      : phys_alloc("ketch-ram", ram.size);
    }
    if (!ram.host && b->config.ram_file) {
        g_set_error(error, BOARD_ERROR, 0, "%s: the machine's memory cannot be there: %s", b->config.ram_file,
                    g_strerror(errno));
        return false;
    }
    if (!ram.host || !phys_add(b->config.env->mem, &ram)) {
        g_set_error(error, BOARD_ERROR, 0, "%" PRIu64 "M of memory are not to be had here",
                    ram.size >> 20);
        return false;
    }
    return true;
}

static void free_blob(void *opaque)
{
    BoardBlob *blob = opaque;

    g_bytes_unref(blob->bytes);
    g_free(blob->name);
    g_free(blob);
}

Board *board_new(const BoardType *type, const BoardConfig *config, GError **error)
{
    Board *b;

    if (!check_size(type, config, error)) {
        return NULL;
    }
    b = g_new0(Board, 1);
    b->type = type;
    b->config = *config;
    b->blobs = g_ptr_array_new_with_free_func(free_blob);
    if (!add_ram(b, error)) {
        board_free(b);
        return NULL;
    }
    return b;
}

void board_remove_devices(Board *b)
{
    b->timer = NULL;
    dev_free(b->root);
    b->root = NULL;
}

void board_free(Board *b)
{
    if (!b) {
        return;
    }
    board_remove_devices(b);
    g_ptr_array_free(b->blobs, TRUE);
    if (b->device_tree) {
        g_bytes_unref(b->device_tree);
    }
    if (b->config.env->mem) {
        phys_free(b->config.env->mem);
        b->config.env->mem = NULL;
    }
    g_free(b);
}

/* ---- Devices ---- */

bool board_build(Board *b, const BoardWiring *wiring, GError **error)
{
    b->wiring = *wiring;
    return b->type->build(b, error);
}

Dev *board_add(Board *b, const DevType *type, const char *id, uint64_t base, Irq irq,
               GError **error)
{
    Dev *dev = dev_new(type, b->config.env, b->root, id);

    dev->irq[0] = irq;
    if (!dev_realize(dev, error) || (type->n_banks && !dev_map(dev, 0, base, error))) {
        return NULL;
    }
    return dev;
}

uint64_t board_time(const Board *b)
{
    return b->timer ? aclint_time(b->timer) : 0;
}

void board_set_timer(Board *b, unsigned hart, uint64_t tick)
{
    if (b->timer) {
        aclint_alarm(b->timer, hart, tick);
    }
}

/* ---- What is loaded ---- */

bool board_load(Board *b, const BoardImages *images, GError **error)
{
    return b->type->load(b, images, error);
}

/* Host memory of RAM or ROM; NULL: not all of it is. */
static uint8_t *memory_at(Board *b, uint64_t addr, size_t size)
{
    const PhysRegion *r = phys_find(b->config.env->mem, addr);

    if (!r || !r->host || r->kind == PHYS_mmio || size > r->size - (addr - r->base)) {
        return NULL;
    }
    return r->host + (addr - r->base);
}

bool board_add_blob(Board *b, const char *name, uint64_t addr, GBytes *bytes, GError **error)
{
    size_t size = g_bytes_get_size(bytes);
    BoardBlob *blob;

    if (size && !memory_at(b, addr, size)) {
        g_set_error(error, BOARD_ERROR, 0, "%s: %zu bytes at 0x%" PRIx64 " are not in the memory "
                    "of the machine", name, size, addr);
        g_bytes_unref(bytes);
        return false;
    }
    for (unsigned i = 0; i < b->blobs->len; i++) {
        const BoardBlob *other = b->blobs->pdata[i];

        if (addr < other->addr + g_bytes_get_size(other->bytes) && other->addr < addr + size) {
            g_set_error(error, BOARD_ERROR, 0, "%s and %s overlap at 0x%" PRIx64, name, other->name,
                        addr > other->addr ? addr : other->addr);
            g_bytes_unref(bytes);
            return false;
        }
    }
    blob = g_new(BoardBlob, 1);
    *blob = (BoardBlob){ addr, bytes, g_strdup(name) };
    g_ptr_array_add(b->blobs, blob);
    return true;
}

void board_reset(Board *b)
{
    dev_reset(b->root);
    for (unsigned i = 0; i < b->blobs->len; i++) {
        const BoardBlob *blob = b->blobs->pdata[i];
        size_t size;
        const void *data = g_bytes_get_data(blob->bytes, &size);

        if (size) {
            memcpy(memory_at(b, blob->addr, size), data, size);
            phys_written(b->config.env->mem, blob->addr, size);
        }
    }
}
