/* SPDX-License-Identifier: Apache-2.0 */
/*
 * LR/SC loops as atomic operations.
 *
 * Preserved: what the loop's iteration that ends it does, as all threads see it.  That SC has found
 * its reservation and that memory has the value of LR cannot be told apart here, since nothing but
 * registers changes between the two.  An iteration whose SC fails has no effect but on registers; it
 * is started anew from what they were before it.  What an SC would fail for, a write to a page that
 * can only be read, makes the atomic operation fault, even when the branch leaves before the SC: the
 * translator then executes the instructions one by one.
 *
 * After the loop no address is reserved, also when the branch has left: an SC may fail.
 */
#include "frontends/riscv/lrloop.h"

#include "base/check.h"
#include "frontends/riscv/atomic.h"

/* ---- Finding one ---- */

/* Register arithmetic that is legal everywhere: what it reads and writes. */
static bool get_operands(RvLoopInsn *i)
{
    uint32_t bits = i->bits;

    switch (i->insn) {
    case RV_add: case RV_sub: case RV_and: case RV_or: case RV_xor:
    case RV_sll: case RV_srl: case RV_sra: case RV_slt: case RV_sltu:
    case RV_addw: case RV_subw: case RV_sllw: case RV_srlw: case RV_sraw:
    case RV_andn: case RV_orn: case RV_xnor:
    case RV_min: case RV_max: case RV_minu: case RV_maxu:
        i->rd = (uint8_t)rv_field_rd(bits);
        i->rs1 = (uint8_t)rv_field_rs1(bits);
        i->rs2 = (uint8_t)rv_field_rs2(bits);
        return true;
    case RV_addi: case RV_andi: case RV_ori: case RV_xori:
    case RV_slti: case RV_sltiu: case RV_slli: case RV_srli: case RV_srai:
    case RV_addiw: case RV_slliw: case RV_srliw: case RV_sraiw:
        i->rd = (uint8_t)rv_field_rd(bits);
        i->rs1 = (uint8_t)rv_field_rs1(bits);
        return true;
    case RV_c_addi: case RV_c_addiw: case RV_c_slli:
        i->rd = i->rs1 = (uint8_t)rv_field_rd(bits);
        return true;
    case RV_c_li:
        i->rd = (uint8_t)rv_field_rd(bits);
        return true;
    case RV_c_mv:
        i->rd = (uint8_t)rv_field_rd(bits);
        i->rs2 = (uint8_t)rv_field_crs2(bits);
        return true;
    case RV_c_add:
        i->rd = i->rs1 = (uint8_t)rv_field_rd(bits);
        i->rs2 = (uint8_t)rv_field_crs2(bits);
        return true;
    case RV_c_srli: case RV_c_srai: case RV_c_andi:
        i->rd = i->rs1 = (uint8_t)rv_field_rs1_p(bits);
        return true;
    case RV_c_and: case RV_c_or: case RV_c_xor: case RV_c_sub: case RV_c_addw: case RV_c_subw:
        i->rd = i->rs1 = (uint8_t)rv_field_rs1_p(bits);
        i->rs2 = (uint8_t)rv_field_rd_p(bits);
        return true;
    default:
        return false;
    }
}

/* A branch: its operands, and how far it goes. */
static bool get_branch(RvLoopInsn *i, int32_t *distance)
{
    switch (i->insn) {
    case RV_beq: case RV_bne: case RV_blt: case RV_bge: case RV_bltu: case RV_bgeu:
        i->rs1 = (uint8_t)rv_field_rs1(i->bits);
        i->rs2 = (uint8_t)rv_field_rs2(i->bits);
        *distance = rv_field_imm_b(i->bits);
        return true;
    case RV_c_beqz: case RV_c_bnez:
        i->rs1 = (uint8_t)rv_field_rs1_p(i->bits);
        *distance = rv_field_imm_cb(i->bits);
        return true;
    default:
        return false;
    }
}

