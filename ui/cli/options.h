/* SPDX-License-Identifier: Apache-2.0 */
/*
 * ui/cli/options.h - the command line of `ketch run` (and of ketch-riscv64).
 *
 * Rows in options.def.  Environment variables are read first, so the command line wins.
 */
#ifndef KETCH_UI_CLI_OPTIONS_H
#define KETCH_UI_CLI_OPTIONS_H

#include <glib.h>
#include <stdbool.h>
#include <stdint.h>

#include "translator/translator.h"

typedef enum RunAction { RUN_PROGRAM, RUN_HELP, RUN_VERSION, RUN_LOG_HELP, RUN_CPU_HELP } RunAction;

/* Strings belong to argv or the environment, unless said otherwise. */
typedef struct RunOptions {
    RunAction action;
    const char *sysroot;
    const char *argv0;
    const char *cpu;
    const char *release;
    uint64_t stack_size;  /* bytes; 0: the limit that we have ourselves */
    uint64_t reserved;    /* bytes; 0: the guest's usual address space */
    uint64_t seed;
    bool has_seed;
    TrTier tier;
    uint32_t threshold;
    bool has_threshold;
    uint64_t cache_size;  /* bytes; 0: default */
    bool one_insn;
    bool check;
    bool no_chain;
    bool stats;
    bool gdb;             /* gdb_server_set() has been called */
    unsigned perf;        /* TR_PERF_... */
    bool gdb_jit;
    char *profile;        /* TrConfig.profile; owned */
    const char *log_items;
    const char *log_file;
    GArray *dfilter;      /* of TrRange; owned */
    char **envp;          /* the guest's environment; owned (g_strfreev) */
    int program_fd;       /* open file of PROGRAM; -1: to be opened by its name */
    const char *after_exec; /* UserOptions.after_exec */
    GPtrArray *kept;      /* options that hold for programs started by the guest too; owned, the
                             strings are argv's.  Not the environment's, argv[0]'s, the sysroot's */
    int first;            /* index of PROGRAM in argv; argc when there is none */
} RunOptions;

/* Fills `o` from the environment and argv[first..argc); sets error and returns false on a wrong
 * option or value. */
bool run_options_parse(RunOptions *o, int argc, char **argv, int first, GError **error);
void run_options_fini(RunOptions *o);

/* The options as text for --help. */
void run_options_help(void);

#endif
