/* SPDX-License-Identifier: Apache-2.0 */
/* The riscv64 frontend: fetch, shape, translate, disassemble. */
#include <elf.h>
#include <stdio.h>
#include <string.h>

#include "frontends/riscv/lrloop.h"
#include "frontends/riscv/options.h"
#include "frontends/riscv/riscv.h"

unsigned rv_fetch(const uint8_t *bytes, size_t n, uint32_t *bits)
{
    if (n < 2) {
        return 0;
    }
    *bits = (uint32_t)bytes[0] | (uint32_t)bytes[1] << 8;
    if ((*bits & 3) != 3) {
        return 2;
    }
    if (n < 4) {
        return 0;
    }
    *bits |= (uint32_t)bytes[2] << 16 | (uint32_t)bytes[3] << 24;
    return 4;
}

/* RISC-V unprivileged spec, the table of return-address stack hints for jalr. */
static FeKind jalr_kind(unsigned rd, unsigned rs1)
{
    return rv_is_link(rd) ? FE_ICALL : rv_is_link(rs1) ? FE_RETURN : FE_INDIRECT;
}

/* Of the CSR instructions: is a register with the rounding mode written? */
static bool writes_frm(unsigned insn, uint32_t bits)
{
    bool always = insn == RV_csrrw || insn == RV_csrrwi;

    return (rv_field_csr(bits) == RV_CSR_frm || rv_field_csr(bits) == RV_CSR_fcsr) &&
           (always || rv_field_rs1(bits) != 0);
}

FeShape rv_shape(uint64_t pc, const uint8_t *bytes, size_t n)
{
    uint32_t bits;
    unsigned insn;
    FeShape s = { .length = (uint8_t)rv_fetch(bytes, n, &bits), .kind = FE_PLAIN };

    if (s.length == 0) {
        return s;
    }
    insn = rv_decode(bits);
    if (rv_options_restrict && rv_options_forbid(insn)) {
        insn = RV_none;
    }
    s.insn = (uint16_t)insn;
    s.bits = bits;
    switch (insn) {
    case RV_beq:
    case RV_bne:
    case RV_blt:
    case RV_bge:
    case RV_bltu:
    case RV_bgeu:
        s.kind = FE_BRANCH;
        s.target = pc + (uint64_t)(int64_t)rv_field_imm_b(bits);
        break;
    case RV_c_beqz:
    case RV_c_bnez:
        s.kind = FE_BRANCH;
        s.target = pc + (uint64_t)(int64_t)rv_field_imm_cb(bits);
        break;
    case RV_jal:
        s.kind = rv_is_link(rv_field_rd(bits)) ? FE_CALL : FE_JUMP;
        s.target = pc + (uint64_t)(int64_t)rv_field_imm_j(bits);
        break;
    case RV_c_j:
        s.kind = FE_JUMP;
        s.target = pc + (uint64_t)(int64_t)rv_field_imm_cj(bits);
        break;
    case RV_jalr:
        s.kind = jalr_kind(rv_field_rd(bits), rv_field_rs1(bits));
        break;
    case RV_c_jr:
        s.kind = jalr_kind(0, rv_field_rd(bits));
        break;
    case RV_c_jalr:
        s.kind = FE_ICALL;
        break;
    case RV_none:
    case RV_ecall:
    case RV_ebreak:
    case RV_c_ebreak:
    case RV_fence_i:
    case RV_mret:
    case RV_sret:
    case RV_wfi:
    case RV_sfence_vma:
    case RV_sinval_vma:
        s.kind = FE_STOP;
        break;
    case RV_lr_w:
    case RV_lr_d:
        s.begins = true;
        break;
    case RV_csrrw:
    case RV_csrrs:
    case RV_csrrc:
    case RV_csrrwi:
    case RV_csrrsi:
    case RV_csrrci:
        if (writes_frm(insn, bits)) { /* may leave for another translation mode */
            s.kind = FE_JUMP;
            s.target = pc + s.length;
        }
        break;
    default:
        break;
    }
    return s;
}

/* The argument of the trap is the instruction, which exit_trap could not say. */
static void illegal(FeContext *c, uint32_t bits)
{
    ir_trap_if(&c->b, ir_const(&c->b, IR_I1, 1), IR_TRAP_illegal, bits);
    fe_trap(c, IR_TRAP_illegal, c->pc);
}

