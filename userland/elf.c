/* SPDX-License-Identifier: Apache-2.0 */
#include "userland/elf.h"

#include <elf.h>
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/bits.h"
#include "userland/mem.h"

enum { MAX_PHDRS = 128 };

/* An ELF file being read. */
typedef struct Reader {
    int fd;
    const char *path;
    uint64_t size;
    Elf64_Ehdr ehdr;
    Elf64_Phdr phdr[MAX_PHDRS];
    uint64_t lo, hi; /* of the PT_LOADs, page aligned */
    char *error;
} Reader;

static bool fail(const Reader *r, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

static bool fail(const Reader *r, const char *fmt, ...)
{
    int n = snprintf(r->error, ELF_ERROR, "%s: ", r->path);
    va_list ap;

    va_start(ap, fmt);
    if (n >= 0 && n < ELF_ERROR) {
        vsnprintf(r->error + n, (size_t)(ELF_ERROR - n), fmt, ap);
    }
    va_end(ap);
    return false;
}

/* Names of machines that a user is likely to mix up. */
static const char *machine_name(unsigned machine)
{
    static const struct {
        uint16_t machine;
        const char *name;
    } names[] = {
        { EM_386, "32-bit x86" },   { EM_X86_64, "x86-64" },   { EM_ARM, "32-bit Arm" },
        { EM_AARCH64, "AArch64" },  { EM_RISCV, "RISC-V" },    { EM_PPC64, "64-bit PowerPC" },
        { EM_S390, "s390" },        { EM_MIPS, "MIPS" },       { EM_SPARCV9, "SPARC" },
        { EM_LOONGARCH, "LoongArch" },
    };

    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        if (names[i].machine == machine) {
            return names[i].name;
        }
    }
    return NULL;
}

static bool check_ident(const Reader *r, size_t n)
{
    const uint8_t *id = r->ehdr.e_ident;

    if (n < SELFMAG || memcmp(id, ELFMAG, SELFMAG) != 0) {
        return fail(r, "not an ELF program (a script begins with #! and the path of its interpreter)");
    }
    if (n < sizeof(r->ehdr)) {
        return fail(r, "truncated: the ELF header is incomplete");
    }
    if (id[EI_DATA] != ELFDATA2LSB) {
        return fail(r, "a big-endian program; %s is little-endian", process.abi->name);
    }
    if (id[EI_CLASS] != ELFCLASS64) {
        return fail(r, "a 32-bit program; %s is 64-bit", process.abi->name);
    }
    return true;
}

static bool check_header(const Reader *r)
{
    const Elf64_Ehdr *e = &r->ehdr;

    if (e->e_machine != process.abi->elf_machine) {
        const char *name = machine_name(e->e_machine);

        if (name) {
            return fail(r, "a program for %s, not for %s", name, process.abi->name);
        }
        return fail(r, "a program for ELF machine %u, not for %s", e->e_machine,
                    process.abi->name);
    }
    if (e->e_type != ET_EXEC && e->e_type != ET_DYN) {
        return fail(r, "an ELF file, but not a program");
    }
    if (e->e_phentsize != sizeof(Elf64_Phdr) || e->e_phnum == 0 || e->e_phnum > MAX_PHDRS) {
        return fail(r, "bad ELF program headers");
    }
    return true;
}

static bool check_load(Reader *r, const Elf64_Phdr *p)
{
    if (p->p_filesz > p->p_memsz || p->p_vaddr + p->p_memsz < p->p_vaddr ||
        (p->p_vaddr - p->p_offset) % MEM_PAGE || !mem_in_guest(p->p_vaddr, p->p_memsz)) {
        return fail(r, "bad ELF program headers");
    }
    if (p->p_offset > r->size || p->p_filesz > r->size - p->p_offset) {
        return fail(r, "truncated: a segment ends at byte %llu, the file at %llu",
                    (unsigned long long)(p->p_offset + p->p_filesz), (unsigned long long)r->size);
    }
    if (r->hi == 0 || bits_align_down(p->p_vaddr, MEM_PAGE) < r->lo) {
        r->lo = bits_align_down(p->p_vaddr, MEM_PAGE);
    }
    if (bits_align_up(p->p_vaddr + p->p_memsz, MEM_PAGE) > r->hi) {
        r->hi = bits_align_up(p->p_vaddr + p->p_memsz, MEM_PAGE);
    }
    return true;
}

