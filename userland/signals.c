/* SPDX-License-Identifier: Apache-2.0 */
#include "userland/signals.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/log.h"
#include "userland/abi.h"
#include "userland/core.h"
#include "userland/debug.h"
#include "userland/host.h"
#include "userland/mem.h"
#include "userland/proc.h"

enum {
    HOST_STACK = 64 << 10,
    SIGSET_SIZE = 8,
    GUEST_RESTART = SA_RESTART,
    SIGNAL_SETXID = 33, /* of Ketch's own C library */
};

/* The kernel's struct sigaction on the host. */
typedef struct HostAction {
    uint64_t handler, flags, restorer, mask;
} HostAction;

#define HOST_SA_RESTORER UINT64_C(0x04000000)
#define ALL_SIGNALS (~UINT64_C(0))

static const int reserved_sig[TASK_RESERVED] = { SIGSEGV, SIGBUS, SIGILL, SIGFPE };

static const uint64_t reserved =
    SIG_BIT(SIGSEGV) | SIG_BIT(SIGBUS) | SIG_BIT(SIGILL) | SIG_BIT(SIGFPE);

static bool is_reserved(int sig)
{
    return reserved & SIG_BIT(sig);
}

/* By default the process dies with a core file, which only Ketch can write. */
static bool dumps_core(int sig)
{
    const uint64_t dumping = SIG_BIT(SIGQUIT) | SIG_BIT(SIGILL) | SIG_BIT(SIGTRAP) |
                             SIG_BIT(SIGABRT) | SIG_BIT(SIGBUS) | SIG_BIT(SIGFPE) |
                             SIG_BIT(SIGSEGV) | SIG_BIT(SIGSYS) | SIG_BIT(SIGXCPU) |
                             SIG_BIT(SIGXFSZ);

    return dumping & SIG_BIT(sig);
}

static unsigned reserved_index(int sig)
{
    unsigned i = 0;

    while (reserved_sig[i] != sig) {
        i++;
    }
    return i;
}

static void host_mask(uint64_t mask, uint64_t *old)
{
    HOST_CALL4(SYS_rt_sigprocmask, SIG_SETMASK, &mask, old, SIGSET_SIZE);
}

uint64_t sig_host_mask(uint64_t guest_set)
{
    return guest_set & ~reserved;
}

/* ---- On the host ---- */

/* Does not return when the observer is to blame. */
static void ask_observer(int sig, const siginfo_t *info)
{
    if (process.options->events && process.options->events->crash) {
        process.options->events->crash(sig, info);
    }
}

static _Noreturn void report_bug(const Task *t, int sig, const siginfo_t *info,
                                 const ucontext_t *uc)
{
    const HostAction by_default = { 0 };
    uint64_t bit = SIG_BIT(sig);

    ask_observer(sig, info);
    log_warn("internal error: signal %d (code %d) at host pc %#lx, address %p, guest pc %#llx",
             sig, info->si_code, (unsigned long)host_pc(uc), info->si_addr,
             t ? (unsigned long long)t->vcpu->pc : 0ULL);
    HOST_CALL4(SYS_rt_sigaction, sig, &by_default, 0, SIGSET_SIZE);
    HOST_CALL4(SYS_rt_sigprocmask, SIG_UNBLOCK, &bit, 0, SIGSET_SIZE);
    HOST_CALL3(SYS_tgkill, getpid(), HOST_CALL0(SYS_gettid), sig);
    HOST_CALL1(SYS_exit_group, 128 + sig);
    __builtin_unreachable();
}

/* A fault of the instruction that the host was executing. */
static void handle_fault(Task *t, int sig, siginfo_t *info, ucontext_t *uc)
{
    uintptr_t fixup = mem_fixup(host_pc(uc));

    if (fixup) {
        host_set_pc(uc, fixup);
    } else if (!t || !tr_host_fault(sig, info, uc)) {
        report_bug(t, sig, info, uc);
    }
}

/* The thread comes back from translated code, or from the system call that it is about to begin. */
static void interrupt(Task *t, ucontext_t *uc)
{
    uintptr_t pc = host_pc(uc);

    atomic_store_explicit(&t->pending, 1, memory_order_relaxed);
    if (pc >= (uintptr_t)host_call_window && pc < (uintptr_t)host_call_done) {
        host_set_pc(uc, (uintptr_t)host_call_window);
    }
    tr_interrupt(t->vcpu);
}

