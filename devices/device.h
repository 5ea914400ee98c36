/* SPDX-License-Identifier: Apache-2.0 */
/*
 * devices/device.h - what a device is: tables of registers, properties and state, and a few hooks.
 *
 * A DevType is constant data, one row of devices.def.  A Dev is one device of one machine; a type's
 * own struct starts with a Dev.  Devices of a machine form a tree whose root is the board.
 *
 *   dev = dev_new(&dev_ns16550a, env, parent, "uart0");    members may be set now: see DevProp
 *   dev_realize(dev, &error) && dev_map(dev, 0, 0x10000000, &error)
 *   dev_reset(root)                                        once all are there, before the harts run
 *   dev_free(root)                                         children first
 *
 * Owns:       registers, their storage and write masks; the tree; the device's lock.
 * Invariant:  hooks of a type run with the device's lock held, one at a time; nothing that a guest
 *             writes makes them fail.  Lines (irq[]) are driven with the lock held.
 * Threading:  creation and removal by one thread, before the harts run or while they are stopped;
 *             accesses by any thread.
 */
#ifndef KETCH_DEVICES_DEVICE_H
#define KETCH_DEVICES_DEVICE_H

#include <glib.h>
#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/check.h"
#include "devices/clock.h"
#include "devices/irq.h"
#include "softmmu/physmem.h"

#define DEV_ERROR g_quark_from_static_string("ketch-device")

enum { DEV_MAX_IRQS = 32, DEV_MAX_BANKS = 4 };

typedef struct Dev Dev;
typedef struct DevType DevType;

/* A register, or `count` equal ones `stride` bytes apart.  An access may be narrower (the others of
 * its bytes are untouched) or wider (what is above reads as zero) than the register, when `access`
 * has its width; other widths are faults on the bus. */
typedef struct DevReg {
    const char *name;
    uint32_t offset;        /* in its bank */
    uint8_t size;           /* bytes: 1, 2, 4 or 8 */
    uint8_t access;         /* the widths it answers to, summed: 1 + 2 + 4 + 8 */
    uint16_t count;         /* 0 means 1 */
    uint32_t stride;        /* from one to the next; 0: size */
    uint32_t field;         /* offset of its storage in the device's struct, an unsigned integer of
                               `size` bytes, or an array of `count`; 0: nothing is stored */
    uint64_t reset;         /* the stored value after a reset */
    uint64_t rw;            /* bits that a write changes */
    uint64_t w1c;           /* bits that are cleared by writing one */
    uint64_t (*read)(Dev *dev, unsigned index, uint64_t stored); /* what is read; NULL: `stored` */
    void (*wrote)(Dev *dev, unsigned index, uint64_t value); /* after storing; the value as written */
} DevReg;

/* A piece of address space.  Rows in any order, not overlapping. */
typedef struct DevBank {
    const char *name;
    uint64_t size;
    const DevReg *regs;
    unsigned n_regs;
    const PhysOps *ops;     /* instead of registers; its `opaque` is the Dev */
} DevBank;

/* State for snapshots besides the registers' storage: `count` integers of `size` bytes. */
typedef struct DevField {
    const char *name;
    uint32_t offset, size, count, stride;
    bool is_bool; /* 0 or 1: a file that says otherwise is damaged */
} DevField;

#define DEV_IS_BOOL(value) _Generic((value), bool: true, default: false)
#define DEV_FIELD(Type, member)                                                       \
    { #member, offsetof(Type, member), sizeof(((Type *)0)->member), 1, 0,             \
      DEV_IS_BOOL(((Type *)0)->member) }
#define DEV_FIELD_ARRAY(Type, member)                                                 \
    { #member, offsetof(Type, member), sizeof(((Type *)0)->member[0]),                \
      sizeof(((Type *)0)->member) / sizeof(((Type *)0)->member[0]),                   \
      sizeof(((Type *)0)->member[0]), DEV_IS_BOOL(((Type *)0)->member[0]) }
/* The same member of each element of an array of structs. */
#define DEV_FIELD_EACH(Type, array, member)                                           \
    { #array "." #member, offsetof(Type, array[0].member),                            \
      sizeof(((Type *)0)->array[0].member),                                           \
      sizeof(((Type *)0)->array) / sizeof(((Type *)0)->array[0]),                     \
      sizeof(((Type *)0)->array[0]), DEV_IS_BOOL(((Type *)0)->array[0].member) }

/* How -device sets a member before realize(). */
typedef enum DevPropKind {
    DEV_PROP_bool,    /* bool: on, off */
    DEV_PROP_u32,     /* uint32_t, with suffixes K M G T */
    DEV_PROP_u64,     /* uint64_t, likewise */
    DEV_PROP_string,  /* char *, the device's, freed with g_free() */
    DEV_PROP_chardev, /* what DevEnv.link() finds by a name; not the device's */
    DEV_PROP_drive,
    DEV_PROP_netdev,
} DevPropKind;

typedef struct DevProp {
    const char *name;
    DevPropKind kind;
    uint32_t offset;
    const char *help;
    uint64_t max; /* of numbers; 0: none */
} DevProp;

