/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Guest threads and processes: clone, fork, vfork, exit, futex, wait.
 *
 * A vfork child (CLONE_VM | CLONE_VFORK) is a real one on the host: a process that shares memory
 * and runs on its parent's Task and Vcpu, on a host stack of its own, while the kernel keeps the
 * parent's thread waiting.  So what it writes is seen by the parent, as posix_spawn() needs.
 *
 * A process that shares memory while its parent goes on (CLONE_VM alone) is the vfork child of a
 * host thread that does nothing else: that lends it a Task, a Vcpu and the C library's state.
 */
#include <errno.h>
#include <limits.h>
#include <linux/futex.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/log.h"
#include "userland/abi.h"
#include "userland/debug.h"
#include "userland/mem.h"
#include "userland/proc.h"
#include "userland/run.h"
#include "userland/signals.h"
#include "userland/symbols.h"
#include "userland/unwind.h"

#ifndef CLONE_CLEAR_SIGHAND
#define CLONE_CLEAR_SIGHAND 0x100000000ULL
#endif
#ifndef CLONE_INTO_CGROUP
#define CLONE_INTO_CGROUP 0x200000000ULL
#endif
#ifndef CLONE_NEWTIME
#define CLONE_NEWTIME 0x80
#endif

enum {
    THREAD_STACK = 1 << 20,
    ROBUST_MOST = 2048,      /* entries of a robust list that are followed, as the kernel does */
    ROBUST_HEAD = 24,        /* bytes of struct robust_list_head */
    MAX_TIDS = 32,           /* nested PID namespaces */
};

typedef struct CloneArgs { /* struct clone_args of clone3 */
    uint64_t flags, pidfd, child_tid, parent_tid, exit_signal, stack, stack_size, tls;
    uint64_t set_tid, set_tid_size, cgroup;
} CloneArgs;

/* ---- Tasks ---- */

/* The guest's registers; slots behind them are not its own. */
static void copy_slots(Vcpu *to, const Vcpu *from)
{
    memcpy(to->slot, from->slot, process.options->guest->guest->n_slots * sizeof(to->slot[0]));
}

static Task *task_new(const Task *parent)
{
    Task *t = calloc(1, sizeof(*t));
    const Vcpu *from = parent->vcpu;

    if (!t) {
        return NULL;
    }
    t->vcpu = tr_vcpu_new(t);
    if (!t->vcpu) {
        free(t);
        return NULL;
    }
    copy_slots(t->vcpu, from);
    t->vcpu->pc = from->pc;
    t->vcpu->fp_flags = from->fp_flags;
    t->vcpu->fp_rm = from->fp_rm;
    t->sigmask = parent->sigmask;
    t->sighand = parent->sighand;
    return t;
}

static void task_link(Task *t)
{
    pthread_mutex_lock(&process.lock);
    t->next = process.tasks;
    if (t->next) {
        t->next->prev = t;
    }
    process.tasks = t;
    process.n_tasks++;
    pthread_mutex_unlock(&process.lock);
}

/* Returns how many are left. */
static unsigned task_unlink(Task *t)
{
    unsigned left;

    pthread_mutex_lock(&process.lock);
    if (t->prev) {
        t->prev->next = t->next;
    } else {
        process.tasks = t->next;
    }
    if (t->next) {
        t->next->prev = t->prev;
    }
    left = --process.n_tasks;
    pthread_mutex_unlock(&process.lock);
    return left;
}

/* Registers of the child: result 0, its own stack and thread pointer. */
static void enter_child(Task *t, const CloneArgs *c)
{
    uint64_t *slot = t->vcpu->slot;

    slot[process.abi->slot_result] = 0;
    if (c->stack) {
        slot[process.abi->slot_sp] = c->stack + c->stack_size;
    }
    if (c->flags & CLONE_SETTLS) {
        slot[process.abi->slot_tls] = c->tls;
    }
}

