/* SPDX-License-Identifier: Apache-2.0 */
#include "ui/vm/gdb.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "ui/gdb/points.h"
#include "ui/gdb/server.h"

static struct {
    const char *spec;       /* NULL: there shall be no server */
    const MonitorVm *vm;
    Monitor *monitor;
    int fd;                 /* readable: next_event() may have something */
    pthread_mutex_t lock;   /* the next three */
    bool attached;
    bool asked;             /* by stop() */
    GdbEvent end;           /* of the machine; tid 0: not yet */
    TrPoints points;
    bool stays[MACHINE_HARTS];       /* since the last resume() */
    GdbEvent pending[MACHINE_HARTS]; /* what gdb has not been told of; tid 0: nothing */
    unsigned turn;                   /* whose event is looked at first */
    bool physical;
    unsigned step_mode; /* GDB_STEP_* */
} gdb = { .fd = -1, .lock = PTHREAD_MUTEX_INITIALIZER,
          .step_mode = GDB_STEP_enable | GDB_STEP_no_interrupts };

/* Threads are numbered from 1: 0 means any. */
static int tid_of(unsigned hart)
{
    return (int)hart + 1;
}

static unsigned n_harts(void)
{
    return machine_harts(gdb.vm->machine);
}

static Vcpu *vcpu_of(int tid)
{
    return tid >= 1 && (unsigned)tid <= n_harts() ? machine_hart(gdb.vm->machine, (unsigned)tid - 1)
                                                  : NULL;
}

/* ---- Events ---- */

static void notify(void)
{
    eventfd_write(gdb.fd, 1);
}

void vm_gdb_stopped(void)
{
    pthread_mutex_lock(&gdb.lock);
    if (gdb.attached) {
        notify();
    } else {
        monitor_let_run(gdb.monitor);
    }
    pthread_mutex_unlock(&gdb.lock);
}

static bool is_ended(void)
{
    bool ended;

    pthread_mutex_lock(&gdb.lock);
    ended = gdb.end.tid;
    pthread_mutex_unlock(&gdb.lock);
    return ended;
}

void vm_gdb_end(int status)
{
    if (gdb.fd >= 0 && !is_ended()) {
        pthread_mutex_lock(&gdb.lock);
        gdb.end = (GdbEvent){ .kind = GDB_EVENT_exited, .tid = 1, .status = status };
        pthread_mutex_unlock(&gdb.lock);
        notify();
        gdb_server_close();
    }
}

static GdbEvent event_of(unsigned hart, const TrStop *stop)
{
    GdbEvent event = { .kind = GDB_EVENT_step, .tid = tid_of(hart) };

    if (stop->trap == IR_TRAP_debug) {
        event.kind = GDB_EVENT_breakpoint;
        event.addr = machine_hart(gdb.vm->machine, hart)->pc;
    } else if (stop->trap == IR_TRAP_watch) {
        event.kind = GDB_EVENT_watch;
        event.addr = stop->arg;
        event.point = gdb_watch_at(&gdb.points, stop->arg);
    }
    return event;
}

/* No hart runs, and whatever they have to say is in `pending` then. */
static void hold(void)
{
    machine_pause(gdb.vm->machine);
    for (unsigned i = 0; i < n_harts(); i++) {
        TrStop stop = machine_take_stop(gdb.vm->machine, i);

        if (stop.trap != IR_TRAP_none) {
            gdb.pending[i] = event_of(i, &stop);
        }
    }
}

/* In turn: a hart that stops again and again leaves room for the others. */
static bool take_pending(GdbEvent *event)
{
    for (unsigned n = 0; n < n_harts(); n++) {
        unsigned i = (gdb.turn + n) % n_harts();

        if (gdb.pending[i].tid && !gdb.stays[i]) {
            *event = gdb.pending[i];
            gdb.pending[i].tid = 0;
            gdb.turn = i + 1;
            return true;
        }
    }
    return false;
}

/* The first hart that goes on. */
static int moving_tid(void)
{
    for (unsigned i = 0; i < n_harts(); i++) {
        if (!gdb.stays[i]) {
            return tid_of(i);
        }
    }
    return 1;
}

static bool next_event(GdbEvent *event)
{
    eventfd_t count;
    bool asked;

    eventfd_read(gdb.fd, &count);
    if (is_ended()) {
        *event = gdb.end;
        return true;
    }
    pthread_mutex_lock(&gdb.lock);
    asked = gdb.asked;
    gdb.asked = false;
    pthread_mutex_unlock(&gdb.lock);
    hold();
    if (!take_pending(event)) {
        if (!asked) { /* what has been notified was found together with another one */
            monitor_let_run(gdb.monitor);
            return false;
        }
        *event = (GdbEvent){ .kind = GDB_EVENT_request, .sig = SIGINT, .tid = moving_tid() };
    }
    monitor_stop(gdb.monitor);
    return true;
}

