/* SPDX-License-Identifier: Apache-2.0 */
/* Stopping and resuming the guest's threads for a debugger; the hooks of the threads themselves. */
#include "userland/debug.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "base/ownfd.h"
#include "userland/debug_state.h"
#include "userland/signals.h"

enum {
    KICK_SIGNAL = SIGILL,  /* never blocked on the host */
    KICK_AGAIN = 20000000, /* ns: another signal of that number may have swallowed it */
    KICKS_MOST = 100,      /* then the thread counts as stopped: the kernel does not let it go */
};

/* A guest cannot know its address. */
static const char kick_mark;

_Atomic bool debug_attached;

Debug debug = { .event_fd = -1,
                .handover = { -1, -1 },
                .lock = PTHREAD_MUTEX_INITIALIZER,
                .parked = PTHREAD_COND_INITIALIZER,
                .resumed = PTHREAD_COND_INITIALIZER };

bool debug_wants_signals(void)
{
    return debug_is_attached();
}

/* ---- Waiting ---- */

static TaskDebug *of_task_locked(Task *t)
{
    if (!t->debug) {
        t->debug = calloc(1, sizeof(*t->debug));
        CHECK(t->debug, "out of memory");
    }
    return t->debug;
}

static void notify(void)
{
    uint64_t one = 1;

    if (write(debug.event_fd, &one, sizeof(one)) < 0) {
        return; /* it is readable already */
    }
}

/* Nothing is left of having been asked to wait. */
static void forget_kick(Task *t)
{
    t->debug->kicked = 0;
    atomic_store_explicit(&t->pending, 0, memory_order_relaxed);
    atomic_signal_fence(memory_order_seq_cst);
    if (t->async_sig) {
        atomic_store_explicit(&t->pending, 1, memory_order_relaxed);
    }
}

/* A thread that is stopped again before it has woken up has not moved: it waits on, and the signal
 * that it was let go with stays for the next time. */
static void park_locked(Task *t)
{
    TaskDebug *d = t->debug;

    d->sig = 0;
    do {
        d->parked = true;
        d->move = GDB_MOVE_run;
        pthread_cond_broadcast(&debug.parked);
        while (!d->go) {
            pthread_cond_wait(&debug.resumed, &debug.lock);
        }
        d->go = false;
    } while (debug.stopping);
    d->resumes++;
    if (d->kicked) {
        forget_kick(t);
    }
}

/* The debugger lets a thread go on with a signal that has not stopped for one: it is sent as anybody's,
 * blocked or not, whatever the guest does with it. */
static void give(Task *t, int sig)
{
    siginfo_t info = { .si_signo = sig, .si_code = SI_USER };

    info.si_pid = getpid();
    info.si_uid = getuid();
    t->debug->given = sig;
    HOST_CALL4(SYS_rt_tgsigqueueinfo, getpid(), t->tid, sig, &info);
}

/* Waits until the debugger has dealt with `event`; returns the signal it wants to be delivered, or 0 when
 * the event is none.  `info` is a signal's, or NULL. */
static int report(Task *t, const GdbEvent *event, siginfo_t *info)
{
    int sig = event->kind == GDB_EVENT_signal ? event->sig : 0;
    TaskDebug *d;

    pthread_mutex_lock(&debug.lock);
    if (debug_is_attached() && !t->in_vfork) {
        d = of_task_locked(t);
        d->event = *event;
        d->event.tid = t->tid;
        d->has_event = true;
        d->reported = false;
        d->sequence = ++debug.sequence;
        d->has_info = info != NULL;
        d->info = info ? *info : d->info;
        notify();
        park_locked(t);
        sig = d->sig;
        if (info) {
            *info = d->info;
        }
    }
    pthread_mutex_unlock(&debug.lock);
    if (event->kind != GDB_EVENT_signal && sig) {
        give(t, sig);
        return 0;
    }
    return sig;
}

void debug_checkpoint(Task *t)
{
    int sig = 0;

    if (!t->debug || !t->debug->kicked) {
        return;
    }
    forget_kick(t);
    pthread_mutex_lock(&debug.lock);
    if (debug.stopping && debug_is_attached() && !t->in_vfork) {
        park_locked(t);
        sig = t->debug->sig;
    }
    pthread_mutex_unlock(&debug.lock);
    if (sig) {
        give(t, sig);
    }
    sig_release(t);
}

