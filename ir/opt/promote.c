/* SPDX-License-Identifier: Apache-2.0 */
/*
 * ir/opt/promote.c - guest registers become SSA values over all blocks of a function.
 *
 * Reads (getreg) become the value that was last set on every way here, through block parameters
 * where ways with different values meet.  At each block with several predecessors an entry marker
 * says which value each register that was set has, so that nothing need be stored on the edge.
 * Parameters are made only for registers that somebody may still look at; the others get a marker
 * with a constant.
 *
 * Preserved: setregs stay where they are, so the guest state is what it was.
 * A parameter holds the narrow or raw value when every setreg that reaches it widens or
 * canonicalises in one way: fcanon(x), fbox(x), fbox(fcanon(x)), sext(x).  That op then stands in
 * the marker only.  A register whose extended value is needed anyway keeps it: then the parameter
 * is marked as sign-extended.
 * Terminates: values per register only rise in ANY < ENTRY, SET < MEMORY, PARAM.
 */
#include <string.h>

#include "base/bits.h"
#include "ir/cfg.h"
#include "ir/guest.h"
#include "ir/opt/opt.h"
#include "ir/opt/replace.h"
#include "ir/opt/slots.h"
#include "ir/simplify.h"

/* Where the value of a register comes from: a kind, and for SET and PARAM a block. */
typedef uint32_t Source;

enum { ANY, ENTRY, MEMORY, SET, PARAM };

static Source source(unsigned kind, IrBlockId block)
{
    return kind | block << 3;
}

static unsigned kind_of(Source s)
{
    return s & 7;
}

static IrBlockId block_of(Source s)
{
    return s >> 3;
}

/* How a parameter holds its register. */
enum {
    FORM_RAW = 1,    /* register is fcanon(param) */
    FORM_BOXRAW = 2, /* fbox(fcanon(param)) */
    FORM_BOX = 4,    /* fbox(param) */
    FORM_SEXT = 8,   /* sext(param) */
    FORM_ALL = 15,
};

/* Arrays are indexed by block and slot, see at(), where they do not say otherwise. */
typedef struct Promote {
    IrFunc *f;
    const IrCfg *cfg;
    unsigned n; /* slots that the function reads or sets */
    uint8_t slot[256];
    uint8_t index[256]; /* of such a slot in slot[] */
    bool changes[256];  /* by that: something changes it */
    const IrSlotSet *live_in;
    IrSlotSet *marked; /* slots with an entry marker already */
    uint8_t *set;      /* last change in the block: 0, SET or MEMORY */
    IrRef *set_value;  /* of that SET */
    Source *in, *out;
    uint8_t *form;      /* of a PARAM */
    IrRef *param;       /* of a PARAM: the parameter */
    IrRef *start;       /* value at the start of the block, of the register's type; 0 unknown */
    IrRef *end;         /* at its end */
    IrRef *entry;       /* by slot: its getreg in the entry block */
    bool *used;         /* by value: something but setreg and trunc uses it */
    IrBlockId *read_in; /* by getreg: the block + 1 from whose start it has its value; 0: none */
    IrSlotSet wide;     /* registers that something needs in 64 bits */
    IrReplace replace;
} Promote;

static size_t at(const Promote *p, IrBlockId b, unsigned slot)
{
    return (size_t)b * p->n + p->index[slot];
}

/* ---- Which source reaches which block ---- */

static void scan_block(Promote *p, IrBlockId b)
{
    const IrFunc *f = p->f;
    bool head = f->block[b].n_preds > 1;
    IrSlotSet changed = { { 0 } };

    IR_FOR_EACH (f, b, ref) {
        const IrInsn *i = &f->insn[ref];

        head = head && ir_is_entry(f, ref);
        for (unsigned k = 0; k < 3 && i->op != IR_OP_setreg && i->op != IR_OP_trunc; k++) {
            p->used[i->arg[k]] = true;
        }
        if (i->op == IR_OP_getreg && !ir_slots_has(&changed, (unsigned)i->imm)) {
            p->read_in[ref] = b + 1;
        }
        if (i->op == IR_OP_setreg) {
            p->set[at(p, b, (unsigned)i->imm)] = SET;
            p->changes[p->index[i->imm]] = true;
            p->set_value[at(p, b, (unsigned)i->imm)] = i->arg[0];
            ir_slots_add(&changed, (unsigned)i->imm);
            if (head) {
                ir_slots_add(&p->marked[b], (unsigned)i->imm);
            }
        } else if (i->op == IR_OP_call) {
            IrSlotSet by_call = ir_slots_changed(f, i);

            for (unsigned j = 0; j < p->n; j++) {
                if (ir_slots_has(&by_call, p->slot[j])) {
                    p->set[(size_t)b * p->n + j] = MEMORY;
                    p->changes[j] = true;
                }
            }
            ir_slots_join(&changed, &by_call);
        }
    }
}