/* ---- Stop and go ---- */

static void attach(GdbEvent *event)
{
    pthread_mutex_lock(&gdb.lock);
    gdb.attached = true;
    gdb.asked = false;
    pthread_mutex_unlock(&gdb.lock);
    hold();
    monitor_stop(gdb.monitor);
    memset(gdb.pending, 0, sizeof(gdb.pending));
    *event = (GdbEvent){ .kind = GDB_EVENT_request, .sig = SIGTRAP, .tid = 1 };
}

static void apply_points(void)
{
    if (!tr_points_apply(&gdb.points)) {
        fputs("ketch vm: gdb: out of memory for breakpoints\n", stderr);
    }
}

static void detach(void)
{
    pthread_mutex_lock(&gdb.lock);
    gdb.attached = false;
    pthread_mutex_unlock(&gdb.lock);
    if (is_ended()) {
        return;
    }
    monitor_stop(gdb.monitor); /* the connection may have broken while it ran */
    tr_points_clear(&gdb.points);
    apply_points();
    for (unsigned i = 0; i < n_harts(); i++) {
        machine_move(gdb.vm->machine, i, MACHINE_run, 0, 0);
    }
    monitor_cont(gdb.monitor);
}

static void kill_machine(void)
{
    machine_request(gdb.vm->machine, (MachineEvent){ MACHINE_shutdown, 0, "host-ui" });
}

static GdbResume find_move(const GdbResume *list, size_t n, int tid)
{
    for (size_t i = 0; i < n; i++) {
        if (list[i].tid == tid || list[i].tid == -1) {
            return list[i];
        }
    }
    return (GdbResume){ .move = GDB_MOVE_stay };
}

static void move(unsigned hart, const GdbResume *r)
{
    static const MachineMove moves[] = {
        [GDB_MOVE_stay] = MACHINE_stay, [GDB_MOVE_run] = MACHINE_run,
        [GDB_MOVE_step] = MACHINE_step, [GDB_MOVE_range] = MACHINE_step,
    };

    MachineMove how = moves[r->move];

    if (how == MACHINE_step && !(gdb.step_mode & GDB_STEP_no_interrupts)) {
        how = MACHINE_step_interrupts;
    }
    machine_move(gdb.vm->machine, hart, how, r->lo, r->hi);
}

static void let_go(bool steps_only)
{
    if (steps_only && (gdb.step_mode & GDB_STEP_no_time)) {
        monitor_cont_timeless(gdb.monitor);
    } else {
        monitor_cont(gdb.monitor);
    }
}

static void resume(const GdbResume *list, size_t n)
{
    bool news = false, steps_only = true;

    hold(); /* the monitor may have let it go */
    monitor_stop(gdb.monitor);
    for (unsigned i = 0; i < n_harts(); i++) {
        GdbResume r = find_move(list, n, tid_of(i));
        GdbEvent *e = &gdb.pending[i];

        move(i, &r);
        steps_only &= r.move != GDB_MOVE_run;
        gdb.stays[i] = r.move == GDB_MOVE_stay;
        if (!gdb.stays[i] && e->tid) {
            e->tid = gdb_event_holds(&gdb.points, e, vcpu_of(e->tid)->pc) ? e->tid : 0;
            news |= e->tid != 0;
        }
    }
    if (news || is_ended()) {
        notify();
        return;
    }
    apply_points();
    let_go(steps_only);
}

static void stop(void)
{
    pthread_mutex_lock(&gdb.lock);
    gdb.asked = true;
    pthread_mutex_unlock(&gdb.lock);
    notify();
}

/* ---- What it sees ---- */

static bool is_started(void)
{
    return false;
}

static int event_fd(void)
{
    return gdb.fd;
}

static int pid(void)
{
    return 1;
}

static size_t threads(int *tid, size_t max)
{
    for (unsigned i = 0; i < n_harts() && i < max; i++) {
        tid[i] = tid_of(i);
    }
    return n_harts();
}

static void thread_name(int tid, char *name, size_t size)
{
    snprintf(name, size, "hart %d", tid - 1);
}

static bool get_register(int tid, const FeRegister *r, uint64_t *value)
{
    const Vcpu *vcpu = vcpu_of(tid);

    if (vcpu) {
        *value = r->get(vcpu, r->slot);
    }
    return vcpu;
}

