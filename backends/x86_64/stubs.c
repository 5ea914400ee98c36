/* SPDX-License-Identifier: Apache-2.0 */
/* The code around all units: in, out, and the constants that they share. */
#include "backends/x86_64/host.h"

#include "backends/common/codebuf.h"

X64Host x64_host;

enum {
    /* Above the spill frame; keeps the stack aligned after six pushes. */
    FRAME_HOST_CSR = X64_FRAME,
    FRAME_GUEST_CSR = X64_FRAME + 4,
    FRAME_SIZE = X64_FRAME + 24,
    STUBS_MAX = 4096,
};

static const X64Reg saved[] = { X64_RBP, X64_RBX, X64_R12, X64_R13, X64_R14, X64_R15 };

/* System V ABI for x86-64, figure 3.36: DWARF numbers. */
const BeFrame x64_frame = {
    .size = FRAME_SIZE + 8 * sizeof(saved) + 8,
    .sp = 7,
    .ra = 16,
    .n_saved = sizeof(saved),
    .saved = { 6, 3, 12, 13, 14, 15 },
};

static void push(X64Emit *e, X64Reg r)
{
    if (r >= 8) {
        x64_byte(e, 0x41);
    }
    x64_byte(e, 0x50 | (r & 7));
}

static void pop(X64Emit *e, X64Reg r)
{
    if (r >= 8) {
        x64_byte(e, 0x41);
    }
    x64_byte(e, 0x58 | (r & 7));
}

static void csr(X64Emit *e, bool store, int32_t disp)
{
    x64_rm(e, X64_0F | 0xae, false, store ? 3 : 2, x64_mem(X64_RSP, disp), 0);
}

/* Pinned slots into their registers, or back. */
static void move_pins(X64Emit *e, bool store)
{
    for (unsigned p = 0; p < X64_PINS; p++) {
        if (x64_pins.slot[p] == X64_SLOT_NONE) {
            continue;
        }
        if (store) {
            x64_store(e, x64_pins.reg[p], x64_slot_mem(x64_pins.slot[p]));
        } else {
            x64_load(e, x64_pins.reg[p], x64_slot_mem(x64_pins.slot[p]));
        }
    }
}

static void emit_enter(X64Emit *e)
{
    for (unsigned k = 0; k < sizeof(saved); k++) {
        push(e, saved[k]);
    }
    x64_alu_ri(e, X64_SUB, true, X64_RSP, FRAME_SIZE);
    csr(e, true, FRAME_HOST_CSR);
    x64_rm(e, 0x89, false, X64_RDX, x64_mem(X64_RSP, FRAME_GUEST_CSR), 0);
    csr(e, false, FRAME_GUEST_CSR);
    x64_lea(e, true, X64_STATE, x64_mem(X64_RDI, VCPU_BIAS));
    x64_store(e, X64_RSP, x64_state(X64_VCPU(host_sp)));
    x64_mov_rr(e, true, X64_RAX, X64_RSI);
    move_pins(e, false);
    x64_rr(e, 0xff, false, 4, X64_RAX); /* jmp rax */
}

static void emit_leave(X64Emit *e)
{
    x64_load(e, X64_RSP, x64_state(X64_VCPU(host_sp)));
    csr(e, true, FRAME_GUEST_CSR);
    csr(e, false, FRAME_HOST_CSR);
    x64_rm(e, 0x8b, false, X64_RAX, x64_mem(X64_RSP, FRAME_GUEST_CSR), 0);
    x64_alu_ri(e, X64_ADD, true, X64_RSP, FRAME_SIZE);
    for (unsigned k = sizeof(saved); k-- > 0;) {
        pop(e, saved[k]);
    }
    x64_byte(e, 0xc3);
}

static void store_trap(X64Emit *e, unsigned trap)
{
    x64_rm(e, 0xc7, false, 0, x64_state(X64_VCPU(exit_trap)), 4);
    x64_imm32(e, trap);
}

static void emit_exit(X64Emit *e, const uint8_t *leave)
{
    move_pins(e, true);
    x64_jmp(e, leave);
}

