/* SPDX-License-Identifier: Apache-2.0 */
#include <gtest/gtest.h>

#include "testsuite/ir/guest.h"

using namespace ketch_test;

namespace
{

/* What the verifier says of a function with these blocks; empty when it is content. */
std::string Verify(const std::string &blocks)
{
    ArenaPtr arena = NewArena();
    const char *error = nullptr;
    IrFunc *f =
        ir_parse(("func test 0x1000\n" + blocks).c_str(), &TestGuest(), arena.get(), &error);

    if (!f) {
        return std::string("does not parse: ") + error;
    }
    return ir_verify(f, &error) ? "" : error;
}

/* The same for one block. */
std::string VerifyBody(const std::string &body)
{
    return Verify("block 0 0x1000 {\n" + body + "}\n");
}

const char *const kExit = "  exit 0x1004\n";

std::string Wrong(const std::string &body)
{
    return VerifyBody("  %1:i64 = getreg x1\n  %2:i32 = trunc %1\n  %3:f64 = getreg f0\n" + body +
                      kExit);
}

TEST(Verify, Accepts)
{
    EXPECT_EQ("", VerifyBody(kExit));
    EXPECT_EQ("", Wrong("  %4:i64 = sext %2\n  setreg x2, %4\n"));
}

TEST(Verify, TypesFollowTheRow)
{
    EXPECT_EQ("block 0, add (%4): operand type does not match", Wrong("  %4:i64 = add %1, %2\n"));
    EXPECT_EQ("block 0, add (%4): operand type does not match", Wrong("  %4:i32 = add %1, %1\n"));
    EXPECT_EQ("block 0, eq (%4): result type does not match", Wrong("  %4:i64 = eq %1, %1\n"));
    EXPECT_EQ("block 0, eq (%4): operand type does not match", Wrong("  %4:i1 = eq %1, %2\n"));
    EXPECT_EQ("block 0, sel (%4): operand type does not match",
              Wrong("  %4:i64 = sel %1, %1, %1\n"));
    EXPECT_EQ("block 0, add (%4): operand is of the wrong kind", Wrong("  %4:f64 = add %3, %3\n"));
    EXPECT_EQ("block 0, fadd (%4): operand is of the wrong kind",
              Wrong("  %4:i64 = fadd %1, %1\n"));
    EXPECT_EQ("block 0, sext (%4): operand is of the wrong kind", Wrong("  %4:i32 = sext %1\n"));
    EXPECT_EQ("block 0, trunc (%4): operand is of the wrong kind", Wrong("  %4:i64 = trunc %2\n"));
    EXPECT_EQ("block 0, bitcast (%4): operand is of the wrong kind",
              Wrong("  %4:f32 = bitcast %1\n"));
    EXPECT_EQ("block 0, clmul (%4): operand is of the wrong kind",
              Wrong("  %4:i32 = clmul %2, %2\n"));
}

TEST(Verify, OperandsAreThere)
{
    EXPECT_EQ("block 0, add (%4): an operand is missing", Wrong("  %4:i64 = add %1\n"));
    EXPECT_EQ("block 0, neg (%4): too many operands", Wrong("  %4:i64 = neg %1, %1\n"));
    EXPECT_EQ("block 0, neg (%4): operand has no value",
              VerifyBody("  %4:i64 = neg %5\n  exit 0x1004\n"));
}

TEST(Verify, SlotsHelpersAndMemory)
{
    EXPECT_EQ("block 0, getreg (%4): immediate or suffix does not match",
              Wrong("  %4:f64 = getreg x1\n"));
    EXPECT_EQ("block 0, load (%4): immediate or suffix does not match",
              Wrong("  %4:i32 = load.8 %1, 0\n"));
    EXPECT_EQ("block 0, load (%4): immediate or suffix does not match",
              Wrong("  %4:f32 = load.2 %1, 0\n"));
    EXPECT_EQ("block 0, call (%4): immediate or suffix does not match",
              Wrong("  %4:i64 = call sum, %1\n"));
    EXPECT_EQ("block 0, call (%4): immediate or suffix does not match",
              Wrong("  %4:i32 = call sum, %1, %1\n"));
    EXPECT_EQ("block 0, amo (%4): immediate or suffix does not match",
              Wrong("  %4:f64 = amo.add %1, %3\n"));
    EXPECT_NE("", Wrong("  setreg x1, %2\n"));
}

TEST(Verify, OneTerminatorAtTheEnd)
{
    EXPECT_NE("", VerifyBody("  %1:i64 = getreg x1\n"));
    EXPECT_NE("", VerifyBody("  exit 0x1000\n  exit 0x1000\n"));
    EXPECT_EQ("block 0: has no end", VerifyBody(""));
}

TEST(Verify, ParametersAndArguments)
{
    const std::string to = "block 1 0x1004 {\n  %2:i64 = param 0\n  exit 0x1008\n}\n";

    EXPECT_EQ("", Verify("block 0 0x1000 {\n  %1:i64 = getreg x1\n  br 1(%1)\n}\n" + to));
    EXPECT_EQ("block 0, br (%3): arguments are not the block's parameters",
              Verify("block 0 0x1000 {\n  br 1\n}\n" + to));
    EXPECT_EQ("block 0, br (%3): edge argument type does not match",
              Verify("block 0 0x1000 {\n  %1:f64 = getreg f1\n  br 1(%1)\n}\n" + to));
    EXPECT_EQ("block 0, param (%2): parameters come first, in order",
              VerifyBody("  %1:i64 = getreg x1\n  %2:i64 = param 0\n  exit 0x1004\n"));
    EXPECT_EQ("block 0: the entry has a predecessor", Verify("block 0 0x1000 {\n  br 0\n}\n"));
}

TEST(Verify, DefinitionsDominateUses)
{
    EXPECT_EQ("block 0, add (%1): operand does not dominate its use",
              VerifyBody("  %1:i64 = add %2, %2\n  %2:i64 = getreg x1\n  exit 0x1004\n"));
    EXPECT_EQ("block 3, setreg (%7): operand does not dominate its use", Verify(R"(
block 0 0x1000 {
  %1:i64 = getreg x1
  %2:i1 = trunc %1
  brif %2, 1, 2
}
block 1 0x1000 {
  %3:i64 = const 1
  br 3
}
block 2 0x1000 {
  br 3
}
block 3 0x1000 {
  setreg x1, %3
  exit 0x1004
}
)"));
}

TEST(Verify, OneMarkerForARegister)
{
    const std::string head = R"(
block 0 0x1000 {
  %1:i64 = getreg x1
  %2:i1 = trunc %1
  brif %2, 1, 1
}
block 1 0x1004 {
  setreg x1, %1
)";

    EXPECT_EQ("", Verify(head + "  setreg x2, %1\n  exit 0x1004\n}\n"));
    EXPECT_EQ("", Verify(head + "  insn 0x1004 4\n  setreg x1, %1\n  exit 0x1004\n}\n"));
    EXPECT_NE(std::string::npos, Verify(head + "  setreg x1, %1\n  exit 0x1004\n}\n")
                                     .find("a second entry marker for the register"));
}

} // namespace
