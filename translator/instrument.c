/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Blocks as the client sees them, the words of vcpus, and the calls that translated code makes.
 *
 * A block's extent is known before it is translated, from the shapes of its instructions.  Where
 * that turns out wrong (an encoding that decodes and is illegal) the address
 * is noted in `stops` and the unit is made again, with a block that ends there.
 */
#include "translator/instrument.h"

#include <string.h>
#include <xmmintrin.h>

#include "base/bits.h"
#include "translator/instrument_ir.h"
#include "translator/source.h"

enum {
    PAGE = 4096,
    FIRST_SIZE = 1 << 9,
    STOPS = 256,  /* chains */
    MEMORY_RATIO = 4,
    HOST_CSR = 0x1f80, /* MXCSR as C code expects it */
    CSR_FLAGS = 0x3f,
    CALL_EFFECTS = IR_MEM_R | IR_MEM_W | IR_WORDS,
};

/* An instruction that ends its block although the shapes do not say so. */
typedef struct Stop {
    struct Stop *next;
    uint64_t pc;
    uint32_t page; /* of a machine: as the low half of TrPage */
} Stop;

/* All blocks: each at the first free place from that of its pc on, at most every second place taken. */
static struct {
    uint32_t *tag; /* see tag_of(); 0: free */
    TrBlock **block;
    size_t size; /* a power of two */
    size_t n;
} table;

static Stop *stops[STOPS];
static Arena *memory;
static const TrAction *latest; /* that was kept */
static TrStep *alone; /* the last list of one step */
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
enum { WORD_SLOTS = 4, WORD_ALIGN = 16 };

_Static_assert(sizeof(TrVcpu) % WORD_ALIGN == 0, "what is behind it is aligned");

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

/* Where `size` bytes go in the slots when `used` are taken: aligned as the type that they may be. */
static uint32_t place_in_slots(uint32_t used, size_t size)
{
    uint32_t first = words.first_slot * 8;

    return (uint32_t)bits_align_up(first + used, size % WORD_ALIGN ? 8 : WORD_ALIGN) - first;
}

uint32_t tr_vcpu_reserve(size_t size)
{
    uint32_t used = atomic_load(&words.slot_bytes), place;
    size_t at;

    size = bits_align_up(size < words.all ? size : words.all, 8);
    while ((place = place_in_slots(used, size)) + size <= WORD_SLOTS * 8) {
        if (atomic_compare_exchange_weak(&words.slot_bytes, &used, place + (uint32_t)size)) {
            return words.first_slot * 8 + place;
        }
    }
    at = atomic_fetch_add(&words.bytes, bits_align_up(size, WORD_ALIGN));
    return at + size < words.all ? (uint32_t)(sizeof(TrVcpu) + at) : UINT32_MAX;
}

bool instrument_slot(int64_t offset, unsigned *slot)
{
    *slot = (unsigned)(offset / 8);
    return offset % 8 == 0 && *slot >= words.first_slot && *slot < words.first_slot + WORD_SLOTS;
}

/* ---- The table of blocks ---- */

static void table_start(size_t size)
{
    table.size = size;
    table.n = 0;
    table.tag = ARENA_NEW(memory, uint32_t, size);
    table.block = ARENA_NEW(memory, TrBlock *, size);
}

/* Nearly all blocks with other pcs have other tags, so they need not be looked at. */
static uint32_t tag_of(uint64_t pc)
{
    return (uint32_t)(pc >> 1) | UINT32_C(1) << 31;
}

static size_t place_of(uint64_t pc)
{
    return (pc >> 1) & (table.size - 1);
}

static size_t place_after(size_t at)
{
    return (at + 1) & (table.size - 1);
}

static void table_put(TrBlock *b)
{
    size_t at = place_of(b->pc);

    while (table.tag[at]) {
        at = place_after(at);
    }
    table.tag[at] = tag_of(b->pc);
    table.block[at] = b;
    table.n++;
}

/* The smaller ones stay in the arena: together they are a third of it. */
static void table_grow(void)
{
    TrBlock **old = table.block;
    size_t size = table.size;

    table_start(size * 4);
    for (size_t i = 0; i < size; i++) {
        if (old[i]) {
            table_put(old[i]);
        }
    }
}

static void table_insert(TrBlock *b)
{
    if (table.n == table.size / 2) {
        table_grow();
    }
    table_put(b);
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
    table_start(FIRST_SIZE);
    return true;
}

void instrument_forget(void)
{
    memset(stops, 0, sizeof(stops));
    latest = NULL;
    alone = NULL;
    arena_reset(memory, memory_empty);
    table_start(FIRST_SIZE);
}

/* ---- What the client adds ---- */

static bool same_word(const TrWord *a, const TrWord *b)
{
    return a->offset == b->offset && a->host == b->host;
}

/* By members: reading more than one of what was just written at once would wait for the writes. */
static bool same(const TrAction *a, const TrAction *b)
{
    return a->what == b->what && a->mask == b->mask && a->imm == b->imm && same_word(&a->word, &b->word) &&
           a->data == b->data && a->call == b->call && a->access == b->access && a->emit == b->emit &&
           a->regs == b->regs && a->only_when == b->only_when && a->if_not == b->if_not &&
           same_word(&a->if_word, &b->if_word) && a->if_imm == b->if_imm && a->owner == b->owner;
}

