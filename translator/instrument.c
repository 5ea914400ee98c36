/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Blocks as the client sees them, the words of vcpus, and the calls that translated code makes.
 *
 * A block's extent is known before it is translated, from the shapes of its instructions.  Where
 * that turns out wrong (an encoding that decodes and is illegal, an LR that must run alone) the
 * address is noted in `stops` and the unit is made again, with a block that ends there.
 */
#include "translator/instrument.h"

#include <string.h>
#include <xmmintrin.h>

#include "base/bits.h"
#include "translator/instrument_ir.h"
#include "translator/source.h"

enum {
    PAGE = 4096,
    TABLE = 1 << 12, /* chains: few pages are touched by a short program */
    STOPS = 256,  /* chains */
    MEMORY_RATIO = 4,
    HOST_CSR = 0x1f80, /* MXCSR as C code expects it */
    CSR_FLAGS = 0x3f,
    CALL_EFFECTS = IR_MEM_R | IR_MEM_W | IR_WORDS,
};

/* Where a block ends although the shapes do not say so. */
typedef struct Stop {
    struct Stop *next;
    uint64_t pc;
    uint32_t page; /* of a machine: as the low half of TrPage */
    bool before; /* before that instruction; else after it */
} Stop;

static TrBlock *table[TABLE];
static Stop *stops[STOPS];
static Arena *memory;
static size_t memory_empty;
static size_t memory_size;
static IrGuest guest; /* the frontend's, with the helpers below */

/* ---- Calls ---- */

/*
 * Calls run with the guest's MXCSR where C code may: rounding to nearest, and every exception that the
 * guest has not raised yet unmasked.  So a call that computes with floats traps, once: from then on
 * calls are made with C's MXCSR, which takes longer than the rest of a short one.
 */
static _Atomic bool floats_in_calls; /* relaxed: each thread may also find out for itself */

static bool borrows_csr(const Vcpu *vcpu)
{
    return vcpu->fp_unmask && vcpu->fp_rm == IR_RM_RNE &&
           !atomic_load_explicit(&floats_in_calls, memory_order_relaxed);
}

void instrument_fp_trap(TrVcpu *v, uint32_t *csr)
{
    atomic_store_explicit(&floats_in_calls, true, memory_order_relaxed);
    v->borrowed_csr = *csr & ~CSR_FLAGS;
    *csr = HOST_CSR;
}

static void begin(TrVcpu *v, const TrAction *action, unsigned *csr)
{
    v->action = action;
    *csr = 0;
    if (!borrows_csr(&v->vcpu)) {
        *csr = _mm_getcsr();
        _mm_setcsr(HOST_CSR);
    }
}

static void end(TrVcpu *v, unsigned csr)
{
    v->action = NULL;
    if (v->borrowed_csr) {
        csr = v->borrowed_csr;
        v->borrowed_csr = 0;
    }
    if (csr) {
        _mm_setcsr(csr);
    }
}

/* IrHelperFn: the call of action `a`. */
static uint64_t run_call(Vcpu *vcpu, uint64_t a, uint64_t b, uint64_t c)
{
    const TrAction *action = (const TrAction *)(uintptr_t)a;
    TrVcpu *v = vcpu->owner;
    unsigned csr;

    (void)b, (void)c;
    begin(v, action, &csr);
    action->call(vcpu->index, action->data);
    end(v, csr);
    return 0;
}

/* IrHelperFn: a memory access, of `value`, at guest address `vaddr`. */
static uint64_t run_access(Vcpu *vcpu, uint64_t a, uint64_t vaddr, uint64_t value)
{
    const InstrumentAccess *access = (const InstrumentAccess *)(uintptr_t)a;
    const TrAction *action = access->action;
    TrVcpu *v = vcpu->owner;
    unsigned csr;

    begin(v, action, &csr);
    v->accessed = value;
    action->access(vcpu->index, access->access, vaddr, action->data);
    end(v, csr);
    return 0;
}

uint64_t instrument_refill(Vcpu *vcpu, uint64_t what, uint64_t word)
{
    const InstrumentRefill *refill = (const InstrumentRefill *)(uintptr_t)what;
    TrVcpu *v = vcpu->owner;
    unsigned csr;

    begin(v, &refill->action, &csr);
    word = refill->fn(vcpu->index, word, refill->action.data);
    end(v, csr);
    return word;
}

/* After the frontend's helpers, in this order: calls by TrRegs, accesses by TrRegs. */
enum { HELPERS = 2 * TR_REGS_COUNT };

static const uint32_t regs_effects[TR_REGS_COUNT] = {
    [TR_REGS_none] = CALL_EFFECTS,
    [TR_REGS_read] = CALL_EFFECTS | IR_STATE_R,
    [TR_REGS_write] = CALL_EFFECTS | IR_STATE_R | IR_STATE_W,
};

