/* SPDX-License-Identifier: Apache-2.0 */
/* The first stack of a program: strings, auxiliary vector, environment, arguments (psABI,
 * "Process Initialization"). */
#include <elf.h>
#include <errno.h>

#include <stdio.h>
#include <string.h>
#include <sys/auxv.h>
#include <sys/mman.h>
#include <sys/random.h>
#include <sys/resource.h>
#include <unistd.h>

#include "base/bits.h"
#include "userland/elf.h"
#include "userland/mem.h"

#ifndef AT_MINSIGSTKSZ
#define AT_MINSIGSTKSZ 51
#endif

enum {
    STACK_DEFAULT = 8 << 20,
    STACK_LEAST = 64 << 10,
    STACK_GAP = 1 << 20,     /* between the stack and what is mapped below it */
    MAX_AUXV = 28,
};

#define STACK_MOST (UINT64_C(1) << 30)

typedef struct Builder {
    uint64_t sp;
    bool ok;
    Elf64_auxv_t auxv[MAX_AUXV];
    unsigned n_auxv;
} Builder;

static uint64_t stack_size(void)
{
    uint64_t size = process.options->stack_size;
    struct rlimit lim;

    if (!size) {
        size = getrlimit(RLIMIT_STACK, &lim) == 0 ? lim.rlim_cur : STACK_DEFAULT;
        if (size == RLIM_INFINITY) {
            size = STACK_DEFAULT;
        }
    }
    size = size < STACK_LEAST ? STACK_LEAST : size > STACK_MOST ? STACK_MOST : size;
    return bits_align_up(size, MEM_PAGE);
}

bool elf_map_stack(const ElfImage *program, char *error)
{
    int prot = PROT_READ | PROT_WRITE | (program->exec_stack ? PROT_EXEC : 0);
    uint64_t size = stack_size(), top = mem_limit - MEM_PAGE;
    int64_t at;

    /* All of it at once: the kernel must be able to write where a system call's pointers say. */
    at = mem_mmap(top - size, size, prot,
                  MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_FIXED_NOREPLACE, -1, 0);
    if (at < 0) {
        snprintf(error, ELF_ERROR, "no room for a stack of %llu bytes: %s",
                 (unsigned long long)size, strerror((int)-at));
        return false;
    }
    process.stack_lo = (uint64_t)at;
    process.stack_hi = top;
    mem_name(process.stack_lo, size, "[stack]");
    mem_place_below(process.stack_lo - STACK_GAP);
    return true;
}

