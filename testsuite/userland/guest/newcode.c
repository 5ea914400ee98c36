/* SPDX-License-Identifier: Apache-2.0 */
/* Code that the program writes: fence.i, __builtin___clear_cache (riscv_flush_icache), protection
 * changes, two mappings of one page. */
#define _GNU_SOURCE
#include <stdint.h>
#include <sys/mman.h>

#include "check.h"

typedef long Fn(void);

/* li a0, value; ret */
static void write_code(uint32_t *at, int value)
{
    at[0] = 0x00000513 | (uint32_t)(value & 0xfff) << 20;
    at[1] = 0x00008067;
}

static void fence_i(void)
{
    __asm__ volatile("fence.i" ::: "memory");
}

static void rewrite(uint32_t *code, void (*flush)(uint32_t *))
{
    Fn *fn = (Fn *)code;

    for (int i = 0; i < 2000; i++) {
        write_code(code, i);
        flush(code);
        CHECK_EQ(fn(), i & 0x800 ? (i | ~0xfff) : i);
    }
}

static void flush_by_fence(uint32_t *code)
{
    (void)code;
    fence_i();
}

static void flush_by_call(uint32_t *code)
{
    __builtin___clear_cache((char *)code, (char *)(code + 2));
}

static void flip_protection(void)
{
    uint32_t *code = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

    CHECK(code != MAP_FAILED);
    for (int i = 0; i < 100; i++) {
        CHECK_EQ(mprotect(code, 4096, PROT_READ | PROT_WRITE), 0);
        write_code(code, i);
        CHECK_EQ(mprotect(code, 4096, PROT_READ | PROT_EXEC), 0);
        fence_i();
        CHECK_EQ(((Fn *)code)(), i);
    }
    /* The same address, other memory. */
    for (int i = 0; i < 100; i++) {
        uint32_t *again = mmap(code, 4096, PROT_READ | PROT_WRITE | PROT_EXEC,
                               MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0);

        CHECK(again == code);
        write_code(code, 1000 + i);
        CHECK_EQ(((Fn *)code)(), 1000 + i);
    }
}

static void two_mappings(void)
{
    int fd = memfd_create("code", 0);
    uint32_t *rw, *rx;

    CHECK_EQ(ftruncate(fd, 4096), 0);
    rw = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    rx = mmap(NULL, 4096, PROT_READ | PROT_EXEC, MAP_SHARED, fd, 0);
    CHECK(rw != MAP_FAILED && rx != MAP_FAILED);
    for (int i = 0; i < 100; i++) {
        write_code(rw, i);
        fence_i();
        CHECK_EQ(((Fn *)rx)(), i);
    }
}

/* Code moved by mremap runs at its new place. */
static void moved(void)
{
    int all = PROT_READ | PROT_WRITE | PROT_EXEC;
    uint32_t *code = mmap(NULL, 4096, all, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    uint32_t *place = mmap(NULL, 8192, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

    write_code(code, 77);
    fence_i();
    CHECK_EQ(((Fn *)code)(), 77);
    place = mremap(code, 4096, 8192, MREMAP_MAYMOVE | MREMAP_FIXED, place);
    CHECK(place != MAP_FAILED);
    CHECK_EQ(((Fn *)place)(), 77);
}

int main(void)
{
    int all = PROT_READ | PROT_WRITE | PROT_EXEC;
    uint32_t *code = mmap(NULL, 4096, all, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

    CHECK(code != MAP_FAILED);
    rewrite(code, flush_by_fence);
    rewrite(code, flush_by_call);
    flip_protection();
    two_mappings();
    moved();
    return passed();
}
