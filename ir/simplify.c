/* SPDX-License-Identifier: Apache-2.0 */
#include "ir/simplify.h"

#include "base/bits.h"
#include "ir/eval.h"

static const IrInsn *def(const IrBuild *b, IrRef ref)
{
    return &b->f->insn[ref];
}

static bool is_op(const IrBuild *b, IrRef ref, IrOp op)
{
    return def(b, ref)->op == op;
}

/* The constant that `ref` is, zero-extended from its type. */
static bool konst(const IrBuild *b, IrRef ref, uint64_t *value)
{
    const IrInsn *i = def(b, ref);

    if (i->op != IR_OP_const) {
        return false;
    }
    *value = bits_zext((uint64_t)i->imm, ir_bits(i->type));
    return true;
}

static IrRef cast(IrBuild *b, IrOp op, IrType type, IrRef a)
{
    return def(b, a)->type == type ? a : ir_op1(b, op, type, a);
}

/* All operands constant: the value. */
static IrRef fold(IrBuild *b, const IrInsn *i)
{
    unsigned n = ir_op_info[i->op].n_args;
    uint8_t type[3] = { 0 };
    uint64_t arg[3], value;

    for (unsigned k = 0; k < n; k++) {
        if (!konst(b, i->arg[k], &arg[k])) {
            return 0;
        }
        type[k] = def(b, i->arg[k])->type;
    }
    return ir_eval(i, type, arg, IR_RM_RNE, NULL, &value) ? ir_const(b, i->type, value) : 0;
}

/* x + c1 + c2 = x + (c1 + c2) */
static IrRef add_constant(IrBuild *b, IrInsn *i, uint64_t c)
{
    const IrInsn *x = def(b, i->arg[0]);
    IrRef rest = x->arg[0];
    uint64_t c1;

    if (c == 0) {
        return i->arg[0];
    }
    if (x->op == IR_OP_add && konst(b, x->arg[1], &c1)) {
        return ir_op2(b, IR_OP_add, i->type, rest, ir_const(b, i->type, c1 + c));
    }
    return 0;
}

static IrRef simplify_add(IrBuild *b, IrInsn *i)
{
    uint64_t c;

    return konst(b, i->arg[1], &c) ? add_constant(b, i, c) : 0;
}

static IrRef simplify_sub(IrBuild *b, IrInsn *i)
{
    uint64_t c;

    if (i->arg[0] == i->arg[1]) {
        return ir_const(b, i->type, 0);
    }
    if (konst(b, i->arg[1], &c)) {
        return ir_op2(b, IR_OP_add, i->type, i->arg[0], ir_const(b, i->type, -c));
    }
    if (konst(b, i->arg[0], &c) && c == 0) {
        return ir_op1(b, IR_OP_neg, i->type, i->arg[1]);
    }
    return 0;
}

static IrRef shift_by(IrBuild *b, IrOp op, IrType type, IrRef a, unsigned count)
{
    return count ? ir_op2(b, op, type, a, ir_const(b, type, count)) : a;
}

static bool power_of_two(uint64_t c)
{
    return c && !(c & (c - 1));
}

static IrRef simplify_mul(IrBuild *b, IrInsn *i)
{
    uint64_t c;

    if (!konst(b, i->arg[1], &c)) {
        return 0;
    }
    if (c == 0) {
        return i->arg[1];
    }
    return power_of_two(c)
               ? shift_by(b, IR_OP_shl, i->type, i->arg[0], (unsigned)__builtin_ctzll(c))
               : 0;
}

static IrRef simplify_divu(IrBuild *b, IrInsn *i)
{
    uint64_t c;

    if (!konst(b, i->arg[1], &c) || !power_of_two(c)) {
        return 0;
    }
    return shift_by(b, IR_OP_shr, i->type, i->arg[0], (unsigned)__builtin_ctzll(c));
}

static IrRef simplify_remu(IrBuild *b, IrInsn *i)
{
    uint64_t c;

    if (!konst(b, i->arg[1], &c) || !power_of_two(c)) {
        return 0;
    }
    return ir_op2(b, IR_OP_and, i->type, i->arg[0], ir_const(b, i->type, c - 1));
}

