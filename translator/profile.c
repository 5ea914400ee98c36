/* SPDX-License-Identifier: Apache-2.0 */
#include "translator/profile.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

enum {
    PERIOD_NS = 1000000,           /* of processor time; the host's clock tick may be longer */
};

#define MEMORY (UINT64_C(4) << 30) /* reserved, touched as it is used */

Profile profile;

static void *reserve(size_t size)
{
    void *p = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE,
                   -1, 0);

    return p == MAP_FAILED ? NULL : p;
}

bool profile_start(const char **error)
{
    if (!tr.config.profile) {
        return true;
    }
    if (!tr.code) {
        *error = "--profile looks at compiled code; the interpreter makes none.";
        return false;
    }
    profile.arena = arena_new(MEMORY);
    profile.sample = reserve(PROFILE_SAMPLES * sizeof(profile.sample[0]));
    if (!profile.arena || !profile.sample) {
        *error = "No memory for the profile.";
        return false;
    }
    if (tr.config.profile[0]) {
        int fd = open(tr.config.profile, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666);

        if (fd < 0) {
            *error = "The file for --profile cannot be written.";
            return false;
        }
        close(fd);
    }
    profile.empty = arena_mark(profile.arena);
    profile.on = true;
    return true;
}

/* ---- Samples ---- */

void profile_thread(TrVcpu *v)
{
    struct itimerspec period = { { 0, PERIOD_NS }, { 0, PERIOD_NS } };
    struct sigevent event = { .sigev_notify = SIGEV_THREAD_ID, .sigev_signo = TR_PROFILE_SIGNAL };

    v->profiled = true;
    event.sigev_value.sival_ptr = &profile;
    event._sigev_un._tid = (pid_t)syscall(SYS_gettid);
    if (timer_create(CLOCK_THREAD_CPUTIME_ID, &event, &v->timer) == 0) {
        timer_settime(v->timer, 0, &period, NULL);
        v->has_timer = true;
    }
}

void profile_thread_end(TrVcpu *v)
{
    if (v->has_timer) {
        timer_delete(v->timer);
        v->has_timer = false;
    }
}

static ProfilePlace place_of(const TrVcpu *v, const void *pc)
{
    if (codebuf_contains(tr.code, pc)) {
        return PROFILE_code;
    }
    return v && v->entered       ? PROFILE_helper
           : v && v->translating ? PROFILE_translation
                                 : PROFILE_other;
}

bool tr_profile_signal(const siginfo_t *info, const void *ucontext)
{
    size_t n;

    if (info->si_code != SI_TIMER || info->si_value.sival_ptr != &profile) {
        return false;
    }
    if (!profile.on) {
        return true; /* the report is being made, or was */
    }
    n = atomic_fetch_add_explicit(&profile.n, 1, memory_order_relaxed);
    if (n < PROFILE_SAMPLES) {
        uint64_t pc = fault_pc(ucontext);

        profile.sample[n] = (ProfileSample){ pc, place_of(tr_self, (const void *)(uintptr_t)pc) };
    }
    return true;
}

const TrUnit *profile_unit(const ProfileSample *s)
{
    return s->place == PROFILE_code ? cache_find_host((const void *)(uintptr_t)s->pc) : NULL;
}

/* ---- Units ---- */

static uint64_t last_mark(const IrFunc *f, IrBlockId b, uint64_t pc)
{
    IR_FOR_EACH(f, b, ref)
    {
        pc = f->insn[ref].op == IR_OP_insn ? (uint64_t)f->insn[ref].imm : pc;
    }
    return pc;
}

static uint64_t first_mark(const IrFunc *f, IrBlockId b, uint64_t pc)
{
    IR_FOR_EACH(f, b, ref)
    {
        if (f->insn[ref].op == IR_OP_insn) {
            return (uint64_t)f->insn[ref].imm;
        }
    }
    return pc;
}

/* The guest instruction that each block begins in: its first, or when it has none, the last of a
 * block before. */
static uint64_t *entry_pcs(const IrFunc *f)
{
    uint64_t *pc = ARENA_NEW(f->arena, uint64_t, f->n_blocks);

    pc[0] = f->pc;
    for (IrBlockId b = 0; b < f->n_blocks; b++) {
        uint64_t now = last_mark(f, b, pc[b]);
        IrRef last = f->block[b].last;
        unsigned op = last ? f->insn[last].op : IR_OP_none;

        pc[b] = first_mark(f, b, pc[b]);
        for (unsigned k = 0; k < (op == IR_OP_br ? 1 : op == IR_OP_brif ? 2 : 0); k++) {
            pc[ir_edge(f, &f->insn[last], k)->block] = now;
        }
    }
    return pc;
}

/* Adds 1 to *count before the insn `at`. */
static void insert_count(IrFunc *f, IrBlockId block, IrRef at, uint64_t *count)
{
    IrInsn add = { .op = IR_OP_addhost, .type = IR_VOID };

    add.arg[0] = ir_insert_before(f, block, at,
                                  (IrInsn){ .op = IR_OP_const, .type = IR_I64,
                                            .imm = (int64_t)(uintptr_t)count });
    add.arg[1] =
        ir_insert_before(f, block, at, (IrInsn){ .op = IR_OP_const, .type = IR_I64, .imm = 1 });
    ir_insert_before(f, block, at, add);
}

