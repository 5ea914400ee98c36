/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Every floating-point op of ops.def, on every backend, against its row: directed operands
 * (subnormals, ties, infinities, NaNs, the limits of every conversion), every rounding mode,
 * values and flags; operands from integer registers, from guest registers, and needed again.
 */
#include <gtest/gtest.h>
#include <signal.h>
#include <ucontext.h>

#include <cstdint>
#include <cstring>
#include <functional>
#include <memory>
#include <string>
#include <vector>

extern "C" {
#include "backends/backend.h"
#include "backends/common/codebuf.h"
#include "base/arena.h"
#include "ir/eval.h"
#include "ir/guest.h"
#include "ir/ir.h"
#include "ir/vcpu.h"

/* backends/x86_64/host.h */
void x64_features_limit(uint32_t mask);
extern bool x64_poison;
}

namespace
{

/* ---- A guest with sixteen registers of each kind ---- */

enum { X = 0, F = 16, SLOTS = 32 };

const IrSlot *test_slots()
{
    static IrSlot slots[SLOTS];
    static char names[SLOTS][8];

    for (int i = 0; i < SLOTS; i++) {
        snprintf(names[i], sizeof(names[i]), i < F ? "x%d" : "f%d", i % F);
        slots[i].name = names[i];
        slots[i].type = i < F ? IR_I64 : IR_F64;
    }
    return slots;
}

const IrGuest test_guest = {
    "test",  test_slots(), SLOTS, { 1, 2, 3, 4, 5, 6, 7, 8 }, { 16, 17, 18, 19, 20, 21 }, 0, 0,
    nullptr, 0,
};

/* A backend, which of the host's optional features it may use, and whether its allocator changes
 * all that it may change. */
struct Way {
    const char *name;
    const Backend *backend;
    uint32_t features;
    bool poison;
};

const Way kWays[] = {
    { "interp", &be_interp, 0, false },
    { "x86_64", &be_x86_64, UINT32_MAX, false },
    { "x86_64_plain", &be_x86_64, 0, false },
    { "x86_64_poison", &be_x86_64, UINT32_MAX, true },
    { "x86_64_plain_poison", &be_x86_64, 0, true },
};

/* A backend that has been started, a vcpu, and the function made last. */
class Machine
{
  public:
    explicit Machine(const Way &way)
        : be_(way.backend), buf_(codebuf_new(4 << 20)), arena_(arena_new(16 << 20)),
          vcpu_(static_cast<Vcpu *>(calloc(1, sizeof(Vcpu))))
    {
        EXPECT_TRUE(be_->start(buf_, &test_guest));
        x64_features_limit(way.features);
        x64_poison = way.poison;
        vcpu_->guest = &test_guest;
        for (VcpuJump &j : vcpu_->jump_cache) {
            j.pc = VCPU_NO_PC;
        }
    }
    ~Machine()
    {
        drop();
        free(vcpu_);
        arena_free(arena_);
        codebuf_free(buf_);
    }
    Machine(const Machine &) = delete;
    Machine &operator=(const Machine &) = delete;

    /* `body` builds the first block; the rest of the function is ended here. */
    void compile(const std::function<void(IrBuild *)> &body)
    {
        const char *error = nullptr;
        BeOptions options = {};

        drop();
        arena_reset(arena_, mark_);
        codebuf_reset(buf_);
        if (be_->restart) {
            be_->restart(buf_);
        }
        f_ = ir_func_new(arena_, &test_guest, 0x1000);
        ir_build_at(&b_, f_, ir_block_new(f_, 0x1000));
        ir_mark(&b_, 0x1000, 4);
        body(&b_);
        ir_exit_trap(&b_, IR_TRAP_syscall, 0x1004);
        ASSERT_TRUE(ir_verify(f_, &error)) << error << "\n" << text();
        ASSERT_EQ(be_->compile(buf_, f_, &options, &code_), BE_OK) << text();
        compiled_ = true;
    }

