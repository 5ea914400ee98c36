/* SPDX-License-Identifier: Apache-2.0 */
/* dump-guest-memory: RAM and the harts' registers as an ELF core file, for gdb and crash(8).  Addresses are
 * physical, in p_vaddr as well as in p_paddr; pages of zeros are holes in the file. */
#include <elf.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "ui/monitor/build.h"
#include "ui/monitor/state.h"

enum { GREGS = 32, PC = 32, CHUNK = 64 << 10, ALIGN = 4096 };

/* struct elf_prstatus of 64-bit RISC-V: what is in front of the registers is as on every 64-bit Linux. */
typedef struct PrStatus {
    int32_t signo, code, error;
    int16_t cursig;
    uint64_t sigpend, sighold;
    int32_t pid, ppid, pgrp, sid;
    uint64_t times[8];
    uint64_t regs[GREGS]; /* pc, x1 to x31 */
    int32_t fpvalid;
} PrStatus;

_Static_assert(offsetof(PrStatus, regs) == 112 && sizeof(PrStatus) == 376, "struct elf_prstatus");

enum { NOTE_BYTES = sizeof(Elf64_Nhdr) + 8 + sizeof(PrStatus) }; /* with the name */

typedef struct Range {
    uint64_t begin, end; /* physical */
} Range;

typedef struct Dump {
    Monitor *m;
    FILE *file;
    Range wanted;
    GArray *loads; /* of Elf64_Phdr */
    GPtrArray *hosts; /* their bytes */
} Dump;

/* ---- What goes into it ---- */

static void find_memory(Dump *d)
{
    const PhysRegion *r;

    for (unsigned i = 0; (r = phys_region(d->m->vm.mem, i)); i++) {
        uint64_t begin = MAX(r->base, d->wanted.begin), end = MIN(r->base + r->size, d->wanted.end);
        Elf64_Phdr p = { .p_type = PT_LOAD, .p_flags = PF_R | PF_W | PF_X, .p_vaddr = begin, .p_paddr = begin,
                         .p_filesz = end - begin, .p_memsz = end - begin, .p_align = ALIGN };

        if (r->kind == PHYS_ram && begin < end) {
            g_array_append_val(d->loads, p);
            g_ptr_array_add(d->hosts, r->host + (begin - r->base));
        }
    }
}

/* ---- Writing ---- */

static bool put(Dump *d, const void *bytes, size_t n)
{
    return fwrite(bytes, 1, n, d->file) == n;
}

static bool write_note(Dump *d, unsigned hart)
{
    const Elf64_Nhdr head = { .n_namesz = 5, .n_descsz = sizeof(PrStatus), .n_type = NT_PRSTATUS };
    const Frontend *fe = d->m->vm.frontend;
    Vcpu *vcpu = machine_hart(d->m->vm.machine, hart);
    PrStatus status = { .pid = (int32_t)hart + 1 };

    for (unsigned i = 0; i < GREGS; i++) {
        const FeRegister *r = fe_register_number(fe, i ? i : PC);

        status.regs[i] = r ? r->get(vcpu, r->slot) : 0;
    }
    return put(d, &head, sizeof(head)) && put(d, "CORE\0\0\0", 8) && put(d, &status, sizeof(status));
}

static bool write_headers(Dump *d)
{
    unsigned harts = machine_harts(d->m->vm.machine);
    uint64_t notes = sizeof(Elf64_Ehdr) + (d->loads->len + 1) * sizeof(Elf64_Phdr), size = harts * NOTE_BYTES;
    uint64_t at = (notes + size + ALIGN - 1) / ALIGN * ALIGN;
    Elf64_Phdr p = { .p_type = PT_NOTE, .p_offset = notes, .p_filesz = size, .p_memsz = size, .p_align = 4 };
    Elf64_Ehdr e = { .e_type = ET_CORE, .e_machine = d->m->vm.frontend->elf_machine, .e_version = EV_CURRENT,
                     .e_phoff = sizeof(e), .e_ehsize = sizeof(e), .e_phentsize = sizeof(p),
                     .e_phnum = (uint16_t)(d->loads->len + 1) };
    bool ok;

    memcpy(e.e_ident, ELFMAG, SELFMAG);
    e.e_ident[EI_CLASS] = ELFCLASS64;
    e.e_ident[EI_DATA] = ELFDATA2LSB;
    e.e_ident[EI_VERSION] = EV_CURRENT;
    ok = put(d, &e, sizeof(e)) && put(d, &p, sizeof(p));
    for (unsigned i = 0; i < d->loads->len && ok; i++) {
        Elf64_Phdr *load = &g_array_index(d->loads, Elf64_Phdr, i);

        load->p_offset = at;
        at += (load->p_filesz + ALIGN - 1) / ALIGN * ALIGN;
        ok = put(d, load, sizeof(*load));
    }
    for (unsigned i = 0; i < harts && ok; i++) {
        ok = write_note(d, i);
    }
    return ok;
}

