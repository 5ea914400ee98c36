/* SPDX-License-Identifier: Apache-2.0 */
/* Lowering of guest registers, markers, the ends of blocks, traps and calls. */
#include "backends/x86_64/lower.h"

#include "backends/x86_64/host.h"

enum {
    COLD_ROOM = 96, /* bytes of code that a cold path takes on average, at most */
};

/* ---- Cold paths ---- */

X64Cold *x64_cold(X64Gen *g, X64ColdFn *fn, uint8_t *jump)
{
    g->limit -= COLD_ROOM;
    g->cold = arena_grow(g->arena, g->cold, g->n_cold, &g->cap_cold, sizeof(*g->cold));
    g->cold[g->n_cold] = (X64Cold){ .fn = fn, .at = (uint32_t)(jump - g->e.start),
                                    .back = x64_here(g) };
    return &g->cold[g->n_cold++];
}

void x64_cold_return(X64Gen *g, const X64Cold *c)
{
    x64_jmp(&g->e, g->e.start + c->back);
}

void x64_emit_cold(X64Gen *g)
{
    for (uint32_t k = 0; k < g->n_cold && !g->big; k++) {
        const X64Cold *c = &g->cold[k];

        if (c->at) {
            x64_patch(g->e.start + c->at, g->e.p);
        }
        if (c->also) {
            x64_patch(g->e.start + c->also, g->e.p);
        }
        c->fn(g, c);
        g->big |= g->e.p > g->end;
    }
}

/* ---- Markers and guest registers ---- */

RULE_FN(lower_nothing)
{
    (void)g, (void)i, (void)ref, (void)arg;
}

/* A parameter is where the block's entry says, or dead. */
RULE_FN(lower_param)
{
    (void)i, (void)arg;
    x64_refresh(g, ref);
    x64_drop_if_dead(g, ref);
}

/* The slot's value goes on under another name: no code. */
static void rename_value(X64Gen *g, unsigned slot, IrRef from, IrRef to)
{
    X64Val *a = &g->val[from], *b = &g->val[to];

    b->reg = a->reg;
    b->spill = a->spill;
    b->home = a->home;
    b->n_pend = a->n_pend;
    b->n_dirty = a->n_dirty;
    g->s.slot_val[slot] = to;
    if (a->reg != X64_NONE) {
        g->s.reg_val[a->reg] = to;
    }
    if (a->spill) {
        g->s.spill_val[a->spill - 1] = to;
    }
    a->reg = X64_NONE;
    a->spill = 0;
    a->home = X64_SLOT_NONE;
    a->n_pend = a->n_dirty = 0;
}

static void slot_in_memory(X64Gen *g, unsigned slot, IrRef ref)
{
    if (g->s.slot_val[slot]) {
        x64_store_slot(g, slot);
        x64_forget_slot(g, slot);
    }
    x64_state_slot(&g->s, slot, ref, 0);
    g->val[ref].n_pend = 1;
    g->val[ref].home = (uint8_t)slot;
}

RULE_FN(lower_getreg)
{
    unsigned slot = (unsigned)i->imm;
    IrRef old = g->s.slot_val[slot];
    X64Val *v = &g->val[old];

    (void)arg;
    if (!old || g->s.slot_flag[slot] & X64_LAZY) {
        slot_in_memory(g, slot, ref);
        x64_refresh(g, ref);
        return;
    }
    x64_refresh(g, old);
    if (v->next == X64_NEVER && v->n_pend == 1 && !v->is_const) {
        rename_value(g, slot, old, ref);
    } else if (g->s.slot_flag[slot] & X64_DIRTY || v->reg != X64_NONE) {
        X64Reg from = x64_use(g, old);

        x64_end_uses(g);
        x64_mov_rr(&g->e, true, x64_def(g, ref, X64_BIT(from)), from);
    } else {
        slot_in_memory(g, slot, ref);
    }
    x64_refresh(g, ref);
    x64_drop_if_dead(g, ref);
}

RULE_FN(lower_setreg)
{
    uint8_t flags;
    IrRef leaf = x64_match_set(g, i->arg[0], &flags);

    (void)ref, (void)arg;
    x64_set_slot(g, (unsigned)i->imm, leaf, flags, g->val[i->arg[0]].rep);
    g->pos = g->at;
    x64_refresh(g, leaf);
}

/* ---- Exits ---- */

/* The call never returns: the stub finds the pc behind it. */
static void call_with_pc(X64Gen *g, X64Stub stub, uint64_t pc)
{
    x64_call(&g->e, x64_stub(g, stub));
    x64_imm64(&g->e, pc);
}

