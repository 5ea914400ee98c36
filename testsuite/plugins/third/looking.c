/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Looks from a callback of each access and each instruction at what else the interface says of it: registers,
 * memory at the virtual and the physical address, the instruction's bytes.  Says what does not agree.
 */
#include <string.h>

#include "qemu-plugin.h"

QEMU_PLUGIN_EXPORT int qemu_plugin_version = QEMU_PLUGIN_VERSION;

static const char *const names[32] = {
    "zero", "ra", "sp", "gp", "tp",  "t0",  "t1", "t2", "fp", "s1", "a0", "a1", "a2", "a3", "a4", "a5",
    "a6",   "a7", "s2", "s3", "s4",  "s5",  "s6", "s7", "s8", "s9", "s10", "s11", "t3", "t4", "t5", "t6",
};

static struct qemu_plugin_register *gpr[32], *pc_register;
static bool machine;
static _Atomic unsigned looked, wrong;

static void say(const char *what, uint64_t pc, uint64_t got, uint64_t want)
{
    if (got != want && wrong++ < 20) {
        g_autofree char *text = g_strdup_printf("%s at %" PRIx64 ": %" PRIx64 " instead of %" PRIx64 "\n", what, pc,
                                                got, want);

        qemu_plugin_outs(text);
    }
}

static uint64_t number(const GByteArray *bytes)
{
    uint64_t v = 0;

    memcpy(&v, bytes->data, MIN(bytes->len, 8));
    return v;
}

static uint64_t read_register(struct qemu_plugin_register *handle)
{
    g_autoptr(GByteArray) bytes = g_byte_array_new();

    return qemu_plugin_read_register(handle, bytes) == 8 ? number(bytes) : 0xbad;
}

typedef struct Insn {
    uint64_t pc;
    uint32_t code;
} Insn;

static uint64_t value_of(qemu_plugin_meminfo_t info)
{
    qemu_plugin_mem_value v = qemu_plugin_mem_get_value(info);

    return v.type == QEMU_PLUGIN_MEM_VALUE_U8    ? v.data.u8
           : v.type == QEMU_PLUGIN_MEM_VALUE_U16 ? v.data.u16
           : v.type == QEMU_PLUGIN_MEM_VALUE_U32 ? v.data.u32
                                                 : v.data.u64;
}

/* Loads and stores of integers in four bytes: the registers are those before the instruction. */
static void look_at_registers(const Insn *insn, uint64_t vaddr, uint64_t value, unsigned bits)
{
    unsigned opcode = insn->code & 0x7f;
    int32_t code = (int32_t)insn->code, load = code >> 20;
    int32_t store = (code >> 25) * 32 | (code >> 7 & 31);
    uint64_t base = read_register(gpr[insn->code >> 15 & 31]);

    if (opcode == 0x03) {
        say("address of a load", insn->pc, base + (uint64_t)(int64_t)load, vaddr);
    } else if (opcode == 0x23) {
        uint64_t from = read_register(gpr[insn->code >> 20 & 31]);

        say("address of a store", insn->pc, base + (uint64_t)(int64_t)store, vaddr);
        say("value of a store", insn->pc, from << (64 - bits), value << (64 - bits));
    }
}

static void look_at_physical(qemu_plugin_meminfo_t info, const Insn *insn, uint64_t vaddr, uint64_t value)
{
    struct qemu_plugin_hwaddr *at = qemu_plugin_get_hwaddr(info, vaddr);
    size_t size = (size_t)1 << qemu_plugin_mem_size_shift(info);
    g_autoptr(GByteArray) bytes = g_byte_array_new();
    uint64_t found = 0;

    if (!at || qemu_plugin_hwaddr_is_io(at)) {
        say("a place", insn->pc, at != NULL, true);
        return;
    }
    say("translated", insn->pc, qemu_plugin_translate_vaddr(vaddr, &found) ? found : 0,
        qemu_plugin_hwaddr_phys_addr(at));
    say("physical", insn->pc,
        qemu_plugin_read_memory_hwaddr(found, bytes, size) == QEMU_PLUGIN_HWADDR_OPERATION_OK ? number(bytes) : 0xbad,
        value);
}

