/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Where blocks meet: fixed locations at merges, parallel moves on edges and at exits.
 *
 * Nothing here changes the allocator's state but x64_begin_block(): edges only emit code.
 */
#include "backends/x86_64/gen.h"

#include "backends/x86_64/host.h"

/* Places as numbers: registers, then slots' memory, then frame words, then "no place". */
#define PLACE_SLOT 32u
#define PLACE_SPILL (PLACE_SLOT + VCPU_SLOTS)
#define PLACE_COUNT (PLACE_SPILL + X64_SPILLS + 1)
#define PLACE_CONST PLACE_COUNT
/* A frame word that no value gets */
#define PLACE_CYCLE (PLACE_SPILL + X64_SPILLS - 1)

enum {
    MOVES = 250,
    SPARE_GPRS = 4, /* what a loop needs for what it computes, at a guess */
};

typedef struct Move {
    uint16_t dst, src;
    IrRef val;     /* when src is PLACE_CONST */
    uint8_t flags; /* X64_LAZY, when dst is a slot */
} Move;

typedef struct X64Leave {
    unsigned n;
    bool overflow;
    unsigned n_fix; /* registers to make canonical or box afterwards */
    struct {
        uint8_t reg, type, flags;
        IrRef top;
    } fix[X64_PINS];
    Move m[MOVES];
} Moves;

static unsigned place_of(const X64Gen *g, IrRef ref)
{
    const X64Val *v = &g->val[ref];

    if (v->reg != X64_NONE) {
        return v->reg;
    }
    if (v->is_const) {
        return PLACE_CONST;
    }
    if (v->spill) {
        return PLACE_SPILL + v->spill;
    }
    CHECK(v->home != X64_SLOT_NONE, "value %u is nowhere at an edge", ref);
    return PLACE_SLOT + v->home;
}

static bool is_at(const X64Gen *g, IrRef ref, unsigned place)
{
    const X64Val *v = &g->val[ref];

    if (place < X64_REGS) {
        return v->reg == place;
    }
    return place >= PLACE_SPILL ? v->spill && PLACE_SPILL + v->spill == place
                                : v->home != X64_SLOT_NONE && PLACE_SLOT + v->home == place;
}

static void add_raw(Moves *ms, unsigned dst, unsigned src, IrRef val)
{
    if (ms->n == MOVES) {
        ms->overflow = true;
        return;
    }
    ms->m[ms->n++] = (Move){ .dst = (uint16_t)dst, .src = (uint16_t)src, .val = val };
}

static void add_move(const X64Gen *g, Moves *ms, unsigned dst, IrRef val)
{
    if (!is_at(g, val, dst)) {
        add_raw(ms, dst, place_of(g, val), val);
    }
}

static X64Mem place_mem(unsigned place)
{
    return place >= PLACE_SPILL ? x64_spill_mem(place - PLACE_SPILL)
                                : x64_slot_mem(place - PLACE_SLOT);
}

static void emit_const(X64Gen *g, unsigned dst, IrRef val)
{
    uint64_t c;

    if (dst < X64_REGS) {
        x64_remat(g, val, (X64Reg)dst);
    } else if (x64_const(g, val, &c)) {
        x64_store_const(g, place_mem(dst), c);
    }
}

/* A slot gets something else than the value. */
static void emit_lazy(X64Gen *g, const Move *m)
{
    X64Reg r = X64_SCRATCH;

    if (m->src == PLACE_CONST) {
        x64_remat(g, m->val, r);
    } else if (m->src < X64_REGS) {
        r = (X64Reg)m->src;
    } else {
        x64_load(&g->e, r, place_mem(m->src));
    }
    x64_emit_lazy_store(g, m->dst - PLACE_SLOT, r, m->flags);
}