static void emit_exit_stub(X64Gen *g, const X64Cold *c)
{
    g->exit[c->index].stub = x64_here(g);
    call_with_pc(g, X64_STUB_link, c->value);
}

static void emit_poll_stub(X64Gen *g, const X64Cold *c)
{
    call_with_pc(g, X64_STUB_poll, c->value);
}

static void compare_exit_req(X64Gen *g)
{
    x64_alu_mi(&g->e, X64_CMP, false, x64_state(X64_VCPU(exit_req)), 0);
}

static uint32_t new_exit(X64Gen *g, uint32_t site, unsigned flags)
{
    g->exit = arena_grow(g->arena, g->exit, g->n_exits, &g->cap_exits, sizeof(*g->exit));
    g->exit[g->n_exits] = (X64Exit){
        .site = site, .onward = !(flags & (IR_EXIT_POLL | IR_EXIT_CALL)) };
    return g->n_exits++;
}

/* The displacement of the exit's jump lies within one aligned word, so that it is changed at
 * once.  `opcode` bytes come before it. */
static void align_exit(X64Gen *g, unsigned opcode)
{
    unsigned at = (x64_here(g) + opcode) & 7;

    if (at > 4) {
        x64_nop(&g->e, 8 - at);
    }
}

static void note_exit(X64Gen *g, uint8_t *jump, uint64_t pc, unsigned flags)
{
    X64Cold *c = x64_cold(g, emit_exit_stub, jump);

    c->index = new_exit(g, (uint32_t)(jump - 1 - g->e.start), flags);
    c->value = pc;
}

/* To the run loop; rax = pc. */
static void leave_for_lookup(X64Gen *g)
{
    x64_mov_ri(&g->e, X64_RCX, IR_TRAP_lookup);
    x64_jmp(&g->e, x64_stub(g, X64_STUB_trap));
}

/* By the jump cache, whose entry for this pc is at a known place. */
static void far_exit(X64Gen *g, uint64_t pc)
{
    int32_t entry = X64_VCPU(jump_cache) + (int32_t)(vcpu_jump_index(pc) * sizeof(VcpuJump));

    if (g->options->no_link) {
        x64_mov_ri(&g->e, X64_RAX, pc);
        leave_for_lookup(g);
        return;
    }
    x64_mov_ri(&g->e, X64_RAX, pc);
    x64_alu_rm(&g->e, X64_XOR, true, X64_RAX, x64_state(X64_VCPU(jump_tag)));
    x64_alu_rm(&g->e, X64_CMP, true, X64_RAX, x64_state(entry));
    x64_jcc(&g->e, X64_CC_NE, x64_stub(g, X64_STUB_lookup_tagged));
    x64_rm(&g->e, 0xff, false, 4, x64_state(entry + (int32_t)offsetof(VcpuJump, host)), 0);
}

static void direct_exit(X64Gen *g, uint64_t pc, unsigned flags)
{
    if (flags & IR_EXIT_FAR) {
        far_exit(g, pc);
        return;
    }
    align_exit(g, 1);
    note_exit(g, x64_jmp(&g->e, NULL), pc, flags);
}

static void emit_exit(X64Gen *g, const IrInsn *i)
{
    x64_leave_unit(g, 0);
    if (i->aux & IR_EXIT_POLL) {
        compare_exit_req(g);
        x64_cold(g, emit_poll_stub, x64_jcc(&g->e, X64_CC_NE, NULL))->value = (uint64_t)i->imm;
    }
    direct_exit(g, (uint64_t)i->imm, i->aux);
}

RULE_FN(lower_exit)
{
    (void)ref, (void)arg;
    emit_exit(g, i);
}

RULE_FN(lower_exit_ind)
{
    X64Mem entry = { X64_STATE, X64_RCX, 3, X64_VCPU(jump_cache) };
    X64Stub lookup = X64_STUB_lookup;

    (void)ref, (void)arg;
    _Static_assert(sizeof(VcpuJump) == 16, "index is (pc >> 1) * 16 = pc * 8");
    x64_leave_unit(g, i->arg[0]);
    if (i->aux & IR_EXIT_POLL) {
        compare_exit_req(g);
        x64_jcc(&g->e, X64_CC_NE, x64_stub(g, X64_STUB_interrupt));
    }
    if (g->options->no_link) {
        leave_for_lookup(g);
        return;
    }
    x64_mov_rr(&g->e, false, X64_RCX, X64_RAX);
    x64_alu_ri(&g->e, X64_AND, false, X64_RCX, (VCPU_JUMP_CACHE - 1) * 2);
    if (g->options->memory != BE_MEM_host) {
        x64_alu_rm(&g->e, X64_XOR, true, X64_RAX, x64_state(X64_VCPU(jump_tag)));
        lookup = X64_STUB_lookup_tagged;
    }
    x64_alu_rm(&g->e, X64_CMP, true, X64_RAX, entry);
    x64_jcc(&g->e, X64_CC_NE, x64_stub(g, lookup));
    if (g->options->note_jumps) {
        x64_mov_ri(&g->e, X64_RAX, (uint32_t)g->guest_pc);
    }
    entry.disp += (int32_t)offsetof(VcpuJump, host);
    x64_rm(&g->e, 0xff, false, 4, entry, 0);
}

