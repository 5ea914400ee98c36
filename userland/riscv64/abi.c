/* SPDX-License-Identifier: Apache-2.0 */
/* Linux on RISC-V, 64 bits: registers, capabilities, addresses (psABI, "Linux"). */
#include "userland/riscv64/riscv64.h"

#include <elf.h>

#include "base/bits.h"
#include "userland/mem.h"

#define LETTER(c) (UINT64_C(1) << ((c) - 'A'))

static uint64_t hwcap(void)
{
    const FeCpuChoice *cpu = process.options->guest->cpu;

    return LETTER('I') | LETTER('F') | LETTER('D') | (cpu->has("m") ? LETTER('M') : 0) |
           (cpu->has("a") ? LETTER('A') : 0) | (cpu->has("c") ? LETTER('C') : 0);
}

static int64_t imm_s(uint32_t insn)
{
    return bits_sext(bits_get(insn, 25, 7) << 5 | bits_get(insn, 7, 5), 12);
}

static uint64_t gpr(const Task *t, unsigned reg)
{
    return reg ? t->vcpu->slot[reg] : 0;
}

/* Compressed loads and stores (Unprivileged spec, "Load and Store Instructions" of "C"). */
static bool compressed_address(const Task *t, uint32_t insn, uint64_t *addr)
{
    unsigned kind = (insn & 3) << 3 | (unsigned)bits_get(insn, 13, 3);
    uint64_t base = gpr(t, 8 + (unsigned)bits_get(insn, 7, 3));
    uint64_t high = bits_get(insn, 10, 3) << 3;
    uint64_t w = high | bits_get(insn, 6, 1) << 2 | bits_get(insn, 5, 1) << 6;
    uint64_t d = high | bits_get(insn, 5, 2) << 6;

    switch (kind) {
    case 002: case 006: /* c.lw c.sw */
        *addr = base + w;
        return true;
    case 001: case 003: case 005: case 007: /* c.fld c.ld c.fsd c.sd */
        *addr = base + d;
        return true;
    case 022: /* c.lwsp */
        *addr = gpr(t, RV_SP) + (bits_get(insn, 12, 1) << 5 | bits_get(insn, 4, 3) << 2 |
                                 bits_get(insn, 2, 2) << 6);
        return true;
    case 021: case 023: /* c.fldsp c.ldsp */
        *addr = gpr(t, RV_SP) + (bits_get(insn, 12, 1) << 5 | bits_get(insn, 5, 2) << 3 |
                                 bits_get(insn, 2, 3) << 6);
        return true;
    case 026: /* c.swsp */
        *addr = gpr(t, RV_SP) + (bits_get(insn, 9, 4) << 2 | bits_get(insn, 7, 2) << 6);
        return true;
    case 025: case 027: /* c.fsdsp c.sdsp */
        *addr = gpr(t, RV_SP) + (bits_get(insn, 10, 3) << 3 | bits_get(insn, 7, 3) << 6);
        return true;
    default:
        return false;
    }
}

static bool data_address(const Task *t, uint64_t *addr)
{
    uint16_t half[2] = { 0, 0 };
    uint32_t insn;
    uint64_t base;

    if (!mem_read(&half[0], t->vcpu->pc, 2) ||
        ((half[0] & 3) == 3 && !mem_read(&half[1], t->vcpu->pc + 2, 2))) {
        return false;
    }
    insn = half[0] | (uint32_t)half[1] << 16;
    if ((insn & 3) != 3) {
        return compressed_address(t, insn, addr);
    }
    base = gpr(t, (unsigned)bits_get(insn, 15, 5));
    switch (insn & 0x7f) {
    case 0x03: case 0x07: /* LOAD, LOAD-FP */
        *addr = base + (uint64_t)bits_sext(bits_get(insn, 20, 12), 12);
        return true;
    case 0x23: case 0x27: /* STORE, STORE-FP */
        *addr = base + (uint64_t)imm_s(insn);
        return true;
    case 0x2f: case 0x0f: /* AMO, cache blocks */
        *addr = base;
        return true;
    default:
        return false;
    }
}

/* struct user_regs_struct: pc in place of x0. */
static void core_gregs(const Vcpu *vcpu, uint64_t regs[CORE_GREGS])
{
    regs[0] = vcpu->pc;
    for (unsigned i = 1; i < CORE_GREGS; i++) {
        regs[i] = vcpu->slot[i];
    }
}

/* struct __riscv_d_ext_state */
static void core_fpregs(const Vcpu *vcpu, uint64_t regs[CORE_FPREGS])
{
    for (unsigned i = 0; i < 32; i++) {
        regs[i] = vcpu->slot[RV_F0 + i];
    }
    regs[32] = (vcpu->slot[RV_FRM] & 7) << 5 | (vcpu->fp_flags & 31);
}

static const char *const sysroots[] = { "/etc/qemu-binfmt/riscv64", "/usr/riscv64-linux-gnu",
                                        NULL };

const UserAbi user_riscv64 = {
    .name = "riscv64",
    .elf_machine = EM_RISCV,
    .elf_flags = EF_RISCV_RVC | EF_RISCV_FLOAT_ABI_DOUBLE,
    .core_gregs = core_gregs,
    .core_fpregs = core_fpregs,
    .space = UINT64_C(1) << 38,
    .pie_base = UINT64_C(0x2aaaaaa000),
    .syscall_size = 4,
    .clone_backwards = true,
    .slot_sp = RV_SP,
    .slot_link = RV_RA,
    .slot_tls = RV_TP,
    .tls_vector = -16,
    .slot_nr = RV_A7,
    .slot_result = RV_A0,
    .slot_arg = { 10, 11, 12, 13, 14, 15 },
    .frame_size = RV_FRAME_SIZE,
    .sysroots = sysroots,
    .cpuinfo = "processor\t: %u\nhart\t\t: %u\n"
               "isa\t\t: %s\n"
               "mmu\t\t: sv39\n\n",
    .hwcap = hwcap,
    .vdso = riscv64_vdso,
    .push_frame = riscv64_push_frame,
    .pop_frame = riscv64_pop_frame,
    .signal_caller = riscv64_signal_caller,
    .data_address = data_address,
};
