/* SPDX-License-Identifier: Apache-2.0 */
/* ketch-plugin.h: what the guest is made of, instrumentation in IR, streams. */
#include "plugins/ketch-plugin.h"

#include <string.h>

#include "plugins/plugin.h"
#include "plugins/stream.h"
#include "plugins/stream_file.h"

/* Of one block: 512 instructions with two accesses each, of which each has a number and a value. */
_Static_assert(STREAM_ROOM > 512 * 2 * 2 * sizeof(uint64_t), "a block's records fit, and one word");

/* ---- Questions ---- */

KetchInsnKind ketch_plugin_insn_kind(const struct qemu_plugin_insn *insn)
{
    static const KetchInsnKind kinds[] = {
        [FE_PLAIN] = KETCH_INSN_PLAIN,       [FE_BRANCH] = KETCH_INSN_BRANCH,
        [FE_JUMP] = KETCH_INSN_JUMP,         [FE_CALL] = KETCH_INSN_CALL,
        [FE_INDIRECT] = KETCH_INSN_INDIRECT, [FE_ICALL] = KETCH_INSN_ICALL,
        [FE_RETURN] = KETCH_INSN_RETURN,     [FE_STOP] = KETCH_INSN_STOP,
    };
    const TrInsn *i = (const TrInsn *)insn;

    return kinds[plugin_target->guest->shape(i->pc, tr_insn_bytes(i), i->size).kind];
}

bool ketch_plugin_place(uint64_t vaddr, KetchPlace *place)
{
    PluginPlace p;

    if (!plugin_target->place(vaddr, &p)) {
        return false;
    }
    *place = (KetchPlace){ .file = p.file, .bias = p.bias, .symbol = p.symbol, .start = p.start,
                           .size = p.size };
    return true;
}

const char *ketch_plugin_syscall_name(int64_t number)
{
    return plugin_target->syscall_name ? plugin_target->syscall_name(number) : NULL;
}

size_t ketch_plugin_backtrace(uint64_t *pc, size_t max)
{
    const Vcpu *vcpu = plugin_target->self();

    return vcpu && plugin_target->unwind && tr_registers_readable() ? plugin_target->unwind(vcpu, pc, max)
                                                                    : 0;
}

/* ---- Instrumentation in IR ---- */

/* The userdata of an action: the plugin's function and its own userdata. */
typedef struct Client {
    KetchIrFn fn;
    KetchAccessIrFn access_fn;
    void *userdata;
} Client;

static TrEmit *emit_of(KetchIr *ir)
{
    return (TrEmit *)ir;
}

static KetchValue value(IrRef ref)
{
    return (KetchValue){ ref };
}

static void emit(TrEmit *e, const TrEmitAccess *access, void *data)
{
    const Client *c = data;

    if (access) {
        KetchAccess a = { .is_store = access->bits & TR_ACCESS_STORE,
                          .size_shift = access->bits & TR_ACCESS_SIZE, .pc = access->pc,
                          .address = value(access->address), .value = value(access->value) };

        c->access_fn((KetchIr *)e, &a, c->userdata);
    } else {
        c->fn((KetchIr *)e, c->userdata);
    }
}

static TrAction ir_action(Client client)
{
    return (TrAction){ .what = TR_IR, .emit = emit, .data = g_memdup2(&client, sizeof(client)),
                       .owner = plugin_running.plugin };
}

void ketch_plugin_tb_ir(struct qemu_plugin_tb *tb, KetchIrFn fn, void *userdata)
{
    TrAction a = ir_action((Client){ .fn = fn, .userdata = userdata });

    tr_do_at_block((TrBlock *)tb, &a);
}

void ketch_plugin_insn_ir(struct qemu_plugin_insn *insn, KetchIrFn fn, void *userdata)
{
    TrAction a = ir_action((Client){ .fn = fn, .userdata = userdata });

    tr_do_at_insn((TrInsn *)insn, &a);
}

void ketch_plugin_mem_ir(struct qemu_plugin_insn *insn, enum qemu_plugin_mem_rw rw,
                         KetchAccessIrFn fn, void *userdata)
{
    TrAction a = ir_action((Client){ .access_fn = fn, .userdata = userdata });

    a.mask = plugin_access_mask(rw);
    tr_do_at_accesses((TrInsn *)insn, &a);
}

/* ---- Operations ---- */

struct KetchOp {
    IrOp op;
};

