/* SPDX-License-Identifier: Apache-2.0 */
/* userland/plugin_target.h - user mode for plugins (plugins/target.h). */
#ifndef KETCH_USERLAND_PLUGIN_TARGET_H
#define KETCH_USERLAND_PLUGIN_TARGET_H

#include "plugins/target.h"

extern const PluginTarget user_plugin_target;

#endif
