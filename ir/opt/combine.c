/* SPDX-License-Identifier: Apache-2.0 */
/*
 * ir/opt/combine.c - neighbouring bytes that are loaded one by one and put together become one load.
 *
 * RV64 compilers read what may be misaligned so: eight loads, shifts and ors for one 64-bit number,
 * in either byte order.
 *
 * Preserved: the bytes and their order against all other accesses.  The combined load stands where
 * the first of them was; between that and the last there is nothing but pure ops, FP arithmetic and
 * loads of other bytes from the same base.  When it faults the state is that before the first one
 * (see opt.h); a single byte's value, where somebody else needs it, is cut out of the whole.
 * Terminates: each step has fewer loads.
 */
#include "ir/opt/opt.h"
#include "ir/opt/replace.h"

enum { PARTS = 16 };

/* `bytes` loaded at base + disp, at bit `shift` of the whole. */
typedef struct Part {
    IrRef load;
    IrRef base;
    int64_t disp;
    unsigned bytes, shift;
    bool extended; /* the 32 bits that it is of are sign-extended */
} Part;

typedef struct Combine {
    IrFunc *f;
    IrBlockId block;
    IrReplace replace;
    uint32_t *at;  /* place of an insn of this block in it, else 0 */
    bool *inside;  /* an or that is part of another one */
    IrRef before;  /* new values go in front of this */
    IrType type;   /* of the whole */
    unsigned n;
    Part part[PARTS];
    unsigned n_rest; /* what is or-ed to them */
    IrRef rest[PARTS];
    unsigned n_inner; /* ors below the root */
    IrRef inner[PARTS];
    bool full;
    bool extended; /* some part is */
    bool changed;
} Combine;

static IrRef operand(const Combine *c, IrRef ref, unsigned k)
{
    return ir_replaced(&c->replace, c->f->insn[ref].arg[k]);
}

static bool is_const(const Combine *c, IrRef ref, int64_t *v)
{
    *v = c->f->insn[ref].imm;
    return c->f->insn[ref].op == IR_OP_const;
}

/* ---- What a value is made of ---- */

static bool add_part(Combine *c, IrRef ref, unsigned shift, unsigned limit)
{
    const IrInsn *i = &c->f->insn[ref];
    unsigned bytes = 1u << (i->aux & IR_MEM_SIZE);

    if (c->n == PARTS || ref >= c->replace.n || !c->at[ref] || i->type != IR_I64 ||
        i->aux & IR_MEM_SIGN || shift + 8 * bytes > limit) {
        return false;
    }
    c->part[c->n++] = (Part){ ref, operand(c, ref, 0), i->imm, bytes, shift, false };
    return true;
}

/* Is `ref`, moved up by `shift`, made of loads only, and all of them below bit `limit`? */
static bool parse(Combine *c, IrRef ref, unsigned shift, unsigned limit)
{
    const IrInsn *i = &c->f->insn[ref];
    unsigned top = shift + ir_bits(i->type);
    int64_t count;

    limit = top < limit ? top : limit;
    switch (i->op) {
    case IR_OP_load:
        return add_part(c, ref, shift, limit);
    case IR_OP_trunc:
    case IR_OP_zext:
        return parse(c, operand(c, ref, 0), shift, limit);
    case IR_OP_shl:
        return is_const(c, i->arg[1], &count) && count > 0 && count % 8 == 0 &&
               parse(c, operand(c, ref, 0), shift + (unsigned)count, limit);
    case IR_OP_or:
        return parse(c, operand(c, ref, 0), shift, limit) &&
               parse(c, operand(c, ref, 1), shift, limit);
    default:
        return false;
    }
}

/* The same of a value of 32 bits that is extended to 64. */
static bool parse_extended(Combine *c, IrRef ref)
{
    unsigned n = c->n;

    if (!parse(c, ref, 0, 32)) {
        return false;
    }
    for (; n < c->n; n++) {
        c->part[n].extended = true;
    }
    c->extended = true;
    return true;
}

static bool is_extended(const Combine *c, IrRef ref)
{
    const IrInsn *i = &c->f->insn[ref];

    return i->op == IR_OP_sext && i->type == IR_I64 && c->f->insn[i->arg[0]].type == IR_I32;
}

