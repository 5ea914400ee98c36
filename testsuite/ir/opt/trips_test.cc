/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Loops that count: in registers of 64 or 32 bits, from a constant or a register, up or down, with
 * every comparison, alone or in another loop, with a way out on the side.  Unrolled or not, they mean
 * the same; and those that end soon are no loops any more.
 */
#include <gtest/gtest.h>
#include <random>

#include "testsuite/ir/run.h"

extern "C" {
#include "backends/interp/interp.h"
#include "ir/opt/loops.h"
#include "ir/opt/opt.h"
}

using namespace ketch_test;

namespace
{

struct Counted {
    bool word;     /* the counter has 32 bits */
    bool constant; /* and begins as a constant, else as x1 */
    int64_t start, step, end;
    IrOp op;
    bool swapped, at_once; /* compares the end with the counter; leaves when true */
    bool nested, changes;  /* in a loop of three iterations, which moves x1 */

    explicit Counted(std::mt19937_64 &rng)
    {
        static const IrOp ops[] = { IR_OP_eq, IR_OP_ne, IR_OP_lt, IR_OP_le, IR_OP_ltu, IR_OP_leu };
        auto bit = [&] { return (rng() & 1) != 0; };

        word = bit();
        constant = bit();
        start = static_cast<int64_t>(rng() % 64) - 32;
        step = static_cast<int64_t>(rng() % 17) - 8;
        end = start + step * static_cast<int64_t>(rng() % 9) + (rng() % 4 == 0);
        op = ops[rng() % 6];
        swapped = bit();
        at_once = bit();
        nested = bit();
        changes = bit();
    }

    /* x2 counts, x3 is the end, x4 a sum; x14 is fuel, x13 counts the loop around. */
    std::string Text() const
    {
        char text[2048];
        std::string end_value = constant ? "%21:i64 = const " + std::to_string(end) + "\n"
                                         : "%22:i64 = const " + std::to_string(end) +
                                               "\n%21:i64 = add %20, %22\n";
        std::string start_value = constant ? "%23:i64 = const " + std::to_string(start) + "\n"
                                           : "%24:i64 = const " + std::to_string(start) +
                                                 "\n%23:i64 = add %20, %24\n";
        std::string stepped = word ? "%41:i32 = trunc %40\n%42:i32 = const " +
                                         std::to_string(step) +
                                         "\n%43:i32 = add %41, %42\n%44:i64 = sext %43\n"
                                   : "%42:i64 = const " + std::to_string(step) +
                                         "\n%44:i64 = add %40, %42\n";

        snprintf(text, sizeof(text),
                 "func test 0x1000\n"
                 "block 0 0x1000 {\ninsn 0x1000 4\n%%1:i64 = const 3\nsetreg x13, %%1\nbr 1\n}\n"
                 "block 1 0x1004 {\ninsn 0x1004 4\n%%20:i64 = getreg x1\n%s%ssetreg x3, %%21\n"
                 "setreg x2, %%23\nbr 2\n}\n"
                 "block 2 0x1008 {\ninsn 0x1008 4\n%%30:i64 = getreg x14\n%%31:i64 = const -1\n"
                 "%%32:i64 = add %%30, %%31\nsetreg x14, %%32\n%%33:i64 = const 0\n"
                 "%%34:i1 = eq %%32, %%33\nbrif %%34, 5, 3\n}\n"
                 "block 3 0x100c {\ninsn 0x100c 4\n%%40:i64 = getreg x2\n%s"
                 "%%45:i64 = getreg x4\n%%46:i64 = const 3\n%%47:i64 = mul %%45, %%46\n"
                 "%%48:i64 = add %%47, %%44\nsetreg x4, %%48\ninsn 0x1010 4\nsetreg x2, %%44\n"
                 "%%49:i64 = getreg x3\nsafepoint 0x1010\n%%50:i1 = %s %s\nbrif %%50, %s\n}\n"
                 "block 4 0x1014 {\ninsn 0x1014 4\n%%60:i64 = getreg x13\n%%61:i64 = const -1\n"
                 "%%62:i64 = add %%60, %%61\nsetreg x13, %%62\n%%63:i64 = getreg x1\n"
                 "%%64:i64 = const %d\n%%65:i64 = add %%63, %%64\nsetreg x1, %%65\n"
                 "safepoint 0x1014\n%%66:i64 = const 0\n%%67:i1 = ne %%62, %%66\n%s}\n"
                 "block 5 0x1018 {\ninsn 0x1018 4\nexit 0x101c\n}\n",
                 end_value.c_str(), start_value.c_str(), stepped.c_str(), ir_op_info[op].name,
                 swapped ? "%49, %44" : "%44, %49", at_once ? "4, 2" : "2, 4", changes ? 8 : 0,
                 nested ? "brif %67, 1, 5\n" : "br 5\n");
        return text;
    }
};

class Trips : public testing::Test
{
  protected:
    Trips() : arena_(NewArena()), machine_(be_interp)
    {
    }

