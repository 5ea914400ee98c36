/* SPDX-License-Identifier: Apache-2.0 */
#include "backends/x86_64/gen.h"

#include "backends/x86_64/host.h"
#include "base/bits.h"

/* Distances that stand for "only the guest's state needs it": see cost(). */
enum { FAR_SLOT = 400, FAR_PIN = 150 };

/* ---- Uses ---- */

static inline uint32_t next_use(const X64Gen *g, const X64Val *v, uint32_t use)
{
    if (use && g->use[use].pos <= g->block_end) {
        return g->use[use].pos;
    }
    if (v->global && g->dist_out) {
        uint32_t d = g->dist_out[(size_t)g->now * (g->n_globals + 1) + v->global];

        return d == X64_NEVER ? X64_NEVER : g->block_end + 1 + d;
    }
    return X64_NEVER;
}

uint32_t x64_next_after(const X64Gen *g, IrRef ref)
{
    const X64Val *v = &g->val[ref];
    uint32_t use = v->uses;

    while (use && g->use[use].pos <= g->at) {
        use = g->use[use].next;
    }
    return next_use(g, v, use);
}

static inline void refresh(const X64Gen *g, X64Val *v)
{
    while (v->uses && g->use[v->uses].pos <= g->pos) {
        v->uses = g->use[v->uses].next;
    }
    v->next = next_use(g, v, v->uses);
}

void x64_refresh(X64Gen *g, IrRef ref)
{
    refresh(g, &g->val[ref]);
}

bool x64_dies(const X64Gen *g, IrRef ref)
{
    IrRef r = g->val[ref].rep;
    unsigned n_dirty = g->val[r].n_dirty;

    if (n_dirty && g->fwd != X64_SLOT_NONE && g->s.slot_val[g->fwd] == r &&
        (g->s.slot_flag[g->fwd] & X64_DIRTY)) {
        n_dirty--;
    }
    return !n_dirty && x64_next_after(g, r) == X64_NEVER;
}

/* ---- Binding ---- */

static void touch(X64Gen *g, IrRef ref)
{
    for (unsigned w = 0; w < 2 && g->val[ref].n_dirty; w++) {
        for (uint64_t d = g->dirty[w]; d; d &= d - 1) {
            unsigned s = w * 64 + (unsigned)__builtin_ctzll(d);

            if (g->s.slot_val[s] == ref) {
                g->changed[w] |= d & -d;
            }
        }
    }
}

/* The register gets other contents. */
static void claim(X64Gen *g, X64Reg r)
{
    g->free &= ~X64_BIT(r);
    if (g->s.found_regs & X64_BIT(r)) {
        x64_forget_found(g, X64_BIT(r));
    }
}

void x64_bind(X64Gen *g, IrRef v, X64Reg r)
{
    g->s.reg_val[r] = v;
    g->val[v].reg = r;
    claim(g, r);
    touch(g, v);
}

static void unbind(X64Gen *g, X64Reg r)
{
    IrRef v = g->s.reg_val[r];

    g->val[v].reg = X64_NONE;
    g->s.reg_val[r] = 0;
    g->free |= X64_BIT(r);
    touch(g, v);
}

void x64_drop_if_dead(X64Gen *g, IrRef ref)
{
    X64Val *v = &g->val[ref];

    if (v->next != X64_NEVER || v->n_dirty) {
        return;
    }
    if (v->reg != X64_NONE) {
        unbind(g, v->reg);
    }
    if (v->spill) {
        g->s.spill_val[v->spill - 1] = 0;
        v->spill = 0;
    }
}

/* ---- Moving values ---- */

void x64_store_const(X64Gen *g, X64Mem m, uint64_t v)
{
    if ((int64_t)v == (int32_t)v) {
        x64_rm(&g->e, 0xc7, true, 0, m, 4);
        x64_imm32(&g->e, (int64_t)v);
        return;
    }
    for (unsigned k = 0; k < 2; k++, m.disp += 4) {
        x64_rm(&g->e, 0xc7, false, 0, m, 4);
        x64_imm32(&g->e, (int64_t)(v >> 32 * k));
    }
}