bool debug_is_kick(const siginfo_t *info)
{
    return info->si_signo == KICK_SIGNAL && info->si_code == SI_QUEUE &&
           info->si_value.sival_ptr == &kick_mark && info->si_pid == getpid();
}

bool debug_took_kick(Task *t, const siginfo_t *info)
{
    bool took = debug_is_kick(info) && t->debug;

    if (took) {
        t->debug->kicked = 1;
        atomic_store_explicit(&t->pending, 1, memory_order_relaxed);
        tr_interrupt(t->vcpu);
    }
    return took;
}

/* ---- Hooks ---- */

static void install_signals(void);

void debug_start(Task *t)
{
    if (!debug.user) {
        return;
    }
    sig_release(t); /* control-C ends a program that waits for its debugger */
    if (debug.user->session) {
        install_signals();
        report(t, &(GdbEvent){ .kind = GDB_EVENT_exec, .path = process.exe }, NULL);
        return;
    }
    pthread_mutex_lock(&debug.lock);
    of_task_locked(t);
    if (debug.user->suspend) {
        park_locked(t);
    }
    pthread_mutex_unlock(&debug.lock);
}

static bool is_stepping(const Task *t)
{
    return t->debug && (t->debug->move == GDB_MOVE_step || t->debug->move == GDB_MOVE_range) &&
           !t->in_vfork;
}

TrStop debug_run_slow(Task *t)
{
    bool first;
    TrStop stop;

    if (!is_stepping(t)) {
        return tr_run(t->vcpu);
    }
    first = !t->debug->moved;
    t->debug->moved = true;
    stop = tr_step(t->vcpu, false);
    /* A breakpoint where the step begins has been seen: it is stepped from. */
    return stop.trap == IR_TRAP_debug && first ? tr_step(t->vcpu, true) : stop;
}

void debug_stepped_slow(Task *t, unsigned resumes)
{
    const TaskDebug *d = t->debug;

    if (!is_stepping(t) || t->exiting || d->resumes != resumes ||
        (d->move == GDB_MOVE_range && t->vcpu->pc >= d->lo && t->vcpu->pc < d->hi)) {
        return;
    }
    report(t, &(GdbEvent){ .kind = GDB_EVENT_step }, NULL);
}

void debug_trap(Task *t, const TrStop *stop)
{
    GdbEvent event = { .kind = GDB_EVENT_breakpoint, .addr = t->vcpu->pc };

    if (stop->trap == IR_TRAP_debug && (t->in_vfork || !debug_is_attached())) {
        tr_step(t->vcpu, true);
        return;
    }
    if (stop->trap == IR_TRAP_watch) {
        event = (GdbEvent){ .kind = GDB_EVENT_watch, .addr = stop->arg };
        event.point = debug_watch_point(stop->arg);
    }
    report(t, &event, NULL);
}

int debug_signal(Task *t, int sig, siginfo_t *info)
{
    if (t->debug && t->debug->given == sig) {
        t->debug->given = 0;
        return sig;
    }
    if (!debug_is_attached() || t->in_vfork || debug.catch.pass_signals & SIG_BIT(sig)) {
        return sig;
    }
    return report(t, &(GdbEvent){ .kind = GDB_EVENT_signal, .sig = sig }, info);
}

static bool wants_syscall(const Task *t, uint64_t nr)
{
    bool wanted = false;

    if (!debug_is_attached() || t->in_vfork) {
        return false;
    }
    pthread_mutex_lock(&debug.lock);
    if (debug.catch.syscalls) {
        wanted = !debug.catch.n_numbers;
        for (size_t i = 0; i < debug.catch.n_numbers; i++) {
            wanted |= (uint64_t)debug.catch.numbers[i] == nr;
        }
    }
    pthread_mutex_unlock(&debug.lock);
    return wanted;
}

void debug_syscall_entry(Task *t, uint64_t nr)
{
    if (t->debug && t->debug->again) {
        t->debug->again = false;
    } else if (wants_syscall(t, nr)) {
        report(t, &(GdbEvent){ .kind = GDB_EVENT_syscall_entry, .number = (int)nr }, NULL);
    }
}

void debug_syscall_return(Task *t, uint64_t nr, bool again)
{
    if (again) {
        if (t->debug) {
            t->debug->again = true;
        }
    } else if (!t->exiting && wants_syscall(t, nr)) {
        report(t, &(GdbEvent){ .kind = GDB_EVENT_syscall_return, .number = (int)nr }, NULL);
    }
}

