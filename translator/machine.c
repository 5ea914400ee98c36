/* SPDX-License-Identifier: Apache-2.0 */
#include "translator/machine.h"

#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/check.h"
#include "translator/state.h"

enum {
    EVENTS = 16,
    LINES = 64,
    TAKEN_US = 300,
    TAKEN_BELOW_US = 5000,
    REST_NS = 10000,
    RESTS = 20,
    CALL_MS = 5,
    SPINS = 64, /* waits that an interrupt ended at once, but did not interrupt: firmware that waits for
                   its turn in a loop.  The next ones last for as long as it waits already, in all. */
    SPIN_MS = 1000, /* after that they get no longer */
};

typedef struct Hart {
    Machine *machine;
    unsigned number;
    Vcpu *vcpu;
    pthread_t thread;
    _Atomic int tid;        /* of it, for the kernel */
    bool started;
    unsigned spins;
    int rested_ms; /* in spins */
    pthread_cond_t wake;    /* with Machine.lock */
    bool parked;            /* its thread waits for Machine.paused to end; under Machine.lock */
    MachineMove move;       /* likewise, as the next four */
    uint64_t lo, hi;        /* of steps */
    bool moved;             /* the first of them is done */
    TrStop stop;            /* for a debugger, who has not taken it yet; IR_TRAP_none: there is none */
    _Atomic bool timer_due; /* machine_timer() */
    _Atomic bool kicked;    /* something has changed since it went to sleep */
    struct Hart *told;      /* whom it has interrupted; these four are its own thread's */
    uint64_t told_at;       /* what that one had `taken` before */
    uint32_t told_mode;     /* the own translation mode then */
    unsigned rests;         /* since then */
    _Atomic uint64_t taken; /* interrupts */
    _Atomic uint32_t handler_mode; /* translation mode in which the handler of the last one began */
    bool awaits;            /* in let_go_first(); under Machine.lock */
    pthread_cond_t took;    /* `taken` or `awaits` has changed */
} Hart;

struct Machine {
    MachineConfig config;
    const FeSystem *fe;
    pthread_mutex_t lock;
    pthread_cond_t changed; /* a hart has parked, or there is an event */
    bool paused, ending;    /* under the lock */
    bool crowded;           /* the host has no processor besides one for each hart */
    _Atomic unsigned awaiting; /* harts in let_go_first() */
    MachineEvent event[EVENTS];
    unsigned n_events;
    Hart hart[MACHINE_HARTS];
};

static _Thread_local Vcpu *self;

/* ---- Waking a hart ---- */

/* The lock orders this after the hart's look at `kicked` and before its sleep. */
static void kick(Hart *h)
{
    atomic_store(&h->kicked, true);
    tr_interrupt(h->vcpu);
    pthread_mutex_lock(&h->machine->lock);
    pthread_cond_signal(&h->wake);
    pthread_mutex_unlock(&h->machine->lock);
}

static void kick_all_locked(Machine *m)
{
    for (unsigned i = 0; i < m->config.n_harts; i++) {
        tr_interrupt(m->hart[i].vcpu);
        pthread_cond_signal(&m->hart[i].wake);
        pthread_cond_broadcast(&m->hart[i].took);
    }
}

/* The hart whose thread this is, or NULL. */
static Hart *current(void)
{
    return self ? self->user : NULL;
}

static void set_line(void *opaque, unsigned number, bool level)
{
    Machine *m = opaque;
    Hart *h = &m->hart[number / LINES], *from = current();

    if (level && m->crowded && from && from != h) {
        from->told = h;
        from->told_at = atomic_load(&h->taken);
        from->told_mode = from->vcpu->mode;
        from->rests = 0;
        tr_interrupt(from->vcpu);
    }
    m->fe->set_line(h->vcpu, number % LINES, level);
    if (level) {
        kick(h);
    }
}

Irq machine_irq(Machine *m, unsigned hart, unsigned line)
{
    CHECK(hart < m->config.n_harts && line < LINES, "no such interrupt line");
    return (Irq){ .set = set_line, .opaque = m, .number = hart * LINES + line };
}