static Source meet(Source a, Source b, IrBlockId here)
{
    if (a == b || kind_of(b) == ANY) {
        return a;
    }
    if (kind_of(a) == ANY) {
        return b;
    }
    return kind_of(a) <= MEMORY && kind_of(b) <= MEMORY ? source(MEMORY, 0) : source(PARAM, here);
}

/* The one source that reaches `b` besides its own parameter, or that parameter when there are
 * several. */
static Source only_source(const Promote *p, IrBlockId b, unsigned slot)
{
    const IrCfg *cfg = p->cfg;
    Source self = source(PARAM, b), only = source(ANY, 0);

    for (uint32_t e = cfg->first_pred[b]; e < cfg->first_pred[b + 1]; e++) {
        Source s = p->out[at(p, cfg->preds[e], slot)];

        if (s != self && s != only) {
            if (only != source(ANY, 0)) {
                return self;
            }
            only = s;
        }
    }
    return only;
}

static void replace_source(Promote *p, unsigned slot, Source old, Source new)
{
    for (uint32_t k = 0; k < p->cfg->n_order; k++) {
        size_t i = at(p, p->cfg->order[k], slot);

        p->in[i] = p->in[i] == old ? new : p->in[i];
        p->out[i] = p->out[i] == old ? new : p->out[i];
    }
}

/* While sources still change around nested loops, old and new ones meet: parameters that turn out
 * to have one source go. */
static void drop_trivial(Promote *p, unsigned slot)
{
    bool changed = true;

    while (changed) {
        changed = false;
        for (uint32_t k = 0; k < p->cfg->n_order; k++) {
            IrBlockId b = p->cfg->order[k];
            Source self = source(PARAM, b), only;

            if (p->in[at(p, b, slot)] != self) {
                continue;
            }
            only = only_source(p, b, slot);
            if (only != self) {
                replace_source(p, slot, self, only);
                changed = true;
            }
        }
    }
}

/* Slot slot[j] in block `b`; true when what reaches its end is something else now. */
static bool flow_in(Promote *p, IrBlockId b, unsigned j)
{
    const IrCfg *cfg = p->cfg;
    size_t k = (size_t)b * p->n + j;
    Source in = p->in[k], old = p->out[k];

    if (in != source(PARAM, b)) {
        in = b == 0 ? source(ENTRY, 0) : source(ANY, 0);
        for (uint32_t e = cfg->first_pred[b]; e < cfg->first_pred[b + 1]; e++) {
            in = meet(in, p->out[(size_t)cfg->preds[e] * p->n + j], b);
        }
        p->in[k] = in;
    }
    p->out[k] = p->set[k] == SET ? source(SET, b) : p->set[k] ? source(MEMORY, 0) : in;
    return p->out[k] != old;
}

static void flow_slot(Promote *p, unsigned j)
{
    bool changed = true;

    while (changed) {
        changed = false;
        for (uint32_t k = 0; k < p->cfg->n_order; k++) {
            changed |= flow_in(p, p->cfg->order[k], j);
        }
    }
    drop_trivial(p, p->slot[j]);
}

/* A register that nothing changes is what it was at the entry. */
static void flow(Promote *p)
{
    for (unsigned j = 0; j < p->n; j++) {
        if (p->changes[j]) {
            flow_slot(p, j);
            continue;
        }
        for (uint32_t k = 0; k < p->cfg->n_order; k++) {
            size_t i = (size_t)p->cfg->order[k] * p->n + j;

            p->in[i] = p->out[i] = source(ENTRY, 0);
        }
    }
}

static bool is_param(const Promote *p, IrBlockId b, unsigned slot)
{
    return p->in[at(p, b, slot)] == source(PARAM, b) && ir_slots_has(&p->live_in[b], slot) &&
           !ir_slots_has(&p->marked[b], slot);
}

/* ---- Forms ---- */