static void emit_move(X64Gen *g, const Move *m)
{
    if (m->flags) {
        emit_lazy(g, m);
    } else if (m->src == PLACE_CONST) {
        emit_const(g, m->dst, m->val);
    } else if (m->dst < X64_REGS && m->src < X64_REGS) {
        x64_mov_rr(&g->e, true, (X64Reg)m->dst, (X64Reg)m->src);
    } else if (m->dst < X64_REGS) {
        x64_load(&g->e, (X64Reg)m->dst, place_mem(m->src));
    } else if (m->src < X64_REGS) {
        x64_store(&g->e, (X64Reg)m->src, place_mem(m->dst));
    } else {
        x64_load(&g->e, X64_SCRATCH, place_mem(m->src));
        x64_store(&g->e, X64_SCRATCH, place_mem(m->dst));
    }
}

/* All that is left are cycles: opens the one through the first move. */
static void break_cycle(X64Gen *g, Moves *ms, uint8_t *readers)
{
    Move *first = &ms->m[0];
    unsigned dst = first->dst, src = first->src, to = PLACE_CYCLE;

    if (dst < 16 && src < 16) {
        x64_rr(&g->e, 0x87, true, dst, src); /* xchg */
        to = src;
        first->src = first->dst;
        readers[dst]++;
        readers[src]--;
    } else {
        emit_move(g, &(Move){ .dst = PLACE_CYCLE, .src = (uint16_t)dst });
    }
    for (unsigned k = 1; k < ms->n; k++) {
        if (ms->m[k].src == dst) {
            ms->m[k].src = (uint16_t)to;
            readers[dst]--;
            readers[to]++;
        }
    }
}

/* Emits the moves that nothing waits for; false when there was none. */
static bool emit_ready(X64Gen *g, Moves *ms, uint8_t *readers)
{
    unsigned left = 0;
    bool any = false;

    for (unsigned k = 0; k < ms->n; k++) {
        Move m = ms->m[k];

        if (m.dst == m.src) {
            readers[m.src]--;
            any = true;
        } else if (readers[m.dst]) {
            ms->m[left++] = m;
        } else {
            emit_move(g, &m);
            if (m.src < PLACE_COUNT) {
                readers[m.src]--;
            }
            any = true;
        }
    }
    ms->n = left;
    return any;
}

static void emit_moves(X64Gen *g, Moves *ms)
{
    uint8_t *readers = g->readers; /* all zero before and after */

    _Static_assert(sizeof(g->readers) == PLACE_COUNT, "one count for each place");

    if (ms->overflow) {
        g->big = true;
        return;
    }
    for (unsigned k = 0; k < ms->n; k++) {
        if (ms->m[k].src < PLACE_COUNT) {
            readers[ms->m[k].src]++;
        }
    }
    while (ms->n) {
        if (!emit_ready(g, ms, readers)) {
            break_cycle(g, ms, readers);
        }
    }
    for (unsigned k = 0; k < ms->n_fix; k++) {
        x64_fix_reg(g, ms->fix[k].reg, ms->fix[k].type, ms->fix[k].flags, ms->fix[k].top);
    }
}

/* The pinned slot's value into a register. */
static void add_pin(const X64Gen *g, Moves *ms, unsigned slot, X64Reg reg)
{
    IrRef val = g->s.slot_val[slot];
    unsigned flags = g->s.slot_flag[slot];

    if (!val || (!(flags & X64_DIRTY) &&
                 ((flags & X64_LAZY) || g->val[val].reg == X64_NONE))) {
        add_raw(ms, reg, PLACE_SLOT + slot, 0);
        return;
    }
    add_move(g, ms, reg, val);
    if (flags & X64_LAZY) {
        ms->fix[ms->n_fix].reg = reg;
        ms->fix[ms->n_fix].type = flags & X64_BOX ? IR_F32 : IR_F64;
        ms->fix[ms->n_fix].top = g->s.slot_top[slot];
        ms->fix[ms->n_fix++].flags = (uint8_t)flags;
    }
}

