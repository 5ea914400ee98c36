/* SPDX-License-Identifier: Apache-2.0 */
/*
 * ir/opt/narrow.c - 64-bit arithmetic of which only the low 32 bits are used becomes 32-bit.
 *
 * RV64 code does the logic of 32-bit values on whole registers; in 32 bits no operand need be
 * extended first.
 *
 * Preserved: all users see the same low bits; a setreg, a comparison or an address uses all 64.
 * Terminates: what users ask for only grows, from nothing.
 */
#include "ir/cfg.h"
#include "ir/opt/opt.h"
#include "ir/opt/replace.h"

typedef struct Narrow {
    IrFunc *f;
    const IrCfg *cfg;
    IrReplace replace;
    bool *wide;  /* by value: somebody uses more than the low half */
    IrRef *work; /* values that have just become wide */
    uint32_t n_work;
} Narrow;

/* The low half of the result depends on the low halves of the operands only. */
static bool is_narrowable(const IrFunc *f, const IrInsn *i)
{
    const IrInsn *count = &f->insn[i->arg[1]];

    if (i->type != IR_I64) {
        return false;
    }
    switch (i->op) {
    case IR_OP_add:
    case IR_OP_sub:
    case IR_OP_mul:
    case IR_OP_neg:
    case IR_OP_and:
    case IR_OP_or:
    case IR_OP_xor:
    case IR_OP_not:
        return true;
    case IR_OP_shl:
        return count->op == IR_OP_const && (uint64_t)count->imm < 32;
    default:
        return false;
    }
}

static void make_wide(Narrow *n, IrRef ref)
{
    if (ref && !n->wide[ref] && n->f->insn[ref].type == IR_I64) {
        n->wide[ref] = true;
        n->work[n->n_work++] = ref;
    }
}

/* Operands of which `i` uses the low half at most, whoever uses it. */
static bool takes_low_half(const IrInsn *i, unsigned k)
{
    return i->op == IR_OP_trunc || (i->op == IR_OP_store && k == 1 && (i->aux & IR_MEM_SIZE) < 3);
}

static void find_wide(Narrow *n)
{
    IrFunc *f = n->f;

    for (IrBlockId b = 0; b < f->n_blocks; b++) {
        bool reachable = n->cfg->position[b] != IR_NO_BLOCK;

        IR_FOR_EACH (f, b, ref) {
            const IrInsn *i = &f->insn[ref];

            for (unsigned k = 0; k < 3; k++) {
                if (!reachable || !(is_narrowable(f, i) || takes_low_half(i, k))) {
                    make_wide(n, i->arg[k]);
                }
            }
        }
    }
    for (uint32_t k = 0; k < f->n_edge_args; k++) {
        make_wide(n, f->edge_args[k]);
    }
    while (n->n_work) {
        const IrInsn *i = &f->insn[n->work[--n->n_work]];

        for (unsigned k = 0; k < 3 && is_narrowable(f, i); k++) {
            make_wide(n, i->arg[k]);
        }
    }
}

/* `ref` in 32 bits, before `at`. */
static IrRef low_half(Narrow *n, IrBlockId b, IrRef at, IrRef ref)
{
    const IrInsn *i = &n->f->insn[ref];

    if (i->type == IR_I32) {
        return ref; /* narrowed already */
    }
    if (i->op == IR_OP_const) {
        return ir_insert_before(
            n->f, b, at, (IrInsn){ .op = IR_OP_const, .type = IR_I32, .imm = (int32_t)i->imm });
    }
    if (i->op == IR_OP_sext && n->f->insn[i->arg[0]].type == IR_I32) {
        return i->arg[0];
    }
    return ir_insert_before(n->f, b, at,
                            (IrInsn){ .op = IR_OP_trunc, .type = IR_I32, .arg = { ref } });
}

static void narrow(Narrow *n, IrBlockId b, IrRef ref)
{
    for (unsigned k = 0; k < ir_op_info[n->f->insn[ref].op].n_args; k++) {
        IrRef low = low_half(n, b, ref, n->f->insn[ref].arg[k]);

        n->f->insn[ref].arg[k] = low;
    }
    n->f->insn[ref].type = IR_I32;
}

/* A user of a value that may have become narrow. */
static void fix_user(Narrow *n, IrBlockId b, IrRef ref)
{
    IrInsn *i = &n->f->insn[ref];

    if (i->op == IR_OP_store) {
        i->type = n->f->insn[i->arg[1]].type;
    } else if (i->op == IR_OP_trunc && i->type == n->f->insn[i->arg[0]].type) {
        n->replace.by[ref] = i->arg[0];
        ir_remove(n->f, b, ref);
    }
}

static bool narrow_block(Narrow *n, IrBlockId b)
{
    IrFunc *f = n->f;
    bool changed = false;

    IR_FOR_EACH (f, b, ref) {
        ir_replace_operands(&n->replace, &f->insn[ref]);
        if (is_narrowable(f, &f->insn[ref]) && !n->wide[ref]) {
            narrow(n, b, ref);
            changed = true;
        } else {
            fix_user(n, b, ref);
        }
    }
    return changed;
}

bool ir_opt_narrow(IrFunc *f)
{
    Narrow n = { .f = f, .cfg = ir_cfg(f), .replace = ir_replace_new(f) };
    bool changed = false;

    n.wide = ARENA_NEW(f->arena, bool, f->n_insns);
    n.work = ARENA_NEW(f->arena, IrRef, f->n_insns);
    find_wide(&n);
    for (uint32_t k = 0; k < n.cfg->n_order; k++) {
        changed |= narrow_block(&n, n.cfg->order[k]);
    }
    ir_replace_edges(&n.replace, f);
    return changed;
}