    IrFunc *Parse(const std::string &text)
    {
        const char *error = "";
        IrFunc *f = ir_parse(text.c_str(), &TestGuest(), arena_.get(), &error);

        EXPECT_TRUE(f && ir_verify(f, &error)) << error << "\n" << text;
        return f;
    }

    State Run(const IrFunc *f, uint64_t x1)
    {
        State s;

        s.slot[1] = x1;
        s.slot[14] = 60;
        s.pc = 0x1000;
        EXPECT_TRUE(machine_.Run(f, &s));
        return s;
    }

    unsigned Loops(IrFunc *f)
    {
        return ir_loops(f, ir_cfg(f)).n;
    }

    ArenaPtr arena_;
    Machine machine_;
};

TEST_F(Trips, LoopsMeanTheSame)
{
    std::mt19937_64 rng(20);
    size_t mark = arena_mark(arena_.get());
    unsigned gone = 0;

    ir_moves = true;
    for (unsigned k = 0; k < 3000; k++) {
        Counted counted(rng);
        std::string text = counted.Text();
        IrFunc *f = Parse(text);
        unsigned loops = Loops(f);
        const char *error = "";

        ir_opt_unroll(f);
        ASSERT_TRUE(ir_verify(f, &error)) << error << "\n" << text << ir_print(f, arena_.get());
        gone += Loops(f) < loops;
        ir_opt_run(f, 2, UINT64_MAX);
        ASSERT_TRUE(ir_verify(f, &error)) << error << "\n" << text << ir_print(f, arena_.get());
        for (uint64_t x1 : { UINT64_C(0), UINT64_C(0x1000), UINT64_C(0x7ffffffffffffff0), rng() }) {
            ASSERT_EQ("", Difference(Run(Parse(text), x1), Run(f, x1)))
                << "x1 " << x1 << "\n" << text << "became\n" << ir_print(f, arena_.get());
        }
        arena_reset(arena_.get(), mark);
    }
    EXPECT_LT(1000u, gone);
}

/* The end is found once, in front of the loop around: the second time it is somewhere else. */
TEST_F(Trips, WhatTheLoopAroundChangesIsNotKnown)
{
    IrFunc *f = Parse(R"(func test 0x1000
block 0 0x1000 {
  %1:i64 = getreg x1
  setreg x2, %1
  %2:i64 = const 24
  %3:i64 = add %1, %2
  setreg x3, %3
  br 1
}
block 1 0x1004 {
  insn 0x1004 4
  br 2
}
block 2 0x1008 {
  insn 0x1008 4
  %4:i64 = getreg x2
  %5:i64 = const 8
  %6:i64 = add %4, %5
  setreg x2, %6
  %7:i64 = getreg x3
  safepoint 0x1008
  %8:i1 = ne %6, %7
  brif %8, 2, 3
}
block 3 0x100c {
  insn 0x100c 4
  %9:i64 = getreg x2
  %10:i64 = const 8
  %11:i64 = add %9, %10
  setreg x2, %11
  safepoint 0x100c
  br 1
}
)");

    EXPECT_EQ(2u, Loops(f));
    ir_opt_unroll(f);
    EXPECT_EQ(2u, Loops(f));
}

} // namespace
