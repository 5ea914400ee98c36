/* SPDX-License-Identifier: Apache-2.0 */
#include "backends/x86_64/emit.h"

/* SDM volume 2, "Instruction Format": legacy prefixes, REX, opcode map, opcode, ModRM, SIB. */

static const uint8_t mandatory_prefix[4] = { 0, 0x66, 0xf3, 0xf2 };

/* These take where to write and return what comes after: a byte stored through X64Emit.p could
 * change that pointer as far as the compiler knows. */

static inline uint8_t *put_opcode(uint8_t *p, X64Op op)
{
    unsigned map = op >> 8 & 3;

    if (map) {
        *p++ = 0x0f;
        if (map > 1) {
            *p++ = map == 2 ? 0x38 : 0x3a;
        }
    }
    *p++ = (uint8_t)op;
    return p;
}

static inline uint8_t *put_prefix_and_rex(uint8_t *p, X64Op op, unsigned rex, bool needed)
{
    unsigned prefix = op >> 12 & 3;

    if (prefix) {
        *p++ = mandatory_prefix[prefix];
    }
    if (rex || needed) {
        *p++ = (uint8_t)(0x40 | rex);
    }
    return p;
}

static inline uint8_t *put_disp32(uint8_t *p, int32_t disp)
{
    memcpy(p, &disp, sizeof(disp));
    return p + sizeof(disp);
}

/* ModRM, SIB and displacement.  `tail` bytes of immediate come after. */
static uint8_t *put_mem(const X64Emit *e, uint8_t *p, unsigned reg, X64Mem m, unsigned tail)
{
    unsigned mod, r = (reg & 7) << 3;

    if (m.base == X64_RIP) {
        *p++ = (uint8_t)(r | 5);
        return put_disp32(p, m.disp - (int32_t)(p + 4 + tail - e->start));
    }
    if (m.base == X64_NONE) {
        *p++ = (uint8_t)(r | 4);
        *p++ = (uint8_t)(m.scale << 6 | (m.index == X64_NONE ? 4 : m.index & 7) << 3 | 5);
        return put_disp32(p, m.disp);
    }
    mod = m.disp == 0 && (m.base & 7) != 5 ? 0 : m.disp == (int8_t)m.disp ? 0x40 : 0x80;
    if (m.index != X64_NONE || (m.base & 7) == 4) {
        *p++ = (uint8_t)(mod | r | 4);
        *p++ = (uint8_t)(m.scale << 6 | (m.index == X64_NONE ? 4 : m.index & 7) << 3 |
                         (m.base & 7));
    } else {
        *p++ = (uint8_t)(mod | r | (m.base & 7));
    }
    if (mod == 0x40) {
        *p++ = (uint8_t)m.disp;
    } else if (mod) {
        p = put_disp32(p, m.disp);
    }
    return p;
}

static unsigned mem_rex(X64Mem m)
{
    unsigned x = m.index < 16 ? (m.index >> 3 & 1) << 1 : 0;

    return x | (m.base < 16 ? m.base >> 3 & 1 : 0);
}

void x64_rr(X64Emit *e, X64Op op, bool w, unsigned reg, unsigned rm)
{
    unsigned rex = (unsigned)w << 3 | (reg >> 3 & 1) << 2 | (rm >> 3 & 1);
    bool byte = (op & X64_BYTE) && ((reg >= 4 && reg < 16) || (rm >= 4 && rm < 16));
    uint8_t *p = put_opcode(put_prefix_and_rex(e->p, op, rex, byte), op);

    *p++ = (uint8_t)(0xc0 | (reg & 7) << 3 | (rm & 7));
    e->p = p;
}

void x64_rm(X64Emit *e, X64Op op, bool w, unsigned reg, X64Mem m, unsigned imm_bytes)
{
    unsigned rex = (unsigned)w << 3 | (reg >> 3 & 1) << 2 | mem_rex(m);
    bool byte = (op & X64_BYTE) && reg >= 4 && reg < 16;
    uint8_t *p = put_opcode(put_prefix_and_rex(e->p, op, rex, byte), op);

    e->p = put_mem(e, p, reg, m, imm_bytes);
}

/* VEX.128 or scalar, SDM "The VEX Prefix".  `rxb` has REX's bits. */
static void vex(X64Emit *e, X64Op op, bool w, unsigned rxb, unsigned v)
{
    unsigned map = op >> 8 & 3, pp = op >> 12 & 3;
    unsigned vvvv = (~v & 15) << 3;

    if (map == 1 && !w && !(rxb & 3)) {
        x64_byte(e, 0xc5);
        x64_byte(e, (rxb & 4 ? 0 : 0x80) | vvvv | pp);
    } else {
        x64_byte(e, 0xc4);
        x64_byte(e, (~rxb & 7) << 5 | map);
        x64_byte(e, (unsigned)w << 7 | vvvv | pp);
    }
    x64_byte(e, op);
}

void x64_vrr(X64Emit *e, X64Op op, bool w, unsigned reg, unsigned v, unsigned rm)
{
    vex(e, op, w, (reg >> 3 & 1) << 2 | (rm >> 3 & 1), v);
    x64_byte(e, 0xc0 | (reg & 7) << 3 | (rm & 7));
}

