/* SPDX-License-Identifier: Apache-2.0 */
/*
 * --check: every unit runs twice from the same state, first in the interpreter from the IR as the
 * frontend made it, then as compiled.  A helper that the interpreter's copy calls before each
 * store keeps what was there, so that its stores can be undone.  Others are stopped meanwhile.
 *
 * A difference must show three times: memory may also change from outside, by the kernel or by
 * another process.
 *
 * Not compared: what a run did that was asked to leave (the two may be asked at different places: it is
 * the interpreter's that counts), and units that call helpers which write memory or whose results differ each time; of a machine also
 * those that call any which reach privileged state, or access a device: the interpreter gives up before
 * that access.  Its accesses all go through Vcpu.access(), where they are seen.
 */
#include "translator/state.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/bits.h"
#include "ir/opt/opt.h"

enum {
    JOURNAL_MAX = 1 << 16, /* stores; a loop that makes more is left at its next safepoint */
    ROUNDS_MAX = 1 << 20,  /* passes of safepoints, for loops that wait for somebody */
    ROUNDS_POLITE = 256, /* passes after which somebody else may run */
    TRIES = 3,
    GIVEN_UP = 2, /* how a run may end; vcpu_raise() has 1 */
};

typedef struct Stored {
    uint64_t addr; /* of the host */
    uint32_t size;
    uint8_t before[8], after[8];
} Stored;

/* What a run leaves behind. */
typedef struct Outcome {
    Vcpu state; /* up to its jump cache */
    IrTrap trap;
    bool given_up;
} Outcome;

enum { STATE_SIZE = offsetof(Vcpu, jump_cache) };

static Stored *journal;
static size_t n_journal, n_rounds;
static IrGuest guest; /* the frontend's, with one helper more */
static const TrVcpu *interpreted; /* whose unit the interpreter runs */

static void note(uint64_t host, uint32_t size)
{
    Stored *s = &journal[n_journal];

    if (n_journal == JOURNAL_MAX) {
        return;
    }
    *s = (Stored){ .addr = host, .size = size };
    memcpy(s->before, (const void *)(uintptr_t)host, size);
    n_journal++;
}

/* IrHelperFn: `size` bytes at guest address `addr` are about to be written; 0: a safepoint. */
static uint64_t note_store(Vcpu *vcpu, uint64_t addr, uint64_t size, uint64_t unused)
{
    (void)unused;
    if (size == 0) {
        if (++n_rounds >= ROUNDS_MAX || n_journal >= JOURNAL_MAX / 2 ||
            (n_rounds % ROUNDS_POLITE == 0 && exclusive_wanted())) {
            atomic_store(&vcpu->exit_req, 1);
        }
        return 0;
    }
    note(addr + vcpu->mem_base, (uint32_t)size);
    return 0;
}

/* A part of an access that is in one page.  False: it is to a device.  What will fault needs no note. */
static bool note_part(Vcpu *vcpu, const VcpuAccess *a, uint64_t addr, uint32_t size)
{
    FeWalk w = tr.system->fe->walk(vcpu, addr, a->kind == VCPU_load ? MMU_read : MMU_write, size);
    uint64_t paddr = w.ok ? w.page.paddr + (addr - w.page.vaddr) : 0;
    const PhysRegion *r = w.ok ? phys_find(tr.system->mem, paddr) : NULL;

    if (r && r->kind == PHYS_ram && a->kind != VCPU_load) {
        note((uintptr_t)(r->host + (paddr - r->base)), size);
    }
    return !r || r->kind != PHYS_mmio;
}

static bool note_access(Vcpu *vcpu, const VcpuAccess *a)
{
    uint32_t room = PHYS_PAGE - (uint32_t)(a->addr % PHYS_PAGE);
    uint32_t first = a->size < room ? a->size : room;

    return note_part(vcpu, a, a->addr, first) &&
           (first == a->size || note_part(vcpu, a, a->addr + first, a->size - first));
}

/* As generated code does it, where the tables have the page. */
static bool access_known(Vcpu *vcpu, VcpuAccess *a)
{
    bool in_page = a->addr % PHYS_PAGE + a->size <= PHYS_PAGE;
    uint8_t *host = in_page ? mmu_host(vcpu, a->addr, a->kind != VCPU_load) : NULL;

    if (!host) {
        return false;
    }
    switch (a->kind) {
    case VCPU_load:
        a->value = 0;
        memcpy(&a->value, host, a->size);
        break;
    case VCPU_store:
        note((uintptr_t)host, a->size);
        memcpy(host, &a->value, a->size);
        break;
    case VCPU_rmw:
        note((uintptr_t)host, a->size);
        a->addend = (uintptr_t)host - a->addr;
        break;
    }
    return true;
}