static void gather(Combine *c, IrRef ref)
{
    unsigned n = c->n;

    if (c->f->insn[ref].op == IR_OP_or && ref < c->replace.n && c->at[ref]) {
        c->inside[ref] = true;
        if (c->n_inner < PARTS) {
            c->inner[c->n_inner++] = ref;
        }
        gather(c, operand(c, ref, 0));
        gather(c, operand(c, ref, 1));
        return;
    }
    if (!(is_extended(c, ref) ? parse_extended(c, operand(c, ref, 0))
                              : parse(c, ref, 0, ir_bits(c->type)))) {
        c->n = n;
        c->full |= c->n_rest == PARTS;
        c->rest[c->full ? 0 : c->n_rest++] = ref;
    }
}

static void sort_parts(Combine *c)
{
    for (unsigned k = 1; k < c->n; k++) {
        Part p = c->part[k];
        unsigned j = k;

        for (; j > 0 && (c->part[j - 1].base > p.base ||
                         (c->part[j - 1].base == p.base && c->part[j - 1].disp > p.disp));
             j--) {
            c->part[j] = c->part[j - 1];
        }
        c->part[j] = p;
    }
}

/* ---- Runs of neighbours ---- */

/* Parts [first, first + n) are `bytes` neighbouring bytes in one of the two orders; in the big one
 * a part of several bytes has them the wrong way round. */
typedef struct Run {
    unsigned first, n, bytes;
    bool big; /* most significant byte first */
} Run;

static bool follows(const Part *a, const Part *b, bool big)
{
    return b->base == a->base && b->disp == a->disp + a->bytes &&
           (big ? b->shift + 8 == a->shift && a->bytes == 1 && b->bytes == 1
                : a->shift + 8 * a->bytes == b->shift);
}

static bool run_at(const Combine *c, unsigned first, unsigned bytes, bool big, Run *run)
{
    unsigned total = c->part[first].bytes, k = first + 1;

    while (total < bytes && k < c->n && follows(&c->part[k - 1], &c->part[k], big)) {
        total += c->part[k++].bytes;
    }
    *run = (Run){ first, k - first, bytes, big };
    return run->n > 1 && total == bytes;
}

static bool in_run(const Combine *c, const Run *run, IrRef ref)
{
    for (unsigned k = 0; k < run->n; k++) {
        if (c->part[run->first + k].load == ref) {
            return true;
        }
    }
    return false;
}

/* May the whole run be loaded before `ref`, which is none of it? */
static bool may_pass(const Combine *c, const Run *run, IrRef ref)
{
    const IrInsn *i = &c->f->insn[ref];
    const Part *p = &c->part[run->first];
    uint32_t effects = ir_effects(c->f, i);

    if (i->op == IR_OP_load) {
        return ir_replaced(&c->replace, i->arg[0]) == p->base &&
               (i->imm + (1 << (i->aux & IR_MEM_SIZE)) <= p->disp ||
                i->imm >= p->disp + run->bytes);
    }
    return i->op == IR_OP_setreg ||
           !(effects & (IR_MEM_R | IR_MEM_W | IR_TRAPS | IR_STATE_W | IR_FPENV));
}

/* The load of the run that comes first, when they can be one; else 0. */
static IrRef first_load(const Combine *c, const Run *run)
{
    IrRef first = c->part[run->first].load, last = first;

    for (unsigned k = 1; k < run->n; k++) {
        IrRef load = c->part[run->first + k].load;

        first = c->at[load] < c->at[first] ? load : first;
        last = c->at[load] > c->at[last] ? load : last;
    }
    for (IrRef ref = first; ref != last; ref = c->f->insn[ref].next) {
        if (!in_run(c, run, ref) && !may_pass(c, run, ref)) {
            return 0;
        }
    }
    return first;
}

/* ---- Rewriting ---- */

static IrRef insert(Combine *c, IrOp op, IrType type, IrRef a, IrRef b)
{
    return ir_insert_before(
        c->f, c->block, c->before,
        (IrInsn){ .op = (uint8_t)op, .type = (uint8_t)type, .arg = { a, b } });
}

static IrRef constant(Combine *c, IrType type, uint64_t v)
{
    return ir_insert_before(
        c->f, c->block, c->before,
        (IrInsn){ .op = IR_OP_const,
                  .type = (uint8_t)type,
                  .imm = type == IR_I32 ? (int32_t)v : (int64_t)v });
}

static IrRef shift(Combine *c, IrOp op, IrType type, IrRef a, unsigned count)
{
    return count ? insert(c, op, type, a, constant(c, type, count)) : a;
}

