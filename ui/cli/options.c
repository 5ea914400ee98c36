/* SPDX-License-Identifier: Apache-2.0 */
#include "ui/cli/options.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/log.h"
#include "base/nearest.h"
#include "base/size.h"
#include "plugins/plugins.h"
#include "translator/settings.h"
#include "ui/gdb/server.h"

#define OPTION_ERROR g_quark_from_static_string("ketch-option")

typedef bool OptionFn(RunOptions *o, const char *arg, GError **error);

static bool wrong(GError **error, const char *what, const char *arg)
{
    g_set_error(error, OPTION_ERROR, 0, "%s: '%s'", what, arg);
    return false;
}

static bool option_sysroot(RunOptions *o, const char *arg, GError **error)
{
    if (!g_file_test(arg, G_FILE_TEST_IS_DIR)) {
        return wrong(error, "-L needs a directory", arg);
    }
    o->sysroot = arg;
    return true;
}

/* Comma-separated items, each handed to `item`; QEMU's -E and -U. */
static void each_item(const char *list, char **(*item)(char **envp, const char *text), char ***envp)
{
    char **items = g_strsplit(list, ",", -1);

    for (char **p = items; *p; p++) {
        *envp = item(*envp, *p);
    }
    g_strfreev(items);
}

static char **set_one(char **envp, const char *text)
{
    const char *equals = strchr(text, '=');
    char *name;

    if (!equals) {
        return envp;
    }
    name = g_strndup(text, (gsize)(equals - text));
    envp = g_environ_setenv(envp, name, equals + 1, TRUE);
    g_free(name);
    return envp;
}

static char **unset_one(char **envp, const char *text)
{
    return g_environ_unsetenv(envp, text);
}

static bool option_set_env(RunOptions *o, const char *arg, GError **error)
{
    if (!strchr(arg, '=') || *arg == '=') {
        return wrong(error, "-E needs VAR=VALUE", arg);
    }
    each_item(arg, set_one, &o->envp);
    return true;
}

static bool option_unset_env(RunOptions *o, const char *arg, GError **error)
{
    if (!*arg || strchr(arg, '=')) {
        return wrong(error, "-U needs the name of a variable", arg);
    }
    each_item(arg, unset_one, &o->envp);
    return true;
}

static bool option_argv0(RunOptions *o, const char *arg, GError **error)
{
    (void)error;
    o->argv0 = arg;
    return true;
}

static bool option_program_fd(RunOptions *o, const char *arg, GError **error)
{
    uint64_t fd;

    if (!size_parse(arg, &fd) || fd > INT_MAX) {
        return wrong(error, "--program-fd needs a file descriptor", arg);
    }
    o->program_fd = (int)fd;
    return true;
}

static bool option_after_exec(RunOptions *o, const char *arg, GError **error)
{
    (void)error;
    o->after_exec = arg;
    return true;
}

static bool option_cpu(RunOptions *o, const char *arg, GError **error)
{
    (void)error;
    if (!strcmp(arg, "help") || !strcmp(arg, "?")) {
        o->action = RUN_CPU_HELP;
    }
    o->cpu = arg;
    return true;
}

static bool option_uname(RunOptions *o, const char *arg, GError **error)
{
    if (strlen(arg) > 64) {
        return wrong(error, "-r takes at most 64 characters", arg);
    }
    o->release = arg;
    return true;
}

static bool option_stack(RunOptions *o, const char *arg, GError **error)
{
    if (!size_parse(arg, &o->stack_size) || o->stack_size < 65536 ||
        o->stack_size > (UINT64_C(1) << 36)) {
        return wrong(error, "-s needs a stack size from 64K to 64G", arg);
    }
    return true;
}

static bool option_base(RunOptions *o, const char *arg, GError **error)
{
    uint64_t base;

    (void)o;
    if (!size_parse(arg, &base) || base != 0) {
        return wrong(error, "-B: guest addresses are host addresses here, the base is 0, not", arg);
    }
    return true;
}

static bool option_reserved(RunOptions *o, const char *arg, GError **error)
{
    if (!size_parse(arg, &o->reserved) || o->reserved < (1 << 20) ||
        o->reserved > (UINT64_C(1) << 46)) {
        return wrong(error, "-R needs a size from 1M to 64T", arg);
    }
    return true;
}

static bool option_pagesize(RunOptions *o, const char *arg, GError **error)
{
    uint64_t size;

    (void)o;
    if (!size_parse(arg, &size) || size != 4096) {
        return wrong(error, "-p: the page size of this guest is 4096, not", arg);
    }
    return true;
}

static bool option_seed(RunOptions *o, const char *arg, GError **error)
{
    if (!size_parse(arg, &o->seed)) {
        return wrong(error, "-seed needs a number", arg);
    }
    o->has_seed = true;
    return true;
}

static bool option_tier(RunOptions *o, const char *arg, GError **error)
{
    const char *wanted = tr_parse_tier(arg, &o->tier);

    return !wanted || wrong(error, wanted, arg);
}