    /* Runs it; the guest's dynamic rounding mode is `rm`, and these flags are set before. */
    void run(uint32_t rm, uint32_t flags = 0, IrTrap trap = IR_TRAP_syscall)
    {
        vcpu_->pc = 0x1000;
        vcpu_->fp_rm = rm;
        vcpu_->fp_flags = flags;
        ASSERT_EQ(be_->enter(vcpu_, &code_), trap);
    }

    /* The same with host exceptions that trap, where the backend makes use of that. */
    void run_trapping(uint32_t rm, uint32_t flags)
    {
        struct sigaction on = {}, old;

        on.sa_sigaction = on_fpe;
        on.sa_flags = SA_SIGINFO;
        sigaction(SIGFPE, &on, &old);
        trapping_ = this;
        vcpu_->fp_traps = be_->fp_trap ? 100 : 0;
        run(rm, flags);
        vcpu_->fp_traps = 0;
        sigaction(SIGFPE, &old, nullptr);
    }

    Vcpu *vcpu()
    {
        return vcpu_;
    }
    uint64_t &slot(unsigned i)
    {
        return vcpu_->slot[i];
    }
    uint32_t flags() const
    {
        return vcpu_->fp_flags;
    }
    IrFunc *func()
    {
        return f_;
    }
    const char *text()
    {
        return ir_print(f_, arena_);
    }

  private:
    static void on_fpe(int, siginfo_t *, void *context)
    {
        ucontext_t *uc = static_cast<ucontext_t *>(context);
        const Machine *m = trapping_;

        if (!m->be_->fp_trap(m->vcpu_, &uc->uc_mcontext.fpregs->mxcsr)) {
            abort();
        }
    }

    void drop()
    {
        if (compiled_) {
            be_->release(&code_);
        }
        compiled_ = false;
    }

