/* SPDX-License-Identifier: Apache-2.0 */
#include <gtest/gtest.h>

#include <string>

extern "C" {
#include "base/nearest.h"
}

/* What is suggested for `wanted`, "" for nothing. */
static std::string suggestion(const char *wanted)
{
    Nearest n = nearest_begin(wanted);

    for (const char *word : { "-L", "-strace", "--stats", "--tier", "--tier-threshold", "--non-security",
                              "-kernel", "-h" }) {
        nearest_offer(&n, word);
    }
    return n.word ? n.word : "";
}

TEST(Nearest, OneLetterMissingTooManyWrongOrSwapped)
{
    EXPECT_EQ("--stats", suggestion("--stat"));
    EXPECT_EQ("-strace", suggestion("-stracee"));
    EXPECT_EQ("-strace", suggestion("-strxce"));
    EXPECT_EQ("-kernel", suggestion("-kernle"));
}

TEST(Nearest, DashesDoNotCount)
{
    EXPECT_EQ("-strace", suggestion("--strace"));
    EXPECT_EQ("--stats", suggestion("-stats"));
}

TEST(Nearest, BeginningOfAWord)
{
    EXPECT_EQ("--non-security", suggestion("--non"));
    EXPECT_EQ("--tier-threshold", suggestion("--tier-t"));
    EXPECT_EQ("", suggestion("--no"));
}

TEST(Nearest, NothingIsNear)
{
    for (const char *wanted : { "", "-", "-Z", "--", "--frobnicate", "-kvm" }) {
        EXPECT_EQ("", suggestion(wanted)) << wanted;
    }
    EXPECT_EQ("", suggestion(std::string(10000, 's').c_str()));
}

TEST(Nearest, HintIsTheEndOfASentenceOrNothing)
{
    const std::string longest(40, 'x');
    Nearest n = nearest_begin("--stat");
    char hint[NEAREST_HINT];

    nearest_hint(&n, hint);
    EXPECT_STREQ("", hint);
    nearest_offer(&n, "--stats");
    nearest_hint(&n, hint);
    EXPECT_STREQ("; did you mean '--stats'?", hint);

    n = nearest_begin(longest.c_str());
    nearest_offer(&n, longest.c_str());
    nearest_hint(&n, hint);
    EXPECT_EQ("; did you mean '" + longest + "'?", hint);
}
