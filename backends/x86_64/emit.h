/* SPDX-License-Identifier: Apache-2.0 */
/*
 * backends/x86_64/emit.h - encodes x86-64 instructions into a buffer.
 *
 * Owns:       the byte cursor of one compilation.  Nothing here knows the IR.
 * Encoding:   an instruction is an X64Op constant: opcode byte, map, mandatory prefix.  Operands
 *             are register numbers (0-15 gpr, 16-31 xmm) or an X64Mem.  The shortest form is taken.
 * Capacity:   the caller makes sure that X64_INSN_MAX bytes are left before each call.
 */
#ifndef KETCH_BACKENDS_X86_64_EMIT_H
#define KETCH_BACKENDS_X86_64_EMIT_H

#include <stdbool.h>
#include <stdint.h>
#include <string.h>

typedef uint8_t X64Reg;

enum {
    X64_RAX, X64_RCX, X64_RDX, X64_RBX, X64_RSP, X64_RBP, X64_RSI, X64_RDI,
    X64_R8, X64_R9, X64_R10, X64_R11, X64_R12, X64_R13, X64_R14, X64_R15,
    X64_XMM0, X64_XMM1, X64_XMM2, X64_XMM3, X64_XMM4, X64_XMM5, X64_XMM6,
    X64_XMM15 = 31,
    X64_REGS = 32,
    X64_RIP = 0xfe,  /* as a base: disp is relative to the end of the insn, see x64_label_mem() */
    X64_NONE = 0xff, /* no register */
    X64_INSN_MAX = 15,
};

/* Condition codes, as the encodings of jcc/setcc/cmovcc have them */
enum {
    X64_CC_O, X64_CC_NO, X64_CC_B, X64_CC_AE, X64_CC_E, X64_CC_NE, X64_CC_BE, X64_CC_A,
    X64_CC_S, X64_CC_NS, X64_CC_P, X64_CC_NP, X64_CC_L, X64_CC_GE, X64_CC_LE, X64_CC_G,
};

/* Fields of an X64Op: opcode | map << 8 | prefix << 12 | X64_BYTE */
enum {
    X64_0F = 1 << 8,
    X64_0F38 = 2 << 8,
    X64_0F3A = 3 << 8,
    X64_66 = 1 << 12,
    X64_F3 = 2 << 12,
    X64_F2 = 3 << 12,
    X64_BYTE = 1 << 16, /* register operands are bytes: sil, dil, ... need a REX prefix */
};

typedef uint32_t X64Op;

typedef struct X64Mem {
    uint8_t base;  /* gpr, X64_RIP or X64_NONE */
    uint8_t index; /* gpr but rsp, or X64_NONE */
    uint8_t scale; /* log2 */
    int32_t disp;
} X64Mem;

typedef struct X64Emit {
    uint8_t *p;     /* next byte */
    uint8_t *start; /* first byte of the unit */
} X64Emit;

static inline X64Mem x64_mem(X64Reg base, int32_t disp)
{
    return (X64Mem){ base, X64_NONE, 0, disp };
}

static inline void x64_byte(X64Emit *e, unsigned b)
{
    *e->p++ = (uint8_t)b;
}

static inline void x64_imm32(X64Emit *e, int64_t v)
{
    int32_t v32 = (int32_t)v;

    memcpy(e->p, &v32, 4);
    e->p += 4;
}

static inline void x64_imm64(X64Emit *e, uint64_t v)
{
    memcpy(e->p, &v, 8);
    e->p += 8;
}

/* reg, rm: both registers.  w: 64-bit operands. */
void x64_rr(X64Emit *e, X64Op op, bool w, unsigned reg, unsigned rm);
/* reg and memory; `imm_bytes` of immediate follow (matters for rip-relative addresses only). */
void x64_rm(X64Emit *e, X64Op op, bool w, unsigned reg, X64Mem m, unsigned imm_bytes);
/* The same with VEX: reg, vvvv, rm. */
void x64_vrr(X64Emit *e, X64Op op, bool w, unsigned reg, unsigned v, unsigned rm);
void x64_vrm(X64Emit *e, X64Op op, bool w, unsigned reg, unsigned v, X64Mem m, unsigned imm_bytes);

/* The ALU group (add or adc sbb and sub xor cmp); `digit` is its number. */
enum { X64_ADD, X64_OR, X64_ADC, X64_SBB, X64_AND, X64_SUB, X64_XOR, X64_CMP };
void x64_alu_ri(X64Emit *e, unsigned digit, bool w, X64Reg r, int32_t imm);
void x64_alu_mi(X64Emit *e, unsigned digit, bool w, X64Mem m, int32_t imm);
static inline void x64_alu_rr(X64Emit *e, unsigned digit, bool w, X64Reg dst, X64Reg src)
{
    x64_rr(e, digit << 3 | 3, w, dst, src);
}
static inline void x64_alu_rm(X64Emit *e, unsigned digit, bool w, X64Reg dst, X64Mem m)
{
    x64_rm(e, digit << 3 | 3, w, dst, m, 0);
}

/* The shift group by an immediate */
enum { X64_ROL, X64_ROR, X64_SHL = 4, X64_SHR, X64_SAR = 7 };
void x64_shift_ri(X64Emit *e, unsigned digit, bool w, X64Reg r, unsigned count);

/* dst = src; between register files by movd/movq.  Keeps the flags.  w: all 64 bits. */
void x64_mov_rr(X64Emit *e, bool w, X64Reg dst, X64Reg src);
/* Keeps the flags. */
void x64_mov_ri(X64Emit *e, X64Reg r, uint64_t v);
/* 64-bit move between any register and memory */
void x64_load(X64Emit *e, X64Reg r, X64Mem m);
void x64_store(X64Emit *e, X64Reg r, X64Mem m);
static inline void x64_lea(X64Emit *e, bool w, X64Reg r, X64Mem m)
{
    x64_rm(e, 0x8d, w, r, m, 0);
}

/* Jumps with a 32-bit displacement; they return where it is, for x64_patch(). */
uint8_t *x64_jmp(X64Emit *e, const uint8_t *target);
uint8_t *x64_jcc(X64Emit *e, unsigned cc, const uint8_t *target);
uint8_t *x64_call(X64Emit *e, const uint8_t *target);
enum { X64_CALL_SIZE = 5 };
/* Short forward jumps; the displacement byte is patched by x64_patch8(). */
uint8_t *x64_jcc8(X64Emit *e, unsigned cc);
uint8_t *x64_jmp8(X64Emit *e);
void x64_patch8(X64Emit *e, uint8_t *at);

/* The displacement at `at` shall lead to `target`. */
static inline void x64_patch(uint8_t *at, const uint8_t *target)
{
    int32_t rel = (int32_t)(target - (at + 4));

    memcpy(at, &rel, 4);
}

/* `n` bytes of no operation. */
void x64_nop(X64Emit *e, unsigned n);

#endif
