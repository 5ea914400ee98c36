/* SPDX-License-Identifier: Apache-2.0 */
/*
 * ir/parse.c - reads the text form.
 *
 * Values keep the numbers that the text gives them, so that printing gives the text back.
 */
#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#include "ir/guest.h"
#include "ir/ir.h"
#include "ir/simplify.h"
#include "ir/text.h"

enum { MAX_VALUE = 1 << 20, MAX_BLOCKS = 1 << 16, MAX_EDGE_ARGS = 512 };

typedef struct Parser {
    const char *p;
    unsigned line;
    IrFunc *f;
    IrBlockId block, n_blocks;
    const char *error;
} Parser;

static bool fail(Parser *s, const char *what)
{
    if (!s->error) {
        int n = (int)strcspn(s->p, " \t\n,");

        s->error = arena_printf(s->f->arena, "line %u: %s at '%.*s'", s->line, what,
                                n < 40 ? n : 40, s->p);
    }
    return false;
}

/* To the next character that counts on this line. */
static void skip_blanks(Parser *s)
{
    while (*s->p == ' ' || *s->p == '\t') {
        s->p++;
    }
    if (*s->p == '#') {
        s->p += strcspn(s->p, "\n");
    }
}

/* To the next line that has something on it. */
static void skip_lines(Parser *s)
{
    for (skip_blanks(s); *s->p == '\n' || *s->p == '\r'; skip_blanks(s)) {
        s->line += *s->p == '\n';
        s->p++;
    }
}

static bool accept(Parser *s, const char *text)
{
    size_t n = strlen(text);

    skip_blanks(s);
    if (strncmp(s->p, text, n) != 0 || (isalnum((unsigned char)text[n - 1]) &&
                                        (isalnum((unsigned char)s->p[n]) || s->p[n] == '_'))) {
        return false;
    }
    s->p += n;
    return true;
}

static bool expect(Parser *s, const char *text)
{
    return accept(s, text) || fail(s, arena_printf(s->f->arena, "'%s' expected", text));
}

static bool number(Parser *s, uint64_t *value)
{
    bool negative = (skip_blanks(s), *s->p == '-');
    const char *start = s->p + negative;
    char *end;

    if (!isdigit((unsigned char)*start)) {
        return fail(s, "number expected");
    }
    *value = strtoull(start, &end, start[0] == '0' && start[1] == 'x' ? 16 : 10);
    *value = negative ? -*value : *value;
    s->p = end;
    return true;
}

/* A name of letters, digits and '_'; its length. */
static size_t word(Parser *s)
{
    size_t n = 0;

    skip_blanks(s);
    while (isalnum((unsigned char)s->p[n]) || s->p[n] == '_') {
        n++;
    }
    return n;
}

static bool is_word(const Parser *s, size_t n, const char *name)
{
    return name && strlen(name) == n && strncmp(s->p, name, n) == 0;
}

static bool reference(Parser *s, IrRef *ref)
{
    uint64_t n;

    if (!expect(s, "%") || !number(s, &n)) {
        return false;
    }
    if (n == 0 || n >= s->f->n_insns) {
        return fail(s, "there is no such value");
    }
    *ref = (IrRef)n;
    return true;
}

static bool parse_type(Parser *s, uint8_t *type)
{
    size_t n = word(s);

    for (unsigned t = IR_I1; t < IR_TYPE_COUNT; t++) {
        if (is_word(s, n, ir_type_info[t].name)) {
            *type = (uint8_t)t;
            s->p += n;
            return true;
        }
    }
    return fail(s, "type expected");
}

static bool parse_op(Parser *s, uint8_t *op)
{
    size_t n = word(s);

    for (unsigned k = IR_OP_none + 1; k < IR_OP_COUNT; k++) {
        if (is_word(s, n, ir_op_info[k].name)) {
            *op = (uint8_t)k;
            s->p += n;
            return true;
        }
    }
    return fail(s, "unknown op");
}

/* What follows one '.' of an op. */
static bool parse_aux(Parser *s, IrInsn *i, IrTextAux aux)
{
    IrTextNames names = ir_text_names(aux);
    size_t n = word(s);

    for (unsigned k = 0; k < names.n; k++) {
        if (is_word(s, n, names.name[k])) {
            i->aux = (uint8_t)(names.is_mask ? i->aux | 1u << k : k);
            s->p += n;
            return true;
        }
    }
    return fail(s, "unknown suffix");
}

