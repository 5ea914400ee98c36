/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The software arithmetic against the host's SSE/FMA unit (values and flags, four rounding
 * modes), and against written-down results for what the host has not: RMM, half precision,
 * saturating conversions, RISC-V's NaNs.
 */
#include <gtest/gtest.h>
#include <immintrin.h>

#include <cmath>
#include <cstdint>
#include <cstring>
#include <random>
#include <vector>

extern "C" {
#include "ir/ir.h"
#include "ir/softfloat.h"
}

namespace
{

constexpr uint32_t NX = IR_FP_NX, UF = IR_FP_UF, OF = IR_FP_OF, DZ = IR_FP_DZ, NV = IR_FP_NV;
constexpr int kRandomPairs = 100000;

/* ---- The host's unit ---- */

/* Sets the rounding mode for its lifetime; flags() maps what was raised. */
class HostFp
{
  public:
    explicit HostFp(uint32_t rm) : saved_(_mm_getcsr())
    {
        static const uint32_t control[] = { 0, 3, 1, 2 }; /* RNE RTZ RDN RUP */
        _mm_setcsr(0x1f80 | control[rm] << 13);
    }
    ~HostFp()
    {
        _mm_setcsr(saved_);
    }
    static uint32_t flags()
    {
        uint32_t csr = _mm_getcsr();
        return (csr & 1 ? NV : 0) | (csr & 4 ? DZ : 0) | (csr & 8 ? OF : 0) | (csr & 16 ? UF : 0) |
               (csr & 32 ? NX : 0);
    }

  private:
    uint32_t saved_;
};

struct Result {
    uint64_t value;
    uint32_t flags;
};

bool operator==(const Result &a, const Result &b)
{
    return a.value == b.value && a.flags == b.flags;
}

std::ostream &operator<<(std::ostream &os, const Result &r)
{
    return os << std::hex << "0x" << r.value << " flags 0x" << r.flags;
}

__m128d vec(uint64_t a)
{
    return _mm_castsi128_pd(_mm_cvtsi64_si128(static_cast<int64_t>(a)));
}

__m128 vecs(uint64_t a)
{
    return _mm_castpd_ps(vec(a));
}

uint64_t low64(__m128d v)
{
    return static_cast<uint64_t>(_mm_cvtsi128_si64(_mm_castpd_si128(v)));
}

uint64_t low32(__m128 v)
{
    return static_cast<uint32_t>(_mm_cvtsi128_si32(_mm_castps_si128(v)));
}

/* One host instruction on registers, out of the optimiser's sight. */
#define HOST2(name, text)                                                                          \
    uint64_t name(uint64_t a, uint64_t b)                                                          \
    {                                                                                              \
        __m128d x = vec(a), y = vec(b);                                                            \
        asm volatile(text " %1, %0" : "+x"(x) : "x"(y));                                           \
        return low64(x);                                                                           \
    }
HOST2(host_addsd, "addsd")
HOST2(host_subsd, "subsd")
HOST2(host_mulsd, "mulsd")
HOST2(host_divsd, "divsd")
HOST2(host_sqrtsd, "sqrtsd")
HOST2(host_addss, "addss")
HOST2(host_subss, "subss")
HOST2(host_mulss, "mulss")
HOST2(host_divss, "divss")
HOST2(host_sqrtss, "sqrtss")
HOST2(host_cvtsd2ss, "cvtsd2ss")
HOST2(host_cvtss2sd, "cvtss2sd")
HOST2(host_cmpeqsd, "cmpeqsd")
HOST2(host_cmpltsd, "cmpltsd")
HOST2(host_cmplesd, "cmplesd")
HOST2(host_roundsd, "roundsd $4,") /* by MXCSR, inexact reported */
HOST2(host_roundss, "roundss $4,")
HOST2(host_roundsd_quiet, "roundsd $12,")
#undef HOST2

__attribute__((target("fma"))) uint64_t host_fmasd(uint64_t a, uint64_t b, uint64_t c)
{
    __m128d x = vec(a), y = vec(b), z = vec(c);
    asm volatile("vfmadd213sd %2, %1, %0" : "+x"(x) : "x"(y), "x"(z));
    return low64(x);
}

__attribute__((target("fma"))) uint64_t host_fmass(uint64_t a, uint64_t b, uint64_t c)
{
    __m128 x = vecs(a), y = vecs(b), z = vecs(c);
    asm volatile("vfmadd213ss %2, %1, %0" : "+x"(x) : "x"(y), "x"(z));
    return low32(x);
}

__attribute__((target("f16c"))) uint64_t host_f32_to_f16(uint64_t a)
{
    __m128i r;
    asm volatile("vcvtps2ph $4, %1, %0" : "=x"(r) : "x"(vecs(a)));
    return static_cast<uint16_t>(_mm_cvtsi128_si32(r));
}

/* ---- Operands ---- */

unsigned frac_bits(unsigned bits)
{
    return bits == 64 ? 52 : bits == 32 ? 23 : 10;
}

uint64_t mask(unsigned bits)
{
    return ~UINT64_C(0) >> (64 - bits);
}

std::vector<uint64_t> edges(unsigned bits)
{
    unsigned frac = frac_bits(bits), exp = bits - 1 - frac;
    uint64_t top = mask(exp), bias = top >> 1, ones = mask(frac), half = UINT64_C(1) << (frac - 1);
    std::vector<uint64_t> r;

    for (uint64_t e : { UINT64_C(0), UINT64_C(1), UINT64_C(2), bias - 1, bias, bias + 1,
                        bias + frac, bias + frac + 1, top - 1, top }) {
        for (uint64_t f : { UINT64_C(0), UINT64_C(1), half - 1, half, half + 1, ones - 1, ones }) {
            r.push_back(e << frac | f);
            r.push_back(UINT64_C(1) << (bits - 1) | e << frac | f);
        }
    }
    return r;
}

/* Operands whose exponents are close to each other, or to the ends of the range, more often than
 * chance would have it, and whose significands have long runs. */
class Random
{
  public:
    explicit Random(unsigned bits) : bits_(bits), edges_(edges(bits)), gen_(bits)
    {
    }
    uint64_t operator()()
    {
        unsigned frac = frac_bits(bits_);
        uint64_t v = gen_(), kind = gen_() % 8;

        if (kind == 0) {
            return edges_[v % edges_.size()];
        }
        if (kind < 4) { /* runs of ones and zeros */
            v = (v & ~mask(frac)) | (mask(1 + gen_() % frac) ^ mask(1 + gen_() % frac));
        }
        uint64_t top = mask(bits_ - 1 - frac), e = v >> frac & top;
        if (kind % 2) {
            e = top / 2 - 4 + e % 9;
        } else if (kind == 6) {
            e = e % 4;
        }
        return (v & ~(top << frac) & mask(bits_)) | e << frac;
    }