void debug_end(Task *t, int status, int sig)
{
    GdbEvent event = { .kind = sig ? GDB_EVENT_killed : GDB_EVENT_exited,
                       .sig = sig,
                       .status = status };

    if (!debug.user || !t || t->in_vfork) {
        return;
    }
    report(t, &event, NULL);
    debug.user->end();
}

void debug_task_end(Task *t)
{
    pthread_mutex_lock(&debug.lock);
    free(t->debug);
    t->debug = NULL;
    pthread_mutex_unlock(&debug.lock);
}

/* ---- fork ---- */

bool debug_wants_forks(const Task *t)
{
    return debug.user && !t->in_vfork && debug_is_attached() && debug.catch.forks;
}

void debug_fork_prepare(const Task *t)
{
    int pair[2];

    if (!debug_wants_forks(t) ||
        socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) < 0) {
        return;
    }
    debug.handover[0] = ownfd_take(pair[0]);
    debug.handover[1] = ownfd_take(pair[1]);
}

static void close_handover(unsigned end)
{
    ownfd_close(debug.handover[end]);
    debug.handover[end] = -1;
}

void debug_fork_parent(Task *t, int64_t pid)
{
    if (debug.handover[0] < 0) {
        return;
    }
    close_handover(0);
    if (pid > 0) {
        debug.child = (pid_t)pid;
        report(t, &(GdbEvent){ .kind = GDB_EVENT_fork, .child = (int)pid }, NULL);
    }
    debug_leave_child(debug.child);
}