/* Notes a signal for the guest; it is delivered between two guest instructions. */
static void note_signal(Task *t, int sig, const siginfo_t *info, ucontext_t *uc)
{
    uint64_t all = ALL_SIGNALS & ~reserved;

    if (is_reserved(sig) && ((t->sigmask & SIG_BIT(sig)) || t->async_sig)) {
        t->held |= SIG_BIT(sig);
        t->held_info[reserved_index(sig)] = *info;
        return;
    }
    t->async_sig = sig;
    t->async_info = *info;
    memcpy(&uc->uc_sigmask, &all, sizeof(all));
    interrupt(t, uc);
}

/* A thread that is not the guest's, as a plugin may have, has no part in the guest's signals from the first one on:
 * the kernel finds another thread for it.  What this one sends itself must not look like the kernel's, so who had
 * sent it gets lost then. */
static void pass_on(int sig, const siginfo_t *info, ucontext_t *uc)
{
    uint64_t all = ALL_SIGNALS & ~reserved;

    if (is_reserved(sig) || info->si_code == SI_TKILL) {
        return;
    }
    memcpy(&uc->uc_sigmask, &all, sizeof(all));
    if (HOST_CALL3(SYS_rt_sigqueueinfo, getpid(), sig, info) < 0) {
        HOST_CALL2(SYS_kill, getpid(), sig);
    }
}

/* A signal that is not the guest's has ended a system call that sleeps: it begins again. */
static void resume_call(const Task *t, ucontext_t *uc)
{
    if (t && !t->pending && host_pc(uc) == (uintptr_t)host_call_done && host_result(uc) == -EINTR) {
        host_set_pc(uc, (uintptr_t)host_call_window);
    }
}

static void host_handler(int sig, siginfo_t *info, void *ucontext)
{
    Task *t = task_self();
    int saved_errno = errno;

    if (sig == TR_PROFILE_SIGNAL && tr_profile_signal(info, ucontext)) {
        resume_call(t, ucontext);
    } else if (is_reserved(sig) && info->si_code > 0) {
        handle_fault(t, sig, info, ucontext);
    } else if (debug_is_kick(info)) {
        if (t && t->debug) {
            t->debug->kicked = 1;
            interrupt(t, ucontext);
        }
    } else if (t) {
        if (sig == SIGABRT && info->si_code == SI_TKILL) {
            ask_observer(sig, info); /* its own abort()? */
        }
        note_signal(t, sig, info, ucontext);
    } else {
        pass_on(sig, info, ucontext);
    }
    errno = saved_errno;
}

/* By default it ends the process. */
static bool ends_process(int sig)
{
    const uint64_t others = SIG_BIT(SIGCHLD) | SIG_BIT(SIGCONT) | SIG_BIT(SIGURG) | SIG_BIT(SIGWINCH) |
                            SIG_BIT(SIGSTOP) | SIG_BIT(SIGTSTP) | SIG_BIT(SIGTTIN) | SIG_BIT(SIGTTOU);

    return !(others & SIG_BIT(sig));
}

/* What watches the guest has its last word then, too. */
static bool ends_with_report(int sig)
{
    bool is_watched = process.options && (process.options->translator.profile || process.options->events);

    return is_watched && sig != SIGKILL && sig != SIGNAL_SETXID && ends_process(sig);
}

/* A process that shares memory with its parent must not end with a lock that is in it. */
static bool ends_with_locks(int sig)
{
    return task_self() && task_self()->in_vfork && ends_process(sig);
}

int64_t sig_install(int sig, const SigAction *action)
{
    HostAction a = { .restorer = (uint64_t)(uintptr_t)host_sigreturn,
                     .mask = ALL_SIGNALS & ~reserved };
    bool by_default = action->handler == 0 && sig != SIGKILL && sig != SIGSTOP &&
                      (dumps_core(sig) || ends_with_report(sig) || ends_with_locks(sig) ||
                       debug_wants_signals());
    bool catch = action->handler > 1 || is_reserved(sig) || by_default;

    a.handler = catch ? (uint64_t)(uintptr_t)host_handler : action->handler;
    a.flags = HOST_SA_RESTORER | SA_SIGINFO | SA_ONSTACK |
              (action->flags & (SA_NOCLDSTOP | SA_NOCLDWAIT));
    return HOST_CALL4(SYS_rt_sigaction, sig, &a, 0, SIGSET_SIZE);
}

