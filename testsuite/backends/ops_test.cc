/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Every integer op at every width against its row in ops.def: operands in registers, as constants
 * and in memory, edge and random values, for several sets of host features.  Floating point is in
 * fp_test.cc.
 */
#include <gtest/gtest.h>

#include <random>

#include "testsuite/backends/pair.h"

extern "C" {
#include "ir/eval.h"
}

namespace ketch_test
{
namespace
{

enum class Place { kRegister, kConstant, kMemory };

struct Case {
    IrOp op;
    IrType from, to; /* of the operands (for sel: of the last two) and of the result */
};

bool IsCompare(IrOp op)
{
    return op == IR_OP_eq || op == IR_OP_ne || op == IR_OP_lt || op == IR_OP_le ||
           op == IR_OP_ltu || op == IR_OP_leu;
}

/* The types that the verifier takes for the op. */
std::vector<Case> CasesOf(IrOp op)
{
    static const IrType ints[] = { IR_I1, IR_I8, IR_I16, IR_I32, IR_I64 };
    std::vector<Case> cases;

    for (IrType from : ints) {
        if (IsCompare(op)) {
            cases.push_back({ op, from, IR_I1 });
        } else if (op == IR_OP_zext || op == IR_OP_sext || op == IR_OP_trunc) {
            for (IrType to : ints) {
                if (to != from && (op == IR_OP_trunc) == (to < from)) {
                    cases.push_back({ op, from, to });
                }
            }
        } else if (op == IR_OP_clmul || op == IR_OP_clmulh) {
            if (from == IR_I64) {
                cases.push_back({ op, from, from });
            }
        } else if (from != IR_I1 || op == IR_OP_and || op == IR_OP_or || op == IR_OP_xor ||
                   op == IR_OP_not || op == IR_OP_sel) {
            if (op != IR_OP_bswap || from >= IR_I16) {
                cases.push_back({ op, from, from });
            }
        }
    }
    return cases;
}

const IrOp kOps[] = {
    IR_OP_add,  IR_OP_sub,  IR_OP_mul,  IR_OP_mulhu, IR_OP_mulhs,  IR_OP_mulhsu, IR_OP_div,
    IR_OP_divu, IR_OP_rem,  IR_OP_remu, IR_OP_neg,   IR_OP_and,    IR_OP_or,     IR_OP_xor,
    IR_OP_not,  IR_OP_shl,  IR_OP_shr,  IR_OP_sar,   IR_OP_rotl,   IR_OP_rotr,   IR_OP_clz,
    IR_OP_ctz,  IR_OP_popcnt, IR_OP_bswap, IR_OP_clmul, IR_OP_clmulh, IR_OP_eq,  IR_OP_ne,
    IR_OP_lt,   IR_OP_le,   IR_OP_ltu,  IR_OP_leu,   IR_OP_sel,    IR_OP_zext,   IR_OP_sext,
    IR_OP_trunc,
};

class Ops : public testing::TestWithParam<std::tuple<IrOp, bool>>
{
  protected:
    IrInsn Insn(IrOp op, IrType type, IrRef a = 0, IrRef b = 0, IrRef c = 0, int64_t imm = 0)
    {
        IrInsn i = {};

        i.op = static_cast<uint8_t>(op);
        i.type = static_cast<uint8_t>(type);
        i.arg[0] = a;
        i.arg[1] = b;
        i.arg[2] = c;
        i.imm = imm;
        return i;
    }

    IrRef Add(IrInsn i)
    {
        return ir_append(f_, 0, i);
    }

    /* Operand k: the low bits of register x(9 + k), or a constant. */
    IrRef Operand(unsigned k, IrType type, Place place, uint64_t value)
    {
        if (place == Place::kConstant) {
            unsigned shift = 64 - ir_bits(type);
            int64_t v = static_cast<int64_t>(value << shift) >> shift;

            return Add(Insn(IR_OP_const, type, 0, 0, 0, type == IR_I1 ? v & 1 : v));
        }
        IrRef x = Add(Insn(IR_OP_getreg, IR_I64, 0, 0, 0, 9 + k));
        if (place == Place::kMemory) {
            in_memory_.push_back(x);
        }
        return type == IR_I64 ? x : Add(Insn(IR_OP_trunc, type, x));
    }

