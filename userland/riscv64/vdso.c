/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The vDSO: a shared object of one page, made here.  Its functions are the system calls of the
 * same names; C libraries find them by name and version LINUX_4.15, unwinders know
 * __vdso_rt_sigreturn by its code.
 */
#include <elf.h>
#include <string.h>

#include "userland/riscv64/riscv64.h"

typedef struct VdsoCall {
    const char *name;
    uint16_t nr;
} VdsoCall;

static const VdsoCall calls[] = {
    { "__vdso_rt_sigreturn", 139 },  { "__vdso_gettimeofday", 169 },
    { "__vdso_clock_gettime", 113 }, { "__vdso_clock_getres", 114 },
    { "__vdso_getcpu", 168 },        { "__vdso_flush_icache", 259 },
    { "__vdso_riscv_hwprobe", 258 },
};

enum {
    N_CALLS = sizeof(calls) / sizeof(calls[0]),
    N_SYMBOLS = N_CALLS + 1,
    CODE = RV_VDSO_SIGRETURN,
    CODE_STEP = 12, /* li a7; ecall; ret */
    N_DYNAMIC = 9,
    SONAME = 1, VERSION = 19, /* offsets in the string table */
};

static const char soname[] = "linux-vdso.so.1", version[] = "LINUX_4.15";

typedef struct VdsoImage {
    Elf64_Ehdr ehdr;
    Elf64_Phdr phdr[2];
    Elf64_Dyn dynamic[N_DYNAMIC];
    Elf64_Sym symbol[N_SYMBOLS];
    uint32_t hash[2 + 1 + N_SYMBOLS];
    uint16_t versym[N_SYMBOLS];
    struct {
        Elf64_Verdef def;
        Elf64_Verdaux aux;
    } verdef[2] __attribute__((aligned(8)));
    char strings[256];
} VdsoImage;

_Static_assert(sizeof(VdsoImage) <= CODE, "code follows the tables");

static uint32_t elf_hash(const char *s)
{
    uint32_t h = 0;

    for (; *s; s++) {
        h = (h << 4) + (uint8_t)*s;
        h = (h ^ (h >> 28 << 4)) & 0x0fffffff;
    }
    return h;
}

static void put_headers(VdsoImage *v)
{
    v->ehdr = (Elf64_Ehdr){
        .e_ident = { ELFMAG0, ELFMAG1, ELFMAG2, ELFMAG3, ELFCLASS64, ELFDATA2LSB, EV_CURRENT },
        .e_type = ET_DYN,
        .e_machine = EM_RISCV,
        .e_version = EV_CURRENT,
        .e_phoff = offsetof(VdsoImage, phdr),
        .e_flags = 5, /* compressed, double-float ABI */
        .e_ehsize = sizeof(Elf64_Ehdr),
        .e_phentsize = sizeof(Elf64_Phdr),
        .e_phnum = 2,
        .e_shentsize = sizeof(Elf64_Shdr),
    };
    v->phdr[0] = (Elf64_Phdr){ .p_type = PT_LOAD, .p_flags = PF_R | PF_X, .p_filesz = 4096,
                               .p_memsz = 4096, .p_align = 4096 };
    v->phdr[1] = (Elf64_Phdr){ .p_type = PT_DYNAMIC, .p_flags = PF_R,
                               .p_offset = offsetof(VdsoImage, dynamic),
                               .p_vaddr = offsetof(VdsoImage, dynamic),
                               .p_paddr = offsetof(VdsoImage, dynamic),
                               .p_filesz = sizeof(v->dynamic), .p_memsz = sizeof(v->dynamic),
                               .p_align = 8 };
}

static void put_dynamic(VdsoImage *v)
{
    const Elf64_Dyn dynamic[N_DYNAMIC] = {
        { DT_SONAME, { SONAME } },
        { DT_HASH, { offsetof(VdsoImage, hash) } },
        { DT_SYMTAB, { offsetof(VdsoImage, symbol) } },
        { DT_SYMENT, { sizeof(Elf64_Sym) } },
        { DT_STRTAB, { offsetof(VdsoImage, strings) } },
        { DT_STRSZ, { sizeof(v->strings) } },
        { DT_VERSYM, { offsetof(VdsoImage, versym) } },
        { DT_VERDEF, { offsetof(VdsoImage, verdef) } },
        { DT_VERDEFNUM, { 2 } },
    };

    /* The last entry stays DT_NULL: the array is followed by the null symbol, zeros. */
    memcpy(v->dynamic, dynamic, sizeof(dynamic));
}

static void put_versions(VdsoImage *v)
{
    const char *names[2] = { soname, version };

    for (unsigned i = 0; i < 2; i++) {
        v->verdef[i].def = (Elf64_Verdef){
            .vd_version = VER_DEF_CURRENT,
            .vd_flags = i ? 0 : VER_FLG_BASE,
            .vd_ndx = (uint16_t)(i + 1),
            .vd_cnt = 1,
            .vd_hash = elf_hash(names[i]),
            .vd_aux = sizeof(Elf64_Verdef),
            .vd_next = i ? 0 : sizeof(v->verdef[0]),
        };
        v->verdef[i].aux.vda_name = i ? VERSION : SONAME;
    }
}

static void put_code(uint8_t *at, uint16_t nr)
{
    const uint32_t code[3] = { 0x00000893 | (uint32_t)nr << 20, 0x00000073, 0x00008067 };

    memcpy(at, code, sizeof(code));
}

void riscv64_vdso(uint8_t page[4096], uint64_t addr)
{
    VdsoImage v;
    uint32_t next = VERSION + sizeof(version);

    (void)addr;
    memset(&v, 0, sizeof(v));
    memset(page, 0, 4096);
    put_headers(&v);
    put_dynamic(&v);
    put_versions(&v);
    memcpy(v.strings + SONAME, soname, sizeof(soname));
    memcpy(v.strings + VERSION, version, sizeof(version));
    /* One hash bucket: a chain through all symbols. */
    v.hash[0] = 1;
    v.hash[1] = N_SYMBOLS;
    v.hash[2] = 1;
    for (uint32_t i = 0; i < N_CALLS; i++) {
        uint64_t code = CODE + i * CODE_STEP;

        v.symbol[i + 1] = (Elf64_Sym){ .st_name = next,
                                       .st_info = ELF64_ST_INFO(STB_GLOBAL, STT_FUNC),
                                       .st_shndx = 1,
                                       .st_value = code,
                                       .st_size = CODE_STEP };
        v.hash[3 + 1 + i] = i + 1 < N_CALLS ? i + 2 : 0;
        v.versym[i + 1] = 2;
        strcpy(v.strings + next, calls[i].name);
        next += (uint32_t)strlen(calls[i].name) + 1;
        put_code(page + code, calls[i].nr);
    }
    memcpy(page, &v, sizeof(v));
}