RULE_FN(lower_exit_trap)
{
    (void)ref, (void)arg;
    x64_leave_unit(g, 0);
    x64_mov_ri(&g->e, X64_RAX, (uint64_t)i->imm);
    x64_mov_ri(&g->e, X64_RCX, i->aux);
    x64_jmp(&g->e, x64_stub(g, X64_STUB_trap));
}

/* Leaves eax and ecx as a computed jump has set them.  The call stands in front of the unit, so that
 * its return address is the entry. */
void x64_emit_counter(X64Gen *g)
{
    int64_t far = (int64_t)((uintptr_t)g->options->counter - (uintptr_t)g->code);
    X64Mem counter = { X64_RIP, X64_NONE, 0, (int32_t)far };
    X64Emit front = { .p = g->e.start - X64_CALL_SIZE };
    uint8_t *hot;

    x64_call(&front, x64_stub(g, X64_STUB_hot));
    if (far - 64 != (int32_t)(far - 64) || far != (int32_t)far) { /* from the insn's end */
        x64_mov_ri(&g->e, X64_RDX, (uint64_t)(uintptr_t)g->options->counter);
        counter = x64_mem(X64_RDX, 0);
    }
    x64_rm(&g->e, 0xff, false, 1, counter, 0); /* dec */
    hot = x64_jcc8(&g->e, X64_CC_S);
    *hot = (uint8_t)(g->e.start - X64_CALL_SIZE - g->e.p);
}

static void emit_guard_stub(X64Gen *g, const X64Cold *c)
{
    (void)c;
    call_with_pc(g, X64_STUB_guard, g->f->pc);
}

void x64_emit_guard(X64Gen *g)
{
    X64Mem stamp = { X64_R11, X64_R10, 3, 0 };

    x64_load(&g->e, X64_RDX, x64_state(X64_VCPU(fetch_stamp)));
    x64_rm(&g->e, 0x8b, false, X64_R10, x64_state(X64_VCPU(index)), 0);
    x64_mov_ri(&g->e, X64_R11, (uint64_t)(uintptr_t)g->options->guard);
    x64_alu_rm(&g->e, X64_CMP, true, X64_RDX, stamp);
    x64_cold(g, emit_guard_stub, x64_jcc(&g->e, X64_CC_NE, NULL));
}

/* ---- Leaving in the middle ---- */

/* Pushes what X64DeoptFrame ends with. */
static void emit_deopt(X64Gen *g, const X64Cold *c)
{
    x64_byte(&g->e, 0x68);
    x64_imm32(&g->e, c->back - 1);
    x64_byte(&g->e, 0x6a);
    x64_byte(&g->e, c->index);
    x64_byte(&g->e, 0x68);
    x64_imm32(&g->e, (int64_t)c->value);
    if ((int64_t)c->value != (int32_t)c->value) {
        x64_rm(&g->e, 0xc7, false, 0, x64_mem(X64_RSP, 4), 4);
        x64_imm32(&g->e, (int64_t)(c->value >> 32));
    }
    if (g->deopt) {
        x64_jmp(&g->e, g->e.start + g->deopt - 1);
        return;
    }
    g->deopt = x64_here(g) + 1;
    x64_rm(&g->e, 0xff, false, 6, (X64Mem){ X64_RIP, X64_NONE, 0, (int32_t)x64_here(g) + 11 }, 0);
    x64_jmp(&g->e, x64_stub(g, X64_STUB_deopt));
    g->side_at = x64_here(g);
    x64_imm64(&g->e, 0);
}

/* A jump to the deopt of this place was just emitted: its last byte names the record. */
static void deopt_here(X64Gen *g, uint8_t *jump, unsigned trap, uint64_t value, uint64_t pc)
{
    X64Cold *c = x64_cold(g, emit_deopt, jump);

    c->index = trap;
    c->value = value;
    x64_map_at(g, c->back - 1, pc);
}