const KetchOp *ketch_plugin_op(const char *name)
{
    static const KetchOp ops[IR_OP_COUNT] = {
#define OP(name, ...) [IR_OP_##name] = { IR_OP_##name },
#include "ir/ops.def"
    };

    for (unsigned op = 0; op < IR_OP_COUNT; op++) {
        const IrOpInfo *info = &ir_op_info[op];

        if (strcmp(info->name, name) == 0) {
            return info->effects & IR_PURE && info->n_args && !(info->effects & IR_FP) ? &ops[op]
                                                                                       : NULL;
        }
    }
    return NULL;
}

static IrType type_of_bits(unsigned bits)
{
    return bits == 1 ? IR_I1 : bits == 8 ? IR_I8 : bits == 16 ? IR_I16 : bits == 32 ? IR_I32 : IR_I64;
}

KetchValue ketch_ir_const(KetchIr *ir, unsigned bits, uint64_t v)
{
    IrType type = type_of_bits(bits);

    return value(tr_emit(emit_of(ir), (IrInsn){ .op = IR_OP_const, .type = (uint8_t)type,
                                                .imm = (int64_t)v }));
}

KetchValue ketch_ir_op(KetchIr *ir, const KetchOp *op, unsigned bits, const KetchValue *operands)
{
    const IrOpInfo *info = &ir_op_info[op->op];
    IrInsn i = { .op = (uint8_t)op->op,
                 .type = (uint8_t)(info->result == IR_I1 ? IR_I1 : type_of_bits(bits)) };

    for (unsigned k = 0; k < info->n_args; k++) {
        i.arg[k] = operands[k].ref;
    }
    return value(tr_emit(emit_of(ir), i));
}

bool ketch_ir_register(KetchIr *ir, const char *name, KetchValue *v)
{
    const FeRegister *r = fe_register(plugin_target->guest, name);
    TrEmit *e = emit_of(ir);
    IrRef ref;

    if (!r || r->bits != 64 || !strcmp(r->type, "code_ptr") || !tr_emit_between_insns(e)) {
        return false;
    }
    ref = tr_emit_register(e, r->slot);
    if (ir_type_info[tr_emit_type(e, ref)].is_float) {
        ref = tr_emit(e, (IrInsn){ .op = IR_OP_bitcast, .type = IR_I64, .arg = { ref } });
    }
    *v = value(ref);
    return true;
}

/* ---- Words ---- */

static int64_t word_offset(qemu_plugin_u64 word)
{
    return plugin_word(word);
}

KetchValue ketch_ir_load_word(KetchIr *ir, qemu_plugin_u64 word)
{
    return value(tr_emit(emit_of(ir), (IrInsn){ .op = IR_OP_ldstate, .type = IR_I64,
                                                .imm = word_offset(word) }));
}

void ketch_ir_store_word(KetchIr *ir, qemu_plugin_u64 word, KetchValue v)
{
    tr_emit(emit_of(ir), (IrInsn){ .op = IR_OP_ststate, .type = IR_I64, .imm = word_offset(word),
                                   .arg = { v.ref } });
}

void ketch_ir_add_word(KetchIr *ir, qemu_plugin_u64 word, KetchValue v)
{
    tr_emit(emit_of(ir),
            (IrInsn){ .op = IR_OP_addstate, .imm = word_offset(word), .arg = { v.ref } });
}

bool ketch_ir_call_if(KetchIr *ir, KetchValue condition, qemu_plugin_vcpu_udata_cb_t cb,
                      enum qemu_plugin_cb_flags flags, void *userdata)
{
    TrAction a = plugin_call(cb, flags, userdata);

    if (!tr_emit_between_insns(emit_of(ir))) {
        return false;
    }
    tr_emit_call_if(emit_of(ir), condition.ref, &a);
    return true;
}

/* ---- Streams ---- */

/* A value of the run that is being made, and what it is made from: see tr_emit_root(). */
typedef struct Root {
    IrRef root;
    int64_t more;
    uint32_t number;
} Root;

enum { ROOTS = 16, NO_NUMBER = UINT32_MAX };

struct KetchStream {
    Stream *stream;
    void *plugin;     /* that made it */
    uint32_t n_sites; /* each translation of a block has its own: the numbers of a run are in a row */
    /* In the code being translated: */
    uint32_t next; /* the number that needs no word in front of its value */
    bool has_room; /* an empty buffer has been asked for in this block */
    unsigned n_roots;
    Root root[ROOTS];
};

static char *take_message(GError *error)
{
    char *message = g_strdup(error->message);

    g_error_free(error);
    return message;
}