/* No gpr may be at hand: by way of the last frame word. */
static void fetch_float_const(X64Gen *g, uint64_t v, X64Reg r)
{
    if (v == 0) {
        x64_rr(&g->e, X64_0F | 0x57, false, r, r); /* xorps */
        return;
    }
    x64_store_const(g, x64_spill_mem(X64_SPILLS), v);
    x64_load(&g->e, r, x64_spill_mem(X64_SPILLS));
}

void x64_remat(X64Gen *g, IrRef ref, X64Reg r)
{
    uint64_t c;

    CHECK(x64_const(g, ref, &c), "not a constant");
    if (r < 16) {
        x64_mov_ri(&g->e, r, c);
    } else {
        fetch_float_const(g, c, r);
    }
}

void x64_fetch(X64Gen *g, IrRef ref, X64Reg r)
{
    const X64Val *v = &g->val[ref];

    if (v->reg != X64_NONE) {
        if (v->reg != r) {
            x64_mov_rr(&g->e, true, r, v->reg);
        }
    } else if (v->is_const) {
        x64_remat(g, ref, r);
    } else if (v->spill) {
        x64_load(&g->e, r, x64_spill_mem(v->spill));
    } else if (v->home != X64_SLOT_NONE) {
        x64_load(&g->e, r, x64_slot_mem(v->home));
    } else {
        CHECK(false, "value %u is nowhere", ref);
    }
}

void x64_spill(X64Gen *g, IrRef ref)
{
    X64Val *v = &g->val[ref];
    uint32_t k = 0;

    while (k < g->s.n_spills && (g->s.spill_val[k] || k + 1 == g->kept_spill)) {
        k++;
    }
    if (k == g->s.n_spills) {
        if (k >= X64_SPILLS - 3) {
            g->big = true;
            return;
        }
        g->s.n_spills++;
    }
    g->s.spill_val[k] = ref;
    v->spill = (uint16_t)(k + 1);
    x64_store(&g->e, v->reg, x64_spill_mem(v->spill));
    touch(g, ref);
}

static void nan_to_reg(X64Gen *g, const X64Cold *c)
{
    x64_load(&g->e, c->reg[0], x64_known(g, c->type == IR_F64 ? X64_K_NAN64 : X64_K_NAN32));
    x64_cold_return(g, c);
}

static void nan_to_slot(X64Gen *g, const X64Cold *c)
{
    X64Mem m = x64_slot_mem(c->index);

    if (c->type == IR_F64) {
        x64_store_const(g, m, UINT64_C(0x7ff8000000000000));
    } else {
        x64_rm(&g->e, 0xc7, false, 0, m, 4);
        x64_imm32(&g->e, 0x7fc00000);
    }
    x64_cold_return(g, c);
}

void x64_fix_reg(X64Gen *g, X64Reg r, unsigned type, unsigned flags, IrRef top)
{
    if (flags & X64_CALC) {
        x64_calc_emit(g, top, r);
    }
    if (flags & X64_CANON) {
        X64Cold *c;

        x64_rr(&g->e, X64_0F | 0x2e | (type == IR_F64 ? X64_66 : 0), false, r, r);
        c = x64_cold(g, nan_to_reg, x64_jcc(&g->e, X64_CC_P, NULL));
        c->reg[0] = r;
        c->type = (uint8_t)type;
    }
    if (flags & X64_SEXT) {
        x64_rr(&g->e, 0x63, true, r, r); /* movsxd */
    }
    if (flags & X64_BOX) {
        x64_rm(&g->e, X64_0F | 0x56, false, r, x64_known(g, X64_K_BOX32), 0); /* orps */
    }
}

/* Memory gets the low half of `r`, sign-extended, by way of the scratch register. */
static void store_extended(X64Gen *g, X64Mem m, X64Reg r)
{
    if (r != X64_SCRATCH) {
        x64_mov_rr(&g->e, false, X64_SCRATCH, r);
    }
    x64_rr(&g->e, X64_66 | X64_0F38 | 0x25, false, X64_SCRATCH, X64_SCRATCH); /* pmovsxdq */
    x64_store(&g->e, X64_SCRATCH, m);
}

