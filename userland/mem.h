/* SPDX-License-Identifier: Apache-2.0 */
/*
 * userland/mem.h - guest memory in user mode: safe access, and the map of what is mapped.
 *
 * Guest address = host address (mem_base 0).  The guest's space is [0, mem_limit); Ketch's own
 * mappings lie far above it.  Guest pages carry the guest's protection minus PROT_EXEC; whether
 * the guest may execute is known only here and asked for by the translator through mem_fetch().
 *
 * Access:     mem_read() and friends never crash: a bad address makes them return false, which a
 *             system call turns into -EFAULT.  mem_host() is for pointers handed to the kernel.
 * Map:        mem_mmap() and friends have the kernel's semantics and return -errno.
 * Threading:  everything from any thread.  The map's lock is below the translator's: map calls
 *             must not be made from inside a translator callback, except mem_fetch().
 */
#ifndef KETCH_USERLAND_MEM_H
#define KETCH_USERLAND_MEM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/check.h"

enum {
    MEM_PAGE = 4096,
    MEM_LOWEST = 0x10000, /* nothing is placed below it unless the guest says MAP_FIXED */
};

/* First address that is not the guest's; constant after mem_init(). */
extern uint64_t mem_limit;

/* What mem_host() gives for a range outside the guest's space: the kernel answers EFAULT. */
#define MEM_BAD ((void *)~(uintptr_t)0xfff)

static inline bool mem_in_guest(uint64_t gaddr, uint64_t len)
{
    return gaddr <= mem_limit && len <= mem_limit - gaddr;
}

/* Ketch or the kernel is about to write there; that must not meet a guard (guard.h). */
void mem_open(uint64_t addr, uint64_t len);

/* Pointer to hand to the kernel (or MEM_BAD): 0 stays NULL.  The memory behind it may be missing;
 * Ketch itself must not follow it.  For strings and structs of unknown size use len 1: the page
 * below mem_limit is never mapped. */
static inline void *mem_host(uint64_t gaddr, uint64_t len)
{
    if (!mem_in_guest(gaddr, len)) {
        return MEM_BAD;
    }
    mem_open(gaddr, len);
    return (void *)(uintptr_t)gaddr;
}

static inline uint64_t mem_guest(const void *host)
{
    return (uint64_t)(uintptr_t)host;
}

/* False on a bad address; then part of the destination may have been written. */
MUST_USE bool mem_read(void *dst, uint64_t gaddr, size_t n);
MUST_USE bool mem_write(uint64_t gaddr, const void *src, size_t n);
MUST_USE bool mem_zero(uint64_t gaddr, size_t n);

static inline MUST_USE bool mem_read_u32(uint64_t gaddr, uint32_t *v)
{
    return mem_read(v, gaddr, 4);
}

static inline MUST_USE bool mem_read_u64(uint64_t gaddr, uint64_t *v)
{
    return mem_read(v, gaddr, 8);
}

static inline MUST_USE bool mem_write_u32(uint64_t gaddr, uint32_t v)
{
    return mem_write(gaddr, &v, 4);
}

static inline MUST_USE bool mem_write_u64(uint64_t gaddr, uint64_t v)
{
    return mem_write(gaddr, &v, 8);
}

/* Copies the string at gaddr with its NUL.  Returns its length; -EFAULT; -ENAMETOOLONG when it
 * does not fit in `size`. */
ssize_t mem_strcpy_in(char *dst, uint64_t gaddr, size_t size);

/* Length of the string at gaddr, at most `max`; -EFAULT. */
ssize_t mem_strlen(uint64_t gaddr, size_t max);

/* Compare-and-exchange on guest memory: *old is what was there; false on a bad address. */
MUST_USE bool mem_cas_u32(uint64_t gaddr, uint32_t expected, uint32_t desired, uint32_t *old);

/* For the SIGSEGV/SIGBUS handler: when the host pc is in one of the accesses above, the pc to
 * continue at (they return false from there); else 0. */
