/* SPDX-License-Identifier: Apache-2.0 */
/* The registrations of the plugin interface: callbacks for events, and what happens in blocks. */
#include "plugins/plugin.h"

/* ---- Events ---- */

static void set_callback(qemu_plugin_id_t id, PluginEvent event, PluginFn *fn)
{
    Plugin *p = plugin_of(id);

    if (p) {
        atomic_store_explicit(&p->callback[event], fn, memory_order_release);
    }
}

#define REGISTER(event, type)                                                     \
    void qemu_plugin_register_##event##_cb(qemu_plugin_id_t id, qemu_plugin_##type##_cb_t cb) \
    {                                                                             \
        set_callback(id, PLUGIN_EV_##event, (PluginFn *)cb);                      \
    }

REGISTER(vcpu_init, vcpu_simple)
REGISTER(vcpu_exit, vcpu_simple)
REGISTER(vcpu_idle, vcpu_simple)
REGISTER(vcpu_resume, vcpu_simple)
REGISTER(vcpu_tb_trans, vcpu_tb_trans)
REGISTER(vcpu_syscall, vcpu_syscall)
REGISTER(vcpu_syscall_ret, vcpu_syscall_ret)
REGISTER(flush, simple)

void qemu_plugin_register_atexit_cb(qemu_plugin_id_t id, qemu_plugin_udata_cb_t cb, void *userdata)
{
    Plugin *p = plugin_of(id);

    if (p) {
        p->atexit_data = userdata;
        set_callback(id, PLUGIN_EV_atexit, (PluginFn *)cb);
    }
}

static void leave(qemu_plugin_id_t id, unsigned how, qemu_plugin_simple_cb_t after)
{
    Plugin *p = plugin_of(id);

    if (p && !atomic_load(&p->leave[how].wanted) && !atomic_load(&p->leave[PLUGIN_UNINSTALL].wanted)) {
        p->leave[how].after = after;
        atomic_store(&p->leave[how].wanted, true);
        tr_flush_soon();
    }
}

void qemu_plugin_uninstall(qemu_plugin_id_t id, qemu_plugin_simple_cb_t cb)
{
    leave(id, PLUGIN_UNINSTALL, cb);
}

void qemu_plugin_reset(qemu_plugin_id_t id, qemu_plugin_simple_cb_t cb)
{
    leave(id, PLUGIN_RESET, cb);
}

/* ---- What happens in blocks ---- */

static TrBlock *block_of(const struct qemu_plugin_tb *tb)
{
    return (TrBlock *)(uintptr_t)tb;
}

static TrInsn *insn_of(const struct qemu_plugin_insn *insn)
{
    return (TrInsn *)(uintptr_t)insn;
}

static TrRegs regs_of(enum qemu_plugin_cb_flags flags)
{
    return flags == QEMU_PLUGIN_CB_RW_REGS  ? TR_REGS_write
           : flags == QEMU_PLUGIN_CB_R_REGS ? TR_REGS_read
                                            : TR_REGS_none;
}

TrAction plugin_call(qemu_plugin_vcpu_udata_cb_t cb, enum qemu_plugin_cb_flags flags, void *data)
{
    return (TrAction){ .what = TR_CALL, .regs = regs_of(flags), .call = cb, .data = data,
                       .owner = plugin_running.plugin };
}

/* False when it is never to be called. */
static bool add_condition(TrAction *a, enum qemu_plugin_cond cond, qemu_plugin_u64 entry,
                          uint64_t imm)
{
    static const struct {
        IrOp op;
        bool not;
    } rows[] = {
        [QEMU_PLUGIN_COND_EQ] = { IR_OP_eq, false },  [QEMU_PLUGIN_COND_NE] = { IR_OP_eq, true },
        [QEMU_PLUGIN_COND_LT] = { IR_OP_ltu, false }, [QEMU_PLUGIN_COND_GE] = { IR_OP_ltu, true },
        [QEMU_PLUGIN_COND_LE] = { IR_OP_leu, false }, [QEMU_PLUGIN_COND_GT] = { IR_OP_leu, true },
    };

    if (cond <= QEMU_PLUGIN_COND_ALWAYS || cond > QEMU_PLUGIN_COND_GE) {
        return cond == QEMU_PLUGIN_COND_ALWAYS;
    }
    a->only_when = rows[cond].op;
    a->if_not = rows[cond].not;
    a->if_word.offset = plugin_word(entry);
    a->if_imm = imm;
    return true;
}

static TrAction inline_op(enum qemu_plugin_op op, TrWord word, uint64_t imm)
{
    return (TrAction){ .what = op == QEMU_PLUGIN_INLINE_STORE_U64 ? TR_STORE : TR_ADD,
                       .word = word, .imm = imm };
}

static TrWord per_vcpu(qemu_plugin_u64 entry)
{
    return (TrWord){ .offset = plugin_word(entry) };
}

uint32_t plugin_access_mask(enum qemu_plugin_mem_rw rw)
{
    return (rw & QEMU_PLUGIN_MEM_R ? TR_ACCESS_LOAD : 0) |
           (rw & QEMU_PLUGIN_MEM_W ? TR_ACCESS_STORE : 0);
}

static void do_at_tb(struct qemu_plugin_tb *tb, const TrAction *a)
{
    tr_do_at_block(block_of(tb), a);
}

static void do_at_insn(struct qemu_plugin_insn *insn, const TrAction *a)
{
    tr_do_at_insn(insn_of(insn), a);
}

/* What can be done when a block or an instruction is executed. */
#define REGISTER_EXEC(at)                                                                                \
    void qemu_plugin_register_vcpu_##at##_exec_cb(struct qemu_plugin_##at *at,                           \
                                                  qemu_plugin_vcpu_udata_cb_t cb,                        \
                                                  enum qemu_plugin_cb_flags flags, void *userdata)       \
    {                                                                                                    \
        TrAction a = plugin_call(cb, flags, userdata);                                                   \
                                                                                                         \
        do_at_##at(at, &a);                                                                              \
    }                                                                                                    \
                                                                                                         \
    void qemu_plugin_register_vcpu_##at##_exec_cond_cb(                                                  \
        struct qemu_plugin_##at *at, qemu_plugin_vcpu_udata_cb_t cb, enum qemu_plugin_cb_flags flags,    \
        enum qemu_plugin_cond cond, qemu_plugin_u64 entry, uint64_t imm, void *userdata)                 \
    {                                                                                                    \
        TrAction a = plugin_call(cb, flags, userdata);                                                   \
                                                                                                         \
        if (add_condition(&a, cond, entry, imm)) {                                                       \
            do_at_##at(at, &a);                                                                          \
        }                                                                                                \
    }                                                                                                    \
                                                                                                         \
    void qemu_plugin_register_vcpu_##at##_exec_inline_per_vcpu(                                          \
        struct qemu_plugin_##at *at, enum qemu_plugin_op op, qemu_plugin_u64 entry, uint64_t imm)        \
    {                                                                                                    \
        TrAction a = inline_op(op, per_vcpu(entry), imm);                                                \
                                                                                                         \
        do_at_##at(at, &a);                                                                              \
    }                                                                                                    \
                                                                                                         \
    void qemu_plugin_register_vcpu_##at##_exec_inline(struct qemu_plugin_##at *at,                       \
                                                      enum qemu_plugin_op op, void *ptr, uint64_t imm)   \
    {                                                                                                    \
        TrAction a = inline_op(op, (TrWord){ .host = ptr }, imm);                                        \
                                                                                                         \
        do_at_##at(at, &a);                                                                              \
    }