void sig_vfork_child(const Task *t, bool clear)
{
    for (int sig = 1; sig <= TASK_SIGNALS; sig++) {
        if (clear || (t->sighand->action[sig].handler == 0 && ends_process(sig))) {
            sig_install(sig, &t->sighand->action[sig]);
        }
    }
}

void sig_thread_init(Task *t)
{
    stack_t stack = { .ss_size = HOST_STACK };

    stack.ss_sp = mmap(NULL, HOST_STACK, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1,
                       0);
    if (stack.ss_sp != MAP_FAILED && sigaltstack(&stack, NULL) == 0) {
        t->host_altstack = stack.ss_sp;
    }
}

void sig_own_thread(Task *t)
{
    SigHand *hand = t->sighand;

    host_mask(ALL_SIGNALS & ~reserved, NULL);
    pthread_mutex_lock(&hand->lock);
    sig_install(SIGNAL_SETXID, &hand->action[SIGNAL_SETXID]);
    pthread_mutex_unlock(&hand->lock);
}

void sig_thread_end(Task *t)
{
    const stack_t none = { .ss_flags = SS_DISABLE };

    if (t->host_altstack) {
        sigaltstack(&none, NULL);
        munmap(t->host_altstack, HOST_STACK);
    }
}

void sig_init(Task *first)
{
    SigHand *hand = calloc(1, sizeof(*hand));
    uint64_t mask = 0;

    CHECK(hand, "out of memory");
    pthread_mutex_init(&hand->lock, NULL);
    first->sighand = hand;
    for (int sig = 1; sig <= TASK_SIGNALS; sig++) {
        HostAction a = { 0 };

        HOST_CALL4(SYS_rt_sigaction, sig, 0, &a, SIGSET_SIZE);
        hand->action[sig].handler = a.handler == 1 ? 1 : 0;
    }
    host_mask(ALL_SIGNALS & ~reserved, &mask);
    first->sigmask = mask;
    sig_thread_init(first);
    for (int sig = 1; sig <= TASK_SIGNALS; sig++) {
        if (is_reserved(sig) ||
            ((dumps_core(sig) || ends_with_report(sig)) && hand->action[sig].handler == 0)) {
            sig_install(sig, &hand->action[sig]);
        }
    }
}

SigHand *sig_hand_copy(const SigHand *hand, bool clear)
{
    SigHand *copy = malloc(sizeof(*copy));

    if (copy) {
        memcpy(copy->action, hand->action, sizeof(copy->action));
        pthread_mutex_init(&copy->lock, NULL);
        for (int sig = 1; clear && sig <= TASK_SIGNALS; sig++) {
            if (copy->action[sig].handler > 1) {
                copy->action[sig] = (SigAction){ 0 };
            }
        }
    }
    return copy;
}

bool sig_hold(Task *t)
{
    host_mask(ALL_SIGNALS & ~reserved, NULL);
    return !t->pending;
}

void sig_release(Task *t)
{
    if (!t->pending) {
        host_mask(sig_host_mask(t->sigmask), NULL);
    }
}

void sig_set_mask(Task *t, uint64_t mask)
{
    t->sigmask = mask & ~(SIG_BIT(SIGKILL) | SIG_BIT(SIGSTOP));
    sig_release(t);
}

void sig_was_masked(Task *t, uint64_t guest_set)
{
    t->saved_mask = t->sigmask;
    t->restore_mask = true;
    t->sigmask = guest_set & ~(SIG_BIT(SIGKILL) | SIG_BIT(SIGSTOP));
}

void sig_before_exec(Task *t)
{
    const HostAction ignore = { .handler = 1 };

    for (unsigned i = 0; i < TASK_RESERVED; i++) {
        if (t->sighand->action[reserved_sig[i]].handler == 1) {
            HOST_CALL4(SYS_rt_sigaction, reserved_sig[i], &ignore, 0, SIGSET_SIZE);
        }
    }
    host_mask(t->sigmask, NULL);
}

void sig_after_exec(Task *t)
{
    host_mask(ALL_SIGNALS & ~reserved, NULL);
    for (unsigned i = 0; i < TASK_RESERVED; i++) {
        sig_install(reserved_sig[i], &t->sighand->action[reserved_sig[i]]);
    }
    sig_release(t);
}