  private:
    unsigned bits_;
    std::vector<uint64_t> edges_;
    std::mt19937_64 gen_;
};

/* Calls f(a, b, c) with every pair of edges (c is derived) and many random triples. */
template <typename F> void for_operands(unsigned bits, F f)
{
    std::vector<uint64_t> e = edges(bits);
    Random random(bits);
    size_t n = 0;

    for (uint64_t a : e) {
        for (uint64_t b : e) {
            f(a, b, e[n++ * 7 % e.size()]);
        }
    }
    for (int i = 0; i < kRandomPairs; i++) {
        uint64_t a = random(), b = random(), c = random();
        f(a, b, c);
    }
}

using Soft2 = uint64_t (*)(IrFp *, unsigned, uint64_t, uint64_t);
using Host2 = uint64_t (*)(uint64_t, uint64_t);

uint64_t soft_sqrt(IrFp *fp, unsigned bits, uint64_t, uint64_t b)
{
    return ir_fp_sqrt(fp, bits, b);
}

uint64_t soft_round(IrFp *fp, unsigned bits, uint64_t, uint64_t b)
{
    return ir_fp_round(fp, bits, b, true);
}

uint64_t soft_round_quiet(IrFp *fp, unsigned bits, uint64_t, uint64_t b)
{
    return ir_fp_round(fp, bits, b, false);
}

uint64_t soft_narrow(IrFp *fp, unsigned, uint64_t, uint64_t b)
{
    return ir_fp_convert(fp, 64, b, 32);
}

uint64_t soft_widen(IrFp *fp, unsigned, uint64_t, uint64_t b)
{
    return ir_fp_convert(fp, 32, b, 64);
}

struct Case {
    const char *name;
    unsigned bits, out;
    Soft2 soft;
    Host2 host;
};

class AgainstHost : public testing::TestWithParam<Case>
{
};

TEST_P(AgainstHost, SameValueAndFlags)
{
    const Case &t = GetParam();

    for (uint32_t rm = IR_RM_RNE; rm <= IR_RM_RUP; rm++) {
        for_operands(t.bits, [&](uint64_t a, uint64_t b, uint64_t) {
            IrFp fp = { rm, 0 };
            uint64_t value = t.soft(&fp, t.bits, a, b);
            Result want;
            {
                HostFp host(rm);
                want.value = t.host(a, b) & mask(t.out);
                want.flags = HostFp::flags();
            }
            want.value = ir_fp_canon(t.out, want.value);
            ASSERT_EQ((Result{ value, fp.flags }), want)
                << t.name << " rm " << rm << std::hex << " 0x" << a << " 0x" << b;
        });
    }
}

INSTANTIATE_TEST_SUITE_P(Softfloat, AgainstHost,
                         testing::Values(Case{ "add64", 64, 64, ir_fp_add, host_addsd },
                                         Case{ "sub64", 64, 64, ir_fp_sub, host_subsd },
                                         Case{ "mul64", 64, 64, ir_fp_mul, host_mulsd },
                                         Case{ "div64", 64, 64, ir_fp_div, host_divsd },
                                         Case{ "sqrt64", 64, 64, soft_sqrt, host_sqrtsd },
                                         Case{ "round64", 64, 64, soft_round, host_roundsd },
                                         Case{ "roundquiet64", 64, 64, soft_round_quiet,
                                               host_roundsd_quiet },
                                         Case{ "narrow", 64, 32, soft_narrow, host_cvtsd2ss },
                                         Case{ "add32", 32, 32, ir_fp_add, host_addss },
                                         Case{ "sub32", 32, 32, ir_fp_sub, host_subss },
                                         Case{ "mul32", 32, 32, ir_fp_mul, host_mulss },
                                         Case{ "div32", 32, 32, ir_fp_div, host_divss },
                                         Case{ "sqrt32", 32, 32, soft_sqrt, host_sqrtss },
                                         Case{ "round32", 32, 32, soft_round, host_roundss },
                                         Case{ "widen", 32, 64, soft_widen, host_cvtss2sd }),
                         [](const auto &info) { return info.param.name; });

TEST(SoftfloatFma, AgreesWithHost)
{
    if (!__builtin_cpu_supports("fma")) {
        GTEST_SKIP() << "the host has no FMA unit";
    }
    for (unsigned bits : { 32u, 64u }) {
        for (uint32_t rm = IR_RM_RNE; rm <= IR_RM_RUP; rm++) {
            for_operands(bits, [&](uint64_t a, uint64_t b, uint64_t c) {
                IrFp fp = { rm, 0 };
                uint64_t value = ir_fp_fma(&fp, bits, a, b, c);
                Result want;
                {
                    HostFp host(rm);
                    want.value = bits == 64 ? host_fmasd(a, b, c) : host_fmass(a, b, c);
                    want.flags = HostFp::flags();
                }
                want.value = ir_fp_canon(bits, want.value);
                /* inf * 0 + qNaN is invalid for RISC-V only */
                IrFp mul = { rm, 0 };
                ir_fp_mul(&mul, bits, a, b);
                want.flags |= mul.flags & NV;
                ASSERT_EQ((Result{ value, fp.flags }), want)
                    << bits << " rm " << rm << std::hex << " 0x" << a << " 0x" << b << " 0x" << c;
            });
        }
    }
}

TEST(SoftfloatHalf, NarrowingAgreesWithHost)
{
    if (!__builtin_cpu_supports("f16c")) {
        GTEST_SKIP() << "the host has no half precision conversion";
    }
    for (uint32_t rm = IR_RM_RNE; rm <= IR_RM_RUP; rm++) {
        for_operands(32, [&](uint64_t a, uint64_t, uint64_t c) {
            /* most of f32 is out of f16's range: bring every second one into it */
            a = c & 1 ? a : (a & ~(UINT64_C(0xff) << 23)) | (100 + (c >> 1) % 50) << 23;
            IrFp fp = { rm, 0 };
            uint64_t value = ir_fp_convert(&fp, 32, a, 16);
            Result want;
            {
                HostFp host(rm);
                want.value = host_f32_to_f16(a);
                want.flags = HostFp::flags();
            }
            want.value = ir_fp_canon(16, want.value);
            ASSERT_EQ((Result{ value, fp.flags }), want) << "rm " << rm << std::hex << " 0x" << a;
        });
    }
}

TEST(SoftfloatHalf, WideningIsExactAndComesBack)
{
    for (uint64_t a = 0; a < 0x10000; a++) {
        IrFp fp = { IR_RM_RNE, 0 };
        uint64_t wide = ir_fp_convert(&fp, 16, a, 64), single = ir_fp_convert(&fp, 16, a, 32);
        bool snan = (a & 0x7c00) == 0x7c00 && (a & 0x3ff) && !(a & 0x200);
        EXPECT_EQ(fp.flags, snan ? NV : 0) << a;
        double magnitude = a & 0x7c00 ? std::ldexp(1024 + (a & 0x3ff), int(a >> 10 & 31) - 25)
                                      : std::ldexp(a & 0x3ff, -24);
        if ((a & 0x7c00) != 0x7c00) {
            double d;
            std::memcpy(&d, &wide, 8);
            EXPECT_EQ(d, a & 0x8000 ? -magnitude : magnitude) << a;
            EXPECT_EQ(std::signbit(d), a >> 15 == 1) << a;
        }
        EXPECT_EQ(ir_fp_convert(&fp, 64, wide, 16), ir_fp_canon(16, a));
        EXPECT_EQ(ir_fp_convert(&fp, 32, single, 16), ir_fp_canon(16, a));
    }
}

/* Half precision sums and products are exact in double, so the host can round them once. */
TEST(SoftfloatHalf, ArithmeticIsTheExactResultRounded)
{
    for (uint32_t rm = IR_RM_RNE; rm <= IR_RM_RMM; rm++) {
        for_operands(16, [&](uint64_t a, uint64_t b, uint64_t c) {
            IrFp wide = { IR_RM_RNE, 0 }, got = { rm, 0 };
            uint64_t x = ir_fp_convert(&wide, 16, a, 64), y = ir_fp_convert(&wide, 16, b, 64);
            double dx, dy;
            std::memcpy(&dx, &x, 8);
            std::memcpy(&dy, &y, 8);
            double exact = dx * dy;
            if (std::isfinite(exact) && exact != 0) {
                uint64_t e;
                std::memcpy(&e, &exact, 8);
                IrFp want = { rm, 0 };
                uint64_t value = ir_fp_convert(&want, 64, e, 16);
                ASSERT_EQ((Result{ ir_fp_mul(&got, 16, a, b), got.flags }),
                          (Result{ value, want.flags }))
                    << "rm " << rm << std::hex << " 0x" << a << " * 0x" << b;
            }
            IrFp third = { IR_RM_RNE, 0 };
            uint64_t z = ir_fp_convert(&third, 16, c, 64);
            double dz, fused;
            std::memcpy(&dz, &z, 8);
            fused = exact + dz; /* at most 22 + 40 bits apart: skip when not exact */
            if (std::isfinite(fused) && fused != 0 && std::fabs(exact) < 1024 &&
                std::fabs(dz) < 1024 && fused - exact == dz && fused - dz == exact) {
                uint64_t e;
                std::memcpy(&e, &fused, 8);
                IrFp want = { rm, 0 }, mad = { rm, 0 };
                uint64_t value = ir_fp_convert(&want, 64, e, 16);
                ASSERT_EQ((Result{ ir_fp_fma(&mad, 16, a, b, c), mad.flags }),
                          (Result{ value, want.flags }))
                    << "rm " << rm << std::hex << " 0x" << a << " * 0x" << b << " + 0x" << c;
            }
        });
    }
}

/* ---- Ties away from zero ---- */

/* A product of floats is exact in double: round it by hand. */
TEST(SoftfloatRmm, ProductsRoundHalfAway)
{
    Random random(32);

    for (int i = 0; i < kRandomPairs; i++) {
        uint64_t a = random(), b = random();
        float fa, fb;
        uint32_t la = static_cast<uint32_t>(a), lb = static_cast<uint32_t>(b);
        std::memcpy(&fa, &la, 4);
        std::memcpy(&fb, &lb, 4);
        double exact = std::fabs(double(fa) * double(fb));
        if (!(exact > 1e-37 && exact < 1e38)) {
            continue;
        }
        float below = static_cast<float>(exact);
        below = below > exact ? std::nextafter(below, 0.0f) : below;
        float above = std::nextafter(below, INFINITY);
        float want = exact - below >= above - exact ? above : below;
        IrFp fp = { IR_RM_RMM, 0 };
        uint32_t got = static_cast<uint32_t>(ir_fp_mul(&fp, 32, a, b)) & 0x7fffffff;
        uint32_t bits;
        std::memcpy(&bits, &want, 4);
        ASSERT_EQ(got, bits) << fa << " * " << fb;
        ASSERT_EQ(fp.flags, exact == below ? 0 : NX);
    }
}

TEST(SoftfloatRmm, WrittenOut)
{
    IrFp fp = { IR_RM_RMM, 0 };

    /* 1 + 2^-53: a tie; to even would stay */
    EXPECT_EQ(ir_fp_add(&fp, 64, 0x3ff0000000000000, 0x3ca0000000000000), 0x3ff0000000000001u);
    EXPECT_EQ(ir_fp_add(&fp, 64, 0xbff0000000000000, 0xbca0000000000000), 0xbff0000000000001u);
    EXPECT_EQ(ir_fp_to_int(&fp, 64, 0x4004000000000000, 64), 3u); /* 2.5 */
    EXPECT_EQ(ir_fp_to_int(&fp, 64, 0xc004000000000000, 32), 0xfffffffdu);
    EXPECT_EQ(ir_fp_to_int(&fp, 64, 0x3fdfffffffffffff, 64), 0u);
    EXPECT_EQ(ir_fp_round(&fp, 64, 0xbfe0000000000000, false), 0xbff0000000000000u);
    EXPECT_EQ(fp.flags, NX);
    fp.flags = 0;
    EXPECT_EQ(ir_fp_mul(&fp, 64, 0x0000000000000001, 0x3fe0000000000000),
              1u); /* half of the least */
    EXPECT_EQ(fp.flags, NX | UF);
    fp.flags = 0;
    EXPECT_EQ(ir_fp_add(&fp, 64, 0x7fefffffffffffff, 0x7c90000000000000), 0x7ff0000000000000u);
    EXPECT_EQ(fp.flags, NX | OF);
}

/* ---- Comparisons ---- */

TEST(SoftfloatCompare, AgreesWithHost)
{
    for_operands(64, [](uint64_t a, uint64_t b, uint64_t) {
        const struct {
            bool (*soft)(IrFp *, unsigned, uint64_t, uint64_t);
            Host2 host;
        } pairs[] = { { ir_fp_eq, host_cmpeqsd },
                      { ir_fp_lt, host_cmpltsd },
                      { ir_fp_le, host_cmplesd } };
        for (const auto &p : pairs) {
            IrFp fp = { IR_RM_RNE, 0 };
            uint64_t value = p.soft(&fp, 64, a, b);
            HostFp unit(IR_RM_RNE);
            uint64_t want = p.host(a, b) & 1;
            ASSERT_EQ((Result{ value, fp.flags }), (Result{ want, HostFp::flags() }))
                << std::hex << "0x" << a << " 0x" << b;
        }
    });
}

TEST(SoftfloatCompare, QuietOnesRaiseForSignallingOnly)
{
    const uint64_t qnan = 0x7fc00000, snan = 0x7f800001, one = 0x3f800000, two = 0x40000000;
    IrFp fp = { IR_RM_RNE, 0 };

    EXPECT_FALSE(ir_fp_ltq(&fp, 32, qnan, one));
    EXPECT_FALSE(ir_fp_leq(&fp, 32, one, qnan));
    EXPECT_TRUE(ir_fp_ltq(&fp, 32, one, two));
    EXPECT_TRUE(ir_fp_leq(&fp, 32, 0x80000000, 0));
    EXPECT_FALSE(ir_fp_ltq(&fp, 32, 0x80000000, 0));
    EXPECT_EQ(fp.flags, 0u);
    EXPECT_FALSE(ir_fp_ltq(&fp, 32, snan, one));
    EXPECT_EQ(fp.flags, NV);
}

TEST(SoftfloatCompare, MinimumAndMaximum)
{
    const uint64_t qnan = 0xffc12345, snan = 0x7f800001, one = 0x3f800000, mone = 0xbf800000;
    const uint64_t canon = 0x7fc00000, mzero = 0x80000000;
    struct {
        uint64_t a, b, min, max, minm, maxm;
        uint32_t flags;
    } rows[] = {
        { one, mone, mone, one, mone, one, 0 },
        { mzero, 0, mzero, 0, mzero, 0, 0 },
        { 0, mzero, mzero, 0, mzero, 0, 0 },
        { qnan, one, one, one, canon, canon, 0 },
        { one, qnan, one, one, canon, canon, 0 },
        { snan, one, one, one, canon, canon, NV },
        { qnan, snan, canon, canon, canon, canon, NV },
        { qnan, qnan, canon, canon, canon, canon, 0 },
        { 0xff800000, mone, 0xff800000, mone, 0xff800000, mone, 0 },
    };
    for (const auto &r : rows) {
        IrFp fp[4] = {};
        EXPECT_EQ(ir_fp_min(&fp[0], 32, r.a, r.b), r.min);
        EXPECT_EQ(ir_fp_max(&fp[1], 32, r.a, r.b), r.max);
        EXPECT_EQ(ir_fp_minm(&fp[2], 32, r.a, r.b), r.minm);
        EXPECT_EQ(ir_fp_maxm(&fp[3], 32, r.a, r.b), r.maxm);
        for (const IrFp &f : fp) {
            EXPECT_EQ(f.flags, r.flags) << std::hex << r.a << " " << r.b;
        }
    }
}

/* ---- Integers ---- */

TEST(SoftfloatInteger, ToIntWrittenOut)
{
    struct {
        uint64_t a;
        uint32_t rm;
        uint64_t w, wu, l, lu;
        uint32_t fw, fwu, fl, flu;
    } rows[] = {
        /* 0.5, -0.5, -0.9 */
        { 0x3fe0000000000000, IR_RM_RUP, 1, 1, 1, 1, NX, NX, NX, NX },
        { 0xbfe0000000000000, IR_RM_RNE, 0, 0, 0, 0, NX, NX, NX, NX },
        { 0xbfeccccccccccccd, IR_RM_RTZ, 0, 0, 0, 0, NX, NX, NX, NX },
        { 0xbfeccccccccccccd, IR_RM_RNE, 0xffffffff, 0, ~0ull, 0, NX, NV, NX, NV },
        /* 2^31 - 0.5, 2^31, -2^31, -2^31 - 0.5 */
        { 0x41dfffffffe00000, IR_RM_RTZ, 0x7fffffff, 0x7fffffff, 0x7fffffff, 0x7fffffff, NX, NX, NX,
          NX },
        { 0x41dfffffffe00000, IR_RM_RNE, 0x7fffffff, 0x80000000, 0x80000000, 0x80000000, NV, NX, NX,
          NX },
        { 0x41e0000000000000, IR_RM_RNE, 0x7fffffff, 0x80000000, 0x80000000, 0x80000000, NV, 0, 0,
          0 },
        { 0xc1e0000000000000, IR_RM_RNE, 0x80000000, 0, 0xffffffff80000000, 0, 0, NV, 0, NV },
        { 0xc1e0000000100000, IR_RM_RTZ, 0x80000000, 0, 0xffffffff80000000, 0, NX, NV, NX, NV },
        { 0xc1e0000000100000, IR_RM_RDN, 0x80000000, 0, 0xffffffff7fffffff, 0, NV, NV, NX, NV },
        /* 2^32, 2^63, -2^63, 2^64 */
        { 0x41f0000000000000, IR_RM_RNE, 0x7fffffff, 0xffffffff, 0x100000000, 0x100000000, NV, NV,
          0, 0 },
        { 0x43e0000000000000, IR_RM_RNE, 0x7fffffff, 0xffffffff, INT64_MAX, 1ull << 63, NV, NV, NV,
          0 },
        { 0xc3e0000000000000, IR_RM_RNE, 0x80000000, 0, 1ull << 63, 0, NV, NV, 0, NV },
        { 0x43f0000000000000, IR_RM_RNE, 0x7fffffff, 0xffffffff, INT64_MAX, ~0ull, NV, NV, NV, NV },
        /* infinities and a negative NaN */
        { 0x7ff0000000000000, IR_RM_RNE, 0x7fffffff, 0xffffffff, INT64_MAX, ~0ull, NV, NV, NV, NV },
        { 0xfff0000000000000, IR_RM_RNE, 0x80000000, 0, 1ull << 63, 0, NV, NV, NV, NV },
        { 0xfff8000000000000, IR_RM_RNE, 0x7fffffff, 0xffffffff, INT64_MAX, ~0ull, NV, NV, NV, NV },
        { 0x8000000000000000, IR_RM_RDN, 0, 0, 0, 0, 0, 0, 0, 0 },
    };
    for (const auto &r : rows) {
        IrFp w = { r.rm, 0 }, wu = w, l = w, lu = w;
        Result want[] = { { r.w, r.fw }, { r.wu, r.fwu }, { r.l, r.fl }, { r.lu, r.flu } };
        uint64_t vw = ir_fp_to_int(&w, 64, r.a, 32), vwu = ir_fp_to_uint(&wu, 64, r.a, 32);
        uint64_t vl = ir_fp_to_int(&l, 64, r.a, 64), vlu = ir_fp_to_uint(&lu, 64, r.a, 64);
        EXPECT_EQ((Result{ vw, w.flags }), want[0]) << std::hex << r.a;
        EXPECT_EQ((Result{ vwu, wu.flags }), want[1]) << std::hex << r.a;
        EXPECT_EQ((Result{ vl, l.flags }), want[2]) << std::hex << r.a;
        EXPECT_EQ((Result{ vlu, lu.flags }), want[3]) << std::hex << r.a;
    }
}

TEST(SoftfloatInteger, RandomToIntAgreesWithHostInRange)
{
    for (uint32_t rm = IR_RM_RNE; rm <= IR_RM_RUP; rm++) {
        for_operands(64, [&](uint64_t a, uint64_t, uint64_t c) {
            if (c & 1) { /* into the integers' range */
                a = (a & ~(UINT64_C(0x7ff) << 52)) | (1015 + (c >> 1) % 75) << 52;
            }
            IrFp fp = { rm, 0 };
            uint64_t value = ir_fp_to_int(&fp, 64, a, 64);
            HostFp unit(rm);
            int64_t want;
            asm volatile("cvtsd2si %1, %0" : "=r"(want) : "x"(vec(a)));
            ASSERT_EQ(fp.flags, HostFp::flags()) << std::hex << a;
            if (!(fp.flags & NV)) {
                ASSERT_EQ(static_cast<int64_t>(value), want) << std::hex << a;
            }
        });
    }
}

TEST(SoftfloatInteger, FromInt)
{
    Random random(64);

    for (uint32_t rm = IR_RM_RNE; rm <= IR_RM_RUP; rm++) {
        for (int i = 0; i < 20000; i++) {
            uint64_t a = random() >> (i % 64);
            IrFp fp = { rm, 0 }, fp32 = { rm, 0 }, fpw = { rm, 0 };
            uint64_t d = ir_fp_from_int(&fp, 64, a, 64), s = ir_fp_from_int(&fp32, 64, a, 32);
            uint64_t w = ir_fp_from_int(&fpw, 32, a, 32);
            __m128d x = vec(0), y = vec(0), z = vec(0);
            HostFp unit(rm);
            asm volatile("cvtsi2sdq %1, %0" : "+x"(x) : "r"(a));
            ASSERT_EQ((Result{ d, fp.flags }), (Result{ low64(x), HostFp::flags() }));
            _mm_setcsr(_mm_getcsr() & ~0x3fu);
            asm volatile("cvtsi2ssq %1, %0" : "+x"(y) : "r"(a));
            ASSERT_EQ((Result{ s, fp32.flags }), (Result{ low64(y), HostFp::flags() }));
            _mm_setcsr(_mm_getcsr() & ~0x3fu);
            asm volatile("cvtsi2ssl %1, %0" : "+x"(z) : "r"(static_cast<uint32_t>(a)));
            ASSERT_EQ((Result{ w, fpw.flags }), (Result{ low64(z), HostFp::flags() }));
        }
    }
}

TEST(SoftfloatInteger, FromUnsigned)
{
    IrFp fp = { IR_RM_RNE, 0 };

    EXPECT_EQ(ir_fp_from_uint(&fp, 64, 1ull << 63, 64), 0x43e0000000000000u);
    EXPECT_EQ(ir_fp_from_uint(&fp, 32, ~0ull, 64), 0x41efffffffe00000u);
    EXPECT_EQ(ir_fp_from_uint(&fp, 64, 0, 32), 0u);
    EXPECT_EQ(fp.flags, 0u);
    EXPECT_EQ(ir_fp_from_uint(&fp, 64, ~0ull, 64), 0x43f0000000000000u);
    EXPECT_EQ(ir_fp_from_uint(&fp, 64, ~0ull, 32), 0x5f800000u);
    EXPECT_EQ(fp.flags, NX);
    fp = { IR_RM_RTZ, 0 };
    EXPECT_EQ(ir_fp_from_uint(&fp, 64, ~0ull, 64), 0x43efffffffffffffu);
    fp = { IR_RM_RNE, 0 };
    EXPECT_EQ(ir_fp_from_uint(&fp, 32, 0xffffffff, 16), 0x7c00u); /* beyond half's range */
    EXPECT_EQ(fp.flags, OF | NX);
}

TEST(SoftfloatInteger, ModuloToInt32)
{
    struct {
        double a;
        uint32_t value, flags;
    } rows[] = {
        { 0.0, 0, 0 },
        { -1.5, 0xffffffff, NX },
        { 2147483647.0, 0x7fffffff, 0 },
        { 2147483648.0, 0x80000000, NV },
        { -2147483648.0, 0x80000000, 0 },
        { -2147483648.5, 0x80000000, NX },
        { -2147483649.0, 0x7fffffff, NV },
        { 4294967297.5, 1, NV },
        { 9007199254740993.0, 0, NV }, /* rounds to 2^53 when read */
        { 9007199254740994.0, 2, NV },
        { 0x1.8p84, 0, NV },
        { 0x1.0000000000001p83, 0x80000000, NV },
        { INFINITY, 0, NV },
        { NAN, 0, NV },
    };
    for (const auto &r : rows) {
        IrFp fp = { IR_RM_RUP, 0 };
        uint64_t a;
        std::memcpy(&a, &r.a, 8);
        EXPECT_EQ(ir_fp_to_int_mod(&fp, a), r.value) << r.a;
        EXPECT_EQ(fp.flags, r.flags) << r.a;
    }
}

/* ---- Bits ---- */

TEST(SoftfloatBits, BoxesAndClasses)
{
    EXPECT_EQ(ir_fp_box(32, 0x3f800000), 0xffffffff3f800000u);
    EXPECT_EQ(ir_fp_box(16, 0x3c00), 0xffffffffffff3c00u);
    EXPECT_EQ(ir_fp_unbox(0xffffffff3f800000, 32), 0x3f800000u);
    EXPECT_EQ(ir_fp_unbox(0xfffffffe3f800000, 32), 0x7fc00000u);
    EXPECT_EQ(ir_fp_unbox(0xffffffff3f800000, 16), 0x7e00u);
    EXPECT_EQ(ir_fp_unbox(0xffffffffffffbc00, 16), 0xbc00u);
    EXPECT_EQ(ir_fp_canon(32, 0xff800001), 0x7fc00000u);
    EXPECT_EQ(ir_fp_canon(32, 0xff800000), 0xff800000u);
    EXPECT_EQ(ir_fp_copysign(16, 0x3c00, 0x8000), 0xbc00u);
    const uint64_t by_class[] = { 0xff800000, 0xbf800000, 0x80000001, 0x80000000, 0,
                                  0x007fffff, 0x00800000, 0x7f800000, 0x7fbfffff, 0xffc00000 };
    for (unsigned i = 0; i < 10; i++) {
        EXPECT_EQ(ir_fp_class(32, by_class[i]), 1u << i);
    }
}

} // namespace