REGISTER_EXEC(tb)
REGISTER_EXEC(insn)

void qemu_plugin_register_vcpu_mem_cb(struct qemu_plugin_insn *insn, qemu_plugin_vcpu_mem_cb_t cb,
                                      enum qemu_plugin_cb_flags flags, enum qemu_plugin_mem_rw rw,
                                      void *userdata)
{
    TrAction a = { .what = TR_CALL, .regs = regs_of(flags), .access = cb, .data = userdata,
                   .mask = plugin_access_mask(rw), .owner = plugin_running.plugin };

    tr_do_at_accesses(insn_of(insn), &a);
}

static void at_accesses(struct qemu_plugin_insn *insn, enum qemu_plugin_mem_rw rw, TrAction a)
{
    a.mask = plugin_access_mask(rw);
    tr_do_at_accesses(insn_of(insn), &a);
}

void qemu_plugin_register_vcpu_mem_inline_per_vcpu(struct qemu_plugin_insn *insn,
                                                   enum qemu_plugin_mem_rw rw,
                                                   enum qemu_plugin_op op, qemu_plugin_u64 entry,
                                                   uint64_t imm)
{
    at_accesses(insn, rw, inline_op(op, per_vcpu(entry), imm));
}

void qemu_plugin_register_vcpu_mem_inline(struct qemu_plugin_insn *insn, enum qemu_plugin_mem_rw rw,
                                          enum qemu_plugin_op op, void *ptr, uint64_t imm)
{
    at_accesses(insn, rw, inline_op(op, (TrWord){ .host = ptr }, imm));
}

/* ---- Looking at blocks ---- */

size_t qemu_plugin_tb_n_insns(const struct qemu_plugin_tb *tb)
{
    return block_of(tb)->n_insns;
}

uint64_t qemu_plugin_tb_vaddr(const struct qemu_plugin_tb *tb)
{
    return block_of(tb)->pc;
}

struct qemu_plugin_insn *qemu_plugin_tb_get_insn(const struct qemu_plugin_tb *tb, size_t idx)
{
    TrBlock *b = block_of(tb);

    return idx < b->n_insns ? (struct qemu_plugin_insn *)&b->insn[idx] : NULL;
}

/* Up to version 2 it took one argument and returned a pointer; in the same registers. */
size_t qemu_plugin_insn_data(const struct qemu_plugin_insn *insn, void *dest, size_t len)
{
    const TrInsn *i = insn_of(insn);

    if (plugin_running.plugin && plugin_running.plugin->version < 3) {
        return (size_t)(uintptr_t)tr_insn_bytes(i);
    }
    len = len < i->size ? len : i->size;
    memcpy(dest, tr_insn_bytes(i), len);
    return len;
}

size_t qemu_plugin_insn_size(const struct qemu_plugin_insn *insn)
{
    return insn_of(insn)->size;
}

uint64_t qemu_plugin_insn_vaddr(const struct qemu_plugin_insn *insn)
{
    return insn_of(insn)->pc;
}

void *qemu_plugin_insn_haddr(const struct qemu_plugin_insn *insn)
{
    return (void *)(uintptr_t)tr_insn_host(insn_of(insn));
}
