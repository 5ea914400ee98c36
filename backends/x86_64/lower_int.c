/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Lowering of integer ops.
 *
 * Values narrower than 32 bits are computed with 32-bit insns; what depends on the bits above
 * (right shifts, division, counts) goes to the reference evaluator for them.
 */
#include "backends/x86_64/lower.h"

#include "backends/x86_64/host.h"
#include "base/bits.h"

static bool narrow(const IrInsn *i)
{
    return i->type < IR_I32;
}

static bool wide(const IrInsn *i)
{
    return i->type == IR_I64;
}

/* ---- Two-operand arithmetic ---- */

/* The insn just emitted set the flags by its result: a test of that may be left out. */
static void note_flags(X64Gen *g, X64Reg d, bool w, unsigned digit)
{
    g->flags_at = x64_here(g);
    g->flags_reg = d;
    g->flags_w = w;
    g->flags_logic = digit == X64_AND || digit == X64_OR || digit == X64_XOR;
    g->flags_cc = X64_NONE;
}

/* `d` has just been set to 1 or 0 by condition `cc` of the flags. */
static void note_truth(X64Gen *g, X64Reg d, unsigned cc)
{
    g->flags_at = x64_here(g);
    g->flags_reg = d;
    g->flags_cc = (uint8_t)cc;
}

static bool flags_known(const X64Gen *g, const X64Cmp *c)
{
    bool zero_or_sign = c->cond.cc == X64_CC_E || c->cond.cc == X64_CC_NE;

    return g->flags_at == x64_here(g) && g->flags_reg == c->a && g->flags_cc == X64_NONE &&
           g->flags_w == c->w && (g->flags_logic || zero_or_sign);
}

static bool commutes(const IrInsn *i)
{
    return ir_op_info[i->op].effects & IR_COMM;
}

static void alu_imm(X64Gen *g, const IrInsn *i, IrRef ref, unsigned digit, int32_t imm)
{
    X64Reg a = x64_use(g, i->arg[0]), d;

    x64_end_uses(g);
    if (digit == X64_AND && (imm == 0xff || imm == 0xffff) && !narrow(i)) {
        x64_emit_zext(g, x64_def_like(g, ref, a), a, imm == 0xff ? 8 : 16);
        return;
    }
    d = x64_def_over(g, ref, a, 0);
    if (narrow(i)) {
        imm = (int32_t)bits_zext((uint64_t)imm, ir_bits(i->type));
    }
    x64_alu_ri(&g->e, digit, wide(i) && !(digit == X64_AND && imm >= 0), d, imm);
    note_flags(g, d, wide(i), digit);
}

RULE_FN(lower_alu)
{
    IrRef x = i->arg[0], y = i->arg[1];
    int32_t imm;
    X64Reg a, b = X64_NONE, d;
    X64Mem m;
    bool mem = false;

    if (x64_imm32_of(g, y, &imm)) {
        alu_imm(g, i, ref, arg, imm);
        return;
    }
    if (commutes(i) && !x64_dies(g, x) && x64_dies(g, y)) {
        IrRef t = x;

        x = y;
        y = t;
    }
    a = x64_use(g, x);
    if (i->type >= IR_I32 && x64_arg_type(g, i, 1) == i->type) {
        mem = x64_use_mem(g, y, &m);
    }
    if (!mem) {
        b = x64_use(g, y);
    }
    x64_end_uses(g);
    d = x64_def_over(g, ref, a, b != X64_NONE ? X64_BIT(b) : 0);
    if (mem) {
        x64_alu_rm(&g->e, arg, wide(i), d, m);
    } else {
        x64_alu_rr(&g->e, arg, wide(i), d, b);
    }
    note_flags(g, d, wide(i), arg);
}

