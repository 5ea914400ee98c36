/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The floating-point control and status register and its two parts (RISC-V unprivileged spec,
 * "Floating-Point Control and Status Register").  The flags live in the FP environment; frm is a
 * slot, and the environment has what of it a host can do.
 */
#include "frontends/riscv/riscv.h"

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

void rv_csr_write_fflags(Rv *c, IrRef value)
{
    IrRef flags = rv_op2(c, IR_OP_and, value, rv_imm(c, 31));

    ir_op1(c->b, IR_OP_fpflags_set, IR_VOID, ir_op1(c->b, IR_OP_trunc, IR_I32, flags));
}

/* I1: `frm` needs another translation mode than this unit has. */
static IrRef other_mode(Rv *c, IrRef frm)
{
    IrRef rmm = rv_imm(c, IR_RM_RMM);

    switch (c->fe->mode) {
    case RV_MODE_host_rm:
        return ir_op2(c->b, IR_OP_leu, IR_I1, rmm, frm);
    case RV_MODE_rmm:
        return ir_op2(c->b, IR_OP_ne, IR_I1, frm, rmm);
    default:
        return ir_op2(c->b, IR_OP_leu, IR_I1, frm, rmm);
    }
}

/* Goes on in this unit while its mode is right for the new frm. */
static void leave_if(Rv *c, IrRef other)
{
    uint64_t always;
    bool known = rv_is_const(c, other, &always);

    if (known && always) {
        fe_trap(c->fe, IR_TRAP_mode, c->fe->next_pc);
    } else if (!known) {
        IrBlockId leave = ir_block_new(c->b->f, c->fe->next_pc);
        IrBlockId stay = ir_block_new(c->b->f, c->fe->next_pc);
        ir_brif(c->b, other, leave, stay);
        ir_build_follow(c->b, leave);
        ir_exit_trap(c->b, IR_TRAP_mode, c->fe->next_pc);
        ir_build_follow(c->b, stay);
    }
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