/* All pinned slots into their registers. */
static void add_pins(const X64Gen *g, Moves *ms)
{
    for (unsigned p = 0; p < X64_PINS; p++) {
        unsigned slot = x64_pins.slot[p];
        X64Reg reg = x64_pins.reg[p];
        IrRef val;

        if (slot == X64_SLOT_NONE) {
            continue;
        }
        val = g->s.slot_val[slot];
        if (!val || g->s.reg_val[reg] != val || (g->s.slot_flag[slot] & X64_LAZY)) {
            add_pin(g, ms, slot, reg);
        }
    }
}

static bool to_store(unsigned slot)
{
    return x64_pins.reg_of[slot] == X64_NONE;
}

void x64_leave_unit(X64Gen *g, IrRef target)
{
    Moves ms;

    ms.n = ms.n_fix = 0;
    ms.overflow = false;
    for (unsigned w = 0; w < 2; w++) {
        for (uint64_t d = g->dirty[w]; d; d &= d - 1) {
            unsigned s = w * 64 + (unsigned)__builtin_ctzll(d);

            if (to_store(s)) {
                x64_emit_slot_store(g, s);
            }
        }
    }
    add_pins(g, &ms);
    if (target) {
        add_move(g, &ms, X64_RAX, g->val[target].rep);
    }
    emit_moves(g, &ms);
}

X64Leave *x64_leave_plan(const X64Gen *g)
{
    Moves ms, *plan;
    size_t size;

    ms.n = ms.n_fix = 0;
    ms.overflow = false;
    for (unsigned w = 0; w < 2; w++) {
        for (uint64_t d = g->dirty[w]; d; d &= d - 1) {
            unsigned s = w * 64 + (unsigned)__builtin_ctzll(d);

            if (to_store(s)) {
                IrRef val = g->s.slot_val[s];

                add_raw(&ms, PLACE_SLOT + s, place_of(g, val), val);
                ms.m[ms.n - 1].flags = g->s.slot_flag[s] & X64_LAZY;
            }
        }
    }
    add_pins(g, &ms);
    if (!ms.n && !ms.n_fix) {
        return NULL;
    }
    size = offsetof(Moves, m) + ms.n * sizeof(Move);
    plan = arena_raw(g->arena, size);
    memcpy(plan, &ms, size);
    return plan;
}

void x64_leave_later(X64Gen *g, X64Leave *plan)
{
    emit_moves(g, plan);
}

bool x64_leaves_freely(const X64Gen *g)
{
    for (unsigned w = 0; w < 2; w++) {
        for (uint64_t d = g->dirty[w]; d; d &= d - 1) {
            unsigned s = w * 64 + (unsigned)__builtin_ctzll(d);

            if (x64_pins.reg_of[s] == X64_NONE || (g->s.slot_flag[s] & X64_LAZY)) {
                return false;
            }
        }
    }
    for (unsigned p = 0; p < X64_PINS; p++) {
        unsigned s = x64_pins.slot[p];

        if (s != X64_SLOT_NONE && g->val[g->s.slot_val[s]].reg != x64_pins.reg[p]) {
            return false;
        }
    }
    return true;
}

/* ---- Merges ---- */

/* The first insn of `b` after its parameters and entry markers, and its position */
static IrRef markers_end(const X64Gen *g, IrBlockId b, uint32_t *pos)
{
    const IrFunc *f = g->f;
    IrRef ref = f->block[b].first;

    *pos = g->block[b].start;
    while (ir_is_entry(f, ref)) {
        ref = f->insn[ref].next;
        ++*pos;
    }
    return ref;
}