/* The next instruction; false when it is cut off. */
static bool next(const uint8_t *bytes, size_t n, size_t *at, RvLoopInsn *i)
{
    unsigned length = *at < n ? rv_fetch(bytes + *at, n - *at, &i->bits) : 0;

    *i = (RvLoopInsn){ .bits = i->bits, .insn = (uint16_t)(length ? rv_decode(i->bits) : RV_none) };
    *at += length;
    return i->insn != RV_none;
}

/* bnez failed, again */
static bool is_way_back(const RvLoop *l, RvLoopInsn i, size_t at)
{
    int32_t distance;

    return (i.insn == RV_bne || i.insn == RV_c_bnez) && get_branch(&i, &distance) &&
           i.rs1 == l->failed && i.rs2 == 0 && distance == -(int32_t)at;
}

static bool ends_with(RvLoop *l, const RvLoopInsn *sc, RvLoopInsn back, size_t back_at)
{
    l->new = (uint8_t)rv_field_rs2(sc->bits);
    l->failed = (uint8_t)rv_field_rd(sc->bits);
    return sc->insn == (l->size == RV_W ? RV_sc_w : RV_sc_d) &&
           rv_field_rs1(sc->bits) == l->base && l->failed && l->failed != l->base &&
           is_way_back(l, back, back_at);
}

bool rv_loop_find(const uint8_t *bytes, size_t n, RvLoop *loop)
{
    RvLoop l = { 0 };
    RvLoopInsn i = { 0 }, back = { 0 };
    size_t at = 0, start, out = 0;
    int32_t distance;

    if (!next(bytes, n, &at, &i) || (i.insn != RV_lr_w && i.insn != RV_lr_d)) {
        return false;
    }
    l.size = i.insn == RV_lr_w ? RV_W : RV_D;
    l.old = (uint8_t)rv_field_rd(i.bits);
    l.base = (uint8_t)rv_field_rs1(i.bits);
    l.branch = RV_LOOP_BODY;
    for (;;) {
        start = at;
        if (!next(bytes, n, &at, &i)) {
            return false;
        }
        if (!out && get_branch(&i, &distance) && distance > 0) {
            out = start + (uint32_t)distance;
            l.branch = l.n;
        } else if (!get_operands(&i) || i.rd == l.base) {
            break;
        }
        if (l.n == RV_LOOP_BODY) {
            return false;
        }
        l.body[l.n++] = i;
    }
    start = at;
    if (!l.old || l.old == l.base || !next(bytes, n, &at, &back) ||
        !ends_with(&l, &i, back, start) || (out && out != at)) {
        return false;
    }
    l.branch = out ? l.branch : l.n;
    l.length = (unsigned)at;
    *loop = l;
    return true;
}

unsigned rv_sequence(const uint8_t *bytes, size_t n)
{
    RvLoop loop;

    return rv_loop_find(bytes, n, &loop) ? loop.length : 0;
}

/* ---- Compare and swap ---- */

/* bne old, expected, out is all that there is. */
static bool is_cas(const RvLoop *l, unsigned *expected)
{
    const RvLoopInsn *i = l->body;

    if (l->n != 1 || l->branch != 0 || (i->insn != RV_bne && i->insn != RV_c_bnez)) {
        return false;
    }
    *expected = i->rs1 == l->old ? i->rs2 : i->rs1;
    return (i->rs1 == l->old) != (i->rs2 == l->old) && l->new != l->old && l->failed != l->old &&
           l->failed != *expected && l->failed != l->new;
}

/* A word never equals what is no sign-extended word; that does not happen, so it may be slow. */
static IrRef get_expected(Rv *c, unsigned reg, unsigned size)
{
    IrRef all = rv_get(c, reg), value = rv_get_sized(c, reg, size);

    ir_trap_if(c->b, ir_op2(c->b, IR_OP_ne, IR_I1, rv_widen(c, value, size), all), IR_TRAP_again, 0);
    return value;
}