typedef enum DevRequest { DEV_REQUEST_poweroff, DEV_REQUEST_reset } DevRequest;

/* What a machine gives to its devices.  Lives longer than they. */
typedef struct DevEnv {
    PhysMem *mem;
    Clock *clock;
    /* The object of this kind named `id`; NULL and error. */
    void *(*link)(void *opaque, DevPropKind kind, const char *id, GError **error);
    /* Any thread; returns at once.  `status`: of the process, for poweroff. */
    void (*request)(void *opaque, DevRequest request, int status);
    void *opaque;
} DevEnv;

/* DESIGN: isolation is a property that a type declares; undeclared counts as no. */
typedef enum DevIsolation { DEV_ISOLATION_undeclared, DEV_ISOLATION_yes, DEV_ISOLATION_no } DevIsolation;

struct DevType {
    const char *name;
    const char *summary;      /* one line */
    size_t size;              /* of the struct that starts with a Dev */
    DevIsolation isolation;
    const char *bus;          /* kind of bus it plugs into by -device; NULL: boards make it */
    const char *provides;     /* kind of bus that it has, for its children; NULL: none */
    unsigned slots;           /* children have numbers below this */
    unsigned first_slot;      /* and from this on; not 0: -device may say which, with addr= */
    const DevBank *banks;
    unsigned n_banks;
    unsigned n_irqs;          /* output lines */
    const DevField *fields;
    unsigned n_fields;
    const DevProp *props;
    unsigned n_props;
    bool (*realize)(Dev *dev, GError **error);  /* members are set; NULL: nothing to do */
    void (*unrealize)(Dev *dev);                /* also after a realize() that failed */
    void (*reset)(Dev *dev);                    /* registers have their reset values */
    void (*loaded)(Dev *dev);                   /* state came from a snapshot: lines, timers */
    void (*pause)(Dev *dev, bool paused);       /* without the lock: no thread of the device works
                                                   on requests or touches RAM while paused */
    /* Memory of its own that snapshots keep, besides `fields`. */
    uint8_t *(*memory)(Dev *dev, size_t *size);
    bool programs; /* may run from memory(), as bank 0 is mapped */
    bool (*plug)(Dev *bus, Dev *child, GError **error); /* before child's realize() */
};

struct Dev {
    const DevType *type;
    char *id;
    const DevEnv *env;
    Dev *parent, *first_child, *next;
    unsigned slot;             /* number on the parent's bus */
    pthread_mutex_t *lock;     /* own_lock, or its bus's */
    pthread_mutex_t own_lock;
    Irq irq[DEV_MAX_IRQS];
    PhysRegion *region[DEV_MAX_BANKS]; /* NULL: not mapped */
    struct DevBankRef { Dev *dev; const DevBank *bank; } bank_ref[DEV_MAX_BANKS];
    bool realized;
};

#define DEVICE(name) extern const DevType dev_##name;
#include "devices/devices.def"

/* All types, devices.def's order; NULL ends it.  dev_type(): by name, NULL. */
extern const DevType *const dev_types[];
const DevType *dev_type(const char *name);

/* All zero, then the defaults that realize() makes of zero.  `id` is copied; NULL: made from the
 * type's name.  Ids are unique within a tree. */
Dev *dev_new(const DevType *type, const DevEnv *env, Dev *parent, const char *id);
MUST_USE bool dev_set(Dev *dev, const char *prop, const char *value, GError **error);
/* The same from code: the member of the type's one property of that kind. */
void dev_set_link(Dev *dev, DevPropKind kind, void *object);
MUST_USE bool dev_realize(Dev *dev, GError **error);
MUST_USE bool dev_map(Dev *dev, unsigned bank, uint64_t base, GError **error);

/* -device: "TYPE,id=...,bus=...,PROP=VALUE,..." (",," is a comma in a value), on the first bus with
 * room below `root`.  NULL and error, which lists what is known when a name is not. */
Dev *dev_plug(Dev *root, const char *spec, GError **error);

void dev_free(Dev *dev); /* NULL: nothing */
void dev_reset(Dev *dev); /* and its children, after it */
void dev_pause(Dev *dev, bool paused); /* likewise; the harts stand still */

/* A line of text for each property of a type: -device TYPE,help. */
void dev_type_help(const DevType *type);

/* ---- For the monitor and snapshots ---- */

Dev *dev_find(Dev *root, const char *id);
void dev_for_each(Dev *root, void (*fn)(void *opaque, Dev *dev, unsigned depth), void *opaque);

/* The property's value as text, to be freed with g_free(). */
char *dev_prop_text(const Dev *dev, const DevProp *prop);

/* All state of one device, registers first: `data` are field->count integers of field->size bytes,
 * field->stride apart. */
void dev_each_field(Dev *dev, void (*fn)(void *opaque, const DevField *field, void *data),
                    void *opaque);

/* ---- For types with register tables of their own making (PCI BARs) ---- */

bool dev_bank_read(Dev *dev, const DevBank *bank, uint64_t offset, unsigned size, uint64_t *value);
bool dev_bank_write(Dev *dev, const DevBank *bank, uint64_t offset, unsigned size, uint64_t value);

#endif
