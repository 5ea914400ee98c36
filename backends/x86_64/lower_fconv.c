/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Lowering of float to integer, rounding to integral values, minimum and maximum, flags.
 *
 * The host's conversions raise the right flags for values in range.  Out of range a signed one
 * raises invalid only and gives the most negative number, which a cold path corrects; for unsigned
 * results the range is looked at first, in the operand's bits, since nothing can take a raised
 * flag back.  Hosts without SSE4.1 go to the reference evaluator, as does RMM to unsigned.
 */
#include "backends/x86_64/lower.h"

#include "backends/x86_64/host.h"

unsigned x64_round_imm(unsigned rm)
{
    static const uint8_t imm[] = { [IR_RM_RNE] = 0,
                                   [IR_RM_RTZ] = 3,
                                   [IR_RM_RDN] = 1,
                                   [IR_RM_RUP] = 2,
                                   [IR_RM_DYN] = X64_ROUND_DYN };

    return imm[rm];
}

static bool by_evaluator(unsigned type)
{
    return type == IR_F16 || !x64_has(X64_F_sse41);
}

/* Prefix of the scalar insns of a format */
static X64Op scalar(unsigned type, unsigned opcode)
{
    return (type == IR_F64 ? X64_F2 : X64_F3) | X64_0F | opcode;
}

static void emit_round(X64Gen *g, unsigned type, X64Reg d, X64Reg a, unsigned imm)
{
    x64_rr(&g->e, X64_66 | X64_0F3A | (type == IR_F64 ? 0x0b : 0x0a), false, d, a);
    x64_byte(&g->e, imm);
}

static void emit_ucomis(X64Gen *g, unsigned type, X64Reg a, X64Reg b)
{
    x64_rr(&g->e, (type == IR_F64 ? X64_66 : 0) | X64_0F | 0x2e, false, a, b);
}

/* d = the integer in a; `nearest`: by MXCSR, else cut off */
static void emit_to_int(X64Gen *g, unsigned type, bool w, X64Reg d, X64Reg a, bool nearest)
{
    x64_rr(&g->e, scalar(type, nearest ? 0x2d : 0x2c), w, d, a);
}

/*
 * d = a rounded, ties away from zero (RMM): cut off, then one further when half or more was lost.
 * quiet: 0 or X64_ROUND_QUIET; t, s: temporaries.  The difference and the sum are exact; from 2^52
 * on (2^23), where infinity minus itself would be invalid, there is nothing to do.
 */
static void emit_round_away(X64Gen *g, unsigned type, X64Reg d, X64Reg a, unsigned quiet,
                            const X64Reg temp[2])
{
    bool f64 = type == IR_F64;
    X64Reg t = temp[0], s = temp[1];
    uint8_t *large, *less;

    emit_round(g, type, d, a, x64_round_imm(IR_RM_RTZ) | quiet);
    x64_mov_rr(&g->e, f64, t, a);
    x64_shift_ri(&g->e, X64_SHR, f64, t, f64 ? 52 : 23);
    x64_alu_ri(&g->e, X64_AND, false, t, f64 ? 0x7ff : 0xff);
    x64_alu_ri(&g->e, X64_CMP, false, t, f64 ? 1023 + 52 : 127 + 23);
    large = x64_jcc8(&g->e, X64_CC_AE);
    x64_mov_rr(&g->e, true, s, a);
    x64_rr(&g->e, scalar(type, 0x5c), false, s, d);
    x64_rm(&g->e, X64_0F | 0x54, false, s, x64_known(g, f64 ? X64_K_ABS64 : X64_K_ABS32), 0);
    x64_rm(&g->e, (f64 ? X64_66 : 0) | X64_0F | 0x2e, false, s,
           x64_known(g, f64 ? X64_K_HALF64 : X64_K_HALF32), 0);
    less = x64_jcc8(&g->e, X64_CC_B);
    x64_mov_rr(&g->e, true, s, a);
    x64_rm(&g->e, X64_0F | 0x54, false, s, x64_known(g, f64 ? X64_K_SIGN64 : X64_K_SIGN32), 0);
    x64_rm(&g->e, X64_0F | 0x56, false, s, x64_known(g, f64 ? X64_K_ONE64 : X64_K_ONE32), 0);
    x64_rr(&g->e, scalar(type, 0x58), false, d, s);
    x64_patch8(&g->e, large);
    x64_patch8(&g->e, less);
}

