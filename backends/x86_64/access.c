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
    X64Reg u, v;
    bool has_imm;
    int32_t imm;
    uint32_t what;
    uint32_t host;
} X64Slow;

/* X64SlowFrame.what: fields by their lowest bit */
enum {
    WHAT_SIZE = 0,  /* log2 */
    WHAT_KIND = 2,  /* VcpuAccessKind */
    WHAT_FLAGS = 4, /* X64_SLOW_... */
    WHAT_REG = 8,   /* of the value */
    WHAT_ADDEND = 16, /* register that gets it */
    WHAT_LENGTH = 20, /* bytes of the access */
};

/* ---- One look into the tables for accesses to one page ---- */

void x64_forget_found(X64Gen *g, uint32_t regs)
{
    if (!(g->found_regs & regs)) {
        return;
    }
    for (unsigned k = 0; k < X64_FOUND; k++) {
        if (g->found[k].base && (regs & X64_BIT(g->found[k].reg))) {
            g->found_regs &= ~X64_BIT(g->found[k].reg);
            g->found[k].base = 0;
        }
    }
}

/* Nearer than a page, so that bit 12 tells whether the furthest byte and that one's first are on one page;
 * and aligned when that one is.  What is before it ends before it. */
static bool is_near(const X64Found *f, const X64Access *a)
{
    int64_t distance = (int64_t)a->guest.disp - f->disp;

    return distance > -4096 && distance + (1 << a->size) <= 4096 && distance % (1 << a->size) == 0 &&
           f->size >= a->size && a->guest.disp < INT32_MAX - 4096;
}

static const X64Found *find_found(const X64Gen *g, const X64Access *a)
{
    for (unsigned k = 0; a->base && k < X64_FOUND; k++) {
        const X64Found *f = &g->found[k];

        if (f->base == a->base && (f->write || a->kind == VCPU_load) && is_near(f, a)) {
            return f;
        }
    }
    return NULL;
}

/* The addend of the access is in a->u, which belongs to nobody after this insn.  Nothing before the
 * next call or block can make it wrong: pages are taken away from a vcpu that has left its code. */
static void note_found(X64Gen *g, const X64Access *a)
{
    X64Found *f = &g->found[g->next_found++ % X64_FOUND];

    if (f->base) {
        g->found_regs &= ~X64_BIT(f->reg);
    }
    *f = (X64Found){ a->base, a->guest.disp, a->u, a->size, a->kind == VCPU_store };
    g->found_regs |= X64_BIT(a->u);
}

/* The register with the addend stays what it is until the insn ends. */
static void hold(X64Gen *g, X64Reg r)
{
    g->free &= ~X64_BIT(r);
    g->locked |= X64_BIT(r);
    g->temps |= X64_BIT(r);
}

/* Is it the same page? */
static void compare_pages(X64Gen *g, X64Access *a)
{
    enum { PAGE_BIT = 0x1000 };
    X64Mem other = { a->guest.base, X64_NONE, 0, a->found->disp }, far = a->guest;
    X64Reg with = a->guest.base;

    far.disp += far.disp < other.disp ? 0 : (1 << a->size) - 1;
    x64_lea(&g->e, true, a->u, far.disp ? far : other);
    if (far.disp && other.disp) {
        x64_lea(&g->e, true, a->v, other);
        with = a->v;
    }
    x64_alu_rr(&g->e, X64_XOR, false, a->u, with);
    x64_rr(&g->e, 0xf7, false, 0, a->u); /* test */
    x64_imm32(&g->e, PAGE_BIT);
    a->jump[1] = x64_jcc(&g->e, X64_CC_NE, NULL);
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
        hold(g, a.found->reg);
    }
    a.u = x64_temp(g, X64_GPRS);
    a.v = x64_temp(g, X64_GPRS);
    a.t = mem.index != X64_NONE ? x64_temp(g, X64_GPRS) : X64_NONE;
    return a;
}

