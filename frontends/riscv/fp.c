/* SPDX-License-Identifier: Apache-2.0 */
#include "frontends/riscv/fp.h"

#include <stdio.h>

/* ---- Registers ---- */

IrRef rv_getf(Rv *c, unsigned reg, IrType type)
{
    IrRef box = ir_get(c->b, RV_SLOT_F + reg);

    return type == IR_F64 ? box : ir_op1(c->b, IR_OP_funbox, type, box);
}

static IrType int_of(IrType type)
{
    return type == IR_F64 ? IR_I64 : type == IR_F32 ? IR_I32 : IR_I16;
}

IrRef rv_getf_bits(Rv *c, unsigned reg, IrType type)
{
    IrRef box = ir_get(c->b, RV_SLOT_F + reg);
    const IrInsn *i = ir_insn(c->b->f, box);

    if (i->op == IR_OP_fbox && ir_insn(c->b->f, i->arg[0])->type == type) {
        return ir_op1(c->b, IR_OP_bitcast, int_of(type), i->arg[0]);
    }
    IrRef bits = ir_op1(c->b, IR_OP_bitcast, IR_I64, box);
    return type == IR_F64 ? bits : ir_op1(c->b, IR_OP_trunc, int_of(type), bits);
}

void rv_setf(Rv *c, unsigned reg, IrRef value)
{
    bool narrow = ir_insn(c->b->f, value)->type != IR_F64;

    ir_set(c->b, RV_SLOT_F + reg, narrow ? ir_op1(c->b, IR_OP_fbox, IR_F64, value) : value);
}

void rv_setf_result(Rv *c, unsigned reg, IrRef value)
{
    rv_setf(c, reg, ir_op1(c->b, IR_OP_fcanon, ir_insn(c->b->f, value)->type, value));
}

bool rv_rounding(const Rv *c, unsigned rm, IrRm *out)
{
    if (rm != IR_RM_DYN) {
        *out = (IrRm)rm;
        return true;
    }
    *out = rv_mode_rm(c->fe->mode) == RV_MODE_rmm ? IR_RM_RMM : IR_RM_DYN;
    return rv_mode_rm(c->fe->mode) != RV_MODE_bad_rm;
}

/* ---- Memory ---- */

/* log2 of the size in bytes */
static unsigned mem_of(IrType type)
{
    return type == IR_F64 ? 3 : type == IR_F32 ? 2 : 1;
}

bool rv_fp_load(Rv *c, const RvFrdImmIRs1 *a, IrType type)
{
    rv_setf(c, a->frd, ir_load(c->b, type, mem_of(type), rv_get(c, a->rs1), a->imm_i));
    return true;
}

/* The bits are those of the register, boxed or not. */
bool rv_fp_store(Rv *c, const RvFrs2ImmSRs1 *a, IrType type)
{
    IrRef box = ir_get(c->b, RV_SLOT_F + a->frs2);
    const IrInsn *i = ir_insn(c->b->f, box);
    bool boxed_here = i->op == IR_OP_fbox && ir_insn(c->b->f, i->arg[0])->type == type;
    IrRef value = type == IR_F64 ? box
                  : boxed_here   ? i->arg[0]
                                 : ir_op1(c->b, IR_OP_bitcast, IR_I64, box);

    ir_store(c->b, mem_of(type), rv_get(c, a->rs1), a->imm_s, value);
    return true;
}

/* ---- Arithmetic ---- */

bool rv_fp_arith1(Rv *c, const RvFrdFrs1Rm *a, IrOp op, IrType type)
{
    IrRm rm;

    if (!rv_rounding(c, a->rm, &rm)) {
        return false;
    }
    rv_setf_result(c, a->frd, ir_fp1(c->b, op, type, rm, rv_getf(c, a->frs1, type)));
    return true;
}

bool rv_fp_arith2(Rv *c, const RvFrdFrs1Frs2Rm *a, IrOp op, IrType type)
{
    IrRm rm;

    if (!rv_rounding(c, a->rm, &rm)) {
        return false;
    }
    IrRef x = rv_getf(c, a->frs1, type), y = rv_getf(c, a->frs2, type);
    rv_setf_result(c, a->frd, ir_fp2(c->b, op, type, rm, x, y));
    return true;
}