static void emit_sum(X64Gen *g, bool w, X64Reg d, X64Mem m)
{
    if (m.index == X64_NONE && d == m.base) {
        x64_alu_ri(&g->e, X64_ADD, w, d, m.disp);
        note_flags(g, d, w, X64_ADD);
    } else if (m.index != X64_NONE && !m.scale && !m.disp && d == m.base) {
        x64_alu_rr(&g->e, X64_ADD, w, d, m.index);
    } else if (m.index != X64_NONE && !m.scale && !m.disp && d == m.index) {
        x64_alu_rr(&g->e, X64_ADD, w, d, m.base);
    } else {
        x64_lea(&g->e, w, d, m);
    }
}

/* base + disp, base + index, or more: add when the result takes over an operand, else lea. */
RULE_FN(lower_add)
{
    X64Addr addr;
    X64Mem m = { X64_NONE, X64_NONE, 0, 0 };
    X64Reg d;

    if (narrow(i)) {
        lower_alu(g, i, ref, X64_ADD);
        return;
    }
    addr = x64_match_lea(g, i);
    m.scale = addr.scale;
    m.disp = (int32_t)addr.disp;
    if (addr.index && !addr.scale && !addr.disp) {
        X64Mem mem;

        if (x64_use_mem(g, addr.index, &mem)) {
            X64Reg a = x64_use(g, addr.base);

            x64_end_uses(g);
            x64_alu_rm(&g->e, X64_ADD, wide(i), x64_def_over(g, ref, a, 0), mem);
            return;
        }
    }
    m.base = x64_use(g, addr.base);
    if (addr.index) {
        m.index = x64_use(g, addr.index);
    }
    x64_end_uses(g);
    d = x64_def_like(g, ref, m.base);
    (void)arg;
    emit_sum(g, wide(i), d, m);
}

RULE_FN(lower_unary)
{
    X64Reg a = x64_use(g, i->arg[0]), d;

    x64_end_uses(g);
    d = x64_def_over(g, ref, a, 0);
    if (i->type == IR_I1 && arg == 2) {
        x64_alu_ri(&g->e, X64_XOR, false, d, 1);
    } else {
        x64_rr(&g->e, 0xf7, wide(i), arg, d);
    }
}

RULE_FN(lower_mul)
{
    int32_t imm;
    X64Reg a, b, d;

    (void)arg;
    a = x64_use(g, i->arg[0]);
    if (x64_imm32_of(g, i->arg[1], &imm)) {
        x64_end_uses(g);
        d = x64_def(g, ref, 0);
        x64_rr(&g->e, imm == (int8_t)imm ? 0x6b : 0x69, wide(i), d, a);
        if (imm == (int8_t)imm) {
            x64_byte(&g->e, (unsigned)imm);
        } else {
            x64_imm32(&g->e, imm);
        }
        return;
    }
    b = x64_use(g, i->arg[1]);
    x64_end_uses(g);
    if (!(g->free & X64_BIT(a)) && (g->free & X64_BIT(b))) {
        X64Reg t = a;

        a = b;
        b = t;
    }
    d = x64_def_over(g, ref, a, X64_BIT(b));
    x64_rr(&g->e, X64_0F | 0xaf, wide(i), d, b);
}

/* ---- Multiplication and division by way of rax and rdx ---- */

static void take_rax_rdx(X64Gen *g)
{
    x64_take(g, X64_RAX);
    x64_take(g, X64_RDX);
}

/* arg: 4 unsigned, 5 signed: the digits of mul and imul */
RULE_FN(lower_mulh)
{
    X64Reg a, b;

    if (narrow(i)) {
        lower_eval(g, i, ref, 0);
        return;
    }
    take_rax_rdx(g);
    a = x64_use(g, i->arg[0]);
    b = x64_use(g, i->arg[1]);
    x64_end_uses(g);
    x64_mov_rr(&g->e, true, X64_RAX, a);
    x64_rr(&g->e, 0xf7, wide(i), arg, b);
    x64_def_in(g, ref, X64_RDX);
}

