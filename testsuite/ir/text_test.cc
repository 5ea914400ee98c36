/* SPDX-License-Identifier: Apache-2.0 */
#include <gtest/gtest.h>

#include "testsuite/ir/guest.h"

using namespace ketch_test;

namespace
{

/* Every spelling of the text form once. */
const char *const kEverything = R"(func test 0x1000 mode 2
block 0 0x1000 {
  insn 0x1000 4
  %1:i64 = getreg x1
  %2:i64 = const 8
  %3:i64 = const -1
  %4:i64 = const 0x123456789a
  %5:i64 = add %1, %2
  setreg x1, %5
  insn 0x1004 2
  %6:i64 = load.s4 %5, 16
  %7:i32 = load.2 %5, -4
  store.4 %5, 0, %6
  store.2 %1, 8, %7
  %8:i64 = amo.maxu %1, %2
  %9:i32 = cas %1, %7, %7
  fence.ll.ss
  %10:f64 = getreg f0
  %11:f64 = fadd %10, %10
  %12:f64 = fma.dyn %10, %11, %10
  %13:f32 = f2f.rtz %12
  %14:f32 = const 0x3f800000
  %15:i1 = feq %13, %14
  %16:f64 = fbox %13
  setreg f1, %16
  %17:i32 = fpflags_get
  fpflags_set %17
  fprm_set %17
  %18:i64 = call sum, %1, %2
  call poke, %1, %18
  safepoint 0x1004
  trap_if.misaligned %15, 0x1f
  %19:i32 = ldstate 640
  ststate 648, %19
  %20:i1 = const 1
  brif %15, 1(%1, %10), 2
}
block 1 0x1008 depth 1 {
  %21:i64 = param 0
  %22:f64 = param.quiet 1
  setreg x1, %21
  br 1(%21, %22)
}
block 2 0x2000 {
  br 3
}
block 3 0x2004 {
  %23:i1 = const 0
  brif %23, 4, 5
}
block 4 0x2008 {
  exit.poll.call 0x3000, %24
}
block 5 0x200c {
  exit_ind.poll.ret %1
}
)";

TEST(Text, PrintsBackWhatWasParsed)
{
    ArenaPtr arena = NewArena();
    const char *error = nullptr;
    std::string text = kEverything;
    text.replace(text.find("  exit.poll.call"), 0, "  %24:i64 = const 0x200c\n");
    IrFunc *f = ir_parse(text.c_str(), &TestGuest(), arena.get(), &error);
    ASSERT_NE(f, nullptr) << error;
    EXPECT_TRUE(ir_verify(f, &error)) << error;
    EXPECT_EQ(text, ir_print(f, arena.get()));
}

std::string ParseError(const std::string &body)
{
    ArenaPtr arena = NewArena();
    const char *error = "none";
    std::string text = "func test 0x1000\nblock 0 0x1000 {\n" + body + "}\n";
    IrFunc *f = ir_parse(text.c_str(), &TestGuest(), arena.get(), &error);
    return f ? "none" : error;
}

TEST(Text, ErrorsNameTheLineAndTheWord)
{
    EXPECT_EQ("none", ParseError("  exit 0x10\n"));
    EXPECT_EQ("line 3: unknown op at 'frob'", ParseError("  frob 0x10\n"));
    EXPECT_EQ("line 4: no register of the guest at 'x99'",
              ParseError("# comment\n  %1:i64 = getreg x99\n"));
    EXPECT_EQ("line 3: unknown suffix at '3'", ParseError("  %1:i64 = load.3 %1, 0\n"));
    EXPECT_EQ("line 3: type expected at 'i63'", ParseError("  %1:i63 = const 0\n"));
    EXPECT_EQ("line 4: value is defined twice at ''",
              ParseError("  %1:i64 = const 0\n  %1:i64 = const 0\n"));
    EXPECT_EQ("line 3: there is no such block at ''", ParseError("  br 7\n"));
    EXPECT_EQ("line 3: end of line expected at 'x'", ParseError("  exit 0x10 x\n"));
    EXPECT_EQ("line 3: '%' expected at 'x1'", ParseError("  setreg x1, x1\n"));
    EXPECT_EQ("line 3: number expected at 'here'", ParseError("  exit here\n"));
    EXPECT_EQ("line 3: the op has no value at ''", ParseError("  %1:i64 = exit 0x10\n"));
}

TEST(Text, RefusesWhatIsNotAFunction)
{
    ArenaPtr arena = NewArena();
    const char *error = nullptr;
    for (const char *text :
         { "", "func", "func other 0x0\n", "func test\n", "func test 0x10\n",
           "func test 0x10\nblock 1 0x0 {\n}\n", "func test 0x10\nblock 0 0x0 {\n",
           "func test 0x0\nblock 0 0x0 {\n  %99999999:i64 = const 0\n}\n" }) {
        error = nullptr;
        EXPECT_EQ(nullptr, ir_parse(text, &TestGuest(), arena.get(), &error)) << text;
        EXPECT_NE(nullptr, error) << text;
    }
}

} // namespace
