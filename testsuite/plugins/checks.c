/* SPDX-License-Identifier: Apache-2.0 */
/* A plugin of our own header: prints what the interface says, by its first argument. */
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "plugins/qemu-plugin.h"
#include "testsuite/plugins/print.h"

QEMU_PLUGIN_EXPORT int qemu_plugin_version = QEMU_PLUGIN_VERSION;

static const char *what;
static pid_t first;
static qemu_plugin_id_t self;

static void at_exit(qemu_plugin_id_t id, void *data)
{
    if (!strcmp(what, "life")) {
        print("vcpus %d\n", qemu_plugin_num_vcpus());
    }
    if (!strcmp(what, "life") || !strcmp(what, "fork") || !strcmp(what, "gone")) {
        print("exit %d\n", getpid() != first);
    }
}

static struct qemu_plugin_register *find_register(const char *name)
{
    GArray *all = qemu_plugin_get_registers();
    struct qemu_plugin_register *found = NULL;

    for (guint i = 0; i < all->len; i++) {
        qemu_plugin_reg_descriptor *d = &g_array_index(all, qemu_plugin_reg_descriptor, i);

        found = strcmp(d->name, name) ? found : d->handle;
    }
    g_array_free(all, TRUE);
    return found;
}

static uint64_t read_a0(void)
{
    GByteArray *bytes = g_byte_array_new();
    uint64_t v = 0;

    if (qemu_plugin_read_register(find_register("a0"), bytes) == 8) {
        memcpy(&v, bytes->data, 8);
    }
    g_byte_array_free(bytes, TRUE);
    return v;
}

static int write_register(const char *name, uint64_t v)
{
    GByteArray *bytes = g_byte_array_new();
    int n;

    g_byte_array_append(bytes, (const guint8 *)&v, 8);
    n = qemu_plugin_write_register(find_register(name), bytes);
    g_byte_array_free(bytes, TRUE);
    return n;
}

static void at_target(unsigned vcpu, void *data)
{
    print("seen %d\n", (int)read_a0());
    print("wrote %d\n", write_register("a0", 42));
    print("read back %d\n", (int)read_a0());
    print("pc %d\n", write_register("pc", 0));
}

static void left(qemu_plugin_id_t id)
{
    print("uninstalled\n");
}

static void anew(qemu_plugin_id_t id)
{
    print("reset\n");
    qemu_plugin_register_atexit_cb(id, at_exit, NULL);
}

/* The second reset, and what comes behind an uninstall, are not heard. */
static void at_leave(unsigned vcpu, void *data)
{
    print("leaves\n");
    qemu_plugin_reset(*(qemu_plugin_id_t *)data, anew);
    qemu_plugin_reset(*(qemu_plugin_id_t *)data, left);
    qemu_plugin_uninstall(*(qemu_plugin_id_t *)data, left);
    qemu_plugin_reset(*(qemu_plugin_id_t *)data, anew);
}

static void without_registers(unsigned vcpu, void *data)
{
    GByteArray *bytes = g_byte_array_new();

    print("no registers %d\n", qemu_plugin_read_register(find_register("a0"), bytes));
    g_byte_array_free(bytes, TRUE);
}

static void look_at_memory(unsigned vcpu, void *data)
{
    GByteArray *bytes = g_byte_array_new();
    uint64_t at = read_a0();
    int ok = qemu_plugin_read_memory_vaddr(at, bytes, 6);

    print("read %d %s\n", ok, (char *)bytes->data);
    memcpy(bytes->data, "eight", 6);
    print("wrote %d\n", qemu_plugin_write_memory_vaddr(at, bytes));
    print("bad %d", qemu_plugin_read_memory_vaddr(8, bytes, 6));
    print(" %d\n", qemu_plugin_write_memory_vaddr(8, bytes));
    print("physical %d %d", qemu_plugin_read_memory_hwaddr(at, bytes, 6) == QEMU_PLUGIN_HWADDR_OPERATION_ERROR,
          qemu_plugin_write_memory_hwaddr(at, bytes) == QEMU_PLUGIN_HWADDR_OPERATION_ERROR);
    print(" %d\n", qemu_plugin_translate_vaddr(at, &at));
    g_byte_array_free(bytes, TRUE);
}

static void at_load(unsigned vcpu, qemu_plugin_meminfo_t info, uint64_t vaddr, void *data)
{
    int result = write_register("t0", 9), other = write_register("t1", 42);

    print("wrote %d %d\n", result, other);
}

/* There are no physical addresses: what plugins get to see then. */
static void print_physical(qemu_plugin_meminfo_t info, uint64_t vaddr)
{
    struct qemu_plugin_hwaddr *at = qemu_plugin_get_hwaddr(info, vaddr);

    if (at || qemu_plugin_hwaddr_is_io(at) || qemu_plugin_hwaddr_phys_addr(at) ||
        strcmp(qemu_plugin_hwaddr_device_name(at), "Invalid")) {
        print("physical\n");
    }
}

