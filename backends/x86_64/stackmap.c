/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Stack maps: for each host insn that may fault, where the dirty slots' values are.
 *
 * A record is varint(host offset - last one's), varint(zigzag(guest pc - last one's)), a count
 * byte, and for each slot whose location changed since the last record: slot, kind | flags << 3,
 * the number by kind, and with X64_CALC the chain of ops.  Before the first record pinned slots are in their registers.
 */
#include "backends/x86_64/gen.h"

#include <stdlib.h>

#include "base/bits.h"
#include "ir/softfloat.h"

enum { RECORD_MAX = 24 + VCPU_SLOTS * (10 + X64_CALC_BYTES) };

static uint64_t pack(unsigned kind, unsigned flags, uint32_t n)
{
    return kind << 24 | flags << 16 | n;
}

static unsigned kind_of(uint64_t loc)
{
    return (uint32_t)loc >> 24;
}

uint64_t x64_loc(X64Gen *g, unsigned slot)
{
    const X64Val *v = &g->val[g->s.slot_val[slot]];
    unsigned flags = g->s.slot_flag[slot] & X64_LAZY;
    uint64_t top = flags & X64_CALC ? (uint64_t)g->s.slot_top[slot] << 32 : 0;

    if (!(g->s.slot_flag[slot] & X64_DIRTY)) {
        return 0;
    }
    if (v->reg != X64_NONE) {
        return top | pack(X64_LOC_REG, flags, v->reg);
    }
    if (v->is_const) {
        return pack(X64_LOC_CONST, flags, g->s.slot_val[slot]);
    }
    if (v->spill) {
        return top | pack(X64_LOC_SPILL, flags, v->spill);
    }
    CHECK(v->home != X64_SLOT_NONE, "slot %u is dirty and nowhere", slot);
    return top | pack(X64_LOC_HOME, flags, v->home);
}

uint64_t x64_loc_reg(X64Reg r)
{
    return pack(X64_LOC_REG, 0, r);
}

static uint8_t *put_varint(uint8_t *p, uint64_t v)
{
    for (; v >= 0x80; v >>= 7) {
        *p++ = (uint8_t)(v | 0x80);
    }
    *p++ = (uint8_t)v;
    return p;
}

static const uint8_t *get_varint(const uint8_t *p, uint64_t *v)
{
    *v = 0;
    for (unsigned shift = 0;; shift += 7) {
        *v |= (uint64_t)(*p & 0x7f) << shift;
        if (!(*p++ & 0x80)) {
            return p;
        }
    }
}

static uint8_t *put_loc(const X64Gen *g, uint8_t *p, unsigned slot, uint64_t loc)
{
    unsigned flags = loc >> 16 & 0xff;
    uint64_t c;

    *p++ = (uint8_t)slot;
    *p++ = (uint8_t)(kind_of(loc) | flags << 3);
    switch (kind_of(loc)) {
    case X64_LOC_REG: case X64_LOC_HOME:
        *p++ = (uint8_t)loc;
        break;
    case X64_LOC_SPILL:
        memcpy(p, &loc, 2);
        p += 2;
        break;
    case X64_LOC_CONST:
        (void)x64_const(g, loc & 0xffff, &c);
        memcpy(p, &c, 8);
        p += 8;
        break;
    default:
        break;
    }
    return flags & X64_CALC ? x64_calc_put(g, (IrRef)(loc >> 32), p) : p;
}

static void grow(X64Gen *g)
{
    uint32_t cap = g->cap_map * 2 + 4 * RECORD_MAX;
    uint8_t *map = arena_raw(g->arena, cap);

    if (g->n_map) {
        memcpy(map, g->map, g->n_map);
    }
    g->map = map;
    g->cap_map = cap;
}

void x64_map_at(X64Gen *g, uint32_t host, uint64_t guest_pc)
{
    int64_t guest = (int64_t)(guest_pc - g->map_guest);
    uint8_t *p, *count;

    if (g->n_map + RECORD_MAX > g->cap_map) {
        grow(g);
    }
    p = put_varint(g->map + g->n_map, host - g->map_host);
    p = put_varint(p, (uint64_t)guest << 1 ^ (uint64_t)(guest >> 63));
    count = p++;
    *count = 0;
    if (g->held != X64_SLOT_NONE) {
        g->changed[g->held / 64] |= UINT64_C(1) << g->held % 64;
    }
    for (unsigned w = 0; w < 2; w++) {
        for (uint64_t c = g->changed[w]; c; c &= c - 1) {
            unsigned s = w * 64 + (unsigned)__builtin_ctzll(c);
            uint64_t loc;

            if (s >= VCPU_SLOTS) {
                break;
            }
            loc = s == g->held ? g->held_loc : x64_loc(g, s);
            if (loc != g->map_loc[s]) {
                p = put_loc(g, p, s, loc);
                g->map_loc[s] = loc;
                ++*count;
            }
        }
        g->changed[w] = 0;
    }
    if (g->held != X64_SLOT_NONE) {
        g->changed[g->held / 64] |= UINT64_C(1) << g->held % 64;
        g->held = X64_SLOT_NONE;
    }
    g->n_map = (uint32_t)(p - g->map);
    g->map_host = host;
    g->map_guest = guest_pc;
}

