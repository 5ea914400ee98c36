/* SPDX-License-Identifier: Apache-2.0 */
#include "ir/softfloat.h"

#include "base/bits.h"
#include "ir/ir.h"

typedef unsigned __int128 Wide;

typedef struct Format {
    unsigned bits;
    unsigned frac; /* explicit significand bits */
    int bias;      /* also the largest exponent; 1 - bias is the smallest normal one */
} Format;

typedef enum Kind { KIND_ZERO, KIND_FINITE, KIND_INF, KIND_QNAN, KIND_SNAN } Kind;

/* A FINITE value is sig * 2^(exp - 63), with bit 63 of sig set: 1.x * 2^exp. */
typedef struct Number {
    Kind kind;
    bool sign;
    int exp;
    uint64_t sig;
} Number;

/* sig * 2^(exp - 125): room for a product, exactly, and the carry of one addition. */
typedef struct WideNumber {
    bool sign;
    int exp;
    Wide sig;
} WideNumber;

static Format format_of(unsigned bits)
{
    switch (bits) {
    case 16:
        return (Format){ 16, 10, 15 };
    case 32:
        return (Format){ 32, 23, 127 };
    default:
        return (Format){ 64, 52, 1023 };
    }
}

/* ---- Bits to numbers ---- */

static uint64_t sign_bit(Format f)
{
    return UINT64_C(1) << (f.bits - 1);
}

static uint64_t inf_bits(Format f)
{
    return bits_zext(~UINT64_C(0), f.bits - 1 - f.frac) << f.frac;
}

static uint64_t nan_bits(Format f)
{
    return inf_bits(f) | UINT64_C(1) << (f.frac - 1);
}

static uint64_t signed_bits(Format f, bool sign, uint64_t magnitude)
{
    return sign ? magnitude | sign_bit(f) : magnitude;
}

static Number normalised(bool sign, int exp, uint64_t sig)
{
    if (!sig) {
        return (Number){ .kind = KIND_ZERO, .sign = sign };
    }
    int shift = __builtin_clzll(sig);
    return (Number){ KIND_FINITE, sign, exp - shift, sig << shift };
}

static Number unpack(Format f, uint64_t a)
{
    uint64_t frac = bits_get(a, 0, f.frac);
    uint64_t field = bits_get(a, f.frac, f.bits - 1 - f.frac);
    bool sign = a & sign_bit(f);
    unsigned up = 63 - f.frac;

    if (field == (uint64_t)(2 * f.bias + 1)) {
        Kind nan = bits_get(a, f.frac - 1, 1) ? KIND_QNAN : KIND_SNAN;
        return (Number){ .kind = frac ? nan : KIND_INF, .sign = sign };
    }
    if (!field) {
        return normalised(sign, 1 - f.bias, frac << up);
    }
    return normalised(sign, (int)field - f.bias, (frac | UINT64_C(1) << f.frac) << up);
}

static bool is_nan(Number a)
{
    return a.kind == KIND_QNAN || a.kind == KIND_SNAN;
}

/* Raises invalid for signalling operands; true when either is a NaN. */
static bool nan_operand(IrFp *fp, Number a, Number b)
{
    if (a.kind == KIND_SNAN || b.kind == KIND_SNAN) {
        fp->flags |= IR_FP_NV;
    }
    return is_nan(a) || is_nan(b);
}

static uint64_t invalid(IrFp *fp, Format f)
{
    fp->flags |= IR_FP_NV;
    return nan_bits(f);
}

/* ---- Rounding ---- */