/* high(signed a * unsigned b) = high(unsigned a * unsigned b) - (a < 0 ? b : 0) */
RULE_FN(lower_mulhsu)
{
    unsigned bits = ir_bits(i->type);
    X64Reg a, b, t;

    (void)arg;
    if (narrow(i)) {
        lower_eval(g, i, ref, 0);
        return;
    }
    take_rax_rdx(g);
    a = x64_use(g, i->arg[0]);
    b = x64_use(g, i->arg[1]);
    t = x64_temp(g, X64_GPRS);
    x64_end_uses(g);
    x64_mov_rr(&g->e, true, X64_RAX, a);
    x64_rr(&g->e, 0xf7, wide(i), 4, b);
    x64_mov_rr(&g->e, true, t, a);
    x64_shift_ri(&g->e, X64_SAR, wide(i), t, bits - 1);
    x64_alu_rr(&g->e, X64_AND, wide(i), t, b);
    x64_alu_rr(&g->e, X64_SUB, wide(i), X64_RDX, t);
    x64_def_in(g, ref, X64_RDX);
}

/* reg[0]: a */
static void divide_by_zero(X64Gen *g, const X64Cold *c)
{
    x64_mov_rr(&g->e, c->type == IR_I64, X64_RDX, c->reg[0]);
    x64_mov_ri(&g->e, X64_RAX, c->type == IR_I64 ? UINT64_MAX : UINT32_MAX);
    x64_cold_return(g, c);
}

static void divide_by_minus_one(X64Gen *g, const X64Cold *c)
{
    x64_alu_rr(&g->e, X64_XOR, false, X64_RDX, X64_RDX);
    x64_mov_rr(&g->e, true, X64_RAX, c->reg[0]);
    x64_rr(&g->e, 0xf7, c->type == IR_I64, 3, X64_RAX);
    x64_cold_return(g, c);
}

/* reg[0]: b; rax: a; rdx: 0 */
static void divide_short(X64Gen *g, const X64Cold *c)
{
    x64_rr(&g->e, 0xf7, false, 6, c->reg[0]);
    x64_cold_return(g, c);
}

/* `reg`: what fn() gets */
static void unless_divided(X64Gen *g, X64ColdFn *fn, const IrInsn *i, X64Reg reg)
{
    X64Cold *c = x64_cold(g, fn, x64_jcc(&g->e, X64_CC_E, NULL));

    c->type = i->type;
    c->reg[0] = reg;
}

/* rax, rdx = quotient, remainder of rax by b */
static void emit_division(X64Gen *g, const IrInsn *i, X64Reg b, bool sign)
{
    bool w = wide(i);

    if (w) { /* 32 bits are enough: much faster on many hosts */
        x64_mov_rr(&g->e, true, X64_RDX, X64_RAX);
        x64_alu_rr(&g->e, X64_OR, true, X64_RDX, b);
        x64_shift_ri(&g->e, X64_SHR, true, X64_RDX, 32);
        unless_divided(g, divide_short, i, b);
    }
    if (sign) {
        x64_rr(&g->e, 0x99, w, 0, 0);
        g->e.p--; /* cqo has no ModRM */
    } else {
        x64_alu_rr(&g->e, X64_XOR, false, X64_RDX, X64_RDX);
    }
    x64_rr(&g->e, 0xf7, w, sign ? 7 : 6, b);
}

RULE_FN(lower_div)
{
    X64Reg a, b;
    bool w = wide(i), sign = arg & X64_DIV_SIGNED;
    IrRef remainder = x64_remainder_of(g, ref);
    uint32_t cold;
    uint64_t by = 0;
    bool known = x64_const(g, i->arg[1], &by);

    if (narrow(i)) {
        lower_eval(g, i, ref, 0);
        return;
    }
    take_rax_rdx(g);
    a = x64_use(g, i->arg[0]);
    b = x64_use(g, i->arg[1]);
    x64_end_uses(g);
    cold = g->n_cold;
    if (!known || by == 0) {
        x64_rr(&g->e, 0x85, w, b, b);
        unless_divided(g, divide_by_zero, i, a);
    }
    if (sign && (!known || by == bits_zext(UINT64_MAX, ir_bits(i->type)))) {
        x64_alu_ri(&g->e, X64_CMP, w, b, -1);
        unless_divided(g, divide_by_minus_one, i, a);
    }
    x64_mov_rr(&g->e, w, X64_RAX, a);
    emit_division(g, i, b, sign);
    for (; cold < g->n_cold; cold++) {
        g->cold[cold].back = x64_here(g);
    }
    x64_def_in(g, ref, arg & X64_DIV_REM ? X64_RDX : X64_RAX);
    if (remainder) {
        x64_def_in(g, remainder, X64_RDX);
        x64_drop_if_dead(g, remainder);
    }
}

