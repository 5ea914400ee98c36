/* SPDX-License-Identifier: Apache-2.0 */
/* Code that is unmapped while it runs: by itself, and by another thread. */
#define _GNU_SOURCE
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdint.h>
#include <sys/mman.h>
#include <ucontext.h>

#include "check.h"

static sigjmp_buf env;
static volatile uint64_t fault_pc, fault_addr;
static volatile int fault_code, running;

static void on_segv(int sig, siginfo_t *info, void *context)
{
    ucontext_t *uc = context;

    (void)sig;
    fault_pc = uc->uc_mcontext.__gregs[0];
    fault_addr = (uint64_t)info->si_addr;
    fault_code = info->si_code;
    siglongjmp(env, 1);
}

static uint32_t *new_page(void)
{
    uint32_t *p = mmap(NULL, 4096, PROT_READ | PROT_WRITE | PROT_EXEC,
                       MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

    CHECK(p != MAP_FAILED);
    return p;
}

/* munmap(own page): the instruction after the ecall is gone. */
static void unmap_self(void)
{
    uint32_t *code = new_page();

    code[0] = 0x0d700893; /* li a7, 215 */
    code[1] = 0x00000073; /* ecall */
    code[2] = 0x00008067; /* ret */
    __asm__ volatile("fence.i" ::: "memory");
    if (!sigsetjmp(env, 1)) {
        ((void (*)(void *, long))code)(code, 4096);
        CHECK(!"came back");
    }
    CHECK_EQ(fault_pc, (uint64_t)&code[2]);
    CHECK_EQ(fault_addr, (uint64_t)&code[2]);
    CHECK_EQ(fault_code, SEGV_MAPERR);
}

static void *loop(void *arg)
{
    if (!sigsetjmp(env, 1)) {
        running = 1;
        ((void (*)(void))arg)();
    }
    return NULL;
}

/* An endless loop in a page that another thread takes away. */
static void unmap_other(int protect)
{
    uint32_t *code = new_page();
    pthread_t t;

    code[0] = 0x00150513; /* addi a0, a0, 1 */
    code[1] = 0x00150513;
    code[2] = 0xff9ff06f; /* j code */
    __asm__ volatile("fence.i" ::: "memory");
    running = 0;
    CHECK_EQ(pthread_create(&t, NULL, loop, code), 0);
    while (!running) {
        usleep(1000);
    }
    usleep(20000);
    if (protect) {
        CHECK_EQ(mprotect(code, 4096, PROT_READ | PROT_WRITE), 0);
    } else {
        CHECK_EQ(munmap(code, 4096), 0);
    }
    CHECK_EQ(pthread_join(t, NULL), 0);
    CHECK(fault_pc >= (uint64_t)code && fault_pc <= (uint64_t)&code[2]);
    CHECK_EQ(fault_addr, fault_pc);
    CHECK_EQ(fault_code, protect ? SEGV_ACCERR : SEGV_MAPERR);
}

/* A jump to data, to nothing, to the null page. */
static void jump_to(void *target, int code)
{
    if (!sigsetjmp(env, 1)) {
        ((void (*)(void))target)();
        CHECK(!"came back");
    }
    CHECK_EQ(fault_pc, (uint64_t)target);
    CHECK_EQ(fault_addr, (uint64_t)target);
    CHECK_EQ(fault_code, code);
}

int main(void)
{
    struct sigaction sa = { .sa_sigaction = on_segv, .sa_flags = SA_SIGINFO };
    static uint32_t data[4];

    CHECK_EQ(sigaction(SIGSEGV, &sa, NULL), 0);
    unmap_self();
    for (int i = 0; i < 5; i++) {
        unmap_other(0);
        unmap_other(1);
    }
    jump_to(data, SEGV_ACCERR);
    jump_to((void *)0x3000000000, SEGV_MAPERR);
    jump_to(NULL, SEGV_MAPERR);
    return passed();
}
