/* SPDX-License-Identifier: Apache-2.0 */
/* The system calls about signals.  Sets of signals have 8 bytes on every guest. */
#include <errno.h>
#include <string.h>
#include <sys/syscall.h>

#include "userland/abi.h"
#include "userland/debug.h"
#include "userland/mem.h"
#include "userland/proc.h"
#include "userland/signals.h"

enum { SET_SIZE = 8 };

static bool read_action(uint64_t addr, SigAction *a)
{
    uint64_t word[4];

    if (!mem_read(word, addr, process.abi->sa_restorer ? 32 : 24)) {
        return false;
    }
    *a = (SigAction){ word[0], word[1], word[process.abi->sa_restorer ? 3 : 2] };
    return true;
}

static bool write_action(uint64_t addr, const SigAction *a)
{
    uint64_t word[4] = { a->handler, a->flags, a->mask, 0 };

    if (process.abi->sa_restorer) {
        word[2] = 0;
        word[3] = a->mask;
    }
    return mem_write(addr, word, process.abi->sa_restorer ? 32 : 24);
}

int64_t sys_rt_sigaction(Task *t, const uint64_t a[6])
{
    int sig = (int)a[0];
    SigAction new, old;
    int64_t r = 0;

    if (a[3] != SET_SIZE || sig < 1 || sig > TASK_SIGNALS ||
        (a[1] && (sig == SIGKILL || sig == SIGSTOP))) {
        return -EINVAL;
    }
    if (a[1] && !read_action(a[1], &new)) {
        return -EFAULT;
    }
    pthread_mutex_lock(&t->sighand->lock);
    old = t->sighand->action[sig];
    if (a[1]) {
        new.mask &= ~(SIG_BIT(SIGKILL) | SIG_BIT(SIGSTOP));
        r = sig_install(sig, &new);
        if (r == 0) {
            t->sighand->action[sig] = new;
        }
    }
    pthread_mutex_unlock(&t->sighand->lock);
    return r == 0 && a[2] && !write_action(a[2], &old) ? -EFAULT : r;
}

static bool new_mask(uint64_t how, uint64_t old, uint64_t set, uint64_t *mask)
{
    switch (how) {
    case SIG_BLOCK:
        *mask = old | set;
        return true;
    case SIG_UNBLOCK:
        *mask = old & ~set;
        return true;
    case SIG_SETMASK:
        *mask = set;
        return true;
    default:
        return false;
    }
}

int64_t sys_rt_sigprocmask(Task *t, const uint64_t a[6])
{
    uint64_t old = t->sigmask, set, mask;

    if (a[3] != SET_SIZE) {
        return -EINVAL;
    }
    if (a[1]) {
        if (!mem_read_u64(a[1], &set)) {
            return -EFAULT;
        }
        if (!new_mask(a[0], old, set, &mask)) {
            return -EINVAL;
        }
        if (!sig_hold(t)) {
            return -TASK_ERESTARTNOINTR;
        }
        sig_set_mask(t, mask);
    }
    return a[2] && !mem_write_u64(a[2], old) ? -EFAULT : 0;
}

int64_t sys_rt_sigpending(Task *t, const uint64_t a[6])
{
    uint64_t set = 0;
    int64_t r;

    if (a[1] > SET_SIZE) {
        return -EINVAL;
    }
    r = HOST_CALL2(SYS_rt_sigpending, &set, SET_SIZE);
    set |= t->held;
    return r < 0 ? r : mem_write(a[0], &set, a[1]) ? 0 : -EFAULT;
}

int64_t sys_rt_sigsuspend(Task *t, const uint64_t a[6])
{
    uint64_t set, host;
    int64_t r;

    if (a[1] != SET_SIZE) {
        return -EINVAL;
    }
    if (!mem_read_u64(a[0], &set)) {
        return -EFAULT;
    }
    if (t->held & ~set) {
        sig_was_masked(t, set);
        return -TASK_ERESTARTNOHAND;
    }
    host = sig_host_mask(set);
    r = task_block(t, SYS_rt_sigsuspend, (uint64_t[6]){ (uint64_t)(uintptr_t)&host, SET_SIZE });
    if (r != -EINTR) {
        return r;
    }
    if (t->pending) {
        sig_was_masked(t, set);
    }
    return -TASK_ERESTARTNOHAND;
}

