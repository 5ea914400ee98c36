/* SPDX-License-Identifier: Apache-2.0 */
/* Lowering of guest memory, vcpu state and atomics. */
#include "backends/x86_64/lower.h"

#include "base/bits.h"

/* *base: see X64Access. */
static X64Mem use_addr_of(X64Gen *g, const IrInsn *i, IrRef *base)
{
    X64Addr a = x64_match_addr(g, i->arg[0], i->imm);
    X64Mem m = { X64_NONE, X64_NONE, a.scale, (int32_t)a.disp };

    *base = a.index || !bits_fits_s(a.disp, 32) ? 0 : a.base;

    if (a.base) {
        m.base = x64_use(g, a.base);
    }
    if (a.index) {
        m.index = x64_use(g, a.index);
    }
    if (!bits_fits_s(a.disp, 32)) {
        X64Reg t = x64_temp(g, X64_GPRS);

        x64_mov_ri(&g->e, t, (uint64_t)a.disp);
        if (m.base != X64_NONE) {
            x64_alu_rr(&g->e, X64_ADD, true, t, m.base);
        }
        m.base = t;
        m.disp = 0;
    }
    return m;
}

static X64Mem use_addr(X64Gen *g, const IrInsn *i)
{
    IrRef base;

    return use_addr_of(g, i, &base);
}

/* A load or store: takes the registers of its address. */
static X64Access begin(X64Gen *g, const IrInsn *i, VcpuAccessKind kind, unsigned size)
{
    IrRef base;
    X64Mem m = use_addr_of(g, i, &base);

    return x64_access_begin(g, m, base, kind, size);
}

/* The opcode of a 32 or 64-bit insn for operands of 1 << size bytes */
static X64Op sized(X64Op op, unsigned size)
{
    return size == 0 ? (op - 1) | X64_BYTE : size == 1 ? op | X64_66 : op;
}

/* ---- Plain accesses ---- */

static void emit_int_load(X64Gen *g, X64Reg d, X64Mem m, unsigned size, bool sign, bool w)
{
    static const X64Op zero[] = { X64_0F | 0xb6, X64_0F | 0xb7, 0x8b, 0x8b };
    static const X64Op extend[] = { X64_0F | 0xbe, X64_0F | 0xbf, 0x63, 0x8b };

    if (sign && (w || size < 2)) {
        x64_rm(&g->e, extend[size], w, d, m, 0);
    } else {
        x64_rm(&g->e, zero[size], size == 3, d, m, 0);
    }
}

static X64Op float_load(unsigned type)
{
    return (type == IR_F64 ? X64_F2 : X64_F3) | X64_0F | 0x10;
}

RULE_FN(lower_load)
{
    unsigned size = i->aux & IR_MEM_SIZE, flags = 0;
    X64Access a = begin(g, i, VCPU_load, size);
    X64Reg t = X64_NONE, d;

    (void)arg;
    if (i->type == IR_F16) {
        t = x64_temp(g, X64_GPRS);
    }
    g->faulting = true;
    x64_end_uses(g);
    d = x64_def(g, ref, 0);
    x64_access_find(g, &a);
    if (i->type == IR_F16) {
        emit_int_load(g, t, a.mem, 1, false, false);
        x64_mov_rr(&g->e, false, d, t);
    } else if (x64_is_float(i->type)) {
        x64_rm(&g->e, float_load(i->type), false, d, a.mem, 0);
    } else {
        emit_int_load(g, d, a.mem, size, i->aux & IR_MEM_SIGN, i->type == IR_I64);
        flags = (i->aux & IR_MEM_SIGN ? X64_SLOW_SIGN : 0) | (i->type == IR_I64 ? X64_SLOW_WIDE : 0);
    }
    x64_access_end(g, &a, d, flags, NULL);
}

static void store_imm(X64Gen *g, X64Mem m, unsigned size, int32_t imm)
{
    unsigned bytes = size == 3 ? 4 : 1u << size;

    x64_rm(&g->e, sized(0xc7, size) & ~(X64Op)X64_BYTE, size == 3, 0, m, bytes);
    for (unsigned k = 0; k < bytes; k++) {
        x64_byte(&g->e, (unsigned)((uint32_t)imm >> 8 * k));
    }
}

static void store_reg(X64Gen *g, X64Mem m, unsigned size, X64Reg r)
{
    x64_rm(&g->e, sized(0x89, size), size == 3, r, m, 0);
}

RULE_FN(lower_store)
{
    unsigned size = i->aux & IR_MEM_SIZE;
    X64Access a = begin(g, i, VCPU_store, size);
    int32_t imm;
    X64Reg r;

    (void)ref, (void)arg;
    if (x64_imm32_of(g, i->arg[1], &imm)) {
        x64_access_find(g, &a);
        store_imm(g, a.mem, size, imm);
        x64_access_end(g, &a, X64_NONE, 0, &imm);
        return;
    }
    r = x64_use(g, i->arg[1]);
    if (r >= 16 && size < 2) {
        X64Reg t = x64_temp(g, X64_GPRS);

        x64_mov_rr(&g->e, false, t, r);
        r = t;
    }
    x64_access_find(g, &a);
    if (r < 16) {
        store_reg(g, a.mem, size, r);
    } else {
        x64_rm(&g->e, (size == 3 ? X64_F2 : X64_F3) | X64_0F | 0x11, false, r, a.mem, 0);
    }
    x64_access_end(g, &a, r, 0, NULL);
}