RULE_FN(lower_safepoint)
{
    (void)ref, (void)arg;
    compare_exit_req(g);
    deopt_here(g, x64_jcc(&g->e, X64_CC_NE, NULL), IR_TRAP_interrupt, 0, (uint64_t)i->imm);
}

RULE_FN(lower_trap_if)
{
    X64Cmp c = x64_cmp_of(g, i->arg[0]);
    uint64_t arg64 = (uint64_t)i->imm;

    (void)ref, (void)arg;
    x64_end_uses(g);
    x64_emit_cmp(g, &c);
    if (c.cond.parity == X64_OR_P) {
        deopt_here(g, x64_jcc(&g->e, X64_CC_P, NULL), i->aux, arg64, g->guest_pc);
    }
    if (c.cond.parity == X64_AND_NP) {
        uint8_t *skip = x64_jcc8(&g->e, X64_CC_P);

        deopt_here(g, x64_jcc(&g->e, c.cond.cc, NULL), i->aux, arg64, g->guest_pc);
        x64_patch8(&g->e, skip);
        return;
    }
    deopt_here(g, x64_jcc(&g->e, c.cond.cc, NULL), i->aux, arg64, g->guest_pc);
}

/* ---- Branches ---- */

X64Cond x64_invert(X64Cond c)
{
    c.cc ^= 1;
    if (c.parity) {
        c.parity = c.parity == X64_AND_NP ? X64_OR_P : X64_AND_NP;
    }
    return c;
}

static void jump_if(X64Gen *g, X64Cond c, IrBlockId b)
{
    if (c.parity == X64_AND_NP) {
        uint8_t *skip = x64_jcc8(&g->e, X64_CC_P);

        x64_jcc_block(g, c.cc, b);
        x64_patch8(&g->e, skip);
        return;
    }
    x64_jcc_block(g, c.cc, b);
    if (c.parity == X64_OR_P) {
        x64_jcc_block(g, X64_CC_P, b);
    }
}

static bool is_next(const X64Gen *g, IrBlockId b)
{
    uint32_t k = g->block[g->now].order + 1;

    while (k < g->n_order && g->block[g->order[k]].done) {
        k++;
    }
    return k < g->n_order && g->order[k] == b;
}

/* A block with one predecessor goes on from this state. */
static void leave_state(X64Gen *g, IrBlockId b)
{
    if (g->block[b].n_preds == 1 && !is_next(g, b)) {
        g->block[b].state = x64_state_save(g);
    }
}

static void finish_edge(X64Gen *g, const IrEdge *edge, bool moves)
{
    if (moves) {
        (void)x64_edge(g, edge, false);
    }
    if (!is_next(g, edge->block)) {
        x64_jump_block(g, edge->block);
    }
}

RULE_FN(lower_br)
{
    const IrEdge *edge = &g->f->edge[i->imm];

    (void)ref, (void)arg;
    leave_state(g, edge->block);
    finish_edge(g, edge, x64_edge(g, edge, true));
}

/* Jumps that are taken when the condition holds, for land(). */
static void jump_around(X64Gen *g, X64Cond c, uint8_t *around[2])
{
    if (c.parity == X64_AND_NP) {
        uint8_t *skip = x64_jcc8(&g->e, X64_CC_P);

        around[0] = x64_jcc(&g->e, c.cc, NULL);
        around[1] = NULL;
        x64_patch8(&g->e, skip);
    } else {
        around[0] = x64_jcc(&g->e, c.cc, NULL);
        around[1] = c.parity ? x64_jcc(&g->e, X64_CC_P, NULL) : NULL;
    }
}

static void land(X64Gen *g, uint8_t *around[2])
{
    for (unsigned k = 0; k < 2 && around[k]; k++) {
        x64_patch(around[k], g->e.p);
    }
}

/* Both ways need moves, or the one that does is not last: around the first one's. */
static void branch_around(X64Gen *g, X64Cond c, const IrEdge *yes, const IrEdge *no, bool no_moves)
{
    uint8_t *around[2];

    jump_around(g, x64_invert(c), around);
    (void)x64_edge(g, yes, false);
    x64_jump_block(g, yes->block);
    land(g, around);
    finish_edge(g, no, no_moves);
}

/* A block that only leaves the unit, and has nothing to do for it: the branch itself can be the
 * exit.  Returns that exit. */