/* sig / 2^shift, rounded; *inexact when that changed it. */
static uint64_t round_shift(uint32_t rm, bool sign, uint64_t sig, unsigned shift, bool *inexact)
{
    uint64_t whole = shift < 64 ? sig >> shift : 0;
    bool half = shift && shift <= 64 && bits_get(sig, shift - 1, 1);
    bool rest = shift > 64 ? sig : shift > 1 && bits_get(sig, 0, shift - 1);
    bool up = false;

    *inexact = half || rest;
    switch (rm) {
    case IR_RM_RNE:
        up = half && (rest || whole & 1);
        break;
    case IR_RM_RDN:
        up = sign && *inexact;
        break;
    case IR_RM_RUP:
        up = !sign && *inexact;
        break;
    case IR_RM_RMM:
        up = half;
        break;
    default: /* toward zero */
        break;
    }
    return whole + up;
}

static uint64_t overflowed(IrFp *fp, Format f, bool sign)
{
    IrRm away = sign ? IR_RM_RDN : IR_RM_RUP;
    bool to_inf = fp->rm == IR_RM_RNE || fp->rm == IR_RM_RMM || fp->rm == away;

    fp->flags |= IR_FP_OF | IR_FP_NX;
    return signed_bits(f, sign, to_inf ? inf_bits(f) : inf_bits(f) - 1);
}

/* Below the normal range even after rounding to full precision with an unbounded exponent. */
static bool is_tiny(const IrFp *fp, Format f, Number a)
{
    bool inexact;

    if (a.exp >= 1 - f.bias) {
        return false;
    }
    return a.exp < -f.bias ||
           !(round_shift(fp->rm, a.sign, a.sig, 63 - f.frac, &inexact) >> (f.frac + 1));
}

/* The only way to a rounded result.  `a` is ZERO or FINITE; bit 0 of its significand may stand
 * for anything nonzero below it. */
static uint64_t pack(IrFp *fp, Format f, Number a)
{
    unsigned shift = 63 - f.frac;
    int field = a.exp + f.bias; /* as stored, when a stays normal */
    bool inexact;

    if (a.kind == KIND_ZERO) {
        return signed_bits(f, a.sign, 0);
    }
    if (a.exp > f.bias) {
        return overflowed(fp, f, a.sign);
    }
    if (field < 1) {
        shift += (unsigned)(1 - field);
        field = 1;
    }
    uint64_t sig = round_shift(fp->rm, a.sign, a.sig, shift, &inexact);
    /* The implicit bit, and a carry out of rounding, add into the exponent field. */
    uint64_t magnitude = ((uint64_t)(field - 1) << f.frac) + sig;
    if (magnitude >= inf_bits(f)) {
        return overflowed(fp, f, a.sign);
    }
    if (inexact) {
        fp->flags |= is_tiny(fp, f, a) ? IR_FP_UF | IR_FP_NX : IR_FP_NX;
    }
    return signed_bits(f, a.sign, magnitude);
}

/* ---- Sums and products ---- */

static WideNumber widen(Number a)
{
    return (WideNumber){ a.sign, a.exp, a.kind == KIND_FINITE ? (Wide)a.sig << 62 : 0 };
}

/* Keeps in bit 0 whether something was lost. */
static Wide shift_right_jam(Wide sig, int shift)
{
    if (shift >= 127) {
        return sig != 0;
    }
    return sig >> shift | (sig << (127 - shift) << 1 != 0);
}

static Number narrow(WideNumber a)
{
    uint64_t high = (uint64_t)(a.sig >> 64);
    int shift = high ? __builtin_clzll(high) : 64 + __builtin_clzll((uint64_t)a.sig | 1);
    Wide sig = a.sig << shift;

    return normalised(a.sign, a.exp + 2 - shift, (uint64_t)(sig >> 64) | ((uint64_t)sig != 0));
}