/* What the parent's debugger had to do with this process is gone. */
static void become_free(Task *t, bool followed)
{
    pthread_mutex_init(&debug.lock, NULL);
    pthread_cond_init(&debug.parked, NULL);
    pthread_cond_init(&debug.resumed, NULL);
    ownfd_close(debug.event_fd);
    debug.event_fd = ownfd_take(eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
    free(t->debug);
    t->debug = NULL;
    debug.stopping = debug.stop_asked = false;
    debug.child = 0;
    debug_clear_points();
    if (!followed) {
        debug_detach();
    }
}

void debug_fork_child(Task *t)
{
    bool followed = false;
    char answer;

    if (!debug.user) {
        return;
    }
    if (debug.handover[0] >= 0) {
        close_handover(1);
        followed = read(debug.handover[0], &answer, 1) == 1;
        close_handover(0);
    }
    become_free(t, followed);
    if (!followed) {
        debug.user = debug.user->forked(&debug_target, false) ? debug.user : NULL;
        return;
    }
    pthread_mutex_lock(&debug.lock);
    of_task_locked(t);
    if (debug.user->forked(&debug_target, true)) {
        park_locked(t);
    }
    pthread_mutex_unlock(&debug.lock);
}

void debug_leave_child(int pid)
{
    if (debug.child && pid == debug.child) {
        close_handover(1);
        debug.child = 0;
    }
}

bool debug_follow_child(int pid)
{
    if (!debug.child || pid != debug.child || write(debug.handover[1], "f", 1) != 1) {
        return false;
    }
    debug_leave_child(pid);
    debug_detach();
    return true;
}

/* ---- execve ---- */

void debug_exec_prepare(const Task *t, DebugExec *e)
{
    const UserDebugger *user = process.options->debugger;
    bool child = !debug.user || t->in_vfork;

    *e = (DebugExec){ 0 };
    if (user) {
        user->exec_address(child, e->address, sizeof(e->address));
    }
    if (user && !child && debug_is_attached() && debug.catch.execs) {
        user->exec_session(e->session, sizeof(e->session));
    }
}

void debug_exec_failed(const DebugExec *e)
{
    if (e->session[0]) {
        debug.user->exec_failed();
    }
}

/* ---- The debugger's side ---- */

static bool is_still(const Task *t)
{
    return t->in_vfork || (t->debug && t->debug->parked);
}

static void kick(const Task *t)
{
    siginfo_t info = { .si_signo = KICK_SIGNAL, .si_code = SI_QUEUE };

    info.si_pid = getpid();
    info.si_uid = getuid();
    info.si_value.sival_ptr = (void *)(uintptr_t)&kick_mark;
    HOST_CALL4(SYS_rt_tgsigqueueinfo, getpid(), t->tid, KICK_SIGNAL, &info);
}

/* Kicks who runs; true when nobody does. */
static bool all_still(void)
{
    bool still = true;

    pthread_mutex_lock(&process.lock);
    pthread_mutex_lock(&debug.lock);
    for (Task *t = process.tasks; t; t = t->next) {
        if (!is_still(t)) {
            of_task_locked(t);
            kick(t);
            still = false;
        }
    }
    pthread_mutex_unlock(&debug.lock);
    pthread_mutex_unlock(&process.lock);
    return still;
}

static void wait_for_parking(void)
{
    struct timespec until;

    clock_gettime(CLOCK_REALTIME, &until);
    until.tv_nsec += KICK_AGAIN;
    until.tv_sec += until.tv_nsec / 1000000000;
    until.tv_nsec %= 1000000000;
    pthread_mutex_lock(&debug.lock);
    pthread_cond_timedwait(&debug.parked, &debug.lock, &until);
    pthread_mutex_unlock(&debug.lock);
}

static void stop_all(void)
{
    pthread_mutex_lock(&debug.lock);
    debug.stopping = true;
    pthread_mutex_unlock(&debug.lock);
    for (int i = 0; i < KICKS_MOST && !all_still(); i++) {
        wait_for_parking();
    }
}

/* The guest's dispositions on the host, now that a debugger is there or no longer. */
static void install_signals(void)
{
    SigHand *hand = process.tasks ? process.tasks->sighand : NULL;

    if (!hand) {
        return;
    }
    pthread_mutex_lock(&hand->lock);
    for (int sig = 1; sig <= TASK_SIGNALS; sig++) {
        if (sig != SIGKILL && sig != SIGSTOP) {
            sig_install(sig, &hand->action[sig]);
        }
    }
    pthread_mutex_unlock(&hand->lock);
}

static bool is_held(const Task *t)
{
    return t->debug && t->debug->held;
}

/* The first of those that go on. */
static int some_thread(void)
{
    const Task *found = NULL;
    int tid;

    pthread_mutex_lock(&process.lock);
    for (const Task *t = process.tasks; t; t = t->next) {
        found = !is_held(t) && (!found || t->tid < found->tid) ? t : found;
    }
    tid = found ? found->tid : getpid();
    pthread_mutex_unlock(&process.lock);
    return tid;
}

void debug_attach(GdbEvent *event)
{
    atomic_store(&debug_attached, true);
    stop_all();
    install_signals();
    *event = (GdbEvent){ .kind = GDB_EVENT_request, .sig = SIGTRAP, .tid = some_thread() };
}

/* The thread that ends the process, when the debugger has been told. */
static const Task *ending_locked(void)
{
    for (const Task *t = process.tasks; t; t = t->next) {
        if (t->debug && t->debug->has_event && t->debug->reported &&
            (t->debug->event.kind == GDB_EVENT_exited ||
             t->debug->event.kind == GDB_EVENT_killed)) {
            return t;
        }
    }
    return NULL;
}

/* It counts as running from here on. */
static void let_go_locked(TaskDebug *d, const GdbResume *how)
{
    d->move = how->move;
    d->sig = how->sig ? how->sig : d->sig;
    d->lo = how->lo;
    d->hi = how->hi;
    d->parked = d->has_event = d->has_info = d->held = d->moved = false;
    d->go = true;
}

static void let_all_go(void)
{
    const Task *last;

    pthread_mutex_lock(&process.lock);
    pthread_mutex_lock(&debug.lock);
    debug.stopping = debug.stop_asked = false;
    last = ending_locked();
    for (Task *t = process.tasks; t; t = t->next) {
        if (t->debug && t->debug->parked && (!last || t == last)) {
            GdbResume how = { .move = GDB_MOVE_run };

            how.sig = t->debug->has_event && !t->debug->reported ? t->debug->event.sig : 0;
            let_go_locked(t->debug, &how);
        }
    }
    pthread_cond_broadcast(&debug.resumed);
    pthread_mutex_unlock(&debug.lock);
    pthread_mutex_unlock(&process.lock);
}

void debug_detach(void)
{
    debug_leave_child(debug.child);
    debug_clear_points();
    debug_apply_points();
    debug_set_catch(&(GdbCatch){ 0 });
    atomic_store(&debug_attached, false);
    install_signals();
    let_all_go();
}

void debug_set_catch(const GdbCatch *catch)
{
    int *numbers = calloc(catch->n_numbers + 1, sizeof(*numbers));
    GdbCatch new = *catch;

    if (!numbers) {
        return;
    }
    if (new.n_numbers) {
        memcpy(numbers, new.numbers, new.n_numbers * sizeof(*numbers));
    }
    new.numbers = numbers;
    pthread_mutex_lock(&debug.lock);
    free(debug.numbers);
    debug.numbers = numbers;
    debug.catch = new;
    pthread_mutex_unlock(&debug.lock);
}

static const GdbResume *choose(const GdbResume *list, size_t n, int tid)
{
    static const GdbResume stay = { .move = GDB_MOVE_stay };

    for (size_t i = 0; i < n; i++) {
        if (list[i].tid == -1 || list[i].tid == tid) {
            return &list[i];
        }
    }
    return &stay;
}

/* An event that the debugger has not heard of, and has to before the thread goes on. */
static bool has_news_locked(const Task *t)
{
    TaskDebug *d = t->debug;

    if (d->has_event && !d->reported && !debug_event_holds(t, &d->event)) {
        d->has_event = false;
    }
    return d->has_event && !d->reported;
}

/* Somebody has news: nobody moves, but the signals that threads shall go on with are kept. */
static void put_off_locked(const GdbResume *list, size_t n)
{
    for (Task *t = process.tasks; t; t = t->next) {
        const GdbResume *r = choose(list, n, t->tid);

        if (t->debug && t->debug->parked && r->sig) {
            t->debug->sig = r->sig;
        }
    }
    notify();
}

static void resume_locked(const GdbResume *list, size_t n)
{
    bool news = debug.stop_asked;

    for (Task *t = process.tasks; t; t = t->next) {
        if (t->debug) {
            t->debug->held = choose(list, n, t->tid)->move == GDB_MOVE_stay && t->debug->parked;
            news |= !t->debug->held && has_news_locked(t);
        }
    }
    if (news) {
        put_off_locked(list, n);
        return;
    }
    debug.stopping = false;
    for (Task *t = process.tasks; t; t = t->next) {
        const GdbResume *r = choose(list, n, t->tid);

        if (t->debug && t->debug->parked && r->move != GDB_MOVE_stay) {
            let_go_locked(t->debug, r);
        }
    }
    pthread_cond_broadcast(&debug.resumed);
}

void debug_resume(const GdbResume *list, size_t n)
{
    debug_apply_points();
    pthread_mutex_lock(&process.lock);
    pthread_mutex_lock(&debug.lock);
    resume_locked(list, n);
    pthread_mutex_unlock(&debug.lock);
    pthread_mutex_unlock(&process.lock);
}

void debug_stop(void)
{
    pthread_mutex_lock(&debug.lock);
    debug.stop_asked = true;
    pthread_mutex_unlock(&debug.lock);
    notify();
}

/* The oldest event that has not been reported. */
static bool take_event(GdbEvent *event)
{
    TaskDebug *first = NULL;

    pthread_mutex_lock(&process.lock);
    pthread_mutex_lock(&debug.lock);
    for (Task *t = process.tasks; t; t = t->next) {
        TaskDebug *d = t->debug;

        if (d && d->has_event && !d->reported && !d->held && (!first || d->sequence < first->sequence)) {
            first = d;
        }
    }
    if (first) {
        first->reported = true;
        *event = first->event;
    }
    pthread_mutex_unlock(&debug.lock);
    pthread_mutex_unlock(&process.lock);
    return first;
}

bool debug_next_event(GdbEvent *event)
{
    bool found, asked;
    uint64_t n;

    if (read(debug.event_fd, &n, sizeof(n)) < 0) {
        return false;
    }
    found = take_event(event);
    pthread_mutex_lock(&debug.lock);
    asked = debug.stop_asked;
    debug.stop_asked = false;
    pthread_mutex_unlock(&debug.lock);
    if (!found && !asked) {
        return false;
    }
    stop_all();
    if (!found) {
        *event = (GdbEvent){ .kind = GDB_EVENT_request, .sig = SIGINT, .tid = some_thread() };
    }
    return true;
}

bool debug_init(const UserOptions *options)
{
    if (!options->debugger) {
        return true;
    }
    debug.event_fd = ownfd_take(eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
    debug.user = options->debugger;
    atomic_store(&debug_attached, debug.user->session);
    return debug.user->start(&debug_target);
}
