/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Blocks as the client sees them, and the IR of what is to be done in them.
 *
 * A block's extent is known before it is translated, from the shapes of its instructions.  Where
 * that turns out wrong (an encoding that decodes and is illegal, an LR that must run alone) the
 * address is noted in `stops` and the unit is made again, with a block that ends there.
 */
#include "translator/instrument.h"

#include <string.h>
#include <xmmintrin.h>

#include "base/bits.h"
#include "translator/source.h"

enum {
    PAGE = 4096,
    TABLE = 4096, /* chains */
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
    bool before; /* before that instruction; else after it */
} Stop;

/* What a call at a memory access is told, besides the address. */
typedef struct Access {
    const TrAction *action;
    uint32_t access;
} Access;

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
    const Access *access = (const Access *)(uintptr_t)a;
    const TrAction *action = access->action;
    TrVcpu *v = vcpu->owner;
    unsigned csr;

    begin(v, action, &csr);
    v->accessed = value;
    action->access(vcpu->index, access->access, vaddr, action->data);
    end(v, csr);
    return 0;
}

/* What a refill does: the owner and data of an action, and a function. */
typedef struct Refill {
    TrAction action;
    TrRefillFn *fn;
} Refill;

uint64_t instrument_refill(Vcpu *vcpu, uint64_t what, uint64_t word)
{
    const Refill *refill = (const Refill *)(uintptr_t)what;
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
    memory_empty = memory ? arena_mark(memory) : 0;
    return memory != NULL;
}

void instrument_forget(void)
{
    memset(table, 0, sizeof(table));
    memset(stops, 0, sizeof(stops));
    arena_reset(memory, memory_empty);
}

/* ---- What the client adds ---- */

static void append(TrActions *list, const TrAction *action)
{
    TrAction *copy = ARENA_NEW(memory, TrAction, 1);

    *copy = *action;
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

    while (s && s->pc != pc) {
        s = s->next;
    }
    return s;
}

