/* SPDX-License-Identifier: Apache-2.0 */
#include "userland/symtab.h"

#include <fcntl.h>
#include <gelf.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

typedef struct Symbol {
    uint64_t addr, size; /* addr as in the file */
    uint32_t name;       /* offset in Symtab.strings */
    uint32_t rank;       /* of several at one address, the lowest is shown */
} Symbol;

typedef struct Segment {
    uint64_t offset, addr, size;
} Segment;

struct Symtab {
    Segment segment[8]; /* those with bytes in the file */
    unsigned n_segments;
    uint8_t build_id[32];
    size_t build_id_size;
    char *strings;
    Symbol *symbol;
    size_t n;
};

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
static void tidy(Symtab *f)
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

static void read_symbols(Symtab *f, Elf *elf, Elf_Scn *scn, const GElf_Shdr *sh)
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
static void find_symbols(Symtab *f, Elf *elf)
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

static void read_build_id(Symtab *f, Elf *elf, const GElf_Phdr *p)
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

static void read_headers(Symtab *f, Elf *elf)
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

static void read_file(Symtab *f, const char *path)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);
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

Symtab *symtab_read(const char *path)
{
    Symtab *f = calloc(1, sizeof(*f));

    if (f && path) {
        read_file(f, path);
    }
    return f;
}

/* ---- Asking ---- */

bool symtab_address(const Symtab *f, uint64_t offset, uint64_t *addr)
{
    for (unsigned i = 0; i < f->n_segments; i++) {
        const Segment *s = &f->segment[i];

        if (offset >= s->offset && offset - s->offset < s->size) {
            *addr = offset - s->offset + s->addr;
            return true;
        }
    }
    return false;
}

bool symtab_has(const Symtab *f, uint64_t addr)
{
    for (unsigned i = 0; i < f->n_segments; i++) {
        if (addr - f->segment[i].addr < f->segment[i].size) {
            return true;
        }
    }
    return false;
}

static const Symbol *lookup(const Symtab *f, uint64_t addr)
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

bool symtab_find(const Symtab *f, uint64_t addr, SymtabEntry *out)
{
    const Symbol *s = lookup(f, addr);

    if (s) {
        *out = (SymtabEntry){ f->strings + s->name, s->addr, s->size };
    }
    return s;
}

const uint8_t *symtab_build_id(const Symtab *f, size_t *size)
{
    *size = f->build_id_size;
    return f->build_id_size ? f->build_id : NULL;
}
