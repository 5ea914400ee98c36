/* SPDX-License-Identifier: Apache-2.0 */
#include "userland/linkmap.h"

#include <elf.h>
#include <stdbool.h>
#include <stddef.h>

#include "userland/abi.h"
#include "userland/mem.h"
#include "userland/proc.h"
#include "userland/task.h"

/* <link.h> of a 64-bit guest */
typedef struct GuestDebug {
    int32_t version, pad;
    uint64_t map;
} GuestDebug;

typedef struct GuestLinkMap {
    uint64_t addr, name, dynamic, next, prev;
} GuestLinkMap;

static uint64_t auxv_value(uint64_t type)
{
    Elf64_auxv_t a;

    for (uint64_t at = process.auxv_start; at < process.auxv_end; at += sizeof(a)) {
        if (mem_read(&a, at, sizeof(a)) && a.a_type == type) {
            return a.a_un.a_val;
        }
    }
    return 0;
}

/* Address of the program's dynamic section; 0: it has none. */
static uint64_t dynamic_section(void)
{
    uint64_t phdr = auxv_value(AT_PHDR), n = auxv_value(AT_PHNUM), bias = 0, dynamic = 0;
    Elf64_Phdr p;

    for (uint64_t i = 0; i < n && mem_read(&p, phdr + i * sizeof(p), sizeof(p)); i++) {
        if (p.p_type == PT_PHDR) {
            bias = phdr - p.p_vaddr;
        } else if (p.p_type == PT_DYNAMIC) {
            dynamic = p.p_vaddr;
        }
    }
    return dynamic ? dynamic + bias : 0;
}

/* The first link_map; 0: there is none yet. */
static uint64_t first_map(void)
{
    uint64_t at = dynamic_section();
    GuestDebug debug;
    Elf64_Dyn d;

    for (; at && mem_read(&d, at, sizeof(d)) && d.d_tag != DT_NULL; at += sizeof(d)) {
        if (d.d_tag == DT_DEBUG) {
            return d.d_un.d_ptr && mem_read(&debug, d.d_un.d_ptr, sizeof(debug)) ? debug.map : 0;
        }
    }
    return 0;
}

static void read_name(uint64_t at, char name[GDB_PATH])
{
    unsigned n = 0;

    while (n < GDB_PATH - 1 && mem_read(&name[n], at + n, 1) && name[n]) {
        n++;
    }
    name[n] = '\0';
}

void linkmap_each(void (*fn)(void *opaque, const GdbLibrary *library), void *opaque)
{
    uint64_t at = first_map();
    GuestLinkMap map;

    for (unsigned i = 0; i < LINKMAP_MAX && at && mem_read(&map, at, sizeof(map)); i++) {
        GdbLibrary library = { .map = at, .bias = map.addr, .dynamic = map.dynamic };

        read_name(map.name, library.name);
        fn(opaque, &library);
        at = map.next;
    }
}

/* glibc's <thread_db.h>: a field of a struct. */
typedef struct GuestField {
    uint32_t bits, n, offset;
} GuestField;

/* glibc's dtv: [module] is where its block is, or NOT_YET; [-1] how many modules there is room for. */
typedef struct GuestBlock {
    uint64_t addr, unused;
} GuestBlock;

#define NOT_YET UINT64_MAX

static bool module_of(const GdbTls *tls, uint64_t *module)
{
    GuestField field;

    *module = 1; /* the program; a static one has no link_map */
    return !tls->map || (tls->symbol && mem_read(&field, tls->symbol, sizeof(field)) && field.bits == 64 &&
                         mem_read(module, tls->map + field.offset, sizeof(*module)));
}

bool linkmap_tls(uint64_t tp, const GdbTls *tls, uint64_t *addr)
{
    GuestBlock room, block;
    uint64_t module, vector;

    if (!module_of(tls, &module) || !mem_read(&vector, tp + (uint64_t)process.abi->tls_vector, sizeof(vector)) ||
        !mem_read(&room, vector - sizeof(room), sizeof(room)) || module == 0 || module > room.addr ||
        !mem_read(&block, vector + module * sizeof(block), sizeof(block)) || block.addr == NOT_YET) {
        return false;
    }
    *addr = block.addr + tls->offset;
    return true;
}