static bool read_headers(Reader *r)
{
    size_t size;
    struct stat st;
    ssize_t n;

    if (fstat(r->fd, &st) < 0) {
        return fail(r, "%s", strerror(errno));
    }
    r->size = (uint64_t)st.st_size;
    n = pread(r->fd, &r->ehdr, sizeof(r->ehdr), 0);
    if (!check_ident(r, n < 0 ? 0 : (size_t)n) || !check_header(r)) {
        return false;
    }
    size = r->ehdr.e_phnum * sizeof(Elf64_Phdr);
    if (pread(r->fd, r->phdr, size, (off_t)r->ehdr.e_phoff) != (ssize_t)size) {
        return fail(r, "truncated: the program headers are incomplete");
    }
    for (unsigned i = 0; i < r->ehdr.e_phnum; i++) {
        if (r->phdr[i].p_type == PT_LOAD && !check_load(r, &r->phdr[i])) {
            return false;
        }
    }
    return r->hi ? true : fail(r, "an ELF file with nothing to load");
}

/* Reserves the range of the file; the bias, or false. */
static bool place(const Reader *r, bool program, uint64_t *bias)
{
    int flags = MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE;
    uint64_t align = MEM_PAGE, want = 0;
    int64_t at;

    for (unsigned i = 0; i < r->ehdr.e_phnum; i++) {
        if (r->phdr[i].p_type == PT_LOAD && r->phdr[i].p_align > align &&
            (r->phdr[i].p_align & (r->phdr[i].p_align - 1)) == 0) {
            align = r->phdr[i].p_align;
        }
    }
    if (r->ehdr.e_type == ET_EXEC) {
        want = r->lo;
        flags |= MAP_FIXED_NOREPLACE;
    } else if (program) {
        want = bits_align_up(process.abi->pie_base, align);
        if (!mem_in_guest(want, r->hi - r->lo)) {
            want = 0;
        }
    }
    at = mem_mmap(want, r->hi - r->lo, PROT_NONE, flags, -1, 0);
    if (at < 0) {
        return fail(r, "cannot be placed at %#llx in memory: %s", (unsigned long long)want,
                    strerror((int)-at));
    }
    *bias = (uint64_t)at - r->lo;
    return true;
}

static int segment_prot(const Elf64_Phdr *p)
{
    return (p->p_flags & PF_R ? PROT_READ : 0) | (p->p_flags & PF_W ? PROT_WRITE : 0) |
           (p->p_flags & PF_X ? PROT_EXEC : 0);
}

/* The part of a segment after its bytes in the file: zero. */
static bool map_zeros(uint64_t start, uint64_t end, int prot)
{
    uint64_t page = bits_align_up(start, MEM_PAGE);
    int flags = MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED;

    if (page > start) {
        uint64_t first = bits_align_down(start, MEM_PAGE);

        /* To the end of the page: dynamic loaders allocate there. */
        if (mem_mprotect(first, MEM_PAGE, prot | PROT_WRITE) < 0 ||
            !mem_zero(start, page - start) ||
            (!(prot & PROT_WRITE) && mem_mprotect(first, MEM_PAGE, prot) < 0)) {
            return false;
        }
    }
    end = bits_align_up(end, MEM_PAGE);
    return end <= page || mem_mmap(page, end - page, prot, flags, -1, 0) >= 0;
}

static bool map_segment(const Reader *r, const Elf64_Phdr *p, uint64_t bias)
{
    uint64_t addr = bias + p->p_vaddr;
    uint64_t start = bits_align_down(addr, MEM_PAGE);
    int64_t at = 0;

    if (p->p_filesz) {
        at = mem_mmap(start, addr + p->p_filesz - start, segment_prot(p), MAP_PRIVATE | MAP_FIXED,
                      r->fd, bits_align_down(p->p_offset, MEM_PAGE));
    }
    if (at < 0) {
        return fail(r, "cannot be mapped: %s", strerror((int)-at));
    }
    if (p->p_memsz > p->p_filesz &&
        !map_zeros(p->p_filesz ? addr + p->p_filesz : start, addr + p->p_memsz, segment_prot(p))) {
        return fail(r, "cannot be mapped: out of memory");
    }
    return true;
}

