/* SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "base/bits.h"
#include "ir/guest.h"
#include "ir/ir.h"
#include "ir/simplify.h"

enum { FIRST_INSNS = 256, FIRST_BLOCKS = 4, FIRST_EDGES = 8 };

bool ir_moves;

/* How much room there is at first. */
static uint32_t first(uint32_t n)
{
    return ir_moves ? 1 : n;
}

/* `old` with room for more than `n` elements. */
static void *grow(Arena *arena, void *old, uint32_t n, uint32_t *cap, size_t size)
{
    void *new;

    *cap = ir_moves ? *cap + 1 : *cap * 2;
    new = arena_raw(arena, *cap * size);
    memcpy(new, old, n * size);
    if (ir_moves) {
        memset(old, 0xa5, n * size);
    }
    return new;
}

IrFunc *ir_func_new(Arena *arena, const IrGuest *guest, uint64_t pc)
{
    IrFunc *f = ARENA_NEW(arena, IrFunc, 1);

    *f = (IrFunc){
        .arena = arena,
        .guest = guest,
        .pc = pc,
        .insn = ARENA_RAW(arena, IrInsn, FIRST_INSNS),
        .n_insns = 1,
        .cap_insns = first(FIRST_INSNS),
        .block = ARENA_RAW(arena, IrBlock, FIRST_BLOCKS),
        .cap_blocks = first(FIRST_BLOCKS),
        .edge = ARENA_RAW(arena, IrEdge, FIRST_EDGES),
        .cap_edges = first(FIRST_EDGES),
        .edge_args = ARENA_RAW(arena, IrRef, FIRST_EDGES),
        .cap_edge_args = first(FIRST_EDGES),
    };
    f->insn[0] = (IrInsn){ .op = IR_OP_none };
    return f;
}

IrBlockId ir_block_new(IrFunc *f, uint64_t pc)
{
    if (f->n_blocks == f->cap_blocks) {
        f->block = grow(f->arena, f->block, f->n_blocks, &f->cap_blocks, sizeof(IrBlock));
    }
    f->block[f->n_blocks] = (IrBlock){ .pc = pc };
    return f->n_blocks++;
}

uint32_t ir_edge_new(IrFunc *f, IrBlockId to)
{
    if (f->n_edges == f->cap_edges) {
        f->edge = grow(f->arena, f->edge, f->n_edges, &f->cap_edges, sizeof(IrEdge));
    }
    f->edge[f->n_edges] = (IrEdge){ .block = to, .first_arg = f->n_edge_args };
    f->block[to].n_preds++;
    return f->n_edges++;
}

void ir_edge_set_args(IrFunc *f, IrEdge *edge, const IrRef *args, uint32_t n)
{
    while (f->n_edge_args + n > f->cap_edge_args) {
        f->edge_args =
            grow(f->arena, f->edge_args, f->n_edge_args, &f->cap_edge_args, sizeof(IrRef));
    }
    edge->first_arg = f->n_edge_args;
    edge->n_args = n;
    memcpy(&f->edge_args[f->n_edge_args], args, n * sizeof(IrRef));
    f->n_edge_args += n;
}

static IrRef new_insn(IrFunc *f, const IrInsn *insn)
{
    if (f->n_insns == f->cap_insns) {
        f->insn = grow(f->arena, f->insn, f->n_insns, &f->cap_insns, sizeof(IrInsn));
    }
    f->insn[f->n_insns] = *insn;
    return f->n_insns++;
}

static IrRef append(IrFunc *f, IrBlockId block, const IrInsn *insn)
{
    IrRef ref = new_insn(f, insn);
    IrBlock *b = &f->block[block];
    IrInsn *i = &f->insn[ref];

    i->prev = b->last;
    i->next = 0;
    if (b->last) {
        f->insn[b->last].next = ref;
    } else {
        b->first = ref;
    }
    b->last = ref;
    return ref;
}

IrRef ir_append(IrFunc *f, IrBlockId block, IrInsn insn)
{
    return append(f, block, &insn);
}