/* ---- Shifts ---- */

static void shift_by_const(X64Gen *g, const IrInsn *i, IrRef ref, unsigned digit, unsigned count)
{
    X64Reg a = x64_use(g, i->arg[0]), d;
    bool w = wide(i);

    x64_end_uses(g);
    if ((digit == X64_ROL || digit == X64_ROR) && x64_has(X64_F_bmi2)) {
        d = x64_def_like(g, ref, a);
        if (d != a) {
            x64_vrr(&g->e, X64_F2 | X64_0F3A | 0xf0, w, d, 0, a); /* rorx */
            x64_byte(&g->e, digit == X64_ROR ? count : (ir_bits(i->type) - count) &
                                                           (ir_bits(i->type) - 1));
            return;
        }
    } else {
        d = x64_def_over(g, ref, a, 0);
    }
    if (count) {
        x64_shift_ri(&g->e, digit, w, d, count);
    } else if (!w) {
        x64_mov_rr(&g->e, false, d, d);
    }
}

static void shift_bmi2(X64Gen *g, const IrInsn *i, IrRef ref, unsigned digit)
{
    X64Op prefix = digit == X64_SHL ? X64_66 : digit == X64_SHR ? X64_F2 : X64_F3;
    X64Reg a = x64_use(g, i->arg[0]), b = x64_use(g, i->arg[1]);

    x64_end_uses(g);
    x64_vrr(&g->e, prefix | X64_0F38 | 0xf7, wide(i), x64_def_like(g, ref, a), b, a);
}

RULE_FN(lower_shift)
{
    uint64_t c;
    X64Reg a, d;

    if (narrow(i) && (arg != X64_SHL || !x64_const(g, i->arg[1], &c))) {
        lower_eval(g, i, ref, 0);
        return;
    }
    if (x64_const(g, i->arg[1], &c)) {
        shift_by_const(g, i, ref, arg, (unsigned)c & (ir_bits(i->type) - 1));
        return;
    }
    if (arg >= X64_SHL && x64_has(X64_F_bmi2)) {
        shift_bmi2(g, i, ref, arg);
        return;
    }
    x64_use_in(g, i->arg[1], X64_RCX, false);
    a = x64_use(g, i->arg[0]);
    x64_end_uses(g);
    d = x64_def_over(g, ref, a, X64_BIT(X64_RCX));
    x64_rr(&g->e, 0xd3, wide(i), arg, d);
}

/* ---- Bits ---- */

/* Without lzcnt and tzcnt: bsr, bsf leave the result undefined for 0. */
static void count_old(X64Gen *g, const IrInsn *i, X64Reg d, X64Reg a, bool leading)
{
    unsigned bits = ir_bits(i->type);
    X64Reg t = x64_temp(g, X64_GPRS);

    x64_rr(&g->e, X64_0F | (leading ? 0xbd : 0xbc), wide(i), d, a);
    x64_mov_ri(&g->e, t, leading ? 2 * bits - 1 : bits);
    x64_rr(&g->e, X64_0F | 0x44, wide(i), d, t); /* cmove */
    if (leading) {
        x64_alu_ri(&g->e, X64_XOR, false, d, (int32_t)bits - 1);
    }
}