/* Called by an exit; the guest pc that it goes to follows the call. */
static void emit_link(X64Emit *e, const uint8_t *leave)
{
    pop(e, X64_RAX);
    x64_load(e, X64_RCX, x64_mem(X64_RAX, 0));
    x64_store(e, X64_RCX, x64_state(X64_VCPU(pc)));
    x64_alu_ri(e, X64_SUB, true, X64_RAX, X64_CALL_SIZE);
    x64_store(e, X64_RAX, x64_state(X64_VCPU(exit_site)));
    store_trap(e, IR_TRAP_none);
    x64_jmp(e, leave);
}

static void emit_trap(X64Emit *e, const uint8_t *leave)
{
    x64_rm(e, 0x89, false, X64_RCX, x64_state(X64_VCPU(exit_trap)), 0);
    x64_store(e, X64_RAX, x64_state(X64_VCPU(pc)));
    x64_alu_rr(e, X64_XOR, false, X64_RAX, X64_RAX);
    x64_store(e, X64_RAX, x64_state(X64_VCPU(exit_arg)));
    x64_jmp(e, leave);
}

static void emit_known_trap(X64Emit *e, unsigned trap, const uint8_t *leave)
{
    x64_mov_ri(e, X64_RCX, trap);
    x64_jmp(e, leave);
}

/* Called; the guest pc follows the call. */
static void emit_called_trap(X64Emit *e, unsigned trap, const uint8_t *leave)
{
    pop(e, X64_RAX);
    x64_load(e, X64_RAX, x64_mem(X64_RAX, 0));
    emit_known_trap(e, trap, leave);
}

static void emit_hot(X64Emit *e, const uint8_t *exit)
{
    x64_store(e, X64_RAX, x64_state(X64_VCPU(from)));
    x64_store(e, X64_RCX, x64_state(X64_VCPU(from_index)));
    pop(e, X64_RAX);
    x64_store(e, X64_RAX, x64_state(X64_VCPU(exit_site)));
    store_trap(e, IR_TRAP_hot);
    x64_jmp(e, exit);
}

/* rax: the pc (or pc ^ tag, which has the same low bits) that is not in its first place of the jump
 * cache.  Falls through when it is not in the second one either; else the two change places, so that a
 * jump taken again and again is made inline, where it is noted.  This one is not: ecx is not what
 * Vcpu.from_index should be. */
static void emit_second_place(X64Emit *e)
{
    X64Mem first = { X64_STATE, X64_RDX, 3, X64_VCPU(jump_cache) };
    X64Mem second = { X64_STATE, X64_RCX, 3, X64_VCPU(jump_cache) };
    uint8_t *other;

    _Static_assert(sizeof(VcpuJump) == 16, "a place is moved with an xmm register");
    x64_mov_rr(e, false, X64_RDX, X64_RAX);
    x64_alu_ri(e, X64_AND, false, X64_RDX, (VCPU_JUMP_CACHE - 1) * 2);
    x64_mov_rr(e, false, X64_RCX, X64_RDX);
    x64_alu_ri(e, X64_XOR, false, X64_RCX, 2);
    x64_alu_rm(e, X64_CMP, true, X64_RAX, second);
    other = x64_jcc(e, X64_CC_NE, NULL);
    x64_rm(e, X64_0F | 0x10, false, X64_XMM0, second, 0); /* movups */
    x64_rm(e, X64_0F | 0x10, false, X64_XMM15, first, 0);
    x64_rm(e, X64_0F | 0x11, false, X64_XMM0, first, 0);
    x64_rm(e, X64_0F | 0x11, false, X64_XMM15, second, 0);
    first.disp += (int32_t)offsetof(VcpuJump, host);
    x64_rm(e, 0xff, false, 4, first, 0); /* jmp */
    x64_patch(other, e->p);
}