/* d = a rounded by `rm`; takes temporaries when that is RMM.  `d` is not `a`. */
static void round_by(X64Gen *g, unsigned rm, unsigned type, X64Reg d, X64Reg a, unsigned quiet,
                     const X64Reg temp[2])
{
    if (rm == IR_RM_RMM) {
        emit_round_away(g, type, d, a, quiet, temp);
    } else {
        emit_round(g, type, d, a, x64_round_imm(rm) | quiet);
    }
}

static void temps_for(X64Gen *g, unsigned rm, X64Reg temp[2])
{
    if (rm == IR_RM_RMM) {
        temp[0] = x64_temp(g, X64_GPRS);
        temp[1] = x64_temp(g, X64_XMMS);
    }
}

RULE_FN(lower_fround)
{
    X64Reg a, d, temp[2];

    if (by_evaluator(i->type)) {
        lower_eval(g, i, ref, 0);
        return;
    }
    a = x64_use(g, i->arg[0]);
    temps_for(g, i->aux, temp);
    x64_end_uses(g);
    d = x64_def(g, ref, X64_BIT(a));
    round_by(g, i->aux, i->type, d, a, arg, temp);
}

/* ---- Signed integers ---- */

/* reg[0]: result, the most negative number so far; reg[1]: operand; index: 64-bit result */
static void saturate(X64Gen *g, const X64Cold *c)
{
    uint8_t *nan, *negative;

    x64_rr(&g->e, X64_0F | 0x57, false, X64_SCRATCH, X64_SCRATCH);
    emit_ucomis(g, c->type, c->reg[1], X64_SCRATCH);
    nan = x64_jcc8(&g->e, X64_CC_P);
    negative = x64_jcc8(&g->e, X64_CC_B);
    x64_patch8(&g->e, nan);
    x64_rr(&g->e, 0xf7, c->index, 2, c->reg[0]); /* not */
    x64_patch8(&g->e, negative);
    x64_cold_return(g, c);
}

/* `d` is the most negative number when the conversion that made it was not possible. */
static X64Cold *saturates(X64Gen *g, X64ColdFn *fn, const IrInsn *i, X64Reg d, X64Reg a)
{
    X64Cold *c;

    x64_alu_ri(&g->e, X64_CMP, i->type == IR_I64, d, 1);
    c = x64_cold(g, fn, x64_jcc(&g->e, X64_CC_O, NULL));
    c->type = (uint8_t)x64_arg_type(g, i, 0);
    c->reg[0] = d;
    c->reg[1] = a;
    c->index = i->type == IR_I64;
    return c;
}

/* The same after rounding to the scratch register, without flags: inexact is raised here when the
 * result is the most negative number indeed.  reg[2]: a temporary */
static void saturate_rounded(X64Gen *g, const X64Cold *c)
{
    uint8_t *out_of_range;

    emit_to_int(g, IR_F64, true, c->reg[2], X64_SCRATCH, false);
    x64_alu_rr(&g->e, X64_ADD, true, c->reg[2], c->reg[0]);
    out_of_range = x64_jcc8(&g->e, X64_CC_NE);
    emit_to_int(g, IR_F64, true, c->reg[2], c->reg[1], false);
    x64_cold_return(g, c);
    x64_patch8(&g->e, out_of_range);
    saturate(g, c);
}

/* F64 to I32 in a mode that has to be rounded to first: not with its flags, since a number that is
 * out of range is invalid, not inexact.  A conversion of the number itself raises inexact. */
static void round_to_int(X64Gen *g, const IrInsn *i, IrRef ref)
{
    X64Reg a = x64_use(g, i->arg[0]), t = x64_temp(g, X64_GPRS), d, temp[2];
    X64Cold *c;

    temps_for(g, i->aux, temp);
    x64_end_uses(g);
    d = x64_def(g, ref, 0);
    round_by(g, i->aux, IR_F64, X64_SCRATCH, a, X64_ROUND_QUIET, temp);
    emit_to_int(g, IR_F64, false, d, X64_SCRATCH, false);
    c = saturates(g, saturate_rounded, i, d, a);
    c->reg[2] = t;
    emit_to_int(g, IR_F64, true, t, a, false);
    c->back = x64_here(g);
}

