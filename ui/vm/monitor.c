/* SPDX-License-Identifier: Apache-2.0 */
/* `ketch monitor SOCKET [COMMAND]` */
#include <stdio.h>
#include <string.h>

#include "ui/monitor/client.h"
#include "ui/vm/commands.h"

static const char usage[] =
    "usage: ketch monitor SOCKET [COMMAND]\n\n"
    "Connects to a machine that was started with -qmp unix:SOCKET,server=on,wait=off.\n"
    "With a command: executes it and prints the answer.  Without: reads commands, with history and\n"
    "completion (tab); `help` lists them.  A line that begins with { is sent as QMP.\n\n"
    "  ketch monitor vm.sock info status\n"
    "  ketch monitor vm.sock '{\"execute\": \"query-isolation\"}'\n";

int command_monitor(int argc, char **argv)
{
    GError *error = NULL;
    int status;

    if (argc < 2 || !strcmp(argv[1], "--help") || !strcmp(argv[1], "-h")) {
        fputs(usage, argc < 2 ? stderr : stdout);
        return argc < 2;
    }
    status = monitor_client(argv[1], argv + 2, &error);
    if (error) {
        fprintf(stderr, "ketch monitor: %s\n", error->message);
        g_error_free(error);
    }
    return status;
}