RULE_FN(lower_count)
{
    static const struct {
        uint8_t opcode;
        X64Feature feature;
    } how[] = {
        [X64_COUNT_LEADING] = { 0xbd, X64_F_lzcnt },
        [X64_COUNT_TRAILING] = { 0xbc, X64_F_bmi1 },
        [X64_COUNT_ONES] = { 0xb8, X64_F_popcnt },
    };
    bool have = x64_has(how[arg].feature);
    X64Reg a, d;

    if (narrow(i) || (arg == X64_COUNT_ONES && !have)) {
        lower_eval(g, i, ref, 0);
        return;
    }
    a = x64_use(g, i->arg[0]);
    x64_end_uses(g);
    if (!have) {
        count_old(g, i, x64_def(g, ref, X64_BIT(a)), a, arg == X64_COUNT_LEADING);
        return;
    }
    d = x64_def_like(g, ref, a);
    x64_rr(&g->e, X64_F3 | X64_0F | how[arg].opcode, wide(i), d, a);
}

RULE_FN(lower_bswap)
{
    X64Reg a, d;

    if (narrow(i)) {
        lower_eval(g, i, ref, arg);
        return;
    }
    a = x64_use(g, i->arg[0]);
    x64_end_uses(g);
    d = x64_def_over(g, ref, a, 0);
    x64_rr(&g->e, X64_0F | 0xc8, wide(i), 0, d);
    g->e.p--; /* the register is in the opcode */
    g->e.p[-1] = 0xc8 | (d & 7);
}

/* arg: 1 for the high half */
RULE_FN(lower_clmul)
{
    X64Reg a, b, x, y;

    if (!x64_has(X64_F_pclmul)) {
        lower_eval(g, i, ref, 0);
        return;
    }
    a = x64_use(g, i->arg[0]);
    b = x64_use(g, i->arg[1]);
    x = x64_temp(g, X64_XMMS);
    y = x64_temp(g, X64_XMMS);
    x64_end_uses(g);
    x64_mov_rr(&g->e, true, x, a);
    x64_mov_rr(&g->e, true, y, b);
    x64_rr(&g->e, X64_66 | X64_0F3A | 0x44, false, x, y);
    x64_byte(&g->e, 0);
    if (arg) {
        x64_rr(&g->e, X64_66 | X64_0F | 0x73, false, 3, x); /* psrldq x, 8 */
        x64_byte(&g->e, 8);
    }
    x64_mov_rr(&g->e, true, x64_def(g, ref, 0), x);
}

/* ---- Width ---- */

void x64_emit_zext(X64Gen *g, X64Reg d, X64Reg a, unsigned bits)
{
    if (bits == 8) {
        x64_rr(&g->e, X64_0F | 0xb6 | X64_BYTE, false, d, a);
    } else if (bits == 16) {
        x64_rr(&g->e, X64_0F | 0xb7, false, d, a);
    } else {
        x64_mov_rr(&g->e, bits > 32, d, a);
    }
}

RULE_FN(lower_zext)
{
    unsigned type = x64_arg_type(g, i, 0);
    X64Reg a = x64_use(g, i->arg[0]), d;

    (void)arg;
    x64_end_uses(g);
    if (type == IR_I1) {
        d = x64_def_over(g, ref, a, 0);
        x64_alu_ri(&g->e, X64_AND, false, d, 1);
        return;
    }
    d = x64_def_like(g, ref, a);
    x64_emit_zext(g, d, a, ir_bits(type));
}

X64Op x64_sext_op(unsigned type)
{
    return type == IR_I32 ? 0x63 : X64_0F | (type == IR_I8 ? 0xbe | X64_BYTE : 0xbf);
}