static void unlink_insn(IrFunc *f, IrBlockId block, const IrInsn *i)
{
    if (i->prev) {
        f->insn[i->prev].next = i->next;
    } else {
        f->block[block].first = i->next;
    }
    if (i->next) {
        f->insn[i->next].prev = i->prev;
    } else {
        f->block[block].last = i->prev;
    }
}

void ir_remove(IrFunc *f, IrBlockId block, IrRef ref)
{
    IrInsn *i = ir_insn(f, ref);

    unlink_insn(f, block, i);
    i->op = IR_OP_none;
    i->prev = i->next = 0;
}

static void link_before(IrFunc *f, IrBlockId block, IrRef ref, IrRef at)
{
    IrRef prev = f->insn[at].prev;

    f->insn[ref].prev = prev;
    f->insn[ref].next = at;
    f->insn[at].prev = ref;
    if (prev) {
        f->insn[prev].next = ref;
    } else {
        f->block[block].first = ref;
    }
}

IrRef ir_insert_before(IrFunc *f, IrBlockId block, IrRef at, IrInsn insn)
{
    IrRef ref = new_insn(f, &insn);

    link_before(f, block, ref, at);
    return ref;
}

void ir_move_before(IrFunc *f, IrBlockId from, IrRef ref, IrBlockId to, IrRef at)
{
    unlink_insn(f, from, ir_insn(f, ref));
    link_before(f, to, ref, at);
}

/* ---- The builder ---- */

void ir_build_at(IrBuild *b, IrFunc *f, IrBlockId block)
{
    b->f = f;
    b->block = block;
    b->before = 0;
    memset(b->known, 0, f->guest->n_slots * sizeof(IrRef));
    memset(b->recent, 0, sizeof(b->recent));
}

void ir_build_follow(IrBuild *b, IrBlockId block)
{
    b->block = block;
    b->before = 0;
}

/* In front of another insn, or where the array is full. */
static __attribute__((noinline)) IrRef insert_slow(IrBuild *b, const IrInsn *i)
{
    if (b->before) {
        return ir_insert_before(b->f, b->block, b->before, *i);
    }
    return append(b->f, b->block, i);
}

/* Every insn of a translation comes by here: inline, so that it is made in its place. */
static inline __attribute__((always_inline)) IrRef insert(IrBuild *b, IrInsn i)
{
    IrFunc *f = b->f;
    IrBlock *block = &f->block[b->block];
    IrRef ref = f->n_insns;

    if (b->before || ref == f->cap_insns) {
        return insert_slow(b, &i);
    }
    i.prev = block->last;
    f->insn[ref] = i;
    if (block->last) {
        f->insn[block->last].next = ref;
    } else {
        block->first = ref;
    }
    block->last = ref;
    f->n_insns = ref + 1;
    return ref;
}

static unsigned hash(const IrInsn *i)
{
    uint64_t h = (uint64_t)i->imm + i->op * UINT64_C(0x9e3779b1) + i->type * UINT64_C(0x85ebca6b);

    h = (h ^ i->arg[0]) * UINT64_C(0x9e3779b97f4a7c15);
    h = (h ^ i->arg[1] ^ (uint64_t)i->arg[2] << 32) * UINT64_C(0x9e3779b97f4a7c15);
    return h >> 58;
}

_Static_assert(IR_BUILD_RECENT == 1 << (64 - 58), "hash() gives six bits");

static bool same(const IrInsn *a, const IrInsn *b)
{
    return a->op == b->op && a->type == b->type && a->aux == b->aux && a->imm == b->imm &&
           a->arg[0] == b->arg[0] && a->arg[1] == b->arg[1] && a->arg[2] == b->arg[2];
}

static IrRef merge(IrBuild *b, const IrInsn *i)
{
    IrRef *recent = &b->recent[hash(i)];

    if (!*recent || !same(&b->f->insn[*recent], i)) {
        *recent = insert(b, *i);
    }
    return *recent;
}

/*
 * Quotient and remainder of the same operands need one division: a % b = a - a / b * b.  That holds
 * where the rows of ops.def choose, too: a - -1 * 0 = a; min - min * -1 = 0.
 */

