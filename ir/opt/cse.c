/* SPDX-License-Identifier: Apache-2.0 */
/*
 * ir/opt/cse.c - equal ops become one: the one that dominates the others.
 *
 * Preserved: FP flags.  A second equal FP op raises nothing new as long as no op between looks at
 * flags or modes; so FP ops merge across blocks only in functions without such ops, else within a
 * stretch of a block.
 * Terminates: one walk over the dominator tree.
 */
#include <string.h>

#include "ir/cfg.h"
#include "ir/opt/opt.h"
#include "ir/opt/replace.h"

/* An entry is valid while the walk is below `block`, and for FP in the same stretch. */
typedef struct Entry {
    IrRef ref;
    IrBlockId block;
    uint32_t stretch;
} Entry;

enum { TABLE_BITS = 10, TABLE_SIZE = 1 << TABLE_BITS };

typedef struct Cse {
    IrFunc *f;
    const IrCfg *cfg;
    IrReplace replace;
    Entry *table;
    bool fpenv;       /* the function has ops that look at flags or modes */
    uint32_t stretch; /* of FP ops that may merge */
    bool changed;
} Cse;

static unsigned hash(const IrInsn *i)
{
    uint64_t h =
        (uint64_t)i->imm * 31 + i->op + ((uint64_t)i->type << 8) + ((uint64_t)i->aux << 16);

    for (unsigned k = 0; k < 3; k++) {
        h = (h ^ i->arg[k]) * UINT64_C(0x9e3779b97f4a7c15);
    }
    return (unsigned)(h >> (64 - TABLE_BITS));
}

static bool same(const IrInsn *a, const IrInsn *b)
{
    return a->op == b->op && a->type == b->type && a->aux == b->aux && a->imm == b->imm &&
           memcmp(a->arg, b->arg, sizeof(a->arg)) == 0;
}

/* The table is small and open: an entry of a block that does not dominate is overwritten. */
static void visit(Cse *c, IrBlockId b, IrRef ref, bool is_fp)
{
    const IrInsn *i = &c->f->insn[ref];
    unsigned h = hash(i);

    for (unsigned probe = 0; probe < 4; probe++) {
        Entry *e = &c->table[(h + probe) % TABLE_SIZE];
        bool valid = e->ref && ir_dominates(c->cfg, e->block, b);

        if (valid && same(&c->f->insn[e->ref], i) && (!is_fp || e->stretch == c->stretch)) {
            c->replace.by[ref] = e->ref;
            ir_remove(c->f, b, ref);
            c->changed = true;
            return;
        }
        if (!valid || probe == 3) {
            *e = (Entry){ ref, b, c->stretch };
            return;
        }
    }
}

static void visit_block(Cse *c, IrBlockId b)
{
    IrFunc *f = c->f;

    c->stretch += c->fpenv;
    IR_FOR_EACH (f, b, ref) {
        IrInsn *i = &f->insn[ref];
        uint32_t effects = ir_effects(f, i);

        ir_replace_operands(&c->replace, i);
        if (effects & IR_PURE) {
            visit(c, b, ref, false);
        } else if (effects & IR_FP) {
            visit(c, b, ref, true);
        } else if (effects & IR_FPENV || i->op == IR_OP_call) {
            c->stretch++;
        }
    }
}

bool ir_opt_cse(IrFunc *f)
{
    Cse c = { .f = f, .cfg = ir_cfg(f), .replace = ir_replace_new(f) };

    c.table = ARENA_NEW(f->arena, Entry, TABLE_SIZE);
    for (IrRef ref = 1; ref < f->n_insns; ref++) {
        uint8_t op = f->insn[ref].op;

        c.fpenv |= ir_op_info[op].effects & IR_FPENV || op == IR_OP_call;
    }
    /* Reverse postorder: dominators come first. */
    for (uint32_t k = 0; k < c.cfg->n_order; k++) {
        visit_block(&c, c.cfg->order[k]);
    }
    ir_replace_edges(&c.replace, f);
    return c.changed;
}
