/* SPDX-License-Identifier: Apache-2.0 */
/* The notes of a core file.  Structs are those of the kernel's elfcore.h for 64-bit guests. */
#include <elf.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <unistd.h>

#include "userland/abi.h"
#include "userland/core.h"
#include "userland/mem.h"

typedef struct CoreTime {
    int64_t sec, usec;
} CoreTime;

typedef struct PrStatus { /* struct elf_prstatus; registers and `fpvalid` follow */
    int32_t signo, code, error;
    int16_t cursig;
    uint64_t sigpend, sighold;
    int32_t pid, ppid, pgrp, sid;
    CoreTime utime, stime, cutime, cstime;
} PrStatus;

_Static_assert(sizeof(PrStatus) == 112, "struct elf_prstatus");

typedef struct PrPsInfo { /* struct elf_prpsinfo */
    char state, sname, zomb, nice;
    uint64_t flag;
    uint32_t uid, gid;
    int32_t pid, ppid, pgrp, sid;
    char name[16];
    char args[80];
} PrPsInfo;

_Static_assert(sizeof(PrPsInfo) == 136, "struct elf_prpsinfo");

static void put(CoreText *text, const void *bytes, size_t n)
{
    if (text->n + n > text->cap) {
        size_t cap = 2 * (text->n + n) + 4096;
        char *new = realloc(text->bytes, cap);

        if (!new) {
            text->failed = true;
            return;
        }
        text->bytes = new;
        text->cap = cap;
    }
    if (n) {
        memcpy(text->bytes + text->n, bytes, n);
        text->n += n;
    }
}

static void align(CoreText *text)
{
    put(text, "\0\0\0", -text->n % 4);
}

static void note(CoreText *text, uint32_t type, const void *bytes, size_t n)
{
    const Elf64_Nhdr head = { .n_namesz = 5, .n_descsz = (uint32_t)n, .n_type = type };

    put(text, &head, sizeof(head));
    put(text, "CORE\0\0\0", 8);
    put(text, bytes, n);
    align(text);
}

static CoreTime core_time(struct timeval t)
{
    return (CoreTime){ t.tv_sec, t.tv_usec };
}

static void put_status(CoreText *text, const Task *t, int sig, const siginfo_t *info)
{
    uint8_t bytes[sizeof(PrStatus) + CORE_GREGS * 8 + 8] = { 0 };
    uint64_t regs[CORE_GREGS];
    struct rusage self, children;
    PrStatus s = { .signo = sig, .cursig = (int16_t)sig, .sighold = t->sigmask, .pid = t->tid };

    getrusage(RUSAGE_SELF, &self);
    getrusage(RUSAGE_CHILDREN, &children);
    s.code = info ? info->si_code : 0;
    s.error = info ? info->si_errno : 0;
    s.ppid = getppid();
    s.pgrp = getpgrp();
    s.sid = getsid(0);
    s.utime = core_time(self.ru_utime);
    s.stime = core_time(self.ru_stime);
    s.cutime = core_time(children.ru_utime);
    s.cstime = core_time(children.ru_stime);
    process.abi->core_gregs(t->vcpu, regs);
    memcpy(bytes, &s, sizeof(s));
    memcpy(bytes + sizeof(s), regs, sizeof(regs));
    bytes[sizeof(s) + sizeof(regs)] = 1; /* there are floating-point registers */
    note(text, NT_PRSTATUS, bytes, sizeof(bytes));
}

static void put_fp(CoreText *text, const Task *t)
{
    uint64_t regs[CORE_FPREGS];

    process.abi->core_fpregs(t->vcpu, regs);
    note(text, NT_FPREGSET, regs, sizeof(regs));
}

static void put_process(CoreText *text)
{
    PrPsInfo p = { .sname = 'R', .uid = getuid(), .gid = getgid(), .pid = getpid() };
    const char *name = strrchr(process.exe, '/');
    size_t n = process.arg_end - process.arg_start;

    p.ppid = getppid();
    p.pgrp = getpgrp();
    p.sid = getsid(0);
    snprintf(p.name, sizeof(p.name), "%s", name ? name + 1 : process.exe);
    n = n < sizeof(p.args) ? n : sizeof(p.args) - 1;
    if (mem_read(p.args, process.arg_start, n)) {
        for (size_t i = 0; i + 1 < n; i++) {
            p.args[i] = p.args[i] ? p.args[i] : ' ';
        }
    }
    note(text, NT_PRPSINFO, &p, sizeof(p));
}

static void put_siginfo(CoreText *text, int sig, const siginfo_t *info)
{
    siginfo_t by_number;

    memset(&by_number, 0, sizeof(by_number));
    by_number.si_signo = sig;
    note(text, NT_SIGINFO, info ? info : &by_number, sizeof(siginfo_t));
}

static void put_auxv(CoreText *text)
{
    uint8_t bytes[1024];
    size_t n = process.auxv_end - process.auxv_start;

    n = n < sizeof(bytes) ? n : sizeof(bytes);
    if (mem_read(bytes, process.auxv_start, n)) {
        note(text, NT_AUXV, bytes, n);
    }
}

/* count, page size; start, end, offset in pages of each; then their names. */
static void put_files(CoreText *text)
{
    CoreText ranges = { 0 }, names = { 0 };
    uint64_t head[2] = { 0, MEM_PAGE }, offset;
    char path[PATH_MAX];
    MemArea area;

    for (uint64_t at = 0; mem_next_area(at, &area); at = area.end) {
        uint64_t range[3] = { area.start, area.end, area.offset / MEM_PAGE };

        if (!(area.flags & MAP_ANONYMOUS) && mem_file_at(area.start, path, sizeof(path), &offset)) {
            put(&ranges, range, sizeof(range));
            put(&names, path, strlen(path) + 1);
            head[0]++;
        }
    }
    if (!ranges.failed && !names.failed && head[0]) {
        CoreText all = { 0 };

        put(&all, head, sizeof(head));
        put(&all, ranges.bytes, ranges.n);
        put(&all, names.bytes, names.n);
        note(text, NT_FILE, all.bytes, all.n);
        free(all.bytes);
    }
    free(ranges.bytes);
    free(names.bytes);
}

void core_notes(CoreText *text, const Task *t, int sig, const siginfo_t *info)
{
    put_status(text, t, sig, info);
    put_process(text);
    put_siginfo(text, sig, info);
    put_auxv(text);
    put_files(text);
    put_fp(text, t);
    for (const Task *other = process.tasks; other; other = other->next) {
        if (other != t) {
            put_status(text, other, sig, NULL);
            put_fp(text, other);
        }
    }
}