/* The insn like `i`, but of op `op`, that merge() would find; 0: none. */
static IrRef find_like(const IrBuild *b, const IrInsn *i, IrOp op)
{
    IrInsn like = *i;
    IrRef ref;

    like.op = (uint8_t)op;
    ref = b->recent[hash(&like)];
    return ref && same(&b->f->insn[ref], &like) ? ref : 0;
}

static IrOp quotient_of(unsigned op)
{
    return op == IR_OP_rem ? IR_OP_div : op == IR_OP_remu ? IR_OP_divu : IR_OP_none;
}

/* Remainder `i` by the quotient, when there is one; else 0. */
static IrRef emit_remainder(IrBuild *b, const IrInsn *i)
{
    IrRef q = find_like(b, i, quotient_of(i->op));

    if (!q) {
        return 0;
    }
    return ir_op2(b, IR_OP_sub, (IrType)i->type, i->arg[0],
                  ir_op2(b, IR_OP_mul, (IrType)i->type, q, i->arg[1]));
}

/* Is `ref` one of the last insns of the block? */
static bool is_near(const IrBuild *b, IrRef ref)
{
    IrRef at = b->before ? 0 : b->f->block[b->block].last;

    for (unsigned n = 0; n < 32 && at && at != ref; n++) {
        at = b->f->insn[at].prev;
    }
    return at == ref;
}

/* Quotient `i` of which the remainder was there first: goes in front of it; else 0. */
static IrRef emit_quotient(IrBuild *b, const IrInsn *i)
{
    IrRef r = find_like(b, i, i->op == IR_OP_div ? IR_OP_rem : IR_OP_remu), q, product;

    if (!r || !is_near(b, r)) {
        return 0;
    }
    b->before = r;
    q = merge(b, i);
    product = ir_op2(b, IR_OP_mul, (IrType)i->type, q, i->arg[1]);
    b->before = 0;
    b->f->insn[r].op = IR_OP_sub;
    b->f->insn[r].arg[1] = product;
    b->recent[hash(&b->f->insn[r])] = r;
    return q;
}

static IrRef emit_division(IrBuild *b, const IrInsn *i)
{
    switch (i->op) {
    case IR_OP_rem: case IR_OP_remu:
        return emit_remainder(b, i);
    case IR_OP_div: case IR_OP_divu:
        return emit_quotient(b, i);
    default:
        return 0;
    }
}

IrRef ir_emit(IrBuild *b, IrInsn i)
{
    IrRef simpler;

    if (!(ir_op_info[i.op].effects & IR_PURE)) {
        return insert(b, i);
    }
    simpler = ir_simplify(b, &i);
    if (!simpler) {
        simpler = emit_division(b, &i);
    }
    return simpler ? simpler : merge(b, &i);
}

int64_t ir_const_imm(IrType type, uint64_t value)
{
    unsigned bits = ir_bits(type);

    if (ir_type_info[type].is_float || type == IR_I1) {
        return (int64_t)bits_zext(value, bits);
    }
    return bits_sext(value, bits);
}

IrRef ir_const(IrBuild *b, IrType type, uint64_t value)
{
    return merge(
        b, &(IrInsn){ .op = IR_OP_const, .type = (uint8_t)type, .imm = ir_const_imm(type, value) });
}

IrRef ir_get(IrBuild *b, unsigned slot)
{
    DCHECK(slot < b->f->guest->n_slots);
    if (!b->known[slot]) {
        b->known[slot] = insert(b, (IrInsn){ .op = IR_OP_getreg,
                                             .type = (uint8_t)b->f->guest->slots[slot].type,
                                             .imm = slot });
    }
    return b->known[slot];
}

void ir_set(IrBuild *b, unsigned slot, IrRef value)
{
    DCHECK(slot < b->f->guest->n_slots);
    DCHECK(ir_insn(b->f, value)->type == b->f->guest->slots[slot].type);
    if (b->known[slot] != value) {
        insert(b, (IrInsn){ .op = IR_OP_setreg, .imm = slot, .arg = { value } });
        b->known[slot] = value;
    }
}

