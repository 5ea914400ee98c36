/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The registers for debuggers and plugins: rows of regs.def, pc, and fcsr with its two parts.
 * Numbers and features are those of gdb's RISC-V target descriptions.
 */
#include "frontends/riscv/riscv.h"

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
#define ROW_X(name, slot) [slot] = { name, CPU, "int", slot, 64, slot, get_slot, set_slot },
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