void x64_emit_lazy_store(X64Gen *g, unsigned slot, X64Reg r, unsigned flags)
{
    X64Mem m = x64_slot_mem(slot);

    if (flags & X64_BOX) {
        x64_rm(&g->e, X64_F3 | X64_0F | 0x11, false, r, m, 0); /* movss */
        m.disp += 4;
        x64_rm(&g->e, 0xc7, false, 0, m, 4);
        x64_imm32(&g->e, -1);
    } else if (flags & X64_SEXT) {
        store_extended(g, m, r);
    } else {
        x64_store(&g->e, r, m);
    }
    if (flags & X64_CANON) {
        unsigned type = flags & X64_BOX ? IR_F32 : IR_F64;
        X64Cold *cold;

        x64_rr(&g->e, X64_0F | 0x2e | (type == IR_F64 ? X64_66 : 0), false, r, r);
        cold = x64_cold(g, nan_to_slot, x64_jcc(&g->e, X64_CC_P, NULL));
        cold->type = (uint8_t)type;
        cold->index = slot;
    }
}

/* Memory gets what the slot's chain makes of its value.  Without a free register rax is put aside
 * in a frame word. */
static void store_calc(X64Gen *g, unsigned slot)
{
    uint32_t avail = g->free & X64_GPRS & ~g->locked;
    X64Reg r = avail ? (X64Reg)__builtin_ctz(avail) : X64_RAX;

    if (!avail) {
        x64_store(&g->e, r, x64_spill_mem(X64_CALC_SPILL));
    } else {
        x64_forget_found(g, X64_BIT(r));
    }
    x64_fetch(g, g->s.slot_val[slot], r);
    x64_calc_emit(g, g->s.slot_top[slot], r);
    x64_store(&g->e, r, x64_slot_mem(slot));
    if (!avail) {
        x64_load(&g->e, r, x64_spill_mem(X64_CALC_SPILL));
    }
}

void x64_emit_slot_store(X64Gen *g, unsigned slot)
{
    IrRef ref = g->s.slot_val[slot];
    const X64Val *v = &g->val[ref];
    unsigned flags = g->s.slot_flag[slot];
    X64Reg r = v->reg;
    uint64_t c;

    if (flags & X64_CALC) {
        store_calc(g, slot);
        return;
    }
    if (r == X64_NONE && v->is_const && !(flags & X64_LAZY) && x64_const(g, ref, &c)) {
        x64_store_const(g, x64_slot_mem(slot), c);
        return;
    }
    if (r == X64_NONE) {
        r = X64_SCRATCH;
        x64_fetch(g, ref, r);
    }
    x64_emit_lazy_store(g, slot, r, flags);
}

/* ---- Slots ---- */

static void set_clean(X64Gen *g, unsigned slot)
{
    X64Val *v = &g->val[g->s.slot_val[slot]];

    g->s.slot_flag[slot] &= (uint8_t)~X64_DIRTY;
    g->dirty[slot / 64] &= ~(UINT64_C(1) << slot % 64);
    g->changed[slot / 64] |= UINT64_C(1) << slot % 64;
    v->n_dirty--;
    if (!(g->s.slot_flag[slot] & X64_NO_HOME) && v->home == X64_SLOT_NONE) {
        v->home = (uint8_t)slot;
        touch(g, g->s.slot_val[slot]);
    }
}

void x64_store_slot(X64Gen *g, unsigned slot)
{
    if (g->s.slot_val[slot] && (g->s.slot_flag[slot] & X64_DIRTY)) {
        x64_emit_slot_store(g, slot);
        set_clean(g, slot);
    }
}

/* Another slot whose memory has the value */
static uint8_t other_home(const X64Gen *g, IrRef ref, unsigned slot)
{
    for (unsigned s = 0; g->val[ref].n_pend > 1 && s < VCPU_SLOTS; s++) {
        if (s != slot && g->s.slot_val[s] == ref &&
            !(g->s.slot_flag[s] & (X64_DIRTY | X64_NO_HOME))) {
            return (uint8_t)s;
        }
    }
    return X64_SLOT_NONE;
}

