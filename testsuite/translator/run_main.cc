/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What tr_run() promises, with code written by hand.
 * `--tier=interp|jit`, `--check`, `--hot=N`, `--work=N`.
 */
#include <cstdlib>

#include "testsuite/translator/run.h"

int main(int argc, char **argv)
{
    TrConfig config = {};

    testing::InitGoogleTest(&argc, argv);
    config.cache_size = 2 << 20;
    for (int i = 1; i < argc; i++) {
        std::string arg = argv[i];
        if (arg == "--tier=interp") {
            tier = config.tier = TR_TIER_interp;
        } else if (arg == "--tier=jit") {
            config.tier = TR_TIER_jit;
        } else if (arg == "--check") {
            config.tier = TR_TIER_jit;
            config.check = checking = true;
        } else if (arg.rfind("--work=", 0) == 0) {
            config.region_work = work = static_cast<uint32_t>(atoi(arg.c_str() + 7));
        } else if (arg.rfind("--hot=", 0) == 0) {
            config.hot_threshold = threshold = static_cast<uint32_t>(atoi(arg.c_str() + 6));
            hot = true;
        } else {
            fprintf(stderr, "unknown option %s\n", argv[i]);
            return 1;
        }
    }
    start_machine(config);
    return testing::Test::HasFatalFailure() ? 1 : RUN_ALL_TESTS();
}
