/* SPDX-License-Identifier: Apache-2.0 */
/*
 * backends/x86_64/host.h - what all units share: host features, stubs, constants in code memory.
 *
 * Invariant:  written by the backend's start() and restart() only, before any unit runs.
 */
#ifndef KETCH_BACKENDS_X86_64_HOST_H
#define KETCH_BACKENDS_X86_64_HOST_H

#include <stdbool.h>
#include <stdint.h>

#include "backends/x86_64/gen.h"

/* Features of the host: FEATURE(name) */
#define X64_FEATURES(FEATURE) \
    FEATURE(avx)              \
    FEATURE(fma)              \
    FEATURE(f16c)             \
    FEATURE(bmi1)             \
    FEATURE(bmi2)             \
    FEATURE(lzcnt)            \
    FEATURE(popcnt)           \
    FEATURE(pclmul)           \
    FEATURE(sse41)

typedef enum X64Feature {
#define FEATURE(name) X64_F_##name,
    X64_FEATURES(FEATURE)
#undef FEATURE
    X64_FEATURE_COUNT
} X64Feature;

extern uint32_t x64_features;

static inline bool x64_has(X64Feature feature)
{
    return x64_features >> feature & 1;
}

extern const BeFrame x64_frame;

void x64_features_find(void);
/* For tests: only these (bits by X64Feature) and only what the host has. */
void x64_features_limit(uint32_t mask);
/* For tests: what allocation may change is changed by all of it, see gen.h. */
extern bool x64_poison;

/* Constants that every unit may want, 16 bytes each: K(name, low, high) */
#define X64_KNOWN(K)                                              \
    K(SIGN64, 0x8000000000000000, 0)                              \
    K(ABS64, 0x7fffffffffffffff, 0)                               \
    K(SIGN32, 0x80000000, 0)                                      \
    K(ABS32, 0x7fffffff, 0)                                       \
    K(BOX32, 0xffffffff00000000, 0)                               \
    K(BOX16, 0xffffffffffff0000, 0)                               \
    K(NAN64, 0x7ff8000000000000, 0)                               \
    K(NAN32, 0x7fc00000, 0)                                       \
    K(NAN16, 0x7e00, 0)                                           \
    K(TWO63_64, 0x43e0000000000000, 0)                            \
    K(TWO63_32, 0x5f000000, 0)                                    \
    K(TWO64_64, 0x43f0000000000000, 0)                            \
    K(TWO64_32, 0x5f800000, 0)                                    \
    K(TWO32_64, 0x41f0000000000000, 0)                            \
    K(TWO32_32, 0x4f800000, 0)                                    \
    K(ZERO, 0, 0)                                                 \
    K(HALF64, 0x3fe0000000000000, 0)                              \
    K(HALF32, 0x3f000000, 0)                                      \
    K(ONE64, 0x3ff0000000000000, 0)                               \
    K(ONE32, 0x3f800000, 0)                                       \
    K(RC, 0x0000600000000000, 0x0000400000002000)                 \
    K(FLAGS, 0x1808180810001000, 0x1c0c1c0c14041404)              \
    K(FLAGS_1, 0x1a0a1a0a12021202, 0x1e0e1e0e16061606)            \
    K(FLAGS_2, 0x1909190911011101, 0x1d0d1d0d15051505)            \
    K(FLAGS_3, 0x1b0b1b0b13031303, 0x1f0f1f0f17071707)            \
    K(UNMASK, 0x068016800e801e80, 0x028012800a801a80)             \
    K(UNMASK_1, 0x048014800c801c80, 0x0080108008801880)           \
    K(UNMASK_2, 0x060016000e001e00, 0x020012000a001a00)           \
    K(UNMASK_3, 0x040014000c001c00, 0x0000100008001800)           \
    K(MASKED, 0x1f80, 0)

typedef enum X64Known {
#define K(name, low, high) X64_K_##name,
    X64_KNOWN(K)
#undef K
    X64_KNOWN_COUNT
} X64Known;

/* Code that units jump to or call.  "Pins": pinned slots are in their registers, the other slots
 * in memory. */