static const char *const helper_names[HELPERS] = {
    "at_insn", "at_insn_r", "at_insn_rw", "at_access", "at_access_r", "at_access_rw",
};

static void set_helpers(IrHelper *rows, IrHelperFn **fns)
{
    for (unsigned k = 0; k < HELPERS; k++) {
        bool access = k >= TR_REGS_COUNT;

        rows[k] = (IrHelper){ .name = helper_names[k],
                              .fn = access ? run_access : run_call,
                              .result = IR_VOID,
                              .n_args = access ? 3 : 1,
                              .arg = { IR_I64, IR_I64, IR_I64 },
                              .effects = regs_effects[k % TR_REGS_COUNT] };
        fns[k] = rows[k].fn;
    }
}

const IrGuest *instrument_guest(void)
{
    return &guest;
}

unsigned instrument_helpers(void)
{
    return HELPERS;
}

/* ---- Words ---- */

/* Slots behind the guest's that are words: so many that a loop can keep them in registers. */
enum { WORD_SLOTS = 4 };

static struct {
    unsigned first_slot;
    _Atomic uint32_t slot_bytes; /* of the slots, reserved */
    _Atomic size_t bytes;        /* behind the TrVcpu, reserved */
    size_t all;
} words;

void tr_vcpu_memory_start(const IrGuest *of, const TrInstrument *client)
{
    words.first_slot = of->n_slots;
    words.all = client->vcpu_memory;
}

uint32_t tr_vcpu_reserve(size_t size)
{
    uint32_t used = atomic_load(&words.slot_bytes);
    size_t at;

    size = bits_align_up(size < words.all ? size : words.all, 8);
    while (used + size <= WORD_SLOTS * 8) {
        if (atomic_compare_exchange_weak(&words.slot_bytes, &used, used + (uint32_t)size)) {
            return words.first_slot * 8 + used;
        }
    }
    at = atomic_fetch_add(&words.bytes, size);
    return at + size < words.all ? (uint32_t)(sizeof(TrVcpu) + at) : UINT32_MAX;
}

bool instrument_slot(int64_t offset, unsigned *slot)
{
    *slot = (unsigned)(offset / 8);
    return offset % 8 == 0 && *slot >= words.first_slot && *slot < words.first_slot + WORD_SLOTS;
}

bool instrument_start(IrHelper *rows, IrHelperFn **fns)
{
    static IrSlot slots[VCPU_SLOTS];
    static const char *const names[WORD_SLOTS] = { "word0", "word1", "word2", "word3" };
    unsigned n = tr.frontend->guest->n_helpers;

    memcpy(rows, tr.frontend->guest->helpers, n * sizeof(*rows));
    set_helpers(rows + n, fns + n);
    guest = *tr.frontend->guest;
    guest.helpers = rows;
    guest.n_helpers = n + HELPERS;
    CHECK(guest.n_slots + WORD_SLOTS <= VCPU_SLOTS, "no slots are left for instrumentation");
    memcpy(slots, guest.slots, guest.n_slots * sizeof(slots[0]));
    for (unsigned k = 0; k < WORD_SLOTS; k++) {
        slots[guest.n_slots + k] = (IrSlot){ names[k], IR_I64 };
    }
    guest.first_word = (uint8_t)guest.n_slots;
    guest.pin_more = (uint8_t)(guest.n_slots + 1);
    guest.n_slots += WORD_SLOTS;
    guest.slots = slots;
    memory_size = tr.config.cache_size * MEMORY_RATIO;
    memory = arena_new(memory_size);
    if (!memory) {
        return false;
    }
    arena_large_pages(memory);
    memory_empty = arena_mark(memory);
    return true;
}

void instrument_forget(void)
{
    memset(table, 0, sizeof(table));
    memset(stops, 0, sizeof(stops));
    arena_reset(memory, memory_empty);
}

/* ---- What the client adds ---- */

/* Many are additions: there is one for each instruction that is counted. */
static void append(TrActions *list, const TrAction *action)
{
    bool is_short = action->what == TR_ADD || action->what == TR_STORE;
    size_t size = is_short ? offsetof(TrAction, regs) : sizeof(*action);
    TrAction *copy = arena_alloc(memory, size);

    memcpy(copy, action, size);
    copy->next = NULL;
    *list->end = copy;
    list->end = &copy->next;
}

void tr_do_at_block(TrBlock *block, const TrAction *action)
{
    append(&block->start, action);
}

void tr_do_at_insn(TrInsn *insn, const TrAction *action)
{
    append(&insn->before, action);
}

void tr_do_at_accesses(TrInsn *insn, const TrAction *action)
{
    append(&insn->accesses, action);
}

/* ---- Blocks ---- */

static const Stop *stop_at(uint64_t pc)
{
    const Stop *s = stops[(pc >> 1) % STOPS];
    uint32_t page = s ? (uint32_t)source_page_of(pc) : 0;

    while (s && (s->pc != pc || s->page != page)) {
        s = s->next;
    }
    return s;
}

