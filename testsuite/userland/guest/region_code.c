/* SPDX-License-Identifier: Apache-2.0 */
/* A hot loop over two pages, run by other threads while its second page is rewritten, unmapped,
 * mapped over and protected. */
#define _GNU_SOURCE
#include <pthread.h>
#include <signal.h>
#include <stdint.h>
#include <sys/mman.h>
#include <ucontext.h>

#include "check.h"

enum { PAGE = 4096, THREADS = 2, ROUNDS = 16, MARK = 0x5a5 };

typedef struct Shared {
    volatile int64_t stop;    /* 0(a0) */
    volatile int64_t value;   /* 8(a0): what the second page says, changed by rewriting it */
    volatile int64_t rounds;  /* 16(a0) */
    volatile int64_t product; /* 24(a0): value * MARK */
} Shared;

/* The part from loop_second on is put at the start of a page. */
__asm__(".option push\n.option norvc\n.option norelax\n"
        "loop_first:\n"
        "    ld    a3, 0(a0)\n"
        "    bnez  a3, 1f\n"
        "    addi  a5, a5, 1\n"
        "    sd    a5, 16(a0)\n"
        "loop_second:\n"
        "    li    a1, 1\n"
        "    mul   a4, a1, a2\n"
        "    sd    a4, 24(a0)\n"
        "    sd    a1, 8(a0)\n"
        "    andi  a6, a5, 3\n"
        "    bnez  a6, loop_first\n"
        "    addi  a7, a7, 1\n"
        "    j     loop_first\n"
        "1:  ret\n"
        "loop_end:\n"
        ".option pop\n");
extern const char loop_first[], loop_second[], loop_end[];

static char *pages; /* two of them */
static uint32_t second[64];
static Shared shared[THREADS];
static volatile int faults;
static volatile int64_t now;

static void flush(void)
{
    __builtin___clear_cache(pages, pages + 2 * PAGE);
}

static void set_value(uint32_t *insn, int64_t value)
{
    *(volatile uint32_t *)insn = 0x00000593 | (uint32_t)value << 20; /* li a1, value */
}

/* The fault is at an instruction of the second page, with the registers of there. */
static void on_segv(int sig, siginfo_t *info, void *context)
{
    const unsigned long *x = ((ucontext_t *)context)->uc_mcontext.__gregs;
    const Shared *s = (const Shared *)x[10];
    uint64_t offset = x[0] - (uint64_t)pages - PAGE;

    (void)sig;
    CHECK(offset < (uint64_t)(loop_end - loop_second) && offset % 4 == 0);
    CHECK_EQ((uint64_t)info->si_addr, x[0]);
    CHECK_EQ(x[15], s->rounds);
    CHECK_EQ(x[12], MARK);
    CHECK(offset == 8 /* between mul and sd */ || (int64_t)x[14] == s->product);
    __sync_fetch_and_add(&faults, 1);
    while (now < 0) { /* until the page is back */
        usleep(50);
    }
}

static void *run(void *arg)
{
    register Shared *a0 __asm__("a0") = arg;
    register int64_t a2 __asm__("a2") = MARK;
    register int64_t a5 __asm__("a5") = 0;

    __asm__ volatile("jalr ra, 0(%3)"
                     : "+r"(a0), "+r"(a2), "+r"(a5)
                     : "r"(pages + PAGE - (loop_second - loop_first))
                     : "ra", "a1", "a3", "a4", "a6", "a7", "memory");
    return NULL;
}

/* Every thread has gone round some times more; by then it has seen what was there before. */
static void all_go_round(int64_t times)
{
    for (int i = 0; i < THREADS; i++) {
        int64_t from = shared[i].rounds;

        while (shared[i].rounds - from < times) {
            usleep(50);
        }
    }
}

static void all_have(int64_t value)
{
    all_go_round(2);
    for (int i = 0; i < THREADS; i++) {
        CHECK_EQ(shared[i].value, value);
        CHECK_EQ(shared[i].product, value * MARK);
    }
}

static void rewritten(int64_t value)
{
    set_value((uint32_t *)(pages + PAGE), value);
    flush();
    all_have(value);
}

/* Puts the second page, with another value, over what is there or is not. */
static void put_second(int64_t value)
{
    CHECK_EQ(mmap(pages + PAGE, PAGE, PROT_READ | PROT_WRITE | PROT_EXEC,
                  MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0), pages + PAGE);
    memcpy(pages + PAGE + 4, second + 1, sizeof(second) - 4);
    set_value((uint32_t *)(pages + PAGE), value);
    flush();
}

/* For a while nobody can execute the second page. */
static void gone(int64_t value, int protect)
{
    int before = faults;

    now = -1;
    CHECK_EQ(protect ? mprotect(pages + PAGE, PAGE, PROT_READ | PROT_WRITE) : munmap(pages + PAGE, PAGE), 0);
    while (faults - before < THREADS) {
        usleep(50);
    }
    if (protect) {
        set_value((uint32_t *)(pages + PAGE), value);
        CHECK_EQ(mprotect(pages + PAGE, PAGE, PROT_READ | PROT_WRITE | PROT_EXEC), 0);
        flush();
    } else {
        put_second(value);
    }
    now = value;
    all_have(value);
}

int main(void)
{
    struct sigaction sa = { .sa_sigaction = on_segv, .sa_flags = SA_SIGINFO };
    size_t size = (size_t)(loop_end - loop_first);
    pthread_t thread[THREADS];

    CHECK_EQ(sigaction(SIGSEGV, &sa, NULL), 0);
    pages = mmap(NULL, 2 * PAGE, PROT_READ | PROT_WRITE | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    CHECK(pages != MAP_FAILED);
    memcpy(pages + PAGE - (loop_second - loop_first), loop_first, size);
    memcpy(second, pages + PAGE, sizeof(second));
    flush();
    for (int i = 0; i < THREADS; i++) {
        CHECK_EQ(pthread_create(&thread[i], NULL, run, &shared[i]), 0);
    }
    for (int64_t n = 1; n <= ROUNDS; n++) {
        all_go_round(n % 4 ? 1000 : 100000); /* some of them as a region by default, too */
        rewritten(4 * n);
        all_go_round(n % 4 ? 1000 : 100000);
        gone(4 * n + 1, 0);
        all_go_round(n % 4 ? 1000 : 100000);
        gone(4 * n + 2, 1);
    }
    for (int i = 0; i < THREADS; i++) {
        shared[i].stop = 1;
        CHECK_EQ(pthread_join(thread[i], NULL), 0);
    }
    CHECK_EQ(faults, 2 * ROUNDS * THREADS);
    return passed();
}