/* Bits that a load fills, when it zero-extends to its type; 0 when not. */
static unsigned loaded_bits(const IrInsn *i, bool sign)
{
    return i->op == IR_OP_load && !(i->aux & IR_MEM_SIGN) == !sign ? 8u << (i->aux & IR_MEM_SIZE)
                                                                   : 0;
}

/* The constant second operand of `i`; 0 when it has none. */
static uint64_t second(const IrFunc *f, const IrInsn *i)
{
    const IrInsn *c = &f->insn[i->arg[1]];

    return c->op == IR_OP_const ? bits_zext((uint64_t)c->imm, ir_bits(c->type)) : 0;
}

bool ir_is_zext(const IrFunc *f, IrRef ref, unsigned bits)
{
    const IrInsn *i = &f->insn[ref];
    unsigned n;

    switch (i->op) {
    case IR_OP_const:
        return bits_zext((uint64_t)i->imm, ir_bits(i->type)) == bits_zext((uint64_t)i->imm, bits);
    case IR_OP_zext:
        return ir_bits(f->insn[i->arg[0]].type) <= bits;
    case IR_OP_load:
        n = loaded_bits(i, false);
        return n && n <= bits;
    case IR_OP_and:
        return second(f, i) && second(f, i) == bits_zext(second(f, i), bits);
    case IR_OP_shr:
        return second(f, i) < ir_bits(i->type) && second(f, i) + bits >= ir_bits(i->type);
    default:
        return false;
    }
}

bool ir_is_sext(const IrFunc *f, IrRef ref, unsigned bits)
{
    const IrInsn *i = &f->insn[ref];
    unsigned n;

    switch (i->op) {
    case IR_OP_const:
        return bits_fits_s(i->imm, bits);
    case IR_OP_sext:
        return ir_bits(f->insn[i->arg[0]].type) <= bits;
    case IR_OP_param:
        return i->aux & IR_PARAM_SEXT && bits >= 32;
    case IR_OP_load:
        n = loaded_bits(i, true);
        return n ? n <= bits : ir_is_zext(f, ref, bits - 1);
    case IR_OP_sar:
        return second(f, i) < ir_bits(i->type) && second(f, i) + bits >= ir_bits(i->type);
    default:
        return bits > 1 && ir_is_zext(f, ref, bits - 1);
    }
}

/* Both sides extended from one narrower type, or one extended and the other a constant that is
 * such an extension: the narrow operands in n[2]. */
static bool narrow_pair(IrBuild *b, const IrInsn *i, IrOp ext, IrRef n[2])
{
    IrType type = IR_VOID;
    uint64_t c;

    for (unsigned k = 0; k < 2; k++) {
        const IrInsn *x = def(b, i->arg[k]);

        if (x->op == ext) {
            IrType t = def(b, x->arg[0])->type;

            if (type != IR_VOID && t != type) {
                return false;
            }
            type = t;
        }
    }
    if (type == IR_VOID || type == IR_I1) {
        return false;
    }
    for (unsigned k = 0; k < 2; k++) {
        unsigned bits = ir_bits(type);

        if (is_op(b, i->arg[k], ext)) {
            n[k] = def(b, i->arg[k])->arg[0];
            continue;
        }
        if (!konst(b, i->arg[k], &c)) {
            return false;
        }
        if (ext == IR_OP_zext
                ? c != bits_zext(c, bits)
                : bits_zext((uint64_t)bits_sext(c, bits), ir_bits(def(b, i->arg[k])->type)) != c) {
            return false;
        }
        n[k] = ir_const(b, type, c);
    }
    return true;
}

/* and, or, xor of two I32 extended the same way: the op in I32, extended once.  RV64's 32-bit
 * shifts extend their results, its logic works on whole registers. */
