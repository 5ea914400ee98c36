/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Runs the sequences of sequences.py, on a riscv64 guest.
 *
 *     prog            a hash of the states after all runs of each sequence, one line each
 *     prog SEQ        every state of sequence SEQ, before and after
 *     prog -f [SEQ]   with faults: the memory lies on two pages, of which one or both are
 *                     protected.  A handler takes the registers into the hash, changes some,
 *                     opens the page and protects the other.
 */
#define _GNU_SOURCE
#include <signal.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <ucontext.h>
#include <unistd.h>

enum { RUNS = 40, MEMORY = 256, PAGE = 4096, FAULTS = 64 };

/* Of x only the registers that sequence.py gives out are loaded, stored and shown. */
typedef struct State {
    uint64_t f[32];
    uint64_t x[32];
    uint64_t fcsr;
    _Alignas(16) uint8_t memory[MEMORY];
} State;

_Static_assert(offsetof(State, x) == 256 && offsetof(State, fcsr) == 512 &&
                   offsetof(State, memory) == 528,
               "seq_run() has these offsets");

extern void (*const sequences[])(void);
extern const uint64_t n_sequences;

/* Sequences use these too; the stack is cleared before each. */
_Alignas(64) uint8_t seq_global[64];
_Alignas(64) uint8_t seq_stack[8192];

/* Loads a State, calls the sequence with a copy of the State's memory as its frame and `memory` in
 * a1, stores the State. */
void seq_run(State *state, void (*fn)(void), uint8_t *memory);

#define SAVED "8,9,18,19,20,21,22,23,24,25,26,27"
#define GIVEN "8,9,12,13,14,15,16,17,18,19,20,21,22,23,28,29,30,31"
#define ALL "0,1,2,3,4,5,6,7,8,9,10,11,12,13,14,15,16,17,18,19,20,21,22,23,24,25,26,27,28,29,30,31"

/* The frame: memory, ra, a0, s0-s11 and fs0-fs11, a word that the sequence keeps its ra in, sp. */
asm("seq_run:\n"
    "mv t0, sp\n"
    "lla sp, seq_stack+8192-496\n"
    "sd t0, 480(sp)\n"
    "sd ra, 256(sp)\n"
    "sd a0, 264(sp)\n"
    ".set at, 272\n"
    ".irp n, " SAVED "\n"
    "sd x\\n, at(sp)\n"
    "fsd f\\n, at+96(sp)\n"
    ".set at, at+8\n"
    ".endr\n"
    "li s0, 0\n"
    "1: add t0, sp, s0\n"
    "add t2, a0, s0\n"
    "ld t2, 528(t2)\n"
    "sd t2, 0(t0)\n"
    "addi s0, s0, 8\n"
    "li t2, 256\n"
    "blt s0, t2, 1b\n"
    ".irp n, " ALL "\n"
    "fld f\\n, 8*\\n(a0)\n"
    ".endr\n"
    "ld t0, 512(a0)\n"
    "csrw fcsr, t0\n"
    "mv t0, a1\n"
    "mv a1, a2\n"
    ".irp n, " GIVEN ",10\n"
    "ld x\\n, 256+8*\\n(a0)\n"
    ".endr\n"
    "jalr t0\n"
    "mv t0, a0\n"
    "ld a0, 264(sp)\n"
    "sd t0, 256+8*10(a0)\n"
    "csrr t0, fcsr\n"
    "csrw fcsr, zero\n"
    "sd t0, 512(a0)\n"
    ".irp n, " ALL "\n"
    "fsd f\\n, 8*\\n(a0)\n"
    ".endr\n"
    ".irp n, " GIVEN "\n"
    "sd x\\n, 256+8*\\n(a0)\n"
    ".endr\n"
    "ld ra, 256(sp)\n"
    ".set at, 272\n"
    ".irp n, " SAVED "\n"
    "ld x\\n, at(sp)\n"
    "fld f\\n, at+96(sp)\n"
    ".set at, at+8\n"
    ".endr\n"
    "ld sp, 480(sp)\n"
    "ret\n");

static const uint8_t given[] = { 10, 8,  9,  12, 13, 14, 15, 16, 17, 18,
                                 19, 20, 21, 22, 23, 28, 29, 30, 31 };

static uint64_t seed;
static int verbose;

static uint64_t random64(void)
{
    seed += UINT64_C(0x9e3779b97f4a7c15);
    uint64_t z = seed;
    z = (z ^ z >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ z >> 27) * UINT64_C(0x94d049bb133111eb);
    return z ^ z >> 31;
}