/* Slots that entry markers of `b` give values to. */
static void find_markers(const X64Gen *g, IrBlockId b, IrRef marked[VCPU_SLOTS],
                         uint8_t flags[VCPU_SLOTS])
{
    const IrFunc *f = g->f;
    uint32_t pos;
    IrRef end = markers_end(g, b, &pos);

    memset(marked, 0, VCPU_SLOTS * sizeof(IrRef));
    for (IrRef ref = f->block[b].first; ref != end; ref = f->insn[ref].next) {
        if (f->insn[ref].op == IR_OP_setreg) {
            marked[f->insn[ref].imm] =
                x64_match_set(g, f->insn[ref].arg[0], &flags[f->insn[ref].imm]);
        }
    }
}

/* Distance from the start of `b` to the first use of `ref` that is not an entry marker. */
static uint32_t entry_distance(const X64Gen *g, IrBlockId b, IrRef ref, uint32_t markers)
{
    const X64Val *v = &g->val[ref];
    const X64Block *block = &g->block[b];
    uint32_t use = v->uses, d;

    while (use && g->use[use].pos < markers) {
        use = g->use[use].next;
    }
    if (use && g->use[use].pos <= block->end) {
        return g->use[use].pos - block->start;
    }
    if (!v->global) {
        return X64_NEVER;
    }
    d = g->dist_out[(size_t)b * (g->n_globals + 1) + v->global];
    return d == X64_NEVER ? d : d + block->end + 1 - block->start;
}

typedef struct Fix {
    X64Gen *g;
    IrBlockId b;
    const IrEdge *edge;
    X64Entry *row;
    uint32_t *dist;
    unsigned n;
    uint32_t markers;
    uint32_t free;
    uint32_t n_spills;
    IrRef marked[VCPU_SLOTS];
    uint8_t flags[VCPU_SLOTS];
} Fix;

/* A slot that a marker gives the value, best one that has just the value. */
static unsigned marked_slot(const Fix *x, IrRef ref)
{
    unsigned slot = X64_SLOT_NONE;

    for (unsigned s = 0; s < VCPU_SLOTS; s++) {
        if (x->marked[s] == ref && !x->flags[s]) {
            return s;
        }
        if (x->marked[s] == ref && slot == X64_SLOT_NONE) {
            slot = s;
        }
    }
    return slot;
}

/* The slot that has the value in memory as long as the unit runs, or X64_SLOT_NONE; each for one
 * value of the block. */
static uint8_t lasting_home(const Fix *x, IrRef ref)
{
    const X64Gen *g = x->g;
    const IrInsn *i = x64_insn(g, ref);

    if (i->op != IR_OP_getreg || (i->type != IR_I64 && i->type != IR_F64) ||
        x64_pins.reg_of[i->imm] != X64_NONE || g->written[i->imm / 64] >> i->imm % 64 & 1) {
        return X64_SLOT_NONE;
    }
    for (unsigned k = 0; k < x->n; k++) {
        if (x->row[k].home == i->imm) {
            return X64_SLOT_NONE;
        }
    }
    return (uint8_t)i->imm;
}

static void add_row(Fix *x, IrRef val, uint32_t from, unsigned slot)
{
    X64Entry *e = &x->row[x->n];

    *e = (X64Entry){ .val = val, .from = from, .slot = (uint8_t)slot, .reg = X64_NONE,
                     .home = slot == X64_SLOT_NONE ? lasting_home(x, val) : X64_SLOT_NONE };
    x->dist[x->n++] = slot != X64_SLOT_NONE ? X64_NEVER
                                            : entry_distance(x->g, x->b, val, x->markers);
}

static void collect_rows(Fix *x)
{
    X64Gen *g = x->g;
    const IrFunc *f = g->f;
    uint32_t k = 0;

    for (IrRef ref = f->block[x->b].first; f->insn[ref].op == IR_OP_param;
         ref = f->insn[ref].next, k++) {
        if (g->val[ref].uses) {
            add_row(x, ref, k + 1, X64_SLOT_NONE);
        }
    }
    for (uint32_t v = 1; v <= g->n_globals; v++) {
        if (g->dist_in[(size_t)x->b * (g->n_globals + 1) + v] != X64_NEVER) {
            add_row(x, g->global[v], 0, X64_SLOT_NONE);
        }
    }
    for (unsigned p = 0; p < X64_PINS; p++) {
        unsigned s = x64_pins.slot[p];

        if (s != X64_SLOT_NONE && !x->marked[s]) {
            add_row(x, x64_pin_ref(g, x->b, p), 0, s);
        }
    }
}

