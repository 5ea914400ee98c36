/* SPDX-License-Identifier: Apache-2.0 */
/* Creation, the tree, registers.  Properties and -device are in props.c. */
#include "devices/device.h"

#include <inttypes.h>
#include <string.h>

#include "base/log.h"

/* ---- Registers ---- */

static uint64_t ones(unsigned bytes)
{
    return bytes >= 8 ? UINT64_MAX : (UINT64_C(1) << 8 * bytes) - 1;
}

static uint64_t load(const void *at, unsigned size)
{
    uint64_t v = 0;

    memcpy(&v, at, size);
    return v;
}

static void store(void *at, unsigned size, uint64_t value)
{
    memcpy(at, &value, size);
}

static uint8_t *storage(Dev *dev, const DevReg *r, unsigned index)
{
    return (uint8_t *)dev + r->field + (size_t)index * r->size;
}

/* The register at `offset`, which of its row, and at which of its bytes. */
static const DevReg *find(const DevBank *b, uint64_t offset, unsigned *index, unsigned *byte)
{
    for (unsigned i = 0; i < b->n_regs; i++) {
        const DevReg *r = &b->regs[i];
        uint32_t stride = r->stride ? r->stride : r->size;
        uint64_t at = offset - r->offset;

        if (offset < r->offset || at >= (uint64_t)stride * (r->count ? r->count : 1)) {
            continue;
        }
        *index = (unsigned)(at / stride);
        *byte = (unsigned)(at % stride);
        if (*byte < r->size) {
            return r;
        }
    }
    return NULL;
}

static void guest_error(const Dev *dev, const DevBank *bank, const char *what, uint64_t offset,
                        unsigned size)
{
    static uint32_t site;

    log_limited(LOG_guest_errors, &site, "%s: %s %s at 0x%" PRIx64 " of %u bytes\n", dev->id,
                bank->name, what, offset, size);
}

static void trace(const Dev *dev, const DevReg *r, unsigned index, const char *arrow,
                  uint64_t value)
{
    if (log_enabled(LOG_dev)) {
        log_line(LOG_dev, "%s: %s[%u] %s 0x%" PRIx64 "\n", dev->id, r->name, index, arrow, value);
    }
}

bool dev_bank_read(Dev *dev, const DevBank *bank, uint64_t offset, unsigned size, uint64_t *value)
{
    unsigned index, byte;
    const DevReg *r = find(bank, offset, &index, &byte);
    uint64_t v;

    if (!r) {
        guest_error(dev, bank, "has nothing to read", offset, size);
        *value = 0;
        return true;
    }
    if (!(r->access & size)) {
        guest_error(dev, bank, "is not read like this", offset, size);
        return false;
    }
    v = r->field ? load(storage(dev, r, index), r->size) : 0;
    v = r->read ? r->read(dev, index, v) : v;
    trace(dev, r, index, "->", v);
    *value = (v & ones(r->size)) >> 8 * byte & ones(size);
    return true;
}

bool dev_bank_write(Dev *dev, const DevBank *bank, uint64_t offset, unsigned size, uint64_t value)
{
    unsigned index, byte;
    const DevReg *r = find(bank, offset, &index, &byte);
    uint64_t touched, old = 0;

    if (!r) {
        guest_error(dev, bank, "has nothing to write", offset, size);
        return true;
    }
    if (!(r->access & size)) {
        guest_error(dev, bank, "is not written like this", offset, size);
        return false;
    }
    touched = ones(size) << 8 * byte & ones(r->size);
    value = value << 8 * byte & touched;
    trace(dev, r, index, "<-", value);
    if (r->field) {
        old = load(storage(dev, r, index), r->size);
        store(storage(dev, r, index), r->size,
              ((old & ~(r->rw & touched)) | (value & r->rw)) & ~(value & r->w1c));
    }
    if (r->wrote) {
        r->wrote(dev, index, (old & ~touched) | value);
    }
    return true;
}

static bool region_read(void *opaque, uint64_t offset, unsigned size, uint64_t *value)
{
    struct DevBankRef *ref = opaque;

    return dev_bank_read(ref->dev, ref->bank, offset, size, value);
}

static bool region_write(void *opaque, uint64_t offset, unsigned size, uint64_t value)
{
    struct DevBankRef *ref = opaque;

    return dev_bank_write(ref->dev, ref->bank, offset, size, value);
}

static const PhysOps region_ops = { region_read, region_write };

bool dev_map(Dev *dev, unsigned bank, uint64_t base, GError **error)
{
    const DevBank *b = &dev->type->banks[bank];
    PhysRegion region = { .name = dev->id, .kind = PHYS_mmio, .base = base, .size = b->size,
                          .ops = b->ops ? b->ops : &region_ops,
                          .opaque = b->ops ? (void *)dev : &dev->bank_ref[bank],
                          .lock = dev->lock };

    if (dev->type->programs && bank == 0) {
        size_t size;

        region.code = dev->type->memory(dev, &size);
    }
    dev->bank_ref[bank] = (struct DevBankRef){ dev, b };
    dev->region[bank] = phys_add(dev->env->mem, &region);
    if (!dev->region[bank]) {
        g_set_error(error, DEV_ERROR, 0, "%s: 0x%" PRIx64 " bytes at 0x%" PRIx64
                    " overlap something else", dev->id, b->size, base);
    }
    return dev->region[bank] != NULL;
}

