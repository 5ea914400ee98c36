/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The registers for debuggers and plugins: rows of regs.def, pc, and fcsr with its two parts.
 * Numbers, names and features are those of gdb's RISC-V target descriptions, where s0 is fp.
 */
#include "frontends/riscv/priv/state.h"

enum { NUMBER_pc = 32, NUMBER_F = 33, NUMBER_CSR = 65, FLAGS = 31, FLAGS_WIDTH = 5, RM = 7 };

#define CPU "org.gnu.gdb.riscv.cpu"
#define FPU "org.gnu.gdb.riscv.fpu"
#define CSR_FEATURE "org.gnu.gdb.riscv.csr"

static uint64_t get_slot(const Vcpu *vcpu, unsigned slot)
{
    return vcpu->slot[slot];
}

static void set_slot(Vcpu *vcpu, unsigned slot, uint64_t value)
{
    if (slot != RV_SLOT_zero) {
        vcpu->slot[slot] = value;
    }
}

static uint64_t get_pc(const Vcpu *vcpu, unsigned slot)
{
    (void)slot;
    return vcpu->pc;
}

/* A reservation does not outlive a jump that the program did not make. */
static void set_pc(Vcpu *vcpu, unsigned slot, uint64_t value)
{
    (void)slot;
    vcpu->pc = value;
    vcpu->slot[RV_SLOT_resaddr] = VCPU_NO_PC;
}

static uint64_t get_fflags(const Vcpu *vcpu, unsigned slot)
{
    (void)slot;
    return vcpu->fp_flags & FLAGS;
}

static void set_fflags(Vcpu *vcpu, unsigned slot, uint64_t value)
{
    (void)slot;
    vcpu->fp_flags = (uint32_t)value & FLAGS;
}

static uint64_t get_frm(const Vcpu *vcpu, unsigned slot)
{
    (void)slot;
    return vcpu->slot[RV_SLOT_frm];
}

static void set_frm(Vcpu *vcpu, unsigned slot, uint64_t value)
{
    uint64_t frm = value & RM;

    (void)slot;
    vcpu->slot[RV_SLOT_frm] = frm;
    vcpu->fp_rm = frm <= IR_RM_RMM ? (uint32_t)frm : IR_RM_RNE;
}

static uint64_t get_fcsr(const Vcpu *vcpu, unsigned slot)
{
    return get_frm(vcpu, slot) << FLAGS_WIDTH | get_fflags(vcpu, slot);
}

static void set_fcsr(Vcpu *vcpu, unsigned slot, uint64_t value)
{
    set_fflags(vcpu, slot, value);
    set_frm(vcpu, slot, value >> FLAGS_WIDTH);
}

/* By the format column: X are the integer registers, F the others, NO are Ketch's own. */
#define NAME_X(name, slot) ((slot) == RV_SLOT_s0 ? "fp" : (name))
#define ROW_X(name, slot) \
    [slot] = { NAME_X(name, slot), CPU, "int", slot, 64, slot, get_slot, set_slot },
#define ROW_F(name, slot) \
    [NUMBER_F - RV_SLOT_F + (slot)] = { name, FPU, "ieee_double", NUMBER_F - RV_SLOT_F + (slot), \
                                        64, slot, get_slot, set_slot },
#define ROW_NO(name, slot)

#define ROW_CSR(index, name) \
    [NUMBER_F + 32 + (index)] = { #name, CSR_FEATURE, "int", NUMBER_CSR + RV_CSR_##name, 32, 0, \
                                  get_##name, set_##name },

const FeRegister rv_registers[RV_REGISTERS] = {
#define REG(name, type, slot, format) ROW_##format(#name, slot)
#include "frontends/riscv/regs.def"
    [NUMBER_pc] = { "pc", CPU, "code_ptr", NUMBER_pc, 64, 0, get_pc, set_pc },
    ROW_CSR(0, fflags)
    ROW_CSR(1, frm)
    ROW_CSR(2, fcsr)
};

/* ---- A machine's: all CSRs, and the privilege ---- */

enum { NUMBER_PRIVILEGE = NUMBER_CSR + 4096 };

static uint64_t get_csr(const Vcpu *vcpu, unsigned row)
{
    const RvCsr *csr = rv_csr_row(row);

    return rv_csr_read(vcpu, csr, csr->number);
}

static void set_csr(Vcpu *vcpu, unsigned row, uint64_t value)
{
    const RvCsr *csr = rv_csr_row(row);

    rv_csr_write(vcpu, csr, csr->number, value, RV_ALL);
    rv_changed(vcpu);
}

static uint64_t get_privilege(const Vcpu *vcpu, unsigned slot)
{
    (void)slot;
    return rv_system(vcpu)->privilege;
}

static void set_privilege(Vcpu *vcpu, unsigned slot, uint64_t value)
{
    (void)slot;
    if (value == RV_U || value == RV_S || value == RV_M) {
        rv_set_privilege(vcpu, (RvPrivilege)value);
    }
}

enum {
#define CSR(name, ...) ROW_##name,
#define CSRS(name, ...) ROW_##name,
#include "frontends/riscv/csr.def"
};

/* Those that hold something, one after the other. */
enum {
#define CSR(name, ...) INDEX_##name,
#include "frontends/riscv/csr.def"
};

const FeRegister rv_machine_registers[RV_MACHINE_REGISTERS] = {
#define REG(name, type, slot, format) ROW_##format(#name, slot)
#include "frontends/riscv/regs.def"
    [NUMBER_pc] = { "pc", CPU, "code_ptr", NUMBER_pc, 64, 0, get_pc, set_pc },
#define CSR(name, number, ...) \
    [NUMBER_F + 32 + INDEX_##name] = { #name, CSR_FEATURE, "int", NUMBER_CSR + number, 64, \
                                       ROW_##name, get_csr, set_csr },
#include "frontends/riscv/csr.def"
    [RV_MACHINE_REGISTERS - 1] = { "priv", "org.gnu.gdb.riscv.virtual", "int",
                                   NUMBER_PRIVILEGE, 64, 0, get_privilege, set_privilege },
};
