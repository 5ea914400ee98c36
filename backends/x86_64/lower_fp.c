/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Lowering of floating point.
 *
 * MXCSR has the guest's dynamic rounding mode, or a static one while that is needed, and collects
 * the flags.  RMM and what the host's unit does not do exactly go to the reference evaluator.
 */
#include "backends/x86_64/lower.h"

#include "backends/x86_64/host.h"

static bool f64(const IrInsn *i)
{
    return i->type == IR_F64;
}

/* Can the host's unit do this insn?  Then MXCSR has its mode now. */
static bool host_does(X64Gen *g, const IrInsn *i)
{
    if (i->aux == IR_RM_RMM || i->type == IR_F16 || x64_arg_type(g, i, 0) == IR_F16) {
        return false;
    }
    x64_rounding(g, i->aux);
    return true;
}

static X64Op scalar(bool is_f64, unsigned opcode)
{
    return (is_f64 ? X64_F2 : X64_F3) | X64_0F | opcode;
}

/* d = a op b; without AVX d becomes a copy of a first, so `d` is not `b` then. */
static void op3(X64Gen *g, X64Op op, X64Reg d, X64Reg a, X64Reg b)
{
    if (x64_has(X64_F_avx)) {
        x64_vrr(&g->e, op, false, d, a, b);
        return;
    }
    if (d != a) {
        x64_mov_rr(&g->e, true, d, a);
    }
    x64_rr(&g->e, op, false, d, b);
}

static void op3_mem(X64Gen *g, X64Op op, X64Reg d, X64Reg a, X64Mem m)
{
    if (x64_has(X64_F_avx)) {
        x64_vrm(&g->e, op, false, d, a, m, 0);
        return;
    }
    if (d != a) {
        x64_mov_rr(&g->e, true, d, a);
    }
    x64_rm(&g->e, op, false, d, m, 0);
}

/* A register for a op b */
static X64Reg def3(X64Gen *g, IrRef ref, X64Reg a, X64Reg b)
{
    if (x64_has(X64_F_avx) || a == b) {
        return x64_def_like(g, ref, a);
    }
    if (x64_hint(g, ref) == X64_NONE && (g->free & X64_BIT(a))) {
        return x64_def_like(g, ref, a);
    }
    return x64_def(g, ref, b == X64_NONE ? 0 : X64_BIT(b));
}

RULE_FN(lower_farith)
{
    X64Op op = scalar(f64(i), arg);
    X64Reg a, b = X64_NONE, d;
    X64Mem m;

    if (!host_does(g, i)) {
        lower_eval(g, i, ref, 0);
        return;
    }
    a = x64_use(g, i->arg[0]);
    if (x64_use_mem(g, i->arg[1], &m)) {
        x64_end_uses(g);
        d = def3(g, ref, a, b);
        op3_mem(g, op, d, a, m);
        return;
    }
    b = x64_use(g, i->arg[1]);
    x64_end_uses(g);
    d = def3(g, ref, a, b);
    op3(g, op, d, a, b);
}

RULE_FN(lower_fsqrt)
{
    X64Reg a, d;

    (void)arg;
    if (!host_does(g, i)) {
        lower_eval(g, i, ref, 0);
        return;
    }
    a = x64_use(g, i->arg[0]);
    x64_end_uses(g);
    d = x64_def_like(g, ref, a);
    if (x64_has(X64_F_avx)) {
        x64_vrr(&g->e, scalar(f64(i), 0x51), false, d, a, a);
    } else {
        x64_rr(&g->e, scalar(f64(i), 0x51), false, d, a);
    }
}

/* ---- Fused multiply-add ---- */

/*
 * The sum is a NaN: the reference raises invalid for infinity * 0 + NaN, the host's unit does
 * not.  A product that raises nothing else then tells.  reg: a, b, sum, which becomes the
 * canonical NaN.
 */
static void fma_nan(X64Gen *g, const X64Cold *c)
{
    X64Mem csr = x64_spill_mem(X64_SPILLS);
    bool is_f64 = c->type == IR_F64;
    uint8_t *quiet;

    x64_rm(&g->e, X64_0F | 0xae, false, 3, csr, 0);                          /* stmxcsr */
    x64_rm(&g->e, X64_0F | 0xae, false, 2, x64_known(g, X64_K_MASKED), 0); /* ldmxcsr */
    op3(g, scalar(is_f64, 0x59), X64_SCRATCH, c->reg[0], c->reg[1]);
    x64_rr(&g->e, X64_0F | 0x2e | (is_f64 ? X64_66 : 0), false, X64_SCRATCH, X64_SCRATCH);
    x64_rm(&g->e, X64_0F | 0xae, false, 2, csr, 0);
    quiet = x64_jcc8(&g->e, X64_CC_NP);
    op3(g, scalar(is_f64, 0x59), X64_SCRATCH, c->reg[0], c->reg[1]);
    x64_patch8(&g->e, quiet);
    x64_load(&g->e, c->reg[2], x64_known(g, is_f64 ? X64_K_NAN64 : X64_K_NAN32));
    x64_cold_return(g, c);
}