static IrRef narrow_logic(IrBuild *b, const IrInsn *i)
{
    static const IrOp exts[] = { IR_OP_sext, IR_OP_zext };

    for (unsigned k = 0; k < 2; k++) {
        IrRef n[2];

        if (narrow_pair(b, i, exts[k], n) && def(b, n[0])->type == IR_I32) {
            return ir_op1(b, exts[k], i->type, ir_op2(b, i->op, IR_I32, n[0], n[1]));
        }
    }
    return 0;
}

/* Shift counts whose sum is the width, or whose sum is zero modulo it. */
static bool counts_complete(const IrBuild *b, IrRef left, IrRef right, unsigned bits)
{
    const IrInsn *r = def(b, right), *l = def(b, left);
    uint64_t c, d;

    if (konst(b, left, &c) && konst(b, right, &d)) {
        return ((c + d) & (bits - 1)) == 0;
    }
    return (r->op == IR_OP_neg && r->arg[0] == left) || (l->op == IR_OP_neg && l->arg[0] == right);
}

/* x << n | x >> (width - n): how a rotation is written without one. */
static IrRef rotation(IrBuild *b, const IrInsn *i)
{
    for (unsigned k = 0; k < 2; k++) {
        const IrInsn *l = def(b, i->arg[k]), *r = def(b, i->arg[!k]);

        if (l->op == IR_OP_shl && r->op == IR_OP_shr && l->arg[0] == r->arg[0] &&
            counts_complete(b, l->arg[1], r->arg[1], ir_bits(i->type))) {
            return ir_op2(b, IR_OP_rotl, i->type, l->arg[0], l->arg[1]);
        }
    }
    return 0;
}

static IrRef simplify_and(IrBuild *b, IrInsn *i)
{
    const IrInsn *x = def(b, i->arg[0]);
    IrRef rest = x->arg[0];
    uint64_t c, c1;

    if (i->arg[0] == i->arg[1]) {
        return i->arg[0];
    }
    if (!konst(b, i->arg[1], &c)) {
        return narrow_logic(b, i);
    }
    if (c == 0) {
        return i->arg[1];
    }
    if (c == bits_zext(~UINT64_C(0), ir_bits(i->type))) {
        return i->arg[0];
    }
    if (x->op == IR_OP_and && konst(b, x->arg[1], &c1)) {
        return ir_op2(b, IR_OP_and, i->type, rest, ir_const(b, i->type, c & c1));
    }
    if (!(c & (c + 1)) && ir_is_zext(b->f, i->arg[0], (unsigned)__builtin_popcountll(c))) {
        return i->arg[0];
    }
    if (i->type == IR_I64 && c == UINT32_MAX) {
        return ir_op1(b, IR_OP_zext, IR_I64, cast(b, IR_OP_trunc, IR_I32, i->arg[0]));
    }
    return narrow_logic(b, i);
}

static IrRef simplify_or(IrBuild *b, IrInsn *i)
{
    uint64_t c;
    IrRef r;

    if (i->arg[0] == i->arg[1]) {
        return i->arg[0];
    }
    if (!konst(b, i->arg[1], &c)) {
        r = rotation(b, i);
        return r ? r : narrow_logic(b, i);
    }
    if (c == 0) {
        return i->arg[0];
    }
    return c == bits_zext(~UINT64_C(0), ir_bits(i->type)) ? i->arg[1] : narrow_logic(b, i);
}

static IrRef simplify_xor(IrBuild *b, IrInsn *i)
{
    const IrInsn *x = def(b, i->arg[0]);
    uint64_t c;

    if (i->arg[0] == i->arg[1]) {
        return ir_const(b, i->type, 0);
    }
    if (!konst(b, i->arg[1], &c)) {
        return narrow_logic(b, i);
    }
    if (c == 0) {
        return i->arg[0];
    }
    if (c == bits_zext(~UINT64_C(0), ir_bits(i->type))) {
        return ir_op1(b, IR_OP_not, i->type, i->arg[0]);
    }
    if (c == 1 && x->op == IR_OP_zext && def(b, x->arg[0])->type == IR_I1) {
        return ir_op1(b, IR_OP_zext, i->type, ir_op1(b, IR_OP_not, IR_I1, x->arg[0]));
    }
    return narrow_logic(b, i);
}

