/* SPDX-License-Identifier: Apache-2.0 */
/* Zicsr and Zicntr (RISC-V unprivileged spec), and the registers of csr.def. */
#include <stdio.h>

#include "frontends/riscv/riscv.h"

static IrRef read_fflags(Rv *c)
{
    IrRef flags = ir_op1(c->b, IR_OP_fpflags_get, IR_I32, 0);

    return ir_op1(c->b, IR_OP_zext, IR_I64, flags);
}

static void write_fflags(Rv *c, IrRef value)
{
    IrRef flags = rv_op2(c, IR_OP_and, value, rv_imm(c, 31));

    ir_op1(c->b, IR_OP_fpflags_set, IR_VOID, ir_op1(c->b, IR_OP_trunc, IR_I32, flags));
}

static IrRef read_frm(Rv *c)
{
    return ir_get(c->b, RV_SLOT_frm);
}

/* Ends the block with a change of translation mode when `leave`; goes on otherwise. */
static void leave_if(Rv *c, IrRef leave)
{
    IrFunc *f = c->b->f;
    IrBlockId stop, go;

    stop = ir_block_new(f, c->fe->pc);
    go = ir_block_new(f, c->fe->pc);
    ir_brif(c->b, leave, stop, go);
    ir_append(f, stop, (IrInsn){ .op = IR_OP_exit_trap, .aux = IR_TRAP_mode,
                                 .imm = (int64_t)c->fe->next_pc });
    ir_build_follow(c->b, go);
}

/* Code of the host's modes does not depend on which of them is set, that of the others does. */
static void write_frm(Rv *c, IrRef value)
{
    IrRef old = ir_get(c->b, RV_SLOT_frm), new = rv_op2(c, IR_OP_and, value, rv_imm(c, 7));
    IrRef host = ir_op2(c->b, IR_OP_leu, IR_I1, new, rv_imm(c, IR_RM_RUP));
    IrRef rm = ir_op3(c->b, IR_OP_sel, IR_I64, host, new, rv_imm(c, IR_RM_RNE));
    uint64_t known;

    ir_set(c->b, RV_SLOT_frm, new);
    ir_op1(c->b, IR_OP_fprm_set, IR_VOID, ir_op1(c->b, IR_OP_trunc, IR_I32, rm));
    if (c->fe->mode != RV_MODE_host_rm) {
        leave_if(c, ir_op2(c->b, IR_OP_ne, IR_I1, new, old));
    } else if (!rv_is_const(c, host, &known) || !known) {
        leave_if(c, ir_op1(c->b, IR_OP_not, IR_I1, host));
    }
}

static IrRef read_fcsr(Rv *c)
{
    IrRef frm = rv_op2(c, IR_OP_shl, read_frm(c), rv_imm(c, 5));

    return rv_op2(c, IR_OP_or, frm, read_fflags(c));
}

static void write_fcsr(Rv *c, IrRef value)
{
    write_fflags(c, value);
    write_frm(c, rv_op2(c, IR_OP_shr, value, rv_imm(c, 5)));
}

static IrRef read_cycle(Rv *c)
{
    return ir_call(c->b, RV_HELPER_cycle, 0, 0, 0);
}

static IrRef read_time(Rv *c)
{
    return ir_call(c->b, RV_HELPER_time, 0, 0, 0);
}

typedef struct Csr {
    const char *name;
    unsigned number;
    IrRef (*read)(Rv *c);
    void (*write)(Rv *c, IrRef value);
    char privilege;
} Csr;

enum { U = 'U' };

static const Csr csrs[] = {
#define CSR(name, number, read, write, privilege) { #name, number, read, write, privilege },
#include "frontends/riscv/csr.def"
};

static const Csr *find(unsigned number)
{
    for (size_t i = 0; i < sizeof(csrs) / sizeof(csrs[0]); i++) {
        if (csrs[i].number == number) {
            return &csrs[i];
        }
    }
    return NULL;
}

int rv_print_csr(char *text, size_t size, int64_t value)
{
    const Csr *csr = find((unsigned)value);

    return csr ? snprintf(text, size, "%s", csr->name)
               : snprintf(text, size, "0x%x", (unsigned)value);
}

typedef enum Change { WRITE, SET, CLEAR } Change;

/* rd = the register; then it is written, or bits of it are set or cleared.  `no_operand`: the
 * operand is x0 or 0, so that setting or clearing is not a write. */
static bool access_csr(Rv *c, unsigned rd, unsigned number, Change change, IrRef operand,
                       bool no_operand)
{
    const Csr *csr = find(number);
    bool writes = change == WRITE || !no_operand;
    IrRef old = 0, new = operand;

    if (!csr || csr->privilege != U || (writes && !csr->write)) {
        return false;
    }
    if (rd != 0 || change != WRITE) {
        old = csr->read(c);
    }
    if (change == SET) {
        new = rv_op2(c, IR_OP_or, old, operand);
    } else if (change == CLEAR) {
        new = rv_op2(c, IR_OP_and, old, ir_op1(c->b, IR_OP_not, IR_I64, operand));
    }
    rv_set(c, rd, old);
    if (writes) {
        csr->write(c, new);
    }
    return true;
}

#define ACCESS(name, change)                                                                    \
    bool rv_csrr##name(Rv *c, const RvRdCsrRs1 *a)                                              \
    {                                                                                           \
        return access_csr(c, a->rd, a->csr, change, rv_get(c, a->rs1), a->rs1 == 0);            \
    }                                                                                           \
    bool rv_csrr##name##i(Rv *c, const RvRdCsrUimm *a)                                          \
    {                                                                                           \
        return access_csr(c, a->rd, a->csr, change, rv_imm(c, a->uimm), a->uimm == 0);          \
    }

ACCESS(w, WRITE)
ACCESS(s, SET)
ACCESS(c, CLEAR)
