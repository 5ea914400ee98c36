/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A program that is alone on a machine (-bios): mix.c in M, then in S with page tables: two physical pages
 * at one address, faults in the middle of blocks, devices, a wait for the timer.  What it executes depends
 * on nothing but itself.  Ends by a store to the test device and, where that comes back, a WFI.
 */
#define KETCH_TESTSUITE_PLUGINS_START_H /* instead of start.h: */

enum { SYS_write = 64, SYS_getpid = 172 };

static long sys3(long n, long a, long b, long c)
{
    register long a0 __asm__("a0") = a, a1 __asm__("a1") = b, a2 __asm__("a2") = c;
    register long a7 __asm__("a7") = n;

    __asm__ volatile(".option push\n.option norvc\necall\n.option pop"
                     : "+r"(a0)
                     : "r"(a1), "r"(a2), "r"(a7)
                     : "memory");
    return a0;
}

#include "mix.c"

#ifdef SHORT /* for a log of every instruction */
#define run(argument) ((void)(argument))
#endif

#define UART ((volatile unsigned char *)0x10000000)
#define TEST ((volatile unsigned *)0x100000)
#define PLIC ((volatile unsigned *)0xc000000)
#define MTIME ((volatile unsigned long *)0x200bff8)
#define MTIMECMP ((volatile unsigned long *)0x2004000)
#define WINDOW ((volatile unsigned long *)0xc0000000)
#define HIGH ((volatile unsigned long *)0xffffffffc0000000) /* the same, where kernels are */

enum { V = 1, R = 2, W = 4, X = 8, A = 64, D = 128, ALL = V | R | W | X | A | D };

static unsigned long root[512] __attribute__((aligned(4096)));
static unsigned long middle[512] __attribute__((aligned(4096)));
static unsigned long leaf[512] __attribute__((aligned(4096)));
static unsigned long page[2][512] __attribute__((aligned(4096)));

/* Every trap is an instruction of four bytes, which is left out. */
__asm__(".text\n"
        ".balign 4\n"
        ".globl _start\n"
        ".option norvc\n"
        "trap: csrw mscratch, t0\n"
        "  csrr t0, mepc\n"
        "  addi t0, t0, 4\n"
        "  csrw mepc, t0\n"
        "  csrr t0, mscratch\n"
        "  mret\n"
        ".section .text.start\n"
        "_start: la sp, stack_end\n"
        "  la t0, trap\n"
        "  csrw mtvec, t0\n"
        "  li t0, -1\n"
        "  csrw pmpaddr0, t0\n"
        "  li t0, 31\n"
        "  csrw pmpcfg0, t0\n"
        "  li t0, 0x6000\n"
        "  csrs mstatus, t0\n" /* floating point */
        "  call in_machine\n"
        "  li t0, 0x1800\n"
        "  csrc mstatus, t0\n"
        "  li t0, 0x800\n"
        "  csrs mstatus, t0\n"
        "  la t0, in_supervisor\n"
        "  csrw mepc, t0\n"
        "  mret\n"
        ".bss\n"
        ".balign 16\n"
        ".space 16384\n"
        "stack_end:\n"
        ".text\n");

static unsigned long entry(const void *to, unsigned long flags)
{
    return (unsigned long)to >> 12 << 10 | flags;
}

static void flush(void)
{
    __asm__ volatile("sfence.vma\nfence.i" ::: "memory");
}

static void show(int which)
{
    leaf[0] = entry(page[which], ALL);
    flush();
}

/* A function of two instructions, at the start of a page: li a0, n; ret. */
static void make_function(int which, unsigned n)
{
    *(volatile unsigned *)page[which] = n << 20 | 10 << 7 | 0x13;
    *((volatile unsigned *)page[which] + 1) = 0x00008067;
}