static IrRef simplify_not(IrBuild *b, IrInsn *i)
{
    static const uint8_t inverse[IR_OP_COUNT] = {
        [IR_OP_eq] = IR_OP_ne, [IR_OP_ne] = IR_OP_eq,   [IR_OP_lt] = IR_OP_le,
        [IR_OP_le] = IR_OP_lt, [IR_OP_ltu] = IR_OP_leu, [IR_OP_leu] = IR_OP_ltu,
    };
    const IrInsn *x = def(b, i->arg[0]);

    if (x->op == IR_OP_not) {
        return x->arg[0];
    }
    if (x->op == IR_OP_eq || x->op == IR_OP_ne) {
        return ir_op2(b, inverse[x->op], IR_I1, x->arg[0], x->arg[1]);
    }
    return inverse[x->op] ? ir_op2(b, inverse[x->op], IR_I1, x->arg[1], x->arg[0]) : 0;
}

/* Left shift by a, then right by c, where a leaves the low half, quarter or eighth: an extension
 * and one shift.  RV64 compilers write zero extension and its scaling so. */
static IrRef shift_pair(IrBuild *b, const IrInsn *i, unsigned c)
{
    const IrInsn *x = def(b, i->arg[0]);
    uint64_t a;
    IrType part;
    IrRef v;

    if (i->type != IR_I64 || x->op != IR_OP_shl || !konst(b, x->arg[1], &a)) {
        return 0;
    }
    a &= 63;
    part = a == 32 ? IR_I32 : a == 48 ? IR_I16 : a == 56 ? IR_I8 : IR_VOID;
    if (part == IR_VOID) {
        return 0;
    }
    v = ir_op1(b, i->op == IR_OP_shr ? IR_OP_zext : IR_OP_sext, IR_I64,
               cast(b, IR_OP_trunc, part, x->arg[0]));
    return c <= a ? shift_by(b, IR_OP_shl, IR_I64, v, (unsigned)a - c)
                  : shift_by(b, i->op, IR_I64, v, c - (unsigned)a);
}

static IrRef simplify_shift(IrBuild *b, IrInsn *i)
{
    const IrInsn *x = def(b, i->arg[0]);
    unsigned bits = ir_bits(i->type);
    uint64_t c, c1;

    if (!konst(b, i->arg[1], &c)) {
        return 0;
    }
    c &= bits - 1;
    if (c == 0) {
        return i->arg[0];
    }
    if (x->op == i->op && konst(b, x->arg[1], &c1) && c + (c1 & (bits - 1)) < bits) {
        return shift_by(b, i->op, i->type, x->arg[0], (unsigned)(c + (c1 & (bits - 1))));
    }
    return i->op == IR_OP_shl ? 0 : shift_pair(b, i, (unsigned)c);
}

static IrRef simplify_rotate(IrBuild *b, IrInsn *i)
{
    uint64_t c;

    return konst(b, i->arg[1], &c) && (c & (ir_bits(i->type) - 1)) == 0 ? i->arg[0] : 0;
}

/* Comparisons of extended values in the narrow type.  Sign extension keeps both orders; after
 * zero extension both are the unsigned one. */
static IrRef narrow_compare(IrBuild *b, const IrInsn *i)
{
    IrRef n[2];

    if (narrow_pair(b, i, IR_OP_sext, n)) {
        return ir_op2(b, i->op, IR_I1, n[0], n[1]);
    }
    if (narrow_pair(b, i, IR_OP_zext, n)) {
        IrOp op = i->op == IR_OP_lt ? IR_OP_ltu : i->op == IR_OP_le ? IR_OP_leu : (IrOp)i->op;

        return ir_op2(b, op, IR_I1, n[0], n[1]);
    }
    return 0;
}