static bool option_threshold(RunOptions *o, const char *arg, GError **error)
{
    const char *wanted = tr_parse_threshold(arg, &o->threshold);

    o->has_threshold = !wanted;
    return !wanted || wrong(error, wanted, arg);
}

static bool option_cache(RunOptions *o, const char *arg, GError **error)
{
    const char *wanted = tr_parse_cache_size(arg, &o->cache_size);

    return !wanted || wrong(error, wanted, arg);
}

static bool option_tb_size(RunOptions *o, const char *arg, GError **error)
{
    uint64_t n;

    if (!size_parse(arg, &n) || n < 1 || n > 1024) {
        return wrong(error, "-tb-size needs a number of megabytes from 1 to 1024", arg);
    }
    o->cache_size = n << 20;
    return true;
}

static bool option_one_insn(RunOptions *o, const char *arg, GError **error)
{
    (void)arg;
    (void)error;
    o->one_insn = true;
    return true;
}

static bool option_check(RunOptions *o, const char *arg, GError **error)
{
    (void)arg;
    (void)error;
    o->check = true;
    return true;
}

static bool option_strace(RunOptions *o, const char *arg, GError **error)
{
    (void)o;
    (void)arg;
    (void)error;
    log_mask |= UINT32_C(1) << LOG_strace;
    return true;
}

static bool option_log(RunOptions *o, const char *arg, GError **error)
{
    char **items = g_strsplit(arg, ",", -1);
    bool ok = true;

    for (char **p = items; *p && ok; p++) {
        if (!strcmp(*p, "help") || !strcmp(*p, "?")) {
            o->action = RUN_LOG_HELP;
        } else if (**p && !tr_parse_log(*p, &o->no_chain)) {
            ok = wrong(error, "-d: unknown log item (`-d help` lists them)", *p);
        }
    }
    g_strfreev(items);
    return ok;
}

static bool option_dfilter(RunOptions *o, const char *arg, GError **error)
{
    char **items = g_strsplit(arg, ",", -1);
    bool ok = true;

    for (char **p = items; *p && ok; p++) {
        TrRange range;
        const char *wanted = tr_parse_range(*p, &range);

        ok = !wanted || wrong(error, wanted, *p);
        if (ok) {
            g_array_append_val(o->dfilter, range);
        }
    }
    g_strfreev(items);
    return ok;
}

static bool option_log_file(RunOptions *o, const char *arg, GError **error)
{
    (void)error;
    o->log_file = arg;
    return true;
}

static bool option_plugin(RunOptions *o, const char *arg, GError **error)
{
    (void)o;
    return plugins_add(arg, error);
}

static bool option_gdb(RunOptions *o, const char *arg, GError **error)
{
    const char *why;

    o->gdb = strcmp(arg, "none") != 0;
    if (o->gdb && !gdb_server_set(arg, &why)) {
        g_set_error(error, OPTION_ERROR, 0, "-g %s: %s", arg, why);
        return false;
    }
    return true;
}

static bool option_gdb_session(RunOptions *o, const char *arg, GError **error)
{
    const char *why;

    (void)o;
    if (!gdb_server_inherit(arg, &why)) {
        return wrong(error, why, arg);
    }
    return true;
}

static bool option_stats(RunOptions *o, const char *arg, GError **error)
{
    (void)arg;
    (void)error;
    o->stats = true;
    return true;
}

static bool option_perf(RunOptions *o, const char *arg, GError **error)
{
    const char *wanted = tr_parse_perf(arg, &o->perf);

    return !wanted || wrong(error, wanted, arg);
}

static bool option_profile(RunOptions *o, const char *arg, GError **error)
{
    char **parts = g_strsplit(arg ? arg : "", "%d", 2);
    char *pid = g_strdup_printf("%d", getpid());

    (void)error;
    g_free(o->profile);
    o->profile = g_strjoinv(pid, parts);
    g_free(pid);
    g_strfreev(parts);
    return true;
}

static bool option_gdb_jit(RunOptions *o, const char *arg, GError **error)
{
    (void)arg;
    (void)error;
    o->gdb_jit = true;
    return true;
}

static bool option_perfmap(RunOptions *o, const char *arg, GError **error)
{
    (void)arg;
    return option_perf(o, "map", error);
}

static bool option_jitdump(RunOptions *o, const char *arg, GError **error)
{
    (void)arg;
    return option_perf(o, "jitdump", error);
}

static bool option_version(RunOptions *o, const char *arg, GError **error)
{
    (void)arg;
    (void)error;
    o->action = RUN_VERSION;
    return true;
}

static bool option_help(RunOptions *o, const char *arg, GError **error)
{
    (void)arg;
    (void)error;
    o->action = RUN_HELP;
    return true;
}

typedef struct OptionInfo {
    const char *spelling; /* NULL: a section, named by help */
    OptionFn *fn;
    const char *argument;
    const char *variable;
    const char *help;
} OptionInfo;