/* A double, a boxed float or half, or something badly boxed: near one, at the ends of the range,
 * or anything. */
static uint64_t random_float(void)
{
    static const uint64_t special[] = {
        0x0000000000000000, 0x8000000000000000, 0x0000000000000001, 0x000fffffffffffff,
        0x0010000000000000, 0x3ff0000000000000, 0xbff0000000000000, 0x7fefffffffffffff,
        0x7ff0000000000000, 0xfff0000000000000, 0x7ff8000000000000, 0xfff8000000000001,
        0x7ff0000000000001, 0xfff4000000000000, 0x41dfffffffc00000, 0x41e0000000000000,
        0xc1e0000000200000, 0x43e0000000000000, 0x43efffffffffffff, 0x3fe0000000000000,
        0xffffffff00000000, 0xffffffff80000000, 0xffffffff00000001, 0xffffffff007fffff,
        0xffffffff3f800000, 0xffffffffbf800000, 0xffffffff7f7fffff, 0xffffffff7f800000,
        0xffffffff7fc00000, 0xffffffffffc00001, 0xffffffff7f800001, 0xffffffff4f000000,
        0xffffffff5f000000, 0xfffffffe3f800000, 0xffffffffffff3c00, 0xffffffffffff7c01,
        0xffffffffffff0001, 0xffffffffffff7bff, 0xffffffff477fe000, 0x3f10000000000000,
    };
    uint64_t r = random64(), v = random64();

    switch (r % 8) {
    case 0:
    case 1:
        return special[v % (sizeof(special) / sizeof(special[0]))];
    case 2:
        return (v & UINT64_C(0x800fffffffffffff)) | (1019 + r / 8 % 10) << 52;
    case 3:
        return (v & UINT64_C(0x800ffffff0000000)) | (1015 + r / 8 % 80) << 52;
    case 4:
    case 5:
        return UINT64_C(0xffffffff00000000) | (v & 0x807fffff) | (123 + r / 8 % 10) << 23;
    case 6:
        return UINT64_C(0xffffffff00000000) | (v & 0xffffffff);
    default:
        return v;
    }
}

static void fill(State *s)
{
    for (int i = 0; i < 32; i++) {
        s->f[i] = random_float();
    }
    for (unsigned i = 0; i < sizeof(given); i++) {
        s->x[given[i]] = random64() & 1 ? random64() >> random64() % 64 : random_float();
    }
    s->fcsr = random64() & 1 ? 0 : random64() % 5 << 5 | (random64() & 31);
    for (unsigned i = 0; i < MEMORY; i += 8) {
        uint64_t v = random_float();
        memcpy(s->memory + i, &v, 8);
    }
}

static void fill_global(void)
{
    for (unsigned i = 0; i < sizeof(seq_global); i++) {
        seq_global[i] = (uint8_t)random64();
    }
}

static void print_state(const State *s)
{
    for (int i = 0; i < 32; i++) {
        printf("f%d %016llx\n", i, (unsigned long long)s->f[i]);
    }
    for (unsigned i = 0; i < sizeof(given); i++) {
        printf("x%d %016llx\n", given[i], (unsigned long long)s->x[given[i]]);
    }
    printf("fcsr %02x\n", (unsigned)s->fcsr);
    for (unsigned i = 0; i < MEMORY; i += 8) {
        uint64_t v;
        memcpy(&v, s->memory + i, 8);
        printf("memory+%u %016llx\n", i, (unsigned long long)v);
    }
    for (unsigned i = 0; i < sizeof(seq_global); i++) {
        printf("global+%u %02x\n", i, seq_global[i]);
    }
}

static uint64_t hash(uint64_t h, const void *data, size_t size)
{
    const uint8_t *p = data;

    for (size_t i = 0; i < size; i++) {
        h = (h ^ p[i]) * UINT64_C(0x100000001b3);
    }
    return h;
}

/* ---- Faults ---- */

_Alignas(PAGE) static uint8_t pages[2 * PAGE];
static uint8_t *const between = pages + PAGE - MEMORY / 2;
static int protection, faults; /* what a protected page still allows; faults of this run */
static uint64_t fault_hash, fault_pc;

/* Bits of `which`: the first page, the second. */
static void protect(uint64_t which)
{
    for (int k = 0; k < 2; k++) {
        mprotect(pages + k * PAGE, PAGE, which >> k & 1 ? protection : PROT_READ | PROT_WRITE);
    }
}

