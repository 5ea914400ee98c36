/* SPDX-License-Identifier: Apache-2.0 */
/* The IR of what a client does in a block: calls, words, what it appends itself. */
#include "translator/instrument_ir.h"

#include "translator/source.h"

/* ---- IR ---- */

static const TrStep *first_of(const TrActions *list)
{
    return list->last ? list->last->next : NULL;
}

static const TrStep *after(const TrActions *list, const TrStep *step)
{
    return step != list->last ? step->next : NULL;
}

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
    InstrumentRefill *refill = ARENA_NEW(instrument_memory(), InstrumentRefill, 1);
    IrInsn what = { .op = IR_OP_const, .type = IR_I64, .imm = (int64_t)(uintptr_t)refill };

    *refill = (InstrumentRefill){ { .what = TR_CALL, .data = data, .owner = owner }, fn };
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

bool tr_emit_alone(const TrEmit *e)
{
    (void)e;
    return source.bare;
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
    TrAction *copy = ARENA_NEW(instrument_memory(), TrAction, 1);

    *copy = *action;
    emit_call_when(e->builder, condition, copy);
}

/* ---- Blocks and instructions ---- */

/* The last addition to a word that was emitted here. */
typedef struct Sum {
    TrWord word;
    IrBlockId block;
    IrRef insn, amount;
} Sum;

enum { SUMS = 8 };

static Sum sums[SUMS]; /* under tr.lock */
static unsigned n_sums;

void instrument_begin(void)
{
    n_sums = 0;
}

static Sum *sum_of(const TrWord *word)
{
    for (unsigned k = 0; k < n_sums; k++) {
        if (sums[k].word.host == word->host && sums[k].word.offset == word->offset) {
            return &sums[k];
        }
    }
    return NULL;
}

/* Nothing that was made after insn `ref` can see a word, or leave. */
static bool is_unseen_since(const IrFunc *f, IrRef ref)
{
    for (const IrInsn *i = &f->insn[ref + 1]; i < &f->insn[f->n_insns]; i++) {
        if (ir_op_info[i->op].effects & (IR_CALL | IR_TRAPS | IR_TERM) || i->op == IR_OP_ldstate ||
            i->op == IR_OP_ststate || i->op == IR_OP_refill) {
            return false;
        }
    }
    return true;
}

/* The amount is a constant of its own, so that it can grow. */
static void emit_addition(IrBuild *b, const TrAction *a)
{
    IrFunc *f = b->f;
    Sum *sum = sum_of(&a->word);
    IrRef amount;

    if (sum && sum->block == b->block && is_unseen_since(f, sum->insn)) {
        ir_insn(f, sum->amount)->imm += (int64_t)a->imm;
        return;
    }
    amount = ir_append(f, b->block, (IrInsn){ .op = IR_OP_const, .type = IR_I64, .imm = (int64_t)a->imm });
    if (a->word.host) {
        ir_addhost(b, pointer(b, a->word.host), amount);
    } else {
        ir_addstate(b, (unsigned)a->word.offset, amount);
    }
    sum = sum ? sum : n_sums < SUMS ? &sums[n_sums++] : NULL;
    if (sum) {
        *sum = (Sum){ a->word, b->block, f->block[b->block].last, amount };
    }
}

static void emit_word(IrBuild *b, const TrAction *a)
{
    if (a->what == TR_ADD) {
        emit_addition(b, a);
    } else {
        ir_ststate(b, (unsigned)a->word.offset, ir_const(b, IR_I64, a->imm));
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
    bool marked = false;

    for (const TrStep *step = first_of(list); step; step = after(list, step)) {
        const TrAction *a = step->action;

        source.instrumented = true;
        if (!marked && (a->what == TR_CALL || a->what == TR_IR)) {
            ir_mark(b, insn->pc, insn->size); /* calls see its pc */
            marked = true;
        }
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
    int64_t at = (int64_t)a->word.offset;

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
    InstrumentAccess *access = ARENA_NEW(instrument_memory(), InstrumentAccess, 1);

    *access = (InstrumentAccess){ a, bits };
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

    for (const TrStep *step = first_of(&insn->accesses); step; step = after(&insn->accesses, step)) {
        const TrAction *a = step->action;

        if (!(a->mask & bits)) {
            continue;
        }
        source.instrumented = true;
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

static bool writes_registers(const TrInsn *insn)
{
    const TrStep *step = first_of(&insn->accesses);

    while (step && (step->action->what != TR_CALL || step->action->regs != TR_REGS_write)) {
        step = after(&insn->accesses, step);
    }
    return step != NULL;
}

void instrument_accesses(const TrInsn *insn, IrRef first)
{
    FeContext *c = &source.c;
    uint32_t end = c->b.f->n_insns;

    for (IrRef ref = first; insn->accesses.last && ref < end; ref++) {
        instrument_access(insn, ref);
    }
    if (!c->ended && writes_registers(insn)) {
        ir_build_at(&c->b, c->b.f, c->b.block); /* forgets what was in registers */
    }
}