static void access_done(unsigned vcpu, qemu_plugin_meminfo_t info, uint64_t vaddr, void *data)
{
    unsigned bits = 8u << qemu_plugin_mem_size_shift(info);
    qemu_plugin_mem_value v = qemu_plugin_mem_get_value(info);
    uint64_t value = v.type == QEMU_PLUGIN_MEM_VALUE_U8    ? v.data.u8
                     : v.type == QEMU_PLUGIN_MEM_VALUE_U16 ? v.data.u16
                     : v.type == QEMU_PLUGIN_MEM_VALUE_U32 ? v.data.u32
                                                           : v.data.u64;

    print("%s %u %u%s: %" PRIx64 "\n", qemu_plugin_mem_is_store(info) ? "store" : "load", bits / 8, bits,
          qemu_plugin_mem_is_sign_extended(info) && bits == 8 ? "s" : "", value);
    print_physical(info, vaddr);
}

static void at_first(struct qemu_plugin_insn *insn)
{
    if (!strcmp(what, "registers")) {
        qemu_plugin_register_vcpu_insn_exec_cb(insn, at_target, QEMU_PLUGIN_CB_RW_REGS, NULL);
        qemu_plugin_register_vcpu_insn_exec_cb(insn, without_registers, QEMU_PLUGIN_CB_NO_REGS, NULL);
    } else if (!strcmp(what, "memory")) {
        qemu_plugin_register_vcpu_insn_exec_cb(insn, look_at_memory, QEMU_PLUGIN_CB_R_REGS, NULL);
    } else if (!strcmp(what, "gone")) {
        qemu_plugin_register_vcpu_insn_exec_cb(insn, at_leave, QEMU_PLUGIN_CB_NO_REGS, &self);
    } else if (!strcmp(what, "program")) {
        print("symbol %s\n", qemu_plugin_insn_symbol(insn));
    }
}

static bool is_in(struct qemu_plugin_insn *insn, const char *name)
{
    const char *symbol = qemu_plugin_insn_symbol(insn);

    return symbol && !strcmp(symbol, name);
}

static void on_block(qemu_plugin_id_t id, struct qemu_plugin_tb *tb)
{
    struct qemu_plugin_insn *first_insn = qemu_plugin_tb_get_insn(tb, 0);

    if (is_in(first_insn, "target")) {
        at_first(first_insn);
    }
    for (size_t i = 0; i < qemu_plugin_tb_n_insns(tb) && !strcmp(what, "values"); i++) {
        struct qemu_plugin_insn *insn = qemu_plugin_tb_get_insn(tb, i);

        if (is_in(insn, "accesses")) {
            qemu_plugin_register_vcpu_mem_cb(insn, access_done, QEMU_PLUGIN_CB_NO_REGS,
                                             QEMU_PLUGIN_MEM_RW, NULL);
        }
    }
    for (size_t i = 0; i < qemu_plugin_tb_n_insns(tb) && !strcmp(what, "writes"); i++) {
        struct qemu_plugin_insn *insn = qemu_plugin_tb_get_insn(tb, i);

        if (is_in(insn, "rewritten")) {
            qemu_plugin_register_vcpu_mem_cb(insn, at_load, QEMU_PLUGIN_CB_RW_REGS, QEMU_PLUGIN_MEM_R, NULL);
        }
    }
}

static void on_init(qemu_plugin_id_t id, unsigned vcpu)
{
    if (!strcmp(what, "life")) {
        print("init %u\n", vcpu);
    } else if (!strcmp(what, "program")) {
        char *path = (char *)qemu_plugin_path_to_binary();
        uint64_t entry = qemu_plugin_entry_code();

        print("%s %d %d %d\n", strrchr(path, '/') + 1, qemu_plugin_start_code() <= entry,
              entry < qemu_plugin_end_code(), qemu_plugin_start_code() > 0);
        g_free(path);
    }
}

static void on_exit_of_vcpu(qemu_plugin_id_t id, unsigned vcpu)
{
    print("end of %u\n", vcpu);
}

QEMU_PLUGIN_EXPORT int qemu_plugin_install(qemu_plugin_id_t id, const qemu_info_t *info, int argc,
                                           char **argv)
{
    first = getpid();
    self = id;
    what = g_strndup(argv[0], strcspn(argv[0], "="));
    if (!strcmp(what, "info")) {
        print("target %s min %d cur %d system %d args %d %s %s\n", info->target_name, info->version.min,
              info->version.cur, info->system_emulation, argc, argv[0], argv[1]);
    }
    qemu_plugin_register_vcpu_init_cb(id, on_init);
    qemu_plugin_register_vcpu_exit_cb(id, on_exit_of_vcpu);
    qemu_plugin_register_vcpu_tb_trans_cb(id, on_block);
    qemu_plugin_register_atexit_cb(id, at_exit, NULL);
    return 0;
}