static void note_segment(ElfImage *image, const Reader *r, const Elf64_Phdr *p)
{
    uint64_t start = image->bias + p->p_vaddr;

    if ((p->p_flags & PF_X) && (image->code_end == 0 || start < image->code_start)) {
        image->code_start = start;
    }
    if ((p->p_flags & PF_X) && start + p->p_filesz > image->code_end) {
        image->code_end = start + p->p_filesz;
    }
    if (start > image->data_start) {
        image->data_start = start;
        image->data_end = start + p->p_filesz;
    }
    if (r->ehdr.e_phoff >= p->p_offset && r->ehdr.e_phoff < p->p_offset + p->p_filesz) {
        image->phdr = start + r->ehdr.e_phoff - p->p_offset;
    }
}

static bool read_interp(const Reader *r, const Elf64_Phdr *p, ElfImage *image)
{
    if (p->p_filesz < 2 || p->p_filesz > sizeof(image->interp) ||
        pread(r->fd, image->interp, p->p_filesz, (off_t)p->p_offset) != (ssize_t)p->p_filesz ||
        image->interp[p->p_filesz - 1] != '\0') {
        return fail(r, "bad name of the ELF interpreter");
    }
    return true;
}

bool elf_load(int fd, const char *path, bool program, ElfImage *image, char *error)
{
    Reader r = { .fd = fd, .path = path, .error = error };

    *image = (ElfImage){ 0 };
    if (!read_headers(&r) || !place(&r, program, &image->bias)) {
        return false;
    }
    image->entry = image->bias + r.ehdr.e_entry;
    image->phnum = r.ehdr.e_phnum;
    image->end = image->bias + r.hi;
    image->exec_stack = true;
    /* What lies between segments is a hole, as it is for the kernel. */
    if (mem_munmap(image->bias + r.lo, r.hi - r.lo) < 0) {
        return fail(&r, "cannot be mapped");
    }
    for (unsigned i = 0; i < r.ehdr.e_phnum; i++) {
        const Elf64_Phdr *p = &r.phdr[i];

        if (p->p_type == PT_LOAD) {
            if (!map_segment(&r, p, image->bias)) {
                return false;
            }
            note_segment(image, &r, p);
        } else if (p->p_type == PT_INTERP && program && !read_interp(&r, p, image)) {
            return false;
        } else if (p->p_type == PT_GNU_STACK) {
            image->exec_stack = p->p_flags & PF_X;
        }
    }
    return true;
}

ElfKind elf_kind_of(const UserAbi *abi, const uint8_t *bytes, size_t n)
{
    Elf64_Ehdr e;

    if (n >= 2 && bytes[0] == '#' && bytes[1] == '!') {
        return ELF_SCRIPT;
    }
    if (n < SELFMAG || memcmp(bytes, ELFMAG, SELFMAG) != 0) {
        return ELF_NONE;
    }
    if (n < sizeof(e)) {
        return ELF_BROKEN;
    }
    memcpy(&e, bytes, sizeof(e));
    if (e.e_machine != abi->elf_machine || e.e_ident[EI_CLASS] != ELFCLASS64 ||
        e.e_ident[EI_DATA] != ELFDATA2LSB) {
        return ELF_OTHER;
    }
    return e.e_type == ET_EXEC || e.e_type == ET_DYN ? ELF_GUEST : ELF_BROKEN;
}

void elf_interp(int fd, char *interp, size_t size)
{
    Elf64_Ehdr e;
    Elf64_Phdr p;

    interp[0] = '\0';
    if (pread(fd, &e, sizeof(e), 0) != sizeof(e) || e.e_phentsize != sizeof(p)) {
        return;
    }
    for (unsigned i = 0; i < e.e_phnum; i++) {
        if (pread(fd, &p, sizeof(p), (off_t)(e.e_phoff + i * sizeof(p))) != sizeof(p)) {
            return;
        }
        if (p.p_type == PT_INTERP && p.p_filesz >= 1 && p.p_filesz <= size &&
            pread(fd, interp, p.p_filesz, (off_t)p.p_offset) == (ssize_t)p.p_filesz) {
            interp[p.p_filesz - 1] = '\0';
            return;
        }
    }
}