RULE_FN(lower_sext)
{
    unsigned type = x64_arg_type(g, i, 0);
    bool w = wide(i);
    X64Reg a, d;
    X64Mem m;

    (void)arg;
    if (type != IR_I1 && x64_use_mem(g, i->arg[0], &m)) {
        x64_end_uses(g);
        x64_rm(&g->e, x64_sext_op(type), w, x64_def(g, ref, 0), m, 0);
        return;
    }
    a = x64_use(g, i->arg[0]);
    x64_end_uses(g);
    if (type == IR_I1) {
        d = x64_def_over(g, ref, a, 0);
        x64_alu_ri(&g->e, X64_AND, false, d, 1);
        x64_rr(&g->e, 0xf7, w, 3, d); /* neg */
        return;
    }
    d = x64_def_like(g, ref, a);
    x64_rr(&g->e, x64_sext_op(type), w, d, a);
}

/* ---- Comparisons ---- */

static const struct {
    uint8_t cc, swapped;
} int_cc[IR_OP_COUNT] = {
    [IR_OP_eq] = { X64_CC_E, X64_CC_E },    [IR_OP_ne] = { X64_CC_NE, X64_CC_NE },
    [IR_OP_lt] = { X64_CC_L, X64_CC_G },    [IR_OP_le] = { X64_CC_LE, X64_CC_GE },
    [IR_OP_ltu] = { X64_CC_B, X64_CC_A },   [IR_OP_leu] = { X64_CC_BE, X64_CC_AE },
};

/* A narrow operand, extended as the comparison needs it */
static X64Reg extended(X64Gen *g, IrRef ref, bool sign)
{
    unsigned type = x64_insn(g, ref)->type;
    X64Reg a = x64_use(g, ref), t = x64_temp(g, X64_GPRS);

    if (type == IR_I1) {
        x64_mov_rr(&g->e, false, t, a);
        x64_alu_ri(&g->e, X64_AND, false, t, 1);
        if (sign) {
            x64_rr(&g->e, 0xf7, false, 3, t);
        }
    } else if (sign) {
        x64_rr(&g->e, X64_0F | (type == IR_I8 ? 0xbe | X64_BYTE : 0xbf), false, t, a);
    } else {
        x64_emit_zext(g, t, a, ir_bits(type));
    }
    return t;
}

static X64Cmp compare_narrow(X64Gen *g, const IrInsn *i)
{
    bool sign = i->op == IR_OP_lt || i->op == IR_OP_le;
    X64Cmp c = { .cond = { int_cc[i->op].cc, X64_PLAIN }, .op = 0x3b };

    c.a = extended(g, i->arg[0], sign);
    c.b = extended(g, i->arg[1], sign);
    return c;
}

/* `t`, an and, compared with 0 */
static X64Cmp compare_test(X64Gen *g, const IrInsn *i, const IrInsn *t)
{
    X64Cmp c = { .cond = { int_cc[i->op].cc, X64_PLAIN }, .op = 0x85, .w = wide(t), .b = X64_NONE };

    c.has_imm = x64_imm32_of(g, t->arg[1], &c.imm);
    c.a = x64_use(g, t->arg[0]);
    if (!c.has_imm) {
        c.b = x64_use(g, t->arg[1]);
    }
    return c;
}

static void emit_test_imm(X64Gen *g, const X64Cmp *c)
{
    if (c->imm >= 0 && c->imm <= 0xff) {
        x64_rr(&g->e, 0xf6 | X64_BYTE, false, 0, c->a);
        x64_byte(&g->e, (unsigned)c->imm);
    } else {
        x64_rr(&g->e, 0xf7, c->w && c->imm < 0, 0, c->a);
        x64_imm32(&g->e, c->imm);
    }
}

static X64Cmp compare_ints(X64Gen *g, const IrInsn *i)
{
    const IrInsn *t = x64_match_test(g, i);
    unsigned type = x64_arg_type(g, i, 0);
    IrRef x = i->arg[0], y = i->arg[1];
    X64Cmp c = { .cond = { int_cc[i->op].cc, X64_PLAIN }, .op = 0x3b, .w = type == IR_I64,
                 .b = X64_NONE };

    if (t != i) {
        return compare_test(g, i, t);
    }
    if (type < IR_I32) {
        return compare_narrow(g, i);
    }
    if (x64_imm32_of(g, x, &c.imm) && !x64_imm32_of(g, y, &c.imm)) {
        x = i->arg[1];
        y = i->arg[0];
        c.cond.cc = int_cc[i->op].swapped;
    }
    if (x64_imm32_of(g, y, &c.imm)) {
        c.has_imm = true;
        c.has_mem = x64_use_mem(g, x, &c.mem);
        c.a = c.has_mem ? X64_NONE : x64_use(g, x);
        return c;
    }
    c.a = x64_use(g, x);
    c.has_mem = x64_use_mem(g, y, &c.mem);
    if (!c.has_mem) {
        c.b = x64_use(g, y);
    }
    return c;
}

