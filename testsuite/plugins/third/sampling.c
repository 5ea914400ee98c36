/* SPDX-License-Identifier: Apache-2.0 */
/*
 * As someone would write it who samples: a counter of each vcpu that a conditional callback sets back, other
 * conditions on it, and everything counted a second time by callbacks.  All in one struct of a scoreboard.
 * Says at the end what does not add up.
 *
 * With symbol=NAME only that function is instrumented.
 */
#include <stdio.h>
#include <string.h>

#include "qemu-plugin.h"

QEMU_PLUGIN_EXPORT int qemu_plugin_version = QEMU_PLUGIN_VERSION;

enum { PERIOD = 1000, HALF = 400 };

typedef struct Counts {
    _Alignas(16) uint64_t insns; /* by inline operations, with the next line */
    uint64_t since, pc, loads, stores, accesses;
    uint64_t samples;
    uint64_t equal, unequal, less, at_most, more; /* calls by condition */
    uint64_t always, never;
    uint64_t called, read, written; /* by callbacks */
    uint64_t wrong_pc;
} Counts;

static struct qemu_plugin_scoreboard *board;
static const char *symbol;

#define WORD(member) qemu_plugin_scoreboard_u64_in_struct(board, Counts, member)

static Counts *of(unsigned vcpu)
{
    return qemu_plugin_scoreboard_find(board, vcpu);
}

static void count(unsigned vcpu, void *member)
{
    ++*(uint64_t *)(void *)((char *)of(vcpu) + (uintptr_t)member);
}

#define MEMBER(member) ((void *)offsetof(Counts, member))

static void sample(unsigned vcpu, void *data)
{
    of(vcpu)->samples++;
    qemu_plugin_u64_set(WORD(since), vcpu, 0);
}

static void at_insn(unsigned vcpu, void *pc)
{
    of(vcpu)->called++;
    of(vcpu)->wrong_pc += qemu_plugin_u64_get(WORD(pc), vcpu) != (uintptr_t)pc;
}

static void at_access(unsigned vcpu, qemu_plugin_meminfo_t info, uint64_t vaddr, void *data)
{
    if (qemu_plugin_mem_is_store(info)) {
        of(vcpu)->written++;
    } else {
        of(vcpu)->read++;
    }
}

static void when(struct qemu_plugin_insn *insn, enum qemu_plugin_cond cond, uint64_t imm, void *member)
{
    qemu_plugin_register_vcpu_insn_exec_cond_cb(insn, count, QEMU_PLUGIN_CB_NO_REGS, cond, WORD(since), imm,
                                                member);
}

static void instrument(struct qemu_plugin_insn *insn)
{
    uint64_t pc = qemu_plugin_insn_vaddr(insn);

    qemu_plugin_register_vcpu_insn_exec_inline_per_vcpu(insn, QEMU_PLUGIN_INLINE_STORE_U64, WORD(pc), pc);
    qemu_plugin_register_vcpu_insn_exec_cb(insn, at_insn, QEMU_PLUGIN_CB_NO_REGS, (void *)(uintptr_t)pc);
    qemu_plugin_register_vcpu_insn_exec_inline_per_vcpu(insn, QEMU_PLUGIN_INLINE_ADD_U64, WORD(insns), 1);
    qemu_plugin_register_vcpu_insn_exec_inline_per_vcpu(insn, QEMU_PLUGIN_INLINE_ADD_U64, WORD(since), 1);
    when(insn, QEMU_PLUGIN_COND_EQ, HALF, MEMBER(equal));
    when(insn, QEMU_PLUGIN_COND_NE, HALF, MEMBER(unequal));
    when(insn, QEMU_PLUGIN_COND_LT, HALF, MEMBER(less));
    when(insn, QEMU_PLUGIN_COND_LE, HALF, MEMBER(at_most));
    when(insn, QEMU_PLUGIN_COND_GT, HALF, MEMBER(more));
    when(insn, QEMU_PLUGIN_COND_ALWAYS, HALF, MEMBER(always));
    when(insn, QEMU_PLUGIN_COND_NEVER, HALF, MEMBER(never));
    qemu_plugin_register_vcpu_insn_exec_cond_cb(insn, sample, QEMU_PLUGIN_CB_NO_REGS, QEMU_PLUGIN_COND_GE,
                                                WORD(since), PERIOD, NULL);
    qemu_plugin_register_vcpu_mem_inline_per_vcpu(insn, QEMU_PLUGIN_MEM_R, QEMU_PLUGIN_INLINE_ADD_U64,
                                                  WORD(loads), 1);
    qemu_plugin_register_vcpu_mem_inline_per_vcpu(insn, QEMU_PLUGIN_MEM_W, QEMU_PLUGIN_INLINE_ADD_U64,
                                                  WORD(stores), 1);
    qemu_plugin_register_vcpu_mem_inline_per_vcpu(insn, QEMU_PLUGIN_MEM_RW, QEMU_PLUGIN_INLINE_ADD_U64,
                                                  WORD(accesses), 1);
    qemu_plugin_register_vcpu_mem_cb(insn, at_access, QEMU_PLUGIN_CB_NO_REGS, QEMU_PLUGIN_MEM_RW, NULL);
}

