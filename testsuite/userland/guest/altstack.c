/* SPDX-License-Identifier: Apache-2.0 */
/* sigaltstack: a handler after a stack overflow, its own overflow, its rules. */
#define _GNU_SOURCE
#include <setjmp.h>
#include <signal.h>
#include <stdint.h>
#include <sys/resource.h>
#include <sys/wait.h>

#include "check.h"

static char stack[64 << 10] __attribute__((aligned(16)));
static sigjmp_buf env;
static volatile uintptr_t handler_sp;

static int inside(uintptr_t sp)
{
    return sp >= (uintptr_t)stack && sp < (uintptr_t)stack + sizeof(stack);
}

static void on_segv(int sig)
{
    char here;
    stack_t now;

    (void)sig;
    handler_sp = (uintptr_t)&here;
    CHECK_EQ(sigaltstack(NULL, &now), 0);
    CHECK_EQ(now.ss_flags, SS_ONSTACK);
    CHECK_ERRNO(sigaltstack(&now, NULL), EPERM);
    siglongjmp(env, 1);
}

static volatile int depth;

__attribute__((noinline)) static int recurse(int n)
{
    volatile char frame[1024];

    frame[n & 1023] = 1;
    depth = n;
    return recurse(n + 1) + frame[n & 1023];
}

__attribute__((noinline)) static void eat_altstack(int sig)
{
    (void)sig;
    recurse(0);
}

static void overflow_of_altstack(void)
{
    int status;
    pid_t pid = fork();

    if (pid == 0) {
        struct sigaction sa = { .sa_handler = eat_altstack, .sa_flags = SA_ONSTACK | SA_NODEFER };

        /* Below the alternate stack lies memory that must fault. */
        sigaction(SIGUSR1, &sa, NULL);
        sa.sa_handler = SIG_DFL;
        sigaction(SIGSEGV, &sa, NULL);
        raise(SIGUSR1);
        _exit(0);
    }
    CHECK_EQ(waitpid(pid, &status, 0), pid);
    CHECK(WIFSIGNALED(status) && WTERMSIG(status) == SIGSEGV);
}

/* A frame that does not fit on the stack kills with SIGSEGV. */
static void no_room_for_frame(void)
{
    int status;
    pid_t pid = fork();

    if (pid == 0) {
        signal(SIGUSR1, on_segv);
        signal(SIGSEGV, SIG_DFL);
        __asm__ volatile("mv a0, %0\n"
                         "li a1, 10\n"
                         "li sp, 16\n"
                         "li a7, 129\n" /* kill */
                         "ecall\n"
                         "li a7, 93\n"
                         "li a0, 0\n"
                         "ecall\n"
                         ::"r"((long)getpid())
                         : "a0", "a1", "a7", "memory");
        __builtin_unreachable();
    }
    CHECK_EQ(waitpid(pid, &status, 0), pid);
    CHECK(WIFSIGNALED(status) && WTERMSIG(status) == SIGSEGV);
}

int main(void)
{
    struct sigaction sa = { .sa_handler = on_segv, .sa_flags = SA_ONSTACK };
    stack_t ss = { .ss_sp = stack, .ss_size = sizeof(stack) }, got;
    stack_t small = { .ss_sp = stack, .ss_size = 100 };
    stack_t off = { .ss_flags = SS_DISABLE };

    CHECK_EQ(sigaltstack(NULL, &got), 0);
    CHECK_EQ(got.ss_flags, SS_DISABLE);
    CHECK_ERRNO(sigaltstack(&small, NULL), ENOMEM);
    CHECK_EQ(sigaltstack(&ss, NULL), 0);
    CHECK_EQ(sigaltstack(NULL, &got), 0);
    CHECK(got.ss_sp == stack && got.ss_size == sizeof(stack) && got.ss_flags == 0);
    CHECK_EQ(sigaction(SIGSEGV, &sa, NULL), 0);
    for (int i = 0; i < 3; i++) {
        if (!sigsetjmp(env, 1)) {
            recurse(0);
        }
        CHECK(depth > 100);
        CHECK(inside(handler_sp));
    }
    overflow_of_altstack();
    no_room_for_frame();
    CHECK_EQ(sigaltstack(&off, NULL), 0);
    CHECK_EQ(sigaltstack(NULL, &got), 0);
    CHECK_EQ(got.ss_flags, SS_DISABLE);
    return passed();
}