static X64Reg source_reg(const Fix *x, const X64Entry *e)
{
    const X64Gen *g = x->g;
    IrRef ref = e->val;

    if (e->from) {
        ref = g->val[g->f->edge_args[x->edge->first_arg + e->from - 1]].rep;
    }
    return g->val[ref].reg;
}

static bool give(Fix *x, X64Entry *e, X64Reg reg)
{
    uint32_t allowed = x64_is_float(x->g->val[e->val].type) ? X64_XMMS : X64_GPRS;

    if (reg == X64_NONE || !(x->free & allowed & X64_BIT(reg))) {
        return false;
    }
    e->reg = reg;
    x->free &= ~X64_BIT(reg);
    return true;
}

/* A register for a value that the block uses, the best that is left. */
static void give_any(Fix *x, X64Entry *e)
{
    uint32_t class = x64_is_float(x->g->val[e->val].type) ? X64_XMMS : X64_GPRS;
    uint32_t avail = x->free & class;
    bool stays = !e->from && !x->g->block[x->b].header;

    if ((stays && give(x, e, source_reg(x, e))) || give(x, e, x->g->val[e->val].hint) ||
        give(x, e, source_reg(x, e)) || !avail) {
        return;
    }
    if (avail & (x64_pins.unpinned | 0x7f810000u)) {
        avail &= x64_pins.unpinned | 0x7f810000u;
    }
    (void)give(x, e, (X64Reg)__builtin_ctz(avail));
}

static bool marked_once(const Fix *x, IrRef ref)
{
    unsigned n = 0;

    for (unsigned s = 0; s < VCPU_SLOTS; s++) {
        n += x->marked[s] == ref;
    }
    return n == 1;
}

/* Memory for a value that gets no register; with `only_state` nothing but its slot needs it. */
static void give_memory(Fix *x, X64Entry *e, bool only_state)
{
    unsigned slot = e->slot != X64_SLOT_NONE ? e->slot : marked_slot(x, e->val);
    const X64Val *v = &x->g->val[e->val];

    if (e->home != X64_SLOT_NONE) {
        return;
    }
    if (slot != X64_SLOT_NONE && (v->type == IR_I64 || v->type == IR_F64) &&
        (e->slot != X64_SLOT_NONE || !x->flags[slot])) {
        e->home = (uint8_t)slot;
        return;
    }
    if (slot != X64_SLOT_NONE && only_state && !(x->flags[slot] & X64_CALC) &&
        marked_once(x, e->val)) {
        e->home = (uint8_t)slot;
        e->flags = x->flags[slot];
        return;
    }
    e->spill = !e->from && v->spill ? v->spill : (uint16_t)++x->n_spills;
}

static unsigned spare(const Fix *x, const X64Entry *e)
{
    return (unsigned)__builtin_popcount(
        x->free & (x64_is_float(x->g->val[e->val].type) ? X64_XMMS : X64_GPRS));
}

/* Values used soon, nearest first. */
static void place_near(Fix *x)
{
    for (;;) {
        unsigned best = x->n;

        for (unsigned k = 0; k < x->n; k++) {
            if (x->dist[k] < X64_LOOP_FAR && (best == x->n || x->dist[k] < x->dist[best])) {
                best = k;
            }
        }
        if (best == x->n) {
            return;
        }
        give_any(x, &x->row[best]);
        if (x->row[best].reg == X64_NONE) {
            give_memory(x, &x->row[best], false);
        }
        x->dist[best] = X64_NEVER - 1;
    }
}

