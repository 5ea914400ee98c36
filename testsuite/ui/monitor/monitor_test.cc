/* SPDX-License-Identifier: Apache-2.0 */
/* Sessions: negotiation, framing, wrong requests, stopping and resetting; who may connect. */
#include "testsuite/ui/monitor/harness.h"

#include <atomic>
#include <cstring>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <thread>
#include <unistd.h>

extern "C" {
#include "ui/monitor/server.h"
}

namespace
{

TEST_F(MonitorTest, GreetsAndNegotiates)
{
    open(MONITOR_qmp);
    EXPECT_EQ(0u, out.find("{\"QMP\": {\"version\": {\"qemu\": {\"major\": "));
    EXPECT_EQ(error_of("CommandNotFound",
                       "Expecting capabilities negotiation with 'qmp_capabilities'"),
              ask("{\"execute\": \"query-status\"}"));
    EXPECT_EQ("{\"return\":{}}\r\n", ask("{\"execute\": \"qmp_capabilities\"}"));
    EXPECT_NE(std::string::npos, ask("{\"execute\": \"qmp_capabilities\"}").find("CommandNotFound"));
}

TEST_F(MonitorTest, AnswersOverSeveralLines)
{
    open(MONITOR_qmp_pretty);
    EXPECT_EQ("{\n  \"return\" : {  }\n}\r\n", ask("{\"execute\": \"qmp_capabilities\"}"));
}

TEST_F(MonitorTest, WrongRequestsAreNamed)
{
    qmp();
    EXPECT_EQ(error_of("CommandNotFound", "The command fly has not been found"),
              ask("{\"execute\": \"fly\"}"));
    EXPECT_EQ(error_of("GenericError", "Parameter 'speed' is unexpected"),
              ask("{\"execute\": \"stop\", \"arguments\": {\"speed\": 1}}"));
    EXPECT_EQ(error_of("GenericError", "Parameter 'command-line' is missing"),
              ask("{\"execute\": \"human-monitor-command\"}"));
    EXPECT_EQ(error_of("GenericError", "Invalid parameter type for 'command-line', expected: str"),
              ask("{\"execute\": \"human-monitor-command\", \"arguments\": {\"command-line\": 1}}"));
    EXPECT_EQ(error_of("GenericError", "QMP input member 'run' is unexpected"),
              ask("{\"run\": 1}"));
    EXPECT_EQ(error_of("GenericError", "QMP input lacks member 'execute'"), ask("{}"));
    EXPECT_NE(std::string::npos, ask("{\"execute\": }").find("JSON parse error"));
    EXPECT_NE(std::string::npos, ask("nonsense\n").find("GenericError"));
    EXPECT_EQ(error_of("GenericError", "QMP input must be a JSON object"), ask("[1]"));
    EXPECT_EQ(error_of("GenericError", "QMP input member 'arguments' must be an object"),
              ask("{\"execute\": \"stop\", \"arguments\": 3}"));
}

TEST_F(MonitorTest, RequestsMayComeInPiecesOrTogether)
{
    qmp();
    for (char c : std::string("{ \"execute\": \"query-name\", \"id\": \"}{\\\"[\" ")) {
        EXPECT_EQ("", ask(std::string(1, c)));
    }
    EXPECT_EQ("{\"return\":{\"name\":\"toy\"},\"id\":\"}{\\\"[\"}\r\n", ask("}"));
    EXPECT_EQ("{\"return\":{\"name\":\"toy\"},\"id\":1}\r\n{\"return\":{\"name\":\"toy\"},\"id\":2}\r\n",
              ask("{\"execute\":\"query-name\",\"id\":1}{\"execute\":\"query-name\",\"id\":2}"));
}

TEST_F(MonitorTest, WhatNeverEndsIsCutOff)
{
    std::string much(1 << 20, ' ');

    qmp();
    much[0] = '{';
    EXPECT_TRUE(monitor_input(session, much.data(), much.size()));
    EXPECT_FALSE(monitor_input(session, "  ", 2));
}

/* The parser of JSON is recursive. */
TEST_F(MonitorTest, WhatIsNestedTooDeeplyIsRefusedAndTheSessionGoesOn)
{
    std::string deep(1024, '['), deeper(500000, '[');
    std::string refusal = error_of("GenericError", "JSON parse error, more than 1024 levels of nesting");

    qmp();
    EXPECT_EQ(refusal, ask("{\"id\":" + deep + std::string(deep.size(), ']') + "}"));
    EXPECT_EQ(refusal, ask("{\"id\":" + deeper + std::string(deeper.size(), ']') + "}"));
    EXPECT_EQ("{\"return\":{\"name\":\"toy\"},\"id\":1}\r\n", ask("{\"execute\":\"query-name\",\"id\":1}"));
    deep.pop_back();
    EXPECT_NE(std::string::npos, ask("{\"execute\":\"query-name\",\"id\":" + deep +
                                     std::string(deep.size(), ']') + "}").find("toy"));
}

TEST_F(MonitorTest, StopAndContAreToldToAll)
{
    uint64_t before = 0;

    qmp();
    EXPECT_NE(std::string::npos, ask("{\"execute\":\"query-status\"}").find("\"prelaunch\""));
    for (int k = 0; k < 1000 && before == 0; k++) {
        EXPECT_NE(std::string::npos, ask("{\"execute\":\"cont\"}").find("\"event\": \"RESUME\""));
        EXPECT_EQ("{\"return\":{\"running\":true,\"status\":\"running\"}}\r\n",
                  ask("{\"execute\":\"query-status\"}"));
        EXPECT_TRUE(clock_running(clock));
        usleep(20000);
        EXPECT_NE(std::string::npos, ask("{\"execute\":\"stop\"}").find("\"event\": \"STOP\""));
        before = machine_hart(machine, 0)->slot[10];
    }
    EXPECT_GT(before, 0u);
    usleep(5000);
    EXPECT_EQ(before, machine_hart(machine, 0)->slot[10]);
    EXPECT_EQ("{\"return\":{\"running\":false,\"status\":\"paused\"}}\r\n",
              ask("{\"execute\":\"query-status\"}"));
    EXPECT_FALSE(clock_running(clock));
}

TEST_F(MonitorTest, ResetAndQuitReachTheMachine)
{
    MachineEvent event;

    qmp();
    EXPECT_EQ("{\"return\":{}}\r\n", ask("{\"execute\":\"system_reset\"}"));
    EXPECT_EQ("{\"return\":{}}\r\n", ask("{\"execute\":\"quit\"}"));
    machine_wait(machine, &event);
    EXPECT_EQ(MACHINE_restart, event.kind);
    EXPECT_STREQ("host-qmp-system-reset", event.reason);
    machine_wait(machine, &event);
    EXPECT_EQ(MACHINE_shutdown, event.kind);
    EXPECT_STREQ("host-qmp-quit", event.reason);
    machine_pause(machine);
}

/* Whoever pauses the machine has it paused in the end, though a reset, say, lets it go meanwhile. */
TEST_F(MonitorTest, PauseIsNotLostWhenSomebodyElseResumes)
{
    std::atomic<bool> over{ false };
    std::thread other([&] {
        while (!over) {
            machine_resume(machine);
            usleep(20);
        }
    });

    for (int i = 0; i < 100; i++) {
        usleep(200); /* the hart runs */
        machine_pause(machine);
    }
    over = true;
    other.join();
    machine_pause(machine);
    EXPECT_TRUE(machine_is_paused(machine));
}

TEST_F(MonitorTest, TimersOfHartsThatAreNotThereDoNothing)
{
    machine_timer(machine, MACHINE_HARTS - 1);
    EXPECT_EQ(1u, machine_harts(machine));
}

TEST_F(MonitorTest, CommandsOfQemuThatThereAreNotSayWhatToDo)
{
    qmp();
    std::string said = ask("{\"execute\":\"device_add\",\"arguments\":{\"driver\":\"x\"}}");
    EXPECT_EQ(0u, said.find("{\"error\":{\"class\":\"CommandNotFound\",\"desc\":\"The command device_add has not been found: "
                            "devices are not plugged in")) << said;
    EXPECT_NE(std::string::npos, ask("{\"execute\":\"migrate\"}").find("do not migrate"));
    EXPECT_EQ(error_of("CommandNotFound", "The command fly has not been found"), ask("{\"execute\":\"fly\"}"));
    monitor_close(session);
    open(MONITOR_hmp);
    EXPECT_EQ(0u, human("device_add virtio-rng-pci").find("device_add: devices are not plugged in"));
    EXPECT_EQ(0u, human("eject cd").find("eject: no disk can be taken out"));
}

/* ---- Who may connect, and where ---- */

TEST_F(MonitorTest, TcpIsRefusedAndUnknownPlacesAreNamed)
{
    for (const char *spec : { "tcp:127.0.0.1:4444,server", "pigeon", "unix:", "unix:/tmp/a,color=red" }) {
        GError *error = nullptr;

        EXPECT_EQ(nullptr, monitor_listen(monitor, MONITOR_qmp, spec, &error)) << spec;
        ASSERT_NE(nullptr, error) << spec;
        g_error_free(error);
    }
}

TEST_F(MonitorTest, TheSocketIsItsOwners)
{
    char folder[] = "/tmp/ketch-monitor-XXXXXX"; /* the name of a socket must be short */
    ASSERT_NE(nullptr, mkdtemp(folder));
    std::string path = std::string(folder) + "/sock";
    GError *error = nullptr;
    struct sockaddr_un a = {};
    struct stat st;
    char bytes[256];

    MonitorServer *server = monitor_listen(
        monitor, MONITOR_qmp, ("unix:" + path + ",server=on,wait=off").c_str(), &error);
    ASSERT_NE(nullptr, server) << error->message;
    ASSERT_EQ(0, stat(path.c_str(), &st));
    EXPECT_EQ(0600u, st.st_mode & 0777);
    int fd = socket(AF_UNIX, SOCK_STREAM, 0);
    a.sun_family = AF_UNIX;
    strcpy(a.sun_path, path.c_str());
    ASSERT_EQ(0, connect(fd, reinterpret_cast<struct sockaddr *>(&a), sizeof(a)));
    ASSERT_GT(read(fd, bytes, sizeof(bytes)), 10);
    EXPECT_EQ(0, memcmp(bytes, "{\"QMP\"", 6));
    monitor_server_free(server);
    EXPECT_EQ(0, read(fd, bytes, sizeof(bytes)));
    close(fd);
    EXPECT_NE(0, stat(path.c_str(), &st));
    rmdir(folder);
}

} // namespace
