/* SPDX-License-Identifier: Apache-2.0 */
/* ketch-vm: what `ketch` starts for machines and what belongs to them. */
#include <stdio.h>
#include <string.h>

#include "ui/vm/commands.h"

static const struct {
    const char *name;
    int (*fn)(int argc, char **argv);
} commands[] = {
    { "image", command_image },
    { "vm", command_vm },
    { "monitor", command_monitor },
};

int main(int argc, char **argv)
{
    for (size_t i = 0; argc > 0 && i < sizeof(commands) / sizeof(commands[0]); i++) {
        if (!strcmp(argv[0], commands[i].name)) {
            return commands[i].fn(argc, argv);
        }
    }
    fputs("ketch-vm is started by `ketch`: see `ketch help`\n", stderr);
    return 1;
}