RULE_FN(lower_fma)
{
    bool neg_a, neg_b, neg_c;
    IrRef x, y, z;
    X64Reg a, b, c, d;
    X64Cold *cold;
    unsigned form;

    (void)arg;
    if (!x64_fma_inline(i)) {
        lower_eval(g, i, ref, 0);
        return;
    }
    x64_rounding(g, i->aux);
    x = x64_match_neg(g, i->arg[0], &neg_a);
    y = x64_match_neg(g, i->arg[1], &neg_b);
    z = x64_match_neg(g, i->arg[2], &neg_c);
    a = x64_use(g, x);
    b = x64_use(g, y);
    c = x64_use(g, z);
    x64_end_uses(g);
    d = x64_def_over(g, ref, c, X64_BIT(a) | X64_BIT(b));
    if (d == a || d == b) { /* the sum would overwrite what the cold path needs */
        c = d;
        if (d == a) {
            a = x64_temp(g, X64_XMMS);
            x64_mov_rr(&g->e, true, a, d);
        }
        if (d == b) {
            b = x64_temp(g, X64_XMMS);
            x64_mov_rr(&g->e, true, b, d);
        }
    }
    form = (neg_a != neg_b ? 4 : 0) + (neg_c ? 2 : 0);
    x64_vrr(&g->e, X64_66 | X64_0F38 | (0xb9 + form), f64(i), d, a, b);
    x64_rr(&g->e, X64_0F | 0x2e | (f64(i) ? X64_66 : 0), false, d, d);
    cold = x64_cold(g, fma_nan, x64_jcc(&g->e, X64_CC_P, NULL));
    cold->type = i->type;
    cold->reg[0] = a;
    cold->reg[1] = b;
    cold->reg[2] = d;
}

/* ---- Conversions ---- */

static void clear(X64Gen *g, X64Reg x)
{
    x64_rr(&g->e, X64_0F | 0x57, false, x, x); /* xorps: no wait for the old value */
}

static void emit_i2f(X64Gen *g, X64Reg d, X64Reg a, bool w, bool is_f64)
{
    x64_rr(&g->e, scalar(is_f64, 0x2a), w, d, a);
}

static bool exact_i2f(const X64Gen *g, const IrInsn *i)
{
    return i->type == IR_F64 && x64_arg_type(g, i, 0) == IR_I32;
}

/* An integer that is rounded, in a static mode: MXCSR has it for one insn.  reg: result, integer,
 * a temporary; index: 64 bits of the integer; value: MXCSR's field of the mode */
static void rounded_i2f(X64Gen *g, const X64Cold *c)
{
    X64Mem csr = x64_spill_mem(X64_SPILLS);
    X64Reg t = c->reg[2];

    x64_rm(&g->e, X64_0F | 0xae, false, 3, csr, 0); /* stmxcsr */
    x64_rm(&g->e, 0x8b, false, t, csr, 0);
    x64_alu_mi(&g->e, X64_AND, false, csr, ~X64_CSR_RC);
    x64_alu_mi(&g->e, X64_OR, false, csr, (int32_t)c->value);
    x64_rm(&g->e, X64_0F | 0xae, false, 2, csr, 0); /* ldmxcsr */
    emit_i2f(g, c->reg[0], c->reg[1], c->index, c->type == IR_F64);
    x64_alu_ri(&g->e, X64_AND, false, t, X64_CSR_RC);
    x64_rm(&g->e, X64_0F | 0xae, false, 3, csr, 0);
    x64_alu_mi(&g->e, X64_AND, false, csr, ~X64_CSR_RC);
    x64_rm(&g->e, X64_OR << 3 | 1, false, t, csr, 0); /* or csr, t */
    x64_rm(&g->e, X64_0F | 0xae, false, 2, csr, 0);
    x64_cold_return(g, c);
}