RULE_FN(lower_f2i)
{
    unsigned type = x64_arg_type(g, i, 0);
    bool w = i->type == IR_I64, dyn = i->aux == IR_RM_DYN, round = !dyn && i->aux != IR_RM_RTZ;
    X64Reg a, d, from, temp[2];

    (void)arg;
    if (by_evaluator(type)) {
        lower_eval(g, i, ref, 0);
        return;
    }
    if (round && !w && type == IR_F64) {
        round_to_int(g, i, ref);
        return;
    }
    from = a = x64_use(g, i->arg[0]);
    if (round) {
        temps_for(g, i->aux, temp);
    }
    x64_end_uses(g);
    d = x64_def(g, ref, 0);
    if (round) {
        from = X64_SCRATCH;
        round_by(g, i->aux, type, from, a, 0, temp);
    }
    emit_to_int(g, type, w, d, from, dyn);
    saturates(g, saturate, i, d, a);
}

/* Out of the range of 32 bits, which the conversion has said: the low bits of the integer, from
 * the number's own.  reg: result, two temporaries; index: operand.  `m` is the fraction with its
 * leading one at the top of a word, 2^1086 times the number without its exponent. */
static void wrap(X64Gen *g, const X64Cold *c)
{
    X64Reg d = c->reg[0], m = c->reg[1], u = c->reg[2], a = (X64Reg)c->index;
    uint8_t *left, *shifted, *zero, *positive;

    x64_mov_rr(&g->e, true, m, a);
    x64_mov_rr(&g->e, true, u, m);
    x64_shift_ri(&g->e, X64_SHR, true, u, 52);
    x64_alu_ri(&g->e, X64_AND, false, u, 0x7ff);
    x64_shift_ri(&g->e, X64_SHL, true, m, 11);
    x64_rr(&g->e, X64_0F | 0xba, true, 5, m); /* bts */
    x64_byte(&g->e, 63);
    x64_mov_ri(&g->e, d, 1023 + 63);
    x64_alu_rr(&g->e, X64_SUB, false, d, u);
    left = x64_jcc8(&g->e, X64_CC_S);
    x64_vrr(&g->e, X64_F2 | X64_0F38 | 0xf7, true, m, d, m); /* shrx */
    shifted = x64_jmp8(&g->e);
    x64_patch8(&g->e, left);
    x64_rr(&g->e, 0xf7, false, 3, d); /* neg */
    x64_alu_ri(&g->e, X64_CMP, false, d, 63);
    x64_vrr(&g->e, X64_66 | X64_0F38 | 0xf7, true, m, d, m); /* shlx */
    x64_mov_ri(&g->e, d, 0);
    zero = x64_jcc8(&g->e, X64_CC_A);
    x64_patch8(&g->e, shifted);
    x64_mov_rr(&g->e, true, u, a);
    x64_mov_rr(&g->e, false, d, m);
    x64_rr(&g->e, 0x85, true, u, u);
    positive = x64_jcc8(&g->e, X64_CC_NS);
    x64_rr(&g->e, 0xf7, false, 3, d);
    x64_patch8(&g->e, positive);
    x64_patch8(&g->e, zero);
    x64_cold_return(g, c);
}

RULE_FN(lower_f2imod)
{
    X64Reg a, d, t, u;
    X64Cold *c;

    (void)arg;
    if (!x64_has(X64_F_bmi2)) {
        lower_eval(g, i, ref, 0);
        return;
    }
    a = x64_use(g, i->arg[0]);
    t = x64_temp(g, X64_GPRS);
    u = x64_temp(g, X64_GPRS);
    x64_end_uses(g);
    d = x64_def(g, ref, 0);
    emit_to_int(g, IR_F64, false, d, a, false);
    c = saturates(g, wrap, i, d, t);
    c->reg[2] = u;
    c->index = a;
}

/* ---- Unsigned integers ---- */

