/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Takes itself away from inside a callback (from=insn, access, block, syscall, return, init), after so many calls
 * of it (after=N): wholly or, with again=on, to begin once more from its own callback.  Others that are loaded
 * notice nothing.
 */
#include <stdlib.h>
#include <string.h>

#include "qemu-plugin.h"

QEMU_PLUGIN_EXPORT int qemu_plugin_version = QEMU_PLUGIN_VERSION;

static _Atomic uint64_t calls, late;
static uint64_t limit = 1000;
static bool again;
static _Atomic bool gone;
static bool asked;
static qemu_plugin_id_t self;
static const char *from = "insn";

static void begin(qemu_plugin_id_t id);

static void say(const char *what)
{
    g_autofree char *text = g_strdup_printf("leaving: %s, %d late\n", what, (int)late);

    qemu_plugin_outs(text);
}

static void left(qemu_plugin_id_t id)
{
    gone = true;
    say("uninstalled");
}

static void anew(qemu_plugin_id_t id)
{
    say("reset");
    again = false;
    asked = false;
    calls = 0;
    begin(id);
}

static void happened(const char *what)
{
    if (strcmp(what, from) != 0 || ++calls < limit || __atomic_exchange_n(&asked, true, __ATOMIC_RELAXED)) {
        return;
    }
    if (again) {
        qemu_plugin_reset(self, anew);
    } else {
        qemu_plugin_uninstall(self, left);
    }
}

static void at_insn(unsigned vcpu, void *data)
{
    late += gone;
    happened("insn");
}

static void at_access(unsigned vcpu, qemu_plugin_meminfo_t info, uint64_t vaddr, void *data)
{
    late += gone;
    happened("access");
}

static void on_block(qemu_plugin_id_t id, struct qemu_plugin_tb *tb)
{
    late += gone;
    for (size_t i = 0; i < qemu_plugin_tb_n_insns(tb); i++) {
        struct qemu_plugin_insn *insn = qemu_plugin_tb_get_insn(tb, i);

        qemu_plugin_register_vcpu_insn_exec_cb(insn, at_insn, QEMU_PLUGIN_CB_NO_REGS, NULL);
        qemu_plugin_register_vcpu_mem_cb(insn, at_access, QEMU_PLUGIN_CB_NO_REGS, QEMU_PLUGIN_MEM_RW, NULL);
    }
    happened("block");
}

/* These may have been on their way when it left. */
static void on_init(qemu_plugin_id_t id, unsigned vcpu)
{
    happened("init");
}

static void on_call(qemu_plugin_id_t id, unsigned vcpu, int64_t number, uint64_t a1, uint64_t a2, uint64_t a3,
                    uint64_t a4, uint64_t a5, uint64_t a6, uint64_t a7, uint64_t a8)
{
    happened("syscall");
}

static void on_return(qemu_plugin_id_t id, unsigned vcpu, int64_t number, int64_t result)
{
    happened("return");
}

static void at_exit(qemu_plugin_id_t id, void *data)
{
    say("has not left");
}

static void begin(qemu_plugin_id_t id)
{
    qemu_plugin_register_vcpu_tb_trans_cb(id, on_block);
    qemu_plugin_register_vcpu_init_cb(id, on_init);
    qemu_plugin_register_vcpu_syscall_cb(id, on_call);
    qemu_plugin_register_vcpu_syscall_ret_cb(id, on_return);
    qemu_plugin_register_atexit_cb(id, at_exit, NULL);
}

QEMU_PLUGIN_EXPORT int qemu_plugin_install(qemu_plugin_id_t id, const qemu_info_t *info, int argc,
                                           char **argv)
{
    self = id;
    for (int i = 0; i < argc; i++) {
        g_auto(GStrv) words = g_strsplit(argv[i], "=", 2);

        if (strcmp(words[0], "after") == 0) {
            limit = strtoull(words[1], NULL, 0);
        } else if (strcmp(words[0], "from") == 0) {
            from = argv[i] + strlen("from=");
        } else if (strcmp(words[0], "again") != 0 || !qemu_plugin_bool_parse(words[0], words[1], &again)) {
            return -1;
        }
    }
    begin(id);
    return 0;
}
