/* SPDX-License-Identifier: Apache-2.0 */
#include <cstdlib>
#include <fstream>
#include <gtest/gtest.h>
#include <sstream>
#include <string>
#include <unistd.h>

extern "C" {
#include "base/log.h"
}

namespace
{

/* Sends the log to a file of its own and reads it back. */
class LogTest : public testing::Test
{
  protected:
    std::string path = testing::TempDir() + "/ketch-log-" + std::to_string(getpid());

    void SetUp() override
    {
        log_mask = 0;
        ASSERT_TRUE(log_open(path.c_str(), false));
    }
    void TearDown() override
    {
        unlink(path.c_str());
    }
    std::string text() const
    {
        std::stringstream s;
        s << std::ifstream(path).rdbuf();
        return s.str();
    }
};

TEST_F(LogTest, OnlyEnabledCategoriesAreWritten)
{
    ASSERT_TRUE(log_enable("in,unimp", nullptr));
    EXPECT_TRUE(log_enabled(LOG_in));
    EXPECT_FALSE(log_enabled(LOG_out));
    log_line(LOG_in, "one %d\n", 1);
    log_line(LOG_out, "two\n");
    log_warn("three");
    EXPECT_EQ("one 1\nketch: three\n", text());
}

TEST_F(LogTest, AnUnknownNameIsPointedAt)
{
    const char names[] = "ir,nonsense,out";
    const char *bad = nullptr;

    EXPECT_FALSE(log_enable(names, &bad));
    EXPECT_EQ(names + 3, bad);
    EXPECT_FALSE(log_enable("i", nullptr)) << "a prefix is no name";
    EXPECT_TRUE(log_enable("all", nullptr));
    EXPECT_TRUE(log_enabled(static_cast<LogCategory>(LOG_COUNT - 1)));
}

TEST_F(LogTest, LimitedLinesStop)
{
    uint32_t site = 0;
    std::string lines;

    ASSERT_TRUE(log_enable("guest_errors", nullptr));
    for (int i = 0; i < 1000; i++) {
        log_limited(LOG_guest_errors, &site, "x\n");
    }
    for (int i = 0; i < 100; i++) {
        lines += "x\n";
    }
    EXPECT_EQ(lines, text());
}

TEST_F(LogTest, OverlongTextIsCutNotOverrun)
{
    log_warn("%s", std::string(100000, 'a').c_str());
    EXPECT_LT(text().size(), 10000u);
    EXPECT_EQ('\n', text().back());
}

TEST_F(LogTest, PercentDIsTheProcess)
{
    std::string with_pid = path + "-" + std::to_string(getpid()) + ".log";

    ASSERT_TRUE(log_open((path + "-%d.log").c_str(), false));
    EXPECT_EQ(0, access(with_pid.c_str(), F_OK));
    unlink(with_pid.c_str());
    EXPECT_GE(log_fd(), 1000) << "low numbers belong to the guest";
}

TEST_F(LogTest, AFolderThatIsNotThere)
{
    EXPECT_FALSE(log_open("/nonexistent/folder/log", false));
}

} // namespace