void instrument_stop_locked(uint64_t pc, bool before)
{
    Stop **chain = &stops[(pc >> 1) % STOPS], *s = ARENA_NEW(memory, Stop, 1);

    *s = (Stop){ *chain, pc, before };
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

static bool starts_here(const Scan *s, uint64_t at, const FeShape *shape)
{
    const Stop *stop = stop_at(at);

    if (!shape->length || (stop && stop->before && !source.c.one_insn)) {
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
        if (!starts_here(s, at, &shape)) {
            break;
        }
        memcpy(s->bytes + s->size, source.c.bytes, shape.length);
        s->length[s->n++] = shape.length;
        s->size += shape.length;
        at += shape.length;
        if (stop && !stop->before) {
            break;
        }
    }
}

/* Each instruction's bytes by themselves, zeroes behind them: plugins of version 1 read whole words. */
static TrBlock *block_new(const Scan *s)
{
    TrBlock *b = ARENA_NEW(memory, TrBlock, 1);
    uint8_t *own = arena_alloc(memory, (size_t)s->n * SOURCE_INSN_BYTES);
    uint32_t at = 0;

    *b = (TrBlock){ .pc = s->pc, .n_insns = s->n, .size = s->size };
    b->start.end = &b->start.first;
    b->bytes = arena_alloc(memory, s->size);
    memcpy(b->bytes, s->bytes, s->size);
    b->insn = ARENA_NEW(memory, TrInsn, s->n);
    for (unsigned i = 0; i < s->n; i++) {
        TrInsn *insn = &b->insn[i];

        *insn = (TrInsn){ .block = b, .pc = s->pc + at, .bytes = own, .size = s->length[i] };
        memcpy(own, b->bytes + at, s->length[i]);
        own += SOURCE_INSN_BYTES;
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

    scan(&s, pc, max);
    if (s.n == 0) {
        return NULL;
    }
    for (b = *chain; b; b = b->next) {
        if (b->pc == pc && b->n_insns == s.n && b->size == s.size &&
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

bool instrument_is_full_locked(void)
{
    return arena_mark(memory) > memory_size / 2;
}

/* ---- IR ---- */

static unsigned helper_of(const TrAction *a, bool access)
{
    return tr.frontend->guest->n_helpers + (access ? TR_REGS_COUNT : 0) + a->regs;
}

static IrRef pointer(IrBuild *b, const void *p)
{
    return ir_const(b, IR_I64, (uint64_t)(uintptr_t)p);
}

/* Where IR goes that is to come after an insn which is in the list already. */
typedef struct Cursor {
    IrFunc *f;
    IrBlockId block; /* the one that the builder is in */
    IrRef next;      /* insert before this; 0: at the end of `block` */
} Cursor;

static IrRef put(const Cursor *c, IrInsn insn)
{
    return c->next ? ir_insert_before(c->f, c->block, c->next, insn)
                   : ir_append(c->f, c->block, insn);
}

/* The call in a block of its own; the builder goes on where both ways meet.  Constants are made
 * in front of the branch, so that they are known behind it. */
static void emit_call_when(IrBuild *b, IrRef cond, const TrAction *a)
{
    IrFunc *f = b->f;
    IrRef arg = pointer(b, a);
    IrBlockId yes = ir_block_new(f, b->now_pc), join = ir_block_new(f, b->now_pc);

    ir_brif(b, cond, a->if_not ? join : yes, a->if_not ? yes : join);
    ir_append(f, yes, (IrInsn){ .op = IR_OP_call, .imm = helper_of(a, false), .arg = { arg } });
    ir_append(f, yes, (IrInsn){ .op = IR_OP_br, .imm = ir_edge_new(f, join) });
    if (a->regs == TR_REGS_write) {
        ir_build_at(b, f, join);
    } else {
        ir_build_follow(b, join);
    }
}

/* ---- IR of the client's own ---- */

struct TrEmit {
    IrBuild *builder; /* at blocks and instructions, NULL at accesses */
    Cursor cursor;    /* at accesses */
    bool conditional;
};

static void emit_ir(TrEmit e, const TrEmitAccess *access, const TrAction *a)
{
    a->emit(&e, access, a->data);
}

IrRef tr_emit(TrEmit *e, IrInsn insn)
{
    Cursor end = { .block = 0 };

    if (e->builder) {
        end = (Cursor){ e->builder->f, e->builder->block, 0 };
    }
    return put(e->builder ? &end : &e->cursor, insn);
}

IrType tr_emit_type(const TrEmit *e, IrRef value)
{
    return ir_insn(e->builder ? e->builder->f : e->cursor.f, value)->type;
}

IrRef tr_emit_refill(TrEmit *e, IrRef word, uint32_t mask, TrRefillFn *fn, void *data, void *owner)
{
    Refill *refill = ARENA_NEW(memory, Refill, 1);
    IrInsn what = { .op = IR_OP_const, .type = IR_I64, .imm = (int64_t)(uintptr_t)refill };

    *refill = (Refill){ { .what = TR_CALL, .data = data, .owner = owner }, fn };
    return tr_emit(e, (IrInsn){ .op = IR_OP_refill, .type = IR_I64, .imm = mask,
                                .arg = { word, tr_emit(e, what) } });
}

IrRef tr_emit_root(const TrEmit *e, IrRef value, int64_t *more)
{
    const IrFunc *f = e->builder ? e->builder->f : e->cursor.f;
    const IrInsn *i = &f->insn[value];
    uint64_t sum = 0;

    while (i->op == IR_OP_add && f->insn[i->arg[1]].op == IR_OP_const) {
        sum += (uint64_t)f->insn[i->arg[1]].imm;
        value = i->arg[0];
        i = &f->insn[value];
    }
    if (i->op == IR_OP_const) {
        sum += (uint64_t)i->imm;
        value = 0;
    }
    *more = (int64_t)sum;
    return value;
}

bool tr_emit_conditional(const TrEmit *e)
{
    return e->conditional;
}

bool tr_emit_between_insns(const TrEmit *e)
{
    return e->builder != NULL;
}

IrRef tr_emit_register(TrEmit *e, unsigned slot)
{
    return ir_get(e->builder, slot);
}

void tr_emit_call_if(TrEmit *e, IrRef condition, const TrAction *action)
{
    TrAction *copy = ARENA_NEW(memory, TrAction, 1);

    *copy = *action;
    emit_call_when(e->builder, condition, copy);
}

/* ---- Blocks and instructions ---- */

static void emit_word(IrBuild *b, const TrAction *a)
{
    IrRef imm = ir_const(b, IR_I64, a->imm);

    if (a->what == TR_STORE) {
        ir_ststate(b, a->word.offset, imm);
    } else if (a->word.host) {
        ir_addhost(b, pointer(b, a->word.host), imm);
    } else {
        ir_addstate(b, a->word.offset, imm);
    }
}

static void emit_call_if(IrBuild *b, const TrAction *a)
{
    IrRef word = ir_ldstate(b, IR_I64, a->if_word.offset);

    emit_call_when(b, ir_op2(b, a->only_when, IR_I1, word, ir_const(b, IR_I64, a->if_imm)), a);
}

static void emit_actions(const TrActions *list, const TrInsn *insn)
{
    IrBuild *b = &source.c.b;

    if (list->first) {
        ir_mark(b, insn->pc, insn->size); /* calls see its pc */
    }
    for (const TrAction *a = list->first; a; a = a->next) {
        if (a->what == TR_IR) {
            emit_ir((TrEmit){ .builder = b }, NULL, a);
        } else if (a->what != TR_CALL) {
            emit_word(b, a);
        } else if (a->only_when) {
            emit_call_if(b, a);
        } else {
            ir_call(b, helper_of(a, false), pointer(b, a), 0, 0);
        }
    }
}

void instrument_start_of_block(const TrBlock *block)
{
    emit_actions(&block->start, &block->insn[0]);
}

void instrument_before_insn(const TrInsn *insn)
{
    emit_actions(&insn->before, insn);
}

/* ---- Memory accesses ---- */

static IrRef put_const(const Cursor *c, IrType type, uint64_t v)
{
    return put(c, (IrInsn){ .op = IR_OP_const, .type = (uint8_t)type, .imm = (int64_t)v });
}

static IrRef put2(const Cursor *c, IrOp op, IrType type, IrRef a, IrRef b)
{
    return put(c, (IrInsn){ .op = (uint8_t)op, .type = (uint8_t)type, .arg = { a, b } });
}

/* The bits of any value as an I64. */
static IrRef put_bits(const Cursor *c, IrRef value)
{
    IrType type = ir_insn(c->f, value)->type;

    if (ir_type_info[type].is_float) {
        IrType same = type == IR_F64 ? IR_I64 : type == IR_F32 ? IR_I32 : IR_I16;

        value = put2(c, IR_OP_bitcast, same, value, 0);
        type = same;
    }
    return type == IR_I64 ? value : put2(c, IR_OP_zext, IR_I64, value, 0);
}

static IrRef put_address(const Cursor *c, const IrInsn *access)
{
    IrRef base = access->arg[0];
    int64_t disp = access->op == IR_OP_load || access->op == IR_OP_store ? access->imm : 0;

    return disp ? put2(c, IR_OP_add, IR_I64, base, put_const(c, IR_I64, (uint64_t)disp)) : base;
}

static void put_word(const Cursor *c, const TrAction *a)
{
    IrRef imm = put_const(c, IR_I64, a->imm);
    int64_t at = a->word.offset;

    if (a->what == TR_STORE) {
        put(c, (IrInsn){ .op = IR_OP_ststate, .type = IR_I64, .imm = at, .arg = { imm } });
    } else if (a->word.host) {
        IrRef host = put_const(c, IR_I64, (uint64_t)(uintptr_t)a->word.host);

        put(c, (IrInsn){ .op = IR_OP_addhost, .arg = { host, imm } });
    } else {
        put(c, (IrInsn){ .op = IR_OP_addstate, .imm = at, .arg = { imm } });
    }
}

static void put_access_call(const Cursor *c, const TrAction *a, uint32_t bits, IrRef address,
                            IrRef value)
{
    Access *access = ARENA_NEW(memory, Access, 1);

    *access = (Access){ a, bits };
    put(c, (IrInsn){ .op = IR_OP_call,
                     .imm = helper_of(a, true),
                     .arg = { put_const(c, IR_I64, (uint64_t)(uintptr_t)access), address,
                              put_bits(c, value) } });
}

/* Everything to be done for one load or store of `value`. */
static void put_actions(const Cursor *c, const TrInsn *insn, uint32_t bits, const IrInsn *i,
                        IrRef value)
{
    IrRef address = 0;

    for (const TrAction *a = insn->accesses.first; a; a = a->next) {
        if (!(a->mask & bits)) {
            continue;
        }
        if (a->what == TR_ADD || a->what == TR_STORE) {
            put_word(c, a);
            continue;
        }
        address = address ? address : put_address(c, i);
        if (a->what == TR_IR) {
            TrEmitAccess access = { insn->pc, bits, address, put_bits(c, value) };

            /* A store-conditional without its reservation does nothing. */
            emit_ir((TrEmit){ .cursor = *c, .conditional = i->op == IR_OP_cas }, &access, a);
        } else {
            put_access_call(c, a, bits, address, value);
        }
    }
}

/* What an amo that read `old` has written. */
static IrRef put_new_value(const Cursor *c, const IrInsn *i, IrRef old)
{
    static const IrOp ops[IR_RMW_COUNT] = {
        [IR_RMW_add] = IR_OP_add, [IR_RMW_and] = IR_OP_and,  [IR_RMW_or] = IR_OP_or,
        [IR_RMW_xor] = IR_OP_xor, [IR_RMW_min] = IR_OP_lt,   [IR_RMW_max] = IR_OP_lt,
        [IR_RMW_minu] = IR_OP_ltu, [IR_RMW_maxu] = IR_OP_ltu,
    };
    bool larger = i->aux == IR_RMW_max || i->aux == IR_RMW_maxu;
    IrRef other = i->arg[1], less;

    if (i->aux == IR_RMW_swap) {
        return other;
    }
    if (i->aux <= IR_RMW_xor) {
        return put2(c, ops[i->aux], i->type, old, other);
    }
    less = put2(c, ops[i->aux], IR_I1, old, other);
    return put(c, (IrInsn){ .op = IR_OP_sel, .type = i->type,
                            .arg = { less, larger ? other : old, larger ? old : other } });
}

/* What a compare-and-swap leaves in memory, counted as a store also when it fails. */
static IrRef put_left_value(const Cursor *c, const IrInsn *i, IrRef old)
{
    IrRef same = put2(c, IR_OP_eq, IR_I1, old, i->arg[1]);

    return put(c, (IrInsn){ .op = IR_OP_sel, .type = i->type, .arg = { same, i->arg[2], old } });
}

static unsigned size_of_type(IrType type)
{
    return (unsigned)__builtin_ctz(ir_bits(type) / 8);
}

/* Atomics are a load and then a store, as QEMU reports them. */
static void instrument_atomic(const Cursor *c, const TrInsn *insn, const IrInsn *i, IrRef ref)
{
    unsigned size = size_of_type(i->type);

    put_actions(c, insn, size | TR_ACCESS_LOAD, i, ref);
    put_actions(c, insn, size | TR_ACCESS_STORE, i,
                i->op == IR_OP_amo ? put_new_value(c, i, ref) : put_left_value(c, i, ref));
}

static void instrument_access(const TrInsn *insn, IrRef ref)
{
    IrFunc *f = source.c.b.f;
    Cursor c = { f, source.c.b.block, ir_insn(f, ref)->next };
    IrInsn i = *ir_insn(f, ref); /* the array may move */
    uint32_t bits = i.aux & IR_MEM_SIZE;

    switch (i.op) {
    case IR_OP_load:
        bits |= i.aux & IR_MEM_SIGN ? TR_ACCESS_SIGN : 0;
        put_actions(&c, insn, bits | TR_ACCESS_LOAD, &i, ref);
        break;
    case IR_OP_store:
        put_actions(&c, insn, bits | TR_ACCESS_STORE, &i, i.arg[1]);
        break;
    case IR_OP_amo: case IR_OP_cas:
        instrument_atomic(&c, insn, &i, ref);
        break;
    default:
        break;
    }
}

void instrument_accesses(const TrInsn *insn, IrRef first)
{
    uint32_t end = source.c.b.f->n_insns;

    for (IrRef ref = first; insn->accesses.first && ref < end; ref++) {
        instrument_access(insn, ref);
    }
}

/* ---- Asking ---- */

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