/* In a static mode: most integers are exact, and those up to +-2^24 (2^53) are seen to be. */
static void static_i2f(X64Gen *g, const IrInsn *i, IrRef ref)
{
    bool w = x64_arg_type(g, i, 0) == IR_I64;
    unsigned exact = f64(i) ? 53 : 24;
    X64Reg a = x64_use(g, i->arg[0]), t = x64_temp(g, X64_GPRS), d;
    X64Cold *c;

    x64_end_uses(g);
    d = x64_def(g, ref, 0);
    clear(g, d);
    x64_mov_ri(&g->e, t, UINT64_C(1) << exact);
    x64_alu_rr(&g->e, X64_ADD, w, t, a);
    x64_shift_ri(&g->e, X64_SHR, w, t, exact + 1);
    c = x64_cold(g, rounded_i2f, x64_jcc(&g->e, X64_CC_NE, NULL));
    c->type = i->type;
    c->reg[0] = d;
    c->reg[1] = a;
    c->reg[2] = t;
    c->index = w;
    c->value = x64_rc_field(i->aux);
    emit_i2f(g, d, a, w, f64(i));
    c->back = x64_here(g);
}

/* In a static mode that MXCSR has not */
static bool rarely_rounds(const X64Gen *g, const IrInsn *i)
{
    return !exact_i2f(g, i) && i->type != IR_F16 && i->aux != IR_RM_DYN && i->aux != IR_RM_RMM &&
           x64_arg_type(g, i, 0) >= IR_I32 && g->rounding != i->aux + 1;
}

RULE_FN(lower_i2f)
{
    X64Reg a, d;

    (void)arg;
    if (rarely_rounds(g, i)) {
        static_i2f(g, i, ref);
        return;
    }
    if (!exact_i2f(g, i) && !host_does(g, i)) {
        lower_eval(g, i, ref, 0);
        return;
    }
    a = x64_use(g, i->arg[0]);
    x64_end_uses(g);
    d = x64_def(g, ref, 0);
    clear(g, d);
    emit_i2f(g, d, a, x64_arg_type(g, i, 0) == IR_I64, f64(i));
}

/* Top bit set: half of it, with the lost bit kept sticky, then doubled.  reg: d, a, temporary */
static void big_u2f(X64Gen *g, const X64Cold *c)
{
    X64Reg d = c->reg[0], a = c->reg[1], t = c->reg[2];
    bool is_f64 = c->type == IR_F64;
    uint8_t *even;

    x64_mov_rr(&g->e, true, t, a);
    x64_shift_ri(&g->e, X64_SHR, true, t, 1);
    even = x64_jcc8(&g->e, X64_CC_AE);
    x64_alu_ri(&g->e, X64_OR, true, t, 1);
    x64_patch8(&g->e, even);
    emit_i2f(g, d, t, true, is_f64);
    x64_rr(&g->e, scalar(is_f64, 0x58), false, d, d);
    x64_cold_return(g, c);
}

RULE_FN(lower_u2f)
{
    bool wide = x64_arg_type(g, i, 0) == IR_I64;
    X64Reg a, d, t;
    X64Cold *c;

    (void)arg;
    if (!exact_i2f(g, i) && !host_does(g, i)) {
        lower_eval(g, i, ref, 0);
        return;
    }
    a = x64_use(g, i->arg[0]);
    t = x64_temp(g, X64_GPRS);
    x64_end_uses(g);
    d = x64_def(g, ref, 0);
    clear(g, d);
    if (!wide) {
        x64_mov_rr(&g->e, false, t, a);
        emit_i2f(g, d, t, true, f64(i));
        return;
    }
    x64_rr(&g->e, 0x85, true, a, a);
    c = x64_cold(g, big_u2f, x64_jcc(&g->e, X64_CC_S, NULL));
    c->type = i->type;
    c->reg[0] = d;
    c->reg[1] = a;
    c->reg[2] = t;
    emit_i2f(g, d, a, true, f64(i));
    c->back = x64_here(g);
}

RULE_FN(lower_f2f)
{
    unsigned from = x64_arg_type(g, i, 0);
    X64Reg a, d;

    (void)arg;
    if ((from == IR_F16 || i->type == IR_F16) && x64_half_inline(i)) {
        x64_convert_half(g, i, ref);
        return;
    }
    if (!(from == IR_F32 && i->type == IR_F64) && !host_does(g, i)) {
        lower_eval(g, i, ref, 0);
        return;
    }
    a = x64_use(g, i->arg[0]);
    x64_end_uses(g);
    d = x64_def(g, ref, 0);
    if (x64_has(X64_F_avx)) {
        x64_vrr(&g->e, scalar(from == IR_F64, 0x5a), false, d, a, a);
    } else {
        x64_rr(&g->e, scalar(from == IR_F64, 0x5a), false, d, a);
    }
}

/* ---- Bits ---- */

static void logic_known(X64Gen *g, unsigned opcode, X64Reg d, X64Reg a, X64Known k)
{
    op3_mem(g, X64_0F | opcode, d, a, x64_known(g, k));
}

