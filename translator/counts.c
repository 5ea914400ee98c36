/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Counters of instrumentation.  A plugin that counts instructions adds 1 in front of each; here the
 * additions to one word within a block become one, at the place of the first, and words that are slots
 * become registers.
 *
 * Preserved: the word at every call, trap, exit and read of it.  A load or store in between may
 * fault; then the fault handler takes back what had not been due yet: TrUnit.undo says how much, by
 * guest pc.  Where one pc would need two different amounts (it is in the unit twice) nothing is
 * merged.
 */
#include <string.h>

#include "translator/state.h"

enum { OPEN = 8, ACCESSES = 512, LATER = 1024 };

/* The word that an addition is to: a vcpu's, by offset, or one of the host. */
typedef struct Word {
    uint8_t op; /* IR_OP_addstate or IR_OP_addhost */
    int64_t at;
} Word;

/* Additions to one word that can become one. */
typedef struct Group {
    Word word;
    IrRef first;    /* the insn that adds */
    unsigned arg;   /* its operand that is the amount */
    IrBlockId block;
    unsigned first_access; /* the first access after it */
    unsigned first_later, n_later; /* additions of other groups may be between */
    unsigned last_access;  /* the first access after the last of them */
    uint64_t later;        /* their sum */
} Group;

typedef struct Later {
    IrRef ref;
    unsigned group;
    unsigned access; /* the first access after it */
    uint64_t amount;
} Later;

typedef struct Counts {
    IrFunc *f;
    IrBlockId block;
    uint64_t access_pc[ACCESSES];
    unsigned n_accesses;
    Group group[ACCESSES];
    unsigned n_groups;
    unsigned open[OPEN]; /* group numbers */
    unsigned n_open;
    Later later[LATER];
    unsigned n_later;
    TrUndo undo[LATER];
    unsigned n_undo;
} Counts;

static Counts c; /* under tr.lock */

/* ---- Slots ---- */

static IrRef before(IrRef at, IrInsn insn)
{
    return ir_insert_before(c.f, c.block, at, insn);
}

/* Word `slot` becomes `value` where insn `ref` was. */
static void set(IrRef ref, unsigned slot, IrRef value)
{
    IrInsn *i = ir_insn(c.f, ref);

    i->op = IR_OP_setreg;
    i->type = IR_VOID;
    i->imm = slot;
    i->arg[0] = value;
}

/* The insn that adds, when `ref` does. */
static IrRef to_slot(IrRef ref)
{
    IrInsn i = *ir_insn(c.f, ref);
    unsigned slot;

    if (i.op == IR_OP_addhost || !instrument_slot(i.imm, &slot)) {
        return ref;
    }
    if (i.op == IR_OP_addstate) {
        IrRef now = before(ref, (IrInsn){ .op = IR_OP_getreg, .type = IR_I64, .imm = slot });
        IrRef sum = before(ref, (IrInsn){ .op = IR_OP_add, .type = IR_I64, .arg = { now, i.arg[0] } });

        set(ref, slot, sum);
        return sum;
    }
    if (i.op == IR_OP_ststate) {
        set(ref, slot, i.arg[0]);
    } else {
        ir_insn(c.f, ref)->op = IR_OP_getreg;
        ir_insn(c.f, ref)->imm = slot;
    }
    return ref;
}

/* ---- Merging ---- */

static bool constant(IrRef ref, uint64_t *v)
{
    const IrInsn *i = ir_insn(c.f, ref);

    *v = (uint64_t)i->imm;
    return i->op == IR_OP_const;
}

static bool is_addition(const IrInsn *i, Word *word, uint64_t *amount)
{
    uint64_t host;

    *word = (Word){ i->op, i->imm };
    if (i->op == IR_OP_addhost && constant(i->arg[0], &host)) {
        word->at = (int64_t)host;
        return constant(i->arg[1], amount);
    }
    return i->op == IR_OP_addstate && constant(i->arg[0], amount);
}

static unsigned *find_open(Word word)
{
    for (unsigned k = 0; k < c.n_open; k++) {
        const Word *w = &c.group[c.open[k]].word;

        if (w->op == word.op && w->at == word.at) {
            return &c.open[k];
        }
    }
    return NULL;
}

static void close_all(void)
{
    c.n_open = 0;
}

static void add_later(unsigned g, IrRef ref, uint64_t amount)
{
    Group *group = &c.group[g];

    c.later[c.n_later++] = (Later){ ref, g, c.n_accesses, amount };
    group->n_later++;
    group->last_access = c.n_accesses;
    group->later += amount;
}

static void note_addition(IrRef ref)
{
    uint64_t amount;
    Word word;
    unsigned *open;

    if (!is_addition(ir_insn(c.f, ref), &word, &amount)) {
        to_slot(ref);
        return;
    }
    open = find_open(word);
    if (open && c.n_later < LATER) {
        add_later(*open, ref, amount);
        return;
    }
    if (open || c.n_open == OPEN || c.n_groups == ACCESSES) {
        close_all();
    }
    ref = to_slot(ref);
    if (c.n_groups < ACCESSES) {
        c.group[c.n_groups] = (Group){ .word = word, .first = ref, .block = c.block,
                                       .arg = ir_insn(c.f, ref)->op != IR_OP_addstate,
                                       .first_access = c.n_accesses, .first_later = c.n_later };
        c.open[c.n_open++] = c.n_groups++;
    }
}

