/* SPDX-License-Identifier: Apache-2.0 */
/* Commands of ketch-vm, a program of its own: what machines need (networks, JSON, device trees) would
 * make every start of `ketch run` slower. */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "ui/cli/commands.h"

int command_of_vm(int argc, char **argv)
{
    char path[4096];
    ssize_t n = readlink("/proc/self/exe", path, sizeof(path) - sizeof("ketch-vm"));
    char *slash;

    (void)argc;
    path[n > 0 ? n : 0] = '\0';
    slash = strrchr(path, '/');
    strcpy(slash ? slash + 1 : path, "ketch-vm");
    execv(path, argv);
    fprintf(stderr, "ketch: `ketch %s` is a part of %s, which cannot be started: %s (tools/build and "
                    "tools/install put it there)\n", argv[0], path, strerror(errno));
    return 1;
}
