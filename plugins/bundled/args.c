/* SPDX-License-Identifier: Apache-2.0 */
#include "plugins/bundled/args.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <glib.h>

#include "plugins/qemu-plugin.h"

static void print_help(const char *plugin, const PluginArg *args)
{
    fprintf(stderr, "options of the plugin %s:\n", plugin);
    for (const PluginArg *a = args; a->name; a++) {
        const char *kinds[] = { "on|off", "NUMBER", "TEXT" };

        fprintf(stderr, "  %s=%-*s  %s\n", a->name, (int)(14 - strlen(a->name)), kinds[a->kind],
                a->help);
    }
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

bool plugin_args_parse(const char *plugin, const PluginArg *args, int argc, char **argv)
{
    for (int i = 0; i < argc; i++) {
        if (strcmp(argv[i], "help") == 0 || strcmp(argv[i], "help=on") == 0) {
            print_help(plugin, args);
            return false;
        }
        if (!parse_one(plugin, args, argv[i])) {
            return false;
        }
    }
    return true;
}

FILE *plugin_report_open(const char *plugin, const char *path)
{
    char pid[24];
    char **parts;
    char *name;
    FILE *file;

    if (!path) {
        return stderr;
    }
    snprintf(pid, sizeof(pid), "%d", (int)getpid());
    parts = g_strsplit(path, "%p", -1);
    name = g_strjoinv(pid, parts);
    file = fopen(name, "we");
    if (!file) {
        fprintf(stderr, "plugin %s: cannot write %s: %s\n", plugin, name, strerror(errno));
        file = stderr;
    }
    g_strfreev(parts);
    g_free(name);
    return file;
}

void plugin_report_close(FILE *report)
{
    if (report == stderr) {
        fflush(report);
    } else if (fclose(report) != 0) {
        fprintf(stderr, "a plugin's report is incomplete: %s\n", strerror(errno));
    }
}
