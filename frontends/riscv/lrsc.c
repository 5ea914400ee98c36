/* SPDX-License-Identifier: Apache-2.0 */
/*
 * LR and SC (RISC-V unprivileged spec, "Load-Reserved/Store-Conditional Instructions").
 *
 * LR keeps address and value in two slots; SC compares and swaps with that value.  That is exact
 * when nothing between the two can tell another thread's stores apart by value: when only
 * register arithmetic lies there (the spec's "constrained LR/SC loops").
 *
 * Any other LR is, in a guest with threads, taken for a load at first, since that is what most are:
 * Go's atomic loads are LRs without an SC.  The address that it reserves is marked LOAD_ONLY.  The SC
 * that comes nevertheless fails, as the spec lets it, and makes this vcpu ask the translator to run
 * alone from that LR to its SC from then on: a bit of `resalone`, which LR has left in `resval`.
 *
 * The loops that compilers write are taken whole instead, see lrloop.c.
 */
#include "base/check.h"
#include "frontends/riscv/atomic.h"
#include "frontends/riscv/lrloop.h"

/* Register arithmetic, or a branch forward. */
static bool is_harmless(unsigned insn, uint32_t bits)
{
    if ((bits & 3) == 3) {
        switch (bits & 0x7f) {
        case 0x13: /* OP-IMM */
        case 0x17: /* AUIPC */
        case 0x1b: /* OP-IMM-32 */
        case 0x33: /* OP */
        case 0x37: /* LUI */
        case 0x3b: /* OP-32 */
            return insn != RV_none;
        case 0x63: /* BRANCH */
            return insn != RV_none && rv_field_imm_b(bits) > 0;
        default:
            return false;
        }
    }
    switch (insn) {
    case RV_c_addi4spn:
    case RV_c_nop:
    case RV_c_addi:
    case RV_c_addiw:
    case RV_c_li:
    case RV_c_addi16sp:
    case RV_c_lui:
    case RV_c_srli:
    case RV_c_srai:
    case RV_c_andi:
    case RV_c_sub:
    case RV_c_xor:
    case RV_c_or:
    case RV_c_and:
    case RV_c_subw:
    case RV_c_addw:
    case RV_c_slli:
    case RV_c_mv:
    case RV_c_add:
        return true;
    case RV_c_beqz:
    case RV_c_bnez:
        return rv_field_imm_cb(bits) > 0;
    default:
        return false;
    }
}

/* Whether the code after the LR at `bytes` reaches its SC, or where it only waits, within 16 harmless
 * instructions. */
static bool is_constrained(const uint8_t *bytes, size_t n)
{
    size_t at = 4;

    for (int i = 0; i < 16; i++) {
        uint32_t bits;
        unsigned length = rv_fetch(bytes + at, n - at, &bits);
        unsigned insn = length ? rv_decode(bits) : RV_none;

        if (insn == RV_sc_w || insn == RV_sc_d || insn == RV_wrs_nto || insn == RV_wrs_sto) {
            return true;
        }
        if (length == 0 || !is_harmless(insn, bits)) {
            return false;
        }
        at += length;
    }
    return false;
}

/* Alone already when single-stepped: the translator does so after IR_TRAP_exclusive. */
static bool must_be_alone(Rv *c)
{
    FeContext *fe = c->fe;

    if (fe->one_insn || is_constrained(fe->bytes, fe->n_bytes)) {
        return false;
    }
    fe->asked_threads = true;
    return fe->threads;
}

enum { LOAD_ONLY = 1 }; /* in `resaddr`: addresses are multiples of 4 */

/* The LR's bit of `resalone`.  Others may share it: they too run alone then. */
static IrRef alone_bit(Rv *c)
{
    return rv_imm(c, (int64_t)(UINT64_C(1) << (c->fe->pc >> 1) % 64));
}

static IrRef load_only_at(Rv *c, IrRef address)
{
    return ir_op2(c->b, IR_OP_or, IR_I64, address, rv_imm(c, LOAD_ONLY));
}

enum { RELEASE = 1, ACQUIRE = 2 }; /* bits of aqrl */