static Number sum(const IrFp *fp, WideNumber a, WideNumber b)
{
    if (!b.sig || (a.sig && a.exp < b.exp)) {
        WideNumber t = a;
        a = b;
        b = t;
    }
    /* Now a is 0 or has the larger exponent. */
    if (!a.sig) {
        bool zero_sign = a.sign == b.sign ? a.sign : fp->rm == IR_RM_RDN;
        return b.sig ? narrow(b) : (Number){ .kind = KIND_ZERO, .sign = zero_sign };
    }
    b.sig = shift_right_jam(b.sig, a.exp - b.exp);
    if (a.sign == b.sign) {
        return narrow((WideNumber){ a.sign, a.exp, a.sig + b.sig });
    }
    if (a.sig == b.sig) {
        return (Number){ .kind = KIND_ZERO, .sign = fp->rm == IR_RM_RDN };
    }
    if (a.sig > b.sig) {
        return narrow((WideNumber){ a.sign, a.exp, a.sig - b.sig });
    }
    return narrow((WideNumber){ b.sign, a.exp, b.sig - a.sig });
}

/* Exact: significands have at most 53 bits. */
static WideNumber product(Number a, Number b)
{
    bool zero = a.kind == KIND_ZERO || b.kind == KIND_ZERO;

    return (WideNumber){ a.sign != b.sign, a.exp + b.exp, zero ? 0 : ((Wide)a.sig * b.sig) >> 1 };
}

static uint64_t add(IrFp *fp, Format f, Number a, Number b)
{
    if (nan_operand(fp, a, b)) {
        return nan_bits(f);
    }
    if (a.kind == KIND_INF || b.kind == KIND_INF) {
        if (a.kind == b.kind && a.sign != b.sign) {
            return invalid(fp, f);
        }
        return signed_bits(f, a.kind == KIND_INF ? a.sign : b.sign, inf_bits(f));
    }
    return pack(fp, f, sum(fp, widen(a), widen(b)));
}

uint64_t ir_fp_add(IrFp *fp, unsigned bits, uint64_t a, uint64_t b)
{
    Format f = format_of(bits);

    return add(fp, f, unpack(f, a), unpack(f, b));
}

uint64_t ir_fp_sub(IrFp *fp, unsigned bits, uint64_t a, uint64_t b)
{
    Format f = format_of(bits);

    return add(fp, f, unpack(f, a), unpack(f, b ^ sign_bit(f)));
}

/* Infinity times zero, either way round. */
static bool is_inf_times_zero(Number a, Number b)
{
    return (a.kind == KIND_INF && b.kind == KIND_ZERO) ||
           (a.kind == KIND_ZERO && b.kind == KIND_INF);
}

uint64_t ir_fp_mul(IrFp *fp, unsigned bits, uint64_t a, uint64_t b)
{
    Format f = format_of(bits);
    Number x = unpack(f, a), y = unpack(f, b);

    if (nan_operand(fp, x, y)) {
        return nan_bits(f);
    }
    if (is_inf_times_zero(x, y)) {
        return invalid(fp, f);
    }
    if (x.kind == KIND_INF || y.kind == KIND_INF) {
        return signed_bits(f, x.sign != y.sign, inf_bits(f));
    }
    return pack(fp, f, narrow(product(x, y)));
}

uint64_t ir_fp_fma(IrFp *fp, unsigned bits, uint64_t a, uint64_t b, uint64_t c)
{
    Format f = format_of(bits);
    Number x = unpack(f, a), y = unpack(f, b), z = unpack(f, c);
    bool nan = nan_operand(fp, x, y) | nan_operand(fp, z, z);

    /* Invalid even when c is a quiet NaN (RISC-V unprivileged spec, "Single-Precision
     * Floating-Point Computational Instructions"). */
    if (is_inf_times_zero(x, y)) {
        return invalid(fp, f);
    }
    if (nan) {
        return nan_bits(f);
    }
    if (x.kind == KIND_INF || y.kind == KIND_INF) {
        return add(fp, f, (Number){ .kind = KIND_INF, .sign = x.sign != y.sign }, z);
    }
    if (z.kind == KIND_INF) {
        return signed_bits(f, z.sign, inf_bits(f));
    }
    return pack(fp, f, sum(fp, product(x, y), widen(z)));
}

