/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Two lists that only grow: files, each with its symbols sorted by address, and mappings, each a
 * file at a place.  A mapping is known by the number that the memory map gives it and by its place,
 * so that one which is gone is never found again.
 */
#include "userland/symbols.h"

#include <fcntl.h>
#include <gelf.h>
#include <limits.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "userland/mem.h"

typedef struct Symbol {
    uint64_t addr, size; /* addr as in the file */
    uint32_t name;       /* offset in File.strings */
    uint32_t rank;       /* of several at one address, the lowest is shown */
} Symbol;

typedef struct Segment {
    uint64_t offset, addr, size;
} Segment;

typedef struct File {
    struct File *next;
    char *path;
    Segment segment[8]; /* those with bytes in the file */
    unsigned n_segments;
    uint8_t build_id[32];
    size_t build_id_size;
    char *strings;
    Symbol *symbol;
    size_t n;
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

/* ---- Reading a file ---- */

/* False: no name for code (an object, a local label, a mapping symbol like $x). */
static bool wanted(const GElf_Sym *sym, const char *name)
{
    unsigned type = GELF_ST_TYPE(sym->st_info);

    return sym->st_shndx != SHN_UNDEF && sym->st_shndx != SHN_ABS &&
           (type == STT_FUNC || type == STT_NOTYPE || type == STT_GNU_IFUNC) && name[0] &&
           name[0] != '$' && name[0] != '.';
}

static uint32_t rank_of(const GElf_Sym *sym, uint32_t index)
{
    uint32_t rank = GELF_ST_BIND(sym->st_info) == STB_GLOBAL ? 0
                    : GELF_ST_BIND(sym->st_info) == STB_WEAK ? 1
                                                             : 2;

    if (GELF_ST_TYPE(sym->st_info) == STT_NOTYPE) {
        rank += 3;
    }
    return rank << 28 | (index & 0xfffffff);
}

static int by_addr(const void *a, const void *b)
{
    const Symbol *x = a, *y = b;

    if (x->addr != y->addr) {
        return x->addr < y->addr ? -1 : 1;
    }
    return x->rank < y->rank ? -1 : x->rank > y->rank;
}

/* One symbol for each address; labels inside a function go, others reach to the next symbol. */
static void tidy(File *f)
{
    size_t n = 0;
    uint64_t end = 0;

    qsort(f->symbol, f->n, sizeof(Symbol), by_addr);
    for (size_t i = 0; i < f->n; i++) {
        const Symbol *s = &f->symbol[i];

        if ((n && s->addr == f->symbol[n - 1].addr) || (!s->size && s->addr < end)) {
            continue;
        }
        end = s->addr + s->size > end ? s->addr + s->size : end;
        f->symbol[n++] = *s;
    }
    f->n = n;
    for (size_t i = 0; i < n; i++) {
        Symbol *s = &f->symbol[i];

        if (!s->size) {
            s->size = i + 1 < n ? f->symbol[i + 1].addr - s->addr : UINT64_MAX - s->addr;
        }
    }
}

static char *copy_strings(Elf *elf, size_t section, size_t *size)
{
    Elf_Scn *scn = elf_getscn(elf, section);
    Elf_Data *data = scn ? elf_getdata(scn, NULL) : NULL;
    char *copy = data && data->d_size ? malloc(data->d_size + 1) : NULL;

    if (copy) {
        memcpy(copy, data->d_buf, data->d_size);
        copy[data->d_size] = '\0';
        *size = data->d_size;
    }
    return copy;
}

static void read_symbols(File *f, Elf *elf, Elf_Scn *scn, const GElf_Shdr *sh)
{
    Elf_Data *data = elf_getdata(scn, NULL);
    size_t n = data && sh->sh_entsize ? sh->sh_size / sh->sh_entsize : 0, size = 0;

    f->strings = copy_strings(elf, sh->sh_link, &size);
    f->symbol = f->strings ? malloc((n + 1) * sizeof(Symbol)) : NULL;
    for (size_t i = 0; f->symbol && i < n; i++) {
        GElf_Sym sym;

        if (gelf_getsym(data, (int)i, &sym) && sym.st_name < size &&
            wanted(&sym, f->strings + sym.st_name)) {
            f->symbol[f->n++] = (Symbol){ sym.st_value, sym.st_size, sym.st_name,
                                          rank_of(&sym, (uint32_t)i) };
        }
    }
    tidy(f);
}

/* .symtab holds all that .dynsym does. */
static void find_symbols(File *f, Elf *elf)
{
    Elf_Scn *best = NULL;
    GElf_Shdr sh, best_sh = { .sh_type = SHT_NULL };

    for (Elf_Scn *scn = NULL; (scn = elf_nextscn(elf, scn)) != NULL;) {
        if (gelf_getshdr(scn, &sh) &&
            (sh.sh_type == SHT_SYMTAB || (sh.sh_type == SHT_DYNSYM && !best))) {
            best = scn;
            best_sh = sh;
        }
    }
    if (best) {
        read_symbols(f, elf, best, &best_sh);
    }
}

static void read_build_id(File *f, Elf *elf, const GElf_Phdr *p)
{
    Elf_Data *data = elf_getdata_rawchunk(elf, (int64_t)p->p_offset, p->p_filesz, ELF_T_NHDR);
    size_t at = 0, name, desc;
    GElf_Nhdr note;

    while (data && (at = gelf_getnote(data, at, &note, &name, &desc)) > 0) {
        if (note.n_type == NT_GNU_BUILD_ID && note.n_namesz == sizeof("GNU") &&
            !memcmp((char *)data->d_buf + name, "GNU", sizeof("GNU")) &&
            note.n_descsz <= sizeof(f->build_id)) {
            memcpy(f->build_id, (char *)data->d_buf + desc, note.n_descsz);
            f->build_id_size = note.n_descsz;
        }
    }
}

static void read_headers(File *f, Elf *elf)
{
    size_t n = 0;
    GElf_Phdr p;

    elf_getphdrnum(elf, &n);
    for (size_t i = 0; i < n && gelf_getphdr(elf, (int)i, &p); i++) {
        if (p.p_type == PT_LOAD && p.p_filesz &&
            f->n_segments < sizeof(f->segment) / sizeof(f->segment[0])) {
            f->segment[f->n_segments++] = (Segment){ p.p_offset, p.p_vaddr, p.p_filesz };
        } else if (p.p_type == PT_NOTE) {
            read_build_id(f, elf, &p);
        }
    }
}

static void read_file(File *f)
{
    int fd = open(f->path, O_RDONLY | O_CLOEXEC);
    Elf *elf = fd < 0 || elf_version(EV_CURRENT) == EV_NONE ? NULL : elf_begin(fd, ELF_C_READ, NULL);

    if (elf && elf_kind(elf) == ELF_K_ELF) {
        read_headers(f, elf);
        find_symbols(f, elf);
    }
    elf_end(elf);
    if (fd >= 0) {
        close(fd);
    }
}

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
    if (!f || !(f->path = strdup(path))) {
        free(f);
        return NULL;
    }
    f->next = files;
    files = f;
    if (path[0] == '/') {
        read_file(f);
    }
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

/* Memory address minus address in the file, for the byte at pc. */
static bool find_bias(const Mapping *m, uint64_t pc, uint64_t *bias)
{
    uint64_t offset = pc - m->delta;

    for (unsigned i = 0; i < m->file->n_segments; i++) {
        const Segment *s = &m->file->segment[i];

        if (offset >= s->offset && offset - s->offset < s->size) {
            *bias = m->delta + s->offset - s->addr;
            return true;
        }
    }
    *bias = m->delta;
    return false;
}

static const Symbol *lookup(const File *f, uint64_t addr)
{
    size_t lo = 0, hi = f->n;

    while (lo < hi) {
        size_t mid = lo + (hi - lo) / 2;

        if (f->symbol[mid].addr <= addr) {
            lo = mid + 1;
        } else {
            hi = mid;
        }
    }
    return lo && addr - f->symbol[lo - 1].addr < f->symbol[lo - 1].size ? &f->symbol[lo - 1] : NULL;
}

static bool at_locked(uint64_t pc, SymbolPlace *place)
{
    const Mapping *m = mapping_at(pc);
    const Symbol *s;

    if (!m || !m->file) {
        return false;
    }
    *place = (SymbolPlace){ .file = m->file->path,
                            .build_id = m->file->build_id_size ? m->file->build_id : NULL,
                            .build_id_size = m->file->build_id_size };
    s = find_bias(m, pc, &place->bias) ? lookup(m->file, pc - place->bias) : NULL;
    if (s) {
        place->name = m->file->strings + s->name;
        place->start = s->addr + place->bias;
        place->size = s->size;
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

const char *symbols_find(uint64_t pc, uint64_t *offset)
{
    SymbolPlace place;

    if (!symbols_at(pc, &place) || !place.name) {
        return NULL;
    }
    *offset = pc - place.start;
    return place.name;
}

void symbols_fork_prepare(void)
{
    pthread_mutex_lock(&lock);
}

void symbols_fork_done(void)
{
    pthread_mutex_unlock(&lock);
}