    const Backend *be_;
    CodeBuf *buf_;
    Arena *arena_;
    size_t mark_ = arena_mark(arena_);
    Vcpu *vcpu_;
    IrFunc *f_ = nullptr;
    IrBuild b_ = {};
    BeCode code_ = {};
    bool compiled_ = false;
    static Machine *trapping_;
};

Machine *Machine::trapping_;

/* ---- What is tested: an op with the types of its operands and its result ---- */

struct Shape {
    IrOp op;
    IrType arg, result;
};

std::string name_of(const Shape &s)
{
    return std::string(ir_op_info[s.op].name) + "_" + ir_type_info[s.arg].name + "_" +
           ir_type_info[s.result].name;
}

bool is_float(unsigned type)
{
    return ir_type_info[type].is_float;
}

std::vector<Shape> every_shape()
{
    std::vector<Shape> r;
    const IrOp same[] = { IR_OP_fadd,   IR_OP_fsub,   IR_OP_fmul,     IR_OP_fdiv,
                          IR_OP_fsqrt,  IR_OP_fma,    IR_OP_fmin,     IR_OP_fmax,
                          IR_OP_fminm,  IR_OP_fmaxm,  IR_OP_fneg,     IR_OP_fabs,
                          IR_OP_fcanon, IR_OP_fround, IR_OP_froundnx, IR_OP_fcopysign };
    const IrOp compare[] = { IR_OP_feq, IR_OP_flt, IR_OP_fle, IR_OP_fltq, IR_OP_fleq };

    for (IrType t : { IR_F32, IR_F64 }) {
        for (IrOp op : same) {
            r.push_back({ op, t, t });
        }
        for (IrOp op : compare) {
            r.push_back({ op, t, IR_I1 });
        }
        for (IrType i : { IR_I32, IR_I64 }) {
            r.push_back({ IR_OP_f2i, t, i });
            r.push_back({ IR_OP_f2u, t, i });
            r.push_back({ IR_OP_i2f, i, t });
            r.push_back({ IR_OP_u2f, i, t });
        }
    }
    for (IrType t : { IR_F16, IR_F32, IR_F64 }) {
        r.push_back({ IR_OP_fclass, t, IR_I64 });
        for (IrType u : { IR_F16, IR_F32, IR_F64 }) {
            if (u != t) {
                r.push_back({ IR_OP_f2f, t, u });
            }
        }
    }
    for (IrType t : { IR_F16, IR_F32 }) {
        r.push_back({ IR_OP_fbox, t, IR_F64 });
        r.push_back({ IR_OP_funbox, IR_F64, t });
    }
    r.push_back({ IR_OP_fcanon, IR_F16, IR_F16 });
    r.push_back({ IR_OP_f2imod, IR_F64, IR_I32 });
    return r;
}

/* ---- Operands ---- */

uint64_t bits_of(IrType type, double v)
{
    IrFp exact = { IR_RM_RNE, 0 };
    uint64_t bits;

    memcpy(&bits, &v, 8);
    return type == IR_F64 ? bits : ir_fp_convert(&exact, 64, bits, ir_bits(type));
}

std::vector<uint64_t> float_operands(IrType type)
{
    unsigned bits = ir_bits(type), frac = type == IR_F64 ? 52 : type == IR_F32 ? 23 : 10;
    uint64_t inf = ((UINT64_C(1) << (bits - 1 - frac)) - 1) << frac, least = UINT64_C(1) << frac;
    uint64_t one = bits_of(type, 1);
    std::vector<uint64_t> r = {
        0,
        1,
        2,
        least / 2,
        least - 1,
        least,
        least + 1,
        inf - 1,
        inf - least,
        inf,
        inf + 1,
        inf + least / 2,
        inf + least / 2 + 1,
        inf + least - 1,
        one,
        one + 1,
        one - 1,
    };
    for (double v : { 0.25,
                      0.5,
                      0.75,
                      1.5,
                      2.5,
                      3.0,
                      3.5,
                      1e3,
                      65504.0,
                      65519.0,
                      65520.0,
                      0x1p-24,
                      0x1p-25,
                      0x1.004p0,
                      0x1.002p0,
                      0x1.ffep-15,
                      0x1.ffcp-15,
                      0x1.fffffep127,
                      0x1.ffffffp127,
                      0x1.fffffdp-127,
                      0x1p-149,
                      0x1p-150,
                      0x1.8p-149,
                      0x1p52,
                      0x1p52 + 0.5,
                      0x1p52 - 0.5,
                      0x1p53 - 1,
                      0x1p23 - 0.5,
                      8388609.0 }) {
        r.push_back(bits_of(type, v));
    }
    for (double limit : { 0x1p31, 0x1p32, 0x1p63, 0x1p64, 0x1p95 }) {
        uint64_t b = bits_of(type, limit);
        r.insert(r.end(), { b, b - 1, b + 1, bits_of(type, limit - 1), bits_of(type, limit - 0.5),
                            bits_of(type, limit + 0.5), bits_of(type, limit + 1) });
    }
    for (size_t i = 0, n = r.size(); i < n; i++) {
        r.push_back(r[i] | UINT64_C(1) << (bits - 1));
    }
    return r;
}

std::vector<uint64_t> operands(const Shape &s)
{
    if (s.op == IR_OP_funbox) {
        std::vector<uint64_t> r = { 0,
                                    ~UINT64_C(0),
                                    0x7ff8000000000000,
                                    0xffffffff00000000,
                                    0xfffffffe3f800000,
                                    0xffffffff3f800000,
                                    0xffffffffffff3c00,
                                    0xfffffffffffe3c00,
                                    0xffff3c0000003c00,
                                    0xffffffff7f800001,
                                    0xffffffffffff7c01,
                                    0xffffffffffc00000 };
        return r;
    }
    if (is_float(s.arg)) {
        return float_operands(s.arg);
    }
    std::vector<uint64_t> r = { 0,          1,          2,          1000,       16777217,
                                33554433,   33554435,   0x7fffffff, 0x80000000, 0xffffffff,
                                0x7fffffbf, 0x7fffffc0, 0xffffff7f, 0xffffff80 };
    if (s.arg == IR_I64) {
        for (uint64_t v :
             { UINT64_C(0x20000000000001), UINT64_C(0x20000000000003), UINT64_C(0x7fffffffffffffff),
               UINT64_C(0x7ffffffffffffe00), UINT64_C(0x7ffffffffffffdff), UINT64_C(1) << 63,
               (UINT64_C(1) << 63) + 1, (UINT64_C(1) << 63) + 0x400, (UINT64_C(1) << 63) + 0x401,
               ~UINT64_C(0), ~UINT64_C(0) - 0x3ff, ~UINT64_C(0) - 0x400,
               UINT64_C(0x7fffff4000000001), UINT64_C(0x8000008000000001),
               UINT64_C(0x8000008000000000), UINT64_C(0xffffff7fffffffff) }) {
            r.push_back(v);
        }
    }
    return r;
}

/* ---- Values in and out of guest registers ---- */

enum Source { FROM_INTEGER, FROM_FLOAT, KEPT, SOURCES };

IrRef read_operand(IrBuild *b, IrType type, Source source, unsigned n)
{
    if (source == FROM_INTEGER || !is_float(type)) {
        IrRef whole = ir_get(b, X + 1 + n);
        IrType word = ir_bits(type) == 64 ? IR_I64 : ir_bits(type) == 32 ? IR_I32 : IR_I16;
        IrRef low = word == IR_I64 ? whole : ir_op1(b, IR_OP_trunc, word, whole);
        return is_float(type) ? ir_op1(b, IR_OP_bitcast, type, low) : low;
    }
    IrRef box = ir_get(b, F + 1 + n);
    return type == IR_F64 ? box : ir_op1(b, IR_OP_funbox, type, box);
}

/* The result as a guest sees it; floats canonical unless the op is one of bits only. */
void write_result(IrBuild *b, const Shape &s, IrRef value, unsigned n)
{
    if (!is_float(s.result)) {
        ir_set(b, X + n, s.result == IR_I64 ? value : ir_op1(b, IR_OP_zext, IR_I64, value));
        return;
    }
    if (ir_op_info[s.op].effects & IR_FP) {
        value = ir_op1(b, IR_OP_fcanon, s.result, value);
    }
    ir_set(b, F + n, s.result == IR_F64 ? value : ir_op1(b, IR_OP_fbox, IR_F64, value));
}

IrRef build_op(IrBuild *b, const Shape &s, IrRm rm, const IrRef arg[3])
{
    if (ir_op_info[s.op].effects & IR_FP) {
        return ir_fp3(b, s.op, s.result, rm, arg[0], ir_op_info[s.op].n_args > 1 ? arg[1] : 0,
                      ir_op_info[s.op].n_args > 2 ? arg[2] : 0);
    }
    return ir_op_info[s.op].n_args == 2 ? ir_op2(b, s.op, s.result, arg[0], arg[1])
                                        : ir_op1(b, s.op, s.result, arg[0]);
}

uint64_t expected(const Shape &s, IrRm rm, const uint64_t arg[3], uint32_t *flags)
{
    IrInsn i = {};
    uint8_t types[3] = { static_cast<uint8_t>(s.arg), static_cast<uint8_t>(s.arg),
                         static_cast<uint8_t>(s.arg) };
    uint64_t value = 0;

    i.op = static_cast<uint8_t>(s.op);
    i.type = static_cast<uint8_t>(s.result);
    i.aux = static_cast<uint8_t>(rm);
    EXPECT_TRUE(ir_eval(&i, types, arg, rm, flags, &value));
    return is_float(s.result) ? ir_fp_box(ir_bits(s.result), value) : value;
}

enum { RESULT = 10, COPY = 11 }; /* registers that are not pinned, so that they are stored */

class EveryFpOp : public testing::TestWithParam<std::tuple<Way, Shape>>
{
  protected:
    EveryFpOp() : m(std::get<0>(GetParam())), s(std::get<1>(GetParam()))
    {
    }