static bool is_nan(uint64_t v, unsigned bits)
{
    return bits == 64 ? (v << 1) > UINT64_C(0xffe0000000000000) : (uint32_t)(v << 1) > 0xff000000;
}

static unsigned forms_of_constant(const IrInsn *i)
{
    uint64_t v = (uint64_t)i->imm;

    if (i->type == IR_I64) {
        return bits_fits_s(i->imm, 32) ? FORM_SEXT : 0;
    }
    if (v >> 32 == UINT32_MAX) {
        return FORM_BOX | (is_nan((uint32_t)v, 32) ? 0 : FORM_BOXRAW);
    }
    return is_nan(v, 64) ? 0 : FORM_RAW;
}

static unsigned forms_of_source(const Promote *p, Source s, unsigned slot);

static unsigned forms_of_value(const Promote *p, IrRef ref)
{
    const IrFunc *f = p->f;
    const IrInsn *i = &f->insn[ref], *a = &f->insn[i->arg[0]];

    switch (i->op) {
    case IR_OP_const:
        return forms_of_constant(i);
    case IR_OP_fcanon:
        return ir_is_quiet(f, i->arg[0]) ? FORM_RAW : 0;
    case IR_OP_getreg:
        if (!p->read_in[ref]) {
            return 0;
        }
        return forms_of_source(p, p->in[at(p, p->read_in[ref] - 1, (unsigned)i->imm)],
                               (unsigned)i->imm);
    case IR_OP_fbox:
        if (a->type != IR_F32) {
            return 0;
        }
        return FORM_BOX | (a->op == IR_OP_fcanon && ir_is_quiet(f, a->arg[0]) ? FORM_BOXRAW : 0);
    default:
        return i->type == IR_I64 && ir_is_sext(f, ref, 32) ? FORM_SEXT : 0;
    }
}

static unsigned forms_of_source(const Promote *p, Source s, unsigned slot)
{
    size_t k = at(p, block_of(s), slot);

    if (kind_of(s) == PARAM) {
        return p->form[k];
    }
    return kind_of(s) == SET ? forms_of_value(p, p->set_value[k]) : 0;
}

static bool narrow_forms(Promote *p, IrBlockId b, unsigned slot)
{
    const IrCfg *cfg = p->cfg;
    size_t k = at(p, b, slot);
    uint8_t old = p->form[k];

    for (uint32_t e = cfg->first_pred[b]; e < cfg->first_pred[b + 1]; e++) {
        p->form[k] &= (uint8_t)forms_of_source(p, p->out[at(p, cfg->preds[e], slot)], slot);
    }
    return p->form[k] != old;
}

static void find_forms(Promote *p)
{
    bool changed = true;

    memset(p->form, FORM_ALL, (size_t)p->f->n_blocks * p->n);
    while (changed) {
        changed = false;
        for (uint32_t k = 0; k < p->cfg->n_order; k++) {
            IrBlockId b = p->cfg->order[k];
            const Source *in = &p->in[(size_t)b * p->n];

            for (unsigned j = 0; j < p->n && p->f->block[b].n_preds > 1; j++) {
                changed |= in[j] == source(PARAM, b) && narrow_forms(p, b, p->slot[j]);
            }
        }
    }
}

/* Registers that something needs with all their 64 bits. */
static void find_wide(Promote *p)
{
    for (uint32_t k = 0; k < p->cfg->n_order; k++) {
        IR_FOR_EACH (p->f, p->cfg->order[k], ref) {
            const IrInsn *i = &p->f->insn[ref];

            if ((i->op == IR_OP_getreg && p->used[ref]) ||
                (i->op == IR_OP_setreg && p->used[i->arg[0]])) {
                ir_slots_add(&p->wide, (unsigned)i->imm);
            }
        }
    }
}

static bool is_extended(const Promote *p, IrBlockId b, unsigned slot)
{
    return p->form[at(p, b, slot)] == FORM_SEXT && ir_slots_has(&p->wide, slot);
}

static unsigned form_at(const Promote *p, IrBlockId b, unsigned slot)
{
    unsigned forms = p->form[at(p, b, slot)];

    return is_extended(p, b, slot) ? 0 : forms & -forms; /* the lowest: raw before boxed */
}

static IrType form_type(unsigned form, IrType plain)
{
    return form == FORM_SEXT ? IR_I32 : form == FORM_BOX || form == FORM_BOXRAW ? IR_F32 : plain;
}

/* ---- Making parameters and markers ---- */

