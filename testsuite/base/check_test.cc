/* SPDX-License-Identifier: Apache-2.0 */
#include <cstdio>
#include <gtest/gtest.h>

extern "C" {
#include "base/check.h"
}

namespace
{

void context(void *opaque)
{
    fprintf(stderr, "context %d\n", *static_cast<int *>(opaque));
    CHECK(*static_cast<int *>(opaque) == 0, "in the hook");
}

TEST(Check, PassesSilently)
{
    CHECK(1 + 1 == 2, "arithmetic");
    CHECK(true, "nothing");
}

TEST(Check, FailureNamesThePlaceAndTheMessage)
{
    EXPECT_DEATH(CHECK(1 + 1 == 3, "got %d", 2),
                 "ketch: internal error: .*check_test.cc:[0-9]+: 1 \\+ 1 == 3: got 2");
}

TEST(Check, FailurePrintsTheContextAndEndsThoughTheHookFails)
{
    int seven = 7;

    check_set_context(context, &seven);
    EXPECT_DEATH(CHECK(false, "outer"), "context 7\n.*in the hook");
    check_set_context(nullptr, nullptr);
}

} // namespace
