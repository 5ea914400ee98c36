/* SPDX-License-Identifier: Apache-2.0 */
/*
 * plugins/bundled/args.h - the options of a plugin, and where its report goes.
 *
 * A plugin lists its options in a table; `-plugin NAME,help` prints it.  An option that is not in the
 * table, or a value that does not parse, is reported in one sentence that names the plugin.
 */
#ifndef KETCH_PLUGINS_BUNDLED_ARGS_H
#define KETCH_PLUGINS_BUNDLED_ARGS_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

typedef enum PluginArgKind {
    PLUGIN_ARG_BOOL,   /* bool: on, yes, true, off, no, false */
    PLUGIN_ARG_NUMBER, /* uint64_t: decimal or 0x... */
    PLUGIN_ARG_STRING, /* const char *: lives as long as the plugin */
    PLUGIN_ARG_FILE,   /* the same, of a file that is to be written; NULL: none */
} PluginArgKind;

typedef struct PluginArg {
    const char *name;
    PluginArgKind kind;
    void *value; /* where it goes; holds the default before */
    const char *help;
} PluginArg;

/*
 * Sets the values from the arguments of qemu_plugin_install().  `args` ends with a row without name.
 * False when the plugin shall not be installed, as when a file cannot be written (`%p` in its name stands for
 * the process id); what is wrong has been printed.  With `help` it ends the process.
 */
bool plugin_args_parse(const char *plugin, const PluginArg *args, int argc, char **argv);

/*
 * Opens the file that a report goes to: standard error for NULL; `%p` in the name stands for the
 * process id.  When it cannot be opened, says so and gives standard error.  For plugin_report_close().
 */
FILE *plugin_report_open(const char *plugin, const char *path);
void plugin_report_close(const char *plugin, FILE *report);

#endif