static bool parse_slot(Parser *s, int64_t *imm)
{
    const IrGuest *guest = s->f->guest;
    size_t n = word(s);

    for (unsigned k = 0; k < guest->n_slots; k++) {
        if (is_word(s, n, guest->slots[k].name)) {
            *imm = k;
            s->p += n;
            return true;
        }
    }
    return fail(s, "no register of the guest");
}

static bool parse_helper(Parser *s, int64_t *imm)
{
    const IrGuest *guest = s->f->guest;
    size_t n = word(s);

    for (unsigned k = 0; k < guest->n_helpers; k++) {
        if (is_word(s, n, guest->helpers[k].name)) {
            *imm = k;
            s->p += n;
            return true;
        }
    }
    return fail(s, "no helper of the guest");
}

static bool parse_imm(Parser *s, IrInsn *i, IrTextImm imm)
{
    uint64_t value;

    if (imm == IR_IMM_SLOT) {
        return parse_slot(s, &i->imm);
    }
    if (imm == IR_IMM_HELPER) {
        return parse_helper(s, &i->imm);
    }
    if (!number(s, &value)) {
        return false;
    }
    i->imm = i->op == IR_OP_const ? ir_const_imm(i->type, value) : (int64_t)value;
    return true;
}

static bool parse_edge(Parser *s)
{
    IrRef args[MAX_EDGE_ARGS];
    uint32_t n = 0, edge;
    uint64_t to;

    if (!number(s, &to)) {
        return false;
    }
    if (to >= s->n_blocks) {
        return fail(s, "there is no such block");
    }
    edge = ir_edge_new(s->f, (IrBlockId)to);
    if (accept(s, "(")) {
        do {
            if (n == MAX_EDGE_ARGS) {
                return fail(s, "too many arguments");
            }
            if (!reference(s, &args[n++])) {
                return false;
            }
        } while (accept(s, ","));
        if (!expect(s, ")")) {
            return false;
        }
        ir_edge_set_args(s->f, &s->f->edge[edge], args, n);
    }
    return true;
}

static bool parse_operands(Parser *s, IrInsn *i, IrTextImm imm, unsigned items)
{
    bool edges = imm == IR_IMM_EDGE || imm == IR_IMM_EDGES;
    bool after = imm == IR_IMM_DISP || imm == IR_IMM_ARG;
    unsigned most = edges ? ir_op_info[i->op].n_args : 3;

    for (unsigned k = 0; k < most; k++) {
        skip_blanks(s);
        if (items++ ? !accept(s, ",") : *s->p != '%') {
            break;
        }
        if (!reference(s, &i->arg[k])) {
            return false;
        }
        if (k == 0 && after && (!expect(s, ",") || !parse_imm(s, i, imm))) {
            return false;
        }
    }
    return true;
}

static bool parse_items(Parser *s, IrInsn *i, IrTextImm imm)
{
    bool edges = imm == IR_IMM_EDGE || imm == IR_IMM_EDGES;
    bool first = imm != IR_IMM_NONE && imm != IR_IMM_DISP && imm != IR_IMM_ARG && !edges;

    if ((first && !parse_imm(s, i, imm)) || !parse_operands(s, i, imm, first)) {
        return false;
    }
    if (edges) {
        i->imm = s->f->n_edges;
    }
    for (unsigned k = 0; edges && k < (imm == IR_IMM_EDGES ? 2 : 1); k++) {
        if ((i->arg[0] || k > 0) && !expect(s, ",")) {
            return false;
        }
        if (!parse_edge(s)) {
            return false;
        }
    }
    return true;
}

/* Puts `i` at the end of the current block, as value `ref` unless that is 0. */
static bool place(Parser *s, IrRef ref, const IrInsn *i)
{
    IrFunc *f = s->f;
    IrBlock *b = &f->block[s->block];
    IrRef before = b->last, at;

    if (ref && f->insn[ref].op != IR_OP_none) {
        return fail(s, "value is defined twice");
    }
    at = ir_append(f, s->block, *i);
    if (ref) {
        f->insn[ref] = f->insn[at];
        f->insn[at] = (IrInsn){ .op = IR_OP_none };
        f->n_insns--;
        *(before ? &f->insn[before].next : &b->first) = ref;
        b->last = ref;
    }
    b->n_params += i->op == IR_OP_param;
    return true;
}