void machine_timer(Machine *m, unsigned hart)
{
    if (hart < m->config.n_harts) {
        atomic_store(&m->hart[hart].timer_due, true);
        kick(&m->hart[hart]);
    }
}

/* ---- What a hart does ---- */

static void tell(const Hart *h, void (*event)(Vcpu *vcpu))
{
    if (event) {
        event(h->vcpu);
    }
}

static void handle_timer(Hart *h)
{
    if (atomic_exchange(&h->timer_due, false)) {
        h->machine->fe->timer(h->vcpu);
    }
}

static struct timespec from_now_us(long us)
{
    struct timespec t;

    clock_gettime(CLOCK_REALTIME, &t);
    t.tv_sec += us / 1000000;
    t.tv_nsec += us % 1000000 * 1000;
    t.tv_sec += t.tv_nsec / 1000000000;
    t.tv_nsec %= 1000000000;
    return t;
}

static struct timespec from_now(int ms)
{
    return from_now_us(ms * 1000L);
}

/* A wait may end at once, but need not.  OpenSBI 1.1 waits to be started with its software interrupt
 * pending, and who starts it says so before saying where (sbi_hsm_hart_start()): a hart that looks just
 * then starts at the wrong place.  Since a wait is as long as all before it, or ends with the interrupt
 * that says that all has been said, the hart hardly ever looks by itself. */
static void wait_in_spin(Hart *h)
{
    Machine *m = h->machine;
    int ms = h->rested_ms ? h->rested_ms : 1;
    struct timespec end = from_now(ms);
    bool over = false;

    pthread_mutex_lock(&m->lock);
    while (!over && !atomic_load(&h->kicked) && !m->paused && !m->ending) {
        over = pthread_cond_timedwait(&h->wake, &m->lock, &end) == ETIMEDOUT;
    }
    pthread_mutex_unlock(&m->lock);
    if (over && h->rested_ms < SPIN_MS) {
        h->rested_ms += ms;
    }
}

static void end_spin(Hart *h)
{
    h->spins = 0;
    h->rested_ms = 0;
}

/* To those who have interrupted the hart and wait in let_go_first(): it takes an interrupt, or one that it
 * does not take ends its wait. */
static void announce_taken(Hart *h)
{
    atomic_fetch_add(&h->taken, 1);
    if (atomic_load(&h->machine->awaiting)) {
        pthread_mutex_lock(&h->machine->lock);
        pthread_cond_broadcast(&h->took);
        pthread_mutex_unlock(&h->machine->lock);
    }
}

/* Until something has happened.  False: the wait for interrupts is over. */
static bool sleep_once(Hart *h, bool *idle)
{
    Machine *m = h->machine;
    bool over;

    if (atomic_exchange(&h->kicked, false)) {
        end_spin(h); /* there was news since the last wait */
    }
    handle_timer(h);
    if (m->fe->pending(h->vcpu, true)) {
        if (!m->fe->pending(h->vcpu, false)) {
            announce_taken(h);
        }
        if (++h->spins > SPINS) {
            wait_in_spin(h);
        }
        return false;
    }
    end_spin(h);
    if (!*idle) {
        *idle = true;
        tell(h, m->config.events.idle);
    }
    pthread_mutex_lock(&m->lock);
    while (!atomic_load(&h->kicked) && !m->paused && !m->ending) {
        pthread_cond_wait(&h->wake, &m->lock);
    }
    over = m->paused || m->ending;
    pthread_mutex_unlock(&m->lock);
    return !over;
}

/* Until an interrupt is pending, also one that is not enabled, or somebody wants to pause. */
static void wait_for_interrupt(Hart *h)
{
    bool idle = false;

    while (sleep_once(h, &idle)) {
    }
    if (idle) {
        tell(h, h->machine->config.events.resume);
    }
}

/* ---- Letting another hart go first ---- */

static void note_taken(Hart *h)
{
    end_spin(h);
    run_switched(h->vcpu);
    atomic_store_explicit(&h->handler_mode, h->vcpu->mode, memory_order_relaxed);
    announce_taken(h);
}