/* ---- Quotients and roots ---- */

uint64_t ir_fp_div(IrFp *fp, unsigned bits, uint64_t a, uint64_t b)
{
    Format f = format_of(bits);
    Number x = unpack(f, a), y = unpack(f, b);
    bool sign = x.sign != y.sign;

    if (nan_operand(fp, x, y)) {
        return nan_bits(f);
    }
    if (x.kind == y.kind && x.kind != KIND_FINITE) {
        return invalid(fp, f);
    }
    if (x.kind == KIND_INF) {
        return signed_bits(f, sign, inf_bits(f));
    }
    if (x.kind == KIND_ZERO || y.kind == KIND_INF) {
        return signed_bits(f, sign, 0);
    }
    if (y.kind == KIND_ZERO) {
        fp->flags |= IR_FP_DZ;
        return signed_bits(f, sign, inf_bits(f));
    }
    Wide dividend = (Wide)x.sig << 63;
    uint64_t quotient = (uint64_t)(dividend / y.sig);
    bool rest = (Wide)quotient * y.sig != dividend;
    return pack(fp, f, normalised(sign, x.exp - y.exp, quotient | rest));
}

/* The largest r with r * r <= a; bit 126 or 127 of a is set. */
static uint64_t integer_root(Wide a)
{
    uint64_t root = 0;

    for (int bit = 63; bit >= 0; bit--) {
        uint64_t next = root | UINT64_C(1) << bit;
        if ((Wide)next * next <= a) {
            root = next;
        }
    }
    return root;
}

uint64_t ir_fp_sqrt(IrFp *fp, unsigned bits, uint64_t a)
{
    Format f = format_of(bits);
    Number x = unpack(f, a);

    if (nan_operand(fp, x, x)) {
        return nan_bits(f);
    }
    if (x.kind == KIND_ZERO) {
        return a;
    }
    if (x.sign) {
        return invalid(fp, f);
    }
    if (x.kind == KIND_INF) {
        return a;
    }
    bool odd = x.exp & 1;
    Wide radicand = (Wide)x.sig << (odd ? 64 : 63);
    uint64_t root = integer_root(radicand);
    bool rest = (Wide)root * root != radicand;
    return pack(fp, f, normalised(false, (x.exp - odd) / 2, root | rest));
}

/* ---- Order ---- */

/* a < b; neither is a NaN, and -0 is below +0 when `zeros_differ`. */
static bool less(Format f, uint64_t a, uint64_t b, bool zeros_differ)
{
    int64_t x = (int64_t)bits_zext(a, f.bits - 1), y = (int64_t)bits_zext(b, f.bits - 1);

    if (!x && !y) {
        return zeros_differ && a > b;
    }
    return (a & sign_bit(f) ? -x : x) < (b & sign_bit(f) ? -y : y);
}

/* Whether a comparison is unordered; raises invalid for any NaN, or only for signalling ones. */
static bool unordered(IrFp *fp, Format f, uint64_t a, uint64_t b, bool quiet)
{
    bool nan = nan_operand(fp, unpack(f, a), unpack(f, b));

    if (nan && !quiet) {
        fp->flags |= IR_FP_NV;
    }
    return nan;
}

bool ir_fp_eq(IrFp *fp, unsigned bits, uint64_t a, uint64_t b)
{
    Format f = format_of(bits);

    return !unordered(fp, f, a, b, true) && !less(f, a, b, false) && !less(f, b, a, false);
}

bool ir_fp_lt(IrFp *fp, unsigned bits, uint64_t a, uint64_t b)
{
    Format f = format_of(bits);

    return !unordered(fp, f, a, b, false) && less(f, a, b, false);
}

bool ir_fp_le(IrFp *fp, unsigned bits, uint64_t a, uint64_t b)
{
    Format f = format_of(bits);

    return !unordered(fp, f, a, b, false) && !less(f, b, a, false);
}

