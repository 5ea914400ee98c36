/* SPDX-License-Identifier: Apache-2.0 */
/* What a bug of Ketch's own looks like: the message, and what was being translated. */
#include "testsuite/translator/machine.h"

extern "C" {
#include "testsuite/translator/broken.h"
}

namespace
{

TEST(Failure, ShowsTheGuestCodeAndItsIr)
{
    Asm c(fresh_code());
    uint64_t start = c.addi(a0, a0, 1);
    c.ecall();
    Cpu cpu(start);

    EXPECT_DEATH(
        {
            break_backend();
            cpu.run();
        },
        "internal error: .*: false: the backend of this test\n"
        "unit 0x20000000, 2 insns\n"
        " +0x20000000 +00150513 +addi a0,a0,1\n"
        " +0x20000004 +00000073 +ecall\n"
        "(.*\n)*  setreg a0, %[0-9]+\n");
}

} // namespace

int main(int argc, char **argv)
{
    TrConfig config = {};

    testing::InitGoogleTest(&argc, argv);
    config.tier = TR_TIER_jit;
    start_machine(config);
    return testing::Test::HasFatalFailure() ? 1 : RUN_ALL_TESTS();
}
