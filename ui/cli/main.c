/* SPDX-License-Identifier: Apache-2.0 */
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "base/nearest.h"
#include "ui/cli/commands.h"
#include "ui/cli/version.h"

typedef int CommandFn(int argc, char **argv);

static int command_version(int argc, char **argv)
{
    (void)argc;
    (void)argv;
    puts(KETCH_VERSION_TEXT);
    return 0;
}

static int run(int argc, char **argv)
{
    return command_run("ketch run", argc, argv);
}

static int command_help(int argc, char **argv);

static const struct {
    const char *name;
    CommandFn *fn;
    const char *usage;
    const char *help;
} commands[] = {
    { "run", run, "run [OPTIONS] PROGRAM [ARGS]", "run a riscv64 Linux program" },
    { "explain", command_explain, "explain ISA HEX", "one instruction from its bytes to host code" },
    { "trace", command_trace, "trace cat|stat FILE", "what the memtrace plugin has recorded" },
    { "image", command_of_vm, "image ACTION FILE...", "make, check, convert and resize disk images" },
    { "vm", command_of_vm, "vm --non-security [OPTIONS]", "run a riscv64 machine" },
    { "monitor", command_of_vm, "monitor SOCKET [COMMAND]", "control a running machine" },
    { "binfmt", command_binfmt, "binfmt install|remove|status",
      "let the kernel start foreign programs under Ketch" },
    { "version", command_version, "version", "version and licence" },
    { "help", command_help, "help [COMMAND]", "this text, or that of one command" },
};

enum { COMMAND_COUNT = sizeof(commands) / sizeof(commands[0]) };

/* The command that is called so, NULL: none. */
static CommandFn *find_command(const char *name)
{
    for (unsigned i = 0; i < COMMAND_COUNT; i++) {
        if (!strcmp(name, commands[i].name)) {
            return commands[i].fn;
        }
    }
    return NULL;
}

static int unknown_command(const char *name)
{
    Nearest n = nearest_begin(name);
    char hint[NEAREST_HINT];

    for (unsigned i = 0; i < COMMAND_COUNT; i++) {
        nearest_offer(&n, commands[i].name);
    }
    nearest_hint(&n, hint);
    fprintf(stderr, "ketch: unknown command '%s'%s (`ketch help` lists them; to run a program: ketch run %s)\n",
            name, hint, name);
    return 1;
}

static bool asks_for_help(const char *word)
{
    return !strcmp(word, "-h") || !strcmp(word, "--help");
}

int command_usage(int argc, char **argv, const char *usage)
{
    bool asked = argc == 2 && asks_for_help(argv[1]);

    fputs(usage, asked ? stdout : stderr);
    return !asked;
}

/* `ketch help NAME` is `ketch NAME --help`. */
static int command_help_of(const char *name)
{
    char *words[] = { "ketch", (char *)name, "--help", NULL };
    CommandFn *fn = find_command(name);

    if (!fn) {
        return unknown_command(name);
    }
    return fn == command_help || fn == command_version ? fn(1, words + 1) : fn(2, words + 1);
}

static int command_help(int argc, char **argv)
{
    if (argc > 1) {
        return command_help_of(argv[1]);
    }
    puts("Ketch runs software built for one processor on another.\n\nusage:");
    for (unsigned i = 0; i < COMMAND_COUNT; i++) {
        printf("  ketch %-30s %s\n", commands[i].usage, commands[i].help);
    }
    puts("\nTry it:\n"
         "  ketch run ./hello                       a static riscv64 program\n"
         "  ketch run -L /usr/riscv64-linux-gnu ./a.out   a dynamic one, libraries from a sysroot\n"
         "  ketch run -strace ./hello               with its system calls\n"
         "  ketch run -d in,out ./hello             with guest and host code\n"
         "  ketch explain riscv64 00c5853b          what one instruction becomes\n"
         "\n`ketch run --help` lists the options of run.  `ketch-riscv64` takes the command line of\n"
         "qemu-riscv64.");
    return 0;
}

/* `ketch-riscv64 [OPTIONS] PROGRAM` is `ketch run`. */
static bool called_as_emulator(const char *argv0)
{
    const char *slash = strrchr(argv0, '/');

    return strstr(slash ? slash + 1 : argv0, "riscv64") != NULL;
}

int main(int argc, char **argv)
{
    const char *name;
    CommandFn *fn;

    if (argc > 0 && called_as_emulator(argv[0])) {
        return command_run("ketch-riscv64", argc, argv);
    }
    if (argc < 2) {
        command_help(argc, argv);
        return 1;
    }
    name = argv[1];
    if (asks_for_help(name)) {
        name = "help";
    } else if (!strcmp(name, "--version") || !strcmp(name, "-version")) {
        name = "version";
    }
    fn = find_command(name);
    return fn ? fn(argc - 1, argv + 1) : unknown_command(name);
}
