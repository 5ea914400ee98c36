/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Events that come in pairs, of each vcpu: beginning and end, system call and return (all of them or, with
 * number=N, only those), waiting and going on.  Says what has no partner.
 */
#include <stdlib.h>
#include <string.h>

#include "qemu-plugin.h"

QEMU_PLUGIN_EXPORT int qemu_plugin_version = QEMU_PLUGIN_VERSION;

enum { EXIT = 93, EXIT_GROUP = 94, CLONE = 220 };

typedef struct State {
    uint64_t alive, idle, in_call, calls, waits;
    int64_t number;
} State;

static struct qemu_plugin_scoreboard *board;
static int64_t only = -1;
static _Atomic unsigned wrong, calls, waits, begun;

static State *of(unsigned vcpu)
{
    return qemu_plugin_scoreboard_find(board, vcpu);
}

static void expect(bool ok, const char *what, unsigned vcpu)
{
    if (!ok && wrong++ < 20) {
        g_autofree char *text = g_strdup_printf("vcpu %u: %s\n", vcpu, what);

        qemu_plugin_outs(text);
    }
}

static bool seen;

static void look_for_first(qemu_plugin_id_t id, unsigned vcpu)
{
    seen |= vcpu == 0;
}

static void on_init(qemu_plugin_id_t id, unsigned vcpu)
{
    expect(!of(vcpu)->alive, "begins twice", vcpu);
    expect((int)vcpu < qemu_plugin_num_vcpus(), "is not counted", vcpu);
    *of(vcpu) = (State){ .alive = true };
    begun++;
    if (vcpu == 0) {
        qemu_plugin_vcpu_for_each(id, look_for_first);
        expect(seen, "is not among all", vcpu);
    }
}

static void on_end(qemu_plugin_id_t id, unsigned vcpu)
{
    expect(of(vcpu)->alive, "ends, but has not begun", vcpu);
    of(vcpu)->alive = false;
}

static void on_idle(qemu_plugin_id_t id, unsigned vcpu)
{
    expect(of(vcpu)->alive && !of(vcpu)->idle, "waits twice", vcpu);
    of(vcpu)->idle = true;
    waits++;
}

static void on_resume(qemu_plugin_id_t id, unsigned vcpu)
{
    expect(of(vcpu)->idle, "goes on, but has not waited", vcpu);
    of(vcpu)->idle = false;
}

static uint64_t read_register(const char *name)
{
    g_autoptr(GArray) all = qemu_plugin_get_registers();
    g_autoptr(GByteArray) bytes = g_byte_array_new();
    uint64_t v = 0;

    for (guint i = 0; i < all->len; i++) {
        const qemu_plugin_reg_descriptor *d = &g_array_index(all, qemu_plugin_reg_descriptor, i);

        if (strcmp(d->name, name) == 0 && qemu_plugin_read_register(d->handle, bytes) == 8) {
            memcpy(&v, bytes->data, 8);
        }
    }
    return v;
}

static void on_call(qemu_plugin_id_t id, unsigned vcpu, int64_t number, uint64_t a1, uint64_t a2, uint64_t a3,
                    uint64_t a4, uint64_t a5, uint64_t a6, uint64_t a7, uint64_t a8)
{
    if (only >= 0 && number != only) {
        return;
    }
    calls++;
    expect(!of(vcpu)->in_call, "calls inside of a call", vcpu);
    expect((int64_t)read_register("a7") == number && read_register("a0") == a1 && read_register("a5") == a6,
           "has other registers at a call", vcpu);
    of(vcpu)->in_call = number != EXIT && number != EXIT_GROUP;
    of(vcpu)->number = number;
}

static void on_return(qemu_plugin_id_t id, unsigned vcpu, int64_t number, int64_t result)
{
    if (only >= 0 && number != only) {
        return;
    }
    expect(of(vcpu)->in_call && of(vcpu)->number == number, "returns from another call", vcpu);
    of(vcpu)->in_call = false;
}

static void at_exit(qemu_plugin_id_t id, void *data)
{
    g_autofree char *text = g_strdup_printf("pairing: %u wrong, %u begun, %u calls, waits %d\n", wrong, begun, calls,
                                            waits > 0);

    qemu_plugin_outs(text);
}

QEMU_PLUGIN_EXPORT int qemu_plugin_install(qemu_plugin_id_t id, const qemu_info_t *info, int argc,
                                           char **argv)
{
    if (argc > 0 && g_str_has_prefix(argv[0], "number=")) {
        only = atoll(argv[0] + strlen("number="));
    }
    board = qemu_plugin_scoreboard_new(sizeof(State));
    qemu_plugin_register_vcpu_init_cb(id, on_init);
    qemu_plugin_register_vcpu_exit_cb(id, on_end);
    qemu_plugin_register_vcpu_idle_cb(id, on_idle);
    qemu_plugin_register_vcpu_resume_cb(id, on_resume);
    qemu_plugin_register_vcpu_syscall_cb(id, on_call);
    qemu_plugin_register_vcpu_syscall_ret_cb(id, on_return);
    qemu_plugin_register_atexit_cb(id, at_exit, NULL);
    return 0;
}