uintptr_t mem_fixup(uintptr_t host_pc);

/* ---- The map ---- */

/* `reserve`: size of the guest's space, 0 for the default (sv39: 2^38).  Once. */
void mem_init(uint64_t reserve);

/* Linux semantics, guest flags as Linux/generic (the same numbers on riscv64 and x86-64).
 * Addresses or 0, or -errno. */
int64_t mem_mmap(uint64_t addr, uint64_t len, int prot, int flags, int fd, uint64_t offset);
int64_t mem_munmap(uint64_t addr, uint64_t len);
int64_t mem_mprotect(uint64_t addr, uint64_t len, int prot);
int64_t mem_mremap(uint64_t addr, uint64_t len, uint64_t new_len, int flags, uint64_t new_addr);
int64_t mem_remap_file_pages(uint64_t addr, uint64_t len, int prot, uint64_t page, int flags);
int64_t mem_mseal(uint64_t addr, uint64_t len, uint64_t flags);
int64_t mem_madvise(uint64_t addr, uint64_t len, int advice);
int64_t mem_shmat(int id, uint64_t addr, int flags);
int64_t mem_shmdt(uint64_t addr);
int64_t mem_brk(uint64_t addr);

/* The heap starts at `start` (page aligned) and is empty. */
void mem_set_brk(uint64_t start);

/* Gives [addr, addr + len) a name in /proc/self/maps: "[stack]", "[vdso]", or a path. */
void mem_name(uint64_t addr, uint64_t len, const char *name);

/* The part of memory that one page belongs to; false when it is not mapped. */
typedef struct MemArea {
    uint64_t start, end; /* end is exclusive */
    int prot;            /* the guest's, PROT_EXEC included */
    int flags;           /* MAP_SHARED or MAP_PRIVATE, MAP_ANONYMOUS, MAP_GROWSDOWN */
    uint64_t offset;     /* of `start` in the file */
    uint16_t file;       /* a number of the mapping that made it; 0: anonymous and nameless */
    char name[256];      /* "" for anonymous memory */
} MemArea;

bool mem_area(uint64_t addr, MemArea *area);

/* The first area that ends above addr; false when there is none: for walking the map. */
bool mem_next_area(uint64_t addr, MemArea *area);

/* TrConfig.fetch */
size_t mem_fetch(void *opaque, uint64_t pc, uint8_t *buf, size_t want, bool *writable);

/* The signal that says why nothing can be fetched at addr, and its si_code; 0: something can.  When
 * mem_fetch() has failed, another thread may have changed that since. */
int mem_fetch_signal(uint64_t addr, int *code);

/* A page fault at addr: true when it lies below memory that grows down and now is mapped. */
bool mem_grow_stack(uint64_t addr);

/* The guest says that it changed code in [start, end), as it will say from now on (guard.h). */
void mem_code_changed(uint64_t start, uint64_t end);

/* A write to addr was refused: true when that was a guard (guard.h), which is gone until
 * mem_written_done().  In between the instruction is to be executed alone. */
MUST_USE bool mem_written(uint64_t addr);
void mem_written_done(uint64_t addr);

/* Mappings without a wish go below `top` (the stack's lowest end). */
void mem_place_below(uint64_t top);

/* The file that is mapped at addr, and where in it. */
bool mem_file_at(uint64_t addr, char *path, size_t size, uint64_t *offset);

/* Text of /proc/self/maps, malloc'ed; NULL when out of memory. */
char *mem_maps_text(void);

/* The same for smaps.  What a mapping of the host has several guest mappings in is counted for the last. */
char *mem_smaps_text(void);

/* Around fork(2), innermost of all locks. */
void mem_fork_prepare(void);
void mem_fork_done(void);

/* Guest limits that only Ketch can enforce: RLIMIT_AS, RLIMIT_DATA, RLIMIT_STACK. */
void mem_set_limit(int resource, uint64_t soft);

#endif