/* For CLONE_*_SETTID, before the child runs: C libraries rely on that.  As in the kernel, a bad
 * address is nobody's error. */
static void put_tid(uint64_t addr, pid_t tid)
{
    if (addr && !mem_write_u32(addr, (uint32_t)tid)) {
        log_line(LOG_guest_errors, "clone: bad address %#llx for the tid\n",
                 (unsigned long long)addr);
    }
}

/* ---- The end of a thread ---- */

static void wake_robust(Task *t, uint64_t futex, bool pi, bool pending)
{
    uint32_t word, old;

    if (futex % 4 || !mem_read_u32(futex, &word)) {
        return;
    }
    while ((word & FUTEX_TID_MASK) == (uint32_t)t->tid) {
        uint32_t dead = (word & FUTEX_WAITERS) | FUTEX_OWNER_DIED;

        if (!mem_cas_u32(futex, word, dead, &old)) {
            return;
        }
        if (old == word) {
            if (!pi && (word & FUTEX_WAITERS)) {
                HOST_CALL3(SYS_futex, futex, FUTEX_WAKE, 1);
            }
            return;
        }
        word = old;
    }
    /* The owner died between unlocking and waking (kernel, handle_futex_death()). */
    if (pending && !pi && !(word & FUTEX_TID_MASK)) {
        HOST_CALL3(SYS_futex, futex, FUTEX_WAKE, 1);
    }
}

/* What the kernel does at the end of a thread, while the guest's memory is still its own. */
static void walk_robust_list(Task *t)
{
    uint64_t head[3], entry, next, pending;
    uint64_t list = t->robust_list;

    if (!list || !mem_read(head, list, sizeof(head))) {
        return;
    }
    pending = head[2] & ~UINT64_C(1);
    entry = head[0];
    for (int i = 0; i < ROBUST_MOST && (entry & ~UINT64_C(1)) != list; i++, entry = next) {
        uint64_t at = entry & ~UINT64_C(1);
        bool readable = mem_read_u64(at, &next);

        if (at != pending) {
            wake_robust(t, at + head[1], entry & 1, false);
        }
        if (!readable) {
            break;
        }
    }
    if (pending) {
        wake_robust(t, pending + head[1], head[2] & 1, true);
    }
}

/* A signal for the process that this thread took and will not deliver: for another thread. */
static void pass_on_signal(Task *t)
{
    if (t->async_info.si_code != SI_TKILL) {
        HOST_CALL3(SYS_rt_sigqueueinfo, HOST_CALL0(SYS_getpid), t->async_sig, &t->async_info);
    }
}

void task_end(Task *t)
{
    int status = (int)t->syscall_arg0;
    static struct {
        void *next;
        long offset;
        void *pending;
    } no_robust = { &no_robust, 0, NULL };
    bool leader = t->tid == (pid_t)HOST_CALL0(SYS_getpid);
    unsigned left;

    debug_checkpoint(t);
    if (!sig_hold(t) && t->async_sig) {
        pass_on_signal(t);
    }
    walk_robust_list(t);
    HOST_CALL2(SYS_set_robust_list, &no_robust, ROBUST_HEAD);
    if (leader) {
        process.leader_status = status;
    }
    if (process.n_tasks == 1) {
        debug_end(t, process.leader_status, 0);
    }
    left = task_unlink(t);
    if (left && process.options->events && process.options->events->vcpu_end) {
        process.options->events->vcpu_end(t->vcpu);
    }
    if (left == 0) {
        userland_exit(process.leader_status);
    }
    debug_task_end(t);
    if (t->clear_child_tid && mem_write_u32(t->clear_child_tid, 0)) {
        HOST_CALL3(SYS_futex, t->clear_child_tid, FUTEX_WAKE, 1);
    }
    sig_thread_end(t);
    task_set_self(NULL);
    tr_vcpu_free(t->vcpu);
    free(t);
    if (leader) {
        HOST_CALL1(SYS_exit, status);
    }
}

