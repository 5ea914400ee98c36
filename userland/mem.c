/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The guest's memory map.  Every call changes the host's mappings and `map` under one lock, then
 * tells the translator (without the lock: the translator's own lock is above it) when code may
 * have gone.
 */
#include "userland/mem.h"

#ifndef PROT_SEM
#define PROT_SEM 0x8 /* of asm-generic, not in the C library's headers */
#endif

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/shm.h>
#include <sys/stat.h>
#include <sys/syscall.h>

#include "base/bits.h"
#include "base/log.h"
#include "translator/translator.h"
#include "userland/areas.h"
#include "userland/guard.h"
#include "userland/hostnr.h"
#include "userland/task.h"

enum {
    NAMES = 16,
    KEPT_FLAGS = MAP_TYPE | MAP_ANONYMOUS | MAP_GROWSDOWN,
    /* Beyond the kernel's own numbers, in Area.flags: a System V segment, mseal(). */
    AREA_SHM = 1 << 30,
    AREA_SEALED = 1 << 29,
};

typedef struct Name {
    uint64_t start, end;
    char text[64];
} Name;

static struct {
    pthread_mutex_t lock;
    Areas map;
    uint64_t top;              /* mappings are placed below it, downwards */
    uint64_t brk_start, brk;
    uint64_t limit_as, limit_data;
    unsigned stepping;         /* threads between mem_written() and mem_written_done() */
    uint16_t next_file;
    Name name[NAMES];          /* special areas */
    unsigned n_names;
} mem = { .lock = PTHREAD_MUTEX_INITIALIZER,
          .limit_as = RLIM_INFINITY,
          .limit_data = RLIM_INFINITY };

/* Addresses that mappings may use: the last page stays empty, so that nothing runs over. */
static uint64_t space_end(void)
{
    return mem_limit - MEM_PAGE;
}

void mem_init(uint64_t reserve)
{
    if (reserve) {
        mem_limit = bits_align_down(reserve, MEM_PAGE);
    }
    mem.top = space_end();
}

void mem_place_below(uint64_t top)
{
    mem.top = bits_align_down(top, MEM_PAGE);
}

/* The host never executes guest memory; memory that can only be executed must be read to be
 * translated. */
static int host_prot(int prot)
{
    return (prot & (PROT_READ | PROT_WRITE)) | (prot & PROT_EXEC ? PROT_READ : 0);
}

static bool over_limit(uint64_t more, int prot, int flags)
{
    if (mem.map.total + more > mem.limit_as) {
        return true;
    }
    return mem.limit_data != RLIM_INFINITY && !(flags & MAP_SHARED) && (prot & PROT_WRITE) &&
           areas_data(&mem.map) + more > mem.limit_data;
}

/* Units of [start, start + len) go when `had_code`. */
static void drop_code(bool had_code, uint64_t start, uint64_t len)
{
    if (had_code) {
        tr_invalidate(start, len);
    }
}

static uint64_t find_hole(uint64_t len)
{
    uint64_t at = areas_hole(&mem.map, len, MEM_LOWEST, mem.top);

    return at ? at : areas_hole(&mem.map, len, MEM_LOWEST, space_end());
}

/* Where a new mapping goes; negative errno when it cannot. */
static int64_t place(uint64_t addr, uint64_t len, int flags)
{
    if (flags & (MAP_FIXED | MAP_FIXED_NOREPLACE)) {
        if (addr % MEM_PAGE) {
            return -EINVAL;
        }
        if (len > space_end() || addr > space_end() - len) {
            return -ENOMEM;
        }
        if ((flags & MAP_FIXED_NOREPLACE) && !areas_free(&mem.map, addr, addr + len)) {
            return -EEXIST;
        }
        return (int64_t)addr;
    }
    addr = bits_align_up(addr, MEM_PAGE);
    if (addr >= MEM_LOWEST && len <= space_end() && addr <= space_end() - len &&
        areas_free(&mem.map, addr, addr + len)) {
        return (int64_t)addr;
    }
    addr = find_hole(len);
    return addr ? (int64_t)addr : -ENOMEM;
}

static Area new_area(uint64_t addr, uint64_t len, int prot, int flags, uint64_t offset)
{
    bool anon = flags & MAP_ANONYMOUS;
    bool shared = (flags & MAP_TYPE) != MAP_PRIVATE;

    return (Area){
        .start = addr,
        .end = addr + len,
        .offset = anon ? 0 : offset,
        .flags = (uint32_t)((flags & KEPT_FLAGS & ~MAP_TYPE) | (shared ? MAP_SHARED : MAP_PRIVATE)),
        .file = anon ? 0 : ++mem.next_file,
        .prot = (uint8_t)(prot & (PROT_READ | PROT_WRITE | PROT_EXEC)),
    };
}

/* With the lock: maps and notes it. */
static int64_t map_locked(uint64_t addr, uint64_t len, int prot, int flags, int fd,
                          uint64_t offset)
{
    int drop = MAP_FIXED | MAP_FIXED_NOREPLACE | MAP_GROWSDOWN | 0x40 /* x86's MAP_32BIT */;
    int64_t at = place(addr, len, flags), got;
    Area area;

    if (at < 0) {
        return at;
    }
    if (over_limit(len, prot, flags) || !areas_reserve(&mem.map)) {
        return -ENOMEM;
    }
    guard_forget((uint64_t)at, (uint64_t)at + len);
    got = host_call(SYS_mmap, (uint64_t)at, len, (uint64_t)host_prot(prot),
                    (uint64_t)((flags & ~drop) | MAP_FIXED), (uint64_t)fd, offset);
    if (got < 0) {
        return got;
    }
    area = new_area((uint64_t)at, len, prot, flags, offset);
    areas_insert(&mem.map, &area);
    return got;
}

int64_t mem_mmap(uint64_t addr, uint64_t len, int prot, int flags, int fd, uint64_t offset)
{
    bool had_code = false;
    int64_t at;

    if (len == 0 || offset % MEM_PAGE) {
        return -EINVAL;
    }
    len = bits_align_up(len, MEM_PAGE);
    if (len == 0) {
        return -ENOMEM;
    }
    pthread_mutex_lock(&mem.lock);
    if (flags & MAP_FIXED) {
        had_code = areas_have_code(&mem.map, addr, addr + len);
    }
    at = map_locked(addr, len, prot, flags, fd, offset);
    pthread_mutex_unlock(&mem.lock);
    if (at >= 0) {
        drop_code(had_code, (uint64_t)at, len);
        if ((flags & MAP_TYPE) != MAP_PRIVATE && (prot & PROT_WRITE)) {
            tr_guest_has_threads();
        }
        log_line(LOG_page, "mmap %#llx-%#llx prot %d flags %#x\n", (unsigned long long)at,
                 (unsigned long long)at + len, prot, (unsigned)flags);
    }
    return at;
}

/* Page-aligned, inside the guest's space, not empty. */
static bool valid_range(uint64_t addr, uint64_t len)
{
    return addr % MEM_PAGE == 0 && len && len <= space_end() && addr <= space_end() - len;
}

int64_t mem_munmap(uint64_t addr, uint64_t len)
{
    bool had_code;
    int64_t r;

    len = bits_align_up(len, MEM_PAGE);
    if (!valid_range(addr, len)) {
        return -EINVAL;
    }
    pthread_mutex_lock(&mem.lock);
    had_code = areas_have_code(&mem.map, addr, addr + len);
    guard_forget(addr, addr + len);
    r = areas_reserve(&mem.map) ? HOST_CALL2(SYS_munmap, addr, len) : -ENOMEM;
    if (r == 0) {
        areas_remove(&mem.map, addr, addr + len);
    }
    pthread_mutex_unlock(&mem.lock);
    if (r == 0) {
        drop_code(had_code, addr, len);
        log_line(LOG_page, "munmap %#llx-%#llx\n", (unsigned long long)addr,
                 (unsigned long long)(addr + len));
    }
    return r;
}

static const char *special_name(const Area *a)
{
    if (a->start < mem.brk && a->end > mem.brk_start) {
        return "[heap]";
    }
    for (unsigned i = 0; i < mem.n_names; i++) {
        if (a->start >= mem.name[i].start && a->start < mem.name[i].end) {
            return mem.name[i].text;
        }
    }
    return NULL;
}

/* The first one does not grow, but is as large as it may become. */
static bool is_stack(const Area *a)
{
    const char *name = special_name(a);

    return (a->flags & MAP_GROWSDOWN) || (name && strcmp(name, "[stack]") == 0);
}

/* PROT_GROWSDOWN: from the start of the area, which must be a stack.  No area grows upwards on
 * these architectures. */
static int stretch(uint64_t *addr, uint64_t *len, int prot)
{
    const Area *a = areas_at(&mem.map, *addr);

    if (!(prot & (PROT_GROWSDOWN | PROT_GROWSUP))) {
        return 0;
    }
    if (!a) {
        return -ENOMEM;
    }
    if ((prot & PROT_GROWSUP) || !is_stack(a)) {
        return -EINVAL;
    }
    *len += *addr - a->start;
    *addr = a->start;
    return 0;
}

static int64_t protect_locked(uint64_t addr, uint64_t len, int prot)
{
    int64_t r;

    if (!areas_reserve(&mem.map)) {
        return -ENOMEM;
    }
    guard_forget(addr, addr + len);
    r = HOST_CALL3(SYS_mprotect, addr, len, host_prot(prot));
    if (r == 0) {
        areas_protect(&mem.map, addr, addr + len, prot & (PROT_READ | PROT_WRITE | PROT_EXEC));
    }
    return r;
}

int64_t mem_mprotect(uint64_t addr, uint64_t len, int prot)
{
    uint64_t mapped = addr;
    int64_t why = -ENOMEM, r;
    bool had_code;

    len = bits_align_up(len, MEM_PAGE);
    if (addr % MEM_PAGE) {
        return -EINVAL;
    }
    if (len == 0) {
        return 0;
    }
    if (!valid_range(addr, len)) {
        return -ENOMEM;
    }
    if (prot & ~(PROT_READ | PROT_WRITE | PROT_EXEC | PROT_SEM | PROT_GROWSDOWN | PROT_GROWSUP)) {
        return -EINVAL;
    }
    pthread_mutex_lock(&mem.lock);
    r = stretch(&addr, &len, prot);
    if (r) {
        pthread_mutex_unlock(&mem.lock);
        return r;
    }
    mapped = addr;
    had_code = areas_have_code(&mem.map, addr, addr + len);
    /* The kernel changes what comes before a hole or what is sealed, then says ENOMEM or EPERM. */
    for (const Area *a; mapped < addr + len && (a = areas_at(&mem.map, mapped)); mapped = a->end) {
        if (a->flags & AREA_SEALED) {
            why = -EPERM;
            break;
        }
    }
    mapped = mapped > addr + len ? addr + len : mapped;
    r = mapped > addr ? protect_locked(addr, mapped - addr, prot) : 0;
    pthread_mutex_unlock(&mem.lock);
    if (r == 0) {
        drop_code(had_code, addr, len);
        r = mapped == addr + len ? 0 : why;
    }
    return r;
}

int64_t mem_mseal(uint64_t addr, uint64_t len, uint64_t flags)
{
    uint64_t end = addr + bits_align_up(len, MEM_PAGE);
    bool opened = false;
    int64_t r;

    if (addr % MEM_PAGE == 0 && len && !mem_in_guest(addr, len)) {
        return addr + len < addr ? -EINVAL : -ENOMEM;
    }
    pthread_mutex_lock(&mem.lock);
    r = areas_reserve(&mem.map) ? 0 : -ENOMEM;
    if (r == 0 && addr % MEM_PAGE == 0 && end > addr) {
        opened = guard_open(addr, end); /* afterwards no protection can be changed */
    }
    r = r ? r : HOST_CALL3(SYS_mseal, addr, len, flags);
    if (r == 0) {
        areas_mark(&mem.map, addr, end, AREA_SEALED);
    }
    pthread_mutex_unlock(&mem.lock);
    drop_code(opened, addr, end - addr);
    return r;
}

/* What lies in [addr, addr + len) also lies at `to`, the last area stretched to the end of
 * [to, to + new_len).  Since Linux 6.17 there may be several, and holes. */
static bool copy_areas(uint64_t addr, uint64_t len, uint64_t to, uint64_t new_len)
{
    uint64_t end = addr + (len ? len : 1), at = addr;

    do {
        const Area *a = areas_find(&mem.map, at);
        Area moved;

        if (!areas_reserve(&mem.map)) {
            return false;
        }
        if (!a || a->start >= end) {
            break;
        }
        moved = *a;
        at = moved.end;
        if (moved.start < addr) {
            moved.offset += moved.flags & MAP_ANONYMOUS ? 0 : addr - moved.start;
            moved.start = addr;
        }
        moved.start = to + (moved.start - addr);
        moved.end = to + (at < end ? at - addr : new_len);
        moved.has_code = false;
        areas_insert(&mem.map, &moved);
    } while (at < end);
    return true;
}

static int64_t remap_grow_in_place(uint64_t addr, uint64_t len, uint64_t new_len)
{
    Area *a = areas_at(&mem.map, addr);
    int64_t r;

    if (!a || a->end != addr + len || new_len > space_end() || addr > space_end() - new_len ||
        !areas_free(&mem.map, addr + len, addr + new_len)) {
        return -ENOMEM;
    }
    r = host_call(SYS_mremap, addr, len, new_len, 0, 0, 0);
    if (r >= 0 && !copy_areas(addr, len, addr, new_len)) {
        return -ENOMEM;
    }
    return r;
}

static int64_t remap_move(uint64_t addr, uint64_t len, uint64_t new_len, int flags, uint64_t to)
{
    int64_t r;

    if (!areas_at(&mem.map, addr) || !areas_reserve(&mem.map)) {
        return -EFAULT;
    }
    r = host_call(SYS_mremap, addr, len, new_len,
                  (uint64_t)(MREMAP_MAYMOVE | MREMAP_FIXED | (flags & MREMAP_DONTUNMAP)), to, 0);
    if (r < 0) {
        return r;
    }
    if (!copy_areas(addr, len, to, new_len)) {
        return -ENOMEM;
    }
    if (len && !(flags & MREMAP_DONTUNMAP) && areas_reserve(&mem.map)) {
        areas_remove(&mem.map, addr, addr + len);
    }
    return r;
}

static int64_t remap_locked(uint64_t addr, uint64_t len, uint64_t new_len, int flags,
                            uint64_t new_addr)
{
    int64_t r;

    if (new_len > len && over_limit(new_len - len, 0, MAP_SHARED)) {
        return -ENOMEM;
    }
    if (flags & MREMAP_FIXED) {
        if (!valid_range(new_addr, new_len) ||
            (new_addr < addr + len && addr < new_addr + new_len)) {
            return -EINVAL;
        }
        return remap_move(addr, len, new_len, flags, new_addr);
    }
    if (!(flags & MREMAP_DONTUNMAP) && len) {
        r = new_len == len ? (areas_full(&mem.map, addr, addr + len) ? (int64_t)addr : -EFAULT)
                           : remap_grow_in_place(addr, len, new_len);
        if (r != -ENOMEM || !(flags & MREMAP_MAYMOVE)) {
            return r;
        }
    }
    r = flags & MREMAP_DONTUNMAP ? place(new_addr, new_len, 0) : (int64_t)find_hole(new_len);
    return r > 0 ? remap_move(addr, len, new_len, flags, (uint64_t)r) : -ENOMEM;
}

static bool is_mapped(uint64_t addr)
{
    bool mapped;

    pthread_mutex_lock(&mem.lock);
    mapped = areas_at(&mem.map, addr) != NULL;
    pthread_mutex_unlock(&mem.lock);
    return mapped;
}

int64_t mem_mremap(uint64_t addr, uint64_t len, uint64_t new_len, int flags, uint64_t new_addr)
{
    int known = MREMAP_MAYMOVE | MREMAP_FIXED | MREMAP_DONTUNMAP;
    bool had_code;
    int64_t r;

    len = bits_align_up(len, MEM_PAGE);
    new_len = bits_align_up(new_len, MEM_PAGE);
    if ((flags & ~known) || new_len == 0 || addr % MEM_PAGE ||
        ((flags & MREMAP_FIXED) && !(flags & MREMAP_MAYMOVE)) ||
        ((flags & MREMAP_DONTUNMAP) && (!(flags & MREMAP_MAYMOVE) || len != new_len))) {
        return -EINVAL;
    }
    if (!is_mapped(addr)) {
        return -EFAULT;
    }
    if (!mem_in_guest(addr, len)) {
        return -EINVAL;
    }
    if (new_len < len && !(flags & MREMAP_FIXED)) {
        r = mem_munmap(addr + new_len, len - new_len);
        return r < 0 ? r : (int64_t)addr;
    }
    pthread_mutex_lock(&mem.lock);
    had_code = areas_have_code(&mem.map, addr, addr + len) ||
               ((flags & MREMAP_FIXED) && areas_have_code(&mem.map, new_addr, new_addr + new_len));
    guard_forget(addr, addr + len);
    if (flags & MREMAP_FIXED) {
        guard_forget(new_addr, new_addr + new_len);
    }
    r = remap_locked(addr, len, new_len, flags, new_addr);
    pthread_mutex_unlock(&mem.lock);
    if (r >= 0) {
        drop_code(had_code, addr, len);
        drop_code(had_code, (uint64_t)r, new_len);
    }
    return r;
}

int64_t mem_remap_file_pages(uint64_t addr, uint64_t len, int prot, uint64_t page, int flags)
{
    int64_t r = -EINVAL;

    addr = bits_align_down(addr, MEM_PAGE);
    len = bits_align_down(len, MEM_PAGE);
    if (!valid_range(addr, len)) {
        return -EINVAL;
    }
    pthread_mutex_lock(&mem.lock);
    if (areas_reserve(&mem.map)) {
        guard_forget(addr, addr + len);
        r = host_call(SYS_remap_file_pages, addr, len, (uint64_t)prot, page, (uint64_t)flags, 0);
    }
    if (r == 0) {
        Area area = *areas_at(&mem.map, addr);

        area.start = addr;
        area.end = addr + len;
        area.offset = page * MEM_PAGE;
        areas_insert(&mem.map, &area);
    }
    pthread_mutex_unlock(&mem.lock);
    drop_code(r == 0, addr, len);
    return r;
}

int64_t mem_madvise(uint64_t addr, uint64_t len, int advice)
{
    if (addr % MEM_PAGE || len > mem_limit || !mem_in_guest(addr, bits_align_up(len, MEM_PAGE))) {
        return len > mem_limit ? -EINVAL : addr % MEM_PAGE ? -EINVAL : -ENOMEM;
    }
    return HOST_CALL3(SYS_madvise, addr, len, advice);
}

int64_t mem_shmat(int id, uint64_t addr, int flags)
{
    int prot = PROT_READ | (flags & SHM_RDONLY ? 0 : PROT_WRITE) | (flags & SHM_EXEC ? PROT_EXEC : 0);
    bool had_code = false;
    struct shmid_ds ds;
    uint64_t len;
    int64_t at;

    at = HOST_CALL3(SYS_shmctl, id, IPC_STAT, &ds);
    if (at < 0) {
        return at;
    }
    len = bits_align_up(ds.shm_segsz, MEM_PAGE);
    if (addr && (flags & SHM_RND)) {
        addr = bits_align_down(addr, MEM_PAGE);
    }
    if (addr % MEM_PAGE || !mem_in_guest(addr, len)) {
        return -EINVAL;
    }
    pthread_mutex_lock(&mem.lock);
    if (addr) {
        bool busy = !areas_free(&mem.map, addr, addr + len);

        had_code = areas_have_code(&mem.map, addr, addr + len);
        at = busy && !(flags & SHM_REMAP) ? -EINVAL : (int64_t)addr;
    } else {
        at = (int64_t)find_hole(len);
        at = at ? at : -ENOMEM;
    }
    if (at > 0 && !areas_reserve(&mem.map)) {
        at = -ENOMEM;
    }
    if (at > 0) {
        guard_forget((uint64_t)at, (uint64_t)at + len);
        at = HOST_CALL3(SYS_shmat, id, at, (flags & (SHM_RDONLY | SHM_REMAP)));
    }
    if (at > 0) {
        Area area = new_area((uint64_t)at, len, prot, MAP_SHARED, 0);

        area.flags |= AREA_SHM;
        areas_insert(&mem.map, &area);
    }
    pthread_mutex_unlock(&mem.lock);
    if (at > 0) {
        drop_code(had_code, (uint64_t)at, len);
        tr_guest_has_threads();
    }
    return at;
}

int64_t mem_shmdt(uint64_t addr)
{
    uint64_t len = 0;
    int64_t r = -EINVAL;
    const Area *a;

    pthread_mutex_lock(&mem.lock);
    a = areas_at(&mem.map, addr);
    if (a && a->start == addr && (a->flags & AREA_SHM) && areas_reserve(&mem.map)) {
        len = a->end - a->start;
        guard_forget(addr, addr + len);
        r = HOST_CALL1(SYS_shmdt, addr);
    }
    if (r == 0) {
        areas_remove(&mem.map, addr, addr + len);
    }
    pthread_mutex_unlock(&mem.lock);
    drop_code(r == 0, addr, len);
    return r;
}

void mem_set_brk(uint64_t start)
{
    mem.brk_start = mem.brk = bits_align_up(start, MEM_PAGE);
}

/* With the lock: the new end of the heap, or the old one when it cannot be had. */
static uint64_t move_brk(uint64_t addr)
{
    uint64_t old_end = bits_align_up(mem.brk, MEM_PAGE);
    uint64_t new_end = bits_align_up(addr, MEM_PAGE);
    int flags = MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE;

    if (addr < mem.brk_start || addr > space_end() || !areas_reserve(&mem.map)) {
        return mem.brk;
    }
    if (addr - mem.brk_start > mem.limit_data) {
        return mem.brk;
    }
    if (new_end > old_end) {
        if (map_locked(old_end, new_end - old_end, PROT_READ | PROT_WRITE, flags, -1, 0) < 0) {
            return mem.brk;
        }
    } else if (new_end < old_end) {
        guard_forget(new_end, old_end);
        if (HOST_CALL2(SYS_munmap, new_end, old_end - new_end) < 0) {
            return mem.brk;
        }
        areas_remove(&mem.map, new_end, old_end);
    }
    return addr;
}

int64_t mem_brk(uint64_t addr)
{
    int64_t r;

    pthread_mutex_lock(&mem.lock);
    mem.brk = move_brk(addr);
    r = (int64_t)mem.brk;
    pthread_mutex_unlock(&mem.lock);
    return r;
}

bool mem_grow_stack(uint64_t addr)
{
    uint64_t start = bits_align_down(addr, MEM_PAGE);
    bool grown = false;
    const Area *a;

    pthread_mutex_lock(&mem.lock);
    a = areas_find(&mem.map, addr);
    if (a && a->start > addr && start >= MEM_LOWEST && (a->flags & MAP_GROWSDOWN) &&
        areas_free(&mem.map, start - MEM_PAGE, addr)) {
        grown = map_locked(start, a->start - start, a->prot,
                           MAP_PRIVATE | MAP_ANONYMOUS | MAP_GROWSDOWN | MAP_FIXED_NOREPLACE, -1,
                           0) >= 0;
    }
    pthread_mutex_unlock(&mem.lock);
    return grown;
}

void mem_name(uint64_t addr, uint64_t len, const char *name)
{
    if (mem.n_names < NAMES) {
        Name *n = &mem.name[mem.n_names++];

        Area *area = areas_at(&mem.map, addr);

        n->start = addr;
        n->end = addr + len;
        if (area) {
            area->file = ++mem.next_file; /* stays apart from its neighbours */
        }
        snprintf(n->text, sizeof(n->text), "%s", name);
    }
}

bool mem_next_area(uint64_t addr, MemArea *area)
{
    const Area *a;

    pthread_mutex_lock(&mem.lock);
    a = areas_find(&mem.map, addr);
    if (a) {
        const char *name = special_name(a);

        *area = (MemArea){ .start = a->start,
                           .end = a->end,
                           .prot = a->prot,
                           .flags = (int)a->flags & KEPT_FLAGS,
                           .offset = a->offset,
                           .file = a->file };
        snprintf(area->name, sizeof(area->name), "%s", name ? name : "");
    }
    pthread_mutex_unlock(&mem.lock);
    return a != NULL;
}

bool mem_area(uint64_t addr, MemArea *area)
{
    MemArea a;

    if (!mem_next_area(addr, &a) || a.start > addr) {
        return false;
    }
    *area = a;
    return true;
}

/* Bytes readable at pc, up to `want`; the end of a file may cut a page off. */
static size_t read_code(uint64_t pc, uint8_t *buf, size_t want)
{
    size_t done = 0;

    while (done < want) {
        size_t n = MEM_PAGE - (pc + done) % MEM_PAGE;

        n = n > want - done ? want - done : n;
        if (!mem_read(buf + done, pc + done, n)) {
            break;
        }
        done += n;
    }
    return done;
}

/* Code of area `a` in [start, end) will be translated: its pages, when the guest may write them. */
static void guard_area(const Area *a, uint64_t start, uint64_t end)
{
    if (!(a->prot & PROT_WRITE) || a->flushed || mem.stepping || tr_guest_fences()) {
        return;
    }
    start = start > a->start ? start : a->start;
    end = end < a->end ? end : a->end;
    for (uint64_t page = bits_align_down(start, MEM_PAGE); page < end; page += MEM_PAGE) {
        guard_code(page);
    }
}

size_t mem_fetch(void *opaque, uint64_t pc, uint8_t *buf, size_t want, bool *writable)
{
    uint64_t end = pc;
    bool may_change = false;

    (void)opaque;
    pthread_mutex_lock(&mem.lock);
    for (Area *a; end - pc < want && (a = areas_at(&mem.map, end));) {
        if (!(a->prot & PROT_EXEC)) {
            break;
        }
        a->has_code = true;
        guard_area(a, pc, pc + want);
        may_change |= (a->prot & PROT_WRITE) || (a->flags & MAP_SHARED);
        end = a->end;
    }
    want = end - pc < want ? end - pc : want;
    want = read_code(pc, buf, want);
    pthread_mutex_unlock(&mem.lock);
    *writable = may_change;
    return want;
}

int mem_fetch_signal(uint64_t addr, int *code)
{
    const Area *a;
    uint8_t byte;
    int sig = SIGSEGV;

    pthread_mutex_lock(&mem.lock);
    a = areas_at(&mem.map, addr);
    if (!a) {
        *code = SEGV_MAPERR;
    } else if (!(a->prot & PROT_EXEC)) {
        *code = SEGV_ACCERR;
    } else if (!read_code(addr, &byte, 1)) {
        sig = SIGBUS; /* mapped beyond the end of its file */
        *code = BUS_ADRERR;
    } else {
        sig = 0;
    }
    pthread_mutex_unlock(&mem.lock);
    return sig;
}

void mem_code_changed(uint64_t start, uint64_t end)
{
    pthread_mutex_lock(&mem.lock);
    for (Area *a = areas_find(&mem.map, start); a && a->start < end;
         a = areas_find(&mem.map, a->end)) {
        a->flushed = true;
    }
    pthread_mutex_unlock(&mem.lock);
    tr_code_changed(start, end - start);
}

void mem_open(uint64_t addr, uint64_t len)
{
    uint64_t start = bits_align_down(addr, MEM_PAGE);
    uint64_t end = bits_align_up(addr + len, MEM_PAGE);
    bool opened;

    if (!atomic_load_explicit(&guard_count, memory_order_relaxed)) {
        return;
    }
    pthread_mutex_lock(&mem.lock);
    opened = guard_open(start, end);
    pthread_mutex_unlock(&mem.lock);
    drop_code(opened, start, end - start);
}

bool mem_written(uint64_t addr)
{
    uint64_t page = bits_align_down(addr, MEM_PAGE);
    const Area *a;
    bool may;

    pthread_mutex_lock(&mem.lock);
    a = areas_at(&mem.map, addr);
    may = a && (a->prot & PROT_WRITE) && (a->prot & PROT_EXEC);
    if (may) {
        (void)guard_open(page, page + MEM_PAGE);
        mem.stepping++;
    }
    pthread_mutex_unlock(&mem.lock);
    return may;
}

void mem_written_done(uint64_t addr)
{
    pthread_mutex_lock(&mem.lock);
    mem.stepping--;
    pthread_mutex_unlock(&mem.lock);
    tr_invalidate(bits_align_down(addr, MEM_PAGE), MEM_PAGE);
}

void mem_fork_prepare(void)
{
    pthread_mutex_lock(&mem.lock);
}

void mem_fork_done(void)
{
    pthread_mutex_unlock(&mem.lock);
}

void mem_set_limit(int resource, uint64_t soft)
{
    pthread_mutex_lock(&mem.lock);
    if (resource == RLIMIT_AS) {
        mem.limit_as = soft;
    } else if (resource == RLIMIT_DATA) {
        mem.limit_data = soft;
    }
    pthread_mutex_unlock(&mem.lock);
}