/* ---- Atomics ---- */

static unsigned size_of(const IrInsn *i)
{
    return (unsigned)__builtin_ctz(ir_bits(i->type) / 8);
}

/* In front of an insn that reads and writes; nobody comes in between when there is no other vcpu. */
static void emit_lock(X64Gen *g)
{
    if (!g->options->alone) {
        x64_byte(&g->e, 0xf0);
    }
}

/* swap and add: the host returns the old value in the register.  Its xchg is always locked. */
static void amo_exchange(X64Gen *g, const IrInsn *i, IrRef ref)
{
    unsigned size = size_of(i);
    bool swap = i->aux == IR_RMW_swap, apart = swap && g->options->alone;
    X64Access a = x64_access_begin(g, use_addr(g, i), 0, VCPU_rmw, size);
    X64Reg b = x64_use(g, i->arg[1]), d = x64_temp(g, X64_GPRS);

    if (!apart) {
        x64_mov_rr(&g->e, size == 3, d, b);
    }
    x64_access_find(g, &a);
    if (apart) {
        emit_int_load(g, d, a.mem, size, false, false);
        x64_map_at(g, x64_here(g), g->guest_pc);
        x64_rm(&g->e, sized(0x89, size), size == 3, b, a.mem, 0);
    } else if (swap) {
        x64_rm(&g->e, sized(0x87, size), size == 3, d, a.mem, 0);
    } else {
        emit_lock(g);
        x64_rm(&g->e, sized(X64_0F | 0xc1, size), size == 3, d, a.mem, 0);
    }
    x64_access_end(g, &a, X64_NONE, 0, NULL);
    x64_end_uses(g);
    x64_def_in(g, ref, d);
}

static bool amo_is_logic(unsigned aux, unsigned *digit)
{
    switch (aux) {
    case IR_RMW_and:
        *digit = X64_AND;
        return true;
    case IR_RMW_or:
        *digit = X64_OR;
        return true;
    case IR_RMW_xor:
        *digit = X64_XOR;
        return true;
    default:
        return false;
    }
}

/* The old value is not wanted: one insn. */
static void amo_logic(X64Gen *g, const IrInsn *i, unsigned digit)
{
    X64Access a = x64_access_begin(g, use_addr(g, i), 0, VCPU_rmw, size_of(i));
    X64Reg b = x64_use(g, i->arg[1]);

    x64_access_find(g, &a);
    emit_lock(g);
    x64_rm(&g->e, sized(digit << 3 | 1, size_of(i)), size_of(i) == 3, b, a.mem, 0);
    x64_access_end(g, &a, X64_NONE, 0, NULL);
}

static void extend(X64Gen *g, X64Reg d, X64Reg a, unsigned size, bool sign)
{
    if (size < 2) {
        x64_rr(&g->e, X64_0F | (sign ? 0xbe : 0xb6) | size | (size == 0 ? X64_BYTE : 0), false, d,
               a);
    } else {
        x64_mov_rr(&g->e, size == 3, d, a);
    }
}

/* t = new value from rax (old) and b */
static void amo_combine(X64Gen *g, const IrInsn *i, X64Reg t, X64Reg b)
{
    static const uint8_t take_b[IR_RMW_COUNT] = {
        [IR_RMW_min] = X64_CC_G, [IR_RMW_max] = X64_CC_L,
        [IR_RMW_minu] = X64_CC_A, [IR_RMW_maxu] = X64_CC_B,
    };
    unsigned size = size_of(i), digit;
    bool sign = i->aux == IR_RMW_min || i->aux == IR_RMW_max;

    if (amo_is_logic(i->aux, &digit)) {
        x64_mov_rr(&g->e, size == 3, t, X64_RAX);
        x64_alu_rr(&g->e, digit, size == 3, t, b);
        return;
    }
    extend(g, t, X64_RAX, size, sign);
    x64_alu_rr(&g->e, X64_CMP, size == 3, t, b);
    x64_rr(&g->e, X64_0F | 0x40 | take_b[i->aux], size == 3, t, b);
}

