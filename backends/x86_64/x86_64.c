/* SPDX-License-Identifier: Apache-2.0 */
#include "backends/backend.h"

#include <stdlib.h>

#include "backends/common/codebuf.h"
#include "backends/x86_64/dump.h"
#include "backends/x86_64/gen.h"
#include "backends/x86_64/host.h"
#include "backends/x86_64/lower.h"

X64Pins x64_pins;

/* docs/architecture.md, "Between units": the registers in this order */
static const X64Reg pin_reg[X64_PINS] = {
    X64_R12, X64_RBX, X64_R14, X64_RSI, X64_RDI, X64_R8, X64_R9, X64_R15,
    X64_XMM1, X64_XMM2, X64_XMM3, X64_XMM4, X64_XMM5, X64_XMM6, X64_RBP,
};

static uint8_t pinned_slot(const IrGuest *guest, unsigned p)
{
    if (p < IR_PIN_GPRS) {
        return guest->pin_gpr[p];
    }
    if (p < IR_PIN_GPRS + IR_PIN_FPRS) {
        return guest->pin_fpr[p - IR_PIN_GPRS];
    }
    return guest->pin_more ? (uint8_t)(guest->pin_more - 1) : IR_NO_SLOT;
}

static void find_pins(const IrGuest *guest)
{
    memset(&x64_pins, 0xff, offsetof(X64Pins, regs));
    x64_pins.regs = 0;
    memset(x64_pins.slots, 0, sizeof(x64_pins.slots));
    memset(x64_pins.loc, 0, sizeof(x64_pins.loc));
    for (unsigned p = 0; p < X64_PINS; p++) {
        uint8_t slot = pinned_slot(guest, p);

        x64_pins.reg[p] = pin_reg[p];
        if (slot != IR_NO_SLOT) {
            x64_pins.slot[p] = slot;
            x64_pins.slot_of[pin_reg[p]] = slot;
            x64_pins.reg_of[slot] = pin_reg[p];
            x64_pins.regs |= X64_BIT(pin_reg[p]);
            x64_pins.slots[slot / 64] |= UINT64_C(1) << slot % 64;
            x64_pins.loc[slot] = x64_loc_reg(pin_reg[p]);
        }
    }
    x64_pins_prepare();
    x64_pins.unpinned = X64_UNPINNED & ~(guest->pin_more ? X64_BIT(X64_RBP) : 0);
}

static bool start(CodeBuf *code, const IrGuest *guest)
{
    x64_features_find();
    find_pins(guest);
    return x64_stubs_emit(code);
}

static void restart(CodeBuf *code)
{
    CHECK(x64_stubs_emit(code), "an empty code cache has no room");
}

/* ---- Compiling ---- */

static void note_where(const X64Gen *g, IrRef ref)
{
    if (g->options->where) {
        g->options->where[ref] = x64_here(g);
    }
}

static void emit_insn(X64Gen *g, const IrInsn *i, IrRef ref)
{
    const X64Rule *rule = &x64_rules[i->op];
    X64Val *v = &g->val[ref];

    if (ir_op_info[i->op].result == IR_VOID) {
        g->fwd = X64_SLOT_NONE;
        note_where(g, ref);
        rule->fn(g, i, ref, rule->arg);
    } else if (v->mode == X64_M_EMIT) {
        g->fwd = i->op == IR_OP_load || !(ir_op_info[i->op].effects & IR_TRAPS) ? v->fwd_slot
                                                                              : X64_SLOT_NONE;
        note_where(g, ref);
        rule->fn(g, i, ref, rule->arg);
        if (v->reg != X64_NONE && v->next == X64_NEVER) {
            x64_drop_if_dead(g, ref);
        }
    } else {
        return;
    }
    x64_end_insn(g);
    if (g->options->show_registers) {
        x64_dump_alloc(g, ref);
    }
}

static bool emit_block(X64Gen *g, IrBlockId b)
{
    const IrInsn *insn = g->f->insn, *i;

    x64_begin_block(g, b);
    if (g->options->show_registers) {
        x64_dump_block(g, b);
    }
    for (IrRef ref = g->f->block[b].first; ref; ref = i->next) {
        i = &insn[ref];
        g->pos = g->at++;
        if (i->op == IR_OP_insn) {
            g->guest_pc = (uint64_t)i->imm;
            note_where(g, ref);
            continue;
        }
        if (i->op == IR_OP_const) {
            continue; /* made where it is used */
        }
        if (g->rounding && x64_wants_dynamic(i)) {
            x64_rounding(g, IR_RM_DYN);
        }
        emit_insn(g, i, ref);
        if (g->big || g->e.p > g->limit) {
            return false;
        }
    }
    return true;
}

static bool emit_all(X64Gen *g)
{
    memcpy(g->map_loc, x64_pins.loc, sizeof(g->map_loc));
    g->map_guest = g->guest_pc = g->f->pc;
    g->held = g->fwd = X64_SLOT_NONE;
    if (g->options->guard) {
        x64_emit_guard(g);
    }
    if (g->options->counter) {
        x64_emit_counter(g);
        g->counter_size = x64_here(g);
    }
    for (uint32_t k = 0; k < g->n_order; k++) {
        if (!g->block[g->order[k]].done && !emit_block(g, g->order[k])) {
            return false;
        }
    }
    for (uint32_t k = 0; k < g->n_fixups; k++) {
        x64_patch(g->e.start + g->fixup[k].at,
                  g->e.start + g->block[g->fixup[k].block].code - 1);
    }
    if (g->options->where) {
        g->options->where[0] = x64_here(g);
    }
    x64_emit_cold(g);
    return !g->big;
}