static void load(X64Gen *g, IrRef r);

/* What the value needs to live on is done first. */
void x64_forget_slot(X64Gen *g, unsigned slot)
{
    IrRef old = g->s.slot_val[slot];
    X64Val *v = &g->val[old];

    if (!old) {
        return;
    }
    if (g->s.slot_flag[slot] & X64_DIRTY) {
        v->n_dirty--;
        g->dirty[slot / 64] &= ~(UINT64_C(1) << slot % 64);
        g->changed[slot / 64] |= UINT64_C(1) << slot % 64;
    } else if (v->home == slot) {
        if (v->reg == X64_NONE && !v->spill && !v->is_const &&
            other_home(g, old, slot) == X64_SLOT_NONE) {
            x64_refresh(g, old);
            if (v->next != X64_NEVER || v->n_dirty) {
                load(g, old);
            }
        }
        v->home = other_home(g, old, slot);
        touch(g, old);
    }
    v->n_pend--;
    x64_state_slot(&g->s, slot, 0, 0);
}

void x64_set_slot(X64Gen *g, unsigned slot, IrRef ref, uint8_t flags, IrRef top)
{
    IrRef old = g->s.slot_val[slot];
    X64Val *v = &g->val[ref];

    if (old == ref && (g->s.slot_flag[slot] & X64_LAZY) == flags &&
        (!(flags & X64_CALC) || g->s.slot_top[slot] == top)) {
        return;
    }
    x64_forget_slot(g, slot);
    x64_state_slot(&g->s, slot, ref, flags | X64_DIRTY);
    g->s.slot_top[slot] = top;
    g->dirty[slot / 64] |= UINT64_C(1) << slot % 64;
    g->changed[slot / 64] |= UINT64_C(1) << slot % 64;
    v->n_pend++;
    v->n_dirty++;
    if (old && old != ref) {
        x64_refresh(g, old);
        x64_drop_if_dead(g, old);
    }
}

void x64_release_slot(X64Gen *g, unsigned slot)
{
    IrRef old = g->s.slot_val[slot];

    if (!old || !(g->s.slot_flag[slot] & X64_DIRTY)) {
        return;
    }
    if (g->faulting) {
        g->held = (uint8_t)slot;
        g->held_loc = x64_loc(g, slot);
        g->kept_spill = g->val[old].spill;
    }
    x64_forget_slot(g, slot);
    x64_refresh(g, old);
    x64_drop_if_dead(g, old);
}

void x64_store_all(X64Gen *g, bool forget)
{
    for (unsigned w = 0; w < 2; w++) {
        while (g->dirty[w]) {
            x64_store_slot(g, w * 64 + (unsigned)__builtin_ctzll(g->dirty[w]));
        }
    }
    for (unsigned s = 0; s < VCPU_SLOTS; s++) {
        IrRef v = g->s.slot_val[s];

        if (v && forget) {
            x64_forget_slot(g, s);
        }
        if (v) {
            x64_refresh(g, v);
            x64_drop_if_dead(g, v);
        }
    }
}

/* ---- Registers ---- */

static bool in_memory(const X64Val *v)
{
    return v->is_const || v->spill || v->home != X64_SLOT_NONE;
}

/* How little it costs to take the value's register away: the distance to its next use. */
static uint32_t distance(X64Gen *g, X64Reg r)
{
    IrRef ref = g->s.reg_val[r];
    X64Val *v = &g->val[ref];
    uint32_t d;

    if (v->next <= g->pos) {
        x64_refresh(g, ref);
    }
    if (v->next == X64_NEVER) {
        if (!v->n_dirty) {
            return X64_NEVER;
        }
        return x64_pins.slot_of[r] != X64_SLOT_NONE &&
                       g->s.slot_val[x64_pins.slot_of[r]] == ref ? FAR_PIN : FAR_SLOT;
    }
    d = v->next - g->pos;
    return in_memory(v) ? d + d / 2 + 4 : d;
}