static void at_access(unsigned vcpu, qemu_plugin_meminfo_t info, uint64_t vaddr, void *data)
{
    const Insn *insn = data;
    unsigned size = 1u << qemu_plugin_mem_size_shift(info);
    uint64_t value = value_of(info);
    g_autoptr(GByteArray) bytes = g_byte_array_new();
    bool io = machine && qemu_plugin_hwaddr_is_io(qemu_plugin_get_hwaddr(info, vaddr));
    bool atomic = (insn->code & 0x7f) == 0x2f; /* reports what it has done when both is done */
    bool may_change = atomic || qemu_plugin_num_vcpus() > 1;

    looked++;
    say("pc", insn->pc, read_register(pc_register), insn->pc);
    look_at_registers(insn, vaddr, value, 8 * size);
    if (!io && !may_change) {
        say("memory", insn->pc, qemu_plugin_read_memory_vaddr(vaddr, bytes, size) ? number(bytes) : 0xbad, value);
        say("length", insn->pc, bytes->len, size);
    }
    if (machine && !may_change) {
        look_at_physical(info, insn, vaddr, value);
    }
}

static void at_insn(unsigned vcpu, void *data)
{
    const Insn *insn = data;

    looked++;
    say("pc", insn->pc, read_register(pc_register), insn->pc);
    say("zero", insn->pc, read_register(gpr[0]), 0);
}

static void look_at_code(struct qemu_plugin_tb *tb, size_t i, uint64_t next)
{
    struct qemu_plugin_insn *insn = qemu_plugin_tb_get_insn(tb, i);
    uint8_t bytes[8] = { 0 }, first[2] = { 0 };
    size_t size = qemu_plugin_insn_size(insn);
    uint64_t pc = qemu_plugin_insn_vaddr(insn);
    Insn *what = g_new0(Insn, 1);
    g_autofree char *text = qemu_plugin_insn_disas(insn);

    say("where an instruction is", pc, pc, next);
    say("bytes", pc, qemu_plugin_insn_data(insn, bytes, sizeof(bytes)), size);
    say("two bytes", pc, qemu_plugin_insn_data(insn, first, sizeof(first)), 2);
    say("the same two", pc, memcmp(first, bytes, 2) != 0, 0);
    say("in memory", pc, memcmp(qemu_plugin_insn_haddr(insn), bytes, size) != 0, 0);
    say("no text", pc, text == NULL || *text == '\0', 0);
    *what = (Insn){ pc, 0 };
    if (size == 4) {
        memcpy(&what->code, bytes, 4);
    }
    qemu_plugin_register_vcpu_insn_exec_cb(insn, at_insn, QEMU_PLUGIN_CB_R_REGS, what);
    qemu_plugin_register_vcpu_mem_cb(insn, at_access, QEMU_PLUGIN_CB_R_REGS, QEMU_PLUGIN_MEM_RW, what);
}

static void on_block(qemu_plugin_id_t id, struct qemu_plugin_tb *tb)
{
    uint64_t next = qemu_plugin_tb_vaddr(tb);
    size_t n = qemu_plugin_tb_n_insns(tb);

    for (size_t i = 0; i < n; i++) {
        look_at_code(tb, i, next);
        next += qemu_plugin_insn_size(qemu_plugin_tb_get_insn(tb, i));
    }
    say("behind the last instruction", next, qemu_plugin_tb_get_insn(tb, n) != NULL, 0);
}

static void on_init(qemu_plugin_id_t id, unsigned vcpu)
{
    g_autoptr(GArray) all = qemu_plugin_get_registers();

    for (guint i = 0; i < all->len; i++) {
        const qemu_plugin_reg_descriptor *d = &g_array_index(all, qemu_plugin_reg_descriptor, i);

        if (strcmp(d->name, "pc") == 0) {
            pc_register = d->handle;
        }
        for (unsigned k = 0; k < 32; k++) {
            gpr[k] = strcmp(d->name, names[k]) == 0 ? d->handle : gpr[k];
        }
    }
    for (unsigned k = 0; k < 32; k++) {
        say("no register", k, gpr[k] == NULL, 0);
    }
}

static void at_exit(qemu_plugin_id_t id, void *data)
{
    g_autofree char *text = g_strdup_printf("looking: %u wrong\n", wrong);

    say("looked", 0, looked > 1000, true);
    qemu_plugin_outs(text);
}

QEMU_PLUGIN_EXPORT int qemu_plugin_install(qemu_plugin_id_t id, const qemu_info_t *info, int argc,
                                           char **argv)
{
    machine = info->system_emulation;
    qemu_plugin_register_vcpu_init_cb(id, on_init);
    qemu_plugin_register_vcpu_tb_trans_cb(id, on_block);
    qemu_plugin_register_atexit_cb(id, at_exit, NULL);
    return 0;
}