static void compare_and_swap(Rv *c, const RvLoop *l, unsigned reg)
{
    IrRef address = rv_aligned_address(c, l->base, l->size);
    IrRef expected = get_expected(c, reg, l->size), new = rv_get_sized(c, l->new, l->size);
    IrRef old = ir_cas(c->b, rv_atomic_type(l->size), address, expected, new);
    IrRef stored = ir_op2(c->b, IR_OP_eq, IR_I1, old, expected);

    rv_set(c, l->old, rv_widen(c, old, l->size));
    rv_set(c, l->failed,
           ir_op3(c->b, IR_OP_sel, IR_I64, stored, rv_imm(c, 0), rv_get(c, l->failed)));
}

/* ---- Everything else ---- */

/* What the loop leaves in the registers that it writes. */
typedef struct Result {
    uint32_t regs; /* set of them */
    IrRef leaves;  /* the branch's condition; 0: there is none */
    IrRef branch[32]; /* at the branch */
    IrRef end[32];
} Result;

static IrRef condition(Rv *c, const RvLoopInsn *i)
{
    IrRef x = rv_get(c, i->rs1), y = rv_get(c, i->rs2);

    switch (i->insn) {
    case RV_beq: case RV_c_beqz:
        return ir_op2(c->b, IR_OP_eq, IR_I1, x, y);
    case RV_blt:
        return ir_op2(c->b, IR_OP_lt, IR_I1, x, y);
    case RV_bge:
        return ir_op2(c->b, IR_OP_le, IR_I1, y, x);
    case RV_bltu:
        return ir_op2(c->b, IR_OP_ltu, IR_I1, x, y);
    case RV_bgeu:
        return ir_op2(c->b, IR_OP_leu, IR_I1, y, x);
    default: /* bne, c.bnez */
        return ir_op2(c->b, IR_OP_ne, IR_I1, x, y);
    }
}

static void copy_known(const IrBuild *b, uint32_t regs, IrRef to[32])
{
    for (; regs; regs &= regs - 1) {
        to[__builtin_ctz(regs)] = b->known[__builtin_ctz(regs)];
    }
}

/* Takes the register writes since `first` back. */
static void undo_writes(IrBuild *b, IrRef first, uint32_t regs, const IrRef before[32])
{
    for (IrRef ref = first; ref < b->f->n_insns; ref++) {
        if (ir_insn(b->f, ref)->op == IR_OP_setreg) {
            ir_remove(b->f, b->block, ref);
        }
    }
    for (; regs; regs &= regs - 1) {
        b->known[__builtin_ctz(regs)] = before[__builtin_ctz(regs)];
    }
}

/* The body with `old` from LR, as the register gets it, without writing registers. */
static void run_body(Rv *c, const RvLoop *l, IrRef old, Result *r)
{
    IrRef before[32], first;

    r->regs = UINT32_C(1) << l->old | UINT32_C(1) << l->failed;
    r->leaves = 0;
    for (unsigned k = 0; k < l->n; k++) {
        r->regs |= UINT32_C(1) << l->body[k].rd;
    }
    r->regs &= ~UINT32_C(1);
    for (uint32_t m = r->regs; m; m &= m - 1) {
        before[__builtin_ctz(m)] = rv_get(c, (unsigned)__builtin_ctz(m));
    }
    first = c->b->f->n_insns;
    rv_set(c, l->old, old);
    for (unsigned k = 0; k < l->n; k++) {
        Rv one = { .fe = c->fe, .b = c->b, .bits = l->body[k].bits };

        if (k == l->branch) {
            r->leaves = condition(c, &l->body[k]);
            copy_known(c->b, r->regs, r->branch);
        } else {
            CHECK(rv_dispatch(&one, l->body[k].insn, one.bits), "%08x is illegal", one.bits);
        }
    }
    copy_known(c->b, r->regs, r->end);
    undo_writes(c->b, first, r->regs, before);
}

