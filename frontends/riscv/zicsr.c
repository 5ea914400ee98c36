/* SPDX-License-Identifier: Apache-2.0 */
/* Zicsr and Zicntr (RISC-V unprivileged spec). */
#include <stdio.h>

#include "frontends/riscv/priv/state.h"

static IrRef read_cycle(Rv *c)
{
    return ir_call(c->b, RV_HELPER_cycle, 0, 0, 0);
}

static IrRef read_time(Rv *c)
{
    return ir_call(c->b, RV_HELPER_time, 0, 0, 0);
}

#define SLOT_CSR(name, mask)                                                                       \
    static IrRef read_##name(Rv *c)                                                                \
    {                                                                                              \
        return ir_get(c->b, RV_SLOT_##name);                                                       \
    }                                                                                              \
    static void write_##name(Rv *c, IrRef value)                                                   \
    {                                                                                              \
        ir_set(c->b, RV_SLOT_##name, rv_op2(c, IR_OP_and, value, rv_imm(c, (int64_t)(mask))));     \
    }

SLOT_CSR(sscratch, RV_ALL)
SLOT_CSR(sepc, rv_options_pc())
SLOT_CSR(scause, RV_ALL)
SLOT_CSR(stval, RV_ALL)

enum { USER = 1, MACHINE = 2, BOTH = USER | MACHINE };

/* A register that code accesses without a call. */
typedef struct Code {
    unsigned number;
    unsigned where;
    IrRef (*read)(Rv *c);
    void (*write)(Rv *c, IrRef value);
} Code;

static const Code codes[] = {
#define CODE(name, where, read, write) { RV_CSR_##name, where, read, write },
#include "frontends/riscv/csr.def"
};

static const Code *find(unsigned number, unsigned where)
{
    for (size_t i = 0; i < sizeof(codes) / sizeof(codes[0]); i++) {
        if (codes[i].number == number && (codes[i].where & where)) {
            return &codes[i];
        }
    }
    return NULL;
}

int rv_print_csr(char *text, size_t size, int64_t value)
{
    const RvCsr *csr = rv_csr_find((unsigned)value);

    return !csr         ? snprintf(text, size, "0x%x", (unsigned)value)
           : csr->count ? snprintf(text, size, "%s%u", csr->name,
                                   (unsigned)value - csr->number + csr->first)
                        : snprintf(text, size, "%s", csr->name);
}

typedef enum Change { WRITE, SET, CLEAR } Change;

/* The register's value becomes what `change` makes of `old` and the operand. */
static IrRef changed(Rv *c, Change change, IrRef old, IrRef operand)
{
    switch (change) {
    case SET:
        return rv_op2(c, IR_OP_or, old, operand);
    case CLEAR:
        return rv_op2(c, IR_OP_and, old, ir_op1(c->b, IR_OP_not, IR_I64, operand));
    case WRITE:
        break;
    }
    return operand;
}

static bool access_code(Rv *c, const Code *code, unsigned rd, Change change, IrRef operand,
                        bool writes)
{
    IrRef old = 0, new;

    if (writes && !code->write) {
        return false;
    }
    if (rd != 0 || change != WRITE) {
        old = code->read(c);
    }
    new = changed(c, change, old, operand);
    rv_set(c, rd, old);
    if (writes) {
        code->write(c, new);
    }
    return true;
}

/* By a call, which takes a value and a mask. */
static bool access_call(Rv *c, unsigned rd, unsigned number, Change change, IrRef operand,
                        bool writes)
{
    IrRef mask = change == WRITE ? rv_imm(c, -1) : operand;
    IrRef value = change == CLEAR ? rv_imm(c, 0) : operand;

    return rv_system_csr(c, rd, number, writes, value, mask);
}

static bool is_fp(unsigned number)
{
    return number == RV_CSR_fflags || number == RV_CSR_frm || number == RV_CSR_fcsr;
}

/* rd = the register; then it is written, or bits of it are set or cleared.  `no_operand`: the
 * operand is x0 or 0, so that setting or clearing is not a write. */
static bool access_csr(Rv *c, unsigned rd, unsigned number, Change change, IrRef operand,
                       bool no_operand)
{
    const Code *code = find(number, c->machine ? MACHINE : USER);
    bool writes = change == WRITE || !no_operand;

    if (!c->machine) {
        return code && access_code(c, code, rd, change, operand, writes);
    }
    if (!code) {
        return access_call(c, rd, number, change, operand, writes);
    }
    if (!rv_csr_is_allowed(c, number, writes)) {
        return false;
    }
    if (is_fp(number)) {
        rv_fp_begin(c);
    }
    return c->fe->ended || access_code(c, code, rd, change, operand, writes);
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
