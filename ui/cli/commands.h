/* SPDX-License-Identifier: Apache-2.0 */
/*
 * ui/cli/commands.h - the subcommands of `ketch`: each takes its own arguments (argv[0] is the
 * subcommand's name) and returns the exit status.
 */
#ifndef KETCH_UI_CLI_COMMANDS_H
#define KETCH_UI_CLI_COMMANDS_H

/* `ketch run [OPTIONS] PROGRAM [ARGS]`; `self` is how this command was called, for messages. */
int command_run(const char *self, int argc, char **argv);
int command_binfmt(int argc, char **argv);
int command_explain(int argc, char **argv);
int command_trace(int argc, char **argv);
int command_of_vm(int argc, char **argv); /* any of ketch-vm; returns only when it fails */

/* For arguments that a subcommand does not take, or that ask for help: prints how it is used, to standard
 * output when that was asked for.  Returns the exit status. */
int command_usage(int argc, char **argv, const char *usage);

#endif