/* u = addend of the page, or away. */
static void find_flat(X64Gen *g, X64Access *a)
{
    int32_t table = a->kind == VCPU_load ? X64_VCPU(mmu_read) : X64_VCPU(mmu_write);
    X64Mem entry = { a->v, a->u, 3, 0 };

    x64_lea(&g->e, true, a->u, a->guest);
    if (a->size) {
        x64_rr(&g->e, 0xf6 | X64_BYTE, false, 0, a->u); /* test */
        x64_byte(&g->e, (1u << a->size) - 1);
        a->jump[0] = x64_jcc(&g->e, X64_CC_NE, NULL);
    }
    x64_shift_ri(&g->e, X64_SHL, true, a->u, MMU_FLAT_SHIFT);
    x64_shift_ri(&g->e, X64_SHR, true, a->u, MMU_FLAT_SHIFT + 12);
    x64_load(&g->e, a->v, x64_state(table));
    x64_load(&g->e, a->u, entry);
    x64_rr(&g->e, 0x85, true, a->u, a->u); /* test */
    a->jump[1] = x64_jcc(&g->e, X64_CC_E, NULL);
}

/* An address that is not aligned differs from each page in its low bits. */
static void find_tlb(X64Gen *g, X64Access *a)
{
    enum { ENTRY_BITS = 5 };
    int32_t page = a->kind == VCPU_load ? offsetof(MmuTlbEntry, read)
                                        : offsetof(MmuTlbEntry, write);

    _Static_assert(sizeof(MmuTlbEntry) == 1 << ENTRY_BITS, "entries are addressed by a shift");
    x64_lea(&g->e, true, a->u, a->guest);
    x64_mov_rr(&g->e, true, a->v, a->u);
    x64_shift_ri(&g->e, X64_SHR, true, a->v, 12 - ENTRY_BITS);
    x64_alu_ri(&g->e, X64_AND, false, a->v, (MMU_TLB_ENTRIES - 1) << ENTRY_BITS);
    x64_alu_rm(&g->e, X64_ADD, true, a->v, x64_state(X64_VCPU(mmu_read)));
    x64_alu_ri(&g->e, X64_AND, true, a->u, -4096 | ((1 << a->size) - 1));
    x64_alu_rm(&g->e, X64_CMP, true, a->u, x64_mem(a->v, page));
    a->jump[1] = x64_jcc(&g->e, X64_CC_NE, NULL);
    x64_load(&g->e, a->u, x64_mem(a->v, offsetof(MmuTlbEntry, addend)));
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
    } else if (g->options->memory == BE_MEM_flat) {
        find_flat(g, a);
    } else if (g->options->memory == BE_MEM_tlb) {
        find_tlb(g, a);
    } else {
        a->jump[1] = x64_jmp(&g->e, NULL);
    }
    a->mem = a->guest;
    if (a->mem.base == X64_NONE) {
        a->mem.base = a->u;
    } else {
        a->mem.index = a->found ? a->found->reg : a->u;
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

/* Pushes what X64SlowFrame ends with. */
static void emit_slow(X64Gen *g, const X64Cold *c)
{
    const X64Slow *s = c->slow;

    x64_lea(&g->e, true, s->u, s->guest);
    if (s->has_imm) {
        x64_mov_ri(&g->e, s->v, (uint64_t)s->imm);
    }
    if (s->u >= 8) {
        x64_byte(&g->e, 0x41);
    }
    x64_byte(&g->e, 0x50 | (s->u & 7));
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
    *s = (X64Slow){ .guest = a->guest, .u = a->u, .v = a->v, .host = a->host };
    s->has_imm = imm != NULL;
    s->imm = imm ? *imm : 0;
    reg = imm ? a->v : reg;
    s->what = (uint32_t)a->size << WHAT_SIZE | (uint32_t)a->kind << WHAT_KIND |
              flags << WHAT_FLAGS | (reg & 31u) << WHAT_REG | (uint32_t)a->u << WHAT_ADDEND |
              (x64_here(g) - a->host) << WHAT_LENGTH;
    c = x64_cold(g, emit_slow, a->jump[1]);
    if (a->jump[0]) {
        c->also = (uint32_t)(a->jump[0] - g->e.start);
    }
    c->slow = s;
    if (a->base && !a->found && g->options->memory != BE_MEM_call) {
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
    if (a.kind == VCPU_rmw) {
        frame->addr = next;
    } else {
        frame->addr = next + field(what, WHAT_LENGTH, 8);
    }
    return 1;
}
