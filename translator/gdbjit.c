/* SPDX-License-Identifier: Apache-2.0 */
/*
 * GDB's JIT interface (its manual, "JIT Compilation Interface"): translated code gets names and
 * unwind information in a gdb that is attached to Ketch, so that a backtrace goes from a helper
 * through the guest's function to main().
 *
 * gdb reads ELF files in our memory.  One for each unit would be slow in gdb; one for all would have
 * to be made anew for each unit.  So units are registered in groups: only the last group is made
 * again when a unit joins it.
 *
 * All of it under tr.lock.
 */
#include "translator/state.h"

#include <elf.h>
#include <stdlib.h>
#include <string.h>

enum {
    GROUP = 64, /* units */
    NAME_SIZE = 256,
    JIT_REGISTER = 1,
    JIT_UNREGISTER = 2,
    FRAME_BYTES = 4096, /* of .debug_frame, at most */
};

/* What gdb knows by name. */
struct jit_code_entry {
    struct jit_code_entry *next, *prev;
    const char *symfile_addr;
    uint64_t symfile_size;
};

struct jit_descriptor {
    uint32_t version, action_flag;
    struct jit_code_entry *relevant_entry, *first_entry;
};

extern struct jit_descriptor __jit_debug_descriptor;
extern void __jit_debug_register_code(void);

struct jit_descriptor __jit_debug_descriptor = { .version = 1 };

/* gdb puts a breakpoint here. */
__attribute__((noinline)) void __jit_debug_register_code(void)
{
    __asm__ volatile("" ::: "memory");
}

enum { S_none, S_text, S_symtab, S_strtab, S_shstrtab, S_frame, S_COUNT };

static const char section_names[] = "\0.text\0.symtab\0.strtab\0.shstrtab\0.debug_frame";

typedef struct Image {
    Elf64_Ehdr ehdr;
    Elf64_Shdr shdr[S_COUNT];
    Elf64_Sym sym[GROUP + 1];
    char shstr[sizeof(section_names)];
    uint8_t frame[FRAME_BYTES];
    char str[1 + GROUP * NAME_SIZE];
} Image;

typedef struct Group {
    struct jit_code_entry entry; /* first: gdb's list is ours */
    Image image;
    unsigned n;
    size_t str_used, frame_used;
} Group;

static Group *open_group; /* the last one, while it has room */

static void announce(Group *g, uint32_t action)
{
    __jit_debug_descriptor.action_flag = action;
    __jit_debug_descriptor.relevant_entry = &g->entry;
    __jit_debug_register_code();
    __jit_debug_descriptor.action_flag = 0;
}

static void enlist(Group *g)
{
    g->entry.next = __jit_debug_descriptor.first_entry;
    if (g->entry.next) {
        g->entry.next->prev = &g->entry;
    }
    __jit_debug_descriptor.first_entry = &g->entry;
    announce(g, JIT_REGISTER);
}

static void delist(Group *g)
{
    if (g->entry.prev) {
        g->entry.prev->next = g->entry.next;
    } else {
        __jit_debug_descriptor.first_entry = g->entry.next;
    }
    if (g->entry.next) {
        g->entry.next->prev = g->entry.prev;
    }
    announce(g, JIT_UNREGISTER);
    g->entry.next = g->entry.prev = NULL;
}

/* ---- .debug_frame (DWARF 4, 6.4) ---- */

static void put(Group *g, const void *bytes, size_t n)
{
    CHECK(g->frame_used + n <= FRAME_BYTES, "unwind information of a group");
    memcpy(g->image.frame + g->frame_used, bytes, n);
    g->frame_used += n;
}

static void put_byte(Group *g, unsigned byte)
{
    put(g, &(uint8_t){ (uint8_t)byte }, 1);
}

static void put_uleb(Group *g, uint32_t v)
{
    for (; v >= 0x80; v >>= 7) {
        put_byte(g, (v & 0x7f) | 0x80);
    }
    put_byte(g, v);
}

/* Fills up to a multiple of 8 and writes the length in front of what began at `start`. */
static void end_entry(Group *g, size_t start)
{
    uint32_t length;

    while ((g->frame_used - start) % 8) {
        put_byte(g, 0); /* DW_CFA_nop */
    }
    length = (uint32_t)(g->frame_used - start - sizeof(length));
    memcpy(g->image.frame + start, &length, sizeof(length));
}

/* The frame that every unit runs in. */
static void put_cie(Group *g)
{
    const BeFrame *frame = tr.backend->frame;
    const uint32_t head[2] = { 0, UINT32_MAX };

    put(g, head, sizeof(head));
    put_byte(g, 1);    /* version */
    put_byte(g, 0);    /* no augmentation */
    put_byte(g, 1);    /* code alignment */
    put_byte(g, 0x78); /* data alignment: -8 */
    put_byte(g, frame->ra);
    put_byte(g, 0x0c); /* DW_CFA_def_cfa */
    put_byte(g, frame->sp);
    put_uleb(g, frame->size);
    put_byte(g, 0x80 | frame->ra); /* DW_CFA_offset */
    put_byte(g, 1);
    for (unsigned i = 0; i < frame->n_saved; i++) {
        put_byte(g, 0x80 | frame->saved[i]);
        put_byte(g, 2 + i);
    }
    end_entry(g, 0);
}