/* Unordered sets ZF, PF and CF, so "above" is false for it: a < b is asked as b > a. */
static X64Cmp compare_floats(X64Gen *g, const IrInsn *i)
{
    bool f64 = x64_arg_type(g, i, 0) == IR_F64;
    bool quiet = i->op == IR_OP_feq || i->op == IR_OP_fltq || i->op == IR_OP_fleq;
    bool eq = i->op == IR_OP_feq;
    X64Cmp c = { .op = X64_0F | (quiet ? 0x2e : 0x2f) | (f64 ? X64_66 : 0), .b = X64_NONE };
    IrRef x = i->arg[eq ? 0 : 1], y = i->arg[eq ? 1 : 0];

    c.cond.cc = eq ? X64_CC_E : i->op == IR_OP_flt || i->op == IR_OP_fltq ? X64_CC_A : X64_CC_AE;
    c.cond.parity = eq ? X64_AND_NP : X64_PLAIN;
    c.a = x64_use(g, x);
    c.has_mem = x64_use_mem(g, y, &c.mem);
    if (!c.has_mem) {
        c.b = x64_use(g, y);
    }
    return c;
}

X64Cmp x64_cmp_insn(X64Gen *g, const IrInsn *i)
{
    return ir_op_info[i->op].effects & IR_FP ? compare_floats(g, i) : compare_ints(g, i);
}

X64Cmp x64_cmp_of(X64Gen *g, IrRef ref)
{
    bool negate, folded;
    IrRef r = x64_match_cond(g, ref, &negate, &folded);
    X64Cmp c;

    if (folded) {
        c = x64_cmp_insn(g, x64_insn(g, r));
    } else {
        c = (X64Cmp){ .cond = { X64_CC_NE, X64_PLAIN }, .op = 0xf6 | X64_BYTE, .b = X64_NONE };
        c.a = x64_use(g, r);
    }
    if (negate) {
        c.cond = x64_invert(c.cond);
    }
    return c;
}

/* Is I1 register c->a 1 (or 0)? */
static void emit_truth(X64Gen *g, X64Cmp *c)
{
    if (g->flags_at == x64_here(g) && g->flags_reg == c->a && g->flags_cc != X64_NONE) {
        c->cond.cc = g->flags_cc ^ (c->cond.cc == X64_CC_E);
        return;
    }
    x64_rr(&g->e, c->op, false, 0, c->a); /* test r8, 1 */
    x64_byte(&g->e, 1);
}

void x64_emit_cmp(X64Gen *g, X64Cmp *c)
{
    if (c->op == (0xf6 | X64_BYTE)) {
        emit_truth(g, c);
    } else if (c->op == 0x85 && c->has_imm) {
        emit_test_imm(g, c);
    } else if (c->has_imm && c->has_mem) {
        x64_alu_mi(&g->e, X64_CMP, c->w, c->mem, c->imm);
    } else if (c->has_imm && c->imm == 0) {
        if (!flags_known(g, c)) {
            x64_rr(&g->e, 0x85, c->w, c->a, c->a);
        }
    } else if (c->has_imm) {
        x64_alu_ri(&g->e, X64_CMP, c->w, c->a, c->imm);
    } else if (c->has_mem) {
        x64_rm(&g->e, c->op, c->w, c->a, c->mem, 0);
    } else {
        x64_rr(&g->e, c->op, c->w, c->a, c->b);
    }
}