int64_t sys_exit(Task *t, const uint64_t a[6])
{
    int status = (int)a[0] & 0xff;

    if (t->in_vfork) {
        HOST_CALL1(SYS_exit_group, status);
    }
    t->exiting = true;
    t->syscall_arg0 = (uint64_t)status;
    return -TASK_DONE;
}

int64_t sys_exit_group(Task *t, const uint64_t a[6])
{
    (void)t;
    userland_exit((int)a[0] & 0xff);
}

/* ---- Threads ---- */

typedef struct Start {
    void *(*main)(void *);
    Task *task;
    const CloneArgs *args;
    _Atomic int32_t ready; /* tid once the new task runs and needs no Start any more, or -errno */
} Start;

static void announce(Start *start, int64_t result)
{
    atomic_store(&start->ready, (int32_t)result);
    HOST_CALL3(SYS_futex, &start->ready, FUTEX_WAKE_PRIVATE, 1);
}

static void *thread_main(void *opaque)
{
    Start *start = opaque;
    const CloneArgs *c = start->args;
    Task *t = start->task;

    t->tid = (pid_t)HOST_CALL0(SYS_gettid);
    task_set_self(t);
    sig_thread_init(t);
    if (c->flags & CLONE_CHILD_CLEARTID) {
        t->clear_child_tid = c->child_tid;
    }
    put_tid(c->flags & CLONE_PARENT_SETTID ? c->parent_tid : 0, t->tid);
    put_tid(c->flags & CLONE_CHILD_SETTID ? c->child_tid : 0, t->tid);
    if (!(c->flags & CLONE_FILES)) {
        HOST_CALL1(SYS_unshare, CLONE_FILES);
    }
    if (!(c->flags & CLONE_FS)) {
        HOST_CALL1(SYS_unshare, CLONE_FS);
    }
    task_link(t);
    announce(start, t->tid);
    userland_run(t);
    task_end(t);
    return NULL;
}

static void *begin_thread(void *opaque)
{
    Start *start = opaque;

    sig_own_thread(start->task);
    return start->main(start);
}

static bool start_thread(Start *start)
{
    pthread_attr_t attr;
    pthread_t thread;
    bool ok;

    pthread_attr_init(&attr);
    pthread_attr_setdetachstate(&attr, PTHREAD_CREATE_DETACHED);
    pthread_attr_setstacksize(&attr, THREAD_STACK);
    ok = pthread_create(&thread, &attr, begin_thread, start) == 0;
    pthread_attr_destroy(&attr);
    while (ok && !atomic_load(&start->ready)) {
        HOST_CALL4(SYS_futex, &start->ready, FUTEX_WAIT_PRIVATE, 0, 0);
    }
    return ok;
}

/* A task beside this one, of the same process or of another. */
static int64_t new_task(Task *t, const CloneArgs *c, void *(*main)(void *))
{
    Start start = { .main = main, .args = c };

    if (!sig_hold(t)) {
        return -TASK_ERESTARTNOINTR;
    }
    tr_guest_has_threads();
    start.task = task_new(t);
    if (start.task) {
        enter_child(start.task, c);
    }
    if (!start.task || !start_thread(&start)) {
        if (start.task) {
            tr_vcpu_free(start.task->vcpu);
            free(start.task);
        }
        sig_release(t);
        return -EAGAIN;
    }
    sig_release(t);
    return start.ready;
}

/* ---- Processes ---- */