static void rest(void)
{
    const struct timespec t = { 0, REST_NS };

    nanosleep(&t, NULL);
}

/* Until the other one has taken its interrupt.  One that waits here itself takes nothing: its firmware
 * looks for requests while it waits.  False: there was nothing to wait for. */
static bool wait_until_taken(Hart *h, Hart *other)
{
    Machine *m = h->machine;
    bool below = other->vcpu->mode != h->told_mode; /* it takes it as soon as it runs */
    struct timespec end = from_now_us(below ? TAKEN_BELOW_US : TAKEN_US);
    bool waited = false;

    pthread_mutex_lock(&m->lock);
    atomic_fetch_add(&m->awaiting, 1);
    h->awaits = true;
    pthread_cond_broadcast(&h->took);
    while (atomic_load(&other->taken) == h->told_at && !other->awaits && !m->paused && !m->ending) {
        waited = true;
        if (pthread_cond_timedwait(&other->took, &m->lock, &end) == ETIMEDOUT) {
            break;
        }
    }
    h->awaits = false;
    atomic_fetch_sub(&m->awaiting, 1);
    pthread_mutex_unlock(&m->lock);
    return waited;
}

/* The other one has taken its interrupt and left the handler, or what the handler runs in. */
static bool is_done(const Hart *h, const Hart *other)
{
    return atomic_load(&other->taken) != h->told_at &&
           other->vcpu->mode != atomic_load_explicit(&other->handler_mode, memory_order_relaxed);
}

/* A hart that interrupts another one - to have its translations forgotten, say - will then wait in a
 * loop until that has been done.  With no processor to spare the loop would take the time that
 * the other needs: so it rests now and, for some time, whenever it comes by, until one of the two has
 * left the firmware (where a privilege is left, the translation mode is another one). */
static void let_go_first(Hart *h)
{
    if (h->vcpu->mode != h->told_mode || h->rests == RESTS || is_done(h, h->told)) {
        h->told = NULL;
        return;
    }
    if (!wait_until_taken(h, h->told) && h->rests > 0) {
        rest();
    }
    h->rests++;
    tr_interrupt(h->vcpu); /* comes by again */
}

/* False: the thread shall end. */
static bool park(Hart *h)
{
    Machine *m = h->machine;
    bool go_on;

    pthread_mutex_lock(&m->lock);
    while ((m->paused || h->move == MACHINE_stay) && !m->ending) {
        h->parked = true;
        pthread_cond_broadcast(&m->changed);
        pthread_cond_wait(&h->wake, &m->lock);
    }
    h->parked = false;
    go_on = !m->ending;
    pthread_mutex_unlock(&m->lock);
    return go_on;
}

static void handle_fault(Hart *h)
{
    const MmuFault *f = mmu_fault(h->vcpu);

    h->machine->fe->fault(h->vcpu, f->vaddr, f->access, f->cause);
}

static void stop_for_debugger(Hart *h, const TrStop *stop)
{
    pthread_mutex_lock(&h->machine->lock);
    h->stop = *stop;
    pthread_mutex_unlock(&h->machine->lock);
    machine_request(h->machine, (MachineEvent){ MACHINE_debug, (int)h->number, NULL });
}

/* For what comes from outside and tells nobody. */
static void wait_for_call(Hart *h)
{
    Machine *m = h->machine;
    struct timespec end = from_now(CALL_MS);
    bool over = false;

    pthread_mutex_lock(&m->lock);
    while (!over && !m->paused && !m->ending) {
        over = pthread_cond_timedwait(&h->wake, &m->lock, &end) == ETIMEDOUT;
    }
    pthread_mutex_unlock(&m->lock);
}

static void handle_breakpoint(Hart *h, const TrStop *stop)
{
    const MachineConfig *config = &h->machine->config;
    MachineCall call = config->breakpoint ? config->breakpoint(config->opaque, h->number, h->vcpu)
                                          : MACHINE_call_none;

    if (call == MACHINE_call_none) {
        h->machine->fe->trap(h->vcpu, stop->trap, stop->arg);
    } else if (call == MACHINE_call_again) {
        wait_for_call(h);
    }
}