bool check_access(Vcpu *vcpu, VcpuAccess *a)
{
    TrVcpu *v = vcpu->owner;

    if (interpreted == v) {
        if (access_known(vcpu, a)) {
            return true;
        }
        if (!note_access(vcpu, a)) {
            siglongjmp(*vcpu->raise, GIVEN_UP);
        }
    }
    return v->access(vcpu, a);
}

static const IrHelper note_store_row = {
    .name = "note_store",
    .fn = note_store,
    .result = IR_VOID,
    .n_args = 2,
    .arg = { IR_I64, IR_I64 },
    .effects = IR_MEM_R | IR_STATE_R | IR_TRAPS,
};

bool check_start(void)
{
    unsigned n = tr.frontend->guest->n_helpers;
    IrHelper *helpers = calloc(n + 1, sizeof(*helpers));

    ir_opt_verifies = true;
    journal = malloc(JOURNAL_MAX * sizeof(*journal));
    if (!helpers || !journal) {
        free(helpers);
        return false;
    }
    if (n) {
        memcpy(helpers, tr.frontend->guest->helpers, n * sizeof(*helpers));
    }
    helpers[n] = note_store_row;
    guest = *tr.frontend->guest;
    guest.helpers = helpers;
    guest.n_helpers = n + 1;
    tr.helpers[n] = note_store;
    return true;
}

/* ---- The interpreter's copy ---- */

static uint64_t stored_bytes(const IrInsn *i)
{
    if (i->op == IR_OP_store) {
        return UINT64_C(1) << (i->aux & IR_MEM_SIZE);
    }
    return i->op == IR_OP_amo || i->op == IR_OP_cas ? ir_bits(i->type) / 8 : 0;
}

static void insert_call(IrFunc *f, IrBlockId block, IrRef at, uint64_t size)
{
    IrRef args[2] = { 0, 0 };

    if (size) {
        IrInsn add = { .op = IR_OP_add, .type = IR_I64 };

        add.arg[0] = ir_insn(f, at)->arg[0];
        add.arg[1] = ir_insert_before(
            f, block, at,
            (IrInsn){ .op = IR_OP_const, .type = IR_I64, .imm = ir_insn(f, at)->imm });
        args[0] = ir_insert_before(f, block, at, add);
    } else {
        args[0] = ir_insert_before(f, block, at, (IrInsn){ .op = IR_OP_const, .type = IR_I64 });
    }
    args[1] = ir_insert_before(f, block, at,
                               (IrInsn){ .op = IR_OP_const, .type = IR_I64, .imm = (int64_t)size });
    ir_insert_before(f, block, at,
                     (IrInsn){ .op = IR_OP_call,
                               .type = IR_VOID,
                               .arg = { args[0], args[1] },
                               .imm = guest.n_helpers - 1 });
}

/* False when `i` makes the whole unit one that cannot be compared. */
static bool instrument(IrFunc *f, IrBlockId block, IrRef ref)
{
    const IrInsn *i = ir_insn(f, ref);
    uint64_t size = tr.system ? 0 : stored_bytes(i);

    if (i->op == IR_OP_call) {
        return !(ir_effects(f, i) & (tr.system ? IR_MEM_W | IR_STATE_W | IR_TRAPS : IR_MEM_W));
    }
    if (size || i->op == IR_OP_safepoint) {
        insert_call(f, block, ref, size);
    }
    return true;
}

void check_compile_locked(IrFunc *f, TrUnit *unit)
{
    BeOptions options = { .no_link = true, .memory = tr.system ? BE_MEM_call : BE_MEM_host };
    BeCode *code = ARENA_NEW(tr.units, BeCode, 1);

    f->guest = &guest;
    for (IrBlockId b = 0; b < f->n_blocks; b++) {
        IR_FOR_EACH(f, b, ref)
        {
            if (!instrument(f, b, ref)) {
                return;
            }
        }
    }
    if (tr.oracle->compile(NULL, f, &options, code) == BE_OK) {
        unit->oracle = code;
    }
}

/* ---- Comparing ---- */

static void run(TrVcpu *v, const Backend *backend, const BeCode *code, Outcome *out)
{
    sigjmp_buf raise, *outer = v->vcpu.raise;

    v->vcpu.raise = &raise;
    interpreted = backend == tr.oracle ? v : NULL;
    out->given_up = false;
    switch (sigsetjmp(raise, 0)) {
    case 0:
        v->entered = 1;
        backend->enter(&v->vcpu, code);
        break;
    case GIVEN_UP:
        out->given_up = true;
        /* fallthrough */
    default:
        if (backend->raised) {
            backend->raised(&v->vcpu);
        }
    }
    interpreted = NULL;
    v->entered = 0;
    v->vcpu.raise = outer;
    out->trap = v->vcpu.exit_trap;
    memcpy(&out->state, &v->vcpu, STATE_SIZE);
}

