/* SPDX-License-Identifier: Apache-2.0 */
#include "userland/core.h"

#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <unistd.h>

#include "base/bits.h"
#include "base/log.h"
#include "base/ownfd.h"
#include "translator/translator.h"
#include "userland/abi.h"
#include "userland/mem.h"

/* Bits of /proc/self/coredump_filter (core(5)). */
enum {
    KEEP_ANON_PRIVATE = 1 << 0,
    KEEP_ANON_SHARED = 1 << 1,
    KEEP_FILE_PRIVATE = 1 << 2,
    KEEP_FILE_SHARED = 1 << 3,
    KEEP_ELF_HEADERS = 1 << 4,
    KEEP_DEFAULT = 0x33,
};

/* Bits of an entry of /proc/self/pagemap: is the page there, and does it belong to a file? */
#define PAGE_PRESENT (UINT64_C(1) << 63)
#define PAGE_SWAPPED (UINT64_C(1) << 62)
#define PAGE_OF_FILE (UINT64_C(1) << 61)

enum { SMALLEST_CORE = 4096, PAGES = 512 };

typedef struct Core {
    int fd, memory, pagemap;
    uint64_t limit, written; /* bytes */
    unsigned filter;
    bool failed;
    Elf64_Phdr *segment;
    size_t n_segments, cap_segments;
} Core;

static unsigned read_filter(void)
{
    FILE *f = fopen("/proc/self/coredump_filter", "re");
    unsigned filter = KEEP_DEFAULT;

    if (f) {
        filter = fscanf(f, "%x", &filter) == 1 ? filter : KEEP_DEFAULT;
        fclose(f);
    }
    return filter;
}

/* ---- Which memory ---- */

/* Entries for the pages from `addr` on; what is not known is present and not of a file. */
static void page_state(const Core *c, uint64_t addr, uint64_t *entry, size_t n)
{
    ssize_t got = pread(c->pagemap, entry, n * 8, (off_t)(addr / MEM_PAGE * 8));

    for (size_t i = got < 0 ? 0 : (size_t)got / 8; i < n; i++) {
        entry[i] = PAGE_PRESENT;
    }
}

static bool is_there(uint64_t entry)
{
    return entry & (PAGE_PRESENT | PAGE_SWAPPED);
}

/* A private mapping of a file with pages that the guest has written. */
static bool is_written(const Core *c, const MemArea *area)
{
    uint64_t entry[PAGES];

    for (uint64_t at = area->start; at < area->end; at += PAGES * MEM_PAGE) {
        size_t left = (area->end - at) / MEM_PAGE, n = left < PAGES ? left : PAGES;

        page_state(c, at, entry, n);
        for (size_t i = 0; i < n; i++) {
            if (is_there(entry[i]) && !(entry[i] & PAGE_OF_FILE)) {
                return true;
            }
        }
    }
    return false;
}

static bool starts_as_elf(const MemArea *area)
{
    char magic[SELFMAG];

    return area->offset == 0 && mem_read(magic, area->start, SELFMAG) &&
           memcmp(magic, ELFMAG, SELFMAG) == 0;
}

/* Bytes of the area that go into the file (kernel, vma_dump_size()). */
static uint64_t dumped(const Core *c, const MemArea *area)
{
    bool shared = area->flags & MAP_SHARED, anonymous = area->flags & MAP_ANONYMOUS;
    uint64_t size = area->end - area->start;

    if (strcmp(area->name, "[vdso]") == 0) {
        return size;
    }
    if (shared) {
        return c->filter & (anonymous ? KEEP_ANON_SHARED : KEEP_FILE_SHARED) ? size : 0;
    }
    if (c->filter & KEEP_ANON_PRIVATE && (anonymous || is_written(c, area))) {
        return size;
    }
    if (c->filter & KEEP_FILE_PRIVATE && !anonymous) {
        return size;
    }
    return c->filter & KEEP_ELF_HEADERS && !anonymous && starts_as_elf(area) ? MEM_PAGE : 0;
}

static void add_segment(Core *c, Elf64_Phdr segment)
{
    if (c->n_segments == c->cap_segments) {
        size_t cap = c->cap_segments ? 2 * c->cap_segments : 64;
        Elf64_Phdr *new = realloc(c->segment, cap * sizeof(*new));

        if (!new) {
            c->failed = true;
            return;
        }
        c->segment = new;
        c->cap_segments = cap;
    }
    c->segment[c->n_segments++] = segment;
}

static uint32_t flags_of(int prot)
{
    return (prot & PROT_READ ? PF_R : 0) | (prot & PROT_WRITE ? PF_W : 0) |
           (prot & PROT_EXEC ? PF_X : 0);
}

static void find_segments(Core *c)
{
    MemArea area;

    for (uint64_t at = 0; mem_next_area(at, &area); at = area.end) {
        add_segment(c, (Elf64_Phdr){ .p_type = PT_LOAD,
                                     .p_flags = flags_of(area.prot),
                                     .p_vaddr = area.start,
                                     .p_filesz = dumped(c, &area),
                                     .p_memsz = area.end - area.start,
                                     .p_align = MEM_PAGE });
    }
}

/* ---- Writing ---- */

