/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Runs the loops that precise.py makes, and looks at their registers in the middle.
 *
 * Faults.  Each load and store of a loop has a page of its own.  One page is protected; the handler
 * prints pc, all registers and fcsr, changes some of them, opens the page and protects that of
 * another access, so that all of them fault in turn.  What is printed is the same on every
 * processor, so another emulator's output is the reference.
 *
 * Signals.  A timer interrupts a loop anywhere.  What its handler sees is compared with what the
 * same loop gives when it is run to that place: whole iterations first, then, in a copy of the
 * code, up to a breakpoint.  Nothing is printed unless they differ.
 */
#define _GNU_SOURCE
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/time.h>
#include <ucontext.h>
#include <unistd.h>

enum { PAGE = 4096, PAGES = 32, COUNTER = 9, BASE = 8, HOT = 60000, FAULTS = 160, SNAPSHOTS = 6 };

typedef struct State {
    uint64_t x[32], f[32], fcsr;
} State;

typedef struct Kernel {
    void (*run)(State *s);
    char *loop, *counted, *end; /* of the loop: the start, after the counter went down, the end */
    char *finish;               /* end of the code */
    long sites;
} Kernel;

extern const Kernel kernels[];
extern const long n_kernels;

static char data[PAGES * PAGE] __attribute__((aligned(PAGE)));
static const Kernel *now;
static long number, faults, protected_site;

static void init(State *s, long counter)
{
    uint64_t r = 88172645463325252u + (uint64_t)number;

    for (long i = 0; i < 32; i++) {
        r ^= r << 13, r ^= r >> 7, r ^= r << 17;
        s->x[i] = i % 5 ? r : r >> 50;
        /* Numbers of ordinary size, some of them single. */
        s->f[i] = i % 3 ? (r >> 12) | (uint64_t)(0x3f0 + i) << 52 : 0xffffffff3f800000u + (r >> 44);
    }
    s->x[0] = 0;
    s->x[BASE] = (uint64_t)data;
    s->x[COUNTER] = (uint64_t)counter;
    s->fcsr = 0;
    for (long i = 0; i < (long)sizeof(data); i += 8) {
        uint64_t v = (uint64_t)i * 0x9e3779b97f4a7c15u;

        memcpy(data + i, &v, 8);
    }
}

static void print_state(const char *what, long pc, const State *s)
{
    printf("%ld %s pc %#lx fcsr %#lx\n", number, what, pc, (unsigned long)s->fcsr);
    for (int i = 0; i < 32; i++) {
        if (i < 2 || i > 4) {
            printf(" x%d=%lx", i, (unsigned long)s->x[i]);
        }
    }
    for (int i = 0; i < 32; i++) {
        printf(" f%d=%lx", i, (unsigned long)s->f[i]);
    }
    printf("\n");
}

static void from_context(const ucontext_t *uc, State *s)
{
    for (int i = 1; i < 32; i++) {
        s->x[i] = uc->uc_mcontext.__gregs[i];
    }
    s->x[0] = 0;
    memcpy(s->f, uc->uc_mcontext.__fpregs.__d.__f, sizeof(s->f));
    s->fcsr = uc->uc_mcontext.__fpregs.__d.__fcsr;
}

static uint64_t hash_data(void)
{
    uint64_t h = 0;

    for (long i = 0; i < (long)sizeof(data); i += 8) {
        uint64_t v;

        memcpy(&v, data + i, 8);
        h = (h ^ v) * 0x100000001b3u;
    }
    return h;
}

static void protect(long site, int prot)
{
    protected_site = site;
    mprotect(data + site * PAGE, PAGE, prot);
}

/* ---- Faults ---- */

static void change(ucontext_t *uc, long site)
{
    unsigned long *x = uc->uc_mcontext.__gregs;
    unsigned long long *f = uc->uc_mcontext.__fpregs.__d.__f;
    const uint16_t *code = (const uint16_t *)x[0];
    uint64_t r = (uint64_t)faults * 0x9e3779b97f4a7c15u;

    switch (faults % 8) {
    case 1:
        for (int i = 5; i < 30; i++) {
            if (i != BASE && i != COUNTER && r >> i & 1) {
                x[i] ^= r;
            }
        }
        break;
    case 2:
        for (int i = 0; i < 32; i++) {
            if (r >> i & 1) {
                f[i] = (r >> 12) | (uint64_t)(0x3f0 + i) << 52;
            }
        }
        break;
    case 3:
        uc->uc_mcontext.__fpregs.__d.__fcsr = (unsigned)((r >> 40) % 5 << 5 | (r >> 50 & 31));
        break;
    case 4: /* goes on after it */
        x[0] += (*code & 3) == 3 ? 4 : 2;
        break;
    case 5:
        x[COUNTER] += 2;
        break;
    case 6: /* another address */
        x[30] = x[31] = (uint64_t)data + (PAGES - 1) * PAGE + (r >> 54 & ~7u);
        break;
    case 7:
        memset(data + site * PAGE, (int)faults, 64);
        break;
    }
}