static void handle_stop(Hart *h, const TrStop *stop)
{
    switch (stop->trap) {
    case IR_TRAP_interrupt:
        break;
    case IR_TRAP_wait:
        h->told = NULL; /* the others can go first now */
        wait_for_interrupt(h);
        break;
    case IR_TRAP_fault:
    case IR_TRAP_fetch:
        handle_fault(h);
        break;
    case IR_TRAP_debug:
    case IR_TRAP_watch:
        stop_for_debugger(h, stop);
        break;
    case IR_TRAP_breakpoint:
        handle_breakpoint(h, stop);
        break;
    case IR_TRAP_syscall:
    case IR_TRAP_illegal:
    case IR_TRAP_misaligned_fetch:
    case IR_TRAP_misaligned:
    case IR_TRAP_div_zero:
        h->machine->fe->trap(h->vcpu, stop->trap, stop->arg);
        break;
    case IR_TRAP_none: case IR_TRAP_lookup: case IR_TRAP_fence_i: case IR_TRAP_mode:
    case IR_TRAP_exclusive: case IR_TRAP_again: case IR_TRAP_hot: case IR_TRAP_guard: case IR_TRAP_COUNT:
        CHECK(false, "the translator returned with trap %s", ir_trap_name(stop->trap));
    }
}

static bool is_for_debugger(const TrStop *stop)
{
    return stop->trap == IR_TRAP_debug || stop->trap == IR_TRAP_watch;
}

/* True: the handler is entered. */
static bool take_interrupt(Hart *h)
{
    handle_timer(h);
    if (!h->machine->fe->interrupt(h->vcpu)) {
        return false;
    }
    note_taken(h);
    return true;
}

/* A breakpoint where the steps begin has been seen: it is stepped from. */
static TrStop step_instruction(Hart *h)
{
    TrStop stop = tr_step(h->vcpu, false);

    if (stop.trap == IR_TRAP_debug && !h->moved) {
        stop = tr_step(h->vcpu, true);
    }
    if (stop.trap != IR_TRAP_wait) {
        handle_stop(h, &stop);
    }
    return stop;
}

/* One instruction; entering the handler of an exception or an interrupt is one, too. */
static void step(Hart *h)
{
    TrStop stop = { .trap = IR_TRAP_interrupt };

    if (h->move == MACHINE_step || !take_interrupt(h)) {
        stop = step_instruction(h);
    }
    h->moved = true;
    if (!is_for_debugger(&stop) && !(h->vcpu->pc >= h->lo && h->vcpu->pc < h->hi)) {
        stop = (TrStop){ .trap = IR_TRAP_interrupt };
        stop_for_debugger(h, &stop);
    }
}

static void *run(void *opaque)
{
    Hart *h = opaque;
    bool begun = false;

    self = h->vcpu;
    atomic_store(&h->tid, gettid());
    while (park(h)) {
        TrStop stop;

        if (!begun) {
            begun = true;
            tell(h, h->machine->config.events.start);
        }
        if (h->move != MACHINE_run) {
            step(h);
            continue;
        }
        if (h->told) {
            let_go_first(h);
        }
        take_interrupt(h);
        stop = tr_run(h->vcpu);
        handle_stop(h, &stop);
    }
    return NULL;
}

/* ---- Host signals ---- */

/* Only there for the one who set it: a process has one machine. */
static void (*on_crash)(int sig, const siginfo_t *info);

/* An address that the guest has, but not the host; a floating-point exception; a tick of --profile. */
static void on_signal(int sig, siginfo_t *info, void *ucontext)
{
    if (sig == TR_PROFILE_SIGNAL && tr_profile_signal(info, ucontext)) {
        return;
    }
    if (!tr_host_fault(sig, info, ucontext)) {
        if (on_crash) {
            on_crash(sig, info);
        }
        signal(sig, SIG_DFL); /* again, without us */
        if (info->si_code <= 0) {
            raise(sig); /* nothing at fault that would do it: somebody has sent it */
        }
    }
}