static bool parse_insn(Parser *s)
{
    IrInsn i = { .op = IR_OP_none };
    IrRef ref = 0;
    IrTextForm form;
    uint64_t length = 0;

    skip_blanks(s);
    if (*s->p == '%' &&
        (!reference(s, &ref) || !expect(s, ":") || !parse_type(s, &i.type) || !expect(s, "="))) {
        return false;
    }
    if (!parse_op(s, &i.op)) {
        return false;
    }
    if (ref && ir_op_info[i.op].result == IR_VOID) {
        return fail(s, "the op has no value");
    }
    form = ir_text_form(i.op);
    while (*s->p == '.') {
        s->p++;
        if (!parse_aux(s, &i, form.aux)) {
            return false;
        }
    }
    if (!parse_items(s, &i, form.imm)) {
        return false;
    }
    if (form.aux == IR_AUX_LENGTH) {
        if (!number(s, &length)) {
            return false;
        }
        i.aux = (uint8_t)length;
    }
    return place(s, ref, &i);
}

static bool end_of_line(Parser *s)
{
    skip_blanks(s);
    if (*s->p && *s->p != '\n' && *s->p != '\r') {
        return fail(s, "end of line expected");
    }
    skip_lines(s);
    return true;
}

static bool parse_block(Parser *s)
{
    uint64_t id, pc, depth = 0;

    if (!expect(s, "block") || !number(s, &id) || !number(s, &pc)) {
        return false;
    }
    if (id != s->block) {
        return fail(s, "blocks must be numbered in order");
    }
    if (accept(s, "depth") && !number(s, &depth)) {
        return false;
    }
    s->f->block[id].pc = pc;
    s->f->block[id].depth = (uint32_t)depth;
    if (!expect(s, "{") || !end_of_line(s)) {
        return false;
    }
    while (!accept(s, "}")) {
        if (!*s->p) {
            return fail(s, "'}' expected");
        }
        if (!parse_insn(s) || !end_of_line(s)) {
            return false;
        }
    }
    return end_of_line(s);
}

static bool parse_head(Parser *s, const IrGuest *guest)
{
    uint64_t mode = 0;

    skip_lines(s);
    if (!expect(s, "func")) {
        return false;
    }
    if (!is_word(s, word(s), guest->name)) {
        return fail(s, "another guest");
    }
    s->p += strlen(guest->name);
    if (!number(s, &s->f->pc) || (accept(s, "mode") && !number(s, &mode))) {
        return false;
    }
    s->f->mode = (uint32_t)mode;
    return end_of_line(s);
}

/* The blocks and value numbers that the text uses, so that forward references have a place. */
static bool reserve(Parser *s, const char *text)
{
    IrRef top = 0;

    for (const char *p = text; *p; p++) {
        if (*p == '#') {
            p += strcspn(p, "\n");
        } else if (*p == '%' && isdigit((unsigned char)p[1])) {
            unsigned long n = strtoul(p + 1, NULL, 10);

            if (n >= MAX_VALUE) {
                return fail(s, "value numbers must be below 2^20");
            }
            top = (IrRef)n > top ? (IrRef)n : top;
        } else if (strncmp(p, "block ", 6) == 0 && s->n_blocks < MAX_BLOCKS) {
            s->n_blocks++;
        }
        if (!*p) {
            break;
        }
    }
    s->f->insn = ARENA_NEW(s->f->arena, IrInsn, top + 1);
    s->f->n_insns = top + 1;
    s->f->cap_insns = top + 1;
    for (IrBlockId id = 0; id < s->n_blocks; id++) {
        ir_block_new(s->f, 0);
    }
    return true;
}

/* Stores have the type of their value, which may be defined further down. */
static void set_store_types(IrFunc *f)
{
    for (IrRef ref = 1; ref < f->n_insns; ref++) {
        IrInsn *i = &f->insn[ref];

        if (i->op == IR_OP_store || i->op == IR_OP_ststate) {
            i->type = f->insn[i->arg[i->op == IR_OP_store]].type;
        }
    }
}

IrFunc *ir_parse(const char *text, const IrGuest *guest, Arena *arena, const char **error)
{
    Parser s = { .p = text, .line = 1, .f = ir_func_new(arena, guest, 0) };
    bool ok = reserve(&s, text) && parse_head(&s, guest);

    for (; ok && *s.p; s.block++) {
        ok = s.block < s.n_blocks ? parse_block(&s) : fail(&s, "'block' expected");
    }
    if (ok && s.block == 0) {
        ok = fail(&s, "'block' expected");
    }
    if (!ok) {
        *error = s.error;
        return NULL;
    }
    set_store_types(s.f);
    return s.f;
}