void x64_evict(X64Gen *g, X64Reg r)
{
    IrRef ref = g->s.reg_val[r];
    X64Val *v = &g->val[ref];

    x64_refresh(g, ref);
    for (unsigned w = 0; w < 2 && v->n_dirty; w++) {
        for (uint64_t d = g->dirty[w]; d; d &= d - 1) {
            unsigned s = w * 64 + (unsigned)__builtin_ctzll(d);

            if (g->s.slot_val[s] == ref && !(g->s.slot_flag[s] & X64_CALC)) {
                x64_store_slot(g, s);
            }
        }
    }
    if ((v->next != X64_NEVER || v->n_dirty) && !in_memory(v)) {
        x64_spill(g, ref);
    }
    if (v->next == X64_NEVER) {
        x64_drop_if_dead(g, ref);
    }
    if (v->reg == r) {
        unbind(g, r);
    }
}

static X64Reg victim(X64Gen *g, uint32_t allowed)
{
    X64Reg best = X64_NONE;
    uint32_t best_d = 0;

    for (uint32_t m = allowed & ~g->locked & ~g->temps & ~g->free; m; m &= m - 1) {
        X64Reg r = (X64Reg)__builtin_ctz(m);
        uint32_t d = distance(g, r);

        if (best == X64_NONE || d > best_d) {
            best = r;
            best_d = d;
        }
    }
    CHECK(best != X64_NONE, "no register is left");
    return best;
}

/* The registers in `avail` that are best given away: those that pin nothing. */
static X64Reg pick(uint32_t avail)
{
    uint32_t best = avail & (x64_pins.unpinned | 0x7f810000u);

    return (X64Reg)__builtin_ctz(best ? best : avail);
}

static X64Reg take_one(X64Gen *g, uint32_t allowed)
{
    uint32_t avail = g->free & allowed, useless = avail & ~g->s.found_regs;
    X64Reg r;

    if (avail) {
        return pick(useless ? useless : avail);
    }
    r = victim(g, allowed);
    x64_evict(g, r);
    return r;
}

static uint32_t class_of(unsigned type)
{
    return x64_is_float(type) ? X64_XMMS : X64_GPRS;
}

/* Changes what an eviction may change. */
static void poison(X64Gen *g, uint32_t class_mask)
{
    if (x64_poison) {
        x64_rr(&g->e, X64_66 | X64_0F | 0x76, false, X64_SCRATCH, X64_SCRATCH); /* pcmpeqd */
        if (class_mask & X64_XMMS) {
            x64_rr(&g->e, X64_66 | X64_0F | 0x2e, false, X64_SCRATCH, X64_SCRATCH); /* ucomisd */
        }
    }
}

X64Reg x64_temp(X64Gen *g, uint32_t class_mask)
{
    X64Reg r = take_one(g, class_mask & ~g->locked);

    poison(g, class_mask);
    claim(g, r);
    g->locked |= X64_BIT(r);
    g->temps |= X64_BIT(r);
    return r;
}

/* Another register for the value in `r`, when there is a free one or this insn uses the value;
 * else it goes to memory. */
static void relocate(X64Gen *g, X64Reg r)
{
    IrRef ref = g->s.reg_val[r];
    uint32_t allowed = (r < 16 ? X64_GPRS : X64_XMMS) & ~g->locked & ~X64_BIT(r);
    X64Val *v = &g->val[ref];

    x64_refresh(g, ref);
    if (v->next == g->at || (allowed & g->free && (v->next != X64_NEVER || v->n_dirty))) {
        X64Reg to = take_one(g, allowed);

        x64_mov_rr(&g->e, true, to, r);
        unbind(g, r);
        x64_bind(g, ref, to);
    } else {
        x64_evict(g, r);
    }
}

void x64_take(X64Gen *g, X64Reg r)
{
    CHECK(!(g->temps & X64_BIT(r)), "register %u is taken twice", r);
    poison(g, X64_BIT(r));
    if (!(g->free & X64_BIT(r))) {
        CHECK(!(g->locked & X64_BIT(r)), "register %u is an operand", r);
        relocate(g, r);
    }
    claim(g, r);
    g->locked |= X64_BIT(r);
    g->temps |= X64_BIT(r);
}

