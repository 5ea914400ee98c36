/* SPDX-License-Identifier: Apache-2.0 */
/* Zicsr and Zicntr (RISC-V unprivileged spec). */
#include <stdio.h>

#include "frontends/riscv/riscv.h"

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

#define ACCESS(name, change)                                                                       \
    bool rv_csrr##name(Rv *c, const RvRdCsrRs1 *a)                                                 \
    {                                                                                              \
        return access_csr(c, a->rd, a->csr, change, rv_get(c, a->rs1), a->rs1 == 0);               \
    }                                                                                              \
    bool rv_csrr##name##i(Rv *c, const RvRdCsrUimm *a)                                             \
    {                                                                                              \
        return access_csr(c, a->rd, a->csr, change, rv_imm(c, a->uimm), a->uimm == 0);             \
    }

ACCESS(w, WRITE)
ACCESS(s, SET)
ACCESS(c, CLEAR)