/* Only the calling thread goes on in the child. */
static void become_child(Task *t, const CloneArgs *c)
{
    for (Task *o = process.tasks, *next; o; o = next) {
        next = o->next;
        if (o != t) {
            free(o->debug);
            free(o);
        }
    }
    t->prev = t->next = NULL;
    process.tasks = t;
    process.n_tasks = 1;
    t->tid = (pid_t)HOST_CALL0(SYS_gettid);
    t->held = 0;
    t->in_vfork = false;
    t->robust_list = t->robust_len = 0;
    t->clear_child_tid = c->flags & CLONE_CHILD_CLEARTID ? c->child_tid : 0;
    put_tid(c->flags & CLONE_CHILD_SETTID ? c->child_tid : 0, t->tid);
    if (c->flags & CLONE_CLEAR_SIGHAND) {
        for (int sig = 1; sig <= TASK_SIGNALS; sig++) {
            if (t->sighand->action[sig].handler > 1) {
                t->sighand->action[sig] = (SigAction){ 0 };
                sig_install(sig, &t->sighand->action[sig]);
            }
        }
    }
}

/* Asks for what clone() cannot say: the process's numbers, from the innermost namespace outwards,
 * its group, a namespace of times. */
static bool needs_clone3(const CloneArgs *c)
{
    return c->set_tid_size || (c->flags & (CLONE_INTO_CGROUP | CLONE_NEWTIME));
}

static int64_t host_clone3(const CloneArgs *c, uint64_t flags)
{
    int32_t tids[MAX_TIDS];
    CloneArgs args = {
        .flags = flags,
        .pidfd = (uint64_t)(uintptr_t)mem_host(c->pidfd, 4),
        .exit_signal = c->exit_signal,
        .set_tid = c->set_tid_size ? (uint64_t)(uintptr_t)tids : 0,
        .set_tid_size = c->set_tid_size,
        .cgroup = c->cgroup,
    };

    if (!mem_read(tids, c->set_tid, c->set_tid_size * sizeof(tids[0]))) {
        return -EFAULT;
    }
    return host_call(SYS_clone3, (uint64_t)(uintptr_t)&args, sizeof(args), 0, 0, 0, 0);
}

/* fork() of the C library keeps malloc usable; the rare flags need the kernel's own call. */
static int64_t host_fork(const CloneArgs *c)
{
    uint64_t plain = CLONE_CHILD_SETTID | CLONE_CHILD_CLEARTID | CLONE_PARENT_SETTID |
                     CLONE_SETTLS | CLONE_CLEAR_SIGHAND | CLONE_VFORK;
    uint64_t flags = c->flags & ~plain;

    if (needs_clone3(c)) {
        return host_clone3(c, flags);
    }
    if (flags == 0 && c->exit_signal == SIGCHLD) {
        pid_t pid = fork();

        return pid < 0 ? -errno : pid;
    }
    return host_call(SYS_clone, flags | c->exit_signal, 0,
                     (uint64_t)(uintptr_t)mem_host(c->pidfd, 4), 0, 0, 0);
}

static int64_t do_fork(Task *t, const CloneArgs *c)
{
    int64_t pid;

    if (!sig_hold(t)) {
        return -TASK_ERESTARTNOINTR;
    }
    debug_fork_prepare(t);
    tr_fork_prepare(t->vcpu, c->flags & CLONE_FILES);
    pthread_mutex_lock(&process.lock);
    pthread_mutex_lock(&t->sighand->lock);
    unwind_fork_prepare();
    symbols_fork_prepare();
    mem_fork_prepare();
    pid = host_fork(c);
    mem_fork_done();
    symbols_fork_done();
    unwind_fork_done();
    pthread_mutex_unlock(&t->sighand->lock);
    pthread_mutex_unlock(&process.lock);
    if (pid == 0) {
        tr_fork_child(t->vcpu);
        become_child(t, c);
        enter_child(t, c);
        debug_fork_child(t);
    } else {
        tr_fork_parent(t->vcpu);
        put_tid(pid > 0 && (c->flags & CLONE_PARENT_SETTID) ? c->parent_tid : 0, (pid_t)pid);
        debug_fork_parent(t, pid);
    }
    sig_release(t);
    return pid;
}

/* ---- vfork ---- */