/* Between accesses that fault and some that do not, in one block. */
__attribute__((noinline)) static unsigned long poke(int n, volatile unsigned long *window)
{
    unsigned long sum = 0;

    for (int i = 0; i < n; i++) {
        unsigned long v = 1;

        __asm__ volatile(".option push\n.option norvc\n"
                         "ld %0, 16(%1)\n"
                         "addi %0, %0, 3\n"
                         "ld %0, 0(%2)\n"
                         "sd %0, 24(%1)\n"
                         "sd %0, 0(%2)\n"
                         "addi %0, %0, 5\n"
                         "amoadd.d %0, %0, (%1)\n"
                         ".option pop"
                         : "+&r"(v)
                         : "r"(window + 32), "r"((char *)window + 0x10000)
                         : "memory");
        sum += v;
    }
    return sum;
}

/* poke() in another place. */
static unsigned long poke_high(int n)
{
    const char *code = (const char *)HIGH + 0x20000 + ((unsigned long)poke & 4095);

    leaf[32] = entry((const void *)poke, ALL);
    leaf[33] = entry((const char *)poke + 4096, ALL);
    flush();
    return ((unsigned long (*)(int, volatile unsigned long *))(unsigned long)code)(n, HIGH);
}

/* Neighbours that are not aligned, in one page and across two. */
__attribute__((noinline)) static unsigned long copy_unaligned(const char *from, char *to, int n)
{
    unsigned long a, b, sum = 0;

    for (int i = 0; i < n; i++) {
        __asm__ volatile("ld %0, 3(%2)\n"
                         "ld %1, 11(%2)\n"
                         "sd %0, 5(%3)\n"
                         "sd %1, 13(%3)"
                         : "=&r"(a), "=&r"(b)
                         : "r"(from + 16 * i), "r"(to + 16 * i)
                         : "memory");
        sum += a ^ b;
    }
    return sum;
}

/* For machine_checks.c: one physical page by two addresses. */
__attribute__((noipa)) static void checkpoint(volatile unsigned long *window, unsigned long *physical)
{
    __asm__ volatile("" ::"r"(window), "r"(physical) : "memory");
}

__attribute__((noinline)) static void use_window(void)
{
    unsigned long sum = 0;

    make_function(0, 7);
    make_function(1, 9);
    for (int i = 0; i < 40; i++) {
        show(i & 1);
        WINDOW[100 + i] = (unsigned long)i;
        sum += WINDOW[99 + i] + poke(3, WINDOW) + poke_high(2);
        sum += ((unsigned long (*)(void))WINDOW)();
        sum += *(volatile unsigned *)((volatile char *)WINDOW + 1001 + i); /* not aligned */
        sum += copy_unaligned((const char *)page + 3700, (char *)table + 8, 40);
    }
    page[0][200] = sum;
    checkpoint(WINDOW, page[1]);
}

__attribute__((noinline)) static void use_devices(void)
{
    unsigned sum = 0;

    for (int i = 0; i < 10; i++) {
        sum += UART[5] + PLIC[1 + i];
        PLIC[1 + i] = (unsigned)i;
    }
    for (const char *s = "machine\n"; *s; s++) {
        UART[0] = (unsigned char)*s;
    }
    page[0][201] = sum;
}

void in_machine(void);
void in_supervisor(void);

void in_machine(void)
{
    run(0);
    *MTIMECMP = *MTIME + 1000000; /* 0.1 s: it has not passed by the time of the WFI */
    __asm__ volatile("csrw mie, %0\nwfi\ncsrw mie, zero" ::"r"(128L));
    root[0] = entry(0, ALL);
    root[2] = entry((void *)0x80000000, ALL);
    root[3] = root[511] = entry(middle, V);
    middle[0] = entry(leaf, V);
    __asm__ volatile("csrw satp, %0" ::"r"(8UL << 60 | (unsigned long)root >> 12));
    flush();
}

void in_supervisor(void)
{
    use_window();
    use_devices();
    run(0);
    *TEST = 0x5555;
    for (;;) {
        __asm__ volatile("wfi");
    }
}