void x64_vrm(X64Emit *e, X64Op op, bool w, unsigned reg, unsigned v, X64Mem m, unsigned imm_bytes)
{
    vex(e, op, w, (reg >> 3 & 1) << 2 | mem_rex(m), v);
    e->p = put_mem(e, e->p, reg, m, imm_bytes);
}

void x64_alu_ri(X64Emit *e, unsigned digit, bool w, X64Reg r, int32_t imm)
{
    if (imm == (int8_t)imm) {
        x64_rr(e, 0x83, w, digit, r);
        x64_byte(e, (unsigned)imm);
    } else if (r == X64_RAX) {
        if (w) {
            x64_byte(e, 0x48);
        }
        x64_byte(e, digit << 3 | 5);
        x64_imm32(e, imm);
    } else {
        x64_rr(e, 0x81, w, digit, r);
        x64_imm32(e, imm);
    }
}

void x64_alu_mi(X64Emit *e, unsigned digit, bool w, X64Mem m, int32_t imm)
{
    if (imm == (int8_t)imm) {
        x64_rm(e, 0x83, w, digit, m, 1);
        x64_byte(e, (unsigned)imm);
    } else {
        x64_rm(e, 0x81, w, digit, m, 4);
        x64_imm32(e, imm);
    }
}

void x64_shift_ri(X64Emit *e, unsigned digit, bool w, X64Reg r, unsigned count)
{
    if (count == 1) {
        x64_rr(e, 0xd1, w, digit, r);
    } else {
        x64_rr(e, 0xc1, w, digit, r);
        x64_byte(e, count);
    }
}

void x64_mov_rr(X64Emit *e, bool w, X64Reg dst, X64Reg src)
{
    if (dst < 16 && src < 16) {
        x64_rr(e, 0x8b, w, dst, src);
    } else if (dst >= 16 && src >= 16) {
        x64_rr(e, X64_0F | 0x28, false, dst, src); /* movaps */
    } else if (dst >= 16) {
        x64_rr(e, X64_66 | X64_0F | 0x6e, w, dst, src);
    } else {
        x64_rr(e, X64_66 | X64_0F | 0x7e, w, src, dst);
    }
}

void x64_mov_ri(X64Emit *e, X64Reg r, uint64_t v)
{
    if (v <= UINT32_MAX) {
        if (r >= 8) {
            x64_byte(e, 0x41);
        }
        x64_byte(e, 0xb8 | (r & 7));
        x64_imm32(e, (int64_t)v);
    } else if ((int64_t)v == (int32_t)v) {
        x64_rr(e, 0xc7, true, 0, r);
        x64_imm32(e, (int64_t)v);
    } else {
        x64_byte(e, r >= 8 ? 0x49 : 0x48);
        x64_byte(e, 0xb8 | (r & 7));
        x64_imm64(e, v);
    }
}

void x64_load(X64Emit *e, X64Reg r, X64Mem m)
{
    if (r < 16) {
        x64_rm(e, 0x8b, true, r, m, 0);
    } else {
        x64_rm(e, X64_F2 | X64_0F | 0x10, false, r, m, 0); /* movsd */
    }
}

void x64_store(X64Emit *e, X64Reg r, X64Mem m)
{
    if (r < 16) {
        x64_rm(e, 0x89, true, r, m, 0);
    } else {
        x64_rm(e, X64_F2 | X64_0F | 0x11, false, r, m, 0);
    }
}

static uint8_t *rel32(X64Emit *e, const uint8_t *target)
{
    uint8_t *at = e->p;

    e->p += 4;
    x64_patch(at, target ? target : e->p);
    return at;
}

uint8_t *x64_jmp(X64Emit *e, const uint8_t *target)
{
    x64_byte(e, 0xe9);
    return rel32(e, target);
}

uint8_t *x64_jcc(X64Emit *e, unsigned cc, const uint8_t *target)
{
    x64_byte(e, 0x0f);
    x64_byte(e, 0x80 | cc);
    return rel32(e, target);
}

uint8_t *x64_call(X64Emit *e, const uint8_t *target)
{
    x64_byte(e, 0xe8);
    return rel32(e, target);
}

uint8_t *x64_jcc8(X64Emit *e, unsigned cc)
{
    x64_byte(e, 0x70 | cc);
    return e->p++;
}

uint8_t *x64_jmp8(X64Emit *e)
{
    x64_byte(e, 0xeb);
    return e->p++;
}

void x64_patch8(X64Emit *e, uint8_t *at)
{
    *at = (uint8_t)(e->p - (at + 1));
}

void x64_nop(X64Emit *e, unsigned n)
{
    /* SDM, "NOP": the recommended multi-byte forms */
    static const uint8_t form[8][8] = {
        { 0x90 },
        { 0x66, 0x90 },
        { 0x0f, 0x1f, 0x00 },
        { 0x0f, 0x1f, 0x40, 0x00 },
        { 0x0f, 0x1f, 0x44, 0x00, 0x00 },
        { 0x66, 0x0f, 0x1f, 0x44, 0x00, 0x00 },
        { 0x0f, 0x1f, 0x80, 0x00, 0x00, 0x00, 0x00 },
        { 0x0f, 0x1f, 0x84, 0x00, 0x00, 0x00, 0x00, 0x00 },
    };

    for (unsigned k; n > 0; n -= k) {
        k = n > 8 ? 8 : n;
        memcpy(e->p, form[k - 1], k);
        e->p += k;
    }
}