static void catch_signals(const MachineEvents *events)
{
    static const int signals[] = { SIGSEGV, SIGBUS, SIGFPE, SIGABRT, TR_PROFILE_SIGNAL };
    struct sigaction action = { .sa_sigaction = on_signal, .sa_flags = SA_SIGINFO | SA_NODEFER };

    on_crash = events->crash;
    sigemptyset(&action.sa_mask);
    for (size_t i = 0; i < sizeof(signals) / sizeof(signals[0]); i++) {
        sigaction(signals[i], &action, NULL);
    }
}

/* ---- Coming and going ---- */

static bool create_hart(Machine *m, unsigned number, const char **error)
{
    Hart *h = &m->hart[number];
    FeSystemConfig config = {
        .hart = number,
        .mem = tr.system->mem,
        .time = m->config.time,
        .set_timer = m->config.set_timer,
        .opaque = m->config.opaque,
        .options = m->config.cpu,
    };

    *h = (Hart){ .machine = m, .number = number };
    pthread_cond_init(&h->wake, NULL);
    pthread_cond_init(&h->took, NULL);
    h->vcpu = tr_vcpu_new(h);
    if (!h->vcpu) {
        *error = "No address space for the memory of the machine: try --mmu=tlb.";
        return false;
    }
    if (!m->fe->create(h->vcpu, &config, error)) {
        tr_vcpu_free(h->vcpu);
        h->vcpu = NULL;
        return false;
    }
    return true;
}

static void destroy(Machine *m)
{
    for (unsigned i = 0; i < m->config.n_harts; i++) {
        if (m->hart[i].vcpu) {
            m->fe->destroy(m->hart[i].vcpu);
            tr_vcpu_free(m->hart[i].vcpu);
        }
    }
    free(m);
}

static bool start_threads(Machine *m)
{
    for (unsigned i = 0; i < m->config.n_harts; i++) {
        if (pthread_create(&m->hart[i].thread, NULL, run, &m->hart[i]) != 0) {
            return false;
        }
        m->hart[i].started = true;
    }
    return true;
}

static bool is_crowded(unsigned n_harts)
{
    cpu_set_t set;

    return sched_getaffinity(0, sizeof(set), &set) == 0 && (unsigned)CPU_COUNT(&set) <= n_harts;
}

Machine *machine_new(const MachineConfig *config, const char **error)
{
    Machine *m = calloc(1, sizeof(*m));

    CHECK(tr.system && config->n_harts <= (tr.config.one_vcpu ? 1 : MACHINE_HARTS), "not a machine");
    if (!m) {
        *error = "Out of memory.";
        return NULL;
    }
    m->config = *config;
    m->fe = tr.system->fe;
    m->paused = true;
    m->crowded = is_crowded(config->n_harts);
    pthread_mutex_init(&m->lock, NULL);
    pthread_cond_init(&m->changed, NULL);
    for (unsigned i = 0; i < config->n_harts; i++) {
        if (!create_hart(m, i, error)) {
            destroy(m);
            return NULL;
        }
    }
    if (config->n_harts > 1) {
        tr_guest_has_threads();
    }
    machine_reset(m);
    catch_signals(&m->config.events);
    if (!start_threads(m)) {
        *error = "No thread for a processor of the machine.";
        machine_free(m);
        return NULL;
    }
    machine_pause(m);
    return m;
}

void machine_free(Machine *m)
{
    pthread_mutex_lock(&m->lock);
    m->ending = true;
    kick_all_locked(m);
    pthread_mutex_unlock(&m->lock);
    for (unsigned i = 0; i < m->config.n_harts; i++) {
        if (m->hart[i].started) {
            pthread_join(m->hart[i].thread, NULL);
        }
    }
    destroy(m);
}

/* ---- Stop and go ---- */

static bool all_parked_locked(const Machine *m)
{
    for (unsigned i = 0; i < m->config.n_harts; i++) {
        if (!m->hart[i].parked) {
            return false;
        }
    }
    return true;
}