bool ir_fp_ltq(IrFp *fp, unsigned bits, uint64_t a, uint64_t b)
{
    Format f = format_of(bits);

    return !unordered(fp, f, a, b, true) && less(f, a, b, false);
}

bool ir_fp_leq(IrFp *fp, unsigned bits, uint64_t a, uint64_t b)
{
    Format f = format_of(bits);

    return !unordered(fp, f, a, b, true) && !less(f, b, a, false);
}

/* minimumNumber and maximumNumber: a NaN is missing data. */
static uint64_t extreme_number(IrFp *fp, Format f, uint64_t a, uint64_t b, bool max)
{
    Number x = unpack(f, a), y = unpack(f, b);

    if (nan_operand(fp, x, y)) {
        return !is_nan(x) ? a : !is_nan(y) ? b : nan_bits(f);
    }
    return less(f, a, b, true) != max ? a : b;
}

uint64_t ir_fp_min(IrFp *fp, unsigned bits, uint64_t a, uint64_t b)
{
    return extreme_number(fp, format_of(bits), a, b, false);
}

uint64_t ir_fp_max(IrFp *fp, unsigned bits, uint64_t a, uint64_t b)
{
    return extreme_number(fp, format_of(bits), a, b, true);
}

/* minimum and maximum: a NaN wins. */
static uint64_t extreme(IrFp *fp, Format f, uint64_t a, uint64_t b, bool max)
{
    if (nan_operand(fp, unpack(f, a), unpack(f, b))) {
        return nan_bits(f);
    }
    return less(f, a, b, true) != max ? a : b;
}

uint64_t ir_fp_minm(IrFp *fp, unsigned bits, uint64_t a, uint64_t b)
{
    return extreme(fp, format_of(bits), a, b, false);
}

uint64_t ir_fp_maxm(IrFp *fp, unsigned bits, uint64_t a, uint64_t b)
{
    return extreme(fp, format_of(bits), a, b, true);
}

/* ---- Integers ---- */

/* |a| rounded to an integer of at most 64 bits; false when it does not fit. */
static bool to_magnitude(uint32_t rm, Number a, uint64_t *magnitude, bool *inexact)
{
    if (a.kind == KIND_INF || (a.kind == KIND_FINITE && a.exp > 63)) {
        return false;
    }
    unsigned shift = a.exp < -1 ? 65 : (unsigned)(63 - a.exp);
    *inexact = false;
    *magnitude = a.kind == KIND_ZERO ? 0 : round_shift(rm, a.sign, a.sig, shift, inexact);
    return true;
}

/* The integer between the limits of its width: `most` above zero, `least` (as a magnitude)
 * below. */
static uint64_t to_integer(IrFp *fp, Number a, uint64_t most, uint64_t least)
{
    bool negative = a.sign && !is_nan(a);
    uint64_t limit = negative ? least : most;
    uint64_t magnitude;
    bool inexact;

    if (is_nan(a) || !to_magnitude(fp->rm, a, &magnitude, &inexact) || magnitude > limit) {
        fp->flags |= IR_FP_NV;
        magnitude = limit;
    } else if (inexact) {
        fp->flags |= IR_FP_NX;
    }
    return negative ? -magnitude : magnitude;
}

uint64_t ir_fp_to_int(IrFp *fp, unsigned bits, uint64_t a, unsigned out)
{
    uint64_t least = UINT64_C(1) << (out - 1);

    return bits_zext(to_integer(fp, unpack(format_of(bits), a), least - 1, least), out);
}

uint64_t ir_fp_to_uint(IrFp *fp, unsigned bits, uint64_t a, unsigned out)
{
    return to_integer(fp, unpack(format_of(bits), a), bits_zext(~UINT64_C(0), out), 0);
}