static void on_block(qemu_plugin_id_t id, struct qemu_plugin_tb *tb)
{
    for (size_t i = 0; i < qemu_plugin_tb_n_insns(tb); i++) {
        struct qemu_plugin_insn *insn = qemu_plugin_tb_get_insn(tb, i);
        const char *name = qemu_plugin_insn_symbol(insn);

        if (!symbol || (name && strcmp(name, symbol) == 0)) {
            instrument(insn);
        }
    }
}

static void same(GString *text, unsigned vcpu, const char *what, uint64_t got, uint64_t want)
{
    if (got != want) {
        g_string_append_printf(text, "vcpu %u: %s: %" PRIu64 " instead of %" PRIu64 "\n", vcpu, what, got, want);
    }
}

static void check(GString *text, unsigned vcpu)
{
    const Counts *c = of(vcpu);
    uint64_t n = c->insns, whole = n / PERIOD, rest = n % PERIOD;

    same(text, vcpu, "alignment", (uintptr_t)c % _Alignof(Counts), 0);
    same(text, vcpu, "calls", c->called, n);
    same(text, vcpu, "always", c->always, n);
    same(text, vcpu, "never", c->never, 0);
    same(text, vcpu, "other pc", c->wrong_pc, 0);
    same(text, vcpu, "samples", c->samples, whole);
    same(text, vcpu, "since", c->since, rest);
    same(text, vcpu, "equal", c->equal, whole + (rest >= HALF));
    same(text, vcpu, "unequal", c->unequal, n - c->equal);
    same(text, vcpu, "less", c->less, whole * (HALF - 1) + MIN(rest, HALF - 1));
    same(text, vcpu, "at most", c->at_most, c->less + c->equal);
    same(text, vcpu, "more", c->more, n - c->at_most);
    same(text, vcpu, "loads", c->loads, c->read);
    same(text, vcpu, "stores", c->stores, c->written);
    same(text, vcpu, "accesses", c->accesses, c->read + c->written);
}

static void at_exit(qemu_plugin_id_t id, void *data)
{
    g_autoptr(GString) text = g_string_new(NULL);

    for (int i = 0; i < qemu_plugin_num_vcpus(); i++) {
        check(text, (unsigned)i);
    }
    g_string_append_printf(text, "sampling: %" PRIu64 " instructions, %" PRIu64 " accesses\n",
                           qemu_plugin_u64_sum(WORD(insns)), qemu_plugin_u64_sum(WORD(accesses)));
    qemu_plugin_outs(text->str);
    qemu_plugin_scoreboard_free(board);
}

QEMU_PLUGIN_EXPORT int qemu_plugin_install(qemu_plugin_id_t id, const qemu_info_t *info, int argc,
                                           char **argv)
{
    for (int i = 0; i < argc; i++) {
        g_auto(GStrv) words = g_strsplit(argv[i], "=", 2);

        if (g_strcmp0(words[0], "symbol") != 0) {
            fprintf(stderr, "sampling: unknown option %s\n", argv[i]);
            return -1;
        }
        symbol = argv[i] + strlen("symbol=");
    }
    qemu_plugin_scoreboard_free(qemu_plugin_scoreboard_new(40)); /* which has no such alignment */
    board = qemu_plugin_scoreboard_new(sizeof(Counts));
    qemu_plugin_register_vcpu_tb_trans_cb(id, on_block);
    qemu_plugin_register_atexit_cb(id, at_exit, NULL);
    return 0;
}
