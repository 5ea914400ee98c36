/* SPDX-License-Identifier: Apache-2.0 */
#include "plugins/bundled/args.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <glib.h>

#include "plugins/qemu-plugin.h"

static _Noreturn void print_help(const char *plugin, const PluginArg *args)
{
    printf("options of the plugin %s:\n", plugin);
    for (const PluginArg *a = args; a->name; a++) {
        const char *kinds[] = { "on|off", "NUMBER", "TEXT", "FILE" };

        printf("  %s=%-*s  %s\n", a->name, (int)(14 - strlen(a->name)), kinds[a->kind], a->help);
    }
    exit(fflush(stdout) == 0 ? EXIT_SUCCESS : EXIT_FAILURE);
}

static bool set(const PluginArg *arg, const char *text)
{
    char *end;

    switch (arg->kind) {
    case PLUGIN_ARG_BOOL:
        return qemu_plugin_bool_parse(arg->name, text, arg->value);
    case PLUGIN_ARG_NUMBER:
        errno = 0;
        *(uint64_t *)arg->value = strtoull(text, &end, 0);
        return errno == 0 && end != text && !*end && *text != '-';
    case PLUGIN_ARG_STRING:
    case PLUGIN_ARG_FILE:
        *(const char **)arg->value = g_strdup(text);
        return *text != '\0';
    }
    return false;
}

/* Sets the one option that `text`, NAME=VALUE, gives. */
static bool parse_one(const char *plugin, const PluginArg *args, const char *text)
{
    size_t length = strcspn(text, "=");

    for (const PluginArg *a = args; a->name; a++) {
        if (strlen(a->name) != length || strncmp(a->name, text, length) != 0) {
            continue;
        }
        if (text[length] == '=' && set(a, text + length + 1)) {
            return true;
        }
        fprintf(stderr, "plugin %s: '%s' has no value that %s could take: %s\n", plugin, text,
                a->name, a->help);
        return false;
    }
    fprintf(stderr, "plugin %s: there is no option '%.*s'; %s,help lists them\n", plugin,
            (int)length, text, plugin);
    return false;
}

static FILE *open_file(const char *plugin, const char *path, const char *mode)
{
    char pid[24];
    char **parts = g_strsplit(path, "%p", -1);
    char *name;
    FILE *file;

    snprintf(pid, sizeof(pid), "%d", (int)getpid());
    name = g_strjoinv(pid, parts);
    file = fopen(name, mode);
    if (!file) {
        fprintf(stderr, "plugin %s: cannot write %s: %s\n", plugin, name, strerror(errno));
    }
    g_strfreev(parts);
    g_free(name);
    return file;
}

/* What is written at the end must not be in vain. */
static bool can_write_files(const char *plugin, const PluginArg *args)
{
    for (const PluginArg *a = args; a->name; a++) {
        const char *path = a->kind == PLUGIN_ARG_FILE ? *(const char **)a->value : NULL;
        FILE *file = path ? open_file(plugin, path, "ae") : NULL;

        if (path && !file) {
            return false;
        }
        if (file) {
            fclose(file);
        }
    }
    return true;
}

bool plugin_args_parse(const char *plugin, const PluginArg *args, int argc, char **argv)
{
    for (int i = 0; i < argc; i++) {
        if (strcmp(argv[i], "help") == 0 || strcmp(argv[i], "help=on") == 0) {
            print_help(plugin, args);
        }
        if (!parse_one(plugin, args, argv[i])) {
            return false;
        }
    }
    return can_write_files(plugin, args);
}

FILE *plugin_report_open(const char *plugin, const char *path)
{
    FILE *file = path ? open_file(plugin, path, "we") : NULL;

    return file ? file : stderr;
}

void plugin_report_close(const char *plugin, FILE *report)
{
    const char *why = ferror(report) ? "a write has failed" : NULL;

    if (report == stderr) {
        fflush(report);
        return;
    }
    if (fclose(report) != 0) {
        why = strerror(errno);
    }
    if (why) {
        fprintf(stderr, "plugin %s: its report is incomplete: %s\n", plugin, why);
    }
}
