/* SPDX-License-Identifier: Apache-2.0 */
/*
 * plugins/plugin.h - what the files of this folder share; nobody else includes it.
 *
 * The set of plugins does not change once the guest runs.  A plugin that was uninstalled stays in
 * it, and its code stays mapped, without callbacks.
 */
#ifndef KETCH_PLUGINS_PLUGIN_H
#define KETCH_PLUGINS_PLUGIN_H

#include <signal.h>
#include <stdatomic.h>

#include "plugins/qemu-plugin.h"
#include "plugins/target.h"
#include "translator/instrument.h"

enum { PLUGIN_OLDEST = 1, PLUGIN_NEWEST = QEMU_PLUGIN_VERSION };

typedef enum PluginEvent {
#define EVENT(name, type) PLUGIN_EV_##name,
#include "plugins/events.def"
    PLUGIN_EV_COUNT,
    PLUGIN_EV_install = PLUGIN_EV_COUNT, /* for messages only, with the following */
    PLUGIN_EV_load,
    PLUGIN_EV_exec,
    PLUGIN_EV_left,
} PluginEvent;

typedef void PluginFn(void);

/* In the order in which they happen, when both are to. */
enum { PLUGIN_RESET, PLUGIN_UNINSTALL, PLUGIN_LEAVE_COUNT };

typedef struct Plugin {
    qemu_plugin_id_t id; /* its place in the set + 1 */
    char *path;          /* as the user wrote it */
    GPtrArray *argv;
    int version;
    void *handle;        /* of dlopen() */

    /* Written by the plugin's own registrations, also while the guest runs; read for each event. */
    PluginFn *_Atomic callback[PLUGIN_EV_COUNT];
    void *atexit_data;

    /* A reset, an uninstall or both are on their way; `after` is called when it is done. */
    struct {
        _Atomic bool wanted;
        qemu_plugin_simple_cb_t after;
    } leave[PLUGIN_LEAVE_COUNT];
} Plugin;

/* What they observe. */
extern const PluginTarget *plugin_target;

/* All of them, in order; NULL at the end. */
Plugin *plugin_number(unsigned index);
Plugin *plugin_of(qemu_plugin_id_t id);

/* The plugin whose callback this thread runs outside of translated code, and which. */
typedef struct PluginRunning {
    Plugin *plugin;
    PluginEvent event;
} PluginRunning;

extern _Thread_local PluginRunning plugin_running;

/* events.c: what the translator calls. */
extern const TrInstrument plugin_instrument;

/* register.c: a call as an action; which accesses a plugin means. */
TrAction plugin_call(qemu_plugin_vcpu_udata_cb_t cb, enum qemu_plugin_cb_flags flags, void *data);
uint32_t plugin_access_mask(enum qemu_plugin_mem_rw rw);

/* scoreboard.c: bytes of each vcpu's memory. */
enum { PLUGIN_VCPU_MEMORY = 64 << 20 };

/* Offset of the word in a vcpu's memory. */
uint32_t plugin_word(qemu_plugin_u64 entry);

#endif
