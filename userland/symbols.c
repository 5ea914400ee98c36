/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Two lists that only grow: files, each with its symbols sorted by address, and mappings, each a
 * file at a place.  A mapping is known by the number that the memory map gives it and by its place,
 * so that one which is gone is never found again.
 */
#include "userland/symbols.h"

#include <limits.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "userland/mem.h"
#include "userland/symtab.h"

typedef struct File {
    struct File *next;
    char *path;
    Symtab *symtab;
} File;

typedef struct Mapping {
    struct Mapping *next;
    uint32_t id;    /* MemArea.file */
    uint64_t delta; /* address minus offset in the file */
    const File *file;
} Mapping;

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static File *files;
static Mapping *mappings;

/* ---- What is mapped where ---- */

static const File *file_named(const char *path)
{
    File *f;

    for (f = files; f; f = f->next) {
        if (!strcmp(f->path, path)) {
            return f;
        }
    }
    f = calloc(1, sizeof(*f));
    if (!f || !(f->path = strdup(path)) || !(f->symtab = symtab_read(path[0] == '/' ? path : NULL))) {
        free(f ? f->path : NULL);
        free(f);
        return NULL;
    }
    f->next = files;
    files = f;
    return f;
}

static const Mapping *new_mapping(uint64_t pc, const MemArea *area)
{
    char path[PATH_MAX];
    uint64_t offset;
    bool found = mem_file_at(pc, path, sizeof(path), &offset);
    Mapping *m = found || area->name[0] ? calloc(1, sizeof(*m)) : NULL;

    if (!m) {
        return NULL;
    }
    m->file = file_named(found ? path : area->name);
    m->id = area->file;
    m->delta = area->start - area->offset;
    m->next = mappings;
    mappings = m;
    return m;
}

static const Mapping *mapping_at(uint64_t pc)
{
    MemArea area;

    if (!mem_area(pc, &area) || !area.file) {
        return NULL;
    }
    for (const Mapping *m = mappings; m; m = m->next) {
        if (m->id == area.file && m->delta == area.start - area.offset) {
            return m;
        }
    }
    return new_mapping(pc, &area);
}

static bool at_locked(uint64_t pc, SymbolPlace *place)
{
    const Mapping *m = mapping_at(pc);
    SymtabEntry e;
    uint64_t addr;

    if (!m || !m->file) {
        return false;
    }
    *place = (SymbolPlace){ .file = m->file->path, .bias = m->delta };
    place->build_id = symtab_build_id(m->file->symtab, &place->build_id_size);
    if (!symtab_address(m->file->symtab, pc - m->delta, &addr)) {
        return true;
    }
    place->bias = pc - addr;
    if (symtab_find(m->file->symtab, addr, &e)) {
        place->name = e.name;
        place->start = e.start + place->bias;
        place->size = e.size;
    }
    return true;
}

bool symbols_at(uint64_t pc, SymbolPlace *place)
{
    bool found;

    pthread_mutex_lock(&lock);
    found = at_locked(pc, place);
    pthread_mutex_unlock(&lock);
    return found;
}

void symbols_fork_prepare(void)
{
    pthread_mutex_lock(&lock);
}

void symbols_fork_done(void)
{
    pthread_mutex_unlock(&lock);
}