static void on_fault(int sig, siginfo_t *info, void *context)
{
    ucontext_t *uc = context;
    long site = ((char *)info->si_addr - data) / PAGE;
    State s;

    (void)sig;
    if (site != protected_site || (char *)info->si_addr < data) {
        printf("fault at %p, not on the protected page\n", info->si_addr);
        fflush(stdout);
        _exit(1);
    }
    from_context(uc, &s);
    printf("address %#lx\n", (long)((char *)info->si_addr - data));
    print_state("fault", (long)uc->uc_mcontext.__gregs[0] - (long)now->run, &s);
    protect(site, PROT_READ | PROT_WRITE);
    change(uc, site);
    protected_site = -1;
    if (++faults % FAULTS) {
        protect((site + 1 + faults % 3) % now->sites, faults % 4 ? PROT_NONE : PROT_READ);
    }
}

static void run_faults(void)
{
    State s;

    init(&s, HOT);
    now->run(&s);
    print_state("hot", 0, &s);
    faults = 0;
    for (long round = 0; round < now->sites; round++) {
        init(&s, 8);
        protect(round, round % 3 ? PROT_NONE : PROT_READ);
        now->run(&s);
        mprotect(data, sizeof(data), PROT_READ | PROT_WRITE);
        print_state("end", (long)hash_data(), &s);
    }
}

/* ---- Signals ---- */

static State seen, wanted;
static volatile uintptr_t seen_pc;
static char *copy; /* of the loop, to put breakpoints in */

static void on_timer(int sig, siginfo_t *info, void *context)
{
    const ucontext_t *uc = context;
    uintptr_t pc = uc->uc_mcontext.__gregs[0];

    (void)sig, (void)info;
    if (!seen_pc && pc >= (uintptr_t)now->loop && pc < (uintptr_t)now->end) {
        from_context(uc, &seen);
        seen_pc = pc;
    }
}

/* Goes on behind the loop of the copy. */
static void on_breakpoint(int sig, siginfo_t *info, void *context)
{
    ucontext_t *uc = context;

    (void)sig, (void)info;
    from_context(uc, &wanted);
    uc->uc_mcontext.__gregs[0] = (unsigned long)(copy + (now->end - (char *)now->run));
}

static void flush(void)
{
    __builtin___clear_cache(copy, copy + 16 * PAGE);
}

/* The registers at `pc` in iteration `n` (from 0). */
static void replay(long n, uintptr_t pc)
{
    char *at = copy + (pc - (uintptr_t)now->run);
    State s;

    init(&s, n);
    if (n) {
        now->run(&s);
        s.x[BASE] = (uint64_t)data;
    }
    s.x[COUNTER] = (uint64_t)(HOT - n);
    memcpy(copy, (char *)now->run, (size_t)(now->finish - (char *)now->run));
    memcpy(at, (*at & 3) == 3 ? "\x73\x00\x10\x00" : "\x02\x90", (*at & 3) == 3 ? 4 : 2);
    flush();
    memset(&wanted, 0, sizeof(wanted));
    ((void (*)(State *))copy)(&s);
}

static int same(void)
{
    wanted.x[2] = seen.x[2], wanted.x[3] = seen.x[3], wanted.x[4] = seen.x[4];
    return memcmp(&seen, &wanted, sizeof(seen)) == 0;
}

/* Signals come every `usec`, however short or long a run of the loop is, until one found it there. */
static void interrupt(long usec)
{
    struct itimerval tick = { { 0, usec }, { 0, usec } }, off = { { 0, 0 }, { 0, 0 } };
    State s;

    seen_pc = 0;
    setitimer(ITIMER_REAL, &tick, NULL);
    for (int tries = 0; !seen_pc && tries < 10000; tries++) {
        init(&s, HOT);
        now->run(&s);
    }
    setitimer(ITIMER_REAL, &off, NULL);
}

static void run_signals(void)
{
    for (long n = 0; n < SNAPSHOTS; n++) {
        interrupt(200 + 370 * n);
        if (!seen_pc) {
            printf("%ld no signal arrived in the loop\n", number);
            return;
        }
        replay(HOT - (long)seen.x[COUNTER] - (seen_pc >= (uintptr_t)now->counted), seen_pc);
        if (!same()) {
            print_state("seen  ", (long)(seen_pc - (uintptr_t)now->run), &seen);
            print_state("wanted", (long)(seen_pc - (uintptr_t)now->run), &wanted);
        }
    }
}

static void handle(int sig, void (*fn)(int, siginfo_t *, void *))
{
    struct sigaction action = { .sa_sigaction = fn, .sa_flags = SA_SIGINFO };

    sigaction(sig, &action, NULL);
}

int main(int argc, char **argv)
{
    copy = mmap(NULL, 16 * PAGE, PROT_READ | PROT_WRITE | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    handle(SIGSEGV, on_fault);
    handle(SIGALRM, on_timer);
    handle(SIGTRAP, on_breakpoint);
    for (number = 0; number < n_kernels; number++) {
        now = &kernels[number];
        if (argc > 1 && !strcmp(argv[1], "signals")) {
            run_signals();
        } else {
            run_faults();
        }
    }
    printf("done\n");
    return 0;
}
