/* SPDX-License-Identifier: Apache-2.0 */
/* Properties from text, and -device. */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/size.h"
#include "devices/device.h"

static void *member(const Dev *dev, const DevProp *p)
{
    return (uint8_t *)(uintptr_t)dev + p->offset;
}

static bool parse_bool(const char *text, bool *out)
{
    static const char *const words[] = { "off", "on", "no", "yes", "false", "true" };

    for (size_t i = 0; i < G_N_ELEMENTS(words); i++) {
        if (!strcmp(text, words[i])) {
            *out = i & 1;
            return true;
        }
    }
    return false;
}

static bool wrong_value(const Dev *dev, const DevProp *p, const char *value, const char *wants,
                        GError **error)
{
    g_set_error(error, DEV_ERROR, 0, "%s: %s is %s, not '%s'", dev->type->name, p->name, wants,
                value);
    return false;
}

static bool set_number(Dev *dev, const DevProp *p, const char *value, GError **error)
{
    uint64_t limit = p->kind == DEV_PROP_u32 ? UINT32_MAX : UINT64_MAX;
    uint64_t max = p->max ? p->max : limit;
    uint64_t v;

    if (!size_parse(value, &v) || v > max) {
        char *wants = g_strdup_printf("a number up to %" PRIu64, max);

        wrong_value(dev, p, value, wants, error);
        g_free(wants);
        return false;
    }
    memcpy(member(dev, p), &v, p->kind == DEV_PROP_u32 ? sizeof(uint32_t) : sizeof(uint64_t));
    return true;
}

static bool set_link(Dev *dev, const DevProp *p, const char *value, GError **error)
{
    void *object = dev->env->link(dev->env->opaque, p->kind, value, error);

    if (!object) {
        g_prefix_error(error, "%s: %s: ", dev->type->name, p->name);
        return false;
    }
    *(void **)member(dev, p) = object;
    return true;
}

static bool set_member(Dev *dev, const DevProp *p, const char *value, GError **error)
{
    switch (p->kind) {
    case DEV_PROP_bool:
        return parse_bool(value, member(dev, p)) || wrong_value(dev, p, value, "on or off", error);
    case DEV_PROP_u32:
    case DEV_PROP_u64:
        return set_number(dev, p, value, error);
    case DEV_PROP_string:
        g_free(*(char **)member(dev, p));
        *(char **)member(dev, p) = g_strdup(value);
        return true;
    case DEV_PROP_chardev:
    case DEV_PROP_drive:
    case DEV_PROP_netdev:
        return set_link(dev, p, value, error);
    }
    return false;
}

static char *prop_names(const DevType *type)
{
    GString *text = g_string_new(strcmp(type->bus ? type->bus : "", "pci") ? "id, bus" : "id, bus, addr");

    for (unsigned i = 0; i < type->n_props; i++) {
        g_string_append_printf(text, ", %s", type->props[i].name);
    }
    return g_string_free(text, FALSE);
}

bool dev_set(Dev *dev, const char *prop, const char *value, GError **error)
{
    char *names;

    for (unsigned i = 0; i < dev->type->n_props; i++) {
        if (!strcmp(dev->type->props[i].name, prop)) {
            return set_member(dev, &dev->type->props[i], value, error);
        }
    }
    names = prop_names(dev->type);
    g_set_error(error, DEV_ERROR, 0, "%s has no property '%s'; it has %s", dev->type->name, prop,
                names);
    g_free(names);
    return false;
}

void dev_set_link(Dev *dev, DevPropKind kind, void *object)
{
    for (unsigned i = 0; i < dev->type->n_props; i++) {
        if (dev->type->props[i].kind == kind) {
            *(void **)member(dev, &dev->type->props[i]) = object;
            return;
        }
    }
    CHECK(false, "%s has no such property", dev->type->name);
}

char *dev_prop_text(const Dev *dev, const DevProp *p)
{
    const void *at = member(dev, p);

    switch (p->kind) {
    case DEV_PROP_bool:
        return g_strdup(*(const bool *)at ? "on" : "off");
    case DEV_PROP_u32:
        return g_strdup_printf("%" PRIu32, *(const uint32_t *)at);
    case DEV_PROP_u64:
        return g_strdup_printf("%" PRIu64, *(const uint64_t *)at);
    case DEV_PROP_string:
        return g_strdup(*(char *const *)at ? *(char *const *)at : "");
    case DEV_PROP_chardev:
    case DEV_PROP_drive:
    case DEV_PROP_netdev:
        return g_strdup(*(void *const *)at ? "connected" : "none");
    }
    return NULL;
}

static const char *kind_text(DevPropKind kind)
{
    static const char *const text[] = {
        [DEV_PROP_bool] = "on|off",          [DEV_PROP_u32] = "NUMBER",
        [DEV_PROP_u64] = "NUMBER",           [DEV_PROP_string] = "TEXT",
        [DEV_PROP_chardev] = "CHARDEV-ID",   [DEV_PROP_drive] = "DRIVE-ID",
        [DEV_PROP_netdev] = "NETDEV-ID",
    };

    return text[kind];
}

void dev_type_help(const DevType *type)
{
    g_print("%s: %s\n", type->name, type->summary);
    for (unsigned i = 0; i < type->n_props; i++) {
        char *left = g_strdup_printf("%s=%s", type->props[i].name, kind_text(type->props[i].kind));

        g_print("  %-28s %s\n", left, type->props[i].help);
        g_free(left);
    }
}

/* ---- -device ---- */