void x64_note_use(X64Gen *g, IrRef r)
{
    CHECK(g->n_used < sizeof(g->used) / sizeof(*g->used), "too many operands");
    g->used[g->n_used++] = r;
}

/* Value `r` gets a register, which another one may take again. */
static void load(X64Gen *g, IrRef r)
{
    const X64Val *v = &g->val[r];
    uint32_t allowed = class_of(v->type) & ~g->locked;
    X64Reg reg = v->hint != X64_NONE && (g->free & allowed & X64_BIT(v->hint)) ? v->hint
                                                                               : take_one(g, allowed);

    x64_fetch(g, r, reg);
    x64_bind(g, r, reg);
}

X64Reg x64_use(X64Gen *g, IrRef ref)
{
    IrRef r = g->val[ref].rep;
    const X64Val *v = &g->val[r];

    poison(g, class_of(v->type));
    if (v->reg == X64_NONE) {
        load(g, r);
    }
    g->locked |= X64_BIT(v->reg);
    x64_note_use(g, r);
    return v->reg;
}

void x64_use_in(X64Gen *g, IrRef ref, X64Reg reg, bool clobber)
{
    IrRef r = g->val[ref].rep;
    X64Val *v = &g->val[r];

    poison(g, X64_BIT(reg));
    if (v->reg == reg) {
        if (!clobber) {
            g->locked |= X64_BIT(reg);
            x64_note_use(g, r);
            return;
        }
        if (!x64_dies(g, r)) {
            relocate(g, reg);
        } else {
            unbind(g, reg);
        }
        claim(g, reg);
        g->locked |= X64_BIT(reg);
        g->temps |= X64_BIT(reg);
        x64_note_use(g, r);
        return;
    }
    x64_take(g, reg);
    x64_fetch(g, r, reg);
    x64_note_use(g, r);
}

bool x64_use_mem(X64Gen *g, IrRef ref, X64Mem *m)
{
    IrRef r = g->val[ref].rep;
    const X64Val *v = &g->val[r];

    if (v->reg != X64_NONE || v->is_const || (!v->spill && v->home == X64_SLOT_NONE)) {
        return false;
    }
    if (x64_next_after(g, r) != X64_NEVER && (g->free & class_of(v->type) & ~g->locked)) {
        return false; /* better loaded, for the next use too */
    }
    g->kept_spill = v->spill;
    *m = v->spill ? x64_spill_mem(v->spill) : x64_slot_mem(v->home);
    x64_note_use(g, r);
    return true;
}

void x64_end_uses(X64Gen *g)
{
    g->pos = g->at;
    poison(g, X64_XMMS);
    if (g->fwd != X64_SLOT_NONE) {
        x64_release_slot(g, g->fwd);
        g->fwd = X64_SLOT_NONE;
    }
    for (unsigned k = 0; k < g->n_used; k++) {
        X64Val *v = &g->val[g->used[k]];

        refresh(g, v);
        if (v->next == X64_NEVER && !v->n_dirty) {
            x64_drop_if_dead(g, g->used[k]);
        }
    }
    g->n_used = 0;
}

X64Reg x64_hint(const X64Gen *g, IrRef ref)
{
    X64Reg h = g->val[ref].hint;

    return h != X64_NONE && (g->free & X64_BIT(h)) ? h : X64_NONE;
}

static void finish_def(X64Gen *g, IrRef ref, X64Reg r)
{
    poison(g, X64_BIT(r));
    x64_bind(g, ref, r);
    x64_refresh(g, ref);
    g->locked |= X64_BIT(r);
}

X64Reg x64_def(X64Gen *g, IrRef ref, uint32_t avoid)
{
    X64Reg h = x64_hint(g, ref);
    X64Reg r = h != X64_NONE && !(avoid & X64_BIT(h))
                   ? h
                   : take_one(g, class_of(g->val[ref].type) & ~avoid);

    finish_def(g, ref, r);
    return r;
}

X64Reg x64_def_like(X64Gen *g, IrRef ref, X64Reg a)
{
    if (x64_hint(g, ref) == X64_NONE && (g->free & X64_BIT(a))) {
        finish_def(g, ref, a);
        return a;
    }
    return x64_def(g, ref, 0);
}