/* ---- For the guest ---- */

static bool on_altstack(const Task *t, uint64_t sp)
{
    const SigStack *s = &t->altstack;

    return !(s->flags & SS_AUTODISARM) && sp > s->sp && sp - s->sp <= s->size;
}

SigStack sig_altstack(const Task *t, uint64_t sp)
{
    SigStack s = t->altstack;

    s.flags = (s.flags & SS_AUTODISARM) |
              (s.size == 0 ? SS_DISABLE : on_altstack(t, sp) ? SS_ONSTACK : 0);
    return s;
}

int64_t sig_set_altstack(Task *t, const SigStack *stack, uint64_t sp)
{
    uint32_t mode = stack->flags & ~SS_AUTODISARM;
    SigStack s = *stack;

    if (on_altstack(t, sp)) {
        return -EPERM;
    }
    if (mode != 0 && mode != SS_DISABLE && mode != SS_ONSTACK) {
        return -EINVAL;
    }
    if (mode == SS_DISABLE) {
        s.sp = s.size = 0;
    } else if (s.size < 2048) {
        return -ENOMEM;
    }
    s.flags &= SS_AUTODISARM;
    t->altstack = s;
    return 0;
}

/* The program dies of `sig`: on the host too.  `info` may be NULL. */
static _Noreturn void die(int sig, const siginfo_t *info)
{
    Task *t = task_self();
    const HostAction by_default = { 0 };
    const struct rlimit no_core = { 0, 0 };
    uint64_t bit = SIG_BIT(sig);

    userland_report();
    debug_end(t, 0, sig);
    if (t && !t->in_vfork && dumps_core(sig)) {
        core_dump(t, sig, info);
    }
    /* A core of this process would be one of Ketch, not of the guest. */
    setrlimit(RLIMIT_CORE, &no_core);
    HOST_CALL4(SYS_rt_sigaction, sig, &by_default, 0, SIGSET_SIZE);
    HOST_CALL3(SYS_tgkill, HOST_CALL0(SYS_getpid), HOST_CALL0(SYS_gettid), sig);
    HOST_CALL4(SYS_rt_sigprocmask, SIG_UNBLOCK, &bit, 0, SIGSET_SIZE);
    HOST_CALL1(SYS_exit_group, 128 + sig);
    __builtin_unreachable();
}

static void default_action(Task *t, int sig, const siginfo_t *info)
{
    switch (sig) {
    case SIGCHLD: case SIGCONT: case SIGURG: case SIGWINCH:
        return;
    case SIGSTOP: case SIGTSTP: case SIGTTIN: case SIGTTOU:
        HOST_CALL2(SYS_kill, HOST_CALL0(SYS_getpid), SIGSTOP);
        return;
    default:
        log_line(LOG_int, "guest dies of signal %d at pc %#llx\n", sig,
                 (unsigned long long)t->vcpu->pc);
        die(sig, info);
    }
}

/* The system call before this signal: is it done again after the handler? */
static void settle_restart(Task *t, const SigAction *action)
{
    bool again = t->restart == TASK_ERESTARTNOINTR ||
                 (t->restart == TASK_ERESTARTSYS && (action->flags & GUEST_RESTART));

    if (t->restart && !again) {
        t->vcpu->pc = t->syscall_pc + process.abi->syscall_size;
        t->vcpu->slot[process.abi->slot_result] = (uint64_t)-EINTR;
    }
    t->restart = 0;
}

static void forced(Task *t, int sig)
{
    siginfo_t info = { .si_signo = sig };

    info.si_code = SI_KERNEL;
    sig_fault_info(t, &info);
}

/* Where a frame may go; 0 when an alternate stack has overflowed. */
static uint64_t frame_stack(const Task *t, const SigAction *action)
{
    uint64_t sp = t->vcpu->slot[process.abi->slot_sp];

    if (on_altstack(t, sp)) {
        return on_altstack(t, sp - process.abi->frame_size) ? sp : 0;
    }
    if ((action->flags & SA_ONSTACK) && t->altstack.size) {
        return t->altstack.sp + t->altstack.size;
    }
    return sp;
}