/* What is not in the jump cache may still exist. */
static void emit_lookup(X64Emit *e, const uint8_t *trap)
{
    uint8_t *none, *not_found;

    x64_store(e, X64_RAX, x64_state(X64_VCPU(pc)));
    x64_alu_mi(e, X64_CMP, true, x64_state(X64_VCPU(find)), 0);
    none = x64_jcc(e, X64_CC_E, NULL);
    move_pins(e, true);
    x64_mov_rr(e, true, X64_RSI, X64_RAX);
    x64_lea(e, true, X64_RDI, x64_state(-VCPU_BIAS));
    x64_rm(e, 0xff, false, 2, x64_state(X64_VCPU(find)), 0); /* call */
    move_pins(e, false);
    x64_alu_ri(e, X64_CMP, true, X64_RAX, 0);
    not_found = x64_jcc(e, X64_CC_E, NULL);
    x64_rr(e, 0xff, false, 4, X64_RAX); /* jmp rax */
    x64_patch(none, e->p);
    x64_patch(not_found, e->p);
    x64_load(e, X64_RAX, x64_state(X64_VCPU(pc)));
    emit_known_trap(e, IR_TRAP_lookup, trap);
}

/* Registers that C code may change, but rax. */
static const X64Reg changed[] = { X64_RCX, X64_RDX, X64_RSI, X64_RDI, X64_R8, X64_R9, X64_R10, X64_R11 };

static void emit_refill(X64Emit *e)
{
    enum { PUSHED = 8 * sizeof(changed), FLOATS = 16 * 16 + 8 /* alignment */ };

    for (unsigned k = 0; k < sizeof(changed); k++) {
        push(e, changed[k]);
    }
    x64_load(e, X64_RSI, x64_mem(X64_RSP, PUSHED));
    x64_load(e, X64_RSI, x64_mem(X64_RSI, 0));
    x64_alu_mi(e, X64_ADD, true, x64_mem(X64_RSP, PUSHED), 8);
    x64_alu_ri(e, X64_SUB, true, X64_RSP, FLOATS);
    for (unsigned k = 0; k < 16; k++) {
        x64_rm(e, X64_0F | 0x11, false, 16 + k, x64_mem(X64_RSP, 16 * (int32_t)k), 0); /* movups */
    }
    x64_mov_rr(e, true, X64_RDX, X64_RAX);
    x64_lea(e, true, X64_RDI, x64_state(-VCPU_BIAS));
    x64_rm(e, 0xff, false, 2, x64_state(X64_VCPU(refill)), 0); /* call */
    for (unsigned k = 0; k < 16; k++) {
        x64_rm(e, X64_0F | 0x10, false, 16 + k, x64_mem(X64_RSP, 16 * (int32_t)k), 0);
    }
    x64_alu_ri(e, X64_ADD, true, X64_RSP, FLOATS);
    for (unsigned k = sizeof(changed); k-- > 0;) {
        pop(e, changed[k]);
    }
    x64_byte(e, 0xc3);
}

static void emit_deopt(X64Emit *e, const uint8_t *leave)
{
    x64_alu_ri(e, X64_SUB, true, X64_RSP, offsetof(X64DeoptFrame, side));
    for (unsigned r = 0; r < 16; r++) {
        x64_store(e, (X64Reg)r,
                  x64_mem(X64_RSP, (int32_t)(offsetof(X64DeoptFrame, gpr) + 8 * r)));
        x64_store(e, (X64Reg)(16 + r),
                  x64_mem(X64_RSP, (int32_t)(offsetof(X64DeoptFrame, fpr) + 8 * r)));
    }
    x64_lea(e, true, X64_RDI, x64_state(-VCPU_BIAS));
    x64_mov_rr(e, true, X64_RSI, X64_RSP);
    x64_mov_ri(e, X64_RAX, (uint64_t)(uintptr_t)x64_deopt);
    x64_rr(e, 0xff, false, 2, X64_RAX);
    x64_jmp(e, leave);
}

static void emit_lookup_tagged(X64Emit *e, const uint8_t *lookup)
{
    x64_alu_rm(e, X64_XOR, true, X64_RAX, x64_state(X64_VCPU(jump_tag)));
    x64_jmp(e, lookup);
}

/* All registers to the frame, or back: but for the stack pointer. */
static void move_all(X64Emit *e, bool store)
{
    for (unsigned r = 0; r < 32; r++) {
        int32_t at = (int32_t)(r < 16 ? offsetof(X64SlowFrame, gpr) + 8 * r
                                      : offsetof(X64SlowFrame, fpr) + 8 * (r - 16));

        if (store) {
            x64_store(e, (X64Reg)r, x64_mem(X64_RSP, at));
        } else if (r != X64_RSP) {
            x64_load(e, (X64Reg)r, x64_mem(X64_RSP, at));
        }
    }
}

