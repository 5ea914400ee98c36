/* SPDX-License-Identifier: Apache-2.0 */
/*
 * ir/text.h - how the fields of an insn are spelled: what the printer and the parser share.
 *
 *     [%N:TYPE =] OP[.AUX] ITEM, ...
 *
 * An item is an operand (%N) or the op's immediate; the immediate comes first, but after operand
 * 0 where IrTextForm says so.
 */
#ifndef KETCH_IR_TEXT_H
#define KETCH_IR_TEXT_H

#include "ir/ir.h"

typedef enum IrTextAux {
    IR_AUX_NONE,
    IR_AUX_MEM,    /* .4 .s4: size in bytes, sign */
    IR_AUX_RMW,    /* .add */
    IR_AUX_ORDER,  /* .ll.sl */
    IR_AUX_RM,     /* .rtz; nearest even is not written */
    IR_AUX_EXIT,   /* .poll.call */
    IR_AUX_TRAP,   /* .syscall */
    IR_AUX_PARAM,  /* .quiet .sext */
    IR_AUX_LENGTH, /* a last item without comma */
} IrTextAux;

typedef enum IrTextImm {
    IR_IMM_NONE,
    IR_IMM_NUMBER,
    IR_IMM_PC,     /* in hexadecimal */
    IR_IMM_SLOT,   /* name of a guest register */
    IR_IMM_HELPER, /* name of a helper */
    IR_IMM_DISP,   /* after operand 0 */
    IR_IMM_ARG,    /* after operand 0, in hexadecimal */
    IR_IMM_EDGE,   /* after the operands: BLOCK(%N, ...) */
    IR_IMM_EDGES,  /* two of them */
} IrTextImm;

typedef struct IrTextForm {
    uint8_t aux, imm;
} IrTextForm;

/* Names of the values of an aux field, NULL where there is none; `n` of them. */
typedef struct IrTextNames {
    const char *const *name;
    unsigned n;
    bool is_mask; /* bits, each with a name, instead of one value */
} IrTextNames;

IrTextNames ir_text_names(IrTextAux aux);

IrTextForm ir_text_form(IrOp op);

#endif
