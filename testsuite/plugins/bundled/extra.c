/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Uses ketch-plugin.h: IR of its own next to callbacks that count the same, stacks, filters.
 * Prints one line for each thing at the end.
 */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "plugins/ketch-plugin.h"

QEMU_PLUGIN_EXPORT int qemu_plugin_version = QEMU_PLUGIN_VERSION;

static qemu_plugin_u64 high_ir, high_call, sp_ir, called, instructions;
static const KetchOp *and_op, *ne_op, *zext_op;
static KetchFilter *filter;
static char stack[4096];

/* Accesses whose address has bit 3 set, counted without a branch. */
static void count_bit(KetchIr *ir, const KetchAccess *access, void *unused)
{
    KetchValue operands[] = { access->address, ketch_ir_const(ir, 64, 8) };
    KetchValue bit = ketch_ir_op(ir, and_op, 64, operands);
    KetchValue zero[] = { bit, ketch_ir_const(ir, 64, 0) };
    KetchValue set = ketch_ir_op(ir, ne_op, 64, zero);

    (void)unused;
    ketch_ir_add_word(ir, high_ir, ketch_ir_op(ir, zext_op, 64, &set));
}

static void count_bit_call(unsigned vcpu, qemu_plugin_meminfo_t info, uint64_t vaddr, void *unused)
{
    (void)info;
    (void)unused;
    qemu_plugin_u64_add(high_call, vcpu, vaddr >> 3 & 1);
}

static void sp_changed(unsigned vcpu, void *unused)
{
    (void)unused;
    qemu_plugin_u64_add(called, vcpu, 1);
}

/* A call at each instruction that has another sp than the one before it had. */
static void note_sp(KetchIr *ir, void *unused)
{
    KetchValue sp, operands[2];

    (void)unused;
    if (ketch_ir_register(ir, "sp", &sp)) {
        operands[0] = sp;
        operands[1] = ketch_ir_load_word(ir, sp_ir);
        ketch_ir_call_if(ir, ketch_ir_op(ir, ne_op, 64, operands), sp_changed,
                         QEMU_PLUGIN_CB_NO_REGS, NULL);
        ketch_ir_store_word(ir, sp_ir, sp);
    }
}

/* The names of the functions on the stack, the last time that innermost() was entered from handler(). */
static void show_stack(unsigned vcpu, void *unused)
{
    uint64_t pc[32];
    size_t n = ketch_plugin_backtrace(pc, 32);
    char text[sizeof(stack)] = "";

    (void)vcpu;
    (void)unused;
    for (size_t i = 0; i < n; i++) {
        KetchPlace place;
        bool known = ketch_plugin_place(i ? pc[i] - 1 : pc[i], &place) && place.symbol;

        strncat(text, known ? place.symbol : "?", 100);
        strcat(text, " ");
    }
    if (strstr(text, "handler")) {
        strcpy(stack, text);
    }
}

static void translated(qemu_plugin_id_t id, struct qemu_plugin_tb *tb)
{
    (void)id;
    for (size_t i = 0; i < qemu_plugin_tb_n_insns(tb); i++) {
        struct qemu_plugin_insn *insn = qemu_plugin_tb_get_insn(tb, i);
        const char *symbol = qemu_plugin_insn_symbol(insn);
        KetchPlace place;

        ketch_plugin_mem_ir(insn, QEMU_PLUGIN_MEM_RW, count_bit, NULL);
        qemu_plugin_register_vcpu_mem_cb(insn, count_bit_call, QEMU_PLUGIN_CB_NO_REGS,
                                         QEMU_PLUGIN_MEM_RW, NULL);
        if (ketch_plugin_filter_match(filter, qemu_plugin_insn_vaddr(insn))) {
            qemu_plugin_register_vcpu_insn_exec_inline_per_vcpu(insn, QEMU_PLUGIN_INLINE_ADD_U64,
                                                                instructions, 1);
            ketch_plugin_insn_ir(insn, note_sp, NULL);
        }
        if (symbol && strcmp(symbol, "innermost") == 0 &&
            ketch_plugin_place(qemu_plugin_insn_vaddr(insn), &place) &&
            place.start == qemu_plugin_insn_vaddr(insn)) {
            qemu_plugin_register_vcpu_insn_exec_cb(insn, show_stack, QEMU_PLUGIN_CB_R_REGS, NULL);
        }
    }
}

static void finish(qemu_plugin_id_t id, void *unused)
{
    (void)id;
    (void)unused;
    fprintf(stderr, "bit %" PRIu64 " %" PRIu64 "\n", qemu_plugin_u64_sum(high_ir),
            qemu_plugin_u64_sum(high_call));
    fprintf(stderr, "sp %" PRIu64 " of %" PRIu64 "\n", qemu_plugin_u64_sum(called),
            qemu_plugin_u64_sum(instructions));
    fprintf(stderr, "stack %s\n", stack);
}

static qemu_plugin_u64 word(void)
{
    return qemu_plugin_scoreboard_u64(qemu_plugin_scoreboard_new(sizeof(uint64_t)));
}

QEMU_PLUGIN_EXPORT int qemu_plugin_install(qemu_plugin_id_t id, const qemu_info_t *info, int argc,
                                           char **argv)
{
    char *error;

    (void)info;
    (void)argc;
    (void)argv;
    high_ir = word();
    high_call = word();
    sp_ir = word();
    called = word();
    instructions = word();
    and_op = ketch_plugin_op("and");
    ne_op = ketch_plugin_op("ne");
    zext_op = ketch_plugin_op("zext");
    filter = ketch_plugin_filter_new("symbol=middle", &error);
    if (ketch_plugin_op("store") || ketch_plugin_op("no such") || !and_op || !ne_op || !zext_op ||
        !filter || ketch_plugin_filter_new("symbol=", &error)) {
        fprintf(stderr, "the interface is not as it says\n");
        return 1;
    }
    qemu_plugin_register_vcpu_tb_trans_cb(id, translated);
    qemu_plugin_register_atexit_cb(id, finish, NULL);
    return 0;
}
