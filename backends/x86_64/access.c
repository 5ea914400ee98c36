/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Guest memory of whole machines.  An access looks for its page in the tables (softmmu/tables.h); what
 * is not there, or not aligned, goes through a stub to Vcpu.access(), which makes the access on
 * the saved registers and goes on behind it.  Of a read-modify-write it only finds the address.
 *
 * Its stack map is that of the access itself: nothing between the test and there changes a register
 * that the map names.
 */
#include <stddef.h>

#include "backends/x86_64/host.h"
#include "base/bits.h"
#include "softmmu/tables.h"

typedef struct X64Slow {
    X64Mem guest;
    X64Reg addr, value; /* registers for these; `value` when it is an immediate operand */
    bool has_imm;
    int32_t imm;
    uint32_t what;
    uint32_t host;
    const X64Access *again; /* look into the tables first; NULL: that was done */
} X64Slow;

/* X64SlowFrame.what: fields by their lowest bit */
enum {
    WHAT_SIZE = 0,  /* log2 */
    WHAT_KIND = 2,  /* VcpuAccessKind */
    WHAT_FLAGS = 4, /* X64_SLOW_... */
    WHAT_REG = 8,   /* of the value */
    WHAT_ADDEND = 16, /* register that gets it */
    WHAT_LENGTH = 20, /* bytes of the access */
    WHAT_OFFSET = 28, /* register that gets AWAY */
};

enum {
    AGAIN_ROOM = 96, /* bytes that X64Slow.again adds */
    AWAY = 1 << 30,  /* as X64Found.offset: no access is near it */
};

/* ---- One look into the tables for accesses to one page ---- */

static void drop_found(X64Gen *g, X64Found *f)
{
    g->s.found_regs &= ~X64_BIT(f->addend);
    if (f->offset != X64_NONE) {
        g->s.found_regs &= ~X64_BIT(f->offset);
    }
    f->base = 0;
}

void x64_forget_found(X64Gen *g, uint32_t regs)
{
    if (!(g->s.found_regs & regs)) {
        return;
    }
    if (g->s.recents && (regs & X64_BIT(g->s.recents - 1))) {
        g->s.found_regs &= ~X64_BIT(g->s.recents - 1);
        g->s.recents = 0;
    }
    for (unsigned k = 0; k < X64_FOUND; k++) {
        X64Found *f = &g->s.found[k];
        bool offset_lost = f->base && f->offset != X64_NONE && (regs & X64_BIT(f->offset));

        if (f->base && ((regs & X64_BIT(f->addend)) || (offset_lost && g->options->hot))) {
            drop_found(g, f); /* the offset may be from another page: it cannot be had again */
        } else if (offset_lost) {
            g->s.found_regs &= ~X64_BIT(f->offset);
            f->offset = X64_NONE;
        }
    }
}

/* Nearer than a page, and aligned when that one is. */
static bool is_near(const X64Found *f, const X64Access *a)
{
    int64_t distance = (int64_t)a->guest.disp - f->disp;

    return distance > -4096 && distance + (1 << a->size) <= 4096 && distance % (1 << a->size) == 0 &&
           f->size >= a->size;
}

static X64Found *find_found(X64Gen *g, const X64Access *a)
{
    for (unsigned k = 0; a->base && k < X64_FOUND; k++) {
        X64Found *f = &g->s.found[k];

        if (f->base == a->base && (f->write || a->kind == VCPU_load) && is_near(f, a)) {
            return f;
        }
    }
    return NULL;
}

/* The registers of the access belong to nobody after this insn.  Nothing before the next call can make the
 * addend wrong: pages are taken away from a vcpu that has left its code. */
static void note_found(X64Gen *g, const X64Access *a)
{
    X64Found *f = &g->s.found[g->s.next_found++ % X64_FOUND];

    if (f->base) {
        drop_found(g, f);
    }
    *f = (X64Found){ a->base, a->guest.disp, a->addend, a->offset, a->size, a->kind == VCPU_store };
    g->s.found_regs |= X64_BIT(a->addend) | (a->offset == X64_NONE ? 0 : X64_BIT(a->offset));
}

