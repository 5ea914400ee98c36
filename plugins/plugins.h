/* SPDX-License-Identifier: Apache-2.0 */
/*
 * plugins/plugins.h - loads QEMU TCG plugins: what ui/cli calls.
 *
 * Owns:       the loaded plugins, of which there is one set in a process.
 * Threading:  everything here before the guest starts.
 */
#ifndef KETCH_PLUGINS_PLUGINS_H
#define KETCH_PLUGINS_PLUGINS_H

#include <glib.h>

#include "userland/userland.h"

/* Notes a plugin: "[file=]FILE[,name=value]...", where ",," stands for a comma and "name" alone for
 * "name=on".  The same file again adds arguments. */
MUST_USE bool plugins_add(const char *spec, GError **error);

/* Loads what was added and calls each qemu_plugin_install(), in that order; then `options` and its
 * translator have what they need.  Nothing happens when nothing was added. */
MUST_USE bool plugins_load(UserOptions *options, GError **error);

#endif
