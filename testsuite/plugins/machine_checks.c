/* SPDX-License-Identifier: Apache-2.0 */
/* A plugin of our own header: what the interface says of a machine that runs guest/machine.c. */
#include <stdio.h>
#include <string.h>

#include "plugins/qemu-plugin.h"
#include "testsuite/plugins/print.h"

QEMU_PLUGIN_EXPORT int qemu_plugin_version = QEMU_PLUGIN_VERSION;

static uint64_t read_register(const char *name)
{
    GArray *all = qemu_plugin_get_registers();
    GByteArray *bytes = g_byte_array_new();
    uint64_t v = 0;

    for (guint i = 0; i < all->len; i++) {
        qemu_plugin_reg_descriptor *d = &g_array_index(all, qemu_plugin_reg_descriptor, i);

        if (strcmp(d->name, name) == 0 && qemu_plugin_read_register(d->handle, bytes) == 8) {
            memcpy(&v, bytes->data, 8);
        }
    }
    g_array_free(all, TRUE);
    g_byte_array_free(bytes, TRUE);
    return v;
}

static uint64_t word(GByteArray *bytes)
{
    uint64_t v = 0;

    memcpy(&v, bytes->data, bytes->len < 8 ? bytes->len : 8);
    return v;
}

/* Both ways to the page see what either writes. */
static void look(uint64_t window, uint64_t physical)
{
    GByteArray *a = g_byte_array_new(), *b = g_byte_array_new();
    uint64_t found = 0;

    print("translate %d", qemu_plugin_translate_vaddr(window + 8, &found));
    print(" %d\n", found == physical + 8);
    print("virtual %d", qemu_plugin_read_memory_vaddr(window + 4088, a, 16)); /* into the next page */
    print(" %d", qemu_plugin_read_memory_vaddr(window + 800, a, 8));
    print(" physical %d", qemu_plugin_read_memory_hwaddr(physical + 800, b, 8));
    print(" %d\n", a->len == 8 && word(a) == word(b));
    memcpy(a->data, "physical", 8);
    print("write %d", qemu_plugin_write_memory_hwaddr(physical + 3000, a));
    print(" %d", qemu_plugin_read_memory_vaddr(window + 3000, b, 8) && word(b) == word(a));
    memcpy(a->data, "virtual!", 8);
    print(" %d", qemu_plugin_write_memory_vaddr(window + 3000, a));
    print(" %d\n", qemu_plugin_read_memory_hwaddr(physical + 3000, b, 8) == 0 && word(b) == word(a));
    print("nothing there %d %d", qemu_plugin_read_memory_vaddr(0xd0000000, b, 8),
          qemu_plugin_write_memory_vaddr(0xd0000000, a));
    print(" %d", qemu_plugin_read_memory_hwaddr(0x70000000, b, 8));
    print(" %d", qemu_plugin_write_memory_hwaddr(0x10000000, a)); /* a device */
    print(" %d\n", qemu_plugin_translate_vaddr(0xd0000000, &found));
    g_byte_array_free(a, TRUE);
    g_byte_array_free(b, TRUE);
}

static void at_checkpoint(unsigned vcpu, void *data)
{
    (void)vcpu;
    (void)data;
    print("priv %d paging %d\n", (int)read_register("priv"), (int)(read_register("satp") >> 60));
    look(read_register("a0"), read_register("a1"));
}

static void at_access(unsigned vcpu, qemu_plugin_meminfo_t info, uint64_t vaddr, void *data)
{
    struct qemu_plugin_hwaddr *at = qemu_plugin_get_hwaddr(info, vaddr);
    uint64_t value = qemu_plugin_mem_get_value(info).data.u64;

    (void)vcpu;
    (void)data;
    print("%s %s io %d at %" PRIx64 " = %" PRIx64 "\n", qemu_plugin_mem_is_store(info) ? "store" : "load",
          qemu_plugin_hwaddr_device_name(at), qemu_plugin_hwaddr_is_io(at),
          qemu_plugin_hwaddr_phys_addr(at), qemu_plugin_mem_is_store(info) ? value & 0xffffffff : 0);
}

static void on_block(qemu_plugin_id_t id, struct qemu_plugin_tb *tb)
{
    (void)id;
    for (size_t i = 0; i < qemu_plugin_tb_n_insns(tb); i++) {
        struct qemu_plugin_insn *insn = qemu_plugin_tb_get_insn(tb, i);
        const char *symbol = qemu_plugin_insn_symbol(insn);
        uint8_t bytes[16];
        size_t n = qemu_plugin_insn_data(insn, bytes, sizeof(bytes));

        if (memcmp(bytes, qemu_plugin_insn_haddr(insn), n) != 0) {
            print("insn_haddr is wrong at %" PRIx64 "\n", qemu_plugin_insn_vaddr(insn));
        }
        if (i == 0 && symbol && strcmp(symbol, "checkpoint") == 0) {
            qemu_plugin_register_vcpu_insn_exec_cb(insn, at_checkpoint, QEMU_PLUGIN_CB_RW_REGS, NULL);
        }
        if (symbol && strcmp(symbol, "use_devices") == 0) {
            qemu_plugin_register_vcpu_mem_cb(insn, at_access, QEMU_PLUGIN_CB_NO_REGS, QEMU_PLUGIN_MEM_RW,
                                             NULL);
        }
    }
}

static void on_init(qemu_plugin_id_t id, unsigned vcpu)
{
    (void)id;
    print("init %u pc %" PRIx64 "\n", vcpu, read_register("pc"));
}

static void on_idle(qemu_plugin_id_t id, unsigned vcpu)
{
    (void)id;
    print("idle %u\n", vcpu);
}

static void on_resume(qemu_plugin_id_t id, unsigned vcpu)
{
    (void)id;
    print("resume %u\n", vcpu);
}

static void at_exit(qemu_plugin_id_t id, void *data)
{
    (void)id;
    (void)data;
    print("exit of %d\n", qemu_plugin_num_vcpus());
}

QEMU_PLUGIN_EXPORT int qemu_plugin_install(qemu_plugin_id_t id, const qemu_info_t *info, int argc,
                                           char **argv)
{
    (void)argc;
    (void)argv;
    print("%s system %d vcpus %d of %d\n", info->target_name, info->system_emulation,
          info->system.smp_vcpus, info->system.max_vcpus);
    qemu_plugin_register_vcpu_init_cb(id, on_init);
    qemu_plugin_register_vcpu_idle_cb(id, on_idle);
    qemu_plugin_register_vcpu_resume_cb(id, on_resume);
    qemu_plugin_register_vcpu_tb_trans_cb(id, on_block);
    qemu_plugin_register_atexit_cb(id, at_exit, NULL);
    return 0;
}
