/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Has threads of its own, from its installation on and from its first block on, which look at the counters while the
 * guest runs.  Says how many of their views were not between those before and after.
 */
#include <glib.h>
#include <pthread.h>
#include <qemu-plugin.h>
#include <unistd.h>

QEMU_PLUGIN_EXPORT int qemu_plugin_version = QEMU_PLUGIN_VERSION;

enum { THREADS = 3 };

static pthread_t threads[THREADS];
static _Atomic uint64_t blocks;
static _Atomic bool over, started;
static _Atomic unsigned wrong;

static void executed(unsigned vcpu, void *unused)
{
    blocks++;
}

static void *look(void *unused)
{
    for (uint64_t before = 0; !over;) {
        uint64_t now = blocks;

        wrong += now < before;
        before = now;
        qemu_plugin_outs("");
        usleep(100);
    }
    return unused;
}

static void start(unsigned n)
{
    pthread_create(&threads[n], NULL, look, NULL);
}

static void translated(qemu_plugin_id_t id, struct qemu_plugin_tb *tb)
{
    if (!started) {
        started = true;
        start(THREADS - 1);
    }
    qemu_plugin_register_vcpu_tb_exec_cb(tb, executed, QEMU_PLUGIN_CB_NO_REGS, NULL);
}

static void at_exit(qemu_plugin_id_t id, void *unused)
{
    g_autofree char *text = NULL;

    over = true;
    for (unsigned n = 0; n < THREADS; n++) {
        pthread_join(threads[n], NULL);
    }
    text = g_strdup_printf("threading: %u wrong of %s\n", (unsigned)wrong, blocks ? "some" : "none");
    qemu_plugin_outs(text);
}

QEMU_PLUGIN_EXPORT int qemu_plugin_install(qemu_plugin_id_t id, const qemu_info_t *info, int argc, char **argv)
{
    for (unsigned n = 0; n < THREADS - 1; n++) {
        start(n);
    }
    qemu_plugin_register_vcpu_tb_trans_cb(id, translated);
    qemu_plugin_register_atexit_cb(id, at_exit, NULL);
    return 0;
}