/* The register with the addend stays what it is until the insn ends. */
static void hold(X64Gen *g, X64Reg r)
{
    g->free &= ~X64_BIT(r);
    g->locked |= X64_BIT(r);
    g->temps |= X64_BIT(r);
}

static void emit_offset(X64Gen *g, X64Reg r, X64Mem m)
{
    x64_lea(&g->e, false, r, m);
    x64_alu_ri(&g->e, X64_AND, false, r, MMU_PAGE - 1);
}

/* Is it the same page?  When the offset is that from another page, it may be negative: no, then, unless the
 * distance is. */
static void compare_pages(X64Gen *g, X64Access *a)
{
    int32_t last = MMU_PAGE - (1 << a->size);

    if (a->found->offset == X64_NONE) {
        emit_offset(g, a->offset, (X64Mem){ a->guest.base, X64_NONE, 0, a->found->disp });
    }
    if (a->distance < 0) {
        x64_lea(&g->e, false, a->v, x64_mem(a->offset, a->distance));
        x64_alu_ri(&g->e, X64_CMP, false, a->v, last);
    } else {
        x64_alu_ri(&g->e, X64_CMP, false, a->offset, last - a->distance);
    }
    a->jump[1] = x64_jcc(&g->e, X64_CC_A, NULL);
    a->back = x64_here(g);
}

/* The register of something found, or another one. */
static X64Reg found_or_temp(X64Gen *g, X64Reg found)
{
    if (found == X64_NONE) {
        return x64_temp(g, X64_GPRS);
    }
    hold(g, found);
    return found;
}

static void begin_found(X64Gen *g, X64Access *a)
{
    a->addend = found_or_temp(g, a->found->addend);
    a->offset = found_or_temp(g, a->found->offset);
    a->v = x64_temp(g, X64_GPRS);
    a->addr = a->v;
    a->distance = a->guest.disp - a->found->disp;
    a->again = g->options->hot;
    a->write = a->found->write;
}

static void begin_guess(X64Gen *g, X64Access *a)
{
    enum { HALF = MMU_RECENT / 2 };
    static unsigned next[2]; /* of loads, stores; one unit is compiled at a time */
    bool store = a->kind != VCPU_load;

    a->guess = a->again = true;
    a->place = (int32_t)(next[store]++ % HALF + (store ? HALF : 0));
    a->pointed = g->s.recents != 0;
    a->recents = found_or_temp(g, (X64Reg)(g->s.recents - 1));
    a->addr = a->offset = x64_temp(g, X64_GPRS);
    a->addend = a->v = x64_temp(g, X64_GPRS);
}

static void begin_look_up(X64Gen *g, X64Access *a)
{
    a->addr = a->addend = x64_temp(g, X64_GPRS);
    a->v = x64_temp(g, X64_GPRS);
    a->offset = X64_NONE;
}

X64Access x64_access_begin(X64Gen *g, X64Mem mem, IrRef base, VcpuAccessKind kind, unsigned size)
{
    X64Access a = { .mem = mem, .guest = mem, .base = base, .kind = (uint8_t)kind,
                    .size = (uint8_t)size };

    if (g->options->memory == BE_MEM_host) {
        return a;
    }
    a.found = find_found(g, &a);
    if (a.found) {
        begin_found(g, &a);
    } else if (g->options->hot && g->options->memory != BE_MEM_call) {
        begin_guess(g, &a);
    } else {
        begin_look_up(g, &a);
    }
    a.t = mem.index != X64_NONE ? x64_temp(g, X64_GPRS) : X64_NONE;
    return a;
}

