/* SPDX-License-Identifier: Apache-2.0 */
/* Events on their way to the plugins' callbacks. */
#include <dlfcn.h>
#include <link.h>
#include <signal.h>
#include <stdio.h>
#include <unistd.h>

#include "base/log.h"
#include "plugins/plugin.h"
#include "plugins/plugins.h"
#include "plugins/stream.h"

_Thread_local PluginRunning plugin_running;

/* The callback of `p` for an event, NULL when none; with one, a call is begun and must be ended.
 * Calls nest: a callback may cause events. */
static PluginFn *begin(Plugin *p, PluginEvent event, PluginRunning *outer)
{
    PluginFn *fn = atomic_load_explicit(&p->callback[event], memory_order_acquire);

    *outer = plugin_running;
    if (fn) {
        plugin_running = (PluginRunning){ p, event };
    }
    return fn;
}

static void end(PluginRunning outer)
{
    plugin_running = outer;
}

/* Calls every plugin's callback for `event`, in `type`'s signature. */
#define CALL_ALL(event, type, ...)                                                     \
    do {                                                                               \
        PluginRunning outer;                                                           \
                                                                                       \
        for (unsigned i = 0; plugin_number(i); i++) {                                  \
            Plugin *p = plugin_number(i);                                              \
            PluginFn *fn = begin(p, PLUGIN_EV_##event, &outer);                 \
                                                                                       \
            if (fn) {                                                                  \
                ((qemu_plugin_##type##_cb_t)fn)(__VA_ARGS__);                          \
                end(outer);                                                     \
            }                                                                          \
        }                                                                              \
    } while (0)

/* ---- The translator's ---- */

static void on_block(TrBlock *block)
{
    CALL_ALL(vcpu_tb_trans, vcpu_tb_trans, p->id, (struct qemu_plugin_tb *)block);
}

/* Nothing of a plugin that leaves is in translated code any more. */
static void finish_leaving(Plugin *p, unsigned how)
{
    qemu_plugin_simple_cb_t after = p->leave[how].after;
    PluginRunning outer = plugin_running;

    for (unsigned e = 0; e < PLUGIN_EV_COUNT; e++) {
        atomic_store(&p->callback[e], NULL);
    }
    atomic_store(&p->leave[how].wanted, false);
    if (after) {
        plugin_running = (PluginRunning){ p, PLUGIN_EV_left };
        after(p->id);
        plugin_running = outer;
    }
}

static void on_flushed(void)
{
    for (unsigned i = 0; plugin_number(i); i++) {
        for (unsigned how = 0; how < PLUGIN_LEAVE_COUNT; how++) {
            if (atomic_load(&plugin_number(i)->leave[how].wanted)) {
                finish_leaving(plugin_number(i), how);
            }
        }
    }
    CALL_ALL(flush, simple, p->id);
}

const TrInstrument plugin_instrument = {
    .vcpu_memory = PLUGIN_VCPU_MEMORY,
    .block = on_block,
    .flushed = on_flushed,
    .stopped = stream_stopped,
};

/* ---- Of whoever runs the guest ---- */

void plugins_vcpu_start(Vcpu *vcpu)
{
    CALL_ALL(vcpu_init, vcpu_simple, p->id, vcpu->index);
}

void plugins_vcpu_end(Vcpu *vcpu)
{
    CALL_ALL(vcpu_exit, vcpu_simple, p->id, vcpu->index);
}

void plugins_vcpu_idle(Vcpu *vcpu)
{
    CALL_ALL(vcpu_idle, vcpu_simple, p->id, vcpu->index);
}

void plugins_vcpu_resume(Vcpu *vcpu)
{
    CALL_ALL(vcpu_resume, vcpu_simple, p->id, vcpu->index);
}

void plugins_syscall(Vcpu *vcpu, uint64_t nr, const uint64_t a[6])
{
    CALL_ALL(vcpu_syscall, vcpu_syscall, p->id, vcpu->index, (int64_t)nr, a[0], a[1], a[2], a[3],
             a[4], a[5], 0, 0);
}

void plugins_syscall_done(Vcpu *vcpu, uint64_t nr, int64_t result)
{
    CALL_ALL(vcpu_syscall_ret, vcpu_syscall_ret, p->id, vcpu->index, (int64_t)nr, result);
}

/* What exit() would do for the plugin.  It is not unmapped: it may have threads of its own. */
static void run_destructors(Plugin *p)
{
    struct link_map *map;
    void (**fini)(void) = NULL;
    size_t n = 0;

    if (dlinfo(p->handle, RTLD_DI_LINKMAP, &map) != 0) {
        return;
    }
    for (const ElfW(Dyn) *d = map->l_ld; d->d_tag != DT_NULL; d++) {
        if (d->d_tag == DT_FINI_ARRAY) {
            fini = (void (**)(void))(map->l_addr + d->d_un.d_ptr);
        } else if (d->d_tag == DT_FINI_ARRAYSZ) {
            n = d->d_un.d_val / sizeof(*fini);
        }
    }
    plugin_running = (PluginRunning){ p, PLUGIN_EV_load };
    while (fini && n > 0) {
        fini[--n]();
    }
    plugin_running = (PluginRunning){ 0 };
}

/* The process ends without exit(): destructors and open streams have their turn here. */
void plugins_exit(void)
{
    CALL_ALL(atexit, udata, p->id, p->atexit_data);
    for (unsigned i = 0; plugin_number(i); i++) {
        run_destructors(plugin_number(i));
    }
    fflush(NULL);
}

/* ---- Whose fault it is ---- */

static const char *const event_names[] = {
#define EVENT(name, type) [PLUGIN_EV_##name] = "its " #name " callback",
#include "plugins/events.def"
    [PLUGIN_EV_install] = "qemu_plugin_install()",
    [PLUGIN_EV_load] = "its constructors or destructors",
    [PLUGIN_EV_exec] = "a callback of translated code",
    [PLUGIN_EV_left] = "its callback of qemu_plugin_reset() or qemu_plugin_uninstall()",
};

static PluginRunning running(void)
{
    const TrAction *a = tr_running_action();

    return a ? (PluginRunning){ a->owner, PLUGIN_EV_exec } : plugin_running;
}

void plugins_blame(int sig, const siginfo_t *info)
{
    PluginRunning now = running();

    if (!now.plugin) {
        return;
    }
    if (sig == SIGALRM) {
        log_warn("plugin %s: %s did not return within 10 seconds", now.plugin->path,
                 event_names[now.event]);
    } else if (sig == SIGABRT) {
        log_warn("plugin %s called abort() in %s", now.plugin->path, event_names[now.event]);
    } else {
        log_warn("plugin %s crashed in %s: signal %d (SIG%s), address %p", now.plugin->path,
                 event_names[now.event], sig, sigabbrev_np(sig), info->si_addr);
    }
    _exit(1);
}