/* A signal of `set` that only Ketch knows to be pending. */
static int64_t take_held(Task *t, uint64_t set, uint64_t info_addr)
{
    static const int order[TASK_RESERVED] = { SIGSEGV, SIGBUS, SIGILL, SIGFPE };

    for (unsigned i = 0; i < TASK_RESERVED; i++) {
        if (t->held & set & SIG_BIT(order[i])) {
            t->held &= ~SIG_BIT(order[i]);
            if (info_addr && !mem_write(info_addr, &t->held_info[i], sizeof(siginfo_t))) {
                return -EFAULT;
            }
            return order[i];
        }
    }
    return 0;
}

int64_t sys_rt_sigtimedwait(Task *t, const uint64_t a[6])
{
    siginfo_t info;
    uint64_t set;
    int64_t r;

    if (a[3] != SET_SIZE) {
        return -EINVAL;
    }
    if (!mem_read_u64(a[0], &set)) {
        return -EFAULT;
    }
    r = take_held(t, set, a[1]);
    if (r) {
        return r;
    }
    r = task_block(t, SYS_rt_sigtimedwait,
                   (uint64_t[6]){ (uint64_t)(uintptr_t)mem_host(a[0], SET_SIZE),
                                  (uint64_t)(uintptr_t)&info,
                                  (uint64_t)(uintptr_t)mem_host(a[2], 16), SET_SIZE });
    if (r > 0 && debug_took_kick(t, &info)) {
        return -EINTR;
    }
    return r > 0 && a[1] && !mem_write(a[1], &info, sizeof(info)) ? -EFAULT : r;
}

int64_t sys_rt_sigqueueinfo(Task *t, const uint64_t a[6])
{
    (void)t;
    return HOST_CALL3(SYS_rt_sigqueueinfo, a[0], a[1], mem_host(a[2], sizeof(siginfo_t)));
}

int64_t sys_rt_tgsigqueueinfo(Task *t, const uint64_t a[6])
{
    (void)t;
    return HOST_CALL4(SYS_rt_tgsigqueueinfo, a[0], a[1], a[2], mem_host(a[3], sizeof(siginfo_t)));
}

int64_t sys_rt_sigreturn(Task *t, const uint64_t a[6])
{
    uint64_t mask;

    (void)a;
    if (!sig_hold(t)) {
        return -TASK_ERESTARTNOINTR;
    }
    if (!process.abi->pop_frame(t, &mask)) {
        sig_release(t);
        t->vcpu->pc = t->syscall_pc;
        sig_fault(t, SIGSEGV, SI_KERNEL, 0);
        return -TASK_DONE;
    }
    sig_set_mask(t, mask);
    return -TASK_DONE;
}

int64_t sys_sigaltstack(Task *t, const uint64_t a[6])
{
    uint64_t sp = t->vcpu->slot[process.abi->slot_sp];
    SigStack old = sig_altstack(t, sp), new;
    uint64_t word[3];
    int64_t r = 0;

    if (a[0]) {
        if (!mem_read(word, a[0], sizeof(word))) {
            return -EFAULT;
        }
        new = (SigStack){ word[0], word[2], (uint32_t)word[1] };
        r = sig_set_altstack(t, &new, sp);
    }
    if (r == 0 && a[1]) {
        word[0] = old.sp;
        word[1] = old.flags;
        word[2] = old.size;
        r = mem_write(a[1], word, sizeof(word)) ? 0 : -EFAULT;
    }
    return r;
}

int64_t sys_kill(Task *t, const uint64_t a[6])
{
    (void)t;
    return HOST_CALL2(SYS_kill, a[0], a[1]);
}

int64_t sys_tkill(Task *t, const uint64_t a[6])
{
    (void)t;
    return HOST_CALL2(SYS_tkill, a[0], a[1]);
}

int64_t sys_tgkill(Task *t, const uint64_t a[6])
{
    (void)t;
    return HOST_CALL3(SYS_tgkill, a[0], a[1], a[2]);
}

/* Ketch restarts system calls by doing them again. */
int64_t sys_restart_syscall(Task *t, const uint64_t a[6])
{
    (void)t;
    (void)a;
    return -EINTR;
}