/* u = addend of the page, or away.  v is lost. */
static void find_flat(X64Gen *g, X64Access *a, X64Reg u)
{
    int32_t table = a->kind == VCPU_load ? X64_VCPU(mmu_read) : X64_VCPU(mmu_write);
    X64Mem entry = { a->v, u, 3, 0 };

    x64_lea(&g->e, true, u, a->guest);
    if (a->size) {
        x64_rr(&g->e, 0xf6 | X64_BYTE, false, 0, u); /* test */
        x64_byte(&g->e, (1u << a->size) - 1);
        a->jump[0] = x64_jcc(&g->e, X64_CC_NE, NULL);
    }
    x64_shift_ri(&g->e, X64_SHL, true, u, MMU_FLAT_SHIFT);
    x64_shift_ri(&g->e, X64_SHR, true, u, MMU_FLAT_SHIFT + 12);
    x64_load(&g->e, a->v, x64_state(table));
    x64_load(&g->e, u, entry);
    x64_rr(&g->e, 0x85, true, u, u); /* test */
    a->jump[1] = x64_jcc(&g->e, X64_CC_E, NULL);
}

/* An address that is not aligned differs from each page in its low bits. */
static void find_tlb(X64Gen *g, X64Access *a, X64Reg u)
{
    enum { ENTRY_BITS = 5 };
    int32_t page = a->kind == VCPU_load ? offsetof(MmuTlbEntry, read)
                                        : offsetof(MmuTlbEntry, write);

    _Static_assert(sizeof(MmuTlbEntry) == 1 << ENTRY_BITS, "entries are addressed by a shift");
    x64_lea(&g->e, true, u, a->guest);
    x64_mov_rr(&g->e, true, a->v, u);
    x64_shift_ri(&g->e, X64_SHR, true, a->v, 12 - ENTRY_BITS);
    x64_alu_ri(&g->e, X64_AND, false, a->v, (MMU_TLB_ENTRIES - 1) << ENTRY_BITS);
    x64_alu_rm(&g->e, X64_ADD, true, a->v, x64_state(X64_VCPU(mmu_read)));
    x64_alu_ri(&g->e, X64_AND, true, u, -4096 | ((1 << a->size) - 1));
    x64_alu_rm(&g->e, X64_CMP, true, u, x64_mem(a->v, page));
    a->jump[1] = x64_jcc(&g->e, X64_CC_NE, NULL);
    x64_load(&g->e, u, x64_mem(a->v, offsetof(MmuTlbEntry, addend)));
}

enum { PAGE = offsetof(MmuRecent, page), ADDEND = offsetof(MmuRecent, addend) };

static X64Mem recent_mem(const X64Access *a, int32_t field)
{
    return x64_mem(a->recents, a->place * (int32_t)sizeof(MmuRecent) + field);
}

/* The addend does not wait for the address.  An address that is not aligned differs from each page. */
static void guess_page(X64Gen *g, X64Access *a)
{
    if (!a->pointed) {
        x64_load(&g->e, a->recents, x64_state(X64_VCPU(mmu_recent)));
    }
    x64_lea(&g->e, true, a->offset, a->guest);
    x64_alu_rm(&g->e, X64_XOR, true, a->offset, recent_mem(a, PAGE));
    x64_rr(&g->e, 0xf7, true, 0, a->offset); /* test */
    x64_imm32(&g->e, -MMU_PAGE | ((1 << a->size) - 1));
    a->jump[1] = x64_jcc(&g->e, X64_CC_NE, NULL);
    x64_load(&g->e, a->addend, recent_mem(a, ADDEND));
    a->back = x64_here(g);
}

static void look_up(X64Gen *g, X64Access *a, X64Reg u)
{
    if (g->options->memory == BE_MEM_flat) {
        find_flat(g, a, u);
    } else {
        find_tlb(g, a, u);
    }
}