/* Most are as the one before: instructions that are counted, for instance. */
static const TrAction *keep(const TrAction *action)
{
    TrAction *copy;

    if (!latest || !same(latest, action)) {
        copy = ARENA_NEW(memory, TrAction, 1);
        *copy = *action;
        latest = copy;
    }
    return latest;
}

/* A list of one step. */
static TrStep *step_new(const TrAction *action)
{
    TrStep *step = ARENA_NEW(memory, TrStep, 1);

    *step = (TrStep){ step, action };
    return step;
}

/* Lists of one step are the same one where they do the same, until a second one comes. */
static void append(TrActions *list, const TrAction *action)
{
    const TrAction *kept = keep(action);
    TrStep *step;

    if (!list->last) {
        if (!alone || alone->action != kept) {
            alone = step_new(kept);
        }
        list->last = alone;
        return;
    }
    if (list->last->next == list->last) {
        list->last = step_new(list->last->action);
    }
    step = step_new(kept);
    step->next = list->last->next;
    list->last->next = step;
    list->last = step;
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

static bool stops_at(uint64_t pc)
{
    const Stop *s = stops[(pc >> 1) % STOPS];
    uint32_t page = s ? (uint32_t)source_page_of(pc) : 0;

    while (s && (s->pc != pc || s->page != page)) {
        s = s->next;
    }
    return s != NULL;
}

void instrument_stop_locked(uint64_t pc)
{
    Stop **chain = &stops[(pc >> 1) % STOPS], *s = ARENA_NEW(memory, Stop, 1);

    *s = (Stop){ *chain, pc, (uint32_t)source_page_of(pc) };
    *chain = s;
}

/* What a scan finds, on the way to a TrBlock. */
typedef struct Scan {
    const TrBlock *found; /* NULL: none yet */
    uint64_t pc;
    unsigned n;
    uint32_t size;   /* bytes of the guest's */
    uint32_t padded; /* bytes at `bytes`: plugins of version 1 read whole words */
    FeShape shape[SOURCE_INSNS];
    uint8_t bytes[2 * PAGE + SOURCE_INSN_BYTES];
} Scan;

static Scan scanned; /* under tr.lock */

static bool starts_here(const Scan *s, uint64_t at, const FeShape *shape)
{
    if (!shape->length || (!source.bare && debug_breaks_locked(at, 1))) {
        return false;
    }
    return s->n == 0 || (at + shape->length - 1) / PAGE == s->pc / PAGE;
}

/* An instruction's bytes in whole words. */
static uint32_t padded(uint32_t length)
{
    return (uint32_t)bits_align_up(length, 4);
}

static void scan_insn(Scan *s, const FeShape *shape)
{
    uint8_t *to = s->bytes + s->padded;

    memset(to + padded(shape->length) - 4, 0, 4);
    source_copy_insn(to, source.c.bytes, shape->length);
    s->shape[s->n++] = *shape;
    s->size += shape->length;
    s->padded += padded(shape->length);
}

static void scan(Scan *s, uint64_t pc, unsigned max)
{
    uint64_t at = pc;
    FeShape shape = { 0 };

    s->found = NULL;
    s->pc = pc;
    s->n = 0;
    s->size = s->padded = 0;
    while (s->n < max && shape.kind == FE_PLAIN && (s->n == 0 || at / PAGE == pc / PAGE)) {
        bool last = stops_at(at);

        shape = source_look(at);
        if (!starts_here(s, at, &shape)) {
            break;
        }
        scan_insn(s, &shape);
        at += shape.length;
        if (last) {
            break;
        }
    }
}

static TrBlock *block_new(const Scan *s)
{
    TrBlock *b = ARENA_NEW(memory, TrBlock, 1);
    uint64_t pc = s->pc;
    uint32_t at = 0;

    *b = (TrBlock){ .pc = s->pc, .page = source_page_of(s->pc), .n_insns = s->n, .size = s->size };
    b->bytes = arena_alloc(memory, s->padded);
    memcpy(b->bytes, s->bytes, s->padded);
    b->insn = ARENA_NEW(memory, TrInsn, s->n);
    for (unsigned i = 0; i < s->n; i++) {
        uint32_t length = s->shape[i].length;

        b->insn[i] = (TrInsn){ .block = b, .pc = pc, .bytes_at = at, .size = length };
        pc += length;
        at += padded(length);
    }
    return b;
}

static bool is_block(const TrBlock *b, const Scan *s, TrPage page)
{
    return b->pc == s->pc && b->page == page && b->n_insns == s->n && b->size == s->size &&
           memcmp(b->bytes, s->bytes, s->padded) == 0;
}

static TrBlock *block_find(const Scan *s)
{
    TrPage page = source_page_of(s->pc);
    uint32_t tag = tag_of(s->pc);

    for (size_t at = place_of(s->pc); table.tag[at]; at = place_after(at)) {
        if (table.tag[at] == tag && is_block(table.block[at], s, page)) {
            return table.block[at];
        }
    }
    return NULL;
}

TrBlock *instrument_block_locked(uint64_t pc, unsigned max)
{
    TrBlock *b;

    scan(&scanned, pc, max);
    if (scanned.n == 0) {
        return NULL;
    }
    b = block_find(&scanned);
    if (!b) {
        b = block_new(&scanned);
        table_insert(b);
        tr.config.instrument->block(b);
    }
    scanned.found = b;
    return b;
}

const FeShape *instrument_shape(const TrInsn *insn)
{
    const TrBlock *b = insn->block;

    return b == scanned.found ? &scanned.shape[insn - b->insn] : NULL;
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
