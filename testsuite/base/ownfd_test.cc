// SPDX-License-Identifier: Apache-2.0
#include <fcntl.h>
#include <unistd.h>

#include <algorithm>

#include <gtest/gtest.h>

extern "C" {
#include "base/ownfd.h"
}

namespace {

TEST(OwnFd, MovesUpAndIsKnown)
{
    int low = open("/dev/null", O_RDONLY);
    int high = ownfd_take(low);

    ASSERT_GE(high, 1000);
    EXPECT_EQ(fcntl(low, F_GETFD), -1) << "the low number is the guest's again";
    EXPECT_EQ(fcntl(high, F_GETFD), FD_CLOEXEC);
    EXPECT_TRUE(ownfd_is(static_cast<uint64_t>(high)));
    EXPECT_FALSE(ownfd_is(static_cast<uint64_t>(low)));
    ownfd_close(high);
    EXPECT_FALSE(ownfd_is(static_cast<uint64_t>(high)));
    EXPECT_EQ(fcntl(high, F_GETFD), -1);
}

TEST(OwnFd, NextInOrder)
{
    int a = ownfd_take(open("/dev/null", O_RDONLY)), b = ownfd_take(open("/dev/null", O_RDONLY));
    auto lo = static_cast<uint32_t>(std::min(a, b)), hi = static_cast<uint32_t>(std::max(a, b));

    EXPECT_EQ(ownfd_next(lo), lo);
    EXPECT_EQ(ownfd_next(lo + 1), hi);
    EXPECT_EQ(ownfd_next(OWNFD_NONE), OWNFD_NONE);
    EXPECT_EQ(ownfd_take(-1), -1);
    ownfd_close(a);
    ownfd_close(b);
    EXPECT_GT(ownfd_next(lo), hi);
}

} // namespace
