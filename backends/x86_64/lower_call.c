/* SPDX-License-Identifier: Apache-2.0 */
/* Lowering of calls: the guest's helpers, and ops that C functions of the backend do. */
#include "backends/x86_64/lower.h"

#include "backends/x86_64/host.h"

/* Zero-extends what the C function gets in `r`. */
static void cut(X64Gen *g, X64Reg r, unsigned type)
{
    switch (ir_bits(type)) {
    case 1:
        x64_alu_ri(&g->e, X64_AND, false, r, 1);
        break;
    case 8:
        x64_rr(&g->e, X64_0F | 0xb6 | X64_BYTE, false, r, r);
        break;
    case 16:
        x64_rr(&g->e, X64_0F | 0xb7, false, r, r);
        break;
    case 32:
        x64_mov_rr(&g->e, false, r, r);
        break;
    default:
        break;
    }
}

/* Empties the registers that C may change, then fills to[k] with operand k. */
static void put_args(X64Gen *g, const IrRef arg[3], const X64Reg to[3])
{
    for (unsigned k = 0; k < 3; k++) {
        if (arg[k]) {
            x64_note_use(g, g->val[arg[k]].rep);
        }
    }
    x64_save_caller_saved(g);
    for (unsigned k = 0; k < 3; k++) {
        if (arg[k]) {
            x64_fetch(g, g->val[arg[k]].rep, to[k]);
            cut(g, to[k], x64_insn(g, arg[k])->type);
        }
    }
    x64_lea(&g->e, true, X64_RDI, x64_state(-VCPU_BIAS));
}

static void call_table(X64Gen *g, int32_t table, unsigned index)
{
    x64_load(&g->e, X64_RAX, x64_state(table));
    x64_rm(&g->e, 0xff, false, 2, x64_mem(X64_RAX, (int32_t)index * 8), 0);
}

static void take_result(X64Gen *g, IrRef ref)
{
    x64_end_uses(g);
    if (!ref) {
        return;
    }
    if (x64_is_float(g->val[ref].type)) {
        x64_mov_rr(&g->e, true, x64_def(g, ref, 0), X64_RAX);
    } else {
        x64_take(g, X64_RAX);
        x64_def_in(g, ref, X64_RAX);
    }
}

void x64_call_fn(X64Gen *g, unsigned fn, uint64_t imm, const IrRef arg[3], IrRef ref)
{
    static const X64Reg to[3] = { X64_RDX, X64_RCX, X64_R8 };

    put_args(g, arg, to);
    x64_mov_ri(&g->e, X64_RSI, imm);
    call_table(g, X64_VCPU(backend_fns), fn);
    take_result(g, ref);
}

/* The words of instrumentation go to memory, and come from there afterwards. */
static void give_words(X64Gen *g)
{
    const IrGuest *guest = g->f->guest;

    for (unsigned s = guest->first_word; s < guest->n_slots; s++) {
        IrRef v = g->s.slot_val[s];

        x64_store_slot(g, s);
        x64_forget_slot(g, s);
        if (v) {
            x64_refresh(g, v);
            x64_drop_if_dead(g, v);
        }
    }
}

RULE_FN(lower_call)
{
    static const X64Reg to[3] = { X64_RSI, X64_RDX, X64_RCX };
    const IrHelper *helper = &g->f->guest->helpers[i->imm];
    IrRef result = i->type == IR_VOID ? 0 : ref;

    (void)arg;
    if (helper->effects & (IR_STATE_R | IR_STATE_W | IR_TRAPS)) {
        x64_store_all(g, helper->effects & IR_STATE_W);
        x64_store_const(g, x64_state(X64_VCPU(pc)), g->guest_pc);
    }
    if (helper->effects & IR_WORDS) {
        give_words(g);
    }
    put_args(g, i->arg, to);
    call_table(g, X64_VCPU(helpers), (unsigned)i->imm);
    take_result(g, result);
}

/* The whole insn as a number: what fn_eval() unpacks */
RULE_FN(lower_eval)
{
    uint64_t imm = i->op | (uint64_t)i->type << 8 | (uint64_t)i->aux << 16;

    (void)arg;
    for (unsigned k = 0; k < 3; k++) {
        if (i->arg[k]) {
            imm |= (uint64_t)x64_arg_type(g, i, k) << (24 + 8 * k);
        }
    }
    x64_call_fn(g, X64_FN_eval, imm, i->arg, ref);
}

static void refill(X64Gen *g, const X64Cold *c)
{
    X64Reg r = (X64Reg)c->reg[0];

    if (r != X64_RAX) {
        x64_rr(&g->e, 0x87, true, X64_RAX, r); /* xchg */
    }
    x64_call(&g->e, x64_stub(g, X64_STUB_refill));
    x64_imm64(&g->e, c->value);
    if (r != X64_RAX) {
        x64_rr(&g->e, 0x87, true, X64_RAX, r);
    }
    x64_cold_return(g, c);
}

/* A test; the call is far away and keeps all registers but the result's. */
RULE_FN(lower_refill)
{
    X64Reg a = x64_use(g, i->arg[0]), d;
    X64Cold *c;

    (void)arg;
    x64_end_uses(g);
    d = x64_def_over(g, ref, a, 0);
    x64_rr(&g->e, 0xf7, false, 0, d); /* test */
    x64_imm32(&g->e, (int32_t)i->imm);
    c = x64_cold(g, refill, x64_jcc(&g->e, X64_CC_E, NULL));
    c->reg[0] = (uint8_t)d;
    c->value = (uint64_t)x64_insn(g, i->arg[1])->imm;
}
