/* SPDX-License-Identifier: Apache-2.0 */
/*
 * testsuite/ui/monitor/harness.h - the monitor of a machine with one hart, which counts a0 up, and no page
 * tables.
 *
 * The machine is made once for a process, since there can be no second one; monitor and session are made for
 * each test.
 */
#ifndef KETCH_TESTSUITE_UI_MONITOR_HARNESS_H
#define KETCH_TESTSUITE_UI_MONITOR_HARNESS_H

#include <gtest/gtest.h>
#include <string>

extern "C" {
#include "translator/translator.h"
#include "ui/monitor/monitor.h"
}

enum : uint64_t { RAM = 0x80000000, RAM_SIZE = 1 << 20 };

extern uint8_t *ram; /* the machine's; at its start is the program */
extern PhysMem *mem;

class MonitorTest : public testing::Test
{
  public:
    static void free()
    {
        machine_free(machine);
        clock_free(clock);
    }

  protected:
    static Machine *machine;
    static Clock *clock;
    static Dev *root;
    DevEnv env = {};
    Monitor *monitor = nullptr;
    MonitorSession *session = nullptr;
    std::string out;

    /* For all suites: a process has one machine. */
    static void SetUpTestSuite();
    void SetUp() override;
    virtual void add_drives(MonitorVm &)
    {
    }
    void TearDown() override
    {
        monitor_stop(monitor);
        if (session) {
            monitor_close(session);
        }
        monitor_free(monitor);
        dev_free(root);
    }
    static void send(void *opaque, const char *bytes, size_t n)
    {
        static_cast<MonitorTest *>(opaque)->out.append(bytes, n);
    }
    void open(MonitorKind kind)
    {
        session = monitor_open(monitor, kind, send, this);
    }
    /* What is sent back for it. */
    std::string ask(const std::string &text)
    {
        out.clear();
        EXPECT_TRUE(monitor_input(session, text.data(), text.size()));
        return out;
    }
    void qmp()
    {
        open(MONITOR_qmp);
        EXPECT_EQ("{\"return\":{}}\r\n", ask("{\"execute\": \"qmp_capabilities\"}"));
    }
    std::string human(const std::string &line)
    {
        std::string text = ask(line + "\n");
        size_t prompt = text.rfind("(ketch) ");

        return prompt == std::string::npos ? text : text.substr(0, prompt);
    }
};

/* The reply that says that a command failed: the class of the error, and its text. */
std::string error_of(const char *kind, const std::string &text);

/* The bytes of a file; "": it cannot be read. */
std::string slurp(const std::string &path);

#endif
