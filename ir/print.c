/* SPDX-License-Identifier: Apache-2.0 */
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "ir/guest.h"
#include "ir/ir.h"
#include "ir/text.h"

typedef struct Text {
    Arena *arena;
    char *text;
    size_t length, room;
} Text;

__attribute__((format(printf, 2, 3))) static void add(Text *t, const char *fmt, ...)
{
    char piece[160];
    va_list ap;
    size_t n;

    va_start(ap, fmt);
    vsnprintf(piece, sizeof(piece), fmt, ap);
    va_end(ap);
    n = strlen(piece);
    if (t->length + n + 1 > t->room) {
        char *old = t->text;

        t->room = 2 * t->room + n + 1;
        t->text = arena_alloc(t->arena, t->room);
        memcpy(t->text, old, t->length);
    }
    memcpy(t->text + t->length, piece, n + 1);
    t->length += n;
}

static void print_aux(Text *t, const IrInsn *i, IrTextAux aux)
{
    IrTextNames names = ir_text_names(aux);

    for (unsigned k = 0; k < names.n; k++) {
        if (names.name[k] && (names.is_mask ? i->aux >> k & 1 : i->aux == k)) {
            add(t, ".%s", names.name[k]);
        }
    }
}

static void print_number(Text *t, const IrInsn *i)
{
    bool bits = i->op == IR_OP_const && ir_type_info[i->type].is_float;
    bool plain = !bits && i->imm >= -4096 && i->imm <= 4096;

    add(t, plain ? "%" PRId64 : "0x%" PRIx64, i->imm);
}

static void print_imm(Text *t, const IrFunc *f, const IrInsn *i, IrTextImm imm)
{
    if (imm == IR_IMM_SLOT && (uint64_t)i->imm < f->guest->n_slots) {
        add(t, "%s", f->guest->slots[i->imm].name);
    } else if (imm == IR_IMM_HELPER && (uint64_t)i->imm < f->guest->n_helpers) {
        add(t, "%s", f->guest->helpers[i->imm].name);
    } else if (imm == IR_IMM_PC || imm == IR_IMM_ARG) {
        add(t, "0x%" PRIx64, (uint64_t)i->imm);
    } else {
        print_number(t, i);
    }
}

static void print_edge(Text *t, const IrFunc *f, const IrEdge *edge)
{
    add(t, "%u", edge->block);
    for (unsigned k = 0; k < edge->n_args; k++) {
        add(t, "%s%%%u", k ? ", " : "(", f->edge_args[edge->first_arg + k]);
    }
    if (edge->n_args) {
        add(t, ")");
    }
}

/* Separator before the next item. */
static const char *comma(unsigned *items)
{
    return (*items)++ ? ", " : " ";
}

static void print_items(Text *t, const IrFunc *f, const IrInsn *i, IrTextImm imm)
{
    bool after = imm == IR_IMM_DISP || imm == IR_IMM_ARG;
    bool edges = imm == IR_IMM_EDGE || imm == IR_IMM_EDGES;
    unsigned items = 0;

    if (imm != IR_IMM_NONE && !after && !edges) {
        add(t, "%s", comma(&items));
        print_imm(t, f, i, imm);
    }
    for (unsigned k = 0; k < 3 && i->arg[k]; k++) {
        add(t, "%s%%%u", comma(&items), i->arg[k]);
        if (k == 0 && after) {
            add(t, "%s", comma(&items));
            print_imm(t, f, i, imm);
        }
    }
    for (unsigned k = 0; edges && k < (imm == IR_IMM_EDGES ? 2 : 1); k++) {
        add(t, "%s", comma(&items));
        print_edge(t, f, ir_edge(f, i, k));
    }
}

static void print_insn(Text *t, const IrFunc *f, IrRef ref)
{
    const IrInsn *i = ir_insn(f, ref);
    IrTextForm form = ir_text_form(i->op);
    bool has_value = ir_op_info[i->op].result != IR_VOID && i->type != IR_VOID;

    add(t, "  ");
    if (has_value) {
        add(t, "%%%u:%s = ", ref, ir_type_info[i->type].name);
    }
    add(t, "%s", ir_op_info[i->op].name);
    print_aux(t, i, form.aux);
    print_items(t, f, i, form.imm);
    if (form.aux == IR_AUX_LENGTH) {
        add(t, " %u", i->aux);
    }
    add(t, "\n");
}

char *ir_print_insn(const IrFunc *f, IrRef ref, Arena *arena)
{
    Text t = { .arena = arena };

    print_insn(&t, f, ref);
    t.text[t.length - 1] = '\0';
    return t.text + 2;
}

char *ir_print(const IrFunc *f, Arena *arena)
{
    Text t = { .arena = arena };

    add(&t, "func %s 0x%" PRIx64, f->guest->name, f->pc);
    if (f->mode) {
        add(&t, " mode %u", f->mode);
    }
    add(&t, "\n");
    for (IrBlockId id = 0; id < f->n_blocks; id++) {
        add(&t, "block %u 0x%" PRIx64, id, f->block[id].pc);
        if (f->block[id].depth) {
            add(&t, " depth %u", f->block[id].depth);
        }
        add(&t, " {\n");
        IR_FOR_EACH (f, id, ref) {
            print_insn(&t, f, ref);
        }
        add(&t, "}\n");
    }
    return t.text;
}