static IrRef simplify_equal(IrBuild *b, IrInsn *i)
{
    const IrInsn *x = def(b, i->arg[0]);
    uint64_t c;

    if (i->arg[0] == i->arg[1]) {
        return ir_const(b, IR_I1, i->op == IR_OP_eq);
    }
    if (konst(b, i->arg[1], &c) && c <= 1) {
        IrRef bit = x->type == IR_I1                                          ? i->arg[0]
                    : x->op == IR_OP_zext && def(b, x->arg[0])->type == IR_I1 ? x->arg[0]
                                                                              : 0;

        if (bit) {
            return (i->op == IR_OP_eq) == (c == 1) ? bit : ir_op1(b, IR_OP_not, IR_I1, bit);
        }
        if (c == 0 && (x->op == IR_OP_sub || x->op == IR_OP_xor)) {
            return ir_op2(b, i->op, IR_I1, x->arg[0], x->arg[1]);
        }
    }
    return narrow_compare(b, i);
}

static IrRef simplify_order(IrBuild *b, IrInsn *i)
{
    bool strict = i->op == IR_OP_lt || i->op == IR_OP_ltu;
    uint64_t c;

    if (i->arg[0] == i->arg[1]) {
        return ir_const(b, IR_I1, !strict);
    }
    if (i->op == IR_OP_ltu && konst(b, i->arg[1], &c) && c <= 1) {
        return c == 0
                   ? ir_const(b, IR_I1, 0)
                   : ir_op2(b, IR_OP_eq, IR_I1, i->arg[0], ir_const(b, def(b, i->arg[0])->type, 0));
    }
    if (i->op == IR_OP_ltu && konst(b, i->arg[0], &c) && c == 0) {
        return ir_op2(b, IR_OP_ne, IR_I1, i->arg[1], i->arg[0]);
    }
    if (i->op == IR_OP_leu && konst(b, i->arg[0], &c) && c == 0) {
        return ir_const(b, IR_I1, 1);
    }
    return narrow_compare(b, i);
}

static IrRef simplify_sel(IrBuild *b, IrInsn *i)
{
    const IrInsn *cond = def(b, i->arg[0]);
    uint64_t c, x, y;

    if (i->arg[1] == i->arg[2]) {
        return i->arg[1];
    }
    if (konst(b, i->arg[0], &c)) {
        return i->arg[c ? 1 : 2];
    }
    if (cond->op == IR_OP_not) {
        return ir_op3(b, IR_OP_sel, i->type, cond->arg[0], i->arg[2], i->arg[1]);
    }
    if (!ir_type_info[i->type].is_float && konst(b, i->arg[1], &x) && konst(b, i->arg[2], &y) &&
        x == 1 && y == 0) {
        return cast(b, IR_OP_zext, i->type, i->arg[0]);
    }
    return 0;
}

/* i extends trunc(y), and y is the extension already. */
static IrRef extended_already(IrBuild *b, const IrInsn *i)
{
    const IrInsn *x = def(b, i->arg[0]);

    if (x->op != IR_OP_trunc || def(b, x->arg[0])->type != i->type) {
        return 0;
    }
    return (i->op == IR_OP_sext ? ir_is_sext : ir_is_zext)(b->f, x->arg[0], ir_bits(x->type))
               ? x->arg[0]
               : 0;
}

static IrRef simplify_zext(IrBuild *b, IrInsn *i)
{
    const IrInsn *x = def(b, i->arg[0]);

    if (x->op == IR_OP_zext) {
        return ir_op1(b, IR_OP_zext, i->type, x->arg[0]);
    }
    return extended_already(b, i);
}

static IrRef simplify_sext(IrBuild *b, IrInsn *i)
{
    const IrInsn *x = def(b, i->arg[0]);

    if (x->op == IR_OP_sext || x->op == IR_OP_zext) {
        return ir_op1(b, x->op, i->type, x->arg[0]);
    }
    return extended_already(b, i);
}