static bool is_exit(const IrInsn *i)
{
    return i->op == IR_OP_exit || i->op == IR_OP_exit_ind || i->op == IR_OP_exit_trap;
}

static void count_exits(IrFunc *f, ProfileUnit *p)
{
    const uint64_t *pc = entry_pcs(f);

    p->exits = ARENA_NEW(profile.arena, ProfileExit, f->n_blocks);
    for (IrBlockId b = 0; b < f->n_blocks; b++) {
        ProfileExit *e = &p->exits[p->n_exits];
        const IrInsn *last;

        if (!f->block[b].last || !is_exit(&f->insn[f->block[b].last])) {
            continue;
        }
        last = &f->insn[f->block[b].last];
        *e = (ProfileExit){ .pc = last_mark(f, b, pc[b]), .op = last->op, .flags = last->aux,
                            .target = last->op == IR_OP_exit ? (uint64_t)last->imm : 0 };
        p->n_exits++;
        insert_count(f, b, f->block[b].last, &e->count);
    }
}

void profile_before(IrFunc *f, TrUnit *unit, BeOptions *options)
{
    ProfileUnit *p;

    if (!profile.on || (unit->mode & TR_MODE_STEP)) {
        return;
    }
    p = unit->profile = ARENA_NEW(profile.arena, ProfileUnit, 1);
    p->own = f->n_insns;
    count_exits(f, p);
    p->where = ARENA_RAW(profile.arena, uint32_t, f->n_insns);
    memset(p->where, 0xff, f->n_insns * sizeof(p->where[0]));
    options->where = p->where;
}

static void add_line(const IrFunc *f, IrBlockId b, IrRef ref, uint64_t pc, ProfileUnit *p)
{
    bool begins = f->insn[ref].op == IR_OP_insn;

    p->lines[p->n_lines++] = (ProfileLine){
        .pc = pc,
        .host = p->where[ref],
        .block = b,
        .size = begins ? f->insn[ref].aux : 0,
        .text = begins          ? NULL
                : ref >= p->own ? "(counts this exit)"
                                : ir_print_insn(f, ref, profile.arena),
    };
}

void profile_after(const IrFunc *f, TrUnit *unit)
{
    ProfileUnit *p = unit->profile;
    const uint64_t *entry;
    IrBlock *blocks;

    if (!p) {
        return;
    }
    entry = entry_pcs(f);
    p->cold = p->where[0];
    p->lines = ARENA_NEW(profile.arena, ProfileLine, f->n_insns);
    for (IrBlockId b = 0; b < f->n_blocks; b++) {
        uint64_t pc = entry[b];

        IR_FOR_EACH(f, b, ref)
        {
            pc = f->insn[ref].op == IR_OP_insn ? (uint64_t)f->insn[ref].imm : pc;
            add_line(f, b, ref, pc, p);
        }
    }
    blocks = ARENA_NEW(profile.arena, IrBlock, f->n_blocks);
    memcpy(blocks, f->block, f->n_blocks * sizeof(blocks[0]));
    p->blocks = blocks;
}

/* ---- Eviction and fork ---- */

static void add_gone(const TrUnit *unit)
{
    for (size_t i = 0; i < profile.n_gone; i++) {
        ProfileGone *g = &profile.gone[i];

        if (g->pc == unit->pc && g->region == unit->region) {
            g->samples++;
            return;
        }
    }
    if (profile.n_gone == profile.cap_gone) {
        size_t cap = profile.cap_gone ? 2 * profile.cap_gone : 256;
        ProfileGone *more = realloc(profile.gone, cap * sizeof(*more));

        CHECK(more, "out of memory for the profile");
        profile.gone = more;
        profile.cap_gone = cap;
    }
    profile.gone[profile.n_gone++] = (ProfileGone){ unit->pc, 1, unit->region };
}

void profile_evict_locked(void)
{
    size_t n;

    if (!profile.on) {
        return;
    }
    n = atomic_exchange(&profile.n, 0);
    for (size_t i = 0; i < n && i < PROFILE_SAMPLES; i++) {
        const ProfileSample *s = &profile.sample[i];
        const TrUnit *unit = profile_unit(s);

        profile.place[s->place]++;
        if (unit) {
            add_gone(unit);
        }
    }
    arena_reset(profile.arena, profile.empty);
}

void profile_trap(IrTrap trap)
{
    if (profile.on) {
        atomic_fetch_add_explicit(&profile.trap[trap], 1, memory_order_relaxed);
    }
}

static void forget_counts(const TrUnit *unit)
{
    for (unsigned i = 0; unit->profile && i < unit->profile->n_exits; i++) {
        unit->profile->exits[i].count = 0;
    }
}

void profile_fork_child(TrVcpu *self)
{
    if (!profile.on) {
        return;
    }
    atomic_store(&profile.n, 0);
    profile.n_gone = 0;
    memset(profile.place, 0, sizeof(profile.place));
    memset(profile.trap, 0, sizeof(profile.trap));
    cache_for_each_locked(forget_counts);
    self->profiled = self->has_timer = false; /* timers stay with the parent */
}