/* How many registers of each class the loop of header `b` needs for what it computes. */
static unsigned floats_in_loop(const X64Gen *g, IrBlockId b)
{
    unsigned most = 0;

    for (uint32_t k = g->block[b].order;
         k < g->n_order && g->block[g->order[k]].depth >= g->block[b].depth; k++) {
        unsigned n = g->block[g->order[k]].floats;

        most = n > most ? n : most;
    }
    return most + 2;
}

/* Floats around a loop, as long as its body has registers to work with: those that are used after
 * it, then those that change in it and would be stored each time. */
static void place_floats(Fix *x)
{
    unsigned reserve = floats_in_loop(x->g, x->b);

    for (unsigned pass = 0; pass < 2; pass++) {
        for (unsigned k = 0; k < x->n; k++) {
            X64Entry *e = &x->row[k];

            if (x64_is_float(x->g->val[e->val].type) && e->reg == X64_NONE &&
                e->slot == X64_SLOT_NONE && x->dist[k] != X64_NEVER - 1 &&
                (pass || x->dist[k] != X64_NEVER) && (!pass || e->from) && spare(x, e) > reserve) {
                give_any(x, e);
            }
        }
    }
}

/* The rest: pinned slots in their registers, others where they are, as long as the block has
 * registers to work with. */
static void place_far(Fix *x)
{
    unsigned reserve = x->g->block[x->b].header ? SPARE_GPRS : 0;

    if (reserve) {
        place_floats(x);
    }
    for (unsigned k = 0; k < x->n; k++) {
        X64Entry *e = &x->row[k];
        unsigned slot = e->slot != X64_SLOT_NONE ? e->slot : marked_slot(x, e->val);
        bool pinned = slot != X64_SLOT_NONE && x64_pins.reg_of[slot] != X64_NONE;

        if (x->dist[k] == X64_NEVER - 1 || e->reg != X64_NONE) {
            continue;
        }
        if (spare(x, e) > reserve &&
            (pinned ? give(x, e, x64_pins.reg_of[slot])
                    : !x->g->block[x->b].header && give(x, e, source_reg(x, e)))) {
            continue;
        }
        give_memory(x, e, x->dist[k] == X64_NEVER);
    }
}

/* A loop that has hardly a register left will put values into memory: those that it does not change
 * are there beforehand. */
static void store_invariants(Fix *x)
{
    bool pressed = __builtin_popcount(x->free & X64_GPRS) < SPARE_GPRS;

    for (unsigned k = 0; k < x->n && pressed; k++) {
        X64Entry *e = &x->row[k];

        if (e->reg != X64_NONE && !e->from && e->slot == X64_SLOT_NONE) {
            give_memory(x, e, false);
        }
    }
}

/* Arguments of the edges still to come would best be computed where the parameters are. */
static void hint_back_edges(const Fix *x)
{
    X64Gen *g = x->g;
    const IrFunc *f = g->f;

    for (uint32_t k = g->block[x->b].order; k < g->n_order; k++) {
        const IrInsn *last = &f->insn[f->block[g->order[k]].last];
        unsigned n = last->op == IR_OP_br ? 1 : last->op == IR_OP_brif ? 2 : 0;

        for (const IrEdge *edge = &f->edge[n ? last->imm : 0]; n > 0; n--, edge++) {
            if (edge->block != x->b) {
                continue;
            }
            for (unsigned r = 0; r < x->n; r++) {
                if (x->row[r].from && x->row[r].reg != X64_NONE) {
                    g->val[g->val[f->edge_args[edge->first_arg + x->row[r].from - 1]].rep].hint =
                        x->row[r].reg;
                }
            }
        }
    }
}