static IrRef simplify_trunc(IrBuild *b, IrInsn *i)
{
    const IrInsn *x = def(b, i->arg[0]);
    unsigned to = ir_bits(i->type), from;

    if (x->op == IR_OP_trunc) {
        return ir_op1(b, IR_OP_trunc, i->type, x->arg[0]);
    }
    if (x->op != IR_OP_zext && x->op != IR_OP_sext) {
        return 0;
    }
    from = ir_bits(def(b, x->arg[0])->type);
    return cast(b, from < to ? x->op : IR_OP_trunc, i->type, x->arg[0]);
}

static IrRef simplify_bitcast(IrBuild *b, IrInsn *i)
{
    const IrInsn *x = def(b, i->arg[0]);

    if (x->type == i->type) {
        return i->arg[0];
    }
    return x->op == IR_OP_bitcast ? cast(b, IR_OP_bitcast, i->type, x->arg[0]) : 0;
}

static IrRef simplify_funbox(IrBuild *b, IrInsn *i)
{
    const IrInsn *x = def(b, i->arg[0]);

    return x->op == IR_OP_fbox && def(b, x->arg[0])->type == i->type ? x->arg[0] : 0;
}

/* The op undoes itself (neg) or does nothing the second time (fabs, fcanon). */
static IrRef simplify_twice(IrBuild *b, IrInsn *i)
{
    const IrInsn *x = def(b, i->arg[0]);

    if (x->op != i->op) {
        return 0;
    }
    return i->op == IR_OP_fabs || i->op == IR_OP_fcanon ? i->arg[0] : x->arg[0];
}

/* Constants to the right; else the older value to the left, so that equal ops look equal. */
static void order_operands(const IrBuild *b, IrInsn *i)
{
    bool left = is_op(b, i->arg[0], IR_OP_const), right = is_op(b, i->arg[1], IR_OP_const);

    if (left == right ? i->arg[0] > i->arg[1] : left) {
        IrRef a = i->arg[0];

        i->arg[0] = i->arg[1];
        i->arg[1] = a;
    }
}

typedef IrRef Rule(IrBuild *b, IrInsn *i);

static Rule *const rules[IR_OP_COUNT] = {
    [IR_OP_add] = simplify_add,       [IR_OP_sub] = simplify_sub,
    [IR_OP_mul] = simplify_mul,       [IR_OP_divu] = simplify_divu,
    [IR_OP_remu] = simplify_remu,     [IR_OP_neg] = simplify_twice,
    [IR_OP_and] = simplify_and,       [IR_OP_or] = simplify_or,
    [IR_OP_xor] = simplify_xor,       [IR_OP_not] = simplify_not,
    [IR_OP_shl] = simplify_shift,     [IR_OP_shr] = simplify_shift,
    [IR_OP_sar] = simplify_shift,     [IR_OP_rotl] = simplify_rotate,
    [IR_OP_rotr] = simplify_rotate,   [IR_OP_eq] = simplify_equal,
    [IR_OP_ne] = simplify_equal,      [IR_OP_lt] = simplify_order,
    [IR_OP_le] = simplify_order,      [IR_OP_ltu] = simplify_order,
    [IR_OP_leu] = simplify_order,     [IR_OP_sel] = simplify_sel,
    [IR_OP_zext] = simplify_zext,     [IR_OP_sext] = simplify_sext,
    [IR_OP_trunc] = simplify_trunc,   [IR_OP_bitcast] = simplify_bitcast,
    [IR_OP_funbox] = simplify_funbox, [IR_OP_fneg] = simplify_twice,
    [IR_OP_fabs] = simplify_twice,    [IR_OP_fcanon] = simplify_twice,
    [IR_OP_bswap] = simplify_twice,
};

IrRef ir_simplify(IrBuild *b, IrInsn *i)
{
    IrRef value;

    if (i->op == IR_OP_const) {
        i->imm = ir_const_imm(i->type, (uint64_t)i->imm);
        return 0;
    }
    if (ir_op_info[i->op].effects & IR_COMM) {
        order_operands(b, i);
    }
    value = is_op(b, i->arg[0], IR_OP_const) ? fold(b, i) : 0;
    if (!value && rules[i->op]) {
        value = rules[i->op](b, i);
    }
    return value;
}