    void build(IrRm rm, Source source)
    {
        m.compile([&](IrBuild *b) {
            IrRef arg[3] = {};
            for (unsigned n = 0; n < ir_op_info[s.op].n_args; n++) {
                arg[n] = read_operand(b, s.arg, source, n);
            }
            write_result(b, s, build_op(b, s, rm, arg), RESULT);
            if (source == KEPT) {
                Shape bits = { IR_OP_fneg, s.arg, s.arg };
                for (unsigned n = 0; n < ir_op_info[s.op].n_args; n++) {
                    write_result(b, bits, arg[n], COPY + n);
                }
            }
        });
    }

    void check(IrRm aux, IrRm rm, Source source, const uint64_t arg[3])
    {
        bool to_float = is_float(s.result);
        uint32_t flags = 0;
        uint64_t want = expected(s, rm, arg, &flags);

        for (unsigned n = 0; n < 3; n++) {
            m.slot(X + 1 + n) = arg[n] | (ir_bits(s.arg) < 64 ? UINT64_C(0x5a) << 56 : 0);
            m.slot(F + 1 + n) = ir_fp_box(ir_bits(s.arg), arg[n]);
        }
        if (++n_checks % 16 == 0) {
            uint32_t before = n_checks / 16 & 31;
            m.run_trapping(rm, before);
            flags |= before;
        } else {
            m.run(rm);
        }
        ASSERT_EQ(m.slot((to_float ? F : X) + RESULT), want) << where(aux, rm, source, arg);
        ASSERT_EQ(m.flags(), flags) << where(aux, rm, source, arg);
        if (source == KEPT && ir_bits(s.arg) < 64 && is_float(s.arg)) {
            for (unsigned n = 0; n < ir_op_info[s.op].n_args; n++) {
                ASSERT_EQ(m.slot(F + COPY + n), ir_fp_box(ir_bits(s.arg), arg[n]))
                    << "operand " << n << where(aux, rm, source, arg);
            }
        }
    }