KetchStream *ketch_plugin_stream_new(const char *path, const char *kind, char **error)
{
    GError *e = NULL;
    Stream *stream = stream_new(path, kind, &e);
    KetchStream *s;

    if (!stream) {
        *error = take_message(e);
        return NULL;
    }
    s = g_new0(KetchStream, 1);
    s->stream = stream;
    s->plugin = plugin_running.plugin;
    return s;
}

static uint64_t exchange(unsigned vcpu, uint64_t position, void *stream)
{
    return stream_exchange(stream, vcpu, position);
}

static void begin_block(KetchIr *ir, void *stream)
{
    KetchStream *s = stream;

    (void)ir;
    s->next = NO_NUMBER;
    s->has_room = false;
}

void ketch_plugin_tb_stream(struct qemu_plugin_tb *tb, KetchStream *s)
{
    ketch_plugin_tb_ir(tb, begin_block, s);
}

static KetchValue position_with_room(KetchIr *ir, KetchStream *s)
{
    KetchValue position = ketch_ir_load_word(ir, stream_position(s->stream));

    if (s->has_room) {
        return position;
    }
    s->has_room = true;
    return value(tr_emit_refill(emit_of(ir), position.ref, STREAM_HAS_ROOM, exchange, s->stream, s->plugin));
}

static void append_word(KetchIr *ir, KetchStream *s, KetchValue word)
{
    KetchValue sum[] = { position_with_room(ir, s), ketch_ir_const(ir, 64, sizeof(uint64_t)) };

    tr_emit(emit_of(ir), (IrInsn){ .op = IR_OP_sthost, .arg = { sum[0].ref, word.ref } });
    ketch_ir_store_word(ir, stream_position(s->stream),
                        ketch_ir_op(ir, &(KetchOp){ IR_OP_add }, 64, sum));
}

/* Of a machine's addresses the two highest bits are the same: one of them tells numbers from values. */
static KetchValue without_sign(KetchIr *ir, KetchValue v)
{
    KetchValue up[] = { v, ketch_ir_const(ir, 64, 1) };
    KetchValue down[] = { ketch_ir_op(ir, &(KetchOp){ IR_OP_shl }, 64, up), up[1] };

    return ketch_ir_op(ir, &(KetchOp){ IR_OP_shr }, 64, down);
}

static void begin_run(KetchIr *ir, KetchStream *s)
{
    append_word(ir, s, ketch_ir_const(ir, 64, ~(uint64_t)s->n_sites));
    s->next = s->n_sites;
    s->n_roots = 0;
}

/* Makes the value of the next number of the run from another one of it, or of nothing, when it can be. */
static bool derive(KetchIr *ir, KetchStream *s, Root value, StreamSite *site)
{
    if (!value.root) {
        site->back = s->next == NO_NUMBER ? STREAM_FIRST : STREAM_CONSTANT;
        site->offset = value.more;
        if (s->next == NO_NUMBER) {
            begin_run(ir, s);
        }
        return true;
    }
    for (unsigned k = 0; s->next != NO_NUMBER && k < s->n_roots; k++) {
        const Root *r = &s->root[k];

        if (r->root == value.root) {
            site->back = s->next - r->number;
            site->offset = (int64_t)((uint64_t)value.more - (uint64_t)r->more);
            return true;
        }
    }
    return false;
}

static void append_value(KetchIr *ir, KetchStream *s, KetchValue v, Root root)
{
    bool conditional = tr_emit_conditional(emit_of(ir));

    root.number = s->n_sites;
    if (s->next != root.number || conditional) {
        begin_run(ir, s);
    }
    append_word(ir, s, plugin_target->n_vcpus ? without_sign(ir, v) : v);
    if (s->n_roots < ROOTS) {
        s->root[s->n_roots++] = root;
    }
    s->next = conditional ? NO_NUMBER : root.number + 1;
    s->has_room &= !conditional;
}

void ketch_ir_append(KetchIr *ir, KetchStream *s, uint64_t pc, uint32_t what, KetchValue v)
{
    StreamSite site = { .pc = pc, .what = what };
    Root root = { 0 };

    if (tr_emit_alone(emit_of(ir))) {
        begin_block(ir, s);
    }
    root.root = tr_emit_root(emit_of(ir), v.ref, &root.more);
    if (!tr_emit_conditional(emit_of(ir)) && derive(ir, s, root, &site)) {
        s->next++;
    } else {
        append_value(ir, s, v, root);
    }
    stream_site(s->stream, &site);
    s->n_sites++;
}

bool ketch_plugin_stream_close(KetchStream *s, char **error)
{
    GError *e = NULL;

    if (stream_close(s->stream, &e)) {
        return true;
    }
    *error = take_message(e);
    return false;
}
