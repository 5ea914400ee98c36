/* SPDX-License-Identifier: Apache-2.0 */
/* The run loop: find the unit for the vcpu's pc, enter it, deal with why it was left. */
#include "translator/state.h"

#include <string.h>

/* An LR/SC section that takes longer than this many instructions may lose its reservation (RISC-V
 * unprivileged spec, "Eventual Success of Store-Conditional Instructions": 16).  An access of a
 * region that stands for instructions further on than this faults again. */
enum { ALONE_MAX = 64, CHECKED_MAX = 64 }; /* insns; units */

void run_forget(TrVcpu *v)
{
    Vcpu *vcpu = &v->vcpu;

    if (!v->cached) {
        return;
    }
    v->cached = false;
    memset(vcpu->jump_cache, 0, sizeof(vcpu->jump_cache));
    vcpu_jumps_zeroed(vcpu);
}

/* In its first place; who is there moves to the second one. */
static void remember(TrVcpu *v, uint64_t pc, const TrUnit *unit)
{
    unsigned index = vcpu_jump_index(pc);
    VcpuJump *first = &v->vcpu.jump_cache[index];
    uint64_t tagged = pc ^ v->vcpu.jump_tag;

    if (first->host && first->pc != tagged) {
        v->vcpu.jump_cache[vcpu_jump_second(index)] = *first;
    }
    *first = (VcpuJump){ tagged, unit->code.entry };
    v->cached = true;
}

static bool page_of(TrVcpu *v, uint64_t pc, TrPage *page)
{
    *page = 0;
    return !tr.system || system_page(v, pc, page);
}

bool run_page(TrVcpu *v, TrPage *page)
{
    return page_of(v, v->vcpu.pc, page);
}

const void *run_find(Vcpu *vcpu, uint64_t pc)
{
    TrVcpu *v = vcpu->owner;
    const TrUnit *unit;
    TrPage page;

    if (tr.no_chain || !page_of(v, pc, &page)) {
        return NULL;
    }
    unit = cache_find(pc, vcpu->mode, page);
    if (!unit) {
        return NULL;
    }
    v->stats.misses++;
    remember(v, pc, unit);
    return unit->code.entry;
}

static void update_mode(TrVcpu *v)
{
    uint32_t mode = tr.frontend->mode(&v->vcpu);

    if (mode != v->vcpu.mode) {
        atomic_store_explicit(&v->vcpu.mode, mode, memory_order_relaxed);
        v->stats.mode_changes++;
        if (!tr.system) {
            run_forget(v);
        }
    }
    if (tr.system) {
        system_tag(v);
    }
}

void run_switched(Vcpu *vcpu)
{
    update_mode(vcpu->owner);
}

/* Empties the code cache, unless somebody did since `generation`. */
static void evict(uint64_t generation)
{
    bool evicted;

    exclusive_begin();
    pthread_mutex_lock(&tr.lock);
    evicted = tr.generation == generation;
    if (evicted) {
        cache_evict_locked();
    }
    pthread_mutex_unlock(&tr.lock);
    if (evicted && tr.config.instrument) {
        tr.config.instrument->flushed();
    }
    exclusive_end();
}

/* Set by any thread, taken by the first vcpu that comes by. */
static _Atomic bool flush_wanted;

void tr_flush_soon(void)
{
    atomic_store(&flush_wanted, true);
    if (tr_self) {
        atomic_store(&tr_self->vcpu.exit_req, 1);
    }
}

static void flush_if_wanted(void)
{
    if (atomic_load_explicit(&flush_wanted, memory_order_relaxed) &&
        atomic_exchange(&flush_wanted, false)) {
        evict(tr.generation);
    }
}

/* Makes the unit for the vcpu's pc.  False: v->fail says why there is none. */
static bool translate(TrVcpu *v, uint32_t mode, TrPage page)
{
    if (page) {
        system_guard(page);
    }
    for (;;) {
        uint64_t generation;
        TrUnit *unit;

        pthread_mutex_lock(&tr.lock);
        v->translating = 1;
        generation = tr.generation;
        unit = cache_find(v->vcpu.pc, mode, page);
        if (!unit) {
            unit = unit_translate_locked(v->vcpu.pc, mode, page, &v->fail);
        }
        v->translating = 0;
        pthread_mutex_unlock(&tr.lock);
        if (unit) {
            return true;
        }
        if (v->fail.trap != IR_TRAP_none) {
            return false;
        }
        evict(generation);
    }
}