    std::string where(IrRm aux, IrRm rm, Source source, const uint64_t arg[3])
    {
        char text[200];
        snprintf(text, sizeof(text), " aux %d rm %d source %d operands %#llx %#llx %#llx\n", aux,
                 rm, source, static_cast<unsigned long long>(arg[0]),
                 static_cast<unsigned long long>(arg[1]), static_cast<unsigned long long>(arg[2]));
        return text + std::string(m.text());
    }

    Machine m;
    Shape s;
    unsigned n_checks = 0;
};

TEST_P(EveryFpOp, AgreesWithItsRow)
{
    std::vector<uint64_t> v = operands(s);
    bool two = ir_op_info[s.op].n_args > 1;
    size_t n = 0;

    for (int source = 0; source < SOURCES; source++) {
        for (int mode = 0; mode < 9; mode++) { /* five static modes, four dynamic ones */
            IrRm aux = mode < 5 ? static_cast<IrRm>(mode) : IR_RM_DYN;
            IrRm rm = static_cast<IrRm>(mode % 5);
            if (!(ir_op_info[s.op].effects & IR_FP) && mode) {
                break;
            }
            ASSERT_NO_FATAL_FAILURE(build(aux, static_cast<Source>(source)));
            for (uint64_t a : v) {
                for (size_t j = 0; j < (two ? v.size() : 1); j += 1 + n % 5) {
                    const uint64_t arg[3] = { a, v[j], v[n++ * 11 % v.size()] };
                    ASSERT_NO_FATAL_FAILURE(check(aux, rm, static_cast<Source>(source), arg));
                }
            }
        }
    }
}

INSTANTIATE_TEST_SUITE_P(Backends, EveryFpOp,
                         testing::Combine(testing::ValuesIn(kWays),
                                          testing::ValuesIn(every_shape())),
                         [](const auto &info) {
                             return std::string(std::get<0>(info.param).name) + "_" +
                                    name_of(std::get<1>(info.param));
                         });

/* ---- The environment ---- */

class FpEnvironment : public testing::TestWithParam<Way>
{
  protected:
    FpEnvironment() : m(GetParam())
    {
    }