/* A monitor may have let go what the debugger has stopped: while a hart runs, its registers are its own. */
static bool set_register(int tid, const FeRegister *r, uint64_t value)
{
    Vcpu *vcpu = machine_is_paused(gdb.vm->machine) ? vcpu_of(tid) : NULL;

    if (vcpu) {
        r->set(vcpu, r->slot, value);
    }
    return vcpu;
}

/* Where something is to be copied to or from. */
typedef struct Piece {
    uint64_t addr;
    uint8_t *to; /* one of them is NULL */
    const uint8_t *from;
    size_t n;
} Piece;

static bool access_physical(const Piece *p)
{
    return p->to ? phys_read(gdb.vm->mem, p->addr, p->to, p->n) : phys_write(gdb.vm->mem, p->addr, p->from, p->n);
}

static bool access_virtual(unsigned hart, const Piece *p)
{
    return p->to ? machine_read(gdb.vm->machine, hart, p->addr, p->to, p->n)
                 : machine_write(gdb.vm->machine, hart, p->addr, p->from, p->n);
}

/* What is above is the kernel's and in all page tables, but not for each privilege. */
static bool access_shared(const Piece *p)
{
    for (unsigned i = 0; i < n_harts() && (int64_t)p->addr < 0; i++) {
        if (access_virtual(i, p)) {
            return true;
        }
    }
    return false;
}

/* Page by page, as far as there is memory. */
static size_t in_pieces(int tid, Piece all)
{
    unsigned hart = vcpu_of(tid) ? (unsigned)tid - 1 : 0;
    size_t done = 0;

    while (done < all.n) {
        Piece p = { all.addr + done, all.to ? all.to + done : NULL, all.from ? all.from + done : NULL, 0 };

        p.n = MIN(all.n - done, PHYS_PAGE - p.addr % PHYS_PAGE);
        if (gdb.physical ? !access_physical(&p) : !access_virtual(hart, &p) && !access_shared(&p)) {
            break;
        }
        done += p.n;
    }
    return done;
}

static size_t read_memory(int tid, uint64_t addr, void *bytes, size_t n)
{
    return in_pieces(tid, (Piece){ addr, bytes, NULL, n });
}

static size_t write_memory(int tid, uint64_t addr, const void *bytes, size_t n)
{
    return in_pieces(tid, (Piece){ addr, NULL, bytes, n });
}

static int physical(int on)
{
    gdb.physical = on < 0 ? gdb.physical : on;
    return gdb.physical;
}

static unsigned step_mode(unsigned bits)
{
    gdb.step_mode = bits ? bits : gdb.step_mode;
    return gdb.step_mode;
}

static bool set_point(GdbPoint point, uint64_t addr, uint64_t size, bool on)
{
    return tr_points_set(&gdb.points, gdb_watch_kind(point), addr, size, on);
}

static void set_catch(const GdbCatch *wanted)
{
    (void)wanted; /* a machine has no processes */
}

static bool monitor(const char *command, char *text, size_t size)
{
    GString *out = g_string_new(NULL);

    monitor_human(gdb.monitor, 0, command, out);
    g_strlcpy(text, out->str, size);
    g_string_free(out, TRUE);
    return true;
}

static GdbTarget target = {
    .os = "none",
    .event_fd = event_fd,
    .is_started = is_started,
    .pid = pid,
    .attach = attach,
    .detach = detach,
    .kill = kill_machine,
    .resume = resume,
    .stop = stop,
    .next_event = next_event,
    .threads = threads,
    .thread_name = thread_name,
    .get_register = get_register,
    .set_register = set_register,
    .read = read_memory,
    .write = write_memory,
    .set_point = set_point,
    .set_catch = set_catch,
    .physical = physical,
    .step_mode = step_mode,
    .monitor = monitor,
};

bool vm_gdb_set(const char *spec, GError **error)
{
    const char *why;

    /* QEMU's "tcp::1234" is what the stub calls ":1234". */
    if (!gdb_server_set(g_str_has_prefix(spec, "tcp:") ? spec + 4 : spec, &why)) {
        g_set_error(error, g_quark_from_static_string("ketch-vm"), 0, "-gdb %s: %s", spec, why);
        return false;
    }
    gdb.spec = spec;
    return true;
}

bool vm_gdb_start(const MonitorVm *vm, Monitor *m, GError **error)
{
    if (!gdb.spec) {
        return true;
    }
    gdb.vm = vm;
    gdb.monitor = m;
    target.guest = vm->frontend;
    gdb.fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (gdb.fd < 0 || !gdb_server_start(&target)) {
        g_set_error(error, g_quark_from_static_string("ketch-vm"), 0, "-gdb %s: there is no server", gdb.spec);
        close(gdb.fd);
        gdb.fd = -1;
        return false;
    }
    return true;
}