static void fix_entry(X64Gen *g, const IrEdge *edge)
{
    X64Block *block = &g->block[edge->block];
    unsigned max = edge->n_args + g->n_globals + X64_PINS;
    Fix x = { .g = g, .b = edge->block, .edge = edge, .free = X64_GPRS | X64_XMMS,
              .n_spills = g->s.n_spills };

    x.row = ARENA_NEW(g->arena, X64Entry, max);
    x.dist = ARENA_NEW(g->arena, uint32_t, max);
    (void)markers_end(g, x.b, &x.markers);
    find_markers(g, x.b, x.marked, x.flags);
    collect_rows(&x);
    place_near(&x);
    place_far(&x);
    if (block->header) {
        store_invariants(&x);
    }
    if (x.n_spills >= X64_SPILLS - 3) {
        g->big = true;
    }
    block->entry = x.row;
    block->n_entry = x.n;
    if (block->header) {
        hint_back_edges(&x);
    }
}

static void add_slot(const X64Gen *g, Moves *ms, const X64Entry *e, IrRef val)
{
    if (g->s.slot_val[e->home] == val && g->s.slot_flag[e->home] == e->flags) {
        return; /* clean, and so already */
    }
    add_raw(ms, PLACE_SLOT + e->home, place_of(g, val), val);
    ms->m[ms->n - 1].flags = e->flags;
}

static void add_value(const X64Gen *g, Moves *ms, const X64Entry *e, IrRef val)
{
    if (e->reg != X64_NONE) {
        add_move(g, ms, e->reg, val);
    }
    if (e->spill) {
        add_move(g, ms, PLACE_SPILL + e->spill, val);
    }
    if (e->home != X64_SLOT_NONE) {
        add_slot(g, ms, e, val);
    }
}

/* Must slot s be in memory on the way to `block`? */
static bool wants_memory(const X64Block *block, const IrRef marked[VCPU_SLOTS], unsigned s)
{
    if (marked[s]) {
        return false;
    }
    if (x64_pins.reg_of[s] == X64_NONE) {
        return true;
    }
    for (uint32_t k = 0; k < block->n_entry; k++) {
        if (block->entry[k].slot == s) {
            return block->entry[k].reg == X64_NONE;
        }
    }
    return true;
}

bool x64_edge(X64Gen *g, const IrEdge *edge, bool dry)
{
    X64Block *block = &g->block[edge->block];
    IrRef marked[VCPU_SLOTS];
    uint8_t flags[VCPU_SLOTS];
    bool stores = false;
    Moves ms;

    if (block->n_preds < 2) {
        return false;
    }
    if (!block->entry) {
        fix_entry(g, edge);
    }
    ms.n = ms.n_fix = 0;
    ms.overflow = false;
    find_markers(g, edge->block, marked, flags);
    for (unsigned w = 0; w < 2; w++) {
        for (uint64_t d = g->dirty[w]; d; d &= d - 1) {
            unsigned s = w * 64 + (unsigned)__builtin_ctzll(d);

            if (wants_memory(block, marked, s)) {
                stores = true;
                if (!dry) {
                    x64_emit_slot_store(g, s);
                }
            }
        }
    }
    for (uint32_t k = 0; k < block->n_entry; k++) {
        const X64Entry *e = &block->entry[k];

        if (e->slot != X64_SLOT_NONE) {
            if (e->reg != X64_NONE) {
                add_pin(g, &ms, e->slot, e->reg);
            }
        } else if (e->from) {
            add_value(g, &ms, e, g->val[g->f->edge_args[edge->first_arg + e->from - 1]].rep);
        } else {
            add_value(g, &ms, e, e->val);
        }
    }
    if (dry) {
        return stores || ms.n > 0 || ms.n_fix > 0;
    }
    emit_moves(g, &ms);
    return true;
}

/* ---- Starting blocks ---- */