IrRef ir_op1(IrBuild *b, IrOp op, IrType type, IrRef a)
{
    return ir_emit(b, (IrInsn){ .op = (uint8_t)op, .type = (uint8_t)type, .arg = { a } });
}

IrRef ir_op2(IrBuild *b, IrOp op, IrType type, IrRef a, IrRef c)
{
    return ir_emit(b, (IrInsn){ .op = (uint8_t)op, .type = (uint8_t)type, .arg = { a, c } });
}

IrRef ir_op3(IrBuild *b, IrOp op, IrType type, IrRef a, IrRef c, IrRef d)
{
    return ir_emit(b, (IrInsn){ .op = (uint8_t)op, .type = (uint8_t)type, .arg = { a, c, d } });
}

bool ir_is_quiet(const IrFunc *f, IrRef ref)
{
    const IrInsn *i = &f->insn[ref];

    if (i->op == IR_OP_param) {
        return i->aux & IR_PARAM_QUIET;
    }
    return ir_op_info[i->op].effects & IR_FP && ir_type_info[i->type].is_float;
}

IrRef ir_raw(const IrFunc *f, IrRef ref)
{
    const IrInsn *i = &f->insn[ref];

    return i->op == IR_OP_fcanon && ir_is_quiet(f, i->arg[0]) ? i->arg[0] : ref;
}

IrRef ir_fp3(IrBuild *b, IrOp op, IrType type, IrRm rm, IrRef a, IrRef c, IrRef d)
{
    return insert(b, (IrInsn){ .op = (uint8_t)op,
                               .type = (uint8_t)type,
                               .aux = (uint8_t)rm,
                               .arg = { ir_raw(b->f, a), ir_raw(b->f, c), ir_raw(b->f, d) } });
}

IrRef ir_fp2(IrBuild *b, IrOp op, IrType type, IrRm rm, IrRef a, IrRef c)
{
    return ir_fp3(b, op, type, rm, a, c, 0);
}

IrRef ir_fp1(IrBuild *b, IrOp op, IrType type, IrRm rm, IrRef a)
{
    return ir_fp3(b, op, type, rm, a, 0, 0);
}

IrRef ir_fold_address(const IrFunc *f, IrRef addr, int64_t *disp)
{
    const IrInsn *add = &f->insn[addr], *c;

    if (add->op != IR_OP_add || f->insn[add->arg[1]].op != IR_OP_const) {
        return addr;
    }
    c = &f->insn[add->arg[1]];
    if (!bits_fits_s(c->imm, 32) || !bits_fits_s(c->imm + *disp, 32)) {
        return addr;
    }
    *disp += c->imm;
    return add->arg[0];
}

IrRef ir_load(IrBuild *b, IrType type, unsigned mem, IrRef addr, int64_t disp)
{
    addr = ir_fold_address(b->f, addr, &disp);
    return insert(b, (IrInsn){ .op = IR_OP_load,
                               .type = (uint8_t)type,
                               .aux = (uint8_t)mem,
                               .arg = { addr },
                               .imm = disp });
}

void ir_store(IrBuild *b, unsigned mem, IrRef addr, int64_t disp, IrRef value)
{
    addr = ir_fold_address(b->f, addr, &disp);
    insert(b, (IrInsn){ .op = IR_OP_store,
                        .type = ir_insn(b->f, value)->type,
                        .aux = (uint8_t)mem,
                        .arg = { addr, value },
                        .imm = disp });
}

IrRef ir_amo(IrBuild *b, IrRmw op, IrType type, IrRef addr, IrRef value)
{
    return insert(b, (IrInsn){ .op = IR_OP_amo,
                               .type = (uint8_t)type,
                               .aux = (uint8_t)op,
                               .arg = { addr, value } });
}

IrRef ir_cas(IrBuild *b, IrType type, IrRef addr, IrRef expected, IrRef desired)
{
    return insert(b, (IrInsn){ .op = IR_OP_cas, .type = (uint8_t)type, .arg = { addr, expected, desired } });
}