    /* f[n] = 1 + 2^-53 in that mode: 1, or the number after it when rounding up */
    void add(IrBuild *b, IrRm rm, unsigned n)
    {
        write_result(b, { IR_OP_fadd, IR_F64, IR_F64 },
                     ir_fp2(b, IR_OP_fadd, IR_F64, rm, ir_get(b, F + 1), ir_get(b, F + 2)), n);
    }

    void run(uint32_t rm, bool trapping = false, IrTrap trap = IR_TRAP_syscall)
    {
        m.slot(F + 1) = kOne;
        m.slot(F + 2) = 0x3ca0000000000000;
        if (trapping) {
            m.run_trapping(rm, 0);
        } else {
            m.run(rm, 0, trap);
        }
    }

    static constexpr uint64_t kOne = 0x3ff0000000000000;
    Machine m;
};

TEST_P(FpEnvironment, StaticModesLeaveTheDynamicOne)
{
    m.compile([&](IrBuild *b) {
        add(b, IR_RM_RUP, 8);
        add(b, IR_RM_DYN, 9);
        add(b, IR_RM_RTZ, 10);
        add(b, IR_RM_RMM, 11);
        add(b, IR_RM_DYN, 12);
        add(b, IR_RM_RUP, 13);
    });
    for (uint32_t rm : { IR_RM_RNE, IR_RM_RUP, IR_RM_RNE }) {
        uint64_t dyn = kOne + (rm == IR_RM_RUP);
        run(rm);
        EXPECT_EQ(m.slot(F + 8), kOne + 1);
        EXPECT_EQ(m.slot(F + 9), dyn);
        EXPECT_EQ(m.slot(F + 10), kOne);
        EXPECT_EQ(m.slot(F + 11), kOne + 1);
        EXPECT_EQ(m.slot(F + 12), dyn);
        EXPECT_EQ(m.slot(F + 13), kOne + 1);
        EXPECT_EQ(m.flags(), static_cast<uint32_t>(IR_FP_NX));
        EXPECT_EQ(m.vcpu()->fp_rm, rm);
    }
}

TEST_P(FpEnvironment, SetModeHoldsOnBothSidesOfABranch)
{
    m.compile([&](IrBuild *b) {
        IrBlockId yes = ir_block_new(b->f, 0x1010), no = ir_block_new(b->f, 0x1020);
        IrRef zero = ir_const(b, IR_I64, 0);
        IrRef cond = ir_op2(b, IR_OP_eq, IR_I1, ir_get(b, X + 1), zero);
        ir_op1(b, IR_OP_fprm_set, IR_VOID, ir_op1(b, IR_OP_trunc, IR_I32, ir_get(b, X + 2)));
        add(b, IR_RM_RTZ, 8);
        ir_brif(b, cond, yes, no);
        ir_build_follow(b, yes);
        add(b, IR_RM_DYN, 9);
        ir_exit_trap(b, IR_TRAP_syscall, 0x1014);
        ir_build_follow(b, no);
        add(b, IR_RM_RDN, 10);
        add(b, IR_RM_DYN, 11);
    });
    for (uint32_t rm : { IR_RM_RUP, IR_RM_RNE }) {
        for (uint64_t cond : { 0, 1 }) {
            m.slot(X + 1) = cond;
            m.slot(X + 2) = rm;
            run(IR_RM_RDN);
            EXPECT_EQ(m.slot(F + 8), kOne);
            EXPECT_EQ(m.slot(F + (cond ? 11 : 9)), kOne + (rm == IR_RM_RUP));
            EXPECT_EQ(m.vcpu()->fp_rm, rm);
        }
    }
}

/* Neighbours in one static mode, others in between, and whatever looks at the environment. */
TEST_P(FpEnvironment, StaticModesAmongOthers)
{
    const IrRm modes[] = { IR_RM_RUP, IR_RM_RUP, IR_RM_RNE, IR_RM_RNE, IR_RM_RDN, IR_RM_DYN };

    m.compile([&](IrBuild *b) {
        IrRef two = ir_get(b, X + 2);
        for (unsigned n = 0; n < 6; n++) {
            add(b, modes[n], 6 + n);
        }
        add(b, IR_RM_RUP, 12);
        IrRef flags = ir_op1(b, IR_OP_fpflags_get, IR_I32, 0);
        ir_set(b, X + 8, ir_op1(b, IR_OP_zext, IR_I64, flags));
        ir_op1(b, IR_OP_fpflags_set, IR_VOID, ir_const(b, IR_I32, IR_FP_DZ));
        add(b, IR_RM_RUP, 13);
        ir_op1(b, IR_OP_fprm_set, IR_VOID, ir_op1(b, IR_OP_trunc, IR_I32, two));
        add(b, IR_RM_DYN, 14);
        write_result(b, { IR_OP_i2f, IR_I64, IR_F64 },
                     ir_fp1(b, IR_OP_i2f, IR_F64, IR_RM_RUP, ir_get(b, X + 3)), 15);
    });
    for (uint32_t before : { IR_RM_RNE, IR_RM_RTZ, IR_RM_RDN, IR_RM_RUP }) {
        for (uint32_t after : { IR_RM_RNE, IR_RM_RTZ, IR_RM_RDN, IR_RM_RUP }) {
            m.slot(X + 2) = after;
            m.slot(X + 3) = (UINT64_C(1) << 53) + 1;
            run(before, after == IR_RM_RDN);
            for (unsigned n = 0; n < 6; n++) {
                uint32_t mode = modes[n] == IR_RM_DYN ? before : static_cast<uint32_t>(modes[n]);
                EXPECT_EQ(m.slot(F + 6 + n), kOne + (mode == IR_RM_RUP)) << n;
            }
            EXPECT_EQ(m.slot(F + 12), kOne + 1);
            EXPECT_EQ(m.slot(X + 8), static_cast<uint64_t>(IR_FP_NX));
            EXPECT_EQ(m.slot(F + 13), kOne + 1);
            EXPECT_EQ(m.slot(F + 14), kOne + (after == IR_RM_RUP));
            EXPECT_EQ(m.slot(F + 15), 0x4340000000000001u);
            EXPECT_EQ(m.flags(), static_cast<uint32_t>(IR_FP_NX | IR_FP_DZ));
            EXPECT_EQ(m.vcpu()->fp_rm, after);
        }
    }
}

/* A unit that is left in the middle, between two ops in a static mode */
TEST_P(FpEnvironment, LeavingAmongStaticModes)
{
    m.compile([&](IrBuild *b) {
        add(b, IR_RM_RUP, 8);
        ir_trap_if(b, ir_op1(b, IR_OP_trunc, IR_I1, ir_get(b, X + 1)), IR_TRAP_illegal, 0);
        add(b, IR_RM_RUP, 9);
        add(b, IR_RM_DYN, 10);
    });
    m.slot(X + 1) = 1;
    run(IR_RM_RTZ, false, IR_TRAP_illegal);
    EXPECT_EQ(m.slot(F + 8), kOne + 1);
    EXPECT_EQ(m.flags(), static_cast<uint32_t>(IR_FP_NX));
    m.slot(X + 1) = 0;
    run(IR_RM_RTZ);
    EXPECT_EQ(m.slot(F + 9), kOne + 1);
    EXPECT_EQ(m.slot(F + 10), kOne);
}

TEST_P(FpEnvironment, FlagsAreReadAndWritten)
{
    m.compile([&](IrBuild *b) {
        auto get = [&](unsigned n) {
            IrRef flags = ir_op1(b, IR_OP_fpflags_get, IR_I32, 0);
            ir_set(b, X + n, ir_op1(b, IR_OP_zext, IR_I64, flags));
        };
        get(8);
        add(b, IR_RM_DYN, 8);
        get(9);
        ir_op1(b, IR_OP_fpflags_set, IR_VOID, ir_op1(b, IR_OP_trunc, IR_I32, ir_get(b, X + 1)));
        get(10);
        add(b, IR_RM_RMM, 9);
        get(11);
        write_result(
            b, { IR_OP_fdiv, IR_F64, IR_F64 },
            ir_fp2(b, IR_OP_fdiv, IR_F64, IR_RM_DYN, ir_get(b, F + 1), ir_const(b, IR_F64, 0)), 10);
        get(12);
    });
    for (uint32_t n = 0; n < 64; n++) {
        uint32_t set = n / 2;
        m.slot(X + 1) = set;
        run(IR_RM_RNE, n & 1);
        EXPECT_EQ(m.slot(X + 8), 0u);
        EXPECT_EQ(m.slot(X + 9), static_cast<uint64_t>(IR_FP_NX));
        EXPECT_EQ(m.slot(X + 10), set);
        EXPECT_EQ(m.slot(X + 11), set | IR_FP_NX);
        EXPECT_EQ(m.slot(X + 12), set | IR_FP_NX | IR_FP_DZ);
        EXPECT_EQ(m.flags(), set | IR_FP_NX | IR_FP_DZ);
    }
}

/* A NaN is made canonical when it can be seen, and only then; a later one from it too. */
TEST_P(FpEnvironment, NansAreCanonicalWhereTheyAreSeen)
{
    constexpr uint64_t kNan = 0x7ff8000000000000, kInf = 0x7ff0000000000000;

    m.compile([&](IrBuild *b) {
        auto sub = [&](IrRef x, IrRef y) { return ir_fp2(b, IR_OP_fsub, IR_F64, IR_RM_DYN, x, y); };
        auto canon = [&](IrRef x) { return ir_op1(b, IR_OP_fcanon, IR_F64, x); };
        IrRef nan = sub(ir_get(b, F + 3), ir_get(b, F + 3));
        ir_set(b, F + 8, canon(nan));
        ir_set(b, X + 8, ir_op1(b, IR_OP_bitcast, IR_I64, canon(nan)));
        ir_set(b, F + 9, ir_op1(b, IR_OP_fneg, IR_F64, canon(nan)));
        ir_set(b, F + 1, canon(sub(ir_get(b, F + 1), nan)));
        ir_set(b, F + 10, ir_op2(b, IR_OP_fcopysign, IR_F64, ir_get(b, F + 2), canon(nan)));
    });
    m.slot(F + 3) = kInf;
    run(IR_RM_RNE);
    EXPECT_EQ(m.slot(F + 8), kNan);
    EXPECT_EQ(m.slot(X + 8), kNan);
    EXPECT_EQ(m.slot(F + 9), kNan | UINT64_C(1) << 63);
    EXPECT_EQ(m.slot(F + 1), kNan);
    EXPECT_EQ(m.slot(F + 10), 0x3ca0000000000000u);
    EXPECT_EQ(m.flags(), static_cast<uint32_t>(IR_FP_NV));
}

INSTANTIATE_TEST_SUITE_P(Backends, FpEnvironment, testing::ValuesIn(kWays),
                         [](const auto &info) { return std::string(info.param.name); });

} // namespace
