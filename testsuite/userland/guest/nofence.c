/* SPDX-License-Identifier: Apache-2.0 */
/* Code that changes without a fence, in a program that never executes one: processors whose
 * instruction cache follows stores run it, and so does QEMU. */
#define _GNU_SOURCE
#include <pthread.h>
#include <stdatomic.h>
#include <stdint.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include "check.h"

enum { PAGE = 4096, ALL = PROT_READ | PROT_WRITE | PROT_EXEC };

typedef long Fn(void);

static uint32_t *pages(unsigned n)
{
    void *p = mmap(NULL, n * PAGE, ALL, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

    CHECK(p != MAP_FAILED);
    return p;
}

/* li a0, value; ret */
static void write_code(volatile uint32_t *at, uint32_t value)
{
    at[0] = 0x00000513 | value << 20;
    at[1] = 0x00008067;
}

static long call(const volatile uint32_t *code)
{
    return ((Fn *)code)();
}

static void rewritten(void)
{
    uint32_t *code = pages(1);

    for (int i = 0; i < 200; i++) {
        write_code(code, i);
        CHECK_EQ(call(code), i);
        CHECK_EQ(call(code), i);
    }
}

/* A loop that is hot before it is patched: PyPy's guards. */
static void patched_when_hot(void)
{
    uint32_t *code = pages(1);
    long sum = 0;

    write_code(code, 1);
    for (int i = 0; i < 200000; i++) {
        sum += call(code);
        if (i == 150000) {
            write_code(code, 3);
        }
    }
    CHECK_EQ(sum, 150001 + 3 * 49999);
}

/* sw a1, 0(a0); ret, on the page that it writes to. */
static void writes_its_own_page(void)
{
    typedef void Store(volatile uint32_t *, uint32_t);
    uint32_t *code = pages(1);
    Store *store = (Store *)code;

    code[0] = 0x00b52023;
    code[1] = 0x00008067;
    for (uint32_t i = 0; i < 50; i++) {
        store(&code[17], 0x00008067);
        store(&code[16], 0x00000513 | i << 20);
        CHECK_EQ(call(&code[16]), i);
    }
}

/* An instruction that lies on two pages changes with either. */
static void on_two_pages(void)
{
    uint32_t *code = pages(2);
    uint16_t *half = (uint16_t *)code + PAGE / 2 - 1;

    half[2] = 0x8082; /* ret */
    for (uint32_t i = 0; i < 20; i++) {
        uint32_t insn = 0x00000513 | i << 20;

        half[0] = (uint16_t)insn;
        half[1] = (uint16_t)(insn >> 16);
        CHECK_EQ(call((uint32_t *)half), i);
    }
}

/* The kernel writes the code, or what lies beside it. */
static void written_by_calls(void)
{
    uint32_t *code = pages(1), other[2];
    struct stat *st = (struct stat *)&code[64];
    int fd[2];

    CHECK_EQ(pipe(fd), 0);
    write_code(code, 5);
    CHECK_EQ(call(code), 5);
    write_code(other, 6);
    CHECK_EQ(write(fd[1], other, sizeof(other)), sizeof(other));
    CHECK_EQ(read(fd[0], code, sizeof(other)), sizeof(other));
    CHECK_EQ(call(code), 6);
    CHECK_EQ(fstat(fd[0], st), 0);
    CHECK(S_ISFIFO(st->st_mode));
    CHECK_EQ(call(code), 6);
}

static void data_beside_code(void)
{
    uint32_t *code = pages(1);
    volatile uint64_t *count = (volatile uint64_t *)&code[512];

    write_code(code, 2);
    for (int i = 0; i < 20000; i++) {
        *count += (uint64_t)call(code);
    }
    CHECK_EQ(*count, 40000);
}

static void mapped_anew(void)
{
    uint32_t *code = pages(1);
    uint32_t *place = pages(2);

    write_code(code, 7);
    CHECK_EQ(call(code), 7);
    code = mremap(code, PAGE, PAGE, MREMAP_MAYMOVE | MREMAP_FIXED, place);
    CHECK(code == place);
    write_code(code, 8);
    CHECK_EQ(call(code), 8);
    CHECK_EQ(mprotect(code, PAGE, PROT_READ | PROT_WRITE), 0);
    write_code(code, 9);
    CHECK_EQ(mprotect(code, PAGE, ALL), 0);
    CHECK_EQ(call(code), 9);
    CHECK(mmap(code, PAGE, ALL, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0) == code);
    write_code(code, 10);
    CHECK_EQ(call(code), 10);
    CHECK_EQ(munmap(code, 2 * PAGE), 0);
}

static void in_a_child(void)
{
    uint32_t *code = pages(1);
    int status;
    pid_t pid;

    write_code(code, 11);
    CHECK_EQ(call(code), 11);
    pid = fork();
    if (pid == 0) {
        write_code(code, 12);
        _exit((int)call(code));
    }
    CHECK_EQ(waitpid(pid, &status, 0), pid);
    CHECK_EQ(WEXITSTATUS(status), 12);
    CHECK_EQ(call(code), 11);
}

static volatile uint32_t *shared;
static atomic_long seen;

static void *follow(void *opaque)
{
    long now;

    (void)opaque;
    do {
        now = call(shared);
        atomic_store(&seen, now);
    } while (now != 100);
    return NULL;
}

/* One instruction is changed at a time: the other thread meets the old or the new one. */
static void by_another_thread(void)
{
    pthread_t thread[2];

    shared = pages(1);
    write_code(shared, 0);
    for (int i = 0; i < 2; i++) {
        CHECK_EQ(pthread_create(&thread[i], NULL, follow, NULL), 0);
    }
    for (uint32_t i = 1; i <= 100; i++) {
        shared[0] = 0x00000513 | i << 20;
        while (i < 100 && atomic_load(&seen) != i) {
        }
    }
    for (int i = 0; i < 2; i++) {
        CHECK_EQ(pthread_join(thread[i], NULL), 0);
    }
}

/* A library that flushes what it makes says nothing of the others. */
static void flushed_elsewhere(void)
{
    uint32_t *code = pages(1);
    void *gap = mmap(NULL, PAGE, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

    CHECK(gap != MAP_FAILED);
    for (int i = 0; i < 1000; i++) {
        write_code(code, i);
        __builtin___clear_cache((char *)code, (char *)(code + 2));
        CHECK_EQ(call(code), i);
    }
    rewritten();
}

int main(void)
{
    rewritten();
    patched_when_hot();
    writes_its_own_page();
    on_two_pages();
    written_by_calls();
    data_beside_code();
    mapped_anew();
    in_a_child();
    by_another_thread();
    flushed_elsewhere();
    return passed();
}