static void undo(void)
{
    for (size_t i = 0; i < n_journal; i++) {
        Stored *s = &journal[i];

        memcpy(s->after, (const void *)(uintptr_t)s->addr, s->size);
    }
    for (size_t i = n_journal; i-- > 0;) {
        const Stored *s = &journal[i];

        if (memcmp((const void *)(uintptr_t)s->addr, s->before, s->size) != 0) {
            memcpy((void *)(uintptr_t)s->addr, s->before, s->size);
        }
    }
}

static bool same_memory(uint64_t *where)
{
    for (size_t i = 0; i < n_journal; i++) {
        const Stored *s = &journal[i];

        if (memcmp(s->after, (const void *)(uintptr_t)s->addr, s->size) != 0) {
            *where = s->addr;
            return false;
        }
    }
    return true;
}

/* Far exits of a machine look up what direct ones would be linked to. */
static IrTrap way_out(IrTrap trap)
{
    return tr.system && trap == IR_TRAP_lookup ? IR_TRAP_none : trap;
}

/* What differs, as text; NULL when nothing does. */
static const char *difference(const Outcome *want, const Outcome *got, uint64_t *where)
{
    const Vcpu *a = &want->state, *b = &got->state;

    for (unsigned i = 0; i < guest.n_slots; i++) {
        if (a->slot[i] != b->slot[i] && guest.slots[i].name) {
            *where = i;
            return guest.slots[i].name;
        }
    }
    if (way_out(want->trap) != way_out(got->trap)) {
        return "the trap";
    }
    if (a->pc != b->pc) {
        return "pc";
    }
    if (a->fp_flags != b->fp_flags || a->fp_rm != b->fp_rm) {
        return "floating-point flags or rounding mode";
    }
    return same_memory(where) ? NULL : "memory";
}

static void show_state(const char *title, const Outcome *o)
{
    static Vcpu whole;
    char text[4096];

    memcpy(&whole, &o->state, STATE_SIZE);
    tr.frontend->dump(&whole, text, sizeof(text));
    dprintf(log_fd(), "%s: trap %s, pc %#llx, fp flags %#x\n%s", title, ir_trap_name(o->trap),
            (unsigned long long)o->state.pc, o->state.fp_flags, text);
}

_Noreturn static void report(const TrUnit *unit, const char *what, uint64_t where,
                             const Outcome outcome[3])
{
    dprintf(log_fd(), "ketch: --check: the tiers differ in %s (%#llx) after the unit at %#llx\n",
            what, (unsigned long long)where, (unsigned long long)unit->pc);
    show_state("before", &outcome[0]);
    show_state("interpreter", &outcome[1]);
    show_state("compiled", &outcome[2]);
    log_mask |= 1u << LOG_in | 1u << LOG_opt | 1u << LOG_out | 1u << LOG_ir;
    dump_code(LOG_in, unit);
    unit_show_ir(unit);
    dump_host(unit);
    if (tr.system) {
        exit(1); /* the terminal is put right */
    }
    _exit(1);
}

/* All but exit_req, which others set. */
static void put_back(Vcpu *vcpu, const Vcpu *state)
{
    size_t after = offsetof(Vcpu, exit_req) + sizeof(vcpu->exit_req);

    memcpy(vcpu, state, offsetof(Vcpu, exit_req));
    memcpy((char *)vcpu + after, (const char *)state + after, STATE_SIZE - after);
}

static bool is_comparable(const Outcome outcome[3])
{
    return !outcome[1].given_up && outcome[2].trap != IR_TRAP_interrupt && outcome[2].trap != IR_TRAP_hot &&
           outcome[2].trap != IR_TRAP_again && outcome[2].trap != IR_TRAP_guard;
}

IrTrap check_enter(TrVcpu *v, TrUnit *unit)
{
    static Outcome outcome[3];
    const char *what = NULL;
    uint64_t where = 0;

    memcpy(&outcome[0].state, &v->vcpu, STATE_SIZE);
    for (unsigned n = 0; n < TRIES; n++) {
        n_journal = n_rounds = 0;
        run(v, tr.oracle, unit->oracle, &outcome[1]);
        if (outcome[1].trap == IR_TRAP_interrupt && !outcome[1].given_up) {
            return IR_TRAP_interrupt; /* as good as any: a long loop goes on from there */
        }
        undo();
        put_back(&v->vcpu, &outcome[0].state);
        run(v, tr.backend, &unit->code, &outcome[2]);
        what = is_comparable(outcome) ? difference(&outcome[1], &outcome[2], &where) : NULL;
        if (!what) {
            return outcome[2].trap;
        }
        undo();
        put_back(&v->vcpu, &outcome[0].state);
    }
    report(unit, what, where, outcome);
}