/* Splits at commas, but not at ",,", which stands for one. */
static char **split(const char *spec)
{
    GPtrArray *parts = g_ptr_array_new();
    GString *part = g_string_new(NULL);

    for (const char *p = spec; *p; p++) {
        if (*p == ',' && p[1] != ',') {
            g_ptr_array_add(parts, g_string_free(part, FALSE));
            part = g_string_new(NULL);
        } else {
            g_string_append_c(part, *p);
            p += *p == ',';
        }
    }
    g_ptr_array_add(parts, g_string_free(part, FALSE));
    g_ptr_array_add(parts, NULL);
    return (char **)g_ptr_array_free(parts, FALSE);
}

static const char *value_of(char **parts, const char *name)
{
    size_t length = strlen(name);

    for (char **p = parts + 1; *p; p++) {
        if (!strncmp(*p, name, length) && (*p)[length] == '=') {
            return *p + length + 1;
        }
    }
    return NULL;
}

static bool unknown_type(const char *name, GError **error)
{
    GString *known = g_string_new(NULL);

    for (const DevType *const *t = dev_types; *t; t++) {
        if ((*t)->bus) {
            g_string_append_printf(known, "%s%s", known->len ? ", " : "", (*t)->name);
        }
    }
    g_set_error(error, DEV_ERROR, 0, "there is no device '%s' to plug in; there are: %s", name,
                known->str);
    g_string_free(known, TRUE);
    return false;
}

static const Dev *child_in(const Dev *bus, unsigned slot)
{
    const Dev *child = bus->first_child;

    while (child && child->slot != slot) {
        child = child->next;
    }
    return child;
}

/* The lowest number that no child has; type->slots: none. */
static unsigned free_slot(const Dev *bus)
{
    unsigned slot = bus->type->first_slot;

    while (slot < bus->type->slots && child_in(bus, slot)) {
        slot++;
    }
    return slot;
}

/* addr=SLOT or SLOT.FUNCTION, hexadecimal as in QEMU. */
static bool take_slot(const Dev *bus, const char *addr, unsigned *slot, GError **error)
{
    char *end;
    guint64 n = g_ascii_strtoull(addr, &end, 16);

    if (end == addr || (strcmp(end, "") && strcmp(end, ".0"))) {
        g_set_error(error, DEV_ERROR, 0, "addr is a slot from 0x%x to 0x%x, of which each has one function, not '%s'",
                    bus->type->first_slot, bus->type->slots - 1, addr);
        return false;
    }
    if (n < bus->type->first_slot || n >= bus->type->slots) {
        g_set_error(error, DEV_ERROR, 0, "addr=%s: the slots of %s are 0x%x to 0x%x", addr, bus->id, bus->type->first_slot,
                    bus->type->slots - 1);
        return false;
    }
    if (child_in(bus, (unsigned)n)) {
        g_set_error(error, DEV_ERROR, 0, "addr=%s: there is '%s'", addr, child_in(bus, (unsigned)n)->id);
        return false;
    }
    *slot = (unsigned)n;
    return true;
}

static Dev *find_bus(Dev *dev, const char *kind, const char *id)
{
    Dev *found = NULL;

    if (dev->type->provides && !strcmp(dev->type->provides, kind) &&
        free_slot(dev) < dev->type->slots && (!id || !strcmp(id, dev->id))) {
        return dev;
    }
    for (Dev *child = dev->first_child; child && !found; child = child->next) {
        found = find_bus(child, kind, id);
    }
    return found;
}

static bool set_all(Dev *dev, char **parts, GError **error)
{
    for (char **p = parts + 1; *p; p++) {
        char *value = strchr(*p, '=');
        bool ok;

        if (!value) {
            g_set_error(error, DEV_ERROR, 0, "%s: '%s' is not NAME=VALUE", dev->type->name, *p);
            return false;
        }
        *value = 0;
        ok = !strcmp(*p, "id") || !strcmp(*p, "bus") || (!strcmp(*p, "addr") && dev->parent->type->first_slot) ||
             dev_set(dev, *p, value + 1, error);
        *value = '=';
        if (!ok) {
            return false;
        }
    }
    return true;
}

static Dev *plug(Dev *root, const DevType *type, char **parts, GError **error)
{
    const char *id = value_of(parts, "id");
    const char *bus_id = value_of(parts, "bus"), *addr = value_of(parts, "addr");
    Dev *bus = find_bus(root, type->bus, bus_id);
    Dev *dev;
    unsigned slot;

    if (id && dev_find(root, id)) {
        g_set_error(error, DEV_ERROR, 0, "%s: there is a device '%s' already", type->name, id);
        return NULL;
    }
    if (!bus) {
        g_set_error(error, DEV_ERROR, 0, "%s: no %s bus%s%s has room for it", type->name,
                    type->bus, bus_id ? " named " : "", bus_id ? bus_id : "");
        return NULL;
    }
    slot = free_slot(bus);
    if (addr && bus->type->first_slot && !take_slot(bus, addr, &slot, error)) {
        g_prefix_error(error, "%s: ", type->name);
        return NULL;
    }
    dev = dev_new(type, root->env, bus, id);
    dev->slot = slot;
    if (set_all(dev, parts, error) &&
        (!bus->type->plug || bus->type->plug(bus, dev, error)) && dev_realize(dev, error)) {
        return dev;
    }
    dev_free(dev);
    return NULL;
}

Dev *dev_plug(Dev *root, const char *spec, GError **error)
{
    char **parts = split(spec);
    const DevType *type = dev_type(parts[0]);
    Dev *dev = NULL;

    if (!type || !type->bus) {
        unknown_type(parts[0], error);
    } else {
        dev = plug(root, type, parts, error);
    }
    g_strfreev(parts);
    return dev;
}