/* -value for an operand of arithmetic, to which a NaN's sign does not matter: the value from
 * before it was made canonical will do, unless that could turn a signalling NaN quiet. */
static IrRef negated(Rv *c, IrRef value)
{
    const IrInsn *i = ir_insn(c->b->f, value);

    if (i->op == IR_OP_fcanon && ir_op_info[ir_insn(c->b->f, i->arg[0])->op].effects & IR_FP) {
        value = i->arg[0];
    }
    return ir_op1(c->b, IR_OP_fneg, (IrType)ir_insn(c->b->f, value)->type, value);
}

bool rv_fp_fma(Rv *c, const RvFrdFrs1Frs2Frs3Rm *a, bool neg_product, bool neg_addend, IrType type)
{
    IrRm rm;

    if (!rv_rounding(c, a->rm, &rm)) {
        return false;
    }
    IrRef x = rv_getf(c, a->frs1, type), y = rv_getf(c, a->frs2, type);
    IrRef z = rv_getf(c, a->frs3, type);
    x = neg_product ? negated(c, x) : x;
    z = neg_addend ? negated(c, z) : z;
    rv_setf_result(c, a->frd, ir_fp3(c->b, IR_OP_fma, type, rm, x, y, z));
    return true;
}

bool rv_fp_minmax(Rv *c, const RvFrdFrs1Frs2 *a, IrOp op, IrType type)
{
    IrRef x = rv_getf(c, a->frs1, type), y = rv_getf(c, a->frs2, type);

    rv_setf_result(c, a->frd, ir_fp2(c->b, op, type, IR_RM_DYN, x, y));
    return true;
}

bool rv_fp_compare(Rv *c, const RvRdFrs1Frs2 *a, IrOp op, IrType type)
{
    IrRef x = rv_getf(c, a->frs1, type), y = rv_getf(c, a->frs2, type);

    rv_setu(c, a->rd, ir_fp2(c->b, op, IR_I1, IR_RM_DYN, x, y));
    return true;
}

/* ---- Signs: a NaN's is visible here, so operands are the canonical ones ---- */

static IrRef copy_sign(Rv *c, IrRef x, IrRef y, IrType type)
{
    return x == y ? x : ir_op2(c->b, IR_OP_fcopysign, type, x, y);
}

static IrRef copy_opposite_sign(Rv *c, IrRef x, IrRef y, IrType type)
{
    IrRef not_y = ir_op1(c->b, IR_OP_fneg, type, y);

    return x == y ? not_y : ir_op2(c->b, IR_OP_fcopysign, type, x, not_y);
}

static IrRef multiply_signs(Rv *c, IrRef x, IrRef y, IrType type)
{
    IrType whole = int_of(type);
    IrRef sign, bits;

    if (x == y) {
        return ir_op1(c->b, IR_OP_fabs, type, x);
    }
    sign = ir_op2(c->b, IR_OP_and, whole, ir_op1(c->b, IR_OP_bitcast, whole, y),
                  ir_const(c->b, whole, UINT64_C(1) << (ir_bits(type) - 1)));
    bits = ir_op2(c->b, IR_OP_xor, whole, ir_op1(c->b, IR_OP_bitcast, whole, x), sign);
    return ir_op1(c->b, IR_OP_bitcast, type, bits);
}

bool rv_fp_sign(Rv *c, const RvFrdFrs1Frs2 *a, RvSign sign, IrType type)
{
    IrRef x = rv_getf(c, a->frs1, type), y = rv_getf(c, a->frs2, type);

    rv_setf(c, a->frd, sign == RV_SIGN_OF       ? copy_sign(c, x, y, type)
                       : sign == RV_SIGN_NOT_OF ? copy_opposite_sign(c, x, y, type)
                                                : multiply_signs(c, x, y, type));
    return true;
}

/* ---- Conversions ---- */

