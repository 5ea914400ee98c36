/* SPDX-License-Identifier: Apache-2.0 */
/* Translators of what only a machine has: CSRs beyond a user program's, the instructions of
 * priv.isa, and what FP instructions do first.  In a user program all of it is illegal. */
#include "frontends/riscv/priv/state.h"

static RvPrivilege privilege(const Rv *c)
{
    return (RvPrivilege)rv_mode_privilege(c->fe->mode);
}

static IrRef describe(Rv *c, unsigned row)
{
    return ir_const(c->b, IR_I64, (uint64_t)row << 32 | c->bits);
}

/* ---- CSRs ---- */

bool rv_csr_is_allowed(const Rv *c, unsigned number, bool writes)
{
    return (number >> 8 & 3) <= (unsigned)privilege(c) && !(writes && number >> 10 == 3);
}

static bool find_row(unsigned number, unsigned *row)
{
    const RvCsr *csr = rv_csr_find(number);

    if (csr) {
        *row = (unsigned)(csr - rv_csr_row(0));
    }
    return csr != NULL;
}

/* Leaves after this instruction when an interrupt can be taken now. */
static void take_interrupts(Rv *c)
{
    IrFunc *f = c->b->f;
    IrRef irqs = ir_get(c->b, RV_SLOT_irqs);
    IrBlockId some = ir_block_new(f, c->fe->pc), none = ir_block_new(f, c->fe->pc);

    ir_brif(c->b, ir_op2(c->b, IR_OP_ne, IR_I1, irqs, rv_imm(c, 0)), some, none);
    ir_build_at(c->b, f, some);
    ir_call(c->b, RV_HELPER_enabled, 0, 0, 0);
    ir_br(c->b, none);
    ir_build_at(c->b, f, none);
}

/* csrsi and csrci of SIE: what a kernel does all the time. */
static bool switch_sie(Rv *c, unsigned rd, IrRef value, IrRef mask)
{
    uint64_t set, bits;
    IrRef status;

    if (!rv_is_const(c, mask, &bits) || bits != RV_STATUS_SIE || !rv_is_const(c, value, &set) ||
        (set && rd)) {
        return false;
    }
    status = ir_get(c->b, RV_SLOT_status);
    if (rd) {
        rv_set(c, rd, rv_op2(c, IR_OP_and, status, rv_imm(c, (int64_t)RV_SSTATUS)));
    }
    if (!set) {
        ir_set(c->b, RV_SLOT_status,
               rv_op2(c, IR_OP_and, status, rv_imm(c, ~(int64_t)RV_STATUS_SIE)));
        return true;
    }
    ir_set(c->b, RV_SLOT_status, rv_op2(c, IR_OP_or, status, rv_imm(c, RV_STATUS_SIE)));
    take_interrupts(c);
    return true;
}

bool rv_system_csr(Rv *c, unsigned rd, unsigned number, bool writes, IrRef value, IrRef mask)
{
    unsigned row;
    IrRef old;

    if (!find_row(number, &row) || !rv_csr_is_allowed(c, number, writes)) {
        return false;
    }
    if (number == RV_CSR_sstatus && !writes) {
        IrRef status = ir_get(c->b, RV_SLOT_status);
        rv_set(c, rd, rv_op2(c, IR_OP_and, status, rv_imm(c, (int64_t)RV_SSTATUS)));
        return true;
    }
    if (number == RV_CSR_sstatus && switch_sie(c, rd, value, mask)) {
        return true;
    }
    old = writes ? ir_call(c->b, RV_HELPER_csr_write, describe(c, row), value, mask)
                 : ir_call(c->b, RV_HELPER_csr_read, describe(c, row), 0, 0);
    rv_set(c, rd, old);
    return true;
}

/* ---- Floating point ---- */

/* An FP instruction before this one in the block has begun, and no call since could have switched
 * FP off. */
static bool has_begun(const Rv *c)
{
    const IrFunc *f = c->b->f;

    for (IrRef ref = f->block[c->b->block].last; ref; ref = f->insn[ref].prev) {
        if (f->insn[ref].op == IR_OP_call) {
            return f->insn[ref].imm == RV_HELPER_fp_begin;
        }
    }
    return false;
}

void rv_fp_begin(Rv *c)
{
    switch (c->fe->mode & RV_MODE_FP) {
    case RV_MODE_fp_clean:
        ir_call(c->b, RV_HELPER_fp_begin, describe(c, 0), 0, 0);
        fe_trap(c->fe, IR_TRAP_mode, c->fe->pc);
        break;
    case RV_MODE_fp_ask:
        if (!has_begun(c)) {
            ir_call(c->b, RV_HELPER_fp_begin, describe(c, 0), 0, 0);
        }
        break;
    default:
        break;
    }
}

/* ---- Calls, returns, waiting ---- */

/* In translated code if there is some. */
static void go_on_at(Rv *c, IrRef pc)
{
    ir_exit_ind(c->b, pc, IR_EXIT_POLL, 0);
    c->fe->ended = true;
}

/* The helper says where it goes on, with another privilege. */
static bool call_and_jump(Rv *c, RvPrivilege at_least, unsigned helper)
{
    if (!c->machine || privilege(c) < at_least) {
        return false;
    }
    go_on_at(c, ir_call(c->b, helper, describe(c, 0), 0, 0));
    return true;
}

bool rv_machine_ecall(Rv *c)
{
    return call_and_jump(c, RV_U, RV_HELPER_ecall);
}

bool rv_mret(Rv *c, const RvMret *a)
{
    (void)a;
    return call_and_jump(c, RV_M, RV_HELPER_mret);
}

bool rv_sret(Rv *c, const RvSret *a)
{
    (void)a;
    return call_and_jump(c, RV_S, RV_HELPER_sret);
}

bool rv_wfi(Rv *c, const RvWfi *a)
{
    (void)a;
    if (!c->machine || privilege(c) < RV_S) {
        return false;
    }
    ir_call(c->b, RV_HELPER_wfi, describe(c, 0), 0, 0);
    fe_trap(c->fe, IR_TRAP_wait, c->fe->next_pc);
    return true;
}

/* ---- Fences: what comes next is looked up anew ---- */

bool rv_sfence_vma(Rv *c, const RvSfenceVma *a)
{
    if (!c->machine || privilege(c) < RV_S) {
        return false;
    }
    go_on_at(c, ir_call(c->b, RV_HELPER_sfence_vma, describe(c, 0), rv_get(c, a->rs1),
                        rv_get(c, a->rs2)));
    return true;
}

bool rv_sinval_vma(Rv *c, const RvSinvalVma *a)
{
    return rv_sfence_vma(c, a);
}

/* sinval.vma orders everything already. */
bool rv_sfence_w_inval(Rv *c, const RvSfenceWInval *a)
{
    (void)a;
    return c->machine && privilege(c) >= RV_S;
}

bool rv_sfence_inval_ir(Rv *c, const RvSfenceInvalIr *a)
{
    (void)a;
    return c->machine && privilege(c) >= RV_S;
}