/* Up to the limit; what is beyond it is cut off, as the kernel does. */
static void write_at(Core *c, uint64_t offset, const void *bytes, size_t n)
{
    if (c->failed || c->written + n > c->limit || pwrite(c->fd, bytes, n, (off_t)offset) < 0) {
        c->failed = true;
        return;
    }
    c->written += n;
}

/* Pages that were never touched stay holes. */
static void write_pages(Core *c, const Elf64_Phdr *s, uint64_t at, size_t n)
{
    static uint8_t page[MEM_PAGE];
    uint64_t entry[PAGES];

    page_state(c, at, entry, n);
    for (size_t i = 0; i < n && !c->failed; i++, at += MEM_PAGE) {
        bool wanted = is_there(entry[i]) || !(s->p_flags & PF_W);

        if (wanted && pread(c->memory, page, MEM_PAGE, (off_t)at) == MEM_PAGE) {
            write_at(c, s->p_offset + (at - s->p_vaddr), page, MEM_PAGE);
        }
    }
}

static void write_segment(Core *c, const Elf64_Phdr *s)
{
    uint64_t end = s->p_vaddr + s->p_filesz;

    for (uint64_t at = s->p_vaddr; at < end && !c->failed; at += PAGES * MEM_PAGE) {
        size_t left = (end - at) / MEM_PAGE;

        write_pages(c, s, at, left < PAGES ? left : PAGES);
    }
}

/* Header, program headers, notes, memory.  Returns the size of the file. */
static uint64_t lay_out(Core *c, size_t notes)
{
    uint64_t at = sizeof(Elf64_Ehdr) + c->n_segments * sizeof(Elf64_Phdr);

    c->segment[0].p_offset = at;
    c->segment[0].p_filesz = notes;
    at = bits_align_up(at + notes, MEM_PAGE);
    for (size_t i = 1; i < c->n_segments; i++) {
        c->segment[i].p_offset = at;
        at += c->segment[i].p_filesz;
    }
    return at;
}

static void write_core(Core *c, const CoreText *notes)
{
    Elf64_Ehdr head = { .e_ident = { ELFMAG0, ELFMAG1, ELFMAG2, ELFMAG3, ELFCLASS64, ELFDATA2LSB,
                                     EV_CURRENT, ELFOSABI_NONE },
                        .e_type = ET_CORE,
                        .e_machine = process.abi->elf_machine,
                        .e_version = EV_CURRENT,
                        .e_flags = process.abi->elf_flags,
                        .e_phoff = sizeof(head),
                        .e_ehsize = sizeof(head),
                        .e_phentsize = sizeof(Elf64_Phdr) };
    uint64_t size = lay_out(c, notes->n);

    head.e_phnum = (uint16_t)(c->n_segments < PN_XNUM ? c->n_segments : PN_XNUM - 1);
    write_at(c, 0, &head, sizeof(head));
    write_at(c, sizeof(head), c->segment, c->n_segments * sizeof(*c->segment));
    write_at(c, c->segment[0].p_offset, notes->bytes, notes->n);
    for (size_t i = 1; i < c->n_segments && !c->failed; i++) {
        write_segment(c, &c->segment[i]);
    }
    if (!c->failed && ftruncate(c->fd, (off_t)size) < 0) {
        c->failed = true;
    }
}

static void name_file(char *name, size_t size)
{
    const char *slash = strrchr(process.exe, '/');

    snprintf(name, size, "ketch_%.200s_%d.core", slash ? slash + 1 : process.exe, (int)getpid());
}

/* A new file of our own: what is there under the name is not written to. */
static bool open_files(Core *c, const char *name)
{
    unlink(name);
    c->fd = ownfd_take(open(name, O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600));
    c->memory = ownfd_take(open("/proc/self/mem", O_RDONLY | O_CLOEXEC));
    c->pagemap = ownfd_take(open("/proc/self/pagemap", O_RDONLY | O_CLOEXEC));
    return c->fd >= 0 && c->memory >= 0;
}

static bool is_allowed(Core *c)
{
    struct rlimit limit;

    if (getrlimit(RLIMIT_CORE, &limit) < 0 || limit.rlim_cur < SMALLEST_CORE ||
        prctl(PR_GET_DUMPABLE) != 1) {
        return false;
    }
    c->limit = limit.rlim_cur;
    return true;
}

void core_dump(Task *t, int sig, const siginfo_t *info)
{
    Core c = { 0 };
    CoreText notes = { 0 };
    char name[256];

    if (!is_allowed(&c)) {
        return;
    }
    name_file(name, sizeof(name));
    if (!open_files(&c, name)) {
        log_warn("no core file %s: %s", name, strerror(errno));
        return;
    }
    c.filter = read_filter();
    /* Ends with the process: nobody goes on. */
    tr_exclusive_begin(t->vcpu);
    pthread_mutex_lock(&process.lock);
    add_segment(&c, (Elf64_Phdr){ .p_type = PT_NOTE, .p_align = 4 });
    find_segments(&c);
    core_notes(&notes, t, sig, info);
    if (!notes.failed && c.segment) {
        write_core(&c, &notes);
    }
    log_warn("signal %d, core file %s%s", sig, name, c.failed ? " (cut off)" : "");
}