/* Reads c->shape, or makes it; sets next_pc and appends the marker. */
static FeShape begin(FeContext *c)
{
    FeShape s = c->shape ? *c->shape : rv_shape(c->pc, c->bytes, c->n_bytes);
    unsigned length = s.length ? s.length : 2;

    c->next_pc = c->pc + length;
    ir_mark(&c->b, c->pc, length);
    return s;
}

static void translate(FeContext *c)
{
    FeShape s = begin(c);
    Rv rv = { .fe = c, .b = &c->b, .bits = s.bits };

    if (s.length == 0 || s.insn == RV_none || !rv_dispatch(&rv, s.insn, s.bits)) {
        illegal(c, s.bits);
    }
}

/* LOAD-FP, STORE-FP, the four FMAs, OP-FP; their like in C. */
static bool is_fp(uint32_t bits)
{
    unsigned opcode = bits & 0x7f, quadrant = bits & 3, funct3 = bits >> 13 & 7;

    if (quadrant == 3) {
        return opcode == 0x07 || opcode == 0x27 || (opcode >= 0x43 && opcode <= 0x53);
    }
    return quadrant != 1 && (funct3 == 1 || funct3 == 5);
}

static void translate_machine(FeContext *c)
{
    FeShape s = begin(c);
    Rv rv = { .fe = c, .b = &c->b, .bits = s.bits, .machine = true };

    if (s.length != 0 && s.insn != RV_none && is_fp(s.bits)) {
        rv_fp_begin(&rv);
    }
    if (!c->ended && (s.length == 0 || s.insn == RV_none || !rv_dispatch(&rv, s.insn, s.bits))) {
        illegal(c, s.bits);
    }
}

static unsigned disassemble(uint64_t pc, const uint8_t *bytes, size_t n, char *text, size_t size)
{
    uint32_t bits;
    unsigned length = rv_fetch(bytes, n, &bits);
    unsigned insn;

    if (length == 0) {
        return 0;
    }
    insn = rv_decode(bits);
    if (insn == RV_none) {
        snprintf(text, size, length == 2 ? ".short 0x%04x" : ".word 0x%08x", bits);
    } else {
        rv_print(insn, bits, pc, text, size);
    }
    return length;
}

/* RISC-V Semihosting, "Semihosting Trap Instruction Sequence": slli x0, x0, 31; ebreak; srai x0, x0, 7. */
static const FeSemihosting semihosting = {
    .code = { 0x13, 0x10, 0xf0, 0x01, 0x73, 0x00, 0x10, 0x00, 0x13, 0x50, 0x70, 0x40 },
    .at = 4,
    .length = 4,
    .slot_number = RV_SLOT_a0,
    .slot_argument = RV_SLOT_a1,
};

static bool choose_cpu(const char *words, char *text, size_t size)
{
    RvOptions options;
    bool ok = rv_options_parse(words, &options, text, size);

    if (ok) {
        rv_options_choose(&options);
    }
    return ok;
}

static const FeCpuChoice cpu_choice = {
    .models = rv_options_models,
    .choose = choose_cpu,
    .help = rv_options_help,
    .has = rv_options_has,
    .isa = rv_options_user_isa,
};

const Frontend fe_riscv64 = {
    .name = "riscv64",
    .guest = &rv_guest,
    .elf_machine = EM_RISCV,
    .max_insn = 4,
    .gdb_name = "riscv:rv64",
    .registers = rv_registers,
    .n_registers = RV_REGISTERS,
    .semihosting = &semihosting,
    .cpu = &cpu_choice,
    .pc_align = 2,
    .shape = rv_shape,
    .sequence = rv_sequence,
    .translate = translate,
    .disassemble = disassemble,
    .mode = rv_mode,
    .reserved = rv_reserved,
    .reset = rv_reset,
    .dump = rv_dump,
};

const Frontend fe_riscv64_machine = {
    .name = "riscv64",
    .guest = &rv_machine_guest,
    .elf_machine = EM_RISCV,
    .max_insn = 4,
    .gdb_name = "riscv:rv64",
    .registers = rv_machine_registers,
    .n_registers = RV_MACHINE_REGISTERS,
    .semihosting = &semihosting,
    .cpu = &cpu_choice,
    .pc_align = 2,
    .shape = rv_shape,
    .translate = translate_machine,
    .disassemble = disassemble,
    .mode = rv_machine_mode,
    .reserved = rv_reserved,
    .reset = rv_reset,
    .dump = rv_dump,
};