void x64_access_find(X64Gen *g, X64Access *a)
{
    switch (g->options->memory) {
    case BE_MEM_host:
        x64_map_at(g, x64_here(g), g->guest_pc);
        return;
    case BE_MEM_flat:
    case BE_MEM_tlb:
    case BE_MEM_call:
        break;
    }
    if (a->t != X64_NONE) {
        x64_lea(&g->e, true, a->t, a->guest);
        a->guest = x64_mem(a->t, 0);
    }
    if (a->found) {
        compare_pages(g, a);
    } else if (g->options->memory == BE_MEM_call) {
        a->jump[1] = x64_jmp(&g->e, NULL);
    } else if (a->guess) {
        guess_page(g, a);
    } else {
        look_up(g, a, a->addend);
    }
    a->mem = a->guest;
    if (a->mem.base == X64_NONE) {
        a->mem.base = a->addend;
    } else {
        a->mem.index = a->addend;
        a->mem.scale = 0;
    }
    a->host = x64_here(g);
    x64_map_at(g, a->host, g->guest_pc);
}

static void push_imm(X64Gen *g, uint32_t v)
{
    x64_byte(&g->e, 0x68);
    x64_imm32(&g->e, (int32_t)v);
}

/* What the tables say is the next guess. */
static void emit_next_guess(X64Gen *g, const X64Access *a)
{
    X64Mem used = x64_mem(a->recents, (int32_t)offsetof(MmuRecents, used) + a->place / MMU_RECENT_ROW);

    x64_store(&g->e, a->addend, recent_mem(a, ADDEND));
    x64_lea(&g->e, true, a->offset, a->guest);
    x64_alu_ri(&g->e, X64_AND, true, a->offset, -MMU_PAGE);
    x64_store(&g->e, a->offset, recent_mem(a, PAGE));
    x64_rm(&g->e, 0xc6, false, 0, used, 1); /* mov */
    x64_byte(&g->e, 1);
}

/* It is another page: that one is what is known from now on. */
static void look_again(X64Gen *g, X64Access a)
{
    a.jump[0] = a.jump[1] = NULL;
    if (a.guess) {
        look_up(g, &a, a.offset);
        x64_mov_rr(&g->e, true, a.addend, a.offset);
        emit_next_guess(g, &a);
    } else {
        a.kind = a.write ? VCPU_store : VCPU_load;
        look_up(g, &a, a.addend);
    }
    emit_offset(g, a.offset, a.guest);
    if (a.distance) {
        x64_alu_ri(&g->e, X64_SUB, false, a.offset, a.distance);
    }
    x64_jmp(&g->e, g->e.start + a.back);
    for (unsigned k = 0; k < 2; k++) {
        if (a.jump[k]) {
            x64_patch(a.jump[k], g->e.p);
        }
    }
}

/* Pushes what X64SlowFrame ends with. */
static void emit_slow(X64Gen *g, const X64Cold *c)
{
    const X64Slow *s = c->slow;

    if (s->again) {
        look_again(g, *s->again);
    }
    x64_lea(&g->e, true, s->addr, s->guest);
    if (s->addr >= 8) {
        x64_byte(&g->e, 0x41);
    }
    x64_byte(&g->e, 0x50 | (s->addr & 7));
    if (s->has_imm) {
        x64_mov_ri(&g->e, s->value, (uint64_t)s->imm);
    }
    push_imm(g, s->host);
    push_imm(g, s->what);
    if (g->slow) {
        x64_jmp(&g->e, g->e.start + g->slow - 1);
        return;
    }
    g->slow = x64_here(g) + 1;
    x64_rm(&g->e, 0xff, false, 6, (X64Mem){ X64_RIP, X64_NONE, 0, (int32_t)x64_here(g) + 11 }, 0);
    x64_jmp(&g->e, x64_stub(g, X64_STUB_slow));
    g->slow_side_at = x64_here(g);
    x64_imm64(&g->e, 0);
}