static const OptionInfo options[] = {
#define SECTION(title) { NULL, NULL, NULL, NULL, title },
#define OPTION(handler, spelling, argument, variable, help) \
    { spelling, option_##handler, argument, variable, help },
#include "ui/cli/options.def"
};

/* The row for `text`; *inline_arg is what stands behind "=" in --name=ARG. */
static const OptionInfo *find_option(const char *text, const char **inline_arg)
{
    *inline_arg = NULL;
    for (size_t i = 0; i < G_N_ELEMENTS(options); i++) {
        const OptionInfo *info = &options[i];
        size_t length = info->spelling ? strlen(info->spelling) : 0;

        if (!length || strncmp(text, info->spelling, length)) {
            continue;
        }
        if (!text[length]) {
            return info;
        }
        if (text[1] == '-' && text[length] == '=' && info->argument) {
            *inline_arg = text + length + 1;
            return info;
        }
    }
    return NULL;
}

static bool unknown_option(const char *text, GError **error)
{
    Nearest n = nearest_begin(text);
    char hint[NEAREST_HINT];

    for (size_t i = 0; i < G_N_ELEMENTS(options); i++) {
        if (options[i].spelling && options[i].help) {
            nearest_offer(&n, options[i].spelling);
        }
    }
    nearest_hint(&n, hint);
    g_set_error(error, OPTION_ERROR, 0, "unknown option '%s'%s (--help lists them)", text, hint);
    return false;
}

static const char *variable_value(const char *name)
{
    static const char *const prefixes[] = { "KETCH_", "QEMU_" };
    char full[64];

    for (size_t i = 0; i < G_N_ELEMENTS(prefixes); i++) {
        const char *value;

        snprintf(full, sizeof(full), "%s%s", prefixes[i], name);
        value = getenv(full);
        if (value && *value) {
            return value;
        }
    }
    return NULL;
}

static bool read_environment(RunOptions *o, GError **error)
{
    for (size_t i = 0; i < G_N_ELEMENTS(options); i++) {
        const OptionInfo *info = &options[i];
        const char *value = info->variable ? variable_value(info->variable) : NULL;

        if (value && !info->fn(o, info->argument ? value : NULL, error)) {
            g_prefix_error(error, "environment variable KETCH_%s or QEMU_%s: ", info->variable,
                           info->variable);
            return false;
        }
    }
    return true;
}

/* For programs that the guest starts; what is said of this one alone is left out. */
static void keep_option(RunOptions *o, const OptionInfo *info, char **argv, int words)
{
    if (info->fn == option_set_env || info->fn == option_unset_env || info->fn == option_argv0 ||
        info->fn == option_sysroot || info->fn == option_program_fd || info->fn == option_gdb ||
        info->fn == option_gdb_session || info->fn == option_after_exec) {
        return;
    }
    for (int i = 0; i < words; i++) {
        g_ptr_array_add(o->kept, argv[i]);
    }
}

bool run_options_parse(RunOptions *o, int argc, char **argv, int first, GError **error)
{
    *o = (RunOptions){ .tier = TR_TIER_jit,
                       .dfilter = g_array_new(FALSE, FALSE, sizeof(TrRange)),
                       .envp = g_get_environ(),
                       .program_fd = -1,
                       .kept = g_ptr_array_new() };
    for (int i = 0; i < first; i++) {
        g_ptr_array_add(o->kept, argv[i]);
    }
    if (!read_environment(o, error)) {
        return false;
    }
    for (o->first = first; o->first < argc && argv[o->first][0] == '-'; o->first++) {
        const char *text = argv[o->first];
        const char *arg;
        const OptionInfo *info;
        int start = o->first;

        if (!strcmp(text, "--")) {
            o->first++;
            break;
        }
        info = find_option(text, &arg);
        if (!info) {
            return unknown_option(text, error);
        }
        if (info->argument && info->argument[0] != '[' && !arg) {
            if (++o->first == argc) {
                g_set_error(error, OPTION_ERROR, 0, "option '%s' needs %s", text, info->argument);
                return false;
            }
            arg = argv[o->first];
        }
        if (!info->fn(o, arg, error)) {
            return false;
        }
        keep_option(o, info, argv + start, o->first - start + 1);
    }
    return true;
}

void run_options_fini(RunOptions *o)
{
    g_ptr_array_free(o->kept, TRUE);
    g_free(o->profile);
    g_array_free(o->dfilter, TRUE);
    g_strfreev(o->envp);
}

void run_options_help(void)
{
    for (size_t i = 0; i < G_N_ELEMENTS(options); i++) {
        const OptionInfo *info = &options[i];
        char left[40];

        if (!info->help) {
            continue;
        }
        if (!info->spelling) {
            printf("\n%s:\n", info->help);
            continue;
        }
        if (info->argument && info->argument[0] == '[') {
            snprintf(left, sizeof(left), "%s[=%s", info->spelling, info->argument + 1);
        } else {
            snprintf(left, sizeof(left), "%s%s%s", info->spelling, info->argument ? " " : "",
                     info->argument ? info->argument : "");
        }
        printf("  %-20s %s\n", left, info->help);
        if (info->variable) {
            printf("  %-20s [KETCH_%s, QEMU_%s]\n", "", info->variable, info->variable);
        }
    }
}