static bool load_reserved(Rv *c, const RvLrW *a, unsigned size)
{
    IrRef address, value;
    bool load_only;
    RvLoop loop;

    if (c->fe->next_pc - c->fe->pc > 4) {
        CHECK(rv_loop_find(c->fe->bytes, c->fe->n_bytes, &loop), "an LR of %u bytes",
              (unsigned)(c->fe->next_pc - c->fe->pc));
        rv_loop_translate(c, &loop);
        return true;
    }
    load_only = must_be_alone(c);
    if (load_only) {
        IrRef asked = ir_op2(c->b, IR_OP_and, IR_I64, ir_get(c->b, RV_SLOT_resalone), alone_bit(c));

        ir_trap_if(c->b, ir_op2(c->b, IR_OP_ne, IR_I1, asked, rv_imm(c, 0)), IR_TRAP_exclusive, 0);
    }
    if (a->aqrl & RELEASE) {
        ir_fence(c->b, IR_FENCE_LL | IR_FENCE_LS | IR_FENCE_SL | IR_FENCE_SS);
    }
    address = rv_aligned_address(c, a->rs1, size);
    value = ir_load(c->b, IR_I64, size == RV_W ? 2 | IR_MEM_SIGN : 3, address, 0);
    if (a->aqrl & ACQUIRE) {
        ir_fence(c->b, IR_FENCE_LL | IR_FENCE_LS);
    }
    if (load_only) {
        ir_set(c->b, RV_SLOT_resaddr, load_only_at(c, address));
        ir_set(c->b, RV_SLOT_resval, alone_bit(c));
    } else {
        ir_set(c->b, RV_SLOT_resaddr, address);
        ir_set(c->b, RV_SLOT_resval, value);
    }
    rv_set(c, a->rd, value);
    return true;
}

/* Swaps value in where memory still has what LR saw; rd = 0 when that worked, else 1. */
static void swap_in(Rv *c, const RvScW *a, unsigned size, IrRef address, IrRef value)
{
    IrRef expected = ir_get(c->b, RV_SLOT_resval), old;

    if (size == RV_W) {
        expected = ir_op1(c->b, IR_OP_trunc, IR_I32, expected);
    }
    old = ir_cas(c->b, rv_atomic_type(size), address, expected, value);
    rv_setu(c, a->rd, ir_op2(c->b, IR_OP_ne, IR_I1, old, expected));
}

/* There is no reservation for `address`, or one by an LR that was taken for a load. */
static void not_reserved(Rv *c, const RvScW *a, IrRef address, IrRef reserved)
{
    IrRef was = ir_get(c->b, RV_SLOT_resalone);
    IrRef ask = ir_op2(c->b, IR_OP_or, IR_I64, was, ir_get(c->b, RV_SLOT_resval));
    IrRef taken = ir_op2(c->b, IR_OP_eq, IR_I1, reserved, load_only_at(c, address));

    ir_set(c->b, RV_SLOT_resalone, ir_op3(c->b, IR_OP_sel, IR_I64, taken, ask, was));
    rv_set(c, a->rd, rv_imm(c, 1));
}

static bool store_conditional(Rv *c, const RvScW *a, unsigned size)
{
    IrFunc *f = c->b->f;
    IrRef address = rv_aligned_address(c, a->rs1, size), value = rv_get_sized(c, a->rs2, size);
    IrRef reserved = ir_get(c->b, RV_SLOT_resaddr);

    if (reserved != address) {
        IrBlockId try = ir_block_new(f, c->fe->pc), fail = ir_block_new(f, c->fe->pc);
        IrBlockId join = ir_block_new(f, c->fe->pc);

        ir_brif(c->b, ir_op2(c->b, IR_OP_eq, IR_I1, reserved, address), try, fail);
        ir_build_at(c->b, f, fail);
        not_reserved(c, a, address, reserved);
        ir_br(c->b, join);
        ir_build_at(c->b, f, try);
        swap_in(c, a, size, address, value);
        ir_br(c->b, join);
        ir_build_at(c->b, f, join);
    } else {
        swap_in(c, a, size, address, value);
    }
    ir_set(c->b, RV_SLOT_resaddr, rv_imm(c, -1));
    return true;
}

bool rv_lr_w(Rv *c, const RvLrW *a)
{
    return load_reserved(c, a, RV_W);
}

bool rv_lr_d(Rv *c, const RvLrD *a)
{
    return load_reserved(c, a, RV_D);
}

bool rv_sc_w(Rv *c, const RvScW *a)
{
    return store_conditional(c, a, RV_W);
}

bool rv_sc_d(Rv *c, const RvScD *a)
{
    return store_conditional(c, a, RV_D);
}