static int vfork_main(void *opaque)
{
    Start *start = opaque;
    const CloneArgs *c = start->args;
    Task *t = start->task;

    t->tid = (pid_t)HOST_CALL0(SYS_gettid);
    t->in_vfork = true;
    t->held = 0;
    t->robust_list = t->robust_len = 0;
    t->clear_child_tid = 0;
    t->exec_memory = NULL;
    sig_vfork_child(t, c->flags & CLONE_CLEAR_SIGHAND);
    put_tid(c->flags & CLONE_PARENT_SETTID ? c->parent_tid : 0, t->tid);
    put_tid(c->flags & CLONE_CHILD_SETTID ? c->child_tid : 0, t->tid);
    enter_child(t, c);
    announce(start, t->tid);
    userland_run(t);
    task_end(t); /* of a process that the child forked: it came back from here too */
    return 0;
}

static char *vfork_stack(void)
{
    char *stack = mmap(NULL, THREAD_STACK, PROT_READ | PROT_WRITE,
                       MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_STACK, -1, 0);

    return stack == MAP_FAILED ? NULL : stack;
}

/* Comes back when the child has ended or runs another program. */
static int64_t run_vfork(Start *start, char *stack)
{
    const CloneArgs *c = start->args;
    uint64_t ours = CLONE_SETTLS | CLONE_PARENT_SETTID | CLONE_CHILD_SETTID | CLONE_CLEAR_SIGHAND;
    uint64_t flags = (c->flags & ~ours) | CLONE_VM | CLONE_VFORK | c->exit_signal;
    Task *t = start->task;
    int pid = clone(vfork_main, stack + THREAD_STACK, (int)flags, start, mem_host(c->pidfd, 4),
                    NULL, mem_host(c->child_tid, 4));
    int64_t result = pid < 0 ? -errno : pid;

    tr_vfork_done(t->vcpu);
    exec_free(t->exec_memory);
    return result;
}

static int64_t do_vfork(Task *t, const CloneArgs *c)
{
    char *stack = vfork_stack();
    SigHand *hand = sig_hand_copy(t->sighand, c->flags & CLONE_CLEAR_SIGHAND);
    Start start = { .task = t, .args = c };
    Vcpu *vcpu = t->vcpu;
    Vcpu saved_vcpu;
    int64_t pid = -ENOMEM;
    Task saved;

    if (!stack || !hand) {
        goto out;
    }
    if (!sig_hold(t)) {
        pid = -TASK_ERESTARTNOINTR;
        goto out;
    }
    saved = *t;
    memcpy(&saved_vcpu, vcpu, offsetof(Vcpu, jump_cache));
    t->sighand = hand;
    pid = run_vfork(&start, stack);
    saved.prev = t->prev;
    saved.next = t->next;
    *t = saved;
    copy_slots(vcpu, &saved_vcpu);
    vcpu->pc = saved_vcpu.pc;
    vcpu->fp_flags = saved_vcpu.fp_flags;
    vcpu->fp_rm = saved_vcpu.fp_rm;
    sig_release(t);
out:
    free(hand);
    if (stack) {
        munmap(stack, THREAD_STACK);
    }
    return pid;
}

/* The host thread behind a process that shares memory; every signal but the reserved ones stays
 * blocked in it.  After run_vfork() *start is gone, unless there is no child. */
static void *sharing_main(void *opaque)
{
    Start *start = opaque;
    Task *t = start->task;
    const UserEvents *events = process.options->events;
    uint64_t flags = start->args->flags;
    bool shared_hand = flags & CLONE_SIGHAND;
    SigHand *hand =
        shared_hand ? t->sighand : sig_hand_copy(t->sighand, flags & CLONE_CLEAR_SIGHAND);
    char *stack = vfork_stack();
    int64_t pid = -ENOMEM;

    t->sighand = hand;
    task_set_self(t);
    sig_thread_init(t);
    if (events && events->vcpu_start) {
        events->vcpu_start(t->vcpu);
    }
    if (stack && hand) {
        pid = run_vfork(start, stack);
    }
    if (events && events->vcpu_end) {
        events->vcpu_end(t->vcpu);
    }
    sig_thread_end(t);
    task_set_self(NULL);
    tr_vcpu_free(t->vcpu);
    free(t);
    if (!shared_hand) {
        free(hand);
    }
    if (stack) {
        munmap(stack, THREAD_STACK);
    }
    if (pid < 0) {
        announce(start, pid);
    }
    return NULL;
}