/* The exit that the vcpu has left through now leads straight to the next unit. */
static void link_exit(TrVcpu *v)
{
    Vcpu *vcpu = &v->vcpu;
    TrUnit *from, *to;

    if (!vcpu->exit_site || !tr.code || tr.no_chain) {
        return;
    }
    pthread_mutex_lock(&tr.lock);
    from = v->generation == tr.generation ? cache_find_host(vcpu->exit_site) : NULL;
    if (from && !from->dead && from->mode == vcpu->mode) {
        TrPage page = tr.system ? system_page_in(from, vcpu->pc) : 0;

        CHECK(page || !tr.system, "a direct exit leads to another page");
        to = cache_find(vcpu->pc, vcpu->mode, page);
        if (!to) {
            to = unit_translate_locked(vcpu->pc, vcpu->mode, page, &v->fail);
        }
        if (to) {
            cache_link_locked(from, tr.backend->exit_index(&from->code, vcpu->exit_site), to);
        }
    }
    pthread_mutex_unlock(&tr.lock);
}

static IrTrap fail(TrVcpu *v)
{
    v->vcpu.exit_trap = v->fail.trap;
    v->vcpu.exit_arg = v->fail.arg;
    return v->fail.trap;
}

IrTrap run_enter(TrVcpu *v, TrUnit *unit)
{
    IrTrap trap;

    v->stats.enters++;
    v->has_info = false;
    if (log_enabled(LOG_exec) || log_enabled(LOG_cpu)) {
        dump_enter(v);
    }
    if (unit->oracle) {
        return check_enter(v, unit);
    }
    v->entered = 1;
    trap = tr.backend->enter(&v->vcpu, &unit->code);
    v->entered = 0;
    if (trap == IR_TRAP_hot && v->vcpu.exit_site) {
        v->vcpu.pc = cache_find_host(v->vcpu.exit_site)->pc;
    }
    if (v->faulted) {
        counts_undo(v->faulted, &v->vcpu);
        v->faulted = NULL;
    }
    profile_trap(trap);
    return trap;
}

/* Alone on behalf of one entry: the run may end in raised(). */
static void begin_alone(TrVcpu *v)
{
    exclusive_begin();
    v->alone = 1;
}

static void end_alone(TrVcpu *v)
{
    v->alone = 0;
    exclusive_end();
}

/* Makes the vcpu `running` with the unit for its pc in hand; NULL and not running when there is
 * none. */
static TrUnit *find_and_enter(TrVcpu *v)
{
    TrUnit *unit;
    TrPage page;

    if (!run_page(v, &page)) {
        return NULL;
    }
    exclusive_enter(v);
    while (!(unit = cache_find(v->vcpu.pc, v->vcpu.mode, page))) {
        exclusive_leave(v);
        if (!translate(v, v->vcpu.mode, page)) {
            return NULL;
        }
        exclusive_enter(v);
    }
    return unit;
}

/* Asks the host's memory at once for what is looked at one after the other from here on. */
static void expect(const Vcpu *vcpu)
{
    cache_expect(vcpu->pc);
    if (!tr.system) {
        __builtin_prefetch((const void *)(uintptr_t)vcpu->pc);
    }
}

/* Executes what find_and_enter() has found. */
static IrTrap run_and_leave(TrVcpu *v, TrUnit *unit)
{
    IrTrap trap;

    v->generation = tr.generation;
    trap = run_enter(v, unit);
    expect(&v->vcpu);
    exclusive_leave(v);
    return trap;
}

/* From the vcpu's pc, where `why` has brought it, until translated code is left. */
static IrTrap execute(TrVcpu *v, IrTrap why)
{
    Vcpu *vcpu = &v->vcpu;
    TrUnit *unit = find_and_enter(v);

    if (!unit) {
        return fail(v);
    }
    /* Without a code cache nothing is linked: direct exits too look here. */
    if (!tr.no_chain && (why == IR_TRAP_lookup || why == IR_TRAP_hot || !tr.code)) {
        remember(v, vcpu->pc, unit);
    }
    return run_and_leave(v, unit);
}

/* Units that run twice, from the vcpu's pc on: they must not be disturbed.  Several of them, as each
 * exclusive section may cost the host a change of threads. */