static IrRef insert(Promote *p, IrBlockId b, IrRef before, IrOp op, IrType type, IrRef a,
                    int64_t imm)
{
    return ir_insert_before(
        p->f, b, before,
        (IrInsn){ .op = (uint8_t)op, .type = (uint8_t)type, .arg = { a }, .imm = imm });
}

static IrRef after_params(const IrFunc *f, IrBlockId b)
{
    IrRef ref = f->block[b].first;

    while (f->insn[ref].op == IR_OP_param) {
        ref = f->insn[ref].next;
    }
    return ref;
}

static void make_params(Promote *p, IrBlockId b)
{
    IrRef before = after_params(p->f, b);

    for (unsigned j = 0; j < p->n; j++) {
        unsigned slot = p->slot[j];
        IrType plain = p->f->guest->slots[slot].type;
        size_t k = at(p, b, slot);
        unsigned form = form_at(p, b, slot);

        if (!is_param(p, b, slot)) {
            continue;
        }
        p->param[k] =
            insert(p, b, before, IR_OP_param, form_type(form, plain), 0, p->f->block[b].n_params++);
        if (form == FORM_RAW || form == FORM_BOXRAW) {
            p->f->insn[p->param[k]].aux = IR_PARAM_QUIET;
        } else if (is_extended(p, b, slot)) {
            p->f->insn[p->param[k]].aux = IR_PARAM_SEXT;
        }
    }
}

/* The register's value from the parameter. */
static IrRef widen(Promote *p, IrBlockId b, IrRef before, unsigned slot)
{
    size_t k = at(p, b, slot);
    IrRef v = p->param[k];

    switch (form_at(p, b, slot)) {
    case FORM_RAW:
        return insert(p, b, before, IR_OP_fcanon, IR_F64, v, 0);
    case FORM_BOXRAW:
        v = insert(p, b, before, IR_OP_fcanon, IR_F32, v, 0);
        return insert(p, b, before, IR_OP_fbox, IR_F64, v, 0);
    case FORM_BOX:
        return insert(p, b, before, IR_OP_fbox, IR_F64, v, 0);
    case FORM_SEXT:
        return insert(p, b, before, IR_OP_sext, IR_I64, v, 0);
    default:
        return v;
    }
}

static bool is_pinned(const IrGuest *guest, unsigned slot)
{
    for (unsigned k = 0; k < IR_PIN_GPRS; k++) {
        if (guest->pin_gpr[k] == slot || (k < IR_PIN_FPRS && guest->pin_fpr[k] == slot)) {
            return true;
        }
    }
    return guest->pin_more == slot + 1;
}

/* What the register has at the start of `b`; 0 when only memory knows. */
static IrRef value_at_start(Promote *p, IrBlockId b, unsigned slot)
{
    Source s = p->in[at(p, b, slot)];
    size_t k = at(p, block_of(s), slot);

    switch (kind_of(s)) {
    case ENTRY:
        return p->entry[slot];
    case SET:
        return p->end[k];
    case PARAM:
        return p->start[k];
    default:
        return 0;
    }
}

static void make_marker(Promote *p, IrBlockId b, IrRef before, unsigned slot)
{
    size_t k = at(p, b, slot);
    unsigned kind = kind_of(p->in[k]);
    bool pending = kind == SET || kind == PARAM;

    if (p->param[k]) {
        p->start[k] = widen(p, b, before, slot);
    } else {
        p->start[k] = value_at_start(p, b, slot);
    }
    if (p->f->block[b].n_preds < 2 || ir_slots_has(&p->marked[b], slot)) {
        return;
    }
    if (pending && !ir_slots_has(&p->live_in[b], slot)) {
        insert(p, b, before, IR_OP_setreg, IR_VOID,
               insert(p, b, before, IR_OP_const, p->f->guest->slots[slot].type, 0, 0), slot);
    } else if (pending || (p->start[k] && is_pinned(p->f->guest, slot))) {
        insert(p, b, before, IR_OP_setreg, IR_VOID, p->start[k], slot);
    }
}

/* ---- Rewriting ---- */

/* A getreg of a register that was not changed since the entry. */
static bool reads_entry(const Promote *p, IrBlockId b, const IrSlotSet *changed, const IrInsn *i)
{
    return i->op == IR_OP_getreg && !ir_slots_has(changed, (unsigned)i->imm) &&
           p->in[at(p, b, (unsigned)i->imm)] == source(ENTRY, 0);
}