X64Reg x64_def_over(X64Gen *g, IrRef ref, X64Reg a, uint32_t avoid)
{
    X64Reg h = x64_hint(g, ref), r;

    if (h != X64_NONE && h != a && !(avoid & X64_BIT(h))) {
        r = h;
    } else if (g->free & X64_BIT(a)) {
        r = a;
    } else {
        r = take_one(g, class_of(g->val[ref].type) & ~avoid & ~X64_BIT(a));
    }
    if (r != a) {
        x64_mov_rr(&g->e, true, r, a);
    }
    finish_def(g, ref, r);
    return r;
}

void x64_def_in(X64Gen *g, IrRef ref, X64Reg r)
{
    g->temps &= ~X64_BIT(r);
    finish_def(g, ref, r);
}

void x64_end_insn(X64Gen *g)
{
    x64_end_uses(g);
    g->free |= g->temps;
    g->temps = 0;
    g->locked = 0;
    g->kept_spill = 0;
    g->held = X64_SLOT_NONE;
    g->faulting = false;
}

void x64_save_caller_saved(X64Gen *g)
{
    x64_forget_found(g, UINT32_MAX);
    for (uint32_t m = X64_CALLER_SAVED & ~g->free & ~g->temps & (X64_GPRS | X64_XMMS); m;
         m &= m - 1) {
        x64_evict(g, (X64Reg)__builtin_ctz(m));
    }
}

/* ---- Whole states ---- */

X64State *x64_state_save(X64Gen *g)
{
    size_t size = offsetof(X64State, spill_val) + g->s.n_spills * sizeof(IrRef);
    X64State *s = arena_raw(g->arena, size);

    memcpy(s, &g->s, size);
    return s;
}

static void forget_state(X64Gen *g)
{
    for (unsigned r = 0; r < X64_REGS; r++) {
        g->val[g->s.reg_val[r]].reg = X64_NONE;
    }
    for (unsigned w = 0; w < 2; w++) {
        for (uint64_t k = g->s.known[w]; k; k &= k - 1) {
            X64Val *v = &g->val[g->s.slot_val[w * 64 + (unsigned)__builtin_ctzll(k)]];

            v->n_pend = v->n_dirty = 0;
            v->home = X64_SLOT_NONE;
        }
        g->changed[w] |= g->s.known[w];
        g->dirty[w] = 0;
    }
    for (uint32_t k = 0; k < g->s.n_spills; k++) {
        g->val[g->s.spill_val[k]].spill = 0;
    }
}

static void adopt_slot(X64Gen *g, unsigned slot)
{
    X64Val *v = &g->val[g->s.slot_val[slot]];

    v->n_pend++;
    if (g->s.slot_flag[slot] & X64_DIRTY) {
        v->n_dirty++;
        g->dirty[slot / 64] |= UINT64_C(1) << slot % 64;
    } else if (!(g->s.slot_flag[slot] & X64_NO_HOME)) {
        v->home = (uint8_t)slot;
    }
}

static void adopt_slots(X64Gen *g)
{
    for (unsigned w = 0; w < 2; w++) {
        for (uint64_t k = g->s.known[w]; k; k &= k - 1) {
            adopt_slot(g, w * 64 + (unsigned)__builtin_ctzll(k));
        }
        g->changed[w] |= g->s.known[w];
    }
}

void x64_state_set(X64Gen *g, const X64State *s)
{
    forget_state(g);
    memcpy(&g->s, s, offsetof(X64State, spill_val) + s->n_spills * sizeof(IrRef));
    adopt_slots(g);
    g->free = X64_GPRS | X64_XMMS;
    for (unsigned r = 0; r < X64_REGS; r++) {
        if (g->s.reg_val[r]) {
            g->val[g->s.reg_val[r]].reg = (uint8_t)r;
            g->free &= ~X64_BIT(r);
        }
    }
    for (uint32_t k = 0; k < g->s.n_spills; k++) {
        g->val[g->s.spill_val[k]].spill = g->s.spill_val[k] ? (uint16_t)(k + 1) : 0;
    }
}
