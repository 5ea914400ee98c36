/* SPDX-License-Identifier: Apache-2.0 */
/* Control flow of the instruction being translated: edges inside the unit, or exits. */
#include <string.h>

#include "frontends/frontend.h"

/* Loops go back somewhere, so leaving on request is tested there only. */
static unsigned poll_flag(const FeContext *c, uint64_t target)
{
    return target <= c->pc ? IR_EXIT_POLL : 0;
}

/* In another page, or perhaps on two. */
static unsigned far_flag(const FeContext *c, uint64_t target)
{
    uint64_t page = ~UINT64_C(0xfff);

    return c->page_last && ((target ^ c->pc) & page || (target & ~page) > c->page_last)
               ? IR_EXIT_FAR : 0;
}

static unsigned exit_flags(const FeContext *c, uint64_t target)
{
    return poll_flag(c, target) | far_flag(c, target);
}

void fe_poll(FeContext *c, uint64_t target)
{
    IrBlockId block;

    if (!c->poll_at_head && poll_flag(c, target) && c->block_at(c, target, &block)) {
        ir_safepoint(&c->b, c->pc);
    }
}

void fe_poll_indirect(FeContext *c)
{
    uint64_t pc;

    for (unsigned k = 0; !c->poll_at_head && c->expected && c->expected(c, k, &pc); k++) {
        if (poll_flag(c, pc)) {
            ir_safepoint(&c->b, c->pc);
            return;
        }
    }
}

void fe_jump(FeContext *c, uint64_t target)
{
    IrBlockId block;

    if (c->block_at(c, target, &block)) {
        ir_br(&c->b, block);
    } else {
        ir_exit(&c->b, target, exit_flags(c, target), 0);
    }
    c->ended = true;
}

void fe_call(FeContext *c, uint64_t target, uint64_t return_pc)
{
    IrBlockId block;

    if (c->block_at(c, target, &block)) {
        ir_br(&c->b, block);
    } else {
        ir_exit(&c->b, target, IR_EXIT_CALL | exit_flags(c, target), return_pc);
    }
    c->ended = true;
}

void fe_branch(FeContext *c, IrRef cond, uint64_t target)
{
    IrFunc *f = c->b.f;
    IrBlockId yes, no;
    bool inside = c->block_at(c, target, &yes);

    if (!inside) {
        yes = ir_block_new(f, target);
        ir_append(f, yes,
                  (IrInsn){ .op = IR_OP_exit,
                            .type = IR_VOID,
                            .aux = (uint8_t)exit_flags(c, target),
                            .imm = (int64_t)target });
    }
    if (c->block_at(c, c->next_pc, &no)) {
        ir_brif(&c->b, cond, yes, no);
        c->ended = true;
        return;
    }
    no = ir_block_new(f, c->next_pc);
    ir_brif(&c->b, cond, yes, no);
    ir_build_follow(&c->b, no);
}

/* Compares with what is expected, and goes on in the block for it. */
static void guard(FeContext *c, IrRef target, uint64_t pc)
{
    IrBlockId inside, other;

    if (c->block_at(c, pc, &inside)) {
        other = ir_block_new(c->b.f, c->pc);
        ir_brif(&c->b, ir_op2(&c->b, IR_OP_eq, IR_I1, target, ir_const(&c->b, IR_I64, pc)), inside,
                other);
        ir_build_follow(&c->b, other);
    }
}

void fe_indirect(FeContext *c, IrRef target, unsigned flags, uint64_t return_pc)
{
    /* In front of the guards: the builder would know it in the expected block, too. */
    IrRef back = flags & IR_EXIT_CALL ? ir_const(&c->b, IR_I64, return_pc) : 0;
    uint64_t pc;

    for (unsigned k = 0; c->expected && c->expected(c, k, &pc); k++) {
        guard(c, target, pc);
    }
    ir_exit_ind(&c->b, target, flags | IR_EXIT_POLL, back);
    c->ended = true;
}

void fe_trap(FeContext *c, IrTrap trap, uint64_t pc)
{
    ir_exit_trap(&c->b, trap, pc);
    c->ended = true;
}

/* ---- Registers ---- */

const FeRegister *fe_register(const Frontend *fe, const char *name)
{
    for (unsigned i = 0; i < fe->n_registers; i++) {
        if (strcmp(fe->registers[i].name, name) == 0) {
            return &fe->registers[i];
        }
    }
    return NULL;
}

const FeRegister *fe_register_number(const Frontend *fe, unsigned number)
{
    for (unsigned i = 0; i < fe->n_registers; i++) {
        if (fe->registers[i].number == number) {
            return &fe->registers[i];
        }
    }
    return NULL;
}