static void write_result(Rv *c, const RvLoop *l, Result *r)
{
    r->end[l->failed] = rv_imm(c, 0);
    for (uint32_t m = r->regs; m; m &= m - 1) {
        unsigned reg = (unsigned)__builtin_ctz(m);
        IrRef end = r->end[reg];

        if (r->leaves) {
            end = ir_op3(c->b, IR_OP_sel, IR_I64, r->leaves, r->branch[reg], end);
        }
        rv_set(c, reg, end);
    }
}

/* The loop stores what one AMO stores. */
static bool is_amo(const RvLoop *l, IrRmw *op, unsigned *operand)
{
    const RvLoopInsn *i = l->body;

    if (l->n == 0 && l->new != l->old) {
        *op = IR_RMW_swap;
        *operand = l->new;
        return true;
    }
    if (l->n != 1 || l->branch == 0 || i->rd != l->new || (i->rs1 == l->old) == (i->rs2 == l->old)) {
        return false;
    }
    *operand = i->rs1 == l->old ? i->rs2 : i->rs1;
    switch (i->insn) {
    case RV_add: case RV_c_add: case RV_addw: case RV_c_addw:
        *op = IR_RMW_add;
        return l->size == RV_W || i->insn == RV_add || i->insn == RV_c_add;
    case RV_and: case RV_c_and:
        *op = IR_RMW_and;
        return true;
    case RV_or: case RV_c_or:
        *op = IR_RMW_or;
        return true;
    case RV_xor: case RV_c_xor:
        *op = IR_RMW_xor;
        return true;
    default:
        return false;
    }
}

static void exchange(Rv *c, const RvLoop *l, IrRmw op, unsigned operand)
{
    IrRef address = rv_aligned_address(c, l->base, l->size);
    IrRef value = rv_get_sized(c, operand, l->size);
    IrRef old = ir_amo(c->b, op, rv_atomic_type(l->size), address, value);
    Result r;

    run_body(c, l, rv_widen(c, old, l->size), &r);
    write_result(c, l, &r);
}

static IrRef narrow(Rv *c, IrRef value, unsigned size)
{
    return size == RV_W ? ir_op1(c->b, IR_OP_trunc, IR_I32, value) : value;
}

/* When the branch leaves, memory is given what it has. */
static void compute_and_swap(Rv *c, const RvLoop *l)
{
    IrFunc *f = c->b->f;
    IrRef address = rv_aligned_address(c, l->base, l->size), old, new, got;
    IrBlockId fail, done;
    Result r;

    old = ir_load(c->b, IR_I64, l->size == RV_W ? 2 | IR_MEM_SIGN : 3, address, 0);
    run_body(c, l, old, &r);
    new = r.regs >> l->new & 1 ? r.end[l->new] : rv_get(c, l->new);
    if (r.leaves) {
        new = ir_op3(c->b, IR_OP_sel, IR_I64, r.leaves, old, new);
    }
    old = narrow(c, old, l->size);
    got = ir_cas(c->b, rv_atomic_type(l->size), address, old, narrow(c, new, l->size));
    fail = ir_block_new(f, c->fe->pc);
    done = ir_block_new(f, c->fe->pc);
    ir_append(f, fail, (IrInsn){ .op = IR_OP_exit, .type = IR_VOID, .aux = IR_EXIT_POLL,
                                 .imm = (int64_t)c->fe->pc });
    ir_brif(c->b, ir_op2(c->b, IR_OP_ne, IR_I1, got, old), fail, done);
    ir_build_follow(c->b, done);
    write_result(c, l, &r);
}

void rv_loop_translate(Rv *c, const RvLoop *l)
{
    unsigned reg;
    IrRmw op;

    if (is_cas(l, &reg)) {
        compare_and_swap(c, l, reg);
    } else if (is_amo(l, &op, &reg)) {
        exchange(c, l, op, reg);
    } else {
        compute_and_swap(c, l);
    }
    ir_set(c->b, RV_SLOT_resaddr, rv_imm(c, -1));
}