void machine_pause(Machine *m)
{
    pthread_mutex_lock(&m->lock);
    do {
        m->paused = true; /* again, if somebody else has let the harts go meanwhile */
        kick_all_locked(m);
        while (m->paused && !all_parked_locked(m)) {
            pthread_cond_wait(&m->changed, &m->lock);
        }
    } while (!m->paused);
    pthread_mutex_unlock(&m->lock);
}

void machine_resume(Machine *m)
{
    pthread_mutex_lock(&m->lock);
    m->paused = false;
    kick_all_locked(m);
    pthread_cond_broadcast(&m->changed);
    pthread_mutex_unlock(&m->lock);
}

bool machine_is_paused(const Machine *m)
{
    Machine *writable = (Machine *)m;
    bool paused;

    pthread_mutex_lock(&writable->lock);
    paused = m->paused;
    pthread_mutex_unlock(&writable->lock);
    return paused;
}

void machine_reset(Machine *m)
{
    for (unsigned i = 0; i < m->config.n_harts; i++) {
        Vcpu *vcpu = m->hart[i].vcpu;

        tr.frontend->reset(vcpu);
        mmu_flush_all(vcpu);
        m->fe->reset(vcpu, m->config.reset_pc, i, m->config.reset_arg);
        m->hart[i].stop.trap = IR_TRAP_none;
    }
    system_code_changed();
}

void machine_replaced(Machine *m)
{
    for (unsigned i = 0; i < m->config.n_harts; i++) {
        mmu_flush_all(m->hart[i].vcpu);
    }
    system_code_changed();
    tr_flush_soon(); /* memory of devices, too */
}

void machine_request(Machine *m, MachineEvent event)
{
    pthread_mutex_lock(&m->lock);
    if (m->n_events < EVENTS) {
        m->event[m->n_events++] = event;
    }
    m->paused = true;
    kick_all_locked(m);
    pthread_cond_broadcast(&m->changed);
    pthread_mutex_unlock(&m->lock);
}

static void take_event_locked(Machine *m, MachineEvent *event)
{
    *event = m->event[0];
    m->n_events--;
    memmove(m->event, m->event + 1, m->n_events * sizeof(m->event[0]));
}

void machine_wait(Machine *m, MachineEvent *event)
{
    pthread_mutex_lock(&m->lock);
    while (!m->n_events) {
        pthread_cond_wait(&m->changed, &m->lock);
    }
    take_event_locked(m, event);
    pthread_mutex_unlock(&m->lock);
}

/* ---- For a debugger ---- */

void machine_move(Machine *m, unsigned hart, MachineMove move, uint64_t lo, uint64_t hi)
{
    Hart *h = &m->hart[hart];

    pthread_mutex_lock(&m->lock);
    h->move = move;
    h->lo = lo;
    h->hi = hi;
    h->moved = false;
    pthread_mutex_unlock(&m->lock);
}

TrStop machine_take_stop(Machine *m, unsigned hart)
{
    TrStop *stop = &m->hart[hart].stop, taken;

    pthread_mutex_lock(&m->lock);
    taken = *stop;
    stop->trap = IR_TRAP_none;
    pthread_mutex_unlock(&m->lock);
    return taken;
}

/* ---- Looking inside ---- */

unsigned machine_harts(const Machine *m)
{
    return m->config.n_harts;
}

int machine_thread(const Machine *m, unsigned hart)
{
    return atomic_load(&m->hart[hart].tid);
}

Vcpu *machine_hart(Machine *m, unsigned hart)
{
    return m->hart[hart].vcpu;
}

Vcpu *machine_self(void)
{
    return self;
}

bool machine_read(Machine *m, unsigned hart, uint64_t vaddr, void *to, size_t size)
{
    return system_read(m->hart[hart].vcpu, vaddr, to, size);
}

bool machine_write(Machine *m, unsigned hart, uint64_t vaddr, const void *from, size_t size)
{
    return system_write(m->hart[hart].vcpu, vaddr, from, size);
}