static IrRef cast(Combine *c, IrRef a, IrType type)
{
    IrType from = c->f->insn[a].type;

    return from == type ? a : insert(c, from < type ? IR_OP_zext : IR_OP_trunc, type, a, 0);
}

/* What the load of part `p` gave, out of `whole`, the run's bytes. */
static void cut_out(Combine *c, const Run *run, const Part *p, IrRef whole)
{
    unsigned offset = (unsigned)(p->disp - c->part[run->first].disp);
    IrRef v;

    c->before = p->load;
    v = shift(c, IR_OP_shr, IR_I64, whole, 8 * offset);
    if (offset + p->bytes < run->bytes) {
        v = insert(c, IR_OP_and, IR_I64, v,
                   constant(c, IR_I64, (UINT64_C(1) << 8 * p->bytes) - 1));
    }
    c->replace.by[p->load] = v;
    ir_remove(c->f, c->block, p->load);
}

/* The run's bytes, loaded as they lie in memory, in the order in which it wants them. */
static IrRef in_order(Combine *c, const Run *run, IrRef whole)
{
    IrType type = run->bytes == 8 ? IR_I64 : IR_I32;

    if (!run->big) {
        return cast(c, whole, c->type);
    }
    whole = insert(c, IR_OP_bswap, type, cast(c, whole, type), 0);
    return cast(c, shift(c, IR_OP_shr, type, whole, run->bytes == 2 ? 16 : 0), c->type);
}

static unsigned log2_of(unsigned bytes)
{
    return (unsigned)__builtin_ctz(bytes);
}

/* The bits of the run that `ref` is, moved up by `shift`; 0 when it is anything else. */
static uint64_t covers(const Combine *c, const Run *run, IrRef ref, unsigned shift)
{
    const IrInsn *i = &c->f->insn[ref];
    uint64_t a, b;

    switch (i->op) {
    case IR_OP_load:
        for (unsigned k = 0; k < run->n; k++) {
            const Part *p = &c->part[run->first + k];

            if (p->load == ref && p->shift == shift) {
                return UINT64_MAX >> (64 - 8 * p->bytes) << shift;
            }
        }
        return 0;
    case IR_OP_trunc:
    case IR_OP_zext:
        return covers(c, run, operand(c, ref, 0), shift);
    case IR_OP_shl:
        return c->f->insn[i->arg[1]].op == IR_OP_const
                   ? covers(c, run, operand(c, ref, 0), shift + (unsigned)c->f->insn[i->arg[1]].imm)
                   : 0;
    case IR_OP_or:
        a = covers(c, run, operand(c, ref, 0), shift);
        b = covers(c, run, operand(c, ref, 1), shift);
        return a && b ? a | b : 0;
    default:
        return 0;
    }
}

/* Those bits of `whole`; 0 when that takes more than two ops. */
static IrRef masked(Combine *c, IrRef whole, uint64_t mask)
{
    unsigned above = (unsigned)__builtin_clzll(mask) - (64 - ir_bits(c->type));

    if (mask <= INT32_MAX) {
        return insert(c, IR_OP_and, c->type, whole, constant(c, c->type, mask));
    }
    if (mask & (mask + 1)) {
        return 0;
    }
    return shift(c, IR_OP_shr, c->type, shift(c, IR_OP_shl, c->type, whole, above), above);
}

/* An or of some of the run's parts, which the guest's state may need, is a part of the whole. */
static void replace_inner(Combine *c, const Run *run, IrRef whole)
{
    for (unsigned k = 1; k < c->n_inner; k++) {
        uint64_t mask = covers(c, run, c->inner[k], 0);
        IrRef value;

        c->before = c->inner[k];
        value = mask ? masked(c, whole, mask) : 0;
        if (value) {
            c->replace.by[c->inner[k]] = value;
        }
    }
}

static void drop_run(Combine *c, const Run *run)
{
    c->n -= run->n;
    for (unsigned k = run->first; k < c->n; k++) {
        c->part[k] = c->part[k + run->n];
    }
}

