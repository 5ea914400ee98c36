/* SPDX-License-Identifier: Apache-2.0 */
/*
 * userland/host.h - what userland needs of the host processor in assembly (<host>/access.S), and
 * the host's registers in a signal frame.
 *
 * Between host_access_begin and host_access_end a SIGSEGV or SIGBUS continues at
 * host_access_failed: the function then returns false.
 */
#ifndef KETCH_USERLAND_HOST_H
#define KETCH_USERLAND_HOST_H

#include <signal.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <ucontext.h>

/* Guest memory that may fault: false then, with the bytes before the fault done. */
bool host_copy(void *dst, const void *src, size_t n);
bool host_zero(void *dst, size_t n);
/* *len is `max` when there is no NUL. */
bool host_strnlen(const char *s, size_t max, size_t *len);
/* *old is what was there: `expected` if `desired` is there now. */
bool host_cas_u32(void *p, uint32_t expected, uint32_t desired, uint32_t *old);
extern const char host_access_begin[], host_access_end[], host_access_failed[];

/* The system call `nr` of the host (its result, or -errno) unless *pending; then -ERESTARTNOINTR.  A
 * signal handler that sees the host pc in [host_call_window, host_call_done) sets *pending and goes back
 * to host_call_window: no signal is lost between the test and the call. */
int64_t host_call_unless(const _Atomic uint32_t *pending, long nr, const uint64_t args[6]);
extern const char host_call_window[], host_call_done[];

/* What a handler of the host returns to: SA_RESTORER. */
void host_sigreturn(void);

static inline uintptr_t host_pc(const ucontext_t *uc)
{
    return (uintptr_t)uc->uc_mcontext.gregs[REG_RIP];
}

/* What a system call that has just returned gave. */
static inline int64_t host_result(const ucontext_t *uc)
{
    return uc->uc_mcontext.gregs[REG_RAX];
}

static inline void host_set_pc(ucontext_t *uc, uintptr_t pc)
{
    uc->uc_mcontext.gregs[REG_RIP] = (greg_t)pc;
}

#endif