static void count_entry_reads(const Promote *p, IrBlockId b, uint32_t *reads)
{
    const IrFunc *f = p->f;
    IrSlotSet changed = { { 0 } };

    IR_FOR_EACH (f, b, ref) {
        const IrInsn *i = &f->insn[ref];

        if (i->op == IR_OP_setreg) {
            ir_slots_add(&changed, (unsigned)i->imm);
        } else if (i->op == IR_OP_call) {
            IrSlotSet by_call = ir_slots_changed(f, i);

            ir_slots_join(&changed, &by_call);
        } else if (reads_entry(p, b, &changed, i)) {
            reads[i->imm] += f->block[b].depth ? 2 : 1;
        }
    }
}

/* A parameter whose argument comes from the entry, in a loop: read it once, in front. */
static void count_entry_arguments(const Promote *p, IrBlockId b, uint32_t *reads)
{
    for (unsigned e = 0; p->f->block[b].depth && e < ir_n_succs(p->f, b); e++) {
        IrBlockId to = ir_succ(p->f, b, e)->block;

        for (unsigned j = 0; j < p->n; j++) {
            unsigned slot = p->slot[j];

            if (is_param(p, to, slot) && p->out[at(p, b, slot)] == source(ENTRY, 0)) {
                reads[slot] += 2;
            }
        }
    }
}

/* Registers that are read in a loop or more than once are read in the entry block. */
static void read_at_entry(Promote *p)
{
    uint32_t *reads = ARENA_NEW(p->f->arena, uint32_t, p->f->guest->n_slots);
    IrRef before = p->f->block[0].first;

    for (uint32_t k = 0; k < p->cfg->n_order; k++) {
        count_entry_reads(p, p->cfg->order[k], reads);
        count_entry_arguments(p, p->cfg->order[k], reads);
    }
    for (unsigned j = 0; j < p->n; j++) {
        unsigned slot = p->slot[j];

        if (reads[slot] > 1) {
            p->entry[slot] =
                insert(p, 0, before, IR_OP_getreg, p->f->guest->slots[slot].type, 0, slot);
        }
    }
}

/* After the call only memory knows. */
static void forget_changed(const Promote *p, const IrInsn *call, IrRef *now)
{
    IrSlotSet by_call = ir_slots_changed(p->f, call);

    for (unsigned j = 0; j < p->n; j++) {
        if (ir_slots_has(&by_call, p->slot[j])) {
            now[j] = 0;
        }
    }
}

static void rewrite_block(Promote *p, IrBlockId b)
{
    IrFunc *f = p->f;
    IrRef *now = &p->end[(size_t)b * p->n];
    IrRef before = after_params(f, b);

    for (unsigned j = 0; j < p->n; j++) {
        unsigned slot = p->slot[j];

        make_marker(p, b, before, slot);
    }
    memcpy(now, &p->start[(size_t)b * p->n], p->n * sizeof(IrRef));
    for (IrRef ref = before, next; ref; ref = next) {
        IrInsn *i = &f->insn[ref];

        next = i->next;
        ir_replace_operands(&p->replace, i);
        if (i->op == IR_OP_setreg) {
            now[p->index[i->imm]] = i->arg[0];
        } else if (i->op == IR_OP_getreg && now[p->index[i->imm]] && now[p->index[i->imm]] != ref) {
            p->replace.by[ref] = now[p->index[i->imm]];
            ir_remove(f, b, ref);
        } else if (i->op == IR_OP_getreg) {
            now[p->index[i->imm]] = ref;
        } else if (i->op == IR_OP_call) {
            forget_changed(p, i, now);
        }
    }
}

/* The constant as the parameter has it. */
static IrRef narrow_constant(Promote *p, IrBlockId b, const IrInsn *i, IrType type)
{
    return insert(p, b, p->f->block[b].last, IR_OP_const, type, 0,
                  ir_const_imm(type, (uint64_t)i->imm));
}

/* `value`, the register's at the end of `b`, as a parameter of that form takes it. */
static IrRef narrow(Promote *p, IrBlockId b, IrRef value, unsigned form)
{
    const IrInsn *i = &p->f->insn[value];

    if (form == 0 || (i->op == IR_OP_const && form == FORM_RAW)) {
        return value;
    }
    if (i->op == IR_OP_const) {
        return narrow_constant(p, b, i, form_type(form, IR_F64));
    }
    if (form == FORM_SEXT && (i->op != IR_OP_sext || p->f->insn[i->arg[0]].type != IR_I32)) {
        return insert(p, b, p->f->block[b].last, IR_OP_trunc, IR_I32, value, 0);
    }
    return form == FORM_BOXRAW ? p->f->insn[i->arg[0]].arg[0] : i->arg[0];
}

