/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Conversions from and to half precision (F16C), and the class of a number.
 *
 * The insns convert four numbers at a time: what else is in the register is cleared first, or it
 * would raise flags.  F64 to F16 goes by way of F32, rounded to odd so that rounding twice gives
 * what rounding once does: F32 has more than two bits beyond those of F16.
 */
#include "backends/x86_64/lower.h"

#include "backends/x86_64/host.h"

/* The scratch register has the lowest 16 or 32 bits of `a`, and zeros. */
static void isolate(X64Gen *g, X64Reg a, bool half)
{
    if (half) {
        x64_rr(&g->e, X64_0F | 0x57, false, X64_SCRATCH, X64_SCRATCH);
        x64_rr(&g->e, X64_66 | X64_0F3A | 0x0e, false, X64_SCRATCH, a); /* pblendw */
        x64_byte(&g->e, 1);
    } else {
        x64_vrr(&g->e, X64_66 | X64_0F3A | 0x21, false, X64_SCRATCH, a, a); /* vinsertps */
        x64_byte(&g->e, 0x0e);
    }
}

static void from_half(X64Gen *g, const IrInsn *i, IrRef ref)
{
    X64Reg a = x64_use(g, i->arg[0]), d;

    x64_end_uses(g);
    d = x64_def(g, ref, 0);
    isolate(g, a, true);
    x64_vrr(&g->e, X64_66 | X64_0F38 | 0x13, false, d, 0, X64_SCRATCH); /* vcvtph2ps */
    if (i->type == IR_F64) {
        x64_vrr(&g->e, X64_F3 | X64_0F | 0x5a, false, d, d, d); /* vcvtss2sd */
    }
}

/* d = what the scratch register has; imm: as of roundsd */
static void emit_to_half(X64Gen *g, X64Reg d, unsigned imm)
{
    x64_vrr(&g->e, X64_66 | X64_0F3A | 0x1d, false, X64_SCRATCH, 0, d); /* vcvtps2ph */
    x64_byte(&g->e, imm);
}

static void single_to_half(X64Gen *g, const IrInsn *i, IrRef ref)
{
    X64Reg a = x64_use(g, i->arg[0]), d;

    x64_end_uses(g);
    d = x64_def(g, ref, 0);
    isolate(g, a, false);
    emit_to_half(g, d, x64_round_imm(i->aux));
}

static void double_to_half(X64Gen *g, const IrInsn *i, IrRef ref)
{
    const uint32_t low = (UINT32_C(1) << 29) - 1; /* bits that an F32 has not */
    X64Reg a, t, u, d;

    x64_rounding(g, i->aux);
    a = x64_use(g, i->arg[0]);
    t = x64_temp(g, X64_GPRS);
    u = x64_temp(g, X64_GPRS);
    x64_end_uses(g);
    d = x64_def(g, ref, 0);
    x64_mov_rr(&g->e, true, t, a);
    x64_mov_rr(&g->e, false, u, t);
    x64_alu_ri(&g->e, X64_AND, false, u, (int32_t)low);
    x64_alu_rr(&g->e, X64_XOR, true, t, u);
    x64_alu_ri(&g->e, X64_ADD, false, u, (int32_t)low); /* bit 29: any was set */
    x64_alu_ri(&g->e, X64_AND, false, u, (int32_t)(low + 1));
    x64_alu_rr(&g->e, X64_OR, true, t, u);
    x64_mov_rr(&g->e, true, X64_SCRATCH, t);
    x64_vrr(&g->e, X64_F2 | X64_0F | 0x5a, false, X64_SCRATCH, X64_SCRATCH, X64_SCRATCH);
    isolate(g, X64_SCRATCH, false);
    emit_to_half(g, d, X64_ROUND_DYN);
}

bool x64_half_inline(const IrInsn *i)
{
    return x64_has(X64_F_f16c) && x64_has(X64_F_sse41) && i->aux != IR_RM_RMM;
}

void x64_convert_half(X64Gen *g, const IrInsn *i, IrRef ref)
{
    if (x64_arg_type(g, i, 0) == IR_F16) {
        from_half(g, i, ref);
    } else if (x64_arg_type(g, i, 0) == IR_F32) {
        single_to_half(g, i, ref);
    } else {
        double_to_half(g, i, ref);
    }
}

/* ---- Class ---- */