static uint32_t cmp_regs(const X64Cmp *c)
{
    return (c->a != X64_NONE ? X64_BIT(c->a) : 0) | (c->b != X64_NONE ? X64_BIT(c->b) : 0);
}

static void setcc(X64Gen *g, unsigned cc, X64Reg r)
{
    x64_rr(&g->e, X64_0F | X64_BYTE | 0x90 | cc, false, 0, r);
}

RULE_FN(lower_compare)
{
    X64Cmp c;
    X64Reg d, t = X64_NONE;

    (void)arg;
    if (x64_arg_type(g, i, 0) == IR_F16) {
        lower_eval(g, i, ref, 0);
        return;
    }
    c = x64_cmp_insn(g, i);
    if (c.cond.parity) {
        t = x64_temp(g, X64_GPRS);
    }
    x64_end_uses(g);
    d = x64_def(g, ref, cmp_regs(&c));
    x64_alu_rr(&g->e, X64_XOR, false, d, d);
    x64_emit_cmp(g, &c);
    setcc(g, c.cond.cc, d);
    if (c.cond.parity) {
        setcc(g, X64_CC_NP, t);
        x64_rr(&g->e, 0x22 | X64_BYTE, false, d, t); /* and r8, r8 */
    }
    note_truth(g, d, c.cond.parity ? X64_CC_NE : c.cond.cc);
}

/* ---- Choice ---- */

static void cmov(X64Gen *g, bool w, unsigned cc, X64Reg d, X64Reg s)
{
    x64_rr(&g->e, X64_0F | 0x40 | cc, w, d, s);
}

static void sel_int(X64Gen *g, const IrInsn *i, IrRef ref)
{
    X64Cmp c = x64_cmp_of(g, i->arg[0]);
    X64Reg yes = x64_use(g, i->arg[1]), no = x64_use(g, i->arg[2]), d, other;

    x64_end_uses(g);
    x64_emit_cmp(g, &c);
    if (c.cond.parity == X64_AND_NP ||
        (!c.cond.parity && !(g->free & X64_BIT(no)) && (g->free & X64_BIT(yes)))) {
        X64Reg t = yes;

        yes = no;
        no = t;
        c.cond = x64_invert(c.cond);
    }
    other = yes;
    d = x64_def_over(g, ref, no, X64_BIT(other));
    cmov(g, wide(i), c.cond.cc, d, other);
    if (c.cond.parity) {
        cmov(g, wide(i), X64_CC_P, d, other);
    }
}

/* d starts as "no"; a short jump over the move of "yes" */
static void sel_float(X64Gen *g, const IrInsn *i, IrRef ref)
{
    X64Cmp c = x64_cmp_of(g, i->arg[0]);
    X64Reg yes = x64_use(g, i->arg[1]), no = x64_use(g, i->arg[2]), d;
    uint8_t *skip[2] = { NULL, NULL };
    X64Cond inv;

    x64_end_uses(g);
    d = x64_def_over(g, ref, no, X64_BIT(yes) | cmp_regs(&c));
    x64_emit_cmp(g, &c);
    inv = x64_invert(c.cond);
    if (inv.parity == X64_AND_NP) { /* c is "cc or P" */
        uint8_t *move = x64_jcc8(&g->e, X64_CC_P);

        skip[0] = x64_jcc8(&g->e, inv.cc);
        x64_patch8(&g->e, move);
    } else {
        skip[0] = x64_jcc8(&g->e, inv.cc);
        skip[1] = inv.parity ? x64_jcc8(&g->e, X64_CC_P) : NULL;
    }
    x64_mov_rr(&g->e, true, d, yes);
    for (unsigned k = 0; k < 2 && skip[k]; k++) {
        x64_patch8(&g->e, skip[k]);
    }
}

RULE_FN(lower_sel)
{
    (void)arg;
    if (x64_is_float(i->type)) {
        sel_float(g, i, ref);
    } else {
        sel_int(g, i, ref);
    }
}