/* The word may be looked at, or becomes something else. */
static void close_one(int64_t offset)
{
    unsigned *open = find_open((Word){ IR_OP_addstate, offset });

    if (open) {
        *open = c.open[--c.n_open];
    }
}

/* Of the instruction that the insn is part of. */
static uint64_t pc_at(IrRef ref)
{
    while (ref && ir_insn(c.f, ref)->op != IR_OP_insn) {
        ref = ir_insn(c.f, ref)->prev;
    }
    return ref ? (uint64_t)ir_insn(c.f, ref)->imm : c.f->block[c.block].pc;
}

static void look_at(IrRef ref)
{
    const IrInsn *i = ir_insn(c.f, ref);

    switch (i->op) {
    case IR_OP_addstate: case IR_OP_addhost:
        note_addition(ref);
        break;
    case IR_OP_load: case IR_OP_store: case IR_OP_amo: case IR_OP_cas:
        if (c.n_accesses == ACCESSES) {
            close_all();
        } else {
            c.access_pc[c.n_accesses++] = pc_at(ref);
        }
        break;
    case IR_OP_ldstate: case IR_OP_ststate:
        close_one(i->imm);
        to_slot(ref);
        break;
    default:
        close_all();
        break;
    }
}

/* look_at() does something there.  At most insns it does not. */
static bool matters(IrOp op)
{
    return ir_op_info[op].effects & (IR_CALL | IR_TRAPS | IR_TERM) || op == IR_OP_addstate ||
           op == IR_OP_addhost || op == IR_OP_ldstate || op == IR_OP_ststate;
}

static void find_groups(void)
{
    c.n_accesses = c.n_groups = c.n_later = c.n_undo = 0;
    for (c.block = 0; c.block < c.f->n_blocks; c.block++) {
        close_all();
        IR_FOR_EACH (c.f, c.block, ref) {
            if (matters(ir_insn(c.f, ref)->op)) {
                look_at(ref);
            }
        }
    }
}

/* False: the same pc and word have another amount already, or there is no room. */
static bool add_undo(const TrUndo *undo)
{
    for (unsigned k = 0; k < c.n_undo; k++) {
        const TrUndo *u = &c.undo[k];

        if (u->pc == undo->pc && u->host == undo->host && u->at == undo->at) {
            return u->amount == undo->amount;
        }
    }
    if (c.n_undo == LATER) {
        return false;
    }
    c.undo[c.n_undo++] = *undo;
    return true;
}

/* A fault at an access takes back what was to come after it. */
static bool find_undo_of(unsigned g)
{
    const Group *group = &c.group[g];
    unsigned k = group->first_later;
    uint64_t due = group->later;

    for (unsigned a = group->first_access; a < group->last_access; a++) {
        TrUndo undo = { c.access_pc[a], group->word.at, group->word.op == IR_OP_addhost, 0 };

        for (; c.later[k].access <= a; k++) {
            due -= c.later[k].group == g ? c.later[k].amount : 0;
        }
        undo.amount = due;
        if (due && !add_undo(&undo)) {
            return false;
        }
    }
    return true;
}

static bool find_undo(void)
{
    for (unsigned g = 0; g < c.n_groups; g++) {
        if (!find_undo_of(g)) {
            return false;
        }
    }
    return true;
}

static void merge_group(const Group *group)
{
    uint64_t sum = (uint64_t)ir_insn(c.f, ir_insn(c.f, group->first)->arg[group->arg])->imm + group->later;
    IrInsn total = { .op = IR_OP_const, .type = IR_I64, .imm = (int64_t)sum };
    IrRef ref = ir_insert_before(c.f, group->block, group->first, total);

    ir_insn(c.f, group->first)->arg[group->arg] = ref;
}

static void merge(void)
{
    for (unsigned g = 0; g < c.n_groups; g++) {
        if (c.group[g].n_later) {
            merge_group(&c.group[g]);
        }
    }
    for (unsigned k = 0; k < c.n_later; k++) {
        ir_remove(c.f, c.group[c.later[k].group].block, c.later[k].ref);
    }
}

static void keep_unmerged(void)
{
    for (unsigned k = 0; k < c.n_later; k++) {
        c.block = c.group[c.later[k].group].block;
        to_slot(c.later[k].ref);
    }
}

void counts_merge_locked(IrFunc *f, TrUnit *unit)
{
    c.f = f;
    find_groups();
    if (!find_undo()) {
        keep_unmerged();
        return;
    }
    merge();
    unit->n_undo = c.n_undo;
    unit->undo = ARENA_NEW(tr.units, TrUndo, c.n_undo);
    memcpy(unit->undo, c.undo, c.n_undo * sizeof(*c.undo));
}

void counts_undo(const TrUnit *unit, Vcpu *vcpu)
{
    for (unsigned k = 0; k < unit->n_undo; k++) {
        const TrUndo *u = &unit->undo[k];
        char *base = u->host ? NULL : (char *)vcpu;

        if (u->pc == vcpu->pc) {
            *(uint64_t *)(void *)(base + u->at) -= u->amount;
        }
    }
}