static void call_handler(Task *t, int sig, const siginfo_t *info, const SigAction *action)
{
    SigCall call = { .sig = sig, .info = info, .action = action };

    settle_restart(t, action);
    call.saved_mask = t->restore_mask ? t->saved_mask : t->sigmask;
    call.stack = frame_stack(t, action);
    log_line(LOG_int, "signal %d at pc %#llx, handler %#llx\n", sig,
             (unsigned long long)t->vcpu->pc, (unsigned long long)action->handler);
    if (!call.stack || !process.abi->push_frame(t, &call)) {
        if (sig == SIGSEGV) {
            die(SIGSEGV, NULL);
        }
        forced(t, SIGSEGV);
        return;
    }
    t->restore_mask = false;
    t->sigmask |= action->mask | (action->flags & SA_NODEFER ? 0 : SIG_BIT(sig));
    t->sigmask &= ~(SIG_BIT(SIGKILL) | SIG_BIT(SIGSTOP));
    if (t->altstack.flags & SS_AUTODISARM) {
        t->altstack = (SigStack){ 0 };
    }
}

/* The action for `sig` now; a handler with SA_RESETHAND is used up. */
static SigAction take_action(Task *t, int sig)
{
    SigHand *hand = t->sighand;
    SigAction action;

    pthread_mutex_lock(&hand->lock);
    action = hand->action[sig];
    if (action.handler > 1 && (action.flags & SA_RESETHAND)) {
        hand->action[sig].handler = 0;
        sig_install(sig, &hand->action[sig]);
    }
    pthread_mutex_unlock(&hand->lock);
    return action;
}

/* False: the signal is dropped.  When it becomes another one, *info is made anew; as Linux does it for
 * ptrace(2). */
static bool ask_debugger(Task *t, int *sig, siginfo_t *info)
{
    *sig = debug_signal(t, *sig, info);
    if (*sig && *sig != info->si_signo) {
        memset(info, 0, sizeof(*info));
        info->si_signo = *sig;
        info->si_code = SI_USER;
        info->si_pid = getpid();
    }
    return *sig != 0;
}

static void handle(Task *t, int sig, siginfo_t *info)
{
    SigAction action;

    if (!ask_debugger(t, &sig, info)) {
        return;
    }
    action = take_action(t, sig);
    syscall_trace_signal(t, info);
    if (action.handler == 0) {
        default_action(t, sig, info);
    } else if (action.handler > 1) {
        call_handler(t, sig, info, &action);
    }
}

void sig_fault_info(Task *t, const siginfo_t *fault)
{
    siginfo_t info = *fault;
    int sig = info.si_signo;
    SigAction action;

    if (!ask_debugger(t, &sig, &info)) {
        return;
    }
    action = take_action(t, sig);
    log_line(LOG_int, "fault: signal %d code %d address %p at pc %#llx\n", sig, info.si_code,
             info.si_addr, (unsigned long long)t->vcpu->pc);
    syscall_trace_signal(t, &info);
    if (action.handler <= 1 || (t->sigmask & SIG_BIT(sig))) {
        die(sig, &info);
    }
    call_handler(t, sig, &info, &action);
    sig_release(t);
}

void sig_fault(Task *t, int sig, int code, uint64_t addr)
{
    siginfo_t info;

    memset(&info, 0, sizeof(info));
    info.si_signo = sig;
    info.si_code = code;
    info.si_addr = (void *)(uintptr_t)addr;
    sig_fault_info(t, &info);
}

/* Takes one signal that waits and that the guest does not block. */
static bool next_signal(Task *t, siginfo_t *info)
{
    uint64_t held = t->held & ~t->sigmask;

    if (t->async_sig) {
        *info = t->async_info;
        info->si_signo = t->async_sig;
        /* In this order: a reserved signal that arrives in between is held, not lost. */
        atomic_store_explicit(&t->pending, 0, memory_order_relaxed);
        t->async_sig = 0;
        return true;
    }
    if (held) {
        int sig = __builtin_ctzll(held) + 1;

        t->held &= ~SIG_BIT(sig);
        *info = t->held_info[reserved_index(sig)];
        return true;
    }
    return false;
}

void sig_deliver(Task *t)
{
    siginfo_t info;

    debug_checkpoint(t);
    while (next_signal(t, &info)) {
        handle(t, info.si_signo, &info);
        sig_release(t);
    }
    if (t->restore_mask) {
        t->restore_mask = false;
        sig_set_mask(t, t->saved_mask);
    }
    t->restart = 0;
}