static IrRef argument(Promote *p, IrBlockId from, IrBlockId to, unsigned slot)
{
    IrRef *end = &p->end[at(p, from, slot)];

    if (!*end) {
        *end = insert(p, from, p->f->block[from].last, IR_OP_getreg, p->f->guest->slots[slot].type,
                      0, slot);
    }
    return narrow(p, from, *end, form_at(p, to, slot));
}

static void extend_edge(Promote *p, IrBlockId from, unsigned which)
{
    IrFunc *f = p->f;
    IrEdge edge = *ir_succ(f, from, which);
    IrRef args[256 + 256];
    uint32_t n = edge.n_args;
    bool reachable = p->cfg->position[from] != IR_NO_BLOCK;

    CHECK(n <= 256, "block %u has too many parameters", edge.block);
    memcpy(args, &f->edge_args[edge.first_arg], n * sizeof(IrRef));
    for (unsigned j = 0; j < p->n; j++) {
        unsigned slot = p->slot[j];
        IrRef param = p->param[at(p, edge.block, slot)];

        if (param) {
            args[n++] = reachable ? argument(p, from, edge.block, slot) : param;
        }
    }
    if (n != edge.n_args) {
        ir_edge_set_args(f, ir_succ(f, from, which), args, n);
    }
}

static void find_slots(Promote *p)
{
    const IrFunc *f = p->f;
    IrSlotSet seen = { { 0 } };

    for (IrRef ref = 1; ref < f->n_insns; ref++) {
        const IrInsn *i = &f->insn[ref];

        if (i->op == IR_OP_getreg || i->op == IR_OP_setreg) {
            ir_slots_add(&seen, (unsigned)i->imm);
        }
    }
    for (unsigned slot = 0; slot < f->guest->n_slots; slot++) {
        if (ir_slots_has(&seen, slot)) {
            p->index[slot] = (uint8_t)p->n;
            p->slot[p->n++] = (uint8_t)slot;
        }
    }
}

static void allocate(Promote *p)
{
    Arena *arena = p->f->arena;
    size_t n = (size_t)p->f->n_blocks * p->n;

    p->marked = ARENA_NEW(arena, IrSlotSet, p->f->n_blocks);
    p->set = ARENA_NEW(arena, uint8_t, n);
    p->set_value = ARENA_NEW(arena, IrRef, n);
    p->in = ARENA_NEW(arena, Source, n);
    p->out = ARENA_NEW(arena, Source, n);
    p->form = ARENA_NEW(arena, uint8_t, n);
    p->param = ARENA_NEW(arena, IrRef, n);
    p->start = ARENA_NEW(arena, IrRef, n);
    p->end = ARENA_NEW(arena, IrRef, n);
    p->entry = ARENA_NEW(arena, IrRef, p->f->guest->n_slots);
    p->used = ARENA_NEW(arena, bool, p->f->n_insns);
    p->read_in = ARENA_NEW(arena, IrBlockId, p->f->n_insns);
}

bool ir_opt_promote(IrFunc *f)
{
    Promote p = { .f = f };

    if (f->n_blocks == 1) {
        return false;
    }
    p.cfg = ir_cfg(f);
    p.live_in = ir_slots_live_in(f, p.cfg);
    find_slots(&p);
    allocate(&p);
    for (IrBlockId b = 0; b < f->n_blocks; b++) {
        scan_block(&p, b);
    }
    flow(&p);
    find_forms(&p);
    find_wide(&p);
    p.replace = ir_replace_new(f);
    read_at_entry(&p);
    for (uint32_t k = 0; k < p.cfg->n_order; k++) {
        make_params(&p, p.cfg->order[k]);
    }
    for (uint32_t k = 0; k < p.cfg->n_order; k++) {
        rewrite_block(&p, p.cfg->order[k]);
    }
    ir_replace_edges(&p.replace, f);
    for (IrBlockId b = 0; b < f->n_blocks; b++) {
        for (unsigned e = 0; e < ir_n_succs(f, b); e++) {
            extend_edge(&p, b, e);
        }
    }
    return true;
}