static void amo_loop(X64Gen *g, const IrInsn *i, IrRef ref)
{
    unsigned size = size_of(i);
    bool sign = i->aux == IR_RMW_min || i->aux == IR_RMW_max;
    X64Reg b, t, u;
    uint8_t *loop;
    X64Access a;

    x64_take(g, X64_RAX);
    a = x64_access_begin(g, use_addr(g, i), 0, VCPU_rmw, size);
    b = x64_use(g, i->arg[1]);
    t = x64_temp(g, X64_GPRS);
    if (size < 2) {
        u = x64_temp(g, X64_GPRS);
        extend(g, u, b, size, sign);
        b = u;
    }
    x64_access_find(g, &a);
    emit_int_load(g, X64_RAX, a.mem, size, false, false);
    loop = g->e.p;
    amo_combine(g, i, t, b);
    x64_map_at(g, x64_here(g), g->guest_pc);
    emit_lock(g);
    x64_rm(&g->e, sized(X64_0F | 0xb1, size), size == 3, t, a.mem, 0);
    x64_patch8(&g->e, x64_jcc8(&g->e, X64_CC_NE));
    g->e.p[-1] = (uint8_t)(loop - g->e.p);
    x64_access_end(g, &a, X64_NONE, 0, NULL);
    x64_end_uses(g);
    x64_def_in(g, ref, X64_RAX);
}

RULE_FN(lower_amo)
{
    unsigned digit;

    (void)arg;
    if (i->aux == IR_RMW_swap || i->aux == IR_RMW_add) {
        amo_exchange(g, i, ref);
    } else if (amo_is_logic(i->aux, &digit) && g->val[ref].n_uses == 0) {
        amo_logic(g, i, digit);
    } else {
        amo_loop(g, i, ref);
    }
}

RULE_FN(lower_cas)
{
    unsigned size = size_of(i);
    X64Reg expected, desired;
    X64Access a;

    (void)arg;
    x64_take(g, X64_RAX);
    a = x64_access_begin(g, use_addr(g, i), 0, VCPU_rmw, size);
    expected = x64_use(g, i->arg[1]);
    desired = x64_use(g, i->arg[2]);
    x64_mov_rr(&g->e, size == 3, X64_RAX, expected);
    x64_access_find(g, &a);
    emit_lock(g);
    x64_rm(&g->e, sized(X64_0F | 0xb1, size), size == 3, desired, a.mem, 0);
    x64_access_end(g, &a, X64_NONE, 0, NULL);
    x64_end_uses(g);
    x64_def_in(g, ref, X64_RAX);
}

/* Only a later load before an earlier store is possible here: a locked insn forbids it. */
RULE_FN(lower_fence)
{
    (void)ref, (void)arg;
    x64_forget_found(g, UINT32_MAX); /* drivers have fences between accesses to registers of devices */
    if (i->aux & IR_FENCE_SL) {
        x64_byte(&g->e, 0xf0); /* lock: devices look at memory, too */
        x64_alu_mi(&g->e, X64_OR, false, x64_mem(X64_RSP, 0), 0);
    }
}

/* ---- State of the vcpu ---- */

RULE_FN(lower_ldstate)
{
    X64Mem m = x64_state((int32_t)i->imm - VCPU_BIAS);
    X64Reg d = x64_def(g, ref, 0);

    (void)arg;
    if (x64_is_float(i->type)) {
        x64_rm(&g->e, float_load(i->type), false, d, m, 0);
    } else {
        emit_int_load(g, d, m, size_of(i), false, false);
    }
}

RULE_FN(lower_ststate)
{
    X64Mem m = x64_state((int32_t)i->imm - VCPU_BIAS);
    unsigned type = x64_arg_type(g, i, 0);
    unsigned size = type == IR_I1 ? 0 : (unsigned)__builtin_ctz(ir_bits(type) / 8);
    int32_t imm;
    X64Reg r;

    (void)ref, (void)arg;
    if (x64_imm32_of(g, i->arg[0], &imm)) {
        store_imm(g, m, size, imm);
        return;
    }
    r = x64_use(g, i->arg[0]);
    if (r < 16) {
        store_reg(g, m, size, r);
    } else {
        x64_rm(&g->e, (size == 3 ? X64_F2 : X64_F3) | X64_0F | 0x11, false, r, m, 0);
    }
}

static void add_to(X64Gen *g, X64Mem m, IrRef value)
{
    int32_t imm;

    if (x64_imm32_of(g, value, &imm)) {
        x64_alu_mi(&g->e, X64_ADD, true, m, imm);
    } else {
        x64_rm(&g->e, 0x01, true, x64_use(g, value), m, 0);
    }
}

RULE_FN(lower_addstate)
{
    (void)ref, (void)arg;
    add_to(g, x64_state((int32_t)i->imm - VCPU_BIAS), i->arg[0]);
}

RULE_FN(lower_addhost)
{
    (void)ref, (void)arg;
    add_to(g, x64_mem(x64_use(g, i->arg[0]), 0), i->arg[1]);
}

RULE_FN(lower_sthost)
{
    X64Mem m = use_addr(g, i);
    int32_t imm;

    (void)ref, (void)arg;
    if (x64_imm32_of(g, i->arg[1], &imm)) {
        store_imm(g, m, 3, imm);
    } else {
        store_reg(g, m, 3, x64_use(g, i->arg[1]));
    }
}
