/* SPDX-License-Identifier: Apache-2.0 */
/*
 * plugins/bundled/bundled.h - what makes a plugin that comes with Ketch: one table at the end of its file,
 * of which bundled.c is the part that every plugin exports.
 */
#ifndef KETCH_PLUGINS_BUNDLED_BUNDLED_H
#define KETCH_PLUGINS_BUNDLED_BUNDLED_H

#include "plugins/bundled/args.h"
#include "plugins/qemu-plugin.h"

typedef struct Bundled {
    const char *name;
    const PluginArg *args;
    /* When the options are known: makes what the callbacks need, registers others than those below.  False
     * when the plugin shall not be installed; what is wrong has been printed.  NULL: nothing to do. */
    bool (*begin)(qemu_plugin_id_t id, const qemu_info_t *info);
    /* Callbacks; NULL: none. */
    qemu_plugin_vcpu_simple_cb_t vcpu_started;
    qemu_plugin_vcpu_tb_trans_cb_t translated;
    qemu_plugin_udata_cb_t finish;
} Bundled;

/* The plugin's own. */
extern const Bundled bundled;

#endif
