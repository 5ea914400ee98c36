/* SPDX-License-Identifier: Apache-2.0 */
/*
 * ui/vm/plugins.h - a machine for plugins (plugins/target.h), and names of its code.
 *
 * Owns:       the symbols of the files that the machine starts from, for the life of the process.
 */
#ifndef KETCH_UI_VM_PLUGINS_H
#define KETCH_UI_VM_PLUGINS_H

#include <glib.h>

#include "translator/machine.h"
#include "ui/vm/vm.h"

/* Reads the symbols of -kernel and -bios, when these are ELF files; then -plugin, before anything of the
 * machine is there.  *instrument: TrConfig.instrument; NULL: there are no plugins. */
MUST_USE bool vm_plugins_load(const Vm *vm, const TrInstrument **instrument, GError **error);

/* What the machine tells them. */
extern const MachineEvents vm_plugin_events;

/* TrConfig.symbol. */
const char *vm_symbol(void *opaque, uint64_t pc, uint64_t *offset);

#endif