typedef enum X64Stub {
    X64_STUB_enter,     /* C: uint64_t (Vcpu *, const void *entry, uint32_t mxcsr) */
    X64_STUB_leave,     /* all slots in memory, vcpu->exit_trap set */
    X64_STUB_exit,      /* pins; exit_trap set */
    X64_STUB_link,      /* pins; called, the guest pc is behind the call: IR_TRAP_none */
    X64_STUB_hot,       /* pins; called from in front of the entry: IR_TRAP_hot */
    X64_STUB_poll,      /* as link: IR_TRAP_interrupt */
    X64_STUB_trap,      /* pins; rax = pc, ecx = trap */
    X64_STUB_lookup,    /* pins; rax = pc: Vcpu.find(), or IR_TRAP_lookup */
    X64_STUB_interrupt, /* pins; rax = pc: IR_TRAP_interrupt */
    X64_STUB_refill,    /* called, 8 bytes for Vcpu.refill behind the call; rax = word; keeps the rest */
    X64_STUB_deopt,     /* pushed: host offset, trap, argument, side data: state by stack map */
    X64_STUB_lookup_tagged, /* lookup with rax = pc ^ Vcpu.jump_tag */
    X64_STUB_guard,     /* as poll: IR_TRAP_guard */
    X64_STUB_slow,      /* pushed as X64SlowFrame says: an access by Vcpu.access() */
    X64_STUB_COUNT
} X64Stub;

typedef struct X64Host {
    const uint8_t *stub[X64_STUB_COUNT];
    const uint8_t *known; /* X64_KNOWN_COUNT * 16 bytes */
} X64Host;

extern X64Host x64_host;

/* False when code memory has no room. */
bool x64_stubs_emit(CodeBuf *code);

/* C functions that units call through Vcpu.backend_fns: FN(name) */
#define X64_FNS(FN) \
    FN(eval)

typedef enum X64Fn {
#define FN(name) X64_FN_##name,
    X64_FNS(FN)
#undef FN
    X64_FN_COUNT
} X64Fn;

extern const void *const x64_fns[X64_FN_COUNT];

enum {
    X64_CSR_FLAGS = 0x3f,    /* bit 1, a denormal operand, is not a guest's */
    X64_CSR_MASKS = 0x1f80,
    X64_CSR_UNMASK = 0x1e80, /* masks that may be cleared: all but the denormal operand's */
    X64_CSR_RC = 0x6000,
};

/* MXCSR for the vcpu's environment: its rounding mode, no flags */
uint32_t x64_mxcsr(const Vcpu *vcpu);
/* Backend.fp_trap */
bool x64_fp_trap(Vcpu *vcpu, uint32_t *csr);
/* After a longjmp out of a unit: its flags are taken, the host is as C expects it. */
void x64_csr_restore(Vcpu *vcpu);
/* IrFpFlag bits of MXCSR's */
uint32_t x64_flags_of(uint32_t mxcsr);

/* What X64_STUB_deopt pushes */
typedef struct X64DeoptFrame {
    uint64_t fpr[16];
    uint64_t gpr[16];
    uint64_t side;
    uint64_t arg;
    uint64_t trap;
    uint64_t host;
} X64DeoptFrame;

void x64_deopt(Vcpu *vcpu, const X64DeoptFrame *frame);

/* What X64_STUB_slow pushes, and takes registers from afterwards.  It then goes to where `addr`
 * says. */
typedef struct X64SlowFrame {
    uint64_t fpr[16];
    uint64_t gpr[16];
    uint64_t side;
    uint64_t what; /* see access.c */
    uint64_t host; /* offset of the access in the unit's code, where its stack map is */
    uint64_t addr; /* of the guest */
} X64SlowFrame;

/* Makes the access, or gives its host address.  0: it faults, and the guest's state is in the vcpu. */
uint32_t x64_slow(Vcpu *vcpu, X64SlowFrame *frame);

/* The address, from the code of the unit, of something at a fixed place of code memory */
static inline X64Mem x64_known(const X64Gen *g, X64Known k)
{
    return (X64Mem){ X64_RIP, X64_NONE, 0, (int32_t)(x64_host.known + 16 * k - g->code) };
}

static inline const uint8_t *x64_stub(const X64Gen *g, X64Stub stub)
{
    return g->e.start + (x64_host.stub[stub] - g->code);
}

#endif