/* d = the integer in `a`, which is in range, below 2^63 or `top_bit` above that. */
static void emit_in_range(X64Gen *g, const X64Cold *c, unsigned rm)
{
    X64Reg d = c->reg[0], a = c->reg[1];

    if (rm != IR_RM_DYN && rm != IR_RM_RTZ) {
        emit_round(g, c->type, X64_SCRATCH, a, x64_round_imm(rm));
        a = X64_SCRATCH;
    }
    emit_to_int(g, c->type, true, d, a, rm == IR_RM_DYN);
}

/* reg[0]: result; reg[1]: operand, anything; index: 64-bit result; value: rounding mode.
 * Zero and more to come, or too much, or a NaN: the value rounded tells. */
static void to_unsigned(X64Gen *g, const X64Cold *c)
{
    unsigned type = c->type, rm = (unsigned)c->value;
    bool w = c->index, f64 = type == IR_F64;
    X64Known end =
        w ? (f64 ? X64_K_TWO64_64 : X64_K_TWO64_32) : (f64 ? X64_K_TWO32_64 : X64_K_TWO32_32);
    X64Op ucomis = (f64 ? X64_66 : 0) | X64_0F | 0x2e;
    X64Reg d = c->reg[0], a = c->reg[1];
    uint8_t *nan, *large, *negative, *middle = NULL;

    emit_round(g, type, X64_SCRATCH, a, x64_round_imm(rm) | X64_ROUND_QUIET);
    x64_rm(&g->e, ucomis, false, X64_SCRATCH, x64_known(g, end), 0);
    nan = x64_jcc8(&g->e, X64_CC_P);
    large = x64_jcc8(&g->e, X64_CC_AE);
    x64_rm(&g->e, ucomis, false, X64_SCRATCH, x64_known(g, X64_K_ZERO), 0);
    negative = x64_jcc8(&g->e, X64_CC_B);
    if (w) {
        X64Known half = f64 ? X64_K_TWO63_64 : X64_K_TWO63_32;
        x64_rm(&g->e, ucomis, false, X64_SCRATCH, x64_known(g, half), 0);
        middle = x64_jcc8(&g->e, X64_CC_B);
        /* from 2^63 on everything is integral, and the difference exact */
        x64_rm(&g->e, scalar(type, 0x5c), false, X64_SCRATCH, x64_known(g, half), 0);
        emit_to_int(g, type, true, d, X64_SCRATCH, false);
        x64_rr(&g->e, X64_0F | 0xba, true, 7, d); /* btc d, 63 */
        x64_byte(&g->e, 63);
        x64_cold_return(g, c);
        x64_patch8(&g->e, middle);
    }
    emit_in_range(g, c, rm);
    x64_cold_return(g, c);
    x64_patch8(&g->e, nan);
    x64_patch8(&g->e, large);
    x64_rm(&g->e, scalar(IR_F64, 0x2c), false, d, x64_known(g, X64_K_NAN64), 0); /* invalid */
    x64_mov_ri(&g->e, d, w ? UINT64_MAX : UINT32_MAX);
    x64_cold_return(g, c);
    x64_patch8(&g->e, negative);
    x64_rm(&g->e, scalar(IR_F64, 0x2c), false, d, x64_known(g, X64_K_NAN64), 0);
    x64_mov_ri(&g->e, d, 0);
    x64_cold_return(g, c);
}

/* d = bits of a; flags of a comparison that is "above or equal" unless 0 <= a < 2^63 (2^31 for a
 * 32-bit result) */
static void emit_range_test(X64Gen *g, unsigned type, bool w, X64Reg d, X64Reg a)
{
    x64_mov_rr(&g->e, type == IR_F64, d, a);
    if (type == IR_F64) {
        x64_shift_ri(&g->e, X64_SHR, true, d, 52);
        x64_alu_ri(&g->e, X64_CMP, false, d, w ? 1023 + 63 : 1023 + 31);
    } else {
        x64_alu_ri(&g->e, X64_CMP, false, d, w ? 0x5f000000 : 0x4f000000);
    }
}

