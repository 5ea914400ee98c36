/* SPDX-License-Identifier: Apache-2.0 */
/*
 * --check: every unit runs twice from the same state, first in the interpreter from the IR as the
 * frontend made it, then as compiled.  A helper that the interpreter's copy calls before each
 * store keeps what was there, so that its stores can be undone.  Others are stopped meanwhile.
 *
 * A difference must show three times: memory may also change from outside, by the kernel or by
 * another process.
 *
 * Not compared: what a run did that was asked to leave (the two may be asked at different places),
 * and units that call helpers which write memory or whose results differ each time.
 */
#include "translator/state.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/bits.h"

enum {
    JOURNAL_MAX = 1 << 16, /* stores; a loop that makes more is left at its next safepoint */
    ROUNDS_MAX = 1 << 20,  /* passes of safepoints, for loops that wait for somebody */
    ROUNDS_POLITE = 256, /* passes after which somebody else may run */
    TRIES = 3,
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
} Outcome;

enum { STATE_SIZE = offsetof(Vcpu, jump_cache) };

static Stored *journal;
static size_t n_journal, n_rounds;
static IrGuest guest; /* the frontend's, with one helper more */

/* IrHelperFn: `size` bytes at guest address `addr` are about to be written; 0: a safepoint. */
static uint64_t note_store(Vcpu *vcpu, uint64_t addr, uint64_t size, uint64_t unused)
{
    Stored *s = &journal[n_journal];

    (void)unused;
    if (size == 0) {
        if (++n_rounds >= ROUNDS_MAX || n_journal >= JOURNAL_MAX / 2 ||
            (n_rounds % ROUNDS_POLITE == 0 && exclusive_wanted())) {
            atomic_store(&vcpu->exit_req, 1);
        }
        return 0;
    }
    if (n_journal == JOURNAL_MAX) {
        return 0;
    }
    *s = (Stored){ .addr = addr + vcpu->mem_base, .size = (uint32_t)size };
    memcpy(s->before, (const void *)(uintptr_t)s->addr, size);
    n_journal++;
    return 0;
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
    uint64_t size = stored_bytes(i);

    if (i->op == IR_OP_call) {
        return !(ir_effects(f, i) & IR_MEM_W);
    }
    if (size || i->op == IR_OP_safepoint) {
        insert_call(f, block, ref, size);
    }
    return true;
}

void check_compile_locked(IrFunc *f, TrUnit *unit)
{
    BeOptions options = { .no_link = true };
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
    if (sigsetjmp(raise, 0) == 0) {
        v->entered = 1;
        backend->enter(&v->vcpu, code);
    } else if (backend->raised) {
        backend->raised(&v->vcpu);
    }
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
    if (want->trap != got->trap) {
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
    return outcome[1].trap != IR_TRAP_interrupt && outcome[2].trap != IR_TRAP_interrupt &&
           outcome[2].trap != IR_TRAP_hot && outcome[2].trap != IR_TRAP_again;
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
