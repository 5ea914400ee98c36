/* SPDX-License-Identifier: Apache-2.0 */
/*
 * plugins/plugins.h - loads QEMU TCG plugins, and tells them what happens.
 *
 * Owns:       the loaded plugins, of which there is one set in a process.
 * Threading:  loading before the guest starts; the events in the thread of the vcpu.
 */
#ifndef KETCH_PLUGINS_PLUGINS_H
#define KETCH_PLUGINS_PLUGINS_H

#include <glib.h>
#include <signal.h>

#include "base/check.h"
#include "plugins/target.h"
#include "translator/translator.h"

/* Notes a plugin: "[file=]FILE[,name=value]...", where ",," stands for a comma and "name" alone for
 * "name=on".  The same file again adds arguments. */
MUST_USE bool plugins_add(const char *spec, GError **error);

/* Something was added. */
bool plugins_wanted(void);

/* Loads what was added and calls each qemu_plugin_install(), in that order.  *instrument is then what the
 * translator needs (TrConfig.instrument), NULL when nothing was added: then nothing happens, and none of
 * the events below need be told. */
MUST_USE bool plugins_load(const PluginTarget *target, const TrInstrument **instrument, GError **error);

/* ---- Events ---- */

/* Before its first instruction, with its registers set; it ends, but not the whole guest. */
void plugins_vcpu_start(Vcpu *vcpu);
void plugins_vcpu_end(Vcpu *vcpu);

/* Of a machine: it waits for an interrupt; the wait is over. */
void plugins_vcpu_idle(Vcpu *vcpu);
void plugins_vcpu_resume(Vcpu *vcpu);

/* System calls of user mode, outside of translated code.  `result` as QEMU has it: -512 for a call that
 * will be done again, -513 for one without a result. */
void plugins_syscall(Vcpu *vcpu, uint64_t nr, const uint64_t args[6]);
void plugins_syscall_done(Vcpu *vcpu, uint64_t nr, int64_t result);

/* The guest ends, without exit() of the host process; no vcpu runs. */
void plugins_exit(void);

/* A host fault that is not the guest's: ends Ketch with a sentence that blames a plugin, when this thread
 * is in one. */
void plugins_blame(int sig, const siginfo_t *info);

#endif