RULE_FN(lower_f2u)
{
    unsigned type = x64_arg_type(g, i, 0);
    bool w = i->type == IR_I64;
    X64Reg a, d;
    X64Cold *c;

    (void)arg;
    if (by_evaluator(type) || i->aux == IR_RM_RMM) {
        lower_eval(g, i, ref, 0);
        return;
    }
    a = x64_use(g, i->arg[0]);
    x64_end_uses(g);
    d = x64_def(g, ref, 0);
    emit_range_test(g, type, w, d, a);
    c = x64_cold(g, to_unsigned, x64_jcc(&g->e, X64_CC_AE, NULL));
    c->type = (uint8_t)type;
    c->reg[0] = d;
    c->reg[1] = a;
    c->index = w;
    c->value = i->aux;
    emit_in_range(g, c, i->aux);
    c->back = x64_here(g);
}

/* ---- Minimum and maximum ---- */

/* reg[0]: a, and the result; reg[1]: b, which is equal or unordered to it; index: of the rule */
static void equal_or_nan(X64Gen *g, const X64Cold *c)
{
    X64Reg d = c->reg[0], b = c->reg[1];
    uint8_t *nan = x64_jcc8(&g->e, X64_CC_P), *number;

    /* equal: the same bits but for the signs of zeros */
    x64_rr(&g->e, X64_0F | (c->index & X64_MAX ? 0x54 : 0x56), false, d, b);
    x64_cold_return(g, c);
    x64_patch8(&g->e, nan);
    if (c->index & X64_NAN_WINS) {
        x64_rr(&g->e, scalar(c->type, 0x58), false, d, b);
        x64_cold_return(g, c);
        return;
    }
    emit_ucomis(g, c->type, d, d);
    number = x64_jcc8(&g->e, X64_CC_NP);
    x64_mov_rr(&g->e, true, d, b);
    emit_ucomis(g, c->type, d, d);
    x64_jcc(&g->e, X64_CC_NP, g->e.start + c->back);
    x64_rr(&g->e, scalar(c->type, 0x58), false, d, d); /* never a signalling one */
    x64_patch8(&g->e, number);
    x64_cold_return(g, c);
}

RULE_FN(lower_fminmax)
{
    X64Reg a, b, d;
    X64Cold *c;

    if (i->type == IR_F16) {
        lower_eval(g, i, ref, 0);
        return;
    }
    a = x64_use(g, i->arg[0]);
    b = x64_use(g, i->arg[1]);
    x64_end_uses(g);
    d = x64_def_over(g, ref, a, X64_BIT(b));
    emit_ucomis(g, i->type, d, b);
    c = x64_cold(g, equal_or_nan, x64_jcc(&g->e, X64_CC_E, NULL));
    x64_rr(&g->e, scalar(i->type, arg & X64_MAX ? 0x5f : 0x5d), false, d, b);
    c->type = i->type;
    c->reg[0] = d;
    c->reg[1] = b;
    c->index = arg;
    c->back = x64_here(g);
}

/* ---- The environment: see host.c ---- */

static void emit_csr(X64Gen *g, bool load)
{
    x64_rm(&g->e, X64_0F | 0xae, false, load ? 2 : 3, x64_spill_mem(X64_SPILLS), 0);
}

/* Flags are in MXCSR too: in another order, so by a table.  reg: result, which has the others; a
 * temporary */
static void more_flags(X64Gen *g, const X64Cold *c)
{
    X64Reg d = c->reg[0], t = c->reg[1];

    _Static_assert(X64_K_FLAGS_3 == X64_K_FLAGS + 3, "one table of 64 bytes");
    emit_csr(g, false);
    x64_lea(&g->e, true, t, x64_known(g, X64_K_FLAGS));
    x64_rm(&g->e, 0x8b, false, d, x64_spill_mem(X64_SPILLS), 0);
    x64_alu_ri(&g->e, X64_AND, false, d, X64_CSR_FLAGS);
    x64_rm(&g->e, X64_0F | 0xb6, false, d, (X64Mem){ t, d, 0, 0 }, 0); /* movzx */
    x64_alu_rm(&g->e, X64_OR, false, d, x64_state(X64_VCPU(fp_flags)));
    x64_cold_return(g, c);
}

