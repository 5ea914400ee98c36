/* SPDX-License-Identifier: Apache-2.0 */
/*
 * SKIP-COMPARE
 * The rounding mode is changed where no instruction of this thread writes frm: by sigreturn with
 * another fcsr in the frame, and in a child of vfork(), whose parent goes on with its own.  To
 * nearest with ties away needs other code than the modes that hosts have, so code that was run in
 * the one mode must not be found in the other: neither a function that is called through a pointer,
 * nor the place to which it returns.
 */
#include <signal.h>
#include <sys/wait.h>
#include <ucontext.h>

#include "../guest/check.h"

enum { RDN = 2, RMM = 4, ROUNDS = 50, CALLS = 4 };

static volatile unsigned next_frm;

static void set_frm(unsigned frm)
{
    __asm__ volatile("fsrm %0" : : "r"(frm) : "memory");
}

static unsigned get_frm(void)
{
    unsigned frm;

    __asm__ volatile("frrm %0" : "=r"(frm) : : "memory");
    return frm;
}

/* 1 + 2^-53, a tie: 1 when rounded down, more when rounded away from zero. */
__attribute__((noipa)) static double tie(void)
{
    double sum;

    __asm__ volatile("fadd.d %0, %1, %2, dyn" : "=f"(sum) : "f"(1.0), "f"(0x1p-53) : "memory");
    return sum;
}

static double (*volatile call_tie)(void) = tie;

static void check_mode(unsigned frm)
{
    CHECK_EQ(get_frm(), frm);
    for (int n = 0; n < CALLS; n++) {
        CHECK_EQ(call_tie() > 1.0, frm == RMM);
    }
}

static void on_signal(int sig, siginfo_t *info, void *context)
{
    ucontext_t *uc = context;

    (void)sig, (void)info;
    uc->uc_mcontext.__fpregs.__d.__fcsr = next_frm << 5;
}

static void sigreturn_to(unsigned frm)
{
    next_frm = frm;
    CHECK_EQ(raise(SIGUSR1), 0);
    check_mode(frm);
}

static void child_in(unsigned frm)
{
    unsigned own = get_frm();
    int status;
    pid_t pid = vfork();

    if (pid == 0) {
        set_frm(frm);
        check_mode(frm);
        _exit(0);
    }
    check_mode(own);
    CHECK_EQ(waitpid(pid, &status, 0), pid);
    CHECK_EQ(status, 0);
}

int main(void)
{
    struct sigaction sa = { .sa_sigaction = on_signal, .sa_flags = SA_SIGINFO };

    CHECK_EQ(sigaction(SIGUSR1, &sa, NULL), 0);
    for (int n = 0; n < ROUNDS; n++) {
        sigreturn_to(n & 1 ? RMM : RDN);
    }
    for (int n = 0; n < ROUNDS; n++) {
        set_frm(n & 1 ? RMM : RDN);
        child_in(n & 1 ? RDN : RMM);
    }
    return passed();
}