/* Pinned slots are in their registers, the others in memory, as the first stack map expects. */
static void start_unit(X64Gen *g)
{
    IrRef ref = x64_pin_ref(g, 0, 0);

    g->free = (X64_GPRS | X64_XMMS) & ~x64_pins.regs;
    for (unsigned w = 0; w < 2; w++) {
        g->s.known[w] = g->dirty[w] = x64_pins.slots[w];
    }
    for (unsigned p = 0; p < X64_PINS; p++, ref++) {
        unsigned slot = x64_pins.slot[p];

        if (slot != X64_SLOT_NONE) {
            g->s.slot_val[slot] = g->s.reg_val[x64_pins.reg[p]] = ref;
            g->s.slot_flag[slot] = X64_DIRTY;
        }
    }
}

static void start_merge(X64Gen *g, IrBlockId b)
{
    const X64Block *block = &g->block[b];
    X64State *s = ARENA_NEW(g->arena, X64State, 1);

    for (uint32_t k = 0; k < block->n_entry; k++) {
        const X64Entry *e = &block->entry[k];

        if (e->reg != X64_NONE) {
            s->reg_val[e->reg] = e->val;
        }
        if (e->spill) {
            s->spill_val[e->spill - 1] = e->val;
            s->n_spills = s->n_spills > e->spill ? s->n_spills : e->spill;
        }
        if (e->home != X64_SLOT_NONE && e->slot == X64_SLOT_NONE) {
            x64_state_slot(s, e->home, e->val, e->flags);
        }
        if (e->slot != X64_SLOT_NONE && e->reg != X64_NONE) {
            x64_state_slot(s, e->slot, e->val, X64_DIRTY);
        }
    }
    x64_state_set(g, s);
}

/* Values that this way into the block does not need. */
static void prune(X64Gen *g)
{
    for (unsigned r = 0; r < X64_REGS; r++) {
        if (g->s.reg_val[r]) {
            x64_refresh(g, g->s.reg_val[r]);
            x64_drop_if_dead(g, g->s.reg_val[r]);
        }
    }
    for (uint32_t k = 0; k < g->s.n_spills; k++) {
        if (g->s.spill_val[k]) {
            x64_refresh(g, g->s.spill_val[k]);
            x64_drop_if_dead(g, g->s.spill_val[k]);
        }
    }
}

void x64_begin_block(X64Gen *g, IrBlockId b)
{
    X64Block *block = &g->block[b];

    g->now = b;
    g->guest_pc = g->f->block[b].pc; /* its first op may be of an instruction that a branch split */
    g->at = g->pos = block->start - 1;
    g->block_end = g->block[g->chain ? g->order[g->n_order - 1] : b].end;
    if (b == 0) {
        start_unit(g);
    } else if (block->n_preds > 1) {
        start_merge(g, b);
    } else if (block->state) {
        x64_state_set(g, block->state);
    }
    if (b != 0 && !g->chain) {
        prune(g);
    }
    g->flags_at = UINT32_MAX; /* other ways lead here too */
    block->code = x64_here(g) + 1;
}

static void fixup(X64Gen *g, uint8_t *at, IrBlockId b)
{
    g->fixup = arena_grow(g->arena, g->fixup, g->n_fixups, &g->cap_fixups, sizeof(*g->fixup));
    g->fixup[g->n_fixups++] = (X64Fixup){ (uint32_t)(at - g->e.start), b };
}

static const uint8_t *block_code(const X64Gen *g, IrBlockId b)
{
    return g->block[b].code ? g->e.start + g->block[b].code - 1 : NULL;
}

void x64_jump_block(X64Gen *g, IrBlockId b)
{
    uint8_t *at = x64_jmp(&g->e, block_code(g, b));

    if (!block_code(g, b)) {
        fixup(g, at, b);
    }
}

void x64_jcc_block(X64Gen *g, unsigned cc, IrBlockId b)
{
    uint8_t *at = x64_jcc(&g->e, cc, block_code(g, b));

    if (!block_code(g, b)) {
        fixup(g, at, b);
    }
}