/* Everything is final: hands out the exits and the side data. */
static void finish(X64Gen *g, CodeBuf *code, BeCode *out)
{
    uint32_t size = x64_here(g), side_size;
    X64Side *side = x64_side_new(g, &side_size);

    if (g->side_at) {
        memcpy(g->e.start + g->side_at, &side, sizeof(side));
    }
    if (g->slow_side_at) {
        memcpy(g->e.start + g->slow_side_at, &side, sizeof(side));
    }
    *out = (BeCode){ .entry = codebuf_commit(code, size), .size = size,
                     .n_exits = g->n_exits, .counter_size = g->counter_size, .side = side, .side_size = side_size };
}

static BeStatus compile(CodeBuf *code, const IrFunc *f, const BeOptions *options, BeCode *out)
{
    size_t mark = arena_mark(f->arena);
    size_t each = options->memory == BE_MEM_host ? 64 : options->hot ? 192 : 128; /* accesses are longer */
    size_t room = 3 * X64_INSN_ROOM + (size_t)f->n_insns * each;
    X64Gen *g = ARENA_RAW(f->arena, X64Gen, 1);
    BeStatus status = BE_BIG;

    memset(g, 0, offsetof(X64Gen, s.spill_val));
    g->f = f;
    g->arena = f->arena;
    g->options = options;
    g->e.start = g->e.p = codebuf_reserve(code, options->counter ? X64_CALL_SIZE : 0, room);
    if (!g->e.p) {
        arena_reset(f->arena, mark);
        return BE_FULL;
    }
    g->code = codebuf_rx(code, g->e.start);
    g->limit = g->end = g->e.start + room - X64_INSN_ROOM;
    if (x64_select(g) && emit_all(g)) {
        finish(g, code, out);
        status = BE_OK;
    }
    arena_reset(f->arena, mark);
    return status;
}

static void release(BeCode *code)
{
    free(code->side);
    *code = (BeCode){ 0 };
}

/* ---- Running ---- */

typedef uint32_t EnterFn(Vcpu *vcpu, const void *entry, uint32_t mxcsr);

static IrTrap enter(Vcpu *vcpu, const BeCode *unit)
{
    EnterFn *fn = (EnterFn *)(uintptr_t)x64_host.stub[X64_STUB_enter];

    vcpu->backend_fns = x64_fns;
    vcpu->fp_unmask = vcpu->fp_traps ? X64_CSR_UNMASK : 0;
    vcpu->fp_flags |= x64_flags_of(fn(vcpu, unit->entry, x64_mxcsr(vcpu)));
    return (IrTrap)vcpu->exit_trap;
}

static void raised(Vcpu *vcpu)
{
    x64_csr_restore(vcpu);
}

void x64_deopt(Vcpu *vcpu, const X64DeoptFrame *frame)
{
    const X64Side *side = (const X64Side *)(uintptr_t)frame->side;
    BeHostRegs regs = { 0 };

    memcpy(regs.gpr, frame->gpr, sizeof(frame->gpr));
    memcpy(regs.fpr, frame->fpr, sizeof(frame->fpr));
    regs.gpr[X64_RSP] = vcpu->host_sp;
    CHECK(x64_map_restore(side, (uint32_t)frame->host, &regs, vcpu), "no stack map");
    vcpu->exit_trap = (uint32_t)frame->trap;
    vcpu->exit_arg = frame->arg;
}

static bool restore(const BeCode *code, const BeHostRegs *regs, Vcpu *vcpu)
{
    uint64_t offset = regs->pc - (uint64_t)(uintptr_t)code->entry;

    return offset < code->size && x64_map_restore(code->side, (uint32_t)offset, regs, vcpu);
}

static const void *leave(void)
{
    return x64_host.stub[X64_STUB_leave];
}

/* ---- Exits ---- */

static void link_exit(CodeBuf *buf, BeCode *code, unsigned exit, const BeCode *target, bool warm)
{
    const X64Exit *x = &((const X64Side *)code->side)->exit[exit];
    const uint8_t *entry = code->entry, *to = entry + x->stub;
    uint8_t *at = codebuf_rw(buf, entry + x->site + 1);
    uint64_t *word = (uint64_t *)((uintptr_t)at & ~(uintptr_t)7), bytes = *word;
    int32_t rel;

    if (target) {
        to = (const uint8_t *)target->entry + (warm && x->onward ? target->counter_size : 0);
    }
    rel = (int32_t)(to - (entry + x->site + 5));
    /* One aligned word holds all of it: other threads see the old or the new jump. */
    memcpy((uint8_t *)&bytes + (at - (uint8_t *)word), &rel, sizeof(rel));
    __atomic_store_n(word, bytes, __ATOMIC_RELEASE);
}

static unsigned exit_index(const BeCode *code, const void *site)
{
    uint32_t stub = (uint32_t)((const uint8_t *)site - (const uint8_t *)code->entry);
    const X64Exit *exit = ((const X64Side *)code->side)->exit;
    unsigned k = 0;

    while (k < code->n_exits && exit[k].stub != stub) {
        k++;
    }
    CHECK(k < code->n_exits, "not an exit of this unit");
    return k;
}

const Backend be_x86_64 = {
    .name = "x86_64",
    .start = start,
    .restart = restart,
    .compile = compile,
    .release = release,
    .enter = enter,
    .link = link_exit,
    .exit_index = exit_index,
    .restore = restore,
    .raised = raised,
    .fp_trap = x64_fp_trap,
    .leave = leave,
    .frame = &x64_frame,
    .dump = x64_dump,
    .disassemble = x64_disassemble,
};