/* Depends on all faults of this run until now. */
static void change(ucontext_t *uc, uint64_t r)
{
    unsigned long *x = uc->uc_mcontext.__gregs;
    unsigned long long *f = uc->uc_mcontext.__fpregs.__d.__f;

    for (unsigned i = 0; i < sizeof(given) && r % 4 == 0; i++) {
        x[given[i]] ^= r >> (8 + i) & 1 ? r * (i + 3) >> 3 * i : 0;
    }
    for (unsigned i = 0; i < 32 && r % 5 == 0; i++) {
        f[i] ^= r >> (8 + i) & 1 ? r * (i + 3) : 0;
    }
    if (r % 7 == 0) {
        uc->uc_mcontext.__fpregs.__d.__fcsr = (unsigned)((r >> 40) % 5 << 5 | (r >> 50 & 31));
    }
    if (r % 13 == 0) {
        between[(r >> 30) % MEMORY] ^= (uint8_t)(r >> 9);
    }
}

static void on_fault(int sig, siginfo_t *info, void *context)
{
    ucontext_t *uc = context;
    uint64_t at = (uint64_t)info->si_addr - (uint64_t)pages, pc = uc->uc_mcontext.__gregs[0];
    uint64_t h = hash(fault_hash, &at, sizeof(at));

    (void)sig;
    if (at >= sizeof(pages)) {
        printf("fault at %p, pc %#lx\n", info->si_addr, (long)pc);
        fflush(stdout);
        _exit(1);
    }
    protect(0);
    h = hash(h, uc->uc_mcontext.__gregs, sizeof(uc->uc_mcontext.__gregs));
    h = hash(h, &uc->uc_mcontext.__fpregs, 32 * 8 + 4);
    h = hash(hash(h, between, MEMORY), seq_global, sizeof(seq_global));
    if (verbose) {
        printf("fault %d pc %#lx at %lx: %016lx\n", faults, (long)pc, (long)at, (long)h);
    }
    fault_hash = h;
    change(uc, h ^ h >> 31);
    /* An access to both pages faults twice. */
    if (++faults < FAULTS && pc != fault_pc) {
        protect(at < PAGE ? 2 : 1);
    }
    fault_pc = pc;
}

static uint64_t run_with_faults(State *s, void (*fn)(void))
{
    uint64_t r = random64();

    memcpy(between, s->memory, MEMORY);
    fault_hash = seed;
    fault_pc = 0;
    faults = 0;
    protection = r & 4 ? PROT_NONE : PROT_READ;
    protect(r & 3);
    seq_run(s, fn, between);
    protect(0);
    memcpy(s->memory, between, MEMORY);
    return fault_hash;
}

static void catch_faults(void)
{
    static uint8_t stack[1 << 16];
    stack_t alternate = { .ss_sp = stack, .ss_size = sizeof(stack) };
    struct sigaction action = { .sa_sigaction = on_fault, .sa_flags = SA_SIGINFO | SA_ONSTACK };

    sigaltstack(&alternate, NULL);
    sigaction(SIGSEGV, &action, NULL);
}

int main(int argc, char **argv)
{
    int with_faults = argc > 1 && !strcmp(argv[1], "-f"), left = argc - 1 - with_faults;
    uint64_t first = left ? strtoull(argv[argc - 1], NULL, 0) : 0;
    uint64_t end = left ? first + 1 : n_sequences;

    verbose = left;
    catch_faults();

    for (uint64_t n = first; n < end; n++) {
        uint64_t h = UINT64_C(0xcbf29ce484222325);
        seed = n << 32;
        memset(seq_stack, 0, sizeof(seq_stack));
        for (int run = 0; run < RUNS; run++) {
            static State low;
            State high, *s = run & 1 ? &high : &low; /* both ends of the address space */
            memset(s, 0, sizeof(*s));
            fill(s);
            fill_global();
            if (verbose) {
                printf("-- before run %d\n", run);
                print_state(s);
            }
            if (with_faults) {
                h ^= run_with_faults(s, sequences[n]);
            } else {
                seq_run(s, sequences[n], s->memory);
            }
            if (verbose) {
                printf("-- after run %d\n", run);
                print_state(s);
            }
            h = hash(hash(h, s, sizeof(*s)), seq_global, sizeof(seq_global));
        }
        printf("%llu %016llx\n", (unsigned long long)n, (unsigned long long)h);
        fflush(stdout);
    }
    return 0;
}
