/* SPDX-License-Identifier: Apache-2.0 */
/* RV64I (RISC-V unprivileged spec, "RV32I Base Integer Instruction Set" and "RV64I ..."). */
#include "frontends/riscv/forms.h"

/* ---- Integer Computational Instructions ---- */

bool rv_lui(Rv *c, const RvLui *a)
{
    rv_set(c, a->rd, rv_imm(c, a->imm_u));
    return true;
}

bool rv_auipc(Rv *c, const RvAuipc *a)
{
    rv_set(c, a->rd, rv_imm(c, (int64_t)c->fe->pc + a->imm_u));
    return true;
}

REG_REG(add, add)
REG_REG(sub, sub)
REG_REG(sll, shl)
REG_REG(srl, shr)
REG_REG(sra, sar)
REG_REG(xor, xor)
REG_REG(or, or)
REG_REG(and, and)
REG_REG_W(addw, add)
REG_REG_W(subw, sub)
REG_REG_W(sllw, shl)
REG_REG_W(srlw, shr)
REG_REG_W(sraw, sar)
REG_IMM(addi, RvAddi, imm_i, add)
REG_IMM(xori, RvXori, imm_i, xor)
REG_IMM(ori, RvOri, imm_i, or)
REG_IMM(andi, RvAndi, imm_i, and)
REG_IMM(slli, RvSlli, shamt, shl)
REG_IMM(srli, RvSrli, shamt, shr)
REG_IMM(srai, RvSrai, shamt, sar)
REG_IMM_W(addiw, RvAddiw, imm_i, add)
REG_IMM_W(slliw, RvSlliw, shamt_w, shl)
REG_IMM_W(srliw, RvSrliw, shamt_w, shr)
REG_IMM_W(sraiw, RvSraiw, shamt_w, sar)

/* rd = x < y */
static bool set_less(Rv *c, unsigned rd, IrOp op, IrRef x, IrRef y)
{
    rv_setu(c, rd, ir_op2(c->b, op, IR_I1, x, y));
    return true;
}

bool rv_slt(Rv *c, const RvSlt *a)
{
    return set_less(c, a->rd, IR_OP_lt, rv_get(c, a->rs1), rv_get(c, a->rs2));
}

bool rv_sltu(Rv *c, const RvSltu *a)
{
    return set_less(c, a->rd, IR_OP_ltu, rv_get(c, a->rs1), rv_get(c, a->rs2));
}

bool rv_slti(Rv *c, const RvSlti *a)
{
    return set_less(c, a->rd, IR_OP_lt, rv_get(c, a->rs1), rv_imm(c, a->imm_i));
}

bool rv_sltiu(Rv *c, const RvSltiu *a)
{
    return set_less(c, a->rd, IR_OP_ltu, rv_get(c, a->rs1), rv_imm(c, a->imm_i));
}

/* ---- Control Transfer Instructions ---- */

bool rv_jal(Rv *c, const RvJal *a)
{
    uint64_t target = c->fe->pc + (uint64_t)(int64_t)a->imm_j;

    fe_poll(c->fe, target);
    rv_set(c, a->rd, rv_imm(c, (int64_t)c->fe->next_pc));
    if (rv_is_link(a->rd)) {
        fe_call(c->fe, target, c->fe->next_pc);
    } else {
        fe_jump(c->fe, target);
    }
    return true;
}

/* A far call is auipc and jalr: its target is then a constant here. */
bool rv_jalr(Rv *c, const RvJalr *a)
{
    IrRef sum = rv_op2(c, IR_OP_add, rv_get(c, a->rs1), rv_imm(c, a->imm_i));
    IrRef target = rv_op2(c, IR_OP_and, sum, rv_imm(c, -2));
    uint64_t pc = c->fe->next_pc, known;
    bool is_known = rv_is_const(c, target, &known);

    if (is_known) {
        fe_poll(c->fe, known);
    } else {
        fe_poll_indirect(c->fe);
    }
    rv_set(c, a->rd, rv_imm(c, (int64_t)pc));
    if (!is_known) {
        unsigned back = rv_is_link(a->rs1) && !rv_is_link(a->rd) ? IR_EXIT_RET : 0;
        fe_indirect(c->fe, target, rv_is_link(a->rd) ? IR_EXIT_CALL : back, pc);
    } else if (rv_is_link(a->rd)) {
        fe_call(c->fe, known, pc);
    } else {
        fe_jump(c->fe, known);
    }
    return true;
}