/* A number's bits, shifted to the top of a word and then once more, without the sign: from here
 * it is normal; from here it is infinite, beyond it a NaN. */
static uint64_t least_normal(unsigned type)
{
    return UINT64_C(1) << (type == IR_F64 ? 53 : type == IR_F32 ? 56 : 59);
}

static uint64_t infinity(unsigned type)
{
    return ~UINT64_C(0) << (type == IR_F64 ? 53 : type == IR_F32 ? 56 : 59);
}

/* reg[0] and reg[2] become the classes of a positive and a negative number; keeps the flags. */
static uint8_t *choose_class(X64Gen *g, const X64Cold *c, unsigned negative, unsigned positive)
{
    x64_mov_ri(&g->e, c->reg[0], UINT64_C(1) << positive);
    x64_mov_ri(&g->e, c->reg[2], UINT64_C(1) << negative);
    return x64_jmp8(&g->e);
}

/* Not a normal number.  reg: result, the bits at the top of the word, a temporary */
static void other_class(X64Gen *g, const X64Cold *c)
{
    X64Reg d = c->reg[0], t = c->reg[1], u = c->reg[2];
    uint8_t *finite, *nan, *zero, *chosen[3];

    x64_lea(&g->e, true, d, (X64Mem){ t, t, 0, 0 });
    x64_mov_ri(&g->e, u, infinity(c->type));
    x64_alu_rr(&g->e, X64_CMP, true, d, u);
    finite = x64_jcc8(&g->e, X64_CC_B);
    nan = x64_jcc8(&g->e, X64_CC_NE);
    chosen[0] = choose_class(g, c, 0, 7);
    x64_patch8(&g->e, finite);
    x64_rr(&g->e, 0x85, true, d, d);
    zero = x64_jcc8(&g->e, X64_CC_E);
    chosen[1] = choose_class(g, c, 2, 5);
    x64_patch8(&g->e, zero);
    chosen[2] = choose_class(g, c, 3, 4);
    x64_patch8(&g->e, nan);
    x64_rr(&g->e, X64_0F | 0xba, true, 4, d); /* bt: quiet? */
    x64_byte(&g->e, c->type == IR_F64 ? 52 : c->type == IR_F32 ? 55 : 58);
    x64_mov_ri(&g->e, d, UINT64_C(1) << 8);
    x64_mov_ri(&g->e, u, UINT64_C(1) << 9);
    x64_rr(&g->e, X64_0F | 0x42, false, d, u); /* cmovc */
    x64_cold_return(g, c);
    for (unsigned k = 0; k < 3; k++) {
        x64_patch8(&g->e, chosen[k]);
    }
    x64_rr(&g->e, 0x85, true, t, t);
    x64_rr(&g->e, X64_0F | 0x48, false, d, u); /* cmovs */
    x64_cold_return(g, c);
}

/* Most are normal: the sign says which of two. */
RULE_FN(lower_fclass)
{
    unsigned type = x64_arg_type(g, i, 0);
    X64Reg a = x64_use(g, i->arg[0]), t = x64_temp(g, X64_GPRS), u = x64_temp(g, X64_GPRS), d;
    X64Cold *c;

    (void)arg;
    x64_end_uses(g);
    d = x64_def(g, ref, 0);
    x64_mov_rr(&g->e, true, t, a);
    if (type != IR_F64) {
        x64_shift_ri(&g->e, X64_SHL, true, t, 64 - ir_bits(type));
    }
    x64_lea(&g->e, true, d, (X64Mem){ t, t, 0, 0 });
    x64_mov_ri(&g->e, u, least_normal(type));
    x64_alu_rr(&g->e, X64_SUB, true, d, u);
    x64_mov_ri(&g->e, u, infinity(type) - least_normal(type));
    x64_alu_rr(&g->e, X64_CMP, true, d, u);
    c = x64_cold(g, other_class, x64_jcc(&g->e, X64_CC_AE, NULL));
    c->type = (uint8_t)type;
    c->reg[0] = d;
    c->reg[1] = t;
    c->reg[2] = u;
    x64_mov_rr(&g->e, true, d, t);
    x64_shift_ri(&g->e, X64_SAR, true, d, 63);
    x64_alu_ri(&g->e, X64_AND, false, d, (1 << 1) - (1 << 6));
    x64_alu_ri(&g->e, X64_ADD, false, d, 1 << 6);
    c->back = x64_here(g);
}