/* Replaces the run's loads, and moves the run to the rest. */
static void combine_run(Combine *c, const Run *run, IrRef first)
{
    const Part *p = &c->part[run->first], *top = run->big ? p + run->n - 1 : p;
    IrRef raw, whole;

    c->before = first;
    raw = ir_insert_before(c->f, c->block, first,
                           (IrInsn){ .op = IR_OP_load,
                                     .type = IR_I64,
                                     .aux = (uint8_t)log2_of(run->bytes),
                                     .arg = { p->base },
                                     .imm = p->disp });
    whole = shift(c, IR_OP_shl, c->type, in_order(c, run, raw), top->shift);
    replace_inner(c, run, whole);
    for (unsigned k = 0; k < run->n; k++) {
        cut_out(c, run, p + k, raw);
    }
    c->rest[c->n_rest++] = whole;
    drop_run(c, run);
    c->changed = true;
}

/* A run, the largest first; *first: its first load. */
static bool find_run(const Combine *c, Run *run, IrRef *first)
{
    for (unsigned bytes = ir_bits(c->type) / 8; bytes > 1; bytes /= 2) {
        for (unsigned k = 0; k < c->n; k++) {
            for (unsigned big = 0; big < 2; big++) {
                *first = run_at(c, k, bytes, big, run) ? first_load(c, run) : 0;
                if (*first) {
                    return true;
                }
            }
        }
    }
    return false;
}

/* Do runs take all parts?  Otherwise bytes would have to be cut out of what is combined, for what
 * stands between and for the guest's state. */
static bool is_complete(const Combine *c)
{
    Combine plan = *c;
    unsigned n = c->n_rest;
    IrRef first;
    Run run;

    while (find_run(&plan, &run, &first)) {
        drop_run(&plan, &run);
        n++;
    }
    return !plan.n && n <= PARTS;
}

/* Is the or of parts, some of them sign-extended, the sign extension of an or of 32 bits? */
static bool is_extension(const Combine *c)
{
    for (unsigned k = 0; k < c->n; k++) {
        unsigned end = c->part[k].shift + 8 * c->part[k].bytes;

        if (end > 32 || (end == 32 && !c->part[k].extended)) {
            return false;
        }
    }
    return !c->n_rest;
}

/* `root` is an or, which becomes the combined values. */
static void replace_root(Combine *c, IrRef root)
{
    IrType type = c->f->insn[root].type;
    IrRef value = c->rest[0];

    c->before = root;
    for (unsigned k = 1; k < c->n_rest; k++) {
        value = insert(c, IR_OP_or, c->type, value, c->rest[k]);
    }
    c->replace.by[root] = type == c->type ? value : insert(c, IR_OP_sext, type, value, 0);
}

/* `root` is an or: tries to combine what it is made of. */
static void combine_tree(Combine *c, IrRef root)
{
    IrRef first;
    Run run;

    c->n = c->n_rest = c->n_inner = 0;
    c->full = c->extended = false;
    c->type = c->f->insn[root].type;
    gather(c, root);
    if (c->extended) {
        c->type = IR_I32;
        c->n_inner = 0;
    }
    sort_parts(c);
    if (c->n < 2 || c->full || (c->extended && !is_extension(c)) || !is_complete(c)) {
        return;
    }
    while (find_run(c, &run, &first)) {
        combine_run(c, &run, first);
    }
    replace_root(c, root);
}

/* From the end, so that the largest trees are seen first. */
static void combine_block(Combine *c, IrBlockId block)
{
    IrFunc *f = c->f;
    uint32_t n = 0;

    c->block = block;
    IR_FOR_EACH (f, block, ref) {
        c->at[ref] = ++n;
    }
    for (IrRef ref = f->block[block].last; ref; ref = f->insn[ref].prev) {
        if (ref < c->replace.n && !c->inside[ref] && f->insn[ref].op == IR_OP_or &&
            f->insn[ref].type >= IR_I32) {
            combine_tree(c, ref);
        }
    }
    IR_FOR_EACH (f, block, ref) {
        if (ref < c->replace.n) {
            c->at[ref] = 0;
        }
    }
}

bool ir_opt_combine(IrFunc *f)
{
    Combine c = { .f = f };

    if (f->watched) {
        return false;
    }
    c.replace = ir_replace_new(f);
    c.at = ARENA_NEW(f->arena, uint32_t, f->n_insns);
    c.inside = ARENA_NEW(f->arena, bool, f->n_insns);
    for (IrBlockId b = 0; b < f->n_blocks; b++) {
        combine_block(&c, b);
    }
    for (IrBlockId b = 0; b < f->n_blocks && c.changed; b++) {
        IR_FOR_EACH (f, b, ref) {
            ir_replace_operands(&c.replace, &f->insn[ref]);
        }
    }
    ir_replace_edges(&c.replace, f);
    return c.changed;
}