static bool is_zero(const uint8_t *bytes, size_t n)
{
    return !bytes[0] && !memcmp(bytes, bytes + 1, n - 1);
}

static bool write_load(Dump *d, const Elf64_Phdr *load, const uint8_t *host)
{
    for (uint64_t at = 0; at < load->p_filesz; at += CHUNK) {
        size_t n = MIN(load->p_filesz - at, CHUNK);

        if (!is_zero(host + at, n) &&
            (fseeko(d->file, (off_t)(load->p_offset + at), SEEK_SET) < 0 || !put(d, host + at, n))) {
            return false;
        }
    }
    return fflush(d->file) == 0 && ftruncate(fileno(d->file), (off_t)(load->p_offset + load->p_filesz)) == 0;
}

static bool write_all(Dump *d)
{
    bool ok = write_headers(d);

    for (unsigned i = 0; i < d->loads->len && ok; i++) {
        ok = write_load(d, &g_array_index(d->loads, Elf64_Phdr, i), d->hosts->pdata[i]);
    }
    return ok;
}

/* What there was under that name is lost, as with memsave. */
static bool dump(Monitor *m, const char *path, Range wanted, GError **error)
{
    Dump d = { m, monitor_memory_file(path), wanted, g_array_new(FALSE, FALSE, sizeof(Elf64_Phdr)), g_ptr_array_new() };
    bool ok = false;

    if (d.file) {
        MonitorHold hold = monitor_hold(m);

        find_memory(&d);
        ok = d.loads->len && write_all(&d);
        monitor_release(hold);
        ok = fclose(d.file) == 0 && ok;
    }
    if (!ok) {
        bool empty = d.file && !d.loads->len;

        g_set_error(error, MONITOR_ERROR, MONITOR_GenericError, "dump to '%s': %s", path,
                    empty ? "no RAM is there" : g_strerror(errno));
    }
    g_array_free(d.loads, TRUE);
    g_ptr_array_free(d.hosts, TRUE);
    return ok;
}

/* ---- Commands ---- */

JsonNode *qmp_dump(MonitorSession *s, JsonObject *args, GError **error)
{
    const char *where = json_object_get_string_member(args, "protocol");
    const char *format = json_object_get_string_member_with_default(args, "format", "elf");
    gint64 begin = json_object_get_int_member_with_default(args, "begin", 0);
    gint64 length = json_object_get_int_member_with_default(args, "length", -1);
    bool part = json_object_has_member(args, "begin");

    if (json_object_get_boolean_member(args, "paging") ||
        json_object_get_boolean_member_with_default(args, "detach", FALSE)) {
        g_set_error(error, MONITOR_ERROR, MONITOR_GenericError, "addresses are physical (paging: false), and the dump is "
                    "there when the command returns (detach: false)");
    } else if (strcmp(format, "elf")) {
        g_set_error(error, MONITOR_ERROR, MONITOR_GenericError, "format is elf, not '%s'", format);
    } else if (!g_str_has_prefix(where, "file:")) {
        g_set_error(error, MONITOR_ERROR, MONITOR_GenericError, "protocol is file:PATH, not '%s'", where);
    } else if (part != json_object_has_member(args, "length") || begin < 0 || (part && length <= 0)) {
        g_set_error(error, MONITOR_ERROR, MONITOR_GenericError, "begin and length are given together, as addresses");
    } else {
        Range all = { 0, UINT64_MAX }, wanted = { (uint64_t)begin, (uint64_t)begin + (uint64_t)length };

        (void)!dump(s->monitor, where + strlen("file:"), part ? wanted : all, error);
    }
    return NULL;
}

void hmp_dump(Hmp *h)
{
    GError *error = NULL;

    if (!h->argv[0] || *h->argv[0] == '-' || h->argv[1]) {
        g_string_append(h->out, "dump-guest-memory takes the name of one FILE\n");
    } else if (!dump(h->monitor, h->argv[0], (Range){ 0, UINT64_MAX }, &error)) {
        g_string_append_printf(h->out, "%s\n", error->message);
        g_error_free(error);
    }
}
