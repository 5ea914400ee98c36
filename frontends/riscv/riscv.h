/* SPDX-License-Identifier: Apache-2.0 */
/*
 * frontends/riscv/riscv.h - what the translators of RISC-V instructions share.
 *
 * A translator is `bool rv_<name>(Rv *c, const Rv<Name> *a)`, declared in the generated insns.h
 * from a row of an .isa file.  It appends IR for the instruction; false, with nothing appended,
 * means that this encoding is illegal here.  One that ends the block does so through fe_*.
 *
 * Threading: an Rv lives for one instruction.
 */
#ifndef KETCH_FRONTENDS_RISCV_RISCV_H
#define KETCH_FRONTENDS_RISCV_RISCV_H

#include "frontends/frontend.h"
#include "frontends/riscv/insns.h"
#include "ir/vcpu.h"

struct Rv {
    FeContext *fe;
    IrBuild *b;    /* &fe->b */
    uint32_t bits; /* of the instruction */
    bool machine;  /* for a whole machine, not for a user program */
};

enum {
    RV_SLOT_F = 32, /* f0..f31: F64 containers, narrower values NaN-boxed */
#define REG(name, type, slot, format) RV_SLOT_##name = slot,
#include "frontends/riscv/regs.def"
    RV_SLOT_COUNT,
    RV_USER_SLOTS = RV_SLOT_resalone + 1, /* the rest is a machine's */
};

enum {
#define HELPER(name, result, args, effects) RV_HELPER_##name,
#include "frontends/riscv/helpers.def"
    RV_HELPER_COUNT
};

#define HELPER(name, result, args, effects) IrHelperFn rv_helper_##name;
#include "frontends/riscv/helpers.def"

enum {
#define CSR(name, number, ...) RV_CSR_##name = number,
#include "frontends/riscv/csr.def"
};

/* Translation modes (Vcpu.mode).  The low bits: what the dynamic rounding mode, frm, is. */
enum {
    RV_MODE_host_rm, /* 0..3: ops use IR_RM_DYN */
    RV_MODE_rmm,     /* round to nearest, ties to max magnitude: ops name IR_RM_RMM */
    RV_MODE_bad_rm,  /* 5..7: instructions with a dynamic rounding mode are illegal */
    RV_MODE_RM = 3,

    /* Of a machine: the privilege, what an FP instruction has to do first, is cbo.zero legal. */
    RV_MODE_PRIVILEGE_SHIFT = 2, /* 2 bits: RV_U, RV_S, RV_M */
    RV_MODE_fp_ready = 0 << 4,
    RV_MODE_fp_clean = 1 << 4,   /* mark the state dirty, which changes the mode; or it is illegal */
    RV_MODE_fp_ask = 2 << 4,     /* look at mstatus.FS each time */
    RV_MODE_FP = 3 << 4,
    RV_MODE_cbo_zero = 1 << 6,
};

static inline unsigned rv_mode_rm(uint32_t mode)
{
    return mode & RV_MODE_RM;
}

static inline unsigned rv_mode_privilege(uint32_t mode)
{
    return mode >> RV_MODE_PRIVILEGE_SHIFT & 3;
}

extern const IrGuest rv_guest, rv_machine_guest;

enum {
    RV_REGISTERS = 32 + 1 + 32 + 3, /* x, pc, f, fcsr and its parts */
    RV_MACHINE_REGISTERS = RV_REGISTERS - 3 + 1 /* all CSRs, the privilege */
#define CSR(...) + 1
#include "frontends/riscv/csr.def"
};

extern const FeRegister rv_registers[RV_REGISTERS];
extern const FeRegister rv_machine_registers[RV_MACHINE_REGISTERS];

enum { RV_CBO_BLOCK = 64 }; /* bytes in a cache block; programs and kernels are told */

/* mode() of a user program, and of a machine. */
uint32_t rv_mode(const Vcpu *vcpu);
uint32_t rv_machine_mode(const Vcpu *vcpu);
bool rv_reserved(const Vcpu *vcpu);
void rv_reset(Vcpu *vcpu);
void rv_dump(const Vcpu *vcpu, char *text, size_t size);
FeShape rv_shape(uint64_t pc, const uint8_t *bytes, size_t n);

/* The CSR instructions of a machine for registers without CODE row (priv/insns.c).  rd = the
 * register; then the bits in `mask` become those of `value` (writes).  False: illegal. */
bool rv_system_csr(Rv *c, unsigned rd, unsigned number, bool writes, IrRef value, IrRef mask);

/* May this machine's code access register `number` so, by its number and the privilege? */
bool rv_csr_is_allowed(const Rv *c, unsigned number, bool writes);

/* ecall of a machine. */
bool rv_machine_ecall(Rv *c);

/* What an FP instruction does first, by RV_MODE_FP.  May end the block. */
void rv_fp_begin(Rv *c);

/* The instruction in bytes[0, n), zero-extended to 32 bits; its length, 0 when truncated. */
unsigned rv_fetch(const uint8_t *bytes, size_t n, uint32_t *bits);

/* For csr.def: reads give an I64; a write takes any I64 and looks at the register's bits only.  A
 * write of frm or fcsr must be the last thing that an instruction does: it ends the block. */
IrRef rv_csr_read_fflags(Rv *c);
IrRef rv_csr_read_frm(Rv *c);
IrRef rv_csr_read_fcsr(Rv *c);
void rv_csr_write_fflags(Rv *c, IrRef value);
void rv_csr_write_frm(Rv *c, IrRef value);
void rv_csr_write_fcsr(Rv *c, IrRef value);

static inline IrRef rv_imm(Rv *c, int64_t value)
{
    return ir_const(c->b, IR_I64, (uint64_t)value);
}

/* The registers that the manual's return-address stack hints are about. */
static inline bool rv_is_link(unsigned reg)
{
    return reg == RV_SLOT_ra || reg == RV_SLOT_t0;
}

/* x[reg]; x0 is the constant 0. */
static inline IrRef rv_get(Rv *c, unsigned reg)
{
    return reg ? ir_get(c->b, reg) : rv_imm(c, 0);
}

/* The low half of x[reg]. */
static inline IrRef rv_get32(Rv *c, unsigned reg)
{
    return ir_op1(c->b, IR_OP_trunc, IR_I32, rv_get(c, reg));
}

/* x[reg] = value, an I64; a write to x0 is lost. */
static inline void rv_set(Rv *c, unsigned reg, IrRef value)
{
    if (reg) {
        ir_set(c->b, reg, value);
    }
}

/* x[reg] = value, an I32, sign-extended. */
static inline void rv_set32(Rv *c, unsigned reg, IrRef value)
{
    rv_set(c, reg, ir_op1(c->b, IR_OP_sext, IR_I64, value));
}

/* x[reg] = value, an I1 or unsigned narrow integer, zero-extended. */
static inline void rv_setu(Rv *c, unsigned reg, IrRef value)
{
    rv_set(c, reg, ir_op1(c->b, IR_OP_zext, IR_I64, value));
}

static inline IrRef rv_op2(Rv *c, IrOp op, IrRef x, IrRef y)
{
    return ir_op2(c->b, op, IR_I64, x, y);
}

/* True, and *value, when `ref` is a constant in the builder. */
static inline bool rv_is_const(const Rv *c, IrRef ref, uint64_t *value)
{
    const IrInsn *i = ir_insn(c->b->f, ref);

    if (i->op != IR_OP_const) {
        return false;
    }
    *value = (uint64_t)i->imm;
    return true;
}

#endif
