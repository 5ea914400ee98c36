/* SPDX-License-Identifier: Apache-2.0 */
/* SKIP-COMPARE: RISC-V only.
 * EXPECT-LOG: illegal instruction.*
 * Signals of instructions that do not complete: number, code, address, the pc of the instruction.
 */
#define _GNU_SOURCE
#include <setjmp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <ucontext.h>

#ifdef __riscv
static sigjmp_buf back;
static volatile int signo, code;
static char *volatile address;
static unsigned long at;
static char buffer[256] __attribute__((aligned(64)));
static int failures;
static const long read_only[2] __attribute__((aligned(16))) = { 1, 2 };

static void handler(int sig, siginfo_t *info, void *context)
{
    signo = sig;
    code = info->si_code;
    address = info->si_addr;
    at = ((ucontext_t *)context)->uc_mcontext.__gregs[REG_PC];
    siglongjmp(back, 1);
}

static void expect(const char *what, int want_signo, int want_code, char *want_address)
{
    if (signo != want_signo || code != want_code || (want_address && address != want_address)) {
        printf("%s: signal %d code %d address %p, wanted %d %d %p\n", what, signo, code, address,
               want_signo, want_code, want_address);
        failures++;
    }
}

/* One instruction, with an address in a0; its own address is in `here`. */
#define TRAPS(text, pointer, signo_, code_, address_)                                              \
    do {                                                                                           \
        static unsigned long here;                                                                 \
        signo = 0;                                                                                 \
        if (!sigsetjmp(back, 1)) {                                                                 \
            __asm__ volatile("la a1, 1f\n sd a1, %0\n mv a0, %1\n"                                 \
                             ".option push\n .option arch, +c\n 1: " text "\n .option pop"         \
                             : "=m"(here)                                                          \
                             : "r"(pointer)                                                        \
                             : "a0", "a1", "a2", "memory");                                        \
        }                                                                                          \
        expect(text, signo_, code_, (address_) ? (address_) : (char *)here);                       \
        if (at != here) {                                                                          \
            printf("%s: pc %#lx, wanted %#lx\n", text, at, here);                                  \
            failures++;                                                                            \
        }                                                                                          \
    } while (0)

int main(void)
{
    struct sigaction action = { .sa_sigaction = handler, .sa_flags = SA_SIGINFO };
    const int caught[] = { SIGBUS, SIGSEGV, SIGILL, SIGTRAP };

    for (int i = 0; i < 4; i++) {
        sigaction(caught[i], &action, NULL);
    }
    TRAPS("amoadd.w a2, zero, (a0)", buffer + 1, SIGBUS, BUS_ADRALN, buffer + 1);
    TRAPS("amoadd.d a2, zero, (a0)", buffer + 4, SIGBUS, BUS_ADRALN, buffer + 4);
    TRAPS("lr.w a2, (a0)", buffer + 2, SIGBUS, BUS_ADRALN, buffer + 2);
    TRAPS("sc.d a2, a0, (a0)", buffer + 12, SIGBUS, BUS_ADRALN, buffer + 12);
    TRAPS("amoadd.w a2, zero, (a0)", (char *)0x100, SIGSEGV, SEGV_MAPERR, (char *)0x100);
    TRAPS("lr.d a2, (a0)", (char *)0x100, SIGSEGV, SEGV_MAPERR, (char *)0x100);
    TRAPS("ld a2, 8(a0)", (char *)0x100, SIGSEGV, SEGV_MAPERR, (char *)0x108);
    TRAPS("sb a2, -1(a0)", (char *)0x100, SIGSEGV, SEGV_MAPERR, (char *)0xff);
    TRAPS(".4byte 0x28c5462f", (char *)0x100, SIGSEGV, SEGV_MAPERR, (char *)0x100);  /* amocas.q */
    TRAPS(".4byte 0x28c5462f", buffer + 8, SIGBUS, BUS_ADRALN, buffer + 8);
    TRAPS(".4byte 0x28c5262f", (char *)&read_only, SIGSEGV, SEGV_ACCERR, (char *)&read_only);    /* amocas.w */
    TRAPS(".4byte 0x0045200f", (char *)0x17f, SIGSEGV, SEGV_MAPERR, (char *)0x140);  /* cbo.zero */
    TRAPS(".4byte 0x0015200f", (char *)0x17f, SIGSEGV, SEGV_MAPERR, (char *)0x140);  /* cbo.clean */
    TRAPS("sd a2, 0(a0)", (char *)&read_only, SIGSEGV, SEGV_ACCERR, (char *)&read_only);
    TRAPS("ebreak", NULL, SIGTRAP, TRAP_BRKPT, NULL);
    TRAPS("c.ebreak", NULL, SIGTRAP, TRAP_BRKPT, NULL);
    TRAPS(".4byte 0xffffffff", NULL, SIGILL, ILL_ILLOPC, NULL);
    TRAPS(".2byte 0", NULL, SIGILL, ILL_ILLOPC, NULL);
    TRAPS("csrr a2, sstatus", NULL, SIGILL, ILL_ILLOPC, NULL);
    TRAPS("csrw cycle, a2", NULL, SIGILL, ILL_ILLOPC, NULL);
    TRAPS(".4byte 0x0005200f", NULL, SIGILL, ILL_ILLOPC, NULL);        /* cbo.inval (a0) */
    TRAPS(".4byte 0x0200d053", NULL, SIGILL, ILL_ILLOPC, NULL);        /* rounding mode 5 */
    __asm__ volatile("fsrmi 6");
    TRAPS("fadd.d ft0, ft0, ft0, dyn", NULL, SIGILL, ILL_ILLOPC, NULL);
    __asm__ volatile("fsrmi 0");
    return failures != 0;
}
#else
int main(void)
{
    return 0;
}
#endif