/* A vfork child that a debugger can follow; see debug_wants_forks(). */
static int64_t do_vfork_as_fork(Task *t, const CloneArgs *c)
{
    CloneArgs fork = *c;

    fork.flags &= ~(uint64_t)(CLONE_VM | CLONE_VFORK | CLONE_SIGHAND);
    return do_fork(t, &fork);
}

static int64_t do_clone(Task *t, const CloneArgs *c)
{
    uint64_t thread = CLONE_THREAD | CLONE_SIGHAND | CLONE_VM;

    if (c->flags & CLONE_THREAD) {
        return (c->flags & thread) == thread ? new_task(t, c, thread_main) : -EINVAL;
    }
    if ((c->flags & (CLONE_VM | CLONE_VFORK)) == (CLONE_VM | CLONE_VFORK)) {
        return debug_wants_forks(t) ? do_vfork_as_fork(t, c) : do_vfork(t, c);
    }
    if (c->flags & CLONE_VM) {
        return new_task(t, c, sharing_main);
    }
    return c->flags & CLONE_SIGHAND ? -EINVAL : do_fork(t, c);
}

int64_t sys_clone(Task *t, const uint64_t a[6])
{
    bool back = process.abi->clone_backwards;
    CloneArgs c = {
        .flags = a[0] & 0xffffff00,
        .exit_signal = a[0] & 0xff,
        .stack = a[1],
        .parent_tid = a[2],
        .pidfd = a[2],
        .tls = back ? a[3] : a[4],
        .child_tid = back ? a[4] : a[3],
    };

    return do_clone(t, &c);
}

/* Arguments of a newer kernel that nobody uses. */
static int64_t all_zero(uint64_t addr, uint64_t len)
{
    uint8_t byte;

    for (uint64_t i = 0; i < len; i++) {
        if (!mem_read(&byte, addr + i, 1)) {
            return -EFAULT;
        }
        if (byte) {
            return -E2BIG;
        }
    }
    return 0;
}

int64_t sys_clone3(Task *t, const uint64_t a[6])
{
    CloneArgs c = { 0 };
    int64_t r;

    if (a[1] < 64 || a[1] > MEM_PAGE) {
        return a[1] < 64 ? -EINVAL : -E2BIG;
    }
    if (!mem_read(&c, a[0], a[1] < sizeof(c) ? a[1] : sizeof(c))) {
        return -EFAULT;
    }
    r = all_zero(a[0] + sizeof(c), a[1] > sizeof(c) ? a[1] - sizeof(c) : 0);
    if (r < 0) {
        return r;
    }
    if ((c.flags & (CLONE_DETACHED | (CSIGNAL & ~CLONE_NEWTIME))) ||
        (c.set_tid == 0) != (c.set_tid_size == 0) ||
        c.set_tid_size > MAX_TIDS || (c.stack == 0) != (c.stack_size == 0) ||
        ((c.flags & CLONE_THREAD) && c.exit_signal) || c.exit_signal > TASK_SIGNALS) {
        return -EINVAL;
    }
    if ((c.flags & CLONE_VM) && needs_clone3(&c)) {
        return -EINVAL; /* made by the host's pthread_create() or with clone() */
    }
    return do_clone(t, &c);
}

/* ---- Small ones ---- */