static void put_fde(Group *g, const BeCode *code)
{
    size_t start = g->frame_used;
    const uint32_t head[2] = { 0, 0 }; /* length, offset of the CIE */
    const uint64_t range[2] = { (uint64_t)(uintptr_t)code->entry, code->size };

    put(g, head, sizeof(head));
    put(g, range, sizeof(range));
    end_entry(g, start);
}

/* ---- The file ---- */

static void set_section(Group *g, unsigned s, uint32_t type, const void *data, size_t size)
{
    Elf64_Shdr *h = &g->image.shdr[s];
    uint32_t name = 0;

    for (unsigned k = 0; k < s; k++) {
        name += (uint32_t)strlen(section_names + name) + 1;
    }
    *h = (Elf64_Shdr){ .sh_name = name, .sh_type = type, .sh_size = size, .sh_addralign = 8 };
    h->sh_offset = data ? (uint64_t)((const char *)data - (const char *)&g->image) : 0;
}

static void set_header(Group *g)
{
    Elf64_Ehdr *e = &g->image.ehdr;

    *e = (Elf64_Ehdr){ .e_type = ET_EXEC, .e_machine = EM_X86_64, .e_version = EV_CURRENT,
                       .e_shoff = offsetof(Image, shdr), .e_ehsize = sizeof(*e),
                       .e_shentsize = sizeof(Elf64_Shdr), .e_shnum = S_COUNT,
                       .e_shstrndx = S_shstrtab };
    memcpy(e->e_ident, ELFMAG, SELFMAG);
    e->e_ident[EI_CLASS] = ELFCLASS64;
    e->e_ident[EI_DATA] = ELFDATA2LSB;
    e->e_ident[EI_VERSION] = EV_CURRENT;
}

/* From the first unit of the group to the last. */
static void set_sections(Group *g)
{
    Image *m = &g->image;
    const Elf64_Sym *first = &m->sym[1], *last = &m->sym[g->n];

    set_section(g, S_text, SHT_NOBITS, NULL, last->st_value + last->st_size - first->st_value);
    m->shdr[S_text].sh_addr = first->st_value;
    m->shdr[S_text].sh_flags = SHF_ALLOC | SHF_EXECINSTR;
    set_section(g, S_symtab, SHT_SYMTAB, m->sym, (g->n + 1) * sizeof(m->sym[0]));
    m->shdr[S_symtab].sh_entsize = sizeof(m->sym[0]);
    m->shdr[S_symtab].sh_link = S_strtab;
    m->shdr[S_symtab].sh_info = 1; /* no local symbols */
    set_section(g, S_strtab, SHT_STRTAB, m->str, g->str_used);
    set_section(g, S_shstrtab, SHT_STRTAB, m->shstr, sizeof(m->shstr));
    set_section(g, S_frame, SHT_PROGBITS, m->frame, g->frame_used);
}

static Group *new_group(void)
{
    Group *g = calloc(1, sizeof(*g));

    if (g) {
        memcpy(g->image.shstr, section_names, sizeof(section_names));
        g->str_used = 1;
        g->entry.symfile_addr = (const char *)&g->image;
        g->entry.symfile_size = sizeof(g->image);
        set_header(g);
        put_cie(g);
    }
    return g;
}

static void add(Group *g, const TrUnit *unit)
{
    char *name = g->image.str + g->str_used;

    dump_unit_name(unit, name, NAME_SIZE);
    g->image.sym[++g->n] = (Elf64_Sym){
        .st_name = (uint32_t)g->str_used,
        .st_info = ELF64_ST_INFO(STB_GLOBAL, STT_FUNC),
        .st_shndx = S_text,
        .st_value = (uint64_t)(uintptr_t)unit->code.entry,
        .st_size = unit->code.size,
    };
    g->str_used += strlen(name) + 1;
    put_fde(g, &unit->code);
    set_sections(g);
}

void gdbjit_unit(const TrUnit *unit)
{
    if (!tr.config.gdb_jit || !tr.backend->frame) {
        return;
    }
    if (open_group) {
        delist(open_group);
    } else {
        open_group = new_group();
    }
    if (!open_group) {
        return;
    }
    add(open_group, unit);
    enlist(open_group);
    if (open_group->n == GROUP) {
        open_group = NULL;
    }
}

void gdbjit_evict_locked(void)
{
    while (__jit_debug_descriptor.first_entry) {
        Group *g = (Group *)__jit_debug_descriptor.first_entry;

        delist(g);
        free(g);
    }
    open_group = NULL;
}
