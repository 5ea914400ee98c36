/* SPDX-License-Identifier: Apache-2.0 */
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
    uint64_t addr, size; /* addr: in memory */
    const char *name;
} Symbol;

/* The symbols of one mapped file at one place. */
typedef struct File {
    struct File *next;
    uint64_t lo, hi;     /* where its code is mapped */
    Symbol *symbol;
    size_t n, capacity;
} File;

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static File *files;

static void add_symbol(File *f, uint64_t addr, uint64_t size, const char *name)
{
    if (f->n == f->capacity) {
        size_t capacity = f->capacity ? 2 * f->capacity : 1024;
        Symbol *more = realloc(f->symbol, capacity * sizeof(Symbol));

        if (!more) {
            return;
        }
        f->symbol = more;
        f->capacity = capacity;
    }
    name = strdup(name);
    if (name) {
        f->symbol[f->n++] = (Symbol){ addr, size, name };
    }
}

static void read_table(File *f, Elf *elf, Elf_Scn *scn, const GElf_Shdr *sh, uint64_t bias)
{
    Elf_Data *data = elf_getdata(scn, NULL);
    size_t n = sh->sh_entsize ? sh->sh_size / sh->sh_entsize : 0;
    GElf_Sym sym;

    for (size_t i = 0; data && i < n; i++) {
        const char *name;

        if (!gelf_getsym(data, (int)i, &sym) || sym.st_shndx == SHN_UNDEF ||
            (GELF_ST_TYPE(sym.st_info) != STT_FUNC && GELF_ST_TYPE(sym.st_info) != STT_NOTYPE)) {
            continue;
        }
        name = elf_strptr(elf, sh->sh_link, sym.st_name);
        /* Mapping symbols ($x, $d) and local labels are no functions. */
        if (name && name[0] && name[0] != '$' && name[0] != '.') {
            add_symbol(f, sym.st_value + bias, sym.st_size, name);
        }
    }
}

/* Memory address minus address in the file, for the segment with file offset `offset` at pc. */
static bool find_bias(Elf *elf, uint64_t pc, uint64_t offset, uint64_t *bias)
{
    size_t n = 0;
    GElf_Phdr p;

    if (elf_getphdrnum(elf, &n) != 0) {
        return false;
    }
    for (size_t i = 0; i < n; i++) {
        if (gelf_getphdr(elf, (int)i, &p) && p.p_type == PT_LOAD && offset >= p.p_offset &&
            offset < p.p_offset + p.p_filesz) {
            *bias = pc - (p.p_vaddr + offset - p.p_offset);
            return true;
        }
    }
    return false;
}

static int by_addr(const void *a, const void *b)
{
    const Symbol *x = a, *y = b;

    return x->addr < y->addr ? -1 : x->addr > y->addr;
}

static void read_file(File *f, int fd, uint64_t pc, uint64_t offset)
{
    Elf *elf = elf_version(EV_CURRENT) == EV_NONE ? NULL : elf_begin(fd, ELF_C_READ, NULL);
    uint64_t bias;
    GElf_Shdr sh;

    if (elf && find_bias(elf, pc, offset, &bias)) {
        for (Elf_Scn *scn = NULL; (scn = elf_nextscn(elf, scn)) != NULL;) {
            if (gelf_getshdr(scn, &sh) &&
                (sh.sh_type == SHT_SYMTAB || sh.sh_type == SHT_DYNSYM)) {
                read_table(f, elf, scn, &sh, bias);
            }
        }
    }
    elf_end(elf);
    if (f->n) {
        qsort(f->symbol, f->n, sizeof(Symbol), by_addr);
    }
}

/* The file mapped at pc; an empty one when there is none, so that it is not looked for again. */
static File *file_at(uint64_t pc)
{
    char path[PATH_MAX];
    uint64_t offset;
    MemArea area;
    File *f;
    int fd;

    for (f = files; f; f = f->next) {
        if (pc >= f->lo && pc < f->hi) {
            return f;
        }
    }
    if (!mem_area(pc, &area) || !(f = calloc(1, sizeof(*f)))) {
        return NULL;
    }
    f->lo = area.start;
    f->hi = area.end;
    f->next = files;
    files = f;
    if (mem_file_at(pc, path, sizeof(path), &offset)) {
        fd = open(path, O_RDONLY | O_CLOEXEC);
        if (fd >= 0) {
            read_file(f, fd, pc, offset);
            close(fd);
        }
    }
    return f;
}

static const char *lookup(const File *f, uint64_t pc, uint64_t *offset)
{
    size_t lo = 0, hi = f->n;

    while (lo < hi) {
        size_t mid = lo + (hi - lo) / 2;

        if (f->symbol[mid].addr <= pc) {
            lo = mid + 1;
        } else {
            hi = mid;
        }
    }
    if (lo == 0 || (f->symbol[lo - 1].size && pc - f->symbol[lo - 1].addr >= f->symbol[lo - 1].size)) {
        return NULL;
    }
    *offset = pc - f->symbol[lo - 1].addr;
    return f->symbol[lo - 1].name;
}

const char *symbols_find(uint64_t pc, uint64_t *offset)
{
    const char *name = NULL;
    const File *f;

    pthread_mutex_lock(&lock);
    f = file_at(pc);
    if (f) {
        name = lookup(f, pc, offset);
    }
    pthread_mutex_unlock(&lock);
    return name;
}