static bool branch(Rv *c, const RvBeq *a, IrOp op, bool swap)
{
    uint64_t target = c->fe->pc + (uint64_t)(int64_t)a->imm_b;

    fe_poll(c->fe, target);
    IrRef x = rv_get(c, a->rs1), y = rv_get(c, a->rs2);
    fe_branch(c->fe, ir_op2(c->b, op, IR_I1, swap ? y : x, swap ? x : y), target);
    return true;
}

#define BRANCH(name, op, swap)                                                                     \
    bool rv_##name(Rv *c, const RvBeq *a)                                                          \
    {                                                                                              \
        return branch(c, a, IR_OP_##op, swap);                                                     \
    }

BRANCH(beq, eq, false)
BRANCH(bne, ne, false)
BRANCH(blt, lt, false)
BRANCH(bge, le, true)
BRANCH(bltu, ltu, false)
BRANCH(bgeu, leu, true)

/* ---- Load and Store Instructions ---- */

#define LOAD(name, mem)                                                                            \
    bool rv_##name(Rv *c, const RvLb *a)                                                           \
    {                                                                                              \
        rv_set(c, a->rd, ir_load(c->b, IR_I64, mem, rv_get(c, a->rs1), a->imm_i));                 \
        return true;                                                                               \
    }

#define STORE(name, mem)                                                                           \
    bool rv_##name(Rv *c, const RvSb *a)                                                           \
    {                                                                                              \
        IrRef value = rv_get(c, a->rs2);                                                           \
                                                                                                   \
        ir_store(c->b, mem, rv_get(c, a->rs1), a->imm_s, value);                                   \
        return true;                                                                               \
    }

LOAD(lb, 0 | IR_MEM_SIGN)
LOAD(lh, 1 | IR_MEM_SIGN)
LOAD(lw, 2 | IR_MEM_SIGN)
LOAD(ld, 3)
LOAD(lbu, 0)
LOAD(lhu, 1)
LOAD(lwu, 2)
STORE(sb, 0)
STORE(sh, 1)
STORE(sw, 2)
STORE(sd, 3)

/* ---- Memory Ordering Instructions ---- */

/* Device input counts as a read, output as a write. */
bool rv_fence(Rv *c, const RvFence *a)
{
    enum { READ = 8 | 2, WRITE = 4 | 1 };
    unsigned before_r = a->pred & READ, before_w = a->pred & WRITE;
    unsigned after_r = a->succ & READ, after_w = a->succ & WRITE;
    unsigned order =
        (before_r && after_r ? IR_FENCE_LL : 0) | (before_r && after_w ? IR_FENCE_LS : 0) |
        (before_w && after_r ? IR_FENCE_SL : 0) | (before_w && after_w ? IR_FENCE_SS : 0);

    if (order) {
        ir_fence(c->b, order);
    }
    return true;
}

bool rv_fence_tso(Rv *c, const RvFenceTso *a)
{
    (void)a;
    ir_fence(c->b, IR_FENCE_LL | IR_FENCE_LS | IR_FENCE_SS);
    return true;
}

/* ---- Environment Call and Breakpoints ---- */

bool rv_ecall(Rv *c, const RvEcall *a)
{
    (void)a;
    if (c->machine) {
        return rv_machine_ecall(c);
    }
    fe_trap(c->fe, IR_TRAP_syscall, c->fe->pc);
    return true;
}

bool rv_ebreak(Rv *c, const RvEbreak *a)
{
    (void)a;
    fe_trap(c->fe, IR_TRAP_breakpoint, c->fe->pc);
    return true;
}