RULE_FN(lower_fpflags_get)
{
    X64Reg t = x64_temp(g, X64_GPRS), d = x64_def(g, ref, X64_BIT(t));
    X64Cold *c;

    (void)i, (void)arg;
    x64_alu_mi(&g->e, X64_CMP, false, x64_state(X64_VCPU(fp_unmask)), 0);
    x64_rm(&g->e, 0x8b, false, d, x64_state(X64_VCPU(fp_flags)), 0);
    c = x64_cold(g, more_flags, x64_jcc(&g->e, X64_CC_E, NULL));
    c->reg[0] = d;
    c->reg[1] = t;
}

/* r = MXCSR's field for rounding mode r; t: a temporary.  RMM, which no insn of the host does, is
 * as good as any other. */
static void emit_rc(X64Gen *g, X64Reg r, X64Reg t)
{
    x64_alu_ri(&g->e, X64_AND, false, r, 3);
    x64_lea(&g->e, true, t, x64_known(g, X64_K_RC));
    x64_rm(&g->e, 0x8b, false, r, (X64Mem){ t, r, 2, 0 }, 0);
}

/* Flags do change, or are in MXCSR, which is not read: that would wait for all arithmetic.
 * reg: the new ones; two temporaries */
static void write_flags(X64Gen *g, const X64Cold *c)
{
    X64Reg d = c->reg[0], t = c->reg[1], u = c->reg[2];

    _Static_assert(X64_K_UNMASK_3 == X64_K_UNMASK + 3, "one table of 32 words");
    x64_rm(&g->e, 0x89, false, d, x64_state(X64_VCPU(fp_flags)), 0);
    x64_lea(&g->e, true, t, x64_known(g, X64_K_UNMASK));
    x64_rm(&g->e, X64_0F | 0xb7, false, d, (X64Mem){ t, d, 1, 0 }, 0); /* movzx */
    x64_alu_rm(&g->e, X64_AND, false, d, x64_state(X64_VCPU(fp_unmask)));
    x64_alu_ri(&g->e, X64_XOR, false, d, X64_CSR_MASKS);
    x64_rm(&g->e, 0x8b, false, t, x64_state(X64_VCPU(fp_rm)), 0);
    emit_rc(g, t, u);
    x64_alu_rr(&g->e, X64_OR, false, d, t);
    x64_rm(&g->e, 0x89, false, d, x64_spill_mem(X64_SPILLS), 0);
    emit_csr(g, true);
    x64_cold_return(g, c);
}

RULE_FN(lower_fpflags_set)
{
    X64Reg a = x64_use(g, i->arg[0]), d = x64_temp(g, X64_GPRS), t = x64_temp(g, X64_GPRS);
    X64Reg u = x64_temp(g, X64_GPRS);
    X64Cold *c;

    (void)ref, (void)arg;
    x64_end_uses(g);
    x64_mov_rr(&g->e, false, d, a);
    x64_alu_ri(&g->e, X64_AND, false, d, 31);
    /* t = 0 when fp_flags is all there is, and the same already */
    x64_mov_rr(&g->e, false, t, d);
    x64_alu_rm(&g->e, X64_XOR, false, t, x64_state(X64_VCPU(fp_flags)));
    x64_alu_mi(&g->e, X64_CMP, false, x64_state(X64_VCPU(fp_unmask)), 1);
    x64_alu_ri(&g->e, X64_ADC, false, t, 0);
    c = x64_cold(g, write_flags, x64_jcc(&g->e, X64_CC_NE, NULL));
    c->reg[0] = d;
    c->reg[1] = t;
    c->reg[2] = u;
}

RULE_FN(lower_fprm_set)
{
    X64Mem csr = x64_spill_mem(X64_SPILLS);
    X64Reg a = x64_use(g, i->arg[0]), d = x64_temp(g, X64_GPRS), t = x64_temp(g, X64_GPRS);

    (void)ref, (void)arg;
    x64_end_uses(g);
    x64_rm(&g->e, 0x89, false, a, x64_state(X64_VCPU(fp_rm)), 0);
    x64_mov_rr(&g->e, false, d, a);
    emit_rc(g, d, t);
    emit_csr(g, false);
    x64_alu_mi(&g->e, X64_AND, false, csr, ~X64_CSR_RC);
    x64_rm(&g->e, X64_OR << 3 | 1, false, d, csr, 0);
    emit_csr(g, true);
}