/* ---- The tree ---- */

static Dev *root_of(Dev *dev)
{
    while (dev && dev->parent) {
        dev = dev->parent;
    }
    return dev;
}

static char *free_id(Dev *root, const char *name)
{
    char *id = g_strdup(name);

    for (unsigned n = 1; root && dev_find(root, id); n++) {
        g_free(id);
        id = g_strdup_printf("%s-%u", name, n);
    }
    return id;
}

Dev *dev_new(const DevType *type, const DevEnv *env, Dev *parent, const char *id)
{
    Dev *dev = g_malloc0(type->size);

    CHECK(type->n_banks <= DEV_MAX_BANKS && type->n_irqs <= DEV_MAX_IRQS, "%s", type->name);
    dev->type = type;
    dev->env = env;
    dev->id = free_id(root_of(parent), id ? id : type->name);
    dev->lock = &dev->own_lock;
    pthread_mutex_init(&dev->own_lock, NULL);
    if (parent) {
        Dev **at = &parent->first_child;

        while (*at) {
            at = &(*at)->next;
        }
        *at = dev;
        dev->parent = parent;
    }
    return dev;
}

bool dev_realize(Dev *dev, GError **error)
{
    dev->realized = !dev->type->realize || dev->type->realize(dev, error);
    if (!dev->realized) {
        g_prefix_error(error, "%s: ", dev->id);
    }
    return dev->realized;
}

static void unlink_child(Dev *dev)
{
    Dev **at = dev->parent ? &dev->parent->first_child : NULL;

    while (at && *at && *at != dev) {
        at = &(*at)->next;
    }
    if (at && *at) {
        *at = dev->next;
    }
}

static void free_properties(Dev *dev)
{
    for (unsigned i = 0; i < dev->type->n_props; i++) {
        const DevProp *p = &dev->type->props[i];

        if (p->kind == DEV_PROP_string) {
            g_free(*(char **)(void *)((uint8_t *)dev + p->offset));
        }
    }
}

void dev_free(Dev *dev)
{
    if (!dev) {
        return;
    }
    while (dev->first_child) {
        dev_free(dev->first_child);
    }
    if (dev->type->unrealize) {
        dev->type->unrealize(dev);
    }
    unlink_child(dev);
    free_properties(dev);
    pthread_mutex_destroy(&dev->own_lock);
    g_free(dev->id);
    g_free(dev);
}

static void reset_registers(Dev *dev, const DevBank *b)
{
    for (unsigned i = 0; i < b->n_regs; i++) {
        const DevReg *r = &b->regs[i];

        for (unsigned n = 0; r->field && n < (r->count ? r->count : 1u); n++) {
            store(storage(dev, r, n), r->size, r->reset);
        }
    }
}

void dev_reset(Dev *dev)
{
    pthread_mutex_lock(dev->lock);
    for (unsigned i = 0; i < dev->type->n_banks; i++) {
        reset_registers(dev, &dev->type->banks[i]);
    }
    if (dev->type->reset) {
        dev->type->reset(dev);
    }
    pthread_mutex_unlock(dev->lock);
    for (Dev *child = dev->first_child; child; child = child->next) {
        dev_reset(child);
    }
}

void dev_pause(Dev *dev, bool paused)
{
    if (dev->type->pause) {
        dev->type->pause(dev, paused);
    }
    for (Dev *child = dev->first_child; child; child = child->next) {
        dev_pause(child, paused);
    }
}

Dev *dev_find(Dev *root, const char *id)
{
    Dev *found = root && !strcmp(root->id, id) ? root : NULL;

    for (Dev *child = root ? root->first_child : NULL; child && !found; child = child->next) {
        found = dev_find(child, id);
    }
    return found;
}

static void for_each(Dev *dev, unsigned depth,
                     void (*fn)(void *opaque, Dev *dev, unsigned depth), void *opaque)
{
    fn(opaque, dev, depth);
    for (Dev *child = dev->first_child; child; child = child->next) {
        for_each(child, depth + 1, fn, opaque);
    }
}

void dev_for_each(Dev *root, void (*fn)(void *opaque, Dev *dev, unsigned depth), void *opaque)
{
    for_each(root, 0, fn, opaque);
}

void dev_each_field(Dev *dev, void (*fn)(void *opaque, const DevField *field, void *data),
                    void *opaque)
{
    for (unsigned b = 0; b < dev->type->n_banks; b++) {
        for (unsigned i = 0; i < dev->type->banks[b].n_regs; i++) {
            const DevReg *r = &dev->type->banks[b].regs[i];
            DevField field = { r->name, r->field, r->size, r->count ? r->count : 1, r->size, false };

            if (r->field) {
                fn(opaque, &field, storage(dev, r, 0));
            }
        }
    }
    for (unsigned i = 0; i < dev->type->n_fields; i++) {
        fn(opaque, &dev->type->fields[i], (uint8_t *)dev + dev->type->fields[i].offset);
    }
}
