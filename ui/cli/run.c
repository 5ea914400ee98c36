/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <glib.h>
#include <stdio.h>
#include <string.h>
#include <sys/auxv.h>

#include "base/log.h"
#include "frontends/frontend.h"
#include "plugins/plugins.h"
#include "ui/cli/commands.h"
#include "ui/cli/options.h"
#include "ui/cli/version.h"
#include "ui/gdb/server.h"
#include "userland/plugin_target.h"
#include "userland/userland.h"

/* Linux's binfmt_misc tells through AT_FLAGS that argv is "interpreter path argv0 args" (flag P). */
enum { BINFMT_PRESERVE_ARGV0 = 1 };

static void show_help(const char *self)
{
    printf("usage: %s [OPTIONS] PROGRAM [ARGS]\n\n"
           "Runs PROGRAM, a riscv64 Linux executable.  Where an option has a variable in brackets,\n"
           "the variable does the same.\n", self);
    run_options_help();
    printf("\nExit status: the program's; 127 when PROGRAM is not there, 126 when it cannot be\n"
           "executed, 1 for a wrong option, 128+N when signal N ended it in a shell's view.\n");
}

/* Options that only print something; false when the program is to be run. */
static bool show_something(const RunOptions *o, const char *self)
{
    switch (o->action) {
    case RUN_HELP:
        show_help(self);
        return true;
    case RUN_VERSION:
        puts(KETCH_VERSION_TEXT);
        return true;
    case RUN_LOG_HELP:
        log_help();
        return true;
    case RUN_CPU_HELP:
        fe_riscv64.cpu->help();
        return true;
    case RUN_PROGRAM:
        break;
    }
    return false;
}

static bool choose_cpu(const char *self, const char *words)
{
    char text[1024];

    if (!fe_riscv64.cpu->choose(words, text, sizeof(text))) {
        fprintf(stderr, "%s: -cpu: %s\n", self, text);
        return false;
    }
    return true;
}

static TrConfig translator_config(const RunOptions *o)
{
    return (TrConfig){
        .frontend = &fe_riscv64,
        .tier = o->tier,
        .cache_size = o->cache_size,
        .one_insn = o->one_insn,
        .check = o->check,
        .no_chain = o->no_chain,
        .dfilter = o->dfilter->len ? (const TrRange *)(const void *)o->dfilter->data : NULL,
        .n_dfilter = o->dfilter->len,
        .perf = o->perf,
        .profile = o->profile,
        .gdb_jit = o->gdb_jit,
        .timed = o->stats || o->gdb,
        .hot_threshold = o->has_threshold ? o->threshold : TR_HOT_THRESHOLD,
    };
}

static const UserEvents plugin_events = {
    .vcpu_start = plugins_vcpu_start,
    .vcpu_end = plugins_vcpu_end,
    .syscall = plugins_syscall,
    .syscall_done = plugins_syscall_done,
    .exit = plugins_exit,
    .crash = plugins_blame,
};

static int run_program(const char *self, const RunOptions *o, char **argv, int first)
{
    GError *error = NULL;
    bool keeps_argv0 = getauxval(AT_FLAGS) & BINFMT_PRESERVE_ARGV0 && argv[first + 1];
    const UserDebugger debugger = { .suspend = gdb_server_suspends(),
                                    .start = gdb_server_start,
                                    .forked = gdb_server_forked,
                                    .end = gdb_server_end,
                                    .session = gdb_server_has_session(),
                                    .exec_address = gdb_server_exec_address,
                                    .exec_session = gdb_server_exec_session,
                                    .exec_failed = gdb_server_exec_failed };
    UserOptions user = {
        .guest = &fe_riscv64,
        .program = argv[first],
        .program_fd = o->program_fd,
        .argv0 = o->argv0,
        .argv = argv + first + (keeps_argv0 ? 1 : 0),
        .envp = o->envp,
        .sysroot = o->sysroot,
        .stack_size = o->stack_size,
        .reserve = o->reserved,
        .after_exec = o->after_exec,
        .release = o->release,
        .seed = o->has_seed ? &o->seed : NULL,
        .strace = log_enabled(LOG_strace),
        .translator = translator_config(o),
        .stats = o->stats,
        .debugger = o->gdb ? &debugger : NULL,
    };

    if (!plugins_load(&user_plugin_target, &user.translator.instrument, &error)) {
        fprintf(stderr, "%s: %s\n", self, error->message);
        g_error_free(error);
        return 1;
    }
    user.events = user.translator.instrument ? &plugin_events : NULL;
    g_ptr_array_add(o->kept, NULL);
    user.self_argv = (char **)o->kept->pdata;
    return userland_main(&user);
}

int command_run(const char *self, int argc, char **argv)
{
    /* In front of the options: the name of the emulator, or `ketch run`. */
    int before = strchr(self, ' ') ? 2 : 1;
    RunOptions o;
    GError *error = NULL;
    int status = 1;

    argv -= before - 1;
    argc += before - 1;
    if (!run_options_parse(&o, argc, argv, before, &error)) {
        fprintf(stderr, "%s: %s\n", self, error->message);
        g_error_free(error);
    } else if (show_something(&o, self)) {
        status = 0;
    } else if (!choose_cpu(self, o.cpu)) {
        status = 1;
    } else if (o.first >= argc) {
        fprintf(stderr, "%s: no program given; usage: %s [OPTIONS] PROGRAM [ARGS]\n", self, self);
    } else if (o.log_file && !log_open(o.log_file, o.after_exec)) {
        fprintf(stderr, "%s: cannot write the log %s: %s\n", self, o.log_file, g_strerror(errno));
    } else {
        status = run_program(self, &o, argv, o.first);
    }
    run_options_fini(&o);
    return status;
}