uint64_t ir_fp_to_int_mod(IrFp *fp, uint64_t a)
{
    Number x = unpack(format_of(64), a);
    IrFp toward_zero = { .rm = IR_RM_RTZ };
    uint64_t magnitude;

    to_integer(&toward_zero, x, INT32_MAX, UINT64_C(1) << 31);
    fp->flags |= toward_zero.flags;
    if (x.kind != KIND_FINITE) {
        return 0;
    }
    if (x.exp > 63) {
        magnitude = x.exp < 63 + 32 ? x.sig << (x.exp - 63) : 0;
    } else {
        magnitude = x.exp < 0 ? 0 : x.sig >> (63 - x.exp);
    }
    return bits_zext(x.sign ? -magnitude : magnitude, 32);
}

uint64_t ir_fp_from_int(IrFp *fp, unsigned bits, uint64_t a, unsigned out)
{
    int64_t v = bits_sext(a, bits);

    return pack(fp, format_of(out), normalised(v < 0, 63, v < 0 ? -(uint64_t)v : (uint64_t)v));
}

uint64_t ir_fp_from_uint(IrFp *fp, unsigned bits, uint64_t a, unsigned out)
{
    return pack(fp, format_of(out), normalised(false, 63, bits_zext(a, bits)));
}

/* ---- Formats ---- */

uint64_t ir_fp_convert(IrFp *fp, unsigned bits, uint64_t a, unsigned out)
{
    Format to = format_of(out);
    Number x = unpack(format_of(bits), a);

    if (nan_operand(fp, x, x)) {
        return nan_bits(to);
    }
    if (x.kind == KIND_INF) {
        return signed_bits(to, x.sign, inf_bits(to));
    }
    return pack(fp, to, x);
}

uint64_t ir_fp_round(IrFp *fp, unsigned bits, uint64_t a, bool inexact)
{
    Format f = format_of(bits);
    Number x = unpack(f, a);
    uint64_t magnitude;
    bool changed;

    if (nan_operand(fp, x, x)) {
        return nan_bits(f);
    }
    if (x.kind != KIND_FINITE || x.exp >= (int)f.frac) {
        return a;
    }
    if (to_magnitude(fp->rm, x, &magnitude, &changed) && changed && inexact) {
        fp->flags |= IR_FP_NX;
    }
    return pack(fp, f, normalised(x.sign, 63, magnitude));
}

/* ---- Bits ---- */

uint64_t ir_fp_copysign(unsigned bits, uint64_t a, uint64_t b)
{
    uint64_t sign = sign_bit(format_of(bits));

    return (a & ~sign) | (b & sign);
}

uint64_t ir_fp_canon(unsigned bits, uint64_t a)
{
    Format f = format_of(bits);

    return is_nan(unpack(f, a)) ? nan_bits(f) : a;
}

uint64_t ir_fp_class(unsigned bits, uint64_t a)
{
    Format f = format_of(bits);
    Number x = unpack(f, a);
    bool normal = bits_zext(a, bits - 1) >> f.frac;

    switch (x.kind) {
    case KIND_ZERO:
        return x.sign ? 1 << 3 : 1 << 4;
    case KIND_FINITE:
        return normal ? (x.sign ? 1 << 1 : 1 << 6) : (x.sign ? 1 << 2 : 1 << 5);
    case KIND_INF:
        return x.sign ? 1 << 0 : 1 << 7;
    case KIND_SNAN:
        return 1 << 8;
    case KIND_QNAN:
        break;
    }
    return 1 << 9;
}

uint64_t ir_fp_box(unsigned bits, uint64_t a)
{
    return bits >= 64 ? a : ~UINT64_C(0) << bits | bits_zext(a, bits);
}

uint64_t ir_fp_unbox(uint64_t a, unsigned out)
{
    bool boxed = out >= 64 || a >> out == ~UINT64_C(0) >> out;

    return boxed ? bits_zext(a, out) : nan_bits(format_of(out));
}