bool rv_fp_to_int(Rv *c, const RvRdFrs1Rm *a, IrOp op, IrType to, IrType type)
{
    IrRm rm;

    if (!rv_rounding(c, a->rm, &rm)) {
        return false;
    }
    IrRef value = ir_fp1(c->b, op, to, rm, rv_getf(c, a->frs1, type));
    if (to == IR_I32) {
        rv_set32(c, a->rd, value);
    } else {
        rv_set(c, a->rd, value);
    }
    return true;
}

/* Never a NaN. */
static void from_int(Rv *c, unsigned frd, unsigned rs1, IrInsn op, IrType from)
{
    IrRef value = from == IR_I32 ? rv_get32(c, rs1) : rv_get(c, rs1);

    rv_setf(c, frd, ir_fp1(c->b, (IrOp)op.op, (IrType)op.type, (IrRm)op.aux, value));
}

bool rv_fp_from_int(Rv *c, const RvFrdRs1Rm *a, IrOp op, IrType from, IrType type)
{
    IrRm rm;

    if (!rv_rounding(c, a->rm, &rm)) {
        return false;
    }
    from_int(c, a->frd, a->rs1, (IrInsn){ .op = op, .type = type, .aux = rm }, from);
    return true;
}

bool rv_fp_from_int_exact(Rv *c, const RvFrdRs1RmExact *a, IrOp op, IrType from, IrType type)
{
    IrRm rm;

    if (!rv_rounding(c, a->rm_exact, &rm)) {
        return false;
    }
    from_int(c, a->frd, a->rs1, (IrInsn){ .op = op, .type = type, .aux = IR_RM_DYN }, from);
    return true;
}

bool rv_fp_convert(Rv *c, const RvFrdFrs1Rm *a, IrType to, IrType type)
{
    IrRm rm;

    if (!rv_rounding(c, a->rm, &rm)) {
        return false;
    }
    rv_setf_result(c, a->frd, ir_fp1(c->b, IR_OP_f2f, to, rm, rv_getf(c, a->frs1, type)));
    return true;
}

bool rv_fp_widen(Rv *c, const RvFrdFrs1RmExact *a, IrType to, IrType type)
{
    IrRm rm;

    if (!rv_rounding(c, a->rm_exact, &rm)) {
        return false;
    }
    rv_setf_result(c, a->frd, ir_fp1(c->b, IR_OP_f2f, to, IR_RM_DYN, rv_getf(c, a->frs1, type)));
    return true;
}

/* ---- Bits ---- */

bool rv_fp_to_x(Rv *c, const RvRdFrs1 *a, IrType type)
{
    IrRef bits = rv_getf_bits(c, a->frs1, type);

    rv_set(c, a->rd, type == IR_F64 ? bits : ir_op1(c->b, IR_OP_sext, IR_I64, bits));
    return true;
}

bool rv_fp_from_x(Rv *c, const RvFrdRs1 *a, IrType type)
{
    IrRef bits = rv_get(c, a->rs1);

    bits = type == IR_F64 ? bits : ir_op1(c->b, IR_OP_trunc, int_of(type), bits);
    rv_setf(c, a->frd, ir_op1(c->b, IR_OP_bitcast, type, bits));
    return true;
}

bool rv_fp_class(Rv *c, const RvRdFrs1 *a, IrType type)
{
    rv_set(c, a->rd, ir_op1(c->b, IR_OP_fclass, IR_I64, rv_getf(c, a->frs1, type)));
    return true;
}

/* ---- Operands as text ---- */

int rv_print_freg(char *text, size_t size, int64_t value)
{
    return snprintf(text, size, "%s", rv_guest.slots[RV_SLOT_F + value].name);
}

static int print_mode(char *text, size_t size, int64_t value, int64_t silent)
{
    static const char *const names[] = { "rne", "rtz", "rdn", "rup", "rmm", "5", "6", "dyn" };

    return value == silent ? 0 : snprintf(text, size, ",%s", names[value & 7]);
}

int rv_print_rm(char *text, size_t size, int64_t value)
{
    return print_mode(text, size, value, IR_RM_DYN);
}

int rv_print_rm_exact(char *text, size_t size, int64_t value)
{
    return print_mode(text, size, value, IR_RM_RNE);
}