void instrument_stop_locked(uint64_t pc, bool before)
{
    Stop **chain = &stops[(pc >> 1) % STOPS], *s = ARENA_NEW(memory, Stop, 1);

    *s = (Stop){ *chain, pc, (uint32_t)source_page_of(pc), before };
    *chain = s;
}

/* What a scan finds, on the way to a TrBlock. */
typedef struct Scan {
    uint64_t pc;
    unsigned n;
    uint32_t size;
    uint8_t length[SOURCE_INSNS];
    uint8_t bytes[PAGE + SOURCE_INSN_BYTES];
} Scan;

static bool starts_here(const Scan *s, uint64_t at, const FeShape *shape, const Stop *stop)
{
    if (!shape->length || (stop && stop->before && !source.c.one_insn) ||
        (!source.bare && debug_breaks_locked(at, 1))) {
        return false;
    }
    return s->n == 0 || (at + shape->length - 1) / PAGE == s->pc / PAGE;
}

static void scan(Scan *s, uint64_t pc, unsigned max)
{
    uint64_t at = pc;
    FeShape shape = { 0 };

    s->pc = pc;
    s->n = 0;
    s->size = 0;
    while (s->n < max && shape.kind == FE_PLAIN && (s->n == 0 || at / PAGE == pc / PAGE)) {
        const Stop *stop = stop_at(at);

        shape = source_look(at);
        if (!starts_here(s, at, &shape, stop)) {
            break;
        }
        source_copy_insn(s->bytes + s->size, source.c.bytes, shape.length);
        s->length[s->n++] = shape.length;
        s->size += shape.length;
        at += shape.length;
        if (stop && !stop->before) {
            break;
        }
    }
}

/* An instruction's bytes in whole words. */
static uint32_t padded(uint32_t length)
{
    return (uint32_t)bits_align_up(length, 4);
}

static uint32_t all_padded(const Scan *s)
{
    uint32_t sum = 0;

    for (unsigned i = 0; i < s->n; i++) {
        sum += padded(s->length[i]);
    }
    return sum;
}

/* Each instruction's bytes by themselves, zeroes behind them: plugins of version 1 read whole words. */
static TrBlock *block_new(const Scan *s)
{
    TrBlock *b = ARENA_NEW(memory, TrBlock, 1);
    uint8_t *own = arena_alloc(memory, all_padded(s));
    uint32_t at = 0;

    *b = (TrBlock){ .pc = s->pc, .page = source_page_of(s->pc), .n_insns = s->n, .size = s->size };
    b->start.end = &b->start.first;
    b->bytes = arena_alloc(memory, s->size);
    memcpy(b->bytes, s->bytes, s->size);
    b->insn = ARENA_NEW(memory, TrInsn, s->n);
    for (unsigned i = 0; i < s->n; i++) {
        TrInsn *insn = &b->insn[i];

        *insn = (TrInsn){ .block = b, .pc = s->pc + at, .bytes = own, .size = s->length[i] };
        source_copy_insn(own, b->bytes + at, s->length[i]);
        own += padded(s->length[i]);
        insn->before.end = &insn->before.first;
        insn->accesses.end = &insn->accesses.first;
        at += s->length[i];
    }
    return b;
}

TrBlock *instrument_block_locked(uint64_t pc, unsigned max)
{
    static Scan s;
    TrBlock **chain = &table[(pc >> 1) % TABLE], *b;
    TrPage page;

    scan(&s, pc, max);
    if (s.n == 0) {
        return NULL;
    }
    page = source_page_of(pc);
    for (b = *chain; b; b = b->next) {
        if (b->pc == pc && b->page == page && b->n_insns == s.n && b->size == s.size &&
            memcmp(b->bytes, s.bytes, s.size) == 0) {
            return b;
        }
    }
    b = block_new(&s);
    b->next = *chain;
    *chain = b;
    tr.config.instrument->block(b);
    return b;
}

Arena *instrument_memory(void)
{
    return memory;
}

bool instrument_is_full_locked(void)
{
    return arena_mark(memory) > memory_size / 2;
}

/* ---- Asking ---- */

const uint8_t *tr_insn_host(const TrInsn *insn)
{
    return tr.system ? system_host(insn->block->page, insn->pc)
                     : (const uint8_t *)(uintptr_t)(insn->pc + tr.config.mem_base);
}

void tr_access_value(uint64_t *low, uint64_t *high)
{
    *low = tr_self ? tr_self->accessed : 0;
    *high = 0;
}

const TrAction *tr_running_action(void)
{
    return tr_self ? tr_self->action : NULL;
}

static bool may(TrRegs least)
{
    const TrAction *a = tr_running_action();

    return a ? a->regs >= least : !tr_self || !tr_self->entered;
}

bool tr_registers_readable(void)
{
    return may(TR_REGS_read);
}

bool tr_registers_writable(void)
{
    return may(TR_REGS_write);
}