static void map_vdso(void)
{
    int64_t at = mem_mmap(0, MEM_PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    uint8_t page[MEM_PAGE];

    if (at < 0) {
        return;
    }
    process.abi->vdso(page, (uint64_t)at);
    if (mem_write((uint64_t)at, page, sizeof(page)) &&
        mem_mprotect((uint64_t)at, MEM_PAGE, PROT_READ | PROT_EXEC) == 0) {
        process.vdso = (uint64_t)at;
        mem_name(process.vdso, MEM_PAGE, "[vdso]");
    }
}

static uint64_t push(Builder *b, const void *bytes, uint64_t n)
{
    if (b->ok && n <= b->sp - process.stack_lo) {
        b->sp -= n;
        b->ok = mem_write(b->sp, bytes, n);
    } else {
        b->ok = false;
    }
    return b->sp;
}

static void aux(Builder *b, uint64_t type, uint64_t value)
{
    CHECK(b->n_auxv < MAX_AUXV, "MAX_AUXV is too small");
    b->auxv[b->n_auxv].a_type = type;
    b->auxv[b->n_auxv++].a_un.a_val = value;
}

static void fill_auxv(Builder *b, const ElfImage *program, const ElfImage *interp)
{
    if (process.vdso) {
        aux(b, AT_SYSINFO_EHDR, process.vdso);
    }
    aux(b, AT_HWCAP, process.abi->hwcap());
    aux(b, AT_PAGESZ, MEM_PAGE);
    aux(b, AT_CLKTCK, (uint64_t)sysconf(_SC_CLK_TCK));
    aux(b, AT_PHDR, program->phdr);
    aux(b, AT_PHENT, sizeof(Elf64_Phdr));
    aux(b, AT_PHNUM, program->phnum);
    aux(b, AT_BASE, interp ? interp->bias : 0);
    aux(b, AT_FLAGS, 0);
    aux(b, AT_ENTRY, program->entry);
    aux(b, AT_UID, getuid());
    aux(b, AT_EUID, geteuid());
    aux(b, AT_GID, getgid());
    aux(b, AT_EGID, getegid());
    aux(b, AT_SECURE, getauxval(AT_SECURE));
    aux(b, AT_MINSIGSTKSZ, process.abi->frame_size);
}

/* The strings of argv or envp in memory order; their range in [*start, *end). */
static void push_strings(Builder *b, char *const *list, size_t n, uint64_t *start, uint64_t *end)
{
    *end = b->sp;
    for (size_t i = n; i-- > 0;) {
        push(b, list[i], strlen(list[i]) + 1);
    }
    *start = b->sp;
}

/* Pointers to strings that lie one after the other from `at`, and the NULL. */
static void push_pointers(Builder *b, char *const *list, size_t n, uint64_t end)
{
    uint64_t zero = 0;

    push(b, &zero, 8);
    for (size_t i = n; i-- > 0;) {
        end -= strlen(list[i]) + 1;
        push(b, &end, 8);
    }
}

static size_t count(char *const *list)
{
    size_t n = 0;

    while (list[n]) {
        n++;
    }
    return n;
}

/* The 16 bytes of AT_RANDOM: from the kernel, or always the same for the same -seed. */
static void choose_random(uint64_t random[2])
{
    const uint64_t *seed = process.options->seed;

    if (seed) {
        random[0] = (*seed + 1) * UINT64_C(0x9e3779b97f4a7c15);
        random[1] = (random[0] ^ random[0] >> 31) * UINT64_C(0xbf58476d1ce4e5b9);
    } else if (getrandom(random, 16, 0) != 16) {
        memset(random, 0, 16);
    }
}

static void push_all(Builder *b, const char *execfn)
{
    char *const *argv = process.argv, *const *envp = process.options->envp;
    size_t argc = count(argv), envc = count(envp);
    uint64_t random[2];
    uint64_t size, n = argc;

    choose_random(random);
    push(b, &(uint64_t){ 0 }, 8);
    aux(b, AT_EXECFN, push(b, execfn, strlen(execfn) + 1));
    push_strings(b, envp, envc, &process.env_start, &process.env_end);
    push_strings(b, argv, argc, &process.arg_start, &process.arg_end);
    if (process.abi->platform) {
        aux(b, AT_PLATFORM, push(b, process.abi->platform, strlen(process.abi->platform) + 1));
    }
    aux(b, AT_RANDOM, push(b, random, sizeof(random)));
    aux(b, AT_NULL, 0);
    size = b->n_auxv * sizeof(b->auxv[0]) + (argc + envc + 3) * 8;
    b->sp = bits_align_down(b->sp - size, 16) + size;
    process.auxv_end = b->sp;
    process.auxv_start = push(b, b->auxv, b->n_auxv * sizeof(b->auxv[0]));
    push_pointers(b, envp, envc, process.env_end);
    push_pointers(b, argv, argc, process.arg_end);
    push(b, &n, 8);
}

uint64_t elf_stack(const ElfImage *program, const ElfImage *interp, const char *execfn,
                   char *error)
{
    Builder b = { .ok = true };

    map_vdso();
    b.sp = process.stack_hi;
    fill_auxv(&b, program, interp);
    push_all(&b, execfn);
    if (!b.ok || b.sp - process.stack_lo < STACK_LEAST / 4) {
        snprintf(error, ELF_ERROR, "arguments and environment do not fit on the stack");
        return 0;
    }
    return b.sp;
}