    /* x1 = op of the operands, extended with zeros */
    void Build(const Case &c, const Place place[3], const uint64_t value[3])
    {
        unsigned n = ir_op_info[c.op].n_args;
        IrRef arg[3] = {};

        in_memory_.clear();
        f_ = ir_func_new(arena_.get(), &TestGuest(), 0x1000);
        ir_block_new(f_, 0x1000);
        for (unsigned k = 0; k < n; k++) {
            arg[k] = Operand(k, c.op == IR_OP_sel && k == 0 ? IR_I1 : c.from, place[k], value[k]);
        }
        for (IrRef x : in_memory_) { /* leaves no register that C code may change */
            Add(Insn(IR_OP_call, IR_I64, x, x, 0, kHelperSum));
        }
        IrRef r = Add(Insn(c.op, c.to, arg[0], arg[1], arg[2]));
        if (c.to != IR_I64) {
            r = Add(Insn(IR_OP_zext, IR_I64, r));
        }
        Add(Insn(IR_OP_setreg, IR_VOID, r, 0, 0, 1));
        Add(Insn(IR_OP_exit, IR_VOID, 0, 0, 0, 0x2000));
    }

    uint64_t Want(const Case &c, const uint64_t value[3])
    {
        IrInsn i = Insn(c.op, c.to);
        bool sel = c.op == IR_OP_sel;
        uint8_t type[3] = { static_cast<uint8_t>(sel ? IR_I1 : c.from),
                            static_cast<uint8_t>(c.from), static_cast<uint8_t>(c.from) };
        uint64_t out = 0;

        EXPECT_TRUE(ir_eval(&i, type, value, IR_RM_RNE, nullptr, &out));
        return out;
    }

    void Check(const Case &c, const Place place[3], const uint64_t constant[3])
    {
        size_t mark = arena_mark(arena_.get());
        BeCode unit;
        uint8_t memory[1];

        Build(c, place, constant);
        const char *error = "";
        ASSERT_TRUE(ir_verify(f_, &error)) << error;
        ASSERT_EQ(pair_.Compile(be_x86_64, f_, &unit), BE_OK);
        for (unsigned run = 0; run < 24; run++) {
            uint64_t value[3];
            State state;

            for (unsigned k = 0; k < 3; k++) {
                value[k] = place[k] == Place::kConstant ? constant[k] : Value();
                state.slot[9 + k] = value[k];
            }
            pair_.Enter(be_x86_64, &unit, &state, memory);
            ASSERT_EQ(state.slot[1], Want(c, value))
                << std::hex << value[0] << " " << value[1] << " " << value[2] << "\n"
                << ir_print(f_, arena_.get());
        }
        be_x86_64.release(&unit);
        arena_reset(arena_.get(), mark);
    }

    uint64_t Value()
    {
        static const uint64_t edges[] = {
            0, 1, 2, 7, 8, 15, 31, 32, 63, 64, 0x7f, 0x80, 0xff, 0x7fff, 0x8000, 0xffff, 0x7fffffff,
            0x80000000, 0xffffffff, 0x100000000, INT64_MAX, 1ull << 63, ~0ull, ~1ull, ~0x7fffffffull
        };

        return rng_() % 3 ? edges[rng_() % std::size(edges)] : rng_() >> rng_() % 64;
    }

    ArenaPtr arena_ = NewArena();
    Pair pair_;
    IrFunc *f_;
    std::vector<IrRef> in_memory_;
    std::mt19937_64 rng_{ 1 };
};

TEST_P(Ops, MeansWhatItsRowSays)
{
    static const Place places[] = { Place::kRegister, Place::kConstant, Place::kMemory };
    static const unsigned ways[] = { 1, 3, 9, 27 };

    const auto [op, poison] = GetParam();

    pair_.Poison(poison);
    bool alone = false;
    for (uint32_t mask : FeatureMasks()) {
        pair_.Features(mask);
        pair_.Alone(alone = !alone);
        for (const Case &c : CasesOf(op)) {
            for (unsigned how = 0; how < ways[ir_op_info[c.op].n_args]; how++) {
                Place place[3] = { places[how % 3], places[how / 3 % 3], places[how / 9] };
                uint64_t constant[3] = { Value(), Value(), Value() };

                Check(c, place, constant);
                if (HasFatalFailure()) {
                    return;
                }
            }
        }
    }
}

std::string Name(const testing::TestParamInfo<std::tuple<IrOp, bool>> &info)
{
    const auto [op, poison] = info.param;
    return std::string(ir_op_info[op].name) + (poison ? "Poison" : "");
}

INSTANTIATE_TEST_SUITE_P(X86_64, Ops,
                         testing::Combine(testing::ValuesIn(kOps), testing::Bool()), Name);

/* A new op shall not be forgotten here: all pure integer ops are listed. */
TEST(OpsList, IsComplete)
{
    for (unsigned op = 1; op < IR_OP_COUNT; op++) {
        const IrOpInfo &info = ir_op_info[op];
        bool fp = info.name[0] == 'f' || !strcmp(info.name, "bitcast");

        if ((info.effects & IR_PURE) && info.n_args && !fp) {
            EXPECT_NE(std::find(std::begin(kOps), std::end(kOps), op), std::end(kOps)) << info.name;
        }
    }
}

} // namespace
} // namespace ketch_test