static IrTrap execute_compared(TrVcpu *v)
{
    IrTrap trap = IR_TRAP_none;
    TrUnit *unit;

    begin_alone(v);
    for (unsigned n = 0; n < CHECKED_MAX && !atomic_load(&v->vcpu.exit_req) &&
                         (trap == IR_TRAP_none || trap == IR_TRAP_lookup); n++) {
        unit = find_and_enter(v);
        if (!unit) {
            trap = fail(v);
        } else if (unit->oracle) {
            trap = run_and_leave(v, unit);
        } else {
            exclusive_leave(v);
            break;
        }
    }
    end_alone(v);
    return trap;
}

/* execute() for --check.  A unit that is not compared may be a loop that waits for another vcpu: it runs
 * beside the others, which can stop it. */
static IrTrap execute_checked(TrVcpu *v)
{
    TrUnit *unit = find_and_enter(v);

    if (!unit) {
        return fail(v);
    }
    if (!unit->oracle) {
        return run_and_leave(v, unit);
    }
    exclusive_leave(v);
    return execute_compared(v);
}

/* One instruction, in an exclusive section. */
static IrTrap execute_one(TrVcpu *v, uint32_t how)
{
    uint32_t mode = v->vcpu.mode | how;
    TrPage page;

    v->stats.steps++;
    if (!run_page(v, &page) || !translate(v, mode, page)) {
        return fail(v);
    }
    return run_enter(v, cache_find(v->vcpu.pc, mode, page));
}

static bool is_done(IrTrap trap)
{
    return trap == IR_TRAP_none || trap == IR_TRAP_lookup || trap == IR_TRAP_interrupt;
}

static bool reserved(TrVcpu *v)
{
    return tr.frontend->reserved && tr.frontend->reserved(&v->vcpu);
}

/* With instrumentation the instruction that is done again has been counted. */
static uint32_t how_alone(unsigned n)
{
    return n == 0 && tr.config.instrument ? TR_MODE_STEP | TR_MODE_BARE : TR_MODE_STEP;
}

/* Instruction by instruction: from LR to its SC (IR_TRAP_exclusive), or until the one that makes
 * the access of a region fault (IR_TRAP_again).  Returns the trap that ended it early, or
 * IR_TRAP_interrupt. */
static IrTrap execute_alone(TrVcpu *v, IrTrap why)
{
    IrTrap trap;

    begin_alone(v);
    for (unsigned n = 0; n < ALONE_MAX; n++) {
        trap = execute_one(v, how_alone(n));
        if (!is_done(trap)) {
            break;
        }
        trap = IR_TRAP_interrupt;
        atomic_store(&v->vcpu.exit_req, 0); /* tr_interrupt() is remembered in v->interrupt */
        if (why == IR_TRAP_exclusive ? !reserved(v) : tr.system != NULL) {
            break; /* an access of a machine stands for one instruction */
        }
    }
    end_alone(v);
    return trap;
}

/* The instruction that touches a watchpoint.  IR_TRAP_watch: it is done, and to be reported. */
static IrTrap execute_watched(TrVcpu *v)
{
    DebugAccess access;
    IrTrap trap;

    begin_alone(v);
    debug_before(v, &access);
    trap = execute_one(v, TR_MODE_STEP | TR_MODE_BARE);
    if (is_done(trap) && debug_after(v, &access)) {
        trap = IR_TRAP_watch;
    }
    end_alone(v);
    return trap;
}

/* One instruction, while the others wait. */
static IrTrap execute_step(TrVcpu *v, uint32_t how)
{
    IrTrap trap;

    begin_alone(v);
    trap = execute_one(v, TR_MODE_STEP | how);
    end_alone(v);
    return trap;
}

static void fill_stop(TrVcpu *v, TrStop *stop, IrTrap trap)
{
    *stop = (TrStop){ .trap = trap, .arg = v->vcpu.exit_arg };
    if (trap == IR_TRAP_fault && v->has_info) {
        stop->info = v->info;
    } else if (trap == IR_TRAP_fault) {
        stop->info.si_signo = SIGSEGV;
        stop->info.si_code = SEGV_MAPERR;
        stop->info.si_addr = (void *)(uintptr_t)v->vcpu.exit_arg;
    }
}