/* C code has the host's FP environment. */
static void emit_slow(X64Emit *e, const uint8_t *leave)
{
    uint8_t *fault;

    x64_alu_ri(e, X64_SUB, true, X64_RSP, offsetof(X64SlowFrame, side));
    move_all(e, true);
    x64_load(e, X64_RBX, x64_state(X64_VCPU(host_sp)));
    x64_rm(e, X64_0F | 0xae, false, 3, x64_mem(X64_RBX, FRAME_GUEST_CSR), 0);
    x64_rm(e, X64_0F | 0xae, false, 2, x64_mem(X64_RBX, FRAME_HOST_CSR), 0);
    x64_lea(e, true, X64_RDI, x64_state(-VCPU_BIAS));
    x64_mov_rr(e, true, X64_RSI, X64_RSP);
    x64_mov_ri(e, X64_RAX, (uint64_t)(uintptr_t)x64_slow);
    x64_rr(e, 0xff, false, 2, X64_RAX);
    x64_rm(e, X64_0F | 0xae, false, 2, x64_mem(X64_RBX, FRAME_GUEST_CSR), 0);
    x64_alu_ri(e, X64_CMP, false, X64_RAX, 0);
    fault = x64_jcc(e, X64_CC_E, NULL);
    move_all(e, false);
    x64_lea(e, true, X64_RSP, x64_mem(X64_RSP, offsetof(X64SlowFrame, addr)));
    x64_byte(e, 0xc3);
    x64_patch(fault, e->p);
    x64_jmp(e, leave);
}

static void emit_known(X64Emit *e)
{
    static const uint64_t value[X64_KNOWN_COUNT][2] = {
#define K(name, low, high) { UINT64_C(low), UINT64_C(high) },
        X64_KNOWN(K)
#undef K
    };

    x64_nop(e, (unsigned)(-(uintptr_t)e->p & 15));
    x64_host.known = e->p;
    memcpy(e->p, value, sizeof(value));
    e->p += sizeof(value);
}

static const uint8_t *begin(X64Emit *e, X64Stub stub)
{
    x64_nop(e, (unsigned)(-(uintptr_t)e->p & 15));
    x64_host.stub[stub] = e->p;
    return e->p;
}

static void emit_all(X64Emit *e)
{
    const uint8_t *leave, *exit, *trap, *lookup;

    emit_known(e);
    begin(e, X64_STUB_enter);
    emit_enter(e);
    leave = begin(e, X64_STUB_leave);
    emit_leave(e);
    exit = begin(e, X64_STUB_exit);
    emit_exit(e, leave);
    begin(e, X64_STUB_link);
    emit_link(e, exit);
    trap = begin(e, X64_STUB_trap);
    emit_trap(e, exit);
    begin(e, X64_STUB_hot);
    emit_hot(e, exit);
    begin(e, X64_STUB_poll);
    emit_called_trap(e, IR_TRAP_interrupt, trap);
    begin(e, X64_STUB_lookup);
    emit_second_place(e);
    lookup = e->p;
    emit_lookup(e, trap);
    begin(e, X64_STUB_interrupt);
    emit_known_trap(e, IR_TRAP_interrupt, trap);
    begin(e, X64_STUB_refill);
    emit_refill(e);
    begin(e, X64_STUB_deopt);
    emit_deopt(e, leave);
    begin(e, X64_STUB_lookup_tagged);
    emit_second_place(e);
    emit_lookup_tagged(e, lookup);
    begin(e, X64_STUB_guard);
    emit_called_trap(e, IR_TRAP_guard, trap);
    begin(e, X64_STUB_slow);
    emit_slow(e, leave);
}

bool x64_stubs_emit(CodeBuf *code)
{
    X64Emit e;

    e.p = e.start = codebuf_reserve(code, 0, STUBS_MAX);
    if (!e.p) {
        return false;
    }
    emit_all(&e);
    codebuf_commit(code, (size_t)(e.p - e.start));
    for (unsigned k = 0; k < X64_STUB_COUNT; k++) {
        x64_host.stub[k] = codebuf_rx(code, x64_host.stub[k]);
    }
    x64_host.known = codebuf_rx(code, x64_host.known);
    return true;
}
