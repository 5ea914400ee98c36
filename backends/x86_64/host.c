/* SPDX-License-Identifier: Apache-2.0 */
#include "backends/x86_64/host.h"

#include <cpuid.h>

#include "ir/eval.h"
#include "ir/softfloat.h"

uint32_t x64_features;
bool x64_poison;
static uint32_t found;

/* SDM volume 2, "CPUID": leaves 1, 7 and 0x80000001.  AVX counts only when the system saves its
 * registers (XCR0). */
void x64_features_find(void)
{
    unsigned a, b = 0, c1 = 0, d, b7 = 0, c, cx = 0, xcr0 = 0;
    bool avx;

    __get_cpuid(1, &a, &b, &c1, &d);
    __get_cpuid_count(7, 0, &a, &b7, &c, &d);
    __get_cpuid(0x80000001, &a, &b, &cx, &d);
    if (c1 & bit_OSXSAVE) {
        __asm__ volatile("xgetbv" : "=a"(xcr0), "=d"(d) : "c"(0));
    }
    avx = (c1 & bit_AVX) && (xcr0 & 6) == 6;
    found = (uint32_t)avx << X64_F_avx | (uint32_t)(avx && (c1 & bit_FMA)) << X64_F_fma |
            (uint32_t)(avx && (c1 & bit_F16C)) << X64_F_f16c |
            (uint32_t)!!(b7 & bit_BMI) << X64_F_bmi1 | (uint32_t)!!(b7 & bit_BMI2) << X64_F_bmi2 |
            (uint32_t)!!(cx & bit_LZCNT) << X64_F_lzcnt |
            (uint32_t)!!(c1 & bit_POPCNT) << X64_F_popcnt |
            (uint32_t)!!(c1 & bit_PCLMUL) << X64_F_pclmul |
            (uint32_t)!!(c1 & bit_SSE4_1) << X64_F_sse41;
    x64_features = found;
}

void x64_features_limit(uint32_t mask)
{
    x64_features = found & mask;
}

/*
 * Floating point environment.  SDM volume 1, "MXCSR Control and Status Register".
 *
 * The guest's flags are Vcpu.fp_flags and those in MXCSR.  Reading MXCSR waits for all arithmetic
 * before it, so while Vcpu.fp_traps lasts, an exception whose flag is not in fp_flags is not
 * masked: it traps, x64_fp_trap() adds it to fp_flags and masks it.  Then fp_flags alone has all
 * flags.  A guest that clears flags again and again soon uses its traps up, and one that
 * underflows too (a trap comes even when the result is exact): all is masked from then on.
 */

enum {
    CSR_IE = 1,
    CSR_ZE = 4,
    CSR_OE = 8,
    CSR_UE = 16,
    CSR_PE = 32,
    CSR_MASK = 7,             /* from a flag to its mask */
    CSR_OURS = 0x3d,          /* all but denormal operand */
    CSR_RC = 13,
};

static uint32_t csr_of(uint32_t flags)
{
    return (flags & IR_FP_NV ? CSR_IE : 0) | (flags & IR_FP_DZ ? CSR_ZE : 0) |
           (flags & IR_FP_OF ? CSR_OE : 0) | (flags & IR_FP_UF ? CSR_UE : 0) |
           (flags & IR_FP_NX ? CSR_PE : 0);
}

uint32_t x64_mxcsr(const Vcpu *vcpu)
{
    static const uint8_t rc[4] = { [IR_RM_RNE] = 0, [IR_RM_RTZ] = 3, [IR_RM_RDN] = 1,
                                   [IR_RM_RUP] = 2 };
    uint32_t unmask = csr_of(~vcpu->fp_flags) << CSR_MASK & vcpu->fp_unmask;

    return (X64_CSR_MASKS & ~unmask) | (uint32_t)(vcpu->fp_rm < 4 ? rc[vcpu->fp_rm] : 0) << CSR_RC;
}

bool x64_fp_trap(Vcpu *vcpu, uint32_t *csr)
{
    uint32_t raised = *csr & CSR_OURS & ~(*csr >> CSR_MASK);

    if (!raised) {
        return false;
    }
    if (raised & CSR_UE || vcpu->fp_traps <= 1) {
        *csr &= ~(uint32_t)(raised & CSR_UE);
        *csr |= X64_CSR_MASKS;
        vcpu->fp_traps = vcpu->fp_unmask = 0;
        return true;
    }
    vcpu->fp_traps--;
    vcpu->fp_flags |= x64_flags_of(raised);
    *csr |= raised << CSR_MASK;
    return true;
}

uint32_t x64_flags_of(uint32_t csr)
{
    return (csr & CSR_IE ? IR_FP_NV : 0) | (csr & CSR_ZE ? IR_FP_DZ : 0) |
           (csr & CSR_OE ? IR_FP_OF : 0) | (csr & CSR_UE ? IR_FP_UF : 0) |
           (csr & CSR_PE ? IR_FP_NX : 0);
}

static uint32_t get_csr(void)
{
    uint32_t csr;

    __asm__ volatile("stmxcsr %0" : "=m"(csr) : : "memory");
    return csr;
}

static void set_csr(uint32_t csr)
{
    __asm__ volatile("ldmxcsr %0" : : "m"(csr) : "memory");
}

void x64_csr_restore(Vcpu *vcpu)
{
    vcpu->fp_flags |= x64_flags_of(get_csr());
    set_csr(X64_CSR_MASKS);
}

/* ---- C functions of translated code ---- */

/* `what`: op, type, aux and operand types, a byte each, as lower_eval() packs them */
static uint64_t fn_eval(Vcpu *vcpu, uint64_t what, uint64_t a, uint64_t b, uint64_t c)
{
    IrInsn i = { .op = (uint8_t)what, .type = (uint8_t)(what >> 8), .aux = (uint8_t)(what >> 16) };
    uint8_t type[3] = { (uint8_t)(what >> 24), (uint8_t)(what >> 32), (uint8_t)(what >> 40) };
    uint64_t arg[3] = { a, b, c }, out = 0;
    uint32_t flags = 0;

    CHECK(ir_eval(&i, type, arg, (IrRm)vcpu->fp_rm, &flags, &out), "op %u has no value", i.op);
    if (flags) {
        vcpu->fp_flags |= flags;
        set_csr(get_csr() | csr_of(flags) << CSR_MASK);
    }
    return out;
}

const void *const x64_fns[X64_FN_COUNT] = {
#define FN(name) [X64_FN_##name] = (const void *)fn_##name,
    X64_FNS(FN)
#undef FN
};
