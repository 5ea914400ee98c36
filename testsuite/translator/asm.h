/* SPDX-License-Identifier: Apache-2.0 */
/* Just enough of an RV64 assembler for the translator's tests: words appended at an address. */
#ifndef KETCH_TESTSUITE_TRANSLATOR_ASM_H
#define KETCH_TESTSUITE_TRANSLATOR_ASM_H

#include <cstdint>

enum Reg { zero, ra, sp, gp, tp, t0, t1, t2, s0, s1, a0, a1, a2, a3, a4, a5, a6, a7 };

class Asm
{
  public:
    explicit Asm(uint64_t pc) : pc(pc)
    {
    }
    uint64_t pc; /* where the next word goes */
    uint64_t host = 0; /* host address - guest address */

    uint64_t word(uint32_t w)
    {
        *reinterpret_cast<volatile uint32_t *>(pc + host) = w;
        pc += 4;
        return pc - 4;
    }
    uint64_t addi(Reg d, Reg a, int imm)
    {
        return i(0x13, 0, d, a, imm);
    }
    uint64_t li(Reg d, int imm)
    {
        return addi(d, zero, imm);
    }
    uint64_t slli(Reg d, Reg a, int n)
    {
        return i(0x13, 1, d, a, n);
    }
    uint64_t add(Reg d, Reg a, Reg b)
    {
        return r(0x33, 0, 0, d, a, b);
    }
    uint64_t sub(Reg d, Reg a, Reg b)
    {
        return r(0x33, 0, 0x20, d, a, b);
    }
    uint64_t mul(Reg d, Reg a, Reg b)
    {
        return r(0x33, 0, 1, d, a, b);
    }
    /* n: 4 div, 5 divu, 6 rem, 7 remu */
    uint64_t divide(unsigned n, Reg d, Reg a, Reg b)
    {
        return r(0x33, n, 1, d, a, b);
    }
    uint64_t ld(Reg d, Reg a, int imm)
    {
        return i(0x03, 3, d, a, imm);
    }
    uint64_t load(unsigned n, Reg d, Reg a, int imm) /* lb lh lw ld lbu lhu lwu */
    {
        return i(0x03, n, d, a, imm);
    }
    uint64_t store(unsigned n, Reg v, Reg a, int imm) /* sb sh sw sd */
    {
        return s(n, a, v, imm);
    }
    uint64_t lbu(Reg d, Reg a, int imm)
    {
        return i(0x03, 4, d, a, imm);
    }
    uint64_t or_(Reg d, Reg a, Reg b)
    {
        return r(0x33, 6, 0, d, a, b);
    }
    uint64_t sd(Reg v, Reg a, int imm)
    {
        return s(3, a, v, imm);
    }
    uint64_t sw(Reg v, Reg a, int imm)
    {
        return s(2, a, v, imm);
    }
    uint64_t jalr(Reg d, Reg a, int imm)
    {
        return i(0x67, 0, d, a, imm);
    }
    uint64_t ret()
    {
        return jalr(zero, ra, 0);
    }
    uint64_t ecall()
    {
        return word(0x73);
    }
    uint64_t fence_i()
    {
        return word(0x100f);
    }
    uint64_t lr_d(Reg d, Reg a)
    {
        return r(0x2f, 3, 0x08, d, a, zero);
    }
    uint64_t sc_d(Reg d, Reg v, Reg a)
    {
        return r(0x2f, 3, 0x0c, d, a, v);
    }
    uint64_t amoadd_d(Reg d, Reg v, Reg a)
    {
        return r(0x2f, 3, 0x00, d, a, v);
    }
    uint64_t amocas_q(Reg d, Reg v, Reg a)
    {
        return r(0x2f, 4, 0x14, d, a, v);
    }
    uint64_t jal(Reg d, uint64_t target)
    {
        uint32_t o = static_cast<uint32_t>(target - pc);
        return word((o >> 20 & 1) << 31 | (o >> 1 & 0x3ff) << 21 | (o >> 11 & 1) << 20 |
                    (o >> 12 & 0xff) << 12 | static_cast<uint32_t>(d) << 7 | 0x6f);
    }
    uint64_t beq(Reg a, Reg b, uint64_t target)
    {
        return branch(0, a, b, target);
    }
    uint64_t bne(Reg a, Reg b, uint64_t target)
    {
        return branch(1, a, b, target);
    }
    /* Any 32-bit number that is not negative and below 2^31 - 2048. */
    void li32(Reg d, uint32_t v)
    {
        uint32_t hi = (v + 0x800) >> 12;
        word(hi << 12 | static_cast<uint32_t>(d) << 7 | 0x37);
        addi(d, d, static_cast<int>(v - (hi << 12)));
    }
    /* An address below 2^43. */
    void la(Reg d, uint64_t v)
    {
        li32(d, static_cast<uint32_t>(v >> 12));
        slli(d, d, 12);
        if (v & 0xfff) {
            addi(d, d, static_cast<int>(v & 0x7ff));
            if (v & 0x800) {
                addi(d, d, 0x7ff);
                addi(d, d, 1);
            }
        }
    }

    uint64_t branch(uint32_t f3, Reg a, Reg b, uint64_t target)
    {
        uint32_t o = static_cast<uint32_t>(target - pc);
        return word((o >> 12 & 1) << 31 | (o >> 5 & 0x3f) << 25 | static_cast<uint32_t>(b) << 20 |
                    static_cast<uint32_t>(a) << 15 | f3 << 12 | (o >> 1 & 0xf) << 8 |
                    (o >> 11 & 1) << 7 | 0x63);
    }

  private:
    uint64_t r(uint32_t op, uint32_t f3, uint32_t f7, Reg d, Reg a, Reg b)
    {
        return word(f7 << 25 | static_cast<uint32_t>(b) << 20 | static_cast<uint32_t>(a) << 15 |
                    f3 << 12 | static_cast<uint32_t>(d) << 7 | op);
    }
    uint64_t i(uint32_t op, uint32_t f3, Reg d, Reg a, int imm)
    {
        return word(static_cast<uint32_t>(imm) << 20 | static_cast<uint32_t>(a) << 15 | f3 << 12 |
                    static_cast<uint32_t>(d) << 7 | op);
    }
    uint64_t s(uint32_t f3, Reg a, Reg v, int imm)
    {
        uint32_t o = static_cast<uint32_t>(imm);
        return word((o >> 5 & 0x7f) << 25 | static_cast<uint32_t>(v) << 20 |
                    static_cast<uint32_t>(a) << 15 | f3 << 12 | (o & 0x1f) << 7 | 0x23);
    }
};

#endif
