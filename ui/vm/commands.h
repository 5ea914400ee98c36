/* SPDX-License-Identifier: Apache-2.0 */
/*
 * ui/vm/commands.h - the subcommands of `ketch` that are in ketch-vm: each takes its own arguments
 * (argv[0] is the subcommand's name) and returns the exit status.  A new one has a row in main.c
 * here and one in ui/cli/main.c.
 */
#ifndef KETCH_UI_VM_COMMANDS_H
#define KETCH_UI_VM_COMMANDS_H

int command_image(int argc, char **argv);
int command_vm(int argc, char **argv);
int command_monitor(int argc, char **argv);

#endif