static const IrInsn *bare_exit(const X64Gen *g, IrBlockId b)
{
    const IrFunc *f = g->f;
    IrRef ref = f->block[b].first;

    while (f->insn[ref].op == IR_OP_insn || f->insn[ref].op == IR_OP_const) {
        ref = f->insn[ref].next;
    }
    if (f->insn[ref].op != IR_OP_exit || f->insn[ref].aux & IR_EXIT_POLL ||
        g->block[b].n_preds != 1) {
        return NULL;
    }
    return x64_leaves_freely(g) ? &f->insn[ref] : NULL;
}

/* ---- Branches out ---- */

static void emit_side_exit(X64Gen *g, const X64Cold *c)
{
    if (c->leave) {
        x64_leave_later(g, c->leave);
    }
    direct_exit(g, c->value, c->index);
}

/* Jumps to the way out, which comes after all other code. */
static void exit_later(X64Gen *g, X64Cond c, const IrInsn *exit, X64Leave *leave)
{
    uint8_t *skip = c.parity == X64_AND_NP ? x64_jcc8(&g->e, X64_CC_P) : NULL;
    X64Cold *cold = x64_cold(g, emit_side_exit, x64_jcc(&g->e, c.cc, NULL));

    cold->value = (uint64_t)exit->imm;
    cold->index = exit->aux;
    cold->leave = leave;
    if (skip) {
        x64_patch8(&g->e, skip);
    } else if (c.parity == X64_OR_P) {
        cold->also = (uint32_t)(x64_jcc(&g->e, X64_CC_P, NULL) - g->e.start);
    }
}

/* Jumps out when the condition holds. */
static void exit_if(X64Gen *g, X64Cond c, IrBlockId b, const IrInsn *exit)
{
    g->block[b].done = true;
    if (exit->aux & IR_EXIT_FAR) {
        exit_later(g, c, exit, NULL);
        return;
    }
    align_exit(g, 2);
    note_exit(g, x64_jcc(&g->e, c.cc, NULL), (uint64_t)exit->imm, exit->aux);
}

/* The way out of a loop's end is hot: it stays here, and the superblock goes on behind it. */
static void exit_here(X64Gen *g, X64Cond c, const IrInsn *exit)
{
    X64Cond go_on = x64_invert(c);
    uint8_t *around[2];

    jump_around(g, go_on, around);
    emit_exit(g, exit);
    land(g, around);
}

static void branch_out(X64Gen *g, X64Cond c, const IrEdge *edge)
{
    bool taken = is_next(g, edge[1].block);
    const IrInsn *exit = x64_insn(g, g->f->block[edge[!taken].block].first);
    X64Leave *leave;

    c = taken ? c : x64_invert(c);
    if (exit->aux & IR_EXIT_POLL) {
        exit_here(g, c, exit);
        return;
    }
    leave = x64_leave_plan(g);
    if (leave || c.parity || exit->aux & IR_EXIT_FAR) {
        exit_later(g, c, exit, leave);
    } else {
        align_exit(g, 2);
        note_exit(g, x64_jcc(&g->e, c.cc, NULL), (uint64_t)exit->imm, exit->aux);
    }
}

RULE_FN(lower_brif)
{
    const IrEdge *yes = &g->f->edge[i->imm], *no = yes + 1;
    X64Cmp c = x64_cmp_of(g, i->arg[0]);
    bool yes_moves, no_moves;

    (void)ref, (void)arg;
    x64_emit_cmp(g, &c);
    if (g->chain) {
        branch_out(g, c.cond, yes);
        return;
    }
    if (!c.cond.parity && bare_exit(g, yes->block)) {
        exit_if(g, c.cond, yes->block, bare_exit(g, yes->block));
        leave_state(g, no->block);
        finish_edge(g, no, x64_edge(g, no, true));
        return;
    }
    if (!c.cond.parity && bare_exit(g, no->block)) {
        exit_if(g, x64_invert(c.cond), no->block, bare_exit(g, no->block));
        leave_state(g, yes->block);
        finish_edge(g, yes, x64_edge(g, yes, true));
        return;
    }
    leave_state(g, yes->block);
    leave_state(g, no->block);
    yes_moves = x64_edge(g, yes, true);
    no_moves = x64_edge(g, no, true);
    if (!yes_moves && !(is_next(g, yes->block) && !no_moves)) {
        if (is_next(g, yes->block)) {
            branch_around(g, x64_invert(c.cond), no, yes, false);
            return;
        }
        jump_if(g, c.cond, yes->block);
        finish_edge(g, no, no_moves);
    } else if (!no_moves) {
        jump_if(g, x64_invert(c.cond), no->block);
        finish_edge(g, yes, yes_moves);
    } else {
        branch_around(g, c.cond, yes, no, no_moves);
    }
}
