/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The floating-point control and status register and its two parts (RISC-V unprivileged spec,
 * "Floating-Point Control and Status Register").  The flags live in the FP environment; frm is a
 * slot, and the environment has what of it a host can do.
 */
#include "frontends/riscv/riscv.h"
#include "ir/softfloat.h"

enum { FLAGS_WIDTH = 5 };

IrRef rv_csr_read_fflags(Rv *c)
{
    return ir_op1(c->b, IR_OP_zext, IR_I64, ir_op1(c->b, IR_OP_fpflags_get, IR_I32, 0));
}

IrRef rv_csr_read_frm(Rv *c)
{
    return ir_get(c->b, RV_SLOT_frm);
}

IrRef rv_csr_read_fcsr(Rv *c)
{
    IrRef frm = rv_op2(c, IR_OP_shl, rv_csr_read_frm(c), rv_imm(c, FLAGS_WIDTH));

    return rv_op2(c, IR_OP_or, frm, rv_csr_read_fflags(c));
}

/* ---- Flags that come back: compilers make a quiet comparison of `frflags`, `flt` or `fle`,
 * `fsflags` (for isless(), or before a call of sqrt()) ---- */

static bool is_comparison(const IrInsn *i)
{
    return i->op == IR_OP_feq || i->op == IR_OP_flt || i->op == IR_OP_fle ||
           i->op == IR_OP_fltq || i->op == IR_OP_fleq;
}

/* Nothing but comparisons touches the flags after insn `from` of the block, and nothing looks. */
static bool only_comparisons_since(const Rv *c, IrRef from)
{
    const IrFunc *f = c->b->f;
    IrRef ref = f->block[c->b->block].last;

    for (; ref && ref != from; ref = f->insn[ref].prev) {
        const IrInsn *i = &f->insn[ref];
        if (ir_effects(f, i) & (IR_FP | IR_FPENV | IR_TRAPS | IR_CALL) && !is_comparison(i)) {
            return false;
        }
    }
    return ref == from;
}

/* Operand k of comparison `ref`, when it may be a signalling NaN, becomes a quiet one. */
static void quieten(Rv *c, IrRef ref, unsigned k)
{
    IrFunc *f = c->b->f;
    IrRef arg = f->insn[ref].arg[k];
    const IrInsn *a = &f->insn[arg];
    bool number = a->op == IR_OP_const &&
                  ir_fp_canon(ir_bits(a->type), (uint64_t)a->imm) == (uint64_t)a->imm;

    if (!number && a->op != IR_OP_fcanon && !ir_is_quiet(f, arg)) {
        IrInsn canon = { .op = IR_OP_fcanon, .type = a->type, .arg = { arg } };
        arg = ir_insert_before(f, c->b->block, ref, canon);
        f->insn[ref].arg[k] = arg;
    }
}

/* When `value` is what the flags were, and only comparisons came since, these shall not raise
 * anything: then nothing is left to be written. */
static bool comparisons_undone(Rv *c, IrRef value)
{
    IrFunc *f = c->b->f;
    const IrInsn *i = ir_insn(f, value);

    if (i->op != IR_OP_zext || ir_insn(f, i->arg[0])->op != IR_OP_fpflags_get ||
        !only_comparisons_since(c, i->arg[0])) {
        return false;
    }
    IrRef get = i->arg[0];
    for (IrRef ref = f->block[c->b->block].last; ref != get; ref = f->insn[ref].prev) {
        if (is_comparison(&f->insn[ref])) {
            uint8_t op = f->insn[ref].op;
            f->insn[ref].op = op == IR_OP_flt ? IR_OP_fltq : op == IR_OP_fle ? IR_OP_fleq : op;
            quieten(c, ref, 0);
            quieten(c, ref, 1);
        }
    }
    return true;
}

void rv_csr_write_fflags(Rv *c, IrRef value)
{
    if (comparisons_undone(c, value)) {
        return;
    }
    IrRef flags = rv_op2(c, IR_OP_and, value, rv_imm(c, 31));

    ir_op1(c->b, IR_OP_fpflags_set, IR_VOID, ir_op1(c->b, IR_OP_trunc, IR_I32, flags));
}

/* I1: `frm` needs another translation mode than this unit has. */
static IrRef other_mode(Rv *c, IrRef frm)
{
    IrRef rmm = rv_imm(c, IR_RM_RMM);

    switch (rv_mode_rm(c->fe->mode)) {
    case RV_MODE_host_rm:
        return ir_op2(c->b, IR_OP_leu, IR_I1, rmm, frm);
    case RV_MODE_rmm:
        return ir_op2(c->b, IR_OP_ne, IR_I1, frm, rmm);
    default:
        return ir_op2(c->b, IR_OP_leu, IR_I1, frm, rmm);
    }
}

/* Ends the block, as rv_shape() says of such writes: goes on with the next instruction while this
 * unit's mode is right for the new frm. */
static void leave_if(Rv *c, IrRef other)
{
    FeContext *fe = c->fe;
    IrBlockId leave, stay;
    uint64_t always;

    if (rv_is_const(c, other, &always)) {
        if (always) {
            fe_trap(fe, IR_TRAP_mode, fe->next_pc);
        } else {
            fe_jump(fe, fe->next_pc);
        }
        return;
    }
    leave = ir_block_new(c->b->f, fe->next_pc);
    if (fe->block_at(fe, fe->next_pc, &stay)) {
        ir_brif(c->b, other, leave, stay);
        ir_build_follow(c->b, leave);
    } else {
        stay = ir_block_new(c->b->f, fe->next_pc);
        ir_brif(c->b, other, leave, stay);
        ir_build_follow(c->b, stay);
        fe_jump(fe, fe->next_pc);
        ir_build_follow(c->b, leave);
    }
    fe_trap(fe, IR_TRAP_mode, fe->next_pc);
}

void rv_csr_write_frm(Rv *c, IrRef value)
{
    IrRef frm = rv_op2(c, IR_OP_and, value, rv_imm(c, 7));
    /* In the other modes nothing uses the environment's rounding mode, so that any will do. */
    IrRef host = rv_op2(c, IR_OP_and, value, rv_imm(c, 3));

    ir_set(c->b, RV_SLOT_frm, frm);
    ir_op1(c->b, IR_OP_fprm_set, IR_VOID, ir_op1(c->b, IR_OP_trunc, IR_I32, host));
    leave_if(c, other_mode(c, frm));
}

void rv_csr_write_fcsr(Rv *c, IrRef value)
{
    rv_csr_write_fflags(c, value);
    rv_csr_write_frm(c, rv_op2(c, IR_OP_shr, value, rv_imm(c, FLAGS_WIDTH)));
}