int64_t sys_set_tid_address(Task *t, const uint64_t a[6])
{
    t->clear_child_tid = a[0];
    return t->tid;
}

int64_t sys_gettid(Task *t, const uint64_t a[6])
{
    (void)a;
    return t->tid;
}

int64_t sys_set_robust_list(Task *t, const uint64_t a[6])
{
    int64_t r;

    /* The kernel's own handling serves when the process is killed; task_end() does otherwise. */
    if (a[1] != ROBUST_HEAD) {
        return -EINVAL;
    }
    r = HOST_CALL2(SYS_set_robust_list, mem_host(a[0], ROBUST_HEAD), ROBUST_HEAD);
    if (r == 0) {
        t->robust_list = a[0];
        t->robust_len = a[1];
    }
    return r;
}

int64_t sys_get_robust_list(Task *t, const uint64_t a[6])
{
    if (a[0] != 0 && (pid_t)a[0] != t->tid) {
        return HOST_CALL3(SYS_get_robust_list, a[0], mem_host(a[1], 8), mem_host(a[2], 8));
    }
    return mem_write_u64(a[2], ROBUST_HEAD) && mem_write_u64(a[1], t->robust_list) ? 0 : -EFAULT;
}

/* Refused: its critical sections would have to be known to the translator. */
int64_t sys_rseq(Task *t, const uint64_t a[6])
{
    (void)t;
    (void)a;
    return -ENOSYS;
}

static bool futex_sleeps(int op)
{
    switch (op & FUTEX_CMD_MASK) {
    case FUTEX_WAIT: case FUTEX_WAIT_BITSET: case FUTEX_LOCK_PI: case FUTEX_LOCK_PI2:
    case FUTEX_WAIT_REQUEUE_PI:
        return true;
    default:
        return false;
    }
}

/* The fourth argument is a time for the sleeping operations, a number for the others. */
int64_t sys_futex(Task *t, const uint64_t a[6])
{
    uint64_t args[6] = { (uint64_t)(uintptr_t)mem_host(a[0], 4), a[1], a[2], a[3],
                         (uint64_t)(uintptr_t)mem_host(a[4], 4), a[5] };
    int op = (int)a[1];
    int64_t r;

    if (!futex_sleeps(op)) {
        return host_call(SYS_futex, args[0], args[1], args[2], args[3], args[4], args[5]);
    }
    args[3] = (uint64_t)(uintptr_t)mem_host(a[3], 16);
    r = task_block(t, SYS_futex, args);
    if (r == -EINTR) {
        return a[3] ? -TASK_ERESTARTNOHAND : -TASK_ERESTARTSYS;
    }
    return r;
}

int64_t sys_futex_waitv(Task *t, const uint64_t a[6])
{
    int64_t r = task_block(t, SYS_futex_waitv,
                           (uint64_t[6]){ (uint64_t)(uintptr_t)mem_host(a[0], a[1] * 24), a[1],
                                          a[2], (uint64_t)(uintptr_t)mem_host(a[3], 16), a[4] });

    return r == -EINTR ? -TASK_ERESTARTNOHAND : r;
}

int64_t sys_wait4(Task *t, const uint64_t a[6])
{
    int64_t r = task_block(t, SYS_wait4,
                           (uint64_t[6]){ a[0], (uint64_t)(uintptr_t)mem_host(a[1], 4), a[2],
                                          (uint64_t)(uintptr_t)mem_host(a[3], 144) });

    return r == -EINTR ? -TASK_ERESTARTSYS : r;
}

int64_t sys_waitid(Task *t, const uint64_t a[6])
{
    int64_t r = task_block(
        t, SYS_waitid,
        (uint64_t[6]){ a[0], a[1], (uint64_t)(uintptr_t)mem_host(a[2], sizeof(siginfo_t)), a[3],
                       (uint64_t)(uintptr_t)mem_host(a[4], 144) });

    return r == -EINTR ? -TASK_ERESTARTSYS : r;
}
