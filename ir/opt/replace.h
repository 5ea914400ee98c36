/* SPDX-License-Identifier: Apache-2.0 */
/*
 * ir/opt/replace.h - the values that a pass has put in place of others.
 *
 * The pass walks definitions before uses and asks for each operand what it is now; arguments of
 * edges, which may be defined later, are done at the end.
 */
#ifndef KETCH_IR_OPT_REPLACE_H
#define KETCH_IR_OPT_REPLACE_H

#include "ir/ir.h"

typedef struct IrReplace {
    IrRef *by;  /* 0: itself */
    uint32_t n; /* values from here on are new, and themselves */
} IrReplace;

static inline IrReplace ir_replace_new(const IrFunc *f)
{
    return (IrReplace){ ARENA_NEW(f->arena, IrRef, f->n_insns), f->n_insns };
}

static inline IrRef ir_replaced(const IrReplace *r, IrRef ref)
{
    while (ref < r->n && r->by[ref]) {
        ref = r->by[ref];
    }
    return ref;
}

static inline void ir_replace_operands(const IrReplace *r, IrInsn *i)
{
    for (unsigned k = 0; k < 3; k++) {
        i->arg[k] = ir_replaced(r, i->arg[k]);
    }
}

static inline void ir_replace_edges(const IrReplace *r, IrFunc *f)
{
    for (uint32_t k = 0; k < f->n_edge_args; k++) {
        f->edge_args[k] = ir_replaced(r, f->edge_args[k]);
    }
}

#endif