RULE_FN(lower_fsign)
{
    X64Reg a, d;
    bool flip = arg == X64_FSIGN_FLIP;

    if (i->type == IR_F16) {
        lower_eval(g, i, ref, 0);
        return;
    }
    a = x64_use(g, i->arg[0]);
    x64_end_uses(g);
    d = x64_def_like(g, ref, a);
    if (flip) {
        logic_known(g, 0x57, d, a, f64(i) ? X64_K_SIGN64 : X64_K_SIGN32);
    } else {
        logic_known(g, 0x54, d, a, f64(i) ? X64_K_ABS64 : X64_K_ABS32);
    }
}

RULE_FN(lower_fcopysign)
{
    X64Reg a, b, d;

    (void)arg;
    if (i->type == IR_F16) {
        lower_eval(g, i, ref, 0);
        return;
    }
    a = x64_use(g, i->arg[0]);
    b = x64_use(g, i->arg[1]);
    x64_end_uses(g);
    d = x64_def_like(g, ref, a);
    logic_known(g, 0x54, X64_SCRATCH, b, f64(i) ? X64_K_SIGN64 : X64_K_SIGN32);
    logic_known(g, 0x54, d, a, f64(i) ? X64_K_ABS64 : X64_K_ABS32);
    x64_rr(&g->e, X64_0F | 0x56, false, d, X64_SCRATCH);
}

static void nan_const(X64Gen *g, const X64Cold *c)
{
    X64Known nan = c->type == IR_F64   ? X64_K_NAN64
                   : c->type == IR_F32 ? X64_K_NAN32
                                       : X64_K_NAN16;

    x64_load(&g->e, c->reg[0], x64_known(g, nan));
    x64_cold_return(g, c);
}

static void canonical_when(X64Gen *g, unsigned cc, X64Reg d, unsigned type)
{
    X64Cold *c = x64_cold(g, nan_const, x64_jcc(&g->e, cc, NULL));

    c->reg[0] = d;
    c->type = (uint8_t)type;
}

/* Of any value, also signalling NaNs: by its bits, since a comparison would raise invalid. */
static void canon_bits(X64Gen *g, const IrInsn *i, IrRef ref)
{
    X64Reg a = x64_use(g, i->arg[0]), t = x64_temp(g, X64_GPRS), u = X64_NONE, d;

    if (f64(i)) {
        u = x64_temp(g, X64_GPRS);
    }
    x64_end_uses(g);
    d = x64_def_over(g, ref, a, 0);
    x64_mov_rr(&g->e, f64(i), t, d);
    x64_alu_rr(&g->e, X64_ADD, f64(i), t, t);
    if (f64(i)) {
        x64_mov_ri(&g->e, u, UINT64_C(0xffe0000000000000));
        x64_alu_rr(&g->e, X64_CMP, true, t, u);
    } else if (i->type == IR_F32) {
        x64_alu_ri(&g->e, X64_CMP, false, t, (int32_t)0xff000000);
    } else {
        x64_shift_ri(&g->e, X64_SHL, false, t, 16);
        x64_alu_ri(&g->e, X64_CMP, false, t, (int32_t)0xf8000000);
    }
    canonical_when(g, X64_CC_A, d, i->type);
}

RULE_FN(lower_fcanon)
{
    X64Reg a;

    (void)arg;
    if (!x64_quiet(g, i->arg[0])) {
        canon_bits(g, i, ref);
    } else {
        a = x64_use(g, i->arg[0]);
        x64_end_uses(g);
        x64_fix_reg(g, x64_def_over(g, ref, a, 0), i->type, X64_CANON, 0);
    }
}

RULE_FN(lower_fbox)
{
    X64Known box = x64_arg_type(g, i, 0) == IR_F32 ? X64_K_BOX32 : X64_K_BOX16;
    X64Reg a = x64_use(g, i->arg[0]);

    (void)arg;
    x64_end_uses(g);
    logic_known(g, 0x56, x64_def_like(g, ref, a), a, box);
}

RULE_FN(lower_funbox)
{
    X64Reg a = x64_use(g, i->arg[0]), t = x64_temp(g, X64_GPRS), d;

    (void)arg;
    x64_end_uses(g);
    d = x64_def_over(g, ref, a, 0);
    x64_mov_rr(&g->e, true, t, d);
    x64_shift_ri(&g->e, X64_SAR, true, t, ir_bits(i->type));
    x64_alu_ri(&g->e, X64_CMP, true, t, -1);
    canonical_when(g, X64_CC_NE, d, i->type);
}

RULE_FN(lower_bitcast)
{
    X64Reg a = x64_use(g, i->arg[0]);

    (void)arg;
    x64_end_uses(g);
    x64_mov_rr(&g->e, ir_bits(i->type) == 64, x64_def(g, ref, 0), a);
}