X64Side *x64_side_new(const X64Gen *g, uint32_t *size)
{
    X64Side *side;

    *size = (uint32_t)(sizeof(X64Side) + g->n_exits * sizeof(X64Exit)) + g->n_map;
    side = malloc(*size);
    CHECK(side, "out of memory");
    *side = (X64Side){ .code = g->code, .pc = g->f->pc, .n_map = g->n_map,
                       .n_exits = g->n_exits };
    if (g->n_exits) {
        memcpy(side->exit, g->exit, g->n_exits * sizeof(X64Exit));
    }
    if (g->n_map) {
        memcpy(side->exit + g->n_exits, g->map, g->n_map);
    }
    return side;
}

/* ---- Reading ---- */

typedef struct Place {
    uint8_t kind;
    uint8_t flags;
    uint64_t n;
    const uint8_t *calc; /* chain of ops, with X64_CALC */
} Place;

static const uint8_t *get_place(const uint8_t *p, Place *place)
{
    *place = (Place){ .kind = *p & 7, .flags = (uint8_t)(*p >> 3 & X64_LAZY) };
    p++;
    switch (place->kind) {
    case X64_LOC_REG: case X64_LOC_HOME:
        place->n = *p++;
        break;
    case X64_LOC_SPILL: {
        uint16_t n;

        memcpy(&n, p, 2);
        place->n = n;
        p += 2;
        break;
    }
    case X64_LOC_CONST:
        memcpy(&place->n, p, 8);
        p += 8;
        break;
    default:
        break;
    }
    if (place->flags & X64_CALC) {
        place->calc = p;
        p = x64_calc_skip(p);
    }
    return p;
}

static uint64_t value_at(const Place *place, const BeHostRegs *regs, const Vcpu *vcpu)
{
    const uint64_t *frame = (const uint64_t *)(uintptr_t)regs->gpr[X64_RSP];
    uint64_t v = place->n;

    switch (place->kind) {
    case X64_LOC_REG:
        v = v < 16 ? regs->gpr[v] : regs->fpr[v - 16];
        break;
    case X64_LOC_SPILL:
        v = frame[v - 1];
        break;
    case X64_LOC_HOME:
        v = vcpu->slot[v];
        break;
    default:
        break;
    }
    if (place->flags & X64_CALC) {
        return x64_calc_eval(place->calc, v);
    }
    if (place->flags & X64_SEXT) {
        return (uint64_t)bits_sext(v, 32);
    }
    if (place->flags & X64_CANON) {
        v = place->flags & X64_BOX ? ir_fp_canon(32, (uint32_t)v) : ir_fp_canon(64, v);
    }
    return place->flags & X64_BOX ? v | UINT64_C(0xffffffff00000000) : v;
}

static void apply(const Place place[VCPU_SLOTS], const BeHostRegs *regs, Vcpu *vcpu)
{
    uint64_t slot[VCPU_SLOTS];

    for (unsigned s = 0; s < VCPU_SLOTS; s++) {
        slot[s] = place[s].kind ? value_at(&place[s], regs, vcpu) : vcpu->slot[s];
    }
    memcpy(vcpu->slot, slot, sizeof(slot));
}

bool x64_map_restore(const X64Side *side, uint32_t host, const BeHostRegs *regs, Vcpu *vcpu)
{
    Place place[VCPU_SLOTS] = { { 0 } };
    const uint8_t *p = (const uint8_t *)(side->exit + side->n_exits), *end = p + side->n_map;
    uint64_t at = 0, pc = side->pc, d;

    for (unsigned k = 0; k < X64_PINS; k++) {
        if (x64_pins.slot[k] != X64_SLOT_NONE) {
            place[x64_pins.slot[k]] = (Place){ .kind = X64_LOC_REG, .n = x64_pins.reg[k] };
        }
    }
    while (p < end) {
        p = get_varint(p, &d);
        at += d;
        p = get_varint(p, &d);
        pc += d >> 1 ^ -(d & 1);
        for (unsigned n = *p++; n > 0; n--) {
            unsigned s = *p++;

            p = get_place(p, &place[s]);
        }
        if (at == host) {
            apply(place, regs, vcpu);
            vcpu->pc = pc;
            return true;
        }
    }
    return false;
}