/* True when tr_run() is over. */
static bool interrupted(TrVcpu *v, TrStop *stop)
{
    bool asked = atomic_load(&v->vcpu.exit_req);

    if (asked) {
        atomic_store(&v->vcpu.exit_req, 0);
    }
    flush_if_wanted();
    asked = asked && tr.system && tr.system->fe->pending(&v->vcpu, false);
    if (!atomic_load(&v->interrupt) && !asked) {
        return false;
    }
    atomic_store(&v->interrupt, 0);
    fill_stop(v, stop, IR_TRAP_interrupt);
    return true;
}

/* Where the client of instrumentation learns that a block may not have been executed to its end. */
static void tell_client(TrVcpu *v, IrTrap trap)
{
    bool between = trap == IR_TRAP_none || trap == IR_TRAP_lookup || trap == IR_TRAP_hot ||
                   trap == IR_TRAP_interrupt || trap == IR_TRAP_syscall;

    if (!between && tr.config.instrument->stopped) {
        tr.config.instrument->stopped(&v->vcpu,
                                      trap == IR_TRAP_fault ? v->vcpu.exit_arg : TR_NO_ADDRESS);
    }
}

/* Deals with one way out of translated code; true when *stop is for the caller of tr_run(). */
static bool handle(TrVcpu *v, IrTrap trap, TrStop *stop)
{
    if (tr.config.instrument) {
        tell_client(v, trap);
    }
    if (trap == IR_TRAP_exclusive || trap == IR_TRAP_again) {
        trap = execute_alone(v, trap);
    }
    if (trap == IR_TRAP_watch) {
        trap = execute_watched(v);
    }
    switch (trap) {
    case IR_TRAP_none:
        link_exit(v);
        break;
    case IR_TRAP_lookup:
        v->stats.lookups++;
        break;
    case IR_TRAP_interrupt:
    case IR_TRAP_exclusive:
    case IR_TRAP_again:
        break;
    case IR_TRAP_hot:
        region_hot(v);
        break;
    case IR_TRAP_fence_i:
        if (tr.system) {
            system_code_changed();
        } else {
            change_fence();
        }
        break;
    case IR_TRAP_mode:
        update_mode(v);
        break;
    case IR_TRAP_guard:
        system_check_guard(v);
        break;
    case IR_TRAP_syscall:
    case IR_TRAP_breakpoint:
    case IR_TRAP_illegal:
    case IR_TRAP_fetch:
    case IR_TRAP_misaligned_fetch:
    case IR_TRAP_fault:
    case IR_TRAP_misaligned:
    case IR_TRAP_div_zero:
    case IR_TRAP_debug:
    case IR_TRAP_watch:
    case IR_TRAP_wait:
    case IR_TRAP_COUNT:
        fill_stop(v, stop, trap);
        return true;
    }
    return interrupted(v, stop);
}

/* vcpu_raise() has left translated code by a long jump. */
static IrTrap raised(TrVcpu *v)
{
    v->entered = 0;
    if (tr.backend->raised) {
        tr.backend->raised(&v->vcpu);
    }
    exclusive_leave(v);
    if (v->alone) {
        end_alone(v);
    }
    return v->vcpu.exit_trap;
}

TrStop tr_run(Vcpu *vcpu)
{
    TrVcpu *v = vcpu->owner;
    IrTrap trap;
    TrStop stop;

    tr_self = v;
    if (tr.config.profile && !v->profiled) {
        profile_thread(v);
    }
    update_mode(v);
    if (sigsetjmp(v->raise, 0)) {
        trap = raised(v);
    } else {
        trap = IR_TRAP_interrupt;
    }
    while (!handle(v, trap, &stop)) {
        trap = tr.oracle ? execute_checked(v) : execute(v, trap);
    }
    return stop;
}

TrStop tr_step(Vcpu *vcpu, bool bare)
{
    TrVcpu *v = vcpu->owner;
    IrTrap trap;
    TrStop stop;

    tr_self = v;
    update_mode(v);
    if (sigsetjmp(v->raise, 0)) {
        trap = raised(v);
    } else {
        trap = execute_step(v, bare ? TR_MODE_BARE : 0);
    }
    if (!handle(v, trap, &stop)) {
        fill_stop(v, &stop, IR_TRAP_interrupt);
    }
    return stop;
}

void tr_interrupt(Vcpu *vcpu)
{
    TrVcpu *v = vcpu->owner;

    atomic_store(&v->interrupt, 1);
    atomic_store(&vcpu->exit_req, 1);
}
