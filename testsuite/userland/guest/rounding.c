/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Rounding modes in hot loops: each instruction in each static mode gives what it gives in that
 * dynamic mode, and the same exception flags, which the loops collect without looking; the dynamic
 * mode is another one meanwhile.  Operands: ties, subnormals, infinities, NaNs with payloads.
 */
#include <stdint.h>

#include "check.h"

enum { MODES = 5, OPERANDS = 24, ROUNDS = 40, N = OPERANDS * OPERANDS };

static const uint64_t operand[OPERANDS] = {
    0, 0x8000000000000000, 1, 0x800fffffffffffff, 0x0010000000000000, 0x3ff0000000000000,
    0xbff0000000000001, 0x3ff0000000000001, 0x3ca0000000000000, 0xbca0000000000001,
    0x4340000000000001, 0x41dfffffffe00000, 0xc1e0000000200000, 0x43dfffffffffffff,
    0x3fe0000000000000, 0xbff8000000000000, 0x4004000000000000, 0x7fefffffffffffff,
    0x36a0000000000000, 0x47efffffe0000001, 0x7ff0000000000000, 0xfff0000000000000,
    0x7ff8000000001234, 0x7ff0000000000001,
};

typedef uint64_t Run(uint64_t *out, const uint64_t *a, const uint64_t *b);

/* out[] = the instruction on all pairs; returns the sum of what it puts in a0. */
#define LOOP(name, text)                                                                  \
    static __attribute__((noinline)) uint64_t name(uint64_t *out, const uint64_t *a,      \
                                                   const uint64_t *b)                     \
    {                                                                                     \
        uint64_t sum = 0;                                                                 \
        for (long i = 0; i < N; i++) {                                                    \
            register uint64_t x __asm__("a0") = a[i];                                     \
            __asm__ volatile("fld fa0, (%1)\n fld fa1, (%2)\n " text "\n fsd fa2, (%3)"   \
                             : "+r"(x)                                                    \
                             : "r"(a + i), "r"(b + i), "r"(out + i)                       \
                             : "fa0", "fa1", "fa2", "memory");                            \
            sum = sum * 31 + x;                                                           \
        }                                                                                 \
        return sum;                                                                       \
    }

#define SINGLE "fcvt.s.d fa0, fa0, rtz\n fcvt.s.d fa1, fa1, rtz\n "
#define INSNS(X)                                                                           \
    X(add, "fadd.d fa2, fa0, fa1, ") X(sub, "fsub.d fa2, fa0, fa1, ")                      \
    X(mul, "fmul.d fa2, fa0, fa1, ") X(div, "fdiv.d fa2, fa0, fa1, ")                      \
    X(sqrt, "fsqrt.d fa2, fa0, ") X(madd, "fmadd.d fa2, fa0, fa1, fa1, ")                  \
    X(nmsub, "fnmsub.d fa2, fa1, fa0, fa1, ") X(adds, SINGLE "fadd.s fa2, fa0, fa1, ")     \
    X(divs, SINGLE "fdiv.s fa2, fa0, fa1, ") X(narrow, "fcvt.s.d fa2, fa0, ")              \
    X(fromlong, "fcvt.d.l fa2, a0, ") X(fromulong, "fcvt.d.lu fa2, a0, ")                  \
    X(fromword, "fcvt.s.w fa2, a0, ") X(fromuword, "fcvt.s.wu fa2, a0, ")                  \
    X(toword, "fmv.d fa2, fa0\n fcvt.w.d a0, fa1, ")                                       \
    X(touword, "fmv.d fa2, fa0\n fcvt.wu.d a0, fa1, ")                                     \
    X(tolong, "fmv.d fa2, fa0\n fcvt.l.d a0, fa1, ")                                       \
    X(toulong, "fmv.d fa2, fa0\n fcvt.lu.d a0, fa1, ")                                     \
    X(towords, SINGLE "fmv.s fa2, fa0\n fcvt.w.s a0, fa1, ")                               \
    X(tolongs, SINGLE "fmv.s fa2, fa0\n fcvt.l.s a0, fa1, ")

#define IN_ALL_MODES(name, text)                                                       \
    LOOP(name##_rne, text "rne") LOOP(name##_rtz, text "rtz") LOOP(name##_rdn, text "rdn") \
    LOOP(name##_rup, text "rup") LOOP(name##_rmm, text "rmm") LOOP(name##_dyn, text "dyn")
INSNS(IN_ALL_MODES)

static const struct {
    const char *name;
    Run *fixed[MODES], *dynamic;
} insns[] = {
#define ROW(name, text) \
    { #name, { name##_rne, name##_rtz, name##_rdn, name##_rup, name##_rmm }, name##_dyn },
    INSNS(ROW)
};

static uint64_t a[N], b[N], want[N], got[N];

/* Runs it with no flags set before; returns those that it raised. */
static unsigned run(Run *fn, unsigned dynamic, uint64_t *out, uint64_t *sum)
{
    unsigned flags;

    __asm__ volatile("fsrm %0\n fsflags zero" : : "r"(dynamic));
    *sum = fn(out, a, b);
    __asm__ volatile("frflags %0\n fsrm zero" : "=r"(flags));
    return flags;
}

static void compare(unsigned k, unsigned mode, unsigned other)
{
    uint64_t want_sum, got_sum;
    unsigned want_flags = run(insns[k].dynamic, mode, want, &want_sum);
    unsigned got_flags = run(insns[k].fixed[mode], other, got, &got_sum);

    if (want_flags != got_flags || want_sum != got_sum || memcmp(want, got, sizeof(want))) {
        fprintf(stderr, "%s in mode %u, with %u around it, differs\n", insns[k].name, mode, other);
        _exit(1);
    }
}

int main(void)
{
    for (long i = 0; i < N; i++) {
        a[i] = operand[i / OPERANDS];
        b[i] = operand[i % OPERANDS];
    }
    for (unsigned round = 0; round < ROUNDS; round++) {
        for (unsigned k = 0; k < sizeof(insns) / sizeof(*insns); k++) {
            compare(k, round % MODES, round / MODES % MODES);
        }
    }
    return passed();
}