void ir_fence(IrBuild *b, unsigned order)
{
    insert(b, (IrInsn){ .op = IR_OP_fence, .aux = (uint8_t)order });
}

IrRef ir_ldstate(IrBuild *b, IrType type, unsigned offset)
{
    return insert(b, (IrInsn){ .op = IR_OP_ldstate, .type = (uint8_t)type, .imm = offset });
}

void ir_ststate(IrBuild *b, unsigned offset, IrRef value)
{
    insert(b, (IrInsn){ .op = IR_OP_ststate,
                        .type = ir_insn(b->f, value)->type,
                        .imm = offset,
                        .arg = { value } });
}

void ir_addstate(IrBuild *b, unsigned offset, IrRef value)
{
    insert(b, (IrInsn){ .op = IR_OP_addstate, .imm = offset, .arg = { value } });
}

void ir_addhost(IrBuild *b, IrRef address, IrRef value)
{
    insert(b, (IrInsn){ .op = IR_OP_addhost, .arg = { address, value } });
}

IrRef ir_call(IrBuild *b, unsigned helper, IrRef a, IrRef c, IrRef d)
{
    const IrHelper *row = &b->f->guest->helpers[helper];
    IrRef ref = insert(b, (IrInsn){
               .op = IR_OP_call, .type = (uint8_t)row->result, .imm = helper, .arg = { a, c, d } });

    if (row->effects & IR_STATE_W) {
        memset(b->known, 0, b->f->guest->n_slots * sizeof(IrRef));
    }
    return ref;
}

void ir_mark(IrBuild *b, uint64_t pc, unsigned length)
{
    b->now_pc = pc;
    insert(b, (IrInsn){ .op = IR_OP_insn, .aux = (uint8_t)length, .imm = (int64_t)pc });
}

void ir_safepoint(IrBuild *b, uint64_t pc)
{
    insert(b, (IrInsn){ .op = IR_OP_safepoint, .imm = (int64_t)pc });
}

void ir_trap_if(IrBuild *b, IrRef cond, IrTrap trap, uint64_t arg)
{
    const IrInsn *c = ir_insn(b->f, cond);

    if (c->op == IR_OP_const && c->imm == 0) {
        return;
    }
    insert(b, (IrInsn){
               .op = IR_OP_trap_if, .aux = (uint8_t)trap, .arg = { cond }, .imm = (int64_t)arg });
}

void ir_br(IrBuild *b, IrBlockId to)
{
    insert(b, (IrInsn){ .op = IR_OP_br, .imm = ir_edge_new(b->f, to) });
}

void ir_brif(IrBuild *b, IrRef cond, IrBlockId yes, IrBlockId no)
{
    uint32_t edge;

    if (ir_insn(b->f, cond)->op == IR_OP_not) {
        IrBlockId other = yes;

        cond = ir_insn(b->f, cond)->arg[0];
        yes = no;
        no = other;
    }
    edge = ir_edge_new(b->f, yes);
    ir_edge_new(b->f, no);
    insert(b, (IrInsn){ .op = IR_OP_brif, .arg = { cond }, .imm = edge });
}

void ir_exit(IrBuild *b, uint64_t pc, unsigned flags, uint64_t return_pc)
{
    IrRef back = flags & IR_EXIT_CALL ? ir_const(b, IR_I64, return_pc) : 0;

    insert(b, (IrInsn){
                  .op = IR_OP_exit, .aux = (uint8_t)flags, .imm = (int64_t)pc, .arg = { back } });
}

void ir_exit_ind(IrBuild *b, IrRef target, unsigned flags, IrRef back)
{
    insert(b, (IrInsn){ .op = IR_OP_exit_ind, .aux = (uint8_t)flags, .arg = { target, back } });
}

void ir_exit_trap(IrBuild *b, IrTrap trap, uint64_t pc)
{
    insert(b, (IrInsn){ .op = IR_OP_exit_trap, .aux = (uint8_t)trap, .imm = (int64_t)pc });
}