void x64_access_end(X64Gen *g, const X64Access *a, X64Reg reg, unsigned flags, const int32_t *imm)
{
    X64Slow *s;
    X64Cold *c;

    if (g->options->memory == BE_MEM_host) {
        return;
    }
    s = ARENA_NEW(g->arena, X64Slow, 1);
    *s = (X64Slow){ .guest = a->guest, .addr = a->addr, .value = a->v, .host = a->host };
    s->has_imm = imm != NULL;
    s->imm = imm ? *imm : 0;
    reg = imm ? a->v : reg;
    s->what = (uint32_t)a->size << WHAT_SIZE | (uint32_t)a->kind << WHAT_KIND |
              flags << WHAT_FLAGS | (reg & 31u) << WHAT_REG |
              (uint32_t)(a->found && !a->again ? a->v : a->addend) << WHAT_ADDEND |
              (uint32_t)(a->again ? a->offset : a->v) << WHAT_OFFSET |
              (x64_here(g) - a->host) << WHAT_LENGTH;
    c = x64_cold(g, emit_slow, a->jump[1]);
    if (a->jump[0]) {
        c->also = (uint32_t)(a->jump[0] - g->e.start);
    }
    c->slow = s;
    if (a->again) {
        X64Access *again = ARENA_NEW(g->arena, X64Access, 1);

        *again = *a;
        s->again = again;
        g->limit -= AGAIN_ROOM;
    }
    if (a->guess) {
        g->s.recents = (X64Reg)(a->recents + 1);
        g->s.found_regs |= X64_BIT(a->recents);
    }
    if (a->found) {
        a->found->offset = a->offset;
        g->s.found_regs |= X64_BIT(a->offset);
    } else if (a->base && g->options->memory != BE_MEM_call) {
        note_found(g, a);
    }
}

/* ---- At run time ---- */

static unsigned field(uint64_t what, unsigned at, unsigned bits)
{
    return (unsigned)(what >> at) & ((1u << bits) - 1);
}

static uint64_t *register_of(X64SlowFrame *frame, unsigned r)
{
    return r < 16 ? &frame->gpr[r] : &frame->fpr[r - 16];
}

static uint64_t extended(uint64_t what, uint64_t value, unsigned bits)
{
    unsigned flags = field(what, WHAT_FLAGS, 2);

    if (flags & X64_SLOW_SIGN) {
        value = (uint64_t)bits_sext(value, bits);
        return flags & X64_SLOW_WIDE ? value : (uint32_t)value;
    }
    return value;
}

static void restore(Vcpu *vcpu, const X64SlowFrame *frame, const X64Side *side)
{
    BeHostRegs regs = { 0 };

    memcpy(regs.gpr, frame->gpr, sizeof(frame->gpr));
    memcpy(regs.fpr, frame->fpr, sizeof(frame->fpr));
    regs.gpr[X64_RSP] = vcpu->host_sp;
    CHECK(x64_map_restore(side, (uint32_t)frame->host, &regs, vcpu), "no stack map");
}

uint32_t x64_slow(Vcpu *vcpu, X64SlowFrame *frame)
{
    const X64Side *side = (const X64Side *)(uintptr_t)frame->side;
    uint64_t what = frame->what, next = (uintptr_t)side->code + frame->host;
    uint64_t *reg = register_of(frame, field(what, WHAT_REG, 5));
    VcpuAccess a = {
        .addr = frame->addr,
        .kind = (VcpuAccessKind)field(what, WHAT_KIND, 2),
        .size = (uint8_t)(1 << field(what, WHAT_SIZE, 2)),
        .value = *reg,
        .site = (const void *)(uintptr_t)next,
    };

    if (a.size < 8) {
        a.value &= (UINT64_C(1) << a.size * 8) - 1;
    }
    if (!vcpu->access(vcpu, &a)) {
        restore(vcpu, frame, side);
        return 0;
    }
    if (a.kind == VCPU_load) {
        *reg = extended(what, a.value, a.size * 8u);
    }
    frame->gpr[field(what, WHAT_ADDEND, 4)] = a.addend; /* a found page, see note_found() */
    frame->gpr[field(what, WHAT_OFFSET, 4)] = AWAY;
    if (a.kind == VCPU_rmw) {
        frame->addr = next;
    } else {
        frame->addr = next + field(what, WHAT_LENGTH, 8);
    }
    return 1;
}
